using System.Text.RegularExpressions;
using ImageFs.Format;
using Kaitai;

namespace ImageFs.Tests.Kaitai;

/// <summary>One kind of structure: how each of the three programs reads it and what they call its parts.</summary>
/// <param name="Type">xfs_db's name of the type.</param>
/// <param name="Magic">By which it is found.</param>
/// <param name="MagicAt">Where that stands.</param>
/// <param name="Read">The generated reader over the bytes.</param>
/// <param name="Ours">Our structs in it, each with where it begins and the path xfs.ksy has for it.</param>
/// <param name="Names">From xfs_db's names to those of xfs.ksy, in order, as `pattern -> replacement`.</param>
internal sealed record Witness(string Type, uint Magic, int MagicAt, Func<byte[], Witness.Surroundings, KaitaiStruct> Read,
    Func<byte[], Witness.Surroundings, IEnumerable<Witness.Part>> Ours, (Regex From, string To)[] Names)
{
    /// <summary>What follows from the superblock.</summary>
    public sealed record Surroundings(Geometry Geometry);

    /// <summary>One of our structs inside a larger structure.</summary>
    public sealed record Part(StructureMap Map, int At, string Path);

    /// <summary>What xfs.ksy calls what xfs_db calls <paramref name="name"/>.</summary>
    public string Translate(string name) => Names.Aggregate(name, (text, rule) => rule.From.Replace(text, rule.To));

    public static (Regex, string)[] Rules(string rules) =>
        [.. rules.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries).Select(r => r.Split(" -> ")).Select(r => (new Regex(r[0]), r[1]))];
}

/// <summary>Every kind of metadata that lies outside the log.</summary>
internal static class Witnesses
{
    private const string BtreeHeader = """
        ^(magic|level|numrecs|leftsib|rightsib|lsn|uuid|owner|crc)$ -> header.$1
        ^bno$ -> header.blkno
        """;

    public static readonly Witness Superblock = new("sb", 0x58465342, 0, (b, _) => Made(new Xfs.Superblock(Io(b)), s => s._read()),
        (_, _) => [new(StructureMaps.Superblock, 0, "")], []);

    public static readonly Witness Agf = new("agf", 0x58414746, 0, (b, _) => Made(new Xfs.Agf(Io(b)), s => s._read()), (_, _) => [new(StructureMaps.Agf, 0, "")], []);

    public static readonly Witness Agi = new("agi", 0x58414749, 0, (b, _) => Made(new Xfs.Agi(Io(b)), s => s._read()), (_, _) => [new(StructureMaps.Agi, 0, "")], []);

    public static readonly Witness Agfl = new("agfl", 0x5841464C, 0, (b, _) => Made(new Xfs.Agfl(Io(b)), s => s._read()),
        (_, _) => [new(StructureMaps.AgflHeader, 0, "header.")], Witness.Rules("^(magicnum|seqno|uuid|lsn|crc)$ -> header.$1"));

    public static readonly Witness Inode = new("inode", 0x494E, 0, (b, around) => Made(new Xfs.Dinode(around.Geometry.HasFileType, Io(b)), s => s._read()), InodeParts, Witness.Rules("""
        ^core\.nlinkv2$ -> core.nlink
        ^core\.naextents$ -> core.anextents
        ^core\.(atime|mtime|ctime)\.(n?sec)$ -> core.$1_$2
        ^next_unlinked$ -> core.next_unlinked
        ^v3\.crtime\.(n?sec)$ -> core.crtime_$1
        ^v3\.inumber$ -> core.ino
        ^v3\.(crc|change_count|lsn|flags2|cowextsize|uuid)$ -> core.$1
        ^u3\.bmx\[ -> data_fork.recs[
        ^a\.bmx\[ -> attr_fork.recs[
        ^u3\.bmbt\. -> data_fork.
        ^a\.bmbt\. -> attr_fork.
        ^u3\.dev$ -> data_fork.dev
        ^u3\.symlink$ -> data_fork.target
        ^u3\.sfdir3?\.hdr\.parent\.i[48]$ -> data_fork.parent.ino
        ^u3\.sfdir3?\.hdr\. -> data_fork.
        ^u3\.sfdir3?\.list -> data_fork.entries
        ^a\.sfattr\.hdr\. -> attr_fork.
        ^a\.sfattr\.list(\[\d+\])\.(root|secure)$ -> attr_fork.entries$1.flags.$2
        ^a\.sfattr\.list(\[\d+\])\.value$ -> attr_fork.entries$1.value.bytes
        ^a\.sfattr\.list -> attr_fork.entries
        \.inumber\.i[48]$ -> .inumber.ino
        \.filetype$ -> .ftype
        """));

