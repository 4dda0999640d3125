using System.Buffers.Binary;
using System.Numerics;
using ImageFs.Devices;
using ImageFs.Directories;
using ImageFs.Format;
using ImageFs.Metadata;
using ImageFs.Transactions;

namespace ImageFs.Tests.Directories;

/// <summary>
/// A directory inode whose blocks come from a counter and whose mapping is a dictionary, in an image big enough for inode
/// numbers of more than 32 bits. Every commit verifies and writes home what it changed; an abort undoes the mapping too.
/// </summary>
internal sealed class DirectoryWorld : IDirectoryStorage, ITransactionSink
{
    private const long InodeOffset = 1 << 20, FirstBlock = 4 << 20;
    private readonly MemoryDevice _device;
    private readonly MetadataBuffer _inode;
    private readonly Stack<long> _freed = new();
    private readonly List<Action> _undo = [];
    private long _next = FirstBlock;

    public DirectoryWorld(int blockSize = 4096, int directoryBlockSize = 4096, int forkSize = 336, long cacheLimit = 256L << 20, bool verify = true)
    {
        Geometry = MakeGeometry(blockSize, directoryBlockSize);
        _device = new MemoryDevice(Geometry.DeviceBytes);
        Cache = new MetadataCache(_device, Geometry, cacheLimit);
        ForkSize = forkSize;
        Verify = verify;
        Number = Geometry.Join(new AgNumber(0), Geometry.FirstInode(Geometry.BlockInAg(Geometry.FsBlockAt(InodeOffset))));
        _inode = Cache.Create(InodeOffset, Geometry.InodeClusterBytes, BlockKind.InodeCluster);
        _inode.IsPending = true;
        InodeTemplate.Fill(_inode.Bytes, Geometry, new AgNumber(0), Geometry.BlockInAg(Geometry.FsBlockAt(InodeOffset)), 1);
        ref InodeCore core = ref InodeCore.At(_inode.Bytes);
        core.Mode = 0x41ED;
        core.Format = ForkFormat.Extents;
    }

    public bool Verify { get; set; }
    /// <summary>Blocks that may still be added before the device is full.</summary>
    public int Room { get; set; } = int.MaxValue;
    public MetadataCache Cache { get; }
    public int ForkSize { get; }
    /// <summary>File block to device offset, a directory block each.</summary>
    public SortedDictionary<ulong, long> Mapping { get; } = [];

    public static Geometry MakeGeometry(int blockSize, int directoryBlockSize)
    {
        Superblock sb = default;
        sb.Magic = Superblock.MagicNumber;
        sb.BlockSize = (uint)blockSize;
        sb.BlockLog = (byte)BitOperations.Log2((uint)blockSize);
        sb.SectorSize = 512;
        sb.SectorLog = 9;
        sb.InodeSize = 512;
        sb.InodeLog = 9;
        sb.InodesPerBlock = (ushort)(blockSize / 512);
        sb.InodesPerBlockLog = (byte)(sb.BlockLog - 9);
        sb.AgBlocks = 1u << 20;
        sb.AgBlockLog = 20;
        sb.AgCount = 8192;
        sb.DataBlocks = 8192UL << 20;
        sb.DirectoryBlockLog = (byte)BitOperations.Log2((uint)(directoryBlockSize / blockSize));
        sb.Uuid = Uuid.Parse("7c1f2d8a-6f0e-4b0c-9d37-20d3a4c7be11");
        sb.InodeAlignment = 4;
        sb.FeaturesIncompat = (uint)(IncompatFeatures.FileType | IncompatFeatures.BigTime);
        return new Geometry(sb);
    }

    public Geometry Geometry { get; }
    public InodeNumber Number { get; }
    public ref readonly InodeCore Core => ref InodeCore.At(_inode.Data);
    public ReadOnlySpan<byte> DataFork => _inode.Data.Slice(InodeCore.Size, ForkSize);
    public ref InodeCore ModifyCore(Transaction tx) => ref InodeCore.At(tx.Modify(_inode));
    public Span<byte> ModifyDataFork(Transaction tx) => tx.Modify(_inode).Slice(InodeCore.Size, ForkSize);

    /// <summary>An inode number that can exist; wide ones have more than 32 bits.</summary>
    public InodeNumber SomeInode(Random random, bool wide = false) =>
        Geometry.Join(new AgNumber(wide ? (uint)random.Next(4096, 8192) : (uint)random.Next(0, 32)), Geometry.FirstInode(new AgBlock((uint)random.Next(64, 1 << 18) & ~7u)));

    public MetadataBuffer? ReadBlock(FileBlock at, BlockKind kind)
    {
        if (!Mapping.TryGetValue(at.Value, out long offset)) return null;
        MetadataBuffer buffer = Cache.Read(offset, Geometry.DirectoryBlockSize, kind);
        ulong owner = BinaryPrimitives.ReadUInt64BigEndian(buffer.Data[(kind == BlockKind.DaBlock ? 48 : 40)..]);
        if (owner != Number.Value) throw new CorruptionException("directory", $"inode {Number} file block {at}", $"owner {owner}");
        return buffer;
    }

