using System.Text;
using static ImageFs.Mkfs.TreeShapes;

namespace ImageFs.Mkfs;

/// <summary>
/// Turns options into a plan: sizes first, then stripes, groups, and at last the log, because each needs the one before.
/// </summary>
internal sealed class Planner
{
    private const long MinimumAgBytes = 16L << 20, MaximumAgBytes = 1L << 40;

    private readonly MkfsOptions options;
    private readonly List<string> warnings = [];
    private int block, sector, inode;
    private long dataBlocks, agBlocks, agCount;
    private long stripeUnit, stripeWidth;                   // in blocks

    private Planner(MkfsOptions options) => this.options = options;

    /// <param name="options">What is wanted.</param>
    /// <param name="deviceBytes">Size of the device; null when it will be made to fit.</param>
    public static MkfsPlan Plan(MkfsOptions options, long? deviceBytes) => new Planner(options).Plan(deviceBytes);

    private MkfsPlan Plan(long? deviceBytes)
    {
        block = PowerOfTwo(options.BlockSize ?? 4096, 1024, 65536, "block size (-b size)");
        sector = PowerOfTwo(options.SectorSize ?? 512, 512, 32768, "sector size (-s size)");
        Require(sector <= block, $"The sector size {sector} (-s size) is larger than the block size {block} (-b size).");
        Require(options.LogSectorSize is null || options.LogSectorSize == sector,
            $"-l sectsize={options.LogSectorSize}: the log lies on the same device and has its sector size, {sector}.");
        CheckFeatures();
        int directoryBlock = DirectoryBlock();
        inode = InodeSize();
        SetDataBlocks(deviceBytes);
        long wantedLogBlocks = WantedLogBlocks();
        uint realtimeExtent = RealtimeExtent();
        SetStripe();
        long logStripe = LogStripe();
        SetGroups();

        int wantedCluster = 8192 * (inode / 256);
        MkfsPlan plan = new()
        {
            BlockSize = block, SectorSize = sector, InodeSize = inode, DirectoryBlockSize = directoryBlock,
            DataBlocks = dataBlocks, AgBlocks = (uint)agBlocks, AgCount = (uint)agCount,
            StripeUnit = (uint)stripeUnit, StripeWidth = (uint)stripeWidth, LogStripeUnit = (uint)logStripe,
            MaxInodePercent = InodePercent(), RealtimeExtentBlocks = realtimeExtent,
            // With sparse inodes a whole chunk is aligned to its size and a part of one to the inode cluster.
            InodeAlignment = (uint)((options.SparseInodes ? 64 * inode : wantedCluster) / block),
            SparseInodeAlignment = options.SparseInodes ? (uint)(wantedCluster / block) : 0,
            SparseInodes = options.SparseInodes, FreeInodeBtree = options.FreeInodeBtree,
            ReverseMapBtree = options.ReverseMapBtree, Reflink = options.Reflink,
            InodeBtreeCounters = options.InodeBtreeCounters ?? options.FreeInodeBtree,
            BigTime = options.BigTime, LargeExtentCounters = options.LargeExtentCounters,
            // Nothing needs it, but whoever repairs a tree with parent pointers in place does it by exchanging mappings.
            ExchangeRange = options.ExchangeRange ?? options.ParentPointers, ParentPointers = options.ParentPointers,
            Uuid = options.Uuid, Label = options.Label,
        };
        plan = plan with { FreeListBlocks = FreeListBlocks(plan) };
        plan = LogPlacement.Place(plan, wantedLogBlocks, options.LogAg, warnings);
        return plan with { RootChunkBlock = RootChunk(plan), Root = Root(plan), Warnings = warnings };
    }

    private void CheckFeatures()
    {
        Require(options.InodeBtreeCounters != true || options.FreeInodeBtree,
            "-m inobtcount=1 needs the free inode btree (-m finobt=1).");
        Require(options.RootCowExtentSize == 0 || options.Reflink, "-d cowextsize needs shared blocks (-m reflink=1).");
        int labelBytes = Encoding.UTF8.GetByteCount(options.Label);
        Require(labelBytes <= 12, $"The label '{options.Label}' (-L) has {labelBytes} bytes; there is room for 12.");
        Require(!options.Label.Contains('\0', StringComparison.Ordinal), "The label (-L) contains a zero byte.");
        Require(options.Uuid != Guid.Empty, "The UUID (-m uuid) must not be all zero.");
    }

    private int DirectoryBlock()
    {
        if (options.DirectoryBlockSize is not { } size) return Math.Max(block, 4096);
        long bytes = PowerOfTwo(Bytes(size, "-n size"), 4096, 65536, "directory block size (-n size)");
        Require(bytes >= block, $"The directory block size {bytes} (-n size) is smaller than the block size {block} (-b size).");
        return (int)bytes;
    }

