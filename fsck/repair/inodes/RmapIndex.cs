using ImageFs.Format;

namespace ImageFs.Fsck;

/// <summary>What the reverse maps say about some inodes: a second witness for forks that are damaged.</summary>
/// <remarks>Asked only about those; no reverse map ever changes what a sound fork says.</remarks>
internal sealed class RmapIndex
{
    /// <summary>A record, and what the list of them has to spare.</summary>
    private const int BytesOfRecord = 64;
    private readonly Dictionary<ulong, List<(AgNumber Ag, Claim Claim)>> _records = [];

    private RmapIndex() { }

    /// <summary>A witness who says nothing.</summary>
    public static RmapIndex None { get; } = new();

    /// <summary>Reads all reverse maps once, as far as they can be read.</summary>
    /// <param name="owners">Whose records to keep.</param>
    /// <param name="budget">Where what is kept counts.</param>
    public RmapIndex(RepairView view, IReadOnlySet<ulong> owners, MemoryBudget budget, CancellationToken cancellation)
    {
        Geometry g = view.Geometry;
        if (!g.HasRmapbt || owners.Count == 0) return;
        int contradictions = 0;
        Scan scan = new(view.Device, g, view.Head, new FindingList(0, 0) { Observer = (_, _) => contradictions++ }, cancellation, budget);
        GroupHeaders headers = new(scan);
        TreeWalker walker = new(scan);
        IsComplete = true;
        for (uint ag = 0; ag < g.AgCount; ag++)
        {
            AgNumber group = new(ag);
            if (!headers.Load(group) || !headers.JudgeAgf())
            {
                IsComplete = false;
                continue;
            }
            Visitor visitor = new(this, group, owners, budget);
            int before = contradictions;
            walker.Walk<RmapbtTree, Visitor>(group, headers.Agf.RmapRoot, headers.Agf.RmapLevel, ref visitor);
            IsComplete &= !walker.IsBroken && contradictions == before;
        }
    }

    /// <summary>True if all reverse maps could be read from beginning to end, and none contradicts itself.</summary>
    public bool IsComplete { get; }

    /// <summary>True if the maps know as many blocks of a fork as the inode has, and they are others.</summary>
    public bool KnowsAnother(RepairView view, ulong number)
    {
        byte[] inode = view.Read(view.OffsetOf(new InodeNumber(number)), view.Geometry.InodeSize);
        InodeCore core = InodeCore.At((ReadOnlySpan<byte>)inode);
        ForkSalvage own = new(view, None);
        return Differs(false, core.Format) || core.ForkOffset != 0 && Differs(true, core.AttributeFormat);

        bool Differs(bool attribute, ForkFormat format)
        {
            if (format is not (ForkFormat.Extents or ForkFormat.Btree)) return false;
            List<Extent> mine = own.Collect(inode, number, attribute, core.BlockCount).Extents, theirs = Extents(view.Geometry, number, attribute);
            return mine.Sum(e => e.Length) == theirs.Sum(e => e.Length) && !Blocks(mine).SequenceEqual(Blocks(theirs));
        }

        static IEnumerable<(ulong, ulong, bool)> Blocks(List<Extent> extents) =>
            extents.SelectMany(e => Enumerable.Range(0, (int)e.Length).Select(i => (e.Offset.Value + (uint)i, e.Start.Value + (uint)i, e.Unwritten)));
    }

    /// <summary>The extents of a fork, sorted; pieces the maps contradict themselves about are left out.</summary>
    public List<Extent> Extents(Geometry g, ulong inode, bool attribute)
    {
        List<Extent> extents = [];
        foreach ((AgNumber ag, Claim claim) in _records.GetValueOrDefault(inode) ?? [])
        {
            if ((claim.Flags & RmapFlags.BmbtBlock) != 0 || (claim.Flags & RmapFlags.AttributeFork) != 0 != attribute) continue;
            for (uint done = 0; done < claim.Count;)
            {
                uint length = Math.Min(claim.Count - done, Extent.MaxLength);
                extents.Add(new Extent(new FileBlock(claim.FileBlock + done), g.Join(ag, new AgBlock(claim.Start + done)), length, (claim.Flags & RmapFlags.Unwritten) != 0));
                done += length;
            }
        }
        extents.Sort((a, b) => a.Offset.CompareTo(b.Offset));
        for (int i = extents.Count - 1; i > 0; i--)
            if (extents[i - 1].End > extents[i].Offset) extents.RemoveAt(i);
        return extents;
    }

    /// <summary>The bmbt blocks of a fork.</summary>
    public IEnumerable<FsBlock> BmbtBlocks(Geometry g, ulong inode, bool attribute)
    {
        foreach ((AgNumber ag, Claim claim) in _records.GetValueOrDefault(inode) ?? [])
            if ((claim.Flags & RmapFlags.BmbtBlock) != 0 && (claim.Flags & RmapFlags.AttributeFork) != 0 == attribute)
                for (uint i = 0; i < claim.Count; i++) yield return g.Join(ag, new AgBlock(claim.Start + i));
    }

    private readonly struct Visitor(RmapIndex index, AgNumber ag, IReadOnlySet<ulong> owners, MemoryBudget budget) : ILeafVisitor
    {
        public void Visit(Where at, ReadOnlySpan<byte> records)
        {
            for (; records.Length > 0; records = records[RmapRecord.Size..])
            {
                Claim claim = RmapVisitor.Read(records);
                if (!claim.IsInode || !owners.Contains(claim.Owner)) continue;
                if (!index._records.TryGetValue(claim.Owner, out List<(AgNumber, Claim)>? list)) index._records[claim.Owner] = list = [];
                budget.Hold(BytesOfRecord);
                list.Add((ag, claim));
            }
        }
    }
}
