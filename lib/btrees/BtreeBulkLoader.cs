using System.Buffers.Binary;
using ImageFs.Devices;
using ImageFs.Format;
using ImageFs.Transactions;

namespace ImageFs.BTrees;

/// <summary>A tree that was built: where its root is and what it took.</summary>
/// <param name="Root">Pointer to the root block; 0 where the root is in an inode.</param>
/// <param name="Levels">Levels, the root included.</param>
/// <param name="Blocks">All blocks, the root block included.</param>
internal readonly record struct BuiltTree(ulong Root, int Levels, ulong Blocks);

/// <summary>Builds whole trees bottom-up from sorted records: for mkfs, for fsck, for whoever writes a tree in one go.</summary>
/// <remarks>
/// Every block is obtained once and written once, in the order in which it fills up: leaves as they come, a node as soon as
/// its last child stands. Only one block per level is in memory. For five leaves of a tree whose nodes hold three:
/// <code>
/// write  L0 L1 L2 N0 L3 L4 N1 root        obtain  L0, N0 and root first, then each when its left sibling is written
/// </code>
/// </remarks>
internal static class BtreeBulkLoader
{
    /// <summary>Gives a block for a level (0 = leaves).</summary>
    public delegate ulong Allocate(int level);

    /// <summary>Takes a finished block, complete but for LSN and checksum.</summary>
    public delegate void Write(long offset, Span<byte> block);

    /// <summary>Fills a span with the next records, in order.</summary>
    public delegate void Next<TRecord>(Span<TRecord> records);

    /// <summary>Builds a tree of an allocation group.</summary>
    /// <param name="ag">The group; pointers are blocks in it.</param>
    /// <param name="records">All records, in order; may be none.</param>
    /// <param name="slack">Records or children to leave out of each full block, as far as its minimum allows.</param>
    public static BuiltTree Load<TKind, TRecord, TKey>(
        Geometry geometry, AgNumber ag, ReadOnlySpan<TRecord> records, Allocate allocate, Write write, int slack = 0)
        where TKind : struct, IBtreeKind<TRecord, TKey>
        where TRecord : unmanaged
        where TKey : unmanaged
    {
        SpanSource<TRecord> source = new(records);
        return Build<TKind, TRecord, TKey, SpanSource<TRecord>>(geometry, ag.Value, (ulong)records.Length, ref source, allocate, write, default, slack);
    }

    /// <summary>Builds a tree of an allocation group from records that are not in memory all at once.</summary>
    /// <param name="count">How many records there are.</param>
    /// <param name="next">Asked for one leaf full after the other.</param>
    public static BuiltTree Load<TKind, TRecord, TKey>(
        Geometry geometry, AgNumber ag, ulong count, Next<TRecord> next, Allocate allocate, Write write, int slack = 0)
        where TKind : struct, IBtreeKind<TRecord, TKey>
        where TRecord : unmanaged
        where TKey : unmanaged
    {
        DelegateSource<TRecord> source = new(next);
        return Build<TKind, TRecord, TKey, DelegateSource<TRecord>>(geometry, ag.Value, count, ref source, allocate, write, default, slack);
    }

    /// <summary>Builds a bmbt and its root in a fork.</summary>
    /// <param name="fork">All bytes of the fork.</param>
    /// <param name="records">The extents, at least one.</param>
    public static BuiltTree LoadBmbt(
        Geometry geometry, InodeNumber inode, Span<byte> fork, ReadOnlySpan<PackedExtent> records, Allocate allocate, Write write, int slack = 0)
    {
        Invariant.Holds(records.Length > 0, "a bmbt has at least one extent");
        SpanSource<PackedExtent> source = new(records);
        return Build<BmbtKind, PackedExtent, BigEndian64, SpanSource<PackedExtent>>(
            geometry, inode.Value, (ulong)records.Length, ref source, allocate, write, fork, slack);
    }

    /// <summary>
    /// Builds a tree in a transaction and makes it the tree of its home. Blocks of the tree that was there before are the
    /// caller's to free.
    /// </summary>
    public static BuiltTree Load<TKind, TRecord, TKey>(BtreeHome home, Transaction tx, ReadOnlySpan<TRecord> records, ulong near, int slack = 0)
        where TKind : struct, IBtreeKind<TRecord, TKey>
        where TRecord : unmanaged
        where TKey : unmanaged
    {
        Invariant.Holds(records.Length > 0 || !home.HasInodeRoot, "a bmbt has at least one extent");
        SpanSource<TRecord> source = new(records);
        byte[]? fork = home.HasInodeRoot ? new byte[home.InodeRoot.Length] : null;
        BuiltTree built = Build<TKind, TRecord, TKey, SpanSource<TRecord>>(
            home.Geometry, home.Owner, (ulong)records.Length, ref source,
            _ => near = home.AllocateBlock(tx, near),
            (offset, block) => block.CopyTo(tx.Modify(tx.Create(offset, block.Length, TKind.Block))),
            fork, slack);
        home.Version++;
        if (fork is null) home.SetRoot(tx, built.Root, built.Levels);
        else fork.CopyTo(home.ModifyInodeRoot(tx));
        return built;
    }

