using ImageFs.Devices;
using ImageFs.Format;
using ImageFs.Tests.Fixtures;

namespace ImageFs.Tests.Fsck;

/// <summary>A healthy image, and what must be known of it to tell what a damage may cost.</summary>
internal sealed class SweepSample
{
    private static readonly Dictionary<(string, bool), SweepSample> s_known = [];
    private readonly Dictionary<ulong, List<(long Start, long End)>> _ranges = [];

    private SweepSample(DamagedImage image, MemoryDevice older)
    {
        Older = older;
        Device = image.Device;
        Places = MetadataMap.Of(image);
        using FileSystem fs = FileSystem.Open(image.Device, write: false, leaveOpen: true);
        Listing = LibraryListing.Of(fs);
        Walk(fs, fs.Volume.Root, "."u8.ToArray(), image);
    }

    /// <param name="isChanged">The sample after some files were made, removed, written and renamed.</param>
    public static SweepSample Get(string name, bool isChanged = false)
    {
        lock (s_known)
        {
            if (s_known.TryGetValue((name, isChanged), out SweepSample? known)) return known;
            DamagedImage image = new(name);
            MemoryDevice older = image.Device.Clone();
            if (isChanged) Change(image.Device);
            return s_known[(name, isChanged)] = new SweepSample(new DamagedImage(image.Device), older);
        }
    }

    private static void Change(MemoryDevice device)
    {
        using FileSystem fs = FileSystem.Open(device, write: true, leaveOpen: true);
        try
        {
            for (int i = 0; i < 20; i++)
            {
                fs.CreateDirectory($"/changed-{i}");
                for (int f = 0; f < 12; f++)
                    using (XfsFile file = fs.CreateFile($"/changed-{i}/a file of some length {f}")) file.Write(0, System.Text.Encoding.ASCII.GetBytes($"{i} {f} {new string('c', 100 * f)}"));
                fs.SetAttribute($"/changed-{i}", "user.changed", "yes"u8);
                fs.DeleteFile($"/changed-{i}/a file of some length 3");
                fs.Rename($"/changed-{i}/a file of some length 5", $"/renamed-{i}");
                fs.CreateHardLink($"/link-{i}", $"/renamed-{i}");
            }
        }
        catch (XfsNoSpaceException)
        {
            // Some samples are full on purpose.
        }
    }

    /// <summary>What the image was before it was changed; the same if it was not.</summary>
    public MemoryDevice Older { get; }

    public MemoryDevice Device { get; }
    public List<MetadataPlace> Places { get; }
    public TreeListing Listing { get; }
    public Dictionary<string, ulong> InodeOf { get; } = [];

    /// <summary>What makes a file the same file under another name.</summary>
    public static (string, string, EntryKind, long) Contents(TreeEntry entry) => (entry.Sha256, entry.Target, entry.Kind, entry.Kind == EntryKind.Directory ? 0 : entry.Size);

    /// <summary>True if a damage touches the inode, the blocks of its mappings, or its data.</summary>
    public bool IsHit(ulong inode, List<(long Start, long End)> damage) =>
        _ranges[inode].Exists(mine => damage.Exists(d => d.Start < mine.End && mine.Start < d.End));

    private void Walk(FileSystem fs, InodeNumber number, byte[] path, DamagedImage image)
    {
        InodeOf[TreeListing.Escape(path)] = number.Value;
        if (!_ranges.ContainsKey(number.Value)) _ranges[number.Value] = [.. RangesOf(image, number.Value)];
        if (!image.Core(number.Value).IsDirectory) return;
        foreach (DirectoryItem item in fs.List(number)) Walk(fs, item.Inode, path is [(byte)'.'] ? item.NameBytes : [.. path, (byte)'/', .. item.NameBytes], image);
    }

    private static IEnumerable<(long, long)> RangesOf(DamagedImage image, ulong inode)
    {
        Geometry g = image.Geometry;
        InodeCore core = image.Core(inode);
        long at = image.InodeOffset(inode);
        yield return (at, at + g.InodeSize);
        if (core.Format is not (ForkFormat.Extents or ForkFormat.Btree)) yield break;
        foreach (Extent extent in image.Extents(inode)) yield return (g.ByteOffset(extent.Start), g.ByteOffset(extent.Start) + (long)extent.Length * g.BlockSize);
        if (core.Format != ForkFormat.Btree) yield break;
        foreach (long block in image.BmbtBlocks(inode)) yield return (block, block + g.BlockSize);
    }
}
