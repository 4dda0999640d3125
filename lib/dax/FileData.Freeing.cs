using ImageFs.Allocation;
using ImageFs.Attributes;
using ImageFs.Extents;
using ImageFs.Format;
using ImageFs.Inodes;
using ImageFs.Transactions;

namespace ImageFs.Dax;

/// <content>Giving blocks back, and at last the inode.</content>
internal sealed partial class FileData
{
    /// <summary>Extents unmapped in one transaction.</summary>
    private const int ExtentsPerTransaction = 16;

    /// <summary>Unmaps and drops everything a fork maps in a range, a few extents per transaction.</summary>
    public void FreeRange(Inode inode, ForkKind kind, FileBlock from, FileBlock end)
    {
        if (!Map.TryFind(inode, kind, from, out Extent first) || first.Offset >= end) return;
        volume.RunInPieces(from, (Transaction tx, ref FileBlock at) => UnmapSome(tx, inode, kind, at, end), ExtentsPerTransaction);
    }

    /// <summary>
    /// Frees blocks behind the end of a file that nobody put there on purpose, when the file is closed, as the kernel does. A power
    /// cut in the middle of a long write leaves such, a unit of the extent size hint reaches there, and a kernel allocates ahead.
    /// </summary>
    public void FreeBehindEnd(Inode inode)
    {
        if (!inode.IsRegular || (inode.Core.Flags & (InodeFlags.Preallocated | InodeFlags.Append | InodeFlags.Realtime)) != 0) return;
        try
        {
            FreeRange(inode, ForkKind.Data, BlockUp((long)inode.Core.FileSize.Value), new FileBlock(FileBlock.Limit));
        }
        catch (XfsException why) when (why is CorruptionException or XfsNoSpaceException)
        {
            // Whoever works on the file will be told; what is closed is closed.
        }
    }

    /// <summary>Unmaps and drops whatever a file maps in a range, within one transaction.</summary>
    internal void UnmapAll(Transaction tx, Inode inode, FileBlock from, FileBlock end)
    {
        while (UnmapSome(tx, inode, ForkKind.Data, from, end)) { }
    }

    /// <summary>Unmaps and drops the first of what a fork maps in a range, as much as one change of the reference counts allows.</summary>
    /// <returns>False if nothing was mapped.</returns>
    internal bool UnmapSome(Transaction tx, Inode inode, ForkKind kind, FileBlock from, FileBlock end)
    {
        if (!Map.TryFind(inode, kind, from, out Extent next) || next.Offset >= end) return false;
        next = BlockMap.Slice(next, from, end);
        uint most = ReferenceCounts.Adjustable(volume.Groups.Of(next.Start), Geometry.BlockInAg(next.Start), next.Length);
        Map.TryUnmap(tx, inode, kind, from, end, out Extent removed, most);
        Drop(tx, inode, kind, removed);
        return true;
    }

    /// <summary>Unmaps one run that lies inside one extent and drops its reference.</summary>
    internal void Unmap(Transaction tx, Inode inode, in Extent run)
    {
        bool had = Map.TryUnmap(tx, inode, ForkKind.Data, run.Offset, run.End, out Extent removed);
        if (!had || removed.Offset != run.Offset || removed.Length != run.Length || removed.Start != run.Start)
            throw inode.Corrupt($"{run} is to be replaced, but {removed} is mapped there: the extents are out of order");
        Drop(tx, inode, ForkKind.Data, removed);
    }

    /// <summary>One owner less for blocks that were just unmapped; those without any are freed.</summary>
    internal void Drop(Transaction tx, Inode inode, ForkKind kind, in Extent removed)
    {
        AllocationGroup group = volume.Groups.Of(removed.Start);
        AgBlock start = Geometry.BlockInAg(removed.Start);
        if (kind == ForkKind.Data && inode.IsRegular)
        {
            List<(AgBlock Start, uint Length)> unowned = [];
            FreeList.Fill(tx, group);
            ReferenceCounts.Decrease(tx, group, start, removed.Length, unowned);
            foreach ((AgBlock at, uint length) in unowned) group.FreeSpace.Free(tx, at, length);
            return;
        }
        // Directory, attribute and symlink blocks are metadata: older images of them must not be replayed any more.
        // What begins or ends inside an extent is a piece of a directory block, as the log knows it too.
        ulong unit = kind == ForkKind.Attribute ? 1 : inode.IsDirectory ? (ulong)Geometry.DirectoryBlockFsBlocks : removed.Length;
        ulong phase = inode.IsDirectory ? removed.Offset.Value : 0;
        for (ulong at = 0, next; at < removed.Length; at = next)
        {
            next = Math.Min(removed.Length, at + unit - (phase + at) % unit);
            tx.Invalidate(Geometry.ByteOffset(removed.Start + at), (int)(next - at) * Geometry.BlockSize);
        }
        group.FreeSpace.Free(tx, start, removed.Length);
    }

    /// <summary>Frees an inode that has no name and no holder: its blocks first, a few at a time, then itself.</summary>
    public void Inactivate(Inode inode)
    {
        FreeRange(inode, ForkKind.Data, default, new FileBlock(FileBlock.Limit));
        if (inode.Core.ForkOffset != 0) FreeAttributes(inode);
        volume.Run(tx =>
        {
            volume.Unlinked.Remove(tx, inode);
            InodeFactory.Clear(tx, inode);
            volume.InodeAllocator.Free(tx, inode.Number);
        });
    }

    /// <summary>
    /// Frees the attribute fork from its end, so that its root goes last. What a crash in between leaves is a fork without
    /// attributes and with blocks nobody refers to, which the next recovery, ours or the kernel's, goes on freeing.
    /// </summary>
    private void FreeAttributes(Inode inode)
    {
        const ForkKind kind = ForkKind.Attribute;
        FileBlock end = new(FileBlock.Limit);
        if (inode.ExtentCount(kind) > ExtentsPerTransaction) volume.Run(tx => AttributeTree.Forget(tx, new AttributeStorage(volume, inode)));
        volume.RunInPieces(end, (Transaction tx, ref FileBlock behind) =>
        {
            if (!Map.TryFindLast(inode, kind, behind, out Extent last)) return false;
            Map.TryUnmap(tx, inode, kind, last.Offset, last.End, out Extent removed);
            Drop(tx, inode, kind, removed);
            return true;
        }, ExtentsPerTransaction);
    }
}
