using ImageFs.Allocation;
using ImageFs.Format;
using ImageFs.Transactions;

namespace ImageFs.Inodes;

/// <summary>
/// Inodes that have no name any more but are still open, chained from 64 buckets in each AGI so that a crash does not leak
/// them: whoever opens the image after one frees what is on the lists.
/// </summary>
internal sealed class UnlinkedLists(AllocationGroups groups, InodeStore inodes)
{
    private Geometry Geometry => inodes.Cache.Geometry;

    /// <summary>Puts an inode at the head of its bucket.</summary>
    public void Add(Transaction tx, Inode inode)
    {
        AllocationGroup group = groups[Geometry.AgOf(inode.Number)];
        AgInode number = Geometry.InodeInAg(inode.Number);
        int bucket = (int)(number.Value % Agi.BucketCount);
        ref Agi agi = ref group.ModifyAgi(tx);
        inode.Modify(tx).NextUnlinked = agi.Unlinked[bucket];
        agi.Unlinked[bucket] = number.Value;
    }

    /// <summary>Takes an inode off its bucket.</summary>
    /// <exception cref="CorruptionException">It is not on its list, or the list does not end.</exception>
    public void Remove(Transaction tx, Inode inode)
    {
        AllocationGroup group = groups[Geometry.AgOf(inode.Number)];
        AgInode number = Geometry.InodeInAg(inode.Number);
        int bucket = (int)(number.Value % Agi.BucketCount);
        uint next = inode.Core.NextUnlinked;
        if (group.Agi.Unlinked[bucket] == number.Value)
        {
            group.ModifyAgi(tx).Unlinked[bucket] = next;
            inode.Modify(tx).NextUnlinked = uint.MaxValue;
            return;
        }
        uint at = group.Agi.Unlinked[bucket], steps = group.Agi.Count;
        for (; at != uint.MaxValue && steps > 0; steps--)
        {
            Inode one = inodes.GetRaw(Geometry.Join(group.Number, new AgInode(at)));
            at = one.Core.NextUnlinked;
            if (at != number.Value) continue;
            one.Modify(tx).NextUnlinked = next;
            inode.Modify(tx).NextUnlinked = uint.MaxValue;
            return;
        }
        throw group.Corrupt("AGI", $"inode {inode.Number} is not on unlinked list {bucket}");
    }

    /// <summary>Some inode of a group's lists, or null when all are empty.</summary>
    public Inode? First(AllocationGroup group)
    {
        for (int bucket = 0; bucket < Agi.BucketCount; bucket++)
        {
            uint head = group.Agi.Unlinked[bucket];
            if (head != uint.MaxValue) return inodes.GetRaw(Geometry.Join(group.Number, new AgInode(head)));
        }
        return null;
    }
}
