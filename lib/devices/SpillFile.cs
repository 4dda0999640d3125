using Microsoft.Win32.SafeHandles;

namespace ImageFs.Devices;

/// <summary>A temporary file, in TMPDIR, for what does not fit a memory budget. It is made when it is first needed and gone with the process.</summary>
internal sealed class SpillFile : IDisposable
{
    private SafeFileHandle? _file;

    /// <summary>Bytes in the file.</summary>
    public long Length { get; private set; }

    /// <summary>Appends bytes.</summary>
    /// <returns>Where they begin.</returns>
    public long Append(ReadOnlySpan<byte> bytes)
    {
        long at = Length;
        RandomAccess.Write(_file ??= Create(), bytes, at);
        Length += bytes.Length;
        return at;
    }

    /// <summary>Overwrites bytes that were appended before.</summary>
    public void Write(long at, ReadOnlySpan<byte> bytes) => RandomAccess.Write(_file!, bytes, at);

    /// <summary>Reads bytes that were appended before.</summary>
    public void Read(long at, Span<byte> into)
    {
        while (!into.IsEmpty)
        {
            int read = RandomAccess.Read(_file!, into, at);
            if (read == 0) throw new XfsException(Errno.EIO, "a temporary file has become shorter");
            into = into[read..];
            at += read;
        }
    }

    private static SafeFileHandle Create()
    {
        string path = Path.Combine(Path.GetTempPath(), $"imagefs-{Guid.NewGuid():N}.tmp");
        SafeFileHandle file = File.OpenHandle(path, FileMode.CreateNew, FileAccess.ReadWrite, FileShare.None, FileOptions.DeleteOnClose);
        // Where a file lives on without its name, nothing is left behind even if the process is killed.
        if (!OperatingSystem.IsWindows()) File.Delete(path);
        return file;
    }

    public void Dispose() => _file?.Dispose();
}
