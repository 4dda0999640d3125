using ImageFs.Devices;
using ImageFs.Format;

namespace ImageFs.Recovering;

/// <summary>Reads the superblock a mount begins with.</summary>
/// <remarks>
/// Of version 5, it is metadata like any other: a power cut can tear it on its way home, and then the log must mend it. But the log can only
/// be found through it. What says where the log is and how the groups lie never changes when counters do, so a torn superblock
/// still tells; the copy in the second group is the witness. The kernel gives up here.
/// </remarks>
internal static class PrimarySuperblock
{
    /// <summary>The geometry of an image, or the reason why it has none.</summary>
    /// <param name="isTorn">Its checksum is wrong, its geometry right: only good for a replay, which must follow.</param>
    /// <exception cref="CorruptionException">No superblock, or a damaged one.</exception>
    public static Geometry Read(BlockDevice device, out bool isTorn)
    {
        byte[] first = new byte[(int)Math.Min(device.Length, 32768)];
        if (first.Length < 512) throw new CorruptionException("superblock", "byte 0", $"the image has only {device.Length} bytes");
        device.Read(0, first);
        if (SuperblockVerifier.VerifyLayout(first) is Fault fault) throw new CorruptionException("superblock", "byte 0", fault.ToString());
        ref readonly Superblock sb = ref Superblock.At(first);
        isTorn = false;
        if (sb.Version == 4) return new Geometry(sb);
        ReadOnlySpan<byte> sector = first.AsSpan(0, Math.Min(first.Length, sb.SectorSize));
        isTorn = !Crc32c.IsValid(sector, Superblock.CrcOffset);
        return !isTorn || IsConfirmed(device, first) ? new Geometry(sb)
            : throw BadChecksum($"found 0x{sb.Crc.Value:x8}, the sector's checksum is 0x{Crc32c.Compute(sector, Superblock.CrcOffset):x8}");
    }

    /// <summary>The superblock is torn and no log mends it.</summary>
    public static CorruptionException NothingToReplay() => BadChecksum("wrong, and the log is clean");

    private static CorruptionException BadChecksum(string problem) => new("superblock", "byte 0", $"crc: {problem}", Errno.EBADMSG);

    /// <summary>Whether the copy in group 1 says the same about everything that is fixed.</summary>
    private static bool IsConfirmed(BlockDevice device, byte[] first)
    {
        ref readonly Superblock torn = ref Superblock.At(first);
        // A single group has no copy: then what the layout promises is all there is to go by.
        if (torn.AgCount == 1) return true;
        long offset = (long)torn.AgBlocks.Value << torn.BlockLog;
        if (offset > device.Length - torn.SectorSize) return false;
        byte[] sector = new byte[torn.SectorSize];
        device.Read(offset, sector);
        if (SuperblockVerifier.VerifyLayout(sector) is not null || !Crc32c.IsValid(sector, Superblock.CrcOffset)) return false;
        // mkfs.xfs tells only some of the copies where the root is.
        ulong root = Superblock.At((ReadOnlySpan<byte>)sector).RootInode;
        return (root is 0 or ulong.MaxValue || root == torn.RootInode) && !SuperblockFields.Differences(sector, first).Any();
    }
}
