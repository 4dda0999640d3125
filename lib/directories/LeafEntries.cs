using ImageFs.Format;

namespace ImageFs.Directories;

// Always true of a hash index: sorted by hash, equal hashes allowed; a removed entry stays as a stale one (address 0)
// with its hash until its slot is used again, so that removing a name changes eight bytes.

/// <summary>The sorted array of (hash, address) that block form, leaves and leafn blocks share.</summary>
internal static class LeafEntries
{
    /// <summary>The first entry whose hash is not below.</summary>
    public static int LowerBound(ReadOnlySpan<DirectoryLeafEntry> entries, uint hash)
    {
        int low = 0, high = entries.Length;
        while (low < high)
        {
            int middle = (low + high) >>> 1;
            if (entries[middle].Hash < hash) low = middle + 1; else high = middle;
        }
        return low;
    }

    /// <summary>Inserts an entry into the stale slot nearest to where it belongs; there is one.</summary>
    /// <param name="index">Where the entry belongs, see <see cref="LowerBound"/>.</param>
    public static void InsertOverStale(Span<DirectoryLeafEntry> entries, int index, uint hash, uint address)
    {
        int low = index - 1, high = index;
        for (; ; low--, high++)
        {
            if (low >= 0 && entries[low].Address == 0)
            {
                entries[(low + 1)..index].CopyTo(entries[low..]);
                index--;
                break;
            }
            if (high < entries.Length && entries[high].Address == 0)
            {
                entries[index..high].CopyTo(entries[(index + 1)..]);
                break;
            }
            Invariant.Holds(low >= 0 || high < entries.Length, "a stale directory leaf entry that was counted exists");
        }
        entries[index] = new DirectoryLeafEntry { Hash = hash, Address = address };
    }

    /// <summary>Inserts an entry; the last slot is unused.</summary>
    public static void Insert(Span<DirectoryLeafEntry> entries, int index, uint hash, uint address)
    {
        entries[index..^1].CopyTo(entries[(index + 1)..]);
        entries[index] = new DirectoryLeafEntry { Hash = hash, Address = address };
    }

    /// <summary>Moves the entries that are not stale to the front. Returns how many they are.</summary>
    public static int Compact(Span<DirectoryLeafEntry> entries)
    {
        int live = 0;
        foreach (DirectoryLeafEntry entry in entries)
            if (entry.Address != 0) entries[live++] = entry;
        return live;
    }

    /// <summary>Orders entries by hash, and by address where hashes are equal.</summary>
    public static void Sort(Span<DirectoryLeafEntry> entries) => entries.Sort(default(ByHash));

    private readonly struct ByHash : IComparer<DirectoryLeafEntry>
    {
        public int Compare(DirectoryLeafEntry left, DirectoryLeafEntry right)
        {
            int order = left.Hash.Value.CompareTo(right.Hash.Value);
            return order != 0 ? order : left.Address.Value.CompareTo(right.Address.Value);
        }
    }
}
