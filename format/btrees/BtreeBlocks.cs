using System.Runtime.InteropServices;

namespace ImageFs.Format;

/// <summary>Magic numbers of the seven version 5 btrees.</summary>
public static class BtreeMagic
{
    public const uint Bnobt = 0x41423342, Cntbt = 0x41423343, Inobt = 0x49414233, Finobt = 0x46494233,
        Rmapbt = 0x524D4233, Refcountbt = 0x52334643, Bmbt = 0x424D4133;
}

/// <summary>Header of a btree block inside an allocation group: siblings are agbno, the owner is the group.</summary>
/// <remarks>xfs_btree_block with the short form, 56 bytes.</remarks>
[StructLayout(LayoutKind.Sequential, Pack = 1)]
public struct ShortBtreeHeader
{
    public const int Size = 56, CrcOffset = 52, LsnOffset = 24, UuidOffset = 32, BlockNumberOffset = 16, OwnerOffset = 48;

    public BigEndian32 Magic;
    public BigEndian16 Level, RecordCount;
    public BigEndian32 LeftSibling, RightSibling;
    public BigEndian64 BlockNumber, Lsn;
    public Uuid Uuid;
    public BigEndian32 Owner;
    public LittleEndian32 Crc;

    public static ref ShortBtreeHeader At(Span<byte> block) => ref MemoryMarshal.AsRef<ShortBtreeHeader>(block);
    public static ref readonly ShortBtreeHeader At(ReadOnlySpan<byte> block) => ref MemoryMarshal.AsRef<ShortBtreeHeader>(block);
}

/// <summary>Header of a bmbt block: siblings are fsbno, the owner is an inode.</summary>
/// <remarks>xfs_btree_block with the long form, 72 bytes.</remarks>
[StructLayout(LayoutKind.Sequential, Pack = 1)]
public struct LongBtreeHeader
{
    public const int Size = 72, CrcOffset = 64, LsnOffset = 32, UuidOffset = 40, BlockNumberOffset = 24, OwnerOffset = 56;

    public BigEndian32 Magic;
    public BigEndian16 Level, RecordCount;
    public BigEndian64 LeftSibling, RightSibling;
    public BigEndian64 BlockNumber, Lsn;
    public Uuid Uuid;
    public BigEndian64 Owner;
    public LittleEndian32 Crc;
    public BigEndian32 Pad;

    public static ref LongBtreeHeader At(Span<byte> block) => ref MemoryMarshal.AsRef<LongBtreeHeader>(block);
    public static ref readonly LongBtreeHeader At(ReadOnlySpan<byte> block) => ref MemoryMarshal.AsRef<LongBtreeHeader>(block);
}

/// <summary>A run of free blocks; record and key of bnobt and cntbt.</summary>
/// <remarks>xfs_alloc_rec.</remarks>
[StructLayout(LayoutKind.Sequential, Pack = 1)]
public struct FreeSpaceRecord
{
    public const int Size = 8;
    public BigEndian32 Start, Count;
}

/// <summary>Sixty-four inodes: which of them exist and which are free.</summary>
/// <remarks>
/// xfs_inobt_rec. With sparse inodes: holemask (bit i covers inodes 4i..4i+3; 1 = no blocks), count, freecount.
/// Without: the 32 bits at offset 4 are the free count; <see cref="FreeCountFull"/> reads them.
/// </remarks>
[StructLayout(LayoutKind.Sequential, Pack = 1)]
public struct InodeChunkRecord
{
    public const int Size = 16, InodesPerChunk = 64;
    public BigEndian32 Start;
    public BigEndian16 HoleMask;
    public byte Count, FreeCount;
    public BigEndian64 Free;

    /// <summary>ir_u.f.ir_freecount of a file system without sparse inodes.</summary>
    public uint FreeCountFull
    {
        readonly get => (uint)(HoleMask.Value << 16 | Count << 8 | FreeCount);
        set
        {
            HoleMask = (ushort)(value >> 16);
            Count = (byte)(value >> 8);
            FreeCount = (byte)value;
        }
    }
}

/// <summary>Who owns a run of blocks, and where in its owner the run begins.</summary>
/// <remarks>xfs_rmap_rec; the offset word holds the file block in bits 0..53 and the flags of <see cref="RmapFlags"/>.</remarks>
[StructLayout(LayoutKind.Sequential, Pack = 1)]
public struct RmapRecord
{
    public const int Size = 24, KeySize = 20;
    public BigEndian32 Start, Count;
    public BigEndian64 Owner, Offset;
}

/// <summary>Key of the rmapbt: the record without its length, the unwritten bit masked out.</summary>
/// <remarks>xfs_rmap_key.</remarks>
[StructLayout(LayoutKind.Sequential, Pack = 1)]
public struct RmapKey
{
    public const int Size = 20;
    public BigEndian32 Start;
    public BigEndian64 Owner, Offset;
}

