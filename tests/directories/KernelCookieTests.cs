using System.Buffers.Binary;
using System.Runtime.InteropServices;
using ImageFs.Format;
using ImageFs.Names;
using ImageFs.Tests.Fixtures;
using Directory = ImageFs.Directories.Directory;

namespace ImageFs.Tests.Directories;

/// <summary>The cookies of entries are those the kernel gives out (telldir), and whoever stops in a listing goes on in it whatever was removed meanwhile.</summary>
[TestClass]
public sealed class KernelCookieTests
{
    [TestMethod]
    [DataRow("", 3), DataRow("", 60), DataRow("", 400), DataRow("", 4000)]
    [DataRow("-b size=1024", 900), DataRow("-n size=65536", 2500)]
    public void CookiesAreTheKernels(string options, int names)
    {
        Judge.RequireKernel();
        using TempImage image = Make(options, names);
        List<(string Name, long Cookie)> ours;
        using (FileSystem fs = FileSystem.Open(image.Path)) ours = Page(fs, "/d", 0, int.MaxValue);
        Assert.HasCount(names + 2, ours);
        using (KernelMount mount = KernelMount.ReadWrite(image.Path))
        {
            Compare(ours, mount["d"]);
            // And those of entries that the kernel makes.
            System.IO.Directory.CreateDirectory(mount["k"]);
            for (int i = 0; i < names; i++) Assert.AreEqual(0, KernelCalls.Link(mount["file"], mount[$"k/{Name(i)}"]));
            for (int i = 0; i < names; i += 3) Assert.AreEqual(0, KernelCalls.Unlink(mount[$"k/{Name(i)}"]));
        }
        using (FileSystem fs = FileSystem.Open(image.Path)) ours = Page(fs, "/k", 0, int.MaxValue);
        using KernelMount again = KernelMount.ReadOnly(image.Path);
        Compare(ours, again["k"]);
    }

    [TestMethod]
    [DataRow("", 300, 11), DataRow("", 4000, 250), DataRow("-b size=1024", 1500, 40), DataRow("-n size=16384", 3000, 100)]
    public void AListingGoesOnWhereItStoppedWhileNamesGo(string options, int names, int page)
    {
        Judge.RequireKernel();
        int seed = TestSettings.Seed;
        Console.WriteLine(TestSettings.Replay(nameof(AListingGoesOnWhereItStoppedWhileNamesGo), seed));
        Random random = new(seed);
        using TempImage image = Make(options, names), copy = TempImage.CopyOf(image.Path);
        List<string> rest = [.. Enumerable.Range(0, names).Select(Name)];
        HashSet<string> seen = [], gone = [];
        using (FileSystem fs = FileSystem.Open(image.Path, write: true))
        using (KernelMount mount = KernelMount.ReadWrite(copy.Path))
        using (OpenFolder folder = new(mount["d"]))
        {
            long from = 0;
            while (true)
            {
                List<(string Name, long Cookie)> ours = Page(fs, "/d", from, page);
                folder.Seek(from);
                List<(string Name, long Next)> theirs = folder.Read(page);
                CollectionAssert.AreEqual(theirs.Select(e => e.Name).ToArray(), ours.Select(e => e.Name).ToArray(), $"from {from} on");
                if (ours.Count == 0) break;
                foreach ((string name, _) in ours) Assert.IsTrue(seen.Add(name), $"'{name}' comes twice");
                // In the end nearly everything is gone: the directory takes all its forms on the way back.
                for (int i = 0; i < page * 19 / 20 && rest.Count > 0; i++)
                {
                    int at = random.Next(rest.Count);
                    fs.DeleteFile("/d/" + rest[at]);
                    Assert.AreEqual(0, KernelCalls.Unlink(mount["d/" + rest[at]]));
                    gone.Add(rest[at]);
                    (rest[at], rest[^1]) = (rest[^1], rest[at]);
                    rest.RemoveAt(rest.Count - 1);
                }
                from = ours[^1].Cookie + 1;
            }
        }
        foreach (string name in rest) Assert.Contains(name, seen, "what was never removed is seen");
        Assert.IsGreaterThan(names / 4, gone.Count);
        XfsRepair.CheckClean(image.Path);
        OurFsck.AssertClean(image.Path);
    }

