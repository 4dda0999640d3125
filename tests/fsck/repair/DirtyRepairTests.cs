using ImageFs.Format;
using ImageFs.Fsck;
using ImageFs.Tests.Fixtures;

namespace ImageFs.Tests.Fsck;

/// <summary>A repair does to a dirty log what a mount does, also where a mount would be refused.</summary>
[TestClass]
public sealed class DirtyRepairTests
{
    [TestMethod]
    [DynamicData(nameof(SampleImages.DirtyRows), typeof(SampleImages))]
    public void ADirtyLogIsReplayedAndNothingIsLost(string name) => RepairAndCompare(new DamagedImage(name), name);

    /// <summary>The head of the inode btrees of the first group is gone, on which no mount would replay the log.</summary>
    [TestMethod]
    [DataRow("dirty-simple-4k")]
    [DataRow("dirty-wrapped-4k")]
    [DataRow("dirty-su-4k")]
    public void DamageElsewhereDoesNotCostTheLog(string name)
    {
        DamagedImage image = new(name);
        image.Device.Write(image.Geometry.HeaderOffset(new AgNumber(0), 2), new byte[image.Geometry.SectorSize]);
        RepairAndCompare(image, name);
    }

    private static void RepairAndCompare(DamagedImage image, string name)
    {
        FsckReport report = Repairer.Repair(image.Device);
        Assert.AreEqual(FsckExit.Repaired, report.Exit, report.Text());
        FsckReport after = FsckOf.Device(image.Device);
        after.MustBeSilent(name);
        Assert.IsFalse(after.WasDirty);
        using FileSystem repaired = FileSystem.Open(image.Device, write: false, leaveOpen: true);
        TreeListing.AssertEqual(LibraryListing.Of(SampleImages.Path(name)), LibraryListing.Of(repaired), TreeFields.Everything);
    }
}
