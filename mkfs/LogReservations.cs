using static ImageFs.Mkfs.TreeShapes;

namespace ImageFs.Mkfs;

/// <summary>
/// The smallest log a kernel accepts. It must hold three of the largest transaction there can be, so every kind of
/// transaction is added up here the way the kernel adds it up at mount; a log that is one block smaller is refused.
/// </summary>
/// <remarks>Sizes are in bytes. One logged buffer counts with 128 bytes beside its content.</remarks>
internal sealed class LogReservations
{
    private const int BufferOverhead = 128;
    private const int DirectoryDepth = 5;                   // of the name index
    private const int Quota = 6 * (24 + 104);               // user, group and project, twice
    private const int RecordBuffer = 256 * 1024, RecordHeaders = 8 * 512;

    private readonly int block, sector, inode, directoryBlock, inodeCluster, chunkBlocks;
    private readonly int freeSpaceLevels, reverseMapLevels, referenceLevels, inodeLevels, dataLevels, attributeLevels;
    private readonly int freeSpaceRecordsGained;
    private readonly bool reflink, reverseMap, freeInodes;
    private readonly long logStripe;

    /// <param name="plan">The plan, all but the place and size of the log.</param>
    public LogReservations(MkfsPlan plan)
    {
        (block, sector, inode, directoryBlock) = (plan.BlockSize, plan.SectorSize, plan.InodeSize, plan.DirectoryBlockSize);
        (reflink, reverseMap, freeInodes) = (plan.Reflink, plan.ReverseMapBtree, plan.FreeInodeBtree);
        logStripe = (long)plan.LogStripeUnit * block;

        freeSpaceLevels = Levels(FreeSpace(block), (plan.AgBlocks + 1L) / 2);
        // Kernels once assumed nine levels whenever blocks can be shared, and a log must suit those kernels too.
        reverseMapLevels = !reverseMap ? 0 : reflink ? 9 : Levels(ReverseMap(block), plan.AgBlocks);
        referenceLevels = reflink ? Levels(ReferenceCount(block), plan.AgBlocks) : 0;
        inodeLevels = Levels(TreeShapes.Inodes(block), (1L << (plan.AgBlockLog + int.Log2(plan.InodesPerBlock))) >> 6);
        bool large = plan.LargeExtentCounters;
        dataLevels = MappingLevels(block, large ? (1UL << 48) - 1 : (1UL << 31) - 1, 3);
        attributeLevels = MappingLevels(block, large ? (1UL << 32) - 1 : (1UL << 15) - 1, 2);
        int capacity = LeafCapacity(block, 8);
        freeSpaceRecordsGained = capacity - capacity / 2;

        int wantedCluster = 8192 * (inode / 256);
        int cluster = plan.InodeAlignment >= wantedCluster / block ? wantedCluster : 8192;
        inodeCluster = Math.Max(cluster / block, 1) * block;
        chunkBlocks = Math.Max(64, plan.InodesPerBlock) / plan.InodesPerBlock;
    }

    /// <summary>The smallest log in blocks.</summary>
    public long MinimumLogBlocks() => LogBlocks(Largest());

    /// <summary>
    /// The smallest log for kernels with atomic writes (6.16 and later). They end such a write with a truncation that they
    /// count in full, which without shared blocks is more than the count above.
    /// </summary>
    public long MinimumLogBlocksWithAtomicWrites() =>
        Math.Max(MinimumLogBlocks(), reverseMap && !reflink ? LogBlocks((Truncate(), 4)) : 0);

    private long LogBlocks((long Bytes, int Count) transaction)
    {
        (long bytes, int count) = transaction;
        long total = WithHeaders(bytes) * Math.Max(count, 1);
        long sectors = CeilingDivide(total, 512);
        // The second summand without stripe unit is a thousand sectors where a thousand bytes were meant; it has to stay.
        sectors = logStripe > 0 ? RoundUp(sectors, logStripe / 512) + 2 * logStripe / 512 : sectors + 2 * 512;
        return CeilingDivide(3 * sectors, block / 512);
    }

    private (long Bytes, int Count) Largest()
    {
        (long Bytes, int Count) largest = default;
        // Of equals the first wins; the order is the kernel's.
        foreach ((long bytes, int count) in All())
            if (bytes * count > largest.Bytes * largest.Count) largest = (bytes, count);
        long attributes = LargestAttribute();
        return attributes > largest.Bytes * largest.Count ? (attributes, 3) : largest;
    }

