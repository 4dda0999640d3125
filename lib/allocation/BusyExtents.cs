using System.Numerics;
using ImageFs.Format;
using ImageFs.Transactions;

namespace ImageFs.Allocation;

/// <summary>
/// Runs freed by transactions that are not durable yet. Promise 3: nobody writes there before, because a power cut would
/// leave the old owner looking at somebody else's bytes.
/// </summary>
/// <remarks>A bit for each block, in chunks that exist only where something is busy: whoever deletes a file of a hundred thousand
/// pieces asks for every one of them.</remarks>
internal sealed class BusyExtents
{
    private const int ChunkLog = 12, WordsPerChunk = (1 << ChunkLog) / 64;
    private readonly Dictionary<uint, ulong[]?[]> _groups = [];

    private long _blocks;

    /// <summary>Another one whenever blocks may be used that could not before: a search that found nothing would find nothing again until then.</summary>
    public int Version { get; private set; }

    /// <summary>A transaction was taken back, and with it what it had allocated.</summary>
    public void NoteAbort() => Version++;

    /// <summary>True if anything waits for a checkpoint.</summary>
    public bool Any => _blocks > 0;

    /// <summary>Adds the runs a committed transaction freed.</summary>
    public void Add(IEnumerable<FreedExtent> freed)
    {
        foreach (FreedExtent one in freed)
        {
            uint end = one.Start.Value + one.Length;
            int needed = (int)((end - 1) >> ChunkLog) + 1;
            if (!_groups.TryGetValue(one.Ag.Value, out ulong[]?[]? chunks)) chunks = [];
            if (chunks.Length < needed) Array.Resize(ref chunks, Math.Max(needed, 2 * chunks.Length));
            _groups[one.Ag.Value] = chunks;
            Mark(chunks, one.Start.Value, end, busy: true);
        }
    }

    /// <summary>Takes back what <see cref="Add"/> added: the transaction was undone, the runs have their owners again.</summary>
    public void Remove(IEnumerable<FreedExtent> freed)
    {
        Version++;
        foreach (FreedExtent one in freed)
            if (_groups.TryGetValue(one.Ag.Value, out ulong[]?[]? chunks)) Mark(chunks, one.Start.Value, one.Start.Value + one.Length, busy: false);
    }

    private void Mark(ulong[]?[] chunks, uint from, uint end, bool busy)
    {
        for (uint block = from; block < end; block++)
        {
            ulong[] chunk = chunks[block >> ChunkLog] ??= new ulong[WordsPerChunk];
            ref ulong word = ref chunk[block >> 6 & (WordsPerChunk - 1)];
            ulong bit = 1UL << (int)(block & 63);
            if ((word & bit) != 0 == busy) continue;
            word ^= bit;
            _blocks += busy ? 1 : -1;
        }
    }

    /// <summary>Everything freed so far is durable.</summary>
    public void Clear()
    {
        Version++;
        _groups.Clear();
        _blocks = 0;
    }

    /// <summary>
    /// The longest part of a free run that is not busy, neither here nor in the running transaction, or the first that is long
    /// enough.
    /// </summary>
    /// <param name="enough">Blocks beyond which a part need not be better.</param>
    public void Trim(Transaction tx, AgNumber ag, ref uint start, ref uint length, uint enough = uint.MaxValue)
    {
        _groups.TryGetValue(ag.Value, out ulong[]?[]? chunks);
        List<FreedExtent> freed = tx.Freed;
        if (chunks is null && freed.Count == 0) return;

        uint bestStart = start, bestLength = 0, at = start, end = start + length;
        while (at < end)
        {
            uint busy = chunks is null ? end : Next(chunks, at, end, set: true), behind = busy;
            foreach (FreedExtent one in freed)
                if (one.Ag == ag && one.Start.Value < busy && one.Start.Value + one.Length > at)
                    (busy, behind) = (Math.Max(at, one.Start.Value), one.Start.Value + one.Length);
            if (busy - at > bestLength) (bestStart, bestLength) = (at, busy - at);
            if (busy >= end || bestLength >= enough) break;
            at = behind > busy ? behind : Next(chunks!, busy, end, set: false);
        }
        start = bestStart;
        length = bestLength;
    }

    /// <summary>The first block from one on that is busy, or that is not; <paramref name="end"/> if there is none.</summary>
    private static uint Next(ulong[]?[] chunks, uint at, uint end, bool set)
    {
        while (at < end)
        {
            ulong[]? chunk = at >> ChunkLog < chunks.Length ? chunks[at >> ChunkLog] : null;
            if (chunk is null)
            {
                if (!set) return at;
                if (at >> ChunkLog >= chunks.Length) return end;
                at = Math.Min(end, ((at >> ChunkLog) + 1) << ChunkLog);
                continue;
            }
            ulong word = chunk[at >> 6 & (WordsPerChunk - 1)];
            word = (set ? word : ~word) >> (int)(at & 63);
            if (word != 0) return Math.Min(end, at + (uint)BitOperations.TrailingZeroCount(word));
            at = (at | 63) + 1;
        }
        return end;
    }
}
