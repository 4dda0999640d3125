using ImageFs.Format;
using ImageFs.Tests.Fixtures;
using static ImageFs.Tests.Fixtures.World;

namespace ImageFs.Tests.Dax;

/// <summary>The fallocate family: holes, unwritten, private and shared blocks, and what is refused.</summary>
[TestClass]
public sealed class SpaceTests
{
    private static void Do(World w, string path, Action<XfsFile> action)
    {
        using XfsFile file = w.Fs.OpenFile(path, write: true);
        action(file);
    }

    private static string Runs(string letters) =>
        string.Join(' ', letters.Aggregate(new List<(char Letter, int Count)>(), (runs, letter) =>
        {
            if (runs.Count > 0 && runs[^1].Letter == letter) runs[^1] = (letter, runs[^1].Count + 1);
            else runs.Add((letter, 1));
            return runs;
        }).Select(run => $"{run.Count}{run.Letter}"));

    [TestMethod]
    public void AllocatedBlocksAreUnwrittenReadAsZerosAndTakeTheFirstWriteInPlace()
    {
        using World w = new();
        w.Write("/f", 0, Repeat((byte)'x', 100));
        Do(w, "/f", f => f.Allocate(2 * B + 5, 3 * B));
        Assert.AreEqual(5 * B + 5, w.Fs.GetEntry("/f").Length);
        Assert.AreEqual("p.uuuu", w.Picture("/f"));
        IsAll(0, w.Read("/f", 100, 10 * B));
        long before = w.Extents("/f")[1].Physical;
        w.Write("/f", 3 * B + 10, Repeat((byte)'y', 20));
        Assert.AreEqual("p.upuu", w.Picture("/f"));
        Assert.AreEqual(before + B, w.Extents("/f")[2].Physical);
        Assert.IsTrue(w.Fs.GetEntry("/f").Flags.HasFlag(InodeFlags.Preallocated));
    }

    [TestMethod]
    public void BlocksBehindTheEndStayUntilTheFileIsTruncated()
    {
        using World w = new();
        w.Fill("/f", 2, 1);
        Do(w, "/f", f => f.Allocate(2 * B, 8 * B, keepSize: true));
        Assert.AreEqual(2 * B, w.Fs.GetEntry("/f").Length);
        Assert.AreEqual(10UL, w.Fs.GetEntry("/f").Blocks);
        Do(w, "/f", f => f.SetLength(2 * B));
        Assert.AreEqual(2UL, w.Fs.GetEntry("/f").Blocks);
    }

    [TestMethod]
    public void TheExtentSizeHintRoundsWhatIsAllocated()
    {
        using World w = new();
        w.Fs.CreateFile("/e").Dispose();
        w.Fs.SetExtentSize("/e", 16 * B);
        using (XfsFile e = w.Fs.OpenFile("/e", write: true))
        {
            e.Write(100 * B, Repeat(1, B));
            Assert.AreEqual(16 * B, e.AllocatedBytes, "the unit reaches behind the end");
        }
        Assert.AreEqual("96. 4u 1p", Runs(w.Picture("/e")));
        Assert.AreEqual(5UL, w.Fs.GetEntry("/e").Blocks, "what the unit has behind the end is given back when the file is closed");
        w.Write("/e", 10 * B, Repeat(2, B + 1));
        Assert.AreEqual("10u 2p 4u 80. 4u 1p", Runs(w.Picture("/e")));
        Do(w, "/e", f => f.Allocate(40 * B, B));
        Assert.AreEqual("10u 2p 4u 16. 16u 48. 4u 1p", Runs(w.Picture("/e")));
        IsAll(0, w.Read("/e", 0, 10 * B));
    }

    [TestMethod]
    public void S62_UnsharingCopiesWholeBlocksAndThenEverything()
    {
        using World w = WithClone();
        Do(w, "/b", f => f.UnshareRange(10 * B + 5, 2 * B));
        Assert.AreEqual("10s 3p 51s", Runs(w.Picture("/b")));
        Do(w, "/b", f => f.UnshareRange(0, 64 * B));
        Assert.AreEqual("64p", Runs(w.Picture("/b")));
        IsAll((byte)'a', w.Read("/b"));
        IsAll((byte)'a', w.Read("/a"));
        Assert.AreEqual("64p", Runs(w.Picture("/a")));
        Assert.AreEqual(64 * B, w.Fs.GetEntry("/b").Length);
        w.CheckClean();
        Assert.IsFalse(w.Fs.GetEntry("/b").Flags2.HasFlag(InodeFlags2.Reflink), "nothing is shared: the flag goes");
    }

