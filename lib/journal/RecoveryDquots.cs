using System.Buffers.Binary;
using ImageFs.Format;

namespace ImageFs.Journal;

/// <summary>Repeats changes of quota records; quotas are not kept here otherwise.</summary>
internal sealed class RecoveryDquots(RecoveryResult result, RecoveryBuffers buffers)
{
    // xfs_dqblk: 104 bytes of record, then fill, checksum, LSN and UUID.
    private const int FormatSize = 24, QuotaOffSize = 8, RecordSize = 104, BlockSize = 136, CrcOffset = 108, LsnOffset = 112;
    private const ushort Magic = 0x4451;
    private const int UserType = 1, ProjectType = 2, GroupType = 4, TypeAt = 3;

    private int _off;

    /// <summary>Quotas of a kind were turned off: what the log says of their records is out of date.</summary>
    public void CollectQuotaOff(LogItem item)
    {
        const uint user = 0x1, project = 0x8, group = 0x40;
        if (item.Format.Length < QuotaOffSize) throw Corrupt("QUOTAOFF", "its format", $"{item.Format.Length} bytes, at least {QuotaOffSize} are needed");
        uint flags = item.Format.U32(4);
        if ((flags & user) != 0) _off |= UserType;
        if ((flags & project) != 0) _off |= ProjectType;
        if ((flags & group) != 0) _off |= GroupType;
    }

    /// <summary>Repeats the initialisation of a block of records.</summary>
    public void RepeatBuffer(LogItem item, in BufferFormat format)
    {
        // The three bits stand in the order of the types.
        if ((format.Dquot >> 2 & _off) != 0) return;
        foreach ((int offset, ReadOnlyMemory<byte> bytes) in format.Runs(item)) buffers.Write(format.Offset + offset, bytes.Span);
        result.Buffers++;
    }

    /// <summary>Repeats one record.</summary>
    public void Repeat(LogItem item, LogSequenceNumber lsn)
    {
        ReadOnlySpan<byte> f = item.Format;
        if (f.Length < FormatSize || item.RegionCount < 2 || item[1].Length < RecordSize)
            throw Corrupt("DQUOT", "its format", "format or record are too short");
        ReadOnlySpan<byte> record = item[1][..RecordSize];
        uint id = f.U32(4);
        if ((record[TypeAt] & _off) != 0) return;
        // The address is in units of 512 bytes, the length in blocks.
        ulong address = f.U64(8), length = (ulong)f.U32(16) << result.Geometry.BlockLog, at = f.U32(20);
        ulong device = (ulong)result.Geometry.DeviceBytes;
        if (address >= device / LogRecordFormat.BasicBlock || length > device - address * LogRecordFormat.BasicBlock || at + BlockSize > length)
            throw Corrupt("DQUOT", $"dquot {id}", $"{length} bytes at daddr {address}, record at byte {at}: outside the device");
        long offset = (long)(address * LogRecordFormat.BasicBlock + at);

        byte[] block = new byte[BlockSize];
        result.View.Read(offset, block);
        if (Be16(block) == Magic && Crc32c.IsValid(block, CrcOffset) && Be64(block.AsSpan(LsnOffset)) is not (0 or ulong.MaxValue) and ulong there && there >= lsn.Value)
        {
            result.Newer++;
            return;
        }
        record.CopyTo(block);
        BinaryPrimitives.WriteUInt64BigEndian(block.AsSpan(LsnOffset), lsn.Value);
        Crc32c.Stamp(block, CrcOffset);
        buffers.Write(offset, block);
        result.Buffers++;
    }

    private static ushort Be16(ReadOnlySpan<byte> bytes) => BinaryPrimitives.ReadUInt16BigEndian(bytes);
    private static ulong Be64(ReadOnlySpan<byte> bytes) => BinaryPrimitives.ReadUInt64BigEndian(bytes);

    private static CorruptionException Corrupt(string item, string where, string problem) => new($"log item {item}", where, problem);
}
