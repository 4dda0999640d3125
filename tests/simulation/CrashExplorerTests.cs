using System.Diagnostics;
using ImageFs.Devices;
using ImageFs.Tests.Fixtures;

namespace ImageFs.Tests.Simulation;

/// <summary>
/// Power cuts everywhere. `IMAGEFS_SWEEP=n` makes the sweep n times longer, `IMAGEFS_SEED=n` makes it another one; a failure prints the line
/// that repeats exactly that cut.
/// </summary>
[TestClass]
public sealed class CrashExplorerTests
{
    private const int Generations = 3;
    private static int s_cuts;

    public required TestContext TestContext { get; set; }

    /// <summary>One test per round, so that no test takes long however many rounds are asked for.</summary>
    public static IEnumerable<object[]> Rounds => Enumerable.Range(0, 3 * TestSettings.Sweep).Select(round => new object[] { round });

    public static IEnumerable<object[]> OtherFileSystems =>
        from round in Enumerable.Range(0, TestSettings.Sweep)
        from subject in CrashSubjects.Names.Where(name => name != "default")
        select new object[] { subject, round };

    // 9 workloads x 3 generations x 40 cuts in each of at least three rounds: 3,240 cuts.
    [TestMethod]
    [DynamicData(nameof(Rounds))]
    public void WhateverThePowerCutLeavesIsRecoveredAndNothingFlushedIsLost(int round)
    {
        CrashReport report = Sweep("default", round, cuts: 40, judged: 2);
        Assert.AreEqual(1080, report.Cuts);
        Assert.IsGreaterThan(0, report.MoreThanFlushed, "cuts in the middle of a flush must sometimes leave more than was promised");
    }

    [TestMethod]
    [DynamicData(nameof(OtherFileSystems))]
    public void SoItIsOnOtherFileSystems(string subject, int round) => Sweep(subject, round, cuts: 15, judged: 1);

    private CrashReport Sweep(string subject, int round, int cuts, int judged)
    {
        Stopwatch time = Stopwatch.StartNew();
        CrashExplorer explorer = new(CrashSubjects.Make(subject));
        foreach (string workload in Workload.Names.Where(name => CrashSubjects.Suits(subject, name)))
            for (int generation = 0; generation < Generations; generation++)
                explorer.Explore(workload, TestSettings.Seed * 1000 + round, generation, cuts, judged);
        int all = Interlocked.Add(ref s_cuts, explorer.Report.Cuts);
        // ./test shows lines that begin like this.
        string summary = $"sweep: {subject}, round {round}, seed {TestSettings.Seed}, {time.Elapsed.TotalSeconds:F0} s: {explorer.Report}\n"
            + $"sweep: {all} power cuts so far; more with ./test --sweep N, others with ./test --seed N";
        TestContext.DisplayMessage(MessageLevel.Informational, summary);
        Console.WriteLine(summary);
        Assert.IsEmpty(explorer.Report.Failures, string.Join("\n\n", explorer.Report.Failures));
        return explorer.Report;
    }

    /// <summary>Repeats the cut in IMAGEFS_CRASH, as a failure printed it.</summary>
    [TestMethod]
    public void OneCutIsReplayed()
    {
        CrashCut cut = CrashCut.Parse(Environment.GetEnvironmentVariable("IMAGEFS_CRASH") ?? "default/mixed/1/1/40/random:7@sector/3/all:0@write");
        CrashExplorer explorer = new(CrashSubjects.Make(cut.Subject));
        explorer.Replay(cut);
        Assert.AreEqual(1, explorer.Report.Cuts);
        Assert.IsEmpty(explorer.Report.Failures, string.Join("\n\n", explorer.Report.Failures));
    }

    [TestMethod]
    public void TheTextOfACutIsTheCut()
    {
        CrashCut once = new("1k", "mixed", 3, 1, 99, new Survival(SurvivalKind.Prefix, 5, Grain.Page), 0, Survival.None);
        CrashCut twice = once with { AgainAt = 4, AgainSurvival = new Survival(SurvivalKind.AllBut, 2, Grain.Sector) };
        Assert.AreEqual("1k/mixed/3/1/99/prefix:5@page", once.ToString());
        Assert.AreEqual(once, CrashCut.Parse(once.ToString()));
        Assert.AreEqual(twice, CrashCut.Parse(twice.ToString()));
    }

    [TestMethod]
    public void RunsOfOneSeedMakeTheSameStepsAndARealCutLeavesWhatTheRecordingSays()
    {
        CrashSubject subject = CrashSubjects.Make("default");
        CrashRun run = new CrashExplorer(subject).Run("mixed", 11, 0);
        Random random = new(TestSettings.Seed);
        foreach (int step in Enumerable.Range(0, 6).Select(_ => random.Next(1, run.Steps.Count + 1)).Order())
        {
            SimulatedDevice device = new(subject.Formatted);
            device.CutPowerAt(step);
            (CrashRun cut, Exception? end) = CrashRun.Try(device, subject, subject.Formatted, new Model(subject.BlockSize),
                new CrashExplorer(subject).WorkloadOf("mixed", 11, 0), Workload.Length("mixed"));
            // A cut in the middle of a checkpoint comes out as the shutdown it causes.
            Assert.IsTrue(device.IsDead && end is PowerCutException or XfsShutdownException, $"step {step}: {end}");
            Assert.AreEqual(run.FlushedBefore(step), cut.FlushedBefore(step), $"step {step}");
            Assert.AreEqual(run.BegunBefore(step), cut.BegunBefore(step), $"step {step}");
            Dictionary<string, ObservedEntry> found = Recover(subject, Survival.All.Apply(device.Durable, device.Pending, subject.Log));
            Dictionary<string, ObservedEntry> expected =
                Recover(subject, new DeviceHistory(run.Start, run.Steps, subject.Log).Cut(step, Survival.All));
            Assert.IsNull(CrashExplorer.Difference(expected, found), $"step {step}");
        }
    }

