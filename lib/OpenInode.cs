using ImageFs.Dax;
using ImageFs.Extents;
using ImageFs.Format;
using ImageFs.Inodes;
using ImageFs.Transactions;

namespace ImageFs;

/// <summary>An inode somebody has open, with what exists of it only in memory.</summary>
internal sealed class OpenInode
{
    private readonly Volume _volume;
    private long _size;
    private ulong _modified;
    private volatile bool _hasNoCapability;

    internal OpenInode(Volume volume, Inode inode)
    {
        _volume = volume;
        Inode = inode;
        Cow = new CowFork(volume, inode);
        _size = (long)inode.Core.FileSize.Value;
        IsDirect = volume.DirectAccess == DirectAccess.Always || volume.DirectAccess == DirectAccess.PerInode && inode.Core.Has(Format.InodeFlags2.Dax);
    }

    public Inode Inode { get; }

    /// <summary>Blocks reserved for copy-on-write. Under <see cref="Volume.Gate"/>.</summary>
    public CowFork Cow { get; }

    /// <summary>Accessed directly. A DAX flag that is set later waits until the file is opened anew.</summary>
    public bool IsDirect { get; }

    /// <summary>Handles that refer to it. Under <see cref="Volume.Gate"/>.</summary>
    public int Holders { get; set; }

    /// <summary>It was made in an atomic group that was rolled back: there is no such file.</summary>
    public bool IsGone { get; set; }

    /// <summary>Guards bytes and layout. Taken before <see cref="Volume.Gate"/>.</summary>
    public IoLock Io { get; } = new();

    /// <summary>The data fork, decoded as far as somebody looked at it.</summary>
    public ExtentCache Extents { get; } = new();

    /// <summary>Bytes, as the last change of the layout left them.</summary>
    public long Size
    {
        get
        {
            long size = Volatile.Read(ref _size);
            if (size >= 0) return size;
            lock (_volume.Gate) return (long)Inode.Core.FileSize.Value;
        }
    }

    /// <summary>
    /// What lies at a file block; no longer than asked for where copy-on-write waits to be mapped. For <see cref="IomapIterator"/>.
    /// The caller holds <see cref="Io"/> in any mode.
    /// </summary>
    /// <param name="decode">Decode the extents around the block, if nobody has yet. Otherwise the caller holds the gate too.</param>
    public Segment SegmentAt(FileBlock at, FileBlock end, bool decode)
    {
        if (!Extents.TryFind(at, out Segment segment)) segment = decode ? Load(at) : SegmentInFork(at);
        if (Cow.Written == 0) return segment;
        if (end > segment.End) end = segment.End;
        if (Cow.TryFindWritten(at, end, out Extent written)) return new Segment(written.Offset, written.End, written.Start, Unwritten: false, Private: true);
        return segment with { End = Cow.NextWritten(at, end) };
    }

    /// <summary>What the fork says of a file block. Under the gate.</summary>
    public Segment SegmentInFork(FileBlock at)
    {
        bool mapped = _volume.Map.TryFind(Inode, ForkKind.Data, at, out Extent extent);
        return mapped && extent.Offset <= at ? new Segment(extent.Offset, extent.End, extent.Start, extent.Unwritten, Private: false)
            : new Segment(at, mapped ? extent.Offset : new FileBlock(FileBlock.Limit), FsBlock.Null, Unwritten: false, Private: false);
    }

    private Segment Load(FileBlock at)
    {
        lock (_volume.Gate)
        {
            if (Extents.TryFind(at, out Segment segment)) return segment;
            Extent[] extents = _volume.Map.ReadAround(Inode, ForkKind.Data, at, out FileBlock from, out FileBlock to);
            Extents.Add(at, from, to, extents, allPrivate: !Inode.Core.Has(InodeFlags2.Reflink));
            bool found = Extents.TryFind(at, out segment);
            Invariant.Holds(found, "what was just loaded is found");
            return segment;
        }
    }

    /// <summary>
    /// The first overwrite of the file made sure that it carries no capabilities, which would not survive a change of its
    /// contents; whoever sets an attribute makes the next one look again.
    /// </summary>
    public bool HasNoCapability
    {
        get => _hasNoCapability;
        set => _hasNoCapability = value;
    }

