using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using ImageFs.Format;

namespace ImageFs.Fsck;

/// <summary>Somebody uses a run of blocks of a group. The same four numbers as a record of the rmapbt, in machine order.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct Claim(uint start, uint count, ulong owner, ulong offset)
{
    public uint Start = start, Count = count;
    public ulong Owner = owner, Offset = offset;

    public readonly ulong End => (ulong)Start + Count;
    public readonly bool IsInode => RmapOwner.IsInode(Owner);
    /// <summary>File block without the flags.</summary>
    public readonly ulong FileBlock => Offset & RmapFlags.OffsetMask;
    public readonly ulong Flags => Offset & ~RmapFlags.OffsetMask;

    /// <summary>Order of the rmapbt: start, owner, offset without the unwritten bit.</summary>
    public static int Compare(in Claim left, in Claim right)
    {
        if (left.Start != right.Start) return left.Start < right.Start ? -1 : 1;
        if (left.Owner != right.Owner) return left.Owner < right.Owner ? -1 : 1;
        ulong a = left.Offset & ~RmapFlags.Unwritten, b = right.Offset & ~RmapFlags.Unwritten;
        return a < b ? -1 : a > b ? 1 : 0;
    }

    /// <summary>True if <paramref name="next"/> continues this claim so that the rmapbt holds one record for both.</summary>
    public readonly bool Continues(in Claim next) =>
        Owner == next.Owner && End == next.Start && Flags == next.Flags && (ulong)Count + next.Count <= uint.MaxValue
        && (!IsInode || (Offset & RmapFlags.BmbtBlock) != 0 || FileBlock + Count == next.FileBlock);

    public override readonly string ToString() => Describe(Owner, Offset);

    /// <summary>An owner and its place in words.</summary>
    public static string Describe(ulong owner, ulong offset)
    {
        if (!RmapOwner.IsInode(owner)) return RmapOwner.Name(owner);
        string fork = (offset & RmapFlags.AttributeFork) != 0 ? "attribute fork" : "data fork";
        if ((offset & RmapFlags.BmbtBlock) != 0) return $"inode {owner} ({fork} btree)";
        return $"inode {owner} ({fork}, {((offset & RmapFlags.Unwritten) != 0 ? "unwritten, " : "")}file block {offset & RmapFlags.OffsetMask})";
    }
}

/// <summary>Who claims which blocks, by group; grows while the image is observed, is consumed when groups are compared.</summary>
/// <remarks>Claims of extents that do not fit the budget wait in a temporary file, as runs of one group each.</remarks>
internal sealed class ClaimTable(Geometry geometry, MemoryBudget budget)
{
    private readonly List<(uint Ag, long At, int Count)> _spilled = [];
    private long _inMemory;
    private readonly SegmentedList<Claim>?[] _extents = new SegmentedList<Claim>?[geometry.AgCount];
    private readonly PackedList<Claim>?[] _blocks = new PackedList<Claim>?[geometry.AgCount];

    /// <summary>Adds an extent of a fork, which lies in one group. Extents of a fork come in file order.</summary>
    public void Add(in Extent extent, ulong inode, bool attributeFork)
    {
        ulong flags = (attributeFork ? RmapFlags.AttributeFork : 0) | (extent.Unwritten ? RmapFlags.Unwritten : 0);
        SegmentedList<Claim> list = _extents[geometry.AgOf(extent.Start).Value] ??= new SegmentedList<Claim>();
        Claim claim = new(geometry.BlockInAg(extent.Start).Value, extent.Length, inode, extent.Offset.Value | flags);
        // File order: whatever the rmapbt holds as one record is next to each other here.
        if (list.Count > 0 && list.Last.Continues(claim))
        {
            list.Last.Count += extent.Length;
            return;
        }
        list.Add(claim);
        if (++_inMemory * Unsafe.SizeOf<Claim>() > budget.ForClaims) Spill();
    }

    /// <summary>Moves all claims but the last of each group, which may still grow, to the file.</summary>
    private void Spill()
    {
        _inMemory = 0;
        for (uint ag = 0; ag < _extents.Length; ag++)
        {
            if (_extents[ag] is not { Count: > 1 } list) continue;
            Claim last = list.Last;
            int count = list.Count - 1, left = count;
            long at = budget.Claims.Length;
            list.Drain(claims =>
            {
                ReadOnlySpan<Claim> part = claims[..Math.Min(left, claims.Length)];
                left -= part.Length;
                budget.Claims.Append(MemoryMarshal.AsBytes(part));
            });
            _spilled.Add((ag, at, count));
            list.Add(last);
            _inMemory++;
        }
    }

