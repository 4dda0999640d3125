using ImageFs.Directories;
using ImageFs.Format;
using ImageFs.Tests.Fixtures;
using ImageFs.Transactions;
using Directory = ImageFs.Directories.Directory;

namespace ImageFs.Tests.Directories;

/// <summary>Directories of every form against a dictionary, with every block looked at after each batch.</summary>
[TestClass]
public sealed class DirectoryTests
{
    private static DirectoryModel NewModel(int seed, int blockSize = 4096, int directoryBlockSize = 4096, int forkSize = 336, long cacheLimit = 256L << 20) =>
        new(new DirectoryWorld(blockSize, directoryBlockSize, forkSize, cacheLimit), new Random(seed));

    [TestMethod]
    public void ANewDirectoryIsEmptyAndHasSixBytesOrTen()
    {
        DirectoryModel model = NewModel(1);
        model.Check();
        Assert.AreEqual(6UL, model.World.Core.FileSize.Value);
        model.Parent = model.World.SomeInode(model.Random, wide: true);
        model.World.Do(tx => Directory.Initialize(tx, model.World, model.Parent));
        model.Check();
        Assert.AreEqual(10UL, model.World.Core.FileSize.Value);
    }

    [TestMethod]
    public void OneWideInodeNumberWidensAllAndItsRemovalNarrowsThem()
    {
        DirectoryModel model = NewModel(2);
        model.Add("a");
        model.Add("b");
        Assert.AreEqual(6UL + 2 * 9, model.World.Core.FileSize.Value);
        model.Wide = 1;
        model.Add("wide");
        model.Check();
        Assert.AreEqual(10UL + 2 * 13 + 16, model.World.Core.FileSize.Value);
        model.ReplaceParent();
        model.Remove("wide");
        model.Check();
        Assert.AreEqual(10UL + 2 * 13, model.World.Core.FileSize.Value);
        model.Wide = 0;
        model.ReplaceParent();
        model.Check();
        Assert.AreEqual(6UL + 2 * 9, model.World.Core.FileSize.Value);
    }

    [TestMethod]
    public void WideningAFullShortFormMakesItABlock()
    {
        DirectoryModel model = NewModel(3);
        while (model.World.Core.FileSize + 12 <= (ulong)model.World.ForkSize) model.Add($"n{model.Names.Count:d3}");
        Assert.AreEqual("Short", model.Check().Form);
        model.Wide = 1;
        model.Replace(model.Any());
        Assert.AreEqual("Block", model.Check().Form);
        model.ReplaceParent();
        model.Check();
    }

    [TestMethod]
    [DataRow(1024, 1024)]
    [DataRow(1024, 4096)]
    [DataRow(4096, 4096)]
    [DataRow(4096, 65536)]
    [DataRow(65536, 65536)]
    public void ADirectoryGrowsThroughItsFormsAndShrinksBack(int blockSize, int directoryBlockSize)
    {
        DirectoryModel model = NewModel(4, blockSize, directoryBlockSize);
        HashSet<string> forms = [];
        int most = directoryBlockSize / 4;
        int step = Math.Max(1, most / 64);
        for (int i = 0; i < most; i++)
        {
            model.Add($"file number {i}");
            if (i % step == 0 || i < 40) forms.Add(model.Check().Form);
        }
        forms.Add(model.Check().Form);
        Assert.Contains("Short", forms);
        Assert.Contains("Block", forms);
        Assert.Contains("Leaf", forms);
        Assert.Contains("Node", forms);
        forms.Clear();
        // Last in, first out: the way back is the way there.
        while (model.Names.Count > 0)
        {
            model.Remove($"file number {model.Names.Count - 1}");
            if (model.Names.Count % step == 0 || model.Names.Count < 200) forms.Add(model.Check().Form);
        }
        Assert.Contains("Short", forms);
        Assert.Contains("Block", forms);
        Assert.Contains("Leaf", forms);
        Assert.AreEqual(6UL, model.World.Core.FileSize.Value);
    }

    [TestMethod]
    [DataRow(1024, 1024, 336, 12000)]
    [DataRow(1024, 2048, 80, 8000)]
    [DataRow(4096, 4096, 336, 12000)]
    [DataRow(4096, 16384, 1872, 8000)]
    [DataRow(4096, 65536, 336, 12000)]
    public void RandomChangesLeaveWhatADictionaryHolds(int blockSize, int directoryBlockSize, int forkSize, int operations)
    {
        int seed = TestSettings.Seed;
        Console.WriteLine(TestSettings.Replay(nameof(RandomChangesLeaveWhatADictionaryHolds), seed));
        Random random = new(seed);
        // A small cache: blocks are read back, and verified, all the time.
        DirectoryModel model = new(new DirectoryWorld(blockSize, directoryBlockSize, forkSize, cacheLimit: 24L * directoryBlockSize), random);
        string[] equal = [.. Names.Colliding(600)];
        HashSet<string> forms = [];
        for (int i = 0; i < operations * TestSettings.Sweep;)
        {
            // A batch leans towards growing or shrinking, by a lot or a little, down to nothing at times.
            double grow = random.Next(3) switch { 0 => 0.95, 1 => 0.5, _ => 0.05 };
            int batch = random.Next(1, operations / 12), longest = random.Next(3) == 0 ? 255 : 40;
            model.Wide = random.Next(3) == 0 ? 0.1 : 0;
            for (; batch > 0; batch--, i++)
            {
                double dice = random.NextDouble();
                if (dice < 0.03) model.ReplaceParent();
                else if (dice < 0.1 && model.Names.Count > 0) model.Replace(model.Any());
                else if (dice < 0.13) Try(name => model.AddAndAbort(name));
                else if (dice < 0.15 && model.Names.Count > 0) model.RemoveAndAbort(model.Any());
                else if (random.NextDouble() < grow) Try(model.Add);
                else if (model.Names.Count > 0) model.RemoveAny();
                if (i % 50 == 0 && model.Names.Count < 100) forms.Add(model.Check().Form);
            }
            forms.Add(model.Check().Form);

            void Try(Action<string> add)
            {
                string name = random.Next(10) == 0 ? equal[random.Next(equal.Length)] : Names.Some(random, longest);
                if (name is not ("." or "..") && !model.Names.ContainsKey(name)) add(name);
            }
        }
        Console.WriteLine(string.Join(' ', forms));
    }

