using ImageFs.Cli.Verbs;
using ImageFs.Format;
using Microsoft.Win32.SafeHandles;

namespace ImageFs.Cli.Host;

/// <summary>Copies files and trees of the host into an image: contents with their holes, modes, owners, times, extended
/// attributes, symlinks, hard links, nodes.</summary>
/// <remarks>A directory gets its time after what is in it, because every new name changes it.</remarks>
internal sealed class TreeImport(FileSystem image)
{
    private readonly Dictionary<(ulong, ulong), string> _linked = [];
    private byte[]? _buffer;

    /// <summary>Gets a path that was copied.</summary>
    public Action<string>? Copied { get; init; }

    /// <summary>Gets a sentence about something that was left out.</summary>
    public Action<string>? Skipped { get; init; }

    /// <summary>Whether a host file, and what is below it, takes part; null: everything does.</summary>
    public Func<string, bool>? Wanted { get; init; }

    /// <summary>Given to everything instead of the host's owner.</summary>
    public (uint Uid, uint Gid)? Owner { get; init; }

    /// <summary>The image's own file, which must not be copied into itself.</summary>
    public (ulong, ulong)? Itself { get; init; }

    /// <summary>How much was copied.</summary>
    public int Files { get; private set; }
    public int Directories { get; private set; }
    public long Bytes { get; private set; }

    /// <summary>Copies one file, or a tree, to exactly <paramref name="path"/>.</summary>
    public void Copy(string host, string path)
    {
        Stack<(string Host, string Path, HostFile About, bool Leaving)> rest = new();
        rest.Push((host, path, HostCalls.Stat(host), false));
        while (rest.TryPop(out (string Host, string Path, HostFile About, bool Leaving) at))
        {
            if (!at.Leaving && at.About.Type == FileMode16.Directory)
            {
                EnterDirectory(at.Path);
                Directories++;
                rest.Push(at with { Leaving = true });
                string[] names = [.. HostCalls.List(at.Host)];
                Array.Sort(names, StringComparer.Ordinal);
                foreach (string name in names.Reverse())
                {
                    string child = Path.Combine(at.Host, name);
                    if (!(Wanted?.Invoke(child) ?? true)) continue;
                    if (IsNoText(child)) Skipped?.Invoke($"'{child}' has a name that is no text, which this program cannot read on this system: left out");
                    else rest.Push((child, ImagePath.Join(at.Path, name), HostCalls.Stat(child), false));
                }
                continue;
            }
            if (!at.Leaving && !CopyLeaf(at.Host, at.Path, at.About)) continue;
            CopyAttributes(at.Host, at.Path, at.About.Type);
            (uint uid, uint gid) = Owner ?? (at.About.Uid, at.About.Gid);
            image.SetAttributes(at.Path, (ushort)(at.About.Mode & FileMode16.PermissionMask), uid, gid, at.About.Accessed, at.About.Modified, followLink: false);
            Copied?.Invoke(at.Path);
        }
    }

    /// <summary>Copies a stream into a file, made or emptied.</summary>
    public void Copy(Stream stream, string path)
    {
        using XfsFile file = Create(path, 0b110_100_100);
        byte[] buffer = Buffer(long.MaxValue);
        for (long at = 0; ;)
        {
            int read = stream.ReadAtLeast(buffer, buffer.Length, throwOnEndOfStream: false);
            if (read == 0) break;
            file.Write(at, buffer.AsSpan(0, read));
            at += read;
            Bytes += read;
        }
        Files++;
    }

    /// <summary>The runtime shows U+FFFD for what is no text, and then nothing is found under that name.</summary>
    private static bool IsNoText(string host)
    {
        if (HostCalls.HasNamesOfAnyBytes || !Path.GetFileName(host).Contains('\uFFFD')) return false;
        try
        {
            _ = HostCalls.Stat(host);
            return false;
        }
        catch (FileNotFoundException)
        {
            return true;
        }
    }

