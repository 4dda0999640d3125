using ImageFs.Format;

namespace ImageFs.Dax;

/// <summary>What a run of blocks is used for.</summary>
public enum BlockUse
{
    /// <summary>Contents of a file, a directory or a symlink.</summary>
    Data,
    /// <summary>Extended attributes of an inode.</summary>
    Attributes,
    /// <summary>The block map of an inode (bmbt).</summary>
    BlockMap,
    /// <summary>Reserved for copy-on-write, by a file that only memory knows.</summary>
    CowStaging,
    /// <summary>Free-space and reverse-map btrees and the free list of a group.</summary>
    FreeSpaceBtrees,
    /// <summary>Inode btrees of a group.</summary>
    InodeBtrees,
    /// <summary>Inodes.</summary>
    Inodes,
    /// <summary>The refcount btree of a group.</summary>
    RefcountBtree,
    /// <summary>Headers of a group.</summary>
    Headers,
    /// <summary>The log.</summary>
    Log,
    /// <summary>A record nobody understands.</summary>
    Unknown,
}

/// <summary>One owner of a run of blocks. Blocks that are shared have several.</summary>
/// <param name="Use">What it uses them for.</param>
/// <param name="Inode">The owning inode; none for metadata of a group.</param>
/// <param name="Physical">First byte of the image.</param>
/// <param name="Length">Bytes.</param>
/// <param name="Offset">Byte of the file, or of its attribute fork, that lies at <paramref name="Physical"/>; 0 where there is no such thing.</param>
/// <param name="Unwritten">Allocated, reads as zeros: what lies there means nothing.</param>
public readonly record struct BlockOwner(BlockUse Use, InodeNumber? Inode, long Physical, long Length, long Offset, bool Unwritten)
{
    /// <summary>True if one inode is hit; false if it is the file system itself.</summary>
    public bool IsInode => Inode is not null;
}
