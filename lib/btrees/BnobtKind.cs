using ImageFs.Format;

namespace ImageFs.BTrees;

/// <summary>Free space by place.</summary>
/// <remarks>Records may not touch: neighbours are merged by whoever inserts.</remarks>
internal readonly struct BnobtKind : IBtreeKind<FreeSpaceRecord, FreeSpaceRecord>
{
    public static BlockKind Block => BlockKind.Bnobt;
    public static bool Overlapping => false;
    public static bool LongPointers => false;
    public static FreeSpaceRecord KeyOf(in FreeSpaceRecord record) => record;
    public static FreeSpaceRecord HighKeyOf(in FreeSpaceRecord record) =>
        new() { Start = RunEnd.Last(record.Start, record.Count), Count = record.Count };
    public static int Compare(in FreeSpaceRecord left, in FreeSpaceRecord right) => left.Start.Value.CompareTo(right.Start.Value);
}
