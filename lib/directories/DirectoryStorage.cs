using ImageFs.Allocation;
using ImageFs.DaBtrees;
using ImageFs.Extents;
using ImageFs.Format;
using ImageFs.Inodes;
using ImageFs.Transactions;

namespace ImageFs.Directories;

/// <summary>A directory kept in an inode's data fork: its blocks are metadata and go through the cache.</summary>
internal sealed class DirectoryStorage(AllocationGroups groups, BlockMap map, Inode inode)
    : ForkStorage(groups, map, inode, ForkKind.Data, (uint)inode.Geometry.DirectoryBlockFsBlocks), IDirectoryStorage
{
    public ReadOnlySpan<byte> DataFork => Inode.Fork(ForkKind.Data);
    public Span<byte> ModifyDataFork(Transaction tx) => Inode.ModifyFork(tx, ForkKind.Data);

    public void BecomeExtents(Transaction tx)
    {
        Inode.ModifyFork(tx, ForkKind.Data).Clear();
        Inode.SetFormat(tx, ForkKind.Data, ForkFormat.Extents);
    }

    public void BecomeLocal(Transaction tx)
    {
        Invariant.Holds(Inode.ExtentCount(ForkKind.Data) == 0, "a fork without extents can hold its contents itself");
        Inode.ModifyFork(tx, ForkKind.Data).Clear();
        Inode.SetFormat(tx, ForkKind.Data, ForkFormat.Local);
    }
}
