using ImageFs.Format;

namespace ImageFs.Fsck;

/// <summary>
/// Compares a group's trees and counters with what was derived from everything else: free space is what nobody claims, the
/// reverse map is the list of claims, the refcounts are how many claims lie over each other.
/// </summary>
internal sealed class GroupCompare(Scan scan, TreeWalker walker, GroupHeaders headers)
{
    private readonly PackedList<FreeRun> _byStart = new(), _bySize = new(), _unclaimed = new();
    private readonly PackedList<uint> _rmapLeaves = new();
    private readonly RmapCompare _rmaps = new(scan);
    private readonly PackedList<SharedRun> _stored = new(), _derived = new();
    private readonly Overlaps _overlaps = new(scan);

    /// <summary>Free blocks of all groups as the superblock counts them.</summary>
    public ulong FreeBlocks { get; private set; }
    /// <summary>False once a group's free space could not be counted.</summary>
    public bool IsCounted { get; private set; } = true;
    /// <summary>All claims of the group compared last, in the order of the rmapbt.</summary>
    public PackedList<Claim> Claims { get; } = new();

    /// <summary>Takes over what another worker has counted.</summary>
    public void Absorb(GroupCompare worker)
    {
        FreeBlocks += worker.FreeBlocks;
        IsCounted &= worker.IsCounted;
    }

    /// <summary>Takes the group's claims and holds all its trees against them.</summary>
    public void Compare(AgNumber ag)
    {
        Geometry g = scan.Geometry;
        if (!headers.Load(ag) || !headers.JudgeAgf())
        {
            IsCounted = false;
            scan.IsPartial = true;
            headers.JudgeAgfl();
            ClaimFixed(ag);
            scan.Claims.Take(ag, Claims);
            return;
        }
        Agf agf = headers.Agf;
        Where at = new(ag.Value, (uint)(g.SectorSize / g.BlockSize));

        // All extents are known by now; they are sorted while the trees are read.
        Task sorting = Task.Run(() => scan.Claims.TakeExtents(ag, Claims));
        bool free, rmap, refcount;
        ulong freeBlocks;
        long treeBlocks;
        uint listed;
        try
        {
            free = WalkFreeSpace(ag, agf, at, out freeBlocks, out treeBlocks);
            rmap = !g.HasRmapbt || WalkRmap(ag, agf, at, ref treeBlocks);
            refcount = !g.HasReflink || WalkRefcount(ag, agf, at);
            listed = ReadFreeList(ag, agf, at);
        }
        finally
        {
            sorting.GetAwaiter().GetResult();
        }
        if (free && rmap && agf.BtreeBlocks != treeBlocks)
            scan.Report(FindingCodes.AgfBtreeBlocks, at with { Field = "btreeblks" }, agf.BtreeBlocks, treeBlocks);
        IsCounted &= free && rmap;
        FreeBlocks += freeBlocks + listed + (ulong)treeBlocks;

        ClaimFixed(ag);
        scan.Claims.TakeBlocks(ag, Claims);
        _overlaps.Find(ag, Claims.Span, _unclaimed, _derived);
        // Whoever owns what nobody claims may be cut off.
        if (scan.IsShort && scan.IsPartial) return;
        if (free) CompareFree(ag, Claims.Span);
        if (g.HasRmapbt && rmap) _rmaps.Compare(ag, Claims, _rmapLeaves.Span);
        if (g.HasReflink && refcount) CompareRefcount(ag);
    }

    /// <summary>Claims what stands in the same place from mkfs on: headers and log.</summary>
    private void ClaimFixed(AgNumber ag)
    {
        Geometry g = scan.Geometry;
        scan.Claims.AddBlocks(ag, 0, g.AgflBlock.Value + 1, RmapOwner.FileSystem);
        if (g.AgOf(g.LogStart) == ag) scan.Claims.AddBlocks(ag, g.BlockInAg(g.LogStart).Value, g.LogBlocks, RmapOwner.Log);
    }

