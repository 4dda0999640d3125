using ImageFs.Bench;

// Each benchmark measures us and the kernel in turn, several times, in one process; the medians and their ratio are printed.
return args switch
{
    ["smallfiles", .. var rest] => SmallFiles.Run(Options.Parse(rest)),
    ["bigdirectory", .. var rest] => BigDirectory.Run(Options.Parse(rest, new Options { Files = 1_000_000 })),
    ["data", .. var rest] => DataBench.Run(rest),
    ["memory-of", var image] => DataMemory.Measure(image),
    ["fsck", .. var rest] => FsckRace.Run(Options.Parse(rest, new Options { Files = 1_000_000 })),
    _ => Usage(),
};

static int Usage()
{
    Console.Error.WriteLine("""
        usage: bench smallfiles [--files N] [--per-directory N] [--bytes N] [--runs N] [--folder DIR]
          Creates N small files with one flush at the end, through the library and through the kernel on a loop mount.
               bench bigdirectory [--files N] [--runs N] [--folder DIR]
          One directory of N entries: create, look up, list, delete; through the library and through the kernel on a loop mount.
               bench data [read|random|overwrite|threads|holes|cow|clone|dedupe|memory ...] [--runs N] [--folder DIR]
          Moves and shares the bytes of files: the library on a mapped image, raw memory, and the kernel on a loop mount.
               bench fsck [--files N] [--extents N] [--runs N] [--folder DIR]
          Checks an image of N small files, and one of N extents in 100 files, with ours and with xfs_repair -n; the first is then
          damaged so that every tree has to be written anew, and repaired with both.
        """);
    return 2;
}
