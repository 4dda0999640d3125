using System.CommandLine;
using System.Globalization;
using ImageFs.Format;

namespace ImageFs.Cli.Verbs;

internal static class ListVerb
{
    public static Command Build(Stdio io)
    {
        Argument<string> image = Common.Image();
        Option<bool> repaired = Common.AsRepaired();
        Argument<string[]> paths = new("PATH") { Description = "files and directories in the image, / unless given", Arity = ArgumentArity.ZeroOrMore };
        Option<bool> details = Common.Flag("-l", "mode, links, owner, group, size, time of the last change (UTC)");
        Option<bool> recursive = Common.Flag("-R", "the whole tree", "--recursive");
        Option<bool> inodes = Common.Flag("-i", "inode numbers");
        Command command = new("ls", "Lists directories.") { details, recursive, inodes, repaired, image, paths };
        command.SetAction(parsed =>
        {
            using FileSystem fs = Common.Readable(parsed.GetRequiredValue(image), parsed.GetValue(repaired));
            Lister lister = new(fs, io, parsed.GetValue(details), parsed.GetValue(inodes));
            string[] wanted = parsed.GetValue(paths) is { Length: > 0 } some ? some : ["/"];
            bool recurse = parsed.GetValue(recursive);
            foreach (string path in wanted)
            {
                if (!fs.GetEntry(path, followLink: path.EndsWith('/') || !parsed.GetValue(details)).IsDirectory) lister.Line(path, path);
                else lister.Directory(path, recurse, withHeading: recurse || wanted.Length > 1);
            }
            return 0;
        });
        return command;
    }

    /// <summary>The ten characters of `ls -l`.</summary>
    public static string ModeText(ushort mode)
    {
        char type = (mode & FileMode16.TypeMask) switch
        {
            FileMode16.Directory => 'd', FileMode16.Symlink => 'l', FileMode16.Regular => '-', FileMode16.Fifo => 'p',
            FileMode16.Socket => 's', FileMode16.CharDevice => 'c', FileMode16.BlockDevice => 'b', _ => '?',
        };
        Span<char> text = [type, .. "rwxrwxrwx"];
        for (int bit = 0; bit < 9; bit++)
            if ((mode >> (8 - bit) & 1) == 0) text[1 + bit] = '-';
        if ((mode & 0x800) != 0) text[3] = text[3] == 'x' ? 's' : 'S';
        if ((mode & 0x400) != 0) text[6] = text[6] == 'x' ? 's' : 'S';
        if ((mode & 0x200) != 0) text[9] = text[9] == 'x' ? 't' : 'T';
        return new string(text);
    }

    private sealed class Lister(FileSystem fs, Stdio io, bool details, bool inodes)
    {
        private bool _any;

        // Directories are listed as they come off a stack, not by recursion: an image may be as deep as it likes.
        public void Directory(string path, bool recursive, bool withHeading)
        {
            Stack<string> rest = new([path]);
            HashSet<InodeNumber> seen = [fs.GetEntry(path, followLink: true).Inode];
            while (rest.TryPop(out string? at))
            {
                if (withHeading) io.Text.WriteLine($"{(_any ? "\n" : "")}{Shown(at)}:");
                _any = true;
                DirectoryItem[] items = [.. fs.List(at)];
                Array.Sort(items, (a, b) => a.NameBytes.AsSpan().SequenceCompareTo(b.NameBytes));
                List<string> below = [];
                foreach (DirectoryItem item in items)
                {
                    string child = ImagePath.Join(at, item.Name);
                    bool isDirectory = Line(child, item.Name, item);
                    if (!isDirectory || !recursive) continue;
                    if (!seen.Add(item.Inode))
                        throw new CorruptionException("directory", at, $"'{Shown(item.Name)}' is directory {item.Inode}, which has another place in the tree already");
                    below.Add(child);
                }
                for (int i = below.Count - 1; i >= 0; i--) rest.Push(below[i]);
            }
        }

        /// <returns>True for a directory.</returns>
        public bool Line(string path, string name, DirectoryItem? item = null)
        {
            _any = true;
            // Without the ftype feature only the inode knows what it is.
            bool ask = details || item is null || item.Type == DirectoryFileType.Unknown;
            Entry? entry = ask ? fs.GetEntry(path) : null;
            if (inodes) io.Text.Write(string.Create(CultureInfo.InvariantCulture, $"{(entry?.Inode ?? item!.Inode).Value,10} "));
            if (details) io.Text.Write(Details(entry!));
            io.Text.Write(Shown(name));
            if (details && entry!.IsSymbolicLink) io.Text.Write($" -> {Shown(fs.ReadLink(path))}");
            io.Text.WriteLine();
            return entry?.IsDirectory ?? item!.Type == DirectoryFileType.Directory;
        }

        private static string Details(Entry e)
        {
            string size = e.Type is FileMode16.CharDevice or FileMode16.BlockDevice
                ? string.Create(CultureInfo.InvariantCulture, $"{e.DeviceMajor}, {e.DeviceMinor}")
                : e.Length.ToString(CultureInfo.InvariantCulture);
            string time = e.Modified.ToDateTimeOffset().ToString("yyyy-MM-dd HH:mm:ss", CultureInfo.InvariantCulture);
            return string.Create(CultureInfo.InvariantCulture, $"{ModeText(e.Mode)} {e.LinkCount,3} {e.Uid,5} {e.Gid,5} {size,10} {time} ");
        }

        // A name may hold anything but '/' and NUL; a terminal must not be told to do things by it.
        private string Shown(string name) =>
            io.IsTerminal && name.Any(char.IsControl) ? string.Concat(name.Select(c => char.IsControl(c) ? '?' : c)) : name;
    }
}
