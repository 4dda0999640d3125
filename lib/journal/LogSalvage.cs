using ImageFs.Format;

namespace ImageFs.Journal;

/// <summary>What is left of a log whose head or tail cannot be found, or in which a record between them is damaged.</summary>
/// <remarks>
/// <code>
///   tail                                    newest
///   [record][record][record] ???? [record][record] ????
///    whole: can be replayed       behind: can be read, rests on what is lost
/// </code>
/// </remarks>
public sealed record LogRemains
{
    /// <summary>From the tail that the newest record names to the end of the last record that follows it without a gap. Clean if there is none.</summary>
    public required LogPosition Whole { get; init; }

    /// <summary>Why the rest cannot be replayed; null if nothing is missing.</summary>
    public string? Damage { get; init; }

    /// <summary>The transactions of the records behind the damage, as far as they can be read. They hang on what is lost.</summary>
    public required IReadOnlyList<LogTransaction> Behind { get; init; }

    /// <summary>Whole records behind the damage.</summary>
    public int RecordsBehind { get; init; }

    /// <summary>True if more is whole behind the damage than a power cut can have left behind a write that was under way.</summary>
    public bool IsTornInTheMiddle => RecordsBehind > LogScan.MostBuffers;

    /// <summary>The newest cycle of any whole record.</summary>
    public required uint NewestCycle { get; init; }
}

/// <summary>Finds the records of a log one by one, by their own checksums, where the search for head and tail fails.</summary>
/// <remarks>
/// A record names its place and its cycle and has a checksum over everything in it, so one that passes was written there. The
/// newest says where recovery begins. Whatever follows that without a gap is whole: it is what the log was at that moment.
/// </remarks>
public sealed class LogSalvage
{
    /// <summary>Bytes of records behind damage whose transactions are kept to be described.</summary>
    private const long MostBehind = 16L << 20;
    /// <summary>How often the bytes of the log are gone through, at most: headers of a hostile log can all claim the same ones.</summary>
    private const long MostTimes = 4;

    private readonly LogArea _log;
    private readonly Geometry _geometry;
    private readonly Dictionary<uint, Found> _records = [];
    private byte[] _record = [];

    private readonly record struct Found(uint Block, uint Blocks, uint Cycle, LogSequenceNumber Tail, int RecordSize, bool IsUnmount)
    {
        public LogSequenceNumber Lsn => new(Cycle, Block);
    }

    private LogSalvage(LogArea log, Geometry geometry) => (_log, _geometry) = (log, geometry);

    /// <summary>Looks at the whole log.</summary>
    /// <returns>What is left; null if no record of it is.</returns>
    public static LogRemains? Look(LogArea log, Geometry geometry)
    {
        LogSalvage salvage = new(log, geometry);
        salvage.FindRecords();
        return salvage._records.Count == 0 ? null : salvage.Assemble();
    }

    /// <summary>True if something stands behind the head that a search found: writes that were under way, or damage in front of them.</summary>
    public static bool IsWrittenBehind(LogArea log, LogPosition head)
    {
        byte[] block = new byte[LogRecordFormat.BasicBlock];
        uint most = Math.Min(LogScan.CrashWindow, log.Distance(head.Head, head.RecordedTail.Block)), before = LogRecordFormat.PreviousCycle(head.HeadCycle);
        if (head.IsClean) most = Math.Min(LogScan.CrashWindow, log.BasicBlocks / 2);
        for (uint i = 0; i < most; i++)
        {
            uint at = log.Advance(head.Head, i);
            log.Read(at, block);
            uint cycle = LogRecordFormat.CycleOf(block);
            uint expected = at >= head.Head ? before : head.HeadCycle;
            // Behind an unmount record only a newer one matters; behind any other, all that is not as it was left.
            if (head.IsClean ? cycle == LogRecordFormat.NextCycle(expected) : cycle != expected) return true;
        }
        return false;
    }

