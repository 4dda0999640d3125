using ImageFs.Dax;

namespace ImageFs;

/// <summary>What <see cref="XfsFile.Fallocate"/> does with a range. Values are those of fallocate(2).</summary>
[Flags]
public enum FallocateMode
{
    /// <summary>Holes get blocks, which read as zeros.</summary>
    Allocate = 0,
    /// <summary>The file does not grow (FALLOC_FL_KEEP_SIZE).</summary>
    KeepSize = 0x1,
    /// <summary>The range becomes a hole; only together with <see cref="KeepSize"/> (FALLOC_FL_PUNCH_HOLE).</summary>
    PunchHole = 0x2,
    /// <summary>The range is taken out, what is behind it moves down (FALLOC_FL_COLLAPSE_RANGE).</summary>
    CollapseRange = 0x8,
    /// <summary>The range reads as zeros and has blocks (FALLOC_FL_ZERO_RANGE).</summary>
    ZeroRange = 0x10,
    /// <summary>A hole is put in, what is there moves up (FALLOC_FL_INSERT_RANGE).</summary>
    InsertRange = 0x20,
    /// <summary>The range gets blocks of its own (FALLOC_FL_UNSHARE_RANGE).</summary>
    UnshareRange = 0x40,
}

/// <summary>How two ranges are exchanged. Values are those of XFS_IOC_EXCHANGE_RANGE.</summary>
[Flags]
public enum ExchangeOptions
{
    /// <summary>The ranges as they are given.</summary>
    None = 0,
    /// <summary>Both ranges reach to the end of the longer one, and the files exchange their sizes.</summary>
    ToEnd = 0x1,
    /// <summary>The exchange is durable on return, which it is anyway.</summary>
    Durable = 0x2,
    /// <summary>Check everything, change nothing.</summary>
    DryRun = 0x4,
    /// <summary>Only where the first file has data: its holes and unwritten blocks stay where they are.</summary>
    FirstWritten = 0x8,
}

/// <summary>A file as it was at a moment (XFS_IOC_START_COMMIT); equal as long as nobody has changed it.</summary>
/// <param name="Inode">Which file.</param>
/// <param name="Generation">Its generation: the number may have been given to another file since.</param>
/// <param name="Modified">di_mtime.</param>
/// <param name="Changed">di_ctime.</param>
/// <param name="Version">di_changecount.</param>
public readonly record struct FileFreshness(Format.InodeNumber Inode, uint Generation, ulong Modified, ulong Changed, ulong Version);

/// <summary>Where a dedupe may give up blocks.</summary>
/// <param name="File">The file.</param>
/// <param name="Offset">A multiple of the block size.</param>
public readonly record struct DedupeTarget(XfsFile File, long Offset);

/// <content>Operations on ranges: allocation, holes, sharing.</content>
public sealed partial class XfsFile
{
    /// <summary>Targets one dedupe may have: FIDEDUPERANGE takes what fits a page.</summary>
    public const int MaxDedupeTargets = 127;

    /// <summary>Bytes one copy may have, as for copy_file_range(2).</summary>
    public const long MaxCopy = 0x7FFFF000;

    /// <summary>fallocate(2), with its rules and errors. The other methods of this file are easier to read.</summary>
    /// <param name="offset">Bytes; for collapse and insert a multiple of the block size.</param>
    /// <param name="length">Bytes, at least 1; likewise.</param>
    /// <exception cref="XfsException">
    /// EINVAL: a negative offset, no length, not whole blocks, a range that reaches the end (collapse) or begins there (insert).
    /// EOPNOTSUPP: no such mode. EPERM: the file is immutable or append-only. EFBIG: beyond the largest file.
    /// ENOSPC: no room; a first part may be done.
    /// </exception>
    public void Fallocate(FallocateMode mode, long offset, long length)
    {
        SpaceOperations.Check(mode, offset, length);
        bool moves = (mode & (FallocateMode.InsertRange | FallocateMode.CollapseRange)) != 0;
        using IoHold alone = EnterAlone(moves ? LayoutRange.ToTheEnd(Writable(), offset) : LayoutRange.OfLength(Writable(), offset, length));
        lock (Volume.Gate) _fileSystem.Space.Do(_inode, mode, offset, length);
    }

