using ImageFs.Format;
using ImageFs.Inodes;
using ImageFs.Tests.Fixtures;
using ImageFs.Tests.Interop;
using static ImageFs.Tests.Fixtures.World;

namespace ImageFs.Tests.Names;

/// <summary>Names: what renames, links and removals do to both sides.</summary>
[TestClass]
public sealed class RenameTests
{
    [TestMethod]
    public void ARenameOverAFileFreesWhatWasThere()
    {
        using World w = new();
        w.Fill("/new", 4, 1);
        w.Fill("/old", 100, 2);
        ulong free = w.Fs.Statistics.FreeBlocks;
        w.Fs.Rename("/new", "/old");
        IsAll(1, w.Read("/old"));
        Assert.IsFalse(w.Fs.Exists("/new"));
        Assert.AreEqual(free + 100, w.Fs.Statistics.FreeBlocks);
    }

    [TestMethod]
    public void ADirectoryThatMovesTakesItsParentAlong()
    {
        using World w = new();
        w.Fs.CreateDirectory("/a");
        w.Fs.CreateDirectory("/b");
        w.Fs.CreateDirectory("/a/d");
        w.Fill("/a/d/f", 1, 7);
        w.Fs.Rename("/a/d", "/b/e");
        IsAll(7, w.Read("/b/e/f"));
        IsAll(7, w.Read("/b/e/../e/f"));
        Assert.AreEqual((2u, 3u), (w.Fs.GetEntry("/a").LinkCount, w.Fs.GetEntry("/b").LinkCount));
    }

    [TestMethod]
    public void ADirectoryCannotMoveBelowItself()
    {
        using World w = new();
        w.Fs.CreateDirectory("/a");
        w.Fs.CreateDirectory("/a/b");
        Assert.AreEqual(Errno.EINVAL, ErrnoOf(() => w.Fs.Rename("/a", "/a/b/c")));
        Assert.AreEqual(Errno.EINVAL, ErrnoOf(() => w.Fs.Rename("/a", "/a/a")));
    }

    [TestMethod]
    public void KindsMustMatchAndDirectoriesBeEmpty()
    {
        using World w = new();
        w.Fs.CreateDirectory("/d");
        w.Fs.CreateDirectory("/full");
        w.Fill("/full/f", 1, 1);
        w.Fill("/f", 1, 1);
        Assert.AreEqual(Errno.EISDIR, ErrnoOf(() => w.Fs.Rename("/f", "/d")));
        Assert.AreEqual(Errno.ENOTDIR, ErrnoOf(() => w.Fs.Rename("/d", "/f")));
        Assert.AreEqual(Errno.EEXIST, ErrnoOf(() => w.Fs.Rename("/d", "/full")));
        Assert.AreEqual(Errno.ENOTEMPTY, ErrnoOf(() => w.Fs.DeleteDirectory("/full")));
        Assert.AreEqual(Errno.EEXIST, ErrnoOf(() => w.Fs.Rename("/f", "/d", RenameMode.NoReplace)));
        Assert.AreEqual(Errno.EEXIST, ErrnoOf(() => w.Fs.CreateDirectory("/d")));
        Assert.AreEqual(Errno.ENOENT, ErrnoOf(() => w.Fs.Rename("/nothing", "/x")));
        Assert.AreEqual(Errno.ENOTDIR, ErrnoOf(() => w.Fs.OpenFile("/f/x")));
    }

    [TestMethod]
    public void ExchangeSwapsNamesAcrossDirectoriesAndKeepsLinkCounts()
    {
        using World w = new();
        w.Fs.CreateDirectory("/p");
        w.Fs.CreateDirectory("/q");
        w.Fs.CreateDirectory("/p/dir");
        w.Fill("/p/dir/inside", 1, 3);
        w.Fill("/q/file", 2, 9);
        w.Fs.Rename("/p/dir", "/q/file", RenameMode.Exchange);
        IsAll(9, w.Read("/p/dir"));
        IsAll(3, w.Read("/q/file/inside"));
        Assert.AreEqual((2u, 3u), (w.Fs.GetEntry("/p").LinkCount, w.Fs.GetEntry("/q").LinkCount));
        Assert.AreEqual(Errno.ENOENT, ErrnoOf(() => w.Fs.Rename("/p/dir", "/nothing", RenameMode.Exchange)));
        Assert.AreEqual(Errno.EINVAL, ErrnoOf(() => w.Fs.Rename("/q/file/inside", "/q", RenameMode.Exchange)));
    }

    [TestMethod]
    public void AWhiteoutIsLeftWhereTheNameWas()
    {
        using World w = new();
        w.Fill("/f", 1, 1);
        w.Fs.Rename("/f", "/g", RenameMode.Whiteout);
        Entry white = w.Fs.GetEntry("/f");
        Assert.AreEqual(FileMode16.CharDevice, white.Type);
        Assert.AreEqual((0u, 0u), (white.DeviceMajor, white.DeviceMinor));
        IsAll(1, w.Read("/g"));
    }

