using ImageFs.Format;

namespace ImageFs.Fsck;

/// <summary>Decides whose a block is that two claim and that cannot be shared, and gives the other one a copy.</summary>
/// <remarks>
/// What verifies itself wins: headers, log, inode chunks, a bmbt, then metadata whose block names its owner. Who loses to such a
/// block has lost what was there and gets a hole. Two files that claim the same data both keep it: the later one gets a copy.
/// </remarks>
internal sealed class ClaimResolver(RepairView view, Scan scan)
{
    private readonly Geometry _g = view.Geometry;
    private readonly List<(AgNumber Ag, uint Start, uint Count, Claim Loser, bool Copy)> _losses = [];
    private readonly Queue<FsBlock> _pool = new();
    private const int MostPool = 1 << 16;

    public bool Any => _losses.Count > 0;

    /// <summary>The inodes that take part in a conflict.</summary>
    public HashSet<ulong> Inodes { get; } = [];

    /// <summary>Finds conflicts between claims that no rebuilding of trees resolves.</summary>
    /// <returns>True if there are any in this group.</returns>
    public bool Find(AgNumber ag, ReadOnlySpan<Claim> claims)
    {
        bool any = false;
        ulong covered = 0;
        List<Claim> active = [];
        foreach (ref readonly Claim claim in claims)
        {
            if (claim.Owner is RmapOwner.AllocationGroup or RmapOwner.InodeBtree or RmapOwner.Refcount or RmapOwner.Cow) continue;
            for (ulong block = covered; block < claim.Start && _pool.Count < MostPool; block++) _pool.Enqueue(_g.Join(ag, new AgBlock((uint)block)));
            covered = Math.Max(covered, claim.End);
            uint start = claim.Start;
            active.RemoveAll(c => c.End <= start);
            foreach (Claim other in active)
            {
                if (_g.HasReflink && IsShareable(claim) && IsShareable(other)) continue;
                any = true;
                Judge(ag, claim, other);
            }
            active.Add(claim);
        }
        for (ulong block = covered; block < _g.AgLength(ag) && _pool.Count < MostPool; block++) _pool.Enqueue(_g.Join(ag, new AgBlock((uint)block)));
        return any;
    }

    private bool IsShareable(in Claim claim)
    {
        if (!claim.IsInode || claim.Flags != 0) return false;
        int slot = scan.Inodes.Find(claim.Owner);
        return slot >= 0 && (scan.Inodes.State(slot) & InodeState.TypeMask) == (InodeState)(FileMode16.Regular >> 12);
    }

    private void Judge(AgNumber ag, in Claim left, in Claim right)
    {
        uint start = Math.Max(left.Start, right.Start), end = (uint)Math.Min(left.End, right.End);
        int rankLeft = Rank(ag, left, start), rankRight = Rank(ag, right, start);
        Claim loser = rankLeft > rankRight || rankLeft == rankRight && left.Owner < right.Owner ? right : left;
        if (left.IsInode) Inodes.Add(left.Owner);
        if (right.IsInode) Inodes.Add(right.Owner);
        if (loser.IsInode) _losses.Add((ag, start, end - start, loser, Math.Max(rankLeft, rankRight) <= 1));
    }

