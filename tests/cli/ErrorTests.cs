using ImageFs.Cli;
using ImageFs.Devices;
using ImageFs.Tests.Fixtures;
using static ImageFs.Tests.Cli.CliRun;

namespace ImageFs.Tests.Cli;

/// <summary>What goes wrong is one line on the error stream and an exit code, never a stack trace.</summary>
[TestClass]
public sealed class ErrorTests
{
    private static readonly string[] s_verbs = ["ls", "cat", "get", "put", "mkdir", "rm", "mv", "clone", "dedupe", "stat", "info", "manifest", "demo"];

    [TestMethod]
    public void EveryVerbHasHelpAndTheOverviewKnowsIt()
    {
        string overview = Run("--help").Ok();
        foreach (string verb in s_verbs)
        {
            StringAssert.Contains(Run(verb, "-h").Ok(), $"imagefs {verb}");
            StringAssert.Contains(overview, $"imagefs {verb} ");
        }
        Assert.AreEqual(overview, Run("help").Ok());
        StringAssert.StartsWith(Run("--version").Ok(), "imagefs ");
    }

    [TestMethod]
    public void WithoutAVerbItSaysWhatThereIsAndFails()
    {
        CliResult result = Run();
        Assert.AreEqual((2, ""), (result.Code, result.Output));
        StringAssert.Contains(result.Error, "imagefs ls");
        Assert.AreEqual((2, "imagefs: 'frob' is none of its verbs\nimagefs --help lists them.\n"), (Run("frob").Code, Run("frob").Error));
    }

    [TestMethod]
    [DataRow("IMAGE is missing", "ls")]
    [DataRow("IMAGE is missing", "info", "--json")]
    [DataRow("PATH is missing", "cat", "x.img")]
    [DataRow("HOSTPATH... DEST is missing", "put", "x.img", "file")]
    [DataRow("TO is missing", "clone", "x.img", "a")]
    [DataRow("unknown option -z", "ls", "-z", "x.img")]
    [DataRow("unknown option --frob", "stat", "x.img", "--frob")]
    public void WhatMakesNoSenseIsMisuse(string complaint, params string[] args)
    {
        CliResult result = Run(args);
        Assert.AreEqual($"imagefs: {args[0]}: {complaint}\nimagefs {args[0]} -h tells how it is used.\n", result.Error);
        Assert.AreEqual(2, result.Code);
    }

    [TestMethod]
    [DataRow("ls", "/nope")]
    [DataRow("cat", "/nope")]
    [DataRow("stat", "/nope")]
    [DataRow("rm", "/nope")]
    [DataRow("get", "/nope", "/tmp/never")]
    [DataRow("mv", "/nope", "/x")]
    [DataRow("clone", "/nope", "/x")]
    [DataRow("dedupe", "/nope", "/x")]
    public void WhatIsNotThereIsAFailureOfOneLine(string verb, params string[] paths)
    {
        using TempImage image = NewImage();
        CliResult result = Run([verb, image.Path, .. paths]);
        StringAssert.Matches(result.Error, new($"^imagefs: {verb}: '/?nope' does not exist\n$"));
        Assert.AreEqual((1, ""), (result.Code, result.Output));
    }

    [TestMethod]
    public void AFileThatIsNoImageIsNamedAsSuch()
    {
        string text = HostFile(Noise(100_000));
        foreach (string verb in (string[])["ls", "info"])
        {
            CliResult result = Run(verb, text);
            Assert.AreEqual(1, result.Code);
            StringAssert.StartsWith(result.Error, $"imagefs: {verb}: superblock at byte 0: magicnum: found 0x");
            Assert.AreEqual(1, result.Error.Count(c => c == '\n'));
        }
        Assert.AreEqual(1, Run("ls", text + ".missing").Code);
        Assert.AreEqual(1, Run("ls", Path.GetTempPath()).Code);
    }

    [TestMethod]
    [DataRow("ls")]
    [DataRow("info")]
    [DataRow("inspect")]
    [DataRow("fsck", "-n")]
    [DataRow("put", "-", "/x")]
    [DataRow("mkfs")]
    public void AnEmptyNameIsNoImage(string verb, params string[] more)
    {
        CliResult result = Run(verb == "fsck" ? [verb, .. more, ""] : [verb, "", .. more]);
        Assert.AreNotEqual(0, result.Code);
        Assert.AreEqual("", result.Output);
        Assert.Contains(verb, result.Error);
    }