    /// <summary>How many blocks a tree of that many records takes, and how high it is.</summary>
    /// <param name="forkSize">Bytes of the fork that holds the root; 0 for a tree of an allocation group.</param>
    public static BuiltTree Measure<TKind, TRecord, TKey>(Geometry geometry, ulong records, int slack = 0, int forkSize = 0)
        where TKind : struct, IBtreeKind<TRecord, TKey>
        where TRecord : unmanaged
        where TKey : unmanaged
    {
        ulong[] blocks = Plan<TKind, TRecord, TKey>(geometry, records, slack, forkSize);
        ulong total = 0;
        foreach (ulong level in blocks) total += level;
        return new(0, blocks.Length + (forkSize > 0 ? 1 : 0), total);
    }

    /// <summary>A writer that stamps LSN and checksum and writes straight to a device.</summary>
    public static Write To(BlockDevice device, BlockKind kind, LogSequenceNumber lsn) => (offset, block) =>
    {
        BinaryPrimitives.WriteUInt64BigEndian(block[kind.LsnOffset()..], lsn.Value);
        Crc32c.Stamp(block, kind.CrcOffset());
        device.Write(offset, block);
    };

    private interface ISource<TRecord>
    {
        void Next(Span<TRecord> records);
    }

    private ref struct SpanSource<TRecord>(ReadOnlySpan<TRecord> records) : ISource<TRecord>
    {
        private ReadOnlySpan<TRecord> _left = records;
        public void Next(Span<TRecord> records)
        {
            _left[..records.Length].CopyTo(records);
            _left = _left[records.Length..];
        }
    }

    private readonly struct DelegateSource<TRecord>(Next<TRecord> next) : ISource<TRecord>
    {
        public void Next(Span<TRecord> records) => next(records);
    }

    /// <summary>Blocks of each level from the leaves up; levels inside an inode are none.</summary>
    private static ulong[] Plan<TKind, TRecord, TKey>(Geometry geometry, ulong records, int slack, int forkSize)
        where TKind : struct, IBtreeKind<TRecord, TKey>
        where TRecord : unmanaged
        where TKey : unmanaged
    {
        BtreeLayout<TKind, TRecord, TKey> leaf = BtreeLayout<TKind, TRecord, TKey>.Leaf(geometry.BlockSize);
        BtreeLayout<TKind, TRecord, TKey> node = BtreeLayout<TKind, TRecord, TKey>.Node(geometry.BlockSize);
        ulong top = forkSize > 0 ? (ulong)BmbtInodeRoot.Capacity(forkSize) : 1;
        Invariant.Holds(top > 0 && slack >= 0, "a bulk load has a sensible root and slack");
        List<ulong> levels = [Spread(records, leaf.Capacity, leaf.Minimum, slack)];
        while (levels[^1] > top) levels.Add(Spread(levels[^1], node.Capacity, node.Minimum, slack));
        return [.. levels];
    }

    /// <summary>Blocks for a number of items: as few as slack allows, and none below its minimum when they share evenly.</summary>
    private static ulong Spread(ulong items, int capacity, int minimum, int slack)
    {
        ulong target = (ulong)Math.Max(Math.Max(1, minimum), capacity - slack);
        ulong blocks = Math.Max(1, (items + target - 1) / target);
        // One block less holds more than slack wanted, but never more than fits: twice the minimum does.
        while (blocks > 1 && items / blocks < (ulong)minimum) blocks--;
        return blocks;
    }

    /// <summary>The block that is being filled on a level.</summary>
    private struct Filling
    {
        public byte[] Block;
        public ulong Pointer;
        /// <summary>Which of the level's blocks it is.</summary>
        public ulong Number;
        public int Count;
    }

    private static BuiltTree Build<TKind, TRecord, TKey, TSource>(
        Geometry geometry, ulong owner, ulong count, ref TSource source, Allocate allocate, Write write, Span<byte> fork, int slack)
        where TKind : struct, IBtreeKind<TRecord, TKey>
        where TRecord : unmanaged
        where TKey : unmanaged
        where TSource : ISource<TRecord>, allows ref struct
    {
        ulong[] blocks = Plan<TKind, TRecord, TKey>(geometry, count, slack, fork.Length);
        Builder<TKind, TRecord, TKey> builder = new(geometry, owner, blocks, count, allocate, write, fork);
        ulong total = 0;
        foreach (ulong level in blocks) total += level;
        TKey? last = null;
        for (ulong leaf = 0; leaf < blocks[0]; leaf++)
        {
            Span<TRecord> records = builder.NextLeaf();
            source.Next(records);
            foreach (ref readonly TRecord record in records)
            {
                TKey key = TKind.KeyOf(record);
                Invariant.Holds(last is null || TKind.Compare(last.Value, key) < 0, "bulk-loaded records are sorted and have different keys");
                last = key;
            }
            builder.Finish(0);
        }
        return new(builder.Root, blocks.Length + (fork.IsEmpty ? 0 : 1), total);
    }

