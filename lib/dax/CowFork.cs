using ImageFs.Allocation;
using ImageFs.Extents;
using ImageFs.Format;
using ImageFs.Inodes;
using ImageFs.Transactions;

namespace ImageFs.Dax;

/// <summary>
/// Blocks staged for writes that go out of place, of one file. In memory only: on disk each is a staging record in the refcountbt
/// and an rmap record of owner CoW, so that whoever recovers after a crash frees them.
/// </summary>
/// <remarks>
/// A block is in one of two states:
/// <code>
///   reserved   (Unwritten)    set aside; anybody short of space may collect it
///   written                   the data of a write is there or on its way; mapped or cancelled with that write, or mapped later
/// </code>
/// A reservation is wider than the write that asked for it (cowextsize, 32 blocks unless set), so that later writes near by
/// land next to it. Exactly the blocks of a write become written, and only written ones are ever mapped.
/// </remarks>
internal sealed class CowFork(Volume volume, Inode inode)
{
    /// <summary>Blocks of a reservation where neither cowextsize nor extsize is set (XFS_DEFAULT_COWEXTSZ_HINT).</summary>
    public const uint DefaultHint = 32;

    // By file offset. A lock of their own, never held for long, guards them: readers look for what is written and not yet
    // mapped without the volume's gate, with which anybody short of space may collect what is reserved.
    private readonly SortedList<ulong, Reservation> _reservations = [];
    private readonly Lock _lock = new();
    private int _written;

    /// <summary>Staged blocks, in either state.</summary>
    public ulong Blocks
    {
        get
        {
            ulong blocks = 0;
            lock (_lock)
                foreach (Reservation reservation in _reservations.Values) blocks += reservation.Left;
            return blocks;
        }
    }

    /// <summary>Written blocks. They become fewer or more only while the inode is held exclusively.</summary>
    public int Written => Volatile.Read(ref _written);

    /// <summary>When a write last reserved or used something.</summary>
    public Timestamp LastUse { get; private set; }

    /// <summary>What is staged, in the order of the file, each run in one state.</summary>
    internal List<Extent> Extents
    {
        get
        {
            List<Extent> runs = [];
            lock (_lock)
                foreach (Reservation reservation in _reservations.Values)
                    for (FileBlock at = reservation.Extent.Offset; reservation.TryNext(at, out Extent extent); at = extent.End) runs.Add(extent);
            return runs;
        }
    }

    /// <summary>What is staged over a file block, as far as it is in one state.</summary>
    public bool TryFind(FileBlock at, out Extent extent)
    {
        extent = default;
        lock (_lock) return Over(at) is Reservation reservation && reservation.TryFind(at, out extent);
    }

    /// <summary>Start of the first staged run at or behind a file block, or <paramref name="limit"/>.</summary>
    public FileBlock NextStart(FileBlock at, FileBlock limit)
    {
        lock (_lock)
            for (int index = Math.Max(0, IndexAtOrBefore(at)); index < _reservations.Count; index++)
                if (_reservations.Values[index].TryNext(at, out Extent extent)) return extent.Offset < limit ? extent.Offset : limit;
        return limit;
    }

    /// <summary>The written blocks from a file block on, up to <paramref name="end"/>, if that block is written.</summary>
    public bool TryFindWritten(FileBlock at, FileBlock end, out Extent extent)
    {
        if (!TryFind(at, out extent) || extent.Unwritten) return false;
        extent = BlockMap.Slice(extent, at, end);
        return true;
    }

    /// <summary>Start of the first written block at or behind a file block, or <paramref name="limit"/>.</summary>
    public FileBlock NextWritten(FileBlock at, FileBlock limit)
    {
        lock (_lock)
            for (FileBlock next = NextStart(at, limit); next < limit;)
            {
                TryFind(next, out Extent extent);
                if (!extent.Unwritten) return next;
                next = NextStart(extent.End, limit);
            }
        return limit;
    }

