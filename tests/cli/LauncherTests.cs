using ImageFs.Tests.Fixtures;

namespace ImageFs.Tests.Cli;

/// <summary>
/// The shell script at the root, with a stand-in for dotnet: what it decides, not what the compiler does.
/// The stand-in writes one line per build and "compiles" a script that says which build it is.
/// </summary>
[TestClass]
public sealed class LauncherTests
{
    private const string Dotnet = """
        #!/bin/sh
        echo build >> "$TRACE"
        for argument; do
            if [ "$previous" = -o ]; then out=$argument; fi
            previous=$argument
        done
        case "$*" in *ReadyToRun*) if [ -e "$TRACE.no-packs" ]; then echo "error NU1101: no such package"; exit 1; fi ;; esac
        if [ -e "$TRACE.broken" ]; then echo "x.cs(1,1): error CS1002: ; expected"; exit 1; fi
        sleep 0.3
        mkdir -p "$out"
        { echo '#!/bin/sh'; echo "echo build $(grep -c . "$TRACE")"; echo 'for a; do echo "[$a]"; done; exit 7'; } > "$out/ImageFs.Cli"
        chmod +x "$out/ImageFs.Cli"
        """;

    private string _root = "";
    private string _trace = "";
    private string _path = "";

    [TestInitialize]
    public void MakeASmallCopyOfTheSources()
    {
        Judge.Require("sh");
        string folder = Scratch.NewFolder(".launcher");
        _root = Path.Combine(folder, "root with blank");
        _trace = Path.Combine(folder, "trace");
        string bin = Path.Combine(folder, "bin");
        Directory.CreateDirectory(bin);
        File.WriteAllText(Path.Combine(bin, "dotnet"), Dotnet);
        Shell.Run("chmod", "+x", Path.Combine(bin, "dotnet")).MustSucceed();
        _path = bin + ":" + Environment.GetEnvironmentVariable("PATH");
        foreach (string project in (string[])["cli", "lib", "format", "fsck", "mkfs", "kaitai"])
        {
            Directory.CreateDirectory(Path.Combine(_root, project, "deeper"));
            File.WriteAllText(Path.Combine(_root, project, "deeper", "A.cs"), "");
            File.WriteAllText(Path.Combine(_root, project, "deeper", "B.cs"), "");
        }
        foreach (string file in (string[])["Directory.Build.props", "Directory.Packages.props", "global.json"])
            File.WriteAllText(Path.Combine(_root, file), "");
        File.Copy(Path.Combine(Repository.Root, "imagefs"), Path.Combine(_root, "imagefs"));
    }

    [TestMethod]
    public void ItBuildsOnceAndPassesArgumentsAndExitCodeOn()
    {
        ShellResult first = Launch("a b", "*", "");
        Assert.AreEqual((7, "build 1\n[a b]\n[*]\n[]\n", ""), (first.ExitCode, first.Output, first.Error));
        Assert.AreEqual("build 1\n", Launch().Output);
        Assert.AreEqual(1, Builds);
    }

    [TestMethod]
    public void AChangedOrRemovedSourceMeansAnotherBuild()
    {
        Launch();
        AtLeastOneTick();
        File.WriteAllText(Path.Combine(_root, "lib", "deeper", "A.cs"), "// changed");
        Assert.AreEqual("build 2\n", Launch().Output);
        AtLeastOneTick();
        File.Delete(Path.Combine(_root, "fsck", "deeper", "B.cs"));
        Assert.AreEqual("build 3\n", Launch().Output);
        AtLeastOneTick();
        File.WriteAllText(Path.Combine(_root, "Directory.Packages.props"), "<x/>");
        Assert.AreEqual("build 4\n", Launch().Output);
        Assert.AreEqual("build 4\n", Launch().Output);
        Assert.IsLessThanOrEqualTo(2, Directory.EnumerateDirectories(Path.Combine(_root, ".build"), "run-*").Count(), "old builds are removed");
    }

    [TestMethod]
    public void WhatOtherBuildsLeaveBehindDoesNotMatter()
    {
        Launch();
        AtLeastOneTick();
        Directory.CreateDirectory(Path.Combine(_root, "lib", "obj"));
        File.WriteAllText(Path.Combine(_root, "lib", "obj", "x.cs"), "");
        Directory.CreateDirectory(Path.Combine(_root, "cli", "bin"));
        Assert.AreEqual("build 1\n", Launch().Output);
    }

