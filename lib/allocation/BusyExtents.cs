using ImageFs.Format;
using ImageFs.Transactions;

namespace ImageFs.Allocation;

/// <summary>
/// Runs freed by transactions that are not durable yet. Promise 3: nobody writes there before, because a power cut would
/// leave the old owner looking at somebody else's bytes.
/// </summary>
internal sealed class BusyExtents
{
    private readonly Dictionary<uint, SortedSet<(uint Start, uint End)>> _groups = [];

    /// <summary>True if anything waits for a checkpoint.</summary>
    public bool Any => _groups.Count > 0;

    /// <summary>Adds the runs a committed transaction freed.</summary>
    public void Add(IEnumerable<FreedExtent> freed)
    {
        foreach (FreedExtent one in freed)
        {
            if (!_groups.TryGetValue(one.Ag.Value, out SortedSet<(uint, uint)>? runs)) _groups[one.Ag.Value] = runs = [];
            runs.Add((one.Start.Value, one.Start.Value + one.Length));
        }
    }

    /// <summary>Takes back what <see cref="Add"/> added: the transaction was undone, the runs have their owners again.</summary>
    public void Remove(IEnumerable<FreedExtent> freed)
    {
        foreach (FreedExtent one in freed)
        {
            if (!_groups.TryGetValue(one.Ag.Value, out SortedSet<(uint Start, uint End)>? runs)) continue;
            runs.Remove((one.Start.Value, one.Start.Value + one.Length));
            if (runs.Count == 0) _groups.Remove(one.Ag.Value);
        }
    }

    /// <summary>Everything freed so far is durable.</summary>
    public void Clear() => _groups.Clear();

    /// <summary>
    /// The longest part of a free run that is not busy, neither here nor in the running transaction.
    /// </summary>
    /// <returns>True if the part is the whole run.</returns>
    public bool Trim(Transaction tx, AgNumber ag, ref uint start, ref uint length)
    {
        _groups.TryGetValue(ag.Value, out SortedSet<(uint Start, uint End)>? runs);
        bool any = runs is not null;
        if (!any)
            foreach (FreedExtent one in tx.Freed) any |= one.Ag == ag;
        if (!any) return true;

        uint bestStart = start, bestLength = 0, at = start, end = start + length;
        bool whole = true;
        while (at < end)
        {
            // The first busy run that ends behind `at`.
            uint busyStart = uint.MaxValue, busyEnd = uint.MaxValue;
            if (runs is not null)
                foreach ((uint s, uint e) in runs.GetViewBetween((0, 0), (end, 0)).Reverse())
                {
                    if (e <= at) break;
                    if (s < busyStart) (busyStart, busyEnd) = (s, e);
                }
            foreach (FreedExtent one in tx.Freed)
                if (one.Ag == ag && one.Start.Value + one.Length > at && one.Start.Value < busyStart)
                    (busyStart, busyEnd) = (one.Start.Value, one.Start.Value + one.Length);
            uint clear = Math.Min(end, Math.Max(at, busyStart)) - at;
            if (clear > bestLength) (bestStart, bestLength) = (at, clear);
            if (busyStart >= end) break;
            whole = false;
            at = busyEnd;
        }
        start = bestStart;
        length = bestLength;
        return whole;
    }
}
