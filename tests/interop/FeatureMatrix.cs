namespace ImageFs.Tests.Interop;

/// <summary>
/// Options of mkfs such that any two values of block size, inode size, directory block size and feature set that are legal
/// together meet in at least one row.
/// </summary>
internal static class FeatureMatrix
{
    private static readonly int[] s_blocks = [1024, 2048, 4096, 8192, 16384, 32768, 65536];
    private static readonly int[] s_inodes = [512, 1024, 2048];
    private static readonly int[] s_directories = [4096, 8192, 16384, 32768, 65536];
    private static readonly string[] s_features =
    [
        "",
        "-m rmapbt=0",
        "-m reflink=0",
        "-n parent=1 -i exchange=1",
        "-m bigtime=0 -i nrext64=0",
        "-m finobt=0,inobtcount=0,rmapbt=0,reflink=0 -i sparse=0",
        "-s size=4096",
        "-d agcount=6,su=64k,sw=4 -l su=64k",
    ];

    /// <summary>A row of the matrix: the index of a value in each of the four lists.</summary>
    internal readonly record struct Row(int Block, int Inode, int Directory, int Features)
    {
        /// <summary>What mkfs is told.</summary>
        public string Options => $"-b size={s_blocks[Block]} -i size={s_inodes[Inode]} -n size={s_directories[Directory]} {s_features[Features]}".TrimEnd();

        /// <summary>An inode is at most half a block, a directory block at least one, and a sector at most one.</summary>
        public bool IsLegal => s_inodes[Inode] <= s_blocks[Block] / 2 && s_directories[Directory] >= s_blocks[Block]
            && (!s_features[Features].Contains("-s size=4096", StringComparison.Ordinal) || s_blocks[Block] >= 4096);

        /// <summary>The six pairs of values that meet in it.</summary>
        public IEnumerable<(int, int)> Pairs()
        {
            int[] values = [Block, 10 + Inode, 20 + Directory, 30 + Features];
            for (int i = 0; i < values.Length; i++)
                for (int j = i + 1; j < values.Length; j++) yield return (values[i], values[j]);
        }
    }

    /// <summary>Every legal row.</summary>
    public static IEnumerable<Row> All =>
        from block in Enumerable.Range(0, s_blocks.Length)
        from inode in Enumerable.Range(0, s_inodes.Length)
        from directory in Enumerable.Range(0, s_directories.Length)
        from features in Enumerable.Range(0, s_features.Length)
        where new Row(block, inode, directory, features).IsLegal
        select new Row(block, inode, directory, features);

    /// <summary>Few rows that cover all pairs: always the one next that covers most of those still missing.</summary>
    public static IReadOnlyList<Row> Rows { get; } = Cover();

    private static List<Row> Cover()
    {
        HashSet<(int, int)> missing = [.. All.SelectMany(row => row.Pairs())];
        List<Row> rows = [];
        while (missing.Count > 0)
        {
            Row best = All.MaxBy(row => row.Pairs().Count(missing.Contains));
            rows.Add(best);
            missing.ExceptWith(best.Pairs());
        }
        return rows;
    }
}
