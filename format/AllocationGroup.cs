using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace ImageFs.Format;

/// <summary>Head of a group's free space: roots of the free-space, reverse map and refcount btrees, the free list and the counters.</summary>
/// <remarks>xfs_agf, sector 1 of the group; the rest of the sector is zero.</remarks>
[StructLayout(LayoutKind.Sequential, Pack = 1)]
public struct Agf
{
    public const uint MagicNumber = 0x58414746;
    public const int Size = 224, CrcOffset = 216, LsnOffset = 208, UuidOffset = 64;

    public BigEndian32 Magic, Version, SequenceNumber, Length;
    public BigEndian32 BnoRoot, CntRoot, RmapRoot;
    public BigEndian32 BnoLevel, CntLevel, RmapLevel;
    public BigEndian32 FreeListFirst, FreeListLast, FreeListCount;
    public BigEndian32 FreeBlocks, Longest, BtreeBlocks;
    public Uuid Uuid;
    public BigEndian32 RmapBlocks, RefcountBlocks, RefcountRoot, RefcountLevel;
    public Spare112 Spare;
    public BigEndian64 Lsn;
    public LittleEndian32 Crc;
    public BigEndian32 Spare2;

    public static ref Agf At(Span<byte> sector) => ref MemoryMarshal.AsRef<Agf>(sector);
    public static ref readonly Agf At(ReadOnlySpan<byte> sector) => ref MemoryMarshal.AsRef<Agf>(sector);

    /// <summary>agf_spare64.</summary>
    [InlineArray(112)]
    public struct Spare112 { private byte _first; }
}

/// <summary>Head of a group's inodes: roots of the inode btrees, the counters and the lists of unlinked inodes.</summary>
/// <remarks>xfs_agi, sector 2 of the group.</remarks>
[StructLayout(LayoutKind.Sequential, Pack = 1)]
public struct Agi
{
    public const uint MagicNumber = 0x58414749;
    public const int Size = 344, CrcOffset = 312, LsnOffset = 320, UuidOffset = 296, BucketCount = 64, BucketsOffset = 40;

    public BigEndian32 Magic, Version, SequenceNumber, Length;
    public BigEndian32 Count, Root, Level, FreeCount, NewInode, DirectoryInode;
    public Buckets64 Unlinked;
    public Uuid Uuid;
    public LittleEndian32 Crc;
    public BigEndian32 Pad;
    public BigEndian64 Lsn;
    public BigEndian32 FreeRoot, FreeLevel, InodeBtreeBlocks, FreeInodeBtreeBlocks;

    public static ref Agi At(Span<byte> sector) => ref MemoryMarshal.AsRef<Agi>(sector);
    public static ref readonly Agi At(ReadOnlySpan<byte> sector) => ref MemoryMarshal.AsRef<Agi>(sector);

    /// <summary>agi_unlinked: heads of 64 hash lists of inodes without a name; bucket is agino mod 64.</summary>
    [InlineArray(BucketCount)]
    public struct Buckets64 { private BigEndian32 _first; }
}

/// <summary>Header of the sector that lists blocks kept ready for the free-space and reverse map btrees.</summary>
/// <remarks>
/// xfs_agfl, sector 3 of the group; the slots (agbno or all ones) follow the header.
/// Always true of a free list: flcount blocks from flfirst on, wrapping; none of them is in a free-space tree;
/// all belong to owner AG in the reverse map; unused slots are NULL or any block number inside the group.
/// </remarks>
[StructLayout(LayoutKind.Sequential, Pack = 1)]
public struct AgflHeader
{
    public const uint MagicNumber = 0x5841464C;
    public const int Size = 36, CrcOffset = 32, LsnOffset = 24, UuidOffset = 8;

    public BigEndian32 Magic, SequenceNumber;
    public Uuid Uuid;
    public BigEndian64 Lsn;
    public LittleEndian32 Crc;

    public static ref AgflHeader At(Span<byte> sector) => ref MemoryMarshal.AsRef<AgflHeader>(sector);
    public static ref readonly AgflHeader At(ReadOnlySpan<byte> sector) => ref MemoryMarshal.AsRef<AgflHeader>(sector);

    /// <summary>The slots behind the header.</summary>
    public static Span<BigEndian32> Slots(Span<byte> sector) => MemoryMarshal.Cast<byte, BigEndian32>(sector[Size..]);
    /// <inheritdoc cref="Slots(Span{byte})"/>
    public static ReadOnlySpan<BigEndian32> Slots(ReadOnlySpan<byte> sector) => MemoryMarshal.Cast<byte, BigEndian32>(sector[Size..]);
}
