using System.Diagnostics.CodeAnalysis;
using System.IO.MemoryMappedFiles;
using System.Runtime.InteropServices;
using ImageFs.Format;
using Microsoft.Win32.SafeHandles;

namespace ImageFs.Devices;

/// <summary>
/// An image file mapped into memory as a whole: <see cref="TryGetSpan"/> gives the bytes themselves. Locks and refusals are those of
/// <see cref="FileDevice"/>, which does the copying reads and writes.
/// </summary>
/// <remarks>
/// <para><see cref="Read"/> and <see cref="Write"/> go through pread and pwrite although the mapping is there. The page cache
/// keeps both views of a file coherent; a system call reports a bad sector or a full host as an error where a touched
/// mapping would kill the process; and it does not hold up a garbage collection while the disk answers.</para>
/// <para>A file system opened on a mapped device moves the bytes of files through the mapping, both ways, and metadata
/// through the system calls: a copy from memory to memory is several times as fast as a call for small pieces. Who would
/// rather have errors than speed opens a <see cref="FileDevice"/>.</para>
/// <para>The gate before bytes are reached through the mapping: the lock is held, the length was taken after locking, and
/// before bytes may be stored the host has blocks for them (<see cref="GetWritableSpan"/>), because a store into a hole of
/// an image on a full host kills the process too. On Linux no page can be stored into before that. A lock is a promise between
/// programs that ask for one: who truncates the image without asking still takes this process down.</para>
/// <para>Spans end with the device. On Linux touching one after <see cref="BlockDevice.Dispose()"/> is a fault, never somebody else's
/// memory.</para>
/// </remarks>
public sealed class MappedDevice : BlockDevice
{
    // The unit in which the host is asked for blocks and pages become writable.
    private const int ReserveLog = 16;
    private readonly FileDevice _file;
    private readonly AddressWindow? _window;
    private readonly MemoryMappedFile? _mapping;
    private readonly MemoryMappedViewAccessor? _view;
    private readonly unsafe byte* _start;
    private readonly Lock _reserving = new();
    private readonly ulong[] _writable;
    private int _pieces, _punches;
    private bool _disposed;

