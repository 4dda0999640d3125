using ImageFs.Format;
using ImageFs.Transactions;

namespace ImageFs.Inodes;

/// <summary>What a new inode starts with.</summary>
/// <param name="Mode">File type and permission bits.</param>
/// <param name="Uid">Owner.</param>
/// <param name="Gid">Group; a set-group-id directory overrides it.</param>
/// <param name="Device">For device nodes: major and minor in the packed form of the inode.</param>
internal readonly record struct NewInode(ushort Mode, uint Uid, uint Gid, uint Device = 0);

/// <summary>Fills in a free inode and lets it inherit what directories hand down.</summary>
internal static class InodeFactory
{
    private const InodeFlags HandedDown = InodeFlags.Sync | InodeFlags.NoAtime | InodeFlags.NoDump | InodeFlags.NoDefrag | InodeFlags.NoSymlinks;

    /// <summary>Initialises an inode that was just allocated; it has no contents and no name yet.</summary>
    /// <param name="parent">The directory it is made in; null for a root.</param>
    public static void Initialise(Transaction tx, Inode inode, Inode? parent, in NewInode made, Timestamp now)
    {
        Geometry g = inode.Geometry;
        Span<byte> bytes = inode.ModifyBytes(tx);
        bytes[InodeCore.Size..].Clear();
        ref InodeCore core = ref InodeCore.At(bytes);
        uint next = core.NextUnlinked;
        bytes[..InodeCore.Size].Clear();
        core.Magic = InodeCore.MagicNumber;
        core.Version = 3;
        core.NextUnlinked = next;
        core.Number = inode.Number.Value;
        core.Uuid = g.MetaUuid;
        // A number that is used again must not be taken for the old file by whoever kept a handle.
        core.Generation = (uint)Random.Shared.Next();
        core.Mode = made.Mode;
        core.Uid = made.Uid;
        core.Gid = made.Gid;
        core.Flags2 = (g.HasBigTime ? InodeFlags2.BigTime : 0) | (g.HasLargeExtentCounters ? InodeFlags2.LargeExtentCounters : 0);
        ulong time = now.Encode(g.HasBigTime);
        core.AccessTime = core.ModifyTime = core.ChangeTime = core.CreateTime = time;
        core.ChangeCount = 1;
        core.AttributeFormat = ForkFormat.Extents;
        bool device = core.Type is FileMode16.CharDevice or FileMode16.BlockDevice or FileMode16.Fifo or FileMode16.Socket;
        core.Format = device ? ForkFormat.Device : ForkFormat.Extents;
        core.LinkCount = core.IsDirectory ? 2u : 1u;
        if (device) System.Buffers.Binary.BinaryPrimitives.WriteUInt32BigEndian(bytes[InodeCore.Size..], made.Device);
        if (parent is not null) Inherit(ref core, parent.Core);
    }

    /// <summary>Takes from an inode without blocks all it was, before its number is given back.</summary>
    public static void Clear(Transaction tx, Inode inode)
    {
        Span<byte> bytes = inode.ModifyBytes(tx);
        ref InodeCore core = ref InodeCore.At(bytes);
        core.Mode = 0;
        core.LinkCount = 0;
        core.FileSize = 0;
        core.BlockCount = 0;
        core.ExtentCount = 0;
        core.AttrExtentCount = 0;
        core.Format = ForkFormat.Extents;
        core.AttributeFormat = ForkFormat.Extents;
        core.ForkOffset = 0;
        core.Flags = InodeFlags.None;
        core.ExtentSizeHint = 0;
        core.CowExtentSizeHint = 0;
        core.Flags2 &= InodeFlags2.BigTime | InodeFlags2.LargeExtentCounters;
        core.Generation = core.Generation + 1;
        bytes[InodeCore.Size..].Clear();
    }

    private static void Inherit(ref InodeCore core, in InodeCore parent)
    {
        if ((parent.Mode & FileMode16.SetGid) != 0)
        {
            core.Gid = parent.Gid;
            if (core.IsDirectory) core.Mode = (ushort)(core.Mode | FileMode16.SetGid);
        }
        if ((parent.Flags & InodeFlags.ProjectInherit) != 0) core.ProjectId = parent.ProjectId;
        if (!core.IsDirectory && !core.IsRegular) return;
        InodeFlags flags = parent.Flags & HandedDown;
        if (core.IsDirectory) flags |= parent.Flags & (InodeFlags.FileStream | InodeFlags.ProjectInherit);
        if ((parent.Flags & InodeFlags.ExtentSizeInherit) != 0)
        {
            flags |= core.IsDirectory ? InodeFlags.ExtentSizeInherit : InodeFlags.ExtentSize;
            core.ExtentSizeHint = parent.ExtentSizeHint;
        }
        core.Flags = flags;
        core.Flags2 |= parent.Flags2 & InodeFlags2.Dax;
        if (parent.Has(InodeFlags2.CowExtentSize))
        {
            core.Flags2 |= InodeFlags2.CowExtentSize;
            core.CowExtentSizeHint = parent.CowExtentSizeHint;
        }
    }
}
