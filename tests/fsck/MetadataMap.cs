using System.Buffers.Binary;
using ImageFs.Format;

namespace ImageFs.Tests.Fsck;

/// <summary>A structure of a healthy image: where it is and where its checksum stands.</summary>
/// <param name="Used">Bytes from its start that mean something.</param>
/// <param name="OfAttributes">True if it lies in an attribute fork; nodes of directories look the same.</param>
internal sealed record MetadataPlace(string Kind, long Offset, int Length, int Crc, int Used, bool OfAttributes = false)
{
    /// <summary>What a table of damages calls it, together with its like.</summary>
    public string Family => Kind switch
    {
        "superblock" => "superblock and copies",
        "AGF" or "AGI" or "AGFL" => "group headers",
        "inobt" or "finobt" => "inode btrees",
        "bnobt" or "cntbt" or "rmapbt" or "refcountbt" => "free space, rmap and refcount btrees",
        "inode" or "free inode" => "inodes",
        "bmbt block" => "bmbt blocks",
        "symlink block" => "symlinks",
        _ => OfAttributes ? "attributes" : "directories",
    };
}

/// <summary>Every structure of an image that carries a checksum: the targets of the sweeps.</summary>
internal static class MetadataMap
{
    public static List<MetadataPlace> Of(DamagedImage image)
    {
        Geometry g = image.Geometry;
        List<MetadataPlace> places = [];
        for (uint n = 0; n < g.AgCount; n++)
        {
            AgNumber ag = new(n);
            places.Add(new("superblock", g.HeaderOffset(ag, 0), g.SectorSize, Superblock.CrcOffset, 264));
            places.Add(new("AGF", g.HeaderOffset(ag, 1), g.SectorSize, Agf.CrcOffset, Agf.Size));
            places.Add(new("AGI", g.HeaderOffset(ag, 2), g.SectorSize, Agi.CrcOffset, Agi.Size));
            places.Add(new("AGFL", g.HeaderOffset(ag, 3), g.SectorSize, AgflHeader.CrcOffset, g.SectorSize));
            foreach (BlockKind kind in Trees(g))
                for (int level = LevelsOf(image, kind, n) - 1; level >= 0; level--)
                    for (long offset = image.TreeBlock(kind, n, level); offset >= 0;)
                    {
                        byte[] block = image.Read(offset, g.BlockSize);
                        ref readonly ShortBtreeHeader header = ref ShortBtreeHeader.At((ReadOnlySpan<byte>)block);
                        int record = kind switch { BlockKind.Bnobt or BlockKind.Cntbt => 8, BlockKind.Rmapbt => level == 0 ? 24 : 44, BlockKind.Refcountbt => 12, _ => 16 };
                        places.Add(new(kind.Name(), offset, g.BlockSize, ShortBtreeHeader.CrcOffset, Math.Min(g.BlockSize, 56 + record * Math.Max(1, (int)header.RecordCount))));
                        offset = header.RightSibling == uint.MaxValue ? -1 : g.ByteOffset(ag, new AgBlock(header.RightSibling));
                    }
        }
        foreach (ulong number in image.Inodes())
        {
            InodeCore core = image.Core(number);
            places.Add(new(core.Mode == 0 ? "free inode" : "inode", image.InodeOffset(number), g.InodeSize, InodeCore.CrcOffset, core.Mode == 0 ? InodeCore.Size : g.InodeSize));
            if (core.Mode == 0) continue;
            if (core.Format is ForkFormat.Extents or ForkFormat.Btree)
            {
                if (core.Format == ForkFormat.Btree) AddBmbt(image, number, places);
                if (core.IsDirectory)
                    foreach (Extent extent in image.Extents(number))
                        for (ulong block = extent.Offset.Value; block < extent.End.Value; block += (ulong)g.DirectoryBlockFsBlocks)
                            AddByMagic(image, g.ByteOffset(extent.Start + (block - extent.Offset.Value)), g.DirectoryBlockSize, places);
                if (core.IsSymlink)
                    foreach (Extent extent in image.Extents(number)) places.Add(new("symlink block", g.ByteOffset(extent.Start), (int)extent.Length * g.BlockSize, RemoteHeader.CrcOffset, 56));
            }
            if (core.ForkOffset != 0 && core.AttributeFormat is ForkFormat.Extents or ForkFormat.Btree)
                foreach (Extent extent in image.Extents(number, attribute: true))
                    for (uint block = 0; block < extent.Length; block++) AddByMagic(image, g.ByteOffset(extent.Start + block), g.BlockSize, places, ofAttributes: true);
        }
        return places;
    }

    private static IEnumerable<BlockKind> Trees(Geometry g)
    {
        yield return BlockKind.Bnobt;
        yield return BlockKind.Cntbt;
        yield return BlockKind.Inobt;
        if (g.HasFinobt) yield return BlockKind.Finobt;
        if (g.HasRmapbt) yield return BlockKind.Rmapbt;
        if (g.HasReflink) yield return BlockKind.Refcountbt;
    }

    private static int LevelsOf(DamagedImage image, BlockKind kind, uint ag) => (int)(kind switch
    {
        BlockKind.Bnobt => image.ReadAgf(ag).BnoLevel.Value, BlockKind.Cntbt => image.ReadAgf(ag).CntLevel.Value,
        BlockKind.Rmapbt => image.ReadAgf(ag).RmapLevel.Value, BlockKind.Refcountbt => image.ReadAgf(ag).RefcountLevel.Value,
        BlockKind.Inobt => image.ReadAgi(ag).Level.Value, _ => image.ReadAgi(ag).FreeLevel.Value,
    });

    private static void AddBmbt(DamagedImage image, ulong number, List<MetadataPlace> places)
    {
        foreach (long offset in image.BmbtBlocks(number))
        {
            LongBtreeHeader header = LongBtreeHeader.At((ReadOnlySpan<byte>)image.Read(offset, LongBtreeHeader.Size));
            places.Add(new("bmbt block", offset, image.Geometry.BlockSize, LongBtreeHeader.CrcOffset, 72 + 16 * header.RecordCount));
        }
    }

    private static void AddByMagic(DamagedImage image, long offset, int length, List<MetadataPlace> places, bool ofAttributes = false)
    {
        byte[] block = image.Read(offset, length);
        uint magic = BinaryPrimitives.ReadUInt32BigEndian(block);
        ushort da = BinaryPrimitives.ReadUInt16BigEndian(block.AsSpan(8));
        int count = BinaryPrimitives.ReadUInt16BigEndian(block.AsSpan(56));
        if (magic is DirectoryMagic.Block or DirectoryMagic.Data) places.Add(new("directory block", offset, length, DirectoryDataHeader.CrcOffset, length));
        else if (magic == DirectoryMagic.Free) places.Add(new("directory free index", offset, length, DirectoryFreeHeader.CrcOffset, 64 + 2 * 16));
        else if (magic == DirectoryMagic.AttrRemote) places.Add(new("remote value", offset, length, RemoteHeader.CrcOffset, 56, ofAttributes));
        else if (da is DirectoryMagic.Leaf1) places.Add(new("directory leaf", offset, length, DaBlockHeader.CrcOffset, length));
        else if (da is DirectoryMagic.LeafN or DirectoryMagic.Node) places.Add(new("directory leaf or attribute node", offset, length, DaBlockHeader.CrcOffset, 64 + 8 * count, ofAttributes));
        else if (da == DirectoryMagic.AttrLeaf) places.Add(new("attribute leaf", offset, length, DaBlockHeader.CrcOffset, length, ofAttributes));
    }
}
