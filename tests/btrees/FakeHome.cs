using ImageFs.BTrees;
using ImageFs.Devices;
using ImageFs.Format;
using ImageFs.Metadata;
using ImageFs.Tests.Fixtures;
using ImageFs.Transactions;

namespace ImageFs.Tests.BTrees;

/// <summary>
/// A home that hands out blocks in random order and knows which are out. Its root is a field, or a fork in a buffer.
/// </summary>
internal class FakeHome : BtreeHome
{
    private readonly List<ulong> _free = [];
    private readonly Random _random;
    private readonly bool _long;
    private readonly int _maxLevels;
    private readonly MetadataBuffer? _inode;
    private readonly int _forkSize;
    private ulong _root;
    private int _levels;

    /// <summary>An AG tree in group 1, an empty root leaf included; or, with a fork, a tree of inode 4242.</summary>
    public FakeHome(BlockKind kind, Geometry geometry, Random random, int forkSize = 0, BlockDevice? device = null)
        : base(new MetadataCache(device ?? new MemoryDevice(geometry.DeviceBytes), geometry, long.MaxValue))
    {
        Kind = kind;
        _random = random;
        _long = forkSize > 0;
        _maxLevels = kind switch
        {
            BlockKind.Bnobt or BlockKind.Cntbt => geometry.Limits.Alloc,
            BlockKind.Inobt or BlockKind.Finobt => geometry.Limits.Inobt,
            BlockKind.Rmapbt => geometry.Limits.Rmap,
            BlockKind.Refcountbt => geometry.Limits.Refcount,
            _ => geometry.Limits.Bmap,
        };
        for (uint ag = _long ? 0u : 1; ag < (_long ? geometry.AgCount : 2); ag++)
            for (uint block = geometry.AgflBlock.Value + 1; block < geometry.AgLength(new(ag)); block++)
                _free.Add(_long ? geometry.Join(new AgNumber(ag), new AgBlock(block)).Value : block);
        // A few thousand, scattered over all there are.
        for (int i = 0; i < 4096; i++)
        {
            int other = random.Next(i, _free.Count);
            (_free[i], _free[other]) = (_free[other], _free[i]);
        }
        _free.RemoveRange(4096, _free.Count - 4096);
        using Transaction tx = Begin();
        ulong first = AllocateBlock(tx, 0);
        long at = OffsetOf(first);
        Span<byte> leaf = tx.Modify(tx.Create(at, geometry.BlockSize, kind));
        if (_long)
        {
            // The fork lies in a buffer, so that an abort restores it like everything else.
            _forkSize = forkSize;
            _inode = tx.Create(0, geometry.BlockSize, BlockKind.InodeCluster);
            Span<byte> fork = ModifyInodeRoot(tx);
            BtreeLayout<BmbtKind, PackedExtent, BigEndian64> root = BtreeLayout<BmbtKind, PackedExtent, BigEndian64>.InodeRoot(forkSize);
            root.SetLevel(fork, 1);
            root.SetCount(fork, 1);
            root.SetPointer(fork, 0, first);
            BtreeLayout<BmbtKind, PackedExtent, BigEndian64>.Format(leaf, geometry, at, Owner, 0);
        }
        else
        {
            // All short headers are alike but for their magic.
            BtreeLayout<BnobtKind, FreeSpaceRecord, FreeSpaceRecord>.Format(leaf, geometry, at, Owner, 0);
            ShortBtreeHeader.At(leaf).Magic = kind.Magic();
            _root = first;
            _levels = 1;
        }
        tx.Commit();
    }

    public BlockKind Kind { get; }
    public HashSet<ulong> Used { get; } = [];
    public int Allocations { get; private set; }

    /// <summary>After so many more blocks there are none.</summary>
    public int BlocksLeft { get; set; } = int.MaxValue;

    public override int Levels => _inode is null ? _levels : BmbtLevel + 1;
    public override int MaxLevels => _maxLevels;
    public override ulong Owner => _long ? 4242u : 1u;
    public override ulong Root => _root;
    public override bool HasInodeRoot => _long;
    public override ReadOnlySpan<byte> InodeRoot => _inode!.Data.Slice(InodeCore.Size, _forkSize);
    public override Span<byte> ModifyInodeRoot(Transaction tx) => tx.Modify(_inode!).Slice(InodeCore.Size, _forkSize);

    private int BmbtLevel => InodeRoot[0] << 8 | InodeRoot[1];

    public Transaction Begin() => new(Cache, NoJournal.Instance);

    /// <summary>Remembers what is no part of a transaction here; the action puts it back after an abort.</summary>
    public Action Remember()
    {
        (ulong root, int levels) = (_root, _levels);
        ulong[] used = [.. Used], free = [.. _free];
        return () =>
        {
            (_root, _levels) = (root, levels);
            Used.Clear();
            Used.UnionWith(used);
            _free.Clear();
            _free.AddRange(free);
        };
    }

    public override void SetRoot(Transaction tx, ulong root, int levels)
    {
        Assert.IsFalse(_long, "an inode root is not replaced");
        _root = root;
        _levels = levels;
    }

    public override long OffsetOf(ulong pointer)
    {
        FsBlock block = _long ? new FsBlock(pointer) : Geometry.Join(new AgNumber(1), new AgBlock((uint)pointer));
        bool valid = _long ? Geometry.IsValid(block) : pointer <= uint.MaxValue && Geometry.IsValid(new AgNumber(1), new AgBlock((uint)pointer));
        return valid ? Geometry.ByteOffset(block) : throw new CorruptionException(Kind.Name(), $"AG 1 block {pointer}", "outside the group");
    }

    public override ulong AllocateBlock(Transaction tx, ulong near)
    {
        if (BlocksLeft-- <= 0) throw new XfsNoSpaceException("no block is left");
        int index = _random.Next(_free.Count);
        ulong block = _free[index];
        _free[index] = _free[^1];
        _free.RemoveAt(_free.Count - 1);
        Assert.IsTrue(Used.Add(block));
        Allocations++;
        return block;
    }

    public override void FreeBlock(Transaction tx, ulong pointer)
    {
        if (!Used.Remove(pointer)) throw new CorruptionException(Kind.Name(), $"block {pointer}", "it is freed, but it was not in use");
        _free.Add(pointer);
        tx.Invalidate(OffsetOf(pointer), Geometry.BlockSize);
    }
}

/// <summary>Where transactions go that nobody logs.</summary>
internal sealed class NoJournal : ITransactionSink
{
    public static NoJournal Instance { get; } = new();
    public long TransactionLimit => long.MaxValue;
    public void Accept(Transaction transaction) { }
    public void Aborted(Transaction transaction) { }
    public void Settled() { }
}

internal static class CacheExtensions
{
    /// <summary>Drops blocks from memory, so that they are read and verified again.</summary>
    public static void Forget(this MetadataCache cache, IEnumerable<long> offsets)
    {
        foreach (long offset in offsets)
            if (cache.Find(offset) is MetadataBuffer buffer) cache.Remove(buffer);
    }
}
