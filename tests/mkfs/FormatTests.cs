using System.Text.RegularExpressions;
using ImageFs.Mkfs;
using ImageFs.Tests.Fixtures;
using MkfsTool = ImageFs.Mkfs.Mkfs;

namespace ImageFs.Tests.Mkfs;

[TestClass]
public sealed partial class FormatTests
{
    [TestMethod]
    [DataRow("-dsize=16m")]
    [DataRow("-dsize=300m")]
    [DataRow("-dsize=1g")]
    [DataRow("-dsize=1g,agcount=1")]
    [DataRow("-dsize=64m -mreflink=0")]
    [DataRow("-dsize=100m -mreflink=0,rmapbt=0")]
    [DataRow("-dsize=100m -mrmapbt=0")]
    [DataRow("-dsize=100m -mfinobt=0")]
    [DataRow("-dsize=100m -mfinobt=0,rmapbt=0,reflink=0 -isparse=0")]
    [DataRow("-dsize=200m -isparse=0")]
    [DataRow("-dsize=200m -isize=1024")]
    [DataRow("-dsize=200m -isize=2048,nrext64=0 -mbigtime=0")]
    [DataRow("-dsize=300m -ssize=4096")]
    [DataRow("-dsize=300m -bsize=1024")]
    [DataRow("-dsize=300m -bsize=2048 -ssize=1024 -nsize=8192")]
    [DataRow("-dsize=500m -bsize=8192 -isize=2048")]
    [DataRow("-dsize=1g -bsize=16384")]
    [DataRow("-dsize=1g -bsize=32768 -isize=512")]
    [DataRow("-dsize=1g -bsize=65536")]
    [DataRow("-dsize=1g -bsize=65536 -ssize=32768 -isize=2048")]
    [DataRow("-dsize=2g,su=64k,sw=4")]
    [DataRow("-dsize=2g,su=256k,sw=3,agcount=7")]
    [DataRow("-dsize=1g,su=1m,sw=2 -lagnum=0")]
    [DataRow("-dsize=1g -lsu=256k")]
    [DataRow("-dsize=1g -lsu=48k,agnum=1")]
    [DataRow("-dsize=600m,agcount=20 -lsize=17m,agnum=19")]
    [DataRow("-dsize=300m,agcount=2 -lsize=32m,agnum=0 -Lhello")]
    [DataRow("-dsize=400m,extszinherit=16,cowextsize=32,projinherit=4711 -imaxpct=50 -Ltwelve_bytes")]
    [DataRow("-dsize=400m,daxinherit=1 -muuid=11111111-2222-3333-4444-555555555555")]
    [DataRow("-dsize=20t")]
    [DataRow("-dsize=60g,agsize=64m")]
    public void EveryFieldIsWhatMkfsXfsWrites(string options) => Assert.IsTrue(Compare(options.Split(' ')));

    public TestContext TestContext { get; set; } = null!;

    /// <summary>IMAGEFS_MKFS_FORMATS and IMAGEFS_SEED replace the number of random option sets and the seed.</summary>
    [TestMethod]
    public void EveryFieldOfRandomOptionsIsWhatMkfsXfsWrites()
    {
        Judge.RequireMkfs();
        int cases = int.Parse(Environment.GetEnvironmentVariable("IMAGEFS_MKFS_FORMATS") ?? "8");
        int seed = int.Parse(Environment.GetEnvironmentVariable("IMAGEFS_SEED") ?? "1");
        TestContext.WriteLine($"IMAGEFS_SEED={seed}");
        int refused = 0, damaged = 0;
        for (int made = 0, i = 0; made < cases; i++)
        {
            string[] options = [.. RandomOptions.Next(new Random(seed * 1_000_003 + i))];
            MkfsPlan plan;
            try { plan = MkfsTool.Plan(MkfsOptions.Parse(options)); }
            catch (MkfsOptionException e)
            {
                // What mkfs.xfs plans and we refuse, it must fail to make.
                if (!e.Message.Contains("the root directory has no room") || MkfsOptions.Parse(options).Size!.Value.Value > 2L << 30) continue;
                using TempImage image = TempImage.Empty(MkfsOptions.Parse(options).Size!.Value.Value);
                Assert.AreNotEqual(0, Shell.Run(Judge.RequireMkfs(), ["-f", "--unsupported", .. options, image.Path]).ExitCode, string.Join(' ', options));
                refused++;
                continue;
            }
            // Both logs are written into memory, so no large ones.
            if (plan.DataBytes > 20L << 30 || plan.AgCount > 100 || plan.LogBlocks * plan.BlockSize > 128 << 20) continue;
            // Here our log is larger, see LogReservations.
            if (plan is { ReverseMapBtree: true, Reflink: false } && plan.DataBytes < 300 << 20) continue;
            if (Compare(options)) made++;
            else damaged++;
        }
        TestContext.WriteLine($"{cases} equal, {refused} refused by both, {damaged} damaged by mkfs.xfs");
        Assert.IsLessThan(1 + cases / 20, damaged);
    }

