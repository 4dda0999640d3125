using System.Buffers.Binary;
using System.Runtime.InteropServices;
using ImageFs.Format;

namespace ImageFs.Fsck;

/// <summary>Makes inodes anew whose own bytes are gone, from what others know of them: the reverse map, and blocks that name their owner.</summary>
/// <remarks>
/// What only the inode knew is lost: owner, permissions, times, and the exact size of a file, which then ends with its last
/// block. The names are where they were, because directories go on naming the inode; counts and directory indexes are for the
/// layers above.
/// </remarks>
internal sealed class LostInodes(RepairView view, Scan observed, RmapIndex rmaps, OwnedBlocks owned, ForkWriter writer)
{
    private readonly Geometry _g = view.Geometry;
    private readonly BlockRuns?[] _claimed = new BlockRuns?[view.Geometry.AgCount];

    /// <summary>True if nothing of an inode's identity is left: its bytes mean nothing.</summary>
    public static bool IsLost(ReadOnlySpan<byte> inode, ulong number, Geometry geometry)
    {
        ref readonly InodeCore core = ref InodeCore.At(inode);
        int identity = (core.Magic == InodeCore.MagicNumber ? 1 : 0) + (core.Version == 3 ? 1 : 0) + (core.Number == number ? 1 : 0) + (core.Uuid == geometry.MetaUuid ? 1 : 0);
        return identity < 3;
    }

    /// <returns>False if nothing is known of the inode: then it is a free one.</returns>
    public bool TryRebuild(ulong number)
    {
        SalvagedFork data = new(Unclaimed(rmaps.Extents(_g, number, attribute: false)), [.. rmaps.BmbtBlocks(_g, number, attribute: false)]);
        SalvagedFork attributes = new(Unclaimed(rmaps.Extents(_g, number, attribute: true)), [.. rmaps.BmbtBlocks(_g, number, attribute: true)]);
        string witness = "the reverse map";
        if (data.Extents.Count == 0 || !rmaps.IsComplete)
        {
            (SalvagedFork fork, SalvagedFork other) = FromBlocks(number);
            if (data.Blocks < fork.Blocks)
            {
                (data, witness) = (fork, "the blocks that name it");
                if (attributes.Blocks < other.Blocks) attributes = other;
            }
        }
        if (data.Extents.Count == 0) return false;

        InodeNumber n = new(number);
        ushort type = TypeOf(data.Extents, number);
        byte[] inode = FreshInode.Make(_g, number, (ushort)(type | (type == FileMode16.Directory ? 0x1C0 : type == FileMode16.Symlink ? 0x1FF : 0x180)), type == FileMode16.Directory ? 2u : 1u);
        ref InodeCore core = ref InodeCore.At(inode.AsSpan());
        if (attributes.Extents.Count > 0) core.ForkOffset = (byte)((_g.InodeSize - InodeCore.Size) / 16);
        if (writer.Write(inode, n, attribute: false, data) is not ulong tree) return false;
        ulong blocks = data.Blocks + tree;
        if (attributes.Extents.Count > 0 && writer.Write(inode, n, attribute: true, attributes) is ulong attributeTree) blocks += attributes.Blocks + attributeTree;
        core.BlockCount = blocks;
        core.FileSize = SizeOf(type, data.Extents, number);
        if (BlockVerifier.VerifyInodeStructure(inode, _g, n) is not null) return false;
        view.Purpose = Remedy.FixInode;
        view.WriteInode(n, inode);
        string what = type == FileMode16.Directory ? "directory" : type == FileMode16.Symlink ? "symlink" : "file";
        string size = type == FileMode16.Regular ? $"; its size is not known, it ends with its last block at {core.FileSize.Value} bytes" : "";
        view.Notes.Add($"inode {number} was lost and made anew as a {what} of {data.Blocks} blocks from {witness}: owner, permissions and times are not known{size}");
        return true;
    }

    /// <summary>Leaves out what cannot be. Without reflink nobody's blocks are taken away because a map of lost blocks says so.</summary>
    private List<Extent> Unclaimed(List<Extent> extents)
    {
        extents.RemoveAll(e => !_g.IsValid(e.Start, e.Length) || e.End.Value > FileBlock.Limit
            || !_g.HasReflink && Claimed(_g.AgOf(e.Start)).Overlaps(_g.BlockInAg(e.Start).Value, e.Length));
        return extents;
    }

    private BlockRuns Claimed(AgNumber ag) => _claimed[ag.Value] ??= observed.Claims.Covered(ag);

