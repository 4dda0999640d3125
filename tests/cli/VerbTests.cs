using ImageFs.Tests.Fixtures;
using ImageFs.Tests.Fsck;
using static ImageFs.Tests.Cli.CliRun;

namespace ImageFs.Tests.Cli;

/// <summary>Every verb that works on names and contents inside an image.</summary>
[TestClass]
public sealed class VerbTests
{
    [TestMethod]
    public void MkfsMakesWhatLsFindsEmptyAndFsckFindsClean()
    {
        using TempImage image = TempImage.NotYetThere();
        StringAssert.Contains(Run("mkfs", "--size", "32m", "-b", "size=1k", image.Path).Ok(), "bsize=1024");
        Assert.AreEqual("", Run("ls", image.Path).Ok());
        StringAssert.Contains(Run("fsck", "-n", image.Path).Ok(), "clean");
    }

    [TestMethod]
    public void MkfsHasItsOwnHelpAndRefusesToOverwrite()
    {
        using TempImage image = NewImage();
        StringAssert.Contains(Run("mkfs", "-h").Ok(), "--size NUM");
        CliResult again = Run("mkfs", image.Path);
        Assert.AreEqual(1, again.Code);
        StringAssert.Contains(again.Error, "-f overwrites");
    }

    [TestMethod]
    public void FsckReturnsFourForADamagedImage()
    {
        using TempImage image = NewImage();
        using (FileStream file = File.OpenWrite(image.Path))
        {
            file.Position = 512 + 56;
            file.WriteByte(0x5A);
        }
        CliResult result = Run("fsck", "-n", image.Path);
        Assert.AreEqual(4, result.Code);
        StringAssert.Contains(result.Output, "agf-crc");
    }

    [TestMethod]
    public void WhatWasPutIsCatted()
    {
        byte[] bytes = Noise(3 << 20);
        using TempImage image = NewImage("/file", bytes);
        CliResult cat = Run("cat", image.Path, "file", "/file");
        cat.Ok();
        CollectionAssert.AreEqual((byte[])[.. bytes, .. bytes], cat.Bytes);
        CollectionAssert.AreEqual(bytes, Run("get", image.Path, "/file", "-").Bytes);
    }

    [TestMethod]
    public void NamesThatAreNoTextAreTakenAndShownAsTheyAre()
    {
        using TempImage image = NewImage();
        byte[] line = [.. "imagefs\0mkdir\0"u8, .. System.Text.Encoding.UTF8.GetBytes(image.Path), 0, 0xE9, 0x74, 0xE9, 0];
        string[] args = ImageFs.Cli.Arguments.FromCommandLine(["mkdir", image.Path, "\uFFFDt\uFFFD"], line);
        Run(args).Ok();
        CliResult listed = Run("ls", image.Path);
        listed.Ok();
        CollectionAssert.AreEqual((byte[])[0xE9, 0x74, 0xE9, (byte)'\n'], listed.Bytes);
        Run("mv", image.Path, args[2], "text").Ok();
        Assert.AreEqual("text\n", Run("ls", image.Path).Ok());
    }

    [TestMethod]
    public void LsSortsNamesAndShowsDetails()
    {
        using TempImage image = NewImage("/b", "12345"u8);
        Run("mkdir", image.Path, "/a", "/a/inner").Ok();
        Assert.AreEqual("a\nb\n", Run("ls", image.Path).Ok());
        Assert.AreEqual("inner\n", Run("ls", image.Path, "/a").Ok());
        Assert.AreEqual("/b\n", Run("ls", image.Path, "/b").Ok());
        Assert.AreEqual("/:\na\nb\n\n/a:\ninner\n\n/a/inner:\n", Run("ls", "-R", image.Path).Ok());
        StringAssert.Matches(Run("ls", "-l", image.Path, "b").Ok(), new(@"^-rw-r--r--   1     0     0          5 \d{4}-\d\d-\d\d \d\d:\d\d:\d\d b\n$"));
        StringAssert.Matches(Run("ls", "-li", image.Path).Ok(), new(@"^ +\d+ drwxr-xr-x   3 [^\n]* a\n +\d+ -rw"));
    }

