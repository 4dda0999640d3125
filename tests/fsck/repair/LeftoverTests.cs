using System.Text.Json;
using ImageFs.Devices;
using ImageFs.Format;
using ImageFs.Fsck;
using ImageFs.Inodes;

namespace ImageFs.Tests.Fsck;

/// <summary>What cannot be repaired keeps nothing else from being repaired, is reported, and is found again by the next run, alone.</summary>
[TestClass]
public sealed class LeftoverTests
{
    [TestMethod]
    public void OrphansForWhomThereIsNoRoomAreLeftAndTheRestIsRepaired()
    {
        DamagedImage image = FullWithOrphans();
        image.Agf(0, (ref Agf a) => a.FreeBlocks = a.FreeBlocks + 1);
        FsckReport report = RepairsAllButSome(image, FindingCodes.InodeUnconnected);
        Assert.Contains("no group has room", report.Repair!.Problem!);
        // A mount does no harm to them.
        Assert.IsFalse(NeedsRepair(image));
    }

    [TestMethod]
    public void WhereThereIsRoomAgainTheNextRunFinishes()
    {
        DamagedImage image = FullWithOrphans();
        Assert.AreEqual(FsckExit.ErrorsLeft, Repairer.Repair(image.Device).Exit);
        ulong large = image.FindUsed(c => c.IsRegular && c.BlockCount > 1000);
        using (Volume volume = Volume.Mount(image.Device, write: true, ownsDevice: false))
            new ImageFs.Dax.FileData(volume).FreeRange(volume.Inodes.Get(new InodeNumber(large)), ForkKind.Data, default, new FileBlock(FileBlock.Limit));
        FsckReport report = Repairer.Repair(image.Device);
        Assert.AreEqual(FsckExit.Repaired, report.Exit, report.Text());
        FsckOf.Device(image.Device).MustBeSilent("after there was room");
    }

    [TestMethod]
    public void AGroupWithoutRoomForItsTreesIsLeftAndNobodyMountsTheImage()
    {
        DamagedImage image = new("plain-4k");
        Geometry g = image.Geometry;
        // A file claims all of a group: whatever else is there keeps its blocks, the group's trees have nobody to speak for them.
        ulong file = image.FindUsed(c => c is { IsRegular: true, Format: ForkFormat.Extents, ExtentCount: 1 });
        uint first = g.AgflBlock.Value + 1, count = g.AgBlocks - first;
        FsBlock start = g.Join(new AgNumber(1), new AgBlock(first));
        image.Fork(file, b => System.Runtime.InteropServices.MemoryMarshal.Write(b, new PackedExtent(new Extent(default, start, count, false))));
        image.Inode(file, (ref InodeCore c) => c.BlockCount = count);
        image.Agf(0, (ref Agf a) => a.FreeBlocks = a.FreeBlocks - 1);
        FsckReport report = RepairsAllButSome(image, FindingCodes.SbNeedsRepair);
        Assert.Contains("group 1 has too few blocks", report.Repair!.Problem!);
        Assert.IsTrue(NeedsRepair(image));
        Assert.IsTrue(report.Repair.Left.All(f => f.Ag == 1 || f.Code.Text.StartsWith("sb-", StringComparison.Ordinal)), report.Text());
    }

    [TestMethod]
    public void UnknownFeaturesForbidToWrite()
    {
        DamagedImage image = new("plain-4k");
        for (uint ag = 0; ag < image.Geometry.AgCount; ag++) image.Sb(ag, (ref Superblock s) => s.FeaturesRoCompat = s.FeaturesRoCompat | 0x4000_0000);
        image.Agf(0, (ref Agf a) => a.FreeBlocks = a.FreeBlocks - 1);
        NothingIsWritten(image.Device, image.Device, "0x40000000");
    }

    [TestMethod]
    public void WhatCannotBeReadForbidsToWrite()
    {
        DamagedImage image = new("plain-4k");
        image.Agf(0, (ref Agf a) => a.FreeBlocks = a.FreeBlocks - 1);
        NothingIsWritten(image.Device, new BrokenDevice(image.Device, image.TreeBlock(BlockKind.Cntbt, ag: 1)), "cannot be read");
    }

    private static void NothingIsWritten(MemoryDevice below, BlockDevice device, string why)
    {
        MemoryDevice damaged = below.Clone();
        FsckReport report = Repairer.Repair(device);
        Assert.AreEqual(FsckExit.ErrorsLeft, report.Exit, report.Text());
        Assert.IsFalse(report.Repair!.IsApplied);
        Assert.IsEmpty(report.Repair.Plan);
        Assert.Contains(why, report.Repair.Problem!);
        Assert.Contains("nothing was changed", report.Text());
        RepairTests.AssertSameBytes(damaged, below);
    }

