using ImageFs.Devices;
using ImageFs.Format;
using ImageFs.Fsck;
using ImageFs.Tests.Fixtures;
using ImageFs.Tests.Simulation;

namespace ImageFs.Tests.Fsck;

/// <summary>
/// A repair that the power cuts off, in any of its writes, whatever of the unflushed ones survives, is finished by the next one;
/// and the undo file takes everything back from any of these points.
/// </summary>
[TestClass]
public sealed class InterruptedRepairTests
{
    [TestMethod]
    [DataRow("agf freeblks -1")]
    [DataRow("superblock magic")]
    [DataRow("superblock fdblocks +5")]
    [DataRow("inobt: somebody else's")]
    [DataRow("bmbt: somebody else's")]
    [DataRow("rmapbt: somebody else's")]
    [DataRow("dir-data: somebody else's")]
    [DataRow("attr-block: somebody else's")]
    [DataRow("log: garbage where nothing was ever written")]
    public void AnyCutIsFinishedByTheNextRunAndTakenBackByTheUndoFile(string name)
    {
        DamageCase damage = DamageCases.All.Single(c => c.Name == name);
        DamagedImage image = new(damage.Image);
        damage.Do(image);
        CutEverywhere(image, name);
    }

    [TestMethod]
    [DataRow("dirty-simple-4k", false)]
    [DataRow("dirty-wrapped-4k", false)]
    [DataRow("dirty-simple-4k", true)]
    public void AnyCutInARepairThatReplaysALogIsFinishedByTheNextRun(string name, bool damageTheGroup)
    {
        DamagedImage image = new(name);
        if (damageTheGroup) image.Device.Write(image.Geometry.HeaderOffset(new AgNumber(0), 2), new byte[image.Geometry.SectorSize]);
        CutEverywhere(image, name);
    }

    private static void CutEverywhere(DamagedImage image, string name)
    {
        Console.WriteLine(TestSettings.Replay(nameof(InterruptedRepairTests), TestSettings.Seed));
        PagedImage original = PagedImage.Of(image.Device);
        Geometry g = image.Geometry;
        ByteRange log = new(g.LogOffset, g.LogBytes);
        string undo = Scratch.NewPath(".undo");
        SimulatedDevice recorder = new(original, record: true);
        FsckReport whole = Repairer.Repair(recorder, new RepairOptions { UndoFile = undo });
        Assert.AreEqual(FsckExit.Repaired, whole.Exit, whole.Text());
        PagedImage repaired = recorder.Working;
        DeviceHistory history = new(original, recorder.History, log);
        Random random = new(TestSettings.Seed);
        HashSet<string> seen = [];
        int cuts = 0;
        for (int step = 1; step <= history.Count + 1; step++)
        {
            List<Survival> survivals = [Survival.None, Survival.All];
            for (int i = 0; i < 2 * TestSettings.Sweep; i++) survivals.Add(Survival.Any(random, Grain.Word, Grain.Sector, Grain.Page));
            foreach (Survival survival in survivals)
            {
                PagedImage cut = history.Cut(step, survival);
                string where = $"{name}, cut in step {step} of {history.Count}, {survival}";
                long first = cut.FirstDifference(original);
                if (!seen.Add($"{first}/{cut.FirstDifference(repaired)}/{survival}")) continue;
                cuts++;
                bool begun = first >= 0, done = cut.FirstDifference(repaired) < 0;
                if (begun && !done) Assert.IsFalse(IsMountable(cut, original, g), $"{where}: a kernel would mount half a repair");
                TakenBack(cut, original, undo, where);
                FinishedByTheNextRun(cut, original, undo, where, keepUndo: cuts % 5 == 0);
            }
        }
        Assert.IsGreaterThan(5, cuts);
        Console.WriteLine($"{name}: {cuts} cuts in {history.Count} writes and flushes");
    }

    /// <summary>Something besides the first sector changed, and the superblock neither asks for a repair nor is damaged.</summary>
    private static bool IsMountable(PagedImage cut, PagedImage original, Geometry g)
    {
        byte[] sector = new byte[g.SectorSize];
        cut.Read(0, sector);
        ref readonly Superblock sb = ref Superblock.At((ReadOnlySpan<byte>)sector);
        if (!Crc32c.IsValid(sector, Superblock.CrcOffset) || SuperblockVerifier.VerifyLayout(sector) is not null || sb.Has(IncompatFeatures.NeedsRepair)) return false;
        return cut.FirstDifference(original, g.SectorSize) >= 0;
    }

    private static void TakenBack(PagedImage cut, PagedImage original, string undo, string where)
    {
        SimulatedDevice device = new(cut);
        UndoLog.Apply(undo, device);
        Assert.AreEqual(-1, device.Working.FirstDifference(original), $"{where}: after the undo file");
    }

    private static void FinishedByTheNextRun(PagedImage cut, PagedImage original, string undo, string where, bool keepUndo)
    {
        SimulatedDevice device = new(cut);
        string? second = keepUndo ? Scratch.NewPath(".undo") : null;
        FsckReport report = Repairer.Repair(device, new RepairOptions { UndoFile = second });
        Assert.IsTrue(report.Exit is FsckExit.Repaired or FsckExit.Clean, $"{where}: {report.Text()}");
        FsckOf.Device(device).MustBeSilent(where);
        Assert.AreEqual(FsckExit.Clean, Repairer.Repair(device).Exit, $"{where}: a third run");
        if (second is null || report.Exit == FsckExit.Clean) return;
        // Two repairs are taken back one after the other, the later one first.
        UndoLog.Apply(second, device);
        Assert.AreEqual(-1, device.Working.FirstDifference(cut), $"{where}: after the second undo file");
        UndoLog.Apply(undo, device);
        Assert.AreEqual(-1, device.Working.FirstDifference(original), $"{where}: after both undo files");
    }
}
