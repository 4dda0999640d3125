using System.Diagnostics.CodeAnalysis;
using System.Runtime.InteropServices;
using ImageFs.Format;
using ImageFs.Metadata;
using ImageFs.Transactions;

namespace ImageFs.DaBtrees;

// Always true of a da-btree: the root stays at the first block of its area; leaves have level 0 and every node is one
// level above its children; blocks of one level are linked left to right in order of their hashes; a node repeats the
// greatest hash of each child. Equal hashes may run across blocks, so a search goes to the first block that can hold the
// hash and from there to the right.

/// <summary>The btree over hashes that directories and attributes share; generic over what a leaf holds.</summary>
/// <remarks>
/// xfs_da_btree. Of a hostile tree, pointers are bounded by the tree's area, depth by levels that fall, and steps to the
/// right by links that must agree with the nodes above; whoever takes many steps looks for cycles.
/// </remarks>
internal readonly ref struct DaBtree<TLeaf> where TLeaf : struct, IDaLeafKind
{
    private readonly IDaStorage _storage;
    private readonly FileBlock _first, _limit;
    private readonly uint _step;

    /// <summary>The tree of a fork.</summary>
    /// <param name="first">Where the root is.</param>
    /// <param name="limit">The first file block that belongs to something else.</param>
    /// <param name="step">File blocks of a block of the tree.</param>
    public DaBtree(IDaStorage storage, FileBlock first, FileBlock limit, uint step)
    {
        _storage = storage;
        _first = first;
        _limit = limit;
        _step = step;
    }

    private static ReadOnlySpan<DaNodeEntry> Children(ReadOnlySpan<byte> node) =>
        MemoryMarshal.Cast<byte, DaNodeEntry>(node.Slice(DaBlockHeader.Size, DaBlockHeader.At(node).Count * DaNodeEntry.Size));

    private static Span<DaNodeEntry> Children(Span<byte> node) =>
        MemoryMarshal.Cast<byte, DaNodeEntry>(node.Slice(DaBlockHeader.Size, DaBlockHeader.At(node).Count * DaNodeEntry.Size));

    private static bool IsFull(ReadOnlySpan<byte> node) => DaBlockHeader.At(node).Count >= (node.Length - DaBlockHeader.Size) / DaNodeEntry.Size;

    private static bool IsLeaf(ReadOnlySpan<byte> block) => DaBlockHeader.At(block).Magic == TLeaf.Magic;

    private static int Level(ReadOnlySpan<byte> block) => IsLeaf(block) ? 0 : DaBlockHeader.At(block).StaleOrLevel;

    private static uint LastHash(ReadOnlySpan<byte> block) => IsLeaf(block) ? TLeaf.LastHash(block) : Children(block)[^1].Hash;

    private static int Used(ReadOnlySpan<byte> block) => IsLeaf(block) ? TLeaf.Used(block) : DaBlockHeader.At(block).Count * DaNodeEntry.Size;

    /// <summary>The root; a leaf or a node.</summary>
    public MetadataBuffer ReadRoot() => Read(_first, level: -1);

    /// <summary>A block that must be there, of the level its parent expects (-1: whatever it is).</summary>
    private MetadataBuffer Read(FileBlock at, int level)
    {
        if (at < _first || at >= _limit || (at - _first) % _step != 0) Corrupt(at, $"no block of the tree can be here (from {_first} below {_limit} in steps of {_step})");
        if (_storage.ReadBlock(at, BlockKind.DaBlock) is not MetadataBuffer buffer) throw Fault(at, "no block of the tree is mapped here");
        ushort magic = DaBlockHeader.At(buffer.Data).Magic;
        if (magic != DirectoryMagic.Node && magic != TLeaf.Magic) Corrupt(at, $"magic 0x{magic:x4}, expected a node or a leaf below nodes");
        int found = Level(buffer.Data);
        if (level >= 0 && found != level) Corrupt(at, $"level {found}, expected {level}");
        return buffer;
    }

    /// <summary>Goes down to the first leaf that can hold a hash. The leaf's index is left at 0.</summary>
    public void Seek(uint hash, ref DaPath path)
    {
        path.Clear();
        FileBlock at = _first;
        for (int level = -1; ;)
        {
            MetadataBuffer buffer = Read(at, level);
            if (IsLeaf(buffer.Data))
            {
                path.Push(new DaStep { Buffer = buffer, Block = at });
                return;
            }
            ReadOnlySpan<DaNodeEntry> children = Children(buffer.Data);
            int index = Math.Min(LowerBound(children, hash), children.Length - 1);
            path.Push(new DaStep { Buffer = buffer, Block = at, Index = index });
            level = Level(buffer.Data) - 1;
            at = new FileBlock(children[index].Before);
        }
    }

    private static int LowerBound(ReadOnlySpan<DaNodeEntry> children, uint hash)
    {
        int low = 0, high = children.Length;
        while (low < high)
        {
            int middle = (low + high) >>> 1;
            if (children[middle].Hash < hash) low = middle + 1; else high = middle;
        }
        return low;
    }

    /// <summary>Goes on to the leaf to the right. False, and nothing changes, at the last one.</summary>
    public bool TryMoveNext(ref DaPath path)
    {
        DaStep old = path.Leaf;
        int height = 1;
        while (height < path.Depth && path[height].Index + 1 >= DaBlockHeader.At(path[height].Buffer.Data).Count) height++;
        if (height >= path.Depth)
        {
            uint forward = DaBlockHeader.At(old.Buffer.Data).Forward;
            if (forward != 0) Corrupt(old.Block, $"right sibling {forward}, but it is the last leaf");
            return false;
        }
        path[height].Index++;
        while (height-- > 0)
        {
            ref DaStep above = ref path[height + 1];
            FileBlock at = new(Children(above.Buffer.Data)[above.Index].Before);
            path[height] = new DaStep { Buffer = Read(at, height), Block = at };
        }
        CheckLink(old.Buffer, old.Block, path.Leaf.Buffer, path.Leaf.Block);
        return true;
    }

    private void CheckLink(MetadataBuffer left, FileBlock leftBlock, MetadataBuffer right, FileBlock rightBlock)
    {
        uint forward = DaBlockHeader.At(left.Data).Forward, back = DaBlockHeader.At(right.Data).Back;
        if (forward != rightBlock.Value) Corrupt(leftBlock, $"right sibling {forward}, the node above says {rightBlock}");
        if (back != leftBlock.Value) Corrupt(rightBlock, $"left sibling {back}, the node above says {leftBlock}");
    }

    /// <summary>Splits the leaf at the end of the path. The path then leads to the half where an entry before <paramref name="index"/> belongs, and to its place in it.</summary>
    public void SplitLeaf(Transaction tx, ref DaPath path, int index)
    {
        path.Leaf.Index = index;
        Split(tx, ref path, 0);
    }

    private void Split(Transaction tx, ref DaPath path, int height)
    {
        if (path.IsRoot(height)) RaiseRoot(tx, ref path);
        // The parent first: it needs room for one more child, and its split may move the path to its right half.
        if (IsFull(path[height + 1].Buffer.Data)) Split(tx, ref path, height + 1);

        ref DaStep child = ref path[height];
        ref DaStep parent = ref path[height + 1];
        Span<byte> left = tx.Modify(child.Buffer);
        MetadataBuffer rightBuffer = Add(tx, child.Block, out FileBlock rightBlock);
        Span<byte> right = tx.Modify(rightBuffer);
        DaBlockHeader.At(right).Magic = DaBlockHeader.At(left).Magic;
        int stay;
        bool goRight;
        if (IsLeaf(left))
        {
            TLeaf.Clear(right);
            stay = TLeaf.Split(left, right, child.Index, out goRight);
        }
        else
        {
            int count = DaBlockHeader.At(left).Count;
            stay = count / 2;
            goRight = child.Index >= stay;
            DaBlockHeader.At(right).StaleOrLevel = DaBlockHeader.At(left).StaleOrLevel;
            DaBlockHeader.At(right).Count = (ushort)(count - stay);
            Span<DaNodeEntry> moved = Children(left)[stay..];
            moved.CopyTo(Children(right));
            moved.Clear();
            DaBlockHeader.At(left).Count = (ushort)stay;
        }
        LinkBehind(tx, left, child.Block, right, rightBlock);

        Span<byte> above = tx.Modify(parent.Buffer);
        Children(above)[parent.Index].Hash = LastHash(left);
        InsertChild(above, parent.Index + 1, new DaNodeEntry { Hash = LastHash(right), Before = (uint)rightBlock.Value });
        if (goRight)
        {
            child = new DaStep { Buffer = rightBuffer, Block = rightBlock, Index = child.Index - stay };
            parent.Index++;
        }
    }

    private static void InsertChild(Span<byte> node, int index, DaNodeEntry child)
    {
        DaBlockHeader.At(node).Count++;
        Span<DaNodeEntry> children = Children(node);
        children[index..^1].CopyTo(children[(index + 1)..]);
        children[index] = child;
    }

    private static void RemoveChild(Span<byte> node, int index)
    {
        Span<DaNodeEntry> children = Children(node);
        children[(index + 1)..].CopyTo(children[index..]);
        children[^1] = default;
        DaBlockHeader.At(node).Count--;
    }

    /// <summary>Moves what the root holds to a new block and makes the root a node with that one child.</summary>
    private void RaiseRoot(Transaction tx, ref DaPath path)
    {
        ref DaStep root = ref path[path.Depth - 1];
        int level = Level(root.Buffer.Data);
        if (level == DaNodeEntry.MaxLevels) throw new XfsNoSpaceException($"{TLeaf.Name} inode {_storage.Number}: its tree would need more than {DaNodeEntry.MaxLevels} levels of nodes");
        MetadataBuffer childBuffer = Add(tx, _first, out FileBlock childBlock);
        Span<byte> old = tx.Modify(root.Buffer), child = tx.Modify(childBuffer);
        CopyContents(old, child);
        old[DaBlockHeader.Size..].Clear();
        ref DaBlockHeader header = ref DaBlockHeader.At(old);
        header.Magic = DirectoryMagic.Node;
        header.StaleOrLevel = (ushort)(level + 1);
        header.Count = 0;
        header.Pad2 = 0;
        InsertChild(old, 0, new DaNodeEntry { Hash = LastHash(child), Before = (uint)childBlock.Value });
        DaStep above = root with { Index = 0 };
        root = root with { Buffer = childBuffer, Block = childBlock };
        path.InsertRoot(above);
    }

    /// <summary>Everything but identity: magic, counts, entries. Neither block has siblings, so there are no links to copy.</summary>
    private static void CopyContents(ReadOnlySpan<byte> from, Span<byte> to)
    {
        ref readonly DaBlockHeader source = ref DaBlockHeader.At(from);
        ref DaBlockHeader target = ref DaBlockHeader.At(to);
        target.Magic = source.Magic;
        target.Count = source.Count;
        target.StaleOrLevel = source.StaleOrLevel;
        target.Pad2 = source.Pad2;
        from[DaBlockHeader.Size..].CopyTo(to[DaBlockHeader.Size..]);
    }

    private void LinkBehind(Transaction tx, Span<byte> left, FileBlock leftBlock, Span<byte> right, FileBlock rightBlock)
    {
        ref DaBlockHeader header = ref DaBlockHeader.At(left);
        DaBlockHeader.At(right).Back = (uint)leftBlock.Value;
        DaBlockHeader.At(right).Forward = header.Forward;
        if (header.Forward != 0)
        {
            MetadataBuffer next = ReadSibling(left, leftBlock, header.Forward);
            if (DaBlockHeader.At(next.Data).Back != leftBlock.Value) Corrupt(new FileBlock(header.Forward), $"left sibling {DaBlockHeader.At(next.Data).Back}, expected {leftBlock}");
            DaBlockHeader.At(tx.Modify(next)).Back = (uint)rightBlock.Value;
        }
        header.Forward = (uint)rightBlock.Value;
    }

    private void Unlink(Transaction tx, ReadOnlySpan<byte> block, FileBlock at)
    {
        uint forward = DaBlockHeader.At(block).Forward, back = DaBlockHeader.At(block).Back;
        if (back != 0)
        {
            MetadataBuffer left = ReadSibling(block, at, back);
            if (DaBlockHeader.At(left.Data).Forward != at.Value) Corrupt(new FileBlock(back), $"right sibling {DaBlockHeader.At(left.Data).Forward}, expected {at}");
            DaBlockHeader.At(tx.Modify(left)).Forward = forward;
        }
        if (forward != 0)
        {
            MetadataBuffer right = ReadSibling(block, at, forward);
            if (DaBlockHeader.At(right.Data).Back != at.Value) Corrupt(new FileBlock(forward), $"left sibling {DaBlockHeader.At(right.Data).Back}, expected {at}");
            DaBlockHeader.At(tx.Modify(right)).Back = back;
        }
    }

    private MetadataBuffer ReadSibling(ReadOnlySpan<byte> block, FileBlock at, uint sibling)
    {
        if (sibling == at.Value) Corrupt(at, "the block is its own sibling");
        return Read(new FileBlock(sibling), Level(block));
    }

    /// <summary>Repeats the last hash of the block at a height in the nodes above it, as far as it changed.</summary>
    public void FixHashes(Transaction tx, ref DaPath path, int height = 0)
    {
        uint hash = LastHash(path[height].Buffer.Data);
        while (++height < path.Depth)
        {
            ref DaStep node = ref path[height];
            if (Children(node.Buffer.Data)[node.Index].Hash == hash) return;
            Children(tx.Modify(node.Buffer))[node.Index].Hash = hash;
            if (node.Index + 1 < DaBlockHeader.At(node.Buffer.Data).Count) return;
        }
    }

    /// <summary>
    /// Lets go of the leaf at the end of the path if it is empty, or joins it with a neighbour if it is small, and so on
    /// upwards; a root with one child becomes that child. The path is of no use afterwards.
    /// </summary>
    public void Shrink(Transaction tx, ref DaPath path)
    {
        for (int height = 0; !path.IsRoot(height); height++)
        {
            ref DaStep step = ref path[height];
            ref DaStep parent = ref path[height + 1];
            if (Used(step.Buffer.Data) == 0)
            {
                Unlink(tx, step.Buffer.Data, step.Block);
                _storage.RemoveBlock(tx, step.Block);
                RemoveChild(tx.Modify(parent.Buffer), parent.Index);
            }
            else if (!TryJoin(tx, ref step, ref parent))
            {
                return;
            }
            // The parent's last hash may be another one now. Without children it goes in the next round.
            if (DaBlockHeader.At(parent.Buffer.Data).Count != 0) FixHashes(tx, ref path, height + 1);
        }
        LowerRoot(tx);
    }

    /// <summary>Joins a block with a neighbour under the same node if it is at most 37 % full and a quarter stays free.</summary>
    private bool TryJoin(Transaction tx, ref DaStep step, ref DaStep parent)
    {
        int room = step.Buffer.Length - DaBlockHeader.Size, used = Used(step.Buffer.Data), level = Level(step.Buffer.Data);
        if (used > room * 37 / 100) return false;
        ReadOnlySpan<DaNodeEntry> children = Children(parent.Buffer.Data);
        for (int side = 1; side >= -1; side -= 2)
        {
            int index = parent.Index + side;
            if (index < 0 || index >= children.Length) continue;
            FileBlock block = new(children[index].Before);
            MetadataBuffer other = Read(block, level);
            if (other == step.Buffer) Corrupt(parent.Block, $"two children at {block}");
            if (used + Used(other.Data) > room * 3 / 4) continue;

            (MetadataBuffer left, FileBlock leftBlock, MetadataBuffer right, FileBlock rightBlock) =
                side > 0 ? (step.Buffer, step.Block, other, block) : (other, block, step.Buffer, step.Block);
            CheckLink(left, leftBlock, right, rightBlock);
            Span<byte> to = tx.Modify(left), from = tx.Modify(right);
            if (level == 0)
            {
                TLeaf.Join(to, from);
            }
            else
            {
                int count = DaBlockHeader.At(to).Count;
                DaBlockHeader.At(to).Count = (ushort)(count + DaBlockHeader.At(from).Count);
                Children(from).CopyTo(Children(to)[count..]);
            }
            Unlink(tx, from, rightBlock);
            _storage.RemoveBlock(tx, rightBlock);
            Span<byte> above = tx.Modify(parent.Buffer);
            int kept = Math.Min(parent.Index, index);
            Children(above)[kept].Hash = LastHash(to);
            RemoveChild(above, kept + 1);
            return true;
        }
        return false;
    }

    /// <summary>While the root has one child, the child's contents become the root's.</summary>
    private void LowerRoot(Transaction tx)
    {
        MetadataBuffer root = ReadRoot();
        while (!IsLeaf(root.Data) && DaBlockHeader.At(root.Data).Count <= 1)
        {
            Span<byte> block = tx.Modify(root);
            if (DaBlockHeader.At(block).Count == 0)
            {
                DaBlockHeader.At(block).Magic = TLeaf.Magic;
                DaBlockHeader.At(block).StaleOrLevel = 0;
                block[DaBlockHeader.Size..].Clear();
                TLeaf.Clear(block);
                return;
            }
            FileBlock at = new(Children(block)[0].Before);
            MetadataBuffer child = Read(at, Level(block) - 1);
            ref readonly DaBlockHeader header = ref DaBlockHeader.At(child.Data);
            if (header.Forward != 0 || header.Back != 0) Corrupt(at, $"siblings {header.Back} and {header.Forward}, but it is the only child of the root");
            CopyContents(child.Data, block);
            _storage.RemoveBlock(tx, at);
        }
    }

    /// <summary>A new block with its identity filled in: right behind <paramref name="near"/> if that is free, else behind the last.</summary>
    private MetadataBuffer Add(Transaction tx, FileBlock near, out FileBlock at)
    {
        at = near + _step;
        if (!IsUnmapped(at))
        {
            at = _first + (_storage.EndOfMapped(_limit) - _first + _step - 1) / _step * _step;
            if (at + _step > _limit)
                for (at = _first; !IsUnmapped(at); at += _step)
                    if (at + _step >= _limit) throw new XfsNoSpaceException($"{TLeaf.Name} inode {_storage.Number}: every block of its tree is in use");
        }
        MetadataBuffer buffer = _storage.AddBlock(tx, at, BlockKind.DaBlock);
        ref DaBlockHeader header = ref DaBlockHeader.At(tx.Modify(buffer));
        header.BlockNumber = _storage.Geometry.DiskAddress(buffer.Offset);
        header.Uuid = _storage.Geometry.MetaUuid;
        header.Owner = _storage.Number.Value;
        return buffer;
    }

    private bool IsUnmapped(FileBlock at) => at + _step <= _limit && !(_storage.TryNextMapped(at, out FileBlock mapped) && mapped < at + _step);

    private CorruptionException Fault(FileBlock at, string problem) => new(TLeaf.Name, $"inode {_storage.Number} file block {at}", problem);

    [DoesNotReturn]
    private void Corrupt(FileBlock at, string problem) => throw Fault(at, problem);
}
