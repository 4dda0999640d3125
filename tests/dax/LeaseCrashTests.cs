using ImageFs.Dax;
using ImageFs.Devices;
using ImageFs.Format;
using ImageFs.Tests.Fixtures;
using ImageFs.Tests.Simulation;
using static ImageFs.Tests.Fixtures.World;

namespace ImageFs.Tests.Dax;

/// <summary>Power cuts while mapped files are being stored into. Scenario numbers stand in the names.</summary>
[TestClass]
public sealed class LeaseCrashTests
{
    private const int Blocks = 32;
    private static readonly Lazy<PagedImage> s_formatted = new(() =>
    {
        MemoryDevice device = new(64 << 20);
        ImageFs.Mkfs.Mkfs.Format(device);
        return PagedImage.Of(device);
    });

    /// <summary>Runs something on a fresh disk, cuts the power a number of times at its end, and looks at what recovery makes of it.</summary>
    private static void CutAfter(Action<FileSystem> work, Action<FileSystem> look)
    {
        Console.WriteLine(TestSettings.Replay(nameof(LeaseCrashTests), TestSettings.Seed));
        Random random = new(TestSettings.Seed);
        using LeasedDisk disk = new(s_formatted.Value);
        FileSystem fs = FileSystem.Open(disk, new OpenOptions { Write = true, DirectAccess = DirectAccess.Always }, leaveOpen: true);
        work(fs);
        ByteRange log = new(fs.Geometry.LogOffset, fs.Geometry.LogBytes);
        for (int cut = 0; cut < 20 * TestSettings.Sweep; cut++)
        {
            Survival survival = cut == 0 ? Survival.None : cut == 1 ? Survival.All : Survival.Any(random, Grain.Page, Grain.Sector);
            SimulatedDevice left = new(disk.Cut(survival, log));
            try
            {
                using (FileSystem recovered = FileSystem.Open(left, write: true, leaveOpen: true)) look(recovered);
                OurFsck.AssertClean(left);
            }
            catch (Exception why)
            {
                throw new AssertFailedException($"after {survival}: {why.Message}", why);
            }
            if (cut > 1 || Judge.Find("xfs_repair") is null) continue;
            using TempImage image = TempImage.NotYetThere();
            left.Working.Save(image.Path);
            XfsRepair.CheckClean(image.Path);
        }
        fs.Volume.Abandon();
    }

    private static byte[] Read(FileSystem fs, string path)
    {
        using XfsFile file = fs.OpenFile(path);
        return file.ReadAll();
    }

    private static void Fill(FileSystem fs, string path, byte value)
    {
        using XfsFile file = fs.CreateFile(path);
        file.Write(0, Repeat(value, Blocks * B));
    }

    [TestMethod]
    public void S30_NoCutShowsWhatTheDiskHeldBeforeALeaseOfUnwrittenBlocks() => CutAfter(
        fs =>
        {
            Fill(fs, "/a", 0xEE);
            fs.Flush();
            Inodes.Inode inode = fs.Resolve("/a", followLink: false);
            fs.Volume.Map.TryFind(inode, Inodes.ForkKind.Data, default, out Extent extent);
            fs.Volume.Run(tx => fs.Volume.Map.SetUnwritten(tx, inode, extent, unwritten: true));
            fs.Flush();
            XfsFile a = fs.OpenFile("/a", write: true);
            DaxView view = a.OpenView();
            WriteLease lease = view.AcquireWritable(2 * B, 20 * B);
            lease.Span[..(4 * B)].Fill((byte)'S');
            WriteLease synced = view.AcquireWritable(24 * B, 4 * B, LeaseOptions.SyncMetadata);
            synced.Span[..B].Fill((byte)'T');
        },
        fs =>
        {
            byte[] bytes = Read(fs, "/a");
            Assert.AreEqual(Blocks * B, bytes.Length);
            int at = bytes.AsSpan().IndexOfAnyExcept((byte)0, (byte)'S', (byte)'T');
            Assert.AreEqual(-1, at, at < 0 ? "" : $"byte {at} is 0x{bytes[at]:x2}");
            using XfsFile a = fs.OpenFile("/a");
            Assert.IsTrue(a.GetExtents().Any(e => e.Offset <= 24 * B && e.Offset + e.Length >= 28 * B && !e.Unwritten), "the layout was durable before the lease was there");
        });

