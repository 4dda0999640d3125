using System.Buffers.Binary;

namespace ImageFs.Tests.Dax;

/// <summary>
/// What every unit of a few files holds, when it came to hold it, and who is about to change it. Changes of one unit exclude one
/// another (<see cref="Take"/>), so each unit has one history; readers take nothing, and their finds are judged by when they looked.
/// </summary>
/// <remarks>
/// Every 8 bytes of a unit tell the version that wrote them, with its file, unit and writer, and their place inside it. A reader may
/// find any version that was there between the beginning and the end of its look: never one that was replaced before, and never
/// bytes of anything else. Only where bytes are overwritten in place may it find two versions in one unit.
/// </remarks>
internal sealed class VersionedFiles
{
    /// <summary>Bytes of a unit: a part of a block, so that neighbours in one block have writers of their own.</summary>
    public const int Unit = 1024;

    private const int Words = Unit / 8, WordLog = 7, UnitLog = 12, FileLog = 3, WriterLog = 4;

    /// <summary>One call that changes something.</summary>
    public sealed class Change(string name, long start, bool inPlace)
    {
        public readonly string Name = name;
        public readonly long Start = start;
        /// <summary>It may go in place, beside readers.</summary>
        public readonly bool InPlace = inPlace;
        public long End = long.MaxValue;
    }

    private readonly record struct Entry(ulong Version, Change Change);

    private readonly record struct Held(int File, int From, int End, bool Alone);

    // The last list of a file is the history of its size, in units.
    private readonly List<Entry>[][] _history;
    private readonly long[] _lookingSince;
    private readonly LinkedList<Held> _held = [];
    private readonly int _units;
    private long _now;
    private long _versions;

    public VersionedFiles(int files, int units, int readers)
    {
        _units = units;
        Change birth = new("creation", 0, inPlace: false) { End = 0 };
        _history = [.. Enumerable.Range(0, files).Select(_ => Enumerable.Range(0, units + 1).Select(_ => new List<Entry> { new(0, birth) }).ToArray())];
        _lookingSince = new long[readers];
        Array.Fill(_lookingSince, long.MaxValue);
    }

    /// <summary>Units a file has now; it stays so only for who holds its end.</summary>
    public int SizeOf(int file) => (int)Now(file, _units);

    /// <summary>What a unit holds now. For who holds it.</summary>
    public ulong Now(int file, int unit)
    {
        List<Entry> history = _history[file][unit];
        lock (history) return history[^1].Version;
    }

    /// <summary>A version that was never there before.</summary>
    public ulong NewVersion(int file, int unit, int writer) =>
        (ulong)(((((Interlocked.Increment(ref _versions) << WriterLog) | (long)writer) << FileLog) | (long)file) << UnitLog) | (uint)unit;

    /// <summary>Waits until nobody else changes a range, nor, for who changes it himself, looks after it; both ranges at once.</summary>
    public IDisposable Take(int file, int from, int end, bool alone = true, (int File, int From, int End, bool Alone)? other = null)
    {
        Held one = new(file, from, end, alone);
        Held? two = other is (int f, int a, int b, bool l) ? new Held(f, a, b, l) : null;
        lock (_held)
        {
            while (_held.Any(held => Conflict(held, one) || two is Held second && Conflict(held, second))) Monitor.Wait(_held);
            LinkedListNode<Held> first = _held.AddLast(one);
            return new Release(this, first, two is Held more ? _held.AddLast(more) : null);
        }
    }

    private static bool Conflict(in Held a, in Held b) => a.File == b.File && a.From < b.End && b.From < a.End && (a.Alone || b.Alone);

    private sealed class Release(VersionedFiles files, LinkedListNode<Held> one, LinkedListNode<Held>? other) : IDisposable
    {
        public void Dispose()
        {
            lock (files._held)
            {
                files._held.Remove(one);
                if (other is not null) files._held.Remove(other);
                Monitor.PulseAll(files._held);
            }
        }
    }

    /// <summary>Does something that gives units other contents. The caller has taken them.</summary>
    /// <param name="now">File, unit and version of each; the unit behind the last one stands for the size.</param>
    public void Do(string name, bool inPlace, IEnumerable<(int File, int Unit, ulong Version)> now, Action call)
    {
        Change change = new(name, Interlocked.Increment(ref _now), inPlace);
        long oldest = _lookingSince.Min(since => Volatile.Read(ref since));
        foreach ((int file, int unit, ulong version) in now.ToArray())
        {
            List<Entry> history = _history[file][unit];
            lock (history)
            {
                // What the one who has looked for the longest time cannot find any more is forgotten.
                int old = 0;
                while (old + 1 < history.Count && history[old + 1].Change.End < oldest) old++;
                history.RemoveRange(0, old);
                history.Add(new Entry(version, change));
            }
        }
        call();
        Volatile.Write(ref change.End, Interlocked.Increment(ref _now));
    }

