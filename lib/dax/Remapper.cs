using System.Buffers;
using ImageFs.Allocation;
using ImageFs.Extents;
using ImageFs.Format;
using ImageFs.Inodes;
using ImageFs.Transactions;

namespace ImageFs.Dax;

/// <summary>How a dedupe of one target ended.</summary>
public enum DedupeStatus
{
    /// <summary>The ranges are equal and share what can be shared (FILE_DEDUPE_RANGE_SAME).</summary>
    Same,
    /// <summary>The bytes differ; nothing changed (EBADE).</summary>
    Differs,
    /// <summary>This target could not be compared or shared; its errno says why.</summary>
    Failed,
}

/// <summary>What a dedupe did.</summary>
/// <param name="Status">Equal or not.</param>
/// <param name="BytesCompared">Bytes found equal: what FIDEDUPERANGE reports as bytes_deduped.</param>
/// <param name="BytesShared">Bytes that share blocks now; a partial last block is compared but not shared unless it ends both files.</param>
/// <param name="Errno">Why it failed, for one target among several; otherwise 0.</param>
public readonly record struct DedupeResult(DedupeStatus Status, long BytesCompared, long BytesShared, int Errno = 0);

/// <summary>Makes ranges of files share blocks. Clone and dedupe differ in what they check and touch; the remap is one.</summary>
/// <remarks>Per transaction: unmap the old run, drop its reference, count one more owner for the new one, map it, grow the size.</remarks>
/// <param name="dropCapability">Called when nothing is left to refuse and contents are about to change.</param>
internal sealed class Remapper(Volume volume, FileData data, Action<Inode> dropCapability)
{
    /// <summary>Bytes compared at a time.</summary>
    private const int CompareUnit = 1 << 18;
    /// <summary>FIDEDUPERANGE compares at most that much per call.</summary>
    public const long DedupeLimit = 1L << 30;

    private Geometry Geometry => volume.Geometry;
    private long BlockSize => Geometry.BlockSize;

    /// <summary>
    /// Lets a range of <paramref name="destination"/> share the blocks of a range of <paramref name="source"/> (FICLONERANGE).
    /// The caller holds both as an <see cref="IoPair"/>; the gate is free between transactions.
    /// </summary>
    /// <param name="length">Bytes; 0 means to the end of the source.</param>
    /// <exception cref="XfsException">EISDIR, EINVAL, EPERM, EOPNOTSUPP, EFBIG, ENOSPC as the kernel gives them.</exception>
    public void Clone(OpenInode source, long sourceOffset, OpenInode destination, long destinationOffset, long length, CancellationToken cancellation = default)
    {
        CheckRange(source, sourceOffset, destination, destinationOffset, length);
        long sourceSize = (long)source.Inode.Core.FileSize.Value, size = (long)destination.Inode.Core.FileSize.Value;
        if (length == 0)
        {
            if (sourceOffset > sourceSize) throw Invalid($"the source ends at {sourceSize}");
            length = sourceSize - sourceOffset;
            if (length == 0) return;
        }
        CheckAlignment(sourceOffset, destinationOffset);
        if (sourceOffset + length > sourceSize) throw Invalid($"the source ends at {sourceSize}");
        if (length % BlockSize != 0 && (sourceOffset + length != sourceSize || destinationOffset + length < size))
            throw Invalid("a partial block can be cloned only where it ends the source and lands at or beyond the destination's end");
        CheckOverlap(source, sourceOffset, destination, destinationOffset, length);
        if (data.BlockUp(destinationOffset + length).Value > FileBlock.Limit) throw new XfsException(Errno.EFBIG, "the clone would end beyond the largest file");

        lock (volume.Gate) dropCapability(destination.Inode);
        SetReflink(source.Inode);
        SetReflink(destination.Inode);
        if (destinationOffset > size)
            lock (volume.Gate) data.Extend(destination, destinationOffset);
        bool whole = sourceOffset == 0 && destinationOffset == 0 && length == sourceSize && size <= length;
        volume.Run(tx =>
        {
            data.Touch(tx, destination.Inode, 0);
            if (whole) CarryHint(tx, source.Inode, destination.Inode);
        });
        Remap(source, sourceOffset, destination, destinationOffset, length, growTo: destinationOffset + length, cancellation);
    }

