namespace ImageFs.Fsck;

/// <summary>A set of block numbers of one group. Memory goes with the number of regions touched, not with the group's size.</summary>
internal sealed class SparseBitmap
{
    private const int PageLog = 12, PageBits = 1 << PageLog;
    private readonly Dictionary<uint, ulong[]> _pages = [];

    /// <summary>Memory of a page with its place in the table.</summary>
    public const int BytesOfPage = PageBits / 8 + 64;

    /// <summary>Pages there are.</summary>
    public int Pages => _pages.Count;

    /// <summary>Puts a number in.</summary>
    /// <returns>False if it was in already.</returns>
    public bool Add(uint number)
    {
        if (!_pages.TryGetValue(number >> PageLog, out ulong[]? page))
            _pages[number >> PageLog] = page = new ulong[PageBits / 64];
        ref ulong word = ref page[(number & (PageBits - 1)) >> 6];
        ulong bit = 1UL << (int)(number & 63);
        if ((word & bit) != 0) return false;
        word |= bit;
        return true;
    }

    public bool Contains(uint number) =>
        _pages.TryGetValue(number >> PageLog, out ulong[]? page) && (page[(number & (PageBits - 1)) >> 6] >> (int)(number & 63) & 1) != 0;
}
