using System.Runtime.ExceptionServices;

namespace ImageFs.Fsck;

/// <summary>
/// Several workers came upon something where what is to be said depends on who came first. The check is then made once more by one worker,
/// so that an image has the same findings however many processors there are.
/// </summary>
internal sealed class OrderMattersException : Exception;

/// <summary>Spreads the units of a stage over workers.</summary>
/// <remarks>
/// Each worker has a <see cref="Scan"/> of its own, which shares what was seen so far with all others and keeps its findings to
/// itself. When all units are done the findings are put together in the order of the units.
/// </remarks>
/// <param name="workers">How many, at most.</param>
internal sealed class Crew(Scan scan, int workers, IProgress<FsckProgress>? progress)
{
    private readonly Lock _progress = new();

    /// <summary>Works on all units.</summary>
    /// <param name="hire">Makes what a worker needs.</param>
    /// <param name="work">Does a unit.</param>
    /// <param name="dismiss">Takes over, one worker after the other, what they have.</param>
    /// <exception cref="OrderMattersException">It must be done by one worker.</exception>
    public void Run<TWorker>(string phase, int units, Func<Scan, TWorker> hire, Action<TWorker, int> work, Action<TWorker> dismiss)
    {
        int count = Math.Clamp(workers, 1, Math.Max(1, units)), next = -1;
        if (count == 1)
        {
            TWorker only = hire(scan);
            while (TryNext(out int unit)) work(only, unit);
            dismiss(only);
            return;
        }
        Scan[] scans = new Scan[count];
        TWorker[] crew = new TWorker[count];
        for (int i = 0; i < count; i++) crew[i] = hire(scans[i] = scan.ForWorker());
        Exception?[] failures = new Exception?[count];
        Parallel.For(0, count, new ParallelOptions { MaxDegreeOfParallelism = count }, i =>
        {
            try
            {
                while (TryNext(out int unit))
                {
                    scans[i].Findings.Unit = unit;
                    work(crew[i], unit);
                }
            }
            catch (Exception e)
            {
                failures[i] = e;
                Volatile.Write(ref next, units); // there is nothing left to do for the others
            }
        });
        // Whatever else went wrong will go wrong again if one worker does it all.
        if (failures.Any(f => f is OrderMattersException)) throw new OrderMattersException();
        if (failures.FirstOrDefault(f => f is not null) is Exception failure) ExceptionDispatchInfo.Throw(failure);
        scan.Absorb(scans);
        foreach (TWorker worker in crew) dismiss(worker);

        bool TryNext(out int unit)
        {
            unit = Volatile.Read(ref next) < units ? Interlocked.Increment(ref next) : units;
            if (unit >= units) return false;
            scan.Cancellation.ThrowIfCancellationRequested();
            if (progress is not null)
                lock (_progress) progress.Report(new FsckProgress(phase, unit, units));
            return true;
        }
    }
}
