using System.Buffers.Binary;
using ImageFs.Format;
using ImageFs.Journal;
using Kaitai;

namespace ImageFs.Cli;

// The log: its records, and the operations in them.
internal sealed partial class InspectImage
{
    private const int BasicBlock = 512, ScanBytes = 1 << 20, HeaderSize = 328;
    // A transaction is never longer than half of what a log may have; its start is not looked for any further back.
    private const long FarthestStart = 64 << 20;

    /// <summary>A header that was found in the log.</summary>
    private sealed record LogEntry(uint Block, Xfs.LogRecordHeader Header)
    {
        public bool IsFiller => Header.Len == 0;
        public bool IsPlausible => Header.Version is not 0 and <= 3 && Header.Len <= LogRecordHeader.MaxRecordSize && Header.Size <= LogRecordHeader.MaxRecordSize;
        public int HeaderBlocks => Header.HeaderBlocks;
        public int Bytes => HeaderBlocks * BasicBlock + (int)Header.Len;
    }

    private Inspected Log(InspectSteps walk)
    {
        LogArea log = OpenLog();
        string[] possible = ["N", "at/BLOCK"];
        if (walk.Rest == "at")
        {
            walk.Skip();
            uint block = (uint)walk.Number(log.BasicBlocks, "blocks of 512 bytes");
            List<LogEntry> all = Entries(log, out _);
            int index = all.FindIndex(e => e.Block == block);
            return index >= 0 ? Record(log, all, index) : Record(log, [new LogEntry(block, ReadHeader(log, block))], 0);
        }
        if (walk.Rest is string wrong && !walk.IsNumber) throw new InspectPathException(walk.Where, wrong, possible);
        List<LogEntry> entries = Entries(log, out int fillers);
        if (walk.Rest is not null) return Record(log, entries, (int)walk.Number(Math.Max(1, entries.Count), "records, the oldest first"));

        InspectGroup group = new() { { "offset", _xfs.LogOffset }, { "basic_blocks", log.BasicBlocks } };
        AddPosition(group, log);
        group.Add("fillers", fillers);
        group.Add("paths", possible);
        group.Add("records", entries.Select(e => new InspectGroup
        {
            { "block", e.Block }, { "lsn", e.Header.Lsn }, { "tail_lsn", e.Header.TailLsn }, { "len", e.Header.Len },
            { "num_logops", e.Header.NumLogops }, { "size", e.Header.Size },
        }).ToList());
        return new Inspected("log", group) { Offset = _xfs.LogOffset, Length = (int)Math.Min(int.MaxValue, (long)log.BasicBlocks * BasicBlock) };
    }

    private LogArea OpenLog()
    {
        if (Sb.Logstart == 0) throw new CorruptionException("log", "superblock", "it is not in this image (logstart is 0)");
        long offset = ByteOffset("log", Sb.Logstart), length = (long)Sb.Logblocks << Sb.Blocklog;
        if (length == 0 || offset > _device.Length || length > _device.Length - offset)
            throw new CorruptionException("log", $"byte {offset}", $"{length} bytes long, the image ends at {_device.Length}");
        return new LogArea(_device, offset, checked((uint)(length / BasicBlock)));
    }

    /// <summary>Where recovery would begin and end. The one thing that is not taken from the generated reader: it is no structure.</summary>
    private void AddPosition(InspectGroup group, LogArea log)
    {
        byte[] sector = Bytes(0, Math.Max(BasicBlock, _xfs.SectorSize), "superblock", "group 0");
        if (SuperblockVerifier.VerifyLayout(sector) is Fault fault)
        {
            group.Add("state", $"unknown: superblock {fault}");
            return;
        }
        try
        {
            LogPosition position = LogScan.Find(log, new Geometry(Superblock.At((ReadOnlySpan<byte>)sector)));
            group.Add("state", position.IsEmpty ? "empty" : position.IsClean ? "clean" : "dirty");
            group.Add("head", $"{position.HeadCycle}:{position.Head}");
            group.Add("tail", $"{position.Tail.Cycle}:{position.Tail.Block}");
            if (position.TornAt is uint torn) group.Add("torn_at", torn);
        }
        catch (XfsException e)
        {
            group.Add("state", e.Message);
        }
    }

