using ImageFs.Devices;
using ImageFs.Fsck;
using ImageFs.Format;
using ImageFs.Tests.Fixtures;
using static ImageFs.Tests.Cli.CliRun;

namespace ImageFs.Tests.Interop;

/// <summary>What is not supported is said by name, and nothing is written; what can be read soundly is read.</summary>
[TestClass]
public sealed class RefusedFeatureTests
{
    [TestMethod]
    [DataRow(IncompatFeatures.MetadataDirectory, "metadir"), DataRow(IncompatFeatures.Zoned, "zoned"), DataRow(IncompatFeatures.ZoneGaps, "zone_gaps"),
     DataRow((IncompatFeatures)0x80000000, "unknown incompat feature bits 0x80000000")]
    public void AnIncompatibleFeatureIsRefusedByName(IncompatFeatures feature, string name)
    {
        using TempImage image = Changed((ref Superblock sb) => sb.FeaturesIncompat = sb.FeaturesIncompat | (uint)feature);
        AssertRefused(image, name);
    }

    [TestMethod]
    public void AnExternalLogIsRefusedByName()
    {
        using TempImage image = TempImage.Empty(64 << 20), log = TempImage.Empty(64 << 20);
        XfsMkfs.Make(image.Path, "-l", $"logdev={log.Path},size=32m");
        AssertRefused(image, "external log");
    }

    [TestMethod]
    public void AnUnfinishedRepairIsReadOnly()
    {
        using TempImage image = Changed((ref Superblock sb) => sb.FeaturesIncompat = sb.FeaturesIncompat | (uint)IncompatFeatures.NeedsRepair);
        AssertReadOnly(image, "needsrepair");
    }

    [TestMethod]
    public void AnUnknownReadOnlyFeatureIsReadOnly()
    {
        using TempImage image = Changed((ref Superblock sb) => sb.FeaturesRoCompat = sb.FeaturesRoCompat | 0x8000);
        AssertReadOnly(image, "unknown ro_compat feature bits 0x8000");
    }

    [TestMethod]
    public void AnUnknownCompatibleFeatureIsNoObstacle()
    {
        using TempImage image = Changed((ref Superblock sb) => sb.FeaturesCompat = 0x8000);
        using (FileSystem fs = FileSystem.Open(image.Path, write: true)) fs.CreateDirectory("/made");
        using FileSystem again = FileSystem.Open(image.Path);
        Assert.IsTrue(again.Exists("/made"));
    }

    [TestMethod]
    public void ARealtimeDeviceIsReadOnlyAndItsFilesAreRefused()
    {
        using TempImage image = TempImage.Empty(64 << 20), realtime = TempImage.Empty(64 << 20);
        XfsMkfs.Make(image.Path, "-r", $"rtdev={realtime.Path}", "-m", "rmapbt=0,reflink=0");
        UmlKernel.Run("""
            mount -t xfs -o rtdev=/dev/ubdc /dev/ubdb /mnt/m; cd /mnt/m
            echo here > data
            xfs_io -f -c 'chattr +r' -c 'pwrite 0 64k' there > /dev/null
            mkdir d; echo more > d/file
            cd /; umount /mnt/m
            """, image.Path, realtime.Path);
        AssertReadOnly(image, "realtime device");
        using FileSystem fs = FileSystem.Open(image.Path);
        Assert.AreEqual(65536, fs.GetEntry("/there").Length);
        using (XfsFile file = fs.OpenFile("/data"))
        {
            byte[] bytes = new byte[5];
            Assert.AreEqual(5, file.Read(0, bytes));
            Assert.AreEqual("here\n", System.Text.Encoding.ASCII.GetString(bytes));
        }
        XfsUnsupportedException why = Assert.ThrowsExactly<XfsUnsupportedException>(() => fs.OpenFile("/there"));
        StringAssert.Contains(why.Message, "realtime");
        Assert.AreEqual("more\n", Run("cat", image.Path, "/d/file").Ok());
        FsckReport report = Check(image);
        Assert.IsTrue(report.Findings.Any(f => f.Code == FindingCodes.RealtimeUnchecked));
        Assert.AreEqual(FsckExit.Clean, report.Exit, string.Join("; ", report.Findings));
    }

    private static FsckReport Check(TempImage image)
    {
        using FileDevice device = FileDevice.Open(image.Path, DeviceAccess.Read);
        return Checker.Check(device);
    }

    private delegate void ChangeSuperblock(ref Superblock superblock);

    /// <summary>An image of ours with something in it, and then another superblock.</summary>
    private static TempImage Changed(ChangeSuperblock change)
    {
        TempImage image = NewImage("/file", "hello"u8);
        using FileStream file = new(image.Path, FileMode.Open, FileAccess.ReadWrite);
        byte[] sector = new byte[512];
        file.ReadExactly(sector);
        change(ref Superblock.At(sector.AsSpan()));
        Crc32c.Stamp(sector, Superblock.CrcOffset);
        file.Position = 0;
        file.Write(sector);
        return image;
    }

    private static void AssertRefused(TempImage image, string name)
    {
        byte[] before = File.ReadAllBytes(image.Path);
        foreach (bool write in (bool[])[false, true])
        {
            XfsUnsupportedException why = Assert.ThrowsExactly<XfsUnsupportedException>(() => FileSystem.Open(image.Path, write).Dispose());
            StringAssert.Contains(why.Message, name);
        }
        Cli.CliResult result = Run("ls", image.Path);
        Assert.AreEqual(1, result.Code);
        StringAssert.Contains(result.Error, name);
        FsckReport report = Check(image);
        Assert.AreEqual(FsckExit.OperationalError, report.Exit);
        StringAssert.Contains(report.Problem, name);
        CollectionAssert.AreEqual(before, File.ReadAllBytes(image.Path));
    }

    private static void AssertReadOnly(TempImage image, string reason)
    {
        byte[] before = File.ReadAllBytes(image.Path);
        XfsUnsupportedException why = Assert.ThrowsExactly<XfsUnsupportedException>(() => FileSystem.Open(image.Path, write: true).Dispose());
        StringAssert.Contains(why.Message, reason);
        using (FileSystem fs = FileSystem.Open(image.Path))
        {
            Assert.IsTrue(fs.IsReadOnly);
            StringAssert.Contains(fs.ReadOnlyReason, reason);
            Assert.IsNotEmpty(fs.List("/"));
            XfsException change = Assert.ThrowsExactly<XfsException>(() => fs.CreateDirectory("/made"));
            Assert.AreEqual(Errno.EROFS, change.Errno);
            StringAssert.Contains(change.Message, reason);
        }
        Assert.AreEqual(0, Run("ls", "-R", image.Path).Code);
        Cli.CliResult result = Run("mkdir", image.Path, "/made");
        Assert.AreEqual(1, result.Code);
        StringAssert.Contains(result.Error, reason);
        CollectionAssert.AreEqual(before, File.ReadAllBytes(image.Path));
    }
}
