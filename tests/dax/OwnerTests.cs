using ImageFs.Dax;
using ImageFs.Devices;
using ImageFs.Format;
using ImageFs.Tests.Fixtures;
using static ImageFs.Tests.Fixtures.World;

namespace ImageFs.Tests.Dax;

/// <summary>From blocks back to whom they belong. Scenario numbers stand in the names.</summary>
[TestClass]
public sealed class OwnerTests
{
    /// <summary>Block 5 of /a, block 9 of /b and block 0 of /c are one block.</summary>
    private static long ShareOneBlock(World w)
    {
        w.Fill("/a", 16, (byte)'a');
        w.Fill("/b", 16, (byte)'b');
        w.Fill("/c", 16, (byte)'c');
        using XfsFile a = w.Fs.OpenFile("/a"), b = w.Fs.OpenFile("/b", write: true), c = w.Fs.OpenFile("/c", write: true);
        b.CloneRange(a, 5 * B, 9 * B, B);
        c.CloneRange(a, 5 * B, 0, B);
        return a.GetExtents().Single(e => e.Shared).Physical;
    }

    private static InodeNumber Number(World w, string path) => w.Fs.GetEntry(path).Inode;

    [TestMethod]
    public void S44_EveryOwnerOfABlockIsFoundWithItsOffset()
    {
        using World w = new();
        long shared = ShareOneBlock(w);
        BlockOwner[] expected =
        [
            new(BlockUse.Data, Number(w, "/a"), shared, B, 5 * B, false),
            new(BlockUse.Data, Number(w, "/b"), shared, B, 9 * B, false),
            new(BlockUse.Data, Number(w, "/c"), shared, B, 0, false),
        ];
        CollectionAssert.AreEquivalent(expected, w.Fs.FindOwners(shared + 17, 1).ToArray());

        using XfsFile b = w.Fs.OpenFile("/b", write: true);
        b.Write(9 * B, [1]);
        FileExtent moved = b.GetExtents().Single(e => e.Offset <= 9 * B && e.Offset + e.Length > 9 * B);
        long staged = moved.Physical + (9 * B - moved.Offset) + B;
        BlockOwner staging = w.Fs.FindOwners(staged, B).Single();
        Assert.AreEqual((BlockUse.CowStaging, false), (staging.Use, staging.IsInode));
        Assert.AreEqual(2, w.Fs.FindOwners(shared, B).Count);

        using XfsFile many = w.Fs.CreateFile("/many");
        for (int i = 0; i < 200; i++) many.Write(2L * i * B, [(byte)i]);
        Assert.AreEqual(ForkFormat.Btree, w.Fs.GetEntry("/many").DataFormat);
        BlockOwner[] all = [.. w.Fs.FindOwners(0, w.Fs.Geometry.DeviceBytes)];
        Assert.AreEqual(1, all.Count(o => o.Use == BlockUse.BlockMap && o.Inode == many.Inode));
        Assert.AreEqual(200L * B, all.Where(o => o.Use == BlockUse.Data && o.Inode == many.Inode).Sum(o => o.Length));
        foreach (BlockUse use in new[] { BlockUse.Headers, BlockUse.Log, BlockUse.FreeSpaceBtrees, BlockUse.InodeBtrees, BlockUse.Inodes, BlockUse.RefcountBtree })
            Assert.IsTrue(all.Any(o => o.Use == use && !o.IsInode), $"{use}");
        Assert.IsFalse(all.Any(o => o.Use == BlockUse.Unknown));
    }

    [TestMethod]
    public void WithoutTheReverseMapOnlyAScanOfAllInodesTells()
    {
        using World w = new(300, "-m", "rmapbt=0");
        long shared = ShareOneBlock(w);
        Assert.AreEqual(Errno.EOPNOTSUPP, ErrnoOf(() => w.Fs.FindOwners(shared, B)));
        BlockOwner[] expected =
        [
            new(BlockUse.Data, Number(w, "/a"), shared, B, 5 * B, false),
            new(BlockUse.Data, Number(w, "/b"), shared, B, 9 * B, false),
            new(BlockUse.Data, Number(w, "/c"), shared, B, 0, false),
        ];
        CollectionAssert.AreEquivalent(expected, w.Fs.FindOwners(shared, B, scan: true).ToArray());
    }

    [TestMethod]
    public void S45_ABadBlockHitsAllWhoShareItAndNobodyElse()
    {
        using World w = new();
        long shared = ShareOneBlock(w);
        InodeNumber[] hit = [Number(w, "/a"), Number(w, "/b"), Number(w, "/c")];
        w.Fs.Dispose();
        using (FileSystem fs = FileSystem.Open(new BadDevice(w.Device, shared, 512), write: false, leaveOpen: true))
        {
            using (XfsFile a = fs.OpenFile("/a")) Assert.AreEqual(Errno.EIO, ErrnoOf(() => a.ReadAll()));
            CollectionAssert.AreEquivalent(hit, fs.FindDamage(shared - 4 * B, 10 * B).Select(o => o.Inode!.Value).ToArray());
            CollectionAssert.AreEquivalent(hit, fs.FindDamage(0, fs.Geometry.DeviceBytes).Select(o => o.Inode!.Value).ToArray());
            Assert.AreEqual(0, fs.FindDamage(shared + B, B).Count);
        }
        w.CheckClean();
    }

    /// <summary>A device with a bad spot.</summary>
    private sealed class BadDevice(BlockDevice below, long bad, long length) : BlockDevice
    {
        public override long Length => below.Length;
        public override bool CanWrite => false;
        public override void Write(long offset, ReadOnlySpan<byte> source) => throw new XfsException(Errno.EROFS, "read only");
        public override void Flush() { }

        public override void Read(long offset, Span<byte> destination)
        {
            if (offset < bad + length && offset + destination.Length > bad) throw new XfsException(Errno.EIO, $"simulated device: byte {bad} cannot be read");
            below.Read(offset, destination);
        }
    }
}
