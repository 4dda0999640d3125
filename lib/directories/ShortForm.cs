using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;
using ImageFs.Format;
using ImageFs.Transactions;

namespace ImageFs.Directories;

// Short form, all of a directory inside its inode:
//
//   count, wide count, parent | length, cookie offset, name, type, inode | length, ...
//
// Inode numbers have 4 bytes unless one of them (the parent's included) needs more; then all have 8. "." is not there.
// The cookie offset is where the entry would stand in block form, so that a reader's position survives the conversion:
// offsets rise, and leave room for the entries before them.

/// <summary>One entry of a short-form directory.</summary>
internal readonly ref struct ShortEntry(int offset, ReadOnlySpan<byte> name, InodeNumber inode, DirectoryFileType type)
{
    /// <summary>Byte offset the entry would have in block form.</summary>
    public readonly int Offset = offset;
    public readonly ReadOnlySpan<byte> Name = name;
    public readonly InodeNumber Inode = inode;
    public readonly DirectoryFileType Type = type;

    /// <summary>Where the next entry could begin in block form.</summary>
    public int End => Offset + DirectoryName.EntrySize(Name.Length);
}

/// <summary>Reads the bytes of a short-form directory and trusts none of them.</summary>
internal ref struct ShortReader
{
    private readonly IDirectoryStorage _dir;
    private readonly ReadOnlySpan<byte> _bytes;
    private int _at, _left, _wideLeft, _lastEnd;

    public ShortReader(IDirectoryStorage dir, ReadOnlySpan<byte> bytes)
    {
        _dir = dir;
        _bytes = bytes;
        if (bytes.Length < ShortForm.HeaderSize(false)) Corrupt($"{bytes.Length} bytes, a header has {ShortForm.HeaderSize(false)}");
        Count = bytes[0];
        _wideLeft = bytes[1];
        Wide = _wideLeft != 0;
        if (bytes.Length < ShortForm.HeaderSize(Wide)) Corrupt($"{bytes.Length} bytes, a header with wide inode numbers has {ShortForm.HeaderSize(true)}");
        Parent = ReadInode(2, "parent");
        _at = ShortForm.HeaderSize(Wide);
        _left = Count;
        _lastEnd = DataBlock.FirstOffset;
        if (_left == 0) CheckEnd();
    }

    /// <summary>The bytes of a directory's data fork that are in use.</summary>
    public ShortReader(IDirectoryStorage dir) : this(dir, ShortForm.Contents(dir)) { }

    public int Count { get; }
    /// <summary>Inode numbers have 8 bytes.</summary>
    public bool Wide { get; }
    public InodeNumber Parent { get; }

    /// <summary>The next entry; false behind the last one, after the bytes ended where they must.</summary>
    public bool TryNext(out ShortEntry entry)
    {
        entry = default;
        if (_left == 0) return false;
        int inodeSize = Wide ? 8 : 4;
        if (_at + 3 > _bytes.Length) Corrupt($"entry {Count - _left} of {Count} begins behind the end at {_bytes.Length}");
        int length = _bytes[_at];
        if (length == 0 || _at + length + 4 + inodeSize > _bytes.Length) Corrupt($"entry {Count - _left} of {Count}: a name of {length} bytes, {_bytes.Length - _at} bytes left");
        int offset = BinaryPrimitives.ReadUInt16BigEndian(_bytes[(_at + 1)..]);
        if (offset < _lastEnd || offset % DataBlock.Unit != 0) Corrupt($"entry {Count - _left} of {Count}: offset {offset}, expected a multiple of 8 from {_lastEnd} on");
        int typeAt = _at + 3 + length;
        entry = new ShortEntry(offset, _bytes.Slice(_at + 3, length), ReadInode(typeAt + 1, "inumber"), DataBlock.TypeOf(_bytes[typeAt]));
        _lastEnd = entry.End;
        _at = typeAt + 1 + inodeSize;
        if (--_left == 0) CheckEnd();
        return true;
    }

    private void CheckEnd()
    {
        if (_at != _bytes.Length) Corrupt($"the entries end at {_at}, the size is {_bytes.Length}");
        if (_wideLeft != 0) Corrupt($"i8count is {_bytes[1]}, {_wideLeft} more than there are wide inode numbers");
        if (_lastEnd + ShortForm.BlockTail(Count) > _dir.Geometry.DirectoryBlockSize) Corrupt($"offsets up to {_lastEnd} do not fit a directory block");
    }

    private InodeNumber ReadInode(int at, string field)
    {
        InodeNumber inode = new(Wide ? BinaryPrimitives.ReadUInt64BigEndian(_bytes[at..]) : BinaryPrimitives.ReadUInt32BigEndian(_bytes[at..]));
        if (!_dir.Geometry.IsValid(inode)) Corrupt($"{field}: inode {inode} cannot exist");
        if (ShortForm.IsWide(inode) && _wideLeft-- == 0) Corrupt($"i8count is {_bytes[1]}, there are more wide inode numbers");
        return inode;
    }

    [DoesNotReturn]
    private readonly void Corrupt(string problem) => throw new CorruptionException("directory", $"inode {_dir.Number} short form", problem);
}

