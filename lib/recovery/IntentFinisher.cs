using ImageFs.Allocation;
using ImageFs.Attributes;
using ImageFs.Devices;
using ImageFs.Extents;
using ImageFs.Format;
using ImageFs.Inodes;
using ImageFs.Journal;
using ImageFs.Metadata;
using ImageFs.Transactions;

namespace ImageFs.Recovering;

/// <summary>Does what the log promises and does not say was done.</summary>
/// <remarks>
/// A long operation of the kernel is a chain of transactions; each says in the log what must follow it. To move a staged
/// block into a file, for example:
/// <code>
///   BUI unmap old -> RUI unmap old       each arrow: the work on the left asks for the work on the right
///   CUI one owner of old less -> EFI old, if that was the last
///   RUI staging no longer owns new
///   CUI new is no longer staged
///   BUI map new -> RUI map new
/// </code>
/// All that was promised is done first, oldest first; what that asks for comes after: an owner's record must be gone before
/// its block is freed. An intent to free is the exception that makes repeating simple: it removes whatever owner it finds.
///
/// Everything but exchanges of mappings joins one checkpoint, which also holds the done item of each intent, and which is
/// appended to the log it came from: the next recovery begins at the same tail. So a power cut finds either all intents pending
/// or none, and whoever recovers then, the kernel included, goes on from there. Exchanges may be longer than the log. They
/// come last, since other intents hold what their last steps still asked for, and each checkpoint says what is left of them.
/// </remarks>
internal sealed partial class IntentFinisher : IAttributeHome
{
    // Actions, in the low byte of the flags.
    private const uint ActionMask = 0xFF;
    private const uint BmapMap = 1, BmapUnmap = 2;
    private const uint RefcountIncrease = 1, RefcountDecrease = 2, RefcountAllocateCow = 3, RefcountFreeCow = 4;
    private const uint RmapMap = 1, RmapMapShared = 2, RmapUnmap = 3, RmapUnmapShared = 4, RmapConvert = 5, RmapConvertShared = 6,
        RmapAllocate = 7, RmapFree = 8;
    // Flags above.
    private const uint AttributeFork = 1u << 31, BmapUnwritten = 1u << 30, BmapRealtime = 1u << 29, RmapBmbt = 1u << 30, RmapUnwritten = 1u << 29;

    private readonly BlockDevice _device;
    private readonly Journal.Journal _journal;
    private readonly MetadataCache _cache;
    private readonly AllocationGroups _groups;
    private readonly InodeStore _inodes;
    private readonly BlockMap _map;
    private readonly List<(FsBlock Start, uint Length)> _unowned = [];

    private IntentFinisher(BlockDevice device, RecoveryResult recovery)
    {
        LogPosition position = recovery.Position;
        _device = device;
        _cache = new MetadataCache(device, recovery.Geometry);
        _groups = new AllocationGroups(_cache);
        _inodes = new InodeStore(_cache);
        _map = new BlockMap(_groups);
        _journal = new Journal.Journal(device, _cache, position.HeadCycle, position.Head, isClean: false, tail: position.Tail) { IsHeld = true };
    }

    private Geometry Geometry => _cache.Geometry;
    AllocationGroups IAttributeHome.Groups => _groups;
    BlockMap IAttributeHome.Map => _map;
    BlockDevice IAttributeHome.Data => _device;
    void IAttributeHome.NoteData() => _journal.NoteData();

