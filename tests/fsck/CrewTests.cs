using ImageFs.Devices;
using ImageFs.Fsck;
using ImageFs.Tests.Fixtures;

namespace ImageFs.Tests.Fsck;

/// <summary>Several workers find what one finds, and say it in the same order.</summary>
[TestClass]
public sealed class CrewTests
{
    private static readonly string[] s_images = ["plain-4k", "dirs-4k", "dirs-1k", "attributes-4k", "fragmented-1k", "shared-4k", "sparse-inodes-4k"];

    [TestMethod]
    public void DamagedImagesHaveTheSameFindingsHoweverManyLookAtThem()
    {
        Random random = new(TestSettings.Seed);
        Console.WriteLine(TestSettings.Replay(nameof(DamagedImagesHaveTheSameFindingsHoweverManyLookAtThem), TestSettings.Seed));
        Dictionary<string, (MemoryDevice Device, List<MetadataPlace> Places)> originals = [];
        int damaged = 0, rounds = 150 * TestSettings.Sweep;
        for (int round = 0; round < rounds; round++)
        {
            string name = s_images[random.Next(s_images.Length)];
            if (!originals.TryGetValue(name, out (MemoryDevice Device, List<MetadataPlace> Places) original))
            {
                DamagedImage sound = new(name);
                originals[name] = original = (sound.Device, MetadataMap.Of(sound));
            }
            DamagedImage image = new(original.Device.Clone());
            List<Dice> done = [];
            for (int n = random.Next(1, 12); n > 0; n--) done.Add(Dice.Roll(image, name, random, original.Places));
            FsckReport one = Check(image.Device, 1, 40), several = Check(image.Device, random.Next(2, 6), 40);
            Assert.AreEqual(Lines(one), Lines(several), $"round {round}: {string.Join("; ", done)}");
            if (one.Findings.Count > 0) damaged++;
        }
        Assert.IsGreaterThan(rounds / 2, damaged);
    }

    [TestMethod]
    public void WhereTheOrderMattersOneWorkerHasTheLastWord()
    {
        int reached = 0;
        foreach (DamageCase known in DamageCases.All)
        {
            DamagedImage image = new(known.Image);
            known.Do(image);
            FsckReport one = Check(image.Device, 1, 1000), several = Check(image.Device, 4, 1000);
            Assert.AreEqual(Lines(one), Lines(several), known.Name);
            if (one.Counts.Keys.Any(c => c == FindingCodes.TreeShared || c == FindingCodes.ReflinkFlag || c == FindingCodes.DirectoryTwoParents)) reached++;
        }
        Assert.IsGreaterThan(2, reached);
    }

    [TestMethod]
    public void LimitsCutTheSameFindingsOff()
    {
        FindingList whole = new(5, 3), parts = new(5, 3);
        FindingList[] workers = [parts.ForWorker(), parts.ForWorker()];
        whole.Add(FindingCodes.FreeOverlap, default, 0);
        parts.Add(FindingCodes.FreeOverlap, default, 0);
        for (int unit = 0; unit < 8; unit++)
        {
            FindingCode code = unit is 2 or 5 ? FindingCodes.FreeUnmerged : FindingCodes.FreeOverlap;
            whole.Add(code, default, unit);
            workers[unit % 2].Unit = unit;
            workers[unit % 2].Add(code, default, unit);
        }
        parts.Absorb(workers);
        CollectionAssert.AreEqual(whole.Stored.Select(f => f.ToString()).ToArray(), parts.Stored.Select(f => f.ToString()).ToArray());
        CollectionAssert.AreEquivalent(whole.Counts.ToArray(), parts.Counts.ToArray());
        Assert.IsTrue(parts.HasFaults);
    }

    private static FsckReport Check(BlockDevice device, int workers, int findings) =>
        Checker.Check(device, new FsckOptions { Workers = workers, MaxFindings = findings, MaxFindingsPerCode = 8 });

    private static string Lines(FsckReport report)
    {
        string counts = string.Join(", ", report.Counts.OrderBy(c => c.Key.Text, StringComparer.Ordinal).Select(c => $"{c.Key.Text} {c.Value}"));
        FsckStatistics seen = report.Statistics;
        return $"{report.Exit} {report.Scan} {report.Problem} {counts} {seen with { Elapsed = default }}\n{string.Join('\n', report.Findings)}";
    }
}
