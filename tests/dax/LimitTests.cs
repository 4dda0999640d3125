using ImageFs.Extents;
using ImageFs.Format;
using ImageFs.Inodes;
using ImageFs.Tests.Fixtures;
using ImageFs.Transactions;
using static ImageFs.Tests.Fixtures.World;

namespace ImageFs.Tests.Dax;

/// <summary>The limits of extents and of their counters.</summary>
[TestClass]
public sealed class LimitTests
{
    [TestMethod]
    public void S95_WhatIsLongerThanAnExtentCanBeIsSeveral()
    {
        const long most = (long)Extent.MaxLength * B, length = 9L << 30;
        using World w = new(20 << 10, "-d", "agcount=1");
        using (XfsFile a = w.Fs.CreateFile("/a"))
        {
            a.Allocate(0, length);
            Assert.AreEqual(2, a.GetExtents().Count);
            Assert.AreEqual(most, a.GetExtents()[0].Length);
            // Written by decree: nobody wants to wait for nine gigabytes.
            Inode inode = w.Fs.Resolve("/a", false);
            foreach (FileBlock at in new[] { default(FileBlock), new FileBlock(Extent.MaxLength) })
            {
                Assert.IsTrue(w.Fs.Volume.Map.TryFind(inode, ForkKind.Data, at, out Extent extent));
                w.Fs.Volume.Run(tx => w.Fs.Volume.Map.SetUnwritten(tx, inode, extent, unwritten: false));
            }
        }
        w.Fs.Clone("/a", "/b");
        IReadOnlyList<FileExtent> shared = w.Extents("/b");
        Assert.AreEqual(length, shared.Sum(e => e.Length));
        Assert.IsTrue(shared.All(e => e.Shared && e.Length <= most));
        w.Write("/b", most - 10, Repeat((byte)'!', 20));
        IsAll((byte)'!', w.Read("/b", most - 10, 20));
        IsAll(0, w.Read("/a", most - 10, 20));
        using XfsFile b = w.Fs.OpenFile("/b", write: true);
        b.CollapseRange(B, B);
        Assert.IsTrue(b.GetExtents().All(e => e.Length <= most));
    }

    [TestMethod]
    [DataRow("nrext64=0")]
    [DataRow("nrext64=1")]
    public void S95_AFileWithoutRoomForAnotherExtentRefusesWhatNeedsOneAndStaysAsItIs(string counters)
    {
        using World w = new(300, "-i", counters);
        w.Fill("/source", 64, (byte)'s');
        using (XfsFile f = w.Fs.CreateFile("/f"))
            for (int i = 0; i < 40; i++) f.Write(i * 8L * B, Repeat((byte)'f', 4 * B));
        w.Fs.Clone("/f", "/g");
        string before = w.Picture("/f");
        byte[] bytes = w.Read("/f");
        Inode inode = w.Fs.Resolve("/f", false);
        ulong count = inode.Core.ExtentCount;
        Assert.AreEqual(ForkFormat.Btree, inode.Core.Format);
        // The counter is full, whatever it counts; nothing of this is flushed.
        void SetCount(ulong value) => w.Fs.Volume.Run(tx => inode.Modify(tx).ExtentCount = value);
        SetCount(inode.Core.MaxExtents);
        using (XfsFile f = w.Fs.OpenFile("/f", write: true), source = w.Fs.OpenFile("/source"))
        {
            Assert.AreEqual(Errno.EFBIG, ErrnoOf(() => f.Write(B, Repeat((byte)'!', B))), "copy-on-write in the middle of an extent");
            Assert.AreEqual(Errno.EFBIG, ErrnoOf(() => f.CloneRange(source, 0, 5 * B, B)), "clone into a hole");
            Assert.AreEqual(Errno.EFBIG, ErrnoOf(() => f.PunchHole(B, B)), "a hole in an extent");
            Assert.AreEqual(Errno.EFBIG, ErrnoOf(() => f.InsertRange(B, B)), "an extent cut in two");
            Assert.AreEqual(Errno.EFBIG, ErrnoOf(() => f.Allocate(5 * B, B)), "blocks in a hole");
            Assert.AreEqual(0, f.StagedBytes % B);
        }
        SetCount(count);
        Assert.AreEqual(before, w.Picture("/f"));
        CollectionAssert.AreEqual(bytes, w.Read("/f"));
        CollectionAssert.AreEqual(bytes, w.Read("/g"));
    }

