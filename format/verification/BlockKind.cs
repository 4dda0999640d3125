namespace ImageFs.Format;

/// <summary>What a metadata block is expected to be; chooses its verifier, its checksum field and its log buffer type.</summary>
public enum BlockKind : byte
{
    Superblock, Agf, Agi, Agfl,
    Bnobt, Cntbt, Inobt, Finobt, Rmapbt, Refcountbt, Bmbt,
    /// <summary>A cluster of inodes (sb_inoalignmt decides how many blocks).</summary>
    InodeCluster,
    /// <summary>A directory data block, in block form (XDB3) or beside leaves (XDD3).</summary>
    DirectoryData,
    DirectoryFree,
    /// <summary>A directory leaf, an attribute leaf or a node of either: the magic tells.</summary>
    DaBlock,
    AttrRemote,
    Symlink,
}

/// <summary>One contradiction found in a block.</summary>
/// <param name="Field">The field's name.</param>
/// <param name="Problem">Found and expected, in words.</param>
/// <param name="IsChecksum">The checksum is wrong: nothing else in the block means anything.</param>
public readonly record struct Fault(string Field, string Problem, bool IsChecksum = false)
{
    public override string ToString() => $"{Field}: {Problem}";
}

/// <summary>Facts about kinds of blocks.</summary>
public static class BlockKinds
{
    /// <summary>The name xfs_db users know.</summary>
    public static string Name(this BlockKind kind) => kind switch
    {
        BlockKind.Superblock => "superblock", BlockKind.Agf => "AGF", BlockKind.Agi => "AGI", BlockKind.Agfl => "AGFL",
        BlockKind.Bnobt => "bnobt", BlockKind.Cntbt => "cntbt", BlockKind.Inobt => "inobt", BlockKind.Finobt => "finobt",
        BlockKind.Rmapbt => "rmapbt", BlockKind.Refcountbt => "refcountbt", BlockKind.Bmbt => "bmbt",
        BlockKind.InodeCluster => "inode cluster", BlockKind.DirectoryData => "directory block", BlockKind.DirectoryFree => "directory free index",
        BlockKind.DaBlock => "directory or attribute leaf", BlockKind.AttrRemote => "remote attribute value", BlockKind.Symlink => "symlink block",
        _ => kind.ToString(),
    };

    /// <summary>The magic number of a btree block.</summary>
    public static uint Magic(this BlockKind kind) => kind switch
    {
        BlockKind.Bnobt => BtreeMagic.Bnobt, BlockKind.Cntbt => BtreeMagic.Cntbt, BlockKind.Inobt => BtreeMagic.Inobt,
        BlockKind.Finobt => BtreeMagic.Finobt, BlockKind.Rmapbt => BtreeMagic.Rmapbt, BlockKind.Refcountbt => BtreeMagic.Refcountbt,
        BlockKind.Bmbt => BtreeMagic.Bmbt, _ => 0,
    };

    public static bool IsBtree(this BlockKind kind) => kind is >= BlockKind.Bnobt and <= BlockKind.Bmbt;

    /// <summary>Where the block's checksum stands; -1 for inode clusters, whose inodes carry their own.</summary>
    public static int CrcOffset(this BlockKind kind) => kind switch
    {
        BlockKind.Superblock => Superblock.CrcOffset, BlockKind.Agf => Agf.CrcOffset, BlockKind.Agi => Agi.CrcOffset,
        BlockKind.Agfl => AgflHeader.CrcOffset, BlockKind.Bmbt => LongBtreeHeader.CrcOffset,
        >= BlockKind.Bnobt and <= BlockKind.Refcountbt => ShortBtreeHeader.CrcOffset,
        BlockKind.DirectoryData => DirectoryDataHeader.CrcOffset, BlockKind.DirectoryFree => DirectoryFreeHeader.CrcOffset,
        BlockKind.DaBlock => DaBlockHeader.CrcOffset, BlockKind.AttrRemote or BlockKind.Symlink => RemoteHeader.CrcOffset,
        _ => -1,
    };

    /// <summary>Where the block's LSN stands; -1 for inode clusters.</summary>
    public static int LsnOffset(this BlockKind kind) => kind switch
    {
        BlockKind.Superblock => Superblock.LsnOffset, BlockKind.Agf => Agf.LsnOffset, BlockKind.Agi => Agi.LsnOffset,
        BlockKind.Agfl => AgflHeader.LsnOffset, BlockKind.Bmbt => LongBtreeHeader.LsnOffset,
        >= BlockKind.Bnobt and <= BlockKind.Refcountbt => ShortBtreeHeader.LsnOffset,
        BlockKind.DirectoryData => DirectoryDataHeader.LsnOffset, BlockKind.DirectoryFree => DirectoryFreeHeader.LsnOffset,
        BlockKind.DaBlock => DaBlockHeader.LsnOffset, BlockKind.AttrRemote or BlockKind.Symlink => RemoteHeader.LsnOffset,
        _ => -1,
    };

