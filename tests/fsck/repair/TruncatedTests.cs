using ImageFs.Devices;
using ImageFs.Format;
using ImageFs.Fsck;
using ImageFs.Tests.Fixtures;

namespace ImageFs.Tests.Fsck;

/// <summary>An image that was cut off gets its length back: what lay behind the end is lost and named, everything else is kept.</summary>
[TestClass]
public sealed class TruncatedTests
{
    private const int Groups = 4;

    /// <summary>Four groups with a folder of files in each; behind it all a file in the last one.</summary>
    private static MemoryDevice Image()
    {
        MemoryDevice device = new(256 << 20);
        ImageFs.Mkfs.Mkfs.Format(device, new() { AgCount = Groups, SourceDate = DateTimeOffset.UnixEpoch.AddYears(50) });
        using FileSystem fs = FileSystem.Open(device, write: true, leaveOpen: true);
        for (int i = 0; i < 12; i++)
        {
            fs.CreateDirectory($"/{i}");
            for (int n = 0; n < 20; n++)
            {
                using XfsFile file = fs.CreateFile($"/{i}/{n}");
                byte[] bytes = new byte[5000 * (n + 1)];
                new Random(i * 100 + n).NextBytes(bytes);
                file.Write(0, bytes);
            }
        }
        return device;
    }

    private static MemoryDevice Cut(MemoryDevice image, long length)
    {
        MemoryDevice shorter = image.Clone();
        shorter.SetLength(length);
        return shorter;
    }

    [TestMethod]
    public void TheCheckSaysWhatIsMissingAndOfWhichFilesOnce()
    {
        MemoryDevice image = Cut(Image(), (65 << 20) + 512);
        FsckReport report = FsckOf.Device(image);
        Assert.AreEqual(FsckExit.ErrorsLeft, report.Exit);
        string[] lines = [.. report.Findings.Select(f => f.ToString())];
        CollectionAssert.AllItemsAreUnique(lines);
        Assert.Contains("the end of group 1 and groups 2 to 3 are missing", lines.Single(l => l.Contains("device-short", StringComparison.Ordinal)));
        Assert.IsGreaterThan(5, report.Findings.Count(f => f.Code == FindingCodes.BeyondEnd && f.Path is not null), report.Text());
        Assert.IsTrue(report.Counts.Keys.All(c => c == FindingCodes.DeviceShort || c == FindingCodes.BeyondEnd || c == FindingCodes.LogDamaged), report.Text());
    }

    [TestMethod]
    [DataRow(224)]
    [DataRow(193)]
    [DataRow(192)]
    [DataRow(129)]
    public void WhatIsThereIsKeptAndTheKernelWorksOnTheResult(int megabytes)
    {
        MemoryDevice whole = Image(), image = Cut(whole, (long)megabytes << 20);
        using TempImage file = TempImage.NotYetThere();
        image.Save(file.Path);
        TreeListing before;
        using (FileSystem fs = FileSystem.Open(whole, write: false, leaveOpen: true)) before = LibraryListing.Of(fs);
        FsckReport report;
        using (FileDevice device = FileDevice.Open(file.Path, DeviceAccess.Write))
        {
            report = Repairer.Repair(device, new RepairOptions { DiscardLog = true });
            Assert.AreEqual(whole.Length, device.Length);
        }
        Assert.AreEqual(FsckExit.Repaired, report.Exit, report.Text());
        Assert.Contains("what they held is lost", report.Text());
        FsckOf.File(file.Path).MustBeSilent("made longer");
        TreeListing after = LibraryListing.Of(file.Path);
        AssertKept(whole, image.Length, before, after, report);
        if (Judge.Find("xfs_repair") is null) return;
        XfsRepair.CheckClean(file.Path);
        if (!Judge.HasKernel) return;
        KernelWorkout.Run(file.Path, new DamagedImage(whole).Geometry, after);
        XfsRepair.CheckClean(file.Path);
    }

    /// <summary>Files that lie in front of the cut with all they have are as they were; of those that do not the check has spoken.</summary>
    private static void AssertKept(MemoryDevice whole, long length, TreeListing before, TreeListing after, FsckReport report)
    {
        DamagedImage image = new(whole);
        HashSet<string> contents = [.. after.Entries.Select(e => e.Sha256)];
        HashSet<ulong> named = [.. report.Findings.Where(f => f.Code == FindingCodes.BeyondEnd && f.Inode is not null).Select(f => f.Inode!.Value)];
        int kept = 0;
        using FileSystem fs = FileSystem.Open(whole, write: false, leaveOpen: true);
        foreach (TreeEntry entry in before.Entries.Where(e => e.Kind == EntryKind.File))
        {
            ulong inode = fs.GetEntry("/" + entry.Path).Inode.Value;
            bool isThere = image.InodeOffset(inode) < length;
            bool isWhole = isThere && image.Extents(inode).All(e => image.Geometry.ByteOffset(e.Start) + (long)e.Length * image.Geometry.BlockSize <= length);
            if (isThere) Assert.AreEqual(!isWhole, named.Contains(inode), entry.Path);
            if (!isWhole) continue;
            Assert.IsTrue(contents.Contains(entry.Sha256), $"{entry.Path} is lost");
            kept++;
        }
        Assert.IsGreaterThan(20, kept);
    }