    [TestMethod]
    public void ItWorksFromElsewhereAndThroughSymlinks()
    {
        string elsewhere = Scratch.NewFolder();
        Shell.Run("ln", "-s", Path.Combine(_root, "imagefs"), Path.Combine(elsewhere, "absolute")).MustSucceed();
        Shell.Run("sh", "-c", $"cd '{elsewhere}' && mkdir d && ln -s ../absolute d/relative").MustSucceed();
        Assert.AreEqual("build 1\n", In(elsewhere, "./d/relative"));
        Assert.AreEqual("build 1\n", In(_root, "./imagefs"));
        Assert.AreEqual("build 1\n", In(_root, "sh imagefs"));
        Assert.AreEqual("build 1\n", In("/", $"PATH=\"{_root}:$PATH\" imagefs"));
        Assert.AreEqual(1, Builds);

        string In(string folder, string command) => RunScript($"cd '{folder}' && {command}").Output;
    }

    [TestMethod]
    public void OfSeveralAtOnceOnlyOneBuilds()
    {
        string output = RunScript($"for i in 1 2 3 4; do '{_root}/imagefs' & done; wait").Output;
        Assert.AreEqual(string.Concat(Enumerable.Repeat("build 1\n", 4)), output);
        Assert.AreEqual(1, Builds);
    }

    [TestMethod]
    public void ABuildThatFailsShowsItsErrorsAndKeepsNothing()
    {
        File.WriteAllText(_trace + ".broken", "");
        ShellResult result = Launch();
        Assert.AreEqual(70, result.ExitCode);
        Assert.AreEqual("", result.Output);
        StringAssert.Contains(result.Error, "error CS1002");
        Assert.AreEqual(1, Builds, "an error of the compiler is not tried twice");
        File.Delete(_trace + ".broken");
        Assert.AreEqual("build 2\n", Launch().Output);
    }

    [TestMethod]
    public void WithoutThePackageForCompilingAheadItBuildsPlainly()
    {
        File.WriteAllText(_trace + ".no-packs", "");
        ShellResult result = Launch();
        Assert.AreEqual(("build 2\n", ""), (result.Output, result.Error));
    }

    [TestMethod]
    public void ClosedStreamsAreNotLeftForTheNextFileThatIsOpened()
    {
        Launch();
        string program = Directory.EnumerateFiles(Path.Combine(_root, ".build"), "ImageFs.Cli", SearchOption.AllDirectories).Single();
        string seen = _trace + ".streams";
        // Reading and writing fail at once, where a descriptor of somebody else's might wait for ever, or take the bytes.
        File.WriteAllText(program, $"#!/bin/sh\na=$(readlink /proc/$$/fd/0) b=$(readlink /proc/$$/fd/1) c=$(readlink /proc/$$/fd/2)\nprintf '%s\\n' \"$a\" \"$b\" \"$c\" > '{seen}'\n");
        if (!OperatingSystem.IsLinux()) Assert.Inconclusive("looks into /proc");
        RunScript($"'{_root}/imagefs' <&- >&- 2>&-");
        CollectionAssert.AreEqual((string[])["/dev/null", "/dev/null", "/dev/null"], File.ReadAllLines(seen));
        RunScript($"'{_root}/imagefs' < /dev/zero > '{_trace}.out' 2>&1");
        CollectionAssert.AreEqual((string[])["/dev/zero", _trace + ".out", _trace + ".out"], File.ReadAllLines(seen));
    }

    private int Builds => File.ReadAllLines(_trace).Length;

    private ShellResult Launch(params string[] arguments) =>
        Shell.Run("env", ["PATH=" + _path, "TRACE=" + _trace, Path.Combine(_root, "imagefs"), .. arguments]);

    private ShellResult RunScript(string script) => Shell.Run("env", ["PATH=" + _path, "TRACE=" + _trace, "sh", "-c", script]);

    // Sources are compared by time stamp, and some file systems keep coarse ones.
    private static void AtLeastOneTick() => Thread.Sleep(50);
}
