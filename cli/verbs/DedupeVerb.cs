using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using ImageFs.Dax;
using ImageFs.Deduplication;
using Spectre.Console;

namespace ImageFs.Cli.Verbs;

/// <summary>Shares whatever is equal in an image, or in some of its files and directories.</summary>
internal static class DedupeVerb
{
    public static Command Build(Stdio io)
    {
        Argument<string> image = Common.Image();
        Argument<string[]> paths = new("PATH") { Description = "files, and directories with all below them; everything unless given", Arity = ArgumentArity.ZeroOrMore };
        Option<bool> dry = Common.Flag("--dry-run", "only say what it would bring; the image may be open for reading elsewhere", "-n");
        Option<bool> whole = Common.Flag("--whole-files", "share only files that are equal from end to end; reads only files of equal size");
        Option<string?> memory = new("--memory") { Description = "for the table of blocks; 256m unless given. With less, files are read several times", HelpName = "BYTES" };
        Option<bool> json = Common.Flag("--json", "one JSON object");
        Option<string?> offset = new("--offset") { Description = "a range only: the first PATH's begins here, the others share it where they are equal", HelpName = "BYTES" };
        Option<string?> length = new("--length") { Description = "how long the range is; to the end of the first PATH unless given", HelpName = "BYTES" };
        Option<string?> toOffset = new("--to-offset") { Description = "where the range begins in the others; --offset unless given", HelpName = "BYTES" };
        Command command = new("dedupe", "Finds equal blocks, compares them byte by byte and lets them share. Contents and times stay as they are.")
        {
            dry, whole, memory, json, offset, length, toOffset, image, paths,
        };
        command.Validators.Add(result =>
        {
            if (!((Option[])[offset, length, toOffset]).Any(option => result.GetResult(option) is not null)) return;
            if (result.GetValue(paths) is not { Length: >= 2 }) result.AddError("dedupe of a range needs a PATH that has it and others that may share it");
            if (((Option[])[dry, whole, memory]).Any(option => result.GetResult(option) is { Implicit: false })) result.AddError("--dry-run, --whole-files and --memory are not for a range");
        });
        command.SetAction(parsed =>
        {
            if (parsed.GetValue(offset) is not null || parsed.GetValue(length) is not null || parsed.GetValue(toOffset) is not null)
            {
                long start = Common.Bytes(parsed, offset) ?? 0;
                return Range(parsed.GetRequiredValue(image), parsed.GetRequiredValue(paths), start, Common.Bytes(parsed, length), Common.Bytes(parsed, toOffset) ?? start, parsed.GetValue(json), io);
            }
            DeduplicationOptions options = new() { DryRun = parsed.GetValue(dry), WholeFiles = parsed.GetValue(whole) };
            if (parsed.GetValue(paths) is { Length: > 0 } some) options = options with { Paths = some };
            if (parsed.GetValue(memory) is string text) options = options with { MemoryLimit = Sizes.Parse(text, "--memory") };
            using FileSystem fs = FileSystem.Open(parsed.GetRequiredValue(image), write: !options.DryRun);
            // What was shared until then stays, and the image is closed properly.
            using Interrupt stop = new();
            try
            {
                DeduplicationReport report = WithProgress(io, progress => fs.Deduplicate(options, progress, stop.Token));
                if (parsed.GetValue(json)) WriteJson(report, options, io);
                else Write(report, options, io);
                return 0;
            }
            catch (OperationCanceledException)
            {
                io.Error.WriteLine("imagefs: dedupe: stopped; what was shared until then stays shared");
                return CommandLine.Failed;
            }
        });
        return command;
    }

