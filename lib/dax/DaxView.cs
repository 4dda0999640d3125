using System.Buffers;
using ImageFs.Devices;
using ImageFs.Extents;
using ImageFs.Format;
using ImageFs.Inodes;

namespace ImageFs.Dax;

/// <summary>
/// A range of a file as one contiguous stretch of memory, whatever pieces it lies in: the pages of the image themselves, zeros
/// for holes and unwritten blocks. It follows the file: what is written, cloned into it or punched out shows at once, in spans
/// handed out before as well.
/// </summary>
/// <remarks>
/// <para>Pages are replaced in place, atomically one by one: a reader may see old bytes on one page and new ones on the next. Pages wholly
/// behind the file's end cannot be touched; bytes between its end and the end of that page mean nothing.</para>
/// <para>Reading through a view can end the process where <see cref="XfsFile.Read"/> would throw: when a span is used after the view
/// was disposed, behind the file's end, or when somebody who ignores locks truncates the image.</para>
/// </remarks>
public sealed partial class DaxView : IDisposable, IMappingOwner
{
    private readonly Volume _volume;
    private readonly FileData _data;
    private readonly Action<Inode> _dropCapability;
    private readonly AddressWindow _window;
    private readonly FileDevice _file;
    private readonly long _device;
    private readonly FileBlock _from, _end;
    private readonly bool _canWrite;
    private readonly TimeSpan _patience;
    // One for the view itself, one for each lease: the window closes with the last.
    private int _uses = 1;
    private int _disposed;
    private volatile XfsException? _failure;
    private long _available;
    private int _counted;

    /// <param name="dropCapability">Called before contents change: nobody shall run them with capabilities meant for the old ones.</param>
    internal DaxView(Volume volume, FileData data, Action<Inode> dropCapability, OpenInode open, FileDevice file, long device, long offset, long length,
        bool canWrite, TimeSpan patience)
    {
        (_volume, _data, _dropCapability, Open, _canWrite, _patience) = (volume, data, dropCapability, open, canWrite, patience);
        (_file, _device, Offset, Length) = (file, device, offset, length);
        int log = _volume.Geometry.BlockLog;
        _from = new FileBlock((ulong)offset >> log);
        _end = new FileBlock(((ulong)(offset + length - 1) >> log) + 1);
        _window = AddressWindow.Reserve((long)((_end - _from) << log));
    }

    /// <summary>Byte of the file at which the view begins.</summary>
    public long Offset { get; }

    /// <summary>Bytes of the view; the file may end before.</summary>
    public long Length { get; }

    /// <summary>Bytes of the view that the file has now.</summary>
    public long Available => Volatile.Read(ref _available);

    /// <summary>Pieces of address space the view is made of; a quarter of what the host allows (vm.max_map_count) is shared by all views.</summary>
    public int Pieces { get; private set; }

    /// <summary>True once it is disposed, or its volume.</summary>
    public bool IsClosed => _window.IsClosed || Volatile.Read(ref _disposed) != 0;

    internal OpenInode Open { get; }

    /// <summary>Where the view begins in memory.</summary>
    internal nint Address => _window.Address + (nint)(Offset - Bytes(_from));

    /// <summary>All bytes, as far as the file goes.</summary>
    /// <exception cref="InvalidOperationException">More than 2 GiB: use <see cref="Sequence"/> or <see cref="GetSpan"/>.</exception>
    public ReadOnlySpan<byte> Span => GetSpan(0, SpanLength(Available));

    /// <summary>All bytes, as far as the file goes, whatever their number.</summary>
    public ReadOnlySequence<byte> Sequence
    {
        get
        {
            List<ReadOnlyMemory<byte>> pieces = [];
            const int most = 1 << 30;
            for (long at = 0, available = Available; at < available; at += most) pieces.Add(GetMemory(at, (int)Math.Min(most, available - at)));
            return MappedSequence.Join(pieces);
        }
    }

    /// <summary>A part of the bytes; good until the view is disposed.</summary>
    /// <param name="offset">Bytes from the start of the view.</param>
    /// <exception cref="ArgumentOutOfRangeException">Outside the view, or behind the file's end.</exception>
    public ReadOnlySpan<byte> GetSpan(long offset, int length)
    {
        CheckPart(offset, length);
        return Bytes(Offset + offset, length);
    }

    /// <summary>A part of the bytes that throws when used after the view was disposed.</summary>
    /// <inheritdoc cref="GetSpan"/>
    public ReadOnlyMemory<byte> GetMemory(long offset, int length)
    {
        CheckPart(offset, length);
        return MemoryOf(this, Offset + offset, length);
    }

