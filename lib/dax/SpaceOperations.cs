using ImageFs.Allocation;
using ImageFs.Extents;
using ImageFs.Format;
using ImageFs.Inodes;
using ImageFs.Transactions;

namespace ImageFs.Dax;

/// <summary>
/// The fallocate family: what it does to the mapping of a file, over any mix of holes, unwritten, private and shared extents.
/// </summary>
/// <remarks>
/// <code>
///   allocate   holes become unwritten blocks
///   unshare    shared blocks are copied; then as allocate
///   punch      whole blocks are unmapped, the bytes before and behind them zeroed
///   zero       as punch, then as allocate
///   insert     everything behind moves up, in one transaction with the size (<see cref="ExtentShift"/>)
///   collapse   the range is unmapped, everything behind moves down, likewise in one
/// </code>
/// Where an operation takes several transactions, a power cut leaves a first part of it: blocks of the range are as they were
/// or as they should become.
/// </remarks>
/// <param name="dropCapability">Called when the file may be changed at all, before its contents are.</param>
internal sealed class SpaceOperations(Volume volume, FileData data, Action<Inode> dropCapability)
{
    private readonly ExtentShift _shift = new(volume, data);

    private Geometry Geometry => volume.Geometry;

    /// <summary>What can be told of a call without looking at the file.</summary>
    /// <exception cref="XfsException">EINVAL, EOPNOTSUPP: in the order fallocate(2) looks.</exception>
    public static void Check(FallocateMode mode, long offset, long length)
    {
        if (offset < 0 || length <= 0) throw Invalid($"offset {offset}, length {length}: expected 0 or more, and 1 or more");
        bool possible = (mode & ~FallocateMode.KeepSize) switch
        {
            FallocateMode.Allocate or FallocateMode.ZeroRange or FallocateMode.UnshareRange => true,
            FallocateMode.PunchHole => (mode & FallocateMode.KeepSize) != 0,
            FallocateMode.CollapseRange or FallocateMode.InsertRange => (mode & FallocateMode.KeepSize) == 0,
            _ => false,
        };
        if (!possible) throw new XfsUnsupportedException($"fallocate has no mode {mode}");
    }

    /// <summary>Does one of them; <see cref="Check(FallocateMode, long, long)"/> has passed.</summary>
    /// <exception cref="XfsException">EPERM, EFBIG, EINVAL, ENOSPC as fallocate(2) gives them.</exception>
    public void Do(OpenInode file, FallocateMode mode, long offset, long length)
    {
        Check(file, mode, offset, length);
        dropCapability(file.Inode);
        switch (mode & ~FallocateMode.KeepSize)
        {
            case FallocateMode.CollapseRange: _shift.Collapse(file, offset, length); return;
            case FallocateMode.InsertRange: _shift.Insert(file, offset, length); return;
        }

        volume.Run(tx => data.Touch(tx, file.Inode, 0));
        switch (mode & ~FallocateMode.KeepSize)
        {
            case FallocateMode.PunchHole or FallocateMode.ZeroRange:
                Punch(file, offset, length);
                if ((mode & FallocateMode.PunchHole) != 0) return;
                break;
            case FallocateMode.UnshareRange:
                Unshare(file, offset, length);
                break;
        }
        Allocate(file, data.BlockOf(offset), data.BlockUp(offset + length));
        if ((mode & FallocateMode.KeepSize) == 0 && offset + length > Size(file)) data.SetLength(file, offset + length);
    }

    /// <summary>Gives a range blocks of its own where it shares some, and nothing else.</summary>
    public void UnshareOnly(OpenInode file, long offset, long length)
    {
        Check(file, FallocateMode.UnshareRange, offset, length);
        dropCapability(file.Inode);
        volume.Run(tx => data.Touch(tx, file.Inode, 0));
        Unshare(file, offset, length);
    }

    private void Check(OpenInode file, FallocateMode mode, long offset, long length)
    {
        volume.RequireWritable();
        InodeFlags flags = file.Inode.Core.Flags;
        if ((flags & InodeFlags.Append) != 0 && (mode & ~FallocateMode.KeepSize) != 0) throw new XfsException(Errno.EPERM, "an append-only file can only be given blocks");
        if ((flags & InodeFlags.Immutable) != 0) throw new XfsException(Errno.EPERM, "the file is immutable");
        if (offset > Geometry.MaxFileSize - length || data.BlockUp(offset + length).Value > FileBlock.Limit)
            throw new XfsException(Errno.EFBIG, $"{length} bytes at {offset} end beyond the largest file");
    }

    private static long Size(OpenInode file) => (long)file.Inode.Core.FileSize.Value;

    private static XfsException Invalid(string why) => new(Errno.EINVAL, why);

    private void Punch(OpenInode file, long offset, long length)
    {
        FileBlock from = data.BlockUp(offset), end = data.BlockOf(offset + length);
        if (from < end)
        {
            file.Cow.Cancel(from, end);
            data.FreeRange(file.Inode, ForkKind.Data, from, end);
        }
        // Only the edges are left to zero. What lies behind the file's end shows nobody anything.
        data.ZeroMapped(file, offset, Math.Min(offset + length, Size(file)));
    }

    private void Allocate(OpenInode file, FileBlock from, FileBlock end)
    {
        Inode inode = file.Inode;
        // Says that blocks behind the end of the file are there on purpose, those of an earlier call too: nobody may trim them.
        if ((inode.Core.Flags & InodeFlags.Preallocated) == 0) volume.Run(tx => inode.Modify(tx).Flags |= InodeFlags.Preallocated);
        IomapIterator runs = new(volume, file, from, end, IomapPurpose.Remap);
        while (runs.MoveNext())
        {
            Iomap hole = runs.Current;
            if (hole.Kind != IomapKind.Hole) continue;
            Extent filled = volume.Run(tx =>
            {
                Extent found = HoleFiller.Allocate(tx, volume, inode, data.GoalFor(inode, hole.Offset), hole.Offset, hole.End);
                volume.Map.Map(tx, inode, ForkKind.Data, found);
                return found;
            });
            runs.Cut(filled.End - hole.Offset);
        }
    }

    /// <summary>Gives the file blocks of its own where it shares some, and forgets the flag if none is left that is shared.</summary>
    private void Unshare(OpenInode file, long offset, long length)
    {
        if (!file.Inode.Core.Has(InodeFlags2.Reflink) || offset >= Size(file)) return;
        data.MakeOwn(file, data.BlockOf(offset), data.BlockUp(Math.Min(offset + length, Size(file))), IomapPurpose.Unshare);
        TryClearReflink(file);
    }

    /// <summary>
    /// Clears the reflink flag of a file that shares nothing any more, not even with what a power cut would bring back: without
    /// the flag nobody asks before writing in place.
    /// </summary>
    private void TryClearReflink(OpenInode file)
    {
        file.Cow.CancelAll();
        IomapIterator all = new(volume, file, default, new FileBlock(FileBlock.Limit), IomapPurpose.Overwrite);
        while (all.MoveNext())
            if (all.Current.Shared) return;
        volume.Run(tx => file.Inode.Modify(tx).Flags2 &= ~InodeFlags2.Reflink);
    }
}
