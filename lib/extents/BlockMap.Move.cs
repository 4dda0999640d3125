using ImageFs.Format;
using ImageFs.Inodes;
using ImageFs.Transactions;

namespace ImageFs.Extents;

/// <content>Extents that change their place in the file and stay where they are on the device.</content>
internal sealed partial class BlockMap
{
    /// <summary>
    /// Gives an extent of the data fork, or a part of one, another place in the file, without passing another extent on the
    /// way. Joined with its left neighbour there, if they touch in every respect.
    /// </summary>
    /// <param name="part">Mapped now.</param>
    /// <param name="to">Where its first block goes; free, but for blocks of <paramref name="part"/> itself.</param>
    public void Move(Transaction tx, Inode inode, in Extent part, FileBlock to)
    {
        const ForkKind kind = ForkKind.Data;
        Extent moved = part with { Offset = to };
        Invariant.Holds(moved.End.Value <= FileBlock.Limit, "an extent ends below 2^54 blocks");
        Changing?.Invoke(tx, inode, part.Offset, part.End);
        Changing?.Invoke(tx, inode, moved.Offset, moved.End);
        RemoveRmap(tx, inode, kind, part);
        bool isWhole = TryFind(inode, kind, part.Offset, out Extent there) && there == part;
        bool joins = TryFindLast(inode, kind, part.Offset, out Extent left) && left.End == to && Touches(left, moved);
        if (isWhole && !joins)
            Replace(tx, inode, kind, part, moved);
        else
        {
            Cut(tx, inode, kind, part);
            MapWithoutRmap(tx, inode, kind, moved);
        }
        AddRmap(tx, inode, kind, moved);
    }
}
