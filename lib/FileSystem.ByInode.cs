using ImageFs.Format;
using ImageFs.Inodes;

namespace ImageFs;

/// <content>
/// The same by inode number, for whoever walks a whole tree: names that are no UTF-8 are no obstacle, and no path is looked
/// up twice.
/// </content>
public sealed partial class FileSystem
{
    internal Entry GetEntry(InodeNumber number)
    {
        lock (Volume.Gate)
        {
            Volume.Cache.Trim();
            return Describe(Inode(number));
        }
    }

    internal IReadOnlyList<DirectoryItem> List(InodeNumber directory)
    {
        lock (Volume.Gate) return List(Inode(directory));
    }

    internal XfsFile OpenFile(InodeNumber number, bool write = false)
    {
        lock (Volume.Gate)
        {
            RequireOnDataDevice(Inode(number));
            return new XfsFile(this, Volume.Hold(number), write);
        }
    }

    internal byte[] ReadLink(InodeNumber number)
    {
        lock (Volume.Gate) return _names.ReadTarget(Inode(number));
    }

    /// <summary>Full names and values of the extended attributes; an ACL once, under the name getxattr(2) has for it.</summary>
    internal List<(byte[] Name, byte[] Value)> GetAttributes(InodeNumber number)
    {
        lock (Volume.Gate)
        {
            Inode inode = Inode(number);
            List<(byte[], byte[])> all = [];
            foreach (AttributeItem item in ListAttributes(inode))
            {
                bool second = item.NameBytes.AsSpan().SequenceEqual("trusted.SGI_ACL_FILE"u8) || item.NameBytes.AsSpan().SequenceEqual("trusted.SGI_ACL_DEFAULT"u8);
                if (second && !inode.Core.IsSymlink) continue;
                if (TryGetAttribute(inode, item.NameBytes, out byte[] value)) all.Add((item.NameBytes, value));
            }
            return all;
        }
    }
}
