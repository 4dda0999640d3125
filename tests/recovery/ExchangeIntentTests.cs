using ImageFs.Devices;
using ImageFs.Format;
using ImageFs.Journal;
using ImageFs.Mkfs;
using ImageFs.Tests.Fixtures;
using ImageFs.Tests.Journal;
using ImageFs.Tests.Simulation;

namespace ImageFs.Tests.Recovering;

/// <summary>Logs of a kernel that was cut off while it exchanged the mappings of files. The judge is its own recovery of a copy.</summary>
[TestClass]
public sealed class ExchangeIntentTests
{
    private const int Pairs = 3;

    /// <param name="shorter">Bytes by which the first of a pair is shorter than the second, times one, two and three.</param>
    private static TempImage Base(bool reflink, int shorter, params string[] options)
    {
        TempImage image = TempImage.NotYetThere();
        StringWriter errors = new();
        Assert.AreEqual(0, MkfsProgram.Run(["-q", "--size", "128m", "-i", "exchange=1", .. options, image.Path], TextWriter.Null, errors), errors.ToString());
        using KernelMount mount = KernelMount.ReadWrite(image.Path);
        // One of each pair has two thousand pieces, the other as many elsewhere, some of them unwritten; some blocks are shared.
        mount.Run($$"""
            punch() { seq "$2" 8 "$3" | sed 's/.*/fpunch &k 4k/' | xfs_io "$1" >/dev/null; }
            for i in 0 1 2; do
                xfs_io -f -c 'pwrite -q -b 1m 0 12m' a$i; xfs_io -f -c 'pwrite -q -S 0x62 -b 1m 0 9m' -c 'falloc 9m 3m' b$i; sync -f .
                punch a$i 4 12284; punch b$i 0 11996
                {{(reflink ? "cp --reflink=always a$i keep$i" : ":")}}
                truncate -s $((12582912 - {{shorter}} * (i + 1))) a$i
            done
            """, TimeSpan.FromMinutes(2));
        return image;
    }

    /// <summary>Exchanges pairs of files, whole or in part, until the plug is pulled.</summary>
    private static void Begin(KernelMount mount, Random random, bool whole = false)
    {
        const ulong toTheEnd = 1, onlyWritten = 8;
        for (int i = 0; i < Pairs; i++)
        {
            PosixFile one = new(mount[$"a{i}"]), two = new(mount[$"b{i}"]);
            int how = whole ? 0 : random.Next(3), skip = random.Next(1000) * 4096;
            new Thread(() =>
            {
                using (one)
                using (two)
                    while (how switch
                    {
                        0 => two.ExchangeRange(one, 0, 0, 0, toTheEnd),
                        1 => two.ExchangeRange(one, skip, 4096, 6 << 20, 0),
                        _ => two.ExchangeRange(one, 4096, skip, 6 << 20, onlyWritten),
                    } == 0) { }
            }) { IsBackground = true }.Start();
        }
        Thread.Sleep(2 + random.Next(60));
    }

    [TestMethod]
    [DataRow("")]
    [DataRow("-b size=1024 -m rmapbt=0,reflink=0")]
    [DataRow("-b size=1024 -m rmapbt=1,reflink=1")]
    public void AnExchangeOfMappingsIsFinishedAsTheKernelDoesIt(string options)
    {
        Judge.Require("xfs_io");
        Random random = new(TestSettings.Seed);
        Console.WriteLine(TestSettings.Replay(nameof(AnExchangeOfMappingsIsFinishedAsTheKernelDoesIt), TestSettings.Seed));
        using TempImage made = Base(!options.Contains("reflink=0", StringComparison.Ordinal), shorter: 0, options.Split(' ', StringSplitOptions.RemoveEmptyEntries));
        int wanted = 3 * TestSettings.Sweep;
        CutOffImages.Judge(wanted, 6 * wanted, _ => (DirtyImage.From(made, mount => Begin(mount, random)), options),
            pending => pending.OfType<ExchangeIntent>().Any(), intent => intent is ExchangeIntent exchange ? $"XMI with flags {exchange.Flags}" : intent.Name,
            (image, _, found) => CutOffImages.AssertFinishedAsTheKernelDoes(image.Path, mount: found % 2 == 0));
    }

