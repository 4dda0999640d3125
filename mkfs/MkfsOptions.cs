namespace ImageFs.Mkfs;

/// <summary>
/// Everything one can ask of a new file system. A property that is null stands for the default, which mostly depends on the
/// size; the remark names the option of mkfs.xfs. Values are checked by <see cref="Mkfs.Plan"/>, not here.
/// </summary>
public sealed record MkfsOptions
{
    /// <summary>The image file; only the command line uses it. <c>-d name=</c> or the last argument.</summary>
    public string? ImagePath { get; init; }
    /// <summary>Create the image, or truncate and recreate it, at the given size. <c>-d file</c>, <c>--size</c>.</summary>
    public bool CreateImage { get; init; }
    /// <summary>Overwrite whatever file system is there. <c>-f</c></summary>
    public bool Force { get; init; }
    /// <summary>Print what would be made and write nothing. <c>-N</c></summary>
    public bool DryRun { get; init; }
    /// <summary>Print nothing but warnings and errors. <c>-q</c></summary>
    public bool Quiet { get; init; }
    /// <summary>Leave unused blocks of an existing image alone instead of giving them back to the host. <c>-K</c></summary>
    public bool KeepBlocks { get; init; }

    /// <summary>Bytes per block, a power of two from 1024 to 65536; 4096 if null. <c>-b size=</c></summary>
    public int? BlockSize { get; init; }
    /// <summary>Bytes per sector, a power of two from 512 to 32768, at most a block; 512 if null. <c>-s size=</c></summary>
    public int? SectorSize { get; init; }

    /// <summary>Size of the data area; the whole device if null. <c>-d size=</c></summary>
    public MkfsSize? Size { get; init; }
    /// <summary>Number of allocation groups. <c>-d agcount=</c></summary>
    public long? AgCount { get; init; }
    /// <summary>Size of an allocation group, 16 MiB to 1 TiB less one block. <c>-d agsize=</c></summary>
    public MkfsSize? AgSize { get; init; }
    /// <summary>Stripe unit of the storage; 0 means none. <c>-d su=</c>, or <c>-d sunit=</c> in units of 512 bytes.</summary>
    public MkfsSize? StripeUnit { get; init; }
    /// <summary>Stripe units in a stripe. <c>-d sw=</c></summary>
    public long? StripeUnitsInWidth { get; init; }
    /// <summary>Stripe width, instead of <see cref="StripeUnitsInWidth"/>. <c>-d swidth=</c>, there in units of 512 bytes.</summary>
    public MkfsSize? StripeWidth { get; init; }
    /// <summary>No alignment to stripes. <c>-d noalign</c></summary>
    public bool NoStripeAlignment { get; init; }

    /// <summary>Bytes per inode, a power of two from 512 to 2048, at most half a block; 512 if null. <c>-i size=</c></summary>
    public int? InodeSize { get; init; }
    /// <summary>Inodes per block instead of <see cref="InodeSize"/>. <c>-i perblock=</c></summary>
    public int? InodesPerBlock { get; init; }
    /// <summary>Largest share of the space for inodes in percent; null and 0 choose by size. <c>-i maxpct=</c></summary>
    public int? MaxInodePercent { get; init; }
    /// <summary>Inode chunks may be allocated in parts. <c>-i sparse=</c></summary>
    public bool SparseInodes { get; init; } = true;
    /// <summary>64-bit extent counters. <c>-i nrext64=</c></summary>
    public bool LargeExtentCounters { get; init; } = true;
    /// <summary>Mappings of two files may be exchanged through the log; null: with parent pointers. <c>-i exchange=</c></summary>
    public bool? ExchangeRange { get; init; }

    /// <summary>Size of the journal. <c>-l size=</c></summary>
    public MkfsSize? LogSize { get; init; }
    /// <summary>The allocation group that holds the journal; the middle one if null. <c>-l agnum=</c></summary>
    public long? LogAg { get; init; }
    /// <summary>Journal writes are padded to this. <c>-l su=</c>, or <c>-l sunit=</c> in units of 512 bytes.</summary>
    public MkfsSize? LogStripeUnit { get; init; }
    /// <summary>Sector size of the journal; must equal <see cref="SectorSize"/>. <c>-l sectsize=</c></summary>
    public int? LogSectorSize { get; init; }

    /// <summary>Bytes per directory block, a power of two from the block size (at least 4096) to 65536. <c>-n size=</c></summary>
    public MkfsSize? DirectoryBlockSize { get; init; }
    /// <summary>Every inode knows the directories that name it. xfsprogs before 6.10 does not accept such an image. <c>-n parent=</c></summary>
    public bool ParentPointers { get; init; }

    /// <summary>The free inode btree. <c>-m finobt=</c></summary>
    public bool FreeInodeBtree { get; init; } = true;
    /// <summary>The reverse mapping btree. <c>-m rmapbt=</c></summary>
    public bool ReverseMapBtree { get; init; } = true;
    /// <summary>Shared blocks and the reference count btree. <c>-m reflink=</c></summary>
    public bool Reflink { get; init; } = true;
    /// <summary>The AGI counts the blocks of the inode btrees; null: with the free inode btree. <c>-m inobtcount=</c></summary>
    public bool? InodeBtreeCounters { get; init; }
    /// <summary>Timestamps up to the year 2486. <c>-m bigtime=</c></summary>
    public bool BigTime { get; init; } = true;
    /// <summary>The UUID of the file system; random if null. <c>-m uuid=</c>, <c>--uuid</c></summary>
    public Guid? Uuid { get; init; }
    /// <summary>The label, at most 12 bytes of UTF-8. <c>-L</c></summary>
    public string Label { get; init; } = "";

    /// <summary>Realtime extent size; recorded though there is no realtime device. <c>-r extsize=</c></summary>
    public MkfsSize? RealtimeExtentSize { get; init; }

    /// <summary>Extent size hint new files inherit from the root directory, in blocks. <c>-d extszinherit=</c></summary>
    public long RootExtentSize { get; init; }
    /// <summary>Copy-on-write extent size hint of the root directory, in blocks. <c>-d cowextsize=</c></summary>
    public long RootCowExtentSize { get; init; }
    /// <summary>Project new files inherit from the root directory. <c>-d projinherit=</c></summary>
    public uint? RootProject { get; init; }
    /// <summary>New files inherit direct access from the root directory. <c>-d daxinherit=</c></summary>
    public bool RootDax { get; init; }
    /// <summary>New files inherit the realtime flag from the root directory. <c>-d rtinherit=</c></summary>
    public bool RootRealtime { get; init; }

    /// <summary>
    /// With a value two runs with equal options write identical bytes: all times are this one (to the second), the UUID and the
    /// inode generations are derived from the options. The environment variable SOURCE_DATE_EPOCH on the command line.
    /// </summary>
    public DateTimeOffset? SourceDate { get; init; }

    /// <summary>Reads arguments in the style of mkfs.xfs.</summary>
    /// <exception cref="MkfsOptionException">An argument is unknown, repeated, contradicts another or has no valid value.</exception>
    public static MkfsOptions Parse(params string[] arguments) => OptionParser.Parse(arguments).Options;
}
