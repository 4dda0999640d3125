using ImageFs.Devices;
using ImageFs.Extents;
using ImageFs.Format;
using ImageFs.Tests.Fixtures;
using static ImageFs.Tests.Fixtures.World;

namespace ImageFs.Tests.Dax;

/// <summary>Groups of operations that happen together or not at all: in memory, after a crash, and at their limits.</summary>
[TestClass]
public sealed class AtomicGroupTests
{
    private sealed class ChangeOfMind : Exception;

    /// <summary>Something of every kind, all of it needed for the whole to make sense.</summary>
    private static void DoEverything(World w)
    {
        w.Fs.CreateDirectory("/d");
        w.Write("/d/new", 100, Repeat((byte)'n', 3 * B));
        w.Write("/a", 10 * B + 5, Repeat((byte)'o', 2 * B));
        w.Write("/b", 20 * B, Repeat((byte)'p', B));
        w.Fs.Clone("/a", "/d/clone");
        w.Fs.Rename("/b", "/d/moved");
        w.Fs.CreateHardLink("/link", "/a");
        w.Fs.CreateSymbolicLink("/d/symbol", "../a");
        w.Fs.DeleteFile("/gone");
        using (XfsFile file = w.Fs.OpenFile("/short", write: true)) file.SetLength(3 * B + 77);
        w.Fs.SetAttributes("/a", mode: 0b111_000_000, uid: 5);
        w.Fs.SetAttribute("/a", "user.note", "together"u8.ToArray());
        using (XfsFile file = w.Fs.OpenFile("/d/moved", write: true)) file.AtomicWrite(0, Repeat((byte)'q', 8 * B));
    }

    private static World Before()
    {
        World w = WithClone();
        w.Fill("/gone", 40, (byte)'g');
        w.Fill("/short", 8, (byte)'s');
        w.Fs.Flush();
        return w;
    }

    private static string Tree(FileSystem fs) => LibraryListing.Of(fs).ToText();

    [TestMethod]
    public void EverythingInAGroupIsThereAfterItsFlushAndNothingWithout()
    {
        using World w = Before();
        string before = Tree(w.Fs);
        w.Fs.Atomically(_ => DoEverything(w));
        string after = Tree(w.Fs);
        Assert.AreNotEqual(before, after);
        w.CrashAndReopen();
        Assert.AreEqual(before, Tree(w.Fs), "nothing was durable");
        w.Fs.Atomically(_ => DoEverything(w), SyncMode.Data);
        after = Tree(w.Fs);
        w.CrashAndReopen();
        Assert.AreEqual(after, Tree(w.Fs));
        IsAll((byte)'p', w.Read("/d/moved", 20 * B, B));
    }

    [TestMethod]
    public void AnExceptionPutsEverythingBackInMemoryAtOnceAndNoBlockIsLost()
    {
        using World w = Before();
        string before = Tree(w.Fs);
        ulong free = w.Fs.Statistics.FreeBlocks;
        for (int i = 0; i < 3; i++)
        {
            Assert.ThrowsExactly<ChangeOfMind>(() => w.Fs.Atomically(_ =>
            {
                DoEverything(w);
                throw new ChangeOfMind();
            }));
            Assert.AreEqual(before, Tree(w.Fs));
            Assert.AreEqual(free, w.Fs.Statistics.FreeBlocks);
        }
        w.CheckClean();
        Assert.AreEqual(before, Tree(w.Fs));
        DoEverything(w);
    }

