using System.Globalization;
using System.Runtime.InteropServices;
using ImageFs.Devices;
using ImageFs.Format;
using ImageFs.Fsck;
using ImageFs.Tests.Fixtures;

namespace ImageFs.Tests.Fsck;

/// <summary>The most memory a whole process takes, with a small budget: a large log to replay, and blocks that make helpers of a repair collect.</summary>
[TestClass]
[DoNotParallelize]
public sealed class MemoryTests
{
    private const int Files = 150_000;
    /// <summary>What the heap grows before it is collected, and reading buffers, on top of what the smallest image takes.</summary>
    private const long Margin = 72L << 20;
    private static readonly string s_budget = (MemoryBudget.Least >> 20).ToString(CultureInfo.InvariantCulture);

    /// <summary>Runs fsck in this process and says how much memory it took.</summary>
    internal static int PeakOf(string[] arguments)
    {
        int exit = FsckProgram.Run(arguments, Console.Out, Console.Error);
        string peak = File.ReadLines("/proc/self/status").First(l => l.StartsWith("VmHWM:", StringComparison.Ordinal));
        Console.WriteLine($"peak {peak.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1]}");
        return exit;
    }

    private static long Peak(int exit, params string[] arguments)
    {
        if (!OperatingSystem.IsLinux()) Assert.Inconclusive("the most memory a process took is known on Linux only");
        ShellResult result = Child.Run(nameof(PeakOf), arguments);
        Assert.AreEqual(exit, result.ExitCode, result.Output);
        string line = result.Output.Split('\n').Last(l => l.StartsWith("peak ", StringComparison.Ordinal));
        return long.Parse(line.AsSpan(5), CultureInfo.InvariantCulture) << 10;
    }

    private static long Smallest()
    {
        using TempImage small = SampleImages.Copy("dirty-simple-4k");
        return Peak(1, "-y", "-q", "-m", s_budget, small.Path);
    }

    [TestMethod]
    public void ALargeLogIsReplayedWithLittleMemory()
    {
        using TempImage image = TempImage.NotYetThere(), dirty = TempImage.NotYetThere();
        using (FileDevice device = Format(image.Path))
        using (FileSystem fs = FileSystem.Open(device, write: true))
        {
            for (int i = 0; i < Files; i++) fs.CreateFile($"/{i}").Dispose();
            fs.Flush();
            // The power goes.
            Shell.Run("cp", ["--sparse=always", image.Path, dirty.Path], TimeSpan.FromMinutes(1));
        }
        long changed;
        using (FileDevice device = FileDevice.Open(dirty.Path, DeviceAccess.Read))
        {
            byte[] sector = new byte[512];
            device.Read(0, sector);
            changed = ImageFs.Journal.Recovery.Replay(device, new Geometry(Superblock.At((ReadOnlySpan<byte>)sector))).View.ChangedBytes;
        }
        // A replay in memory would come on top of the margin, most of which is taken.
        Assert.IsGreaterThan(64L << 20, changed);
        long check = Peak(0, "-n", "-q", "-m", s_budget, dirty.Path), repair = Peak(1, "-y", "-q", "-m", s_budget, dirty.Path);
        long least = Smallest();
        Console.WriteLine($"{changed >> 20} MiB changed by the log; check {check >> 20} MiB, repair {repair >> 20}, of the smallest image {least >> 20}");
        Assert.IsLessThan(least + MemoryBudget.Least + Margin, check);
        Assert.IsLessThan(least + MemoryBudget.Least + Margin, repair);
    }

    [TestMethod]
    public void BlocksThatAllNameOneInodeAreCountedAgainstTheBudget()
    {
        const int blocks = 120_000;
        MemoryDevice device = new(512L << 20);
        ImageFs.Mkfs.Mkfs.Format(device, new() { BlockSize = 1024, ReverseMapBtree = false, SourceDate = DateTimeOffset.UnixEpoch.AddYears(50) });
        using (FileSystem fs = FileSystem.Open(device, write: true, leaveOpen: true))
        {
            using XfsFile file = fs.CreateFile("/fragments"), space = fs.CreateFile("/space");
            file.SetLength(200 * 8192);
            for (int i = 0; i < 200; i++) file.Write(i * 8192L, [1]);
            space.Allocate(0, blocks * 1024L);
        }
        DamagedImage image = new(device);
        ulong victim = image.FindUsed(c => c is { IsRegular: true, Format: ForkFormat.Btree }), trap = image.FindUsed(c => c.IsRegular && c.BlockCount >= blocks);
        int made = 0;
        foreach (Extent extent in image.Extents(trap))
            for (uint b = 0; b < extent.Length; b++, made++) device.Write(image.Geometry.ByteOffset(extent.Start + b), Leaf(image.Geometry, extent.Start + b, victim, (ulong)made));
        device.Write(image.InodeOffset(trap), new byte[image.Geometry.InodeSize]);
        device.Write(image.Geometry.ByteOffset(new FsBlock(image.BmbtLeaf(victim))), new byte[64]);

        RepairOptions little = new() { DryRun = true, MemoryBytes = MemoryBudget.Least };
        FsckReport report = Repairer.Repair(device, little);
        Assert.AreEqual(FsckExit.OperationalError, report.Exit, report.Text());
        Assert.Contains("MiB of memory are too little for this image", report.Problem!);
        report = Repairer.Repair(device, little with { MemoryBytes = 1 << 30 });
        Assert.AreEqual(FsckExit.Repaired, report.Exit, report.Text());
    }

    /// <summary>A leaf of a bmbt, as sound as any, that maps one block: itself.</summary>
    private static byte[] Leaf(Geometry g, FsBlock at, ulong owner, ulong offset)
    {
        byte[] block = new byte[g.BlockSize];
        ref LongBtreeHeader header = ref LongBtreeHeader.At(block.AsSpan());
        (header.Magic, header.RecordCount, header.LeftSibling, header.RightSibling) = (BtreeMagic.Bmbt, 1, ulong.MaxValue, ulong.MaxValue);
        (header.BlockNumber, header.Owner, header.Uuid) = (g.DiskAddress(g.ByteOffset(at)), owner, g.MetaUuid);
        MemoryMarshal.Write(block.AsSpan(LongBtreeHeader.Size), new PackedExtent(new Extent(new FileBlock(offset), at, 1, false)));
        Crc32c.Stamp(block, LongBtreeHeader.CrcOffset);
        return block;
    }

    private static FileDevice Format(string path)
    {
        File.WriteAllBytes(path, []);
        using (FileStream file = new(path, FileMode.Open)) file.SetLength(4L << 30);
        FileDevice device = FileDevice.Open(path, DeviceAccess.Write);
        ImageFs.Mkfs.Mkfs.Format(device, new() { LogSize = 512L << 20, SourceDate = DateTimeOffset.UnixEpoch.AddYears(50) });
        return device;
    }
}
