using System.Buffers.Binary;
using ImageFs.Devices;
using ImageFs.Format;

namespace ImageFs.Fsck;

/// <summary>Finds the superblock to work with: the primary if it is usable, else a copy from another group.</summary>
internal static class SuperblockFinder
{
    /// <summary>How far the device is searched for a copy when nothing says where the groups begin.</summary>
    private const long SearchLimit = 4L << 30;
    private const int MaxSector = 32768;
    /// <summary>Stands for a group: the superblock came from none, it was worked out.</summary>
    public const uint Derived = uint.MaxValue;

    /// <param name="memory">Bytes for whoever works out what is lost.</param>
    /// <param name="sector">The whole sector of the superblock that is used.</param>
    /// <param name="source">The group it came from, or <see cref="Derived"/>.</param>
    /// <returns>Null, or a sentence why there is nothing to check.</returns>
    public static string? Find(BlockDevice device, FindingList findings, long memory, CancellationToken cancellation, out byte[] sector, out uint source)
    {
        source = 0;
        sector = [];
        byte[] first = new byte[512];
        if (device.Length < first.Length) return $"not an XFS image: only {device.Length} bytes";
        try
        {
            // No more than what is needed: behind a large sector's worth the disk may be unreadable.
            device.Read(0, first);
            int whole = Superblock.At((ReadOnlySpan<byte>)first).SectorSize;
            if (whole is > 512 and <= MaxSector && device.Length >= whole)
            {
                first = new byte[whole];
                device.Read(0, first);
            }
        }
        catch (IOException e)
        {
            return $"the superblock cannot be read: {e.Message}";
        }
        bool hasMagic = BinaryPrimitives.ReadUInt32BigEndian(first) == Superblock.MagicNumber;
        Fault? layout = SuperblockVerifier.VerifyLayout(first);
        if (hasMagic && layout is null && Superblock.At(first).Version == 4) return "XFS version 4 (no checksums) is not checked; only version 5 is";
        int size = layout is null ? Superblock.At(first).SectorSize.Value : 512;
        bool plain = layout is null && Superblock.At(first).Version == 5;
        bool checksum = plain && size <= first.Length && Crc32c.IsValid(first.AsSpan(0, size), Superblock.CrcOffset);
        if (hasMagic && layout is null && (checksum || !plain))
        {
            // A superblock that is sound in itself says what it is; if that is not for us, only others that say otherwise change it.
            SuperblockVerifier.Verdict verdict = SuperblockVerifier.Judge(Superblock.At(first));
            if (verdict.Level == Support.Refused && Superblock.At(first).InProgress == 0)
            {
                if (!IsContradicted(device, first, memory, cancellation)) return verdict.Reason;
                layout = new Fault("features", $"{verdict.Reason}, which nothing else says");
            }
            if (verdict.Level != Support.Refused)
            {
                sector = first.AsSpan(0, size).ToArray();
                return null;
            }
        }

        // The primary is damaged. It may still tell where the first copy is; if not, look for one.
        if (TryCopies(device, first, cancellation, out byte[]? copy, out uint group))
        {
            ReportPrimary(findings, first, layout, checksum, size);
            if (layout is null && !checksum && SuperblockVerifier.Judge(Superblock.At(first)).Level != Support.Refused && SameGeometry(first, copy!))
            {
                sector = first.AsSpan(0, size).ToArray();
                return null;
            }
            findings.Add(FindingCodes.SbLost, new Where(0, 0), group);
            sector = copy!;
            source = group;
            return null;
        }
        // A single group has no copy. Where the headers behind the superblock are whole, all of it can be worked out.
        if (SuperblockDerivation.TryDerive(device, first, memory, cancellation, isUnusable: layout is not null) is byte[] derived)
        {
            ReportPrimary(findings, first, layout, checksum, size);
            if (layout is null && SuperblockVerifier.Judge(Superblock.At(first)).Level != Support.Refused && SameGeometry(first, derived))
            {
                sector = first.AsSpan(0, size).ToArray();
                return null;
            }
            findings.Add(FindingCodes.SbDerived, new Where(0, 0));
            sector = derived;
            source = Derived;
            return null;
        }
        if (!hasMagic) return $"not an XFS image: it begins with 0x{BinaryPrimitives.ReadUInt32BigEndian(first):x8}, expected 0x{Superblock.MagicNumber:x8} (XFSB), and no copy of a superblock was found";
        if (layout is Fault fault) return $"the superblock is damaged ({fault}) and no copy of it was found";
        SuperblockVerifier.Verdict last = SuperblockVerifier.Judge(Superblock.At(first));
        if (last.Level == Support.Refused) return last.Reason;
        ReportPrimary(findings, first, layout, checksum, size);
        sector = first.AsSpan(0, size).ToArray();
        return null;
    }

    /// <summary>The fields that say where things are: a primary that agrees in them with a sound copy is used in spite of its checksum.</summary>
    public static bool SameGeometry(ReadOnlySpan<byte> left, ReadOnlySpan<byte> right)
    {
        foreach (SuperblockField field in SuperblockFields.Shared)
            if (!left.Slice(field.Offset, field.Size).SequenceEqual(right.Slice(field.Offset, field.Size))) return false;
        return true;
    }