    /// <summary>
    /// Compares two ranges and shares their blocks if they are equal (FIDEDUPERANGE for one target). Both can be read while
    /// they are compared.
    /// </summary>
    public DedupeResult Dedupe(in IoPair held, OpenInode source, long sourceOffset, OpenInode destination, long destinationOffset, long length)
    {
        CheckSource(source, sourceOffset, length);
        if (length == 0 && destinationOffset >= 0) return new(DedupeStatus.Same, 0, 0);
        CheckRange(source, sourceOffset, destination, destinationOffset, length);
        CheckAlignment(sourceOffset, destinationOffset);
        length = Math.Min(length, DedupeLimit);
        long sourceSize = (long)source.Inode.Core.FileSize.Value, size = (long)destination.Inode.Core.FileSize.Value;
        if (destinationOffset + length > size) throw Invalid($"the target ends at {size}");
        if (length % BlockSize != 0 && sourceOffset + length != sourceSize) throw Invalid("a length that is no multiple of the block size must end the source");
        CheckOverlap(source, sourceOffset, destination, destinationOffset, length);
        if (!Equal(source, sourceOffset, destination, destinationOffset, length)) return new(DedupeStatus.Differs, 0, 0);
        long shared = length;
        if (length % BlockSize != 0 && destinationOffset + length != size) shared -= length % BlockSize;
        if (shared > 0)
        {
            held.ChangeDestination();
            SetReflink(source.Inode);
            SetReflink(destination.Inode);
            if (sourceOffset == 0 && destinationOffset == 0 && shared == sourceSize && size <= shared) volume.Run(tx => CarryHint(tx, source.Inode, destination.Inode));
            Remap(source, sourceOffset, destination, destinationOffset, shared, growTo: 0, default);
        }
        return new(DedupeStatus.Same, length, shared);
    }

    /// <summary>Throws unless a range lies in the source of a dedupe.</summary>
    public static void CheckSource(OpenInode source, long offset, long length)
    {
        long size = (long)source.Inode.Core.FileSize.Value;
        if (offset < 0 || length < 0 || offset > size || length > size - offset) throw Invalid($"{length} bytes at {offset}: the source ends at {size}");
    }

    /// <summary>
    /// Copies a range: whole blocks at aligned offsets are shared, everything else is read and written. One call does what one
    /// of the two can do (copy_file_range). The caller holds both as an <see cref="IoPair"/>, and not the gate.
    /// </summary>
    /// <returns>Bytes copied.</returns>
    public long Copy(OpenInode source, long sourceOffset, OpenInode destination, long destinationOffset, long length)
    {
        volume.RequireWritable();
        if ((destination.Inode.Core.Flags & InodeFlags.Immutable) != 0) throw new XfsException(Errno.EPERM, "the destination is immutable");
        if (length < 0) throw Invalid("a negative length");
        // As the kernel sees it, a negative offset is one that wraps around.
        if (sourceOffset < 0 || destinationOffset < 0) throw new XfsException(Errno.EOVERFLOW, "a negative offset");
        if (destinationOffset >= Geometry.MaxFileSize) throw new XfsException(Errno.EFBIG, "the copy would begin beyond the largest file");
        long sourceSize = (long)source.Inode.Core.FileSize.Value, size = (long)destination.Inode.Core.FileSize.Value;
        length = Math.Min(Math.Min(length, Math.Max(0, sourceSize - sourceOffset)), Geometry.MaxFileSize - destinationOffset);
        CheckOverlap(source, sourceOffset, destination, destinationOffset, length);
        length = Math.Min(length, XfsFile.MaxCopy);
        if (length == 0) return 0;

        lock (volume.Gate) dropCapability(destination.Inode);
        bool aligned = (sourceOffset | destinationOffset) % BlockSize == 0 && Geometry.HasReflink;
        bool ends = sourceOffset + length == sourceSize && destinationOffset + length >= size;
        long whole = !aligned ? 0 : ends ? length : length - length % BlockSize;
        if (whole > 0)
        {
            try
            {
                Clone(source, sourceOffset, destination, destinationOffset, whole);
                return whole;
            }
            catch (XfsNoSpaceException)
            {
                // No room for the records of another owner; there may be some for the bytes.
            }
        }
        byte[] bytes = ArrayPool<byte>.Shared.Rent((int)Math.Min(length, 1 << 20));
        try
        {
            for (long done = 0; done < length;)
            {
                int piece = data.Read(source, sourceOffset + done, bytes.AsSpan(0, (int)Math.Min(bytes.Length, length - done)));
                if (piece == 0) return done;
                data.Write(destination, destinationOffset + done, bytes.AsSpan(0, piece));
                done += piece;
            }
            return length;
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(bytes);
        }
    }

