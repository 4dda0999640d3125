using System.Buffers.Binary;
using ImageFs.Format;

namespace ImageFs.Fsck;

/// <summary>Takes the records of a tree, leaf by leaf in the order of the tree.</summary>
internal interface ILeafVisitor
{
    /// <param name="at">The leaf's place, for findings.</param>
    /// <param name="records">All records of the leaf, packed.</param>
    void Visit(Where at, ReadOnlySpan<byte> records);
}

/// <summary>A child the level above promised: where it is and which keys it must begin and end with.</summary>
internal struct TreeChild
{
    public ulong Block;
    public Key Low, High;
}

/// <summary>
/// Walks a tree level by level from the root down, so that every level is met in its order and siblings can be checked against
/// it. No recursion; each block at most once; memory goes with one level's pointers.
/// </summary>
internal sealed class TreeWalker(Scan scan)
{
    private PackedList<TreeChild> _level = new(), _below = new();
    private readonly byte[] _block = new byte[scan.Geometry.BlockSize];

    /// <summary>Blocks of the tree that could be read, the root in the inode not counted.</summary>
    public long Blocks { get; private set; }

    /// <summary>True if some part of the tree could not be followed.</summary>
    public bool IsBroken { get; private set; }

    /// <summary>Walks a tree of a group.</summary>
    public void Walk<TTree, TVisitor>(AgNumber ag, uint root, uint levels, ref TVisitor visitor)
        where TTree : struct, ITree where TVisitor : ILeafVisitor, allows ref struct
    {
        _level.Clear();
        _level.Add(new TreeChild { Block = root });
        Descend<TTree, TVisitor>(ag, inode: null, flags: 0, (int)levels - 1, keyed: false, ref visitor);
    }

    /// <summary>Walks a bmbt below the root that lies in an inode's fork.</summary>
    /// <param name="children">What the root says.</param>
    /// <param name="levels">Levels below the root.</param>
    public void Walk<TTree, TVisitor>(ReadOnlySpan<TreeChild> children, int levels, ulong inode, ulong flags, ref TVisitor visitor)
        where TTree : struct, ITree where TVisitor : ILeafVisitor, allows ref struct
    {
        _level.Clear();
        foreach (TreeChild child in children) _level.Add(child);
        Descend<TTree, TVisitor>(default, inode, flags, levels - 1, keyed: true, ref visitor);
    }

