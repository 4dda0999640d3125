using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text;
using ImageFs.Format;

namespace ImageFs.Fsck;

/// <summary>Reads one directory at a time, in whatever form it is, and holds its parts against each other.</summary>
/// <remarks>
/// Always true of a directory in blocks: every entry of the data blocks stands exactly once in the hash index, by hash and
/// address; the free-space index has the length of the largest free region of each data block.
/// </remarks>
internal sealed partial class DirectoryScan
{
    private readonly Scan _scan;
    private readonly Geometry _g;
    private readonly ForkScan _forks;
    private readonly NameScan _names;
    private readonly byte[] _block, _other;
    private readonly int _unit;
    private readonly ulong _leafStart, _freeStart;
    // (hash << 32 | address) of every entry in the data blocks, and of every entry in the index.
    private readonly PackedList<ulong> _entries = new(), _index = new();
    // Length of the largest free region by data block; NullBest where there is none.
    private readonly PackedList<ushort> _bests = new();
    private ulong _number;
    private Where _at;
    private bool _dataSound;

    public DirectoryScan(Scan scan, ForkScan forks, NameScan names)
    {
        _scan = scan;
        _g = scan.Geometry;
        _forks = forks;
        _names = names;
        _block = new byte[_g.DirectoryBlockSize];
        _other = new byte[_g.DirectoryBlockSize];
        _unit = _g.DirectoryBlockFsBlocks;
        _leafStart = Geometry.DirectoryLeafOffset >> _g.BlockLog;
        _freeStart = Geometry.DirectoryFreeOffset >> _g.BlockLog;
    }

    public void Examine(ReadOnlySpan<byte> inode, ulong number, Where at)
    {
        ref readonly InodeCore core = ref InodeCore.At(inode);
        _number = number;
        _at = at;
        _dataSound = true;
        _entries.Clear();
        _index.Clear();
        _bests.Clear();
        if (core.Format == ForkFormat.Local)
        {
            int size = (int)Math.Min(core.FileSize, (ulong)core.DataForkSize(_g.InodeSize));
            ExamineShort(inode.Slice(InodeCore.Size, size));
            return;
        }
        ForkTotals totals = _forks.Walk(inode, number, attribute: false, keep: true, claim: false);
        ReadOnlySpan<Extent> map = _forks.Map.Span;
        if (totals.IsBroken) _dataSound = false;
        if (map.Length == 0)
        {
            if (!totals.IsBroken) _scan.Report(FindingCodes.DirectoryForm, at, "the directory has no blocks");
            return;
        }
        // The kernel tells the form from where the last mapped block ends, so do we.
        ulong end = map[^1].End.Value, size64 = core.FileSize;
        if (end == (ulong)_unit)
        {
            if (size64 != (ulong)_g.DirectoryBlockSize) _scan.Report(FindingCodes.DirectorySize, at with { Field = "size" }, size64, _g.DirectoryBlockSize);
            ExamineBlockForm();
        }
        else
        {
            ExamineData();
            ulong blocks = (ulong)_bests.Count * (ulong)_g.DirectoryBlockSize;
            if (_dataSound && size64 != blocks) _scan.Report(FindingCodes.DirectorySize, at with { Field = "size" }, size64, blocks);
            if (end == _leafStart + (ulong)_unit) ExamineLeafForm();
            else ExamineNodeForm();
            if (_dataSound) CompareIndex();
        }
        if (_dataSound) FindDuplicates();
    }

