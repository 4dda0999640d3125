using ImageFs.Format;

namespace ImageFs.BTrees;

/// <summary>The extents of a fork by file offset. Its root lies in the inode.</summary>
internal readonly struct BmbtKind : IBtreeKind<PackedExtent, BigEndian64>
{
    public static BlockKind Block => BlockKind.Bmbt;
    public static bool Overlapping => false;
    public static bool LongPointers => true;
    public static BigEndian64 KeyOf(in PackedExtent record) => OffsetOf(record);
    public static BigEndian64 HighKeyOf(in PackedExtent record)
    {
        ulong length = record.Low.Value & Extent.MaxLength;
        return OffsetOf(record) + (length == 0 ? 0 : length - 1);
    }
    public static int Compare(in BigEndian64 left, in BigEndian64 right) => left.Value.CompareTo(right.Value);

    private static ulong OffsetOf(in PackedExtent record) => record.High.Value >> 9 & (FileBlock.Limit - 1);
}