    private readonly ref struct Builder<TKind, TRecord, TKey>
        where TKind : struct, IBtreeKind<TRecord, TKey>
        where TRecord : unmanaged
        where TKey : unmanaged
    {
        private readonly Geometry _geometry;
        private readonly ulong _owner, _records;
        private readonly ulong[] _blocks;
        private readonly Allocate _allocate;
        private readonly Write _write;
        private readonly Span<byte> _fork;
        private readonly Filling[] _levels;
        private readonly BtreeLayout<TKind, TRecord, TKey> _leaf, _node, _inodeRoot;

        public Builder(Geometry geometry, ulong owner, ulong[] blocks, ulong records, Allocate allocate, Write write, Span<byte> fork)
        {
            _geometry = geometry;
            _owner = owner;
            _records = records;
            _blocks = blocks;
            _allocate = allocate;
            _write = write;
            _fork = fork;
            _leaf = BtreeLayout<TKind, TRecord, TKey>.Leaf(geometry.BlockSize);
            _node = BtreeLayout<TKind, TRecord, TKey>.Node(geometry.BlockSize);
            _levels = new Filling[blocks.Length];
            for (int level = 0; level < blocks.Length; level++)
            {
                _levels[level].Block = new byte[geometry.BlockSize];
                Begin(level, allocate(level), BtreeLayout<TKind, TRecord, TKey>.NoSibling);
            }
            if (fork.IsEmpty) return;
            _inodeRoot = BtreeLayout<TKind, TRecord, TKey>.InodeRoot(fork.Length);
            fork.Clear();
            _inodeRoot.SetLevel(fork, blocks.Length);
        }

        /// <summary>The root block, once it is finished.</summary>
        public ulong Root => _fork.IsEmpty ? _levels[^1].Pointer : 0;

        /// <summary>Where the records of the next leaf go: as many as are its share.</summary>
        public Span<TRecord> NextLeaf()
        {
            ref Filling leaf = ref _levels[0];
            leaf.Count = Share(0);
            _leaf.SetCount(leaf.Block, leaf.Count);
            return _leaf.MutableRecords(leaf.Block);
        }

        /// <summary>Writes the full block of a level, tells its parent, and begins the next.</summary>
        public void Finish(int level)
        {
            ref Filling filling = ref _levels[level];
            byte[] block = filling.Block;
            ulong pointer = filling.Pointer;
            bool more = filling.Number + 1 < _blocks[level];
            ulong next = more ? _allocate(level) : BtreeLayout<TKind, TRecord, TKey>.NoSibling;
            BtreeLayout<TKind, TRecord, TKey>.SetRightSibling(block, next);
            _write(OffsetOf(pointer), block);
            if (level + 1 < _blocks.Length)
            {
                AddChild(_node, _levels[level + 1].Block, level, block, pointer);
                if (++_levels[level + 1].Count == Share(level + 1)) Finish(level + 1);
            }
            else if (!_fork.IsEmpty) AddChild(_inodeRoot, _fork, level, block, pointer);
            if (!more) return;
            filling.Number++;
            Begin(level, next, pointer);
        }

        private void AddChild(in BtreeLayout<TKind, TRecord, TKey> layout, Span<byte> node, int level, ReadOnlySpan<byte> child, ulong pointer)
        {
            BtreeLayout<TKind, TRecord, TKey> below = level == 0 ? _leaf : _node;
            int index = layout.Count(node);
            layout.SetCount(node, index + 1);
            layout.SetPointer(node, index, pointer);
            layout.SetLowKey(node, index, below.FirstKey(child));
            if (TKind.Overlapping) layout.SetHighKey(node, index, below.GreatestKey(child));
        }

        private void Begin(int level, ulong pointer, ulong left)
        {
            ref Filling filling = ref _levels[level];
            filling.Pointer = pointer;
            filling.Count = 0;
            filling.Block.AsSpan().Clear();
            BtreeLayout<TKind, TRecord, TKey>.Format(filling.Block, _geometry, OffsetOf(pointer), _owner, level);
            BtreeLayout<TKind, TRecord, TKey>.SetLeftSibling(filling.Block, left);
        }

        /// <summary>The items of the block that is being filled on a level: all share evenly, the first ones take the rest.</summary>
        private int Share(int level)
        {
            ulong items = level == 0 ? _records : _blocks[level - 1], blocks = _blocks[level];
            return (int)(items / blocks) + (_levels[level].Number < items % blocks ? 1 : 0);
        }

        private long OffsetOf(ulong pointer)
        {
            FsBlock block = TKind.LongPointers ? new FsBlock(pointer) : _geometry.Join(new AgNumber((uint)_owner), new AgBlock((uint)pointer));
            Invariant.Holds(_geometry.IsValid(block), "a bulk-loaded tree is given blocks of the data area");
            return _geometry.ByteOffset(block);
        }
    }
}
