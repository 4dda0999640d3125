using System.Numerics;

namespace ImageFs.Format;

/// <summary>Everything about sizes and places that follows from a superblock. Immutable; the only code that turns block numbers into offsets.</summary>
/// <remarks>Built from a superblock that <see cref="SuperblockVerifier"/> accepted: no division by zero, no overflow.</remarks>
public sealed class Geometry
{
    /// <summary>xfs_da_geometry: byte offsets of the three parts of a directory's address space.</summary>
    public const ulong DirectoryLeafOffset = 1UL << 35, DirectoryFreeOffset = 1UL << 36;

    private readonly ulong _agBlockMask;

    /// <summary>Derives all values.</summary>
    public Geometry(in Superblock sb)
    {
        IsVersion4 = sb.Version == 4;
        Superblock = IsVersion4 ? Version4.WithoutVersion5(sb) : sb;
        BlockSize = (int)sb.BlockSize.Value;
        BlockLog = sb.BlockLog;
        SectorSize = sb.SectorSize;
        InodeSize = sb.InodeSize;
        InodeMemorySize = IsVersion4 ? InodeSize - Version4.InodeCoreSize + InodeCore.Size : InodeSize;
        InodeLog = sb.InodeLog;
        InodesPerBlock = sb.InodesPerBlock;
        InodesPerBlockLog = sb.InodesPerBlockLog;
        AgBlocks = sb.AgBlocks;
        AgCount = sb.AgCount;
        AgBlockLog = sb.AgBlockLog;
        DataBlocks = sb.DataBlocks;
        DirectoryBlockSize = BlockSize << sb.DirectoryBlockLog;
        DirectoryBlockFsBlocks = 1 << sb.DirectoryBlockLog;
        MetaUuid = Superblock.MetadataUuid;
        Uuid = sb.Uuid;
        HasFinobt = Superblock.Has(RoCompatFeatures.FreeInodeBtree);
        HasRmapbt = Superblock.Has(RoCompatFeatures.ReverseMapBtree);
        HasReflink = Superblock.Has(RoCompatFeatures.Reflink);
        HasInobtCounters = Superblock.Has(RoCompatFeatures.InodeBtreeCounters);
        HasSparseInodes = Superblock.Has(IncompatFeatures.SparseInodes);
        HasBigTime = Superblock.Has(IncompatFeatures.BigTime);
        HasLargeExtentCounters = Superblock.Has(IncompatFeatures.LargeExtentCounters);
        HasFileType = Superblock.Has(IncompatFeatures.FileType);
        HasParentPointers = Superblock.Has(IncompatFeatures.ParentPointers);
        LogStart = new FsBlock(sb.LogStart);
        LogBlocks = sb.LogBlocks;
        InodeAlignment = sb.InodeAlignment;
        SparseInodeAlignment = Superblock.SparseInodeAlignment;
        _agBlockMask = (1UL << AgBlockLog) - 1;

        AgflBlock = new AgBlock((uint)(3 * SectorSize / BlockSize));
        AgflSlots = (SectorSize - AgflHeader.Size) / 4;
        ChunkBlocks = (uint)Math.Max(1, InodeChunkRecord.InodesPerChunk / InodesPerBlock);
        // Inode clusters: 8 KiB per 256 bytes of inode, used only where chunks are aligned at least that well.
        int wanted = Math.Max(BlockSize, 8192 * Math.Max(1, InodeSize / 256));
        int plain = Math.Max(BlockSize, 8192);
        InodeClusterBlocks = (uint)((InodeAlignment >= (uint)(wanted / BlockSize) ? wanted : plain) / BlockSize);
        // Chunks of version 4 need not be aligned; what is only read can be read block by block.
        if (IsVersion4) InodeClusterBlocks = 1;
        InodeClusterAlignment = InodeAlignment >= InodeClusterBlocks ? InodeAlignment : 1;
    }

