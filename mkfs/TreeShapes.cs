namespace ImageFs.Mkfs;

/// <summary>
/// How high btrees can grow. The answers enter the log reservations and through them the smallest log, so they must be what
/// the kernel computes, not what would be true.
/// </summary>
internal static class TreeShapes
{
    public const int ShortHeader = 56, LongHeader = 72;

    /// <summary>Fewest records of a leaf and fewest entries of a node, the root excepted: half of what fits.</summary>
    public readonly record struct Minimum(long Leaf, long Node);

    public static int LeafCapacity(int blockSize, int recordSize) => (blockSize - ShortHeader) / recordSize;

    public static Minimum FreeSpace(int blockSize) => Short(blockSize, 8, 12);
    public static Minimum Inodes(int blockSize) => Short(blockSize, 16, 8);
    public static Minimum ReverseMap(int blockSize) => Short(blockSize, 24, 44);
    public static Minimum ReferenceCount(int blockSize) => Short(blockSize, 12, 8);

    private static Minimum Short(int blockSize, int record, int entry) =>
        new((blockSize - ShortHeader) / record / 2, (blockSize - ShortHeader) / entry / 2);

    /// <summary>Levels of a tree with that many records when every block is as empty as it may be.</summary>
    public static int Levels(Minimum minimum, long records)
    {
        int levels = 1;
        for (long blocks = CeilingDivide(records, minimum.Leaf); blocks > 1; blocks = CeilingDivide(blocks, minimum.Node)) levels++;
        return levels;
    }

    /// <summary>Levels of the mapping tree of one fork, whose root in the inode holds <paramref name="rootEntries"/>.</summary>
    public static int MappingLevels(int blockSize, ulong extents, ulong rootEntries)
    {
        ulong half = (ulong)((blockSize - LongHeader) / 16 / 2);
        int levels = 1;
        for (ulong blocks = (extents - 1) / half + 1; blocks > 1; levels++)
            blocks = blocks <= rootEntries ? 1 : (blocks - 1) / half + 1;
        return levels;
    }

    /// <summary>Levels of a minimally filled tree that takes up that many blocks.</summary>
    public static int LevelsOfBlocks(Minimum minimum, long blocks)
    {
        int levels = 1;
        long left = blocks - 1;
        for (long level = minimum.Node; level < left; level *= minimum.Node, levels++) left -= level;
        return levels;
    }

    /// <summary>Levels of the reverse mapping tree of a group. Where blocks are shared it has as many records as fit.</summary>
    public static int ReverseMapLevels(MkfsPlan plan) => plan.Reflink ? LevelsOfBlocks(ReverseMap(plan.BlockSize), plan.AgBlocks)
        : Levels(ReverseMap(plan.BlockSize), plan.AgBlocks);

    /// <summary>Blocks a fresh group puts aside for its free space and reverse mapping trees: a new root and a leaf each,
    /// unless the group is so small that the tree never needs a second level.</summary>
    public static uint FreeListBlocks(MkfsPlan plan)
    {
        int freeSpace = Levels(FreeSpace(plan.BlockSize), (plan.AgBlocks + 1L) / 2);
        int reverseMap = plan.ReverseMapBtree ? ReverseMapLevels(plan) : 0;
        return (uint)(2 * Math.Min(2, freeSpace) + Math.Min(2, reverseMap));
    }

    public static long CeilingDivide(long value, long by) => (value + by - 1) / by;
    public static long RoundUp(long value, long to) => CeilingDivide(value, to) * to;
}
