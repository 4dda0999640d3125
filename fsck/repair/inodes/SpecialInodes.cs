using System.Buffers.Binary;
using ImageFs.Format;

namespace ImageFs.Fsck;

/// <summary>The three inodes the superblock names: the root directory and the two of the realtime device, which exist without one too.</summary>
/// <remarks>mkfs puts them at the start of the first chunk of inodes, in this order; that is where they are looked for.</remarks>
internal sealed class SpecialInodes(RepairView view, SuperblockRepair superblocks, Scan scan, InodeScan inodes)
{
    private readonly Geometry _g = view.Geometry;

    /// <returns>True if something was repaired.</returns>
    public bool Repair(Damage damage)
    {
        if (!damage.RootInode && !damage.Superblock) return false;
        Superblock sb = _g.Superblock;
        ulong first = FirstInode();
        bool followed = sb.RealtimeBitmapInode == sb.RootInode + 1 && sb.RealtimeSummaryInode == sb.RootInode + 2;
        bool isRoot = inodes.FindDirectory(sb.RootInode) is int known and >= 0 && inodes.Directories[known].Parent == sb.RootInode;
        if (!isRoot && inodes.FindDirectory(first) is int index and >= 0 && inodes.Directories[index].Parent == first && sb.RootInode != first)
        {
            superblocks.SetInodes(first);
            return true;
        }
        if (!_g.IsValid(new InodeNumber(sb.RootInode)))
        {
            superblocks.SetInodes(first);
            return true;
        }
        if (!followed)
        {
            superblocks.SetInodes(null);
            return true;
        }
        if (!damage.RootInode) return false;
        view.Purpose = Remedy.FixInode;
        bool any = false;
        if (inodes.FindDirectory(sb.RootInode) < 0)
        {
            MakeRoot(sb.RootInode);
            any = true;
        }
        foreach (ulong number in (ReadOnlySpan<ulong>)[sb.RealtimeBitmapInode, sb.RealtimeSummaryInode])
        {
            InodeCore core = InodeCore.At((ReadOnlySpan<byte>)view.Read(view.OffsetOf(new InodeNumber(number)), _g.InodeSize));
            if (core.IsRegular && (core.FileSize == 0 && core.BlockCount == 0 || sb.RealtimeBlocks != 0)) continue;
            MakeEmptyFile(number);
            any = true;
        }
        return any;
    }

    /// <summary>The first inode of the lowest chunk.</summary>
    private ulong FirstInode()
    {
        for (uint ag = 0; ag < _g.AgCount; ag++)
            foreach (ref readonly InodeChunk chunk in scan.Inodes.Chunks(new AgNumber(ag)))
                if (chunk.Slot >= 0 && !chunk.IsHole(0)) return _g.Join(new AgNumber(ag), new AgInode(chunk.Start)).Value;
        return 0;
    }

    /// <summary>An empty root; whatever was below is found among the inodes nobody names.</summary>
    private void MakeRoot(ulong number)
    {
        byte[] inode = FreshInode.Make(_g, number, FileMode16.Directory | 0x1ED, 2);
        ref InodeCore core = ref InodeCore.At(inode.AsSpan());
        core.Format = ForkFormat.Local;
        bool big = number > uint.MaxValue;
        Span<byte> fork = inode.AsSpan(InodeCore.Size);
        fork[1] = (byte)(big ? 1 : 0);
        if (big) BinaryPrimitives.WriteUInt64BigEndian(fork[2..], number);
        else BinaryPrimitives.WriteUInt32BigEndian(fork[2..], (uint)number);
        core.FileSize = big ? 10UL : 6UL;
        view.WriteInode(new InodeNumber(number), inode);
    }

    private void MakeEmptyFile(ulong number) => view.WriteInode(new InodeNumber(number), FreshInode.Make(_g, number, FileMode16.Regular, 1));
}