    /// <summary>Finishes all pending intents on a device to which the replay has been applied, durably; moves the log's head.</summary>
    /// <param name="device">The image, or the overlay of the replay: then everything stays in memory.</param>
    /// <exception cref="XfsUnsupportedException">There are intents of kinds that are not known here; nothing was changed.</exception>
    /// <exception cref="CorruptionException">
    /// An intent makes no sense on this image. Nothing was changed, but for what an exchange had done before; the log promises the rest.
    /// </exception>
    public static void Finish(BlockDevice device, RecoveryResult recovery)
    {
        if (recovery.PendingIntents.Count == 0) return;
        recovery.RequireKnownIntents();
        IntentFinisher finisher = new(device, recovery);
        foreach (ExchangeIntent exchange in recovery.PendingIntents.OfType<ExchangeIntent>()) finisher.ExchangePartners(exchange);
        if (QuotaCheck.IsCounted(recovery.Geometry.Superblock)) finisher.Run("SB", tx => QuotaCheck.Forget(tx, finisher.Geometry));
        foreach (PendingIntent intent in recovery.PendingIntents.Where(intent => intent is not ExchangeIntent)) finisher.Finish(intent);
        foreach ((FsBlock start, uint length) in finisher._unowned)
            finisher.Run("EFI", tx => finisher._groups.Of(start).FreeSpace.Free(tx, finisher.Geometry.BlockInAg(start), length));
        finisher.FinishExchanges([.. recovery.PendingIntents.OfType<ExchangeIntent>()]);
        finisher._journal.Checkpoint();
        finisher._journal.WriteBack();
        LogSequenceNumber head = finisher._journal.Head;
        recovery.Position = recovery.Position with { Head = head.Block, HeadCycle = head.Cycle };
    }

    /// <summary>
    /// Finds out, in memory that is thrown away, whether all pending intents can be finished: where one of them makes no sense an image
    /// is refused before its replay has changed anything.
    /// </summary>
    /// <inheritdoc cref="Finish(BlockDevice, RecoveryResult)"/>
    public static void Rehearse(RecoveryResult recovery)
    {
        LogPosition position = recovery.Position;
        Finish(new OverlayDevice(recovery.View), recovery);
        recovery.Position = position;
    }

    /// <summary>Finishes all pending intents in the overlay of the replay; the device below is not touched.</summary>
    /// <inheritdoc cref="Finish(BlockDevice, RecoveryResult)"/>
    public static void FinishInMemory(RecoveryResult recovery)
    {
        if (recovery.PendingIntents.Count == 0) return;
        Finish(recovery.View, recovery);
        RecoveryCounters.Rebuild(recovery);
    }

    private void FinishExchanges(ExchangeIntent[] exchanges)
    {
        if (exchanges.Length == 0) return;
        StandingIntent[] standing = [.. exchanges.Select(exchange => new StandingIntent(exchange))];
        for (int i = 0; i < exchanges.Length; i++) _journal.Stand(standing[i], exchanges[i]);
        _journal.Durable = _groups.Busy.Clear;
        _journal.IsHeld = false;
        for (int i = 0; i < exchanges.Length; i++) ExchangeMappings(exchanges[i], standing[i]);
    }

    private void Finish(PendingIntent intent)
    {
        switch (intent)
        {
            case ExtentFreeIntent free:
                foreach (IntentExtent extent in free.Extents) Free(free, extent);
                break;
            case RmapIntent rmap:
                foreach (IntentMapping mapping in rmap.Mappings) ChangeOwner(rmap, mapping);
                break;
            case RefcountIntent refcount:
                foreach (IntentExtent extent in refcount.Extents) ChangeCount(refcount, extent);
                break;
            case BmapIntent bmap:
                foreach (IntentMapping mapping in bmap.Mappings) ChangeMapping(bmap, mapping);
                break;
            case AttrIntent attribute:
                ChangeAttribute(attribute);
                break;
        }
        _journal.Stand(new StandingIntent(intent), rest: null);
    }

    /// <summary>One transaction. Freed blocks stay busy until the checkpoint, which comes at the very end.</summary>
    private void Run(string name, Action<Transaction> work)
    {
        _cache.Trim();
        Transaction tx = new(_cache, _journal);
        try
        {
            work(tx);
            List<FreedExtent> freed = tx.Freed;
            if (freed.Count > 0) tx.WhenCommitted(() => _groups.Busy.Add(freed), undo: null);
            tx.Commit();
        }
        catch (InvariantException why)
        {
            // The log asked for something that contradicts the image.
            tx.Abort();
            throw new CorruptionException($"log item {name}", "the log", why.Message);
        }
        catch
        {
            tx.Abort();
            throw;
        }
    }

