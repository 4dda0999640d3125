using System.Runtime.InteropServices;
using ImageFs.BTrees;
using ImageFs.Format;
using ImageFs.Tests.Fixtures;
using ImageFs.Transactions;

// The kinds of trees are internal, and a test class cannot be more visible than its type arguments.
[assembly: DiscoverInternals]

namespace ImageFs.Tests.BTrees;

/// <summary>What every kind of tree must do, whatever its records; each kind inherits it and says how to make records.</summary>
internal abstract partial class BtreeContract<TKind, TRecord, TKey>
    where TKind : struct, IBtreeKind<TRecord, TKey>
    where TRecord : unmanaged
    where TKey : unmanaged
{
    /// <summary>Blocks of 1 KiB: trees of a few thousand records have three or four levels.</summary>
    private protected static readonly Geometry Small = TestGeometry.Make(1024, 1 << 16, 4);

    private static readonly TreeFacts s_facts = TreeFacts.Of(TKind.Block);

    /// <summary>A record like those of a busy file system.</summary>
    private protected abstract TRecord Make(Random random);

    /// <summary>A record near another one, sometimes with the same key.</summary>
    private protected abstract TRecord Vary(Random random, TRecord record);

    /// <summary>Number n of a sequence with rising keys.</summary>
    private protected abstract TRecord Nth(int n);

    /// <summary>Enough for a tree of three or four levels.</summary>
    private protected virtual int Many => 12000;

    private protected virtual int ForkSize => 0;

    private protected FakeHome NewHome(Random random) => new(TKind.Block, Small, random, ForkSize);

    private protected static byte[] Bytes(TRecord record) => MemoryMarshal.AsBytes(new ReadOnlySpan<TRecord>(in record)).ToArray();
    private protected static Sort Low(TRecord record) => s_facts.LowOf(Bytes(record));
    private protected static Sort High(TRecord record) => s_facts.HighOf(Bytes(record));

    private protected static double AssertHolds(FakeHome home, IEnumerable<TRecord> expected)
    {
        List<byte[]> found = TreeChecker.Check(home, out double fill);
        int at = 0;
        foreach (TRecord record in expected)
        {
            Assert.IsTrue(at < found.Count, $"{found.Count} records found, more expected");
            if (!Bytes(record).AsSpan().SequenceEqual(found[at]))
                Assert.Fail($"record {at}: {Convert.ToHexString(found[at])}, expected {Convert.ToHexString(Bytes(record))}");
            at++;
        }
        Assert.AreEqual(at, found.Count);
        return fill;
    }

    [TestMethod]
    public void AnythingDoneAtRandomLeavesTheTreeEqualToASortedList()
    {
        int seed = TestSettings.Seed;
        Console.WriteLine(TestSettings.Replay(nameof(AnythingDoneAtRandomLeavesTheTreeEqualToASortedList), seed));
        Random random = new(seed);
        FakeHome home = NewHome(random);
        Model<TRecord> model = new();
        int levels = 0;
        // Grow, breathe, shrink to nothing, and grow a little again.
        foreach ((int target, int insertShare) in new[] { (Many, 80), (Many / 2, 35), (Many, 70), (0, 15), (Many / 8, 80), (0, 30) })
        {
            bool growing = insertShare >= 50;
            bool Reached() => growing ? model.Count >= target : model.Count <= target;
            while (!Reached())
            {
                using Transaction tx = home.Begin();
                BtreeCursor<TKind, TRecord, TKey> cursor = new(home, tx);
                for (int i = 0; i < Many / 10 && !Reached(); i++)
                {
                    if (model.Count == 0 || random.Next(100) < insertShare) InsertOne(random, cursor, model);
                    else if (random.Next(6) == 0) UpdateOne(random, cursor, model);
                    else DeleteOne(random, cursor, model);
                }
                tx.Commit();
                AssertHolds(home, model.Records);
                levels = Math.Max(levels, home.Levels);
            }
            SeekEverywhere(random, home, model);
            AskForRanges(random, home, model);
            WalkBothWays(home, model);
        }
        Assert.IsTrue(levels >= 3, $"only {levels} levels were seen");
        Assert.AreEqual(1, home.Used.Count);
    }

    private void InsertOne(Random random, BtreeCursor<TKind, TRecord, TKey> cursor, Model<TRecord> model)
    {
        TRecord record = model.Count > 0 && random.Next(4) == 0 ? Vary(random, model.Records[random.Next(model.Count)]) : Make(random);
        if (model.Find(Low(record)) >= 0)
        {
            Assert.ThrowsExactly<CorruptionException>(() => cursor.Insert(record));
            return;
        }
        cursor.Insert(record);
        model.Insert(Low(record), record);
        Assert.AreEqual(Low(record), Low(cursor.Current), "the cursor is on what it inserted");
    }

    private void UpdateOne(Random random, BtreeCursor<TKind, TRecord, TKey> cursor, Model<TRecord> model)
    {
        int at = random.Next(model.Count);
        TRecord old = model.Records[at], record = Vary(random, old);
        Assert.IsTrue(cursor.Seek(TKind.KeyOf(old), SeekMode.Equal));
        Sort key = Low(record);
        bool fits = (at == 0 || model.Keys[at - 1].CompareTo(key) < 0) && (at == model.Count - 1 || model.Keys[at + 1].CompareTo(key) > 0);
        if (!fits)
        {
            Assert.ThrowsExactly<CorruptionException>(() => cursor.Update(record));
            return;
        }
        cursor.Update(record);
        model.Keys[at] = key;
        model.Records[at] = record;
        Assert.AreEqual(key, Low(cursor.Current));
    }

    private static void DeleteOne(Random random, BtreeCursor<TKind, TRecord, TKey> cursor, Model<TRecord> model)
    {
        int at = random.Next(model.Count);
        Assert.IsTrue(cursor.Seek(TKind.KeyOf(model.Records[at]), SeekMode.Equal));
        cursor.Delete();
        model.RemoveAt(at);
    }

    private void SeekEverywhere(Random random, FakeHome home, Model<TRecord> model)
    {
        BtreeCursor<TKind, TRecord, TKey> cursor = new(home);
        for (int i = 0; i < 2000; i++)
        {
            TRecord wanted = model.Count > 0 && random.Next(2) == 0 ? Vary(random, model.Records[random.Next(model.Count)]) : Make(random);
            TKey key = TKind.KeyOf(wanted);
            int at = model.Find(Low(wanted));
            AssertOn(cursor, cursor.Seek(key, SeekMode.Equal), model, at >= 0 ? at : -1);
            AssertOn(cursor, cursor.Seek(key, SeekMode.LessOrEqual), model, at >= 0 ? at : ~at - 1);
            AssertOn(cursor, cursor.Seek(key, SeekMode.GreaterOrEqual), model, at >= 0 ? at : ~at);
        }
    }

    private void AskForRanges(Random random, FakeHome home, Model<TRecord> model)
    {
        Sort[] highs = [.. model.Records.Select(High)];
        BtreeCursor<TKind, TRecord, TKey> cursor = new(home);
        for (int i = 0; i < 60; i++)
        {
            TRecord one = Make(random), other = random.Next(3) == 0 ? Make(random) : Vary(random, one);
            if (Low(one).CompareTo(Low(other)) > 0) (one, other) = (other, one);
            Sort low = Low(one), high = Low(other);
            List<Sort> expected = [];
            // Where records may not overlap, nobody looks further back than one record.
            int at = model.Find(low), from = TKind.Overlapping ? 0 : Math.Max(0, (at >= 0 ? at : ~at) - 1);
            for (int r = from; r < model.Count && model.Keys[r].CompareTo(high) <= 0; r++)
                if (highs[r].CompareTo(low) >= 0) expected.Add(model.Keys[r]);

            List<Sort> visited = [], met = [];
            int most = random.Next(4) == 0 ? random.Next(1, 5) : int.MaxValue;
            BtreeQuery.Range<TKind, TRecord, TKey>(home, TKind.KeyOf(one), TKind.KeyOf(other), (in TRecord record) =>
            {
                visited.Add(Low(record));
                return visited.Count < most;
            });
            CollectionAssert.AreEqual(expected.Take(most).ToList(), visited);
            for (bool more = cursor.FirstMeeting(TKind.KeyOf(one), TKind.KeyOf(other)); more; more = cursor.NextMeeting(TKind.KeyOf(one), TKind.KeyOf(other)))
                met.Add(Low(cursor.Current));
            CollectionAssert.AreEqual(expected, met);
        }
    }

    private static void AssertOn(BtreeCursor<TKind, TRecord, TKey> cursor, bool found, Model<TRecord> model, int expected)
    {
        bool exists = expected >= 0 && expected < model.Count;
        Assert.AreEqual(exists, found);
        if (exists) Assert.AreEqual(model.Keys[expected], Low(cursor.Current));
        else Assert.ThrowsExactly<InvariantException>(() => cursor.Current);
    }

    private static void WalkBothWays(FakeHome home, Model<TRecord> model)
    {
        BtreeCursor<TKind, TRecord, TKey> cursor = new(home);
        int at = 0;
        for (bool more = cursor.First(); more; more = cursor.Next()) Assert.AreEqual(model.Keys[at++], Low(cursor.Current));
        Assert.AreEqual(model.Count, at);
        for (bool more = cursor.Last(); more; more = cursor.Previous()) Assert.AreEqual(model.Keys[--at], Low(cursor.Current));
        Assert.AreEqual(0, at);
    }

    [TestMethod]
    public void RisingKeysLeaveFullLeavesBehind()
    {
        FakeHome home = NewHome(new Random(1));
        using Transaction tx = home.Begin();
        BtreeCursor<TKind, TRecord, TKey> cursor = new(home, tx);
        for (int i = 0; i < Many; i++) cursor.Insert(Nth(i));
        double fill = AssertHolds(home, Enumerable.Range(0, Many).Select(Nth));
        Assert.IsTrue(fill > 0.97, $"leaves are {fill:p1} full");
    }

    [TestMethod]
    public void FallingKeysAndDeletingFromEitherEndKeepTheShape()
    {
        FakeHome home = NewHome(new Random(1));
        using Transaction tx = home.Begin();
        BtreeCursor<TKind, TRecord, TKey> cursor = new(home, tx);
        for (int i = Many; i-- > 0;) cursor.Insert(Nth(i));
        double fill = AssertHolds(home, Enumerable.Range(0, Many).Select(Nth));
        Assert.IsTrue(fill > 0.6, $"leaves are {fill:p1} full");
        int first = 0, last = Many - 1;
        while (first <= last)
        {
            Assert.IsTrue(cursor.First());
            Assert.AreEqual(Low(Nth(first++)), Low(cursor.Current));
            cursor.Delete();
            if (first <= last)
            {
                Assert.IsTrue(cursor.Last());
                Assert.AreEqual(Low(Nth(last--)), Low(cursor.Current));
                cursor.Delete();
            }
            if (first % 500 == 0) AssertHolds(home, Enumerable.Range(first, last - first + 1).Select(Nth));
        }
        Assert.IsFalse(cursor.First());
        Assert.AreEqual(1, home.Used.Count);
    }

    [TestMethod]
    public void AnAbortedInsertLeavesNothingBehind()
    {
        FakeHome home = NewHome(new Random(1));
        int count = 0;
        using (Transaction tx = home.Begin())
        {
            BtreeCursor<TKind, TRecord, TKey> cursor = new(home, tx);
            while (home.Levels < 2 || home.Used.Count < 12) cursor.Insert(Nth(2 * count++));
            tx.Commit();
        }
        Action restore = home.Remember();
        home.BlocksLeft = 3;
        using (Transaction tx = home.Begin())
        {
            BtreeCursor<TKind, TRecord, TKey> cursor = new(home, tx);
            Assert.ThrowsExactly<XfsNoSpaceException>(() =>
            {
                for (int i = 0; ; i++) cursor.Insert(Nth(2 * i + 1));
            });
        }
        restore();
        AssertHolds(home, Enumerable.Range(0, count).Select(i => Nth(2 * i)));
    }
}

/// <summary>What a tree should hold: two sorted lists.</summary>
internal sealed class Model<TRecord>
{
    public List<Sort> Keys { get; } = [];
    public List<TRecord> Records { get; } = [];
    public int Count => Keys.Count;

    /// <summary>Index of a key, or the complement of the index it would have.</summary>
    public int Find(Sort key) => Keys.BinarySearch(key);

    public void Insert(Sort key, TRecord record)
    {
        int at = ~Find(key);
        Keys.Insert(at, key);
        Records.Insert(at, record);
    }

    public void RemoveAt(int at)
    {
        Keys.RemoveAt(at);
        Records.RemoveAt(at);
    }
}
