using System.Diagnostics;
using System.Globalization;
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
/// the files, of which only those may have lost something whose own inode, mappings or data were hit. What our check does not see,
/// xfs_repair -n must not see either. IMAGEFS_ROUND=n repeats one round of a run and keeps its image before and after.
/// </summary>
internal sealed class RepairSweep(Func<DamagedImage, string, Random, SweepSample, Harm> damage)
{
    private static readonly string[] s_images =
    [
        "plain-4k", "plain-1k", "bare-4k", "dirs-4k", "dirs-1k", "dirs-8k", "attributes-4k", "attributes-1k", "fragmented-1k", "fragmented-4k", "shared-4k", "shared-1k",
        "sparse-inodes-4k", "nrext64-4k", DamagedImage.Parents,
    ];

    private const int MostFailures = 10;
    private const string WithParents = "images with parent pointers";
    // Columns of the table; those of xfs_repair follow ours.
    private const int Images = 0, Clean = 1, Changed = 2, Others = 5, Columns = 10;
    private readonly SortedDictionary<string, int[]> _table = new(StringComparer.Ordinal);
    private readonly List<string> _failures = [];
    private int _silent, _judged, _refused, _worked, _groups;
    private static int s_damaged, s_repaired, s_worked;

    /// <summary>True if an image may be one that nobody can repair; then xfs_repair must not be able to either.</summary>
    public bool MayRefuse { get; init; }

    private static bool IsLong => TestSettings.Sweep > 1;

    /// <summary>Damage images that were changed since <see cref="SweepSample.Older"/>.</summary>
    public bool OnChanged { get; init; }

    public void Run(string test, int atLeast)
    {
        Console.WriteLine(TestSettings.Replay(test, TestSettings.Seed));
        if (int.TryParse(Environment.GetEnvironmentVariable("IMAGEFS_ROUND"), out int only))
        {
            string? failed = RunRound(only, judge: true, keep: true);
            Assert.IsNull(failed, failed);
            return;
        }
        // The judges cost far more than the repair: in a long run they look at every image, else at some.
        int rounds = atLeast * TestSettings.Sweep, every = IsLong ? 1 : 8;
        // A long run has the machine to itself.
        ParallelOptions how = new() { MaxDegreeOfParallelism = IsLong ? Math.Min(4, Environment.ProcessorCount) : 1 };
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
        Console.WriteLine("| damaged | images | `fsck -y`: clean | changed | moved | attributes | `xfs_repair`: clean | changed | moved | attributes |");
        foreach ((string kind, int[] row) in _table)
        {
            // No numbers where xfs_repair was not asked.
            IEnumerable<string> cells = row.Where((_, i) => i != Others + Images).Select((n, i) => i >= Others && row[Others + Images] == 0 ? "" : n.ToString(CultureInfo.InvariantCulture));
            Console.WriteLine($"| {kind} | {string.Join(" | ", cells)} |");
        }
        // ./test shows the last of these lines.
        Console.WriteLine($"sweep: {Volatile.Read(ref s_damaged)} damaged images so far, {Volatile.Read(ref s_repaired)} of them repaired and found clean, "
            + $"{Volatile.Read(ref s_worked)} of these in use by the kernel; more with ./test --sweep N");
        Assert.IsEmpty(_failures, string.Join(Environment.NewLine + Environment.NewLine, _failures));
    }

