using System.Globalization;
using System.Text.RegularExpressions;
using ImageFs.Devices;
using ImageFs.Format;
using ImageFs.Fsck;
using ImageFs.Tests.Fixtures;
using ImageFs.Tests.Fsck;
using static ImageFs.Tests.Fixtures.World;

namespace ImageFs.Tests.Dax;

/// <summary>What is told about extents, and whether it is what the kernel tells of the same image.</summary>
[TestClass]
public sealed partial class ReportTests
{
    [TestMethod]
    public void S96_PartsThatAreSharedAreListedApartAndStagingIsNotTheFile()
    {
        using World w = new();
        w.Fill("/a", 64, (byte)'a');
        using XfsFile a = w.Fs.OpenFile("/a", write: true), half = w.Fs.CreateFile("/half");
        half.CloneRange(a, 0, 0, 32 * B);
        IReadOnlyList<FileExtent> extents = a.GetExtents();
        Assert.HasCount(2, extents);
        Assert.AreEqual((0L, 32L * B, true), (extents[0].Offset, extents[0].Length, extents[0].Shared));
        Assert.AreEqual((32L * B, 32L * B, false), (extents[1].Offset, extents[1].Length, extents[1].Shared));
        Assert.IsEmpty(a.GetStagedExtents());

        a.Write(5 * B, Repeat((byte)'!', B));
        Assert.AreEqual(64 * B, a.AllocatedBytes);
        Assert.AreEqual(31 * B, a.StagedBytes, "32 blocks were reserved, one is the file's now");
        IReadOnlyList<FileExtent> staged = a.GetStagedExtents();
        Assert.AreEqual(31L * B, staged.Sum(e => e.Length));
        Assert.IsTrue(staged.All(e => e.Offset + e.Length <= 32 * B && e.Unwritten && !e.Shared && (e.Offset > 5 * B || e.Offset + e.Length <= 5 * B)));
        a.UnshareRange(0, 64 * B);
        Assert.AreEqual(0, a.StagedBytes);
    }

    [TestMethod]
    [DataRow("", DisplayName = "defaults")]
    [DataRow("-b size=1024", DisplayName = "1 KiB blocks")]
    [DataRow("-d agcount=7", DisplayName = "seven groups")]
    public void S97_ExtentsAreThoseThatFiemapAndBmapShow(string options)
    {
        using TempImage image = Ranges.NewImage(options.Split(' ', StringSplitOptions.RemoveEmptyEntries));
        Ranges.Make(image, out TempImage? copy);
        copy?.Dispose();
        Dictionary<string, List<Posix.Mapping>> ours = [];
        using (FileSystem fs = FileSystem.Open(image.Path, write: true))
        {
            int b = fs.Geometry.BlockSize;
            using (XfsFile f = fs.OpenFile("/f", write: true), g = fs.OpenFile("/g", write: true), c = fs.OpenFile("/c", write: true), odd = fs.OpenFile("/odd", write: true))
            {
                g.CloneRange(f, 7 * b, 0, 3 * b);
                g.CloneRange(f, 8 * b, 12 * b, b);
                c.PunchHole(b + 10, 2 * b);
                c.InsertRange(9 * b, 2 * b);
                odd.Allocate(6 * b, 3 * b, keepSize: true);
                odd.CloneRange(g, 12 * b, 4 * b, 2 * b);
                g.ExchangeRange(c, 0, 4 * b, 4 * b);
                f.Write(9 * b, Ranges.Noise(9, b));
            }
            foreach (DirectoryItem item in fs.List("/"))
            {
                using XfsFile file = fs.OpenFile("/" + item.Name);
                ours[item.Name] = [.. Ranges.Mappings(file)];
            }
        }
        Assert.IsTrue(ours.Values.SelectMany(m => m).Any(m => m.Shared) && ours.Values.SelectMany(m => m).Any(m => m.Unwritten));
        using KernelMount mount = KernelMount.ReadOnly(image.Path);
        foreach ((string name, List<Posix.Mapping> mappings) in ours)
        {
            CollectionAssert.AreEqual(Posix.Mappings(Posix.Bytes(mount[name])), mappings, $"{name}: fiemap");
            CollectionAssert.AreEqual(Bmap(mount[name]), mappings, $"{name}: bmap");
        }
    }

    // "0: [0..79]:  1152..1231  0 (1152..1231)  80 100000", in sectors; holes have no place.
    [GeneratedRegex(@"^\s*\d+: \[(\d+)\.\.(\d+)\]:\s+(\d+)\.\.\d+\s+\d+ \(\d+\.\.\d+\)\s+\d+ (\d+)", RegexOptions.Multiline)]
    private static partial Regex BmapLine { get; }

    private static List<Posix.Mapping> Bmap(string path)
    {
        static long Sectors(Group group) => long.Parse(group.Value, CultureInfo.InvariantCulture) * 512;
        return [.. BmapLine.Matches(Shell.Run(Judge.RequireIo(), ["-r", "-c", "bmap -pvv", path]).MustSucceed().Output).Select(m => new Posix.Mapping(
            Sectors(m.Groups[1]), Sectors(m.Groups[3]), Sectors(m.Groups[2]) + 512 - Sectors(m.Groups[1]), (int.Parse(m.Groups[4].Value, CultureInfo.InvariantCulture) / 10_000 & 1) != 0,
            (int.Parse(m.Groups[4].Value, CultureInfo.InvariantCulture) / 100_000 & 1) != 0))];
    }

    [TestMethod]
    [DataRow(true, DisplayName = "a staging record that counts two owners")]
    [DataRow(false, DisplayName = "a shared record that counts one owner")]
    public void S25_AReferenceCountThatContradictsItselfIsACorruption(bool staging)
    {
        MemoryDevice device;
        using (World w = WithClone())
        {
            w.CheckClean();
            device = w.Device.Clone();
        }
        DamagedImage damaged = new(device);
        damaged.Tree(BlockKind.Refcountbt, block =>
        {
            // The first record of the first group that has one: start, count, owners.
            if (staging) block[56] |= 0x80;
            block[67] = staging ? (byte)2 : (byte)1;
        });
        FsckReport report = Checker.Check(device);
        Assert.IsTrue(report.Findings.Any(f => f.Code == FindingCodes.RefcountRecordBad), string.Join('\n', report.Findings));
        Assert.ThrowsExactly<CorruptionException>(() =>
        {
            using FileSystem fs = FileSystem.Open(device, write: true, leaveOpen: true);
            using XfsFile b = fs.OpenFile("/b", write: true);
            b.Write(0, "x"u8);
        });
    }
}
