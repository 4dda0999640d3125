using System.Buffers.Binary;

namespace ImageFs.Format;

/// <summary>A field of the superblock by its place in the sector.</summary>
/// <param name="Name">As xfs_db calls it.</param>
/// <param name="Offset">Bytes from the beginning of the sector.</param>
/// <param name="Size">Bytes.</param>
public readonly record struct SuperblockField(string Name, int Offset, int Size);

/// <summary>Which fields the copies share with the primary.</summary>
public static class SuperblockFields
{
    /// <summary>
    /// What must be the same in all copies. Counters, inode pointers, quota state, the label, what a mount option may change
    /// (stripe unit), what only the primary learns (the attribute bit, log_incompat, needsrepair) and checksums are left out.
    /// </summary>
    public static IReadOnlyList<SuperblockField> Shared { get; } =
    [
        new("magicnum", 0, 4), new("blocksize", 4, 4), new("dblocks", 8, 8), new("rblocks", 16, 8), new("rextents", 24, 8), new("uuid", 32, 16),
        new("logstart", 48, 8), new("rextsize", 80, 4), new("agblocks", 84, 4), new("agcount", 88, 4), new("rbmblocks", 92, 4),
        new("logblocks", 96, 4), new("sectsize", 102, 2), new("inodesize", 104, 2), new("inopblock", 106, 2), new("blocklog", 120, 1),
        new("sectlog", 121, 1), new("inodelog", 122, 1), new("inopblog", 123, 1), new("agblklog", 124, 1), new("rextslog", 125, 1),
        new("imax_pct", 127, 1), new("shared_vn", 179, 1), new("inoalignmt", 180, 4), new("dirblklog", 192, 1), new("logsectlog", 193, 1),
        new("logsectsize", 194, 2), new("logsunit", 196, 4), new("features_compat", 208, 4), new("features_ro_compat", 212, 4),
        new("spino_align", 228, 4), new("meta_uuid", 248, 16),
    ];

    /// <summary>The shared fields that differ, and those of which only some bits are shared.</summary>
    public static IEnumerable<(string Name, string Found, string Expected)> Differences(byte[] copy, byte[] primary)
    {
        foreach (SuperblockField field in Shared)
            if (!copy.AsSpan(field.Offset, field.Size).SequenceEqual(primary.AsSpan(field.Offset, field.Size)))
                yield return (field.Name, Show(copy, field), Show(primary, field));
        const uint versionMask = ~(uint)(VersionBits.Attributes | VersionBits.StripeAlignment | VersionBits.Quota);
        foreach ((string name, int offset, int size, uint mask) in new[]
            { ("versionnum", 100, 2, versionMask), ("features2", 200, 4, uint.MaxValue), ("features_incompat", 216, 4, ~(uint)IncompatFeatures.NeedsRepair) })
        {
            uint found = Number(copy, offset, size) & mask, expected = Number(primary, offset, size) & mask;
            if (found != expected) yield return (name, $"0x{found:x}", $"0x{expected:x}");
        }
    }

    private static uint Number(byte[] sector, int offset, int size) =>
        size == 2 ? BinaryPrimitives.ReadUInt16BigEndian(sector.AsSpan(offset)) : BinaryPrimitives.ReadUInt32BigEndian(sector.AsSpan(offset));

    private static string Show(byte[] sector, SuperblockField field)
    {
        ReadOnlySpan<byte> bytes = sector.AsSpan(field.Offset, field.Size);
        if (field.Size == 16) return new Uuid(bytes).ToString();
        ulong value = 0;
        foreach (byte one in bytes) value = value << 8 | one;
        return value.ToString(System.Globalization.CultureInfo.InvariantCulture);
    }
}
