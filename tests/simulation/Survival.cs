using System.Globalization;

namespace ImageFs.Tests.Simulation;

/// <summary>The largest piece that gets to the disk whole or not at all.</summary>
internal enum Grain
{
    Write = 0,
    /// <summary>The least that any disk writes whole; the others cut the log at sectors, this one cuts it here too.</summary>
    Word = 8,
    Sector = 512,
    Page = 4096,
}

/// <summary>Which pieces of the writes in the cache survive.</summary>
internal enum SurvivalKind
{
    None,
    All,
    /// <summary>The first ones: a cache that writes in order.</summary>
    Prefix,
    /// <summary>The last ones: a cache that writes backwards.</summary>
    Suffix,
    /// <summary>A single one.</summary>
    Only,
    /// <summary>All but one.</summary>
    AllBut,
    /// <summary>Each by the toss of a coin, whose weight is a matter of the seed too.</summary>
    Random,
    /// <summary>Those whose bit is set in the number, which goes round after 30 of them.</summary>
    Subset,
}

/// <summary>A run of bytes on a device.</summary>
internal readonly record struct ByteRange(long Offset, long Length)
{
    public bool Contains(long offset) => offset >= Offset && offset < Offset + Length;
}

/// <summary>
/// Decides what a power cut leaves. A function of its text form, such as "random:7@page", and of the writes alone.
/// </summary>
/// <param name="Number">
/// The seed of Random; of the other kinds the number of a piece, modulo their count.
/// </param>
internal sealed record Survival(SurvivalKind Kind, int Number, Grain Grain)
{
    public static readonly Survival None = new(SurvivalKind.None, 0, Grain.Write);
    public static readonly Survival All = new(SurvivalKind.All, 0, Grain.Write);

    /// <summary>One at random, the simple ones less often than those with many faces.</summary>
    public static Survival Any(Random random, params Grain[] grains)
    {
        SurvivalKind kind = random.Next(16) switch
        {
            0 => SurvivalKind.None,
            1 => SurvivalKind.All,
            2 or 3 or 4 => SurvivalKind.Prefix,
            5 or 6 => SurvivalKind.Suffix,
            7 or 8 => SurvivalKind.Only,
            9 or 10 => SurvivalKind.AllBut,
            _ => SurvivalKind.Random,
        };
        int number = kind is SurvivalKind.None or SurvivalKind.All ? 0 : random.Next(100_000);
        return new Survival(kind, number, grains[random.Next(grains.Length)]);
    }

    public override string ToString() =>
        $"{Kind}:{Number.ToString(CultureInfo.InvariantCulture)}@{Grain}".ToLowerInvariant();

    public static Survival Parse(string text)
    {
        string[] parts = text.Split(':', '@');
        return new Survival(
            Enum.Parse<SurvivalKind>(parts[0], ignoreCase: true),
            int.Parse(parts[1], CultureInfo.InvariantCulture),
            Enum.Parse<Grain>(parts[2], ignoreCase: true));
    }

    /// <summary>The disk after the cut.</summary>
    /// <param name="durable">What the last flush made certain; not changed.</param>
    /// <param name="pending">The writes since then, oldest first.</param>
    /// <param name="log">Written in sectors, or words, whatever the grain, because log records are made to be torn there.</param>
    public PagedImage Apply(PagedImage durable, IEnumerable<DeviceStep> pending, ByteRange log)
    {
        PagedImage disk = durable.Copy();
        List<(DeviceStep Write, int Start, int Length)> pieces = [];
        foreach (DeviceStep write in pending)
            Split(write, log, pieces);
        Random coins = new(Number);
        double weight = Kind == SurvivalKind.Random ? coins.NextDouble() : 0;
        for (int i = 0; i < pieces.Count; i++)
        {
            bool survives = Kind switch
            {
                SurvivalKind.None => false,
                SurvivalKind.All => true,
                SurvivalKind.Prefix => i < Number % (pieces.Count + 1),
                SurvivalKind.Suffix => i >= Number % (pieces.Count + 1),
                SurvivalKind.Only => i == Number % pieces.Count,
                SurvivalKind.AllBut => i != Number % pieces.Count,
                SurvivalKind.Subset => (Number >> i % 30 & 1) != 0,
                _ => coins.NextDouble() < weight,
            };
            // Of two writes to one place the later one wins if it survives: a cache has one copy of a place,
            // however late it writes it.
            if (survives)
                disk.Write(pieces[i].Write.Offset + pieces[i].Start, pieces[i].Write.Data.AsSpan(pieces[i].Start, pieces[i].Length));
        }
        return disk;
    }

    private void Split(DeviceStep write, ByteRange log, List<(DeviceStep, int, int)> pieces)
    {
        for (int at = 0; at < write.Data!.Length;)
        {
            long place = write.Offset + at;
            int grain = log.Contains(place) && Grain != Grain.Word ? SimulatedDevice.Sector : (int)Grain;
            int length = write.Data.Length - at;
            if (grain > 0)
                length = (int)Math.Min(length, grain - (place & (grain - 1)));
            pieces.Add((write, at, length));
            at += length;
        }
    }
}
