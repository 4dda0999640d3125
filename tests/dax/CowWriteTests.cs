using ImageFs.Devices;
using ImageFs.Extents;
using ImageFs.Format;
using ImageFs.Tests.Fixtures;
using static ImageFs.Tests.Fixtures.World;

namespace ImageFs.Tests.Dax;

/// <summary>Writes to shared blocks: who keeps what, which blocks move. Scenario numbers stand in the names.</summary>
[TestClass]
public sealed class CowWriteTests
{
    [TestMethod]
    public void S01_OneByteIntoACloneMovesOneBlockAndKeepsItsOtherBytes()
    {
        using World w = WithClone();
        w.Write("/b", 10 * B + 5, (byte)'Q');
        byte[] block = w.Read("/b", 10 * B, B);
        IsAll((byte)'a', block.AsSpan(0, 5));
        Assert.AreEqual((byte)'Q', block[5]);
        IsAll((byte)'a', block.AsSpan(6));
        IsAll((byte)'a', w.Read("/a"));
        Assert.AreEqual(new string('s', 10) + "p" + new string('s', 53), w.Picture("/b"));
        Assert.AreEqual(new string('s', 10) + "p" + new string('s', 53), w.Picture("/a"));
        Assert.AreEqual(3, w.Extents("/b").Count);
    }

    [TestMethod]
    public void S02_AnAlignedWriteReadsNothingOfWhatItReplaces()
    {
        CountingDevice device = new(new MemoryDevice(300L << 20));
        ImageFs.Mkfs.Mkfs.Format(device, ImageFs.Mkfs.MkfsOptions.Parse([]));
        using FileSystem fs = FileSystem.Open(device, write: true);
        using XfsFile a = fs.CreateFile("/a");
        a.Write(0, Repeat((byte)'a', 64 * B));
        fs.Clone("/a", "/b");
        using XfsFile b = fs.OpenFile("/b", write: true);
        FileExtent shared = b.GetExtents()[0];
        device.Watch(shared.Physical, shared.Length);
        b.Write(5 * B, Repeat((byte)'n', 3 * B));
        Assert.AreEqual(0, device.Reads, "reads of the shared blocks");
        Assert.AreEqual(3, b.GetExtents().Where(e => !e.Shared).Sum(e => e.Length) / B);
    }

    [TestMethod]
    public void S03_AnUnalignedWriteOverFourBlocksKeepsBothEdges()
    {
        using World w = WithClone();
        w.Write("/b", 5 * B + 100, Repeat((byte)'n', 3 * B));
        byte[] all = w.Read("/b");
        IsAll((byte)'a', all.AsSpan(0, 5 * B + 100));
        IsAll((byte)'n', all.AsSpan(5 * B + 100, 3 * B));
        IsAll((byte)'a', all.AsSpan(8 * B + 100));
        Assert.AreEqual("sssss" + "pppp" + new string('s', 55), w.Picture("/b"));
        IsAll((byte)'a', w.Read("/a"));
    }

    [TestMethod]
    public void S04_AWriteInsideOneBlockTakesBothEdgesFromTheSource()
    {
        using World w = WithClone();
        w.Write("/b", 5 * B + 100, Repeat((byte)'n', 200));
        byte[] block = w.Read("/b", 5 * B, B);
        IsAll((byte)'a', block.AsSpan(0, 100));
        IsAll((byte)'n', block.AsSpan(100, 200));
        IsAll((byte)'a', block.AsSpan(300));
        Assert.AreEqual("sssss" + "p" + new string('s', 58), w.Picture("/b"));
        IsAll((byte)'a', w.Read("/a"));
    }

