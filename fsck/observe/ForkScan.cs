using System.Buffers.Binary;
using ImageFs.Format;

namespace ImageFs.Fsck;

/// <summary>What the extents of a fork add up to.</summary>
/// <param name="Extents">Extents found.</param>
/// <param name="Blocks">Blocks they map, and the blocks of the bmbt.</param>
/// <param name="IsBroken">True if some could not be followed: then the counts are too small.</param>
internal readonly record struct ForkTotals(ulong Extents, ulong Blocks, bool IsBroken);

/// <summary>Walks the extents of a fork, in the inode or in a bmbt of any height; each sound extent becomes a claim.</summary>
internal sealed class ForkScan(Scan scan, TreeWalker walker)
{
    private readonly PackedList<TreeChild> _children = new();

    /// <summary>The extents of the last fork, if they were asked for; sorted by file block, none overlaps another.</summary>
    public PackedList<Extent> Map { get; } = new();

    /// <param name="inode">The whole inode.</param>
    /// <param name="keep">Remember the extents in <see cref="Map"/>.</param>
    /// <param name="claim">Claim blocks and report; false when a fork is walked for the second time, only to know its map.</param>
    public ForkTotals Walk(ReadOnlySpan<byte> inode, ulong number, bool attribute, bool keep, bool claim = true)
    {
        Geometry g = scan.Geometry;
        ref readonly InodeCore core = ref InodeCore.At(inode);
        Map.Clear();
        int dataSize = core.DataForkSize(g.InodeSize);
        ReadOnlySpan<byte> fork = attribute ? inode[(InodeCore.Size + dataSize)..] : inode.Slice(InodeCore.Size, dataSize);
        ForkFormat format = attribute ? core.AttributeFormat : core.Format;
        Collector collector = new(this, scan, number, attribute, core.Type, keep, claim, (core.Flags & InodeFlags.Realtime) != 0 && !attribute);
        if (format == ForkFormat.Extents)
        {
            ulong count = attribute ? core.AttrExtentCount : core.ExtentCount;
            int fit = fork.Length / PackedExtent.Size;
            // The verifier has complained already if they do not fit.
            int here = (int)Math.Min((ulong)fit, count);
            collector.Visit(new Where(Inode: number), fork[..(here * PackedExtent.Size)]);
            collector.ReportCutOff();
            return new ForkTotals(collector.Extents, collector.Blocks, collector.IsBroken || (ulong)here != count);
        }
        if (format != ForkFormat.Btree) return default;

        string? problem = ReadRoot(fork, out int levels);
        if (problem is not null)
        {
            if (claim) scan.Report(FindingCodes.InodeBmbtRoot, new Where(Inode: number), ForkName(attribute), problem);
            scan.IsPartial = true;
            return new ForkTotals(0, 0, true);
        }
        if (!claim)
        {
            // The blocks were verified when the inode was observed; this time only their contents are wanted.
            new BmbtReader(scan).Read(_children.Span, levels, number, ref collector);
            return new ForkTotals(collector.Extents, collector.Blocks, collector.IsBroken);
        }
        walker.Walk<BmbtTree, Collector>(_children.Span, levels, number, attribute ? RmapFlags.AttributeFork : 0, ref collector);
        collector.ReportCutOff();
        return new ForkTotals(collector.Extents, collector.Blocks + (ulong)walker.Blocks, collector.IsBroken || walker.IsBroken);
    }

    /// <summary>Where a file block of the last kept fork lies, and how many blocks follow it there.</summary>
    /// <param name="run">Blocks from there on, this one included.</param>
    public bool TryMap(ulong fileBlock, out FsBlock block, out ulong run)
    {
        ReadOnlySpan<Extent> map = Map.Span;
        int low = 0, high = map.Length;
        while (low < high)
        {
            int middle = (low + high) >>> 1;
            if (map[middle].Offset.Value <= fileBlock) low = middle + 1; else high = middle;
        }
        if (low > 0 && fileBlock < map[low - 1].End.Value)
        {
            ulong inside = fileBlock - map[low - 1].Offset.Value;
            block = map[low - 1].Start + inside;
            run = map[low - 1].Length - inside;
            return true;
        }
        block = FsBlock.Null;
        run = 0;
        return false;
    }

    public static string ForkName(bool attribute) => attribute ? "attribute" : "data";

    private string? ReadRoot(ReadOnlySpan<byte> fork, out int levels)
    {
        levels = 0;
        if (fork.Length < BmbtInodeRoot.Size + 16) return $"{fork.Length} bytes cannot hold the root of a bmbt";
        levels = BinaryPrimitives.ReadUInt16BigEndian(fork);
        int count = BinaryPrimitives.ReadUInt16BigEndian(fork[2..]), capacity = BmbtInodeRoot.Capacity(fork.Length);
        if (levels < 1 || levels >= scan.Geometry.Limits.Bmap) return $"root of level {levels}, 1..{scan.Geometry.Limits.Bmap - 1} possible";
        if (count < 1 || count > capacity) return $"root of {count} records, 1..{capacity} possible";
        _children.Clear();
        for (int i = 0; i < count; i++)
            _children.Add(new TreeChild
            {
                Block = BinaryPrimitives.ReadUInt64BigEndian(fork[(BmbtInodeRoot.Size + 8 * capacity + 8 * i)..]),
                Low = new Key(BinaryPrimitives.ReadUInt64BigEndian(fork[(BmbtInodeRoot.Size + 8 * i)..])),
            });
        return null;
    }

