using ImageFs.Format;
using ImageFs.Metadata;
using ImageFs.Transactions;

namespace ImageFs.DaBtrees;

/// <summary>
/// A fork whose blocks are metadata, addressed by file block: what directories and attributes are kept in. Supplied by
/// inodes and extents.
/// </summary>
internal interface IDaStorage
{
    /// <summary>Sizes and places.</summary>
    Geometry Geometry { get; }

    /// <summary>The inode the fork belongs to.</summary>
    InodeNumber Number { get; }

    /// <summary>
    /// The block (dirblksize bytes in a directory) that begins at a file block; null where nothing is mapped.
    /// Its owner is checked to be this inode.
    /// </summary>
    /// <exception cref="CorruptionException">The mapping or the block is bad.</exception>
    MetadataBuffer? ReadBlock(FileBlock at, BlockKind kind);

    /// <summary>Allocates and maps a block at a file block; zeroed, its header not filled in. di_size is not changed.</summary>
    /// <exception cref="XfsNoSpaceException">No room.</exception>
    MetadataBuffer AddBlock(Transaction tx, FileBlock at, BlockKind kind);

    /// <summary>Unmaps and frees the block at a file block.</summary>
    void RemoveBlock(Transaction tx, FileBlock at);

    /// <summary>The first mapped file block at or behind <paramref name="from"/>.</summary>
    bool TryNextMapped(FileBlock from, out FileBlock mapped);

    /// <summary>The file block behind the last mapped one below <paramref name="limit"/>; 0 when there is none.</summary>
    FileBlock EndOfMapped(FileBlock limit);
}
