using ImageFs.Devices;
using ImageFs.Extents;
using ImageFs.Format;

namespace ImageFs.Dax;

/// <summary>
/// While it is out, a range of a file stays in the blocks where it is: truncate, clone, dedupe and whatever else would move or
/// share them wait. Dispose it soon; a lease that is <see cref="System.Buffers.MemoryHandle">pinned</see> ends with its last pin.
/// </summary>
public abstract class LayoutLease : IDisposable, IMappingOwner
{
    private readonly Volume _volume;
    private int _uses = 1;
    private int _disposed;
    private volatile bool _closed;

    private protected LayoutLease(Volume volume, OpenInode open, long offset, long length)
    {
        _volume = volume;
        Open = open;
        Offset = offset;
        Length = length;
        int log = volume.Geometry.BlockLog;
        From = new FileBlock((ulong)offset >> log);
        End = new FileBlock(((ulong)(offset + length - 1) >> log) + 1);
    }

    /// <summary>First byte of the file.</summary>
    public long Offset { get; }

    /// <summary>Bytes.</summary>
    public long Length { get; }

    /// <summary>The leased file.</summary>
    public InodeNumber Inode => Open.Inode.Number;

    /// <summary>True when the bytes must not be looked at any more.</summary>
    public bool IsClosed => _closed;

    internal OpenInode Open { get; }
    internal FileBlock From { get; }
    internal FileBlock End { get; }
    internal abstract bool IsForWriting { get; }
    private protected Volume Volume => _volume;

    /// <summary>Makes everything stored so far, and everything done before, durable.</summary>
    /// <exception cref="XfsShutdownException">The device failed, now or earlier.</exception>
    public void Flush()
    {
        ObjectDisposedException.ThrowIf(_closed, this);
        _volume.Flush();
    }

    /// <summary>Gives the range back. Spans of it must not be used any more: stores through them are faults, which end the process.</summary>
    public void Dispose()
    {
        if (Interlocked.Exchange(ref _disposed, 1) == 0) RemoveUse();
        GC.SuppressFinalize(this);
    }

    /// <summary>The volume is closed: there is nothing to give back to.</summary>
    internal void Revoke() => _closed = true;

    void IMappingOwner.AddPin() => Interlocked.Increment(ref _uses);

    void IMappingOwner.RemovePin() => RemoveUse();

    private void RemoveUse()
    {
        if (Interlocked.Decrement(ref _uses) > 0 || _closed) return;
        _closed = true;
        _volume.Layouts.Remove(this);
        Ended();
    }

    /// <summary>After the range was given back.</summary>
    private protected abstract void Ended();
}