    /// <summary>Gives a range blocks where it has none. They are unwritten: they read as zeros and cost no writing.</summary>
    /// <param name="keepSize">The file does not grow, even if the range ends behind its end.</param>
    /// <inheritdoc cref="Fallocate" path="/exception"/>
    public void Allocate(long offset, long length, bool keepSize = false) => Fallocate(FallocateMode.Allocate | Keep(keepSize), offset, length);

    /// <summary>Makes a range a hole: whole blocks lose their mapping, parts of blocks are zeroed. The size stays.</summary>
    /// <inheritdoc cref="Fallocate" path="/exception"/>
    public void PunchHole(long offset, long length) => Fallocate(FallocateMode.PunchHole | FallocateMode.KeepSize, offset, length);

    /// <summary>Makes a range read as zeros, with blocks of its own that are unwritten.</summary>
    /// <inheritdoc cref="Allocate"/>
    public void ZeroRange(long offset, long length, bool keepSize = false) => Fallocate(FallocateMode.ZeroRange | Keep(keepSize), offset, length);

    /// <summary>Puts a hole in: what is at <paramref name="offset"/> and behind moves up. Happens as a whole, and is durable on return.</summary>
    /// <inheritdoc cref="Fallocate"/>
    public void InsertRange(long offset, long length) => Fallocate(FallocateMode.InsertRange, offset, length);

    /// <summary>Takes a range out: what is behind it moves down. Happens as a whole, and is durable on return.</summary>
    /// <inheritdoc cref="Fallocate"/>
    public void CollapseRange(long offset, long length) => Fallocate(FallocateMode.CollapseRange, offset, length);

    /// <summary>Gives a range blocks of its own: shared ones are copied, and holes get unwritten ones.</summary>
    /// <param name="onlyShared">Leave holes as they are and the size too; fallocate(2) does not know this.</param>
    /// <inheritdoc cref="Allocate"/>
    public void UnshareRange(long offset, long length, bool keepSize = false, bool onlyShared = false)
    {
        if (!onlyShared)
        {
            Fallocate(FallocateMode.UnshareRange | Keep(keepSize), offset, length);
            return;
        }
        SpaceOperations.Check(FallocateMode.UnshareRange, offset, length);
        using IoHold alone = EnterAlone(LayoutRange.OfLength(Writable(), offset, length));
        lock (Volume.Gate) _fileSystem.Space.UnshareOnly(_inode, offset, length);
    }

    private static FallocateMode Keep(bool keepSize) => keepSize ? FallocateMode.KeepSize : FallocateMode.Allocate;

    /// <summary>
    /// Copies a range here, sharing blocks where that is possible, or else copying bytes; one call may do less than was asked
    /// for (copy_file_range). A source that ends earlier is copied to its end.
    /// </summary>
    /// <returns>Bytes copied; 0 at or behind the end of the source.</returns>
    /// <exception cref="XfsException">EOVERFLOW: a negative offset. EINVAL: a negative length, ranges of one file that overlap. EFBIG: beyond the largest file. EPERM: immutable.</exception>
    public long CopyRange(XfsFile source, long sourceOffset, long offset, long length)
    {
        RequireSameVolume(source);
        using IoPair both = EnterBoth(() => IoPair.Enter(source.Checked(), Writable()),
            LayoutRange.OfLength(source.Checked(), sourceOffset, length), LayoutRange.OfLength(Writable(), offset, length));
        return _fileSystem.Remapper.Copy(source.Checked(), sourceOffset, _inode, offset, length);
    }

