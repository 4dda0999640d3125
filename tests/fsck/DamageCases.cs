using System.Buffers.Binary;
using System.Runtime.InteropServices;
using ImageFs.Format;
using ImageFs.Fsck;

namespace ImageFs.Tests.Fsck;

/// <summary>One kind of damage: what is done to which healthy image, and which finding it must give.</summary>
internal sealed record DamageCase(string Name, string Image, string Code, Action<DamagedImage> Do)
{
    public override string ToString() => Name;
}

/// <summary>The table of damages. Every code of the findings table has at least one row, and a test says which has none.</summary>
internal static class DamageCases
{
    private const string Plain = "plain-4k", Shared = "shared-4k", Fragmented = "fragmented-1k", Dirs = "dirs-4k", Attributes = "attributes-4k", Sparse = "sparse-inodes-4k";

    public static IReadOnlyList<DamageCase> All { get; } =
    [
        .. Superblocks(), .. Headers(), .. Blocks(), .. Trees(), .. FreeSpace(), .. InodeTrees(), .. Owners(), .. Inodes(), .. Links(), .. Directories(), .. AttributeForks(), .. ParentPointers(), .. Quotas(),
    ];

    public static IEnumerable<object[]> Rows => All.Select(c => new object[] { c.Name });

    private static DamageCase Case(string name, string image, FindingCode code, Action<DamagedImage> edit) => new(name, image, code.Text, edit);
    private static DamageCase Case(string name, string image, string code, Action<DamagedImage> edit) => new(name, image, code, edit);

    private static void Add32(Span<byte> at, int delta) => BinaryPrimitives.WriteUInt32BigEndian(at, (uint)(BinaryPrimitives.ReadUInt32BigEndian(at) + delta));
    private static void Set16(Span<byte> at, int value) => BinaryPrimitives.WriteUInt16BigEndian(at, (ushort)value);
    private static void Set32(Span<byte> at, uint value) => BinaryPrimitives.WriteUInt32BigEndian(at, value);
    private static void Set64(Span<byte> at, ulong value) => BinaryPrimitives.WriteUInt64BigEndian(at, value);
    private const ulong FarLsn = 9UL << 32;

    private static IEnumerable<DamageCase> Superblocks() =>
    [
        Case("superblock fdblocks +5", Plain, FindingCodes.SbFdblocks, i => i.Sb(0, (ref Superblock s) => s.FreeDataBlocks = s.FreeDataBlocks + 5)),
        Case("superblock fdblocks huge", Plain, FindingCodes.SbFdblocks, i => i.Sb(0, (ref Superblock s) => s.FreeDataBlocks = 1UL << 50)),
        Case("superblock icount", Plain, FindingCodes.SbIcount, i => i.Sb(0, (ref Superblock s) => s.InodeCount = s.InodeCount + 64)),
        Case("superblock ifree", Plain, FindingCodes.SbIfree, i => i.Sb(0, (ref Superblock s) => s.FreeInodes = s.FreeInodes + 1)),
        Case("superblock residue", Plain, FindingCodes.SbResidue, i => i.Bytes(0, 512, Superblock.CrcOffset, b => b[300] = 1)),
        Case("log: garbage where nothing was ever written", Plain, FindingCodes.LogForm, i => i.Bytes(i.Geometry.LogOffset + i.Geometry.LogBytes - 512, 4, -1, b => b.Fill(0x5A))),
        Case("copy residue", Plain, FindingCodes.SbResidue, i => i.Bytes(i.Geometry.AgOffset(new AgNumber(1)), 512, Superblock.CrcOffset, b => b[400] = 1)),
        Case("copy spino_align", Plain, FindingCodes.SbCopyDiffers, i => i.Sb(1, (ref Superblock s) => s.SparseInodeAlignment = 2)),
        Case("copy features", Plain, FindingCodes.SbCopyDiffers, i => i.Sb(1, (ref Superblock s) => s.FeaturesIncompat = s.FeaturesIncompat ^ (uint)IncompatFeatures.BigTime)),
        Case("superblock lsn ahead", Plain, "sb-lsn", i => i.Sb(0, (ref Superblock s) => s.Lsn = FarLsn)),
        Case("superblock checksum", Plain, "sb-crc", i => { i.KeepChecksums = true; i.Sb(0, (ref Superblock s) => s.InodeMaxPercent ^= 1); }),
        Case("copy checksum", Plain, "sb-crc", i => { i.KeepChecksums = true; i.Sb(1, (ref Superblock s) => s.QuotaFlags = 4096); }),
        Case("copy magic", Plain, "sb-identity", i => i.Sb(1, (ref Superblock s) => s.Magic = 0)),
        Case("superblock magic", Plain, FindingCodes.SbLost, i => i.Sb(0, (ref Superblock s) => s.Magic = 0)),
        Case("superblock of a single group", "bare-4k", FindingCodes.SbDerived, i => i.Device.Write(0, new byte[i.Geometry.SectorSize])),
        Case("superblock block size", Plain, "sb-form", i => i.Sb(0, (ref Superblock s) => s.BlockSize = 12345)),
        Case("superblock inprogress", Plain, "sb-form", i => i.Sb(0, (ref Superblock s) => s.InProgress = 1)),
        Case("superblock bad_features2", Plain, FindingCodes.SbField, i => i.Sb(0, (ref Superblock s) => s.BadFeatures2 = 0)),
        Case("superblock compat bit", Plain, FindingCodes.SbUnknown, i => i.Sb(0, (ref Superblock s) => s.FeaturesCompat = 0x80000000)),
        Case("superblock quota inode without quota", Plain, FindingCodes.SbField, i => i.Sb(0, (ref Superblock s) => s.ProjectQuotaInode = 12345)),
        Case("copy free realtime extents", Plain, FindingCodes.SbCopyDiffers, i => i.Sb(1, (ref Superblock s) => s.FreeRealtimeExtents = 7)),
        Case("copy stripe width", Plain, "sb-form", i => i.Sb(1, (ref Superblock s) => s.StripeWidth = 1)),
        Case("copy quota flags", Plain, FindingCodes.SbCopyDiffers, i => i.Sb(1, (ref Superblock s) => s.QuotaFlags = 1)),
        Case("superblock inode alignment", "bare-4k", FindingCodes.SbField, i => i.Sb(0, (ref Superblock s) => s.InodeAlignment = 0)),
        Case("superblock rextsize", Plain, FindingCodes.SbField, i => i.Sb(0, (ref Superblock s) => s.RealtimeExtentSize = 0)),
        Case("superblock rbmino", Plain, FindingCodes.SbField, i => i.Sb(0, (ref Superblock s) => s.RealtimeBitmapInode = s.RootInode + 2)),
        Case("superblock needs repair", Plain, FindingCodes.SbNeedsRepair, i => i.Sb(0, (ref Superblock s) => s.FeaturesIncompat = s.FeaturesIncompat | (uint)IncompatFeatures.NeedsRepair)),
        Case("superblock attr bit", Attributes, FindingCodes.SbAttrBit, i => i.Sb(0, (ref Superblock s) => s.VersionNumber = (ushort)(s.VersionNumber & ~0x10))),
        Case("superblock root inode", Plain, FindingCodes.RootInode, i => i.Sb(0, (ref Superblock s) => s.RootInode = s.RootInode + 1)),
    ];

