using ImageFs.Devices;
using ImageFs.Format;
using ImageFs.Tests.Fixtures;

namespace ImageFs.Tests.Simulation;

/// <summary>
/// One call of the device fails, whichever it is, and the device goes on as if nothing had happened. The caller hears of it; then
/// either the volume is shut down, and a power cut loses nothing it may not lose, or it lives on, and what it closes is clean.
/// </summary>
/// <remarks>The cache holds next to nothing, so that metadata is read again and again, and any of that may fail.</remarks>
[TestClass]
public sealed class DeviceErrorTests
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(60);

    public required TestContext TestContext { get; set; }

    public static IEnumerable<object[]> Workloads => Workload.Names.Where(name => name is not ("full" or "many")).Select(name => new object[] { name });

    public static IEnumerable<object[]> Calls => ApiCalls.Names.Select(name => new object[] { name });

    [TestMethod]
    [DynamicData(nameof(Workloads))]
    public void AWorkloadMeetsAnErrorSomewhere(string workload)
    {
        CrashSubject subject = CrashSubjects.Make("default");
        SimulatedDevice whole = new(subject.Formatted);
        Assert.IsNull(new Attempt(subject, whole, workload).Run());
        Random random = new(TestSettings.Seed);
        int met = 0;
        foreach (Operation operation in Enum.GetValues<Operation>())
            for (int i = 0; i < 6 * TestSettings.Sweep; i++)
            {
                long n = random.NextInt64(1, whole.Calls(operation) + 1);
                int errno = operation == Operation.Write && random.Next(2) == 0 ? Errno.ENOSPC : Errno.EIO;
                SimulatedDevice device = new(subject.Formatted);
                device.Fail(operation, n, errno: errno);
                string replay = $"{workload}: {operation} {n} of {whole.Calls(operation)} fails with {errno}; {TestSettings.Replay(nameof(AWorkloadMeetsAnErrorSomewhere), TestSettings.Seed)}";
                Within(replay, () => new Attempt(subject, device, workload).Run());
                if (device.HasFailed) met++;
            }
        Assert.IsGreaterThan(0, met);
    }

    [TestMethod]
    [DynamicData(nameof(Calls))]
    public void ACallMeetsAnErrorSomewhere(string call)
    {
        ApiCalls subject = ApiCalls.Instance;
        SimulatedDevice whole = new(subject.Formatted);
        long[] opened = new long[3];
        Assert.IsNull(subject.Run(call, whole, opened), "without an error");
        Random random = new(TestSettings.Seed);
        foreach (Operation operation in Enum.GetValues<Operation>())
        {
            long first = opened[(int)operation] + 1, count = whole.Calls(operation) - opened[(int)operation];
            long[] numbers = [.. Enumerable.Range(0, (int)count).Select(i => first + i)];
            random.Shuffle(numbers);
            foreach (long n in numbers.Take(3 * TestSettings.Sweep))
            {
                SimulatedDevice device = new(subject.Formatted);
                device.Fail(operation, n, errno: operation == Operation.Write && n % 2 == 0 ? Errno.ENOSPC : Errno.EIO);
                string replay = $"{call}: {operation} {n - first + 1} of {count} fails; {TestSettings.Replay(nameof(ACallMeetsAnErrorSomewhere), TestSettings.Seed)}";
                Within(replay, () => subject.Run(call, device, null));
            }
        }
    }

    /// <summary>Who takes two files maps first what copy-on-write has written of them; that of the second cannot be mapped.</summary>
    [TestMethod]
    [DataRow("clone")]
    [DataRow("exchange")]
    [DataRow("group")]
    public void AFileThatWasTakenFirstIsGivenBack(string call)
    {
        SimulatedDevice device = new(ApiCalls.Instance.Formatted);
        using FileSystem fs = Open(device);
        using XfsFile low = fs.OpenFile("/shared", write: true), high = fs.OpenFile("/clone", write: true);
        Assert.IsLessThan(high.Inode.Value, low.Inode.Value);
        fs.Flush();
        high.Write(100, new byte[1000]);
        for (int i = 0; i < 3; i++) fs.Volume.Cache.Trim();
        device.Fail(Operation.Read, device.Calls(Operation.Read) + 1);
        Within(call, () => Assert.AreEqual(Errno.EIO, Assert.ThrowsExactly<XfsException>(Do).Errno));
        Within(call, Do);

        void Do()
        {
            if (call == "clone") high.CloneRange(low, 0, 4096, 4096);
            else if (call == "exchange") low.ExchangeRange(high, 0, 4096, 4096);
            else fs.Atomically(_ => fs.CreateDirectory("/new"));
        }
    }

    [TestMethod]
    public void TimesThatAreDueOutliveAnErrorThatKeptThemFromBeingWritten()
    {
        SimulatedDevice device = new(ApiCalls.Instance.Formatted);
        Timestamp later = new(2_000_000_000, 7);
        using (FileSystem fs = Open(device))
        {
            using XfsFile file = fs.OpenFile("/private", write: true);
            fs.Clock = () => later;
            file.Write(10, new byte[100]);
            // Its inode is dropped from the cache by what is read meanwhile.
            for (int i = 0; i < 3; i++)
                foreach (string path in (string[])["/many", "/", "/many/folder 1"]) fs.List(path);
            device.Fail(Operation.Read, device.Calls(Operation.Read) + 1);
            Assert.AreEqual(Errno.EIO, Assert.ThrowsExactly<XfsException>(fs.Flush).Errno);
            fs.Flush();
        }
        using FileSystem again = Open(device);
        Assert.AreEqual(later, again.GetEntry("/private").Modified);
    }

    /// <summary>A lock that nobody gives back would hold the test for ever.</summary>
    private static void Within(string replay, Action work)
    {
        Exception? failure = null;
        Thread thread = new(() =>
        {
            try
            {
                work();
            }
            catch (Exception why)
            {
                failure = why;
            }
        }) { IsBackground = true };
        thread.Start();
        if (!thread.Join(s_patience)) Assert.Fail($"hangs: {replay}");
        if (failure is not null) Assert.Fail($"{replay}\n{(failure is AssertFailedException ? failure.Message : failure)}");
    }

    /// <summary>Opens with next to no cache.</summary>
    internal static FileSystem Open(SimulatedDevice device) => FileSystem.Open(device, new OpenOptions { Write = true, CacheBytes = 1 }, leaveOpen: true);

    /// <summary>A volume that is shut down takes nothing more; closing it writes nothing.</summary>
    internal static void IsShutDown(FileSystem fs, SimulatedDevice device)
    {
        Assert.ThrowsExactly<XfsShutdownException>(() => fs.CreateDirectory("/never"));
        Assert.ThrowsExactly<XfsShutdownException>(fs.Flush);
        long steps = device.Steps;
        fs.Dispose();
        Assert.AreEqual(steps, device.Steps, "a volume that is shut down was written to");
    }

    /// <summary>What survives is recovered, and clean.</summary>
    internal static Dictionary<string, ObservedEntry> Recover(PagedImage disk, Func<BlockDevice, IReadOnlyList<string>> check)
    {
        SimulatedDevice device = new(disk);
        Dictionary<string, ObservedEntry> found;
        using (FileSystem fs = FileSystem.Open(device, write: true, leaveOpen: true)) found = FileSystemTree.Of(fs).Observe();
        IReadOnlyList<string> findings = check(device);
        Assert.IsEmpty(findings, "after recovery: " + string.Join('\n', findings.Take(8)));
        return found;
    }

    /// <summary>One run of a workload, beside the model.</summary>
    private sealed class Attempt(CrashSubject subject, SimulatedDevice device, string name)
    {
        private readonly Workload _workload = new(name, 5, subject.BlockSize);
        private Model _model = new(subject.BlockSize);
        private readonly List<(long Steps, int Operations)> _flushed = [];

        /// <returns>What the caller was told, or null.</returns>
        public XfsException? Run()
        {
            XfsException? told = null;
            FileSystem fs;
            try
            {
                fs = Open(device);
            }
            catch (XfsException why)
            {
                fs = Open(device);
                told = why;
            }
            FileSystemTree tree = FileSystemTree.Of(fs);
            WorkOperation? partial = null;
            int flushed = 0;
            for (int i = 0; i < Workload.Length(name) && partial is null; i++)
            {
                WorkOperation operation = _workload.Next(_model);
                Model before = _model.Fork();
                bool failedBefore = device.HasFailed;
                try
                {
                    operation.Do(tree);
                    operation.Do(_model);
                    _model.Commit();
                    if (operation.Flushes()) flushed = _model.Operations;
                }
                catch (XfsException why) when (device.HasFailed && !failedBefore)
                {
                    told = why;
                    int done = _model.Operations;
                    operation.Do(_model);
                    _model.Commit();
                    if (fs.Volume.Journal!.Failure is not null)
                    {
                        IsShutDown(fs, device);
                        RecoverAll(flushed, operation);
                        return told;
                    }
                    int operations = new ModelMatch(_model, done, done + 1, _ => operation.Gradual()).Find(tree.Observe(), out bool exact, out string reasons);
                    if (operations < 0) Assert.Fail($"after {operation} and '{why.Message}':\n{reasons}");
                    // What is done step by step may have stopped after any of them, of which the model knows nothing.
                    if (!exact || operation.Gradual() is not null) partial = operation;
                    else if (operations == done) _model = before;
                }
                catch (XfsException why) when (why.Errno is Errno.ENOSPC or Errno.EFBIG)
                {
                    operation.LackSpace(tree, _model);
                    _model.Commit();
                }
            }
            Dictionary<string, ObservedEntry> last;
            try
            {
                last = tree.Observe();
            }
            catch (XfsException why) when (device.HasFailed && told is null)
            {
                told = why;
                last = tree.Observe();
            }
            if (partial is null)
            {
                int operations = new ModelMatch(_model, _model.Operations, _model.Operations, _ => null).Find(last, out _, out string reasons);
                if (operations < 0) Assert.Fail($"at the end, after '{told?.Message}':\n{reasons}");
            }
            try
            {
                tree.Dispose();
            }
            catch (XfsException why) when (device.HasFailed && told is null)
            {
                RecoverAll(flushed, null);
                return why;
            }
            IReadOnlyList<string> findings = subject.Check(new SimulatedDevice(device.Working));
            Assert.IsEmpty(findings, $"closed after '{told?.Message}': " + string.Join('\n', findings.Take(8)));
            Assert.IsNull(CrashExplorer.Difference(last, Recover(device.Working, subject.Check)));
            return told;
        }

        private void RecoverAll(int flushed, WorkOperation? last)
        {
            foreach (Survival survival in (Survival[])[Survival.None, Survival.All])
            {
                Dictionary<string, ObservedEntry> found = Recover(survival.Apply(device.Durable, device.Pending, subject.Log), subject.Check);
                // Operations before a fork of the model are not known by number any more.
                int operations = new ModelMatch(_model, flushed, _model.Operations, n => n == _model.Operations ? last?.Gradual() : null).Find(found, out _, out string reasons);
                if (operations < 0) Assert.Fail($"{survival}: the tree is none that {flushed} (flushed) to {_model.Operations} (begun) operations leave:\n{reasons}");
            }
        }
    }
}
