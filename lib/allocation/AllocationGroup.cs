using ImageFs.BTrees;
using ImageFs.Format;
using ImageFs.Metadata;
using ImageFs.Transactions;

namespace ImageFs.Allocation;

/// <summary>One allocation group: its headers, its six trees and how its space may be used. Keeps no copy of what is on disk.</summary>
internal sealed class AllocationGroup
{
    private readonly AllocationGroups _groups;
    private MetadataBuffer? _agf, _agi, _agfl;
    private BtreeCursor<BnobtKind, FreeSpaceRecord, FreeSpaceRecord>? _byStart;
    private BtreeCursor<CntbtKind, FreeSpaceRecord, FreeSpaceRecord>? _bySize;
    private BtreeCursor<RmapbtKind, RmapRecord, RmapKey>? _owners;
    private BtreeCursor<RefcountbtKind, RefcountRecord, BigEndian32>? _counts;
    private BtreeCursor<InobtKind, InodeChunkRecord, BigEndian32>? _chunks;
    private BtreeCursor<FinobtKind, InodeChunkRecord, BigEndian32>? _freeChunks;

    public AllocationGroup(AllocationGroups groups, AgNumber number)
    {
        _groups = groups;
        Number = number;
        Length = Geometry.AgLength(number);
        Bnobt = new FreeListTreeHome(this, BlockKind.Bnobt);
        Cntbt = new FreeListTreeHome(this, BlockKind.Cntbt);
        Rmapbt = new FreeListTreeHome(this, BlockKind.Rmapbt);
        Inobt = new SpaceTreeHome(this, BlockKind.Inobt);
        Finobt = new SpaceTreeHome(this, BlockKind.Finobt);
        Refcountbt = new SpaceTreeHome(this, BlockKind.Refcountbt);
        FreeSpace = new FreeSpace(this);
        (MetadataReserve, RmapReserve) = Reserves();
    }

    public AgNumber Number { get; }
    /// <summary>Blocks.</summary>
    public uint Length { get; }
    public Geometry Geometry => Cache.Geometry;
    public MetadataCache Cache => _groups.Cache;
    public AllocationGroups Groups => _groups;
    public BtreeHome Bnobt { get; }
    public BtreeHome Cntbt { get; }
    public BtreeHome Rmapbt { get; }
    public BtreeHome Inobt { get; }
    public BtreeHome Finobt { get; }
    public BtreeHome Refcountbt { get; }
    public FreeSpace FreeSpace { get; }

    /// <summary>Blocks that refcountbt and finobt may come to need.</summary>
    public uint MetadataReserve { get; }
    /// <summary>Blocks that the rmapbt may come to need.</summary>
    public uint RmapReserve { get; }

    private MetadataBuffer Header(ref MetadataBuffer? kept, int sector, BlockKind kind) =>
        Cache.Read(ref kept, Geometry.HeaderOffset(Number, sector), Geometry.SectorSize, kind);

    public MetadataBuffer AgfBuffer => Header(ref _agf, 1, BlockKind.Agf);
    public MetadataBuffer AgiBuffer => Header(ref _agi, 2, BlockKind.Agi);
    public MetadataBuffer AgflBuffer => Header(ref _agfl, 3, BlockKind.Agfl);

    // One cursor of each tree for all changes of a transaction: neighbouring changes are found where the last one was.
    // None of them is used while another use of it goes on.
    public BtreeCursor<BnobtKind, FreeSpaceRecord, FreeSpaceRecord> ByStart(Transaction tx) =>
        BtreeCursor<BnobtKind, FreeSpaceRecord, FreeSpaceRecord>.Keep(ref _byStart, Bnobt, tx);
    public BtreeCursor<CntbtKind, FreeSpaceRecord, FreeSpaceRecord> BySize(Transaction tx) =>
        BtreeCursor<CntbtKind, FreeSpaceRecord, FreeSpaceRecord>.Keep(ref _bySize, Cntbt, tx);
    public BtreeCursor<RmapbtKind, RmapRecord, RmapKey> Owners(Transaction tx) =>
        BtreeCursor<RmapbtKind, RmapRecord, RmapKey>.Keep(ref _owners, Rmapbt, tx);
    public BtreeCursor<RefcountbtKind, RefcountRecord, BigEndian32> Counts(Transaction tx) =>
        BtreeCursor<RefcountbtKind, RefcountRecord, BigEndian32>.Keep(ref _counts, Refcountbt, tx);

