using ImageFs.Format;

namespace ImageFs.BTrees;

// A range query enters a child only if its interval meets the range: from its low key to its high key where nodes have
// high keys, to the low key of the next child where they have none. Children entered on one level have strictly rising
// keys, also from parent to parent, so every block is entered once at most.
internal sealed partial class BtreeCursor<TKind, TRecord, TKey>
{
    /// <summary>All records of the leaf the cursor is in.</summary>
    public ReadOnlySpan<TRecord> Leaf => _leaf.Records(Data(0));

    /// <summary>The first key of the leaf behind the one the cursor is in.</summary>
    /// <returns>False in the last leaf.</returns>
    public bool TryKeyBehindLeaf(out TKey key)
    {
        key = default;
        for (int level = 1; level < _levels; level++)
        {
            int next = _way[level].Index + 1;
            if (next >= Count(level)) continue;
            key = Layout(level).LowKey(Data(level), next);
            return true;
        }
        return false;
    }

    /// <summary>Moves to the first record whose interval meets [low, high].</summary>
    public bool FirstMeeting(in TKey low, in TKey high)
    {
        LoadRoot();
        for (int level = 0; level < _levels; level++) _way[level].HasEntered = false;
        Enter(_levels - 1, low);
        return Meet(_levels - 1, low, high);
    }

    /// <summary>Moves on to the next record whose interval meets [low, high]: the same range that the walk began with.</summary>
    public bool NextMeeting(in TKey low, in TKey high)
    {
        Invariant.Holds(_valid, "a btree cursor moves on from a record");
        return Meet(0, low, high);
    }

    /// <summary>Sets the index on a level before the first entry that can meet a range beginning at <paramref name="low"/>.</summary>
    private void Enter(int level, in TKey low)
    {
        // Without high keys only the last entry at or below the range can reach into it; with them anyone may.
        int index = -1;
        if (!TKind.Overlapping)
            index = level == 0 ? Math.Max(_leaf.LowerBound(Data(0), low) - 1, 0) - 1 : Layout(level).ChildFor(Data(level), low) - 1;
        _way[level].Index = index;
    }

    /// <summary>Walks on from the index on a level to the next record that meets the range.</summary>
    private bool Meet(int level, in TKey low, in TKey high)
    {
        _valid = false;
        while (level < _levels)
        {
            ReadOnlySpan<byte> block = Data(level);
            BtreeLayout<TKind, TRecord, TKey> layout = Layout(level);
            int count = layout.Count(block);
            ref int index = ref _way[level].Index;
            if (level == 0)
            {
                while (++index < count)
                {
                    ref readonly TRecord record = ref layout.Record(block, index);
                    if (TKind.Compare(TKind.KeyOf(record), high) > 0) return false;
                    if (TKind.Compare(TKind.HighKeyOf(record), low) >= 0) return _valid = true;
                }
                level = 1;
                continue;
            }
            while (++index < count && TKind.Overlapping && TKind.Compare(layout.HighKey(block, index), low) < 0)
            {
            }
            if (index >= count)
            {
                level++;
                continue;
            }
            TKey key = layout.LowKey(block, index);
            if (TKind.Compare(key, high) > 0) return false;
            ref Step step = ref _way[level];
            if (step.HasEntered && TKind.Compare(key, step.Entered) <= 0) throw Corrupt(level, $"key {index} is not above the key before it");
            step.Entered = key;
            step.HasEntered = true;
            Descend(level--);
            Enter(level, low);
        }
        return false;
    }
}
