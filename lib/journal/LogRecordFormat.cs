using System.Buffers.Binary;
using System.Numerics;
using ImageFs.Format;

namespace ImageFs.Journal;

/// <summary>How a log record is laid out and sealed, for whoever writes one and whoever reads one. No I/O, no state.</summary>
/// <remarks>
/// A record in memory is its header blocks followed by its payload, as if the log did not wrap:
/// <code>
///   | header | extension headers ... | payload block 0 | payload block 1 | ... |
/// </code>
/// On disk the first word of every payload block is the cycle in which it was written; the words that stood there are kept
/// in the headers. That is how the head of the log is found: it is where the cycle drops. The part of a record that lies
/// behind the physical end of the log carries the next cycle, its header keeps the cycle in which it began.
/// </remarks>
public static class LogRecordFormat
{
    /// <summary>Bytes of a basic block, the unit of every address and size in the log.</summary>
    public const int BasicBlock = LogRecordHeader.BasicBlock;
    /// <summary>h_prev_block of a record without a predecessor.</summary>
    public const uint NoPreviousBlock = uint.MaxValue;
    /// <summary>h_version: padding to the log stripe unit and extension headers exist since version 2.</summary>
    public const uint Version = 2;
    /// <summary>Checksummed header bytes of writers on 32-bit machines, whose structure has no padding at its end.</summary>
    private const int HeaderSizeOf32BitWriters = 324;

    /// <summary>Header blocks of each record of a log whose records can hold <paramref name="recordSize"/> bytes (h_size).</summary>
    public static int HeaderBlocks(int recordSize) =>
        recordSize > LogRecordHeader.BytesPerHeader ? (recordSize + LogRecordHeader.BytesPerHeader - 1) / LogRecordHeader.BytesPerHeader : 1;

    /// <summary>Bytes to whose multiples a whole record, headers included, is padded.</summary>
    public static int RoundoffUnit(in Superblock sb) =>
        sb.LogStripeUnit > 1 ? (int)sb.LogStripeUnit.Value : sb.LogSectorSize != 0 ? sb.LogSectorSize : BasicBlock;

    /// <summary>The cycle after <paramref name="cycle"/>: the one that would look like a record header is left out.</summary>
    public static uint NextCycle(uint cycle) => cycle + 1 == LogRecordHeader.MagicNumber ? cycle + 2 : cycle + 1;

    /// <summary>The cycle before <paramref name="cycle"/>.</summary>
    public static uint PreviousCycle(uint cycle) => cycle - 1 == LogRecordHeader.MagicNumber ? cycle - 2 : cycle - 1;

    /// <summary>The cycle a basic block was written in: its first word, or its second if the block is a record header.</summary>
    public static uint CycleOf(ReadOnlySpan<byte> basicBlock)
    {
        uint first = BinaryPrimitives.ReadUInt32BigEndian(basicBlock);
        return first == LogRecordHeader.MagicNumber ? BinaryPrimitives.ReadUInt32BigEndian(basicBlock[4..]) : first;
    }

    /// <summary>
    /// Fills the header blocks of a record, saves the first word of every payload block, stamps the cycles and computes the
    /// checksum: afterwards the bytes may be written, the part behind the log's physical end to the log's start.
    /// </summary>
    /// <param name="record">Header blocks (contents ignored) and payload, already padded to the log's unit.</param>
    /// <param name="headerBlocks">As <see cref="HeaderBlocks"/> says.</param>
    /// <param name="cycle">The cycle of the record's first block.</param>
    /// <param name="block">The record's first block, counted from the start of the log.</param>
    /// <param name="logBasicBlocks">Blocks of the whole log.</param>
    /// <param name="tail">Where recovery would have to begin if this were the last record.</param>
    /// <param name="previousBlock">Block of the record before, or <see cref="NoPreviousBlock"/>.</param>
    /// <param name="operationCount">Operation headers in the payload, START, COMMIT and continuations included.</param>
    /// <param name="uuid">The file system's UUID, not that of its metadata.</param>
    /// <param name="recordSize">h_size, the same for all records between tail and head.</param>
    public static void Seal(Span<byte> record, int headerBlocks, uint cycle, uint block, uint logBasicBlocks, LogSequenceNumber tail,
        uint previousBlock, int operationCount, in Uuid uuid, int recordSize)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(record.Length % BasicBlock, 0, nameof(record));
        ArgumentOutOfRangeException.ThrowIfLessThan(record.Length, (headerBlocks + 1) * BasicBlock, nameof(record));
        Span<byte> payload = record[(headerBlocks * BasicBlock)..];
        ArgumentOutOfRangeException.ThrowIfGreaterThan(payload.Length, headerBlocks * LogRecordHeader.BytesPerHeader, nameof(record));

        record[..(headerBlocks * BasicBlock)].Clear();
        ref LogRecordHeader header = ref LogRecordHeader.At(record);
        header.Magic = LogRecordHeader.MagicNumber;
        header.Cycle = cycle;
        header.Version = Version;
        header.Length = (uint)payload.Length;
        header.Lsn = new LogSequenceNumber(cycle, block).Value;
        header.TailLsn = tail.Value;
        header.PreviousBlock = previousBlock;
        header.OperationCount = (uint)operationCount;
        header.Format = LogRecordHeader.FormatLinuxLittleEndian;
        header.Uuid = uuid;
        header.RecordSize = (uint)recordSize;

