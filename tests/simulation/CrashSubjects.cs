using ImageFs.Devices;
using ImageFs.Format;
using ImageFs.Fsck;
using ImageFs.Mkfs;
using ImageFs.Tests.Fixtures;

namespace ImageFs.Tests.Simulation;

/// <summary>The file systems the explorer works on.</summary>
internal static class CrashSubjects
{
    /// <summary>The library on an image of its own making; the kernel and xfs_repair as judges where they can be had.</summary>
    public static CrashSubject Library(params string[] mkfsOptions)
    {
        MemoryDevice device = new(48 << 20);
        MkfsOptions options = MkfsOptions.Parse(mkfsOptions) with
        {
            SourceDate = DateTimeOffset.UnixEpoch.AddYears(50),
        };
        global::ImageFs.Mkfs.Mkfs.Format(device, options);
        Geometry geometry = Volume.ReadSuperblock(device);
        return new CrashSubject
        {
            Formatted = PagedImage.Of(device),
            BlockSize = geometry.BlockSize,
            Log = new ByteRange(geometry.LogOffset, geometry.LogBytes),
            Open = FileSystemTree.Open,
            Check = device => Findings(device),
            OtherRecovery = Judge.HasKernel ? RecoveredByTheKernel : null,
            OtherCheck = Judge.Find("xfs_repair") is null ? null : CheckedByRepair,
        };
    }

    private static List<string> Findings(BlockDevice device)
    {
        FsckReport report = Checker.Check(device);
        List<string> findings = [.. report.Findings.Select(f => f.ToString())];
        if (!report.IsClean && findings.Count == 0)
            findings.Add($"exit code {report.Exit}: {report.Problem}");
        return findings;
    }

    private static void CheckedByRepair(PagedImage disk)
    {
        using TempImage image = TempImage.NotYetThere();
        disk.Save(image.Path);
        XfsRepair.CheckClean(image.Path);
    }

    private static Dictionary<string, ObservedEntry> RecoveredByTheKernel(PagedImage crashed)
    {
        using TempImage image = TempImage.NotYetThere();
        crashed.Save(image.Path);
        Dictionary<string, ObservedEntry> found;
        using (KernelMount mount = KernelMount.ReadWrite(image.Path))
        {
            found = Observe(mount.Path);
            mount.AssertNoComplaints();
        }
        XfsRepair.CheckClean(image.Path);
        return found;
    }

    /// <summary>A mounted tree, as <see cref="IWorkTree.Observe"/> tells it.</summary>
    private static Dictionary<string, ObservedEntry> Observe(string root)
    {
        Dictionary<string, ObservedEntry> found = [];
        foreach (FileSystemInfo entry in new DirectoryInfo(root).EnumerateFileSystemInfos("*", SearchOption.AllDirectories))
        {
            string path = Path.GetRelativePath(root, entry.FullName);
            Posix.Status status = Posix.Stat(Posix.Bytes(entry.FullName));
            found.Add(path, entry.LinkTarget is not null
                ? new ObservedEntry('l', status.Size, status.Links, Posix.LinkTarget(Posix.Bytes(entry.FullName)))
                : entry is DirectoryInfo
                    ? new ObservedEntry('d', 0, status.Links, [])
                    : new ObservedEntry('f', status.Size, status.Links, File.ReadAllBytes(entry.FullName)));
        }
        return found;
    }
}
