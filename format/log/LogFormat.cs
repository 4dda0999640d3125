using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace ImageFs.Format;

/// <summary>Header of a log record: one 512-byte block, 328 bytes used.</summary>
/// <remarks>xlog_rec_header.</remarks>
[StructLayout(LayoutKind.Sequential, Pack = 1)]
public struct LogRecordHeader
{
    public const uint MagicNumber = 0xFEEDBABE;
    public const int Size = 328, CrcOffset = 32, BasicBlock = 512;
    /// <summary>Payload blocks whose first word one header block can save.</summary>
    public const int CycleDataCount = 64;
    /// <summary>Payload bytes covered by one header block.</summary>
    public const int BytesPerHeader = CycleDataCount * BasicBlock;
    /// <summary>The record size this implementation writes and the kernel's default.</summary>
    public const int DefaultRecordSize = 32768;
    public const int MaxRecordSize = 262144;
    /// <summary>Bytes of an extension header block that count for the checksum.</summary>
    public const int ExtensionSize = 260;
    /// <summary>h_fmt of little-endian Linux.</summary>
    public const uint FormatLinuxLittleEndian = 1;

    public BigEndian32 Magic, Cycle, Version, Length;
    public BigEndian64 Lsn, TailLsn;
    public LittleEndian32 Crc;
    public BigEndian32 PreviousBlock, OperationCount;
    public CycleWords64 CycleData;
    public BigEndian32 Format;
    public Uuid Uuid;
    public BigEndian32 RecordSize, Pad;

    public static ref LogRecordHeader At(Span<byte> block) => ref MemoryMarshal.AsRef<LogRecordHeader>(block);
    public static ref readonly LogRecordHeader At(ReadOnlySpan<byte> block) => ref MemoryMarshal.AsRef<LogRecordHeader>(block);

    /// <summary>Saved first words of the payload blocks, raw.</summary>
    [InlineArray(CycleDataCount)]
    public struct CycleWords64 { private uint _first; }
}

/// <summary>Header of one operation (region) inside a log record.</summary>
/// <remarks>xlog_op_header.</remarks>
[StructLayout(LayoutKind.Sequential, Pack = 1)]
public struct LogOperationHeader
{
    public const int Size = 12;
    public const byte ClientTransaction = 0x69, ClientLog = 0xAA;
    public const byte Start = 0x01, Commit = 0x02, Continue = 0x04, WasContinued = 0x08, End = 0x10, Unmount = 0x20;
    /// <summary>First word of an unmount operation's payload, little-endian.</summary>
    public const ushort UnmountType = 0x556E;

    public BigEndian32 TransactionId, Length;
    public byte Client, Flags;
    public BigEndian16 Reserved;

    public static ref LogOperationHeader At(Span<byte> bytes) => ref MemoryMarshal.AsRef<LogOperationHeader>(bytes);
    public static ref readonly LogOperationHeader At(ReadOnlySpan<byte> bytes) => ref MemoryMarshal.AsRef<LogOperationHeader>(bytes);
}

/// <summary>The types of log items (first little-endian word of an item's first region).</summary>
/// <remarks>XFS_LI_*.</remarks>
public enum LogItemType : ushort
{
    ExtentFreeIntent = 0x1236, ExtentFreeDone = 0x1237, OldUnlinked = 0x1238, Inode = 0x123B, Buffer = 0x123C, Dquot = 0x123D,
    QuotaOff = 0x123E, InodeCreate = 0x123F, RmapIntent = 0x1240, RmapDone = 0x1241, RefcountIntent = 0x1242, RefcountDone = 0x1243,
    BmapIntent = 0x1244, BmapDone = 0x1245, AttrIntent = 0x1246, AttrDone = 0x1247, ExchangeIntent = 0x1248, ExchangeDone = 0x1249,
    ExtentFreeIntentRt = 0x124A, ExtentFreeDoneRt = 0x124B, RmapIntentRt = 0x124C, RmapDoneRt = 0x124D,
    RefcountIntentRt = 0x124E, RefcountDoneRt = 0x124F,
}

/// <summary>What a logged buffer is, in bits 11..15 of its item's flags: recovery picks verifier and checksum by it.</summary>
/// <remarks>enum xfs_blft.</remarks>
public enum LogBufferType : byte
{
    Unknown = 0, UserDquot = 1, ProjectDquot = 2, GroupDquot = 3, Btree = 4, Agf = 5, Agfl = 6, Agi = 7, Inode = 8, Symlink = 9,
    DirectoryBlock = 10, DirectoryData = 11, DirectoryFree = 12, DirectoryLeaf1 = 13, DirectoryLeafN = 14, DaNode = 15,
    AttrLeaf = 16, AttrRemote = 17, Superblock = 18, RealtimeBitmap = 19, RealtimeSummary = 20,
}

/// <summary>Flags and layout of a buffer item; all its numbers are little-endian.</summary>
/// <remarks>xfs_buf_log_format.</remarks>
public static class LogBufferItem
{
    public const ushort InodeBuffer = 0x01, Cancel = 0x02, TypeShift = 11;
    /// <summary>Bytes before the bitmap words.</summary>
    public const int FixedSize = 20;
    /// <summary>Bytes one bitmap bit stands for.</summary>
    public const int ChunkSize = 128, ChunkLog = 7;
}

/// <summary>Field bits and layout of an inode item; all its numbers are little-endian.</summary>
/// <remarks>xfs_inode_log_format, 56 bytes.</remarks>
public static class LogInodeItem
{
    public const int Size = 56;
    public const uint Core = 0x1, DataLocal = 0x2, DataExtents = 0x4, DataBtree = 0x8, Device = 0x10, AttrLocal = 0x40,
        AttrExtents = 0x80, AttrBtree = 0x100, DataOwner = 0x200, AttrOwner = 0x400;
}

/// <summary>The inode core as the log carries it: the disk inode with every number in little-endian order.</summary>
/// <remarks>xfs_log_dinode, 176 bytes at the same offsets as xfs_dinode.</remarks>
public static class LogInodeCore
{
    // Width of each field in order of appearance; 1-byte fields and the UUID are copied as they are.
    private static ReadOnlySpan<byte> Widths =>
    [
        2, 2, 1, 1, 2, 4, 4, 4, 2, 2, 8, 8, 8, 8, 8, 8, 4, 4, 2, 1, 1, 4, 2, 2, 4, 4, 4, 8, 8, 8, 4,
        1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 8, 8,
    ];

    /// <summary>
    /// Turns a disk core into a log core or back: the conversion is its own inverse. Legacy timestamps are two 32-bit
    /// numbers and are swapped as such; the NREXT64 counters share bytes with the old ones and need their own widths.
    /// </summary>
    /// <param name="source">176 bytes.</param>
    /// <param name="destination">176 bytes; may be the same memory.</param>
    /// <param name="bigTime">The inode has the BIGTIME flag.</param>
    /// <param name="largeCounters">The inode has the NREXT64 flag.</param>
    public static void Swap(ReadOnlySpan<byte> source, Span<byte> destination, bool bigTime, bool largeCounters)
    {
        _ = largeCounters; // big_anextents is 32 bits at the place of di_nextents, the 16 bits behind are zero: same widths
        source[..InodeCore.Size].CopyTo(destination);
        int at = 0;
        foreach (byte width in Widths)
        {
            bool time = width == 8 && (at is 32 or 40 or 48 or 144);
            if (time && !bigTime)
            {
                destination.Slice(at, 4).Reverse();
                destination.Slice(at + 4, 4).Reverse();
            }
            else if (width > 1)
                destination.Slice(at, width).Reverse();
            at += width;
        }
    }
}