/// <summary>Flags in the offset word of an rmap record.</summary>
public static class RmapFlags
{
    public const ulong AttributeFork = 1UL << 63, BmbtBlock = 1UL << 62, Unwritten = 1UL << 61;
    public const ulong OffsetMask = (1UL << 54) - 1;
    public const ulong Reserved = 0x1FC0000000000000;
}

/// <summary>Owners in the rmapbt that are no inode.</summary>
/// <remarks>XFS_RMAP_OWN_*.</remarks>
public static class RmapOwner
{
    public const ulong Null = unchecked((ulong)-1L), Unknown = unchecked((ulong)-2L), FileSystem = unchecked((ulong)-3L),
        Log = unchecked((ulong)-4L), AllocationGroup = unchecked((ulong)-5L), InodeBtree = unchecked((ulong)-6L),
        Inodes = unchecked((ulong)-7L), Refcount = unchecked((ulong)-8L), Cow = unchecked((ulong)-9L);

    /// <summary>Smallest special owner value that exists.</summary>
    public const ulong Lowest = Cow;

    /// <summary>True for an inode number, false for one of the constants above.</summary>
    public static bool IsInode(ulong owner) => (long)owner >= 0;

    /// <summary>The owner in words.</summary>
    public static string Name(ulong owner) => owner switch
    {
        Null => "nobody", Unknown => "unknown", FileSystem => "static metadata", Log => "log", AllocationGroup => "free-space btrees",
        InodeBtree => "inode btrees", Inodes => "inode chunks", Refcount => "refcount btree", Cow => "CoW staging",
        _ => IsInode(owner) ? $"inode {owner}" : $"invalid owner 0x{owner:x}",
    };
}

/// <summary>How often a run of blocks is mapped by data forks; absent means once. Bit 31 of the start marks CoW staging.</summary>
/// <remarks>xfs_refcount_rec.</remarks>
[StructLayout(LayoutKind.Sequential, Pack = 1)]
public struct RefcountRecord
{
    public const int Size = 12, KeySize = 4;
    public const uint CowFlag = 0x80000000;
    public const uint MaxRefcount = uint.MaxValue;
    public BigEndian32 Start, Count, Refcount;
}

/// <summary>One extent of a file: packed 128 bits in extent lists and bmbt leaves.</summary>
/// <remarks>
/// xfs_bmbt_rec: l0 bit 63 unwritten, bits 9..62 file block; l0 bits 0..8 and l1 bits 21..63 fsbno; l1 bits 0..20 length.
/// </remarks>
[StructLayout(LayoutKind.Sequential, Pack = 1)]
public struct PackedExtent
{
    public const int Size = 16;
    public BigEndian64 High, Low;

    public PackedExtent(in Extent extent)
    {
        High = (extent.Unwritten ? 1UL << 63 : 0) | extent.Offset.Value << 9 | extent.Start.Value >> 43;
        Low = extent.Start.Value << 21 | extent.Length;
    }

    /// <summary>The extent as plain numbers.</summary>
    public readonly Extent Unpack()
    {
        ulong high = High, low = Low;
        return new Extent(
            new FileBlock(high >> 9 & ((1UL << 54) - 1)),
            new FsBlock((high & 0x1FF) << 43 | low >> 21),
            (uint)(low & 0x1FFFFF),
            (high >> 63) != 0);
    }
}

/// <summary>A run of file blocks mapped to a run of device blocks of one allocation group.</summary>
/// <param name="Offset">First file block.</param>
/// <param name="Start">First device block.</param>
/// <param name="Length">Blocks, 1..<see cref="MaxLength"/>.</param>
/// <param name="Unwritten">Allocated but reads as zeros.</param>
public readonly record struct Extent(FileBlock Offset, FsBlock Start, uint Length, bool Unwritten)
{
    /// <summary>xfs MAXEXTLEN: 21 bits.</summary>
    public const uint MaxLength = (1 << 21) - 1;

    /// <summary>The file block behind the last one.</summary>
    public FileBlock End => Offset + Length;

    public override string ToString() => $"[{Offset}..{Offset.Value + Length - 1}] -> {Start} {(Unwritten ? "unwritten" : "written")}";
}

/// <summary>Root of a bmbt inside an inode fork: level and record count, then maxrecs keys, then pointers.</summary>
/// <remarks>xfs_bmdr_block.</remarks>
[StructLayout(LayoutKind.Sequential, Pack = 1)]
public struct BmbtInodeRoot
{
    public const int Size = 4;
    public BigEndian16 Level, RecordCount;

    /// <summary>How many key/pointer pairs fit a fork of that many bytes.</summary>
    public static int Capacity(int forkSize) => (forkSize - Size) / 16;
}
