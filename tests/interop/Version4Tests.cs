using ImageFs.Devices;
using ImageFs.Format;
using ImageFs.Fsck;
using ImageFs.Tests.Fixtures;
using static ImageFs.Tests.Cli.CliRun;

namespace ImageFs.Tests.Interop;

/// <summary>Images of version 4 are read as the kernel reads them, logs included, and are never written.</summary>
[TestClass]
public sealed class Version4Tests
{
    public static IEnumerable<object[]> Samples => SampleImages.Version4.Select(name => new object[] { name });

    [TestMethod, DynamicData(nameof(Samples))]
    public void ASampleReadsAsTheKernelReadItAndStaysAsItIs(string name)
    {
        using TempImage image = SampleImages.Copy(name);
        byte[] before = File.ReadAllBytes(image.Path);
        bool dirty = name.Contains("dirty", StringComparison.Ordinal);
        TreeListing.AssertEqual(SampleImages.Listing(name), LibraryListing.Of(image.Path), dirty ? LibraryListing.Fields & ~TreeFields.Extents : LibraryListing.Fields);
        using (FileSystem fs = FileSystem.Open(image.Path))
        {
            Assert.AreEqual(dirty, fs.WasRecovered);
            Assert.IsTrue(fs.IsReadOnly);
            Assert.AreEqual(4, fs.Geometry.Superblock.Version);
        }
        CollectionAssert.AreEqual(before, File.ReadAllBytes(image.Path), "reading wrote to it");
    }

    [TestMethod]
    public void AttributesInLeavesOf64KiBAreReadWhereverTheyLie()
    {
        Judge.RequireDb();
        using TempImage image = TempImage.MadeByMkfs(320 << 20, "-m", "crc=0,finobt=0", "-b", "size=65536");
        string root = $"inode {XfsDb.Print(image.Path, "sb 0", "p rootino").Number("rootino")}";
        // A small one takes the place at the very end that a large one leaves.
        foreach (string change in new[] { "attr_set -u -v 30000 large", "attr_set -u -v 20000 second", "attr_remove -u large", "attr_set -u -v 20 small" })
            XfsDb.Write(image.Path, root, change);
        Assert.IsGreaterThan(65536 - 48, XfsDb.Print(image.Path, root, "ablock 0", "p entries[0].nameidx").Number("entries[0].nameidx"));
        using FileSystem fs = FileSystem.Open(image.Path);
        CollectionAssert.AreEquivalent(new[] { "user.second", "user.small" }, fs.ListAttributes("/").Select(a => a.Name).ToArray());
        CollectionAssert.AreEqual(World.Repeat((byte)'v', 20), fs.GetAttribute("/", "user.small"));
        CollectionAssert.AreEqual(World.Repeat((byte)'v', 20000), fs.GetAttribute("/", "user.second"));
    }

    [TestMethod, DynamicData(nameof(Samples))]
    public void EveryVerbThatReadsWorksAndEveryOneThatWritesIsRefusedByName(string name)
    {
        using TempImage image = SampleImages.Copy(name);
        byte[] before = File.ReadAllBytes(image.Path);
        TreeListing listing = SampleImages.Listing(name);
        int files = listing.Entries.Count;
        Assert.HasCount(files, Run("manifest", image.Path).Ok().Trim().Split('\n'));
        StringAssert.Contains(Run("info", image.Path).Ok(), "version 4");
        StringAssert.Contains(Run("info", "--json", image.Path).Ok(), "version 4");
        Run("ls", "-l", "-R", image.Path).Ok();
        foreach (TreeEntry entry in listing.Entries.Where(e => e.Kind == EntryKind.File).Take(20))
        {
            Cli.CliResult contents = Run("cat", image.Path, "/" + entry.Path);
            Assert.AreEqual(0, contents.Code, contents.Error);
            if (entry.Size > 0) Assert.AreEqual(entry.Sha256, TreeListing.Digest(contents.Bytes), entry.Path);
            Run("stat", "-e", image.Path, "/" + entry.Path).Ok();
        }
        string folder = Scratch.NewFolder();
        Assert.AreEqual(0, Run("get", image.Path, "/", folder).Code);

        string host = HostFile("x"u8);
        foreach (string[] command in (string[][])[["mkdir", image.Path, "/new"], ["put", image.Path, host, "/new"], ["rm", "-r", image.Path, "/" + listing.Entries[1].Path], ["mv", image.Path, "/" + listing.Entries[1].Path, "/other"]])
        {
            Cli.CliResult refused = Run(command);
            Assert.AreEqual(1, refused.Code, command[0]);
            StringAssert.Contains(refused.Error, "version 4", command[0]);
        }
        XfsUnsupportedException why = Assert.ThrowsExactly<XfsUnsupportedException>(() => FileSystem.Open(image.Path, write: true).Dispose());
        StringAssert.Contains(why.Message, "version 4");
        StringWriter output = new(), error = new();
        Assert.AreEqual(8, FsckProgram.Run(["-n", image.Path], output, error));
        StringAssert.Contains(error.ToString(), "version 4");
        Cli.CliResult inspected = Run("inspect", image.Path, "agf/0");
        Assert.AreEqual(1, inspected.Code);
        StringAssert.Contains(inspected.Error, "version 4");
        CollectionAssert.AreEqual(before, File.ReadAllBytes(image.Path));
    }