    private IEnumerable<(long Bytes, int Count)> All()
    {
        int sharingCount = reflink ? 8 : 2;
        yield return (Write(), sharingCount);
        yield return (Truncate(), sharingCount);
        yield return (Quota + Math.Max(InodeItems(5) + Blocks(2 * NameBlocks), Sectors(7) + Blocks(FreeSpaceBlocks(3))), 2);           // rename
        yield return (Quota + UnlinkedRemove + Math.Max(InodeItems(2) + Blocks(NameBlocks), Sectors(3) + Blocks(FreeSpaceBlocks(1))), 2); // link
        yield return (Quota + UnlinkedAdd + Math.Max(InodeItems(2) + Blocks(NameBlocks), Sectors(4) + Blocks(FreeSpaceBlocks(2))), 2);    // remove
        yield return (Create() + Buffers(1, 1024), 3);                                                                                  // symlink
        yield return (Create(), 2);
        yield return (Quota + CreateAllocating() + UnlinkedAdd, 2);                                                                     // unnamed file
        yield return (Create(), 3);                                                                                                     // mkdir
        yield return (Quota + InodeItems(1) + Sectors(3) + UnlinkedRemove + Blocks(FreeSpaceBlocks(1)) + Buffers(chunkBlocks, 0)
            + InodeTree() + FreeInodeTree(), 2);                                                                                        // free an inode
        yield return (Quota + InodeItems(1) + Sectors(2) + Buffers(1, directoryBlock) + Blocks(NameMapping + 1) + Blocks(FreeSpaceBlocks(1)), 2);
        yield return (Math.Max(InodeItems(1) + Blocks(attributeLevels), Sectors(9) + Blocks(FreeSpaceBlocks(4))), 1);
        yield return (SetAttribute, 3);
        yield return (Quota + Math.Max(
            InodeItems(1) + Blocks(DirectoryDepth) + (long)block * attributeLevels + Buffers(dataLevels, 0),
            Sectors(5) + Blocks(FreeSpaceBlocks(2))), 3);                                                                               // remove attribute
        yield return (Write() + Buffers(1, block - 1), sharingCount);                                                                   // quota file
    }

    private long Write()
    {
        // Once, reference counts were changed in the same transaction; the smallest log still allows for that.
        long shared = reflink ? Blocks(2 * (2 * referenceLevels - 1)) : 0;
        long map = InodeItems(1) + Blocks(dataLevels) + Sectors(3) + Blocks(FreeSpaceBlocks(2));
        long free = Sectors(5) + Blocks(FreeSpaceBlocks(2));
        return Quota + Math.Max(map, free) + shared;
    }

    private long Truncate()
    {
        long unmap = InodeItems(1) + Blocks(dataLevels + 1);
        long free = Sectors(9) + Blocks(FreeSpaceBlocks(4)) + (reflink ? Blocks(4 * (2 * referenceLevels - 1)) : 0);
        return Quota + Math.Max(unmap, free);
    }

    private long Create() => Quota + Math.Max(CreateAllocating(),
        InodeItems(2) + Sectors(1) + block + Blocks(NameBlocks) + FreeInodeTree());

    private long CreateAllocating() => Sectors(2) + sector + Blocks(FreeSpaceBlocks(1)) + InodeTree() + FreeInodeTree();
    private long InodeTree() => Blocks(inodeLevels) + Blocks(FreeSpaceBlocks(1));
    private long FreeInodeTree() => freeInodes ? InodeTree() : 0;
    private long UnlinkedRemove => Sectors(1) + 2L * inodeCluster;
    private long UnlinkedAdd => Sectors(1) + inodeCluster;
    private long SetAttribute => Quota + InodeItems(1) + Sectors(1) + Blocks(DirectoryDepth);

    /// <summary>The largest attribute that is still kept, and logged, in the name index itself.</summary>
    private long LargestAttribute()
    {
        int size = block / 2 + block / 4 - 256 - 1;
        long mapping = MappingBlocks(1, attributeLevels);
        // The size in bytes is taken for a number of blocks in the last summand; kernels do the same.
        long blocks = DirectoryDepth + DirectoryDepth * mapping + CeilingDivide(size, block) + MappingBlocks(size, attributeLevels);
        return SetAttribute + blocks * (Sectors(1) + Blocks(attributeLevels));
    }

    /// <summary>Blocks touched by one change of a directory.</summary>
    private long NameBlocks => (DirectoryDepth + 2) * (directoryBlock / block + NameMapping) + 1;
    private long NameMapping => MappingBlocks(directoryBlock / block, dataLevels);
    private long MappingBlocks(long extents, int levels) => CeilingDivide(extents, freeSpaceRecordsGained) * (levels - 1);

    private int FreeSpaceBlocks(int operations) =>
        operations * 2 * (2 * freeSpaceLevels - 1) + (reverseMap ? operations * (2 * reverseMapLevels - 1) : 0);

    private static long Buffers(long count, long size) => count * (size + BufferOverhead);
    private long Blocks(long count) => Buffers(count, block);
    private long Sectors(long count) => Buffers(count, sector);
    private long InodeItems(int count) => count * (4L * 12 + 56 + inode + 2 * LongHeader);

    /// <summary>What the records around it add to a transaction that does not fit into one.</summary>
    private long WithHeaders(long bytes)
    {
        const int operation = 12, transactionHeader = 16, space = RecordBuffer - RecordHeaders;
        bytes += 2 * operation + transactionHeader;
        long records = CeilingDivide(bytes, space);
        bytes += operation * records;
        for (; CeilingDivide(bytes, space) > records; records++) bytes += operation;
        return bytes + RecordHeaders * (records + 1) + 2 * (logStripe > 0 ? logStripe : 512);
    }
}