    private void Descend<TTree, TVisitor>(AgNumber ag, ulong? inode, ulong flags, int top, bool keyed, ref TVisitor visitor)
        where TTree : struct, ITree where TVisitor : ILeafVisitor, allows ref struct
    {
        Geometry g = scan.Geometry;
        string name = TTree.Kind.Name();
        int header = TTree.IsLong ? LongBtreeHeader.Size : ShortBtreeHeader.Size;
        int entryKeys = TTree.HasHighKeys ? 2 * TTree.KeySize : TTree.KeySize, pointerSize = TTree.IsLong ? 8 : 4;
        int leafCapacity = g.LeafCapacity(header, TTree.RecordSize), nodeCapacity = g.NodeCapacity(header, entryKeys, pointerSize);
        Blocks = 0;
        IsBroken = false;
        for (int level = top; level >= 0; level--)
        {
            _below.Clear();
            Key last = default;
            bool hasLast = false;
            for (int i = 0; i < _level.Count; i++)
            {
                TreeChild child = _level[i];
                FsBlock block = TTree.IsLong ? new FsBlock(child.Block) : child.Block <= uint.MaxValue ? g.Join(ag, new AgBlock((uint)child.Block)) : FsBlock.Null;
                if (TTree.IsLong ? !g.IsValid(block) : !g.IsValid(ag, new AgBlock((uint)child.Block)))
                {
                    Break(FindingCodes.TreePointer, TTree.IsLong ? new Where(Inode: inode) : new Where(ag.Value), name, child.Block);
                    continue;
                }
                Where at = scan.At(block, inode);
                if (!scan.Enter(g.AgOf(block), g.BlockInAg(block)))
                {
                    Break(FindingCodes.TreeShared, at, name, child.Block);
                    continue;
                }
                scan.Claims.AddBlocks(g.AgOf(block), g.BlockInAg(block).Value, 1, inode ?? TTree.BlockOwner, inode is null ? 0 : flags | RmapFlags.BmbtBlock);
                Blocks++;
                if (!scan.TryReadBlock(TTree.Structure, TTree.Kind, g.ByteOffset(block), _block, at))
                {
                    IsBroken = true;
                    continue;
                }
                int found = BinaryPrimitives.ReadUInt16BigEndian(_block.AsSpan(4)), count = BinaryPrimitives.ReadUInt16BigEndian(_block.AsSpan(6));
                if (found != level)
                {
                    Break(FindingCodes.TreeLevel, at with { Field = "level" }, name, found, level);
                    continue;
                }
                int least = (level == 0 ? leafCapacity : nodeCapacity) / 2;
                // The root may hold as little as it likes, and so may the only child of a root in an inode.
                bool isRoot = inode is null ? level == top : _level.Count == 1;
                if (!isRoot && count < least) scan.Report(FindingCodes.TreeFill, at with { Field = "numrecs" }, name, count, least);
                if (inode is not null && BinaryPrimitives.ReadUInt64BigEndian(_block.AsSpan(LongBtreeHeader.OwnerOffset)) != inode)
                {
                    Break(FindingCodes.Identity(TTree.Structure), at with { Field = "owner" },
                        $"it says inode {BinaryPrimitives.ReadUInt64BigEndian(_block.AsSpan(LongBtreeHeader.OwnerOffset))}");
                    continue;
                }
                CheckSibling<TTree>(at, "leftsib", 8, i > 0 ? _level[i - 1].Block : null, name);
                CheckSibling<TTree>(at, "rightsib", TTree.IsLong ? 16 : 12, i + 1 < _level.Count ? _level[i + 1].Block : null, name);

                ReadOnlySpan<byte> body = _block.AsSpan(header);
                Key low = default, high = default;
                for (int r = 0; r < count; r++)
                {
                    Key key = level == 0 ? TTree.KeyOf(body[(r * TTree.RecordSize)..]) : TTree.ReadKey(body[(r * entryKeys)..]);
                    if (hasLast && !(key > last)) scan.Report(FindingCodes.TreeOrder, at, name, r);
                    last = key;
                    hasLast = true;
                    if (r == 0) low = key;
                    Key reach = default;
                    if (TTree.HasHighKeys)
                    {
                        reach = level == 0 ? TTree.HighKeyOf(body[(r * TTree.RecordSize)..]) : TTree.ReadKey(body[(r * entryKeys + TTree.KeySize)..]);
                        if (r == 0 || reach > high) high = reach;
                    }
                    if (level > 0)
                    {
                        ReadOnlySpan<byte> pointer = body[(nodeCapacity * entryKeys + r * pointerSize)..];
                        ulong target = TTree.IsLong ? BinaryPrimitives.ReadUInt64BigEndian(pointer) : BinaryPrimitives.ReadUInt32BigEndian(pointer);
                        _below.Add(new TreeChild { Block = target, Low = key, High = reach });
                    }
                }
                if (keyed && count > 0)
                {
                    if (low != child.Low) scan.Report(FindingCodes.TreeKey, at, name, child.Low, low);
                    if (TTree.HasHighKeys && high != child.High) scan.Report(FindingCodes.TreeHighKey, at, name, child.High, high);
                }
                if (level == 0) visitor.Visit(at, body[..(count * TTree.RecordSize)]);
            }
            (_level, _below) = (_below, _level);
            keyed = true;
        }
    }

    private void CheckSibling<TTree>(Where at, string field, int offset, ulong? expected, string name) where TTree : struct, ITree
    {
        ulong found = TTree.IsLong ? BinaryPrimitives.ReadUInt64BigEndian(_block.AsSpan(offset)) : BinaryPrimitives.ReadUInt32BigEndian(_block.AsSpan(offset));
        ulong none = TTree.IsLong ? ulong.MaxValue : uint.MaxValue;
        if (found == (expected ?? none)) return;
        scan.Report(FindingCodes.TreeSibling, at with { Field = field }, name, found == none ? "none" : found, (expected ?? none) == none ? "none" : expected!);
    }

    private void Break(FindingCode code, Where at, params ReadOnlySpan<object> values)
    {
        scan.Report(code, at, values);
        scan.IsPartial = true;
        IsBroken = true;
    }
}
