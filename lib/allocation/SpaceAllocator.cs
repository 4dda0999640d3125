using ImageFs.Format;
using ImageFs.Transactions;

namespace ImageFs.Allocation;

/// <summary>Space for files: from the group of the goal, then from the others, with smaller pieces when nothing better is left.</summary>
internal static class SpaceAllocator
{
    /// <summary>Takes between <paramref name="least"/> and <paramref name="most"/> blocks in one run.</summary>
    /// <param name="goal">Where the first block would best lie.</param>
    /// <param name="metadata">May use what groups keep for their own trees.</param>
    /// <exception cref="XfsNoSpaceException">No group has that many in one run.</exception>
    public static FsBlock Allocate(Transaction tx, AllocationGroups groups, FsBlock goal, uint least, uint most, bool metadata, out uint length) =>
        TryAllocate(tx, groups, goal, least, most, metadata, out FsBlock block, out length) ? block
            : throw new XfsNoSpaceException(least == 1 ? "no free block is left" : $"no free run of {least} blocks is left");

    /// <summary>As <see cref="Allocate"/>, false when there is no room; the transaction is then as good as before.</summary>
    public static bool TryAllocate(Transaction tx, AllocationGroups groups, FsBlock goal, uint least, uint most, bool metadata, out FsBlock block, out uint length)
    {
        Geometry g = groups.Cache.Geometry;
        uint first = g.IsValid(goal) ? g.AgOf(goal).Value : 0;
        most = Math.Min(most, Extent.MaxLength);
        // First round: a run of full length near the goal or in any group; second: whatever there is.
        for (uint wanted = most; ; wanted = least)
        {
            for (uint i = 0; i < g.AgCount; i++)
            {
                AllocationGroup group = groups[new AgNumber((first + i) % g.AgCount)];
                AgBlock near = i == 0 && g.IsValid(goal) ? g.BlockInAg(goal) : g.AgflBlock + 1;
                uint enough = i == 0 ? Math.Max(least, Math.Min(wanted, 16)) : wanted;
                if (!group.FreeSpace.TryAllocate(tx, near, enough, most, metadata, out AgBlock start, out length)) continue;
                block = g.Join(group.Number, start);
                return true;
            }
            if (wanted == least) break;
        }
        block = FsBlock.Null;
        length = 0;
        return false;
    }
}
