using ImageFs.Format;

namespace ImageFs.Fsck;

/// <summary>Follows the lists of inodes that lost their last name and wait to be freed.</summary>
internal sealed class UnlinkedCheck(Scan scan, InodeScan inodes)
{
    public void Check(PackedList<UnlinkedHead> heads)
    {
        foreach (UnlinkedHead head in heads.Span) Follow(head.Ag, head.Bucket, head.First);
    }

    private void Follow(AgNumber ag, int bucket, uint next)
    {
        Geometry g = scan.Geometry;
        Where at = new(ag.Value, (uint)(2 * g.SectorSize / g.BlockSize), Field: $"unlinked[{bucket}]");
        while (next != uint.MaxValue)
        {
            ulong number = g.Join(ag, new AgInode(next)).Value;
            int index = inodes.FindUnlinked(number);
            if (index < 0)
            {
                scan.Report(FindingCodes.UnlinkedList, at with { Inode = number }, bucket, $"it leads to inode {number}, which has links or is free");
                return;
            }
            ref UnlinkedInode inode = ref inodes.Unlinked[index];
            if (inode.IsListed)
            {
                scan.Report(FindingCodes.UnlinkedList, at with { Inode = number }, bucket, $"inode {number} is on a list twice");
                return;
            }
            inode.IsListed = true;
            if (next % Agi.BucketCount != bucket)
                scan.Report(FindingCodes.UnlinkedList, at with { Inode = number }, bucket, $"inode {number} belongs into bucket {next % Agi.BucketCount}");
            // Recovery of a dirty log frees them; a clean log means nobody will.
            if (!scan.WasDirty) scan.Report(FindingCodes.InodeUnlinked, scan.At(ag, g.BlockOf(new AgInode(next)), number));
            next = inode.Next;
        }
    }
}
