using System.Numerics;
using System.Runtime.InteropServices;
using ImageFs.BTrees;
using ImageFs.Format;

namespace ImageFs.Fsck;

/// <summary>Writes a group's headers and all of its trees anew, from what the inodes claim.</summary>
/// <remarks>No tree is asked: free is what nobody claims, the reverse map is the list of claims, shared is what several files claim.</remarks>
internal sealed class GroupRebuild(RepairView view, Scan scan)
{
    private readonly Geometry _g = scan.Geometry;
    private readonly PackedList<FreeRun> _unclaimed = new();
    private readonly PackedList<SharedRun> _shared = new();

    /// <param name="claims">All claims of the group as the comparison left them; only those that stay are left afterwards.</param>
    /// <returns>Null, or why it cannot be done.</returns>
    public string? Rebuild(AgNumber ag, PackedList<Claim> claims)
    {
        claims.RemoveAll(static (in Claim claim) => claim.Owner is RmapOwner.AllocationGroup or RmapOwner.InodeBtree or RmapOwner.Refcount or RmapOwner.Cow);
        new Overlaps(scan).Find(ag, claims.Span, _unclaimed, _shared);
        if (!_g.HasReflink) _shared.Clear();
        InodeChunkRecord[] chunks = Chunks(ag, out uint inodes, out uint freeInodes);
        InodeChunkRecord[] withFree = [.. chunks.Where(c => c.Free.Value != 0 && FreeOf(c) > 0)];
        GroupTrees trees = new(_g, chunks.Length, withFree.Length, _shared.Count);
        if (!trees.TryPlace(_unclaimed.Span, claims.Span)) return $"group {ag} has too few blocks left for its own trees";

        byte[] agf = new byte[_g.SectorSize], agi = new byte[_g.SectorSize];
        WriteFreeSpace(ag, trees, ref Agf.At(agf.AsSpan()));
        WriteOwners(ag, trees, ref Agf.At(agf.AsSpan()));
        WriteInodes(ag, trees, chunks, withFree, ref Agi.At(agi.AsSpan()));
        Agi.At(agi.AsSpan()).Count = inodes;
        Agi.At(agi.AsSpan()).FreeCount = freeInodes;
        WriteHeaders(ag, trees, agf, agi, chunks);
        return null;
    }

    private static int FreeOf(in InodeChunkRecord chunk) => BitOperations.PopCount(chunk.Free.Value & ~HoleBits(chunk.HoleMask));

    private static ulong HoleBits(ushort holes)
    {
        ulong bits = 0;
        for (int i = 0; i < 16; i++) if ((holes >> i & 1) != 0) bits |= 0xFUL << (4 * i);
        return bits;
    }

    /// <summary>Records of the inobt: what exists is what was found, free is what is not in use.</summary>
    private InodeChunkRecord[] Chunks(AgNumber ag, out uint inodes, out uint freeInodes)
    {
        List<InodeChunkRecord> records = [];
        inodes = freeInodes = 0;
        foreach (ref readonly InodeChunk chunk in scan.Inodes.Chunks(ag))
        {
            if (chunk.Slot < 0) continue;
            ulong free = 0;
            int count = 0, unused = 0;
            for (int i = 0; i < InodeChunkRecord.InodesPerChunk; i++)
            {
                bool hole = _g.HasSparseInodes && chunk.IsHole(i);
                if (!hole) count++;
                if (!hole && (scan.Inodes.State(chunk.Slot + i) & (InodeState.Used | InodeState.Damaged)) != 0) continue;
                free |= 1UL << i;
                if (!hole) unused++;
            }
            InodeChunkRecord record = new() { Start = chunk.Start, Free = free };
            if (_g.HasSparseInodes) (record.HoleMask, record.Count, record.FreeCount) = (chunk.Holes, (byte)count, (byte)unused);
            else record.FreeCountFull = (uint)unused;
            inodes += (uint)count;
            freeInodes += (uint)unused;
            records.Add(record);
        }
        return [.. records];
    }

