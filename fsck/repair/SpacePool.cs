using ImageFs.Format;

namespace ImageFs.Fsck;

/// <summary>Blocks that are certainly nobody's, for repairs that need some before the free space is derived anew.</summary>
/// <remarks>Certain is what the free-space btree says is free and no inode claims: two witnesses.</remarks>
internal sealed class SpacePool(RepairView view, Scan observed)
{
    private readonly IEnumerator<FsBlock>?[] _groups = new IEnumerator<FsBlock>?[view.Geometry.AgCount];

    /// <summary>A block, from a group if it has one.</summary>
    /// <returns>Null if there is none anywhere.</returns>
    public FsBlock? Take(AgNumber near)
    {
        Geometry g = view.Geometry;
        for (uint i = 0; i < g.AgCount; i++)
        {
            AgNumber ag = new((near.Value + i) % g.AgCount);
            IEnumerator<FsBlock> blocks = _groups[ag.Value] ??= Find(ag).GetEnumerator();
            if (blocks.MoveNext()) return blocks.Current;
        }
        return null;
    }

    private IEnumerable<FsBlock> Find(AgNumber ag)
    {
        Scan scan = new(view.Device, view.Geometry, view.Head, new FindingList(0, 0), observed.Cancellation, observed.Budget);
        GroupHeaders headers = new(scan);
        if (!headers.Load(ag) || !headers.JudgeAgf()) yield break;
        PackedList<FreeRun> runs = new();
        Walk(scan, headers, ag, runs);
        observed.Budget.Hold(runs.Count * 8L);
        for (int i = 0; i < runs.Count; i++)
            for (uint block = runs[i].Start; block < runs[i].End; block++)
                if (!observed.Claims.Covers(ag, block)) yield return view.Geometry.Join(ag, new AgBlock(block));
    }

    private static void Walk(Scan scan, GroupHeaders headers, AgNumber ag, PackedList<FreeRun> runs)
    {
        FreeVisitor visitor = new(scan, ag, "bnobt", byStart: true, runs);
        new TreeWalker(scan).Walk<BnobtTree, FreeVisitor>(ag, headers.Agf.BnoRoot, headers.Agf.BnoLevel, ref visitor);
    }
}
