using System.Runtime.InteropServices;
using ImageFs.BTrees;
using ImageFs.Format;

namespace ImageFs.Fsck;

/// <summary>Writes the extents of a fork into its inode, or into a bmbt if they do not fit.</summary>
internal sealed class ForkWriter(RepairView view, SpacePool pool)
{
    /// <param name="inode">The whole inode; the fork's place is believed, its format, counter and contents are set.</param>
    /// <returns>Blocks of the bmbt; null if no blocks could be found for it.</returns>
    public ulong? Write(Span<byte> inode, InodeNumber number, bool attribute, SalvagedFork salvaged)
    {
        Geometry g = view.Geometry;
        ref InodeCore core = ref InodeCore.At(inode);
        int dataSize = core.DataForkSize(g.InodeSize);
        Span<byte> fork = attribute ? inode[(InodeCore.Size + dataSize)..] : inode.Slice(InodeCore.Size, dataSize);
        List<Extent> extents = Merge(salvaged.Extents);
        PackedExtent[] packed = [.. extents.Select(e => new PackedExtent(e))];
        bool fits = packed.Length <= fork.Length / PackedExtent.Size;
        ulong treeBlocks = 0;
        if (fits)
        {
            fork.Clear();
            packed.CopyTo(MemoryMarshal.Cast<byte, PackedExtent>(fork[..(packed.Length * PackedExtent.Size)]));
        }
        else
        {
            treeBlocks = BtreeBulkLoader.Measure<BmbtKind, PackedExtent, BigEndian64>(g, (ulong)packed.Length, forkSize: fork.Length).Blocks;
            Queue<FsBlock> blocks = new(salvaged.TreeBlocks);
            while ((ulong)blocks.Count < treeBlocks)
            {
                if (pool.Take(g.AgOf(number)) is not FsBlock block) return null;
                blocks.Enqueue(block);
            }
            BtreeBulkLoader.LoadBmbt(g, number, fork, packed, _ => blocks.Dequeue().Value, (offset, block) => view.Write(BlockKind.Bmbt, offset, block));
        }
        if (attribute)
        {
            core.AttributeFormat = fits ? ForkFormat.Extents : ForkFormat.Btree;
            core.AttrExtentCount = (uint)packed.Length;
        }
        else
        {
            core.Format = fits ? ForkFormat.Extents : ForkFormat.Btree;
            core.ExtentCount = (ulong)packed.Length;
        }
        return treeBlocks;
    }

    private List<Extent> Merge(List<Extent> extents)
    {
        List<Extent> merged = [];
        foreach (Extent extent in extents)
        {
            if (merged.Count > 0 && merged[^1] is var last && last.End == extent.Offset && last.Unwritten == extent.Unwritten && last.Length + extent.Length <= Extent.MaxLength
                && last.Start.Value + last.Length == extent.Start.Value && view.Geometry.AgOf(last.Start) == view.Geometry.AgOf(extent.Start))
                merged[^1] = last with { Length = last.Length + extent.Length };
            else merged.Add(extent);
        }
        return merged;
    }
}
