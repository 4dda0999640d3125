using ImageFs.Format;

namespace ImageFs.Fsck;

/// <summary>Mends the records of quota inodes where they are, and tells the kernel to count anew.</summary>
internal sealed class QuotaRepair(RepairView view, Scan scan)
{
    /// <summary>Mends every record that is wrong in the inodes given.</summary>
    public void Mend(IReadOnlySet<ulong> inodes)
    {
        Geometry g = view.Geometry;
        view.Purpose = Remedy.FixQuota;
        ForkScan forks = new(scan, new TreeWalker(scan));
        foreach ((ulong inode, byte type, _) in QuotaRecord.Inodes(g.Superblock))
        {
            if (!inodes.Contains(inode)) continue;
            forks.Walk(view.Read(view.OffsetOf(new InodeNumber(inode)), g.InodeSize), inode, attribute: false, keep: true, claim: false);
            foreach ((FsBlock block, uint first) in QuotaScan.Blocks(g, forks.Map)) MendBlock(g.ByteOffset(block), type, first);
        }
    }

    private void MendBlock(long offset, byte type, uint first)
    {
        Geometry g = view.Geometry;
        byte[] block = view.Read(offset, g.BlockSize);
        bool any = false;
        for (int i = 0; i < g.BlockSize / QuotaRecord.Size; i++)
        {
            Span<byte> record = block.AsSpan(i * QuotaRecord.Size, QuotaRecord.Size);
            if (QuotaRecord.Judge(record, g, type, first + (uint)i, view.Head) is null) continue;
            QuotaRecord.Mend(record, g, type, first + (uint)i, view.Lsn);
            any = true;
        }
        if (any) view.Device.Write(offset, block);
    }
}
