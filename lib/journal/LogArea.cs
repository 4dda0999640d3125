using ImageFs.Devices;
using ImageFs.Format;

namespace ImageFs.Journal;

/// <summary>The part of a device that is the log: a ring of 512-byte basic blocks.</summary>
public sealed class LogArea
{
    private readonly BlockDevice _device;
    private readonly long _offset;

    /// <summary>Looks at a run of a device as a ring.</summary>
    /// <param name="offset">Bytes from the start of the device.</param>
    /// <param name="basicBlocks">Units of 512 bytes.</param>
    public LogArea(BlockDevice device, long offset, uint basicBlocks)
    {
        _device = device;
        _offset = offset;
        BasicBlocks = basicBlocks;
    }

    /// <summary>The internal log of a file system.</summary>
    public LogArea(BlockDevice device, Geometry geometry)
        : this(device, geometry.LogOffset, checked((uint)(geometry.LogBytes / LogRecordFormat.BasicBlock))) { }

    /// <summary>Basic blocks of the ring.</summary>
    public uint BasicBlocks { get; }

    /// <summary>The block <paramref name="count"/> blocks after <paramref name="block"/>; count is at most the size of the ring.</summary>
    public uint Advance(uint block, uint count) => (uint)(((ulong)block + count) % BasicBlocks);

    /// <summary>Blocks from <paramref name="from"/> forward to <paramref name="to"/>, 0 where they are the same.</summary>
    public uint Distance(uint from, uint to) => to >= from ? to - from : BasicBlocks - from + to;

    /// <summary>Reads whole basic blocks from <paramref name="block"/> on, around the end of the ring if need be.</summary>
    public void Read(uint block, Span<byte> destination)
    {
        int first = BytesBeforeTheEnd(block, destination.Length);
        _device.Read(At(block), destination[..first]);
        if (first < destination.Length) _device.Read(At(0), destination[first..]);
    }

    /// <summary>Writes whole basic blocks from <paramref name="block"/> on, around the end of the ring if need be.</summary>
    public void Write(uint block, ReadOnlySpan<byte> source)
    {
        int first = BytesBeforeTheEnd(block, source.Length);
        _device.Write(At(block), source[..first]);
        if (first < source.Length) _device.Write(At(0), source[first..]);
    }

    private long At(uint block) => _offset + (long)block * LogRecordFormat.BasicBlock;

    private int BytesBeforeTheEnd(uint block, int length)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(block, BasicBlocks);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(length, (long)BasicBlocks * LogRecordFormat.BasicBlock);
        return (int)Math.Min(length, (long)(BasicBlocks - block) * LogRecordFormat.BasicBlock);
    }
}
