using ImageFs.Format;

namespace ImageFs.BTrees;

/// <summary>
/// What the one engine must know of a kind of tree. Implemented by empty structs, so that the compiler specialises the
/// engine for each of the seven.
/// </summary>
/// <typeparam name="TRecord">The leaf record as it lies on disk.</typeparam>
/// <typeparam name="TKey">The key as it lies on disk; nodes of overlapping trees hold a low and a high one per child.</typeparam>
internal interface IBtreeKind<TRecord, TKey>
    where TRecord : unmanaged
    where TKey : unmanaged
{
    /// <summary>Magic, verifier and name.</summary>
    static abstract BlockKind Block { get; }

    /// <summary>Records are intervals that may overlap: nodes carry the greatest high key below each child.</summary>
    static abstract bool Overlapping { get; }

    /// <summary>Pointers and siblings are 64-bit fsbno with an inode as owner (bmbt) instead of 32-bit agbno.</summary>
    static abstract bool LongPointers { get; }

    /// <summary>The key a record is sorted by.</summary>
    static abstract TKey KeyOf(in TRecord record);

    /// <summary>The last key a record covers, the end of its interval in range queries; nodes hold it only if <see cref="Overlapping"/>.</summary>
    static abstract TKey HighKeyOf(in TRecord record);

    /// <summary>Negative, zero or positive as <paramref name="left"/> sorts before, with or behind <paramref name="right"/>.</summary>
    static abstract int Compare(in TKey left, in TKey right);
}
