using ImageFs.Allocation;
using ImageFs.Devices;
using ImageFs.Extents;
using ImageFs.Format;
using ImageFs.Inodes;
using ImageFs.Transactions;

namespace ImageFs.Dax;

/// <summary>
/// The files of a volume that are mapped into memory, leased or sealed. Every change of a data fork comes by here: changes that
/// would pull blocks from under a lease or a seal are refused, and after the others the pages of every view of the inode are
/// replaced in place.
/// </summary>
/// <remarks>
/// <para>Keyed by inode and file block, never by physical block: with sharing one block has many owners.</para>
/// <para>Order of locks: inodes by number, then the volume's gate, then this table's lock. Leases are taken by whoever has the inode
/// for himself; giving them back needs only the table's lock. Who waits for one holds nothing.</para>
/// </remarks>
internal sealed partial class LayoutTable(Volume volume)
{
    // Monitor, because it can wait.
    private readonly object _lock = new();
    private readonly Dictionary<ulong, InodeLayout> _inodes = [];
    private volatile int _count;
    private volatile int _writers;
    private bool _closed;

    /// <summary>True while somebody may be storing into mapped blocks.</summary>
    public bool HasWriters => _writers > 0;

    /// <summary>True while any file is mapped, leased or sealed.</summary>
    public bool Any => _count > 0;

    private Geometry Geometry => volume.Geometry;
    private FileBlock BlockOf(long offset) => new((ulong)offset >> Geometry.BlockLog);
    private FileBlock BlockUp(long offset) => offset > long.MaxValue - Geometry.BlockSize ? new(FileBlock.Limit) : new(((ulong)offset + (ulong)Geometry.BlockSize - 1) >> Geometry.BlockLog);

    private static XfsBusyException Busy(LayoutLease lease) =>
        new($"inode {lease.Inode}: its layout is to change, but blocks {lease.From}..{lease.End - 1} are leased for {(lease.IsForWriting ? "writing" : "reading")}");

    private static void RequireUnsealed(InodeLayout layout)
    {
        if (layout.Seal == SealState.Sealed) throw new XfsException(Errno.ETXTBSY, $"inode {layout.Number} is sealed: its blocks stay where they are");
        if (layout.Seal == SealState.Sealing) throw new XfsBusyException($"inode {layout.Number} is being sealed");
    }

    /// <summary>
    /// Within a transaction, before a data fork changes: refuses what a lease or a seal forbids, and has the pages of the range
    /// replaced once the transaction is committed and before the old blocks can be used again.
    /// </summary>
    /// <exception cref="XfsBusyException">The range is leased.</exception>
    /// <exception cref="XfsException">ETXTBSY: sealed. ENOMEM: views of the file would have too many pieces.</exception>
    public void Changing(Transaction tx, Inode inode, FileBlock from, FileBlock end)
    {
        if (!Any) return;
        lock (_lock)
        {
            if (!_inodes.TryGetValue(inode.Number.Value, out InodeLayout? layout)) return;
            if (layout.Seal == SealState.Sealed) RequireUnsealed(layout);
            if (layout.Overlapping(from, end) is LayoutLease lease) throw Busy(lease);
            if (layout.Views.Count == 0) return;
            if (layout.Changer == tx)
            {
                if (from < layout.ChangedFrom) layout.ChangedFrom = from;
                if (end > layout.ChangedEnd) layout.ChangedEnd = end;
                return;
            }
            // A page that is replaced splits what is around it.
            if (!MapBudget.HasRoomFor(2 * layout.Views.Count))
                foreach (InodeLayout one in _inodes.Values)
                    foreach (DaxView view in one.Views) view.Recount(one);
            if (!MapBudget.HasRoomFor(2 * layout.Views.Count)) throw DaxView.TooManyPieces(inode.Number, MapBudget.Used + 2L * layout.Views.Count);
            (layout.Changer, layout.ChangedFrom, layout.ChangedEnd) = (tx, from, end);
            tx.WhenCommitted(() => Replace(layout, tx), undo: null); // see ShowAll
        }
    }

    private void Replace(InodeLayout layout, Transaction tx)
    {
        lock (_lock)
        {
            Invariant.Holds(layout.Changer == tx, "a layout is changed by one transaction at a time");
            layout.Changer = null;
            foreach (DaxView view in layout.Views) view.Replace(layout, layout.ChangedFrom, layout.ChangedEnd);
        }
    }

    /// <summary>An atomic group was rolled back: every view shows again what its file is. Under the gate, with every inode held.</summary>
    public void ShowAll()
    {
        lock (_lock)
            foreach (InodeLayout layout in _inodes.Values)
                foreach (DaxView view in layout.Views)
                {
                    if (layout.Open.IsGone) view.Darken();
                    else view.Replace(layout, default, new FileBlock(FileBlock.Limit));
                    layout.KnownSize = layout.Open.IsGone ? 0 : (long)layout.Open.Inode.Core.FileSize.Value;
                }
    }

