using ImageFs.Devices;
using ImageFs.Format;

namespace ImageFs.Fsck;

/// <summary>Makes the primary superblock whole from what is left of it and from its copies, and the copies from it.</summary>
/// <remarks>
/// The copies know where everything is; only the primary knows the inodes, the counters and what mount options changed. So a
/// damaged primary keeps its own bytes and takes from a copy what both must share; a primary of which nothing is left is
/// replaced.
/// </remarks>
internal sealed class SuperblockRepair(RepairView view)
{
    private const int End = 264, EndWithoutMetaUuid = 248;

    /// <summary>Finds a superblock, sets the view's geometry, and writes a whole primary to the view.</summary>
    /// <returns>Null, or why there is nothing to repair.</returns>
    /// <param name="report">The check of the image as it is.</param>
    public string? Restore(FsckReport report, CancellationToken cancellation)
    {
        view.Purpose = Remedy.RestoreSuperblock;
        FindingList unheard = new(0, 0);
        if (SuperblockFinder.Find(view.Device, unheard, view.Budget.Bytes, cancellation, out byte[] sector, out uint source) is string refusal) return refusal;
        byte[] before = view.Read(0, sector.Length);
        byte[] primary = source == 0 ? (byte[])sector.Clone() : Merge(before, sector);
        if (source == 0 && !TryDerived(primary, report, cancellation)) Vote(primary, cancellation);
        Identify(primary);
        Tidy(primary);
        if (SuperblockVerifier.VerifyLayout(primary) is Fault fault) return $"the superblock makes no sense ({fault}) and no copy does better";
        SuperblockVerifier.Verdict verdict = SuperblockVerifier.Judge(Superblock.At((ReadOnlySpan<byte>)primary));
        if (verdict.Level == Support.Refused) return verdict.Reason;
        uint unknown = Superblock.At((ReadOnlySpan<byte>)primary).FeaturesRoCompat & ~(uint)SuperblockCheck.KnownRoCompat;
        if (unknown != 0) return $"unknown ro_compat feature bits 0x{unknown:x}: whoever writes could destroy what they stand for";
        if (!primary.AsSpan().SequenceEqual(before) || !Crc32c.IsValid(before, Superblock.CrcOffset)) WritePrimary(primary);
        view.Geometry = new Geometry(Superblock.At((ReadOnlySpan<byte>)primary));
        return null;
    }

    private void WritePrimary(byte[] sector)
    {
        Crc32c.Stamp(sector, Superblock.CrcOffset);
        view.Device.Write(0, sector);
    }

    /// <summary>No superblock may have an LSN the log has not reached: nobody could mount the view to work on it.</summary>
    public void LimitLsn()
    {
        view.Purpose = Remedy.RestoreSuperblock;
        byte[] sector = view.Read(0, view.Geometry.SectorSize);
        ref Superblock sb = ref Superblock.At(sector.AsSpan());
        if (sb.Lsn <= view.Lsn.Value) return;
        sb.Lsn = view.Lsn.Value;
        WritePrimary(sector);
    }

    /// <summary>What a damaged primary still says, corrected by a copy.</summary>
    private static byte[] Merge(byte[] primary, byte[] copy)
    {
        int different = SuperblockFields.Shared.Count(f => !primary.AsSpan(f.Offset, f.Size).SequenceEqual(copy.AsSpan(f.Offset, f.Size)));
        byte[] merged = (byte[])(different * 4 > SuperblockFields.Shared.Count ? copy : primary).Clone();
        CopyShared(copy, merged);
        ref Superblock sb = ref Superblock.At(merged.AsSpan());
        sb.InProgress = 0;
        return merged;
    }

    private static void CopyShared(byte[] from, byte[] to)
    {
        foreach (SuperblockField field in SuperblockFields.Shared) from.AsSpan(field.Offset, field.Size).CopyTo(to.AsSpan(field.Offset));
        ref readonly Superblock source = ref Superblock.At((ReadOnlySpan<byte>)from);
        ref Superblock sb = ref Superblock.At(to.AsSpan());
        const ushort own = (ushort)(VersionBits.Attributes | VersionBits.StripeAlignment | VersionBits.Quota);
        sb.VersionNumber = (ushort)((source.VersionNumber & ~own) | (sb.VersionNumber & own));
        sb.Features2 = source.Features2;
        sb.FeaturesIncompat = source.FeaturesIncompat & ~(uint)IncompatFeatures.NeedsRepair;
    }

