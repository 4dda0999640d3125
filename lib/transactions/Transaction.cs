using System.Buffers;
using ImageFs.Format;
using ImageFs.Metadata;

namespace ImageFs.Transactions;

/// <summary>What a transaction remembers of one buffer, to compare at commit and to restore at abort.</summary>
internal sealed class TransactionEntry(MetadataBuffer buffer)
{
    public readonly MetadataBuffer Buffer = buffer;
    /// <summary>Contents before the first change; null while the buffer is new in this transaction.</summary>
    public byte[]? Before;
    /// <summary>The block became metadata in this transaction.</summary>
    public bool Created;
    /// <summary>The block stopped being metadata in this transaction.</summary>
    public bool Invalidated;
    /// <summary>The buffer this one replaced in the cache, if the block was metadata before.</summary>
    public MetadataBuffer? Replaced;
    /// <summary>For clusters initialised by an inode-create item: their contents right after it, to compare with.</summary>
    public byte[]? Template;
    /// <summary>What the buffer was before; abort restores it.</summary>
    public BlockKind KindBefore { get; init; } = buffer.Kind;
}

/// <summary>A run of new inodes, initialised by recovery instead of being logged.</summary>
/// <param name="Ag">Group.</param>
/// <param name="Start">First block.</param>
/// <param name="Blocks">Blocks.</param>
/// <param name="Count">Inodes.</param>
/// <param name="Generation">di_gen of every inode of the run.</param>
internal readonly record struct InodeCreation(AgNumber Ag, AgBlock Start, uint Blocks, uint Count, uint Generation);

/// <summary>A run of blocks freed by a transaction that is not durable yet.</summary>
internal readonly record struct FreedExtent(AgNumber Ag, AgBlock Start, uint Length);

/// <summary>
/// A set of changes to metadata that happens as a whole or not at all. It keeps the old contents of every block it touches:
/// <see cref="Commit"/> finds out by comparison what changed and hands it to the journal, <see cref="Abort"/> puts
/// everything back. One transaction runs at a time.
/// </summary>
/// <remarks>
/// Always true: a buffer has an entry exactly while a transaction that touched it runs. Nothing outside the buffers may
/// change before commit; state kept elsewhere is changed by actions given to <see cref="WhenCommitted"/>, each with the action
/// that takes it back, because a <see cref="TransactionGroup"/> may undo a transaction after its commit.
/// </remarks>
internal sealed class Transaction : IDisposable
{
    private readonly MetadataCache _cache;
    private readonly ITransactionSink _sink;
    private readonly List<TransactionEntry> _entries = [];
    private readonly List<(long Offset, int Length)> _invalidatedUnread = [];
    private readonly List<InodeCreation> _inodeCreations = [];
    private readonly List<FreedExtent> _freed = [];
    private List<Action>? _whenCommitted, _undo;
    private bool _finished;

    internal Transaction(MetadataCache cache, ITransactionSink sink)
    {
        _cache = cache;
        _sink = sink;
    }

    /// <summary>Sizes and places.</summary>
    public Geometry Geometry => _cache.Geometry;

    /// <summary>Bytes of the buffers touched so far: more than what will be logged.</summary>
    public long Bytes { get; private set; }

    /// <summary>Buffers touched so far.</summary>
    internal IReadOnlyList<TransactionEntry> Entries => _entries;
    /// <summary>Metadata blocks freed without having been read: (byte offset, bytes).</summary>
    internal IReadOnlyList<(long Offset, int Length)> InvalidatedUnread => _invalidatedUnread;
    /// <summary>Inode runs created.</summary>
    internal IReadOnlyList<InodeCreation> InodeCreations => _inodeCreations;
    /// <summary>Blocks freed: busy until this transaction is durable.</summary>
    internal List<FreedExtent> Freed => _freed;
    /// <summary>What takes the actions of <see cref="WhenCommitted"/> back, in their order.</summary>
    internal IReadOnlyList<Action> Undo => _undo ?? [];

