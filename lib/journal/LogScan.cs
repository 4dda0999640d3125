using System.Buffers.Binary;
using ImageFs.Format;

namespace ImageFs.Journal;

/// <summary>Finds the head and the tail of a log.</summary>
/// <remarks>
/// The log is a ring and every block tells the cycle it was written in, so the head is where the cycle drops:
/// <code>
///   block   0    1    2    3    4    5    6    7
///   cycle   6    6    6    6    5    5    5    5       head at 4, the next record is written in cycle 6
///   cycle   6    6    5    6    5    5    5    5       up to eight writes were under way: head at 2
///   cycle   6    6    6    6    0    0    0    0       a log that has not been filled once ends at the first 0
/// </code>
/// Where exactly the kernel sees the head decides which transactions happened, so every step here is one of its steps.
/// All reads are bounded by the size of the log.
/// </remarks>
public sealed class LogScan
{
    /// <summary>Log buffers that can be under way at once; with the largest record size they bound what a crash can leave undone.</summary>
    internal const int MostBuffers = 8;
    private const int RecordWindow = LogRecordHeader.MaxRecordSize / LogRecordFormat.BasicBlock;
    /// <summary>Blocks before the head in which a crash can have left holes, and behind it that a writer must clear.</summary>
    internal const int CrashWindow = MostBuffers * RecordWindow;

    private readonly LogArea _log;
    private readonly Uuid _uuid;
    private readonly int _largestBuffer;
    private readonly bool _mayLackChecksums;
    private readonly uint _size;
    private readonly byte[] _window = new byte[128 * LogRecordFormat.BasicBlock];
    private uint _windowStart = uint.MaxValue;

    private LogScan(LogArea log, Geometry geometry)
    {
        _log = log;
        _uuid = geometry.Uuid;
        _mayLackChecksums = geometry.IsVersion4;
        _largestBuffer = LargestBuffer(geometry.Superblock);
        _size = log.BasicBlocks;
    }

    /// <summary>Finds head and tail of a file system's log.</summary>
    /// <exception cref="CorruptionException">The log makes no sense; the kernel would refuse the mount.</exception>
    public static LogPosition Find(LogArea log, Geometry geometry) =>
        new LogScan(log, geometry).Find();

    /// <summary>The size of log buffers a kernel chooses for a file system by itself.</summary>
    internal static int LargestBuffer(in Superblock sb) => Math.Max(LogRecordHeader.DefaultRecordSize, (int)Math.Min(sb.LogStripeUnit, LogRecordHeader.MaxRecordSize));

    private LogPosition Find()
    {
        if (CycleAt(0) == 0)
            return new LogPosition { Head = 0, HeadCycle = 1, Tail = new(1, 0), RecordedTail = new(1, 0), IsClean = true, IsEmpty = true };

        uint head = FindHead();
        if (!TrySeekBack(head, head, 1, out uint last, out bool wrapped))
            throw Corrupt(head, "no record before the head");
        uint? torn = null;
        int dropped = 0;
        for (; !IsWhole(last, head) && !IsUnsealedUnmount(last, head); dropped++)
        {
            if (dropped == MostBuffers) throw Corrupt(last, "more records are damaged than can have been under way");
            torn = head = last;
            if (!TrySeekBack(head, head, 1, out last, out wrapped)) throw Corrupt(head, "the only record is damaged");
        }
        LogPosition position = At(head, last, wrapped) with { TornAt = torn };
        if (position.IsClean) return position;

        uint tail = position.RecordedTail.Block;
        if (TrimTornWrites(ref head, ref tail, ref last, ref wrapped, MostBuffers - dropped))
        {
            position = At(head, last, wrapped) with { TornAt = head };
            if (position.IsClean) return position;
        }
        CheckRing(position);
        return position with { Tail = SkipOverwrittenTail(position, tail) };
    }