    /// <summary>
    /// Makes a part of the view writable: the write fault of a mapping, asked for explicitly. Shared blocks are copied, holes and
    /// unwritten blocks get zeros, all of it committed before the bytes are handed out.
    /// </summary>
    /// <param name="offset">Bytes from the start of the view.</param>
    /// <param name="length">At least 1; the blocks around the range are leased.</param>
    /// <param name="cancellation">Ends waiting for read leases that are in the way.</param>
    /// <exception cref="ArgumentOutOfRangeException">Outside the view, or behind the file's end.</exception>
    /// <exception cref="XfsNoSpaceException">No room in the image, or for the image; no bytes were handed out.</exception>
    /// <exception cref="XfsException">EBADF: the view came from a handle for reading. EROFS.</exception>
    public WriteLease AcquireWritable(long offset, long length, LeaseOptions options = LeaseOptions.None, CancellationToken cancellation = default)
    {
        if (!_canWrite) throw new XfsException(Errno.EBADF, "the view comes from a file that was opened for reading only");
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(length);
        CheckPart(offset, length);
        long start = Offset + offset;
        WriteLease lease = new(_volume, this, start, length);
        _volume.Layouts.LetWaitersPass(Open.Inode.Number);
        using (_volume.Layouts.EnterToWrite(new LayoutRange(Open, start, start + length), _patience, cancellation))
        {
            lock (_volume.Gate)
            {
                CheckPart(offset, length);
                _volume.RequireWritable();
                _dropCapability(Open.Inode);
                _data.MakeOwn(Open, lease.From, lease.End, IomapPurpose.Fault);
                Open.Cow.Cancel(lease.From, lease.End);
                ReserveHost(lease.From, lease.End);
                _volume.Run(tx => _data.Touch(tx, Open.Inode, 0));
                if ((options & LeaseOptions.SyncMetadata) != 0)
                {
                    _volume.RequireNoGroup("nothing can be made durable inside it");
                    _volume.FlushBeforeWrites();
                }
            }
            Interlocked.Increment(ref _uses);
            try
            {
                _volume.Layouts.Add(lease);
            }
            catch
            {
                Interlocked.Decrement(ref _uses);
                throw;
            }
        }
        return lease;
    }

    /// <summary>Makes everything stored so far, and everything done before, durable.</summary>
    /// <exception cref="XfsShutdownException">The device failed, now or earlier.</exception>
    public void Flush()
    {
        ObjectDisposedException.ThrowIf(IsClosed, this);
        _volume.Flush();
    }

    /// <summary>Ends the view; touching spans of it afterwards ends the process. Leases of it stay good until they are disposed.</summary>
    public void Dispose()
    {
        if (Interlocked.Exchange(ref _disposed, 1) == 0) LeaseEnded();
    }

    void IMappingOwner.AddPin() => _window.AddPin();

    void IMappingOwner.RemovePin() => _window.RemovePin();

    /// <summary>The view, or one of its leases, needs the pages no more.</summary>
    internal void LeaseEnded()
    {
        if (Interlocked.Decrement(ref _uses) > 0 || _window.IsClosed) return;
        _volume.Layouts.Remove(this);
        _volume.Release(Open);
    }

    /// <summary>Nobody may look any more. Under the table's lock.</summary>
    internal void Darken()
    {
        if (_window.IsClosed) return;
        _window.Close();
        MapBudget.Add(-Pieces);
        Pieces = 0;
    }

    /// <summary>Bytes at an offset of the file.</summary>
    internal Span<byte> Bytes(long fileOffset, int length) => _window.GetSpan(fileOffset - Bytes(_from), length);

    internal Memory<byte> MemoryOf(IMappingOwner owner, long fileOffset, int length) => _window.GetMemory(owner, fileOffset - Bytes(_from), length);

    /// <summary>A length as a span can have it.</summary>
    internal static int SpanLength(long length) => length <= int.MaxValue ? (int)length
        : throw new InvalidOperationException($"{length} bytes are more than one span can have");

    internal static XfsException TooManyPieces(InodeNumber inode, long pieces) => new(Errno.ENOMEM,
        $"inode {inode}: mapping it takes more than {pieces - 1} pieces of address space, all views together may have {MapBudget.Limit} (a quarter of vm.max_map_count); read it piece by piece with XfsFile.AcquireReadable instead");

    private void ReserveHost(FileBlock from, FileBlock end)
    {
        IomapIterator runs = new(_volume, Open, from, end, IomapPurpose.Read);
        while (runs.MoveNext())
            _file.ReserveHost(_device + _volume.Geometry.ByteOffset(runs.Current.Start), (long)runs.Current.Length << _volume.Geometry.BlockLog);
    }

    private void Count(int pieces)
    {
        MapBudget.Add(pieces - Pieces);
        Pieces = pieces;
    }

    private void CheckPart(long offset, long length)
    {
        ObjectDisposedException.ThrowIf(IsClosed, this);
        if (_failure is XfsException why) throw new XfsException(why.Errno, $"the view shows nothing any more: {why.Message}", why);
        if (offset < 0 || length < 0 || offset > Available - length)
            throw new ArgumentOutOfRangeException(nameof(offset), $"{length} bytes at {offset} are outside the {Available} that the file has in this view");
    }

    private long Bytes(FileBlock block) => (long)(block.Value << _volume.Geometry.BlockLog);
}
