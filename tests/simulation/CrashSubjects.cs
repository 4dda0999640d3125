using System.Text;
using ImageFs.Devices;
using ImageFs.Format;
using ImageFs.Fsck;
using ImageFs.Mkfs;
using ImageFs.Tests.Fixtures;

namespace ImageFs.Tests.Simulation;

/// <summary>The file systems the explorer works on.</summary>
internal static class CrashSubjects
{
    /// <summary>A file that only takes up room; no part of the tree the model knows.</summary>
    public const string Ballast = ".ballast";

    private const long Size = 48 << 20;

    /// <summary>Options of mkfs by name; four of them differ in what happens afterwards.</summary>
    private static readonly Dictionary<string, string[]> s_options = new()
    {
        ["default"] = [],
        ["1k"] = ["-b", "size=1024"],
        ["no-rmapbt"] = ["-m", "rmapbt=0"],
        ["no-reflink"] = ["-m", "reflink=0"],
        ["plain"] = ["-m", "reflink=0,rmapbt=0,finobt=0,inobtcount=0,bigtime=0", "-i", "sparse=0,nrext64=0"],
        ["one-group"] = ["-d", "agcount=1"],
        ["end-of-log"] = [],
        ["small-log"] = ["-b", "size=1024"],
        ["full"] = [],
        ["eager"] = [],
        [Exchange] = ["-i", "exchange=1"],
    };

    /// <summary>With the feature by which an exchange may take many transactions; to everything else it is the default.</summary>
    public const string Exchange = "exchange";

    /// <summary>Those that differ for all kinds of work.</summary>
    public static IEnumerable<string> Names => s_options.Keys.Where(name => name != Exchange);

    /// <summary>A file system by name: the library on an image of its own making, the kernel and xfs_repair as judges where they can be had.</summary>
    public static CrashSubject Make(string name)
    {
        string[] options = s_options[name];
        MemoryDevice device = new(Size);
        MkfsOptions wanted = MkfsOptions.Parse(options) with { SourceDate = DateTimeOffset.UnixEpoch.AddYears(50) };
        MkfsPlan plan = global::ImageFs.Mkfs.Mkfs.Plan(wanted, Size);
        // The smallest log the format knows; kernels want more, so that the largest transaction they can have fits three times.
        bool small = name == "small-log";
        if (small)
            plan = plan with { LogBlocks = 512 };
        global::ImageFs.Mkfs.Mkfs.Format(device, wanted, plan, isZero: true);
        if (name == "end-of-log")
            MoveToTheEndOfTheLog(device);
        if (name == "full")
            Fill(device, leave: 100 << 10);
        Geometry geometry = Volume.ReadSuperblock(device);
        return new CrashSubject
        {
            Name = name,
            Formatted = PagedImage.Of(device),
            BlockSize = geometry.BlockSize,
            Log = new ByteRange(geometry.LogOffset, geometry.LogBytes),
            Open = name == "eager" ? FileSystemTree.OpenEager : FileSystemTree.Open,
            Check = device => Findings(device),
            OtherRecovery = Judge.HasKernel && !small ? RecoveredByTheKernel : null,
            OtherCheck = Judge.Find("xfs_repair") is null ? null : CheckedByRepair,
        };
    }

    /// <summary>True if a workload makes sense there.</summary>
    public static bool Suits(string subject, string workload) => subject switch
    {
        "no-reflink" or "plain" => !Workload.Shares(workload) && workload != "full",
        "full" => workload == "full",
        _ => workload != "full",
    };

    // A few KiB are left, so that the first or second checkpoint of a run goes around the end.
    private static void MoveToTheEndOfTheLog(BlockDevice device)
    {
        using FileSystem fileSystem = FileSystem.Open(device, write: true, leaveOpen: true);
        fileSystem.CreateFile("/mover").Dispose();
        uint end = (uint)(fileSystem.Geometry.LogBytes / 512) - 24;
        for (uint seconds = 0; fileSystem.Volume.Cache.Head.Block < end; seconds++)
        {
            fileSystem.SetAttributes("/mover", modified: new Timestamp(seconds, 0));
            fileSystem.Flush();
        }
        fileSystem.DeleteFile("/mover");
    }

    private static void Fill(BlockDevice device, long leave)
    {
        using FileSystem fileSystem = FileSystem.Open(device, write: true, leaveOpen: true);
        using XfsFile ballast = fileSystem.CreateFile("/" + Ballast);
        byte[] zeros = new byte[64 << 10];
        long offset = 0;
        while ((long)fileSystem.Statistics.FreeBlocks * fileSystem.Geometry.BlockSize > leave + zeros.Length)
        {
            try
            {
                ballast.Write(offset, zeros);
            }
            catch (XfsNoSpaceException)
            {
                break;
            }
            offset += zeros.Length;
        }
        ballast.SetLength(Math.Max(0, ballast.Length - leave));
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
        Stack<string> open = new([""]);
        while (open.TryPop(out string? folder))
            foreach (byte[] name in Posix.Names(Posix.Bytes($"{root}/{folder}")))
            {
                string path = folder + Encoding.UTF8.GetString(name);
                if (path == Ballast)
                    continue;
                byte[] at = Posix.Bytes($"{root}/{path}");
                Posix.Status status = Posix.Stat(at);
                char kind = "?pc?d?b?f?l?s"[(int)(status.Mode >> 12)];
                if (kind == 'd')
                    open.Push(path + "/");
                byte[] content = kind switch
                {
                    'd' => [],
                    'f' => File.ReadAllBytes($"{root}/{path}"),
                    'l' => Posix.LinkTarget(at),
                    _ => Encoding.UTF8.GetBytes($"{status.DeviceMajor}:{status.DeviceMinor}"),
                };
                found.Add(path, new ObservedEntry(kind, kind == 'd' ? 0 : status.Size, status.Links, content)
                {
                    Mode = (int)status.Mode & FileMode16.PermissionMask,
                    Attributes = Posix.AttributeNames(at).ToDictionary(a => Encoding.UTF8.GetString(a), a => TreeListing.Digest(Posix.AttributeValue(at, a))),
                });
            }
        return found;
    }
}
