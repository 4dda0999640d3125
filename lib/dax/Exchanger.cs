using ImageFs.Extents;
using ImageFs.Format;
using ImageFs.Inodes;
using ImageFs.Journal;
using ImageFs.Transactions;

namespace ImageFs.Dax;

/// <summary>Exchanges ranges of two files, or of one: their extents change places, no data is moved (XFS_IOC_EXCHANGE_RANGE).</summary>
/// <remarks>
/// One transaction if the log has room for it, otherwise several under an intent (<see cref="StandingIntent"/>), where the image
/// has the feature. Either way a power cut finds both ranges exchanged or none, and it is durable when the call returns, because
/// of promise 3: were the exchange lost after somebody had written in place to a block that changed hands, the bytes would
/// show up in the wrong file.
/// </remarks>
internal sealed class Exchanger(Volume volume, FileData data)
{
    private Geometry Geometry => volume.Geometry;

    /// <summary>Exchanges; the first file is the one <see cref="ExchangeOptions.FirstWritten"/> speaks of.</summary>
    /// <param name="fresh">What the second file must still be, if anything.</param>
    /// <exception cref="XfsException">EINVAL, EPERM, EBUSY, EFBIG, ENOSPC; nothing has changed.</exception>
    public void Exchange(OpenInode first, long firstOffset, OpenInode second, long secondOffset, long length, ExchangeOptions options, FileFreshness? fresh)
    {
        const ExchangeOptions known = ExchangeOptions.ToEnd | ExchangeOptions.Durable | ExchangeOptions.DryRun | ExchangeOptions.FirstWritten;
        if ((options & ~known) != 0) throw Invalid($"unknown options 0x{(int)(options & ~known):x}");
        bool toEnd = (options & ExchangeOptions.ToEnd) != 0;
        if (!toEnd) CheckSum(firstOffset, secondOffset, length);
        volume.RequireWritable();
        if (((first.Inode.Core.Flags | second.Inode.Core.Flags) & InodeFlags.Immutable) != 0) throw new XfsException(Errno.EPERM, "one of the files is immutable");
        long firstSize = Size(first), secondSize = Size(second);
        if (firstOffset > firstSize || secondOffset > secondSize) throw Invalid($"the files end at {firstSize} and {secondSize}: a range cannot begin behind the end");
        if (toEnd)
        {
            length = Math.Max(firstSize - firstOffset, secondSize - secondOffset);
            CheckSum(firstOffset, secondOffset, length);
        }
        CheckRanges(first, firstOffset, firstSize, second, secondOffset, secondSize, length, toEnd);
        if (length == 0) return;
        if (fresh is FileFreshness sample && sample != Sample(second.Inode)) throw new XfsBusyException($"{second.Inode} has changed since it was looked at");

        FileBlock from = data.BlockOf(firstOffset), to = data.BlockOf(secondOffset);
        ulong blocks = data.BlockUp(length).Value;
        first.Cow.Cancel(from, from + blocks);
        second.Cow.Cancel(to, to + blocks);
        ulong flags = ((options & ExchangeOptions.FirstWritten) != 0 ? ExchangeIntent.WrittenOnly : 0) | (toEnd && firstSize != secondSize ? ExchangeIntent.SetsSizes : 0);
        bool resizes = (flags & ExchangeIntent.SetsSizes) != 0;
        ExchangeIntent whole = new(LogItemType.ExchangeIntent, Id: 0, Lsn: default, first.Inode.Number, second.Inode.Number,
            first.Inode.Core.Generation, second.Inode.Core.Generation, from, to, blocks, flags,
            resizes ? (ulong)secondSize : ExchangeIntent.NoSize, resizes ? (ulong)firstSize : ExchangeIntent.NoSize);
        MappingExchange exchange = new(volume.Map, first.Inode, second.Inode, whole);
        // Each step changes an extent of both files, and may split two more.
        ulong most = volume.MostExtentsAtOnce / 4;
        bool fits = exchange.Count(most + 1) <= most;
        if (!fits && (volume.InGroup || !Geometry.Superblock.Has(IncompatFeatures.ExchangeRange)))
            throw new XfsException(Errno.EFBIG, $"the log has no room to exchange more than {most} extents at once: exchange shorter ranges" +
                (volume.InGroup ? ", or without an atomic group" : ", or use a file system that has the feature exchange"));
        if (!fits) RequireRoom(first.Inode, second.Inode);
        if ((options & ExchangeOptions.DryRun) != 0) return;

        if (fits)
            volume.Run(tx =>
            {
                Begin(tx, first.Inode, second.Inode);
                for (MappingExchange rest = exchange; rest.TryStep(tx);) { }
            });
        else InSteps(exchange, first.Inode, second.Inode);
        volume.FlushBeforeWrites();
    }

