using System.Buffers.Binary;
using ImageFs.Format;
using ImageFs.Fsck;
using ImageFs.Tests.Fixtures;

namespace ImageFs.Tests.Fsck;

/// <summary>Records of quotas are mended where they are: limits stay where something vouches for them, usage is counted by the next mount.</summary>
[TestClass]
public sealed class QuotaRepairTests
{
    [TestMethod]
    public void AHealthyImageWithQuotasGivesNoFinding()
    {
        DamagedImage image = new(DamagedImage.Quotas);
        FsckOf.Device(image.Device).MustBeSilent("with quotas");
        using TempImage file = TempImage.NotYetThere();
        image.Device.Save(file.Path);
        XfsRepair.CheckClean(file.Path);
    }

    [TestMethod]
    [DataRow("quota: another id", 7u, 1007ul)]
    [DataRow("quota: checksum", 5u, 1005ul)]
    [DataRow("quota: noise", 9u, 0ul)]
    public void LimitsStayWhereSomethingVouchesForThem(string name, uint id, ulong limit)
    {
        DamagedImage image = new(DamagedImage.Quotas);
        image.Sb(0, (ref Superblock s) => s.QuotaFlags = 7);
        if (id == 9) image.KeepChecksums = true;
        DamageCases.All.Single(c => c.Name == name).Do(image);
        FsckReport report = Repairer.Repair(image.Device);
        Assert.AreEqual(FsckExit.Repaired, report.Exit, report.Text());
        FsckOf.Device(image.Device).MustBeSilent(name);
        image.KeepChecksums = true;
        image.QuotaRecord(id, b => Assert.AreEqual(limit, BinaryPrimitives.ReadUInt64BigEndian(b[8..])));
        image.QuotaRecord(id + 1, b => Assert.AreEqual(1001ul + id, BinaryPrimitives.ReadUInt64BigEndian(b[8..])));
        Assert.AreEqual(3, Superblock.At((ReadOnlySpan<byte>)image.Read(0, 512)).QuotaFlags.Value, "usage is to be counted, limits are enforced");
    }

    [TestMethod]
    public void AnImageWithARealtimeDeviceIsNotRepaired()
    {
        DamagedImage image = new("plain-4k");
        uint blocks = 100 * 32768;
        for (uint ag = 0; ag < image.Geometry.AgCount; ag++)
            image.Sb(ag, (ref Superblock s) => (s.RealtimeBlocks, s.RealtimeExtents, s.RealtimeExtentsLog, s.RealtimeBitmapBlocks) = (blocks, blocks / s.RealtimeExtentSize, 21, 100));
        image.Agf(0, (ref Agf a) => a.FreeBlocks = 1);
        FsckReport report = Repairer.Repair(image.Device);
        Assert.AreEqual(FsckExit.ErrorsLeft, report.Exit, report.Text());
        Assert.Contains("realtime", report.Repair!.Problem!);
    }
}
