using ImageFs.Transactions;

namespace ImageFs;

/// <summary>Whether a call returns before or after what it did is durable.</summary>
public enum SyncMode
{
    /// <summary>Durable with the next flush.</summary>
    None,
    /// <summary>Durable on return, with everything done before (RWF_DSYNC).</summary>
    Data,
}

/// <summary>An atomic group while it runs: how much of the log it uses.</summary>
public sealed class AtomicGroup
{
    private readonly TransactionGroup _group;

    internal AtomicGroup(TransactionGroup group) => _group = group;

    /// <summary>Bytes of the log that the changes so far take, at most. File data does not count: it never passes the log.</summary>
    public long LogBytes => _group.Bytes;

    /// <summary>Bytes that a group may take: a quarter of the log.</summary>
    public long LogLimit => _group.TransactionLimit;
}

public sealed partial class FileSystem
{
    /// <summary>
    /// Runs calls on this file system and its files that become durable together or not at all, whatever happens in between.
    /// Other threads wait until it is over.
    /// </summary>
    /// <param name="work">
    /// Calls whatever it likes except <see cref="Flush"/>, <see cref="Dispose"/> and this method. It sees its own changes. If it
    /// throws, everything is as it was before, in memory too: files it created are gone, and handles on them good for nothing
    /// but to be disposed. It must not wait for other threads that use this file system.
    /// </param>
    /// <param name="sync">Data: durable when the call returns.</param>
    /// <remarks>
    /// Bytes that existed before are written to new blocks, so room is needed for them. Files that lose their last name are freed
    /// right after the group. A call that fails for want of space or log inside the group dooms it, whether or not the
    /// exception is caught.
    /// </remarks>
    /// <exception cref="XfsException">EFBIG: more changes than a quarter of the log holds; ENOSPC; nothing has changed.</exception>
    /// <exception cref="XfsBusyException">Inside the group: a flush, a close, another group.</exception>
    public void Atomically(Action<AtomicGroup> work, SyncMode sync = SyncMode.None)
    {
        ArgumentNullException.ThrowIfNull(work);
        Volume.Atomically(group => work(new AtomicGroup(group)));
        if (sync == SyncMode.Data) Volume.Flush();
    }

    /// <summary>
    /// Frees blocks that copy-on-write has reserved beside earlier writes, of files that have not been written that way for
    /// some time. Happens by itself when a file is closed, when space is short, and after five minutes.
    /// </summary>
    /// <param name="maxAge">Zero for all.</param>
    /// <returns>Bytes freed.</returns>
    public long CollectCow(TimeSpan maxAge = default)
    {
        lock (Volume.Gate)
        {
            Volume.RequireWritable();
            Format.Timestamp now = Volume.Clock();
            return (long)Volume.CollectCow(new Format.Timestamp(now.Seconds - (long)maxAge.TotalSeconds, 0)) << Geometry.BlockLog;
        }
    }
}
