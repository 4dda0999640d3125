using System.Text;
using ImageFs.Format;
using ImageFs.Transactions;

namespace ImageFs.Directories;

/// <summary>One entry, as a copy that outlives its directory block.</summary>
/// <param name="Cookie">Where it stands; asking for entries from <c>Cookie + 1</c> on continues behind it.</param>
internal readonly record struct DirectoryEntry(InodeNumber Inode, DirectoryFileType Type, byte[] Name, long Cookie);

/// <summary>Looks at one entry; the name is only good until it returns. It must not change the directory.</summary>
/// <returns>False to stop.</returns>
internal delegate bool DirectoryVisitor(ReadOnlySpan<byte> name, InodeNumber inode, DirectoryFileType type, long cookie);

/// <summary>How a directory is laid out. Follows from what is mapped, see <see cref="Directory.FormOf"/>.</summary>
internal enum DirectoryForm
{
    /// <summary>Inside the inode.</summary>
    Short,
    /// <summary>One block with entries and hash index.</summary>
    Block,
    /// <summary>Data blocks, and one leaf with the hash index and the best free length of each data block.</summary>
    Leaf,
    /// <summary>Data blocks, a da-btree over leaves, and blocks of the free index.</summary>
    Node,
}

/// <summary>
/// Names in a directory. This is where the form is chosen; each form does its own work below and says when the directory
/// must become the next larger one. Removing converts back as soon as the smaller form holds everything, because a
/// reader tells the form from the mapping alone.
/// </summary>
/// <remarks>Neither link counts nor times are touched. A call that throws leaves a transaction that must be aborted.</remarks>
internal static class Directory
{
    /// <summary>Makes a directory's fork an empty short form.</summary>
    public static void Initialize(Transaction tx, IDirectoryStorage dir, InodeNumber parent) => ShortForm.Initialize(tx, dir, parent);

    /// <summary>The form a directory has.</summary>
    /// <exception cref="CorruptionException">What is mapped is no directory.</exception>
    public static DirectoryForm FormOf(IDirectoryStorage dir)
    {
        ref readonly InodeCore core = ref dir.Core;
        if (core.Format == ForkFormat.Local) return DirectoryForm.Short;
        if (core.Format is not (ForkFormat.Extents or ForkFormat.Btree))
            throw new CorruptionException("directory", $"inode {dir.Number}", $"data fork format {core.DataFormat}");
        DirectorySpace space = new(dir.Geometry);
        FileBlock end = dir.EndOfMapped(new FileBlock(FileBlock.Limit));
        if (end.Value == space.FsBlocks)
        {
            if (core.FileSize != (ulong)space.BlockSize)
                throw new CorruptionException("directory", $"inode {dir.Number}", $"size {core.FileSize}, expected {space.BlockSize} as only one directory block is mapped");
            return DirectoryForm.Block;
        }
        if (end.Value < space.FsBlocks) throw new CorruptionException("directory", $"inode {dir.Number}", $"{end} blocks mapped, expected at least {space.FsBlocks}");
        return end == space.Leaf + space.FsBlocks ? DirectoryForm.Leaf : DirectoryForm.Node;
    }

    /// <summary>Finds a name; "." and ".." too.</summary>
    public static bool TryLookup(IDirectoryStorage dir, ReadOnlySpan<byte> name, out InodeNumber inode, out DirectoryFileType type)
    {
        inode = default;
        type = DirectoryFileType.Directory;
        if (name.Length is 0 or > DirectoryName.MaxLength) return false;
        if (dir.Geometry.IsVersion4) return Version4Directory.TryLookup(dir, name, out inode, out type);
        switch (FormOf(dir))
        {
            case DirectoryForm.Short when name.SequenceEqual("."u8):
                inode = dir.Number;
                return true;
            case DirectoryForm.Short when name.SequenceEqual(".."u8):
                inode = new ShortReader(dir).Parent;
                return true;
            case DirectoryForm.Short: return ShortForm.TryLookup(dir, name, out inode, out type);
            case DirectoryForm.Block: return BlockForm.TryLookup(dir, name, out inode, out type);
            case DirectoryForm.Leaf: return LeafForm.TryLookup(dir, name, out inode, out type);
            default: return NodeForm.TryLookup(dir, name, out inode, out type);
        }
    }

    /// <summary>Adds a name.</summary>
    /// <exception cref="XfsException">EEXIST: it is there already; EINVAL, ENAMETOOLONG: no legal name.</exception>
    /// <exception cref="XfsNoSpaceException">No room for another block.</exception>
    public static void Add(Transaction tx, IDirectoryStorage dir, ReadOnlySpan<byte> name, InodeNumber inode, DirectoryFileType type)
    {
        CheckName(dir, name);
        if (IsDots(name)) throw Exists(dir, name);
        Invariant.Holds(dir.Geometry.IsValid(inode), "a directory entry points at an inode that can exist");
        DirectoryForm form = FormOf(dir);
        if (form == DirectoryForm.Short)
        {
            if (ShortForm.TryAdd(tx, dir, name, inode, type)) return;
            BlockForm.FromShort(tx, dir);
            form = DirectoryForm.Block;
        }
        if (form == DirectoryForm.Block)
        {
            if (BlockForm.TryAdd(tx, dir, name, inode, type)) return;
            LeafForm.FromBlock(tx, dir);
            form = DirectoryForm.Leaf;
        }
        if (form == DirectoryForm.Leaf)
        {
            if (LeafForm.TryAdd(tx, dir, name, inode, type)) return;
            NodeForm.FromLeaf(tx, dir);
        }
        NodeForm.Add(tx, dir, name, inode, type);
    }

