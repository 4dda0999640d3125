using ImageFs.Devices;
using ImageFs.Format;
using ImageFs.Mkfs;
using ImageFs.Tests.Fixtures;

namespace ImageFs.Tests.Dax;

/// <summary>
/// Every operation on file systems with very little room, a block more each time, so that it runs out of space at each of its steps: it does
/// what it should or is refused with ENOSPC, and what was refused has left no trace.
/// </summary>
[TestClass]
public sealed class FullImageTests
{
    private const long Size = 20 << 20;

    private sealed record Step(string Name, Action<FileSystem> Work, bool IsAtomic = true);

    /// <summary>Operations; those that are not atomic may have done their work in part.</summary>
    private static readonly Step[] s_steps =
    [
        new("create", fs => fs.CreateFile("/grow/" + Long('n')).Dispose()),
        new("mkdir", fs => fs.CreateDirectory("/grow/" + Long('d'))),
        new("symlink", fs => fs.CreateSymbolicLink("/grow/" + Long('s'), new string('t', 1000))),
        new("link", fs => fs.CreateHardLink("/grow/" + Long('l'), "/plain")),
        new("rename", fs => fs.Rename("/plain", "/grow/" + Long('r'))),
        new("rename over", fs => fs.Rename("/plain", "/small/0")),
        new("rename directory", fs => fs.Rename("/small", "/grow/" + Long('m'))),
        new("whiteout", fs => fs.Rename("/plain", "/grow/" + Long('w'), RenameMode.Whiteout)),
        new("exchange names", fs => fs.Rename("/plain", "/small/0", RenameMode.Exchange)),
        new("attribute", fs => fs.SetAttribute("/plain", "user.one", Bytes(3, 60_000))),
        new("attribute replaced", fs => fs.SetAttribute("/rich", "user.7", Bytes(4, 30_000))),
        new("attribute added", fs => fs.SetAttribute("/rich", "user.new", Bytes(5, 200))),
        new("clone", fs => fs.Clone("/pieces", "/grow/clone"), IsAtomic: false),
        new("copy-on-write", fs => Write(fs, "/clone", 3 * 65536 + 100, Bytes(6, 20_000)), IsAtomic: false),
        new("copy-on-write flushed", fs => { Write(fs, "/clone", 0, Bytes(6, 300_000)); fs.Flush(); }, IsAtomic: false),
        new("append", fs => Write(fs, "/plain", 50_000, Bytes(7, 100_000)), IsAtomic: false),
        new("in a hole", fs => Write(fs, "/pieces", 65536 + 5, Bytes(8, 10)), IsAtomic: false),
        new("punch", fs => Open(fs, "/plain", f => f.PunchHole(8192, 8192)), IsAtomic: false),
        new("punch shared", fs => Open(fs, "/clone", f => f.PunchHole(100, 500_000)), IsAtomic: false),
        new("zero", fs => Open(fs, "/clone", f => f.ZeroRange(10, 400_000)), IsAtomic: false),
        new("insert", fs => Open(fs, "/clone", f => f.InsertRange(65536, 65536)), IsAtomic: false),
        new("collapse", fs => Open(fs, "/clone", f => f.CollapseRange(65536, 65536)), IsAtomic: false),
        new("allocate", fs => Open(fs, "/pieces", f => f.Allocate(0, 2 << 20)), IsAtomic: false),
        new("unshare", fs => Open(fs, "/clone", f => f.UnshareRange(0, f.Length)), IsAtomic: false),
        new("atomic write", fs => Open(fs, "/clone", f => f.AtomicWrite(0, Bytes(9, 65536)))),
        new("group", fs => fs.Atomically(_ =>
        {
            fs.CreateFile("/grow/" + Long('g')).Dispose();
            Write(fs, "/plain", 4096, Bytes(10, 5000));
            fs.SetAttribute("/plain", "user.g", Bytes(11, 3000));
            fs.Rename("/small/1", "/grow/" + Long('h'));
        })),
        new("exchange", fs => Open(fs, "/pieces", f => { using XfsFile other = fs.OpenFile("/clone", write: true); f.ExchangeRange(other, 65536, 65536, 655360); })),
        new("dedupe", fs => fs.Deduplicate(), IsAtomic: false),
        new("truncate in a block", fs => Open(fs, "/clone", f => f.SetLength(3 * 65536 + 77)), IsAtomic: false),
        new("truncate up", fs => Open(fs, "/clone", f => f.SetLength(f.Length + 1000)), IsAtomic: false),
        new("remove", fs => fs.DeleteFile("/plain")),
        new("remove clone", fs => fs.DeleteFile("/clone")),
        new("remove all", fs => { fs.DeleteDirectory("/small", recursive: true); }, IsAtomic: false),
        new("remove attribute", fs => fs.RemoveAttribute("/rich", "user.3")),
    ];