    /// <summary>Describes the log as it is if the record at <paramref name="last"/> is the last one before <paramref name="head"/>.</summary>
    private LogPosition At(uint head, uint last, bool wrapped)
    {
        LogRecordHeader header = HeaderAt(last);
        LogSequenceNumber tail = new(header.TailLsn);
        if (tail.Block >= _size) throw Corrupt(last, $"the tail is said to be at {tail}, the log has {_size} blocks");
        uint cycle = wrapped ? LogRecordFormat.NextCycle(header.Cycle) : header.Cycle;
        LogPosition position = new()
        {
            Head = head,
            HeadCycle = cycle,
            Tail = tail,
            RecordedTail = tail,
            IsClean = false,
            LastBlock = last,
            LastLsn = new LogSequenceNumber(header.Cycle, last),
            LastRecordSize = (int)Math.Min(header.RecordSize, LogRecordHeader.MaxRecordSize),
        };
        return EndsWithUnmount(head, last)
            ? position with { IsClean = true, Tail = new(cycle, head), RecordedTail = new(cycle, head) }
            : position;
    }

    /// <summary>Clean is a log whose last record reaches the head and holds one operation, an unmount; nothing else is asked.</summary>
    private bool EndsWithUnmount(uint head, uint last)
    {
        LogRecordHeader header = LogRecordHeader.At(Block(last));
        if (header.OperationCount != 1 || !ReachesTo(head, last, header, out int headers)) return false;
        Span<byte> block = stackalloc byte[LogRecordFormat.BasicBlock];
        _log.Read(_log.Advance(last, (uint)headers), block);
        return (LogOperationHeader.At(block).Flags & LogOperationHeader.Unmount) != 0;
    }

    /// <summary>
    /// The one record that has no checksum: mkfs's, or that of a tool that emptied the log. What it says must be credible, because
    /// a record whose checksum did not get to the disk looks the same.
    /// </summary>
    private bool IsUnsealedUnmount(uint last, uint head)
    {
        LogRecordHeader header = LogRecordHeader.At(Block(last));
        return header.Crc == 0 && (header.Uuid.IsNull || header.Uuid == _uuid) && new LogSequenceNumber(header.TailLsn).Block < _size && EndsWithUnmount(head, last);
    }

    /// <summary>
    /// Whether a record is there completely. The last one is asked before anything in its header is believed: a header that was
    /// half written can say anything about the tail and the file system.
    /// </summary>
    private bool IsWhole(uint last, uint head)
    {
        LogRecordHeader header = LogRecordHeader.At(Block(last));
        if (!ReachesTo(head, last, header, out int headers) || header.Length > (uint)(headers * LogRecordHeader.BytesPerHeader)) return false;
        byte[] record = new byte[headers * LogRecordFormat.BasicBlock + (int)Blocks(header.Length) * LogRecordFormat.BasicBlock];
        _log.Read(last, record);
        return IsIntact(record, headers);
    }

    private bool IsIntact(ReadOnlySpan<byte> record, int headers) =>
        LogRecordFormat.IsChecksumValid(record, headers) || (_mayLackChecksums && LogRecordHeader.At(record).Crc == 0);

    private bool ReachesTo(uint head, uint block, in LogRecordHeader header, out int headers)
    {
        headers = 0;
        if (header.RecordSize > LogRecordHeader.MaxRecordSize) return false;
        headers = LogRecordFormat.HeaderBlocks((int)header.RecordSize.Value);
        uint blocks = (uint)headers + Blocks(header.Length);
        return blocks <= _size && _log.Advance(block, blocks) == head;
    }

    /// <summary>The ring must run from tail to head without overtaking itself, and a dirty log holds at least one record.</summary>
    private void CheckRing(LogPosition p)
    {
        LogSequenceNumber tail = p.RecordedTail;
        bool same = p.HeadCycle == tail.Cycle && p.Head > tail.Block;
        bool around = p.HeadCycle == LogRecordFormat.NextCycle(tail.Cycle) && p.Head < tail.Block;
        if (!same && !around) throw Corrupt(p.LastBlock, $"the tail {tail} does not fit the head {p.HeadLsn}");
    }

    // ---- the head -------------------------------------------------------------------------------------------------

