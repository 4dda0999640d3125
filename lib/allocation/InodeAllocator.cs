using System.Numerics;
using ImageFs.BTrees;
using ImageFs.Format;
using ImageFs.Transactions;

namespace ImageFs.Allocation;

using InobtCursor = BtreeCursor<InobtKind, InodeChunkRecord, BigEndian32>;
using FinobtCursor = BtreeCursor<FinobtKind, InodeChunkRecord, BigEndian32>;

/// <summary>Hands out inode numbers and takes them back; makes chunks of 64 inodes and gives empty ones back as free space.</summary>
/// <remarks>
/// Always true: the inobt has every chunk; the finobt exactly those with a free inode; agi_count and agi_freecount are
/// their sums. Holes of sparse chunks have their free bits set and do not count.
/// </remarks>
internal sealed partial class InodeAllocator(AllocationGroups groups)
{
    private uint _rotor;

    private Geometry Geometry => groups.Cache.Geometry;

    /// <summary>A free inode, marked used: directories spread over the groups, everything else stays near its parent.</summary>
    /// <param name="parent">The directory the new inode will be named in.</param>
    /// <exception cref="XfsNoSpaceException">No inode is free and no chunk can be made.</exception>
    public InodeNumber Allocate(Transaction tx, InodeNumber parent, bool directory)
    {
        uint count = (uint)groups.Count, first = Geometry.AgOf(parent).Value;
        if (directory && count > 1) first = _rotor++ % count;
        for (uint i = 0; i < count; i++)
        {
            AllocationGroup group = groups[new AgNumber((first + i) % count)];
            if (TryAllocateIn(tx, group, parent, out InodeNumber inode)) return inode;
        }
        throw new XfsNoSpaceException("no inode is free and no group has room for a chunk of inodes");
    }

    private bool TryAllocateIn(Transaction tx, AllocationGroup group, InodeNumber parent, out InodeNumber inode)
    {
        inode = default;
        if (group.Agi.FreeCount == 0 && !TryCreateChunk(tx, group, parent)) return false;
        AgInode near = Geometry.AgOf(parent) == group.Number ? Geometry.InodeInAg(parent) : new AgInode(group.Agi.NewInode);
        if (!FindFree(tx, group, near, out InodeChunkRecord chunk)) throw group.Corrupt("AGI", $"freecount is {group.Agi.FreeCount}, but no chunk has a free inode");
        ulong holes = Holes(chunk);
        int index = BitOperations.TrailingZeroCount(chunk.Free & ~holes);
        chunk.Free = chunk.Free & ~(1UL << index);
        SetFreeCount(ref chunk, FreeCount(chunk) - 1);
        Store(tx, group, chunk);
        ref Agi agi = ref group.ModifyAgi(tx);
        agi.FreeCount = agi.FreeCount - 1;
        inode = Geometry.Join(group.Number, new AgInode(chunk.Start + (uint)index));
        return true;
    }

    /// <summary>Marks an inode free; a chunk whose last inode it was is given back.</summary>
    public void Free(Transaction tx, InodeNumber inode)
    {
        AllocationGroup group = groups[Geometry.AgOf(inode)];
        AgInode number = Geometry.InodeInAg(inode);
        InodeChunkRecord chunk = ChunkOf(group, number);
        int index = (int)(number.Value - chunk.Start);
        if ((chunk.Free >> index & 1) != 0) throw group.Corrupt("inobt", $"inode {inode} is to be freed, but it is free already");
        chunk.Free = chunk.Free | 1UL << index;
        SetFreeCount(ref chunk, FreeCount(chunk) + 1);
        ref Agi agi = ref group.ModifyAgi(tx);
        agi.FreeCount = agi.FreeCount + 1;
        if (FreeCount(chunk) == Count(chunk) && Geometry.InodesPerBlock <= InodeChunkRecord.InodesPerChunk) RemoveChunk(tx, group, chunk);
        else Store(tx, group, chunk);
    }

    /// <summary>True if the inode exists and is in use.</summary>
    public bool IsAllocated(InodeNumber inode)
    {
        if (!Geometry.IsValid(inode)) return false;
        AllocationGroup group = groups[Geometry.AgOf(inode)];
        AgInode number = Geometry.InodeInAg(inode);
        InobtCursor cursor = new(group.Inobt);
        if (!cursor.Seek(number.Value, SeekMode.LessOrEqual)) return false;
        InodeChunkRecord chunk = cursor.Current;
        uint index = number.Value - chunk.Start;
        return index < InodeChunkRecord.InodesPerChunk && ((chunk.Free | Holes(chunk)) >> (int)index & 1) == 0;
    }

