using System.CommandLine;
using ImageFs.Cli.Host;

namespace ImageFs.Cli.Verbs;

internal static class ExportVerb
{
    public static Command Build(Stdio io)
    {
        Argument<string> image = Common.Image();
        Argument<string[]> paths = new("PATH") { Description = "files and trees in the image (/)", Arity = ArgumentArity.ZeroOrMore };
        Option<bool> repaired = Common.AsRepaired();
        Option<string?> file = new("-o", "--output") { Description = "the archive, made or replaced (standard output)", HelpName = "FILE" };
        Option<bool> fill = Common.Flag("--fill-holes", "write holes as zeros, for programs that do not know the sparse files of GNU tar");
        Command command = new("export", "Writes files and whole trees as a tar archive (pax), with holes, modes, owners, times, extended attributes, ACLs, symlinks, hard links and nodes.")
        {
            file, fill, repaired, image, paths,
        };
        command.SetAction(parsed =>
        {
            string? destination = parsed.GetValue(file) is "-" or null ? null : parsed.GetValue(file);
            if (destination is null && io.IsTerminal) throw new UsageException("an archive is nothing to look at: -o FILE, or send it on");
            string[] wanted = parsed.GetValue(paths) is { Length: > 0 } given ? given : ["/"];
            using FileSystem fs = Common.Readable(parsed.GetRequiredValue(image), parsed.GetValue(repaired));
            // Said before anything is written: an archive that ends in the middle helps nobody.
            foreach (string path in wanted) _ = fs.GetEntry(path);
            using FileStream? made = destination is null ? null : new(destination, FileMode.Create, FileAccess.Write);
            int skipped = 0;
            BufferedStream output = new(made ?? io.Output, 64 << 10);
            ArchiveExport export = new(fs, output)
            {
                FillHoles = parsed.GetValue(fill),
                Skipped = why =>
                {
                    skipped++;
                    io.Error.WriteLine($"imagefs: export: {CommandLine.OneLine(why)}");
                },
            };
            foreach (string path in wanted) export.Add(path);
            export.End();
            return skipped == 0 ? 0 : CommandLine.Failed;
        });
        return command;
    }
}
