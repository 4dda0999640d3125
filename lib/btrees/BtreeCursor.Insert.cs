using ImageFs.Format;
using ImageFs.Metadata;
using ImageFs.Transactions;

namespace ImageFs.BTrees;

// How a full block gets room, cheapest first:
//
//   1. a sibling under the same parent takes some           [AAAA][BB  ]  ->  [AAA ][ABB ]
//   2. it splits, and its parent gets one more child        [AAAA]        ->  [AA  ][AA  ]
//   3. a full parent gets room first, in the same way; the root of an AG tree gets a new root above it; the root in an
//      inode pushes its content down into a block, which is always roomier, and keeps one child
//
// A block at the very end of its level fills its left sibling completely before it splits, so that rising keys leave full
// blocks behind. Siblings under another parent are never asked: every parent but an inode root has at least two children.
internal sealed partial class BtreeCursor<TKind, TRecord, TKey>
{
    /// <summary>Puts a record where its key belongs and leaves the cursor on it.</summary>
    /// <exception cref="CorruptionException">There already is a record with that key.</exception>
    /// <exception cref="XfsNoSpaceException">A block was needed and none was left; the transaction must be aborted.</exception>
    public void Insert(in TRecord record)
    {
        Transaction tx = Writer();
        TKey key = TKind.KeyOf(record);
        FindPlace(key);
        ReadOnlySpan<byte> leaf = Data(0);
        int count = _leaf.Count(leaf), index = _way[0].Index;
        if (index < count && TKind.Compare(TKind.KeyOf(_leaf.Record(leaf, index)), key) == 0)
            throw Corrupt(0, $"record {index} already has the key of a record to be inserted");
        _settled = false;
        if (count == _leaf.Capacity) MakeRoom(tx, 0);

        index = _way[0].Index;
        Span<byte> bytes = Modify(tx, 0);
        _leaf.OpenGap(bytes, index);
        _leaf.SetRecord(bytes, index, record);
        _valid = true;
        WidenKeys(tx, key, TKind.HighKeyOf(record));
        Changed(inPlace: true);
    }

    /// <summary>Parents learn of a new record: its key if it became the first, its high key if it became the greatest.</summary>
    private void WidenKeys(Transaction tx, in TKey low, in TKey high)
    {
        bool first = _way[0].Index == 0;
        for (int level = 1; level < _levels; level++)
        {
            int index = _way[level].Index;
            BtreeLayout<TKind, TRecord, TKey> layout = Layout(level);
            bool higher = TKind.Overlapping && TKind.Compare(high, layout.HighKey(Data(level), index)) > 0;
            if (!first && !higher) return;
            Span<byte> node = Modify(tx, level);
            if (first) layout.SetLowKey(node, index, low);
            if (higher) layout.SetHighKey(node, index, high);
            first &= index == 0;
        }
    }

    /// <summary>
    /// Gives the full block the cursor has on a level room for one more. The cursor stays before the same record or child
    /// (or behind the last), even if that has moved to another block.
    /// </summary>
    private void MakeRoom(Transaction tx, int level)
    {
        if (level == _levels - 1)
        {
            if (_home.HasInodeRoot)
            {
                PushRootDown(tx);
                return;
            }
            GrowRoot(tx);
        }
        BtreeLayout<TKind, TRecord, TKey> layout = Layout(level);
        int parent = level + 1, at = _way[parent].Index, last = Count(parent) - 1, index = _way[level].Index;
        // Where the newcomer goes: before the record the cursor is at, but behind the child it is at.
        bool behindAll = index == (layout.IsLeaf ? layout.Capacity : layout.Capacity - 1), atEnd = behindAll && at == last;
        MetadataBuffer block = _way[level].Buffer!;
        if (at < last)
        {
            MetadataBuffer right = ReadSibling(level, at, at + 1);
            int room = layout.Capacity - layout.Count(right.Data);
            // The last free place is of no use if the newcomer would have to follow what moved there.
            if (room > 1 || (room == 1 && !behindAll))
            {
                Redistribute(tx, level, at, block, right, layout.Capacity - (room + 1) / 2);
                return;
            }
        }
        if (at > 0)
        {
            MetadataBuffer left = ReadSibling(level, at, at - 1);
            int count = layout.Count(left.Data), room = layout.Capacity - count;
            if (room > 1 || (room == 1 && index > 0))
            {
                Redistribute(tx, level, at - 1, left, block, count + (atEnd ? room : (room + 1) / 2));
                return;
            }
        }
        Split(tx, level);
    }

