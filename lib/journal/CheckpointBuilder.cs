using System.Buffers.Binary;
using System.Numerics;
using ImageFs.Format;
using ImageFs.Metadata;
using ImageFs.Transactions;

namespace ImageFs.Journal;

/// <summary>Turns the changes of a checkpoint into log operations: one growing run of bytes and the list of its pieces.</summary>
/// <remarks>
/// Item regions are in the writer's order (little-endian); what they carry of the disk stays in disk order.
/// The lengths of regions are multiples of four, as the kernel pads them.
/// </remarks>
internal sealed class CheckpointBuilder(Geometry geometry)
{
    private byte[] _bytes = new byte[1 << 16];
    private int _used;
    private readonly List<int> _regions = [];

    /// <summary>All regions, one after the other.</summary>
    public ReadOnlySpan<byte> Bytes => _bytes.AsSpan(0, _used);

    /// <summary>Length of each region.</summary>
    public IReadOnlyList<int> Regions => _regions;

    /// <summary>Empties the builder for the next checkpoint, keeping its memory.</summary>
    public void Clear()
    {
        _used = 0;
        _regions.Clear();
    }

    /// <summary>The transaction header, first region of every checkpoint; <see cref="SealHeader"/> fills in the count.</summary>
    /// <remarks>xfs_trans_header.</remarks>
    public void BeginTransaction(uint transactionId)
    {
        Span<byte> header = Add(16);
        BinaryPrimitives.WriteUInt32LittleEndian(header, 0x5452414E);
        BinaryPrimitives.WriteUInt32LittleEndian(header[4..], 40); // XFS_TRANS_CHECKPOINT
        BinaryPrimitives.WriteUInt32LittleEndian(header[8..], transactionId);
    }

    /// <summary>Writes the number of regions behind the header into it.</summary>
    public void SealHeader() => BinaryPrimitives.WriteUInt32LittleEndian(_bytes.AsSpan(12), (uint)_regions.Count - 1);

    /// <summary>A run of inodes to be initialised by recovery. Its body is big-endian.</summary>
    /// <remarks>xfs_icreate_log, 28 bytes.</remarks>
    public void AddInodeCreate(in InodeCreation creation)
    {
        Span<byte> item = Add(28);
        BinaryPrimitives.WriteUInt16LittleEndian(item, (ushort)LogItemType.InodeCreate);
        BinaryPrimitives.WriteUInt16LittleEndian(item[2..], 1);
        BinaryPrimitives.WriteUInt32BigEndian(item[4..], creation.Ag.Value);
        BinaryPrimitives.WriteUInt32BigEndian(item[8..], creation.Start.Value);
        BinaryPrimitives.WriteUInt32BigEndian(item[12..], creation.Count);
        BinaryPrimitives.WriteUInt32BigEndian(item[16..], (uint)geometry.InodeSize);
        BinaryPrimitives.WriteUInt32BigEndian(item[20..], creation.Blocks);
        BinaryPrimitives.WriteUInt32BigEndian(item[24..], creation.Generation);
    }

    /// <summary>Says that an intent is finished. That of freed extents repeats them.</summary>
    /// <remarks>EFD, RUD, CUD, BUD, ATTRD, XMD: the type follows that of the intent.</remarks>
    public void AddDone(PendingIntent intent)
    {
        IReadOnlyList<IntentExtent> extents = intent is ExtentFreeIntent free ? free.Extents : [];
        Span<byte> item = Add(16 + 16 * extents.Count);
        item.Clear();
        BinaryPrimitives.WriteUInt16LittleEndian(item, (ushort)(intent.Type + 1));
        BinaryPrimitives.WriteUInt16LittleEndian(item[2..], 1);
        BinaryPrimitives.WriteUInt32LittleEndian(item[4..], (uint)extents.Count);
        BinaryPrimitives.WriteUInt64LittleEndian(item[8..], intent.Id);
        for (int i = 0; i < extents.Count; i++)
        {
            BinaryPrimitives.WriteUInt64LittleEndian(item[(16 + 16 * i)..], extents[i].Start.Value);
            BinaryPrimitives.WriteUInt32LittleEndian(item[(24 + 16 * i)..], extents[i].Length);
        }
    }