    private static readonly Witness[] s_blocks =
    [
        Short("bnobt", BtreeMagic.Bnobt, StructureMaps.FreeSpaceRecord, 8), Short("cntbt", BtreeMagic.Cntbt, StructureMaps.FreeSpaceRecord, 8),
        Short("inobt", BtreeMagic.Inobt, StructureMaps.InodeChunkRecord, 4), Short("finobt", BtreeMagic.Finobt, StructureMaps.InodeChunkRecord, 4),
        Short("rmapbt", BtreeMagic.Rmapbt, StructureMaps.RmapRecord, 40), Short("refcntbt", BtreeMagic.Refcountbt, StructureMaps.RefcountRecord, 4),
        new("bmapbtd", BtreeMagic.Bmbt, 0, (b, _) => Made(new Xfs.BtreeLongBlock(Io(b)), s => s._read()),
            (b, _) => [new(StructureMaps.LongBtreeHeader, 0, "header."), .. Records(StructureMaps.PackedExtent, b, LongBtreeHeader.Size, LongHeader(b))], Witness.Rules(BtreeHeader)),
        Data("dir3", DirectoryMagic.Block, (b, ftype) => Made(new Xfs.DirBlock(ftype, Io(b)), s => s._read())),
        Data("dir3", DirectoryMagic.Data, (b, ftype) => Made(new Xfs.DirDataBlock(ftype, Io(b)), s => s._read())),
        new("dir3", DirectoryMagic.Free, 0, (b, _) => Made(new Xfs.DirFreeBlock(Io(b)), s => s._read()), (_, _) => [new(StructureMaps.DirectoryFreeHeader, 0, "header.")], Witness.Rules("""
            ^fhdr\.hdr\.bno$ -> header.blkno
            ^fhdr\.hdr\. -> header.
            ^fhdr\. -> header.
            ^fbests\[ -> bests[
            """)),
        Leaf(DirectoryMagic.Leaf1), Leaf(DirectoryMagic.LeafN),
        new("dir3", DirectoryMagic.Node, 8, (b, _) => Made(new Xfs.DaNodeBlock(Io(b)), s => s._read()),
            (b, _) => [new(StructureMaps.DaNodeHeader, 0, "header."), .. Entries(StructureMaps.DaNodeEntry, b, DaBlockHeader.Size)], Witness.Rules(DaHeader("nhdr") + DaHeader("hdr") + """
            ^n?btree\[ -> entries[
            """)),
        new("attr3", DirectoryMagic.AttrLeaf, 8, (b, _) => Made(new Xfs.AttrLeafBlock(Io(b)), s => s._read()),
            (b, _) => [new(StructureMaps.AttributeLeafHeader, StructureMaps.AttributeLeafHeaderStart, "header."), .. Entries(StructureMaps.AttributeLeafEntry, b, AttributeLeafHeader.Size)],
            Witness.Rules(DaHeader("hdr") + """
            ^(entries\[\d+\])\.(incomplete|root|secure|local)$ -> $1.flags.$2
            ^nvlist(\[\d+\])\.(valueblk)$ -> entries$1.remote.$2
            ^nvlist(\[\d+\])\.(namelen|name|valuelen)$ -> entries$1.either.$2
            ^nvlist(\[\d+\])\.value$ -> entries$1.local.value.bytes
            """)),
        new("attr3", DirectoryMagic.AttrRemote, 0, (b, _) => Made(new Xfs.AttrRemoteBlock(Io(b)), s => s._read()), (_, _) => [new(StructureMaps.RemoteHeader, 0, "header.")], Witness.Rules("""
            ^hdr\.bno$ -> header.blkno
            ^hdr\. -> header.
            """)),
        new("symlink", DirectoryMagic.Symlink, 0, (b, _) => Made(new Xfs.SymlinkBlock(Io(b)), s => s._read()), (_, _) => [new(StructureMaps.RemoteHeader, 0, "header.")], Witness.Rules("""
            ^bno$ -> header.blkno
            ^data$ -> target
            ^(magic|offset|bytes|crc|uuid|owner|lsn)$ -> header.$1
            """)),
    ];

    /// <summary>Blocks that are found by their magic numbers.</summary>
    public static IReadOnlyList<Witness> Blocks => s_blocks;

    private static string DaHeader(string name) => $"""
        ^{name}\.info\.bno$ -> header.info.blkno
        ^{name}\.info\.hdr\. -> header.info.
        ^{name}\. -> header.

        """;

