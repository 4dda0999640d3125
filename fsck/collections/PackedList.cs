using System.Runtime.CompilerServices;

namespace ImageFs.Fsck;

/// <summary>A question to an item of a list.</summary>
internal delegate bool ItemTest<T>(in T item);

/// <summary>A growing array of plain structs: what the check remembers about an image, without an object per item.</summary>
internal sealed class PackedList<T> where T : unmanaged
{
    private T[] _items = [];

    public int Count { get; private set; }

    public ref T this[int index] => ref _items.AsSpan(0, Count)[index];

    public Span<T> Span => _items.AsSpan(0, Count);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Add(in T item)
    {
        if (Count == _items.Length) Grow(Count + 1);
        _items[Count++] = item;
    }

    /// <summary>Makes room for <paramref name="count"/> more items, all zero, and returns them.</summary>
    public Span<T> Append(int count)
    {
        if (Count + count > _items.Length) Grow(Count + count);
        Span<T> added = _items.AsSpan(Count, count);
        added.Clear();
        Count += count;
        return added;
    }

    /// <summary>Makes room for exactly that many more items.</summary>
    public void Reserve(int count)
    {
        if (Count + count > _items.Length) Array.Resize(ref _items, Count + count);
    }

    public void AddRange(ReadOnlySpan<T> items) => items.CopyTo(Append(items.Length));

    /// <summary>Removes the items for which a condition holds; the others keep their order.</summary>
    public void RemoveAll(ItemTest<T> test)
    {
        int kept = 0;
        for (int i = 0; i < Count; i++)
            if (!test(_items[i])) _items[kept++] = _items[i];
        Count = kept;
    }

    /// <summary>Forgets all but the first items.</summary>
    public void Truncate(int count) => Count = Math.Min(Count, count);

    /// <summary>Forgets the items and keeps the room.</summary>
    public void Clear() => Count = 0;

    // Doubling while small, then by half: the peak stays below two and a half times what is kept.
    private void Grow(int least) =>
        Array.Resize(ref _items, Math.Max(least, _items.Length < 1 << 16 ? Math.Max(16, _items.Length * 2) : checked(_items.Length + _items.Length / 2)));
}
