using System.Buffers.Binary;
using ImageFs.Format;

namespace ImageFs.Fsck;

/// <summary>Holds the records of a reverse map against the claims of its group.</summary>
/// <remarks>
/// The leaves are read a second time instead of being remembered: the tree's own blocks are among the claims, so nothing can be
/// compared before the first walk is over, and the records of a full group would double the memory of the check.
/// </remarks>
internal sealed class RmapCompare(Scan scan)
{
    private readonly byte[] _block = new byte[scan.Geometry.BlockSize];
    private readonly PackedList<Claim> _leaf = new();
    private int _next;

    /// <param name="expected">All claims, sorted and merged as in the rmapbt.</param>
    /// <param name="leaves">The leaves of the tree in their order; the first walk has verified them.</param>
    public void Compare(AgNumber ag, PackedList<Claim> expected, ReadOnlySpan<uint> leaves)
    {
        _next = 0;
        foreach (uint leaf in leaves)
        {
            AgBlock block = new(leaf);
            if (!scan.TryRead(scan.Geometry.ByteOffset(ag, block), _block, "rmapbt block", scan.At(ag, block))) return;
            ReadOnlySpan<byte> records = _block.AsSpan(ShortBtreeHeader.Size, ShortBtreeHeader.At((ReadOnlySpan<byte>)_block).RecordCount * RmapRecord.Size);
            int same = CountSame(expected.Span[_next..], records);
            _next += same;
            records = records[(same * RmapRecord.Size)..];
            if (records.IsEmpty) continue;
            _leaf.Clear();
            for (; !records.IsEmpty; records = records[RmapRecord.Size..]) _leaf.Add(RmapVisitor.Read(records));
            CompareLeaf(ag, expected.Span, _leaf.Span);
        }
        for (; _next < expected.Count; _next++) Missing(ag, expected[_next]);
    }

    /// <summary>How many records of a leaf are as expected before the first that is not; mostly all are.</summary>
    private static int CountSame(ReadOnlySpan<Claim> expected, ReadOnlySpan<byte> records)
    {
        int same = 0;
        for (; same < expected.Length && records.Length >= RmapRecord.Size; records = records[RmapRecord.Size..], same++)
        {
            Claim found = RmapVisitor.Read(records);
            ref readonly Claim want = ref expected[same];
            if (found.Start != want.Start || found.Count != want.Count || found.Owner != want.Owner || found.Offset != want.Offset) break;
        }
        return same;
    }

    private void CompareLeaf(AgNumber ag, ReadOnlySpan<Claim> expected, ReadOnlySpan<Claim> found)
    {
        int e = _next;
        for (int f = 0; f < found.Length;)
        {
            int order = e == expected.Length ? 1 : Claim.Compare(expected[e], found[f]);
            if (order == 0 && expected[e].Count == found[f].Count && expected[e].Offset == found[f].Offset)
            {
                e++;
                f++;
                continue;
            }
            bool sameRun = e < expected.Length && expected[e].Start == found[f].Start && expected[e].Count == found[f].Count;
            // One run, two opinions: one finding, unless the other opinion is right about somebody else.
            if (order == 0 || sameRun && !Has(expected, e, found[f]) && !Has(found, f, expected[e]))
            {
                Claim want = expected[e++], have = found[f++];
                string says = want.Count == have.Count ? have.ToString() : $"{have.Count} blocks";
                scan.Report(FindingCodes.RmapDiffers, Place(ag, want), want.Count, want.Start, want.ToString(), says);
            }
            else if (order < 0) Missing(ag, expected[e++]);
            else
            {
                Claim have = found[f++];
                scan.Report(FindingCodes.RmapExtra, Place(ag, have), have.Count, have.Start, have.ToString());
            }
        }
        _next = e;
    }

    private void Missing(AgNumber ag, in Claim want) =>
        scan.Report(FindingCodes.RmapMissing, Place(ag, want), want.Count, want.Start, want.ToString());

    private static bool Has(ReadOnlySpan<Claim> claims, int from, in Claim wanted)
    {
        for (int i = from; i < claims.Length && claims[i].Start == wanted.Start; i++)
            if (claims[i].Owner == wanted.Owner && claims[i].Offset == wanted.Offset && claims[i].Count == wanted.Count) return true;
        return false;
    }

    private static Where Place(AgNumber ag, in Claim claim) => new(ag.Value, claim.Start, claim.IsInode ? claim.Owner : null);
}
