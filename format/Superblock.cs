using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace ImageFs.Format;

/// <summary>The superblock, first sector of every allocation group; only the one of group 0 is read at mount.</summary>
/// <remarks>xfs_dsb (304 bytes since zoned devices; the rest of the sector is zero).</remarks>
[StructLayout(LayoutKind.Sequential, Pack = 1)]
public struct Superblock
{
    public const uint MagicNumber = 0x58465342;
    public const int Size = 304;
    public const int CrcOffset = 224;
    public const int LsnOffset = 240;
    public const int MinBlockSize = 1024, MaxBlockSize = 65536;
    /// <summary>XFS_OQUOTA_ENFD and XFS_OQUOTA_CHKD in sb_qflags: version 4 has them, and nobody mounts a version 5 that does.</summary>
    public const ushort OldQuotaFlags = 0x30;

    public BigEndian32 Magic;
    public BigEndian32 BlockSize;
    public BigEndian64 DataBlocks, RealtimeBlocks, RealtimeExtents;
    public Uuid Uuid;
    public BigEndian64 LogStart, RootInode, RealtimeBitmapInode, RealtimeSummaryInode;
    public BigEndian32 RealtimeExtentSize, AgBlocks, AgCount, RealtimeBitmapBlocks, LogBlocks;
    public BigEndian16 VersionNumber, SectorSize, InodeSize, InodesPerBlock;
    public Label12 Label;
    public byte BlockLog, SectorLog, InodeLog, InodesPerBlockLog, AgBlockLog, RealtimeExtentsLog, InProgress, InodeMaxPercent;
    public BigEndian64 InodeCount, FreeInodes, FreeDataBlocks, FreeRealtimeExtents;
    public BigEndian64 UserQuotaInode, GroupQuotaInode;
    public BigEndian16 QuotaFlags;
    public byte Flags, SharedVersion;
    public BigEndian32 InodeAlignment, StripeUnit, StripeWidth;
    public byte DirectoryBlockLog, LogSectorLog;
    public BigEndian16 LogSectorSize;
    public BigEndian32 LogStripeUnit, Features2, BadFeatures2;
    public BigEndian32 FeaturesCompat, FeaturesRoCompat, FeaturesIncompat, FeaturesLogIncompat;
    public LittleEndian32 Crc;
    public BigEndian32 SparseInodeAlignment;
    public BigEndian64 ProjectQuotaInode, Lsn;
    public Uuid MetaUuid;
    public BigEndian64 MetadataDirectoryInode;
    public BigEndian32 RealtimeGroupCount, RealtimeGroupExtents;
    public byte RealtimeGroupBlockLog;
    public Pad7 Padding;
    public BigEndian64 RealtimeStart, RealtimeReserved;

    public readonly int Version => VersionNumber.Value & 0xF;
    public readonly VersionBits VersionBits => (VersionBits)(VersionNumber.Value & 0xFFF0);
    public readonly RoCompatFeatures RoCompat => (RoCompatFeatures)FeaturesRoCompat.Value;
    public readonly IncompatFeatures Incompat => (IncompatFeatures)FeaturesIncompat.Value;
    public readonly bool Has(RoCompatFeatures feature) => (RoCompat & feature) != 0;
    public readonly bool Has(IncompatFeatures feature) => (Incompat & feature) != 0;

    /// <summary>The UUID that metadata blocks carry: meta_uuid where that feature is on, else the file system's.</summary>
    public readonly Uuid MetadataUuid => Has(IncompatFeatures.MetaUuid) ? MetaUuid : Uuid;

    /// <summary>The superblock laid over a sector.</summary>
    public static ref Superblock At(Span<byte> sector) => ref MemoryMarshal.AsRef<Superblock>(sector);
    /// <inheritdoc cref="At(Span{byte})"/>
    public static ref readonly Superblock At(ReadOnlySpan<byte> sector) => ref MemoryMarshal.AsRef<Superblock>(sector);

    /// <summary>sb_fname: twelve bytes, not terminated when full.</summary>
    [InlineArray(12)]
    public struct Label12
    {
        private byte _first;
        public override readonly string ToString()
        {
            ReadOnlySpan<byte> bytes = this;
            int end = bytes.IndexOf((byte)0);
            return System.Text.Encoding.Latin1.GetString(end < 0 ? bytes : bytes[..end]);
        }
    }

    /// <summary>Seven reserved bytes.</summary>
    [InlineArray(7)]
    public struct Pad7 { private byte _first; }
}
