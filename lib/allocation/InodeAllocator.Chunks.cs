using ImageFs.BTrees;
using ImageFs.Format;
using ImageFs.Transactions;

namespace ImageFs.Allocation;

using InobtCursor = BtreeCursor<InobtKind, InodeChunkRecord, BigEndian32>;
using FinobtCursor = BtreeCursor<FinobtKind, InodeChunkRecord, BigEndian32>;

// A record always speaks of a whole aligned chunk. Where free space has no room for one, a part of it is made, as long as one
// inode cluster; the rest of the chunk are holes, until another part of it is made.
//
//   chunk of 64 inodes    | cluster: 32 inodes | free, or somebody else's |
//   holemask 0xff00         0 0 0 0 0 0 0 0      1 1 1 1 1 1 1 1            a bit for each 4 inodes, the first ones lowest

/// <content>Chunks: made, completed, given back.</content>
internal sealed partial class InodeAllocator
{
    /// <summary>Holemask bits stand for so many inodes (XFS_INODES_PER_HOLEMASK_BIT).</summary>
    private const int InodesPerHoleBit = 4;

    private bool TryCreateChunk(Transaction tx, AllocationGroup group, InodeNumber parent)
    {
        Geometry g = Geometry;
        uint perBlock = (uint)g.InodesPerBlock, count = Math.Max(InodeChunkRecord.InodesPerChunk, perBlock), blocks = count / perBlock;
        if (AtInodeLimit(count)) return false;
        AgBlock goal = g.AgOf(parent) == group.Number ? g.BlockOf(g.InodeInAg(parent))
            : group.Agi.NewInode == uint.MaxValue ? g.AgflBlock + 1 : g.BlockOf(new AgInode(group.Agi.NewInode));
        // A short last group may end inside a chunk; there inode numbers end with the last whole cluster, and records with the last whole chunk.
        uint ends = g.AgLength(group.Number) / g.InodeClusterAlignment * g.InodeClusterAlignment;
        if (ends < blocks) return false;
        AgBlock last = new(ends - blocks);
        uint alignment = Math.Max(1, Math.Max(g.InodeAlignment, g.InodeClusterBlocks));
        if (!group.FreeSpace.TryAllocateAligned(tx, goal, blocks, alignment, default, last, metadata: false, out AgBlock start))
        {
            uint part = g.SparseInodeAlignment;
            if (!g.HasSparseInodes || part >= blocks) return false;
            // Not in the first chunk of the group, whose record would speak of the headers.
            if (!group.FreeSpace.TryAllocateAligned(tx, goal, part, part, new AgBlock(g.InodeAlignment), last, metadata: false, out start)) return false;
            (blocks, count) = (part, part * perBlock);
        }
        FreeList.Fill(tx, group);
        group.FreeSpace.AddRmap(tx, start, blocks, RmapOwner.Inodes);
        tx.CreateInodes(new InodeCreation(group.Number, start, blocks, count, (uint)Random.Shared.NextInt64(uint.MaxValue)));
        uint first = count < InodeChunkRecord.InodesPerChunk ? InsertPart(tx, group, start, count) : InsertChunks(tx, group, start, count);
        ref Agi agi = ref group.ModifyAgi(tx);
        agi.Count = agi.Count + count;
        agi.FreeCount = agi.FreeCount + count;
        agi.NewInode = first;
        return true;
    }

    /// <summary>Records of whole chunks that were just made. Returns the first inode.</summary>
    private uint InsertChunks(Transaction tx, AllocationGroup group, AgBlock start, uint count)
    {
        uint first = Geometry.FirstInode(start).Value;
        for (uint at = 0; at < count; at += InodeChunkRecord.InodesPerChunk)
        {
            InodeChunkRecord chunk = new() { Start = first + at, Free = ulong.MaxValue };
            if (Geometry.HasSparseInodes) chunk.Count = InodeChunkRecord.InodesPerChunk;
            SetFreeCount(ref chunk, InodeChunkRecord.InodesPerChunk);
            group.Chunks(tx).Insert(chunk);
            if (Geometry.HasFinobt) group.FreeChunks(tx).Insert(chunk);
        }
        return first;
    }

    /// <summary>The record of a part of a chunk that was just made, joined with what the chunk has of parts. Returns the chunk's first inode.</summary>
    private uint InsertPart(Transaction tx, AllocationGroup group, AgBlock start, uint count)
    {
        uint into = start.Value % Geometry.InodeAlignment * (uint)Geometry.InodesPerBlock;
        ushort present = (ushort)((1 << (int)count / InodesPerHoleBit) - 1 << (int)into / InodesPerHoleBit);
        InodeChunkRecord chunk = new()
        {
            Start = Geometry.FirstInode(start).Value - into, HoleMask = (ushort)~present,
            Count = (byte)count, FreeCount = (byte)count, Free = ulong.MaxValue,
        };
        InobtCursor all = group.Chunks(tx);
        if (all.Seek(chunk.Start, SeekMode.Equal))
        {
            InodeChunkRecord old = all.Current;
            if ((~old.HoleMask & present) != 0 || old.Count + count > InodeChunkRecord.InodesPerChunk)
                throw group.Corrupt("inobt", $"chunk {old.Start} with holemask 0x{old.HoleMask.Value:x4} and {old.Count} inodes has the blocks from {start}, which were free");
            chunk.HoleMask = (ushort)(old.HoleMask & chunk.HoleMask);
            chunk.Count = (byte)(old.Count + count);
            chunk.FreeCount = (byte)(old.FreeCount + count);
            chunk.Free = old.Free;
            all.Update(chunk);
        }
        else all.Insert(chunk);
        if (Geometry.HasFinobt)
        {
            // A chunk whose inodes were all in use has no record here.
            FinobtCursor free = group.FreeChunks(tx);
            if (free.Seek(chunk.Start, SeekMode.Equal)) free.Update(chunk);
            else free.Insert(chunk);
        }
        return chunk.Start;
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
        InobtCursor all = group.Chunks(tx);
        if (!all.Seek(chunk.Start, SeekMode.Equal)) throw group.Corrupt("inobt", $"no record for chunk {chunk.Start}");
        all.Delete();
        if (Geometry.HasFinobt)
        {
            FinobtCursor free = group.FreeChunks(tx);
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
}
