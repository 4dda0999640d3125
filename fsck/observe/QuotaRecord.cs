using System.Buffers.Binary;
using ImageFs.Format;

namespace ImageFs.Fsck;

/// <summary>A record of a quota inode, xfs_dqblk: limits and usage of one user, group or project. A block holds as many as fit, by id.</summary>
internal static class QuotaRecord
{
    public const int Size = 136;
    private const int CrcOffset = 108, LsnOffset = 112, UuidOffset = 120, LimitsEnd = 40, UsageEnd = 104;
    private const ushort Magic = 0x4451;
    private const byte Version = 1, BigTime = 0x80;

    /// <summary>The quota inodes of a file system and the type of their records.</summary>
    public static (ulong Inode, byte Type, string Name)[] Inodes(in Superblock sb) => (sb.VersionBits & VersionBits.Quota) == 0 ? []
        : [.. new (ulong Inode, byte Type, string Name)[] { (sb.UserQuotaInode, 1, "user"), (sb.GroupQuotaInode, 4, "group"), (sb.ProjectQuotaInode, 2, "project") }.Where(q => q.Inode is not (0 or ulong.MaxValue))];

    /// <summary>Holds a record against its place.</summary>
    /// <returns>The field that is wrong and why; null if none is.</returns>
    public static (string Field, string Problem)? Judge(ReadOnlySpan<byte> record, Geometry g, byte type, uint id, LogSequenceNumber head)
    {
        if (Form(record, g, type, id) is { } wrong) return wrong;
        if (!Crc32c.IsValid(record, CrcOffset)) return ("crc", "its checksum is wrong");
        ulong lsn = BinaryPrimitives.ReadUInt64BigEndian(record[LsnOffset..]);
        if (head.Value != 0 && lsn != ulong.MaxValue && lsn > head.Value) return ("lsn", $"LSN {new LogSequenceNumber(lsn)} lies ahead of the log head {head}");
        for (int i = 0; id != 0 && i < 3; i++)
            if (!HasTimer(record, i)) return (s_timers[i], "the soft limit is exceeded and no timer runs");
        return null;
    }

    private static (string, string)? Form(ReadOnlySpan<byte> record, Geometry g, byte type, uint id)
    {
        ushort magic = BinaryPrimitives.ReadUInt16BigEndian(record);
        uint found = BinaryPrimitives.ReadUInt32BigEndian(record[4..]);
        if (magic != Magic) return ("magic", $"magic 0x{magic:x4}, expected 0x{Magic:x4}");
        if (record[2] != Version) return ("version", $"version {record[2]}, expected {Version}");
        if ((record[3] & ~BigTime) != type || (record[3] & BigTime) != 0 && (!g.HasBigTime || id == 0)) return ("type", $"type 0x{record[3]:x2}, expected 0x{type:x2}");
        if (found != id) return ("id", $"it says id {found}");
        if (!record.Slice(UuidOffset, 16).SequenceEqual(UuidOf(g))) return ("uuid", "it belongs to another file system");
        return null;
    }

    private static readonly string[] s_timers = ["btimer", "itimer", "rtbtimer"];
    private static readonly (int Soft, int Used, int Timer)[] s_limits = [(16, 40, 60), (32, 48, 56), (80, 88, 96)];

    private static bool HasTimer(ReadOnlySpan<byte> record, int which)
    {
        (int soft, int used, int timer) = s_limits[which];
        ulong limit = BinaryPrimitives.ReadUInt64BigEndian(record[soft..]);
        return limit == 0 || BinaryPrimitives.ReadUInt64BigEndian(record[used..]) <= limit || BinaryPrimitives.ReadUInt32BigEndian(record[timer..]) != 0;
    }

    /// <summary>
    /// Makes a record what its place says it is. Limits stay if either the magic number or the checksum vouches for them; usage goes,
    /// because whoever mounts counts anew.
    /// </summary>
    public static void Mend(Span<byte> record, Geometry g, byte type, uint id, LogSequenceNumber lsn)
    {
        if (BinaryPrimitives.ReadUInt16BigEndian(record) != Magic && !Crc32c.IsValid(record, CrcOffset)) record.Clear();
        BinaryPrimitives.WriteUInt16BigEndian(record, Magic);
        record[2] = Version;
        record[3] = (byte)(type | (g.HasBigTime && id != 0 ? record[3] & BigTime : 0));
        BinaryPrimitives.WriteUInt32BigEndian(record[4..], id);
        // Between usage of blocks and of realtime blocks stand the limits of the latter.
        record[LimitsEnd..72].Clear();
        record[88..UsageEnd].Clear();
        BinaryPrimitives.WriteUInt64BigEndian(record[LsnOffset..], lsn.Value);
        UuidOf(g).CopyTo(record[UuidOffset..]);
        Crc32c.Stamp(record, CrcOffset);
    }

    private static byte[] UuidOf(Geometry g)
    {
        byte[] bytes = new byte[16];
        System.Runtime.InteropServices.MemoryMarshal.Write(bytes, g.MetaUuid);
        return bytes;
    }
}
