using ImageFs.Format;

namespace ImageFs.Fsck;

/// <summary>Finds the inode chunks of a group whose inode btrees cannot be trusted: by looking at the blocks.</summary>
/// <remarks>
/// Every inode names itself: magic, number and UUID stand in its core, so a block of inodes is known wherever it is met. What
/// such blocks cannot tell is whether their chunk was freed since. So a chunk counts if either inode btree still has a record
/// of it, or the reverse map says that these blocks hold inodes, or, where there is none to ask, if one of its inodes is in use
/// and the blocks are not free. The chunk with the root directory is always there, and all of it: mkfs makes it so, and no file
/// system has fewer inodes (the kernel will not write a superblock that counts fewer).
/// </remarks>
internal sealed class ChunkSalvage(RepairView view, MemoryBudget budget, CancellationToken cancellation)
{
    private const int BytesOfBlock = 64;
    private readonly Geometry _g = view.Geometry;
    private readonly byte[] _inode = new byte[view.Geometry.InodeSize];

    /// <summary>Chunks of a group, sorted, with the holes that were found; which inodes are free is for the inodes to say.</summary>
    public List<InodeChunk> Find(AgNumber ag)
    {
        Scan scan = new(view.Device, _g, view.Head, new FindingList(0, 0), cancellation, budget);
        GroupHeaders headers = new(scan);
        headers.Load(ag);
        SortedSet<uint> recorded = [];
        PackedList<FreeRun> inodeRuns = new(), freeRuns = new();
        bool hasOwners = false, hasFree = false;
        TreeWalker walker = new(scan);
        if (headers.JudgeAgi())
        {
            StartCollector starts = new(recorded);
            walker.Walk<InobtTree, StartCollector>(ag, headers.Agi.Root, headers.Agi.Level, ref starts);
            if (_g.HasFinobt) walker.Walk<FinobtTree, StartCollector>(ag, headers.Agi.FreeRoot, headers.Agi.FreeLevel, ref starts);
        }
        if (headers.JudgeAgf())
        {
            if (_g.HasRmapbt)
            {
                InodeRunCollector runs = new(inodeRuns);
                walker.Walk<RmapbtTree, InodeRunCollector>(ag, headers.Agf.RmapRoot, headers.Agf.RmapLevel, ref runs);
                hasOwners = !walker.IsBroken;
            }
            FreeVisitor free = new(scan, ag, "bnobt", byStart: true, freeRuns);
            walker.Walk<BnobtTree, FreeVisitor>(ag, headers.Agf.BnoRoot, headers.Agf.BnoLevel, ref free);
            hasFree = !walker.IsBroken;
        }
        SortedSet<uint> blocks = InodeBlocks(ag);
        uint? root = RootChunk(ag);
        if (root is uint first && (!hasOwners || Covers(inodeRuns, first >> _g.InodesPerBlockLog))) recorded.Add(first);
        else root = null;
        List<InodeChunk> chunks = [];
        foreach (uint start in Starts(ag, recorded, blocks))
        {
            InodeChunk chunk = Look(start, blocks, inodeRuns);
            if (start == root) (chunk.Holes, chunk.Count) = (0, InodeChunkRecord.InodesPerChunk);
            if (InodeTable.CountOf(chunk.Holes) == 0) continue;
            if (chunks.Count > 0 && chunk.Start - chunks[^1].Start < InodeChunkRecord.InodesPerChunk) continue;
            bool counts = recorded.Contains(start)
                || (hasOwners ? Covers(inodeRuns, First(chunk)) : HasUsed(ag, chunk) && !(hasFree && Covers(freeRuns, First(chunk))));
            if (counts) chunks.Add(chunk);
        }
        return chunks;

        uint First(in InodeChunk chunk)
        {
            int index = 0;
            while (chunk.IsHole(index)) index += 4;
            return (chunk.Start + (uint)index) >> _g.InodesPerBlockLog;
        }
    }

    /// <summary>Where the chunk of the root directory begins, if it is in this group and the superblock does not contradict itself about it.</summary>
    private uint? RootChunk(AgNumber ag)
    {
        Superblock sb = _g.Superblock;
        InodeNumber root = new(sb.RootInode);
        if (!_g.IsValid(root) || _g.AgOf(root) != ag || !Follows(sb.RealtimeBitmapInode, 1) || !Follows(sb.RealtimeSummaryInode, 2)) return null;
        uint start = _g.InodeInAg(root).Value;
        return start % _g.InodesPerBlock == 0 && _g.IsValid(ag, new AgInode(start + InodeChunkRecord.InodesPerChunk - 1)) ? start : null;

        // Copies do not know the two.
        bool Follows(ulong inode, ulong distance) => inode == sb.RootInode + distance || inode == ulong.MaxValue;
    }

    private static bool Covers(PackedList<FreeRun> runs, uint block)
    {
        foreach (FreeRun run in runs.Span) if (run.Start <= block && block < run.End) return true;
        return false;
    }

