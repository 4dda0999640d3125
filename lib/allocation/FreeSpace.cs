using ImageFs.BTrees;
using ImageFs.Format;
using ImageFs.Transactions;

namespace ImageFs.Allocation;

using ByStart = BtreeCursor<BnobtKind, FreeSpaceRecord, FreeSpaceRecord>;
using BySize = BtreeCursor<CntbtKind, FreeSpaceRecord, FreeSpaceRecord>;

/// <summary>Free extents of one group, in two trees that always describe the same set.</summary>
/// <remarks>
/// Always true: no two free extents touch; freeblks is their sum; longest is the last record of the cntbt.
/// </remarks>
internal sealed class FreeSpace(AllocationGroup group)
{
    /// <summary>Neighbours of the goal that are looked at before the size tree is asked.</summary>
    private const int NearSteps = 10;

    // The last search that found nothing, and the fewest blocks it was for: where a group is full but for thousands of busy
    // extents, asking all of them once is enough.
    private int _fruitlessVersion = -1;
    private uint _fruitless;

    private Geometry Geometry => group.Geometry;
    private BusyExtents Busy => group.Groups.Busy;

    private static FreeSpaceRecord Record(uint start, uint count) => new() { Start = start, Count = count };

    /// <summary>Takes blocks near a goal: between <paramref name="least"/> and <paramref name="most"/>, as many as a good place offers.</summary>
    /// <param name="goal">Where the first block would best lie.</param>
    /// <param name="metadata">May use the blocks reserved for the group's own trees.</param>
    /// <returns>False if the group cannot give that many.</returns>
    public bool TryAllocate(Transaction tx, AgBlock goal, uint least, uint most, bool metadata, out AgBlock start, out uint length)
    {
        start = default;
        length = 0;
        uint available = group.Available(metadata);
        if (available < least || group.Agf.Longest < least) return false;
        FreeList.Fill(tx, group);
        available = group.Available(metadata);
        most = Math.Min(most, available);
        if (most < least) return false;
        if (!Find(tx, goal, least, most, out FreeSpaceRecord free, out uint at, out uint count)) return false;
        Remove(tx, free, at, count);
        start = new AgBlock(at);
        length = count;
        return true;
    }

    /// <summary>Takes exactly <paramref name="length"/> blocks whose first is a multiple of <paramref name="alignment"/>.</summary>
    /// <param name="first">The least block it may begin at.</param>
    /// <param name="last">The greatest.</param>
    public bool TryAllocateAligned(Transaction tx, AgBlock goal, uint length, uint alignment, AgBlock first, AgBlock last, bool metadata, out AgBlock start)
    {
        start = default;
        if (group.Available(metadata) < length || group.Agf.Longest < length) return false;
        FreeList.Fill(tx, group);
        if (group.Available(metadata) < length) return false;
        BySize cursor = group.BySize(tx);
        FreeSpaceRecord best = default;
        uint bestAt = 0, bestDistance = uint.MaxValue;
        int seen = 0;
        for (bool more = cursor.Seek(Record(0, length), SeekMode.GreaterOrEqual); more && seen < 64; more = cursor.Next())
        {
            FreeSpaceRecord free = cursor.Current;
            uint at = free.Start, count = free.Count;
            Busy.Trim(tx, group.Number, ref at, ref count);
            ulong aligned = ((ulong)Math.Max(at, first.Value) + alignment - 1) / alignment * alignment;
            if (aligned > last.Value || aligned + length > (ulong)at + count) continue;
            seen++;
            uint distance = (uint)Math.Abs((long)aligned - goal.Value);
            if (distance >= bestDistance) continue;
            (best, bestAt, bestDistance) = (free, (uint)aligned, distance);
        }
        if (bestDistance == uint.MaxValue) return false;
        Remove(tx, best, bestAt, length);
        start = new AgBlock(bestAt);
        return true;
    }