    private void ExamineShort(ReadOnlySpan<byte> fork)
    {
        if (fork.Length < 6)
        {
            Complain($"{fork.Length} bytes cannot hold a directory");
            return;
        }
        int count = fork[0], bigCount = fork[1], width = bigCount > 0 ? 8 : 4, position = 2 + width;
        if (fork.Length < position)
        {
            Complain($"{fork.Length} bytes cannot hold the header");
            return;
        }
        ulong parent = ReadInode(fork[2..], width);
        int big = parent > uint.MaxValue ? 1 : 0, offset = DirectoryDataHeader.Size + 32, type = _g.HasFileType ? 1 : 0;
        if (!_g.IsValid(new InodeNumber(parent))) _scan.Report(FindingCodes.EntryInode, _at, "..", parent, "which cannot exist");
        _names.Parent(parent);
        Span<ulong> seen = stackalloc ulong[256];
        for (int i = 0; i < count; i++)
        {
            if (position + 3 > fork.Length)
            {
                Complain($"entry {i} of {count} begins behind the end");
                return;
            }
            int length = fork[position], at = BinaryPrimitives.ReadUInt16BigEndian(fork[(position + 1)..]);
            int size = 3 + length + type + width;
            if (length == 0 || position + size > fork.Length)
            {
                Complain($"entry {i} with a name of {length} bytes does not fit into {fork.Length - position}");
                return;
            }
            ReadOnlySpan<byte> name = fork.Slice(position + 3, length);
            ulong child = ReadInode(fork[(position + 3 + length + type)..], width);
            if (child > uint.MaxValue) big++;
            if (at < offset) Complain($"entry \"{NameScan.Show(name)}\" has offset {at}, at least {offset} expected");
            offset = Math.Max(offset, at) + DirectoryName.EntrySize(length);
            _names.Name(name, child, type == 0 ? (byte)0 : fork[position + 3 + length], _at);
            if (name.SequenceEqual("."u8) || name.SequenceEqual(".."u8)) _scan.Report(FindingCodes.EntryName, _at, NameScan.Show(name), "it is implied in this form");
            seen[i] = (ulong)DirectoryName.Hash(name) << 32 | (uint)position;
            position += size;
        }
        if (position != fork.Length) Complain($"{count} entries end at {position}, the size is {fork.Length}");
        if (bigCount != big && !(bigCount == 0 && big == 0)) Complain($"i8count is {bigCount}, {big} inode numbers need 8 bytes");
        if (offset + (count + 2) * DirectoryLeafEntry.Size + DirectoryBlockTail.Size > _g.DirectoryBlockSize) Complain($"offsets reach {offset}, the entries would not fit a block");
        Span<ulong> names = seen[..count];
        names.Sort();
        for (int i = 1; i < names.Length; i++)
        {
            if (names[i] >> 32 != names[i - 1] >> 32) continue;
            ReadOnlySpan<byte> first = ShortName(fork, (int)(uint)names[i - 1]), second = ShortName(fork, (int)(uint)names[i]);
            if (first.SequenceEqual(second)) _scan.Report(FindingCodes.EntryDuplicate, _at, NameScan.Show(first));
        }

        void Complain(string what) => _scan.Report(FindingCodes.DirectoryShortform, _at, what);
    }

    private static ReadOnlySpan<byte> ShortName(ReadOnlySpan<byte> fork, int position) => fork.Slice(position + 3, fork[position]);

    private static ulong ReadInode(ReadOnlySpan<byte> at, int width) => width == 8 ? BinaryPrimitives.ReadUInt64BigEndian(at) : BinaryPrimitives.ReadUInt32BigEndian(at);

    private void ExamineBlockForm()
    {
        if (!TryLoad(0, _block, out FsBlock first, enter: true))
        {
            _dataSound = false;
            return;
        }
        Where at = _scan.At(first, _number);
        if (!JudgeData(at, first, DirectoryMagic.Block))
        {
            Salvage(0, at);
            return;
        }
        ref readonly DirectoryBlockTail tail = ref MemoryMarshal.AsRef<DirectoryBlockTail>((ReadOnlySpan<byte>)_block.AsSpan(_block.Length - DirectoryBlockTail.Size));
        WalkEntries(0, _block.Length - DirectoryBlockTail.Size - (int)tail.Count.Value * DirectoryLeafEntry.Size, at);
    }