    [TestMethod]
    public void AFlagIsKeptWhileAPowerCutWouldBringTheOtherOwnerBack()
    {
        using World w = WithClone();
        w.Fs.Flush();
        Do(w, "/b", f => f.UnshareRange(0, 64 * B));
        Do(w, "/a", f => f.UnshareRange(0, 64 * B));
        Assert.IsTrue(w.Fs.GetEntry("/a").Flags2.HasFlag(InodeFlags2.Reflink));
        // Were the flag gone, this would go in place, and b would show it after the cut.
        Do(w, "/a", f => f.Write(0, Repeat((byte)'!', 64 * B)));
        w.CrashAndReopen();
        IsAll((byte)'a', w.Read("/b"));
        w.CheckClean();
        Do(w, "/a", f => f.UnshareRange(0, 64 * B));
        w.Fs.Flush();
        Do(w, "/b", f => f.UnshareRange(0, 64 * B));
        w.Fs.Flush();
        Do(w, "/b", f => f.UnshareRange(0, 64 * B));
        Assert.IsFalse(w.Fs.GetEntry("/b").Flags2.HasFlag(InodeFlags2.Reflink));
    }

    [TestMethod]
    public void S63_UnsharingASparseFileAllocatesItUnlessOnlySharedBlocksAreMeant()
    {
        using World w = new();
        using (XfsFile f = w.Fs.CreateFile("/f")) f.SetLength(8 * B);
        Do(w, "/f", f => f.UnshareRange(0, 8 * B, onlyShared: true));
        Assert.AreEqual("........", w.Picture("/f"));
        Do(w, "/f", f => f.UnshareRange(0, 8 * B));
        Assert.AreEqual("uuuuuuuu", w.Picture("/f"));
    }

    [TestMethod]
    public void S64_PunchingMakesWholeBlocksHolesAndZeroesTheEdges()
    {
        using World w = WithClone();
        Do(w, "/b", f => f.PunchHole(5 * B + 100, 3 * B));
        Assert.AreEqual("5s 1p 2. 1p 55s", Runs(w.Picture("/b")));
        IsAll((byte)'a', w.Read("/b", 0, 5 * B + 100));
        IsAll(0, w.Read("/b", 5 * B + 100, 3 * B));
        IsAll((byte)'a', w.Read("/b", 8 * B + 100, 64 * B));
        IsAll((byte)'a', w.Read("/a"));
    }

    [TestMethod]
    public void S65_ZeroingLeavesUnwrittenBlocksBetweenTheEdges()
    {
        using World w = WithClone();
        Do(w, "/b", f => f.ZeroRange(5 * B + 100, 3 * B));
        Assert.AreEqual("5s 1p 2u 1p 55s", Runs(w.Picture("/b")));
        IsAll(0, w.Read("/b", 5 * B + 100, 3 * B));
        IsAll((byte)'a', w.Read("/b", 8 * B + 100, 64 * B));
        IsAll((byte)'a', w.Read("/a"));
        Do(w, "/b", f => f.ZeroRange(62 * B + 1, 8 * B));
        Assert.AreEqual(70 * B + 1, w.Fs.GetEntry("/b").Length);
        Assert.AreEqual("5s 1p 2u 1p 53s 1p 8u", Runs(w.Picture("/b")));
    }

    [TestMethod]
    public void S66_AnUnalignedPunchOfSharedBlocksInAFullVolumeFailsAndShowsNoGarbage()
    {
        using World w = new(32);
        w.Fill("/a", 64, (byte)'a');
        w.Fs.Clone("/a", "/b");
        using (XfsFile fill = w.Fs.CreateFile("/fill"))
        {
            long at = 0;
            for (int piece = 1 << 20; piece >= B;)
                try
                {
                    fill.Write(at, new byte[piece]);
                    at += piece;
                }
                catch (XfsNoSpaceException)
                {
                    at = fill.Length;
                    piece /= 2;
                }
        }
        w.Fs.Flush();
        Assert.AreEqual(Errno.ENOSPC, ErrnoOf(() => Do(w, "/b", f => f.PunchHole(5 * B + 100, 3 * B))));
        IsAll((byte)'a', w.Read("/a"));
        byte[] b = w.Read("/b");
        for (int block = 0; block < 64; block++)
        {
            byte first = b[block * B];
            Assert.IsTrue(first == 'a' || (first == 0 && block is 6 or 7), $"block {block} begins with {first}");
            IsAll(first, b.AsSpan(block * B, B));
        }
    }

