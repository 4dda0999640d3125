using ImageFs.Format;

namespace ImageFs.Fsck;

/// <summary>Compares link counts with the names found, and finds what no path reaches.</summary>
internal sealed class LinkCompare(Scan scan, InodeScan inodes)
{
    private readonly Geometry _g = scan.Geometry;

    public void Compare()
    {
        CountHidden();
        CompareDirectories();
        FindCycles();
        for (uint ag = 0; ag < _g.AgCount; ag++)
        {
            scan.Cancellation.ThrowIfCancellationRequested();
            foreach (ref readonly InodeChunk chunk in scan.Inodes.Chunks(new AgNumber(ag)))
            {
                if (chunk.Slot < 0) continue;
                for (int i = 0; i < InodeChunkRecord.InodesPerChunk; i++)
                {
                    int slot = chunk.Slot + i;
                    InodeState state = scan.Inodes.State(slot);
                    if ((state & InodeState.Used) != 0 && scan.Inodes.Links(slot) != scan.Inodes.Names(slot) | IsUnnamed(slot))
                        Report(new AgNumber(ag), new AgInode(chunk.Start + (uint)i), slot, state);
                }
            }
        }
    }

    private bool IsUnnamed(int slot) => scan.Inodes.Names(slot) == 0;

    /// <summary>Names that stand in no directory: the superblock's pointers, "." and the root's "..".</summary>
    private void CountHidden()
    {
        Superblock sb = _g.Superblock;
        foreach (ulong inode in (ReadOnlySpan<ulong>)[sb.RealtimeBitmapInode, sb.RealtimeSummaryInode])
            if (scan.Inodes.Find(inode) is int slot and >= 0) scan.Inodes.Names(slot)++;
        if ((sb.VersionBits & VersionBits.Quota) != 0)
            foreach (ulong inode in (ReadOnlySpan<ulong>)[sb.UserQuotaInode, sb.GroupQuotaInode, sb.ProjectQuotaInode])
                if (inode != 0 && scan.Inodes.Find(inode) is int slot and >= 0) scan.Inodes.Names(slot)++;
    }

    private void CompareDirectories()
    {
        ulong root = _g.Superblock.RootInode;
        Span<DirectoryNode> all = inodes.Directories.Span;
        for (int i = 0; i < all.Length; i++)
        {
            ref DirectoryNode directory = ref all[i];
            ref uint names = ref scan.Inodes.Names(directory.Slot);
            names++; // "."
            bool isRoot = directory.Inode == root;
            Where at = Place(directory.Inode);
            if (isRoot)
            {
                names++; // its ".." stands for the entry it cannot have
                if (directory.NamedBy >= 0) scan.Report(FindingCodes.DirectoryTwoParents, at, "the superblock", all[directory.NamedBy].Inode);
                if (directory.IsRead && directory.Parent != root) scan.Report(FindingCodes.DirectoryDotDot, at, directory.Parent, root);
            }
            else if (directory.NamedBy >= 0)
            {
                if (directory.IsRead && directory.Parent != all[directory.NamedBy].Inode)
                    scan.Report(FindingCodes.DirectoryDotDot, at, directory.Parent, all[directory.NamedBy].Inode);
            }
            else if (!scan.IsShort && (scan.Inodes.Links(directory.Slot) != 0 || !IsListed(directory.Inode))) scan.Report(FindingCodes.InodeUnconnected, at);
        }
    }

    /// <summary>Follows the naming directories upward; a walk that meets itself is a cycle. Each directory is walked once.</summary>
    private void FindCycles()
    {
        Span<DirectoryNode> all = inodes.Directories.Span;
        int[] walk = new int[all.Length]; // 0 not walked yet, else the walk that came by
        for (int i = 0; i < all.Length; i++)
        {
            int at = i;
            while (at >= 0 && walk[at] == 0)
            {
                walk[at] = i + 1;
                at = all[at].NamedBy;
            }
            if (at >= 0 && walk[at] == i + 1) scan.Report(FindingCodes.DirectoryCycle, Place(all[at].Inode));
        }
    }

    private void Report(AgNumber ag, AgInode inode, int slot, InodeState state)
    {
        // Names may be cut off with the rest of an image.
        if (scan.IsShort) return;
        ulong number = _g.Join(ag, inode).Value;
        uint links = scan.Inodes.Links(slot), names = scan.Inodes.Names(slot);
        Where at = scan.At(ag, _g.BlockOf(inode), number);
        bool isDirectory = (state & InodeState.TypeMask) == (InodeState)(FileMode16.Directory >> 12);
        // A directory nobody names was reported, its count says nothing new.
        if (isDirectory && inodes.FindDirectory(number) is int d and >= 0 && inodes.Directories[d].NamedBy < 0 && number != _g.Superblock.RootInode) return;
        if (names == 0)
        {
            if (links != 0 || !IsListed(number)) scan.Report(FindingCodes.InodeUnconnected, at);
            return;
        }
        scan.Report(FindingCodes.InodeNlink, at with { Field = "nlink" }, links, names);
    }

    private bool IsListed(ulong number)
    {
        int index = inodes.FindUnlinked(number);
        return index >= 0 && inodes.Unlinked[index].IsListed;
    }

    private Where Place(ulong inode)
    {
        InodeNumber number = new(inode);
        return scan.At(_g.AgOf(number), _g.BlockOf(_g.InodeInAg(number)), inode);
    }
}
