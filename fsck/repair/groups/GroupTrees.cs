using ImageFs.BTrees;
using ImageFs.Format;

namespace ImageFs.Fsck;

/// <summary>Where the blocks of a group's trees will be, and what remains free once they have them.</summary>
/// <remarks>
/// Trees describe the space they take themselves: with every block they get, free runs and owners may become more or fewer. So
/// their sizes are measured anew until nothing changes; they only ever grow on the way, which ends it. What is left over then,
/// a block or two, joins the free list.
/// </remarks>
internal sealed class GroupTrees
{
    private static readonly int s_kinds = Enum.GetValues<Tree>().Length;
    private readonly Geometry _g;
    private readonly ulong[] _blocks = new ulong[s_kinds];
    private readonly int[] _levels = new int[s_kinds];
    private readonly int _chunks, _freeChunks, _shared;

    /// <summary>The trees of a group in the order in which their blocks follow each other; neighbours with one owner share an rmap record.</summary>
    public enum Tree { Bnobt, Cntbt, Rmapbt, FreeList, Inobt, Finobt, Refcountbt }

    public GroupTrees(Geometry geometry, int chunks, int freeChunks, int shared)
    {
        _g = geometry;
        (_chunks, _freeChunks, _shared) = (chunks, freeChunks, shared);
    }

    /// <summary>Free runs that remain, by start.</summary>
    public List<FreeRun> Free { get; private set; } = [];
    /// <summary>All owners, sorted and merged as in the rmapbt.</summary>
    public PackedList<Claim> Owners { get; } = new();
    /// <summary>The blocks of each tree.</summary>
    public Queue<uint>[] Blocks { get; } = [.. Enumerable.Range(0, s_kinds).Select(_ => new Queue<uint>())];
    /// <summary>Records or children to leave room for in each block.</summary>
    public int Slack { get; private set; }

    /// <param name="unclaimed">Runs that nobody but the group's own trees may use, by start.</param>
    /// <param name="kept">All other claims, sorted as in the rmapbt.</param>
    /// <returns>False if the group has too few blocks.</returns>
    public bool TryPlace(ReadOnlySpan<FreeRun> unclaimed, ReadOnlySpan<Claim> kept)
    {
        ulong room = 0;
        foreach (FreeRun run in unclaimed) room += run.Count;
        // Some room in every block saves the next writer from splitting them all, where there is room to give.
        for (Slack = room > 4096 ? _g.NodeCapacity(ShortBtreeHeader.Size, 2 * RmapRecord.KeySize, 4) / 4 : 0; ; Slack = 0)
        {
            Array.Clear(_blocks);
            if (TryFit(unclaimed, kept, room)) return true;
            if (Slack == 0) return false;
        }
    }

    private bool TryFit(ReadOnlySpan<FreeRun> unclaimed, ReadOnlySpan<Claim> kept, ulong room)
    {
        while (true)
        {
            ulong wanted = 0;
            foreach (ulong blocks in _blocks) wanted += blocks;
            if (wanted > room)
            {
                ulong list = Math.Min(_blocks[(int)Tree.FreeList], wanted - room);
                // A group that is full goes on with a short free list.
                if (wanted - list > room) return false;
                wanted -= list;
                _blocks[(int)Tree.FreeList] -= list;
                Distribute(unclaimed, kept, wanted);
                return Measure(grow: false);
            }
            Distribute(unclaimed, kept, wanted);
            if (Measure(grow: true)) return true;
        }
    }

    /// <summary>Gives the first unclaimed blocks to the trees, in their order.</summary>
    private void Distribute(ReadOnlySpan<FreeRun> unclaimed, ReadOnlySpan<Claim> kept, ulong wanted)
    {
        Free.Clear();
        Owners.Clear();
        foreach (Queue<uint> queue in Blocks) queue.Clear();
        foreach (ref readonly Claim claim in kept) Owners.Add(claim);
        int tree = 0;
        foreach (FreeRun run in unclaimed)
        {
            uint take = (uint)Math.Min(run.Count, wanted);
            wanted -= take;
            for (uint i = 0; i < take; i++)
            {
                while ((ulong)Blocks[tree].Count == _blocks[tree]) tree++;
                Blocks[tree].Enqueue(run.Start + i);
                Own(run.Start + i, OwnerOf((Tree)tree));
            }
            if (take < run.Count) Free.Add(new FreeRun(run.Start + take, run.Count - take));
        }
        Owners.Span.Sort(static (a, b) => Claim.Compare(a, b));
    }

    private void Own(uint block, ulong owner)
    {
        Claim claim = new(block, 1, owner, 0);
        // The run may also continue what the owner has: nothing the trees' owners have is among the kept claims.
        if (Owners.Count > 0 && Owners[Owners.Count - 1].Continues(claim)) Owners[Owners.Count - 1].Count++;
        else Owners.Add(claim);
    }

    private static ulong OwnerOf(Tree tree) => tree switch
    {
        Tree.Inobt or Tree.Finobt => RmapOwner.InodeBtree,
        Tree.Refcountbt => RmapOwner.Refcount,
        _ => RmapOwner.AllocationGroup,
    };

    /// <summary>Measures the trees as they would be now.</summary>
    /// <returns>True if none needs more than it has.</returns>
    private bool Measure(bool grow)
    {
        bool fits = true;
        Need(Tree.Bnobt, BtreeBulkLoader.Measure<BnobtKind, FreeSpaceRecord, FreeSpaceRecord>(_g, (ulong)Free.Count, Slack));
        Need(Tree.Cntbt, BtreeBulkLoader.Measure<CntbtKind, FreeSpaceRecord, FreeSpaceRecord>(_g, (ulong)Free.Count, Slack));
        if (_g.HasRmapbt) Need(Tree.Rmapbt, BtreeBulkLoader.Measure<RmapbtKind, RmapRecord, RmapKey>(_g, (ulong)Owners.Count, Slack));
        Need(Tree.Inobt, BtreeBulkLoader.Measure<InobtKind, InodeChunkRecord, BigEndian32>(_g, (ulong)_chunks, Slack));
        if (_g.HasFinobt) Need(Tree.Finobt, BtreeBulkLoader.Measure<FinobtKind, InodeChunkRecord, BigEndian32>(_g, (ulong)_freeChunks, Slack));
        if (_g.HasReflink) Need(Tree.Refcountbt, BtreeBulkLoader.Measure<RefcountbtKind, RefcountRecord, BigEndian32>(_g, (ulong)_shared, Slack));
        if (!grow) return fits;
        // What one change of each tree may take on its way up.
        uint list = Split(Tree.Bnobt, _g.Limits.Alloc) + Split(Tree.Cntbt, _g.Limits.Alloc) + (_g.HasRmapbt ? Split(Tree.Rmapbt, _g.Limits.Rmap) : 0);
        if (_blocks[(int)Tree.FreeList] < list)
        {
            _blocks[(int)Tree.FreeList] = list;
            fits = false;
        }
        return fits;

        void Need(Tree tree, in BuiltTree built)
        {
            _levels[(int)tree] = built.Levels;
            if (built.Blocks <= _blocks[(int)tree]) return;
            fits = false;
            if (grow) _blocks[(int)tree] = built.Blocks;
        }
    }

    private uint Split(Tree tree, int most) => (uint)(2 * Math.Min(_levels[(int)tree] + 1, most) - 2);
}
