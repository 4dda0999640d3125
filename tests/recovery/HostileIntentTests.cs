using System.Buffers.Binary;
using ImageFs.Devices;
using ImageFs.Extents;
using ImageFs.Format;
using ImageFs.Inodes;
using ImageFs.Journal;
using ImageFs.Mkfs;
using ImageFs.Tests.Fixtures;
using ImageFs.Tests.Journal;

namespace ImageFs.Tests.Recovering;

/// <summary>
/// Intents that lie under a right checksum: about how many entries they have, with blocks beyond the device, inodes that are free or
/// cannot exist, names and values that are too long. They are refused with an error that names the item or the structure it does
/// not fit, before anything is written, or they are finished; nothing crashes, hangs or takes memory without end.
/// </summary>
[TestClass]
public sealed class HostileIntentTests
{
    private const long Size = 24 << 20, EnoughMemory = 256 << 20;

    private static readonly LogItemType[] s_types = [LogItemType.ExtentFreeIntent, LogItemType.RmapIntent, LogItemType.RefcountIntent,
        LogItemType.BmapIntent, LogItemType.AttrIntent, LogItemType.ExchangeIntent];

    [TestMethod]
    [DataRow("-n parent=1 -i exchange=1")]
    [DataRow("-b size=1024 -m rmapbt=0,reflink=0")]
    public void IntentsThatLieAreRefusedWithTheirNameOrFinished(string options)
    {
        Console.WriteLine(TestSettings.Replay(nameof(IntentsThatLieAreRefusedWithTheirNameOrFinished), TestSettings.Seed));
        Victim victim = new(options.Split(' '));
        Dictionary<LogItemType, (int Refused, int Finished)> counts = [];
        int contradicting = 0;
        for (int round = 0; round < 900 * TestSettings.Sweep; round++)
        {
            Random random = new(TestSettings.Seed * 10_007 + round);
            LogItemType type = s_types[round % s_types.Length];
            HandmadeLog log = new(victim.Device.Clone());
            string story = $"'{options}', round {round}: {type}";
            log.Start();
            for (int i = type == LogItemType.AttrIntent ? 1 : random.Next(1, 4); i > 0; i--) log.Item(victim.Intent(type, random, id: (ulong)i));
            log.Commit().Write(recordSize: 256 << 10);
            Hostile.Try(() =>
            {
                long before = GC.GetAllocatedBytesForCurrentThread();
                bool read = Opens(log.Device, write: false, refused: null, story), written = Opens(log.Device, write: true, refused: !read, story);
                Assert.IsLessThan(EnoughMemory, GC.GetAllocatedBytesForCurrentThread() - before, $"bytes allocated: {story}");
                lock (counts)
                {
                    (int refused, int finished) = counts.GetValueOrDefault(type);
                    counts[type] = read ? (refused, finished + 1) : (refused + 1, finished);
                    if (read && !written) contradicting++;
                }
            }, story);
        }
        Console.WriteLine(string.Join(", ", counts.Select(c => $"{c.Key}: {c.Value.Refused} refused, {c.Value.Finished} finished"))
            + $"; {contradicting} were finished, and what they left was found out by the sweep");
        foreach (LogItemType type in s_types) Assert.IsGreaterThan(0, counts[type].Refused, $"{type}");
    }

    /// <param name="refused">
    /// Whether the reader was refused: then so is the writer, before anything is written. One that finished intents that were possible
    /// may still find, as it sweeps what a crash left behind, that they contradict other structures.
    /// </param>
    /// <returns>False if there was an error.</returns>
    private static bool Opens(MemoryDevice device, bool write, bool? refused, string story)
    {
        OverlayDevice image = new(device);
        try
        {
            using FileSystem fs = FileSystem.Open(image, write, leaveOpen: true);
            Assert.IsTrue(fs.WasRecovered);
            Assert.AreNotEqual(true, refused, $"the reader was refused, the writer was not: {story}");
            Hostile.Walk(fs);
        }
        catch (XfsException why)
        {
            Assert.IsTrue(why is CorruptionException { Structure.Length: > 0, Location.Length: > 0, Problem.Length: > 0 } or XfsUnsupportedException or XfsNoSpaceException, $"{why}: {story}");
            if (refused != false) Assert.IsFalse(image.Changes().Any(), $"refused, and changed: {why.Message}: {story}");
            return false;
        }
        // Whoever read it all the same goes on from there.
        if (write) Hostile.Allow(() => FileSystem.Open(image, leaveOpen: true).Dispose());
        else Assert.IsFalse(image.Changes().Any(), $"opened for reading, and changed: {story}");
        return true;
    }

