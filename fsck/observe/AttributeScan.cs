using System.Buffers.Binary;
using System.Collections;
using System.Runtime.InteropServices;
using System.Text;
using ImageFs.Format;

namespace ImageFs.Fsck;

/// <summary>Checks the attributes of an inode in all their forms: inline, in leaves under a hash tree, with values in blocks of their own.</summary>
internal sealed class AttributeScan : IHashTree
{
    private const byte Local = 0x01, Root = 0x02, Secure = 0x04, Parent = 0x08, Incomplete = 0x80;
    private const int EntriesAt = 80, EntrySize = 8;

    private readonly Scan _scan;
    private readonly Geometry _g;
    private readonly ForkScan _forks;
    private readonly HashTreeWalker _tree = new();
    private readonly byte[] _leaf, _value;
    private readonly BitArray _used;
    private readonly PackedList<(uint Block, uint Length)> _remote = new();
    private readonly ParentTable? _parents;
    private ulong _number;
    private int _slot;
    private Where _at;
    private bool _isComplete;

    /// <param name="parents">Where parent pointers go; null on a file system without.</param>
    public AttributeScan(Scan scan, ForkScan forks, ParentTable? parents)
    {
        _scan = scan;
        _g = scan.Geometry;
        _forks = forks;
        _parents = parents;
        _leaf = new byte[_g.BlockSize];
        _value = new byte[_g.BlockSize];
        _used = new BitArray(_g.BlockSize / 4);
    }

    /// <summary>Examines the attribute fork; the fork's map is the one walked last.</summary>
    /// <param name="isBroken">The map is known to be incomplete.</param>
    public void Examine(ReadOnlySpan<byte> inode, ulong number, int slot, bool isBroken, Where at)
    {
        ref readonly InodeCore core = ref InodeCore.At(inode);
        _number = number;
        _slot = slot;
        _at = at;
        if (isBroken) _parents?.MarkUnreadable(slot);
        if (core.AttributeFormat == ForkFormat.Local)
        {
            ExamineShort(inode[(InodeCore.Size + core.DataForkSize(_g.InodeSize))..]);
            return;
        }
        // An attribute fork made in advance has no blocks yet.
        if (_forks.Map.Count == 0) return;

        _remote.Clear();
        _isComplete = !isBroken;
        ulong end = Math.Min(uint.MaxValue, _forks.Map[_forks.Map.Count - 1].End.Value);
        _tree.Walk(this, 0, end, 1);
        long met = _tree.Visited;
        if (_tree.IsBroken) _parents?.MarkUnreadable(slot);
        foreach ((uint block, uint length) in _remote.Span) met += ExamineValue(block, length);
        if (!_isComplete || _tree.IsBroken) return;
        long mapped = 0;
        foreach (ref readonly Extent extent in _forks.Map.Span) mapped += extent.Length;
        if (mapped != met) Complain(_at, $"the attribute fork maps {mapped} blocks, its tree and values have {met}");
    }

    private void Complain(Where at, string what) => _scan.Report(FindingCodes.AttributeForm, at.Inode is null ? _at : at, what);

