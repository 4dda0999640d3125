using System.Buffers.Binary;
using ImageFs.Devices;
using ImageFs.Format;

namespace ImageFs.Journal;

/// <summary>Repeats changes of inodes: new chunks of them, their contents, and the pointers of the unlinked lists.</summary>
internal sealed class RecoveryInodes(RecoveryResult result, RecoveryBuffers buffers)
{
    private const int CreateSize = 28, DeviceSize = 4;

    private readonly byte[] _cluster = new byte[65536];
    // Inodes whose checksum was wrong: half written when the power failed. Whole only when all changes are repeated.
    private readonly Dictionary<long, InodeNumber> _torn = [];
    // Clusters that were looked at in this transaction and are made of inodes.
    private readonly HashSet<(long Offset, int Length)> _clusters = [];
    private readonly RecoveryOwner _owner = new(result, buffers);

    private OverlayDevice View => result.View;
    private Geometry Geometry => result.Geometry;

    /// <summary>A transaction begins: its buffers may have changed clusters.</summary>
    public void Begin() => _clusters.Clear();

    /// <summary>Makes a chunk of free inodes, unless part of it is freed later.</summary>
    /// <remarks>xfs_icreate_log: the numbers behind type and size are big-endian.</remarks>
    public void Create(LogItem item, CancelTable cancelled)
    {
        ReadOnlySpan<byte> f = item.Format;
        if (Geometry.IsVersion4) throw Corrupt("ICREATE", "its format", "there is no such item in version 4");
        if (f.Length < CreateSize) throw Corrupt("ICREATE", "its format", $"{f.Length} bytes, expected {CreateSize}");
        uint Field(int at) => BinaryPrimitives.ReadUInt32BigEndian(item.Format[at..]);
        AgNumber ag = new(Field(4));
        AgBlock start = new(Field(8));
        uint count = Field(12), size = Field(16), length = Field(20), generation = Field(24);
        Geometry g = Geometry;
        string where = $"group {ag} block {start}";
        if (!g.IsValid(ag, start) || length == 0 || length > g.AgLength(ag) - start.Value) throw Corrupt("ICREATE", where, $"{length} blocks are not inside a group");
        if (length != g.ChunkBlocks && length != g.SparseInodeAlignment) throw Corrupt("ICREATE", where, $"{length} blocks, expected {g.ChunkBlocks} or {g.SparseInodeAlignment}");
        if (size != g.InodeSize || count != length << g.InodesPerBlockLog) throw Corrupt("ICREATE", where, $"{count} inodes of {size} bytes in {length} blocks");

        uint blocks = Math.Min(length, g.InodeClusterBlocks), sectors = (uint)((long)blocks * g.BlockSize / LogRecordFormat.BasicBlock);
        for (uint at = 0; at < length; at += blocks)
            if (cancelled.Contains((ulong)g.ByteOffset(ag, start + at) / LogRecordFormat.BasicBlock, sectors))
            {
                result.Cancelled++;
                return;
            }

        InodeNumber number = g.Join(ag, g.FirstInode(start));
        Span<byte> cluster = _cluster.AsSpan(0, (int)blocks * g.BlockSize);
        for (uint at = 0; at < length; at += blocks)
        {
            cluster.Clear();
            for (int i = 0; i < cluster.Length; i += g.InodeSize)
            {
                Span<byte> inode = cluster.Slice(i, g.InodeSize);
                ref InodeCore core = ref InodeCore.At(inode);
                core.Magic = InodeCore.MagicNumber;
                core.Version = 3;
                core.Generation = generation;
                core.NextUnlinked = uint.MaxValue;
                core.Number = number.Value;
                core.Uuid = g.MetaUuid;
                Crc32c.Stamp(inode, InodeCore.CrcOffset);
                number = new InodeNumber(number.Value + 1);
            }
            long offset = g.ByteOffset(ag, start + at);
            Forget(offset, cluster.Length);
            buffers.Write(offset, cluster);
            buffers.CompleteLater(offset, cluster.Length, LogBufferType.Inode);
        }
        result.InodeChunks++;
    }