    /// <summary>
    /// The kernel is no judge of this: 6.18 takes the sizes files have when it recovers for those they should swap, and may free
    /// blocks behind the size a file had when it was first looked at. An exchange is done or not, and here it is promised.
    /// </summary>
    [TestMethod]
    public void FilesOfDifferentSizesHaveChangedPlacesAsAWhole()
    {
        Judge.Require("xfs_io");
        Random random = new(TestSettings.Seed);
        Console.WriteLine(TestSettings.Replay(nameof(FilesOfDifferentSizesHaveChangedPlacesAsAWhole), TestSettings.Seed));
        using TempImage made = Base(reflink: true, shorter: 1_234_567);
        Dictionary<string, TreeEntry> before = LibraryListing.Of(made.Path).Entries.ToDictionary(e => e.Path);
        int wanted = 3 * TestSettings.Sweep;
        CutOffImages.Judge(wanted, 6 * wanted, _ => (DirtyImage.From(made, mount => Begin(mount, random, whole: true)), "whole files"),
            pending => pending.OfType<ExchangeIntent>().Any(), intent => intent.Name, (image, pending, _) =>
        {
            TreeListing inMemory = LibraryListing.Of(image.Path);
            FileSystem.Open(image.Path, write: true).Dispose();
            Dictionary<string, TreeEntry> after = LibraryListing.Of(image.Path).Entries.ToDictionary(e => e.Path);
            TreeListing.AssertEqual(inMemory, LibraryListing.Of(image.Path), LibraryListing.Fields & ~TreeFields.Extents);
            XfsRepair.CheckClean(image.Path);
            OurFsck.AssertClean(image.Path);
            foreach (ExchangeIntent intent in pending.OfType<ExchangeIntent>()) Assert.AreNotEqual(intent.Size1, intent.Size2);
            for (int i = 0; i < Pairs; i++)
            {
                (long, string) a = What(before[$"a{i}"]), b = What(before[$"b{i}"]), nowA = What(after[$"a{i}"]), nowB = What(after[$"b{i}"]);
                Assert.IsTrue((nowA, nowB) == (a, b) || (nowA, nowB) == (b, a), $"pair {i}: {a} and {b} became {nowA} and {nowB}");
                Assert.AreEqual(What(before[$"keep{i}"]), What(after[$"keep{i}"]));
            }
        });

        static (long, string) What(TreeEntry entry) => (entry.Size, entry.Sha256);
    }

