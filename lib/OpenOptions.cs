namespace ImageFs;

/// <summary>Whether file data is reached through a mapping of the image.</summary>
/// <remarks>
/// A mapping is faster than system calls, and less forgiving: a bad sector, or somebody who truncates the image without asking for
/// its lock, ends the process instead of throwing. Metadata is never changed in a mapping.
/// </remarks>
public enum DirectAccess
{
    /// <summary>Never: reads and writes copy through system calls.</summary>
    Never,
    /// <summary>For files that carry the DAX flag (<see cref="FileSystem.SetFlags"/>) when they are opened.</summary>
    PerInode,
    /// <summary>For all files.</summary>
    Always,
}

/// <summary>How an image is opened.</summary>
public sealed record OpenOptions
{
    /// <summary>Open for writing: takes an exclusive lock.</summary>
    public bool Write { get; init; }

    /// <summary>
    /// Whether data is reached through a mapping. Where it cannot be (block size no multiple of the page size, block device, replayed
    /// log in memory), reads and writes copy all the same, and only views and read leases are refused.
    /// </summary>
    public DirectAccess DirectAccess { get; init; }

    /// <summary>
    /// Bytes of metadata to keep in memory beside what waits for the log; 0 for a sixteenth of the memory this process may have,
    /// 64 MiB to 1 GiB.
    /// </summary>
    public long CacheBytes { get; init; }
}
