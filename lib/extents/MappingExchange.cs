using ImageFs.Format;
using ImageFs.Inodes;
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
/// </remarks>
/// <param name="blocks">Blocks of each range. Ranges of one inode must not overlap.</param>
/// <param name="onlyWritten">What is a hole or unwritten in the first range stays where it is, and so does its counterpart.</param>
internal sealed class MappingExchange(BlockMap map, Inode one, Inode two, ForkKind kind, FileBlock first, FileBlock second, ulong blocks, bool onlyWritten)
{
    private bool _hasOne, _hasTwo;
    private uint _length;

    /// <summary>Where the rest of the first range begins.</summary>
    public FileBlock First { get; private set; } = first;

    /// <summary>Where the rest of the second range begins.</summary>
    public FileBlock Second { get; private set; } = second;

    /// <summary>Blocks of the rest.</summary>
    public ulong Left { get; private set; } = blocks;

    /// <summary>Goes on to the next pair of runs that are not the same; false if there is none.</summary>
    public bool TryNext()
    {
        while (Left > 0)
        {
            ulong length = Run(one, First, Left, out Extent a, out _hasOne);
            if (onlyWritten && (!_hasOne || a.Unwritten))
            {
                Advance(length);
                continue;
            }
            length = Run(two, Second, length, out Extent b, out _hasTwo);
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
    /// <exception cref="XfsException">EFBIG: a fork cannot have another extent.</exception>
    public void Exchange(Transaction tx)
    {
        Extent a = default, b = default;
        if (_hasOne) map.TryUnmap(tx, one, kind, First, First + _length, out a);
        if (_hasTwo) map.TryUnmap(tx, two, kind, Second, Second + _length, out b);
        if (_hasOne) map.Map(tx, two, kind, a with { Offset = Second });
        if (_hasTwo) map.Map(tx, one, kind, b with { Offset = First });
        Advance(_length);
    }

    private void Advance(ulong length)
    {
        First += length;
        Second += length;
        Left -= length;
    }

    /// <summary>The run at the start of a range: its length, and its extent unless it is a hole.</summary>
    private ulong Run(Inode inode, FileBlock at, ulong most, out Extent extent, out bool isMapped)
    {
        bool found = map.TryFind(inode, kind, at, out extent) && extent.Offset < at + most;
        isMapped = found && extent.Offset <= at;
        if (!isMapped) return found ? extent.Offset - at : most;
        extent = BlockMap.Slice(extent, at, at + most);
        return extent.Length;
    }
}
