using ImageFs.Dax;
using ImageFs.Extents;
using ImageFs.Allocation;
using ImageFs.BTrees;
using ImageFs.Format;
using ImageFs.Tests.Fixtures;
using static ImageFs.Tests.Fixtures.World;

namespace ImageFs.Tests.Dax;

/// <summary>Clone and dedupe: arguments, ends of files, what changes and what must not.</summary>
[TestClass]
public sealed class CloneTests
{
    private const long Odd = 16 * B + 100;

    private static World Two()
    {
        World w = new();
        w.Fill("/a", 16, (byte)'a');
        w.Fill("/b", 16, (byte)'b');
        return w;
    }

    private static void CloneRange(World w, string from, long sourceOffset, string to, long offset, long length)
    {
        using XfsFile source = w.Fs.OpenFile(from);
        using XfsFile destination = w.Fs.OpenFile(to, write: true);
        destination.CloneRange(source, sourceOffset, offset, length);
    }

    [TestMethod]
    [DataRow(37L, 0L, (long)B, DisplayName = "unaligned source")]
    [DataRow(0L, 59L, (long)B, DisplayName = "unaligned destination")]
    [DataRow(0L, 0L, 5000L, DisplayName = "partial block inside the source")]
    [DataRow(8L * B, 0L, 16L * B, DisplayName = "past the source's end")]
    [DataRow(17L * B, 0L, 0L, DisplayName = "to the end, from behind it")]
    [DataRow(-4096L, 0L, (long)B, DisplayName = "negative offset")]
    public void S46_ImpossibleRangesAreRefusedAndNothingChanges(long sourceOffset, long offset, long length)
    {
        using World w = Two();
        Assert.AreEqual(Errno.EINVAL, ErrnoOf(() => CloneRange(w, "/a", sourceOffset, "/b", Math.Max(0, offset), length)));
        IsAll((byte)'b', w.Read("/b"));
    }

    [TestMethod]
    public void S46_OverlappingRangesOfOneFileAreRefused()
    {
        using World w = Two();
        Assert.AreEqual(Errno.EINVAL, ErrnoOf(() => CloneRange(w, "/a", 0, "/a", 4 * B, 8 * B)));
        Assert.AreEqual(Errno.EINVAL, ErrnoOf(() => CloneRange(w, "/a", 0, "/a", 0, 0)));
        Assert.AreEqual(Errno.EINVAL, ErrnoOf(() => CloneRange(w, "/a", 4 * B, "/a", 4 * B, B)));
        Assert.AreEqual(Errno.EINVAL, ErrnoOf(() => CloneRange(w, "/a", 8 * B, "/a", 4 * B, 5 * B)));
        Assert.AreEqual(Errno.EINVAL, ErrnoOf(() => CloneRange(w, "/a", 0, "/b", long.MaxValue - B + 1, 2 * B)), "the sum wraps");
        IsAll((byte)'a', w.Read("/a"));
        Assert.AreEqual(new string('p', 16), w.Picture("/a"));
    }

    [TestMethod]
    public void S47_NothingFromTheEndIsFineAndRangesOfOneFileMayShare()
    {
        using World w = Two();
        CloneRange(w, "/a", 16 * B, "/b", 0, 0);
        IsAll((byte)'b', w.Read("/b"));
        CloneRange(w, "/a", 0, "/a", 8 * B, 4 * B);
        Assert.AreEqual("ssssppppsssspppp", w.Picture("/a"));
        IsAll((byte)'a', w.Read("/a"));
    }

