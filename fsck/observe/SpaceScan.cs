using System.Buffers.Binary;
using ImageFs.Format;

namespace ImageFs.Fsck;

/// <summary>A run of free blocks in machine order.</summary>
internal struct FreeRun(uint start, uint count)
{
    public uint Start = start, Count = count;
    public readonly ulong End => (ulong)Start + Count;
}

/// <summary>A record of the refcountbt in machine order; the CoW flag is not part of the start here.</summary>
internal struct SharedRun(uint start, uint count, uint owners)
{
    public uint Start = start, Count = count, Owners = owners;
    public readonly ulong End => (ulong)Start + Count;
}

/// <summary>Takes the records of a free-space btree.</summary>
internal struct FreeVisitor(Scan scan, AgNumber ag, string name, bool byStart, PackedList<FreeRun> runs) : ILeafVisitor
{
    private ulong _end;

    public ulong Blocks { get; private set; }
    public uint Last { get; private set; }
    public bool Rejected { get; private set; }

    public void Visit(Where at, ReadOnlySpan<byte> records)
    {
        Geometry g = scan.Geometry;
        uint length = g.AgLength(ag);
        for (; records.Length > 0; records = records[FreeSpaceRecord.Size..])
        {
            FreeRun run = new(BinaryPrimitives.ReadUInt32BigEndian(records), BinaryPrimitives.ReadUInt32BigEndian(records[4..]));
            if (run.Count == 0 || run.Start <= g.AgflBlock.Value || run.End > length)
            {
                scan.Report(FindingCodes.FreeRecord, at, name, run.Start, run.Count);
                Rejected = true;
                continue;
            }
            Blocks += run.Count;
            Last = run.Count;
            runs.Add(run);
            if (!byStart) continue;
            if (_end > run.Start) scan.Report(FindingCodes.FreeOverlap, at, run.Start);
            else if (_end == run.Start && _end != 0) scan.Report(FindingCodes.FreeUnmerged, at, run.Start);
            _end = Math.Max(_end, run.End);
        }
    }
}

/// <summary>Checks the records of the reverse map one by one, and remembers the leaves for the comparison.</summary>
internal readonly struct RmapVisitor(Scan scan, AgNumber ag, PackedList<uint> leaves) : ILeafVisitor
{
    /// <summary>A record in machine order.</summary>
    public static Claim Read(ReadOnlySpan<byte> record) => new(
        BinaryPrimitives.ReadUInt32BigEndian(record), BinaryPrimitives.ReadUInt32BigEndian(record[4..]),
        BinaryPrimitives.ReadUInt64BigEndian(record[8..]), BinaryPrimitives.ReadUInt64BigEndian(record[16..]));

    public void Visit(Where at, ReadOnlySpan<byte> records)
    {
        leaves.Add(at.AgBlock!.Value);
        for (; records.Length > 0; records = records[RmapRecord.Size..])
        {
            Claim claim = Read(records);
            if (Judge(claim) is string problem)
                scan.Report(FindingCodes.RmapRecord, at, claim.Count, claim.Start, claim.ToString(), problem);
        }
    }

    private string? Judge(in Claim claim)
    {
        Geometry g = scan.Geometry;
        if (claim.Count == 0) return "no blocks";
        if (claim.End > g.AgLength(ag)) return "outside the group";
        if ((claim.Offset & RmapFlags.Reserved) != 0) return "reserved bits are set";
        if (claim.Start <= g.AgflBlock.Value)
            return claim.Owner == RmapOwner.FileSystem && claim.Start == 0 && claim.Count == g.AgflBlock.Value + 1 ? null : "headers belong to static metadata only";
        if (!claim.IsInode)
        {
            if (claim.Owner is < RmapOwner.Lowest or RmapOwner.Null or RmapOwner.Unknown or RmapOwner.FileSystem) return "no such owner";
            return claim.Offset == 0 ? null : "an offset without a file";
        }
        if (!g.IsValid(new InodeNumber(claim.Owner))) return "no such inode";
        if ((claim.Offset & RmapFlags.BmbtBlock) != 0) return (claim.Offset & ~(RmapFlags.BmbtBlock | RmapFlags.AttributeFork)) == 0 ? null : "a bmbt block with an offset";
        return (claim.Flags & RmapFlags.AttributeFork) != 0 && (claim.Flags & RmapFlags.Unwritten) != 0 ? "an unwritten attribute" : null;
    }
}

/// <summary>Takes the records of the refcountbt: shared runs, and CoW staging, which claims its blocks.</summary>
internal struct RefcountVisitor(Scan scan, AgNumber ag, PackedList<SharedRun> shared) : ILeafVisitor
{
    private ulong _end;
    private uint _owners;
    private bool _cow;

    public void Visit(Where at, ReadOnlySpan<byte> records)
    {
        Geometry g = scan.Geometry;
        uint length = g.AgLength(ag);
        for (; records.Length > 0; records = records[RefcountRecord.Size..])
        {
            uint raw = BinaryPrimitives.ReadUInt32BigEndian(records);
            bool cow = (raw & RefcountRecord.CowFlag) != 0;
            SharedRun run = new(raw & ~RefcountRecord.CowFlag, BinaryPrimitives.ReadUInt32BigEndian(records[4..]), BinaryPrimitives.ReadUInt32BigEndian(records[8..]));
            void Complain(Scan s, string why) => s.Report(FindingCodes.RefcountRecordBad, at, run.Count, run.Start, run.Owners, why);
            if (run.Count == 0 || run.Start <= g.AgflBlock.Value || run.End > length)
            {
                Complain(scan, "outside the group");
                continue;
            }
            if (cow ? run.Owners != 1 : run.Owners < 2) Complain(scan, cow ? "CoW staging has one owner" : "shared blocks have two owners or more");
            if (cow == _cow && _end > run.Start) Complain(scan, "it overlaps the record before it");
            else if (cow == _cow && _end == run.Start && _owners == run.Owners && _end != 0) Complain(scan, "it continues the record before it");
            (_end, _owners, _cow) = (run.End, run.Owners, cow);
            if (!cow)
            {
                shared.Add(run);
                continue;
            }
            scan.Claims.AddBlocks(ag, run.Start, run.Count, RmapOwner.Cow);
            if (!scan.WasDirty) scan.Report(FindingCodes.CowLeftover, new Where(ag.Value, run.Start), run.Count, run.Start);
        }
    }
}