    /// <summary>A small file system with something of everything, and the numbers in it that a lie may be about.</summary>
    private sealed class Victim
    {
        private readonly List<ulong> _inodes = [0, 1, 63, ulong.MaxValue, 1UL << 40], _blocks = [0, 1, 5, ulong.MaxValue, ulong.MaxValue >> 1, 1UL << 52];
        private readonly List<uint> _generations = [0, uint.MaxValue];
        private readonly List<Extent> _extents = [];

        public Victim(string[] options)
        {
            Device = new MemoryDevice(Size);
            ImageFs.Mkfs.Mkfs.Format(Device, MkfsOptions.Parse(options));
            using FileSystem fs = FileSystem.Open(Device, write: true, leaveOpen: true);
            int block = fs.Geometry.BlockSize;
            fs.CreateDirectory("/d");
            foreach (string name in (string[])["/a", "/b", "/d/c", "/gone"])
            {
                using XfsFile file = fs.CreateFile(name);
                file.Write(0, Ranges.Noise(1, 24 * block));
                for (int i = 1; i < 12; i += 3) file.PunchHole(i * block, block);
                file.Allocate(24 * block, 4 * block);
            }
            fs.SetAttribute("/a", "user.small", new byte[10]);
            fs.SetAttribute("/a", "trusted.large", new byte[9000]);
            if (fs.Geometry.HasReflink) fs.Clone("/a", "/clone");
            ulong gone = fs.GetEntry("/gone").Inode.Value;
            fs.DeleteFile("/gone");
            _inodes.Add(gone);
            _inodes.Add(gone + 1000);
            foreach (string name in (string[])["/", "/d", "/a", "/b", "/d/c"])
            {
                Inode inode = fs.Inode(fs.GetEntry(name).Inode);
                _inodes.Add(inode.Number.Value);
                _generations.Add(inode.Core.Generation);
                if (!inode.IsRegular) continue;
                for (FileBlock at = new(0); fs.Volume.Map.TryFind(inode, ForkKind.Data, at, out Extent extent); at = extent.End) _extents.Add(extent);
            }
            Geometry g = fs.Geometry;
            _blocks.AddRange([.. _extents.Select(e => e.Start.Value), g.Join(new AgNumber(g.AgCount - 1), new AgBlock(g.AgLength(new AgNumber(g.AgCount - 1)) - 1)).Value,
                g.Join(new AgNumber(1), new AgBlock(0)).Value - 1, (ulong)g.AgCount << g.AgBlockLog]);
        }

        public MemoryDevice Device { get; }

        /// <summary>An intent of which most is possible and some is not.</summary>
        public byte[][] Intent(LogItemType type, Random random, ulong id)
        {
            byte[][] item = type switch
            {
                LogItemType.ExtentFreeIntent or LogItemType.RefcountIntent => Entries(random, 16, entry =>
                {
                    U64(entry, 0, Block(random, out uint length));
                    U32(entry, 8, length);
                    U32(entry, 12, type == LogItemType.ExtentFreeIntent ? 0 : (uint)Any(random, 1, 2, 3, 4, 1, 2, 0, 9, 0x100));
                }),
                LogItemType.RmapIntent or LogItemType.BmapIntent => Entries(random, 32, entry => Mapping(entry, type, random)),
                LogItemType.AttrIntent => Attribute(random),
                _ => Exchange(random),
            };
            U16(item[0], 0, (ushort)type);
            U16(item[0], 2, (ushort)item.Length);
            U64(item[0], 8, id);
            // Now and then the format is shorter or longer than it says, or a byte of it is any.
            if (random.Next(12) == 0) Array.Resize(ref item[0], Math.Max(16, item[0].Length + 4 * random.Next(-3, 4)));
            if (random.Next(6) == 0) item[0][random.Next(4, item[0].Length)] = (byte)Any(random, 0, 1, 0x7F, 0x80, 0xFF, random.Next(256));
            return item;
        }

        private static byte[][] Entries(Random random, int size, Action<byte[]> fill)
        {
            byte[][] entries = [.. Enumerable.Range(0, random.Next(1, 4)).Select(_ => new byte[size])];
            foreach (byte[] entry in entries) fill(entry);
            byte[] format = [.. new byte[16], .. entries.SelectMany(e => e)];
            U32(format, 4, random.Next(8) == 0 ? (uint)Any(random, 0, entries.Length + 1, 0xFFFF, int.MaxValue, -1, 1 << 28) : (uint)entries.Length);
            return [format];
        }

