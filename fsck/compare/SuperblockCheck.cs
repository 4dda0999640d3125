using ImageFs.Format;

namespace ImageFs.Fsck;

/// <summary>Checks the superblock's own fields, its copies, and the counters once everything was counted.</summary>
internal sealed class SuperblockCheck(Scan scan, byte[] sector, uint source)
{
    /// <summary>Where the structure of a superblock without the metadata directory ends.</summary>
    private const int End = 264, EndWithoutMetaUuid = 248;
    /// <summary>Features of which an image that has more may only be read.</summary>
    public const RoCompatFeatures KnownRoCompat = RoCompatFeatures.FreeInodeBtree | RoCompatFeatures.ReverseMapBtree | RoCompatFeatures.Reflink | RoCompatFeatures.InodeBtreeCounters;
    private readonly Geometry _g = scan.Geometry;

    private static Where At(uint ag, string? field = null) => new(ag == SuperblockFinder.Derived ? 0 : ag, 0, Field: field);

    public void CheckFields()
    {
        Superblock sb = _g.Superblock;
        CheckResidue(sector, source);
        if (scan.Head.Value != 0 && sb.Lsn > scan.Head.Value)
            scan.Report(FindingCodes.Lsn(Structure.Superblock), At(source, "lsn"), $"{new LogSequenceNumber(sb.Lsn)} lies ahead of the log head {scan.Head}");
        if (sb.Has(IncompatFeatures.NeedsRepair)) scan.Report(FindingCodes.SbNeedsRepair, At(source, "features_incompat"));
        Expect("bad_features2", sb.BadFeatures2, sb.Features2);
        Expect("shared_vn", sb.SharedVersion, 0);
        Expect("flags", sb.Flags, 0);
        if ((sb.QuotaFlags & Superblock.OldQuotaFlags) != 0) scan.Report(FindingCodes.SbField, At(source, "qflags"), $"0x{sb.QuotaFlags.Value:x}", "none of the flags that version 4 alone has");
        ulong extent = (ulong)sb.RealtimeExtentSize.Value << _g.BlockLog;
        if (extent is < 4096 or > 1 << 30) scan.Report(FindingCodes.SbField, At(source, "rextsize"), sb.RealtimeExtentSize, "4 KiB to 1 GiB");
        if (sb.RealtimeBlocks == 0)
        {
            Expect("rextents", sb.RealtimeExtents, 0);
            Expect("rbmblocks", sb.RealtimeBitmapBlocks, 0);
            Expect("rextslog", sb.RealtimeExtentsLog, 0);
            Expect("frextents", sb.FreeRealtimeExtents, 0);
        }
        else
        {
            ulong extents = sb.RealtimeBlocks / Math.Max(1, sb.RealtimeExtentSize);
            Expect("rextents", sb.RealtimeExtents, Math.Max(1, extents));
            Expect("rextslog", sb.RealtimeExtentsLog, (ulong)System.Numerics.BitOperations.Log2(Math.Max(1, extents)));
            Expect("rbmblocks", sb.RealtimeBitmapBlocks, (extents + 8UL * (ulong)_g.BlockSize - 1) / (8UL * (ulong)_g.BlockSize));
        }
        if ((sb.VersionBits & VersionBits.Quota) == 0)
            foreach ((string name, ulong inode) in QuotaInodes(sb))
                if (inode is not (0 or ulong.MaxValue)) scan.Report(FindingCodes.SbField, At(source, name), inode, "none, without quota");
        if (sb.FeaturesCompat != 0) scan.Report(FindingCodes.SbUnknown, At(source, "features_compat"), $"compat 0x{sb.FeaturesCompat.Value:x}");
        if ((sb.RoCompat & ~KnownRoCompat) != 0) scan.Report(FindingCodes.SbUnknown, At(source, "features_ro_compat"), $"ro_compat 0x{(uint)(sb.RoCompat & ~KnownRoCompat):x}");
        if ((sb.FeaturesLogIncompat & ~(uint)LogIncompatFeatures.LoggedAttributes) is uint log and not 0) scan.Report(FindingCodes.SbUnknown, At(source, "features_log_incompat"), $"log_incompat 0x{log:x}");
        // Blocks larger than a cluster or a chunk need no alignment at all.
        uint cluster = (uint)(8192 * (_g.InodeSize / 256) / _g.BlockSize), chunk = (uint)(InodeChunkRecord.InodesPerChunk * _g.InodeSize / _g.BlockSize);
        if (_g.HasSparseInodes)
        {
            Expect("spino_align", sb.SparseInodeAlignment, cluster);
            Expect("inoalignmt", sb.InodeAlignment, chunk);
        }
        else
        {
            Expect("spino_align", sb.SparseInodeAlignment, 0);
            if (sb.InodeAlignment != cluster && sb.InodeAlignment != 8192u / (uint)_g.BlockSize)
                scan.Report(FindingCodes.SbField, At(source, "inoalignmt"), sb.InodeAlignment, cluster);
        }
        if ((sb.VersionBits & VersionBits.SectorSize) != 0)
        {
            Expect("logsectlog", sb.LogSectorLog, (ulong)System.Numerics.BitOperations.Log2(Math.Max((ushort)1, sb.LogSectorSize.Value)));
            if (sb.LogSectorSize.Value is < 512 or > 32768) scan.Report(FindingCodes.SbField, At(source, "logsectsize"), sb.LogSectorSize, "512 to 32768");
        }
        else if (sb.LogSectorLog != 0 || sb.LogSectorSize != 0) scan.Report(FindingCodes.SbField, At(source, "logsectsize"), sb.LogSectorSize, "0, without the SECTOR bit");
        else if (_g.SectorSize != 512) scan.Report(FindingCodes.SbField, At(source, "versionnum"), "no SECTOR bit", $"one, with sectors of {_g.SectorSize} bytes");
        if (sb.RealtimeBitmapInode != sb.RootInode + 1) scan.Report(FindingCodes.SbField, At(source, "rbmino"), sb.RealtimeBitmapInode, sb.RootInode + 1);
        if (sb.RealtimeSummaryInode != sb.RootInode + 2) scan.Report(FindingCodes.SbField, At(source, "rsumino"), sb.RealtimeSummaryInode, sb.RootInode + 2);
    }

