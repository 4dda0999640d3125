using ImageFs.Devices;
using ImageFs.Format;
using ImageFs.Fsck;
using ImageFs.Journal;
using ImageFs.Tests.Fixtures;

namespace ImageFs.Tests.Fsck;

/// <summary>A damaged log: what is whole of it is replayed, what is lost is said, and nothing is given up that nobody allowed to be.</summary>
[TestClass]
public sealed class DamagedLogTests
{
    private const int Steps = 30, Damaged = 12;

    /// <summary>A file and a checkpoint, thirty times; nothing of it has gone home. Each step is one record.</summary>
    private static DamagedImage Dirty(out uint[] records, out ulong[] inodes)
    {
        MemoryDevice device = new(64 << 20);
        ImageFs.Mkfs.Mkfs.Format(device, new() { SourceDate = DateTimeOffset.UnixEpoch.AddYears(50) });
        DamagedImage dirty;
        inodes = new ulong[Steps];
        using (FileSystem fs = FileSystem.Open(device, write: true, leaveOpen: true))
        {
            for (int i = 0; i < Steps; i++)
            {
                using (XfsFile file = fs.CreateFile($"/f{i}")) file.Write(0, Content(i));
                fs.Flush();
                inodes[i] = fs.GetEntry($"/f{i}").Inode.Value;
            }
            dirty = new DamagedImage(device.Clone());
        }
        records = Records(dirty);
        Assert.HasCount(Steps + 1, records, "the record of mkfs and one for each step");
        return dirty;
    }

    private static byte[] Content(int step) => [.. Enumerable.Repeat((byte)(step + 1), 5000)];

    private static uint[] Records(DamagedImage image)
    {
        LogArea log = new(image.Device, image.Geometry);
        byte[] block = new byte[512];
        List<uint> records = [];
        for (uint at = 0; at < log.BasicBlocks; at++)
        {
            log.Read(at, block);
            ref readonly LogRecordHeader header = ref LogRecordHeader.At((ReadOnlySpan<byte>)block);
            if (header.Magic == LogRecordHeader.MagicNumber && header.Length != 0) records.Add(at);
        }
        return [.. records];
    }

    private static long At(DamagedImage image, uint block) => image.Geometry.LogOffset + block * 512L;

    private static void Damage(DamagedImage image, string how, uint record)
    {
        long at = At(image, record);
        switch (how)
        {
            case "a bit of the payload": image.Bytes(at + 512 + 100, 1, -1, b => b[0] ^= 4); break;
            case "a cycle number": image.Bytes(at + 512, 4, -1, b => b[3] = 7); break;
            case "the header is gone": image.Device.Write(at, new byte[512]); break;
            case "the checksum": image.Bytes(at + LogRecordHeader.CrcOffset, 1, -1, b => b[0] ^= 0x80); break;
            case "noise":
                byte[] noise = new byte[1024];
                new Random(5).NextBytes(noise);
                image.Device.Write(at, noise);
                break;
            default: throw new ArgumentException(how);
        }
    }

    [TestMethod]
    [DataRow("a bit of the payload")]
    [DataRow("a cycle number")]
    [DataRow("the header is gone")]
    [DataRow("the checksum")]
    [DataRow("noise")]
    public void WhatIsWholeBeforeADamagedRecordIsReplayedAndTheRestIsNamed(string how)
    {
        DamagedImage image = Dirty(out uint[] records, out ulong[] inodes);
        Damage(image, how, records[Damaged + 1]);
        MemoryDevice damaged = image.Device.Clone();
        FsckReport refused = Repairer.Repair(image.Device);
        Assert.AreEqual(FsckExit.ErrorsLeft, refused.Exit, refused.Text());
        Assert.Contains("--discard-log", refused.Repair!.Problem!);
        RepairTests.AssertSameBytes(damaged, image.Device);

        FsckReport report = Repairer.Repair(image.Device, new RepairOptions { DiscardLog = true });
        Assert.AreEqual(FsckExit.Repaired, report.Exit, report.Text());
        FsckOf.Device(image.Device).MustBeSilent(how);
        string lost = report.Repair!.LostLog!;
        Assert.Contains($"before log block {records[Damaged + 1]} was replayed", lost);
        Assert.Contains($"{Steps - Damaged - 1} transactions behind it are lost", lost);
        // The step whose record is damaged cannot be read; all later ones can.
        for (int i = Damaged + 1; i < Steps; i++) Assert.Contains($" {inodes[i]}", lost);
        using (FileSystem fs = FileSystem.Open(image.Device, write: false, leaveOpen: true))
        {
            Assert.HasCount(Damaged, fs.List("/").ToList());
            for (int i = 0; i < Damaged; i++) CollectionAssert.AreEqual(Content(i), Read(fs, i));
        }
        Judged(image);
    }

