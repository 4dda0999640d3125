using System.Numerics;
using ImageFs.Format;

namespace ImageFs.Journal;

/// <summary>The format of a buffer item: which buffer, what it is, and which of its 128-byte chunks follow.</summary>
/// <remarks>xfs_buf_log_format.</remarks>
/// <param name="Address">Units of 512 bytes from the start of the device.</param>
/// <param name="Blocks">Units of 512 bytes.</param>
internal readonly record struct BufferFormat(ulong Address, uint Blocks, ushort Flags, int MapWords)
{
    private const int MostBlocks = 65536 / LogRecordFormat.BasicBlock;
    private const ushort DquotFlags = 0x1C;

    public bool IsCancel => (Flags & LogBufferItem.Cancel) != 0;
    public bool IsInodeBuffer => (Flags & LogBufferItem.InodeBuffer) != 0;
    /// <summary>A bit for user, project and group quota, or 0.</summary>
    public int Dquot => Flags & DquotFlags;
    public bool IsDquot => Dquot != 0;
    public LogBufferType Type => (LogBufferType)(Flags >> LogBufferItem.TypeShift);
    public long Offset => (long)Address * LogRecordFormat.BasicBlock;
    public int Length => (int)Blocks * LogRecordFormat.BasicBlock;

    /// <summary>
    /// Reads and bounds the format: the buffer lies on the device and the bitmap in the region. The file system may have been
    /// smaller than the device, and its growth be among what the log tells.
    /// </summary>
    /// <param name="deviceBytes">Bytes of the device.</param>
    public static BufferFormat Read(LogItem item, long deviceBytes)
    {
        ReadOnlySpan<byte> f = item.Format;
        if (f.Length < LogBufferItem.FixedSize) throw Corrupt($"its format has {f.Length} bytes, at least {LogBufferItem.FixedSize} are needed");
        BufferFormat format = new(f.U64(8), f.U16(6), f.U16(4), (int)Math.Min(f.U32(16), int.MaxValue));
        if (format.Blocks is 0 or > MostBlocks) throw Corrupt($"the buffer has {format.Blocks} blocks of 512 bytes, 1..{MostBlocks} possible");
        ulong device = (ulong)deviceBytes / LogRecordFormat.BasicBlock;
        if (format.Address >= device || format.Blocks > device - format.Address)
            throw Corrupt($"the buffer at daddr {format.Address} with {format.Blocks} blocks is outside the device");
        if (format.MapWords > (f.Length - LogBufferItem.FixedSize) / 4) throw Corrupt($"{format.MapWords} bitmap words do not fit its format");
        return format;
    }

    /// <summary>Copies the logged chunks into the buffer, and tells the caller where each run of them goes.</summary>
    /// <returns>The regions with their places in the buffer.</returns>
    public IEnumerable<(int Offset, ReadOnlyMemory<byte> Bytes)> Runs(LogItem item)
    {
        int bits = MapWords * 32, region = 1;
        for (int bit = 0; bit < bits;)
        {
            if (!IsSet(item.Format, bit))
            {
                bit++;
                continue;
            }
            int run = 1;
            while (bit + run < bits && IsSet(item.Format, bit + run)) run++;
            if (region == item.RegionCount) throw Corrupt($"{region - 1} regions of data, the bitmap tells of more (buffer at daddr {Address})");
            ReadOnlyMemory<byte> bytes = item.Regions[region++];
            // The writer may cut a run where its memory was cut; the next region goes on where this one ends.
            int chunks = Math.Min(run, bytes.Length / LogBufferItem.ChunkSize);
            if (chunks == 0) throw Corrupt($"a region of {bytes.Length} bytes, chunks have {LogBufferItem.ChunkSize} (buffer at daddr {Address})");
            int offset = bit << LogBufferItem.ChunkLog, length = chunks << LogBufferItem.ChunkLog;
            if (offset + length > Length) throw Corrupt($"the bitmap reaches beyond the {Length} bytes of the buffer at daddr {Address}");
            yield return (offset, bytes[..length]);
            bit += chunks;
        }
    }

    private static bool IsSet(ReadOnlySpan<byte> format, int bit) =>
        (format[LogBufferItem.FixedSize + bit / 8] & 1 << bit % 8) != 0;

    private static CorruptionException Corrupt(string problem) => new("log item BUF", "the log", problem);
}

/// <summary>The format of an inode item.</summary>
/// <remarks>xfs_inode_log_format, 56 bytes; 52 where a 32-bit machine wrote it.</remarks>
/// <param name="Address">The inode's cluster, in units of 512 bytes from the start of the device.</param>
/// <param name="Blocks">Units of 512 bytes of the cluster.</param>
/// <param name="InCluster">Bytes from the start of the cluster to the inode.</param>
internal readonly record struct InodeFormat(uint Fields, InodeNumber Number, uint Device, ulong Address, uint Blocks, uint InCluster)
{
    private const int PackedSize = 52, NumberAt = 16, PackedNumberAt = 12;
    private const uint DataFork = LogInodeItem.DataLocal | LogInodeItem.DataExtents | LogInodeItem.DataBtree;
    private const uint AttrFork = LogInodeItem.AttrLocal | LogInodeItem.AttrExtents | LogInodeItem.AttrBtree;

    public bool Has(uint field) => (Fields & field) != 0;
    public bool HasDataFork => Has(DataFork);
    public bool HasAttrFork => Has(AttrFork);
    public long Offset => (long)Address * LogRecordFormat.BasicBlock + InCluster;

    /// <summary>Reads the format and holds it against the geometry: the inode lies where its number says.</summary>
    public static InodeFormat Read(LogItem item, Geometry geometry)
    {
        ReadOnlySpan<byte> f = item.Format;
        if (f.Length < PackedSize) throw Corrupt("inode item", $"its format has {f.Length} bytes, expected {LogInodeItem.Size}");
        int number = f.Length >= LogInodeItem.Size ? NumberAt : PackedNumberAt;
        InodeFormat format = new(f.U32(4), new InodeNumber(f.U64(number)), f.U32(number + 8), f.U64(number + 24), f.U32(number + 32), f.U32(number + 36));
        if (!geometry.IsValid(format.Number)) throw Corrupt(format.Number, "no inode of this file system");
        AgInode agInode = geometry.InodeInAg(format.Number);
        long place = geometry.ByteOffset(geometry.AgOf(format.Number), geometry.BlockOf(agInode))
            + ((long)(agInode.Value & (geometry.InodesPerBlock - 1)) << geometry.InodeLog);
        ulong cluster = (ulong)format.Blocks * LogRecordFormat.BasicBlock;
        if (cluster > 65536 || format.InCluster + (ulong)geometry.InodeSize > cluster || format.Address > (ulong)geometry.DeviceBytes / LogRecordFormat.BasicBlock - format.Blocks)
            throw Corrupt(format.Number, $"cluster at daddr {format.Address} with {format.Blocks} blocks, inode at byte {format.InCluster}: impossible");
        if (format.Offset != place) throw Corrupt(format.Number, $"is said to be at byte {format.Offset} of the device, its place is {place}");
        int regions = 2 + BitOperations.PopCount(format.Fields & (DataFork | AttrFork));
        if (BitOperations.PopCount(format.Fields & DataFork) > 1 || BitOperations.PopCount(format.Fields & AttrFork) > 1 || item.RegionCount > regions || item.RegionCount < 2)
            throw Corrupt(format.Number, $"fields 0x{format.Fields:x} with {item.RegionCount} regions");
        return format;
    }

    private static CorruptionException Corrupt(object inode, string problem) => new("log item INODE", $"inode {inode}", problem);
}
