using System.Diagnostics.CodeAnalysis;
using ImageFs.Allocation;
using ImageFs.Extents;
using ImageFs.Format;
using ImageFs.Inodes;

namespace ImageFs.Dax;

/// <summary>Makes every block of a file its own without moving any of them: the other owners move.</summary>
/// <remarks>
/// Each move is an ordinary copy-on-write of the other file, committed by itself, so that a crash leaves every file as it was
/// read. Between two moves nothing is locked, and the owners are looked up anew. Meanwhile nobody may begin to share the file's
/// blocks, or this would never end. The seal itself is granted when everything is durable: until then a power cut would bring
/// the old owners back.
/// </remarks>
internal sealed class Sealing(Volume volume, FileData data, OpenInode file, SealOptions options, TimeSpan patience, CancellationToken cancellation)
{
    /// <summary>Blocks moved at a time.</summary>
    private const uint BlocksPerMove = 256;

    private bool MayRelocate => (options & SealOptions.RelocateOthers) != 0;
    private Geometry Geometry => volume.Geometry;

    /// <summary>Seals the file, or leaves it unsealed and throws.</summary>
    public void Run()
    {
        volume.RequireWritable();
        if (MayRelocate && !Geometry.HasRmapbt)
            throw new XfsUnsupportedException("the image has no rmapbt, which tells who else owns a block; seal a file that shares nothing, or unshare it");
        Begin();
        try
        {
            for (FileBlock at = default; FindOther(ref at, out BlockOwner other, out OpenInode? open);) Move(other, open);
            volume.Flush();
            using IoHold alone = IoHold.Enter(file, IoMode.Exclusive);
            lock (volume.Gate)
            {
                Check(durable: true);
                file.Cow.CancelAll();
                volume.Layouts.SetSeal(file, SealState.Sealed);
            }
        }
        catch
        {
            volume.Layouts.SetSeal(file, SealState.None);
            throw;
        }
    }

    /// <summary>Checks everything that can be checked before anybody is moved.</summary>
    private void Begin()
    {
        using IoHold alone = IoHold.Enter(file, IoMode.Exclusive);
        lock (volume.Gate)
        {
            if (volume.Layouts.SealOf(file.Inode.Number) != SealState.None) throw new XfsBusyException($"{file.Inode} is sealed, or about to be");
            Check(durable: false);
            FileBlock at = default;
            if (MayRelocate)
                while (FindShared(at, out Extent shared))
                {
                    foreach (BlockOwner owner in OthersOf(shared))
                        if (volume.Layouts.SealOf(owner.Inode!.Value) != SealState.None)
                            throw new XfsBusyException($"{file.Inode} shares blocks with inode {owner.Inode}, which is sealed: neither can move");
                    at = shared.End;
                }
            volume.Layouts.SetSeal(file, SealState.Sealing);
        }
    }

    /// <summary>No holes, nothing unwritten, and nothing shared where nobody may be moved, or any more.</summary>
    private void Check(bool durable)
    {
        Inode inode = file.Inode;
        FileBlock end = data.BlockUp((long)inode.Core.FileSize.Value);
        IomapIterator runs = new(volume, file, default, end, IomapPurpose.Read);
        while (runs.MoveNext())
        {
            if (runs.Current.Kind == IomapKind.Written) continue;
            string what = runs.Current.Kind == IomapKind.Hole ? "a hole" : "unwritten blocks";
            throw new XfsException(Errno.EINVAL, $"{inode} has {what} at block {runs.Current.Offset}: the first write there would change its block map");
        }
        if ((durable || !MayRelocate) && FindShared(default, out Extent shared))
            throw new XfsException(durable ? Errno.EBUSY : Errno.EINVAL, $"{inode} shares blocks {shared.Offset}..{shared.End - 1} with others");
    }

    /// <summary>The first run of blocks at or behind a file block that has other owners.</summary>
    private bool FindShared(FileBlock from, out Extent shared)
    {
        IomapIterator runs = new(volume, file, from, new FileBlock(FileBlock.Limit), IomapPurpose.Unshare);
        bool found = runs.MoveNext();
        shared = found ? runs.Current.Extent : default;
        return found;
    }

    /// <summary>The other owners of a shared run of this file.</summary>
    private List<BlockOwner> OthersOf(in Extent shared)
    {
        AllocationGroup group = volume.Groups.Of(shared.Start);
        List<BlockOwner> others = [];
        long own = (long)(shared.Offset.Value << Geometry.BlockLog), start = Geometry.ByteOffset(shared.Start);
        foreach (BlockOwner owner in OwnerQuery.FromRmapbt(volume, group, Geometry.BlockInAg(shared.Start), shared.Length))
        {
            if (owner.Use != BlockUse.Data || owner.Unwritten)
                throw group.Corrupt("rmapbt", $"shared block {Geometry.BlockInAg(shared.Start)} of {file.Inode} belongs to {owner.Use} too");
            if (owner.Inode != file.Inode.Number) others.Add(owner);
            else if (owner.Offset != own + (owner.Physical - start))
                throw new XfsException(Errno.EINVAL, $"{file.Inode} uses one block at two places, bytes {owner.Offset} and {own + (owner.Physical - start)}: unshare one of them first");
        }
        return others;
    }

    /// <summary>Somebody else who owns blocks of the file, held so that it cannot go before it was moved.</summary>
    private bool FindOther(ref FileBlock at, out BlockOwner other, [NotNullWhen(true)] out OpenInode? open)
    {
        cancellation.ThrowIfCancellationRequested();
        (other, open) = (default, null);
        if (!MayRelocate) return false;
        using IoHold reading = IoHold.Enter(file, IoMode.Read);
        lock (volume.Gate)
        {
            volume.Cache.Trim();
            if (!FindShared(at, out Extent shared)) return false;
            at = shared.Offset;
            List<BlockOwner> others = OthersOf(shared with { Length = Math.Min(shared.Length, BlocksPerMove) });
            if (others.Count == 0) throw volume.Groups.Of(shared.Start).Corrupt("refcountbt", $"block {Geometry.BlockInAg(shared.Start)} counts more owners than the rmapbt knows");
            other = others[0];
            open = volume.Hold(other.Inode!.Value);
            return true;
        }
    }

    /// <summary>Gives another file blocks of its own for a run, if it still has it.</summary>
    private void Move(in BlockOwner other, OpenInode open)
    {
        try
        {
            long start = other.Offset;
            using IoHold alone = volume.Layouts.Enter(LayoutRange.OfLength(open, start, other.Length), patience, cancellation);
            lock (volume.Gate)
            {
                FileBlock from = data.BlockOf(start), end = data.BlockUp(start + other.Length), last = data.BlockUp((long)open.Inode.Core.FileSize.Value);
                // What lies behind its end nobody can read: it is freed, not copied.
                if (end > last) data.FreeRange(open.Inode, ForkKind.Data, from > last ? from : last, end);
                if (from < last) data.MakeOwn(open, from, end < last ? end : last, IomapPurpose.Unshare);
            }
        }
        finally
        {
            volume.Release(open);
        }
    }
}