    private static IEnumerable<DamageCase> Headers() =>
    [
        Case("agf freeblks -1", Plain, FindingCodes.AgfFreeBlocks, i => i.Agf(0, (ref Agf a) => a.FreeBlocks = a.FreeBlocks - 1)),
        Case("agf longest -1", Plain, FindingCodes.AgfLongest, i => i.Agf(0, (ref Agf a) => a.Longest = a.Longest - 1)),
        Case("agf longest > freeblks", Plain, "agf-form", i => i.Agf(0, (ref Agf a) => a.Longest = a.FreeBlocks + 1)),
        Case("agf btreeblks +1", Plain, FindingCodes.AgfBtreeBlocks, i => i.Agf(0, (ref Agf a) => a.BtreeBlocks = a.BtreeBlocks + 1)),
        Case("agf rmap_blocks +1", Plain, FindingCodes.AgfRmapBlocks, i => i.Agf(0, (ref Agf a) => a.RmapBlocks = a.RmapBlocks + 1)),
        Case("agf refcount_blocks +1", Plain, FindingCodes.AgfRefcountBlocks, i => i.Agf(0, (ref Agf a) => a.RefcountBlocks = a.RefcountBlocks + 1)),
        Case("agf flfirst", Plain, "agf-form", i => i.Agf(0, (ref Agf a) => a.FreeListFirst = 119)),
        Case("agf flcount +1", Plain, FindingCodes.AgfFreeList, i => i.Agf(0, (ref Agf a) => a.FreeListCount = a.FreeListCount + 1)),
        Case("agf length -1", Plain, "agf-form", i => i.Agf(0, (ref Agf a) => a.Length = a.Length - 1)),
        Case("agf seqno", Plain, "agf-identity", i => i.Agf(0, (ref Agf a) => a.SequenceNumber = 1)),
        Case("agf bno_level +1", Plain, FindingCodes.TreeLevel, i => i.Agf(0, (ref Agf a) => a.BnoLevel = a.BnoLevel + 1)),
        Case("agf bno_level out of range", Plain, "agf-form", i => i.Agf(0, (ref Agf a) => a.BnoLevel = 99)),
        Case("agi length -1", Plain, "agi-form", i => i.Agi(0, (ref Agi a) => a.Length = a.Length - 1)),
        Case("agi seqno", Plain, "agi-identity", i => i.Agi(0, (ref Agi a) => a.SequenceNumber = 1)),
        Case("agi bucket 0", Plain, "agi-form", i => i.Agi(0, (ref Agi a) => a.Unlinked[3] = 0)),
        Case("agi count +64", Plain, FindingCodes.AgiCount, i => i.Agi(0, (ref Agi a) => a.Count = a.Count + 64)),
        Case("agi freecount -1", Plain, FindingCodes.AgiFreeCount, i => i.Agi(0, (ref Agi a) => a.FreeCount = a.FreeCount - 1)),
        Case("agi iblocks +1", Plain, FindingCodes.AgiInobtBlocks, i => i.Agi(0, (ref Agi a) => a.InodeBtreeBlocks = a.InodeBtreeBlocks + 1)),
        Case("agi fblocks +1", Plain, FindingCodes.AgiFinobtBlocks, i => i.Agi(0, (ref Agi a) => a.FreeInodeBtreeBlocks = a.FreeInodeBtreeBlocks + 1)),
        Case("agi newino", Plain, FindingCodes.AgiNewInode, i => i.Agi(0, (ref Agi a) => a.NewInode = 12345)),
        Case("agi bucket leads to a live inode", Plain, FindingCodes.UnlinkedList, i => { ulong n = i.FindUsed(c => c.IsRegular); i.Agi(0, (ref Agi a) => a.Unlinked[(int)(n % 64)] = (uint)n); }),
        Case("agfl seqno", Plain, "agfl-identity", i => i.Agfl(0, b => Set32(b[4..], 1))),
        Case("agfl active slot out of range", Plain, "agfl-form", i => i.Agfl(0, b => Set32(b[(36 + 4 * (int)i.ReadAgf(0).FreeListFirst.Value)..], 0x7fffffff))),
        Case("agfl inactive slot out of range", Plain, "agfl-form", i => i.Agfl(0, b => Set32(b[(36 + 4 * 100)..], 0x7fffffff))),
        Case("agfl active slot empty", Plain, FindingCodes.AgflBlock, i => i.Agfl(0, b => Set32(b[(36 + 4 * (int)i.ReadAgf(0).FreeListLast.Value)..], uint.MaxValue))),
        Case("agfl slot twice", Plain, FindingCodes.BlockClaimedTwice, i =>
        {
            int first = 36 + 4 * (int)i.ReadAgf(0).FreeListFirst.Value;
            i.Agfl(0, b => b.Slice(first, 4).CopyTo(b[(first + 4)..]));
        }),
    ];

    private sealed record Located(string Prefix, string Image, Func<DamagedImage, (long Offset, int Length, int Crc, int Lsn, int Identity, int Form, uint FormValue)> Find);

    /// <summary>Checksum, identity, LSN and form of every kind of block that carries them.</summary>
    private static IEnumerable<DamageCase> Blocks()
    {
        static (long, int, int, int, int, int, uint) Short(DamagedImage i, BlockKind kind) => (i.TreeBlock(kind), i.Geometry.BlockSize, 52, 24, 16, 4, 0x0000FFFF);
        Located[] all =
        [
            new("agf", Plain, i => (512, 512, Agf.CrcOffset, Agf.LsnOffset, 64, 40, 500)),
            new("agi", Plain, i => (1024, 512, Agi.CrcOffset, Agi.LsnOffset, 296, 24, 99)),
            new("agfl", Plain, i => (1536, 512, AgflHeader.CrcOffset, AgflHeader.LsnOffset, 8, 36, 0x7fffffff)),
            new("bnobt", Plain, i => Short(i, BlockKind.Bnobt)),
            new("cntbt", Plain, i => Short(i, BlockKind.Cntbt)),
            new("inobt", Plain, i => Short(i, BlockKind.Inobt)),
            new("finobt", Plain, i => Short(i, BlockKind.Finobt)),
            new("rmapbt", Plain, i => Short(i, BlockKind.Rmapbt)),
            new("refcountbt", Plain, i => Short(i, BlockKind.Refcountbt)),
            new("bmbt", Fragmented, i => (i.Geometry.ByteOffset(new FsBlock(i.BmbtLeaf(i.FindUsed(c => c.Format == ForkFormat.Btree)))), i.Geometry.BlockSize, 64, 32, 24, 4, 0x0000FFFF)),
            new("dir-data", Dirs, i => (i.FileBlock(i.LeafDirectory, 1), i.Geometry.DirectoryBlockSize, 4, 16, 8, 48, 0x00000010)),
            new("dir-leaf", Dirs, i => (i.FileBlock(i.LeafDirectory, i.LeafStart), i.Geometry.DirectoryBlockSize, 12, 24, 16, 56, 0xFFFF0000)),
            new("dir-free", Dirs, i => (i.FileBlock(i.NodeDirectory, i.FreeStart), i.Geometry.DirectoryBlockSize, 4, 16, 8, 52, 0x7fffffff)),
            new("attr-block", Attributes, i => (i.FileBlock(AttributeTree(i), 0, attribute: true), i.Geometry.BlockSize, 12, 24, 16, 56, 0xFFFF0000)),
            new("attr-value", Attributes, i => (RemoteValue(i), i.Geometry.BlockSize, 12, 48, 40, 8, 0x7fffffff)),
            new("symlink", Plain, i => (i.FileBlock(RemoteSymlink(i), 0), i.Geometry.BlockSize, 12, 48, 40, 4, 0x7fffffff)),
            new("inode", Plain, i => (i.InodeOffset(i.FindUsed(c => c.IsRegular)), i.Geometry.InodeSize, InodeCore.CrcOffset, InodeCore.LsnOffset, 152, 56, 0x80000000)),
        ];
        foreach (Located one in all)
        {
            yield return Case($"{one.Prefix}: checksum", one.Image, $"{one.Prefix}-crc", i =>
            {
                var at = one.Find(i);
                i.Bytes(at.Offset, at.Length, -1, b => b[at.Crc] ^= 0x55);
            });
            yield return Case($"{one.Prefix}: somebody else's", one.Image, $"{one.Prefix}-identity", i =>
            {
                var at = one.Find(i);
                i.Bytes(at.Offset, at.Length, at.Crc, b => b[at.Identity + 3] ^= 0x10);
            });
            // Remote values are never logged: theirs must be all ones, anything else is malformed.
            yield return Case($"{one.Prefix}: LSN ahead of the log", one.Image, one.Prefix == "attr-value" ? "attr-value-lsn" : $"{one.Prefix}-lsn", i =>
            {
                var at = one.Find(i);
                i.Bytes(at.Offset, at.Length, at.Crc, b => Set64(b[at.Lsn..], FarLsn));
            });
            yield return Case($"{one.Prefix}: malformed", one.Image, $"{one.Prefix}-form", i =>
            {
                var at = one.Find(i);
                i.Bytes(at.Offset, at.Length, at.Crc, b => Set32(b[at.Form..], at.FormValue));
            });
        }
    }