    /// <summary>The size of a file as <see cref="Do"/> wants it.</summary>
    public (int, int, ulong) Size(int file, int units) => (file, _units, (ulong)units);

    /// <summary>A reader begins to look.</summary>
    public long BeginLook(int reader)
    {
        // In this order: what is forgotten meanwhile was replaced before the look began.
        Volatile.Write(ref _lookingSince[reader], Volatile.Read(ref _now));
        return Interlocked.Increment(ref _now);
    }

    /// <summary>Judges what a reader found between two moments. Fails with the unit, what it held and what was expected.</summary>
    /// <param name="bytes">What was found from a unit on, as far as the file went.</param>
    /// <param name="asked">Units that were asked for.</param>
    /// <param name="mixes">The look was no call of the library, so that nothing is seen whole.</param>
    /// <param name="excludesWriters">Nobody could write in place meanwhile.</param>
    public void EndLook(int reader, long began, int file, int from, ReadOnlySpan<byte> bytes, int asked, bool mixes = false, bool excludesWriters = false)
    {
        long ended = Interlocked.Increment(ref _now);
        List<ulong> possible = [];
        Possible(file, _units, began, ended, possible, out _);
        int length = bytes.Length;
        if (!possible.Any(size => Math.Clamp((int)size - from, 0, asked) * Unit == length))
            throw new AssertFailedException($"file {file}: {bytes.Length} bytes from unit {from} on, of {asked} units; the size could be {string.Join(", ", possible)} units");
        for (int i = 0; i < length / Unit; i++)
        {
            Possible(file, from + i, began, ended, possible, out bool overwritten);
            ReadOnlySpan<byte> unit = bytes.Slice(i * Unit, Unit);
            ulong found = BinaryPrimitives.ReadUInt64LittleEndian(unit) >> WordLog;
            if (possible.Contains(found) && IsWhole(unit, found)) continue;
            if ((mixes && possible.Count > 1 || overwritten && !excludesWriters) && IsMixedOf(unit, possible)) continue;
            List<Entry> history = _history[file][from + i];
            lock (history)
                throw new AssertFailedException($"file {file}, unit {from + i}: {Describe(found)}{(IsWhole(unit, found) ? "" : " and others")}, looked from {began} to {ended}; "
                    + string.Join("; ", history.Select(e => $"{e.Change.Name} from {e.Change.Start} to {e.Change.End}: {Describe(e.Version)}")));
        }
        Volatile.Write(ref _lookingSince[reader], long.MaxValue);
    }

    private void Possible(int file, int unit, long began, long ended, List<ulong> versions, out bool overwritten)
    {
        versions.Clear();
        overwritten = false;
        List<Entry> history = _history[file][unit];
        lock (history)
            for (int i = history.Count - 1; i >= 0; i--)
            {
                Entry entry = history[i];
                if (entry.Change.Start > ended) continue;
                versions.Add(entry.Version);
                long end = Volatile.Read(ref entry.Change.End);
                overwritten |= entry.Change.InPlace && end > began;
                // What was there before this was replaced before the look began.
                if (end < began) return;
            }
    }

    /// <summary>The bytes of a version.</summary>
    public static void Render(ulong version, Span<byte> unit)
    {
        unit.Clear();
        for (int word = 0; version != 0 && word < Words; word++) BinaryPrimitives.WriteUInt64LittleEndian(unit[(word * 8)..], (version << WordLog) | (uint)word);
    }

    private static bool IsWhole(ReadOnlySpan<byte> unit, ulong version)
    {
        Span<byte> expected = stackalloc byte[Unit];
        Render(version, expected);
        return unit.SequenceEqual(expected);
    }

    private static bool IsMixedOf(ReadOnlySpan<byte> unit, List<ulong> versions)
    {
        Span<byte> expected = stackalloc byte[Unit];
        Span<bool> explained = stackalloc bool[Unit];
        explained.Clear();
        foreach (ulong version in versions)
        {
            Render(version, expected);
            for (int i = 0; i < Unit; i++) explained[i] |= unit[i] == expected[i];
        }
        return !explained.Contains(false);
    }

    private static string Describe(ulong version) => version == 0 ? "zeros"
        : $"version {version >> (UnitLog + FileLog + WriterLog)} by {version >> (UnitLog + FileLog) & 15} for file {version >> UnitLog & 7}, unit {version & 0xFFF}";
}
