using ImageFs.Devices;

namespace ImageFs.Fsck;

/// <summary>The command: <c>fsck [-n] [-v] [-q] [--json FILE|-] IMAGE</c>.</summary>
public static class FsckProgram
{
    private const string Usage = """
        usage: fsck -n [-v] [-q] [--json FILE|-] IMAGE
          -n           check only, change nothing
          -v           say what was looked at
          -q           no lines for findings, only the exit code and errors
          --json FILE  write the report as JSON; - is standard output
        exit: 0 clean, 4 findings, 8 not checked, 16 usage, 32 cancelled
        """;

    /// <summary>Runs the command.</summary>
    /// <returns>The exit code of fsck(8).</returns>
    public static int Run(string[] args, TextWriter output, TextWriter error, CancellationToken cancellation = default)
    {
        bool check = false, verbose = false, quiet = false;
        string? image = null, json = null, repair = null;
        for (int i = 0; i < args.Length; i++)
        {
            switch (args[i])
            {
                case "-n": check = true; break;
                case "-v": verbose = true; break;
                case "-q": quiet = true; break;
                case "-p" or "-y" or "-a": repair = args[i]; break;
                case "-h" or "--help":
                    output.WriteLine(Usage);
                    return (int)FsckExit.Clean;
                case "--json" when i + 1 < args.Length: json = args[++i]; break;
                case [not '-', ..] when image is null: image = args[i]; break;
                default: return Refuse(error, args[i] == "--json" ? "--json needs a file name, or - for standard output" : $"unexpected argument '{args[i]}'");
            }
        }
        if (image is null) return Refuse(error, "which image?");
        if (repair is not null || !check)
        {
            error.WriteLine($"fsck: {(repair is null ? "without -n" : repair)} it would repair, which it cannot do yet; use -n to check. Nothing was changed.");
            return (int)FsckExit.Usage;
        }

        FsckReport report;
        try
        {
            using FileDevice device = FileDevice.Open(image, DeviceAccess.Read);
            report = Checker.Check(device, new FsckOptions { DeviceName = image }, progress: null, cancellation);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            error.WriteLine($"fsck: {image}: {e.Message}");
            return (int)FsckExit.OperationalError;
        }
        if (json is not null)
        {
            using MemoryStream text = new();
            report.WriteJson(text);
            if (json == "-") output.WriteLine(System.Text.Encoding.UTF8.GetString(text.GetBuffer(), 0, (int)text.Length));
            else
            {
                try
                {
                    File.WriteAllBytes(json, text.ToArray());
                }
                catch (Exception e) when (e is IOException or UnauthorizedAccessException)
                {
                    error.WriteLine($"fsck: {json}: {e.Message}");
                    return (int)FsckExit.OperationalError;
                }
            }
        }
        if (report.Exit == FsckExit.OperationalError) error.WriteLine($"fsck: {image}: {report.Problem}");
        else if (!quiet && json != "-") report.WriteText(output, verbose);
        return (int)report.Exit;
    }

    private static int Refuse(TextWriter error, string why)
    {
        error.WriteLine($"fsck: {why}");
        error.WriteLine(Usage);
        return (int)FsckExit.Usage;
    }
}
