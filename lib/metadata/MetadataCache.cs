using ImageFs.Devices;
using ImageFs.Format;

namespace ImageFs.Metadata;

/// <summary>A run of bytes of the device.</summary>
internal readonly record struct DevicePiece(long Offset, int Length);

/// <summary>
/// The one gate between metadata and the device: a block is verified when it comes in and when it goes home. File data
/// never passes here.
/// </summary>
internal sealed class MetadataCache
{
    private readonly BlockDevice _device;
    private readonly Dictionary<long, MetadataBuffer> _buffers = [];
    private readonly List<MetadataBuffer> _clock = [];
    private readonly Lock _lock = new();
    private int _hand;
    private long _bytes;

    /// <summary>A sixteenth of the memory this process may have, 64 MiB to 1 GiB.</summary>
    public static long DefaultLimit => Math.Clamp(GC.GetGCMemoryInfo().TotalAvailableMemoryBytes / 16, 64L << 20, 1L << 30);

    /// <summary>A cache over a device.</summary>
    /// <param name="limit">Bytes of clean buffers to keep; buffers the journal needs stay beyond it. 0 for the default.</param>
    public MetadataCache(BlockDevice device, Geometry geometry, long limit = 0)
    {
        _device = device;
        Geometry = geometry;
        Limit = limit > 0 ? limit : DefaultLimit;
    }

    /// <summary>Sizes and places.</summary>
    public Geometry Geometry { get; }

    /// <summary>Bytes of buffers to keep before clean ones are dropped.</summary>
    public long Limit { get; set; }

    /// <summary>No LSN read may lie ahead of it; 0 while unknown.</summary>
    public LogSequenceNumber Head { get; set; }

    /// <summary>The block at an offset, read and verified on first use.</summary>
    /// <exception cref="CorruptionException">The block is not what it should be.</exception>
    /// <param name="length">Bytes on the device.</param>
    public MetadataBuffer Read(long offset, int length, BlockKind kind)
    {
        ReadOnlySpan<DevicePiece> whole = [new(offset, length)];
        return Read(whole, length, kind);
    }

    /// <summary>A block that lies in several pieces. It can be looked at only: whoever wants to change it moves it to one place first.</summary>
    /// <inheritdoc cref="Read(long, int, BlockKind)"/>
    public MetadataBuffer Read(ReadOnlySpan<DevicePiece> pieces, int length, BlockKind kind)
    {
        long offset = pieces[0].Offset;
        int size = Geometry.IsVersion4 ? Version4.MemoryLength(kind, Geometry, length) : length;
        lock (_lock)
        {
            if (_buffers.TryGetValue(offset, out MetadataBuffer? known))
            {
                known.Refer();
                if (known.IsStale) throw Bad(kind, offset, "the block was freed");
                if (known.Length != size || !Fits(known.Kind, kind))
                    throw Bad(kind, offset, $"the block is in use as {known.Kind.Name()} of {known.Length} bytes, expected {length}");
                return known;
            }
        }
        MetadataBuffer buffer = new(offset, size, kind, zeroed: Geometry.IsVersion4);
        if (pieces.Length > 1) buffer.IsInPieces = true;
        foreach (DevicePiece piece in pieces)
            if (piece.Offset < 0 || piece.Offset > Geometry.DeviceBytes - piece.Length) throw Bad(kind, offset, $"outside the device of {Geometry.DeviceBytes} bytes");
        Fault? problem;
        if (Geometry.IsVersion4)
        {
            byte[] disk = new byte[length];
            ReadDevice(pieces, disk);
            problem = Version4.Expand(kind, disk, buffer.Bytes, Geometry, offset);
        }
        else
        {
            ReadDevice(pieces, buffer.Bytes);
            problem = BlockVerifier.Verify(kind, buffer.Data, Geometry, offset, Head);
        }
        if (problem is Fault fault)
            throw new CorruptionException(kind.Name(), Where(offset), fault.ToString(), fault.IsChecksum ? Errno.EBADMSG : Errno.EUCLEAN);
        lock (_lock)
        {
            if (_buffers.TryGetValue(offset, out MetadataBuffer? raced)) return raced;
            Add(buffer);
            return buffer;
        }
    }

