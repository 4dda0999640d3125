using ImageFs.Format;

namespace ImageFs.Journal;

/// <summary>One record as it was read from the log.</summary>
/// <param name="Block">Its first block.</param>
/// <param name="Bytes">Header blocks and payload, still stamped with cycles.</param>
/// <param name="HeaderBlocks">How many of the blocks are headers.</param>
internal readonly record struct LogRecord(uint Block, Memory<byte> Bytes, int HeaderBlocks)
{
    public ref readonly LogRecordHeader Header => ref LogRecordHeader.At((ReadOnlySpan<byte>)Bytes.Span);
    public Memory<byte> Payload => Bytes[(HeaderBlocks * LogRecordFormat.BasicBlock)..];
    public uint BasicBlocks => (uint)Bytes.Length / LogRecordFormat.BasicBlock;
}

/// <summary>
/// Goes through the records between two blocks of a log. How many header blocks a record has is taken from the first one
/// and holds for all: a log between tail and head has one record size.
/// </summary>
internal sealed class LogRecordWalk
{
    private readonly LogArea _log;
    private readonly bool _keep;
    private readonly byte[] _head = new byte[LogRecordFormat.BasicBlock];
    private readonly int _headerBlocks;
    private readonly uint _recordSize;
    private byte[] _buffer = [];
    private uint _block, _left;

    /// <summary>Starts at a record.</summary>
    /// <param name="from">A record's first block.</param>
    /// <param name="to">The block behind the last record.</param>
    /// <param name="largestBuffer">Record size of a writer whose first record may be larger than it says, see <see cref="LogScan"/>.</param>
    /// <param name="keep">Each record gets memory of its own; otherwise one is gone when the next is read.</param>
    public LogRecordWalk(LogArea log, uint from, uint to, int largestBuffer, bool keep)
    {
        _log = log;
        _keep = keep;
        _block = from;
        _left = log.Distance(from, to);
        log.Read(from, _head);
        ref readonly LogRecordHeader header = ref LogRecordHeader.At(_head);
        _recordSize = header.RecordSize;
        // Version 1 has one size, and does not say it.
        if (header.Version == 1) _recordSize = LogRecordHeader.DefaultRecordSize;
        // Old formatting tools padded the one record of a new log to the log stripe unit and did not raise its h_size.
        if (header.Length > _recordSize && header.Length <= largestBuffer && header.OperationCount == 1) _recordSize = (uint)largestBuffer;
        if (header.RecordSize <= LogRecordHeader.MaxRecordSize) _headerBlocks = LogRecordFormat.HeaderBlocks((int)header.RecordSize.Value);
        else Problem = $"record size (h_size) {header.RecordSize}, at most {LogRecordHeader.MaxRecordSize} possible";
    }

    /// <summary>Why the last <see cref="TryNext"/> ended early: what is wrong with the record at <see cref="Block"/>.</summary>
    public string? Problem { get; private set; }

    /// <summary>Where the next record begins, or the one that is wrong.</summary>
    public uint Block => _block;

    /// <summary>Reads the next record; false at the end and at a record that makes no sense. Its checksum is for the caller to judge.</summary>
    public bool TryNext(out LogRecord record)
    {
        record = default;
        if (_left == 0 || Problem is not null) return false;
        _log.Read(_block, _head);
        Problem = Judge(LogRecordHeader.At(_head));
        if (Problem is not null) return false;

        uint blocks = (uint)_headerBlocks + (LogRecordHeader.At(_head).Length + LogRecordFormat.BasicBlock - 1) / LogRecordFormat.BasicBlock;
        if (blocks > _left)
        {
            Problem = $"{blocks} blocks long, the log ends after {_left}";
            return false;
        }
        int bytes = (int)blocks * LogRecordFormat.BasicBlock;
        if (_keep || _buffer.Length < bytes) _buffer = new byte[bytes];
        Memory<byte> memory = _buffer.AsMemory(0, bytes);
        _log.Read(_block, memory.Span);
        record = new LogRecord(_block, memory, _headerBlocks);
        _block = _log.Advance(_block, blocks);
        _left -= blocks;
        return true;
    }

    private string? Judge(in LogRecordHeader header)
    {
        if (header.Magic != LogRecordHeader.MagicNumber) return $"magic 0x{header.Magic.Value:x8}, expected 0x{LogRecordHeader.MagicNumber:x8}";
        if (header.Version == 0 || (header.Version & ~3u) != 0) return $"version {header.Version}, expected 2";
        if (header.Length == 0 || header.Length > _recordSize) return $"{header.Length} bytes long, expected 1..{_recordSize}";
        return null;
    }
}
