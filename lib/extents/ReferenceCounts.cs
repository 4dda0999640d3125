using ImageFs.Allocation;
using ImageFs.BTrees;
using ImageFs.Format;
using ImageFs.Transactions;

namespace ImageFs.Extents;

using Cursor = BtreeCursor<RefcountbtKind, RefcountRecord, BigEndian32>;

/// <summary>How many data forks map each block of a group, and which blocks are staged for copy-on-write.</summary>
/// <remarks>
/// Always true: shared records count 2 or more, blocks with one owner have none; staging records count exactly 1, carry bit 31
/// in their start and have an rmap record of owner CoW; touching records of the same kind and count are one.
/// </remarks>
internal static class ReferenceCounts
{
    /// <summary>Records one change may touch; longer runs are done in pieces.</summary>
    private const int RecordLimit = 64;

    private static RefcountRecord Record(uint start, uint count, uint refcount) => new() { Start = start, Count = count, Refcount = refcount };

    /// <summary>The first part of a run that is all shared or all private.</summary>
    /// <param name="length">Blocks looked at; set to those that are alike.</param>
    /// <returns>True if they have more than one owner.</returns>
    public static bool IsShared(AllocationGroup group, AgBlock start, ref uint length)
    {
        if (!group.Geometry.HasReflink) return false;
        uint from = start.Value, end = from + length;
        Cursor cursor = new(group.Refcountbt);
        if (cursor.Seek(from, SeekMode.LessOrEqual))
        {
            RefcountRecord record = Checked(group, cursor.Current);
            uint recordEnd = record.Start + record.Count;
            if (recordEnd > from)
            {
                length = Math.Min(recordEnd, end) - from;
                return true;
            }
        }
        if (cursor.Seek(from, SeekMode.GreaterOrEqual) && cursor.Current.Start < end) length = cursor.Current.Start - from;
        return false;
    }

    /// <summary>
    /// True if a write to a run must not go in place: somebody else owns its first part too, or would again after a power cut.
    /// </summary>
    /// <param name="length">Blocks looked at; set to those that are alike.</param>
    public static bool MustCopy(AllocationGroup group, AgBlock start, ref uint length) =>
        IsShared(group, start, ref length) || group.Groups.Unshared.Contains(group.Number, start.Value, ref length);

    /// <summary>How much of a run can be changed in one transaction.</summary>
    public static uint Adjustable(AllocationGroup group, AgBlock start, uint length)
    {
        if (!group.Geometry.HasReflink) return length;
        uint end = start.Value + length;
        Cursor cursor = group.Groups.Running is Transaction tx ? group.Counts(tx) : new(group.Refcountbt);
        int seen = 0;
        for (bool more = cursor.Seek(start.Value, SeekMode.GreaterOrEqual); more && cursor.Current.Start < end; more = cursor.Next())
            if (++seen > RecordLimit) return cursor.Current.Start - start.Value;
        return length;
    }

    /// <summary>One more owner for every block of a run that has at least one.</summary>
    public static void Increase(Transaction tx, AllocationGroup group, AgBlock start, uint length) => Change(tx, group, start, length, +1, null);

    /// <summary>One owner less; runs left without any are given to <paramref name="unowned"/>.</summary>
    public static void Decrease(Transaction tx, AllocationGroup group, AgBlock start, uint length, List<(AgBlock Start, uint Length)> unowned) =>
        Change(tx, group, start, length, -1, unowned);

    private static void Change(Transaction tx, AllocationGroup group, AgBlock start, uint length, int change, List<(AgBlock, uint)>? unowned)
    {
        uint from = start.Value, end = from + length;
        if (!group.Geometry.HasReflink)
        {
            Invariant.Holds(change < 0, "nothing is shared without the reflink feature");
            unowned!.Add((start, length));
            return;
        }
        Cursor cursor = group.Counts(tx);
        List<RefcountRecord> old = [], now = [];
        // Every shared record that overlaps or touches the run. One that begins with it may have a left neighbour that touches too,
        // so the search starts a block before (block 0 holds headers).
        bool more = cursor.Seek(from - 1, SeekMode.LessOrEqual) && cursor.Current.Start + cursor.Current.Count >= from
            || cursor.Seek(from, SeekMode.GreaterOrEqual);
        for (; more && cursor.Current.Start <= end; more = cursor.Next()) old.Add(Checked(group, cursor.Current));

        void Append(uint at, uint count, uint owners)
        {
            if (count == 0) return;
            if (owners == 0) { unowned!.Add((new AgBlock(at), count)); return; }
            if (owners == 1)
            {
                // Undone, it only makes a block move that need not: it is shared again anyway.
                tx.WhenCommitted(() => group.Groups.Unshared.Add(group.Number, at, count), undo: null);
                return;
            }
            if (now.Count > 0 && now[^1].Start + now[^1].Count == at && now[^1].Refcount == owners)
                now[^1] = Record(now[^1].Start, now[^1].Count + count, owners);
            else
                now.Add(Record(at, count, owners));
        }
        uint Changed(uint owners) => owners == RefcountRecord.MaxRefcount ? owners : (uint)(owners + change);

        uint at = from;
        foreach (RefcountRecord record in old)
        {
            uint recordStart = record.Start, recordEnd = recordStart + record.Count;
            if (recordStart < from) Append(recordStart, Math.Min(recordEnd, from) - recordStart, record.Refcount);
            uint inside = Math.Clamp(recordStart, from, end), insideEnd = Math.Clamp(recordEnd, from, end);
            if (inside > at) Append(at, inside - at, Changed(1)); // blocks without a record have one owner
            Append(inside, insideEnd - inside, Changed(record.Refcount));
            at = Math.Max(at, insideEnd);
            if (recordEnd > end) Append(Math.Max(recordStart, end), recordEnd - Math.Max(recordStart, end), record.Refcount);
        }
        Append(at, end - at, Changed(1));
        Replace(cursor, group, old, now);
    }