    [TestMethod]
    public void S05_HolesBetweenSharedBlocksStayHolesAndReadAsZerosAroundAWrite()
    {
        using World w = new();
        using (XfsFile a = w.Fs.CreateFile("/a"))
            for (int i = 0; i < 32; i += 2) a.Write(i * B, Repeat((byte)'a', B));
        using (XfsFile a = w.Fs.OpenFile("/a", write: true)) a.CowExtentSize = 131072;
        w.Fs.Clone("/a", "/b");
        w.Write("/b", 5 * B + 50, Repeat((byte)'n', 10));
        w.Write("/b", 8 * B + 50, Repeat((byte)'n', 10));
        byte[] hole = w.Read("/b", 5 * B, B), written = w.Read("/b", 8 * B, B);
        IsAll(0, hole.AsSpan(0, 50));
        IsAll(0, hole.AsSpan(60));
        IsAll((byte)'a', written.AsSpan(0, 50));
        IsAll((byte)'a', written.AsSpan(60));
        Assert.AreEqual("s.s.sps.p." + string.Concat(Enumerable.Repeat("s.", 10)) + "s", w.Picture("/b"));
        using XfsFile b = w.Fs.OpenFile("/b");
        Assert.AreEqual(131072, b.CowExtentSize, "the hint went with the whole-file clone");
    }

    [TestMethod]
    public void S06_UnwrittenBlocksShowZerosAroundAWriteAndNeverWhatTheDiskHeld()
    {
        using World w = new();
        w.Fill("/a", 8, 0xEE);
        MarkUnwritten(w, "/a", 0, 8);
        w.Write("/a", 2 * B, Repeat((byte)'w', B));
        w.Fs.Clone("/a", "/b");
        w.Write("/b", 4 * B + 10, (byte)'x');
        w.Write("/a", 5 * B + 10, (byte)'y');
        foreach ((string path, int block) in new[] { ("/b", 4), ("/a", 5) })
        {
            byte[] bytes = w.Read(path, block * B, B);
            IsAll(0, bytes.AsSpan(0, 10));
            IsAll(0, bytes.AsSpan(11));
        }
        Assert.AreEqual("uusuupuu", w.Picture("/a"));
    }

    [TestMethod]
    public void S08_TruncatingACloneInsideABlockMovesThatBlockAndShowsZerosAfterGrowing()
    {
        using World w = WithClone();
        using (XfsFile b = w.Fs.OpenFile("/b", write: true))
        {
            b.SetLength(10 * B + 100);
            b.SetLength(20 * B);
        }
        byte[] all = w.Read("/b");
        IsAll((byte)'a', all.AsSpan(0, 10 * B + 100));
        IsAll(0, all.AsSpan(10 * B + 100));
        Assert.AreEqual(new string('s', 10) + "p" + new string('.', 9), w.Picture("/b"));
        IsAll((byte)'a', w.Read("/a"));
    }

    [TestMethod]
    [DataRow(64 * B, 72 * B)]
    [DataRow(3 * B + 5, 8 * B)]
    public void S09_AWriteBeyondTheEndLeavesZerosBetween(int size, int offset)
    {
        using World w = new();
        w.Write("/a", 0, Repeat((byte)'a', size));
        w.Fs.Clone("/a", "/b");
        w.Write("/b", offset, Repeat((byte)'n', B));
        byte[] all = w.Read("/b");
        IsAll((byte)'a', all.AsSpan(0, size));
        IsAll(0, all[size..offset]);
        IsAll((byte)'n', all.AsSpan(offset));
        Assert.AreEqual(offset + B, all.Length);
        string picture = w.Picture("/b");
        int mapped = (size + B - 1) / B;
        Assert.AreEqual(new string('.', offset / B - mapped) + "p", picture[mapped..], "the gap is a hole");
        Assert.AreEqual(new string('s', size / B), picture[..(size / B)]);
        byte[] a = w.Read("/a");
        Assert.AreEqual(size, a.Length);
        IsAll((byte)'a', a);
    }

    [TestMethod]
    public void S11_ACowWriteThatWasFlushedIsThereAfterACrash()
    {
        using World w = WithClone();
        w.Fs.Flush();
        w.Write("/b", 20 * B, Repeat((byte)'n', B));
        w.Fs.Flush();
        w.CrashAndReopen();
        IsAll((byte)'n', w.Read("/b", 20 * B, B));
        IsAll((byte)'a', w.Read("/a"));
        Assert.AreEqual(new string('s', 20) + "p" + new string('s', 43), w.Picture("/b"));
    }

