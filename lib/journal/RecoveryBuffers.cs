using System.Buffers.Binary;
using ImageFs.Devices;
using ImageFs.Format;

namespace ImageFs.Journal;

/// <summary>Repeats changes of buffers, and sees to it that each is a valid block of its kind afterwards.</summary>
/// <remarks>
/// Changes go into the overlay at once. What a block lacks then, LSN and checksum, it gets when all transactions with one LSN
/// have been repeated: only then is it whole and can be verified. A block that was torn, because the power failed while it
/// was being written, is whole only when every change in the log has been repeated, and is verified at the end.
/// </remarks>
internal sealed class RecoveryBuffers(RecoveryResult result, long logBytes)
{
    /// <summary>
    /// Bytes of the overlay that one byte of log may need, far more than an honest log does: a hostile one, of nothing but
    /// new inode chunks, shall not fill the memory.
    /// </summary>
    private const long MostBytesPerLogByte = 256;
    private const long AlwaysAllowed = 64L << 20;

    private readonly Dictionary<(long Offset, int Length), LogBufferType> _group = [];
    private readonly Dictionary<(long Offset, int Length), LogBufferType> _torn = [];
    private readonly byte[] _scratch = new byte[65536];

    /// <summary>Directory blocks that lie in pieces.</summary>
    public RecoverySegments Segments { get; } = new(result);

    private OverlayDevice View => result.View;

    /// <summary>Repeats the logged chunks of a buffer unless the block on the device is newer.</summary>
    public void Repeat(LogItem item, in BufferFormat format, LogSequenceNumber lsn)
    {
        Span<byte> block = _scratch.AsSpan(0, format.Length);
        View.Read(format.Offset, block);
        // Blocks of version 4 tell neither how new they are nor whether they are whole.
        bool plain = result.Geometry.IsVersion4, piece = !plain && Segments.IsPiece(format.Type, format.Length);
        // A block this group has already changed has no valid checksum at the moment, and is not newer.
        if (!plain && !piece && !_group.ContainsKey((format.Offset, format.Length)))
        {
            Home home = Judge(block);
            if (home.IsTorn) _torn[(format.Offset, format.Length)] = format.Type;
            else if (home.Lsn is LogSequenceNumber there && there >= lsn)
            {
                result.Newer++;
                return;
            }
        }
        if (format.Type is LogBufferType.RealtimeBitmap or LogBufferType.RealtimeSummary)
            throw new XfsUnsupportedException($"the log changes the realtime device's {format.Type}, which is not written here");

        foreach ((int offset, ReadOnlyMemory<byte> bytes) in format.Runs(item))
        {
            bytes.Span.CopyTo(block[offset..]);
            Write(format.Offset + offset, bytes.Span);
        }
        if (piece || (!plain && Segments.MayBePiece(format.Type, format.Length))) Segments.Touch(format.Offset, format.Length, format.Type, lsn);
        if (!piece) CompleteLater(format.Offset, format.Length, format.Type);
        // What follows, in this very transaction perhaps, may lie in the groups that a larger superblock adds.
        if (format is { Offset: 0, Type: LogBufferType.Superblock }) Grow(block);
        result.Buffers++;
    }

    /// <summary>Writes what has changed of a buffer.</summary>
    public void Write(long offset, ReadOnlySpan<byte> changed)
    {
        View.Write(offset, changed);
        if (View.ChangedBytes > Math.Max(AlwaysAllowed, logBytes * MostBytesPerLogByte))
            throw new CorruptionException("log", "its items", $"{logBytes} bytes of log change more than {View.ChangedBytes} bytes of the device");
    }

    /// <summary>Remembers to give a changed buffer LSN and checksum when the group ends.</summary>
    public void CompleteLater(long offset, int length, LogBufferType type)
    {
        if (result.Geometry.IsVersion4) return;
        _group[(offset, length)] = type;
        if (_torn.ContainsKey((offset, length))) _torn[(offset, length)] = type;
    }

    /// <summary>The blocks were freed: whatever is there is no concern of ours any more.</summary>
    public void Forget(long offset, int length)
    {
        _torn.Remove((offset, length));
        Segments.Forget(offset, length);
    }