    /// <summary>
    /// True if nothing was ever written to the log but, perhaps, the record it was formatted with: whatever that is now, it said
    /// nothing. A log that was used goes on behind it.
    /// </summary>
    public static bool WasNeverUsed(LogArea log, Geometry geometry)
    {
        int unit = LogRecordFormat.RoundoffUnit(geometry.Superblock);
        int headers = LogRecordFormat.HeaderBlocks(Math.Max(LogRecordHeader.DefaultRecordSize, unit));
        byte[] piece = new byte[256 * LogRecordFormat.BasicBlock];
        for (uint done = (uint)(LogRecordFormat.UnmountRecordLength(headers, unit) / LogRecordFormat.BasicBlock); done < log.BasicBlocks;)
        {
            uint count = Math.Min(256, log.BasicBlocks - done);
            Span<byte> bytes = piece.AsSpan(0, (int)count * LogRecordFormat.BasicBlock);
            log.Read(done, bytes);
            if (bytes.ContainsAnyExcept((byte)0)) return false;
            done += count;
        }
        return true;
    }

    private void FindRecords()
    {
        long left = MostTimes * _log.BasicBlocks;
        byte[] window = new byte[256 * LogRecordFormat.BasicBlock];
        for (uint start = 0, skip = 0; start < _log.BasicBlocks; start += 256)
        {
            uint count = Math.Min(256, _log.BasicBlocks - start);
            _log.Read(start, window.AsSpan(0, (int)count * LogRecordFormat.BasicBlock));
            for (uint i = 0; i < count; i++)
            {
                uint block = start + i;
                if (block < skip || left <= 0) continue;
                ref readonly LogRecordHeader header = ref LogRecordHeader.At((ReadOnlySpan<byte>)window.AsSpan((int)i * LogRecordFormat.BasicBlock));
                if (header.Magic != LogRecordHeader.MagicNumber) continue;
                Found? found = ReadRecord(block, out uint cost);
                left -= cost;
                if (found is not Found record) continue;
                _records[block] = record;
                skip = block + record.Blocks;
            }
        }
    }

    /// <summary>Reads the record at a block and holds it against itself.</summary>
    /// <param name="cost">Blocks read.</param>
    /// <returns>Null if there is none or it is not whole.</returns>
    private Found? ReadRecord(uint block, out uint cost)
    {
        cost = 1;
        byte[] first = new byte[LogRecordFormat.BasicBlock];
        _log.Read(block, first);
        LogRecordHeader header = LogRecordHeader.At((ReadOnlySpan<byte>)first);
        if (header.Magic != LogRecordHeader.MagicNumber || header.Cycle == 0 || header.Lsn != new LogSequenceNumber(header.Cycle, block).Value) return null;
        if (!header.Uuid.IsNull && header.Uuid != _geometry.Uuid || header.RecordSize > LogRecordHeader.MaxRecordSize) return null;
        int headers = LogRecordFormat.HeaderBlocks((int)header.RecordSize.Value);
        if (header.Length == 0 || header.OperationCount == 0 || header.Length > (uint)(headers * LogRecordHeader.BytesPerHeader)) return null;
        cost = (uint)headers + (header.Length + LogRecordFormat.BasicBlock - 1) / LogRecordFormat.BasicBlock;
        LogSequenceNumber tail = new(header.TailLsn);
        if (cost > _log.BasicBlocks || tail.Block >= _log.BasicBlocks || tail > new LogSequenceNumber(header.Lsn)) return null;
        int bytes = (int)cost * LogRecordFormat.BasicBlock;
        if (_record.Length < bytes) _record = new byte[bytes];
        Span<byte> record = _record.AsSpan(0, bytes);
        _log.Read(block, record);
        ref readonly LogOperationHeader operation = ref LogOperationHeader.At((ReadOnlySpan<byte>)record[(headers * LogRecordFormat.BasicBlock)..]);
        bool unmount = header.OperationCount == 1 && (operation.Flags & LogOperationHeader.Unmount) != 0;
        // Formatting tools leave out the checksum of the one record they write.
        bool whole = LogRecordFormat.IsChecksumValid(record, headers) || unmount && header.Crc == 0;
        return whole ? new Found(block, cost, header.Cycle, tail, (int)header.RecordSize.Value, unmount) : null;
    }