    [TestMethod]
    public void ANameThatExistsIsRefusedInEveryForm()
    {
        DirectoryModel model = NewModel(6, 1024, 1024);
        HashSet<string> forms = [];
        for (int i = 0; i < 400; i++)
        {
            string name = $"name {i}";
            model.Add(name);
            XfsException e = Assert.ThrowsExactly<XfsException>(() => model.AddAndAbort(name));
            Assert.AreEqual(Errno.EEXIST, e.Errno);
            using Transaction tx = model.World.Begin();
            Assert.AreEqual(Errno.ENOENT, Assert.ThrowsExactly<XfsException>(() => Directory.Replace(tx, model.World, "absent"u8, model.World.Number, DirectoryFileType.Regular)).Errno);
            Assert.IsFalse(Directory.Remove(tx, model.World, "absent"u8, out _));
            forms.Add(Directory.FormOf(model.World).ToString());
        }
        model.Check();
        Assert.HasCount(4, forms);
    }

    [TestMethod]
    public void NamesNobodyMayHaveAreRefused()
    {
        DirectoryModel model = NewModel(7);
        using Transaction tx = model.World.Begin();
        void Refused(int errno, byte[] name) =>
            Assert.AreEqual(errno, Assert.ThrowsExactly<XfsException>(() => Directory.Add(tx, model.World, name, model.World.Number, DirectoryFileType.Regular)).Errno);
        Refused(Errno.EINVAL, []);
        Refused(Errno.EINVAL, [.. "a/b"u8]);
        Refused(Errno.EINVAL, [.. "a\0b"u8]);
        Refused(Errno.EEXIST, [.. "."u8]);
        Refused(Errno.EEXIST, [.. ".."u8]);
        Refused(Errno.ENAMETOOLONG, new byte[256]);
        Assert.AreEqual(Errno.EINVAL, Assert.ThrowsExactly<XfsException>(() => Directory.Remove(tx, model.World, ".."u8, out _)).Errno);
        model.Check();
    }

    [TestMethod]
    public void NamesOfEqualHashAreToldApartInEveryForm()
    {
        DirectoryModel model = NewModel(8, 1024, 1024);
        HashSet<string> forms = [];
        string[] names = [.. Names.Colliding(1500)];
        Assert.AreEqual(1, names.Select(n => DirectoryName.Hash(System.Text.Encoding.Latin1.GetBytes(n))).Distinct().Count());
        foreach (string name in names)
        {
            model.Add(name);
            if (model.Names.Count is < 50 or 100 or 1500) forms.Add(model.Check().Form);
        }
        while (model.Names.Count > 0)
        {
            model.RemoveAny();
            if (model.Names.Count % 100 == 0 || model.Names.Count < 50) forms.Add(model.Check().Form);
        }
        Assert.HasCount(4, forms);
    }

    [TestMethod]
    public void AFullDeviceRefusesTheNameAndKeepsTheDirectory()
    {
        DirectoryModel model = NewModel(9, 1024, 1024);
        HashSet<string> forms = [];
        for (int i = 0, refused = 0; refused < 60; i++)
        {
            model.World.Room = 0;
            try
            {
                model.Add($"some name {i}");
            }
            catch (XfsNoSpaceException)
            {
                refused++;
                forms.Add(model.Check().Form);
                model.World.Room = 1;
                // One block may not be enough either: a conversion or a split takes several.
                try { model.Add($"some name {i}"); }
                catch (XfsNoSpaceException)
                {
                    model.Check();
                    model.World.Room = 8;
                    model.Add($"some name {i}");
                }
            }
        }
        model.Check();
        Assert.HasCount(4, forms);
    }

    [TestMethod]
    public void ALargeDirectoryHasSeveralLevelsAndFreeBlocksAndGoesAwayCompletely()
    {
        DirectoryModel model = NewModel(10, 1024, 1024);
        model.World.Verify = false;
        int most = 60_000 * TestSettings.Sweep;
        for (int i = 0; i < most; i++) model.Add($"entry {i}");
        DirectoryValidator facts = model.Check();
        Assert.IsGreaterThanOrEqualTo(3, facts.FreeBlocks);
        Assert.IsGreaterThanOrEqualTo(2, facts.Levels);
        Console.WriteLine($"{facts.DataBlocks} data blocks, {facts.Leaves} leaves, {facts.Levels} levels, {facts.FreeBlocks} free blocks");
        // Down to a few that lie anywhere, up again into the holes, and down to nothing.
        while (model.Names.Count > most / 50) model.RemoveAny();
        facts = model.Check();
        Console.WriteLine($"{facts.DataBlocks} data blocks, {facts.Leaves} leaves, {facts.Levels} levels, {facts.FreeBlocks} free blocks");
        ulong size = model.World.Core.FileSize;
        for (int i = 0; i < most / 10; i++) model.Add($"again {i}");
        model.Check();
        Assert.AreEqual(size, model.World.Core.FileSize.Value, "holes are filled before the directory grows");
        while (model.Names.Count > 0) model.RemoveAny();
        Assert.AreEqual("Short", model.Check().Form);
    }
}
