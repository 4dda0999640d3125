using ImageFs.Devices;
using ImageFs.Format;
using ImageFs.Journal;

namespace ImageFs.Cli;

/// <summary>What `info` knows about an image: the superblock, and, where the image can be opened, its counters and its log.</summary>
/// <param name="Superblock">As it lies on the image; counters are exact only when the log is clean.</param>
/// <param name="Access">What may be done with it here.</param>
/// <param name="Reason">Why that is less than writing; empty otherwise.</param>
/// <param name="Statistics">After a replay in memory; null if the image cannot be opened.</param>
/// <param name="Log">What the replay found; null if the image cannot be opened.</param>
internal sealed record ImageInfo(
    string Path, long FileBytes, Geometry Geometry, Superblock Superblock, Support Access, string Reason,
    FileSystemStatistics? Statistics, RecoveryResult? Log)
{
    /// <summary>Looks without touching.</summary>
    /// <exception cref="CorruptionException">There is no XFS superblock.</exception>
    public static ImageInfo Of(string path)
    {
        using FileDevice device = FileDevice.Open(path, DeviceAccess.Read);
        Geometry geometry = Volume.ReadSuperblock(device);
        SuperblockVerifier.Verdict verdict = SuperblockVerifier.Judge(geometry.Superblock);
        ImageInfo info = new(path, device.Length, geometry, geometry.Superblock, verdict.Level, verdict.Reason, null, null);
        if (verdict.Level == Support.Refused) return info;
        try
        {
            using FileSystem fs = FileSystem.Open(device, leaveOpen: true);
            return info with { Geometry = fs.Geometry, Statistics = fs.Statistics, Log = fs.Volume.Recovery };
        }
        catch (XfsException why)
        {
            return info with { Access = Support.Refused, Reason = why.Message };
        }
    }

    /// <summary>The names of the features that are on, as mkfs.xfs has them; unknown bits by number.</summary>
    public IReadOnlyList<string> Features
    {
        get
        {
            Superblock sb = Superblock;
            List<string> names = [sb.Version == 4 ? "version 4" : "crc"];
            foreach ((string word, uint bits) in (ReadOnlySpan<(string, uint)>)
                [
                    ("versionnum", (uint)sb.VersionBits), ("features2", sb.Features2), ("ro_compat", sb.FeaturesRoCompat),
                    ("incompat", sb.FeaturesIncompat), ("log_incompat", sb.FeaturesLogIncompat),
                ])
            {
                uint rest = bits;
                foreach (Feature feature in FeatureTable.All)
                {
                    if (feature.Word != word || (bits & feature.Bit) == 0) continue;
                    names.Add(feature.Name);
                    rest &= ~feature.Bit;
                }
                // The old words are full of bits that every version 5 file system has.
                if (rest != 0 && word is not ("versionnum" or "features2")) names.Add($"{word}:0x{rest:x}");
            }
            return names;
        }
    }

    /// <summary>"clean", or what a replay has to do.</summary>
    public string LogState => Log switch
    {
        null => "not read",
        { WasClean: true } => "clean",
        { PendingIntents.Count: > 0 } log => $"dirty: {Sizes.Count(log.Transactions, "transaction")} to replay, {Sizes.Count(log.PendingIntents.Count, "intent")} to finish",
        _ => $"dirty: {Sizes.Count(Log.Transactions, "transaction")} to replay",
    };
}