    /// <summary>File b, a clone of 20 MB, where so many blocks are free.</summary>
    private static World Full(int room)
    {
        World w = new(300);
        w.Fill("/a", 20 * 256, (byte)'a');
        w.Fs.Clone("/a", "/b");
        w.Fill("/private", 1, (byte)'p');
        using XfsFile filler = w.Fs.CreateFile("/filler");
        long filled = 0;
        for (long piece = 4 << 20; piece >= B;)
            try
            {
                filler.Allocate(filled, piece);
                filled += piece;
            }
            catch (XfsNoSpaceException)
            {
                piece /= 2;
            }
        filler.SetLength(filled - room * B);
        w.Fs.Flush();
        return w;
    }

    [TestMethod]
    [DataRow(5)]
    [DataRow(100)]
    [DataRow(250)]
    public void S15_AFullFileSystemRefusesTheCowWriteAndStillTakesPrivateOverwrites(int room)
    {
        using World w = Full(room);
        using (XfsFile b = w.Fs.OpenFile("/b", write: true))
        {
            b.Write(700 * B, Repeat((byte)'a', B));
            w.Fs.CollectCow();
            ulong free = w.Fs.Statistics.FreeBlocks;
            // In one extent, across a block that is private, and begun in the middle of a block.
            foreach (long offset in new long[] { 0, 512 * B, 1000 * B + 100 })
            {
                Assert.AreEqual(Errno.ENOSPC, ErrnoOf(() => b.Write(offset, Repeat((byte)'n', 256 * B))));
                IsAll((byte)'a', b.ReadAll());
                Assert.AreEqual(0, b.StagedBytes);
                Assert.AreEqual(free, w.Fs.Statistics.FreeBlocks);
            }
        }
        IsAll((byte)'a', w.Read("/a"));
        w.Write("/private", 0, Repeat((byte)'q', B));
        IsAll((byte)'q', w.Read("/private"));
        w.Fs.Clone("/private", "/cloned");
        w.Fs.DeleteFile("/filler");
        w.Write("/b", 0, Repeat((byte)'n', 256 * B));
        IsAll((byte)'n', w.Read("/b", 0, 256 * B));
        IsAll((byte)'a', w.Read("/a"));
    }

    [TestMethod]
    public void S15_WhatJustFitsIsWritten()
    {
        using World w = Full(300);
        w.Write("/b", 10 * B + 7, Repeat((byte)'n', 256 * B));
        IsAll((byte)'n', w.Read("/b", 10 * B + 7, 256 * B));
        IsAll((byte)'a', w.Read("/b", 0, 10 * B + 7));
        IsAll((byte)'a', w.Read("/b", 266 * B + 7, B));
        IsAll((byte)'a', w.Read("/a"));
    }

    [TestMethod]
    public void S16_NearbyCowWritesLandInOneReservationOf32Blocks()
    {
        using World w = WithClone();
        using XfsFile b = w.Fs.OpenFile("/b", write: true);
        b.Write(10 * B, Repeat((byte)'n', B));
        w.Fs.Flush();
        b.Write(12 * B, Repeat((byte)'n', B));
        w.Fs.Flush();
        List<FileExtent> moved = [.. b.GetExtents().Where(e => !e.Shared)];
        Assert.AreEqual(2, moved.Count);
        Assert.AreEqual(2 * B, moved[1].Physical - moved[0].Physical);
        Assert.AreEqual(30 * B, b.StagedBytes);
    }

    [TestMethod]
    public void S17_CowExtentSizeIsCheckedAndZeroClearsIt()
    {
        using World w = new(1024);
        using XfsFile file = w.Fs.CreateFile("/a");
        Assert.AreEqual(65536u, w.Fs.Geometry.AgBlocks);
        Assert.AreEqual(Errno.EINVAL, ErrnoOf(() => file.CowExtentSize = 5000));
        file.CowExtentSize = 134217728;
        Assert.AreEqual(Errno.EINVAL, ErrnoOf(() => file.CowExtentSize = 134217728 + B));
        Assert.AreNotEqual(InodeFlags2.None, w.Fs.GetEntry("/a").Flags2 & InodeFlags2.CowExtentSize);
        file.CowExtentSize = 0;
        Assert.AreEqual(InodeFlags2.None, w.Fs.GetEntry("/a").Flags2 & InodeFlags2.CowExtentSize);
    }

