using ImageFs.Format;
using ImageFs.Names;
using ImageFs.Tests.Fixtures;
using Directory = ImageFs.Directories.Directory;

namespace ImageFs.Tests.Directories;

/// <summary>The kernel reads and changes directories that the library made large and small, and the other way round.</summary>
[TestClass]
public sealed class KernelDirectoryTests
{
    [TestMethod]
    [DataRow("-b size=4096", 2400)]
    [DataRow("-b size=1024 -m rmapbt=1", 2000)]
    [DataRow("-b size=2048 -n size=4096 -i size=1024", 1600)]
    [DataRow("-n size=16384 -m rmapbt=1", 3000)]
    [DataRow("-n size=65536", 2000)]
    public void KernelAndLibraryTakeTurnsThroughAllForms(string options, int names)
    {
        Judge.RequireKernel();
        int seed = TestSettings.Seed;
        Console.WriteLine(TestSettings.Replay(nameof(KernelAndLibraryTakeTurnsThroughAllForms), seed));
        Random random = new(seed);
        using TempImage image = TempImage.MadeByMkfs(300 << 20, options.Split(' '));
        HashSet<string> forms = [];
        List<string> first = [.. MakeNames(random, names)], second = [.. MakeNames(random, names / 3)];

        // Two directories grow in turns, so that neither lies in one piece: the larger one needs a bmbt.
        using (FileSystem fs = FileSystem.Open(image.Path, write: true))
        {
            fs.CreateDirectory("/d");
            fs.CreateDirectory("/e");
            fs.CreateFile("/file").Dispose();
            for (int i = 0; i < first.Count; i++)
            {
                fs.CreateHardLink("/d/" + first[i], "/file");
                if (i < second.Count) fs.CreateHardLink("/e/" + second[i], "/file");
                if (i % 97 == 0 || i < 80) Note(fs, forms);
            }
            Note(fs, forms);
        }
        Assert.IsGreaterThanOrEqualTo(3, forms.Count, string.Join(' ', forms));
        Compare(image, mount =>
        {
            // The kernel thins one out and takes the other one back to its inode.
            Shuffle(random, first);
            foreach (string name in first.Take(names * 2 / 3)) File.Delete(mount["d/" + name]);
            first.RemoveRange(0, names * 2 / 3);
            foreach (string name in second.Skip(3)) File.Delete(mount["e/" + name]);
            second.RemoveRange(3, second.Count - 3);
            foreach (string name in MakeNames(random, 200).Where(n => !first.Contains(n)))
            {
                File.WriteAllBytes(mount["d/" + name], []);
                first.Add(name);
            }
        });

        // The library does the opposite, entry by entry, through every form.
        using (FileSystem fs = FileSystem.Open(image.Path, write: true))
        {
            Shuffle(random, first);
            foreach (string name in first.Skip(5)) fs.DeleteFile("/d/" + name);
            first.RemoveRange(5, first.Count - 5);
            foreach (string name in MakeNames(random, names).Where(n => !second.Contains(n)))
            {
                fs.CreateHardLink("/e/" + name, "/file");
                second.Add(name);
            }
            Note(fs, forms);
        }
        Compare(image, mount =>
        {
            Shuffle(random, second);
            foreach (string name in second.Take(second.Count / 2)) File.Delete(mount["e/" + name]);
            second.RemoveRange(0, second.Count / 2);
        });

        using (FileSystem fs = FileSystem.Open(image.Path, write: true))
        {
            Shuffle(random, second);
            while (second.Count > 0)
            {
                fs.DeleteFile("/e/" + second[^1]);
                second.RemoveAt(second.Count - 1);
                if (second.Count % 50 == 0 || second.Count < 30) Note(fs, forms);
            }
            fs.DeleteDirectory("/e");
        }
        Compare(image, _ => { });
        Console.WriteLine(string.Join(' ', forms.Order()));
    }

    // Names of many lengths; a third of them share one hash: bytes 32 apart are turned alike, so equal halves cancel out.
    private static IEnumerable<string> MakeNames(Random random, int count)
    {
        HashSet<string> names = [];
        while (names.Count < count)
        {
            int kind = random.Next(9);
            string half = string.Create(32, random, static (span, r) =>
            {
                foreach (ref char one in span) one = (char)('a' + r.Next(26));
            });
            names.Add(kind < 3 ? half + half : kind < 8 ? half[..random.Next(4, 32)] + names.Count : string.Concat(Enumerable.Repeat(half, 7)) + names.Count);
        }
        return names;
    }

    private static void Shuffle(Random random, List<string> names) => random.Shuffle(System.Runtime.InteropServices.CollectionsMarshal.AsSpan(names));

    private static void Note(FileSystem fs, HashSet<string> forms)
    {
        foreach (string path in new[] { "/d", "/e" })
        {
            Inodes.Inode inode = fs.Inode(fs.GetEntry(path).Inode);
            forms.Add($"{Directory.FormOf(new NameOperations(fs.Volume).Open(inode))} {inode.Core.Format}");
        }
    }

    private static void Compare(TempImage image, Action<KernelMount> change)
    {
        XfsRepair.CheckClean(image.Path);
        TreeListing ours = LibraryListing.Of(image.Path), theirs;
        using (KernelMount mount = KernelMount.ReadWrite(image.Path))
        {
            TreeListing.AssertEqual(mount.List(), ours, LibraryListing.Fields & ~TreeFields.Extents);
            change(mount);
            theirs = mount.List();
            mount.AssertNoComplaints();
        }
        XfsRepair.CheckClean(image.Path);
        TreeListing.AssertEqual(theirs, LibraryListing.Of(image.Path), LibraryListing.Fields & ~TreeFields.Extents);
    }
}
