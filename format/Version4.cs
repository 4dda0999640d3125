using System.Buffers.Binary;
using System.Runtime.InteropServices;

namespace ImageFs.Format;

/// <summary>
/// Version 4 of the format, as it was before there were checksums: its headers lack what tells where a block belongs. It is
/// read by giving each block, as it comes in, the header that version 5 has; what follows the header is the same.
/// </summary>
/// <remarks>
/// <code>
///            version 4                    in memory, as in version 5
///   bmbt     | 24 | records ... |         | 72                | records ... |
///   da node  | 16 | entries ... |         | 64             | entries ... |
///   attr     | 32 | entries ... names |   | 80                  | entries ... names |     places of names move too
///   inode    | 100 | forks |              | 176                      | forks |
/// </code>
/// Directories are not converted, since their entries are found by their place; see Version4Directory. Nothing is ever
/// written back: images of version 4 are only read.
/// </remarks>
public static class Version4
{
    /// <summary>Bytes that the header of a block with records grows by.</summary>
    public const int HeaderGrowth = 48;

    /// <summary>Bytes of an inode before its forks.</summary>
    public const int InodeCoreSize = 100;

    /// <summary>Bytes of the core in a log item; what follows in the inode is not logged.</summary>
    public const int LoggedCoreSize = 96;

    /// <summary>Where an inode counts how often it was written, which tells the log whether it is newer.</summary>
    public const int FlushIterationOffset = 30;

    /// <summary>Magic numbers of directory blocks and of what directories and attributes share.</summary>
    public const uint DirectoryBlock = 0x58443242, DirectoryData = 0x58443244;
    private const uint Bmbt = 0x424D4150;
    private const ushort Node = 0xFEBE, AttributeLeaf = 0xFBEE;
    // Count and what follows stand behind what blocks of directories and attributes share: 12 bytes, in version 5 56.
    private const int LongHeader = 24, NodeHeader = 16, LeafHeader = 32, InfoSize = 12, CountAt = 56, AgfSize = 64, AgiSize = 296;

    /// <summary>The superblock without what version 4 does not have; the file type flag is where version 5 has it.</summary>
    internal static Superblock WithoutVersion5(in Superblock sb)
    {
        Superblock plain = sb;
        MemoryMarshal.AsBytes(MemoryMarshal.CreateSpan(ref plain, 1))[FeaturesAt..].Clear();
        if (((Features2)sb.Features2.Value & Features2.FileType) != 0) plain.FeaturesIncompat = (uint)IncompatFeatures.FileType;
        return plain;
    }

    private const int FeaturesAt = 208;

    /// <summary>Bytes that a block takes in memory.</summary>
    public static int MemoryLength(BlockKind kind, Geometry geometry, int length) => kind switch
    {
        BlockKind.Bmbt or BlockKind.DaBlock => length + HeaderGrowth,
        BlockKind.InodeCluster => length / geometry.InodeSize * geometry.InodeMemorySize,
        _ => length,
    };

    /// <summary>Gives a block the form it has in version 5, and checks it.</summary>
    /// <param name="disk">As it was read.</param>
    /// <param name="memory">As many bytes as <see cref="MemoryLength"/> says, all zero.</param>
    /// <returns>Null when all is well.</returns>
    public static Fault? Expand(BlockKind kind, ReadOnlySpan<byte> disk, Span<byte> memory, Geometry geometry, long offset)
    {
        switch (kind)
        {
            case BlockKind.Agf:
                disk[..AgfSize].CopyTo(memory);
                Agf.At(memory).Uuid = geometry.MetaUuid;
                break;
            case BlockKind.Agi:
                disk[..AgiSize].CopyTo(memory);
                Agi.At(memory).Uuid = geometry.MetaUuid;
                break;
            case BlockKind.Bmbt:
                if (Magic(disk, Bmbt) is Fault tree) return tree;
                disk[..LongHeader].CopyTo(memory);
                disk[LongHeader..].CopyTo(memory[LongBtreeHeader.Size..]);
                ref LongBtreeHeader header = ref LongBtreeHeader.At(memory);
                header.Magic = BtreeMagic.Bmbt;
                header.BlockNumber = geometry.DiskAddress(offset);
                header.Uuid = geometry.MetaUuid;
                header.Owner = geometry.Superblock.RootInode;
                break;
            case BlockKind.DaBlock:
                if (ExpandDaBlock(disk, memory, geometry, offset) is Fault shared) return shared;
                break;
            case BlockKind.DirectoryData:
                disk.CopyTo(memory);
                return BinaryPrimitives.ReadUInt32BigEndian(disk) is DirectoryBlock or DirectoryData ? null : Magic(disk, DirectoryData);
            case BlockKind.InodeCluster:
                int count = disk.Length / geometry.InodeSize;
                for (int i = 0; i < count; i++)
                    ExpandInode(disk.Slice(i * geometry.InodeSize, geometry.InodeSize), memory.Slice(i * geometry.InodeMemorySize, geometry.InodeMemorySize), geometry, offset + i * geometry.InodeSize);
                break;
            default:
                return new Fault("version", $"a {kind.Name()} of version 4 is not read");
        }
        return BlockVerifier.VerifyStructure(kind, memory, geometry, offset);
    }

