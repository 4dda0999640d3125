using System.Globalization;
using ImageFs.Devices;
using ImageFs.Format;
using ImageFs.Journal;
using ImageFs.Tests.Fixtures;
using ImageFs.Tests.Journal;
using ImageFs.Tests.Simulation;

namespace ImageFs.Tests.Recovering;

/// <summary>Logs of a kernel that was cut off in the middle of long operations. The judge is the kernel's own recovery of a copy.</summary>
[TestClass]
public sealed class IntentTests
{
    private const long Size = 64L << 20;

    private static readonly string[][] s_geometries =
    [
        ["-b", "size=4096", "-m", "rmapbt=1,reflink=1", "-i", "nrext64=1"],
        ["-b", "size=1024", "-m", "rmapbt=1,reflink=1"],
        ["-b", "size=4096", "-m", "rmapbt=0,reflink=1"],
        ["-b", "size=2048", "-m", "rmapbt=1,reflink=0"],
    ];

    /// <summary>Files in a thousand pieces, some of them shared, so that each step of a long operation changes every tree.</summary>
    private static string Fill(bool reflink) =>
        $"""
        punch() {"{"} seq "$2" 8 8188 | sed 's/.*/fpunch &k 4k/' | xfs_io "$1" >/dev/null; {"}"}
        xfs_io -f -c 'pwrite -q -S 0x61 -b 1m 0 8m' a; sync -f .; punch a 4
        xfs_io -f -c 'pwrite -q -S 0x64 -b 1m 0 8m' d; sync -f .; punch d 0
        {(reflink ? "cp --reflink=always a b; cp --reflink=always a c; cp --reflink=always d e" : "cp a b; cp a c; punch b 4; punch c 0")}
        head -c 3000 /dev/urandom > bystander
        """;

    /// <summary>Several long operations at once, of which the plug stops most.</summary>
    private static string Crash(Random random, bool reflink)
    {
        List<string> work =
        [
            "rm b", "truncate -s 1000 c", "rm d",
            "xfs_io -c 'pwrite -q -S 0x63 -b 3m 0 8m' -c fsync a",
            "fallocate -p -o 20000 -l 6m a",
            "xfs_io -f -c 'falloc 0 6m' -c 'pwrite -q 1m 3m' -c fsync f",
            "xfs_io -c 'fcollapse 0 1m' c", "xfs_io -c 'finsert 1m 1m' b",
        ];
        if (reflink) work.AddRange(["cp --reflink=always a g", "xfs_io -c 'reflink a 0 0 8m' e", "xfs_io -c 'funshare 0 8m' e", "xfs_io -c 'pwrite -q -b 64k 0 8m' -c fsync e"]);
        string[] chosen = [.. work.OrderBy(_ => random.Next()).Take(random.Next(3, 6))];
        string wait = (0.004 + random.NextDouble() * 0.08).ToString("0.000", CultureInfo.InvariantCulture);
        return string.Concat(chosen.Select(c => $"({c}) >/dev/null 2>&1 &\n")) + $"sleep {wait}";
    }

    [TestMethod]
    public void WhatAKernelLeftUnfinishedIsFinishedAsTheKernelDoes()
    {
        Judge.Require("xfs_io");
        Random random = new(TestSettings.Seed);
        Console.WriteLine(TestSettings.Replay(nameof(WhatAKernelLeftUnfinishedIsFinishedAsTheKernelDoes), TestSettings.Seed));
        TempImage[] bases = [.. s_geometries.Select(options => Base(options))];
        try
        {
            int wanted = 32 * TestSettings.Sweep;
            Dictionary<string, int> kinds = CutOffImages.Judge(wanted, 4 * wanted, round =>
            {
                int which = random.Next(4) == 0 ? random.Next(bases.Length) : random.Next(2);
                string workload = Crash(random, HasReflink(which));
                string? options = random.Next(3) == 0 ? "logbsize=256k" : null;
                return (DirtyImage.From(bases[which], workload, flushLog: true, options), workload);
            }, pending => pending.Count > 0, intent => intent.Name, (image, _, found) => CutOffImages.AssertFinishedAsTheKernelDoes(image.Path, mount: found % 4 == 0));
            foreach (string kind in (string[])["RUI", "CUI", "BUI"]) Assert.IsTrue(kinds.ContainsKey(kind), $"no {kind} among them");
        }
        finally
        {
            foreach (TempImage one in bases) one.Dispose();
        }
    }