        uint wrapped = NextCycle(cycle);
        uint CycleAt(int index) => block + (ulong)index < logBasicBlocks ? cycle : wrapped;
        for (int i = 1; i < headerBlocks; i++)
            BinaryPrimitives.WriteUInt32BigEndian(record[(i * BasicBlock)..], CycleAt(i));
        for (int i = 0; i < payload.Length / BasicBlock; i++)
        {
            Span<byte> word = payload.Slice(i * BasicBlock, 4);
            word.CopyTo(record[SavedWord(i)..]);
            BinaryPrimitives.WriteUInt32BigEndian(word, CycleAt(headerBlocks + i));
        }
        header.Crc = Checksum(record, headerBlocks);
    }

    /// <summary>Puts the saved first words back into the payload blocks; undoes what <see cref="Seal"/> did to the payload.</summary>
    /// <param name="record">Header blocks and payload as read.</param>
    public static void Unseal(Span<byte> record, int headerBlocks)
    {
        Span<byte> payload = record[(headerBlocks * BasicBlock)..];
        int saved = Math.Min(payload.Length / BasicBlock, headerBlocks * LogRecordHeader.CycleDataCount);
        for (int i = 0; i < saved; i++)
            record.Slice(SavedWord(i), 4).CopyTo(payload[(i * BasicBlock)..]);
    }

    /// <summary>The checksum of a sealed record: header, the extension headers that its length needs, payload as on disk.</summary>
    public static uint Checksum(ReadOnlySpan<byte> record, int headerBlocks) => Checksum(record, headerBlocks, LogRecordHeader.Size);

    /// <summary>Whether the stored checksum fits; that of a writer on a 32-bit machine is accepted too.</summary>
    public static bool IsChecksumValid(ReadOnlySpan<byte> record, int headerBlocks)
    {
        uint stored = LogRecordHeader.At(record).Crc;
        return stored == Checksum(record, headerBlocks) || stored == Checksum(record, headerBlocks, HeaderSizeOf32BitWriters);
    }

    /// <summary>The length of a clean unmount record in bytes.</summary>
    public static int UnmountRecordLength(int headerBlocks, int roundoffUnit) =>
        ((headerBlocks + 1) * BasicBlock + roundoffUnit - 1) / roundoffUnit * roundoffUnit;

    /// <summary>Fills a sealed unmount record. A log whose last record before the head is one is clean: nothing before it is replayed.</summary>
    /// <param name="record"><see cref="UnmountRecordLength"/> bytes.</param>
    /// <inheritdoc cref="Seal"/>
    public static void FormatUnmountRecord(Span<byte> record, int headerBlocks, uint cycle, uint block, uint logBasicBlocks,
        LogSequenceNumber tail, uint previousBlock, in Uuid uuid, int recordSize)
    {
        record.Clear();
        Span<byte> payload = record[(headerBlocks * BasicBlock)..];
        ref LogOperationHeader operation = ref LogOperationHeader.At(payload);
        operation.TransactionId = 0xB0C0D0D0;
        operation.Length = 8;
        operation.Client = LogOperationHeader.ClientLog;
        operation.Flags = LogOperationHeader.Unmount;
        BinaryPrimitives.WriteUInt16LittleEndian(payload[LogOperationHeader.Size..], LogOperationHeader.UnmountType);
        Seal(record, headerBlocks, cycle, block, logBasicBlocks, tail, previousBlock, 1, uuid, recordSize);
    }

    /// <summary>
    /// Fills a header that stands for a block nobody has written in this cycle: what lies between the head and the tail
    /// after a crash is overwritten with these, so that no later search takes old blocks for new ones.
    /// </summary>
    /// <param name="basicBlock">512 bytes.</param>
    public static void FormatFiller(Span<byte> basicBlock, uint cycle, uint block, LogSequenceNumber tail, in Uuid uuid)
    {
        basicBlock.Clear();
        ref LogRecordHeader header = ref LogRecordHeader.At(basicBlock);
        header.Magic = LogRecordHeader.MagicNumber;
        header.Cycle = cycle;
        header.Version = Version;
        header.Lsn = new LogSequenceNumber(cycle, block).Value;
        header.TailLsn = tail.Value;
        header.Format = LogRecordHeader.FormatLinuxLittleEndian;
        header.Uuid = uuid;
    }

    // Where the first word of payload block i is kept, from the start of the record: 64 words in the header, 64 in each
    // extension behind its cycle.
    private static int SavedWord(int payloadBlock)
    {
        int header = payloadBlock / LogRecordHeader.CycleDataCount, slot = payloadBlock % LogRecordHeader.CycleDataCount;
        return header == 0 ? CycleDataOffset + slot * 4 : header * BasicBlock + 4 + slot * 4;
    }

    private const int CycleDataOffset = 44;

    private static uint Checksum(ReadOnlySpan<byte> record, int headerBlocks, int headerSize)
    {
        ReadOnlySpan<byte> payload = record[(headerBlocks * BasicBlock)..];
        uint state = Crc32c.Append(Crc32c.Seed, record[..LogRecordHeader.CrcOffset]);
        state = BitOperations.Crc32C(state, 0u);
        state = Crc32c.Append(state, record[(LogRecordHeader.CrcOffset + 4)..headerSize]);
        // How many extension headers count depends on the payload, not on how many there are.
        int headers = (payload.Length + LogRecordHeader.BytesPerHeader - 1) / LogRecordHeader.BytesPerHeader;
        for (int i = 1; i < Math.Min(headers, headerBlocks); i++)
            state = Crc32c.Append(state, record.Slice(i * BasicBlock, LogRecordHeader.ExtensionSize));
        return ~Crc32c.Append(state, payload);
    }
}
