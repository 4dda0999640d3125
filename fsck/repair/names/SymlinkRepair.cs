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
        foreach (ulong number in symlinks) Repair(number, clearing);
        return symlinks.Length > 0;
    }

    private void Repair(ulong number, InodeRepair clearing)
    {
        view.Purpose = Remedy.ClearInode;
        InodeNumber n = new(number);
        byte[] inode = view.Read(view.OffsetOf(n), _g.InodeSize);
        ref InodeCore core = ref InodeCore.At(inode.AsSpan());
        if (!core.IsSymlink) return;
        int fork = core.DataForkSize(_g.InodeSize);
        byte[] target = new byte[RemoteHeader.MaxSymlink];
        int size = (int)Math.Min(core.FileSize.Value, (ulong)target.Length), found = 0;
        List<(long Offset, int Length)> mappings = [];
        if (core.Format == ForkFormat.Local)
        {
            found = Math.Min(size, fork);
            inode.AsSpan(InodeCore.Size, found).CopyTo(target);
        }
        else
        {
            SalvagedFork map = new ForkSalvage(view, RmapIndex.None).Collect(inode, number, attribute: false, core.BlockCount);
            foreach (Extent extent in map.Extents)
            {
                if (found == size || extent.Length > 4) break;
                int length = (int)extent.Length * _g.BlockSize, bytes = Math.Min(size - found, length - RemoteHeader.Size);
                long offset = _g.ByteOffset(extent.Start);
                view.Read(offset, length).AsSpan(RemoteHeader.Size, bytes).CopyTo(target.AsSpan(found));
                mappings.Add((offset, length));
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
            if (core.Format != ForkFormat.Local) core.BlockCount = core.BlockCount - (ulong)mappings.Sum(m => m.Length / _g.BlockSize);
            core.Format = ForkFormat.Local;
            core.ExtentCount = 0;
            inode.AsSpan(InodeCore.Size, fork).Clear();
            target.AsSpan(0, end).CopyTo(inode.AsSpan(InodeCore.Size));
        }
        else Write(number, mappings, target.AsSpan(0, end));
        view.WriteInode(n, inode);
    }

    private void Write(ulong number, List<(long Offset, int Length)> mappings, ReadOnlySpan<byte> target)
    {
        int done = 0;
        foreach ((long offset, int length) in mappings)
        {
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
