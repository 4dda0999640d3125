using System.Buffers.Binary;

namespace ImageFs.Format;

public static partial class BlockVerifier
{
    /// <summary>What must hold for all inodes of a cluster, free or not, before any of them is looked at.</summary>
    private static Fault? VerifyInodeCluster(ReadOnlySpan<byte> cluster, Geometry g)
    {
        for (int at = 0; at < cluster.Length; at += g.InodeMemorySize)
        {
            ref readonly InodeCore core = ref InodeCore.At(cluster.Slice(at, InodeCore.Size));
            if (core.Magic != InodeCore.MagicNumber)
                return new Fault($"inode[{at / g.InodeMemorySize}].magic", $"found 0x{core.Magic.Value:x4}, expected 0x{InodeCore.MagicNumber:x4}");
            if (core.Version != 3) return new Fault($"inode[{at / g.InodeMemorySize}].version", $"found {core.Version}, expected 3");
            uint next = core.NextUnlinked;
            if (next != uint.MaxValue && (next == 0 || next >= 1UL << (g.AgBlockLog + g.InodesPerBlockLog)))
                return new Fault($"inode[{at / g.InodeMemorySize}].next_unlinked", $"found {next}, expected an inode of the group or all ones");
        }
        return null;
    }

    /// <summary>Checks one inode, checksum first; free inodes (mode 0) only for identity.</summary>
    /// <remarks>The rules of xfs_dinode_verify as section 4 of the format describes them; forks are checked when they are walked.</remarks>
    public static Fault? VerifyInode(ReadOnlySpan<byte> inode, Geometry g, InodeNumber number)
    {
        if (!Crc32c.IsValid(inode, InodeCore.CrcOffset))
        {
            uint stored = BinaryPrimitives.ReadUInt32LittleEndian(inode[InodeCore.CrcOffset..]);
            return new Fault("crc", $"found 0x{stored:x8}, the inode's checksum is 0x{Crc32c.Compute(inode, InodeCore.CrcOffset):x8}", IsChecksum: true);
        }
        return VerifyInodeStructure(inode, g, number);
    }

    /// <summary>Everything <see cref="VerifyInode"/> checks but the checksum.</summary>
    public static Fault? VerifyInodeStructure(ReadOnlySpan<byte> inode, Geometry g, InodeNumber number)
    {
        ref readonly InodeCore core = ref InodeCore.At(inode);
        if (core.Magic != InodeCore.MagicNumber) return Differs("magic", core.Magic, InodeCore.MagicNumber);
        if (core.Version != 3) return Differs("version", core.Version, 3);
        if (core.Number != number.Value) return Differs("ino", core.Number, number.Value);
        if (ExpectUuid(inode[InodeCore.UuidOffset..], g) is Fault foreign) return foreign;
        if (core.FileSize.Value >> 63 != 0) return new Fault("size", $"found 0x{core.FileSize.Value:x}, bit 63 must be clear");
        if (core.Mode == 0) return null;

        ushort type = core.Type;
        bool known = type is FileMode16.Regular or FileMode16.Directory or FileMode16.Symlink or FileMode16.CharDevice
            or FileMode16.BlockDevice or FileMode16.Fifo or FileMode16.Socket;
        if (!known) return new Fault("mode", $"found 0{Convert.ToString(core.Mode.Value, 8)}, no file type");
        bool device = type is FileMode16.CharDevice or FileMode16.BlockDevice or FileMode16.Fifo or FileMode16.Socket;
        int literal = g.InodeMemorySize - InodeCore.Size;
        if (core.OldLinkCount != 0) return new Fault("onlink", $"found {core.OldLinkCount}, expected 0");
        if (core.ForkOffset * 8 >= literal) return new Fault("forkoff", $"found {core.ForkOffset}, the literal area has {literal / 8}");
        if (device && core.ForkOffset is not (0 or 1)) return new Fault("forkoff", $"found {core.ForkOffset}, a device has 0 or 1");

        bool large = core.Has(InodeFlags2.LargeExtentCounters);
        if (large && !g.HasLargeExtentCounters) return new Fault("flags2", "nrext64 on a file system without that feature");
        if (large && core.AttrExtentCount16 != 0) return new Fault("nrext64_pad", $"found {core.AttrExtentCount16}, expected 0");
        if (!large && core.BigExtentCount != 0) return new Fault("v3.pad", $"found {core.BigExtentCount}, expected 0 without nrext64");
        if (core.Has(InodeFlags2.BigTime) && !g.HasBigTime) return new Fault("flags2", "bigtime on a file system without that feature");

        ulong extents = core.ExtentCount;
        ulong all = extents + core.AttrExtentCount;
        if (extents > core.MaxExtents) return new Fault("nextents", $"found {extents}, at most {core.MaxExtents} possible");
        if (all > core.BlockCount) return new Fault("nextents", $"{all} extents in {core.BlockCount} blocks");
        // A file that shares a block with itself counts it as often as it maps it.
        if (core.BlockCount > g.DataBlocks && !core.Has(InodeFlags2.Reflink)) return new Fault("nblocks", $"found {core.BlockCount}, the device has {g.DataBlocks}");

        if (VerifyDataFork(in core, g, type, extents) is Fault data) return data;
        if (VerifyAttrFork(in core, g) is Fault attributes) return attributes;

        InodeFlags flags = core.Flags;
        bool regular = type == FileMode16.Regular, directory = type == FileMode16.Directory;
        if (core.Has(InodeFlags2.Reflink))
        {
            if (!g.HasReflink) return new Fault("flags2", "reflink on a file system without that feature");
            if (!regular || (flags & InodeFlags.Realtime) != 0) return new Fault("flags2", "reflink on an inode that is no regular file of the data device");
        }
        uint most = Math.Min(Extent.MaxLength, g.AgBlocks / 2);
        bool hinted = (flags & (InodeFlags.ExtentSize | InodeFlags.ExtentSizeInherit)) != 0;
        if ((flags & InodeFlags.Realtime) == 0)
        {
            if (hinted != (core.ExtentSizeHint != 0)) return new Fault("extsize", $"found {core.ExtentSizeHint}, flags are {flags}");
            if (core.ExtentSizeHint > most) return new Fault("extsize", $"found {core.ExtentSizeHint}, at most {most} blocks");
        }
        if ((flags & InodeFlags.ExtentSize) != 0 && !regular) return new Fault("flags", "extsize on an inode that is no regular file");
        if ((flags & InodeFlags.ExtentSizeInherit) != 0 && !directory) return new Fault("flags", "extszinherit on an inode that is no directory");
        bool cowHinted = core.Has(InodeFlags2.CowExtentSize);
        if (cowHinted && (!g.HasReflink || !(regular || directory))) return new Fault("flags2", "cowextsize where nothing can be shared");
        if (cowHinted != (core.CowExtentSizeHint != 0)) return new Fault("cowextsize", $"found {core.CowExtentSizeHint}, flags2 are {core.Flags2}");
        return ExpectAtMost("cowextsize", core.CowExtentSizeHint, most);
    }

