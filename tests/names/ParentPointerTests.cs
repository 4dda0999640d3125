using ImageFs.Format;
using ImageFs.Mkfs;
using ImageFs.Tests.Fixtures;
using ImageFs.Tests.Interop;

namespace ImageFs.Tests.Names;

/// <summary>File systems in which every inode knows the directories that name it. The kernel tells what it finds there.</summary>
[TestClass]
public sealed class ParentPointerTests
{
    private static TempImage Made(string size, params string[] options)
    {
        TempImage image = TempImage.NotYetThere();
        StringWriter errors = new();
        int exit = MkfsProgram.Run(["-q", "--size", size, "-n", "parent=1", .. options, image.Path], TextWriter.Null, errors);
        Assert.AreEqual(0, exit, errors.ToString());
        return image;
    }

    private static void Judge(string image)
    {
        OurFsck.AssertClean(image);
        XfsRepair.CheckClean(image);
    }

    [TestMethod]
    public void EveryChangeOfANameChangesThePointer()
    {
        using TempImage image = Made("300m");
        using (FileSystem fs = FileSystem.Open(image.Path, write: true))
        {
            fs.CreateDirectory("/a");
            fs.CreateDirectory("/b");
            fs.CreateDirectory("/a/sub");
            fs.CreateFile("/a/file").Dispose();
            fs.CreateFile("/a/victim").Dispose();
            fs.CreateSymbolicLink("/a/link", new string('t', 400));
            fs.CreateSymbolicLink("/a/short", "target");
            fs.CreateNode("/a/device", FileMode16.CharDevice, 0b110_110_110, 4, 300);
            fs.CreateNode("/a/fifo", FileMode16.Fifo, 0b110_110_110);
            // One inode twice in a directory, and under one name in two.
            fs.CreateHardLink("/a/second", "/a/file");
            fs.CreateHardLink("/b/file", "/a/file");
            fs.CreateHardLink("/b/device", "/a/device");
            fs.DeleteFile("/a/file");
            fs.Rename("/a/second", "/a/third");
            fs.Rename("/a/victim", "/b/file");
            fs.Rename("/a/sub", "/b/sub");
            fs.CreateFile("/b/sub/f").Dispose();
            fs.Rename("/a/third", "/b/sub/f", RenameMode.Exchange);
            fs.Rename("/a/link", "/b/sub", RenameMode.Exchange);
            fs.Rename("/a/short", "/b/short", RenameMode.NoReplace);
            fs.Rename("/b/file", "/a/file", RenameMode.Whiteout);
            fs.CreateDirectory("/a/empty");
            fs.CreateDirectory("/a/other");
            fs.Rename("/a/other", "/a/empty");
            fs.Rename("/a/empty", "/c");
            fs.DeleteDirectory("/c");
        }
        Judge(image.Path);
        using (KernelMount mount = KernelMount.ReadWrite(image.Path))
        {
            // a, b, a/file, a/link (once b/sub), a/link/f, a/third, b/short, b/sub (once a/link).
            Assert.AreEqual(8, KernelParents.AssertComplete(mount));
            mount.Run("mv b/file b/gone; rm b/gone a/fifo b/device; mv a/device .; mv a/link/f a/link/g; ln a/third a/link/h; rm -r b; touch a/new; mkdir d; mv a d/");
            KernelParents.AssertComplete(mount);
            mount.AssertNoComplaints();
        }
        Judge(image.Path);
        using (FileSystem fs = FileSystem.Open(image.Path, write: true)) fs.DeleteDirectory("/d", recursive: true);
        Judge(image.Path);
    }

    [TestMethod]
    [DataRow("")]
    [DataRow("-b size=1024")]
    [DataRow("-i size=2048 -m rmapbt=0,reflink=0")]
    [DataRow("-b size=65536")]
    public void AFileMayHaveAThousandNames(string options)
    {
        const int names = 1000;
        using TempImage image = Made("400m", options.Split(' ', StringSplitOptions.RemoveEmptyEntries));
        int seed = TestSettings.Seed;
        Console.WriteLine(TestSettings.Replay(nameof(AFileMayHaveAThousandNames), seed));
        Random random = new(seed);
        string[] paths = [.. Enumerable.Range(0, names).Select(i => $"/d{i % 7}/{i}{new string('n', random.Next(200))}")];
        using (FileSystem fs = FileSystem.Open(image.Path, write: true))
        {
            for (int i = 0; i < 7; i++) fs.CreateDirectory($"/d{i}");
            fs.CreateFile("/file").Dispose();
            fs.SetAttribute("/file", "user.large", new byte[20_000]);
            foreach (string path in paths) fs.CreateHardLink(path, "/file");
        }
        OurFsck.AssertClean(image.Path);
        using (KernelMount mount = KernelMount.ReadWrite(image.Path))
        {
            Assert.AreEqual(names + 8, KernelParents.AssertComplete(mount));
            // Half of the names go, or become others, by the kernel's hand.
            random.Shuffle(paths);
            foreach (string path in paths.AsSpan(0, names / 4)) File.Delete(mount[path]);
            foreach (ref string path in paths.AsSpan(names / 4, names / 4))
            {
                string to = path.Replace("/d", "/e", StringComparison.Ordinal);
                Directory.CreateDirectory(Path.GetDirectoryName(mount[to])!);
                File.Move(mount[path], mount[to]);
                path = to;
            }
            KernelParents.AssertComplete(mount);
            mount.AssertNoComplaints();
        }
        OurFsck.AssertClean(image.Path);
        using (FileSystem fs = FileSystem.Open(image.Path, write: true))
        {
            foreach (string path in paths.AsSpan(names / 4)) fs.DeleteFile(path);
            Assert.AreEqual(1u, fs.GetEntry("/file").LinkCount);
        }
        OurFsck.AssertClean(image.Path);
        using (KernelMount mount = KernelMount.ReadWrite(image.Path))
        {
            KernelParents.AssertComplete(mount);
            mount.Run("rm file");
            mount.AssertNoComplaints();
        }
        OurFsck.AssertClean(image.Path);
    }

