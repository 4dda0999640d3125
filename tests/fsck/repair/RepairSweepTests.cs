using System.Diagnostics;
using ImageFs.Devices;
using ImageFs.Fsck;
using ImageFs.Tests.Fixtures;

namespace ImageFs.Tests.Fsck;

/// <summary>Damage by dice, repaired: nobody finds anything any more, and only what the damaged block held is lost.</summary>
[TestClass]
public sealed class RepairSweepTests
{
    private static readonly string[] s_images =
    [
        "plain-4k", "plain-1k", "bare-4k", "dirs-4k", "dirs-1k", "dirs-8k", "attributes-4k", "attributes-1k", "fragmented-1k", "fragmented-4k", "shared-4k", "shared-1k",
        "sparse-inodes-4k", "nrext64-4k",
    ];

    private sealed record Sample(MemoryDevice Device, List<MetadataPlace> Places, TreeListing Listing);

    private static readonly Dictionary<string, Sample> s_samples = [];

    private static Sample Get(string name)
    {
        lock (s_samples)
        {
            if (s_samples.TryGetValue(name, out Sample? known)) return known;
            DamagedImage image = new(name);
            // A group without another one has no copy of its superblock: then there is nothing to restore it from.
            bool alone = image.Geometry.AgCount == 1;
            return s_samples[name] = new Sample(image.Device, [.. MetadataMap.Of(image).Where(p => !alone || p.Kind != "superblock")], LibraryListing.Of(SampleImages.Path(name)));
        }
    }

    [TestMethod]
    public void WhateverFieldIsDamagedTheRepairedImageIsClean() => Sweep(nameof(WhateverFieldIsDamagedTheRepairedImageIsClean), Dice.Roll, 120);

    [TestMethod]
    public void WhateverBlockIsLostTheRepairedImageIsClean() => Sweep(nameof(WhateverBlockIsLostTheRepairedImageIsClean), Dice.Wipe, 60);

    private static void Sweep(string test, Func<DamagedImage, string, Random, List<MetadataPlace>, Dice> damage, int atLeast)
    {
        Console.WriteLine(TestSettings.Replay(test, TestSettings.Seed));
        bool judge = Judge.Find("xfs_repair") is not null, kernel = Judge.HasKernel;
        int rounds = atLeast * TestSettings.Sweep, silent = 0, whole = 0, judged = 0, mounted = 0;
        for (int round = 0; round < rounds; round++)
        {
            Random random = new(TestSettings.Seed * 100003 + round);
            string name = s_images[random.Next(s_images.Length)];
            Sample sample = Get(name);
            DamagedImage image = new(sample.Device.Clone());
            Dice dice = damage(image, name, random, sample.Places);
            string about = $"round {round}: {dice}";
            Stopwatch clock = Stopwatch.StartNew();
            FsckReport report = Repair(image.Device, about);
            Assert.IsLessThan(30.0, clock.Elapsed.TotalSeconds, about);
            if (report.Exit == FsckExit.Clean)
            {
                silent++;
                continue;
            }
            Assert.AreEqual(FsckExit.Repaired, report.Exit, $"{about}{Environment.NewLine}{report.Text()}");
            FsckOf.Device(image.Device).MustBeSilent(about);
            if (Compare(sample.Listing, image.Device, dice, about)) whole++;
            // The judges cost far more than the repair; every fourth image goes to them.
            if (!judge || round % 4 != 0) continue;
            using TempImage file = TempImage.NotYetThere();
            image.Device.Save(file.Path);
            ShellResult verdict = XfsRepair.Check(file.Path);
            Assert.AreEqual(0, verdict.ExitCode, $"{about}{Environment.NewLine}{report.Text()}{Environment.NewLine}{verdict.Text}");
            judged++;
            if (!kernel || round % 16 != 0) continue;
            using KernelMount mount = KernelMount.ReadOnly(file.Path);
            mount.List();
            mounted++;
        }
        Console.WriteLine($"{rounds} damages: {silent} silent, {rounds - silent} repaired, {whole} of them without any loss; xfs_repair -n judged {judged}, the kernel mounted {mounted}");
    }

    private static FsckReport Repair(BlockDevice device, string about)
    {
        try
        {
            return Repairer.Repair(device);
        }
        catch (Exception e)
        {
            Assert.Fail($"{about}{Environment.NewLine}{e}");
            throw;
        }
    }

    /// <summary>Files are what they were, wherever they are named now. One block holds one file at most, or names, or inodes.</summary>
    /// <returns>True if nothing at all is different.</returns>
    private static bool Compare(TreeListing before, MemoryDevice device, Dice dice, string about)
    {
        using FileSystem fs = FileSystem.Open(device, write: false, leaveOpen: true);
        TreeListing after = LibraryListing.Of(fs);
        Dictionary<string, TreeEntry> byPath = after.Entries.ToDictionary(e => e.Path);
        HashSet<(string, string, EntryKind, long)> contents = [.. after.Entries.Select(Contents)];
        List<string> lost = [];
        bool same = true;
        foreach (TreeEntry entry in before.Entries)
        {
            bool there = byPath.TryGetValue(entry.Path, out TreeEntry? now);
            same &= there && Contents(now!) == Contents(entry);
            if (entry.Kind != EntryKind.Directory && !contents.Contains(Contents(entry))) lost.Add(entry.Path);
        }
        // Hard links are one file under several names.
        int files = lost.Select(path => before.Entries.First(e => e.Path == path)).Select(Contents).Distinct().Count();
        Assert.IsLessThanOrEqualTo(1, files, $"{about}: lost {string.Join(", ", lost.Take(10))}");
        bool mayHoldFile = dice.Place.Kind is "inode" or "bmbt block" or "symlink block";
        if (!mayHoldFile) Assert.AreEqual(0, files, $"{about}: lost {string.Join(", ", lost)}");
        return same;
    }

    private static (string, string, EntryKind, long) Contents(TreeEntry entry) => (entry.Sha256, entry.Target, entry.Kind, entry.Kind == EntryKind.Directory ? 0 : entry.Size);
}