    /// <summary>Copies until all is copied or the source ends.</summary>
    /// <inheritdoc cref="CopyRange"/>
    public long CopyAll(XfsFile source, long sourceOffset, long offset, long length)
    {
        for (long done = 0; ;)
        {
            long more = CopyRange(source, sourceOffset + done, offset + done, length - done);
            if (more == 0) return done;
            done += more;
        }
    }

    /// <summary>
    /// Compares a range of this file with one range after the other, and shares the blocks of this file with those that are equal
    /// (FIDEDUPERANGE). What goes wrong with a target is in its result and stops no other.
    /// </summary>
    /// <param name="length">Bytes; at most a gigabyte is compared.</param>
    /// <param name="targets">At most <see cref="MaxDedupeTargets"/>.</param>
    /// <exception cref="XfsException">EINVAL: the range does not lie in this file. ENOMEM: too many targets.</exception>
    public IReadOnlyList<DedupeResult> DedupeRange(long offset, long length, IReadOnlyList<DedupeTarget> targets)
    {
        if (targets.Count > MaxDedupeTargets) throw new XfsException(Errno.ENOMEM, $"{targets.Count} targets, at most {MaxDedupeTargets} are possible");
        lock (Volume.Gate) Remapper.CheckSource(Checked(), offset, length);
        DedupeResult[] results = new DedupeResult[targets.Count];
        for (int i = 0; i < results.Length; i++)
        {
            try
            {
                results[i] = targets[i].File.DedupeRange(this, offset, targets[i].Offset, length);
            }
            catch (ObjectDisposedException)
            {
                results[i] = new(DedupeStatus.Failed, 0, 0, Errno.EBADF);
            }
            catch (XfsException why) when (why is not (XfsShutdownException or CorruptionException))
            {
                results[i] = new(DedupeStatus.Failed, 0, 0, why.Errno);
            }
        }
        return results;
    }

    /// <summary>
    /// Exchanges a range of this file with one of another, or of itself: their extents change places, no data is moved. Happens as
    /// a whole, and is durable on return. With <see cref="ExchangeOptions.ToEnd"/> the length is that of the longer rest.
    /// </summary>
    /// <param name="first">The other file: the first one of <see cref="ExchangeOptions.FirstWritten"/>. Opened for writing.</param>
    /// <param name="firstOffset">A multiple of the block size.</param>
    /// <param name="offset">A multiple of the block size.</param>
    /// <param name="length">A multiple of the block size, unless it ends both files.</param>
    /// <param name="fresh">Exchange only if this file is still what it was then (XFS_IOC_COMMIT_RANGE).</param>
    /// <exception cref="XfsBusyException">The file has changed since; nothing was exchanged.</exception>
    /// <exception cref="XfsException">EINVAL, EBADF, EXDEV, EPERM as XFS_IOC_EXCHANGE_RANGE gives them. EFBIG: more extents than one transaction can exchange.</exception>
    public void ExchangeRange(XfsFile first, long firstOffset, long offset, long length, ExchangeOptions options = ExchangeOptions.None, FileFreshness? fresh = null)
    {
        RequireSameVolume(first);
        bool toEnd = (options & ExchangeOptions.ToEnd) != 0;
        using IoBoth both = EnterBoth(() => IoBoth.Enter(first.Writable(), Writable()),
            LayoutRange.OfLength(first.Writable(), firstOffset, toEnd ? 0 : length), LayoutRange.OfLength(Writable(), offset, toEnd ? 0 : length));
        lock (Volume.Gate)
        {
            OpenInode one = first.Writable(), other = _inode;
            _fileSystem.Exchanger.Exchange(one, firstOffset, other, offset, length, options, fresh);
            if ((options & ExchangeOptions.DryRun) != 0) return;
            _fileSystem.DropCapability(one.Inode);
            _fileSystem.DropCapability(other.Inode);
        }
    }

    /// <summary>What the file is now, for <see cref="ExchangeRange"/> to compare with later (XFS_IOC_START_COMMIT).</summary>
    public FileFreshness SampleFreshness()
    {
        lock (Volume.Gate) return Exchanger.Sample(Checked().Inode);
    }
}
