using System.Runtime.InteropServices;
using ImageFs.Format;

namespace ImageFs.Fsck;

/// <summary>What the walk over a hash tree needs from the directory or attribute fork the tree belongs to.</summary>
internal interface IHashTree
{
    /// <summary>Loads and verifies a block; false if it cannot be used, which was reported then.</summary>
    bool TryLoad(ulong fileBlock, out Where at);

    /// <summary>The block loaded last.</summary>
    ReadOnlySpan<byte> Loaded { get; }

    ushort LeafMagic { get; }

    /// <summary>Takes the loaded leaf.</summary>
    /// <returns>Its first and last hash; null if it is empty.</returns>
    (uint First, uint Last)? TakeLeaf(Where at);

    void Complain(Where at, string what);
}

/// <summary>Walks the btree of hashes that directories and attributes share, level by level.</summary>
internal sealed class HashTreeWalker
{
    // What a level promised: the block, and the last hash below it.
    private PackedList<(uint Block, uint Hash)> _level = new(), _below = new();

    /// <summary>Blocks that were read.</summary>
    public long Visited { get; private set; }

    /// <summary>True if a part of the tree could not be followed.</summary>
    public bool IsBroken { get; private set; }

    /// <param name="root">File block of the root, the lowest of the tree's space.</param>
    /// <param name="end">First file block behind that space.</param>
    /// <param name="unit">File blocks of a block of the tree.</param>
    public void Walk(IHashTree tree, ulong root, ulong end, int unit)
    {
        Visited = 0;
        IsBroken = false;
        _level.Clear();
        _level.Add(((uint)root, 0));
        int expected = -1; // the root says how high the tree is
        while (_level.Count > 0)
        {
            _below.Clear();
            int level = -1;
            uint last = 0;
            for (int i = 0; i < _level.Count; i++)
            {
                (uint block, uint promised) = _level[i];
                if (block < root || block >= end || block % (uint)unit != 0)
                {
                    Break(tree, default, $"the hash tree leads to file block {block}, outside its space");
                    continue;
                }
                if (!tree.TryLoad(block, out Where at))
                {
                    IsBroken = true;
                    continue;
                }
                Visited++;
                ref readonly DaBlockHeader header = ref DaBlockHeader.At(tree.Loaded);
                bool isLeaf = header.Magic == tree.LeafMagic;
                int found = isLeaf ? 0 : header.StaleOrLevel;
                if (!isLeaf && header.Magic != DirectoryMagic.Node)
                {
                    Break(tree, at with { Field = "magic" }, $"magic 0x{header.Magic.Value:x4} in the hash tree");
                    continue;
                }
                if (expected >= 0 && found != expected)
                {
                    Break(tree, at with { Field = "level" }, $"a block of level {found} where {expected} belongs");
                    continue;
                }
                level = found;
                Neighbour(tree, at, "back", header.Back, i > 0 ? _level[i - 1].Block : 0);
                Neighbour(tree, at, "forw", header.Forward, i + 1 < _level.Count ? _level[i + 1].Block : 0);
                (uint First, uint Last)? hashes = isLeaf ? tree.TakeLeaf(at) : TakeNode(tree, at, header.Count);
                if (hashes is not (uint first, uint lastHere)) continue;
                if (first < last) tree.Complain(at, $"hash 0x{first:x} after 0x{last:x} of the block before");
                last = lastHere;
                if (expected >= 0 && lastHere != promised) tree.Complain(at, $"the block ends with hash 0x{lastHere:x}, the node above says 0x{promised:x}");
            }
            if (level < 0) return;
            expected = level - 1;
            (_level, _below) = (_below, _level);
        }
    }

    private (uint First, uint Last)? TakeNode(IHashTree tree, Where at, int count)
    {
        ReadOnlySpan<DaNodeEntry> entries = MemoryMarshal.Cast<byte, DaNodeEntry>(tree.Loaded[DaBlockHeader.Size..])[..count];
        for (int e = 0; e < entries.Length; e++)
        {
            if (e > 0 && entries[e].Hash < entries[e - 1].Hash) tree.Complain(at, $"hash {e} of the node is smaller than the one before it");
            _below.Add((entries[e].Before, entries[e].Hash));
        }
        return (entries[0].Hash, entries[^1].Hash);
    }

    private static void Neighbour(IHashTree tree, Where at, string field, uint found, uint expected)
    {
        if (found != expected) tree.Complain(at with { Field = field }, $"{field} leads to {found}, expected {expected}");
    }

    private void Break(IHashTree tree, Where at, string what)
    {
        tree.Complain(at, what);
        IsBroken = true;
    }
}