    private unsafe MappedDevice(FileDevice file)
    {
        _file = file;
        _writable = file.CanWrite ? new ulong[((file.Length >> ReserveLog) >> 6) + 1] : [];
        if (OperatingSystem.IsLinux())
        {
            _window = AddressWindow.Reserve(file.Length);
            _window.MapFile(0, _window.Length, file, 0, writable: false);
            _start = (byte*)_window.Address;
            return;
        }
        MemoryMappedFileAccess access = file.CanWrite ? MemoryMappedFileAccess.ReadWrite : MemoryMappedFileAccess.Read;
        _mapping = MemoryMappedFile.CreateFromFile(file.Handle, null, file.Length, access, HandleInheritability.None, leaveOpen: true);
        try
        {
            _view = _mapping.CreateViewAccessor(0, file.Length, access);
            byte* start = null;
            _view.SafeMemoryMappedViewHandle.AcquirePointer(ref start);
            _start = start + _view.PointerOffset;
        }
        catch
        {
            _view?.Dispose();
            _mapping.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public override long Length => _file.Length;

    /// <inheritdoc/>
    public override bool CanWrite => _file.CanWrite;

    /// <summary>The name it was opened by.</summary>
    public string Path => _file.Path;

    /// <summary>The same image without the mapping.</summary>
    internal FileDevice File => _file;

    /// <summary>Opens, locks and maps an image file.</summary>
    /// <inheritdoc cref="FileDevice.Open"/>
    /// <exception cref="XfsUnsupportedException">
    /// The process has 32-bit addresses, the image is empty, larger than the address space, or a block device.
    /// </exception>
    public static MappedDevice Open(string path, DeviceAccess access, bool allowInUse = false)
    {
        FileDevice file = FileDevice.Open(path, access, allowInUse);
        try
        {
            return Map(file);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>Maps an open image file, which then belongs to this device.</summary>
    /// <exception cref="XfsUnsupportedException">It cannot be mapped; the file stays open.</exception>
    internal static MappedDevice Map(FileDevice file)
    {
        if (!Environment.Is64BitProcess)
            throw new XfsUnsupportedException($"{file.Path}: an image is mapped only into 64-bit processes; open it as a file instead");
        if (file.Length == 0)
            throw new XfsUnsupportedException($"{file.Path}: an empty file cannot be mapped");
        try
        {
            if (RandomAccess.GetLength(file.Handle) != file.Length)
                throw new XfsUnsupportedException($"{file.Path}: only image files are mapped, not block devices; open it as a file instead");
            return new MappedDevice(file);
        }
        catch (Exception e) when (e is not XfsUnsupportedException && (FileDevice.IsHostError(e) || e is XfsException or OutOfMemoryException or ArgumentException))
        {
            throw new XfsUnsupportedException($"{file.Path}: {file.Length} bytes cannot be mapped here: {e.Message}");
        }
    }

    /// <inheritdoc/>
    public override void Read(long offset, Span<byte> destination) => _file.Read(offset, destination);

    /// <inheritdoc/>
    public override void Write(long offset, ReadOnlySpan<byte> source) => _file.Write(offset, source);

    /// <inheritdoc/>
    public override void Zero(long offset, long length)
    {
        CheckRange(offset, length);
        lock (_reserving)
        {
            // Punching takes blocks away that were promised to whoever stores.
            if (AnyWritable(offset, length))
            {
                base.Zero(offset, length);
                return;
            }
            _punches++;
            _file.Zero(offset, length);
        }
    }

    /// <summary>Makes everything written so far durable, through <see cref="Write"/> or through spans.</summary>
    public override void Flush()
    {
        // Unix writes pages of a shared mapping with the file's; Windows wants to be told.
        if (CanWrite && OperatingSystem.IsWindows())
            _file.FinalIfItFails(_view!.Flush);
        _file.Flush();
    }

    /// <summary>The mapped bytes. They change when the device is written, and are valid until it is disposed.</summary>
    public override unsafe bool TryGetSpan(long offset, int length, out ReadOnlySpan<byte> span)
    {
        CheckRange(offset, length);
        ObjectDisposedException.ThrowIf(_disposed, this);
        span = new ReadOnlySpan<byte>(_start + offset, length);
        return true;
    }

    /// <inheritdoc/>
    public override unsafe bool TryGetWritableSpan(long offset, int length, out Span<byte> span)
    {
        CheckRange(offset, length);
        ObjectDisposedException.ThrowIf(_disposed, this);
        span = default;
        if (!CanWrite || !CanReserve || length == 0 || _file.HasFailed) return false;
        try
        {
            MakeWritable(offset, length);
        }
        catch (XfsException why) when (why is not XfsShutdownException)
        {
            // What cannot be promised here can be tried by a system call, which says what is wrong.
            return false;
        }
        span = new Span<byte>(_start + offset, length);
        return true;
    }

    /// <summary>As <see cref="TryGetSpan"/>, for as long as an owner allows.</summary>
    internal unsafe ReadOnlyMemory<byte> GetMemory(IMappingOwner owner, long offset, int length)
    {
        CheckRange(offset, length);
        ObjectDisposedException.ThrowIf(_disposed, this);
        return new MappedMemory(owner, _start + offset, length).Memory;
    }

    /// <summary>
    /// The mapped bytes of a range, to be stored into; the host's blocks for them are reserved first. A store is durable after
    /// <see cref="Persist"/> or <see cref="Flush"/>, and may become so at any moment before, so only data that nobody reaches
    /// yet, or that one file owns alone, may be written this way, and metadata never.
    /// </summary>
    /// <exception cref="XfsException">EROFS; EOPNOTSUPP if the host cannot reserve blocks; ENOMEM if too many places are writable.</exception>
    /// <exception cref="XfsNoSpaceException">The host is full.</exception>
    public unsafe Span<byte> GetWritableSpan(long offset, int length)
    {
        CheckRange(offset, length);
        ObjectDisposedException.ThrowIf(_disposed, this);
        if (!CanWrite)
            throw new XfsException(Errno.EROFS, $"{Path}: opened for reading only");
        if (length == 0)
            return [];
        if (!CanReserve)
            throw new XfsUnsupportedException($"{Path}: space for a writable mapping can be reserved on Linux and Windows only");
        MakeWritable(offset, length);
        return new Span<byte>(_start + offset, length);
    }

    // Elsewhere nobody could make the promise.
    private static bool CanReserve => OperatingSystem.IsLinux() || OperatingSystem.IsWindows();

    private void MakeWritable(long offset, int length)
    {
        long end = ((offset + length - 1) >> ReserveLog) + 1;
        for (long from = offset >> ReserveLog; TryFindUnwritable(ref from, end, out long behind); from = behind)
        {
            // The host may take its time, so threads reserve side by side. What was punched meanwhile is reserved once more.
            int punches = Volatile.Read(ref _punches);
            ReserveChunks(from, behind);
            lock (_reserving)
            {
                if (punches != _punches) ReserveChunks(from, behind);
                for (long first = from; TryFindUnwritable(ref first, behind, out long last); first = last) Open(first, last);
            }
        }
    }

    private void ReserveChunks(long from, long end) => _file.ReserveHost(from << ReserveLog, Math.Min(Length, end << ReserveLog) - (from << ReserveLog));

    /// <summary>The next run of chunks that may not be stored into yet.</summary>
    private bool TryFindUnwritable(ref long from, long end, out long behind)
    {
        while (from < end && IsWritable(from)) from++;
        for (behind = from; behind < end && !IsWritable(behind);) behind++;
        return from < end;
    }

    private void Open(long from, long end)
    {
        if (_window is not null)
        {
            // A new island of writable pages has two shores.
            int pieces = 2 - (from > 0 && IsWritable(from - 1) ? 2 : 0) - (IsWritable(end) ? 2 : 0);
            if (!MapBudget.HasRoomFor(pieces)) throw new XfsException(Errno.ENOMEM, $"{Path}: too many places of the mapping are writable");
            long start = from << ReserveLog;
            _window.Protect(start, AddressWindow.PageUp(Math.Min(Length, end << ReserveLog) - start), writable: true);
            MapBudget.Add(pieces);
            _pieces += pieces;
        }
        for (long chunk = from; chunk < end; chunk++)
            Volatile.Write(ref _writable[chunk >> 6], _writable[chunk >> 6] | 1UL << (int)(chunk & 63));
    }

    private bool IsWritable(long chunk) => chunk >> 6 < _writable.Length && (Volatile.Read(ref _writable[chunk >> 6]) >> (int)(chunk & 63) & 1) != 0;

    private bool AnyWritable(long offset, long length)
    {
        for (long chunk = offset >> ReserveLog; chunk <= (offset + length - 1) >> ReserveLog; chunk++)
            if (IsWritable(chunk)) return true;
        return false;
    }

    /// <summary>Makes what was stored into a range durable, wherever it was stored from.</summary>
    /// <exception cref="XfsShutdownException">It failed; the device takes no more writes.</exception>
    public unsafe void Persist(long offset, long length)
    {
        CheckRange(offset, length);
        if (!CanWrite || length == 0)
            return;
        if (OperatingSystem.IsWindows())
        {
            Flush();
            return;
        }
        long page = Environment.SystemPageSize, start = offset & -page;
        int flag = OperatingSystem.IsLinux() ? LinuxCalls.SyncNow : LinuxCalls.SyncNowOnMac;
        _file.FinalIfItFails(() =>
        {
            if (LinuxCalls.msync((nint)(_start + start), (nuint)(offset + length - start), flag) != 0)
            {
                int errno = Marshal.GetLastPInvokeError();
                throw new XfsException(errno, $"{Path}: cannot persist {length} bytes at offset {offset}: {Marshal.GetPInvokeErrorMessage(errno)}");
            }
        });
    }

    /// <inheritdoc/>
    internal override bool TryGetFile([NotNullWhen(true)] out FileDevice? file, out long offset)
    {
        (file, offset) = (_file, 0);
        return true;
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (!disposing || _disposed)
            return;
        _disposed = true;
        MapBudget.Add(-_pieces);
        _window?.Close();
        if (_view is not null)
        {
            _view.SafeMemoryMappedViewHandle.ReleasePointer();
            // Disposing the accessor would flush it, which is not what closing a device means; its handle only unmaps.
            _view.SafeMemoryMappedViewHandle.Dispose();
            _mapping!.Dispose();
        }
        _file.Dispose();
    }
}
