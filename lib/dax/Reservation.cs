using ImageFs.Extents;
using ImageFs.Format;

namespace ImageFs.Dax;

/// <summary>One run of blocks reserved for copy-on-write, and what has become of each: still reserved, written, or gone.</summary>
internal sealed class Reservation
{
    private readonly ulong[] _left, _written;

    public Reservation(in Extent extent)
    {
        Extent = extent;
        Left = extent.Length;
        _left = new ulong[(extent.Length + 63) / 64];
        _written = new ulong[_left.Length];
        Array.Fill(_left, ulong.MaxValue);
        if (extent.Length % 64 != 0) _left[^1] = (1UL << (int)(extent.Length % 64)) - 1;
    }

    /// <summary>All of it, as it was reserved.</summary>
    public Extent Extent { get; }

    /// <summary>Blocks that are not gone.</summary>
    public uint Left { get; private set; }

    /// <summary>The run around a block whose blocks are all written (written) or all not (unwritten); false if the block is gone.</summary>
    public bool TryFind(FileBlock at, out Extent run)
    {
        uint index = (uint)(at - Extent.Offset);
        run = default;
        if (!Has(_left, index)) return false;
        bool written = Has(_written, index);
        uint start = index, end = index + 1;
        while (start > 0 && Has(_left, start - 1) && Has(_written, start - 1) == written) start--;
        while (end < Extent.Length && Has(_left, end) && Has(_written, end) == written) end++;
        run = new Extent(Extent.Offset + start, Extent.Start + start, end - start, Unwritten: !written);
        return true;
    }

    /// <summary>The first run at or behind a block, from that block on.</summary>
    public bool TryNext(FileBlock at, out Extent run)
    {
        run = default;
        if (at >= Extent.End) return false;
        uint index = at < Extent.Offset ? 0 : (uint)(at - Extent.Offset);
        while (index < Extent.Length && !Has(_left, index)) index = (index & 63) == 0 && _left[index >> 6] == 0 ? index + 64 : index + 1;
        if (index >= Extent.Length) return false;
        TryFind(Extent.Offset + index, out run);
        run = BlockMap.Slice(run, Extent.Offset + index, run.End);
        return true;
    }

    /// <summary>Gives the blocks of a part that are not gone one state.</summary>
    /// <returns>By how many blocks there are more written ones.</returns>
    public int Set(in Extent part, bool written)
    {
        int more = 0;
        for (uint i = (uint)(part.Offset - Extent.Offset), end = i + part.Length; i < end; i++)
        {
            if (!Has(_left, i) || Has(_written, i) == written) continue;
            _written[i >> 6] ^= 1UL << (int)(i & 63);
            more += written ? 1 : -1;
        }
        return more;
    }

    /// <summary>A part is gone: mapped, or free again.</summary>
    /// <returns>Blocks of it that were written.</returns>
    public int Take(in Extent part)
    {
        int written = 0;
        for (uint i = (uint)(part.Offset - Extent.Offset), end = i + part.Length; i < end; i++)
        {
            if (!Has(_left, i)) continue;
            ulong bit = 1UL << (int)(i & 63);
            if ((_written[i >> 6] & bit) != 0) written++;
            _written[i >> 6] &= ~bit;
            _left[i >> 6] &= ~bit;
            Left--;
        }
        return written;
    }

    /// <summary>A part is reserved again.</summary>
    public void Restore(in Extent part)
    {
        for (uint i = (uint)(part.Offset - Extent.Offset), end = i + part.Length; i < end; i++)
        {
            if (Has(_left, i)) continue;
            _left[i >> 6] |= 1UL << (int)(i & 63);
            Left++;
        }
    }

    private static bool Has(ulong[] bits, uint index) => (bits[index >> 6] >> (int)(index & 63) & 1) != 0;
}