    /// <summary>After a commit: views end where their files end.</summary>
    public void FollowSizes()
    {
        lock (_lock)
            foreach (InodeLayout layout in _inodes.Values)
            {
                if (layout.Views.Count == 0 || layout.Open.IsGone) continue;
                long size = (long)layout.Open.Inode.Core.FileSize.Value, old = layout.KnownSize;
                if (size == old) continue;
                layout.KnownSize = size;
                foreach (DaxView view in layout.Views) view.Replace(layout, BlockOf(Math.Min(size, old)), BlockUp(Math.Max(size, old)));
            }
    }

    /// <summary>
    /// The part of a range of file blocks, around one that is not leased, in which nothing is leased: reservations for
    /// copy-on-write must not lie over leases, because a write there would move the block.
    /// </summary>
    public void TrimToUnleased(Inode inode, FileBlock at, ref ulong start, ref ulong stop)
    {
        if (!Any) return;
        lock (_lock)
        {
            if (!_inodes.TryGetValue(inode.Number.Value, out InodeLayout? layout)) return;
            foreach (LayoutLease lease in layout.Leases)
                if (lease.End <= at) start = Math.Max(start, lease.End.Value);
                else if (lease.From > at) stop = Math.Min(stop, lease.From.Value);
        }
    }

    /// <summary>A view begins to show its file. The caller holds the inode, so that its layout stays, and the gate.</summary>
    public void Add(DaxView view) => Change(view.Open, layout =>
    {
        layout.KnownSize = (long)view.Open.Inode.Core.FileSize.Value;
        view.ReplaceAll(layout);
        layout.Views.Add(view);
    }, adding: true);

    /// <summary>A view ends; nobody may look any more.</summary>
    public void Remove(DaxView view)
    {
        Change(view.Open, layout => layout.Views.Remove(view));
        lock (_lock) view.Darken();
    }

    /// <summary>A lease begins; the caller has the inode for himself. If it is for writing, every view may be stored into where it is.</summary>
    public void Add(LayoutLease lease) => Change(lease.Open, layout =>
    {
        // Stores could not be taken back, and a rollback would move blocks away from under it.
        volume.RequireNoGroup("what it may yet move cannot be leased inside it");
        // Its pages are pieces of their own, in whatever view.
        if (lease.IsForWriting && !MapBudget.HasRoomFor(2)) throw DaxView.TooManyPieces(lease.Inode, MapBudget.Used + 2);
        layout.Leases.Add(lease);
        if (!lease.IsForWriting) return;
        MapBudget.Add(2);
        _writers++;
        try
        {
            foreach (DaxView view in layout.Views) view.Protect(layout, lease.From, lease.End);
        }
        catch
        {
            End(layout, lease);
            throw;
        }
    }, adding: true);

    /// <summary>A lease ends: late stores are faults from now on.</summary>
    public void Remove(LayoutLease lease) => Change(lease.Open, layout => End(layout, lease));

    private void End(InodeLayout layout, LayoutLease lease)
    {
        if (!layout.Leases.Remove(lease) || !lease.IsForWriting) return;
        foreach (DaxView view in layout.Views) view.Protect(layout, lease.From, lease.End);
        volume.Journal?.NoteData();
        MapBudget.Add(-2);
        _writers--;
    }

    /// <summary>True while a part of a file is leased for writing.</summary>
    public bool IsBeingStoredInto(InodeNumber inode)
    {
        if (!HasWriters) return false;
        lock (_lock) return _inodes.TryGetValue(inode.Value, out InodeLayout? layout) && layout.Leases.Any(lease => lease.IsForWriting);
    }

    /// <summary>How far the sealing of a file has come.</summary>
    public SealState SealOf(InodeNumber inode)
    {
        lock (_lock) return _inodes.TryGetValue(inode.Value, out InodeLayout? layout) ? layout.Seal : SealState.None;
    }

    /// <summary>Sets how far the sealing of a file has come.</summary>
    public void SetSeal(OpenInode open, SealState state) => Change(open, layout => layout.Seal = state);

    /// <summary>The volume closes: views turn dark, leases end.</summary>
    public void Close()
    {
        lock (_lock)
        {
            foreach (InodeLayout layout in _inodes.Values)
            {
                foreach (DaxView view in layout.Views) view.Darken();
                foreach (LayoutLease lease in layout.Leases) lease.Revoke();
                if (layout.Leases.Count > 0) volume.Journal?.NoteData();
            }
            _inodes.Clear();
            MapBudget.Add(-2 * _writers);
            _count = _writers = 0;
            _closed = true;
            Monitor.PulseAll(_lock);
        }
    }

    private void Change(OpenInode open, Action<InodeLayout> change, bool adding = false)
    {
        ulong number = open.Inode.Number.Value;
        lock (_lock)
        {
            // What was there is gone; nothing new may come.
            ObjectDisposedException.ThrowIf(_closed && adding, volume);
            if (_closed) return;
            if (!_inodes.TryGetValue(number, out InodeLayout? layout)) layout = new InodeLayout(open);
            try
            {
                change(layout);
            }
            finally
            {
                if (layout.IsIdle) _inodes.Remove(number);
                else _inodes[number] = layout;
                _count = _inodes.Count;
                Monitor.PulseAll(_lock);
            }
        }
    }
}
