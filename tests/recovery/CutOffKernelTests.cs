using System.Diagnostics;
using ImageFs.Journal;
using ImageFs.Mkfs;
using ImageFs.Tests.Fixtures;
using ImageFs.Tests.Interop;
using ImageFs.Tests.Journal;

namespace ImageFs.Tests.Recovering;

/// <summary>
/// A kernel at work on everything at once: names, contents, ranges, clones, attributes of every namespace and size, ACLs, files
/// without a name that are open; cut off by a shutdown, with its log written out or not, or by copying the image while it works.
/// Our recovery must leave the very tree that the kernel's own recovery of a copy leaves.
/// </summary>
[TestClass]
public sealed class CutOffKernelTests
{
    private const int Workers = 3, Shutdowns = 8, Sessions = 2, CopiesPerSession = 8;
    private static readonly string[] s_options = ["", "-b size=1024", "-n parent=1 -i exchange=1", "-m rmapbt=0", "-b size=2048 -m reflink=0 -i size=1024"];

    private static int s_judged;

    public required TestContext TestContext { get; set; }

    /// <summary>One test per round, so that no test takes long however many rounds are asked for.</summary>
    public static IEnumerable<object[]> Rounds => Enumerable.Range(0, TestSettings.Sweep).Select(round => new object[] { round });

    [TestMethod, DynamicData(nameof(Rounds))]
    public void WhereverAKernelIsCutOffWeRecoverWhatItRecovers(int round)
    {
        Judge.RequireKernel();
        Judge.RequireIo();
        Console.WriteLine(TestSettings.Replay(nameof(WhereverAKernelIsCutOffWeRecoverWhatItRecovers), TestSettings.Seed));
        Stopwatch time = Stopwatch.StartNew();
        Base[] bases = [.. s_options.Select(options => new Base(options))];
        int flushed = 0, unflushed = 0, copies = 0, number = 0, dirty = 0;
        Lock counts = new();
        Dictionary<string, int> intents = [];
        try
        {
            Parallel.For(round * Shutdowns, (round + 1) * Shutdowns, new ParallelOptions { MaxDegreeOfParallelism = 4 }, i =>
            {
                Random random = new(TestSettings.Seed * 100_003 + i);
                bool flush = random.Next(2) == 0;
                int which = random.Next(bases.Length);
                using DirtyImage image = DirtyImage.From(bases[which].Image, mount => Work(mount, bases[which].Turn, random), flush);
                Interlocked.Increment(ref flush ? ref flushed : ref unflushed);
                Judged(image.Path, $"shutdown {i}, log {(flush ? "" : "not ")}written out, made with '{s_options[which]}'");
            });
            Parallel.For(round * Sessions, (round + 1) * Sessions, new ParallelOptions { MaxDegreeOfParallelism = 2 }, i =>
            {
                Random random = new(TestSettings.Seed * 100_003 + 50_000 + i);
                int which = random.Next(bases.Length);
                List<TempImage> cuts = CopyAtWork(bases[which], random);
                Parallel.For(0, cuts.Count, new ParallelOptions { MaxDegreeOfParallelism = 2 }, cut =>
                {
                    using TempImage image = cuts[cut];
                    Interlocked.Increment(ref copies);
                    Judged(image.Path, $"session {i}, copy {cut}, made with '{s_options[which]}'");
                });
            });
        }
        finally
        {
            foreach (Base one in bases) one.Image.Dispose();
        }
        string summary = $"{flushed + unflushed + copies} images of a kernel at work: {flushed} shut down with its log written out, {unflushed} without, {copies} copied meanwhile; "
            + $"{dirty} of the logs were dirty; "
            + $"unfinished intents: {string.Join(", ", intents.OrderBy(k => k.Key, StringComparer.Ordinal).Select(k => $"{k.Value} {k.Key}"))}; {time.Elapsed.TotalSeconds:F0} s; "
            + $"{Interlocked.Add(ref s_judged, flushed + unflushed + copies)} so far, more with ./test --sweep N";
        TestContext.DisplayMessage(MessageLevel.Informational, $"sweep: {summary}");
        Console.WriteLine(summary);
        const int all = Shutdowns + Sessions * CopiesPerSession;
        Assert.AreEqual(all, flushed + unflushed + copies);
        Assert.IsGreaterThan(all * 3 / 4, dirty, "dirty logs");

        void Judged(string image, string story) => CutOffImages.KeepIfBad(image, story, () =>
        {
            lock (counts)
                foreach (PendingIntent intent in CutOffImages.Pending(image)) intents[intent.Name] = intents.GetValueOrDefault(intent.Name) + 1;
            if (CutOffImages.AssertFinishedAsTheKernelDoes(image, mount: Interlocked.Increment(ref number) % 4 == 0)) Interlocked.Increment(ref dirty);
        });
    }

