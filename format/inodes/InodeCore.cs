using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace ImageFs.Format;

/// <summary>How a fork keeps its contents.</summary>
/// <remarks>xfs_dinode_fmt.</remarks>
public enum ForkFormat : byte
{
    Device = 0,
    Local = 1,
    Extents = 2,
    Btree = 3,
    Uuid = 4,
    MetaBtree = 5,
}

/// <summary>File types in the upper bits of the mode (POSIX).</summary>
public static class FileMode16
{
    public const ushort TypeMask = 0xF000, Fifo = 0x1000, CharDevice = 0x2000, Directory = 0x4000, BlockDevice = 0x6000,
        Regular = 0x8000, Symlink = 0xA000, Socket = 0xC000, PermissionMask = 0x0FFF;
    public const ushort SetUid = 0x800, SetGid = 0x400, Sticky = 0x200;
}

/// <summary>di_flags.</summary>
[Flags]
public enum InodeFlags : ushort
{
    None = 0, Realtime = 0x1, Preallocated = 0x2, NewRtBitmap = 0x4, Immutable = 0x8, Append = 0x10, Sync = 0x20, NoAtime = 0x40,
    NoDump = 0x80, RtInherit = 0x100, ProjectInherit = 0x200, NoSymlinks = 0x400, ExtentSize = 0x800, ExtentSizeInherit = 0x1000,
    NoDefrag = 0x2000, FileStream = 0x4000, Reserved = 0x8000,
}

/// <summary>di_flags2.</summary>
[Flags]
public enum InodeFlags2 : ulong
{
    None = 0, Dax = 0x1, Reflink = 0x2, CowExtentSize = 0x4, BigTime = 0x8, LargeExtentCounters = 0x10, Metadata = 0x20,
}

/// <summary>The fixed part of an inode; data fork and attribute fork share the bytes behind it.</summary>
/// <remarks>xfs_dinode version 3, 176 bytes.</remarks>
[StructLayout(LayoutKind.Sequential, Pack = 1)]
public struct InodeCore
{
    public const ushort MagicNumber = 0x494E;
    public const int Size = 176, CrcOffset = 100, LsnOffset = 112, NextUnlinkedOffset = 96, NumberOffset = 152, UuidOffset = 160;
    public const ulong MaxSize = (1UL << 63) - 1;

    public BigEndian16 Magic, Mode;
    public byte Version;
    public byte DataFormat;
    public BigEndian16 OldLinkCount;
    public BigEndian32 Uid, Gid, LinkCount;
    public BigEndian16 ProjectLow, ProjectHigh;
    public BigEndian64 BigExtentCount;
    public BigEndian64 AccessTime, ModifyTime, ChangeTime;
    public BigEndian64 FileSize, BlockCount;
    public BigEndian32 ExtentSizeHint;
    public BigEndian32 ExtentCount32;
    public BigEndian16 AttrExtentCount16;
    public byte ForkOffset;
    public byte AttrFormat;
    public BigEndian32 DmEventMask;
    public BigEndian16 DmState, RawFlags;
    public BigEndian32 Generation, NextUnlinked;
    public LittleEndian32 Crc;
    public BigEndian64 ChangeCount, Lsn, RawFlags2;
    public BigEndian32 CowExtentSizeHint;
    public Pad12 Padding;
    public BigEndian64 CreateTime, Number;
    public Uuid Uuid;

    public InodeFlags Flags { readonly get => (InodeFlags)RawFlags.Value; set => RawFlags = (ushort)value; }
    public InodeFlags2 Flags2 { readonly get => (InodeFlags2)RawFlags2.Value; set => RawFlags2 = (ulong)value; }
    public readonly bool Has(InodeFlags2 flag) => (Flags2 & flag) != 0;
    public readonly ushort Type => (ushort)(Mode.Value & FileMode16.TypeMask);
    public readonly bool IsDirectory => Type == FileMode16.Directory;
    public readonly bool IsRegular => Type == FileMode16.Regular;
    public readonly bool IsSymlink => Type == FileMode16.Symlink;

    public ForkFormat Format { readonly get => (ForkFormat)DataFormat; set => DataFormat = (byte)value; }
    public ForkFormat AttributeFormat { readonly get => (ForkFormat)AttrFormat; set => AttrFormat = (byte)value; }

    /// <summary>Extents of the data fork, wherever the counter lives (NREXT64 moves it).</summary>
    public ulong ExtentCount
    {
        readonly get => Has(InodeFlags2.LargeExtentCounters) ? BigExtentCount.Value : ExtentCount32.Value;
        set
        {
            if (Has(InodeFlags2.LargeExtentCounters)) BigExtentCount = value;
            else ExtentCount32 = checked((uint)value);
        }
    }

    /// <summary>Extents of the attribute fork, wherever the counter lives.</summary>
    public uint AttrExtentCount
    {
        readonly get => Has(InodeFlags2.LargeExtentCounters) ? ExtentCount32.Value : AttrExtentCount16.Value;
        set
        {
            if (Has(InodeFlags2.LargeExtentCounters)) ExtentCount32 = value;
            else AttrExtentCount16 = checked((ushort)value);
        }
    }

    /// <summary>The most extents a data fork can have.</summary>
    public const ulong MostExtents = (1UL << 48) - 1;

    /// <summary>The most extents the data fork's counter can hold.</summary>
    public readonly ulong MaxExtents => Has(InodeFlags2.LargeExtentCounters) ? MostExtents : (1UL << 31) - 1;

    /// <summary>The most extents the attribute fork's counter can hold.</summary>
    public readonly uint MaxAttrExtents => Has(InodeFlags2.LargeExtentCounters) ? uint.MaxValue : (1U << 15) - 1;

    /// <summary>Moves both counters to where they have more bits, if they are not there yet. The file system must have NREXT64.</summary>
    public void EnlargeExtentCounters()
    {
        if (Has(InodeFlags2.LargeExtentCounters)) return;
        (ulong data, uint attributes) = (ExtentCount, AttrExtentCount);
        Flags2 |= InodeFlags2.LargeExtentCounters;
        AttrExtentCount16 = 0; // padding now
        ExtentCount = data;
        AttrExtentCount = attributes;
    }

    /// <summary>di_projid.</summary>
    public uint ProjectId
    {
        readonly get => (uint)ProjectHigh.Value << 16 | ProjectLow.Value;
        set { ProjectHigh = (ushort)(value >> 16); ProjectLow = (ushort)value; }
    }

    /// <summary>Bytes of the data fork in an inode of <paramref name="inodeSize"/> bytes.</summary>
    public readonly int DataForkSize(int inodeSize) => ForkOffset != 0 ? ForkOffset * 8 : inodeSize - Size;
    /// <summary>Bytes of the attribute fork, 0 when there is none.</summary>
    public readonly int AttrForkSize(int inodeSize) => ForkOffset != 0 ? inodeSize - Size - ForkOffset * 8 : 0;

    public static ref InodeCore At(Span<byte> inode) => ref MemoryMarshal.AsRef<InodeCore>(inode);
    public static ref readonly InodeCore At(ReadOnlySpan<byte> inode) => ref MemoryMarshal.AsRef<InodeCore>(inode);

    /// <summary>Twelve reserved bytes.</summary>
    [InlineArray(12)]
    public struct Pad12 { private byte _first; }
}