    private static IEnumerable<DamageCase> Trees() =>
    [
        Case("root outside the group", Plain, "agf-form", i => i.Agf(0, (ref Agf a) => a.BnoRoot = 0x7fffffff)),
        Case("child outside the group", Fragmented, FindingCodes.TreePointer, i => i.Tree(BlockKind.Bnobt, b => Set32(b[(56 + i.Geometry.NodeCapacity(56, 8, 4) * 8)..], 0x7ffffff0), level: 1)),
        Case("child is its own parent", Fragmented, FindingCodes.TreeShared, i => i.Tree(BlockKind.Bnobt, b => Set32(b[(56 + i.Geometry.NodeCapacity(56, 8, 4) * 8)..], i.ReadAgf(0).BnoRoot), level: 1)),
        Case("two children are one", Fragmented, FindingCodes.TreeShared, i => i.Tree(BlockKind.Rmapbt, b =>
        {
            int pointers = 56 + i.Geometry.NodeCapacity(56, 40, 4) * 40;
            b.Slice(pointers, 4).CopyTo(b[(pointers + 4)..]);
        }, level: 1)),
        Case("two trees share a root", Plain, FindingCodes.TreeShared, i => i.Agf(0, (ref Agf a) => a.CntRoot = a.BnoRoot)),
        Case("leaf says level 1", Fragmented, FindingCodes.TreeLevel, i => i.Tree(BlockKind.Bnobt, b => { Set16(b[4..], 1); Set16(b[6..], 50); })),
        Case("leaf too empty", Fragmented, FindingCodes.TreeFill, i => i.Tree(BlockKind.Bnobt, b => Set16(b[6..], 3))),
        Case("left sibling", Fragmented, FindingCodes.TreeSibling, i => i.Tree(BlockKind.Cntbt, b => Set32(b[8..], 40))),
        Case("right sibling", Fragmented, FindingCodes.TreeSibling, i => i.Tree(BlockKind.Rmapbt, b => Set32(b[12..], uint.MaxValue))),
        Case("records out of order", Plain, FindingCodes.TreeOrder, i => i.Tree(BlockKind.Rmapbt, b => Swap(b[56..], 24, 2, 3))),
        Case("key of a leaf", Fragmented, FindingCodes.TreeKey, i => i.Tree(BlockKind.Bnobt, b => Add32(b[56..], 1), level: 1)),
        Case("high key of a leaf", Fragmented, FindingCodes.TreeHighKey, i => i.Tree(BlockKind.Rmapbt, b => Add32(b[(56 + 20)..], 1), level: 1)),
        Case("bmbt root without records", Fragmented, FindingCodes.InodeBmbtRoot, i => i.Fork(i.FindUsed(c => c.Format == ForkFormat.Btree), b => Set16(b[2..], 0))),
        Case("bmbt root too high", Fragmented, FindingCodes.InodeBmbtRoot, i => i.Fork(i.FindUsed(c => c.Format == ForkFormat.Btree), b => Set16(b, 60))),
        Case("bmbt of another inode", Fragmented, "bmbt-identity", i => i.Bmbt(i.BmbtLeaf(i.FindUsed(c => c.Format == ForkFormat.Btree)), b => Set64(b[56..], i.Geometry.Superblock.RootInode))),
        Case("bmbt key in the inode", Fragmented, FindingCodes.TreeKey, i => i.Fork(i.FindUsed(c => c.Format == ForkFormat.Btree), b => Set64(b[4..], 1))),
    ];

    private static void Swap(Span<byte> records, int size, int first, int second)
    {
        byte[] kept = records.Slice(first * size, size).ToArray();
        records.Slice(second * size, size).CopyTo(records[(first * size)..]);
        kept.CopyTo(records[(second * size)..]);
    }

    private static IEnumerable<DamageCase> FreeSpace() =>
    [
        Case("free extent beyond the group", Plain, FindingCodes.FreeRecord, i => i.Tree(BlockKind.Bnobt, b => Set32(b[60..], 0x7fffffff))),
        Case("free extent of no blocks", Plain, FindingCodes.FreeRecord, i => i.Tree(BlockKind.Bnobt, b => Set32(b[60..], 0))),
        Case("bnobt record shortened", Plain, FindingCodes.FreeDiffers, i => i.Tree(BlockKind.Bnobt, b => Add32(b[60..], -1))),
        Case("cntbt record lengthened", Plain, FindingCodes.FreeDiffers, i => i.Tree(BlockKind.Cntbt, b => Add32(b[56..], -1))),
        Case("free extents overlap", Fragmented, FindingCodes.FreeOverlap, i => i.Tree(BlockKind.Bnobt, b => Set32(b[60..], BinaryPrimitives.ReadUInt32BigEndian(b[64..]) - BinaryPrimitives.ReadUInt32BigEndian(b[56..]) + 1))),
        Case("free extents touch", Fragmented, FindingCodes.FreeUnmerged, i => i.Tree(BlockKind.Bnobt, b => Set32(b[60..], BinaryPrimitives.ReadUInt32BigEndian(b[64..]) - BinaryPrimitives.ReadUInt32BigEndian(b[56..])))),
        Case("a block nobody knows", Plain, FindingCodes.FreeMissing, i => BothTrees(i, -1)),
        Case("a used block is free", Plain, FindingCodes.FreeClaimed, i => BothTrees(i, +1)),
    ];

