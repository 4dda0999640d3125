using ImageFs.Format;

namespace ImageFs.Allocation;

/// <summary>
/// Runs that lost their last other owner in a transaction that is not durable yet. They are private now, but a power cut
/// brings the other owner back: until then a write to them must go elsewhere, as if they were still shared.
/// </summary>
/// <remarks>
/// The story: files a and b share a block. a is overwritten, which moves a away; b owns the block alone and is overwritten in
/// place; the power goes before the log was written. Now a points to the block again and shows b's bytes.
/// Always true: the runs of a group neither overlap nor touch.
/// </remarks>
internal sealed class UnsharedExtents
{
    private readonly Dictionary<uint, SortedSet<(uint Start, uint End)>> _groups = [];

    /// <summary>Adds a run a committed transaction left with one owner.</summary>
    public void Add(AgNumber ag, uint start, uint length)
    {
        if (!_groups.TryGetValue(ag.Value, out SortedSet<(uint Start, uint End)>? runs)) _groups[ag.Value] = runs = [];
        uint end = start + length;
        // Swallow every run that overlaps or touches, from the right.
        while (LastBefore(runs, end) is (uint, uint) run && run.End >= start)
        {
            runs.Remove(run);
            start = Math.Min(start, run.Start);
            end = Math.Max(end, run.End);
        }
        runs.Add((start, end));
    }

    /// <summary>Everything committed so far is durable: nobody comes back.</summary>
    public void Clear() => _groups.Clear();

    /// <summary>True if the first block of a run is one of these; the length is cut to the blocks that are like it.</summary>
    public bool Contains(AgNumber ag, uint start, ref uint length)
    {
        if (!_groups.TryGetValue(ag.Value, out SortedSet<(uint Start, uint End)>? runs)) return false;
        if (LastBefore(runs, start) is (uint, uint) run && run.End > start)
        {
            length = Math.Min(length, run.End - start);
            return true;
        }
        foreach ((uint next, _) in runs.GetViewBetween((start, 0), (start + length - 1, uint.MaxValue)))
        {
            length = next - start;
            break;
        }
        return false;
    }

    private static (uint Start, uint End)? LastBefore(SortedSet<(uint Start, uint End)> runs, uint block)
    {
        SortedSet<(uint Start, uint End)> view = runs.GetViewBetween((0, 0), (block, uint.MaxValue));
        (uint Start, uint End) last = view.Max;
        return last.End == 0 ? null : last;
    }
}