    /// <summary>Removes a name; false if it is not there.</summary>
    /// <exception cref="XfsException">EINVAL: "." and ".." stay.</exception>
    public static bool Remove(Transaction tx, IDirectoryStorage dir, ReadOnlySpan<byte> name, out InodeNumber removed)
    {
        CheckName(dir, name);
        if (IsDots(name)) throw new XfsException(Errno.EINVAL, $"directory inode {dir.Number}: '{Printable(name)}' cannot be removed");
        return FormOf(dir) switch
        {
            DirectoryForm.Short => ShortForm.Remove(tx, dir, name, out removed),
            DirectoryForm.Block => BlockForm.Remove(tx, dir, name, out removed),
            DirectoryForm.Leaf => LeafForm.Remove(tx, dir, name, out removed),
            _ => NodeForm.Remove(tx, dir, name, out removed),
        };
    }

    /// <summary>Points a name, or "..", at another inode.</summary>
    /// <exception cref="XfsException">ENOENT: it is not there.</exception>
    public static void Replace(Transaction tx, IDirectoryStorage dir, ReadOnlySpan<byte> name, InodeNumber inode, DirectoryFileType type)
    {
        CheckName(dir, name);
        Invariant.Holds(dir.Geometry.IsValid(inode), "a directory entry points at an inode that can exist");
        if (name.SequenceEqual("."u8)) throw new XfsException(Errno.EINVAL, $"directory inode {dir.Number}: '.' cannot point elsewhere");
        switch (FormOf(dir))
        {
            case DirectoryForm.Short:
                if (ShortForm.TryReplace(tx, dir, name, inode, type)) return;
                // The new number needs 8 bytes in every entry, and they do not fit.
                BlockForm.FromShort(tx, dir);
                BlockForm.Replace(tx, dir, name, inode, type);
                break;
            case DirectoryForm.Block: BlockForm.Replace(tx, dir, name, inode, type); break;
            case DirectoryForm.Leaf: LeafForm.Replace(tx, dir, name, inode, type); break;
            default: NodeForm.Replace(tx, dir, name, inode, type); break;
        }
    }

    /// <summary>Where ".." points.</summary>
    public static InodeNumber Parent(IDirectoryStorage dir)
    {
        if (dir.Geometry.IsVersion4) return Version4Directory.TryLookup(dir, ".."u8, out InodeNumber parent, out _) ? parent : throw Missing(dir, ".."u8);
        DirectoryForm form = FormOf(dir);
        if (form == DirectoryForm.Short) return new ShortReader(dir).Parent;
        DirectorySpace space = new(dir.Geometry);
        ReadOnlySpan<byte> block = DirectoryBlocks.NeedData(dir, space, 0, form == DirectoryForm.Block ? DirectoryMagic.Block : DirectoryMagic.Data).Data;
        const int at = DataBlock.DotDotOffset;
        if (!DataBlock.IsEntry(block, at, block.Length) || !DataBlock.Name(block, at).SequenceEqual(".."u8))
            DirectoryBlocks.Corrupt(dir, space.Data(0), $"no '..' at byte {at}");
        return DataBlock.Inode(block, at);
    }

    /// <summary>True if nothing but "." and ".." is in it.</summary>
    public static bool IsEmpty(IDirectoryStorage dir)
    {
        if (!dir.Geometry.IsVersion4 && FormOf(dir) == DirectoryForm.Short) return new ShortReader(dir).Count == 0;
        bool empty = true;
        List(dir, 0, (name, _, _, _) => empty = IsDots(name));
        return empty;
    }

    /// <summary>
    /// Shows the entries whose cookie is at least <paramref name="fromCookie"/>, in order of their cookies; "." and ".." come
    /// first. A cookie is the entry's byte offset in the directory's data divided by 8; an entry keeps it for life,
    /// whatever is added, removed or converted around it.
    /// </summary>
    public static void List(IDirectoryStorage dir, long fromCookie, DirectoryVisitor visit)
    {
        if (dir.Geometry.IsVersion4)
        {
            Version4Directory.List(dir, fromCookie, visit);
            return;
        }
        DirectoryForm form = FormOf(dir);
        if (form == DirectoryForm.Short) ShortForm.List(dir, fromCookie, visit);
        else if (form == DirectoryForm.Block) BlockForm.List(dir, fromCookie, visit);
        else LeafForm.List(dir, fromCookie, visit);
    }

    internal static XfsException Exists(IDirectoryStorage dir, ReadOnlySpan<byte> name) =>
        new(Errno.EEXIST, $"directory inode {dir.Number}: '{Printable(name)}' exists");

    internal static XfsException Missing(IDirectoryStorage dir, ReadOnlySpan<byte> name) =>
        new(Errno.ENOENT, $"directory inode {dir.Number}: no '{Printable(name)}'");

    private static bool IsDots(ReadOnlySpan<byte> name) => name.SequenceEqual("."u8) || name.SequenceEqual(".."u8);

    private static string Printable(ReadOnlySpan<byte> name) => Encoding.UTF8.GetString(name);

    private static void CheckName(IDirectoryStorage dir, ReadOnlySpan<byte> name)
    {
        if (DirectoryName.IsLegal(name)) return;
        throw name.Length > DirectoryName.MaxLength
            ? new XfsException(Errno.ENAMETOOLONG, $"directory inode {dir.Number}: a name of {name.Length} bytes, at most {DirectoryName.MaxLength} possible")
            : new XfsException(Errno.EINVAL, $"directory inode {dir.Number}: '{Printable(name)}' is no legal name");
    }
}