    /// <summary>
    /// Our own: six thousand pieces of each file, in a log that has no room for all of it. Wherever the power goes, whoever
    /// recovers finishes, the kernel too, and one who is cut off while he does finds less to do the next time.
    /// </summary>
    [TestMethod]
    public void AnExchangeLongerThanTheLogIsFinishedByWhoeverRecovers()
    {
        const int pieces = 6_000, block = 4096;
        Random random = new(TestSettings.Seed);
        Console.WriteLine(TestSettings.Replay(nameof(AnExchangeLongerThanTheLogIsFinishedByWhoeverRecovers), TestSettings.Seed));
        MemoryDevice formatted = new(300 << 20);
        ImageFs.Mkfs.Mkfs.Format(formatted, MkfsOptions.Parse(["-i", "exchange=1", "-l", "size=3075b"]));
        Geometry geometry = Volume.ReadSuperblock(formatted);
        SimulatedDevice device = new(PagedImage.Of(formatted));
        using (FileSystem fs = FileSystem.Open(device, write: true, leaveOpen: true))
        using (XfsFile one = fs.CreateFile("/one"), other = fs.CreateFile("/other"))
        {
            byte[] bytes = new byte[block];
            for (int i = 0; i < pieces; i++)
            {
                Array.Fill(bytes, (byte)(1 + i % 120));
                one.Write((2L * i + i % 2) * block, bytes);
                Array.Fill(bytes, (byte)(130 + i % 120));
                other.Write((2L * i + 1) * block, bytes);
            }
            one.SetLength(2L * pieces * block);
        }
        PagedImage start = device.Working;
        (string, string) before = Contents(start.Copy()), after = (before.Item2, before.Item1);
        SimulatedDevice recorded = new(start, record: true);
        using (FileSystem fs = FileSystem.Open(recorded, write: true, leaveOpen: true))
        {
            fs.Volume.Journal!.SoftLimit = 8 << 10;
            using (XfsFile one = fs.OpenFile("/one", write: true), other = fs.OpenFile("/other", write: true))
                other.ExchangeRange(one, 0, 0, 2L * pieces * block);
            Console.WriteLine($"{fs.Volume.Journal.Checkpoints} checkpoints, head {fs.Volume.Journal.Head}, {recorded.History.Count} steps");
            Assert.IsGreaterThan(1u, fs.Volume.Journal.Head.Cycle);
            fs.Volume.Abandon();
        }
        Assert.AreEqual(after, Contents(recorded.Working));
        DeviceHistory history = new(start, recorded.History, new ByteRange(geometry.LogOffset, geometry.LogBytes));
        int unfinished = 0;
        foreach (int step in Enumerable.Range(0, 3 * TestSettings.Sweep).Select(_ => random.Next(1, history.Count + 1)).Order())
        {
            PagedImage cut = history.Cut(step, Survival.Any(random, Grain.Page));
            ExchangeIntent[] pending = [.. ImageFs.Journal.Recovery.Replay(new SimulatedDevice(cut), geometry).PendingIntents.OfType<ExchangeIntent>()];
            if (pending.Length > 0) unfinished++;
            SimulatedDevice recovering = new(cut, record: true);
            (string, string) found = Contents(recovering);
            Assert.IsTrue(found == after || found == before && pending.Length == 0, $"step {step} of {history.Count}, {pending.Length} intents");
            OurFsck.AssertClean(recovering);
            DeviceHistory second = new(cut, recovering.History, new ByteRange(geometry.LogOffset, geometry.LogBytes));
            foreach (int again in Enumerable.Range(0, 1).Select(_ => random.Next(1, second.Count + 1)).Order())
                Assert.AreEqual(found, Contents(second.Cut(again, Survival.Any(random, Grain.Page))), $"step {step} of {history.Count}, then step {again} of {second.Count}");
            if (!Judge.HasKernel) continue;
            using TempImage image = TempImage.NotYetThere();
            cut.Save(image.Path);
            using (KernelMount mount = KernelMount.ReadWrite(image.Path))
            {
                Assert.AreEqual(found, (Hash(File.ReadAllBytes(mount["one"])), Hash(File.ReadAllBytes(mount["other"]))), $"the kernel at step {step} of {history.Count}");
                mount.AssertNoComplaints();
            }
            XfsRepair.CheckClean(image.Path);
        }
        Assert.IsGreaterThan(0, unfinished);

        static (string, string) Contents(object disk)
        {
            SimulatedDevice device = disk as SimulatedDevice ?? new SimulatedDevice((PagedImage)disk);
            using FileSystem fs = FileSystem.Open(device, write: true, leaveOpen: true);
            using XfsFile one = fs.OpenFile("/one"), other = fs.OpenFile("/other");
            return (Hash(one.ReadAll()), Hash(other.ReadAll()));
        }

        static string Hash(byte[] bytes) => Convert.ToHexString(System.Security.Cryptography.SHA256.HashData(bytes));
    }
}
