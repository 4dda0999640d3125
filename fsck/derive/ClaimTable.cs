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
/// <remarks>
/// Claims of extents that do not fit the budget wait in a temporary file, as runs of one group each. Several workers may add claims
/// at the same time, and take those of different groups.
/// </remarks>
internal sealed class ClaimTable(Geometry geometry, MemoryBudget budget)
{
    private readonly List<(uint Ag, long At, int Count)> _spilled = [];
    private readonly Lock _lock = new();
    private long _inMemory;
    private readonly SegmentedList<Claim>?[] _extents = new SegmentedList<Claim>?[geometry.AgCount];
    private readonly PackedList<Claim>?[] _blocks = new PackedList<Claim>?[geometry.AgCount];

    /// <summary>Memory for each claim of a group that is compared: the comparison holds them once, a rebuilding of the group's trees once more.</summary>
    public const int BytesToCompare = 2 * 24;

    /// <summary>Adds extents of a group.</summary>
    public void AddExtents(AgNumber ag, ReadOnlySpan<Claim> claims)
    {
        if (claims.IsEmpty) return;
        lock (_lock)
        {
            (_extents[ag.Value] ??= new SegmentedList<Claim>()).AddRange(claims);
            _inMemory += claims.Length;
            if (_inMemory * Unsafe.SizeOf<Claim>() > budget.ForClaims) Spill();
        }
    }

    /// <summary>Claims of extents that the group with most of them has.</summary>
    public long Most
    {
        get
        {
            long[] counts = [.. _extents.Select(e => (long)(e?.Count ?? 0))];
            foreach ((uint ag, _, int count) in _spilled) counts[ag] += count;
            return counts.Max();
        }
    }

    /// <summary>Moves all claims of extents to the file.</summary>
    private void Spill()
    {
        _inMemory = 0;
        for (uint ag = 0; ag < _extents.Length; ag++)
        {
            if (_extents[ag] is not { Count: > 0 } list) continue;
            _spilled.Add((ag, budget.Claims.Length, list.Count));
            list.Drain(claims => budget.Claims.Append(MemoryMarshal.AsBytes(claims)));
        }
    }

    /// <summary>Adds blocks of a special owner, or a bmbt block of an inode; in any order.</summary>
    public void AddBlocks(AgNumber ag, uint start, uint count, ulong owner, ulong flags = 0)
    {
        Claim claim = new(start, count, owner, flags);
        lock (_lock)
        {
            PackedList<Claim> list = _blocks[ag.Value] ??= new PackedList<Claim>();
            if (list.Count > 0 && list[list.Count - 1].Continues(claim)) list[list.Count - 1].Count += count;
            else list.Add(claim);
        }
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
    private void ReadSpilled(AgNumber ag, ItemSink<Claim> sink) => Read([.. _spilled.Where(s => s.Ag == ag.Value)], sink);

    private void Read(ReadOnlySpan<(uint Ag, long At, int Count)> runs, ItemSink<Claim> sink)
    {
        if (runs.IsEmpty) return;
        Claim[] buffer = new Claim[1024];
        foreach ((_, long at, int count) in runs)
            for (int done = 0; done < count; done += buffer.Length)
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
        TakeExtents(ag, into);
        TakeBlocks(ag, into);
    }

    /// <summary>The claims of extents of a group, sorted; they are forgotten here.</summary>
    public void TakeExtents(AgNumber ag, PackedList<Claim> into)
    {
        SegmentedList<Claim>? list = _extents[ag.Value];
        (uint, long At, int Count)[] spilled;
        lock (_lock)
        {
            _inMemory -= list?.Count ?? 0;
            spilled = [.. _spilled.Where(s => s.Ag == ag.Value)];
            _spilled.RemoveAll(s => s.Ag == ag.Value);
        }
        _extents[ag.Value] = null;
        long count = (list?.Count ?? 0) + spilled.Sum(s => (long)s.Count);
        budget.Require(count * BytesToCompare);
        into.Clear();
        // With room for the blocks that will go in between, mostly.
        into.Reserve(checked((int)(count + count / 64 + 64)));
        Read(spilled, into.AddRange);
        list?.MoveTo(into);
        ClaimSort.Sort(into.Span);
    }

    /// <summary>Puts what is no extent of a file between the extents of its group; it is forgotten here.</summary>
    public void TakeBlocks(AgNumber ag, PackedList<Claim> into)
    {
        PackedList<Claim> blocks = RunsOfBlocks(ag);
        budget.Require(((long)into.Count + blocks.Count) * BytesToCompare);
        int extent = into.Count - 1, block = blocks.Count - 1;
        into.Reserve(blocks.Count);
        into.Append(blocks.Count);
        Span<Claim> all = into.Span;
        for (int at = all.Length - 1; block >= 0; at--)
            all[at] = extent >= 0 && Claim.Compare(all[extent], blocks[block]) > 0 ? all[extent--] : blocks[block--];
    }

    private PackedList<Claim> RunsOfBlocks(AgNumber ag)
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
}
