using ImageFs.BTrees;
using ImageFs.Devices;
using ImageFs.Format;
using ImageFs.Tests.Fixtures;
using ImageFs.Transactions;

namespace ImageFs.Tests.BTrees;

internal abstract partial class BtreeContract<TKind, TRecord, TKey>
{
    /// <summary>Replaces an empty tree by a bulk-loaded one, in a transaction.</summary>
    private protected static BuiltTree BulkLoad(FakeHome home, TRecord[] records, int slack = 0)
    {
        Assert.AreEqual(1, home.Used.Count);
        using Transaction tx = home.Begin();
        home.FreeBlock(tx, home.Used.Single());
        BuiltTree built = BtreeBulkLoader.Load<TKind, TRecord, TKey>(home, tx, records, 0, slack);
        tx.Commit();
        return built;
    }

    private static int LeafMax => (Small.BlockSize - (TKind.LongPointers ? 72 : 56)) / TreeFacts.Of(TKind.Block).RecordSize;

    [TestMethod]
    [DataRow(0)]
    [DataRow(3)]
    [DataRow(1000)]
    public void BulkLoadingAnyNumberOfRecordsGivesAValidTree(int slack)
    {
        int nodeMax = BtreeLayout<TKind, TRecord, TKey>.Node(Small.BlockSize).Capacity, max = LeafMax;
        int[] sizes = [0, 1, 2, max - 1, max, max + 1, 2 * max - 1, 2 * max, 2 * max + 1, 5 * max + 3, max * nodeMax, max * nodeMax + 1, 2 * Many];
        foreach (int size in sizes)
        {
            if (size == 0 && ForkSize > 0) continue;
            FakeHome home = NewHome(new Random(size));
            TRecord[] records = [.. Enumerable.Range(0, size).Select(Nth)];
            BuiltTree built = BulkLoad(home, records, slack);
            double fill = AssertHolds(home, records);
            Assert.AreEqual(home.Levels, built.Levels);
            Assert.AreEqual((ulong)home.Used.Count, built.Blocks);
            Assert.AreEqual(built with { Root = 0 }, BtreeBulkLoader.Measure<TKind, TRecord, TKey>(Small, (ulong)size, slack, ForkSize));
            if (slack == 0 && size > 20 * max) Assert.IsTrue(fill > 0.95, $"{size} records: leaves are {fill:p1} full");
            if (slack == 3 && size > 20 * max) Assert.IsTrue(fill < 1 - 2.0 / max, $"{size} records: leaves are {fill:p1} full");
        }
    }

    [TestMethod]
    public void ABulkLoadedTreeIsATreeLikeAnyOther()
    {
        int seed = TestSettings.Seed;
        Console.WriteLine(TestSettings.Replay(nameof(ABulkLoadedTreeIsATreeLikeAnyOther), seed));
        Random random = new(seed);
        foreach (int slack in new[] { 0, 2 })
        {
            FakeHome home = NewHome(random);
            Model<TRecord> model = new();
            while (model.Count < Many / 2)
            {
                TRecord record = Make(random);
                if (model.Find(Low(record)) < 0) model.Insert(Low(record), record);
            }
            BulkLoad(home, [.. model.Records], slack);
            SeekEverywhere(random, home, model);
            AskForRanges(random, home, model);
            for (int batch = 0; batch < 8; batch++)
            {
                using Transaction tx = home.Begin();
                BtreeCursor<TKind, TRecord, TKey> cursor = new(home, tx);
                for (int i = 0; i < Many / 16; i++)
                {
                    if (random.Next(100) < (batch < 4 ? 70 : 20)) InsertOne(random, cursor, model);
                    else DeleteOne(random, cursor, model);
                }
                tx.Commit();
                AssertHolds(home, model.Records);
            }
        }
    }

    /// <summary>A bulk-loaded tree on a device, checksums and all, and a home that reads it from there.</summary>
    private protected FakeHome OnDevice(MemoryDevice device, TRecord[] records)
    {
        FakeHome home = new(TKind.Block, Small, new Random(1), ForkSize, device);
        using Transaction tx = home.Begin();
        home.FreeBlock(tx, home.Used.Single());
        tx.Commit();
        ulong Allocate(int level) => home.AllocateBlock(tx, 0);
        BtreeBulkLoader.Write write = BtreeBulkLoader.To(device, TKind.Block, new LogSequenceNumber(1, 0));
        if (ForkSize == 0)
        {
            int given = 0;
            BuiltTree built = BtreeBulkLoader.Load<TKind, TRecord, TKey>(Small, new AgNumber(1), (ulong)records.Length, leaf =>
            {
                records.AsSpan(given, leaf.Length).CopyTo(leaf);
                given += leaf.Length;
            }, Allocate, write);
            home.SetRoot(tx, built.Root, built.Levels);
        }
        else
        {
            using Transaction another = home.Begin();
            BtreeBulkLoader.LoadBmbt(Small, new InodeNumber(home.Owner), home.ModifyInodeRoot(another), (PackedExtent[])(object)records, Allocate, write);
            another.Commit();
        }
        home.Cache.Forget(home.Used.Select(home.OffsetOf));
        return home;
    }

    [TestMethod]
    public void ATreeWrittenToADevicePassesTheGate()
    {
        TRecord[] records = [.. Enumerable.Range(0, Many).Select(Nth)];
        AssertHolds(OnDevice(new MemoryDevice(Small.DeviceBytes), records), records);
    }
}