    private static Fault? VerifyDataFork(in InodeCore core, Geometry g, ushort type, ulong extents)
    {
        int fork = core.DataForkSize(g.InodeMemorySize);
        switch (core.Format)
        {
            case ForkFormat.Device:
                if (type is FileMode16.Regular or FileMode16.Directory or FileMode16.Symlink)
                    return new Fault("format", "dev, but the inode is no device");
                return Expect("nextents", extents, 0);
            case ForkFormat.Local:
                if (type is not (FileMode16.Directory or FileMode16.Symlink)) return new Fault("format", "local, but the inode is no directory or symlink");
                if (core.FileSize > (ulong)fork) return new Fault("size", $"{core.FileSize} bytes inline, the fork has {fork}");
                if (type == FileMode16.Symlink && core.FileSize == 0 && core.LinkCount != 0) return new Fault("size", "an empty symlink");
                return Expect("nextents", extents, 0);
            case ForkFormat.Extents:
                if (type is not (FileMode16.Regular or FileMode16.Directory or FileMode16.Symlink)) return new Fault("format", "extents on a device");
                if (type == FileMode16.Directory && core.FileSize <= (ulong)fork && core.FileSize > 0) return new Fault("format", "extents, but the directory fits inline");
                if (type == FileMode16.Symlink && core.FileSize > RemoteHeader.MaxSymlink) return new Fault("size", $"a symlink of {core.FileSize} bytes");
                return ExpectAtMost("nextents", extents, (ulong)(fork / PackedExtent.Size));
            case ForkFormat.Btree:
                if (type is not (FileMode16.Regular or FileMode16.Directory)) return new Fault("format", "btree on an inode that is no file or directory");
                return extents > (ulong)(fork / PackedExtent.Size) ? null : (Fault?)new Fault("format", $"btree, but {extents} extents fit inline");
            default:
                return new Fault("format", $"found {core.DataFormat}, unknown");
        }
    }

    private static Fault? VerifyAttrFork(in InodeCore core, Geometry g)
    {
        uint extents = core.AttrExtentCount;
        int fork = core.AttrForkSize(g.InodeMemorySize);
        if (core.ForkOffset == 0)
        {
            if (core.AttributeFormat is not (ForkFormat.Device or ForkFormat.Extents)) return new Fault("aformat", $"found {core.AttrFormat} without an attribute fork");
            return Expect("anextents", extents, 0);
        }
        return core.AttributeFormat switch
        {
            ForkFormat.Local => Expect("anextents", extents, 0),
            ForkFormat.Extents => ExpectAtMost("anextents", extents, (ulong)(fork / PackedExtent.Size)),
            ForkFormat.Btree => extents > (uint)(fork / PackedExtent.Size) ? null : (Fault?)new Fault("aformat", $"btree, but {extents} extents fit inline"),
            _ => new Fault("aformat", $"found {core.AttrFormat}, unknown"),
        };
    }
}