    /// <summary>Adds blocks of a special owner, or a bmbt block of an inode; in any order.</summary>
    public void AddBlocks(AgNumber ag, uint start, uint count, ulong owner, ulong flags = 0)
    {
        PackedList<Claim> list = _blocks[ag.Value] ??= new PackedList<Claim>();
        Claim claim = new(start, count, owner, flags);
        if (list.Count > 0 && list[list.Count - 1].Continues(claim)) list[list.Count - 1].Count += count;
        else list.Add(claim);
    }

    /// <summary>True if somebody claims a block; slow, for the few who ask while claims are still being collected.</summary>
    public bool Covers(AgNumber ag, uint block)
    {
        if (_blocks[ag.Value] is { } blocks)
            foreach (ref readonly Claim claim in blocks.Span)
                if (claim.Start <= block && block < claim.End) return true;
        if (_extents[ag.Value]?.Any((in Claim claim) => claim.Start <= block && block < claim.End) ?? false) return true;
        bool covers = false;
        ReadSpilled(ag, claims =>
        {
            foreach (ref readonly Claim claim in claims) covers |= claim.Start <= block && block < claim.End;
        });
        return covers;
    }

    /// <summary>Hands over the claims of a group that wait in the file, piece by piece.</summary>
    private void ReadSpilled(AgNumber ag, ItemSink<Claim> sink)
    {
        if (_spilled.Count == 0) return;
        Claim[] buffer = new Claim[1024];
        foreach ((uint group, long at, int count) in _spilled)
            for (int done = 0; group == ag.Value && done < count; done += buffer.Length)
            {
                Span<Claim> part = buffer.AsSpan(0, Math.Min(buffer.Length, count - done));
                budget.Claims.Read(at + (long)done * Unsafe.SizeOf<Claim>(), MemoryMarshal.AsBytes(part));
                sink(part);
            }
    }

    /// <summary>The blocks of a group that somebody claims so far.</summary>
    public BlockRuns Covered(AgNumber ag)
    {
        PackedList<FreeRun> runs = new();
        if (_blocks[ag.Value] is { } blocks) Add(blocks.Span);
        _extents[ag.Value]?.Visit(Add);
        ReadSpilled(ag, Add);
        return new BlockRuns(runs);

        void Add(ReadOnlySpan<Claim> claims)
        {
            foreach (ref readonly Claim claim in claims) runs.Add(new FreeRun(claim.Start, claim.Count));
        }
    }

    /// <summary>Forgets the claims of inode chunks in a group, because other chunks were found.</summary>
    public void ForgetChunks(AgNumber ag) => _blocks[ag.Value]?.RemoveAll((in Claim claim) => claim.Owner is RmapOwner.Inodes or RmapOwner.InodeBtree);

    /// <summary>All claims of a group, merged and sorted as in the rmapbt. They are forgotten here.</summary>
    public void Take(AgNumber ag, PackedList<Claim> into)
    {
        PackedList<Claim> blocks = TakeBlocks(ag);
        into.Clear();
        TakeExtents(ag, into, blocks.Count);
        ClaimSort.Sort(into.Span);

        // The few blocks go in between from the back, where there is room for them.
        int extent = into.Count - 1, block = blocks.Count - 1;
        into.Append(blocks.Count);
        Span<Claim> all = into.Span;
        for (int at = all.Length - 1; block >= 0; at--)
            all[at] = extent >= 0 && Claim.Compare(all[extent], blocks[block]) > 0 ? all[extent--] : blocks[block--];
    }

    /// <summary>What is no extent of a file: single blocks become runs.</summary>
    private PackedList<Claim> TakeBlocks(AgNumber ag)
    {
        PackedList<Claim> blocks = _blocks[ag.Value] ?? new PackedList<Claim>();
        _blocks[ag.Value] = null;
        blocks.Span.Sort(static (a, b) => a.Owner != b.Owner ? a.Owner.CompareTo(b.Owner) : a.Offset != b.Offset ? a.Offset.CompareTo(b.Offset) : a.Start.CompareTo(b.Start));
        int last = -1;
        foreach (ref readonly Claim block in blocks.Span)
        {
            if (last >= 0 && blocks[last].Continues(block)) blocks[last].Count += block.Count;
            else blocks[++last] = block;
        }
        blocks.Truncate(last + 1);
        ClaimSort.Sort(blocks.Span);
        return blocks;
    }

    private void TakeExtents(AgNumber ag, PackedList<Claim> into, int others)
    {
        long count = _extents[ag.Value]?.Count ?? 0;
        _inMemory -= count;
        foreach ((uint group, _, int spilled) in _spilled) if (group == ag.Value) count += spilled;
        // The comparison holds them once, a rebuilding of the group's trees once more.
        budget.Require((others + count) * 2 * Unsafe.SizeOf<Claim>());
        into.Reserve(checked((int)(others + count)));
        ReadSpilled(ag, into.AddRange);
        _spilled.RemoveAll(s => s.Ag == ag.Value);
        _extents[ag.Value]?.MoveTo(into);
        _extents[ag.Value] = null;
    }
}
