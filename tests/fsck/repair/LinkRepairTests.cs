using ImageFs.Devices;
using ImageFs.Directories;
using ImageFs.Format;
using ImageFs.Fsck;
using ImageFs.Names;
using ImageFs.Tests.Fixtures;

using Directory = ImageFs.Directories.Directory;

namespace ImageFs.Tests.Fsck;

/// <summary>Directories that make no tree: named twice, or by their own descendants. Names and nothing else are wrong.</summary>
[TestClass]
public sealed class LinkRepairTests
{
    private static MemoryDevice Chain()
    {
        MemoryDevice device = new(64 << 20);
        ImageFs.Mkfs.Mkfs.Format(device, new());
        using FileSystem fs = FileSystem.Open(device, write: true, leaveOpen: true);
        foreach (string path in new[] { "/a", "/a/b", "/a/b/c" })
        {
            fs.CreateDirectory(path);
            using XfsFile file = fs.CreateFile($"{path}/file");
            file.Write(0, System.Text.Encoding.ASCII.GetBytes($"in {path}"));
        }
        return device;
    }

    /// <summary>Adds or removes an entry and nothing else.</summary>
    private static void Entry(FileSystem fs, string directory, string name, string? to)
    {
        DirectoryStorage storage = new(fs.Volume.Groups, fs.Volume.Map, fs.Volume.Inodes.Get(fs.GetEntry(directory).Inode));
        InodeNumber? target = to is null ? null : fs.GetEntry(to).Inode;
        fs.Volume.Run(tx =>
        {
            if (target is InodeNumber child) Directory.Add(tx, storage, System.Text.Encoding.ASCII.GetBytes(name), child, DirectoryFileType.Directory);
            else Directory.Remove(tx, storage, System.Text.Encoding.ASCII.GetBytes(name), out _);
        });
    }

    private static TreeListing Repaired(MemoryDevice device, FindingCode finding)
    {
        FsckReport report = Repairer.Repair(device);
        Assert.IsTrue(report.Counts.ContainsKey(finding), report.Text());
        Assert.AreEqual(FsckExit.Repaired, report.Exit, report.Text());
        FsckOf.Device(device).MustBeSilent();
        using TempImage file = TempImage.NotYetThere();
        device.Save(file.Path);
        if (Judge.Find("xfs_repair") is not null) XfsRepair.CheckClean(file.Path);
        return LibraryListing.Of(file.Path);
    }

    [TestMethod]
    public void ADirectoryOfTwoNamesKeepsOne()
    {
        MemoryDevice device = Chain();
        using (FileSystem fs = FileSystem.Open(device, write: true, leaveOpen: true)) Entry(fs, "/a/b", "again", "/a/b/c");
        using (FileSystem fs = FileSystem.Open(device, write: true, leaveOpen: true)) Entry(fs, "/", "third", "/a/b/c");
        Assert.AreEqual(3, Repaired(device, FindingCodes.DirectoryTwoParents).Entries.Count(e => e.Kind == EntryKind.File));
    }

    [TestMethod]
    public void ARingOfDirectoriesIsOpened()
    {
        MemoryDevice device = Chain();
        using (FileSystem fs = FileSystem.Open(device, write: true, leaveOpen: true))
        {
            Entry(fs, "/a/b/c", "up", "/a");
            Entry(fs, "/", "a", null);
        }
        TreeListing after = Repaired(device, FindingCodes.DirectoryCycle);
        Assert.AreEqual(3, after.Entries.Count(e => e.Kind == EntryKind.File));
        Assert.IsTrue(after.Entries.All(e => e.Path is "." || e.Path.StartsWith("lost+found", StringComparison.Ordinal)));
    }
}
