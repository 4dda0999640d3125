using System.Globalization;
using System.Text.Json;
using ImageFs.Devices;
using ImageFs.Format;
using ImageFs.Tests.Fixtures;
using static ImageFs.Tests.Cli.CliRun;

namespace ImageFs.Tests.Cli;

/// <summary>`imagefs inspect`: every kind of path, as a tree and as JSON.</summary>
[TestClass]
public sealed class InspectTests
{
    public static IEnumerable<object[]> Images => SampleImages.AllRows;

    /// <summary>Every kind of path of the help text that leads somewhere in an image.</summary>
    public static List<string> Paths(string image)
    {
        List<string> paths = ["", "sb", "sb/0", "sb/0/uuid", "agf/0", "agi/0", "agi/0/unlinked/3", "agfl/0", "agfl/0/header", "ag/0", "ag/0/sb", "ag/0/agf", "ag/0/agi/count", "ag/0/agfl",
            "inode/root", "inode/root/core/mode", "block/0/0", "fsblock/0", "daddr/0", "daddr/1", "daddr/2", "daddr/3", "log", "log/0", "log/0/ops/0/header"];
        MemoryDevice device = MemoryDevice.Load(image);
        Geometry g = Volume.ReadSuperblock(device);
        byte[] sector = new byte[g.SectorSize];
        device.Read(g.LogOffset, sector);
        // The log of an image may begin in the middle of a record.
        if (LogRecordHeader.At((ReadOnlySpan<byte>)sector).Magic == LogRecordHeader.MagicNumber) paths.Add("log/at/0");
        device.Read(g.HeaderOffset(new AgNumber(0), 1), sector);
        Agf agf = Agf.At((ReadOnlySpan<byte>)sector);
        device.Read(g.HeaderOffset(new AgNumber(0), 2), sector);
        Agi agi = Agi.At((ReadOnlySpan<byte>)sector);
        List<(string Tree, uint Root)> trees = [("bnobt", agf.BnoRoot), ("cntbt", agf.CntRoot), ("inobt", agi.Root)];
        if (g.HasFinobt) trees.Add(("finobt", agi.FreeRoot));
        if (g.HasRmapbt) trees.Add(("rmapbt", agf.RmapRoot));
        if (g.HasReflink) trees.Add(("refcountbt", agf.RefcountRoot));
        foreach ((string tree, uint root) in trees)
            paths.AddRange([$"ag/0/{tree}", $"ag/0/{tree}/root", $"ag/0/{tree}/root/header/numrecs", $"ag/0/{tree}/records", $"ag/0/{tree}/blocks", $"ag/0/{tree}/{root}", $"block/0/{root}", $"fsblock/{root}"]);
        HashSet<string> seen = [];
        for (long at = 0; at < g.DeviceBytes; at += g.BlockSize)
        {
            byte[] block = new byte[g.BlockSize];
            device.Read(at, block);
            if (block[0] != 'I' || block[1] != 'N') continue;
            for (int i = 0; i < g.InodesPerBlock; i++)
            {
                InodeCore core = InodeCore.At((ReadOnlySpan<byte>)block.AsSpan(i << g.InodeLog));
                // One of each kind; what a crash left half-changed is for the tests of hostile images.
                if (core.Mode == 0 || core.Lsn == 0 || !seen.Add($"{core.Type:x} {core.Format} {(core.ForkOffset == 0 ? "" : core.AttributeFormat)}")) continue;
                string inode = $"inode/{core.Number.Value}";
                paths.AddRange([inode, $"{inode}/core", $"{inode}/core/mtime_sec", $"{inode}/bmap", $"{inode}/attr_bmap", $"{inode}/bmbt"]);
                if (core.IsDirectory) paths.AddRange([$"{inode}/dir", $"{inode}/dir/0"]);
                if (core.ForkOffset != 0 && (core.AttributeFormat == ForkFormat.Local || core.AttrExtentCount > 0)) paths.AddRange([$"{inode}/attr", $"{inode}/attr/0"]);
                if (core.IsSymlink) paths.Add($"{inode}/symlink");
                if (core.Format == ForkFormat.Btree) paths.Add($"{inode}/bmbt/root");
                if (core.Format == ForkFormat.Btree && core.ForkOffset == 0) paths.Add($"{inode}/data_fork/ptrs/0");
            }
        }
        return paths;
    }

    [TestMethod, DynamicData(nameof(Images))]
    public void EveryKindOfPathIsShownAsATreeAndAsJson(string name)
    {
        string image = SampleImages.Path(name);
        int shown = 0;
        foreach (string path in Paths(image))
        {
            CliResult tree = Run("inspect", "--limit", "20", image, path), json = Run("inspect", "--json", "--limit", "20", image, path);
            Assert.AreEqual(0, json.Code, $"{name}, {path}: {json.Error}");
            Assert.AreEqual(0, tree.Code, $"{name}, {path}: {tree.Error}");
            Assert.AreEqual("", tree.Error + json.Error);
            StringAssert.StartsWith(tree.Output, "# ", path);
            Assert.IsGreaterThan(1, tree.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Length, path);
            using JsonDocument document = JsonDocument.Parse(json.Output);
            JsonElement root = document.RootElement;
            Assert.AreEqual(path, root.GetProperty("path").GetString());
            Assert.IsTrue(root.TryGetProperty("value", out _), path);
            Assert.IsFalse(root.TryGetProperty("error", out _), path);
            if (root.TryGetProperty("crc", out JsonElement crc)) Assert.IsTrue(crc.GetString() is "correct" or "none", $"{name}, {path}: {crc}");
            shown++;
        }
        Assert.IsGreaterThan(60, shown);
    }

