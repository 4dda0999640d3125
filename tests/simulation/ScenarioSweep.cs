using System.Collections.Concurrent;
using ImageFs.Devices;
using ImageFs.Tests.Fixtures;

namespace ImageFs.Tests.Simulation;

/// <summary>
/// One short scenario, cut everywhere: in the middle of every write and flush from its first step to the end of the unmount,
/// with every subset of the writes that no flush covered, as long as there are few enough of them, and others at random, torn
/// ones included. After each cut the library recovers, the check must be silent, and the tree must be one of those allowed;
/// as many blocks must be free as that tree leaves free once its files have been opened and closed.
/// </summary>
internal sealed class ScenarioSweep
{
    /// <summary>Subsets of the unflushed writes at one step; with five writes or fewer these are all.</summary>
    private const int Subsets = 32;

    private readonly CrashSubject _subject;
    private readonly List<(string Name, Dictionary<string, ObservedEntry> Tree, ulong Free)> _states = [];
    private readonly List<(long Step, int State)> _durable = [];
    private readonly PagedImage _start;
    private readonly IReadOnlyList<DeviceStep> _steps;
    private readonly ConcurrentDictionary<string, int> _found = [];
    private int _cuts, _judged;

    /// <summary>Prepares and records a scenario.</summary>
    /// <param name="before">Makes what is there at first; it is durable before the scenario begins.</param>
    /// <param name="work">
    /// The scenario. It calls its second argument after every step whose result is a state of its own, with true when that is
    /// durable.
    /// </param>
    /// <param name="eager">With a checkpoint behind every transaction, so that a cut can fall between any two.</param>
    /// <param name="transactionLimit">Bytes a transaction may have, to see with few extents what needs many otherwise; 0 for what the log has room for.</param>
    public ScenarioSweep(Action<FileSystem> before, Action<FileSystem, Action<bool>> work, string subject = "default", bool eager = false, long transactionLimit = 0)
    {
        _subject = CrashSubjects.Make(subject);
        SimulatedDevice device = new(_subject.Formatted);
        using (FileSystem fs = FileSystem.Open(device, write: true, leaveOpen: true)) before(fs);
        _start = device.Working;
        // What each state looks like is seen in a run of its own that closes the file system there.
        int states = 0;
        using (FileSystem fs = FileSystem.Open(new SimulatedDevice(_start), write: true)) work(fs, _ => states++);
        for (int state = 0; state <= states; state++) _states.Add(StateAfter(work, state));
        SimulatedDevice recorded = new(_start, record: true);
        using (FileSystem fs = FileSystem.Open(recorded, write: true, leaveOpen: true))
        {
            if (eager) fs.Volume.Journal!.SoftLimit = 0;
            if (transactionLimit > 0) fs.Volume.Journal!.TransactionLimit = transactionLimit;
            int reached = 0;
            work(fs, durable =>
            {
                reached++;
                if (durable) _durable.Add((recorded.Steps, reached));
            });
        }
        _durable.Add((recorded.Steps, states));
        _steps = recorded.History;
    }

    private sealed class EnoughException : Exception;

    private (string, Dictionary<string, ObservedEntry>, ulong) StateAfter(Action<FileSystem, Action<bool>> work, int state)
    {
        SimulatedDevice device = new(_start);
        FileSystem fs = FileSystem.Open(device, write: true, leaveOpen: true);
        int reached = 0;
        if (state > 0)
            try
            {
                work(fs, _ =>
                {
                    if (++reached == state) throw new EnoughException();
                });
            }
            catch (EnoughException) { }
        fs.Dispose();
        (Dictionary<string, ObservedEntry> tree, ulong free) = Look(device);
        return ($"state {state}", tree, free);
    }

    /// <summary>Power cuts visited.</summary>
    public int Cuts => _cuts;

