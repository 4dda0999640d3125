using System.Numerics;
using System.Runtime.InteropServices;
using ImageFs.DaBtrees;
using ImageFs.Format;
using ImageFs.Metadata;
using ImageFs.Transactions;

namespace ImageFs.Directories;

/// <summary>A leaf of a directory's da-btree: nothing but the hash index.</summary>
internal struct DirectoryLeafKind : IDaLeafKind
{
    public static ushort Magic => DirectoryMagic.LeafN;
    public static string Name => "directory";

    public static uint LastHash(ReadOnlySpan<byte> leaf)
    {
        ReadOnlySpan<DirectoryLeafEntry> index = LeafForm.Index(leaf);
        return index.IsEmpty ? 0 : index[^1].Hash;
    }

    public static int Used(ReadOnlySpan<byte> leaf) => (DaBlockHeader.At(leaf).Count - DaBlockHeader.At(leaf).StaleOrLevel) * DirectoryLeafEntry.Size;

    public static void Clear(Span<byte> leaf)
    {
        DaBlockHeader.At(leaf).Count = 0;
        DaBlockHeader.At(leaf).StaleOrLevel = 0;
    }

    public static int Split(Span<byte> from, Span<byte> to, int at, out bool right)
    {
        Span<DirectoryLeafEntry> index = LeafForm.Index(from);
        int stay = index.Length / 2;
        Span<DirectoryLeafEntry> moved = index[stay..];
        int stale = 0;
        foreach (DirectoryLeafEntry entry in moved)
            if (entry.Address == 0) stale++;
        DaBlockHeader.At(to).Count = (ushort)moved.Length;
        DaBlockHeader.At(to).StaleOrLevel = (ushort)stale;
        moved.CopyTo(LeafForm.Index(to));
        moved.Clear();
        DaBlockHeader.At(from).Count = (ushort)stay;
        DaBlockHeader.At(from).StaleOrLevel -= (ushort)stale;
        right = at >= stay;
        return stay;
    }

    public static void Join(Span<byte> to, Span<byte> from)
    {
        LeafForm.Compact(to);
        LeafForm.Compact(from);
        int count = DaBlockHeader.At(to).Count;
        DaBlockHeader.At(to).Count += DaBlockHeader.At(from).Count;
        LeafForm.Index(from).CopyTo(LeafForm.Index(to)[count..]);
    }
}

// Node form: data blocks; the hash index in leaves below a da-btree, whose root is a leaf at first; the bests in blocks of
// the free index. Three things change together when a name comes or goes: its entry, its hash, the best of its data block.

/// <summary>Operations on directories with a da-btree.</summary>
internal static class NodeForm
{
    private static DaBtree<DirectoryLeafKind> Tree(IDirectoryStorage dir, in DirectorySpace space) => new(dir, space.Leaf, space.Free, space.FsBlocks);

    /// <summary>
    /// Finds a name. The path leads to its leaf and <paramref name="slot"/> is its entry there; or, if there is no such name,
    /// where its hash belongs.
    /// </summary>
    private static bool TryFind(in DaBtree<DirectoryLeafKind> tree, IDirectoryStorage dir, in DirectorySpace space, ReadOnlySpan<byte> name,
        ref DaPath path, out int slot, out MetadataBuffer data, out int at)
    {
        uint hash = DirectoryName.Hash(name);
        tree.Seek(hash, ref path);
        FileBlock mark = path.Leaf.Block;
        for (int steps = 1; ; steps++)
        {
            ReadOnlySpan<DirectoryLeafEntry> index = LeafForm.Index(path.Leaf.Buffer.Data);
            slot = LeafEntries.LowerBound(index, hash);
            if (LeafForm.TryFind(dir, space, path.Leaf.Block, index, hash, name, ref slot, out data, out at)) return true;
            if (slot < index.Length || !tree.TryMoveNext(ref path)) break;
            // Equal hashes go on to the right, for as long as it takes, but never back to where we were.
            if (path.Leaf.Block == mark) DirectoryBlocks.Corrupt(dir, mark, "leaves are linked in a circle");
            if (BitOperations.IsPow2(steps)) mark = path.Leaf.Block;
        }
        // The last entry of equal hash may have ended a leaf; a place before the first of the next one is as good.
        slot = LeafEntries.LowerBound(LeafForm.Index(path.Leaf.Buffer.Data), hash);
        return false;
    }

    public static bool TryLookup(IDirectoryStorage dir, ReadOnlySpan<byte> name, out InodeNumber inode, out DirectoryFileType type)
    {
        DirectorySpace space = new(dir.Geometry);
        DaPath path = default;
        bool found = TryFind(Tree(dir, space), dir, space, name, ref path, out _, out MetadataBuffer data, out int at);
        inode = found ? DataBlock.Inode(data.Data, at) : default;
        type = found ? DataBlock.Type(data.Data, at) : default;
        return found;
    }