    [TestMethod]
    public void WhatWasThereIsNotOverwrittenInPlaceButWhatTheGroupWroteIs()
    {
        using World w = new();
        w.Fill("/a", 16, (byte)'a');
        long old = w.Extents("/a")[0].Physical;
        w.Fs.Atomically(_ =>
        {
            w.Write("/a", 3 * B + 10, Repeat((byte)'x', 100));
            long moved = w.Extents("/a").Single(e => e.Offset == 3 * B).Physical;
            w.Write("/a", 3 * B + 50, Repeat((byte)'y', 100));
            Assert.AreEqual(moved, w.Extents("/a").Single(e => e.Offset == 3 * B).Physical, "a second write moves nothing");
        });
        byte[] bytes = new byte[B];
        w.Device.Read(old + 3 * B, bytes);
        IsAll((byte)'a', bytes);
        bytes = w.Read("/a", 3 * B, B);
        IsAll((byte)'a', bytes.AsSpan(0, 10));
        IsAll((byte)'x', bytes.AsSpan(10, 40));
        IsAll((byte)'y', bytes.AsSpan(50, 100));
        IsAll((byte)'a', bytes.AsSpan(150));
    }

    [TestMethod]
    public void GroupsNeedNoReflink()
    {
        using World w = new(300, "-m", "reflink=0,rmapbt=0");
        w.Fill("/a", 16, (byte)'a');
        w.Fs.Flush();
        Assert.ThrowsExactly<ChangeOfMind>(() => w.Fs.Atomically(_ =>
        {
            w.Write("/a", 0, Repeat((byte)'x', 16 * B));
            throw new ChangeOfMind();
        }));
        IsAll((byte)'a', w.Read("/a"));
        w.Fs.Atomically(_ => w.Write("/a", 0, Repeat((byte)'y', 16 * B)));
        IsAll((byte)'y', w.Read("/a"));
        w.CrashAndReopen();
        IsAll((byte)'a', w.Read("/a"));
    }

    [TestMethod]
    public void AGroupLargerThanAQuarterOfTheLogIsRefusedAndLeavesNothing()
    {
        using World w = new(64);
        string before = Tree(w.Fs);
        long limit = 0, used = 0;
        int made = 0;
        XfsException why = Assert.ThrowsExactly<XfsException>(() => w.Fs.Atomically(group =>
        {
            limit = group.LogLimit;
            for (; ; made++)
            {
                w.Fs.CreateFile($"/{made:d6}").Dispose();
                used = group.LogBytes;
            }
        }));
        Assert.AreEqual(Errno.EFBIG, why.Errno);
        StringAssert.Contains(why.Message, $"at most {limit}");
        Assert.IsTrue(used > limit / 10 * 9 && used <= limit, $"{used} of {limit} bytes were used by {made} files");
        Assert.AreEqual(before, Tree(w.Fs));
        Assert.AreEqual(0L, w.Fs.Volume.Journal!.Checkpoints);
        // One that just fits goes into one checkpoint, beside what was pending before.
        w.Fs.CreateDirectory("/before");
        w.Fs.Atomically(_ =>
        {
            for (int i = 0; i < made - 10; i++) w.Fs.CreateFile($"/{i:d6}").Dispose();
        });
        w.Fs.Flush();
        Assert.AreEqual(1L, w.Fs.Volume.Journal!.Checkpoints);
        w.CrashAndReopen();
        Assert.AreEqual(made - 10 + 1, w.Fs.List("/").Count);
    }

    [TestMethod]
    public void RunningOutOfSpaceDoomsTheGroupEvenIfNobodyMinds()
    {
        using World w = new(64);
        w.Fill("/a", 16, (byte)'a');
        w.Fs.Flush();
        ulong free = w.Fs.Statistics.FreeBlocks;
        Assert.AreEqual(Errno.ENOSPC, ErrnoOf(() => w.Fs.Atomically(_ =>
        {
            w.Write("/a", 0, Repeat((byte)'x', B));
            try
            {
                w.Write("/big", 0, new byte[80 << 20]);
            }
            catch (XfsNoSpaceException) { }
        })));
        Assert.IsFalse(w.Fs.Exists("/big"));
        Assert.AreEqual(free, w.Fs.Statistics.FreeBlocks);
        IsAll((byte)'a', w.Read("/a"));
        w.Fs.Atomically(_ => w.Write("/big", 0, new byte[10 << 20]));
    }

