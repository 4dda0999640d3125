using System.Diagnostics.CodeAnalysis;
using System.Runtime.InteropServices;
using ImageFs.Format;
using Microsoft.Win32.SafeHandles;

namespace ImageFs.Devices;

/// <summary>What an image is opened for.</summary>
public enum DeviceAccess
{
    /// <summary>Others may read it at the same time.</summary>
    Read,
    /// <summary>Nobody else may have it open through this library.</summary>
    Write,
}

/// <summary>An image file, or on Linux a block device, read and written at positions.</summary>
/// <remarks>
/// <para>Always true: while the device is open it holds a lock on the file, shared for reading and exclusive for writing
/// (flock on Unix, sharing modes on Windows), so that a writer excludes everybody, in this process and in others.</para>
/// <para>A failed flush is final. The host may have dropped what it could not write and would call the next flush a
/// success, so nothing written since the last good flush can be trusted: every later write and flush throws
/// <see cref="XfsShutdownException"/>, and what the image is worth is for log recovery to say.</para>
/// </remarks>
public sealed class FileDevice : BlockDevice
{
    // Punching is a transaction of the host's file system; below this, writing zeros is cheaper.
    private const long WorthPunching = 16 << 10;
    private const int Interrupted = 4;
    private readonly SafeFileHandle _handle;
    private volatile XfsException? _failedFlush;
    private volatile bool _cannotPunch;
    private long _length;

    private FileDevice(string path, SafeFileHandle handle, DeviceAccess access)
    {
        Path = path;
        _handle = handle;
        CanWrite = access == DeviceAccess.Write;
        // Only now, with the lock held, does the length mean anything.
        _length = MeasureLength();
    }

    /// <summary>The name it was opened by.</summary>
    public string Path { get; }

    /// <inheritdoc/>
    public override long Length => _length;

    /// <inheritdoc/>
    public override bool CanWrite { get; }

    internal SafeFileHandle Handle => _handle;

    /// <summary>True after a flush failed: nothing may be written any more.</summary>
    internal bool HasFailed => _failedFlush is not null;

    /// <summary>Opens and locks an image.</summary>
    /// <param name="path">A regular file; on Linux also a block device.</param>
    /// <param name="access">For reading it is shared with other readers, for writing with nobody.</param>
    /// <param name="allowInUse">
    /// Read even what the kernel has attached to a loop device or mounted. What is read then may change at any moment
    /// and need not fit together. Never applies to writing.
    /// </param>
    /// <exception cref="XfsBusyException">Another opener holds the lock, or the kernel has the image attached or mounted.</exception>
    /// <exception cref="XfsException">ENOENT, EACCES, EISDIR, EROFS, or what else the host says.</exception>
    public static FileDevice Open(string path, DeviceAccess access, bool allowInUse = false)
    {
        ArgumentNullException.ThrowIfNull(path);
        if (path.Length == 0) throw new XfsException(Errno.ENOENT, "the image has an empty name");
        if (Directory.Exists(path))
            throw new XfsException(Errno.EISDIR, $"{path}: is a directory, not an image");
        SafeFileHandle handle = OpenLocked(path, access);
        try
        {
            bool mayBeInUse = allowInUse && access == DeviceAccess.Read;
            if (!mayBeInUse && ImageInUse.ByKernel(path) is string use)
                throw new XfsBusyException($"{path}: the image {use}; opening it here as well could destroy it");
            return new FileDevice(path, handle, access);
        }
        catch
        {
            handle.Dispose();
            throw;
        }
    }

    /// <summary>The same open and locked file with another length; this device must not be used any more.</summary>
    /// <param name="length">Bytes.</param>
    /// <param name="keepContents">False to let the file read as zeros throughout and take no space.</param>
    internal FileDevice Resized(long length, bool keepContents)
    {
        CheckWritable();
        try
        {
            if (!keepContents) RandomAccess.SetLength(_handle, 0);
            RandomAccess.SetLength(_handle, length);
        }
        catch (Exception e) when (IsHostError(e))
        {
            throw Translate(e, $"cannot be made {length} bytes long");
        }
        return new FileDevice(Path, _handle, DeviceAccess.Write);
    }

    /// <inheritdoc/>
    public override void Read(long offset, Span<byte> destination)
    {
        CheckRange(offset, destination.Length);
        try
        {
            while (!destination.IsEmpty)
            {
                int read = RandomAccess.Read(_handle, destination, offset);
                if (read == 0)
                    throw new XfsException(Errno.EIO, $"{Path}: ends at byte {offset}; it had {Length} bytes when it was opened");
                destination = destination[read..];
                offset += read;
            }
        }
        catch (Exception e) when (IsHostError(e))
        {
            throw Translate(e, $"cannot read {destination.Length} bytes at offset {offset}");
        }
    }

