using ImageFs.Format;

namespace ImageFs.BTrees;

/// <summary>The chunks of a group that have free inodes, by the number of their first inode.</summary>
internal readonly struct FinobtKind : IBtreeKind<InodeChunkRecord, BigEndian32>
{
    public static BlockKind Block => BlockKind.Finobt;
    public static bool Overlapping => false;
    public static bool LongPointers => false;
    public static BigEndian32 KeyOf(in InodeChunkRecord record) => record.Start;
    public static BigEndian32 HighKeyOf(in InodeChunkRecord record) => RunEnd.Last(record.Start, InodeChunkRecord.InodesPerChunk);
    public static int Compare(in BigEndian32 left, in BigEndian32 right) => left.Value.CompareTo(right.Value);
}
