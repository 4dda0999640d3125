using System.Buffers.Binary;
using System.Runtime.InteropServices;
using ImageFs.Format;

namespace ImageFs.Fsck;

/// <summary>The hash index and the free-space index of directories with more than one block.</summary>
internal sealed partial class DirectoryScan
{
    // What a level of the hash tree promised: the block, and the last hash below it.
    private readonly PackedList<(uint Block, uint Hash)> _level = new(), _below = new();

    private void ExamineLeafForm()
    {
        if (!TryLoadIndex(_leafStart, out Where at))
        {
            _dataSound = false;
            return;
        }
        ref readonly DaBlockHeader header = ref DaBlockHeader.At((ReadOnlySpan<byte>)_other);
        if (header.Magic != DirectoryMagic.Leaf1)
        {
            _scan.Report(FindingCodes.Identity(Structure.DirectoryLeaf), at with { Field = "magic" }, $"found 0x{header.Magic.Value:x4}, expected 0x{DirectoryMagic.Leaf1:x4} in this form");
            _dataSound = false;
            return;
        }
        CheckNeighbours(at, header, 0, 0);
        TakeLeaf(header.Count);
        uint count = BinaryPrimitives.ReadUInt32BigEndian(_other.AsSpan(_other.Length - 4));
        if (!_dataSound) return;
        if (count != (uint)_bests.Count)
        {
            _scan.Report(FindingCodes.DirectoryIndex, at with { Field = "bestcount" }, $"the leaf has {count} free lengths, the directory {_bests.Count} data blocks");
            return;
        }
        for (int db = 0; db < _bests.Count; db++)
        {
            ushort best = BinaryPrimitives.ReadUInt16BigEndian(_other.AsSpan(_other.Length - 4 - 2 * ((int)count - db)));
            CheckBest(at, db, best);
        }
    }

    private void CheckBest(Where at, int db, ushort found)
    {
        if (found != _bests[db]) _scan.Report(FindingCodes.DirectoryBests, at with { Field = $"bests[{db}]" }, db, found, _bests[db]);
    }

    private void ExamineNodeForm()
    {
        long visited = 0;
        _level.Clear();
        _level.Add(((uint)_leafStart, 0));
        int expected = -1; // the root says how high the tree is
        uint last = 0;
        while (_level.Count > 0)
        {
            _below.Clear();
            int level = -1;
            for (int i = 0; i < _level.Count; i++)
            {
                (uint block, uint promised) = _level[i];
                if (block < _leafStart || block >= _freeStart || block % (uint)_unit != 0)
                {
                    _scan.Report(FindingCodes.DirectoryIndex, _at, $"the hash tree leads to file block {block}, outside the space of leaves");
                    _dataSound = false;
                    continue;
                }
                if (!TryLoadIndex(block, out Where at))
                {
                    _dataSound = false;
                    continue;
                }
                visited++;
                ref readonly DaBlockHeader header = ref DaBlockHeader.At((ReadOnlySpan<byte>)_other);
                bool isLeaf = header.Magic == DirectoryMagic.LeafN;
                int found = isLeaf ? 0 : header.StaleOrLevel;
                if (!isLeaf && header.Magic != DirectoryMagic.Node || expected >= 0 && found != expected)
                {
                    _scan.Report(FindingCodes.DirectoryIndex, at, expected < 0 || isLeaf
                        ? $"magic 0x{header.Magic.Value:x4} in the hash tree" : $"a block of level {found} where {expected} belongs");
                    _dataSound = false;
                    continue;
                }
                level = found;
                CheckNeighbours(at, header, i > 0 ? _level[i - 1].Block : 0, i + 1 < _level.Count ? _level[i + 1].Block : 0);
                uint lastHash;
                if (isLeaf)
                {
                    ReadOnlySpan<DirectoryLeafEntry> leaves = MemoryMarshal.Cast<byte, DirectoryLeafEntry>(_other.AsSpan(DaBlockHeader.Size))[..header.Count.Value];
                    if (leaves.Length > 0 && leaves[0].Hash < last) _scan.Report(FindingCodes.DirectoryIndex, at, $"hash 0x{leaves[0].Hash.Value:x} after 0x{last:x} of the leaf before");
                    TakeLeaf(header.Count);
                    lastHash = leaves.Length > 0 ? leaves[^1].Hash : promised;
                    last = lastHash;
                }
                else
                {
                    ReadOnlySpan<DaNodeEntry> entries = MemoryMarshal.Cast<byte, DaNodeEntry>(_other.AsSpan(DaBlockHeader.Size))[..header.Count.Value];
                    for (int e = 0; e < entries.Length; e++)
                    {
                        if (e > 0 && entries[e].Hash < entries[e - 1].Hash) _scan.Report(FindingCodes.DirectoryIndex, at, $"hash {e} of the node is smaller than the one before it");
                        _below.Add((entries[e].Before, entries[e].Hash));
                    }
                    lastHash = entries[^1].Hash;
                }
                if (expected >= 0 && lastHash != promised)
                    _scan.Report(FindingCodes.DirectoryIndex, at, $"the block ends with hash 0x{lastHash:x}, the node above says 0x{promised:x}");
            }
            if (level < 0) break;
            expected = level - 1;
            _level.Clear();
            foreach ((uint Block, uint Hash) child in _below.Span) _level.Add(child);
        }
        ExamineFreeIndex();

        // Whatever is mapped in the space of leaves must have been met in the tree.
        long mapped = 0;
        foreach (ref readonly Extent extent in _forks.Map.Span)
            if (extent.Offset.Value >= _leafStart && extent.Offset.Value < _freeStart) mapped += (long)(Math.Min(extent.End.Value, _freeStart) - extent.Offset.Value);
        if (_dataSound && mapped != visited * _unit)
            _scan.Report(FindingCodes.DirectoryIndex, _at, $"{mapped} blocks are mapped for the hash tree, it has {visited * _unit}");
    }

