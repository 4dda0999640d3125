using System.Buffers.Binary;
using System.Numerics;
using ImageFs.Format;

namespace ImageFs.Fsck;

/// <summary>The beginning of an unlinked list.</summary>
internal struct UnlinkedHead
{
    public AgNumber Ag;
    public int Bucket;
    public uint First;
}

/// <summary>Observes the AGI and the two inode btrees of a group: which inode chunks exist.</summary>
internal sealed class ChunkScan(Scan scan, TreeWalker walker, GroupHeaders headers)
{
    private readonly PackedList<InodeChunk> _free = new();

    /// <summary>Heads of the unlinked lists that are not empty.</summary>
    public PackedList<UnlinkedHead> UnlinkedHeads { get; } = new();

    /// <summary>Inodes that exist, and those of them that are free, summed over the groups.</summary>
    public ulong Inodes { get; private set; }
    public ulong FreeInodes { get; private set; }
    /// <summary>False once a group's inodes could not be counted.</summary>
    public bool IsCounted { get; private set; } = true;

    /// <summary>A group's headers cannot be read.</summary>
    public void Miss(AgNumber ag)
    {
        IsCounted = false;
        scan.Inodes.MarkIncomplete(ag);
    }

    /// <summary>Walks both trees; the headers of the group are loaded.</summary>
    public void Observe(AgNumber ag)
    {
        Geometry g = scan.Geometry;
        if (!headers.JudgeAgi())
        {
            scan.IsPartial = true;
            Miss(ag);
            return;
        }
        ref readonly Agi agi = ref headers.Agi;
        Where at = new(ag.Value, (uint)(2 * g.SectorSize / g.BlockSize));
        for (int bucket = 0; bucket < Agi.BucketCount; bucket++)
            if (agi.Unlinked[bucket] != uint.MaxValue) UnlinkedHeads.Add(new UnlinkedHead { Ag = ag, Bucket = bucket, First = agi.Unlinked[bucket] });

        Visitor visitor = new(scan, ag, null);
        walker.Walk<InobtTree, Visitor>(ag, agi.Root, agi.Level, ref visitor);
        long blocks = walker.Blocks;
        bool broken = walker.IsBroken || visitor.Rejected;
        IsCounted &= !broken;
        if (broken) scan.Inodes.MarkIncomplete(ag);
        Inodes += visitor.Count;
        FreeInodes += visitor.FreeCount;
        if (!broken && agi.Count != visitor.Count) scan.Report(FindingCodes.AgiCount, at with { Field = "count" }, agi.Count, visitor.Count);
        if (!broken && agi.FreeCount != visitor.FreeCount) scan.Report(FindingCodes.AgiFreeCount, at with { Field = "freecount" }, agi.FreeCount, visitor.FreeCount);
        if (!broken && g.HasInobtCounters && agi.InodeBtreeBlocks != blocks)
            scan.Report(FindingCodes.AgiInobtBlocks, at with { Field = "ino_blocks" }, agi.InodeBtreeBlocks, blocks);
        uint newest = agi.NewInode;
        if (!broken && newest != uint.MaxValue && InodeTable.Search(scan.Inodes.Chunks(ag), newest) < 0)
            scan.Report(FindingCodes.AgiNewInode, at with { Field = "newino" }, newest);

        if (!g.HasFinobt) return;
        _free.Clear();
        Visitor freeVisitor = new(scan, ag, _free);
        walker.Walk<FinobtTree, Visitor>(ag, agi.FreeRoot, agi.FreeLevel, ref freeVisitor);
        if (!walker.IsBroken && g.HasInobtCounters && agi.FreeInodeBtreeBlocks != walker.Blocks)
            scan.Report(FindingCodes.AgiFinobtBlocks, at with { Field = "fino_blocks" }, agi.FreeInodeBtreeBlocks, walker.Blocks);
        if (!broken && !walker.IsBroken) Compare(ag);
    }

    /// <summary>The finobt holds exactly the chunks with free inodes, as the inobt has them.</summary>
    private void Compare(AgNumber ag)
    {
        ReadOnlySpan<InodeChunk> all = scan.Inodes.Chunks(ag), free = _free.Span;
        Where at = new(ag.Value);
        int f = 0;
        foreach (ref readonly InodeChunk chunk in all)
        {
            for (; f < free.Length && free[f].Start < chunk.Start; f++)
                scan.Report(FindingCodes.FinobtExtra, at, free[f].Start, "the inobt does not know it");
            bool listed = f < free.Length && free[f].Start == chunk.Start;
            if (listed)
            {
                if (!free[f].SameAs(chunk)) scan.Report(FindingCodes.FinobtDiffers, at, chunk.Start);
                else if (chunk.FreeCount == 0) scan.Report(FindingCodes.FinobtExtra, at, chunk.Start, "no inode of it is free");
                f++;
            }
            else if (chunk.FreeCount > 0) scan.Report(FindingCodes.FinobtMissing, at, chunk.Start);
        }
        for (; f < free.Length; f++) scan.Report(FindingCodes.FinobtExtra, at, free[f].Start, "the inobt does not know it");
    }

