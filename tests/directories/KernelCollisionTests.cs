using ImageFs.Format;
using ImageFs.Names;
using ImageFs.Tests.Fixtures;
using Directory = ImageFs.Directories.Directory;

namespace ImageFs.Tests.Directories;

/// <summary>Thousands of names of one hash value, which fill leaf after leaf of the index: made, found and removed by the library and the kernel in turn.</summary>
[TestClass]
public sealed class KernelCollisionTests
{
    [TestMethod]
    [DataRow("-b size=4096", 3000, 4)]
    [DataRow("-b size=1024 -m rmapbt=1", 2000, 4)]
    [DataRow("-n size=65536", 3000, 3)] // a leaf of 64 KiB holds them all
    public void NamesOfOneHashAreToldApartByBoth(string options, int names, int expectedForms)
    {
        Judge.RequireKernel();
        int seed = TestSettings.Seed;
        Console.WriteLine(TestSettings.Replay(nameof(NamesOfOneHashAreToldApartByBoth), seed));
        Random random = new(seed);
        using TempImage image = TempImage.MadeByMkfs(300 << 20, options.Split(' '));
        string[] all = [.. Equal(random, names)];
        Assert.HasCount(1, all.Select(n => DirectoryName.Hash(System.Text.Encoding.ASCII.GetBytes(n))).Distinct().ToArray());
        HashSet<string> forms = [], there = [];
        using (FileSystem fs = FileSystem.Open(image.Path, write: true))
        {
            fs.CreateFile("/file").Dispose();
            fs.CreateDirectory("/d");
            foreach (string name in all.Take(names * 3 / 4))
            {
                fs.CreateHardLink("/d/" + name, "/file");
                there.Add(name);
                if (there.Count is 2 or 8 or 30 or 150 or 600) Note(fs);
                // Others behind them, which must stay findable.
                if (there.Count == 700)
                    for (int i = 0; i < 300; i++) fs.CreateHardLink("/d/" + Other(i), "/file");
            }
            Check(fs);
            Assert.HasCount(expectedForms, forms, string.Join(' ', forms));
        }
        XfsRepair.CheckClean(image.Path);
        using (KernelMount mount = KernelMount.ReadWrite(image.Path))
        {
            foreach (string name in all) Assert.AreEqual(there.Contains(name), File.Exists(mount["d/" + name]), name);
            foreach (string name in all)
                if (random.Next(2) == 0)
                {
                    bool has = there.Contains(name);
                    Assert.AreEqual(0, has ? KernelCalls.Unlink(mount["d/" + name]) : KernelCalls.Link(mount["file"], mount["d/" + name]));
                    if (has) there.Remove(name);
                    else there.Add(name);
                }
            mount.AssertNoComplaints();
        }
        XfsRepair.CheckClean(image.Path);
        using (FileSystem fs = FileSystem.Open(image.Path, write: true))
        {
            Check(fs);
            for (int i = 0; i < 300; i++) fs.DeleteFile("/d/" + Other(i));
            string[] order = [.. there];
            random.Shuffle(order);
            foreach (string name in order)
            {
                fs.DeleteFile("/d/" + name);
                there.Remove(name);
                if (there.Count == names / 10)
                    foreach (string one in all) Assert.AreEqual(there.Contains(one), fs.Exists("/d/" + one), one);
            }
            forms.Clear();
            Note(fs);
            Assert.AreEqual("Short", forms.Single());
        }
        XfsRepair.CheckClean(image.Path);
        OurFsck.AssertClean(image.Path);

        void Check(FileSystem fs)
        {
            Note(fs);
            foreach (string name in all) Assert.AreEqual(there.Contains(name), fs.Exists("/d/" + name), name);
            for (int i = 0; i < 300; i++) Assert.IsTrue(fs.Exists("/d/" + Other(i)));
            Assert.AreEqual(there.Count + 300, fs.List("/d").Count);
            Assert.AreEqual(Errno.EEXIST, World.ErrnoOf(() => fs.CreateHardLink("/d/" + there.First(), "/file")));
        }

        void Note(FileSystem fs) => forms.Add(Directory.FormOf(new NameOperations(fs.Volume).Open(fs.Inode(fs.GetEntry("/d").Inode))).ToString());
    }

    private static string Other(int i) => $"another name, number {i}";

    // Bytes 32 apart are turned alike by the hash, so two equal halves cancel out: all of these have hash 0.
    private static IEnumerable<string> Equal(Random random, int count)
    {
        HashSet<string> halves = [];
        while (halves.Count < count)
            halves.Add(string.Create(32, random, static (span, r) =>
            {
                foreach (ref char one in span) one = (char)('a' + r.Next(26));
            }));
        return halves.Select(half => half + half);
    }
}