    private void ExamineShort(ReadOnlySpan<byte> fork)
    {
        int total = fork.Length < 4 ? 0 : BinaryPrimitives.ReadUInt16BigEndian(fork), count = fork.Length < 4 ? 0 : fork[2];
        if (total < 4 || total > fork.Length)
        {
            Complain(_at, $"inline attributes of {total} bytes in a fork of {fork.Length}");
            _parents?.MarkUnreadable(_slot);
            return;
        }
        int position = 4;
        for (int i = 0; i < count; i++)
        {
            int size = position + 3 <= total ? 3 + fork[position] + fork[position + 1] : 3;
            if (position + size > total)
            {
                Complain(_at, $"inline attribute {i} of {count} crosses the end at {total}");
                _parents?.MarkUnreadable(_slot);
                return;
            }
            int length = fork[position];
            byte flags = fork[position + 2];
            ReadOnlySpan<byte> name = fork.Slice(position + 3, length), value = fork.Slice(position + 3 + length, fork[position + 1]);
            if ((flags & (Local | Incomplete)) != 0) Complain(_at, $"inline attribute \"{NameScan.Show(name)}\" has flags 0x{flags:x2}");
            CheckName(name, flags, _at);
            CheckAcl(name, flags, value, _at);
            if ((flags & Parent) != 0) TakePointer(name, value, _at);
            for (int earlier = 4; earlier < position; earlier += 3 + fork[earlier] + fork[earlier + 1])
                if (fork[earlier + 2] == flags && fork.Slice(earlier + 3, fork[earlier]).SequenceEqual(name) && (flags & Parent) == 0)
                    _scan.Report(FindingCodes.AttributeName, _at, NameScan.Show(name), "stands there twice");
            position += size;
        }
        if (position != total) Complain(_at, $"{count} inline attributes end at {position}, the header says {total}");
    }

    private void CheckName(ReadOnlySpan<byte> name, byte flags, Where at)
    {
        int space = flags & (Root | Secure | Parent);
        string? problem = name.Length == 0 ? "is empty"
            : name.Contains((byte)0) ? "has a zero in its name"
            : (flags & ~(Local | Root | Secure | Parent | Incomplete)) != 0 ? $"has unknown flags 0x{flags:x2}"
            : (space & (space - 1)) != 0 ? $"stands in two name spaces (flags 0x{flags:x2})"
            : (flags & Parent) != 0 && !_g.Superblock.Has(IncompatFeatures.ParentPointers) ? "is a parent pointer on a file system without them"
            : null;
        if (problem is not null) _scan.Report(FindingCodes.AttributeName, at, NameScan.Show(name), problem);
    }

    private void TakePointer(ReadOnlySpan<byte> name, ReadOnlySpan<byte> value, Where at)
    {
        if (_parents is null) return; // which was reported with the name
        string? problem = value.Length != ParentPointer.Size ? $"{value.Length} bytes, expected {ParentPointer.Size} beside the name"
            : !DirectoryName.IsLegal(name) ? "no entry can have this name"
            : !_g.IsValid(new InodeNumber(ParentPointer.At(value).Inode)) ? $"directory {ParentPointer.At(value).Inode} cannot exist"
            : null;
        if (problem is not null) _scan.Report(FindingCodes.ParentForm, at, NameScan.Show(name), problem);
        else _parents.AddPointer(_number, _slot, ParentPointer.At(value).Inode, ParentPointer.At(value).Generation, name);
    }

    /// <summary>An access control list is a count and as many entries of twelve bytes.</summary>
    private void CheckAcl(ReadOnlySpan<byte> name, byte flags, ReadOnlySpan<byte> value, Where at)
    {
        if ((flags & Root) == 0 || !name.SequenceEqual("SGI_ACL_FILE"u8) && !name.SequenceEqual("SGI_ACL_DEFAULT"u8)) return;
        uint count = value.Length < 4 ? uint.MaxValue : BinaryPrimitives.ReadUInt32BigEndian(value);
        string? problem = count > 5461 || value.Length != 4 + 12 * (long)count ? $"{count} entries in {value.Length} bytes" : null;
        for (int i = 0; problem is null && i < count; i++)
        {
            uint tag = BinaryPrimitives.ReadUInt32BigEndian(value[(4 + 12 * i)..]);
            if (tag is not (1 or 2 or 4 or 8 or 16 or 32)) problem = $"entry {i} has tag {tag}";
        }
        if (problem is not null) _scan.Report(FindingCodes.AttributeAcl, at, Encoding.ASCII.GetString(name), problem);
    }

    ReadOnlySpan<byte> IHashTree.Loaded => _leaf;
    ushort IHashTree.LeafMagic => DirectoryMagic.AttrLeaf;
    void IHashTree.Complain(Where at, string what) => Complain(at, what);

