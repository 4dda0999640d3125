using System.Runtime.InteropServices;

namespace ImageFs.Format;

/// <summary>Namespace and state of an attribute; without a namespace bit it is a user attribute.</summary>
/// <remarks>XFS_ATTR_*.</remarks>
[Flags]
public enum AttributeFlags : byte
{
    /// <summary>"user."</summary>
    User = 0,
    /// <summary>The value lies beside the name; in leaves only.</summary>
    Local = 0x01,
    /// <summary>"trusted."; POSIX ACLs live here too.</summary>
    Root = 0x02,
    /// <summary>"security."</summary>
    Secure = 0x04,
    /// <summary>A parent pointer: name of a link, with inode and generation of its directory as value.</summary>
    Parent = 0x08,
    /// <summary>Being made or removed when the power went: it does not exist.</summary>
    Incomplete = 0x80,

    /// <summary>The bits that tell namespaces apart.</summary>
    Namespaces = Root | Secure | Parent,
}

/// <summary>Limits and sizes of attributes in all their forms.</summary>
public static class AttributeFormat
{
    /// <summary>Longest name in bytes, without prefix on disk, with it in the calls.</summary>
    public const int MaxName = 255;

    /// <summary>Longest value in bytes.</summary>
    /// <remarks>XATTR_SIZE_MAX.</remarks>
    public const int MaxValue = 65536;

    /// <summary>Names under which POSIX ACLs are kept among the trusted attributes.</summary>
    public static ReadOnlySpan<byte> AccessAcl => "SGI_ACL_FILE"u8;
    /// <inheritdoc cref="AccessAcl"/>
    public static ReadOnlySpan<byte> DefaultAcl => "SGI_ACL_DEFAULT"u8;

    /// <summary>Header of the short form: total size, count, padding.</summary>
    public const int ShortHeader = 4;

    /// <summary>Bytes of an entry of the short form: two lengths, flags, name, value.</summary>
    public static int ShortEntry(int name, int value) => 3 + name + value;

    /// <summary>Bytes beside the entry table of a leaf for a name with its value.</summary>
    public static int LocalEntry(int name, int value) => (3 + name + value + 3) & ~3;

    /// <summary>
    /// Bytes beside the entry table of a leaf for a name whose value lies in blocks of its own. The name begins at byte 9;
    /// two more are counted because a compiler once padded the struct.
    /// </summary>
    public static int RemoteEntry(int name) => (11 + name + 3) & ~3;

    /// <summary>True if a value of that length is kept beside its name.</summary>
    public static bool IsLocal(int name, int value, int blockSize) => LocalEntry(name, value) < blockSize / 2 + blockSize / 4;

    /// <summary>Blocks of a value with blocks of its own; each carries a header.</summary>
    public static uint RemoteBlocks(uint value, int blockSize)
    {
        uint payload = (uint)(blockSize - RemoteHeader.Size);
        return value / payload + (value % payload == 0 ? 0u : 1u);
    }
}

/// <summary>Value of an attribute that points to a directory with an entry for the inode; the entry's name is the attribute's.</summary>
/// <remarks>xfs_parent_rec, 12 bytes.</remarks>
[StructLayout(LayoutKind.Sequential, Pack = 1)]
public struct ParentPointer
{
    public const int Size = 12;

    /// <summary>Number of the directory.</summary>
    public BigEndian64 Inode;
    /// <summary>di_gen of the directory.</summary>
    public BigEndian32 Generation;

    public static ref ParentPointer At(Span<byte> value) => ref MemoryMarshal.AsRef<ParentPointer>(value);
    public static ref readonly ParentPointer At(ReadOnlySpan<byte> value) => ref MemoryMarshal.AsRef<ParentPointer>(value);
}

/// <summary>Header of an attribute leaf; begins as <see cref="DaBlockHeader"/> does.</summary>
/// <remarks>xfs_attr3_leaf_hdr, 80 bytes; the common 56 bytes in front are left out.</remarks>
[StructLayout(LayoutKind.Sequential, Pack = 1)]
public struct AttributeLeafHeader
{
    /// <summary>Bytes in front of the entry table.</summary>
    public const int Size = 80;

    /// <summary>Where the fields below begin.</summary>
    private const int At0 = 56;

    public BigEndian16 Count;
    /// <summary>Bytes of names and values, each rounded up to 4.</summary>
    public BigEndian16 UsedBytes;
    /// <summary>Lowest byte of names and values; 0 means 65536.</summary>
    public BigEndian16 FirstUsed;
    /// <summary>1 if there are free bytes that the map below does not know.</summary>
    public byte Holes;
    public byte Pad1;
    public FreeRegion Free0, Free1, Free2;
    public BigEndian32 Pad2;

    public static ref AttributeLeafHeader At(Span<byte> block) => ref MemoryMarshal.AsRef<AttributeLeafHeader>(block[At0..]);
    public static ref readonly AttributeLeafHeader At(ReadOnlySpan<byte> block) => ref MemoryMarshal.AsRef<AttributeLeafHeader>(block[At0..]);

    /// <summary>A free run of bytes in a leaf.</summary>
    /// <remarks>xfs_attr_leaf_map.</remarks>
    [StructLayout(LayoutKind.Sequential, Pack = 1)]
    public struct FreeRegion
    {
        public BigEndian16 Base, Length;
    }
}

/// <summary>Entry of an attribute leaf; the table is sorted by hash.</summary>
/// <remarks>xfs_attr_leaf_entry, 8 bytes.</remarks>
[StructLayout(LayoutKind.Sequential, Pack = 1)]
public struct AttributeLeafEntry
{
    public const int Size = 8;

    public BigEndian32 Hash;
    /// <summary>Byte of the block where name (and value) begin.</summary>
    public BigEndian16 NameIndex;
    public byte RawFlags;
    public byte Pad;

    public AttributeFlags Flags { readonly get => (AttributeFlags)RawFlags; set => RawFlags = (byte)value; }
    public readonly bool IsLocal => (Flags & AttributeFlags.Local) != 0;
    public readonly bool IsIncomplete => (Flags & AttributeFlags.Incomplete) != 0;
}