    [TestMethod]
    [DataRow(nameof(Operation.Write))]
    [DataRow(nameof(Operation.Flush))]
    [DataRow(nameof(Operation.Read))]
    public void ADeviceErrorLosesNothingThatWasFlushed(string kind)
    {
        Operation operation = Enum.Parse<Operation>(kind);
        CrashSubject subject = CrashSubjects.Make("default");
        SimulatedDevice whole = new(subject.Formatted);
        CrashExplorer explorer = new(subject);
        CrashRun.Try(whole, subject, subject.Formatted, new Model(subject.BlockSize), explorer.WorkloadOf("mixed", 5, 0), Workload.Length("mixed"));
        int calls = (int)whole.Calls(operation), met = 0;
        Random random = new(TestSettings.Seed);
        for (int i = 0; i < 12; i++)
        {
            int n = random.Next(1, calls + 1);
            bool forEver = random.Next(2) == 0;
            string replay = $"{operation} {n} of {calls} fails{(forEver ? " and all after it" : "")}, seed {TestSettings.Seed}";
            SimulatedDevice device = new(subject.Formatted);
            device.Fail(operation, n, forEver);
            (CrashRun run, Exception? end) = CrashRun.Try(device, subject, subject.Formatted, new Model(subject.BlockSize), explorer.WorkloadOf("mixed", 5, 0), Workload.Length("mixed"));
            if (end is null)
                continue; // A read that only looked ahead, or the last close.
            met++;
            Assert.IsInstanceOfType<XfsException>(end, replay);
            foreach (Survival survival in new[] { Survival.None, Survival.All })
            {
                PagedImage disk = survival.Apply(device.Durable, device.Pending, subject.Log);
                int operations = run.MatchAt(long.MaxValue).Find(Recover(subject, disk), out _, out string reasons);
                Assert.IsGreaterThanOrEqualTo(0, operations, $"{replay}, {survival}:\n{reasons}\n{run.Describe(long.MaxValue)}");
            }
        }
        Assert.IsGreaterThan(0, met, "no error reached the caller");
    }

    [TestMethod]
    public void AfterAFailedFlushEveryCallSaysSo()
    {
        CrashSubject subject = CrashSubjects.Make("default");
        SimulatedDevice device = new(subject.Formatted);
        FileSystem fileSystem = FileSystem.Open(device, write: true, leaveOpen: true);
        XfsFile file = fileSystem.CreateFile("/a");
        fileSystem.Flush();
        file.Write(0, new byte[100]);
        device.Fail(Operation.Flush, device.Calls(Operation.Flush) + 1);
        Assert.ThrowsExactly<XfsShutdownException>(fileSystem.Flush);
        Assert.ThrowsExactly<XfsShutdownException>(fileSystem.Flush);
        Assert.ThrowsExactly<XfsShutdownException>(() => file.Write(0, new byte[100]));
        Assert.ThrowsExactly<XfsShutdownException>(() => fileSystem.CreateDirectory("/b"));
        long steps = device.Steps;
        file.Dispose();
        fileSystem.Dispose();
        Assert.AreEqual(steps, device.Steps, "a volume that is shut down writes nothing any more");
        Assert.IsTrue(Recover(subject, device.Durable).ContainsKey("a"));
    }

    /// <summary>The explorer is worth nothing if it cannot fail: three disks that lie, and each must be found out.</summary>
    [TestMethod]
    [DataRow("flushes do nothing")]
    [DataRow("the first flush of two is left out")]
    [DataRow("writes of data are forgotten")]
    public void ALyingDiskIsFoundOut(string lie)
    {
        CrashSubject honest = CrashSubjects.Make("default");
        CrashExplorer explorer = new(honest with
        {
            Open = device => FileSystemTree.Open(new Liar(device, lie, honest.Log)),
            OtherRecovery = null,
        });
        try
        {
            for (int seed = 0; seed < 10 && explorer.Report.Failures.Count == 0; seed++)
                explorer.Explore("data", seed, 0, 40, 0);
        }
        catch (Exception e) when (e is XfsException or AssertFailedException)
        {
            return; // So obvious a lie that the library itself found it.
        }
        Assert.IsNotEmpty(explorer.Report.Failures, lie);
        StringAssert.Contains(explorer.Report.Failures[0], "IMAGEFS_CRASH=default/data/");
    }

    private static Dictionary<string, ObservedEntry> Recover(CrashSubject subject, PagedImage disk)
    {
        SimulatedDevice device = new(disk);
        Dictionary<string, ObservedEntry> found;
        using (IWorkTree tree = subject.Open(device))
            found = tree.Observe();
        Assert.IsEmpty(subject.Check(device));
        return found;
    }

    private sealed class Liar(BlockDevice truth, string lie, ByteRange log) : BlockDevice
    {
        private int _flushes, _writes;

        public override long Length => truth.Length;
        public override bool CanWrite => true;
        public override void Read(long offset, Span<byte> destination) => truth.Read(offset, destination);

        public override void Write(long offset, ReadOnlySpan<byte> source)
        {
            if (lie == "writes of data are forgotten" && !log.Contains(offset) && ++_writes % 7 == 0)
                return;
            truth.Write(offset, source);
        }

        public override void Flush()
        {
            if (lie == "flushes do nothing" || (lie == "the first flush of two is left out" && ++_flushes % 2 == 1))
                return;
            truth.Flush();
        }
    }
}
