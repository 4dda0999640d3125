using ImageFs.Format;
using ImageFs.Metadata;
using ImageFs.Transactions;

namespace ImageFs.BTrees;

/// <summary>
/// Where a tree lives: who holds its root and who gives it blocks. Trees need blocks and the allocator needs trees; this
/// class cuts the circle, because allocation and inodes supply it.
/// </summary>
internal abstract class BtreeHome(MetadataCache cache)
{
    /// <summary>The gate to the blocks.</summary>
    public MetadataCache Cache { get; } = cache;

    /// <summary>Sizes and places.</summary>
    public Geometry Geometry => Cache.Geometry;

    /// <summary>Rises with every change of the tree: a cursor that keeps its place finds out that another one moved things.</summary>
    public int Version { get; set; }

    /// <summary>Levels of the tree, the root included; 1 is a single leaf. For an inode root, blocks below it plus one.</summary>
    public abstract int Levels { get; }

    /// <summary>No tree of this kind may be higher.</summary>
    public abstract int MaxLevels { get; }

    /// <summary>Owner field of the blocks: the group for AG trees, the inode for bmbt.</summary>
    public abstract ulong Owner { get; }

    /// <summary>Pointer to the root block; meaningless for an inode root.</summary>
    public abstract ulong Root { get; }

    /// <summary>Stores a new root block and height in the AG header.</summary>
    public abstract void SetRoot(Transaction tx, ulong root, int levels);

    /// <summary>True when the root is a node inside an inode fork.</summary>
    public virtual bool HasInodeRoot => false;

    /// <summary>The fork that holds the root (bmdr header, keys, pointers); all its bytes belong to the root.</summary>
    public virtual ReadOnlySpan<byte> InodeRoot => throw new NotSupportedException();

    /// <summary>The fork that holds the root, to be changed.</summary>
    public virtual Span<byte> ModifyInodeRoot(Transaction tx) => throw new NotSupportedException();

    /// <summary>Byte offset of the block behind a pointer.</summary>
    /// <exception cref="CorruptionException">The pointer leads outside the group or the device.</exception>
    public abstract long OffsetOf(ulong pointer);

    /// <summary>A new block for the tree, near another one; counted and mapped in the rmapbt by the supplier.</summary>
    /// <exception cref="XfsNoSpaceException">None is left.</exception>
    public abstract ulong AllocateBlock(Transaction tx, ulong near);

    /// <summary>Takes a block back; the supplier invalidates it.</summary>
    public abstract void FreeBlock(Transaction tx, ulong pointer);
}