    /// <summary>
    /// Staged blocks for a write over the first blocks of a range, which from now on are written: a reservation that is there,
    /// or one made for it in a transaction of its own.
    /// </summary>
    /// <param name="near">Goal for new blocks: the block that is about to be replaced.</param>
    /// <returns>The run from <paramref name="from"/> on; it may end before <paramref name="end"/>.</returns>
    /// <exception cref="XfsNoSpaceException">No block is left; nothing has changed.</exception>
    public Extent Stage(FileBlock from, FileBlock end, FsBlock near)
    {
        LastUse = volume.Clock();
        if (!TryFind(from, out Extent extent)) extent = Allocate(from, end, near);
        extent = BlockMap.Slice(extent, from, end) with { Unwritten = false };
        Set(extent, written: true);
        return extent;
    }

    /// <summary>Reserves blocks for writes over a range that are about to follow, in one piece where there is one.</summary>
    /// <param name="exactly">No more than the range: not rounded out to the hint.</param>
    /// <inheritdoc cref="Stage"/>
    public void Reserve(FileBlock from, FileBlock end, FsBlock near, bool exactly = false)
    {
        if (!TryFind(from, out _)) Allocate(from, end, near, exactly);
    }

    /// <summary>The opposite of <see cref="Stage"/>, as long as nothing has been written.</summary>
    public void Unstage(in Extent run) => Set(run, written: false);

    private void Set(in Extent run, bool written)
    {
        lock (_lock)
            if (Over(run.Offset) is Reservation around) Volatile.Write(ref _written, _written + around.Set(run, written));
    }

    private Extent Allocate(FileBlock from, FileBlock end, FsBlock near, bool exactly = false)
    {
        ref readonly InodeCore core = ref inode.Core;
        uint hint = Math.Max(core.CowExtentSizeHint.Value, (core.Flags & InodeFlags.ExtentSize) != 0 ? core.ExtentSizeHint.Value : 0u);
        if (exactly) hint = 1;
        else if (hint == 0) hint = DefaultHint;
        // Rounded out to the hint, but never over another reservation.
        ulong start = from.Value / hint * hint, stop = Math.Min((end.Value + hint - 1) / hint * hint, FileBlock.Limit);
        lock (_lock)
        {
            if (Over(from) is Reservation around) Divide(around);
            int before = IndexAtOrBefore(from);
            if (before >= 0) start = Math.Max(start, _reservations.Values[before].Extent.End.Value);
            if (before + 1 < _reservations.Count) stop = Math.Min(stop, _reservations.Values[before + 1].Extent.Offset.Value);
        }
        volume.Layouts.TrimToUnleased(inode, from, ref start, ref stop);
        stop = Math.Min(stop, start + Extent.MaxLength);
        return volume.Run(tx =>
        {
            uint wanted = (uint)(stop - start), length;
            ulong at = start;
            if (!SpaceAllocator.TryAllocate(tx, volume.Groups, near, wanted, wanted, metadata: false, out FsBlock block, out length))
            {
                // Shortage: only what the write itself needs, in whatever pieces there are.
                at = from.Value;
                block = SpaceAllocator.Allocate(tx, volume.Groups, near, 1, (uint)(Math.Min(end.Value, stop) - at), metadata: false, out length);
            }
            AllocationGroup group = volume.Groups.Of(block);
            ReferenceCounts.AddStaging(tx, group, volume.Geometry.BlockInAg(block), length);
            Extent made = new(new FileBlock(at), block, length, Unwritten: true);
            tx.WhenCommitted(() => Put(made), () => Cut(made.Offset, made.End));
            return made;
        });
    }

    /// <summary>Within a transaction: the staging of a part ends, because it is being mapped or freed.</summary>
    public void Take(Transaction tx, Extent part)
    {
        AllocationGroup group = volume.Groups.Of(part.Start);
        ReferenceCounts.RemoveStaging(tx, group, volume.Geometry.BlockInAg(part.Start), part.Length);
        tx.WhenCommitted(() => Cut(part.Offset, part.End), () => Put(part with { Unwritten = true }));
    }