    /// <summary>Free index blocks follow each other; each has the largest free region of as many data blocks as fit it.</summary>
    private void ExamineFreeIndex()
    {
        int perBlock = (_g.DirectoryBlockSize - DirectoryFreeHeader.Size) / 2;
        int covered = 0;
        foreach (Extent extent in _forks.Map.Span)
        {
            if (extent.End.Value <= _freeStart) continue;
            for (ulong block = Math.Max(extent.Offset.Value, _freeStart); block < extent.End.Value; block++)
            {
                if ((block - _freeStart) % (ulong)_unit != 0) continue;
                if (!TryLoad(block, _other, out FsBlock first, enter: true))
                {
                    _dataSound = false;
                    return;
                }
                Where at = _scan.At(first, _number);
                if (!_scan.Judge(Structure.DirectoryFree, BlockKind.DirectoryFree, _g.ByteOffset(first), _other, at)) continue;
                ref readonly DirectoryFreeHeader header = ref DirectoryFreeHeader.At((ReadOnlySpan<byte>)_other);
                if (!IsOurs(header.Owner, Structure.DirectoryFree, at)) continue;
                ulong firstBlock = (block - _freeStart) / (ulong)_unit * (ulong)perBlock;
                if (header.FirstDataBlock != firstBlock)
                {
                    _scan.Report(FindingCodes.Form(Structure.DirectoryFree), at with { Field = "firstdb" }, $"firstdb {header.FirstDataBlock}, expected {firstBlock}");
                    continue;
                }
                uint used = 0;
                for (int i = 0; i < perBlock; i++)
                {
                    ushort best = BinaryPrimitives.ReadUInt16BigEndian(_other.AsSpan(DirectoryFreeHeader.Size + 2 * i));
                    ulong db = firstBlock + (ulong)i;
                    if (i < header.ValidCount && best != DirectoryFreeHeader.NullBest) used++;
                    if (!_dataSound) continue;
                    if (i < header.ValidCount && db < (ulong)_bests.Count) CheckBest(at, (int)db, best);
                    else if (i < header.ValidCount && best != DirectoryFreeHeader.NullBest) _scan.Report(FindingCodes.DirectoryBests, at with { Field = $"bests[{i}]" }, db, best, "nothing");
                    else if (i >= header.ValidCount && db < (ulong)_bests.Count && _bests[(int)db] != DirectoryFreeHeader.NullBest)
                        _scan.Report(FindingCodes.DirectoryBests, at with { Field = "nvalid" }, db, "nothing", _bests[(int)db]);
                }
                covered = Math.Max(covered, (int)Math.Min(int.MaxValue, firstBlock + (ulong)perBlock));
                if (header.UsedCount != used) _scan.Report(FindingCodes.Form(Structure.DirectoryFree), at with { Field = "nused" }, $"nused {header.UsedCount}, {used} are used");
            }
        }
        for (int db = covered; _dataSound && db < _bests.Count; db++)
            if (_bests[db] != DirectoryFreeHeader.NullBest) _scan.Report(FindingCodes.DirectoryBests, _at, db, "nothing", _bests[db]);
    }

    private bool TryLoadIndex(ulong fileBlock, out Where at)
    {
        at = _at;
        if (!TryLoad(fileBlock, _other, out FsBlock first, enter: true))
        {
            if (first.IsNull) _scan.Report(FindingCodes.DirectoryIndex, _at, $"no block is mapped at file block {fileBlock}, where the hash index should be");
            return false;
        }
        at = _scan.At(first, _number);
        return _scan.Judge(Structure.DirectoryLeaf, BlockKind.DaBlock, _g.ByteOffset(first), _other, at)
            && IsOurs(DaBlockHeader.At((ReadOnlySpan<byte>)_other).Owner, Structure.DirectoryLeaf, at);
    }

    private void CheckNeighbours(Where at, in DaBlockHeader header, uint back, uint forward)
    {
        if (header.Back != back) _scan.Report(FindingCodes.DirectoryIndex, at with { Field = "back" }, $"back leads to {header.Back}, expected {back}");
        if (header.Forward != forward) _scan.Report(FindingCodes.DirectoryIndex, at with { Field = "forw" }, $"forw leads to {header.Forward}, expected {forward}");
    }

    private void TakeLeaf(int count)
    {
        foreach (DirectoryLeafEntry leaf in MemoryMarshal.Cast<byte, DirectoryLeafEntry>(_other.AsSpan(DaBlockHeader.Size))[..count])
            if (leaf.Address != 0) _index.Add((ulong)leaf.Hash.Value << 32 | leaf.Address.Value);
    }

    /// <summary>Entries and index must be the same set.</summary>
    private void CompareIndex()
    {
        Span<ulong> entries = _entries.Span, index = _index.Span;
        entries.Sort();
        index.Sort();
        int e = 0, i = 0, complaints = 0;
        while (e < entries.Length || i < index.Length)
        {
            if (e < entries.Length && i < index.Length && entries[e] == index[i])
            {
                e++;
                i++;
            }
            else if (i == index.Length || e < entries.Length && entries[e] < index[i]) Complain(entries[e++], "is not in the index");
            else Complain(index[i++], "stands in the index, but no entry is there");
        }
        void Complain(ulong item, string what)
        {
            // One directory in disorder needs no more than a few examples.
            if (++complaints <= 4) _scan.Report(FindingCodes.DirectoryIndex, _at, $"hash 0x{item >> 32:x} at address {(uint)item} {what}");
        }
    }
}
