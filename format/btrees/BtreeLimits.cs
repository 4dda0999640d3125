namespace ImageFs.Format;

/// <summary>Greatest heights of the btrees for a geometry, computed from minimally filled blocks; hostile levels are refused by them.</summary>
/// <remarks>xfs_alloc_compute_maxlevels and its siblings.</remarks>
public sealed class BtreeLimits
{
    /// <summary>No tree of the format is higher (XFS_BTREE_MAXLEVELS bounds are all below).</summary>
    public const int MaxHeight = 16;

    internal BtreeLimits(Geometry geometry)
    {
        int shortLeaf(int record) => geometry.LeafCapacity(ShortBtreeHeader.Size, record);
        int shortNode(int key) => geometry.NodeCapacity(ShortBtreeHeader.Size, key, 4);
        ulong blocks = geometry.AgBlocks;

        Alloc = Height(shortLeaf(8) / 2, shortNode(8) / 2, (blocks + 1) / 2);
        ulong inodes = 1UL << (geometry.AgBlockLog + geometry.InodesPerBlockLog);
        Inobt = Height(shortLeaf(16) / 2, shortNode(4) / 2, Math.Max(1, inodes / InodeChunkRecord.InodesPerChunk));
        Refcount = Height(shortLeaf(12) / 2, shortNode(4) / 2, blocks);
        Rmap = geometry.HasReflink
            ? HeightForBlocks(shortLeaf(24) / 2, shortNode(40) / 2, blocks)
            : Height(shortLeaf(24) / 2, shortNode(40) / 2, blocks);
        ulong extents = geometry.HasLargeExtentCounters ? (1UL << 48) - 1 : (1UL << 31) - 1;
        int half = geometry.LeafCapacity(LongBtreeHeader.Size, 16) / 2;
        // The root lives in the inode and may be as small as two pointers' worth of fork.
        Bmap = Height(half, half, extents) + 1;
    }

    public int Alloc { get; }
    public int Inobt { get; }
    public int Refcount { get; }
    public int Rmap { get; }
    /// <summary>Levels including the root in the inode.</summary>
    public int Bmap { get; }

    /// <summary>Height of a tree of that many records in minimally filled blocks.</summary>
    public static int Height(int minLeaf, int minNode, ulong records)
    {
        ulong blocks = Math.Max(1, (records + (ulong)minLeaf - 1) / (ulong)minLeaf);
        int height = 1;
        for (; blocks > 1; height++) blocks = (blocks + (ulong)minNode - 1) / (ulong)minNode;
        return height;
    }

    /// <summary>All blocks of a tree of that many records in minimally filled blocks.</summary>
    public static ulong Blocks(int minLeaf, int minNode, ulong records)
    {
        ulong level = Math.Max(1, (records + (ulong)minLeaf - 1) / (ulong)minLeaf), total = level;
        while (level > 1)
        {
            level = (level + (ulong)minNode - 1) / (ulong)minNode;
            total += level;
        }
        return total;
    }

    /// <summary>Height of the highest tree that many blocks can form: every node minimally filled, the root with two pointers.</summary>
    private static int HeightForBlocks(int minLeaf, int minNode, ulong blocks)
    {
        _ = minLeaf;
        ulong leaves = 1, perRoot = 2;
        if (blocks <= 1) return (int)blocks;
        int height = 1;
        ulong left = blocks - 1; // the root
        leaves = perRoot;
        while (left >= leaves)
        {
            left -= leaves;
            height++;
            leaves *= (ulong)minNode;
        }
        return height;
    }
}
