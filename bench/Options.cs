namespace ImageFs.Bench;

/// <summary>What a benchmark can be told on the command line.</summary>
internal sealed record Options
{
    public int Files { get; init; } = 200_000;
    public int PerDirectory { get; init; } = 50;
    public int Bytes { get; init; } = 1000;
    public int Extents { get; init; } = 2_000_000;
    public int Runs { get; init; } = 3;
    public string Folder { get; init; } = Directory.Exists("/dev/shm") ? "/dev/shm" : Path.GetTempPath();

    public static Options Parse(string[] args, Options? defaults = null)
    {
        Options options = defaults ?? new();
        for (int i = 0; i + 1 < args.Length; i += 2)
            options = args[i] switch
            {
                "--files" => options with { Files = int.Parse(args[i + 1]) },
                "--per-directory" => options with { PerDirectory = int.Parse(args[i + 1]) },
                "--bytes" => options with { Bytes = int.Parse(args[i + 1]) },
                "--extents" => options with { Extents = int.Parse(args[i + 1]) },
                "--runs" => options with { Runs = int.Parse(args[i + 1]) },
                "--folder" => options with { Folder = args[i + 1] },
                _ => throw new ArgumentException($"unknown option {args[i]}"),
            };
        return options;
    }
}
