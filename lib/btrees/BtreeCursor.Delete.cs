using System.Runtime.InteropServices;
using ImageFs.Format;
using ImageFs.Metadata;
using ImageFs.Transactions;

namespace ImageFs.BTrees;

// What a block does that fell below its minimum: if it and a neighbour under the same parent fit one block, the left one
// takes all and the right one is freed, and the parent has a child less and may be the next; else the two share evenly.
// An AG root with a single child is replaced by it. An inode root takes in the content of a single child that fits the
// fork, but never a leaf.
internal sealed partial class BtreeCursor<TKind, TRecord, TKey>
{
    /// <summary>Replaces the record under the cursor by one that belongs in the same place.</summary>
    /// <exception cref="CorruptionException">The new record does not sort between its neighbours.</exception>
    public void Update(in TRecord record)
    {
        Transaction tx = Writer();
        Invariant.Holds(_valid, "a btree cursor updates the record it is on");
        int index = _way[0].Index;
        ReadOnlySpan<byte> leaf = Data(0);
        TRecord old = _leaf.Record(leaf, index);
        TKey key = TKind.KeyOf(record);
        int moved = TKind.Compare(key, TKind.KeyOf(old));
        if (moved < 0) CheckAbove(key);
        else if (moved > 0) CheckBelow(key);
        _leaf.SetRecord(Modify(tx, 0), index, record);
        bool highMoved = TKind.Overlapping && TKind.Compare(TKind.HighKeyOf(record), TKind.HighKeyOf(old)) != 0;
        if (highMoved || (index == 0 && !IsSame(key, TKind.KeyOf(old)))) FixKeys(tx, 0);
        Changed(inPlace: _settled);
    }

    // Byte by byte: keys of free extents carry a length that does not count when they are compared, but is kept in step above.
    private static bool IsSame(in TKey left, in TKey right) =>
        MemoryMarshal.AsBytes(new ReadOnlySpan<TKey>(in left)).SequenceEqual(MemoryMarshal.AsBytes(new ReadOnlySpan<TKey>(in right)));

    /// <summary>Deletes the record under the cursor, which is on none afterwards: seek before using it again.</summary>
    public void Delete()
    {
        Transaction tx = Writer();
        Invariant.Holds(_valid, "a btree cursor deletes the record it is on");
        _valid = false;
        int index = _way[0].Index;
        Span<byte> leaf = Modify(tx, 0);
        TKey high = TKind.HighKeyOf(_leaf.Record(leaf, index));
        _leaf.CloseGap(leaf, index);
        int count = _leaf.Count(leaf);
        // Unless blocks are joined, the way down stays what it was.
        Changed(inPlace: _settled && count >= _leaf.Minimum && count > 0 && (_levels == 1 || Count(_levels - 1) > 1));
        if (count == 0)
        {
            if (!MayBeEmpty(0)) RemoveEmptyLeaf(tx);
            return;
        }
        bool wasGreatest = TKind.Overlapping && _levels > 1 && TKind.Compare(high, _node.HighKey(Data(1), _way[1].Index)) >= 0;
        if (index == 0 || wasGreatest) FixKeys(tx, 0);
        Rebalance(tx, 0);
    }

    /// <summary>Brings the keys of all blocks above the one the cursor has on a level up to date.</summary>
    private void FixKeys(Transaction tx, int level)
    {
        for (int parent = level + 1; parent < _levels; parent++)
        {
            ReadOnlySpan<byte> block = Data(parent - 1), node = Data(parent);
            BtreeLayout<TKind, TRecord, TKey> layout = Layout(parent - 1), above = Layout(parent);
            int index = _way[parent].Index;
            TKey low = layout.FirstKey(block), high = TKind.Overlapping ? layout.GreatestKey(block) : default;
            bool same = IsSame(low, above.LowKey(node, index)) && (!TKind.Overlapping || IsSame(high, above.HighKey(node, index)));
            if (same) return;
            Span<byte> bytes = Modify(tx, parent);
            above.SetLowKey(bytes, index, low);
            if (TKind.Overlapping) above.SetHighKey(bytes, index, high);
        }
    }

    /// <summary>Sees to it that the block the cursor has on a level, and then those above it, hold enough.</summary>
    private void Rebalance(Transaction tx, int level)
    {
        for (; level < _levels - 1; level++)
        {
            BtreeLayout<TKind, TRecord, TKey> layout = Layout(level);
            int parent = level + 1, at = _way[parent].Index, children = Count(parent), count = Count(level);
            // A single child: of an inode root, or of a node that was damaged before we came.
            if (count >= layout.Minimum || children == 1) break;

            MetadataBuffer block = _way[level].Buffer!;
            MetadataBuffer? right = at + 1 < children ? ReadSibling(level, at, at + 1) : null;
            if (right is not null && count + layout.Count(right.Data) <= layout.Capacity)
            {
                Merge(tx, level, at, block, right);
                continue;
            }
            MetadataBuffer? left = at > 0 ? ReadSibling(level, at, at - 1) : null;
            if (left is not null && count + layout.Count(left.Data) <= layout.Capacity)
            {
                Merge(tx, level, at - 1, left, block);
                continue;
            }
            if (right is not null) Redistribute(tx, level, at, block, right, (count + layout.Count(right.Data)) / 2);
            else if (left is not null) Redistribute(tx, level, at - 1, left, block, (count + layout.Count(left.Data) + 1) / 2);
            return;
        }
        if (_home.HasInodeRoot) PullRootUp(tx);
        else ShrinkRoot(tx);
    }

