using System.Numerics;
using ImageFs.Allocation;
using ImageFs.Extents;
using ImageFs.Format;
using ImageFs.Inodes;
using ImageFs.Transactions;

namespace ImageFs.Dax;

/// <summary>What atomic writes an image takes (the stx_atomic_write fields of statx).</summary>
/// <param name="Min">Bytes of the smallest one: a block. 0 where there are none.</param>
/// <param name="Max">Bytes of the largest one, a power of two; 0 where there are none.</param>
/// <param name="OptimalMax">Bytes up to which hardware does them in place: 0, they always go to new blocks.</param>
/// <param name="SegmentsMax">Pieces of memory one may be gathered from: 1.</param>
public readonly record struct AtomicWriteInfo(long Min, long Max, long OptimalMax, int SegmentsMax);

/// <summary>
/// Writes that a power cut cannot tear, whatever lies under them: hole, unwritten, private, shared or all of these. The new bytes
/// go to new blocks; then one transaction, which is replayed as a whole or not at all, maps them, size included.
/// </summary>
internal sealed class AtomicWrites(Volume volume, FileData data)
{
    /// <summary>
    /// Blocks of trees that remapping one block may change: its old and new places in the reverse map, in the reference counts and
    /// in the staging records, two free-space trees, the file's own. Many blocks change the same ones, so it is seldom a
    /// quarter of that; and a transaction that were too large all the same would be refused as a whole.
    /// </summary>
    private const int TreeBlocksPerBlock = 8;

    private Geometry Geometry => volume.Geometry;

    /// <summary>Limits that follow from the format, the size of a group and the log.</summary>
    public AtomicWriteInfo Info
    {
        get
        {
            if (!Geometry.HasReflink || volume.Journal is null) return new(0, 0, 0, 1);
            long blocks = Math.Min(volume.Journal.TransactionLimit / (TreeBlocksPerBlock * (long)Geometry.BlockSize), Geometry.AgBlocks);
            long max = Math.Min((long)BitOperations.RoundUpToPowerOf2((ulong)blocks + 1) / 2 << Geometry.BlockLog, 1L << 30);
            return new(Geometry.BlockSize, max, 0, 1);
        }
    }

    /// <summary>Throws unless a range can be written atomically.</summary>
    /// <exception cref="XfsException">EINVAL, EOPNOTSUPP, EFBIG as pwritev2(RWF_ATOMIC) gives them.</exception>
    public void Check(long offset, long length)
    {
        volume.RequireWritable();
        AtomicWriteInfo info = Info;
        if (info.Max == 0) throw new XfsUnsupportedException("atomic writes go to new blocks, which needs the reflink feature");
        if (length < info.Min || length > info.Max || !BitOperations.IsPow2(length) || offset < 0 || offset % length != 0)
            throw new XfsException(Errno.EINVAL, $"an atomic write of {length} bytes at {offset}: expected a power of two from {info.Min} to {info.Max} at a multiple of itself");
        if (offset > Geometry.MaxFileSize - length) throw new XfsException(Errno.EFBIG, $"a write of {length} bytes at {offset} ends beyond the largest file");
    }

    /// <summary>Writes a range that <see cref="Check"/> has passed.</summary>
    /// <exception cref="XfsNoSpaceException">No room; nothing has changed.</exception>
    public void Write(OpenInode file, long offset, ReadOnlySpan<byte> bytes)
    {
        Inode inode = file.Inode;
        FileBlock from = new((ulong)offset >> Geometry.BlockLog), end = from + ((ulong)bytes.Length >> Geometry.BlockLog);
        data.Extend(file, offset);
        List<Extent> staged = [];
        try
        {
            // What is staged there already is used first; only the gaps are allocated. Nothing is ever unshared before: the
            // new contents replace the old ones as they are.
            for (FileBlock at = from; at < end; at = staged[^1].End) staged.Add(file.Cow.Stage(at, end, Goal(file, at, end, staged)));
            foreach (Extent run in staged)
            {
                int start = (int)((run.Offset - from) << Geometry.BlockLog);
                data.WriteBytes(Geometry.ByteOffset(run.Start), bytes.Slice(start, (int)run.Length << Geometry.BlockLog), file);
            }
            long size = offset + bytes.Length;
            volume.Run(tx =>
            {
                data.UnmapAll(tx, inode, from, end);
                foreach (Extent run in staged)
                {
                    file.Cow.Take(tx, run);
                    data.MapNew(tx, inode, run);
                }
                data.Touch(tx, inode, size);
            });
        }
        catch (XfsException) when (volume.Journal!.Failure is null)
        {
            file.Cow.Cancel(from, end);
            throw;
        }
    }

    /// <summary>New blocks best follow those staged before them, else lie where the old ones do.</summary>
    private FsBlock Goal(OpenInode file, FileBlock at, FileBlock end, List<Extent> staged)
    {
        if (staged.Count > 0) return staged[^1].Start + staged[^1].Length;
        Iomap old = IomapIterator.First(volume, file, at, end, IomapPurpose.Write);
        return old.Kind == IomapKind.Hole ? data.GoalFor(file.Inode, at) : old.Start;
    }
}
