using ImageFs.Format;

namespace ImageFs.BTrees;

/// <summary>
/// Who owns which blocks, by place, owner and offset. Shared blocks have one record per owner, so records overlap and nodes
/// carry the greatest high key of each subtree.
/// </summary>
/// <remarks>
/// Whether an extent is unwritten is no part of its key. Comparing masks the bit once more: older kernels left it in the
/// keys of nodes.
/// </remarks>
internal readonly struct RmapbtKind : IBtreeKind<RmapRecord, RmapKey>
{
    public static BlockKind Block => BlockKind.Rmapbt;
    public static bool Overlapping => true;
    public static bool LongPointers => false;

    public static RmapKey KeyOf(in RmapRecord record) =>
        new() { Start = record.Start, Owner = record.Owner, Offset = record.Offset.Value & ~RmapFlags.Unwritten };

    public static RmapKey HighKeyOf(in RmapRecord record)
    {
        uint start = record.Start, last = RunEnd.Last(start, record.Count);
        ulong owner = record.Owner, offset = record.Offset.Value & ~RmapFlags.Unwritten;
        // Only file contents have an offset that grows along the run; a bmbt block has none.
        if (RmapOwner.IsInode(owner) && (offset & RmapFlags.BmbtBlock) == 0)
            offset = (offset & ~RmapFlags.OffsetMask) | ((offset + (last - start)) & RmapFlags.OffsetMask);
        return new() { Start = last, Owner = owner, Offset = offset };
    }

    public static int Compare(in RmapKey left, in RmapKey right)
    {
        uint startLeft = left.Start, startRight = right.Start;
        if (startLeft != startRight) return startLeft.CompareTo(startRight);
        ulong ownerLeft = left.Owner, ownerRight = right.Owner;
        if (ownerLeft != ownerRight) return ownerLeft.CompareTo(ownerRight);
        return (left.Offset.Value & ~RmapFlags.Unwritten).CompareTo(right.Offset.Value & ~RmapFlags.Unwritten);
    }
}
