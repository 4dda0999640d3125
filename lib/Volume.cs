using System.Collections.Concurrent;
using ImageFs.Allocation;
using ImageFs.Attributes;
using ImageFs.Dax;
using ImageFs.Devices;
using ImageFs.Directories;
using ImageFs.Extents;
using ImageFs.Format;
using ImageFs.Inodes;
using ImageFs.Journal;
using ImageFs.Metadata;
using ImageFs.Recovering;
using ImageFs.Transactions;

namespace ImageFs;

/// <summary>
/// A mounted file system: the device, the metadata gate, the journal, the groups and the inodes in use. Everything above
/// works through it; it alone knows the order of mount, recovery and unmount.
/// </summary>
/// <remarks>
/// <see cref="Gate"/> is held for everything that reads or changes metadata: one metadata writer at a time. A transaction
/// never waits for anything while it runs; checkpoints happen between transactions, and none while an
/// atomic group runs. The bytes of open files are guarded by
/// each inode's <see cref="OpenInode.Io"/>, which is taken first: reads and overwrites in place do without the gate.
/// </remarks>
internal sealed partial class Volume : IAttributeHome, IDisposable
{
    /// <summary>Seconds after which staged blocks that no write came back to are freed.</summary>
    private const long CowLifetime = 300;

    /// <summary>Seconds between two looks for such blocks.</summary>
    private const long CowInterval = 30;

    private readonly BlockDevice _device;
    private readonly bool _ownsDevice;
    private readonly Dictionary<ulong, OpenInode> _open = [];
    private readonly BlockDevice _mapped, _copied;
    private readonly ConcurrentQueue<OpenInode> _overwritten = [];
    private readonly ConcurrentDictionary<OpenInode, bool> _written = [];
    private Timestamp _collected;
    private bool _closing;
    // An error kept an inode without a name, or staged blocks, from being freed: tried again at unmount.
    private bool _hasLeftovers;
    // The first change here ends that.
    private bool _usageIsCounted;
    private volatile bool _disposed;

    private Volume(BlockDevice device, bool ownsDevice, Geometry geometry, RecoveryResult recovery, bool writable, string readOnlyReason, DirectAccess access, long cacheBytes)
    {
        _ownsDevice = ownsDevice;
        _device = device;
        Recovery = recovery;
        IsWritable = writable;
        ReadOnlyReason = readOnlyReason;
        // A reader of a dirty image keeps looking through the overlay; a writer has applied it.
        Data = writable || recovery.WasClean ? device : recovery.View;
        Cache = new MetadataCache(Data, geometry, cacheBytes);
        Groups = new AllocationGroups(Cache);
        Inodes = new InodeStore(Cache);
        InodeAllocator = new InodeAllocator(Groups);
        Unlinked = new UnlinkedLists(Groups, Inodes);
        Map = new BlockMap(Groups)
        {
            Changing = (tx, inode, from, end) =>
            {
                Layouts!.Changing(tx, inode, from, end);
                Find(inode.Number)?.Extents.Forget(from, end);
            },
        };
        Directories = new RecentDirectories(Groups, Map, Inodes);
        Cache.Evicted = Directories.ForgetBlocks;
        Layouts = new LayoutTable(this);
        DirectAccess = access;
        _copied = (Data as MappedDevice)?.File ?? Data;
        // The gate before bytes move through a mapping; the device has checked lock, length and kind of file.
        _mapped = geometry.BlockSize % Environment.SystemPageSize == 0 ? Data : _copied;
        Cache.Head = recovery.Position.HeadLsn;
        if (!writable) return;
        _usageIsCounted = QuotaCheck.IsCounted(geometry.Superblock);
        Journal = new Journal.Journal(device, Cache, recovery.Position.HeadCycle, recovery.Position.Head, recovery.WasClean)
        {
            Durable = () =>
            {
                Groups.Busy.Clear();
                Groups.Unshared.Clear();
            },
        };
    }