    /// <summary>Marks a run as staged for copy-on-write: allocated, mapped by nobody, owned by CoW.</summary>
    public static void AddStaging(Transaction tx, AllocationGroup group, AgBlock start, uint length)
    {
        FreeList.Fill(tx, group);
        AddStagingRecord(tx, group, start, length);
        group.FreeSpace.AddRmap(tx, start, length, RmapOwner.Cow);
    }

    /// <summary>The refcountbt's part of <see cref="AddStaging"/>.</summary>
    public static void AddStagingRecord(Transaction tx, AllocationGroup group, AgBlock start, uint length)
    {
        uint from = start.Value | RefcountRecord.CowFlag, end = from + length;
        Cursor cursor = group.Counts(tx);
        List<RefcountRecord> old = [];
        RefcountRecord merged = Record(from, length, 1);
        if (cursor.Seek(from, SeekMode.LessOrEqual) && cursor.Current.Start >= RefcountRecord.CowFlag)
        {
            RefcountRecord left = cursor.Current;
            if (left.Start + left.Count > from) throw group.Corrupt("refcountbt", $"blocks {start}..{start.Value + length - 1} are staged already");
            if (left.Start + left.Count == from)
            {
                old.Add(left);
                merged = Record(left.Start, left.Count + length, 1);
            }
        }
        if (cursor.Seek(from, SeekMode.GreaterOrEqual) && cursor.Current.Start == end)
        {
            old.Add(cursor.Current);
            merged = Record(merged.Start, merged.Count + cursor.Current.Count, 1);
        }
        Replace(cursor, group, old, [merged]);
    }

    /// <summary>Ends the staging of a run, which may be part of a longer record.</summary>
    public static void RemoveStaging(Transaction tx, AllocationGroup group, AgBlock start, uint length)
    {
        FreeList.Fill(tx, group);
        RemoveStagingRecord(tx, group, start, length);
        group.FreeSpace.RemoveRmap(tx, start, length, RmapOwner.Cow);
    }

    /// <summary>The refcountbt's part of <see cref="RemoveStaging"/>.</summary>
    public static void RemoveStagingRecord(Transaction tx, AllocationGroup group, AgBlock start, uint length)
    {
        uint from = start.Value | RefcountRecord.CowFlag, end = from + length;
        Cursor cursor = group.Counts(tx);
        if (!cursor.Seek(from, SeekMode.LessOrEqual) || cursor.Current.Start < RefcountRecord.CowFlag || cursor.Current.Start + cursor.Current.Count < end)
            throw group.Corrupt("refcountbt", $"blocks {start}..{start.Value + length - 1} are not staged");
        RefcountRecord record = cursor.Current;
        List<RefcountRecord> rest = [];
        if (record.Start < from) rest.Add(Record(record.Start, from - record.Start, 1));
        if (record.Start + record.Count > end) rest.Add(Record(end, record.Start + record.Count - end, 1));
        Replace(cursor, group, [record], rest);
    }

    /// <summary>The first staged run of a group at or behind a block, if any.</summary>
    public static bool FirstStaged(AllocationGroup group, out AgBlock start, out uint length)
    {
        (start, length) = (default, 0);
        if (!group.Geometry.HasReflink) return false;
        Cursor cursor = new(group.Refcountbt);
        if (!cursor.Seek(RefcountRecord.CowFlag, SeekMode.GreaterOrEqual)) return false;
        RefcountRecord record = Checked(group, cursor.Current);
        (start, length) = (new AgBlock(record.Start & ~RefcountRecord.CowFlag), record.Count);
        return true;
    }

    private static void Replace(Cursor cursor, AllocationGroup group, List<RefcountRecord> old, List<RefcountRecord> now)
    {
        int same = 0;
        while (same < old.Count && same < now.Count && Same(old[same], now[same])) same++;
        int oldEnd = old.Count, nowEnd = now.Count;
        while (oldEnd > same && nowEnd > same && Same(old[oldEnd - 1], now[nowEnd - 1])) { oldEnd--; nowEnd--; }
        for (int i = same; i < oldEnd; i++)
        {
            if (!cursor.Seek(old[i].Start, SeekMode.Equal)) throw group.Corrupt("refcountbt", $"record {old[i].Start} vanished");
            cursor.Delete();
        }
        for (int i = same; i < nowEnd; i++) cursor.Insert(now[i]);
    }

    private static bool Same(in RefcountRecord a, in RefcountRecord b) => a.Start == b.Start && a.Count == b.Count && a.Refcount == b.Refcount;

    private static RefcountRecord Checked(AllocationGroup group, in RefcountRecord record)
    {
        bool cow = record.Start >= RefcountRecord.CowFlag;
        uint start = record.Start & ~RefcountRecord.CowFlag;
        if (record.Count == 0 || (ulong)start + record.Count > group.Length || (cow ? record.Refcount != 1 : record.Refcount < 2))
            throw group.Corrupt("refcountbt", $"record of {record.Count} blocks at {start} with refcount {record.Refcount}{(cow ? " in the CoW domain" : "")}");
        return record;
    }
}