    [TestMethod]
    public void MkdirMakesParentsOnlyIfAsked()
    {
        using TempImage image = NewImage();
        Assert.AreEqual("imagefs: mkdir: '/a' does not exist\n", Run("mkdir", image.Path, "/a/b").Error);
        Run("mkdir", "-p", "-m", "1777", image.Path, "/a/b").Ok();
        Run("mkdir", "-p", image.Path, "/a/b").Ok();
        Assert.AreEqual(1, Run("mkdir", image.Path, "/a/b").Code);
        StringAssert.StartsWith(Run("ls", "-l", image.Path, "/a").Ok(), "drwxrwxrwt");
        Assert.AreEqual(2, Run("mkdir", "-m", "9", image.Path, "/c").Code);
    }

    [TestMethod]
    public void RmWantsToBeAskedForTrees()
    {
        using TempImage image = NewImage("/file", "x"u8);
        Run("mkdir", "-p", image.Path, "/d/e/f").Ok();
        Assert.AreEqual("imagefs: rm: '/d' is a directory; -r removes it with everything in it\n", Run("rm", image.Path, "/d").Error);
        Assert.AreEqual("imagefs: rm: '/nothing' does not exist\n", Run("rm", image.Path, "/nothing").Error);
        Run("rm", "-f", image.Path, "/nothing").Ok();
        Run("rm", "-r", image.Path, "/d", "/file").Ok();
        Assert.AreEqual("", Run("ls", image.Path).Ok());
    }

    [TestMethod]
    public void MvRenamesMovesAndSwaps()
    {
        using TempImage image = NewImage("/a", "A"u8);
        RunWith([(byte)'B'], "put", image.Path, "-", "/b").Ok();
        Run("mkdir", image.Path, "/d").Ok();
        Assert.AreEqual(1, Run("mv", "-n", image.Path, "/a", "/b").Code);
        Run("mv", "--exchange", image.Path, "/a", "/b").Ok();
        Assert.AreEqual("B", Run("cat", image.Path, "/a").Ok());
        Run("mv", image.Path, "/a", "/b", "/d").Ok();
        Assert.AreEqual("a\nb\n", Run("ls", image.Path, "/d").Ok());
        Run("mv", image.Path, "/d/a", "/d/b").Ok();
        Assert.AreEqual("B", Run("cat", image.Path, "/d/b").Ok());
        Assert.AreEqual(1, Run("mv", image.Path, "/d/b", "/d", "/nowhere").Code, "several things need a directory to go to");
    }

    [TestMethod]
    public void CloneSharesEveryBlock()
    {
        byte[] bytes = Noise(100_000);
        using TempImage image = NewImage("/file", bytes);
        Run("mkdir", image.Path, "/d").Ok();
        Run("clone", image.Path, "/file", "/d").Ok();
        CollectionAssert.AreEqual(bytes, Run("cat", image.Path, "/d/file").Bytes);
        string extents = Run("stat", "-e", image.Path, "/d/file").Ok();
        Assert.Contains("extent                 0 + 102400", extents);
        Assert.AreEqual(1, extents.Split('\n').Count(line => line.EndsWith(" shared", StringComparison.Ordinal)), extents);
        Assert.AreEqual("imagefs: clone: ", Run("clone", image.Path, "/file", "/d/file").Error[..16], "a clone never replaces");
    }

    [TestMethod]
    public void CloneOfARangeGoesIntoAFile()
    {
        byte[] bytes = Noise(64 << 10);
        using TempImage image = NewImage("/file", bytes);
        Run("clone", "--offset", "8k", "--length", "4096", "--to-offset", "0", image.Path, "/file", "/part").Ok();
        CollectionAssert.AreEqual(bytes[8192..12288], Run("cat", image.Path, "/part").Bytes);
        CliResult odd = Run("clone", "--offset", "5", image.Path, "/file", "/part");
        Assert.AreEqual(1, odd.Code);
        Assert.AreEqual(2, Run("clone", "--offset", "5x", image.Path, "/file", "/part").Code);
    }