    /// <summary>Checks extents in the order of the fork.</summary>
    internal struct Collector(ForkScan owner, Scan scan, ulong inode, bool attribute, ushort type, bool keep, bool claim, bool realtime) : ILeafVisitor
    {
        private ulong _end, _cutOff;

        public ulong Extents { get; private set; }
        public ulong Blocks { get; private set; }
        public bool IsBroken { get; private set; }

        public void Visit(Where at, ReadOnlySpan<byte> records)
        {
            for (; records.Length >= PackedExtent.Size; records = records[PackedExtent.Size..])
            {
                ulong high = BinaryPrimitives.ReadUInt64BigEndian(records), low = BinaryPrimitives.ReadUInt64BigEndian(records[8..]);
                Extent extent = new(
                    new FileBlock(high >> 9 & (FileBlock.Limit - 1)), new FsBlock((high & 0x1FF) << 43 | low >> 21), (uint)(low & 0x1FFFFF), high >> 63 != 0);
                Extents++;
                string? problem = Judge(extent);
                if (problem is not null)
                {
                    if (claim) scan.Report(FindingCodes.InodeExtent, at with { Inode = inode }, ForkName(attribute), Extents - 1, problem);
                    scan.IsPartial = true;
                    IsBroken = true;
                    continue;
                }
                _end = extent.Offset.Value + extent.Length;
                Blocks += extent.Length;
                if (claim && !realtime)
                {
                    scan.Extents.Add(extent, inode, attribute);
                    if (scan.IsShort) _cutOff += CutOff(extent);
                }
                if (keep) owner.Map.Add(extent);
            }
        }

        /// <summary>Blocks of an extent that lie beyond the end of the image.</summary>
        private readonly ulong CutOff(in Extent extent)
        {
            Geometry g = scan.Geometry;
            long bytes = (long)extent.Length << g.BlockLog, missing = g.ByteOffset(extent.Start) + bytes - scan.PresentBytes;
            return (ulong)(Math.Clamp(missing, 0, bytes) + g.BlockSize - 1) >> g.BlockLog;
        }

        public readonly void ReportCutOff()
        {
            if (_cutOff > 0) scan.ReportCutOff(inode, ForkName(attribute), _cutOff, Blocks);
        }

        private readonly string? Judge(in Extent extent)
        {
            if (extent.Length == 0) return "it has no blocks";
            if (extent.Offset.Value < _end) return $"it begins at file block {extent.Offset}, the one before it ends at {_end}";
            if (extent.Offset.Value + extent.Length > FileBlock.Limit) return $"{extent} lies beyond the end of all files";
            if (!realtime && !scan.Geometry.IsValid(extent.Start, extent.Length)) return $"{extent} is outside the space of data blocks";
            ulong realtimeBlocks = scan.Geometry.Superblock.RealtimeBlocks;
            if (realtime && realtimeBlocks != 0 && (extent.Start.Value > realtimeBlocks || extent.Length > realtimeBlocks - extent.Start.Value))
                return $"{extent} is outside the realtime device of {realtimeBlocks} blocks";
            if (extent.Unwritten && (attribute || type != FileMode16.Regular)) return $"{extent} cannot be unwritten here";
            return null;
        }
    }
}

/// <summary>Reads the leaves of a bmbt once more, for whoever needs the map of an inode that was observed before.</summary>
/// <remarks>Bounded by itself, since the set of visited blocks was used up by the first walk: every level may only grow as real blocks do.</remarks>
internal sealed class BmbtReader(Scan scan)
{
    public void Read(ReadOnlySpan<TreeChild> children, int levels, ulong inode, ref ForkScan.Collector collector)
    {
        Geometry g = scan.Geometry;
        PackedList<ulong> level = new(), below = new();
        HashSet<ulong> seen = [];
        foreach (TreeChild child in children) level.Add(child.Block);
        byte[] block = Scan.Rent(g.BlockSize);
        int capacity = g.NodeCapacity(LongBtreeHeader.Size, 8, 8);
        for (int depth = levels - 1; depth >= 0; depth--)
        {
            below.Clear();
            foreach (ulong number in level.Span)
            {
                FsBlock at = new(number);
                if (!g.IsValid(at) || !seen.Add(number)) continue;
                Span<byte> bytes = block.AsSpan(0, g.BlockSize);
                if (!scan.TryRead(g.ByteOffset(at), bytes, "bmbt block", scan.At(at, inode))) continue;
                if (BlockVerifier.VerifyStructure(BlockKind.Bmbt, bytes, g, g.ByteOffset(at)) is not null) continue;
                ref readonly LongBtreeHeader header = ref LongBtreeHeader.At((ReadOnlySpan<byte>)bytes);
                if (header.Level != depth || header.Owner != inode) continue;
                ReadOnlySpan<byte> body = bytes[LongBtreeHeader.Size..];
                if (depth == 0) collector.Visit(scan.At(at, inode), body[..(header.RecordCount * PackedExtent.Size)]);
                else for (int i = 0; i < header.RecordCount; i++) below.Add(BinaryPrimitives.ReadUInt64BigEndian(body[(capacity * 8 + i * 8)..]));
            }
            (level, below) = (below, level);
        }
        Scan.Return(block);
    }
}