    /// <summary>The superblock all of this came from; its counters may be out of date.</summary>
    public Superblock Superblock { get; }
    /// <summary>No checksums; see <see cref="Version4"/>.</summary>
    public bool IsVersion4 { get; }
    /// <summary>Bytes of a file system block.</summary>
    public int BlockSize { get; }
    public int BlockLog { get; }
    /// <summary>Bytes of a sector: the unit of superblocks and AG headers.</summary>
    public int SectorSize { get; }
    public int InodeSize { get; }
    /// <summary>Bytes of an inode in memory: as on disk, but that one of version 4 has the core of version 5.</summary>
    public int InodeMemorySize { get; }
    /// <summary>Bytes by which a bmbt block in memory is longer than on disk.</summary>
    public int BlockGrowth => IsVersion4 ? Version4.HeaderGrowth : 0;
    public int InodeLog { get; }
    public int InodesPerBlock { get; }
    public int InodesPerBlockLog { get; }
    /// <summary>Blocks of every group but the last, which may be shorter.</summary>
    public uint AgBlocks { get; }
    public uint AgCount { get; }
    public int AgBlockLog { get; }
    /// <summary>Blocks of the data device.</summary>
    public ulong DataBlocks { get; }
    public int DirectoryBlockSize { get; }
    public int DirectoryBlockFsBlocks { get; }
    /// <summary>The UUID in metadata blocks.</summary>
    public Uuid MetaUuid { get; }
    /// <summary>The UUID of the file system, carried by log records.</summary>
    public Uuid Uuid { get; }
    public bool HasFinobt { get; }
    public bool HasRmapbt { get; }
    public bool HasReflink { get; }
    public bool HasInobtCounters { get; }
    public bool HasSparseInodes { get; }
    public bool HasBigTime { get; }
    public bool HasLargeExtentCounters { get; }
    public bool HasFileType { get; }
    /// <summary>Every inode but the root knows the directories that name it.</summary>
    public bool HasParentPointers { get; }
    public FsBlock LogStart { get; }
    public uint LogBlocks { get; }
    /// <summary>sb_inoalignmt, blocks.</summary>
    public uint InodeAlignment { get; }
    /// <summary>sb_spino_align, blocks.</summary>
    public uint SparseInodeAlignment { get; }
    /// <summary>The block that holds the AGFL sector; the last block of the static headers.</summary>
    public AgBlock AgflBlock { get; }
    public int AgflSlots { get; }
    /// <summary>Blocks of a full chunk of 64 inodes (1 where a block holds 64 or more).</summary>
    public uint ChunkBlocks { get; }
    /// <summary>Blocks of one inode cluster: the unit in which inodes are read, written, logged and cancelled.</summary>
    public uint InodeClusterBlocks { get; }
    /// <summary>Alignment of inode clusters for bounds of inode numbers.</summary>
    public uint InodeClusterAlignment { get; }
    public int InodeClusterBytes => (int)InodeClusterBlocks * BlockSize;
    public int InodesPerCluster => (int)InodeClusterBlocks * InodesPerBlock;
    /// <summary>Bytes the file system covers; the device must not be shorter.</summary>
    public long DeviceBytes => checked((long)DataBlocks * BlockSize);
    /// <summary>Byte offset of the internal log.</summary>
    public long LogOffset => ByteOffset(LogStart);
    public long LogBytes => (long)LogBlocks * BlockSize;
    /// <summary>Largest file size in bytes.</summary>
    public long MaxFileSize => long.MaxValue;

    /// <summary>The most inodes the file system may have (sb_imax_pct of the device, whole chunks).</summary>
    public ulong MaxInodes
    {
        get
        {
            ulong blocks = (ulong)((UInt128)DataBlocks * Superblock.InodeMaxPercent / 100);
            ulong unit = Math.Max(1, (ulong)Math.Max(InodeChunkRecord.InodesPerChunk, InodesPerBlock) >> InodesPerBlockLog);
            return blocks / unit * unit << InodesPerBlockLog;
        }
    }

    /// <summary>Blocks of a group.</summary>
    public uint AgLength(AgNumber ag) => ag.Value == AgCount - 1 ? (uint)(DataBlocks - (ulong)ag.Value * AgBlocks) : AgBlocks;

    /// <summary>Byte offset of a group's first block, where its superblock copy lies.</summary>
    public long AgOffset(AgNumber ag) => (long)ag.Value * AgBlocks << BlockLog;

    /// <summary>Byte offset of one of the four header sectors: 0 superblock, 1 AGF, 2 AGI, 3 AGFL.</summary>
    public long HeaderOffset(AgNumber ag, int sector) => AgOffset(ag) + (long)sector * SectorSize;