    [TestMethod]
    public void S36_StoresThatWereNotFlushedAreOldOrNewPageByPageAndNobodyElseIsHit() => CutAfter(
        fs =>
        {
            Fill(fs, "/a", (byte)'a');
            fs.Clone("/a", "/b");
            Fill(fs, "/other", (byte)'o');
            fs.Flush();
            XfsFile b = fs.OpenFile("/b", write: true);
            DaxView view = b.OpenView();
            view.AcquireWritable(3 * B, 10 * B).Span.Fill((byte)'n');
        },
        fs =>
        {
            IsAll((byte)'a', Read(fs, "/a"));
            IsAll((byte)'o', Read(fs, "/other"));
            byte[] bytes = Read(fs, "/b");
            Assert.AreEqual(-1, bytes.AsSpan().IndexOfAnyExcept((byte)'a', (byte)'n'));
            IsAll((byte)'a', bytes.AsSpan(0, 3 * B));
            IsAll((byte)'a', bytes.AsSpan(13 * B));
        });

    [TestMethod]
    public void S37_StoresThatWereFlushedAreThere() => CutAfter(
        fs =>
        {
            Fill(fs, "/a", (byte)'a');
            fs.Clone("/a", "/b");
            fs.Flush();
            XfsFile b = fs.OpenFile("/b", write: true);
            DaxView view = b.OpenView();
            WriteLease lease = view.AcquireWritable(3 * B, 10 * B);
            lease.Span.Fill((byte)'n');
            lease.Flush();
            // Stores into blocks that are the file's own already need another flush, and no transaction goes along with it.
            lease.Span[..B].Fill((byte)'m');
            view.Flush();
            lease.Span[(9 * B)..].Fill((byte)'?');
        },
        fs =>
        {
            IsAll((byte)'a', Read(fs, "/a"));
            byte[] bytes = Read(fs, "/b");
            IsAll((byte)'m', bytes.AsSpan(3 * B, B));
            IsAll((byte)'n', bytes.AsSpan(4 * B, 8 * B));
            IsAll((byte)'a', bytes.AsSpan(13 * B));
        });

    [TestMethod]
    public void S38_AFailedFlushIsFinalAndRecoveryFindsAConsistentState()
    {
        using LeasedDisk disk = new(s_formatted.Value);
        FileSystem fs = FileSystem.Open(disk, new OpenOptions { Write = true, DirectAccess = DirectAccess.Always }, leaveOpen: true);
        Fill(fs, "/a", (byte)'a');
        fs.Flush();
        XfsFile a = fs.OpenFile("/a", write: true);
        DaxView view = a.OpenView();
        WriteLease lease = view.AcquireWritable(0, B);
        lease.Span.Fill((byte)'n');
        disk.FailingFlushes = 1;
        Assert.ThrowsExactly<XfsShutdownException>(lease.Flush);
        Assert.ThrowsExactly<XfsShutdownException>(lease.Flush, "the device has recovered, the promise has not");
        Assert.ThrowsExactly<XfsShutdownException>(() => view.AcquireWritable(B, B));
        SimulatedDevice left = new(disk.Cut(Survival.None, new ByteRange(fs.Geometry.LogOffset, fs.Geometry.LogBytes)));
        fs.Dispose();
        using (FileSystem recovered = FileSystem.Open(left, write: true, leaveOpen: true)) IsAll((byte)'a', Read(recovered, "/a"));
        OurFsck.AssertClean(left);
    }
}