    [TestMethod]
    public void S67_CollapseAndInsertMoveExtentsAndLeaveThemShared()
    {
        using World w = new();
        using (XfsFile a = w.Fs.CreateFile("/a"))
            for (int i = 0; i < 64; i++) a.Write(i * B, Repeat((byte)(i + 1), B));
        w.Fs.Clone("/a", "/b");
        w.Fs.Clone("/a", "/c");
        Do(w, "/b", f => f.CollapseRange(4 * B, 4 * B));
        Assert.AreEqual("60s", Runs(w.Picture("/b")));
        byte[] all = w.Read("/a");
        CollectionAssert.AreEqual((byte[])[.. all[..(4 * B)], .. all[(8 * B)..]], w.Read("/b"));
        Do(w, "/c", f => f.InsertRange(4 * B, 4 * B));
        Assert.AreEqual("4s 4. 60s", Runs(w.Picture("/c")));
        CollectionAssert.AreEqual((byte[])[.. all[..(4 * B)], .. new byte[4 * B], .. all[(4 * B)..]], w.Read("/c"));
        Do(w, "/c", f => f.CollapseRange(4 * B, 4 * B));
        Assert.AreEqual(w.Fs.GetEntry("/a").ExtentCount, w.Fs.GetEntry("/c").ExtentCount, "what touches again is one again");
    }

    [TestMethod]
    [DataRow(8, 0L, 100L, Errno.EINVAL, DisplayName = "collapse: unaligned length")]
    [DataRow(8, 1L, (long)B, Errno.EINVAL, DisplayName = "collapse: unaligned offset")]
    [DataRow(8, 60L * B, 4L * B, Errno.EINVAL, DisplayName = "collapse: to the end")]
    [DataRow(0x20, 1L, (long)B, Errno.EINVAL, DisplayName = "insert: unaligned offset")]
    [DataRow(0x20, 64L * B, (long)B, Errno.EINVAL, DisplayName = "insert: at the end")]
    [DataRow(0x20, 0L, long.MaxValue - B + 1, Errno.EFBIG, DisplayName = "insert: huge")]
    [DataRow(0x9, 0L, (long)B, Errno.EOPNOTSUPP, DisplayName = "collapse: with keep size")]
    [DataRow(0x21, 0L, (long)B, Errno.EOPNOTSUPP, DisplayName = "insert: with keep size")]
    public void S67_ImpossibleShiftsAreRefused(int mode, long offset, long length, int errno) => Refused(mode, offset, length, errno);

    [TestMethod]
    [DataRow(0x2, 0L, (long)B, Errno.EOPNOTSUPP, DisplayName = "punch without keep size")]
    [DataRow(0x12, 0L, (long)B, Errno.EOPNOTSUPP, DisplayName = "zero and punch")]
    [DataRow(0x43, 0L, (long)B, Errno.EOPNOTSUPP, DisplayName = "unshare and punch")]
    [DataRow(0x100, 0L, (long)B, Errno.EOPNOTSUPP, DisplayName = "unknown bit")]
    [DataRow(0x0, 0L, 0L, Errno.EINVAL, DisplayName = "no length")]
    [DataRow(0x0, 0L, -5L, Errno.EINVAL, DisplayName = "negative length")]
    [DataRow(0x2, -1L, (long)B, Errno.EINVAL, DisplayName = "negative offset, before the mode is looked at")]
    [DataRow(0x0, long.MaxValue, (long)B, Errno.EFBIG, DisplayName = "a sum beyond 2^63-1")]
    [DataRow(0x3, long.MaxValue, (long)B, Errno.EFBIG, DisplayName = "likewise when punching")]
    public void S69_ModesAndRangesThatMakeNoSenseAreRefused(int mode, long offset, long length, int errno) => Refused(mode, offset, length, errno);

