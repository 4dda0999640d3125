using System.Numerics;

namespace ImageFs.Fsck;

/// <summary>Sorts claims into the order of the rmapbt, in place.</summary>
/// <remarks>
/// Claims mostly come in order already, which costs one look. What does not is dealt into up to 2048 buckets by the bits of the
/// start in which the claims differ, cyclically and without a second array, and the buckets are sorted by comparison.
/// </remarks>
internal static class ClaimSort
{
    private const int BucketLog = 11, WorthDealing = 1 << 9;

    public static void Sort(Span<Claim> claims)
    {
        if (IsSorted(claims)) return;
        if (claims.Length >= WorthDealing) Deal(claims);
        else claims.Sort(static (a, b) => Claim.Compare(a, b));
    }

    private static bool IsSorted(ReadOnlySpan<Claim> claims)
    {
        for (int i = 1; i < claims.Length; i++)
            if (claims[i - 1].Start >= claims[i].Start && Claim.Compare(claims[i - 1], claims[i]) > 0) return false;
        return true;
    }

    private static void Deal(Span<Claim> claims)
    {
        uint least = uint.MaxValue, most = 0;
        foreach (ref readonly Claim claim in claims)
        {
            least = Math.Min(least, claim.Start);
            most = Math.Max(most, claim.Start);
        }
        int shift = Math.Max(0, 32 - BitOperations.LeadingZeroCount(most - least) - BucketLog);
        Span<int> ends = stackalloc int[1 << BucketLog], next = stackalloc int[1 << BucketLog];
        ends.Clear();
        foreach (ref readonly Claim claim in claims) ends[(int)((claim.Start - least) >> shift)]++;
        int sum = 0;
        for (int b = 0; b < ends.Length; b++)
        {
            next[b] = sum;
            sum += ends[b];
            ends[b] = sum;
        }
        // Each exchange brings one claim to its bucket, so there are at most as many as claims.
        for (int b = 0; b < ends.Length; b++)
            while (next[b] < ends[b])
            {
                ref Claim here = ref claims[next[b]];
                int home = (int)((here.Start - least) >> shift);
                if (home == b) next[b]++;
                else (here, claims[next[home]]) = (claims[next[home]++], here);
            }
        int start = 0;
        foreach (int end in ends)
        {
            Span<Claim> bucket = claims[start..end];
            start = end;
            if (bucket.Length < 2) continue;
            // A bucket that has nearly all of them, as a hostile image may arrange it, is left to the comparison sort.
            if (bucket.Length >= WorthDealing && bucket.Length < claims.Length / 2) Deal(bucket);
            else if (!IsSorted(bucket)) bucket.Sort(static (a, b) => Claim.Compare(a, b));
        }
    }
}
