using System.Numerics;
using ImageFs.Devices;
using ImageFs.Format;
using ImageFs.Metadata;
using ImageFs.Transactions;

namespace ImageFs.Journal;

/// <summary>
/// Collects committed transactions into a checkpoint in memory, writes checkpoints to the log, and brings what they changed
/// home afterwards.
/// </summary>
/// <remarks>
/// The order that keeps the three promises:
/// <code>
///   file data                      already written by its caller
///   F1  flush                      data before reachability
///   L   records of the checkpoint
///   F2  flush                      the checkpoint is durable; blocks it freed may be reused
///   H   home writes, later         journal before home
///   F3  flush                      only now may the tail move over the checkpoint
/// </code>
/// Home writes happen only while no buffer has changes the log does not know: right after a checkpoint, when the log is half
/// full, and at unmount. So a block at home always is exactly what its LSN says.
/// </remarks>
internal sealed class Journal : ITransactionSink
{
    private readonly BlockDevice _device;
    private readonly Geometry _geometry;
    private readonly MetadataCache _cache;
    private readonly LogWriter _log;
    private readonly CheckpointBuilder _builder;
    private readonly List<MetadataBuffer> _pending = [];
    private readonly List<MetadataBuffer> _logged = [];
    private readonly HashSet<(long Offset, int Length)> _cancelled = [];
    private readonly List<InodeCreation> _created = [];
    private readonly List<StandingIntent> _standing = [];
    private bool _standingChanged;
    private LogSequenceNumber? _tail;
    private LogSequenceNumber _last;
    private long _pendingBytes;
    private uint _transactionId;
    private readonly Lock _dataFlush = new();
    private bool _dataWritten;
    private bool _dirty;

    /// <summary>A journal that goes on at a position of the log.</summary>
    /// <param name="isClean">The log ends with an unmount record: nothing need be written if nothing changes.</param>
    /// <param name="tail">Where the next recovery must begin although its blocks are home, because intents are not finished; usually none.</param>
    public Journal(BlockDevice device, MetadataCache cache, uint cycle, uint block, bool isClean, LogSequenceNumber? tail = null)
    {
        _device = device;
        _cache = cache;
        _geometry = cache.Geometry;
        _log = new LogWriter(device, _geometry, cycle, block, tail);
        _tail = tail;
        _builder = new CheckpointBuilder(_geometry);
        _transactionId = 0x49460000 ^ block ^ cycle << 20;
        _dirty = !isClean;
        long capacity = (long)_log.Capacity * LogRecordFormat.BasicBlock;
        SoftLimit = Math.Min(capacity / 8, 16L << 20);
        TransactionLimit = capacity / 4;
        _cache.Head = _log.Head;
    }

    /// <summary>Bytes of changes after which a checkpoint is written without being asked for; with 0 each transaction has its own.</summary>
    public long SoftLimit { get; set; }

    /// <summary>Bytes of changes one transaction may have; as if the log were smaller, if set to less.</summary>
    public long TransactionLimit { get; set; }

    /// <summary>Bytes of buffers after which long operations go on in another transaction.</summary>
    public long BatchLimit => SoftLimit / 4;

    /// <summary>Why the volume is shut down, if it is.</summary>
    public Exception? Failure { get; private set; }

    /// <summary>Checkpoints written so far.</summary>
    public long Checkpoints { get; private set; }

    /// <summary>True while committed changes are not durable.</summary>
    public bool HasPending => _pending.Count > 0 || _cancelled.Count > 0 || _standingChanged;

    /// <summary>Where the next record will lie.</summary>
    public LogSequenceNumber Head => _log.Head;

    /// <summary>While true, all transactions join one checkpoint, however large it gets.</summary>
    public bool IsHeld { get; set; }

    /// <summary>
    /// The transaction that was just committed leaves this of an intent: it becomes durable with the next checkpoint, and every
    /// checkpoint from then on repeats what is left, so that the tail can follow. Called before anything else is committed.
    /// </summary>
    /// <param name="rest">Null if nothing is left.</param>
    public void Stand(StandingIntent intent, PendingIntent? rest)
    {
        if (!_standing.Contains(intent)) _standing.Add(intent);
        intent.Rest = rest;
        _standingChanged = true;
    }

    /// <summary>Called whenever a checkpoint has become durable: freed blocks may be reused.</summary>
    public Action? Durable { get; set; }

    /// <summary>File data was written to the device: it must be durable before any later checkpoint. Called by any thread, after the write.</summary>
    public void NoteData() => Volatile.Write(ref _dataWritten, true);

