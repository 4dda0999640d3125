using ImageFs.Format;

namespace ImageFs.Transactions;

/// <summary>Free inodes as inode-create initialises them: identity, generation, an end mark for the unlinked list, nothing else.</summary>
internal static class InodeTemplate
{
    /// <summary>Fills a run of blocks with free inodes, checksums included; the LSN is 0 because no item logs them.</summary>
    public static void Fill(Span<byte> cluster, Geometry geometry, AgNumber ag, AgBlock start, uint generation)
    {
        cluster.Clear();
        uint first = geometry.FirstInode(start).Value;
        for (int at = 0, index = 0; at < cluster.Length; at += geometry.InodeSize, index++)
        {
            Span<byte> inode = cluster.Slice(at, geometry.InodeSize);
            ref InodeCore core = ref InodeCore.At(inode);
            core.Magic = InodeCore.MagicNumber;
            core.Version = 3;
            core.Generation = generation;
            core.NextUnlinked = uint.MaxValue;
            core.Number = geometry.Join(ag, new AgInode(first + (uint)index)).Value;
            core.Uuid = geometry.MetaUuid;
            Crc32c.Stamp(inode, InodeCore.CrcOffset);
        }
    }
}