    public BtreeCursor<InobtKind, InodeChunkRecord, BigEndian32> Chunks(Transaction tx) =>
        BtreeCursor<InobtKind, InodeChunkRecord, BigEndian32>.Keep(ref _chunks, Inobt, tx);
    public BtreeCursor<FinobtKind, InodeChunkRecord, BigEndian32> FreeChunks(Transaction tx) =>
        BtreeCursor<FinobtKind, InodeChunkRecord, BigEndian32>.Keep(ref _freeChunks, Finobt, tx);

    public ref readonly Agf Agf => ref Format.Agf.At(AgfBuffer.Data);
    public ref readonly Agi Agi => ref Format.Agi.At(AgiBuffer.Data);
    public ref Agf ModifyAgf(Transaction tx) => ref Format.Agf.At(tx.Modify(AgfBuffer));
    public ref Agi ModifyAgi(Transaction tx) => ref Format.Agi.At(tx.Modify(AgiBuffer));

    /// <summary>
    /// Blocks of this group that must stay free for its own trees: what rmapbt, refcountbt and finobt may still grow by.
    /// </summary>
    /// <remarks>xfs_ag_resv: asked minus used.</remarks>
    public uint StillReserved
    {
        get
        {
            ref readonly Agf agf = ref Agf;
            uint used = (Geometry.HasReflink ? agf.RefcountBlocks.Value : 0)
                + (Geometry.HasFinobt && Geometry.HasInobtCounters ? Agi.FreeInodeBtreeBlocks.Value : 0);
            uint rmapUsed = Geometry.HasRmapbt ? agf.RmapBlocks.Value : 0;
            return (MetadataReserve > used ? MetadataReserve - used : 0) + (RmapReserve > rmapUsed ? RmapReserve - rmapUsed : 0);
        }
    }

    /// <summary>Blocks the free list should hold so that one change of each of its trees can split all the way up.</summary>
    public uint FreeListTarget
    {
        get
        {
            ref readonly Agf agf = ref Agf;
            static uint Split(uint level, int most) => 2 * Math.Min(level + 1, (uint)most) - 2;
            uint target = Split(agf.BnoLevel, Geometry.Limits.Alloc) + Split(agf.CntLevel, Geometry.Limits.Alloc);
            return Geometry.HasRmapbt ? target + Split(agf.RmapLevel, Geometry.Limits.Rmap) : target;
        }
    }

    /// <summary>Free blocks that a request for file data may take; metadata may take the reserve too.</summary>
    public uint Available(bool metadata)
    {
        ref readonly Agf agf = ref Agf;
        long free = (long)agf.FreeBlocks.Value + agf.FreeListCount - FreeListTarget - 4;
        if (!metadata) free -= StillReserved;
        return (uint)Math.Clamp(free, 0, agf.FreeBlocks.Value);
    }

