using ImageFs.Allocation;
using ImageFs.BTrees;
using ImageFs.Dax;
using ImageFs.Extents;
using ImageFs.Format;
using ImageFs.Tests.Fixtures;
using ImageFs.Transactions;
using static ImageFs.Tests.Fixtures.World;

namespace ImageFs.Tests.Dax;

/// <summary>Rules of clone, dedupe and their kin beyond the single range: which error wins, what else changes, what is durable.</summary>
[TestClass]
public sealed class RemapRuleTests
{
    /// <summary>Each call breaks several rules; the first in the order of vfs and XFS is the one that is told.</summary>
    [TestMethod]
    public void OfSeveralErrorsTheKernelsFirstOneIsTold()
    {
        using World w = WithClone(), other = WithClone();
        w.Fill("/k", 16, (byte)'k');
        using XfsFile a = w.Fs.OpenFile("/a", write: true), readOnly = w.Fs.OpenFile("/b"), k = w.Fs.OpenFile("/k", write: true), foreign = other.Fs.OpenFile("/a");
        Assert.AreEqual(Errno.EXDEV, ErrnoOf(() => readOnly.CloneRange(foreign, 1, -1, 5)), "another image, before the handle");
        Assert.AreEqual(Errno.EBADF, ErrnoOf(() => readOnly.CloneRange(a, 1, -1, 5)), "the handle, before the range");
        w.Fs.SetFlags("/k", set: InodeFlags.Immutable);
        Assert.AreEqual(Errno.EINVAL, ErrnoOf(() => k.CloneRange(a, 0, -1, B)), "a negative offset, before the flag");
        Assert.AreEqual(Errno.EPERM, ErrnoOf(() => k.CloneRange(a, 1, 5, 7)), "the flag, before the alignment");
        w.Fs.SetFlags("/k", clear: InodeFlags.Immutable);
        using (k.Seal())
        {
            Assert.AreEqual(Errno.ETXTBSY, ErrnoOf(() => k.CloneRange(a, 1, 5, 7)), "the seal, before the alignment");
            using XfsFile reader = w.Fs.OpenFile("/k");
            foreach (Action<XfsFile> change in new Action<XfsFile>[]
            {
                f => f.CloneRange(a, 0, 0, B), f => f.CopyRange(a, 0, 0, B), f => f.PunchHole(0, B), f => f.SetLength(0),
                f => f.UnshareRange(0, B, onlyShared: true), f => f.ExchangeRange(a, 0, 0, B), f => a.ExchangeRange(f, 0, 0, B), f => f.Write(0, [1]),
            })
                Assert.AreEqual(Errno.EBADF, ErrnoOf(() => change(reader)), "the handle, before the seal");
        }
    }

    /// <summary>The last block of the destination holds bytes behind its end that a truncate never cleared: the clone brings them into sight.</summary>
    [TestMethod]
    [DataRow(false)]
    [DataRow(true)]
    public void WhatLiesBetweenTheOldEndAndAClonedRangeReadsAsZeros(bool shared)
    {
        using World w = OnFile();
        w.Fill("/a", 8, (byte)'a');
        w.Fill("/b", 8, 0xEE);
        if (shared) w.Fs.Clone("/b", "/other");
        // As a kernel leaves it that has mapped the file: nobody has cleared what is behind the end.
        w.Fs.Volume.Run(tx => w.Fs.Resolve("/b", false).Modify(tx).FileSize = 3 * B + 5);
        using (XfsFile a = w.Fs.OpenFile("/a"), b = w.Fs.OpenFile("/b", write: true)) b.CloneRange(a, 0, 20 * B, 2 * B);
        Assert.AreEqual(22 * B, w.Fs.GetEntry("/b").Length);
        byte[] bytes = w.Read("/b");
        IsAll(0xEE, bytes.AsSpan(0, 3 * B + 5));
        IsAll(0, bytes.AsSpan(3 * B + 5, 20 * B - 3 * B - 5));
        IsAll((byte)'a', bytes.AsSpan(20 * B));
        if (shared) IsAll(0xEE, w.Read("/other"));
    }

    [TestMethod]
    public void ACloneIsDurableOnReturnIfAskedTo()
    {
        using World w = WithClone();
        w.Fill("/k", 64, (byte)'k');
        w.Fs.Flush();
        using (XfsFile a = w.Fs.OpenFile("/a", write: true), k = w.Fs.OpenFile("/k", write: true))
        {
            // Bytes of the source that are not durable yet must not be missing from what shares them.
            a.Write(3 * B, Repeat((byte)'!', B));
            k.CloneRange(a, 0, 0, 0, sync: SyncMode.Data);
            k.CloneRange(a, 0, 64 * B, 0);
        }
        w.CrashAndReopen();
        byte[] bytes = w.Read("/k");
        Assert.HasCount(64 * B, bytes, "the second one was not asked to be");
        IsAll((byte)'a', bytes.AsSpan(0, 3 * B));
        IsAll((byte)'!', bytes.AsSpan(3 * B, B));
        IsAll((byte)'a', bytes.AsSpan(4 * B));
    }

