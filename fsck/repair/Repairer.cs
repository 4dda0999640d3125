using ImageFs.Devices;
using ImageFs.Format;

namespace ImageFs.Fsck;

/// <summary>Repairs an image: first in memory, over an image that stays as it is, and what a check of the result agrees to is written.</summary>
public static class Repairer
{
    private const int MostPasses = 40;
    /// <summary>Groups beyond the end of an image that are made anew.</summary>
    private const uint MostMissing = 1024;

    /// <summary>Checks the file system on a device and repairs what is wrong.</summary>
    /// <returns>
    /// The check before the repair, with <see cref="FsckReport.Repair"/>: exit 0 if there was nothing to do, 1 if everything was
    /// repaired, 4 if something is left. Then the rest was repaired, unless it says that writing would be dangerous.
    /// </returns>
    public static FsckReport Repair(BlockDevice device, RepairOptions? options = null, IProgress<FsckProgress>? progress = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(device);
        options ??= new RepairOptions();
        FsckReport before = Checker.Check(device, options, progress, cancellation);
        if (before.Exit is FsckExit.OperationalError or FsckExit.Cancelled || before.Exit == FsckExit.Clean && !before.WasDirty) return before;
        try
        {
            using MemoryBudget budget = new(options.MemoryBytes);
            using RepairView view = new(device, budget);
            Built built = Build(view, before, options, progress, cancellation);
            if (built is { Danger: null, After.Exit: FsckExit.Cancelled }) return built.After;
            RepairPlan plan = new(view.Device, device);
            bool apply = built.Danger is null && !options.DryRun && !plan.IsEmpty;
            if (apply) new RepairWriter(device, view, plan).Apply(options.UndoFile);
            return before with
            {
                Exit = built.Problem is null ? FsckExit.Repaired : FsckExit.ErrorsLeft,
                Repair = new RepairOutcome
                {
                    Plan = built.Danger is null ? plan.Changes : [], IsApplied = apply, After = built.After, Problem = built.Problem, Left = built.Left,
                    LostLog = built.LostLog, Notes = built.Danger is null ? view.Notes : [],
                },
            };
        }
        catch (OperationCanceledException)
        {
            return before with { Exit = FsckExit.Cancelled };
        }
        catch (IOException e)
        {
            return before with { Exit = FsckExit.OperationalError, Problem = e.Message };
        }
    }

    /// <summary>The image as it would be after a repair, for reading; nothing is written. The result owns the device.</summary>
    /// <exception cref="XfsException">EUCLEAN: it cannot be repaired.</exception>
    public static BlockDevice View(BlockDevice device, RepairOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(device);
        options ??= new RepairOptions();
        FsckReport before = Checker.Check(device, options);
        if (before.Exit == FsckExit.Clean) return device;
        if (before.Exit == FsckExit.OperationalError) throw new XfsException(Errno.EUCLEAN, before.Problem!);
        RepairView view = new(device, new MemoryBudget(options.MemoryBytes));
        if (Build(view, before, options, null, default).Danger is string danger) throw new XfsException(Errno.EUCLEAN, $"the image cannot be repaired: {danger}");
        view.Device.OwnsBelow = true;
        return view.Device;
    }

    /// <summary>What became of a view.</summary>
    /// <param name="Danger">Why nothing of it may be written; null if it may.</param>
    /// <param name="Problem">Why it is not clean; null if it is.</param>
    private sealed record Built(string? Danger, string? Problem, FsckReport? After, IReadOnlyList<Finding> Left, string? LostLog)
    {
        public static Built Dangerous(string why, FsckReport? after = null, string? lost = null) => new(why, why, after, [], lost);
    }

