using ImageFs.Format;

namespace ImageFs.BTrees;

/// <summary>Shared runs by place, and behind all of them the CoW staging runs: bit 31 of the start is part of the key.</summary>
internal readonly struct RefcountbtKind : IBtreeKind<RefcountRecord, BigEndian32>
{
    public static BlockKind Block => BlockKind.Refcountbt;
    public static bool Overlapping => false;
    public static bool LongPointers => false;
    public static BigEndian32 KeyOf(in RefcountRecord record) => record.Start;
    public static BigEndian32 HighKeyOf(in RefcountRecord record) => RunEnd.Last(record.Start, record.Count);
    public static int Compare(in BigEndian32 left, in BigEndian32 right) => left.Value.CompareTo(right.Value);
}
