using ImageFs.Dax;
using ImageFs.Devices;
using ImageFs.Extents;
using ImageFs.Format;
using ImageFs.Tests.Fixtures;
using ImageFs.Tests.Simulation;
using static ImageFs.Tests.Fixtures.World;

namespace ImageFs.Tests.Dax;

/// <summary>Files whose blocks stay where they are and nobody else's. Scenario numbers stand in the names.</summary>
[TestClass]
public sealed class SealTests
{
    private static FileExtent[] Places(World w, string path) => [.. w.Extents(path).Select(e => e with { Shared = false })];

    /// <summary>Blocks as (file block, device byte), whatever extents they are told in.</summary>
    private static List<(long Block, long Physical)> Blocks(World w, string path)
    {
        List<(long, long)> blocks = [];
        foreach (FileExtent extent in w.Extents(path))
            for (long at = 0; at < extent.Length; at += B) blocks.Add(((extent.Offset + at) / B, extent.Physical + at));
        return blocks;
    }

    /// <summary>The world of S74: /b shares blocks 0..15 of /a, /c blocks 32..47 at other offsets; /other shares nothing.</summary>
    private static void ShareParts(FileSystem fs)
    {
        foreach (string path in new[] { "/a", "/b", "/c", "/other" })
        {
            using XfsFile file = fs.CreateFile(path);
            byte[] bytes = new byte[64 * B];
            for (int i = 0; i < bytes.Length; i++) bytes[i] = (byte)(path[1] + i / B);
            file.Write(0, bytes);
        }
        using XfsFile a = fs.OpenFile("/a"), b = fs.OpenFile("/b", write: true), c = fs.OpenFile("/c", write: true);
        b.CloneRange(a, 0, 0, 16 * B);
        c.CloneRange(a, 32 * B, 3 * B, 16 * B);
    }

    [TestMethod]
    public void S73_ASealedFileIsOverwrittenInPlaceAndNothingElse()
    {
        using World w = OnFile();
        w.Fill("/a", 16, (byte)'a');
        w.Fill("/d", 16, (byte)'d');
        using XfsFile a = w.Fs.OpenFile("/a", write: true), d = w.Fs.OpenFile("/d", write: true);
        FileExtent[] before = Places(w, "/a");
        using DaxView view = a.OpenView();
        using (FileSeal seal = a.Seal())
        {
            Assert.AreEqual(a.Inode, seal.Inode);
            a.Write(3 * B + 1, "written"u8);
            using (WriteLease lease = view.AcquireWritable(5 * B, B)) lease.Span.Fill((byte)'L');
            Assert.AreEqual(Errno.ETXTBSY, ErrnoOf(() => a.SetLength(B)));
            Assert.AreEqual(Errno.ETXTBSY, ErrnoOf(() => a.SetLength(100 * B)));
            Assert.AreEqual(Errno.ETXTBSY, ErrnoOf(() => a.Write(16 * B, [1])));
            Assert.AreEqual(Errno.ETXTBSY, ErrnoOf(() => d.CloneRange(a, 0, 0, 0)));
            Assert.AreEqual(Errno.ETXTBSY, ErrnoOf(() => a.CloneRange(d, 0, 0, 0)));
            Assert.AreEqual(Errno.ETXTBSY, ErrnoOf(() => d.DedupeRange(a, 0, 0, B)));
            Assert.AreEqual(Errno.EBUSY, ErrnoOf(() => a.Seal()));
            Assert.AreEqual(Errno.ETXTBSY, ErrnoOf(() => w.Fs.CreateFile("/a").Dispose()));
            CollectionAssert.AreEqual(before, Places(w, "/a"));
            Assert.AreEqual(16 * B, a.Length);
        }
        Assert.AreEqual((byte)'L', w.Read("/a", 5 * B, 1)[0]);
        Assert.AreEqual((byte)'w', w.Read("/a", 3 * B + 1, 1)[0]);
        a.SetLength(B);
    }

    [TestMethod]
    public void FilesWithHolesUnwrittenOrSharedBlocksAreNotSealed()
    {
        using World w = new();
        w.Cloned();
        using XfsFile b = w.Fs.OpenFile("/b", write: true), hole = w.Fs.CreateFile("/hole"), reader = w.Fs.OpenFile("/a");
        Assert.AreEqual(Errno.EINVAL, ErrnoOf(() => b.Seal()));
        hole.Write(0, Repeat(1, B));
        hole.SetLength(3 * B);
        Assert.AreEqual(Errno.EINVAL, ErrnoOf(() => hole.Seal()));
        w.Fill("/u", 4, 0xEE);
        WriteLeaseTests.MarkUnwritten(w, "/u");
        using XfsFile u = w.Fs.OpenFile("/u", write: true);
        Assert.AreEqual(Errno.EINVAL, ErrnoOf(() => u.Seal()));
        Assert.AreEqual(Errno.EBADF, ErrnoOf(() => reader.Seal()));
        w.Fill("/twice", 4, (byte)'t');
        using XfsFile twice = w.Fs.OpenFile("/twice", write: true);
        twice.CloneRange(twice, 0, 2 * B, B);
        Assert.AreEqual(Errno.EINVAL, ErrnoOf(() => twice.Seal(SealOptions.RelocateOthers)), "its own second place cannot move");
        b.SetLength(0); // none of the failed attempts left a seal
    }