    /// <summary>Moves the start of the last free extent in both trees, so that they agree with each other and with nothing else.</summary>
    private static void BothTrees(DamagedImage i, int more)
    {
        byte[] old = new byte[8], changed = new byte[8];
        i.Tree(BlockKind.Cntbt, b =>
        {
            int last = 56 + 8 * (BinaryPrimitives.ReadUInt16BigEndian(b[6..]) - 1);
            b.Slice(last, 8).CopyTo(old);
            Add32(b[last..], -more);
            Add32(b[(last + 4)..], more);
            b.Slice(last, 8).CopyTo(changed);
        });
        i.Tree(BlockKind.Bnobt, b => changed.CopyTo(b[(56 + b[56..].IndexOf(old))..]));
        i.Agf(0, (ref Agf a) => { a.Longest = (uint)(a.Longest + more); a.FreeBlocks = (uint)(a.FreeBlocks + more); });
    }

    private static IEnumerable<DamageCase> InodeTrees() =>
    [
        Case("inobt freecount", Plain, FindingCodes.InobtRecord, i => i.Tree(BlockKind.Inobt, b => b[56 + 7]++)),
        Case("inobt count", Plain, FindingCodes.InobtRecord, i => i.Tree(BlockKind.Inobt, b => b[56 + 6]--)),
        Case("inobt start not aligned", Plain, FindingCodes.InobtRecord, i => i.Tree(BlockKind.Inobt, b => Add32(b[56..], 8))),
        Case("inobt start outside", Plain, FindingCodes.InobtRecord, i => i.Tree(BlockKind.Inobt, b => Set32(b[56..], 0x7fffff00))),
        Case("inobt hole not marked free", Sparse, FindingCodes.InobtRecord, i => i.Tree(BlockKind.Inobt, b => ForSparse(b, r => r[8..].Clear()))),
        Case("inobt chunks overlap", Sparse, FindingCodes.InobtRecord, i => i.Tree(BlockKind.Inobt, b => Set32(b[(56 + 16)..], BinaryPrimitives.ReadUInt32BigEndian(b[56..]) + 32))),
        Case("finobt freecount", Plain, FindingCodes.FinobtRecord, i => i.Tree(BlockKind.Finobt, b => b[56 + 7]++)),
        Case("finobt mask", Plain, FindingCodes.FinobtDiffers, i => i.Tree(BlockKind.Finobt, b => { b[56 + 15] ^= 3; })),
        Case("finobt record gone", Plain, FindingCodes.FinobtMissing, i => i.Tree(BlockKind.Finobt, b => Set16(b[6..], 0))),
        Case("finobt record of another chunk", Plain, FindingCodes.FinobtExtra, i => i.Tree(BlockKind.Finobt, b => Add32(b[56..], 128))),
        Case("used inode is free", Plain, FindingCodes.InodeFree, i => FlipFree(i, i.FindUsed(c => c.IsRegular && c.FileSize > 0))),
        Case("free inode is used", Plain, FindingCodes.InodeUsed, i => FlipFree(i, i.Find(c => c.Mode == 0))),
        Case("free inode has a mode", Plain, FindingCodes.InodeFree, i => i.Inode(i.Find(c => c.Mode == 0), (ref InodeCore c) => { c.Mode = 0x81a4; c.Format = ForkFormat.Extents; c.AttributeFormat = ForkFormat.Extents; })),
        Case("free inode with a bad checksum", Plain, "inode-crc", i => { i.KeepChecksums = true; i.Inode(i.Find(c => c.Mode == 0), (ref InodeCore c) => c.Generation = c.Generation ^ 1); }),
        Case("free inode with a wrong number", Plain, "inode-identity", i => i.Inode(i.Find(c => c.Mode == 0), (ref InodeCore c) => c.Number = 1)),
        Case("free inode of version 2", Plain, "inode-identity", i => i.Inode(i.Find(c => c.Mode == 0), (ref InodeCore c) => c.Version = 2)),
        Case("free inode with an attribute fork", Plain, "inode-form", i => i.Inode(i.Find(c => c.Mode == 0), (ref InodeCore c) => c.ForkOffset = 0x80)),
        Case("free inode with flags", Plain, "inode-form", i => i.Inode(i.Find(c => c.Mode == 0), (ref InodeCore c) => c.Flags = InodeFlags.Realtime)),
        Case("free inode with unknown flags2", Plain, "inode-form", i => i.Inode(i.Find(c => c.Mode == 0), (ref InodeCore c) => c.RawFlags2 = 1UL << 40)),
        Case("free inode with next_unlinked 0", Plain, FindingCodes.InodeNextUnlinked, i => i.Inode(i.Find(c => c.Mode == 0), (ref InodeCore c) => c.NextUnlinked = 0)),
    ];

    private static void ForSparse(Span<byte> leaf, EditBytes edit)
    {
        for (int at = 56; at < leaf.Length; at += 16)
            if (BinaryPrimitives.ReadUInt16BigEndian(leaf[(at + 4)..]) != 0)
            {
                edit(leaf.Slice(at, 16));
                return;
            }
    }

    private static void FlipFree(DamagedImage i, ulong inode) => i.Tree(BlockKind.Inobt, b =>
    {
        int bit = (int)(inode - BinaryPrimitives.ReadUInt32BigEndian(b[56..]));
        ulong mask = BinaryPrimitives.ReadUInt64BigEndian(b[64..]) ^ 1UL << bit;
        Set64(b[64..], mask);
        b[63] = (byte)System.Numerics.BitOperations.PopCount(mask);
    });

