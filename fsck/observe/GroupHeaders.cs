using ImageFs.Format;

namespace ImageFs.Fsck;

/// <summary>The four header sectors of a group, read together; each is looked at when its turn comes.</summary>
internal sealed class GroupHeaders
{
    private readonly Scan _scan;
    private readonly byte[] _sectors;
    private AgNumber _ag;
    private bool _isRead;

    public GroupHeaders(Scan scan)
    {
        _scan = scan;
        _sectors = new byte[4 * scan.Geometry.SectorSize];
    }

    public ReadOnlySpan<byte> Superblock => Sector(0);
    public ref readonly Agf Agf => ref Format.Agf.At(Sector(1));
    public ref readonly Agi Agi => ref Format.Agi.At(Sector(2));
    public ReadOnlySpan<BigEndian32> AgflSlots => AgflHeader.Slots(Sector(3))[.._scan.Geometry.AgflSlots];

    /// <summary>Reads the sectors of a group without looking at them.</summary>
    public bool Load(AgNumber ag)
    {
        _ag = ag;
        long offset = _scan.Geometry.AgOffset(ag);
        // That the group is not there at all was said of the image.
        _isRead = !_scan.IsBeyondEnd(offset, _sectors.Length) && _scan.TryRead(offset, _sectors, "the group's headers", new Where(ag.Value, 0));
        return _isRead;
    }

    /// <summary>Holds the AGF against its verifier; false if its trees cannot be found.</summary>
    public bool JudgeAgf() => Judge(Structure.Agf, BlockKind.Agf, 1) || _isRead
        && Agf.Magic == Format.Agf.MagicNumber && Agf.SequenceNumber == _ag.Value
        && IsRoot(Agf.BnoRoot, Agf.BnoLevel, _scan.Geometry.Limits.Alloc) && IsRoot(Agf.CntRoot, Agf.CntLevel, _scan.Geometry.Limits.Alloc)
        && (!_scan.Geometry.HasRmapbt || IsRoot(Agf.RmapRoot, Agf.RmapLevel, _scan.Geometry.Limits.Rmap))
        && (!_scan.Geometry.HasReflink || IsRoot(Agf.RefcountRoot, Agf.RefcountLevel, _scan.Geometry.Limits.Refcount))
        && Agf.FreeListFirst < (uint)_scan.Geometry.AgflSlots && Agf.FreeListLast < (uint)_scan.Geometry.AgflSlots;

    /// <summary>Holds the AGI against its verifier; false if its trees cannot be found.</summary>
    /// <remarks>One wrong field must not hide all inodes of a group: where the roots make sense they are followed.</remarks>
    public bool JudgeAgi() => Judge(Structure.Agi, BlockKind.Agi, 2) || _isRead
        && Agi.Magic == Format.Agi.MagicNumber && Agi.SequenceNumber == _ag.Value
        && IsRoot(Agi.Root, Agi.Level, _scan.Geometry.Limits.Inobt)
        && (!_scan.Geometry.HasFinobt || IsRoot(Agi.FreeRoot, Agi.FreeLevel, _scan.Geometry.Limits.Inobt));

    /// <summary>Holds the AGFL against its verifier; false if it makes no sense.</summary>
    public bool JudgeAgfl() => Judge(Structure.Agfl, BlockKind.Agfl, 3);

    private bool IsRoot(uint block, uint levels, int most) => _scan.Geometry.IsValid(_ag, new AgBlock(block)) && levels >= 1 && levels <= most;

    private bool Judge(Structure structure, BlockKind kind, int sector)
    {
        Geometry g = _scan.Geometry;
        return _isRead && _scan.Judge(structure, kind, g.HeaderOffset(_ag, sector), Sector(sector), new Where(_ag.Value, (uint)(sector * g.SectorSize / g.BlockSize)));
    }

    private ReadOnlySpan<byte> Sector(int index) => _sectors.AsSpan(index * _scan.Geometry.SectorSize, _scan.Geometry.SectorSize);
}