    /// <summary>Makes file data written so far durable. Called by any thread; a checkpoint waits for it.</summary>
    /// <exception cref="XfsShutdownException">The device failed; so does everything after.</exception>
    public void FlushData()
    {
        CheckAlive();
        try
        {
            // Under a lock: who finds nothing to flush must not go on before the one who flushes is done.
            lock (_dataFlush)
                if (Interlocked.Exchange(ref _dataWritten, false)) _device.Flush();
        }
        catch (Exception why)
        {
            ShutDown(why);
            throw new XfsShutdownException($"the volume was shut down while its data was flushed: {why.Message}", why);
        }
    }

    /// <summary>Throws if the volume is shut down.</summary>
    public void CheckAlive()
    {
        if (Failure is not null) throw new XfsShutdownException($"the volume was shut down: {Failure.Message}", Failure);
    }

    /// <summary>Remembers the first failure; every later call throws it.</summary>
    public void ShutDown(Exception why) => Failure ??= why;

    /// <inheritdoc/>
    public void Accept(Transaction transaction)
    {
        CheckAlive();
        long bytes = LogSize.Bound(transaction);
        if (bytes > TransactionLimit && (bytes = LogSize.Of(transaction)) > TransactionLimit)
            throw new XfsException(Errno.EFBIG, $"a transaction of {bytes} bytes does not fit the log: at most {TransactionLimit}");

        foreach (TransactionEntry entry in transaction.Entries) Accept(entry);
        foreach ((long offset, int length) in transaction.InvalidatedUnread)
        {
            // In memory at most as something of another length, which it is no more either.
            if (_cache.Find(offset) is MetadataBuffer other && other.Length != length) _cache.Remove(other);
            Cancel(offset, length);
        }
        foreach (InodeCreation creation in transaction.InodeCreations)
        {
            _created.Add(creation);
            _pendingBytes += 64;
        }
    }

    private void Accept(TransactionEntry entry)
    {
        MetadataBuffer buffer = entry.Buffer;
        if (entry.Invalidated)
        {
            _cache.Remove(buffer);
            buffer.IsPending = buffer.IsLogged = false;
            if (entry.Before is not null || entry.Replaced is not null) Cancel(buffer.Offset, buffer.Length);
            return;
        }
        if (entry.Created) _cancelled.Remove((buffer.Offset, buffer.Length));

        bool changed;
        if (buffer.Kind == BlockKind.InodeCluster)
            changed = CompareInodes(buffer, entry.Template ?? entry.Before!) | entry.Created;
        else if (entry.Created)
        {
            buffer.IsNew = true;
            Array.Fill(buffer.Dirty, ulong.MaxValue);
            _pendingBytes += buffer.Length;
            changed = true;
        }
        else
            changed = CompareChunks(buffer, entry.Before!);
        if (changed && !buffer.IsPending)
        {
            buffer.IsPending = true;
            _pending.Add(buffer);
            _pendingBytes += LogSize.ItemOverhead;
        }
    }

    private bool CompareChunks(MetadataBuffer buffer, byte[] before)
    {
        ReadOnlySpan<byte> now = buffer.Data;
        bool changed = false;
        for (int chunk = 0, at = 0; at < now.Length; chunk++, at += LogBufferItem.ChunkSize)
        {
            if (now.Slice(at, LogBufferItem.ChunkSize).SequenceEqual(before.AsSpan(at, LogBufferItem.ChunkSize))) continue;
            changed = true;
            ulong bit = 1UL << (chunk & 63);
            if ((buffer.Dirty[chunk >> 6] & bit) != 0) continue;
            buffer.Dirty[chunk >> 6] |= bit;
            _pendingBytes += LogBufferItem.ChunkSize + LogOperationHeader.Size;
        }
        return changed;
    }

