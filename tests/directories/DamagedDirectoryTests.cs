using System.Buffers.Binary;
using System.Text;
using ImageFs.Format;
using ImageFs.Tests.Fixtures;
using ImageFs.Transactions;
using Directory = ImageFs.Directories.Directory;

namespace ImageFs.Tests.Directories;

/// <summary>Directories whose bytes lie: a clear error, never a crash, a hang or a wrong entry written over a right one.</summary>
[TestClass]
public sealed class DamagedDirectoryTests
{
    private static readonly FileBlock s_leaf = new((1UL << 35) / 1024), s_free = new((1UL << 36) / 1024);

    private static DirectoryModel Make(int entries)
    {
        DirectoryModel model = new(new DirectoryWorld(1024, 1024, cacheLimit: 1 << 20), new Random(entries));
        for (int i = 0; i < entries; i++) model.Add($"name {i}");
        model.Check();
        return model;
    }

    private static void U16(byte[] b, int at, int value) => BinaryPrimitives.WriteUInt16BigEndian(b.AsSpan(at), (ushort)value);
    private static void U32(byte[] b, int at, uint value) => BinaryPrimitives.WriteUInt32BigEndian(b.AsSpan(at), value);

    /// <summary>Does everything one can do with a directory; every failure must be a report of corruption.</summary>
    private static int Exercise(DirectoryModel model)
    {
        DirectoryWorld world = model.World;
        int reports = 0;
        foreach (string name in model.Names.Keys.Take(40).Append("absent").Append("."))
        {
            byte[] bytes = Encoding.Latin1.GetBytes(name);
            Try(tx => Directory.TryLookup(world, bytes, out InodeNumber _, out DirectoryFileType _));
            Try(tx => Directory.Replace(tx, world, bytes, world.Number, DirectoryFileType.Regular));
            Try(tx => Directory.Remove(tx, world, bytes, out _));
            Try(tx => Directory.Add(tx, world, Encoding.Latin1.GetBytes("new " + name), world.Number, DirectoryFileType.Regular));
        }
        int seen = 0;
        Try(_ => Directory.List(world, 0, (_, _, _, _) => ++seen < 100_000));
        Try(_ => Directory.IsEmpty(world));
        Try(_ => Directory.Parent(world));
        Assert.IsLessThan(100_000, seen);
        return reports;

        void Try(Action<Transaction> work)
        {
            // Aborted every time: what matters is how it fails.
            using Transaction tx = world.Begin();
            try
            {
                work(tx);
            }
            catch (CorruptionException e)
            {
                reports++;
                Assert.IsTrue(e.Location.Contains("inode", StringComparison.Ordinal) || e.Location.Contains("daddr", StringComparison.Ordinal), e.Message);
            }
            catch (XfsException e) when (e.Errno is Errno.ENOENT or Errno.EINVAL or Errno.EEXIST)
            {
            }
        }
    }

    [TestMethod]
    public void ALeafLinkedToItselfIsReported()
    {
        DirectoryModel model = new(new DirectoryWorld(1024, 1024), new Random(1));
        string[] equal = [.. Names.Colliding(500)];
        foreach (string name in equal) model.Add(name);
        model.Check();
        // Every leaf holds the same hash; a node that names one child all over again leads in a circle.
        model.World.Damage(s_leaf, BlockKind.DaBlock, b =>
        {
            int count = BinaryPrimitives.ReadUInt16BigEndian(b.AsSpan(56));
            for (int i = 1; i < count; i++) U32(b, 68 + 8 * i, BinaryPrimitives.ReadUInt32BigEndian(b.AsSpan(68)));
        });
        CorruptionException e = Assert.ThrowsExactly<CorruptionException>(() => Directory.TryLookup(model.World, Encoding.Latin1.GetBytes(Names.Colliding(5000).Last()), out _, out _));
        StringAssert.Contains(e.Message, $"inode {model.World.Number}");
    }

    [TestMethod]
    public void TwoLeavesOfEqualHashLinkedInACircleAreReported()
    {
        DirectoryModel model = new(new DirectoryWorld(1024, 1024), new Random(1));
        foreach (string name in Names.Colliding(500)) model.Add(name);
        uint[] children = [];
        model.World.Damage(s_leaf, BlockKind.DaBlock, b =>
        {
            int count = BinaryPrimitives.ReadUInt16BigEndian(b.AsSpan(56));
            children = [.. Enumerable.Range(0, count).Select(i => BinaryPrimitives.ReadUInt32BigEndian(b.AsSpan(68 + 8 * i)))];
            // "." and ".." have hashes of their own, so the leaves in the middle are those of one hash only.
            uint left = children[^3], right = children[^2];
            for (int i = 0; i < count; i++)
            {
                U32(b, 64 + 8 * i, uint.MaxValue);
                U32(b, 68 + 8 * i, i % 2 == 0 ? left : right);
            }
        });
        Damage(children[^3], children[^2]);
        Damage(children[^2], children[^3]);
        CorruptionException e = Assert.ThrowsExactly<CorruptionException>(() => Directory.TryLookup(model.World, Encoding.Latin1.GetBytes(Names.Colliding(5000).Last()), out _, out _));
        StringAssert.Contains(e.Message, "circle");

        void Damage(uint at, uint sibling) => model.World.Damage(new FileBlock(at), BlockKind.DaBlock, b =>
        {
            U32(b, 0, sibling);
            U32(b, 4, sibling);
        });
    }

