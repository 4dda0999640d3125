using System.Numerics;
using ImageFs.Allocation;
using ImageFs.Dax;
using ImageFs.Extents;
using ImageFs.Format;
using ImageFs.Inodes;
using ImageFs.Tests.Fixtures;
using static ImageFs.Tests.Fixtures.World;

namespace ImageFs.Tests.Dax;

/// <summary>Atomic writes: what is refused, where the blocks go, what else changes with them. Scenario numbers stand in the names.</summary>
[TestClass]
public sealed class AtomicWriteTests
{
    private const int KiB = 1024, Sixteen = 16 * B;

    private static void AtomicWrite(World w, string path, long offset, byte value, int length, SyncMode sync = SyncMode.None)
    {
        using XfsFile file = w.Fs.OpenFile(path, write: true);
        file.AtomicWrite(offset, Repeat(value, length), sync);
    }

    [TestMethod]
    public void S79_OnlyPowersOfTwoAtMultiplesOfThemselvesWithinTheLimitsAreTaken()
    {
        using World w = new();
        w.Fill("/a", 256, (byte)'a');
        int tooLong = (int)w.Fs.AtomicWriteInfo.Max * 2;
        foreach ((long offset, int length) in new[] { (0L, 512), (0L, 2048), (0L, 12288), (0L, tooLong), (4096L, 8192), (1L, 4096), (-4096L, 4096) })
            Assert.AreEqual(Errno.EINVAL, ErrnoOf(() => AtomicWrite(w, "/a", offset, (byte)'x', length)), $"{length} at {offset}");
        AtomicWrite(w, "/a", 3, (byte)'x', 0);
        using (XfsFile readOnly = w.Fs.OpenFile("/a"))
            Assert.AreEqual(Errno.EBADF, ErrnoOf(() => readOnly.AtomicWrite(0, Repeat((byte)'x', B))));
        IsAll((byte)'a', w.Read("/a"));
        using World without = new(300, "-m", "reflink=0");
        without.Fill("/a", 256, (byte)'a');
        Assert.AreEqual(Errno.EOPNOTSUPP, ErrnoOf(() => AtomicWrite(without, "/a", 0, (byte)'x', B)));
        IsAll((byte)'a', without.Read("/a"));
    }

    [TestMethod]
    [DataRow(300, "-m", "rmapbt=1")]
    [DataRow(300, "-m", "rmapbt=0")]
    [DataRow(1024, "-m", "rmapbt=1")]
    [DataRow(300, "-b", "size=1024")]
    [DataRow(64, "-m", "rmapbt=1")]
    [DataRow(300, "-m", "reflink=0")]
    public void S80_TheLimitsAreABlockAndAPowerOfTwoWithinAGroupAndTheLog(int megabytes, string option, string value)
    {
        using World w = new(megabytes, option, value);
        AtomicWriteInfo info = w.Fs.AtomicWriteInfo;
        Assert.AreEqual(1, info.SegmentsMax);
        Assert.AreEqual(0, info.OptimalMax, "nothing goes in place");
        if (value == "reflink=0")
        {
            Assert.AreEqual((0L, 0L), (info.Min, info.Max));
            return;
        }
        int block = w.Fs.Geometry.BlockSize;
        Assert.AreEqual(block, info.Min);
        Assert.IsTrue(BitOperations.IsPow2(info.Max) && info.Max >= 16 * block && info.Max <= (long)w.Fs.Geometry.AgBlocks * block, $"{info}");
        // The largest one works, over the worst that can be there: every second block shared, the others in pieces.
        int blocks = (int)(info.Max / block);
        using (XfsFile a = w.Fs.CreateFile("/a"))
        {
            for (int i = 0; i < blocks; i += 2) a.Write((long)i * block, Repeat((byte)'a', block));
            for (int i = 0; i < blocks; i += 4) using (XfsFile b = i == 0 ? w.Fs.CreateFile("/b") : w.Fs.OpenFile("/b", write: true)) b.CloneRange(a, (long)i * block, (long)i * block, block);
            a.AtomicWrite(0, Repeat((byte)'x', (int)info.Max));
        }
        IsAll((byte)'x', w.Read("/a"));
        for (int i = 0; i < blocks; i += 4) IsAll((byte)'a', w.Read("/b", (long)i * block, block));
    }

