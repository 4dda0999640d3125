using ImageFs.Allocation;
using ImageFs.Dax;
using ImageFs.Format;

namespace ImageFs;

/// <content>The way back from blocks to whom they belong.</content>
public sealed partial class FileSystem
{
    /// <summary>Who owns the blocks of a part of the image. Shared blocks have several owners, free ones none.</summary>
    /// <param name="physical">Byte of the image; the block around it counts.</param>
    /// <param name="length">At least 1.</param>
    /// <param name="scan">
    /// Without the rmapbt, ask every inode: slow, and only files and attributes are found. Without it such an image is refused.
    /// </param>
    /// <exception cref="XfsUnsupportedException">The image has no rmapbt, and no scan is wanted.</exception>
    /// <exception cref="ArgumentOutOfRangeException">Outside the image.</exception>
    public IReadOnlyList<BlockOwner> FindOwners(long physical, long length, bool scan = false, CancellationToken cancellation = default)
    {
        if (physical < 0 || length < 1 || physical > Geometry.DeviceBytes - length)
            throw new ArgumentOutOfRangeException(nameof(physical), $"{length} bytes at {physical} are outside the {Geometry.DeviceBytes} of the file system");
        if (!Geometry.HasRmapbt)
        {
            if (!scan) throw new XfsUnsupportedException("the image has no rmapbt, which tells who owns a block; a scan of all inodes must be asked for");
            lock (Volume.Gate)
            {
                Volume.RequireOpen();
                return OwnerQuery.FromInodes(Volume, physical, length, cancellation);
            }
        }
        List<BlockOwner> owners = [];
        long block = Geometry.BlockSize;
        for (long at = physical / block, end = (physical + length + block - 1) / block; at < end; cancellation.ThrowIfCancellationRequested())
            lock (Volume.Gate)
            {
                Volume.RequireOpen();
                Volume.Cache.Trim();
                FsBlock first = Geometry.FsBlockAt(at * block);
                AllocationGroup group = Volume.Groups.Of(first);
                uint count = (uint)Math.Min(end - at, group.Length - Geometry.BlockInAg(first).Value);
                owners.AddRange(OwnerQuery.FromRmapbt(Volume, group, Geometry.BlockInAg(first), count));
                at += count;
            }
        return owners;
    }

    /// <summary>
    /// Reads a part of the image block by block, and tells who is hit where it cannot be read: every file that owns a bad block,
    /// whoever shares it, and the file system itself where its own blocks are bad.
    /// </summary>
    /// <inheritdoc cref="FindOwners"/>
    public IReadOnlyList<BlockOwner> FindDamage(long physical, long length, bool scan = false, CancellationToken cancellation = default)
    {
        if (physical < 0 || length < 1 || physical > Geometry.DeviceBytes - length)
            throw new ArgumentOutOfRangeException(nameof(physical), $"{length} bytes at {physical} are outside the {Geometry.DeviceBytes} of the file system");
        List<BlockOwner> hit = [];
        int block = Geometry.BlockSize;
        byte[] piece = new byte[Math.Max(block, 1 << 20)];
        long end = (physical + length + block - 1) / block * block;
        for (long at = physical / block * block; at < end;)
        {
            cancellation.ThrowIfCancellationRequested();
            int bytes = (int)Math.Min(piece.Length, end - at);
            if (!CanRead(at, piece.AsSpan(0, bytes)))
                for (long one = at; one < at + bytes; one += block)
                    if (!CanRead(one, piece.AsSpan(0, block))) hit.AddRange(FindOwners(one, block, scan, cancellation));
            at += bytes;
        }
        return hit;
    }

    private bool CanRead(long physical, Span<byte> into)
    {
        try
        {
            Volume.Data.Read(physical, into);
            return true;
        }
        catch (XfsException why) when (why is { Errno: Errno.EIO } and not XfsShutdownException)
        {
            return false;
        }
    }
}
