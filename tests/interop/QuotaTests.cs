using System.Globalization;
using ImageFs.Format;
using ImageFs.Tests.Fixtures;

namespace ImageFs.Tests.Interop;

/// <summary>
/// Quotas are the kernel's: it counts, and counts again when it is told that what it knows is not exact any more. The judge is
/// a kernel with quotas, which machines seldom have; it runs as a program.
/// </summary>
[TestClass]
public sealed class QuotaTests
{
    private const long Size = 64 << 20;
    private const string Mount = "mount -t xfs -o uquota,gquota,pquota /dev/ubdb /mnt/m; cd /mnt/m";
    private const ushort Counted = 0x4 | 0x100 | 0x400, Accounted = 0x1 | 0x8 | 0x40;

    [TestMethod]
    public void AfterOurChangesTheKernelCountsAgain()
    {
        using TempImage image = Counting();
        Superblock before = SuperblockOf(image);
        Assert.AreEqual(Counted | Accounted, before.QuotaFlags & (Counted | Accounted), "the kernel left exact counts");
        using (FileSystem fs = FileSystem.Open(image.Path, write: true))
        {
            Change(fs);
            fs.Flush();
        }
        Superblock after = SuperblockOf(image);
        Assert.AreEqual(before.QuotaFlags & ~Counted, after.QuotaFlags.Value, "accounting and enforcement stay as they were, the counts do not hold");
        XfsRepair.CheckClean(image.Path);
        OurFsck.AssertClean(image.Path);
        AssertUsageIsExact(image);
    }

    [TestMethod]
    public void ReadingAndWritingNothingKeepsTheCounts()
    {
        using TempImage image = Counting();
        byte[] before = File.ReadAllBytes(image.Path);
        using (FileSystem fs = FileSystem.Open(image.Path)) Assert.IsNotEmpty(fs.List("/"));
        using (FileSystem fs = FileSystem.Open(image.Path, write: true)) Assert.IsNotEmpty(fs.List("/"));
        CollectionAssert.AreEqual(before, File.ReadAllBytes(image.Path));
    }

    [TestMethod]
    public void ACrashAfterAChangeMakesTheKernelCountAgainToo()
    {
        using TempImage image = Counting();
        FileSystem fs = FileSystem.Open(image.Path, write: true);
        Change(fs);
        fs.Flush();
        fs.Volume.Abandon();
        // It replays our log, and with it that its counts do not hold.
        AssertUsageIsExact(image);
        XfsRepair.CheckClean(image.Path);
    }

    [TestMethod]
    public void AGroupThatIsUndoneDoesNotBringTheCountsBackForWhatFollows()
    {
        using TempImage image = Counting();
        using (FileSystem fs = FileSystem.Open(image.Path, write: true))
        {
            Assert.ThrowsExactly<InvalidOperationException>(() => fs.Atomically(_ =>
            {
                fs.CreateDirectory("/undone");
                throw new InvalidOperationException();
            }));
            fs.CreateDirectory("/made");
        }
        Assert.AreEqual(0, SuperblockOf(image).QuotaFlags & Counted);
    }

    [TestMethod]
    public void ALogWithQuotaRecordsIsReplayedAsTheKernelDoes()
    {
        using TempImage image = TempImage.MadeByMkfs(Size, "-i", "size=512");
        // The plug is pulled: records of quotas, changes of them and of files are in the log only.
        UmlKernel.Run($"""
            {Mount}
            mkdir d; for i in 1 2 3 4 5 6 7 8; do head -c 40000 /dev/zero > d/$i; chown $((1000 + i)):$((2000 + i)) d/$i; done
            sync -f /mnt/m
            for i in 1 3 5; do rm d/$i; done
            for i in 2 4 6; do head -c 10000 /dev/zero >> d/$i; done
            xfs_io -x -c 'shutdown -f' /mnt/m
            """, image.Path);
        using TempImage theirs = TempImage.CopyOf(image.Path);
        string usage = Report(theirs);
        TreeListing ours = LibraryListing.Of(image.Path);
        using (FileSystem fs = FileSystem.Open(image.Path, write: true)) Assert.IsTrue(fs.WasRecovered);
        TreeListing.AssertEqual(LibraryListing.Of(theirs.Path), ours, LibraryListing.Fields & ~TreeFields.Extents);
        XfsRepair.CheckClean(image.Path);
        Assert.AreEqual(usage, Report(image));
    }

    // Made once: starting a kernel takes seconds.
    private static readonly Lazy<TempImage> s_counting = new(MakeCounting);

    [ClassCleanup]
    public static void Clean()
    {
        if (s_counting.IsValueCreated) s_counting.Value.Dispose();
    }

