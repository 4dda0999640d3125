using ImageFs.Format;
using ImageFs.Fsck;
using ImageFs.Tests.Fixtures;

namespace ImageFs.Tests.Fsck;

/// <summary>An inode's own bytes are gone: what others know of it is enough for its data and, if it is a directory, for its names.</summary>
[TestClass]
public sealed class LostInodeTests
{
    private static TreeListing Repaired(DamagedImage image, ulong lost, out IReadOnlyList<string> notes)
    {
        image.Device.Write(image.InodeOffset(lost), new byte[image.Geometry.InodeSize]);
        FsckReport report = Repairer.Repair(image.Device);
        Assert.AreEqual(FsckExit.Repaired, report.Exit, report.Text());
        FsckOf.Device(image.Device).MustBeSilent();
        notes = report.Repair!.Notes;
        using TempImage file = TempImage.NotYetThere();
        image.Device.Save(file.Path);
        if (Judge.Find("xfs_repair") is not null) XfsRepair.CheckClean(file.Path);
        return LibraryListing.Of(file.Path);
    }

    private static ulong[] Some(DamagedImage image, int most, Func<InodeCore, bool> condition) =>
        [.. image.Inodes().Where(n => image.Core(n) is { Mode.Value: not 0, LinkCount.Value: not 0 } core && core.Format is ForkFormat.Extents or ForkFormat.Btree && core.BlockCount > 0 && condition(core)).Take(most)];

    private static byte[] Contents(DamagedImage image, ulong inode)
    {
        using FileSystem fs = FileSystem.Open(image.Device, write: false, leaveOpen: true);
        using XfsFile file = fs.OpenFile(new InodeNumber(inode));
        byte[] bytes = new byte[file.Length];
        for (int at = 0; at < bytes.Length;) at += file.Read(at, bytes.AsSpan(at));
        return bytes;
    }

    /// <summary>The reverse map gives all extents back; without one, a bmbt that names its owner does.</summary>
    [TestMethod]
    [DataRow("plain-4k", false)]
    [DataRow("shared-4k", false)]
    [DataRow("fragmented-1k", true)]
    [DataRow("fragmented-4k", true)]
    public void AFileKeepsItsPlaceAndItsBytes(string name, bool btree)
    {
        ulong[] files = Some(new DamagedImage(name), 4, c => c.IsRegular && (c.Format == ForkFormat.Btree || !btree) && c.FileSize > 0);
        Assert.IsNotEmpty(files);
        foreach (ulong inode in files)
        {
            DamagedImage image = new(name);
            byte[] before = Contents(image, inode);
            TreeListing tree = LibraryListing.Of(SampleImages.Path(name));
            TreeListing after = Repaired(image, inode, out IReadOnlyList<string> notes);
            Console.WriteLine(string.Join(Environment.NewLine, notes));
            TreeListing.AssertEqual(tree, after, TreeFields.Names);
            byte[] now = Contents(image, inode);
            // A hole behind the last block is not known to anybody.
            int both = Math.Min(before.Length, now.Length);
            Assert.IsTrue(before.AsSpan(0, both).SequenceEqual(now.AsSpan(0, both)), $"inode {inode}: other bytes");
            Assert.IsFalse(now.AsSpan(both).ContainsAnyExcept((byte)0) || before.AsSpan(both).ContainsAnyExcept((byte)0), $"inode {inode}: {now.Length} bytes, {before.Length} before");
            Assert.Contains($"inode {inode} was lost", string.Join('\n', notes));
        }
    }

    /// <summary>With a reverse map, and without one from the blocks that name the directory.</summary>
    [TestMethod]
    [DataRow("dirs-4k")]
    [DataRow("dirs-1k")]
    [DataRow("dirs-8k")]
    public void ADirectoryKeepsItsNames(string name)
    {
        ulong[] directories = Some(new DamagedImage(name), 12, c => c.IsDirectory);
        Assert.IsNotEmpty(directories);
        TreeListing before = LibraryListing.Of(SampleImages.Path(name));
        foreach (ulong inode in directories)
        {
            TreeListing after = Repaired(new DamagedImage(name), inode, out _);
            TreeListing.AssertEqual(before, after, TreeFields.Links | TreeFields.Contents);
        }
    }

    [TestMethod]
    public void ASymlinkKeepsItsTarget()
    {
        DamagedImage image = new("plain-4k");
        ulong inode = image.FindUsed(c => c.IsSymlink && c.Format == ForkFormat.Extents);
        TreeListing before = LibraryListing.Of(SampleImages.Path("plain-4k")), after = Repaired(image, inode, out _);
        TreeListing.AssertEqual(before, after, TreeFields.Links | TreeFields.Contents);
    }

    /// <summary>All the inodes of a block go at once.</summary>
    [TestMethod]
    public void ABlockOfInodesIsMadeAnew()
    {
        DamagedImage image = new("fragmented-1k");
        ulong inode = Some(image, 1, c => c.IsRegular && c.Format == ForkFormat.Btree)[0];
        long block = image.InodeOffset(inode) / image.Geometry.BlockSize * image.Geometry.BlockSize;
        image.Device.Write(block, new byte[image.Geometry.BlockSize]);
        Repaired(image, inode, out IReadOnlyList<string> notes);
        Assert.IsNotEmpty(notes);
    }
}