    /// <summary>Held by whoever reads or changes metadata.</summary>
    public Lock Gate { get; } = new();

    /// <summary>True once nothing can be read any more.</summary>
    public bool IsClosed => _disposed;

    /// <summary>Where file data is read and written.</summary>
    public BlockDevice Data { get; }

    /// <summary>The same bytes: in memory, if the file is accessed directly and the image allows it.</summary>
    /// <param name="file">Null where it is not at hand: then only what is true of all files counts.</param>
    public BlockDevice DataOf(OpenInode? file = null) => (file?.IsDirect ?? DirectAccess == DirectAccess.Always) ? _mapped : _copied;

    /// <summary>The device, if it is mapped as a whole and holds what is read here.</summary>
    public MappedDevice? Mapped => Data as MappedDevice;

    /// <summary>Which files are accessed directly.</summary>
    public DirectAccess DirectAccess { get; }

    /// <summary>Files that are mapped, leased or sealed.</summary>
    public LayoutTable Layouts { get; }

    public Geometry Geometry => Cache.Geometry;
    public MetadataCache Cache { get; }
    public AllocationGroups Groups { get; }
    public InodeStore Inodes { get; }
    public InodeAllocator InodeAllocator { get; }
    public UnlinkedLists Unlinked { get; }
    public BlockMap Map { get; }
    public RecentDirectories Directories { get; }
    public Journal.Journal? Journal { get; }
    void IAttributeHome.NoteData() => Journal!.NoteData();
    public RecoveryResult Recovery { get; }
    public bool IsWritable { get; }

    /// <summary>Why the volume is read-only, in words; empty when that was asked for or when it is not.</summary>
    public string ReadOnlyReason { get; }

    /// <summary>Source of "now"; tests set it.</summary>
    public Func<Timestamp> Clock { get; set; } = () => Timestamp.Now;

    /// <summary>The root directory.</summary>
    public InodeNumber Root => new(Geometry.Superblock.RootInode);

    /// <summary>
    /// Reads the superblock, replays the log if it is dirty, and finishes what a crash left: inodes without a name, blocks
    /// staged for copy-on-write.
    /// </summary>
    /// <exception cref="CorruptionException">Not an XFS image, or a damaged one.</exception>
    /// <exception cref="XfsUnsupportedException">A feature that is refused by name.</exception>
    public static Volume Mount(BlockDevice device, bool write, bool ownsDevice = true, DirectAccess access = DirectAccess.Never, long cacheBytes = 0)
    {
        Geometry geometry = PrimarySuperblock.Read(device, out bool isTorn);
        SuperblockVerifier.Verdict verdict = SuperblockVerifier.Judge(geometry.Superblock);
        if (verdict.Level == Support.Refused) throw new XfsUnsupportedException($"this XFS image is not supported: {verdict.Reason}");
        if (write && verdict.Level != Support.Write) throw new XfsUnsupportedException($"this XFS image can only be read: {verdict.Reason}");
        if (write && !device.CanWrite) throw new XfsException(Errno.EROFS, "the device was opened for reading only");
        if (device.Length < geometry.DeviceBytes)
            throw new CorruptionException("superblock", "byte 0", $"the file system has {geometry.DeviceBytes} bytes, the image only {device.Length}: it was truncated");

        RecoveryResult recovery = ImageFs.Journal.Recovery.Replay(device, geometry);
        // Blocks that a log of version 4 promises to free are free or not: what can be read is the same.
        if (geometry.IsVersion4) recovery.PendingIntents = [];
        if (isTorn && recovery.WasClean) throw PrimarySuperblock.NothingToReplay();
        recovery.RequireKnownIntents();
        if (recovery.PendingIntents.Count > 0 && verdict.Level != Support.Write)
            throw new XfsUnsupportedException($"the log holds unfinished intents, and this XFS image can only be read: {verdict.Reason}");
        geometry = recovery.Geometry;
        if (write)
        {
            IntentFinisher.Rehearse(recovery);
            if (!recovery.WasClean) recovery.View.Apply();
            LogTail.ClearStale(device, geometry, recovery.Position);
            IntentFinisher.Finish(device, recovery);
        }
        else IntentFinisher.FinishInMemory(recovery);
        Volume volume = new(device, ownsDevice, geometry, recovery, write, write ? "" : verdict.Reason, access, cacheBytes);
        if (write) volume.FreeLeftovers(unlinked: !recovery.WasClean);
        return volume;
    }

