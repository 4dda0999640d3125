using System.Buffers.Binary;
using ImageFs.Format;

namespace ImageFs.Journal;

/// <summary>Reads the committed transactions between the tail and the head of a log.</summary>
/// <remarks>
/// A record is a run of operations; each carries a region of an item of a transaction, or its start or its end:
/// <code>
///   START  header  item 1: format  contents  contents  item 2: format | contents ...  COMMIT
///                                                                     ^ a region can go on in the next record
/// </code>
/// Transactions may be interleaved. Those without a COMMIT before the head never happened.
/// </remarks>
public sealed class LogReader
{
    private const uint TransactionMagic = 0x5452414E; // "TRAN", in the writer's order
    private const int TransactionHeaderSize = 16;
    // What a writer keeps open at once is bounded by its memory; more than this is damage.
    private const int MostOpenTransactions = 1 << 16;
    private const int LargestRegion = 1 << 20;

    private readonly LogArea _log;
    private readonly LogPosition _position;
    private readonly Uuid _uuid;
    private readonly bool _mayLackChecksums;
    private readonly int _largestBuffer;

    /// <summary>Prepares to read what lies between tail and head.</summary>
    public LogReader(LogArea log, LogPosition position, Geometry geometry)
    {
        _log = log;
        _position = position;
        _uuid = geometry.Uuid;
        _mayLackChecksums = geometry.IsVersion4;
        _largestBuffer = LogScan.LargestBuffer(geometry.Superblock);
    }

    /// <summary>
    /// The transactions in the order of their COMMITs, which is the order in which they happened. Can be called again: it
    /// reads the log again, so that no more of it need be in memory than the transactions that are open.
    /// </summary>
    /// <exception cref="CorruptionException">A record is damaged or its operations make no sense.</exception>
    public IEnumerable<LogTransaction> Transactions()
    {
        if (_position.IsClean) yield break;
        Dictionary<uint, OpenTransaction> open = [];
        LogRecordWalk walk = new(_log, _position.Tail.Block, _position.Head, _largestBuffer, keep: true);
        while (walk.TryNext(out LogRecord record))
        {
            Check(record);
            LogRecordFormat.Unseal(record.Bytes.Span, record.HeaderBlocks);
            Operations operations = new(record);
            while (operations.TryNext(out Operation operation))
                if (Process(operation, record, open) is LogTransaction committed) yield return committed;
        }
        if (walk.Problem is string problem) throw Corrupt(walk.Block, problem);
    }

    /// <summary>What must hold before a record's operations are believed.</summary>
    private void Check(in LogRecord record)
    {
        ref readonly LogRecordHeader header = ref record.Header;
        if (header.Format != LogRecordHeader.FormatLinuxLittleEndian)
            throw Corrupt(record.Block, $"format {header.Format}, expected 1: written by a machine of another byte order");
        if (!header.Uuid.IsNull && header.Uuid != _uuid) throw Corrupt(record.Block, $"belongs to file system {header.Uuid}, this one is {_uuid}");
        // Records were without checksums once.
        if (_mayLackChecksums && header.Crc == 0) return;
        if (!LogRecordFormat.IsChecksumValid(record.Bytes.Span, record.HeaderBlocks))
            throw new CorruptionException("log record", $"log block {record.Block}",
                $"crc: found 0x{header.Crc.Value:x8}, the record's checksum is 0x{LogRecordFormat.Checksum(record.Bytes.Span, record.HeaderBlocks):x8}", Errno.EBADMSG);
    }

    /// <summary>An operation header and what follows it.</summary>
    private readonly record struct Operation(uint Transaction, byte Flags, ReadOnlyMemory<byte> Data);

    /// <summary>Goes through the operations of one record.</summary>
    private struct Operations(LogRecord record)
    {
        private ReadOnlyMemory<byte> _rest = record.Payload[..(int)Math.Min(record.Header.Length, (uint)record.Payload.Length)];
        private uint _left = record.Header.OperationCount;

        public bool TryNext(out Operation operation)
        {
            operation = default;
            // What follows the last counted operation is padding.
            if (_left == 0 || _rest.IsEmpty) return false;
            if (_rest.Length < LogOperationHeader.Size) throw Corrupt(record.Block, "an operation header reaches beyond the record");
            LogOperationHeader header = LogOperationHeader.At(_rest.Span);
            _rest = _rest[LogOperationHeader.Size..];
            if (header.Client is not (LogOperationHeader.ClientTransaction or LogOperationHeader.ClientLog))
                throw Corrupt(record.Block, $"operation of client 0x{header.Client:x2}, expected 0x69 or 0xaa");
            if (header.Length > (uint)_rest.Length) throw Corrupt(record.Block, $"an operation of {header.Length} bytes reaches beyond the record");
            operation = new Operation(header.TransactionId, header.Flags, _rest[..(int)header.Length.Value]);
            _rest = _rest[(int)header.Length.Value..];
            _left--;
            return true;
        }
    }