    private AllocationGroup GroupOf(PendingIntent intent, FsBlock start, uint length) =>
        Geometry.IsValid(start, length) ? _groups.Of(start) : throw Corrupt(intent, $"{length} blocks from {start} lie outside the device or its groups");

    private static CorruptionException Corrupt(PendingIntent intent, string problem) => new($"log item {intent.Name}", $"transaction {intent.Lsn}", problem);

    /// <summary>Frees a run whoever owns it: a crash may have come before or after the owner's record went.</summary>
    private void Free(ExtentFreeIntent intent, IntentExtent extent)
    {
        AllocationGroup group = GroupOf(intent, extent.Start, extent.Length);
        AgBlock start = Geometry.BlockInAg(extent.Start);
        Run(intent.Name, tx =>
        {
            if (Geometry.HasRmapbt) ReverseMap.RemoveAny(tx, group, start, extent.Length);
            group.FreeSpace.Free(tx, start, extent.Length);
        });
    }

    private void ChangeOwner(RmapIntent intent, IntentMapping mapping)
    {
        if (!Geometry.HasRmapbt) throw Corrupt(intent, "the file system has no rmapbt");
        const uint known = ActionMask | AttributeFork | RmapBmbt | RmapUnwritten;
        if ((mapping.Flags & ~known) != 0) throw Corrupt(intent, $"unknown flags 0x{mapping.Flags:x}");
        AllocationGroup group = GroupOf(intent, mapping.Start, mapping.Length);
        AgBlock start = Geometry.BlockInAg(mapping.Start);
        bool isInode = RmapOwner.IsInode(mapping.Owner);
        if (isInode ? !Geometry.IsValid(new InodeNumber(mapping.Owner)) : mapping.Owner < RmapOwner.Lowest) throw Corrupt(intent, $"owner {mapping.Owner} cannot exist");
        ulong offset = 0;
        if (isInode)
        {
            if ((mapping.Flags & RmapBmbt) != 0) offset = RmapFlags.BmbtBlock;
            else offset = FileBlocks(intent, mapping).Value;
            if ((mapping.Flags & AttributeFork) != 0) offset |= RmapFlags.AttributeFork;
        }
        ulong unwritten = isInode && (mapping.Flags & RmapUnwritten) != 0 ? RmapFlags.Unwritten : 0;
        uint action = mapping.Flags & ActionMask;
        Run(intent.Name, tx =>
        {
            FreeList.Fill(tx, group);
            switch (action)
            {
                case RmapMap or RmapMapShared or RmapAllocate:
                    ReverseMap.Add(tx, group, start, mapping.Length, mapping.Owner, offset | unwritten);
                    break;
                case RmapUnmap or RmapUnmapShared or RmapFree:
                    ReverseMap.Remove(tx, group, start, mapping.Length, mapping.Owner, offset | unwritten);
                    break;
                case RmapConvert or RmapConvertShared:
                    // The flags tell the new state.
                    ReverseMap.Remove(tx, group, start, mapping.Length, mapping.Owner, offset | (unwritten ^ RmapFlags.Unwritten));
                    FreeList.Fill(tx, group);
                    ReverseMap.Add(tx, group, start, mapping.Length, mapping.Owner, offset | unwritten);
                    break;
                default:
                    throw Corrupt(intent, $"action {action}, 1..8 possible");
            }
        });
    }