    /// <summary>All transactions of an LSN are repeated: gives the blocks they changed LSN and checksum.</summary>
    public void EndGroup(LogSequenceNumber lsn)
    {
        if (_group.Count == 0) return;
        foreach (((long, int) key, LogBufferType type) in _group)
            try
            {
                Complete(key, type, lsn);
            }
            catch (CorruptionException e) when (result.Tolerates(e))
            {
                // Without its checksum it stays what it is: a damaged block.
            }
        _group.Clear();
    }

    /// <summary>Everything is repeated: verifies the blocks that had been torn.</summary>
    public void End()
    {
        foreach (((long Offset, int Length) key, LogBufferType type) in _torn)
        {
            Span<byte> block = _scratch.AsSpan(0, key.Length);
            View.Read(key.Offset, block);
            if (Segments.MayBePiece(type, key.Length)) continue;
            CorruptionException? problem = BlockKinds.FromLog(type, block) is not BlockKind kind ? Mismatch(key.Offset, type) : Judge(kind, block, key.Offset);
            if (problem is not null && !result.Tolerates(problem)) throw problem;
        }
        Segments.End();
    }

    private void Complete((long Offset, int Length) key, LogBufferType type, LogSequenceNumber lsn)
    {
        // Dquots carry a checksum each, which the log has.
        if (type is LogBufferType.UserDquot or LogBufferType.GroupDquot or LogBufferType.ProjectDquot) return;
        Span<byte> block = _scratch.AsSpan(0, key.Length);
        View.Read(key.Offset, block);
        bool torn = _torn.ContainsKey(key) || Segments.MayBePiece(type, key.Length);
        if (BlockKinds.FromLog(type, block) is not BlockKind kind)
        {
            if (torn) return;
            throw Mismatch(key.Offset, type);
        }
        int lsnAt = kind == BlockKind.AttrRemote ? -1 : kind.LsnOffset(), crcAt = kind.CrcOffset();
        if (lsnAt >= 0) BinaryPrimitives.WriteUInt64BigEndian(block[lsnAt..], lsn.Value);
        if (!torn) Verify(kind, block, key.Offset);
        if (crcAt < 0) return;
        Crc32c.Stamp(block, crcAt);
        if (lsnAt >= 0) View.Write(key.Offset + lsnAt, block.Slice(lsnAt, sizeof(ulong)));
        View.Write(key.Offset + crcAt, block.Slice(crcAt, sizeof(uint)));
    }

    private void Verify(BlockKind kind, ReadOnlySpan<byte> block, long offset)
    {
        if (Judge(kind, block, offset) is CorruptionException problem) throw problem;
    }

    private CorruptionException? Judge(BlockKind kind, ReadOnlySpan<byte> block, long offset)
    {
        int expected = kind switch
        {
            BlockKind.Superblock or BlockKind.Agf or BlockKind.Agi or BlockKind.Agfl => result.Geometry.SectorSize,
            >= BlockKind.Bnobt and <= BlockKind.Bmbt => result.Geometry.BlockSize,
            _ => block.Length,
        };
        if (block.Length != expected) return new CorruptionException(kind.Name(), $"byte {offset}", $"the log has it with {block.Length} bytes, expected {expected}");
        return BlockVerifier.VerifyForWrite(kind, block, result.Geometry, offset) is Fault fault
            ? new CorruptionException(kind.Name(), $"byte {offset} after replay of the log", fault.ToString()) : null;
    }

    /// <summary>A superblock in the log may enlarge the file system and turn on features; nothing else may change.</summary>
    private void Grow(ReadOnlySpan<byte> sector)
    {
        if (sector.Length != result.Geometry.SectorSize) throw new CorruptionException("superblock", "byte 0", $"the log has it with {sector.Length} bytes, expected {result.Geometry.SectorSize}");
        Verify(BlockKind.Superblock, sector, 0);
        ref readonly Superblock sb = ref Superblock.At(sector);
        Superblock old = result.Geometry.Superblock;
        if (sb.DataBlocks < old.DataBlocks.Value || sb.AgCount < old.AgCount.Value || sb.BlockSize != old.BlockSize.Value || sb.AgBlocks != old.AgBlocks.Value
            || sb.InodeSize != old.InodeSize.Value || sb.SectorSize != old.SectorSize.Value || sb.LogStart != old.LogStart.Value || sb.LogBlocks != old.LogBlocks.Value)
            throw new CorruptionException("superblock", "byte 0 after replay of the log", "sizes other than that of the device changed");
        Geometry geometry = new(sb);
        if (geometry.DeviceBytes > View.Length)
            throw new CorruptionException("superblock", "byte 0 after replay of the log", $"dblocks: {geometry.DeviceBytes} bytes, the device has {View.Length}");
        result.Geometry = geometry;
    }