    [TestMethod]
    public void AnOpenFileOutlivesItsLastNameAndIsFreedWhenItIsClosed()
    {
        using World w = new();
        ulong free = w.Fs.Statistics.FreeBlocks;
        w.Fill("/f", 50, 5);
        using (XfsFile file = w.Fs.OpenFile("/f", write: true))
        {
            w.Fs.DeleteFile("/f");
            Assert.IsFalse(w.Fs.Exists("/f"));
            IsAll(5, file.ReadAll());
            file.Write(0, Repeat(6, B));
        }
        Assert.AreEqual(free, w.Fs.Statistics.FreeBlocks);
    }

    [TestMethod]
    public void AnOpenFileWithoutANameIsFreedAfterACrash()
    {
        using World w = new();
        ulong free = w.Fs.Statistics.FreeBlocks;
        w.Fill("/f", 50, 5);
        XfsFile file = w.Fs.OpenFile("/f");
        w.Fs.DeleteFile("/f");
        w.Fs.Flush();
        w.CrashAndReopen();
        Assert.AreEqual(free, w.Fs.Statistics.FreeBlocks);
    }

    [TestMethod]
    public void HardLinksShareAnInodeUntilTheLastOneGoes()
    {
        using World w = new();
        w.Fill("/f", 3, 4);
        w.Fs.CreateHardLink("/g", "/f");
        Assert.AreEqual(w.Fs.GetEntry("/f").Inode, w.Fs.GetEntry("/g").Inode);
        Assert.AreEqual(2u, w.Fs.GetEntry("/f").LinkCount);
        w.Fs.DeleteFile("/f");
        IsAll(4, w.Read("/g"));
        w.Fs.CreateDirectory("/d");
        Assert.AreEqual(Errno.EPERM, ErrnoOf(() => w.Fs.CreateHardLink("/e", "/d")));
    }

    [TestMethod]
    public void WhatIsWrongInSeveralWaysIsRefusedForTheReasonTheKernelGives()
    {
        using World w = World.OnFile(DirectAccess.Never);
        foreach (string directory in new[] { "/a", "/a/b", "/a/b/c", "/e", "/still", "/still/d", "/still/full", "/only", "/only/d" }) w.Fs.CreateDirectory(directory);
        foreach (string file in new[] { "/a/b/f", "/f", "/g", "/held", "/still/f", "/still/full/f", "/only/f" }) w.Fill(file, 1, 1);
        w.Fs.SetFlags("/held", set: InodeFlags.Immutable);
        w.Fs.SetFlags("/still", set: InodeFlags.Immutable);
        w.Fs.SetFlags("/only", set: InodeFlags.Append);

        string[] froms = ["/a", "/a/b", "/a/b/c", "/a/b/f", "/f", "/held", "/still", "/still/d", "/still/f", "/still/no", "/only/d", "/only/f", "/only/no", "/no"];
        string[] tos = ["/a", "/a/b", "/a/b/c", "/a/b/c/new", "/e/no/new", "/held", "/still/d", "/still/full", "/still/f", "/still/new", "/only/d", "/only/f", "/f/new"];
        List<(string What, Func<ITree, int> Call)> calls = [];
        foreach (string from in froms)
            foreach (string to in tos)
                foreach (RenameMode mode in new[] { RenameMode.Replace, RenameMode.NoReplace, RenameMode.Exchange })
                    calls.Add(($"rename {from} {to} {mode}", tree => tree.Rename(from, to, mode)));
        foreach (string path in tos)
        {
            calls.Add(($"link /a {path}", tree => tree.Link("/a", path)));
            calls.Add(($"link /held {path}", tree => tree.Link("/held", path)));
            calls.Add(($"symlink {path}", tree => tree.CreateSymlink(path, "x")));
            calls.Add(($"fifo {path}", tree => tree.CreateNode(path, FileMode16.Fifo | 0b110_100_100, 0, 0)));
        }
        foreach (string path in froms)
        {
            calls.Add(($"unlink {path}", tree => tree.Unlink(path)));
            calls.Add(($"rmdir {path}", tree => tree.RemoveDirectory(path)));
            calls.Add(($"mkdir {path}", tree => tree.CreateDirectory(path, 0b111_101_101)));
        }
        // Only what is refused: each is asked of the same tree.
        List<(string What, Func<ITree, int> Call, int Error)> refused = [];
        LibraryTree ours = new(w.Fs);
        foreach ((string what, Func<ITree, int> call) in calls)
        {
            int error = 0;
            try
            {
                w.Fs.Atomically(_ =>
                {
                    error = call(ours);
                    if (error == 0) throw new OperationCanceledException();
                });
            }
            catch (OperationCanceledException)
            {
                continue;
            }
            refused.Add((what, call, error));
        }
        Assert.IsGreaterThan(300, refused.Count);
        w.AskTheKernel(mount =>
        {
            KernelTree kernel = new(mount);
            List<string> differences = [];
            foreach ((string what, Func<ITree, int> call, int error) in refused)
                if (call(kernel) is int theirs && theirs != error) differences.Add($"{what}: {error}, the kernel says {theirs}");
            Assert.IsEmpty(differences, string.Join('\n', differences));
        });
    }

