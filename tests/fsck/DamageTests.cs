using ImageFs.Devices;
using ImageFs.Format;
using ImageFs.Fsck;
using ImageFs.Tests.Fixtures;

namespace ImageFs.Tests.Fsck;

/// <summary>Every damage of the table is found, under its code.</summary>
[TestClass]
public sealed class DamageTests
{
    /// <summary>Codes that no edit of a sample image provokes; each has a test of its own below.</summary>
    private static readonly FindingCode[] s_testedElsewhere =
    [
        FindingCodes.IoError, FindingCodes.DeviceShort, FindingCodes.BeyondEnd, FindingCodes.LogReplayed, FindingCodes.LogIntents, FindingCodes.LogDamaged, FindingCodes.RealtimeUnchecked,
    ];

    [TestMethod]
    [DynamicData(nameof(DamageCases.Rows), typeof(DamageCases))]
    public void ADamageGivesItsFinding(string name)
    {
        DamageCase damage = DamageCases.All.Single(c => c.Name == name);
        DamagedImage image = new(damage.Image);
        damage.Do(image);
        FsckReport report = FsckOf.Device(image.Device);
        Assert.IsTrue(report.Findings.Any(f => f.Code.Text == damage.Code), $"expected {damage.Code}, got:{Environment.NewLine}{report.Text()}");
        bool isFault = FindingCodes.All.Single(c => c.Text == damage.Code).Severity != Severity.Info;
        Assert.AreEqual(isFault ? FsckExit.ErrorsLeft : FsckExit.Clean, report.Exit);
    }

    [TestMethod]
    public void EveryCodeHasATest()
    {
        HashSet<string> tested = [.. DamageCases.All.Select(c => c.Code), .. s_testedElsewhere.Select(c => c.Text)];
        string[] missing = [.. FindingCodes.All.Select(c => c.Text).Where(c => !tested.Contains(c))];
        Assert.IsEmpty(missing, $"codes without a damage that provokes them: {string.Join(", ", missing)}");
    }

    [TestMethod]
    public void CodesAreUnique()
    {
        string[] twice = [.. FindingCodes.All.GroupBy(c => c.Text).Where(g => g.Count() > 1).Select(g => g.Key)];
        Assert.IsEmpty(twice);
    }

    [TestMethod]
    public void AnImageCutShortIsCheckedAsFarAsItGoes()
    {
        DamagedImage image = new("plain-4k");
        MemoryDevice shorter = new(image.Device.Length * 3 / 4);
        shorter.Write(0, image.Read(0, (int)shorter.Length));
        FsckReport report = FsckOf.Device(shorter);
        CollectionAssert.Contains(report.Counts.Keys.ToArray(), FindingCodes.DeviceShort, report.Text());
        CollectionAssert.Contains(report.Counts.Keys.ToArray(), FindingCodes.BeyondEnd, report.Text());
        Assert.AreEqual(FsckExit.ErrorsLeft, report.Exit);
        Assert.AreEqual(ScanExtent.Partial, report.Scan);
    }

    [TestMethod]
    public void GroupsFarBehindTheEndOfTheImageCostNothing()
    {
        DamagedImage image = new("plain-4k");
        image.Sb(0, (ref Superblock s) => { s.AgCount = uint.MaxValue; s.DataBlocks = (ulong)s.AgBlocks * uint.MaxValue; });
        long before = GC.GetTotalAllocatedBytes();
        FsckReport report = FsckOf.Device(image.Device);
        CollectionAssert.Contains(report.Counts.Keys.ToArray(), FindingCodes.DeviceShort, report.Text());
        Assert.IsLessThan(64L << 20, GC.GetTotalAllocatedBytes() - before);
    }

    [TestMethod]
    public void AReadErrorIsAFindingAndTheRestIsChecked()
    {
        DamagedImage image = new("plain-4k");
        long bad = image.TreeBlock(BlockKind.Cntbt);
        FsckReport report = FsckOf.Device(new BrokenDevice(image.Device, bad));
        Finding finding = report.Findings.First(f => f.Code == FindingCodes.IoError);
        Assert.AreEqual((uint)(bad / image.Geometry.BlockSize), finding.AgBlock);
        Assert.AreEqual(ScanExtent.Partial, report.Scan);
    }

    [TestMethod]
    public void ALogThatMakesNoSenseIsAFindingAndTheRestIsChecked()
    {
        DamagedImage image = new("plain-4k");
        byte[] noise = new byte[image.Geometry.LogBytes];
        new Random(1).NextBytes(noise);
        image.Device.Write(image.Geometry.LogOffset, noise);
        FsckReport report = FsckOf.Device(image.Device);
        Assert.AreEqual(1, report.Findings.Count(f => f.Severity != Severity.Info), report.Text());
        Assert.AreEqual(FindingCodes.LogDamaged, report.Findings[0].Code);
    }

    [TestMethod]
    public void AnUnfinishedLogIsNamed()
    {
        FsckReport report = FsckOf.File(SampleImages.Path("dirty-intents-4k"));
        CollectionAssert.Contains(report.Counts.Keys.ToArray(), FindingCodes.LogReplayed);
        CollectionAssert.Contains(report.Counts.Keys.ToArray(), FindingCodes.LogIntents);
    }