    private static void Refused(int mode, long offset, long length, int errno)
    {
        using World w = WithClone();
        Assert.AreEqual(errno, ErrnoOf(() => Do(w, "/b", f => f.Fallocate((FallocateMode)mode, offset, length))));
        Assert.AreEqual("64s", Runs(w.Picture("/b")));
        Assert.AreEqual(64 * B, w.Fs.GetEntry("/b").Length);
        if (!Judge.HasKernel) return;
        using TempImage image = TempImage.MadeByMkfs(300 << 20);
        using KernelMount mount = KernelMount.ReadWrite(image.Path);
        using PosixFile file = new(mount["/b"]);
        file.Write(0, new byte[64 * B]);
        Assert.AreEqual(errno, file.Allocate(mode, offset, length), "the kernel says otherwise");
    }

    [TestMethod]
    public void S72_AFileMadeImmutableWhileItIsOpenCanBeWrittenAndClonedButNotReshaped()
    {
        using World w = WithClone();
        using XfsFile b = w.Fs.OpenFile("/b", write: true), a = w.Fs.OpenFile("/a", write: true);
        w.Fs.SetFlags("/b", set: InodeFlags.Immutable);
        b.Write(0, "still"u8);
        foreach (FallocateMode mode in new[] { FallocateMode.Allocate, FallocateMode.KeepSize, FallocateMode.PunchHole | FallocateMode.KeepSize,
            FallocateMode.CollapseRange, FallocateMode.ZeroRange, FallocateMode.InsertRange, FallocateMode.UnshareRange })
            Assert.AreEqual(Errno.EPERM, ErrnoOf(() => b.Fallocate(mode, 0, B)), mode.ToString());
        Assert.AreEqual(Errno.EPERM, ErrnoOf(() => b.CloneRange(a, 0, 0, B)));
        Assert.AreEqual(Errno.EPERM, ErrnoOf(() => b.CopyRange(a, 0, 0, B)));
        Assert.AreEqual(Errno.EPERM, ErrnoOf(() => b.ExchangeRange(a, 0, 0, B)));
        a.CloneRange(b, 0, 0, B);
        b.SetLength(B);
        w.Fs.SetFlags("/b", clear: InodeFlags.Immutable);
    }

    /// <summary>By a handle from before the flag, call by call as the kernel answers.</summary>
    [TestMethod]
    [DataRow(InodeFlags.Immutable, 0x8u)]
    [DataRow(InodeFlags.Append, 0x10u)]
    public void S72_WhatAnImmutableAndAnAppendOnlyFileRefuseIsWhatTheKernelRefuses(InodeFlags flag, uint xflag)
    {
        using TempImage image = Ranges.NewImage();
        Ranges.Make(image, out TempImage? copy);
        List<int> ours, kernels;
        using (FileSystem fs = FileSystem.Open(image.Path, write: true))
        {
            using XfsFile g = fs.OpenFile("/g", write: true), f = fs.OpenFile("/f", write: true);
            fs.SetFlags("/g", set: flag);
            static int Try(Action action)
            {
                try
                {
                    action();
                    return 0;
                }
                catch (XfsException why)
                {
                    return why.Errno;
                }
            }
            ours =
            [
                Try(() => g.Write(5, new byte[3])), Try(() => g.CloneRange(f, 0, B, B)), Try(() => g.CloneRange(f, 0, 5, B)), Try(() => f.CloneRange(g, 3 * B, 3 * B, B)),
                Try(() => g.DedupeRange(f, 0, B, B)), Try(() => g.CopyRange(f, 0, 2 * B, B)), Try(() => g.ExchangeRange(f, 0, 0, B)),
                .. new[] { 0, 1, 3, 8, 0x10, 0x20, 0x40 }.Select(mode => Try(() => g.Fallocate((FallocateMode)mode, 4 * B, 20 * B))),
                .. new[] { 8, 0x20 }.Select(mode => Try(() => g.Fallocate((FallocateMode)mode, 4 * B, B))),
                Try(() => g.SetLength(12 * B + 1)),
            ];
            fs.SetFlags("/g", clear: flag);
        }
        OurFsck.AssertClean(image.Path);
        Assert.Contains(Errno.EPERM, ours);
        if (copy is null) return;
        using (copy)
        {
            using (KernelMount mount = KernelMount.ReadWrite(copy.Path, Ranges.MountOptions))
            using (PosixFile g = new(mount["g"]), f = new(mount["f"]))
            {
                void Set(uint flags) => Assert.AreEqual(0, KernelCalls.SetFlags(mount["g"], old => old with { Flags = flags }));
                Set(xflag);
                g.Write(5, new byte[3]);
                kernels =
                [
                    0, g.CloneRange(f, 0, B, B), g.CloneRange(f, 0, 5, B), f.CloneRange(g, 3 * B, 3 * B, B),
                    Dedupe(g, f), g.CopyRange(f, 0, 2 * B, B, out _), g.ExchangeRange(f, 0, 0, B, 0),
                    .. new[] { 0, 1, 3, 8, 0x10, 0x20, 0x40 }.Select(mode => g.Allocate(mode, 4 * B, 20 * B)),
                    .. new[] { 8, 0x20 }.Select(mode => g.Allocate(mode, 4 * B, B)),
                    g.Truncate(12 * B + 1),
                ];
                Set(0);
            }
            CollectionAssert.AreEqual(kernels, ours, $"the kernel: {string.Join(' ', kernels)}; we: {string.Join(' ', ours)}");
            Ranges.AssertEqual(copy, image);
        }

        static int Dedupe(PosixFile target, PosixFile source)
        {
            int error = source.DedupeRange(0, B, [(target, B)], out (long Bytes, int Status)[] results);
            return error != 0 ? error : Math.Max(0, -results[0].Status);
        }
    }