    /// <returns>False if what mkfs.xfs makes of the options is itself damaged.</returns>
    private static bool Compare(string[] ours)
    {
        Judge.RequireMkfs();
        string options = string.Join(' ', ours);
        MkfsOptions parsed = MkfsOptions.Parse(ours);
        Assert.IsTrue(parsed.Size!.Value.TryToBytes(parsed.BlockSize ?? 4096, parsed.SectorSize ?? 512, out long length));
        using TempImage mine = TempImage.Empty(length), theirs = TempImage.Empty(length);
        XfsMkfs.Make(theirs.Path, [.. WithOurDefaults(ours)]);
        MkfsPlan plan = Make(mine.Path, parsed);
        ShellResult verdict = XfsRepair.Check(mine.Path);
        if (!verdict.Succeeded) Assert.Fail($"mkfs {options}: xfs_repair -n exited with {verdict.ExitCode}\n{verdict.Text}");

        // With two free runs in a group that the log nearly fills, mkfs.xfs writes them in the wrong order.
        if (!XfsRepair.Check(theirs.Path).Succeeded) return false;

        int lines = 0;
        foreach (string[] commands in Everything(plan).Chunk(100))
        {
            string[] a = Comparable(XfsDb.Print(theirs.Path, commands).Text), b = Comparable(XfsDb.Print(mine.Path, commands).Text);
            lines += a.Length;
            for (int i = 0; i < Math.Max(a.Length, b.Length); i++)
            {
                string x = i < a.Length ? a[i] : "nothing", y = i < b.Length ? b[i] : "nothing";
                if (x != y) Assert.Fail($"mkfs.xfs {options}\nmkfs.xfs wrote {x}\nwe wrote       {y}\nafter\n{string.Join('\n', b.Take(i).TakeLast(12))}");
            }
        }
        Assert.IsGreaterThan(400, lines, "xfs_db said next to nothing");
        return true;
    }

    /// <summary>mkfs.xfs 6.1 has two of our defaults off.</summary>
    private static IEnumerable<string> WithOurDefaults(string[] options)
    {
        if (!options.Any(o => o.Contains("rmapbt="))) options = Add(options, "-m", "rmapbt=1");
        if (!options.Any(o => o.Contains("nrext64="))) options = Add(options, "-i", "nrext64=1");
        return options;
    }

    private static string[] Add(string[] options, string letter, string item)
    {
        int at = Array.FindIndex(options, o => o.StartsWith(letter, StringComparison.Ordinal));
        if (at < 0) return [.. options, letter + item];
        options = [.. options];
        options[at] += "," + item;
        return options;
    }

    internal static MkfsPlan Make(string path, MkfsOptions options) => MkfsTool.FormatFile(path, options);

    private static IEnumerable<string> Everything(MkfsPlan plan)
    {
        // Of many groups the first, the ones around the middle where the log is, and the last.
        uint[] groups = [.. Enumerable.Range(0, (int)plan.AgCount).Select(i => (uint)i)
            .Where(i => plan.AgCount <= 40 || i < 3 || i > plan.AgCount - 3 || Math.Abs((long)i - plan.AgCount / 2) < 3)];
        foreach (uint ag in groups)
        {
            yield return $"sb {ag}";
            yield return "p";
            yield return $"agf {ag}";
            yield return "p";
            yield return $"agfl {ag}";
            yield return "p";
            yield return $"agi {ag}";
            yield return "p";
            string[] roots =
            [
                "bnoroot", "cntroot", .. plan.ReverseMapBtree ? ["rmaproot"] : Array.Empty<string>(),
                .. plan.Reflink ? ["refcntroot"] : Array.Empty<string>(),
            ];
            foreach (string root in roots) { yield return $"agf {ag}"; yield return $"addr {root}"; yield return "p"; }
            yield return $"agi {ag}";
            yield return "addr root";
            yield return "p";
            if (!plan.FreeInodeBtree) continue;
            yield return $"agi {ag}";
            yield return "addr free_root";
            yield return "p";
        }
        ulong root0 = plan.RootChunkBlock * (ulong)plan.InodesPerBlock;
        foreach (int i in (int[])[0, 1, 2, 3, 4, 31, 63]) { yield return $"inode {root0 + (ulong)i}"; yield return "p"; }
        // The record of the log, the block behind it and the last one.
        int stripe = Math.Max(1, (int)plan.LogStripeUnit);
        foreach (long block in (long[])[0, stripe - 1, stripe, plan.LogBlocks - 1])
        {
            yield return $"fsblock {plan.LogStart + (ulong)block}";
            yield return "type text";
            yield return "p";
        }
    }

    private static string[] Comparable(string text)
    {
        // In the first sector of the log the checksum and the UUID differ.
        text = LogChecksum().Replace(text, "$1 CRC");
        text = LogUuid().Replace(text, "$1 UUID");
        return [.. text.Split('\n').Where(line => !Varies().IsMatch(line))];
    }

    [GeneratedRegex(@"^(uuid|crc|v3\.uuid|v3\.crc|core\.gen|meta_uuid|(core|v3)\.(a|m|c|cr)time\.n?sec) = ")]
    private static partial Regex Varies();

    [GeneratedRegex(@"(?<=fe ed ba be[^\n]*\n[^\n]*\n)(020: ) .. .. .. ..[^\n]*")]
    private static partial Regex LogChecksum();

    [GeneratedRegex(@"(130: ) [^\n]*")]
    private static partial Regex LogUuid();
}
