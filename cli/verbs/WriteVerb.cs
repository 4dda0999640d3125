using System.CommandLine;
using System.Globalization;

namespace ImageFs.Cli.Verbs;

internal static class WriteVerb
{
    public static Command Build(Stdio io)
    {
        Argument<string> image = Common.Image();
        Argument<string> path = Common.One("PATH", "a regular file in the image; made if it is not there");
        Option<string?> offset = new("--offset") { Description = "where the bytes go; 0 unless given", HelpName = "BYTES" };
        Option<bool> atomic = Common.Flag("--atomic", "all of them or, after a power cut, none: a power of two of bytes at a multiple of itself; durable when the command ends");
        Command command = new("write", "Writes standard input into a file, over what is there.") { offset, atomic, image, path };
        command.SetAction(parsed =>
        {
            string name = parsed.GetRequiredValue(path);
            long at = parsed.GetValue(offset) is string text ? Sizes.Parse(text, "--offset") : 0;
            using FileSystem fs = Common.Writable(parsed.GetRequiredValue(image));
            if (parsed.GetValue(atomic)) WriteAtomically(fs, name, at, io.Input);
            else
            {
                using XfsFile file = fs.Exists(name) ? fs.OpenFile(name, write: true) : fs.CreateFile(name);
                file.Write(at, io.Input, long.MaxValue);
            }
            return 0;
        });
        return command;
    }

    // Also a file that is made for it is there with its bytes or not at all.
    private static void WriteAtomically(FileSystem fs, string path, long offset, Stream input)
    {
        byte[] bytes = new byte[fs.AtomicWriteInfo.Max + 1];
        int length = input.ReadAtLeast(bytes, bytes.Length, throwOnEndOfStream: false);
        if (length == bytes.Length && fs.AtomicWriteInfo.Max > 0)
            throw new XfsException(Errno.EINVAL, string.Create(CultureInfo.InvariantCulture, $"an atomic write has at most {fs.AtomicWriteInfo.Max} bytes here, there are more on standard input"));
        fs.Atomically(_ =>
        {
            using XfsFile file = fs.Exists(path) ? fs.OpenFile(path, write: true) : fs.CreateFile(path);
            file.AtomicWrite(offset, bytes.AsSpan(0, length));
        }, SyncMode.Data);
    }
}
