using ImageFs.Devices;
using ImageFs.Format;

namespace ImageFs.Journal;

/// <summary>Replays a log: repeats on the device what the log says has happened.</summary>
/// <remarks>
/// The log is read twice. The first pass collects which blocks were freed (cancelled), because what was written to them
/// before must not be repeated: they may hold something else by now. The second repeats the rest, transaction by transaction:
/// <code>
///   transaction A            transaction B             transaction C
///   change block 7           free block 7: CANCEL 7    block 7 becomes a directory: change block 7
///      left out                 count of 7: 1 -> 0        repeated
/// </code>
/// A change is also left out if the block on the device says that it is newer (its LSN) and its checksum agrees: a block
/// that was being written when the power failed can claim any LSN. Nothing is written below the overlay, so a replay that
/// is interrupted, or refused half way, has not happened; and since what is on the device is never newer than the log says,
/// it can be repeated as often as one likes.
/// </remarks>
public sealed class Recovery
{
    private readonly RecoveryResult _result;
    private readonly CancelTable _cancelled = new();
    private readonly LogIntents _intents = new();
    private readonly RecoveryBuffers _buffers;
    private readonly RecoveryInodes _inodes;
    private readonly RecoveryDquots _dquots;
    private LogSequenceNumber _group;

    private readonly IReadOnlyList<LogTransaction> _behind;

    private Recovery(BlockDevice device, Geometry geometry, LogPosition position, long logBytes, bool past, IReadOnlyList<LogTransaction> behind, long mostBytes)
    {
        _result = new RecoveryResult(new OverlayDevice(device) { MostBytes = mostBytes }, position, geometry) { Skipped = past ? [] : null };
        _buffers = new RecoveryBuffers(_result, logBytes);
        _inodes = new RecoveryInodes(_result, _buffers);
        _dquots = new RecoveryDquots(_result, _buffers);
        _behind = behind;
    }

    /// <summary>Finds head and tail of the log and replays what lies between them into memory.</summary>
    /// <param name="device">Read only.</param>
    /// <param name="geometry">From the superblock on the device.</param>
    /// <param name="past">
    /// Goes on past what cannot be repeated: blocks that are damaged, and from the first damaged record on the log itself.
    /// <see cref="RecoveryResult.Skipped"/> says what that was.
    /// </param>
    /// <param name="remains">Replays only what is whole of a damaged log; null to look for head and tail.</param>
    /// <param name="mostBytes">The most memory for changed blocks; what is more goes to a temporary file.</param>
    /// <returns>
    /// The view of the device after the replay. Unfinished intents are handed back as they are, unlinked inodes and CoW
    /// staging are left to the volume.
    /// </returns>
    /// <exception cref="CorruptionException">The log, or a block it changes, makes no sense.</exception>
    /// <exception cref="XfsUnsupportedException">The log changes something that is not known here.</exception>
    public static RecoveryResult Replay(BlockDevice device, Geometry geometry, bool past = false, LogRemains? remains = null, long mostBytes = long.MaxValue)
    {
        if (device.Length < geometry.DeviceBytes)
            throw new CorruptionException("superblock", "dblocks", $"the file system has {geometry.DeviceBytes} bytes, the device {device.Length}");
        LogArea log = new(device, geometry);
        LogPosition position = remains?.Whole ?? LogScan.Find(log, geometry);
        // A clean log holds nothing that could be misunderstood.
        uint unknown = geometry.Superblock.FeaturesLogIncompat & ~(uint)LogIncompatFeatures.LoggedAttributes;
        if (unknown != 0 && !position.IsClean)
            throw new XfsUnsupportedException($"the log is dirty and may hold items of unknown kinds (log_incompat feature bits 0x{unknown:x})");
        long logBytes = (long)log.Distance(position.Tail.Block, position.Head) * LogRecordFormat.BasicBlock;
        Recovery recovery = new(device, geometry, position, logBytes, past, remains?.Behind ?? [], mostBytes);
        if (!position.IsClean) recovery.Run(new LogReader(log, position, geometry));
        return recovery._result;
    }

    private void Run(LogReader reader)
    {
        foreach (LogTransaction transaction in Readable(reader))
            foreach (LogItem item in transaction.Items) Collect(item);
        // What was freed behind the damage may hold somebody's data by now; nothing of the past is written there.
        foreach (LogItem item in _behind.SelectMany(t => t.Items))
            try
            {
                Collect(item);
            }
            catch (CorruptionException e) when (_result.Tolerates(e))
            {
            }

        foreach (LogTransaction transaction in Readable(reader))
        {
            // Several transactions can start in one record and then carry the same LSN. The blocks they change get it only
            // when all of them are repeated; otherwise the second would take the work of the first for its own.
            if (transaction.Lsn != _group) _buffers.EndGroup(_group);
            _group = transaction.Lsn;
            Repeat(transaction);
            _result.Transactions++;
        }
        _buffers.EndGroup(_group);
        _buffers.End();
        _inodes.End();
        _result.PendingIntents = _intents.Pending;
        try
        {
            RecoveryCounters.Rebuild(_result);
        }
        catch (CorruptionException e) when (_result.Tolerates(e))
        {
            // Whoever goes on past damage counts for himself.
        }
    }

