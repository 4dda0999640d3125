using ImageFs.Directories;
using ImageFs.Extents;
using ImageFs.Format;
using ImageFs.Inodes;
using ImageFs.Metadata;
using ImageFs.Transactions;

namespace ImageFs.Attributes;

// The literal area of an inode holds both forks: the data fork from its start, the attribute fork from forkoff on. The
// boundary moves down while attributes inside the inode grow, as long as the data fork keeps what it holds and a btree root
// of three children. It moves up when they leave for a leaf, to the usual place at most, and when the last one goes.

/// <summary>Where the attribute fork begins: made, moved and dropped by the kernel's rules.</summary>
internal static class AttributeFork
{
    /// <summary>A data fork can hold a btree root of three children, an attribute fork one of two.</summary>
    private const int LeastData = BmbtInodeRoot.Size + 3 * 16, LeastAttributes = BmbtInodeRoot.Size + 2 * 16;

    /// <summary>forkoff of an attribute fork whose contents do not matter yet.</summary>
    private const int UsualOffset = (BmbtInodeRoot.Size + 12 * 16) / 8;

    /// <summary>forkoff of a device: its number needs 8 bytes.</summary>
    private const int DeviceOffset = 1;

    private static int Area(Inode inode) => inode.Geometry.InodeSize - InodeCore.Size;

    /// <summary>The boundary that leaves so many bytes for attributes inside the inode.</summary>
    /// <param name="offset">forkoff, units of 8 bytes.</param>
    /// <returns>False if they do not fit.</returns>
    /// <remarks>xfs_attr_shortform_bytesfit.</remarks>
    public static bool TryFit(Inode inode, int bytes, out int offset)
    {
        ref readonly InodeCore core = ref inode.Core;
        int area = Area(inode), wanted = bytes > area ? 0 : (area - bytes) / 8;
        offset = 0;
        if (core.Format == ForkFormat.Device)
        {
            offset = DeviceOffset;
            return wanted >= DeviceOffset;
        }
        bool exists = core.ForkOffset != 0;
        if (exists && bytes <= core.AttrForkSize(inode.Geometry.InodeSize))
        {
            offset = core.ForkOffset;
            return true;
        }
        int data;
        switch (core.Format)
        {
            case ForkFormat.Extents:
                data = (int)core.ExtentCount * PackedExtent.Size;
                // A list this long is about to become a btree, whose root is small.
                if (!exists && data > UsualOffset * 8) data = LeastData;
                break;
            case ForkFormat.Btree when exists:
                return false; // the root's pointers would have to move
            case ForkFormat.Btree:
                data = BmbtInodeRoot.Size + 16 * RootCount(inode);
                break;
            default:
                data = (int)core.FileSize.Value;
                break;
        }
        int least = (Math.Max(data, LeastData) + 7) / 8, most = (area - LeastAttributes) / 8;
        offset = Math.Min(wanted, most);
        return wanted >= most || wanted >= least;
    }

    private static int RootCount(Inode inode) => System.Buffers.Binary.BinaryPrimitives.ReadUInt16BigEndian(inode.Fork(ForkKind.Data)[2..]);

    /// <summary>Gives an inode without attributes an empty attribute fork, with room for so many bytes inside the inode if that can be.</summary>
    /// <param name="bytes">0 for a fork of the usual size.</param>
    public static void Create(Transaction tx, AttributeStorage fork, int bytes)
    {
        Inode inode = fork.Inode;
        Invariant.Holds(inode.Core.ForkOffset == 0, "an inode has one attribute fork");
        int offset = inode.Core.Format == ForkFormat.Device ? DeviceOffset : UsualOffset;
        if (bytes > 0 && TryFit(inode, bytes, out int fit)) offset = fit;
        MakeRoom(tx, fork, offset * 8);
        Span<byte> inodeBytes = inode.ModifyBytes(tx);
        ref InodeCore core = ref InodeCore.At(inodeBytes);
        inodeBytes[(InodeCore.Size + offset * 8)..].Clear();
        core.ForkOffset = (byte)offset;
        core.AttributeFormat = ForkFormat.Extents;
        core.AttrExtentCount = 0;
        AnnounceAttributes(tx, inode.Geometry);
    }

