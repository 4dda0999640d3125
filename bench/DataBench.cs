using System.Diagnostics;

namespace ImageFs.Bench;

/// <summary>Moving and sharing the bytes of files: the library on a mapped image, raw memory, and the kernel, in turn.</summary>
internal static class DataBench
{
    private static readonly (string Name, Action<Options> Run)[] s_rows =
    [
        ("read", DataInPlace.SequentialRead), ("random", DataInPlace.RandomRead), ("overwrite", DataInPlace.Overwrite), ("threads", DataInPlace.Threads), ("holes", DataInPlace.HoleWrites),
        ("cow", DataSharing.CopyOnWrite), ("clone", DataSharing.Clone), ("dedupe", DataSharing.Compare), ("memory", DataMemory.Run),
    ];

    /// <summary>Runs the rows that are named before the first option, or all.</summary>
    public static int Run(string[] args)
    {
        string[] names = [.. args.TakeWhile(a => !a.StartsWith('-'))];
        Options options = Options.Parse(args[names.Length..], new Options { Runs = 5 });
        foreach (string name in names)
            if (!s_rows.Any(row => row.Name == name)) throw new ArgumentException($"unknown row {name}; there are {string.Join(", ", s_rows.Select(row => row.Name))}");
        foreach ((string name, Action<Options> run) in s_rows)
            if (names.Length == 0 || names.Contains(name)) run(options);
        return 0;
    }

    /// <summary>Prints a row: ours, and its ratio to each peer with the ratio that is wanted.</summary>
    public static void Print(string what, string unit, Series ours, params (Series Peer, double Target)[] peers)
    {
        Console.WriteLine($"{what}, {unit}");
        Console.WriteLine($"  {ours}");
        foreach ((Series peer, double target) in peers)
            Console.WriteLine(peer.Any ? $"  {peer}: ratio {ours.Median / peer.Median:F2}{(target > 0 ? $", wanted {target}" : "")}" : $"  {peer.Name}: not available");
    }
}
