using ImageFs.Tests.Fixtures;

namespace ImageFs.Tests.Kaitai;

/// <summary>The committed reader is what the compiler makes of format/xfs.ksy.</summary>
[TestClass]
public sealed class RegenerationTests
{
    [TestMethod]
    public void TheReaderIsWhatTheCompilerMakesOfTheSpecification()
    {
        string folder = Scratch.NewFolder("-kaitai"), sources = Path.Combine(folder, "kaitai"), made = Path.Combine(folder, "Xfs.g.cs");
        Directory.CreateDirectory(sources);
        Directory.CreateDirectory(Path.Combine(folder, "format"));
        foreach (string file in (string[])["kaitai/package.json", "kaitai/generate.cjs", "format/xfs.ksy"])
            File.Copy(Path.Combine(Repository.Root, file), Path.Combine(folder, file));
        string npm = Judge.Require("npm"), node = Judge.Require("node");
        // The compiler and its reader of YAML are the only packages, and of fixed versions; what npm has seen before it has at hand.
        ShellResult install = Shell.Run(npm, ["install", "--prefix", sources, "--no-package-lock", "--no-audit", "--no-fund", "--prefer-offline", "--loglevel=error"], TimeSpan.FromMinutes(3));
        if (!install.Succeeded) Assert.Inconclusive($"needs kaitai-struct-compiler from npm, which could not be installed: {Last(install.Text)}");
        Shell.Run(node, [Path.Combine(sources, "generate.cjs"), made], TimeSpan.FromMinutes(2)).MustSucceed();
        string expected = File.ReadAllText(made), actual = File.ReadAllText(Path.Combine(Repository.Root, "kaitai/reader/Xfs.g.cs"));
        if (expected == actual) return;
        (string Expected, string Actual, int Line) = expected.Split('\n').Zip(actual.Split('\n')).Select((pair, index) => (pair.First, pair.Second, index + 1)).FirstOrDefault(line => line.First != line.Second);
        Assert.Fail($"kaitai/reader/Xfs.g.cs is not what the compiler makes of format/xfs.ksy; run kaitai/generate.cjs. Line {Line} is '{Actual}', should be '{Expected}'");
    }

    private static string Last(string text) => text.Split('\n', StringSplitOptions.RemoveEmptyEntries).LastOrDefault("npm said nothing");
}
