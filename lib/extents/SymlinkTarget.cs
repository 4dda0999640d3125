using ImageFs.Allocation;
using ImageFs.Format;
using ImageFs.Inodes;
using ImageFs.Transactions;

namespace ImageFs.Extents;

/// <summary>Where a symlink keeps what it points to: in the inode, or in a block with a header.</summary>
internal static class SymlinkTarget
{
    /// <summary>Writes the target of a symlink whose data fork is empty; the size is the caller's.</summary>
    public static void Write(Transaction tx, AllocationGroups groups, BlockMap map, Inode inode, ReadOnlySpan<byte> target)
    {
        Span<byte> fork = inode.ModifyFork(tx, ForkKind.Data);
        if (target.Length <= fork.Length)
        {
            target.CopyTo(fork);
            inode.SetFormat(tx, ForkKind.Data, ForkFormat.Local);
            return;
        }
        WriteBlocks(tx, groups, map, inode, target);
    }

    /// <summary>Moves a target that lies in the inode to a block.</summary>
    public static void MoveOut(Transaction tx, AllocationGroups groups, BlockMap map, Inode inode)
    {
        Span<byte> fork = inode.ModifyFork(tx, ForkKind.Data);
        ulong size = inode.Core.FileSize;
        if (size == 0 || size > (ulong)fork.Length || size > RemoteHeader.MaxSymlink) throw inode.Corrupt($"a symlink of {size} bytes inside the inode");
        byte[] target = fork[..(int)size].ToArray();
        fork.Clear();
        inode.SetFormat(tx, ForkKind.Data, ForkFormat.Extents);
        WriteBlocks(tx, groups, map, inode, target);
    }

    private static void WriteBlocks(Transaction tx, AllocationGroups groups, BlockMap map, Inode inode, ReadOnlySpan<byte> target)
    {
        Geometry g = inode.Geometry;
        uint blocks = (uint)((target.Length + RemoteHeader.Size + g.BlockSize - 1) / g.BlockSize);
        FsBlock goal = g.Join(g.AgOf(inode.Number), g.BlockOf(g.InodeInAg(inode.Number)));
        FsBlock start = SpaceAllocator.Allocate(tx, groups, goal, blocks, blocks, metadata: false, out _);
        map.Map(tx, inode, ForkKind.Data, new Extent(default, start, blocks, Unwritten: false));
        long offset = g.ByteOffset(start);
        Span<byte> block = tx.Modify(tx.Create(offset, (int)blocks * g.BlockSize, BlockKind.Symlink));
        ref RemoteHeader header = ref RemoteHeader.At(block);
        header.Magic = DirectoryMagic.Symlink;
        header.Bytes = (uint)target.Length;
        header.Uuid = g.MetaUuid;
        header.Owner = inode.Number.Value;
        header.BlockNumber = g.DiskAddress(offset);
        target.CopyTo(block[RemoteHeader.Size..]);
    }
}
