using System.Globalization;

namespace ImageFs.Mkfs;

/// <summary>mkfs as a command: arguments in, text and an exit code out.</summary>
public static class MkfsProgram
{
    /// <summary>The environment variable that makes two runs write the same bytes: seconds since 1970.</summary>
    public const string SourceDateVariable = "SOURCE_DATE_EPOCH";

    /// <summary>Runs the command.</summary>
    /// <param name="arguments">Arguments in the style of mkfs.xfs; <see cref="Help"/> lists them.</param>
    /// <param name="output">Gets the geometry.</param>
    /// <param name="error">Gets warnings and what went wrong.</param>
    /// <returns>0, or 1 if no file system was made.</returns>
    public static int Run(string[] arguments, TextWriter output, TextWriter error)
    {
        ArgumentNullException.ThrowIfNull(arguments);
        ArgumentNullException.ThrowIfNull(output);
        ArgumentNullException.ThrowIfNull(error);
        try
        {
            ParsedArguments parsed = OptionParser.Parse(arguments);
            if (parsed.Help) output.Write(Help);
            else if (parsed.Version) output.WriteLine($"imagefs mkfs {typeof(MkfsProgram).Assembly.GetName().Version?.ToString(3)}");
            else Make(parsed.Options, output, error);
            return 0;
        }
        catch (MkfsOptionException e)
        {
            error.WriteLine($"mkfs: {e.Message}");
            error.WriteLine("mkfs --help lists all options.");
            return 1;
        }
        catch (XfsException e)
        {
            error.WriteLine($"mkfs: {e.Message}");
            return 1;
        }
    }

    private static void Make(MkfsOptions options, TextWriter output, TextWriter error)
    {
        string image = options.ImagePath ?? throw new MkfsOptionException("No image is named.");
        options = options with { SourceDate = SourceDate() };
        Mkfs.FormatFile(image, options, plan =>
        {
            foreach (string warning in plan.Warnings) error.WriteLine($"mkfs: warning: {warning}");
            if (!options.Quiet || options.DryRun) output.Write(plan.Describe(image));
            output.Flush();
        });
    }

    private static DateTimeOffset? SourceDate()
    {
        if (Environment.GetEnvironmentVariable(SourceDateVariable) is not { Length: > 0 } text) return null;
        if (!long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out long seconds) || seconds > 253402300799)
            throw new MkfsOptionException($"{SourceDateVariable}={text}: expected seconds since 1970.");
        return DateTimeOffset.FromUnixTimeSeconds(seconds);
    }

    /// <summary>All options.</summary>
    public const string Help = """
        Makes an XFS file system in an image file.

        Usage: mkfs [options] IMAGE

          --size NUM            create the image, or empty it, with this size (as -d file,size=NUM)
          --uuid UUID           the UUID (as -m uuid=UUID); random unless given
          -f                    overwrite a file system or partition table that is there
          -K                    keep the blocks the host has allocated for the image
          -L LABEL              label, at most 12 bytes
          -N                    print what would be made, write nothing
          -q                    print nothing
          -V, --version         print the version
          -h, --help            print this

          -b size=NUM           bytes per block: 1k to 64k, default 4k
          -s size=NUM           bytes per sector: 512 to 32k, default 512
          -d agcount=N          number of allocation groups, or
          -d agsize=NUM         their size, 16m to 1t
          -d size=NUM           size of the file system, default all of the image
          -d su=NUM,sw=N        stripe unit, and stripe units per stripe, or
          -d sunit=N,swidth=N   both in units of 512 bytes, or
          -d noalign            none
          -d file,name=IMAGE    create the image, or empty it
          -d extszinherit=N,cowextsize=N,projinherit=N,daxinherit=0|1,rtinherit=0|1
                                what new files inherit from the root directory
          -i size=N             bytes per inode: 512 to 2048, default 512, or
          -i perblock=N         inodes per block
          -i maxpct=N           largest share of the space for inodes in percent
          -i sparse=0|1         allocate inode chunks in parts, default 1
          -i nrext64=0|1        64-bit extent counters, default 1
          -i exchange=0|1       mappings may be exchanged between files, default 0, with -n parent=1 1
          -l size=NUM           size of the journal
          -l agnum=N            the allocation group that holds it
          -l su=NUM             journal writes are padded to this, or
          -l sunit=N            in units of 512 bytes
          -m finobt=0|1         free inode btree, default 1
          -m rmapbt=0|1         reverse mapping btree, default 1
          -m reflink=0|1        shared blocks, default 1
          -m inobtcount=0|1     inode btree counters, default 1
          -m bigtime=0|1        timestamps up to 2486, default 1
          -m uuid=UUID          the UUID
          -n size=NUM           bytes per directory block: the block size, at least 4k, to 64k
          -n parent=0|1         parent pointers, default 0 (xfsprogs before 6.10 refuse them)
          -r extsize=NUM        realtime extent size (there is no realtime device)

        NUM is a number with an optional suffix: b blocks, s sectors, k, m, g, t, p, e powers of 1024.
        Options that have only one possible value here (crc=1, ftype=1, ...) are accepted with it.
        With SOURCE_DATE_EPOCH in the environment equal options give identical bytes.

        """;
}