    [TestMethod]
    public void S81_EachAtomicWriteMovesPrivateBlocksToANewExtent()
    {
        using World w = new();
        w.Fill("/a", 256, (byte)'a');
        ulong free = w.Fs.Statistics.FreeBlocks;
        HashSet<long> places = [w.Extents("/a")[0].Physical];
        for (byte round = 1; round <= 2; round++)
        {
            AtomicWrite(w, "/a", 0, round, Sixteen);
            FileExtent first = w.Extents("/a")[0];
            Assert.AreEqual((0L, (long)Sixteen), (first.Offset, first.Length));
            Assert.IsTrue(places.Add(first.Physical), "a new place");
            IsAll(round, w.Read("/a", 0, Sixteen));
        }
        IsAll((byte)'a', w.Read("/a", Sixteen, 240 * B));
        Assert.AreEqual(free, w.Fs.Statistics.FreeBlocks);
    }

    [TestMethod]
    public void S82_AtomicWritesToACloneMakeExactlyTheirRangesPrivate()
    {
        using World w = new();
        w.Fill("/a", 256, (byte)'a');
        w.Fs.Clone("/a", "/c");
        AtomicWrite(w, "/c", 0, (byte)'x', 64 * KiB);
        AtomicWrite(w, "/c", 256 * KiB, (byte)'y', B);
        Assert.AreEqual(new string('p', 16) + new string('s', 48) + "p" + new string('s', 191), w.Picture("/c"));
        IsAll((byte)'a', w.Read("/a"));
        IsAll((byte)'x', w.Read("/c", 0, 64 * KiB));
        IsAll((byte)'y', w.Read("/c", 256 * KiB, B));
    }

    [TestMethod]
    public void S83_OverAMixtureOfEverythingOnePrivateExtentIsLeft()
    {
        using World w = Mixture();
        AtomicWrite(w, "/m", 0, (byte)'x', Sixteen);
        Assert.AreEqual(new string('p', 16), w.Picture("/m"));
        Assert.AreEqual(1, w.Extents("/m").Count);
        IsAll((byte)'x', w.Read("/m"));
        IsAll((byte)'a', w.Read("/a"));
    }

    /// <summary>File m: 16 blocks, four each of unwritten, written, hole and shared with a.</summary>
    internal static World Mixture()
    {
        World w = new();
        w.Fill("/a", 16, (byte)'a');
        w.Fill("/m", 8, (byte)'m');
        CowWriteTests.MarkUnwritten(w, "/m", 0, 4);
        using (XfsFile a = w.Fs.OpenFile("/a"), m = w.Fs.OpenFile("/m", write: true)) m.CloneRange(a, 12 * B, 12 * B, 4 * B);
        Assert.AreEqual("uuuupppp....ssss", w.Picture("/m"));
        return w;
    }

    [TestMethod]
    public void S84_APrivateBlockBetweenSharedOnesMovesWithThem()
    {
        using World w = WithClone();
        w.Write("/b", B, Repeat((byte)'p', B));
        Assert.AreEqual("spss", w.Picture("/b")[..4]);
        AtomicWrite(w, "/b", 0, (byte)'x', 4 * B);
        Assert.AreEqual("pppps", w.Picture("/b")[..5]);
        IsAll((byte)'x', w.Read("/b", 0, 4 * B));
        IsAll((byte)'a', w.Read("/b", 4 * B, 60 * B));
        IsAll((byte)'a', w.Read("/a"));
    }

    [TestMethod]
    public void S85_InFragmentedSpaceTheBlocksScatterAndStillComeTogether()
    {
        using World w = new(64);
        w.Fill("/a", 16, (byte)'a');
        Shatter(w.Fs);
        long checkpoints = w.Fs.Volume.Journal!.Checkpoints;
        AtomicWrite(w, "/a", 0, (byte)'x', Sixteen);
        Assert.IsTrue(w.Extents("/a").Count > 4, $"{w.Extents("/a").Count} extents");
        w.Fs.Flush();
        Assert.AreEqual(checkpoints + 1, w.Fs.Volume.Journal.Checkpoints, "one commit group");
        w.CrashAndReopen();
        IsAll((byte)'x', w.Read("/a"));
    }