    /// <summary>The block at an offset, verified.</summary>
    public MetadataBuffer Read(long offset, int length, BlockKind kind) => _cache.Read(offset, length, kind);

    /// <summary>A block of one file system block.</summary>
    public MetadataBuffer Read(AgNumber ag, AgBlock block, BlockKind kind) => _cache.Read(Geometry.ByteOffset(ag, block), Geometry.BlockSize, kind);

    /// <summary>The buffer's bytes, to be changed; their old contents are kept until commit or abort.</summary>
    public Span<byte> Modify(MetadataBuffer buffer)
    {
        if (buffer.Entry is null)
        {
            Invariant.Holds(!buffer.IsInPieces, "a block in pieces is brought together before it is changed");
            byte[] before = ArrayPool<byte>.Shared.Rent(buffer.Length);
            buffer.Data.CopyTo(before);
            Enter(new TransactionEntry(buffer) { Before = before });
        }
        return buffer.Bytes;
    }

    /// <summary>A zeroed buffer for a block that becomes metadata; all of it will be logged.</summary>
    public MetadataBuffer Create(long offset, int length, BlockKind kind)
    {
        MetadataBuffer? old = _cache.Find(offset);
        if (old?.Entry is { Invalidated: true } entry && old.Length == length)
        {
            // Freed and reused within the transaction: the same buffer, with its first before-image, is metadata again.
            entry.Invalidated = false;
            entry.Created = true;
            old.IsStale = false;
            old.Kind = kind;
            old.Bytes.Clear();
            return old;
        }
        if (old is { IsStale: false })
            throw new CorruptionException(kind.Name(), _cache.Where(offset), $"the block was given out as free, but it is in use as {old.Kind.Name()}");
        _invalidatedUnread.Remove((offset, length));
        MetadataBuffer buffer = _cache.Create(offset, length, kind);
        Enter(new TransactionEntry(buffer) { Created = true, Replaced = old });
        return buffer;
    }

    /// <summary>A zeroed buffer of one file system block.</summary>
    public MetadataBuffer Create(AgNumber ag, AgBlock block, BlockKind kind) => Create(Geometry.ByteOffset(ag, block), Geometry.BlockSize, kind);

    /// <summary>
    /// Says that a block is no longer metadata: recovery must not replay older images of it over whatever comes next.
    /// </summary>
    public void Invalidate(long offset, int length)
    {
        MetadataBuffer? buffer = _cache.Find(offset);
        if (buffer is null || buffer.Length != length)
        {
            _invalidatedUnread.Add((offset, length));
            return;
        }
        Modify(buffer);
        buffer.Entry!.Invalidated = true;
        buffer.IsStale = true;
    }

    /// <summary>
    /// Initialises a run of inode clusters: every inode free, with its number and the given generation. Logged as one
    /// inode-create item; inodes changed afterwards are logged one by one.
    /// </summary>
    public void CreateInodes(in InodeCreation creation)
    {
        Geometry g = Geometry;
        for (uint at = 0; at < creation.Blocks; at += g.InodeClusterBlocks)
        {
            AgBlock start = creation.Start + at;
            MetadataBuffer buffer = Create(g.ByteOffset(creation.Ag, start), g.InodeClusterBytes, BlockKind.InodeCluster);
            InodeTemplate.Fill(buffer.Bytes, g, creation.Ag, start, creation.Generation);
            byte[] template = ArrayPool<byte>.Shared.Rent(buffer.Length);
            buffer.Data.CopyTo(template);
            buffer.Entry!.Template = template;
        }
        _inodeCreations.Add(creation);
    }

    /// <summary>Runs an action once the transaction is committed; not when it is aborted.</summary>
    /// <param name="undo">Takes it back if the transaction was part of a group that is rolled back; null if it may stand all the same.</param>
    public void WhenCommitted(Action action, Action? undo)
    {
        (_whenCommitted ??= []).Add(action);
        if (undo is not null) (_undo ??= []).Add(undo);
    }