    /// <summary>Repeats an inode item unless its cluster is freed later or the inode on the device is newer.</summary>
    public void Repeat(LogItem item, LogSequenceNumber lsn, CancelTable cancelled)
    {
        InodeFormat format = InodeFormat.Read(item, Geometry);
        if (cancelled.Contains(format.Address, format.Blocks))
        {
            result.Cancelled++;
            return;
        }
        if (Geometry.IsVersion4)
        {
            Span<byte> plain = _cluster.AsSpan(0, Geometry.InodeSize);
            View.Read(format.Offset, plain);
            if (!RecoveryVersion4.Apply(item, format, plain))
            {
                result.Newer++;
                return;
            }
            buffers.Write(format.Offset, plain);
            result.Inodes++;
            return;
        }
        long start = (long)format.Address * LogRecordFormat.BasicBlock;
        Span<byte> cluster = _cluster.AsSpan(0, (int)format.Blocks * LogRecordFormat.BasicBlock);
        Span<byte> inode = cluster.Slice((int)format.InCluster, Geometry.InodeSize);
        if (_clusters.Contains((start, cluster.Length))) View.Read(format.Offset, inode);
        else
        {
            // All inodes of a cluster are written together, so all must be inodes.
            View.Read(start, cluster);
            if (BlockVerifier.VerifyForWrite(BlockKind.InodeCluster, cluster, Geometry, start) is Fault bad
                && Corrupt("INODE", $"inode {format.Number}", $"its cluster at daddr {format.Address} cannot be changed: {bad}") is var problem
                && !(HoldsInodes(cluster) && result.Tolerates(problem)))
                throw problem;
            _clusters.Add((start, cluster.Length));
        }
        ref InodeCore core = ref InodeCore.At(inode);

        bool torn = !Crc32c.IsValid(inode, InodeCore.CrcOffset);
        bool newer = !torn && core.Lsn is { Value: not (0 or ulong.MaxValue) } there && there > lsn.Value;
        if (newer) result.Newer++;
        else
        {
            if (torn) _torn[format.Offset] = format.Number;
            Apply(item, format, inode, lsn);
            result.Inodes++;
        }
        if (core.IsDirectory) buffers.Segments.AddDirectory(format.Number);
        bool changesOwner = format.Has(LogInodeItem.DataOwner | LogInodeItem.AttrOwner) && core.Mode != 0;
        if (newer && !changesOwner) return;
        Crc32c.Stamp(inode, InodeCore.CrcOffset);
        if (!_torn.ContainsKey(format.Offset) && BlockVerifier.VerifyInodeStructure(inode, Geometry, format.Number) is Fault fault
            && Corrupt("INODE", $"inode {format.Number} after replay of the log", fault.ToString()) is var broken && !result.Tolerates(broken))
            throw broken;
        buffers.Write(format.Offset, inode);
        buffers.CompleteLater(start, cluster.Length, LogBufferType.Inode);
        if (changesOwner) _owner.Change(inode, format.Number, format.Has(LogInodeItem.DataOwner), format.Has(LogInodeItem.AttrOwner));
    }

    private void Apply(LogItem item, in InodeFormat format, Span<byte> inode, LogSequenceNumber lsn)
    {
        string where = $"inode {format.Number}";
        if (item[1].Length < InodeCore.Size) throw Corrupt("INODE", where, $"its core has {item[1].Length} bytes, expected {InodeCore.Size}");
        ulong flags2 = item[1].U64(FlagsAt);
        bool bigTime = (flags2 & (ulong)InodeFlags2.BigTime) != 0, large = (flags2 & (ulong)InodeFlags2.LargeExtentCounters) != 0;
        Span<byte> logged = stackalloc byte[InodeCore.Size];
        LogInodeCore.Swap(item[1][..InodeCore.Size], logged, bigTime, large);

        ref InodeCore core = ref InodeCore.At(logged);
        if (core.Magic != InodeCore.MagicNumber) throw Corrupt("INODE", where, $"magic of the logged core 0x{core.Magic.Value:x4}, expected 0x{InodeCore.MagicNumber:x4}");
        if (core.ForkOffset * 8 >= Geometry.InodeSize - InodeCore.Size) throw Corrupt("INODE", where, $"forkoff {core.ForkOffset} is beyond the inode");
        // The unlinked list changes through its own items only; the other three are this replay's to say.
        core.NextUnlinked = InodeCore.At(inode).NextUnlinked;
        core.Lsn = lsn.Value;
        core.Padding = default;
        if (!large) core.BigExtentCount = 0;
        logged.CopyTo(inode);

        if (format.Has(LogInodeItem.Device)) BinaryPrimitives.WriteUInt32BigEndian(inode.Slice(InodeCore.Size, DeviceSize), format.Device);
        // Fork bits of an item without fork regions mean an empty fork.
        if (item.RegionCount == 2) return;
        int region = 2, data = core.DataForkSize(Geometry.InodeSize), attr = core.AttrForkSize(Geometry.InodeSize);
        if (format.HasDataFork)
            SetFork(Region(item, region++, where), inode.Slice(InodeCore.Size, data), format.Has(LogInodeItem.DataBtree), where);
        if (format.HasAttrFork)
            SetFork(Region(item, region, where), inode.Slice(InodeCore.Size + data, attr), format.Has(LogInodeItem.AttrBtree), where);
    }

    private const int FlagsAt = 120;

    private static ReadOnlySpan<byte> Region(LogItem item, int region, string where) =>
        region < item.RegionCount ? item[region] : throw Corrupt("INODE", where, "a fork is said to be logged and is not");

    internal static void SetFork(ReadOnlySpan<byte> logged, Span<byte> fork, bool btree, string where)
    {
        if (btree)
        {
            CompactRoot(logged, fork, where);
            return;
        }
        if (logged.Length > fork.Length) throw Corrupt("INODE", where, $"a fork of {logged.Length} bytes is logged, the inode has {fork.Length}");
        logged.CopyTo(fork);
    }