    [TestMethod]
    public void ANodeThatIsItsOwnChildIsReported()
    {
        DirectoryModel model = Make(600);
        model.World.Damage(s_leaf, BlockKind.DaBlock, b =>
        {
            for (int i = 0; i < BinaryPrimitives.ReadUInt16BigEndian(b.AsSpan(56)); i++) U32(b, 68 + 8 * i, (uint)s_leaf.Value);
        });
        CorruptionException e = Assert.ThrowsExactly<CorruptionException>(() => Directory.TryLookup(model.World, "name 1"u8, out _, out _));
        StringAssert.Contains(e.Message, "level");
    }

    [TestMethod]
    public void AFreeIndexThatPromisesRoomWhereThereIsNoneIsReported()
    {
        DirectoryModel model = Make(600);
        model.World.Damage(s_free, BlockKind.DirectoryFree, b =>
        {
            for (int i = 0; i < BinaryPrimitives.ReadUInt32BigEndian(b.AsSpan(52)); i++) U16(b, 64 + 2 * i, 960);
        });
        CorruptionException e = Assert.ThrowsExactly<CorruptionException>(() => model.AddAndAbort(new string('x', 200)));
        StringAssert.Contains(e.Message, "free");
    }

    [TestMethod]
    public void AShortFormOfNonsenseIsReported()
    {
        Random random = new(TestSettings.Seed);
        int reports = 0;
        for (int i = 0; i < 2000; i++)
        {
            DirectoryModel model = new(new DirectoryWorld(4096, 4096), new Random(3));
            for (int n = 0; n < 8; n++) model.Add($"name {n}");
            int at = 176 + random.Next(model.World.Core.FileSize > 100 ? 100 : (int)model.World.Core.FileSize.Value);
            model.World.DamageInode(b => b[at] = (byte)random.Next(256));
            reports += Exercise(model) > 0 ? 1 : 0;
        }
        // A byte inside a name or a narrow inode number may be anything.
        Assert.IsGreaterThan(300, reports);
    }

    [TestMethod]
    [DataRow(40)]
    [DataRow(90)]
    [DataRow(600)]
    [DataRow(12000)]
    public void AnyDamagedFieldFailsCleanly(int entries)
    {
        int seed = TestSettings.Seed;
        Console.WriteLine(TestSettings.Replay(nameof(AnyDamagedFieldFailsCleanly), seed));
        Random random = new(seed);
        DirectoryModel model = Make(entries);
        (FileBlock At, BlockKind Kind)[] blocks = [.. model.World.Mapping.Keys.Select(k => (new FileBlock(k),
            k < s_leaf.Value ? BlockKind.DirectoryData : k < s_free.Value ? BlockKind.DaBlock : BlockKind.DirectoryFree))];
        int reports = 0;
        for (int i = 0; i < 300 * TestSettings.Sweep; i++)
        {
            // The first block of each area matters most.
            (FileBlock at, BlockKind kind) = random.Next(2) == 0 ? blocks[random.Next(blocks.Length)]
                : blocks.Where(b => b.At.Value == 0 || b.At == s_leaf || b.At == s_free).OrderBy(_ => random.Next()).First();
            byte[] original = [];
            model.World.Damage(at, kind, b =>
            {
                original = [.. b];
                int field = random.Next(3) == 0 ? random.Next(64) : random.Next(b.Length);
                switch (random.Next(4))
                {
                    case 0: b[field] ^= (byte)(1 << random.Next(8)); break;
                    case 1: b[field] = (byte)random.Next(256); break;
                    case 2: U16(b, Math.Min(field, b.Length - 2) & ~1, random.Next(65536)); break;
                    default: U32(b, Math.Min(field, b.Length - 4) & ~3, (uint)random.NextInt64(1L << 32)); break;
                }
            });
            reports += Exercise(model) > 0 ? 1 : 0;
            model.World.Restore(at, original);
        }
        model.Check();
        Assert.IsGreaterThan(30, reports);
    }
}
