using ImageFs.Format;

namespace ImageFs.Fsck;

/// <summary>Entries that name an inode, and its parent pointers.</summary>
internal readonly record struct ParentDifference(ulong Inode, List<ParentLink> Entries, List<ParentLink> Pointers);

/// <summary>Tells what is wrong between the entries that name an inode and its parent pointers.</summary>
/// <param name="reread">Observes the image once more, in silence, into a table that keeps links.</param>
internal sealed class ParentCompare(Scan scan, ParentTable table, Action<ParentTable> reread)
{
    private readonly Geometry _g = scan.Geometry;

    public void Compare()
    {
        foreach (ParentDifference difference in Differences(ParentTable.MostInodes, ParentTable.MostLinks))
        {
            scan.Cancellation.ThrowIfCancellationRequested();
            Tell(difference.Inode, difference.Entries, difference.Pointers);
        }
    }

    /// <summary>The inodes whose pointers are not what names them, with both.</summary>
    /// <param name="inodes">At most so many of them.</param>
    /// <param name="links">At most so many links; what is behind is left out.</param>
    public IEnumerable<ParentDifference> Differences(int inodes, int links)
    {
        List<ulong> differing = Differing(inodes);
        if (differing.Count == 0) return [];
        ParentTable kept = new(differing, links);
        reread(kept);
        return differing.Select(inode => new ParentDifference(inode, kept.Kept[inode].Entries, kept.Kept[inode].Pointers));
    }

    private List<ulong> Differing(int most)
    {
        List<ulong> differing = [];
        for (uint ag = 0; ag < _g.AgCount; ag++)
        {
            scan.Cancellation.ThrowIfCancellationRequested();
            foreach (ref readonly InodeChunk chunk in scan.Inodes.Chunks(new AgNumber(ag)))
                for (int i = 0; chunk.Slot >= 0 && i < InodeChunkRecord.InodesPerChunk && differing.Count < most; i++)
                    if ((scan.Inodes.State(chunk.Slot + i) & InodeState.Used) != 0 && table.Differs(chunk.Slot + i))
                        differing.Add(_g.Join(new AgNumber(ag), new AgInode(chunk.Start + (uint)i)).Value);
        }
        return differing;
    }

    private void Tell(ulong inode, List<ParentLink> entries, List<ParentLink> pointers)
    {
        InodeNumber number = new(inode);
        Where at = scan.At(_g.AgOf(number), _g.BlockOf(_g.InodeInAg(number)), inode);
        Match(entries, pointers, sameGeneration: true, null);
        Match(entries, pointers, sameGeneration: false, (entry, pointer) =>
            scan.Report(FindingCodes.ParentGeneration, at, NameScan.Show(entry.Name), entry.Directory, pointer.Generation, entry.Generation));
        foreach (ParentLink entry in entries) scan.Report(FindingCodes.ParentMissing, at, NameScan.Show(entry.Name), entry.Directory);
        foreach (ParentLink pointer in pointers) scan.Report(FindingCodes.ParentDangling, at, NameScan.Show(pointer.Name), pointer.Directory);
    }

    /// <summary>Takes what belongs together out of both lists.</summary>
    public static void Match(List<ParentLink> entries, List<ParentLink> pointers, bool sameGeneration, Action<ParentLink, ParentLink>? matched)
    {
        Dictionary<(ulong, string, uint), Stack<ParentLink>> byKey = [];
        foreach (ParentLink pointer in pointers)
        {
            if (!byKey.TryGetValue(Key(pointer), out Stack<ParentLink>? same)) byKey[Key(pointer)] = same = new();
            same.Push(pointer);
        }
        entries.RemoveAll(entry =>
        {
            if (!byKey.TryGetValue(Key(entry), out Stack<ParentLink>? same) || !same.TryPop(out ParentLink pointer)) return false;
            matched?.Invoke(entry, pointer);
            return true;
        });
        pointers.Clear();
        foreach (Stack<ParentLink> rest in byKey.Values) pointers.AddRange(rest);

        (ulong, string, uint) Key(in ParentLink link) => (link.Directory, System.Text.Encoding.Latin1.GetString(link.Name), sameGeneration ? link.Generation : 0);
    }
}