    /// <summary>
    /// A single group has no copy to ask. But a superblock with which a check finds faults, where one that was worked out from all
    /// the rest leaves none, is the one that is wrong.
    /// </summary>
    private bool TryDerived(byte[] primary, FsckReport report, CancellationToken cancellation)
    {
        if (Superblock.At((ReadOnlySpan<byte>)primary).AgCount != 1 || !SuperblockDerivation.IsSuspect(view.Device, primary, report, cancellation)
            || SuperblockDerivation.TryDerive(view.Device, primary, view.Budget.Bytes, cancellation, unlessSame: true) is not byte[] derived) return false;
        CopyShared(derived, primary);
        return true;
    }

    /// <summary>
    /// Where all copies agree with one another and not with the primary, the primary is wrong. One copy against it is no majority:
    /// then that one is right with which a check finds less.
    /// </summary>
    private void Vote(byte[] primary, CancellationToken cancellation)
    {
        Geometry g = new(Superblock.At((ReadOnlySpan<byte>)primary));
        byte[]? first = null;
        int copies = 0;
        for (uint ag = 1; ag < g.AgCount; ag++)
        {
            long at = g.HeaderOffset(new AgNumber(ag), 0);
            if (at > view.Device.Length - g.SectorSize) return;
            byte[] copy = view.Read(at, g.SectorSize);
            if (!Crc32c.IsValid(copy, Superblock.CrcOffset) || SuperblockVerifier.VerifyLayout(copy) is not null) continue;
            first ??= copy;
            if (SuperblockFields.Differences(copy, first).Any()) return;
            copies++;
        }
        if (copies == 0 || !SuperblockFields.Differences(primary, first!).Any()) return;
        byte[] other = (byte[])primary.Clone();
        CopyShared(first!, other);
        if (copies >= 2 || Faults(other, cancellation) < Faults(primary, cancellation)) other.CopyTo(primary, 0);
    }

    /// <summary>How much a check finds wrong outside the superblocks if the primary were this one.</summary>
    private long Faults(byte[] primary, CancellationToken cancellation)
    {
        byte[] sector = (byte[])primary.Clone();
        Tidy(sector);
        Crc32c.Stamp(sector, Superblock.CrcOffset);
        OverlayDevice overlay = new(view.Device);
        overlay.Write(0, sector);
        FsckReport report = Checker.Check(overlay, new FsckOptions { MaxFindings = 0, MemoryBytes = view.Budget.Bytes }, cancellation: cancellation);
        if (report.Exit == FsckExit.Cancelled) throw new OperationCanceledException(cancellation);
        return report.Scan == ScanExtent.None ? long.MaxValue
            : report.Counts.Where(c => c.Key.Severity != Severity.Info && !c.Key.Text.StartsWith("sb-", StringComparison.Ordinal)).Sum(c => c.Value);
    }