    bool IHashTree.TryLoad(ulong fileBlock, out Where at)
    {
        at = _at;
        if (!TryLoad(fileBlock, _leaf, out FsBlock block, out at)) return false;
        if (!_scan.Accept(Structure.AttributeBlock, BlockKind.DaBlock, _g.ByteOffset(block), _leaf, at)) return false;
        return IsOurs(DaBlockHeader.At((ReadOnlySpan<byte>)_leaf).Owner, Structure.AttributeBlock, at);
    }

    private bool TryLoad(ulong fileBlock, byte[] into, out FsBlock block, out Where at)
    {
        at = _at;
        if (!_forks.TryMap(fileBlock, out block, out _))
        {
            Complain(_at, $"no block is mapped at file block {fileBlock} of the attribute fork");
            return false;
        }
        at = _scan.At(block, _number);
        if (!_scan.Enter(_g.AgOf(block), _g.BlockInAg(block)))
        {
            _scan.Report(FindingCodes.TreeShared, at, "attributes", _g.BlockInAg(block));
            return false;
        }
        _scan.CountBlock();
        return _scan.TryRead(_g.ByteOffset(block), into, "attribute block", at);
    }

    private bool IsOurs(ulong owner, Structure structure, Where at)
    {
        if (owner == _number) return true;
        _scan.Report(FindingCodes.Identity(structure), at with { Field = "owner" }, $"it says inode {owner}");
        _scan.IsPartial = true;
        return false;
    }

    (uint First, uint Last)? IHashTree.TakeLeaf(Where at)
    {
        // The verifier has made sure that every name lies inside the block.
        ReadOnlySpan<byte> leaf = _leaf;
        int count = BinaryPrimitives.ReadUInt16BigEndian(leaf[56..]), used = 0;
        _used.SetAll(false);
        int firstName = leaf.Length;
        bool overlaps = !Take(0, EntriesAt + count * EntrySize);
        for (int i = 0; i < count; i++)
        {
            ReadOnlySpan<byte> entry = leaf.Slice(EntriesAt + i * EntrySize, EntrySize);
            int nameAt = BinaryPrimitives.ReadUInt16BigEndian(entry[4..]);
            byte flags = entry[6];
            bool local = (flags & Local) != 0;
            int length = local ? leaf[nameAt + 2] : leaf[nameAt + 8];
            int size = local ? 3 + length + BinaryPrimitives.ReadUInt16BigEndian(leaf[nameAt..]) : 9 + length;
            // A remote entry ends with the first byte of its name counted twice: the structure has a name of one byte built in.
            int room = local ? (size + 3) & ~3 : (size + 2 + 3) & ~3;
            used += room;
            firstName = Math.Min(firstName, nameAt);
            if (nameAt % 4 != 0 || nameAt + room > leaf.Length || !Take(nameAt, room)) overlaps = true;
            ReadOnlySpan<byte> name = leaf.Slice(nameAt + (local ? 3 : 9), length);
            CheckName(name, flags, at);
            ReadOnlySpan<byte> value = local ? leaf.Slice(nameAt + 3 + length, BinaryPrimitives.ReadUInt16BigEndian(leaf[nameAt..])) : [];
            uint hash = DirectoryName.Hash(name);
            if ((flags & Parent) != 0)
            {
                TakePointer(name, value, at);
                // Links of one name in many directories would all have one hash.
                if (value.Length == ParentPointer.Size) hash ^= (uint)(ParentPointer.At(value).Inode >> 32) ^ (uint)ParentPointer.At(value).Inode.Value;
            }
            if (BinaryPrimitives.ReadUInt32BigEndian(entry) != hash)
                Complain(at, $"hash 0x{BinaryPrimitives.ReadUInt32BigEndian(entry):x} of attribute {i}, \"{NameScan.Show(name)}\" has 0x{hash:x}");
            if (local) CheckAcl(name, flags, value, at);
            else if ((flags & Incomplete) != 0) _isComplete = false; // a value that was never finished has what blocks it got
            else if (BinaryPrimitives.ReadUInt32BigEndian(leaf[(nameAt + 4)..]) is uint bytes and > 0)
                _remote.Add((BinaryPrimitives.ReadUInt32BigEndian(leaf[nameAt..]), bytes));
        }
        if (overlaps) Complain(at, "names overlap one another or the entries");
        // In front of the first name there may be room that is lost, if the leaf says that there are holes. 0 stands for 64 KiB.
        int firstUsed = BinaryPrimitives.ReadUInt16BigEndian(leaf[60..]);
        if (firstUsed == 0) firstUsed = 1 << 16;
        if (firstUsed > firstName || leaf[62] == 0 && firstUsed != firstName) Complain(at with { Field = "firstused" }, $"firstused {firstUsed}, the first name stands at {firstName}");
        int usedBytes = BinaryPrimitives.ReadUInt16BigEndian(leaf[58..]);
        if (usedBytes != used) Complain(at with { Field = "usedbytes" }, $"usedbytes {usedBytes}, the names have {used}");
        for (int i = 0; i < 3; i++)
        {
            int start = BinaryPrimitives.ReadUInt16BigEndian(leaf[(64 + 4 * i)..]), size = BinaryPrimitives.ReadUInt16BigEndian(leaf[(66 + 4 * i)..]);
            if (size == 0) continue;
            if (start % 4 != 0 || start + size > leaf.Length || !IsFree(start, size))
                Complain(at with { Field = $"freemap[{i}]" }, $"freemap {i} says {size} bytes at {start} are free");
        }
        return count == 0 ? null : (BinaryPrimitives.ReadUInt32BigEndian(leaf[EntriesAt..]), BinaryPrimitives.ReadUInt32BigEndian(leaf[(EntriesAt + (count - 1) * EntrySize)..]));
    }