    private uint FindHead()
    {
        uint first = CycleAt(0), last = CycleAt(_size - 1), head, start;
        if (last == 0)
        {
            // Cycle 2 is there if the write that was to fill the ring reached around its end and got no further than that.
            if (first > 2) throw Corrupt(0, $"the log was not filled once, and begins in cycle {first}");
            // Not filled once: the head is the first block never written, or a hole some of the last writes left before it.
            head = FirstOf(0);
            start = head - Math.Min(head, CrashWindow);
            if (Search(start, head - start, 0) is uint hole) head = hole;
            return TrimPartialRecord(start, head, 0) ?? throw Corrupt(0, "no record before the first unused block");
        }

        uint stop;
        if (first == last)
        {
            // The head is the end of the ring, unless the last writes left a hole of the cycle before.
            head = _size;
            stop = last - 1;
        }
        else
        {
            stop = last;
            head = FirstOf(last);
        }
        uint window = Math.Min(_size, CrashWindow);
        if (head >= window)
        {
            if (Search(head - window, window, stop) is uint hole) head = hole;
        }
        else if (Search(_size - (window - head), window - head, stop - 1) is uint old)
        {
            // The window reaches around the ring: behind the head of one cycle ago only that cycle should be seen.
            head = old;
        }
        else if (Search(0, head, stop) is uint hole) head = hole;

        if (head >= RecordWindow)
            head = TrimPartialRecord(head - RecordWindow, head, 0) ?? throw Corrupt(head, "no record before the head");
        else if (TrimPartialRecord(0, head, 0) is uint trimmed)
            head = trimmed;
        else
        {
            // The last record begins before the end of the ring and may reach into its start.
            uint end = Math.Min(_size, RecordWindow - head);
            uint begin = TrimPartialRecord(_size - end, _size, head) ?? throw Corrupt(head, "no record before the head");
            if (begin != _size) head = begin;
        }
        return head == _size ? 0 : head;
    }

    /// <summary>
    /// If the record before <paramref name="end"/> does not reach exactly to it, it was not written completely and the head is
    /// its beginning. Null if block 0 is reached without meeting a record.
    /// </summary>
    /// <param name="extra">Blocks at the start of the ring that belong behind <paramref name="end"/>.</param>
    private uint? TrimPartialRecord(uint start, uint end, uint extra)
    {
        for (uint block = end; block-- > 0;)
        {
            if (block < start) throw Corrupt(end, "no record header where the one before the head should be");
            if (!IsHeader(block)) continue;
            uint head = extra == 0 ? (end == _size ? 0 : end) : extra;
            return ReachesTo(head, block, LogRecordHeader.At(Block(block)), out _) ? end : block;
        }
        return null;
    }

    /// <summary>Binary search for the first block of a cycle, given that the last block has it and the first has not.</summary>
    private uint FirstOf(uint cycle)
    {
        uint before = 0, at = _size - 1;
        while (at - before > 1)
        {
            uint middle = before + (at - before) / 2;
            if (CycleAt(middle) == cycle) at = middle;
            else before = middle;
        }
        return at;
    }

    /// <summary>The first block of a range that was written in a cycle.</summary>
    private uint? Search(uint start, uint count, uint cycle)
    {
        for (uint block = start; block < start + count; block++)
            if (CycleAt(block) == cycle) return block;
        return null;
    }

    // ---- torn writes ----------------------------------------------------------------------------------------------

    /// <summary>
    /// Up to eight records can have been under way when the power failed. The first of them whose checksum is wrong, and
    /// everything behind it, never happened: the head moves there and the tail is what the record before it said.
    /// </summary>
    /// <param name="count">Records to look back over.</param>
    /// <returns>Whether the head moved.</returns>
    private bool TrimTornWrites(ref uint head, ref uint tail, ref uint last, ref bool wrapped, int count)
    {
        if (count == 0) return false;
        if (!TrySeekBack(head, tail, count, out uint from, out _)) throw Corrupt(tail, "no record between tail and head");
        if (FirstBad(from, head) is not (uint bad, _)) return false;
        if (!TrySeekBack(bad, tail, 1, out last, out wrapped)) throw Corrupt(bad, "the only record is damaged");
        head = bad;
        tail = new LogSequenceNumber(HeaderAt(last).TailLsn).Block;
        return true;
    }