    /// <summary>One range of the first file with the same of all others, each compared by itself.</summary>
    /// <returns>Failure if one of them differs or cannot take part.</returns>
    private static int Range(string image, string[] paths, long offset, long? length, long toOffset, bool json, Stdio io)
    {
        using FileSystem fs = Common.Writable(image);
        using XfsFile source = fs.OpenFile(paths[0]);
        long rest = length ?? Math.Max(0, source.Length - offset);
        bool failed = false;
        List<(string Path, DedupeStatus Status, long Compared, long Shared)> results = [];
        foreach (string path in paths[1..])
        {
            using XfsFile target = fs.OpenFile(path);
            DedupeResult result = default;
            (long compared, long shared) = (0, 0);
            do
            {
                // A call compares a gigabyte at most.
                result = target.DedupeRange(source, offset + compared, toOffset + compared, rest - compared);
                compared += result.BytesCompared;
                shared += result.BytesShared;
            }
            while (result.Status == DedupeStatus.Same && result.BytesCompared > 0 && compared < rest);
            failed |= result.Status != DedupeStatus.Same;
            results.Add((path, result.Status, compared, shared));
        }
        if (json) WriteJson(results, io);
        else
            foreach ((string path, DedupeStatus status, long _, long shared) in results)
                io.Text.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{path}: {(status == DedupeStatus.Same ? $"{shared} bytes share blocks now" : "the range differs")}"));
        return failed ? CommandLine.Failed : 0;
    }

    private static void WriteJson(List<(string Path, DedupeStatus Status, long Compared, long Shared)> results, Stdio io)
    {
        io.Text.Flush();
        using (Utf8JsonWriter json = new(io.Output))
        {
            json.WriteStartArray();
            foreach ((string path, DedupeStatus status, long compared, long shared) in results)
            {
                json.WriteStartObject();
                json.WriteString("path", path);
                json.WriteBoolean("same", status == DedupeStatus.Same);
                json.WriteNumber("bytes_compared", compared);
                json.WriteNumber("bytes_shared", shared);
                json.WriteEndObject();
            }
            json.WriteEndArray();
        }
        io.Output.WriteByte((byte)'\n');
    }

    /// <summary>A bar while a person is watching, nothing in a pipe.</summary>
    private static DeduplicationReport WithProgress(Stdio io, Func<IProgress<DeduplicationProgress>?, DeduplicationReport> work)
    {
        if (!io.IsTerminal || Console.IsErrorRedirected) return work(null);
        IAnsiConsole console = AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(Console.Error) });
        return console.Progress().AutoClear(true).Columns(new TaskDescriptionColumn(), new ProgressBarColumn(), new PercentageColumn(), new RemainingTimeColumn()).Start(context =>
        {
            ProgressTask bar = context.AddTask("reading");
            return work(new Watcher(now =>
            {
                bar.Description = now.Passes > 1 ? $"reading {now.Pass}/{now.Passes}" : "reading";
                bar.MaxValue = Math.Max(1, now.BytesTotal) * (double)now.Passes;
                bar.Value = now.BytesTotal * (double)(now.Pass - 1) + now.BytesDone;
            }));
        });
    }

    private sealed class Watcher(Action<DeduplicationProgress> show) : IProgress<DeduplicationProgress>
    {
        public void Report(DeduplicationProgress value) => show(value);
    }

    private static void Write(DeduplicationReport report, DeduplicationOptions options, Stdio io)
    {
        string would = options.DryRun ? "would share" : "share";
        io.Text.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"{report.Files} files, {report.BytesRead} bytes read in {report.Passes} {(report.Passes == 1 ? "pass" : "passes")}, {report.BytesSharedBefore} were shared already"));
        io.Text.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"{report.BytesShared} bytes {would} blocks{(options.DryRun ? "" : " now")}, {report.BytesFreed} bytes {(options.DryRun ? "would become" : "became")} free ({Sizes.Human(report.BytesFreed)})"));
        if (report.FilesKept > 0) io.Text.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{report.FilesKept} immutable or append-only files kept their blocks"));
    }

    private static void WriteJson(DeduplicationReport report, DeduplicationOptions options, Stdio io)
    {
        io.Text.Flush();
        using (Utf8JsonWriter json = new(io.Output))
        {
            json.WriteStartObject();
            json.WriteBoolean("dry_run", options.DryRun);
            json.WriteNumber("files", report.Files);
            json.WriteNumber("files_kept", report.FilesKept);
            json.WriteNumber("passes", report.Passes);
            json.WriteNumber("bytes_read", report.BytesRead);
            json.WriteNumber("bytes_shared_before", report.BytesSharedBefore);
            json.WriteNumber("bytes_shared", report.BytesShared);
            json.WriteNumber("bytes_freed", report.BytesFreed);
            json.WriteEndObject();
        }
        io.Output.WriteByte((byte)'\n');
    }
}
