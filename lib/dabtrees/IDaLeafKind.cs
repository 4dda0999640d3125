namespace ImageFs.DaBtrees;

/// <summary>What a da-btree must know about its leaves. Implemented by empty structs, so that calls cost nothing.</summary>
internal interface IDaLeafKind
{
    /// <summary>The magic of a leaf below nodes.</summary>
    static abstract ushort Magic { get; }

    /// <summary>What the tree belongs to, for messages.</summary>
    static abstract string Name { get; }

    /// <summary>The greatest hash of a leaf, which the node above it repeats; 0 if it has no entries.</summary>
    static abstract uint LastHash(ReadOnlySpan<byte> leaf);

    /// <summary>Bytes that the entries would need if they were packed; 0 for a leaf that can go.</summary>
    static abstract int Used(ReadOnlySpan<byte> leaf);

    /// <summary>Makes a zeroed block an empty leaf; its identity and magic are filled in already.</summary>
    static abstract void Clear(Span<byte> leaf);

    /// <summary>
    /// Moves the upper half of a leaf to an empty one; either may be left empty. Returns how many entries stay.
    /// </summary>
    /// <param name="index">Before which entry another one is about to be added.</param>
    /// <param name="right">True if it belongs into <paramref name="to"/>.</param>
    static abstract int Split(Span<byte> from, Span<byte> to, int index, out bool right);

    /// <summary>Moves all of <paramref name="from"/> behind the entries of <paramref name="to"/>, where they are known to fit.</summary>
    static abstract void Join(Span<byte> to, Span<byte> from);
}
