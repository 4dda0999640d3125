using System.Text;
using ImageFs.Attributes;
using ImageFs.Format;
using ImageFs.Inodes;
using ImageFs.Transactions;

namespace ImageFs.Names;

// Always true of a file system with parent pointers: an inode has one for every entry that names it, and no other; "." and
// ".." do not count, so the root has none. That is why every change of an entry changes the pointer in the same transaction.

/// <summary>
/// The way back from an inode to the directories that name it: an attribute with the name of the entry, whose value is the
/// directory. Without the feature nothing of this does anything.
/// </summary>
/// <remarks>XFS_ATTR_PARENT, xfs_parent_rec.</remarks>
internal static class ParentPointers
{
    /// <summary>
    /// Gives a new inode the attribute fork its pointers will live in: the kernel makes it before the inode has any contents,
    /// and takes an inode without one for damaged.
    /// </summary>
    public static void Prepare(Transaction tx, Volume volume, Inode made)
    {
        if (volume.Geometry.HasParentPointers) AttributeFork.Create(tx, new AttributeStorage(volume, made), 0);
    }

    /// <summary>An entry was made.</summary>
    public static void Add(Transaction tx, Volume volume, Inode child, Inode directory, ReadOnlySpan<byte> name)
    {
        if (!volume.Geometry.HasParentPointers) return;
        Span<byte> pointer = stackalloc byte[ParentPointer.Size];
        Point(directory, pointer);
        ExtendedAttributes.Set(tx, volume, child, new AttributeKey(name, pointer), pointer);
    }

    /// <summary>An entry was removed.</summary>
    /// <exception cref="CorruptionException">The inode knows nothing of it.</exception>
    public static void Remove(Transaction tx, Volume volume, Inode child, Inode directory, ReadOnlySpan<byte> name)
    {
        if (!volume.Geometry.HasParentPointers) return;
        Span<byte> pointer = stackalloc byte[ParentPointer.Size];
        Point(directory, pointer);
        if (!ExtendedAttributes.Remove(tx, volume, child, new AttributeKey(name, pointer)))
            throw child.Corrupt($"it has no parent pointer for '{Encoding.UTF8.GetString(name)}' in directory {directory.Number}");
    }

    /// <summary>An entry moved.</summary>
    /// <inheritdoc cref="Remove"/>
    public static void Move(Transaction tx, Volume volume, Inode child, Inode from, ReadOnlySpan<byte> name, Inode to, ReadOnlySpan<byte> newName)
    {
        Remove(tx, volume, child, from, name);
        Add(tx, volume, child, to, newName);
    }

    private static void Point(Inode directory, Span<byte> pointer)
    {
        ref ParentPointer to = ref ParentPointer.At(pointer);
        to.Inode = directory.Number.Value;
        to.Generation = directory.Core.Generation;
    }
}
