using ImageFs.BTrees;
using ImageFs.Format;
using ImageFs.Transactions;

namespace ImageFs.Allocation;

using Cursor = BtreeCursor<RmapbtKind, RmapRecord, RmapKey>;

/// <summary>Who owns which blocks of a group. Shared blocks have one record per owner, so records may overlap.</summary>
/// <remarks>
/// Always true: two records of the same owner and flags that touch in blocks (and, for inodes, in file offset) are one.
/// The caller has filled the free list: one change here may split the tree.
/// </remarks>
internal static class ReverseMap
{
    private const ulong Flags = RmapFlags.AttributeFork | RmapFlags.BmbtBlock | RmapFlags.Unwritten;

    /// <summary>True if a run of that owner has no file offset to keep in step: special owners and bmbt blocks.</summary>
    private static bool IgnoresOffset(ulong owner, ulong offset) => !RmapOwner.IsInode(owner) || (offset & RmapFlags.BmbtBlock) != 0;

    /// <summary>Records an owner of a run.</summary>
    /// <param name="offset">File block of the run's start and <see cref="RmapFlags"/>; 0 for special owners.</param>
    /// <param name="mayJoinLeft">False if the caller knows that the owner does not have the block before, which continues there.</param>
    /// <param name="mayJoinRight">False if the caller knows that the owner does not have the block behind.</param>
    public static void Add(Transaction tx, AllocationGroup group, AgBlock start, uint length, ulong owner, ulong offset,
        bool mayJoinLeft = true, bool mayJoinRight = true)
    {
        bool ignore = IgnoresOffset(owner, offset);
        Cursor cursor = group.Owners(tx);
        uint from = start.Value, end = from + length;
        ulong nextOffset = ignore ? offset : offset + length;

        bool hasRight = mayJoinRight && cursor.Seek(Key(end, owner, nextOffset), SeekMode.Equal) && cursor.Current.Offset == nextOffset;
        RmapRecord right = hasRight ? cursor.Current : default;
        bool IsLeft(in RmapRecord record) =>
            record.Owner == owner && record.Start + record.Count == from && (record.Offset ^ offset) >> 61 == 0
            && (ignore || record.Offset + record.Count == offset);
        RmapRecord left = default;
        bool hasLeft = mayJoinLeft && from > 0 && cursor.Seek(Key(from, owner, offset), SeekMode.LessOrEqual) && IsLeft(left = cursor.Current);
        // Only a record that ends where the file's block before lies can be the left one: the first block of a file has none.
        if (mayJoinLeft && !hasLeft && group.Geometry.HasReflink && !ignore && from > 0 && (offset & RmapFlags.OffsetMask) != 0)
            hasLeft = FindOverlapping(group, from - 1, IsLeft, out left);

        if (hasRight)
        {
            cursor.Seek(Key(end, owner, nextOffset), SeekMode.Equal);
            cursor.Delete();
            length += right.Count;
        }
        if (hasLeft)
        {
            if (!cursor.Seek(Key(left.Start, owner, left.Offset), SeekMode.Equal)) throw Missing(group, left.Start, left.Count, owner);
            left.Count = left.Count + length;
            cursor.Update(left);
        }
        else
            cursor.Insert(new RmapRecord { Start = from, Count = length, Owner = owner, Offset = offset });
    }

    /// <summary>Removes an owner of a run, which may be part of a longer record.</summary>
    /// <exception cref="CorruptionException">No record says that the run belongs to that owner.</exception>
    public static void Remove(Transaction tx, AllocationGroup group, AgBlock start, uint length, ulong owner, ulong offset)
    {
        bool ignore = IgnoresOffset(owner, offset);
        Cursor cursor = group.Owners(tx);
        uint from = start.Value;
        bool Contains(in RmapRecord record) =>
            record.Owner == owner && record.Start <= from && (ulong)record.Start + record.Count >= (ulong)from + length
            && (record.Offset & Flags) == (offset & Flags) && (ignore || record.Offset + (from - record.Start) == offset);
        RmapRecord found = default;
        bool has = cursor.Seek(Key(from, owner, offset), SeekMode.LessOrEqual) && Contains(found = cursor.Current);
        if (!has)
        {
            if (!FindOverlapping(group, from, Contains, out found)) throw Missing(group, from, length, owner);
            if (!cursor.Seek(Key(found.Start, owner, found.Offset), SeekMode.Equal)) throw Missing(group, from, length, owner);
        }

        uint foundEnd = found.Start + found.Count, end = from + length;
        RmapRecord rest = new() { Start = end, Count = foundEnd - end, Owner = owner, Offset = ignore ? offset : offset + length };
        if (found.Start < from)
        {
            found.Count = from - found.Start;
            cursor.Update(found);
        }
        else
            cursor.Delete();
        if (foundEnd > end) cursor.Insert(rest);
    }

    /// <summary>Removes whoever owns blocks of a run, if anybody does: what an interrupted freeing may have left.</summary>
    public static void RemoveAny(Transaction tx, AllocationGroup group, AgBlock start, uint length)
    {
        uint from = start.Value, end = from + length;
        List<RmapRecord> over = [];
        BtreeQuery.Range<RmapbtKind, RmapRecord, RmapKey>(group.Rmapbt, Key(from, 0, 0), Key(end - 1, ulong.MaxValue, ulong.MaxValue),
            (in RmapRecord record) =>
            {
                over.Add(record);
                return true;
            });
        foreach (RmapRecord record in over)
        {
            uint first = Math.Max(from, record.Start), last = Math.Min(end, record.Start + record.Count);
            if (first >= last) continue;
            ulong skipped = IgnoresOffset(record.Owner, record.Offset) ? 0 : first - record.Start;
            FreeList.Fill(tx, group);
            Remove(tx, group, new AgBlock(first), last - first, record.Owner, record.Offset + skipped);
        }
    }

    /// <summary>True if the run belongs to that special owner, wholly.</summary>
    public static bool IsOwnedBy(AllocationGroup group, AgBlock start, uint length, ulong owner)
    {
        Cursor cursor = new(group.Rmapbt);
        return cursor.Seek(Key(start.Value, owner, 0), SeekMode.LessOrEqual) && cursor.Current.Owner == owner
            && (ulong)cursor.Current.Start + cursor.Current.Count >= (ulong)start.Value + length;
    }

    private delegate bool Condition(in RmapRecord record);

    /// <summary>Looks at every record over a block: with shared blocks the wanted one need not be the nearest by key.</summary>
    private static bool FindOverlapping(AllocationGroup group, uint block, Condition wanted, out RmapRecord found)
    {
        RmapRecord hit = default;
        bool has = false;
        BtreeQuery.Range<RmapbtKind, RmapRecord, RmapKey>(group.Rmapbt, Key(block, 0, 0), Key(block, ulong.MaxValue, ulong.MaxValue),
            (in RmapRecord record) =>
            {
                if (!wanted(record)) return true;
                hit = record;
                has = true;
                return false;
            });
        found = hit;
        return has;
    }

    private static RmapKey Key(uint start, ulong owner, ulong offset) =>
        new() { Start = start, Owner = owner, Offset = offset & ~RmapFlags.Unwritten };

    private static CorruptionException Missing(AllocationGroup group, uint start, uint length, ulong owner) =>
        group.Corrupt("rmapbt", $"no record that blocks {start}..{start + length - 1} belong to {RmapOwner.Name(owner)}");
}