    /// <summary>All data blocks of the leaf and node forms, in order.</summary>
    private void ExamineData()
    {
        foreach (Extent extent in _forks.Map.Span)
        {
            if (extent.Offset.Value >= _leafStart) break;
            ulong end = Math.Min(extent.End.Value, _leafStart);
            // A directory block that an extent only ends was read with the extent it begins in.
            for (ulong block = (extent.Offset.Value + (ulong)_unit - 1) / (ulong)_unit * (ulong)_unit; block < end; block += (ulong)_unit)
            {
                int db = (int)(block / (ulong)_unit);
                // Gaps count too: the size covers them. A gap as large as a hostile extent list can make it must not cost memory.
                if (db > 1 << 24 || db - _bests.Count > 1 << 20)
                {
                    _scan.Report(FindingCodes.DirectoryForm, _at, $"a data block at file block {block}, far behind the others");
                    _dataSound = false;
                    return;
                }
                while (_bests.Count < db) _bests.Add(DirectoryFreeHeader.NullBest);
                _bests.Add(DirectoryFreeHeader.NullBest);
                if (!TryLoad(block, _block, out FsBlock first, enter: true))
                {
                    _dataSound = false;
                    continue;
                }
                Where at = _scan.At(first, _number);
                if (!JudgeData(at, first, DirectoryMagic.Data))
                {
                    Salvage(block, at);
                    continue;
                }
                _bests[db] = DirectoryDataHeader.At((ReadOnlySpan<byte>)_block).BestFree0.Length;
                WalkEntries(block, _block.Length, at);
            }
        }
        if (_bests.Count == 0) _scan.Report(FindingCodes.DirectoryForm, _at, "the directory has no data blocks");
    }

    private bool JudgeData(Where at, FsBlock first, uint magic)
    {
        if (!_scan.Accept(Structure.DirectoryData, BlockKind.DirectoryData, _g.ByteOffset(first), _block, at)) return false;
        ref readonly DirectoryDataHeader header = ref DirectoryDataHeader.At((ReadOnlySpan<byte>)_block);
        if (header.Magic != magic)
        {
            _scan.Report(FindingCodes.Identity(Structure.DirectoryData), at with { Field = "magic" }, $"found 0x{header.Magic.Value:x8}, expected 0x{magic:x8} in this form");
            return false;
        }
        return IsOurs(header.Owner, Structure.DirectoryData, at);
    }

    private bool IsOurs(ulong owner, Structure structure, Where at)
    {
        if (owner == _number) return true;
        _scan.Report(FindingCodes.Identity(structure), at with { Field = "owner" }, $"it says inode {owner}");
        _scan.IsPartial = true;
        return false;
    }

    /// <summary>Takes what names can still be read from a damaged block, so that one bad byte does not orphan a whole directory.</summary>
    private void Salvage(ulong block, Where at)
    {
        _dataSound = false;
        WalkEntries(block, _block.Length, at);
    }

