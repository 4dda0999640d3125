using System.CommandLine;
using System.Globalization;
using ImageFs.Format;

namespace ImageFs.Cli.Verbs;

internal static class StatVerb
{
    public static Command Build(Stdio io)
    {
        Argument<string> image = Common.Image();
        Option<bool> repaired = Common.AsRepaired();
        Argument<string[]> paths = Common.Several("PATH", "files in the image; a symlink is described itself");
        Option<bool> extents = Common.Flag("-e", "where the contents lie", "--extents");
        Command command = new("stat", "Tells all about files.") { extents, repaired, image, paths };
        command.SetAction(parsed =>
        {
            using FileSystem fs = Common.Readable(parsed.GetRequiredValue(image), parsed.GetValue(repaired));
            bool first = true;
            foreach (string path in parsed.GetRequiredValue(paths))
            {
                if (!first) io.Text.WriteLine();
                first = false;
                Describe(fs, path, parsed.GetValue(extents), io.Text);
            }
            return 0;
        });
        return command;
    }

    private static void Describe(FileSystem fs, string path, bool withExtents, TextWriter text)
    {
        Entry e = fs.GetEntry(path);
        string arrow = e.IsSymbolicLink ? $" -> {fs.ReadLink(path)}" : "";
        text.WriteLine($"path      {ImagePath.Normal(path)}{arrow}");
        text.WriteLine(Invariant($"type      {Type(e)}"));
        text.WriteLine(Invariant($"inode     {e.Inode}, generation {e.Generation}, {Sizes.Count(e.LinkCount, "link")}"));
        text.WriteLine(Invariant($"mode      0{Convert.ToString(e.Mode & FileMode16.PermissionMask, 8)} {ListVerb.ModeText(e.Mode)}, uid {e.Uid}, gid {e.Gid}, project {e.ProjectId}"));
        text.WriteLine(Invariant($"size      {e.Length} bytes, {e.Blocks} blocks of {fs.Geometry.BlockSize}, {Sizes.Count((long)e.ExtentCount, "extent")}, {Form(e)}"));
        text.WriteLine($"flags     {Flags(e)}");
        text.WriteLine($"accessed  {Time(e.Accessed)}");
        text.WriteLine($"modified  {Time(e.Modified)}");
        text.WriteLine($"changed   {Time(e.Changed)}");
        text.WriteLine($"born      {Time(e.Created)}");
        foreach (AttributeItem attribute in fs.ListAttributes(path, followLink: false))
            text.WriteLine(Invariant($"attribute {attribute.Name}, {attribute.Length} bytes"));
        if (!withExtents || !e.IsRegular) return;
        using XfsFile file = fs.OpenFile(path);
        foreach (FileExtent x in file.GetExtents())
            text.WriteLine(Invariant($"extent    {x.Offset,14} + {x.Length,-12} at {x.Physical,14}{(x.Shared ? " shared" : "")}{(x.Unwritten ? " unwritten" : "")}"));
    }

    private static string Type(Entry e) => e.Type switch
    {
        FileMode16.Regular => "regular file",
        FileMode16.Directory => "directory",
        FileMode16.Symlink => "symlink",
        FileMode16.Fifo => "fifo",
        FileMode16.Socket => "socket",
        FileMode16.CharDevice => Invariant($"character device {e.DeviceMajor}:{e.DeviceMinor}"),
        FileMode16.BlockDevice => Invariant($"block device {e.DeviceMajor}:{e.DeviceMinor}"),
        _ => Invariant($"unknown ({e.Type:x4})"),
    };

    private static string Form(Entry e) => e.DataFormat switch
    {
        ForkFormat.Local => "in the inode",
        ForkFormat.Extents => "extent list in the inode",
        ForkFormat.Btree => "extents in a btree",
        ForkFormat.Device => "device number in the inode",
        _ => e.DataFormat.ToString(),
    };

    private static string Flags(Entry e)
    {
        string[] words = [.. new[] { e.Flags == 0 ? "" : e.Flags.ToString(), e.Flags2 == 0 ? "" : e.Flags2.ToString() }.Where(w => w.Length > 0)];
        return words.Length == 0 ? "none" : string.Join(", ", words);
    }

    private static string Time(Timestamp time) =>
        time.ToDateTimeOffset().ToString("yyyy-MM-dd HH:mm:ss", CultureInfo.InvariantCulture) + Invariant($".{time.Nanoseconds:d9} UTC");

    private static string Invariant(FormattableString text) => FormattableString.Invariant(text);
}
