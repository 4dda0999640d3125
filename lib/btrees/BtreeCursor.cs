using System.Runtime.CompilerServices;
using ImageFs.Format;
using ImageFs.Metadata;
using ImageFs.Transactions;

namespace ImageFs.BTrees;

/// <summary>Which record a seek settles on.</summary>
internal enum SeekMode
{
    /// <summary>The record with exactly that key.</summary>
    Equal,
    /// <summary>The greatest record at or below the key.</summary>
    LessOrEqual,
    /// <summary>The least record at or above the key.</summary>
    GreaterOrEqual,
}

/// <summary>
/// A position in a tree, and the way down to it: one for all seven kinds. Seek as often as you like; a cursor allocates
/// nothing after it is made.
/// </summary>
/// <remarks>
/// Always true of a tree, and checked wherever a block is entered: a child lies one level below its parent, its first key
/// is the key its parent has for it, and blocks visited in one direction have strictly rising (or falling) first keys. So no
/// walk enters a block twice, and hostile pointers end in a <see cref="CorruptionException"/>, not in a loop.
/// <para>
/// A cursor follows its own changes. Whatever else changes the tree puts it out of date: seek again.
/// </para>
/// </remarks>
internal sealed partial class BtreeCursor<TKind, TRecord, TKey>
    where TKind : struct, IBtreeKind<TRecord, TKey>
    where TRecord : unmanaged
    where TKey : unmanaged
{
    /// <summary>One block on the way down. The inode root has no buffer.</summary>
    private struct Step
    {
        public MetadataBuffer? Buffer;
        public ulong Pointer;
        public int Index;
        /// <summary>In a range query: the key of the child entered last, if any was on this level.</summary>
        public TKey Entered;
        public bool HasEntered;
    }

    [InlineArray(BtreeLimits.MaxHeight)]
    private struct Way
    {
        private Step _leaf;
    }

    private readonly BtreeHome _home;
    private Transaction? _tx;
    private readonly int _blockSize;
    private readonly BtreeLayout<TKind, TRecord, TKey> _leaf, _node;
    private BtreeLayout<TKind, TRecord, TKey> _inodeRoot;
    private Way _way;
    private int _levels;
    private bool _valid;
    private bool _keepsPlace, _settled;
    private int _version;

    /// <summary>A cursor on no record yet.</summary>
    /// <param name="home">The tree.</param>
    /// <param name="tx">The transaction that changes go to; null for a cursor that only reads.</param>
    public BtreeCursor(BtreeHome home, Transaction? tx = null)
    {
        _home = home;
        _tx = tx;
        _blockSize = home.Geometry.BlockSize;
        _leaf = BtreeLayout<TKind, TRecord, TKey>.Leaf(_blockSize + home.Geometry.BlockGrowth);
        _node = BtreeLayout<TKind, TRecord, TKey>.Node(_blockSize + home.Geometry.BlockGrowth);
    }

    /// <summary>
    /// A cursor to be used again and again in one transaction. It keeps its place: what lies in the leaf where it was last is
    /// found without going down from the root, unless somebody else changed the tree since.
    /// </summary>
    /// <param name="cursor">Where it is kept; made on first use.</param>
    public static BtreeCursor<TKind, TRecord, TKey> Keep(ref BtreeCursor<TKind, TRecord, TKey>? cursor, BtreeHome home, Transaction tx)
    {
        cursor ??= new(home) { _keepsPlace = true };
        if (cursor._tx != tx)
        {
            // Blocks may have been dropped or restored since.
            cursor._tx = tx;
            cursor._settled = false;
        }
        cursor._valid = false;
        return cursor;
    }

    /// <summary>The record under the cursor.</summary>
    public TRecord Current
    {
        get
        {
            Invariant.Holds(_valid, "a btree cursor is read on a record");
            return _leaf.Record(Data(0), _way[0].Index);
        }
    }

    /// <summary>Moves to the record the mode asks for.</summary>
    /// <returns>False if there is none; the cursor is then on no record.</returns>
    public bool Seek(in TKey key, SeekMode mode)
    {
        FindPlace(key);
        ReadOnlySpan<byte> leaf = Data(0);
        ref int index = ref _way[0].Index;
        int count = _leaf.Count(leaf);
        bool exact = index < count && TKind.Compare(TKind.KeyOf(_leaf.Record(leaf, index)), key) == 0;
        switch (mode)
        {
            case SeekMode.Equal:
                return _valid = exact;
            case SeekMode.LessOrEqual when exact:
                return _valid = true;
            case SeekMode.LessOrEqual:
                return Previous(count);
            default:
                if (index < count) return _valid = true;
                index--;
                return count > 0 && Next(count);
        }
    }

    /// <summary>Moves to the first record; false in an empty tree.</summary>
    public bool First()
    {
        LoadRoot();
        for (int level = _levels - 1; level > 0; level--)
        {
            _way[level].Index = 0;
            Descend(level);
        }
        _way[0].Index = 0;
        return _valid = _leaf.Count(Data(0)) > 0;
    }

    /// <summary>Moves to the last record; false in an empty tree.</summary>
    public bool Last()
    {
        LoadRoot();
        for (int level = _levels - 1; level > 0; level--)
        {
            _way[level].Index = Count(level) - 1;
            Descend(level);
        }
        int count = _leaf.Count(Data(0));
        _way[0].Index = count - 1;
        return _valid = count > 0;
    }

    /// <summary>Moves to the next record.</summary>
    /// <returns>False behind the last one; the cursor is then on no record.</returns>
    public bool Next()
    {
        Invariant.Holds(_valid, "a btree cursor moves on from a record");
        return Next(_leaf.Count(Data(0)));
    }

    /// <summary>Moves to the previous record.</summary>
    /// <returns>False before the first one; the cursor is then on no record.</returns>
    public bool Previous()
    {
        Invariant.Holds(_valid, "a btree cursor moves on from a record");
        return Previous(_leaf.Count(Data(0)));
    }

    private bool Next(int count)
    {
        if (++_way[0].Index < count) return _valid = true;
        int level = 1;
        while (level < _levels && _way[level].Index + 1 >= Count(level)) level++;
        if (level == _levels) return _valid = false;

        bool settled = _settled;
        _settled = false;
        ReadOnlySpan<byte> old = Data(0);
        ulong oldPointer = _way[0].Pointer;
        TKey first = _leaf.FirstKey(old), last = TKind.KeyOf(_leaf.Record(old, count - 1));
        _way[level].Index++;
        while (level > 0)
        {
            Descend(level--);
            _way[level].Index = 0;
        }
        ReadOnlySpan<byte> leaf = Data(0);
        TKey here = _leaf.FirstKey(leaf);
        if (TKind.Compare(here, last) <= 0 || TKind.Compare(here, first) <= 0) throw Corrupt(0, "begins at or below the key of the block before it");
        CheckLink(old, oldPointer, leaf, _way[0].Pointer);
        _settled = settled;
        return _valid = true;
    }

    private bool Previous(int count)
    {
        if (--_way[0].Index >= 0) return _valid = true;
        int level = 1;
        while (level < _levels && _way[level].Index == 0) level++;
        if (level == _levels || count == 0) return _valid = false;

        bool settled = _settled;
        _settled = false;
        ReadOnlySpan<byte> old = Data(0);
        ulong oldPointer = _way[0].Pointer;
        TKey first = _leaf.FirstKey(old);
        _way[level].Index--;
        while (level > 0)
        {
            Descend(level--);
            _way[level].Index = Count(level) - 1;
        }
        ReadOnlySpan<byte> leaf = Data(0);
        TKey last = TKind.KeyOf(_leaf.Record(leaf, _way[0].Index));
        if (TKind.Compare(last, first) >= 0 || TKind.Compare(_leaf.FirstKey(leaf), first) >= 0)
            throw Corrupt(0, "ends at or above the key of the block behind it");
        CheckLink(leaf, _way[0].Pointer, old, oldPointer);
        _settled = settled;
        return _valid = true;
    }

    /// <summary>Goes down to the leaf that has the key or should have it, and to the first record not below it.</summary>
    private void FindPlace(in TKey key)
    {
        if (!IsHere(key))
        {
            LoadRoot();
            for (int level = _levels - 1; level > 0; level--)
            {
                _way[level].Index = Layout(level).ChildFor(Data(level), key);
                Descend(level);
            }
            Settle();
        }
        _valid = false;
        _way[0].Index = _leaf.LowerBound(Data(0), key);
    }

    /// <summary>True if the leaf the cursor is in is the one for a key, and the way to it is still what it was.</summary>
    private bool IsHere(in TKey key)
    {
        if (!_settled || _version != _home.Version) return false;
        ReadOnlySpan<byte> leaf = Data(0);
        int count = _leaf.Count(leaf);
        if (count == 0 || TKind.Compare(_leaf.FirstKey(leaf), key) > 0) return false;
        return TKind.Compare(key, TKind.KeyOf(_leaf.Record(leaf, count - 1))) <= 0
            || !TryKeyBehindLeaf(out TKey behind) || TKind.Compare(key, behind) < 0;
    }

    /// <summary>The way down is right, as things are now.</summary>
    private void Settle()
    {
        _settled = _keepsPlace;
        _version = _home.Version;
    }

    /// <summary>The tree has changed under this cursor, which is where it wants to be.</summary>
    private void Changed(bool inPlace)
    {
        _home.Version++;
        _version = _home.Version;
        _settled = _keepsPlace && inPlace;
    }

    private void LoadRoot()
    {
        _valid = _settled = false;
        int most = Math.Min(_home.MaxLevels, BtreeLimits.MaxHeight);
        if (_home.HasInodeRoot)
        {
            ReadOnlySpan<byte> fork = _home.InodeRoot;
            if (fork.Length < BmbtInodeRoot.Size + 16) throw CorruptRoot($"a fork of {fork.Length} bytes cannot hold a root");
            _inodeRoot = BtreeLayout<TKind, TRecord, TKey>.InodeRoot(fork.Length);
            int level = _inodeRoot.LevelOf(fork), count = _inodeRoot.Count(fork);
            if (level < 1 || level >= most) throw CorruptRoot($"level {level}, 1..{most - 1} possible");
            if (count < 1 || count > _inodeRoot.Capacity) throw CorruptRoot($"{count} records, 1..{_inodeRoot.Capacity} possible");
            _levels = level + 1;
            _way[level] = default;
            return;
        }
        _levels = _home.Levels;
        if (_levels < 1 || _levels > most) throw CorruptRoot($"{_levels} levels, 1..{most} possible");
        ulong root = _home.Root;
        MetadataBuffer buffer = ReadBlock(root, _levels - 1);
        _way[_levels - 1] = new Step { Buffer = buffer, Pointer = root };
    }

    /// <summary>Enters the child at the index the cursor has on a level.</summary>
    private void Descend(int level)
    {
        ReadOnlySpan<byte> parent = Data(level);
        BtreeLayout<TKind, TRecord, TKey> layout = Layout(level);
        int index = _way[level].Index;
        ulong pointer = layout.Pointer(parent, index);
        MetadataBuffer buffer = ReadBlock(pointer, level - 1);
        BtreeLayout<TKind, TRecord, TKey> below = level == 1 ? _leaf : _node;
        if (below.Count(buffer.Data) > 0 && TKind.Compare(below.FirstKey(buffer.Data), layout.LowKey(parent, index)) != 0)
            throw Corrupt(buffer, "its first key is not the key its parent has for it");
        _way[level - 1].Buffer = buffer;
        _way[level - 1].Pointer = pointer;
    }

    /// <summary>A block of a level, verified by the gate and against what only the tree knows.</summary>
    private MetadataBuffer ReadBlock(ulong pointer, int level)
    {
        MetadataBuffer buffer = _home.Cache.Read(_home.OffsetOf(pointer), _blockSize, TKind.Block);
        ReadOnlySpan<byte> block = buffer.Data;
        int found = _node.LevelOf(block);
        if (found != level) throw Corrupt(buffer, $"level {found}, expected {level}");
        if (_node.Count(block) == 0 && !MayBeEmpty(level)) throw Corrupt(buffer, "numrecs 0 in a block that is not the root");
        if (TKind.LongPointers && BtreeLayout<TKind, TRecord, TKey>.OwnerOf(block) is ulong owner && owner != _home.Owner && !_home.Geometry.IsVersion4)
            throw Corrupt(buffer, $"owner {owner}, expected {_home.Owner}");
        return buffer;
    }

    /// <summary>Only the single leaf of a tree is ever empty.</summary>
    private bool MayBeEmpty(int level) => level == 0 && (_home.HasInodeRoot ? _levels == 2 && Count(1) == 1 : _levels == 1);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private ReadOnlySpan<byte> Data(int level) => _way[level].Buffer is MetadataBuffer buffer ? buffer.Data : _home.InodeRoot;

    private BtreeLayout<TKind, TRecord, TKey> Layout(int level) =>
        level == 0 ? _leaf : _way[level].Buffer is null ? _inodeRoot : _node;

    private int Count(int level) => Layout(level).Count(Data(level));

    private void CheckLink(ReadOnlySpan<byte> left, ulong leftPointer, ReadOnlySpan<byte> right, ulong rightPointer)
    {
        ulong forward = BtreeLayout<TKind, TRecord, TKey>.RightSibling(left), back = BtreeLayout<TKind, TRecord, TKey>.LeftSibling(right);
        if (forward != rightPointer) throw CorruptAt(leftPointer, $"rightsib {forward}, expected {rightPointer}");
        if (back != leftPointer) throw CorruptAt(rightPointer, $"leftsib {back}, expected {leftPointer}");
    }

    private CorruptionException Corrupt(int level, string problem) =>
        _way[level].Buffer is MetadataBuffer buffer ? Corrupt(buffer, problem) : CorruptRoot(problem);

    private CorruptionException Corrupt(MetadataBuffer buffer, string problem) => new(TKind.Block.Name(), _home.Cache.Where(buffer.Offset), problem);

    private CorruptionException CorruptAt(ulong pointer, string problem) => new(TKind.Block.Name(), _home.Cache.Where(_home.OffsetOf(pointer)), problem);

    private CorruptionException CorruptRoot(string problem) =>
        new(TKind.Block.Name(), _home.HasInodeRoot ? $"the root in inode {_home.Owner}" : $"the root in the header of AG {_home.Owner}", problem);
}
