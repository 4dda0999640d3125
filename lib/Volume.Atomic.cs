using ImageFs.Allocation;
using ImageFs.Dax;
using ImageFs.Format;
using ImageFs.Inodes;
using ImageFs.Transactions;

namespace ImageFs;

/// <content>Atomic groups: several operations, one entry in the log.</content>
internal sealed partial class Volume
{
    // Files nobody holds any more, to be dealt with when the group is over.
    private readonly List<OpenInode> _deferred = [];
    private TransactionGroup? _group;
    private volatile bool _ownsAll;
    private bool _flushAfterGroup;

    /// <summary>True while an atomic group runs: nothing that was there before may be overwritten in place, and nothing becomes durable.</summary>
    public bool InGroup => _group is not null;

    /// <summary>True if this thread runs an atomic group, and so holds the gate and the lock of every open inode.</summary>
    public bool OwnsAll => _ownsAll && Gate.IsHeldByCurrentThread;

    /// <summary>Blocks the running group has allocated for file data: nothing durable points at them, so they may be overwritten.</summary>
    public UnsharedExtents Fresh { get; } = new();

    /// <summary>Throws if an atomic group is running. Under the gate.</summary>
    /// <param name="why">What cannot be, in words that follow "an atomic group is running: ".</param>
    /// <exception cref="XfsBusyException">One is.</exception>
    public void RequireNoGroup(string why)
    {
        if (_group is not null) throw new XfsBusyException($"an atomic group is running: {why}");
    }

    /// <summary>
    /// Blocks have changed their place or their file: that must be durable before anybody overwrites them in place. Now, or when
    /// the running group ends. Under the gate: what writes of other files have not mapped yet is left as it is, or those files
    /// would have to be waited for.
    /// </summary>
    public void FlushBeforeWrites()
    {
        if (Layouts.HasWriters) Journal!.NoteData();
        if (InGroup) _flushAfterGroup = true;
        else Journal!.Checkpoint();
    }

    /// <summary>Runs work whose transactions all become part of one checkpoint, or leave no trace. Everybody else waits.</summary>
    public void Atomically(Action<TransactionGroup> work)
    {
        if (OwnsAll) RequireNoGroup("another one cannot begin inside it");
        List<OpenInode> held = TakeAll();
        try
        {
            RequireWritable();
            ForgetUsage();
            SettleTimes();
            // Inside, what waits for a checkpoint stays out of reach; so a volume that is nearly full makes one first.
            if (Groups.Busy.Any && Count().FreeBlocks < Geometry.DataBlocks / 4) Journal!.Checkpoint();
            _flushAfterGroup = false;
            RunGroup(_group = new(Cache, Journal!), work);
            FinishDeferred();
            if (_flushAfterGroup) Journal!.Checkpoint();
        }
        finally
        {
            _ownsAll = false;
            foreach (OpenInode inode in held) inode.ExitIo(IoMode.Exclusive);
            Gate.Exit();
        }
    }

    private void RunGroup(TransactionGroup group, Action<TransactionGroup> work)
    {
        try
        {
            work(group);
            group.Commit();
        }
        catch
        {
            group.RollBack();
            Groups.Busy.NoteAbort();
            Map.ForgetDirectories();
            _group = null;
            ForgetAll();
            try
            {
                FinishDeferred();
            }
            catch (XfsException)
            {
                // What ended the group says more.
            }
            throw;
        }
        finally
        {
            _group = null;
            Fresh.Clear();
        }
    }

    /// <summary>
    /// The locks of all open inodes, in the order everybody takes them, then the gate, with which nobody can open another. So
    /// the group finds nobody half-way through anything, and no other lock to wait for.
    /// </summary>
    private List<OpenInode> TakeAll()
    {
        while (true)
        {
            List<OpenInode> held = [];
            OpenInode[] open;
            lock (Gate) open = [.. _open.Values.OrderBy(inode => inode.Inode.Number)];
            try
            {
                foreach (OpenInode inode in open)
                {
                    inode.EnterIo(IoMode.Exclusive);
                    held.Add(inode);
                }
            }
            catch
            {
                foreach (OpenInode inode in held) inode.ExitIo(IoMode.Exclusive);
                throw;
            }
            Gate.Enter();
            // Who was opened meanwhile is out of order: only if he is free.
            if (_open.Values.Except(held).ToArray().All(late =>
            {
                bool free = late.Cow.Written == 0 && late.Io.TryEnter(IoMode.Exclusive, TimeSpan.Zero);
                if (free) held.Add(late);
                return free;
            }))
            {
                _ownsAll = true;
                return held;
            }
            Gate.Exit();
            foreach (OpenInode inode in held) inode.ExitIo(IoMode.Exclusive);
        }
    }

    /// <summary>Frees an inode that has no name and no holder; if a group runs, after it, because it may yet get its name back.</summary>
    public void Inactivate(Inode inode)
    {
        if (_group is null)
        {
            try
            {
                new FileData(this).Inactivate(inode);
            }
            catch
            {
                _hasLeftovers = true;
                throw;
            }
            return;
        }
        OpenInode open = Hold(inode.Number);
        open.Holders--;
        _deferred.Add(open);
    }

    /// <summary>
    /// Inside a group the last release waits for the group's end: only then is it known whether the file has lost its name,
    /// and its blocks would only make the group larger.
    /// </summary>
    private bool Defers(OpenInode inode)
    {
        if (_group is null) return false;
        _deferred.Add(inode);
        return true;
    }

    private void FinishDeferred()
    {
        OpenInode[] deferred = [.. _deferred.Distinct()];
        _deferred.Clear();
        foreach (OpenInode inode in deferred)
            if (inode.Holders == 0 && !inode.IsGone) Forget(inode);
    }

    /// <summary>After a rollback: what is remembered of open files; those made in the group do not exist.</summary>
    private void ForgetAll()
    {
        foreach ((ulong number, OpenInode inode) in _open.ToArray())
        {
            if (InodeAllocator.IsAllocated(new InodeNumber(number)))
            {
                inode.ForgetAll();
                continue;
            }
            inode.IsGone = true;
            _open.Remove(number);
        }
        if (Layouts.Any) Layouts.ShowAll();
    }
}
