using System.Text;
using ImageFs.Format;

namespace ImageFs.Mkfs;

/// <summary>Makes the superblock and its copies.</summary>
/// <remarks>
/// The copies are written before the root directory exists and say so: still in progress, no inodes, the space of the root
/// chunk free. Two of them, in the middle and at the end, nevertheless name the root inode, so that it can be found when the
/// primary is lost. Checkers know all this and expect it.
/// </remarks>
internal sealed class SuperblockBuilder(MkfsPlan plan, Uuid uuid)
{
    /// <summary>The number of the root inode; the two realtime inodes, which exist without a realtime device too, follow it.</summary>
    public ulong RootInode => (ulong)plan.RootChunkBlock * (uint)plan.InodesPerBlock;

    /// <summary>Fills a sector of zeros with the superblock of group 0.</summary>
    public void WritePrimary(Span<byte> sector)
    {
        ref Superblock sb = ref WriteCommon(sector);
        uint inodes = (uint)Math.Max(64, plan.InodesPerBlock);
        sb.RootInode = RootInode;
        sb.RealtimeBitmapInode = RootInode + 1;
        sb.RealtimeSummaryInode = RootInode + 2;
        sb.InodeCount = inodes;
        sb.FreeInodes = inodes - 3;
        sb.FreeDataBlocks = sb.FreeDataBlocks - inodes / (uint)plan.InodesPerBlock;
        sb.InProgress = 0;
        Crc32c.Stamp(sector, Superblock.CrcOffset);
    }

    /// <summary>Fills a sector of zeros with the copy for another group.</summary>
    public void WriteCopy(Span<byte> sector, uint ag)
    {
        ref Superblock sb = ref WriteCommon(sector);
        bool last = ag == plan.AgCount - 1, middle = plan.AgCount > 2 && ag == (plan.AgCount - 1) / 2;
        if (last || middle) sb.RootInode = RootInode;
        Crc32c.Stamp(sector, Superblock.CrcOffset);
    }

    private ref Superblock WriteCommon(Span<byte> sector)
    {
        ref Superblock sb = ref Superblock.At(sector);
        bool largeSectors = plan.SectorSize > 512;
        sb.Magic = Superblock.MagicNumber;
        sb.BlockSize = (uint)plan.BlockSize;
        sb.DataBlocks = (ulong)plan.DataBlocks;
        sb.Uuid = uuid;
        sb.LogStart = plan.LogStart;
        sb.RootInode = sb.RealtimeBitmapInode = sb.RealtimeSummaryInode = InodeNumber.Null.Value;
        sb.RealtimeExtentSize = plan.RealtimeExtentBlocks;
        sb.AgBlocks = plan.AgBlocks;
        sb.AgCount = plan.AgCount;
        sb.LogBlocks = (uint)plan.LogBlocks;
        VersionBits version = VersionBits.LinkCounts32 | VersionBits.InodeAlignment | VersionBits.LogV2
            | VersionBits.UnwrittenExtents | VersionBits.DirectoryV2 | VersionBits.MoreBits
            | (plan.StripeUnit != 0 ? VersionBits.StripeAlignment : 0) | (largeSectors ? VersionBits.SectorSize : 0);
        sb.VersionNumber = (ushort)((ushort)version | 5);
        sb.SectorSize = (ushort)plan.SectorSize;
        sb.InodeSize = (ushort)plan.InodeSize;
        sb.InodesPerBlock = (ushort)plan.InodesPerBlock;
        Encoding.UTF8.GetBytes(plan.Label, sb.Label);
        sb.BlockLog = (byte)plan.BlockLog;
        sb.SectorLog = (byte)int.Log2(plan.SectorSize);
        sb.InodeLog = (byte)int.Log2(plan.InodeSize);
        sb.InodesPerBlockLog = (byte)int.Log2(plan.InodesPerBlock);
        sb.AgBlockLog = (byte)plan.AgBlockLog;
        sb.InProgress = 1;
        sb.InodeMaxPercent = (byte)plan.MaxInodePercent;
        sb.FreeDataBlocks = (ulong)(plan.DataBlocks - plan.AgCount * (long)plan.FirstFreeBlock - plan.LogBlocks);
        sb.InodeAlignment = plan.InodeAlignment;
        sb.StripeUnit = plan.StripeUnit;
        sb.StripeWidth = plan.StripeWidth;
        sb.DirectoryBlockLog = (byte)(int.Log2(plan.DirectoryBlockSize) - plan.BlockLog);
        if (largeSectors)
        {
            sb.LogSectorLog = sb.SectorLog;
            sb.LogSectorSize = sb.SectorSize;
        }
        // In bytes, and 1 for none.
        sb.LogStripeUnit = plan.LogStripeUnit == 0 ? 1 : plan.LogStripeUnit * (uint)plan.BlockSize;
        sb.Features2 = sb.BadFeatures2 = (uint)(Format.Features2.LazyCounters | Format.Features2.Attributes2
            | Format.Features2.ProjectId32 | Format.Features2.Crc);
        sb.FeaturesRoCompat = (uint)RoCompat;
        sb.FeaturesIncompat = (uint)Incompat;
        sb.SparseInodeAlignment = plan.SparseInodeAlignment;
        return ref sb;
    }

    private RoCompatFeatures RoCompat =>
        (plan.FreeInodeBtree ? RoCompatFeatures.FreeInodeBtree : 0) | (plan.ReverseMapBtree ? RoCompatFeatures.ReverseMapBtree : 0)
        | (plan.Reflink ? RoCompatFeatures.Reflink : 0) | (plan.InodeBtreeCounters ? RoCompatFeatures.InodeBtreeCounters : 0);

    private IncompatFeatures Incompat =>
        IncompatFeatures.FileType | (plan.SparseInodes ? IncompatFeatures.SparseInodes : 0)
        | (plan.BigTime ? IncompatFeatures.BigTime : 0) | (plan.LargeExtentCounters ? IncompatFeatures.LargeExtentCounters : 0)
        | (plan.ExchangeRange ? IncompatFeatures.ExchangeRange : 0) | (plan.ParentPointers ? IncompatFeatures.ParentPointers : 0);
}