    /// <summary>The geometry of an image, or the reason why it has none.</summary>
    internal static Geometry ReadSuperblock(BlockDevice device) => PrimarySuperblock.Read(device, out _);

    /// <summary>Throws once the volume is closed: what is in memory says nothing about an image that others may be changing by now.</summary>
    public void RequireOpen() => ObjectDisposedException.ThrowIf(_disposed, typeof(FileSystem));

    /// <summary>Throws unless the volume may be changed now.</summary>
    public void RequireWritable()
    {
        RequireOpen();
        if (Journal is null) throw new XfsException(Errno.EROFS, ReadOnlyReason.Length == 0 ? "the image was opened for reading only" : $"the image can only be read: {ReadOnlyReason}");
        Journal.CheckAlive();
    }

    /// <summary>
    /// Runs one transaction. If space is missing only because freed blocks wait for a checkpoint, or is staged for writes that
    /// never came, makes it available and runs it once more.
    /// </summary>
    public T Run<T>(Func<Transaction, T> work)
    {
        lock (Gate) return RunInside(work);
    }

    /// <summary>Before the first change, and never as part of a group that may leave no trace.</summary>
    private void ForgetUsage()
    {
        if (!_usageIsCounted) return;
        _usageIsCounted = false;
        try
        {
            RunInside(tx =>
            {
                QuotaCheck.Forget(tx, Geometry);
                return true;
            });
        }
        catch
        {
            _usageIsCounted = true;
            throw;
        }
    }

    private T RunInside<T>(Func<Transaction, T> work)
    {
        RequireWritable();
        if (_group is null) ForgetUsage();
        for (int attempt = 0; ; attempt++)
        {
            Cache.Trim();
            Transaction tx = _group?.Begin() ?? new(Cache, Journal!);
            Groups.Running = tx;
            try
            {
                T result = work(tx);
                List<FreedExtent> freed = tx.Freed;
                if (freed.Count > 0) tx.WhenCommitted(() => Groups.Busy.Add(freed), () => Groups.Busy.Remove(freed));
                if (Layouts.Any) tx.WhenCommitted(Layouts.FollowSizes, undo: null);
                tx.Commit();
                return result;
            }
            catch (XfsNoSpaceException) when (attempt < 2 && _group is null)
            {
                Abort(tx);
                if (attempt == 0 && Groups.Busy.Any) Journal!.Checkpoint();
                else if (CollectCow() == 0) throw;
                else Journal!.Checkpoint();
            }
            catch (Exception why)
            {
                Abort(tx);
                if (why is InvariantException) Journal!.ShutDown(why);
                if (why is XfsException { Errno: Errno.ENOSPC or Errno.EFBIG } shortage) _group?.Fail(shortage);
                throw;
            }
            finally
            {
                Groups.Running = null;
            }
        }
    }

    private void Abort(Transaction tx)
    {
        tx.Abort();
        Groups.Busy.NoteAbort();
        Map.ForgetDirectories();
    }

    /// <inheritdoc cref="Run{T}"/>
    public void Run(Action<Transaction> work) => Run(tx =>
    {
        work(tx);
        return true;
    });

