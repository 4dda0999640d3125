using System.Buffers.Binary;
using ImageFs.Format;
using Kaitai;

namespace ImageFs.Cli;

/// <summary>A structure that can be told by its magic number: how it is read, where its checksum is.</summary>
/// <param name="Name">By this name it is shown.</param>
/// <param name="Magic">What its magic number has to be.</param>
/// <param name="MagicOffset">Where that stands.</param>
/// <param name="MagicSize">2 or 4 bytes.</param>
/// <param name="CrcOffset">Where the checksum stands.</param>
/// <param name="Make">The generated structure over a stream, not read yet, and what reads it.</param>
internal sealed record InspectKind(string Name, uint Magic, int MagicOffset, int MagicSize, int CrcOffset, Func<KaitaiStream, bool, (KaitaiStruct Structure, Action Read)> Make)
{
    public static readonly InspectKind Superblock = new("superblock", 0x58465342, 0, 4, 224, (io, _) => Of(new Xfs.Superblock(io), s => s._read()));
    public static readonly InspectKind Agf = new("AGF", 0x58414746, 0, 4, 216, (io, _) => Of(new Xfs.Agf(io), s => s._read()));
    public static readonly InspectKind Agi = new("AGI", 0x58414749, 0, 4, 312, (io, _) => Of(new Xfs.Agi(io), s => s._read()));
    public static readonly InspectKind Agfl = new("AGFL", 0x5841464C, 0, 4, 32, (io, _) => Of(new Xfs.Agfl(io), s => s._read()));
    public static readonly InspectKind Bnobt = Short("bnobt", 0x41423342);
    public static readonly InspectKind Cntbt = Short("cntbt", 0x41423343);
    public static readonly InspectKind Inobt = Short("inobt", 0x49414233);
    public static readonly InspectKind Finobt = Short("finobt", 0x46494233);
    public static readonly InspectKind Rmapbt = Short("rmapbt", 0x524D4233);
    public static readonly InspectKind Refcountbt = Short("refcountbt", 0x52334643);
    public static readonly InspectKind Bmbt = new("bmbt", 0x424D4133, 0, 4, 64, (io, _) => Of(new Xfs.BtreeLongBlock(io), s => s._read()));
    public static readonly InspectKind Inode = new("inode", 0x494E, 0, 2, 100, (io, ftype) => Of(new Xfs.Dinode(ftype, io), s => s._read()));
    public static readonly InspectKind SymlinkBlock = new("symlink block", 0x58534C4D, 0, 4, 12, (io, _) => Of(new Xfs.SymlinkBlock(io), s => s._read()));

    /// <summary>Blocks of directories, which have the directory's block size.</summary>
    public static readonly InspectKind[] OfDirectory =
    [
        new("directory block", 0x58444233, 0, 4, 4, (io, ftype) => Of(new Xfs.DirBlock(ftype, io), s => s._read())),
        new("directory data block", 0x58444433, 0, 4, 4, (io, ftype) => Of(new Xfs.DirDataBlock(ftype, io), s => s._read())),
        new("directory free index", 0x58444633, 0, 4, 4, (io, _) => Of(new Xfs.DirFreeBlock(io), s => s._read())),
        new("directory leaf (leaf1)", 0x3DF1, 8, 2, 12, (io, _) => Of(new Xfs.DirLeafBlock(io), s => s._read())),
        new("directory leaf (leafn)", 0x3DFF, 8, 2, 12, (io, _) => Of(new Xfs.DirLeafBlock(io), s => s._read())),
        new("da node", 0x3EBE, 8, 2, 12, (io, _) => Of(new Xfs.DaNodeBlock(io), s => s._read())),
    ];

    /// <summary>Blocks of attribute forks.</summary>
    public static readonly InspectKind[] OfAttributes =
    [
        new("attribute leaf", 0x3BEE, 8, 2, 12, (io, _) => Of(new Xfs.AttrLeafBlock(io), s => s._read())),
        new("remote attribute value", 0x5841524D, 0, 4, 12, (io, _) => Of(new Xfs.AttrRemoteBlock(io), s => s._read())),
        OfDirectory[^1],
    ];

    private static readonly InspectKind[] s_blocks =
    [
        Bnobt, Cntbt, Inobt, Finobt, Rmapbt, Refcountbt, Bmbt, SymlinkBlock, .. OfDirectory, .. OfAttributes[..2], Superblock, Agf, Agi, Agfl, Inode,
    ];

    /// <summary>The structure these bytes begin with, or null if no magic number says so.</summary>
    public static InspectKind? Detect(ReadOnlySpan<byte> bytes, IEnumerable<InspectKind>? among = null)
    {
        foreach (InspectKind kind in among ?? s_blocks)
            if (kind.MagicOf(bytes) == kind.Magic) return kind;
        return null;
    }

    public uint MagicOf(ReadOnlySpan<byte> bytes) => MagicSize == 2
        ? BinaryPrimitives.ReadUInt16BigEndian(bytes[MagicOffset..])
        : BinaryPrimitives.ReadUInt32BigEndian(bytes[MagicOffset..]);

    /// <summary>Reads the structure, or as much of it as makes sense.</summary>
    /// <param name="bytes">Exactly what it fills.</param>
    /// <param name="offset">Where that was on the device.</param>
    /// <param name="place">The same for people.</param>
    /// <param name="hasFileType">Directory entries carry a file type.</param>
    public Inspected Read(byte[] bytes, long offset, string place, bool hasFileType)
    {
        (KaitaiStruct structure, Action read) = Make(new KaitaiStream(bytes), hasFileType);
        CorruptionException? problem = null;
        if (MagicOf(bytes) is uint magic && magic != Magic)
        {
            string digits = MagicSize == 2 ? "x4" : "x8";
            problem = new CorruptionException(Name, place, $"magic: found 0x{magic.ToString(digits)}, expected 0x{Magic.ToString(digits)}");
        }
        try
        {
            read();
        }
        catch (Exception e) when (InspectValues.IsBadData(e))
        {
            problem ??= new CorruptionException(Name, place, InspectValues.Describe(e));
        }
        return new Inspected(Name, structure)
        {
            Offset = offset, Length = bytes.Length, Problem = problem,
            Checksum = Crc32c.IsValid(bytes, CrcOffset) ? "correct" : $"wrong, should be 0x{Crc32c.Compute(bytes, CrcOffset):x8}",
        };
    }

    private static InspectKind Short(string name, uint magic) =>
        new(name, magic, 0, 4, 52, (io, _) => Of(new Xfs.BtreeShortBlock(io), s => s._read()));

    private static (KaitaiStruct, Action) Of<T>(T structure, Action<T> read) where T : KaitaiStruct => (structure, () => read(structure));
}
