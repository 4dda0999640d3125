using System.Globalization;
using ImageFs.Devices;
using ImageFs.Format;

namespace ImageFs.Cli;

/// <summary>`imagefs inspect`: any structure of an image as a tree or as JSON.</summary>
internal static class InspectProgram
{
    private const int DefaultLimit = 100;

    /// <summary>Runs the command.</summary>
    /// <param name="args">What stands behind the verb.</param>
    /// <returns>0, 1 if a structure could not be read or makes no sense (what could be read is shown), 2 for a path that leads nowhere.</returns>
    public static int Run(string[] args, TextWriter output, TextWriter error)
    {
        bool json = false, onlyOperands = false;
        int limit = DefaultLimit;
        List<string> operands = [];
        for (int i = 0; i < args.Length; i++)
        {
            string arg = args[i];
            if (onlyOperands || arg is not ['-', _, ..]) operands.Add(arg);
            else if (arg == "--") onlyOperands = true;
            else if (arg is "-h" or "--help")
            {
                output.Write(Help);
                return 0;
            }
            else if (arg == "--json") json = true;
            else if (arg == "--limit" || arg.StartsWith("--limit=", StringComparison.Ordinal))
            {
                string? value = arg.Length > 7 ? arg[8..] : i + 1 < args.Length ? args[++i] : null;
                if (!int.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out limit)) return Misused(error, "--limit needs a number, 0 for no limit");
            }
            else return Misused(error, $"unknown option {arg}");
        }
        if (operands.Count is 0 or > 2) return Misused(error, operands.Count == 0 ? "an image is missing" : $"one image and one path, not '{operands[2]}' as well");
        return Run(operands[0], operands.Count == 2 ? operands[1].Trim('/') : "", json, limit, output, error);
    }

    private static int Run(string path, string inside, bool json, int limit, TextWriter output, TextWriter error)
    {
        // Nothing is written, and what is mounted may be looked at: as with any other reader the rest is up to the user.
        using FileDevice device = FileDevice.Open(path, DeviceAccess.Read, allowInUse: true);
        Inspected? found = null;
        Exception? failure = null;
        int code = 0;
        try
        {
            found = new InspectImage(device).Find(inside);
            failure = found.Problem;
        }
        catch (InspectPathException wrong)
        {
            failure = wrong;
            code = CommandLine.Misused;
        }
        catch (Exception e) when (e is XfsException)
        {
            failure = e;
        }
        // Lists are read while they are written, and may end in damage.
        try
        {
            if (json) failure = InspectJson.Write(output, limit, path, inside, found, failure);
            else if (found is not null) new InspectText(output, limit).Write(found, inside);
        }
        catch (XfsException e)
        {
            failure = e;
        }
        output.Flush();
        if (failure is null) return 0;
        error.WriteLine($"imagefs: inspect: {failure.Message.ReplaceLineEndings(" ")}");
        return code == 0 ? CommandLine.Failed : code;
    }

    private static int Misused(TextWriter error, string what)
    {
        error.WriteLine($"imagefs: inspect: {what}");
        error.WriteLine("imagefs inspect -h tells how it is used.");
        return CommandLine.Misused;
    }

    private const string Help = """
        imagefs inspect [--json] [--limit N] IMAGE [PATH]

        Shows any structure of an image as it is on disk, without replaying the log and without believing anything.
        A PATH is made of steps:

          (nothing)                       sizes, and where to begin
          sb, sb/AG                       superblock of group 0, of another group
          agf/AG, agi/AG, agfl/AG         headers of a group; ag/AG shows several
          ag/AG/TREE                      bnobt, cntbt, inobt, finobt, rmapbt or refcountbt: its blocks
          ag/AG/TREE/root, .../AGBNO      one block
          ag/AG/TREE/records              all records in order
          inode/N, inode/root             core and forks
          inode/N/bmap, .../attr_bmap     all extents
          inode/N/bmbt, .../bmbt/FSBLOCK  the tree they are in
          inode/N/dir, .../dir/FILEBLOCK  blocks of a directory, one of them
          inode/N/attr, .../FILEBLOCK     blocks of extended attributes, one of them
          inode/N/symlink                 the target
          block/AG/AGBNO, fsblock/N       a block, as what its magic number says it is
          daddr/N                         the same by units of 512 bytes
          log                             records from the oldest to the newest, head and tail
          log/N, log/at/BLOCK             one record: header, operations, log items

        Every further step is a field or the number of an element: agf/0/freeblks, inode/131/core/size,
        ag/0/bnobt/root/recs/3. Field names are those of format/xfs.ksy.

          --json      one object instead of a tree
          --limit N   at most N elements of each list (100; 0 for all)

        Exit code 1: something could not be read or makes no sense; what could be read is shown. 2: no such path.

        """;
}
