using ImageFs.Devices;
using ImageFs.Format;

namespace ImageFs.Journal;

/// <summary>What must be done to a log after a replay, before anything new is written to it.</summary>
/// <remarks>
/// The order matters. The replayed blocks must be home and flushed first; then <see cref="ClearStale"/>; then a record may be
/// written at the head: the unmount record of <see cref="WriteUnmountRecord"/>, or a checkpoint.
/// </remarks>
public static class LogTail
{
    private const int PieceBlocks = 256;

    /// <summary>
    /// Overwrites what lies ahead of the head, as far as writes that were under way can have reached, with headers of the
    /// cycle before, and flushes. Otherwise blocks of a torn write would be ahead of the head in the cycle that is about to be
    /// written again, and after the next crash they would be taken for new. A clean log needs it too: the first write after it
    /// may have been torn.
    /// </summary>
    /// <returns>False if there was nothing to overwrite; nothing was written then.</returns>
    public static bool ClearStale(BlockDevice device, Geometry geometry, LogPosition position)
    {
        // An empty log has nothing but zeros.
        if (position.IsEmpty) return false;
        LogArea log = new(device, geometry);
        // Once around, a clean log ends with the unmount record that says so; half way is farther than one checkpoint reaches.
        uint blocks = position.IsClean ? log.BasicBlocks / 2 : log.Distance(position.Head, position.RecordedTail.Block);
        blocks = Math.Min(blocks, LogScan.CrashWindow);
        byte[] piece = new byte[PieceBlocks * LogRecordFormat.BasicBlock];
        if (!HasStale(log, position, blocks, piece)) return false;
        for (uint done = 0; done < blocks;)
        {
            uint count = Math.Min(PieceBlocks, blocks - done);
            for (uint i = 0; i < count; i++)
            {
                uint block = log.Advance(position.Head, done + i);
                LogRecordFormat.FormatFiller(piece.AsSpan((int)i * LogRecordFormat.BasicBlock, LogRecordFormat.BasicBlock),
                    CycleBefore(position, block), block, position.RecordedTail, geometry.Uuid);
            }
            log.Write(log.Advance(position.Head, done), piece.AsSpan(0, (int)count * LogRecordFormat.BasicBlock));
            done += count;
        }
        device.Flush();
        return true;
    }

    /// <summary>The cycle a block ahead of the head was last written in, if no write beyond the head has touched it.</summary>
    private static uint CycleBefore(LogPosition position, uint block) =>
        block >= position.Head ? LogRecordFormat.PreviousCycle(position.HeadCycle) : position.HeadCycle;

    private static bool HasStale(LogArea log, LogPosition position, uint blocks, byte[] piece)
    {
        for (uint done = 0; done < blocks;)
        {
            uint count = Math.Min(PieceBlocks, blocks - done);
            log.Read(log.Advance(position.Head, done), piece.AsSpan(0, (int)count * LogRecordFormat.BasicBlock));
            for (uint i = 0; i < count; i++)
                if (LogRecordFormat.CycleOf(piece.AsSpan((int)i * LogRecordFormat.BasicBlock)) > CycleBefore(position, log.Advance(position.Head, done + i)))
                    return true;
            done += count;
        }
        return false;
    }

    /// <summary>
    /// Writes an unmount record at the head: once it is durable the log is clean and what is before it will never be replayed.
    /// Everything the log says must be home and flushed, the superblock's counters right, no intent pending. The caller flushes.
    /// </summary>
    /// <returns>Head and tail behind the record.</returns>
    public static LogPosition WriteUnmountRecord(BlockDevice device, Geometry geometry, LogPosition position)
    {
        LogArea log = new(device, geometry);
        int unit = LogRecordFormat.RoundoffUnit(geometry.Superblock), size = Math.Max(LogRecordHeader.DefaultRecordSize, unit);
        int headers = LogRecordFormat.HeaderBlocks(size);
        byte[] record = new byte[LogRecordFormat.UnmountRecordLength(headers, unit)];
        LogSequenceNumber lsn = position.HeadLsn;
        LogRecordFormat.FormatUnmountRecord(record, headers, lsn.Cycle, lsn.Block, log.BasicBlocks, lsn, position.LastBlock, geometry.Uuid, size);
        log.Write(lsn.Block, record);

        uint blocks = (uint)record.Length / LogRecordFormat.BasicBlock, head = log.Advance(lsn.Block, blocks);
        uint cycle = lsn.Block + blocks >= log.BasicBlocks ? LogRecordFormat.NextCycle(lsn.Cycle) : lsn.Cycle;
        return new LogPosition
        {
            Head = head,
            HeadCycle = cycle,
            Tail = new(cycle, head),
            RecordedTail = new(cycle, head),
            IsClean = true,
            LastBlock = lsn.Block,
            LastLsn = lsn,
            LastRecordSize = size,
        };
    }
}
