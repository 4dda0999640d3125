using ImageFs.Devices;
using ImageFs.Format;
using ImageFs.Journal;

namespace ImageFs.Fsck;

/// <summary>Where a log ends, and what can be had of it if that is not where a mount would look.</summary>
/// <param name="Position">Head and tail of what can be replayed.</param>
/// <param name="Remains">What was put together from single records; null if the log is in order.</param>
/// <param name="Problem">What is wrong with the log; null if nothing is.</param>
/// <param name="IsLossy">Not everything that was written to it can be replayed.</param>
/// <param name="Cycle">A log that begins anew must be ahead of this cycle.</param>
internal sealed record LogState(LogPosition Position, LogRemains? Remains, string? Problem, bool IsLossy, uint Cycle = 0)
{
    private static readonly LogPosition s_nothing = new() { Head = 0, HeadCycle = 1, Tail = new(1, 0), RecordedTail = new(1, 0), IsClean = true, IsEmpty = true };

    /// <param name="device">Where the log is.</param>
    /// <param name="image">The image as it was found; the device unless that was repaired or made longer.</param>
    public static LogState Assess(BlockDevice device, Geometry g, BlockDevice? image = null)
    {
        if (g.LogOffset > (image ?? device).Length - g.LogBytes) return new LogState(s_nothing, null, "it lies beyond the end of the image", true);
        LogArea log = new(device, g);
        LogPosition? position = null;
        string problem;
        try
        {
            position = LogScan.Find(log, g);
            if (position.IsClean && !position.IsEmpty) return new LogState(position, null, null, false);
            problem = position.IsEmpty ? "its first block is empty, others are not" : $"what was written behind log block {position.LastBlock} is damaged";
        }
        catch (CorruptionException e)
        {
            problem = e.Message;
        }
        uint begun = CycleOfNewLog(image ?? device, g);
        if (position is { IsEmpty: false } && begun == 0 && !LogSalvage.IsWrittenBehind(log, position)) return new LogState(position, null, null, false);
        bool unused = (position is null || position.IsEmpty) && LogSalvage.WasNeverUsed(log, g);
        if (unused && position is not null) return new LogState(position, null, null, false);
        LogRemains? remains = LogSalvage.Look(log, g);
        if (begun > (remains?.NewestCycle ?? 0)) return new LogState(s_nothing, null, "a repair was interrupted that had done what it says and was writing it anew", false, begun);
        if (unused) return new LogState(s_nothing, null, problem, false);
        if (remains is null) return new LogState(s_nothing, null, problem, true);
        if (position is { IsEmpty: false } && !remains.IsTornInTheMiddle)
            // The search may have ended before a whole record, on account of one behind it that is not: that one is torn, the other happened.
            return remains.Whole.HeadLsn > position.HeadLsn ? new LogState(remains.Whole, remains, problem, false, remains.NewestCycle) : new LogState(position, null, null, false);
        return new LogState(remains.Whole, remains, remains.Damage ?? problem, remains.Damage is not null, remains.NewestCycle);
    }

    /// <summary>
    /// A repair that lets the log begin anew says so in the superblock, once everything else is in place and before it touches the
    /// log: NEEDSREPAIR, and an LSN the old log has not reached.
    /// </summary>
    /// <returns>The cycle of the new log, or 0 if no such repair was under way.</returns>
    private static uint CycleOfNewLog(BlockDevice image, Geometry g)
    {
        byte[] sector = new byte[g.SectorSize];
        image.Read(0, sector);
        ref readonly Superblock sb = ref Superblock.At((ReadOnlySpan<byte>)sector);
        bool marked = Crc32c.IsValid(sector, Superblock.CrcOffset) && SuperblockVerifier.VerifyLayout(sector) is null && sb.Has(IncompatFeatures.NeedsRepair);
        return marked ? new LogSequenceNumber(sb.Lsn).Cycle : 0;
    }
}
