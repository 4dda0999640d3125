using ImageFs.Format;

namespace ImageFs.Mkfs;

/// <summary>A run of blocks inside a group.</summary>
internal readonly record struct Run(uint Start, uint Count)
{
    public uint End => Start + Count;
}

/// <summary>What a run of blocks is used for.</summary>
internal readonly record struct OwnedRun(uint Start, uint Count, ulong Owner)
{
    public uint End => Start + Count;
}

/// <summary>Which blocks of a fresh group are used for what.</summary>
/// <remarks>
/// A group whose log was moved to a stripe unit has a gap in front of the log. The free list goes into the first run that
/// can hold it:
/// <code>
/// 0       1       7       13           64              64+n          end
/// |headers| roots | AGFL  | gap, free  | log, n blocks | free        |
/// </code>
/// </remarks>
internal sealed class GroupLayout
{
    private readonly List<Run> free = [];
    private readonly List<uint> freeList = [];
    private readonly List<OwnedRun> owners = [];

    public GroupLayout(MkfsPlan plan, uint ag)
    {
        Length = plan.BlocksOf(ag);
        uint block = 0;
        void Own(uint count, ulong owner)
        {
            if (count > 0) owners.Add(new OwnedRun(block, count, owner));
            block += count;
        }
        Own(plan.HeaderBlocks, RmapOwner.FileSystem);
        Own(2, RmapOwner.AllocationGroup);
        Own(plan.FreeInodeBtree ? 2u : 1u, RmapOwner.InodeBtree);
        Own(plan.ReverseMapBtree ? 1u : 0, RmapOwner.AllocationGroup);
        Own(plan.Reflink ? 1u : 0, RmapOwner.Refcount);
        free.Add(new Run(block, Length - block));
        if (plan.LogAg == ag) Use(new Run(plan.LogAgBlock, (uint)plan.LogBlocks), RmapOwner.Log);
        FillFreeList(plan.FreeListBlocks);
        if (ag == 0)
            Use(new Run(plan.RootChunkBlock, (uint)(Math.Max(64, plan.InodesPerBlock) / plan.InodesPerBlock)), RmapOwner.Inodes);
        MergeOwners();
    }

    /// <summary>Blocks of the group.</summary>
    public uint Length { get; }
    /// <summary>Free runs by start.</summary>
    public IReadOnlyList<Run> FreeByStart => free;
    /// <summary>Free runs by length, equal ones by start.</summary>
    public IEnumerable<Run> FreeByLength => free.OrderBy(r => r.Count).ThenBy(r => r.Start);
    /// <summary>Blocks on the free list, in its order.</summary>
    public IReadOnlyList<uint> FreeList => freeList;
    /// <summary>All used runs by start, neighbours of one owner merged.</summary>
    public IReadOnlyList<OwnedRun> Owners => owners;
    /// <summary>Free blocks, those on the free list not counted.</summary>
    public uint FreeBlocks => (uint)free.Sum(r => r.Count);
    /// <summary>Blocks of the longest free run.</summary>
    public uint Longest => free.Count == 0 ? 0 : free.Max(r => r.Count);

    private void Use(Run run, ulong owner)
    {
        int at = free.FindIndex(r => r.Start <= run.Start && run.End <= r.End);
        if (at < 0) throw new InvalidOperationException($"blocks {run.Start} to {run.End - 1} are not free");
        Run whole = free[at];
        free.RemoveAt(at);
        if (run.End < whole.End) free.Insert(at, new Run(run.End, whole.End - run.End));
        if (whole.Start < run.Start) free.Insert(at, new Run(whole.Start, run.Start - whole.Start));
        owners.Add(new OwnedRun(run.Start, run.Count, owner));
    }

    private void FillFreeList(uint wanted)
    {
        // A group that the log fills up starts with an empty list.
        if (FreeBlocks < wanted) return;
        while (freeList.Count < wanted)
        {
            uint missing = wanted - (uint)freeList.Count;
            Run source = free.Where(r => r.Count >= missing).DefaultIfEmpty(free[^1]).First();
            uint taken = Math.Min(missing, source.Count);
            for (uint i = 0; i < taken; i++) freeList.Add(source.Start + i);
            Use(source with { Count = taken }, RmapOwner.AllocationGroup);
        }
    }

    private void MergeOwners()
    {
        owners.Sort((a, b) => a.Start.CompareTo(b.Start));
        for (int i = owners.Count - 1; i > 0; i--)
        {
            if (owners[i - 1].Owner != owners[i].Owner || owners[i - 1].End != owners[i].Start) continue;
            owners[i - 1] = owners[i - 1] with { Count = owners[i - 1].Count + owners[i].Count };
            owners.RemoveAt(i);
        }
    }
}
