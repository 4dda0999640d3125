using System.CommandLine;
using System.Globalization;

namespace ImageFs.Cli.Verbs;

internal static class CopyRangeVerb
{
    public static Command Build(Stdio io)
    {
        (Argument<string> image, Argument<string> from, Argument<string> to) =
            (Common.Image(), Common.One("FROM", "a regular file in the image"), Common.One("TO", "a file, made if it is not there, or a directory to put it in"));
        Option<string?> offset = new("--offset") { Description = "where the range begins in FROM; 0 unless given", HelpName = "BYTES" };
        Option<string?> length = new("--length") { Description = "how long it is; to the end of FROM unless given", HelpName = "BYTES" };
        Option<string?> toOffset = new("--to-offset") { Description = "where the range goes in TO; --offset unless given", HelpName = "BYTES" };
        Command command = new("copy-range", "Copies a range of a file, sharing blocks where that is possible: any offsets, any length.") { offset, length, toOffset, image, from, to };
        command.SetAction(parsed =>
        {
            long start = Common.Bytes(parsed, offset) ?? 0, at = Common.Bytes(parsed, toOffset) ?? start;
            string original = parsed.GetRequiredValue(from);
            using FileSystem fs = Common.Writable(parsed.GetRequiredValue(image));
            string target = ImagePath.Target(fs, parsed.GetRequiredValue(to), ImagePath.Name(original), several: false);
            using XfsFile source = fs.OpenFile(original);
            using XfsFile copy = fs.Exists(target) ? fs.OpenFile(target, write: true) : fs.CreateFile(target);
            long copied = copy.CopyAll(source, start, at, Common.Bytes(parsed, length) ?? Math.Max(0, source.Length - start));
            io.Text.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{copied} bytes copied"));
            return 0;
        });
        return command;
    }
}

internal static class ExchangeVerb
{
    public static Command Build(Stdio _)
    {
        (Argument<string> image, Argument<string> a, Argument<string> b) = (Common.Image(), Common.One("A", "a regular file in the image"), Common.One("B", "another one, or A again"));
        Option<string?> offset = new("--offset") { Description = "where the range begins in A; 0 unless given", HelpName = "BYTES" };
        Option<string?> length = new("--length") { Description = "how long it is; to the ends of both, with their lengths, unless given", HelpName = "BYTES" };
        Option<string?> toOffset = new("--to-offset") { Description = "where the range begins in B; --offset unless given", HelpName = "BYTES" };
        Option<bool> onlyWritten = Common.Flag("--only-written", "holes and unwritten blocks of A stay where they are");
        Option<bool> dryRun = Common.Flag("--dry-run", "only see whether it is possible");
        Command command = new("exchange", "Exchanges the contents of two files, or of ranges of them, as a whole or not at all. No data is moved.")
        {
            offset, length, toOffset, onlyWritten, dryRun, image, a, b,
        };
        command.SetAction(parsed =>
        {
            long start = Common.Bytes(parsed, offset) ?? 0, at = Common.Bytes(parsed, toOffset) ?? start;
            long? count = Common.Bytes(parsed, length);
            ExchangeOptions options = (count is null ? ExchangeOptions.ToEnd : 0)
                | (parsed.GetValue(onlyWritten) ? ExchangeOptions.FirstWritten : 0)
                | (parsed.GetValue(dryRun) ? ExchangeOptions.DryRun : 0);
            using FileSystem fs = Common.Writable(parsed.GetRequiredValue(image));
            using XfsFile first = fs.OpenFile(parsed.GetRequiredValue(a), write: true), second = fs.OpenFile(parsed.GetRequiredValue(b), write: true);
            second.ExchangeRange(first, start, at, count ?? 0, options);
            return 0;
        });
        return command;
    }
}
