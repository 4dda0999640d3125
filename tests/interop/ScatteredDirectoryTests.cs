using ImageFs.Extents;
using ImageFs.Format;
using ImageFs.Inodes;
using ImageFs.Tests.Fixtures;

namespace ImageFs.Tests.Interop;

/// <summary>
/// Directory blocks of several file system blocks that do not lie in a row: the kernel makes them where free space has no
/// run long enough. They are read as they are, and brought together before they are changed.
/// </summary>
[TestClass]
public sealed class ScatteredDirectoryTests
{
    [TestMethod]
    [DataRow("-n size=16384", 1500)]
    [DataRow("-n size=65536 -m rmapbt=1", 6000)]
    [DataRow("-b size=1024 -n size=8192", 900)]
    public void WhatTheKernelScatteredIsReadAndGathered(string options, int names)
    {
        Judge.RequireKernel();
        int seed = TestSettings.Seed;
        Console.WriteLine(TestSettings.Replay(nameof(WhatTheKernelScatteredIsReadAndGathered), seed));
        using TempImage image = Fragmented(options);
        TreeListing theirs;
        using (KernelMount mount = KernelMount.ReadWrite(image.Path))
        {
            for (int i = 0; i < names; i++) Assert.AreEqual(0, KernelCalls.Link(mount["seed"], mount[$"d/{Name(i)}"]));
            for (int i = 0; i < names; i += 7) Assert.AreEqual(0, KernelCalls.Unlink(mount[$"d/{Name(i)}"]));
            theirs = mount.List();
        }
        BothJudges.AssertClean(image);
        List<string> there = [.. Enumerable.Range(0, names).Where(i => i % 7 != 0).Select(Name)];
        using (FileSystem fs = FileSystem.Open(image.Path))
        {
            Assert.IsGreaterThan(0, Scattered(fs), "directory blocks in pieces");
            TreeListing.AssertEqual(theirs, LibraryListing.Of(fs), LibraryListing.Fields & ~TreeFields.Extents);
            foreach (string name in there) Assert.IsTrue(fs.Exists("/d/" + name), name);
            Assert.IsFalse(fs.Exists("/d/" + Name(0)));
        }

        // Nowhere is room to bring a block together: that is an error, and nothing has changed.
        using (FileSystem fs = FileSystem.Open(image.Path, write: true))
        {
            XfsException full = Assert.ThrowsExactly<XfsNoSpaceException>(() =>
            {
                foreach (string name in there) fs.Rename("/d/" + name, "/d/x" + name);
            });
            Assert.Contains("in pieces", full.Message);
        }
        BothJudges.AssertClean(image);

        // With room, every kind of block is gathered as it is changed. The log of that is one the kernel can replay.
        Random random = new(seed);
        using (FileSystem fs = FileSystem.Open(image.Path, write: true))
        {
            there = [.. fs.List("/d").Select(item => item.Name)];
            fs.DeleteFile("/fill");
            fs.Flush();
            int before = Scattered(fs);
            random.Shuffle(System.Runtime.InteropServices.CollectionsMarshal.AsSpan(there));
            for (int i = 0; i < there.Count / 2; i++) fs.DeleteFile("/d/" + there[i]);
            there.RemoveRange(0, there.Count / 2);
            for (int i = 0; i < names / 3; i++)
            {
                fs.CreateHardLink($"/d/again {i}", "/seed");
                there.Add($"again {i}");
            }
            fs.Flush();
            Assert.IsLessThan(before, Scattered(fs));
            CollectionAssert.AreEquivalent(there, fs.List("/d").Select(item => item.Name).ToArray());
            theirs = LibraryListing.Of(fs);
            fs.Volume.Abandon();
        }
        BothJudges.AssertBothReplay(image, theirs);
        using (FileSystem fs = FileSystem.Open(image.Path, write: true)) fs.DeleteDirectory("/d", recursive: true);
        BothJudges.AssertClean(image);
    }

    // Long enough that even blocks of 64 KiB are several.
    private static string Name(int i) => $"a name of some length, number {i}";

    /// <summary>A file system with an empty directory d, a file to be linked, and no free run as long as a directory block.</summary>
    private static TempImage Fragmented(string options)
    {
        TempImage image = TempImage.MadeByMkfs(40 << 20, [.. options.Split(' '), "-d", "agcount=1"]);
        using FileSystem fs = FileSystem.Open(image.Path, write: true);
        fs.CreateDirectory("/d");
        fs.CreateFile("/seed").Dispose();
        FragmentedSpace.Fill(fs, "/fill", (uint)fs.Geometry.DirectoryBlockFsBlocks);
        // What was kept in reserve is in one piece still.
        fs.Flush();
        using XfsFile rest = fs.CreateFile("/rest");
        for (long at = 0, size = fs.Geometry.DirectoryBlockSize; ; at += size)
        {
            rest.Allocate(at, size);
            if (rest.GetExtents().Count(e => e.Offset < at + size && e.Offset + e.Length > at) == 1) continue;
            rest.SetLength(at);
            return image;
        }
    }

    /// <summary>Extents of /d that begin or end inside a directory block.</summary>
    private static int Scattered(FileSystem fs)
    {
        Inode inode = fs.Inode(fs.GetEntry("/d").Inode);
        int count = 0;
        uint unit = (uint)fs.Geometry.DirectoryBlockFsBlocks;
        fs.Volume.Map.Walk(inode, ForkKind.Data, default, extent =>
        {
            if (extent.Offset.Value % unit != 0 || extent.End.Value % unit != 0) count++;
            return true;
        });
        return count;
    }
}