    private LogRemains Assemble()
    {
        Found newest = _records.Values.MaxBy(r => r.Lsn.Value);
        if (newest.IsUnmount) return Describe(newest, newest.Lsn, true);
        if (!_records.TryGetValue(newest.Tail.Block, out Found last) || last.Cycle != newest.Tail.Cycle)
            return Lose(newest.Tail, null, newest, $"the record at the tail, log block {newest.Tail.Block}, is damaged");
        while (last.Lsn != newest.Lsn)
        {
            LogSequenceNumber end = EndOf(last);
            if (!_records.TryGetValue(end.Block, out Found next) || next.Cycle != end.Cycle)
                return Lose(newest.Tail, last, newest, $"a record at log block {end.Block} is damaged");
            last = next;
        }
        return Describe(newest, newest.Tail, false);
    }

    /// <summary>Everything up to the newest record is there; behind it nothing of its cycle may stand.</summary>
    private LogRemains Describe(Found newest, LogSequenceNumber tail, bool clean)
    {
        LogPosition position = At(newest, tail, clean);
        return new LogRemains
        {
            Whole = position, Behind = [], NewestCycle = newest.Cycle,
            Damage = IsWrittenBehind(_log, position) ? $"what was written behind log block {newest.Block} is damaged" : null,
        };
    }

    private LogRemains Lose(LogSequenceNumber tail, Found? last, Found newest, string damage)
    {
        LogPosition whole = last is Found end ? At(end, tail, clean: false)
            : new LogPosition { Head = tail.Block, HeadCycle = tail.Cycle, Tail = tail, RecordedTail = tail, IsClean = true };
        return new LogRemains { Whole = whole, Damage = damage, Behind = Behind(whole.HeadLsn, out int records), RecordsBehind = records, NewestCycle = newest.Cycle };
    }

    private LogPosition At(Found last, LogSequenceNumber tail, bool clean)
    {
        LogSequenceNumber head = EndOf(last);
        return new LogPosition
        {
            Head = head.Block, HeadCycle = head.Cycle, Tail = clean ? head : tail, RecordedTail = clean ? head : tail, IsClean = clean,
            LastBlock = last.Block, LastLsn = last.Lsn, LastRecordSize = last.RecordSize,
        };
    }

    private LogSequenceNumber EndOf(Found record)
    {
        bool around = record.Block + record.Blocks >= _log.BasicBlocks;
        return new(around ? LogRecordFormat.NextCycle(record.Cycle) : record.Cycle, _log.Advance(record.Block, record.Blocks));
    }

    /// <summary>The transactions that can be read from the records behind a gap; a run of records with gaps on both sides is read by itself.</summary>
    private List<LogTransaction> Behind(LogSequenceNumber gap, out int count)
    {
        List<LogTransaction> transactions = [];
        Found[] records = [.. _records.Values.Where(r => r.Lsn > gap).OrderBy(r => r.Lsn.Value)];
        count = records.Length;
        long left = MostBehind;
        for (int i = 0; i < records.Length && left > 0;)
        {
            int first = i;
            for (i++; i < records.Length && EndOf(records[i - 1]) == records[i].Lsn; i++) left -= records[i].Blocks * LogRecordFormat.BasicBlock;
            try
            {
                transactions.AddRange(new LogReader(_log, At(records[i - 1], records[first].Lsn, clean: false), _geometry).Transactions());
            }
            catch (CorruptionException)
            {
                // Whole and yet without meaning: it cannot be described.
            }
        }
        return transactions;
    }
}