    [TestMethod]
    public void S74_TheOthersMoveAndTheSealedFileStays()
    {
        using World w = OnFile();
        ShareParts(w.Fs);
        List<(long, long)> before = Blocks(w, "/a");
        byte[][] contents = [w.Read("/a"), w.Read("/b"), w.Read("/c"), w.Read("/other")];
        using (XfsFile a = w.Fs.OpenFile("/a", write: true))
        using (XfsFile b = w.Fs.OpenFile("/b"))
        using (DaxView view = b.OpenView())
        using (a.Seal(SealOptions.RelocateOthers))
        {
            CollectionAssert.AreEqual(before, Blocks(w, "/a"));
            foreach (string path in new[] { "/a", "/b", "/c" }) Assert.AreEqual(new string('p', 64), w.Picture(path), path);
            a.Write(2 * B, "sealed"u8);
            Assert.IsTrue(view.Span.SequenceEqual(contents[1]), "the view of who moved shows its own bytes");
            "sealed"u8.CopyTo(contents[0].AsSpan(2 * B));
            CollectionAssert.AreEqual(before, Blocks(w, "/a"));
        }
        string[] paths = ["/a", "/b", "/c", "/other"];
        for (int i = 0; i < paths.Length; i++) CollectionAssert.AreEqual(contents[i], w.Read(paths[i]), paths[i]);
        for (uint ag = 0; ag < w.Fs.Geometry.AgCount; ag++)
        {
            uint length = w.Fs.Geometry.AgLength(new AgNumber(ag)) - 1;
            Assert.IsFalse(ReferenceCounts.IsShared(w.Fs.Volume.Groups[new AgNumber(ag)], new AgBlock(1), ref length));
            Assert.AreEqual(w.Fs.Geometry.AgLength(new AgNumber(ag)) - 1, length, "a refcount record is left");
        }
        w.AskTheKernel(mount =>
        {
            for (int i = 0; i < paths.Length; i++) CollectionAssert.AreEqual(contents[i], File.ReadAllBytes(mount[paths[i]]), paths[i]);
        });
    }

    [TestMethod]
    public void S75_TwoFilesThatShareCannotBothBeSealed()
    {
        using World w = new();
        w.Fill("/z", 16, (byte)'z');
        using XfsFile z = w.Fs.OpenFile("/z", write: true), a = w.Fs.CreateFile("/a");
        // A sealed file begins to share with nobody, so the seal is set aside for a moment.
        using FileSeal seal = z.Seal();
        OpenInode open = z.Checked();
        w.Fs.Volume.Layouts.SetSeal(open, SealState.None);
        a.CloneRange(z, 0, 0, 0);
        w.Fs.Volume.Layouts.SetSeal(open, SealState.Sealed);
        List<(long, long)> before = Blocks(w, "/z");
        ulong free = w.Fs.Statistics.FreeBlocks;
        Assert.ThrowsExactly<XfsBusyException>(() => a.Seal(SealOptions.RelocateOthers));
        CollectionAssert.AreEqual(before, Blocks(w, "/z"));
        CollectionAssert.AreEqual(before, Blocks(w, "/a"));
        Assert.AreEqual(free, w.Fs.Statistics.FreeBlocks);
        a.SetLength(0); // it is not sealed
    }

    [TestMethod]
    public void S76_WithoutRoomForTheOthersTheFileIsNotSealedAndAllContentsAreRight()
    {
        using World w = new();
        ShareParts(w.Fs);
        byte[][] contents = [w.Read("/a"), w.Read("/b"), w.Read("/c")];
        using (XfsFile filler = w.Fs.CreateFile("/filler"))
        {
            long filled = 0;
            foreach (int blocks in new[] { 256, 16, 1 })
                try
                {
                    for (; ; filled += blocks) filler.Write(filled * B, Repeat((byte)'f', blocks * B));
                }
                catch (XfsNoSpaceException)
                {
                    filled = filler.Length / B;
                }
            filler.SetLength((filled - 10) * B);
        }
        w.Fs.Flush();
        using (XfsFile a = w.Fs.OpenFile("/a", write: true))
        {
            Assert.AreEqual(Errno.ENOSPC, ErrnoOf(() => a.Seal(SealOptions.RelocateOthers)));
            string[] paths = ["/a", "/b", "/c"];
            for (int i = 0; i < paths.Length; i++) CollectionAssert.AreEqual(contents[i], w.Read(paths[i]), paths[i]);
            Assert.IsTrue(w.Picture("/a").Contains('s'), "some blocks are shared still");
            w.Fs.DeleteFile("/filler");
            using (a.Seal(SealOptions.RelocateOthers))
                for (int i = 0; i < paths.Length; i++) CollectionAssert.AreEqual(contents[i], w.Read(paths[i]), paths[i]);
        }
    }

