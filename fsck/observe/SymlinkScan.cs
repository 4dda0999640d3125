using ImageFs.Format;

namespace ImageFs.Fsck;

/// <summary>Checks the targets of symlinks, in the inode and in blocks of their own.</summary>
internal sealed class SymlinkScan(Scan scan)
{
    /// <param name="map">The data fork's extents, for a target outside the inode.</param>
    public void Examine(ReadOnlySpan<byte> inode, ulong number, PackedList<Extent> map, Where at)
    {
        Geometry g = scan.Geometry;
        ref readonly InodeCore core = ref InodeCore.At(inode);
        ulong size = core.FileSize;
        if (core.Format == ForkFormat.Local)
        {
            int fork = core.DataForkSize(g.InodeSize);
            if (size <= (ulong)fork) CheckTarget(inode.Slice(InodeCore.Size, (int)size), at);
            return;
        }
        if (core.Format != ForkFormat.Extents || size is 0 or > RemoteHeader.MaxSymlink) return;

        Span<byte> target = stackalloc byte[RemoteHeader.MaxSymlink];
        int found = 0, needed = RemoteHeader.SymlinkBlocks((int)size, g.BlockSize);
        ulong next = 0;
        byte[] buffer = Scan.Rent(4 * g.BlockSize);
        foreach (ref readonly Extent extent in map.Span)
        {
            // A target of 1023 bytes and a header per mapping never need more than four blocks.
            if (found == (int)size || extent.Length > 4 || extent.Offset.Value != next || next >= (ulong)needed) break;
            next += extent.Length;
            // What the target does not need nobody reads; the checksum does not cover it.
            int blocks = (int)Math.Min(extent.Length, (uint)(needed - (int)extent.Offset.Value));
            Span<byte> mapping = buffer.AsSpan(0, blocks * g.BlockSize);
            Where block = scan.At(extent.Start, number);
            // The checksum covers the whole mapping, so the mapping is the block.
            if (!scan.Enter(g.AgOf(extent.Start), g.BlockInAg(extent.Start))) break;
            if (!scan.TryReadBlock(Structure.Symlink, BlockKind.Symlink, g.ByteOffset(extent.Start), mapping, block))
            {
                Scan.Return(buffer);
                return;
            }
            ref readonly RemoteHeader header = ref RemoteHeader.At((ReadOnlySpan<byte>)mapping);
            if (header.Owner != number)
            {
                scan.Report(FindingCodes.Identity(Structure.Symlink), block with { Field = "owner" }, $"it says inode {header.Owner.Value}");
                break;
            }
            int bytes = (int)header.Bytes.Value;
            if (header.Offset != found || bytes > (int)size - found || bytes == 0)
            {
                scan.Report(FindingCodes.Form(Structure.Symlink), block with { Field = "offset" }, $"{bytes} bytes at offset {header.Offset}, {(int)size - found} are missing from offset {found} on");
                break;
            }
            mapping.Slice(RemoteHeader.Size, bytes).CopyTo(target[found..]);
            found += bytes;
        }
        Scan.Return(buffer);
        long mapped = 0;
        foreach (ref readonly Extent extent in map.Span) mapped += extent.Length;
        if (found == (int)size && mapped > needed) scan.Report(FindingCodes.InodeSymlink, at, $"{mapped} blocks are mapped for a target that needs {needed}");
        if (found != (int)size) scan.Report(FindingCodes.InodeSymlink, at, $"the target has {size} bytes, {found} of them were found");
        else CheckTarget(target[..found], at);
    }

    private void CheckTarget(ReadOnlySpan<byte> target, Where at)
    {
        int zero = target.IndexOf((byte)0);
        if (zero >= 0) scan.Report(FindingCodes.InodeSymlink, at, $"the target of {target.Length} bytes has a zero at {zero}");
    }
}