    /// <summary>Looks at the goal itself, then around it, then for the smallest extent that is big enough, then for the largest.</summary>
    private bool Find(Transaction tx, AgBlock goal, uint least, uint most, out FreeSpaceRecord free, out uint at, out uint count)
    {
        (free, at, count) = (default, 0, 0);
        if (_fruitlessVersion == Busy.Version && least >= _fruitless) return false;
        ByStart byStart = group.ByStart(tx);
        FreeSpaceRecord bestFree = default;
        uint bestAt = 0, bestCount = 0;
        // Keeps the better of two places; true once it cannot get better.
        bool Consider(in FreeSpaceRecord candidate, uint from)
        {
            uint start = candidate.Start, length = candidate.Count;
            if (from > start && from < start + length) { length -= from - start; start = from; }
            Busy.Trim(tx, group.Number, ref start, ref length, enough: most);
            length = Math.Min(length, most);
            if (length < least || length <= bestCount) return false;
            (bestFree, bestAt, bestCount) = (candidate, start, length);
            return length == most;
        }

        bool done = false;
        if (byStart.Seek(Record(goal.Value, 0), SeekMode.LessOrEqual))
        {
            FreeSpaceRecord here = byStart.Current;
            if (here.Start + here.Count > goal.Value) done = Consider(here, goal.Value);
            bool more = true;
            for (int step = 0; !done && more && step < NearSteps; step++)
            {
                done = Consider(byStart.Current, 0);
                more = byStart.Previous();
            }
        }
        if (!done)
        {
            bool more = byStart.Seek(Record(goal.Value, 0), SeekMode.GreaterOrEqual);
            for (int step = 0; !done && more && step < NearSteps; step++)
            {
                done = Consider(byStart.Current, 0);
                more = byStart.Next();
            }
        }
        if (!done)
        {
            BySize bySize = group.BySize(tx);
            bool more = false;
            int misses = 0;
            foreach (bool skip in s_skipThenAll)
                for (more = !done && bySize.Seek(Record(0, most), SeekMode.GreaterOrEqual); !done && more; more = !done && Onward(bySize, skip, ref misses))
                    done = Consider(bySize.Current, 0);
            // Nothing holds all of it: the largest extents, as long as they may beat what was found.
            if (!done)
                for (more = bySize.Seek(Record(uint.MaxValue, most), SeekMode.LessOrEqual); more && bySize.Current.Count > bestCount; more = bySize.Previous())
                    if (Consider(bySize.Current, 0)) break;
        }
        (free, at, count) = (bestFree, bestAt, bestCount);
        if (bestCount >= least) return true;
        (_fruitlessVersion, _fruitless) = (Busy.Version, least);
        return false;
    }

    /// <summary>Takes up to <paramref name="wanted"/> blocks off either end of a small extent: no tree gains a record by it.</summary>
    /// <param name="thorough">Ask every extent before giving up, however many are busy.</param>
    internal bool TakeSmallest(Transaction tx, uint wanted, bool thorough, out AgBlock start, out uint length)
    {
        BySize cursor = group.BySize(tx);
        int misses = 0;
        foreach (bool skip in s_skipThenAll)
            for (bool more = cursor.First(); more && (skip || thorough || misses < MostMisses); more = Onward(cursor, skip, ref misses))
            {
                FreeSpaceRecord free = cursor.Current;
                uint at = free.Start, count = free.Count, end = at + count;
                Busy.Trim(tx, group.Number, ref at, ref count, enough: wanted);
                if (count == 0 || at != free.Start && at + count != end) continue;
                length = Math.Min(wanted, count);
                start = new AgBlock(at == free.Start ? at : end - length);
                Remove(tx, free, start.Value, length);
                return true;
            }
        start = default;
        length = 0;
        return false;
    }

    // After a large deletion thousands of small extents are busy. Rather than to ask each of them, the search goes on among
    // those twice as large after some; only if that finds nothing are all of them asked.
    private static readonly bool[] s_skipThenAll = [true, false];
    private const int Patience = 16, MostMisses = 16 * Patience;

    private static bool Onward(BySize cursor, bool skip, ref int misses) =>
        ++misses % Patience == 0 && skip ? cursor.Seek(Record(0, 2 * cursor.Current.Count), SeekMode.GreaterOrEqual) : cursor.Next();

    /// <summary>Cuts a run out of a free extent in both trees.</summary>
    private void Remove(Transaction tx, in FreeSpaceRecord free, uint start, uint length)
    {
        uint freeStart = free.Start, freeEnd = freeStart + free.Count, end = start + length;
        ByStart byStart = group.ByStart(tx);
        BySize bySize = group.BySize(tx);
        if (!bySize.Seek(free, SeekMode.Equal)) throw group.Corrupt("cntbt", $"no record for free blocks {freeStart}..{freeEnd - 1}, which the bnobt has");
        bySize.Delete();
        if (!byStart.Seek(free, SeekMode.Equal) || byStart.Current.Count != free.Count)
            throw group.Corrupt("bnobt", $"no record for free blocks {freeStart}..{freeEnd - 1}, which the cntbt has");
        if (start > freeStart)
        {
            byStart.Update(Record(freeStart, start - freeStart));
            bySize.Insert(Record(freeStart, start - freeStart));
            if (freeEnd > end) byStart.Insert(Record(end, freeEnd - end));
        }
        else if (freeEnd > end)
            byStart.Update(Record(end, freeEnd - end));
        else
            byStart.Delete();
        if (freeEnd > end) bySize.Insert(Record(end, freeEnd - end));
        ref Agf agf = ref group.ModifyAgf(tx);
        agf.FreeBlocks = agf.FreeBlocks - length;
        if (free.Count == agf.Longest) SetLongest(tx, bySize);
    }