    [TestMethod]
    public void WhoRemovesWhatHeListsPageByPageMissesNothing()
    {
        using World world = new();
        world.Fs.CreateFile("/file").Dispose();
        world.Fs.CreateDirectory("/d");
        for (int i = 0; i < 5000; i++) world.Fs.CreateHardLink("/d/" + Name(i), "/file");
        long from = 0;
        for (List<(string Name, long Cookie)> page; (page = Page(world.Fs, "/d", from, 70)).Count > 0; from = page[^1].Cookie + 1)
            foreach ((string name, _) in page)
                if (name is not ("." or "..")) world.Fs.DeleteFile("/d/" + name);
        Assert.IsEmpty(world.Fs.List("/d"));
        world.Fs.DeleteDirectory("/d");
    }

    private static string Name(int i) => i % 5 == 0 ? $"a longer name, number {i}" : $"n{i}";

    /// <summary>An image with a directory /d of links to /file, made by the library.</summary>
    private static TempImage Make(string options, int names)
    {
        TempImage image = TempImage.MadeByMkfs(300 << 20, options.Split(' ', StringSplitOptions.RemoveEmptyEntries));
        using FileSystem fs = FileSystem.Open(image.Path, write: true);
        fs.CreateFile("/file").Dispose();
        fs.CreateDirectory("/d");
        for (int i = 0; i < names + names / 4; i++) fs.CreateHardLink("/d/" + Name(i), "/file");
        for (int i = names; i < names + names / 4; i++) fs.DeleteFile("/d/" + Name(i));
        return image;
    }

    private static List<(string Name, long Cookie)> Page(FileSystem fs, string path, long from, int most)
    {
        List<(string, long)> page = [];
        lock (fs.Volume.Gate)
            Directory.List(new NameOperations(fs.Volume).Open(fs.Inode(fs.GetEntry(path).Inode)), from, (name, _, _, cookie) =>
            {
                page.Add((NameText.FromBytes(name), cookie));
                return page.Count < most;
            });
        return page;
    }

    /// <summary>What the kernel says of an entry is where the next one is.</summary>
    private static void Compare(List<(string Name, long Cookie)> ours, string path)
    {
        using OpenFolder folder = new(path);
        List<(string Name, long Next)> theirs = folder.Read(int.MaxValue);
        CollectionAssert.AreEqual(theirs.Select(e => e.Name).ToArray(), ours.Select(e => e.Name).ToArray());
        CollectionAssert.AreEqual(theirs.SkipLast(1).Select(e => e.Next).ToArray(), ours.Skip(1).Select(e => e.Cookie).ToArray());
    }

    /// <summary>A directory the kernel has open.</summary>
    private sealed class OpenFolder : IDisposable
    {
        private readonly int _file;

        public OpenFolder(string path)
        {
            _file = open([.. Posix.Bytes(path), 0], 0, 0);
            Assert.IsGreaterThanOrEqualTo(0, _file, path);
        }

        public void Seek(long cookie) => Assert.AreEqual(cookie, lseek(_file, cookie, 0));

        /// <summary>The next entries, each with the cookie of the one behind it.</summary>
        public List<(string Name, long Next)> Read(int most)
        {
            List<(string, long)> entries = [];
            byte[] buffer = new byte[32 << 10];
            for (nint bytes; entries.Count < most && (bytes = getdents64(_file, buffer, buffer.Length)) != 0;)
            {
                Assert.IsGreaterThan(0, bytes);
                for (int at = 0; at < bytes && entries.Count < most; at += BinaryPrimitives.ReadUInt16LittleEndian(buffer.AsSpan(at + 16)))
                {
                    ReadOnlySpan<byte> name = buffer.AsSpan(at + 19);
                    entries.Add((NameText.FromBytes(name[..name.IndexOf((byte)0)]), BinaryPrimitives.ReadInt64LittleEndian(buffer.AsSpan(at + 8))));
                }
            }
            return entries;
        }

        public void Dispose() => close(_file);

#pragma warning disable SYSLIB1054, IDE1006 // As in the fixtures.
        [DllImport("libc")]
        private static extern int open(byte[] path, int flags, int mode);
        [DllImport("libc")]
        private static extern long lseek(int file, long offset, int whence);
        [DllImport("libc")]
        private static extern nint getdents64(int file, byte[] buffer, nint bytes);
        [DllImport("libc")]
        private static extern int close(int file);
#pragma warning restore SYSLIB1054, IDE1006
    }
}
