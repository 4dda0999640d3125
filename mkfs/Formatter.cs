using ImageFs.Devices;
using ImageFs.Format;

namespace ImageFs.Mkfs;

/// <summary>Writes a file system according to its plan.</summary>
/// <remarks>
/// The order is what makes an interrupted run harmless: what was there is made unrecognisable first, and the primary
/// superblock, without which there is no file system, is written last, after everything else is durable.
/// </remarks>
internal static class Formatter
{
    /// <summary>This much at both ends is cleared of what other file systems and volume managers left there.</summary>
    private const int SignatureBytes = 128 * 1024;

    /// <param name="device">Where to write; at least as long as the data area.</param>
    /// <param name="plan">What to write.</param>
    /// <param name="identity">UUID, time and generations.</param>
    /// <param name="isZero">The device is known to read as zeros everywhere.</param>
    /// <param name="keepBlocks">Write zeros rather than give blocks back to the host.</param>
    public static void Write(BlockDevice device, MkfsPlan plan, Identity identity, bool isZero, bool keepBlocks)
    {
        SuperblockBuilder superblocks = new(plan, identity.Uuid);
        if (!isZero) Clear(device, plan, keepBlocks);

        GroupWriter groups = new(device, plan, superblocks, identity.Uuid, isZero);
        for (uint ag = 0; ag < plan.AgCount; ag++) groups.Write(ag);
        device.Write((long)plan.RootChunkBlock * plan.BlockSize, RootInodes.Make(plan, identity, superblocks.RootInode));
        device.Write(LogOffset(plan), EmptyLog.MakeRecord(plan, identity.Uuid));
        device.Flush();

        byte[] primary = new byte[plan.SectorSize];
        superblocks.WritePrimary(primary);
        device.Write(0, primary);
        device.Flush();
    }

    private static long LogOffset(MkfsPlan plan) => ((long)plan.LogAg * plan.AgBlocks + plan.LogAgBlock) * plan.BlockSize;

    private static void Clear(BlockDevice device, MkfsPlan plan, bool keepBlocks)
    {
        byte[] zeros = new byte[keepBlocks ? 1 << 20 : 0];
        void Zero(long offset, long length)
        {
            if (!keepBlocks) device.Zero(offset, length);
            else
                for (long done = 0; done < length; done += zeros.Length)
                    device.Write(offset + done, zeros.AsSpan(0, (int)Math.Min(zeros.Length, length - done)));
        }
        long[] oldCopies = [.. OldCopies(device)];
        Zero(0, SignatureBytes);
        device.Flush();
        Zero(device.Length - SignatureBytes, SignatureBytes);
        // Copies of an old superblock would be found by a repair tool that searches for one.
        foreach (long offset in oldCopies) Zero(offset, 512);
        Zero(LogOffset(plan), plan.LogBlocks * plan.BlockSize);
    }

    private static IEnumerable<long> OldCopies(BlockDevice device)
    {
        byte[] sector = new byte[512];
        device.Read(0, sector);
        Superblock sb = Superblock.At(sector.AsSpan());
        long groupBytes = (long)sb.AgBlocks.Value * sb.BlockSize.Value;
        // No group was ever smaller than 16 MiB; the bound also keeps a garbled superblock from making this long.
        if (sb.Magic != Superblock.MagicNumber || groupBytes < 16 << 20) yield break;
        long at = groupBytes;
        for (uint ag = 1; ag < sb.AgCount && at <= device.Length - 512; ag++, at += groupBytes) yield return at;
    }
}
