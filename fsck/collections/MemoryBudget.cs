using ImageFs.Devices;

namespace ImageFs.Fsck;

/// <summary>How the memory that grows with the image is bounded.</summary>
/// <remarks>
/// An eighth each is for claims and for changed blocks, those of a log replay included: what is more goes to temporary files. The rest is for what is looked up
/// all the time and cannot go there: the inodes, the directories, the claims of the one group that is being compared, and what
/// helpers of a repair found in other blocks. If that
/// is not enough for an image, it is refused with the amount that would do. Reading buffers, a few MiB, come on top.
/// </remarks>
internal sealed class MemoryBudget(long bytes) : IDisposable
{
    /// <summary>Less is refused for any image.</summary>
    public const long Least = 8L << 20;

    public long ForClaims => bytes / 8;
    public long ForChanges => bytes / 8;
    /// <summary>For blocks the library keeps while it repairs names: claims are no longer there then.</summary>
    public long ForCache => bytes / 8;
    /// <summary>For what is salvaged and written again at once.</summary>
    public long ForSalvage => bytes / 8;
    /// <summary>All of it.</summary>
    public long Bytes => bytes;
    private long _tables;

    private long ForLookup => bytes - ForClaims - ForChanges;

    /// <summary>Receives claims that do not fit.</summary>
    public SpillFile Claims { get; } = new();

    /// <summary>Bytes the tables of inodes and directories take.</summary>
    public long Tables => Interlocked.Read(ref _tables);

    /// <summary>Counts bytes of such a table.</summary>
    public void AddTables(long added) => Interlocked.Add(ref _tables, added);

    /// <summary>How many comparisons of groups there is room for at a time.</summary>
    /// <param name="group">Bytes the largest takes.</param>
    public int Comparisons(long group) => (int)Math.Clamp((ForLookup - Tables) / Math.Max(1, group), 1, int.MaxValue);

    /// <summary>Takes room for something that is looked up; whoever lets go of it says so with <see cref="Release"/>.</summary>
    /// <exception cref="XfsException">ENOMEM.</exception>
    public void Hold(long more)
    {
        AddTables(more);
        Require();
    }

    /// <summary>What was taken since a moment is gone again.</summary>
    /// <param name="tables"><see cref="Tables"/> at that moment.</param>
    public void Release(long tables) => AddTables(tables - Tables);

    /// <summary>Asks for room for what must stay in memory.</summary>
    /// <param name="group">Bytes the comparison of a group takes besides.</param>
    /// <exception cref="XfsException">ENOMEM: names the least that would do.</exception>
    public void Require(long group = 0)
    {
        if (bytes < Least) throw new XfsException(Errno.ENOMEM, $"{bytes >> 20} MiB of memory are too little, at least {Least >> 20} are needed");
        if (Tables + group <= ForLookup) return;
        long enough = (Tables + group) * 4 / 3 + (1 << 20);
        throw new XfsException(Errno.ENOMEM, $"{bytes >> 20} MiB of memory are too little for this image, {enough >> 20} would do so far");
    }

    public void Dispose() => Claims.Dispose();
}