    /// <summary>
    /// Every header of a group, and every root of its trees, names the file system. Three of them that agree know its UUID better
    /// than a superblock with which next to none of them agrees.
    /// </summary>
    private void Identify(byte[] primary)
    {
        const uint mostGroups = 16;
        ref Superblock sb = ref Superblock.At(primary.AsSpan());
        Geometry g = new(sb);
        Dictionary<Uuid, int> votes = [];
        for (uint n = 0; n < Math.Min(g.AgCount, mostGroups); n++)
        {
            AgNumber ag = new(n);
            if (g.AgOffset(ag) > view.Device.Length - 4L * g.SectorSize) break;
            if (Sound(g.HeaderOffset(ag, 1), Agf.CrcOffset) is byte[] sector && Agf.At((ReadOnlySpan<byte>)sector) is { Magic.Value: Agf.MagicNumber } agf)
            {
                Vote(agf.Uuid);
                foreach (uint root in (ReadOnlySpan<uint>)[agf.BnoRoot, agf.CntRoot, agf.RmapRoot, agf.RefcountRoot]) VoteOfRoot(ag, root);
            }
            if (Sound(g.HeaderOffset(ag, 2), Agi.CrcOffset) is byte[] other && Agi.At((ReadOnlySpan<byte>)other) is { Magic.Value: Agi.MagicNumber } agi)
            {
                Vote(agi.Uuid);
                foreach (uint root in (ReadOnlySpan<uint>)[agi.Root, agi.FreeRoot]) VoteOfRoot(ag, root);
            }
            if (Sound(g.HeaderOffset(ag, 3), AgflHeader.CrcOffset) is byte[] last) Vote(AgflHeader.At((ReadOnlySpan<byte>)last).Uuid);
        }
        if (votes.Count == 0) return;
        (Uuid uuid, int most) = votes.MaxBy(v => v.Value);
        if (uuid == sb.MetadataUuid || most < 3 || votes.GetValueOrDefault(sb.MetadataUuid) * 2 >= most) return;
        if (sb.Has(IncompatFeatures.MetaUuid)) sb.MetaUuid = uuid; else sb.Uuid = uuid;

        void Vote(Uuid one) => votes[one] = votes.GetValueOrDefault(one) + 1;

        byte[]? Sound(long offset, int crc)
        {
            return TryRead(offset, g.SectorSize) is byte[] bytes && Crc32c.IsValid(bytes, crc) ? bytes : null;
        }

        // Who cannot be read has no vote.
        byte[]? TryRead(long offset, int length)
        {
            try
            {
                return view.Read(offset, length);
            }
            catch (IOException)
            {
                return null;
            }
        }

        void VoteOfRoot(AgNumber ag, uint block)
        {
            if (!g.IsValid(ag, new AgBlock(block)) || g.ByteOffset(ag, new AgBlock(block)) > view.Device.Length - g.BlockSize) return;
            if (TryRead(g.ByteOffset(ag, new AgBlock(block)), g.BlockSize) is not byte[] bytes) return;
            ref readonly ShortBtreeHeader header = ref ShortBtreeHeader.At((ReadOnlySpan<byte>)bytes);
            if (header.Owner == ag.Value && header.BlockNumber == (ulong)g.ByteOffset(ag, new AgBlock(block)) / 512 && Crc32c.IsValid(bytes, ShortBtreeHeader.CrcOffset)) Vote(header.Uuid);
        }
    }

    /// <summary>Gives the fields that follow from others their values.</summary>
    private void Tidy(byte[] sector)
    {
        ref Superblock sb = ref Superblock.At(sector.AsSpan());
        sb.FeaturesIncompat = sb.FeaturesIncompat & ~(uint)IncompatFeatures.NeedsRepair;
        sb.BadFeatures2 = sb.Features2;
        sb.SharedVersion = 0;
        sb.Flags = 0;
        sb.QuotaFlags = (ushort)(sb.QuotaFlags & ~Superblock.OldQuotaFlags);
        sb.FeaturesCompat = 0;
        sb.FeaturesLogIncompat = sb.FeaturesLogIncompat & (uint)LogIncompatFeatures.LoggedAttributes;
        ulong extent = (ulong)sb.RealtimeExtentSize.Value << sb.BlockLog;
        if (extent is < 4096 or > 1 << 30) sb.RealtimeExtentSize = Math.Max(1, 4096u >> sb.BlockLog);
        // A realtime device has extents and a bitmap.
        if (sb.RealtimeExtents == 0 && sb.RealtimeBitmapBlocks == 0) sb.RealtimeBlocks = 0;
        if (sb.RealtimeBlocks == 0)
        {
            sb.RealtimeExtents = sb.FreeRealtimeExtents = 0;
            sb.RealtimeBitmapBlocks = 0;
            sb.RealtimeExtentsLog = 0;
        }
        if ((sb.VersionBits & VersionBits.Quota) == 0)
        {
            if (sb.UserQuotaInode.Value is not (0 or ulong.MaxValue)) sb.UserQuotaInode = 0;
            if (sb.GroupQuotaInode.Value is not (0 or ulong.MaxValue)) sb.GroupQuotaInode = 0;
            if (sb.ProjectQuotaInode.Value is not (0 or ulong.MaxValue)) sb.ProjectQuotaInode = 0;
        }
        bool striped = (sb.VersionBits & VersionBits.StripeAlignment) != 0;
        if (striped != (sb.StripeUnit != 0) || sb.StripeUnit == 0 != (sb.StripeWidth == 0) || sb.StripeUnit != 0 && sb.StripeWidth % sb.StripeUnit.Value != 0)
        {
            sb.StripeUnit = sb.StripeWidth = 0;
            sb.VersionNumber = (ushort)(sb.VersionNumber & ~(ushort)VersionBits.StripeAlignment);
        }
        TidyInodes(ref sb);
        bool metaUuid = sb.Has(IncompatFeatures.MetaUuid);
        sector.AsSpan(metaUuid ? End : EndWithoutMetaUuid).Clear();
    }