    private bool Take(int start, int size)
    {
        bool free = IsFree(start, size);
        for (int i = start / 4; i < Math.Min(_used.Length, (start + size + 3) / 4); i++) _used[i] = true;
        return free;
    }

    private bool IsFree(int start, int size)
    {
        for (int i = start / 4; i < Math.Min(_used.Length, (start + size + 3) / 4); i++) if (_used[i]) return false;
        return true;
    }

    /// <summary>A value in blocks of its own: every block says which bytes of whose value it holds.</summary>
    /// <returns>Blocks met.</returns>
    private long ExamineValue(uint fileBlock, uint length)
    {
        if (length > 64 << 10)
        {
            Complain(_at, $"an attribute value of {length} bytes");
            _isComplete = false;
            return 0;
        }
        long met = 0;
        for (uint done = 0; done < length; fileBlock++)
        {
            if (!TryLoad(fileBlock, _value, out FsBlock block, out Where at))
            {
                _isComplete = false;
                return met;
            }
            met++;
            uint expected = Math.Min(length - done, (uint)(_g.BlockSize - RemoteHeader.Size));
            if (!_scan.Accept(Structure.AttributeValue, BlockKind.AttrRemote, _g.ByteOffset(block), _value, at)) return met + BlocksOf(length - done) - 1;
            ref readonly RemoteHeader header = ref MemoryMarshal.AsRef<RemoteHeader>((ReadOnlySpan<byte>)_value);
            if (!IsOurs(header.Owner, Structure.AttributeValue, at)) return met + BlocksOf(length - done) - 1;
            if (header.Offset != done || header.Bytes != expected)
                _scan.Report(FindingCodes.Form(Structure.AttributeValue), at with { Field = "offset" }, $"{header.Bytes} bytes at offset {header.Offset}, expected {expected} at {done}");
            done += expected;
        }
        return met;
    }

    private long BlocksOf(uint bytes) => (bytes + (_g.BlockSize - RemoteHeader.Size) - 1) / (_g.BlockSize - RemoteHeader.Size);
}