    private static FsckReport RepairsAllButSome(DamagedImage image, FindingCode left)
    {
        FsckReport plan = Repairer.Repair(image.Device, new RepairOptions { DryRun = true });
        Assert.AreEqual(FsckExit.ErrorsLeft, plan.Exit);
        Assert.IsFalse(plan.Repair!.IsApplied);
        FsckReport report = Repairer.Repair(image.Device);
        Assert.AreEqual(FsckExit.ErrorsLeft, report.Exit, report.Text());
        Assert.IsTrue(report.Repair!.IsApplied, report.Text());
        CollectionAssert.Contains(report.Repair.Left.Select(f => f.Code).ToArray(), left, report.Text());
        Assert.IsTrue(report.Counts.ContainsKey(FindingCodes.AgfFreeBlocks) && !report.Repair.Left.Any(f => f.Code == FindingCodes.AgfFreeBlocks && f.Ag == 0), report.Text());
        Assert.Contains("bytes written, not everything is repaired", report.Text());
        using MemoryStream json = new();
        report.WriteJson(json);
        using JsonDocument parsed = JsonDocument.Parse(json.ToArray());
        Assert.AreEqual(report.Repair.Left.Count, parsed.RootElement.GetProperty("repair").GetProperty("left").GetArrayLength());

        string[] expected = [.. report.Repair.Left.Select(f => f.ToString())];
        CollectionAssert.AreEqual(expected, FsckOf.Device(image.Device).Findings.Select(f => f.ToString()).ToArray(), report.Text());
        MemoryDevice once = image.Device.Clone();
        FsckReport second = Repairer.Repair(image.Device);
        Assert.AreEqual(FsckExit.ErrorsLeft, second.Exit, second.Text());
        Assert.IsFalse(second.Repair!.IsApplied, second.Text());
        CollectionAssert.AreEqual(expected, second.Repair.Left.Select(f => f.ToString()).ToArray());
        RepairTests.AssertSameBytes(once, image.Device);
        using BlockDevice view = Repairer.View(image.Device);
        RepairTests.AssertSameBytes(once, view);
        return report;
    }

    private static bool NeedsRepair(DamagedImage image) => Superblock.At((ReadOnlySpan<byte>)image.Read(0, 512)).Has(IncompatFeatures.NeedsRepair);

    /// <summary>No block and no inode is free, and the root directory has lost its names.</summary>
    private static DamagedImage FullWithOrphans()
    {
        MemoryDevice device = new(64 << 20);
        ImageFs.Mkfs.Mkfs.Format(device, new() { SourceDate = DateTimeOffset.UnixEpoch.AddYears(50) });
        using (FileSystem fs = FileSystem.Open(device, write: true, leaveOpen: true))
        {
            fs.CreateDirectory("/d");
            using (XfsFile file = fs.CreateFile("/large")) Fill(step => file.Write(file.Length, new byte[step]));
            // Eight names stay within the inode: what ends this is that there is no inode left.
            Queue<string> folders = new(["/d"]);
            for (bool isFull = false; !isFull;)
            {
                string folder = folders.Dequeue();
                for (int i = 0; i < 8 && !isFull; i++)
                    try
                    {
                        fs.CreateDirectory($"{folder}/{i}");
                        folders.Enqueue($"{folder}/{i}");
                    }
                    catch (XfsNoSpaceException)
                    {
                        isFull = true;
                    }
            }
        }
        DamagedImage image = new(device);
        ulong root = image.Geometry.Superblock.RootInode;
        image.Fork(root, b => b[0] = 0);
        image.Inode(root, (ref InodeCore c) => c.FileSize = 6);
        return image;
    }

    private static void Fill(Action<int> write)
    {
        for (int step = 1 << 20; step >= 4096;)
            try
            {
                write(step);
            }
            catch (XfsNoSpaceException)
            {
                step /= 2;
            }
    }

    /// <summary>A device one of whose blocks cannot be read.</summary>
    private sealed class BrokenDevice(BlockDevice below, long bad) : BlockDevice
    {
        public override long Length => below.Length;
        public override bool CanWrite => true;
        public override void Flush() { }
        public override void Write(long offset, ReadOnlySpan<byte> source) => throw new AssertFailedException("something is written");

        public override void Read(long offset, Span<byte> destination)
        {
            if (offset <= bad && bad < offset + destination.Length) throw new XfsException(Errno.EIO, "the disk is tired");
            below.Read(offset, destination);
        }
    }
}