    [TestMethod]
    public void InsideAGroupNothingCanBeFlushedClosedOrNested()
    {
        using World w = WithClone();
        w.Fs.Atomically(_ =>
        {
            w.Write("/a", 0, (byte)'1');
            Assert.AreEqual(Errno.EBUSY, ErrnoOf(w.Fs.Flush));
            Assert.AreEqual(Errno.EBUSY, ErrnoOf(w.Fs.Dispose));
            Assert.AreEqual(Errno.EBUSY, ErrnoOf(() => w.Fs.Atomically(_ => { })));
            using XfsFile a = w.Fs.OpenFile("/a", write: true);
            Assert.AreEqual(Errno.EBUSY, ErrnoOf(a.Flush));
            a.Write(1, "2"u8);
        });
        w.Fs.Flush();
        w.CrashAndReopen();
        CollectionAssert.AreEqual("12a"u8.ToArray(), w.Read("/a", 0, 3));
    }

    [TestMethod]
    public void AHandleOnAFileThatWasTakenBackIsStaleAndOthersLiveOn()
    {
        using World w = WithClone();
        XfsFile? made = null;
        using XfsFile b = w.Fs.OpenFile("/b", write: true);
        b.Write(B, Repeat((byte)'1', B));
        Assert.ThrowsExactly<ChangeOfMind>(() => w.Fs.Atomically(_ =>
        {
            made = w.Fs.CreateFile("/made");
            made.Write(0, Repeat((byte)'m', 5 * B));
            b.Write(2 * B, Repeat((byte)'2', 5 * B));
            b.SetLength(3 * B);
            throw new ChangeOfMind();
        }));
        Assert.AreEqual(Errno.ESTALE, ErrnoOf(() => made!.Write(0, "x"u8)));
        Assert.AreEqual(Errno.ESTALE, ErrnoOf(() => made!.ReadAll()));
        using (XfsFile other = w.Fs.CreateFile("/other")) other.Write(0, "other"u8);
        made!.Dispose();
        CollectionAssert.AreEqual("other"u8.ToArray(), w.Read("/other"));
        Assert.AreEqual(64L * B, b.Length);
        IsAll((byte)'a', w.Read("/b", 2 * B, 62 * B));
        b.Write(3 * B, Repeat((byte)'3', B));
        IsAll((byte)'3', w.Read("/b", 3 * B, B));
        IsAll((byte)'a', w.Read("/a"));
    }

    [TestMethod]
    public void AFileDeletedAndClosedInAGroupComesBackWithItOrGoesAfterIt()
    {
        using World w = WithClone();
        ulong free = w.Fs.Statistics.FreeBlocks;
        XfsFile b = w.Fs.OpenFile("/b", write: true);
        b.Write(B, Repeat((byte)'1', B));
        Assert.ThrowsExactly<ChangeOfMind>(() => w.Fs.Atomically(_ =>
        {
            w.Fs.DeleteFile("/b");
            b.Dispose();
            throw new ChangeOfMind();
        }));
        Assert.AreEqual(free - 1, w.Fs.Statistics.FreeBlocks, "what was staged is free, the block that moved is not");
        IsAll((byte)'1', w.Read("/b", B, B));
        w.Fs.Atomically(_ => w.Fs.DeleteFile("/b"));
        Assert.IsFalse(w.Fs.Exists("/b"));
        Assert.AreEqual(free, w.Fs.Statistics.FreeBlocks);
    }

