using System.Text;
using System.Text.Json;
using ImageFs.Tests.Fixtures;
using static ImageFs.Tests.Cli.CliRun;

namespace ImageFs.Tests.Cli;

/// <summary>`manifest` says of the kernel's images what the kernel said.</summary>
[TestClass]
public sealed class ManifestTests
{
    [TestMethod]
    [DynamicData(nameof(SampleImages.AllRows), typeof(SampleImages))]
    public void AnImageOfTheKernelHasTheManifestTheKernelGivesIt(string name)
    {
        CliResult result = Run("manifest", SampleImages.Path(name));
        if (result.Code != 0 && name.StartsWith("dirty-intents", StringComparison.Ordinal))
        {
            StringAssert.Contains(result.Error, "intents");
            return;
        }
        Dictionary<string, JsonElement> lines = Parse(result.Ok());
        TreeListing kernel = SampleImages.Listing(name);
        CollectionAssert.AreEquivalent(kernel.Entries.Select(e => e.Path).ToArray(), lines.Keys.ToArray());
        foreach (TreeEntry e in kernel.Entries)
        {
            JsonElement line = lines[e.Path];
            Assert.AreEqual(
                (e.Path, Kind(e.Kind), e.Mode, e.Uid, e.Gid, e.Links),
                (e.Path, Text(line, "type"), line.GetProperty("mode").GetInt32(), line.GetProperty("uid").GetUInt32(), line.GetProperty("gid").GetUInt32(), line.GetProperty("nlink").GetUInt32()));
            if (e.Kind != EntryKind.Directory) Assert.AreEqual(e.Size, line.GetProperty("size").GetInt64(), e.Path);
            Assert.AreEqual(e.Modified.Seconds * 1_000_000_000m + e.Modified.Nanoseconds, line.GetProperty("mtime").GetDecimal(), e.Path);
            Assert.AreEqual(e.Device, Text(line, "rdev"), e.Path);
            Assert.AreEqual(e.Target, Escaped(Text(line, "target")), e.Path);
            string empty = TreeListing.Digest([]);
            if (e.Kind == EntryKind.File) Assert.AreEqual(e.Sha256.Length == 0 ? empty : e.Sha256, Text(line, "sha256"), e.Path);
            Assert.AreEqual(e.Kind == EntryKind.File, line.TryGetProperty("sha256", out _), e.Path);
            // The listing has an ACL under the name it is stored by, the manifest under that of getxattr.
            CollectionAssert.AreEquivalent(
                e.Attributes.Where(a => !a.Key.StartsWith("trusted.SGI_ACL_", StringComparison.Ordinal)).Select(a => $"{a.Key} {a.Value.Sha256}").ToArray(),
                line.GetProperty("xattrs").EnumerateObject().Where(a => !a.Name.StartsWith("system.", StringComparison.Ordinal)).Select(a => $"{Escaped(a.Name)} {a.Value.GetString()}").ToArray(), e.Path);
            Assert.AreEqual(
                e.Attributes.Keys.Count(a => a.StartsWith("trusted.SGI_ACL_", StringComparison.Ordinal)),
                line.GetProperty("xattrs").EnumerateObject().Count(a => a.Name.StartsWith("system.posix_acl_", StringComparison.Ordinal)), e.Path);
        }
    }

    [TestMethod]
    public void AclsAreWhatTheKernelAnswersForThem()
    {
        Judge.RequireKernel();
        using TempImage image = SampleImages.Copy("attributes-4k");
        File.SetAttributes(image.Path, FileAttributes.Normal);
        Dictionary<string, JsonElement> lines = Parse(Run("manifest", image.Path).Ok());
        using KernelMount mount = KernelMount.ReadOnly(image.Path);
        int compared = 0;
        foreach ((string path, JsonElement line) in lines)
            foreach (JsonProperty acl in line.GetProperty("xattrs").EnumerateObject().Where(a => a.Name.StartsWith("system.", StringComparison.Ordinal)))
            {
                byte[] file = [.. Encoding.UTF8.GetBytes(mount.Path + "/"), .. TreeListing.Unescape(path)];
                Assert.AreEqual(TreeListing.Digest(Posix.AttributeValue(file, Encoding.UTF8.GetBytes(acl.Name))), acl.Value.GetString(), path);
                compared++;
            }
        Assert.IsGreaterThan(0, compared);
    }

    [TestMethod]
    public void NamesAreBytesAndTheRootIsEmpty()
    {
        using TempImage image = NewImage("/grüß", "x"u8);
        string[] lines = Run("manifest", image.Path).Ok().TrimEnd('\n').Split('\n');
        Assert.HasCount(2, lines);
        Assert.AreEqual("", Text(JsonDocument.Parse(lines[0]).RootElement, "path"));
        Assert.AreEqual("gr\u00c3\u00bc\u00c3\u009f", Text(JsonDocument.Parse(lines[1]).RootElement, "path"));
    }

    /// <summary>By path, written as a listing writes it.</summary>
    private static Dictionary<string, JsonElement> Parse(string manifest) =>
        manifest.TrimEnd('\n').Split('\n').Select(line => JsonDocument.Parse(line).RootElement)
            .ToDictionary(line => Text(line, "path") is { Length: > 0 } path ? Escaped(path) : ".");

    private static string Escaped(string latin) => TreeListing.Escape(Encoding.Latin1.GetBytes(latin));

    private static string Text(JsonElement line, string name) => line.TryGetProperty(name, out JsonElement value) ? value.GetString()! : "";

    private static string Kind(EntryKind kind) => kind switch
    {
        EntryKind.File => "reg", EntryKind.Directory => "dir", EntryKind.Symlink => "symlink", EntryKind.CharacterDevice => "chr",
        EntryKind.BlockDevice => "blk", EntryKind.Fifo => "fifo", _ => "sock",
    };
}