    private BtreeBulkLoader.Write To(BlockKind kind) => (offset, block) => view.Write(kind, offset, block);

    private static BtreeBulkLoader.Allocate From(Queue<uint> blocks) => _ => blocks.Dequeue();

    private void WriteFreeSpace(AgNumber ag, GroupTrees trees, ref Agf agf)
    {
        FreeSpaceRecord[] byStart = [.. trees.Free.Select(r => new FreeSpaceRecord { Start = r.Start, Count = r.Count })];
        FreeSpaceRecord[] bySize = [.. trees.Free.OrderBy(r => r.Count).ThenBy(r => r.Start).Select(r => new FreeSpaceRecord { Start = r.Start, Count = r.Count })];
        BuiltTree bno = BtreeBulkLoader.Load<BnobtKind, FreeSpaceRecord, FreeSpaceRecord>(_g, ag, byStart, From(trees.Blocks[(int)GroupTrees.Tree.Bnobt]), To(BlockKind.Bnobt), trees.Slack);
        BuiltTree cnt = BtreeBulkLoader.Load<CntbtKind, FreeSpaceRecord, FreeSpaceRecord>(_g, ag, bySize, From(trees.Blocks[(int)GroupTrees.Tree.Cntbt]), To(BlockKind.Cntbt), trees.Slack);
        (agf.BnoRoot, agf.BnoLevel) = ((uint)bno.Root, (uint)bno.Levels);
        (agf.CntRoot, agf.CntLevel) = ((uint)cnt.Root, (uint)cnt.Levels);
        agf.BtreeBlocks = (uint)(bno.Blocks + cnt.Blocks - 2);
        agf.FreeBlocks = (uint)trees.Free.Sum(r => r.Count);
        agf.Longest = bySize.Length == 0 ? 0 : bySize[^1].Count.Value;
    }

    private void WriteOwners(AgNumber ag, GroupTrees trees, ref Agf agf)
    {
        if (_g.HasRmapbt)
        {
            int next = 0;
            BuiltTree rmap = BtreeBulkLoader.Load<RmapbtKind, RmapRecord, RmapKey>(_g, ag, (ulong)trees.Owners.Count, records =>
            {
                foreach (ref RmapRecord record in records)
                {
                    Claim claim = trees.Owners[next++];
                    record = new RmapRecord { Start = claim.Start, Count = claim.Count, Owner = claim.Owner, Offset = claim.Offset };
                }
            }, From(trees.Blocks[(int)GroupTrees.Tree.Rmapbt]), To(BlockKind.Rmapbt), trees.Slack);
            (agf.RmapRoot, agf.RmapLevel, agf.RmapBlocks) = ((uint)rmap.Root, (uint)rmap.Levels, (uint)rmap.Blocks);
            agf.BtreeBlocks = agf.BtreeBlocks + (uint)rmap.Blocks - 1;
        }
        if (!_g.HasReflink) return;
        RefcountRecord[] shared = new RefcountRecord[_shared.Count];
        for (int i = 0; i < shared.Length; i++) shared[i] = new RefcountRecord { Start = _shared[i].Start, Count = _shared[i].Count, Refcount = _shared[i].Owners };
        BuiltTree refcounts = BtreeBulkLoader.Load<RefcountbtKind, RefcountRecord, BigEndian32>(_g, ag, shared, From(trees.Blocks[(int)GroupTrees.Tree.Refcountbt]), To(BlockKind.Refcountbt), trees.Slack);
        (agf.RefcountRoot, agf.RefcountLevel, agf.RefcountBlocks) = ((uint)refcounts.Root, (uint)refcounts.Levels, (uint)refcounts.Blocks);
    }

