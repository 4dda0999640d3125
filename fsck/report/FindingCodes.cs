using ImageFs.Format;
using static ImageFs.Fsck.Remedy;
using static ImageFs.Fsck.Severity;

namespace ImageFs.Fsck;

/// <summary>The structures whose blocks carry checksum and identity.</summary>
internal enum Structure
{
    Superblock, Agf, Agi, Agfl, Bnobt, Cntbt, Inobt, Finobt, Rmapbt, Refcountbt, Bmbt,
    DirectoryData, DirectoryLeaf, DirectoryFree, AttributeBlock, AttributeValue, Symlink, Inode,
}

/// <summary>The table of findings: every code the check can report. A code once given is never used for anything else.</summary>
public static class FindingCodes
{
    private static readonly List<FindingCode> s_rows = [];

    /// <summary>All rows, in the order of the table.</summary>
    public static IReadOnlyList<FindingCode> All => s_rows;

    // Device and log.
    public static readonly FindingCode IoError = Row("io-error", Error, "{0} cannot be read: {1}", None);
    public static readonly FindingCode DeviceShort = Row("device-short", Error, "the image has {0} bytes, the superblock says {1}; {2}", GrowImage);
    public static readonly FindingCode BeyondEnd = Row("beyond-end", Error, "beyond the end of the image: {0}", GrowImage);
    public static readonly FindingCode LogReplayed = Row("log-replayed", Info, "the log was not empty; the image was checked as it is after {0} replayed transactions", ReplayLog);
    public static readonly FindingCode LogIntents = Row("log-intents", Info, "the log ends in the middle of operations ({0}); the image was checked as it is once they are finished", ReplayLog);
    public static readonly FindingCode LogForm = Row("log-form", Warning, "the log is damaged, but nothing of it is lost: {0}", ReplayLog);
    public static readonly FindingCode LogDamaged = Row("log-damaged", Error, "the log cannot be replayed, the image was checked as it is: {0}", None);
    public static readonly FindingCode RealtimeUnchecked = Row("realtime-unchecked", Info, "the realtime device is not checked, and of the files on it only that their extents lie inside", None);

    // What every block of metadata can have: four rows for each structure.
    private static readonly (string Prefix, string Name, Remedy Remedy)[] s_structures =
    [
        ("sb", "superblock", RestoreSuperblock), ("agf", "AGF", RebuildGroupHeaders), ("agi", "AGI", RebuildGroupHeaders),
        ("agfl", "AGFL", RebuildFreeList), ("bnobt", "bnobt block", RebuildFreeSpace), ("cntbt", "cntbt block", RebuildFreeSpace),
        ("inobt", "inobt block", RebuildInodeBtrees), ("finobt", "finobt block", RebuildInodeBtrees), ("rmapbt", "rmapbt block", RebuildRmap),
        ("refcountbt", "refcountbt block", RebuildRefcount), ("bmbt", "bmbt block", RebuildFork),
        ("dir-data", "directory block", RebuildDirectory), ("dir-leaf", "directory leaf or node", RebuildDirectory),
        ("dir-free", "directory free index", RebuildDirectory), ("attr-block", "attribute block", RebuildAttributes),
        ("attr-value", "remote attribute value", RebuildAttributes), ("symlink", "symlink block", ClearInode), ("inode", "inode", FixInode),
    ];
    private static readonly FindingCode[] s_crc = PerStructure("crc", Error, "checksum of this {0}: {{0}}");
    private static readonly FindingCode[] s_identity = PerStructure("identity", Error, "this is not the {0} that belongs here: {{0}}");
    private static readonly FindingCode[] s_lsn = PerStructure("lsn", Error, "LSN of this {0}: {{0}}");
    private static readonly FindingCode[] s_form = PerStructure("form", Error, "this {0} is malformed: {{0}}");

    internal static FindingCode Crc(Structure structure) => s_crc[(int)structure];
    internal static FindingCode Identity(Structure structure) => s_identity[(int)structure];
    internal static FindingCode Lsn(Structure structure) => s_lsn[(int)structure];
    internal static FindingCode Form(Structure structure) => s_form[(int)structure];

    /// <summary>The row for what a verifier found.</summary>
    internal static FindingCode For(Structure structure, in Fault fault) => fault.Field switch
    {
        "crc" => Crc(structure),
        "magic" or "magicnum" or "blkno" or "owner" or "uuid" or "seqno" or "ino" or "version" => Identity(structure),
        "lsn" => Lsn(structure),
        _ => Form(structure),
    };

