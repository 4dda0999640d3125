using System.CommandLine;
using System.Globalization;
using System.Text.Json;
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
        Command command = new("dedupe", "Finds equal blocks, compares them byte by byte and lets them share. Contents and times stay as they are.")
        {
            dry, whole, memory, json, image, paths,
        };
        command.SetAction(parsed =>
        {
            DeduplicationOptions options = new() { DryRun = parsed.GetValue(dry), WholeFiles = parsed.GetValue(whole) };
            if (parsed.GetValue(paths) is { Length: > 0 } some) options = options with { Paths = some };
            if (parsed.GetValue(memory) is string text) options = options with { MemoryLimit = Sizes.Parse(text, "--memory") };
            using FileSystem fs = FileSystem.Open(parsed.GetRequiredValue(image), write: !options.DryRun);
            using CancellationTokenSource stop = new();
            void Stop(object? sender, ConsoleCancelEventArgs pressed)
            {
                pressed.Cancel = true; // what was shared until now stays, and the image is closed properly
                stop.Cancel();
            }
            Console.CancelKeyPress += Stop;
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
            finally
            {
                Console.CancelKeyPress -= Stop;
            }
        });
        return command;
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
