using ImageFs.Dax;
using ImageFs.Directories;
using ImageFs.Format;
using ImageFs.Inodes;
using ImageFs.Names;
using ImageFs.Transactions;

using Directory = ImageFs.Directories.Directory;

namespace ImageFs.Fsck;

/// <summary>Writes directories anew, with the library's own hands: groups and inodes are sound when this begins.</summary>
internal sealed class DirectoryRebuild(Volume volume)
{
    private const int EntriesPerTransaction = 64;

    /// <summary>Empties a directory and gives it the entries that were salvaged. Link counts and times stay as they are.</summary>
    public void Rebuild(SalvagedDirectory salvaged)
    {
        Inode inode = volume.Inodes.Get(new InodeNumber(salvaged.Inode));
        FileData data = new(volume);
        data.FreeRange(inode, ForkKind.Data, default, new FileBlock(FileBlock.Limit));
        InodeNumber parent = new(volume.Geometry.IsValid(new InodeNumber(salvaged.Parent)) ? salvaged.Parent : volume.Root.Value);
        DirectoryStorage storage = new(volume.Groups, volume.Map, inode);
        volume.Run(tx =>
        {
            inode.ModifyFork(tx, ForkKind.Data).Clear();
            inode.SetFormat(tx, ForkKind.Data, ForkFormat.Extents);
            inode.Modify(tx).FileSize = 0;
            Directory.Initialize(tx, storage, parent);
        });
        Add(storage, salvaged.Entries);
    }

    private void Add(DirectoryStorage storage, List<SalvagedEntry> entries)
    {
        for (int at = 0; at < entries.Count; at += EntriesPerTransaction)
        {
            int from = at, to = Math.Min(entries.Count, at + EntriesPerTransaction);
            volume.Run(tx =>
            {
                for (int i = from; i < to; i++)
                    Directory.Add(tx, storage, entries[i].Name, entries[i].Inode, DirectoryName.TypeOf(volume.Inodes.Get(entries[i].Inode).Core.Mode));
            });
        }
    }

    /// <summary>Points ".." of a directory at another one.</summary>
    public void SetParent(InodeNumber directory, InodeNumber parent)
    {
        DirectoryStorage storage = new(volume.Groups, volume.Map, volume.Inodes.Get(directory));
        volume.Run(tx => Directory.Replace(tx, storage, ".."u8, parent, DirectoryFileType.Directory));
    }

    /// <summary>Names inodes that nobody names in /lost+found, by their numbers.</summary>
    public void Adopt(IReadOnlyList<ulong> orphans)
    {
        if (orphans.Count == 0) return;
        InodeNumber home = LostAndFound();
        DirectoryStorage storage = new(volume.Groups, volume.Map, volume.Inodes.Get(home));
        foreach (ulong orphan in orphans)
        {
            InodeNumber number = new(orphan);
            Inode inode = volume.Inodes.Get(number);
            byte[] name = FreeName(storage, orphan);
            volume.Run(tx => Directory.Add(tx, storage, name, number, DirectoryName.TypeOf(inode.Core.Mode)));
            if (inode.IsDirectory) SetParent(number, home);
        }
    }

    private static byte[] FreeName(DirectoryStorage storage, ulong inode)
    {
        string name = inode.ToString(System.Globalization.CultureInfo.InvariantCulture);
        byte[] bytes = System.Text.Encoding.ASCII.GetBytes(name);
        for (int i = 1; Directory.TryLookup(storage, bytes, out _, out _); i++) bytes = System.Text.Encoding.ASCII.GetBytes($"{name}.{i}");
        return bytes;
    }

    private InodeNumber LostAndFound()
    {
        Inode root = volume.Inodes.Get(volume.Root);
        DirectoryStorage storage = new(volume.Groups, volume.Map, root);
        byte[] name = "lost+found"u8.ToArray();
        if (Directory.TryLookup(storage, name, out InodeNumber there, out _) && volume.Inodes.Get(there).IsDirectory) return there;
        for (int i = 1; Directory.TryLookup(storage, name, out _, out _); i++) name = System.Text.Encoding.ASCII.GetBytes($"lost+found.{i}");
        return new NameOperations(volume).Create(root, name, new NewInode(FileMode16.Directory | 0x1C0, 0, 0));
    }
}
