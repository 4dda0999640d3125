using System.Globalization;

namespace ImageFs.Mkfs;

/// <summary>
/// Where everything will lie: a pure function of the options and the size of the device. Nothing in it depends on time or
/// chance, so the UUID is only here when the options name one.
/// </summary>
public sealed record MkfsPlan
{
    // Always true of a plan: AgCount = ceil(DataBlocks / AgBlocks); the last group has at least 16 MiB; the log lies inside
    // group LogAg behind its headers; the root inode's chunk lies inside group 0 and outside the log.

    /// <summary>Bytes per block, sb_blocksize.</summary>
    public required int BlockSize { get; init; }
    /// <summary>Bytes per sector, sb_sectsize; the log has the same.</summary>
    public required int SectorSize { get; init; }
    /// <summary>Bytes per inode, sb_inodesize.</summary>
    public required int InodeSize { get; init; }
    /// <summary>Bytes per directory block.</summary>
    public required int DirectoryBlockSize { get; init; }
    /// <summary>Blocks of the data area, sb_dblocks.</summary>
    public required long DataBlocks { get; init; }
    /// <summary>Blocks of every allocation group but the last, sb_agblocks.</summary>
    public required uint AgBlocks { get; init; }
    /// <summary>Number of allocation groups, sb_agcount.</summary>
    public required uint AgCount { get; init; }
    /// <summary>Stripe unit in blocks, 0 if none, sb_unit.</summary>
    public required uint StripeUnit { get; init; }
    /// <summary>Stripe width in blocks, 0 if none, sb_width.</summary>
    public required uint StripeWidth { get; init; }
    /// <summary>Largest share of the space for inodes in percent, sb_imax_pct.</summary>
    public required int MaxInodePercent { get; init; }
    /// <summary>Realtime extent size in blocks, sb_rextsize; set though there is no realtime device.</summary>
    public required uint RealtimeExtentBlocks { get; init; }
    /// <summary>Alignment of inode chunks in blocks, sb_inoalignmt; 0 when a chunk is smaller than a block.</summary>
    public required uint InodeAlignment { get; init; }
    /// <summary>Alignment of parts of inode chunks in blocks, sb_spino_align; 0 without sparse inodes.</summary>
    public required uint SparseInodeAlignment { get; init; }

    /// <summary>Sparse inode chunks.</summary>
    public required bool SparseInodes { get; init; }
    /// <summary>The free inode btree.</summary>
    public required bool FreeInodeBtree { get; init; }
    /// <summary>The reverse mapping btree.</summary>
    public required bool ReverseMapBtree { get; init; }
    /// <summary>Shared blocks.</summary>
    public required bool Reflink { get; init; }
    /// <summary>Counters of inode btree blocks in the AGI.</summary>
    public required bool InodeBtreeCounters { get; init; }
    /// <summary>64-bit timestamps.</summary>
    public required bool BigTime { get; init; }
    /// <summary>64-bit extent counters.</summary>
    public required bool LargeExtentCounters { get; init; }
    /// <summary>Exchange of mappings through the log.</summary>
    public required bool ExchangeRange { get; init; }
    /// <summary>Parent pointers.</summary>
    public required bool ParentPointers { get; init; }

    /// <summary>Blocks of the log, sb_logblocks.</summary>
    public long LogBlocks { get; init; }
    /// <summary>The allocation group that holds the log.</summary>
    public uint LogAg { get; init; }
    /// <summary>First block of the log inside its group.</summary>
    public uint LogAgBlock { get; init; }
    /// <summary>Log stripe unit in blocks, 0 if none.</summary>
    public uint LogStripeUnit { get; init; }
    /// <summary>First block of the root inode's chunk, inside group 0.</summary>
    public uint RootChunkBlock { get; init; }

    /// <summary>The UUID of the options, null if one is to be made up.</summary>
    public Guid? Uuid { get; init; }
    /// <summary>The label.</summary>
    public string Label { get; init; } = "";
    /// <summary>What the root directory hands on to new files.</summary>
    public RootAttributes Root { get; init; } = new();
    /// <summary>What was changed or is unwise, one sentence each.</summary>
    public IReadOnlyList<string> Warnings { get; init; } = [];

