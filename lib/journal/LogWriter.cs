using ImageFs.Devices;
using ImageFs.Format;

namespace ImageFs.Journal;

/// <summary>Cuts checkpoints into log records and writes them at the head of the ring.</summary>
/// <remarks>
/// Always true: the head never reaches the tail; between two flushes no more records are written than a reader looks back
/// over for torn ones. A block that is missing shows by its cycle, anywhere in the last 4096; a block of which only some words
/// arrived shows by its record's checksum alone, and that is only asked of the last eight.
/// Every record's size is constant (h_size 32 KiB, or the log's stripe unit where that is more): recovery takes the number
/// of header blocks of all records from the tail's.
/// </remarks>
internal sealed class LogWriter
{
    /// <summary>Records written without a flush.</summary>
    private const int UnflushedLimit = LogScan.MostBuffers;

    /// <summary>The smallest h_size a kernel can be told to use (logbsize).</summary>
    private const uint SmallestRecordSize = 16384;

    private readonly BlockDevice _device;
    private readonly LogArea _area;
    private readonly Uuid _uuid;
    private readonly int _unit;
    private readonly int _recordSize, _headerBlocks;
    private readonly int _payloadLimit;
    private readonly byte[] _record;
    private readonly byte[] _run;
    private int _runUsed;
    private uint _runBlock;
    private int _used, _operations;
    private int _unflushed;
    private uint _previous;

    /// <summary>A writer that goes on at a position.</summary>
    /// <param name="cycle">Cycle of the next record.</param>
    /// <param name="block">Basic block of the next record.</param>
    /// <param name="tail">The oldest record that must still be replayed, if any: those that follow it have its size.</param>
    public LogWriter(BlockDevice device, Geometry geometry, uint cycle, uint block, LogSequenceNumber? tail = null)
    {
        _device = device;
        _area = new LogArea(device, geometry);
        _uuid = geometry.Uuid;
        _unit = LogRecordFormat.RoundoffUnit(geometry.Superblock);
        _recordSize = Math.Max(LogRecordHeader.DefaultRecordSize, _unit);
        if (tail is LogSequenceNumber oldest) _recordSize = RecordSizeAt(oldest.Block);
        _headerBlocks = LogRecordFormat.HeaderBlocks(_recordSize);
        _record = new byte[_recordSize / _unit * _unit];
        _run = new byte[UnflushedLimit * _record.Length];
        _payloadLimit = _record.Length - _headerBlocks * LogRecordFormat.BasicBlock;
        Cycle = cycle;
        Block = block;
        _previous = LogRecordFormat.NoPreviousBlock;
    }

    private int RecordSizeAt(uint block)
    {
        Span<byte> header = stackalloc byte[LogRecordFormat.BasicBlock];
        _area.Read(block, header);
        uint size = LogRecordHeader.At((ReadOnlySpan<byte>)header).RecordSize;
        if (size < Math.Max(SmallestRecordSize, (uint)_unit) || size > LogRecordHeader.MaxRecordSize)
            throw new XfsUnsupportedException($"the log's records have a size (h_size) of {size} bytes at block {block}: nothing can be appended to them");
        return (int)size;
    }

    /// <summary>Cycle of the next record.</summary>
    public uint Cycle { get; private set; }

    /// <summary>Basic block of the next record: the head.</summary>
    public uint Block { get; private set; }

    /// <summary>Where the next record will lie.</summary>
    public LogSequenceNumber Head => new(Cycle, Block);

    /// <summary>Basic blocks of the ring.</summary>
    public uint Capacity => _area.BasicBlocks;

    /// <summary>Basic blocks between the tail and the head.</summary>
    public uint Used(LogSequenceNumber tail) => _area.Distance(tail.Block, Block);

    /// <summary>Basic blocks that must stay free behind any checkpoint: two covering checkpoints and an unmount record.</summary>
    public uint Reserve => (uint)Math.Max(64, 6 * _unit / LogRecordFormat.BasicBlock);

    /// <summary>Basic blocks a checkpoint of that many bytes in that many regions takes, at most.</summary>
    public uint BlocksFor(long bytes, long regions)
    {
        long ops = bytes + (regions + 2) * LogOperationHeader.Size;
        long perRecord = _payloadLimit - 2 * LogOperationHeader.Size;
        long records = ops / perRecord + 1;
        // All but the last are full; the last is padded to the unit.
        long blocks = (records - 1) * (_record.Length / LogRecordFormat.BasicBlock)
            + Math.Min(_record.Length, (_headerBlocks * LogRecordFormat.BasicBlock + ops - (records - 1) * perRecord + 2 * LogOperationHeader.Size + _unit - 1) / _unit * _unit) / LogRecordFormat.BasicBlock;
        return (uint)Math.Min(uint.MaxValue, blocks);
    }

