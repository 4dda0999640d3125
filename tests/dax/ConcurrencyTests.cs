using ImageFs.Dax;
using ImageFs.Devices;
using ImageFs.Inodes;
using ImageFs.Mkfs;
using ImageFs.Tests.Fixtures;

namespace ImageFs.Tests.Dax;

[TestClass]
public sealed class ConcurrencyTests
{
    private const int B = World.B;
    private static readonly TimeSpan s_long = TimeSpan.FromSeconds(30);

    [TestMethod]
    public void AReaderAndAnOverwriteGoOnWhileAFlushWaitsForTheDevice()
    {
        using World w = new();
        w.Fill("/a", 16, (byte)'a');
        w.Fs.Dispose();
        using SlowDevice slow = new(w.Device, holdsWrites: false);
        using (FileSystem fs = FileSystem.Open(slow, write: true, leaveOpen: true))
        {
            using XfsFile file = fs.OpenFile("/a", write: true);
            byte[] block = new byte[B];
            file.Write(0, World.Repeat((byte)'b', B));
            slow.Hold();
            Task flush = Task.Run(fs.Flush);
            Assert.IsTrue(slow.Waiting.Wait(s_long), "the flush has reached the device");
            Task others = Task.Run(() =>
            {
                file.Read(0, block);
                file.Write(B, World.Repeat((byte)'c', B));
            });
            Assert.IsTrue(others.Wait(s_long), "neither waits for the flush");
            Assert.IsFalse(flush.IsCompleted);
            slow.Release();
            Assert.IsTrue(flush.Wait(s_long));
            World.IsAll((byte)'b', block);
        }
        w.CheckClean();
        World.IsAll((byte)'c', w.Read("/a", B, B));
    }

    [TestMethod]
    [DataRow(16, 16 * B, DisplayName = "behind the end")]
    [DataRow(2048, 16 * B, DisplayName = "into holes around data")]
    [DataRow(2048, 40 * B + 100, DisplayName = "behind half a block")]
    public void ReadersDoNotWaitWhileALongWriteMovesItsBytesAndSeeAllOfItOrNothing(int blocks, int from)
    {
        const int length = 2 << 20;
        using World w = new();
        w.Fill("/a", 16, (byte)'a');
        w.Write("/a", 40 * B, World.Repeat((byte)'x', 100));
        w.Fs.Dispose();
        using SlowDevice slow = new(w.Device, holdsWrites: true);
        using (FileSystem fs = FileSystem.Open(slow, write: true, leaveOpen: true))
        {
            using XfsFile file = fs.OpenFile("/a", write: true);
            file.SetLength(blocks * B);
            long before = file.Length;
            byte[] old = file.ReadAll(), block = new byte[B], rest = new byte[length];
            slow.Hold();
            Task write = Task.Run(() => file.Write(from, World.Repeat((byte)'n', length)));
            Assert.IsTrue(slow.Waiting.Wait(s_long), "the write has reached the device");
            // Somebody who wants the file for himself waits for the writer, and readers do not wait behind him.
            Task other = Task.Run(() => file.SetLength(before + length + B));
            Assert.IsFalse(other.Wait(50));
            Task reads = Task.Run(() =>
            {
                file.Read(0, block);
                CollectionAssert.AreEqual(old, file.ReadAll(), "nothing is seen of a write that has not ended");
            });
            Assert.IsTrue(reads.Wait(s_long), "a reader does not wait for the device of a writer");
            Assert.IsFalse(write.IsCompleted || other.IsCompleted);
            Assert.AreEqual(before, file.Length);
            slow.Release();
            Assert.IsTrue(Task.WaitAll([write, other], s_long));
            Assert.AreEqual(before + length + B, file.Length);
            Assert.AreEqual(length, file.Read(from, rest));
            World.IsAll((byte)'n', rest);
            World.IsAll((byte)'a', block);
        }
        w.CheckClean();
        World.IsAll((byte)'n', w.Read("/a", from, length));
    }

    [TestMethod]
    public void AnOverwriteBesideCopyOnWriteThatWaitsDoesNotTakeTheWholeExtentForPrivate()
    {
        using World w = new();
        w.Fill("/a", 100, (byte)'a');
        using XfsFile a = w.Fs.OpenFile("/a", write: true), b = w.Fs.CreateFile("/b");
        b.CloneRange(a, 50 * B, 0, 10 * B);
        b.CloneRange(a, 80 * B, 10 * B, 2 * B);
        a.Write(80 * B, World.Repeat((byte)'n', B));
        Assert.AreEqual(1, a.Checked().Cow.Written);
        a.Write(10 * B, World.Repeat((byte)'n', B));
        a.Write(55 * B, World.Repeat((byte)'n', B));
        World.IsAll((byte)'a', w.Read("/b"));
        World.IsAll((byte)'n', w.Read("/a", 55 * B, B));
    }

    [TestMethod]
    public void S54_TheSourceOfACloneIsReadButNotWrittenMeanwhile()
    {
        using World w = World.WithClone();
        using XfsFile a = w.Fs.OpenFile("/a", write: true), b = w.Fs.OpenFile("/b", write: true);
        byte[] block = new byte[B];
        a.Read(0, block);
        Task write;
        using (IoPair.Enter(a.Checked(), b.Checked()))
        {
            Assert.IsTrue(Task.Run(() => a.Read(0, block)).Wait(s_long), "the source can be read");
            write = Task.Run(() => a.Write(0, [1]));
            Assert.IsFalse(write.Wait(50), "but not written");
            Assert.IsTrue(Task.Run(() => a.Read(B, block)).Wait(s_long), "nor does the one who waits to write keep readers out");
        }
        Assert.IsTrue(write.Wait(s_long));
    }

