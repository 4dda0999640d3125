using System.Globalization;
using ImageFs.Devices;
using ImageFs.Format;
using ImageFs.Mkfs;
using ImageFs.Tests.Fixtures;

namespace ImageFs.Tests.Simulation;

/// <summary>The smallest log that mkfs allows, with every feature that makes transactions larger: everything still fits.</summary>
[TestClass]
public sealed class SmallestLogTests
{
    [TestMethod]
    [DataRow(1024)]
    [DataRow(4096)]
    [DataRow(16384)]
    [DataRow(65536)]
    public void EveryKindOfWorkFitsTheSmallestLog(int blockSize)
    {
        PagedImage disk = Format(blockSize);
        Geometry geometry = Volume.ReadSuperblock(new SimulatedDevice(disk));
        CrashSubject subject = new()
        {
            Name = "smallest log", Formatted = disk, BlockSize = blockSize, Log = new ByteRange(geometry.LogOffset, geometry.LogBytes),
            Open = FileSystemTree.Open, Check = ApiCalls.Check,
        };
        foreach (string name in (string[])["mixed", "sharing", "ranges", "names", "attributes", "many", "atomic"])
        {
            Model model = new(blockSize);
            SimulatedDevice device = new(subject.Formatted);
            (CrashRun run, Exception? end) = CrashRun.Try(device, subject, subject.Formatted, model, new Workload(name, TestSettings.Seed, blockSize), Workload.Length(name));
            string replay = $"{name}: {TestSettings.Replay(nameof(EveryKindOfWorkFitsTheSmallestLog), TestSettings.Seed)}";
            Assert.IsNull(end, $"{replay}\n{end}\n{run.Describe(long.MaxValue)}");
            Assert.IsEmpty(run.WithoutRoom, replay);
            Dictionary<string, ObservedEntry> found = DeviceErrorTests.Recover(device.Working, ApiCalls.Check);
            int operations = new ModelMatch(model, model.Operations, model.Operations, _ => null).Find(found, out _, out string reasons);
            Assert.AreEqual(model.Operations, operations, $"{replay}\n{reasons}");
            disk = device.Working;
        }
        if (!Judge.HasKernel) return;
        // What we leave is the kernel's to go on with.
        using TempImage image = TempImage.NotYetThere();
        disk.Save(image.Path);
        TreeListing ours = LibraryListing.Of(image.Path);
        using (KernelMount mount = KernelMount.ReadWrite(image.Path))
        {
            TreeListing.AssertEqual(ours, mount.List(), LibraryListing.Fields & ~TreeFields.Extents);
            File.WriteAllBytes(mount["theirs"], new byte[100_000]);
            mount.AssertNoComplaints();
        }
        OurFsck.AssertClean(image.Path);
    }

    [TestMethod]
    [DataRow(1024)]
    [DataRow(4096)]
    public void EveryCallFitsTheSmallestLog(int blockSize)
    {
        ApiCalls calls = new(Format(blockSize));
        foreach (string call in ApiCalls.Names) Assert.IsNull(calls.Run(call, new SimulatedDevice(calls.Formatted), null), call);
    }

    /// <summary>Formats with a log as small as it may be.</summary>
    private static PagedImage Format(int blockSize)
    {
        // Its log has to fit a group.
        long size = blockSize > 16384 ? 1L << 30 : 256 << 20;
        string[] options = ["-b", $"size={blockSize}", "-n", "parent=1", "-i", "exchange=1", "-m", "rmapbt=1,reflink=1"];
        MkfsPlan plan = global::ImageFs.Mkfs.Mkfs.Plan(MkfsOptions.Parse(options), size);
        long blocks = new LogReservations(plan).MinimumLogBlocks();
        MkfsOptions smallest = MkfsOptions.Parse([.. options, "-l", string.Create(CultureInfo.InvariantCulture, $"size={Math.Max(blocks * blockSize, 2 << 20)}")]);
        MemoryDevice device = new(size);
        global::ImageFs.Mkfs.Mkfs.Format(device, smallest);
        return PagedImage.Of(device);
    }
}
