using System.Numerics;
using ImageFs.Format;

namespace ImageFs.Fsck;

/// <summary>A record of the inobt in machine order, and where its inodes stand in the <see cref="InodeTable"/>.</summary>
internal struct InodeChunk
{
    public uint Start;
    public ushort Holes;
    public byte Count;
    public uint FreeCount;
    public ulong Free;
    /// <summary>Index of the first inode's state; -1 while none of its inodes was found.</summary>
    public int Slot;

    public readonly bool IsHole(int index) => (Holes >> (index >> 2) & 1) != 0;
    public readonly bool IsFree(int index) => (Free >> index & 1) != 0;

    /// <summary>The free mask without the inodes that do not exist.</summary>
    public readonly ulong RealFree
    {
        get
        {
            ulong holes = 0;
            for (int i = 0; i < 16; i++) if ((Holes >> i & 1) != 0) holes |= 0xFUL << (4 * i);
            return Free & ~holes;
        }
    }

    public readonly bool SameAs(in InodeChunk other) =>
        Start == other.Start && Holes == other.Holes && Count == other.Count && FreeCount == other.FreeCount && Free == other.Free;
}

/// <summary>What is remembered of one inode in nine bytes: link counts and this byte.</summary>
[Flags]
internal enum InodeState : byte
{
    None = 0,
    /// <summary>The file type, mode bits 12..15.</summary>
    TypeMask = 0x0F,
    /// <summary>In use, its core could be read.</summary>
    Used = 0x10,
    Reflink = 0x20,
    /// <summary>In use according to the inobt, but its core is damaged.</summary>
    Damaged = 0x40,
    /// <summary>The missing reflink flag, or a name reaching a free inode, was reported already.</summary>
    Reported = 0x80,
}

/// <summary>All inode chunks, and the state of each inode in packed arrays.</summary>
/// <remarks>
/// Chunks of a group are added in rising order before any inode is looked at. Room for the states of a chunk's inodes is made
/// only when one of them was really found, so that a hostile inobt cannot claim memory with chunks that do not exist. Several
/// workers may do so side by side.
/// </remarks>
internal sealed class InodeTable(Geometry geometry, MemoryBudget budget)
{
    /// <summary>Link count, names found and state of the inodes of a chunk, and the number that stands for its parent pointers.</summary>
    private const int BytesOfChunk = InodeChunkRecord.InodesPerChunk * (4 + 4 + 1 + 8) + 32;

    private readonly PackedList<InodeChunk>?[] _chunks = new PackedList<InodeChunk>?[geometry.AgCount];
    private readonly Lock _lock = new();
    private readonly bool[] _isIncomplete = new bool[geometry.AgCount];
    private Segment?[] _segments = [];
    private int _slots;

    /// <summary>Inodes that keep their place, whoever makes room for others.</summary>
    private sealed class Segment
    {
        public const int SizeLog = 14, Size = 1 << SizeLog;
        public readonly uint[] Links = new uint[Size], Names = new uint[Size];
        public readonly InodeState[] States = new InodeState[Size];
    }

    /// <summary>Says that a group may have more chunks than could be found.</summary>
    public void MarkIncomplete(AgNumber ag) => _isIncomplete[ag.Value] = true;

    /// <summary>True if an inode may exist although no chunk was found for it.</summary>
    public bool MayExist(ulong inode) => geometry.IsValid(new InodeNumber(inode)) && _isIncomplete[geometry.AgOf(new InodeNumber(inode)).Value];

    public Span<InodeChunk> Chunks(AgNumber ag) => _chunks[ag.Value] is { } list ? list.Span : [];

    public void AddChunk(AgNumber ag, in InodeChunk chunk) => (_chunks[ag.Value] ??= new PackedList<InodeChunk>()).Add(chunk);

    /// <summary>Puts other chunks in the place of a group's; none of their inodes has been looked at.</summary>
    public void ReplaceChunks(AgNumber ag, IEnumerable<InodeChunk> chunks)
    {
        PackedList<InodeChunk> list = _chunks[ag.Value] = new PackedList<InodeChunk>();
        foreach (InodeChunk chunk in chunks) list.Add(chunk);
        _isIncomplete[ag.Value] = false;
    }

    /// <summary>Makes room for the inodes of a chunk.</summary>
    public void MakeSlots(ref InodeChunk chunk)
    {
        if (Volatile.Read(ref chunk.Slot) >= 0) return;
        lock (_lock)
        {
            if (chunk.Slot >= 0) return;
            budget.AddTables(BytesOfChunk);
            budget.Require();
            int segment = _slots >> Segment.SizeLog;
            if (segment == _segments.Length) Array.Resize(ref _segments, Math.Max(4, 2 * segment));
            _segments[segment] ??= new Segment();
            Volatile.Write(ref chunk.Slot, _slots);
            _slots = checked(_slots + InodeChunkRecord.InodesPerChunk);
        }
    }

    /// <summary>The link count an inode claims.</summary>
    public ref uint Links(int slot) => ref _segments[slot >> Segment.SizeLog]!.Links[slot & (Segment.Size - 1)];
    /// <summary>The names that were found for it.</summary>
    public ref uint Names(int slot) => ref _segments[slot >> Segment.SizeLog]!.Names[slot & (Segment.Size - 1)];
    public ref InodeState State(int slot) => ref _segments[slot >> Segment.SizeLog]!.States[slot & (Segment.Size - 1)];

    /// <summary>The slot of an inode, -1 if no chunk holds it or nothing of its chunk was found.</summary>
    public int Find(ulong inode)
    {
        int ag = -1, chunk = 0;
        return Find(inode, ref ag, ref chunk);
    }

    /// <inheritdoc cref="Find(ulong)"/>
    /// <param name="lastAg">Where the last one was found, and this one; -1 at first.</param>
    public int Find(ulong inode, ref int lastAg, ref int lastChunk)
    {
        int shift = geometry.AgBlockLog + geometry.InodesPerBlockLog;
        ulong ag = inode >> shift;
        if (ag >= geometry.AgCount || _chunks[ag] is not { } list) return -1;
        uint number = (uint)(inode & ((1UL << shift) - 1));
        Span<InodeChunk> chunks = list.Span;
        // Names of a directory lead to neighbours: ask the chunk of last time first.
        int index = lastAg == (int)ag && lastChunk < chunks.Length && number - chunks[lastChunk].Start < 64 ? lastChunk : Search(chunks, number);
        if (index < 0) return -1;
        lastAg = (int)ag;
        lastChunk = index;
        ref InodeChunk chunk = ref chunks[index];
        int inside = (int)(number - chunk.Start);
        return chunk.Slot < 0 || chunk.IsHole(inside) ? -1 : chunk.Slot + inside;
    }

    /// <summary>Index of the chunk that holds an inode of the group, -1 if none does.</summary>
    public static int Search(ReadOnlySpan<InodeChunk> chunks, uint number)
    {
        int low = 0, high = chunks.Length;
        while (low < high)
        {
            int middle = (low + high) >>> 1;
            if (chunks[middle].Start <= number) low = middle + 1; else high = middle;
        }
        return low > 0 && number - chunks[low - 1].Start < InodeChunkRecord.InodesPerChunk ? low - 1 : -1;
    }

    /// <summary>Inodes of a chunk that exist.</summary>
    public static int CountOf(ushort holes) => InodeChunkRecord.InodesPerChunk - 4 * BitOperations.PopCount(holes);
}
