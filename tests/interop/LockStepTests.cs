using System.Diagnostics;
using ImageFs.Mkfs;
using ImageFs.Tests.Fixtures;

namespace ImageFs.Tests.Interop;

/// <summary>
/// One workload, two copies of one image: the kernel works on one, we on the other. Every call must give the same error
/// number, and in the end both trees must be equal: names, contents, attributes, ACLs, flags, times that were set, and which
/// blocks of a file are shared.
/// </summary>
[TestClass]
public sealed class LockStepTests
{
    /// <summary>Calls per row; a directory of 700 names comes on top.</summary>
    private const int Steps = 2000;

    public static IEnumerable<object[]> Matrix => FeatureMatrix.Rows.Select((row, number) => new object[] { number, row.Options });

    [TestMethod]
    public void TheMatrixCoversAllPairs()
    {
        HashSet<(int, int)> met = [.. FeatureMatrix.Rows.SelectMany(row => row.Pairs())];
        HashSet<(int, int)> legal = [.. FeatureMatrix.All.SelectMany(row => row.Pairs())];
        Assert.IsTrue(met.SetEquals(legal));
        Assert.IsGreaterThanOrEqualTo(30, FeatureMatrix.Rows.Count);
        Console.WriteLine($"{FeatureMatrix.Rows.Count} rows cover {legal.Count} pairs");
    }

    [TestMethod, DynamicData(nameof(Matrix))]
    public void TheKernelAndWeEndWithTheSameTree(int row, string options)
    {
        Judge.RequireKernel();
        int seed = TestSettings.Seed * 100 + row;
        Console.WriteLine(TestSettings.Replay(nameof(TheKernelAndWeEndWithTheSameTree), TestSettings.Seed));
        using TempImage ours = TempImage.NotYetThere();
        StringWriter errors = new();
        int exit = MkfsProgram.Run(["-q", "--size", "1200m", .. options.Split(' ', StringSplitOptions.RemoveEmptyEntries), ours.Path], TextWriter.Null, errors);
        Assert.AreEqual(0, exit, errors.ToString());
        using TempImage kernels = TempImage.CopyOf(ours.Path);
        TurnOptions turnOptions = TurnOptions.Of(ours.Path);
        int steps = Steps * TestSettings.Sweep;

        RandomTurn theirs = new(seed, turnOptions);
        TreeListing expected;
        Dictionary<string, KernelCalls.FileFlags> flags;
        Dictionary<string, string> pictures;
        Stopwatch watch = Stopwatch.StartNew();
        TimeSpan kernelTime, ourTime;
        Dictionary<string, long[]> seeks;
        using (KernelMount mount = KernelMount.ReadWrite(kernels.Path, Ranges.MountOptions))
        {
            KernelTree tree = new(mount);
            watch.Restart();
            theirs.Run(tree, steps);
            theirs.ManyNames(tree, 700);
            kernelTime = watch.Elapsed;
            expected = mount.List();
            flags = theirs.WithFlags.ToDictionary(path => path, tree.Flags);
            pictures = theirs.Files.ToDictionary(path => path, path => Shared(tree.Picture(path, turnOptions.BlockSize)));
            mount.AssertNoComplaints();
        }
        using (FileSystem fs = FileSystem.Open(ours.Path, write: true))
        {
            LibraryTree tree = new(fs);
            RandomTurn turn = new(seed, turnOptions, theirs.Results);
            watch.Restart();
            turn.Run(tree, steps);
            turn.ManyNames(tree, 700);
            ourTime = watch.Elapsed;
            Assert.AreEqual(theirs.Results.Count, turn.Results.Count);
            foreach ((string path, KernelCalls.FileFlags flag) in flags) Assert.AreEqual(flag, tree.Flags(path), $"flags of {path}");
            foreach ((string path, string picture) in pictures) Assert.AreEqual(picture, Shared(tree.Picture(path, turnOptions.BlockSize)), $"shared blocks of {path}");
            seeks = turn.Files.ToDictionary(path => path, tree.Seeks);
        }
        Console.WriteLine($"{theirs.Summary}; kernel {kernelTime.TotalSeconds:F2} s, library {ourTime.TotalSeconds:F2} s");

        HashSet<string> timed = [.. theirs.WithTimes.Select(path => TreeListing.Escape(Posix.Bytes(path[1..])))];
        AssertSame(expected, LibraryListing.Of(ours.Path), timed);
        XfsRepair.CheckClean(ours.Path);
        OurFsck.AssertClean(ours.Path);
        OurFsck.AssertClean(kernels.Path);
        AssertSame(expected, LibraryListing.Of(kernels.Path), timed);
        using KernelMount check = KernelMount.ReadWrite(ours.Path);
        // Before anything is read: the kernel takes an unwritten block for data while it has it in memory.
        foreach ((string path, long[] places) in seeks) CollectionAssert.AreEqual(KernelCalls.Seeks(check[path]), places, $"data and holes of {path}");
        AssertSame(expected, check.List(), timed);
        if (options.Contains("parent=1", StringComparison.Ordinal)) Assert.IsGreaterThan(0, KernelParents.AssertComplete(check));
        check.AssertNoComplaints();
    }

    /// <summary>
    /// Which blocks are shared. Which of the others are holes, unwritten or zeros depends in the kernel on when it writes back and when
    /// it trims what a hint allocated behind the end; <see cref="RangeLockStepTests"/> looks after each operation, when that is settled.
    /// </summary>
    private static string Shared(string picture) => picture.Replace('u', '.').Replace('p', '.');

    private static void AssertSame(TreeListing expected, TreeListing actual, HashSet<string> timed)
    {
        TreeListing.AssertEqual(expected, actual, TreeFields.Everything & ~TreeFields.Times);
        TreeListing.AssertEqual(new(expected.Entries.Where(e => timed.Contains(e.Path))), new(actual.Entries.Where(e => timed.Contains(e.Path))));
    }
}
