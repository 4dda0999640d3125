using System.Buffers;
using System.Buffers.Binary;
using System.Runtime.InteropServices;
using ImageFs.DaBtrees;
using ImageFs.Format;

namespace ImageFs.Attributes;

// Always true of a leaf we changed: the free map has one region, between the table of entries and the lowest name, and
// "holes" says whether there are free bytes between the names. A leaf of the kernel may have up to three regions; the first
// change of ours forgets them, which "holes" allows.

/// <summary>Bytes of an attribute leaf: a table sorted by hash grows up, names and values grow down.</summary>
/// <remarks>The block was verified: names lie inside it. Whether they overlap is found out by <see cref="IsSound"/>.</remarks>
internal static class AttributeLeaf
{
    public static ReadOnlySpan<AttributeLeafEntry> Entries(ReadOnlySpan<byte> leaf) =>
        MemoryMarshal.Cast<byte, AttributeLeafEntry>(leaf[AttributeLeafHeader.Size..])[..(int)AttributeLeafHeader.At(leaf).Count];

    public static Span<AttributeLeafEntry> Entries(Span<byte> leaf) =>
        MemoryMarshal.Cast<byte, AttributeLeafEntry>(leaf[AttributeLeafHeader.Size..])[..(int)AttributeLeafHeader.At(leaf).Count];

    private static int FirstUsed(ReadOnlySpan<byte> leaf)
    {
        int first = AttributeLeafHeader.At(leaf).FirstUsed;
        return first == 0 ? leaf.Length : first;
    }

    private static int TableEnd(ReadOnlySpan<byte> leaf) => AttributeLeafHeader.Size + AttributeLeafHeader.At(leaf).Count * AttributeLeafEntry.Size;

    /// <summary>The name of an entry.</summary>
    public static ReadOnlySpan<byte> Name(ReadOnlySpan<byte> leaf, in AttributeLeafEntry entry)
    {
        int at = entry.NameIndex;
        return entry.IsLocal ? leaf.Slice(at + 3, leaf[at + 2]) : leaf.Slice(at + 9, leaf[at + 8]);
    }

    /// <summary>The value of a local entry.</summary>
    public static ReadOnlySpan<byte> Value(ReadOnlySpan<byte> leaf, in AttributeLeafEntry entry)
    {
        int at = entry.NameIndex;
        return leaf.Slice(at + 3 + leaf[at + 2], BinaryPrimitives.ReadUInt16BigEndian(leaf[at..]));
    }

    /// <summary>Where the value of an entry that is not local lies.</summary>
    public static RemoteValue Remote(ReadOnlySpan<byte> leaf, in AttributeLeafEntry entry) =>
        new(new FileBlock(BinaryPrimitives.ReadUInt32BigEndian(leaf[(int)entry.NameIndex..])), BinaryPrimitives.ReadUInt32BigEndian(leaf[(entry.NameIndex + 4)..]));

    /// <summary>Bytes of an entry beside the table.</summary>
    private static int Size(ReadOnlySpan<byte> leaf, in AttributeLeafEntry entry)
    {
        int at = entry.NameIndex;
        return entry.IsLocal ? AttributeFormat.LocalEntry(leaf[at + 2], BinaryPrimitives.ReadUInt16BigEndian(leaf[at..])) : AttributeFormat.RemoteEntry(leaf[at + 8]);
    }

    /// <summary>Bytes of an entry, its place in the table included.</summary>
    public static int SizeOf(ReadOnlySpan<byte> leaf, in AttributeLeafEntry entry) => Size(leaf, entry) + AttributeLeafEntry.Size;

    /// <summary>Bytes of all entries and of their table, counted one by one.</summary>
    public static int Used(ReadOnlySpan<byte> leaf)
    {
        int used = 0;
        foreach (ref readonly AttributeLeafEntry entry in Entries(leaf)) used += Size(leaf, entry) + AttributeLeafEntry.Size;
        return used;
    }

    /// <summary>True if the bytes used are what the header says; then the entries can be moved together without loss.</summary>
    public static bool IsSound(ReadOnlySpan<byte> leaf) =>
        Used(leaf) == AttributeLeafHeader.At(leaf).UsedBytes + AttributeLeafHeader.At(leaf).Count * AttributeLeafEntry.Size;

    /// <summary>The first entry whose hash is not smaller.</summary>
    public static int LowerBound(ReadOnlySpan<AttributeLeafEntry> entries, uint hash)
    {
        int low = 0, high = entries.Length;
        while (low < high)
        {
            int middle = (low + high) >>> 1;
            if (entries[middle].Hash < hash) low = middle + 1; else high = middle;
        }
        return low;
    }