    [TestMethod]
    public void NoInodeGetsMoreLinksThanItsCounterMayHold()
    {
        using World w = new();
        w.Fs.CreateDirectory("/full");
        w.Fs.CreateDirectory("/d");
        w.Fs.CreateDirectory("/d/x");
        w.Fill("/f", 1, 1);
        w.Fill("/full/f", 1, 1);
        foreach ((string path, uint links) in new[] { ("/full", 2u), ("/f", 1u) })
        {
            Inode inode = w.Fs.Resolve(path, false);
            w.Fs.Volume.Run(tx => inode.Modify(tx).LinkCount = int.MaxValue);
            if (links == 1) Assert.AreEqual(Errno.EMLINK, ErrnoOf(() => w.Fs.CreateHardLink("/g", path)));
            else
            {
                Assert.AreEqual(Errno.EMLINK, ErrnoOf(() => w.Fs.CreateDirectory("/full/new")));
                Assert.AreEqual(Errno.EMLINK, ErrnoOf(() => w.Fs.Rename("/d/x", "/full/x")));
                Assert.AreEqual(Errno.EMLINK, ErrnoOf(() => w.Fs.Rename("/d/x", "/full/f", RenameMode.Exchange)));
                w.Fill("/full/g", 1, 1);
            }
            w.Fs.Volume.Run(tx => inode.Modify(tx).LinkCount = links);
        }
    }

    [TestMethod]
    [DataRow("", Errno.EBUSY)]
    [DataRow("a\0b", Errno.EINVAL)]
    [DataRow(".", Errno.EINVAL)]
    [DataRow("..", Errno.EINVAL)]
    public void ImpossibleNamesAreRefused(string name, int errno)
    {
        using World w = new();
        Assert.AreEqual(errno, ErrnoOf(() => w.Fs.CreateFile("/" + name, mustBeNew: true)));
    }

    [TestMethod]
    public void ANameMayHave255Bytes()
    {
        using World w = new();
        string longest = "/" + new string('n', 255);
        w.Fill(longest, 1, 1);
        IsAll(1, w.Read(longest));
        Assert.AreEqual(Errno.ENAMETOOLONG, ErrnoOf(() => w.Fs.CreateFile(longest + "n")));
    }

    [TestMethod]
    public void SymlinksAreFollowedUntilTheyLoop()
    {
        using World w = new();
        w.Fs.CreateDirectory("/d");
        w.Fill("/d/f", 1, 8);
        w.Fs.CreateSymbolicLink("/l", "d");
        w.Fs.CreateSymbolicLink("/d/up", "../l/f");
        w.Fs.CreateSymbolicLink("/loop", "/loop");
        w.Fs.CreateSymbolicLink("/long", new string('x', 1023));
        IsAll(8, w.Read("/l/up"));
        Assert.AreEqual(Errno.ELOOP, ErrnoOf(() => w.Fs.OpenFile("/loop")));
        Assert.AreEqual(1023, w.Fs.ReadLink("/long").Length);
        Assert.AreEqual(Errno.ENAMETOOLONG, ErrnoOf(() => w.Fs.CreateSymbolicLink("/longer", new string('x', 1024))));
    }

    [TestMethod]
    public void WhatADirectoryHandsDownIsInherited()
    {
        using World w = new(1024);
        w.Fs.CreateDirectory("/d", 0b101_111_101_101 /* set-gid below */);
        w.Fs.SetAttributes("/d", mode: FileMode16.SetGid | 0b111_101_101, gid: 77);
        w.Fs.SetFlags("/d", set: InodeFlags.ProjectInherit | InodeFlags.NoDump, projectId: 4711, dax: true);
        w.Fs.SetExtentSize("/d", 65536);
        w.Fs.CreateDirectory("/d/sub");
        w.Fill("/d/sub/f", 1, 1);
        Entry sub = w.Fs.GetEntry("/d/sub"), f = w.Fs.GetEntry("/d/sub/f");
        Assert.AreEqual((77u, 77u, 4711u, 4711u), (sub.Gid, f.Gid, sub.ProjectId, f.ProjectId));
        Assert.AreNotEqual(0, sub.Mode & FileMode16.SetGid);
        Assert.AreEqual(InodeFlags.ExtentSize | InodeFlags.NoDump, f.Flags);
        Assert.AreEqual(InodeFlags.ExtentSizeInherit | InodeFlags.NoDump | InodeFlags.ProjectInherit, sub.Flags);
        Assert.AreNotEqual(InodeFlags2.None, f.Flags2 & InodeFlags2.Dax);
    }

    [TestMethod]
    public void SeekFindsDataAndHoles()
    {
        using World w = new();
        using XfsFile f = w.Fs.CreateFile("/f");
        f.Write(4 * B, Repeat(1, 2 * B));
        f.SetLength(10 * B);
        Assert.AreEqual((4L * B, 5L * B, -1L), (f.SeekData(0), f.SeekData(5 * B), f.SeekData(6 * B)));
        Assert.AreEqual((0L, 6L * B, 6L * B, -1L), (f.SeekHole(0), f.SeekHole(4 * B), f.SeekHole(6 * B), f.SeekHole(10 * B)));
    }
}
