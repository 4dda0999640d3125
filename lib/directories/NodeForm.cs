using ImageFs.Format;
using ImageFs.Transactions;

namespace ImageFs.Directories;

/// <summary>Operations on directories with a da-btree; refused by name until they are here.</summary>
internal static class NodeForm
{
    private static XfsUnsupportedException Unsupported(IDirectoryStorage dir) => new($"directory inode {dir.Number}: node form");

    public static bool TryLookup(IDirectoryStorage dir, ReadOnlySpan<byte> name, out InodeNumber inode, out DirectoryFileType type) => throw Unsupported(dir);
    public static void Add(Transaction tx, IDirectoryStorage dir, ReadOnlySpan<byte> name, InodeNumber inode, DirectoryFileType type) => throw Unsupported(dir);
    public static bool Remove(Transaction tx, IDirectoryStorage dir, ReadOnlySpan<byte> name, out InodeNumber removed) => throw Unsupported(dir);
    public static void Replace(Transaction tx, IDirectoryStorage dir, ReadOnlySpan<byte> name, InodeNumber inode, DirectoryFileType type) => throw Unsupported(dir);
    public static void FromLeaf(Transaction tx, IDirectoryStorage dir) => throw Unsupported(dir);
}
