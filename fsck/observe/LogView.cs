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
    public static LogView Open(BlockDevice device, Geometry geometry, FindingList findings)
    {
        LogSequenceNumber head = default;
        bool dirty = false;
        try
        {
            if (geometry.LogOffset > device.Length - geometry.LogBytes) throw new XfsException(Errno.EIO, "it lies outside the image");
            LogPosition position = LogScan.Find(new LogArea(device, geometry), geometry);
            head = position.HeadLsn;
            dirty = !position.IsClean;
            if (!dirty) return new LogView(device, geometry, head, false);
            RecoveryResult replay = Recovery.Replay(device, geometry);
            findings.Add(FindingCodes.LogReplayed, default, replay.Transactions);
            if (replay.PendingIntents.Count > 0)
                findings.Add(FindingCodes.LogIntents, default, string.Join(", ", replay.PendingIntents.GroupBy(i => i.Name).Select(g => $"{g.Count()} {g.Key}")));
            IntentFinisher.FinishInMemory(replay);
            return new LogView(replay.View, replay.Geometry, replay.Position.HeadLsn, true);
        }
        catch (XfsException e)
        {
            findings.Add(FindingCodes.LogDamaged, default, e.Message);
            return new LogView(device, geometry, head, dirty);
        }
    }
}
