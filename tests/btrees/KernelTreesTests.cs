using System.Globalization;
using ImageFs.Allocation;
using ImageFs.BTrees;
using ImageFs.Devices;
using ImageFs.Extents;
using ImageFs.Format;
using ImageFs.Inodes;
using ImageFs.Metadata;
using ImageFs.Tests.Fixtures;

namespace ImageFs.Tests.BTrees;

/// <summary>Trees that the kernel grew and shrank: the engine is strict, and must not be stricter than the kernel is careful.</summary>
[TestClass]
public sealed class KernelTreesTests
{
    private static TRecord[] All<TKind, TRecord, TKey>(BtreeHome home, bool backward = false)
        where TKind : struct, IBtreeKind<TRecord, TKey>
        where TRecord : unmanaged
        where TKey : unmanaged
    {
        List<TRecord> records = [];
        BtreeCursor<TKind, TRecord, TKey> cursor = new(home);
        if (backward)
        {
            for (bool more = cursor.Last(); more; more = cursor.Previous()) records.Add(cursor.Current);
            records.Reverse();
        }
        else
            for (bool more = cursor.First(); more; more = cursor.Next()) records.Add(cursor.Current);
        foreach (TRecord record in records)
            Assert.IsTrue(cursor.Seek(TKind.KeyOf(record), SeekMode.Equal), $"{TKind.Block.Name()}: a record is not found by its key");
        return [.. records];
    }

    private static TRecord[] BothWays<TKind, TRecord, TKey>(BtreeHome home)
        where TKind : struct, IBtreeKind<TRecord, TKey>
        where TRecord : unmanaged
        where TKey : unmanaged
    {
        TRecord[] forward = All<TKind, TRecord, TKey>(home), backward = All<TKind, TRecord, TKey>(home, backward: true);
        CollectionAssert.AreEqual(forward, backward);
        return forward;
    }

    /// <summary>Commands for xfs_io: every second block of a stretch of a file, beginning at a block.</summary>
    private static string Punch(int from, int count, int block) =>
        $"awk 'BEGIN {{ for (i = 0; i < {count}; i++) print \"fpunch\", {from * block} + i * {2 * block}, {block} }}' | xfs_io";

    [TestMethod]
    public void EveryTreeOfAnImageTheKernelFragmentedIsWalkedWithoutComplaint()
    {
        const int Block = 1024;
        using TempImage image = TempImage.MadeByMkfs(256L << 20, "-b", $"size={Block}", "-d", "agcount=2", "-m", "reflink=1,rmapbt=1");
        ulong inode;
        using (KernelMount mount = KernelMount.ReadWrite(image.Path))
        {
            // Thousands of holes and shared islands, then some of it taken back: trees that have grown and shrunk.
            mount.Run("mkdir d; i=0; while [ $i -lt 6000 ]; do echo $i > d/f$i; i=$((i+1)); done; xfs_io -f -c 'falloc 0 48m' -c 'pwrite -q 0 24m' big");
            mount.Run($"{Punch(0, 20000, Block)} big; cp --reflink=always big clone; {Punch(1, 6000, Block)} clone");
            mount.Run("i=0; while [ $i -lt 6000 ]; do [ $((i % 7)) -eq 0 ] || rm d/f$i; i=$((i+1)); done; xfs_io -c 'truncate 30m' big");
            inode = ulong.Parse(mount.Run("stat -c %i big"), CultureInfo.InvariantCulture);
        }

        using FileDevice device = FileDevice.Open(image.Path, DeviceAccess.Read);
        byte[] sector = new byte[512];
        device.Read(0, sector);
        Geometry g = new(Superblock.At(sector.AsSpan()));
        AllocationGroups groups = new(new MetadataCache(device, g));
        int highest = 0, records = 0;
        for (uint ag = 0; ag < g.AgCount; ag++)
        {
            AllocationGroup group = groups[new AgNumber(ag)];
            FreeSpaceRecord[] byPlace = BothWays<BnobtKind, FreeSpaceRecord, FreeSpaceRecord>(group.Bnobt);
            FreeSpaceRecord[] bySize = BothWays<CntbtKind, FreeSpaceRecord, FreeSpaceRecord>(group.Cntbt);
            Assert.AreEqual((long)group.Agf.FreeBlocks.Value, byPlace.Sum(r => r.Count.Value));
            CollectionAssert.AreEqual(byPlace, bySize.OrderBy(r => r.Start.Value).ToArray());

            InodeChunkRecord[] chunks = BothWays<InobtKind, InodeChunkRecord, BigEndian32>(group.Inobt);
            InodeChunkRecord[] free = BothWays<FinobtKind, InodeChunkRecord, BigEndian32>(group.Finobt);
            Assert.AreEqual((long)group.Agi.Count.Value, chunks.Sum(c => c.Count));
            CollectionAssert.AreEqual(chunks.Where(c => c.FreeCount > 0).ToArray(), free);

            RefcountRecord[] shared = BothWays<RefcountbtKind, RefcountRecord, BigEndian32>(group.Refcountbt);
            RmapRecord[] owners = BothWays<RmapbtKind, RmapRecord, RmapKey>(group.Rmapbt);
            AssertRanges(group.Rmapbt, owners, g.AgLength(new AgNumber(ag)));
            highest = Math.Max(highest, group.Rmapbt.Levels);
            records += byPlace.Length + shared.Length + owners.Length;
        }
        BmbtHome fork = new(groups, new Inode(groups.Cache, new InodeNumber(inode)), ForkKind.Data);
        PackedExtent[] extents = BothWays<BmbtKind, PackedExtent, BigEndian64>(fork);
        Assert.IsTrue(highest >= 3, $"the rmapbt has {highest} levels");
        Assert.IsTrue(fork.Levels >= 3 && extents.Length > 10000, $"{extents.Length} extents in {fork.Levels} levels");
        Console.WriteLine($"{records} records, {extents.Length} extents");
    }

    /// <summary>Who owns a block: the range query against looking at all records.</summary>
    private static void AssertRanges(BtreeHome home, RmapRecord[] all, uint blocks)
    {
        Random random = new(3);
        BtreeCursor<RmapbtKind, RmapRecord, RmapKey> cursor = new(home);
        for (int i = 0; i < 300; i++)
        {
            uint block = (uint)random.NextInt64(blocks);
            RmapKey low = new() { Start = block }, high = new() { Start = block, Owner = ulong.MaxValue, Offset = ulong.MaxValue };
            List<RmapRecord> found = [];
            for (bool more = cursor.FirstMeeting(low, high); more; more = cursor.NextMeeting(low, high)) found.Add(cursor.Current);
            CollectionAssert.AreEqual(all.Where(r => r.Start <= block && block - r.Start < r.Count).ToList(), found, $"block {block}");
        }
    }
}
