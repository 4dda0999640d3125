using ImageFs.Devices;
using ImageFs.Extents;
using ImageFs.Format;
using ImageFs.Inodes;
using ImageFs.Transactions;

namespace ImageFs.Dax;

/// <summary>
/// Bytes of files: read, write, truncate. Data first, then one transaction that makes it reachable: new blocks are written
/// before anything points at them, shared blocks are never written at all.
/// </summary>
/// <remarks>
/// What a write does depends on what is under it:
/// <code>
///   hole                allocate, write (edges zeroed), map; if it is long: map as unwritten first, and go on as there
///   unwritten           write (edges zeroed), convert exactly the blocks written
///   written, private    write in place
///   written, shared     stage in the CoW fork, copy the edges, write, remap exactly the blocks written
/// </code>
/// In an atomic group written blocks that were there before it go out of place too, private or not.
/// A failed write leaves the mapping of its range as it was.
/// </remarks>
internal sealed partial class FileData(Volume volume)
{
    private Geometry Geometry => volume.Geometry;
    private BlockMap Map => volume.Map;
    private long BlockSize => Geometry.BlockSize;

    internal FileBlock BlockOf(long offset) => new((ulong)offset >> Geometry.BlockLog);
    internal FileBlock BlockUp(long offset) => new(((ulong)offset + (ulong)BlockSize - 1) >> Geometry.BlockLog);
    /// <summary>File offset of a block; blocks that only a lying inode maps lie at the end of all offsets.</summary>
    internal long Bytes(FileBlock block) => block.Value > (ulong)(long.MaxValue >> Geometry.BlockLog) ? long.MaxValue : (long)(block.Value << Geometry.BlockLog);

    /// <summary>Reads up to the end of the file; holes and unwritten blocks are zeros. The caller holds the inode for reading.</summary>
    /// <returns>Bytes read, 0 at or behind the end.</returns>
    public int Read(OpenInode file, long offset, Span<byte> destination)
    {
        long size = file.Size;
        if (offset >= size) return 0;
        if (destination.Length > size - offset) destination = destination[..(int)(size - offset)];
        ReadMapped(file, offset, destination);
        return destination.Length;
    }

    /// <summary>Reads a range whatever the file's size.</summary>
    internal void ReadMapped(OpenInode file, long offset, Span<byte> destination)
    {
        while (!destination.IsEmpty)
        {
            Segment segment = file.SegmentAt(BlockOf(offset), BlockUp(offset + destination.Length));
            long until = Math.Min(Bytes(segment.End), offset + destination.Length);
            Span<byte> piece = destination[..(int)(until - offset)];
            if (segment.IsZero) piece.Clear();
            else ReadBytes(Geometry.ByteOffset(segment.Start) + (offset - Bytes(segment.Offset)), piece, file);
            destination = destination[piece.Length..];
            offset = until;
        }
    }

    /// <summary>
    /// Overwrites a range that is inside the file, mapped, written and private throughout: no transaction, no gate. The
    /// caller holds the inode for overwriting.
    /// </summary>
    /// <returns>False if any of it is something else; nothing has been written then.</returns>
    public bool TryOverwrite(OpenInode file, long offset, ReadOnlySpan<byte> data)
    {
        long end = offset + data.Length;
        if (end > file.Size || volume.OwnsAll) return false;
        for (long at = offset; at < end;)
        {
            FileBlock block = BlockOf(at);
            Segment segment = file.SegmentAt(block, BlockUp(end));
            if (segment.IsZero || !(segment.Private || IsPrivate(file, segment, block, BlockUp(end)))) return false;
            at = Bytes(segment.End);
        }
        while (!data.IsEmpty)
        {
            Segment segment = file.SegmentAt(BlockOf(offset), BlockUp(end));
            int length = (int)Math.Min(data.Length, Bytes(segment.End) - offset);
            WriteBytes(Geometry.ByteOffset(segment.Start) + (offset - Bytes(segment.Offset)), data[..length], file);
            data = data[length..];
            offset += length;
        }
        file.NoteModified(volume.Clock());
        return true;
    }

    /// <summary>Asks the refcountbt, and remembers if the answer holds for the whole extent.</summary>
    private bool IsPrivate(OpenInode file, in Segment segment, FileBlock from, FileBlock end)
    {
        lock (volume.Gate)
        {
            // What is reserved for copy-on-write near by is used up, even where nobody shares any more.
            if (file.Cow.TryFind(segment.Offset, out _) || file.Cow.NextStart(segment.Offset, segment.End) != segment.End) return false;
            Extent whole = new(segment.Offset, segment.Start, (uint)(segment.End - segment.Offset), Unwritten: false);
            if (!MustCopy(file.Inode, whole))
            {
                file.Extents.MarkPrivate(from);
                return true;
            }
            return !MustCopy(file.Inode, BlockMap.Slice(whole, from, end));
        }
    }

    /// <summary>Reads what a file has on the device: straight from memory where the device lies there.</summary>
    /// <param name="file">Whose bytes they are; null where that is not at hand.</param>
    private void ReadBytes(long at, Span<byte> destination, OpenInode? file = null)
    {
        BlockDevice data = volume.DataOf(file);
        if (data.TryGetSpan(at, destination.Length, out ReadOnlySpan<byte> bytes)) MappedCopy.Copy(bytes, destination);
        else data.Read(at, destination);
    }

    /// <summary>Writes what a file has on the device, and only then says so: a flush that ran in between did not cover it.</summary>
    /// <inheritdoc cref="ReadBytes"/>
    internal void WriteBytes(long at, ReadOnlySpan<byte> source, OpenInode? file = null)
    {
        BlockDevice data = volume.DataOf(file);
        if (data.TryGetWritableSpan(at, source.Length, out Span<byte> bytes)) MappedCopy.Store(source, bytes);
        else data.Write(at, source);
        volume.Journal!.NoteData();
    }

    private bool MustCopy(Inode inode, in Extent extent)
    {
        uint length = extent.Length;
        return inode.Core.Has(InodeFlags2.Reflink)
            && (ReferenceCounts.MustCopy(volume.Groups.Of(extent.Start), Geometry.BlockInAg(extent.Start), ref length) || length < extent.Length);
    }

    /// <summary>A write ended at <paramref name="end"/>: the size, if it grew, and the times.</summary>
    internal void Touch(Transaction tx, Inode inode, long end)
    {
        ref InodeCore core = ref inode.Modify(tx);
        if ((ulong)end > core.FileSize) core.FileSize = (ulong)end;
        Stamp(inode, ref core);
    }

    internal void SetSize(Transaction tx, Inode inode, long size)
    {
        ref InodeCore core = ref inode.Modify(tx);
        core.FileSize = (ulong)size;
        Stamp(inode, ref core);
    }

    private void Stamp(Inode inode, ref InodeCore core)
    {
        volume.Find(inode.Number)?.ForgetModified();
        ulong now = volume.Clock().Encode(core.Has(InodeFlags2.BigTime));
        core.ModifyTime = now;
        core.ChangeTime = now;
        core.ChangeCount = core.ChangeCount + 1;
    }
}