    /// <summary>Frees what is staged in a range, in either state, each run in a transaction of its own.</summary>
    /// <returns>Blocks freed.</returns>
    public ulong Cancel(FileBlock from, FileBlock end) => Cancel(from, end, writtenToo: true);

    /// <summary>Frees everything reserved; what a write under way is using stays.</summary>
    public ulong CancelReserved() => Blocks == 0 ? 0 : Cancel(default, new FileBlock(FileBlock.Limit), writtenToo: false);

    /// <summary>Frees everything.</summary>
    public ulong CancelAll() => Blocks == 0 ? 0 : Cancel(default, new FileBlock(FileBlock.Limit));

    private ulong Cancel(FileBlock from, FileBlock end, bool writtenToo)
    {
        ulong blocks = 0;
        while (from < end)
        {
            if (!TryFind(from, out Extent part) && !TryFind(from = NextStart(from, end), out part)) break;
            if (from >= end) break;
            part = BlockMap.Slice(part, from, end);
            from = part.End;
            if (!part.Unwritten && !writtenToo) continue;
            volume.Run(tx =>
            {
                Take(tx, part);
                volume.Groups.Of(part.Start).FreeSpace.Free(tx, volume.Geometry.BlockInAg(part.Start), part.Length);
            });
            blocks += part.Length;
        }
        return blocks;
    }

    /// <summary>Forgets a range, in memory.</summary>
    private void Cut(FileBlock from, FileBlock end)
    {
        lock (_lock)
            for (int index = Math.Max(0, IndexAtOrBefore(from)); index < _reservations.Count && _reservations.Values[index].Extent.Offset < end;)
            {
                Reservation whole = _reservations.Values[index];
                if (whole.Extent.End > from) Volatile.Write(ref _written, _written - whole.Take(BlockMap.Slice(whole.Extent, from, end)));
                if (whole.Left == 0) _reservations.RemoveAt(index); else index++;
            }
    }

    /// <summary>Adds a reserved run where there is none, in memory.</summary>
    private void Put(Extent run)
    {
        lock (_lock)
            for (Extent rest = run; rest.Length > 0;)
            {
                Reservation? around = Over(rest.Offset);
                int next = IndexAtOrBefore(rest.Offset) + 1;
                FileBlock end = around?.Extent.End ?? (next < _reservations.Count ? _reservations.Values[next].Extent.Offset : rest.End);
                Extent part = BlockMap.Slice(rest, rest.Offset, end);
                if (around is not null) around.Restore(part);
                else _reservations.Add(part.Offset.Value, new Reservation(part));
                rest = BlockMap.Slice(rest, part.End, rest.End);
            }
    }

    /// <summary>Makes a reservation of each run that is left of one, because another one is to come in between.</summary>
    private void Divide(Reservation whole)
    {
        _reservations.Remove(whole.Extent.Offset.Value);
        for (FileBlock at = whole.Extent.Offset; whole.TryNext(at, out Extent run); at = run.End)
        {
            Reservation part = new(run with { Unwritten = true });
            part.Set(run, !run.Unwritten);
            _reservations.Add(run.Offset.Value, part);
        }
    }

    private Reservation? Over(FileBlock at)
    {
        int index = IndexAtOrBefore(at);
        return index >= 0 && _reservations.Values[index] is Reservation found && found.Extent.End > at ? found : null;
    }

    private int IndexAtOrBefore(FileBlock at)
    {
        IList<ulong> keys = _reservations.Keys;
        int low = 0, high = keys.Count;
        while (low < high)
        {
            int middle = (low + high) >>> 1;
            if (keys[middle] <= at.Value) low = middle + 1; else high = middle;
        }
        return low - 1;
    }
}
