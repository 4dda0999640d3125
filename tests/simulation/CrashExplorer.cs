using System.Collections.Concurrent;
using ImageFs.Devices;

namespace ImageFs.Tests.Simulation;

/// <summary>
/// Runs workloads on a simulated disk, cuts the power everywhere, and after each cut lets the library recover and asks: does
/// the check stay silent, is everything there that a flush promised, and is nothing there that nobody wrote?
/// </summary>
/// <remarks>
/// A workload runs once and is recorded; the crashed images are made from the recording, two thousand in the time a few dozen runs
/// would take. Later generations start from a crashed image of the one before, so that recoveries, and cuts
/// during them, are followed by more work on the same log.
/// </remarks>
internal sealed class CrashExplorer(CrashSubject subject)
{
    private const int EnoughFailures = 5;
    private readonly CrashReport _report = new();

    public CrashReport Report => _report;

    /// <summary>Visits some cuts of one generation of a workload.</summary>
    /// <param name="judged">How many of them the other judges see as well.</param>
    public void Explore(string workload, int seed, int generation, int cuts, int judged)
    {
        CrashRun run = Run(workload, seed, generation);
        Interlocked.Add(ref _report.Operations, run.Operations.Count);
        foreach (WorkOperation operation in run.Operations)
            _report.Count(operation);
        _report.CountLackOfSpace(run.WithoutRoom);
        Random random = new(HashCode(seed, generation, 1));
        List<(CrashCut Cut, bool Judged)> plan = Plan(run, random, workload, seed, generation, cuts, judged);
        DeviceHistory history = new(run.Start, run.Steps, subject.Log);
        // Images are made in order by whoever comes next; looking at them is what takes the time.
        IEnumerable<(CrashCut, bool, PagedImage)> images = plan.Select(p => (p.Cut, p.Judged, history.Cut(p.Cut.Step, p.Cut.Survival)));
        Parallel.ForEach(Partitioner.Create(images, EnumerablePartitionerOptions.NoBuffering), (item, loop) =>
        {
            (CrashCut cut, bool judge, PagedImage disk) = item;
            Judge(run, cut, disk, judge);
            if (_report.Failures.Count >= EnoughFailures)
                loop.Stop();
        });
    }

    /// <summary>Visits one cut, described by the text a failure printed.</summary>
    public void Replay(CrashCut cut)
    {
        CrashRun run = Run(cut.Workload, cut.Seed, cut.Generation);
        PagedImage disk = new DeviceHistory(run.Start, run.Steps, subject.Log).Cut(cut.Step, cut.Survival);
        Judge(run, cut, disk, judged: cut.Survival.Grain is Grain.Page or Grain.Write);
    }

    /// <summary>The recorded run of a generation.</summary>
    public CrashRun Run(string workload, int seed, int generation)
    {
        PagedImage start = subject.Formatted;
        Model model = new(subject.BlockSize);
        for (int g = 0; ; g++)
        {
            CrashRun run = CrashRun.Record(subject, start, model, WorkloadOf(workload, seed, g), Workload.Length(workload));
            if (g == generation)
                return run;
            (start, model) = Inherit(run, new Random(HashCode(seed, g, 2)));
        }
    }

    /// <summary>The operations of a generation, to be run once.</summary>
    public Workload WorkloadOf(string name, int seed, int generation) => new(name, HashCode(seed, generation, 0), subject.BlockSize, (char)('a' + generation));

    /// <summary>A crashed image of a run, and what the tree on it is.</summary>
    private (PagedImage Disk, Model Model) Inherit(CrashRun run, Random random)
    {
        for (int attempt = 0; attempt < 50; attempt++)
        {
            int step = random.Next(1, run.Steps.Count + 1);
            Survival survival = Survival.Any(random, Grain.Sector, Grain.Page, Grain.Write);
            PagedImage disk = new DeviceHistory(run.Start, run.Steps, subject.Log).Cut(step, survival);
            Dictionary<string, ObservedEntry> found;
            using (IWorkTree tree = subject.Open(new SimulatedDevice(disk)))
                found = tree.Observe();
            int operations = run.MatchAt(step).Find(found, out bool exact, out _);
            if (operations >= 0 && exact)
                return (disk, run.Model.Restart(operations, found));
        }
        throw new AssertFailedException("no cut of the generation before leaves a tree to go on with");
    }

    private List<(CrashCut, bool)> Plan(CrashRun run, Random random, string workload, int seed, int generation, int cuts, int judged)
    {
        // Every flush first, as far as they get, then anything else.
        List<int> flushes = [.. Enumerable.Range(1, run.Steps.Count).Where(step => run.Steps[step - 1].IsFlush)];
        List<int> steps = [.. flushes.OrderBy(_ => random.Next()).Take(cuts / 2)];
        while (steps.Count < cuts)
            steps.Add(random.Next(1, run.Steps.Count + 2));
        HashSet<int> chosen = [.. Enumerable.Range(0, cuts).OrderBy(_ => random.Next()).Take(judged)];
        steps.Sort();
        List<(CrashCut, bool)> plan = [];
        for (int i = 0; i < steps.Count; i++)
        {
            bool judge = chosen.Contains(i);
            // The kernel counts on a disk that writes a metadata block whole; its recovery skips a torn one whose front half is
            // new. Directory blocks of several small blocks may lie across two pages, and across two writes of a recovery.
            Grain whole = subject.BlockSize < PagedImage.PageSize ? Grain.Write : Grain.Page;
            judge &= whole == Grain.Page || steps[i] > run.Opened;
            Survival survival = judge ? Survival.Any(random, whole) : Survival.Any(random, Grain.Word, Grain.Sector, Grain.Page, Grain.Write);
            int again = random.Next(4) == 0 ? random.Next(1, 1000) : 0;
            plan.Add((new CrashCut(subject.Name, workload, seed, generation, steps[i], survival, again, Survival.Any(random, Grain.Word, Grain.Sector, Grain.Page, Grain.Write)), judge));
        }
        return plan;
    }