    private static IEnumerable<DamageCase> Owners() =>
    [
        Case("rmap owner", Plain, FindingCodes.RmapDiffers, i => i.Tree(BlockKind.Rmapbt, b => b[56 + 24 * 7 + 15] ^= 1)),
        Case("rmap of no owner", Plain, FindingCodes.RmapRecord, i => i.Tree(BlockKind.Rmapbt, b => Set64(b[(56 + 24 * 3 + 8)..], ulong.MaxValue))),
        Case("rmap unwritten", Plain, FindingCodes.RmapDiffers, i => i.Tree(BlockKind.Rmapbt, b => InodeRecord(b, r => r[16] ^= 0x20))),
        Case("rmap record gone", Plain, FindingCodes.RmapMissing, i => i.Tree(BlockKind.Rmapbt, b => Set16(b[6..], BinaryPrimitives.ReadUInt16BigEndian(b[6..]) - 1))),
        Case("rmap record shortened", Plain, FindingCodes.RmapDiffers, i => i.Tree(BlockKind.Rmapbt, b => Add32(b[(56 + 24 * 5 + 4)..], -1))),
        Case("rmap record too many", Plain, FindingCodes.RmapExtra, i => i.Tree(BlockKind.Rmapbt, b =>
        {
            int count = BinaryPrimitives.ReadUInt16BigEndian(b[6..]), end = 56 + 24 * count;
            b.Slice(end - 24, 24).CopyTo(b[end..]);
            Add32(b[end..], (int)BinaryPrimitives.ReadUInt32BigEndian(b[(end + 4)..]));
            Set32(b[(end + 4)..], 1);
            Set16(b[6..], count + 1);
        })),
        Case("refcount 3", Shared, FindingCodes.RefcountDiffers, i => i.Tree(BlockKind.Refcountbt, b => Add32(b[64..], 1))),
        Case("refcount 1", Shared, FindingCodes.RefcountRecordBad, i => i.Tree(BlockKind.Refcountbt, b => Set32(b[64..], 1))),
        Case("refcount records gone", Shared, FindingCodes.RefcountMissing, i => i.Tree(BlockKind.Refcountbt, b => Set16(b[6..], 0))),
        Case("refcount of unshared blocks", Plain, FindingCodes.RefcountExtra, i => i.Tree(BlockKind.Refcountbt, b =>
        {
            Extent extent = i.Extents(i.FindUsed(c => c.IsRegular && c.FileSize > 0 && c.Format == ForkFormat.Extents))[0];
            Set32(b[56..], i.Geometry.BlockInAg(extent.Start).Value);
            Set32(b[60..], extent.Length);
            Set32(b[64..], 2);
            Set16(b[6..], 1);
        })),
        Case("refcount record cut in two", Shared, FindingCodes.RefcountRecordBad, i => i.Tree(BlockKind.Refcountbt, b =>
        {
            int count = BinaryPrimitives.ReadUInt16BigEndian(b[6..]);
            b.Slice(56, 12 * count).ToArray().CopyTo(b[68..]);
            Set32(b[60..], 1);
            Add32(b[68..], 1);
            Add32(b[72..], -1);
            Set16(b[6..], count + 1);
        })),
        Case("CoW staging left over", Plain, FindingCodes.CowLeftover, i => i.Tree(BlockKind.Refcountbt, b =>
        {
            Set32(b[56..], RefcountRecord.CowFlag | 1000);
            Set32(b[60..], 4);
            Set32(b[64..], 1);
            Set16(b[6..], 1);
        })),
        Case("two files, one block, no refcount", Plain, FindingCodes.RefcountMissing, i => ShareByForce(i)),
        Case("sharing without the flag", Shared, FindingCodes.ReflinkFlag, i => i.Inode(i.FindUsed(c => c.Has(InodeFlags2.Reflink)), (ref InodeCore c) => c.Flags2 &= ~InodeFlags2.Reflink)),
        Case("a file on an inode chunk", Plain, FindingCodes.BlockClaimedTwice, i => i.Fork(i.FindUsed(c => c.IsRegular && c.Format == ForkFormat.Extents && c.ExtentCount > 0), b =>
        {
            Extent old = MemoryMarshal.Read<PackedExtent>(b).Unpack();
            FsBlock chunk = i.Geometry.Join(new AgNumber(0), i.Geometry.BlockOf(new AgInode((uint)i.Geometry.Superblock.RootInode.Value)));
            MemoryMarshal.Write(b, new PackedExtent(old with { Start = chunk }));
        })),
    ];

    private static void InodeRecord(Span<byte> leaf, EditBytes edit)
    {
        for (int at = 56; at < leaf.Length; at += 24)
            if ((long)BinaryPrimitives.ReadUInt64BigEndian(leaf[(at + 8)..]) > 0)
            {
                edit(leaf.Slice(at, 24));
                return;
            }
    }

    private static void ShareByForce(DamagedImage i)
    {
        ulong[] files = [.. i.Inodes().Where(n => i.Core(n) is { IsRegular: true, Format: ForkFormat.Extents, ExtentCount: > 0, LinkCount.Value: > 0 })];
        FsBlock start = i.Extents(files[0])[0].Start;
        foreach (ulong file in files[..2])
            i.Inode(file, (ref InodeCore c) => c.Flags2 |= InodeFlags2.Reflink);
        i.Fork(files[1], b => MemoryMarshal.Write(b, new PackedExtent(MemoryMarshal.Read<PackedExtent>(b).Unpack() with { Start = start, Unwritten = false })));
    }

    private static IEnumerable<DamageCase> Inodes() =>
    [
        Case("nblocks +1", Plain, FindingCodes.InodeNblocks, i => i.Inode(i.FindUsed(c => c.IsRegular && c.BlockCount > 0), (ref InodeCore c) => c.BlockCount = c.BlockCount + 1)),
        Case("nextents -1", Plain, FindingCodes.InodeNblocks, i => i.Inode(i.FindUsed(c => c.IsRegular && c.ExtentCount > 0), (ref InodeCore c) => c.ExtentCount--)),
        Case("nextents +1", Plain, FindingCodes.InodeExtent, i => i.Inode(i.FindUsed(c => c.IsRegular && c.ExtentCount > 0 && c.BlockCount > c.ExtentCount), (ref InodeCore c) => c.ExtentCount++)),
        Case("nextents of a bmbt", Fragmented, FindingCodes.InodeNextents, i => i.Inode(i.FindUsed(c => c.Format == ForkFormat.Btree), (ref InodeCore c) => c.ExtentCount++)),
        Case("unknown flags2", Plain, FindingCodes.InodeFlags, i => i.Inode(i.FindUsed(c => c.IsRegular), (ref InodeCore c) => c.RawFlags2 = c.RawFlags2 | 1UL << 40)),
        Case("directory flag on a file", Plain, FindingCodes.InodeFlags, i => i.Inode(i.FindUsed(c => c.IsRegular), (ref InodeCore c) => c.Flags |= InodeFlags.ProjectInherit)),
        Case("cowextsize without the flag", Plain, "inode-form", i => i.Inode(i.FindUsed(c => c.IsRegular), (ref InodeCore c) => c.CowExtentSizeHint = 4)),
        Case("nanoseconds", "bare-4k", FindingCodes.InodeTime, i => i.Inode(i.FindUsed(c => c.IsRegular), (ref InodeCore c) => c.ModifyTime = 5_000_000_000 - (5_000_000_000 >> 32 << 32) | 0xFFFFFFFF)),
        Case("device with forkoff 24", Dirs, "inode-form", i => i.Inode(i.FindUsed(c => c.Format == ForkFormat.Device), (ref InodeCore c) => c.ForkOffset = 24)),
        Case("extent outside the device", Plain, FindingCodes.InodeExtent, i => FirstExtent(i, e => e with { Start = new FsBlock(1UL << 40) })),
        Case("extent of no blocks", Plain, FindingCodes.InodeExtent, i => FirstExtent(i, e => e with { Length = 0 })),
        Case("extent across two groups", Plain, FindingCodes.InodeExtent, i => FirstExtent(i, e => e with { Start = i.Geometry.Join(new AgNumber(0), new AgBlock(i.Geometry.AgBlocks - 1)), Length = 2 })),
        Case("extents out of order", Fragmented, FindingCodes.InodeExtent, i => i.Bmbt(i.BmbtLeaf(i.FindUsed(c => c.Format == ForkFormat.Btree)), b => Swap(b[72..], 16, 4, 5))),
        Case("symlink with a zero", Dirs, FindingCodes.InodeSymlink, i => i.Fork(i.FindUsed(c => c.IsSymlink && c.Format == ForkFormat.Local), b => b[1] = 0)),
        Case("remote symlink with a zero", Plain, FindingCodes.InodeSymlink, i => i.Bytes(i.FileBlock(RemoteSymlink(i), 0), i.Geometry.BlockSize, RemoteHeader.CrcOffset, b => b[60] = 0)),
        Case("rbmino is a directory", Plain, FindingCodes.MetaInode, i => i.Inode(i.Geometry.Superblock.RealtimeBitmapInode, (ref InodeCore c) => c.Mode = 0xA1FF)),
        Case("rsumino is not empty", Plain, FindingCodes.MetaInode, i => i.Inode(i.Geometry.Superblock.RealtimeSummaryInode, (ref InodeCore c) => c.FileSize = 1UL << 40)),
        Case("root is a file", Plain, FindingCodes.RootInode, i => i.Inode(i.Geometry.Superblock.RootInode, (ref InodeCore c) => { c.Mode = 0x81a4; c.Format = ForkFormat.Extents; c.FileSize = 0; })),
    ];