    /// <summary>Promises work that later transactions do. Of all intents only exchanges are written here.</summary>
    /// <remarks>XMI: xfs_xmi_log_format, 88 bytes.</remarks>
    public void AddIntent(PendingIntent intent)
    {
        if (intent is not ExchangeIntent exchange) throw new InvariantException($"no {intent.Name} is ever written");
        Span<byte> item = Add(LogIntents.ExchangeSize);
        item.Clear();
        BinaryPrimitives.WriteUInt16LittleEndian(item, (ushort)exchange.Type);
        BinaryPrimitives.WriteUInt16LittleEndian(item[2..], 1);
        BinaryPrimitives.WriteUInt64LittleEndian(item[8..], exchange.Id);
        BinaryPrimitives.WriteUInt64LittleEndian(item[16..], exchange.Inode1.Value);
        BinaryPrimitives.WriteUInt64LittleEndian(item[24..], exchange.Inode2.Value);
        BinaryPrimitives.WriteUInt32LittleEndian(item[32..], exchange.Generation1);
        BinaryPrimitives.WriteUInt32LittleEndian(item[36..], exchange.Generation2);
        BinaryPrimitives.WriteUInt64LittleEndian(item[40..], exchange.Start1.Value);
        BinaryPrimitives.WriteUInt64LittleEndian(item[48..], exchange.Start2.Value);
        BinaryPrimitives.WriteUInt64LittleEndian(item[56..], exchange.Blocks);
        BinaryPrimitives.WriteUInt64LittleEndian(item[64..], exchange.Flags);
        BinaryPrimitives.WriteUInt64LittleEndian(item[72..], exchange.Size1);
        BinaryPrimitives.WriteUInt64LittleEndian(item[80..], exchange.Size2);
    }

    /// <summary>Says that a block is no longer what older images of it in the log say.</summary>
    public void AddCancel(long offset, int length) => AddBufferHeader(offset, length, LogBufferItem.Cancel, 1).Clear();

    /// <summary>The changed 128-byte chunks of a buffer.</summary>
    /// <remarks>xfs_buf_log_format and one region per run of changed chunks.</remarks>
    public void AddBuffer(MetadataBuffer buffer)
    {
        ushort flags = (ushort)((int)buffer.Kind.LogType(buffer.Data) << LogBufferItem.TypeShift);
        AddChunks(buffer.Offset, buffer.Data, buffer.Dirty, flags);
    }

    /// <summary>The next_unlinked fields of a cluster; recovery takes nothing else from it.</summary>
    public void AddUnlinkedPointers(MetadataBuffer cluster)
    {
        int chunks = cluster.Length / LogBufferItem.ChunkSize;
        Span<ulong> dirty = stackalloc ulong[(chunks + 63) / 64];
        dirty.Clear();
        for (int slot = 0; slot < cluster.Slots!.Length; slot++)
        {
            if ((cluster.Slots[slot] & InodeSlotChange.NextUnlinked) == 0) continue;
            int chunk = (slot * geometry.InodeSize + InodeCore.NextUnlinkedOffset) >> LogBufferItem.ChunkLog;
            dirty[chunk >> 6] |= 1UL << (chunk & 63);
        }
        AddChunks(cluster.Offset, cluster.Data, dirty, LogBufferItem.InodeBuffer | ((int)LogBufferType.Inode << LogBufferItem.TypeShift));
    }

