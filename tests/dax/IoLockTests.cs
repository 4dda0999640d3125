using ImageFs.Inodes;
using ImageFs.Tests.Fixtures;

namespace ImageFs.Tests.Dax;

[TestClass]
public sealed class IoLockTests
{
    [TestMethod]
    public void TheTableOfWhoGoesAlongWithWhomHolds()
    {
        // Rows: who is inside; columns: who comes. Read, Overwrite, Update, Exclusive.
        string[] table = ["yyy-", "yy--", "y---", "----"];
        foreach (IoMode inside in Enum.GetValues<IoMode>())
            foreach (IoMode comes in Enum.GetValues<IoMode>())
            {
                IoLock io = new();
                io.Enter(inside);
                Assert.AreEqual(table[(int)inside][(int)comes] == 'y', io.TryEnter(comes, TimeSpan.Zero), $"{comes} beside {inside}");
            }
    }

    [TestMethod]
    public void AReaderWaitsBehindAWriterThatCameFirst()
    {
        IoLock io = new();
        io.Enter(IoMode.Read);
        List<string> order = [];
        Thread writer = Start(() =>
        {
            io.Enter(IoMode.Exclusive);
            lock (order) order.Add("writer");
            io.Exit(IoMode.Exclusive);
        });
        WaitUntil(() => !io.TryEnter(IoMode.Read, TimeSpan.Zero) || Leave(io, IoMode.Read));
        Thread reader = Start(() =>
        {
            io.Enter(IoMode.Read);
            lock (order) order.Add("reader");
            io.Exit(IoMode.Read);
        });
        Thread.Sleep(20);
        io.Exit(IoMode.Read);
        writer.Join();
        reader.Join();
        CollectionAssert.AreEqual(new[] { "writer", "reader" }, order);
    }

    [TestMethod]
    public void AReaderPassesAWriterThatWaitsForACloneToEnd()
    {
        IoLock io = new();
        io.Enter(IoMode.Update);
        Thread writer = Start(() =>
        {
            io.Enter(IoMode.Overwrite);
            io.Exit(IoMode.Overwrite);
        });
        Thread.Sleep(20);
        Assert.IsTrue(io.TryEnter(IoMode.Read, TimeSpan.FromSeconds(10)), "the source of a clone stays readable");
        io.Exit(IoMode.Read);
        io.Exit(IoMode.Update);
        writer.Join();
    }

    [TestMethod]
    public void AReaderPassesWhoWantsTheFileForHimselfWhileAnUpdateLastsAndNoLonger()
    {
        IoLock io = new();
        io.Enter(IoMode.Exclusive);
        Thread reader = Start(() => io.Enter(IoMode.Read));
        Thread.Sleep(20);
        Assert.IsTrue(reader.IsAlive);
        io.Downgrade();
        reader.Join();
        io.Exit(IoMode.Read);
        List<string> order = [];
        Thread writer = Start(() =>
        {
            io.Enter(IoMode.Exclusive);
            lock (order) order.Add("writer");
            io.Exit(IoMode.Exclusive);
        });
        Thread.Sleep(20);
        Assert.IsTrue(io.TryEnter(IoMode.Read, TimeSpan.Zero), "not the reader is in the writer's way");
        Thread upgrade = Start(io.Upgrade);
        WaitUntil(() => !io.TryEnter(IoMode.Read, TimeSpan.Zero) || Leave(io, IoMode.Read));
        io.Exit(IoMode.Read);
        upgrade.Join();
        lock (order) order.Add("update");
        io.Exit(IoMode.Exclusive);
        writer.Join();
        CollectionAssert.AreEqual(new[] { "update", "writer" }, order);
    }

    [TestMethod]
    public void AnUpgradeWaitsForTheReadersInsideAndGoesBeforeThoseWhoWait()
    {
        IoLock io = new();
        io.Enter(IoMode.Update);
        io.Enter(IoMode.Read);
        Thread upgrade = Start(io.Upgrade);
        Thread.Sleep(20);
        Assert.IsTrue(upgrade.IsAlive, "a reader is inside");
        Assert.IsFalse(io.TryEnter(IoMode.Read, TimeSpan.Zero), "no reader comes in any more");
        io.Exit(IoMode.Read);
        upgrade.Join();
        Assert.IsFalse(io.IsHeldForUpdate);
        io.Exit(IoMode.Exclusive);
        Assert.IsTrue(io.TryEnter(IoMode.Exclusive, TimeSpan.Zero));
    }

    [TestMethod]
    public void WhoGivesUpWaitingIsInNobodysWay()
    {
        IoLock io = new();
        io.Enter(IoMode.Read);
        Assert.IsFalse(io.TryEnter(IoMode.Exclusive, TimeSpan.FromMilliseconds(10)));
        Assert.IsTrue(io.TryEnter(IoMode.Read, TimeSpan.Zero));
    }

    [TestMethod]
    public void ManyThreadsNeverMeetWhereTheyMustNot()
    {
        IoLock io = new();
        int[] inside = new int[4];
        int wrong = 0;
        Random seeds = new(TestSettings.Seed);
        Thread[] threads = new Thread[6];
        for (int t = 0; t < threads.Length; t++)
        {
            Random random = new(seeds.Next());
            threads[t] = Start(() =>
            {
                for (int i = 0; i < 20_000 * TestSettings.Sweep; i++)
                {
                    IoMode mode = (IoMode)random.Next(4);
                    if (random.Next(8) == 0)
                    {
                        if (!io.TryEnter(mode, TimeSpan.FromMilliseconds(random.Next(2)))) continue;
                    }
                    else io.Enter(mode);
                    bool upgraded = mode == IoMode.Update && random.Next(2) == 0;
                    if (upgraded)
                    {
                        io.Upgrade();
                        mode = IoMode.Exclusive;
                    }
                    if (mode == IoMode.Exclusive && random.Next(4) == 0)
                    {
                        io.Downgrade();
                        mode = IoMode.Update;
                    }
                    Interlocked.Increment(ref inside[(int)mode]);
                    int readers = Volatile.Read(ref inside[0]), overwriters = Volatile.Read(ref inside[1]), updates = Volatile.Read(ref inside[2]), exclusive = Volatile.Read(ref inside[3]);
                    bool legal = mode switch
                    {
                        IoMode.Read => exclusive == 0, IoMode.Overwrite => updates + exclusive == 0,
                        IoMode.Update => overwriters + exclusive == 0 && updates == 1, _ => readers + overwriters + updates == 0 && exclusive == 1,
                    };
                    if (!legal) Interlocked.Increment(ref wrong);
                    Interlocked.Decrement(ref inside[(int)mode]);
                    io.Exit(mode);
                }
            });
        }
        foreach (Thread thread in threads) Assert.IsTrue(thread.Join(TimeSpan.FromMinutes(2)), "nobody waits for ever");
        Assert.AreEqual(0, wrong, $"seed {TestSettings.Seed}");
        Assert.IsTrue(io.TryEnter(IoMode.Exclusive, TimeSpan.Zero), "all let go");
    }

    private static bool Leave(IoLock io, IoMode mode)
    {
        io.Exit(mode);
        return false;
    }

    private static void WaitUntil(Func<bool> condition) => Assert.IsTrue(SpinWait.SpinUntil(condition, TimeSpan.FromSeconds(10)));

    private static Thread Start(ThreadStart work)
    {
        Thread thread = new(work) { IsBackground = true };
        thread.Start();
        return thread;
    }
}