    /// <summary>Makes a zeroed block an empty leaf; its identity and magic are filled in already.</summary>
    public static void Clear(Span<byte> leaf)
    {
        AttributeLeafHeader.At(leaf).Count = 0;
        AttributeLeafHeader.At(leaf).UsedBytes = 0;
        Settle(leaf, leaf.Length);
    }

    /// <summary>Fills in what follows from the count, the bytes used and the lowest name.</summary>
    private static void Settle(Span<byte> leaf, int firstUsed)
    {
        ref AttributeLeafHeader header = ref AttributeLeafHeader.At(leaf);
        int end = TableEnd(leaf), free = firstUsed - end;
        header.FirstUsed = (ushort)firstUsed;
        header.Holes = leaf.Length - firstUsed != header.UsedBytes ? (byte)1 : (byte)0;
        header.Free0 = free == 0 ? default : new AttributeLeafHeader.FreeRegion { Base = (ushort)end, Length = (ushort)free };
        header.Free1 = header.Free2 = default;
    }

    /// <summary>Makes room for an entry with that many bytes beside the table; false if there is not enough.</summary>
    public static bool TryMakeRoom(Span<byte> leaf, int bytes)
    {
        bytes += AttributeLeafEntry.Size;
        if (FirstUsed(leaf) - TableEnd(leaf) >= bytes) return true;
        if (leaf.Length - TableEnd(leaf) - AttributeLeafHeader.At(leaf).UsedBytes < bytes) return false;
        Compact(leaf);
        return true;
    }

    /// <summary>Adds an entry where its hash belongs. There must be room.</summary>
    public static void Insert(Span<byte> leaf, int index, in AttributeKey key, ReadOnlySpan<byte> value)
    {
        Span<byte> entry = Insert(leaf, index, key.Hash, key.Space | AttributeFlags.Local, AttributeFormat.LocalEntry(key.Name.Length, value.Length));
        BinaryPrimitives.WriteUInt16BigEndian(entry, (ushort)value.Length);
        entry[2] = (byte)key.Name.Length;
        key.Name.CopyTo(entry[3..]);
        value.CopyTo(entry[(3 + key.Name.Length)..]);
    }

    /// <inheritdoc cref="Insert(Span{byte}, int, in AttributeKey, ReadOnlySpan{byte})"/>
    public static void Insert(Span<byte> leaf, int index, in AttributeKey key, in RemoteValue value)
    {
        Span<byte> entry = Insert(leaf, index, key.Hash, key.Space, AttributeFormat.RemoteEntry(key.Name.Length));
        BinaryPrimitives.WriteUInt32BigEndian(entry, (uint)value.Start.Value);
        BinaryPrimitives.WriteUInt32BigEndian(entry[4..], value.Length);
        entry[8] = (byte)key.Name.Length;
        key.Name.CopyTo(entry[9..]);
    }

    private static Span<byte> Insert(Span<byte> leaf, int index, uint hash, AttributeFlags flags, int bytes)
    {
        int at = FirstUsed(leaf) - bytes;
        Invariant.Holds(at >= TableEnd(leaf) + AttributeLeafEntry.Size, "an attribute is added where there is room");
        ref AttributeLeafHeader header = ref AttributeLeafHeader.At(leaf);
        header.Count = (ushort)(header.Count + 1);
        header.UsedBytes = (ushort)(header.UsedBytes + bytes);
        Span<AttributeLeafEntry> entries = Entries(leaf);
        entries[index..^1].CopyTo(entries[(index + 1)..]);
        entries[index] = new AttributeLeafEntry { Hash = hash, NameIndex = (ushort)at, Flags = flags };
        Settle(leaf, at);
        leaf.Slice(at, bytes).Clear();
        return leaf.Slice(at, bytes);
    }

    /// <summary>Gives a local entry another value of the same length.</summary>
    public static void Overwrite(Span<byte> leaf, int index, ReadOnlySpan<byte> value)
    {
        ref AttributeLeafEntry entry = ref Entries(leaf)[index];
        value.CopyTo(leaf.Slice(entry.NameIndex + 3 + leaf[entry.NameIndex + 2], value.Length));
    }

    /// <summary>Removes an entry.</summary>
    public static void Remove(Span<byte> leaf, int index)
    {
        Span<AttributeLeafEntry> entries = Entries(leaf);
        AttributeLeafEntry gone = entries[index];
        int bytes = Size(leaf, gone);
        leaf.Slice(gone.NameIndex, bytes).Clear();
        entries[(index + 1)..].CopyTo(entries[index..]);
        entries[^1] = default;
        ref AttributeLeafHeader header = ref AttributeLeafHeader.At(leaf);
        header.Count = (ushort)(header.Count - 1);
        header.UsedBytes = (ushort)(header.UsedBytes - bytes);
        Settle(leaf, gone.NameIndex == FirstUsed(leaf) ? Lowest(leaf) : FirstUsed(leaf));
    }

