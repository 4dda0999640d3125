using System.Buffers.Binary;
using System.Runtime.InteropServices;
using ImageFs.Format;

namespace ImageFs.Fsck;

/// <summary>The hash index and the free-space index of directories with more than one block.</summary>
internal sealed partial class DirectoryScan : IHashTree
{
    private readonly HashTreeWalker _tree = new();

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
        if (header.Back != 0) _scan.Report(FindingCodes.DirectoryIndex, at with { Field = "back" }, $"back leads to {header.Back}, the leaf has no neighbours");
        if (header.Forward != 0) _scan.Report(FindingCodes.DirectoryIndex, at with { Field = "forw" }, $"forw leads to {header.Forward}, the leaf has no neighbours");
        TakeLeaf();
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
        _tree.Walk(this, _leafStart, _freeStart, _unit);
        if (_tree.IsBroken) _dataSound = false;
        ExamineFreeIndex();

        // Whatever is mapped in the space of leaves must have been met in the tree.
        long mapped = 0;
        foreach (ref readonly Extent extent in _forks.Map.Span)
            if (extent.End.Value > _leafStart && extent.Offset.Value < _freeStart)
                mapped += (long)(Math.Min(extent.End.Value, _freeStart) - Math.Max(extent.Offset.Value, _leafStart));
        if (_dataSound && mapped != _tree.Visited * _unit)
            _scan.Report(FindingCodes.DirectoryIndex, _at, $"{mapped} blocks are mapped for the hash tree, it has {_tree.Visited * _unit}");
    }

    ReadOnlySpan<byte> IHashTree.Loaded => _other;
    ushort IHashTree.LeafMagic => DirectoryMagic.LeafN;
    bool IHashTree.TryLoad(ulong fileBlock, out Where at) => TryLoadIndex(fileBlock, out at);
    void IHashTree.Complain(Where at, string what) => _scan.Report(FindingCodes.DirectoryIndex, at.Inode is null ? _at : at, what);

    (uint First, uint Last)? IHashTree.TakeLeaf(Where at)
    {
        ReadOnlySpan<DirectoryLeafEntry> leaves = TakeLeaf();
        return leaves.Length == 0 ? null : (leaves[0].Hash, leaves[^1].Hash);
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
                if (!_scan.Accept(Structure.DirectoryFree, BlockKind.DirectoryFree, _g.ByteOffset(first), _other, at)) continue;
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
        return _scan.Accept(Structure.DirectoryLeaf, BlockKind.DaBlock, _g.ByteOffset(first), _other, at)
            && IsOurs(DaBlockHeader.At((ReadOnlySpan<byte>)_other).Owner, Structure.DirectoryLeaf, at);
    }

    private ReadOnlySpan<DirectoryLeafEntry> TakeLeaf()
    {
        ReadOnlySpan<DirectoryLeafEntry> leaves = MemoryMarshal.Cast<byte, DirectoryLeafEntry>(
            _other.AsSpan(DaBlockHeader.Size))[..DaBlockHeader.At((ReadOnlySpan<byte>)_other).Count.Value];
        foreach (DirectoryLeafEntry leaf in leaves)
            if (leaf.Address != 0) _index.Add((ulong)leaf.Hash.Value << 32 | leaf.Address.Value);
        return leaves;
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