    /// <summary>Leaves free space in single blocks only: every second one of a file, and nothing else.</summary>
    internal static void Shatter(FileSystem fs)
    {
        using XfsFile filler = fs.CreateFile("/filler"), comb = fs.CreateFile("/comb"), hole = fs.CreateFile("/hole");
        int blocks = (int)fs.Statistics.FreeBlocks / 2;
        comb.Write(0, new byte[blocks * B]);
        // A hole that is cloned over a block frees it.
        hole.SetLength((long)blocks * B);
        for (int i = 0; i < blocks; i += 2) comb.CloneRange(hole, (long)i * B, (long)i * B, B);
        fs.Flush();
        Volume volume = fs.Volume;
        FileBlock at = default;
        while (volume.Run(tx =>
        {
            if (!SpaceAllocator.TryAllocate(tx, volume.Groups, default, 2, 4096, metadata: true, out FsBlock start, out uint length)) return false;
            volume.Map.Map(tx, filler.Checked().Inode, ForkKind.Data, new Extent(at, start, length, Unwritten: true));
            at += length;
            return true;
        })) { }
        fs.Flush();
    }

    [TestMethod]
    public void S86_WhoInsistsOnWritingInPlaceIsRefused()
    {
        using World w = WithClone();
        using XfsFile b = w.Fs.OpenFile("/b", write: true);
        Assert.AreEqual(Errno.EOPNOTSUPP, ErrnoOf(() => b.AtomicWrite(0, Repeat((byte)'x', B), requireInPlace: true)));
        Assert.AreEqual(new string('s', 64), w.Picture("/b"));
        Assert.AreEqual(0, b.StagedBytes);
        IsAll((byte)'a', w.Read("/b"));
    }

    [TestMethod]
    public void S89_AnAtomicWriteIsDurableOnReturnOnlyIfAskedTo()
    {
        using World w = WithClone();
        w.Fs.Flush();
        AtomicWrite(w, "/b", 0, (byte)'x', Sixteen);
        w.CrashAndReopen();
        IsAll((byte)'a', w.Read("/b"));
        AtomicWrite(w, "/b", 0, (byte)'y', Sixteen, SyncMode.Data);
        w.CrashAndReopen();
        IsAll((byte)'y', w.Read("/b", 0, Sixteen));
        IsAll((byte)'a', w.Read("/a"));
    }

    [TestMethod]
    public void S90_WithoutWaitingThereAreNoAtomicWrites()
    {
        using World w = WithClone();
        ulong free = w.Fs.Statistics.FreeBlocks;
        using XfsFile b = w.Fs.OpenFile("/b", write: true);
        Assert.IsFalse(b.TryAtomicWrite(0, Repeat((byte)'x', B)));
        Assert.AreEqual(free, w.Fs.Statistics.FreeBlocks);
        Assert.AreEqual(Errno.EINVAL, ErrnoOf(() => b.TryAtomicWrite(0, Repeat((byte)'x', 3 * B))));
        IsAll((byte)'a', w.Read("/b"));
    }

    [TestMethod]
    public void S91_AnAtomicAppendNeedsAnEndThatIsAligned()
    {
        using World w = new();
        w.Write("/a", 0, Repeat((byte)'a', 100));
        w.Fill("/b", 3, (byte)'b');
        using (XfsFile a = w.Fs.OpenFile("/a", write: true))
            Assert.AreEqual(Errno.EINVAL, ErrnoOf(() => a.AtomicAppend(Repeat((byte)'x', B))));
        using (XfsFile b = w.Fs.OpenFile("/b", write: true))
        {
            Assert.AreEqual(3L * B, b.AtomicAppend(Repeat((byte)'x', B)));
            Assert.AreEqual(4L * B, b.AtomicAppend(Repeat((byte)'y', B)));
        }
        Assert.AreEqual(100, w.Fs.GetEntry("/a").Length);
        Assert.AreEqual(5 * B, w.Fs.GetEntry("/b").Length);
        IsAll((byte)'x', w.Read("/b", 3 * B, B));
        IsAll((byte)'y', w.Read("/b", 4 * B, B));
    }