    [TestMethod]
    [DataRow("ls")]
    [DataRow("cat", "/x")]
    [DataRow("info")]
    [DataRow("inspect")]
    [DataRow("manifest")]
    [DataRow("stat", "/x")]
    [DataRow("fsck")]
    public void AnOutputThatIsFullIsAFailureOfOneLine(string verb, params string[] more)
    {
        using TempImage image = NewImage("/x", Noise(100_000));
        string[] args = verb == "fsck" ? [verb, "-n", image.Path] : [verb, image.Path, .. more];
        StringWriter error = new();
        using (Stdio io = new(() => Stream.Null, new FullDisk(), () => error, isTerminal: false)) Assert.AreEqual(CommandLine.Failed, CommandLine.Run(args, io));
        Assert.AreEqual($"imagefs: {verb}: No space left on device", error.ToString().Trim());
        // Where not even that can be said, the exit code says it.
        using (Stdio io = new(() => Stream.Null, new FullDisk(), () => new StreamWriter(new FullDisk()) { AutoFlush = true }, isTerminal: false))
            Assert.AreEqual(CommandLine.Failed, CommandLine.Run(args, io));
        using (Stdio io = new(() => Stream.Null, new MemoryStream(), () => new StreamWriter(new FullDisk()) { AutoFlush = true }, isTerminal: false))
            Assert.AreEqual(CommandLine.Misused, CommandLine.Run(["ls", "--frob"], io));
    }

    [TestMethod]
    public void AnImageSomebodyWritesIsBusy()
    {
        using TempImage image = NewImage();
        using FileDevice other = FileDevice.Open(image.Path, DeviceAccess.Write);
        CliResult result = Run("mkdir", image.Path, "/d");
        Assert.AreEqual(1, result.Code);
        StringAssert.StartsWith(result.Error, "imagefs: mkdir: ");
    }

    [TestMethod]
    public void ArgumentsThatLookLikeVerbsDirectivesOrResponseFilesAreNames()
    {
        using TempImage image = NewImage();
        foreach (string name in (string[])["ls", "@file", "[suggest]", "-?", "--", "-"])
        {
            RunWith("x"u8.ToArray(), "put", image.Path, "--", "-", "/d" + name).Ok();
            Assert.AreEqual("x", Run("cat", image.Path, "--", "d" + name).Ok(), name);
        }
        Run("mkdir", image.Path, "--", "ls", "@file", "/h", "-x").Ok();
        Assert.AreEqual("", Run("ls", image.Path, "/h").Ok());
        Assert.AreEqual("", Run("ls", image.Path, "@file").Ok());
        Assert.AreEqual("", Run("ls", image.Path, "ls").Ok());
        Assert.AreEqual("", Run("ls", image.Path, "--", "-x").Ok());
    }

    [TestMethod]
    public void AReaderThatLeavesEndsTheCommandQuietly()
    {
        if (!OperatingSystem.IsLinux()) Assert.Inconclusive("needs pipes of Unix");
        using TempImage image = NewImage("/big", Noise(8 << 20));
        StringWriter error = new();
        using Stdio io = new(() => Stream.Null, new ClosedPipe(), () => error, isTerminal: false);
        Assert.AreEqual(CommandLine.PipeClosed, CommandLine.Run(["cat", image.Path, "/big"], io));
        Assert.AreEqual(CommandLine.PipeClosed, CommandLine.Run(["ls", image.Path], io));
        Assert.AreEqual("", error.ToString());
    }

    private sealed class FullDisk : MemoryStream
    {
        public override void Write(byte[] buffer, int offset, int count) => throw new IOException("No space left on device", 28);
        public override void Write(ReadOnlySpan<byte> buffer) => throw new IOException("No space left on device", 28);
    }

    /// <summary>Fails like a pipe without a reader.</summary>
    private sealed class ClosedPipe : MemoryStream
    {
        public override void Write(byte[] buffer, int offset, int count) => throw new IOException("Broken pipe", 32);
        public override void Write(ReadOnlySpan<byte> buffer) => throw new IOException("Broken pipe", 32);
    }
}
