using System.Buffers.Binary;
using ImageFs.Devices;
using ImageFs.Format;
using ImageFs.Tests.Fixtures;
using static ImageFs.Tests.Cli.CliRun;

namespace ImageFs.Tests.Cli;

/// <summary>`imagefs inspect` on bytes that lie: an error that says where, never a crash, a hang or memory without end.</summary>
[TestClass]
public sealed class InspectHostileTests
{
    private const long MostAllocated = 2L << 30;
    private const int MostOutput = 64 << 20;

    private static readonly string[] s_always = ["", "sb", "agf/0", "agi/0", "agfl/0", "ag/0", "ag/0/bnobt", "ag/0/rmapbt/records", "inode/root", "inode/root/dir", "inode/root/attr", "block/0/1", "log", "log/0", "log/at/0", "daddr/8"];

    [TestMethod]
    public void AnImageCutOffAnywhereIsAnErrorAtMost()
    {
        byte[] whole = File.ReadAllBytes(SampleImages.Path("plain-4k"));
        foreach (int length in (int[])[0, 1, 303, 511, 512, 513, 1024, 2047, 4096, 5000, 65536, whole.Length / 2, whole.Length - 1])
        {
            using TempImage image = TempImage.Of(whole.AsSpan(0, length));
            foreach (string path in s_always) Use(image.Path, path, $"{length} bytes");
            if (length < 303) Assert.AreEqual(1, Run("inspect", image.Path).Code, $"{length} bytes");
        }
    }

    [TestMethod]
    public void RandomBytesAreAnErrorAtMost()
    {
        for (int round = 0; round < 6 * TestSettings.Sweep; round++)
        {
            int seed = TestSettings.Seed * 1000 + round;
            byte[] bytes = Noise(1 << 20, seed);
            string story = $"random bytes, round {round}. {TestSettings.Replay(nameof(RandomBytesAreAnErrorAtMost), TestSettings.Seed)}";
            // Without a superblock nothing else is found: half of the rounds keep one that says what it likes.
            if (round % 2 == 1)
            {
                using FileStream sample = File.OpenRead(SampleImages.Path("plain-4k"));
                sample.ReadExactly(bytes, 0, 512);
                Random random = new(seed);
                for (int i = 0; i < 6; i++) bytes[4 + random.Next(260)] = (byte)random.Next(256);
            }
            using TempImage image = TempImage.Of(bytes);
            foreach (string path in s_always) Use(image.Path, path, story);
        }
    }

    [TestMethod]
    [DataRow("plain-4k"), DataRow("attributes-1k"), DataRow("dirs-1k"), DataRow("fragmented-1k"), DataRow("dirty-su-4k"), DataRow("sparse-inodes-4k")]
    public void DamagedStructuresAreShownAsFarAsTheyGo(string name)
    {
        string original = SampleImages.Path(name);
        List<string> paths = InspectTests.Paths(original);
        MemoryDevice healthy = MemoryDevice.Load(original);
        Geometry g = Volume.ReadSuperblock(healthy);
        List<long> blocks = [];
        byte[] block = new byte[g.BlockSize];
        for (long at = 0; at < g.DeviceBytes; at += g.BlockSize)
        {
            healthy.Read(at, block);
            if (block.AsSpan().ContainsAnyExcept((byte)0) && (at < g.LogOffset + (256 << 10) || at >= g.LogOffset + g.LogBytes)) blocks.Add(at);
        }
        for (int round = 0; round < 4 * TestSettings.Sweep; round++)
        {
            Random random = new(TestSettings.Seed * 1000 + round);
            MemoryDevice damaged = healthy.Clone();
            // Many small lies at once: near the front of a block stand its counts and pointers.
            for (int i = 0; i < blocks.Count * 2; i++)
            {
                long at = blocks[random.Next(blocks.Count)] + (random.Next(2) == 0 ? random.Next(160) : random.Next(g.BlockSize));
                if (at < 512) continue; // without the superblock nothing is found
                damaged.Write(at, new byte[] { (byte)(random.Next(3) switch { 0 => 0, 1 => 0xFF, _ => random.Next(256) }) });
            }
            using TempImage image = TempImage.NotYetThere();
            damaged.Save(image.Path);
            foreach (string path in paths)
                Use(image.Path, path, $"{name}, round {round}. {TestSettings.Replay(nameof(DamagedStructuresAreShownAsFarAsTheyGo), TestSettings.Seed)}");
        }
    }

    [TestMethod]
    public void ATreeThatLeadsInCirclesIsSaidToDoSo()
    {
        using TempImage image = SampleImages.Copy("fragmented-1k");
        MemoryDevice device = MemoryDevice.Load(image.Path);
        Geometry g = Volume.ReadSuperblock(device);
        byte[] sector = new byte[g.SectorSize], root = new byte[g.BlockSize];
        device.Read(g.HeaderOffset(new AgNumber(0), 1), sector);
        Agf agf = Agf.At((ReadOnlySpan<byte>)sector);
        long place = g.ByteOffset(new AgNumber(0), new AgBlock(agf.RmapRoot));
        device.Read(place, root);
        int pointers = ShortBtreeHeader.Size + (g.BlockSize - ShortBtreeHeader.Size) / 44 * 40;
        // Every child is the root again; and then the second child is the first again.
        uint first = BinaryPrimitives.ReadUInt32BigEndian(root.AsSpan(pointers));
        foreach ((uint child, string expected) in ((uint, string)[])[(agf.RmapRoot, "reached twice"), (first, "reached twice")])
        {
            for (int i = 0; i < 3; i++) BinaryPrimitives.WriteUInt32BigEndian(root.AsSpan(pointers + 4 * i), child);
            Crc32c.Stamp(root, ShortBtreeHeader.CrcOffset);
            device.Write(place, root);
            device.Save(image.Path);
            foreach (string path in (string[])["ag/0/rmapbt", "ag/0/rmapbt/records", "ag/0/rmapbt/blocks"])
            {
                CliResult result = Use(image.Path, path, "a tree in circles", limit: "0");
                Assert.AreEqual(1, result.Code, path);
                StringAssert.Contains(result.Error, expected, path);
            }
        }
    }

    /// <summary>Runs one inspection within bounds of time, memory and output.</summary>
    private static CliResult Use(string image, string path, string story, string limit = "50")
    {
        CliResult? result = null;
        long allocated = 0;
        foreach (string[] options in (string[][])[[], ["--json"]])
        {
            Task work = Task.Run(() =>
            {
                long before = GC.GetAllocatedBytesForCurrentThread();
                result = Run(["inspect", "--limit", limit, .. options, image, path]);
                allocated = GC.GetAllocatedBytesForCurrentThread() - before;
            });
            try
            {
                if (!work.Wait(TimeSpan.FromSeconds(60))) Assert.Fail($"hangs at '{path}': {story}");
            }
            catch (AggregateException why)
            {
                Assert.Fail($"'{path}': {why.InnerException}: {story}");
            }
            Assert.IsInRange(0, 2, result!.Code, $"'{path}': {story}");
            Assert.AreEqual(result.Code == 0 ? 0 : 1, result.Error.Count(c => c == '\n'), $"'{path}' said '{result.Error}': {story}");
            Assert.IsLessThan(MostOutput, result.Bytes.Length, $"'{path}': {story}");
            Assert.IsLessThan(MostAllocated, allocated, $"'{path}': {story}");
            if (options.Length > 0) System.Text.Json.JsonDocument.Parse(result.Bytes).Dispose();
        }
        return result!;
    }
}
