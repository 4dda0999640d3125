using ImageFs.Fsck;

namespace ImageFs.Tests.Fsck;

/// <summary>Claims come out in the order of the rmapbt, however they come in.</summary>
[TestClass]
public sealed class ClaimSortTests
{
    [TestMethod]
    [DataRow(0, 1u, 1)]
    [DataRow(100, 1_000u, 3)]
    [DataRow(20_000, 1u, 5)] // all on one block
    [DataRow(50_000, 300u, 2)]
    [DataRow(50_000, 1_000_000u, 2)]
    [DataRow(50_000, uint.MaxValue, 2)]
    public void AnyOrderBecomesThatOfTheReverseMap(int count, uint blocks, int seed)
    {
        Random random = new(seed);
        Claim[] claims = new Claim[count];
        // A tenth of them lies in a corner, so that buckets differ.
        for (int i = 0; i < count; i++)
            claims[i] = new Claim((uint)random.NextInt64(random.Next(10) == 0 ? Math.Min(blocks, 64) : blocks), 1, (ulong)random.Next(128, 140), (ulong)i);
        Claim[] expected = [.. claims.OrderBy(c => c.Start).ThenBy(c => c.Owner).ThenBy(c => c.Offset)];
        ClaimSort.Sort(claims);
        CollectionAssert.AreEqual(expected, claims);
        ClaimSort.Sort(claims);
        CollectionAssert.AreEqual(expected, claims);
        Array.Reverse(claims);
        ClaimSort.Sort(claims);
        CollectionAssert.AreEqual(expected, claims);
    }
}
