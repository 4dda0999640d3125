using ImageFs.Devices;
using ImageFs.Format;
using ImageFs.Fsck;

namespace ImageFs.Tests.Fsck;

/// <summary>A repair that is cut off, at any of its writes, is finished by the next one.</summary>
[TestClass]
public sealed class InterruptedRepairTests
{
    [TestMethod]
    [DataRow("agf freeblks -1")]
    [DataRow("superblock magic")]
    [DataRow("inobt: somebody else's")]
    [DataRow("bmbt: somebody else's")]
    public void TheNextRunFinishes(string name)
    {
        DamageCase damage = DamageCases.All.Single(c => c.Name == name);
        DamagedImage image = new(damage.Image);
        damage.Do(image);
        int writes = 0;
        for (int cut = 0; ; cut++)
        {
            MemoryDevice device = image.Device.Clone();
            CutDevice cutDevice = new(device, cut);
            FsckReport first = Repairer.Repair(cutDevice);
            if (first.Exit == FsckExit.Repaired)
            {
                writes = cut;
                break;
            }
            Assert.AreEqual(FsckExit.OperationalError, first.Exit, first.Text());
            FsckReport between = FsckOf.Device(device);
            // From the first write on the image says that it is being repaired.
            if (cut > 0 && cut < cutDevice.Attempts - 1) Assert.IsTrue(between.Counts.ContainsKey(FindingCodes.SbNeedsRepair), $"cut at write {cut}: {between.Text()}");
            FsckReport second = Repairer.Repair(device);
            Assert.AreEqual(FsckExit.Repaired, second.Exit, $"cut at write {cut}: {second.Text()}");
            FsckOf.Device(device).MustBeSilent($"cut at write {cut}");
        }
        Assert.IsGreaterThan(2, writes);
    }

    /// <summary>The power fails at a write.</summary>
    private sealed class CutDevice(BlockDevice below, int allowed) : BlockDevice
    {
        public int Attempts { get; private set; }
        public override long Length => below.Length;
        public override bool CanWrite => true;
        public override void Read(long offset, Span<byte> destination) => below.Read(offset, destination);
        public override void Flush() => below.Flush();

        public override void Write(long offset, ReadOnlySpan<byte> source)
        {
            if (Attempts++ >= allowed) throw new XfsException(Errno.EIO, "the power is gone");
            below.Write(offset, source);
        }
    }
}
