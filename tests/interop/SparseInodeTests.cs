using ImageFs.Allocation;
using ImageFs.BTrees;
using ImageFs.Format;
using ImageFs.Tests.Fixtures;

namespace ImageFs.Tests.Interop;

/// <summary>Inode chunks made in parts, where free space has no room for a whole one: by us, by the kernel, in turns.</summary>
[TestClass]
public sealed class SparseInodeTests
{
    [TestMethod]
    [DataRow("-m rmapbt=1")]
    [DataRow("-m finobt=0,inobtcount=0")]
    [DataRow("-m rmapbt=0,reflink=0 -i size=1024")]
    [DataRow("-b size=1024 -m rmapbt=1")]
    [DataRow("-b size=2048 -i size=1024")]
    public void WhereNoWholeChunkFitsHalvesAreMade(string options)
    {
        using TempImage image = Fragmented(options);
        int files;
        using (FileSystem fs = FileSystem.Open(image.Path, write: true))
        {
            files = CreateUntilFull(fs, 0);
            Assert.IsGreaterThan(20, Sparse(fs), "chunks in parts");
            Assert.IsLessThan(40UL, fs.Statistics.FreeInodes, "an inode is left, but no file could be made");
        }
        BothJudges.AssertClean(image);
        Judge.RequireKernel();
        AskTheKernel(image, mount =>
        {
            // What we made is the kernel's to use: half of the files go, and their inodes come again.
            for (int i = 0; i < files; i += 2) File.Delete(mount[$"d/f{i}"]);
            for (int i = 0; i < files / 3; i++) File.WriteAllBytes(mount[$"d/k{i}"], []);
        });
        using (FileSystem fs = FileSystem.Open(image.Path, write: true))
        {
            CreateUntilFull(fs, files);
            // Only the root's own chunk is left when all is gone.
            fs.DeleteDirectory("/d", recursive: true);
            fs.DeleteFile("/fill");
            Assert.AreEqual(0, Sparse(fs));
            Assert.AreEqual(64UL, fs.Statistics.Inodes);
        }
        BothJudges.AssertClean(image);
        AskTheKernel(image, mount => File.WriteAllText(mount["last"], "room again"));
    }

    [TestMethod]
    public void TheOtherHalfOfAChunkJoinsTheFirst()
    {
        using TempImage image = Fragmented("-m rmapbt=1");
        using (FileSystem fs = FileSystem.Open(image.Path, write: true))
        {
            int files = CreateUntilFull(fs, 0), parts = Sparse(fs);
            // Between the halves lie single blocks. With them gone there is room for the other halves, and for no whole chunk.
            fs.DeleteFile("/fill");
            ulong inodes = fs.Statistics.Inodes;
            CreateUntilFull(fs, files);
            Assert.IsLessThan(parts / 2, Sparse(fs), $"of {parts} chunks in parts");
            Assert.IsGreaterThan(inodes, fs.Statistics.Inodes);
        }
        BothJudges.AssertClean(image);
        Judge.RequireKernel();
        AskTheKernel(image, mount => Directory.Delete(mount["d"], recursive: true));
    }

    [TestMethod]
    public void TheKernelReplaysALogInWhichWeMadeParts()
    {
        Judge.RequireKernel();
        using TempImage image = Fragmented("-m rmapbt=1");
        TreeListing ours;
        using (FileSystem fs = FileSystem.Open(image.Path, write: true))
        {
            CreateMany(fs, 0, 1000);
            fs.Flush();
            Assert.IsGreaterThan(0, Sparse(fs));
            ours = LibraryListing.Of(fs);
            fs.Volume.Abandon();
        }
        BothJudges.AssertBothReplay(image, ours);
    }

    [TestMethod]
    public void WithoutTheFeatureNoPartIsMade()
    {
        using TempImage image = Fragmented("-i sparse=0");
        using (FileSystem fs = FileSystem.Open(image.Path, write: true))
        {
            // Only where the file system had kept space back were whole chunks to be had.
            CreateUntilFull(fs, 0);
            Assert.IsLessThan(10 * 64UL, fs.Statistics.Inodes);
            Assert.AreEqual(0UL, fs.Statistics.Inodes % 64);
        }
        BothJudges.AssertClean(image);
    }

    /// <summary>A small file system whose free space has holes as long as a chunk less one block, and a directory d.</summary>
    private static TempImage Fragmented(string options)
    {
        TempImage image = TempImage.MadeByMkfs(18 << 20, [.. options.Split(' '), "-d", "agcount=1"]);
        using FileSystem fs = FileSystem.Open(image.Path, write: true);
        fs.CreateDirectory("/d");
        FragmentedSpace.Fill(fs, "/fill", fs.Geometry.ChunkBlocks);
        return image;
    }

    private static int CreateUntilFull(FileSystem fs, int from)
    {
        for (int i = from; ; i++)
            try
            {
                fs.CreateFile($"/d/f{i}").Dispose();
            }
            catch (XfsNoSpaceException)
            {
                return i;
            }
    }

    private static void CreateMany(FileSystem fs, int from, int count)
    {
        for (int i = from; i < from + count; i++) fs.CreateFile($"/d/f{i}").Dispose();
    }

    private static int Sparse(FileSystem fs)
    {
        int count = 0;
        BtreeCursor<InobtKind, InodeChunkRecord, BigEndian32> cursor = new(fs.Volume.Groups[new AgNumber(0)].Inobt);
        for (bool more = cursor.First(); more; more = cursor.Next())
            if (cursor.Current.HoleMask != 0) count++;
        return count;
    }

    private static void AskTheKernel(TempImage image, Action<KernelMount> work)
    {
        TreeListing ours = LibraryListing.Of(image.Path), theirs;
        using (KernelMount mount = KernelMount.ReadWrite(image.Path))
        {
            TreeListing.AssertEqual(ours, mount.List(), LibraryListing.Fields & ~TreeFields.Extents);
            work(mount);
            theirs = mount.List();
            mount.AssertNoComplaints();
        }
        BothJudges.AssertClean(image);
        TreeListing.AssertEqual(theirs, LibraryListing.Of(image.Path), LibraryListing.Fields & ~TreeFields.Extents);
    }
}