    /// <inheritdoc/>
    public override void Write(long offset, ReadOnlySpan<byte> source)
    {
        CheckRange(offset, source.Length);
        CheckWritable();
        try
        {
            RandomAccess.Write(_handle, source, offset);
        }
        catch (Exception e) when (IsHostError(e))
        {
            throw Translate(e, $"cannot write {source.Length} bytes at offset {offset}");
        }
    }

    /// <inheritdoc/>
    /// <exception cref="XfsShutdownException">This flush or one before it failed.</exception>
    public override void Flush()
    {
        if (CanWrite)
            FinalIfItFails(FlushNow);
    }

    private void FlushNow()
    {
        if (!OperatingSystem.IsLinux())
        {
            RandomAccess.FlushToDisk(_handle);
            return;
        }
        // A new length is made durable by this as well: times are all that fsync would write in addition.
        while (LinuxCalls.fdatasync(_handle) != 0)
        {
            int errno = Marshal.GetLastPInvokeError();
            if (errno != Interrupted)
                throw new XfsException(errno, $"{Path}: flush failed: {Marshal.GetPInvokeErrorMessage(errno)}");
        }
    }

    /// <summary>Runs something that makes bytes durable; if it throws, this device takes no more writes.</summary>
    internal void FinalIfItFails(Action flush)
    {
        CheckWritable();
        try
        {
            flush();
        }
        catch (Exception e) when (e is XfsException || IsHostError(e))
        {
            XfsException failure = e as XfsException ?? Translate(e, "flush failed");
            _failedFlush = failure;
            throw new XfsShutdownException($"{failure.Message}; what was written since the last flush may be lost", failure);
        }
    }

    /// <inheritdoc/>
    public override void Zero(long offset, long length)
    {
        CheckRange(offset, length);
        CheckWritable();
        if (OperatingSystem.IsLinux() && !_cannotPunch && length >= WorthPunching)
        {
            if (LinuxCalls.fallocate(_handle, LinuxCalls.PunchHole | LinuxCalls.KeepSize, offset, length) == 0)
                return;
            // Not every host can (EOPNOTSUPP), and block devices want whole sectors (EINVAL): zeros always work.
            _cannotPunch = Marshal.GetLastPInvokeError() == Errno.EOPNOTSUPP;
        }
        base.Zero(offset, length);
    }

    /// <inheritdoc/>
    public override void SetLength(long length)
    {
        CheckWritable();
        try
        {
            RandomAccess.SetLength(_handle, length);
        }
        catch (Exception e) when (IsHostError(e) || e is ArgumentException)
        {
            throw Translate(e, $"cannot be made {length} bytes long");
        }
        _length = MeasureLength();
        // A block device takes no other length and may not even say so.
        if (_length != length) throw new XfsException(Errno.EOPNOTSUPP, $"{Path}: its {_length} bytes cannot become {length}");
    }

    /// <summary>
    /// Lets the host reserve blocks for a range, so that a store into a mapping of it cannot fail: on a full host it would kill
    /// the process. What the range holds does not change.
    /// </summary>
    /// <exception cref="XfsException">EROFS; EOPNOTSUPP where the host cannot reserve.</exception>
    /// <exception cref="XfsNoSpaceException">The host is full.</exception>
    internal void ReserveHost(long offset, long length)
    {
        CheckRange(offset, length);
        CheckWritable();
        // NTFS files are not sparse unless someone made them so; elsewhere nobody could make the promise.
        if (length == 0 || OperatingSystem.IsWindows()) return;
        if (!OperatingSystem.IsLinux())
            throw new XfsUnsupportedException($"{Path}: space for a writable mapping can be reserved on Linux and Windows only");
        while (LinuxCalls.fallocate(_handle, LinuxCalls.KeepSize, offset, length) != 0)
        {
            int errno = Marshal.GetLastPInvokeError();
            if (errno == Interrupted) continue;
            string what = $"{Path}: the host cannot reserve {length} bytes at offset {offset}: {Marshal.GetPInvokeErrorMessage(errno)}";
            throw errno == Errno.ENOSPC ? new XfsNoSpaceException(what) : new XfsException(errno, what);
        }
    }