    private void WriteInodes(AgNumber ag, GroupTrees trees, InodeChunkRecord[] chunks, InodeChunkRecord[] withFree, ref Agi agi)
    {
        BuiltTree all = BtreeBulkLoader.Load<InobtKind, InodeChunkRecord, BigEndian32>(_g, ag, chunks, From(trees.Blocks[(int)GroupTrees.Tree.Inobt]), To(BlockKind.Inobt), trees.Slack);
        (agi.Root, agi.Level) = ((uint)all.Root, (uint)all.Levels);
        if (_g.HasInobtCounters) agi.InodeBtreeBlocks = (uint)all.Blocks;
        if (!_g.HasFinobt) return;
        BuiltTree free = BtreeBulkLoader.Load<FinobtKind, InodeChunkRecord, BigEndian32>(_g, ag, withFree, From(trees.Blocks[(int)GroupTrees.Tree.Finobt]), To(BlockKind.Finobt), trees.Slack);
        (agi.FreeRoot, agi.FreeLevel) = ((uint)free.Root, (uint)free.Levels);
        if (_g.HasInobtCounters) agi.FreeInodeBtreeBlocks = (uint)free.Blocks;
    }

    private void WriteHeaders(AgNumber ag, GroupTrees trees, byte[] agfBytes, byte[] agiBytes, InodeChunkRecord[] chunks)
    {
        ref Agf agf = ref Agf.At(agfBytes.AsSpan());
        agf.Magic = Agf.MagicNumber;
        agf.Version = 1;
        agf.SequenceNumber = ag.Value;
        agf.Length = _g.AgLength(ag);
        agf.Uuid = _g.MetaUuid;

        byte[] agflBytes = new byte[_g.SectorSize];
        ref AgflHeader agfl = ref AgflHeader.At(agflBytes.AsSpan());
        agfl.Magic = AgflHeader.MagicNumber;
        agfl.SequenceNumber = ag.Value;
        agfl.Uuid = _g.MetaUuid;
        Span<BigEndian32> slots = AgflHeader.Slots(agflBytes.AsSpan());
        slots.Fill(uint.MaxValue);
        // What the trees turned out not to need waits here with the rest.
        uint count = 0;
        foreach (Queue<uint> rest in (ReadOnlySpan<Queue<uint>>)[trees.Blocks[(int)GroupTrees.Tree.FreeList], .. trees.Blocks])
            while (rest.TryDequeue(out uint block)) slots[(int)count++] = block;
        agf.FreeListCount = count;
        agf.FreeListFirst = 0;
        agf.FreeListLast = count == 0 ? (uint)_g.AgflSlots - 1 : count - 1;

        byte[] old = view.Read(_g.HeaderOffset(ag, 2), _g.SectorSize);
        ref Agi agi = ref Agi.At(agiBytes.AsSpan());
        Agi was = Agi.At((ReadOnlySpan<byte>)old);
        agi.Magic = Agi.MagicNumber;
        agi.Version = 1;
        agi.SequenceNumber = ag.Value;
        agi.Length = _g.AgLength(ag);
        agi.Uuid = _g.MetaUuid;
        agi.DirectoryInode = uint.MaxValue;
        agi.NewInode = chunks.Any(c => was.NewInode - c.Start < InodeChunkRecord.InodesPerChunk) ? was.NewInode : chunks.Length > 0 ? chunks[^1].Start : uint.MaxValue;
        // The lists are judged by themselves; here only what cannot be a list's head goes.
        for (int bucket = 0; bucket < Agi.BucketCount; bucket++)
        {
            uint head = was.Unlinked[bucket];
            bool possible = was.Magic == Agi.MagicNumber && head != uint.MaxValue && head % Agi.BucketCount == bucket && InodeTable.Search(scan.Inodes.Chunks(ag), head) >= 0;
            agi.Unlinked[bucket] = possible ? head : uint.MaxValue;
        }
        view.Write(BlockKind.Agf, _g.HeaderOffset(ag, 1), agfBytes);
        view.Write(BlockKind.Agi, _g.HeaderOffset(ag, 2), agiBytes);
        view.Write(BlockKind.Agfl, _g.HeaderOffset(ag, 3), agflBytes);
    }
}
