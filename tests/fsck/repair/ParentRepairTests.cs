using ImageFs.Devices;
using ImageFs.Format;
using ImageFs.Fsck;
using ImageFs.Tests.Fixtures;

namespace ImageFs.Tests.Fsck;

/// <summary>Directories and parent pointers mend each other.</summary>
[TestClass]
public sealed class ParentRepairTests
{
    /// <summary>A tree whose directories have several blocks, with files of several names in several directories.</summary>
    private static DamagedImage Tree(string options = "")
    {
        MemoryDevice device = new(64 << 20);
        ImageFs.Mkfs.Mkfs.Format(device, new() { ParentPointers = true, BlockSize = options == "1k" ? 1024 : 4096 });
        using (FileSystem fs = FileSystem.Open(device, write: true, leaveOpen: true))
        {
            fs.CreateDirectory("/a");
            fs.CreateDirectory("/b");
            for (int i = 0; i < 200; i++)
            {
                string name = $"/a/{new string('n', 60)}{i}";
                if (i % 7 == 0)
                {
                    fs.CreateDirectory(name);
                    fs.CreateFile($"{name}/inside").Dispose();
                    continue;
                }
                using (XfsFile file = fs.CreateFile(name)) file.Write(0, System.Text.Encoding.ASCII.GetBytes($"contents of {i}"));
                if (i % 5 == 0) fs.CreateHardLink($"/b/{i}", name);
                if (i % 10 == 0) fs.CreateHardLink($"/a/second-{i}", name);
            }
        }
        return new DamagedImage(device);
    }

    private static ulong Inode(DamagedImage image, string path)
    {
        using FileSystem fs = FileSystem.Open(image.Device, write: false, leaveOpen: true);
        return fs.GetEntry(path).Inode.Value;
    }

    private static void RepairAndJudge(DamagedImage image, TreeListing before, TreeFields fields, string about)
    {
        FsckReport report = Repairer.Repair(image.Device);
        Assert.AreEqual(FsckExit.Repaired, report.Exit, $"{about}: {report.Text()}");
        FsckOf.Device(image.Device).MustBeSilent(about);
        using (FileSystem fs = FileSystem.Open(image.Device, write: false, leaveOpen: true)) TreeListing.AssertEqual(before, LibraryListing.Of(fs), fields);
        if (!Judge.HasKernel) return;
        using TempImage file = TempImage.NotYetThere();
        image.Device.Save(file.Path);
        XfsRepair.CheckClean(file.Path);
        using KernelMount mount = KernelMount.ReadWrite(file.Path);
        Assert.IsGreaterThan(200, KernelParents.AssertComplete(mount));
        mount.AssertNoComplaints();
    }

    private static TreeListing List(DamagedImage image)
    {
        using FileSystem fs = FileSystem.Open(image.Device, write: false, leaveOpen: true);
        return LibraryListing.Of(fs);
    }

    /// <summary>Every block of the largest directory, one after the other: its names, files and directories, are all where they were.</summary>
    [TestMethod]
    [DataRow("4k")]
    [DataRow("1k")]
    public void ALostDirectoryBlockCostsNoName(string options)
    {
        DamagedImage whole = Tree(options);
        TreeListing before = List(whole);
        ulong directory = Inode(whole, "/a");
        ulong blocks = whole.Core(directory).FileSize >> whole.Geometry.BlockLog;
        Assert.IsGreaterThan(3ul, blocks);
        for (ulong block = 0; block < blocks; block += (ulong)whole.Geometry.DirectoryBlockFsBlocks)
        {
            DamagedImage image = new(whole.Device.Clone());
            image.Device.Write(image.FileBlock(directory, block), new byte[image.Geometry.DirectoryBlockSize]);
            RepairAndJudge(image, before, TreeFields.Links | TreeFields.Sizes | TreeFields.Contents, $"block {block}");
        }
    }

    /// <summary>A directory whose inode becomes a free one: the inode is gone, and what it named has no name any more.</summary>
    [TestMethod]
    public void WithoutTheDirectoryNothingComesBackToIt()
    {
        DamagedImage image = Tree();
        ulong directory = Inode(image, "/b");
        image.Device.Write(image.InodeOffset(directory), new byte[image.Geometry.InodeSize]);
        FsckReport report = Repairer.Repair(image.Device);
        Assert.AreEqual(FsckExit.Repaired, report.Exit, report.Text());
        FsckOf.Device(image.Device).MustBeSilent();
    }

    /// <summary>Files that have many names keep their pointers in blocks; each of those in turn is lost.</summary>
    [TestMethod]
    public void LostPointersComeBackFromTheDirectories()
    {
        MemoryDevice device = new(64 << 20);
        ImageFs.Mkfs.Mkfs.Format(device, new() { ParentPointers = true });
        using (FileSystem fs = FileSystem.Open(device, write: true, leaveOpen: true))
        {
            fs.CreateFile("/many").Dispose();
            for (int i = 0; i < 300; i++) fs.CreateHardLink($"/{i}-{new string('l', 50)}", "/many");
            fs.SetAttribute("/many", "user.kept", "value"u8);
        }
        DamagedImage whole = new(device);
        TreeListing before = List(whole);
        ulong many = Inode(whole, "/many");
        List<Extent> extents = whole.Extents(many, attribute: true);
        Assert.IsGreaterThan(2, extents.Sum(e => (int)e.Length));
        foreach (Extent extent in extents)
            for (uint b = 0; b < extent.Length; b++)
            {
                DamagedImage image = new(whole.Device.Clone());
                image.Device.Write(image.Geometry.ByteOffset(extent.Start + b), new byte[image.Geometry.BlockSize]);
                RepairAndJudge(image, before, TreeFields.Links | TreeFields.Sizes | TreeFields.Contents, $"attribute block {extent.Offset.Value + b}");
            }
    }

    /// <summary>Two directories lost their names, and each says that the other one is its parent: nobody may become his own ancestor.</summary>
    [TestMethod]
    public void PointersThatLeadInACircleAreNotFollowed()
    {
        MemoryDevice device = new(64 << 20);
        ImageFs.Mkfs.Mkfs.Format(device, new() { ParentPointers = true });
        using (FileSystem fs = FileSystem.Open(device, write: true, leaveOpen: true))
        {
            fs.CreateDirectory("/one");
            fs.CreateDirectory("/two");
        }
        DamagedImage image = new(device);
        ulong one = Inode(image, "/one"), two = Inode(image, "/two");
        // Inline pointers: header 4, lengths and flags 3, name 3, then the directory's inode and generation.
        void Point(ulong from, ulong to) => image.AttributeFork(from, b =>
        {
            System.Buffers.Binary.BinaryPrimitives.WriteUInt64BigEndian(b[10..], to);
            System.Buffers.Binary.BinaryPrimitives.WriteUInt32BigEndian(b[18..], image.Core(to).Generation);
        });
        Point(one, two);
        Point(two, one);
        // The root forgets both: no entries, two links.
        ulong root = image.Geometry.Superblock.RootInode;
        image.Fork(root, b => b[0] = 0);
        image.Inode(root, (ref InodeCore c) => { c.FileSize = 6; c.LinkCount = 2; });
        FsckReport report = Repairer.Repair(image.Device);
        Assert.AreEqual(FsckExit.Repaired, report.Exit, report.Text());
        FsckOf.Device(image.Device).MustBeSilent();
        string[] paths = [.. List(image).Entries.Select(e => e.Path).Order(StringComparer.Ordinal)];
        Assert.HasCount(4, paths, string.Join(", ", paths)); // the root, lost+found, one in it, the other one in that
    }
}