        private void Mapping(byte[] entry, LogItemType type, Random random)
        {
            Extent extent = _extents[random.Next(_extents.Count)];
            bool honest = random.Next(2) == 0;
            U64(entry, 0, random.Next(5) == 0 ? unchecked((ulong)Any(random, -1, -3, -5, -9, -10, -11)) : Inode(random));
            ulong start = Block(random, out uint length);
            U64(entry, 8, honest ? extent.Start.Value : start);
            U64(entry, 16, honest ? extent.Offset.Value : (ulong)Any(random, 0, 3, 1 << 30, -1, 1L << 54, (1L << 54) - 2));
            U32(entry, 24, honest ? extent.Length : length);
            uint action = (uint)(type == LogItemType.BmapIntent ? Any(random, 1, 2, 2, 1, 0, 7) : Any(random, 1, 2, 3, 4, 5, 6, 7, 8, 0, 77));
            U32(entry, 28, action | (random.Next(4) == 0 ? 1u << random.Next(8, 32) : 0));
        }

        private byte[][] Attribute(Random random)
        {
            byte[] format = new byte[40];
            uint operation = (uint)Any(random, 1, 2, 3, 4, 5, 6, 0, 7, 255);
            byte[] name = new byte[Any(random, 1, 5, 200, 255, 256, 4000)], value = new byte[Any(random, 12, 12, 0, 1, 100, 65536, 65537)];
            name.AsSpan().Fill((byte)'n');
            if (value.Length >= 12) U64Big(value, Inode(random));
            U32(format, 4, Generation(random));
            U64(format, 16, Inode(random));
            U32(format, 24, operation);
            U32(format, 28, random.Next(6) == 0 ? (uint)Any(random, 0, name.Length + 1, -1, 1 << 20) : (uint)name.Length);
            U32(format, 32, random.Next(6) == 0 ? (uint)Any(random, 0, value.Length + 1, -1, 1 << 20) : (uint)value.Length);
            U32(format, 36, (uint)Any(random, 8, 8, 0, 2, 4, 6, 1, 0x80, -1));
            List<byte[]> item = [format, name];
            if (operation == 6) item.Add(name);
            if (value.Length > 0) item.Add(value);
            if (operation == 6 && value.Length > 0) item.Add(value);
            return [.. item];
        }

        private byte[][] Exchange(Random random)
        {
            byte[] format = new byte[88];
            U64(format, 16, Inode(random));
            U64(format, 24, Inode(random));
            U32(format, 32, Generation(random));
            U32(format, 36, Generation(random));
            U64(format, 40, (ulong)Any(random, 0, 0, 4, 30, 1 << 30, -1, 1L << 54));
            U64(format, 48, (ulong)Any(random, 0, 0, 4, 30, 1 << 30, -1, 1L << 54));
            U64(format, 56, (ulong)Any(random, 1, 4, 24, 0, 1 << 30, 1L << 53, -1));
            U64(format, 64, (ulong)Any(random, 0, 2, 4, 24, 8, 1, 32, -1));
            U64(format, 72, (ulong)Any(random, 0, 5000, -1, long.MaxValue, long.MinValue));
            U64(format, 80, (ulong)Any(random, 0, 5000, -1, long.MaxValue, long.MinValue));
            return [format];
        }

        private ulong Inode(Random random) => _inodes[random.Next(3) > 0 ? random.Next(7, _inodes.Count) : random.Next(_inodes.Count)];

        private uint Generation(Random random) => _generations[random.Next(_generations.Count)];

        private ulong Block(Random random, out uint length)
        {
            length = (uint)Any(random, 1, 2, 8, 0, 5000, 1 << 21, -1, int.MaxValue);
            return _blocks[random.Next(_blocks.Count)] + (random.Next(4) == 0 ? (ulong)random.Next(200) : 0);
        }

        private static long Any(Random random, params long[] values) => values[random.Next(values.Length)];

        private static void U16(byte[] to, int at, ushort value) => BinaryPrimitives.WriteUInt16LittleEndian(to.AsSpan(at), value);
        private static void U32(byte[] to, int at, uint value) => BinaryPrimitives.WriteUInt32LittleEndian(to.AsSpan(at), value);
        private static void U64(byte[] to, int at, ulong value) => BinaryPrimitives.WriteUInt64LittleEndian(to.AsSpan(at), value);
        private static void U64Big(byte[] to, ulong value) => BinaryPrimitives.WriteUInt64BigEndian(to, value);
    }
}
