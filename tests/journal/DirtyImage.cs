using ImageFs.Devices;
using ImageFs.Format;
using ImageFs.Journal;
using ImageFs.Tests.Fixtures;

namespace ImageFs.Tests.Journal;

/// <summary>An image whose log must be replayed, and what one needs to hold our replay against the kernel's.</summary>
internal sealed class DirtyImage : IDisposable
{
    private readonly TempImage _image;

    private DirtyImage(TempImage image) => _image = image;

    public string Path => _image.Path;

    /// <summary>Has the kernel work on a fresh image and pulls the plug.</summary>
    /// <param name="flushLog">Whether the log is written out first; otherwise what was not synced is lost.</param>
    public static DirtyImage Make(long bytes, string[] mkfs, string workload, bool flushLog = true, string? mountOptions = null)
    {
        using TempImage made = TempImage.MadeByMkfs(bytes, mkfs);
        return From(made, workload, flushLog, mountOptions);
    }

    /// <summary>Has the kernel work on a copy of an image and pulls the plug.</summary>
    public static DirtyImage From(TempImage made, string workload, bool flushLog = true, string? mountOptions = null) =>
        From(made, mount => mount.Run(workload, TimeSpan.FromMinutes(3)), flushLog, mountOptions);

    /// <inheritdoc cref="From(TempImage, string, bool, string?)"/>
    public static DirtyImage From(TempImage made, Action<KernelMount> workload, bool flushLog = true, string? mountOptions = null)
    {
        TempImage image = TempImage.CopyOf(made.Path);
        try
        {
            Work(image, workload, flushLog, mountOptions);
            return new DirtyImage(image);
        }
        catch
        {
            image.Dispose();
            throw;
        }
    }

    /// <summary>Mounts once more, which replays the log, works and pulls the plug again.</summary>
    public void WorkAgain(string workload, bool flushLog = true, string? mountOptions = null) =>
        Work(_image, mount => mount.Run(workload, TimeSpan.FromMinutes(3)), flushLog, mountOptions);

    private static void Work(TempImage image, Action<KernelMount> workload, bool flushLog, string? mountOptions)
    {
        using KernelMount mount = KernelMount.ReadWrite(image.Path, mountOptions);
        workload(mount);
        mount.PullThePlug(flushLog);
    }

    /// <summary>The contents, each time anew.</summary>
    public MemoryDevice Load() => MemoryDevice.Load(Path);

    /// <summary>The tree of a copy of an image, mounted by the kernel; afterwards the copy is clean for xfs_repair.</summary>
    /// <param name="mustBeClean">False where it is for us alone to be clean: the kernel stumbles over some of its own logs.</param>
    public static TreeListing KernelListing(string path, bool mustBeClean = true)
    {
        using TempImage copy = TempImage.CopyOf(path);
        TreeListing listing;
        using (KernelMount mount = KernelMount.ReadWrite(copy.Path))
        {
            listing = mount.List();
            if (mustBeClean) mount.AssertNoComplaints();
        }
        if (mustBeClean) XfsRepair.CheckRecovered(copy.Path);
        return listing;
    }

    public static Geometry GeometryOf(BlockDevice device)
    {
        byte[] sector = new byte[512];
        device.Read(0, sector);
        return new Geometry(Superblock.At(sector));
    }

    /// <summary>Replays into memory and applies that to the device.</summary>
    public static RecoveryResult ReplayAndApply(MemoryDevice device)
    {
        RecoveryResult result = Recovery.Replay(device, GeometryOf(device));
        result.View.Apply();
        return result;
    }

    /// <summary>What a volume does when nothing else is left to do: clears the log ahead and writes an unmount record.</summary>
    public static void MarkClean(MemoryDevice device, RecoveryResult result)
    {
        LogTail.ClearStale(device, result.Geometry, result.Position);
        LogTail.WriteUnmountRecord(device, result.Geometry, result.Position);
    }

    /// <summary>Whether inodes without a name wait to be freed; xfs_repair objects to them in a clean image.</summary>
    public static bool HasUnlinkedInodes(BlockDevice device, Geometry geometry)
    {
        byte[] sector = new byte[geometry.SectorSize];
        for (uint ag = 0; ag < geometry.AgCount; ag++)
        {
            device.Read(geometry.HeaderOffset(new(ag), 2), sector);
            foreach (BigEndian32 bucket in Agi.At((ReadOnlySpan<byte>)sector).Unlinked)
                if (bucket != uint.MaxValue) return true;
        }
        return false;
    }

    /// <summary>
    /// Holds our replay against the kernel's: the kernel sees the same tree in an image that we replayed and it replays
    /// again; and, where nothing is left to be finished, in one that we replayed and marked clean, in which xfs_repair finds
    /// nothing.
    /// </summary>
    /// <returns>What our replay found.</returns>
    public RecoveryResult AssertReplayedAsTheKernelDoes() => AssertReplayedAsTheKernelDoes(Path);

    /// <inheritdoc cref="AssertReplayedAsTheKernelDoes()"/>
    public static RecoveryResult AssertReplayedAsTheKernelDoes(string path)
    {
        TreeListing expected = KernelListing(path);
        MemoryDevice device = MemoryDevice.Load(path);
        RecoveryResult result = ReplayAndApply(device);
        Assert.IsFalse(result.WasClean, "the log was not dirty");

        using (TempImage applied = Saved(device))
            TreeListing.AssertEqual(expected, KernelListing(applied.Path));
        if (result.PendingIntents.Count > 0 || HasUnlinkedInodes(device, result.Geometry)) return result;
        MarkClean(device, result);
        using (TempImage clean = Saved(device))
        {
            // CoW staging that the crash left is for the volume to free, and all that xfs_repair may object to.
            if (XfsRepair.Check(clean.Path).Text.Contains("leftover CoW extent", StringComparison.Ordinal)) return result;
            XfsRepair.CheckClean(clean.Path);
            TreeListing.AssertEqual(expected, KernelListing(clean.Path));
        }
        return result;
    }

    /// <summary>Fails unless two devices have the same bytes.</summary>
    public static void AssertSame(BlockDevice expected, BlockDevice actual, string message = "")
    {
        Assert.AreEqual(expected.Length, actual.Length);
        byte[] left = new byte[1 << 20], right = new byte[1 << 20];
        for (long at = 0; at < expected.Length; at += left.Length)
        {
            int length = (int)Math.Min(left.Length, expected.Length - at);
            expected.Read(at, left.AsSpan(0, length));
            actual.Read(at, right.AsSpan(0, length));
            int same = left.AsSpan(0, length).CommonPrefixLength(right.AsSpan(0, length));
            if (same < length) Assert.Fail($"byte {at + same} differs {message}");
        }
    }

    private static TempImage Saved(MemoryDevice device)
    {
        TempImage image = TempImage.NotYetThere();
        device.Save(image.Path);
        return image;
    }

    public void Dispose() => _image.Dispose();
}