    private static (string Name, ulong Inode)[] QuotaInodes(in Superblock sb) =>
        [("uquotino", sb.UserQuotaInode), ("gquotino", sb.GroupQuotaInode), ("pquotino", sb.ProjectQuotaInode)];

    private void Expect(string field, ulong found, ulong expected)
    {
        if (found != expected) scan.Report(FindingCodes.SbField, At(source, field), found, expected);
    }

    /// <summary>Holds the copy in a group against the superblock in use.</summary>
    public void CheckCopy(AgNumber ag, ReadOnlySpan<byte> copy)
    {
        // The primary was judged when it was found.
        if (ag.Value == 0 || ag.Value == source) return;
        uint magic = Superblock.At(copy).Magic;
        if (magic != Superblock.MagicNumber)
        {
            scan.Report(FindingCodes.Identity(Structure.Superblock), At(ag.Value, "magicnum"), $"magic 0x{magic:x8}, expected 0x{Superblock.MagicNumber:x8} (XFSB)");
            return;
        }
        if (!Crc32c.IsValid(copy, Superblock.CrcOffset))
            scan.Report(FindingCodes.Crc(Structure.Superblock), At(ag.Value, "crc"),
                $"found 0x{Superblock.At(copy).Crc.Value:x8}, the sector's checksum is 0x{Crc32c.Compute(copy, Superblock.CrcOffset):x8}");
        else if (SuperblockVerifier.VerifyLayout(copy) is Fault fault)
            scan.Report(FindingCodes.Form(Structure.Superblock), At(ag.Value, fault.Field), fault.Problem);
        foreach ((string name, string found, string expected) in SuperblockFields.Differences(copy.ToArray(), sector))
            scan.Report(FindingCodes.SbCopyDiffers, At(ag.Value, name), found, expected);
        // What copies carry of these is old or nothing at all, but never something else.
        Superblock sb = Superblock.At(copy), primary = _g.Superblock;
        if (primary.RealtimeBlocks == 0 && sb.FreeRealtimeExtents != 0) scan.Report(FindingCodes.SbCopyDiffers, At(ag.Value, "frextents"), sb.FreeRealtimeExtents, 0);
        (string Name, ulong Inode)[] own = QuotaInodes(sb), theirs = QuotaInodes(primary);
        for (int i = 0; i < own.Length; i++)
            if (own[i].Inode is not (0 or ulong.MaxValue) && own[i].Inode != theirs[i].Inode)
                scan.Report(FindingCodes.SbCopyDiffers, At(ag.Value, own[i].Name), own[i].Inode, theirs[i].Inode);
        if (sb.Flags != 0) scan.Report(FindingCodes.SbCopyDiffers, At(ag.Value, "flags"), sb.Flags, 0);
        if (sb.QuotaFlags != 0 && sb.QuotaFlags != primary.QuotaFlags) scan.Report(FindingCodes.SbCopyDiffers, At(ag.Value, "qflags"), sb.QuotaFlags, primary.QuotaFlags);
        CheckResidue(copy, ag.Value);
    }

    private void CheckResidue(ReadOnlySpan<byte> bytes, uint ag)
    {
        int end = _g.Superblock.Has(IncompatFeatures.MetaUuid) ? End : EndWithoutMetaUuid;
        if (bytes[end..].ContainsAnyExcept((byte)0)) scan.Report(FindingCodes.SbResidue, At(ag));
    }

    /// <summary>Compares the counters with what was counted.</summary>
    public void CheckCounters(ChunkScan chunks, GroupCompare groups, InodeScan inodes)
    {
        Superblock sb = _g.Superblock;
        if (inodes.HasAttributes && (sb.VersionBits & VersionBits.Attributes) == 0) scan.Report(FindingCodes.SbAttrBit, At(source, "versionnum"));
        // A copy never knows the counters.
        if (source != 0) return;
        if (chunks.IsCounted && sb.InodeCount != chunks.Inodes) scan.Report(FindingCodes.SbIcount, At(0, "icount"), sb.InodeCount, chunks.Inodes);
        if (chunks.IsCounted && sb.FreeInodes != chunks.FreeInodes) scan.Report(FindingCodes.SbIfree, At(0, "ifree"), sb.FreeInodes, chunks.FreeInodes);
        if (groups.IsCounted && sb.FreeDataBlocks != groups.FreeBlocks) scan.Report(FindingCodes.SbFdblocks, At(0, "fdblocks"), sb.FreeDataBlocks, groups.FreeBlocks);
    }
}
