using ImageFs.Format;
using ImageFs.Journal;

namespace ImageFs.Mkfs;

/// <summary>The start of a log in which nothing has happened: one record that says "unmounted".</summary>
/// <remarks>The rest of the log must read as zeros, for that is how its head is found.</remarks>
internal static class EmptyLog
{
    /// <summary>The record, padded to the log stripe unit.</summary>
    public static byte[] MakeRecord(MkfsPlan plan, in Uuid uuid)
    {
        int stripe = checked((int)plan.LogStripeUnit * plan.BlockSize);
        int recordSize = Math.Max(stripe, LogRecordHeader.DefaultRecordSize);
        int headers = LogRecordFormat.HeaderBlocks(recordSize);
        byte[] record = new byte[LogRecordFormat.UnmountRecordLength(headers, Math.Max(stripe, LogRecordFormat.BasicBlock))];
        uint blocks = (uint)(plan.LogBlocks * plan.BlockSize / LogRecordFormat.BasicBlock);
        LogRecordFormat.FormatUnmountRecord(record, headers, cycle: 1, block: 0, blocks, tail: new LogSequenceNumber(1, 0),
            LogRecordFormat.NoPreviousBlock, uuid, recordSize);
        return record;
    }
}
