using ImageFs.Format;

namespace ImageFs.BTrees;

/// <summary>Every chunk of 64 inodes of a group, by the number of their first inode.</summary>
internal readonly struct InobtKind : IBtreeKind<InodeChunkRecord, BigEndian32>
{
    public static BlockKind Block => BlockKind.Inobt;
    public static bool Overlapping => false;
    public static bool LongPointers => false;
    public static BigEndian32 KeyOf(in InodeChunkRecord record) => record.Start;
    public static BigEndian32 HighKeyOf(in InodeChunkRecord record) => RunEnd.Last(record.Start, InodeChunkRecord.InodesPerChunk);
    public static int Compare(in BigEndian32 left, in BigEndian32 right) => left.Value.CompareTo(right.Value);
}
