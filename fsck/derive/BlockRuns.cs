namespace ImageFs.Fsck;

/// <summary>A set of blocks of a group, as sorted runs that do not touch.</summary>
internal sealed class BlockRuns
{
    private readonly List<FreeRun> _runs = [];

    /// <param name="runs">In any order, overlapping or not; sorted here.</param>
    public BlockRuns(PackedList<FreeRun> runs)
    {
        runs.Span.Sort(static (a, b) => a.Start.CompareTo(b.Start));
        foreach (FreeRun run in runs.Span)
        {
            if (_runs.Count > 0 && _runs[^1].End >= run.Start)
                _runs[^1] = new FreeRun(_runs[^1].Start, (uint)(Math.Max(_runs[^1].End, run.End) - _runs[^1].Start));
            else _runs.Add(run);
        }
    }

    public bool Contains(uint block) => Overlaps(block, 1);

    /// <summary>True if any block of a run is in the set.</summary>
    public bool Overlaps(uint start, uint count)
    {
        int low = 0, high = _runs.Count;
        while (low < high)
        {
            int middle = (low + high) >>> 1;
            if (_runs[middle].End <= start) low = middle + 1; else high = middle;
        }
        return low < _runs.Count && _runs[low].Start < (ulong)start + count;
    }
}
