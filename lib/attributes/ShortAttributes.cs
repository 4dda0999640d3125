using System.Buffers.Binary;
using ImageFs.Format;
using ImageFs.Inodes;
using ImageFs.Transactions;

namespace ImageFs.Attributes;

/// <summary>Walks the attributes inside an inode; never outside the fork, whatever the bytes say.</summary>
internal ref struct ShortReader
{
    private readonly AttributeStorage _fork;
    private readonly ReadOnlySpan<byte> _bytes;
    private int _left, _next;

    /// <summary>A reader before the first attribute.</summary>
    public ShortReader(AttributeStorage fork)
    {
        _fork = fork;
        if (fork.Inode.Format(ForkKind.Attribute) != ForkFormat.Local) return;
        ReadOnlySpan<byte> bytes = fork.Inode.Fork(ForkKind.Attribute);
        int size = bytes.Length < AttributeFormat.ShortHeader ? 0 : BinaryPrimitives.ReadUInt16BigEndian(bytes);
        if (size < AttributeFormat.ShortHeader || size > bytes.Length) throw fork.Corrupt($"short form of {size} bytes in a fork of {bytes.Length}");
        _bytes = bytes[..size];
        _left = bytes[2];
        _next = AttributeFormat.ShortHeader;
    }

    /// <summary>Bytes of the whole form; the header alone if there is nothing.</summary>
    public readonly int Size => Math.Max(_bytes.Length, AttributeFormat.ShortHeader);

    /// <summary>Attributes not shown yet.</summary>
    public readonly int Left => _left;

    /// <summary>Where the current attribute begins.</summary>
    public int At { get; private set; }

    public readonly AttributeFlags Flags => (AttributeFlags)_bytes[At + 2];
    public readonly ReadOnlySpan<byte> Name => _bytes.Slice(At + 3, _bytes[At]);
    public readonly ReadOnlySpan<byte> Value => _bytes.Slice(At + 3 + _bytes[At], _bytes[At + 1]);

    /// <summary>Where the next attribute begins.</summary>
    public readonly int End => _next;

    public bool TryNext()
    {
        if (_left == 0)
        {
            if (_next != _bytes.Length) throw _fork.Corrupt($"short form of {_bytes.Length} bytes, its attributes end at {_next}");
            return false;
        }
        _left--;
        At = _next;
        int rest = _bytes.Length - At;
        int size = rest < 3 ? int.MaxValue : AttributeFormat.ShortEntry(_bytes[At], _bytes[At + 1]);
        if (size > rest) throw _fork.Corrupt($"short form: the attribute at byte {At} crosses its end at {_bytes.Length}");
        if (_bytes[At] == 0) throw _fork.Corrupt($"short form: the attribute at byte {At} has no name");
        _next = At + size;
        return true;
    }

    public bool TryFind(in AttributeKey key)
    {
        while (TryNext())
            if ((Flags & AttributeFlags.Incomplete) == 0 && key.Matches(Flags, Name, Value)) return true;
        return false;
    }
}

/// <summary>Attributes inside the inode: entries one after the other in the attribute fork.</summary>
internal static class ShortAttributes
{
    /// <summary>Longest name, longest value and greatest number: each has one byte.</summary>
    private const int Most = 255;

    public static bool TryGet(AttributeStorage fork, in AttributeKey key, out byte[] value)
    {
        ShortReader reader = new(fork);
        bool found = reader.TryFind(key);
        value = found ? reader.Value.ToArray() : [];
        return found;
    }

    public static void List(AttributeStorage fork, AttributeVisitor visit)
    {
        ShortReader reader = new(fork);
        while (reader.TryNext())
            if ((reader.Flags & AttributeFlags.Incomplete) == 0 && !visit(reader.Flags & AttributeFlags.Namespaces, reader.Name, (uint)reader.Value.Length)) return;
    }

    /// <summary>Makes or replaces an attribute; false, and nothing changes, if it does not fit.</summary>
    public static bool TrySet(Transaction tx, AttributeStorage fork, in AttributeKey key, ReadOnlySpan<byte> value)
    {
        if (value.Length > Most) return false;
        ShortReader reader = new(fork);
        int size = reader.Size + AttributeFormat.ShortEntry(key.Name.Length, value.Length), count = reader.Left + 1;
        bool replace = reader.TryFind(key);
        if (replace)
        {
            size -= reader.End - reader.At;
            count--;
        }
        if (count > Most || !AttributeFork.TryFit(fork.Inode, size, out int offset)) return false;

        Span<byte> bytes = stackalloc byte[size];
        Write(fork, replace ? reader.At : -1, replace ? reader.End : -1, bytes, out int end);
        bytes[end] = (byte)key.Name.Length;
        bytes[end + 1] = (byte)value.Length;
        bytes[end + 2] = (byte)key.Space;
        key.Name.CopyTo(bytes[(end + 3)..]);
        value.CopyTo(bytes[(end + 3 + key.Name.Length)..]);
        Seal(bytes, count);
        AttributeFork.SetLocal(tx, fork.Inode, offset, bytes);
        return true;
    }

