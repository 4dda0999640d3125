using ImageFs.Allocation;
using ImageFs.Extents;
using ImageFs.Format;
using ImageFs.Inodes;
using ImageFs.Transactions;

namespace ImageFs.Dax;

/// <summary>Finds blocks for the holes of a file, in units of its extent size hint if it has one.</summary>
internal static class HoleFiller
{
    /// <summary>Allocates blocks for the start of a part of a hole. They belong to nobody yet: the caller maps them.</summary>
    /// <param name="goal">Where the first block would best lie.</param>
    /// <param name="from">First file block that needs one.</param>
    /// <param name="end">Behind the last one; all between is a hole.</param>
    /// <returns>
    /// Where the blocks are to be mapped. It holds <paramref name="from"/>, may end before <paramref name="end"/> where space
    /// is in pieces, and reaches beyond both as far as the extent size hint asks for and the hole allows.
    /// </returns>
    /// <exception cref="XfsNoSpaceException">No block is left.</exception>
    public static Extent Allocate(Transaction tx, Volume volume, Inode inode, FsBlock goal, FileBlock from, FileBlock end)
    {
        uint hint = (inode.Core.Flags & InodeFlags.ExtentSize) != 0 ? inode.Core.ExtentSizeHint.Value : 0;
        FsBlock start;
        uint length;
        if (hint > 0)
        {
            ulong first = from.Value / hint * hint, last = Math.Min((end.Value + hint - 1) / hint * hint, FileBlock.Limit);
            if (volume.Map.TryFindLast(inode, ForkKind.Data, from, out Extent before)) first = Math.Max(first, before.End.Value);
            if (volume.Map.TryFind(inode, ForkKind.Data, from, out Extent next)) last = Math.Min(last, next.Offset.Value);
            last = Math.Min(last, first + Extent.MaxLength);
            uint wanted = (uint)(last - first);
            if (SpaceAllocator.TryAllocate(tx, volume.Groups, goal, wanted, wanted, metadata: false, out start, out length))
                return new Extent(new FileBlock(first), start, length, Unwritten: true);
        }
        start = SpaceAllocator.Allocate(tx, volume.Groups, goal, 1, (uint)Math.Min(end - from, Extent.MaxLength), metadata: false, out length);
        return new Extent(from, start, length, Unwritten: true);
    }
}
