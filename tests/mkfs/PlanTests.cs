using System.Text.RegularExpressions;
using ImageFs.Mkfs;
using ImageFs.Tests.Fixtures;
using MkfsTool = ImageFs.Mkfs.Mkfs;

namespace ImageFs.Tests.Mkfs;

[TestClass]
public sealed class PlanTests
{
    public TestContext TestContext { get; set; } = null!;

    /// <summary>How many random option sets are compared; IMAGEFS_MKFS_CASES and IMAGEFS_SEED replace it and the seed.</summary>
    [TestMethod]
    public void TheGeometryOfRandomOptionsIsWhatMkfsXfsPrints()
    {
        Judge.RequireMkfs();
        int cases = int.Parse(Environment.GetEnvironmentVariable("IMAGEFS_MKFS_CASES") ?? "300");
        int seed = int.Parse(Environment.GetEnvironmentVariable("IMAGEFS_SEED") ?? "1");
        string image = Scratch.NewPath(".img");
        List<string> differences = [];
        int accepted = 0;
        try
        {
            Parallel.For(0, cases, new ParallelOptions { MaxDegreeOfParallelism = 2 }, i =>
            {
                List<string> arguments = RandomOptions.Next(new Random(seed * 1_000_003 + i));
                (string theirs, string error) = MkfsXfs.Plan(image, arguments);
                string ours, refusal = "";
                try { ours = MkfsTool.Plan(MkfsOptions.Parse([.. arguments])).Describe(image); }
                catch (MkfsOptionException e) { (ours, refusal) = ("", e.Message); }
                if (theirs.Length > 0) Interlocked.Increment(ref accepted);
                if (ours != theirs && !IsKnown(arguments.Exists(a => a.Contains("agcount")), theirs, ours, refusal))
                    lock (differences)
                        differences.Add($"mkfs.xfs {string.Join(' ', arguments)}\n--- mkfs.xfs: {error}\n{theirs}--- ours: {refusal}\n{ours}");
            });
        }
        finally { File.Delete(image); }
        TestContext.WriteLine($"seed {seed}, {cases} option sets, {accepted} of them valid");
        Assert.AreEqual(0, differences.Count, $"seed {seed}, {differences.Count} of {cases} differ:\n{string.Join('\n', differences.Take(10))}");
        Assert.IsTrue(accepted > cases / 3, $"only {accepted} of {cases} option sets were valid");
    }

    /// <summary>Where mkfs.xfs -N prints a geometry that it then fails to make, or that wastes a whole group.</summary>
    private static bool IsKnown(bool countIsGiven, string theirs, string ours, string refusal)
    {
        if (theirs.Length == 0) return false;
        if (refusal.Contains("the root directory has no room", StringComparison.Ordinal)) return true;
        // When agcount= is given and stripes or rounding change the group size, mkfs.xfs does not count the groups again; it
        // may even plan more blocks than there are.
        (long groups, long groupBlocks, long blocks) = Groups(theirs);
        if (groups != (blocks + groupBlocks - 1) / groupBlocks) return true;
        // For a small file system with a reverse map but without shared blocks it plans a log that kernels from 6.16 on refuse.
        if (blocks * BlockSize(theirs) < 300 << 20 && theirs.Contains("rmapbt=1") && theirs.Contains("reflink=0"))
            return WithoutLog(theirs) == WithoutLog(ours) && LogBlocks(ours) > LogBlocks(theirs);
        return countIsGiven && ours.Length > 0 && Groups(ours) is var mine && mine.GroupBlocks == groupBlocks && mine.Count != groups;
    }

    private static string WithoutLog(string geometry) => Regex.Replace(geometry, @"(?<=internal log.*blocks=)\d+", "N");
    private static long LogBlocks(string geometry) => long.Parse("0" + Regex.Match(geometry, @"(?<=internal log.*blocks=)\d+").Value);
    private static long BlockSize(string geometry) => long.Parse(Regex.Match(geometry, @"(?<=data .*bsize=)\d+").Value);

    private static (long Count, long GroupBlocks, long Blocks) Groups(string geometry)
    {
        Match match = Regex.Match(geometry, @"agcount=(\d+), agsize=(\d+) blks.* blocks=(\d+), imaxpct", RegexOptions.Singleline);
        return (long.Parse(match.Groups[1].Value), long.Parse(match.Groups[2].Value), long.Parse(match.Groups[3].Value));
    }
}