    [TestMethod]
    public void ClosingTheVolumeWaitsForWhoeverReads()
    {
        World w = World.WithClone();
        XfsFile a = w.Fs.OpenFile("/a");
        Task close;
        using (IoHold.Enter(a.Checked(), IoMode.Read))
        {
            close = Task.Run(w.Fs.Dispose);
            Assert.IsFalse(close.Wait(50));
        }
        Assert.IsTrue(close.Wait(s_long));
        Assert.ThrowsExactly<ObjectDisposedException>(() => a.Read(0, new byte[1]));
        a.Dispose();
        w.Dispose();
    }

    [TestMethod]
    public void S34_ClonesAndDedupesInBothDirectionsNeverLockUpAndNeverMixContents()
    {
        const int blocks = 24;
        using World w = new();
        w.Fill("/low", blocks, 1);
        w.Fill("/high", blocks, 2);
        w.Fill("/spare", blocks, 3);
        Together(8, TestSettings.Seed, (thread, random) =>
        {
            using XfsFile low = w.Fs.OpenFile("/low", write: true), high = w.Fs.OpenFile("/high", write: true), spare = w.Fs.OpenFile("/spare", write: true);
            XfsFile[] files = [low, high, spare];
            byte[] bytes = new byte[blocks * B];
            for (int i = 0; i < 60 * TestSettings.Sweep; i++)
            {
                XfsFile from = files[random.Next(3)], to = files[random.Next(3)];
                if (from != to && random.Next(3) > 0)
                {
                    if (random.Next(2) == 0) to.CloneRange(from, 0, 0, 0);
                    else to.DedupeRange(from, 0, 0, blocks * B);
                }
                else if (random.Next(8) == 0) w.Fs.Flush();
                // A call sees every other call whole: all of a file is of one byte, though nobody knows which.
                Assert.AreEqual(bytes.Length, from.Read(0, bytes));
                Assert.IsTrue(bytes[0] is 1 or 2 or 3, $"found {bytes[0]}");
                World.IsAll(bytes[0], bytes);
            }
        });
    }

    [TestMethod]
    public void S59_DedupeLosesNoWriteThatGoesOnBesideIt()
    {
        const int blocks = 16;
        using World w = World.OnFile();
        w.Fill("/a", blocks, 7);
        w.Fill("/b", blocks, 7);
        using XfsFile a = w.Fs.OpenFile("/a"), b = w.Fs.OpenFile("/b", write: true);
        using DaxView view = b.OpenView();
        int same = 0, differs = 0;
        using CancellationTokenSource done = new();
        Task writer = Task.Run(() =>
        {
            Random random = new(TestSettings.Seed);
            byte[] found = new byte[1];
            for (int i = 0; i < 1500 * TestSettings.Sweep; i++)
            {
                long at = random.Next(blocks) * B + random.Next(B);
                byte value = (byte)(random.Next(4) == 0 ? 9 : 7);
                if (random.Next(4) > 0) b.Write(at, [value]);
                else
                {
                    using WriteLease lease = view.AcquireWritable(at, 1);
                    lease.Span[0] = value;
                }
                b.Read(at, found);
                Assert.AreEqual(value, found[0], $"step {i}: the byte at {at} was just written. {TestSettings.Replay(nameof(S59_DedupeLosesNoWriteThatGoesOnBesideIt), TestSettings.Seed)}");
                b.Write(at, [7]);
            }
            done.Cancel();
        });
        while (!done.IsCancellationRequested && !writer.IsCompleted)
            if (b.DedupeRange(a, 0, 0, blocks * B).Status == DedupeStatus.Same) same++;
            else differs++;
        writer.GetAwaiter().GetResult();
        World.IsAll(7, w.Read("/a"));
        World.IsAll(7, w.Read("/b"));
        Assert.IsTrue(same > 0, $"{same} times equal, {differs} times not");
    }

    /// <summary>Does the same with several threads, each with random numbers of its own.</summary>
    internal static void Together(int count, int seed, Action<int, Random> work)
    {
        Task[] tasks = [.. Enumerable.Range(0, count).Select(thread => Task.Factory.StartNew(
            () => work(thread, new Random(unchecked(seed * 31 + thread))), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default))];
        Assert.IsTrue(Task.WaitAll(tasks, TimeSpan.FromMinutes(4)), "nobody waits for ever");
    }

    /// <summary>A device whose flushes, or whose long writes, can be made to wait.</summary>
    private sealed class SlowDevice(BlockDevice below, bool holdsWrites) : BlockDevice
    {
        private readonly ManualResetEventSlim _go = new(true);

        public ManualResetEventSlim Waiting { get; } = new(false);

        public void Hold() => _go.Reset();

        public void Release() => _go.Set();

        public override long Length => below.Length;
        public override bool CanWrite => true;
        public override void Read(long offset, Span<byte> destination) => below.Read(offset, destination);

        public override void Write(long offset, ReadOnlySpan<byte> source)
        {
            if (holdsWrites && source.Length >= 128 << 10) Pass();
            below.Write(offset, source);
        }

        public override void Flush()
        {
            if (!holdsWrites) Pass();
            below.Flush();
        }

        private void Pass()
        {
            if (!_go.IsSet) Waiting.Set();
            _go.Wait();
        }
    }
}
