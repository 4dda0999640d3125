using ImageFs.Devices;
using ImageFs.Format;
using ImageFs.Mkfs;
using ImageFs.Tests.Fixtures;
using ImageFs.Tests.Simulation;

namespace ImageFs.Tests.Recovering;

/// <summary>
/// The primary superblock, torn on its way home. The log that mends it can only be found through it, so what it says about the
/// layout must hold against its copy; where there is nothing to replay, or the copy disagrees, the image is refused as it is.
/// </summary>
[TestClass]
public sealed class TornSuperblockTests
{
    private const long Size = 64 << 20;
    private const int Word = 8, Piece = 512;

    [TestMethod]
    [DataRow("")]
    [DataRow("-s size=4096")]
    [DataRow("-b size=1024 -d agcount=1 -m rmapbt=0")]
    public void WhereverTheSuperblockIsTornTheLogMendsIt(string options)
    {
        Session session = new(options);
        Geometry g = session.Geometry;
        PagedImage before = session.Before, after = session.After;
        byte[] old = Sector(before, g), young = Sector(after, g);
        Assert.IsFalse(old.AsSpan().SequenceEqual(young), "the superblock did not change");

        int torn = 0;
        // Up to a word the one, from there on the other; or a single piece of the one in the other.
        foreach ((int from, int end) in ((int, int)[])[.. Enumerable.Range(1, Superblock.Size / Word).Select(w => (0, w * Word)),
            .. Enumerable.Range(0, g.SectorSize / Piece).Select(p => (p * Piece, (p + 1) * Piece))])
            foreach (bool oldInside in (bool[])[true, false])
            {
                byte[] sector = Mixed(old, young, from, end, oldInside);
                bool isTorn = !Crc32c.IsValid(sector, Superblock.CrcOffset);
                if (isTorn) torn++;
                // Whether the other writes of that moment made it is one more toss.
                PagedImage disk = ((end / Word & 1) == 0 ? before : after).Copy();
                disk.Write(0, sector);
                Mended(disk, session.Tree, $"'{options}', bytes {from}..{end} of the superblock are {(oldInside ? "old" : "new")}, the others not", check: end % 64 == 0);
            }
        Console.WriteLine($"'{options}': {torn} torn superblocks mended");
        Assert.IsGreaterThan(0, torn, "none of them was torn");
    }

    /// <summary>What a power cut cannot do to it: a bit turned over in what never changes.</summary>
    [TestMethod]
    public void ADamageThatIsNoTearIsFoundOutByTheCopy()
    {
        Session session = new("");
        Random random = new(TestSettings.Seed);
        foreach (SuperblockField field in SuperblockFields.Shared)
        {
            byte[] sector = Sector(session.Before, session.Geometry);
            sector[field.Offset + random.Next(field.Size)] ^= (byte)(1 << random.Next(8));
            Refused(session.Before, sector, write: true);
            Refused(session.Before, sector, write: false);
        }
    }

    [TestMethod]
    public void NoiseInWhatTheReplayCountsAnewIsMended()
    {
        Session session = new("");
        Random random = new(TestSettings.Seed);
        foreach (int at in (int[])[128, 136, 144, Superblock.CrcOffset, Superblock.LsnOffset])
        {
            byte[] sector = Sector(session.Before, session.Geometry);
            random.NextBytes(sector.AsSpan(at, 4));
            PagedImage disk = session.Before.Copy();
            disk.Write(0, sector);
            Mended(disk, session.Tree, $"noise at byte {at}");
        }
    }

    [TestMethod]
    public void ASuperblockOfTheKernelIsMendedToo()
    {
        foreach (string name in SampleImages.Dirty)
        {
            PagedImage disk = PagedImage.Of(MemoryDevice.Load(SampleImages.Path(name)));
            byte[] sector = new byte[512];
            disk.Read(0, sector);
            Superblock.At(sector.AsSpan()).FreeDataBlocks ^= 0x55;
            disk.Write(0, sector);
            SimulatedDevice device = new(disk);
            using (FileSystem fs = FileSystem.Open(device, write: true, leaveOpen: true))
                TreeListing.AssertEqual(SampleImages.Listing(name), LibraryListing.Of(fs), LibraryListing.Fields & ~TreeFields.Extents);
            OurFsck.AssertClean(device);
        }
    }

    [TestMethod]
    public void ATornSuperblockBesideACleanLogIsRefusedAndStays()
    {
        Session session = new("");
        PagedImage closed = session.Closed;
        byte[] sector = Sector(closed, session.Geometry);
        ulong free = Superblock.At((ReadOnlySpan<byte>)sector).FreeDataBlocks;
        Superblock.At(sector.AsSpan()).FreeDataBlocks = free - 1;
        Refused(closed, sector, write: false);
        Refused(closed, sector, write: true);
    }