    private void ReadDevice(ReadOnlySpan<DevicePiece> pieces, Span<byte> into)
    {
        foreach (DevicePiece piece in pieces)
        {
            _device.Read(piece.Offset, into[..piece.Length]);
            into = into[piece.Length..];
        }
    }

    /// <summary>As <see cref="Read(long, int, BlockKind)"/>, for who comes back to the same block again and again and keeps the buffer.</summary>
    public MetadataBuffer Read(ref MetadataBuffer? kept, long offset, int length, BlockKind kind)
    {
        if (kept is MetadataBuffer known && known.IsStill(kind))
        {
            known.Refer();
            return known;
        }
        return kept = Read(offset, length, kind);
    }

    /// <summary>A zeroed buffer for a block that becomes metadata now; the device is not read.</summary>
    public MetadataBuffer Create(long offset, int length, BlockKind kind)
    {
        lock (_lock)
        {
            if (_buffers.TryGetValue(offset, out MetadataBuffer? known)) Drop(known);
            MetadataBuffer buffer = new(offset, length, kind);
            Add(buffer);
            return buffer;
        }
    }

    /// <summary>The buffer at an offset if it is in memory.</summary>
    public MetadataBuffer? Find(long offset)
    {
        lock (_lock) return _buffers.GetValueOrDefault(offset);
    }

    /// <summary>Puts a buffer back that <see cref="Create"/> had replaced (a transaction is undone).</summary>
    internal void Restore(MetadataBuffer buffer)
    {
        lock (_lock)
        {
            if (_buffers.TryGetValue(buffer.Offset, out MetadataBuffer? known) && known != buffer) Drop(known);
            if (!_buffers.ContainsKey(buffer.Offset)) Add(buffer);
        }
    }

    /// <summary>Forgets a buffer whose block is no longer metadata.</summary>
    internal void Remove(MetadataBuffer buffer)
    {
        lock (_lock)
            if (_buffers.TryGetValue(buffer.Offset, out MetadataBuffer? known) && known == buffer) Drop(buffer);
    }

    private void Add(MetadataBuffer buffer)
    {
        _buffers.Add(buffer.Offset, buffer);
        buffer.IsCached = true;
        _clock.Add(buffer);
        _bytes += buffer.Length;
    }

    private void Drop(MetadataBuffer buffer)
    {
        _buffers.Remove(buffer.Offset);
        buffer.IsCached = false;
        _bytes -= buffer.Length;
        // The clock forgets it when the hand comes by.
    }

    /// <summary>
    /// Drops clean buffers nobody looked at since the hand last passed, until a tenth of the limit is free. Called between
    /// operations only: a cursor inside one holds buffers that must stay the cache's own.
    /// </summary>
    public void Trim()
    {
        lock (_lock)
            if (_bytes > Limit) Evict();
    }

    /// <summary>Called when buffers were dropped: whoever keeps many of them shall let go of them.</summary>
    public Action? Evicted { get; set; }

    private void Evict()
    {
        long target = Limit - Limit / 10;
        for (int steps = 2 * _clock.Count; _bytes > target && steps > 0 && _clock.Count > 0; steps--)
        {
            if (_hand >= _clock.Count) _hand = 0;
            MetadataBuffer buffer = _clock[_hand];
            bool known = _buffers.TryGetValue(buffer.Offset, out MetadataBuffer? same) && same == buffer;
            if (known && (buffer.Referenced || !buffer.CanEvict))
            {
                buffer.Referenced = false;
                _hand++;
                continue;
            }
            _clock[_hand] = _clock[^1];
            _clock.RemoveAt(_clock.Count - 1);
            if (known) Drop(buffer);
        }
        Evicted?.Invoke();
    }

    /// <summary>Btree kinds differ by their magic, the others by what they are.</summary>
    private static bool Fits(BlockKind has, BlockKind wanted) => has == wanted;

    private CorruptionException Bad(BlockKind kind, long offset, string problem) => new(kind.Name(), Where(offset), problem);

    /// <summary>A place in words that users of xfs_db know.</summary>
    internal string Where(long offset)
    {
        if (offset < 0 || offset >= Geometry.DeviceBytes) return $"byte {offset}";
        FsBlock block = Geometry.FsBlockAt(offset);
        return $"AG {Geometry.AgOf(block)} block {Geometry.BlockInAg(block)} (daddr {Geometry.DiskAddress(offset)})";
    }
}
