using ImageFs.Allocation;
using ImageFs.Extents;
using ImageFs.Format;
using ImageFs.Inodes;
using ImageFs.Metadata;
using ImageFs.Transactions;

namespace ImageFs.DaBtrees;

/// <summary>A fork of an inode whose blocks are metadata and go through the cache.</summary>
/// <param name="fork">Data fork of a directory, or attribute fork.</param>
/// <param name="fsBlocks">File system blocks of one block of the fork.</param>
internal abstract class ForkStorage(AllocationGroups groups, BlockMap map, Inode inode, ForkKind fork, uint fsBlocks) : IDaStorage
{
    protected AllocationGroups Groups => groups;
    protected BlockMap Map => map;
    public Inode Inode => inode;
    private int Bytes => (int)fsBlocks * Geometry.BlockSize;

    public Geometry Geometry => inode.Geometry;
    public InodeNumber Number => inode.Number;
    public ref readonly InodeCore Core => ref inode.Core;
    public ref InodeCore ModifyCore(Transaction tx) => ref inode.Modify(tx);

    public virtual MetadataBuffer? ReadBlock(FileBlock at, BlockKind kind)
    {
        if (!TryMap(at, out Extent extent)) return null;
        extent = BlockMap.Slice(extent, at, at + fsBlocks);
        bool whole = extent.Length == fsBlocks;
        if (extent.Unwritten) throw inode.Corrupt($"metadata block {at} of the {fork} fork is mapped by {extent}, expected {fsBlocks} written blocks");
        MetadataBuffer buffer = whole ? groups.Cache.Read(Geometry.ByteOffset(extent.Start), Bytes, kind) : ReadPieces(at, kind);
        CheckOwner(buffer, at, kind);
        return whole || groups.Running is null ? buffer : BringTogether(groups.Running, at, buffer);
    }

    private void CheckOwner(MetadataBuffer buffer, FileBlock at, BlockKind kind)
    {
        if (Geometry.IsVersion4) return; // its blocks do not say whose they are
        ulong owner = kind switch
        {
            BlockKind.DirectoryData => DirectoryDataHeader.At(buffer.Data).Owner,
            BlockKind.DirectoryFree => DirectoryFreeHeader.At(buffer.Data).Owner,
            _ => DaBlockHeader.At(buffer.Data).Owner,
        };
        if (owner != Number.Value) throw inode.Corrupt($"metadata block {at} of the {fork} fork belongs to inode {owner}");
    }

    /// <summary>A block the kernel made where free space had no run long enough for it.</summary>
    private MetadataBuffer ReadPieces(FileBlock at, BlockKind kind)
    {
        Span<DevicePiece> pieces = stackalloc DevicePiece[(int)fsBlocks];
        int count = 0;
        for (FileBlock from = at, end = at + fsBlocks; from < end;)
        {
            if (!TryMap(from, out Extent extent) || extent.Unwritten) throw inode.Corrupt($"metadata block {at} of the {fork} fork is mapped only as far as {from}");
            extent = BlockMap.Slice(extent, from, end);
            pieces[count++] = new(Geometry.ByteOffset(extent.Start), (int)extent.Length * Geometry.BlockSize);
            from = extent.End;
        }
        return groups.Cache.Read(pieces[..count], Bytes, kind);
    }

    // The log carries each piece as a buffer of its own, and a kernel that replays one looks at it as if it were a whole block.
    // So nothing of that kind goes into a log of ours: a block in pieces is moved to one place before it is changed.
    private MetadataBuffer BringTogether(Transaction tx, FileBlock at, MetadataBuffer scattered)
    {
        if (!SpaceAllocator.TryAllocate(tx, groups, Goal(), fsBlocks, fsBlocks, metadata: false, out FsBlock start, out _))
            throw new XfsNoSpaceException($"inode {Number}: its block at file block {at} lies in pieces, and no free run of {fsBlocks} blocks is left to bring it together, without which it cannot be changed");
        RemoveBlock(tx, at);
        map.Map(tx, inode, fork, new Extent(at, start, fsBlocks, Unwritten: false));
        MetadataBuffer buffer = tx.Create(Geometry.ByteOffset(start), Bytes, scattered.Kind);
        Span<byte> block = tx.Modify(buffer);
        scattered.Data.CopyTo(block);
        ref BigEndian64 address = ref (scattered.Kind == BlockKind.DaBlock ? ref DaBlockHeader.At(block).BlockNumber : ref DirectoryDataHeader.At(block).BlockNumber);
        address = Geometry.DiskAddress(buffer.Offset);
        return buffer;
    }

    /// <summary>The extent over a file block; false in a hole.</summary>
    protected virtual bool TryMap(FileBlock at, out Extent extent) => map.TryFind(inode, fork, at, out extent) && extent.Offset <= at;

    public MetadataBuffer AddBlock(Transaction tx, FileBlock at, BlockKind kind)
    {
        FsBlock start = SpaceAllocator.Allocate(tx, groups, Goal(), fsBlocks, fsBlocks, metadata: false, out _);
        map.Map(tx, inode, fork, new Extent(at, start, fsBlocks, Unwritten: false));
        return tx.Create(Geometry.ByteOffset(start), Bytes, kind);
    }

    /// <summary>Where the next block of the fork would best lie.</summary>
    protected FsBlock Goal() =>
        map.TryFindLast(inode, fork, new FileBlock(FileBlock.Limit), out Extent last) ? last.Start + last.Length
            : Geometry.Join(Geometry.AgOf(Number), Geometry.BlockOf(Geometry.InodeInAg(Number)));

    public void RemoveBlock(Transaction tx, FileBlock at)
    {
        for (FileBlock from = at, end = at + fsBlocks; from < end;)
        {
            if (!map.TryUnmap(tx, inode, fork, from, end, out Extent removed) || removed.Offset != from) throw inode.Corrupt($"metadata block {at} is mapped only as far as {from}");
            tx.Invalidate(Geometry.ByteOffset(removed.Start), (int)removed.Length * Geometry.BlockSize);
            groups.Of(removed.Start).FreeSpace.Free(tx, Geometry.BlockInAg(removed.Start), removed.Length);
            from = removed.End;
        }
    }

    public bool TryNextMapped(FileBlock from, out FileBlock mapped)
    {
        bool found = map.TryFind(inode, fork, from, out Extent extent);
        mapped = extent.Offset > from ? extent.Offset : from;
        return found;
    }

    public virtual FileBlock EndOfMapped(FileBlock limit)
    {
        if (!map.TryFindLast(inode, fork, limit, out Extent extent)) return default;
        return extent.End < limit ? extent.End : limit;
    }
}