    /// <summary>Turns a file of one block into a symlink whose target lies in that block; sound but for its type in the directory.</summary>
    private static ulong RemoteSymlink(DamagedImage i)
    {
        ulong number = i.FindUsed(c => c.IsRegular && c.Format == ForkFormat.Extents && c.BlockCount == 1);
        i.Inode(number, (ref InodeCore c) => { c.Mode = FileMode16.Symlink | 0x1FF; c.FileSize = 600; c.Flags2 &= ~InodeFlags2.Reflink; });
        i.Fork(number, b => MemoryMarshal.Write(b, new PackedExtent(MemoryMarshal.Read<PackedExtent>(b).Unpack() with { Offset = default, Unwritten = false })));
        long at = i.FileBlock(number, 0);
        i.Bytes(at, i.Geometry.BlockSize, RemoteHeader.CrcOffset, b =>
        {
            b.Clear();
            ref RemoteHeader header = ref RemoteHeader.At(b);
            header.Magic = DirectoryMagic.Symlink;
            header.Bytes = 600;
            header.Uuid = i.Geometry.MetaUuid;
            header.Owner = number;
            header.BlockNumber = i.Geometry.DiskAddress(at);
            b.Slice(RemoteHeader.Size, 600).Fill((byte)'x');
        });
        Assert.IsFalse(FsckOf.Device(i.Device).Findings.Any(f => f.Code.Text.StartsWith("symlink", StringComparison.Ordinal)), "the made symlink is not sound");
        return number;
    }

    private static void FirstExtent(DamagedImage i, Func<Extent, Extent> edit) =>
        i.Fork(i.FindUsed(c => c.IsRegular && c.Format == ForkFormat.Extents && c.ExtentCount > 0), b => MemoryMarshal.Write(b, new PackedExtent(edit(MemoryMarshal.Read<PackedExtent>(b).Unpack()))));

    private static IEnumerable<DamageCase> Links() =>
    [
        Case("nlink +1", Plain, FindingCodes.InodeNlink, i => i.Inode(i.FindUsed(c => c.IsRegular && c.FileSize > 0), (ref InodeCore c) => c.LinkCount = c.LinkCount + 1)),
        Case("directory nlink -1", Plain, FindingCodes.InodeNlink, i => i.Inode(i.Geometry.Superblock.RootInode, (ref InodeCore c) => c.LinkCount = c.LinkCount - 1)),
        Case("file without a name", Plain, FindingCodes.InodeUnconnected, i => ShortEntry(i, i.Geometry.Superblock.RootInode, 0, (entry, length) => Set32(entry[(length + 4)..], (uint)i.Geometry.Superblock.RootInode.Value + 1))),
        Case("orphan on its list", Plain, FindingCodes.InodeUnlinked, i =>
        {
            ulong n = i.FindUsed(c => c.IsRegular && c.FileSize > 0);
            i.Inode(n, (ref InodeCore c) => c.LinkCount = 0);
            i.Agi(0, (ref Agi a) => a.Unlinked[(int)(n % 64)] = (uint)n);
        }),
        Case("orphan in the wrong bucket", Plain, FindingCodes.UnlinkedList, i =>
        {
            ulong n = i.FindUsed(c => c.IsRegular && c.FileSize > 0);
            i.Inode(n, (ref InodeCore c) => c.LinkCount = 0);
            i.Agi(0, (ref Agi a) => a.Unlinked[(int)((n + 1) % 64)] = (uint)n);
        }),
        Case("orphan that follows itself", Plain, FindingCodes.UnlinkedList, i =>
        {
            ulong n = i.FindUsed(c => c.IsRegular && c.FileSize > 0);
            i.Inode(n, (ref InodeCore c) => { c.LinkCount = 0; c.NextUnlinked = (uint)n; });
            i.Agi(0, (ref Agi a) => a.Unlinked[(int)(n % 64)] = (uint)n);
        }),
        Case("live inode with next_unlinked", Plain, FindingCodes.InodeNextUnlinked, i => i.Inode(i.FindUsed(c => c.IsRegular), (ref InodeCore c) => c.NextUnlinked = (uint)i.Geometry.Superblock.RootInode.Value)),
    ];

    private delegate void EntryEdit(Span<byte> entry, int nameLength);

    private static void ShortEntry(DamagedImage i, ulong directory, int index, EntryEdit edit) => i.Fork(directory, b =>
    {
        int width = b[1] > 0 ? 8 : 4, at = 2 + width;
        for (; index > 0; index--) at += 3 + b[at] + 1 + width;
        edit(b[at..], b[at]);
    });

