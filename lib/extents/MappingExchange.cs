using ImageFs.Format;
using ImageFs.Inodes;
using ImageFs.Journal;
using ImageFs.Transactions;

namespace ImageFs.Extents;

/// <summary>
/// Two ranges of two forks give each other what they map, one pair of runs after the other. Blocks, their contents and
/// everybody else's share of them stay what they are.
/// </summary>
/// <remarks>
/// A run ends where either side has another extent, or a hole ends:
/// <code>
///   one   aaaaaa......bbbb        six blocks of a, a hole, four of b
///   two   cccc....dddddddd        pairs: aaaa/cccc, aa/.., (both holes: nothing), ..../dddd, bbbb/dddd
/// </code>
/// It is a value: a copy goes on from where it was taken, whatever has been undone since.
/// </remarks>
/// <param name="whole">What to exchange; ranges of one inode must not overlap.</param>
internal struct MappingExchange(BlockMap map, Inode one, Inode two, ExchangeIntent whole)
{
    private const ForkKind Kind = ForkKind.Data;

    private bool _hasOne = false, _hasTwo = false;
    private uint _length = 0;
    private ExchangeIntent _rest = whole;

    /// <summary>What is left.</summary>
    public readonly ExchangeIntent Rest => _rest;

    private readonly bool SetsSizes => (_rest.Flags & ExchangeIntent.SetsSizes) != 0;

    /// <summary>Counts the pairs that are left.</summary>
    /// <param name="most">Enough to know.</param>
    public readonly ulong Count(ulong most)
    {
        MappingExchange ahead = this;
        ulong pairs = 0;
        for (; pairs < most && ahead.TryNext(); pairs++) ahead.Advance(ahead._length);
        return pairs;
    }

    /// <summary>Exchanges the next pair; after the last one the sizes are what they are to be.</summary>
    /// <returns>False if nothing is left.</returns>
    /// <exception cref="XfsException">EFBIG: a fork cannot have another extent.</exception>
    public bool TryStep(Transaction tx)
    {
        if (TryNext()) Exchange(tx);
        if (_rest.Blocks > 0)
        {
            // Nothing may be mapped behind the end of a file at any moment.
            Grow(tx, one, _rest.Start1, _rest.Size1);
            Grow(tx, two, _rest.Start2, _rest.Size2);
            return true;
        }
        if (SetsSizes)
        {
            one.Modify(tx).FileSize = _rest.Size1;
            two.Modify(tx).FileSize = _rest.Size2;
        }
        if ((_rest.Flags & ExchangeIntent.EndsSharing1) != 0) one.Modify(tx).Flags2 &= ~InodeFlags2.Reflink;
        if ((_rest.Flags & ExchangeIntent.EndsSharing2) != 0) two.Modify(tx).Flags2 &= ~InodeFlags2.Reflink;
        return false;
    }

    private readonly void Grow(Transaction tx, Inode inode, FileBlock end, ulong most)
    {
        if (!SetsSizes) return;
        ulong size = Math.Min(end.Value << map.BlockLog, most);
        if (size > inode.Core.FileSize) inode.Modify(tx).FileSize = size;
    }

    /// <summary>Goes on to the next pair of runs that are not the same; false if there is none.</summary>
    private bool TryNext()
    {
        while (_rest.Blocks > 0)
        {
            ulong length = Run(one, _rest.Start1, _rest.Blocks, out Extent a, out _hasOne);
            if ((_rest.Flags & ExchangeIntent.WrittenOnly) != 0 && (!_hasOne || a.Unwritten))
            {
                Advance(length);
                continue;
            }
            length = Run(two, _rest.Start2, length, out Extent b, out _hasTwo);
            bool same = _hasOne && _hasTwo && a.Start == b.Start;
            if (same && a.Unwritten != b.Unwritten) throw one.Corrupt($"{a} is {b} in {two}, but only one of them is unwritten");
            if (_hasOne != _hasTwo || _hasOne && !same)
            {
                _length = (uint)length;
                return true;
            }
            Advance(length);
        }
        return false;
    }

    /// <summary>Exchanges the pair found last.</summary>
    private void Exchange(Transaction tx)
    {
        (FileBlock first, FileBlock second) = (_rest.Start1, _rest.Start2);
        Extent a = default, b = default;
        if (_hasOne) map.TryUnmap(tx, one, Kind, first, first + _length, out a);
        if (_hasTwo) map.TryUnmap(tx, two, Kind, second, second + _length, out b);
        if (_hasOne) map.Map(tx, two, Kind, a with { Offset = second });
        if (_hasTwo) map.Map(tx, one, Kind, b with { Offset = first });
        Advance(_length);
    }

    private void Advance(ulong length) =>
        _rest = _rest with { Start1 = _rest.Start1 + length, Start2 = _rest.Start2 + length, Blocks = _rest.Blocks - length };

    /// <summary>The run at the start of a range: its length, and its extent unless it is a hole.</summary>
    private readonly ulong Run(Inode inode, FileBlock at, ulong most, out Extent extent, out bool isMapped)
    {
        bool found = map.TryFind(inode, Kind, at, out extent) && extent.Offset < at + most;
        isMapped = found && extent.Offset <= at;
        if (!isMapped) return found ? extent.Offset - at : most;
        extent = BlockMap.Slice(extent, at, at + most);
        return extent.Length;
    }
}
