using System.Globalization;
using ImageFs.Devices;

namespace ImageFs.Fsck;

/// <summary>The command: <c>fsck [-n|-p|-y] [options] IMAGE</c>.</summary>
public static class FsckProgram
{
    private const string Usage = """
        usage: fsck [-n|-p|-y] [-v] [-q] [-m MB] [--json FILE|-] [--undo FILE] [--discard-log] [--dry-run] IMAGE
               fsck --undo-apply FILE IMAGE
          -n                 check only, change nothing
          -p, -y             repair everything that can be, and say what is left
          --dry-run          work out the repair and print its plan, change nothing
          --undo FILE        keep in FILE what is overwritten
          --undo-apply FILE  bring the image back to what it was before that repair
          --discard-log      give up a log that cannot be replayed, and what it holds
          -m MB              memory for what grows with the image (1024, at least 8); more goes to TMPDIR
          -v                 say what was looked at
          -q                 no lines for findings, only the exit code and errors
          --json FILE        write the report as JSON; - is standard output
        exit: 0 clean, 1 repaired, 4 findings left, 8 not checked, 16 usage, 32 cancelled
        """;

    private sealed class Arguments
    {
        public bool Check, Repair, Verbose, Quiet, DiscardLog, DryRun;
        public string? Image, Json, Undo, UndoApply;
        public long Megabytes = 1024;
    }

    /// <summary>Runs the command.</summary>
    /// <param name="progress">Hears which part runs and how far it is; null if nobody watches.</param>
    /// <returns>The exit code of fsck(8).</returns>
    public static int Run(string[] args, TextWriter output, TextWriter error, IProgress<FsckProgress>? progress = null, CancellationToken cancellation = default)
    {
        if (args is ["-h" or "--help", ..])
        {
            output.WriteLine(Usage);
            return (int)FsckExit.Clean;
        }
        Arguments arguments = new();
        if (Parse(args, arguments) is string misuse)
        {
            error.WriteLine($"fsck: {misuse}");
            error.WriteLine(Usage);
            return (int)FsckExit.Usage;
        }
        string image = arguments.Image!;
        try
        {
            if (arguments.UndoApply is string undo)
            {
                using FileDevice device = FileDevice.Open(image, DeviceAccess.Write);
                UndoLog.Apply(undo, device);
                return (int)FsckExit.Clean;
            }
            FsckReport report = Execute(arguments, progress, cancellation);
            Show(arguments, report, output, error);
            return (int)report.Exit;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            error.WriteLine($"fsck: {image}: {e.Message}");
            return (int)FsckExit.OperationalError;
        }
    }

    private static string? Parse(string[] args, Arguments into)
    {
        for (int i = 0; i < args.Length; i++)
        {
            switch (args[i])
            {
                case "-n": into.Check = true; break;
                case "-p" or "-y" or "-a": into.Repair = true; break;
                case "-v": into.Verbose = true; break;
                case "-q": into.Quiet = true; break;
                case "--discard-log": into.DiscardLog = true; break;
                case "--dry-run": into.DryRun = true; break;
                case "--json" when i + 1 < args.Length: into.Json = args[++i]; break;
                case "--undo" when i + 1 < args.Length: into.Undo = args[++i]; break;
                case "--undo-apply" when i + 1 < args.Length: into.UndoApply = args[++i]; break;
                case "-m" when i + 1 < args.Length:
                    if (!long.TryParse(args[++i], NumberStyles.None, CultureInfo.InvariantCulture, out into.Megabytes) || into.Megabytes is < MemoryBudget.Least >> 20 or > 1 << 30)
                        return $"-m needs a number of megabytes, {MemoryBudget.Least >> 20} at least, not '{args[i]}'";
                    break;
                case "--json" or "--undo" or "--undo-apply": return $"{args[i]} needs a file name{(args[i] == "--json" ? ", or - for standard output" : "")}";
                case "-m": return "-m needs a number of megabytes";
                case [not '-', ..] when into.Image is null: into.Image = args[i]; break;
                default: return $"unexpected argument '{args[i]}'";
            }
        }
        if (into.Image is null) return "which image?";
        if (into.Check && (into.Repair || into.DryRun)) return "-n changes nothing, which does not go with a repair";
        if (into.UndoApply is null && !into.Check && !into.Repair && !into.DryRun) return "say -n to check, or -y to repair";
        return null;
    }

    private static FsckReport Execute(Arguments arguments, IProgress<FsckProgress>? progress, CancellationToken cancellation)
    {
        bool write = arguments.Repair && !arguments.DryRun;
        using FileDevice device = FileDevice.Open(arguments.Image!, write ? DeviceAccess.Write : DeviceAccess.Read);
        if (arguments.Check) return Checker.Check(device, new FsckOptions { DeviceName = arguments.Image!, MemoryBytes = arguments.Megabytes << 20 }, progress, cancellation);
        return Repairer.Repair(device, new RepairOptions
        {
            DeviceName = arguments.Image!, DiscardLog = arguments.DiscardLog, DryRun = arguments.DryRun, UndoFile = arguments.Undo, MemoryBytes = arguments.Megabytes << 20,
        }, progress, cancellation);
    }

    private static void Show(Arguments arguments, FsckReport report, TextWriter output, TextWriter error)
    {
        if (arguments.Json is string json)
        {
            using MemoryStream text = new();
            report.WriteJson(text);
            if (json == "-") output.WriteLine(System.Text.Encoding.UTF8.GetString(text.GetBuffer(), 0, (int)text.Length));
            else File.WriteAllBytes(json, text.ToArray());
        }
        if (report.Exit == FsckExit.OperationalError) error.WriteLine($"fsck: {arguments.Image}: {report.Problem}");
        else if (!arguments.Quiet && arguments.Json != "-")
        {
            report.WriteText(output, arguments.Verbose);
            if (arguments.DryRun && report.Repair is { } repair)
                foreach (PlannedChange change in repair.Plan) output.WriteLine(change.ToString());
        }
    }
}
