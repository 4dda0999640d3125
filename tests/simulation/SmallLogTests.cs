using System.Collections.Concurrent;
using ImageFs.Tests.Fixtures;

namespace ImageFs.Tests.Simulation;

/// <summary>
/// Operations on far more extents than a transaction may change, in the smallest logs there are: they go on in pieces, around the
/// ring several times, and a power cut in between leaves a first part.
/// </summary>
[TestClass]
public sealed class SmallLogTests
{
    private const int Groups = 1000;

    /// <param name="subject">The smallest log of the format, 512 blocks, which no kernel takes; and the smallest that kernels take.</param>
    [TestMethod]
    [DataRow("small-log", "unshare")]
    [DataRow("small-log", "punch")]
    [DataRow("small-log", "zero")]
    [DataRow("small-log", "truncate")]
    [DataRow("small-log", "insert")]
    [DataRow("small-log", "collapse")]
    [DataRow("1k", "unshare")]
    [DataRow("1k", "punch")]
    [DataRow("1k", "zero")]
    [DataRow("1k", "truncate")]
    [DataRow("1k", "insert")]
    [DataRow("1k", "collapse")]
    public void ManyExtentsChangeInPiecesAndACutLeavesAFirstPart(string subject, string name)
    {
        Console.WriteLine(TestSettings.Replay(nameof(SmallLogTests), TestSettings.Seed));
        Random random = new(TestSettings.Seed);
        ManyExtentsOperation operation = ManyExtentsOperation.ByName[name];
        CrashSubject world = CrashSubjects.Make(subject);
        SimulatedDevice device = new(world.Formatted);
        long[] before;
        int block = world.BlockSize;
        using (FileSystem fs = FileSystem.Open(device, write: true, leaveOpen: true))
        {
            ManyExtents.Make(fs, "/a", Groups);
            fs.Clone("/a", "/b");
            before = ManyExtents.Numbers(fs, "/b");
            Assert.IsGreaterThan(fs.Volume.MostExtentsAtOnce, fs.GetEntry("/b").ExtentCount, "more than one transaction moves");
        }
        PagedImage start = device.Working;
        SimulatedDevice recorded = new(start, record: true);
        long checkpoints;
        using (FileSystem fs = FileSystem.Open(recorded, write: true, leaveOpen: true))
        {
            using (XfsFile b = fs.OpenFile("/b", write: true)) operation.Do(b, block);
            fs.Flush();
            checkpoints = fs.Volume.Journal!.Checkpoints;
            Assert.IsTrue(ManyExtents.Numbers(fs, "/b").AsSpan().SequenceEqual(operation.After(before)), "done as a whole");
        }
        Console.WriteLine($"{name} in {checkpoints} checkpoints, a log of {world.Log.Length >> 10} KiB, {recorded.Steps} steps");
        if (subject == "small-log") Assert.IsGreaterThan(2, checkpoints, "in pieces");

        DeviceHistory history = new(start, recorded.History, world.Log);
        int cuts = 10 * TestSettings.Sweep;
        int[] steps = [.. Enumerable.Range(0, cuts).Select(_ => random.Next(1, history.Count + 1)).Order()];
        ConcurrentQueue<string> wrong = [];
        int partly = 0;
        Parallel.ForEach(steps.Select((step, i) => (step, i, Disk: history.Cut(step, Survival.Any(random, Grain.Sector, Grain.Page, Grain.Write)))).ToArray(), cut =>
        {
            string story = $"cut {cut.i} at step {cut.step} of {history.Count}, seed {TestSettings.Seed}";
            try
            {
                SimulatedDevice left = new(cut.Disk);
                long[] found;
                using (FileSystem fs = FileSystem.Open(left, write: true, leaveOpen: true))
                {
                    Assert.IsTrue(ManyExtents.Numbers(fs, "/a").AsSpan().SequenceEqual(before), "the other file is what it was");
                    found = ManyExtents.Numbers(fs, "/b");
                    Assert.IsTrue(operation.MayBeLeft(found, before, operation.After(before)), "neither before, after, nor on the way");
                }
                if (!found.AsSpan().SequenceEqual(before) && !found.AsSpan().SequenceEqual(operation.After(before))) Interlocked.Increment(ref partly);
                if (world.Check(left) is { Count: > 0 } findings) Assert.Fail(string.Join('\n', findings.Take(10)));
                if (cut.i != cuts / 2 || world.OtherRecovery is null) return;
                // The kernel counts on a disk that writes 4 KiB whole.
                PagedImage pages = new DeviceHistory(start, recorded.History, world.Log).Cut(cut.step, Survival.Any(new Random(cut.step), Grain.Page));
                SimulatedDevice ours = new(pages);
                using FileSystem recovered = FileSystem.Open(ours, write: true, leaveOpen: true);
                Dictionary<string, ObservedEntry> kernels = world.OtherRecovery(pages);
                Assert.IsNull(CrashExplorer.Difference(FileSystemTree.Of(recovered).Observe(), kernels), "the kernel recovers the same");
            }
            catch (Exception why)
            {
                wrong.Enqueue($"{story}: {why.Message}");
            }
        });
        Console.WriteLine($"sweep: {cuts} power cuts, {partly} of them on the way");
        Assert.IsTrue(wrong.IsEmpty, string.Join('\n', wrong));
    }

    /// <summary>As many extents as are moved at once: each of them may change records of its own, and all of it fits.</summary>
    [TestMethod]
    [DataRow("small-log")]
    [DataRow("1k")]
    [DataRow("no-rmapbt")]
    public void AsManyExtentsAsAreMovedAtOnceFitATransaction(string subject)
    {
        CrashSubject world = CrashSubjects.Make(subject);
        SimulatedDevice device = new(world.Formatted);
        long[] before;
        using (FileSystem fs = FileSystem.Open(device, write: true, leaveOpen: true))
        {
            int most = (int)fs.Volume.MostExtentsAtOnce;
            ManyExtents.Make(fs, "/a", most / ManyExtents.ExtentsPerGroup);
            before = ManyExtents.Numbers(fs, "/a");
            long checkpoints = fs.Volume.Journal!.Checkpoints;
            fs.Flush();
            using (XfsFile a = fs.OpenFile("/a", write: true))
            {
                Assert.IsInRange((ulong)most - 2, (ulong)most, fs.GetEntry("/a").ExtentCount);
                a.InsertRange(0, world.BlockSize);
                a.CollapseRange(0, world.BlockSize);
                a.InsertRange(2 * world.BlockSize, 3 * world.BlockSize);
                a.CollapseRange(2 * world.BlockSize, 3 * world.BlockSize);
            }
            Assert.IsLessThanOrEqualTo(checkpoints + 6, fs.Volume.Journal!.Checkpoints, "one for each, and one behind it");
            Assert.IsTrue(ManyExtents.Numbers(fs, "/a").AsSpan().SequenceEqual(before));
        }
        IReadOnlyList<string> findings = world.Check(device);
        Assert.IsEmpty(findings, string.Join('\n', findings));
        world.OtherCheck?.Invoke(device.Working);
    }
}
