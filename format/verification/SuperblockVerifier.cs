using System.Numerics;

namespace ImageFs.Format;

/// <summary>Decides whether a sector is a superblock we can work with, and what may be done with its file system.</summary>
public static class SuperblockVerifier
{
    /// <summary>What may be done, and why not more.</summary>
    /// <param name="Level">Refused, read or write.</param>
    /// <param name="Reason">A sentence naming the feature; empty for write.</param>
    public readonly record struct Verdict(Support Level, string Reason);

    /// <summary>Checks that the numbers of a superblock fit one another; after this no derived value can overflow or divide by zero.</summary>
    public static Fault? VerifyLayout(ReadOnlySpan<byte> sector)
    {
        if (sector.Length < Superblock.Size) return new Fault("superblock", $"only {sector.Length} bytes");
        ref readonly Superblock sb = ref Superblock.At(sector);
        if (sb.Magic != Superblock.MagicNumber) return new Fault("magicnum", $"found 0x{sb.Magic.Value:x8}, expected 0x{Superblock.MagicNumber:x8} (XFSB)");
        if (sb.Version is not (4 or 5)) return new Fault("versionnum", $"version {sb.Version}, expected 5");
        uint smallest = sb.Version == 4 ? 512u : Superblock.MinBlockSize;
        if (!PowerOfTwo(sb.BlockSize, smallest, Superblock.MaxBlockSize) || sb.BlockLog != BitOperations.Log2(sb.BlockSize))
            return new Fault("blocksize", $"found {sb.BlockSize} with log {sb.BlockLog}, expected a power of two in {smallest}..65536");
        if (!PowerOfTwo(sb.SectorSize, 512, 32768) || sb.SectorLog != BitOperations.Log2(sb.SectorSize) || sb.SectorSize > sb.BlockSize)
            return new Fault("sectsize", $"found {sb.SectorSize} with log {sb.SectorLog}, expected a power of two in 512..32768, at most a block");
        if (!PowerOfTwo(sb.InodeSize, 256, 2048) || sb.InodeLog != BitOperations.Log2(sb.InodeSize) || sb.InodeSize > sb.BlockSize / 2)
            return new Fault("inodesize", $"found {sb.InodeSize} with log {sb.InodeLog}, expected a power of two in 256..2048, at most half a block");
        if (sb.InodesPerBlock != sb.BlockSize / sb.InodeSize || sb.InodesPerBlockLog != sb.BlockLog - sb.InodeLog)
            return new Fault("inopblock", $"found {sb.InodesPerBlock} with log {sb.InodesPerBlockLog}, expected {sb.BlockSize / sb.InodeSize}");
        ulong agBytes = (ulong)sb.AgBlocks.Value << sb.BlockLog;
        if (agBytes < 16UL << 20 && sb.AgCount > 1 || agBytes > 1UL << 40 || sb.AgBlocks < 64)
            return new Fault("agblocks", $"found {sb.AgBlocks} blocks of {sb.BlockSize} bytes, expected 16 MiB..1 TiB");
        if (sb.AgBlockLog != Geometry.CeilLog2(sb.AgBlocks)) return new Fault("agblklog", $"found {sb.AgBlockLog}, expected {Geometry.CeilLog2(sb.AgBlocks)}");
        ulong most = (ulong)sb.AgBlocks.Value * sb.AgCount;
        if (sb.AgCount == 0 || sb.DataBlocks > most || sb.DataBlocks < most - sb.AgBlocks + 64)
            return new Fault("dblocks", $"found {sb.DataBlocks}, {sb.AgCount} groups of {sb.AgBlocks} blocks hold {most}");
        if (sb.DataBlocks > (ulong)(long.MaxValue >> sb.BlockLog)) return new Fault("dblocks", $"found {sb.DataBlocks}, more than a file can hold");
        if (sb.DirectoryBlockLog + sb.BlockLog > 16) return new Fault("dirblklog", $"found {sb.DirectoryBlockLog}, directory blocks end at 64 KiB");
        if (sb.InodeMaxPercent > 100) return new Fault("imax_pct", $"found {sb.InodeMaxPercent}, expected 0..100");
        if (sb.Uuid.IsNull) return new Fault("uuid", "is all zero");
        if (sb.Version == 5 && sb.Has(IncompatFeatures.SparseInodes))
        {
            // A part of a chunk is an inode cluster, which from 32 KiB blocks on is less than a block: then the alignment is 0.
            uint cluster = 8192u * (sb.InodeSize / 256u) / sb.BlockSize;
            if (sb.InodeAlignment < cluster) cluster = 8192 / sb.BlockSize;
            if (sb.SparseInodeAlignment != cluster) return new Fault("spino_align", $"found {sb.SparseInodeAlignment}, an inode cluster has {cluster} blocks");
        }
        if ((sb.StripeUnit != 0) != ((sb.VersionBits & VersionBits.StripeAlignment) != 0) || (sb.StripeUnit == 0) != (sb.StripeWidth == 0)
            || (sb.StripeUnit != 0 && sb.StripeWidth % sb.StripeUnit != 0))
            return new Fault("unit", $"stripe unit {sb.StripeUnit}, width {sb.StripeWidth}");
        if (sb.LogStart != 0)
        {
            ulong ag = sb.LogStart >> sb.AgBlockLog, block = sb.LogStart & ((1UL << sb.AgBlockLog) - 1);
            ulong length = ag == sb.AgCount - 1 ? sb.DataBlocks - ag * sb.AgBlocks : sb.AgBlocks;
            if (ag >= sb.AgCount || sb.LogBlocks == 0 || block + sb.LogBlocks > length)
                return new Fault("logstart", $"log of {sb.LogBlocks} blocks at {sb.LogStart} is outside its group");
            if (sb.LogBlocks > 1 << 20 && (ulong)sb.LogBlocks << sb.BlockLog > 1UL << 31) return new Fault("logblocks", $"found {sb.LogBlocks}, too many");
        }
        uint logUnit = sb.LogStripeUnit;
        if (logUnit > 1 && (logUnit % sb.BlockSize != 0 || logUnit > 256 * 1024)) return new Fault("logsunit", $"found {logUnit}");
        return null;
    }

