using ImageFs.Format;
using ImageFs.Metadata;

namespace ImageFs.Transactions;

/// <summary>
/// Who uses how many blocks and inodes is counted by the kernel alone. What it has counted holds until something is changed
/// here: then the superblock says that it must count again, which it does at the next mount with quotas.
/// </summary>
internal static class QuotaCheck
{
    /// <summary>XFS_UQUOTA_CHKD, XFS_GQUOTA_CHKD, XFS_PQUOTA_CHKD: the usage of a kind is exact.</summary>
    private const ushort Counted = 0x4 | 0x100 | 0x400;

    /// <summary>True if the first change must take back that usage is exact.</summary>
    public static bool IsCounted(in Superblock sb) => (sb.QuotaFlags & Counted) != 0;

    /// <summary>Takes it back, in a transaction that is not durable later than the change.</summary>
    public static void Forget(Transaction tx, Geometry geometry)
    {
        MetadataBuffer buffer = tx.Read(0, geometry.SectorSize, BlockKind.Superblock);
        if (!IsCounted(Superblock.At(buffer.Data))) return;
        ref Superblock sb = ref Superblock.At(tx.Modify(buffer));
        sb.QuotaFlags = Forget(sb.QuotaFlags);
    }

    /// <summary>The flags (sb_qflags) without those that say so.</summary>
    public static ushort Forget(ushort flags) => (ushort)(flags & ~Counted);
}
