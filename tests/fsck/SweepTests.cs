using System.Buffers.Binary;
using System.Diagnostics;
using ImageFs.Devices;
using ImageFs.Format;
using ImageFs.Fsck;
using ImageFs.Journal;
using ImageFs.Tests.Fixtures;

namespace ImageFs.Tests.Fsck;

/// <summary>Damage by dice: any byte of any structure.</summary>
[TestClass]
public sealed class SweepTests
{
    private static readonly string[] s_images = ["plain-4k", "plain-1k", "bare-4k", "dirs-4k", "dirs-1k", "dirs-8k", "attributes-4k", "attributes-1k", "fragmented-1k", "shared-4k", "shared-1k", "sparse-inodes-4k", "nrext64-4k"];

    /// <summary>Whatever the bytes, the check ends with a report.</summary>
    [TestMethod]
    public void NoDamageMakesTheCheckFailOrHang()
    {
        Random random = new(TestSettings.Seed);
        Console.WriteLine(TestSettings.Replay(nameof(NoDamageMakesTheCheckFailOrHang), TestSettings.Seed));
        int silent = 0, rounds = 400 * TestSettings.Sweep;
        Dictionary<string, (MemoryDevice, List<MetadataPlace>)> originals = [];
        for (int round = 0; round < rounds; round++)
        {
            string name = s_images[random.Next(s_images.Length)];
            (MemoryDevice original, List<MetadataPlace> places) = Original(originals, name);
            DamagedImage image = new(original.Clone());
            List<Dice> done = [];
            for (int n = random.Next(1, 8); n > 0; n--) done.Add(Dice.Roll(image, name, random, places));
            Stopwatch clock = Stopwatch.StartNew();
            FsckReport report;
            try
            {
                report = FsckOf.Device(image.Device);
                using MemoryStream json = new();
                report.WriteJson(json);
            }
            catch (Exception e)
            {
                Assert.Fail($"round {round}: {string.Join("; ", done)}{Environment.NewLine}{e}");
                throw;
            }
            Assert.IsLessThan(20.0, clock.Elapsed.TotalSeconds, $"round {round}: {string.Join("; ", done)}");
            if (report.Exit == FsckExit.Clean) silent++;
        }
        Console.WriteLine($"{rounds} damaged images, {silent} of them silent");
    }

    /// <summary>A log that was overwritten here and there is replayed, cut or refused; the check ends with a report all the same.</summary>
    [TestMethod]
    public void NoDamageToADirtyLogMakesTheCheckFail()
    {
        Random random = new(TestSettings.Seed);
        Console.WriteLine(TestSettings.Replay(nameof(NoDamageToADirtyLogMakesTheCheckFail), TestSettings.Seed));
        foreach (string name in SampleImages.Dirty)
        {
            DamagedImage original = new(name);
            uint used = Math.Max(64, LogScan.Find(new LogArea(original.Device, original.Geometry), original.Geometry).Head);
            for (int round = 0; round < 8 * TestSettings.Sweep; round++)
            {
                DamagedImage image = new(original.Device.Clone());
                List<string> done = [];
                for (int n = random.Next(1, 5); n > 0; n--)
                {
                    long at = image.Geometry.LogOffset + random.NextInt64(Math.Min(image.Geometry.LogBytes, used * 512L) / 4) * 4;
                    byte[] bytes = new byte[random.Next(1, 3) * 4];
                    random.NextBytes(bytes);
                    done.Add($"{Convert.ToHexString(bytes)} at 0x{at:x}");
                    image.Device.Write(at, bytes);
                }
                try
                {
                    FsckOf.Device(image.Device);
                }
                catch (Exception e)
                {
                    Assert.Fail($"{name}: {string.Join("; ", done)}{Environment.NewLine}{e}");
                }
            }
        }
    }

    /// <summary>Whatever xfs_repair complains about, we complain about.</summary>
    [TestMethod]
    public void WhatXfsRepairFlagsIsFlagged()
    {
        Judge.RequireRepair();
        Random random = new(TestSettings.Seed);
        Console.WriteLine(TestSettings.Replay(nameof(WhatXfsRepairFlagsIsFlagged), TestSettings.Seed));
        int rounds = 60 * TestSettings.Sweep, both = 0, neither = 0, onlyWe = 0;
        List<string> missed = [];
        Dictionary<string, (MemoryDevice, List<MetadataPlace>)> originals = [];
        for (int round = 0; round < rounds; round++)
        {
            string name = s_images[random.Next(s_images.Length)];
            (MemoryDevice original, List<MetadataPlace> places) = Original(originals, name);
            DamagedImage image = new(original.Clone());
            Dice dice = Dice.Roll(image, name, random, places);
            bool weFlag = FsckOf.Device(image.Device).Exit != FsckExit.Clean;
            // A flag of ours needs no second opinion, but the table of both is worth having.
            string path = Scratch.NewPath(".img");
            image.Device.Save(path);
            ShellResult repair = Shell.Run(Judge.RequireRepair(), ["-n", "-o", "force_geometry", path], TimeSpan.FromSeconds(120));
            File.Delete(path);
            if (repair.ExitCode != 0 && weFlag) both++;
            else if (repair.ExitCode != 0) missed.Add($"round {round}: {dice}{Environment.NewLine}{Trim(repair.Text)}");
            else if (weFlag) onlyWe++;
            else neither++;
        }
        Console.WriteLine($"{rounds} damages: {both} flagged by both, {onlyWe} only by us, {neither} by nobody, {missed.Count} only by xfs_repair");
        Assert.IsEmpty(missed, string.Join(Environment.NewLine + Environment.NewLine, missed));
    }

    private static string Trim(string text) => string.Join(Environment.NewLine, text.Split('\n').Where(line =>
        !line.Contains("Phase", StringComparison.Ordinal) && !line.Contains("- agno", StringComparison.Ordinal) && !line.StartsWith("        -", StringComparison.Ordinal)).Take(12));

    private static (MemoryDevice, List<MetadataPlace>) Original(Dictionary<string, (MemoryDevice, List<MetadataPlace>)> originals, string name)
    {
        if (originals.TryGetValue(name, out (MemoryDevice, List<MetadataPlace>) known)) return known;
        DamagedImage image = new(name);
        return originals[name] = (image.Device, MetadataMap.Of(image));
    }
}
