using ImageFs.Format;

namespace ImageFs.Fsck;

/// <summary>An entry of a directory, or what an inode's parent pointer says of one.</summary>
/// <param name="Generation">Of the directory.</param>
internal readonly record struct ParentLink(ulong Directory, uint Generation, byte[] Name);

/// <summary>Holds entries and parent pointers against each other.</summary>
/// <remarks>
/// Each inode has one number: the sum of a hash over all entries that name it, less that over all its pointers. It is 0 if they
/// are the same set, and nothing else need be remembered of a healthy image. For inodes where it is not, the image is read once
/// more, and this time links are kept.
/// </remarks>
internal sealed class ParentTable
{
    /// <summary>Inodes and links that are looked at in detail, at most; a damaged image need not be described to the last name.</summary>
    public const int MostInodes = 10_000, MostLinks = 1 << 20;

    private readonly Lock _lock = new();
    private readonly PackedList<ulong> _sums = new();
    private readonly Dictionary<ulong, (List<ParentLink> Entries, List<ParentLink> Pointers)>? _wanted;
    private readonly HashSet<int> _unreadable = [];
    private int _linksLeft;

    /// <summary>Sums up the links of all inodes.</summary>
    public ParentTable() { }

    /// <param name="wanted">Inodes whose links are kept.</param>
    /// <param name="links">At most so many of them.</param>
    public ParentTable(IEnumerable<ulong> wanted, int links)
    {
        _wanted = wanted.ToDictionary(inode => inode, _ => (new List<ParentLink>(), new List<ParentLink>()));
        _linksLeft = links;
    }

    /// <summary>The links of the inodes asked for.</summary>
    public IReadOnlyDictionary<ulong, (List<ParentLink> Entries, List<ParentLink> Pointers)> Kept => _wanted!;

    /// <summary>A directory names an inode.</summary>
    public void AddEntry(ulong inode, int slot, ulong directory, uint generation, ReadOnlySpan<byte> name) => Add(inode, slot, directory, generation, name, isEntry: true);

    /// <summary>An inode has a pointer.</summary>
    public void AddPointer(ulong inode, int slot, ulong directory, uint generation, ReadOnlySpan<byte> name) => Add(inode, slot, directory, generation, name, isEntry: false);

    /// <summary>The attributes of an inode could not all be read, which was reported: nothing follows from what is missing.</summary>
    public void MarkUnreadable(int slot)
    {
        lock (_lock) _unreadable.Add(slot);
    }

    /// <summary>True if the entries of an inode are not its pointers.</summary>
    public bool Differs(int slot) => slot < _sums.Count && _sums[slot] != 0 && !_unreadable.Contains(slot);

    private void Add(ulong inode, int slot, ulong directory, uint generation, ReadOnlySpan<byte> name, bool isEntry)
    {
        if (_wanted is not null)
        {
            if (!_wanted.TryGetValue(inode, out (List<ParentLink> Entries, List<ParentLink> Pointers) links) || _linksLeft == 0) return;
            _linksLeft--;
            (isEntry ? links.Entries : links.Pointers).Add(new ParentLink(directory, generation, name.ToArray()));
            return;
        }
        ulong hash = Hash(directory, generation, name);
        lock (_lock)
        {
            if (slot >= _sums.Count) _sums.Append(slot + 1 - _sums.Count);
            _sums[slot] += isEntry ? hash : 0 - hash;
        }
    }

    private static ulong Hash(ulong directory, uint generation, ReadOnlySpan<byte> name)
    {
        const ulong prime = 0x100000001B3;
        ulong hash = Mix(directory ^ Mix(generation));
        foreach (byte b in name) hash = (hash ^ b) * prime;
        return Mix(hash + (ulong)name.Length);
    }

    private static ulong Mix(ulong value)
    {
        value = (value ^ value >> 30) * 0xBF58476D1CE4E5B9;
        value = (value ^ value >> 27) * 0x94D049BB133111EB;
        return value ^ value >> 31;
    }
}