    private static IEnumerable<DamageCase> Directories() =>
    [
        Case("inline: cookie lowered", Dirs, FindingCodes.DirectoryShortform, i => ShortEntry(i, i.ShortDirectory, 0, (e, _) => Set16(e[1..], 8))),
        Case("inline: count +1", Dirs, FindingCodes.DirectoryShortform, i => i.Fork(i.ShortDirectory, b => b[0]++)),
        Case("inline: i8count", Dirs, FindingCodes.DirectoryShortform, i => i.Fork(i.ShortDirectory, b => b[1] = 1)),
        Case("inline: size +1", Dirs, FindingCodes.DirectoryShortform, i => i.Inode(i.ShortDirectory, (ref InodeCore c) => c.FileSize = c.FileSize + 1)),
        Case("inline: type", Dirs, FindingCodes.EntryType, i => ShortEntry(i, i.ShortDirectory, 0, (e, n) => e[3 + n] ^= 3)),
        Case("inline: type 9", Dirs, FindingCodes.EntryType, i => ShortEntry(i, i.ShortDirectory, 0, (e, n) => e[3 + n] = 9)),
        Case("inline: parent", Dirs, FindingCodes.DirectoryDotDot, i => i.Fork(i.Inodes().First(n => i.Core(n) is { IsDirectory: true, Format: ForkFormat.Local } && n != i.Geometry.Superblock.RootInode), b => Set32(b[2..], (uint)i.BlockDirectory))),
        Case("inline: slash in a name", Dirs, FindingCodes.EntryName, i => ShortEntry(i, i.ShortDirectory, 0, (e, _) => e[3] = (byte)'/')),
        Case("inline: entry to a free inode", Dirs, FindingCodes.EntryInode, i => ShortEntry(i, i.ShortDirectory, 0, (e, n) => Set32(e[(4 + n)..], (uint)i.Find(c => c.Mode == 0)))),
        Case("inline: entry to the realtime bitmap", Dirs, FindingCodes.EntryInode, i => ShortEntry(i, i.ShortDirectory, 0, (e, n) => Set32(e[(4 + n)..], (uint)i.Geometry.Superblock.RealtimeBitmapInode.Value))),
        Case("block: bestfree", Dirs, "dir-data-form", i => i.Directory(i.BlockDirectory, 0, b => b[51] ^= 8)),
        Case("block: leaf hash", Dirs, "dir-data-form", i => i.Directory(i.BlockDirectory, 0, b => b[^12] ^= 0x55)),
        Case("block: entry tag", Dirs, "dir-data-form", i => i.Directory(i.BlockDirectory, 0, b => b[64 + 15] ^= 8)),
        Case("block: owner", Dirs, "dir-data-identity", i => i.Directory(i.BlockDirectory, 0, b => Set64(b[40..], i.Geometry.Superblock.RootInode))),
        Case("block: two blocks long", Dirs, FindingCodes.DirectorySize, i => i.Inode(i.BlockDirectory, (ref InodeCore c) => c.FileSize = c.FileSize * 2)),
        Case("block: .", Dirs, FindingCodes.DirectoryDot, i => i.Directory(i.BlockDirectory, 0, b => Set64(b[64..], i.Geometry.Superblock.RootInode))),
        Case("block: ..", Dirs, FindingCodes.DirectoryDotDot, i => i.Directory(i.BlockDirectory, 0, b => Set64(b[80..], i.BlockDirectory))),
        Case("block: entry to a free inode", Dirs, FindingCodes.EntryInode, i => i.Directory(i.BlockDirectory, 0, b => Set64(b[DamagedImage.Entry(b, 2)..], i.Find(c => c.Mode == 0)))),
        Case("block: type", Dirs, FindingCodes.EntryType, i => i.Directory(i.BlockDirectory, 0, b => { int e = DamagedImage.Entry(b, 2); b[e + 9 + b[e + 8]] ^= 2; })),
        Case("directory without blocks", Dirs, FindingCodes.DirectoryForm, i => i.Inode(i.BlockDirectory, (ref InodeCore c) => { c.ExtentCount = 0; c.BlockCount = 0; })),
        Case("leaf: size", Dirs, FindingCodes.DirectorySize, i => i.Inode(i.LeafDirectory, (ref InodeCore c) => c.FileSize = c.FileSize + (ulong)i.Geometry.DirectoryBlockSize)),
        Case("leaf: address", Dirs, FindingCodes.DirectoryIndex, i => i.Directory(i.LeafDirectory, i.LeafStart, b => Add32(b[(64 + 8 * 10 + 4)..], 1))),
        Case("leaf: neighbour", Dirs, FindingCodes.DirectoryIndex, i => i.Directory(i.LeafDirectory, i.LeafStart, b => Set32(b, 7))),
        Case("leaf: best", Dirs, FindingCodes.DirectoryBests, i => i.Directory(i.LeafDirectory, i.LeafStart, b => b[^5] ^= 8)),
        Case("node: address", Dirs, FindingCodes.DirectoryIndex, i => i.Directory(i.NodeDirectory, i.LeafStart + (ulong)i.Geometry.DirectoryBlockFsBlocks, b => Add32(b[(64 + 8 * 10 + 4)..], 1))),
        Case("node: child", Dirs, FindingCodes.DirectoryIndex, i => i.Directory(i.NodeDirectory, i.LeafStart, b => Set32(b[68..], 5))),
        Case("node: hash", Dirs, FindingCodes.DirectoryIndex, i => i.Directory(i.NodeDirectory, i.LeafStart, b => Add32(b[64..], -1))),
        Case("node: cycle", Dirs, FindingCodes.TreeShared, i => i.Directory(i.NodeDirectory, i.LeafStart, b => Set32(b[68..], (uint)i.LeafStart))),
        Case("node: free index", Dirs, FindingCodes.DirectoryBests, i => i.Directory(i.NodeDirectory, i.FreeStart, b => b[65] ^= 8)),
        Case("node: free index nused", Dirs, "dir-free-form", i => i.Directory(i.NodeDirectory, i.FreeStart, b => Add32(b[56..], -1))),
        Case("two entries with one name", Dirs, FindingCodes.EntryDuplicate, i => i.Directory(i.BlockDirectory, 0, b => SameName(b))),
        Case("two parents", Dirs, FindingCodes.DirectoryTwoParents, i => i.Directory(i.BlockDirectory, 0, b => Set64(b[DamagedImage.Entry(b, 2)..], i.NodeDirectory))),
        Case("a directory in itself", Dirs, FindingCodes.DirectoryCycle, i =>
        {
            ulong root = i.Geometry.Superblock.RootInode, directory = i.LeafDirectory;
            for (int n = 0; n < i.ReadInode(root)[InodeCore.Size]; n++)
                ShortEntry(i, root, n, (e, length) => { if (BinaryPrimitives.ReadUInt32BigEndian(e[(4 + length)..]) == directory) Set32(e[(4 + length)..], (uint)i.Find(c => c.Mode == 0)); });
            i.Directory(directory, 0, b => Set64(b[DamagedImage.Entry(b, 3)..], directory));
        }),
    ];

    /// <summary>Gives the fourth entry the name of the third, in the entry and in the hash index.</summary>
    private static void SameName(Span<byte> b)
    {
        for (int first = 2; ; first++)
        {
            int a = DamagedImage.Entry(b, first), c = DamagedImage.Entry(b, first + 1), length = b[a + 8];
            if (b[c + 8] != length) continue;
            uint old = DirectoryName.Hash(b.Slice(c + 9, length));
            b.Slice(a + 9, length).CopyTo(b[(c + 9)..]);
            uint hash = DirectoryName.Hash(b.Slice(a + 9, length));
            Span<DirectoryLeafEntry> leaves = MemoryMarshal.Cast<byte, DirectoryLeafEntry>(b[^(8 + 8 * (int)BinaryPrimitives.ReadUInt32BigEndian(b[^8..]))..^8]);
            for (int i = 0; i < leaves.Length; i++)
                if (leaves[i].Hash == old && leaves[i].Address == c / 8) leaves[i].Hash = hash;
            leaves.Sort(static (x, y) => x.Hash.Value.CompareTo(y.Hash.Value));
            return;
        }
    }

    private static ulong AttributeTree(DamagedImage i) => i.Inodes().First(n => i.Core(n) is { Mode.Value: not 0, ForkOffset: not 0, AttributeFormat: ForkFormat.Extents } && i.Extents(n, attribute: true).Count > 0);

    private static ulong AttributeLeaf(DamagedImage i) => i.Inodes().First(n => i.Core(n) is { Mode.Value: not 0, ForkOffset: not 0, AttributeFormat: ForkFormat.Extents }
        && i.Extents(n, attribute: true) is { Count: > 0 } map && BinaryPrimitives.ReadUInt16BigEndian(i.Read(i.FileBlock(n, map[0].Offset.Value, attribute: true), 16).AsSpan(8)) == DirectoryMagic.AttrLeaf);

    private static long RemoteValue(DamagedImage i)
    {
        foreach (ulong n in i.Inodes())
        {
            if (i.Core(n) is not { Mode.Value: not 0, ForkOffset: not 0 } core || core.AttributeFormat is not (ForkFormat.Extents or ForkFormat.Btree)) continue;
            foreach (Extent e in i.Extents(n, attribute: true))
                for (uint b = 0; b < e.Length; b++)
                    if (i.Geometry.ByteOffset(e.Start + b) is long at && BinaryPrimitives.ReadUInt32BigEndian(i.Read(at, 4)) == DirectoryMagic.AttrRemote) return at;
        }
        throw new AssertFailedException("the sample has no remote value");
    }

