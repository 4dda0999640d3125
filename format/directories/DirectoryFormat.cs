using System.Runtime.InteropServices;

namespace ImageFs.Format;

/// <summary>File types in directory entries.</summary>
/// <remarks>XFS_DIR3_FT_*; 9 and above read as unknown.</remarks>
public enum DirectoryFileType : byte
{
    Unknown = 0, Regular = 1, Directory = 2, CharDevice = 3, BlockDevice = 4, Fifo = 5, Socket = 6, Symlink = 7, Whiteout = 8,
}

/// <summary>Magic numbers of directory and attribute blocks.</summary>
public static class DirectoryMagic
{
    public const uint Block = 0x58444233, Data = 0x58444433, Free = 0x58444633;
    public const ushort Leaf1 = 0x3DF1, LeafN = 0x3DFF, Node = 0x3EBE, AttrLeaf = 0x3BEE;
    public const uint AttrRemote = 0x5841524D, Symlink = 0x58534C4D;
}

/// <summary>Names, hashes and entry sizes shared by all directory forms.</summary>
public static class DirectoryName
{
    /// <summary>Longest name in bytes.</summary>
    public const int MaxLength = 255;

    /// <summary>The hash by which names of directories and attributes are found.</summary>
    /// <remarks>xfs_da_hashname.</remarks>
    public static uint Hash(ReadOnlySpan<byte> name)
    {
        uint hash = 0;
        foreach (byte one in name) hash = uint.RotateLeft(hash, 7) ^ one;
        return hash;
    }

    /// <summary>Bytes of an entry in a data or block-form directory block: inode, length, name, type, tag, rounded up to 8.</summary>
    public static int EntrySize(int nameLength) => (12 + nameLength + 7) & ~7;

    /// <summary>The type an inode's mode is announced with.</summary>
    public static DirectoryFileType TypeOf(ushort mode) => (mode & FileMode16.TypeMask) switch
    {
        FileMode16.Regular => DirectoryFileType.Regular,
        FileMode16.Directory => DirectoryFileType.Directory,
        FileMode16.Symlink => DirectoryFileType.Symlink,
        FileMode16.CharDevice => DirectoryFileType.CharDevice,
        FileMode16.BlockDevice => DirectoryFileType.BlockDevice,
        FileMode16.Fifo => DirectoryFileType.Fifo,
        FileMode16.Socket => DirectoryFileType.Socket,
        _ => DirectoryFileType.Unknown,
    };

    /// <summary>True for a name that may stand in a directory: 1..255 bytes, no '/' and no NUL.</summary>
    public static bool IsLegal(ReadOnlySpan<byte> name) => name.Length is > 0 and <= MaxLength && name.IndexOfAny((byte)'/', (byte)0) < 0;
}

/// <summary>Header of data and block-form directory blocks, with the three largest free regions.</summary>
/// <remarks>xfs_dir3_data_hdr, 64 bytes.</remarks>
[StructLayout(LayoutKind.Sequential, Pack = 1)]
public struct DirectoryDataHeader
{
    public const int Size = 64, CrcOffset = 4, LsnOffset = 16, UuidOffset = 24, BestFreeOffset = 48, BestFreeCount = 3;
    /// <summary>Marks an unused region in place of an inode number's first half.</summary>
    public const ushort FreeTag = 0xFFFF;

    public BigEndian32 Magic;
    public LittleEndian32 Crc;
    public BigEndian64 BlockNumber, Lsn;
    public Uuid Uuid;
    public BigEndian64 Owner;
    public BestFree BestFree0, BestFree1, BestFree2;
    public BigEndian32 Pad;

    public static ref DirectoryDataHeader At(Span<byte> block) => ref MemoryMarshal.AsRef<DirectoryDataHeader>(block);
    public static ref readonly DirectoryDataHeader At(ReadOnlySpan<byte> block) => ref MemoryMarshal.AsRef<DirectoryDataHeader>(block);
    public static Span<BestFree> BestFrees(Span<byte> block) => MemoryMarshal.Cast<byte, BestFree>(block.Slice(BestFreeOffset, 12));
    public static ReadOnlySpan<BestFree> BestFrees(ReadOnlySpan<byte> block) => MemoryMarshal.Cast<byte, BestFree>(block.Slice(BestFreeOffset, 12));
}

/// <summary>One of the three largest free regions of a directory block.</summary>
/// <remarks>xfs_dir2_data_free.</remarks>
[StructLayout(LayoutKind.Sequential, Pack = 1)]
public struct BestFree
{
    public BigEndian16 Offset, Length;
}