    private void AddChunks(long offset, ReadOnlySpan<byte> data, ReadOnlySpan<ulong> dirty, ushort flags)
    {
        int chunks = data.Length / LogBufferItem.ChunkSize, runs = 0;
        for (int chunk = NextSet(dirty, 0, chunks); chunk < chunks; chunk = NextSet(dirty, NextClear(dirty, chunk, chunks), chunks)) runs++;
        Span<byte> map = AddBufferHeader(offset, data.Length, flags, 1 + runs);
        map.Clear();
        for (int chunk = 0; chunk < chunks; chunk++)
            if ((dirty[chunk >> 6] >> (chunk & 63) & 1) != 0)
                map[chunk >> 3] |= (byte)(1 << (chunk & 7));
        for (int chunk = NextSet(dirty, 0, chunks); chunk < chunks;)
        {
            int end = NextClear(dirty, chunk, chunks);
            data[(chunk * LogBufferItem.ChunkSize)..(end * LogBufferItem.ChunkSize)].CopyTo(Add((end - chunk) * LogBufferItem.ChunkSize));
            chunk = NextSet(dirty, end, chunks);
        }
    }

    private Span<byte> AddBufferHeader(long offset, int length, ushort flags, int regions)
    {
        int words = Math.Max(1, (length + 4095) / 4096);
        Span<byte> item = Add(LogBufferItem.FixedSize + 4 * words);
        BinaryPrimitives.WriteUInt16LittleEndian(item, (ushort)LogItemType.Buffer);
        BinaryPrimitives.WriteUInt16LittleEndian(item[2..], (ushort)regions);
        BinaryPrimitives.WriteUInt16LittleEndian(item[4..], flags);
        BinaryPrimitives.WriteUInt16LittleEndian(item[6..], (ushort)(length >> 9));
        BinaryPrimitives.WriteInt64LittleEndian(item[8..], offset >> 9);
        BinaryPrimitives.WriteUInt32LittleEndian(item[16..], (uint)words);
        return item[LogBufferItem.FixedSize..];
    }

    /// <summary>One inode: always its core, and each fork that changed.</summary>
    /// <remarks>xfs_inode_log_format with up to three regions behind it.</remarks>
    public void AddInode(MetadataBuffer cluster, int slot, InodeSlotChange change)
    {
        ReadOnlySpan<byte> inode = cluster.Data.Slice(slot * geometry.InodeSize, geometry.InodeSize);
        ref readonly InodeCore core = ref InodeCore.At(inode);
        uint fields = LogInodeItem.Core;
        int header = _used, regions = 2, dataBytes = 0, attrBytes = 0;
        Add(LogInodeItem.Size).Clear();
        LogInodeCore.Swap(inode, Add(InodeCore.Size), core.Has(InodeFlags2.BigTime), core.Has(InodeFlags2.LargeExtentCounters));

        int dataFork = core.DataForkSize(geometry.InodeSize);
        uint device = 0;
        if (core.Mode != 0 && (change & InodeSlotChange.DataFork) != 0)
        {
            ReadOnlySpan<byte> fork = inode.Slice(InodeCore.Size, dataFork);
            if (core.Format == ForkFormat.Device)
            {
                fields |= LogInodeItem.Device;
                device = BinaryPrimitives.ReadUInt32BigEndian(fork);
            }
            else
                fields |= AddFork(fork, core.Format, core.FileSize, core.ExtentCount, core.Number, ref regions, ref dataBytes,
                    LogInodeItem.DataLocal, LogInodeItem.DataExtents, LogInodeItem.DataBtree);
        }
        if (core.Mode != 0 && core.ForkOffset != 0 && (change & InodeSlotChange.AttrFork) != 0)
        {
            ReadOnlySpan<byte> fork = inode[(InodeCore.Size + dataFork)..];
            ulong size = core.AttributeFormat == ForkFormat.Local ? BinaryPrimitives.ReadUInt16BigEndian(fork) : 0u;
            fields |= AddFork(fork, core.AttributeFormat, size, core.AttrExtentCount, core.Number, ref regions, ref attrBytes,
                LogInodeItem.AttrLocal, LogInodeItem.AttrExtents, LogInodeItem.AttrBtree);
        }

        Span<byte> item = _bytes.AsSpan(header, LogInodeItem.Size);
        BinaryPrimitives.WriteUInt16LittleEndian(item, (ushort)LogItemType.Inode);
        BinaryPrimitives.WriteUInt16LittleEndian(item[2..], (ushort)regions);
        BinaryPrimitives.WriteUInt32LittleEndian(item[4..], fields);
        BinaryPrimitives.WriteUInt16LittleEndian(item[8..], (ushort)attrBytes);
        BinaryPrimitives.WriteUInt16LittleEndian(item[10..], (ushort)dataBytes);
        BinaryPrimitives.WriteUInt64LittleEndian(item[16..], core.Number);
        if ((fields & LogInodeItem.Device) != 0) BinaryPrimitives.WriteUInt32LittleEndian(item[24..], device);
        BinaryPrimitives.WriteInt64LittleEndian(item[40..], cluster.Offset >> 9);
        BinaryPrimitives.WriteInt32LittleEndian(item[48..], cluster.Length >> 9);
        BinaryPrimitives.WriteInt32LittleEndian(item[52..], slot * geometry.InodeSize);
    }

