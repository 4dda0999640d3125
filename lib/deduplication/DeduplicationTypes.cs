namespace ImageFs.Deduplication;

/// <summary>What a deduplication looks at, and how.</summary>
public sealed record DeduplicationOptions
{
    /// <summary>Files and directories, directories with all below them; everything unless given.</summary>
    public IReadOnlyList<string> Paths { get; init; } = ["/"];

    /// <summary>Say what would be shared and change nothing.</summary>
    public bool DryRun { get; init; }

    /// <summary>Only whole files that are equal: files whose size no other file has are not even read.</summary>
    public bool WholeFiles { get; init; }

    /// <summary>
    /// Bytes for the table of blocks seen, 48 a block; at least 64 KiB. Where the files have more blocks, they are read several
    /// times, each time for another part of all hashes.
    /// </summary>
    public long MemoryLimit { get; init; } = 256L << 20;
}

/// <summary>How far a deduplication is.</summary>
/// <param name="Pass">Counted from 1.</param>
/// <param name="Passes">How often the files are read.</param>
/// <param name="BytesDone">Of file sizes, in this pass.</param>
/// <param name="BytesTotal">Of file sizes, of one pass.</param>
public readonly record struct DeduplicationProgress(int Pass, int Passes, long BytesDone, long BytesTotal);

/// <summary>What a deduplication did, or would do.</summary>
public sealed record DeduplicationReport
{
    /// <summary>Regular files looked at.</summary>
    public long Files { get; init; }

    /// <summary>Bytes read and hashed.</summary>
    public long BytesRead { get; init; }

    /// <summary>Bytes that lay in the same blocks as others already.</summary>
    public long BytesSharedBefore { get; init; }

    /// <summary>Bytes that share blocks now and did not before.</summary>
    public long BytesShared { get; init; }

    /// <summary>Bytes of free space gained, less what the records of more owners took; of a dry run, the blocks that would lose their only owner.</summary>
    public long BytesFreed { get; init; }

    /// <summary>Files that are immutable or append-only and keep their own blocks; others may share with them.</summary>
    public long FilesKept { get; init; }

    /// <summary>How often the files were read.</summary>
    public int Passes { get; init; }
}