    [TestMethod]
    public void DedupeSharesWhatIsEqualAndSaysWhatThatBrought()
    {
        byte[] bytes = Noise(200_000);
        using TempImage image = NewImage("/a", bytes);
        RunWith(bytes, "put", image.Path, "-", "/b").Ok();
        bytes[150_000] ^= 1;
        RunWith(bytes, "put", image.Path, "-", "/c").Ok();
        Assert.AreEqual("2 files, 400000 bytes read in 1 pass, 0 were shared already\n200000 bytes would share blocks, 200704 bytes would become free (196.0 KiB)\n",
            Run("dedupe", "-n", image.Path, "/a", "/b").Ok());
        Assert.AreEqual("2 files, 400000 bytes read in 1 pass, 0 were shared already\n200000 bytes share blocks now, 200704 bytes became free (196.0 KiB)\n",
            Run("dedupe", image.Path, "/a", "/b").Ok());
        Assert.DoesNotContain(" shared", Run("stat", "-e", image.Path, "/c").Ok());
        Assert.Contains("0 bytes share blocks now", Run("dedupe", "--whole-files", image.Path).Ok());
        Assert.AreEqual("{\"dry_run\":false,\"files\":3,\"files_kept\":0,\"passes\":1,\"bytes_read\":600000,\"bytes_shared_before\":200000,\"bytes_shared\":195904,\"bytes_freed\":196608}\n",
            Run("dedupe", "--json", image.Path).Ok());
        CollectionAssert.AreEqual(bytes, Run("cat", image.Path, "/c").Bytes);
        FsckOf.File(image.Path).MustBeSilent();
    }

    [TestMethod]
    public void DedupeOfARangeComparesItWithEachOfTheOthers()
    {
        byte[] bytes = Noise(64 << 10);
        using TempImage image = NewImage("/a", bytes);
        RunWith(bytes, "put", image.Path, "-", "/b").Ok();
        bytes[20 << 10] ^= 1;
        RunWith(bytes, "put", image.Path, "-", "/c").Ok();
        Assert.AreEqual("/b: 8192 bytes share blocks now\n", Run("dedupe", "--offset", "16k", "--length", "8k", image.Path, "/a", "/b").Ok());
        StringAssert.Matches(Run("map", image.Path, "/b").Ok(), new(@"16384 +8192 .*shared"));
        CliResult mixed = Run("dedupe", "--offset", "16k", "--length", "8k", image.Path, "/a", "/c", "/b");
        Assert.AreEqual((1, "/c: the range differs\n/b: 8192 bytes share blocks now\n"), (mixed.Code, mixed.Output));
        Assert.DoesNotContain("shared", Run("map", image.Path, "/c").Ok());
        Assert.AreEqual("[{\"path\":\"/c\",\"same\":true,\"bytes_compared\":32768,\"bytes_shared\":32768}]\n",
            Run("dedupe", "--json", "--offset", "32k", "--to-offset", "32k", image.Path, "/a", "/c").Ok());
        Assert.AreEqual(1, Run("dedupe", "--offset", "5", "--length", "4k", image.Path, "/a", "/b").Code, "no whole blocks");
        Assert.AreEqual(2, Run("dedupe", "--offset", "0", image.Path, "/a").Code, "nobody to share with");
        Assert.AreEqual(2, Run("dedupe", "-n", "--offset", "0", image.Path, "/a", "/b").Code);
        CollectionAssert.AreEqual(bytes, Run("cat", image.Path, "/c").Bytes);
        FsckOf.File(image.Path).MustBeSilent();
    }

