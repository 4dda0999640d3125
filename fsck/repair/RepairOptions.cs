namespace ImageFs.Fsck;

/// <summary>How a repair is made.</summary>
public sealed record RepairOptions : FsckOptions
{
    /// <summary>Give up a log that cannot be replayed, and what it holds.</summary>
    public bool DiscardLog { get; init; }

    /// <summary>Work out the plan and write nothing.</summary>
    public bool DryRun { get; init; }

    /// <summary>Receives what every block was before it is overwritten; see <see cref="UndoLog"/>. Null to keep nothing.</summary>
    public string? UndoFile { get; init; }
}

/// <summary>A run of bytes that a repair changes.</summary>
/// <param name="Offset">Where it begins, bytes from the start of the image.</param>
/// <param name="Length">Bytes.</param>
/// <param name="Code">Why: the remedy's word, as in <see cref="FindingCode.RemedyWord"/>.</param>
/// <param name="Before">CRC32c of the bytes as they are on the image.</param>
/// <param name="After">CRC32c of the bytes as they will be.</param>
public readonly record struct PlannedChange(long Offset, long Length, string Code, uint Before, uint After)
{
    public override string ToString() => $"0x{Offset:x} {Length} {Code} 0x{Before:x8} 0x{After:x8}";
}

/// <summary>What a repair did, or would do.</summary>
public sealed record RepairOutcome
{
    /// <summary>What it changes, by offset; empty if writing it would be dangerous.</summary>
    public required IReadOnlyList<PlannedChange> Plan { get; init; }
    /// <summary>True once it is on the image.</summary>
    public required bool IsApplied { get; init; }
    /// <summary>The check of the repaired view.</summary>
    public required FsckReport? After { get; init; }
    /// <summary>Why something is left, or nothing was written at all; null if everything is repaired.</summary>
    public string? Problem { get; init; }
    /// <summary>Faults of the repaired view: what the next run will find again, and nothing else.</summary>
    public IReadOnlyList<Finding> Left { get; init; } = [];
    /// <summary>What somebody should know who uses the image again: inodes made anew, and what could not be known of them.</summary>
    public IReadOnlyList<string> Notes { get; init; } = [];
    /// <summary>What was in a log that was given up, as far as that is known.</summary>
    public string? LostLog { get; init; }
}