    /// <summary>All blocks of a group in which an inode says it belongs there.</summary>
    private SortedSet<uint> InodeBlocks(AgNumber ag)
    {
        const int window = 1 << 20;
        byte[] bytes = new byte[Math.Max(window, _g.BlockSize)];
        SortedSet<uint> blocks = [];
        uint length = _g.AgLength(ag), perWindow = (uint)(bytes.Length / _g.BlockSize);
        for (uint start = _g.AgflBlock.Value + 1; start < length; start += perWindow)
        {
            cancellation.ThrowIfCancellationRequested();
            uint count = Math.Min(perWindow, length - start);
            try
            {
                view.Device.Read(_g.ByteOffset(ag, new AgBlock(start)), bytes.AsSpan(0, (int)count * _g.BlockSize));
            }
            catch (IOException)
            {
                continue;
            }
            for (uint i = 0; i < count; i++)
                if (HoldsInodes(ag, start + i, bytes.AsSpan((int)i * _g.BlockSize, _g.BlockSize)))
                {
                    budget.Hold(BytesOfBlock);
                    blocks.Add(start + i);
                }
        }
        return blocks;
    }

    private bool HoldsInodes(AgNumber ag, uint block, ReadOnlySpan<byte> bytes)
    {
        for (int i = 0; i < _g.InodesPerBlock; i++)
            if (IsInode(bytes.Slice(i * _g.InodeSize, _g.InodeSize), _g.Join(ag, new AgInode((block << _g.InodesPerBlockLog) + (uint)i)))) return true;
        return false;
    }

    private bool IsInode(ReadOnlySpan<byte> inode, InodeNumber number)
    {
        ref readonly InodeCore core = ref InodeCore.At(inode);
        return core.Magic == InodeCore.MagicNumber && core.Number == number.Value && core.Uuid == _g.MetaUuid;
    }

    /// <summary>Where chunks may begin: where a record says so, and else at the blocks in alignment.</summary>
    private IEnumerable<uint> Starts(AgNumber ag, SortedSet<uint> recorded, SortedSet<uint> blocks)
    {
        uint alignment = _g.InodesPerBlock >= InodeChunkRecord.InodesPerChunk ? InodeChunkRecord.InodesPerChunk : Math.Max(1, _g.InodeAlignment) << _g.InodesPerBlockLog;
        SortedSet<uint> starts = [.. recorded.Where(r => _g.IsValid(ag, new AgInode(r)) && r % alignment == 0)];
        uint perChunk = Math.Max(1, _g.ChunkBlocks), align = Math.Max(1, Math.Min(perChunk, _g.InodeAlignment));
        foreach (uint block in blocks)
        {
            uint inode = block << _g.InodesPerBlockLog;
            for (uint first = inode; first < inode + _g.InodesPerBlock; first += InodeChunkRecord.InodesPerChunk)
            {
                if (starts.GetViewBetween(first < InodeChunkRecord.InodesPerChunk ? 0 : first - InodeChunkRecord.InodesPerChunk + 1, first).Count > 0) continue;
                // Sparse chunks are aligned to their whole length, so a hole in front does not move them.
                uint start = block - block % (_g.HasSparseInodes ? perChunk : align);
                starts.Add(perChunk == 1 ? first : start << _g.InodesPerBlockLog);
            }
        }
        return starts;
    }

    private InodeChunk Look(uint start, SortedSet<uint> blocks, PackedList<FreeRun> inodeRuns)
    {
        InodeChunk chunk = new() { Start = start, Count = InodeChunkRecord.InodesPerChunk, Free = ulong.MaxValue, Slot = -1 };
        int found = 0;
        // Parts of a chunk come and go as whole clusters: a block that is lost among others is no hole.
        uint cluster = Math.Max(1, _g.SparseInodeAlignment);
        for (int i = 0; i < InodeChunkRecord.InodesPerChunk; i += 4)
        {
            uint block = (start + (uint)i) >> _g.InodesPerBlockLog, first = block / cluster * cluster;
            if (Covers(inodeRuns, block) || blocks.GetViewBetween(first, first + cluster - 1).Count > 0) found++;
            else chunk.Holes |= (ushort)(1 << (i >> 2));
        }
        // Without holes a chunk is all there or not at all; a lost block of it is filled with free inodes.
        if (!_g.HasSparseInodes && found > 0) chunk.Holes = 0;
        chunk.Count = (byte)InodeTable.CountOf(chunk.Holes);
        return chunk;
    }

    private bool HasUsed(AgNumber ag, in InodeChunk chunk)
    {
        for (int i = 0; i < InodeChunkRecord.InodesPerChunk; i++)
        {
            if (chunk.IsHole(i)) continue;
            InodeNumber number = _g.Join(ag, new AgInode(chunk.Start + (uint)i));
            view.Device.Read(view.OffsetOf(number), _inode);
            if (IsInode(_inode, number) && InodeCore.At((ReadOnlySpan<byte>)_inode) is { Mode.Value: not 0, LinkCount.Value: not 0 }) return true;
        }
        return false;
    }

    private readonly struct StartCollector(SortedSet<uint> starts) : ILeafVisitor
    {
        public void Visit(Where at, ReadOnlySpan<byte> records)
        {
            for (; records.Length > 0; records = records[InodeChunkRecord.Size..]) starts.Add(System.Buffers.Binary.BinaryPrimitives.ReadUInt32BigEndian(records));
        }
    }

    private readonly struct InodeRunCollector(PackedList<FreeRun> runs) : ILeafVisitor
    {
        public void Visit(Where at, ReadOnlySpan<byte> records)
        {
            for (; records.Length > 0; records = records[RmapRecord.Size..])
                if (RmapVisitor.Read(records) is { Owner: RmapOwner.Inodes } claim) runs.Add(new FreeRun(claim.Start, claim.Count));
        }
    }
}