    /// <inheritdoc/>
    internal override bool TryGetFile([NotNullWhen(true)] out FileDevice? file, out long offset)
    {
        (file, offset) = (this, 0);
        return true;
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing)
            _handle.Dispose();
    }

    /// <summary>What an operating-system error on this file becomes.</summary>
    internal XfsException Translate(Exception e, string what) => Translate(Path, e, what);

    internal static bool IsHostError(Exception e) => e is (IOException or UnauthorizedAccessException or NotSupportedException) and not XfsException;

    private static XfsException Translate(string path, Exception e, string what) =>
        new(NumberOf(e), $"{path}: {what}: {e.Message}", e);

    private static int NumberOf(Exception e)
    {
        const int diskFull = 0x70, handleDiskFull = 0x27, writeProtected = 0x13;
        switch (e)
        {
            case FileNotFoundException or DirectoryNotFoundException:
                return Errno.ENOENT;
            case PathTooLongException:
                return Errno.ENAMETOOLONG;
            case UnauthorizedAccessException:
                // The runtime gives this for EACCES, EPERM and EROFS alike and keeps the number inside.
                return e.InnerException is IOException { HResult: Errno.EROFS or Errno.EPERM } inner ? inner.HResult : Errno.EACCES;
            case NotSupportedException:
                return Errno.EOPNOTSUPP;
        }
        if (!OperatingSystem.IsWindows())
            return e.HResult is > 0 and < 4096 ? e.HResult : Errno.EIO;
        return (e.HResult & 0xFFFF) switch
        {
            diskFull or handleDiskFull => Errno.ENOSPC,
            writeProtected => Errno.EROFS,
            _ => Errno.EIO,
        };
    }

    private static SafeFileHandle OpenLocked(string path, DeviceAccess access)
    {
        const int sharingViolation = unchecked((int)0x80070020);
        bool write = access == DeviceAccess.Write;
        if (OperatingSystem.IsLinux() && LinuxCalls.Identify(path) is LinuxCalls.Identity file)
        {
            // Opening a pipe would wait for its other end.
            if (!file.IsRegular && !file.IsBlockDevice)
                throw new XfsException(Errno.EINVAL, $"{path}: is neither a file nor a block device");
            if (write && file.IsBlockDevice)
                return OpenBlockDevice(path);
        }
        SafeFileHandle handle;
        try
        {
            handle = File.OpenHandle(path, FileMode.Open, write ? FileAccess.ReadWrite : FileAccess.Read,
                write ? FileShare.None : FileShare.Read, FileOptions.RandomAccess);
        }
        catch (Exception e) when (IsHostError(e))
        {
            // On Unix the runtime takes the same flock we are about to take.
            if (e is IOException && (OperatingSystem.IsWindows() ? e.HResult == sharingViolation : e.HResult == WouldBlock))
                throw Busy(path, access);
            throw Translate(path, e, "cannot be opened");
        }
        if (!OperatingSystem.IsWindows())
            Lock(path, handle, access);
        return handle;
    }

    private static int WouldBlock => OperatingSystem.IsLinux() ? Errno.EAGAIN : 35;

    // Exclusive use of a block device is something the kernel knows: it refuses if the device, a partition of it or the disk
    // it is a partition of is mounted or belongs to a volume manager, and refuses to mount it while we have it.
    private static SafeFileHandle OpenBlockDevice(string path)
    {
        int descriptor = LinuxCalls.open(path, LinuxCalls.OpenReadWrite | LinuxCalls.OpenExclusive | LinuxCalls.OpenCloseOnExec, 0);
        if (descriptor < 0)
        {
            int errno = Marshal.GetLastPInvokeError();
            if (errno == Errno.EBUSY)
                throw new XfsBusyException($"{path}: the device {ImageInUse.ByKernel(path) ?? "is in use by the kernel"}; opening it here as well could destroy it");
            throw new XfsException(errno, $"{path}: cannot be opened: {Marshal.GetPInvokeErrorMessage(errno)}");
        }
        SafeFileHandle handle = new(descriptor, ownsHandle: true);
        Lock(path, handle, DeviceAccess.Write);
        return handle;
    }

    // The runtime's lock can be switched off by an environment variable and is silently left out where the host
    // cannot lock; taking it again is free and tells.
    private static void Lock(string path, SafeFileHandle handle, DeviceAccess access)
    {
        int kind = access == DeviceAccess.Write ? LinuxCalls.LockExclusive : LinuxCalls.LockShared;
        if (LinuxCalls.flock(handle, kind | LinuxCalls.LockNonBlocking) == 0)
            return;
        int errno = Marshal.GetLastPInvokeError();
        handle.Dispose();
        if (errno == WouldBlock)
            throw Busy(path, access);
        throw new XfsException(errno, $"{path}: cannot be locked: {Marshal.GetPInvokeErrorMessage(errno)}");
    }

    private static XfsBusyException Busy(string path, DeviceAccess access) => new(
        $"{path}: {ImageInUse.LockHolder(path)} has the image open" + (access == DeviceAccess.Read ? " for writing" : ""));

    private long MeasureLength()
    {
        try
        {
            // A block device has no length but an end.
            if (!OperatingSystem.IsLinux())
                return RandomAccess.GetLength(_handle);
            long end = LinuxCalls.lseek(_handle, 0, LinuxCalls.SeekEnd);
            return end >= 0 ? end : throw new XfsException(Marshal.GetLastPInvokeError(), $"{Path}: has no end that could be sought");
        }
        catch (Exception e) when (IsHostError(e))
        {
            throw Translate(e, "has no length");
        }
    }

    internal void CheckWritable()
    {
        if (!CanWrite)
            throw new XfsException(Errno.EROFS, $"{Path}: opened for reading only");
        if (_failedFlush is XfsException failure)
            throw new XfsShutdownException($"{Path}: shut down because an earlier flush failed ({failure.Message})", failure);
    }
}