    private void SetLongest(Transaction tx, BySize bySize)
    {
        uint longest = bySize.Last() ? bySize.Current.Count : 0u;
        group.ModifyAgf(tx).Longest = longest;
    }

    /// <summary>Adds a run to both trees, merged with its neighbours. Nothing else: no rmap, no busy mark.</summary>
    internal void Insert(Transaction tx, AgBlock block, uint length)
    {
        uint start = block.Value, count = length;
        ByStart byStart = group.ByStart(tx);
        BySize bySize = group.BySize(tx);
        bool hasLeft = byStart.Seek(Record(start, 0), SeekMode.LessOrEqual);
        FreeSpaceRecord left = hasLeft ? byStart.Current : default;
        if (hasLeft && left.Start + left.Count > start) throw group.Corrupt("bnobt", $"freeing blocks {start}..{start + length - 1}, but {left.Start}..{left.Start + left.Count - 1} are free already");
        bool hasRight = byStart.Seek(Record(start, 0), SeekMode.GreaterOrEqual);
        FreeSpaceRecord right = hasRight ? byStart.Current : default;
        if (hasRight && right.Start < start + length) throw group.Corrupt("bnobt", $"freeing blocks {start}..{start + length - 1}, but {right.Start}..{right.Start + right.Count - 1} are free already");
        bool joinLeft = hasLeft && left.Start + left.Count == start, joinRight = hasRight && right.Start == start + length;
        if (joinRight)
        {
            count += right.Count;
            if (!bySize.Seek(right, SeekMode.Equal)) throw group.Corrupt("cntbt", $"no record for free blocks from {right.Start}, which the bnobt has");
            bySize.Delete();
        }
        if (joinLeft)
        {
            start = left.Start;
            count += left.Count;
            if (!bySize.Seek(left, SeekMode.Equal)) throw group.Corrupt("cntbt", $"no record for free blocks from {left.Start}, which the bnobt has");
            bySize.Delete();
        }
        if (joinLeft)
        {
            if (joinRight) byStart.Delete(); // the cursor stands on the right neighbour
            if (!byStart.Seek(Record(start, 0), SeekMode.Equal)) throw group.Corrupt("bnobt", $"the record at {start} cannot be found again: its order is wrong");
            byStart.Update(Record(start, count));
        }
        else if (joinRight)
            byStart.Update(Record(start, count));
        else
            byStart.Insert(Record(start, count));
        bySize.Insert(Record(start, count));
        ref Agf agf = ref group.ModifyAgf(tx);
        agf.FreeBlocks = agf.FreeBlocks + length;
        if (count > agf.Longest) agf.Longest = count;
    }

    /// <summary>Gives a run back: it becomes free now and may be reused once the transaction is durable. Its rmap records are gone already.</summary>
    public void Free(Transaction tx, AgBlock start, uint length)
    {
        FreeList.Fill(tx, group);
        Insert(tx, start, length);
        tx.Freed.Add(new FreedExtent(group.Number, start, length));
    }

    /// <summary>One block for a tree of this group, with its rmap record; may use the reserve.</summary>
    public AgBlock AllocateMetadataBlock(Transaction tx, AgBlock near, ulong owner, string what)
    {
        if (!TryAllocate(tx, near, 1, 1, metadata: true, out AgBlock start, out _))
            throw new XfsNoSpaceException($"AG {group.Number}: no block is left for the {what}");
        FreeList.Fill(tx, group);
        AddRmap(tx, start, 1, owner);
        return start;
    }

    /// <summary>Takes a block of a tree of this group back.</summary>
    public void FreeMetadataBlock(Transaction tx, AgBlock block, ulong owner)
    {
        FreeList.Fill(tx, group);
        RemoveRmap(tx, block, 1, owner);
        Free(tx, block, 1);
    }

    /// <summary>Records a special owner of a run, merged with its neighbours of the same owner.</summary>
    internal void AddRmap(Transaction tx, AgBlock start, uint length, ulong owner)
    {
        if (Geometry.HasRmapbt) ReverseMap.Add(tx, group, start, length, owner, 0);
    }

    /// <summary>Removes a special owner of a run.</summary>
    internal void RemoveRmap(Transaction tx, AgBlock start, uint length, ulong owner)
    {
        if (Geometry.HasRmapbt) ReverseMap.Remove(tx, group, start, length, owner, 0);
    }
}
