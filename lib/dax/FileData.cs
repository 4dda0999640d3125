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
        IomapIterator runs = Runs(file, offset, destination.Length, IomapPurpose.Read);
        while (runs.MoveNext())
        {
            ref readonly Iomap run = ref runs.Current;
            Span<byte> piece = destination[..(int)Math.Min(destination.Length, Bytes(run.End) - offset)];
            if (run.ReadsAsZeros) piece.Clear();
            else ReadBytes(DeviceOffset(run.Start, run.Offset, offset), piece, file);
            destination = destination[piece.Length..];
            offset += piece.Length;
        }
    }

    /// <summary>
    /// Overwrites a range that is inside the file, mapped, written and private throughout: no transaction, no gate. The
    /// caller holds the inode for overwriting.
    /// </summary>
    /// <returns>False if any of it is something else; nothing has been written then.</returns>
    public bool TryOverwrite(OpenInode file, long offset, ReadOnlySpan<byte> data)
    {
        if (offset + data.Length > file.Size || volume.OwnsAll) return false;
        IomapIterator runs = Runs(file, offset, data.Length, IomapPurpose.Overwrite);
        if (!runs.MoveNext() || !runs.Current.IsInPlace) return false;
        if (Bytes(runs.Current.End) - offset < data.Length)
        {
            IomapIterator ahead = runs;
            while (ahead.MoveNext())
                if (!ahead.Current.IsInPlace) return false;
        }
        do
        {
            int length = WriteInPlace(file, runs.Current, offset, data);
            data = data[length..];
            offset += length;
        } while (runs.MoveNext());
        file.NoteModified(volume.Clock());
        return true;
    }

    /// <summary>The mapping of a range of bytes.</summary>
    internal IomapIterator Runs(OpenInode file, long offset, long length, IomapPurpose purpose) => new(volume, file, BlockOf(offset), BlockUp(offset + length), purpose);

    /// <summary>What of some bytes lies in a run that may be overwritten goes there.</summary>
    /// <returns>Bytes written.</returns>
    private int WriteInPlace(OpenInode file, in Iomap run, long offset, ReadOnlySpan<byte> data)
    {
        data = data[..(int)Math.Min(data.Length, Bytes(run.End) - offset)];
        WriteBytes(DeviceOffset(run.Start, run.Offset, offset), data, file);
        return data.Length;
    }

    /// <summary>Where a byte of a file lies, by where the run around it begins.</summary>
    private long DeviceOffset(FsBlock start, FileBlock first, long offset) => Geometry.ByteOffset(start) + (offset - Bytes(first));

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
