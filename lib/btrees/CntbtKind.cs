using ImageFs.Format;

namespace ImageFs.BTrees;

/// <summary>Free space by size, then place.</summary>
internal readonly struct CntbtKind : IBtreeKind<FreeSpaceRecord, FreeSpaceRecord>
{
    public static BlockKind Block => BlockKind.Cntbt;
    public static bool Overlapping => false;
    public static bool LongPointers => false;
    public static FreeSpaceRecord KeyOf(in FreeSpaceRecord record) => record;
    public static FreeSpaceRecord HighKeyOf(in FreeSpaceRecord record) => record;
    public static int Compare(in FreeSpaceRecord left, in FreeSpaceRecord right)
    {
        uint a = left.Count, b = right.Count;
        return a != b ? a.CompareTo(b) : left.Start.Value.CompareTo(right.Start.Value);
    }
}
