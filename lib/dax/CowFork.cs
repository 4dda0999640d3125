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
///   written                   the data of a write that is under way goes there; it ends with that write, mapped or cancelled
/// </code>
/// A reservation is wider than the write that asked for it (cowextsize, 32 blocks unless set), so that later writes near by
/// land next to it. Exactly the blocks of a write become written, and only written ones are ever mapped.
/// </remarks>
internal sealed class CowFork(Volume volume, Inode inode)
{
    /// <summary>Blocks of a reservation where neither cowextsize nor extsize is set (XFS_DEFAULT_COWEXTSZ_HINT).</summary>
    public const uint DefaultHint = 32;

    // By file offset. Neighbours of one state that touch on the device are one.
    private readonly SortedList<ulong, Extent> _extents = [];

    /// <summary>Staged blocks, in either state.</summary>
    public ulong Blocks
    {
        get
        {
            ulong blocks = 0;
            foreach (Extent extent in _extents.Values) blocks += extent.Length;
            return blocks;
        }
    }

    /// <summary>When a write last reserved or used something.</summary>
    public Timestamp LastUse { get; private set; }

    /// <summary>What is staged, in the order of the file.</summary>
    internal IList<Extent> Extents => _extents.Values;

    /// <summary>What is staged over a file block.</summary>
    public bool TryFind(FileBlock at, out Extent extent)
    {
        int index = IndexAtOrBefore(at);
        extent = index >= 0 ? _extents.Values[index] : default;
        return index >= 0 && extent.End > at;
    }

    /// <summary>Start of the first staged run behind a file block, or <paramref name="limit"/>.</summary>
    public FileBlock NextStart(FileBlock at, FileBlock limit)
    {
        int index = IndexAtOrBefore(at) + 1;
        return index < _extents.Count && _extents.Values[index].Offset < limit ? _extents.Values[index].Offset : limit;
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
        Cut(extent.Offset, extent.End);
        Put(extent);
        return extent;
    }

    /// <summary>Reserves blocks for writes over a range that are about to follow, in one piece where there is one.</summary>
    /// <inheritdoc cref="Stage"/>
    public void Reserve(FileBlock from, FileBlock end, FsBlock near)
    {
        if (!TryFind(from, out _)) Allocate(from, end, near);
    }

    private Extent Allocate(FileBlock from, FileBlock end, FsBlock near)
    {
        ref readonly InodeCore core = ref inode.Core;
        uint hint = Math.Max(core.CowExtentSizeHint.Value, (core.Flags & InodeFlags.ExtentSize) != 0 ? core.ExtentSizeHint.Value : 0u);
        if (hint == 0) hint = DefaultHint;
        // Rounded out to the hint, but never over another reservation.
        ulong start = from.Value / hint * hint, stop = Math.Min((end.Value + hint - 1) / hint * hint, FileBlock.Limit);
        int before = IndexAtOrBefore(from);
        if (before >= 0) start = Math.Max(start, _extents.Values[before].End.Value);
        stop = NextStart(from, new FileBlock(stop)).Value;
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
    public ulong CancelReserved() => _extents.Count == 0 ? 0 : Cancel(default, new FileBlock(FileBlock.Limit), writtenToo: false);

    /// <summary>Frees everything.</summary>
    public ulong CancelAll() => _extents.Count == 0 ? 0 : Cancel(default, new FileBlock(FileBlock.Limit));

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
        for (int index = Math.Max(0, IndexAtOrBefore(from)); index < _extents.Count && _extents.Values[index].Offset < end;)
        {
            Extent whole = _extents.Values[index];
            if (whole.End <= from)
            {
                index++;
                continue;
            }
            _extents.RemoveAt(index);
            if (whole.Offset < from) _extents.Add(whole.Offset.Value, BlockMap.Slice(whole, whole.Offset, from));
            if (whole.End > end) _extents.Add(end.Value, BlockMap.Slice(whole, end, whole.End));
            if (whole.Offset < from) index++;
            if (whole.End > end) return;
        }
    }

    /// <summary>Adds a run where there is none, in memory, joined with its neighbours.</summary>
    private void Put(Extent run)
    {
        int before = IndexAtOrBefore(run.Offset);
        if (before >= 0 && Joins(_extents.Values[before], run))
        {
            Extent left = _extents.Values[before];
            run = left with { Length = left.Length + run.Length };
            _extents.RemoveAt(before--);
        }
        if (before + 1 < _extents.Count && Joins(run, _extents.Values[before + 1]))
        {
            run = run with { Length = run.Length + _extents.Values[before + 1].Length };
            _extents.RemoveAt(before + 1);
        }
        _extents.Add(run.Offset.Value, run);
    }

    private bool Joins(in Extent left, in Extent right) =>
        left.Unwritten == right.Unwritten && left.End == right.Offset && left.Start.Value + left.Length == right.Start.Value
        && left.Length + right.Length <= Extent.MaxLength && volume.Geometry.AgOf(left.Start) == volume.Geometry.AgOf(right.Start);

    private int IndexAtOrBefore(FileBlock at)
    {
        IList<ulong> keys = _extents.Keys;
        int low = 0, high = keys.Count;
        while (low < high)
        {
            int middle = (low + high) >>> 1;
            if (keys[middle] <= at.Value) low = middle + 1; else high = middle;
        }
        return low - 1;
    }
}