    private static Witness Short(string type, uint magic, StructureMap record, int keySize) => new(type, magic, 0,
        (b, _) => Made(new Xfs.BtreeShortBlock(Io(b)), s => s._read()),
        (b, _) => [new(StructureMaps.ShortBtreeHeader, 0, "header."), .. Records(record, b, ShortBtreeHeader.Size, ShortHeader(b)), .. RmapKeys(b, keySize)],
        Witness.Rules(BtreeHeader + (type == "rmapbt" ? """

            ^(keys\[\d+\])\.(startblock|owner|offset|attrfork|bmbtblock)$ -> $1.low.$2
            ^(keys\[\d+\])\.(\w+)_hi$ -> $1.high.$2
            """ : "")));

    private static Witness Data(string type, uint magic, Func<byte[], bool, KaitaiStruct> read) => new(type, magic, 0, (b, around) => read(b, around.Geometry.HasFileType),
        (_, _) => [new(StructureMaps.DirectoryDataHeader, 0, "header.")], Witness.Rules("""
            ^[bd]hdr\.hdr\.bno$ -> header.blkno
            ^[bd]hdr\.hdr\. -> header.
            ^[bd]hdr\.bestfree\[ -> header.best_free[
            ^[bd]u\[ -> entries[
            ^bleaf\[ -> leaf[
            ^btail\. -> tail.
            \.filetype$ -> .ftype
            """));

    private static Witness Leaf(ushort magic) => new("dir3", magic, 8, (b, _) => Made(new Xfs.DirLeafBlock(Io(b)), s => s._read()),
        (b, _) => [new(StructureMaps.DaLeafHeader, 0, "header."), .. Entries(StructureMaps.DirectoryLeafEntry, b, DaBlockHeader.Size)], Witness.Rules(DaHeader("lhdr") + """
            ^lents\[ -> entries[
            ^lbests\[ -> bests[
            ^ltail\.bestcount$ -> bestcount
            """));

    private static IEnumerable<Witness.Part> InodeParts(byte[] bytes, Witness.Surroundings around)
    {
        yield return new(StructureMaps.InodeCore, 0, "core.");
        InodeCore core = InodeCore.At((ReadOnlySpan<byte>)bytes);
        if (core.Format == ForkFormat.Extents)
            for (int i = 0; i < (int)Math.Min(core.ExtentCount, (ulong)(core.DataForkSize(bytes.Length) / PackedExtent.Size)); i++)
                yield return new(StructureMaps.PackedExtent, InodeCore.Size + i * PackedExtent.Size, $"data_fork.recs[{i}].");
        if (core.Format == ForkFormat.Btree) yield return new(StructureMaps.BmbtInodeRoot, InodeCore.Size, "data_fork.");
    }

    private static (int Level, int Count) ShortHeader(byte[] b) => (Format.ShortBtreeHeader.At(b).Level, Format.ShortBtreeHeader.At(b).RecordCount);
    private static (int Level, int Count) LongHeader(byte[] b) => (Format.LongBtreeHeader.At(b).Level, Format.LongBtreeHeader.At(b).RecordCount);

    private static IEnumerable<Witness.Part> Records(StructureMap map, byte[] block, int header, (int Level, int Count) shape) =>
        shape.Level > 0 ? [] : Enumerable.Range(0, Math.Min(shape.Count, (block.Length - header) / map.Size)).Select(i => new Witness.Part(map, header + i * map.Size, $"recs[{i}]."));

    private static IEnumerable<Witness.Part> RmapKeys(byte[] block, int keySize) =>
        keySize != 2 * RmapKey.Size || ShortHeader(block) is { Level: 0 } ? [] : Enumerable.Range(0, ShortHeader(block).Count).SelectMany(i => (Witness.Part[])
        [
            new(StructureMaps.RmapKey, Format.ShortBtreeHeader.Size + i * keySize, $"keys[{i}].low."),
            new(StructureMaps.RmapKey, Format.ShortBtreeHeader.Size + i * keySize + RmapKey.Size, $"keys[{i}].high."),
        ]);

    private static IEnumerable<Witness.Part> Entries(StructureMap map, byte[] block, int header) =>
        Enumerable.Range(0, Math.Min(DaBlockHeader.At(block).Count, (block.Length - header) / map.Size)).Select(i => new Witness.Part(map, header + i * map.Size, $"entries[{i}]."));

    private static KaitaiStream Io(byte[] bytes) => new(bytes);

    private static T Made<T>(T structure, Action<T> read) where T : KaitaiStruct
    {
        read(structure);
        return structure;
    }
}