    /// <summary>
    /// Bytes were overwritten in place: the inode's times are due. They are written with the next flush, when the file is
    /// closed or when somebody asks, whatever comes first, in one transaction for all files (as lazytime does).
    /// </summary>
    public void NoteModified(Timestamp now)
    {
        if (Interlocked.Exchange(ref _modified, now.Encode(bigTime: true)) == 0) _volume.NoteOverwritten(this);
    }

    /// <summary>The time that is due, encoded; 0 for none.</summary>
    internal ulong DueTime => Volatile.Read(ref _modified);

    /// <summary>The transaction that gave the inode its times came to nothing: they are due again, unless later ones are by now.</summary>
    internal void StillModified(ulong due)
    {
        if (due == 0) return;
        Interlocked.CompareExchange(ref _modified, due, 0);
        _volume.NoteOverwritten(this);
    }

    /// <summary>A change of the layout has just set later times than those that are due.</summary>
    public void ForgetModified() => Interlocked.Exchange(ref _modified, 0);

    /// <summary>Gives the inode the times that are due. Under the gate.</summary>
    public void SettleTimes(Transaction tx)
    {
        ulong encoded = Interlocked.Exchange(ref _modified, 0);
        if (encoded == 0 || Inode.Core.Mode == 0) return;
        ref InodeCore core = ref Inode.Modify(tx);
        core.ModifyTime = core.ChangeTime = Timestamp.Decode(encoded, bigTime: true).Encode(core.Has(InodeFlags2.BigTime));
        core.ChangeCount = core.ChangeCount + 1;
    }

    /// <summary>
    /// Takes <see cref="Io"/>, unless an atomic group of this thread has taken everything, and maps first what copy-on-write has
    /// written, unless the caller minds that himself.
    /// </summary>
    public void EnterIo(IoMode mode, bool mindsWritten = false)
    {
        if (_volume.OwnsAll) return;
        Invariant.Holds(!_volume.Gate.IsHeldByCurrentThread, "an inode is locked before the volume's gate");
        Io.Enter(mode);
        while (!mindsWritten && Cow.Written > 0)
        {
            if (mode != IoMode.Exclusive)
            {
                Io.Exit(mode);
                Io.Enter(IoMode.Exclusive);
            }
            try
            {
                // Of a volume that is shut down nothing can be mapped any more.
                mindsWritten = !new FileData(_volume).TryComplete(this);
            }
            catch
            {
                Io.Exit(IoMode.Exclusive);
                throw;
            }
            if (mode == IoMode.Exclusive) return;
            Io.Exit(IoMode.Exclusive);
            Io.Enter(mode);
        }
    }

    /// <summary>From <see cref="IoMode.Exclusive"/> to <see cref="IoMode.Update"/>: readers may come in.</summary>
    public void DowngradeIo()
    {
        if (_volume.OwnsAll) return;
        RememberSize();
        Io.Downgrade();
    }

    /// <summary>From <see cref="IoMode.Update"/> to <see cref="IoMode.Exclusive"/>.</summary>
    public void UpgradeIo()
    {
        if (_volume.OwnsAll) return;
        Invariant.Holds(!_volume.Gate.IsHeldByCurrentThread, "an inode is locked before the volume's gate");
        Io.Upgrade();
    }

    /// <summary>Lets go of <see cref="Io"/>.</summary>
    public void ExitIo(IoMode mode)
    {
        if (mode == IoMode.Exclusive) RememberSize();
        if (!_volume.OwnsAll) Io.Exit(mode);
    }

    /// <summary>An atomic group was rolled back: nothing remembered of the file is to be trusted.</summary>
    public void ForgetAll()
    {
        Extents.Forget(default, new FileBlock(FileBlock.Limit));
        HasNoCapability = false;
        RememberSize();
    }

    // Nobody else changes the size, so what else happens in its cluster meanwhile does not matter. An inode that cannot be
    // read now will say so to the next one who asks.
    private void RememberSize()
    {
        try
        {
            Volatile.Write(ref _size, (long)Inode.Core.FileSize.Value);
        }
        catch (Exception why) when (why is XfsException or ObjectDisposedException)
        {
            Volatile.Write(ref _size, -1);
        }
    }
}