    // Superblock.
    public static readonly FindingCode SbLost = Row("sb-lost", Error, "the primary superblock is unusable; group {0}'s copy was used", RestoreSuperblock);
    public static readonly FindingCode SbDerived = Row("sb-derived", Error, "the primary superblock is unusable and has no copy; it was worked out from the headers, trees, inodes and log records of the group", RestoreSuperblock);
    public static readonly FindingCode SbCopyDiffers = Row("sb-copy-differs", Error, "this copy says {0}, the primary superblock {1}", RestoreSuperblock);
    public static readonly FindingCode SbResidue = Row("sb-residue", Error, "bytes behind the superblock are not zero", RestoreSuperblock);
    public static readonly FindingCode SbFdblocks = Row("sb-fdblocks", Error, "free data blocks: found {0}, counted {1}", Recount);
    public static readonly FindingCode SbIcount = Row("sb-icount", Error, "allocated inodes: found {0}, counted {1}", Recount);
    public static readonly FindingCode SbIfree = Row("sb-ifree", Error, "free inodes: found {0}, counted {1}", Recount);
    public static readonly FindingCode SbAttrBit = Row("sb-attr-bit", Warning, "inodes have attribute forks, the superblock's ATTR bit is clear", RestoreSuperblock);
    public static readonly FindingCode SbUnknown = Row("sb-unknown-feature", Warning, "unknown feature bits, {0}: what they stand for is not checked", RestoreSuperblock);
    public static readonly FindingCode SbNeedsRepair = Row("sb-needsrepair", Error, "a repair was begun and not finished", RestoreSuperblock);
    public static readonly FindingCode SbField = Row("sb-field", Error, "found {0}, expected {1}", RestoreSuperblock);

    // Group headers.
    public static readonly FindingCode AgfFreeBlocks = Row("agf-freeblks", Error, "free blocks: found {0}, the bnobt has {1}", Recount);
    public static readonly FindingCode AgfLongest = Row("agf-longest", Error, "longest free extent: found {0}, the cntbt has {1}", Recount);
    public static readonly FindingCode AgfBtreeBlocks = Row("agf-btreeblks", Error, "blocks of free-space and reverse map btrees: found {0}, counted {1}", Recount);
    public static readonly FindingCode AgfRmapBlocks = Row("agf-rmapblks", Error, "blocks of the rmapbt: found {0}, counted {1}", Recount);
    public static readonly FindingCode AgfRefcountBlocks = Row("agf-refcntblks", Error, "blocks of the refcountbt: found {0}, counted {1}", Recount);
    public static readonly FindingCode AgfFreeList = Row("agf-flcount", Error, "the free list has {0} blocks, flfirst {1} and fllast {2} say {3}", RebuildFreeList);
    public static readonly FindingCode AgiCount = Row("agi-count", Error, "allocated inodes: found {0}, the inobt has {1}", Recount);
    public static readonly FindingCode AgiFreeCount = Row("agi-freecount", Error, "free inodes: found {0}, the inobt has {1}", Recount);
    public static readonly FindingCode AgiInobtBlocks = Row("agi-iblocks", Error, "blocks of the inobt: found {0}, counted {1}", Recount);
    public static readonly FindingCode AgiFinobtBlocks = Row("agi-fblocks", Error, "blocks of the finobt: found {0}, counted {1}", Recount);
    public static readonly FindingCode AgiNewInode = Row("agi-newino", Info, "newino {0} names no inode chunk", RebuildGroupHeaders);
    public static readonly FindingCode AgflBlock = Row("agfl-block", Error, "slot {0} of the free list holds {1}, no block of the group's space", RebuildFreeList);

    // Trees: shape.
    public static readonly FindingCode TreePointer = Row("btree-pointer", Error, "{0}: pointer to block {1} leads outside the space of data blocks", RebuildGroupHeaders);
    public static readonly FindingCode TreeShared = Row("btree-shared", Error, "{0}: block {1} was reached before as metadata", RebuildGroupHeaders);
    public static readonly FindingCode TreeLevel = Row("btree-level", Error, "{0}: the block says level {1}, it was reached at level {2}", RebuildGroupHeaders);
    public static readonly FindingCode TreeFill = Row("btree-fill", Error, "{0}: {1} records, at least {2} belong into a block that is not the root", RebuildGroupHeaders);
    public static readonly FindingCode TreeSibling = Row("btree-sibling", Error, "{0}: sibling is {1}, the level above says {2}", RebuildGroupHeaders);
    public static readonly FindingCode TreeOrder = Row("btree-order", Error, "{0}: record {1} is not greater than the one before it", RebuildGroupHeaders);
    public static readonly FindingCode TreeKey = Row("btree-key", Error, "{0}: key in the level above is {1}, the block begins with {2}", RebuildGroupHeaders);
    public static readonly FindingCode TreeHighKey = Row("btree-highkey", Error, "{0}: high key in the level above is {1}, the block reaches {2}", RebuildGroupHeaders);