    private int InodeSize()
    {
        Require(options.InodeSize is null || options.InodesPerBlock is null, "-i size and -i perblock cannot both be given.");
        int size = options.InodesPerBlock is { } perBlock
            ? block / PowerOfTwo(perBlock, 2, 256, "number of inodes per block (-i perblock)")
            : PowerOfTwo(options.InodeSize ?? 512, 256, 2048, "inode size (-i size)");
        int largest = Math.Min(block / 2, 2048);
        Require(size >= 512 && size <= largest, largest == 512
            ? $"The inode size {size} is not possible; with blocks of {block} bytes only 512 is."
            : $"The inode size {size} is not possible; with blocks of {block} bytes it may be 512 to {largest}.");
        return size;
    }

    private void SetDataBlocks(long? deviceBytes)
    {
        // The end of a device that is no whole number of sectors, or of kilobytes, cannot be relied on.
        long? available = deviceBytes is { } length ? length & -Math.Max(sector, 1024) : null;
        if (options.Size is { } size)
        {
            long bytes = Bytes(size, "-d size");
            Require(bytes >= MinimumAgBytes, $"The size {size} (-d size) is too small; the smallest file system has 16 MiB.");
            dataBlocks = WholeBlocks(bytes, "size (-d size)");
            Require(available is null or 0 || dataBlocks <= available / block,
                $"The size {size} (-d size) is larger than the image, which has {available / block} blocks of {block} bytes.");
        }
        else
        {
            Require(available is not null, "The size of the file system is not known; give it with --size or -d size.");
            dataBlocks = available!.Value / block;
        }
        Require(dataBlocks >= MinimumAgBytes / block,
            $"The image has {dataBlocks} blocks of {block} bytes; the smallest file system has {MinimumAgBytes / block} (16 MiB).");
    }

    private long WantedLogBlocks()
    {
        if (options.LogSize is not { } size) return 0;
        long bytes = Bytes(size, "-l size");
        Require(bytes is >= 2 << 20 and <= LogPlacement.MaximumBytes,
            $"The log size {size} (-l size) is out of range; it may be 2 MiB to 2038 MiB.");
        long blocks = WholeBlocks(bytes, "log size (-l size)");
        Require(blocks < dataBlocks, $"The log size {size} (-l size) leaves no room for anything else.");
        return blocks;
    }

    private uint RealtimeExtent()
    {
        if (options.RealtimeExtentSize is not { } size) return (uint)(block < 4096 ? 4096 / block : 1);
        long bytes = Bytes(size, "-r extsize");
        Require(bytes is >= 4096 and <= 1 << 30, $"The realtime extent size {size} (-r extsize) is out of range; it may be 4 KiB to 1 GiB.");
        Require(bytes % block == 0, $"The realtime extent size {size} (-r extsize) is not a multiple of the block size {block}.");
        return (uint)(bytes / block);
    }

    private void SetStripe()
    {
        bool hasUnit = options.StripeUnit is not null;
        bool hasWidth = options.StripeWidth is not null || options.StripeUnitsInWidth is not null;
        Require(options.StripeWidth is null || options.StripeUnitsInWidth is null, "-d swidth and -d sw cannot both be given.");
        Require(hasUnit == hasWidth, "A stripe needs its unit and its width: -d su with -d sw, or -d sunit with -d swidth.");
        if (!hasUnit) return;
        long unit = Bytes(options.StripeUnit!.Value, "-d su");
        long width = options.StripeWidth is { } w ? Bytes(w, "-d swidth") : StripeWidthOf(unit, options.StripeUnitsInWidth!.Value);
        Require(width <= int.MaxValue, $"The stripe width of {width} bytes is too large; it must be below 2 GiB.");
        Require(unit <= width, $"The stripe unit of {unit} bytes is larger than the stripe width of {width}.");
        Require(unit != 0 || width == 0, $"A stripe width of {width} bytes makes no sense with a stripe unit of 0.");
        Require(unit % sector == 0, $"The stripe unit of {unit} bytes is not a multiple of the sector size {sector}.");
        if (unit == 0 || options.NoStripeAlignment) return;
        Require(width % unit == 0, $"The stripe width of {width} bytes is not a multiple of the stripe unit of {unit}.");
        Require(unit % block == 0 && width % block == 0,
            $"The stripe unit of {unit} bytes or the stripe width of {width} is not a multiple of the block size {block}.");
        (stripeUnit, stripeWidth) = (unit / block, width / block);
    }