    /// <summary>Takes over what another transaction changed: from now on it stands or falls with this one.</summary>
    internal void Absorb(Transaction part)
    {
        foreach (TransactionEntry entry in part._entries)
        {
            MetadataBuffer buffer = entry.Buffer;
            if (entry.Invalidated) _inodeCreations.RemoveAll(c => Covers(c, buffer.Offset));
            if (entry.Created) _invalidatedUnread.Remove((buffer.Offset, buffer.Length));
            if (buffer.GroupEntry is TransactionEntry first)
            {
                // The oldest before-image is the one to compare with and to go back to.
                first.Created |= entry.Created;
                first.Invalidated = entry.Invalidated;
                continue;
            }
            buffer.GroupEntry = new TransactionEntry(buffer)
            {
                Before = entry.Before, Created = entry.Created, Invalidated = entry.Invalidated,
                Replaced = entry.Replaced, Template = entry.Template, KindBefore = entry.KindBefore,
            };
            _entries.Add(buffer.GroupEntry);
            entry.Before = entry.Template = null;
        }
        _invalidatedUnread.AddRange(part._invalidatedUnread);
        _inodeCreations.AddRange(part._inodeCreations);
    }

    private bool Covers(in InodeCreation creation, long offset) =>
        offset >= Geometry.ByteOffset(creation.Ag, creation.Start) && offset < Geometry.ByteOffset(creation.Ag, creation.Start + creation.Blocks);

    /// <summary>Hands the changes to the journal's current checkpoint. They become durable with it.</summary>
    /// <exception cref="XfsException">The transaction does not fit the log; it has been aborted.</exception>
    public void Commit()
    {
        Invariant.Holds(!_finished, "a transaction is committed once");
        try
        {
            _sink.Accept(this);
        }
        catch
        {
            Abort();
            throw;
        }
        _finished = true;
        foreach (TransactionEntry entry in _entries)
        {
            entry.Buffer.Entry = null;
            Release(entry);
        }
        if (_whenCommitted is not null)
            foreach (Action action in _whenCommitted) action();
        _sink.Settled();
    }

    /// <summary>Puts every buffer back to what it was; safe to call after commit, where it does nothing.</summary>
    public void Abort()
    {
        if (_finished) return;
        _finished = true;
        for (int i = _entries.Count - 1; i >= 0; i--)
        {
            TransactionEntry entry = _entries[i];
            MetadataBuffer buffer = entry.Buffer;
            buffer.Entry = null;
            if (entry.Before is not null)
            {
                entry.Before.AsSpan(0, buffer.Length).CopyTo(buffer.Bytes);
                buffer.IsStale = false;
                buffer.Kind = entry.KindBefore;
            }
            else
            {
                _cache.Remove(buffer);
                if (entry.Replaced is MetadataBuffer old) _cache.Restore(old);
            }
            Release(entry);
        }
        _sink.Aborted(this);
    }

    /// <summary>Aborts unless committed.</summary>
    public void Dispose() => Abort();

    private void Enter(TransactionEntry entry)
    {
        entry.Buffer.Entry = entry;
        _entries.Add(entry);
        Bytes += entry.Buffer.Length;
    }

    private static void Release(TransactionEntry entry)
    {
        if (entry.Before is not null) ArrayPool<byte>.Shared.Return(entry.Before);
        if (entry.Template is not null) ArrayPool<byte>.Shared.Return(entry.Template);
        entry.Before = entry.Template = null;
        if (entry.Buffer.GroupEntry == entry) entry.Buffer.GroupEntry = null;
    }
}

/// <summary>Where committed transactions go.</summary>
internal interface ITransactionSink
{
    /// <summary>Bytes of changes, as <see cref="LogSize"/> counts them, that one transaction may have.</summary>
    long TransactionLimit { get; }

    /// <summary>Takes over the changes of a transaction, or throws without having taken any.</summary>
    void Accept(Transaction transaction);

    /// <summary>A transaction was undone.</summary>
    void Aborted(Transaction transaction);

    /// <summary>A committed transaction has let go of its buffers: the time for a checkpoint, if one is due.</summary>
    void Settled();
}
