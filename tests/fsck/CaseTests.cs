using System.Globalization;
using ImageFs.Devices;
using ImageFs.Format;
using ImageFs.Fsck;
using ImageFs.Tests.Fixtures;

namespace ImageFs.Tests.Fsck;

/// <summary>tests/cases: for every finding a folder with a damage, the report it gives, and the report after the repair.</summary>
[TestClass]
public sealed class CaseTests
{
    private static string Folder { get; } = Path.Combine(Repository.Root, "tests", "cases");

    public static IEnumerable<object[]> Rows => Directory.EnumerateDirectories(Folder).Select(f => new object[] { Path.GetFileName(f) }).OrderBy(r => (string)r[0], StringComparer.Ordinal);

    [TestMethod]
    public void EveryFindingHasACase()
    {
        string[] folders = [.. Rows.Select(r => (string)r[0])];
        Assert.AreEqual("", string.Join(", ", FindingCodes.All.Select(c => c.Text).Except(folders)), "findings without a case");
        Assert.AreEqual("", string.Join(", ", folders.Except(FindingCodes.All.Select(c => c.Text))), "cases without a finding");
    }

    [TestMethod]
    [DynamicData(nameof(Rows))]
    public void ADamageIsReportedAndRepairedAsItsFolderSays(string code)
    {
        string folder = Path.Combine(Folder, code);
        BlockDevice device = Damage(File.ReadAllLines(Path.Combine(folder, "damage.txt")), out bool discardLog);
        string report = Report(device);
        Assert.AreEqual(File.ReadAllText(Path.Combine(folder, "report.txt")).ReplaceLineEndings("\n"), report);
        Assert.Contains($" {code}", report);
        FsckReport repaired = Repairer.Repair(device, new RepairOptions { DiscardLog = discardLog });
        string after = Report(device);
        Assert.AreEqual(File.ReadAllText(Path.Combine(folder, "after.txt")).ReplaceLineEndings("\n"), after, repaired.Text());
        // What the cases leave forbids to write, and then nothing may have changed.
        if (repaired.Exit == FsckExit.ErrorsLeft) Assert.AreEqual(report, after);
    }

    /// <summary>The lines of a report, without the summary's times.</summary>
    private static string Report(BlockDevice device)
    {
        FsckReport report = Checker.Check(device, new FsckOptions { MaxFindings = 20, MaxFindingsPerCode = 5 });
        StringWriter text = new(CultureInfo.InvariantCulture) { NewLine = "\n" };
        report.WriteText(text);
        return text.ToString();
    }

    private static BlockDevice Damage(string[] lines, out bool discardLog)
    {
        MemoryDevice? device = null;
        BlockDevice? wrapped = null;
        discardLog = false;
        foreach (string line in lines)
        {
            string[] words = line.Split(' ', StringSplitOptions.RemoveEmptyEntries);
            if (words.Length == 0 || words[0] == "#") continue;
            switch (words[0])
            {
                case "case":
                    DamageCase known = DamageCases.All.Single(c => c.Name == string.Join(' ', words[1..]));
                    DamagedImage image = new(known.Image);
                    known.Do(image);
                    device = image.Device;
                    break;
                case "image": device = MemoryDevice.Load(SampleImages.Path(words[1])); break;
                case "write": device!.Write(Number(words[1]), Convert.FromHexString(words[2])); break;
                case "noise":
                    byte[] noise = new byte[Number(words[2])];
                    new Random((int)Number(words[3])).NextBytes(noise);
                    device!.Write(Number(words[1]), noise);
                    break;
                case "unreadable": wrapped = new FlawedDevice(device!, Number(words[1])); break;
                case "length": device!.SetLength(Number(words[1])); break;
                case "discard-log": discardLog = true; break;
                default: Assert.Fail($"unknown line: {line}"); break;
            }
        }
        return wrapped ?? device!;
    }

    private static long Number(string text) =>
        text.StartsWith("0x", StringComparison.Ordinal) ? long.Parse(text.AsSpan(2), NumberStyles.HexNumber, CultureInfo.InvariantCulture) : long.Parse(text, CultureInfo.InvariantCulture);

    /// <summary>A device one of whose bytes cannot be read.</summary>
    private sealed class FlawedDevice(BlockDevice below, long bad) : BlockDevice
    {
        public override long Length => below.Length;
        public override bool CanWrite => true;
        public override void Flush() { }
        public override void Write(long offset, ReadOnlySpan<byte> source) => below.Write(offset, source);

        public override void Read(long offset, Span<byte> destination)
        {
            if (offset <= bad && bad < offset + destination.Length) throw new XfsException(Errno.EIO, "the disk is tired");
            below.Read(offset, destination);
        }
    }
}
