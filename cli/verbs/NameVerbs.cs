using System.CommandLine;
using System.Globalization;
using ImageFs.Format;

namespace ImageFs.Cli.Verbs;

internal static class MakeDirectoryVerb
{
    public static Command Build(Stdio _)
    {
        Argument<string> image = Common.Image();
        Argument<string[]> paths = Common.Several("PATH", "directories to make");
        Option<bool> parents = Common.Flag("-p", "parents too; what is there already is fine", "--parents");
        Option<string?> mode = new("-m", "--mode") { Description = "permission bits, octal; 755 unless given", HelpName = "MODE" };
        Command command = new("mkdir", "Makes directories.") { parents, mode, image, paths };
        command.SetAction(parsed =>
        {
            ushort bits = parsed.GetValue(mode) is string text ? ParseMode(text) : (ushort)0b111_101_101;
            using FileSystem fs = Common.Writable(parsed.GetRequiredValue(image));
            foreach (string path in parsed.GetRequiredValue(paths))
            {
                if (parsed.GetValue(parents)) MakeWithParents(fs, path, bits);
                else fs.CreateDirectory(path, bits);
            }
            return 0;
        });
        return command;
    }

    private static void MakeWithParents(FileSystem fs, string path, ushort bits)
    {
        string[] steps = path.Split('/', StringSplitOptions.RemoveEmptyEntries);
        string at = "";
        for (int i = 0; i < steps.Length; i++)
        {
            at += "/" + steps[i];
            Entry? there = fs.TryGetEntry(at, followLink: true);
            if (there is null) fs.CreateDirectory(at, i == steps.Length - 1 ? bits : (ushort)0b111_101_101);
            else if (!there.IsDirectory) throw new XfsException(Errno.ENOTDIR, $"'{at}' is no directory");
        }
    }

    private static ushort ParseMode(string text)
    {
        int value = 0;
        foreach (char c in text)
        {
            if (c is < '0' or > '7' || value > 0x1FF) throw new UsageException($"mode '{text}' is no octal number up to 7777");
            value = value << 3 | (c - '0');
        }
        return (ushort)value;
    }
}

internal static class RemoveVerb
{
    public static Command Build(Stdio _)
    {
        Argument<string> image = Common.Image();
        Argument<string[]> paths = Common.Several("PATH", "what to remove");
        Option<bool> recursive = Common.Flag("-r", "directories with everything in them", "-R", "--recursive");
        Option<bool> force = Common.Flag("-f", "what is not there is fine", "--force");
        Command command = new("rm", "Removes files, and with -r directories.") { recursive, force, image, paths };
        command.SetAction(parsed =>
        {
            using FileSystem fs = Common.Writable(parsed.GetRequiredValue(image));
            foreach (string path in parsed.GetRequiredValue(paths))
            {
                if (fs.TryGetEntry(path) is not { } entry)
                {
                    if (parsed.GetValue(force)) continue;
                    throw new XfsException(Errno.ENOENT, $"'{path}' does not exist");
                }
                if (!entry.IsDirectory) fs.DeleteFile(path);
                else if (parsed.GetValue(recursive)) fs.DeleteDirectory(path, recursive: true);
                else throw new XfsException(Errno.EISDIR, $"'{path}' is a directory; -r removes it with everything in it");
            }
            return 0;
        });
        return command;
    }
}

internal static class MoveVerb
{
    public static Command Build(Stdio _)
    {
        Argument<string> image = Common.Image();
        Argument<string[]> paths = new("FROM... TO")
        {
            Description = "what to move, then where to: into TO if that is a directory, else under that name, replacing what has it",
            Arity = new ArgumentArity(2, 100_000),
        };
        Option<bool> noReplace = Common.Flag("-n", "fail rather than replace something", "--no-replace");
        Option<bool> exchange = Common.Flag("--exchange", "FROM and TO swap their names; TO is meant itself, also if it is a directory");
        Command command = new("mv", "Renames and moves inside the image.") { noReplace, exchange, image, paths };
        command.SetAction(parsed =>
        {
            string[] all = parsed.GetRequiredValue(paths);
            bool swap = parsed.GetValue(exchange), keep = parsed.GetValue(noReplace);
            if (swap && (keep || all.Length > 2)) throw new UsageException("--exchange takes two names and no -n");
            using FileSystem fs = Common.Writable(parsed.GetRequiredValue(image));
            if (swap) fs.Rename(all[0], all[1], RenameMode.Exchange);
            else
            {
                foreach (string from in all[..^1])
                    fs.Rename(from, ImagePath.Target(fs, all[^1], ImagePath.Name(from), all.Length > 2), keep ? RenameMode.NoReplace : RenameMode.Replace);
            }
            return 0;
        });
        return command;
    }
}

internal static class CloneVerb
{
    public static Command Build(Stdio io)
    {
        Argument<string> image = Common.Image();
        Argument<string> from = Common.One("FROM", "a regular file in the image");
        Argument<string> to = Common.One("TO", "the clone: a new name, or a directory to put it in; with a range, a file");
        Option<string?> offset = new("--offset") { Description = "where the range begins in FROM, a multiple of the block size", HelpName = "BYTES" };
        Option<string?> length = new("--length") { Description = "how long it is; to the end of FROM unless given", HelpName = "BYTES" };
        Option<string?> toOffset = new("--to-offset") { Description = "where the range goes in TO; --offset unless given", HelpName = "BYTES" };
        Command command = new("clone", "Makes a copy that shares every block with the original, or lets a range of a file share.")
        {
            offset, length, toOffset, image, from, to,
        };
        command.SetAction(parsed =>
        {
            string source = parsed.GetRequiredValue(from);
            using FileSystem fs = Common.Writable(parsed.GetRequiredValue(image));
            string target = ImagePath.Target(fs, parsed.GetRequiredValue(to), ImagePath.Name(source), several: false);
            if (parsed.GetValue(offset) is null && parsed.GetValue(length) is null && parsed.GetValue(toOffset) is null)
            {
                fs.Clone(source, target);
                return 0;
            }
            long start = Common.Bytes(parsed, offset) ?? 0, count = Common.Bytes(parsed, length) ?? 0, at = Common.Bytes(parsed, toOffset) ?? start;
            if (count == 0 && parsed.GetValue(length) is not null) throw new UsageException("--length 0: nothing would be shared");
            using XfsFile original = fs.OpenFile(source);
            using XfsFile copy = fs.Exists(target) ? fs.OpenFile(target, write: true) : fs.CreateFile(target);
            copy.CloneRange(original, start, at, count);
            return 0;
        });
        return command;
    }
}
