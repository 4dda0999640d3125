using ImageFs.Devices;
using ImageFs.Format;
using ImageFs.Tests.Fixtures;
using ImageFs.Tests.Simulation;
using static ImageFs.Tests.Fixtures.World;

namespace ImageFs.Tests.Dax;

/// <summary>Power cuts at every single step of operations that promise to happen as a whole.</summary>
[TestClass]
public sealed class ShiftCrashTests
{
    [TestMethod]
    public void S68_AnInsertIsThereAsAWholeOrNotAtAll() => EveryCut(["/b"], fs =>
    {
        using XfsFile b = fs.OpenFile("/b", write: true);
        b.InsertRange(4 * B, 4 * B);
    });

    [TestMethod]
    public void S68_ACollapseIsThereAsAWholeOrNotAtAll() => EveryCut(["/b"], fs =>
    {
        using XfsFile b = fs.OpenFile("/b", write: true);
        b.CollapseRange(4 * B, 4 * B);
    });

    [TestMethod]
    public void S71_AnExchangeIsThereAsAWholeOrNotAtAll() => EveryCut(["/b", "/k"], fs =>
    {
        using XfsFile b = fs.OpenFile("/b", write: true), k = fs.OpenFile("/k", write: true);
        k.ExchangeRange(b, 0, 0, 0, ExchangeOptions.ToEnd);
    });

    /// <summary>What is not overwritten in place before the change is durable cannot show up in the wrong place.</summary>
    [TestMethod]
    public void S71_AWriteRightAfterAnExchangeNeverShowsInTheOtherFile() => EveryCut(["/k"], fs =>
    {
        using XfsFile b = fs.OpenFile("/b", write: true), k = fs.OpenFile("/k", write: true);
        k.ExchangeRange(b, 0, 0, 0, ExchangeOptions.ToEnd);
        b.Write(0, Repeat((byte)'!', 30 * B));
    });

    /// <param name="paths">Files that must all be as before the work, or all as after it.</param>
    private static void EveryCut(string[] paths, Action<FileSystem> work)
    {
        MemoryDevice formatted = new(48 << 20);
        ImageFs.Mkfs.Mkfs.Format(formatted, ImageFs.Mkfs.MkfsOptions.Parse([]));
        using (FileSystem fs = FileSystem.Open(formatted, write: true, leaveOpen: true))
        {
            // Fragmented and of all kinds: every second block of b is shared, some are unwritten, some holes.
            using (XfsFile b = fs.CreateFile("/b"), other = fs.CreateFile("/other"), k = fs.CreateFile("/k"))
            {
                for (int i = 0; i < 40; i += 2)
                {
                    b.Write(i * B, Repeat((byte)(i + 1), B));
                    other.Write(i * B, Repeat((byte)(i + 100), B));
                }
                for (int i = 1; i < 30; i += 4) b.CloneRange(other, (i - 1) * B, i * B, B);
                b.Allocate(31 * B, 5 * B);
                k.Write(0, Repeat((byte)'k', 25 * B + 100));
            }
        }
        Geometry geometry = Volume.ReadSuperblock(formatted);
        ByteRange log = new(geometry.LogOffset, geometry.LogBytes);
        PagedImage start = PagedImage.Of(formatted);
        byte[][] before = Read(start, paths);
        SimulatedDevice device = new(start, record: true);
        using (FileSystem fs = FileSystem.Open(device, write: true, leaveOpen: true)) work(fs);
        byte[][] after = Read(device.Working, paths);
        DeviceHistory history = new(start, device.History, log);
        Random random = new(TestSettings.Seed);
        int old = 0, now = 0;
        for (int step = 1; step <= device.History.Count; step++)
            foreach (Survival survival in new[] { Survival.None, Survival.All, Survival.Any(random, Grain.Sector, Grain.Page, Grain.Write) })
            {
                PagedImage disk = history.Cut(step, survival);
                byte[][] found = Read(disk, paths);
                if (Same(found, before)) old++;
                else if (Same(found, after)) now++;
                else Assert.Fail($"step {step} of {device.History.Count}, {survival}, seed {TestSettings.Seed}: neither before nor after");
            }
        Assert.IsGreaterThan(0, old);
        Assert.IsGreaterThan(0, now);
    }

    private static byte[][] Read(PagedImage disk, string[] paths)
    {
        SimulatedDevice device = new(disk);
        byte[][] contents;
        using (FileSystem fs = FileSystem.Open(device, write: true, leaveOpen: true))
            contents = [.. paths.Select(path =>
            {
                using XfsFile file = fs.OpenFile(path);
                return file.ReadAll();
            })];
        OurFsck.AssertClean(device);
        return contents;
    }

    private static bool Same(byte[][] one, byte[][] other) => one.Zip(other).All(pair => pair.First.AsSpan().SequenceEqual(pair.Second));
}
