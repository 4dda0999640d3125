using System.Text;
using ImageFs.Cli.Verbs;
using ImageFs.Format;

namespace ImageFs.Cli.Host;

/// <summary>Writes files and trees of an image into a tar archive; the same image gives the same bytes everywhere.</summary>
internal sealed class ArchiveExport(FileSystem image, Stream output)
{
    private readonly PaxArchive _archive = new(output);
    private readonly Dictionary<InodeNumber, byte[]> _linked = [];
    private readonly byte[] _buffer = new byte[Common.Piece];

    /// <summary>Gets a sentence about something an archive cannot have.</summary>
    public Action<string>? Skipped { get; init; }

    /// <summary>Files with holes are written with zeros instead of as sparse ones, which not every reader knows.</summary>
    public bool FillHoles { get; init; }

    /// <summary>Appends one file, or a tree, under its path without the leading slash.</summary>
    public void Add(string path)
    {
        byte[] start = NameText.ToBytes(path.Trim('/'));
        if (start.Length == 0) start = "."u8.ToArray();
        Entry top = image.GetEntry(path, followLink: path.EndsWith('/'));
        foreach ((byte[] name, Entry entry) in TreeWalk.From(image, top.Inode, start))
        {
            RequireHarmless(name, start.Length);
            AddOne(name, entry);
        }
    }

    /// <summary>Ends the archive.</summary>
    public void End() => _archive.End();

    // An image may be hostile, and who unpacks the archive must not pay for it.
    private static void RequireHarmless(byte[] name, int start)
    {
        ReadOnlySpan<byte> last = name.AsSpan(name.AsSpan().LastIndexOf((byte)'/') + 1);
        bool harmless = name.Length == start || !(last.IsEmpty || last.Contains((byte)0) || last.SequenceEqual("."u8) || last.SequenceEqual(".."u8));
        if (!harmless) throw new IOException($"the image holds the name '{Encoding.UTF8.GetString(name)}', which no tree can have");
    }

    private void AddOne(byte[] name, Entry entry)
    {
        if (entry.Type is not (FileMode16.Regular or FileMode16.Directory or FileMode16.Symlink or FileMode16.CharDevice or FileMode16.BlockDevice or FileMode16.Fifo))
        {
            Skipped?.Invoke($"'{Encoding.UTF8.GetString(name)}' is a socket, which an archive cannot have: left out");
            return;
        }
        if (!entry.IsDirectory && entry.LinkCount > 1)
        {
            if (_linked.TryGetValue(entry.Inode, out byte[]? first))
            {
                _archive.Begin(name, entry, first, isHardLink: true, [], 0, null);
                return;
            }
            _linked.Add(entry.Inode, name);
        }
        List<(byte[], byte[])> attributes = image.GetAttributes(entry.Inode);
        if (entry.IsRegular) AddContents(name, entry, attributes);
        else if (entry.IsSymbolicLink) _archive.Begin(name, entry, image.ReadLink(entry.Inode), isHardLink: false, attributes, 0, null);
        else _archive.Begin(entry.IsDirectory ? [.. name, (byte)'/'] : name, entry, [], isHardLink: false, attributes, 0, null);
    }

    private void AddContents(byte[] name, Entry entry, List<(byte[], byte[])> attributes)
    {
        using XfsFile file = image.OpenFile(entry.Inode);
        long length = entry.Length;
        List<(long Offset, long Length)> data = FillHoles ? [(0, length)] : Data(file, length);
        long bytes = data.Sum(run => run.Length);
        if (bytes == length)
        {
            _archive.Begin(name, entry, [], isHardLink: false, attributes, length, null);
        }
        else
        {
            // An empty run at the end tells readers how long the file is.
            if (data.Count == 0 || data[^1].Offset + data[^1].Length < length) data.Add((length, 0));
            byte[] map = PaxArchive.SparseMap(data);
            _archive.Begin(name, entry, [], isHardLink: false, attributes, map.Length + bytes, length);
            _archive.WriteContents(map);
        }
        foreach ((long offset, long count) in data) Write(file, offset, offset + count);
        _archive.EndContents();
    }

    private void Write(XfsFile file, long at, long end)
    {
        while (at < end)
        {
            Span<byte> piece = _buffer.AsSpan(0, (int)Math.Min(_buffer.Length, end - at));
            int read = file.Read(at, piece);
            if (read == 0) throw new IOException($"the file ends at byte {at}, expected {end}");
            _archive.WriteContents(piece[..read]);
            at += read;
        }
    }

    /// <summary>Runs of written extents, those that touch as one.</summary>
    private static List<(long Offset, long Length)> Data(XfsFile file, long length)
    {
        List<(long Offset, long Length)> data = [];
        foreach (FileExtent extent in file.GetExtents())
        {
            long bytes = Math.Min(extent.Offset + extent.Length, length) - extent.Offset;
            if (extent.Unwritten || bytes <= 0) continue;
            if (data.Count > 0 && data[^1].Offset + data[^1].Length == extent.Offset) data[^1] = (data[^1].Offset, data[^1].Length + bytes);
            else data.Add((extent.Offset, bytes));
        }
        return data;
    }
}