    /// <summary>Writes one checkpoint and makes it durable.</summary>
    /// <param name="transactionId">Ties the operations of the checkpoint together.</param>
    /// <param name="bytes">The regions, one after the other.</param>
    /// <param name="regions">Length of each region, at least 1.</param>
    /// <param name="tail">Start of the oldest checkpoint whose blocks are not all home; null when that is this one.</param>
    /// <returns>The LSN of the record in which the checkpoint starts: what its blocks carry.</returns>
    public LogSequenceNumber WriteCheckpoint(uint transactionId, ReadOnlySpan<byte> bytes, IReadOnlyList<int> regions, LogSequenceNumber? tail)
    {
        LogSequenceNumber start = Head, oldest = tail ?? start;
        Begin();
        AddOperation(transactionId, LogOperationHeader.Start, [], oldest);
        int at = 0;
        for (int i = 0; i < regions.Count; i++)
        {
            AddRegion(transactionId, bytes.Slice(at, regions[i]), oldest);
            at += regions[i];
        }
        AddOperation(transactionId, LogOperationHeader.Commit, [], oldest);
        FinishRecord(oldest);
        WriteRun();
        Flush();
        return start;
    }

    /// <summary>Writes an unmount record and makes it durable: nothing before it will be replayed.</summary>
    public void WriteUnmount()
    {
        int length = LogRecordFormat.UnmountRecordLength(_headerBlocks, _unit);
        LogRecordFormat.FormatUnmountRecord(_record.AsSpan(0, length), _headerBlocks, Cycle, Block, Capacity, Head, _previous, _uuid, _recordSize);
        _area.Write(Block, _record.AsSpan(0, length));
        Advance(length);
        Flush();
    }

    private void Begin()
    {
        _used = 0;
        _operations = 0;
    }

    /// <summary>A region goes into the record whole, or is continued in the next one.</summary>
    private void AddRegion(uint transactionId, ReadOnlySpan<byte> region, LogSequenceNumber tail)
    {
        byte flags = 0;
        while (true)
        {
            int room = _payloadLimit - _used - LogOperationHeader.Size;
            if (region.Length <= room)
            {
                AddOperation(transactionId, flags == 0 ? (byte)0 : (byte)(LogOperationHeader.WasContinued | LogOperationHeader.End), region, tail);
                return;
            }
            // The first part of an item must hold at least its type and region count; more than a header must be left.
            int part = room & ~3;
            if (part >= 8)
            {
                AddOperation(transactionId, (byte)(LogOperationHeader.Continue | flags), region[..part], tail);
                region = region[part..];
                flags = LogOperationHeader.WasContinued;
            }
            FinishRecord(tail);
        }
    }

    private void AddOperation(uint transactionId, byte flags, ReadOnlySpan<byte> data, LogSequenceNumber tail)
    {
        if (_used + LogOperationHeader.Size + data.Length > _payloadLimit) FinishRecord(tail);
        Span<byte> at = Payload[_used..];
        ref LogOperationHeader header = ref LogOperationHeader.At(at);
        header.TransactionId = transactionId;
        header.Length = (uint)data.Length;
        header.Client = LogOperationHeader.ClientTransaction;
        header.Flags = flags;
        header.Reserved = 0;
        data.CopyTo(at[LogOperationHeader.Size..]);
        _used += LogOperationHeader.Size + data.Length;
        _operations++;
    }

    private Span<byte> Payload => _record.AsSpan(_headerBlocks * LogRecordFormat.BasicBlock);

    private void FinishRecord(LogSequenceNumber tail)
    {
        if (_operations == 0) return;
        int length = (_headerBlocks * LogRecordFormat.BasicBlock + _used + _unit - 1) / _unit * _unit;
        Span<byte> record = _record.AsSpan(0, length);
        Payload[_used..(length - _headerBlocks * LogRecordFormat.BasicBlock)].Clear();
        LogRecordFormat.Seal(record, _headerBlocks, Cycle, Block, Capacity, tail, _previous, _operations, _uuid, _recordSize);
        if (_unflushed == UnflushedLimit)
        {
            WriteRun();
            Flush();
        }
        if (_runUsed == 0) _runBlock = Block;
        record.CopyTo(_run.AsSpan(_runUsed));
        _runUsed += length;
        _unflushed++;
        _previous = Block;
        Advance(length);
        Begin();
    }

    private void Advance(int length)
    {
        uint blocks = (uint)length / LogRecordFormat.BasicBlock;
        if (Block + blocks >= Capacity) Cycle = LogRecordFormat.NextCycle(Cycle);
        Block = _area.Advance(Block, blocks);
    }

    private void WriteRun()
    {
        if (_runUsed == 0) return;
        _area.Write(_runBlock, _run.AsSpan(0, _runUsed));
        _runUsed = 0;
    }

    private void Flush()
    {
        _device.Flush();
        _unflushed = 0;
    }
}
