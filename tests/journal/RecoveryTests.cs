using ImageFs.Devices;
using ImageFs.Format;
using ImageFs.Journal;
using ImageFs.Tests.Fixtures;

namespace ImageFs.Tests.Journal;

/// <summary>Logs that the kernel left behind, replayed by us and by the kernel.</summary>
[TestClass]
public sealed class RecoveryTests
{
    private const long Size = 128L << 20;

    private const string Tree =
        """
        for d in a b c d; do mkdir $d; for i in $(seq 60); do echo "$d $i" > $d/file$i; done; done
        for i in $(seq 1 2 60); do mv a/file$i b/moved$i; done
        for i in $(seq 1 3 60); do rm c/file$i; done
        ln -s a/file2 short; ln -s $(printf 'x%.0s' $(seq 900)) long; mknod null c 1 3; mkfifo pipe; ln a/file2 d/hard
        truncate -s 100000 d/file1; truncate -s 1 d/file3; mkdir -p e/f/g/h; rmdir e/f/g/h
        mv -T d/file4 d/file5; chmod 4711 d/file6; chown 3:4 d/file7; touch -d '2001-01-01 UTC' d/file8
        """;

    private const string Extents =
        """
        dd if=/dev/urandom of=big bs=64k count=40 2>/dev/null
        for i in $(seq 0 2 200); do dd if=/dev/zero of=fragmented bs=4k count=1 seek=$i conv=notrunc 2>/dev/null; done; sync -f .
        cp --reflink=always big clone 2>/dev/null || cp big clone
        for i in $(seq 0 5 600); do dd if=/dev/urandom of=clone bs=4k count=1 seek=$i conv=notrunc 2>/dev/null; done
        fallocate -l 1M reserved; sync -f .; truncate -s 3000 big; fallocate -p -o 40960 -l 81920 clone
        """;

    [TestMethod]
    [DataRow(true)]
    [DataRow(false)]
    public void AWorkloadOnATree(bool flushLog)
    {
        using DirtyImage image = DirtyImage.Make(Size, [], Tree + "\nsync -f .\nfor i in $(seq 50); do touch late$i; done; rm b/file2", flushLog);
        RecoveryResult result = image.AssertReplayedAsTheKernelDoes();
        Assert.IsGreaterThan(0, result.Transactions);
        Assert.IsGreaterThan(100, result.Inodes);
        Assert.IsGreaterThan(2, result.InodeChunks);
    }

    [TestMethod]
    [DataRow("-b size=1024")]
    [DataRow("-b size=65536 -m rmapbt=0")]
    [DataRow("-i size=1024 -n size=16384")]
    [DataRow("-m bigtime=0,reflink=0,rmapbt=0 -i nrext64=0,sparse=0")]
    [DataRow("-m finobt=0")]
    [DataRow("-s size=4096")]
    [DataRow("-l su=32768")]
    [DataRow("-l su=262144,size=60m")]
    [DataRow("-i nrext64=1 -n size=65536")]
    public void WorkloadsOnManyGeometries(string options)
    {
        using DirtyImage image = DirtyImage.Make(2 * Size, options.Split(' '), Tree + "\n" + Extents);
        image.AssertReplayedAsTheKernelDoes();
    }
}