    [TestMethod]
    public void ALogThatIsGoneIsGivenUpOnlyIfThatIsAllowed()
    {
        MemoryDevice image = Cut(Image(), 96 << 20), before = image.Clone();
        FsckReport refused = Repairer.Repair(image);
        Assert.AreEqual(FsckExit.ErrorsLeft, refused.Exit);
        Assert.Contains("--discard-log", refused.Repair!.Problem!);
        Assert.AreEqual(before.Length, image.Length);
        RepairTests.AssertSameBytes(before, image);
        FsckReport report = Repairer.Repair(image, new RepairOptions { DiscardLog = true });
        Assert.AreEqual(FsckExit.Repaired, report.Exit, report.Text());
        Assert.Contains("beyond the end", report.Repair!.LostLog!);
    }

    [TestMethod]
    public void TheUndoFileGivesBackTheLengthAsWell()
    {
        MemoryDevice image = Cut(Image(), (200 << 20) + 512), before = image.Clone();
        string undo = Scratch.NewPath(".undo");
        FsckReport report = Repairer.Repair(image, new RepairOptions { UndoFile = undo });
        Assert.AreEqual(FsckExit.Repaired, report.Exit, report.Text());
        Assert.AreEqual(256L << 20, image.Length);
        UndoLog.Apply(undo, image);
        Assert.AreEqual(before.Length, image.Length);
        RepairTests.AssertSameBytes(before, image);
        UndoLog.Apply(undo, image);
        RepairTests.AssertSameBytes(before, image);
    }

    [TestMethod]
    public void CutOffInAnyWriteItIsFinishedByTheNextRunOrTakenBack()
    {
        MemoryDevice original = Cut(Image(), 200 << 20);
        for (int writes = 0; ; writes++)
        {
            MemoryDevice image = original.Clone();
            string undo = Scratch.NewPath(".undo");
            bool isDone = false;
            try
            {
                Repairer.Repair(new FailingDevice(image, writes), new RepairOptions { UndoFile = undo });
                isDone = true;
            }
            catch (PowerCutException)
            {
                byte[] sector = new byte[512];
                image.Read(0, sector);
                bool isMarked = Superblock.At((ReadOnlySpan<byte>)sector).Has(IncompatFeatures.NeedsRepair);
                Assert.IsTrue(isMarked || image.Length < original.Length + 1 && writes == 0, $"cut before write {writes}");
            }
            MemoryDevice taken = image.Clone();
            UndoLog.Apply(undo, taken);
            Assert.AreEqual(original.Length, taken.Length);
            RepairTests.AssertSameBytes(original, taken);
            FsckReport next = Repairer.Repair(image);
            Assert.IsTrue(next.Exit == (isDone ? FsckExit.Clean : FsckExit.Repaired), $"cut before write {writes}: {next.Text()}");
            FsckOf.Device(image).MustBeSilent($"cut before write {writes}");
            File.Delete(undo);
            if (!isDone) continue;
            Assert.IsGreaterThan(2, writes);
            return;
        }
    }

    [TestMethod]
    public void ADeviceThatCannotGrowStaysAsItWas()
    {
        MemoryDevice below = Cut(Image(), 200 << 20), before = below.Clone();
        FsckReport report = Repairer.Repair(new RigidDevice(below));
        Assert.AreEqual(FsckExit.OperationalError, report.Exit);
        RepairTests.AssertSameBytes(before, below);
    }

    /// <summary>No IOException: nobody in the product handles it.</summary>
    private sealed class PowerCutException : Exception;

    /// <summary>Takes so many writes and changes of length and no more.</summary>
    private sealed class FailingDevice(MemoryDevice below, int writes) : BlockDevice
    {
        private int _left = writes;
        public override long Length => below.Length;
        public override bool CanWrite => true;
        public override void Flush() { }
        public override void Read(long offset, Span<byte> destination) => below.Read(offset, destination);
        public override void Write(long offset, ReadOnlySpan<byte> source)
        {
            Count();
            below.Write(offset, source);
        }
        public override void SetLength(long length)
        {
            Count();
            below.SetLength(length);
        }
        private void Count()
        {
            if (_left-- == 0) throw new PowerCutException();
        }
    }

    private sealed class RigidDevice(MemoryDevice below) : BlockDevice
    {
        public override long Length => below.Length;
        public override bool CanWrite => true;
        public override void Flush() { }
        public override void Read(long offset, Span<byte> destination) => below.Read(offset, destination);
        public override void Write(long offset, ReadOnlySpan<byte> source) => below.Write(offset, source);
    }
}
