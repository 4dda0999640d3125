using ImageFs.Cli.Demo;
using ImageFs.Cli.Host;
using ImageFs.Format;
using ImageFs.Tests.Fixtures;
using ImageFs.Tests.Fsck;
using static ImageFs.Tests.Cli.CliRun;

namespace ImageFs.Tests.Cli;

/// <summary>Trees into an image and out again.</summary>
[TestClass]
public sealed class CopyTests
{
    [TestMethod]
    public void ATreeComesBackAsItWas()
    {
        if (!OperatingSystem.IsLinux()) Assert.Inconclusive("needs Linux: modes, hard links, fifos");
        string tree = Scratch.NewFolder(".tree"), back = Scratch.NewPath(".back");
        Shell.Run("sh", "-ec", $"""
            cd '{tree}'
            mkdir -p deep/er/est empty 'with blank'
            echo one > deep/one; ln deep/one 'with blank/same'; chmod 4751 deep/one
            ln -s ../deep/one empty/link; ln -s /does/not/exist dangling
            mkfifo fifo; chmod 600 fifo
            head -c 3000000 /dev/urandom > deep/er/random
            truncate -s 50M deep/er/est/hole; printf middle | dd of=deep/er/est/hole bs=1 seek=20000000 conv=notrunc status=none
            : > deep/nothing; touch -d '2001-02-03 04:05:06.123456789 UTC' deep/nothing empty
            chmod 1777 empty
            # Where the host can: an old /dev/shm cannot.
            setfattr -n user.colour -v green deep/one 2> /dev/null || :
            setfacl -d -m u:77:rwx 'with blank' 2> /dev/null || :
            """).MustSucceed();
        using TempImage image = NewImage();
        Run("put", image.Path, tree, "/tree").Ok();
        FsckOf.File(image.Path).MustBeSilent();
        Run("get", image.Path, "/tree", back).Ok();
        CollectionAssert.AreEqual(Listing(tree), Listing(back));
        long allocated = Posix.Stat(Posix.Bytes(Path.Combine(back, "deep/er/est/hole"))).Blocks * 512;
        Assert.IsLessThan(1 << 20, allocated, "the hole stays a hole");
        string stat = Run("stat", "-e", image.Path, "/tree/deep/er/est/hole").Ok();
        Assert.Contains("size      52428800 bytes, 1 blocks", stat);
        Assert.Contains("modified  2001-02-03 04:05:06.123456789 UTC", Run("stat", image.Path, "/tree/deep/nothing").Ok());
    }

    /// <summary>All that must come back, a line a path.</summary>
    private static string[] Listing(string folder) =>
        [.. Fingerprints.OfHost(folder).Select(path =>
        {
            HostFile file = HostCalls.Stat(folder + path.Key);
            string size = file.Type == FileMode16.Directory ? "" : $"{file.Length} bytes, {file.Links} links, ";
            return $"{path.Key} {path.Value} {size}{file.Uid}:{file.Gid} {Attributes(folder + path.Key)} {file.DeviceMajor}:{file.DeviceMinor} {file.Modified.UnixNanoseconds}";
        })];

    private static string Attributes(string path) =>
        string.Join(',', HostCalls.GetAttributes(path).OrderBy(a => a.Name, StringComparer.Ordinal).Select(a => $"{a.Name}={Convert.ToHexString(a.Value)}"));

    [TestMethod]
    public void TheKernelSeesTheTreeThatWasPut()
    {
        Judge.RequireKernel();
        string tree = Path.Combine(Repository.Root, "images", "recipes");
        using TempImage image = NewImage();
        Run("put", image.Path, tree, "/").Ok();
        XfsRepair.CheckClean(image.Path);
        using KernelMount mount = KernelMount.ReadOnly(image.Path);
        CollectionAssert.AreEqual(Listing(tree), Listing(mount["recipes"]));
    }