    private InodeChunkRecord ChunkOf(AllocationGroup group, AgInode number)
    {
        InobtCursor cursor = new(group.Inobt);
        if (!cursor.Seek(number.Value, SeekMode.LessOrEqual) || number.Value - cursor.Current.Start >= InodeChunkRecord.InodesPerChunk)
            throw group.Corrupt("inobt", $"no chunk holds inode {number}");
        return cursor.Current;
    }

    /// <summary>The nearest chunk with a free inode.</summary>
    private bool FindFree(Transaction tx, AllocationGroup group, AgInode near, out InodeChunkRecord chunk)
    {
        chunk = default;
        if (Geometry.HasFinobt)
        {
            FinobtCursor cursor = group.FreeChunks(tx);
            bool left = cursor.Seek(near.Value, SeekMode.LessOrEqual);
            if (left) chunk = cursor.Current;
            if (left && near.Value - chunk.Start < InodeChunkRecord.InodesPerChunk) return Checked(group, chunk);
            if (!cursor.Seek(near.Value, SeekMode.GreaterOrEqual)) return left && Checked(group, chunk);
            InodeChunkRecord right = cursor.Current;
            if (!left || right.Start - near.Value < near.Value - chunk.Start) chunk = right;
            return Checked(group, chunk);
        }
        InobtCursor all = group.Chunks(tx);
        for (bool more = all.Seek(near.Value, SeekMode.LessOrEqual) || all.First(); more; more = all.Next())
            if (FreeCount(chunk = all.Current) > 0) return Checked(group, chunk);
        for (bool more = all.First(); more; more = all.Next())
            if (FreeCount(chunk = all.Current) > 0) return Checked(group, chunk);
        return false;
    }

    private bool Checked(AllocationGroup group, in InodeChunkRecord chunk)
    {
        ulong holes = Holes(chunk);
        if (FreeCount(chunk) == 0 || BitOperations.PopCount(chunk.Free & ~holes) != FreeCount(chunk)
            || !Geometry.IsValid(group.Number, new AgInode(chunk.Start)))
            throw group.Corrupt("finobt", $"chunk {chunk.Start}: freecount {FreeCount(chunk)}, free mask 0x{chunk.Free.Value:x}, holemask 0x{chunk.HoleMask.Value:x}");
        return true;
    }

    /// <summary>Writes a changed chunk to both trees.</summary>
    private void Store(Transaction tx, AllocationGroup group, in InodeChunkRecord chunk)
    {
        InobtCursor all = group.Chunks(tx);
        if (!all.Seek(chunk.Start, SeekMode.Equal)) throw group.Corrupt("inobt", $"no record for chunk {chunk.Start}, which the finobt has");
        all.Update(chunk);
        if (!Geometry.HasFinobt) return;
        FinobtCursor free = group.FreeChunks(tx);
        bool has = free.Seek(chunk.Start, SeekMode.Equal);
        if (FreeCount(chunk) == 0)
        {
            if (has) free.Delete();
        }
        else if (has) free.Update(chunk);
        else free.Insert(chunk);
    }

    private ulong Holes(in InodeChunkRecord chunk)
    {
        if (!Geometry.HasSparseInodes || chunk.HoleMask == 0) return 0;
        ulong holes = 0;
        for (int bit = 0; bit < 16; bit++)
            if ((chunk.HoleMask >> bit & 1) != 0) holes |= 0xFUL << (bit * InodesPerHoleBit);
        return holes;
    }

    private int FreeCount(in InodeChunkRecord chunk) => Geometry.HasSparseInodes ? chunk.FreeCount : (int)Math.Min(chunk.FreeCountFull, 65);

    private int Count(in InodeChunkRecord chunk) => Geometry.HasSparseInodes ? chunk.Count : InodeChunkRecord.InodesPerChunk;

    private void SetFreeCount(ref InodeChunkRecord chunk, int count)
    {
        if (Geometry.HasSparseInodes) chunk.FreeCount = (byte)count;
        else chunk.FreeCountFull = (uint)count;
    }
}