    /// <summary>
    /// All headers in the log, the oldest first. No block of a payload can begin like a header, since its first word was
    /// replaced by a cycle number; so nothing has to be believed to find them.
    /// </summary>
    private static List<LogEntry> Entries(LogArea log, out int fillers)
    {
        List<LogEntry> entries = [];
        fillers = 0;
        byte[] window = new byte[ScanBytes];
        for (uint block = 0; block < log.BasicBlocks;)
        {
            int count = (int)Math.Min(log.BasicBlocks - block, (uint)(ScanBytes / BasicBlock));
            log.Read(block, window.AsSpan(0, count * BasicBlock));
            for (int i = 0; i < count; i++)
            {
                ReadOnlySpan<byte> head = window.AsSpan(i * BasicBlock, BasicBlock);
                if (BinaryPrimitives.ReadUInt32BigEndian(head) != LogRecordHeader.MagicNumber) continue;
                LogEntry entry = new(block + (uint)i, Header(head));
                if (entry.IsFiller) fillers++;
                else entries.Add(entry);
            }
            block += (uint)count;
        }
        entries.Sort((a, b) => (a.Header.Cycle, a.Block).CompareTo((b.Header.Cycle, b.Block)));
        return entries;
    }

    private static Xfs.LogRecordHeader ReadHeader(LogArea log, uint block)
    {
        byte[] bytes = new byte[BasicBlock];
        log.Read(block, bytes);
        if (BinaryPrimitives.ReadUInt32BigEndian(bytes) is uint magic && magic != LogRecordHeader.MagicNumber)
            throw new CorruptionException("log record", $"log block {block}", $"magic: found 0x{magic:x8}, expected 0x{LogRecordHeader.MagicNumber:x8}");
        return Header(bytes);
    }

    private static Xfs.LogRecordHeader Header(ReadOnlySpan<byte> bytes)
    {
        Xfs.LogRecordHeader header = new(new KaitaiStream(bytes[..HeaderSize].ToArray()));
        header._read();
        return header;
    }

    /// <summary>One record, with its operations as the records before it explain them.</summary>
    private Inspected Record(LogArea log, List<LogEntry> entries, int index)
    {
        if (entries.Count == 0) throw new CorruptionException("log", "its blocks", "no record");
        LogEntry entry = entries[index];
        string place = $"log block {entry.Block}";
        if (!entry.IsPlausible) return new Inspected("log record", entry.Header) { Problem = Implausible(entry, place) };
        if (entry.Bytes / BasicBlock > log.BasicBlocks) throw new CorruptionException("log record", place, $"{entry.Bytes} bytes, more than the log");

        int first = index;
        for (long distance = 0; first > 0 && entries[first - 1].IsPlausible && distance < FarthestStart; first--) distance += entries[first - 1].Bytes;
        InspectLogOperations operations = new(Sb.HasFtype);
        for (int i = first; i < index; i++)
            if (entries[i].Bytes / BasicBlock <= log.BasicBlocks) operations.Follow(Payload(log, entries[i], out _), entries[i].Header.NumLogops);

        byte[] payload = Payload(log, entry, out Xfs.LogRecord record, out string checksum);
        List<InspectGroup> ops = operations.Follow(payload, entry.Header.NumLogops, out string? problem);
        InspectGroup group = new() { { "header", record.Header } };
        if (record.Extensions.Count > 0) group.Add("extensions", record.Extensions);
        group.Add("ops", ops);
        return new Inspected($"log record {index}", group)
        {
            Offset = _xfs.LogOffset + (long)entry.Block * BasicBlock, Length = entry.Bytes, Checksum = checksum,
            Problem = problem is null ? null : new CorruptionException("log record", place, problem),
        };
    }

    private static CorruptionException Implausible(LogEntry entry, string place) =>
        new("log record", place, $"version {entry.Header.Version}, len {entry.Header.Len}, size {entry.Header.Size}: impossible, at most {LogRecordHeader.MaxRecordSize} bytes");

    private static byte[] Payload(LogArea log, LogEntry entry, out Xfs.LogRecord record) => Payload(log, entry, out record, out _);

    /// <summary>The payload with the first words of its blocks put back.</summary>
    private static byte[] Payload(LogArea log, LogEntry entry, out Xfs.LogRecord record, out string checksum)
    {
        byte[] bytes = new byte[(entry.Bytes + BasicBlock - 1) / BasicBlock * BasicBlock];
        log.Read(entry.Block, bytes);
        record = new Xfs.LogRecord(new KaitaiStream(bytes));
        record._read();
        checksum = entry.Header.Crc == 0 ? "none"
            : LogRecordFormat.IsChecksumValid(bytes.AsSpan(0, entry.Bytes), entry.HeaderBlocks) ? "correct"
            : $"wrong, should be 0x{LogRecordFormat.Checksum(bytes.AsSpan(0, entry.Bytes), entry.HeaderBlocks):x8}";
        byte[] payload = record.StampedPayload;
        for (int block = 0; block < payload.Length / BasicBlock; block++)
        {
            int header = block / 64;
            if (header > record.Extensions.Count) break;
            uint word = header == 0 ? record.Header.CycleData[block] : record.Extensions[header - 1].CycleData[block % 64];
            BinaryPrimitives.WriteUInt32BigEndian(payload.AsSpan(block * BasicBlock), word);
        }
        return payload;
    }
}
