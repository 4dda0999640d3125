using ImageFs.Format;
using ImageFs.Metadata;
using ImageFs.Transactions;

namespace ImageFs.Directories;

/// <summary>What a directory is kept in: an inode with a data fork whose blocks are metadata. Supplied by inodes and extents.</summary>
internal interface IDirectoryStorage
{
    /// <summary>Sizes and places.</summary>
    Geometry Geometry { get; }

    /// <summary>The directory's inode.</summary>
    InodeNumber Number { get; }

    /// <summary>Its core, to look at.</summary>
    ref readonly InodeCore Core { get; }

    /// <summary>Its core, to change.</summary>
    ref InodeCore ModifyCore(Transaction tx);

    /// <summary>All bytes of the data fork (its capacity, not di_size).</summary>
    ReadOnlySpan<byte> DataFork { get; }

    /// <summary>All bytes of the data fork, to change.</summary>
    Span<byte> ModifyDataFork(Transaction tx);

    /// <summary>
    /// The directory block (dirblksize bytes) that begins at a file block; null where nothing is mapped.
    /// Its owner is checked to be this inode.
    /// </summary>
    /// <exception cref="CorruptionException">The mapping or the block is bad.</exception>
    MetadataBuffer? ReadBlock(FileBlock at, BlockKind kind);

    /// <summary>Allocates and maps a directory block at a file block; zeroed, its header not filled in. di_size is not changed.</summary>
    /// <exception cref="XfsNoSpaceException">No room.</exception>
    MetadataBuffer AddBlock(Transaction tx, FileBlock at, BlockKind kind);

    /// <summary>Unmaps and frees the directory block at a file block.</summary>
    void RemoveBlock(Transaction tx, FileBlock at);

    /// <summary>The first mapped file block at or behind <paramref name="from"/>.</summary>
    bool TryNextMapped(FileBlock from, out FileBlock mapped);

    /// <summary>The file block behind the last mapped one below <paramref name="limit"/>; 0 when there is none.</summary>
    FileBlock EndOfMapped(FileBlock limit);

    /// <summary>Switches a local fork to an empty extent list; the fork's bytes are zeroed.</summary>
    void BecomeExtents(Transaction tx);

    /// <summary>Switches a fork without extents to local; the caller then fills the bytes and sets di_size.</summary>
    void BecomeLocal(Transaction tx);
}