    private bool WalkFreeSpace(AgNumber ag, in Agf agf, Where at, out ulong freeBlocks, out long treeBlocks)
    {
        _byStart.Clear();
        _bySize.Clear();
        FreeVisitor byStart = new(scan, ag, "bnobt", byStart: true, _byStart);
        walker.Walk<BnobtTree, FreeVisitor>(ag, agf.BnoRoot, agf.BnoLevel, ref byStart);
        treeBlocks = walker.Blocks - 1;
        bool startSound = !walker.IsBroken && !byStart.Rejected;
        FreeVisitor bySize = new(scan, ag, "cntbt", byStart: false, _bySize);
        walker.Walk<CntbtTree, FreeVisitor>(ag, agf.CntRoot, agf.CntLevel, ref bySize);
        treeBlocks += walker.Blocks - 1;
        bool sizeSound = !walker.IsBroken && !bySize.Rejected;
        freeBlocks = startSound || !sizeSound ? byStart.Blocks : bySize.Blocks;

        if (startSound && agf.FreeBlocks != byStart.Blocks) scan.Report(FindingCodes.AgfFreeBlocks, at with { Field = "freeblks" }, agf.FreeBlocks, byStart.Blocks);
        if (sizeSound && agf.Longest != bySize.Last) scan.Report(FindingCodes.AgfLongest, at with { Field = "longest" }, agf.Longest, bySize.Last);
        _byStart.Span.Sort(static (a, b) => a.Start.CompareTo(b.Start));
        _bySize.Span.Sort(static (a, b) => a.Start.CompareTo(b.Start));
        if (startSound && sizeSound)
        {
            Runs.Difference(_byStart.Span, _bySize.Span, (start, count) => scan.Report(FindingCodes.FreeDiffers, new Where(ag.Value, start), count, start, "bnobt"));
            Runs.Difference(_bySize.Span, _byStart.Span, (start, count) => scan.Report(FindingCodes.FreeDiffers, new Where(ag.Value, start), count, start, "cntbt"));
            if (_byStart.Count != _bySize.Count && Runs.SameCover(_byStart.Span, _bySize.Span))
                scan.Report(FindingCodes.FreeDiffers, new Where(ag.Value), 0, 0, "one tree cut into other pieces, which");
        }
        // Either tree can stand for both when the other is damaged.
        if (!startSound && sizeSound)
        {
            _byStart.Clear();
            foreach (FreeRun run in _bySize.Span) _byStart.Add(run);
        }
        return startSound || sizeSound;
    }

    private bool WalkRmap(AgNumber ag, in Agf agf, Where at, ref long treeBlocks)
    {
        _rmapLeaves.Clear();
        RmapVisitor visitor = new(scan, ag, _rmapLeaves);
        walker.Walk<RmapbtTree, RmapVisitor>(ag, agf.RmapRoot, agf.RmapLevel, ref visitor);
        treeBlocks += walker.Blocks - 1;
        if (!walker.IsBroken && agf.RmapBlocks != walker.Blocks) scan.Report(FindingCodes.AgfRmapBlocks, at with { Field = "rmapblocks" }, agf.RmapBlocks, walker.Blocks);
        return !walker.IsBroken;
    }

    private bool WalkRefcount(AgNumber ag, in Agf agf, Where at)
    {
        _stored.Clear();
        RefcountVisitor visitor = new(scan, ag, _stored);
        walker.Walk<RefcountbtTree, RefcountVisitor>(ag, agf.RefcountRoot, agf.RefcountLevel, ref visitor);
        if (!walker.IsBroken && agf.RefcountBlocks != walker.Blocks) scan.Report(FindingCodes.AgfRefcountBlocks, at with { Field = "refcntblocks" }, agf.RefcountBlocks, walker.Blocks);
        return !walker.IsBroken;
    }

    /// <summary>Claims the blocks of the free list.</summary>
    /// <returns>How many there are.</returns>
    private uint ReadFreeList(AgNumber ag, in Agf agf, Where at)
    {
        Geometry g = scan.Geometry;
        uint slots = (uint)g.AgflSlots, first = agf.FreeListFirst, last = agf.FreeListLast, count = agf.FreeListCount;
        // An empty list keeps its indices one apart, as a full one does.
        uint active = count == 0 && (last + 1) % slots == first ? 0 : last >= first ? last - first + 1 : slots - first + last + 1;
        if (active != count) scan.Report(FindingCodes.AgfFreeList, at with { Field = "flcount" }, count, first, last, active);
        bool sound = headers.JudgeAgfl();
        if (!sound) scan.IsPartial = true;
        ReadOnlySpan<BigEndian32> blocks = headers.AgflSlots;
        for (uint i = 0; i < active; i++)
        {
            uint slot = (first + i) % slots;
            AgBlock block = new(blocks[(int)slot]);
            if (g.IsValid(ag, block)) scan.Claims.AddBlocks(ag, block.Value, 1, RmapOwner.AllocationGroup);
            else if (sound || block.IsNull) scan.Report(FindingCodes.AgflBlock, new Where(ag.Value, (uint)(3 * g.SectorSize / g.BlockSize), Field: $"bno[{slot}]"), slot, block.IsNull ? "nothing" : block.Value);
        }
        return active;
    }