    /// <summary>An inode of before the feature: what would overflow its counters makes them larger, in the same transaction.</summary>
    [TestMethod]
    [DataRow(false)]
    [DataRow(true)]
    public void S95_SmallExtentCountersGrowWhereTheFileSystemHasLargeOnes(bool ofAttributes)
    {
        ForkKind kind = ofAttributes ? ForkKind.Attribute : ForkKind.Data;
        using World w = OnFile();
        using (XfsFile f = w.Fs.CreateFile("/f"))
            for (int i = 0; i < 40; i++) f.Write(i * 2L * B, Repeat((byte)'f', B));
        w.Fs.SetAttribute("/f", "user.first", Repeat((byte)'1', 3000));
        Inode inode = w.Fs.Resolve("/f", false);
        (ulong data, uint attributes) = (inode.Core.ExtentCount, inode.Core.AttrExtentCount);
        Assert.IsGreaterThan(0u, attributes);
        // The counter that is to overflow is full, whatever it counts.
        void Fill(Transaction tx)
        {
            ref InodeCore core = ref inode.Modify(tx);
            core.Flags2 &= ~InodeFlags2.LargeExtentCounters;
            core.BigExtentCount = 0;
            core.ExtentCount = kind == ForkKind.Data ? core.MaxExtents : data;
            core.AttrExtentCount = kind == ForkKind.Attribute ? core.MaxAttrExtents : attributes;
        }
        if (kind == ForkKind.Data)
        {
            w.Fs.Volume.Run(Fill);
            using (XfsFile f = w.Fs.OpenFile("/f", write: true)) f.Write(101L * 2 * B, Repeat((byte)'n', B));
            w.Fs.Volume.Run(tx => inode.Modify(tx).ExtentCount -= int.MaxValue - data);
        }
        else
            // A list in the inode cannot have as many as the counter says: nobody must see it meanwhile.
            w.Fs.Volume.Run(tx =>
            {
                Fill(tx);
                inode.AddExtents(tx, kind, 1);
                Assert.AreEqual(short.MaxValue + 1u, inode.Core.AttrExtentCount);
                inode.Modify(tx).AttrExtentCount = attributes;
            });
        Assert.IsTrue(inode.Core.Has(InodeFlags2.LargeExtentCounters));
        Assert.AreEqual(attributes, inode.Core.AttrExtentCount);
        Assert.AreEqual(kind == ForkKind.Data ? data + 1 : data, inode.Core.ExtentCount);
        w.AskTheKernel(mount => Assert.AreEqual(3000, Posix.AttributeValue(Posix.Bytes(mount["f"]), "user.first"u8.ToArray()).Length));
        Assert.AreEqual(kind == ForkKind.Data ? 41 : 40, w.Extents("/f").Count);
    }

    [TestMethod]
    [DataRow(1024)]
    [DataRow(4096)]
    [DataRow(65536)]
    public void TheLastByteAFileCanHaveIsWrittenReadSharedAndFreed(int block)
    {
        const long last = long.MaxValue - 1;
        using World w = new(1024, "-b", $"size={block}");
        ulong free = w.Fs.Statistics.FreeBlocks;
        using (XfsFile f = w.Fs.CreateFile("/f"), g = w.Fs.CreateFile("/g"))
        {
            f.Write(last, [7]);
            Assert.AreEqual(long.MaxValue, f.Length);
            byte[] bytes = new byte[10];
            Assert.AreEqual(3, f.Read(last - 2, bytes));
            CollectionAssert.AreEqual(new byte[] { 0, 0, 7 }, bytes[..3]);
            foreach (Action action in new Action[]
            {
                () => f.Write(last, [1, 2]), () => f.Write(long.MaxValue, [1]), () => f.Allocate(last, 2),
                () => f.InsertRange(0, block), () => f.ZeroRange(last, 2),
            })
                Assert.AreEqual(Errno.EFBIG, ErrnoOf(action));
            f.PunchHole(last - 100_000, 1000);
            f.ZeroRange(last - 200_000, 150_000);
            f.Allocate(last - 300_000, 300_001);
            g.CloneRange(f, 0, 0, 0);
            Assert.AreEqual(long.MaxValue, g.Length);
            g.Write(last, [8]);
            g.Flush();
            Assert.AreEqual(1, f.Read(last, bytes));
            Assert.AreEqual(7, bytes[0]);
            Assert.AreEqual(1, g.Read(last, bytes));
            Assert.AreEqual(8, bytes[0]);
            long tail = long.MaxValue / block * block;
            Assert.AreEqual(last, f.SeekData(last));
            f.ExchangeRange(g, tail, tail, 0, ExchangeOptions.ToEnd);
            Assert.AreEqual(1, f.Read(last, bytes));
            Assert.AreEqual(8, bytes[0]);
            f.SetLength(long.MaxValue - 5);
            f.SetLength(long.MaxValue);
            Assert.AreEqual(1, f.Read(last, bytes));
            Assert.AreEqual(0, bytes[0]);
            f.UnshareRange(0, long.MaxValue, onlyShared: true);
        }
        w.CheckClean();
        w.Fs.DeleteFile("/f");
        w.Fs.DeleteFile("/g");
        Assert.AreEqual(free, w.Fs.Statistics.FreeBlocks);
    }

    [TestMethod]
    public void AnExchangeTheLogHasNoRoomForIsRefused()
    {
        using World w = new(300);
        ulong most = w.Fs.Volume.MostExtentsAtOnce / 4;
        Assert.IsGreaterThan(100UL, most);
        using XfsFile a = w.Fs.CreateFile("/a"), b = w.Fs.CreateFile("/b");
        byte[] one = [1];
        for (ulong i = 0; i <= most; i++) a.Write((long)i * 2 * B, one);
        b.SetLength(a.Length);
        Assert.AreEqual(Errno.EFBIG, ErrnoOf(() => b.ExchangeRange(a, 0, 0, 0, ExchangeOptions.ToEnd)));
        IsAll(0, w.Read("/b", 0, B));
        b.ExchangeRange(a, 0, 0, (long)most * B);
        Assert.AreEqual(1, w.Read("/b", 0, 1)[0]);
    }
}
