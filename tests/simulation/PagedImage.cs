using ImageFs.Devices;

namespace ImageFs.Tests.Simulation;

/// <summary>
/// The bytes of a disk, sparse, in pages of 4 KiB. A copy costs a table of references: pages are shared until one side
/// writes them, so thousands of crashed images of one history fit in memory.
/// </summary>
internal sealed class PagedImage(long length)
{
    public const int PageLog = 12, PageSize = 1 << PageLog;

    private sealed class Page(object owner)
    {
        public readonly byte[] Bytes = new byte[PageSize];
        /// <summary>Whoever may write it in place.</summary>
        public readonly object Owner = owner;
    }

    private readonly Dictionary<long, Page> _pages = [];
    private object _me = new();

    public long Length { get; } = length;

    /// <summary>Everything on a device, read once.</summary>
    public static PagedImage Of(BlockDevice device)
    {
        PagedImage image = new(device.Length);
        byte[] buffer = new byte[1 << 20];
        for (long at = 0; at < device.Length; at += buffer.Length)
        {
            Span<byte> piece = buffer.AsSpan(0, (int)Math.Min(buffer.Length, device.Length - at));
            device.Read(at, piece);
            image.Write(at, piece);
        }
        return image;
    }

    /// <summary>Where the first byte lies that is not the same in both; -1 if there is none.</summary>
    public long FirstDifference(PagedImage other, long from = 0)
    {
        byte[] zeros = new byte[PageSize];
        foreach (long index in _pages.Keys.Union(other._pages.Keys).Where(i => (i + 1) << PageLog > from).Order())
        {
            Page? mine = _pages.GetValueOrDefault(index), theirs = other._pages.GetValueOrDefault(index);
            if (mine == theirs) continue;
            int skip = (int)Math.Max(0, from - (index << PageLog));
            ReadOnlySpan<byte> a = (mine?.Bytes ?? zeros).AsSpan(skip), b = (theirs?.Bytes ?? zeros).AsSpan(skip);
            int same = a.CommonPrefixLength(b);
            if (same < a.Length) return (index << PageLog) + skip + same;
        }
        return -1;
    }

    /// <summary>The same bytes, independent from now on.</summary>
    public PagedImage Copy()
    {
        PagedImage copy = new(Length);
        copy._pages.EnsureCapacity(_pages.Count);
        foreach ((long index, Page page) in _pages)
            copy._pages.Add(index, page);
        // The pages still name the old owner, so neither side may write them in place any more.
        _me = new object();
        return copy;
    }

    public void Read(long offset, Span<byte> destination)
    {
        while (!destination.IsEmpty)
        {
            int inside = (int)(offset & (PageSize - 1)), piece = Math.Min(destination.Length, PageSize - inside);
            if (_pages.TryGetValue(offset >> PageLog, out Page? page))
                page.Bytes.AsSpan(inside, piece).CopyTo(destination);
            else
                destination[..piece].Clear();
            destination = destination[piece..];
            offset += piece;
        }
    }

    public void Write(long offset, ReadOnlySpan<byte> source)
    {
        while (!source.IsEmpty)
        {
            int inside = (int)(offset & (PageSize - 1)), piece = Math.Min(source.Length, PageSize - inside);
            long index = offset >> PageLog;
            if (!_pages.TryGetValue(index, out Page? page))
            {
                // What reads as zeros needs no page.
                if (source[..piece].ContainsAnyExcept((byte)0))
                    _pages[index] = page = new Page(_me);
            }
            else if (page.Owner != _me)
            {
                Page mine = new(_me);
                page.Bytes.CopyTo(mine.Bytes, 0);
                _pages[index] = page = mine;
            }
            if (page is not null)
                source[..piece].CopyTo(page.Bytes.AsSpan(inside));
            source = source[piece..];
            offset += piece;
        }
    }

    public void Zero(long offset, long length)
    {
        ReadOnlySpan<byte> zeros = stackalloc byte[PageSize];
        for (long end = offset + length; offset < end;)
        {
            int inside = (int)(offset & (PageSize - 1)), piece = (int)Math.Min(end - offset, PageSize - inside);
            if (piece == PageSize)
                _pages.Remove(offset >> PageLog);
            else
                Write(offset, zeros[..piece]);
            offset += piece;
        }
    }

    /// <summary>Writes the image to a new sparse file.</summary>
    public void Save(string path)
    {
        using FileStream file = new(path, FileMode.Create, FileAccess.Write, FileShare.None, bufferSize: 0);
        file.SetLength(Length);
        foreach ((long index, Page page) in _pages.OrderBy(p => p.Key))
        {
            if (!page.Bytes.AsSpan().ContainsAnyExcept((byte)0))
                continue;
            file.Position = index << PageLog;
            file.Write(page.Bytes, 0, (int)Math.Min(PageSize, Length - (index << PageLog)));
        }
    }
}
