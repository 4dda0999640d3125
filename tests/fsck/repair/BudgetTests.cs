using ImageFs.Devices;
using ImageFs.Format;
using ImageFs.Fsck;

namespace ImageFs.Tests.Fsck;

/// <summary>With little memory the check and the repair put things aside, and come to the same end.</summary>
[TestClass]
public sealed class BudgetTests
{
    private const int Extents = 150_000;

    /// <summary>A file of many extents; the roots of all trees of all groups are gone.</summary>
    private static DamagedImage Fragmented()
    {
        MemoryDevice device = new(2L << 30);
        ImageFs.Mkfs.Mkfs.Format(device, new() { SourceDate = DateTimeOffset.UnixEpoch.AddYears(50) });
        using (FileSystem fs = FileSystem.Open(device, write: true, leaveOpen: true))
        using (XfsFile file = fs.CreateFile("/fragments"))
        {
            file.SetLength(Extents * 8192L);
            for (int i = 0; i < Extents; i++) file.Write(i * 8192L, [1]);
        }
        DamagedImage image = new(device);
        for (uint ag = 0; ag < image.Geometry.AgCount; ag++)
        {
            Agf agf = image.ReadAgf(ag);
            Agi agi = image.ReadAgi(ag);
            foreach (uint root in (ReadOnlySpan<uint>)[agf.BnoRoot, agf.CntRoot, agf.RmapRoot, agf.RefcountRoot, agi.Root, agi.FreeRoot])
                if (root != 0) device.Write(image.Geometry.ByteOffset(new AgNumber(ag), new AgBlock(root)), new byte[64]);
        }
        return image;
    }

    [TestMethod]
    public void AFractionOfTheMemoryGivesTheSameFindingsAndTheSameRepair()
    {
        DamagedImage image = Fragmented();
        RepairOptions much = new() { DryRun = true }, little = much with { MemoryBytes = MemoryBudget.Least };
        FsckReport checkedWithMuch = Checker.Check(image.Device, much), checkedWithLittle = Checker.Check(image.Device, little);
        CollectionAssert.AreEqual(Lines(checkedWithMuch), Lines(checkedWithLittle));
        Assert.IsNotEmpty(checkedWithLittle.Findings);
        // 24 bytes for each extent, and as much again for its record in the reverse map alone.
        Assert.IsGreaterThan(MemoryBudget.Least / 8, Extents * 24L);
        FsckReport first = Repairer.Repair(image.Device, much), second = Repairer.Repair(image.Device, little);
        Assert.AreEqual(FsckExit.Repaired, first.Exit, first.Text());
        Assert.AreEqual(FsckExit.Repaired, second.Exit, second.Text());
        Assert.IsGreaterThan(MemoryBudget.Least / 8, second.Repair!.Plan.Sum(c => c.Length));
        CollectionAssert.AreEqual(first.Repair!.Plan.ToArray(), second.Repair.Plan.ToArray());
        FsckReport done = Repairer.Repair(image.Device, little with { DryRun = false });
        Assert.AreEqual(FsckExit.Repaired, done.Exit, done.Text());
        FsckOf.Device(image.Device).MustBeSilent("repaired with little memory");
    }

    [TestMethod]
    public void WhatDoesNotFitAnyhowIsRefusedWithTheAmountThatWould()
    {
        MemoryBudget budget = new(MemoryBudget.Least);
        InodeTable table = new(new DamagedImage("plain-4k").Geometry, budget);
        XfsException refusal = Assert.ThrowsExactly<XfsException>(() =>
        {
            for (uint i = 0; i < 100_000; i++)
            {
                InodeChunk chunk = new() { Start = i * 64, Slot = -1 };
                table.MakeSlots(ref chunk);
            }
        });
        Assert.AreEqual(Errno.ENOMEM, refusal.Errno);
        Assert.Contains("8 MiB of memory are too little for this image, 9 would do so far", refusal.Message);
    }

    [TestMethod]
    public void ClaimsThatWaitInAFileComeBackAsTheyWere()
    {
        Geometry g = new DamagedImage("plain-4k").Geometry;
        using MemoryBudget small = new(MemoryBudget.Least), large = new(long.MaxValue);
        ClaimTable spilled = new(g, small), kept = new(g, large);
        ClaimWriter[] writers = [new(g, spilled), new(g, kept)];
        Random random = new(1);
        uint next = 100;
        for (int i = 0; i < 300_000; i++)
        {
            AgNumber ag = new((uint)random.Next((int)g.AgCount));
            // Some continue the one before and become one claim with it, across a move to the file as well.
            if (random.Next(3) != 0) next = 100 + (uint)random.Next((int)g.AgBlocks - 200);
            Extent extent = new(new FileBlock(next), g.Join(ag, new AgBlock(next)), 1, false);
            foreach (ClaimWriter writer in writers) writer.Add(extent, 131, attributeFork: false);
            next++;
            if (next >= g.AgBlocks) next = 100;
        }
        foreach (ClaimWriter writer in writers) writer.Flush();
        Assert.IsGreaterThan(0L, small.Claims.Length);
        for (uint i = 0; i < g.AgCount; i++)
        {
            AgNumber ag = new(i);
            for (uint block = 100; block < 120; block++) Assert.AreEqual(kept.Covers(ag, block), spilled.Covers(ag, block));
            PackedList<Claim> want = new(), have = new();
            kept.Take(ag, want);
            spilled.Take(ag, have);
            Assert.IsTrue(want.Span.SequenceEqual(have.Span), $"group {i}");
        }
    }

    private static string[] Lines(FsckReport report) => [.. report.Findings.Select(f => f.ToString())];
}