    public FsBlock Join(AgNumber ag, AgBlock block) => new((ulong)ag.Value << AgBlockLog | block.Value);
    public AgNumber AgOf(FsBlock block) => new((uint)(block.Value >> AgBlockLog));
    public AgBlock BlockInAg(FsBlock block) => new((uint)(block.Value & _agBlockMask));

    /// <summary>Byte offset on the device.</summary>
    public long ByteOffset(AgNumber ag, AgBlock block) => ((long)ag.Value * AgBlocks + block.Value) << BlockLog;
    /// <summary>Byte offset on the device.</summary>
    public long ByteOffset(FsBlock block) => ByteOffset(AgOf(block), BlockInAg(block));

    /// <summary>The packed block number of a byte offset; the offset must be inside the device.</summary>
    public FsBlock FsBlockAt(long offset)
    {
        ulong linear = (ulong)offset >> BlockLog;
        return Join(new AgNumber((uint)(linear / AgBlocks)), new AgBlock((uint)(linear % AgBlocks)));
    }

    /// <summary>Address as metadata headers carry it: 512-byte units from the start of the device.</summary>
    public ulong DiskAddress(long offset) => (ulong)offset >> 9;

    public InodeNumber Join(AgNumber ag, AgInode inode) => new((ulong)ag.Value << (AgBlockLog + InodesPerBlockLog) | inode.Value);
    public AgNumber AgOf(InodeNumber inode) => new((uint)(inode.Value >> (AgBlockLog + InodesPerBlockLog)));
    public AgInode InodeInAg(InodeNumber inode) => new((uint)(inode.Value & ((1UL << (AgBlockLog + InodesPerBlockLog)) - 1)));
    public AgBlock BlockOf(AgInode inode) => new(inode.Value >> InodesPerBlockLog);
    /// <summary>The first inode of a block.</summary>
    public AgInode FirstInode(AgBlock block) => new(block.Value << InodesPerBlockLog);

    /// <summary>True if the block is a data block: behind the headers and inside its group.</summary>
    public bool IsValid(AgNumber ag, AgBlock block) => ag.Value < AgCount && block.Value > AgflBlock.Value && block.Value < AgLength(ag);
    /// <inheritdoc cref="IsValid(AgNumber, AgBlock)"/>
    public bool IsValid(FsBlock block) => block.Value >> AgBlockLog < AgCount && IsValid(AgOf(block), BlockInAg(block));

    /// <summary>True if the whole run lies in one group behind its headers.</summary>
    public bool IsValid(FsBlock start, ulong length) =>
        length > 0 && IsValid(start) && length <= AgLength(AgOf(start)) - BlockInAg(start).Value;

    /// <summary>True if an inode with that number could exist.</summary>
    public bool IsValid(InodeNumber inode)
    {
        if (inode.Value >> (AgBlockLog + InodesPerBlockLog) >= AgCount) return false;
        return IsValid(AgOf(inode), InodeInAg(inode));
    }

    /// <summary>True if an inode with that number could exist in the group.</summary>
    public bool IsValid(AgNumber ag, AgInode inode)
    {
        uint align = InodeClusterAlignment;
        ulong first = ((ulong)AgflBlock.Value + 1 + align - 1) / align * align << InodesPerBlockLog;
        ulong end = (ulong)(AgLength(ag) / align * align) << InodesPerBlockLog;
        return inode.Value >= first && inode.Value < end;
    }

    /// <summary>First block of the cluster buffer an inode is read through.</summary>
    public AgBlock ClusterOf(AgInode inode)
    {
        uint block = BlockOf(inode).Value;
        if (InodeClusterBlocks == 1) return new AgBlock(block);
        // Chunks are aligned to inoalignmt; clusters divide a chunk.
        return new AgBlock(block - block % InodeClusterBlocks);
    }

    /// <summary>ceil(log2(value)).</summary>
    public static int CeilLog2(ulong value) => value <= 1 ? 0 : 64 - BitOperations.LeadingZeroCount(value - 1);

    /// <summary>Records that fit a leaf block of the given header and record size.</summary>
    public int LeafCapacity(int header, int record) => (BlockSize - header) / record;
    /// <summary>Key/pointer pairs that fit a node block.</summary>
    public int NodeCapacity(int header, int key, int pointer) => (BlockSize - header) / (key + pointer);

    private BtreeLimits? _limits;
    /// <summary>Greatest heights the format allows for each tree on this geometry.</summary>
    public BtreeLimits Limits => _limits ??= new BtreeLimits(this);
}