    /// <summary>Repairs the view pass by pass until a check of it finds nothing, or nothing that can be repaired.</summary>
    private static Built Build(RepairView view, FsckReport before, RepairOptions options, IProgress<FsckProgress>? progress, CancellationToken cancellation)
    {
        SuperblockRepair superblocks = new(view);
        if (superblocks.Restore(before, cancellation) is string unusable) return Built.Dangerous(unusable);
        if (MakeLonger(view) is string tooShort) return Built.Dangerous(tooShort);
        LogRepair log = new(view);
        if (log.Run(options.DiscardLog) is string inTheWay) return Built.Dangerous(inTheWay, lost: log.Lost);
        if (view.Geometry.Superblock.RealtimeBlocks != 0) return Built.Dangerous("images with a realtime device are checked as far as the data device goes, and not repaired", lost: log.Lost);
        Attempts attempts = new();
        bool trust = true, repaired = false, again = true;
        for (int pass = 0; pass < MostPasses && again; pass++)
        {
            using MemoryBudget budget = new(options.MemoryBytes);
            RepairPass one = new(view, budget, superblocks, attempts, trust, p => progress?.Report(p), cancellation);
            again = one.Run();
            trust = one.TrustsReverseMap;
            repaired |= again;
        }
        if (repaired) superblocks.ForgetUsage();
        FsckReport after = Checker.Check(view.Device, options, progress, cancellation);
        if (after.Exit is FsckExit.Clean or FsckExit.Cancelled) return new Built(null, null, after, [], log.Lost);
        if (after.Problem is string problem) return Built.Dangerous(problem, after, log.Lost);
        if (again) return Built.Dangerous($"after {MostPasses} passes there is still something to repair ({Codes(after)})", after, log.Lost);
        if (after.Counts.GetValueOrDefault(FindingCodes.IoError) is long unread and > 0)
            return Built.Dangerous($"{unread} place{(unread == 1 ? "" : "s")} cannot be read, and what they hold could be taken for free; repair a copy on a medium that can be read", after, log.Lost);
        // Whoever mounts what is left must not make it worse.
        bool isMountable = after.Counts.Keys.All(IsHarmless);
        if (!isMountable)
        {
            superblocks.MarkUnfinished();
            after = Checker.Check(view.Device, options, progress, cancellation);
        }
        Finding[] left = [.. after.Findings.Where(f => f.Severity != Severity.Info)];
        string reasons = string.Concat(attempts.Reasons.Take(10).Select(r => $"; {r}"));
        string mount = isMountable ? "" : "; it is marked so that no kernel mounts it";
        return new Built(null, $"{Codes(after)} left{reasons}{mount}", after, left, log.Lost);
    }

    /// <summary>Findings of a report in a few words.</summary>
    private static string Codes(FsckReport report)
    {
        const int most = 8;
        KeyValuePair<FindingCode, long>[] faults = [.. report.Counts.Where(p => p.Key.Severity != Severity.Info)];
        long count = faults.Sum(p => p.Value);
        return $"{count} finding{(count == 1 ? "" : "s")} ({string.Join(", ", faults.Select(p => p.Key.Text).Order(StringComparer.Ordinal).Take(most))}{(faults.Length > most ? ", ..." : "")})";
    }

    /// <summary>True for what concerns one file or one directory only, and does not spread when somebody writes to the rest.</summary>
    private static bool IsHarmless(FindingCode code) => code.Severity != Severity.Error || code.Remedy is Remedy.RebuildDirectory or Remedy.FixEntry
        or Remedy.RebuildAttributes or Remedy.Reconnect or Remedy.FreeInode or Remedy.ClearInode or Remedy.FixQuota && code != FindingCodes.DirectoryCycle;

    /// <summary>An image that was cut off gets the length it had, in zeros; what lay there is for the passes to find missing.</summary>
    /// <returns>Null, or why that cannot be.</returns>
    private static string? MakeLonger(RepairView view)
    {
        Geometry g = view.Geometry;
        long there = view.Device.Length, bytesOfGroup = (long)g.AgBlocks << g.BlockLog;
        if (there >= g.DeviceBytes) return null;
        if (g.AgCount - there / bytesOfGroup > MostMissing) return $"the image has {there} bytes, the file system {g.DeviceBytes}: more than {MostMissing} groups are missing";
        view.Device.SetLength(g.DeviceBytes);
        view.Notes.Add($"the image becomes {g.DeviceBytes - there} bytes longer, as long as the file system; they read as zeros, what they held is lost");
        return null;
    }
}