    private void EnterDirectory(string path)
    {
        Entry? there = image.TryGetEntry(path, followLink: true);
        if (there is null) image.CreateDirectory(path);
        else if (!there.IsDirectory) throw new XfsException(Errno.ENOTDIR, $"'{path}' is in the image already and is no directory");
    }

    private void CopyAttributes(string host, string path, ushort type)
    {
        const string access = "system.posix_acl_access", inherited = "system.posix_acl_default";
        IReadOnlyList<(string Name, byte[] Value)> attributes = HostCalls.GetAttributes(host);
        // A new file may have inherited an ACL in the image, which it has not on the host.
        if (type != FileMode16.Symlink)
            foreach (string acl in type == FileMode16.Directory ? (string[])[access, inherited] : [access])
                if (attributes.All(a => a.Name != acl) && image.TryGetAttribute(path, acl, followLink: false) is not null)
                    image.RemoveAttribute(path, acl, followLink: false);
        foreach ((string name, byte[] value) in attributes)
        {
            try
            {
                image.SetAttribute(path, name, value, followLink: false);
            }
            catch (XfsException why) when (why.Errno == Errno.EOPNOTSUPP)
            {
                Skipped?.Invoke($"'{host}': its attribute {name} is none XFS can have: left out");
            }
        }
    }

    /// <returns>False if there is nothing left to set attributes on.</returns>
    private bool CopyLeaf(string host, string path, HostFile about)
    {
        if (about.Identity is { } self && self == Itself)
        {
            Skipped?.Invoke($"'{host}' is the image itself: left out");
            return false;
        }
        bool several = about.Links > 1 && about.Identity is not null;
        if (several && _linked.TryGetValue(about.Identity!.Value, out string? first))
        {
            Replace(path);
            image.CreateHardLink(path, first);
            Copied?.Invoke(path);
            return false;
        }
        switch (about.Type)
        {
            case FileMode16.Regular:
                CopyContents(host, path, about);
                Files++;
                break;
            case FileMode16.Symlink:
                Replace(path);
                image.CreateSymbolicLink(path, HostCalls.ReadLink(host));
                break;
            default:
                Replace(path);
                image.CreateNode(path, about.Type, about.Mode, about.DeviceMajor, about.DeviceMinor);
                break;
        }
        if (several) _linked[about.Identity!.Value] = path;
        return true;
    }

    private void CopyContents(string host, string path, HostFile about)
    {
        using SafeFileHandle from = HostCalls.OpenToRead(host);
        using XfsFile to = Create(path, (ushort)(about.Mode & FileMode16.PermissionMask));
        byte[] buffer = Buffer(about.Length);
        foreach ((long start, long end) in HostCalls.DataOf(from, about))
        {
            for (long at = start; at < end;)
            {
                int read = RandomAccess.Read(from, buffer.AsSpan(0, (int)Math.Min(buffer.Length, end - at)), at);
                if (read == 0) break;
                to.Write(at, buffer.AsSpan(0, read));
                at += read;
                Bytes += read;
            }
        }
        if (about.IsSparse && to.Length < about.Length) to.SetLength(about.Length);
    }

    private XfsFile Create(string path, ushort mode)
    {
        // An existing file keeps its inode, as with cp; a link in its place is replaced, not followed.
        if (image.TryGetEntry(path) is { IsRegular: false }) Replace(path);
        return image.CreateFile(path, mode);
    }

    private void Replace(string path)
    {
        if (image.TryGetEntry(path) is not { } there) return;
        if (there.IsDirectory) throw new XfsException(Errno.EISDIR, $"'{path}' is a directory in the image");
        image.DeleteFile(path);
    }

    private byte[] Buffer(long length)
    {
        int wanted = (int)Math.Clamp(length, 4096, Common.Piece);
        if (_buffer is null || _buffer.Length < wanted) _buffer = new byte[wanted];
        return _buffer;
    }
}
