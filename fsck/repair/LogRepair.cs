using ImageFs.Devices;
using ImageFs.Format;
using ImageFs.Journal;
using ImageFs.Recovering;

namespace ImageFs.Fsck;

/// <summary>Brings the log to its end: replays it into the view and marks it clean, or, if that is asked for, gives it up.</summary>
internal sealed class LogRepair(RepairView view)
{
    /// <summary>True if the log held something to replay.</summary>
    public bool WasDirty { get; private set; }

    /// <summary>What was given up, in words; null if nothing was.</summary>
    public string? Lost { get; private set; }

    /// <summary>Changes in the log that could not be repeated because the block they change is damaged.</summary>
    public int Skipped { get; private set; }

    /// <param name="discard">Give up a log that cannot be replayed.</param>
    /// <returns>Null, or why the log is in the way.</returns>
    public string? Run(bool discard)
    {
        Geometry g = view.Geometry;
        if (g.LogOffset > view.Device.Length - g.LogBytes) return "the log lies outside the image";
        try
        {
            LogPosition position = LogScan.Find(new LogArea(view.Device, g), g);
            WasDirty = !position.IsClean;
            if (WasDirty) return Replay(g, discard);
            view.SetLog(position);
            return null;
        }
        catch (XfsException e) when (e is CorruptionException or XfsUnsupportedException)
        {
            return GiveUp(discard, e.Message);
        }
    }

    private string? GiveUp(bool discard, string why)
    {
        if (!discard) return $"the log cannot be replayed ({why}); --discard-log gives up what it holds";
        Lost = why;
        Reset(NewestCycle(view.Geometry) + 1);
        return null;
    }

    /// <summary>Repeats everything that can be: what is damaged elsewhere on the image is no reason to lose what the log says.</summary>
    private string? Replay(Geometry geometry, bool discard)
    {
        view.Purpose = Remedy.ReplayLog;
        RecoveryResult result = Recovery.Replay(view.Device, geometry, past: true);
        // A damaged record is another matter: what comes behind it is lost.
        if (!discard && result.Skipped!.Find(p => p.Structure is "log record") is CorruptionException damaged) return GiveUp(discard: false, damaged.Message);
        Skipped = result.Skipped!.Count;
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
        if (result.Skipped!.Find(p => p.Structure is "log record") is CorruptionException record) return GiveUp(discard, record.Message);
        LogTail.ClearStale(view.Device, view.Geometry, result.Position);
        view.SetLog(LogTail.WriteUnmountRecord(view.Device, view.Geometry, result.Position));
        return null;
    }

    /// <summary>Writes an empty log whose head lies ahead of every LSN of earlier cycles.</summary>
    public void Reset(uint cycle)
    {
        Geometry g = view.Geometry;
        LogArea log = new(view.Device, g);
        view.Purpose = Remedy.ReplayLog;
        cycle = Math.Max(1, cycle);
        uint before = cycle == 1 ? 0 : LogRecordFormat.PreviousCycle(cycle);
        byte[] piece = new byte[256 * LogRecordFormat.BasicBlock];
        for (uint done = 0; done < log.BasicBlocks;)
        {
            uint count = Math.Min(256, log.BasicBlocks - done);
            // In its first cycle what was never written is zero; later on the whole ring is one cycle behind.
            for (uint i = 0; i < count && before != 0; i++)
                LogRecordFormat.FormatFiller(piece.AsSpan((int)i * LogRecordFormat.BasicBlock, LogRecordFormat.BasicBlock), before, done + i, new LogSequenceNumber(before, 0), g.Uuid);
            log.Write(done, piece.AsSpan(0, (int)count * LogRecordFormat.BasicBlock));
            done += count;
        }
        LogPosition start = new()
        {
            Head = 0, HeadCycle = cycle, Tail = new(cycle, 0), RecordedTail = new(cycle, 0), IsClean = true, IsEmpty = true,
        };
        view.SetLog(LogTail.WriteUnmountRecord(view.Device, g, start));
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
