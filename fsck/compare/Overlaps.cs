using ImageFs.Format;

namespace ImageFs.Fsck;

/// <summary>
/// Sweeps over the sorted claims of a group: gaps are unclaimed blocks, overlaps are shared blocks or, where sharing is not
/// allowed, conflicts.
/// </summary>
/// <remarks>
/// Worked example. Claims [24..88) of inode 131, [24..88) of 132, [40..48) of 133 give refcounts 2 for 24..39, 3 for 40..47 and
/// 2 for 48..87. The heap holds the ends of the claims that cover the current position: its size is the number of owners.
/// A claim enters it only when another one meets it; most are alone, and cost a comparison.
/// </remarks>
internal sealed class Overlaps(Scan scan)
{
    private readonly PriorityQueue<int, ulong> _active = new();
    private int _unshareable;

    /// <param name="unclaimed">Receives the runs of data blocks nobody claims.</param>
    /// <param name="shared">Receives the runs that two or more files share, merged as in the refcountbt.</param>
    public void Find(AgNumber ag, ReadOnlySpan<Claim> claims, PackedList<FreeRun> unclaimed, PackedList<SharedRun> shared)
    {
        unclaimed.Clear();
        shared.Clear();
        _active.Clear();
        _unshareable = 0;
        ulong covered = 0, position = 0;
        for (int i = 0; i < claims.Length; i++)
        {
            ref readonly Claim claim = ref claims[i];
            if (claim.Start >= covered)
            {
                if (_active.Count > 0) Advance(claims, ref position, claim.Start, shared);
                if (claim.Start > covered) unclaimed.Add(new FreeRun((uint)covered, (uint)(claim.Start - covered)));
                covered = claim.End;
                continue;
            }
            // Only the last claim can be the one that was alone: whatever ended before it is behind us.
            if (_active.Count == 0) Enter(claims, i - 1, ref position);
            Advance(claims, ref position, claim.Start, shared);
            covered = Math.Max(covered, claim.End);
            Meet(ag, claims, i);
            Enter(claims, i, ref position);
        }
        Advance(claims, ref position, ulong.MaxValue, shared);
        uint length = scan.Geometry.AgLength(ag);
        if (covered < length) unclaimed.Add(new FreeRun((uint)covered, (uint)(length - covered)));
    }

    private void Enter(ReadOnlySpan<Claim> claims, int index, ref ulong position)
    {
        if (!IsShareable(claims[index])) _unshareable++;
        _active.Enqueue(index, claims[index].End);
        position = claims[index].Start;
    }

    /// <summary>Moves to a position, emitting what lies between, piece by piece as claims end.</summary>
    private void Advance(ReadOnlySpan<Claim> claims, ref ulong position, ulong to, PackedList<SharedRun> shared)
    {
        while (_active.TryPeek(out int top, out ulong end))
        {
            ulong until = Math.Min(end, to);
            if (_active.Count >= 2 && _unshareable == 0 && until > position) Emit(shared, position, until, (uint)_active.Count);
            position = Math.Max(position, until);
            if (end > to) return;
            _active.Dequeue();
            if (!IsShareable(claims[top])) _unshareable--;
        }
    }

    private static void Emit(PackedList<SharedRun> shared, ulong start, ulong end, uint owners)
    {
        if (shared.Count > 0 && shared[shared.Count - 1].End == start && shared[shared.Count - 1].Owners == owners)
            shared[shared.Count - 1].Count += (uint)(end - start);
        else shared.Add(new SharedRun((uint)start, (uint)(end - start), owners));
    }

    /// <summary>A claim begins on blocks that are claimed already.</summary>
    private void Meet(AgNumber ag, ReadOnlySpan<Claim> claims, int newcomer)
    {
        ref readonly Claim claim = ref claims[newcomer];
        ref readonly Claim other = ref claims[_active.Peek()];
        if (_unshareable == 0 && IsShareable(claim) && scan.Geometry.HasReflink)
        {
            CheckFlag(ag, claim);
            // The first of several owners was alone when it came; the later ones meet it or each other.
            if (_active.Count == 1) CheckFlag(ag, other);
            return;
        }
        ulong end = Math.Min(claim.End, other.End);
        scan.Report(FindingCodes.BlockClaimedTwice, new Where(ag.Value, claim.Start, claim.IsInode ? claim.Owner : other.IsInode ? other.Owner : null),
            end - claim.Start, claim.Start, other.ToString(), claim.ToString());
    }

    private bool IsShareable(in Claim claim)
    {
        if (!claim.IsInode || claim.Flags != 0) return false;
        int slot = scan.FindInode(claim.Owner);
        return slot >= 0 && (scan.Inodes.State(slot) & InodeState.TypeMask) == (InodeState)(FileMode16.Regular >> 12);
    }

    private void CheckFlag(AgNumber ag, in Claim claim)
    {
        ref InodeState state = ref scan.Inodes.State(scan.Inodes.Find(claim.Owner));
        if ((state & (InodeState.Reflink | InodeState.Reported)) != 0) return;
        // It is said once of each inode, for the first group that shows it.
        scan.MindOrder();
        state |= InodeState.Reported;
        scan.Report(FindingCodes.ReflinkFlag, new Where(ag.Value, claim.Start, claim.Owner, "flags2"), claim.Start);
    }
}
