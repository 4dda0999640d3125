using ImageFs.Devices;
using ImageFs.Format;
using ImageFs.Fsck;
using ImageFs.Tests.Fixtures;

namespace ImageFs.Tests.Fsck;

/// <summary>Every damage of the table is repaired so that nobody finds anything any more.</summary>
[TestClass]
public sealed class RepairTests
{
    [TestMethod]
    [DynamicData(nameof(DamageCases.Rows), typeof(DamageCases))]
    public void ADamageIsRepairedCompletely(string name)
    {
        DamageCase damage = DamageCases.All.Single(c => c.Name == name);
        DamagedImage image = new(damage.Image);
        damage.Do(image);
        FsckReport report = Repairer.Repair(image.Device);
        if (report.Exit == FsckExit.Clean) return; // a remark, nothing to repair
        Assert.AreEqual(FsckExit.Repaired, report.Exit, report.Text());
        FsckOf.Device(image.Device).MustBeSilent($"{name}, repaired");
        using TempImage file = TempImage.NotYetThere();
        image.Device.Save(file.Path);
        if (Judge.Find("xfs_repair") is not null) XfsRepair.CheckClean(file.Path);
        // The tools of the samples' time know no parent pointers; the kernel does.
        if (damage.Image != DamagedImage.Parents || !Judge.HasKernel) return;
        using KernelMount mount = KernelMount.ReadWrite(file.Path);
        Assert.IsGreaterThan(20, KernelParents.AssertComplete(mount));
        mount.AssertNoComplaints();
    }

    [TestMethod]
    public void WhatCannotBeRepairedIsNotTouched()
    {
        DamagedImage image = new("plain-4k");
        image.Agf(0, (ref Agf a) => a.FreeBlocks = 1);
        byte[] noise = new byte[image.Geometry.LogBytes];
        new Random(1).NextBytes(noise);
        image.Device.Write(image.Geometry.LogOffset, noise);
        MemoryDevice damaged = image.Device.Clone();
        FsckReport report = Repairer.Repair(image.Device);
        Assert.AreEqual(FsckExit.ErrorsLeft, report.Exit, report.Text());
        Assert.Contains("--discard-log", report.Repair!.Problem!);
        AssertSameBytes(damaged, image.Device);
        Assert.AreEqual(FsckExit.Repaired, Repairer.Repair(image.Device, new RepairOptions { DiscardLog = true }).Exit);
        FsckOf.Device(image.Device).MustBeSilent("repaired without its log");
    }

    [TestMethod]
    public void ALogOfZerosBeginsAnewAheadOfAllMetadata()
    {
        DamagedImage image = new("dirs-4k");
        Geometry g = image.Geometry;
        image.Device.Write(g.LogOffset, new byte[g.LogBytes]);
        FsckReport report = Repairer.Repair(image.Device);
        Assert.AreEqual(FsckExit.Repaired, report.Exit, report.Text());
        FsckOf.Device(image.Device).MustBeSilent("with a new log");
        Assert.IsGreaterThan(1u, ImageFs.Journal.LogScan.Find(new ImageFs.Journal.LogArea(image.Device, g), g).HeadCycle);
        Assert.IsTrue(report.Repair!.Plan.All(c => c.Offset >= g.LogOffset && c.Offset < g.LogOffset + g.LogBytes), "healthy blocks were touched");
        using TempImage file = TempImage.NotYetThere();
        image.Device.Save(file.Path);
        XfsRepair.CheckClean(file.Path);
    }

    [TestMethod]
    public void ABudgetThatIsTooSmallIsRefusedBeforeAnythingIsWritten()
    {
        DamagedImage image = new("plain-4k");
        image.Agf(0, (ref Agf a) => a.FreeBlocks = 1);
        MemoryDevice damaged = image.Device.Clone();
        FsckReport report = Repairer.Repair(image.Device, new RepairOptions { MemoryBytes = 4096 });
        Assert.AreEqual(FsckExit.OperationalError, report.Exit);
        Assert.Contains("memory", report.Problem!);
        AssertSameBytes(damaged, image.Device);
    }

    internal static void AssertSameBytes(BlockDevice expected, BlockDevice found)
    {
        byte[] left = new byte[1 << 20], right = new byte[1 << 20];
        for (long at = 0; at < expected.Length; at += left.Length)
        {
            int length = (int)Math.Min(left.Length, expected.Length - at);
            expected.Read(at, left.AsSpan(0, length));
            found.Read(at, right.AsSpan(0, length));
            Assert.IsTrue(left.AsSpan(0, length).SequenceEqual(right.AsSpan(0, length)), $"the image changed within the MiB at {at}");
        }
    }
}
