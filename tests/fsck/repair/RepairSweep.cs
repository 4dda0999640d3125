using System.Diagnostics;
using ImageFs.Devices;
using ImageFs.Format;
using ImageFs.Fsck;
using ImageFs.Tests.Fixtures;

namespace ImageFs.Tests.Fsck;

/// <summary>What was done to an image.</summary>
/// <param name="Kind">The row of the table it counts in.</param>
/// <param name="Ranges">Bytes that are not what they were.</param>
internal sealed record Harm(string Kind, string About, List<(long Start, long End)> Ranges)
{
    /// <summary>The image, if it is no longer the one that was given.</summary>
    public MemoryDevice? Instead { get; init; }
}

/// <summary>
/// Damages sample images, repairs them, and has everybody look at the result: our check, xfs_repair -n, the kernel at work, and
/// the files, of which only those may have lost something whose own inode, mappings or data were hit.
/// </summary>
internal sealed class RepairSweep(Func<DamagedImage, string, Random, SweepSample, Harm> damage)
{
    private static readonly string[] s_images =
    [
        "plain-4k", "plain-1k", "bare-4k", "dirs-4k", "dirs-1k", "dirs-8k", "attributes-4k", "attributes-1k", "fragmented-1k", "fragmented-4k", "shared-4k", "shared-1k",
        "sparse-inodes-4k", "nrext64-4k", DamagedImage.Parents,
    ];

    private const int MostFailures = 10;
    // Columns of the table; those of xfs_repair follow ours.
    private const int Images = 0, Clean = 1, Changed = 2, Others = 5, Columns = 10;
    private readonly SortedDictionary<string, int[]> _table = new(StringComparer.Ordinal);
    private readonly List<string> _failures = [];
    private int _silent, _judged, _refused, _worked, _groups;

    /// <summary>True if an image may be one that nobody can repair; then xfs_repair must not be able to either.</summary>
    public bool MayRefuse { get; init; }

    /// <summary>Damage images that were changed since <see cref="SweepSample.Older"/>.</summary>
    public bool OnChanged { get; init; }

    public void Run(string test, int atLeast)
    {
        Console.WriteLine(TestSettings.Replay(test, TestSettings.Seed));
        // The judges cost far more than the repair: in a long run they look at every image, else at some.
        int rounds = atLeast * TestSettings.Sweep, every = TestSettings.Sweep > 1 ? 1 : 8;
        // A long run has the machine to itself.
        ParallelOptions how = new() { MaxDegreeOfParallelism = TestSettings.Sweep > 1 ? Math.Min(4, Environment.ProcessorCount) : 1 };
        Parallel.For(0, rounds, how, (round, state) =>
        {
            string? failure = RunRound(round, judge: round % every == 0);
            if (failure is null) return;
            lock (_failures)
            {
                _failures.Add(failure);
                if (_failures.Count >= MostFailures) state.Stop();
            }
        });
        Console.WriteLine($"{rounds} damages: {_silent} silent, {_refused} refused; xfs_repair -n judged {_judged}, the kernel worked on {_worked} in {_groups} groups");
        Console.WriteLine("| damaged | images | clean | changed | moved | attributes | xfs_repair: images | clean | changed | moved | attributes |");
        foreach ((string kind, int[] row) in _table) Console.WriteLine($"| {kind} | {string.Join(" | ", row)} |");
        Assert.IsEmpty(_failures, string.Join(Environment.NewLine + Environment.NewLine, _failures));
    }