    [TestMethod]
    [DataRow("")]
    [DataRow("-b size=1024 -m rmapbt=0")]
    [DataRow("-i size=1024 -n size=8192 -m reflink=0")]
    [DataRow("-i exchange=0 -b size=16384")]
    public void TheKernelAndWeTakeTurns(string options)
    {
        using TempImage image = Made("700m", options.Split(' ', StringSplitOptions.RemoveEmptyEntries));
        int seed = TestSettings.Seed;
        Console.WriteLine(TestSettings.Replay(nameof(TheKernelAndWeTakeTurns), seed));
        RandomTurn turn = new(seed, TurnOptions.Of(image.Path));
        for (int round = 0; round < 3; round++)
        {
            TreeListing ours;
            using (FileSystem fs = FileSystem.Open(image.Path, write: true))
            {
                turn.Run(new LibraryTree(fs), 150 * TestSettings.Sweep);
                turn.ManyNames(new LibraryTree(fs), 300);
                ours = LibraryListing.Of(fs);
            }
            Judge(image.Path);
            using (KernelMount mount = KernelMount.ReadWrite(image.Path))
            {
                TreeListing.AssertEqual(ours, mount.List(), TreeFields.Everything);
                KernelParents.AssertComplete(mount);
                turn.Run(new KernelTree(mount), 150 * TestSettings.Sweep);
                turn.ManyNames(new KernelTree(mount), 300);
                KernelParents.AssertComplete(mount);
                mount.AssertNoComplaints();
            }
            Judge(image.Path);
        }
    }

    [TestMethod]
    public void OurLogIsReplayedByTheKernelWithEveryPointer()
    {
        using TempImage image = Made("300m");
        int seed = TestSettings.Seed;
        Console.WriteLine(TestSettings.Replay(nameof(OurLogIsReplayedByTheKernelWithEveryPointer), seed));
        TreeListing expected;
        RandomTurn turn = new(seed, TurnOptions.Of(image.Path));
        using (FileSystem fs = FileSystem.Open(image.Path, write: true))
        {
            turn.Run(new LibraryTree(fs), 200);
            turn.ManyNames(new LibraryTree(fs), 300);
            fs.Flush();
            expected = LibraryListing.Of(fs);
            fs.Volume.Abandon();
        }
        using (KernelMount mount = KernelMount.ReadWrite(image.Path))
        {
            TreeListing.AssertEqual(expected, mount.List(), TreeFields.Everything);
            KernelParents.AssertComplete(mount);
            mount.AssertNoComplaints();
        }
        Judge(image.Path);
    }

    [TestMethod]
    public void NewInodesGetTheForkTheKernelGivesThem()
    {
        using TempImage theirs = Made("300m"), ours = TempImage.CopyOf(theirs.Path);
        string[] links = [.. new[] { 5, 100, 192, 193, 250, 300, 335, 336, 337, 400 }.Select(n => new string('t', n))];
        using (KernelMount mount = KernelMount.ReadWrite(theirs.Path))
            mount.Run("touch file; mkdir dir; mknod device c 4 300; mkfifo fifo\n" + string.Concat(links.Select(l => $"ln -s {l} link{l.Length}\n")));
        using (FileSystem fs = FileSystem.Open(ours.Path, write: true))
        {
            fs.CreateFile("/file").Dispose();
            fs.CreateDirectory("/dir");
            fs.CreateNode("/device", FileMode16.CharDevice, 0b110_100_100, 4, 300);
            fs.CreateNode("/fifo", FileMode16.Fifo, 0b110_100_100);
            foreach (string link in links) fs.CreateSymbolicLink($"/link{link.Length}", link);
        }
        using FileSystem a = FileSystem.Open(theirs.Path), b = FileSystem.Open(ours.Path);
        foreach (DirectoryItem item in a.List("/"))
        {
            InodeCore one = a.Inode(a.GetEntry("/" + item.Name, followLink: false).Inode).Core, two = b.Inode(b.GetEntry("/" + item.Name, followLink: false).Inode).Core;
            Assert.AreEqual((one.ForkOffset, one.AttributeFormat, one.Format), (two.ForkOffset, two.AttributeFormat, two.Format), item.Name);
        }
    }
}
