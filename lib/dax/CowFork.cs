using ImageFs.Allocation;
using ImageFs.Extents;
using ImageFs.Format;
using ImageFs.Inodes;
using ImageFs.Transactions;

namespace ImageFs.Dax;

/// <summary>
/// Blocks reserved for writes to shared blocks of one file. In memory only: on disk each is a staging record in the refcountbt
/// and an rmap record of owner CoW, so that whoever recovers after a crash frees them.
/// </summary>
/// <remarks>
/// A reservation is wider than the write that asked for it (cowextsize, 32 blocks unless set), so that later writes near by
/// land next to it. Only what a write has filled is ever remapped; the rest stays reserved until it is collected.
/// </remarks>
internal sealed class CowFork(Volume volume, Inode inode)
{
    /// <summary>Blocks of a reservation where neither cowextsize nor extsize is set (XFS_DEFAULT_COWEXTSZ_HINT).</summary>
    public const uint DefaultHint = 32;

    private readonly SortedList<ulong, Extent> _extents = [];

    /// <summary>Reserved blocks.</summary>
    public ulong Blocks
    {
        get
        {
            ulong blocks = 0;
            foreach (Extent extent in _extents.Values) blocks += extent.Length;
            return blocks;
        }
    }

    /// <summary>The reservation over a file block.</summary>
    public bool TryFind(FileBlock at, out Extent extent)
    {
        int index = IndexAtOrBefore(at);
        extent = index >= 0 ? _extents.Values[index] : default;
        return index >= 0 && extent.End > at;
    }

    /// <summary>Start of the first reservation behind a file block, or <paramref name="limit"/>.</summary>
    public FileBlock NextStart(FileBlock at, FileBlock limit)
    {
        int index = IndexAtOrBefore(at) + 1;
        return index < _extents.Count && _extents.Values[index].Offset < limit ? _extents.Values[index].Offset : limit;
    }

    /// <summary>A reservation over the block at the start of a range, made if there is none, in a transaction of its own.</summary>
    /// <param name="near">Goal for new blocks: the shared block that is about to be replaced.</param>
    /// <returns>The reserved run from <paramref name="from"/> on; it may end before <paramref name="end"/>.</returns>
    /// <exception cref="XfsNoSpaceException">No block is left; nothing has changed.</exception>
    public Extent Reserve(FileBlock from, FileBlock end, FsBlock near)
    {
        if (!TryFind(from, out Extent extent)) extent = Allocate(from, end, near);
        return BlockMap.Slice(extent, from, end);
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
            tx.WhenCommitted(() => _extents.Add(at, made));
            return made;
        });
    }

    /// <summary>Within a transaction: the staging of a part ends, because it is being mapped.</summary>
    public void Take(Transaction tx, Extent part)
    {
        AllocationGroup group = volume.Groups.Of(part.Start);
        ReferenceCounts.RemoveStaging(tx, group, volume.Geometry.BlockInAg(part.Start), part.Length);
        tx.WhenCommitted(() => Remove(part));
    }

    /// <summary>Frees the reserved blocks in a range, each run in a transaction of its own.</summary>
    /// <returns>True if there were any.</returns>
    public bool Cancel(FileBlock from, FileBlock end)
    {
        bool any = false;
        while (true)
        {
            Extent part = default;
            if (TryFind(from, out Extent over)) part = BlockMap.Slice(over, from, end);
            else
            {
                FileBlock next = NextStart(from, end);
                if (next >= end || !TryFind(next, out over)) return any;
                part = BlockMap.Slice(over, next, end);
            }
            volume.Run(tx =>
            {
                Take(tx, part);
                volume.Groups.Of(part.Start).FreeSpace.Free(tx, volume.Geometry.BlockInAg(part.Start), part.Length);
            });
            any = true;
        }
    }

    /// <summary>A write is between its reservation and its remap: nothing may be collected.</summary>
    public bool IsPinned { get; set; }

    /// <summary>Frees everything reserved, unless a write is about to use it.</summary>
    public bool CancelAll() => !IsPinned && _extents.Count > 0 && Cancel(default, new FileBlock(FileBlock.Limit));

    private void Remove(Extent part)
    {
        int index = IndexAtOrBefore(part.Offset);
        Invariant.Holds(index >= 0 && _extents.Values[index].End >= part.End, "what is remapped was reserved");
        Extent whole = _extents.Values[index];
        _extents.RemoveAt(index);
        Extent left = BlockMap.Slice(whole, whole.Offset, part.Offset), right = BlockMap.Slice(whole, part.End, whole.End);
        if (whole.Offset < part.Offset) _extents.Add(left.Offset.Value, left);
        if (whole.End > part.End) _extents.Add(right.Offset.Value, right);
    }

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
