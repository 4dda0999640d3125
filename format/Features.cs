namespace ImageFs.Format;

/// <summary>sb_features_ro_compat: an implementation that does not know a bit may read but not write.</summary>
[Flags]
public enum RoCompatFeatures : uint
{
    None = 0,
    FreeInodeBtree = 0x1,
    ReverseMapBtree = 0x2,
    Reflink = 0x4,
    InodeBtreeCounters = 0x8,
}

/// <summary>sb_features_incompat: an implementation that does not know a bit must not even read.</summary>
[Flags]
public enum IncompatFeatures : uint
{
    None = 0,
    FileType = 0x1,
    SparseInodes = 0x2,
    MetaUuid = 0x4,
    BigTime = 0x8,
    NeedsRepair = 0x10,
    LargeExtentCounters = 0x20,
    ExchangeRange = 0x40,
    ParentPointers = 0x80,
    MetadataDirectory = 0x100,
    Zoned = 0x200,
    ZoneGaps = 0x400,
}

/// <summary>sb_features_log_incompat: what a dirty log may hold.</summary>
[Flags]
public enum LogIncompatFeatures : uint
{
    None = 0,
    LoggedAttributes = 0x1,
}

/// <summary>sb_versionnum: the version in the low four bits and the old feature bits above.</summary>
[Flags]
public enum VersionBits : ushort
{
    Attributes = 0x0010,
    LinkCounts32 = 0x0020,
    Quota = 0x0040,
    InodeAlignment = 0x0080,
    StripeAlignment = 0x0100,
    Shared = 0x0200,
    LogV2 = 0x0400,
    SectorSize = 0x0800,
    UnwrittenExtents = 0x1000,
    DirectoryV2 = 0x2000,
    AsciiCaseInsensitive = 0x4000,
    MoreBits = 0x8000,
}

/// <summary>sb_features2.</summary>
[Flags]
public enum Features2 : uint
{
    LazyCounters = 0x02,
    Attributes2 = 0x08,
    OldParent = 0x10,
    ProjectId32 = 0x80,
    Crc = 0x100,
    FileType = 0x200,
}

/// <summary>What this implementation may do with an image that has a feature.</summary>
public enum Support
{
    /// <summary>Not opened at all.</summary>
    Refused,
    /// <summary>Opened for reading only.</summary>
    Read,
    /// <summary>Read and written.</summary>
    Write,
}

/// <summary>One row of the feature table: where its bit lives, what it is called, what we do with it.</summary>
/// <param name="Word">versionnum, features2, ro_compat, incompat or log_incompat.</param>
/// <param name="Bit">The bit inside that word.</param>
/// <param name="Name">The name xfs_info or mkfs.xfs gives it.</param>
/// <param name="Support">What may be done.</param>
/// <param name="Why">A sentence for the person whose image is refused.</param>
public sealed record Feature(string Word, uint Bit, string Name, Support Support, string Why);

/// <summary>The one table of feature bits; everything not in it is unknown and handled by the rule of its word.</summary>
public static class FeatureTable
{
    /// <summary>versionnum bits every version 5 file system must have.</summary>
    public const VersionBits RequiredVersionBits = VersionBits.LinkCounts32 | VersionBits.InodeAlignment | VersionBits.LogV2 |
        VersionBits.UnwrittenExtents | VersionBits.DirectoryV2 | VersionBits.MoreBits;

    /// <summary>features2 bits every version 5 file system must have.</summary>
    public const Features2 RequiredFeatures2 = Features2.LazyCounters | Features2.Attributes2 | Features2.ProjectId32 | Features2.Crc;

    /// <summary>Every bit known here.</summary>
    public static IReadOnlyList<Feature> All { get; } =
    [
        new("versionnum", (uint)VersionBits.Quota, "quota", Support.Write, "usage is not counted here; the kernel is made to count again"),
        new("versionnum", (uint)VersionBits.Shared, "shared", Support.Refused, "the shared bit has no meaning in version 5"),
        new("versionnum", (uint)VersionBits.AsciiCaseInsensitive, "ascii-ci", Support.Read, "case-insensitive names hash differently"),
        new("features2", (uint)Features2.OldParent, "old parent", Support.Refused, "the IRIX parent pointers have no meaning in version 5"),
        new("ro_compat", (uint)RoCompatFeatures.FreeInodeBtree, "finobt", Support.Write, "free inode btree"),
        new("ro_compat", (uint)RoCompatFeatures.ReverseMapBtree, "rmapbt", Support.Write, "reverse map btree"),
        new("ro_compat", (uint)RoCompatFeatures.Reflink, "reflink", Support.Write, "shared extents and the refcount btree"),
        new("ro_compat", (uint)RoCompatFeatures.InodeBtreeCounters, "inobtcount", Support.Write, "inode btree block counters in the AGI"),
        new("incompat", (uint)IncompatFeatures.FileType, "ftype", Support.Write, "file types in directory entries"),
        new("incompat", (uint)IncompatFeatures.SparseInodes, "sparse", Support.Write, "sparse inode chunks"),
        new("incompat", (uint)IncompatFeatures.MetaUuid, "meta_uuid", Support.Write, "metadata keeps the UUID of birth"),
        new("incompat", (uint)IncompatFeatures.BigTime, "bigtime", Support.Write, "times until 2486"),
        new("incompat", (uint)IncompatFeatures.NeedsRepair, "needsrepair", Support.Read, "a repair was begun and not finished: run fsck"),
        new("incompat", (uint)IncompatFeatures.LargeExtentCounters, "nrext64", Support.Write, "64-bit extent counters"),
        new("incompat", (uint)IncompatFeatures.ExchangeRange, "exchange", Support.Write, "exchange-range log items may appear in the log"),
        new("incompat", (uint)IncompatFeatures.ParentPointers, "parent", Support.Write, "every inode knows the directories that name it"),
        new("incompat", (uint)IncompatFeatures.MetadataDirectory, "metadir", Support.Refused, "the metadata directory tree is not read yet"),
        new("incompat", (uint)IncompatFeatures.Zoned, "zoned", Support.Refused, "zoned realtime devices are not read"),
        new("incompat", (uint)IncompatFeatures.ZoneGaps, "zone_gaps", Support.Refused, "zoned realtime devices are not read"),
        new("log_incompat", (uint)LogIncompatFeatures.LoggedAttributes, "log_xattrs", Support.Write, "the log may hold attribute intents"),
    ];
}
