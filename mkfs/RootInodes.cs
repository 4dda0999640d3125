using System.Buffers.Binary;
using ImageFs.Format;

namespace ImageFs.Mkfs;

/// <summary>
/// The first inode chunk: the root directory, the bitmap and the summary of a realtime device (which exist without one), and
/// inodes that are free.
/// </summary>
internal static class RootInodes
{
    /// <summary>The blocks of the chunk.</summary>
    public static byte[] Make(MkfsPlan plan, Identity identity, ulong firstInode)
    {
        int count = Math.Max(64, plan.InodesPerBlock);
        byte[] chunk = new byte[count * plan.InodeSize];
        for (int i = 0; i < count; i++)
        {
            Span<byte> inode = chunk.AsSpan(i * plan.InodeSize, plan.InodeSize);
            ref InodeCore core = ref InodeCore.At(inode);
            core.Magic = InodeCore.MagicNumber;
            core.Version = 3;
            core.Generation = identity.NextGeneration();
            core.NextUnlinked = AgInode.Null.Value;
            core.Number = firstInode + (uint)i;
            core.Uuid = identity.Uuid;
            if (i < 3) MakeUsed(plan, identity, ref core);
            if (i == 0) MakeDirectory(plan, ref core, inode);
            if (i == 1) core.Flags = InodeFlags.NewRtBitmap;
            Crc32c.Stamp(inode, InodeCore.CrcOffset);
        }
        return chunk;
    }

    private static void MakeUsed(MkfsPlan plan, Identity identity, ref InodeCore core)
    {
        core.Mode = FileMode16.Regular;
        core.LinkCount = 1;
        core.Format = core.AttributeFormat = ForkFormat.Extents;
        core.Flags2 = (plan.BigTime ? InodeFlags2.BigTime : 0) | (plan.LargeExtentCounters ? InodeFlags2.LargeExtentCounters : 0);
        core.AccessTime = core.ModifyTime = core.ChangeTime = core.CreateTime = identity.Time.Encode(plan.BigTime);
        core.ChangeCount = 2;
    }

    private static void MakeDirectory(MkfsPlan plan, ref InodeCore core, Span<byte> inode)
    {
        core.Mode = FileMode16.Directory | 0x1ED; // rwxr-xr-x
        core.LinkCount = 2;
        core.Format = ForkFormat.Local;
        RootAttributes root = plan.Root;
        core.Flags = (root.ExtentSize != 0 ? InodeFlags.ExtentSizeInherit : 0) | (root.Project is not null ? InodeFlags.ProjectInherit : 0)
            | (root.Realtime ? InodeFlags.RtInherit : 0);
        core.Flags2 |= (root.CowExtentSize != 0 ? InodeFlags2.CowExtentSize : 0) | (root.Dax ? InodeFlags2.Dax : 0);
        core.ExtentSizeHint = root.ExtentSize;
        core.CowExtentSizeHint = root.CowExtentSize;
        core.ProjectId = root.Project ?? 0;
        // An empty directory: no entries, no 8-byte inode numbers, and the parent of the root is the root.
        core.FileSize = 6;
        BinaryPrimitives.WriteUInt32BigEndian(inode[(InodeCore.Size + 2)..], (uint)core.Number.Value);
    }
}
