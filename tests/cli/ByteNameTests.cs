using System.Text.Json;
using ImageFs.Tests.Fixtures;
using static ImageFs.Tests.Cli.CliRun;

namespace ImageFs.Tests.Cli;

/// <summary>Names that are no UTF-8: every verb takes them, and they go to the host and back.</summary>
[TestClass]
public sealed class ByteNameTests
{
    // "été" in Latin-1, in the form the command line gives it.
    private const string Summer = "\uDCE9t\uDCE9", File = "/" + Summer + "/\uDCFF file";
    private static readonly byte[] s_summer = [0xE9, (byte)'t', 0xE9];

    [TestMethod]
    public void ATreeOfThemComesBackAsItWas()
    {
        if (!OperatingSystem.IsLinux()) Assert.Inconclusive("needs Linux, where a name is any bytes");
        string tree = Scratch.NewFolder(".tree"), back = Scratch.NewPath(".back");
        Shell.Run("sh", "-ec", $"""
            cd '{tree}'
            d=$(printf '\351t\351'); f=$(printf '\377 file'); l=$(printf 'to\200')
            mkdir -p "$d/$d/text" "$d/$f.d"
            echo one > "$d/$f"; ln "$d/$f" "$d/$d/same"; ln "$d/$f" "again$f"
            ln -s "$d/$f" "$l"; ln -s text "$d/$l"; mkfifo "$d/$d/fifo$l"
            echo two > "$d/$d/text/plain"; chmod 640 "$d/$d/text/plain"; chmod 1777 "$d/$f.d"
            touch -d '2001-02-03 04:05:06.5 UTC' "$d/$f" "$d/$d"
            """).MustSucceed();
        using TempImage image = NewImage();
        Run("put", image.Path, tree, "/tree").Ok();
        Run("get", image.Path, "/tree", back).Ok();
        Assert.AreEqual(Listing(tree), Listing(back));
        // One of them by itself, under a name of its own and into a folder.
        Run("get", image.Path, "/tree" + File, back).Ok();
        Run("get", image.Path, "/tree/" + Summer, Path.Combine(back, Summer + ".copy")).Ok();
        Run("put", image.Path, Path.Combine(tree, Summer), "/").Ok();
        Shell.Run("sh", "-ec", $$"""
            names() { (cd "$1"; find . | LC_ALL=C sort | od -c); }
            cd '{{back}}'; d=$(printf '\351t\351'); f=$(printf '\377 file')
            cmp "$d/$f" "$f"; test "$(names "$d")" = "$(names "$d.copy")"
            """).MustSucceed();
        Assert.AreEqual("one\n", Run("cat", image.Path, File).Ok());
        OurFsck.AssertClean(image.Path);
        Judge.RequireKernel();
        using KernelMount mount = KernelMount.ReadOnly(image.Path);
        Assert.AreEqual(Listing(tree), Listing(mount["tree"]));
    }

    [TestMethod]
    public void EveryVerbTakesThem()
    {
        using TempImage image = NewImage();
        string path = image.Path, other = "/" + Summer + "/\uDC80";
        Run("mkdir", path, "/" + Summer).Ok();
        RunWith(new byte[16 << 10], "put", path, "-", File).Ok();
        RunWith(Noise(8 << 10), "write", path, File).Ok();
        Run("clone", path, File, other).Ok();
        Run("dedupe", path, "/" + Summer).Ok();
        Run("copy-range", path, File, other).Ok();
        Run("exchange", path, File, other).Ok();
        Run("allocate", "--length", "64k", path, File).Ok();
        Run("punch", "--length", "4k", path, File).Ok();
        Run("zero", "--length", "8k", path, File).Ok();
        Run("insert", "--length", "4k", path, File).Ok();
        Run("collapse", "--length", "4k", path, File).Ok();
        Run("unshare", path, File).Ok();
        Run("truncate", "--length", "10k", path, File).Ok();
        foreach (string verb in new[] { "map", "stat", "cat", "ls" }) Run(verb, path, File).Ok();
        string[] paths = [.. Run("manifest", path).Ok().TrimEnd('\n').Split('\n').Select(line => JsonDocument.Parse(line).RootElement.GetProperty("path").GetString()!)];
        Assert.Contains("été/ÿ file", paths);
        CliResult all = Run("ls", "-R", path, "/");
        all.Ok();
        Assert.IsGreaterThanOrEqualTo(0, all.Bytes.AsSpan().IndexOf(s_summer));
        Run("mv", path, other, "/\uDCFE").Ok();
        Run("rm", path, "/\uDCFE").Ok();
        Run("rm", "-r", path, "/" + Summer).Ok();
        Assert.AreEqual("", Run("ls", path).Ok());
        OurFsck.AssertClean(path);
    }

    /// <summary>Names, kinds, modes, links, times and targets, as another program sees them.</summary>
    private static string Listing(string folder) =>
        Shell.Run("sh", "-ec", $"cd '{folder}'; find . -mindepth 1 -printf '%P|%y|%m|%n|%T@|%l\\0' | LC_ALL=C sort -z | od -An -c; find . -type f -exec cat {{}} + | wc -c").MustSucceed().Output;
}
