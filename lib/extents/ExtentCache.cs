using System.Diagnostics;
using ImageFs.Format;

namespace ImageFs.Extents;

/// <summary>What lies at a place of a file, as far as it is one thing.</summary>
/// <param name="Offset">First file block.</param>
/// <param name="End">First file block behind it.</param>
/// <param name="Start">First device block; null in a hole.</param>
/// <param name="Unwritten">Mapped, but reads as zeros.</param>
/// <param name="Private">No other owner: may be written in place. False also where nobody has asked yet.</param>
internal readonly record struct Segment(FileBlock Offset, FileBlock End, FsBlock Start, bool Unwritten, bool Private)
{
    public bool IsHole => Start.IsNull;

    /// <summary>Reads as zeros.</summary>
    public bool IsZero => Start.IsNull || Unwritten;
}

/// <summary>
/// The data fork of an open inode, decoded: what lets reads and overwrites go without <c>Volume.Gate</c>. Filled one leaf of
/// the bmbt at a time, when it is first looked at.
/// </summary>
/// <remarks>
/// Chunks are immutable but for the marks of what is private, and so is the sorted array of them: who looks something up
/// takes no lock. Who changes a mapping forgets the chunks over it (<see cref="BlockMap.Changing"/>) while he holds the inode
/// exclusively, so nobody is looking.
/// Always true: chunks do not overlap, and what a chunk says of its range is what the fork says.
/// </remarks>
internal sealed class ExtentCache
{
    /// <summary>Chunks kept of one inode: about half a million extents in 12 MB. A file with more loads some of them again and again.</summary>
    private const int MaxChunks = 2048;

    private sealed class Chunk(ulong from, ulong to, Extent[] extents, bool allPrivate)
    {
        public readonly ulong From = from, To = to;
        public readonly Extent[] Extents = extents;
        /// <summary>The inode had no reflink flag when this was loaded.</summary>
        public volatile bool AllPrivate = allPrivate;
        /// <summary>A bit for each extent known to have no other owner.</summary>
        public ulong[]? Private;
    }

    private readonly Lock _changing = new();
    private volatile Chunk[] _chunks = [];

    /// <summary>What lies at a file block.</summary>
    /// <returns>False if it has to be loaded first.</returns>
    public bool TryFind(FileBlock at, out Segment segment)
    {
        Chunk[] chunks = _chunks;
        int place = chunks.Length == 1 ? 0 : IndexAtOrBefore(chunks, at.Value);
        if ((uint)place >= (uint)chunks.Length || at.Value >= chunks[place].To || at.Value < chunks[place].From)
        {
            segment = default;
            return false;
        }
        segment = Find(chunks[place], at);
        return true;
    }

    private static Segment Find(Chunk chunk, FileBlock at)
    {
        Extent[] extents = chunk.Extents;
        int index = IndexAtOrBefore(extents, at);
        if (index >= 0 && extents[index].End > at)
        {
            ref readonly Extent extent = ref extents[index];
            return new Segment(extent.Offset, extent.End, extent.Start, extent.Unwritten, IsPrivate(chunk, index));
        }
        ulong from = index >= 0 ? extents[index].End.Value : chunk.From, to = index + 1 < extents.Length ? extents[index + 1].Offset.Value : chunk.To;
        return new Segment(new FileBlock(from), new FileBlock(to), FsBlock.Null, false, false);
    }

    private static bool IsPrivate(Chunk chunk, int index) =>
        chunk.AllPrivate || (Volatile.Read(ref chunk.Private) is ulong[] bits && (Volatile.Read(ref bits[index >> 6]) >> (index & 63) & 1) != 0);