    private void CompareFree(AgNumber ag, ReadOnlySpan<Claim> claims)
    {
        Runs.Difference(_unclaimed.Span, _byStart.Span, (start, count) => scan.Report(FindingCodes.FreeMissing, new Where(ag.Value, start), count, start));
        PackedList<FreeRun> claimed = new();
        Runs.Difference(_byStart.Span, _unclaimed.Span, (start, count) => claimed.Add(new FreeRun(start, count)));
        foreach (FreeRun run in claimed.Span)
            scan.Report(FindingCodes.FreeClaimed, new Where(ag.Value, run.Start), run.Count, run.Start, OwnerOf(claims, run.Start));
    }

    private static string OwnerOf(ReadOnlySpan<Claim> claims, uint block)
    {
        foreach (ref readonly Claim claim in claims)
            if (claim.Start <= block && block < claim.End) return claim.ToString();
        return "nobody";
    }

    private void CompareRefcount(AgNumber ag)
    {
        ReadOnlySpan<SharedRun> expected = _derived.Span, found = _stored.Span;
        ulong position = 0;
        int e = 0, f = 0;
        // Both lists as functions of the block: wherever they differ is a finding, however the records are cut.
        while (e < expected.Length || f < found.Length)
        {
            ulong start = Math.Max(position, Math.Min(e < expected.Length ? expected[e].Start : ulong.MaxValue, f < found.Length ? found[f].Start : ulong.MaxValue));
            uint want = e < expected.Length && expected[e].Start <= start ? expected[e].Owners : 0;
            uint have = f < found.Length && found[f].Start <= start ? found[f].Owners : 0;
            ulong end = ulong.MaxValue;
            if (e < expected.Length) end = Math.Min(end, want != 0 ? expected[e].End : expected[e].Start);
            if (f < found.Length) end = Math.Min(end, f < found.Length && found[f].Start <= start ? found[f].End : found[f].Start);
            if (end > start && want != have)
            {
                Where at = new(ag.Value, (uint)start);
                if (have == 0) scan.Report(FindingCodes.RefcountMissing, at, end - start, start, want);
                else if (want == 0) scan.Report(FindingCodes.RefcountExtra, at, end - start, start, have);
                else scan.Report(FindingCodes.RefcountDiffers, at, end - start, start, want, have);
            }
            position = Math.Max(end, start);
            while (e < expected.Length && expected[e].End <= position) e++;
            while (f < found.Length && found[f].End <= position) f++;
        }
    }
}

/// <summary>Arithmetic on sorted lists of runs.</summary>
internal static class Runs
{
    /// <summary>What is in <paramref name="left"/> and not in <paramref name="right"/>, run by run.</summary>
    public static void Difference(ReadOnlySpan<FreeRun> left, ReadOnlySpan<FreeRun> right, Action<uint, uint> report)
    {
        int r = 0;
        foreach (FreeRun run in left)
        {
            ulong position = run.Start;
            while (r < right.Length && right[r].End <= position) r++;
            for (int i = r; position < run.End; i++)
            {
                ulong next = i < right.Length ? Math.Min(right[i].Start, run.End) : run.End;
                if (next > position) report((uint)position, (uint)(next - position));
                if (i >= right.Length || right[i].Start >= run.End) break;
                position = Math.Max(position, right[i].End);
            }
        }
    }

    /// <summary>True if both cover the same blocks.</summary>
    public static bool SameCover(ReadOnlySpan<FreeRun> left, ReadOnlySpan<FreeRun> right)
    {
        bool same = true;
        Difference(left, right, (_, _) => same = false);
        Difference(right, left, (_, _) => same = false);
        return same;
    }
}