    [TestMethod]
    public void ARecordAtTheTailTakesEverythingWithIt()
    {
        DamagedImage image = Dirty(out uint[] records, out _);
        Damage(image, "the checksum", records[1]);
        FsckReport report = Repairer.Repair(image.Device, new RepairOptions { DiscardLog = true });
        Assert.AreEqual(FsckExit.Repaired, report.Exit, report.Text());
        Assert.Contains("nothing before it was still to be replayed", report.Repair!.LostLog!);
        Assert.Contains($"{Steps - 1} transactions", report.Repair.LostLog!);
        FsckOf.Device(image.Device).MustBeSilent("without its log");
        Judged(image);
    }

    /// <summary>The search for the head goes by cycles; a wrong one where nothing was ever written leads it astray. Every record is there.</summary>
    [TestMethod]
    [DataRow("the end of the ring")]
    [DataRow("the first block")]
    [DataRow("half way")]
    public void AHeadThatCannotBeFoundCostsNothing(string where)
    {
        DamagedImage image = Dirty(out _, out _);
        uint blocks = (uint)(image.Geometry.LogBytes / 512);
        if (where == "the first block") image.Device.Write(At(image, 0), new byte[512]);
        else image.Bytes(At(image, where == "half way" ? blocks / 2 - 1 : blocks - 1), 512, -1, b => b.Fill(0x5A));
        FsckReport report = Repairer.Repair(image.Device);
        Assert.AreEqual(FsckExit.Repaired, report.Exit, report.Text());
        Assert.IsNull(report.Repair!.LostLog);
        AllThere(image, where);
    }

    [TestMethod]
    [DataRow("the header is gone")]
    [DataRow("noise")]
    [DataRow("a cycle number")]
    [DataRow("the checksum")]
    public void ADamagedUnmountRecordCostsNothing(string how)
    {
        DamagedImage image = Dirty(out _, out _);
        FileSystem.Open(image.Device, write: true, leaveOpen: true).Dispose();
        Assert.IsTrue(LogScan.Find(new LogArea(image.Device, image.Geometry), image.Geometry).IsClean);
        Damage(image, how, Records(image)[^1]);
        FsckReport report = Repairer.Repair(image.Device);
        Assert.IsTrue(report.Exit is FsckExit.Repaired or FsckExit.Clean, report.Text());
        Assert.IsNull(report.Repair?.LostLog);
        AllThere(image, how);
    }

    [TestMethod]
    public void ALogNobodyEverUsedLosesNothingWithItsOnlyRecord()
    {
        MemoryDevice device = new(64 << 20);
        ImageFs.Mkfs.Mkfs.Format(device, new() { SourceDate = DateTimeOffset.UnixEpoch.AddYears(50) });
        DamagedImage image = new(device);
        Damage(image, "noise", 0);
        FsckReport report = Repairer.Repair(device);
        Assert.AreEqual(FsckExit.Repaired, report.Exit, report.Text());
        Assert.IsNull(report.Repair!.LostLog);
        FsckOf.Device(device).MustBeSilent("new");
        Judged(image);
    }

    private static byte[] Read(FileSystem fs, int step)
    {
        using XfsFile file = fs.OpenFile($"/f{step}");
        byte[] bytes = new byte[file.Length];
        Assert.AreEqual(bytes.Length, file.Read(0, bytes));
        return bytes;
    }

    private static void AllThere(DamagedImage image, string what)
    {
        FsckOf.Device(image.Device).MustBeSilent(what);
        using (FileSystem fs = FileSystem.Open(image.Device, write: false, leaveOpen: true))
            for (int i = 0; i < Steps; i++) CollectionAssert.AreEqual(Content(i), Read(fs, i), $"file {i}");
        Judged(image);
    }

    private static void Judged(DamagedImage image)
    {
        using TempImage file = TempImage.NotYetThere();
        image.Device.Save(file.Path);
        if (Judge.Find("xfs_repair") is not null) XfsRepair.CheckClean(file.Path);
    }
}