    /// <summary>The transactions up to the first damaged record.</summary>
    private IEnumerable<LogTransaction> Readable(LogReader reader)
    {
        using IEnumerator<LogTransaction> transactions = reader.Transactions().GetEnumerator();
        while (true)
        {
            try
            {
                if (!transactions.MoveNext()) yield break;
            }
            catch (CorruptionException e) when (_result.Tolerates(e))
            {
                yield break;
            }
            yield return transactions.Current;
        }
    }

    private void Collect(LogItem item)
    {
        switch (item.Type)
        {
            case LogItemType.Buffer when BufferFormat.Read(item, _result.View.Length) is { IsCancel: true } buffer:
                _cancelled.Add(buffer.Address, buffer.Blocks);
                break;
            case LogItemType.QuotaOff:
                _dquots.CollectQuotaOff(item);
                break;
        }
    }

    /// <summary>
    /// Repeats the items of a transaction: first the buffers, because an inode may lie in a cluster that is among them; then
    /// inodes and all else; then the unlinked pointers in inode clusters; what it frees comes last.
    /// </summary>
    private void Repeat(LogTransaction transaction)
    {
        LogSequenceNumber lsn = transaction.Lsn;
        _inodes.Begin();
        for (Step step = Step.Buffers; step <= Step.Cancels; step++)
            foreach (LogItem item in transaction.Items)
                try
                {
                    Repeat(step, item, lsn);
                }
                catch (CorruptionException e) when (_result.Tolerates(e))
                {
                    // The other items do not depend on this one.
                }
    }

    private enum Step { Buffers, Items, UnlinkedPointers, Cancels }

    private void Repeat(Step step, LogItem item, LogSequenceNumber lsn)
    {
        switch (step)
        {
            case Step.Buffers when item.Type == LogItemType.InodeCreate:
                _inodes.Create(item, _cancelled);
                break;
            case Step.Buffers when AsBuffer(item) is { IsCancel: false, IsInodeBuffer: false } buffer:
                RepeatBuffer(item, buffer, lsn);
                break;
            case Step.Items when item.Type is not (LogItemType.Buffer or LogItemType.InodeCreate or LogItemType.QuotaOff):
                RepeatItem(item, lsn);
                break;
            case Step.UnlinkedPointers when AsBuffer(item) is { IsCancel: false, IsInodeBuffer: true } buffer:
                if (_cancelled.Contains(buffer.Address, buffer.Blocks)) _result.Cancelled++;
                else _inodes.RepeatUnlinked(item, buffer);
                break;
            case Step.Cancels when AsBuffer(item) is { IsCancel: true } buffer:
                _cancelled.Remove(buffer.Address, buffer.Blocks);
                _buffers.Forget(buffer.Offset, buffer.Length);
                _inodes.Forget(buffer.Offset, buffer.Length);
                break;
        }
    }

    private void RepeatItem(LogItem item, LogSequenceNumber lsn)
    {
        switch (item.Type)
        {
            case LogItemType.Inode:
                _inodes.Repeat(item, lsn, _cancelled);
                break;
            case LogItemType.Dquot:
                _dquots.Repeat(item, lsn);
                break;
            default:
                if (!_intents.TryTake(item, lsn))
                    throw new CorruptionException("log item", $"transaction {lsn}", $"type 0x{(ushort)item.Type:x4} is unknown");
                break;
        }
    }

    private BufferFormat? AsBuffer(LogItem item) => item.Type == LogItemType.Buffer ? BufferFormat.Read(item, _result.View.Length) : null;

    private void RepeatBuffer(LogItem item, in BufferFormat buffer, LogSequenceNumber lsn)
    {
        if (_cancelled.Contains(buffer.Address, buffer.Blocks)) _result.Cancelled++;
        else if (buffer.IsDquot) _dquots.RepeatBuffer(item, buffer);
        else _buffers.Repeat(item, buffer, lsn);
    }
}

/// <summary>The blocks that are freed between here and the head: how often each.</summary>
/// <remarks>Address and length must both match: a cluster of inodes is freed as a cluster.</remarks>
internal sealed class CancelTable
{
    private readonly Dictionary<(ulong Address, uint Blocks), int> _counts = [];

    public void Add(ulong address, uint blocks) => _counts[(address, blocks)] = _counts.GetValueOrDefault((address, blocks)) + 1;

    public bool Contains(ulong address, uint blocks) => _counts.ContainsKey((address, blocks));

    public void Remove(ulong address, uint blocks)
    {
        if (!_counts.TryGetValue((address, blocks), out int count)) return;
        if (count == 1) _counts.Remove((address, blocks));
        else _counts[(address, blocks)] = count - 1;
    }
}
