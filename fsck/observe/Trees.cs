using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using ImageFs.Format;

namespace ImageFs.Fsck;

/// <summary>A key of any of the seven trees, widened so that one walker can compare them all.</summary>
internal readonly record struct Key(ulong First, ulong Second = 0, ulong Third = 0)
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool operator <(in Key left, in Key right) =>
        left.First != right.First ? left.First < right.First : left.Second != right.Second ? left.Second < right.Second : left.Third < right.Third;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool operator >(in Key left, in Key right) => right < left;

    public override string ToString() => (Second, Third) is (0, 0) ? $"{First}" : $"({First}, {Second}, {Third})";
}

/// <summary>What differs between the trees. Read from raw bytes on purpose: a second witness beside the btree engine.</summary>
internal interface ITree
{
    static abstract Structure Structure { get; }
    static abstract BlockKind Kind { get; }
    static abstract int RecordSize { get; }
    /// <summary>Bytes of one key in a node; trees with high keys have two per child.</summary>
    static abstract int KeySize { get; }
    static virtual bool HasHighKeys => false;
    static virtual bool IsLong => false;
    /// <summary>Owner of the tree's own blocks.</summary>
    static abstract ulong BlockOwner { get; }
    static abstract Key KeyOf(ReadOnlySpan<byte> record);
    static abstract Key ReadKey(ReadOnlySpan<byte> key);
    static virtual Key HighKeyOf(ReadOnlySpan<byte> record) => default;
}

internal readonly struct BnobtTree : ITree
{
    public static Structure Structure => Structure.Bnobt;
    public static BlockKind Kind => BlockKind.Bnobt;
    public static int RecordSize => 8;
    public static int KeySize => 8;
    public static ulong BlockOwner => RmapOwner.AllocationGroup;
    public static Key KeyOf(ReadOnlySpan<byte> record) => ReadKey(record);
    public static Key ReadKey(ReadOnlySpan<byte> key) =>
        new(BinaryPrimitives.ReadUInt32BigEndian(key), BinaryPrimitives.ReadUInt32BigEndian(key[4..]));
}

internal readonly struct CntbtTree : ITree
{
    public static Structure Structure => Structure.Cntbt;
    public static BlockKind Kind => BlockKind.Cntbt;
    public static int RecordSize => 8;
    public static int KeySize => 8;
    public static ulong BlockOwner => RmapOwner.AllocationGroup;
    public static Key KeyOf(ReadOnlySpan<byte> record) => ReadKey(record);
    public static Key ReadKey(ReadOnlySpan<byte> key) =>
        new(BinaryPrimitives.ReadUInt32BigEndian(key[4..]), BinaryPrimitives.ReadUInt32BigEndian(key));
}

internal readonly struct InobtTree : ITree
{
    public static Structure Structure => Structure.Inobt;
    public static BlockKind Kind => BlockKind.Inobt;
    public static int RecordSize => 16;
    public static int KeySize => 4;
    public static ulong BlockOwner => RmapOwner.InodeBtree;
    public static Key KeyOf(ReadOnlySpan<byte> record) => ReadKey(record);
    public static Key ReadKey(ReadOnlySpan<byte> key) => new(BinaryPrimitives.ReadUInt32BigEndian(key));
}

internal readonly struct FinobtTree : ITree
{
    public static Structure Structure => Structure.Finobt;
    public static BlockKind Kind => BlockKind.Finobt;
    public static int RecordSize => 16;
    public static int KeySize => 4;
    public static ulong BlockOwner => RmapOwner.InodeBtree;
    public static Key KeyOf(ReadOnlySpan<byte> record) => ReadKey(record);
    public static Key ReadKey(ReadOnlySpan<byte> key) => new(BinaryPrimitives.ReadUInt32BigEndian(key));
}

internal readonly struct RmapbtTree : ITree
{
    public static Structure Structure => Structure.Rmapbt;
    public static BlockKind Kind => BlockKind.Rmapbt;
    public static int RecordSize => 24;
    public static int KeySize => 20;
    public static bool HasHighKeys => true;
    public static ulong BlockOwner => RmapOwner.AllocationGroup;

    public static Key KeyOf(ReadOnlySpan<byte> record) => new(
        BinaryPrimitives.ReadUInt32BigEndian(record), BinaryPrimitives.ReadUInt64BigEndian(record[8..]),
        BinaryPrimitives.ReadUInt64BigEndian(record[16..]) & ~RmapFlags.Unwritten);

    // Kernels before the unwritten bit left the keys wrote it there; it never took part in the order.
    public static Key ReadKey(ReadOnlySpan<byte> key) => new(
        BinaryPrimitives.ReadUInt32BigEndian(key), BinaryPrimitives.ReadUInt64BigEndian(key[4..]),
        BinaryPrimitives.ReadUInt64BigEndian(key[12..]) & ~RmapFlags.Unwritten);

    public static Key HighKeyOf(ReadOnlySpan<byte> record)
    {
        ulong last = BinaryPrimitives.ReadUInt32BigEndian(record[4..]) - 1UL;
        Key low = KeyOf(record);
        bool moves = RmapOwner.IsInode(low.Second) && (low.Third & RmapFlags.BmbtBlock) == 0;
        return new Key(low.First + last, low.Second, moves ? low.Third + last : low.Third);
    }
}

internal readonly struct RefcountbtTree : ITree
{
    public static Structure Structure => Structure.Refcountbt;
    public static BlockKind Kind => BlockKind.Refcountbt;
    public static int RecordSize => 12;
    public static int KeySize => 4;
    public static ulong BlockOwner => RmapOwner.Refcount;
    public static Key KeyOf(ReadOnlySpan<byte> record) => ReadKey(record);
    public static Key ReadKey(ReadOnlySpan<byte> key) => new(BinaryPrimitives.ReadUInt32BigEndian(key));
}

internal readonly struct BmbtTree : ITree
{
    public static Structure Structure => Structure.Bmbt;
    public static BlockKind Kind => BlockKind.Bmbt;
    public static int RecordSize => 16;
    public static int KeySize => 8;
    public static bool IsLong => true;
    public static ulong BlockOwner => 0; // the inode
    public static Key KeyOf(ReadOnlySpan<byte> record) => new(BinaryPrimitives.ReadUInt64BigEndian(record) >> 9 & ((1UL << 54) - 1));
    public static Key ReadKey(ReadOnlySpan<byte> key) => new(BinaryPrimitives.ReadUInt64BigEndian(key));
}
