using System.Text.RegularExpressions;
using ImageFs.Cli.Demo;
using ImageFs.Devices;
using ImageFs.Tests.Fixtures;
using static ImageFs.Tests.Cli.CliRun;

namespace ImageFs.Tests.Cli;

/// <summary>The demo tells the truth, whatever the dice say.</summary>
[TestClass]
public sealed class DemoTests
{
    public required TestContext TestContext { get; set; }

    [TestMethod]
    public void EveryClaimHolds()
    {
        for (int i = 0; i < TestSettings.Sweep; i++)
        {
            CliResult result = Run("demo", "--seed", $"{TestSettings.Seed + i}", "--no-judges");
            if (result.Code != 0) Assert.Fail($"imagefs demo --seed {TestSettings.Seed + i}:\n{result.Output}{result.Error}");
            StringAssert.Matches(result.Output, new Regex(@"All \d\d claims hold"));
            Assert.DoesNotContain('\u001b', result.Output, "no colours where nobody looks");
        }
    }

    [TestMethod]
    public void TheJudgesAgree()
    {
        Judge.RequireRepair();
        string folder = Scratch.NewPath(".demo");
        CliResult result = Run("demo", "--seed", $"{TestSettings.Seed}", "--keep", folder);
        if (result.Code != 0) Assert.Fail(result.Output + result.Error);
        Assert.AreEqual(3, Regex.Count(result.Output, "xfs_repair -n agrees"), result.Output);
        if (Judge.HasKernel) StringAssert.Contains(result.Output, "it replays our log by itself");
        Assert.AreEqual("demo.img", string.Join(' ', Directory.EnumerateFileSystemEntries(folder).Select(Path.GetFileName)));
        XfsRepair.CheckClean(Path.Combine(folder, "demo.img"));
        Assert.AreEqual(1, Run("demo", "--keep", folder).Code, "an image that is kept is not overwritten");
    }

    [TestMethod]
    public void APowerCutLosesOnlyWhatWasNotFlushed()
    {
        MemoryDevice disk = new(1 << 20);
        PowerCutDevice device = new(disk);
        device.Write(0, Noise(8192));
        device.Flush();
        device.CutAt = device.Steps + 3;
        byte[] late = Noise(100_000, seed: 2), read = new byte[100_000];
        device.Write(100_100, late);
        device.Read(100_100, read);
        CollectionAssert.AreEqual(late, read, "what was written is read, flushed or not");
        device.Write(300_000, late);
        Assert.ThrowsExactly<PowerCutException>(() => device.Write(500_000, late));
        Assert.ThrowsExactly<PowerCutException>(() => device.Read(0, read));
        Assert.AreEqual(3, device.Unflushed);
        byte[] before = new byte[8192];
        disk.Read(0, before);
        CollectionAssert.AreEqual(Noise(8192), before);

        (int whole, int torn, int lost) = device.Settle(new Random(TestSettings.Seed));
        Assert.AreEqual(3, whole + torn + lost);
        foreach (int at in (int[])[100_100, 300_000, 500_000])
        {
            disk.Read(at, read);
            for (int i = 0; i < read.Length; i++)
                if (read[i] != 0) Assert.AreEqual(late[i], read[i], "a byte is the old one or the new one");
        }
    }
}
