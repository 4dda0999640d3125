using System.Diagnostics.CodeAnalysis;
using ImageFs.Format;

namespace ImageFs.Devices;

/// <summary>
/// What a file system lives on: bytes at offsets. After <see cref="Flush"/> returns, everything written before it survives
/// a power cut; until then any part of it may or may not. No write changes bytes outside its range.
/// </summary>
public abstract class BlockDevice : IDisposable
{
    /// <summary>Bytes that can be read; fixed while the device is open, but for <see cref="SetLength"/>.</summary>
    public abstract long Length { get; }

    /// <summary>False when <see cref="Write"/> would throw.</summary>
    public abstract bool CanWrite { get; }

    /// <summary>Fills <paramref name="destination"/> completely.</summary>
    /// <exception cref="XfsException">EIO: the range is outside the device or could not be read.</exception>
    public abstract void Read(long offset, Span<byte> destination);

    /// <summary>Writes all of <paramref name="source"/>.</summary>
    /// <exception cref="XfsException">EIO, ENOSPC or EROFS.</exception>
    public abstract void Write(long offset, ReadOnlySpan<byte> source);

    /// <summary>Makes everything written so far durable.</summary>
    /// <exception cref="XfsException">EIO: what was written since the last flush may be lost.</exception>
    public abstract void Flush();

    /// <summary>Makes a range read as zeros, giving its space back where the device can.</summary>
    public virtual void Zero(long offset, long length)
    {
        CheckRange(offset, length);
        byte[] zeros = new byte[(int)Math.Min(length, 1 << 20)];
        for (long done = 0; done < length;)
        {
            int piece = (int)Math.Min(zeros.Length, length - done);
            Write(offset + done, zeros.AsSpan(0, piece));
            done += piece;
        }
    }

    /// <summary>Cuts the device off, or makes it longer; what is new reads as zeros. For whoever has the device to himself.</summary>
    /// <exception cref="XfsException">EOPNOTSUPP: it has the length it has; or what the host says.</exception>
    public virtual void SetLength(long length) => throw new XfsException(Errno.EOPNOTSUPP, $"device: its {Length} bytes cannot become {length}");

    /// <summary>The bytes of a range without copying, where the device lies in memory; false where it does not.</summary>
    public virtual bool TryGetSpan(long offset, int length, out ReadOnlySpan<byte> span)
    {
        span = default;
        return false;
    }

    /// <summary>
    /// The bytes of a range, to be stored into, where the device lies in memory and can promise that a store works; false
    /// otherwise. For file data only: what is stored may become durable at any moment, and surely is after <see cref="Flush"/>.
    /// </summary>
    public virtual bool TryGetWritableSpan(long offset, int length, out Span<byte> span)
    {
        span = default;
        return false;
    }

    /// <summary>
    /// The image file these bytes are the bytes of, for whoever wants to map them; false where there is none, or where what is
    /// read here is not what lies there.
    /// </summary>
    /// <param name="offset">Byte of the file at which the device begins.</param>
    internal virtual bool TryGetFile([NotNullWhen(true)] out FileDevice? file, out long offset)
    {
        (file, offset) = (null, 0);
        return false;
    }

    /// <summary>Closes the device without flushing it.</summary>
    public void Dispose()
    {
        Dispose(true);
        GC.SuppressFinalize(this);
    }

    /// <inheritdoc cref="Dispose()"/>
    protected virtual void Dispose(bool disposing) { }

    /// <summary>Throws unless the range lies inside the device.</summary>
    protected void CheckRange(long offset, long length)
    {
        if (offset < 0 || length < 0 || offset > Length - length)
            throw new XfsException(Errno.EIO, $"device: {length} bytes at offset {offset} are outside its {Length} bytes");
    }
}
