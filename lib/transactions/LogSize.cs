using ImageFs.Format;

namespace ImageFs.Transactions;

/// <summary>What changes take in the log, headers included: never too little, seldom half too much.</summary>
/// <remarks>
/// The log carries a buffer as the chunks of 128 bytes that changed, an inode as a whole, a freed block as a cancellation.
/// </remarks>
internal static class LogSize
{
    /// <summary>Headers of an item: two operations and the format with its bitmap.</summary>
    public const int ItemOverhead = 64;

    /// <summary>An inode: its item, core and forks, each with a header, and the chunk of its cluster with the unlinked pointer.</summary>
    public static int OfInode(int inodeSize) =>
        LogInodeItem.Size + inodeSize + 4 * LogOperationHeader.Size + LogBufferItem.ChunkSize + LogOperationHeader.Size;

    /// <summary>Quick: no more than this, whatever was changed.</summary>
    public static long Bound(Transaction transaction)
    {
        long bytes = Others(transaction);
        foreach (TransactionEntry entry in transaction.Entries)
            bytes += ItemOverhead + (entry.Buffer.Kind == BlockKind.InodeCluster
                ? (long)OfInode(transaction.Geometry.InodeSize) * (entry.Buffer.Length / transaction.Geometry.InodeSize)
                : entry.Buffer.Length + entry.Buffer.Length / LogBufferItem.ChunkSize * LogOperationHeader.Size);
        return bytes;
    }

    /// <summary>By comparison.</summary>
    public static long Of(Transaction transaction)
    {
        long bytes = Others(transaction);
        foreach (TransactionEntry entry in transaction.Entries) bytes += Of(entry, transaction.Geometry.InodeSize);
        return bytes;
    }

    /// <summary>One buffer, by comparison.</summary>
    public static long Of(TransactionEntry entry, int inodeSize)
    {
        if (entry.Invalidated) return ItemOverhead;
        byte[]? before = entry.Template ?? entry.Before;
        if (before is null) return ItemOverhead + entry.Buffer.Length;
        (int unit, int cost) = entry.Buffer.Kind == BlockKind.InodeCluster
            ? (inodeSize, OfInode(inodeSize))
            : (LogBufferItem.ChunkSize, LogBufferItem.ChunkSize + LogOperationHeader.Size);
        ReadOnlySpan<byte> now = entry.Buffer.Data;
        long bytes = 0;
        for (int at = 0; at < now.Length; at += unit)
            if (!now.Slice(at, unit).SequenceEqual(before.AsSpan(at, unit))) bytes += cost;
        return bytes == 0 ? 0 : bytes + ItemOverhead;
    }

    private static long Others(Transaction transaction) => (long)ItemOverhead * (transaction.InvalidatedUnread.Count + transaction.InodeCreations.Count);
}