    private static int Lowest(ReadOnlySpan<byte> leaf)
    {
        int lowest = leaf.Length;
        foreach (ref readonly AttributeLeafEntry entry in Entries(leaf)) lowest = Math.Min(lowest, entry.NameIndex);
        return lowest;
    }

    /// <summary>Moves all names and values to the end of the block.</summary>
    private static void Compact(Span<byte> leaf)
    {
        byte[] rented = ArrayPool<byte>.Shared.Rent(leaf.Length);
        Span<byte> old = rented.AsSpan(0, leaf.Length);
        leaf.CopyTo(old);
        int end = leaf.Length;
        foreach (ref AttributeLeafEntry entry in Entries(leaf))
        {
            int bytes = Size(old, entry);
            end -= bytes;
            old.Slice(entry.NameIndex, bytes).CopyTo(leaf[end..]);
            entry.NameIndex = (ushort)end;
        }
        leaf[TableEnd(leaf)..end].Clear();
        Settle(leaf, end);
        ArrayPool<byte>.Shared.Return(rented);
    }

    /// <summary>Moves the entries from one on behind those of another leaf, where they fit.</summary>
    public static void Move(Span<byte> from, int first, Span<byte> to)
    {
        Span<AttributeLeafEntry> moved = Entries(from)[first..];
        ref AttributeLeafHeader source = ref AttributeLeafHeader.At(from);
        int bytes = 0;
        foreach (ref AttributeLeafEntry entry in moved) bytes += Size(from, entry);
        if (FirstUsed(to) - TableEnd(to) < bytes + moved.Length * AttributeLeafEntry.Size) Compact(to);

        ref AttributeLeafHeader target = ref AttributeLeafHeader.At(to);
        int count = target.Count, at = FirstUsed(to);
        target.Count = (ushort)(count + moved.Length);
        target.UsedBytes = (ushort)(target.UsedBytes + bytes);
        Span<AttributeLeafEntry> table = Entries(to);
        foreach (ref AttributeLeafEntry entry in moved)
        {
            int size = Size(from, entry);
            at -= size;
            from.Slice(entry.NameIndex, size).CopyTo(to[at..]);
            table[count] = entry;
            table[count++].NameIndex = (ushort)at;
        }
        Settle(to, at);
        foreach (ref AttributeLeafEntry entry in moved) from.Slice(entry.NameIndex, Size(from, entry)).Clear();
        moved.Clear();
        source.Count = (ushort)first;
        source.UsedBytes = (ushort)(source.UsedBytes - bytes);
        Settle(from, Lowest(from));
    }
}

/// <summary>A leaf of the da-btree of attributes.</summary>
internal struct AttributeLeafKind : IDaLeafKind
{
    public static ushort Magic => DirectoryMagic.AttrLeaf;
    public static string Name => "attributes";

    public static uint LastHash(ReadOnlySpan<byte> leaf)
    {
        ReadOnlySpan<AttributeLeafEntry> entries = AttributeLeaf.Entries(leaf);
        return entries.IsEmpty ? 0 : entries[^1].Hash;
    }

    public static int Used(ReadOnlySpan<byte> leaf) => AttributeLeaf.Used(leaf);

    public static void Clear(Span<byte> leaf) => AttributeLeaf.Clear(leaf);

    /// <summary>
    /// Cuts where both halves have about as many bytes. A single large entry is not cut: it goes or stays so that the
    /// newcomer, which did not fit beside it, has a leaf of its own.
    /// </summary>
    public static int Split(Span<byte> from, Span<byte> to, int index, out bool right)
    {
        ReadOnlySpan<AttributeLeafEntry> entries = AttributeLeaf.Entries((ReadOnlySpan<byte>)from);
        int stay = 0;
        if (entries.Length == 1)
        {
            stay = index;
            right = index > 0;
        }
        else
        {
            int all = AttributeLeaf.Used(from), left = 0;
            while (stay < entries.Length - 1)
            {
                int bytes = AttributeLeaf.SizeOf(from, entries[stay]);
                if (stay > 0 && left + bytes / 2 > all / 2) break;
                left += bytes;
                stay++;
            }
            right = index > stay || (index == stay && left > all - left);
        }
        AttributeLeaf.Move(from, stay, to);
        return stay;
    }

    public static void Join(Span<byte> to, Span<byte> from) => AttributeLeaf.Move(from, 0, to);
}