    private static LogTransaction? Process(in Operation operation, in LogRecord record, Dictionary<uint, OpenTransaction> open)
    {
        if (!open.TryGetValue(operation.Transaction, out OpenTransaction? transaction))
        {
            // Only a START begins one; the rest belongs to a transaction that started before the tail.
            if ((operation.Flags & LogOperationHeader.Start) == 0) return null;
            if (open.Count == MostOpenTransactions) throw Corrupt(record.Block, $"more than {MostOpenTransactions} transactions are open");
            open.Add(operation.Transaction, new OpenTransaction(record.Header.Lsn));
            return null;
        }

        int flags = operation.Flags & ~LogOperationHeader.End;
        if ((flags & LogOperationHeader.WasContinued) != 0) flags &= ~LogOperationHeader.Continue;
        switch (flags)
        {
            case 0 or LogOperationHeader.Continue:
                transaction.Add(operation.Data, record.Block);
                return null;
            case LogOperationHeader.WasContinued:
                transaction.Continue(operation.Data, record.Block);
                return null;
            case LogOperationHeader.Commit:
                open.Remove(operation.Transaction);
                return transaction.Commit(operation.Transaction, new(record.Header.Lsn), record.Block);
            case LogOperationHeader.Unmount:
                open.Remove(operation.Transaction);
                return null;
            default:
                throw Corrupt(record.Block, $"transaction 0x{operation.Transaction:x}: operation flags 0x{operation.Flags:x2} make no sense");
        }
    }

    private static CorruptionException Corrupt(uint block, string problem) => new("log record", $"log block {block}", problem);

    /// <summary>A transaction that has started and not yet ended.</summary>
    private sealed class OpenTransaction(ulong lsn)
    {
        private readonly List<LogItem> _items = [];
        private byte[]? _header;
        private int _headerFilled;
        // The region being put together from several records, grown in powers of two.
        private byte[]? _continued;

        /// <summary>Takes the first, or only, part of a region.</summary>
        public void Add(ReadOnlyMemory<byte> data, uint block)
        {
            if (data.IsEmpty) return;
            if (_header is null)
            {
                // The first region is the transaction's header; it can be split anywhere.
                if (data.Length > TransactionHeaderSize || data.Length < 4 || BinaryPrimitives.ReadUInt32LittleEndian(data.Span) != TransactionMagic)
                    throw Corrupt(block, "a transaction does not begin with its header");
                _header = new byte[TransactionHeaderSize];
                data.CopyTo(_header);
                _headerFilled = data.Length;
                return;
            }
            _continued = null;
            if (_items.Count == 0 || _items[^1].IsComplete)
            {
                // How many regions an item has is said in its first, of which at least that much must be in one piece.
                if (data.Length < 4) throw Corrupt(block, $"an item's format has {data.Length} bytes, at least 4 are needed");
                int regions = data.Span.U16(2);
                if (regions is 0 or > LogItem.MostRegions) throw Corrupt(block, $"an item has {regions} regions, 1..{LogItem.MostRegions} possible");
                _items.Add(new LogItem((LogItemType)data.Span.U16(0), regions));
            }
            _items[^1].Add(data);
        }

        /// <summary>Takes a further part of the region that was added last.</summary>
        public void Continue(ReadOnlyMemory<byte> data, uint block)
        {
            if (_items.Count == 0)
            {
                if (_header is null || data.Length > TransactionHeaderSize - _headerFilled)
                    throw Corrupt(block, "the continuation of nothing");
                data.CopyTo(_header.AsMemory(_headerFilled));
                _headerFilled += data.Length;
                return;
            }
            ref ReadOnlyMemory<byte> region = ref _items[^1].Last;
            int length = region.Length + data.Length;
            if (length > LargestRegion) throw Corrupt(block, $"a region of more than {LargestRegion} bytes");
            if (_continued is null || _continued.Length < length)
            {
                byte[] larger = new byte[Math.Max(2 * region.Length, length)];
                region.CopyTo(larger);
                _continued = larger;
            }
            data.CopyTo(_continued.AsMemory(region.Length));
            region = _continued.AsMemory(0, length);
        }

        public LogTransaction Commit(uint id, LogSequenceNumber commit, uint block)
        {
            if (_items.Count > 0 && !_items[^1].IsComplete)
                throw Corrupt(block, $"transaction 0x{id:x} ends in the middle of an item");
            return new LogTransaction(id, new(lsn), commit, _items);
        }
    }
}
