using System.Buffers.Binary;
using ImageFs.BTrees;
using ImageFs.Devices;
using ImageFs.Format;
using ImageFs.Tests.Fixtures;
using ImageFs.Transactions;

namespace ImageFs.Tests.BTrees;

internal abstract partial class BtreeContract<TKind, TRecord, TKey>
{
    private static int PointerSize => TKind.LongPointers ? 8 : 4;

    /// <summary>Changes one block of a tree on a device and makes its checksum right again.</summary>
    private static void Tamper(MemoryDevice device, FakeHome home, ulong pointer, Action<byte[]> change)
    {
        byte[] block = new byte[Small.BlockSize];
        device.Read(home.OffsetOf(pointer), block);
        change(block);
        Crc32c.Stamp(block, TKind.Block.CrcOffset());
        device.Write(home.OffsetOf(pointer), block);
    }

    private static int LevelOf(MemoryDevice device, FakeHome home, ulong pointer)
    {
        byte[] head = new byte[8];
        device.Read(home.OffsetOf(pointer), head);
        return BinaryPrimitives.ReadUInt16BigEndian(head.AsSpan(4));
    }

    private static int PointerAt(int index) =>
        (TKind.LongPointers ? 72 : 56) + BtreeLayout<TKind, TRecord, TKey>.Node(Small.BlockSize).Capacity * TreeFacts.Of(TKind.Block).KeySize * (TKind.Overlapping ? 2 : 1) + index * PointerSize;

    private static void SetPointer(byte[] node, int index, ulong pointer)
    {
        if (TKind.LongPointers) BinaryPrimitives.WriteUInt64BigEndian(node.AsSpan(PointerAt(index)), pointer);
        else BinaryPrimitives.WriteUInt32BigEndian(node.AsSpan(PointerAt(index)), (uint)pointer);
    }

    /// <summary>Uses the tree in every way; whatever is wrong with it, it ends, and with no other complaint.</summary>
    private void UseEverything(FakeHome home, Random random)
    {
        int mostRecords = home.Used.Count * LeafMax;
        BtreeCursor<TKind, TRecord, TKey> cursor = new(home);
        Try(() =>
        {
            int seen = 0;
            for (bool more = cursor.First(); more; more = cursor.Next()) Assert.IsTrue(++seen <= mostRecords, "a walk forward does not end");
        });
        Try(() =>
        {
            int seen = 0;
            for (bool more = cursor.Last(); more; more = cursor.Previous()) Assert.IsTrue(++seen <= mostRecords, "a walk backward does not end");
        });
        Try(() =>
        {
            int seen = 0;
            BtreeQuery.Range<TKind, TRecord, TKey>(home, TKind.KeyOf(Nth(0)), TKind.KeyOf(Nth(Many)), (in TRecord _) =>
            {
                Assert.IsTrue(++seen <= mostRecords, "a range query does not end");
                return true;
            });
        });
        for (int i = 0; i < 9; i++)
        {
            TRecord record = Make(random), near = Nth(random.Next(Many));
            Try(() => cursor.Seek(TKind.KeyOf(record), (SeekMode)(i % 3)));
            // Each in a transaction of its own that is aborted, as its owner would.
            Action restore = home.Remember();
            using (Transaction tx = home.Begin())
            {
                BtreeCursor<TKind, TRecord, TKey> writer = new(home, tx);
                Try(() => writer.Insert(record));
                Try(() =>
                {
                    for (int n = 0; n < LeafMax && writer.Seek(TKind.KeyOf(near), SeekMode.GreaterOrEqual); n++) writer.Delete();
                });
                Try(() =>
                {
                    if (writer.Last()) writer.Update(Vary(random, writer.Current));
                });
            }
            restore();
        }
    }

    private static bool Try(Action action)
    {
        try
        {
            action();
            return true;
        }
        catch (CorruptionException)
        {
            return false;
        }
    }