    /// <summary>
    /// Runs a long operation as one transaction after the other, each with as many steps as a checkpoint has room for, and one
    /// at least. What a power cut leaves is a first part of it.
    /// </summary>
    /// <typeparam name="T">How far it got: a value, so that a transaction that is repeated begins where it began.</typeparam>
    /// <param name="step">Goes on from a place and moves it; false if nothing is left.</param>
    /// <param name="most">Steps of one transaction.</param>
    /// <param name="ending">Called at the end of each transaction with the place it reached, and whether it is the last.</param>
    /// <returns>The place where it ended.</returns>
    public T RunInPieces<T>(T place, Step<T> step, int most = 512, Action<Transaction, T, bool>? ending = null) where T : struct
    {
        for (bool more = true; more;)
            (place, more) = Run(tx =>
            {
                T at = place;
                bool goesOn = step(tx, ref at);
                for (int steps = 1; goesOn && steps < most && tx.Bytes < Journal!.BatchLimit; steps++) goesOn = step(tx, ref at);
                ending?.Invoke(tx, at, !goesOn);
                return (at, goesOn);
            });
        return place;
    }

    /// <summary>One step of a long operation.</summary>
    public delegate bool Step<T>(Transaction tx, ref T place);

    /// <summary>Extents whose change is sure to fit one transaction: what each may change in bmbt and rmapbt is less than a KiB of log.</summary>
    public ulong MostExtentsAtOnce => (ulong)Journal!.TransactionLimit / 1024;

    /// <summary>What is known of an inode that is open or has staged blocks; made on first use. Under the gate.</summary>
    public OpenInode Hold(InodeNumber number)
    {
        ObjectDisposedException.ThrowIf(_closing, this);
        if (!_open.TryGetValue(number.Value, out OpenInode? inode)) _open[number.Value] = inode = new OpenInode(this, Inodes.Get(number));
        inode.Holders++;
        return inode;
    }

    /// <summary>The opposite of <see cref="Hold"/>: the last holder frees staged blocks, and the inode itself if it has no name.</summary>
    public void Release(OpenInode inode)
    {
        lock (Gate)
        {
            if (_disposed || inode.Holders > 1 || inode.IsGone || Defers(inode))
            {
                inode.Holders--;
                return;
            }
        }
        // Perhaps the last one. A call that still runs on the handle that is being closed must end before blocks are freed.
        using IoHold alone = IoHold.Enter(inode, IoMode.Exclusive);
        lock (Gate)
            if (--inode.Holders == 0 && !_disposed) Forget(inode);
    }

    private void Forget(OpenInode inode)
    {
        if (Journal is { Failure: null }) SettleTimes();
        _open.Remove(inode.Inode.Number.Value);
        _written.TryRemove(inode, out _);
        if (Journal is null || Journal.Failure is not null) return;
        try
        {
            inode.Cow.CancelAll();
            if (inode.Inode.Core.Mode == 0) return;
            FileData data = new(this);
            if (inode.Inode.Core.LinkCount == 0) data.Inactivate(inode.Inode);
            else data.FreeBehindEnd(inode.Inode);
        }
        catch
        {
            _hasLeftovers = true;
            throw;
        }
    }

    /// <summary>What is known of an inode if somebody has it open. Under the gate.</summary>
    public OpenInode? Find(InodeNumber number) => _open.GetValueOrDefault(number.Value);

    /// <summary>True while somebody has the inode open.</summary>
    public bool IsHeld(InodeNumber number) => _open.ContainsKey(number.Value);

    /// <summary>Frees blocks staged for copy-on-write that no write waits for.</summary>
    /// <param name="unusedSince">Only of files whose staging no write has touched after this; null for all.</param>
    /// <returns>Blocks freed.</returns>
    public ulong CollectCow(Timestamp? unusedSince = null)
    {
        ulong blocks = 0;
        foreach (OpenInode inode in _open.Values)
            if (unusedSince is not Timestamp time || inode.Cow.LastUse.Seconds <= time.Seconds && !Layouts.IsBeingStoredInto(inode.Inode.Number)) blocks += inode.Cow.CancelReserved();
        return blocks;
    }

