using System.Buffers.Binary;
using ImageFs.Allocation;
using ImageFs.BTrees;
using ImageFs.Format;
using ImageFs.Inodes;
using ImageFs.Transactions;

namespace ImageFs.Extents;

/// <summary>Home of an inode's bmbt: the root lies in the fork, the blocks are ordinary allocations owned by the inode.</summary>
internal sealed class BmbtHome(AllocationGroups groups, Inode inode, ForkKind kind) : BtreeHome(groups.Cache)
{
    public override bool HasInodeRoot => true;
    public override ReadOnlySpan<byte> InodeRoot => inode.Fork(kind);
    public override Span<byte> ModifyInodeRoot(Transaction tx) => inode.ModifyFork(tx, kind);
    public override int Levels => BinaryPrimitives.ReadUInt16BigEndian(inode.Fork(kind)) + 1;
    public override int MaxLevels => Geometry.Limits.Bmap;
    public override ulong Owner => inode.Number.Value;
    public override ulong Root => throw new NotSupportedException();
    public override void SetRoot(Transaction tx, ulong root, int levels) => throw new NotSupportedException();

    private ulong RmapOffset => RmapFlags.BmbtBlock | (kind == ForkKind.Attribute ? RmapFlags.AttributeFork : 0);

    public override long OffsetOf(ulong pointer)
    {
        FsBlock block = new(pointer);
        if (!Geometry.IsValid(block)) throw inode.Corrupt($"bmbt pointer 0x{pointer:x} leads outside the device");
        return Geometry.ByteOffset(block);
    }

    public override ulong AllocateBlock(Transaction tx, ulong near)
    {
        FsBlock goal = near != 0 && Geometry.IsValid(new FsBlock(near)) ? new FsBlock(near)
            : Geometry.Join(Geometry.AgOf(inode.Number), Geometry.BlockOf(Geometry.InodeInAg(inode.Number)));
        FsBlock block = SpaceAllocator.Allocate(tx, groups, goal, 1, 1, metadata: false, out _);
        AllocationGroup group = groups.Of(block);
        if (Geometry.HasRmapbt)
        {
            FreeList.Fill(tx, group);
            ReverseMap.Add(tx, group, Geometry.BlockInAg(block), 1, inode.Number.Value, RmapOffset);
        }
        inode.AddBlocks(tx, 1);
        return block.Value;
    }

    public override void FreeBlock(Transaction tx, ulong pointer)
    {
        FsBlock block = new(pointer);
        tx.Invalidate(OffsetOf(pointer), Geometry.BlockSize);
        AllocationGroup group = groups.Of(block);
        FreeList.Fill(tx, group);
        if (Geometry.HasRmapbt) ReverseMap.Remove(tx, group, Geometry.BlockInAg(block), 1, inode.Number.Value, RmapOffset);
        group.FreeSpace.Free(tx, Geometry.BlockInAg(block), 1);
        inode.AddBlocks(tx, -1);
    }
}
