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
internal sealed class InodeAllocator(AllocationGroups groups)
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
            FinobtCursor cursor = new(group.Finobt, tx);
            bool left = cursor.Seek(near.Value, SeekMode.LessOrEqual);
            if (left) chunk = cursor.Current;
            if (left && near.Value - chunk.Start < InodeChunkRecord.InodesPerChunk) return Checked(group, chunk);
            if (!cursor.Seek(near.Value, SeekMode.GreaterOrEqual)) return left && Checked(group, chunk);
            InodeChunkRecord right = cursor.Current;
            if (!left || right.Start - near.Value < near.Value - chunk.Start) chunk = right;
            return Checked(group, chunk);
        }
        InobtCursor all = new(group.Inobt, tx);
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
        InobtCursor all = new(group.Inobt, tx);
        if (!all.Seek(chunk.Start, SeekMode.Equal)) throw group.Corrupt("inobt", $"no record for chunk {chunk.Start}, which the finobt has");
        all.Update(chunk);
        if (!Geometry.HasFinobt) return;
        FinobtCursor free = new(group.Finobt, tx);
        bool has = free.Seek(chunk.Start, SeekMode.Equal);
        if (FreeCount(chunk) == 0)
        {
            if (has) free.Delete();
        }
        else if (has) free.Update(chunk);
        else free.Insert(chunk);
    }

    private bool TryCreateChunk(Transaction tx, AllocationGroup group, InodeNumber parent)
    {
        Geometry g = Geometry;
        uint perBlock = (uint)g.InodesPerBlock, count = Math.Max(InodeChunkRecord.InodesPerChunk, perBlock), blocks = count / perBlock;
        if (AtInodeLimit(count)) return false;
        AgBlock goal = g.AgOf(parent) == group.Number ? g.BlockOf(g.InodeInAg(parent))
            : group.Agi.NewInode == uint.MaxValue ? g.AgflBlock + 1 : g.BlockOf(new AgInode(group.Agi.NewInode));
        uint alignment = Math.Max(1, Math.Max(g.InodeAlignment, g.InodeClusterBlocks));
        if (!group.FreeSpace.TryAllocateAligned(tx, goal, blocks, alignment, metadata: false, out AgBlock start)) return false;
        AgInode first = g.FirstInode(start);
        if (!g.IsValid(group.Number, first) || !g.IsValid(group.Number, new AgInode(first.Value + count - 1)))
        {
            // The unaligned end of a short last group: give the blocks back and call the group full.
            group.FreeSpace.Free(tx, start, blocks);
            return false;
        }
        FreeList.Fill(tx, group);
        group.FreeSpace.AddRmap(tx, start, blocks, RmapOwner.Inodes);
        tx.CreateInodes(new InodeCreation(group.Number, start, blocks, count, (uint)Random.Shared.NextInt64(uint.MaxValue)));
        for (uint at = 0; at < count; at += InodeChunkRecord.InodesPerChunk)
        {
            InodeChunkRecord chunk = new() { Start = first.Value + at, Free = ulong.MaxValue };
            if (g.HasSparseInodes) chunk.Count = InodeChunkRecord.InodesPerChunk;
            SetFreeCount(ref chunk, InodeChunkRecord.InodesPerChunk);
            new InobtCursor(group.Inobt, tx).Insert(chunk);
            if (g.HasFinobt) new FinobtCursor(group.Finobt, tx).Insert(chunk);
        }
        ref Agi agi = ref group.ModifyAgi(tx);
        agi.Count = agi.Count + count;
        agi.FreeCount = agi.FreeCount + count;
        agi.NewInode = first.Value;
        return true;
    }

    /// <summary>sb_imax_pct: the share of the device that inodes may take; 0 for no limit.</summary>
    private bool AtInodeLimit(uint more)
    {
        if (Geometry.Superblock.InodeMaxPercent == 0) return false;
        ulong have = 0;
        for (uint ag = 0; ag < Geometry.AgCount; ag++) have += groups[new AgNumber(ag)].Agi.Count;
        return have + more > Geometry.MaxInodes;
    }

    private void RemoveChunk(Transaction tx, AllocationGroup group, in InodeChunkRecord chunk)
    {
        InobtCursor all = new(group.Inobt, tx);
        if (!all.Seek(chunk.Start, SeekMode.Equal)) throw group.Corrupt("inobt", $"no record for chunk {chunk.Start}");
        all.Delete();
        if (Geometry.HasFinobt)
        {
            FinobtCursor free = new(group.Finobt, tx);
            if (free.Seek(chunk.Start, SeekMode.Equal)) free.Delete();
        }
        ref Agi agi = ref group.ModifyAgi(tx);
        uint count = (uint)Count(chunk);
        agi.Count = agi.Count - count;
        agi.FreeCount = agi.FreeCount - count;
        // The kernel's hint to the newest chunk must not point into free space.
        if (agi.NewInode == chunk.Start) agi.NewInode = uint.MaxValue;

        ulong holes = Holes(chunk);
        AgBlock start = Geometry.BlockOf(new AgInode(chunk.Start));
        uint perCluster = (uint)Geometry.InodesPerCluster;
        for (uint at = 0; at < InodeChunkRecord.InodesPerChunk; at += perCluster)
            if ((holes >> (int)at & 1) == 0)
                tx.Invalidate(Geometry.ByteOffset(group.Number, start + at / (uint)Geometry.InodesPerBlock), Geometry.InodeClusterBytes);
        // Each run of present blocks goes back to free space.
        uint blocks = InodeChunkRecord.InodesPerChunk / (uint)Geometry.InodesPerBlock, run = 0;
        for (uint block = 0; block <= blocks; block++)
        {
            bool present = block < blocks && (holes >> (int)(block * (uint)Geometry.InodesPerBlock) & 1) == 0;
            if (present) { run++; continue; }
            if (run > 0)
            {
                FreeList.Fill(tx, group);
                group.FreeSpace.RemoveRmap(tx, start + (block - run), run, RmapOwner.Inodes);
                group.FreeSpace.Free(tx, start + (block - run), run);
            }
            run = 0;
        }
    }

    private ulong Holes(in InodeChunkRecord chunk)
    {
        if (!Geometry.HasSparseInodes || chunk.HoleMask == 0) return 0;
        ulong holes = 0;
        for (int bit = 0; bit < 16; bit++)
            if ((chunk.HoleMask >> bit & 1) != 0) holes |= 0xFUL << (bit * 4);
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
