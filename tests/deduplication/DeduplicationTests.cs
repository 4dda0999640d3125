using System.Security.Cryptography;
using ImageFs.Deduplication;
using ImageFs.Format;
using ImageFs.Tests.Fixtures;
using static ImageFs.Tests.Fixtures.World;

namespace ImageFs.Tests.Deduplication;

/// <summary>Whole-image dedupe against a model that knows which blocks are equal. Each world's end checks that the image is clean.</summary>
[TestClass]
public sealed class DeduplicationTests
{
    /// <summary>Files put together from a few different blocks, many ending in the middle of one.</summary>
    private static Dictionary<string, byte[]> Build(World w, Random random, int files)
    {
        byte[][] pool = [.. Enumerable.Range(0, 40).Select(i => Noise(i, B))];
        pool[0].AsSpan().Clear();
        Dictionary<string, byte[]> contents = [];
        for (int f = 0; f < files; f++)
        {
            string path = $"/{(f % 3 == 0 ? "d/" : "")}f{f}";
            byte[] bytes;
            if (f > 0 && random.Next(3) == 0) bytes = [.. contents.ElementAt(random.Next(f)).Value];
            else
            {
                bytes = new byte[random.Next(1, 60) * B];
                for (int at = 0; at < bytes.Length;)
                    // Stretches of the pool in order: equal runs, not only equal blocks.
                    for (int from = random.Next(pool.Length), n = random.Next(1, 12); n > 0 && at < bytes.Length; n--, at += B)
                        pool[from++ % pool.Length].CopyTo(bytes, at);
                if (random.Next(2) == 0) bytes = bytes[..^random.Next(B)];
            }
            contents[path] = bytes;
            w.Write(path, 0, bytes);
        }
        return contents;
    }

    private static byte[] Noise(int seed, int length)
    {
        byte[] bytes = new byte[length];
        new Random(seed).NextBytes(bytes);
        return bytes;
    }

    private static World NewWorld()
    {
        World w = new();
        w.Fs.CreateDirectory("/d");
        return w;
    }

    /// <summary>Blocks of the refcountbts and the bmbts.</summary>
    private static long RecordBlocks(World w, IEnumerable<string> paths) =>
        Enumerable.Range(0, w.Fs.Volume.Groups.Count).Sum(ag => (long)w.Fs.Volume.Groups[new AgNumber((uint)ag)].Agf.RefcountBlocks.Value)
        + paths.DistinctBy(path => w.Fs.GetEntry(path).Inode).Sum(path => (long)w.Fs.GetEntry(path).Blocks - w.Extents(path).Sum(e => e.Length / B));

    private static long BlocksInUse(World w, IEnumerable<string> paths) =>
        paths.SelectMany(w.Extents).SelectMany(e => Enumerable.Range(0, (int)(e.Length / B)).Select(i => e.Physical + (long)i * B)).Distinct().LongCount();

    /// <summary>How many blocks the contents need at least. A last block that is not full shares only with last blocks like it.</summary>
    private static long BlocksNeeded(IEnumerable<byte[]> files)
    {
        HashSet<string> full = [], tails = [];
        foreach (byte[] bytes in files)
            for (int at = 0; at < bytes.Length; at += B)
            {
                byte[] block = bytes[at..Math.Min(at + B, bytes.Length)];
                (block.Length == B ? full : tails).Add(Convert.ToHexString(SHA256.HashData(block)));
            }
        return full.Count + tails.Count;
    }

    [TestMethod]
    [DataRow(256L << 20, 1)]
    [DataRow(64L << 10, 2)]
    public void EveryContentIsStoredOnceAndNothingElseChanges(long memory, int leastPasses)
    {
        for (int round = 0; round < TestSettings.Sweep; round++)
        {
            using World w = NewWorld();
            Dictionary<string, byte[]> contents = Build(w, new Random(TestSettings.Seed * 1000 + round), files: 60);
            w.Fs.Flush();
            Dictionary<string, Timestamp> times = contents.Keys.ToDictionary(path => path, path => w.Fs.GetEntry(path).Modified);
            long before = BlocksInUse(w, contents.Keys), recordsBefore = RecordBlocks(w, contents.Keys);

            DeduplicationReport dry = w.Fs.Deduplicate(new() { DryRun = true, MemoryLimit = memory });
            Assert.AreEqual(before, BlocksInUse(w, contents.Keys), "a dry run changes nothing");
            DeduplicationReport report = w.Fs.Deduplicate(new() { MemoryLimit = memory });

            string replay = TestSettings.Replay(nameof(EveryContentIsStoredOnceAndNothingElseChanges), TestSettings.Seed);
            foreach ((string path, byte[] bytes) in contents)
            {
                Assert.IsTrue(bytes.AsSpan().SequenceEqual(w.Read(path)), $"{path} changed; {replay}");
                Assert.AreEqual(times[path], w.Fs.GetEntry(path).Modified, $"{path} has another time; {replay}");
            }
            long after = BlocksInUse(w, contents.Keys);
            Assert.AreEqual(BlocksNeeded(contents.Values), after, $"blocks left; {replay}");
            Assert.AreEqual((before - after) * B, dry.BytesFreed, replay);
            // The records of more owners take some of it.
            long records = RecordBlocks(w, contents.Keys) - recordsBefore;
            Assert.AreEqual((before - after - records) * B, report.BytesFreed, replay);
            Assert.AreEqual(report.BytesShared, dry.BytesShared, replay);
            Assert.AreEqual(contents.Count, report.Files);
            Assert.AreEqual(contents.Values.Sum(b => (long)b.Length), report.BytesRead);
            Assert.IsGreaterThanOrEqualTo(leastPasses, report.Passes);

            DeduplicationReport again = w.Fs.Deduplicate(new() { MemoryLimit = memory });
            Assert.AreEqual(0, again.BytesShared, $"nothing is left to share; {replay}");
            Assert.AreEqual(0, again.BytesFreed);
            Assert.AreEqual(report.BytesShared + report.BytesSharedBefore, again.BytesSharedBefore, replay);
        }
    }