    private uint AddFork(ReadOnlySpan<byte> fork, ForkFormat format, ulong size, ulong extents, ulong owner, ref int regions, ref int bytes,
        uint local, uint extentList, uint btree)
    {
        switch (format)
        {
            case ForkFormat.Local:
                if (size == 0) return 0;
                Invariant.Holds(size <= (ulong)fork.Length, "inline contents fit the fork");
                bytes = (int)size;
                Span<byte> inline = Add((bytes + 3) & ~3);
                inline.Clear();
                fork[..bytes].CopyTo(inline);
                regions++;
                return local;
            case ForkFormat.Extents:
                if (extents == 0) return 0;
                Invariant.Holds(extents <= (ulong)(fork.Length / PackedExtent.Size), "the extent list fits the fork");
                bytes = (int)extents * PackedExtent.Size;
                fork[..bytes].CopyTo(Add(bytes));
                regions++;
                return extentList;
            case ForkFormat.Btree:
                bytes = AddBtreeRoot(fork, owner);
                regions++;
                return btree;
            default:
                return 0;
        }
    }

    /// <summary>A bmbt root travels in its in-core form: a full block header, then keys, then pointers without a gap.</summary>
    private int AddBtreeRoot(ReadOnlySpan<byte> fork, ulong owner)
    {
        int level = BinaryPrimitives.ReadUInt16BigEndian(fork), count = BinaryPrimitives.ReadUInt16BigEndian(fork[2..]);
        int capacity = BmbtInodeRoot.Capacity(fork.Length);
        Invariant.Holds(count <= capacity, "the bmbt root fits the fork");
        int bytes = LongBtreeHeader.Size + 16 * count;
        Span<byte> region = Add(bytes);
        region[..LongBtreeHeader.Size].Clear();
        ref LongBtreeHeader header = ref LongBtreeHeader.At(region);
        header.Magic = BtreeMagic.Bmbt;
        header.Level = (ushort)level;
        header.RecordCount = (ushort)count;
        header.LeftSibling = header.RightSibling = ulong.MaxValue;
        header.BlockNumber = ulong.MaxValue;
        header.Uuid = geometry.MetaUuid;
        header.Owner = owner;
        fork.Slice(BmbtInodeRoot.Size, 8 * count).CopyTo(region[LongBtreeHeader.Size..]);
        fork.Slice(BmbtInodeRoot.Size + 8 * capacity, 8 * count).CopyTo(region[(LongBtreeHeader.Size + 8 * count)..]);
        return bytes;
    }

    private Span<byte> Add(int length)
    {
        if (_used + length > _bytes.Length) Array.Resize(ref _bytes, (int)BitOperations.RoundUpToPowerOf2((uint)(_used + length)));
        Span<byte> region = _bytes.AsSpan(_used, length);
        _used += length;
        _regions.Add(length);
        return region;
    }

    private static int NextSet(ReadOnlySpan<ulong> bits, int from, int end)
    {
        while (from < end && (bits[from >> 6] >> (from & 63) & 1) == 0) from++;
        return from;
    }

    private static int NextClear(ReadOnlySpan<ulong> bits, int from, int end)
    {
        while (from < end && (bits[from >> 6] >> (from & 63) & 1) != 0) from++;
        return from;
    }
}
