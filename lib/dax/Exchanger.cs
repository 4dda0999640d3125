using ImageFs.Extents;
using ImageFs.Format;
using ImageFs.Inodes;
using ImageFs.Transactions;

namespace ImageFs.Dax;

/// <summary>Exchanges ranges of two files, or of one: their extents change places, no data is moved (XFS_IOC_EXCHANGE_RANGE).</summary>
/// <remarks>
/// One transaction, which is durable when the call returns: a power cut finds both ranges exchanged or none. Durable at once
/// because of promise 3: were the exchange lost after somebody had written in place to a block that changed hands, the
/// bytes would show up in the wrong file.
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
        bool onlyWritten = (options & ExchangeOptions.FirstWritten) != 0;
        first.Cow.Cancel(from, from + blocks);
        second.Cow.Cancel(to, to + blocks);
        ulong steps = 0;
        for (IomapPair pair = Pair(); steps <= volume.MostExtentsAtOnce && pair.MoveNext();)
            if (Differs(pair, onlyWritten)) steps++;
        // Each step changes an extent of both files, and may split two more.
        if (4 * steps > volume.MostExtentsAtOnce)
            throw new XfsException(Errno.EFBIG, $"the log has no room to exchange more than {volume.MostExtentsAtOnce / 4} extents at once: exchange shorter ranges");
        if ((options & ExchangeOptions.DryRun) != 0) return;

        volume.Run(tx =>
        {
            SetFlags(tx, first.Inode, second.Inode);
            for (IomapPair pair = Pair(); pair.MoveNext();)
                if (Differs(pair, onlyWritten)) Swap(tx, first.Inode, pair.One, second.Inode, pair.Other);
            data.SetSize(tx, first.Inode, toEnd ? secondSize : firstSize);
            if (second.Inode.Number != first.Inode.Number) data.SetSize(tx, second.Inode, toEnd ? firstSize : secondSize);
        });
        volume.FlushBeforeWrites();

        IomapPair Pair() => new(new IomapIterator(volume, first, from, from + blocks, IomapPurpose.Remap),
            new IomapIterator(volume, second, to, to + blocks, IomapPurpose.Remap));
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

    /// <summary>True if a run is to be exchanged: it lies in different blocks, and the caller wants it.</summary>
    private static bool Differs(in IomapPair pair, bool onlyWritten) =>
        onlyWritten && pair.One.Kind != IomapKind.Written ? false
        : pair.One.Kind == IomapKind.Hole ? pair.Other.Kind != IomapKind.Hole
        : pair.Other.Kind == IomapKind.Hole || pair.One.Start != pair.Other.Start;

    /// <summary>Whoever may come to hold a shared block must know that it has to look.</summary>
    private static void SetFlags(Transaction tx, Inode first, Inode second)
    {
        if (first.Core.Has(InodeFlags2.Reflink) == second.Core.Has(InodeFlags2.Reflink)) return;
        first.Modify(tx).Flags2 |= InodeFlags2.Reflink;
        second.Modify(tx).Flags2 |= InodeFlags2.Reflink;
    }

    private void Swap(Transaction tx, Inode first, in Iomap one, Inode second, in Iomap other)
    {
        Take(tx, first, one);
        Take(tx, second, other);
        if (other.Kind != IomapKind.Hole) volume.Map.Map(tx, first, ForkKind.Data, other.Extent with { Offset = one.Offset });
        if (one.Kind != IomapKind.Hole) volume.Map.Map(tx, second, ForkKind.Data, one.Extent with { Offset = other.Offset });
    }

    private void Take(Transaction tx, Inode inode, in Iomap run)
    {
        if (run.Kind == IomapKind.Hole) return;
        if (!volume.Map.TryUnmap(tx, inode, ForkKind.Data, run.Offset, run.End, out Extent taken) || taken != run.Extent)
            throw inode.Corrupt($"{run.Extent} is to be exchanged, but {taken} is mapped there: the extents are out of order");
    }
}