    [TestMethod]
    public void EqualFilesShareFromEndToEnd()
    {
        using World w = NewWorld();
        byte[] bytes = Noise(1, 300 * B + 17);
        foreach (string name in (string[])["/a", "/b", "/d/c"]) w.Write(name, 0, bytes);
        bytes[5] ^= 1;
        w.Write("/other", 0, bytes);
        DeduplicationReport report = w.Fs.Deduplicate(new() { WholeFiles = true });
        Assert.AreEqual((300 * B + 17) * 2, report.BytesShared);
        Assert.AreEqual(301 * B * 2, report.BytesFreed);
        Assert.AreEqual(w.Extents("/a")[0].Physical, w.Extents("/d/c")[0].Physical);
        Assert.DoesNotContain('s', w.Picture("/other"));
    }

    [TestMethod]
    public void OnlyFilesOfEqualSizeAreReadWhereWholeFilesAreWanted()
    {
        using World w = NewWorld();
        w.Fill("/a", 4, 1);
        w.Fill("/b", 4, 1);
        w.Fill("/alone", 5, 1);
        Assert.AreEqual(8 * B, w.Fs.Deduplicate(new() { WholeFiles = true }).BytesRead);
    }

    [TestMethod]
    public void OnlyWhatIsBelowTheGivenPathsIsTouched()
    {
        using World w = NewWorld();
        foreach (string name in (string[])["/a", "/d/b", "/d/c"]) w.Write(name, 0, Noise(1, 8 * B));
        Assert.AreEqual(8 * B, w.Fs.Deduplicate(new() { Paths = ["/d"] }).BytesShared);
        Assert.AreEqual("pppppppp", w.Picture("/a"));
        Assert.AreEqual("ssssssss", w.Picture("/d/b"));
    }

    [TestMethod]
    public void AnImmutableFileKeepsItsBlocksAndOthersShareThem()
    {
        using World w = NewWorld();
        w.Write("/moves", 0, Noise(1, 8 * B));
        w.Write("/stays", 0, Noise(1, 8 * B));
        w.Fs.SetFlags("/stays", set: InodeFlags.Immutable);
        long where = w.Extents("/stays")[0].Physical;
        DeduplicationReport report = w.Fs.Deduplicate();
        Assert.AreEqual(1, report.FilesKept);
        Assert.AreEqual(8 * B, report.BytesShared);
        Assert.AreEqual(where, w.Extents("/stays")[0].Physical);
        Assert.AreEqual(where, w.Extents("/moves")[0].Physical);
    }

    [TestMethod]
    public void HolesStayHoles()
    {
        using World w = NewWorld();
        w.Write("/a", 20 * B, Noise(1, B));
        w.Write("/b", 40 * B, Noise(1, B));
        w.Fs.Deduplicate();
        Assert.AreEqual(new string('.', 20) + "s", w.Picture("/a"));
        Assert.AreEqual(new string('.', 40) + "s", w.Picture("/b"));
    }

    [TestMethod]
    public void ItCanBeStoppedAnywhere()
    {
        using World w = NewWorld();
        Dictionary<string, byte[]> contents = Build(w, new Random(TestSettings.Seed), files: 40);
        using CancellationTokenSource stop = new();
        Assert.ThrowsExactly<OperationCanceledException>(() => w.Fs.Deduplicate(null, new Stopper(stop, reports: 20), stop.Token));
        foreach ((string path, byte[] bytes) in contents) Assert.IsTrue(bytes.AsSpan().SequenceEqual(w.Read(path)), path);
    }

    private sealed class Stopper(CancellationTokenSource stop, int reports) : IProgress<DeduplicationProgress>
    {
        private int _seen;

        public void Report(DeduplicationProgress value)
        {
            if (++_seen == reports) stop.Cancel();
        }
    }

    [TestMethod]
    [DataRow(false)]
    [DataRow(true)]
    public void ProgressComesFromInsideLargeFilesTooAndNeverGoesBack(bool wholeFiles)
    {
        using World w = NewWorld();
        foreach (string name in (string[])["/a", "/b"]) w.Write(name, 0, Noise(1, 16 << 20));
        List<DeduplicationProgress> seen = [];
        w.Fs.Deduplicate(new() { WholeFiles = wholeFiles, MemoryLimit = 128 << 10 }, new Recorder(seen));
        Assert.IsGreaterThan(20, seen.Count);
        Assert.IsTrue(seen.All(p => p.BytesTotal == 32 << 20 && p.BytesDone <= p.BytesTotal && p.Pass <= p.Passes));
        foreach ((DeduplicationProgress before, DeduplicationProgress after) in seen.Zip(seen.Skip(1)))
            Assert.IsTrue((after.Pass, after.BytesDone).CompareTo((before.Pass, before.BytesDone)) >= 0, $"{before}, then {after}");
        Assert.AreEqual((seen[0].Passes, 32L << 20), (seen[^1].Pass, seen[^1].BytesDone));
        Assert.IsTrue(wholeFiles || seen[0].Passes > 1, "the table was to be too small");
    }

    private sealed class Recorder(List<DeduplicationProgress> seen) : IProgress<DeduplicationProgress>
    {
        public void Report(DeduplicationProgress value) => seen.Add(value);
    }

    [TestMethod]
    public void WithoutReflinkItIsRefused()
    {
        using World w = new(64, "-m", "reflink=0");
        Assert.ThrowsExactly<XfsUnsupportedException>(() => w.Fs.Deduplicate());
    }
}