    private (uint Metadata, uint Rmap) Reserves()
    {
        Geometry g = Geometry;
        uint blocks = Length;
        if (g.AgOf(g.LogStart) == Number) blocks -= Math.Min(blocks, g.LogBlocks);
        int Leaf(int record) => g.LeafCapacity(ShortBtreeHeader.Size, record) / 2;
        int Node(int key) => g.NodeCapacity(ShortBtreeHeader.Size, key, 4) / 2;
        ulong metadata = 0, rmap = 0;
        if (g.HasReflink) metadata += BtreeLimits.Blocks(Leaf(RefcountRecord.Size), Node(4), blocks);
        if (g.HasFinobt)
            metadata += BtreeLimits.Blocks(Leaf(InodeChunkRecord.Size), Node(4), (ulong)blocks * (uint)g.InodesPerBlock / InodeChunkRecord.InodesPerChunk);
        if (g.HasRmapbt) rmap = Math.Max(blocks / 100, BtreeLimits.Blocks(Leaf(RmapRecord.Size), Node(2 * RmapRecord.KeySize), blocks));
        return ((uint)metadata, (uint)rmap);
    }

    /// <summary>Throws for something in this group that contradicts the format.</summary>
    internal CorruptionException Corrupt(string structure, string problem) => new(structure, $"AG {Number}", problem);

    /// <summary>Byte offset of a block, checked.</summary>
    internal long OffsetOf(string structure, ulong pointer)
    {
        if (pointer > uint.MaxValue || !Geometry.IsValid(Number, new AgBlock((uint)pointer)))
            throw Corrupt(structure, $"pointer to block {pointer}, the group has {Length}");
        return Geometry.ByteOffset(Number, new AgBlock((uint)pointer));
    }
}

/// <summary>All groups of a volume.</summary>
internal sealed class AllocationGroups
{
    private readonly AllocationGroup?[] _groups;

    public AllocationGroups(MetadataCache cache)
    {
        Cache = cache;
        _groups = new AllocationGroup?[cache.Geometry.AgCount];
    }

    public MetadataCache Cache { get; }
    public BusyExtents Busy { get; } = new();

    /// <summary>Blocks whose other owner a power cut would bring back.</summary>
    public UnsharedExtents Unshared { get; } = new();
    public int Count => _groups.Length;

    /// <summary>A group by number; made on first use.</summary>
    public AllocationGroup this[AgNumber ag] => _groups[ag.Value] ??= new AllocationGroup(this, ag);

    /// <summary>The group a block lies in.</summary>
    public AllocationGroup Of(FsBlock block) => this[Cache.Geometry.AgOf(block)];

    /// <summary>The transaction that runs, if one does: who looks something up inside it may use its cursors.</summary>
    public Transaction? Running { get; set; }
}

/// <summary>Home of a tree that lives on the free list: bnobt, cntbt and rmapbt may change while space is being allocated.</summary>
internal sealed class FreeListTreeHome(AllocationGroup group, BlockKind kind) : BtreeHome(group.Cache)
{
    public override int Levels => (int)(kind switch
    {
        BlockKind.Bnobt => group.Agf.BnoLevel, BlockKind.Cntbt => group.Agf.CntLevel, _ => group.Agf.RmapLevel,
    }).Value;

    public override int MaxLevels => kind == BlockKind.Rmapbt ? Geometry.Limits.Rmap : Geometry.Limits.Alloc;
    public override ulong Owner => group.Number.Value;

    public override ulong Root => (kind switch
    {
        BlockKind.Bnobt => group.Agf.BnoRoot, BlockKind.Cntbt => group.Agf.CntRoot, _ => group.Agf.RmapRoot,
    }).Value;

    public override void SetRoot(Transaction tx, ulong root, int levels)
    {
        ref Agf agf = ref group.ModifyAgf(tx);
        switch (kind)
        {
            case BlockKind.Bnobt: agf.BnoRoot = (uint)root; agf.BnoLevel = (uint)levels; break;
            case BlockKind.Cntbt: agf.CntRoot = (uint)root; agf.CntLevel = (uint)levels; break;
            default: agf.RmapRoot = (uint)root; agf.RmapLevel = (uint)levels; break;
        }
    }

    public override long OffsetOf(ulong pointer) => group.OffsetOf(kind.Name(), pointer);

