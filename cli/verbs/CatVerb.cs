using System.CommandLine;

namespace ImageFs.Cli.Verbs;

internal static class CatVerb
{
    public static Command Build(Stdio io)
    {
        Argument<string> image = Common.Image();
        Option<bool> repaired = Common.AsRepaired();
        Argument<string[]> paths = Common.Several("PATH", "regular files in the image");
        Command command = new("cat", "Writes the contents of files to standard output.") { repaired, image, paths };
        command.SetAction(parsed =>
        {
            using FileSystem fs = Common.Readable(parsed.GetRequiredValue(image), parsed.GetValue(repaired));
            foreach (string path in parsed.GetRequiredValue(paths)) Write(fs, path, io.Output);
            return 0;
        });
        return command;
    }

    /// <summary>All bytes of a file, in pieces.</summary>
    public static void Write(FileSystem fs, string path, Stream output)
    {
        using XfsFile file = fs.OpenFile(path);
        byte[] buffer = new byte[(int)Math.Clamp(file.Length, 1, Common.Piece)];
        for (long at = 0; file.Read(at, buffer) is int read and > 0; at += read) output.Write(buffer, 0, read);
    }
}