    /// <summary>Checks records of either tree. Records of the inobt go into the inode table and claim their blocks.</summary>
    private struct Visitor(Scan scan, AgNumber ag, PackedList<InodeChunk>? collect) : ILeafVisitor
    {
        private long _lastStart = -InodeChunkRecord.InodesPerChunk, _lastBlock = -1;

        public uint Count { get; private set; }
        public uint FreeCount { get; private set; }
        /// <summary>True if a record made no sense and was left out.</summary>
        public bool Rejected { get; private set; }

        public void Visit(Where at, ReadOnlySpan<byte> records)
        {
            for (; records.Length > 0; records = records[InodeChunkRecord.Size..]) Visit(at, scan.Geometry, records);
        }

        private void Visit(Where at, Geometry g, ReadOnlySpan<byte> record)
        {
            InodeChunk chunk = new()
            {
                Start = BinaryPrimitives.ReadUInt32BigEndian(record),
                Free = BinaryPrimitives.ReadUInt64BigEndian(record[8..]),
                Count = InodeChunkRecord.InodesPerChunk,
                Slot = -1,
            };
            if (g.HasSparseInodes)
            {
                chunk.Holes = BinaryPrimitives.ReadUInt16BigEndian(record[4..]);
                chunk.Count = record[6];
                chunk.FreeCount = record[7];
            }
            else chunk.FreeCount = BinaryPrimitives.ReadUInt32BigEndian(record[4..]);

            if (!g.IsValid(ag, new AgInode(chunk.Start)) || !g.IsValid(ag, new AgInode(chunk.Start + InodeChunkRecord.InodesPerChunk - 1))
                || chunk.Start > uint.MaxValue - InodeChunkRecord.InodesPerChunk)
            {
                Reject(at, chunk, "it reaches beyond the group");
                return;
            }
            if (chunk.Start - _lastStart < InodeChunkRecord.InodesPerChunk)
            {
                Reject(at, chunk, "it overlaps the chunk before it");
                return;
            }
            _lastStart = chunk.Start;
            Check(at, g, chunk);
            Count += chunk.Count;
            FreeCount += chunk.FreeCount;
            if (collect is not null)
            {
                collect.Add(chunk);
                return;
            }
            scan.Inodes.AddChunk(ag, chunk);
            ClaimBlocks(g, chunk);
        }

        private readonly void Check(Where at, Geometry g, in InodeChunk chunk)
        {
            uint align = Math.Max(1, g.InodeAlignment) << g.InodesPerBlockLog;
            if (g.InodesPerBlock > InodeChunkRecord.InodesPerChunk) align = InodeChunkRecord.InodesPerChunk;
            if (chunk.Start % align != 0) Complain(at, chunk, $"it is not aligned to {align} inodes", "startino");
            if (chunk.Count != InodeTable.CountOf(chunk.Holes)) Complain(at, chunk, $"count {chunk.Count}, the hole mask 0x{chunk.Holes:x4} leaves {InodeTable.CountOf(chunk.Holes)}", "count");
            else if (chunk.Count == 0) Complain(at, chunk, "none of its inodes exists", "count");
            else if (chunk.Holes != 0 && g.Join(ag, new AgInode(chunk.Start)).Value == g.Superblock.RootInode) Complain(at, chunk, "the chunk of the root directory has holes", "holemask");
            int free = BitOperations.PopCount(chunk.RealFree);
            if (chunk.FreeCount != free) Complain(at, chunk, $"freecount {chunk.FreeCount}, the free mask has {free}", "freecount");
            for (int i = 0; i < InodeChunkRecord.InodesPerChunk; i += 4)
                if (chunk.IsHole(i) && (chunk.Free >> i & 0xF) != 0xF)
                {
                    Complain(at, chunk, $"inodes {i}..{i + 3} do not exist and are not marked free", "free");
                    break;
                }
        }

        private void Reject(Where at, in InodeChunk chunk, string why)
        {
            Complain(at, chunk, why, "startino");
            Rejected = true;
            scan.IsPartial = true;
        }

        private readonly void Complain(Where at, in InodeChunk chunk, string why, string field) =>
            scan.Report(collect is null ? FindingCodes.InobtRecord : FindingCodes.FinobtRecord, at with { Field = field }, chunk.Start, why);

        // A block of 64 KiB holds more than one chunk; it is claimed once.
        private void ClaimBlocks(Geometry g, in InodeChunk chunk)
        {
            for (int i = 0; i < InodeChunkRecord.InodesPerChunk; i += Math.Min(g.InodesPerBlock, InodeChunkRecord.InodesPerChunk))
            {
                if (chunk.IsHole(i)) continue;
                uint block = (chunk.Start + (uint)i) >> g.InodesPerBlockLog;
                if (block == _lastBlock) continue;
                _lastBlock = block;
                scan.Claims.AddBlocks(ag, block, 1, RmapOwner.Inodes);
            }
        }
    }
}