    private static long StripeWidthOf(long unit, long count)
    {
        Require(count >= 0 && unit <= uint.MaxValue && count <= uint.MaxValue, $"-d sw={count} is out of range.");
        return checked((long)((UInt128)unit * (ulong)count > long.MaxValue ? long.MaxValue : unit * count));
    }

    /// <summary>Log stripe unit in blocks: the wanted one, else one block if sectors are large, else that of the data.</summary>
    private long LogStripe()
    {
        long bytes = sector > 512 ? block : 0;
        if (options.LogStripeUnit is { } wanted)
        {
            bytes = Bytes(wanted, "-l su");
            Require(bytes is >= 512 and <= 256 << 10, $"The log stripe unit {wanted} (-l su) is out of range; it may be 512 bytes to 256 KiB.");
            Require(bytes % block == 0, $"The log stripe unit of {bytes} bytes (-l su) is not a multiple of the block size {block}.");
        }
        long blocks = bytes != 0 ? bytes / block : stripeUnit;
        if (blocks * block <= 256 << 10) return blocks;
        warnings.Add($"The stripe unit of {blocks * block} bytes is too large for the log, which takes at most 256 KiB; it uses 32 KiB.");
        return (32 << 10) / block;
    }

    private void SetGroups()
    {
        long minimum = MinimumAgBytes / block, maximum = (MaximumAgBytes - 1) / block;
        Require(options.AgSize is null || options.AgCount is null, "-d agsize and -d agcount cannot both be given.");
        if (options.AgSize is { } size)
        {
            long bytes = Bytes(size, "-d agsize");
            Require(bytes is >= MinimumAgBytes and <= MaximumAgBytes, $"The group size {size} (-d agsize) is out of range; it may be 16 MiB to 1 TiB.");
            Require(bytes % block == 0, $"The group size {size} (-d agsize) is not a multiple of the block size {block}.");
            agBlocks = bytes / block;
        }
        else if (options.AgCount is { } count)
        {
            Require(count is >= 1 and < uint.MaxValue, $"-d agcount={count} is out of range.");
            agBlocks = CeilingDivide(dataBlocks, count);
        }
        else agBlocks = DefaultGroupBlocks(maximum);
        agCount = CeilingDivide(dataBlocks, agBlocks);
        AlignGroups(minimum, maximum);

        long rest = dataBlocks % agBlocks, mostGroups = Math.Max(1, dataBlocks / minimum);
        if (rest != 0 && rest < minimum && agCount > 1)
        {
            dataBlocks -= rest;
            agCount--;
        }
        Require(agBlocks >= minimum, $"Groups of {agBlocks} blocks are too small; they need at least {minimum} (16 MiB), so there can be at most {mostGroups}.");
        Require(agBlocks <= maximum, $"Groups of {agBlocks} blocks are too large; they may have {maximum} (1 TiB less one block).");
        Require(agBlocks <= dataBlocks, $"Groups of {agBlocks} blocks are larger than the data area, which has {dataBlocks}.");
        Require(agCount < uint.MaxValue, $"{agCount} groups are too many.");
    }

    /// <summary>
    /// Few groups keep seeks short on a single disk; many serve the parallel disks of a stripe. From 4 TiB on (32 TiB with
    /// stripes) groups are as large as they can be.
    /// </summary>
    private long DefaultGroupBlocks(long maximum)
    {
        bool striped = stripeUnit != 0;
        long Blocks(long bytes) => bytes / block;
        if (dataBlocks >= Blocks((striped ? 32L : 4L) << 40)) return maximum;
        int shift = 5;
        if (!striped && dataBlocks >= Blocks(128 << 20)) shift = 2;
        else
        {
            if (dataBlocks <= Blocks(512L << 30)) shift--;
            if (dataBlocks <= Blocks(8L << 30)) shift--;
            if (dataBlocks < Blocks(128 << 20)) shift--;
            if (dataBlocks < Blocks(64 << 20)) shift--;
            if (dataBlocks < Blocks(32 << 20)) shift--;
        }
        long blocks = dataBlocks >> shift;
        return (dataBlocks & ((1L << shift) - 1)) != 0 && blocks < maximum ? blocks + 1 : blocks;
    }