    [TestMethod]
    public void S48_HandlesThatCannotTakePartAreRefusedByTheKernelsErrno()
    {
        using World w = Two(), other = Two();
        w.Fs.CreateDirectory("/d");
        w.Fs.CreateNode("/fifo", FileMode16.Fifo, 0b110_100_100);
        using XfsFile a = w.Fs.OpenFile("/a"), b = w.Fs.OpenFile("/b", write: true), readOnly = w.Fs.OpenFile("/b"), foreign = other.Fs.OpenFile("/a");
        Assert.AreEqual(Errno.EBADF, ErrnoOf(() => readOnly.CloneRange(a, 0, 0, 0)));
        Assert.AreEqual(Errno.EXDEV, ErrnoOf(() => b.CloneRange(foreign, 0, 0, 0)));
        Assert.AreEqual(Errno.EISDIR, ErrnoOf(() => w.Fs.OpenFile("/d", write: true)));
        Assert.AreEqual(Errno.EISDIR, ErrnoOf(() => w.Fs.Clone("/d", "/new")));
        Assert.AreEqual(Errno.EINVAL, ErrnoOf(() => w.Fs.Clone("/fifo", "/new")));
        Assert.AreEqual(Errno.EINVAL, ErrnoOf(() => w.Fs.OpenFile("/fifo", write: true)));
        Assert.IsFalse(w.Fs.Exists("/new"));
        // A handle that writes reads as well, and none only appends: what is left of those two is a file that only grows.
        w.Fs.SetFlags("/b", set: InodeFlags.Append);
        Assert.AreEqual(Errno.EPERM, ErrnoOf(() => w.Fs.OpenFile("/b", write: true)));
        w.Fs.SetFlags("/b", clear: InodeFlags.Append);
        // Nobody swaps to files here; a seal is what keeps the blocks of a file where they are.
        using (b.Seal())
        {
            Assert.AreEqual(Errno.ETXTBSY, ErrnoOf(() => b.CloneRange(a, 0, 0, 0)));
            using XfsFile k = w.Fs.CreateFile("/k");
            Assert.AreEqual(Errno.ETXTBSY, ErrnoOf(() => k.CloneRange(b, 0, 0, 0)));
        }
        IsAll((byte)'b', w.Read("/b"));
        XfsFile closed = w.Fs.OpenFile("/a");
        closed.Dispose();
        Assert.ThrowsExactly<ObjectDisposedException>(() => b.CloneRange(closed, 0, 0, 0));
        w.Fs.Volume.Run(tx => w.Fs.Resolve("/b", false).Modify(tx).Flags |= InodeFlags.Immutable);
        Assert.AreEqual(Errno.EPERM, ErrnoOf(() => b.CloneRange(a, 0, 0, 0)));
        w.Fs.Volume.Run(tx => w.Fs.Resolve("/b", false).Modify(tx).Flags = InodeFlags.None);
        w.Fs.Volume.Run(tx => w.Fs.Resolve("/a", false).Modify(tx).Flags |= InodeFlags.Immutable);
        b.CloneRange(a, 0, 0, 0);
        IsAll((byte)'a', w.Read("/b"));
    }

    [TestMethod]
    public void S48_WithoutTheFeatureNothingIsShared()
    {
        using World w = new(300, "-m", "reflink=0");
        w.Fill("/a", 4, 1);
        w.Fill("/b", 4, 1);
        Assert.AreEqual(Errno.EOPNOTSUPP, ErrnoOf(() => CloneRange(w, "/a", 0, "/b", 0, 0)));
    }

    [TestMethod]
    [DataRow(0L, true)]
    [DataRow(65536L, true)]
    [DataRow(65586L, true)]
    [DataRow(65636L, true)]
    [DataRow(65637L, false)]
    [DataRow(69632L, false)]
    [DataRow(81920L, false)]
    public void S49_APartialLastBlockIsClonedOnlyToOrBeyondTheDestinationsEnd(long destinationSize, bool works)
    {
        using World w = new();
        w.Write("/a", 0, Repeat((byte)'a', (int)Odd));
        using (XfsFile b = w.Fs.CreateFile("/b"))
            if (destinationSize > 0) b.Write(0, Repeat((byte)'b', (int)destinationSize));
        if (works)
        {
            CloneRange(w, "/a", 0, "/b", 0, 0);
            Assert.AreEqual(Odd, w.Fs.GetEntry("/b").Length);
            IsAll((byte)'a', w.Read("/b"));
        }
        else
        {
            Assert.AreEqual(Errno.EINVAL, ErrnoOf(() => CloneRange(w, "/a", 0, "/b", 0, 0)));
            Assert.AreEqual(destinationSize, w.Fs.GetEntry("/b").Length);
            IsAll((byte)'b', w.Read("/b"));
        }
    }