    /// <summary>Adds an entry.</summary>
    public static void Add(Transaction tx, IDirectoryStorage dir, ReadOnlySpan<byte> name, InodeNumber inode, DirectoryFileType type)
    {
        DirectorySpace space = new(dir.Geometry);
        DaBtree<DirectoryLeafKind> tree = Tree(dir, space);
        DaPath path = default;
        if (TryFind(tree, dir, space, name, ref path, out int slot, out _, out _)) throw Directory.Exists(dir, name);

        MetadataBuffer data = FreeIndex.TryFindRoom(dir, space, DirectoryName.EntrySize(name.Length), out uint index)
            ? DirectoryBlocks.NeedData(dir, space, index)
            : DirectoryBlocks.AddData(tx, dir, space, index);
        int at = LeafForm.Put(tx, dir, space, index, data, name, inode, type);
        FreeIndex.Set(tx, dir, space, index, (ushort)DataBlock.Best(data.Data));

        ref readonly DaBlockHeader header = ref DaBlockHeader.At(path.Leaf.Buffer.Data);
        if (header.StaleOrLevel == 0 && header.Count >= (space.BlockSize - DaBlockHeader.Size) / DirectoryLeafEntry.Size)
        {
            tree.SplitLeaf(tx, ref path, slot);
            slot = path.Leaf.Index;
        }
        LeafForm.Insert(tx.Modify(path.Leaf.Buffer), slot, DirectoryName.Hash(name), space.Address(index, at));
        tree.FixHashes(tx, ref path);
    }

    public static void Replace(Transaction tx, IDirectoryStorage dir, ReadOnlySpan<byte> name, InodeNumber inode, DirectoryFileType type)
    {
        DirectorySpace space = new(dir.Geometry);
        DaPath path = default;
        if (!TryFind(Tree(dir, space), dir, space, name, ref path, out _, out MetadataBuffer data, out int at)) throw Directory.Missing(dir, name);
        DataBlock.Retarget(tx.Modify(data), at, inode, type);
    }

    /// <summary>Removes an entry; false if there is none of that name.</summary>
    public static bool Remove(Transaction tx, IDirectoryStorage dir, ReadOnlySpan<byte> name, out InodeNumber removed)
    {
        DirectorySpace space = new(dir.Geometry);
        DaBtree<DirectoryLeafKind> tree = Tree(dir, space);
        DaPath path = default;
        removed = default;
        if (!TryFind(tree, dir, space, name, ref path, out int slot, out MetadataBuffer data, out int at)) return false;
        removed = DataBlock.Inode(data.Data, at);

        Span<byte> leaf = tx.Modify(path.Leaf.Buffer);
        uint index = space.DataBlockOf(LeafForm.Index(leaf)[slot].Address);
        LeafForm.Index(leaf)[slot].Address = 0;
        DaBlockHeader.At(leaf).StaleOrLevel++;

        Span<byte> block = tx.Modify(data);
        DataBlock.Release(block, at, DataBlock.EntrySize(block, at), block.Length);
        if (index != 0 && DataBlock.IsEmpty(block))
        {
            DirectoryBlocks.RemoveData(tx, dir, space, index);
            FreeIndex.Set(tx, dir, space, index, DirectoryFreeHeader.NullBest);
        }
        else
        {
            FreeIndex.Set(tx, dir, space, index, (ushort)DataBlock.Best(block));
        }
        tree.Shrink(tx, ref path);
        TryShrink(tx, dir, space, tree);
        return true;
    }

    /// <summary>Goes back to leaf form if one leaf is left and the bests fit into it.</summary>
    private static void TryShrink(Transaction tx, IDirectoryStorage dir, in DirectorySpace space, in DaBtree<DirectoryLeafKind> tree)
    {
        MetadataBuffer root = tree.ReadRoot();
        if (DaBlockHeader.At(root.Data).Magic != DirectoryMagic.LeafN) return;
        if (!FreeIndex.TryReadOnly(tx, dir, space, out ReadOnlySpan<BigEndian16> bests)) return;
        if (!LeafForm.Fits(root.Length, DirectoryLeafKind.Used(root.Data), bests.Length)) return;
        LeafForm.FromLeafN(tx.Modify(root), bests);
        dir.RemoveBlock(tx, space.Free);
        LeafForm.TryShrink(tx, dir);
    }

    /// <summary>Turns a leaf form into a leaf that is the root of a tree, and a free index.</summary>
    public static void FromLeaf(Transaction tx, IDirectoryStorage dir)
    {
        DirectorySpace space = new(dir.Geometry);
        MetadataBuffer buffer = LeafForm.Leaf(dir, space);
        FreeIndex.Create(tx, dir, space, LeafForm.Bests(buffer.Data));
        Span<byte> leaf = tx.Modify(buffer);
        DaBlockHeader.At(leaf).Magic = DirectoryMagic.LeafN;
        leaf[(DaBlockHeader.Size + LeafForm.Index(leaf).Length * DirectoryLeafEntry.Size)..].Clear();
    }
}