    /// <summary>Removes an attribute; false if there is none. An empty form is left for the caller to drop.</summary>
    public static bool Remove(Transaction tx, AttributeStorage fork, in AttributeKey key)
    {
        ShortReader reader = new(fork);
        int count = reader.Left;
        if (!reader.TryFind(key)) return false;
        Span<byte> bytes = stackalloc byte[reader.Size - (reader.End - reader.At)];
        Write(fork, reader.At, reader.End, bytes, out _);
        Seal(bytes, count - 1);
        bool fits = AttributeFork.TryFit(fork.Inode, bytes.Length, out int offset);
        Invariant.Holds(fits, "fewer attributes fit where more were");
        AttributeFork.SetLocal(tx, fork.Inode, offset, bytes);
        return true;
    }

    /// <summary>Copies the form without what stands from <paramref name="from"/> to <paramref name="to"/>.</summary>
    private static void Write(AttributeStorage fork, int from, int to, Span<byte> bytes, out int end)
    {
        end = AttributeFormat.ShortHeader;
        if (fork.Inode.Format(ForkKind.Attribute) != ForkFormat.Local) return;
        ReadOnlySpan<byte> old = fork.Inode.Fork(ForkKind.Attribute);
        old = old[..BinaryPrimitives.ReadUInt16BigEndian(old)];
        if (from < 0)
        {
            old.CopyTo(bytes);
            end = old.Length;
            return;
        }
        old[..from].CopyTo(bytes);
        old[to..].CopyTo(bytes[from..]);
        end = old.Length - (to - from);
    }

    private static void Seal(Span<byte> bytes, int count)
    {
        BinaryPrimitives.WriteUInt16BigEndian(bytes, (ushort)bytes.Length);
        bytes[2] = (byte)count;
        bytes[3] = 0;
    }

    /// <summary>An empty form.</summary>
    public static void Clear(Transaction tx, AttributeStorage fork, int offset)
    {
        Span<byte> bytes = stackalloc byte[AttributeFormat.ShortHeader];
        Seal(bytes, 0);
        AttributeFork.SetLocal(tx, fork.Inode, offset, bytes);
    }

    /// <summary>Moves everything into a leaf; a fork that is larger than usual gets the usual size.</summary>
    public static void BecomeTree(Transaction tx, AttributeStorage fork)
    {
        byte[] copy = fork.Inode.Fork(ForkKind.Attribute).ToArray();
        bool any = fork.Inode.Format(ForkKind.Attribute) == ForkFormat.Local;
        // All of it is checked before anything changes.
        ShortReader reader = new(fork);
        while (reader.TryNext()) { }
        int size = reader.Size;

        AttributeFork.SetEmpty(tx, fork.Inode);
        AttributeTree.Create(tx, fork);
        if (!any) return;
        AttributeTree tree = new(fork);
        for (int at = AttributeFormat.ShortHeader; at < size;)
        {
            ReadOnlySpan<byte> name = copy.AsSpan(at + 3, copy[at]), value = copy.AsSpan(at + 3 + copy[at], copy[at + 1]);
            AttributeFlags flags = (AttributeFlags)copy[at + 2];
            at += AttributeFormat.ShortEntry(name.Length, value.Length);
            if ((flags & AttributeFlags.Incomplete) != 0) continue;
            flags &= AttributeFlags.Namespaces;
            tree.Set(tx, flags == AttributeFlags.Parent ? new AttributeKey(name, value) : new AttributeKey(flags, name), value);
        }
    }

    /// <summary>Moves the entries of the only leaf back into the inode, if they fit; false otherwise.</summary>
    public static bool TryFromLeaf(Transaction tx, AttributeStorage fork, ReadOnlySpan<byte> leaf)
    {
        int size = AttributeFormat.ShortHeader, count = 0;
        foreach (ref readonly AttributeLeafEntry entry in AttributeLeaf.Entries(leaf))
        {
            if (entry.IsIncomplete) continue;
            if (!entry.IsLocal || AttributeLeaf.Value(leaf, entry).Length > Most || ++count > Most) return false;
            size += AttributeFormat.ShortEntry(AttributeLeaf.Name(leaf, entry).Length, AttributeLeaf.Value(leaf, entry).Length);
        }
        if (!AttributeFork.TryFit(fork.Inode, size, out int offset)) return false;
        Span<byte> bytes = stackalloc byte[size];
        int at = AttributeFormat.ShortHeader;
        foreach (ref readonly AttributeLeafEntry entry in AttributeLeaf.Entries(leaf))
        {
            if (entry.IsIncomplete) continue;
            ReadOnlySpan<byte> name = AttributeLeaf.Name(leaf, entry), value = AttributeLeaf.Value(leaf, entry);
            bytes[at] = (byte)name.Length;
            bytes[at + 1] = (byte)value.Length;
            bytes[at + 2] = (byte)(entry.Flags & AttributeFlags.Namespaces);
            name.CopyTo(bytes[(at + 3)..]);
            value.CopyTo(bytes[(at + 3 + name.Length)..]);
            at += AttributeFormat.ShortEntry(name.Length, value.Length);
        }
        Seal(bytes, count);
        fork.RemoveBlock(tx, default);
        AttributeFork.SetLocal(tx, fork.Inode, offset, bytes);
        return true;
    }
}