    /// <summary>Adds what was read of a fork. Under <c>Volume.Gate</c>.</summary>
    /// <param name="from">First file block the extents speak of.</param>
    /// <param name="to">First file block behind.</param>
    /// <param name="extents">Sorted, not overlapping.</param>
    /// <param name="allPrivate">The inode shares nothing.</param>
    public void Add(FileBlock at, FileBlock from, FileBlock to, Extent[] extents, bool allPrivate)
    {
        lock (_changing)
        {
            Chunk[] old = _chunks.Length < MaxChunks ? _chunks : [];
            int before = IndexAtOrBefore(old, at.Value);
            // Leaves may have been split or joined since the neighbours were loaded: the new chunk fills the gap between them.
            ulong start = before >= 0 ? Math.Max(from.Value, old[before].To) : from.Value;
            ulong end = before + 1 < old.Length ? Math.Min(to.Value, old[before + 1].From) : to.Value;
            Debug.Assert(start <= at.Value && at.Value < end, "a chunk is loaded where none is");
            Chunk[] now = new Chunk[old.Length + 1];
            old.AsSpan(0, before + 1).CopyTo(now);
            now[before + 1] = new Chunk(start, end, Clip(extents, new FileBlock(start), new FileBlock(end)), allPrivate);
            old.AsSpan(before + 1).CopyTo(now.AsSpan(before + 2));
            _chunks = now;
        }
    }

    /// <summary>A part of an extent has no other owner, says the refcountbt: noted if it is all of the extent. Under <c>Volume.Gate</c>.</summary>
    public void MarkPrivate(in Segment part)
    {
        Chunk[] chunks = _chunks;
        int place = IndexAtOrBefore(chunks, part.Offset.Value);
        if (place < 0) return;
        Chunk chunk = chunks[place];
        int index = IndexAtOrBefore(chunk.Extents, part.Offset);
        // Where copy-on-write waits to be mapped a segment is no longer than what was asked for.
        if (index < 0 || chunk.Extents[index].Offset < part.Offset || chunk.Extents[index].End > part.End) return;
        if (chunk.Private is null) Volatile.Write(ref chunk.Private, new ulong[(chunk.Extents.Length + 63) / 64]);
        Interlocked.Or(ref chunk.Private![index >> 6], 1UL << (index & 63));
    }

    /// <summary>Blocks may have got other owners: nothing is known to be private any more.</summary>
    public void ForgetSharing()
    {
        lock (_changing)
            foreach (Chunk chunk in _chunks)
            {
                chunk.AllPrivate = false;
                Volatile.Write(ref chunk.Private, null);
            }
    }

    /// <summary>A range of file blocks is mapped otherwise now.</summary>
    public void Forget(FileBlock from, FileBlock end)
    {
        lock (_changing)
        {
            Chunk[] old = _chunks;
            if (old.Length == 0) return;
            int first = IndexAtOrBefore(old, from.Value);
            if (first < 0 || old[first].To <= from.Value) first++;
            int behind = first;
            while (behind < old.Length && old[behind].From < end.Value) behind++;
            if (behind == first) return;
            Chunk[] now = new Chunk[old.Length - (behind - first)];
            old.AsSpan(0, first).CopyTo(now);
            old.AsSpan(behind).CopyTo(now.AsSpan(first));
            _chunks = now;
        }
    }

    /// <summary>Only the first and the last extent can reach out of a range.</summary>
    private static Extent[] Clip(Extent[] extents, FileBlock from, FileBlock end)
    {
        int first = 0, behind = extents.Length;
        while (first < behind && extents[first].End <= from) first++;
        while (behind > first && extents[behind - 1].Offset >= end) behind--;
        if (first > 0 || behind < extents.Length) extents = extents[first..behind];
        if (extents.Length == 0) return extents;
        extents[0] = BlockMap.Slice(extents[0], from, end);
        extents[^1] = BlockMap.Slice(extents[^1], from, end);
        return extents;
    }

    private static int IndexAtOrBefore(Extent[] extents, FileBlock at)
    {
        int low = 0, high = extents.Length;
        while (low < high)
        {
            int middle = (low + high) >>> 1;
            if (extents[middle].Offset.Value <= at.Value) low = middle + 1; else high = middle;
        }
        return low - 1;
    }

    private static int IndexAtOrBefore(Chunk[] chunks, ulong at)
    {
        int low = 0, high = chunks.Length;
        while (low < high)
        {
            int middle = (low + high) >>> 1;
            if (chunks[middle].From <= at) low = middle + 1; else high = middle;
        }
        return low - 1;
    }
}
