using ImageFs.Extents;
using ImageFs.Format;
using ImageFs.Inodes;
using ImageFs.Transactions;

namespace ImageFs.Dax;

/// <summary>Inserts holes into files and takes ranges out of them: extents move in the file, not on the device.</summary>
/// <remarks>
/// One transaction does all of it, so that a power cut finds the file before or after. Only a file with more extents than
/// the log has room for is moved a few extents at a time, as the kernel moves every file. A cut then leaves a hole of the
/// inserted or removed length further on in the file, between what has moved and what has not; no byte is lost but those
/// that were to be.
/// </remarks>
internal sealed class ExtentShift(Volume volume, FileData data)
{
    private const int ExtentsPerTransaction = 64;

    private Geometry Geometry => volume.Geometry;

    /// <summary>Makes room for a hole; durable on return, for the reason <see cref="Exchanger"/> gives.</summary>
    /// <exception cref="XfsException">EINVAL: not whole blocks, or not inside the file. EFBIG: the file would become too large.</exception>
    public void Insert(OpenInode file, long offset, long length)
    {
        Inode inode = file.Inode;
        long size = (long)inode.Core.FileSize.Value;
        CheckAlignment(offset, length);
        if (Geometry.MaxFileSize - size < length) throw new XfsException(Errno.EFBIG, $"a file of {size} bytes cannot grow by {length}");
        if (offset >= size) throw new XfsException(Errno.EINVAL, $"the file ends at {size}: nothing can be inserted at {offset}");
        FileBlock from = data.BlockOf(offset);
        ulong blocks = (ulong)length >> Geometry.BlockLog;
        Prepare(file, from);
        if (volume.Map.TryFindLast(inode, ForkKind.Data, new FileBlock(FileBlock.Limit), out Extent highest) && highest.End.Value > FileBlock.Limit - blocks)
            throw new XfsException(Errno.EINVAL, $"blocks behind the end of the file would move beyond the largest file");

        bool splits = volume.Map.TryFind(inode, ForkKind.Data, from, out Extent over) && over.Offset < from;
        if (splits && inode.ExtentCount(ForkKind.Data) >= inode.MostExtents)
            throw new XfsException(Errno.EFBIG, $"{inode}: more than {inode.MostExtents} extents");

        // The highest extent first: each moves into the room the one before it has left.
        FileBlock top = new(FileBlock.Limit);
        bool Step(Transaction tx, ref FileBlock above)
        {
            if (!volume.Map.TryFindLast(inode, ForkKind.Data, above, out Extent last) || last.End <= from) return false;
            Extent part = BlockMap.Slice(last, from, last.End);
            volume.Map.Move(tx, inode, part, part.Offset + blocks);
            above = last.Offset;
            return true;
        }
        if (inode.ExtentCount(ForkKind.Data) <= volume.MostExtentsAtOnce)
        {
            volume.Run(tx =>
            {
                FileBlock above = top;
                data.SetSize(tx, inode, size + length);
                while (Step(tx, ref above)) { }
            });
        }
        else
        {
            // The size first: what has moved must not lie behind the end.
            volume.Run(tx => data.SetSize(tx, inode, size + length));
            volume.RunInPieces<FileBlock>(top, Step, ExtentsPerTransaction);
        }
        volume.FlushBeforeWrites();
    }

    /// <summary>Takes a range out; durable on return, likewise.</summary>
    /// <exception cref="XfsException">EINVAL: not whole blocks, or the range reaches the end of the file.</exception>
    public void Collapse(OpenInode file, long offset, long length)
    {
        Inode inode = file.Inode;
        long size = (long)inode.Core.FileSize.Value;
        CheckAlignment(offset, length);
        if (offset + length >= size) throw new XfsException(Errno.EINVAL, $"the file ends at {size}: a range that reaches the end is truncated, not collapsed");
        FileBlock from = data.BlockOf(offset), end = data.BlockOf(offset + length);
        Prepare(file, from);

        bool Step(Transaction tx, ref FileBlock next)
        {
            if (!volume.Map.TryFind(inode, ForkKind.Data, next, out Extent first)) return false;
            first = BlockMap.Slice(first, end, first.End);
            volume.Map.Move(tx, inode, first, first.Offset - (end - from));
            next = first.End;
            return true;
        }
        if (inode.ExtentCount(ForkKind.Data) + 4 * Parts(file, from, end) <= volume.MostExtentsAtOnce)
            volume.Run(tx =>
            {
                FileBlock next = end;
                data.UnmapAll(tx, inode, from, end);
                while (Step(tx, ref next)) { }
                data.SetSize(tx, inode, size - length);
            });
        else
        {
            data.FreeRange(inode, ForkKind.Data, from, end);
            volume.RunInPieces<FileBlock>(end, Step, ExtentsPerTransaction);
            volume.Run(tx => data.SetSize(tx, inode, size - length));
        }
        // Blocks that were put behind the end have moved there again, and nobody means them any more.
        data.FreeRange(inode, ForkKind.Data, data.BlockUp(size - length), new FileBlock(FileBlock.Limit));
        volume.FlushBeforeWrites();
    }

    private void CheckAlignment(long offset, long length)
    {
        if (offset % Geometry.BlockSize != 0 || length % Geometry.BlockSize != 0)
            throw new XfsException(Errno.EINVAL, $"offset {offset}, length {length}: expected multiples of the block size {Geometry.BlockSize}");
    }

    /// <summary>Reservations do not move, and blocks behind the end that nobody asked for would become a part of the file.</summary>
    private void Prepare(OpenInode file, FileBlock from)
    {
        const InodeFlags wanted = InodeFlags.Preallocated | InodeFlags.Append | InodeFlags.ExtentSize;
        FileBlock limit = new(FileBlock.Limit);
        file.Cow.Cancel(from, limit);
        if ((file.Inode.Core.Flags & wanted) == 0) data.FreeRange(file.Inode, ForkKind.Data, data.BlockUp((long)file.Inode.Core.FileSize.Value), limit);
    }

    /// <summary>Runs of a range that are alike in sharing: each may change records of its own.</summary>
    private ulong Parts(OpenInode file, FileBlock from, FileBlock end)
    {
        ulong parts = 0;
        IomapIterator all = new(volume, file, from, end, IomapPurpose.Report);
        while (parts <= volume.MostExtentsAtOnce && all.MoveNext()) parts++;
        return parts;
    }
}