    [TestMethod]
    public void DestinationsFollowTheRuleOfCp()
    {
        string folder = Scratch.NewFolder(), a = HostFile("a"u8), b = HostFile("b"u8);
        using TempImage image = NewImage();
        Run("mkdir", image.Path, "/d").Ok();
        Run("put", image.Path, a, "/renamed").Ok();
        Run("put", image.Path, a, b, "/d").Ok();
        Assert.AreEqual("d\nrenamed\n", Run("ls", image.Path).Ok());
        Assert.AreEqual($"{Path.GetFileName(a)}\n{Path.GetFileName(b)}\n", Run("ls", image.Path, "/d").Ok());
        Assert.AreEqual(1, Run("put", image.Path, a, b, "/nowhere").Code);
        Assert.AreEqual(1, Run("get", image.Path, "/renamed", "/d", Path.Combine(folder, "nowhere")).Code);
        Run("get", image.Path, "/renamed", "/d", folder).Ok();
        Assert.AreEqual("a", File.ReadAllText(Path.Combine(folder, "renamed")));
        Assert.AreEqual("b", File.ReadAllText(Path.Combine(folder, "d", Path.GetFileName(b))));
        Run("get", image.Path, "/renamed", Path.Combine(folder, "other")).Ok();
        Assert.AreEqual("a", File.ReadAllText(Path.Combine(folder, "other")));
    }

    [TestMethod]
    public void PuttingTwiceReplacesContentsAndKeepsWhatElseIsThere()
    {
        string tree = Scratch.NewFolder();
        File.WriteAllText(Path.Combine(tree, "file"), "first, and longer");
        using TempImage image = NewImage();
        Run("put", image.Path, tree, "/tree").Ok();
        RunWith("mine"u8.ToArray(), "put", image.Path, "-", "/tree/other").Ok();
        File.WriteAllText(Path.Combine(tree, "file"), "second");
        Run("put", "-v", image.Path, tree + "/.", "/tree").Ok();
        Assert.AreEqual("file\nother\n", Run("ls", image.Path, "/tree").Ok());
        Assert.AreEqual("second", Run("cat", image.Path, "/tree/file").Ok());
    }

    [TestMethod]
    public void TheOwnerCanBeGiven()
    {
        using TempImage image = NewImage();
        Run("put", "--owner", "12:34", image.Path, HostFile("x"u8), "/x").Ok();
        Assert.Contains("uid 12, gid 34", Run("stat", image.Path, "/x").Ok());
        Assert.AreEqual(2, Run("put", "--owner", "root", image.Path, HostFile("x"u8), "/y").Code);
    }

    [TestMethod]
    public void TheImageIsNotCopiedIntoItself()
    {
        string folder = Scratch.NewFolder(), path = Path.Combine(folder, "own.img");
        Run("mkfs", "--size", "32m", "-q", path).Ok();
        File.WriteAllText(Path.Combine(folder, "else"), "x");
        CliResult put = Run("put", path, folder, "/all");
        Assert.AreEqual(1, put.Code);
        StringAssert.Contains(put.Error, "is the image itself: left out");
        Assert.AreEqual("else\n", Run("ls", path, "/all").Ok());
    }

    [TestMethod]
    public void NothingIsWrittenThroughALinkThatIsInTheWay()
    {
        if (!OperatingSystem.IsLinux()) Assert.Inconclusive("needs symlinks");
        string folder = Scratch.NewFolder(), outside = Scratch.NewFolder(), victim = HostFile("victim"u8);
        Directory.CreateSymbolicLink(Path.Combine(folder, "d"), outside);
        File.CreateSymbolicLink(Path.Combine(folder, "f"), victim);
        using TempImage image = NewImage("/f", "new"u8);
        Run("mkdir", image.Path, "/d").Ok();
        RunWith("x"u8.ToArray(), "put", image.Path, "-", "/d/inside").Ok();
        CliResult get = Run("get", image.Path, "/", folder);
        Assert.AreEqual(1, get.Code);
        StringAssert.Contains(get.Error, "nothing is written through it");
        Assert.IsEmpty(Directory.GetFiles(outside));
        Run("get", image.Path, "/f", folder).Ok();
        Assert.AreEqual("victim", File.ReadAllText(victim), "the link was replaced, not followed");
        Assert.AreEqual("new", File.ReadAllText(Path.Combine(folder, "f")));
    }

    [TestMethod]
    public void AFullImageSaysSoAndStaysSound()
    {
        using TempImage image = NewImage(16 << 20);
        CliResult put = RunWith(Noise(20 << 20), "put", image.Path, "-", "/big");
        Assert.AreEqual(1, put.Code);
        StringAssert.StartsWith(put.Error, "imagefs: put: ");
        FsckOf.File(image.Path).MustBeSilent();
    }
}
