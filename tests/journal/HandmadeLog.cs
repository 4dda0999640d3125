using System.Buffers.Binary;
using ImageFs.Devices;
using ImageFs.Format;
using ImageFs.Journal;
using ImageFs.Mkfs;

namespace ImageFs.Tests.Journal;

/// <summary>A file system, a fresh one unless given, whose log is written by hand, operation by operation, right or wrong on purpose.</summary>
internal sealed class HandmadeLog
{
    public const uint Tid = 0x1234;
    private readonly List<byte> _payload = [];
    private int _operations;

    public HandmadeLog(MkfsOptions? options = null, long bytes = 64 << 20)
        : this(Formatted(options, bytes)) { }

    /// <param name="device">Holds a file system with a clean log, which goes on from there.</param>
    public HandmadeLog(MemoryDevice device)
    {
        Device = device;
        Geometry = DirtyImage.GeometryOf(Device);
        Log = new LogArea(Device, Geometry);
        Position = LogScan.Find(Log, Geometry);
    }

    private static MemoryDevice Formatted(MkfsOptions? options, long bytes)
    {
        MemoryDevice device = new(bytes);
        ImageFs.Mkfs.Mkfs.Format(device, options);
        return device;
    }

    public MemoryDevice Device { get; }
    public Geometry Geometry { get; }
    public LogArea Log { get; }

    /// <summary>Where the next record goes.</summary>
    public LogPosition Position { get; private set; }

    /// <summary>The tail that records tell of; the first record's own place unless set.</summary>
    public LogSequenceNumber? Tail { get; set; }

    public HandmadeLog Op(byte flags, ReadOnlySpan<byte> data, uint tid = Tid, byte client = LogOperationHeader.ClientTransaction)
    {
        byte[] header = new byte[LogOperationHeader.Size];
        ref LogOperationHeader op = ref LogOperationHeader.At(header.AsSpan());
        op.TransactionId = tid;
        op.Length = (uint)data.Length;
        op.Client = client;
        op.Flags = flags;
        _payload.AddRange(header);
        _payload.AddRange(data);
        _operations++;
        return this;
    }

    public HandmadeLog Start(uint tid = Tid)
    {
        Op(LogOperationHeader.Start, [], tid);
        byte[] header = new byte[16];
        BinaryPrimitives.WriteUInt32LittleEndian(header, 0x5452414E);
        return Op(0, header, tid);
    }

    public HandmadeLog Item(params byte[][] regions)
    {
        foreach (byte[] region in regions) Op(0, region);
        return this;
    }

    public HandmadeLog Commit(uint tid = Tid) => Op(LogOperationHeader.Commit, [], tid);

    /// <summary>Seals what has been put together as one record and writes it at the head.</summary>
    /// <param name="damage">Changes the sealed record.</param>
    /// <returns>Where the record begins.</returns>
    public uint Write(int operations = -1, int recordSize = 32768, Action<byte[]>? damage = null, Uuid? uuid = null)
    {
        int headers = LogRecordFormat.HeaderBlocks(recordSize);
        byte[] record = new byte[headers * 512 + (_payload.Count + 511) / 512 * 512];
        _payload.CopyTo(record, headers * 512);
        LogSequenceNumber here = Position.HeadLsn;
        Tail ??= here;
        LogRecordFormat.Seal(record, headers, here.Cycle, here.Block, Log.BasicBlocks, Tail.Value, Position.LastBlock,
            operations < 0 ? _operations : operations, uuid ?? Geometry.Uuid, recordSize);
        damage?.Invoke(record);
        Log.Write(here.Block, record);
        uint next = Log.Advance(here.Block, (uint)record.Length / 512);
        Position = Position with { Head = next, HeadCycle = next < here.Block ? here.Cycle + 1 : here.Cycle, LastBlock = here.Block };
        _payload.Clear();
        _operations = 0;
        return here.Block;
    }

    public RecoveryResult Replay() => Recovery.Replay(Device, Geometry);

    /// <summary>The root directory's inode as a device has it.</summary>
    public byte[] RootInode(BlockDevice device)
    {
        byte[] inode = new byte[Geometry.InodeSize];
        device.Read(PlaceOf(new(Geometry.Superblock.RootInode)), inode);
        return inode;
    }