    /// <summary>How well a claim is proved: 4 fixed, 3 inodes and trees, 2 metadata that names its owner, 1 data, 0 metadata that does not.</summary>
    private int Rank(AgNumber ag, in Claim claim, uint block)
    {
        if (claim.Owner is RmapOwner.FileSystem or RmapOwner.Log) return 4;
        if (!claim.IsInode || (claim.Flags & RmapFlags.BmbtBlock) != 0) return 3;
        int slot = scan.Inodes.Find(claim.Owner);
        bool regular = slot >= 0 && (scan.Inodes.State(slot) & InodeState.TypeMask) == (InodeState)(FileMode16.Regular >> 12);
        if (regular && (claim.Flags & RmapFlags.AttributeFork) == 0) return 1;
        byte[] bytes = view.Read(_g.ByteOffset(ag, new AgBlock(block)), _g.BlockSize);
        ReadOnlySpan<byte> span = bytes;
        ulong owner = DirectoryDataHeader.At(span).Magic.Value switch
        {
            DirectoryMagic.Block or DirectoryMagic.Data or DirectoryMagic.Free => DirectoryDataHeader.At(span).Owner,
            DirectoryMagic.Symlink or DirectoryMagic.AttrRemote => RemoteHeader.At(span).Owner,
            _ => DaBlockHeader.At(span).Magic.Value is DirectoryMagic.Leaf1 or DirectoryMagic.LeafN or DirectoryMagic.Node or DirectoryMagic.AttrLeaf ? DaBlockHeader.At(span).Owner.Value : ulong.MaxValue,
        };
        return owner == claim.Owner ? 2 : 0;
    }

    /// <summary>Takes the blocks from the losers.</summary>
    /// <returns>True if something was changed.</returns>
    public bool Resolve()
    {
        bool any = false;
        view.Purpose = Remedy.ResolveClaim;
        foreach (var inode in _losses.GroupBy(l => (l.Loser.Owner, l.Loser.Flags & RmapFlags.AttributeFork)))
            any |= Resolve(inode.Key.Owner, inode.Key.Item2 != 0, [.. inode]);
        return any;
    }

    private bool Resolve(ulong number, bool attribute, List<(AgNumber Ag, uint Start, uint Count, Claim Loser, bool Copy)> losses)
    {
        InodeNumber n = new(number);
        byte[] inode = view.Read(view.OffsetOf(n), _g.InodeSize);
        ref InodeCore core = ref InodeCore.At(inode.AsSpan());
        SalvagedFork fork = new ForkSalvage(view, RmapIndex.None).Collect(inode, number, attribute, 0);
        ulong before = fork.Blocks;
        // Blocks of its own bmbt that somebody else owns are not for its next one.
        fork.TreeBlocks.RemoveAll(b => losses.Any(l => (l.Loser.Flags & RmapFlags.BmbtBlock) != 0 && _g.AgOf(b) == l.Ag && _g.BlockInAg(b).Value - l.Start < l.Count));
        foreach ((AgNumber ag, uint start, uint count, _, bool copy) in losses)
            for (int i = fork.Extents.Count - 1; i >= 0; i--)
            {
                Extent extent = fork.Extents[i];
                if (_g.AgOf(extent.Start) != ag) continue;
                uint first = _g.BlockInAg(extent.Start).Value, from = Math.Max(first, start), to = Math.Min(first + extent.Length, start + count);
                if (from >= to) continue;
                fork.Extents.RemoveAt(i);
                int at = i;
                if (from > first) fork.Extents.Insert(at++, extent with { Length = from - first });
                for (uint block = from; copy && block < to && _pool.TryDequeue(out FsBlock fresh); block++)
                {
                    if (!extent.Unwritten) view.Device.Write(_g.ByteOffset(fresh), view.Read(_g.ByteOffset(ag, new AgBlock(block)), _g.BlockSize));
                    fork.Extents.Insert(at++, new Extent(extent.Offset + (block - first), fresh, 1, extent.Unwritten));
                }
                if (to < first + extent.Length) fork.Extents.Insert(at, new Extent(extent.Offset + (to - first), extent.Start + (to - first), first + extent.Length - to, extent.Unwritten));
            }
        ulong oldTree = (attribute ? core.AttributeFormat : core.Format) == ForkFormat.Btree ? core.BlockCount - Math.Min(core.BlockCount, before) : 0;
        if (new ForkWriter(view, new SpacePool(view, scan)).Write(inode, n, attribute, fork) is not ulong tree) return false;
        core.BlockCount = core.BlockCount - Math.Min(core.BlockCount, before) - oldTree + fork.Blocks + tree;
        view.WriteInode(n, inode);
        return true;
    }
}