    [TestMethod]
    public void S18_StagingStandsInTheTreesWhileAFileIsOpenAndIsSweptAfterACrash()
    {
        using World w = WithClone();
        ulong free = w.Fs.Statistics.FreeBlocks;
        XfsFile b = w.Fs.OpenFile("/b", write: true);
        b.Write(20 * B, Repeat((byte)'n', B));
        w.Fs.Flush();
        Assert.AreEqual(31 * B, b.StagedBytes);
        Assert.IsTrue(ReferenceCounts.FirstStaged(w.Fs.Volume.Groups.Of(w.Fs.Geometry.FsBlockAt(b.GetExtents()[0].Physical)), out _, out uint length));
        Assert.IsTrue(length is 20 or 11, $"staged run of {length} blocks");
        Assert.AreEqual(64 * B, b.AllocatedBytes);
        Assert.AreEqual(64UL, w.Fs.Resolve("/b", false).Core.BlockCount.Value);
        // 20 and 43 blocks are shared still; 20 before the write and 11 behind it are staged, for nobody in particular.
        Assert.AreEqual("20s 1p 43s", string.Join(' ', b.GetExtents().Select(e => $"{e.Length / B}{(e.Shared ? 's' : 'p')}")));
        long written = b.GetExtents()[1].Physical;
        IReadOnlyList<ImageFs.Dax.BlockOwner> owners = w.Fs.FindOwners(written - 20 * B, 32 * B);
        CollectionAssert.AreEquivalent(new long[] { 20 * B, 11 * B }, owners.Where(o => o.Use == ImageFs.Dax.BlockUse.CowStaging).Select(o => o.Length).ToArray());
        w.CrashAndReopen();
        Assert.IsFalse(ReferenceCounts.FirstStaged(w.Fs.Volume.Groups[new AgNumber(0)], out _, out _));
        Assert.AreEqual(free - 1, w.Fs.Statistics.FreeBlocks);
        IsAll((byte)'n', w.Read("/b", 20 * B, B));
    }

    [TestMethod]
    public void S20_ClosingTheLastHandleFreesWhatIsStaged()
    {
        using World w = WithClone();
        ulong free = w.Fs.Statistics.FreeBlocks;
        using (XfsFile b = w.Fs.OpenFile("/b", write: true))
        {
            b.Write(20 * B, Repeat((byte)'n', B));
            Assert.AreEqual(free - 32, w.Fs.Statistics.FreeBlocks);
        }
        Assert.AreEqual(free - 1, w.Fs.Statistics.FreeBlocks);
    }

    [TestMethod]
    public void S22_AReservationIsUsedUpEvenIfNobodySharesAnyMore()
    {
        using World w = WithClone();
        using XfsFile b = w.Fs.OpenFile("/b", write: true);
        b.Write(20 * B, Repeat((byte)'n', B));
        w.Fs.DeleteFile("/a");
        b.Write(21 * B, Repeat((byte)'m', B));
        List<FileExtent> extents = [.. b.GetExtents()];
        FileExtent moved = extents.Single(e => e.Offset <= 20 * B && e.Offset + e.Length > 20 * B);
        Assert.IsTrue(moved.Offset + moved.Length >= 22 * B, "blocks 20 and 21 lie together");
        Assert.AreEqual(30 * B, b.StagedBytes);
        ulong free = w.Fs.Statistics.FreeBlocks;
        b.Dispose();
        Assert.AreEqual(free + 30, w.Fs.Statistics.FreeBlocks, "nothing leaks");
    }