    /// <summary>log2 of <see cref="BlockSize"/>.</summary>
    public int BlockLog => int.Log2(BlockSize);
    /// <summary>Inodes per block, sb_inopblock.</summary>
    public int InodesPerBlock => BlockSize / InodeSize;
    /// <summary>log2 of the group size rounded up, sb_agblklog: the shift that packs group and block into one number.</summary>
    public int AgBlockLog => uint.Log2(AgBlocks) is var log && AgBlocks == 1u << (int)log ? (int)log : (int)log + 1;
    /// <summary>Size of the data area in bytes, hence of the image.</summary>
    public long DataBytes => DataBlocks * BlockSize;
    /// <summary>Blocks of one group; only the last can be shorter.</summary>
    public uint BlocksOf(uint ag) => ag < AgCount - 1 ? AgBlocks : (uint)(DataBlocks - (long)(AgCount - 1) * AgBlocks);
    /// <summary>The four header sectors of a group take up this many blocks; the btree roots follow.</summary>
    public uint HeaderBlocks => (uint)((4 * SectorSize + BlockSize - 1) / BlockSize);
    /// <summary>Headers and btree roots together: the first block of a fresh group that could be free.</summary>
    public uint FirstFreeBlock => HeaderBlocks + 3 + (FreeInodeBtree ? 1u : 0) + (ReverseMapBtree ? 1u : 0) + (Reflink ? 1u : 0);
    /// <summary>Blocks a group's free list holds at first: enough for its trees to grow by one level.</summary>
    public uint FreeListBlocks { get; init; }
    /// <summary>First block of the log in packed form, sb_logstart.</summary>
    public ulong LogStart => ((ulong)LogAg << AgBlockLog) | LogAgBlock;

    /// <summary>
    /// The geometry as mkfs.xfs and xfs_info print it; the features that came with 6.10 are shown as its successors do, where
    /// there are any.
    /// </summary>
    /// <param name="image">The name of the image.</param>
    public string Describe(string image) => string.Create(CultureInfo.InvariantCulture, $"""
        meta-data={image,-22} isize={InodeSize,-6} agcount={AgCount}, agsize={AgBlocks} blks
                 ={"",-22} sectsz={SectorSize,-5} attr=2, projid32bit=1
                 ={"",-22} crc={1,-8} finobt={One(FreeInodeBtree)}, sparse={One(SparseInodes)}, rmapbt={One(ReverseMapBtree)}
                 ={"",-22} reflink={One(Reflink),-4} bigtime={One(BigTime)} inobtcount={One(InodeBtreeCounters)} nrext64={One(LargeExtentCounters)}{(IsNew ? $"\n{"",9}={"",-22} exchange={One(ExchangeRange),-3} metadir=0" : "")}
        data     ={"",-22} bsize={BlockSize,-6} blocks={DataBlocks}, imaxpct={MaxInodePercent}
                 ={"",-22} sunit={StripeUnit,-6} swidth={StripeWidth} blks
        naming   =version {2,-14} bsize={DirectoryBlockSize,-6} ascii-ci=0, ftype=1{(IsNew ? $", parent={One(ParentPointers)}" : "")}
        log      ={"internal log",-22} bsize={BlockSize,-6} blocks={LogBlocks}, version=2
                 ={"",-22} sectsz={SectorSize,-5} sunit={LogStripeUnit} blks, lazy-count=1
        realtime ={"none",-22} extsz={(long)RealtimeExtentBlocks * BlockSize,-6} blocks=0, rtextents=0

        """).ReplaceLineEndings("\n");

    private bool IsNew => ExchangeRange || ParentPointers;

    private static int One(bool yes) => yes ? 1 : 0;
}

/// <summary>What new files inherit from the root directory.</summary>
/// <param name="ExtentSize">Extent size hint in blocks, 0 for none.</param>
/// <param name="CowExtentSize">Copy-on-write extent size hint in blocks, 0 for none.</param>
/// <param name="Project">Project number, null for none.</param>
/// <param name="Dax">Direct access.</param>
/// <param name="Realtime">The realtime flag.</param>
public sealed record RootAttributes(uint ExtentSize = 0, uint CowExtentSize = 0, uint? Project = null, bool Dax = false, bool Realtime = false);