    [TestMethod]
    [DataRow("4k", "")]
    [DataRow("1k", "-b size=1024")]
    [DataRow("without rmapbt", "-m rmapbt=0")]
    [DataRow("with parents", "-n parent=1")]
    [DataRow("64k directories", "-n size=65536")]
    public void WhateverRunsOutOfSpaceIsDoneOrRefusedAndLeavesNoTrace(string name, string options)
    {
        int every = Math.Max(1, 12 / TestSettings.Sweep);
        MemoryDevice full = Fill(options.Length == 0 ? [] : options.Split(' '));
        int refused = 0, done = 0;
        foreach (Step step in s_steps)
        {
            for (int room = 0; room < 48; room += every)
            {
                string story = $"{name}: {step.Name} with {room} blocks more";
                MemoryDevice device = full.Clone();
                using (FileSystem fs = FileSystem.Open(device, write: true, leaveOpen: true))
                {
                    if (room > 0) Open(fs, "/.ballast", f => f.SetLength(f.Length - room * (long)fs.Geometry.BlockSize));
                    fs.Flush();
                    TreeListing before = LibraryListing.Of(fs);
                    bool ok = true;
                    try
                    {
                        step.Work(fs);
                        done++;
                    }
                    catch (XfsNoSpaceException)
                    {
                        refused++;
                        ok = false;
                    }
                    catch (Exception why)
                    {
                        Assert.Fail($"{story}: {why}");
                    }
                    if (!ok && step.IsAtomic) Same(before, LibraryListing.Of(fs), story);
                    // The volume goes on working.
                    if (!ok && fs.Exists("/small/29")) fs.DeleteFile("/small/29");
                }
                try
                {
                    OurFsck.AssertClean(device);
                }
                catch (AssertFailedException why)
                {
                    Assert.Fail($"{story}: {why.Message}");
                }
                if (room % 24 == 0) Judged(device, story);
            }
        }
        Console.WriteLine($"{name}: {done} done, {refused} refused");
        Assert.IsGreaterThan(0, refused);
    }

    private static void Same(TreeListing before, TreeListing after, string story)
    {
        try
        {
            TreeListing.AssertEqual(before, after, TreeFields.Everything & ~TreeFields.Times);
        }
        catch (AssertFailedException why)
        {
            Assert.Fail($"{story}: {why.Message}");
        }
    }

    private static void Judged(MemoryDevice device, string story)
    {
        if (Judge.Find("xfs_repair") is null) return;
        string path = Scratch.NewPath(".img");
        device.Save(path);
        try
        {
            XfsRepair.CheckClean(path);
        }
        catch (AssertFailedException why)
        {
            Assert.Fail($"{story}: {why.Message}");
        }
        finally
        {
            File.Delete(path);
        }
    }

    /// <summary>A file system with something of everything and no room.</summary>
    private static MemoryDevice Fill(string[] options)
    {
        MemoryDevice device = new(Size);
        ImageFs.Mkfs.Mkfs.Format(device, MkfsOptions.Parse(options));
        using FileSystem fs = FileSystem.Open(device, write: true, leaveOpen: true);
        fs.CreateDirectory("/grow");
        fs.CreateDirectory("/small");
        for (int i = 0; i < 30; i++) fs.CreateFile($"/small/{i}").Dispose();
        fs.CreateFile("/plain").Dispose();
        Write(fs, "/plain", 0, Bytes(1, 50_000));
        fs.CreateFile("/pieces").Dispose();
        for (int i = 0; i < 40; i++) Write(fs, "/pieces", i * 65536L, Bytes(20 + i % 3, 30_000));
        fs.Clone("/pieces", "/clone");
        fs.CreateFile("/rich").Dispose();
        for (int i = 0; i < 12; i++) fs.SetAttribute("/rich", $"user.{i}", Bytes(i, i * 300));
        using XfsFile ballast = fs.CreateFile("/.ballast");
        for (long at = 0, piece = 1 << 20; piece >= fs.Geometry.BlockSize;)
            try
            {
                ballast.Allocate(at, piece);
                at += piece;
            }
            catch (XfsNoSpaceException)
            {
                piece >>= 1;
                ballast.SetLength(at);
            }
        // Inodes too, and names until the directory cannot grow: what is left is kept for trees.
        for (int i = 0, failures = 0; failures < 3; i++)
            try
            {
                fs.CreateFile($"/grow/{i}{Long('f')}").Dispose();
            }
            catch (XfsNoSpaceException)
            {
                failures++;
            }
        return device;
    }

    private static void Open(FileSystem fs, string path, Action<XfsFile> work)
    {
        using XfsFile file = fs.OpenFile(path, write: true);
        work(file);
    }

    private static void Write(FileSystem fs, string path, long offset, byte[] bytes) => Open(fs, path, f => f.Write(offset, bytes));

    private static string Long(char letter) => new(letter, 240);

    private static byte[] Bytes(int seed, int count)
    {
        byte[] bytes = new byte[count];
        new Random(seed).NextBytes(bytes);
        return bytes;
    }
}
