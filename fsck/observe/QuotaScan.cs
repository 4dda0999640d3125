using ImageFs.Format;

namespace ImageFs.Fsck;

/// <summary>Checks the records of quota inodes: each is of the inode's type, and its id is its place.</summary>
/// <remarks>Limits are the administrator's and usage is counted by the kernel; neither is judged.</remarks>
internal sealed class QuotaScan(Scan scan)
{
    /// <summary>After so many bad records of one inode there is no point in more.</summary>
    private const int Enough = 1000;

    private readonly (ulong Inode, byte Type, string Name)[] _inodes = QuotaRecord.Inodes(scan.Geometry.Superblock);

    /// <summary>True if the inode holds records of quotas.</summary>
    public bool Holds(ulong number) => Array.Exists(_inodes, q => q.Inode == number);

    /// <param name="map">The extents of its data fork.</param>
    public void Examine(ulong number, PackedList<Extent> map)
    {
        Geometry g = scan.Geometry;
        (_, byte type, string name) = _inodes.First(q => q.Inode == number);
        byte[] block = new byte[g.BlockSize];
        int bad = 0;
        foreach ((FsBlock at, uint first) in Blocks(g, map))
        {
            Where where = scan.At(at, number);
            if (!scan.TryRead(g.ByteOffset(at), block, "quota records", where)) continue;
            scan.CountBlock();
            for (int i = 0; i < g.BlockSize / QuotaRecord.Size; i++)
            {
                uint id = first + (uint)i;
                if (QuotaRecord.Judge(block.AsSpan(i * QuotaRecord.Size, QuotaRecord.Size), g, type, id, scan.Head) is not (string field, string problem)) continue;
                scan.Report(FindingCodes.QuotaRecord, where with { Field = field }, name, id, problem);
                if (++bad == Enough) return;
            }
        }
    }

    /// <summary>The written blocks of a map, and the id of the first record of each; ids have 32 bits.</summary>
    public static IEnumerable<(FsBlock Block, uint First)> Blocks(Geometry g, PackedList<Extent> map)
    {
        ulong perBlock = (ulong)(g.BlockSize / QuotaRecord.Size);
        for (int e = 0; e < map.Count; e++)
        {
            Extent extent = map[e];
            for (uint i = 0; i < extent.Length && !extent.Unwritten; i++)
            {
                ulong first = (extent.Offset.Value + i) * perBlock;
                if (first + perBlock > uint.MaxValue) yield break;
                yield return (extent.Start + i, (uint)first);
            }
        }
    }
}
