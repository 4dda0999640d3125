using ImageFs.Metadata;

namespace ImageFs.Transactions;

/// <summary>
/// Transactions that happen together or not at all. Each is a savepoint: its commit moves what it changed into one outer
/// transaction, of which the journal hears nothing before <see cref="Commit"/>. It then is part of one checkpoint, and what is
/// in one checkpoint is replayed as a whole or not at all.
/// </summary>
/// <remarks>
/// Always true: a buffer's GroupEntry holds what it was before the group; buffers with one stay in the cache. While a group
/// runs there is no checkpoint, so blocks it freed stay busy and nobody can have written to them when it is rolled back.
/// <code>
///   transaction 1    AGF  b0 -> b1     the group keeps b0
///   transaction 2    AGF  b1 -> b2     the group keeps b0 still; b1 is forgotten
///   roll back        AGF  b2 -> b0     then what 2 and 1 changed outside buffers is taken back, in that order
///   or commit        the journal logs the difference between b0 and b2
/// </code>
/// </remarks>
internal sealed class TransactionGroup : ITransactionSink
{
    private readonly MetadataCache _cache;
    private readonly ITransactionSink _sink;
    private readonly Transaction _whole;
    private readonly List<Action> _undo = [];
    private bool _accepted;

    public TransactionGroup(MetadataCache cache, ITransactionSink sink)
    {
        _cache = cache;
        _sink = sink;
        _whole = new Transaction(cache, sink);
        _whole.WhenCommitted(() => _accepted = true, undo: null);
    }

    /// <summary>Bytes the changes so far take in the log, at most.</summary>
    public long Bytes { get; private set; }

    /// <inheritdoc/>
    public long TransactionLimit => _sink.TransactionLimit;

    /// <summary>Why the group can only be rolled back; null while it may be committed.</summary>
    public XfsException? Doom { get; private set; }

    /// <summary>A transaction of the group.</summary>
    public Transaction Begin()
    {
        if (Doom is not null) throw Doomed();
        return new Transaction(_cache, this);
    }

    /// <summary>
    /// A call ran out of space or log. Calls of several transactions may have stopped half-way, so the group cannot be
    /// committed even if somebody caught the exception.
    /// </summary>
    public void Fail(XfsException why) => Doom ??= why;

    /// <inheritdoc/>
    public void Accept(Transaction part)
    {
        long bytes = Bytes + LogSize.Of(part);
        // The sum counts a chunk as often as it changed; the log will carry it once.
        if (bytes > TransactionLimit && (bytes = Union(part)) > TransactionLimit)
            throw new XfsException(Errno.EFBIG, $"an atomic group of {bytes} bytes of changes does not fit the log: at most {TransactionLimit} happen together");
        Bytes = bytes;
        _whole.Absorb(part);
        _undo.AddRange(part.Undo);
    }

    private long Union(Transaction part)
    {
        long bytes = LogSize.Of(_whole) + (long)LogSize.ItemOverhead * (part.InvalidatedUnread.Count + part.InodeCreations.Count);
        foreach (TransactionEntry entry in part.Entries)
            if (entry.Buffer.GroupEntry is null) bytes += LogSize.Of(entry, part.Geometry.InodeSize);
        return bytes;
    }

    /// <inheritdoc/>
    public void Aborted(Transaction transaction) { }

    /// <inheritdoc/>
    public void Settled() { }

    /// <summary>Hands everything to the journal's current checkpoint.</summary>
    /// <exception cref="XfsException">The group cannot be committed; roll it back.</exception>
    public void Commit()
    {
        if (Doom is not null) throw Doomed();
        _whole.Commit();
    }

    /// <summary>Puts everything back, in the buffers and elsewhere; does nothing once the journal has taken the group.</summary>
    public void RollBack()
    {
        if (_accepted) return;
        _whole.Abort();
        for (int i = _undo.Count - 1; i >= 0; i--) _undo[i]();
        _undo.Clear();
    }

    private XfsException Doomed() => new(Doom!.Errno, $"the atomic group cannot go on: {Doom.Message}", Doom);
}