    [TestMethod]
    public void S50_TheTailOfAFileGoesWhereItEndsTheDestination()
    {
        using World w = new();
        w.Write("/a", 0, Repeat((byte)'a', (int)Odd));
        w.Fs.CreateFile("/empty").Dispose();
        w.Fill("/b", 16, (byte)'b');
        CloneRange(w, "/a", 65536, "/empty", 0, 100);
        Assert.AreEqual(100, w.Fs.GetEntry("/empty").Length);
        Assert.AreEqual(Errno.EINVAL, ErrnoOf(() => CloneRange(w, "/a", 65536, "/b", 0, 100)));
        CloneRange(w, "/a", 65536, "/b", 32 * B, 100);
        Assert.AreEqual(32 * B + 100, w.Fs.GetEntry("/b").Length);
        IsAll(0, w.Read("/b", 16 * B, 16 * B));
        IsAll((byte)'a', w.Read("/b", 32 * B, 100));
    }

    [TestMethod]
    public void S51_UnwrittenSourceBlocksBecomeHolesInTheDestination()
    {
        using World w = new();
        w.Fill("/a", 8, 0xEE);
        Inodes.Inode a = w.Fs.Resolve("/a", false);
        w.Fs.Volume.Map.TryFind(a, Inodes.ForkKind.Data, default, out Extent extent);
        w.Fs.Volume.Run(tx => w.Fs.Volume.Map.SetUnwritten(tx, a, extent, unwritten: true));
        w.Write("/a", 2 * B, Repeat((byte)'w', B));
        w.Fill("/b", 8, (byte)'b');
        CloneRange(w, "/a", 0, "/b", 0, 0);
        Assert.AreEqual("..s.....", w.Picture("/b"));
        byte[] all = w.Read("/b");
        IsAll(0, all.AsSpan(0, 2 * B));
        IsAll((byte)'w', all.AsSpan(2 * B, B));
        IsAll(0, all.AsSpan(3 * B));
    }

    [TestMethod]
    public void S51_UnwrittenBlocksOfTheDestinationStayWhereTheSourceHasSuchToo()
    {
        using World w = new();
        using (XfsFile a = w.Fs.CreateFile("/a"))
        {
            a.Allocate(0, 8 * B);
            a.Write(2 * B, Repeat((byte)'w', B));
        }
        using (XfsFile b = w.Fs.CreateFile("/b")) b.Allocate(0, 8 * B);
        CloneRange(w, "/a", 0, "/b", 0, 0);
        Assert.AreEqual("uusuuuuu", w.Picture("/b"));
        using (XfsFile c = w.Fs.CreateFile("/c")) c.SetLength(8 * B);
        CloneRange(w, "/c", 0, "/b", 0, 0);
        Assert.AreEqual("........", w.Picture("/b"), "a hole makes a hole");
    }

    [TestMethod]
    public void S52_AClonedExtentReplacesThousandsOfSmallOnes()
    {
        using World w = new();
        w.Fill("/a", 5000, (byte)'a');
        MakePieces(w, 5000);
        ulong before = w.Fs.GetEntry("/b").ExtentCount;
        CloneRange(w, "/a", 0, "/b", 0, 0);
        IsAll((byte)'a', w.Read("/b"));
        Assert.IsTrue(w.Fs.GetEntry("/b").ExtentCount <= before);
        Assert.AreEqual(new string('s', 5000), w.Picture("/b"));
    }

    [TestMethod]
    public void S52_SoItDoesWithoutFreeSpaceOrStopsWithAPrefix()
    {
        using World w = new(64);
        w.Fill("/a", 3000, (byte)'a');
        MakePieces(w, 3000);
        try
        {
            using XfsFile filler = w.Fs.CreateFile("/filler");
            for (int i = 0; ; i++) filler.Write((long)i * B, Repeat((byte)'f', B));
        }
        catch (XfsNoSpaceException) { }
        int cloned = 3000 * B;
        try
        {
            CloneRange(w, "/a", 0, "/b", 0, 0);
        }
        catch (XfsNoSpaceException)
        {
            cloned = w.Read("/b").AsSpan().IndexOf((byte)'b');
        }
        Assert.AreEqual(0, cloned % B);
        byte[] b = w.Read("/b");
        IsAll((byte)'a', b.AsSpan(0, cloned));
        IsAll((byte)'b', b.AsSpan(cloned));
        IsAll((byte)'a', w.Read("/a"));
    }

