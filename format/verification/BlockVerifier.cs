using System.Buffers.Binary;
using System.Runtime.CompilerServices;

namespace ImageFs.Format;

/// <summary>
/// The one gate: every metadata block passes <see cref="Verify"/> on its way in and <see cref="VerifyForWrite"/> on its way
/// out. Structure is checked after identity, identity after the checksum, so a later check may trust an earlier one.
/// </summary>
public static partial class BlockVerifier
{
    /// <summary>Checks checksum, identity and structure of a block read from <paramref name="offset"/>.</summary>
    /// <param name="head">The log's head: no LSN may lie beyond it; 0 to skip that check.</param>
    /// <returns>Null when all is well.</returns>
    public static Fault? Verify(BlockKind kind, ReadOnlySpan<byte> block, Geometry geometry, long offset, LogSequenceNumber head = default)
    {
        if (kind == BlockKind.InodeCluster) return VerifyInodeCluster(block, geometry);
        int crc = kind.CrcOffset();
        if (!Crc32c.IsValid(block, crc))
        {
            uint stored = BinaryPrimitives.ReadUInt32LittleEndian(block[crc..]);
            return MagicFault(kind, block) ?? new Fault("crc", $"found 0x{stored:x8}, the block's checksum is 0x{Crc32c.Compute(block, crc):x8}", IsChecksum: true);
        }
        if (kind == BlockKind.AttrRemote) return VerifyStructure(kind, block, geometry, offset);
        ulong lsn = BinaryPrimitives.ReadUInt64BigEndian(block[kind.LsnOffset()..]);
        if (head.Value != 0 && lsn != ulong.MaxValue && lsn > head.Value)
            return new Fault("lsn", $"{new LogSequenceNumber(lsn)} lies ahead of the log head {head}");
        return VerifyStructure(kind, block, geometry, offset);
    }

    /// <summary>Checks identity and structure of a block about to be written; the checksum is stamped afterwards.</summary>
    public static Fault? VerifyForWrite(BlockKind kind, ReadOnlySpan<byte> block, Geometry geometry, long offset) =>
        kind == BlockKind.InodeCluster ? VerifyInodeCluster(block, geometry) : VerifyStructure(kind, block, geometry, offset);

    /// <summary>Identity (magic, address, owner, UUID) and structure without the checksum.</summary>
    public static Fault? VerifyStructure(BlockKind kind, ReadOnlySpan<byte> block, Geometry geometry, long offset) => kind switch
    {
        BlockKind.Superblock => SuperblockVerifier.VerifyLayout(block),
        BlockKind.Agf => VerifyAgf(block, geometry, offset),
        BlockKind.Agi => VerifyAgi(block, geometry, offset),
        BlockKind.Agfl => VerifyAgfl(block, geometry, offset),
        >= BlockKind.Bnobt and <= BlockKind.Refcountbt => VerifyShortBtree(kind, block, geometry, offset),
        BlockKind.Bmbt => VerifyBmbt(block, geometry, offset),
        BlockKind.InodeCluster => VerifyInodeCluster(block, geometry),
        BlockKind.DirectoryData => VerifyDirectoryData(block, geometry, offset),
        BlockKind.DirectoryFree => VerifyDirectoryFree(block, geometry, offset),
        BlockKind.DaBlock => VerifyDaBlock(block, geometry, offset),
        BlockKind.AttrRemote or BlockKind.Symlink => VerifyRemote(kind, block, geometry, offset),
        _ => new Fault("kind", $"{kind} is no metadata block"),
    };

    private static Fault? MagicFault(BlockKind kind, ReadOnlySpan<byte> block)
    {
        uint magic = BinaryPrimitives.ReadUInt32BigEndian(block);
        uint expected = kind switch
        {
            BlockKind.Superblock => Superblock.MagicNumber, BlockKind.Agf => Agf.MagicNumber, BlockKind.Agi => Agi.MagicNumber,
            BlockKind.Agfl => AgflHeader.MagicNumber, BlockKind.DirectoryFree => DirectoryMagic.Free,
            BlockKind.AttrRemote => DirectoryMagic.AttrRemote, BlockKind.Symlink => DirectoryMagic.Symlink,
            _ => kind.Magic(),
        };
        return expected != 0 && magic != expected ? new Fault("magic", $"found 0x{magic:x8}, expected 0x{expected:x8}", IsChecksum: true) : null;
    }

    // What holds, holds nearly always: that costs a comparison where it is asked, and only the rest is a call.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Fault? Expect(string field, ulong found, ulong expected) => found == expected ? null : Differs(field, found, expected);

    private static Fault? Differs(string field, ulong found, ulong expected) =>
        new Fault(field, $"found {found} (0x{found:x}), expected {expected} (0x{expected:x})");

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Fault? ExpectAtMost(string field, ulong found, ulong most) => found <= most ? null : Exceeds(field, found, most);

    private static Fault? Exceeds(string field, ulong found, ulong most) => new Fault(field, $"found {found}, at most {most} possible");

