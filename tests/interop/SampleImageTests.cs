using ImageFs.Tests.Fixtures;

namespace ImageFs.Tests.Interop;

/// <summary>Images that mkfs.xfs and the kernel made, on machines with or without either.</summary>
[TestClass]
public sealed class SampleImageTests
{
    public static IEnumerable<object[]> Clean => SampleImages.CleanRows;
    public static IEnumerable<object[]> Dirty => SampleImages.DirtyRows;

    [TestMethod, DynamicData(nameof(Clean))]
    public void ACleanImageReadsAsTheKernelReadIt(string name) =>
        TreeListing.AssertEqual(SampleImages.Listing(name), LibraryListing.Of(SampleImages.Path(name)), LibraryListing.Fields);

    [TestMethod, DynamicData(nameof(Clean))]
    public void OurFsckIsSilentOnWhatTheKernelLeft(string name) => OurFsck.AssertClean(SampleImages.Path(name));

    [TestMethod, DynamicData(nameof(Dirty))]
    public void ADirtyImageReadsAsTheKernelRecoveredItAndStaysAsItIs(string name)
    {
        using TempImage image = SampleImages.Copy(name);
        byte[] before = File.ReadAllBytes(image.Path);
        TreeListing.AssertEqual(SampleImages.Listing(name), LibraryListing.Of(image.Path), LibraryListing.Fields & ~TreeFields.Extents);
        CollectionAssert.AreEqual(before, File.ReadAllBytes(image.Path), "reading a dirty image wrote to it");
    }

    [TestMethod, DynamicData(nameof(Dirty))]
    public void ADirtyImageOpenedForWritingIsRecoveredAndClean(string name)
    {
        using TempImage image = SampleImages.Copy(name);
        using (FileSystem fs = FileSystem.Open(image.Path, write: true)) Assert.IsTrue(fs.WasRecovered);
        using (FileSystem again = FileSystem.Open(image.Path))
        {
            Assert.IsFalse(again.WasRecovered);
            TreeListing.AssertEqual(SampleImages.Listing(name), LibraryListing.Of(again), LibraryListing.Fields & ~TreeFields.Extents);
        }
        XfsRepair.CheckClean(image.Path);
        OurFsck.AssertClean(image.Path);
    }

    [TestMethod, DynamicData(nameof(Clean))]
    public void ACleanImageCanBeChangedInEveryGroupAndStaysClean(string name)
    {
        using TempImage image = SampleImages.Copy(name);
        string free = "";
        using (FileSystem fs = FileSystem.Open(image.Path, write: true))
        {
            try
            {
                for (int i = 0; i < 12; i++)
                {
                    fs.CreateDirectory($"/made-{i}");
                    using XfsFile file = fs.CreateFile($"/made-{i}/file");
                    file.Write(i * 1000, new byte[5000]);
                }
                for (int i = 0; i < 12; i += 2) fs.DeleteDirectory($"/made-{i}", recursive: true);
            }
            catch (XfsNoSpaceException full) when (name.StartsWith("sparse-inodes", StringComparison.Ordinal))
            {
                free = full.Message; // made nearly full on purpose: the call that failed changed nothing
            }
        }
        XfsRepair.CheckClean(image.Path);
        OurFsck.AssertClean(image.Path);
        Assert.IsNotNull(free);
    }
}
