using System.Runtime.CompilerServices;
using ImageFs.Format;

namespace ImageFs.Metadata;

/// <summary>
/// One metadata block (or inode cluster) in memory. Its bytes change only inside a transaction; they go home only when
/// everything that changed them is durable in the log.
/// </summary>
/// <remarks>
/// Always true: <see cref="Dirty"/> has a bit for each 128-byte chunk that differs from what the log and the device
/// together would give; a buffer with any bit set, or just created, is in the journal's pending list; a buffer the log
/// knows but the device does not is in its write-back list.
/// </remarks>
internal sealed class MetadataBuffer
{
    private readonly byte[] _bytes;

    /// <param name="zeroed">False for a buffer that is about to be filled as a whole.</param>
    internal MetadataBuffer(long offset, int length, BlockKind kind, bool zeroed = true)
    {
        Offset = offset;
        Length = length;
        Kind = kind;
        _bytes = zeroed ? new byte[length] : GC.AllocateUninitializedArray<byte>(length);
        Dirty = new ulong[(length / LogBufferItem.ChunkSize + 63) / 64];
    }

    /// <summary>Byte offset on the device.</summary>
    public long Offset { get; }

    /// <summary>Bytes.</summary>
    public int Length { get; }

    /// <summary>What it holds; changes only when a freed block is reused.</summary>
    public BlockKind Kind { get; internal set; }

    /// <summary>The contents, to look at.</summary>
    public ReadOnlySpan<byte> Data
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => _bytes;
    }

    /// <summary>The contents, for the cache, transactions and the journal only.</summary>
    internal Span<byte> Bytes => _bytes;

    /// <summary>Position in the cache's clock; true if looked at since the hand passed.</summary>
    internal bool Referenced = true;

    /// <summary>Somebody looks at it. Most of the time it is known, and nothing is written.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal void Refer()
    {
        if (!Referenced) Referenced = true;
    }

    /// <summary>True if whoever kept the buffer may go on with it.</summary>
    internal bool IsStill(BlockKind kind) => IsCached && !IsStale && Kind == kind;

    /// <summary>False once the cache has dropped it: whoever kept it must ask again.</summary>
    internal volatile bool IsCached;

    /// <summary>The running transaction that holds a before-image, if any.</summary>
    internal Transactions.TransactionEntry? Entry;

    /// <summary>The before-image of the running group of transactions, if one of its finished transactions touched the buffer.</summary>
    internal Transactions.TransactionEntry? GroupEntry;

    /// <summary>Chunks changed since the last checkpoint (inode clusters: see <see cref="Slots"/>).</summary>
    internal readonly ulong[] Dirty;

    /// <summary>In the journal's pending list: part of the next checkpoint.</summary>
    internal bool IsPending;

    /// <summary>In the journal's write-back list: the log knows it, its home does not.</summary>
    internal bool IsLogged;

    /// <summary>Created since the last checkpoint: logged as a whole, whatever changed.</summary>
    internal bool IsNew;

    /// <summary>Freed: no longer metadata.</summary>
    internal bool IsStale;

    /// <summary>A directory block that lies in several places: never changed, logged or written home.</summary>
    internal bool IsInPieces;

    /// <summary>For inode clusters: what changed in each inode since the last checkpoint.</summary>
    internal InodeSlotChange[]? Slots;

    /// <summary>For inode clusters: inodes whose LSN was stamped by a checkpoint and whose checksum is due at write-back.</summary>
    internal bool[]? ChecksumDue;

    /// <summary>For inode clusters: inodes whose checksum was verified since the buffer was read.</summary>
    internal bool[]? VerifiedInodes;

    /// <summary>True when nothing holds the buffer in memory.</summary>
    internal bool CanEvict => !IsPending && !IsLogged && Entry is null && GroupEntry is null;
}

/// <summary>Which parts of an inode a checkpoint must carry.</summary>
[Flags]
internal enum InodeSlotChange : byte
{
    None = 0,
    Core = 1,
    DataFork = 2,
    AttrFork = 4,
    NextUnlinked = 8,
}