    /// <summary>
    /// Any number of steps, each of which leaves the rest to an intent. Once it is in the log there is no way back: the gate is
    /// kept so that nobody takes the space that was found, and should a step fail all the same, recovery must finish it.
    /// </summary>
    private void InSteps(MappingExchange exchange, Inode first, Inode second)
    {
        StandingIntent intent = new();
        volume.Run(tx => Begin(tx, first, second));
        try
        {
            volume.RunInPieces(exchange, (Transaction tx, ref MappingExchange rest) => rest.TryStep(tx),
                ending: (tx, at, isLast) => tx.WhenCommitted(() => volume.Journal!.Stand(intent, isLast ? null : at.Rest), undo: null));
        }
        catch (Exception why) when (intent.Rest is not null)
        {
            volume.Journal!.ShutDown(why);
            throw;
        }
    }

    /// <summary>Throws unless both forks may get as many extents as they could have on the way, and space is there for their trees.</summary>
    private void RequireRoom(Inode first, Inode second)
    {
        // At each step a file has what it had behind the place, what the other had before it, and cuts at the range's ends.
        ulong extents = first.Core.ExtentCount + second.Core.ExtentCount + 4, free = 0;
        int leaf = Geometry.LeafCapacity(LongBtreeHeader.Size, PackedExtent.Size), node = Geometry.NodeCapacity(LongBtreeHeader.Size, 8, 8);
        ulong blocks = 2 * BtreeLimits.Blocks(leaf / 2, node / 2, extents) - (extents - 4) / (ulong)leaf;
        for (uint ag = 0; ag < Geometry.AgCount; ag++) free += volume.Groups[new AgNumber(ag)].Available(metadata: false);
        if (free < blocks) throw new XfsNoSpaceException($"{blocks} blocks may be needed to exchange {extents} extents, {free} are free");
        foreach (Inode inode in (Inode[])[first, second])
            if (extents > inode.MostExtents) throw new XfsException(Errno.EFBIG, $"{inode} would have {extents} extents, at most {inode.MostExtents} are possible");
    }

    /// <summary>Whoever may come to hold a shared block must know that it has to look.</summary>
    private void Begin(Transaction tx, Inode first, Inode second)
    {
        data.Touch(tx, first, 0);
        if (second.Number != first.Number) data.Touch(tx, second, 0);
        if (first.Core.Has(InodeFlags2.Reflink) == second.Core.Has(InodeFlags2.Reflink)) return;
        first.Modify(tx).Flags2 |= InodeFlags2.Reflink;
        second.Modify(tx).Flags2 |= InodeFlags2.Reflink;
    }

    /// <summary>What changes whenever a file does.</summary>
    public static FileFreshness Sample(Inode inode)
    {
        ref readonly InodeCore core = ref inode.Core;
        return new FileFreshness(inode.Number, core.Generation, core.ModifyTime, core.ChangeTime, core.ChangeCount);
    }

    private static long Size(OpenInode file) => (long)file.Inode.Core.FileSize.Value;

    private static XfsException Invalid(string why) => new(Errno.EINVAL, why);

    private static void CheckSum(long firstOffset, long secondOffset, long length)
    {
        if (firstOffset < 0 || secondOffset < 0 || length < 0 || firstOffset > long.MaxValue - length || secondOffset > long.MaxValue - length)
            throw Invalid("a negative or too large offset or length");
    }

    private void CheckRanges(OpenInode first, long firstOffset, long firstSize, OpenInode second, long secondOffset, long secondSize, long length, bool toEnd)
    {
        long mask = Geometry.BlockSize - 1;
        if (((firstOffset | secondOffset) & mask) != 0) throw Invalid($"offsets must be multiples of the block size {Geometry.BlockSize}");
        long firstEnd = firstOffset + length, secondEnd = secondOffset + length;
        if (!toEnd && (firstEnd > firstSize || secondEnd > secondSize)) throw Invalid($"the files end at {firstSize} and {secondSize}: both ranges must lie before the end");
        bool partial = (length & mask) != 0;
        if (partial && firstEnd != firstSize && secondEnd != secondSize) throw Invalid("a length that is no multiple of the block size must end a file");
        long rounded = length + (-length & mask);
        if (first.Inode.Number == second.Inode.Number && secondOffset < firstOffset + rounded && firstOffset < secondOffset + rounded) throw Invalid("the ranges overlap");
        if (partial && (firstEnd < firstSize || secondEnd < secondSize)) throw Invalid("a partial last block cannot go into the middle of a file");
    }
}
