using System.CommandLine;
using System.Globalization;
using ImageFs.Cli.Host;

namespace ImageFs.Cli.Verbs;

internal static class PutVerb
{
    public static Command Build(Stdio io)
    {
        Argument<string> image = Common.Image();
        Argument<string[]> what = new("HOSTPATH... DEST")
        {
            Description = "files and trees of the host (- is standard input), then where they go in the image: into DEST if that is a directory, else under that name",
            Arity = new ArgumentArity(2, 100_000),
        };
        Option<string?> owner = new("--owner") { Description = "owner of everything copied, instead of the host's", HelpName = "UID:GID" };
        Option<bool> verbose = Common.Flag("-v", "say what was copied", "--verbose");
        Command command = new("put", "Copies files and whole trees into the image, with holes, modes, owners, times, extended attributes, symlinks and hard links.")
        {
            owner, verbose, image, what,
        };
        command.SetAction(parsed =>
        {
            string[] paths = parsed.GetRequiredValue(what);
            string imagePath = parsed.GetRequiredValue(image);
            using FileSystem fs = Common.Writable(imagePath);
            int skipped = 0;
            TreeImport import = new(fs)
            {
                Owner = parsed.GetValue(owner) is string text ? ParseOwner(text) : null,
                Itself = HostCalls.Stat(Path.GetFullPath(imagePath)).Identity,
                Copied = parsed.GetValue(verbose) ? path => io.Text.WriteLine(path) : null,
                Skipped = why =>
                {
                    skipped++;
                    io.Error.WriteLine($"imagefs: put: {CommandLine.OneLine(why)}");
                },
            };
            foreach (string host in paths[..^1])
            {
                // As with cp, `folder/.` means what is in it, and goes into DEST itself.
                string name = Path.GetFileName(Path.TrimEndingDirectorySeparator(host));
                if (host == "-" || name is "." or "..") name = "";
                string target = ImagePath.Target(fs, paths[^1], name, paths.Length > 2);
                if (host != "-") import.Copy(host, target);
                else if (target.EndsWith('/')) throw new UsageException("standard input has no name: DEST must be a file");
                else import.Copy(io.Input, target);
            }
            return skipped == 0 ? 0 : CommandLine.Failed;
        });
        return command;
    }

    private static (uint, uint) ParseOwner(string text)
    {
        string[] parts = text.Split(':');
        if (parts.Length == 2 && uint.TryParse(parts[0], NumberStyles.None, CultureInfo.InvariantCulture, out uint uid)
            && uint.TryParse(parts[1], NumberStyles.None, CultureInfo.InvariantCulture, out uint gid))
            return (uid, gid);
        throw new UsageException($"owner '{text}' is not of the form UID:GID, two numbers");
    }
}
