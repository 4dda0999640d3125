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
/// an image on a full host kills the process too. A lock is a promise between programs that ask for one: who truncates
/// the image without asking still takes this process down.</para>
/// <para>Spans end with the device: using one after <see cref="BlockDevice.Dispose()"/> is use after free.</para>
/// </remarks>
public sealed class MappedDevice : BlockDevice
{
    private readonly FileDevice _file;
    private readonly MemoryMappedFile _mapping;
    private readonly MemoryMappedViewAccessor _view;
    private readonly unsafe byte* _start;
    private readonly HostReservation _host;

    private unsafe MappedDevice(FileDevice file)
    {
        _file = file;
        _host = new HostReservation(file.Handle, file.Length);
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

    /// <summary>Opens, locks and maps an image file.</summary>
    /// <inheritdoc cref="FileDevice.Open"/>
    /// <exception cref="XfsUnsupportedException">
    /// The process has 32-bit addresses, the image is empty, larger than the address space, or a block device.
    /// </exception>
    public static MappedDevice Open(string path, DeviceAccess access, bool allowInUse = false)
    {
        if (!Environment.Is64BitProcess)
            throw new XfsUnsupportedException($"{path}: an image is mapped only into 64-bit processes; open it as a file instead");
        FileDevice file = FileDevice.Open(path, access, allowInUse);
        try
        {
            if (file.Length == 0)
                throw new XfsUnsupportedException($"{path}: an empty file cannot be mapped");
            if (RandomAccess.GetLength(file.Handle) != file.Length)
                throw new XfsUnsupportedException($"{path}: only image files are mapped, not block devices; open it as a file instead");
            return new MappedDevice(file);
        }
        catch (Exception e) when (FileDevice.IsHostError(e) || e is OutOfMemoryException or ArgumentException)
        {
            file.Dispose();
            throw new XfsUnsupportedException($"{path}: {file.Length} bytes cannot be mapped here: {e.Message}");
        }
        catch
        {
            file.Dispose();
            throw;
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
        _host.Forget(offset, length);
        _file.Zero(offset, length);
    }

    /// <summary>Makes everything written so far durable, through <see cref="Write"/> or through spans.</summary>
    public override void Flush()
    {
        // Unix writes pages of a shared mapping with the file's; Windows wants to be told.
        if (CanWrite && OperatingSystem.IsWindows())
            FlushView();
        _file.Flush();
    }

    /// <summary>The mapped bytes. They change when the device is written, and are valid until it is disposed.</summary>
    public override unsafe bool TryGetSpan(long offset, int length, out ReadOnlySpan<byte> span)
    {
        CheckRange(offset, length);
        ObjectDisposedException.ThrowIf(_view.SafeMemoryMappedViewHandle.IsClosed, this);
        span = new ReadOnlySpan<byte>(_start + offset, length);
        return true;
    }

    /// <inheritdoc/>
    public override unsafe bool TryGetWritableSpan(long offset, int length, out Span<byte> span)
    {
        CheckRange(offset, length);
        ObjectDisposedException.ThrowIf(_view.SafeMemoryMappedViewHandle.IsClosed, this);
        span = default;
        if (!CanWrite || !CanReserve || length == 0 || _file.HasFailed || _host.Reserve(offset, length) != 0) return false;
        span = new Span<byte>(_start + offset, length);
        return true;
    }

    /// <summary>
    /// The mapped bytes of a range, to be stored into; the host's blocks for them are reserved first. A store is durable after
    /// <see cref="Persist"/> or <see cref="Flush"/>, and may become so at any moment before, so only data that nobody reaches
    /// yet, or that one file owns alone, may be written this way, and metadata never.
    /// </summary>
    /// <exception cref="XfsException">EROFS; ENOSPC or EOPNOTSUPP if the host cannot reserve the blocks.</exception>
    public unsafe Span<byte> GetWritableSpan(long offset, int length)
    {
        CheckRange(offset, length);
        ObjectDisposedException.ThrowIf(_view.SafeMemoryMappedViewHandle.IsClosed, this);
        if (!CanWrite)
            throw new XfsException(Errno.EROFS, $"{Path}: opened for reading only");
        if (length == 0)
            return [];
        if (!CanReserve)
            throw new XfsUnsupportedException($"{Path}: space for a writable mapping can be reserved on Linux and Windows only");
        int errno = _host.Reserve(offset, length);
        if (errno != 0)
            throw new XfsException(errno, $"{Path}: the host cannot reserve {length} bytes at offset {offset}: {Marshal.GetPInvokeErrorMessage(errno)}");
        return new Span<byte>(_start + offset, length);
    }

    // Elsewhere nobody could make the promise.
    private static bool CanReserve => OperatingSystem.IsLinux() || OperatingSystem.IsWindows();

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
    protected override void Dispose(bool disposing)
    {
        if (!disposing || _view.SafeMemoryMappedViewHandle.IsClosed)
            return;
        _view.SafeMemoryMappedViewHandle.ReleasePointer();
        // Disposing the accessor would flush it, which is not what closing a device means; its handle only unmaps.
        _view.SafeMemoryMappedViewHandle.Dispose();
        _mapping.Dispose();
        _file.Dispose();
    }

    private void FlushView() => _file.FinalIfItFails(_view.Flush);
}