    /// <summary>A call that is refused leaves capabilities alone; one that changes contents takes them away. As the kernel does both.</summary>
    [TestMethod]
    public void OnlyWhatChangesContentsCostsAFileItsCapabilities()
    {
        byte[] capability = Convert.FromHexString("0100000200040000000000000000000000000000");
        const string name = "security.capability";
        using TempImage image = Ranges.NewImage();
        Ranges.Make(image, out TempImage? copy);
        Dictionary<string, bool> ours = [], kernels = [];
        using (FileSystem fs = FileSystem.Open(image.Path, write: true))
        using (XfsFile f = fs.OpenFile("/f"), g = fs.OpenFile("/g", write: true))
            foreach ((string what, Action<XfsFile, XfsFile> ourCall, _) in Calls)
            {
                fs.SetAttribute("/g", name, capability);
                try
                {
                    ourCall(g, f);
                }
                catch (XfsException) { }
                ours[what] = fs.ListAttributes("/g").Any(a => a.Name == name);
            }
        OurFsck.AssertClean(image.Path);
        Assert.IsTrue(ours.ContainsValue(true) && ours.ContainsValue(false));
        if (copy is null) return;
        using (copy)
        using (KernelMount mount = KernelMount.ReadWrite(copy.Path, Ranges.MountOptions))
        using (PosixFile f = new(mount["f"]), g = new(mount["g"]))
            foreach ((string what, _, Func<PosixFile, PosixFile, int> kernelCall) in Calls)
            {
                Assert.AreEqual(0, Posix.SetAttribute(Posix.Bytes(mount["g"]), "security.capability"u8, capability));
                kernelCall(g, f);
                kernels[what] = Posix.AttributeNames(Posix.Bytes(mount["g"])).Any(n => n.AsSpan().SequenceEqual("security.capability"u8));
            }
        foreach ((string what, bool kept) in kernels) Assert.AreEqual(kept, ours[what], $"{what}: capabilities kept by the kernel");
    }

    private static (string, Action<XfsFile, XfsFile>, Func<PosixFile, PosixFile, int>)[] Calls =>
    [
        ("clone, unaligned", (g, f) => g.CloneRange(f, 0, 1, B), (g, f) => g.CloneRange(f, 0, 1, B)),
        ("clone, past the end", (g, f) => g.CloneRange(f, 0, 0, 1 << 30), (g, f) => g.CloneRange(f, 0, 0, 1 << 30)),
        ("clone of nothing", (g, f) => g.CloneRange(f, 16 * B, 0, 0), (g, f) => g.CloneRange(f, 16 * B, 0, 0)),
        ("clone", (g, f) => g.CloneRange(f, 0, 0, B), (g, f) => g.CloneRange(f, 0, 0, B)),
        ("copy of nothing", (g, f) => g.CopyRange(f, 0, 0, 0), (g, f) => g.CopyRange(f, 0, 0, 0, out _)),
        ("copy", (g, f) => g.CopyRange(f, 0, 0, 100), (g, f) => g.CopyRange(f, 0, 0, 100, out _)),
        ("dedupe", (g, f) => g.DedupeRange(f, 0, 0, B), (g, f) => f.DedupeRange(0, B, [(g, 0)], out _)),
        ("punch, without keep size", (g, _) => g.Fallocate(FallocateMode.PunchHole, 0, B), (g, _) => g.Allocate(2, 0, B)),
        ("allocate, beyond the largest file", (g, _) => g.Allocate(long.MaxValue - 5, 20), (g, _) => g.Allocate(0, long.MaxValue - 5, 20)),
        ("collapse, unaligned", (g, _) => g.CollapseRange(1, B), (g, _) => g.Allocate(8, 1, B)),
        ("punch", (g, _) => g.PunchHole(0, B), (g, _) => g.Allocate(3, 0, B)),
        ("truncate", (g, _) => g.SetLength(16 * B), (g, _) => g.Truncate(16 * B)),
        ("exchange, unaligned", (g, f) => g.ExchangeRange(g, 0, 5, B), (g, f) => g.ExchangeRange(g, 0, 5, B, 0)),
        ("exchange", (g, f) => g.ExchangeRange(g, 0, 8 * B, B), (g, f) => g.ExchangeRange(g, 0, 8 * B, B, 0)),
        ("write of nothing", (g, _) => g.Write(0, []), (g, _) => Write(g, 0)),
        ("write", (g, _) => g.Write(0, [1]), (g, _) => Write(g, 1)),
    ];

    private static int Write(PosixFile file, int length)
    {
        file.Write(0, new byte[length]);
        return 0;
    }

    /// <summary>Four billion owners cannot be made; that many can be counted. From there the count stays: it is not known any more.</summary>
    [TestMethod]
    public void ACountOfOwnersThatIsFullStaysFull()
    {
        using World w = WithClone();
        FsBlock start = w.Fs.Geometry.FsBlockAt(w.Extents("/a")[0].Physical);
        AllocationGroup group = w.Fs.Volume.Groups.Of(start);
        AgBlock block = w.Fs.Geometry.BlockInAg(start);
        Set(RefcountRecord.MaxRefcount - 1);
        Change(ReferenceCounts.Increase);
        Assert.AreEqual(RefcountRecord.MaxRefcount, Count());
        Change(ReferenceCounts.Increase);
        Assert.AreEqual(RefcountRecord.MaxRefcount, Count());
        Change((tx, g, at, length) => ReferenceCounts.Decrease(tx, g, at, length, []));
        Assert.AreEqual(RefcountRecord.MaxRefcount, Count());
        Set(2);

        void Change(Action<Transaction, AllocationGroup, AgBlock, uint> change) => w.Fs.Volume.Run(tx => change(tx, group, block, 64));
        void Set(uint owners) => w.Fs.Volume.Run(tx =>
        {
            BtreeCursor<RefcountbtKind, RefcountRecord, BigEndian32> cursor = group.Counts(tx);
            Assert.IsTrue(cursor.Seek(block.Value, SeekMode.Equal));
            RefcountRecord record = cursor.Current;
            record.Refcount = owners;
            cursor.Update(record);
        });
        uint Count()
        {
            BtreeCursor<RefcountbtKind, RefcountRecord, BigEndian32> cursor = new(group.Refcountbt);
            Assert.IsTrue(cursor.Seek(block.Value, SeekMode.Equal));
            return cursor.Current.Refcount.Value;
        }
    }
}