    /// <summary>The type a logged buffer of this kind and content announces to recovery.</summary>
    public static LogBufferType LogType(this BlockKind kind, ReadOnlySpan<byte> block) => kind switch
    {
        BlockKind.Superblock => LogBufferType.Superblock,
        BlockKind.Agf => LogBufferType.Agf,
        BlockKind.Agi => LogBufferType.Agi,
        BlockKind.Agfl => LogBufferType.Agfl,
        >= BlockKind.Bnobt and <= BlockKind.Bmbt => LogBufferType.Btree,
        BlockKind.InodeCluster => LogBufferType.Inode,
        BlockKind.DirectoryData => DirectoryDataHeader.At(block).Magic == DirectoryMagic.Block ? LogBufferType.DirectoryBlock : LogBufferType.DirectoryData,
        BlockKind.DirectoryFree => LogBufferType.DirectoryFree,
        BlockKind.DaBlock => DaBlockHeader.At(block).Magic.Value switch
        {
            DirectoryMagic.Leaf1 => LogBufferType.DirectoryLeaf1,
            DirectoryMagic.LeafN => LogBufferType.DirectoryLeafN,
            DirectoryMagic.Node => LogBufferType.DaNode,
            _ => LogBufferType.AttrLeaf,
        },
        BlockKind.AttrRemote => LogBufferType.AttrRemote,
        BlockKind.Symlink => LogBufferType.Symlink,
        _ => LogBufferType.Unknown,
    };

    /// <summary>The kind a logged buffer of a type claims to be, told apart by its magic; null when they do not fit each other.</summary>
    public static BlockKind? FromLog(LogBufferType type, ReadOnlySpan<byte> block)
    {
        if (block.Length < 16) return null;
        uint magic = System.Buffers.Binary.BinaryPrimitives.ReadUInt32BigEndian(block);
        ushort daMagic = System.Buffers.Binary.BinaryPrimitives.ReadUInt16BigEndian(block[8..]);
        return type switch
        {
            LogBufferType.Superblock when magic == Superblock.MagicNumber => BlockKind.Superblock,
            LogBufferType.Agf when magic == Agf.MagicNumber => BlockKind.Agf,
            LogBufferType.Agi when magic == Agi.MagicNumber => BlockKind.Agi,
            LogBufferType.Agfl when magic == AgflHeader.MagicNumber => BlockKind.Agfl,
            LogBufferType.Btree => magic switch
            {
                BtreeMagic.Bnobt => BlockKind.Bnobt, BtreeMagic.Cntbt => BlockKind.Cntbt, BtreeMagic.Inobt => BlockKind.Inobt,
                BtreeMagic.Finobt => BlockKind.Finobt, BtreeMagic.Rmapbt => BlockKind.Rmapbt,
                BtreeMagic.Refcountbt => BlockKind.Refcountbt, BtreeMagic.Bmbt => BlockKind.Bmbt, _ => null,
            },
            LogBufferType.Inode => BlockKind.InodeCluster,
            LogBufferType.DirectoryBlock when magic == DirectoryMagic.Block => BlockKind.DirectoryData,
            LogBufferType.DirectoryData when magic == DirectoryMagic.Data => BlockKind.DirectoryData,
            LogBufferType.DirectoryFree when magic == DirectoryMagic.Free => BlockKind.DirectoryFree,
            LogBufferType.DirectoryLeaf1 when daMagic == DirectoryMagic.Leaf1 => BlockKind.DaBlock,
            LogBufferType.DirectoryLeafN when daMagic == DirectoryMagic.LeafN => BlockKind.DaBlock,
            LogBufferType.DaNode when daMagic == DirectoryMagic.Node => BlockKind.DaBlock,
            LogBufferType.AttrLeaf when daMagic == DirectoryMagic.AttrLeaf => BlockKind.DaBlock,
            LogBufferType.AttrRemote when magic == DirectoryMagic.AttrRemote => BlockKind.AttrRemote,
            LogBufferType.Symlink when magic == DirectoryMagic.Symlink => BlockKind.Symlink,
            _ => null,
        };
    }
}