    /// <summary>Other shapes, made on the spot by a kernel that knows version 4, as it sees them.</summary>
    [TestMethod]
    [DataRow("small", "-b size=512 -m crc=0 -n ftype=0,size=4096 -i size=256"),
     DataRow("old", "-b size=4096 -m crc=0 -i size=512,attr=1,projid32bit=0 -l lazy-count=0,version=1 -n size=8192")]
    public void OtherShapesAreReadToo(string name, string options)
    {
        using TempImage image = TempImage.MadeByMkfs(32 << 20, options.Split(' '));
        string listing = UmlKernel.Run($"""
            mount -t xfs /dev/ubdb /mnt/m; cd /mnt/m
            . /mnt/repository/images/words
            mkdir a b; text 100000 > a/text; ln -s text a/link; ln -s "$(text 700 y | tr ' \n' '/_')" a/long; mkfifo a/fifo; ln a/text hard
            perl -e 'for (1 .. 600) {"{"} open F, ">", sprintf "b/name-%04d", $_ or die {"}"}'
            perl -e 'for (1 .. 600) {"{"} unlink sprintf "b/name-%04d", $_ if $_ > 3 && $_ < 597 {"}"}'
            setfattr -n user.one -v 1 a/text; setfattr -n user.large -v "$(text 3000)" a/text; chown 70000:80000 a/fifo
            io pieces 'pwrite -q -S 0x70 0 1m'; seq 1 2 255 | while read -r i; do echo "fpunch $((i * 4096)) 4096"; done | xfs_io pieces > /dev/null
            settle; /mnt/repository/images/list /mnt/m; cd /; umount /mnt/m
            """, image.Path);
        TreeListing.AssertEqual(TreeListing.Parse(listing), LibraryListing.Of(image.Path), LibraryListing.Fields);
        Assert.IsGreaterThan(10, TreeListing.Parse(listing).Entries.Count, name);
    }

    [TestMethod]
    public void AnInodeOfTheFirstVersionIsReadToo()
    {
        MemoryDevice device = MemoryDevice.Load(SampleImages.Path("version4-1k"));
        ulong number;
        using (FileSystem fs = FileSystem.Open(device, leaveOpen: true)) number = fs.GetEntry("/hard-link").Inode.Value;
        Geometry g = Volume.ReadSuperblock(device);
        AgInode inAg = g.InodeInAg(new InodeNumber(number));
        long place = g.ByteOffset(g.AgOf(new InodeNumber(number)), g.BlockOf(inAg)) + (inAg.Value % (uint)g.InodesPerBlock << g.InodeLog);
        // Before links were counted with 32 bits there were 16, and nothing where the project is now.
        device.Write(place + 4, new byte[] { 1 });
        device.Write(place + 6, new byte[] { 0, 2 });
        device.Write(place + 16, new byte[] { 0, 0, 0, 0, 0xAB, 0xCD, 0xEF, 0x01 });
        using FileSystem old = FileSystem.Open(device, leaveOpen: true);
        Entry entry = old.GetEntry("/hard-link");
        Assert.AreEqual((2u, 0u, 1000L), (entry.LinkCount, entry.ProjectId, entry.Length));
    }

    [TestMethod, DynamicData(nameof(Samples))]
    public void ALyingImageIsReadOrRefused(string name)
    {
        MemoryDevice healthy = MemoryDevice.Load(SampleImages.Path(name));
        Geometry g = Volume.ReadSuperblock(healthy);
        List<long> blocks = [];
        byte[] block = new byte[g.BlockSize];
        for (long at = 0; at < g.DeviceBytes; at += g.BlockSize)
        {
            healthy.Read(at, block);
            if (block.AsSpan().ContainsAnyExcept((byte)0)) blocks.Add(at);
        }
        for (int round = 0; round < 12 * TestSettings.Sweep; round++)
        {
            Random random = new(TestSettings.Seed * 1000 + round);
            MemoryDevice damaged = healthy.Clone();
            // Nothing has a checksum: every lie gets through to the code behind.
            for (int i = 0; i < blocks.Count / 4; i++)
            {
                long at = blocks[random.Next(blocks.Count)] + (random.Next(2) == 0 ? random.Next(120) : random.Next(g.BlockSize));
                damaged.Write(at, new byte[] { (byte)(random.Next(3) switch { 0 => 0, 1 => 0xFF, _ => random.Next(256) }) });
            }
            string story = $"{name}, round {round}. {TestSettings.Replay(nameof(ALyingImageIsReadOrRefused), TestSettings.Seed)}";
            Hostile.Try(() => Hostile.Allow(() =>
            {
                using FileSystem fs = FileSystem.Open(damaged, leaveOpen: true);
                _ = fs.Statistics;
                Hostile.Walk(fs);
            }), story);
        }
    }

    [TestMethod]
    public void AnImageCutOffIsRefused()
    {
        byte[] whole = File.ReadAllBytes(SampleImages.Path(SampleImages.Version4[0]));
        foreach (int length in (int[])[0, 100, 512, 4096, whole.Length / 2])
        {
            using TempImage image = TempImage.Of(whole.AsSpan(0, length));
            Assert.ThrowsExactly<CorruptionException>(() => FileSystem.Open(image.Path).Dispose(), $"{length} bytes");
        }
    }
}
