using static ImageFs.Mkfs.Planner;
using static ImageFs.Mkfs.TreeShapes;

namespace ImageFs.Mkfs;

/// <summary>Chooses the size of the log and its place in the middle of the file system, where the way to it is shortest.</summary>
internal static class LogPlacement
{
    /// <summary>2 GiB less 10 MiB.</summary>
    public const long MaximumBytes = (2L << 30) - (10 << 20);
    private const long MaximumBlocks = 1 << 20, MinimumBlocks = 512, UsualMinimumBytes = 10 << 20;

    /// <param name="plan">The plan without the log.</param>
    /// <param name="wanted">Blocks asked for, 0 to choose.</param>
    /// <param name="wantedAg">Group asked for, null to choose.</param>
    /// <param name="warnings">Where to add warnings.</param>
    public static MkfsPlan Place(MkfsPlan plan, long wanted, long? wantedAg, List<string> warnings)
    {
        int block = plan.BlockSize;
        LogReservations reservations = new(plan);
        long minimum = Math.Max(MinimumBlocks, reservations.MinimumLogBlocks());
        long usable = Math.Max(minimum, reservations.MinimumLogBlocksWithAtomicWrites());
        if (wanted == 0 && plan.DataBlocks >= (1 << 30) / block) minimum = Math.Max(minimum, UsualMinimumBytes / block);

        // A group must keep its headers, its tree roots and a few blocks of its own.
        long maximum = plan.AgBlocks - (plan.FirstFreeBlock + 4) - 1;
        Require(maximum >= minimum,
            $"The file system is too small: a log needs at least {minimum} blocks of {block} bytes, and a group has room for {Math.Max(0, maximum)}.");
        long blocks = wanted;
        if (blocks == 0)
        {
            blocks = Math.Max(plan.DataBlocks / 2048, (64 << 20) / block);
            if (plan.DataBlocks < (300 << 20) / block) blocks = Math.Max(minimum, usable);
            blocks = Math.Min(Math.Max(blocks, minimum), Math.Min(maximum, MaximumBlocks));
            blocks = Math.Min(blocks, MaximumBytes / block);
        }
        RequireRoom(blocks, maximum);
        CheckSize(blocks, minimum, block);

        Require(wantedAg is null || (wantedAg >= 0 && wantedAg < plan.AgCount),
            $"-l agnum={wantedAg} is out of range; the groups are 0 to {plan.AgCount - 1}.");
        uint ag = (uint)(wantedAg ?? plan.AgCount / 2);
        if (ag == 0)
        {
            // The root inodes need room behind the log, also when they are aligned to stripes.
            maximum -= Math.Max(64L * plan.InodeSize / block * 4, plan.StripeUnit * 2L);
            if (wanted != 0) RequireRoom(blocks, maximum);
            blocks = Math.Min(blocks, maximum);
        }
        uint unit = plan.LogStripeUnit != 0 ? plan.LogStripeUnit : plan.StripeUnit;
        (ulong start, blocks) = Align(plan, ag, blocks, unit, maximum, wanted != 0);
        CheckSize(blocks, minimum, block);
        if (blocks < usable) warnings.Add($"With a log of {blocks} blocks kernels from 6.16 on will not mount the file system; they need {usable}.");
        return plan with { LogBlocks = blocks, LogAg = ag, LogAgBlock = (uint)(start & ((1UL << plan.AgBlockLog) - 1)) };
    }

    /// <summary>Moves the log to a multiple of the unit. The packed block number is what gets aligned, as mkfs.xfs does it.</summary>
    private static (ulong Start, long Blocks) Align(MkfsPlan plan, uint ag, long blocks, uint unit, long maximum, bool sizeIsWanted)
    {
        ulong start = ((ulong)ag << plan.AgBlockLog) | plan.FirstFreeBlock;
        if (unit == 0) return (start, blocks);
        start = (start + unit - 1) / unit * unit;
        uint length = plan.BlocksOf(ag);
        long at = (long)(start - ((ulong)ag << plan.AgBlockLog));
        Require(at < length, "The log cannot be aligned to the stripe unit inside its group.");
        if (blocks % unit != 0)
        {
            Require(!sizeIsWanted, $"The log size of {blocks} blocks (-l size) is not a multiple of the stripe unit of {unit} blocks.");
            long up = RoundUp(blocks, unit);
            bool tooLarge = up > MaximumBlocks || up * plan.BlockSize > MaximumBytes || up > maximum;
            blocks = tooLarge ? blocks / unit * unit : up;
        }
        if (at + blocks > length && blocks > unit) blocks -= unit;
        Require(at + blocks <= length, $"The log of {blocks} blocks, aligned to the stripe unit, does not fit into its group.");
        return (start, blocks);
    }

    private static void RequireRoom(long blocks, long maximum) =>
        Require(blocks <= maximum, $"The log size of {blocks} blocks (-l size) is too large; a group has room for {maximum}.");

    private static void CheckSize(long blocks, long minimum, int block)
    {
        Require(blocks >= minimum, $"The log size of {blocks} blocks is too small; it must be at least {minimum}.");
        Require(blocks <= MaximumBlocks && blocks * block <= MaximumBytes,
            $"The log size of {blocks} blocks is too large; it may be {Math.Min(MaximumBlocks, MaximumBytes / block)}.");
    }
}
