using ImageFs.Format;
using ImageFs.Tests.Fixtures;
using ImageFs.Tests.Fsck;

using static ImageFs.Tests.Cli.CliRun;

namespace ImageFs.Tests.Cli;

/// <summary>Looking at a damaged image as a repair would leave it.</summary>
[TestClass]
public sealed class AsRepairedTests
{
    [TestMethod]
    public void ADamagedImageIsReadAsRepairedAndStaysAsItIs()
    {
        DamagedImage damaged = new("plain-4k") { KeepChecksums = true };
        damaged.Inode(damaged.FindUsed(c => c.IsRegular && c.FileSize > 0), (ref InodeCore core) => core.Generation = core.Generation + 1);
        using TempImage image = TempImage.NotYetThere();
        damaged.Device.Save(image.Path);
        byte[] before = File.ReadAllBytes(image.Path);
        string healthy = Run("manifest", SampleImages.Path("plain-4k")).Ok();

        Assert.AreNotEqual(0, Run("manifest", image.Path).Code);
        Assert.AreEqual(healthy, Run("manifest", "--as-repaired", image.Path).Ok());
        Assert.AreEqual(Run("ls", "-l", SampleImages.Path("plain-4k")).Ok(), Run("ls", "-l", "--as-repaired", image.Path).Ok());
        CollectionAssert.AreEqual(Run("export", SampleImages.Path("plain-4k")).Bytes, Run("export", "--as-repaired", image.Path).Bytes);
        CollectionAssert.AreEqual(before, File.ReadAllBytes(image.Path));
    }
}
