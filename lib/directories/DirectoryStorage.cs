using ImageFs.Allocation;
using ImageFs.Extents;
using ImageFs.Format;
using ImageFs.Inodes;
using ImageFs.Metadata;
using ImageFs.Transactions;

namespace ImageFs.Directories;

/// <summary>A directory kept in an inode's data fork: its blocks are metadata and go through the cache.</summary>
internal sealed class DirectoryStorage(AllocationGroups groups, BlockMap map, Inode inode) : IDirectoryStorage
{
    public Geometry Geometry => inode.Geometry;
    public InodeNumber Number => inode.Number;
    public ref readonly InodeCore Core => ref inode.Core;
    public ReadOnlySpan<byte> DataFork => inode.Fork(ForkKind.Data);
    public ref InodeCore ModifyCore(Transaction tx) => ref inode.Modify(tx);
    public Span<byte> ModifyDataFork(Transaction tx) => inode.ModifyFork(tx, ForkKind.Data);

    public MetadataBuffer? ReadBlock(FileBlock at, BlockKind kind)
    {
        if (!map.TryFind(inode, ForkKind.Data, at, out Extent extent) || extent.Offset > at) return null;
        extent = BlockMap.Slice(extent, at, at + (ulong)Geometry.DirectoryBlockFsBlocks);
        if (extent.Unwritten || extent.Length < Geometry.DirectoryBlockFsBlocks)
            throw inode.Corrupt($"directory block {at} is mapped by {extent}, expected {Geometry.DirectoryBlockFsBlocks} written blocks in one run");
        MetadataBuffer buffer = groups.Cache.Read(Geometry.ByteOffset(extent.Start), Geometry.DirectoryBlockSize, kind);
        ulong owner = kind switch
        {
            BlockKind.DirectoryData => DirectoryDataHeader.At(buffer.Data).Owner,
            BlockKind.DirectoryFree => DirectoryFreeHeader.At(buffer.Data).Owner,
            _ => DaBlockHeader.At(buffer.Data).Owner,
        };
        if (owner != Number.Value) throw inode.Corrupt($"directory block {at} belongs to inode {owner}");
        return buffer;
    }

    public MetadataBuffer AddBlock(Transaction tx, FileBlock at, BlockKind kind)
    {
        uint blocks = (uint)Geometry.DirectoryBlockFsBlocks;
        FsBlock goal = map.TryFindLast(inode, ForkKind.Data, new FileBlock(FileBlock.Limit), out Extent last) ? last.Start + last.Length
            : Geometry.Join(Geometry.AgOf(Number), Geometry.BlockOf(Geometry.InodeInAg(Number)));
        FsBlock start = SpaceAllocator.Allocate(tx, groups, goal, blocks, blocks, metadata: false, out _);
        map.Map(tx, inode, ForkKind.Data, new Extent(at, start, blocks, Unwritten: false));
        return tx.Create(Geometry.ByteOffset(start), Geometry.DirectoryBlockSize, kind);
    }

    public void RemoveBlock(Transaction tx, FileBlock at)
    {
        uint blocks = (uint)Geometry.DirectoryBlockFsBlocks;
        bool had = map.TryUnmap(tx, inode, ForkKind.Data, at, at + blocks, out Extent removed);
        Invariant.Holds(had && removed.Offset == at && removed.Length == blocks, "a directory block is mapped in one run");
        tx.Invalidate(Geometry.ByteOffset(removed.Start), Geometry.DirectoryBlockSize);
        groups.Of(removed.Start).FreeSpace.Free(tx, Geometry.BlockInAg(removed.Start), blocks);
    }

    public bool TryNextMapped(FileBlock from, out FileBlock mapped)
    {
        bool found = map.TryFind(inode, ForkKind.Data, from, out Extent extent);
        mapped = extent.Offset > from ? extent.Offset : from;
        return found;
    }

    public FileBlock EndOfMapped(FileBlock limit)
    {
        if (!map.TryFindLast(inode, ForkKind.Data, limit, out Extent extent)) return default;
        return extent.End < limit ? extent.End : limit;
    }

    public void BecomeExtents(Transaction tx)
    {
        inode.ModifyFork(tx, ForkKind.Data).Clear();
        inode.SetFormat(tx, ForkKind.Data, ForkFormat.Extents);
    }

    public void BecomeLocal(Transaction tx)
    {
        Invariant.Holds(inode.ExtentCount(ForkKind.Data) == 0, "a fork without extents can hold its contents itself");
        inode.ModifyFork(tx, ForkKind.Data).Clear();
        inode.SetFormat(tx, ForkKind.Data, ForkFormat.Local);
    }
}
