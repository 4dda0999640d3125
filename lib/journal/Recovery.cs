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

    private Recovery(BlockDevice device, Geometry geometry, LogPosition position, long logBytes)
    {
        _result = new RecoveryResult(new OverlayDevice(device), position, geometry);
        _buffers = new RecoveryBuffers(_result, logBytes);
        _inodes = new RecoveryInodes(_result, _buffers);
        _dquots = new RecoveryDquots(_result, _buffers);
    }

    /// <summary>Finds head and tail of the log and replays what lies between them into memory.</summary>
    /// <param name="device">Read only.</param>
    /// <param name="geometry">From the superblock on the device.</param>
    /// <returns>
    /// The view of the device after the replay. Unfinished intents are handed back as they are, unlinked inodes and CoW
    /// staging are left to the volume.
    /// </returns>
    /// <exception cref="CorruptionException">The log, or a block it changes, makes no sense.</exception>
    /// <exception cref="XfsUnsupportedException">The log changes something that is not known here.</exception>
    public static RecoveryResult Replay(BlockDevice device, Geometry geometry)
    {
        if (device.Length < geometry.DeviceBytes)
            throw new CorruptionException("superblock", "dblocks", $"the file system has {geometry.DeviceBytes} bytes, the device {device.Length}");
        LogArea log = new(device, geometry);
        LogPosition position = LogScan.Find(log, geometry);
        // A clean log holds nothing that could be misunderstood.
        uint unknown = geometry.Superblock.FeaturesLogIncompat & ~(uint)LogIncompatFeatures.LoggedAttributes;
        if (unknown != 0 && !position.IsClean)
            throw new XfsUnsupportedException($"the log is dirty and may hold items of unknown kinds (log_incompat feature bits 0x{unknown:x})");
        long logBytes = (long)log.Distance(position.Tail.Block, position.Head) * LogRecordFormat.BasicBlock;
        Recovery recovery = new(device, geometry, position, logBytes);
        if (!position.IsClean) recovery.Run(new LogReader(log, position, geometry));
        return recovery._result;
    }

    private void Run(LogReader reader)
    {
        foreach (LogTransaction transaction in reader.Transactions())
            foreach (LogItem item in transaction.Items) Collect(item);

        foreach (LogTransaction transaction in reader.Transactions())
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
        RecoveryCounters.Rebuild(_result);
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
        foreach (LogItem item in transaction.Items)
            if (item.Type == LogItemType.InodeCreate) _inodes.Create(item, _cancelled);
            else if (AsBuffer(item) is { IsCancel: false, IsInodeBuffer: false } buffer) RepeatBuffer(item, buffer, lsn);

        foreach (LogItem item in transaction.Items)
            switch (item.Type)
            {
                case LogItemType.Buffer or LogItemType.InodeCreate or LogItemType.QuotaOff:
                    break;
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

        foreach (LogItem item in transaction.Items)
            if (AsBuffer(item) is { IsCancel: false, IsInodeBuffer: true } buffer)
            {
                if (_cancelled.Contains(buffer.Address, buffer.Blocks)) _result.Cancelled++;
                else _inodes.RepeatUnlinked(item, buffer);
            }

        foreach (LogItem item in transaction.Items)
            if (AsBuffer(item) is { IsCancel: true } buffer)
            {
                _cancelled.Remove(buffer.Address, buffer.Blocks);
                _buffers.Forget(buffer.Offset, buffer.Length);
                _inodes.Forget(buffer.Offset, buffer.Length);
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