    [TestMethod]
    public void S24_BothSidesOfACloneCarryTheFlagAndTruncatingToNothingClearsIt()
    {
        using World w = WithClone();
        using (XfsFile h = w.Fs.CreateFile("/h")) h.SetLength(64 * B);
        w.Fs.Clone("/h", "/e");
        foreach (string path in new[] { "/a", "/b", "/h", "/e" })
            Assert.AreNotEqual(InodeFlags2.None, w.Fs.GetEntry(path).Flags2 & InodeFlags2.Reflink, path);
        using (XfsFile b = w.Fs.OpenFile("/b", write: true)) b.SetLength(0);
        Assert.AreEqual(InodeFlags2.None, w.Fs.GetEntry("/b").Flags2 & InodeFlags2.Reflink);

        // That nobody shares any more need not be noticed, but unsharing looks.
        w.Fs.Clone("/a", "/b2");
        w.Write("/b2", 0, Repeat((byte)'n', 64 * B));
        w.Fs.DeleteFile("/b");
        w.Fs.Flush();
        foreach (string path in new[] { "/a", "/b2" })
        {
            for (int i = 0; i < 2; i++)
                using (XfsFile f = w.Fs.OpenFile(path, write: true)) f.UnshareRange(0, 64 * B);
            Assert.AreEqual(InodeFlags2.None, w.Fs.GetEntry(path).Flags2 & InodeFlags2.Reflink, path);
            Assert.AreEqual(new string('p', 64), w.Picture(path));
        }
    }

    /// <summary>Turns written blocks into unwritten ones whose old bytes are still on the disk, as fallocate finds them.</summary>
    internal static void MarkUnwritten(World w, string path, ulong from, uint blocks)
    {
        Inodes.Inode inode = w.Fs.Resolve(path, followLink: false);
        w.Fs.Volume.Map.TryFind(inode, Inodes.ForkKind.Data, new FileBlock(from), out Extent extent);
        w.Fs.Volume.Run(tx => w.Fs.Volume.Map.SetUnwritten(tx, inode, BlockMap.Slice(extent, new FileBlock(from), new FileBlock(from + blocks)), unwritten: true));
    }

    /// <summary>Counts reads of a range.</summary>
    private sealed class CountingDevice(BlockDevice below) : BlockDevice
    {
        private long _start, _end;
        public int Reads { get; private set; }
        public override long Length => below.Length;
        public override bool CanWrite => true;
        public void Watch(long offset, long length) => (_start, _end, Reads) = (offset, offset + length, 0);
        public override void Write(long offset, ReadOnlySpan<byte> source) => below.Write(offset, source);
        public override void Flush() => below.Flush();
        public override void Zero(long offset, long length) => below.Zero(offset, length);

        public override void Read(long offset, Span<byte> destination)
        {
            if (offset < _end && offset + destination.Length > _start) Reads++;
            below.Read(offset, destination);
        }
    }

    [TestMethod]
    public void ALongWriteBeginsInABlockThatWasReservedSinceItIsPrivate()
    {
        using World w = new();
        w.Fill("/a", 256, (byte)'a');
        w.Fs.Clone("/a", "/b");
        w.Fs.SetCowExtentSize("/b", 256 * B);
        using XfsFile b = w.Fs.OpenFile("/b", write: true);
        b.Write(31 * B, Repeat((byte)'p', B));
        b.Flush();
        w.Fs.CollectCow();
        b.PunchHole(32 * B, 48 * B);
        w.Fs.Flush();
        // In place, after which the block is known to be private; then a reservation is made for all blocks around it.
        b.Write(31 * B, Repeat((byte)'q', B));
        b.Write(100 * B, Repeat((byte)'r', B));
        b.Write(31 * B + 10, Repeat((byte)'n', 48 * B));
        Assert.AreEqual((byte)'q', w.Read("/b", 31 * B + 9, 1)[0]);
        IsAll((byte)'n', w.Read("/b", 31 * B + 10, 48 * B));
        IsAll((byte)'r', w.Read("/b", 100 * B, B));
        IsAll((byte)'a', w.Read("/b", 80 * B, 20 * B));
        IsAll((byte)'a', w.Read("/a"));
    }
}
