using ImageFs.Devices;
using ImageFs.Format;
using ImageFs.Fsck;
using ImageFs.Tests.Fixtures;

namespace ImageFs.Tests.Fsck;

/// <summary>The superblock of a single group has no copy: all the rest is asked, but only if there is a reason to.</summary>
[TestClass]
public sealed class SingleGroupTests
{
    private const string Sample = "bare-4k";

    [TestMethod]
    public void ASoundSuperblockIsNotWorkedOutAgain()
    {
        DamagedImage image = new(Sample);
        Assert.AreEqual(1u, image.Geometry.AgCount);
        ulong file = image.FindUsed(c => c.IsRegular && c.LinkCount == 1);
        image.Inode(file, (ref InodeCore c) => c.LinkCount = 7);
        CountingDevice device = new(image.Device);
        FsckReport report = Repairer.Repair(device);
        Assert.AreEqual(FsckExit.Repaired, report.Exit, report.Text());
        Assert.IsLessThan(image.Device.Length / 2, device.BytesRead, "working it out reads all of the image twice");
    }

    [TestMethod]
    public void AnyBitOfASharedFieldComesBackIfItMatters()
    {
        byte[] original = new DamagedImage(Sample).Read(0, 512);
        int repaired = 0, refused = 0, silent = 0;
        foreach (SuperblockField field in SuperblockFields.Shared)
            foreach (int bit in (ReadOnlySpan<int>)[0, field.Size * 8 / 2, field.Size * 8 - 1])
            {
                DamagedImage image = new(Sample);
                image.Bytes(0, 512, Superblock.CrcOffset, b => b[field.Offset + field.Size - 1 - bit / 8] ^= (byte)(1 << (bit & 7)));
                FsckReport report = Repairer.Repair(image.Device);
                string about = $"{field.Name}, bit {bit}: {report.Text()}";
                if (report.Exit == FsckExit.OperationalError) refused++;
                else if (report.Exit == FsckExit.Clean) silent++;
                else
                {
                    Assert.AreEqual(FsckExit.Repaired, report.Exit, about);
                    FsckOf.Device(image.Device).MustBeSilent(about);
                    byte[] now = image.Read(0, 512);
                    IEnumerable<string> wrong = SuperblockFields.Shared.Where(f => !now.AsSpan(f.Offset, f.Size).SequenceEqual(original.AsSpan(f.Offset, f.Size))).Select(f => f.Name);
                    Assert.AreEqual("", string.Join(", ", wrong), about);
                    repaired++;
                }
            }
        Console.WriteLine($"{repaired} repaired, {refused} refused, {silent} silent");
        Assert.IsGreaterThan(40, repaired);
    }

    private sealed class CountingDevice(BlockDevice below) : BlockDevice
    {
        public long BytesRead { get; private set; }
        public override long Length => below.Length;
        public override bool CanWrite => true;
        public override void Flush() { }
        public override void Write(long offset, ReadOnlySpan<byte> source) => below.Write(offset, source);
        public override void Read(long offset, Span<byte> destination)
        {
            BytesRead += destination.Length;
            below.Read(offset, destination);
        }
    }
}