    public MetadataBuffer AddBlock(Transaction tx, FileBlock at, BlockKind kind)
    {
        Assert.IsFalse(Core.Format == ForkFormat.Local, "a block is added to a local fork");
        Assert.AreEqual(0UL, at.Value % (ulong)Geometry.DirectoryBlockFsBlocks);
        if (Room == 0) throw new XfsNoSpaceException("no room in the test's device");
        Room--;
        long offset = _freed.Count > 0 ? _freed.Pop() : (_next += Geometry.DirectoryBlockSize) - Geometry.DirectoryBlockSize;
        Map(at.Value, offset);
        _undo.Add(() =>
        {
            Room++;
            _freed.Push(offset);
            Unmap(at.Value);
        });
        return tx.Create(offset, Geometry.DirectoryBlockSize, kind);
    }

    public void RemoveBlock(Transaction tx, FileBlock at)
    {
        long offset = Mapping[at.Value];
        Unmap(at.Value);
        _freed.Push(offset);
        Room++;
        _undo.Add(() =>
        {
            Room--;
            Map(at.Value, offset);
            Assert.AreEqual(offset, _freed.Pop());
        });
        tx.Invalidate(offset, Geometry.DirectoryBlockSize);
    }

    // The dictionary has no binary search: its keys stand here too.
    private readonly List<ulong> _keys = [];

    private void Map(ulong at, long offset)
    {
        Mapping.Add(at, offset);
        _keys.Insert(~_keys.BinarySearch(at), at);
    }

    private void Unmap(ulong at)
    {
        Mapping.Remove(at);
        _keys.RemoveAt(_keys.BinarySearch(at));
    }

    public bool TryNextMapped(FileBlock from, out FileBlock mapped)
    {
        int at = _keys.BinarySearch(from.Value);
        if (at < 0) at = ~at;
        // A directory block that begins before the block asked for may still cover it.
        if (at > 0 && _keys[at - 1] + (ulong)Geometry.DirectoryBlockFsBlocks > from.Value)
        {
            mapped = from;
            return true;
        }
        mapped = at < _keys.Count ? new FileBlock(_keys[at]) : default;
        return at < _keys.Count;
    }

    public FileBlock EndOfMapped(FileBlock limit)
    {
        int at = _keys.BinarySearch(limit.Value);
        if (at < 0) at = ~at;
        return at == 0 ? default : new FileBlock(_keys[at - 1] + (ulong)Geometry.DirectoryBlockFsBlocks);
    }

    public void BecomeExtents(Transaction tx)
    {
        Assert.AreEqual(ForkFormat.Local, Core.Format);
        ModifyDataFork(tx).Clear();
        ModifyCore(tx).Format = ForkFormat.Extents;
    }

    public void BecomeLocal(Transaction tx)
    {
        Assert.AreEqual(0, Mapping.Count, "a fork becomes local while blocks are mapped");
        ModifyDataFork(tx).Clear();
        ModifyCore(tx).Format = ForkFormat.Local;
    }

    public Transaction Begin() => new(Cache, this);

    /// <summary>Does something in a transaction of its own.</summary>
    public void Do(Action<Transaction> work)
    {
        using Transaction tx = Begin();
        work(tx);
        tx.Commit();
    }

    public long TransactionLimit => long.MaxValue;

    public void Accept(Transaction transaction)
    {
        foreach (TransactionEntry entry in transaction.Entries)
        {
            MetadataBuffer buffer = entry.Buffer;
            if (entry.Invalidated)
            {
                Cache.Remove(buffer);
                continue;
            }
            if (buffer == _inode || !Verify) continue;
            if (BlockVerifier.VerifyForWrite(buffer.Kind, buffer.Data, Geometry, buffer.Offset) is Fault fault)
                Assert.Fail($"{buffer.Kind} at {Mapping.FirstOrDefault(m => m.Value == buffer.Offset).Key}: {fault}");
            Crc32c.Stamp(buffer.Bytes, buffer.Kind.CrcOffset());
            _device.Write(buffer.Offset, buffer.Data);
        }
        _undo.Clear();
    }

    public void Settled() => Cache.Trim();

    public void Aborted(Transaction transaction)
    {
        for (int i = _undo.Count - 1; i >= 0; i--) _undo[i]();
        _undo.Clear();
    }

    /// <summary>Changes bytes behind the library's back; the checksum is made right again.</summary>
    public void Damage(FileBlock at, BlockKind kind, Action<byte[]> change)
    {
        byte[] bytes = ReadBlock(at, kind)!.Data.ToArray();
        change(bytes);
        Crc32c.Stamp(bytes, kind.CrcOffset());
        Restore(at, bytes);
    }

    /// <summary>Puts a block back to what it was.</summary>
    public void Restore(FileBlock at, byte[] bytes)
    {
        long offset = Mapping[at.Value];
        _device.Write(offset, bytes);
        if (Cache.Find(offset) is MetadataBuffer buffer) Cache.Remove(buffer);
    }

    public void DamageInode(Action<byte[]> change)
    {
        byte[] bytes = _inode.Data.ToArray();
        change(bytes);
        bytes.AsSpan().CopyTo(_inode.Bytes);
    }
}