    [TestMethod]
    [DataRow("dirty-intents-4k")]
    [DataRow("dirty-intents-1k")]
    public void APowerCutWhileIntentsAreFinishedLosesNone(string name)
    {
        using TempImage image = SampleImages.Copy(name);
        TreeListing expected = SampleImages.Listing(name);
        PagedImage dirty = PagedImage.Of(MemoryDevice.Load(image.Path));
        SimulatedDevice whole = new(dirty);
        FileSystem.Open(whole, write: true, leaveOpen: true).Dispose();

        Random random = new(TestSettings.Seed);
        Console.WriteLine(TestSettings.Replay(nameof(APowerCutWhileIntentsAreFinishedLosesNone), TestSettings.Seed));
        Geometry geometry = DirtyImage.GeometryOf(MemoryDevice.Load(image.Path));
        ByteRange log = new(geometry.LogOffset, geometry.LogBytes);
        int finished = 0, before = 0, after = 0;
        int cuts = 40 * TestSettings.Sweep;
        for (int cut = 0; cut < cuts; cut++)
        {
            // The last steps, where the checkpoint and the home writes are, matter most.
            long step = cut % 2 == 0 ? 1 + random.NextInt64(whole.Steps) : Math.Max(1, whole.Steps - cut / 2);
            // The kernel must be able to go on from there as well; but it has no answer to a block that was torn on its way home.
            bool kernel = cut % 8 == 1;
            Survival survival = kernel ? Survival.Any(random, Grain.Page) : Survival.Any(random, Grain.Sector, Grain.Page);
            string where = $"after a cut at step {step} of {whole.Steps}, {survival}";
            SimulatedDevice device = new(dirty);
            device.CutPowerAt(step);
            try
            {
                FileSystem.Open(device, write: true, leaveOpen: true).Dispose();
            }
            catch (Exception) when (device.IsDead) { }
            PagedImage left = survival.Apply(device.Durable, device.Pending, log);
            RecoveryResult replay = ImageFs.Journal.Recovery.Replay(new SimulatedDevice(left), geometry);
            if (replay.PendingIntents.Count > 0) before++;
            else if (replay.WasClean) after++;
            else finished++;

            if (kernel)
            {
                using TempImage file = TempImage.NotYetThere();
                left.Save(file.Path);
                TreeListing.AssertEqual(expected, DirtyImage.KernelListing(file.Path));
            }
            SimulatedDevice again = new(left);
            try
            {
                using (FileSystem fs = FileSystem.Open(again, write: true, leaveOpen: true))
                    TreeListing.AssertEqual(expected, LibraryListing.Of(fs), LibraryListing.Fields & ~TreeFields.Extents);
                OurFsck.AssertClean(again);
            }
            catch (Exception why)
            {
                Assert.Fail($"{where}: {why}");
            }
        }
        Console.WriteLine($"{cuts} cuts: {before} with all intents pending, {finished} with none in a dirty log, {after} in a clean one");
        Assert.IsGreaterThan(0, before);
        Assert.IsGreaterThan(0, finished);
    }

    private static bool HasReflink(int geometry) => s_geometries[geometry].Any(o => o.Contains("reflink=1", StringComparison.Ordinal));

    private static TempImage Base(string[] options)
    {
        TempImage image = TempImage.MadeByMkfs(Size, options);
        try
        {
            using KernelMount mount = KernelMount.ReadWrite(image.Path);
            mount.Run(Fill(options.Any(o => o.Contains("reflink=1", StringComparison.Ordinal))), TimeSpan.FromMinutes(3));
            return image;
        }
        catch
        {
            image.Dispose();
            throw;
        }
    }
}
