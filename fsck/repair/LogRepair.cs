using ImageFs.Devices;
using ImageFs.Format;
using ImageFs.Journal;
using ImageFs.Recovering;

namespace ImageFs.Fsck;

/// <summary>Brings the log to its end: replays it into the view and marks it clean, or, if that is asked for, gives it up.</summary>
internal sealed class LogRepair(RepairView view)
{
    /// <summary>What was given up, in words; null if nothing was.</summary>
    public string? Lost { get; private set; }

    /// <param name="discard">Give up what cannot be replayed of a damaged log.</param>
    /// <returns>Null, or why the log is in the way.</returns>
    public string? Run(bool discard)
    {
        Geometry g = view.Geometry;
        LogState state = LogState.Assess(view.Device, g, view.Image);
        if (g.LogOffset > view.Device.Length - g.LogBytes) return "the log lies outside the image";
        if (state.IsLossy && !discard) return Refuse(state.Problem!);
        try
        {
            CorruptionException? unreadable = null;
            if (state.Position.IsClean) view.SetLog(state.Position);
            else if (Replay(state, discard, out unreadable) is string refusal) return refusal;
            if (state.IsLossy) Lost = LostLog.Describe(state);
            else if (unreadable is not null) Lost = unreadable.Message;
            // Whatever confused the search goes with a log that begins anew, ahead of every LSN of the old one.
            if (state.Problem is not null || unreadable is not null) Reset(Math.Max(NewestCycle(g), state.Cycle));
            return null;
        }
        catch (XfsUnsupportedException e)
        {
            if (!discard) return Refuse(e.Message);
            Lost = e.Message;
            Reset(NewestCycle(g));
            return null;
        }
    }

    private static string Refuse(string why) => $"the log cannot be replayed ({why}); --discard-log replays what is whole and gives up the rest";

    /// <summary>Repeats everything that can be: what is damaged elsewhere on the image is no reason to lose what the log says.</summary>
    /// <param name="unreadable">A record that is whole and makes no sense: what comes behind it is lost.</param>
    private string? Replay(LogState state, bool discard, out CorruptionException? unreadable)
    {
        view.Purpose = Remedy.ReplayLog;
        RecoveryResult result = Recovery.Replay(view.Device, view.Geometry, past: true, state.Remains, view.Budget.ForChanges / 2);
        using OverlayDevice replayed = result.View;
        unreadable = result.Skipped!.Find(p => p.Structure is "log record");
        if (unreadable is not null && !discard) return Refuse(unreadable.Message);
        try
        {
            IntentFinisher.FinishInMemory(result);
        }
        catch (XfsException)
        {
            // What the log promises rests on something that is damaged. What is derived from the inodes does not need it.
        }
        result.View.Apply();
        view.Geometry = result.Geometry;
        if (state.Problem is not null || unreadable is not null) return null;
        LogTail.ClearStale(view.Device, view.Geometry, result.Position);
        view.SetLog(LogTail.WriteUnmountRecord(view.Device, view.Geometry, result.Position));
        return null;
    }

    /// <summary>Writes an empty log whose head lies ahead of every LSN of earlier cycles.</summary>
    /// <param name="last">The newest of them; 0 if nothing is known of them, but then there was a first one.</param>
    public void Reset(uint last)
    {
        Geometry g = view.Geometry;
        LogArea log = new(view.Device, g);
        view.Purpose = Remedy.ReplayLog;
        uint cycle = Math.Max(1, last) + 1, before = LogRecordFormat.PreviousCycle(cycle);
        byte[] piece = new byte[256 * LogRecordFormat.BasicBlock];
        for (uint done = 0; done < log.BasicBlocks;)
        {
            uint count = Math.Min(256, log.BasicBlocks - done);
            // The whole ring is one cycle behind.
            for (uint i = 0; i < count; i++)
                LogRecordFormat.FormatFiller(piece.AsSpan((int)i * LogRecordFormat.BasicBlock, LogRecordFormat.BasicBlock), before, done + i, new LogSequenceNumber(before, 0), g.Uuid);
            log.Write(done, piece.AsSpan(0, (int)count * LogRecordFormat.BasicBlock));
            done += count;
        }
        LogPosition start = new()
        {
            Head = 0, HeadCycle = cycle, Tail = new(cycle, 0), RecordedTail = new(cycle, 0), IsClean = true, IsEmpty = true,
        };
        view.SetLog(LogTail.WriteUnmountRecord(view.Device, g, start));
        view.HasNewLog = true;
    }

    /// <summary>The newest cycle any block of the log claims that can be believed.</summary>
    private uint NewestCycle(Geometry g)
    {
        LogArea log = new(view.Device, g);
        byte[] piece = new byte[256 * LogRecordFormat.BasicBlock];
        uint newest = 0;
        for (uint done = 0; done < log.BasicBlocks;)
        {
            uint count = Math.Min(256, log.BasicBlocks - done);
            log.Read(done, piece.AsSpan(0, (int)count * LogRecordFormat.BasicBlock));
            for (uint i = 0; i < count; i++)
            {
                ref readonly LogRecordHeader header = ref LogRecordHeader.At((ReadOnlySpan<byte>)piece.AsSpan((int)i * LogRecordFormat.BasicBlock));
                if (header.Magic == LogRecordHeader.MagicNumber && header.Uuid == g.Uuid && header.Cycle < uint.MaxValue / 2) newest = Math.Max(newest, header.Cycle);
            }
            done += count;
        }
        return newest;
    }
}
