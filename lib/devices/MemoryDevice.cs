using ImageFs.Format;

namespace ImageFs.Devices;

/// <summary>A device in memory; sparse, so that large images cost only what was written.</summary>
public sealed class MemoryDevice : BlockDevice
{
    private const int PieceLog = 16, PieceSize = 1 << PieceLog;
    private readonly Dictionary<long, byte[]> _pieces = [];
    private readonly Lock _lock = new();
    private long _length;

    /// <summary>A device of zeros.</summary>
    /// <param name="length">Bytes.</param>
    /// <param name="canWrite">False for a device that refuses writes.</param>
    public MemoryDevice(long length, bool canWrite = true)
    {
        _length = length;
        CanWrite = canWrite;
    }

    /// <inheritdoc/>
    public override long Length => _length;

    /// <inheritdoc/>
    public override bool CanWrite { get; }

    /// <inheritdoc/>
    public override void Read(long offset, Span<byte> destination)
    {
        CheckRange(offset, destination.Length);
        lock (_lock)
            while (!destination.IsEmpty)
            {
                int inside = (int)(offset & (PieceSize - 1)), piece = Math.Min(destination.Length, PieceSize - inside);
                if (_pieces.TryGetValue(offset >> PieceLog, out byte[]? bytes)) bytes.AsSpan(inside, piece).CopyTo(destination);
                else destination[..piece].Clear();
                destination = destination[piece..];
                offset += piece;
            }
    }

    /// <inheritdoc/>
    public override void Write(long offset, ReadOnlySpan<byte> source)
    {
        CheckRange(offset, source.Length);
        if (!CanWrite) throw new XfsException(Errno.EROFS, "device: opened for reading only");
        lock (_lock)
            while (!source.IsEmpty)
            {
                int inside = (int)(offset & (PieceSize - 1)), piece = Math.Min(source.Length, PieceSize - inside);
                if (!_pieces.TryGetValue(offset >> PieceLog, out byte[]? bytes))
                    _pieces[offset >> PieceLog] = bytes = new byte[PieceSize];
                source[..piece].CopyTo(bytes.AsSpan(inside));
                source = source[piece..];
                offset += piece;
            }
    }

    /// <inheritdoc/>
    public override void Flush() { }

    /// <inheritdoc/>
    public override void Zero(long offset, long length)
    {
        CheckRange(offset, length);
        if (!CanWrite) throw new XfsException(Errno.EROFS, "device: opened for reading only");
        lock (_lock)
        {
            foreach (long index in _pieces.Keys.Where(i => i >= offset >> PieceLog && i << PieceLog < offset + length).ToArray())
            {
                long start = Math.Max(offset, index << PieceLog), end = Math.Min(offset + length, (index + 1) << PieceLog);
                if (end - start == PieceSize) _pieces.Remove(index);
                else _pieces[index].AsSpan((int)(start - (index << PieceLog)), (int)(end - start)).Clear();
            }
        }
    }

    /// <inheritdoc/>
    public override void SetLength(long length)
    {
        // What is beyond the end must not come back when the end moves away again.
        if (length < Length) Zero(length, Length - length);
        _length = length;
    }

    /// <summary>A copy with the same contents.</summary>
    public MemoryDevice Clone()
    {
        MemoryDevice copy = new(Length);
        lock (_lock)
            foreach ((long index, byte[] bytes) in _pieces) copy._pieces[index] = (byte[])bytes.Clone();
        return copy;
    }

    /// <summary>A device with the contents of a file; holes stay holes where the file is zero.</summary>
    public static MemoryDevice Load(string path)
    {
        using FileStream file = File.OpenRead(path);
        MemoryDevice device = new(file.Length);
        byte[] buffer = new byte[PieceSize];
        for (long at = 0; at < file.Length; at += PieceSize)
        {
            int read = file.ReadAtLeast(buffer, buffer.Length, throwOnEndOfStream: false);
            if (buffer.AsSpan(0, read).ContainsAnyExcept((byte)0)) device.Write(at, buffer.AsSpan(0, read));
        }
        return device;
    }

    /// <summary>Writes the contents to a new sparse file.</summary>
    public void Save(string path)
    {
        using FileStream file = new(path, FileMode.Create, FileAccess.Write);
        file.SetLength(Length);
        lock (_lock)
            foreach ((long index, byte[] bytes) in _pieces.OrderBy(p => p.Key))
            {
                file.Position = index << PieceLog;
                file.Write(bytes, 0, (int)Math.Min(PieceSize, Length - (index << PieceLog)));
            }
    }
}