    private static Fault? ExpectUuid(ReadOnlySpan<byte> at, Geometry geometry)
    {
        Uuid found = new(at);
        return found == geometry.MetaUuid ? null : (Fault?)new Fault("uuid", $"found {found}, expected {geometry.MetaUuid}");
    }

    /// <summary>The group a device offset lies in; the caller knows the offset is inside the device.</summary>
    private static AgNumber AgOf(Geometry geometry, long offset) =>
        new((uint)Math.Min(geometry.AgCount - 1, (ulong)(offset >> geometry.BlockLog) / geometry.AgBlocks));

    private static Fault? VerifyAgf(ReadOnlySpan<byte> sector, Geometry g, long offset)
    {
        ref readonly Agf agf = ref Agf.At(sector);
        AgNumber ag = AgOf(g, offset);
        uint length = g.AgLength(ag);
        uint slots = (uint)g.AgflSlots;
        return Expect("magic", agf.Magic, Agf.MagicNumber)
            ?? Expect("versionnum", agf.Version, 1)
            ?? Expect("seqno", agf.SequenceNumber, ag.Value)
            ?? ExpectUuid(sector[Agf.UuidOffset..], g)
            ?? Expect("length", agf.Length, length)
            ?? ExpectAtMost("flfirst", agf.FreeListFirst, slots - 1)
            ?? ExpectAtMost("fllast", agf.FreeListLast, slots - 1)
            ?? ExpectAtMost("flcount", agf.FreeListCount, slots)
            ?? ExpectAtMost("freeblks", agf.FreeBlocks, length)
            ?? ExpectAtMost("longest", agf.Longest, agf.FreeBlocks)
            ?? ExpectAtMost("btreeblks", agf.BtreeBlocks, length)
            ?? Root("bnoroot", agf.BnoRoot, agf.BnoLevel, g.Limits.Alloc, g, ag)
            ?? Root("cntroot", agf.CntRoot, agf.CntLevel, g.Limits.Alloc, g, ag)
            ?? (g.HasRmapbt ? Root("rmaproot", agf.RmapRoot, agf.RmapLevel, g.Limits.Rmap, g, ag) ?? ExpectAtMost("rmapblocks", agf.RmapBlocks, length) : null)
            ?? (g.HasReflink ? Root("refcntroot", agf.RefcountRoot, agf.RefcountLevel, g.Limits.Refcount, g, ag) ?? ExpectAtMost("refcntblocks", agf.RefcountBlocks, length) : null);
    }

    private static Fault? Root(string field, uint root, uint level, int maxLevels, Geometry g, AgNumber ag)
    {
        if (!g.IsValid(ag, new AgBlock(root))) return new Fault(field, $"block {root} is outside group {ag} or in its headers");
        return level >= 1 && level <= maxLevels ? null : (Fault?)new Fault(field, $"{level} levels, 1..{maxLevels} possible");
    }

    private static Fault? VerifyAgi(ReadOnlySpan<byte> sector, Geometry g, long offset)
    {
        ref readonly Agi agi = ref Agi.At(sector);
        AgNumber ag = AgOf(g, offset);
        Fault? fault = Expect("magic", agi.Magic, Agi.MagicNumber)
            ?? Expect("versionnum", agi.Version, 1)
            ?? Expect("seqno", agi.SequenceNumber, ag.Value)
            ?? ExpectUuid(sector[Agi.UuidOffset..], g)
            ?? Expect("length", agi.Length, g.AgLength(ag))
            ?? ExpectAtMost("freecount", agi.FreeCount, agi.Count)
            ?? Root("root", agi.Root, agi.Level, g.Limits.Inobt, g, ag)
            ?? (g.HasFinobt ? Root("free_root", agi.FreeRoot, agi.FreeLevel, g.Limits.Inobt, g, ag) : null);
        for (int bucket = 0; fault is null && bucket < Agi.BucketCount; bucket++)
        {
            AgInode inode = new(agi.Unlinked[bucket]);
            if (inode.IsNull) continue;
            if (!g.IsValid(ag, inode) || inode.Value % Agi.BucketCount != (uint)bucket)
                fault = new Fault($"unlinked[{bucket}]", $"inode {inode} cannot be in this bucket of group {ag}");
        }
        return fault;
    }

    private static Fault? VerifyAgfl(ReadOnlySpan<byte> sector, Geometry g, long offset)
    {
        ref readonly AgflHeader agfl = ref AgflHeader.At(sector);
        AgNumber ag = AgOf(g, offset);
        Fault? fault = Expect("magic", agfl.Magic, AgflHeader.MagicNumber)
            ?? Expect("seqno", agfl.SequenceNumber, ag.Value)
            ?? ExpectUuid(sector[AgflHeader.UuidOffset..], g);
        if (fault is not null) return fault;
        uint length = g.AgLength(ag);
        int index = 0;
        foreach (uint slot in AgflHeader.Slots(sector)[..g.AgflSlots])
        {
            if (slot != uint.MaxValue && slot >= length) return new Fault($"bno[{index}]", $"block {slot} is outside group {ag}");
            index++;
        }
        return null;
    }