    private static void TidyInodes(ref Superblock sb)
    {
        uint cluster = (uint)(8192 * (sb.InodeSize / 256) / sb.BlockSize.Value), chunk = InodeChunkRecord.InodesPerChunk * (uint)sb.InodeSize.Value / sb.BlockSize.Value;
        if (sb.Has(IncompatFeatures.SparseInodes)) (sb.SparseInodeAlignment, sb.InodeAlignment) = (cluster, chunk);
        else
        {
            sb.SparseInodeAlignment = 0;
            if (sb.InodeAlignment != cluster && sb.InodeAlignment != 8192u / sb.BlockSize.Value) sb.InodeAlignment = cluster;
        }
        if ((sb.VersionBits & VersionBits.SectorSize) != 0 || sb.SectorSize != 512)
        {
            sb.VersionNumber = (ushort)(sb.VersionNumber | (ushort)VersionBits.SectorSize);
            if (sb.LogSectorSize.Value is < 512 or > 32768) sb.LogSectorSize = sb.SectorSize;
            sb.LogSectorLog = (byte)System.Numerics.BitOperations.Log2(sb.LogSectorSize.Value);
        }
        else
        {
            sb.LogSectorLog = 0;
            sb.LogSectorSize = 0;
        }
    }

    /// <summary>Sets what depends on the inodes: where the root is, and the two that follow it.</summary>
    /// <param name="root">The root directory, if the superblock does not know it.</param>
    public void SetInodes(ulong? root)
    {
        view.Purpose = Remedy.RestoreSuperblock;
        byte[] sector = view.Read(0, view.Geometry.SectorSize);
        ref Superblock sb = ref Superblock.At(sector.AsSpan());
        if (root is ulong found) sb.RootInode = found;
        sb.RealtimeBitmapInode = sb.RootInode + 1;
        sb.RealtimeSummaryInode = sb.RootInode + 2;
        WritePrimary(sector);
        view.Geometry = new Geometry(sb);
    }

    /// <summary>Sets counters, the bit that says attributes exist, and an LSN the log knows.</summary>
    public void SetCounters(ulong inodes, ulong freeInodes, ulong freeBlocks, bool hasAttributes)
    {
        view.Purpose = Remedy.Recount;
        byte[] sector = view.Read(0, view.Geometry.SectorSize);
        ref Superblock sb = ref Superblock.At(sector.AsSpan());
        (sb.InodeCount, sb.FreeInodes, sb.FreeDataBlocks) = (inodes, freeInodes, freeBlocks);
        if (hasAttributes) sb.VersionNumber = (ushort)(sb.VersionNumber | (ushort)VersionBits.Attributes);
        if (sb.Lsn > view.Lsn.Value) sb.Lsn = view.Lsn.Value;
        WritePrimary(sector);
        view.Geometry = new Geometry(sb);
    }

    /// <summary>Usage that the kernel has counted does not hold any more: it counts at the next mount with quotas.</summary>
    public void ForgetUsage()
    {
        byte[] sector = view.Read(0, view.Geometry.SectorSize);
        ref Superblock sb = ref Superblock.At(sector.AsSpan());
        if (!Transactions.QuotaCheck.IsCounted(sb)) return;
        view.Purpose = Remedy.FixQuota;
        sb.QuotaFlags = Transactions.QuotaCheck.Forget(sb.QuotaFlags);
        WritePrimary(sector);
        view.Geometry = new Geometry(sb);
    }

    /// <summary>Something is left that nobody should mount.</summary>
    public void MarkUnfinished()
    {
        view.Purpose = Remedy.RestoreSuperblock;
        byte[] sector = view.Read(0, view.Geometry.SectorSize);
        ref Superblock sb = ref Superblock.At(sector.AsSpan());
        sb.FeaturesIncompat = sb.FeaturesIncompat | (uint)IncompatFeatures.NeedsRepair;
        WritePrimary(sector);
    }

    /// <summary>Writes the copy of a group anew.</summary>
    public void WriteCopy(AgNumber ag)
    {
        view.Purpose = Remedy.RestoreSuperblock;
        byte[] primary = view.Read(0, view.Geometry.SectorSize);
        Superblock.At(primary.AsSpan()).FreeRealtimeExtents = 0;
        view.Write(BlockKind.Superblock, view.Geometry.HeaderOffset(ag, 0), primary);
    }
}