    private void Judge(CrashRun run, CrashCut cut, PagedImage disk, bool judged)
    {
        try
        {
            Interlocked.Increment(ref _report.Cuts);
            if (cut.Step <= run.Steps.Count && run.Steps[cut.Step - 1].IsFlush)
                Interlocked.Increment(ref _report.AtFlushes);
            SimulatedDevice device = new(disk, record: cut.AgainAt > 0);
            Dictionary<string, ObservedEntry> found = RecoverAndCheck(device, out long recoverySteps);
            int operations = run.MatchAt(cut.Step, torn: cut.Survival.Grain == Grain.Word).Find(found, out bool exact, out string reasons);
            if (operations < 0)
                throw new AssertFailedException($"the tree is none that {run.FlushedBefore(cut.Step)} (flushed) to {run.BegunBefore(cut.Step)} (begun) operations leave:\n{reasons}");
            if (operations > run.FlushedBefore(cut.Step))
                Interlocked.Increment(ref _report.MoreThanFlushed);
            if (!exact)
                Interlocked.Increment(ref _report.Partial);
            if (cut.AgainAt > 0 && recoverySteps > 0)
                CutAgain(cut, disk, device, recoverySteps, found);
            if (judged && subject.OtherRecovery is not null)
            {
                Interlocked.Increment(ref _report.JudgedByOthers);
                subject.OtherCheck?.Invoke(device.Working);
                if (Difference(found, subject.OtherRecovery(disk)) is string difference)
                    throw new AssertFailedException($"the kernel recovers another tree from the same image: {difference}");
            }
        }
        catch (Exception e)
        {
            _report.Add(cut, $"{(e is AssertFailedException ? e.Message : e.ToString())}\nthe operations before the cut:\n{run.Describe(cut.Step)}");
        }
    }

    // Recovery that is interrupted and begun again must end where it would have ended.
    private void CutAgain(CrashCut cut, PagedImage disk, SimulatedDevice recovered, long recoverySteps, Dictionary<string, ObservedEntry> found)
    {
        Interlocked.Increment(ref _report.DuringRecovery);
        int step = 1 + cut.AgainAt % (int)recoverySteps;
        PagedImage again = new DeviceHistory(disk, recovered.History, subject.Log).Cut(step, cut.AgainSurvival);
        Dictionary<string, ObservedEntry> second = RecoverAndCheck(new SimulatedDevice(again), out _);
        if (Difference(found, second) is string difference)
            throw new AssertFailedException($"a second cut at step {step} of {recoverySteps} of the recovery changes the tree: {difference}");
    }

    private Dictionary<string, ObservedEntry> RecoverAndCheck(SimulatedDevice device, out long recoverySteps)
    {
        Dictionary<string, ObservedEntry> found;
        using (IWorkTree tree = subject.Open(device))
        {
            recoverySteps = device.Steps;
            found = tree.Observe();
        }
        IReadOnlyList<string> findings = subject.Check(device);
        if (findings.Count > 0)
            throw new AssertFailedException($"after recovery the check finds:\n{string.Join('\n', findings.Take(20))}");
        return found;
    }

    /// <summary>The first difference between two trees, or null.</summary>
    internal static string? Difference(IReadOnlyDictionary<string, ObservedEntry> one, IReadOnlyDictionary<string, ObservedEntry> other)
    {
        foreach ((string path, ObservedEntry entry) in one)
        {
            if (!other.TryGetValue(path, out ObservedEntry? same))
                return $"'{path}' is missing";
            if (entry.Kind != same.Kind || entry.Size != same.Size || (entry.Kind != 'd' && entry.Links != same.Links))
                return $"'{path}' was {entry.Kind}, {entry.Size} bytes, {entry.Links} links; now {same.Kind}, {same.Size} bytes, {same.Links} links";
            if (entry.Mode != same.Mode)
                return $"'{path}' had mode {Convert.ToString(entry.Mode, 8)}, now {Convert.ToString(same.Mode, 8)}";
            if (ObservedEntry.Difference(entry.Attributes, same.Attributes) is string attribute)
                return $"'{path}' {attribute}";
            int at = entry.Content.AsSpan().CommonPrefixLength(same.Content);
            if (at < entry.Content.Length || at < same.Content.Length)
                return $"'{path}' differs from byte {at} on";
        }
        return other.Keys.FirstOrDefault(path => !one.ContainsKey(path)) is string more ? $"'{more}' is there as well" : null;
    }

    // Stable from run to run, unlike System.HashCode.
    private static int HashCode(int seed, int generation, int use) => (seed * 31 + generation) * 31 + use;
}
