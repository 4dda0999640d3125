using System.Buffers;

namespace ImageFs.Devices;

/// <summary>Whoever decides how long mapped bytes may be used.</summary>
internal interface IMappingOwner
{
    /// <summary>True when the bytes must not be looked at any more.</summary>
    bool IsClosed { get; }

    /// <summary>An address was handed out.</summary>
    void AddPin();

    /// <summary>An address was given back.</summary>
    void RemovePin();
}

/// <summary>Mapped bytes as <see cref="Memory{T}"/>. Using it after its owner has closed throws; pinning it keeps the owner open.</summary>
internal sealed unsafe class MappedMemory(IMappingOwner owner, byte* start, int length) : MemoryManager<byte>
{
    private readonly byte* _start = start;

    /// <inheritdoc/>
    public override Span<byte> GetSpan()
    {
        ObjectDisposedException.ThrowIf(owner.IsClosed, owner);
        return new Span<byte>(_start, length);
    }

    /// <inheritdoc/>
    public override MemoryHandle Pin(int elementIndex = 0)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan((uint)elementIndex, (uint)length);
        ObjectDisposedException.ThrowIf(owner.IsClosed, owner);
        owner.AddPin();
        return new MemoryHandle(_start + elementIndex, pinnable: this);
    }

    /// <inheritdoc/>
    public override void Unpin() => owner.RemovePin();

    /// <summary>Nothing is owned here.</summary>
    protected override void Dispose(bool disposing) { }
}

/// <summary>Pieces of memory in a row, as one sequence.</summary>
internal sealed class MappedSequence : ReadOnlySequenceSegment<byte>
{
    private MappedSequence(ReadOnlyMemory<byte> memory, long before)
    {
        Memory = memory;
        RunningIndex = before;
    }

    /// <summary>Joins pieces without copying them.</summary>
    public static ReadOnlySequence<byte> Join(IReadOnlyList<ReadOnlyMemory<byte>> pieces)
    {
        if (pieces.Count == 0) return ReadOnlySequence<byte>.Empty;
        MappedSequence first = new(pieces[0], 0), last = first;
        for (int i = 1; i < pieces.Count; i++)
        {
            MappedSequence next = new(pieces[i], last.RunningIndex + last.Memory.Length);
            last.Next = next;
            last = next;
        }
        return new ReadOnlySequence<byte>(first, 0, last, last.Memory.Length);
    }
}
