using ImageFs.Devices;
using ImageFs.Format;

namespace ImageFs.Journal;

/// <summary>What a log replay found and did.</summary>
public sealed class RecoveryResult
{
    internal RecoveryResult(OverlayDevice view, LogPosition position, Geometry geometry)
    {
        View = view;
        Position = position;
        Geometry = geometry;
    }

    /// <summary>The device as it is after the replay. The device below is untouched until this is applied.</summary>
    public OverlayDevice View { get; }

    /// <summary>Head and tail of the log.</summary>
    public LogPosition Position { get; internal set; }

    /// <summary>Sizes after the replay: differs from before where the file system was grown.</summary>
    public Geometry Geometry { get; internal set; }

    /// <summary>There was nothing to replay.</summary>
    public bool WasClean => Position.IsClean;

    /// <summary>Committed transactions (checkpoints) in the log.</summary>
    public int Transactions { get; internal set; }
    /// <summary>Buffers changed, each counted as often as the log changes it.</summary>
    public int Buffers { get; internal set; }
    /// <summary>Inodes changed, each counted as often as the log changes it.</summary>
    public int Inodes { get; internal set; }
    /// <summary>Inode chunks made.</summary>
    public int InodeChunks { get; internal set; }
    /// <summary>Changes left out because the block on the device is newer.</summary>
    public int Newer { get; internal set; }
    /// <summary>Changes left out because the block was freed later.</summary>
    public int Cancelled { get; internal set; }

    /// <summary>Work that was promised in the log and not done, oldest first. The image is consistent only once it is finished.</summary>
    public IReadOnlyList<PendingIntent> PendingIntents { get; internal set; } = [];

    /// <summary>
    /// What could not be repeated because the block it changes is damaged; null if the first such block ends the replay, as it
    /// does for everybody but a repair.
    /// </summary>
    public List<CorruptionException>? Skipped { get; internal init; }

    /// <summary>Notes what cannot be repeated, if that is allowed. Made for exception filters.</summary>
    internal bool Tolerates(CorruptionException problem)
    {
        if (Skipped is null) return false;
        if (Skipped.Count < MostSkipped) Skipped.Add(problem);
        return true;
    }

    private const int MostSkipped = 1000;

    /// <summary>Refuses an image whose log promises work that cannot be finished here.</summary>
    /// <exception cref="XfsUnsupportedException">Names the kinds of these intents and how many there are of each.</exception>
    public void RequireKnownIntents()
    {
        PendingIntent[] unknown = [.. PendingIntents.Where(i => i.Type is not (LogItemType.ExtentFreeIntent or LogItemType.RmapIntent
            or LogItemType.RefcountIntent or LogItemType.BmapIntent or LogItemType.AttrIntent or LogItemType.ExchangeIntent))];
        if (unknown.Length == 0) return;
        string kinds = string.Join(", ", unknown.GroupBy(i => i.Name).OrderBy(g => g.Key, StringComparer.Ordinal).Select(g => $"{g.Count()} {g.Key}"));
        throw new XfsUnsupportedException($"the log holds intents that cannot be finished here ({kinds}); mount the image once with a kernel");
    }
}