    /// <summary>Forks put together from blocks that name their owner: leaves of a bmbt, or the blocks of directories, symlinks and attributes themselves.</summary>
    private (SalvagedFork Data, SalvagedFork Attributes) FromBlocks(ulong number)
    {
        SalvagedFork data = new([], []), attributes = new([], []);
        List<(FsBlock Start, uint Length)> pieces = [], leaves = [];
        foreach (OwnedBlock block in owned.Of(number))
        {
            if (block.Kind == BlockKind.DirectoryData) pieces.Add((block.Start, (uint)_g.DirectoryBlockFsBlocks));
            else if (block.Kind == BlockKind.Symlink) pieces.Add((block.Start, BlocksOfSymlink(block.Start)));
            else if (block.Kind == BlockKind.DaBlock) leaves.Add((block.Start, 1));
            else if (block.Level == 0)
            {
                List<Extent> extents = LeafExtents(block.Start);
                if (extents.Count == 0) continue;
                SalvagedFork fork = IsAttributes(extents[0], number) ? attributes : data;
                fork.Extents.AddRange(extents.Where(e => fork.Extents.Count == 0 || e.Offset >= fork.Extents[^1].End));
                fork.TreeBlocks.Add(block.Start);
            }
        }
        // Where data blocks stand in a directory does not matter, it is written anew; those of a symlink are in order.
        if (data.Extents.Count == 0) Append(data.Extents, pieces);
        if (attributes.Extents.Count == 0) Append(attributes.Extents, leaves);
        return (new(Unclaimed(data.Extents), data.TreeBlocks), new(Unclaimed(attributes.Extents), attributes.TreeBlocks));

        static void Append(List<Extent> extents, List<(FsBlock Start, uint Length)> blocks)
        {
            ulong at = 0;
            foreach ((FsBlock start, uint length) in blocks)
            {
                extents.Add(new Extent(new FileBlock(at), start, length, false));
                at += length;
            }
        }
    }

    private List<Extent> LeafExtents(FsBlock at)
    {
        ReadOnlySpan<byte> block = view.Read(_g.ByteOffset(at), _g.BlockSize);
        int count = LongBtreeHeader.At(block).RecordCount;
        List<Extent> extents = [];
        for (int i = 0; i < count; i++)
            if (MemoryMarshal.Read<PackedExtent>(block[(LongBtreeHeader.Size + i * PackedExtent.Size)..]).Unpack() is var extent && extent.Length > 0 && _g.IsValid(extent.Start, extent.Length)) extents.Add(extent);
        return extents;
    }

    private bool IsAttributes(in Extent first, ulong number)
    {
        ReadOnlySpan<byte> block = view.Read(_g.ByteOffset(first.Start), _g.BlockSize);
        return DaBlockHeader.At(block).Magic.Value is DirectoryMagic.AttrLeaf or DirectoryMagic.Node && DaBlockHeader.At(block).Owner == number;
    }

    private uint BlocksOfSymlink(FsBlock at) =>
        (RemoteHeader.At(view.Read(_g.ByteOffset(at), RemoteHeader.Size)).Bytes + RemoteHeader.Size + (uint)_g.BlockSize - 1) >> _g.BlockLog;

    /// <summary>One block of a directory or a symlink that says so is enough: others may be damaged.</summary>
    private ushort TypeOf(List<Extent> extents, ulong number)
    {
        const int some = 32;
        foreach (Extent extent in extents.Take(some).Concat(extents.Skip(some).TakeLast(some)))
        {
            ReadOnlySpan<byte> block = view.Read(_g.ByteOffset(extent.Start), _g.BlockSize);
            (ushort type, ulong owner) = BinaryPrimitives.ReadUInt32BigEndian(block) switch
            {
                DirectoryMagic.Block or DirectoryMagic.Data or DirectoryMagic.Free => (FileMode16.Directory, DirectoryDataHeader.At(block).Owner.Value),
                DirectoryMagic.Symlink => (FileMode16.Symlink, RemoteHeader.At(block).Owner.Value),
                _ when DaBlockHeader.At(block).Magic.Value is DirectoryMagic.Leaf1 or DirectoryMagic.LeafN or DirectoryMagic.Node => (FileMode16.Directory, DaBlockHeader.At(block).Owner.Value),
                _ => (FileMode16.Regular, 0UL),
            };
            if (type != FileMode16.Regular && owner == number) return type;
        }
        // Nobody but a directory has its second part at just this place; as a file it would be one of 32 GiB.
        return extents.Exists(e => e.Offset.Value == Geometry.DirectoryLeafOffset >> _g.BlockLog) ? FileMode16.Directory : FileMode16.Regular;
    }

    private ulong SizeOf(ushort type, List<Extent> extents, ulong number)
    {
        if (type == FileMode16.Symlink)
            return (ulong)extents.Sum(e => RemoteHeader.At(view.Read(_g.ByteOffset(e.Start), RemoteHeader.Size)) is var header && header.Owner == number ? header.Bytes : 0L);
        ulong leaf = Geometry.DirectoryLeafOffset >> _g.BlockLog;
        ulong end = type == FileMode16.Directory ? extents.Where(e => e.Offset.Value < leaf).Select(e => Math.Min(e.End.Value, leaf)).DefaultIfEmpty().Max()
            : extents.Where(e => !e.Unwritten).Select(e => e.End.Value).DefaultIfEmpty().Max();
        return end << _g.BlockLog;
    }
}
