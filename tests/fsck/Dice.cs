using ImageFs.Format;

namespace ImageFs.Tests.Fsck;

/// <summary>One damage by dice, described so that it can be repeated.</summary>
internal sealed record Dice(string Image, MetadataPlace Place, string What)
{
    public override string ToString() => $"{Image}: {Place.Kind} at 0x{Place.Offset:x}, {What}";

    /// <summary>Damages a field of some structure; every kind of structure equally often, whatever the number of its blocks.</summary>
    public static Dice Roll(DamagedImage image, string name, Random random, List<MetadataPlace> places)
    {
        MetadataPlace place = Pick(random, places);
        int width = 1 << random.Next(4), at = random.Next(place.Used / width) * width;
        bool stamped = random.Next(8) != 0;
        byte[] bytes = image.Read(place.Offset, place.Length);
        Span<byte> field = bytes.AsSpan(at, width);
        ulong before = Get(field);
        string verb = "";
        ulong after = before;
        while (after == before)
        {
            (verb, after) = random.Next(8) switch
            {
                0 => ("zeros", 0UL),
                1 => ("ones", ulong.MaxValue),
                2 => ("first bit", before ^ 1UL << (8 * width - 1)),
                3 => ("middle bit", before ^ 1UL << (4 * width)),
                4 => ("last bit", before ^ 1),
                5 => ("plus", before + 1),
                6 => ("minus", before - 1),
                _ => ("random", (ulong)random.NextInt64()),
            };
            after &= ulong.MaxValue >> (64 - 8 * width);
        }
        for (int i = 0; i < width; i++) field[i] = (byte)(after >> (8 * (width - 1 - i)));
        // The checksum itself is damaged only when it is meant to be.
        if (stamped) Crc32c.Stamp(bytes, place.Crc);
        image.Device.Write(place.Offset, bytes);
        return new Dice(name, place, $"byte {at}, {width} wide, {verb}: 0x{before:x} -> 0x{after:x}, checksum {(stamped ? "right" : "stale")}");
    }

    /// <summary>Overwrites a whole structure.</summary>
    public static Dice Wipe(DamagedImage image, string name, Random random, List<MetadataPlace> places)
    {
        MetadataPlace place = Pick(random, places);
        byte[] bytes = new byte[place.Length];
        string verb = random.Next(3) switch { 0 => "zeros", 1 => "ones", _ => "noise" };
        if (verb == "ones") Array.Fill(bytes, byte.MaxValue);
        else if (verb == "noise") random.NextBytes(bytes);
        image.Device.Write(place.Offset, bytes);
        return new Dice(name, place, $"all of it, {verb}");
    }

    private static MetadataPlace Pick(Random random, List<MetadataPlace> places)
    {
        string[] kinds = [.. places.Select(p => p.Kind).Distinct()];
        string kind = kinds[random.Next(kinds.Length)];
        MetadataPlace[] ofKind = [.. places.Where(p => p.Kind == kind)];
        return ofKind[random.Next(ofKind.Length)];
    }

    private static ulong Get(ReadOnlySpan<byte> field)
    {
        ulong value = 0;
        foreach (byte one in field) value = value << 8 | one;
        return value;
    }
}
