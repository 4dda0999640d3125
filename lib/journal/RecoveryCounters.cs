using ImageFs.Devices;
using ImageFs.Format;

namespace ImageFs.Journal;

/// <summary>Counts free blocks and inodes anew: the superblock's counters are kept in memory and not logged.</summary>
internal static class RecoveryCounters
{
    /// <summary>Adds up the heads of all groups and writes the sums to the superblock in the view.</summary>
    public static void Rebuild(RecoveryResult result)
    {
        Geometry g = result.Geometry;
        OverlayDevice view = result.View;
        byte[] sector = new byte[g.SectorSize];
        ulong free = 0, inodes = 0, freeInodes = 0;
        for (uint i = 0; i < g.AgCount; i++)
        {
            AgNumber ag = new(i);
            ReadVerified(BlockKind.Agf, g.HeaderOffset(ag, 1), sector, result);
            ref readonly Agf agf = ref Agf.At((ReadOnlySpan<byte>)sector);
            // Blocks of the free list and of the trees that describe free space count as free.
            free += (ulong)agf.FreeBlocks.Value + agf.FreeListCount + agf.BtreeBlocks;
            ReadVerified(BlockKind.Agi, g.HeaderOffset(ag, 2), sector, result);
            ref readonly Agi agi = ref Agi.At((ReadOnlySpan<byte>)sector);
            inodes += agi.Count;
            freeInodes += agi.FreeCount;
        }
        if (free > g.DataBlocks) throw new CorruptionException("AGF", "all groups", $"{free} blocks are said to be free, the device has {g.DataBlocks}");

        view.Read(0, sector);
        ref Superblock sb = ref Superblock.At(sector.AsSpan());
        if (sb.FreeDataBlocks == free && sb.InodeCount == inodes && sb.FreeInodes == freeInodes && (g.IsVersion4 || Crc32c.IsValid(sector, Superblock.CrcOffset))) return;
        sb.FreeDataBlocks = free;
        sb.InodeCount = inodes;
        sb.FreeInodes = freeInodes;
        if (!g.IsVersion4) Crc32c.Stamp(sector, Superblock.CrcOffset);
        view.Write(0, sector);
    }

    private static void ReadVerified(BlockKind kind, long offset, Span<byte> sector, RecoveryResult result)
    {
        result.View.Read(offset, sector);
        if (result.Geometry.IsVersion4)
        {
            byte[] disk = sector.ToArray();
            sector.Clear();
            if (Version4.Expand(kind, disk, sector, result.Geometry, offset) is Fault old) throw new CorruptionException(kind.Name(), $"byte {offset} after replay of the log", old.ToString());
            return;
        }
        if (BlockVerifier.Verify(kind, sector, result.Geometry, offset, result.Position.HeadLsn) is Fault fault)
            throw new CorruptionException(kind.Name(), $"byte {offset} after replay of the log", fault.ToString(),
                fault.IsChecksum ? Errno.EBADMSG : Errno.EUCLEAN);
    }
}
