using ImageFs.Mkfs;
using ImageFs.Tests.Fixtures;

namespace ImageFs.Tests.Mkfs;

[TestClass]
[DoNotParallelize] // The environment variable is everybody's.
public sealed class ProgramTests
{
    private static (int ExitCode, string Output, string Error) Run(params string[] arguments)
    {
        StringWriter output = new() { NewLine = "\n" }, error = new() { NewLine = "\n" };
        int exitCode = MkfsProgram.Run(arguments, output, error);
        return (exitCode, output.ToString(), error.ToString());
    }

    [TestMethod]
    public void ItPrintsWhatMkfsXfsPrints()
    {
        using TempImage image = TempImage.Empty(300 << 20);
        string theirs = XfsMkfs.Make(image.Path, "-m", "rmapbt=1", "-i", "nrext64=1");
        (int exitCode, string output, string error) = Run("-f", image.Path);
        Assert.AreEqual((0, MkfsXfs.Geometry(theirs), ""), (exitCode, output, error));
        XfsRepair.CheckClean(image.Path);
    }

    [TestMethod]
    public void AnImageIsCreatedWhenASizeIsGiven()
    {
        using TempImage image = TempImage.NotYetThere();
        (int exitCode, _, string error) = Run(image.Path);
        Assert.AreEqual(1, exitCode);
        StringAssert.Contains(error, "there is no such file; with --size it is created");
        Assert.AreEqual((0, "", ""), Run("-q", "--size=64m", image.Path));
        Assert.AreEqual(64 << 20, image.Length);
        XfsRepair.CheckClean(image.Path);
        File.Delete(image.Path);
        Assert.AreEqual((0, "", ""), Run("-q", "-d", $"file,name={image.Path},size=32m"));
        Assert.AreEqual(32 << 20, image.Length);
    }

    [TestMethod]
    public void NothingIsOverwrittenWithoutForce()
    {
        using TempImage image = TempImage.NotYetThere();
        Run("--size=64m", image.Path);
        byte[] before = File.ReadAllBytes(image.Path);
        foreach (string[] arguments in (string[][])[[image.Path], ["--size=128m", image.Path], ["-K", image.Path], ["-d", "size=16m", image.Path]])
        {
            (int exitCode, string output, string error) = Run(arguments);
            Assert.AreEqual((1, ""), (exitCode, output));
            StringAssert.Contains(error, "the image holds an XFS file system; -f overwrites it");
        }
        CollectionAssert.AreEqual(before, File.ReadAllBytes(image.Path));
        Assert.AreEqual(0, Run("-f", "--size=128m", "-Lnew", image.Path).ExitCode);
        Assert.AreEqual(128 << 20, image.Length);
        XfsRepair.CheckClean(image.Path);
    }

    [TestMethod]
    public void ADryRunWritesNothing()
    {
        using TempImage image = TempImage.NotYetThere();
        (int exitCode, string output, _) = Run("-N", "-q", "--size=64m", image.Path);
        Assert.AreEqual(0, exitCode);
        StringAssert.StartsWith(output, "meta-data=");
        Assert.IsFalse(File.Exists(image.Path));
        using TempImage empty = TempImage.Empty(64 << 20);
        Assert.AreEqual(0, Run("-N", empty.Path).ExitCode);
        Assert.IsFalse(File.ReadAllBytes(empty.Path).AsSpan().ContainsAnyExcept((byte)0));
    }

    [TestMethod]
    public void BlocksOfTheHostAreGivenBackUnlessKept()
    {
        if (!OperatingSystem.IsLinux()) Assert.Inconclusive("needs Linux to count the blocks of a file");
        byte[] full = new byte[32 << 20];
        Array.Fill(full, (byte)0x5A);
        foreach (bool keep in (bool[])[false, true])
        {
            using TempImage image = TempImage.Of(full);
            Assert.AreEqual(0, Run(keep ? ["-K", image.Path] : [image.Path]).ExitCode);
            long blocks = Posix.Stat(Posix.Bytes(image.Path)).Blocks * 512;
            if (keep) Assert.IsGreaterThan(20 << 20, blocks);
            else Assert.IsLessThan(8 << 20, blocks);
            XfsRepair.CheckClean(image.Path);
        }
    }

    [TestMethod]
    public void AMountedImageIsRefused()
    {
        Judge.RequireKernel();
        using TempImage image = TempImage.NotYetThere();
        Run("--size=64m", image.Path);
        using (KernelMount.ReadWrite(image.Path))
        {
            (int exitCode, _, string error) = Run("-f", image.Path);
            Assert.AreEqual(1, exitCode);
            StringAssert.Contains(error, "attached to /dev/loop");
        }
        XfsRepair.CheckClean(image.Path);
    }

    [TestMethod]
    public void TheSourceDateMakesImagesEqual()
    {
        using TempImage first = TempImage.NotYetThere(), second = TempImage.NotYetThere();
        Environment.SetEnvironmentVariable(MkfsProgram.SourceDateVariable, "1700000000");
        try
        {
            Run("--size=40m", first.Path);
            Run("--size=40m", second.Path);
        }
        finally { Environment.SetEnvironmentVariable(MkfsProgram.SourceDateVariable, null); }
        CollectionAssert.AreEqual(File.ReadAllBytes(first.Path), File.ReadAllBytes(second.Path));
        StringAssert.Contains(XfsDb.Print(first.Path, "inode 128", "p")["core.mtime.sec"], "2023");
    }

    [TestMethod]
    public void AHalfMadeImageIsRemoved()
    {
        Judge.RequireKernel();
        string folder = Scratch.NewFolder(".mnt");
        Shell.Run("mount", ["-t", "tmpfs", "-o", "size=64k", "tmpfs", folder]).MustSucceed();
        try
        {
            string image = Path.Combine(folder, "x.img");
            (int exitCode, _, string error) = Run("--size=64m", image);
            Assert.AreEqual(1, exitCode);
            StringAssert.Contains(error, "cannot write");
            Assert.IsFalse(File.Exists(image));
        }
        finally { Shell.Run("umount", [folder]).MustSucceed(); }
    }

    [TestMethod]
    public void AnImageInNoFolderIsRefused()
    {
        (int exitCode, _, string error) = Run("--size=64m", "/no/such/folder/x.img");
        Assert.AreEqual(1, exitCode);
        StringAssert.Contains(error, "cannot be created");
    }

    [TestMethod]
    public void HelpNamesEveryOption()
    {
        (int exitCode, string output, _) = Run("--help");
        Assert.AreEqual(0, exitCode);
        foreach (string option in (string[])["agcount", "agsize", "extszinherit", "perblock", "maxpct", "agnum", "inobtcount", "--uuid", "SOURCE_DATE_EPOCH"])
            StringAssert.Contains(output, option);
        Assert.AreEqual(1, Run().ExitCode);
    }
}
