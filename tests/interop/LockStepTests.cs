using ImageFs.Mkfs;
using ImageFs.Tests.Fixtures;

namespace ImageFs.Tests.Interop;

/// <summary>
/// One workload, two copies of one image: the kernel works on one, we on the other, and both trees must be equal in the
/// end. Over a matrix in which every two values of block size, inode size, directory size and features meet.
/// </summary>
[TestClass]
public sealed class LockStepTests
{
    private static readonly int[] s_blocks = [1024, 2048, 4096, 8192, 16384, 65536];
    private static readonly int[] s_inodes = [512, 1024, 2048];
    private static readonly int[] s_directories = [4096, 8192, 16384, 65536];
    private static readonly string[] s_features =
    [
        "",
        "-m rmapbt=0",
        "-m reflink=0",
        "-m rmapbt=0,reflink=0",
        "-m bigtime=0 -i nrext64=0",
        "-m finobt=0,inobtcount=0,rmapbt=0,reflink=0 -i sparse=0",
        "-s size=4096",
        "-d agcount=6",
        "-n parent=1",
    ];

    /// <summary>Thirty-two rows, drawn by a fixed walk that covers the pairs of values which are legal together.</summary>
    public static IEnumerable<object[]> Matrix
    {
        get
        {
            for (int row = 0; row < 32; row++)
            {
                int block = s_blocks[row % s_blocks.Length], inode = s_inodes[row / 2 % s_inodes.Length];
                int directory = s_directories[(row / 3 + row) % s_directories.Length];
                string features = s_features[(row / 6 + row) % s_features.Length];
                while (inode > block / 2) inode /= 2;
                if (directory < block) directory = block;
                if (features.StartsWith("-s", StringComparison.Ordinal) && block < 4096) features = "";
                yield return [row, $"-b size={block} -i size={inode} -n size={directory} {features}".TrimEnd()];
            }
        }
    }

    [TestMethod, DynamicData(nameof(Matrix))]
    public void TheKernelAndWeEndWithTheSameTree(int row, string options)
    {
        Judge.RequireKernel();
        int seed = TestSettings.Seed * 100 + row;
        Console.WriteLine(TestSettings.Replay(nameof(TheKernelAndWeEndWithTheSameTree), TestSettings.Seed));
        using TempImage ours = TempImage.NotYetThere();
        StringWriter errors = new();
        int exit = MkfsProgram.Run(["-q", "--size", "700m", .. options.Split(' ', StringSplitOptions.RemoveEmptyEntries), ours.Path], TextWriter.Null, errors);
        Assert.AreEqual(0, exit, errors.ToString());
        using TempImage kernels = TempImage.CopyOf(ours.Path);
        bool reflink = !options.Contains("reflink=0", StringComparison.Ordinal);
        int steps = 400 * TestSettings.Sweep;

        TreeListing expected;
        using (KernelMount mount = KernelMount.ReadWrite(kernels.Path))
        {
            RandomTurn turn = new(seed, reflink);
            turn.Run(new KernelTree(mount), steps);
            turn.ManyNames(new KernelTree(mount), 700);
            expected = mount.List();
        }
        using (FileSystem fs = FileSystem.Open(ours.Path, write: true))
        {
            RandomTurn turn = new(seed, reflink);
            turn.Run(new LibraryTree(fs), steps);
            turn.ManyNames(new LibraryTree(fs), 700);
        }
        const TreeFields fields = TreeFields.Everything & ~TreeFields.Times & ~TreeFields.Attributes;
        TreeListing.AssertEqual(expected, LibraryListing.Of(ours.Path), fields);
        XfsRepair.CheckClean(ours.Path);
        OurFsck.AssertClean(ours.Path);
        OurFsck.AssertClean(kernels.Path);
        TreeListing.AssertEqual(expected, LibraryListing.Of(kernels.Path), fields);
        using KernelMount check = KernelMount.ReadWrite(ours.Path);
        TreeListing.AssertEqual(expected, check.List(), fields);
        if (options.Contains("parent=1", StringComparison.Ordinal)) Assert.IsGreaterThan(0, KernelParents.AssertComplete(check));
        check.AssertNoComplaints();
    }
}