    /// <summary>
    /// Moves records or children between two neighbours under one parent until the left one has
    /// <paramref name="leftCount"/>; the cursor stays where it was in the sequence.
    /// </summary>
    /// <param name="leftAt">Index of the left one in the parent.</param>
    private void Redistribute(Transaction tx, int level, int leftAt, MetadataBuffer left, MetadataBuffer right, int leftCount)
    {
        BtreeLayout<TKind, TRecord, TKey> layout = Layout(level);
        Span<byte> l = tx.Modify(left), r = tx.Modify(right);
        int had = layout.Count(l), rightHad = layout.Count(r);
        int position = _way[level].Index + (_way[level].Buffer == right ? had : 0);
        if (leftCount < had)
        {
            int moved = had - leftCount;
            layout.Copy(r, 0, layout, r, moved, rightHad);
            layout.Copy(l, leftCount, layout, r, 0, moved);
        }
        else
        {
            int moved = leftCount - had;
            layout.Copy(r, 0, layout, l, had, moved);
            layout.Copy(r, moved, layout, r, 0, rightHad - moved);
        }
        layout.SetCount(l, leftCount);
        layout.SetCount(r, had + rightHad - leftCount);
        int parent = level + 1;
        Span<byte> node = Modify(tx, parent);
        SetKeys(node, parent, leftAt, l);
        SetKeys(node, parent, leftAt + 1, r);

        BtreeLayout<TKind, TRecord, TKey> above = Layout(parent);
        bool goLeft = position < leftCount || (layout.IsLeaf && position == leftCount && leftCount < layout.Capacity);
        _way[parent].Index = goLeft ? leftAt : leftAt + 1;
        _way[level] = new Step
        {
            Buffer = goLeft ? left : right,
            Pointer = above.Pointer(node, _way[parent].Index),
            Index = goLeft ? position : position - leftCount,
        };
    }

    private void Split(Transaction tx, int level)
    {
        int parent = level + 1;
        if (Count(parent) == Layout(parent).Capacity) MakeRoom(tx, parent);

        ulong leftPointer = _way[level].Pointer;
        MetadataBuffer left = _way[level].Buffer!, right = NewBlock(tx, leftPointer, level, out ulong rightPointer);
        BtreeLayout<TKind, TRecord, TKey> layout = Layout(level);
        Span<byte> l = tx.Modify(left), r = tx.Modify(right);
        int count = layout.Count(l), kept = (count + 1) / 2, position = _way[level].Index;
        layout.Copy(l, kept, layout, r, 0, count - kept);
        layout.SetCount(r, count - kept);
        layout.SetCount(l, kept);

        ulong next = BtreeLayout<TKind, TRecord, TKey>.RightSibling(l);
        Link(tx, level, leftPointer, rightPointer, next);
        BtreeLayout<TKind, TRecord, TKey>.SetRightSibling(l, rightPointer);
        BtreeLayout<TKind, TRecord, TKey>.SetLeftSibling(r, leftPointer);
        BtreeLayout<TKind, TRecord, TKey>.SetRightSibling(r, next);

        BtreeLayout<TKind, TRecord, TKey> above = Layout(parent);
        Span<byte> node = Modify(tx, parent);
        int at = _way[parent].Index;
        above.OpenGap(node, at + 1);
        above.SetPointer(node, at + 1, rightPointer);
        SetKeys(node, parent, at, l);
        SetKeys(node, parent, at + 1, r);
        if (position > kept || (position == kept && !layout.IsLeaf))
        {
            _way[level] = new Step { Buffer = right, Pointer = rightPointer, Index = position - kept };
            _way[parent].Index = at + 1;
        }
    }

    /// <summary>The block behind a pair that changed gets a new left sibling.</summary>
    /// <param name="was">Its left sibling so far.</param>
    /// <param name="becomes">Its left sibling from now on.</param>
    /// <param name="block">The block, or no sibling at the end of a level.</param>
    private void Link(Transaction tx, int level, ulong was, ulong becomes, ulong block)
    {
        if (block == BtreeLayout<TKind, TRecord, TKey>.NoSibling) return;
        MetadataBuffer buffer = ReadBlock(block, level);
        ulong back = BtreeLayout<TKind, TRecord, TKey>.LeftSibling(buffer.Data);
        if (back != was) throw Corrupt(buffer, $"leftsib {back}, expected {was}");
        BtreeLayout<TKind, TRecord, TKey>.SetLeftSibling(tx.Modify(buffer), becomes);
    }