    [TestMethod]
    public void ACopyThatSaysSomethingElseIsNoWitness()
    {
        Session session = new("");
        Geometry g = session.Geometry;
        PagedImage disk = session.Before;
        byte[] sector = Sector(disk, g);
        Superblock.At(sector.AsSpan()).FreeInodes = 7;
        disk.Write(0, sector);
        Mended(disk, session.Tree, "the copy agrees");

        long place = g.HeaderOffset(new AgNumber(1), 0);
        byte[] copy = new byte[g.SectorSize];
        disk.Read(place, copy);
        Superblock.At(copy.AsSpan()).LogBlocks -= 1;
        Crc32c.Stamp(copy, Superblock.CrcOffset);
        disk.Write(place, copy);
        Refused(disk, sector, write: true);
    }

    /// <summary>Everything in it changes the counters of the superblock, which goes home at the end.</summary>
    private sealed class Session
    {
        public Session(string options)
        {
            MemoryDevice formatted = new(Size);
            ImageFs.Mkfs.Mkfs.Format(formatted, MkfsOptions.Parse(options.Split(' ', StringSplitOptions.RemoveEmptyEntries)));
            Geometry = Volume.ReadSuperblock(formatted);
            PagedImage start = PagedImage.Of(formatted);
            SimulatedDevice device = new(start, record: true);
            using (FileSystem fs = FileSystem.Open(device, write: true, leaveOpen: true))
            {
                fs.CreateDirectory("/d");
                for (int i = 0; i < 30; i++)
                {
                    using XfsFile file = fs.CreateFile($"/d/{i}");
                    file.Write(0, Ranges.Noise(i, 3000));
                }
                fs.Flush();
                Tree = LibraryListing.Of(fs);
            }
            IReadOnlyList<DeviceStep> steps = device.History;
            int home = Enumerable.Range(1, steps.Count).Last(step => steps[step - 1] is { IsFlush: false, Offset: 0 });
            DeviceHistory history = new(start, steps, new ByteRange(Geometry.LogOffset, Geometry.LogBytes));
            Before = history.Cut(home - 1, Survival.All);
            After = history.Cut(home, Survival.All);
            Closed = device.Working;
        }

        public Geometry Geometry { get; }
        public TreeListing Tree { get; }

        /// <summary>The disk before the superblock goes home, after that, and in the end.</summary>
        public PagedImage Before { get; }
        /// <inheritdoc cref="Before"/>
        public PagedImage After { get; }
        /// <inheritdoc cref="Before"/>
        public PagedImage Closed { get; }
    }

    private static byte[] Sector(PagedImage disk, Geometry g)
    {
        byte[] sector = new byte[g.SectorSize];
        disk.Read(0, sector);
        return sector;
    }

    /// <summary>The bytes of a range from one, the others from the other.</summary>
    private static byte[] Mixed(byte[] old, byte[] young, int from, int end, bool oldInside)
    {
        byte[] mixed = [.. oldInside ? young : old];
        (oldInside ? old : young).AsSpan(from, end - from).CopyTo(mixed.AsSpan(from));
        return mixed;
    }

    private static void Refused(PagedImage image, byte[] sector, bool write)
    {
        PagedImage disk = image.Copy();
        disk.Write(0, sector);
        SimulatedDevice device = new(disk, record: true);
        CorruptionException why = Assert.ThrowsExactly<CorruptionException>(() => FileSystem.Open(device, write, leaveOpen: true).Dispose());
        Assert.AreEqual("superblock", why.Structure);
        Assert.IsEmpty(device.History, $"refused ({why.Message}), and written to");
    }

    private static void Mended(PagedImage disk, TreeListing expected, string story, bool check = true)
    {
        try
        {
            SimulatedDevice device = new(disk, record: true);
            using (FileSystem reader = FileSystem.Open(device, leaveOpen: true)) TreeListing.AssertEqual(expected, LibraryListing.Of(reader), LibraryListing.Fields);
            Assert.IsEmpty(device.History, "reading wrote to it");
            using (FileSystem fs = FileSystem.Open(device, write: true, leaveOpen: true)) Assert.IsTrue(fs.WasRecovered);
            if (check) OurFsck.AssertClean(device);
        }
        catch (Exception why)
        {
            Assert.Fail($"{story}: {why}");
        }
    }
}
