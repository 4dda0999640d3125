using System.Diagnostics;
using System.Text;
using ImageFs.Cli;
using ImageFs.Format;
using ImageFs.Inodes;
using ImageFs.Names;
using ImageFs.Tests.Fixtures;

namespace ImageFs.Tests.Names;

/// <summary>Directories in directories, deeper than any stack.</summary>
[TestClass]
public sealed class DeepTreeTests
{
    private const int Levels = 10_000;

    [TestMethod]
    public void ATreeOfTenThousandLevelsIsListed()
    {
        using World w = World.OnFile();
        // No path that the host takes is so long.
        w.KernelReads = false;
        Build(w);
        w.Fs.Dispose();
        Stopwatch watch = Stopwatch.StartNew();
        Tail output = new();
        using (Stdio io = new(() => Stream.Null, output, () => new StringWriter(), isTerminal: false))
            Assert.AreEqual(0, CommandLine.Run(["ls", "-R", w.ImagePath], io));
        StringAssert.EndsWith(output.Text, "/d2/d3:\nleaf\n");
        // Every heading is a whole path, 150 MB in all; to walk each of them from the root again would take most of a minute.
        Assert.IsLessThan(15, watch.Elapsed.TotalSeconds);
    }

    /// <summary>Remembers the end of what is written.</summary>
    private sealed class Tail : MemoryStream
    {
        private byte[] _last = [];
        public string Text => Encoding.UTF8.GetString(_last);
        public override void Write(ReadOnlySpan<byte> buffer) => _last = buffer.Length >= 100 ? buffer[^100..].ToArray() : [.. _last.TakeLast(100), .. buffer];
    }

    private static string[] Build(World w)
    {
        NameOperations names = new(w.Fs.Volume);
        Inode at = w.Fs.Resolve("/", false);
        string[] path = new string[Levels];
        for (int level = 0; level < Levels; level++)
        {
            path[level] = $"d{level % 7}";
            lock (w.Fs.Volume.Gate)
                at = w.Fs.Volume.Inodes.Get(names.Create(at, Posix.Bytes(path[level]), new NewInode(FileMode16.Directory | 0b111_101_101, 0, 0)));
        }
        lock (w.Fs.Volume.Gate) names.Create(at, "leaf"u8.ToArray(), new NewInode(FileMode16.Regular | 0b110_100_100, 0, 0));
        return path;
    }

    [TestMethod]
    public void ATreeOfTenThousandLevelsIsCheckedWalkedAndRemoved()
    {
        using World w = new();
        string[] path = Build(w);
        w.CheckClean();
        string whole = "/" + string.Join('/', path);
        Assert.IsTrue(w.Fs.Exists(whole + "/leaf"));
        Assert.AreEqual(Errno.EINVAL, World.ErrnoOf(() => w.Fs.Rename("/" + path[0], whole + "/up")));
        ulong inodes = w.Fs.Statistics.Inodes - w.Fs.Statistics.FreeInodes;
        Stopwatch watch = Stopwatch.StartNew();
        w.Fs.DeleteDirectory("/" + path[0], recursive: true);
        Assert.AreEqual(inodes - Levels - 1, w.Fs.Statistics.Inodes - w.Fs.Statistics.FreeInodes);
        // Going down from the root for each of them would take minutes.
        Assert.IsLessThan(15, watch.Elapsed.TotalSeconds);
    }
}
