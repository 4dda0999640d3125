using System.Text;
using ImageFs.Format;

namespace ImageFs.Cli;

/// <summary>Visits a tree by inode: a path costs nothing, however deep it is.</summary>
internal static class TreeWalk
{
    /// <summary>Everything from <paramref name="start"/> on: a directory before what is in it, names in the order of their bytes.</summary>
    /// <param name="path">The bytes the start is called by, in front of all other names; may be empty.</param>
    /// <exception cref="CorruptionException">A directory has two places in the tree.</exception>
    public static IEnumerable<(byte[] Path, Entry Entry)> From(FileSystem fs, InodeNumber start, byte[] path)
    {
        HashSet<InodeNumber> directories = [];
        Stack<(byte[] Path, InodeNumber Inode)> rest = new([(path, start)]);
        while (rest.TryPop(out (byte[] Path, InodeNumber Inode) at))
        {
            Entry entry = fs.GetEntry(at.Inode);
            yield return (at.Path, entry);
            if (!entry.IsDirectory) continue;
            if (!directories.Add(at.Inode))
                throw new CorruptionException("directory", Encoding.UTF8.GetString(at.Path), $"inode {at.Inode} has another place in the tree already");
            DirectoryItem[] items = [.. fs.List(at.Inode)];
            Array.Sort(items, (a, b) => b.NameBytes.AsSpan().SequenceCompareTo(a.NameBytes));
            foreach (DirectoryItem item in items)
                rest.Push((at.Path.Length == 0 ? item.NameBytes : [.. at.Path, (byte)'/', .. item.NameBytes], item.Inode));
        }
    }
}
