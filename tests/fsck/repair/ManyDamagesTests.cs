using ImageFs.Devices;
using ImageFs.Format;

namespace ImageFs.Tests.Fsck;

/// <summary>Several damages in one image, and damages that know nothing of structures: no crash, no end without a verdict, and no healthy file lost.</summary>
[TestClass]
public sealed class ManyDamagesTests
{
    [TestMethod]
    public void SeveralDamagesAreRepairedTogether() => new RepairSweep(Several) { MayRefuse = true }.Run(nameof(SeveralDamagesAreRepairedTogether), 40);

    [TestMethod]
    public void BurstsAndStaleBlocksAreRepaired() => new RepairSweep(Accident) { MayRefuse = true }.Run(nameof(BurstsAndStaleBlocksAreRepaired), 40);

    [TestMethod]
    public void BlocksThatWereNeverWrittenAreRepaired() =>
        new RepairSweep(Stale) { MayRefuse = true, OnChanged = true }.Run(nameof(BlocksThatWereNeverWrittenAreRepaired), 40);

    [TestMethod]
    public void TruncatedImagesAreRepaired() => new RepairSweep(Truncated) { MayRefuse = true }.Run(nameof(TruncatedImagesAreRepaired), 16);

    /// <summary>One to three blocks are what they were some changes ago: whole, with right checksums, and wrong.</summary>
    private static Harm Stale(DamagedImage image, string name, Random random, SweepSample sample)
    {
        List<string> about = [];
        List<(long, long)> ranges = [];
        for (int n = random.Next(1, 4); n > 0; n--)
            for (int attempt = 0; attempt < 100; attempt++)
            {
                MetadataPlace place = sample.Places[random.Next(sample.Places.Count)];
                // Inodes are written with all of their block.
                long at = place.Kind.EndsWith("inode", StringComparison.Ordinal) ? place.Offset / image.Geometry.BlockSize * image.Geometry.BlockSize : place.Offset;
                byte[] old = new byte[place.Offset == at ? place.Length : image.Geometry.BlockSize];
                sample.Older.Read(at, old);
                if (image.Read(at, old.Length).AsSpan().SequenceEqual(old)) continue;
                image.Device.Write(at, old);
                ranges.Add((at, at + old.Length));
                about.Add($"{place.Kind} at 0x{at:x}");
                break;
            }
        return new Harm("stale blocks", $"{name}, changed: stale {string.Join(", ", about)}", ranges);
    }

    private static Harm Truncated(DamagedImage image, string name, Random random, SweepSample sample)
    {
        // Where less is left than the first group, there is seldom a superblock to begin with.
        long length = random.NextInt64(image.Device.Length / 4, image.Device.Length) & ~511L;
        MemoryDevice shorter = new(length);
        shorter.Write(0, image.Read(0, (int)length));
        return new Harm("truncated", $"{name}: {length} bytes left", [(length, image.Device.Length)]) { Instead = shorter };
    }

    private static Harm Several(DamagedImage image, string name, Random random, SweepSample sample)
    {
        List<Dice> all = [];
        for (int n = random.Next(2, 6); n > 0; n--) all.Add(random.Next(3) == 0 ? Dice.Wipe(image, name, random, sample.Places) : Dice.Roll(image, name, random, sample.Places));
        return new Harm($"{all.Count} damages", string.Join("; ", all), [.. all.Select(d => (d.Place.Offset, d.Place.Offset + d.Place.Length))]);
    }

    /// <summary>What disks and programs do: a run of zeros or noise, a write that went elsewhere, one that never came.</summary>
    private static Harm Accident(DamagedImage image, string name, Random random, SweepSample sample)
    {
        Geometry g = image.Geometry;
        string kind = "";
        List<string> about = [];
        List<(long, long)> ranges = [];
        for (int n = random.Next(1, 3); n > 0; n--)
        {
            kind = random.Next(4) switch { 0 => "zeros", 1 => "noise", 2 => "swapped blocks", _ => "misdirected block" };
            if (kind is "zeros" or "noise")
            {
                byte[] bytes = new byte[random.Next(16, 65) << 10];
                // Where metadata is, half of the time; elsewhere there is mostly nothing.
                long at = (random.Next(2) == 0 ? random.NextInt64(image.Device.Length - bytes.Length) : sample.Places[random.Next(sample.Places.Count)].Offset) & ~511L;
                at = Math.Min(at, image.Device.Length - bytes.Length);
                if (kind == "noise") random.NextBytes(bytes);
                Write(at, bytes);
                about.Add($"{bytes.Length} bytes of {kind} at 0x{at:x}");
                continue;
            }
            long left = Block(), right = Block();
            byte[] one = image.Read(left, g.BlockSize), other = image.Read(right, g.BlockSize);
            Write(left, other);
            if (kind == "swapped blocks") Write(right, one);
            about.Add($"{kind} 0x{left:x} <- 0x{right:x}");
        }
        return new Harm(kind, $"{name}: {string.Join("; ", about)}", ranges);

        long Block() => sample.Places[random.Next(sample.Places.Count)].Offset / g.BlockSize * g.BlockSize;
        void Write(long at, byte[] bytes)
        {
            image.Device.Write(at, bytes);
            ranges.Add((at, at + bytes.Length));
        }
    }
}
