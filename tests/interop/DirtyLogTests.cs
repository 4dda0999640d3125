using ImageFs.Devices;
using ImageFs.Extents;
using ImageFs.Format;
using ImageFs.Tests.Fixtures;
using static ImageFs.Tests.Fixtures.World;

namespace ImageFs.Tests.Interop;

/// <summary>Whoever left a dirty log behind, the other one recovers the same tree from it. Scenario numbers stand in the names.</summary>
[TestClass]
public sealed class DirtyLogTests
{
    [TestMethod]
    public void S98_TheKernelReplaysOurLogAndFindsWhatWasPromised()
    {
        Judge.RequireKernel();
        using World w = WithClone();
        w.Fill("/private", 32, (byte)'p');
        w.CheckClean();
        using XfsFile b = w.Fs.OpenFile("/b", write: true);
        b.Write(20 * B + 100, Repeat((byte)'n', 3 * B));
        w.Fs.Atomically(_ =>
        {
            w.Fs.CreateDirectory("/d");
            w.Fs.Rename("/private", "/d/private");
            w.Write("/d/private", B, Repeat((byte)'q', 2 * B));
        });
        b.AtomicWrite(0, Repeat((byte)'x', 16 * B));
        w.Fs.Clone("/b", "/d/clone");
        w.Fs.Flush();
        // Killed: what follows was promised to nobody, and what is staged for b is nobody's.
        w.Write("/a", 0, Repeat((byte)'!', 64 * B));
        w.Fs.CreateFile("/late").Dispose();
        MemoryDevice killed = w.Device.Clone();

        MemoryDevice ours = killed.Clone();
        TreeListing expected;
        ulong free;
        using (FileSystem fs = FileSystem.Open(ours, write: true, leaveOpen: true))
        {
            Assert.IsTrue(fs.WasRecovered);
            expected = LibraryListing.Of(fs);
            free = fs.Statistics.FreeBlocks;
        }
        using TempImage image = TempImage.NotYetThere();
        killed.Save(image.Path);
        using (KernelMount mount = KernelMount.ReadWrite(image.Path))
        {
            TreeListing.AssertEqual(expected, mount.List(), LibraryListing.Fields);
            Assert.IsFalse(File.Exists(mount["late"]));
            IsAll((byte)'x', File.ReadAllBytes(mount["b"]).AsSpan(0, 16 * B));
            IsAll((byte)'n', File.ReadAllBytes(mount["d/clone"]).AsSpan(20 * B + 100, 3 * B));
            IsAll((byte)'q', File.ReadAllBytes(mount["d/private"]).AsSpan(B, 2 * B));
            mount.AssertNoComplaints();
        }
        XfsRepair.CheckClean(image.Path);
        using FileSystem after = FileSystem.Open(image.Path);
        Assert.AreEqual(free, after.Statistics.FreeBlocks, "both freed what was staged");
    }

    [TestMethod]
    public void S99_WeReplayTheKernelsLogAndSweepWhatItHadStaged()
    {
        Judge.RequireKernel();
        string io = Judge.RequireIo();
        using TempImage image = TempImage.MadeByMkfs(300L << 20, "-m", "reflink=1,rmapbt=1");
        using (KernelMount mount = KernelMount.ReadWrite(image.Path))
        {
            mount.Run($"'{io}' -f -c 'pwrite -q -S 0x61 0 {64 * B}' -c fsync a; cp --reflink=always a b; mkdir d; echo one > d/one; sync -f .");
            // Direct, so that a reservation is made and one block of it used; then the plug, with the log flushed.
            mount.Run($"'{io}' -d -c 'pwrite -q -S 0x6e {20 * B} {B}' b; mv d/one d/two; ln a d/link");
            mount.PullThePlug(flushLog: true);
        }
        using TempImage copy = TempImage.NotYetThere();
        File.Copy(image.Path, copy.Path);
        TreeListing kernels;
        using (KernelMount mount = KernelMount.ReadWrite(copy.Path)) kernels = mount.List();
        XfsRepair.CheckClean(copy.Path);

        using (FileSystem reader = FileSystem.Open(image.Path))
        {
            Assert.IsTrue(reader.WasRecovered);
            bool staged = false;
            for (uint ag = 0; ag < reader.Geometry.AgCount; ag++)
                staged |= ReferenceCounts.FirstStaged(reader.Volume.Groups[new AgNumber(ag)], out _, out _);
            Assert.IsTrue(staged, "the kernel left a reservation");
        }
        using (FileSystem fs = FileSystem.Open(image.Path, write: true))
        {
            TreeListing.AssertEqual(kernels, LibraryListing.Of(fs), LibraryListing.Fields);
            for (uint ag = 0; ag < fs.Geometry.AgCount; ag++)
                Assert.IsFalse(ReferenceCounts.FirstStaged(fs.Volume.Groups[new AgNumber(ag)], out _, out _));
        }
        OurFsck.AssertClean(image.Path);
        XfsRepair.CheckClean(image.Path);
        using FileSystem one = FileSystem.Open(image.Path), other = FileSystem.Open(copy.Path);
        Assert.AreEqual(other.Statistics.FreeBlocks, one.Statistics.FreeBlocks);
    }
}