    /// <returns>Null, or what went wrong.</returns>
    private string? RunRound(int round, bool judge, bool keep = false)
    {
        Random random = new(unchecked(TestSettings.Seed * 100003 + round));
        string name = s_images[random.Next(s_images.Length)];
        SweepSample sample = SweepSample.Get(name, OnChanged);
        DamagedImage image = new(sample.Device.Clone());
        Harm harm = damage(image, name, random, sample);
        // Tools that do not know parent pointers cannot be compared with.
        if (name == DamagedImage.Parents) harm = harm with { Kind = WithParents };
        string about = $"round {round}: {harm.About}{Environment.NewLine}";
        MemoryDevice device = harm.Instead ?? image.Device;
        if (keep)
        {
            Console.WriteLine(about);
            Keep(device, "before");
        }
        try
        {
            Task examination = Task.Factory.StartNew(() => Examine(sample, device, image.Geometry, harm, judge),
                CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
            return examination.Wait(TimeSpan.FromMinutes(2)) ? null : about + "no end after two minutes";
        }
        catch (AggregateException e)
        {
            return about + (e.InnerException is AssertFailedException failed ? failed.Message : e.InnerException);
        }
        finally
        {
            if (keep) Keep(device, "after");
        }
    }

    private static void Keep(MemoryDevice device, string when)
    {
        string path = Path.Combine(Path.GetTempPath(), $"imagefs-{when}.img");
        device.Save(path);
        Console.WriteLine(path);
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
            if (judge && Judge.Find("xfs_repair") is not null) AskOfSilent(damaged);
            return;
        }
        Interlocked.Increment(ref s_damaged);
        // A feature bit that nobody knows may be one that came later, and is not taken away.
        bool unknown = (report.Problem ?? report.Repair?.Problem) is string why && (why.StartsWith("unknown ", StringComparison.Ordinal) || why.StartsWith("feature ", StringComparison.Ordinal));
        bool refused = unknown || MayRefuse && report.Exit is FsckExit.ErrorsLeft or FsckExit.OperationalError;
        bool other = (refused || IsLong) && Judge.Find("xfs_repair") is not null && CompareOther(sample, damaged, harm, insist: refused);
        if (refused)
        {
            Interlocked.Increment(ref _refused);
            Compare(sample, new TreeListing([]), harm, isClean: false);
            Assert.IsFalse(other, $"refused, but xfs_repair can do it: {report.Text()}");
            return;
        }
        Assert.AreEqual(FsckExit.Repaired, report.Exit, report.Text());
        FsckOf.Device(device).MustBeSilent();
        TreeListing after;
        using (FileSystem fs = FileSystem.Open(device, write: false, leaveOpen: true)) after = LibraryListing.Of(fs);
        Compare(sample, after, harm, isClean: true);
        if (judge) Ask(device, geometry, after);
        Interlocked.Increment(ref s_repaired);
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
        Interlocked.Increment(ref s_worked);
    }

    private static void AskOfSilent(MemoryDevice damaged)
    {
        using TempImage file = TempImage.NotYetThere();
        damaged.Save(file.Path);
        XfsRepair.CheckClean(file.Path);
    }

    /// <summary>Counts what a repair left, and insists that whoever was not hit lost nothing.</summary>
    private void Compare(SweepSample sample, TreeListing after, Harm harm, bool isClean)
    {
        int[] row = new int[Columns];
        row[Images] = 1;
        if (isClean) row[Clean] = 1;
        List<string> lost = Count(sample, after, row.AsSpan(Changed));
        AddRow(harm.Kind, row);
        if (!isClean) return;
        string[] innocent = [.. lost.Where(path => !sample.IsHit(sample.InodeOf[path], harm.Ranges))];
        Assert.IsEmpty(innocent, $"lost, though nothing of theirs was hit: {string.Join(", ", innocent.Take(10))}");
    }

    /// <summary>What xfs_repair does with the same image; one that does not know its features counts as nothing.</summary>
    /// <param name="insist">Once more if it is not done: the first run leaves link counts to the second.</param>
    /// <returns>True if it leaves the image clean.</returns>
    private bool CompareOther(SweepSample sample, MemoryDevice damaged, Harm harm, bool insist)
    {
        if (harm.Kind == WithParents) return false;
        using TempImage file = TempImage.NotYetThere();
        damaged.Save(file.Path);
        int[] row = new int[Columns];
        row[Others] = 1;
        bool clean = OtherRepair(file.Path);
        if (clean) row[Others + Clean] = 1;
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
        return clean || insist && OtherRepair(file.Path);
    }

    private static bool OtherRepair(string image)
    {
        string[] arguments = ["-f", "-o", "force_geometry", image];
        try
        {
            // 2: it asks for the log to be given up.
            if (Shell.Run(Judge.RequireRepair(), arguments, XfsRepair.Timeout).ExitCode == 2) Shell.Run(Judge.RequireRepair(), ["-L", .. arguments], XfsRepair.Timeout);
            return XfsRepair.Check(image).ExitCode == 0;
        }
        catch (Exception e) when (e is TimeoutException or IOException)
        {
            // It hung, or what it left has features that only we know, and is damaged.
            return false;
        }
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
        // Another repair may leave two of one name.
        Dictionary<string, TreeEntry> byPath = after.Entries.DistinctBy(e => e.Path).ToDictionary(e => e.Path);
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