    private bool CompareInodes(MetadataBuffer buffer, byte[] before)
    {
        int size = _geometry.InodeSize, count = buffer.Length / size;
        bool changed = false;
        for (int slot = 0, at = 0; slot < count; slot++, at += size)
        {
            ReadOnlySpan<byte> now = buffer.Data.Slice(at, size), old = before.AsSpan(at, size);
            if (now.SequenceEqual(old)) continue;
            InodeSlotChange change = InodeSlotChange.None;
            const int next = InodeCore.NextUnlinkedOffset;
            if (!now.Slice(next, 4).SequenceEqual(old.Slice(next, 4))) change |= InodeSlotChange.NextUnlinked;
            if (!now[..next].SequenceEqual(old[..next]) || !now[(next + 4)..InodeCore.Size].SequenceEqual(old[(next + 4)..InodeCore.Size]))
                change |= InodeSlotChange.Core;
            int fork = InodeCore.At(now).DataForkSize(size), oldFork = InodeCore.At(old).DataForkSize(size);
            int attr = InodeCore.Size + fork;
            if (!now[InodeCore.Size..attr].SequenceEqual(old[InodeCore.Size..attr])) change |= InodeSlotChange.DataFork | InodeSlotChange.Core;
            if (!now[attr..].SequenceEqual(old[attr..])) change |= InodeSlotChange.AttrFork | InodeSlotChange.Core;
            if (fork != oldFork || InodeCore.At(now).DataFormat != InodeCore.At(old).DataFormat || InodeCore.At(now).AttrFormat != InodeCore.At(old).AttrFormat)
                change |= InodeSlotChange.DataFork | InodeSlotChange.AttrFork | InodeSlotChange.Core;
            buffer.Slots ??= new InodeSlotChange[count];
            if ((buffer.Slots[slot] & InodeSlotChange.Core) == 0) _pendingBytes += LogSize.OfInode(size);
            buffer.Slots[slot] |= change;
            changed = true;
        }
        return changed;
    }

    /// <summary>A block stops being metadata with the next checkpoint.</summary>
    private void Cancel(long offset, int length)
    {
        _pendingBytes += 48;
        _cancelled.Add((offset, length));
        int covering = _created.FindIndex(c => offset >= _geometry.ByteOffset(c.Ag, c.Start) && offset < _geometry.ByteOffset(c.Ag, c.Start + c.Blocks));
        if (covering >= 0) _created.RemoveAt(covering);
    }

    /// <inheritdoc/>
    public void Aborted(Transaction transaction) { }

    /// <inheritdoc/>
    public void Settled()
    {
        if (_pendingBytes > SoftLimit && !IsHeld) Checkpoint();
    }

    /// <summary>Makes everything committed so far, and all data written before, durable.</summary>
    /// <exception cref="XfsShutdownException">The device failed; so does everything after.</exception>
    public void Checkpoint()
    {
        FlushData();
        try
        {
            if (!HasPending) return;
            WriteCheckpoint();
        }
        catch (Exception why)
        {
            ShutDown(why);
            throw new XfsShutdownException($"the volume was shut down while its log was written: {why.Message}", why);
        }
        Durable?.Invoke();
        if (_log.Used(_tail!.Value) > _log.Capacity / 2) WriteBack();
    }

    private void WriteCheckpoint()
    {
        LogSequenceNumber start = _log.Head;
        _builder.Clear();
        _builder.BeginTransaction(++_transactionId);
        foreach ((long offset, int length) in _cancelled) _builder.AddCancel(offset, length);
        foreach (InodeCreation creation in _created) _builder.AddInodeCreate(creation);
        foreach (MetadataBuffer buffer in _pending)
        {
            if (!buffer.IsPending) continue; // freed since
            if (BlockVerifier.VerifyForWrite(buffer.Kind, buffer.Data, _geometry, buffer.Offset) is Fault fault)
                throw new InvariantException($"internal error: a {buffer.Kind.Name()} at {_cache.Where(buffer.Offset)} was about to be logged with {fault}");
            if (buffer.Kind == BlockKind.InodeCluster) AddInodes(buffer, start);
            else
            {
                System.Buffers.Binary.BinaryPrimitives.WriteUInt64BigEndian(buffer.Bytes[buffer.Kind.LsnOffset()..], start.Value);
                _builder.AddBuffer(buffer);
            }
        }
        LogStanding(start);
        _builder.SealHeader();

        uint needed = _log.BlocksFor(_builder.Bytes.Length, _builder.Regions.Count);
        uint used = _tail is LogSequenceNumber tail ? _log.Used(tail) : 0;
        Invariant.Holds(used + needed + _log.Reserve < _log.Capacity, $"a checkpoint of {needed} log blocks fits beside {used} of {_log.Capacity}");
        _log.WriteCheckpoint(_transactionId, _builder.Bytes, _builder.Regions, _tail);
        _tail ??= start;
        _last = start;
        _dirty = true;
        Checkpoints++;
        _cache.Head = _log.Head;

        foreach (MetadataBuffer buffer in _pending)
        {
            if (!buffer.IsPending) continue;
            buffer.IsPending = buffer.IsNew = false;
            Array.Clear(buffer.Dirty);
            if (buffer.Slots is not null) Array.Clear(buffer.Slots);
            if (buffer.IsLogged) continue;
            buffer.IsLogged = true;
            _logged.Add(buffer);
        }
        _pending.Clear();
        _cancelled.Clear();
        _created.Clear();
        _standing.RemoveAll(intent => intent.Rest is null);
        _standingChanged = false;
        _pendingBytes = 0;
    }

