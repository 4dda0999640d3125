using ImageFs.Format;

namespace ImageFs.Fsck;

/// <summary>Collects the extents of forks and hands them to the <see cref="ClaimTable"/>, many at a time.</summary>
/// <remarks>Extents of a fork come in file order, so whatever the rmapbt holds as one record is next to each other here, and becomes one claim.</remarks>
internal sealed class ClaimWriter(Geometry geometry, ClaimTable table)
{
    private readonly Claim[] _claims = new Claim[512];
    private AgNumber _ag;
    private int _count;

    /// <summary>Adds an extent of a fork, which lies in one group.</summary>
    public void Add(in Extent extent, ulong inode, bool attributeFork)
    {
        ulong flags = (attributeFork ? RmapFlags.AttributeFork : 0) | (extent.Unwritten ? RmapFlags.Unwritten : 0);
        AgNumber ag = geometry.AgOf(extent.Start);
        Claim claim = new(geometry.BlockInAg(extent.Start).Value, extent.Length, inode, extent.Offset.Value | flags);
        if (ag != _ag)
        {
            Flush();
            _ag = ag;
        }
        else if (_count > 0 && _claims[_count - 1].Continues(claim))
        {
            _claims[_count - 1].Count += extent.Length;
            return;
        }
        else if (_count == _claims.Length)
        {
            // The last one may still grow.
            table.AddExtents(_ag, _claims.AsSpan(0, _count - 1));
            _claims[0] = _claims[_count - 1];
            _count = 1;
        }
        _claims[_count++] = claim;
    }

    /// <summary>Hands over what is left.</summary>
    public void Flush()
    {
        table.AddExtents(_ag, _claims.AsSpan(0, _count));
        _count = 0;
    }
}
