using ImageFs.Format;

namespace ImageFs.Journal;

/// <summary>Where a log ends and where recovery would begin; what <see cref="LogScan"/> finds.</summary>
public sealed record LogPosition
{
    /// <summary>The block the next record goes to, in units of 512 bytes from the start of the log.</summary>
    public required uint Head { get; init; }

    /// <summary>The cycle a record written at <see cref="Head"/> carries.</summary>
    public required uint HeadCycle { get; init; }

    /// <summary>The oldest record that is still needed; the head itself if the log is clean.</summary>
    public required LogSequenceNumber Tail { get; init; }

    /// <summary>
    /// What the last record says the tail is. Differs from <see cref="Tail"/> where a crash during a write around the ring
    /// destroyed records that were no longer needed.
    /// </summary>
    public required LogSequenceNumber RecordedTail { get; init; }

    /// <summary>The last record before the head is an unmount record: there is nothing to replay, the superblock counters are right.</summary>
    public required bool IsClean { get; init; }

    /// <summary>Nothing was ever written to this log; it begins at cycle 1.</summary>
    public bool IsEmpty { get; init; }

    /// <summary>The first block of the last record before the head: the h_prev_block of the next one.</summary>
    public uint LastBlock { get; init; } = LogRecordFormat.NoPreviousBlock;

    /// <summary>The last record before the head; 0:0 in an empty log.</summary>
    public LogSequenceNumber LastLsn { get; init; }

    /// <summary>h_size of the last record before the head, in bytes; 0 in an empty log.</summary>
    public int LastRecordSize { get; init; }

    /// <summary>The block of a record that was not written completely when the power failed; it and what follows do not count.</summary>
    public uint? TornAt { get; init; }

    /// <summary>The head as a sequence number: no metadata may carry a later one.</summary>
    public LogSequenceNumber HeadLsn => new(HeadCycle, Head);
}
