namespace ImageFs.Tests.Simulation;

/// <summary>A workload that was run and recorded, with everything needed to judge a cut at any of its steps.</summary>
internal sealed class CrashRun
{
    private readonly List<WorkOperation> _operations = [];
    private readonly List<WorkOperation> _withoutRoom = [];
    // Steps of the device when operation i (from 0) began.
    private readonly List<long> _began = [];
    // After this many steps, this many operations were durable.
    private readonly List<(long Steps, int Operations)> _flushed = [];

    private CrashRun(PagedImage start, Model model)
    {
        Start = start;
        Model = model;
    }

    /// <summary>The disk before the first step. For later generations it is a crashed one, and opening it the first thing recorded.</summary>
    public PagedImage Start { get; }

    public Model Model { get; }

    public IReadOnlyList<DeviceStep> Steps { get; private set; } = [];

    /// <summary>Steps that opening the disk took: the recovery of the generation before.</summary>
    public long Opened { get; private set; }

    public IReadOnlyList<WorkOperation> Operations => _operations;

    /// <summary>Operations the file system refused because it was full.</summary>
    public IReadOnlyList<WorkOperation> WithoutRoom => _withoutRoom;

    /// <summary>Runs a workload of some operations and closes the file system.</summary>
    public static CrashRun Record(CrashSubject subject, PagedImage start, Model model, Workload workload, int operations)
    {
        CrashRun run = new(start, model);
        SimulatedDevice device = new(start, record: true);
        run.Play(device, subject, workload, operations);
        run._flushed.Add((device.Steps, operations));
        run.Steps = device.History;
        return run;
    }

    /// <summary>
    /// Runs a workload on a device that may fail; what was promised until then is kept. Returns what ended it, or null if nothing did.
    /// </summary>
    public static (CrashRun Run, Exception? End) Try(SimulatedDevice device, CrashSubject subject, PagedImage start, Model model, Workload workload, int operations)
    {
        CrashRun run = new(start, model);
        try
        {
            run.Play(device, subject, workload, operations);
            return (run, null);
        }
        catch (Exception e) when (e is PowerCutException or XfsException)
        {
            return (run, e);
        }
    }

    /// <summary>Operations that must be there after a cut in the middle of a step.</summary>
    public int FlushedBefore(long step) => _flushed.Where(f => f.Steps < step).Select(f => f.Operations).DefaultIfEmpty(0).Max();

    /// <summary>Operations that may have left traces by then.</summary>
    public int BegunBefore(long step) => _began.Count(began => began < step);

    /// <param name="torn">Sectors may be torn.</param>
    public ModelMatch MatchAt(long step, bool torn = false) => new(Model, FlushedBefore(step), Math.Min(Model.Operations, BegunBefore(step)), Gradual, torn);

    /// <summary>The operations around a step, for a message.</summary>
    public string Describe(long step)
    {
        int begun = BegunBefore(step), flushed = FlushedBefore(step);
        IEnumerable<string> lines = Enumerable.Range(0, begun)
            .Where(i => i >= Math.Min(begun - 12, flushed - 1) && i >= begun - 60)
            .Select(i => $"  {i + 1}{(i < flushed ? " (flushed)" : "")}: {_operations[i]}");
        return string.Join(Environment.NewLine, lines);
    }

    private string? Gradual(int operation) => operation <= _operations.Count ? _operations[operation - 1].Gradual() : null;

    private void Play(SimulatedDevice device, CrashSubject subject, Workload workload, int operations)
    {
        using IWorkTree tree = subject.Open(device);
        Opened = device.Steps;
        for (int i = 0; i < operations; i++)
        {
            WorkOperation operation = workload.Next(Model);
            _operations.Add(operation);
            _began.Add(device.Steps);
            try
            {
                operation.Do(tree);
            }
            // No room on the disk, or in the log for a group.
            catch (XfsException e) when (e.Errno is Errno.ENOSPC or Errno.EFBIG)
            {
                _withoutRoom.Add(operation);
                operation.LackSpace(tree, Model);
                Model.Commit();
                continue;
            }
            catch
            {
                // It may have left a part of itself, so it counts as begun.
                operation.Do(Model);
                Model.Commit();
                throw;
            }
            operation.Do(Model);
            Model.Commit();
            if (operation.Flushes())
                _flushed.Add((device.Steps, i + 1));
        }
    }
}
