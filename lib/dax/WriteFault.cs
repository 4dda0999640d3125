using System.Buffers;
using ImageFs.Allocation;
using ImageFs.Extents;
using ImageFs.Format;
using ImageFs.Inodes;

namespace ImageFs.Dax;

/// <summary>
/// Makes blocks of a file its own: allocated, written, with one owner. A write fault is a write of the bytes that are there already:
/// where blocks are shared they are copied as a whole, because stores may follow anywhere, and holes and unwritten blocks get zeros
/// before anything points at them.
/// </summary>
internal static class WriteFault
{
    private const int Piece = 1 << 20;

    /// <summary>The first run of a range that could not be stored into as it is.</summary>
    /// <param name="sharedOnly">Holes and unwritten blocks may stay what they are.</param>
    /// <returns>False if every block is allocated, written and private.</returns>
    public static bool IsNeeded(Volume volume, Inode inode, FileBlock from, FileBlock end, out FileBlock start, out FileBlock stop, bool sharedOnly = false)
    {
        bool mayShare = inode.Core.Has(InodeFlags2.Reflink);
        for (start = from; start < end; start = stop)
        {
            bool mapped = volume.Map.TryFind(inode, ForkKind.Data, start, out Extent extent);
            if (!mapped || extent.Offset > start)
            {
                stop = mapped && extent.Offset < end ? extent.Offset : end;
                if (sharedOnly) continue;
                return true;
            }
            extent = BlockMap.Slice(extent, start, end);
            stop = extent.End;
            if (extent.Unwritten && !sharedOnly) return true;
            if (extent.Unwritten || !mayShare) continue;
            uint alike = extent.Length;
            bool shared = ReferenceCounts.MustCopy(volume.Groups.Of(extent.Start), volume.Geometry.BlockInAg(extent.Start), ref alike);
            stop = extent.Offset + alike;
            if (shared) return true;
        }
        stop = end;
        return false;
    }

    /// <summary>Makes a range of blocks below the file's end the file's own. Reservations for copy-on-write over it end.</summary>
    /// <exception cref="XfsNoSpaceException">No room; blocks before the shortage have become private.</exception>
    public static void Resolve(Volume volume, FileData data, OpenInode file, FileBlock from, FileBlock end, bool sharedOnly = false)
    {
        int log = volume.Geometry.BlockLog;
        long size = (long)file.Inode.Core.FileSize.Value;
        byte[]? buffer = null;
        try
        {
            while (IsNeeded(volume, file.Inode, from, end, out FileBlock start, out FileBlock stop, sharedOnly))
            {
                buffer ??= ArrayPool<byte>.Shared.Rent(Piece);
                long at = (long)(start.Value << log), until = Math.Min(Math.Min((long)(stop.Value << log), size), at + Piece);
                Invariant.Holds(at < until, "a write fault lies before the file's end");
                Span<byte> bytes = buffer.AsSpan(0, (int)(until - at));
                data.ReadMapped(file, at, bytes);
                data.Write(file, at, bytes);
                from = new FileBlock(((ulong)until + (ulong)volume.Geometry.BlockSize - 1) >> log);
            }
        }
        catch (XfsException why) when (why is { Errno: Errno.ENOSPC } and not XfsNoSpaceException)
        {
            throw new XfsNoSpaceException(why.Message); // the host's disk, not the image
        }
        finally
        {
            if (buffer is not null) ArrayPool<byte>.Shared.Return(buffer);
        }
    }
}