    /// <summary>Begins to work on a mounted image; the work ends when the plug is pulled.</summary>
    private static void Work(KernelMount mount, TurnOptions options, Random random)
    {
        Start(mount, options, random, () => false);
        Thread.Sleep(100 + random.Next(900));
    }

    private static List<Thread> Start(KernelMount mount, TurnOptions options, Random random, Func<bool> done)
    {
        List<Thread> threads = [];
        for (int i = 0; i < Workers; i++)
        {
            string place = $"/worker{i}";
            Assert.AreEqual(0, KernelCalls.CreateDirectory(mount[place], 0b111_101_101));
            RandomTurn turn = new(random.Next(), options with { Place = place, Flushes = true });
            threads.Add(new Thread(() => turn.RunUntil(new KernelTree(mount), done)) { IsBackground = true });
        }
        Assert.AreEqual(0, KernelCalls.CreateDirectory(mount["nameless"], 0b111_101_101));
        int seed = random.Next();
        threads.Add(new Thread(() => OpenAndUnlink(mount["nameless"], new Random(seed), done)) { IsBackground = true });
        foreach (Thread thread in threads) thread.Start();
        return threads;
    }

    /// <summary>Keeps files open that have attributes, contents and no name.</summary>
    private static void OpenAndUnlink(string folder, Random random, Func<bool> done)
    {
        Queue<PosixFile> open = [];
        try
        {
            for (int i = 0; !done(); i++)
            {
                string path = $"{folder}/{i}";
                PosixFile file = new(path);
                open.Enqueue(file);
                file.Write(random.Next(3) * 5000, new byte[random.Next(1, 60_000)]);
                if (random.Next(2) == 0) _ = Posix.SetAttribute(Posix.Bytes(path), "user.nameless"u8, new byte[random.Next(9000)]);
                if (random.Next(8) > 0 && KernelCalls.Unlink(path) != 0) return;
                if (random.Next(6) == 0 && KernelCalls.Flush(folder) != 0) return;
                if (open.Count > 25) open.Dequeue().Dispose();
            }
        }
        catch (Exception why) when (why is IOException or NotSupportedException or UnauthorizedAccessException)
        {
            // The plug, in the words of a stream.
        }
        finally
        {
            foreach (PosixFile file in open) file.Dispose();
        }
    }

    /// <summary>
    /// Copies of an image at moments between two writes of a kernel that works on it: a clone holds up writes, so it is what the disk
    /// held at one instant.
    /// </summary>
    private static List<TempImage> CopyAtWork(Base made, Random random)
    {
        List<TempImage> cuts = [];
        using TempImage shelf = TempImage.MadeByMkfs(3L << 30, "-m", "reflink=1");
        using KernelMount outer = KernelMount.ReadWrite(shelf.Path);
        string live = outer["live.img"];
        SparseCopy.Copy(made.Image.Path, live);
        using (KernelMount mount = KernelMount.ReadWrite(live))
        {
            bool stop = false;
            List<Thread> threads = Start(mount, made.Turn, random, () => Volatile.Read(ref stop));
            for (int i = 0; i < CopiesPerSession; i++)
            {
                Thread.Sleep(30 + random.Next(150));
                Assert.AreEqual(0, KernelCalls.CreateFile(outer[$"cut{i}"], 0b110_000_000));
                Assert.AreEqual(0, KernelCalls.CloneRange(live, 0, outer[$"cut{i}"], 0, 0));
            }
            Volatile.Write(ref stop, true);
            foreach (Thread thread in threads) thread.Join();
        }
        for (int i = 0; i < CopiesPerSession; i++) cuts.Add(TempImage.CopyOf(outer[$"cut{i}"]));
        return cuts;
    }

    /// <summary>An empty file system.</summary>
    private sealed class Base
    {
        public Base(string options)
        {
            StringWriter errors = new();
            Assert.AreEqual(0, MkfsProgram.Run(["-q", "--size", "256m", .. options.Split(' ', StringSplitOptions.RemoveEmptyEntries), Image.Path], TextWriter.Null, errors), errors.ToString());
            Turn = TurnOptions.Of(Image.Path);
        }

        public TempImage Image { get; } = TempImage.NotYetThere();
        public TurnOptions Turn { get; }
    }
}