    private void LogStanding(LogSequenceNumber start)
    {
        foreach (StandingIntent intent in _standing)
            if (intent.Logged is not null) _builder.AddDone(intent.Logged);
        // No other intent of this log has the number: its place is above the bits of any block.
        ulong id = start.Value;
        foreach (StandingIntent intent in _standing)
        {
            if (intent.Rest is null) continue;
            intent.Logged = intent.Rest with { Id = id += 1 << 24 };
            _builder.AddIntent(intent.Logged);
        }
    }

    private void AddInodes(MetadataBuffer cluster, LogSequenceNumber start)
    {
        if (cluster.Slots is null) return; // created by an inode-create item and untouched since
        bool unlinked = false;
        for (int slot = 0; slot < cluster.Slots.Length; slot++)
        {
            InodeSlotChange change = cluster.Slots[slot];
            if (change == InodeSlotChange.None) continue;
            Span<byte> inode = cluster.Bytes.Slice(slot * _geometry.InodeSize, _geometry.InodeSize);
            cluster.ChecksumDue ??= new bool[cluster.Slots.Length];
            cluster.ChecksumDue[slot] = true;
            unlinked |= (change & InodeSlotChange.NextUnlinked) != 0;
            if ((change & ~InodeSlotChange.NextUnlinked) == 0) continue;
            InodeCore.At(inode).Lsn = start.Value;
            _builder.AddInode(cluster, slot, change);
        }
        if (unlinked) _builder.AddUnlinkedPointers(cluster);
    }

    /// <summary>
    /// Brings every block the log knows home and moves the tail over them, but not over what is left of intents. Nothing may be
    /// pending: what goes home is exactly what the log says.
    /// </summary>
    public void WriteBack()
    {
        CheckAlive();
        Invariant.Holds(!HasPending, "home writes follow a checkpoint");
        try
        {
            _logged.RemoveAll(b => !b.IsLogged);
            _logged.Sort((a, b) => a.Offset.CompareTo(b.Offset));
            WriteHome(_logged);
            _device.Flush();
        }
        catch (Exception why)
        {
            ShutDown(why);
            throw new XfsShutdownException($"the volume was shut down while metadata was written home: {why.Message}", why);
        }
        foreach (MetadataBuffer buffer in _logged) buffer.IsLogged = false;
        _logged.Clear();
        _tail = _standing.Count > 0 ? _last : null;
    }

    /// <summary>Writes sorted buffers, neighbours in one piece.</summary>
    private void WriteHome(List<MetadataBuffer> buffers)
    {
        byte[] run = new byte[1 << 20];
        int filled = 0;
        long start = 0;
        foreach (MetadataBuffer buffer in buffers)
        {
            SealHome(buffer);
            if (filled > 0 && (buffer.Offset != start + filled || filled + buffer.Length > run.Length))
            {
                _device.Write(start, run.AsSpan(0, filled));
                filled = 0;
            }
            if (filled == 0) start = buffer.Offset;
            buffer.Data.CopyTo(run.AsSpan(filled));
            filled += buffer.Length;
        }
        if (filled > 0) _device.Write(start, run.AsSpan(0, filled));
    }

    private void SealHome(MetadataBuffer buffer)
    {
        if (buffer.Kind != BlockKind.InodeCluster)
        {
            Crc32c.Stamp(buffer.Bytes, buffer.Kind.CrcOffset());
            return;
        }
        if (buffer.ChecksumDue is null) return;
        for (int slot = 0; slot < buffer.ChecksumDue.Length; slot++)
            if (buffer.ChecksumDue[slot])
                Crc32c.Stamp(buffer.Bytes.Slice(slot * _geometry.InodeSize, _geometry.InodeSize), InodeCore.CrcOffset);
        Array.Clear(buffer.ChecksumDue);
    }

    /// <summary>
    /// Writes everything home and ends the log with an unmount record, so that the next mount replays nothing. Does nothing
    /// if the image was clean and nothing changed.
    /// </summary>
    public void Unmount()
    {
        Checkpoint();
        if (!_dirty) return;
        WriteBack();
        try
        {
            _log.WriteUnmount();
        }
        catch (Exception why)
        {
            ShutDown(why);
            throw new XfsShutdownException($"the volume was shut down while its log was closed: {why.Message}", why);
        }
        _dirty = false;
    }

    /// <summary>True if the log on the device is not marked clean.</summary>
    public bool IsDirty => _dirty || HasPending;
}