    private static CorruptionException Mismatch(long offset, LogBufferType type) =>
        new("log item BUF", $"byte {offset}", $"the block is no {type} after replay of the log");

    // ---- the block on the device ----------------------------------------------------------------------------------

    /// <param name="Lsn">When the block was last written; null if it does not say, then the change is repeated.</param>
    /// <param name="IsTorn">It looks like a block of ours but its checksum is wrong: only half of it was written.</param>
    private readonly record struct Home(LogSequenceNumber? Lsn, bool IsTorn);

    private Home Judge(ReadOnlySpan<byte> block)
    {
        if (KindByMagic(block) is not BlockKind kind) return default;
        Uuid uuid = kind == BlockKind.Superblock ? Superblock.At(block).MetadataUuid : new Uuid(block[UuidOffset(kind)..]);
        if (uuid != result.Geometry.MetaUuid) return default;
        if (!Crc32c.IsValid(block, kind.CrcOffset())) return new Home(null, IsTorn: true);
        ulong lsn = BinaryPrimitives.ReadUInt64BigEndian(block[kind.LsnOffset()..]);
        return lsn is 0 or ulong.MaxValue ? default : new Home(new LogSequenceNumber(lsn), false);
    }

    /// <summary>What a block says it is; null for what carries no LSN: inodes, dquots, remote attribute values, data.</summary>
    internal static BlockKind? KindByMagic(ReadOnlySpan<byte> block)
    {
        switch (BinaryPrimitives.ReadUInt32BigEndian(block))
        {
            case BtreeMagic.Bnobt: return BlockKind.Bnobt;
            case BtreeMagic.Cntbt: return BlockKind.Cntbt;
            case BtreeMagic.Inobt: return BlockKind.Inobt;
            case BtreeMagic.Finobt: return BlockKind.Finobt;
            case BtreeMagic.Rmapbt: return BlockKind.Rmapbt;
            case BtreeMagic.Refcountbt: return BlockKind.Refcountbt;
            case BtreeMagic.Bmbt: return BlockKind.Bmbt;
            case Agf.MagicNumber: return BlockKind.Agf;
            case Agi.MagicNumber: return BlockKind.Agi;
            case AgflHeader.MagicNumber: return BlockKind.Agfl;
            case Superblock.MagicNumber: return BlockKind.Superblock;
            case DirectoryMagic.Block or DirectoryMagic.Data: return BlockKind.DirectoryData;
            case DirectoryMagic.Free: return BlockKind.DirectoryFree;
            case DirectoryMagic.Symlink: return BlockKind.Symlink;
            case DirectoryMagic.AttrRemote: return null;
        }
        return BinaryPrimitives.ReadUInt16BigEndian(block[8..]) is DirectoryMagic.Leaf1 or DirectoryMagic.LeafN or DirectoryMagic.Node or DirectoryMagic.AttrLeaf
            ? BlockKind.DaBlock
            : null;
    }

    private static int UuidOffset(BlockKind kind) => kind switch
    {
        BlockKind.Agf => Agf.UuidOffset, BlockKind.Agi => Agi.UuidOffset, BlockKind.Agfl => AgflHeader.UuidOffset,
        BlockKind.Bmbt => LongBtreeHeader.UuidOffset, >= BlockKind.Bnobt and <= BlockKind.Refcountbt => ShortBtreeHeader.UuidOffset,
        BlockKind.DirectoryData => DirectoryDataHeader.UuidOffset, BlockKind.DirectoryFree => DirectoryFreeHeader.UuidOffset,
        BlockKind.Symlink => RemoteHeader.UuidOffset, _ => DaBlockHeader.UuidOffset,
    };
}