    /// <summary>Sees to it that the data fork needs no more than so many bytes.</summary>
    private static void MakeRoom(Transaction tx, AttributeStorage fork, int bytes)
    {
        Inode inode = fork.Inode;
        switch (inode.Core.Format)
        {
            case ForkFormat.Local when inode.Core.FileSize <= (ulong)bytes:
                break;
            case ForkFormat.Local when inode.IsDirectory:
                BlockForm.FromShort(tx, new DirectoryStorage(fork.Home.Groups, fork.Home.Map, inode));
                break;
            case ForkFormat.Local:
                SymlinkTarget.MoveOut(tx, fork.Home.Groups, fork.Home.Map, inode);
                break;
            case ForkFormat.Extents or ForkFormat.Btree:
                fork.Home.Map.ShrinkDataFork(tx, inode, bytes);
                break;
        }
    }

    /// <summary>The superblock says whether there may be attributes at all.</summary>
    private static void AnnounceAttributes(Transaction tx, Geometry geometry)
    {
        MetadataBuffer buffer = tx.Read(0, geometry.SectorSize, BlockKind.Superblock);
        if ((Superblock.At(buffer.Data).VersionBits & VersionBits.Attributes) != 0) return;
        ref Superblock sb = ref Superblock.At(tx.Modify(buffer));
        sb.VersionNumber = (ushort)(sb.VersionNumber | (ushort)VersionBits.Attributes);
    }

    /// <summary>Fills the attribute fork with a short form and moves its beginning.</summary>
    public static void SetLocal(Transaction tx, Inode inode, int offset, ReadOnlySpan<byte> contents)
    {
        Span<byte> bytes = inode.ModifyBytes(tx);
        ref InodeCore core = ref InodeCore.At(bytes);
        int start = Math.Min(core.ForkOffset, offset);
        Invariant.Holds(core.ForkOffset != 0 && core.AttrExtentCount == 0, "a fork that becomes local exists and maps nothing");
        bytes[(InodeCore.Size + start * 8)..].Clear();
        core.ForkOffset = (byte)offset;
        core.AttributeFormat = ForkFormat.Local;
        contents.CopyTo(bytes[(InodeCore.Size + offset * 8)..]);
    }

    /// <summary>Turns a short form into a fork that maps nothing yet; what it had beyond the usual size goes to the data fork.</summary>
    public static void SetEmpty(Transaction tx, Inode inode)
    {
        Span<byte> bytes = inode.ModifyBytes(tx);
        ref InodeCore core = ref InodeCore.At(bytes);
        bytes[(InodeCore.Size + core.ForkOffset * 8)..].Clear();
        // Not where pointers of a btree root would have to move.
        if (core.Format is not (ForkFormat.Device or ForkFormat.Btree)) core.ForkOffset = Math.Max(core.ForkOffset, (byte)UsualOffset);
        core.AttributeFormat = ForkFormat.Extents;
    }

    /// <summary>Takes the attribute fork, which is empty, away; the data fork gets its bytes. Not where that would not be legal.</summary>
    /// <returns>False if the fork has to stay.</returns>
    public static bool TryDrop(Transaction tx, Inode inode)
    {
        ref readonly InodeCore now = ref inode.Core;
        // The pointers of a btree root would have to move. A directory that fits its fork must lie in it, and xfs_repair
        // up to 6.9 wants the same of a symlink.
        if (now.Format == ForkFormat.Btree) return false;
        if ((now.IsDirectory || now.IsSymlink) && now.Format != ForkFormat.Local && now.FileSize <= (ulong)Area(inode)) return false;
        if (inode.Geometry.HasParentPointers) return false;
        Span<byte> bytes = inode.ModifyBytes(tx);
        ref InodeCore core = ref InodeCore.At(bytes);
        bytes[(InodeCore.Size + core.ForkOffset * 8)..].Clear();
        core.ForkOffset = 0;
        core.AttributeFormat = ForkFormat.Extents;
        return true;
    }
}
