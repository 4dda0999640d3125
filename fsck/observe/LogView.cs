using ImageFs.Devices;
using ImageFs.Format;
using ImageFs.Journal;
using ImageFs.Recovering;

namespace ImageFs.Fsck;

/// <summary>The image as it is after its log: what a mount would see. The replay happens in memory, the image is not touched.</summary>
/// <param name="Device">Where to read from.</param>
/// <param name="Geometry">Sizes after the replay.</param>
/// <param name="Head">No metadata may carry a later LSN; 0 if the log could not be read.</param>
/// <param name="WasDirty">True if there was something to replay.</param>
internal readonly record struct LogView(BlockDevice Device, Geometry Geometry, LogSequenceNumber Head, bool WasDirty)
{
    /// <param name="device">The image, made as long as the file system is.</param>
    /// <param name="image">The image as it is.</param>
    /// <param name="budget">Bounds the memory of the replay.</param>
    public static LogView Open(BlockDevice device, BlockDevice image, Geometry geometry, FindingList findings, MemoryBudget budget)
    {
        LogState log = LogState.Assess(device, geometry, image);
        if (log.Problem is not null) findings.Add(log.IsLossy ? FindingCodes.LogDamaged : FindingCodes.LogForm, default, log.Problem);
        if (log.IsLossy) return new LogView(device, geometry, default, false);
        LogSequenceNumber head = log.Position.HeadLsn;
        if (log.Position.IsClean) return new LogView(device, geometry, head, false);
        try
        {
            RecoveryResult replay = Recovery.Replay(device, geometry, remains: log.Remains, mostBytes: budget.ForChanges);
            findings.Add(FindingCodes.LogReplayed, default, replay.Transactions);
            if (replay.PendingIntents.Count > 0)
                findings.Add(FindingCodes.LogIntents, default, string.Join(", ", replay.PendingIntents.GroupBy(i => i.Name).Select(g => $"{g.Count()} {g.Key}")));
            IntentFinisher.FinishInMemory(replay);
            return new LogView(replay.View, replay.Geometry, replay.Position.HeadLsn, true);
        }
        catch (XfsException e)
        {
            findings.Add(FindingCodes.LogDamaged, default, e.Message);
            return new LogView(device, geometry, head, true);
        }
    }
}