    /// <summary>The left of two neighbours takes all; the right one is freed.</summary>
    private void Merge(Transaction tx, int level, int leftAt, MetadataBuffer left, MetadataBuffer right)
    {
        int parent = level + 1;
        BtreeLayout<TKind, TRecord, TKey> layout = Layout(level), above = Layout(parent);
        Span<byte> l = tx.Modify(left), node = Modify(tx, parent);
        ReadOnlySpan<byte> r = right.Data;
        ulong leftPointer = above.Pointer(node, leftAt), rightPointer = above.Pointer(node, leftAt + 1);
        int had = layout.Count(l), moved = layout.Count(r);
        layout.Copy(r, 0, layout, l, had, moved);
        layout.SetCount(l, had + moved);
        ulong next = BtreeLayout<TKind, TRecord, TKey>.RightSibling(r);
        BtreeLayout<TKind, TRecord, TKey>.SetRightSibling(l, next);
        Link(tx, level, rightPointer, leftPointer, next);
        above.CloseGap(node, leftAt + 1);
        SetKeys(node, parent, leftAt, l);
        _way[parent].Index = leftAt;
        _way[level].Buffer = left;
        _way[level].Pointer = leftPointer;
        _home.FreeBlock(tx, rightPointer);
    }

    /// <summary>A leaf that held a single record, less than it should: nothing is left to merge, so it goes away.</summary>
    private void RemoveEmptyLeaf(Transaction tx)
    {
        int at = _way[1].Index, children = Count(1);
        if (children == 1) throw Corrupt(1, "numrecs 1 in a node above a leaf with one record");
        ReadOnlySpan<byte> leaf = Data(0);
        ulong pointer = _way[0].Pointer;
        ulong previous = BtreeLayout<TKind, TRecord, TKey>.LeftSibling(leaf), next = BtreeLayout<TKind, TRecord, TKey>.RightSibling(leaf);
        Link(tx, 0, pointer, previous, next);
        if (previous != BtreeLayout<TKind, TRecord, TKey>.NoSibling)
        {
            MetadataBuffer buffer = ReadBlock(previous, 0);
            ulong forward = BtreeLayout<TKind, TRecord, TKey>.RightSibling(buffer.Data);
            if (forward != pointer) throw Corrupt(buffer, $"rightsib {forward}, expected {pointer}");
            BtreeLayout<TKind, TRecord, TKey>.SetRightSibling(tx.Modify(buffer), next);
        }
        Layout(1).CloseGap(Modify(tx, 1), at);
        _home.FreeBlock(tx, pointer);
        FixKeys(tx, 1);
        Rebalance(tx, 1);
    }

    private void ShrinkRoot(Transaction tx)
    {
        while (_levels > 1 && Count(_levels - 1) == 1)
        {
            int top = _levels - 1;
            ulong old = _way[top].Pointer, child = _node.Pointer(Data(top), 0);
            MetadataBuffer root = ReadBlock(child, top - 1);
            _way[top - 1].Buffer = root;
            _way[top - 1].Pointer = child;
            _levels--;
            _home.SetRoot(tx, child, _levels);
            _home.FreeBlock(tx, old);
        }
    }

    private void PullRootUp(Transaction tx)
    {
        while (_levels > 2 && Count(_levels - 1) == 1)
        {
            int top = _levels - 1;
            ulong child = _inodeRoot.Pointer(Data(top), 0);
            MetadataBuffer block = ReadBlock(child, top - 1);
            int count = _node.Count(block.Data);
            if (count > _inodeRoot.Capacity) return;
            Span<byte> fork = _home.ModifyInodeRoot(tx);
            fork[BmbtInodeRoot.Size..].Clear();
            _node.Copy(block.Data, 0, _inodeRoot, fork, 0, count);
            _inodeRoot.SetCount(fork, count);
            _inodeRoot.SetLevel(fork, top - 1);
            _way[top - 1] = default;
            _levels--;
            _home.FreeBlock(tx, child);
        }
    }

    /// <summary>A key that replaces the cursor's by a lower one must stay above the record before it.</summary>
    private void CheckAbove(in TKey key)
    {
        int index = _way[0].Index;
        if (index > 0)
        {
            if (TKind.Compare(TKind.KeyOf(_leaf.Record(Data(0), index - 1)), key) >= 0) throw OutOfOrder();
            return;
        }
        ulong previous = BtreeLayout<TKind, TRecord, TKey>.LeftSibling(Data(0));
        if (previous == BtreeLayout<TKind, TRecord, TKey>.NoSibling) return;
        MetadataBuffer left = ReadBlock(previous, 0);
        if (TKind.Compare(TKind.KeyOf(_leaf.Record(left.Data, _leaf.Count(left.Data) - 1)), key) >= 0) throw OutOfOrder();
    }

    /// <summary>A key that replaces the cursor's by a higher one must stay below the record behind it.</summary>
    private void CheckBelow(in TKey key)
    {
        int index = _way[0].Index;
        ReadOnlySpan<byte> leaf = Data(0);
        if (index + 1 < _leaf.Count(leaf))
        {
            if (TKind.Compare(TKind.KeyOf(_leaf.Record(leaf, index + 1)), key) <= 0) throw OutOfOrder();
            return;
        }
        for (int level = 1; level < _levels; level++)
        {
            int next = _way[level].Index + 1;
            if (next >= Count(level)) continue;
            if (TKind.Compare(Layout(level).LowKey(Data(level), next), key) <= 0) throw OutOfOrder();
            return;
        }
    }

    private CorruptionException OutOfOrder() => Corrupt(0, $"record {_way[0].Index} would no longer sort between its neighbours");
}