    /// <summary>File b of blocks in places that touch nowhere.</summary>
    private static void MakePieces(World w, int blocks)
    {
        using XfsFile b = w.Fs.CreateFile("/b");
        for (int i = 0; i < blocks; i += 2) b.Write((long)i * B, Repeat((byte)'b', B));
        for (int i = 1; i < blocks; i += 2) b.Write((long)i * B, Repeat((byte)'b', B));
    }

    /// <summary>A file of one block at many offsets, a hole behind each.</summary>
    private static void MakeComb(World w, string path, int pieces)
    {
        using XfsFile a = w.Fs.CreateFile(path);
        a.Write(0, Repeat((byte)'a', B));
        for (int have = 1; have < pieces;)
        {
            int more = Math.Min(have, pieces - have);
            a.SetLength(2L * (have + more) * B);
            a.CloneRange(a, 0, 2L * have * B, (2L * more - 1) * B);
            have += more;
        }
    }

    [TestMethod]
    public void S53_ACancelledCloneLeavesAPrefixAndSaysHowLong()
    {
        const int pieces = 100_000;
        using World w = new();
        MakeComb(w, "/a", pieces);
        using (XfsFile b = w.Fs.CreateFile("/b"))
        {
            b.SetLength(2L * pieces * B);
            for (int i = 1; i < 40; i++) b.Write(2L * pieces / 40 * i * B, Repeat((byte)'o', 2 * B));
        }
        w.Fs.Flush();
        using CancellationTokenSource cancel = new();
        ImageFs.Journal.Journal journal = w.Fs.Volume.Journal!;
        Action durable = journal.Durable!;
        int checkpoints = 0;
        journal.SoftLimit = 256 << 10;
        journal.Durable = () =>
        {
            durable();
            if (++checkpoints == 5) cancel.Cancel();
        };
        long done;
        using (XfsFile a = w.Fs.OpenFile("/a"), b = w.Fs.OpenFile("/b", write: true))
        {
            done = Assert.ThrowsExactly<RangeCanceledException>(() => b.CloneRange(a, 0, 0, 0, cancel.Token)).BytesDone;
            Assert.IsTrue(done > 0 && done < 2L * pieces * B && done % B == 0, $"{done} bytes");
            Assert.AreEqual((long)(pieces * 2L * B), b.Length);
            byte[] found = new byte[B];
            for (long block = 0; block < 2L * pieces; block++)
            {
                long stripe = 2L * pieces / 40;
                byte expected = block * B < done ? (byte)(block % 2 == 0 ? 'a' : 0) : (byte)(block >= stripe && block % stripe < 2 ? 'o' : 0);
                b.Read(block * B, found);
                IsAll(expected, found);
            }
            Assert.ThrowsExactly<RangeCanceledException>(() => b.CloneRange(a, 0, 0, 0, cancel.Token), "cancelled before it began");
            b.CloneRange(a, 0, 0, 0);
        }
        Assert.AreEqual((ulong)pieces, w.Fs.GetEntry("/b").ExtentCount);
    }

    [TestMethod]
    public void S54_ACloneTouchesTheTimesOfTheDestinationOnly()
    {
        using World w = Two();
        w.Fs.Clock = () => new Timestamp(1_000, 0);
        w.Write("/a", 0, 1);
        w.Fs.Clock = () => new Timestamp(2_000, 5);
        CloneRange(w, "/a", 0, "/b", 0, 0);
        Assert.AreEqual(1_000, w.Fs.GetEntry("/a").Modified.Seconds);
        Assert.AreEqual(1_000, w.Fs.GetEntry("/a").Changed.Seconds);
        Assert.AreEqual(new Timestamp(2_000, 5), w.Fs.GetEntry("/b").Modified);
        Assert.AreEqual(new Timestamp(2_000, 5), w.Fs.GetEntry("/b").Changed);
    }

