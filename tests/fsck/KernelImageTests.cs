using ImageFs.Fsck;
using ImageFs.Tests.Fixtures;

namespace ImageFs.Tests.Fsck;

/// <summary>File systems made by mkfs.xfs and used by the kernel, in many geometries: healthy for xfs_repair, silent for us.</summary>
[TestClass]
public sealed class KernelImageTests
{
    /// <summary>Every form a directory, fork or attribute can have, sharing, CoW, holes, unwritten extents, deleted files.</summary>
    private const string Workload = """
        mkdir short block leaf node deep deep/er
        for i in 1 2 3 4; do echo $i > short/f$i; done
        i=0; while [ $i -lt 30 ]; do echo $i > block/f$i; i=$((i+1)); done
        i=0; while [ $i -lt 150 ]; do echo $i > leaf/file-number-$i; i=$((i+1)); done
        seq 1500 | sed 's/.*/node\/an-empty-file-with-a-long-name-&/' | xargs touch
        seq 1 3 1500 | sed 's/.*/node\/an-empty-file-with-a-long-name-&/' | xargs rm
        xfs_io -f -c 'pwrite -q 0 300k' big
        cp --reflink=auto big clone
        xfs_io -c 'pwrite -q 5000 100' clone
        xfs_io -f -c 'falloc 0 3m' -c 'pwrite -q 64k 100k' unwritten
        seq 300 | sed 's/.*/pwrite -q &m 1024/' | xfs_io -f fragmented > /dev/null
        cp --reflink=auto fragmented clone-of-fragments
        seq 1 7 300 | sed 's/.*/pwrite -q &m 512/' | xfs_io clone-of-fragments > /dev/null
        ln -s target inline
        ln -s $(printf 'x%.0s' $(seq 1000)) remote
        mkfifo fifo; mknod null c 1 3; ln short/f1 deep/er/hard
        setfattr -n user.one -v value short/f1
        setfattr -n user.large -v $(printf 'v%.0s' $(seq 9000)) short/f2
        i=0; while [ $i -lt 120 ]; do setfattr -n user.attribute-$i -v $(printf 'w%.0s' $(seq 90))-$i short/f3; i=$((i+1)); done
        """;

    [TestMethod]
    [DataRow("defaults", 300, "")]
    [DataRow("rmapbt and reflink", 300, "-m rmapbt=1,reflink=1")]
    [DataRow("blocks of 1 KiB", 300, "-b size=1024 -m rmapbt=1,reflink=1")]
    [DataRow("blocks of 2 KiB, inodes of 1 KiB", 300, "-b size=2048 -i size=1024 -m rmapbt=1")]
    [DataRow("blocks of 64 KiB", 600, "-b size=65536 -m rmapbt=1")]
    [DataRow("inodes of 2 KiB", 300, "-i size=2048")]
    [DataRow("neither rmapbt nor reflink", 300, "-m rmapbt=0,reflink=0")]
    [DataRow("the oldest version 5", 300, "-m finobt=0,rmapbt=0,reflink=0,inobtcount=0,bigtime=0 -i sparse=0")]
    [DataRow("no bigtime, large extent counters", 300, "-m bigtime=0 -i nrext64=1")]
    [DataRow("stripes", 600, "-d su=64k,sw=4 -m rmapbt=1")]
    [DataRow("sectors of 4 KiB", 300, "-s size=4096 -m rmapbt=1")]
    [DataRow("directory blocks of 16 KiB", 300, "-n size=16384 -m rmapbt=1")]
    [DataRow("directory blocks of 8 KiB on blocks of 1 KiB", 300, "-b size=1024 -n size=8192")]
    [DataRow("one group", 100, "-d agcount=1 -m rmapbt=1")]
    [DataRow("sixteen groups", 300, "-d agcount=16 -m rmapbt=1")]
    [DataRow("log stripes", 300, "-l su=32k")]
    [DataRow("another UUID", 300, "-m rmapbt=1 -U")]
    public void AFileSystemTheKernelUsedHasNoFinding(string name, int mebibytes, string options)
    {
        Judge.RequireKernel();
        Judge.RequireIo();
        if (Judge.Find("setfattr") is null) Assert.Inconclusive("needs setfattr (package attr)");
        bool newUuid = options.EndsWith(" -U", StringComparison.Ordinal);
        if (newUuid) options = options[..^3];
        using TempImage image = TempImage.MadeByMkfs((long)mebibytes << 20, options.Split(' ', StringSplitOptions.RemoveEmptyEntries));
        FsckOf.File(image.Path).MustBeSilent($"{name}, fresh");
        if (newUuid) XfsDb.Write(image.Path, "uuid generate");
        using (KernelMount mount = KernelMount.ReadWrite(image.Path)) mount.Run(Workload);
        FsckReport report = FsckOf.File(image.Path);
        report.MustBeSilent(name);
        Assert.IsEmpty(report.Findings, report.Text());
        Assert.IsGreaterThan(1000, report.Statistics.Names);
        XfsRepair.CheckClean(image.Path);
    }

    [TestMethod]
    public void WhatXfsRepairRepairedIsCleanForUs()
    {
        Judge.RequireRepair();
        foreach (string code in (string[])["free-missing", "inode-nlink", "dirent-ftype", "refcount-missing", "inode-unconnected"])
        {
            DamageCase damage = DamageCases.All.First(c => c.Code == code);
            DamagedImage damaged = new(damage.Image);
            damage.Do(damaged);
            using TempImage image = TempImage.NotYetThere();
            damaged.Device.Save(image.Path);
            Shell.Run(Judge.RequireRepair(), ["-o", "force_geometry", image.Path], TimeSpan.FromSeconds(60)).MustSucceed();
            FsckOf.File(image.Path).MustBeSilent($"{damage.Name}, repaired");
        }
    }
}