    /// <summary>Walks the entries of the loaded block; stops where they make no sense (then the verifier has complained).</summary>
    private void WalkEntries(ulong block, int end, Where at)
    {
        ulong address = (block << _g.BlockLog) / 8;
        for (int position = DirectoryDataHeader.Size; position + 16 <= end;)
        {
            ReadOnlySpan<byte> entry = _block.AsSpan(position, end - position);
            if (BinaryPrimitives.ReadUInt16BigEndian(entry) == DirectoryDataHeader.FreeTag)
            {
                int free = BinaryPrimitives.ReadUInt16BigEndian(entry[2..]);
                if (free < 8 || free % 8 != 0) return;
                position += free;
                continue;
            }
            int length = entry[8], size = DirectoryName.EntrySize(length);
            if (length == 0 || size > entry.Length || BinaryPrimitives.ReadUInt16BigEndian(entry[(size - 2)..]) != position) return;
            ulong child = BinaryPrimitives.ReadUInt64BigEndian(entry);
            ReadOnlySpan<byte> name = entry.Slice(9, length);
            byte type = entry[9 + length];
            bool dot = block == 0 && position == DirectoryDataHeader.Size, dotDot = block == 0 && position == DirectoryDataHeader.Size + 16;
            if (dot)
            {
                if (!name.SequenceEqual("."u8)) _scan.Report(FindingCodes.DirectoryDot, at, $"the first entry is \"{NameScan.Show(name)}\", expected \".\"");
                else if (child != _number) _scan.Report(FindingCodes.DirectoryDot, at, $"\".\" leads to inode {child}, expected {_number}");
                else if (_g.HasFileType && type != (byte)DirectoryFileType.Directory) _scan.Report(FindingCodes.EntryType, at with { Field = "filetype" }, ".", child, type, "2 (Directory)");
            }
            else if (dotDot)
            {
                if (!name.SequenceEqual(".."u8)) _scan.Report(FindingCodes.DirectoryDot, at, $"the second entry is \"{NameScan.Show(name)}\", expected \"..\"");
                else
                {
                    _names.Parent(child);
                    if (_g.HasFileType && type != (byte)DirectoryFileType.Directory) _scan.Report(FindingCodes.EntryType, at with { Field = "filetype" }, "..", child, type, "2 (Directory)");
                }
            }
            if (!dot && !dotDot)
            {
                if (name.SequenceEqual("."u8) || name.SequenceEqual(".."u8)) _scan.Report(FindingCodes.EntryDuplicate, at, NameScan.Show(name));
                else _names.Name(name, child, type, at);
            }
            _entries.Add((ulong)DirectoryName.Hash(name) << 32 | (uint)(address + (ulong)position / 8));
            position += size;
        }
    }

    /// <summary>Loads a directory block, which may lie in several pieces.</summary>
    /// <param name="first">The block its address in the header names.</param>
    private bool TryLoad(ulong fileBlock, byte[] into, out FsBlock first, bool enter)
    {
        first = FsBlock.Null;
        for (int piece = 0; piece < _unit;)
        {
            if (!_forks.TryMap(fileBlock + (ulong)piece, out FsBlock block, out ulong run))
            {
                if (piece > 0) _scan.Report(FindingCodes.DirectoryForm, _at, $"the directory block at file block {fileBlock} is mapped only in part");
                return false;
            }
            if (piece == 0)
            {
                first = block;
                if (enter && !_scan.Enter(_g.AgOf(block), _g.BlockInAg(block)))
                {
                    _scan.Report(FindingCodes.TreeShared, _scan.At(block, _number), "directory", _g.BlockInAg(block));
                    return false;
                }
            }
            int count = (int)Math.Min(run, (ulong)(_unit - piece));
            if (!_scan.TryRead(_g.ByteOffset(block), into.AsSpan(piece * _g.BlockSize, count * _g.BlockSize), "directory block", _scan.At(block, _number))) return false;
            piece += count;
        }
        if (enter) _scan.CountBlock();
        return true;
    }

    /// <summary>Entries with the same hash are compared by name. There are few of them in any directory people make.</summary>
    private void FindDuplicates()
    {
        Span<ulong> all = _entries.Span;
        all.Sort();
        for (int i = 1; i < all.Length; i++)
        {
            if (all[i] >> 32 != all[i - 1] >> 32) continue;
            HashSet<string> names = [Encoding.Latin1.GetString(NameAt((uint)all[i - 1]))];
            for (; i < all.Length && all[i] >> 32 == all[i - 1] >> 32; i++)
            {
                ReadOnlySpan<byte> name = NameAt((uint)all[i]);
                if (!names.Add(Encoding.Latin1.GetString(name)) && name.Length > 0) _scan.Report(FindingCodes.EntryDuplicate, _at, NameScan.Show(name));
            }
        }
    }

    private ReadOnlySpan<byte> NameAt(uint address)
    {
        ulong offset = (ulong)address * 8;
        ulong block = offset / (ulong)_g.DirectoryBlockSize * (ulong)_unit;
        int inside = (int)(offset % (ulong)_g.DirectoryBlockSize);
        if (!TryLoad(block, _block, out _, enter: false) || inside + 12 > _block.Length) return [];
        int length = _block[inside + 8];
        return inside + 9 + length <= _block.Length ? _block.AsSpan(inside + 9, length) : [];
    }
}
