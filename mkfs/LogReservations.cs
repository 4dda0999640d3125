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
    // An intent to change a parent pointer: its format, a name of 255 bytes and a pointer, each rounded to four; or two of both.
    private const int OnePointer = 40 + 256 + 12, TwoPointers = OnePointer + 256 + 12;

    private readonly int block, sector, inode, directoryBlock, inodeCluster, chunkBlocks;
    private readonly int freeSpaceLevels, reverseMapLevels, referenceLevels, inodeLevels, dataLevels, attributeLevels;
    private readonly int freeSpaceRecordsGained;
    private readonly bool reflink, reverseMap, freeInodes, parents;
    private readonly long logStripe;

    /// <param name="plan">The plan, all but the place and size of the log.</param>
    public LogReservations(MkfsPlan plan)
    {
        (block, sector, inode, directoryBlock) = (plan.BlockSize, plan.SectorSize, plan.InodeSize, plan.DirectoryBlockSize);
        (reflink, reverseMap, freeInodes, parents) = (plan.Reflink, plan.ReverseMapBtree, plan.FreeInodeBtree, plan.ParentPointers);
        logStripe = (long)plan.LogStripeUnit * block;

        freeSpaceLevels = Levels(FreeSpace(block), (plan.AgBlocks + 1L) / 2);
        // Kernels once assumed nine levels whenever blocks can be shared, and a log must suit those kernels too; those that know
        // parent pointers are younger.
        reverseMapLevels = !reverseMap ? 0 : reflink && !parents ? 9 : ReverseMapLevels(plan);
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
        // Intents to map, to count and to own make chains longer.
        int sharingCount = !parents ? reflink ? 8 : 2 : 2 + (reflink || reverseMap ? 1 : 0) + (reflink ? 1 : 0) + (reverseMap ? 1 : 0);
        // A name operation goes on with the parent pointer, which takes as many transactions as an attribute.
        int more = parents ? 3 : 0;
        yield return (Write(), sharingCount);
        yield return (Truncate(), sharingCount);
        yield return (Rename(), 2 + more);
        yield return (Link(), 2 + more);
        yield return (Remove(), 2 + more);
        yield return (Create() + Buffers(1, 1024), 3 + more);                                                                           // symlink
        yield return (Create(), 2 + more);
        yield return (Quota + CreateAllocating() + UnlinkedAdd, 2);                                                                     // unnamed file
        yield return (Create(), 3 + more);                                                                                              // mkdir
        yield return (Quota + InodeItems(1) + Sectors(3) + UnlinkedRemove + Blocks(FreeSpaceBlocks(1)) + Buffers(chunkBlocks, 0)
            + InodeTree() + FreeInodeTree(), 2);                                                                                        // free an inode
        yield return (Quota + InodeItems(1) + Sectors(2) + Buffers(1, directoryBlock) + Blocks(NameMapping + 1) + Blocks(FreeSpaceBlocks(1)), 2);
        yield return (Math.Max(InodeItems(1) + Blocks(attributeLevels), Sectors(9) + Blocks(FreeSpaceBlocks(4))), 1);
        yield return (SetAttribute, 3);
        yield return (RemoveAttribute, 3);
        yield return (Write() + Buffers(1, block - 1), sharingCount);                                                                   // quota file
    }

    private long Write()
    {
        long map = InodeItems(1) + Blocks(dataLevels) + Sectors(3) + Blocks(FreeSpaceBlocks(2));
        long free = Sectors(5) + Blocks(FreeSpaceBlocks(2));
        // Once, reference counts were changed in the same transaction; the smallest log allows for that unless only kernels
        // that do not any more know the file system.
        return Quota + (parents ? Math.Max(Math.Max(map, free), Counts(1)) : Math.Max(map, free) + Blocks(ReferenceBlocks(2)));
    }

    private long Truncate()
    {
        long unmap = InodeItems(1) + Blocks(dataLevels + 1);
        long free = Sectors(9) + Blocks(FreeSpaceBlocks(4));
        return Quota + (parents ? Math.Max(Math.Max(unmap, free), Counts(2)) : Math.Max(unmap, free + Blocks(ReferenceBlocks(4))));
    }

    private int ReferenceBlocks(int operations) => reflink ? operations * (2 * referenceLevels - 1) : 0;
    private long Counts(int operations) => reflink ? Sectors(operations) + Blocks(ReferenceBlocks(operations)) : 0;

    private long Rename() => Quota + Pointers(Math.Max(TwoPointers + 2 * OnePointer, 2 * TwoPointers)) + Math.Max(
        Math.Max(InodeItems(5) + Blocks(2 * NameBlocks), Sectors(7) + Blocks(FreeSpaceBlocks(3))),
        Pointers(Math.Max(SetAttribute, RemoveAttribute)));

    private long Link() => Quota + UnlinkedRemove + Pointers(OnePointer) + Math.Max(
        Math.Max(InodeItems(2) + Blocks(NameBlocks), Sectors(3) + Blocks(FreeSpaceBlocks(1))), Pointers(SetAttribute));

    private long Remove() => Quota + UnlinkedAdd + Pointers(OnePointer) + Math.Max(
        Math.Max(InodeItems(2) + Blocks(NameBlocks), Sectors(4) + Blocks(FreeSpaceBlocks(2))), Pointers(RemoveAttribute));

    private long Create() => Quota + Pointers(OnePointer) + Math.Max(
        Math.Max(CreateAllocating(), InodeItems(2) + Sectors(1) + block + Blocks(NameBlocks) + FreeInodeTree()), Pointers(SetAttribute));

    /// <summary>What counts only with parent pointers.</summary>
    private long Pointers(long bytes) => parents ? bytes : 0;

    private long CreateAllocating() => Sectors(2) + sector + Blocks(FreeSpaceBlocks(1)) + InodeTree() + FreeInodeTree();
    private long InodeTree() => Blocks(inodeLevels) + Blocks(FreeSpaceBlocks(1));
    private long FreeInodeTree() => freeInodes ? InodeTree() : 0;
    private long UnlinkedRemove => Sectors(1) + 2L * inodeCluster;
    private long UnlinkedAdd => Sectors(1) + inodeCluster;
    private long SetAttribute => Quota + InodeItems(1) + Sectors(1) + Blocks(DirectoryDepth);
    private long RemoveAttribute => Quota + Math.Max(
        InodeItems(1) + Blocks(DirectoryDepth) + (long)block * attributeLevels + Buffers(dataLevels, 0),
        Sectors(5) + Blocks(FreeSpaceBlocks(2)));

    /// <summary>The largest attribute that is still kept, and logged, in the name index itself.</summary>
    private long LargestAttribute()
    {
        int size = block / 2 + block / 4 - 256 - 1;
        long mapping = MappingBlocks(1, attributeLevels);
        // Without parent pointers the size in bytes is taken for a number of blocks in the last summand; kernels do the same.
        long blocks = DirectoryDepth + DirectoryDepth * mapping + CeilingDivide(size, block)
            + MappingBlocks(parents ? CeilingDivide(size, block) : size, attributeLevels);
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