/// <summary>Writes a short-form directory entry by entry; the caller knows that it fits.</summary>
internal ref struct ShortWriter
{
    private readonly Span<byte> _bytes;
    private readonly bool _wide;
    private int _at, _count, _wideCount;

    public ShortWriter(Span<byte> bytes, bool wide, InodeNumber parent)
    {
        _bytes = bytes;
        _wide = wide;
        _at = 2;
        WriteInode(parent);
    }

    public void Append(int offset, ReadOnlySpan<byte> name, InodeNumber inode, DirectoryFileType type)
    {
        _bytes[_at] = (byte)name.Length;
        BinaryPrimitives.WriteUInt16BigEndian(_bytes[(_at + 1)..], (ushort)offset);
        name.CopyTo(_bytes[(_at + 3)..]);
        _bytes[_at + 3 + name.Length] = (byte)type;
        _at += name.Length + 4;
        WriteInode(inode);
        _count++;
    }

    public void Append(in ShortEntry entry) => Append(entry.Offset, entry.Name, entry.Inode, entry.Type);

    /// <summary>The finished bytes.</summary>
    public readonly ReadOnlySpan<byte> Finish()
    {
        _bytes[0] = (byte)_count;
        _bytes[1] = (byte)(_wide ? _wideCount : 0);
        return _bytes[.._at];
    }

    private void WriteInode(InodeNumber inode)
    {
        if (ShortForm.IsWide(inode)) _wideCount++;
        if (_wide) BinaryPrimitives.WriteUInt64BigEndian(_bytes[_at..], inode.Value);
        else BinaryPrimitives.WriteUInt32BigEndian(_bytes[_at..], (uint)inode.Value);
        _at += _wide ? 8 : 4;
    }
}

/// <summary>Operations on directories that fit their inode. Changes rewrite the fork; comparison finds what changed.</summary>
internal static class ShortForm
{
    /// <summary>No inode has a larger fork.</summary>
    public const int MaxSize = 2048;

    private const int MaxCount = byte.MaxValue;

    public static bool IsWide(InodeNumber inode) => inode.Value > uint.MaxValue;
    public static int HeaderSize(bool wide) => wide ? 10 : 6;
    public static int EntrySize(int nameLength, bool wide) => nameLength + (wide ? 12 : 8);

    /// <summary>Bytes at the end of a block-form block that holds so many entries besides "." and "..".</summary>
    public static int BlockTail(int count) => (count + 2) * DirectoryLeafEntry.Size + DirectoryBlockTail.Size;

    /// <summary>The bytes in use, bounded by the fork.</summary>
    public static ReadOnlySpan<byte> Contents(IDirectoryStorage dir)
    {
        ReadOnlySpan<byte> fork = dir.DataFork;
        ulong size = dir.Core.FileSize;
        if (size > (ulong)fork.Length || size > MaxSize) throw new CorruptionException("directory", $"inode {dir.Number} short form", $"size {size}, the fork has {fork.Length} bytes");
        return fork[..(int)size];
    }

    /// <summary>Makes the directory an empty one.</summary>
    public static void Initialize(Transaction tx, IDirectoryStorage dir, InodeNumber parent)
    {
        if (dir.Core.Format != ForkFormat.Local) dir.BecomeLocal(tx);
        Store(tx, dir, new ShortWriter(stackalloc byte[HeaderSize(true)], IsWide(parent), parent).Finish());
    }

    /// <summary>Replaces the fork's contents.</summary>
    public static void Store(Transaction tx, IDirectoryStorage dir, ReadOnlySpan<byte> contents)
    {
        Span<byte> fork = dir.ModifyDataFork(tx);
        contents.CopyTo(fork);
        fork[contents.Length..].Clear();
        dir.ModifyCore(tx).FileSize = (ulong)contents.Length;
    }

    public static bool TryLookup(IDirectoryStorage dir, ReadOnlySpan<byte> name, out InodeNumber inode, out DirectoryFileType type)
    {
        ShortReader reader = new(dir);
        while (reader.TryNext(out ShortEntry entry))
            if (entry.Name.SequenceEqual(name))
            {
                inode = entry.Inode;
                type = entry.Type;
                return true;
            }
        inode = default;
        type = default;
        return false;
    }