    /// <summary>A file that becomes another one as a whole, by cloning or by dedupe, gets that one's cowextsize, unless it has one.</summary>
    private static void CarryHint(Transaction tx, Inode source, Inode destination)
    {
        if (!source.Core.Has(InodeFlags2.CowExtentSize) || destination.Core.Has(InodeFlags2.CowExtentSize)) return;
        ref InodeCore core = ref destination.Modify(tx);
        core.Flags2 |= InodeFlags2.CowExtentSize;
        core.CowExtentSizeHint = source.Core.CowExtentSizeHint;
    }

    private void CheckRange(OpenInode source, long sourceOffset, OpenInode destination, long destinationOffset, long length)
    {
        if (source.Inode.IsDirectory || destination.Inode.IsDirectory) throw new XfsException(Errno.EISDIR, "a directory cannot be cloned or deduped");
        if (!source.Inode.IsRegular || !destination.Inode.IsRegular) throw Invalid("only regular files share blocks");
        if (sourceOffset < 0 || destinationOffset < 0 || length < 0 || sourceOffset > long.MaxValue - length || destinationOffset > long.MaxValue - length)
            throw Invalid("a negative or too large offset or length");
        if (!Geometry.HasReflink) throw new XfsUnsupportedException("the file system was made without reflink");
        volume.RequireWritable();
        // An append-only file can only be opened to append; who had it open before may still do this, as in the kernel.
        if ((destination.Inode.Core.Flags & InodeFlags.Immutable) != 0) throw new XfsException(Errno.EPERM, "the destination is immutable");
    }

    private void CheckAlignment(long sourceOffset, long destinationOffset)
    {
        if (sourceOffset % BlockSize != 0 || destinationOffset % BlockSize != 0) throw Invalid($"offsets must be multiples of the block size {BlockSize}");
    }

    private static void CheckOverlap(OpenInode source, long sourceOffset, OpenInode destination, long destinationOffset, long length)
    {
        if (source.Inode.Number == destination.Inode.Number && destinationOffset < sourceOffset + length && sourceOffset < destinationOffset + length)
            throw Invalid("source and destination overlap");
    }

    private static XfsException Invalid(string why) => new(Errno.EINVAL, why);

    /// <summary>Both sides carry the flag before anything is shared: without it a writer would not look for sharing.</summary>
    private void SetReflink(Inode inode)
    {
        if (inode.Core.Has(InodeFlags2.Reflink)) return;
        volume.Run(tx =>
        {
            ref InodeCore core = ref inode.Modify(tx);
            core.Flags2 |= InodeFlags2.Reflink;
        });
    }

    private void Remap(OpenInode source, long sourceOffset, OpenInode destination, long destinationOffset, long length, long growTo, CancellationToken cancellation)
    {
        FileBlock from = data.BlockOf(sourceOffset), end = data.BlockUp(sourceOffset + length), to = data.BlockOf(destinationOffset), last = to + (end - from);
        lock (volume.Gate) destination.Cow.Cancel(to, last);
        Inode into = destination.Inode;
        IomapPair all = new(new IomapIterator(volume, source, from, end, IomapPurpose.Remap), new IomapIterator(volume, destination, to, last, IomapPurpose.Remap));
        FileBlock reached = volume.RunInPieces(all, (Transaction tx, ref IomapPair runs) =>
        {
            if (cancellation.IsCancellationRequested || !runs.MoveNext()) return false;
            runs.Cut(AtOnce(runs));
            RemapRun(tx, runs.One, into, runs.Other);
            return runs.One.End < end;
        }, ending: (tx, runs, _) =>
        {
            long size = Math.Min(growTo, data.Bytes(runs.Other.End));
            if (size > (long)into.Core.FileSize.Value) data.SetSize(tx, into, size);
        }).One.End;
        // Nothing at all is done before the first run.
        if (reached < from) reached = from;
        if (reached < end) throw new RangeCanceledException(Math.Min(length, (long)((reached - from) << Geometry.BlockLog)), cancellation);
    }