    // Trees: contents.
    public static readonly FindingCode FreeRecord = Row("free-record", Error, "{0}: free extent of {2} blocks at {1} is outside the group", RebuildFreeSpace);
    public static readonly FindingCode FreeOverlap = Row("free-overlap", Error, "free extent at {0} overlaps the one before it", RebuildFreeSpace);
    public static readonly FindingCode FreeUnmerged = Row("free-unmerged", Error, "free extent at {0} touches the one before it", RebuildFreeSpace);
    public static readonly FindingCode FreeDiffers = Row("free-differs", Error, "{0} free blocks at {1} are in the {2} only", RebuildFreeSpace);
    public static readonly FindingCode FreeMissing = Row("free-missing", Error, "{0} blocks at {1} belong to nobody and are not free", RebuildFreeSpace);
    public static readonly FindingCode FreeClaimed = Row("free-claimed", Error, "{0} blocks at {1} are free and belong to {2}", RebuildFreeSpace);
    public static readonly FindingCode InobtRecord = Row("inobt-record", Error, "chunk at inode {0}: {1}", RebuildInodeBtrees);
    public static readonly FindingCode FinobtRecord = Row("finobt-record", Error, "chunk at inode {0}: {1}", RebuildInodeBtrees);
    public static readonly FindingCode FinobtMissing = Row("finobt-missing", Error, "chunk at inode {0} has free inodes and is not in the finobt", RebuildInodeBtrees);
    public static readonly FindingCode FinobtExtra = Row("finobt-extra", Error, "chunk at inode {0} is in the finobt, {1}", RebuildInodeBtrees);
    public static readonly FindingCode FinobtDiffers = Row("finobt-differs", Error, "chunk at inode {0}: inobt and finobt disagree", RebuildInodeBtrees);
    public static readonly FindingCode RmapRecord = Row("rmap-record", Error, "{0} blocks at {1} for {2}: {3}", RebuildRmap);
    public static readonly FindingCode RmapMissing = Row("rmap-missing", Error, "{0} blocks at {1} belong to {2}, the reverse map does not say so", RebuildRmap);
    public static readonly FindingCode RmapExtra = Row("rmap-extra", Error, "the reverse map gives {0} blocks at {1} to {2}, which does not use them so", RebuildRmap);
    public static readonly FindingCode RmapDiffers = Row("rmap-differs", Error, "{0} blocks at {1} belong to {2}, the reverse map says {3}", RebuildRmap);
    public static readonly FindingCode RefcountRecordBad = Row("refcount-record", Error, "{0} blocks at {1} with count {2}: {3}", RebuildRefcount);
    public static readonly FindingCode RefcountMissing = Row("refcount-missing", Error, "{0} blocks at {1} have {2} owners, the refcountbt has no record of them", RebuildRefcount);
    public static readonly FindingCode RefcountExtra = Row("refcount-extra", Error, "the refcountbt counts {2} owners of {0} blocks at {1}, which are not shared", RebuildRefcount);
    public static readonly FindingCode RefcountDiffers = Row("refcount-differs", Error, "{0} blocks at {1}: {2} owners counted, the refcountbt says {3}", RebuildRefcount);
    public static readonly FindingCode CowLeftover = Row("cow-leftover", Warning, "{0} blocks at {1} are CoW staging that no mount will use again", FreeStaging);

    // Who claims what.
    public static readonly FindingCode BlockClaimedTwice = Row("block-claimed-twice", Error, "{0} blocks at {1} belong to {2} and to {3}", ResolveClaim);
    public static readonly FindingCode ReflinkFlag = Row("inode-reflink-flag", Error, "shares blocks (at {0}) without the reflink flag", FixInode);

