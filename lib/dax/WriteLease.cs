using ImageFs.Devices;
using ImageFs.Inodes;

namespace ImageFs.Dax;

/// <summary>What a write lease promises beyond letting bytes be stored.</summary>
[Flags]
public enum LeaseOptions
{
    /// <summary>Nothing: what the lease changed in the layout becomes durable with the next flush.</summary>
    None = 0,
    /// <summary>The layout is durable before the lease is handed out, so that a flush of the bytes alone makes stores durable (MAP_SYNC).</summary>
    SyncMetadata = 1,
}

/// <summary>
/// Bytes of a view that may be stored into: what a write fault of a mapping is to a kernel, asked for explicitly. The blocks under
/// it are allocated, written and nobody else's; every view of the file shows the stores at once.
/// </summary>
/// <remarks>
/// Stores may reach the image at any moment in any order, a page at a time; only <see cref="LayoutLease.Flush"/> (or any
/// other flush of the volume) promises that they have. Ending the lease turns the pages read-only again in every view.
/// </remarks>
public sealed class WriteLease : LayoutLease
{
    private readonly DaxView _view;

    internal WriteLease(Volume volume, DaxView view, long offset, long length) : base(volume, view.Open, offset, length) => _view = view;

    internal override bool IsForWriting => true;

    /// <summary>All bytes of the lease.</summary>
    /// <exception cref="InvalidOperationException">More than a span can have: use <see cref="GetSpan"/>.</exception>
    public Span<byte> Span => GetSpan(0, DaxView.SpanLength(Length));

    /// <summary>All bytes of the lease, for asynchronous use.</summary>
    /// <exception cref="InvalidOperationException">More than a memory can have: use <see cref="GetMemory"/>.</exception>
    public Memory<byte> Memory => GetMemory(0, DaxView.SpanLength(Length));

    /// <summary>A part of the bytes; good until the lease ends.</summary>
    /// <param name="offset">Bytes from the start of the lease.</param>
    public Span<byte> GetSpan(long offset, int length)
    {
        ObjectDisposedException.ThrowIf(IsClosed, this);
        CheckPart(offset, length);
        return _view.Bytes(Offset + offset, length);
    }

    /// <summary>A part of the bytes that throws when used after the lease has ended; pinning it keeps the lease.</summary>
    /// <inheritdoc cref="GetSpan"/>
    public Memory<byte> GetMemory(long offset, int length)
    {
        ObjectDisposedException.ThrowIf(IsClosed, this);
        CheckPart(offset, length);
        return _view.MemoryOf(this, Offset + offset, length);
    }

    private protected override void Ended() => _view.LeaseEnded();

    private void CheckPart(long offset, int length)
    {
        if (offset < 0 || length < 0 || offset > Length - length)
            throw new ArgumentOutOfRangeException(nameof(offset), $"{length} bytes at {offset} are outside the lease of {Length}");
    }
}