    [TestMethod]
    public void S92_ViewsShowAllOfAnAtomicWriteAndALeaseInItsWayRefusesIt()
    {
        using World w = OnFile().Cloned();
        using XfsFile a = w.Fs.OpenFile("/a"), b = w.Fs.OpenFile("/b", write: true);
        using DaxView one = b.OpenView(), two = b.OpenView(2 * B, 4 * B), other = a.OpenView();
        ReadOnlySpan<byte> before = one.GetSpan(0, Sixteen);
        b.AtomicWrite(0, Repeat((byte)'x', Sixteen));
        IsAll((byte)'x', before);
        IsAll((byte)'x', two.Span);
        IsAll((byte)'a', one.GetSpan(Sixteen, 48 * B));
        IsAll((byte)'a', other.Span);
        b.LeaseTimeout = TimeSpan.Zero;
        using (WriteLease lease = one.AcquireWritable(5 * B, 10))
        {
            Assert.AreEqual(Errno.EBUSY, ErrnoOf(() => b.AtomicWrite(0, Repeat((byte)'y', Sixteen))));
            b.AtomicWrite(Sixteen, Repeat((byte)'z', Sixteen));
        }
        IsAll((byte)'x', one.GetSpan(0, Sixteen));
        IsAll((byte)'z', one.GetSpan(Sixteen, Sixteen));
        b.AtomicWrite(0, Repeat((byte)'y', Sixteen));
        IsAll((byte)'y', one.GetSpan(0, Sixteen));
        IsAll((byte)'a', other.Span);
    }

    [TestMethod]
    public void S93_WhatIsReservedIsUsedGapsAreFilledAndTheRestStaysReserved()
    {
        using World w = WithClone();
        using XfsFile b = w.Fs.OpenFile("/b", write: true);
        // Reserves 0..31; 20 is used up, mapped with the flush, and leaves a gap.
        b.Write(20 * B, Repeat((byte)'n', B));
        b.Flush();
        Assert.AreEqual(31 * B, b.StagedBytes);
        Dictionary<ulong, ulong> reserved = [];
        foreach (Extent run in b.Checked().Cow.Extents)
        {
            Assert.IsTrue(run.Unwritten);
            for (uint i = 0; i < run.Length; i++) reserved.Add(run.Offset.Value + i, run.Start.Value + i);
        }
        b.AtomicWrite(16 * B, Repeat((byte)'x', Sixteen));
        Assert.AreEqual(16 * B, b.StagedBytes);
        Assert.IsTrue(b.Checked().Cow.Extents.All(run => run.Unwritten && run.End.Value <= 16), "0..15 are still reserved, not written");
        foreach (FileExtent extent in b.GetExtents().Where(e => !e.Shared))
            for (long at = extent.Offset / B; at < (extent.Offset + extent.Length) / B; at++)
            {
                Assert.IsTrue(at is >= 16 and < 32, $"block {at} moved");
                ulong place = w.Fs.Geometry.FsBlockAt(extent.Physical + (at * B - extent.Offset)).Value;
                if (at != 20) Assert.AreEqual(reserved[(ulong)at], place, $"block {at} lies where it was reserved");
            }
        IsAll((byte)'x', w.Read("/b", 16 * B, Sixteen));
        IsAll((byte)'a', w.Read("/b", 0, Sixteen));
        IsAll((byte)'a', w.Read("/a"));
    }

    [TestMethod]
    public void ShortOfSpaceAnAtomicWriteChangesNothing()
    {
        using World w = new(64);
        w.Fill("/a", 64, (byte)'a');
        using (XfsFile filler = w.Fs.CreateFile("/filler"))
            try
            {
                for (int i = 0; ; i++) filler.Write((long)i * B, Repeat((byte)'f', B));
            }
            catch (XfsNoSpaceException) { }
        w.Fs.Flush();
        ulong free = w.Fs.Statistics.FreeBlocks;
        Assert.AreEqual(Errno.ENOSPC, ErrnoOf(() => AtomicWrite(w, "/a", 0, (byte)'x', 64 * B)));
        IsAll((byte)'a', w.Read("/a"));
        Assert.AreEqual(free, w.Fs.Statistics.FreeBlocks);
        w.Fs.DeleteFile("/filler");
        AtomicWrite(w, "/a", 0, (byte)'x', 64 * B);
        IsAll((byte)'x', w.Read("/a"));
    }
}