    [TestMethod]
    public void OtherThreadsWaitAndSeeAllOfAGroup()
    {
        using World w = WithClone();
        using XfsFile reader = w.Fs.OpenFile("/a");
        using CancellationTokenSource stop = new();
        string? mixed = null;
        Thread[] readers = [.. Enumerable.Range(0, 3).Select(_ => new Thread(() =>
        {
            byte[] bytes = new byte[64 * B];
            while (!stop.IsCancellationRequested)
            {
                reader.Read(0, bytes);
                if (bytes.AsSpan().IndexOfAnyExcept(bytes[0]) >= 0) mixed ??= $"'{(char)bytes[0]}' and others";
            }
        }))];
        foreach (Thread thread in readers) thread.Start();
        for (int i = 0; i < 60; i++)
            try
            {
                w.Fs.Atomically(_ =>
                {
                    for (int block = 0; block < 64; block += 16) w.Write("/a", block * B, Repeat((byte)('A' + i % 26), 16 * B));
                    if (i % 3 == 2) throw new ChangeOfMind();
                });
            }
            catch (ChangeOfMind) { }
        stop.Cancel();
        foreach (Thread thread in readers) thread.Join();
        Assert.IsNull(mixed, mixed);
        IsAll((byte)'a', w.Read("/b"));
    }

    [TestMethod]
    public void ViewsFollowAGroupAndItsRollbackAndNothingCanBeLeasedInside()
    {
        using World w = OnFile().Cloned();
        using XfsFile b = w.Fs.OpenFile("/b", write: true);
        using ImageFs.Dax.DaxView view = b.OpenView();
        ImageFs.Dax.DaxView? inside = null, gone = null;
        Assert.ThrowsExactly<ChangeOfMind>(() => w.Fs.Atomically(_ =>
        {
            b.Write(0, Repeat((byte)'1', 4 * B));
            b.SetLength(80 * B);
            IsAll((byte)'1', view.GetSpan(0, 4 * B));
            inside = b.OpenView();
            XfsFile made = w.Fs.CreateFile("/made");
            made.Write(0, Repeat((byte)'m', B));
            gone = made.OpenView();
            Assert.AreEqual(Errno.EBUSY, ErrnoOf(() => view.AcquireWritable(8 * B, 10)));
            Assert.AreEqual(Errno.EBUSY, ErrnoOf(() => b.AcquireReadable(8 * B, 10)));
            throw new ChangeOfMind();
        }));
        IsAll((byte)'a', view.Span);
        IsAll((byte)'a', inside!.GetSpan(0, 64 * B));
        inside.Dispose();
        gone!.Dispose();
        w.Fs.Atomically(_ => b.Write(0, Repeat((byte)'2', 4 * B)));
        IsAll((byte)'2', view.GetSpan(0, 4 * B));
        using (view.AcquireWritable(0, 4 * B))
            Assert.AreEqual(Errno.EBUSY, ErrnoOf(() => w.Fs.Atomically(_ => b.Write(B, "x"u8))));
        IsAll((byte)'2', view.GetSpan(0, 4 * B));
    }

    [TestMethod]
    public void TheKernelReplaysAGroupAsAWhole()
    {
        using World w = Before();
        w.Fs.Atomically(_ => DoEverything(w), SyncMode.Data);
        using TempImage image = TempImage.NotYetThere();
        w.Device.Save(image.Path);
        using (KernelMount mount = KernelMount.ReadWrite(image.Path))
        {
            Assert.IsFalse(File.Exists(mount["gone"]));
            Assert.AreEqual(3 * B + 77, new FileInfo(mount["short"]).Length);
            CollectionAssert.AreEqual(w.Read("/d/moved"), File.ReadAllBytes(mount["d/moved"]));
            CollectionAssert.AreEqual(w.Read("/d/clone"), File.ReadAllBytes(mount["d/clone"]));
            CollectionAssert.AreEqual(w.Read("/link"), File.ReadAllBytes(mount["link"]));
            CollectionAssert.AreEqual(w.Read("/d/new"), File.ReadAllBytes(mount["d/new"]));
            mount.AssertNoComplaints();
        }
        XfsRepair.CheckClean(image.Path);
    }
}
