using ImageFs.Devices;
using ImageFs.Fsck;
using ImageFs.Tests.Fixtures;

namespace ImageFs.Tests.Fsck;

/// <summary>Every damage of the table is repaired so that nobody finds anything any more, or refused, and then nothing was written.</summary>
[TestClass]
public sealed class RepairTests
{
    [TestMethod]
    [DynamicData(nameof(DamageCases.Rows), typeof(DamageCases))]
    public void ADamageIsRepairedCompletelyOrTheImageStaysAsItIs(string name)
    {
        DamageCase damage = DamageCases.All.Single(c => c.Name == name);
        DamagedImage image = new(damage.Image);
        damage.Do(image);
        MemoryDevice damaged = image.Device.Clone();
        FsckReport report = Repairer.Repair(image.Device);
        if (report.Exit == FsckExit.Clean) return; // a remark, nothing to repair
        if (report.Exit == FsckExit.ErrorsLeft)
        {
            Assert.IsNotNull(report.Repair?.Problem);
            AssertSameBytes(damaged, image.Device);
            Assert.Inconclusive($"cannot be repaired yet: {report.Repair.Problem}");
        }
        Assert.AreEqual(FsckExit.Repaired, report.Exit, report.Text());
        FsckOf.Device(image.Device).MustBeSilent($"{name}, repaired");
        using TempImage file = TempImage.NotYetThere();
        image.Device.Save(file.Path);
        if (Judge.Find("xfs_repair") is not null) XfsRepair.CheckClean(file.Path);
    }

    private static void AssertSameBytes(BlockDevice expected, BlockDevice found)
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