    /// <summary>Adds an entry; false if the directory has to become block form for it.</summary>
    public static bool TryAdd(Transaction tx, IDirectoryStorage dir, ReadOnlySpan<byte> name, InodeNumber inode, DirectoryFileType type)
    {
        ShortReader reader = new(dir);
        bool wide = reader.Wide || IsWide(inode);
        int size = HeaderSize(wide) + EntrySize(name.Length, wide);
        int blockSize = DirectoryName.EntrySize(name.Length), end = DataBlock.FirstOffset, gap = 0;
        while (reader.TryNext(out ShortEntry entry))
        {
            if (entry.Name.SequenceEqual(name)) throw Directory.Exists(dir, name);
            if (gap == 0 && end + blockSize <= entry.Offset) gap = end;
            end = entry.End;
            size += EntrySize(entry.Name.Length, wide);
        }
        if (size > dir.DataFork.Length || reader.Count == MaxCount) return false;
        // Behind the last one, as long as block form could hold it there; else in a gap that removed entries left.
        int room = dir.Geometry.DirectoryBlockSize - BlockTail(reader.Count + 1);
        int offset = end + blockSize <= room ? end : gap;
        if (offset == 0 || end > room) return false;

        reader = new ShortReader(dir);
        ShortWriter writer = new(stackalloc byte[MaxSize], wide, reader.Parent);
        bool written = false;
        while (reader.TryNext(out ShortEntry entry))
        {
            if (!written && entry.Offset > offset)
            {
                writer.Append(offset, name, inode, type);
                written = true;
            }
            writer.Append(entry);
        }
        if (!written) writer.Append(offset, name, inode, type);
        Store(tx, dir, writer.Finish());
        return true;
    }

    /// <summary>Removes an entry; false if there is none of that name.</summary>
    public static bool Remove(Transaction tx, IDirectoryStorage dir, ReadOnlySpan<byte> name, out InodeNumber removed)
    {
        removed = default;
        if (!TryLookup(dir, name, out removed, out _)) return false;
        Rewrite(tx, dir, new ShortReader(dir).Parent, name, default, default);
        return true;
    }

    /// <summary>Points an entry, or "..", at another inode; false if the directory has to become block form for it.</summary>
    public static bool TryReplace(Transaction tx, IDirectoryStorage dir, ReadOnlySpan<byte> name, InodeNumber inode, DirectoryFileType type)
    {
        bool parent = name.SequenceEqual(".."u8);
        if (!parent && !TryLookup(dir, name, out _, out _)) throw Directory.Missing(dir, name);
        ShortReader reader = new(dir);
        if (IsWide(inode) && !reader.Wide)
        {
            int size = HeaderSize(true);
            while (reader.TryNext(out ShortEntry entry)) size += EntrySize(entry.Name.Length, wide: true);
            if (size > dir.DataFork.Length) return false;
        }
        Rewrite(tx, dir, parent ? inode : reader.Parent, parent ? default : name, inode, type);
        return true;
    }

    /// <summary>Writes everything again with one entry pointing elsewhere, or left out if the inode is 0.</summary>
    private static void Rewrite(Transaction tx, IDirectoryStorage dir, InodeNumber parent, ReadOnlySpan<byte> changed, InodeNumber inode, DirectoryFileType type)
    {
        bool wide = IsWide(parent);
        ShortReader reader = new(dir);
        while (reader.TryNext(out ShortEntry entry)) wide |= IsWide(entry.Name.SequenceEqual(changed) ? inode : entry.Inode);

        reader = new ShortReader(dir);
        ShortWriter writer = new(stackalloc byte[MaxSize], wide, parent);
        while (reader.TryNext(out ShortEntry entry))
        {
            if (!entry.Name.SequenceEqual(changed)) writer.Append(entry);
            else if (inode.Value != 0) writer.Append(entry.Offset, entry.Name, inode, type);
        }
        Store(tx, dir, writer.Finish());
    }

    /// <summary>Shows ".", ".." and the entries from a cookie on.</summary>
    public static void List(IDirectoryStorage dir, long fromCookie, DirectoryVisitor visit)
    {
        const long dot = DataBlock.DotOffset / DataBlock.Unit, dotDot = DataBlock.DotDotOffset / DataBlock.Unit;
        ShortReader reader = new(dir);
        if (fromCookie <= dot && !visit("."u8, dir.Number, DirectoryFileType.Directory, dot)) return;
        if (fromCookie <= dotDot && !visit(".."u8, reader.Parent, DirectoryFileType.Directory, dotDot)) return;
        while (reader.TryNext(out ShortEntry entry))
        {
            long cookie = entry.Offset / DataBlock.Unit;
            if (cookie >= fromCookie && !visit(entry.Name, entry.Inode, entry.Type, cookie)) return;
        }
    }
}
