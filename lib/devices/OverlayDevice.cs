using ImageFs.Format;

namespace ImageFs.Devices;

/// <summary>
/// Copy-on-write in memory over another device, which is never written. Log recovery replays into one; whoever opened the
/// image for reading keeps looking through it, whoever opened it for writing applies it to the device below.
/// </summary>
/// <remarks>
/// Memory is bounded by what is written: for a log replay, by the size of the log's payload. Where that can be more, changes
/// beyond <see cref="MostBytes"/> lie in a temporary file.
/// </remarks>
public sealed class OverlayDevice : BlockDevice
{
    private const int PieceLog = 12, PieceSize = 1 << PieceLog;
    private readonly BlockDevice _below;
    private readonly Dictionary<long, Piece> _pieces = [];
    private readonly SpillFile _spill = new();
    private long _length;
    private int _inMemory;

    /// <summary>A changed piece: its bytes, or where they are in the temporary file.</summary>
    private readonly record struct Piece(byte[]? Bytes, long SpilledAt, string? Purpose);

    /// <summary>Lays an empty overlay over a device, which stays the caller's to dispose.</summary>
    public OverlayDevice(BlockDevice below) => (_below, _length) = (below, below.Length);

    /// <summary>Dispose the device below as well.</summary>
    public bool OwnsBelow { get; set; }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (!disposing) return;
        _spill.Dispose();
        if (OwnsBelow) _below.Dispose();
    }

    /// <inheritdoc/>
    public override long Length => _length;

    /// <summary>Makes the overlay longer than what is below, which follows with <see cref="Apply"/>; until then there are zeros.</summary>
    public override void SetLength(long length) => _length = length >= _length ? length : throw new XfsException(Errno.EOPNOTSUPP, "overlay: cannot become shorter");

    /// <inheritdoc/>
    public override bool CanWrite => true;

    /// <summary>True if anything was written.</summary>
    public bool IsChanged => _pieces.Count > 0;

    /// <summary>What the changes take, in bytes.</summary>
    public long ChangedBytes => (long)_pieces.Count << PieceLog;

    /// <summary>The most memory the bytes of changes may take; what is more goes to a temporary file.</summary>
    public long MostBytes { get; init; } = long.MaxValue;

    /// <summary>Bytes in the temporary file.</summary>
    internal long SpilledBytes => _spill.Length;

    /// <summary>What the following writes are for; a piece remembers the first purpose it was written for.</summary>
    public string? Purpose { get; set; }

    /// <summary>
    /// Every piece that is not what it is below, in rising order: where it begins, its bytes now, which are the caller's until the
    /// next one, why it was first written.
    /// </summary>
    internal IEnumerable<(long Offset, ReadOnlyMemory<byte> Bytes, string? Purpose)> Changes()
    {
        byte[] below = new byte[PieceSize], spilled = new byte[PieceSize];
        foreach (long index in _pieces.Keys.Order())
        {
            long at = index << PieceLog;
            int length = (int)Math.Min(PieceSize, Length - at);
            ReadBelow(at, below.AsSpan(0, length));
            Piece piece = _pieces[index];
            byte[] bytes = piece.Bytes ?? spilled;
            if (piece.Bytes is null) _spill.Read(piece.SpilledAt, spilled);
            if (!bytes.AsSpan(0, length).SequenceEqual(below.AsSpan(0, length))) yield return (at, bytes.AsMemory(0, length), piece.Purpose);
        }
    }

    /// <inheritdoc/>
    public override void Read(long offset, Span<byte> destination)
    {
        CheckRange(offset, destination.Length);
        if (_pieces.Count == 0)
        {
            ReadBelow(offset, destination);
            return;
        }
        while (!destination.IsEmpty)
        {
            int inside = (int)(offset & (PieceSize - 1)), piece = Math.Min(destination.Length, PieceSize - inside);
            if (_pieces.TryGetValue(offset >> PieceLog, out Piece changed))
            {
                if (changed.Bytes is not null) changed.Bytes.AsSpan(inside, piece).CopyTo(destination);
                else _spill.Read(changed.SpilledAt + inside, destination[..piece]);
            }
            else
            {
                // Join untouched neighbours into one read of the device below.
                while (piece < destination.Length && !_pieces.ContainsKey((offset + piece) >> PieceLog))
                    piece = Math.Min(destination.Length, piece + PieceSize);
                ReadBelow(offset, destination[..piece]);
            }
            destination = destination[piece..];
            offset += piece;
        }
    }

    private void ReadBelow(long offset, Span<byte> destination)
    {
        int there = (int)Math.Clamp(_below.Length - offset, 0, destination.Length);
        if (there > 0) _below.Read(offset, destination[..there]);
        destination[there..].Clear();
    }

    /// <inheritdoc/>
    public override void Write(long offset, ReadOnlySpan<byte> source)
    {
        CheckRange(offset, source.Length);
        while (!source.IsEmpty)
        {
            int inside = (int)(offset & (PieceSize - 1)), piece = Math.Min(source.Length, PieceSize - inside);
            if (!_pieces.TryGetValue(offset >> PieceLog, out Piece changed)) changed = Add(offset >> PieceLog, isWhole: piece == PieceSize);
            if (changed.Bytes is not null) source[..piece].CopyTo(changed.Bytes.AsSpan(inside));
            else _spill.Write(changed.SpilledAt + inside, source[..piece]);
            source = source[piece..];
            offset += piece;
        }
    }

    /// <summary>Makes a piece of what is below; nobody asks for that if all of it is written.</summary>
    private Piece Add(long index, bool isWhole)
    {
        byte[] bytes = new byte[PieceSize];
        long start = index << PieceLog;
        if (!isWhole) ReadBelow(start, bytes.AsSpan(0, (int)Math.Min(PieceSize, Length - start)));
        bool fits = ((long)_inMemory << PieceLog) < MostBytes;
        if (fits) _inMemory++;
        return _pieces[index] = new Piece(fits ? bytes : null, fits ? 0 : _spill.Append(bytes), Purpose);
    }

    /// <summary>Nothing here is durable before <see cref="Apply"/>.</summary>
    public override void Flush() { }

    /// <summary>Writes every change to the device below in rising order, flushes it, and forgets the changes.</summary>
    /// <remarks>An overlay below learns what each change is for.</remarks>
    public void Apply()
    {
        if (_length != _below.Length) _below.SetLength(_length);
        OverlayDevice? overlay = _below as OverlayDevice;
        string? purpose = null, kept = overlay?.Purpose;
        byte[] run = new byte[1 << 20];
        int filled = 0;
        long start = 0;
        foreach (long index in _pieces.Keys.Order())
        {
            long at = index << PieceLog;
            int length = (int)Math.Min(PieceSize, Length - at);
            string? next = overlay is null ? null : _pieces[index].Purpose ?? kept;
            if (filled > 0 && (at != start + filled || filled + length > run.Length || next != purpose))
            {
                _below.Write(start, run.AsSpan(0, filled));
                filled = 0;
            }
            if (overlay is not null) overlay.Purpose = purpose = next;
            if (filled == 0) start = at;
            Read(at, run.AsSpan(filled, length));
            filled += length;
        }
        if (filled > 0) _below.Write(start, run.AsSpan(0, filled));
        if (overlay is not null) overlay.Purpose = kept;
        _below.Flush();
        _pieces.Clear();
        _inMemory = 0;
    }
}