    /// <summary>Makes everything done so far durable.</summary>
    public void Flush()
    {
        RequireOpen();
        if (Journal is null) return;
        lock (Gate) RequireNoGroup("nothing can be made durable inside it");
        foreach (OpenInode inode in _written.Keys)
        {
            // To be alone in the file, with nothing left to be mapped, is all that is wanted.
            using IoHold alone = IoHold.Enter(inode, IoMode.Exclusive);
            if (inode.Cow.Written == 0) _written.TryRemove(inode, out _);
        }
        if (Layouts.HasWriters) Journal.NoteData();
        // Most of the waiting happens here, where it is in nobody's way.
        Journal.FlushData();
        lock (Gate)
        {
            RequireNoGroup("nothing can be made durable inside it");
            SettleTimes();
            CollectOldCow();
            Journal.Checkpoint();
        }
    }

    /// <summary>A file has blocks that copy-on-write wrote and that are not mapped yet. By who is alone in it.</summary>
    public void NoteWritten(OpenInode inode) => _written.TryAdd(inode, true);

    /// <summary>A file was overwritten in place. By any thread.</summary>
    public void NoteOverwritten(OpenInode inode) => _overwritten.Enqueue(inode);

    /// <summary>Gives files that were overwritten in place their new times. Under the gate, between transactions.</summary>
    public void SettleTimes()
    {
        const int perTransaction = 64;
        while (!_overwritten.IsEmpty && Journal!.Failure is null)
            Run(tx =>
            {
                List<(OpenInode Inode, ulong Due)> settled = [];
                try
                {
                    for (int i = 0; i < perTransaction && _overwritten.TryDequeue(out OpenInode? inode); i++)
                    {
                        settled.Add((inode, inode.DueTime));
                        inode.SettleTimes(tx);
                    }
                }
                catch
                {
                    foreach ((OpenInode inode, ulong due) in settled) inode.StillModified(due);
                    throw;
                }
            });
    }

    // What the kernel does in the background (speculative_prealloc_lifetime), done where time is being taken anyway.
    private void CollectOldCow()
    {
        Timestamp now = Clock();
        if (Math.Abs(now.Seconds - _collected.Seconds) < CowInterval) return;
        CollectCow(new Timestamp(now.Seconds - CowLifetime, 0));
        _collected = now;
    }

    /// <summary>
    /// Frees blocks whose copy-on-write never ended, and after a replay inodes that lost their last name. A clean log is no
    /// sign that nothing is staged: an image copied while its file system was frozen has one.
    /// </summary>
    /// <param name="unlinked">Inodes too.</param>
    internal void FreeLeftovers(bool unlinked)
    {
        FileData data = new(this);
        for (uint ag = 0; ag < Geometry.AgCount; ag++)
        {
            AllocationGroup group = Groups[new AgNumber(ag)];
            uint most = group.Agi.Count;
            for (uint done = 0; unlinked && Unlinked.First(group) is Inode inode; done++)
            {
                if (done > most) throw group.Corrupt("AGI", "the unlinked lists do not end");
                if (inode.Core.Mode == 0 || inode.Core.LinkCount != 0)
                    throw inode.Corrupt($"is on an unlinked list with mode 0{Convert.ToString(inode.Core.Mode.Value, 8)} and {inode.Core.LinkCount} links");
                data.Inactivate(inode);
            }
            while (ReferenceCounts.FirstStaged(group, out AgBlock start, out uint length))
                Run(tx =>
                {
                    ReferenceCounts.RemoveStaging(tx, group, start, length);
                    group.FreeSpace.Free(tx, start, length);
                });
        }
    }

