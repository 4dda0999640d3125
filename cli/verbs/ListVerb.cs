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
                Entry entry = fs.GetEntry(path, followLink: path.EndsWith('/') || !parsed.GetValue(details));
                if (entry.IsDirectory) lister.Directory(path, entry.Inode, recurse, withHeading: recurse || wanted.Length > 1);
                else lister.Line(path, fs.GetEntry(path));
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

        // Directories are listed as they come off a stack, not by recursion, and by inode, not by a path that is walked again from
        // the root: an image may be as deep as it likes.
        public void Directory(string path, InodeNumber inode, bool recursive, bool withHeading)
        {
            Stack<(string Path, InodeNumber Inode)> rest = new([(path, inode)]);
            HashSet<InodeNumber> seen = [inode];
            while (rest.TryPop(out (string Path, InodeNumber Inode) at))
            {
                if (withHeading) io.Text.WriteLine($"{(_any ? "\n" : "")}{Shown(at.Path)}:");
                _any = true;
                DirectoryItem[] items = [.. fs.List(at.Inode)];
                Array.Sort(items, (a, b) => a.NameBytes.AsSpan().SequenceCompareTo(b.NameBytes));
                List<(string, InodeNumber)> below = [];
                foreach (DirectoryItem item in items)
                {
                    bool isDirectory = Line(item);
                    if (!isDirectory || !recursive) continue;
                    if (!seen.Add(item.Inode))
                        throw new CorruptionException("directory", at.Path, $"'{Shown(item.Name)}' is directory {item.Inode}, which has another place in the tree already");
                    below.Add((ImagePath.Join(at.Path, item.Name), item.Inode));
                }
                for (int i = below.Count - 1; i >= 0; i--) rest.Push(below[i]);
            }
        }

        /// <returns>True for a directory.</returns>
        private bool Line(DirectoryItem item)
        {
            // Without the ftype feature only the inode knows what it is.
            if (details || item.Type == DirectoryFileType.Unknown)
            {
                Entry entry = fs.GetEntry(item.Inode);
                Line(item.Name, entry);
                return entry.IsDirectory;
            }
            Line(item.Name, item.Inode);
            return item.Type == DirectoryFileType.Directory;
        }

        public void Line(string name, Entry entry) => Line(name, entry.Inode, details ? entry : null);

        private void Line(string name, InodeNumber inode, Entry? entry = null)
        {
            _any = true;
            if (inodes) io.Text.Write(string.Create(CultureInfo.InvariantCulture, $"{inode.Value,10} "));
            if (entry is not null) io.Text.Write(Details(entry));
            io.Text.Write(Shown(name));
            if (entry is { IsSymbolicLink: true }) io.Text.Write($" -> {Shown(NameText.FromBytes(fs.ReadLink(entry.Inode)))}");
            io.Text.WriteLine();
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
