using ImageFs.DaBtrees;
using ImageFs.Format;
using ImageFs.Transactions;

namespace ImageFs.Directories;

/// <summary>What a directory is kept in: an inode with a data fork whose blocks are metadata. Supplied by inodes and extents.</summary>
/// <remarks>Blocks of the storage are directory blocks: dirblksize bytes, which may be several file system blocks.</remarks>
internal interface IDirectoryStorage : IDaStorage
{
    /// <summary>Its core, to look at.</summary>
    ref readonly InodeCore Core { get; }

    /// <summary>Its core, to change.</summary>
    ref InodeCore ModifyCore(Transaction tx);

    /// <summary>All bytes of the data fork (its capacity, not di_size).</summary>
    ReadOnlySpan<byte> DataFork { get; }

    /// <summary>All bytes of the data fork, to change.</summary>
    Span<byte> ModifyDataFork(Transaction tx);

    /// <summary>Switches a local fork to an empty extent list; the fork's bytes are zeroed.</summary>
    void BecomeExtents(Transaction tx);

    /// <summary>Switches a fork without extents to local; the caller then fills the bytes and sets di_size.</summary>
    void BecomeLocal(Transaction tx);
}