    // Inodes.
    public static readonly FindingCode InodeFree = Row("inode-used-but-free", Error, "the inode is in use (mode 0{0}), the inobt says it is free", RebuildInodeBtrees);
    public static readonly FindingCode InodeUsed = Row("inode-free-but-used", Error, "the inode is free, the inobt says it is in use", RebuildInodeBtrees);
    public static readonly FindingCode InodeNextUnlinked = Row("inode-next-unlinked", Error, "next_unlinked is {0}, {1}", FixInode);
    public static readonly FindingCode InodeFlags = Row("inode-flags", Error, "{0}", FixInode);
    public static readonly FindingCode InodeTime = Row("inode-time", Warning, "{0} nanoseconds, less than a second's worth expected", FixInode);
    public static readonly FindingCode InodeNblocks = Row("inode-nblocks", Error, "blocks: found {0}, the forks have {1}", FixInode);
    public static readonly FindingCode InodeNextents = Row("inode-nextents", Error, "extents of the {2} fork: found {0}, counted {1}", FixInode);
    public static readonly FindingCode InodeExtent = Row("inode-extent", Error, "{0} fork, extent {1}: {2}", RebuildFork);
    public static readonly FindingCode InodeBmbtRoot = Row("bmbt-root", Error, "{0} fork: {1}", RebuildFork);
    public static readonly FindingCode InodeSymlink = Row("symlink-target", Error, "{0}", ClearInode);
    public static readonly FindingCode InodeNlink = Row("inode-nlink", Error, "link count: found {0}, {1} names counted", FixLinkCount);
    public static readonly FindingCode InodeUnconnected = Row("inode-unconnected", Error, "no directory names this inode", Reconnect);
    public static readonly FindingCode InodeUnlinked = Row("inode-unlinked", Warning, "the inode has no name and waits on an unlinked list to be freed", FreeInode);
    public static readonly FindingCode UnlinkedList = Row("agi-unlinked", Error, "bucket {0}: {1}", RebuildGroupHeaders);
    public static readonly FindingCode RootInode = Row("root-inode", Error, "{0}", FixInode);
    public static readonly FindingCode MetaInode = Row("meta-inode", Error, "{0}", FixInode);

    // Directories.
    public static readonly FindingCode DirectoryForm = Row("dir-form", Error, "{0}", RebuildDirectory);
    public static readonly FindingCode DirectoryShortform = Row("dir-shortform", Error, "{0}", RebuildDirectory);
    public static readonly FindingCode DirectorySize = Row("dir-size", Error, "size: found {0}, its blocks say {1}", RebuildDirectory);
    public static readonly FindingCode DirectoryIndex = Row("dir-index", Error, "{0}", RebuildDirectory);
    public static readonly FindingCode DirectoryBests = Row("dir-bests", Error, "free space of directory block {0}: found {1}, the block has {2}", RebuildDirectory);
    public static readonly FindingCode DirectoryDot = Row("dir-dot", Error, "{0}", FixEntry);
    public static readonly FindingCode DirectoryDotDot = Row("dir-dotdot", Error, "\"..\" leads to inode {0}, the directory that names this one is {1}", FixEntry);
    public static readonly FindingCode DirectoryTwoParents = Row("dir-two-parents", Error, "two directories name this one: {0} and {1}", DropEntry);
    public static readonly FindingCode DirectoryCycle = Row("dir-cycle", Error, "this directory is its own ancestor", Reconnect);
    public static readonly FindingCode EntryName = Row("dirent-name", Error, "entry \"{0}\": {1}", DropEntry);
    public static readonly FindingCode EntryDuplicate = Row("dirent-duplicate", Error, "two entries are called \"{0}\"", DropEntry);
    public static readonly FindingCode EntryInode = Row("dirent-inode", Error, "entry \"{0}\" leads to inode {1}, {2}", DropEntry);
    public static readonly FindingCode EntryType = Row("dirent-ftype", Error, "entry \"{0}\" says inode {1} is of type {2}, it is of type {3}", FixEntry);

    // Attributes.
    public static readonly FindingCode AttributeForm = Row("attr-form", Error, "{0}", RebuildAttributes);
    public static readonly FindingCode AttributeName = Row("attr-name", Error, "attribute \"{0}\" {1}", RebuildAttributes);
    public static readonly FindingCode AttributeAcl = Row("attr-acl", Error, "{0}: {1}", RebuildAttributes);

    // Quotas.
    public static readonly FindingCode QuotaRecord = Row("quota-record", Error, "{0} quota of id {1}: {2}", FixQuota);

    // Parent pointers.
    public static readonly FindingCode ParentForm = Row("parent-form", Error, "parent pointer \"{0}\": {1}", RebuildAttributes);
    public static readonly FindingCode ParentMissing = Row("parent-missing", Error, "entry \"{0}\" of directory {1} names this inode, which has no parent pointer for it", RebuildAttributes);
    public static readonly FindingCode ParentDangling = Row("parent-dangling", Error, "a parent pointer leads to entry \"{0}\" of directory {1}, which does not name this inode", RebuildAttributes);
    public static readonly FindingCode ParentGeneration = Row("parent-generation", Error, "the parent pointer for entry \"{0}\" of directory {1} says generation {2}, the directory has {3}", RebuildAttributes);

    private static FindingCode Row(string text, Severity severity, string template, Remedy remedy)
    {
        FindingCode row = new(text, severity, template, remedy);
        s_rows.Add(row);
        return row;
    }

    private static FindingCode[] PerStructure(string suffix, Severity severity, string template) =>
        [.. s_structures.Select(s => Row($"{s.Prefix}-{suffix}", severity, string.Format(System.Globalization.CultureInfo.InvariantCulture, template, s.Name), s.Remedy))];
}
