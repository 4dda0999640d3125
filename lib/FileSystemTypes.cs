using ImageFs.Format;

namespace ImageFs;

/// <summary>Blocks and inodes of an image.</summary>
/// <param name="BlockSize">Bytes of a block.</param>
/// <param name="Blocks">Blocks of the data device without the log.</param>
/// <param name="FreeBlocks">sb_fdblocks: free extents, free lists and what the free-space trees hold.</param>
/// <param name="Inodes">Allocated inodes, in use or not.</param>
/// <param name="FreeInodes">Allocated inodes not in use.</param>
/// <param name="AvailableBlocks">What statfs gives as f_bfree and f_bavail: free blocks without what the kernel keeps for its trees and for itself.</param>
/// <param name="Files">f_files: inodes that exist or could still be made.</param>
/// <param name="FreeFiles">f_ffree: those not in use.</param>
public readonly record struct FileSystemStatistics(int BlockSize, ulong Blocks, ulong FreeBlocks, ulong Inodes, ulong FreeInodes,
    ulong AvailableBlocks, ulong Files, ulong FreeFiles);

/// <summary>What a rename does with the names on both sides (renameat2).</summary>
public enum RenameMode
{
    /// <summary>A name that is there is replaced, if it may be.</summary>
    Replace,
    /// <summary>A name that is there makes it fail with EEXIST (RENAME_NOREPLACE).</summary>
    NoReplace,
    /// <summary>Both names exist and change places (RENAME_EXCHANGE).</summary>
    Exchange,
    /// <summary>The old name becomes a whiteout: a character device 0:0 (RENAME_WHITEOUT).</summary>
    Whiteout,
}

/// <summary>One name in a directory.</summary>
public sealed class DirectoryItem
{
    internal DirectoryItem(byte[] name, InodeNumber inode, DirectoryFileType type)
    {
        NameBytes = name;
        Inode = inode;
        Type = type;
    }

    /// <summary>The name as text, see <see cref="NameText"/>.</summary>
    public string Name => NameText.FromBytes(NameBytes);

    /// <summary>The name as it lies on disk, 1..255 bytes.</summary>
    public byte[] NameBytes { get; }

    /// <summary>The inode it names.</summary>
    public InodeNumber Inode { get; }

    /// <summary>The type as the directory tells it; unknown without the ftype feature.</summary>
    public DirectoryFileType Type { get; }

    /// <inheritdoc/>
    public override string ToString() => Name;
}

/// <summary>What an inode tells about a file (stat).</summary>
public sealed record Entry
{
    /// <summary>Its number.</summary>
    public required InodeNumber Inode { get; init; }
    /// <summary>File type and permission bits, see <see cref="FileMode16"/>.</summary>
    public required ushort Mode { get; init; }
    /// <summary>Owner.</summary>
    public required uint Uid { get; init; }
    /// <summary>Group.</summary>
    public required uint Gid { get; init; }
    /// <summary>Names; for directories, subdirectories plus two.</summary>
    public required uint LinkCount { get; init; }
    /// <summary>Bytes.</summary>
    public required long Length { get; init; }
    /// <summary>Blocks of both forks and their btrees.</summary>
    public required ulong Blocks { get; init; }
    /// <summary>Changes when the number is used again.</summary>
    public required uint Generation { get; init; }
    /// <summary>Project, for quotas.</summary>
    public required uint ProjectId { get; init; }
    /// <summary>Last access.</summary>
    public required Timestamp Accessed { get; init; }
    /// <summary>Last change of contents.</summary>
    public required Timestamp Modified { get; init; }
    /// <summary>Last change of the inode.</summary>
    public required Timestamp Changed { get; init; }
    /// <summary>Birth.</summary>
    public required Timestamp Created { get; init; }
    /// <summary>di_flags.</summary>
    public required InodeFlags Flags { get; init; }
    /// <summary>di_flags2.</summary>
    public required InodeFlags2 Flags2 { get; init; }
    /// <summary>How the data fork keeps its contents.</summary>
    public required ForkFormat DataFormat { get; init; }
    /// <summary>Extents of the data fork.</summary>
    public required ulong ExtentCount { get; init; }
    /// <summary>Major number of a device.</summary>
    public uint DeviceMajor { get; init; }
    /// <summary>Minor number of a device.</summary>
    public uint DeviceMinor { get; init; }

    /// <summary>The type bits of the mode.</summary>
    public ushort Type => (ushort)(Mode & FileMode16.TypeMask);
    /// <summary>True for a directory.</summary>
    public bool IsDirectory => Type == FileMode16.Directory;
    /// <summary>True for a regular file.</summary>
    public bool IsRegular => Type == FileMode16.Regular;
    /// <summary>True for a symlink.</summary>
    public bool IsSymbolicLink => Type == FileMode16.Symlink;
}

/// <summary>A run of a file's bytes and where it lies in the image.</summary>
/// <param name="Offset">Bytes from the start of the file.</param>
/// <param name="Length">Bytes.</param>
/// <param name="Physical">Bytes from the start of the image.</param>
/// <param name="Unwritten">Allocated, reads as zeros.</param>
/// <param name="Shared">Another file, or another place of this one, maps the same blocks.</param>
public readonly record struct FileExtent(long Offset, long Length, long Physical, bool Unwritten, bool Shared);
