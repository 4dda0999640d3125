using ImageFs.Format;

namespace ImageFs.Fsck;

/// <summary>Gives symlinks back what can be read of their targets; one of which nothing can be read is cleared.</summary>
internal sealed class SymlinkRepair(RepairView view, Scan scan)
{
    private readonly Geometry _g = view.Geometry;

    /// <returns>True if there was anything to do.</returns>
    public bool Repair(ulong[] symlinks)
    {
        SpacePool pool = new(view, scan);
        InodeRepair clearing = new(view, RmapIndex.None, pool);
        ForkWriter writer = new(view, pool);
        foreach (ulong number in symlinks) Repair(number, clearing, writer);
        return symlinks.Length > 0;
    }

    private void Repair(ulong number, InodeRepair clearing, ForkWriter writer)
    {
        view.Purpose = Remedy.ClearInode;
        InodeNumber n = new(number);
        byte[] inode = view.Read(view.OffsetOf(n), _g.InodeSize);
        ref InodeCore core = ref InodeCore.At(inode.AsSpan());
        if (!core.IsSymlink) return;
        int fork = core.DataForkSize(_g.InodeSize);
        byte[] target = new byte[RemoteHeader.MaxSymlink];
        int size = (int)Math.Min(core.FileSize.Value, (ulong)target.Length), found = 0;
        List<Extent> mappings = [];
        SalvagedFork map = new([], []);
        if (core.Format == ForkFormat.Local)
        {
            found = Math.Min(size, fork);
            inode.AsSpan(InodeCore.Size, found).CopyTo(target);
        }
        else
        {
            map = new ForkSalvage(view, RmapIndex.None).Collect(inode, number, attribute: false, core.BlockCount);
            foreach (Extent extent in map.Extents)
            {
                if (found == size || extent.Length > 4) break;
                int length = (int)extent.Length * _g.BlockSize, bytes = Math.Min(size - found, length - RemoteHeader.Size);
                long offset = _g.ByteOffset(extent.Start);
                byte[] block = view.Read(offset, length);
                // Noise is no target.
                if (!IsOurs(RemoteHeader.At((ReadOnlySpan<byte>)block), number, offset)) break;
                block.AsSpan(RemoteHeader.Size, bytes).CopyTo(target.AsSpan(found));
                mappings.Add(extent);
                found += bytes;
            }
        }
        int end = target.AsSpan(0, found).IndexOf((byte)0);
        if (end < 0) end = found;
        if (end == 0)
        {
            clearing.Clear(n, core.Generation + 1);
            return;
        }
        core.FileSize = (ulong)end;
        if (core.Format == ForkFormat.Local || end <= fork)
        {
            // What fits lies in the inode; the blocks are free when the space of their group is derived.
            if (core.Format != ForkFormat.Local) core.BlockCount = core.BlockCount - Math.Min(core.BlockCount, map.Blocks);
            core.Format = ForkFormat.Local;
            core.ExtentCount = 0;
            inode.AsSpan(InodeCore.Size, fork).Clear();
            target.AsSpan(0, end).CopyTo(inode.AsSpan(InodeCore.Size));
        }
        else
        {
            // Blocks the target no longer needs would be in nobody's way, but nobody would ever free them.
            List<Extent> needed = [];
            uint blocks = (uint)RemoteHeader.SymlinkBlocks(end, _g.BlockSize), done = 0;
            foreach (Extent extent in mappings)
            {
                uint length = Math.Min(extent.Length, blocks - done);
                if (length > 0) needed.Add(extent with { Length = length });
                done += length;
            }
            core.BlockCount = core.BlockCount - Math.Min(core.BlockCount, map.Blocks) + done;
            writer.Write(inode, n, attribute: false, new SalvagedFork(needed, []));
            Write(number, needed, target.AsSpan(0, end));
        }
        view.WriteInode(n, inode);
    }

    private bool IsOurs(in RemoteHeader header, ulong number, long offset) =>
        header.Magic == DirectoryMagic.Symlink || header.Owner == number || header.Uuid == _g.MetaUuid || header.BlockNumber == _g.DiskAddress(offset);

    private void Write(ulong number, List<Extent> mappings, ReadOnlySpan<byte> target)
    {
        int done = 0;
        foreach (Extent extent in mappings)
        {
            long offset = _g.ByteOffset(extent.Start);
            int length = (int)extent.Length * _g.BlockSize;
            byte[] block = new byte[length];
            int bytes = Math.Min(target.Length - done, length - RemoteHeader.Size);
            ref RemoteHeader header = ref System.Runtime.InteropServices.MemoryMarshal.AsRef<RemoteHeader>(block.AsSpan());
            header.Magic = DirectoryMagic.Symlink;
            header.Offset = (uint)done;
            header.Bytes = (uint)bytes;
            header.Uuid = _g.MetaUuid;
            header.Owner = number;
            header.BlockNumber = _g.DiskAddress(offset);
            target.Slice(done, bytes).CopyTo(block.AsSpan(RemoteHeader.Size));
            view.Write(BlockKind.Symlink, offset, block);
            done += bytes;
        }
    }
}
