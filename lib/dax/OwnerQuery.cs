using System.Numerics;
using ImageFs.Allocation;
using ImageFs.BTrees;
using ImageFs.Extents;
using ImageFs.Format;
using ImageFs.Inodes;

namespace ImageFs.Dax;

/// <summary>Finds out who owns blocks: from the rmapbt, or where there is none by asking every inode. Under the gate.</summary>
internal static class OwnerQuery
{
    /// <summary>Every owner of a run inside one group, in the order of the rmapbt, cut to the run.</summary>
    public static List<BlockOwner> FromRmapbt(Volume volume, AllocationGroup group, AgBlock start, uint length)
    {
        List<BlockOwner> owners = [];
        uint from = start.Value, end = from + length;
        RmapKey low = new() { Start = from }, high = new() { Start = end - 1, Owner = ulong.MaxValue, Offset = ulong.MaxValue };
        BtreeQuery.Range<RmapbtKind, RmapRecord, RmapKey>(group.Rmapbt, low, high, (in RmapRecord record) =>
        {
            uint first = Math.Max(from, record.Start), behind = (uint)Math.Min(end, (ulong)record.Start + record.Count);
            if (first < behind) owners.Add(Owner(volume, group, record, first, behind));
            return true;
        });
        return owners;
    }

    private static BlockOwner Owner(Volume volume, AllocationGroup group, in RmapRecord record, uint first, uint behind)
    {
        int log = volume.Geometry.BlockLog;
        ulong offset = record.Offset;
        long physical = volume.Geometry.ByteOffset(group.Number, new AgBlock(first)), bytes = (long)(behind - first) << log;
        if (!RmapOwner.IsInode(record.Owner)) return new(UseOf(record.Owner), null, physical, bytes, 0, false);
        InodeNumber inode = new(record.Owner);
        if ((offset & RmapFlags.BmbtBlock) != 0) return new(BlockUse.BlockMap, inode, physical, bytes, 0, false);
        long at = (long)((offset & RmapFlags.OffsetMask) + (first - record.Start)) << log;
        return new((offset & RmapFlags.AttributeFork) != 0 ? BlockUse.Attributes : BlockUse.Data, inode, physical, bytes, at, (offset & RmapFlags.Unwritten) != 0);
    }

    private static BlockUse UseOf(ulong owner) => owner switch
    {
        RmapOwner.FileSystem => BlockUse.Headers,
        RmapOwner.Log => BlockUse.Log,
        RmapOwner.AllocationGroup => BlockUse.FreeSpaceBtrees,
        RmapOwner.InodeBtree => BlockUse.InodeBtrees,
        RmapOwner.Inodes => BlockUse.Inodes,
        RmapOwner.Refcount => BlockUse.RefcountBtree,
        RmapOwner.Cow => BlockUse.CowStaging,
        _ => BlockUse.Unknown,
    };

    /// <summary>
    /// The files that own a part of a run, from the block maps of all inodes: slow, and it finds only what forks map, no metadata
    /// of groups and no blocks of bmbts.
    /// </summary>
    public static List<BlockOwner> FromInodes(Volume volume, long physical, long length, CancellationToken cancellation)
    {
        List<BlockOwner> owners = [];
        Geometry g = volume.Geometry;
        for (uint ag = 0; ag < g.AgCount; ag++)
        {
            AllocationGroup group = volume.Groups[new AgNumber(ag)];
            BtreeCursor<InobtKind, InodeChunkRecord, BigEndian32> cursor = new(group.Inobt);
            for (bool more = cursor.First(); more; more = cursor.Next())
            {
                cancellation.ThrowIfCancellationRequested();
                volume.Cache.Trim();
                InodeChunkRecord chunk = cursor.Current;
                for (ulong used = ~chunk.Free.Value; used != 0; used &= used - 1)
                {
                    Inode inode = volume.Inodes.Get(g.Join(group.Number, new AgInode(chunk.Start + (uint)BitOperations.TrailingZeroCount(used))));
                    foreach (ForkKind kind in (ReadOnlySpan<ForkKind>)[ForkKind.Data, ForkKind.Attribute])
                        if (kind == ForkKind.Data || inode.Core.ForkOffset != 0) AddFork(volume, inode, kind, physical, length, owners);
                }
            }
        }
        return owners;
    }

    private static void AddFork(Volume volume, Inode inode, ForkKind kind, long physical, long length, List<BlockOwner> owners) =>
        volume.Map.Walk(inode, kind, default, extent =>
        {
            long start = volume.Geometry.ByteOffset(extent.Start), bytes = (long)extent.Length << volume.Geometry.BlockLog;
            long first = Math.Max(start, physical), behind = Math.Min(start + bytes, physical + length);
            if (first < behind)
                owners.Add(new(kind == ForkKind.Data ? BlockUse.Data : BlockUse.Attributes, inode.Number, first, behind - first,
                    (long)(extent.Offset.Value << volume.Geometry.BlockLog) + (first - start), extent.Unwritten));
            return true;
        });
}
