namespace ImageFs.Fsck;

/// <summary>Receives items of a list.</summary>
internal delegate void ItemSink<T>(ReadOnlySpan<T> items);

/// <summary>A list that only grows, in segments: growing copies nothing and leaves no garbage behind.</summary>
internal sealed class SegmentedList<T> where T : unmanaged
{
    private const int FirstSize = 64, LastSize = 1 << 16;
    private readonly List<T[]> _full = [];
    private T[] _last = [];
    private int _used;

    public int Count { get; private set; }

    public void AddRange(ReadOnlySpan<T> items)
    {
        Count += items.Length;
        while (!items.IsEmpty)
        {
            if (_used == _last.Length)
            {
                if (_used > 0) _full.Add(_last);
                _last = GC.AllocateUninitializedArray<T>(_used == 0 ? FirstSize : Math.Min(LastSize, _used * 2));
                _used = 0;
            }
            int fit = Math.Min(items.Length, _last.Length - _used);
            items[..fit].CopyTo(_last.AsSpan(_used));
            _used += fit;
            items = items[fit..];
        }
    }

    /// <summary>True if a condition holds for any item.</summary>
    public bool Any(ItemTest<T> test)
    {
        foreach (T[] segment in _full)
            foreach (ref readonly T item in segment.AsSpan())
                if (test(item)) return true;
        foreach (ref readonly T item in _last.AsSpan(0, _used))
            if (test(item)) return true;
        return false;
    }

    /// <summary>Hands everything over in order, segment by segment.</summary>
    public void Visit(ItemSink<T> sink)
    {
        foreach (T[] segment in _full) sink(segment);
        sink(_last.AsSpan(0, _used));
    }

    /// <summary>Hands everything over in order, segment by segment, and forgets it.</summary>
    public void Drain(ItemSink<T> sink)
    {
        Visit(sink);
        _full.Clear();
        _last = [];
        _used = Count = 0;
    }

    /// <summary>Appends everything to a list and forgets it, segment by segment.</summary>
    public void MoveTo(PackedList<T> list)
    {
        list.Reserve(Count);
        for (int i = 0; i < _full.Count; i++)
        {
            list.AddRange(_full[i]);
            _full[i] = [];
        }
        list.AddRange(_last.AsSpan(0, _used));
        _full.Clear();
        _last = [];
        _used = Count = 0;
    }
}
