using ImageFs.Allocation;
using ImageFs.Extents;
using ImageFs.Format;
using ImageFs.Inodes;

namespace ImageFs.Dax;

/// <content>Other sizes: what lies behind the end of a file reads as zeros before it comes into sight, and is freed behind a new one.</content>
internal sealed partial class FileData
{
    /// <summary>Before something is mapped behind the file's end: what lies between must read as zeros.</summary>
    internal void Extend(OpenInode file, long offset)
    {
        long size = (long)file.Inode.Core.FileSize.Value;
        if (offset > size) ZeroMapped(file, size, offset);
    }

    /// <summary>Makes written blocks in a range read as zeros; holes and unwritten blocks do already. The size does not change.</summary>
    internal void ZeroMapped(OpenInode file, long from, long to)
    {
        Inode inode = file.Inode;
        while (from < to)
        {
            if (!Map.TryFind(inode, ForkKind.Data, BlockOf(from), out Extent extent) || Bytes(extent.Offset) >= to) return;
            from = Math.Max(from, Bytes(extent.Offset));
            long until = Math.Min(to, Bytes(extent.End));
            if (!extent.Unwritten)
            {
                byte[] zeros = new byte[(int)Math.Min(until - from, 1 << 20)];
                // Bytes beyond the old end: nobody has seen them, so they may be cleared in place, unless they are shared.
                until = from + WriteZeros(file, from, zeros);
            }
            from = until;
        }
    }

    private int WriteZeros(OpenInode file, long offset, byte[] zeros)
    {
        Inode inode = file.Inode;
        Map.TryFind(inode, ForkKind.Data, BlockOf(offset), out Extent extent);
        extent = BlockMap.Slice(extent, BlockOf(offset), BlockUp(offset + zeros.Length));
        return Overwrite(file, extent, offset, zeros, sizeAfter: (long)inode.Core.FileSize.Value);
    }

    /// <summary>Gives a file another size: bytes beyond the old end read as zeros, blocks beyond the new end are freed.</summary>
    public void SetLength(OpenInode file, long length)
    {
        volume.RequireWritable();
        Inode inode = file.Inode;
        long size = (long)inode.Core.FileSize.Value;
        if (length < 0) throw new ArgumentOutOfRangeException(nameof(length));
        if ((inode.Core.Flags & InodeFlags.Append) != 0) throw new XfsException(Errno.EPERM, "the file is append-only");
        if (BlockUp(length).Value > FileBlock.Limit) throw new XfsException(Errno.EFBIG, $"{length} bytes are more than a file can have");
        if (length >= size)
        {
            ZeroMapped(file, size, length);
            volume.Run(tx => SetSize(tx, inode, length));
            // Truncated to what it is, a file gives up the blocks behind its end.
            if (length == size) FreeRange(inode, ForkKind.Data, BlockUp(length), new FileBlock(FileBlock.Limit));
            return;
        }
        file.Cow.Cancel(BlockUp(length), new FileBlock(FileBlock.Limit));
        ShrinkTo(file, length);
        FreeRange(inode, ForkKind.Data, BlockUp(length), new FileBlock(FileBlock.Limit));
        if (length == 0 && inode.Core.Has(InodeFlags2.Reflink))
        {
            file.Cow.CancelAll();
            volume.Run(tx =>
            {
                ref InodeCore core = ref inode.Modify(tx);
                core.Flags2 &= ~InodeFlags2.Reflink;
            });
        }
    }

    /// <summary>
    /// Sets a smaller size. A last block that is kept in part is replaced by one with a zeroed tail in the same transaction:
    /// zeroing it in place would lose bytes if the power went before the size changed.
    /// </summary>
    private void ShrinkTo(OpenInode file, long length)
    {
        Inode inode = file.Inode;
        FileBlock block = BlockOf(length);
        bool partial = length % BlockSize != 0 && Map.TryFind(inode, ForkKind.Data, block, out Extent found) && found.Offset <= block && !found.Unwritten;
        if (!partial)
        {
            volume.Run(tx => SetSize(tx, inode, length));
            return;
        }
        int kept = (int)(length % BlockSize);
        Map.TryFind(inode, ForkKind.Data, block, out Extent extent);
        Extent old = BlockMap.Slice(extent, block, block + 1);
        byte[] bytes = new byte[kept];
        ReadBytes(Geometry.ByteOffset(old.Start), bytes);
        file.Cow.Cancel(block, block + 1);
        try
        {
            volume.Run(tx =>
            {
                FsBlock start = SpaceAllocator.Allocate(tx, volume.Groups, old.Start, 1, 1, metadata: false, out _);
                Extent now = old with { Start = start };
                WriteRun(now, Bytes(block), bytes, source: null);
                Unmap(tx, inode, old);
                Map.Map(tx, inode, ForkKind.Data, now);
                SetSize(tx, inode, length);
            });
        }
        catch (XfsNoSpaceException) when (!volume.InGroup && !MustCopy(inode, old))
        {
            // A full file system can still be truncated: the size first, durable so that no cut brings the bytes back into
            // sight, then the tail in place.
            volume.Run(tx => SetSize(tx, inode, length));
            volume.FlushBeforeWrites();
            WriteBytes(Geometry.ByteOffset(old.Start) + kept, new byte[(int)BlockSize - kept]);
        }
    }
}
