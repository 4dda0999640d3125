using ImageFs.Mkfs;
using ImageFs.Tests.Fixtures;
using MkfsTool = ImageFs.Mkfs.Mkfs;

namespace ImageFs.Tests.Mkfs;

[TestClass]
public sealed class KernelTests
{
    /// <summary>
    /// Trees of a group are read only when something is allocated there, so directories are made until every group has one,
    /// and each gets a file that is written and removed again.
    /// </summary>
    [TestMethod]
    [DataRow("-dsize=16m")]
    [DataRow("-dsize=32m")]
    [DataRow("-dsize=54m -mreflink=0")]
    [DataRow("-dsize=100m -mrmapbt=0")]
    [DataRow("-dsize=300m -mfinobt=0,rmapbt=0,reflink=0,bigtime=0 -isparse=0,nrext64=0")]
    [DataRow("-dsize=300m -bsize=1024")]
    [DataRow("-dsize=300m -bsize=1024 -ssize=1024 -nsize=65536")]
    [DataRow("-dsize=300m -bsize=2048 -isize=1024")]
    [DataRow("-dsize=300m -ssize=4096")]
    [DataRow("-dsize=512m,agcount=16 -isize=2048")]
    [DataRow("-dsize=400m,su=64k,sw=4")]
    [DataRow("-dsize=400m,su=1m,sw=3 -lagnum=0")]
    [DataRow("-dsize=300m -lsu=256k")]
    [DataRow("-dsize=200m,agcount=3 -lsize=20m,agnum=2 -Llabel")]
    [DataRow("-dsize=2g -bsize=16384")]
    [DataRow("-dsize=2g -bsize=65536 -ssize=4096")]
    [DataRow("-dsize=5t")]
    [DataRow("-dsize=16m -nparent=1")]
    [DataRow("-dsize=300m -iexchange=1")]
    [DataRow("-dsize=200m -bsize=1024 -nparent=1,size=65536 -mreflink=0")]
    [DataRow("-dsize=100m -nparent=1 -iexchange=0 -mfinobt=0,rmapbt=0,reflink=0")]
    [DataRow("-dsize=290m,agcount=2 -ssize=4096 -isize=2048 -nparent=1")]
    public void TheKernelUsesEveryGroup(string options) => Use(options.Split(' '));

    public TestContext TestContext { get; set; } = null!;

    /// <summary>IMAGEFS_MKFS_MOUNTS and IMAGEFS_SEED replace the number of random option sets and the seed.</summary>
    [TestMethod]
    public void TheKernelUsesEveryGroupOfRandomOptions()
    {
        Judge.RequireKernel();
        int cases = int.Parse(Environment.GetEnvironmentVariable("IMAGEFS_MKFS_MOUNTS") ?? "4");
        int seed = int.Parse(Environment.GetEnvironmentVariable("IMAGEFS_SEED") ?? "1");
        TestContext.WriteLine($"IMAGEFS_SEED={seed}");
        for (int made = 0, i = 0; made < cases; i++)
        {
            string[] options = [.. RandomOptions.Next(new Random(seed * 1_000_003 + i))];
            try
            {
                MkfsPlan plan = MkfsTool.Plan(MkfsOptions.Parse(options));
                if (plan.DataBytes > 8L << 30 || plan.AgCount > 40 || plan.LogBlocks > plan.DataBlocks / 2 || plan.Warnings.Any(w => w.Contains("will not mount"))) continue;
            }
            catch (MkfsOptionException) { continue; }
            TestContext.WriteLine(string.Join(' ', options));
            Use(options);
            made++;
        }
    }

    private static void Use(string[] options)
    {
        Judge.RequireKernel();
        MkfsOptions parsed = MkfsOptions.Parse(options);
        Assert.IsTrue(parsed.Size!.Value.TryToBytes(parsed.BlockSize ?? 4096, parsed.SectorSize ?? 512, out long length));
        using TempImage image = TempImage.Empty(length);
        MkfsPlan plan = FormatTests.Make(image.Path, parsed);
        XfsRepair.CheckClean(image.Path);

        using (KernelMount mount = KernelMount.ReadWrite(image.Path))
        {
            int shift = plan.AgBlockLog + int.Log2(plan.InodesPerBlock);
            string list = mount.Run($$"""
                i=0; while [ $i -lt {{plan.AgCount * 3}} ]; do mkdir d$i; head -c 100000 /dev/urandom > d$i/f; cp d$i/f d$i/g; i=$((i+1)); done
                sync -f .; for d in d*; do cmp $d/f $d/g; done; stat -c %i d*; rm d*/f; sync -f .
                """);
            HashSet<ulong> groups = [.. list.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(n => ulong.Parse(n) >> shift)];
            // A group that the log fills is left alone.
            if (plan.LogBlocks > plan.AgBlocks / 2) groups.Add(plan.LogAg);
            Assert.AreEqual((int)plan.AgCount, groups.Count, "groups that hold a directory");
            mount.Sync();
            mount.AssertNoComplaints();
            if (plan.Reflink) mount.Run("cp --reflink=always d0/g d0/h; cmp d0/g d0/h");
        }
        XfsRepair.CheckClean(image.Path);
    }
}