    /// <summary>
    /// Records at the tail may have been overwritten by writes that went around the ring and did not complete. Such a write
    /// was allowed only because those records were no longer needed, so the tail moves behind them.
    /// </summary>
    private LogSequenceNumber SkipOverwrittenTail(LogPosition position, uint tail)
    {
        uint head = position.Head;
        if (!TrySeekForward(tail, head, 1, out tail)) throw Corrupt(tail, "no record between tail and head");
        // Only what lies this close behind the head can have been hit by writes under way.
        long reach = (long)MostBuffers * Math.Max(LogRecordHeader.DefaultRecordSize, position.LastRecordSize) / LogRecordFormat.BasicBlock;
        while (FirstBad(tail, head) is (uint bad, string problem))
        {
            if (_log.Distance(head, bad) > reach || !TrySeekForward(bad, head, 2, out tail))
                throw Corrupt(bad, $"a record between tail and head is damaged: {problem}");
        }
        return new LogSequenceNumber(HeaderAt(tail).Cycle, tail);
    }

    private (uint Block, string Problem)? FirstBad(uint from, uint head)
    {
        LogRecordWalk walk = new(_log, from, head, _largestBuffer, keep: false);
        while (walk.TryNext(out LogRecord record))
            // A record without a checksum passes here and is refused when it is replayed.
            if (!IsIntact(record.Bytes.Span, record.HeaderBlocks))
                return (record.Block, "its checksum is wrong");
        return walk.Problem is string problem ? (walk.Block, problem) : null;
    }

    // ---- seeking --------------------------------------------------------------------------------------------------

    /// <summary>
    /// Goes back from the head, at most to the tail, until <paramref name="count"/> records have been met or no more are there.
    /// </summary>
    /// <param name="found">The last record met.</param>
    /// <param name="wrapped">The search went around: <paramref name="found"/> is behind the head in the ring.</param>
    private bool TrySeekBack(uint head, uint tail, int count, out uint found, out bool wrapped)
    {
        found = 0;
        wrapped = false;
        int met = 0;
        uint end = head > tail ? tail : 0;
        for (uint block = head; block-- > end;)
        {
            if (!IsHeader(block)) continue;
            found = block;
            if (++met == count) return true;
        }
        if (tail < head) return met > 0;
        for (uint block = _size; block-- > tail;)
        {
            if (!IsHeader(block)) continue;
            found = block;
            wrapped = true;
            if (++met == count) return true;
        }
        return met > 0;
    }

    /// <summary>Goes forward from the tail, at most to the head, to the <paramref name="count"/>th record.</summary>
    private bool TrySeekForward(uint tail, uint head, int count, out uint found)
    {
        found = 0;
        uint distance = _log.Distance(tail, head);
        for (uint i = 0; i < distance; i++)
        {
            uint block = _log.Advance(tail, i);
            if (!IsHeader(block)) continue;
            found = block;
            if (--count == 0) return true;
        }
        return false;
    }

    private bool IsHeader(uint block) => BinaryPrimitives.ReadUInt32BigEndian(Block(block)) == LogRecordHeader.MagicNumber;

    private uint CycleAt(uint block) => LogRecordFormat.CycleOf(Block(block));

    /// <summary>A record header that belongs to this file system and whose size can be believed.</summary>
    private LogRecordHeader HeaderAt(uint block)
    {
        LogRecordHeader header = LogRecordHeader.At(Block(block));
        if (!header.Uuid.IsNull && header.Uuid != _uuid) throw Corrupt(block, $"belongs to file system {header.Uuid}, this one is {_uuid}");
        return header;
    }

    private static uint Blocks(uint bytes) => bytes / LogRecordFormat.BasicBlock + (bytes % LogRecordFormat.BasicBlock == 0 ? 0u : 1u);

    /// <summary>One block, read with its neighbours: the searches go block by block in either direction.</summary>
    private ReadOnlySpan<byte> Block(uint block)
    {
        const uint count = 128;
        uint start = block / count * count;
        if (start != _windowStart)
        {
            uint blocks = Math.Min(count, _size - start);
            _log.Read(start, _window.AsSpan(0, (int)blocks * LogRecordFormat.BasicBlock));
            _windowStart = start;
        }
        return _window.AsSpan((int)(block - start) * LogRecordFormat.BasicBlock, LogRecordFormat.BasicBlock);
    }

    private static CorruptionException Corrupt(uint block, string problem) => new("log record", $"log block {block}", problem);
}