    [TestMethod]
    public void S77_AWriterOnAnotherOwnerLosesNothingWhileItIsMoved()
    {
        using World w = new();
        w.Fill("/a", 2048, (byte)'a');
        w.Fs.Clone("/a", "/b");
        using XfsFile a = w.Fs.OpenFile("/a", write: true), b = w.Fs.OpenFile("/b", write: true);
        List<(long, long)> before = Blocks(w, "/a");
        byte[] model = Repeat((byte)'a', 2048 * B);
        using CancellationTokenSource stop = new();
        Task writer = Task.Run(() =>
        {
            Random random = new(TestSettings.Seed);
            while (!stop.IsCancellationRequested)
            {
                int at = random.Next(model.Length - 3 * B), length = random.Next(1, 3 * B);
                byte[] bytes = Repeat((byte)random.Next(256), length);
                b.Write(at, bytes);
                bytes.CopyTo(model, at);
            }
        });
        using (a.Seal(SealOptions.RelocateOthers))
        {
            stop.Cancel();
            writer.Wait();
            CollectionAssert.AreEqual(before, Blocks(w, "/a"));
        }
        CollectionAssert.AreEqual(model, w.Read("/b"));
        IsAll((byte)'a', w.Read("/a"));
    }

    [TestMethod]
    public void S77_APowerCutAtAnyStepOfARelocationLeavesAllContentsAsTheyWere()
    {
        Console.WriteLine(TestSettings.Replay(nameof(S77_APowerCutAtAnyStepOfARelocationLeavesAllContentsAsTheyWere), TestSettings.Seed));
        MemoryDevice device = new(64 << 20);
        ImageFs.Mkfs.Mkfs.Format(device);
        byte[][] contents;
        string[] paths = ["/a", "/b", "/c", "/other"];
        using (FileSystem fs = FileSystem.Open(device, write: true, leaveOpen: true))
        {
            ShareParts(fs);
            contents = [.. paths.Select(path => Contents(fs, path))];
        }
        PagedImage start = PagedImage.Of(device);
        SimulatedDevice disk = new(start, record: true);
        ByteRange log;
        using (FileSystem fs = FileSystem.Open(disk, write: true, leaveOpen: true))
        {
            log = new(fs.Geometry.LogOffset, fs.Geometry.LogBytes);
            using XfsFile a = fs.OpenFile("/a", write: true);
            using FileSeal seal = a.Seal(SealOptions.RelocateOthers);
            // The seal promises that this is safe in place.
            a.Write(0, contents[0].AsSpan(0, B));
        }
        Random random = new(TestSettings.Seed);
        DeviceHistory history = new(start, disk.History, log);
        int cuts = 0;
        for (int step = 1; step <= history.Count; step++)
            for (int i = 0; i < 2 * TestSettings.Sweep; i++)
            {
                Survival survival = Survival.Any(random, Grain.Sector, Grain.Page, Grain.Write);
                SimulatedDevice left = new(history.Cut(step, survival));
                try
                {
                    using (FileSystem fs = FileSystem.Open(left, write: true, leaveOpen: true))
                        for (int f = 0; f < paths.Length; f++) CollectionAssert.AreEqual(contents[f], Contents(fs, paths[f]), paths[f]);
                    OurFsck.AssertClean(left);
                }
                catch (Exception why)
                {
                    throw new AssertFailedException($"cut at step {step} with {survival}: {why.Message}", why);
                }
                cuts++;
            }
        Console.WriteLine($"{cuts} power cuts");
        Assert.IsTrue(history.Count > 8, $"only {history.Count} steps");
    }

    private static byte[] Contents(FileSystem fs, string path)
    {
        using XfsFile file = fs.OpenFile(path);
        return file.ReadAll();
    }

    [TestMethod]
    public void S78_WithoutTheReverseMapNobodyIsMovedButAFileOfItsOwnIsSealed()
    {
        using World w = new(300, "-m", "rmapbt=0");
        w.Cloned();
        w.Fill("/own", 4, (byte)'o');
        using XfsFile a = w.Fs.OpenFile("/a", write: true), own = w.Fs.OpenFile("/own", write: true);
        Assert.AreEqual(Errno.EOPNOTSUPP, ErrnoOf(() => a.Seal(SealOptions.RelocateOthers)));
        Assert.AreEqual(Errno.EINVAL, ErrnoOf(() => a.Seal()));
        using (own.Seal()) Assert.AreEqual(Errno.ETXTBSY, ErrnoOf(() => own.SetLength(0)));
        own.SetLength(0);
    }
}
