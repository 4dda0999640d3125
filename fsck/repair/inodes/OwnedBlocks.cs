using System.Buffers.Binary;
using ImageFs.Format;

namespace ImageFs.Fsck;

/// <summary>A sound block that names an inode as its owner.</summary>
/// <param name="Order">Where it stands among its kind: the first file block of a bmbt leaf, the offset of a symlink's piece; else the place on the disk.</param>
/// <param name="Level">Of a bmbt block; else 0.</param>
internal readonly record struct OwnedBlock(BlockKind Kind, FsBlock Start, ulong Order, int Level);

/// <summary>Blocks of metadata by the inode they name: what is left of forks to which no pointer leads any more.</summary>
/// <remarks>
/// A block counts if checksum, UUID and its own address are right, nobody claims it and no free-space btree says it is free: a
/// freed block goes on naming its last owner. Found by reading all of the image, once, and only if somebody asks.
/// </remarks>
internal sealed class OwnedBlocks(RepairView view, Scan observed, IReadOnlySet<ulong> owners)
{
    private readonly Geometry _g = view.Geometry;
    private const int BytesOfBlock = 64;
    private Dictionary<ulong, List<OwnedBlock>>? _found;

    /// <summary>The blocks of an inode, bmbt blocks first, each kind in its order.</summary>
    public IReadOnlyList<OwnedBlock> Of(ulong inode) => (_found ??= Search()).GetValueOrDefault(inode) ?? [];

    private Dictionary<ulong, List<OwnedBlock>> Search()
    {
        const int window = 1 << 20;
        Dictionary<ulong, List<OwnedBlock>> found = [];
        if (owners.Count == 0) return found;
        // A directory block may be longer than a block and begins at any of them.
        byte[] bytes = new byte[window + Math.Max(_g.DirectoryBlockSize, 4 * _g.BlockSize)];
        for (uint ag = 0; ag < _g.AgCount; ag++)
        {
            AgNumber group = new(ag);
            BlockRuns? free = null, claimed = null;
            uint length = _g.AgLength(group), step = (uint)(window / _g.BlockSize);
            for (uint start = _g.AgflBlock.Value + 1; start < length; start += step)
            {
                observed.Cancellation.ThrowIfCancellationRequested();
                long offset = _g.ByteOffset(group, new AgBlock(start));
                int there = (int)Math.Min(bytes.Length, (long)(length - start) << _g.BlockLog);
                if (!TryRead(offset, bytes.AsSpan(0, there))) continue;
                for (uint i = 0; i < Math.Min(step, length - start); i++)
                {
                    if (Judge(bytes.AsSpan((int)i << _g.BlockLog, there - ((int)i << _g.BlockLog)), offset + ((long)i << _g.BlockLog)) is not (ulong owner, OwnedBlock block)) continue;
                    free ??= FreeRuns(group);
                    claimed ??= observed.Claims.Covered(group);
                    if (claimed.Contains(start + i) || free.Contains(start + i)) continue;
                    if (!found.TryGetValue(owner, out List<OwnedBlock>? list)) found[owner] = list = [];
                    observed.Budget.Hold(BytesOfBlock);
                    list.Add(block with { Start = _g.Join(group, new AgBlock(start + i)) });
                }
            }
        }
        foreach (List<OwnedBlock> list in found.Values) list.Sort(static (a, b) => a.Kind != b.Kind ? a.Kind.CompareTo(b.Kind) : a.Order.CompareTo(b.Order));
        return found;
    }

    private bool TryRead(long offset, Span<byte> into)
    {
        try
        {
            view.Device.Read(offset, into);
            return true;
        }
        catch (IOException)
        {
            return false;
        }
    }

    private (ulong Owner, OwnedBlock Block)? Judge(ReadOnlySpan<byte> bytes, long offset)
    {
        (BlockKind kind, int size) = BinaryPrimitives.ReadUInt32BigEndian(bytes) switch
        {
            BtreeMagic.Bmbt => (BlockKind.Bmbt, _g.BlockSize),
            DirectoryMagic.Block or DirectoryMagic.Data => (BlockKind.DirectoryData, _g.DirectoryBlockSize),
            DirectoryMagic.Symlink => (BlockKind.Symlink, 0),
            _ => BinaryPrimitives.ReadUInt16BigEndian(bytes[8..]) == DirectoryMagic.AttrLeaf ? (BlockKind.DaBlock, _g.BlockSize) : (BlockKind.InodeCluster, 0),
        };
        if (kind == BlockKind.InodeCluster) return null;
        ulong owner = kind switch
        {
            BlockKind.Bmbt => LongBtreeHeader.At(bytes).Owner, BlockKind.DirectoryData => DirectoryDataHeader.At(bytes).Owner,
            BlockKind.Symlink => RemoteHeader.At(bytes).Owner, _ => DaBlockHeader.At(bytes).Owner,
        };
        if (!owners.Contains(owner)) return null;
        // A symlink's piece is as long as it must be.
        if (kind == BlockKind.Symlink) size = (int)Math.Min(4L * _g.BlockSize, (RemoteHeader.Size + (long)RemoteHeader.At(bytes).Bytes + _g.BlockSize - 1) / _g.BlockSize * _g.BlockSize);
        if (size == 0 || size > bytes.Length || BlockVerifier.Verify(kind, bytes[..size], _g, offset) is not null) return null;
        int level = kind == BlockKind.Bmbt ? LongBtreeHeader.At(bytes).Level : 0;
        ulong order = kind switch
        {
            BlockKind.Bmbt when level == 0 => System.Runtime.InteropServices.MemoryMarshal.Read<PackedExtent>(bytes[LongBtreeHeader.Size..]).Unpack().Offset.Value,
            BlockKind.Symlink => RemoteHeader.At(bytes).Offset,
            _ => (ulong)offset,
        };
        return (owner, new OwnedBlock(kind, default, order, level));
    }

    private BlockRuns FreeRuns(AgNumber ag)
    {
        Scan scan = new(view.Device, _g, view.Head, new FindingList(0, 0), observed.Cancellation, observed.Budget);
        GroupHeaders headers = new(scan);
        PackedList<FreeRun> runs = new();
        if (headers.Load(ag) && headers.JudgeAgf())
        {
            FreeVisitor visitor = new(scan, ag, "bnobt", byStart: true, runs);
            new TreeWalker(scan).Walk<BnobtTree, FreeVisitor>(ag, headers.Agf.BnoRoot, headers.Agf.BnoLevel, ref visitor);
        }
        return new BlockRuns(runs);
    }
}