    /// <summary>
    /// A btree root is logged as a whole block: long header, keys, pointers, with just the room it needs. In the inode it has
    /// a four-byte header, and the pointers begin behind as many keys as would fit the fork.
    /// </summary>
    private static void CompactRoot(ReadOnlySpan<byte> logged, Span<byte> fork, string where)
    {
        const int pair = 16, half = 8;
        if (logged.Length < LongBtreeHeader.Size) throw Corrupt("INODE", where, $"a btree root of {logged.Length} bytes is logged");
        ref readonly LongBtreeHeader header = ref LongBtreeHeader.At(logged);
        int room = (logged.Length - LongBtreeHeader.Size) / pair, capacity = fork.Length < BmbtInodeRoot.Size ? 0 : BmbtInodeRoot.Capacity(fork.Length);
        int count = header.RecordCount;
        if (header.Magic != BtreeMagic.Bmbt || header.Level == 0 || count == 0 || count > room || count > capacity)
            throw Corrupt("INODE", where, $"the logged btree root has magic 0x{header.Magic.Value:x8}, level {header.Level} and {count} records; {Math.Min(room, capacity)} fit");
        BinaryPrimitives.WriteUInt16BigEndian(fork, header.Level);
        BinaryPrimitives.WriteUInt16BigEndian(fork[2..], (ushort)count);
        logged.Slice(LongBtreeHeader.Size, count * half).CopyTo(fork[BmbtInodeRoot.Size..]);
        logged.Slice(LongBtreeHeader.Size + room * half, count * half).CopyTo(fork[(BmbtInodeRoot.Size + capacity * half)..]);
    }

    /// <summary>
    /// Repeats the unlinked pointers of a cluster. Only they are taken: the rest of the logged chunks is older than what the
    /// inode items say.
    /// </summary>
    public void RepeatUnlinked(LogItem item, in BufferFormat format)
    {
        Span<byte> cluster = _cluster.AsSpan(0, format.Length);
        View.Read(format.Offset, cluster);
        foreach ((int offset, ReadOnlyMemory<byte> bytes) in format.Runs(item))
            for (int start = offset / Geometry.InodeSize * Geometry.InodeSize; start < offset + bytes.Length; start += Geometry.InodeSize)
            {
                int pointer = start + InodeCore.NextUnlinkedOffset;
                // Both are multiples of the chunk or lie inside one: a pointer is never cut.
                if (pointer < offset || pointer >= offset + bytes.Length || start + Geometry.InodeSize > cluster.Length) continue;
                ReadOnlySpan<byte> logged = bytes.Span.Slice(pointer - offset, 4);
                if (BinaryPrimitives.ReadUInt32BigEndian(logged) == 0)
                    throw Corrupt("BUF", $"inode cluster at daddr {format.Address}", "a logged next_unlinked is 0");
                Span<byte> inode = cluster.Slice(start, Geometry.InodeSize);
                bool whole = !Geometry.IsVersion4 && Crc32c.IsValid(inode, InodeCore.CrcOffset);
                logged.CopyTo(inode[InodeCore.NextUnlinkedOffset..]);
                // A torn inode keeps its wrong checksum, so that its own item, wherever it comes, is repeated.
                if (whole) Crc32c.Stamp(inode, InodeCore.CrcOffset);
                buffers.Write(format.Offset + start, inode);
            }
        buffers.CompleteLater(format.Offset, format.Length, LogBufferType.Inode);
        result.Buffers++;
    }

    /// <summary>The inodes in a range of the device are gone.</summary>
    public void Forget(long offset, int length)
    {
        if (_torn.Count == 0) return;
        for (long at = offset; at < offset + length; at += Geometry.InodeSize) _torn.Remove(at);
    }

    /// <summary>Everything is repeated: verifies the inodes that had been torn.</summary>
    public void End()
    {
        Span<byte> inode = _cluster.AsSpan(0, Geometry.InodeSize);
        foreach ((long offset, InodeNumber number) in _torn)
        {
            View.Read(offset, inode);
            if (BlockVerifier.VerifyInode(inode, Geometry, number) is Fault fault
                && Corrupt("INODE", $"inode {number} after replay of the log", fault.ToString()) is var problem && !result.Tolerates(problem))
                throw problem;
        }
    }

    /// <summary>True if some inode of a cluster is one: then the others were.</summary>
    private bool HoldsInodes(ReadOnlySpan<byte> cluster)
    {
        for (int at = 0; at < cluster.Length; at += Geometry.InodeSize)
            if (InodeCore.At(cluster[at..]) is { Magic.Value: InodeCore.MagicNumber, Version: 3 } core && core.Uuid == Geometry.MetaUuid) return true;
        return false;
    }

    private static CorruptionException Corrupt(string item, string where, string problem) => new($"log item {item}", where, problem);
}