    /// <summary>
    /// True if a superblock says what no file system of version 5 can be, and the next copy, or all the rest where there is none,
    /// speaks of one that can be checked. What is only not known here may be a feature that came later.
    /// </summary>
    private static bool IsContradicted(BlockDevice device, byte[] first, long memory, CancellationToken cancellation)
    {
        ref readonly Superblock sb = ref Superblock.At((ReadOnlySpan<byte>)first);
        Features2 features = (Features2)sb.Features2.Value;
        bool possible = (sb.VersionBits & FeatureTable.RequiredVersionBits) == FeatureTable.RequiredVersionBits
            && (features & (FeatureTable.RequiredFeatures2 | Features2.OldParent)) == FeatureTable.RequiredFeatures2;
        // Who sets a new bit of this word sets it twice.
        bool doubted = sb.BadFeatures2 != sb.Features2 && (sb.BadFeatures2 & ~(uint)(FeatureTable.RequiredFeatures2 | Features2.FileType)) == 0;
        if (possible && !doubted) return false;
        return sb.AgCount > 1 ? TryCopy(device, (long)sb.AgBlocks << sb.BlockLog, new byte[MaxSector], out _, out _)
            : SuperblockDerivation.TryDerive(device, first, memory, cancellation) is not null;
    }

    private static void ReportPrimary(FindingList findings, byte[] first, Fault? layout, bool checksum, int size)
    {
        Where at = new(0, 0);
        if (layout is Fault fault) findings.Add(FindingCodes.For(Structure.Superblock, fault), at with { Field = fault.Field }, fault.Problem);
        else if (!checksum)
        {
            uint stored = BinaryPrimitives.ReadUInt32LittleEndian(first.AsSpan(Superblock.CrcOffset));
            findings.Add(FindingCodes.Crc(Structure.Superblock), at with { Field = "crc" },
                $"found 0x{stored:x8}, the sector's checksum is 0x{Crc32c.Compute(first.AsSpan(0, size), Superblock.CrcOffset):x8}");
        }
        else if (Superblock.At(first).InProgress != 0)
            findings.Add(FindingCodes.Form(Structure.Superblock), at with { Field = "inprogress" }, $"found {Superblock.At(first).InProgress}, expected 0");
    }

    private static bool TryCopies(BlockDevice device, byte[] primary, CancellationToken cancellation, out byte[]? sector, out uint group)
    {
        ref readonly Superblock sb = ref Superblock.At(primary);
        ulong stated = (ulong)sb.AgBlocks.Value << Math.Min(16, (int)sb.BlockLog);
        byte[] buffer = new byte[MaxSector];
        if (stated is >= 1 << 20 and <= 1UL << 40 && TryCopy(device, (long)stated, buffer, out sector, out group)) return true;
        const int step = 1 << 20;
        byte[] window = new byte[step];
        for (long at = 0; at < Math.Min(device.Length, SearchLimit); at += step)
        {
            cancellation.ThrowIfCancellationRequested();
            int length = (int)Math.Min(step, device.Length - at);
            try
            {
                device.Read(at, window.AsSpan(0, length));
            }
            catch (IOException)
            {
                continue;
            }
            ReadOnlySpan<byte> rest = window.AsSpan(0, length);
            for (int from = 0; ;)
            {
                int found = rest[from..].IndexOf("XFSB"u8);
                if (found < 0) break;
                found += from;
                from = found + 4;
                if ((found & 511) != 0 || at + found == 0) continue;
                if (TryCopy(device, at + found, buffer, out sector, out group)) return true;
            }
        }
        sector = null;
        group = 0;
        return false;
    }

    /// <summary>True if a sound copy lies at that offset and that offset is where a copy of it belongs.</summary>
    private static bool TryCopy(BlockDevice device, long offset, byte[] buffer, out byte[]? sector, out uint group)
    {
        sector = null;
        group = 0;
        if (offset > device.Length - Superblock.Size) return false;
        int length = (int)Math.Min(buffer.Length, device.Length - offset);
        try
        {
            device.Read(offset, buffer.AsSpan(0, length));
        }
        catch (IOException)
        {
            return false;
        }
        Span<byte> bytes = buffer.AsSpan(0, length);
        if (SuperblockVerifier.VerifyLayout(bytes) is not null) return false;
        Superblock sb = Superblock.At((ReadOnlySpan<byte>)bytes);
        // mkfs leaves "in progress" in the copies.
        Superblock judged = sb;
        judged.InProgress = 0;
        if (sb.Version != 5 || sb.SectorSize > length || SuperblockVerifier.Judge(judged).Level == Support.Refused) return false;
        if (!Crc32c.IsValid(bytes[..sb.SectorSize.Value], Superblock.CrcOffset)) return false;
        long groupBytes = (long)sb.AgBlocks.Value << sb.BlockLog;
        if (offset % groupBytes != 0 || offset / groupBytes >= sb.AgCount) return false;
        group = (uint)(offset / groupBytes);
        sector = bytes[..sb.SectorSize.Value].ToArray();
        return true;
    }
}
