using System.Buffers.Binary;
using ImageFs.Format;

namespace ImageFs.Journal;

/// <summary>A transaction whose COMMIT is in the log: all of it happened.</summary>
/// <remarks>The kernel writes checkpoints, which are many of its transactions joined; to the log they are one.</remarks>
/// <param name="Id">oh_tid; used again once the transaction has ended.</param>
/// <param name="Lsn">The record in which it starts: what the blocks it changed carry.</param>
/// <param name="CommitLsn">The record in which it ends.</param>
/// <param name="Items">In the order of the log.</param>
public sealed record LogTransaction(uint Id, LogSequenceNumber Lsn, LogSequenceNumber CommitLsn, IReadOnlyList<LogItem> Items);

/// <summary>One change of one thing: a format that says what is changed, and the new contents.</summary>
public sealed class LogItem
{
    /// <summary>More regions than the largest buffer can be cut into; a count beyond it is damage.</summary>
    internal const int MostRegions = 65536 / LogBufferItem.ChunkSize / 2 + 1;

    private readonly ReadOnlyMemory<byte>[] _regions;
    private int _count;

    internal LogItem(LogItemType type, int regions)
    {
        Type = type;
        _regions = new ReadOnlyMemory<byte>[regions];
    }

    /// <summary>What is changed.</summary>
    public LogItemType Type { get; }

    /// <summary>The format, then the contents; each as one piece, however the log had split it.</summary>
    public IReadOnlyList<ReadOnlyMemory<byte>> Regions => _regions;

    /// <summary>The item's first region.</summary>
    public ReadOnlySpan<byte> Format => _regions[0].Span;

    internal bool IsComplete => _count == _regions.Length;
    internal void Add(ReadOnlyMemory<byte> region) => _regions[_count++] = region;
    internal ref ReadOnlyMemory<byte> Last => ref _regions[_count - 1];
    internal ReadOnlySpan<byte> this[int region] => _regions[region].Span;
    internal int RegionCount => _regions.Length;
}

/// <summary>Reads the little-endian numbers of item formats.</summary>
internal static class LogItemFields
{
    public static ushort U16(this ReadOnlySpan<byte> format, int at) => BinaryPrimitives.ReadUInt16LittleEndian(format[at..]);
    public static uint U32(this ReadOnlySpan<byte> format, int at) => BinaryPrimitives.ReadUInt32LittleEndian(format[at..]);
    public static ulong U64(this ReadOnlySpan<byte> format, int at) => BinaryPrimitives.ReadUInt64LittleEndian(format[at..]);
}