    /// <summary>An image with quotas of all kinds, counted by the kernel, with files of several owners.</summary>
    private static TempImage Counting() => TempImage.CopyOf(s_counting.Value.Path);

    private static TempImage MakeCounting()
    {
        TempImage image = TempImage.MadeByMkfs(Size, "-i", "size=512");
        UmlKernel.Run($"""
            {Mount}
            mkdir shared; chmod 777 shared
            for i in 1 2 3 4; do head -c $((i * 10000)) /dev/zero > shared/$i; chown $((1000 + i)):$((2000 + i)) shared/$i; done
            xfs_quota -x -c 'limit bsoft=1m bhard=2m 1001' /mnt/m
            cd /; umount /mnt/m
            """, image.Path);
        return image;
    }

    private static void Change(FileSystem fs)
    {
        fs.Owner = (1001, 2002);
        using (XfsFile file = fs.CreateFile("/shared/new")) file.Write(0, new byte[300_000]);
        fs.CreateDirectory("/shared/folder");
        fs.SetAttributes("/shared/3", uid: 1004, gid: 2001);
        fs.SetFlags("/shared/new", projectId: 77);
        fs.DeleteFile("/shared/2");
        using XfsFile more = fs.OpenFile("/shared/4", write: true);
        more.Write(50_000, new byte[100_000]);
    }

    /// <summary>The kernel mounts with quotas; what it reports then is what the files have.</summary>
    private static void AssertUsageIsExact(TempImage image)
    {
        string said = UmlKernel.Run($"""
            {Mount}
            for kind in u g p; do echo "kind $kind"; xfs_quota -x -c "report -$kind -n -N -b" -c "report -$kind -n -N -i" /mnt/m; done
            echo counted; dmesg | grep -c Quotacheck: || true
            cd /; umount /mnt/m
            """, image.Path);
        Dictionary<(char Kind, uint Id), (ulong Blocks, ulong Inodes)> expected = [];
        using (FileSystem fs = FileSystem.Open(image.Path))
        {
            HashSet<ulong> seen = [];
            Add(fs.GetEntry("/"), "/");
            void Add(Entry entry, string path)
            {
                if (seen.Add(entry.Inode.Value))
                    foreach ((char kind, uint id) in ((char, uint)[])[('u', entry.Uid), ('g', entry.Gid), ('p', entry.ProjectId)])
                    {
                        (ulong blocks, ulong inodes) = expected.GetValueOrDefault((kind, id));
                        expected[(kind, id)] = (blocks + entry.Blocks * (ulong)fs.Geometry.BlockSize / 1024, inodes + 1);
                    }
                if (!entry.IsDirectory) return;
                foreach (DirectoryItem item in fs.List(path)) Add(fs.GetEntry(path.TrimEnd('/') + "/" + item.Name), path.TrimEnd('/') + "/" + item.Name);
            }
        }
        Dictionary<(char Kind, uint Id), List<ulong>> reported = [];
        char current = ' ';
        foreach (string line in said.Split('\n'))
        {
            string[] words = line.Split(' ', StringSplitOptions.RemoveEmptyEntries);
            if (words is ["kind", var kind]) current = kind[0];
            else if (words.Length > 3 && words[0].StartsWith('#')) (reported.TryGetValue((current, Id(words)), out List<ulong>? list) ? list : reported[(current, Id(words))] = []).Add(ulong.Parse(words[1], CultureInfo.InvariantCulture));
        }
        int compared = 0;
        foreach (((char kind, uint id), (ulong blocks, ulong inodes)) in expected)
        {
            if (id == 0) continue; // has what nobody sees as well: the quota files themselves
            CollectionAssert.AreEqual(new List<ulong> { blocks, inodes }, reported.GetValueOrDefault((kind, id)), $"kind {kind}, id {id}: {said}");
            compared++;
        }
        Assert.IsGreaterThan(5, compared);
        StringAssert.Contains(said, "counted\n1", said);

        static uint Id(string[] words) => uint.Parse(words[0][1..], CultureInfo.InvariantCulture);
    }

    private static string Report(TempImage image) => UmlKernel.Run($"""
        {Mount}
        for kind in u g; do xfs_quota -x -c "report -$kind -n -N -b -i" /mnt/m; done
        cd /; umount /mnt/m
        """, image.Path);

    private static Superblock SuperblockOf(TempImage image)
    {
        using FileStream file = File.OpenRead(image.Path);
        byte[] sector = new byte[512];
        file.ReadExactly(sector);
        return Superblock.At((ReadOnlySpan<byte>)sector);
    }
}