    [TestMethod]
    public void RangesOfUnshareExchangeAndCopyAreThoseThatAreGiven()
    {
        byte[] a = Noise(64 << 10), b = [.. Noise(64 << 10).Reverse()];
        using TempImage image = NewImage("/a", a);
        RunWith(b, "put", image.Path, "-", "/b").Ok();
        Run("exchange", "--offset", "4k", "--length", "8k", "--to-offset", "16k", image.Path, "/a", "/b").Ok();
        byte[] kept = a[4096..12288];
        b.AsSpan(16384, 8192).CopyTo(a.AsSpan(4096));
        kept.CopyTo(b, 16384);
        CollectionAssert.AreEqual(a, Run("cat", image.Path, "/a").Bytes);
        CollectionAssert.AreEqual(b, Run("cat", image.Path, "/b").Bytes);
        Run("clone", image.Path, "/a", "/c").Ok();
        Run("unshare", "--offset", "8k", "--length", "4k", image.Path, "/c").Ok();
        using System.Text.Json.JsonDocument map = System.Text.Json.JsonDocument.Parse(Run("map", "--json", image.Path, "/c").Ok());
        Assert.AreEqual((8192L, 4096L), map.RootElement.EnumerateArray().Where(e => !e.GetProperty("shared").GetBoolean())
            .Select(e => (e.GetProperty("offset").GetInt64(), e.GetProperty("length").GetInt64())).Single());
        Assert.AreEqual("4096 bytes copied\n", Run("copy-range", "--offset", "8k", "--length", "4k", "--to-offset", "60k", image.Path, "/a", "/c").Ok());
        CollectionAssert.AreEqual((byte[])[.. a[..(60 << 10)], .. a[8192..12288]], Run("cat", image.Path, "/c").Bytes);
        FsckOf.File(image.Path).MustBeSilent();
    }

    [TestMethod]
    public void WriteReplacesAPartOfAFileAndAtomicallyOnlyWhatMayBe()
    {
        using TempImage image = NewImage("/a", new byte[20_000]);
        RunWith("hello"u8.ToArray(), "write", "--offset", "100", image.Path, "/a").Ok();
        byte[] all = Run("cat", image.Path, "/a").Bytes;
        Assert.AreEqual(20_000, all.Length);
        Assert.AreEqual("hello", System.Text.Encoding.UTF8.GetString(all, 100, 5));
        byte[] bytes = Noise(8192);
        RunWith(bytes, "write", "--atomic", "--offset", "8k", image.Path, "/a").Ok();
        CollectionAssert.AreEqual(bytes, Run("cat", image.Path, "/a").Bytes[8192..16384]);
        RunWith(bytes, "write", "--atomic", image.Path, "/new").Ok();
        CollectionAssert.AreEqual(bytes, Run("cat", image.Path, "/new").Bytes);
        CliResult refused = RunWith(bytes, "write", "--atomic", "--offset", "4k", image.Path, "/other");
        Assert.AreEqual(1, refused.Code);
        StringAssert.Contains(refused.Error, "a power of two");
        Assert.AreEqual(1, Run("cat", image.Path, "/other").Code, "the file was not made either");
        Assert.AreEqual(1, RunWith(new byte[32 << 20], "write", "--atomic", image.Path, "/a").Code);
        FsckOf.File(image.Path).MustBeSilent();
    }

    [TestMethod]
    public void StatTellsWhatIsKnown()
    {
        using TempImage image = NewImage("/file", "hello"u8);
        string text = Run("stat", image.Path, "file", "/").Ok();
        Assert.Contains("path      /file\ntype      regular file\n", text);
        Assert.Contains("mode      0644 -rw-r--r--, uid 0, gid 0, project 0\n", text);
        Assert.Contains("size      5 bytes, 1 blocks of 4096, 1 extent, extent list in the inode\n", text);
        Assert.Contains("path      /\ntype      directory\ninode     128,", text);
    }

    [TestMethod]
    public void ANameThatControlsATerminalDoesNotReachOne()
    {
        using TempImage image = NewImage("/evil\u001b[2Jname", "x"u8);
        using MemoryStream output = new();
        using (ImageFs.Cli.Stdio io = new(() => Stream.Null, output, () => TextWriter.Null, isTerminal: true))
            Assert.AreEqual(0, ImageFs.Cli.CommandLine.Run(["ls", image.Path], io));
        Assert.AreEqual("evil?[2Jname\n", System.Text.Encoding.UTF8.GetString(output.ToArray()));
        Assert.Contains('\u001b', Run("ls", image.Path).Ok(), "a program gets the name as it is");
    }

