namespace ImageFs.Tests.Simulation;

[TestClass]
public sealed class SimulatedDeviceTests
{
    private static readonly ByteRange s_noLog = new(0, 0);

    [TestMethod]
    public void CopiesOfAnImageShareNothingThatIsWritten()
    {
        PagedImage first = new(1 << 20);
        first.Write(4_000, Bytes(1, 200));
        PagedImage second = first.Copy();
        first.Write(4_000, Bytes(2, 100));
        second.Write(4_100, Bytes(3, 100));
        PagedImage third = second.Copy();
        second.Zero(0, 8_192);
        Assert.AreEqual((2, 1), (At(first, 4_000), At(first, 4_199)));
        Assert.AreEqual((1, 3), (At(third, 4_000), At(third, 4_199)));
        Assert.AreEqual((0, 0), (At(second, 4_000), At(second, 4_199)));
    }

    [TestMethod]
    public void OnlyAFlushMakesWritesDurable()
    {
        SimulatedDevice device = new(new PagedImage(1 << 20));
        device.Write(0, Bytes(1, 512));
        device.Flush();
        device.Write(0, Bytes(2, 512));
        byte[] read = new byte[1];
        device.Read(0, read);
        Assert.AreEqual(2, read[0], "reads see the cache");
        Assert.AreEqual(1, At(device.Durable, 0));
        Assert.AreEqual(1, At(Survival.None.Apply(device.Durable, device.Pending, s_noLog), 0));
        Assert.AreEqual(2, At(Survival.All.Apply(device.Durable, device.Pending, s_noLog), 0));
    }

    [TestMethod]
    public void AfterTheCutTheDeviceIsDeadAndTheInterruptedFlushDidNothing()
    {
        SimulatedDevice device = new(new PagedImage(1 << 20));
        device.CutPowerAt(3);
        device.Write(0, Bytes(1, 512));
        device.Write(512, Bytes(1, 512));
        Assert.AreEqual(3, Assert.ThrowsExactly<PowerCutException>(device.Flush).Step);
        Assert.AreEqual(0, At(device.Durable, 0));
        Assert.HasCount(2, device.Pending);
        Assert.ThrowsExactly<PowerCutException>(() => device.Read(0, new byte[1]));
        Assert.ThrowsExactly<PowerCutException>(() => device.Write(0, new byte[1]));
        Assert.ThrowsExactly<PowerCutException>(device.Flush);
        Assert.IsTrue(device.IsDead);
    }

    [TestMethod]
    public void TheInterruptedWriteMaySurviveInPart()
    {
        SimulatedDevice device = new(new PagedImage(1 << 20));
        device.CutPowerAt(1);
        Assert.ThrowsExactly<PowerCutException>(() => device.Write(0, Bytes(1, 4_096)));
        PagedImage disk = new Survival(SurvivalKind.Prefix, 3, Grain.Sector).Apply(device.Durable, device.Pending, s_noLog);
        Assert.AreEqual((1, 0), (At(disk, 3 * 512 - 1), At(disk, 3 * 512)));
    }

    [TestMethod]
    public void EveryStrategyPicksWhatItsNameSays()
    {
        SimulatedDevice device = new(new PagedImage(1 << 20));
        for (int i = 0; i < 4; i++)
            device.Write(i * 4_096, Bytes(i + 1, 4_096));
        Assert.AreEqual("1,2,0,0", Survivors("prefix:2@write"));
        Assert.AreEqual("0,0,3,4", Survivors("suffix:2@page"));
        Assert.AreEqual("0,2,0,0", Survivors("only:1@write"));
        Assert.AreEqual("1,0,3,4", Survivors("allbut:1@write"));
        Assert.AreEqual("1,2,3,4", Survivors("all:0@write"));
        Assert.AreEqual("0,0,0,0", Survivors("none:0@write"));
        HashSet<string> seen = [.. Enumerable.Range(0, 500).Select(seed => Survivors($"random:{seed}@write"))];
        Assert.HasCount(16, seen, "every subset turns up");
        Assert.AreEqual(Survivors("random:7@write"), Survivors("random:7@write"));

        string Survivors(string strategy)
        {
            Survival survival = Survival.Parse(strategy);
            Assert.AreEqual(strategy, survival.ToString());
            PagedImage disk = survival.Apply(device.Durable, device.Pending, s_noLog);
            return string.Join(',', Enumerable.Range(0, 4).Select(i => At(disk, i * 4_096)));
        }
    }

