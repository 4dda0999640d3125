using ImageFs.Devices;

namespace ImageFs.Mkfs;

/// <summary>Recognises what somebody might miss: file systems, partition tables, volumes and disk images of other kinds.</summary>
internal static class Signatures
{
    /// <param name="Offset">Bytes from the start, or from the end if negative.</param>
    /// <param name="Magic">What stands there.</param>
    /// <param name="Name">What that is.</param>
    private sealed record Signature(long Offset, byte[] Magic, string Name);

    private static readonly Signature[] Known =
    [
        At(0, "XFSB"u8, "an XFS file system"),
        At(1080, [0x53, 0xEF], "an ext2, ext3 or ext4 file system"),
        At(65600, "_BHRfS_M"u8, "a btrfs file system"),
        At(4096 + 24, [0xC6, 0x85, 0x73, 0xF6, 0x4E, 0x1A, 0x45, 0xCA, 0x82, 0x65, 0xF5, 0x7F, 0x48, 0xBA, 0x6D, 0x81], "a bcache or bcachefs volume"),
        At(4096 + 24, [0xC6, 0x85, 0x73, 0xF6, 0x66, 0xCE, 0x90, 0xA9, 0xD9, 0x6A, 0x60, 0xCF, 0x80, 0x3D, 0xF7, 0xEF], "a bcachefs file system"),
        At(1024, [0x10, 0x20, 0xF5, 0xF2], "an F2FS file system"),
        At(1024, [0xE2, 0xE1, 0xF5, 0xE0], "an EROFS file system"),
        At(1030, [0x34, 0x34], "a NILFS2 file system"),
        At(1024, "H+"u8, "an HFS+ file system"),
        At(1024, "HX"u8, "an HFSX file system"),
        At(1024, "BD"u8, "an HFS file system"),
        At(32, "NXSB"u8, "an APFS container"),
        At(65588, "ReIsErFs"u8, "a ReiserFS file system"),
        At(65588, "ReIsEr2Fs"u8, "a ReiserFS file system"),
        At(65588, "ReIsEr3Fs"u8, "a ReiserFS file system"),
        At(65536, "ReIsEr4"u8, "a Reiser4 file system"),
        At(32768, "JFS1"u8, "a JFS file system"),
        At(65536, [0x19, 0x01, 0x16, 0x01], "a GFS2 file system"),
        At(65536, [0x01, 0x16, 0x19, 0x70], "a GFS2 file system"),
        At(8192, "OCFSV2"u8, "an OCFS2 file system"),
        At(0, "hsqs"u8, "a SquashFS image"),
        At(0, [0x45, 0x3D, 0xCD, 0x28], "a cramfs image"),
        At(0, "-rom1fs-"u8, "a romfs image"),
        At(32769, "CD001"u8, "an ISO 9660 file system"),
        At(32769, "BEA01"u8, "a UDF file system"),
        At(3, "NTFS    "u8, "an NTFS file system"),
        At(3, "EXFAT   "u8, "an exFAT file system"),
        At(3, "ReFS"u8, "a ReFS file system"),
        At(54, "FAT12   "u8, "a FAT file system"),
        At(54, "FAT16   "u8, "a FAT file system"),
        At(82, "FAT32   "u8, "a FAT file system"),
        At(131072, [0x0C, 0xB1, 0xBA, 0, 0, 0, 0, 0], "a ZFS pool"),
        At(131072, [0, 0, 0, 0, 0, 0xBA, 0xB1, 0x0C], "a ZFS pool"),
        At(4086, "SWAPSPACE2"u8, "a swap area"),
        At(8182, "SWAPSPACE2"u8, "a swap area"),
        At(16374, "SWAPSPACE2"u8, "a swap area"),
        At(65526, "SWAPSPACE2"u8, "a swap area"),
        At(4086, "SWAP-SPACE"u8, "a swap area"),
        At(512, "EFI PART"u8, "a partition table (GPT)"),
        At(4096, "EFI PART"u8, "a partition table (GPT)"),
        At(-512, "EFI PART"u8, "the backup of a partition table (GPT)"),
        At(-4096, "EFI PART"u8, "the backup of a partition table (GPT)"),
        At(0, [.. "LUKS"u8, 0xBA, 0xBE], "an encrypted volume (LUKS)"),
        At(0, "-FVE-FS-"u8, "an encrypted volume (BitLocker)"),
        At(3, "-FVE-FS-"u8, "an encrypted volume (BitLocker)"),
        At(0, "LABELONE"u8, "an LVM physical volume"),
        At(512, "LABELONE"u8, "an LVM physical volume"),
        At(1024, "LABELONE"u8, "an LVM physical volume"),
        At(1536, "LABELONE"u8, "an LVM physical volume"),
        At(0, [0xFC, 0x4E, 0x2B, 0xA9], "a member of a RAID (MD)"),
        At(4096, [0xFC, 0x4E, 0x2B, 0xA9], "a member of a RAID (MD)"),
        At(0, [.. "QFI"u8, 0xFB], "a disk image in the QCOW format"),
        At(0, "KDMV"u8, "a disk image in the VMDK format"),
        At(0, "vhdxfile"u8, "a disk image in the VHDX format"),
        At(-512, "conectix"u8, "a disk image in the VHD format"),
        At(64, [0x7F, 0x10, 0xDA, 0xBE], "a disk image in the VDI format"),
    ];

    private static Signature At(long offset, ReadOnlySpan<byte> magic, string name) => new(offset, magic.ToArray(), name);

    /// <summary>The name of what the device holds, or null if nothing is recognised.</summary>
    public static string? Find(BlockDevice device)
    {
        byte[] start = new byte[Math.Min(device.Length, 132 * 1024)], end = new byte[Math.Min(device.Length, 128 * 1024)];
        device.Read(0, start);
        device.Read(device.Length - end.Length, end);
        foreach (Signature s in Known)
        {
            byte[] where = s.Offset < 0 ? end : start;
            long at = s.Offset < 0 ? end.Length + s.Offset : s.Offset;
            if (at >= 0 && at + s.Magic.Length <= where.Length && where.AsSpan((int)at, s.Magic.Length).SequenceEqual(s.Magic)) return s.Name;
        }
        // A RAID superblock of the oldest kind stands in the last whole 64 KiB but one.
        long raid = (device.Length & ~0xFFFFL) - 0x10000 - (device.Length - end.Length);
        if (raid >= 0 && raid + 4 <= end.Length && end.AsSpan((int)raid, 4).SequenceEqual<byte>([0xFC, 0x4E, 0x2B, 0xA9])) return "a member of a RAID (MD)";
        return HasPartitions(start) ? "a partition table (MBR)" : null;
    }

    /// <summary>The mark of a boot sector alone says little; entries that make sense do.</summary>
    private static bool HasPartitions(ReadOnlySpan<byte> start)
    {
        if (start.Length < 512 || start[510] != 0x55 || start[511] != 0xAA) return false;
        bool any = false;
        for (int entry = 446; entry < 510; entry += 16)
        {
            if ((start[entry] & 0x7F) != 0) return false;
            any |= start[entry + 4] != 0 && start.Slice(entry + 12, 4).ContainsAnyExcept((byte)0);
        }
        return any;
    }
}