    /// <summary>Blocks free for anybody: free extents, the free lists and what the free-space trees hold beyond their roots.</summary>
    /// <remarks>sb_fdblocks.</remarks>
    public (ulong FreeBlocks, ulong Inodes, ulong FreeInodes) Count()
    {
        ulong free = 0, inodes = 0, freeInodes = 0;
        for (uint ag = 0; ag < Geometry.AgCount; ag++)
        {
            ref readonly Agf agf = ref Groups[new AgNumber(ag)].Agf;
            free += (ulong)agf.FreeBlocks.Value + agf.FreeListCount + agf.BtreeBlocks;
            ref readonly Agi agi = ref Groups[new AgNumber(ag)].Agi;
            inodes += agi.Count;
            freeInodes += agi.FreeCount;
        }
        return (free, inodes, freeInodes);
    }

    /// <summary>
    /// Free blocks that statfs does not show: what the trees of each group may still need, eight blocks a group that the
    /// allocator keeps, and what the kernel reserves for itself.
    /// </summary>
    /// <remarks>xfs_ag_resv, xfs_alloc_set_aside, m_resblks (5 %, at most 8192 blocks).</remarks>
    public ulong HiddenFromStatfs()
    {
        ulong hidden = 8 * (ulong)Geometry.AgCount + Math.Min(Geometry.DataBlocks / 20, 8192);
        for (uint ag = 0; ag < Geometry.AgCount; ag++)
        {
            AllocationGroup group = Groups[new AgNumber(ag)];
            uint used = (Geometry.HasReflink ? group.Agf.RefcountBlocks.Value : 0)
                + (Geometry.HasFinobt && Geometry.HasInobtCounters ? group.Agi.FreeInodeBtreeBlocks.Value : 0);
            hidden += group.RmapReserve + (group.MetadataReserve > used ? group.MetadataReserve - used : 0);
        }
        return hidden;
    }

    /// <summary>Writes everything home, makes the superblock's counters exact, and marks the log clean.</summary>
    public void Dispose()
    {
        OpenInode[] open;
        lock (Gate)
        {
            if (_closing) return;
            RequireNoGroup("the volume cannot be closed inside it");
            _closing = true;
            Layouts.Close();
            open = [.. _open.Values.OrderBy(inode => inode.Inode.Number)];
        }
        // Who is still reading or writing must be out before the device goes.
        foreach (OpenInode inode in open) inode.Io.Enter(IoMode.Exclusive);
        try
        {
            FileData data = new(this);
            foreach (OpenInode inode in open) data.TryComplete(inode);
            lock (Gate)
                try
                {
                    if (Journal is { Failure: null } journal) Unmount(journal);
                }
                finally
                {
                    // Who has waited for the gate must not change anything behind the end of the log.
                    _disposed = true;
                }
        }
        finally
        {
            _disposed = true;
            foreach (OpenInode inode in open) inode.Io.Exit(IoMode.Exclusive);
            if (_ownsDevice) _device.Dispose();
        }
    }

    private void Unmount(Journal.Journal journal)
    {
        foreach (OpenInode inode in _open.Values.ToArray()) Forget(inode);
        // If this fails too, the log stays as it is, and the next mount does it.
        if (_hasLeftovers) FreeLeftovers(unlinked: true);
        if (!journal.IsDirty) return;
        Run(tx =>
        {
            (ulong free, ulong inodes, ulong freeInodes) = Count();
            MetadataBuffer buffer = tx.Read(0, Geometry.SectorSize, BlockKind.Superblock);
            ref Superblock sb = ref Superblock.At(tx.Modify(buffer));
            sb.FreeDataBlocks = free;
            sb.InodeCount = inodes;
            sb.FreeInodes = freeInodes;
        });
        journal.Unmount();
    }

    /// <summary>Lets go of the device without writing anything: what a power cut does.</summary>
    internal void Abandon()
    {
        _disposed = true;
        Layouts.Close();
        Journal?.ShutDown(new XfsException(Errno.EIO, "the volume was abandoned"));
        if (_ownsDevice) _device.Dispose();
    }
}