    [TestMethod]
    public void DamageAtRandomEndsInACorruptionExceptionOrDoesNotMatter()
    {
        int seed = TestSettings.Seed;
        Console.WriteLine(TestSettings.Replay(nameof(DamageAtRandomEndsInACorruptionExceptionOrDoesNotMatter), seed));
        Random random = new(seed);
        TRecord[] records = [.. Enumerable.Range(0, Many / 4).Select(Nth)];
        MemoryDevice device = new(Small.DeviceBytes);
        FakeHome home = OnDevice(device, records);
        ulong[] blocks = [.. home.Used];
        ulong[] nodes = [.. blocks.Where(b => LevelOf(device, home, b) > 0)];
        long[] offsets = [.. blocks.Select(home.OffsetOf)];
        for (int round = 0; round < 200 * TestSettings.Sweep; round++)
        {
            List<(ulong Block, byte[] Bytes)> originals = [];
            for (int wounds = random.Next(1, 4); wounds > 0; wounds--)
            {
                ulong victim = random.Next(2) == 0 && nodes.Length > 0 ? nodes[random.Next(nodes.Length)] : blocks[random.Next(blocks.Length)];
                byte[] original = new byte[Small.BlockSize];
                device.Read(home.OffsetOf(victim), original);
                originals.Add((victim, original));
                Tamper(device, home, victim, block =>
                {
                    switch (random.Next(7))
                    {
                        case 0: SetPointer(block, random.Next(12), blocks[random.Next(blocks.Length)]); break;
                        case 1: SetPointer(block, random.Next(12), (ulong)random.NextInt64()); break;
                        case 2: for (int i = 0; i < 12; i++) SetPointer(block, i, blocks[random.Next(blocks.Length)]); break;
                        case 3: block[random.Next(8)] ^= (byte)(1 << random.Next(8)); break;
                        case 4: block[random.Next(8, TKind.LongPointers ? 24 : 16)] ^= (byte)(1 << random.Next(8)); break;
                        case 5: BinaryPrimitives.WriteUInt16BigEndian(block.AsSpan(6), (ushort)random.Next(LeafMax + 2)); break;
                        default: for (int i = 0; i < 8; i++) block[random.Next(56, block.Length)] = (byte)random.Next(256); break;
                    }
                });
            }
            home.Cache.Forget(offsets);
            UseEverything(home, random);
            originals.Reverse();
            foreach ((ulong block, byte[] bytes) in originals) device.Write(home.OffsetOf(block), bytes);
        }
        home.Cache.Forget(offsets);
        AssertHolds(home, records);
    }

    /// <summary>A tree with at least two levels of blocks, and its highest node.</summary>
    private (MemoryDevice Device, FakeHome Home, ulong Node) Victim()
    {
        MemoryDevice device = new(Small.DeviceBytes);
        FakeHome home = OnDevice(device, [.. Enumerable.Range(0, Many).Select(Nth)]);
        return (device, home, home.Used.MaxBy(b => LevelOf(device, home, b)));
    }

    [TestMethod]
    public void ANodeThatIsItsOwnChildIsRefused()
    {
        (MemoryDevice device, FakeHome home, ulong node) = Victim();
        int level = LevelOf(device, home, node);
        Tamper(device, home, node, block => SetPointer(block, 0, node));
        CorruptionException error = Assert.ThrowsExactly<CorruptionException>(() => new BtreeCursor<TKind, TRecord, TKey>(home).First());
        Assert.AreEqual(TKind.Block.Name(), error.Structure);
        StringAssert.Contains(error.Message, $"level {level}, expected {level - 1}");
    }

    [TestMethod]
    public void ChildrenInTheWrongOrderAreRefused()
    {
        (MemoryDevice device, FakeHome home, ulong node) = Victim();
        ulong second = 0;
        Tamper(device, home, node, block =>
        {
            second = TKind.LongPointers ? BinaryPrimitives.ReadUInt64BigEndian(block.AsSpan(PointerAt(1))) : BinaryPrimitives.ReadUInt32BigEndian(block.AsSpan(PointerAt(1)));
            SetPointer(block, 0, second);
        });
        CorruptionException error = Assert.ThrowsExactly<CorruptionException>(() => new BtreeCursor<TKind, TRecord, TKey>(home).First());
        StringAssert.Contains(error.Message, "first key");
    }

    [TestMethod]
    public void APointerOutsideTheDeviceIsRefused()
    {
        (MemoryDevice device, FakeHome home, ulong node) = Victim();
        Tamper(device, home, node, block => SetPointer(block, 0, 0x7FFFFFF0));
        Assert.ThrowsExactly<CorruptionException>(() => new BtreeCursor<TKind, TRecord, TKey>(home).First());
    }

    [TestMethod]
    public void ASiblingLinkThatLeadsElsewhereIsRefused()
    {
        (MemoryDevice device, FakeHome home, _) = Victim();
        ulong leaf = home.Used.First(b => LevelOf(device, home, b) == 0);
        ulong other = home.Used.Last(b => b != leaf);
        Tamper(device, home, leaf, block =>
        {
            if (TKind.LongPointers) LongBtreeHeader.At(block.AsSpan()).RightSibling = other;
            else ShortBtreeHeader.At(block.AsSpan()).RightSibling = (uint)other;
        });
        BtreeCursor<TKind, TRecord, TKey> cursor = new(home);
        CorruptionException error = Assert.ThrowsExactly<CorruptionException>(() =>
        {
            for (bool more = cursor.First(); more; more = cursor.Next()) { }
        });
        StringAssert.Contains(error.Message, "rightsib");
    }
}
