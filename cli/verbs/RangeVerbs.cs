using System.CommandLine;

namespace ImageFs.Cli.Verbs;

/// <summary>Verbs that do one thing to a range of one file.</summary>
internal static class RangeVerbs
{
    private const string OffsetHelp = "where the range begins; 0 unless given", LengthHelp = "how long it is";

    public static Command Allocate(Stdio _) => OneFile("allocate", "Gives a range of a file blocks, which read as zeros; the file grows if need be.",
        lengthIsOptional: false, keepsSize: true, (file, offset, length, keep) => file.Allocate(offset, length!.Value, keep));

    public static Command Punch(Stdio _) => OneFile("punch", "Makes a range of a file a hole; parts of blocks are zeroed.",
        lengthIsOptional: false, keepsSize: false, (file, offset, length, _) => file.PunchHole(offset, length!.Value));

    public static Command Zero(Stdio _) => OneFile("zero", "Makes a range of a file read as zeros, without giving its blocks up.",
        lengthIsOptional: false, keepsSize: true, (file, offset, length, keep) => file.ZeroRange(offset, length!.Value, keep));

    public static Command Insert(Stdio _) => OneFile("insert", "Puts a hole into a file: what is behind moves up. Whole blocks only.",
        lengthIsOptional: false, keepsSize: false, (file, offset, length, _) => file.InsertRange(offset, length!.Value));

    public static Command Collapse(Stdio _) => OneFile("collapse", "Takes a range out of a file: what is behind moves down. Whole blocks only.",
        lengthIsOptional: false, keepsSize: false, (file, offset, length, _) => file.CollapseRange(offset, length!.Value));

    public static Command Unshare(Stdio _) => OneFile("unshare", "Copies what a range of a file shares, so that its blocks are its own. Holes stay holes.",
        lengthIsOptional: true, keepsSize: false, (file, offset, length, _) =>
        {
            long count = length ?? file.Length - offset;
            if (count > 0) file.UnshareRange(offset, count, onlyShared: true);
        });

    public static Command Truncate(Stdio _)
    {
        (Argument<string> image, Argument<string> path) = (Common.Image(), Common.One("PATH", "a regular file in the image"));
        Option<string> length = new("--length") { Description = "its length afterwards: more is filled with zeros, less cuts it off", HelpName = "BYTES", Required = true };
        Command command = new("truncate", "Gives a file another length.") { length, image, path };
        command.SetAction(parsed =>
        {
            long count = Sizes.Parse(parsed.GetRequiredValue(length), "--length");
            using FileSystem fs = Common.Writable(parsed.GetRequiredValue(image));
            using XfsFile file = fs.OpenFile(parsed.GetRequiredValue(path), write: true);
            file.SetLength(count);
            return 0;
        });
        return command;
    }

    private static Command OneFile(string verb, string what, bool lengthIsOptional, bool keepsSize, Action<XfsFile, long, long?, bool> work)
    {
        (Argument<string> image, Argument<string> path) = (Common.Image(), Common.One("PATH", "a regular file in the image"));
        Option<string?> offset = new("--offset") { Description = OffsetHelp, HelpName = "BYTES" };
        Option<string?> length = new("--length")
        {
            Description = lengthIsOptional ? LengthHelp + "; to the end of the file unless given" : LengthHelp,
            HelpName = "BYTES",
            Required = !lengthIsOptional,
        };
        Option<bool> keep = Common.Flag("--keep-size", "the file does not grow, whatever the range");
        Command command = new(verb, what) { offset, length };
        if (keepsSize) command.Options.Add(keep);
        command.Arguments.Add(image);
        command.Arguments.Add(path);
        command.SetAction(parsed =>
        {
            long start = Common.Bytes(parsed, offset) ?? 0;
            long? count = Common.Bytes(parsed, length);
            using FileSystem fs = Common.Writable(parsed.GetRequiredValue(image));
            using XfsFile file = fs.OpenFile(parsed.GetRequiredValue(path), write: true);
            work(file, start, count, keepsSize && parsed.GetValue(keep));
            return 0;
        });
        return command;
    }
}
