using ImageFs.Format;

namespace ImageFs.Fsck;

/// <summary>An inode as if it had just been made: both forks are empty.</summary>
internal static class FreshInode
{
    public static byte[] Make(Geometry g, ulong number, ushort mode, uint links)
    {
        byte[] inode = new byte[g.InodeSize];
        ref InodeCore core = ref InodeCore.At(inode.AsSpan());
        core.Magic = InodeCore.MagicNumber;
        core.Version = 3;
        core.Mode = mode;
        core.Format = core.AttributeFormat = ForkFormat.Extents;
        core.LinkCount = links;
        core.NextUnlinked = uint.MaxValue;
        core.Flags2 = (g.HasBigTime ? InodeFlags2.BigTime : 0) | (g.HasLargeExtentCounters ? InodeFlags2.LargeExtentCounters : 0);
        core.AccessTime = core.ModifyTime = core.ChangeTime = core.CreateTime = Timestamp.Now.Encode(g.HasBigTime);
        core.Number = number;
        core.Uuid = g.MetaUuid;
        return inode;
    }
}