    private void AlignGroups(long minimum, long maximum)
    {
        if (stripeUnit == 0) return;
        if (agBlocks % stripeUnit != 0)
        {
            long aligned = RoundUp(agBlocks, stripeUnit);
            agBlocks = aligned > maximum ? agBlocks / stripeUnit * stripeUnit : aligned;
            agCount = CeilingDivide(dataBlocks, agBlocks);
            if (options.AgSize is not null) warnings.Add($"The group size is rounded to {agBlocks} blocks, a multiple of the stripe unit of {stripeUnit}.");
        }
        if (agBlocks % stripeWidth != 0 || stripeWidth == stripeUnit || agCount <= 1) return;
        // All groups would begin on the same disk, which then bears the load of all their headers.
        if (options.AgCount is not null || options.AgSize is not null)
        {
            warnings.Add($"The group size is a multiple of the stripe width, so all groups begin on the same disk; {agBlocks - stripeUnit} blocks would be better.");
            return;
        }
        long shifted = agBlocks - stripeUnit;
        if (shifted < minimum) shifted = dataBlocks < agBlocks ? agBlocks : agBlocks + stripeUnit;
        agBlocks = shifted;
        agCount = CeilingDivide(dataBlocks, agBlocks);
    }

    private int InodePercent()
    {
        if (options.MaxInodePercent is { } wanted and not 0)
        {
            Require(wanted is > 0 and <= 100, $"-i maxpct={wanted} is out of range; it may be 0 to 100.");
            return wanted;
        }
        long terabyte = (1L << 40) / block;
        return dataBlocks < terabyte ? 25 : dataBlocks < 50 * terabyte ? 5 : 1;
    }

    /// <summary>
    /// The one place where checkers look for the root inode: the first aligned block behind everything mkfs puts at the start
    /// of group 0, the log included if it is there.
    /// </summary>
    private static uint RootChunk(MkfsPlan plan)
    {
        bool logInFront = plan.LogAg == 0;
        long first = plan.FirstFreeBlock + plan.FreeListBlocks + (logInFront ? plan.LogBlocks : 0);
        bool toStripe = plan.StripeUnit != 0 && plan.InodeAlignment > 1 && plan.StripeUnit % plan.InodeAlignment == 0
            && ClusterIsAligned(plan);
        if (toStripe) first = RoundUp(first, plan.StripeUnit);
        else if (plan.InodeAlignment > 1) first = RoundUp(first, plan.InodeAlignment);
        long end = first + Math.Max(64, plan.InodesPerBlock) / plan.InodesPerBlock;
        long logEnd = plan.LogAgBlock + plan.LogBlocks;
        Require(end <= plan.BlocksOf(0) && (!logInFront || first >= logEnd || end <= plan.LogAgBlock),
            "With this log in group 0 the root directory has no room where checkers look for it; give another -l size, -l su or -l agnum.");
        return (uint)first;
    }

    private static bool ClusterIsAligned(MkfsPlan plan)
    {
        int cluster = 8192 * (plan.InodeSize / 256);
        if (plan.InodeAlignment < cluster / plan.BlockSize) cluster = 8192;
        return plan.InodeAlignment >= Math.Max(1, cluster / plan.BlockSize);
    }

    private RootAttributes Root(MkfsPlan plan)
    {
        long largest = Math.Min((1 << 21) - 1, plan.AgBlocks / 2);
        Require(options.RootExtentSize >= 0 && options.RootExtentSize <= largest,
            $"-d extszinherit={options.RootExtentSize} is out of range; it may be at most {largest} blocks.");
        Require(options.RootCowExtentSize >= 0 && options.RootCowExtentSize <= largest,
            $"-d cowextsize={options.RootCowExtentSize} is out of range; it may be at most {largest} blocks.");
        Require(!options.RootRealtime || options.RootExtentSize % plan.RealtimeExtentBlocks == 0,
            $"-d extszinherit={options.RootExtentSize} is not a multiple of the realtime extent size of {plan.RealtimeExtentBlocks} blocks.");
        return new RootAttributes((uint)options.RootExtentSize, (uint)options.RootCowExtentSize,
            options.RootProject, options.RootDax, options.RootRealtime);
    }

    private long WholeBlocks(long bytes, string what)
    {
        Require(bytes % 512 == 0, $"The {what} of {bytes} bytes is not a multiple of 512.");
        if (bytes % block != 0) warnings.Add($"The {what} of {bytes} bytes is cut to {bytes / block * block}, a multiple of the block size {block}.");
        return bytes / block;
    }

    private long Bytes(MkfsSize size, string option) =>
        size.TryToBytes(block, sector, out long bytes) ? bytes : throw new MkfsOptionException($"{option}={size} is out of range.");

    private static int PowerOfTwo(long value, int minimum, int maximum, string what)
    {
        Require(value >= minimum && value <= maximum && long.IsPow2(value),
            $"The {what} {value} is not possible; it must be a power of two from {minimum} to {maximum}.");
        return (int)value;
    }

    internal static void Require(bool condition, string sentence)
    {
        if (!condition) throw new MkfsOptionException(sentence);
    }
}
