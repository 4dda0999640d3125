using System.Collections.Concurrent;
using System.Diagnostics;
using ImageFs.Devices;
using ImageFs.Format;
using ImageFs.Mkfs;
using ImageFs.Tests.Fixtures;
using ImageFs.Tests.Interop;
using ImageFs.Tests.Simulation;

namespace ImageFs.Tests.Recovering;

/// <summary>
/// Our own dirty logs, cut off anywhere, recovered by the kernel: it must find the very tree that our own recovery of a copy leaves,
/// down to where each extent lies, and both must end with nothing lost.
/// </summary>
[TestClass]
public sealed class OurDirtyLogTests
{
    private const int Generations = 2, CutsPerGeneration = 9, Steps = 350;
    private const long Size = 160 << 20;

    /// <summary>Features, sizes of blocks and logs.</summary>
    private static readonly string[] s_options =
    [
        "", "-b size=1024", "-b size=2048 -m rmapbt=0", "-m reflink=0", "-m rmapbt=0,reflink=0,finobt=0,inobtcount=0,bigtime=0 -i sparse=0,nrext64=0",
        "-n parent=1 -i exchange=1", "-b size=2048 -n parent=1 -i exchange=1,size=1024", "-s size=4096 -i exchange=1", "-n size=16384 -l size=16m",
        "-l size=24m,su=64k -d agcount=6", "-b size=16384 -n parent=1", "-b size=32768 -d agcount=1", "-b size=1024 -n size=8192 -i exchange=1 -l su=256k",
    ];

    public required TestContext TestContext { get; set; }

    [TestMethod]
    public void TheKernelRecoversFromOurLogsWhatWeRecover()
    {
        Judge.RequireKernel();
        Console.WriteLine(TestSettings.Replay(nameof(TheKernelRecoversFromOurLogsWhatWeRecover), TestSettings.Seed));
        Stopwatch time = Stopwatch.StartNew();
        int dirty = 0, clean = 0, partial = 0;
        List<string> failures = [];
        foreach (int round in Enumerable.Range(0, TestSettings.Sweep))
            foreach (string options in s_options)
                // Images are made in order by whoever comes next; the judges are what takes the time.
                Parallel.ForEach(Partitioner.Create(Cuts(options, round), EnumerablePartitionerOptions.NoBuffering), new ParallelOptions { MaxDegreeOfParallelism = 4 }, cut =>
                {
                    try
                    {
                        Interlocked.Increment(ref RecoveredAlike(cut) ? ref dirty : ref clean);
                        if (cut.Survival.Kind is not (SurvivalKind.None or SurvivalKind.All)) Interlocked.Increment(ref partial);
                    }
                    catch (Exception why)
                    {
                        lock (failures) failures.Add($"mkfs '{options}', round {round}, generation {cut.Generation}, step {cut.Step}, {cut.Survival}: {why}");
                    }
                });
        string summary = $"{dirty} dirty logs of ours recovered by the kernel, on {s_options.Length} kinds of file system; {partial} cuts left any part of the writes under way, "
            + $"{clean} more left a clean log; {time.Elapsed.TotalSeconds:F0} s";
        TestContext.DisplayMessage(MessageLevel.Informational, $"sweep: {summary}");
        Console.WriteLine(summary);
        Assert.IsEmpty(failures, $"{failures.Count} of them: {string.Join("\n\n", failures.Take(3))}");
        Assert.IsGreaterThanOrEqualTo(200 * TestSettings.Sweep, dirty, summary);
    }

    /// <summary>What a power cut left.</summary>
    private sealed record Cut(string Options, int Generation, int Step, Survival Survival, PagedImage Disk);

    /// <summary>Works on a fresh file system, cuts the power at random places, and goes on from what one of the cuts left.</summary>
    private static IEnumerable<Cut> Cuts(string options, int round)
    {
        int seed = (TestSettings.Seed * 1009 + round) * 31 + Array.IndexOf(s_options, options);
        Random random = new(seed);
        MemoryDevice formatted = new(Size);
        MkfsOptions mkfs = MkfsOptions.Parse(options.Split(' ', StringSplitOptions.RemoveEmptyEntries)) with { SourceDate = DateTimeOffset.UnixEpoch.AddYears(50) };
        ImageFs.Mkfs.Mkfs.Format(formatted, mkfs, ImageFs.Mkfs.Mkfs.Plan(mkfs, Size), isZero: true);
        Geometry geometry = Volume.ReadSuperblock(formatted);
        ByteRange log = new(geometry.LogOffset, geometry.LogBytes);
        // The kernel counts on a disk that writes a metadata block whole: its recovery looks into one that it leaves out as newer.
        bool pages = geometry.BlockSize == PagedImage.PageSize && geometry.DirectoryBlockSize == PagedImage.PageSize;
        PagedImage start = PagedImage.Of(formatted);
        for (int generation = 0; generation < Generations; generation++)
        {
            IReadOnlyList<DeviceStep> steps = Work(start, seed + generation, generation);
            DeviceHistory history = new(start, steps, log);
            int[] places = [.. Enumerable.Range(0, CutsPerGeneration).Select(_ => random.Next(1, steps.Count + 1)).Order()];
            PagedImage[] disks = new PagedImage[places.Length];
            for (int i = 0; i < places.Length; i++)
            {
                Survival survival = Survival.Any(random, pages ? Grain.Page : Grain.Write);
                disks[i] = history.Cut(places[i], survival);
                yield return new Cut(options, generation, places[i], survival, disks[i]);
            }
            start = disks[random.Next(disks.Length)];
        }
    }

    private static IReadOnlyList<DeviceStep> Work(PagedImage start, int seed, int generation)
    {
        SimulatedDevice device = new(start, record: true);
        using (FileSystem fs = FileSystem.Open(device, write: true, leaveOpen: true))
        {
            long seconds = 1_700_000_000;
            // Equal calls must make equal steps, times included.
            fs.Clock = () => new Timestamp(seconds++, 0);
            string place = $"/generation{generation}";
            fs.CreateDirectory(place);
            new RandomTurn(seed, TurnOptions.Of(fs.Geometry) with { Place = place, Small = true, Flushes = true }).Run(new LibraryTree(fs), Steps);
        }
        return device.History;
    }

    /// <returns>Whether there was something to recover.</returns>
    private static bool RecoveredAlike(Cut cut)
    {
        TreeListing ours;
        bool recovered;
        SimulatedDevice device = new(cut.Disk);
        using (FileSystem fs = FileSystem.Open(device, write: true, leaveOpen: true))
        {
            recovered = fs.WasRecovered;
            ours = LibraryListing.Of(fs);
        }
        OurFsck.AssertClean(device);
        using TempImage image = TempImage.NotYetThere();
        cut.Disk.Save(image.Path);
        using (KernelMount mount = KernelMount.ReadWrite(image.Path))
        {
            TreeListing.AssertEqual(ours, mount.List(), LibraryListing.Fields);
            if (cut.Options.Contains("parent=1", StringComparison.Ordinal)) KernelParents.AssertComplete(mount);
            mount.AssertNoComplaints();
        }
        XfsRepair.CheckClean(image.Path);
        OurFsck.AssertClean(image.Path);
        return recovered;
    }
}
