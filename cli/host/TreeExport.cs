using System.Text;
using System.Text.Unicode;
using ImageFs.Cli.Verbs;
using ImageFs.Format;
using Microsoft.Win32.SafeHandles;

namespace ImageFs.Cli.Host;

/// <summary>Copies files and trees of an image to the host.</summary>
/// <remarks>
/// The image may be hostile: names that are no names, a name twice, links that point anywhere, directories in circles.
/// Nothing is ever written through a symlink below the destination, and nothing outside it.
/// </remarks>
internal sealed class TreeExport(FileSystem image)
{
    private readonly Dictionary<InodeNumber, string> _linked = [];
    private readonly HashSet<InodeNumber> _directories = [];
    private readonly byte[] _buffer = new byte[Common.Piece];
    private bool _refused;

    /// <summary>Gets a host path that was written.</summary>
    public Action<string>? Copied { get; init; }

    /// <summary>Gets a sentence about something the host cannot have.</summary>
    public Action<string>? Skipped { get; init; }

    /// <summary>Copies one file, or a tree, to exactly <paramref name="host"/>.</summary>
    public void Copy(string path, string host)
    {
        Stack<(string Path, string Host, Entry Entry, bool Leaving)> rest = new();
        rest.Push((path, host, image.GetEntry(path, followLink: path.EndsWith('/')), false));
        while (rest.TryPop(out (string Path, string Host, Entry Entry, bool Leaving) at))
        {
            if (at.Leaving)
            {
                Finish(at.Host, at.Entry);
                continue;
            }
            try
            {
                if (!at.Entry.IsDirectory)
                {
                    if (CopyLeaf(at.Path, at.Host, at.Entry)) Finish(at.Host, at.Entry);
                    continue;
                }
                if (!_directories.Add(at.Entry.Inode))
                    throw new CorruptionException("directory", at.Path, $"inode {at.Entry.Inode} has another place in the tree already");
                EnterDirectory(at.Host, mayBeLink: at.Path == path);
            }
            catch (HostNameException why)
            {
                Skipped?.Invoke($"'{at.Path}' has a name that is no UTF-8, which the file system of the host does not take ({why.Message}): left out");
                continue;
            }
            rest.Push(at with { Leaving = true });
            foreach (DirectoryItem item in image.List(at.Path))
            {
                RequireHarmless(item.Name, at.Path);
                if (!HostCalls.HasNamesOfAnyBytes && !Utf8.IsValid(item.NameBytes))
                {
                    Skipped?.Invoke($"'{at.Path}' holds the name '{Encoding.UTF8.GetString(item.NameBytes)}', which is no UTF-8 and cannot be a name on this system: left out");
                    continue;
                }
                string child = ImagePath.Join(at.Path, item.Name);
                rest.Push((child, Path.Combine(at.Host, item.Name), image.GetEntry(child), false));
            }
        }
    }

    private void Finish(string host, Entry entry)
    {
        string? refused = HostCalls.SetAttributes(host, entry, image.GetAttributes(entry.Inode));
        // A host that cannot keep one can keep none of its kind: once is enough.
        if (refused is not null && !_refused)
        {
            Skipped?.Invoke($"'{host}' cannot have its extended attributes here ({refused}); others will be left out too");
            _refused = true;
        }
        Copied?.Invoke(host);
    }

    private static void RequireHarmless(string name, string directory)
    {
        if (name is "" or "." or ".." || name.AsSpan().IndexOfAny('/', '\0') >= 0 || name.IndexOfAny(Path.GetInvalidFileNameChars()) >= 0)
            throw new IOException($"'{directory}' holds the name '{name}', which the host cannot have");
    }

    private static void EnterDirectory(string host, bool mayBeLink)
    {
        ushort? there = HostCalls.TypeOf(host);
        if (there == FileMode16.Symlink && !mayBeLink) throw new IOException($"'{host}' is a symlink: nothing is written through it");
        if (!HostCalls.IsFolder(host)) HostCalls.CreateFolder(host);
    }

    /// <returns>False if there is nothing left to set attributes on.</returns>
    private bool CopyLeaf(string path, string host, Entry entry)
    {
        RemoveOld(host);
        if (entry.LinkCount > 1 && _linked.TryGetValue(entry.Inode, out string? first) && HostCalls.TryLink(first, host))
        {
            Copied?.Invoke(host);
            return false;
        }
        switch (entry.Type)
        {
            case FileMode16.Regular:
                CopyContents(path, host, entry);
                break;
            case FileMode16.Symlink:
                HostCalls.CreateSymbolicLink(host, image.ReadLink(path));
                break;
            default:
                if (HostCalls.TryMakeNode(host, entry.Mode, entry.DeviceMajor, entry.DeviceMinor)) break;
                Skipped?.Invoke($"'{path}' is a device, fifo or socket, which cannot be made here: left out");
                return false;
        }
        if (entry.LinkCount > 1) _linked[entry.Inode] = host;
        return true;
    }

    private static void RemoveOld(string host)
    {
        ushort? old = HostCalls.TypeOf(host);
        if (old == FileMode16.Directory) throw new IOException($"'{host}' is a directory");
        if (old is not null) HostCalls.Delete(host);
    }

    private void CopyContents(string path, string host, Entry entry)
    {
        using SafeFileHandle to = HostCalls.CreateToWrite(host);
        using XfsFile from = image.OpenFile(path);
        RandomAccess.SetLength(to, entry.Length);
        foreach (FileExtent extent in from.GetExtents())
        {
            if (extent.Unwritten) continue;
            long end = Math.Min(extent.Offset + extent.Length, entry.Length);
            for (long at = extent.Offset; at < end;)
            {
                int read = from.Read(at, _buffer.AsSpan(0, (int)Math.Min(_buffer.Length, end - at)));
                if (read == 0) break;
                RandomAccess.Write(to, _buffer.AsSpan(0, read), at);
                at += read;
            }
        }
    }
}