    [TestMethod]
    public void S54_AWholeCloneCarriesTheHintAPartDoesNot()
    {
        using World w = Two();
        using (XfsFile a = w.Fs.OpenFile("/a", write: true)) a.CowExtentSize = 64 << 10;
        CloneRange(w, "/a", 0, "/b", B, 4 * B);
        using (XfsFile b = w.Fs.OpenFile("/b")) Assert.AreEqual(0, b.CowExtentSize);
        CloneRange(w, "/a", 0, "/b", 0, 0);
        using (XfsFile b = w.Fs.OpenFile("/b")) Assert.AreEqual(64 << 10, b.CowExtentSize);
    }

    private static DedupeResult Dedupe(World w, string from, long sourceOffset, string to, long offset, long length)
    {
        using XfsFile source = w.Fs.OpenFile(from);
        using XfsFile target = w.Fs.OpenFile(to, write: true);
        return target.DedupeRange(source, sourceOffset, offset, length);
    }

    [TestMethod]
    public void S55_EqualBlocksShareDifferentOnesDoNotAndBadRangesAreRefused()
    {
        using World w = Two();
        w.Write("/b", 3 * B, Repeat((byte)'a', B));
        Assert.AreEqual(new DedupeResult(DedupeStatus.Same, B, B), Dedupe(w, "/a", 0, "/b", 3 * B, B));
        Assert.AreEqual(new DedupeResult(DedupeStatus.Differs, 0, 0), Dedupe(w, "/a", 0, "/b", 4 * B, B));
        Assert.AreEqual(Errno.EINVAL, ErrnoOf(() => Dedupe(w, "/a", 0, "/b", 16 * B, B)));
        Assert.AreEqual(Errno.EINVAL, ErrnoOf(() => Dedupe(w, "/a", 0, "/b", 7, B)));
        Assert.AreEqual("ppps", w.Picture("/b")[..4]);
        Assert.AreEqual("sppp", w.Picture("/a")[..4]);
    }

    [TestMethod]
    public void S56_LengthZeroIsEqualAndTheSourcesEndIsRespected()
    {
        using World w = Two();
        Assert.AreEqual(new DedupeResult(DedupeStatus.Same, 0, 0), Dedupe(w, "/a", 0, "/b", 0, 0));
        Assert.AreEqual(Errno.EINVAL, ErrnoOf(() => Dedupe(w, "/a", 8 * B, "/b", 0, 16 * B)));
        using (XfsFile s = w.Fs.CreateFile("/s")) s.SetLength(3L << 30);
        using (XfsFile t = w.Fs.CreateFile("/t")) t.SetLength(3L << 30);
        Assert.AreEqual(1073741824, Dedupe(w, "/s", 0, "/t", 0, 3L << 30).BytesCompared);
    }

    [TestMethod]
    public void S57_ZerosAndHolesAreEqual()
    {
        using World w = new();
        w.Fill("/zeros", 4, 0);
        using (XfsFile h = w.Fs.CreateFile("/hole")) h.SetLength(4 * B);
        using (XfsFile h = w.Fs.CreateFile("/hole2")) h.SetLength(4 * B);
        w.Fill("/zeros2", 4, 0);
        Assert.AreEqual(DedupeStatus.Same, Dedupe(w, "/hole", 0, "/zeros", 0, 4 * B).Status);
        Assert.AreEqual("....", w.Picture("/zeros"));
        Assert.AreEqual(DedupeStatus.Same, Dedupe(w, "/zeros2", 0, "/hole2", 0, 4 * B).Status);
        Assert.AreEqual("ssss", w.Picture("/hole2"));
        foreach (string path in new[] { "/u", "/u2" })
            using (XfsFile u = w.Fs.CreateFile(path)) u.Allocate(0, 4 * B);
        w.Fill("/zeros3", 4, 0);
        w.Fill("/zeros4", 4, 0);
        Assert.AreEqual(new DedupeResult(DedupeStatus.Same, 4 * B, 4 * B), Dedupe(w, "/u", 0, "/zeros3", 0, 4 * B));
        Assert.AreEqual("....", w.Picture("/zeros3"), "nothing can be shared with unwritten blocks");
        Assert.AreEqual(new DedupeResult(DedupeStatus.Same, 4 * B, 4 * B), Dedupe(w, "/zeros4", 0, "/u2", 0, 4 * B));
        Assert.AreEqual("ssss", w.Picture("/u2"));
        Assert.AreEqual("uuuu", w.Picture("/u"));
        foreach (string path in new[] { "/zeros", "/hole2", "/zeros3", "/u2" }) IsAll(0, w.Read(path));
    }