    public uint RootUid(BlockDevice device) => InodeCore.At((ReadOnlySpan<byte>)RootInode(device)).Uid;

    /// <summary>The two regions of an item that gives the root directory another owner.</summary>
    public byte[][] SetRootUid(uint uid, Action<byte[], byte[]>? change = null)
    {
        ulong root = Geometry.Superblock.RootInode;
        long place = PlaceOf(new(root)), cluster = place / Geometry.InodeClusterBytes * Geometry.InodeClusterBytes;
        byte[] format = new byte[LogInodeItem.Size];
        BinaryPrimitives.WriteUInt16LittleEndian(format, (ushort)LogItemType.Inode);
        BinaryPrimitives.WriteUInt16LittleEndian(format.AsSpan(2), 2);
        BinaryPrimitives.WriteUInt32LittleEndian(format.AsSpan(4), LogInodeItem.Core);
        BinaryPrimitives.WriteUInt64LittleEndian(format.AsSpan(16), root);
        BinaryPrimitives.WriteUInt64LittleEndian(format.AsSpan(40), (ulong)cluster / 512);
        BinaryPrimitives.WriteUInt32LittleEndian(format.AsSpan(48), (uint)Geometry.InodeClusterBytes / 512);
        BinaryPrimitives.WriteUInt32LittleEndian(format.AsSpan(52), (uint)(place - cluster));
        byte[] core = RootInode(Device)[..InodeCore.Size];
        InodeCore.At(core.AsSpan()).Uid = uid;
        LogInodeCore.Swap(core, core, bigTime: true, largeCounters: true);
        change?.Invoke(format, core);
        return [format, core];
    }

    /// <summary>A buffer item with one run of chunks.</summary>
    public static byte[][] Buffer(long offset, int length, ushort flags, int firstChunk, byte[] data)
    {
        int words = (length + 4095) / 4096;
        byte[] format = new byte[Math.Max(24, LogBufferItem.FixedSize + 4 * words)];
        BinaryPrimitives.WriteUInt16LittleEndian(format, (ushort)LogItemType.Buffer);
        BinaryPrimitives.WriteUInt16LittleEndian(format.AsSpan(2), (ushort)(data.Length == 0 ? 1 : 2));
        BinaryPrimitives.WriteUInt16LittleEndian(format.AsSpan(4), flags);
        BinaryPrimitives.WriteUInt16LittleEndian(format.AsSpan(6), (ushort)(length / 512));
        BinaryPrimitives.WriteUInt64LittleEndian(format.AsSpan(8), (ulong)offset / 512);
        BinaryPrimitives.WriteUInt32LittleEndian(format.AsSpan(16), (uint)words);
        for (int i = 0; i < data.Length / LogBufferItem.ChunkSize; i++)
            format[LogBufferItem.FixedSize + (firstChunk + i) / 8] |= (byte)(1 << (firstChunk + i) % 8);
        return data.Length == 0 ? [format] : [format, data];
    }

    /// <summary>Flags of a buffer item of a type.</summary>
    public static ushort Flags(LogBufferType type) => (ushort)((int)type << LogBufferItem.TypeShift);

    /// <summary>The label of the file system, changed in the log as the kernel does it.</summary>
    public byte[][] SetLabel(string label)
    {
        byte[] sector = new byte[384];
        Device.Read(0, sector);
        Span<byte> name = sector.AsSpan(108, 12);
        name.Clear();
        System.Text.Encoding.ASCII.GetBytes(label, name);
        return Buffer(0, Geometry.SectorSize, Flags(LogBufferType.Superblock), 0, sector);
    }

    public static string Label(BlockDevice device)
    {
        byte[] sector = new byte[512];
        device.Read(0, sector);
        return Superblock.At((ReadOnlySpan<byte>)sector).Label.ToString();
    }

    private long PlaceOf(InodeNumber number)
    {
        AgInode inAg = Geometry.InodeInAg(number);
        return Geometry.ByteOffset(Geometry.AgOf(number), Geometry.BlockOf(inAg)) + (long)(inAg.Value % (uint)Geometry.InodesPerBlock) * Geometry.InodeSize;
    }
}
