using System.CommandLine;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using ImageFs.Format;

namespace ImageFs.Cli.Verbs;

/// <summary>Everything an image holds, one JSON object a line: equal manifests mean equal trees.</summary>
internal static class ManifestVerb
{
    public static Command Build(Stdio io)
    {
        Argument<string> image = Common.Image();
        Option<bool> repaired = Common.AsRepaired();
        Command command = new("manifest",
            "Writes one JSON object a line for every path: path (bytes as latin-1, the root is empty), ino, type, mode, uid, gid, nlink, size, " +
            "mtime (nanoseconds since 1970), rdev, target, xattrs (name to SHA-256), sha256. A dirty image is shown as it is after a replay in memory.")
        {
            repaired, image,
        };
        command.SetAction(parsed =>
        {
            using FileSystem fs = Common.Readable(parsed.GetRequiredValue(image), parsed.GetValue(repaired));
            Write(fs, io.Output);
            return 0;
        });
        return command;
    }

    /// <summary>Writes all lines, directories before what is in them, names in the order of their bytes.</summary>
    public static void Write(FileSystem fs, Stream output)
    {
        // Not disposed: that would close the output.
        BufferedStream buffered = new(output, 64 << 10);
        byte[] buffer = new byte[256 << 10];
        foreach ((byte[] path, Entry entry) in TreeWalk.From(fs, fs.Volume.Root, [])) WriteLine(fs, path, entry, buffered, buffer);
        buffered.Flush();
    }

    private static void WriteLine(FileSystem fs, byte[] path, Entry entry, Stream output, byte[] buffer)
    {
        using (Utf8JsonWriter json = new(output))
        {
            json.WriteStartObject();
            json.WriteString("path", Encoding.Latin1.GetString(path));
            json.WriteNumber("ino", entry.Inode.Value);
            json.WriteString("type", Type(entry));
            json.WriteNumber("mode", entry.Mode & FileMode16.PermissionMask);
            json.WriteNumber("uid", entry.Uid);
            json.WriteNumber("gid", entry.Gid);
            json.WriteNumber("nlink", entry.LinkCount);
            json.WriteNumber("size", entry.Length);
            // Times after 2262 are more nanoseconds than a long can count.
            json.WriteNumber("mtime", (decimal)entry.Modified.UnixNanoseconds);
            if (entry.Type is FileMode16.CharDevice or FileMode16.BlockDevice) json.WriteString("rdev", $"{entry.DeviceMajor}:{entry.DeviceMinor}");
            if (entry.IsSymbolicLink) json.WriteString("target", Encoding.Latin1.GetString(fs.ReadLink(entry.Inode)));
            json.WriteStartObject("xattrs");
            foreach ((byte[] name, byte[] value) in fs.GetAttributes(entry.Inode).OrderBy(a => Encoding.Latin1.GetString(a.Name), StringComparer.Ordinal))
                json.WriteString(Encoding.Latin1.GetString(name), Convert.ToHexStringLower(SHA256.HashData(value)));
            json.WriteEndObject();
            if (entry.IsRegular) json.WriteString("sha256", Hash(fs, entry.Inode, buffer));
            json.WriteEndObject();
        }
        output.WriteByte((byte)'\n');
    }

    private static string Hash(FileSystem fs, InodeNumber inode, byte[] buffer)
    {
        using XfsFile file = fs.OpenFile(inode);
        using IncrementalHash hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        for (long at = 0; file.Read(at, buffer) is int read and > 0; at += read) hash.AppendData(buffer, 0, read);
        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    private static string Type(Entry entry) => entry.Type switch
    {
        FileMode16.Regular => "reg", FileMode16.Directory => "dir", FileMode16.Symlink => "symlink", FileMode16.CharDevice => "chr",
        FileMode16.BlockDevice => "blk", FileMode16.Fifo => "fifo", FileMode16.Socket => "sock", _ => "unknown",
    };
}
