using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using ImageFs.Format;

namespace ImageFs.BTrees;

/// <summary>Where things stand in one block of a tree, or in the root inside an inode. Knows bytes, not blocks.</summary>
/// <remarks>
/// A leaf is a header and records. A node is a header, then keys, then pointers; the pointers start behind the keys of a
/// <em>full</em> node, however many it holds. In overlapping trees each child has two keys, its lowest and its highest.
/// Always true of a block in the cache: its count is at most <see cref="Capacity"/>, the gate saw to that.
/// </remarks>
internal readonly struct BtreeLayout<TKind, TRecord, TKey>
    where TKind : struct, IBtreeKind<TRecord, TKey>
    where TRecord : unmanaged
    where TKey : unmanaged
{
    private readonly int _header;

    /// <summary>Records or children that fit.</summary>
    public readonly int Capacity;

    /// <summary>Records, not children.</summary>
    public readonly bool IsLeaf;

    private BtreeLayout(int header, int capacity, bool isLeaf)
    {
        _header = header;
        Capacity = capacity;
        IsLeaf = isLeaf;
    }

    /// <summary>Bytes before the first record or key of a block.</summary>
    public static int HeaderSize => TKind.LongPointers ? LongBtreeHeader.Size : ShortBtreeHeader.Size;

    private static int RecordSize => Unsafe.SizeOf<TRecord>();
    private static int KeysPerChild => TKind.Overlapping ? 2 : 1;
    private static int KeySize => Unsafe.SizeOf<TKey>() * KeysPerChild;
    private static int PointerSize => TKind.LongPointers ? 8 : 4;

    /// <summary>The sibling pointer of the first and the last block of a level.</summary>
    public static ulong NoSibling => TKind.LongPointers ? ulong.MaxValue : uint.MaxValue;

    /// <summary>A leaf of that many bytes.</summary>
    public static BtreeLayout<TKind, TRecord, TKey> Leaf(int blockSize) => new(HeaderSize, (blockSize - HeaderSize) / RecordSize, true);

    /// <summary>A node of that many bytes.</summary>
    public static BtreeLayout<TKind, TRecord, TKey> Node(int blockSize) => new(HeaderSize, (blockSize - HeaderSize) / (KeySize + PointerSize), false);

    /// <summary>The root in a fork of that many bytes.</summary>
    public static BtreeLayout<TKind, TRecord, TKey> InodeRoot(int forkSize) => new(BmbtInodeRoot.Size, BmbtInodeRoot.Capacity(forkSize), false);

    /// <summary>No block but a root holds less.</summary>
    public int Minimum => Capacity / 2;

    private bool IsInodeRoot => _header == BmbtInodeRoot.Size;

    public int LevelOf(ReadOnlySpan<byte> block) => BinaryPrimitives.ReadUInt16BigEndian(block[(IsInodeRoot ? 0 : 4)..]);
    public int Count(ReadOnlySpan<byte> block) => BinaryPrimitives.ReadUInt16BigEndian(block[(IsInodeRoot ? 2 : 6)..]);
    public void SetLevel(Span<byte> block, int level) => BinaryPrimitives.WriteUInt16BigEndian(block[(IsInodeRoot ? 0 : 4)..], (ushort)level);
    public void SetCount(Span<byte> block, int count) => BinaryPrimitives.WriteUInt16BigEndian(block[(IsInodeRoot ? 2 : 6)..], (ushort)count);

    /// <summary>The records of a leaf.</summary>
    public ReadOnlySpan<TRecord> Records(ReadOnlySpan<byte> block) => MemoryMarshal.Cast<byte, TRecord>(block[_header..])[..Count(block)];

    /// <summary>The records of a leaf, to be filled in.</summary>
    public Span<TRecord> MutableRecords(Span<byte> block) => MemoryMarshal.Cast<byte, TRecord>(block[_header..])[..Count(block)];

    public ref readonly TRecord Record(ReadOnlySpan<byte> block, int index) => ref MemoryMarshal.AsRef<TRecord>(block[(_header + index * RecordSize)..]);
    public void SetRecord(Span<byte> block, int index, in TRecord record) => MemoryMarshal.Write(block[(_header + index * RecordSize)..], in record);

    /// <summary>The keys of a node; in overlapping trees low and high alternate.</summary>
    public ReadOnlySpan<TKey> Keys(ReadOnlySpan<byte> block) => MemoryMarshal.Cast<byte, TKey>(block[_header..])[..(Count(block) * KeysPerChild)];

    public ref readonly TKey LowKey(ReadOnlySpan<byte> block, int index) => ref MemoryMarshal.AsRef<TKey>(block[(_header + index * KeySize)..]);

    /// <summary>The greatest key below a child; overlapping trees only.</summary>
    public ref readonly TKey HighKey(ReadOnlySpan<byte> block, int index) =>
        ref MemoryMarshal.AsRef<TKey>(block[(_header + index * KeySize + Unsafe.SizeOf<TKey>())..]);

    public void SetLowKey(Span<byte> block, int index, in TKey key) => MemoryMarshal.Write(block[(_header + index * KeySize)..], in key);

    public void SetHighKey(Span<byte> block, int index, in TKey key) =>
        MemoryMarshal.Write(block[(_header + index * KeySize + Unsafe.SizeOf<TKey>())..], in key);

    public ulong Pointer(ReadOnlySpan<byte> block, int index)
    {
        ReadOnlySpan<byte> at = block[(_header + Capacity * KeySize + index * PointerSize)..];
        return TKind.LongPointers ? BinaryPrimitives.ReadUInt64BigEndian(at) : BinaryPrimitives.ReadUInt32BigEndian(at);
    }

    public void SetPointer(Span<byte> block, int index, ulong pointer)
    {
        Span<byte> at = block[(_header + Capacity * KeySize + index * PointerSize)..];
        if (TKind.LongPointers) BinaryPrimitives.WriteUInt64BigEndian(at, pointer);
        else BinaryPrimitives.WriteUInt32BigEndian(at, checked((uint)pointer));
    }

    /// <summary>The key of the first record or child; there must be one.</summary>
    public TKey FirstKey(ReadOnlySpan<byte> block) => IsLeaf ? TKind.KeyOf(Record(block, 0)) : LowKey(block, 0);

    /// <summary>The greatest high key of all records or children; there must be one.</summary>
    public TKey GreatestKey(ReadOnlySpan<byte> block)
    {
        if (IsLeaf)
        {
            ReadOnlySpan<TRecord> records = Records(block);
            TKey greatest = TKind.HighKeyOf(records[0]);
            foreach (ref readonly TRecord record in records[1..])
            {
                TKey high = TKind.HighKeyOf(record);
                if (TKind.Compare(high, greatest) > 0) greatest = high;
            }
            return greatest;
        }
        else
        {
            ReadOnlySpan<TKey> keys = Keys(block);
            int greatest = 1;
            for (int i = 3; i < keys.Length; i += 2)
                if (TKind.Compare(keys[i], keys[greatest]) > 0) greatest = i;
            return keys[greatest];
        }
    }

    /// <summary>Index of the first record whose key is not below <paramref name="key"/>; the count if there is none.</summary>
    public int LowerBound(ReadOnlySpan<byte> leaf, in TKey key)
    {
        ReadOnlySpan<TRecord> records = Records(leaf);
        int low = 0, high = records.Length;
        while (low < high)
        {
            int middle = (int)((uint)(low + high) >> 1);
            if (TKind.Compare(TKind.KeyOf(records[middle]), key) < 0) low = middle + 1;
            else high = middle;
        }
        return low;
    }

    /// <summary>Index of the last child whose low key is not above <paramref name="key"/>; 0 if all are.</summary>
    public int ChildFor(ReadOnlySpan<byte> node, in TKey key)
    {
        ReadOnlySpan<TKey> keys = Keys(node);
        int low = 1, high = keys.Length / KeysPerChild;
        while (low < high)
        {
            int middle = (int)((uint)(low + high) >> 1);
            if (TKind.Compare(keys[middle * KeysPerChild], key) <= 0) low = middle + 1;
            else high = middle;
        }
        return low - 1;
    }

    /// <summary>
    /// Copies <paramref name="count"/> records, or children with their keys, from one place to another; the places may
    /// overlap. Counts are the caller's business.
    /// </summary>
    public void Copy(ReadOnlySpan<byte> from, int fromIndex, in BtreeLayout<TKind, TRecord, TKey> toLayout, Span<byte> to, int toIndex, int count)
    {
        if (IsLeaf)
        {
            from.Slice(_header + fromIndex * RecordSize, count * RecordSize).CopyTo(to[(toLayout._header + toIndex * RecordSize)..]);
            return;
        }
        from.Slice(_header + fromIndex * KeySize, count * KeySize).CopyTo(to[(toLayout._header + toIndex * KeySize)..]);
        from.Slice(_header + Capacity * KeySize + fromIndex * PointerSize, count * PointerSize)
            .CopyTo(to[(toLayout._header + toLayout.Capacity * KeySize + toIndex * PointerSize)..]);
    }

    /// <summary>Makes room for one more at <paramref name="index"/> and counts it.</summary>
    public void OpenGap(Span<byte> block, int index)
    {
        int count = Count(block);
        Invariant.Holds(count < Capacity && index <= count, "a btree block has room for what is inserted");
        Copy(block, index, this, block, index + 1, count - index);
        SetCount(block, count + 1);
    }

    /// <summary>Takes one out at <paramref name="index"/> and uncounts it.</summary>
    public void CloseGap(Span<byte> block, int index)
    {
        int count = Count(block);
        Copy(block, index + 1, this, block, index, count - index - 1);
        SetCount(block, count - 1);
    }

    public static ulong LeftSibling(ReadOnlySpan<byte> block) =>
        TKind.LongPointers ? LongBtreeHeader.At(block).LeftSibling : ShortBtreeHeader.At(block).LeftSibling.Value;

    public static ulong RightSibling(ReadOnlySpan<byte> block) =>
        TKind.LongPointers ? LongBtreeHeader.At(block).RightSibling : ShortBtreeHeader.At(block).RightSibling.Value;

    public static void SetLeftSibling(Span<byte> block, ulong pointer)
    {
        if (TKind.LongPointers) LongBtreeHeader.At(block).LeftSibling = pointer;
        else ShortBtreeHeader.At(block).LeftSibling = checked((uint)pointer);
    }

    public static void SetRightSibling(Span<byte> block, ulong pointer)
    {
        if (TKind.LongPointers) LongBtreeHeader.At(block).RightSibling = pointer;
        else ShortBtreeHeader.At(block).RightSibling = checked((uint)pointer);
    }

    public static ulong OwnerOf(ReadOnlySpan<byte> block) =>
        TKind.LongPointers ? LongBtreeHeader.At(block).Owner : ShortBtreeHeader.At(block).Owner.Value;

    /// <summary>Fills the header of a zeroed block: a level of its own, without siblings, empty.</summary>
    public static void Format(Span<byte> block, Geometry geometry, long offset, ulong owner, int level)
    {
        if (TKind.LongPointers)
        {
            ref LongBtreeHeader header = ref LongBtreeHeader.At(block);
            header.Magic = TKind.Block.Magic();
            header.Level = (ushort)level;
            header.LeftSibling = header.RightSibling = ulong.MaxValue;
            header.BlockNumber = geometry.DiskAddress(offset);
            header.Uuid = geometry.MetaUuid;
            header.Owner = owner;
        }
        else
        {
            ref ShortBtreeHeader header = ref ShortBtreeHeader.At(block);
            header.Magic = TKind.Block.Magic();
            header.Level = (ushort)level;
            header.LeftSibling = header.RightSibling = uint.MaxValue;
            header.BlockNumber = geometry.DiskAddress(offset);
            header.Uuid = geometry.MetaUuid;
            header.Owner = checked((uint)owner);
        }
    }
}