    [TestMethod]
    public void RangeVerbsDoToAFileWhatTheySay()
    {
        byte[] bytes = Noise(64 << 10);
        using TempImage image = NewImage("/file", bytes);
        Run("punch", image.Path, "/file", "--offset", "8k", "--length", "4k").Ok();
        Run("zero", image.Path, "/file", "--offset", "16k", "--length", "8k").Ok();
        bytes.AsSpan(8 << 10, 4 << 10).Clear();
        bytes.AsSpan(16 << 10, 8 << 10).Clear();
        CollectionAssert.AreEqual(bytes, Run("cat", image.Path, "/file").Bytes);
        Run("insert", image.Path, "/file", "--offset", "4k", "--length", "4k").Ok();
        CollectionAssert.AreEqual((byte[])[.. bytes[..4096], .. new byte[4096], .. bytes[4096..]], Run("cat", image.Path, "/file").Bytes);
        Run("collapse", image.Path, "/file", "--offset", "4k", "--length", "4k").Ok();
        CollectionAssert.AreEqual(bytes, Run("cat", image.Path, "/file").Bytes);
        Run("truncate", image.Path, "/file", "--length", "1000").Ok();
        Run("allocate", image.Path, "/file", "--offset", "1m", "--length", "1m", "--keep-size").Ok();
        CollectionAssert.AreEqual(bytes[..1000], Run("cat", image.Path, "/file").Bytes);
        StringAssert.Contains(Run("map", image.Path, "/file").Ok(), "unwritten behind the end");
        StringAssert.Contains(Run("punch", image.Path, "/file").Error, "--length");
        Assert.AreEqual(1, Run("collapse", image.Path, "/file", "--length", "100").Code);
        FsckOf.File(image.Path).MustBeSilent();
    }

    [TestMethod]
    public void WriteGoesAnywhereInAFile()
    {
        using TempImage image = NewImage("/file", "hello world"u8);
        RunWith("W"u8.ToArray(), "write", image.Path, "/file", "--offset", "6").Ok();
        Assert.AreEqual("hello World", Run("cat", image.Path, "/file").Ok());
        byte[] bytes = Noise(3 << 20);
        RunWith(bytes, "write", image.Path, "/new", "--offset", "1k").Ok();
        CollectionAssert.AreEqual((byte[])[.. new byte[1024], .. bytes], Run("cat", image.Path, "/new").Bytes);
    }

    [TestMethod]
    public void CopyRangeSharesExchangeSwapsAndMapShowsIt()
    {
        byte[] a = Noise(40_000), b = [.. Noise(50_000).Reverse()];
        using TempImage image = NewImage("/a", a);
        RunWith(b, "put", image.Path, "-", "/b").Ok();
        Assert.AreEqual("40000 bytes copied\n", Run("copy-range", image.Path, "/a", "/copy").Ok());
        Assert.AreEqual("100 bytes copied\n", Run("copy-range", "--offset", "7", "--length", "100", "--to-offset", "0", image.Path, "/a", "/part").Ok());
        CollectionAssert.AreEqual(a[7..107], Run("cat", image.Path, "/part").Bytes);
        Run("exchange", "--dry-run", image.Path, "/a", "/b").Ok();
        Run("exchange", image.Path, "/a", "/b").Ok();
        CollectionAssert.AreEqual(b, Run("cat", image.Path, "/a").Bytes);
        CollectionAssert.AreEqual(a, Run("cat", image.Path, "/b").Bytes);
        Assert.DoesNotContain("shared", Run("map", image.Path, "/a").Ok());
        using System.Text.Json.JsonDocument map = System.Text.Json.JsonDocument.Parse(Run("map", "--json", image.Path, "/b").Ok());
        Assert.AreEqual(40960, map.RootElement.EnumerateArray().Where(e => e.GetProperty("shared").GetBoolean()).Sum(e => e.GetProperty("length").GetInt64()));
        Run("unshare", image.Path, "/b").Ok();
        Assert.DoesNotContain("shared", Run("map", image.Path, "/b").Ok());
        FsckOf.File(image.Path).MustBeSilent();
    }
}