    /// <summary>The refcountbt alone: owners in the rmapbt have intents of their own.</summary>
    private void ChangeCount(RefcountIntent intent, IntentExtent extent)
    {
        if (!Geometry.HasReflink) throw Corrupt(intent, "the file system has no refcountbt");
        if ((extent.Flags & ~ActionMask) != 0) throw Corrupt(intent, $"unknown flags 0x{extent.Flags:x}");
        AllocationGroup group = GroupOf(intent, extent.Start, extent.Length);
        AgBlock start = Geometry.BlockInAg(extent.Start);
        for (uint done = 0; done < extent.Length;)
        {
            AgBlock at = start + done;
            uint length = extent.Length - done;
            if (extent.Flags is RefcountIncrease or RefcountDecrease) length = ReferenceCounts.Adjustable(group, at, length);
            Run(intent.Name, tx =>
            {
                FreeList.Fill(tx, group);
                switch (extent.Flags)
                {
                    case RefcountIncrease:
                        ReferenceCounts.Increase(tx, group, at, length);
                        break;
                    case RefcountDecrease:
                        List<(AgBlock Start, uint Length)> unowned = [];
                        ReferenceCounts.Decrease(tx, group, at, length, unowned);
                        foreach ((AgBlock first, uint blocks) in unowned) _unowned.Add((Geometry.Join(group.Number, first), blocks));
                        break;
                    case RefcountAllocateCow:
                        ReferenceCounts.AddStagingRecord(tx, group, at, length);
                        break;
                    case RefcountFreeCow:
                        ReferenceCounts.RemoveStagingRecord(tx, group, at, length);
                        break;
                    default:
                        throw Corrupt(intent, $"action {extent.Flags}, 1..4 possible");
                }
            });
            done += length;
        }
    }

    /// <summary>The mapping, the inode's block count and the rmapbt; who else counts the blocks has an intent of its own.</summary>
    private void ChangeMapping(BmapIntent intent, IntentMapping mapping)
    {
        const uint known = ActionMask | AttributeFork | BmapUnwritten | BmapRealtime;
        if ((mapping.Flags & ~known) != 0) throw Corrupt(intent, $"unknown flags 0x{mapping.Flags:x}");
        if ((mapping.Flags & BmapRealtime) != 0) throw new XfsUnsupportedException("the log holds an unfinished change of a realtime file");
        GroupOf(intent, mapping.Start, mapping.Length);
        FileBlock from = FileBlocks(intent, mapping), end = from + mapping.Length;
        if (mapping.Length > Extent.MaxLength) throw Corrupt(intent, $"an extent of {mapping.Length} blocks");
        ForkKind kind = (mapping.Flags & AttributeFork) != 0 ? ForkKind.Attribute : ForkKind.Data;
        Inode inode = _inodes.Get(new InodeNumber(mapping.Owner));
        if (inode.Format(kind) is not (ForkFormat.Extents or ForkFormat.Btree) || inode.Fork(kind).IsEmpty) throw Corrupt(intent, $"{inode} has no extents");
        switch (mapping.Flags & ActionMask)
        {
            case BmapMap:
                if (_map.TryFind(inode, kind, from, out Extent there) && there.Offset < end) throw Corrupt(intent, $"{inode} has {there} where {from}..{end} is to be mapped");
                Run(intent.Name, tx => _map.Map(tx, inode, kind, new Extent(from, mapping.Start, mapping.Length, (mapping.Flags & BmapUnwritten) != 0)));
                break;
            case BmapUnmap:
                for (bool more = true; more;)
                    Run(intent.Name, tx => more = _map.TryUnmap(tx, inode, kind, from, end, out _));
                break;
            default:
                throw Corrupt(intent, $"action {mapping.Flags & ActionMask}, 1 and 2 possible");
        }
    }

    private static FileBlock FileBlocks(PendingIntent intent, in IntentMapping mapping) =>
        mapping.Offset.Value <= FileBlock.Limit - mapping.Length ? mapping.Offset
            : throw Corrupt(intent, $"file blocks {mapping.Offset}..{mapping.Offset.Value + mapping.Length - 1} cannot exist");
}