    public override ulong AllocateBlock(Transaction tx, ulong near)
    {
        AgBlock block = FreeList.Take(tx, group);
        ref Agf agf = ref group.ModifyAgf(tx);
        agf.BtreeBlocks = agf.BtreeBlocks + 1;
        if (kind == BlockKind.Rmapbt) agf.RmapBlocks = agf.RmapBlocks + 1;
        return block.Value;
    }

    public override void FreeBlock(Transaction tx, ulong pointer)
    {
        tx.Invalidate(OffsetOf(pointer), Geometry.BlockSize);
        ref Agf agf = ref group.ModifyAgf(tx);
        agf.BtreeBlocks = agf.BtreeBlocks - 1;
        if (kind == BlockKind.Rmapbt) agf.RmapBlocks = agf.RmapBlocks - 1;
        FreeList.Put(tx, group, new AgBlock((uint)pointer));
    }
}

/// <summary>Home of a tree whose blocks are ordinary allocations: inobt, finobt and refcountbt.</summary>
internal sealed class SpaceTreeHome(AllocationGroup group, BlockKind kind) : BtreeHome(group.Cache)
{
    private ulong RmapOwnerOfBlocks => kind == BlockKind.Refcountbt ? RmapOwner.Refcount : RmapOwner.InodeBtree;

    public override int Levels => (int)(kind switch
    {
        BlockKind.Inobt => group.Agi.Level, BlockKind.Finobt => group.Agi.FreeLevel, _ => group.Agf.RefcountLevel,
    }).Value;

    public override int MaxLevels => kind == BlockKind.Refcountbt ? Geometry.Limits.Refcount : Geometry.Limits.Inobt;
    public override ulong Owner => group.Number.Value;

    public override ulong Root => (kind switch
    {
        BlockKind.Inobt => group.Agi.Root, BlockKind.Finobt => group.Agi.FreeRoot, _ => group.Agf.RefcountRoot,
    }).Value;

    public override void SetRoot(Transaction tx, ulong root, int levels)
    {
        if (kind == BlockKind.Refcountbt)
        {
            ref Agf agf = ref group.ModifyAgf(tx);
            agf.RefcountRoot = (uint)root;
            agf.RefcountLevel = (uint)levels;
            return;
        }
        ref Agi agi = ref group.ModifyAgi(tx);
        if (kind == BlockKind.Inobt) { agi.Root = (uint)root; agi.Level = (uint)levels; }
        else { agi.FreeRoot = (uint)root; agi.FreeLevel = (uint)levels; }
    }

    public override long OffsetOf(ulong pointer) => group.OffsetOf(kind.Name(), pointer);

    public override ulong AllocateBlock(Transaction tx, ulong near)
    {
        AgBlock block = group.FreeSpace.AllocateMetadataBlock(tx, new AgBlock((uint)near), RmapOwnerOfBlocks, kind.Name());
        Count(tx, 1);
        return block.Value;
    }

    public override void FreeBlock(Transaction tx, ulong pointer)
    {
        tx.Invalidate(OffsetOf(pointer), Geometry.BlockSize);
        group.FreeSpace.FreeMetadataBlock(tx, new AgBlock((uint)pointer), RmapOwnerOfBlocks);
        Count(tx, -1);
    }

    private void Count(Transaction tx, int change)
    {
        if (kind == BlockKind.Refcountbt)
        {
            ref Agf agf = ref group.ModifyAgf(tx);
            agf.RefcountBlocks = (uint)((int)agf.RefcountBlocks.Value + change);
        }
        else if (Geometry.HasInobtCounters)
        {
            ref Agi agi = ref group.ModifyAgi(tx);
            if (kind == BlockKind.Inobt) agi.InodeBtreeBlocks = (uint)((int)agi.InodeBtreeBlocks.Value + change);
            else agi.FreeInodeBtreeBlocks = (uint)((int)agi.FreeInodeBtreeBlocks.Value + change);
        }
    }
}
