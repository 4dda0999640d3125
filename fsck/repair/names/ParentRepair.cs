using ImageFs.Attributes;
using ImageFs.Format;
using ImageFs.Inodes;
using ImageFs.Names;

namespace ImageFs.Fsck;

/// <summary>Makes parent pointers say what the directories say: an entry is the truth, a pointer follows from it.</summary>
/// <remarks>Names that only a pointer knows have come back before (<see cref="NameReturn"/>), or nothing speaks for them.</remarks>
internal sealed class ParentRepair(Volume volume)
{
    private const int PointersPerTransaction = 8;

    /// <summary>Removes the pointers that lead to no entry and adds those that are missing.</summary>
    public void Repair(ParentDifference difference)
    {
        ParentCompare.Match(difference.Entries, difference.Pointers, sameGeneration: true, null);
        Inode inode = volume.Inodes.Get(new InodeNumber(difference.Inode));
        byte[] pointer = new byte[ParentPointer.Size];
        InPieces(difference.Pointers, (tx, surplus) =>
        {
            ParentPointer.At(pointer.AsSpan()).Inode = surplus.Directory;
            ParentPointer.At(pointer.AsSpan()).Generation = surplus.Generation;
            ExtendedAttributes.Remove(tx, volume, inode, new AttributeKey(surplus.Name, pointer));
        });
        InPieces(difference.Entries, (tx, missing) =>
            ParentPointers.Add(tx, volume, inode, volume.Inodes.Get(new InodeNumber(missing.Directory)), missing.Name));
    }

    private void InPieces(List<ParentLink> links, Action<Transactions.Transaction, ParentLink> change)
    {
        foreach (ParentLink[] piece in links.Chunk(PointersPerTransaction))
            volume.Run(tx => Array.ForEach(piece, link => change(tx, link)));
    }
}