    [TestMethod]
    public void TheLogIsTornInSectorsWhateverTheGrain()
    {
        SimulatedDevice device = new(new PagedImage(1 << 20));
        device.Write(0, Bytes(1, 8_192));
        PagedImage disk = Survival.Parse("only:2@write").Apply(device.Durable, device.Pending, new ByteRange(0, 4_096));
        Assert.AreEqual((0, 1, 0), (At(disk, 1_023), At(disk, 1_024), At(disk, 1_536)));
        disk = Survival.Parse("only:8@write").Apply(device.Durable, device.Pending, new ByteRange(0, 4_096));
        Assert.AreEqual((0, 1, 1), (At(disk, 4_095), At(disk, 4_096), At(disk, 8_191)));
    }

    [TestMethod]
    public void ASectorWrittenInPiecesIsNeverAMixtureTheCacheDidNotHold()
    {
        SimulatedDevice device = new(new PagedImage(1 << 20));
        device.Write(10, Bytes(1, 10));
        device.Write(20, Bytes(2, 10));
        PagedImage disk = Survival.Parse("only:1@sector").Apply(device.Durable, device.Pending, s_noLog);
        Assert.AreEqual((1, 2), (At(disk, 10), At(disk, 20)));
    }

    [TestMethod]
    public void CuttingTheHistoryEqualsCuttingTheDevice()
    {
        const int seed = 5;
        SimulatedDevice whole = new(new PagedImage(1 << 20), record: true);
        Play(whole, seed);
        DeviceHistory history = new(new PagedImage(1 << 20), whole.History, new ByteRange(0, 65_536));
        for (int step = 1; step <= history.Count; step++)
        {
            SimulatedDevice device = new(new PagedImage(1 << 20));
            device.CutPowerAt(step);
            Assert.ThrowsExactly<PowerCutException>(() => Play(device, seed));
            Survival survival = Survival.Any(new Random(step), Grain.Write, Grain.Sector, Grain.Page);
            PagedImage expected = survival.Apply(device.Durable, device.Pending, new ByteRange(0, 65_536));
            Assert.IsTrue(Same(expected, history.Cut(step, survival)), $"step {step}, {survival}");
        }

        static void Play(SimulatedDevice device, int seed)
        {
            Random random = new(seed);
            for (int i = 0; i < 200; i++)
                if (random.Next(10) == 0)
                    device.Flush();
                else
                    device.Write(random.Next(1 << 19), Bytes(random.Next(256), random.Next(1, 20_000)));
        }
    }

    [TestMethod]
    public void FaultsHitTheCallTheyWereOrderedForAndNoOther()
    {
        SimulatedDevice device = new(new PagedImage(1 << 20));
        device.Fail(Operation.Write, 2);
        device.Fail(Operation.Flush, 1, forEver: true);
        device.Write(0, Bytes(1, 512));
        Assert.AreEqual(Errno.EIO, Assert.ThrowsExactly<XfsException>(() => device.Write(0, Bytes(2, 512))).Errno);
        device.Write(512, Bytes(3, 512));
        Assert.ThrowsExactly<XfsException>(device.Flush);
        Assert.ThrowsExactly<XfsException>(device.Flush);
        Assert.AreEqual((1, 3), (At(device.Working, 0), At(device.Working, 512)));
        Assert.AreEqual(0, At(device.Durable, 0));
    }

    private static byte[] Bytes(int value, int count) => Enumerable.Repeat((byte)value, count).ToArray();

    private static int At(PagedImage image, long offset)
    {
        Span<byte> one = stackalloc byte[1];
        image.Read(offset, one);
        return one[0];
    }

    private static bool Same(PagedImage a, PagedImage b)
    {
        byte[] first = new byte[a.Length], second = new byte[b.Length];
        a.Read(0, first);
        b.Read(0, second);
        return first.AsSpan().SequenceEqual(second);
    }
}
