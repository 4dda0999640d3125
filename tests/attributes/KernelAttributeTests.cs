using ImageFs.Format;
using ImageFs.Tests.Fixtures;

namespace ImageFs.Tests.Attributes;

/// <summary>The kernel and the library take turns on the attributes of one image.</summary>
[TestClass]
public sealed class KernelAttributeTests
{
    private static readonly string[] s_paths = ["file", "directory", "fragments", "link", "device"];

    [TestMethod]
    [DataRow("", DisplayName = "defaults")]
    [DataRow("-b size=1024", DisplayName = "1 KiB blocks")]
    [DataRow("-i size=1024", DisplayName = "1 KiB inodes")]
    [DataRow("-i size=2048 -m rmapbt=0", DisplayName = "2 KiB inodes, no rmapbt")]
    [DataRow("-b size=65536 -d agcount=2", DisplayName = "64 KiB blocks")]
    [DataRow("-b size=1024 -i nrext64=0 -m bigtime=0", DisplayName = "1 KiB blocks, old counters")]
    public void KernelAndLibraryTakeTurns(string options)
    {
        Judge.RequireKernel();
        int seed = TestSettings.Seed;
        Console.WriteLine(TestSettings.Replay(nameof(KernelAndLibraryTakeTurns), seed));
        using TempImage image = TempImage.MadeByMkfs(512 << 20, options.Split(' ', StringSplitOptions.RemoveEmptyEntries));
        AttributeWorkload work = new(seed, s_paths) { Special = ["link", "device"] };
        int steps = 200 * TestSettings.Sweep;
        for (int turn = 0; turn < 3; turn++)
        {
            work.MaxValue = turn == 0 ? 100 : AttributeFormat.MaxValue;
            work.Removals = turn == 1 ? 20 : 40;
            using (KernelMount mount = KernelMount.ReadWrite(image.Path))
            {
                if (turn == 0)
                {
                    mount.Run("touch file; mkdir directory; ln -s target link; mknod device c 4 300; for i in 0 2 4 6 8 10 12 14 16 18 20 22 24 26 28 30; do"
                        + " dd if=/dev/zero of=fragments bs=64k count=1 seek=$i conv=notrunc 2>/dev/null; done");
                }
                work.AssertSeen(mount);
                work.Run(new KernelAttributes(mount), steps);
                work.AssertSeen(mount);
                mount.Sync();
                mount.AssertNoComplaints();
            }
            XfsRepair.CheckClean(image.Path);
            OurFsck.AssertClean(image.Path);
            using (FileSystem fs = FileSystem.Open(image.Path, write: true))
            {
                work.AssertSeen(fs);
                work.Run(new LibraryAttributes(fs), steps);
                work.AssertSeen(fs);
                if (turn == 2)
                    foreach (string path in s_paths.Take(3)) work.Clear(new LibraryAttributes(fs), path);
            }
            XfsRepair.CheckClean(image.Path);
            OurFsck.AssertClean(image.Path);
        }
        using (KernelMount mount = KernelMount.ReadWrite(image.Path))
        {
            work.AssertSeen(mount);
            foreach (string path in s_paths) work.Clear(new KernelAttributes(mount), path);
            work.AssertSeen(mount);
            mount.Run("rm -r file directory fragments link device");
            mount.AssertNoComplaints();
        }
        XfsRepair.CheckClean(image.Path);
    }
}
