using System.Buffers.Binary;
using ImageFs.Directories;
using ImageFs.Format;
using ImageFs.Fsck;
using ImageFs.Tests.Fixtures;

namespace ImageFs.Tests.Fsck;

/// <summary>Damages of the long sweeps that once were not repaired so that everybody, the kernel at work among them, was content.</summary>
[TestClass]
public sealed class FoundBySweepsTests
{
    private static readonly Dictionary<string, (string Image, Action<DamagedImage> Do)> s_found = new()
    {
        ["quota flags that version 4 alone has"] = ("sparse-inodes-4k", i => i.Sb(0, (ref Superblock s) => s.QuotaFlags = 0xddbe)),
        ["flags of the superblock"] = ("plain-4k", i => i.Sb(0, (ref Superblock s) => s.Flags = 0x33)),
        ["a feature bit that stands in one of two places"] = ("bare-4k", i => i.Sb(0, (ref Superblock s) => s.Features2 |= 0xff000000)),
        ["a feature bit lost, one copy knows it"] = ("nrext64-4k", i => i.Sb(0, (ref Superblock s) => s.FeaturesIncompat &= ~(uint)IncompatFeatures.FileType)),
        ["the chunk of the root directory and all roots of its group"] = ("plain-1k", i => i.Device.Write(0x600, new byte[65536])),
        ["half of the chunk of the root directory, and the first block"] = ("shared-4k", i =>
        {
            i.Device.Write(0, i.Read(0x17000, 4096));
            i.Device.Write(0x13a00, new byte[56320]);
        }),
        ["both superblocks, and a header that would know the UUID"] = ("shared-4k", i =>
        {
            i.Sb(1, (ref Superblock s) => s.Uuid = Changed(s.Uuid));
            i.Device.Write(0x600, Ones(512));
            i.KeepChecksums = true;
            i.Sb(0, (ref Superblock s) => s.AgCount = 0xffff);
        }),
        ["the UUID of the only superblock, and the AGI"] = ("shared-1k", i =>
        {
            i.Sb(0, (ref Superblock s) => s.Uuid = Changed(s.Uuid));
            i.Device.Write(0x400, Ones(512));
        }),
        ["the place of the log, and a refcount"] = ("shared-1k", i =>
        {
            i.Bytes(0x3ca400, 1024, ShortBtreeHeader.CrcOffset, b => b[106] ^= 1);
            i.Sb(0, (ref Superblock s) => s.LogStart ^= 1UL << 56);
        }),
        ["a log of zeros under metadata with an LSN"] = ("bare-4k", i =>
        {
            i.Device.Write(0x2000, new byte[46080]);
            i.Device.Write(0x413000, i.Read(0x414000, 4096));
        }),
        ["the first name of an attribute leaf"] = ("attributes-1k", i => i.Bytes(0x296400, 1024, DaBlockHeader.CrcOffset, b => BinaryPrimitives.WriteUInt16BigEndian(b[60..], 0xf5))),
        ["a symlink that needs fewer blocks than it had"] = ("plain-1k", i => i.Bytes(0x6400, 2048, RemoteHeader.CrcOffset, b => b[RemoteHeader.Size + 395] = 0)),
        ["noise for a symlink"] = ("plain-1k", i =>
        {
            byte[] noise = new byte[2048];
            new Random(1).NextBytes(noise);
            i.Device.Write(0x6400, noise);
        }),
        ["an inobt of another file system, and a record of the reverse map"] = ("fragmented-1k", i =>
        {
            i.Bytes(0x1000, 1024, ShortBtreeHeader.CrcOffset, b => b.Slice(44, 4).Fill(0xff));
            i.Bytes(0x85b800, 1024, ShortBtreeHeader.CrcOffset, b => b.Slice(994, 2).Fill(0xff));
        }),
    };

    public static IEnumerable<object[]> Rows => s_found.Keys.Select(k => new object[] { k });

    [TestMethod]
    [DynamicData(nameof(Rows))]
    public void IsRepairedAndTheKernelWorksOnIt(string name)
    {
        DamagedImage image = new(s_found[name].Image);
        s_found[name].Do(image);
        Assert.AreNotEqual(FsckExit.Clean, FsckOf.Device(image.Device).Exit, "the check sees nothing");
        Judged(image);
    }

    /// <summary>A reverse map that contradicts itself made the repair go round in circles.</summary>
    [TestMethod]
    public void AStaleBlockOfTheReverseMapIsNotAskedAboutAStaleInode()
    {
        SweepSample sample = SweepSample.Get("fragmented-1k", isChanged: true);
        DamagedImage image = new(sample.Device.Clone());
        byte[] block = new byte[1024];
        foreach (long at in (ReadOnlySpan<long>)[0x85f000, 0x548000])
        {
            sample.Older.Read(at, block);
            Assert.IsFalse(image.Read(at, block.Length).AsSpan().SequenceEqual(block), "nothing is stale");
            image.Device.Write(at, block);
        }
        Judged(image);
    }

    private static void Judged(DamagedImage image)
    {
        FsckReport report = Repairer.Repair(image.Device, new RepairOptions { DiscardLog = true });
        Assert.AreEqual(FsckExit.Repaired, report.Exit, report.Text());
        FsckOf.Device(image.Device).MustBeSilent();
        using TempImage file = TempImage.NotYetThere();
        image.Device.Save(file.Path);
        if (Judge.Find("xfs_repair") is null) return;
        XfsRepair.CheckClean(file.Path);
        if (!Judge.HasKernel) return;
        KernelWorkout.Run(file.Path, image.Geometry, LibraryListing.Of(file.Path));
        XfsRepair.CheckClean(file.Path);
        OurFsck.AssertClean(file.Path);
    }

    private static byte[] Ones(int length)
    {
        byte[] bytes = new byte[length];
        bytes.AsSpan().Fill(0xff);
        return bytes;
    }

    private static Uuid Changed(Uuid uuid)
    {
        byte[] bytes = new byte[16];
        System.Runtime.InteropServices.MemoryMarshal.Write(bytes, uuid);
        bytes[5] ^= 0x10;
        return new Uuid(bytes);
    }
}