    [TestMethod]
    public void ARealtimeDeviceIsNamedAsNotChecked()
    {
        DamagedImage image = new("plain-4k");
        for (uint ag = 0; ag < image.Geometry.AgCount; ag++) image.Sb(ag, (ref Superblock s) => s.RealtimeBlocks = 100);
        FsckReport report = FsckOf.Device(image.Device);
        CollectionAssert.Contains(report.Counts.Keys.ToArray(), FindingCodes.RealtimeUnchecked);
    }

    [TestMethod]
    public void ExtentsOfRealtimeFilesLieInsideTheRealtimeDevice()
    {
        DamagedImage image = new("plain-4k");
        ulong[] files = [.. image.Inodes().Where(n => image.Core(n) is { IsRegular: true, Format: ForkFormat.Extents, ExtentCount: 1 } c && c.LinkCount != 0).Take(2)];
        Extent inside = new(default, new FsBlock(96), 4, false), outside = inside with { Start = new FsBlock(97) };
        for (uint ag = 0; ag < image.Geometry.AgCount; ag++) image.Sb(ag, (ref Superblock s) => s.RealtimeBlocks = 100);
        foreach ((ulong file, Extent extent) in files.Zip([inside, outside]))
        {
            image.Fork(file, b => System.Runtime.InteropServices.MemoryMarshal.Write(b, new PackedExtent(extent)));
            image.Inode(file, (ref InodeCore c) => (c.Flags, c.BlockCount) = (c.Flags | InodeFlags.Realtime, 4));
        }
        FsckReport report = FsckOf.Device(image.Device);
        Finding found = report.Findings.Single(f => f.Code == FindingCodes.InodeExtent);
        Assert.AreEqual(files[1], found.Inode);
        Assert.Contains("outside the realtime device of 100 blocks", found.Message);
    }

    [TestMethod]
    public void WhatIsNotXfsIsRefused()
    {
        FsckReport report = FsckOf.Device(new MemoryDevice(1 << 20));
        Assert.AreEqual(FsckExit.OperationalError, report.Exit);
        Assert.AreEqual(ScanExtent.None, report.Scan);
        Assert.Contains("not an XFS image", report.Problem!);
        Assert.AreEqual(FsckExit.OperationalError, FsckOf.Device(new MemoryDevice(100)).Exit);
    }

    [TestMethod]
    public void AnUnknownFeatureIsRefusedByName()
    {
        DamagedImage image = new("plain-4k");
        image.Sb(0, (ref Superblock s) => s.FeaturesIncompat = s.FeaturesIncompat | 0x40000000);
        FsckReport report = FsckOf.Device(image.Device);
        Assert.AreEqual(FsckExit.OperationalError, report.Exit);
        Assert.Contains("0x40000000", report.Problem!);
    }

    [TestMethod]
    public void ACancelledCheckSaysSo()
    {
        DamagedImage image = new("plain-4k");
        FsckReport report = Checker.Check(image.Device, cancellation: new CancellationToken(canceled: true));
        Assert.AreEqual(FsckExit.Cancelled, report.Exit);
    }

    [TestMethod]
    public void FindingsAreKeptUpToTheirCapAndCountedBeyondIt()
    {
        DamagedImage image = new("plain-4k");
        image.Tree(BlockKind.Rmapbt, b => b[7] = 0);
        FsckReport all = FsckOf.Device(image.Device), few = Checker.Check(image.Device, new FsckOptions { MaxFindings = 5, MaxFindingsPerCode = 3 });
        Assert.IsGreaterThan(5, all.Findings.Count);
        Assert.IsLessThanOrEqualTo(5, few.Findings.Count);
        Assert.AreEqual(all.Findings.Count, few.Findings.Count + few.Unlisted);
    }

    [TestMethod]
    public void FindingsAboutFilesHaveTheirPath()
    {
        DamagedImage image = new("shared-4k");
        string[] paths = [.. SampleImages.Listing("shared-4k").Entries.Select(e => "/" + e.Path)];
        ulong[] files = [.. image.Inodes().Where(n => image.Core(n) is { IsRegular: true, LinkCount.Value: 1, BlockCount.Value: > 0 })];
        foreach (ulong file in files) image.Inode(file, (ref InodeCore c) => c.BlockCount = c.BlockCount + 1);
        FsckReport report = FsckOf.Device(image.Device);
        foreach (ulong file in files)
            CollectionAssert.Contains(paths, report.Findings.Single(f => f.Code == FindingCodes.InodeNblocks && f.Inode == file).Path, report.Text());
    }

    /// <summary>A device one of whose blocks cannot be read.</summary>
    private sealed class BrokenDevice(BlockDevice below, long bad) : BlockDevice
    {
        public override long Length => below.Length;
        public override bool CanWrite => false;
        public override void Flush() { }
        public override void Write(long offset, ReadOnlySpan<byte> source) => throw new XfsException(Errno.EROFS, "read-only");

        public override void Read(long offset, Span<byte> destination)
        {
            if (offset <= bad && bad < offset + destination.Length) throw new XfsException(Errno.EIO, "the disk is tired");
            below.Read(offset, destination);
        }
    }
}
