using ImageFs.Format;
using ImageFs.Transactions;

namespace ImageFs.Allocation;

/// <summary>
/// The keeper of a group's AGFL: blocks put aside so that changing a free-space or reverse map tree never has to ask the
/// allocator, which would change those trees again.
/// </summary>
/// <remarks>A ring: taken at flfirst, put behind fllast. Its blocks belong to owner AG in the rmapbt, as those trees' blocks do.</remarks>
internal static class FreeList
{
    /// <summary>Blocks with which the list is no obstacle yet.</summary>
    private const uint EnoughToGoOn = 4;

    /// <summary>Takes one block for a tree.</summary>
    /// <exception cref="XfsNoSpaceException">The list is empty: the group is full.</exception>
    public static AgBlock Take(Transaction tx, AllocationGroup group)
    {
        ref Agf agf = ref group.ModifyAgf(tx);
        uint slots = (uint)group.Geometry.AgflSlots;
        if (agf.FreeListCount == 0) throw new XfsNoSpaceException($"AG {group.Number}: no block is left for the free-space trees");
        Span<BigEndian32> list = AgflHeader.Slots(tx.Modify(group.AgflBuffer));
        AgBlock block = new(list[(int)agf.FreeListFirst.Value]);
        if (!group.Geometry.IsValid(group.Number, block)) throw group.Corrupt("AGFL", $"slot {agf.FreeListFirst} holds {block}, no block of the group");
        agf.FreeListFirst = (agf.FreeListFirst + 1) % slots;
        agf.FreeListCount = agf.FreeListCount - 1;
        return block;
    }

    /// <summary>Puts a block aside.</summary>
    public static void Put(Transaction tx, AllocationGroup group, AgBlock block)
    {
        ref Agf agf = ref group.ModifyAgf(tx);
        uint slots = (uint)group.Geometry.AgflSlots;
        if (agf.FreeListCount >= slots) throw group.Corrupt("AGFL", $"flcount is {agf.FreeListCount} of {slots} slots, and another block comes back");
        Span<BigEndian32> list = AgflHeader.Slots(tx.Modify(group.AgflBuffer));
        agf.FreeListLast = (agf.FreeListLast + 1) % slots;
        list[(int)agf.FreeListLast.Value] = block.Value;
        agf.FreeListCount = agf.FreeListCount + 1;
    }

    /// <summary>
    /// Brings the list to the length that one change of each tree may need. Called before every change of a group's space,
    /// so that no tree can find the list empty half-way.
    /// </summary>
    public static void Fill(Transaction tx, AllocationGroup group)
    {
        CheckRing(group);
        while (group.Agf.FreeListCount > group.FreeListTarget)
        {
            AgBlock block = Take(tx, group);
            group.FreeSpace.RemoveRmap(tx, block, 1, RmapOwner.AllocationGroup);
            group.FreeSpace.Insert(tx, block, 1);
            // It may have been a tree's block until a moment ago: busy like any other.
            tx.Freed.Add(new FreedExtent(group.Number, block, 1));
        }
        // Each round may itself use blocks (an rmap record more), so the target is compared anew.
        for (int rounds = 0; group.Agf.FreeListCount < group.FreeListTarget; rounds++)
        {
            if (rounds == 64) throw group.Corrupt("AGF", "filling the free list uses up the blocks it gets: the trees contradict one another");
            uint wanted = group.FreeListTarget - group.Agf.FreeListCount;
            bool isShort = group.Agf.FreeListCount < EnoughToGoOn;
            if (!group.FreeSpace.TakeSmallest(tx, wanted, thorough: isShort, out AgBlock start, out uint length))
            {
                // A group that is all but full, or busy all over, may go on with a short list, as long as there is one.
                if (!isShort) return;
                throw new XfsNoSpaceException($"AG {group.Number}: no block is left for the free list");
            }
            for (uint i = 0; i < length; i++) Put(tx, group, start + i);
            group.FreeSpace.AddRmap(tx, start, length, RmapOwner.AllocationGroup);
        }
    }

    private static void CheckRing(AllocationGroup group)
    {
        ref readonly Agf agf = ref group.Agf;
        uint slots = (uint)group.Geometry.AgflSlots;
        uint between = (agf.FreeListLast + slots - agf.FreeListFirst + 1) % slots;
        if (agf.FreeListCount % slots != between)
            throw group.Corrupt("AGFL", $"flfirst {agf.FreeListFirst} and fllast {agf.FreeListLast} hold {between} blocks, flcount is {agf.FreeListCount}");
    }
}