    /// <returns>Null, or what went wrong.</returns>
    private string? RunRound(int round, bool judge)
    {
        Random random = new(unchecked(TestSettings.Seed * 100003 + round));
        string name = s_images[random.Next(s_images.Length)];
        SweepSample sample = SweepSample.Get(name, OnChanged);
        DamagedImage image = new(sample.Device.Clone());
        Harm harm = damage(image, name, random, sample);
        string about = $"round {round}: {harm.About}{Environment.NewLine}";
        try
        {
            Task examination = Task.Factory.StartNew(() => Examine(sample, harm.Instead ?? image.Device, image.Geometry, harm, judge),
                CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
            return examination.Wait(TimeSpan.FromMinutes(2)) ? null : about + "no end after two minutes";
        }
        catch (AggregateException e)
        {
            return about + (e.InnerException is AssertFailedException failed ? failed.Message : e.InnerException);
        }
    }

    private void Examine(SweepSample sample, MemoryDevice device, Geometry geometry, Harm harm, bool judge)
    {
        MemoryDevice damaged = device.Clone();
        Stopwatch clock = Stopwatch.StartNew();
        FsckReport report = Repairer.Repair(device, new RepairOptions { DiscardLog = MayRefuse });
        Assert.IsLessThan(30.0, clock.Elapsed.TotalSeconds);
        if (report.Exit == FsckExit.Clean)
        {
            Interlocked.Increment(ref _silent);
            return;
        }
        if (MayRefuse && report.Exit is FsckExit.ErrorsLeft or FsckExit.OperationalError)
        {
            Interlocked.Increment(ref _refused);
            if (Judge.Find("xfs_repair") is not null) Assert.IsFalse(OtherRepairSucceeds(damaged), $"refused, but xfs_repair can do it: {report.Text()}");
            return;
        }
        if (!MayRefuse && TestSettings.Sweep > 1 && Judge.Find("xfs_repair") is not null) CompareOther(sample, damaged, harm);
        Assert.AreEqual(FsckExit.Repaired, report.Exit, report.Text());
        FsckOf.Device(device).MustBeSilent();
        TreeListing after;
        using (FileSystem fs = FileSystem.Open(device, write: false, leaveOpen: true)) after = LibraryListing.Of(fs);
        Compare(sample, after, harm);
        if (judge) Ask(device, geometry, after);
    }

    private void Ask(MemoryDevice device, Geometry geometry, TreeListing after)
    {
        if (Judge.Find("xfs_repair") is null) return;
        using TempImage file = TempImage.NotYetThere();
        device.Save(file.Path);
        XfsRepair.CheckClean(file.Path);
        Interlocked.Increment(ref _judged);
        if (!Judge.HasKernel) return;
        Interlocked.Add(ref _groups, KernelWorkout.Run(file.Path, geometry, after));
        XfsRepair.CheckClean(file.Path);
        OurFsck.AssertClean(file.Path);
        Interlocked.Increment(ref _worked);
    }

    private static bool OtherRepairSucceeds(MemoryDevice damaged)
    {
        using TempImage file = TempImage.NotYetThere();
        damaged.Save(file.Path);
        if (OlderFormat.IsTooNew(file.Path)) return false;
        // With -L as we may discard the log; once more, because the first run leaves link counts to the second.
        for (int run = 0; run < 2; run++) Shell.Run(Judge.RequireRepair(), ["-L", "-f", "-o", "force_geometry", file.Path], XfsRepair.Timeout);
        return XfsRepair.Check(file.Path).ExitCode == 0;
    }

    /// <summary>Counts what a repair left, and insists that whoever was not hit lost nothing.</summary>
    private void Compare(SweepSample sample, TreeListing after, Harm harm)
    {
        int[] row = new int[Columns];
        row[Images] = row[Clean] = 1;
        List<string> lost = Count(sample, after, row.AsSpan(Changed));
        AddRow(harm.Kind, row);
        string[] innocent = [.. lost.Where(path => !sample.IsHit(sample.InodeOf[path], harm.Ranges))];
        Assert.IsEmpty(innocent, $"lost, though nothing of theirs was hit: {string.Join(", ", innocent.Take(10))}");
    }

    /// <summary>What xfs_repair does with the same image; one that does not know its features counts as nothing.</summary>
    private void CompareOther(SweepSample sample, MemoryDevice damaged, Harm harm)
    {
        using TempImage file = TempImage.NotYetThere();
        damaged.Save(file.Path);
        if (OlderFormat.IsTooNew(file.Path)) return;
        ShellResult repair = Shell.Run(Judge.RequireRepair(), ["-f", "-o", "force_geometry", file.Path], XfsRepair.Timeout);
        // 2: it asks for the log to be given up.
        if (repair.ExitCode == 2) Shell.Run(Judge.RequireRepair(), ["-L", "-f", "-o", "force_geometry", file.Path], XfsRepair.Timeout);
        int[] row = new int[Columns];
        row[Others] = 1;
        if (XfsRepair.Check(file.Path).ExitCode == 0) row[Others + Clean] = 1;
        TreeListing after;
        try
        {
            after = LibraryListing.Of(file.Path);
        }
        catch (Exception e) when (e is IOException or AssertFailedException)
        {
            after = new TreeListing([]);
        }
        Count(sample, after, row.AsSpan(Others + Changed));
        AddRow(harm.Kind, row);
    }

    private void AddRow(string kind, int[] row)
    {
        lock (_table)
        {
            if (!_table.TryGetValue(kind, out int[]? sum)) _table[kind] = sum = new int[Columns];
            for (int i = 0; i < Columns; i++) sum[i] += row[i];
        }
    }

    /// <param name="row">Files whose content is nowhere, names that are not where they were, files that lack attributes.</param>
    /// <returns>A path of each file that is lost.</returns>
    private static List<string> Count(SweepSample sample, TreeListing after, Span<int> row)
    {
        Dictionary<string, TreeEntry> byPath = after.Entries.ToDictionary(e => e.Path);
        HashSet<(string, string, EntryKind, long)> contents = [.. after.Entries.Select(SweepSample.Contents)];
        HashSet<ulong> inodes = [];
        List<string> lost = [];
        foreach (TreeEntry entry in sample.Listing.Entries)
        {
            bool there = byPath.TryGetValue(entry.Path, out TreeEntry? now);
            if (!there) row[1]++;
            else row[2] += entry.Attributes.Count(a => !now!.Attributes.TryGetValue(a.Key, out AttributeDigest digest) || digest != a.Value);
            if (entry.Kind == EntryKind.Directory || contents.Contains(SweepSample.Contents(entry)) || !inodes.Add(sample.InodeOf[entry.Path])) continue;
            row[0]++;
            lost.Add(entry.Path);
        }
        return lost;
    }
}
