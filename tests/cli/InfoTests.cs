using System.Text.Json;
using ImageFs.Tests.Fixtures;
using static ImageFs.Tests.Cli.CliRun;

namespace ImageFs.Tests.Cli;

/// <summary>`info`: what it says of images of ours and of the kernel's.</summary>
[TestClass]
public sealed class InfoTests
{
    [TestMethod]
    public void SizesFeaturesAndCountersAreThoseOfTheImage()
    {
        using TempImage image = TempImage.NotYetThere();
        Run("mkfs", "--size", "64m", "-q", "-L", "some name", "--uuid", "6a0a5a3e-9f3c-4d7e-8a51-0c1d2e3f4a5b", "-b", "size=1k", image.Path).Ok();
        string text = Run("info", image.Path).Ok();
        Assert.Contains("64.0 MiB, XFS version 5, label 'some name'\n", text);
        Assert.Contains("uuid      6a0a5a3e-9f3c-4d7e-8a51-0c1d2e3f4a5b\n", text);
        Assert.Contains("blocks    1024 bytes, 65,536 in 4 groups of 16,384; sectors 512 bytes\n", text);
        Assert.Contains("features  crc finobt rmapbt reflink inobtcount ftype sparse bigtime nrext64\n", text);
        Assert.Contains(", clean\n", text);
        Assert.Contains("opens     for reading and writing\n", text);
    }

    [TestMethod]
    public void JsonHasTheSameNumbers()
    {
        using TempImage image = NewImage();
        JsonElement json = JsonDocument.Parse(Run("info", "--json", image.Path).Ok()).RootElement;
        Assert.AreEqual(4096, json.GetProperty("block_size").GetInt32());
        Assert.AreEqual(16384, json.GetProperty("blocks").GetInt64());
        Assert.AreEqual("write", json.GetProperty("access").GetString());
        Assert.IsTrue(json.GetProperty("log").GetProperty("clean").GetBoolean());
        using FileSystem fs = FileSystem.Open(image.Path);
        Assert.AreEqual(fs.Statistics.FreeBlocks, json.GetProperty("free_blocks").GetUInt64());
    }

    [TestMethod]
    [DynamicData(nameof(SampleImages.AllRows), typeof(SampleImages))]
    public void EveryImageOfTheKernelIsDescribedAndLeftAlone(string name)
    {
        string path = SampleImages.Path(name);
        DateTime before = File.GetLastWriteTimeUtc(path);
        string text = Run("info", path).Ok();
        bool dirty = SampleImages.IsDirty(name);
        if (text.Contains("opens     not at all: ", StringComparison.Ordinal)) Assert.Contains("not read", text, "an image that cannot be opened says why");
        else Assert.AreEqual(dirty, text.Contains("dirty: ", StringComparison.Ordinal), text);
        Assert.AreEqual(before, File.GetLastWriteTimeUtc(path));
    }
}