    private static IEnumerable<DamageCase> AttributeForks() =>
    [
        Case("inline attributes: size", Attributes, FindingCodes.AttributeForm, i => i.AttributeFork(i.FindUsed(c => c.ForkOffset != 0 && c.AttributeFormat == ForkFormat.Local), b => b[1]++)),
        Case("inline attributes: flags", Attributes, FindingCodes.AttributeName, i => i.AttributeFork(i.FindUsed(c => c.ForkOffset != 0 && c.AttributeFormat == ForkFormat.Local), b => b[6] |= 0x06)),
        Case("inline attributes: a zero in a name", Attributes, FindingCodes.AttributeName, i => i.AttributeFork(i.FindUsed(c => c.ForkOffset != 0 && c.AttributeFormat == ForkFormat.Local), b => b[7] = 0)),
        Case("attribute leaf: usedbytes", Attributes, FindingCodes.AttributeForm, i => i.AttributeBlock(AttributeLeaf(i), 0, b => b[59] -= 4)),
        Case("attribute leaf: hash", Attributes, FindingCodes.AttributeForm, i => i.AttributeBlock(AttributeLeaf(i), 0, b => b[83] ^= 1)),
        Case("attribute leaf: freemap", Attributes, FindingCodes.AttributeForm, i => i.AttributeBlock(AttributeLeaf(i), 0, b => { Set16(b[64..], 80); Set16(b[66..], 16); })),
        Case("attribute leaf: owner", Attributes, "attr-block-identity", i => i.AttributeBlock(AttributeLeaf(i), 0, b => Set64(b[48..], i.Geometry.Superblock.RootInode))),
        Case("remote value: owner", Attributes, "attr-value-identity", i => i.Bytes(RemoteValue(i), i.Geometry.BlockSize, RemoteHeader.CrcOffset, b => Set64(b[32..], i.Geometry.Superblock.RootInode))),
        Case("remote value: offset", Attributes, "attr-value-form", i => i.Bytes(RemoteValue(i), i.Geometry.BlockSize, RemoteHeader.CrcOffset, b => Add32(b[4..], 1))),
        Case("access control list: tag", Attributes, FindingCodes.AttributeAcl, i => i.AttributeFork(i.FindUsed(c => c.ForkOffset != 0 && c.AttributeFormat == ForkFormat.Local), b => FakeAcl(b))),
    ];

    /// <summary>The file with one name, four letters long: its pointer's name begins at byte 7, its value at 11.</summary>
    private static ulong OneParent(DamagedImage i) => i.FindUsed(c => c.IsRegular && c.LinkCount == 1 && c.ForkOffset != 0);

    private static IEnumerable<DamageCase> ParentPointers() =>
    [
        Case("parent pointer: another name", DamagedImage.Parents, FindingCodes.ParentMissing, i => i.AttributeFork(OneParent(i), b => b[7] = (byte)'F')),
        Case("parent pointer: an entry that is not there", DamagedImage.Parents, FindingCodes.ParentDangling, i => i.AttributeFork(OneParent(i), b => b[7] = (byte)'F')),
        Case("parent pointer: another directory", DamagedImage.Parents, FindingCodes.ParentDangling, i => i.AttributeFork(OneParent(i), b => Set64(b[11..], i.Geometry.Superblock.RootInode))),
        Case("parent pointer: generation", DamagedImage.Parents, FindingCodes.ParentGeneration, i => i.AttributeFork(OneParent(i), b => Add32(b[19..], 1))),
        Case("parent pointer: a directory that cannot exist", DamagedImage.Parents, FindingCodes.ParentForm, i => i.AttributeFork(OneParent(i), b => Set64(b[11..], 1UL << 60))),
        Case("parent pointer: a name with a slash", DamagedImage.Parents, FindingCodes.ParentForm, i => i.AttributeFork(OneParent(i), b => b[7] = (byte)'/')),
        Case("parent pointer: all of them gone", DamagedImage.Parents, FindingCodes.ParentMissing, i => i.AttributeFork(OneParent(i), b => { b[1] = 4; b[2] = 0; })),
        Case("parent pointer: of the root", DamagedImage.Parents, FindingCodes.ParentDangling, i =>
        {
            byte[] pointers = i.ReadInode(OneParent(i))[(InodeCore.Size + i.Core(OneParent(i)).ForkOffset * 8)..];
            byte offset = i.Core(OneParent(i)).ForkOffset;
            i.Inode(i.Geometry.Superblock.RootInode, (ref InodeCore c) => { c.ForkOffset = offset; c.AttributeFormat = ForkFormat.Local; });
            i.AttributeFork(i.Geometry.Superblock.RootInode, b => pointers.CopyTo(b));
        }),
        Case("parent pointer: a generation in a leaf", DamagedImage.Parents, FindingCodes.ParentGeneration, i => i.AttributeBlock(AttributeLeaf(i), 0, b => Add32(b[(BinaryPrimitives.ReadUInt16BigEndian(b[84..]) + 3 + b[BinaryPrimitives.ReadUInt16BigEndian(b[84..]) + 2] + 8)..], 1))),
        Case("parent pointer: hash without the directory", DamagedImage.Parents, FindingCodes.AttributeForm, i => i.AttributeBlock(AttributeLeaf(i), 0, b => b[83] ^= 1)),
        Case("entry without a parent pointer", DamagedImage.Parents, FindingCodes.ParentMissing, i => i.Fork(i.FindUsed(c => c.IsDirectory && c.Format == ForkFormat.Local && c.ForkOffset != 0), b => b[9] = (byte)'F')),
    ];

    private static IEnumerable<DamageCase> Quotas() =>
    [
        Case("quota: another id", DamagedImage.Quotas, FindingCodes.QuotaRecord, i => i.QuotaRecord(7, b => Set32(b[4..], 70))),
        Case("quota: another type", DamagedImage.Quotas, FindingCodes.QuotaRecord, i => i.QuotaRecord(7, b => b[3] = 4)),
        Case("quota: magic", DamagedImage.Quotas, FindingCodes.QuotaRecord, i => i.QuotaRecord(0, b => b[0] = 0)),
        Case("quota: version", DamagedImage.Quotas, FindingCodes.QuotaRecord, i => i.QuotaRecord(29, b => b[2] = 2)),
        Case("quota: another file system", DamagedImage.Quotas, FindingCodes.QuotaRecord, i => i.QuotaRecord(3, b => b[125] ^= 1)),
        Case("quota: LSN ahead of the log", DamagedImage.Quotas, FindingCodes.QuotaRecord, i => i.QuotaRecord(3, b => Set64(b[112..], FarLsn))),
        Case("quota: checksum", DamagedImage.Quotas, FindingCodes.QuotaRecord, i => { i.KeepChecksums = true; i.QuotaRecord(5, b => b[50] ^= 1); }),
        Case("quota: over the limit without a timer", DamagedImage.Quotas, FindingCodes.QuotaRecord, i => i.QuotaRecord(5, b => { Set64(b[16..], 10); Set64(b[40..], 11); })),
        Case("quota: noise", DamagedImage.Quotas, FindingCodes.QuotaRecord, i => i.QuotaRecord(9, b => new Random(1).NextBytes(b[..108]))),
    ];

    /// <summary>Replaces the inline attributes by one list with a tag that does not exist.</summary>
    private static void FakeAcl(Span<byte> fork)
    {
        ReadOnlySpan<byte> name = "SGI_ACL_FILE"u8;
        Set16(fork, 4 + 3 + name.Length + 16);
        fork[2] = 1;
        fork[4] = (byte)name.Length;
        fork[5] = 16;
        fork[6] = 0x02;
        name.CopyTo(fork[7..]);
        Span<byte> list = fork[(7 + name.Length)..];
        list[..16].Clear();
        Set32(list, 1);
        Set32(list[4..], 77);
    }
}