    /// <summary>A new root above the full one of an AG tree, with one child so far.</summary>
    private void GrowRoot(Transaction tx)
    {
        int level = _levels;
        CheckHeight();
        ulong oldPointer = _way[level - 1].Pointer;
        MetadataBuffer root = NewBlock(tx, oldPointer, level, out ulong pointer);
        Span<byte> node = tx.Modify(root);
        _way[level] = new Step { Buffer = root, Pointer = pointer };
        _node.SetCount(node, 1);
        _node.SetPointer(node, 0, oldPointer);
        SetKeys(node, level, 0, Data(level - 1));
        _home.SetRoot(tx, pointer, ++_levels);
    }

    /// <summary>Moves what an inode root holds into a block: the root keeps one child, and may then get less room.</summary>
    public void RaiseInodeRoot()
    {
        First();
        PushRootDown(Writer());
        _valid = false;
        Changed(inPlace: false);
    }

    /// <summary>The content of a full inode root becomes a block; the root keeps one child.</summary>
    private void PushRootDown(Transaction tx)
    {
        int level = _levels - 1;
        CheckHeight();
        int index = _way[level].Index;
        MetadataBuffer block = NewBlock(tx, _way[level - 1].Pointer, level, out ulong pointer);
        Span<byte> node = tx.Modify(block), fork = _home.ModifyInodeRoot(tx);
        int count = _inodeRoot.Count(fork);
        Invariant.Holds(count < _node.Capacity, "a btree block holds more than an inode fork");
        _inodeRoot.Copy(fork, 0, _node, node, 0, count);
        _node.SetCount(node, count);

        fork[BmbtInodeRoot.Size..].Clear();
        _inodeRoot.SetLevel(fork, level + 1);
        _inodeRoot.SetCount(fork, 1);
        _inodeRoot.SetLowKey(fork, 0, _node.FirstKey(node));
        _inodeRoot.SetPointer(fork, 0, pointer);
        _way[level] = new Step { Buffer = block, Pointer = pointer, Index = index };
        _way[level + 1] = default;
        _levels++;
    }

    private void CheckHeight()
    {
        if (_levels >= Math.Min(_home.MaxLevels, BtreeLimits.MaxHeight))
            throw CorruptRoot($"{_levels} levels are full, and no such tree can be higher");
    }

    private MetadataBuffer NewBlock(Transaction tx, ulong near, int level, out ulong pointer)
    {
        pointer = _home.AllocateBlock(tx, near);
        long offset = _home.OffsetOf(pointer);
        MetadataBuffer buffer = tx.Create(offset, _blockSize, TKind.Block);
        BtreeLayout<TKind, TRecord, TKey>.Format(tx.Modify(buffer), _home.Geometry, offset, _home.Owner, level);
        return buffer;
    }

    /// <summary>Writes what a parent must know of a child that has records.</summary>
    private void SetKeys(Span<byte> parent, int parentLevel, int index, ReadOnlySpan<byte> child)
    {
        BtreeLayout<TKind, TRecord, TKey> above = Layout(parentLevel), layout = parentLevel == 1 ? _leaf : _node;
        above.SetLowKey(parent, index, layout.FirstKey(child));
        if (TKind.Overlapping) above.SetHighKey(parent, index, layout.GreatestKey(child));
    }

    /// <summary>A neighbour under the same parent; the links between the two are checked.</summary>
    private MetadataBuffer ReadSibling(int level, int at, int siblingAt)
    {
        ulong pointer = Layout(level + 1).Pointer(Data(level + 1), siblingAt);
        MetadataBuffer sibling = ReadBlock(pointer, level);
        if (siblingAt > at) CheckLink(Data(level), _way[level].Pointer, sibling.Data, pointer);
        else CheckLink(sibling.Data, pointer, Data(level), _way[level].Pointer);
        return sibling;
    }

    private Span<byte> Modify(Transaction tx, int level) =>
        _way[level].Buffer is MetadataBuffer buffer ? tx.Modify(buffer) : _home.ModifyInodeRoot(tx);

    private Transaction Writer()
    {
        Invariant.Holds(_tx is not null, "a btree is changed inside a transaction");
        return _tx;
    }
}
