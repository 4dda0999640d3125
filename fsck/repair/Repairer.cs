using ImageFs.Devices;
using ImageFs.Format;

namespace ImageFs.Fsck;

/// <summary>Repairs an image: first in memory, over an image that stays as it is, and only what came out clean is written.</summary>
public static class Repairer
{
    private const int MostPasses = 24;

    /// <summary>Checks the file system on a device and repairs what is wrong.</summary>
    /// <returns>
    /// The check before the repair, with <see cref="FsckReport.Repair"/>: exit 0 if there was nothing to do, 1 if everything was
    /// repaired, 4 if something cannot be, and then nothing was written.
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
            string? problem = Build(view, options, progress, cancellation, out string? lost, out FsckReport? after);
            if (problem is null && after!.Exit is FsckExit.Cancelled) return after;
            RepairPlan plan = new(view.Device, device);
            bool apply = problem is null && !options.DryRun;
            if (apply) new RepairWriter(device, view, plan).Apply(options.UndoFile);
            return before with
            {
                Exit = problem is null ? FsckExit.Repaired : FsckExit.ErrorsLeft,
                Repair = new RepairOutcome { Plan = plan.Changes, IsApplied = apply, After = after, Problem = problem, LostLog = lost, Notes = view.Notes },
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
    /// <exception cref="XfsException">EUCLEAN: it cannot be repaired completely.</exception>
    public static BlockDevice View(BlockDevice device, RepairOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(device);
        options ??= new RepairOptions();
        FsckReport before = Checker.Check(device, options);
        if (before.Exit == FsckExit.Clean) return device;
        if (before.Exit == FsckExit.OperationalError) throw new XfsException(Errno.EUCLEAN, before.Problem!);
        RepairView view = new(device, new MemoryBudget(options.MemoryBytes));
        if (Build(view, options, null, default, out _, out _) is string problem) throw new XfsException(Errno.EUCLEAN, $"the image cannot be repaired: {problem}");
        view.Device.OwnsBelow = true;
        return view.Device;
    }

    /// <summary>Repairs the view pass by pass until a check of it finds nothing.</summary>
    /// <returns>Null, or why that cannot be reached.</returns>
    private static string? Build(RepairView view, RepairOptions options, IProgress<FsckProgress>? progress, CancellationToken cancellation, out string? lost, out FsckReport? after)
    {
        lost = null;
        after = null;
        SuperblockRepair superblocks = new(view);
        if (superblocks.Restore(cancellation) is string unusable) return unusable;
        if (view.Device.Length < view.Geometry.DeviceBytes) return $"the image has {view.Device.Length} bytes, the file system {view.Geometry.DeviceBytes}: it was truncated";
        LogRepair log = new(view);
        string? inTheWay = log.Run(options.DiscardLog);
        lost = log.Lost;
        if (inTheWay is not null) return inTheWay;
        if (view.Geometry.Superblock.RealtimeBlocks != 0) return "images with a realtime device are checked as far as the data device goes, and not repaired";
        string? problem = null;
        bool trust = true, repaired = false;
        for (int pass = 0; pass < MostPasses && problem is null; pass++)
        {
            using MemoryBudget budget = new(options.MemoryBytes);
            RepairPass one = new(view, budget, superblocks, trust, p => progress?.Report(p), cancellation);
            bool again = one.Run();
            problem = one.Problem;
            trust = one.TrustsReverseMap;
            if (!again) break;
            repaired = true;
        }
        if (repaired) superblocks.ForgetUsage();
        after = Checker.Check(view.Device, options, progress, cancellation);
        if (problem is not null) return problem;
        if (after.Exit is FsckExit.Clean or FsckExit.Cancelled) return null;
        long left = after.Counts.Where(p => p.Key.Severity != Severity.Info).Sum(p => p.Value);
        string codes = string.Join(", ", after.Counts.Where(p => p.Key.Severity != Severity.Info).Select(p => p.Key.Text).Order(StringComparer.Ordinal).Take(8));
        return after.Problem ?? $"{left} finding{(left == 1 ? "" : "s")} would be left ({codes})";
    }
}
