using System.Security.Cryptography;
using ImageFs.Format;

namespace ImageFs.Cli.Demo;

/// <summary>Every path of a tree with a short text that differs if the file does: type, mode, and contents or target.</summary>
internal static class Fingerprints
{
    /// <summary>Of an image; <paramref name="without"/> is left out with all below it.</summary>
    public static SortedDictionary<string, string> Of(FileSystem fs, string? without = null)
    {
        SortedDictionary<string, string> all = new(StringComparer.Ordinal);
        Stack<string> rest = new(["/"]);
        while (rest.TryPop(out string? directory))
        {
            foreach (DirectoryItem item in fs.List(directory))
            {
                string path = ImagePath.Join(directory, item.Name);
                if (path == without) continue;
                all[path] = Of(fs, path, fs.GetEntry(path));
                if (item.Type == DirectoryFileType.Directory) rest.Push(path);
            }
        }
        return all;
    }

    /// <summary>Of a folder of the host, where paths begin with '/' as well; <paramref name="wanted"/> as for TreeImport.</summary>
    public static SortedDictionary<string, string> OfHost(string folder, Func<string, bool>? wanted = null)
    {
        SortedDictionary<string, string> all = new(StringComparer.Ordinal);
        Stack<string> rest = new([folder]);
        while (rest.TryPop(out string? at))
        {
            foreach (string child in Directory.EnumerateFileSystemEntries(at))
            {
                if (!(wanted?.Invoke(child) ?? true)) continue;
                Host.HostFile about = Host.HostCalls.Stat(child);
                string kind = Kind(about.Mode);
                all["/" + Path.GetRelativePath(folder, child).Replace(Path.DirectorySeparatorChar, '/')] = about.Type switch
                {
                    FileMode16.Regular => $"{kind} {Hash(child)}",
                    FileMode16.Symlink => $"{kind} {new FileInfo(child).LinkTarget}",
                    _ => kind,
                };
                if (about.Type == FileMode16.Directory) rest.Push(child);
            }
        }
        return all;
    }

    /// <summary>Of bytes: what a regular file's fingerprint ends with.</summary>
    public static string Hash(ReadOnlySpan<byte> bytes) => Convert.ToHexStringLower(SHA256.HashData(bytes));

    /// <summary>Of a file's contents in an image.</summary>
    public static string Hash(FileSystem fs, string path)
    {
        using XfsFile file = fs.OpenFile(path);
        using IncrementalHash hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        byte[] buffer = new byte[256 << 10];
        for (long at = 0; file.Read(at, buffer) is int read and > 0; at += read) hash.AppendData(buffer, 0, read);
        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    /// <summary>The first difference as a phrase, or null.</summary>
    public static string? Difference(SortedDictionary<string, string> expected, SortedDictionary<string, string> found)
    {
        foreach ((string path, string print) in expected)
        {
            if (!found.TryGetValue(path, out string? other)) return $"{path} is missing";
            if (other != print) return $"{path} differs";
        }
        return found.Keys.FirstOrDefault(path => !expected.ContainsKey(path)) is string extra ? $"{extra} is too many" : null;
    }

    private static string Of(FileSystem fs, string path, Entry entry) => entry.Type switch
    {
        FileMode16.Regular => $"{Kind(entry.Mode)} {Hash(fs, path)}",
        FileMode16.Symlink => $"{Kind(entry.Mode)} {fs.ReadLink(path)}",
        _ => Kind(entry.Mode),
    };

    // The permissions of a symlink mean nothing and differ between hosts.
    private static string Kind(ushort mode) => (mode & FileMode16.TypeMask) == FileMode16.Symlink ? "l" : Verbs.ListVerb.ModeText(mode);

    private static string Hash(string file)
    {
        using FileStream stream = File.OpenRead(file);
        return Convert.ToHexStringLower(SHA256.HashData(stream));
    }
}