    /// <summary>Visits all cuts; fails with what was wrong after the first one where something was.</summary>
    /// <param name="partial">
    /// Says what is wrong with a tree that is none of the states, null if it may be: for operations that run in several transactions.
    /// </param>
    /// <param name="judged">Cuts that the kernel sees as well.</param>
    public void Run(Func<Dictionary<string, ObservedEntry>, string?>? partial = null, int judged = 2)
    {
        Random random = new(TestSettings.Seed);
        DeviceHistory history = new(_start, _steps, _subject.Log);
        HashSet<int> chosen = [.. Enumerable.Range(0, judged).Select(_ => random.Next(1, _steps.Count + 2))];
        ConcurrentQueue<string> failures = [];
        Parallel.ForEach(Partitioner.Create(Images(), EnumerablePartitionerOptions.NoBuffering), (item, loop) =>
        {
            Interlocked.Increment(ref _cuts);
            try
            {
                Judge(item.Step, item.Disk, item.Judged, partial);
            }
            catch (Exception why)
            {
                failures.Enqueue($"cut at step {item.Step} of {_steps.Count}, {item.Survival}: {(why is AssertFailedException ? why.Message : why)}");
                loop.Stop();
            }
        });
        Console.WriteLine($"sweep: {_cuts} power cuts in {_steps.Count} steps, {_judged} judged by the kernel; found {string.Join(", ", _found.OrderBy(f => f.Key).Select(f => $"{f.Value} {f.Key}"))}");
        Assert.IsTrue(failures.IsEmpty, string.Join("\n", failures));
        Assert.IsTrue(_found.ContainsKey(_states[0].Name) && _found.ContainsKey(_states[^1].Name), "both ends must have been seen");

        IEnumerable<(int Step, Survival Survival, PagedImage Disk, bool Judged)> Images()
        {
            for (int step = 1; step <= _steps.Count + 1; step++)
            {
                foreach (Survival survival in Survivals(step, random)) yield return (step, survival, history.Cut(step, survival), false);
                // The kernel counts on a disk that writes 4 KiB whole.
                if (!chosen.Contains(step)) continue;
                Survival pages = Survival.Any(random, Grain.Page);
                yield return (step, pages, history.Cut(step, pages), true);
            }
        }
    }

    private IEnumerable<Survival> Survivals(int step, Random random)
    {
        int pending = 0;
        for (int i = Math.Min(step, _steps.Count) - 1; i >= 0 && !(_steps[i].IsFlush && i < step - 1); i--)
            if (!_steps[i].IsFlush) pending++;
        if (1 << Math.Min(pending, 20) <= Subsets)
            for (int subset = 0; subset < 1 << pending; subset++) yield return new Survival(SurvivalKind.Subset, subset, Grain.Write);
        else
        {
            yield return Survival.None;
            yield return Survival.All;
            for (int i = 0; i < Subsets - 2; i++) yield return new Survival(SurvivalKind.Subset, random.Next(1 << 30), Grain.Write);
        }
        for (int i = 0; i < 3 * TestSettings.Sweep; i++) yield return Survival.Any(random, Grain.Sector, Grain.Page);
    }

    private void Judge(int step, PagedImage disk, bool judged, Func<Dictionary<string, ObservedEntry>, string?>? partial)
    {
        SimulatedDevice device = new(disk);
        ulong free;
        Dictionary<string, ObservedEntry> found;
        using (FileSystem fs = FileSystem.Open(device, write: true, leaveOpen: true)) found = Observe(fs, out free);
        IReadOnlyList<string> findings = _subject.Check(device);
        if (findings.Count > 0) throw new AssertFailedException($"the check finds:\n{string.Join('\n', findings.Take(10))}");
        int least = _durable.Where(d => d.Step < step).Select(d => d.State).DefaultIfEmpty(0).Max();
        int state = _states.FindLastIndex(s => CrashExplorer.Difference(s.Tree, found) is null);
        if (state < 0)
        {
            string? wrong = partial is null
                ? string.Join("; ", _states.Select(s => $"not {s.Name}: {CrashExplorer.Difference(s.Tree, found)}"))
                : partial(found);
            if (wrong is not null) throw new AssertFailedException(wrong);
            _found.AddOrUpdate("partial", 1, (_, n) => n + 1);
        }
        else
        {
            _found.AddOrUpdate(_states[state].Name, 1, (_, n) => n + 1);
            Assert.IsGreaterThanOrEqualTo(least, state, $"{_states[state].Name} was found, {_states[least].Name} was durable");
            Assert.AreEqual(_states[state].Free, free, $"free blocks of {_states[state].Name}");
        }
        if (!judged || _subject.OtherRecovery is null) return;
        Interlocked.Increment(ref _judged);
        if (CrashExplorer.Difference(found, _subject.OtherRecovery(disk)) is string difference)
            throw new AssertFailedException($"the kernel recovers another tree from the same image: {difference}");
    }

    private static (Dictionary<string, ObservedEntry> Tree, ulong Free) Look(BlockDevice device)
    {
        using FileSystem fs = FileSystem.Open(device, write: true, leaveOpen: true);
        return (Observe(fs, out ulong free), free);
    }

    private static Dictionary<string, ObservedEntry> Observe(FileSystem fs, out ulong free)
    {
        Dictionary<string, ObservedEntry> tree = FileSystemTree.Of(fs).Observe();
        free = fs.Statistics.FreeBlocks;
        return tree;
    }
}