    /// <summary>Holds the feature words against the feature table.</summary>
    public static Verdict Judge(in Superblock sb)
    {
        if (sb.Version == 4) return JudgeVersion4(sb);
        if (sb.Version != 5) return new(Support.Refused, $"XFS version {sb.Version}; only versions 4 and 5 are known");
        if ((sb.VersionBits & FeatureTable.RequiredVersionBits) != FeatureTable.RequiredVersionBits
            || ((Features2)sb.Features2.Value & FeatureTable.RequiredFeatures2) != FeatureTable.RequiredFeatures2)
            return new(Support.Refused, $"version bits 0x{sb.VersionNumber.Value:x} and features2 0x{sb.Features2.Value:x} miss what version 5 requires");
        if (sb.InProgress != 0) return new(Support.Refused, "mkfs did not finish (inprogress is set)");
        if (sb.LogStart == 0) return new(Support.Refused, "external log");

        Verdict verdict = new(Support.Write, "");
        void Weigh(string word, uint bits, Support unknown)
        {
            foreach (Feature feature in FeatureTable.All)
            {
                if (feature.Word != word || (bits & feature.Bit) == 0) continue;
                bits &= ~feature.Bit;
                if (feature.Support < verdict.Level) verdict = new(feature.Support, $"feature {feature.Name}: {feature.Why}");
            }
            if (bits != 0 && unknown < verdict.Level) verdict = new(unknown, $"unknown {word} feature bits 0x{bits:x}");
        }
        const uint oldKnown = (uint)(FeatureTable.RequiredVersionBits | VersionBits.Attributes | VersionBits.StripeAlignment | VersionBits.SectorSize);
        Weigh("versionnum", (uint)sb.VersionBits & ~oldKnown, Support.Refused);
        Weigh("features2", sb.Features2 & ~(uint)(FeatureTable.RequiredFeatures2 | Features2.FileType), Support.Refused);
        Weigh("ro_compat", sb.FeaturesRoCompat, Support.Read);
        Weigh("incompat", sb.FeaturesIncompat, Support.Refused);
        Weigh("log_incompat", sb.FeaturesLogIncompat, Support.Read);
        if (sb.RealtimeBlocks != 0 && verdict.Level > Support.Read) verdict = new(Support.Read, "the file system has a realtime device");
        if ((sb.Flags & 1) != 0 && verdict.Level > Support.Read) verdict = new(Support.Read, "the superblock says read-only");
        return verdict;
    }

    /// <summary>Version 4 can be read where its directories and its log are those that version 5 has.</summary>
    private static Verdict JudgeVersion4(in Superblock sb)
    {
        const Features2 known = Features2.LazyCounters | Features2.Attributes2 | Features2.ProjectId32 | Features2.FileType;
        if ((sb.VersionBits & VersionBits.DirectoryV2) == 0) return new(Support.Refused, "XFS version 4 with directories of version 1");
        if ((sb.VersionBits & VersionBits.Shared) != 0) return new(Support.Refused, "feature shared: read-only file systems that several computers had mounted");
        uint more = (sb.VersionBits & VersionBits.MoreBits) != 0 ? sb.Features2 & ~(uint)known : 0;
        if (more != 0) return new(Support.Refused, $"XFS version 4 with unknown features2 bits 0x{more:x}");
        if (sb.InProgress != 0) return new(Support.Refused, "mkfs did not finish (inprogress is set)");
        return sb.LogStart == 0 ? new(Support.Refused, "external log") : new(Support.Read, "XFS version 4 (no checksums) is only read");
    }

    private static bool PowerOfTwo(uint value, uint least, uint most) => BitOperations.IsPow2(value) && value >= least && value <= most;
}
