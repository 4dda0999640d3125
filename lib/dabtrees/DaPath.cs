using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using ImageFs.Format;
using ImageFs.Metadata;

namespace ImageFs.DaBtrees;

/// <summary>One block on the way from the root to a leaf, and the entry of it the way goes through.</summary>
internal struct DaStep
{
    public MetadataBuffer Buffer;
    public FileBlock Block;
    public int Index;
}

/// <summary>
/// The way from the root to a leaf. Steps are named by their height above the leaf, which stays the same when the tree
/// grows a new root.
/// </summary>
internal struct DaPath
{
    /// <summary>A root of the greatest level, and what is below it.</summary>
    public const int MaxDepth = DaNodeEntry.MaxLevels + 1;

    [InlineArray(MaxDepth)]
    private struct Steps { private DaStep _first; }

    private Steps _steps;
    private int _depth;

    /// <summary>Blocks on the way; 1 if the root is a leaf.</summary>
    public readonly int Depth => _depth;

    /// <summary>The block <paramref name="height"/> above the leaf.</summary>
    [UnscopedRef]
    public ref DaStep this[int height] => ref _steps[_depth - 1 - height];

    /// <summary>The leaf at the end of the way.</summary>
    [UnscopedRef]
    public ref DaStep Leaf => ref this[0];

    public readonly bool IsRoot(int height) => height == _depth - 1;

    public void Clear() => _depth = 0;

    /// <summary>One step further down.</summary>
    public void Push(in DaStep step) => _steps[_depth++] = step;

    /// <summary>Puts a new root above everything.</summary>
    public void InsertRoot(in DaStep root)
    {
        for (int i = _depth; i > 0; i--) _steps[i] = _steps[i - 1];
        _steps[0] = root;
        _depth++;
    }
}
