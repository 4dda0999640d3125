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
        if (from >= to) return;
        IomapIterator runs = Runs(file, from, to - from, IomapPurpose.Zero);
        while (runs.MoveNext())
        {
            Iomap run = runs.Current;
            long start = Math.Max(from, Bytes(run.Offset));
            byte[] zeros = new byte[(int)Math.Min(Math.Min(to, Bytes(run.End)) - start, 1 << 20)];
            // Bytes beyond the old end: nobody has seen them, so they may be cleared in place, unless they are shared.
            int done = Overwrite(file, run, start, zeros, sizeAfter: (long)file.Inode.Core.FileSize.Value);
            runs.Cut(BlockUp(start + done) - run.Offset);
        }
    }

    /// <summary>Throws unless a file can be truncated or grown to a length (ftruncate).</summary>
    /// <exception cref="XfsException">EPERM: append-only. EFBIG: more than a file can have.</exception>
    public void CheckLength(OpenInode file, long length)
    {
        volume.RequireWritable();
        if ((file.Inode.Core.Flags & InodeFlags.Append) != 0) throw new XfsException(Errno.EPERM, "the file is append-only");
        if (BlockUp(length).Value > FileBlock.Limit) throw new XfsException(Errno.EFBIG, $"{length} bytes are more than a file can have");
    }

    /// <summary>Gives a file another size: bytes beyond the old end read as zeros, blocks beyond the new end are freed.</summary>
    public void SetLength(OpenInode file, long length)
    {
        Inode inode = file.Inode;
        long size = (long)inode.Core.FileSize.Value;
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
        int kept = (int)(length % BlockSize);
        FileBlock block = BlockOf(length);
        Iomap last = kept == 0 ? default : IomapIterator.First(volume, file, block, block + 1, IomapPurpose.Write);
        if (last.ReadsAsZeros)
        {
            volume.Run(tx => SetSize(tx, inode, length));
            return;
        }
        Extent old = last.Extent;
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
        catch (XfsNoSpaceException) when (!volume.InGroup && !last.Shared)
        {
            // A full file system can still be truncated: the size first, durable so that no cut brings the bytes back into
            // sight, then the tail in place.
            volume.Run(tx => SetSize(tx, inode, length));
            volume.FlushBeforeWrites();
            WriteBytes(Geometry.ByteOffset(old.Start) + kept, new byte[(int)BlockSize - kept]);
        }
    }
}