/// <summary>A name's hash and where its entry lies (byte offset in data space divided by 8; 0 = stale).</summary>
/// <remarks>xfs_dir2_leaf_entry.</remarks>
[StructLayout(LayoutKind.Sequential, Pack = 1)]
public struct DirectoryLeafEntry
{
    public const int Size = 8;
    public BigEndian32 Hash, Address;
}

/// <summary>Last eight bytes of a block-form directory block.</summary>
/// <remarks>xfs_dir2_block_tail.</remarks>
[StructLayout(LayoutKind.Sequential, Pack = 1)]
public struct DirectoryBlockTail
{
    public const int Size = 8;
    public BigEndian32 Count, Stale;
}

/// <summary>Header shared by directory leaves, da nodes and attribute leaves.</summary>
/// <remarks>xfs_da3_blkinfo followed by count and stale (leaf) or count and level (node); 64 bytes.</remarks>
[StructLayout(LayoutKind.Sequential, Pack = 1)]
public struct DaBlockHeader
{
    public const int Size = 64, CrcOffset = 12, LsnOffset = 24, UuidOffset = 32;

    public BigEndian32 Forward, Back;
    public BigEndian16 Magic, Pad;
    public LittleEndian32 Crc;
    public BigEndian64 BlockNumber, Lsn;
    public Uuid Uuid;
    public BigEndian64 Owner;
    public BigEndian16 Count;
    /// <summary>Stale entries of a leaf; level of a node.</summary>
    public BigEndian16 StaleOrLevel;
    public BigEndian32 Pad2;

    public static ref DaBlockHeader At(Span<byte> block) => ref MemoryMarshal.AsRef<DaBlockHeader>(block);
    public static ref readonly DaBlockHeader At(ReadOnlySpan<byte> block) => ref MemoryMarshal.AsRef<DaBlockHeader>(block);
}

/// <summary>Entry of a da node: greatest hash below, and the child's file block.</summary>
/// <remarks>xfs_da_node_entry.</remarks>
[StructLayout(LayoutKind.Sequential, Pack = 1)]
public struct DaNodeEntry
{
    public const int Size = 8, MaxLevels = 5;
    public BigEndian32 Hash, Before;
}

/// <summary>Header of a free-index block of a node-form directory.</summary>
/// <remarks>xfs_dir3_free_hdr, 64 bytes.</remarks>
[StructLayout(LayoutKind.Sequential, Pack = 1)]
public struct DirectoryFreeHeader
{
    public const int Size = 64, CrcOffset = 4, LsnOffset = 16, UuidOffset = 24;
    /// <summary>Best free length of a data block that does not exist.</summary>
    public const ushort NullBest = 0xFFFF;

    public BigEndian32 Magic;
    public LittleEndian32 Crc;
    public BigEndian64 BlockNumber, Lsn;
    public Uuid Uuid;
    public BigEndian64 Owner;
    public BigEndian32 FirstDataBlock, ValidCount, UsedCount, Pad;

    public static ref DirectoryFreeHeader At(Span<byte> block) => ref MemoryMarshal.AsRef<DirectoryFreeHeader>(block);
    public static ref readonly DirectoryFreeHeader At(ReadOnlySpan<byte> block) => ref MemoryMarshal.AsRef<DirectoryFreeHeader>(block);
}

/// <summary>Header of a remote symlink block or a remote attribute value block.</summary>
/// <remarks>xfs_dsymlink_hdr and xfs_attr3_rmt_hdr share this layout of 56 bytes.</remarks>
[StructLayout(LayoutKind.Sequential, Pack = 1)]
public struct RemoteHeader
{
    public const int Size = 56, CrcOffset = 12, LsnOffset = 48, UuidOffset = 16;
    /// <summary>Longest symlink target in bytes.</summary>
    public const int MaxSymlink = 1023;

    /// <summary>Blocks that hold a symlink target outside the inode; more than these are never read.</summary>
    /// <param name="bytes">Of the target.</param>
    public static int SymlinkBlocks(int bytes, int blockSize) => (bytes + blockSize - Size - 1) / (blockSize - Size);

    public BigEndian32 Magic, Offset, Bytes;
    public LittleEndian32 Crc;
    public Uuid Uuid;
    public BigEndian64 Owner, BlockNumber, Lsn;

    public static ref RemoteHeader At(Span<byte> block) => ref MemoryMarshal.AsRef<RemoteHeader>(block);
    public static ref readonly RemoteHeader At(ReadOnlySpan<byte> block) => ref MemoryMarshal.AsRef<RemoteHeader>(block);
}