    /// <summary>What a power cut, an extent size hint or a kernel that allocates ahead leaves there; not what somebody asked for.</summary>
    [TestMethod]
    [DataRow(InodeFlags.None, 2UL)]
    [DataRow(InodeFlags.ExtentSize, 2UL)]
    [DataRow(InodeFlags.Preallocated, 66UL)]
    [DataRow(InodeFlags.Append, 66UL)]
    public void BlocksBehindTheEndAreGivenBackAtCloseAsTheKernelDoes(InodeFlags flags, ulong blocks)
    {
        using World w = new();
        using TempImage cut = TempImage.NotYetThere();
        using (XfsFile f = w.Fs.CreateFile("/f"))
        {
            f.Write(0, Repeat(7, 2 * B));
            f.Allocate(2 * B, 64 * B, keepSize: true);
            w.Fs.Volume.Run(tx =>
            {
                ref InodeCore core = ref w.Fs.Resolve("/f", false).Modify(tx);
                core.Flags = flags;
                if (flags == InodeFlags.ExtentSize) core.ExtentSizeHint = 16;
            });
            w.Fs.Flush();
            w.Device.Save(cut.Path);
        }
        Assert.AreEqual(blocks, w.Fs.GetEntry("/f").Blocks);
        using TempImage kernels = TempImage.CopyOf(cut.Path);
        using (FileSystem fs = FileSystem.Open(cut.Path, write: true))
        {
            Assert.AreEqual(66UL, fs.GetEntry("/f").Blocks, "recovery alone leaves them");
            fs.OpenFile("/f").Dispose();
            Assert.AreEqual(blocks, fs.GetEntry("/f").Blocks, "closed by a reader");
        }
        OurFsck.AssertClean(cut.Path);
        XfsRepair.CheckClean(cut.Path);
        using (KernelMount mount = KernelMount.ReadWrite(kernels.Path)) IsAll(7, File.ReadAllBytes(mount["f"]));
        using FileSystem after = FileSystem.Open(kernels.Path);
        Assert.AreEqual(blocks, after.GetEntry("/f").Blocks, "the kernel keeps others");
    }

    /// <summary>What is durable on return waits for nobody: another file may have writes that are not mapped yet, and may be in use.</summary>
    [TestMethod]
    public void MovingExtentsDoesNotWaitForTheWritesOfOtherFiles()
    {
        using World w = WithClone();
        w.Fill("/x", 16, (byte)'x');
        using XfsFile a = w.Fs.OpenFile("/a", write: true), b = w.Fs.OpenFile("/b", write: true), x = w.Fs.OpenFile("/x", write: true);
        b.Write(5 * B, Repeat((byte)'n', B));
        x.InsertRange(4 * B, 4 * B);
        x.CollapseRange(0, B);
        x.ExchangeRange(a, 0, 0, 4 * B);
        w.CrashAndReopen();
        Assert.AreEqual(19 * B, w.Fs.GetEntry("/x").Length);
        IsAll((byte)'a', w.Read("/x", 0, 4 * B));
        IsAll((byte)'x', w.Read("/a", 0, 3 * B));
    }
}
