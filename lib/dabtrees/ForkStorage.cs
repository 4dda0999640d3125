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
    protected Inode Inode => inode;
    private int Bytes => (int)fsBlocks * Geometry.BlockSize;

    public Geometry Geometry => inode.Geometry;
    public InodeNumber Number => inode.Number;
    public ref readonly InodeCore Core => ref inode.Core;
    public ref InodeCore ModifyCore(Transaction tx) => ref inode.Modify(tx);

    public MetadataBuffer? ReadBlock(FileBlock at, BlockKind kind)
    {
        if (!map.TryFind(inode, fork, at, out Extent extent) || extent.Offset > at) return null;
        extent = BlockMap.Slice(extent, at, at + fsBlocks);
        if (extent.Unwritten || extent.Length < fsBlocks)
            throw inode.Corrupt($"metadata block {at} of the {fork} fork is mapped by {extent}, expected {fsBlocks} written blocks in one run");
        MetadataBuffer buffer = groups.Cache.Read(Geometry.ByteOffset(extent.Start), Bytes, kind);
        if (Geometry.IsVersion4) return buffer; // its blocks do not say whose they are
        ulong owner = kind switch
        {
            BlockKind.DirectoryData => DirectoryDataHeader.At(buffer.Data).Owner,
            BlockKind.DirectoryFree => DirectoryFreeHeader.At(buffer.Data).Owner,
            _ => DaBlockHeader.At(buffer.Data).Owner,
        };
        if (owner != Number.Value) throw inode.Corrupt($"metadata block {at} of the {fork} fork belongs to inode {owner}");
        return buffer;
    }

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
        bool had = map.TryUnmap(tx, inode, fork, at, at + fsBlocks, out Extent removed);
        if (!had || removed.Offset != at || removed.Length != fsBlocks) throw inode.Corrupt($"metadata block {at} is not mapped in one run");
        tx.Invalidate(Geometry.ByteOffset(removed.Start), Bytes);
        groups.Of(removed.Start).FreeSpace.Free(tx, Geometry.BlockInAg(removed.Start), fsBlocks);
    }

    public bool TryNextMapped(FileBlock from, out FileBlock mapped)
    {
        bool found = map.TryFind(inode, fork, from, out Extent extent);
        mapped = extent.Offset > from ? extent.Offset : from;
        return found;
    }

    public FileBlock EndOfMapped(FileBlock limit)
    {
        if (!map.TryFindLast(inode, fork, limit, out Extent extent)) return default;
        return extent.End < limit ? extent.End : limit;
    }
}