    [TestMethod]
    public void AFieldByItselfIsWhatTheImageHolds()
    {
        string image = SampleImages.Path("plain-4k");
        MemoryDevice device = MemoryDevice.Load(image);
        Geometry g = Volume.ReadSuperblock(device);
        byte[] sector = new byte[g.SectorSize];
        device.Read(g.HeaderOffset(new AgNumber(0), 1), sector);
        Assert.AreEqual(Agf.At((ReadOnlySpan<byte>)sector).FreeBlocks.Value.ToString(CultureInfo.InvariantCulture), Last("agf/0/freeblks"));
        Assert.AreEqual(g.Superblock.RootInode.Value.ToString(CultureInfo.InvariantCulture), Last("sb/rootino"));
        Assert.AreEqual(g.Uuid.ToString(), Last("sb/uuid"));
        using FileSystem fs = FileSystem.Open(image);
        foreach (DirectoryItem item in fs.List("/"))
        {
            Entry entry = fs.GetEntry("/" + item.Name);
            Assert.AreEqual(entry.Length.ToString(CultureInfo.InvariantCulture), Last($"inode/{item.Inode}/core/size"), item.Name);
            Assert.AreEqual(entry.Modified.Seconds.ToString(CultureInfo.InvariantCulture), Last($"inode/{item.Inode}/core/mtime_sec").Split(' ')[0], item.Name);
        }
        Assert.AreEqual(Last("ag/0/bnobt/root/recs/0/startblock"), Last("ag[0]/bnobt/root/recs[0]/startblock"), "an index may stand in brackets");

        string Last(string path) => Run("inspect", image, path).Ok().Trim().Split('\n')[^1].Trim();
    }

    [TestMethod]
    public void AWrongStepIsAnsweredWithThoseThatArePossible()
    {
        string image = SampleImages.Path("plain-4k");
        foreach ((string path, string expected) in ((string, string)[])
            [
                ("nonsense", "inode/N"), ("agf", "0 to"), ("agf/99", "0 to"), ("agf/-1", "0 to"), ("agf/0/nonsense", "freeblks"), ("ag/0/nonsense", "bnobt"), ("ag/0/bnobt/x", "root"),
                ("inode/root/nonsense", "dir"), ("inode/99999999999999", "inode numbers"), ("inode", "inode numbers"), ("sb/uuid/x", "plain value"), ("ag/0/bnobt/root/recs/999999", "0 to"),
                ("log/x", "at/BLOCK"), ("log/999999", "records"), ("fsblock/18446744073709551615", "block numbers"), ("daddr/99999999999", "units"), ("inode/root/symlink", "no symbolic link"),
                ("inode/root/dir/77777", "fileblock"), ("block/0/99999999", "blocks of the group"),
            ])
        {
            CliResult wrong = Run("inspect", image, path);
            Assert.AreEqual(2, wrong.Code, $"{path}: {wrong.Error}");
            Assert.AreEqual(1, wrong.Error.Count(c => c == '\n'), path);
            if (expected != "fileblock") StringAssert.Contains(wrong.Error, expected, path);
            CliResult json = Run("inspect", "--json", image, path);
            Assert.AreEqual(2, json.Code, path);
            using JsonDocument document = JsonDocument.Parse(json.Output);
            Assert.IsTrue(document.RootElement.TryGetProperty("error", out _), path);
        }
    }

    [TestMethod]
    public void MisuseIsSaidInALineAndHelpIsThere()
    {
        StringAssert.Contains(Run("inspect", "--help").Ok(), "ag/AG/TREE");
        foreach (string[] args in (string[][])[["inspect"], ["inspect", "a", "b", "c"], ["inspect", "--nonsense", "a"], ["inspect", "--limit"], ["inspect", "--limit", "x", "a"]])
        {
            CliResult wrong = Run(args);
            Assert.AreEqual(2, wrong.Code, string.Join(' ', args));
            Assert.AreEqual("", wrong.Output);
        }
        Assert.AreEqual(1, Run("inspect", "/nonexistent/image").Code);
    }

    [TestMethod]
    public void TheLimitCutsListsAndZeroCutsNothing()
    {
        string image = SampleImages.Path("fragmented-1k");
        string some = Run("inspect", "--limit", "5", image, "ag/0/rmapbt/records").Ok(), all = Run("inspect", "--limit=0", image, "ag/0/rmapbt/records").Ok();
        StringAssert.Contains(some, "more (--limit)");
        Assert.HasCount(7, some.Trim().Split('\n'));
        Assert.IsGreaterThan(1000, all.Split('\n').Length);
        using JsonDocument json = JsonDocument.Parse(Run("inspect", "--json", "--limit", "5", image, "ag/0/rmapbt/records").Ok());
        Assert.AreEqual(5, json.RootElement.GetProperty("value").GetArrayLength());
        Assert.IsTrue(json.RootElement.TryGetProperty("value_more", out _));
    }
}
