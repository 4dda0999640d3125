using System.CommandLine;
using ImageFs.Cli.Host;

namespace ImageFs.Cli.Verbs;

internal static class GetVerb
{
    public static Command Build(Stdio io)
    {
        Argument<string> image = Common.Image();
        Option<bool> repaired = Common.AsRepaired();
        Argument<string[]> what = new("PATH... HOSTDEST")
        {
            Description = "files and trees in the image, then where they go on the host: into HOSTDEST if that is a folder, else under that name; - is standard output",
            Arity = new ArgumentArity(2, 100_000),
        };
        Option<bool> verbose = Common.Flag("-v", "say what was copied", "--verbose");
        Command command = new("get", "Copies files and whole trees out of the image, with holes, modes, times, extended attributes, symlinks and hard links; owners if run by root.")
        {
            verbose, repaired, image, what,
        };
        command.SetAction(parsed =>
        {
            string[] paths = parsed.GetRequiredValue(what);
            string destination = paths[^1];
            using FileSystem fs = Common.Readable(parsed.GetRequiredValue(image), parsed.GetValue(repaired));
            if (destination == "-")
            {
                foreach (string path in paths[..^1]) CatVerb.Write(fs, path, io.Output);
                return 0;
            }
            bool into = HostCalls.IsFolder(destination);
            if (!into && paths.Length > 2) throw new DirectoryNotFoundException($"'{destination}' is no folder, and several things are to go there");
            int skipped = 0;
            TreeExport export = new(fs)
            {
                Copied = parsed.GetValue(verbose) ? path => io.Text.WriteLine(path) : null,
                Skipped = why =>
                {
                    skipped++;
                    io.Error.WriteLine($"imagefs: get: {CommandLine.OneLine(why)}");
                },
            };
            foreach (string path in paths[..^1])
                export.Copy(path, into ? Path.Combine(destination, Name(path)) : destination);
            return skipped == 0 ? 0 : CommandLine.Failed;
        });
        return command;
    }

    // The root has no name: its contents land in the folder itself.
    private static string Name(string path) => ImagePath.Name(path) is "." or ".." ? "" : ImagePath.Name(path);
}