    [TestMethod]
    public void S58_UnwrittenBlocksCompareAsZerosWhateverTheDiskHolds()
    {
        using World w = new();
        w.Fill("/a", 4, 0xEE);
        w.Fill("/b", 4, 0xEE);
        Inodes.Inode a = w.Fs.Resolve("/a", false);
        w.Fs.Volume.Map.TryFind(a, Inodes.ForkKind.Data, default, out Extent extent);
        w.Fs.Volume.Run(tx => w.Fs.Volume.Map.SetUnwritten(tx, a, extent, unwritten: true));
        Assert.AreEqual(DedupeStatus.Differs, Dedupe(w, "/a", 0, "/b", 0, 4 * B).Status);
    }

    [TestMethod]
    public void S60_APartialLastBlockIsComparedAndSharedOnlyWhereItEndsBoth()
    {
        using World w = new();
        w.Write("/a", 0, Repeat((byte)'a', (int)Odd));
        w.Write("/b", 0, Repeat((byte)'a', (int)Odd));
        w.Fill("/c", 20, (byte)'a');
        w.Fs.SetAttributes("/c", mode: 0b100_111_101_101);
        Entry before = w.Fs.GetEntry("/c");
        w.Fs.Clock = () => new Timestamp(5_000_000_000, 0);
        Assert.AreEqual(new DedupeResult(DedupeStatus.Same, Odd, Odd), Dedupe(w, "/a", 0, "/b", 0, Odd));
        Assert.AreEqual(new string('s', 17), w.Picture("/b"));
        Assert.AreEqual(new DedupeResult(DedupeStatus.Same, Odd, 65536), Dedupe(w, "/a", 0, "/c", 0, Odd));
        Assert.AreEqual(new string('s', 16) + "pppp", w.Picture("/c"));
        IsAll((byte)'a', w.Read("/c"));
        Entry after = w.Fs.GetEntry("/c");
        Assert.AreEqual((before.Modified, before.Changed, before.Mode), (after.Modified, after.Changed, after.Mode), "dedupe leaves times and mode alone");
    }

    [TestMethod]
    public void S94_ABlockSharedTenThousandTimesIsCountedExactlyAndFreedWithItsLastOwner()
    {
        const int offsets = 10_000, files = 500;
        using World w = new();
        ulong free = w.Fs.Statistics.FreeBlocks;
        MakeComb(w, "/a", offsets);
        for (int i = 0; i < files; i++)
        {
            w.Fs.CreateFile($"/c{i}").Dispose();
            CloneRange(w, "/a", 0, $"/c{i}", 0, B);
        }
        AssertOwners(offsets + files);
        w.CheckClean();
        for (int i = 0; i < files; i += 2) w.Fs.DeleteFile($"/c{i}");
        AssertOwners(offsets + files / 2);
        w.CheckClean();
        w.Fs.DeleteFile("/a");
        AssertOwners(files / 2);
        for (int i = 1; i < files; i += 2) w.Fs.DeleteFile($"/c{i}");
        w.CheckClean();

        void AssertOwners(int expected)
        {
            FsBlock block = w.Fs.Geometry.FsBlockAt(w.Extents("/c1")[0].Physical);
            AllocationGroup group = w.Fs.Volume.Groups.Of(block);
            Assert.AreEqual(expected, w.Fs.FindOwners(w.Extents("/c1")[0].Physical, B).Count);
            BtreeCursor<RefcountbtKind, RefcountRecord, BigEndian32> counts = new(group.Refcountbt);
            Assert.IsTrue(counts.Seek(w.Fs.Geometry.BlockInAg(block).Value, SeekMode.Equal));
            Assert.AreEqual((uint)expected, counts.Current.Refcount.Value);
        }
        Assert.IsTrue(free - w.Fs.Statistics.FreeBlocks < 64, $"{free - w.Fs.Statistics.FreeBlocks} blocks did not come back");
    }
}
