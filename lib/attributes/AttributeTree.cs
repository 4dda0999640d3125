using System.Numerics;
using ImageFs.DaBtrees;
using ImageFs.Format;
using ImageFs.Metadata;
using ImageFs.Transactions;

namespace ImageFs.Attributes;

/// <summary>
/// Attributes with blocks: one leaf, or leaves below a da-btree. Both are the same here, since a tree of one leaf has its
/// root at file block 0 as well; what differs is only how the kernel tells them apart, by the mapping alone.
/// </summary>
/// <remarks>Always true between transactions: there is no empty leaf.</remarks>
internal readonly ref struct AttributeTree
{
    private readonly AttributeStorage _fork;
    private readonly DaBtree<AttributeLeafKind> _tree;

    public AttributeTree(AttributeStorage fork)
    {
        _fork = fork;
        _tree = new DaBtree<AttributeLeafKind>(fork, default, new FileBlock(AttributeStorage.Limit), 1);
    }

    /// <summary>Turns an empty fork into a leaf without entries.</summary>
    public static void Create(Transaction tx, AttributeStorage fork)
    {
        Format(tx, fork, fork.AddBlock(tx, default, BlockKind.DaBlock));
    }

    /// <summary>
    /// Makes the root a leaf without entries, whatever was there: before the blocks of a large fork are freed a few at a time,
    /// so that whoever goes on after a crash follows no pointer to a block that is gone.
    /// </summary>
    public static void Forget(Transaction tx, AttributeStorage fork)
    {
        if (!fork.TryBlock(default, out long device)) return;
        int length = fork.Geometry.BlockSize;
        tx.Invalidate(device, length);
        Format(tx, fork, tx.Create(device, length, BlockKind.DaBlock));
    }

    private static void Format(Transaction tx, AttributeStorage fork, MetadataBuffer buffer)
    {
        Span<byte> leaf = tx.Modify(buffer);
        ref DaBlockHeader header = ref DaBlockHeader.At(leaf);
        header.Magic = DirectoryMagic.AttrLeaf;
        header.BlockNumber = fork.Geometry.DiskAddress(buffer.Offset);
        header.Uuid = fork.Geometry.MetaUuid;
        header.Owner = fork.Number.Value;
        AttributeLeaf.Clear(leaf);
    }

    /// <summary>
    /// Finds an attribute. The path leads to its leaf and <paramref name="slot"/> is its entry there; or, if there is none,
    /// where its hash belongs.
    /// </summary>
    /// <param name="incomplete">Looks for one that a crash left half made.</param>
    /// <param name="leftover">True if one of the other kind was passed on the way.</param>
    private bool TryFind(in AttributeKey key, bool incomplete, ref DaPath path, out int slot, out bool leftover)
    {
        leftover = false;
        _tree.Seek(key.Hash, ref path);
        FileBlock mark = path.Leaf.Block;
        for (int steps = 1; ; steps++)
        {
            ReadOnlySpan<byte> leaf = path.Leaf.Buffer.Data;
            ReadOnlySpan<AttributeLeafEntry> entries = AttributeLeaf.Entries(leaf);
            for (slot = AttributeLeaf.LowerBound(entries, key.Hash); slot < entries.Length && entries[slot].Hash == key.Hash; slot++)
            {
                ref readonly AttributeLeafEntry entry = ref entries[slot];
                if (!key.Matches(entry.Flags, AttributeLeaf.Name(leaf, entry), entry.IsLocal ? AttributeLeaf.Value(leaf, entry) : [])) continue;
                if (entry.IsIncomplete == incomplete) return true;
                leftover = true;
            }
            if (slot < entries.Length || !_tree.TryMoveNext(ref path)) break;
            // Equal hashes go on to the right, for as long as it takes, but never back to where we were.
            if (path.Leaf.Block == mark) throw _fork.Corrupt($"leaves are linked in a circle at block {mark}");
            if (BitOperations.IsPow2(steps)) mark = path.Leaf.Block;
        }
        // The last entry of equal hash may have ended a leaf; a place before the first of the next one is as good.
        slot = AttributeLeaf.LowerBound(AttributeLeaf.Entries(path.Leaf.Buffer.Data), key.Hash);
        return false;
    }

    public bool TryGet(in AttributeKey key, out byte[] value)
    {
        DaPath path = default;
        bool found = TryFind(key, incomplete: false, ref path, out int slot, out _);
        value = found ? ValueOf(path.Leaf.Buffer.Data, slot) : [];
        return found;
    }

    public bool Exists(in AttributeKey key)
    {
        DaPath path = default;
        return TryFind(key, incomplete: false, ref path, out _, out _);
    }

    private byte[] ValueOf(ReadOnlySpan<byte> leaf, int slot)
    {
        ref readonly AttributeLeafEntry entry = ref AttributeLeaf.Entries(leaf)[slot];
        return entry.IsLocal ? AttributeLeaf.Value(leaf, entry).ToArray() : _fork.ReadValue(AttributeLeaf.Remote(leaf, entry));
    }

    /// <summary>Shows every attribute in order of hashes, those left half made left out.</summary>
    public void List(AttributeVisitor visit) => Walk((leaf, in entry) =>
    {
        if (entry.IsIncomplete) return true;
        uint length = entry.IsLocal ? (uint)AttributeLeaf.Value(leaf, entry).Length : AttributeLeaf.Remote(leaf, entry).Length;
        return visit(entry.Flags & AttributeFlags.Namespaces, AttributeLeaf.Name(leaf, entry), length);
    });

    private delegate bool EntryVisitor(ReadOnlySpan<byte> leaf, in AttributeLeafEntry entry);

    private void Walk(EntryVisitor visit)
    {
        DaPath path = default;
        _tree.Seek(0, ref path);
        FileBlock mark = path.Leaf.Block;
        for (int steps = 1; ; steps++)
        {
            ReadOnlySpan<byte> leaf = path.Leaf.Buffer.Data;
            foreach (ref readonly AttributeLeafEntry entry in AttributeLeaf.Entries(leaf))
                if (!visit(leaf, entry)) return;
            if (!_tree.TryMoveNext(ref path)) return;
            if (path.Leaf.Block == mark) throw _fork.Corrupt($"leaves are linked in a circle at block {mark}");
            if (BitOperations.IsPow2(steps)) mark = path.Leaf.Block;
        }
    }

    /// <summary>Makes or replaces an attribute.</summary>
    public void Set(Transaction tx, in AttributeKey key, ReadOnlySpan<byte> value)
    {
        DaPath path = default;
        bool replace = TryFind(key, incomplete: false, ref path, out int slot, out bool leftover);
        if (leftover)
        {
            while (Remove(tx, key, incomplete: true)) { }
            replace = TryFind(key, incomplete: false, ref path, out slot, out _);
        }
        bool isLocal = AttributeFormat.IsLocal(key.Name.Length, value.Length, _fork.Geometry.BlockSize);
        if (replace)
        {
            ReadOnlySpan<byte> old = path.Leaf.Buffer.Data;
            AttributeLeafEntry entry = AttributeLeaf.Entries(old)[slot];
            if (isLocal && entry.IsLocal && AttributeLeaf.Value(old, entry).Length == value.Length)
            {
                AttributeLeaf.Overwrite(tx.Modify(path.Leaf.Buffer), slot, value);
                return;
            }
            RemoveEntry(tx, path.Leaf.Buffer, slot);
        }
        RemoteValue remote = isLocal ? default : _fork.AddValue(tx, value);
        int bytes = isLocal ? AttributeFormat.LocalEntry(key.Name.Length, value.Length) : AttributeFormat.RemoteEntry(key.Name.Length);
        CheckSound(path.Leaf.Buffer);
        while (!AttributeLeaf.TryMakeRoom(tx.Modify(path.Leaf.Buffer), bytes))
        {
            _tree.SplitLeaf(tx, ref path, slot);
            slot = path.Leaf.Index;
        }
        Span<byte> leaf = tx.Modify(path.Leaf.Buffer);
        if (isLocal) AttributeLeaf.Insert(leaf, slot, key, value); else AttributeLeaf.Insert(leaf, slot, key, remote);
        _tree.FixHashes(tx, ref path);
        if (replace) _tree.Shrink(tx, ref path);
    }

    /// <summary>Removes an attribute; false if there is none.</summary>
    public bool Remove(Transaction tx, in AttributeKey key, bool incomplete = false)
    {
        DaPath path = default;
        if (!TryFind(key, incomplete, ref path, out int slot, out _)) return false;
        RemoveEntry(tx, path.Leaf.Buffer, slot);
        if (AttributeLeafHeader.At(path.Leaf.Buffer.Data).Count != 0) _tree.FixHashes(tx, ref path);
        _tree.Shrink(tx, ref path);
        return true;
    }

    private void RemoveEntry(Transaction tx, MetadataBuffer buffer, int slot)
    {
        CheckSound(buffer);
        ReadOnlySpan<byte> leaf = buffer.Data;
        AttributeLeafEntry entry = AttributeLeaf.Entries(leaf)[slot];
        if (!entry.IsLocal)
        {
            RemoteValue remote = AttributeLeaf.Remote(leaf, entry);
            if (entry.IsIncomplete) _fork.RemoveLeftovers(tx, remote, RemoteValues()); else _fork.RemoveValue(tx, remote);
        }
        AttributeLeaf.Remove(tx.Modify(buffer), slot);
    }

    /// <summary>Where the values of all attributes lie that have blocks for them.</summary>
    private List<RemoteValue> RemoteValues()
    {
        List<RemoteValue> values = [];
        Walk((leaf, in entry) =>
        {
            if (!entry.IsLocal && !entry.IsIncomplete) values.Add(AttributeLeaf.Remote(leaf, entry));
            return true;
        });
        return values;
    }

    private void CheckSound(MetadataBuffer buffer)
    {
        if (!AttributeLeaf.IsSound(buffer.Data)) throw _fork.Corrupt($"a leaf (daddr {_fork.Geometry.DiskAddress(buffer.Offset)}) whose names overlap or are counted wrongly");
    }

    /// <summary>The only leaf, if nothing else is in the fork.</summary>
    public bool TryOnlyLeaf(out ReadOnlySpan<byte> leaf)
    {
        leaf = default;
        if (_fork.EndOfMapped(new FileBlock(FileBlock.Limit)).Value != 1) return false;
        leaf = _tree.ReadRoot().Data;
        return DaBlockHeader.At(leaf).Magic == DirectoryMagic.AttrLeaf;
    }
}