    private static Fault? VerifyShortBtree(BlockKind kind, ReadOnlySpan<byte> block, Geometry g, long offset)
    {
        ref readonly ShortBtreeHeader header = ref ShortBtreeHeader.At(block);
        AgNumber ag = AgOf(g, offset);
        (int record, int key, int maxLevels) = kind switch
        {
            BlockKind.Bnobt or BlockKind.Cntbt => (FreeSpaceRecord.Size, FreeSpaceRecord.Size, g.Limits.Alloc),
            BlockKind.Inobt or BlockKind.Finobt => (InodeChunkRecord.Size, 4, g.Limits.Inobt),
            BlockKind.Rmapbt => (RmapRecord.Size, 2 * RmapRecord.KeySize, g.Limits.Rmap),
            _ => (RefcountRecord.Size, RefcountRecord.KeySize, g.Limits.Refcount),
        };
        int capacity = header.Level == 0 ? g.LeafCapacity(ShortBtreeHeader.Size, record) : g.NodeCapacity(ShortBtreeHeader.Size, key, 4);
        return Expect("magic", header.Magic, kind.Magic())
            ?? Expect("blkno", header.BlockNumber, g.DiskAddress(offset))
            ?? ExpectUuid(block[ShortBtreeHeader.UuidOffset..], g)
            ?? Expect("owner", header.Owner, ag.Value)
            ?? ExpectAtMost("level", header.Level, (ulong)maxLevels - 1)
            ?? ExpectAtMost("numrecs", header.RecordCount, (ulong)capacity)
            ?? (header.Level > 0 && header.RecordCount == 0 ? (Fault?)new Fault("numrecs", "a node without children") : null)
            ?? Sibling("leftsib", header.LeftSibling, g, ag, offset)
            ?? Sibling("rightsib", header.RightSibling, g, ag, offset);
    }

    private static Fault? Sibling(string field, uint sibling, Geometry g, AgNumber ag, long offset)
    {
        if (sibling == uint.MaxValue) return null;
        AgBlock block = new(sibling);
        return g.IsValid(ag, block) && g.ByteOffset(ag, block) != offset ? null : (Fault?)new Fault(field, $"block {sibling} cannot be a sibling in group {ag}");
    }

    private static Fault? VerifyBmbt(ReadOnlySpan<byte> block, Geometry g, long offset)
    {
        ref readonly LongBtreeHeader header = ref LongBtreeHeader.At(block);
        int capacity = (block.Length - LongBtreeHeader.Size) / PackedExtent.Size;
        return Expect("magic", header.Magic, BtreeMagic.Bmbt)
            ?? Expect("blkno", header.BlockNumber, g.DiskAddress(offset))
            ?? ExpectUuid(block[LongBtreeHeader.UuidOffset..], g)
            ?? ExpectAtMost("level", header.Level, (ulong)g.Limits.Bmap - 1)
            ?? ExpectAtMost("numrecs", header.RecordCount, (ulong)capacity)
            ?? (header.RecordCount == 0 ? (Fault?)new Fault("numrecs", "an empty block") : null)
            ?? (g.IsValid(new InodeNumber(header.Owner)) ? null : (Fault?)new Fault("owner", $"inode {header.Owner.Value} cannot exist"))
            ?? LongSibling("leftsib", header.LeftSibling, g, offset)
            ?? LongSibling("rightsib", header.RightSibling, g, offset);
    }

    private static Fault? LongSibling(string field, ulong sibling, Geometry g, long offset)
    {
        if (sibling == ulong.MaxValue) return null;
        FsBlock block = new(sibling);
        return g.IsValid(block) && g.ByteOffset(block) != offset ? null : (Fault?)new Fault(field, $"block {sibling} cannot be a sibling");
    }

    private static Fault? VerifyRemote(BlockKind kind, ReadOnlySpan<byte> block, Geometry g, long offset)
    {
        ref readonly RemoteHeader header = ref RemoteHeader.At(block);
        bool symlink = kind == BlockKind.Symlink;
        return Expect("magic", header.Magic, symlink ? DirectoryMagic.Symlink : DirectoryMagic.AttrRemote)
            ?? Expect("blkno", header.BlockNumber, g.DiskAddress(offset))
            ?? ExpectUuid(block[RemoteHeader.UuidOffset..], g)
            ?? ExpectAtMost("bytes", header.Bytes, (ulong)(block.Length - RemoteHeader.Size))
            ?? (symlink ? ExpectAtMost("offset", (ulong)header.Offset.Value + header.Bytes.Value, RemoteHeader.MaxSymlink) : null)
            ?? (g.IsValid(new InodeNumber(header.Owner)) ? null : (Fault?)new Fault("owner", $"inode {header.Owner.Value} cannot exist"))
            ?? (symlink ? null : Expect("lsn", header.Lsn, ulong.MaxValue));
    }
}
