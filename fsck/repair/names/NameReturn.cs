using ImageFs.Directories;
using ImageFs.Format;
using ImageFs.Inodes;

using Directory = ImageFs.Directories.Directory;

namespace ImageFs.Fsck;

/// <summary>
/// Gives inodes the names back that went with a block of a directory: their parent pointers know them. A name comes back if its
/// directory lives, is the one that was meant, and has no other entry of that name.
/// </summary>
internal sealed class NameReturn(Volume volume, InodeScan inodes, AttributeSalvage attributes)
{
    // Directories that got their name back, and in which directory.
    private readonly Dictionary<ulong, ulong> _returned = [];

    /// <param name="most">Names the inode lacks.</param>
    /// <returns>Names that came back.</returns>
    public uint Return(ulong number, uint most)
    {
        Inode inode = volume.Inodes.Get(new InodeNumber(number));
        uint count = 0;
        foreach (SalvagedAttribute attribute in attributes.Collect(number).All)
        {
            if (count == most) break;
            if (attribute.Space == AttributeFlags.Parent && TryReturn(inode, attribute.Name, ParentPointer.At(attribute.Value))) count++;
        }
        return count;
    }

    private bool TryReturn(Inode inode, byte[] name, ParentPointer pointer)
    {
        ulong number = inode.Number.Value;
        if (inodes.FindDirectory(pointer.Inode) is not (int index and >= 0) || inodes.Directories[index].Generation != pointer.Generation) return false;
        if (inode.IsDirectory && IsBelow(pointer.Inode, number)) return false;
        Inode directory = volume.Inodes.Get(new InodeNumber(pointer.Inode));
        DirectoryStorage storage = new(volume.Groups, volume.Map, directory);
        if (Directory.TryLookup(storage, name, out _, out _)) return false;
        volume.Run(tx => Directory.Add(tx, storage, name, inode.Number, DirectoryName.TypeOf(inode.Core.Mode)));
        if (!inode.IsDirectory) return true;
        new DirectoryRebuild(volume).SetParent(inode.Number, directory.Number);
        _returned[number] = pointer.Inode;
        return true;
    }

    /// <summary>True if a directory is another one or lies below it.</summary>
    private bool IsBelow(ulong directory, ulong ancestor)
    {
        for (long steps = inodes.Directories.Count; steps >= 0; steps--)
        {
            if (directory == ancestor) return true;
            if (_returned.TryGetValue(directory, out ulong above))
            {
                directory = above;
                continue;
            }
            int index = inodes.FindDirectory(directory);
            if (index < 0 || inodes.Directories[index].NamedBy is not (int by and >= 0)) return false;
            directory = inodes.Directories[by].Inode;
        }
        return true; // a circle
    }
}
