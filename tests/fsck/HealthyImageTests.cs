using ImageFs.Fsck;
using ImageFs.Tests.Fixtures;

namespace ImageFs.Tests.Fsck;

/// <summary>What the kernel and its tools call healthy has no finding.</summary>
[TestClass]
public sealed class HealthyImageTests
{
    [TestMethod]
    [DynamicData(nameof(SampleImages.CleanRows), typeof(SampleImages))]
    public void ASampleImageHasNoFinding(string name)
    {
        FsckReport report = FsckOf.File(SampleImages.Path(name));
        report.MustBeSilent(name);
        Assert.IsEmpty(report.Findings);
        Assert.IsFalse(report.WasDirty);
    }

    [TestMethod]
    [DynamicData(nameof(SampleImages.DirtyRows), typeof(SampleImages))]
    public void ADirtyImageIsJudgedAsItIsAfterTheReplayAndLeftAlone(string name)
    {
        byte[] before = File.ReadAllBytes(SampleImages.Path(name));
        FsckReport report = FsckOf.File(SampleImages.Path(name));
        report.MustBeSilent(name);
        Assert.IsTrue(report.WasDirty);
        Assert.IsTrue(before.AsSpan().SequenceEqual(File.ReadAllBytes(SampleImages.Path(name))), "the check changed the image");
    }
}