    private static Fault? ExpandDaBlock(ReadOnlySpan<byte> disk, Span<byte> memory, Geometry geometry, long offset)
    {
        ushort magic = BinaryPrimitives.ReadUInt16BigEndian(disk[8..]);
        if (magic is not (Node or AttributeLeaf)) return new Fault("magic", $"found 0x{magic:x4}, expected 0x{Node:x4} or 0x{AttributeLeaf:x4}");
        disk[..InfoSize].CopyTo(memory);
        ref DaBlockHeader header = ref DaBlockHeader.At(memory);
        header.BlockNumber = geometry.DiskAddress(offset);
        header.Uuid = geometry.MetaUuid;
        header.Owner = geometry.Superblock.RootInode;
        if (magic == Node)
        {
            header.Magic = DirectoryMagic.Node;
            disk[InfoSize..NodeHeader].CopyTo(memory[CountAt..]);
            disk[NodeHeader..].CopyTo(memory[DaBlockHeader.Size..]);
            return null;
        }
        header.Magic = DirectoryMagic.AttrLeaf;
        disk[InfoSize..LeafHeader].CopyTo(memory[CountAt..]);
        if (disk.Length > ushort.MaxValue) return MoveEntries(disk, memory);
        disk[LeafHeader..].CopyTo(memory[AttributeLeafHeader.Size..]);
        return MoveNames(memory);
    }

    /// <summary>Everything in an attribute leaf that is a place in the block lies farther from its beginning now.</summary>
    private static Fault? MoveNames(Span<byte> memory)
    {
        ref AttributeLeafHeader leaf = ref AttributeLeafHeader.At(memory);
        int entries = leaf.Count, room = (memory.Length - AttributeLeafHeader.Size) / AttributeLeafEntry.Size;
        if (entries > room) return new Fault("count", $"found {entries}, at most {room} possible");
        leaf.FirstUsed = (ushort)Math.Min(ushort.MaxValue, leaf.FirstUsed + HeaderGrowth);
        foreach (ref AttributeLeafHeader.FreeRegion region in MemoryMarshal.CreateSpan(ref leaf.Free0, 3))
            if (region.Length != 0) region.Base = (ushort)Math.Min(ushort.MaxValue, region.Base + HeaderGrowth);
        foreach (ref AttributeLeafEntry entry in MemoryMarshal.Cast<byte, AttributeLeafEntry>(memory[AttributeLeafHeader.Size..])[..entries])
            entry.NameIndex = (ushort)Math.Min(ushort.MaxValue, entry.NameIndex + HeaderGrowth);
        return null;
    }

    /// <summary>
    /// In a block of 64 KiB nothing can lie farther behind than 16 bits can say: names stay where they are, and the entries come
    /// nearer. That there is room for it is true of all but the fullest leaf.
    /// </summary>
    private static Fault? MoveEntries(ReadOnlySpan<byte> disk, Span<byte> memory)
    {
        ref AttributeLeafHeader leaf = ref AttributeLeafHeader.At(memory);
        int names = leaf.FirstUsed == 0 ? disk.Length : leaf.FirstUsed, table = leaf.Count * AttributeLeafEntry.Size;
        if (table > names - LeafHeader) return new Fault("firstused", $"{names} with {leaf.Count} entries");
        if (table > names - AttributeLeafHeader.Size) return new Fault("version", $"an attribute block of 64 KiB of version 4 with {names - LeafHeader - table} bytes between entries and names is not read");
        disk.Slice(LeafHeader, table).CopyTo(memory[AttributeLeafHeader.Size..]);
        disk[names..].CopyTo(memory[names..]);
        // Nobody adds to what is only read.
        leaf.Free0 = leaf.Free1 = leaf.Free2 = default;
        return null;
    }

    private static void ExpandInode(ReadOnlySpan<byte> disk, Span<byte> memory, Geometry geometry, long offset)
    {
        disk[..InodeCoreSize].CopyTo(memory);
        disk[InodeCoreSize..].CopyTo(memory[InodeCore.Size..]);
        ref InodeCore core = ref InodeCore.At(memory);
        // Padding, and how often the inode was written.
        core.BigExtentCount = 0;
        if (core.Version == 1)
        {
            core.LinkCount = core.OldLinkCount.Value;
            core.ProjectLow = core.ProjectHigh = 0;
        }
        core.OldLinkCount = 0;
        // Anything else than 1 or 2 is left for the verifier to complain of.
        if (core.Version is 1 or 2) core.Version = 3;
        else core.Version = (byte)(core.Version == 3 ? 0 : core.Version);
        core.Number = NumberAt(geometry, offset).Value;
        core.Uuid = geometry.MetaUuid;
    }

    private static InodeNumber NumberAt(Geometry geometry, long offset)
    {
        FsBlock block = geometry.FsBlockAt(offset);
        uint inBlock = (uint)(offset & (geometry.BlockSize - 1)) >> geometry.InodeLog;
        return geometry.Join(geometry.AgOf(block), new AgInode(geometry.FirstInode(geometry.BlockInAg(block)).Value + inBlock));
    }

    private static Fault? Magic(ReadOnlySpan<byte> disk, uint expected)
    {
        uint found = BinaryPrimitives.ReadUInt32BigEndian(disk);
        return found == expected ? null : new Fault("magic", $"found 0x{found:x8}, expected 0x{expected:x8}");
    }
}