    /// <summary>Blocks of a pair of runs whose owners can be counted anew in one change of the reference counts.</summary>
    private ulong AtOnce(in IomapPair runs) => Math.Min(
        runs.One.ReadsAsZeros ? runs.One.Length : data.Adjustable(runs.One),
        runs.Other.Kind == IomapKind.Hole ? runs.Other.Length : data.Adjustable(runs.Other));

    /// <summary>Lets a run of the destination be what a run of the source is: the same blocks, or a hole.</summary>
    private void RemapRun(Transaction tx, in Iomap source, Inode destination, in Iomap old)
    {
        if (source.ReadsAsZeros)
        {
            // A hole makes a hole; unwritten blocks need not take those away that are unwritten too.
            if (old.Kind != IomapKind.Hole && (source.Kind == IomapKind.Hole || old.Kind != IomapKind.Unwritten)) data.Unmap(tx, destination, old.Extent);
            return;
        }
        if (old.Kind == IomapKind.Written && old.Start == source.Start) return; // shared already
        if (old.Kind != IomapKind.Hole) data.Unmap(tx, destination, old.Extent);
        AllocationGroup group = volume.Groups.Of(source.Start);
        FreeList.Fill(tx, group);
        if (group.Available(metadata: true) == 0) throw new XfsNoSpaceException($"AG {group.Number}: no room for another owner's records");
        ReferenceCounts.Increase(tx, group, Geometry.BlockInAg(source.Start), (uint)source.Length);
        volume.Map.Map(tx, destination, ForkKind.Data, source.Extent with { Offset = old.Offset });
    }

    /// <summary>
    /// Compares two ranges inside their files, both maps in lock step. What lies in the same blocks, or in none on both sides, is
    /// not read. The caller holds both as an <see cref="IoPair"/>.
    /// </summary>
    /// <param name="aOffset">A multiple of the block size.</param>
    /// <param name="bOffset">A multiple of the block size.</param>
    public bool Equal(OpenInode a, long aOffset, OpenInode b, long bOffset, long length)
    {
        byte[]? buffers = null;
        IomapPair pair = new(data.Runs(a, aOffset, length, IomapPurpose.Read), data.Runs(b, bOffset, length, IomapPurpose.Read));
        while (pair.MoveNext())
        {
            // The last block counts up to the length only.
            long bytes = Math.Min((long)(pair.One.Length << Geometry.BlockLog), length);
            length -= bytes;
            if (pair.AreOne) continue;
            long x = pair.One.ReadsAsZeros ? -1 : Geometry.ByteOffset(pair.One.Start), y = pair.Other.ReadsAsZeros ? -1 : Geometry.ByteOffset(pair.Other.Start);
            for (long done = 0; done < bytes; done += CompareUnit)
                if (!EqualBytes(x < 0 ? x : x + done, y < 0 ? y : y + done, (int)Math.Min(CompareUnit, bytes - done), ref buffers)) return false;
        }
        return true;
    }

    /// <summary>Compares two places of the device; -1 stands for zeros.</summary>
    private bool EqualBytes(long x, long y, int length, ref byte[]? buffers)
    {
        if (x < 0) (x, y) = (y, x);
        ReadOnlySpan<byte> one = Look(x, length, 0, ref buffers);
        return y < 0 ? !one.ContainsAnyExcept((byte)0) : one.SequenceEqual(Look(y, length, CompareUnit, ref buffers));
    }

    /// <summary>Bytes of the device, copied only where it does not lie in memory.</summary>
    private ReadOnlySpan<byte> Look(long at, int length, int bufferAt, ref byte[]? buffers)
    {
        if (volume.DataOf().TryGetSpan(at, length, out ReadOnlySpan<byte> bytes)) return bytes;
        Span<byte> copy = (buffers ??= new byte[2 * CompareUnit]).AsSpan(bufferAt, length);
        volume.Data.Read(at, copy);
        return copy;
    }
}
