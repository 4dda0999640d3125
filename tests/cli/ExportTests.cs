using System.Formats.Tar;
using System.Text.Json.Nodes;
using ImageFs.Format;
using ImageFs.Tests.Fixtures;
using ImageFs.Tests.Fsck;
using static ImageFs.Tests.Cli.CliRun;

namespace ImageFs.Tests.Cli;

/// <summary>`export` writes archives that other programs unpack to the same tree.</summary>
[TestClass]
public sealed class ExportTests
{
    public static IEnumerable<object[]> Samples => SampleImages.AllRows.Where(row => !((string)row[0]).StartsWith("dirty-intents", StringComparison.Ordinal));

    [TestMethod]
    [DynamicData(nameof(Samples))]
    public void WhatTarUnpacksOntoTheKernelsXfsHasTheSameManifest(string name)
    {
        Judge.RequireKernel();
        string archive = Scratch.NewPath(".tar");
        CliResult export = Run("export", "-o", archive, SampleImages.Path(name));
        Assert.IsTrue(export.Error.Split('\n', StringSplitOptions.RemoveEmptyEntries).All(line => line.Contains("socket", StringComparison.Ordinal)), export.Error);
        using TempImage unpacked = TempImage.MadeByMkfs(512 << 20);
        using (KernelMount mount = KernelMount.ReadWrite(unpacked.Path))
            mount.Run($"tar -C '{mount.Path}' --numeric-owner --xattrs --xattrs-include='*' --acls -xpf '{archive}'");
        CollectionAssert.AreEqual(Comparable(Run("manifest", SampleImages.Path(name)).Ok()), Comparable(Run("manifest", unpacked.Path).Ok()));
        Assert.IsLessThanOrEqualTo(Most(SampleImages.Path(name)), new FileInfo(archive).Length, "holes take no room");
    }

    /// <summary>Bytes of an archive of all blocks that files have, with headers and attributes for every entry.</summary>
    private static long Most(string image)
    {
        const int each = 8 << 10;
        using FileSystem fs = FileSystem.Open(image);
        return ImageFs.Cli.TreeWalk.From(fs, fs.Volume.Root, []).Sum(at => each + (at.Entry.IsRegular ? (long)at.Entry.Blocks * fs.Volume.Geometry.BlockSize : 0));
    }

    /// <summary>Lines without what belongs to the disk and not to the tree, and without the sockets no archive holds.</summary>
    private static string[] Comparable(string manifest) =>
        [.. manifest.TrimEnd('\n').Split('\n').Select(line => JsonNode.Parse(line)!.AsObject()).Where(line => (string?)line["type"] != "sock").Select(line =>
        {
            line.Remove("ino");
            if ((string?)line["type"] == "dir") line.Remove("size");
            return line.ToJsonString();
        })];

    [TestMethod]
    public void AnArchiveOfATreeBeginsWithItsPathAndTheRuntimeReadsIt()
    {
        using TempImage image = NewImage();
        string longName = new('n', 180);
        Run("mkdir", "-p", image.Path, $"/a/b/{longName}").Ok();
        RunWith("hello"u8.ToArray(), "put", image.Path, "-", $"/a/b/{longName}/file").Ok();
        RunWith("other"u8.ToArray(), "put", image.Path, "-", "/other").Ok();
        Assert.AreEqual("a/b/ a/b/" + longName + "/ a/b/" + longName + "/file=hello other=other", Read(Run("export", image.Path, "/a/b/", "other").Bytes));
        Assert.AreEqual("./ ./a/ ./a/b/", Read(Run("export", image.Path).Bytes)[..14]);
    }

    [TestMethod]
    public void HolesAreFilledIfWantedAndTheSameImageGivesTheSameArchive()
    {
        using TempImage image = NewImage("/file", Noise(5000));
        Run("truncate", image.Path, "/file", "--length", "9m").Ok();
        byte[] sparse = Run("export", image.Path).Bytes, full = Run("export", "--fill-holes", image.Path).Bytes;
        Assert.IsLessThan(32 << 10, sparse.Length);
        Assert.IsGreaterThan(9 << 20, full.Length);
        CollectionAssert.AreEqual(sparse, Run("export", image.Path).Bytes);
        Assert.AreEqual(0, sparse.Length % 10240);
        using TarReader reader = new(new MemoryStream(full));
        reader.GetNextEntry();
        TarEntry file = reader.GetNextEntry()!;
        using MemoryStream contents = new();
        file.DataStream!.CopyTo(contents);
        CollectionAssert.AreEqual(Run("cat", image.Path, "/file").Bytes, contents.ToArray());
    }

    [TestMethod]
    public void NothingIsWrittenForAPathThatIsNotThere()
    {
        using TempImage image = NewImage();
        CliResult result = Run("export", image.Path, "/nothing");
        Assert.AreEqual((1, 0), (result.Code, result.Bytes.Length));
        Assert.AreEqual("imagefs: export: '/nothing' does not exist\n", result.Error);
    }

    private static string Read(byte[] archive)
    {
        List<string> seen = [];
        using TarReader reader = new(new MemoryStream(archive));
        while (reader.GetNextEntry() is { } entry)
            seen.Add(entry.DataStream is { } data ? $"{entry.Name}={new StreamReader(data).ReadToEnd()}" : entry.Name);
        return string.Join(' ', seen);
    }
}
