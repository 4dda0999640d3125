using ImageFs.Tests.Fixtures;
using ImageFs.Tests.Simulation;
using static ImageFs.Tests.Fixtures.World;

namespace ImageFs.Tests.Dax;

/// <summary>Power cuts at every single step of operations that promise to happen as a whole and to be durable on return.</summary>
[TestClass]
public sealed class ShiftCrashTests
{
    [TestMethod]
    [DataRow(false)]
    [DataRow(true)]
    public void S68_AnInsertIsThereAsAWholeOrNotAtAll(bool eager) => new ScenarioSweep(Mixture, (fs, reached) =>
    {
        using XfsFile b = fs.OpenFile("/b", write: true);
        b.InsertRange(4 * B, 4 * B);
        reached(true);
    }, eager: eager).Run();

    [TestMethod]
    [DataRow(false)]
    [DataRow(true)]
    public void S68_ACollapseIsThereAsAWholeOrNotAtAll(bool eager) => new ScenarioSweep(Mixture, (fs, reached) =>
    {
        using XfsFile b = fs.OpenFile("/b", write: true);
        b.CollapseRange(4 * B, 4 * B);
        reached(true);
    }, eager: eager).Run();

    [TestMethod]
    public void S71_AnExchangeIsThereAsAWholeOrNotAtAll() => new ScenarioSweep(Mixture, (fs, reached) =>
    {
        using XfsFile b = fs.OpenFile("/b", write: true), k = fs.OpenFile("/k", write: true);
        k.ExchangeRange(b, 0, 0, 0, ExchangeOptions.ToEnd);
        reached(true);
    }).Run();

    /// <summary>What is not overwritten in place before the change is durable cannot show up in the wrong place.</summary>
    [TestMethod]
    public void S71_AWriteRightAfterAnExchangeNeverShowsInTheOtherFile() => new ScenarioSweep(Mixture, (fs, reached) =>
    {
        using XfsFile b = fs.OpenFile("/b", write: true), k = fs.OpenFile("/k", write: true);
        k.ExchangeRange(b, 0, 0, 0, ExchangeOptions.ToEnd);
        reached(true);
        b.Write(0, Repeat(0xFF, 30 * B));
        reached(false);
        fs.Flush();
        reached(true);
    }).Run(partial: found => found["k"].Content.Contains((byte)0xFF) || found["k"].Content.Length != 40 * B ? "k is neither as before nor as exchanged" : null);

    /// <summary>Fragmented and of all kinds: every second block of b is shared, some are unwritten, some holes.</summary>
    private static void Mixture(FileSystem fs)
    {
        using XfsFile b = fs.CreateFile("/b"), other = fs.CreateFile("/other"), k = fs.CreateFile("/k");
        for (int i = 0; i < 40; i += 2)
        {
            b.Write(i * B, Repeat((byte)(i + 1), B));
            other.Write(i * B, Repeat((byte)(i + 100), B));
        }
        for (int i = 1; i < 30; i += 4) b.CloneRange(other, (i - 1) * B, i * B, B);
        b.Allocate(31 * B, 5 * B);
        b.SetLength(40 * B);
        k.Write(0, Repeat((byte)'k', 25 * B + 100));
    }
}
