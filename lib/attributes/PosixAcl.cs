using System.Buffers.Binary;
using ImageFs.Format;

namespace ImageFs;

/// <summary>Whom an entry of a POSIX ACL is about.</summary>
public enum AclTag : ushort
{
    /// <summary>The file's owner.</summary>
    Owner = 0x01,
    /// <summary>A user by number.</summary>
    User = 0x02,
    /// <summary>The file's group.</summary>
    OwningGroup = 0x04,
    /// <summary>A group by number.</summary>
    Group = 0x08,
    /// <summary>The most that users by number and groups may have.</summary>
    Mask = 0x10,
    /// <summary>Everybody else.</summary>
    Other = 0x20,
}

/// <summary>One entry of a POSIX ACL.</summary>
/// <param name="Permissions">Read 4, write 2, execute 1.</param>
/// <param name="Id">User or group number; 0 for entries without one.</param>
public readonly record struct AclEntry(AclTag Tag, ushort Permissions, uint Id = 0)
{
    /// <summary>True if the entry names a user or group by number.</summary>
    public bool HasId => Tag is AclTag.User or AclTag.Group;
}

/// <summary>
/// A POSIX access control list. It has two forms: the one that getxattr(2) and setxattr(2) use for system.posix_acl_access
/// and system.posix_acl_default, and the one on disk.
/// </summary>
/// <remarks>posix_acl_xattr_header (little-endian, version 2) and xfs_acl (big-endian, trusted.SGI_ACL_*).</remarks>
public sealed class PosixAcl
{
    private const int CallVersion = 2, CallHeader = 4, CallEntry = 8, DiskHeader = 4, DiskEntry = 12;
    private const int MaxEntries = (AttributeFormat.MaxValue - DiskHeader) / DiskEntry;
    private const uint NoId = uint.MaxValue;
    private const int All = 7;

    /// <summary>A list of entries in the order POSIX wants: owner, users, owning group, groups, mask, other.</summary>
    /// <exception cref="XfsException">EINVAL: the order is another one, or an entry is missing, repeated or has no sense; E2BIG: too many.</exception>
    public PosixAcl(IEnumerable<AclEntry> entries)
    {
        AclEntry[] list = [.. entries];
        if (Problem(list) is string problem) throw new XfsException(Errno.EINVAL, $"POSIX ACL: {problem}");
        if (list.Length > MaxEntries) throw new XfsException(Errno.E2BIG, $"POSIX ACL: {list.Length} entries, at most {MaxEntries} possible");
        Entries = list;
    }

    /// <summary>The list a mode stands for.</summary>
    /// <param name="mode">Permission bits.</param>
    public static PosixAcl FromMode(ushort mode) => new(
        [new(AclTag.Owner, (ushort)(mode >> 6 & All)), new(AclTag.OwningGroup, (ushort)(mode >> 3 & All)), new(AclTag.Other, (ushort)(mode & All))]);

    /// <summary>Its entries, in order.</summary>
    public IReadOnlyList<AclEntry> Entries { get; }

    /// <summary>True if the permission bits of a mode say all of it: no user or group by number, no mask.</summary>
    public bool IsMode => Entries.Count == 3;

    /// <summary>The nine permission bits that show it: the mask, where there is one, stands for the group.</summary>
    public ushort Mode
    {
        get
        {
            int owner = 0, group = 0, other = 0;
            int? mask = null;
            foreach (AclEntry entry in Entries)
                switch (entry.Tag)
                {
                    case AclTag.Owner: owner = entry.Permissions; break;
                    case AclTag.OwningGroup: group = entry.Permissions; break;
                    case AclTag.Mask: mask = entry.Permissions; break;
                    case AclTag.Other: other = entry.Permissions; break;
                }
            return (ushort)(owner << 6 | (mask ?? group) << 3 | other);
        }
    }

    private static string? Problem(AclEntry[] entries)
    {
        // Each tag may be followed by itself, if it has a number, and by later ones.
        AclTag last = 0;
        bool named = false, mask = false;
        int single = 0;
        foreach (AclEntry entry in entries)
        {
            if (entry.Permissions > All) return $"permissions 0{Convert.ToString(entry.Permissions, 8)}";
            if (entry.Tag is not (AclTag.Owner or AclTag.User or AclTag.OwningGroup or AclTag.Group or AclTag.Mask or AclTag.Other)) return $"tag 0x{(int)entry.Tag:x}";
            if (entry.Tag < last || (entry.Tag == last && !entry.HasId)) return $"{entry.Tag} behind {last}";
            if (entry.HasId && entry.Id == NoId) return $"{entry.Tag} without a number";
            last = entry.Tag;
            named |= entry.HasId;
            mask |= entry.Tag == AclTag.Mask;
            if (entry.Tag is AclTag.Owner or AclTag.OwningGroup or AclTag.Other) single++;
        }
        if (single != 3) return "owner, owning group and other must be there";
        return named && !mask ? "users or groups by number need a mask" : null;
    }

    /// <summary>Reads the form of getxattr(2).</summary>
    /// <returns>Null for a list without entries, which means that there is none.</returns>
    /// <exception cref="XfsException">EINVAL, EOPNOTSUPP (another version), E2BIG.</exception>
    public static PosixAcl? Parse(ReadOnlySpan<byte> value)
    {
        if (value.IsEmpty) return null;
        if (value.Length < CallHeader || (value.Length - CallHeader) % CallEntry != 0) throw new XfsException(Errno.EINVAL, $"POSIX ACL of {value.Length} bytes");
        uint version = BinaryPrimitives.ReadUInt32LittleEndian(value);
        if (version != CallVersion) throw new XfsException(Errno.EOPNOTSUPP, $"POSIX ACL of version {version}, expected {CallVersion}");
        List<AclEntry> entries = [];
        for (value = value[CallHeader..]; !value.IsEmpty; value = value[CallEntry..])
        {
            AclTag tag = (AclTag)BinaryPrimitives.ReadUInt16LittleEndian(value);
            uint id = BinaryPrimitives.ReadUInt32LittleEndian(value[4..]);
            entries.Add(new AclEntry(tag, BinaryPrimitives.ReadUInt16LittleEndian(value[2..]), tag is AclTag.User or AclTag.Group ? id : 0));
        }
        return entries.Count == 0 ? null : new PosixAcl(entries);
    }

    /// <summary>The form of getxattr(2).</summary>
    public byte[] ToBytes()
    {
        byte[] value = new byte[CallHeader + Entries.Count * CallEntry];
        BinaryPrimitives.WriteUInt32LittleEndian(value, CallVersion);
        Span<byte> at = value.AsSpan(CallHeader);
        foreach (AclEntry entry in Entries)
        {
            BinaryPrimitives.WriteUInt16LittleEndian(at, (ushort)entry.Tag);
            BinaryPrimitives.WriteUInt16LittleEndian(at[2..], entry.Permissions);
            BinaryPrimitives.WriteUInt32LittleEndian(at[4..], entry.HasId ? entry.Id : NoId);
            at = at[CallEntry..];
        }
        return value;
    }

    /// <summary>Bytes of the form of getxattr(2) of a list that has so many on disk.</summary>
    internal static long CallLength(uint disk) => CallHeader + (disk - DiskHeader) / DiskEntry * CallEntry;

    /// <summary>Reads the form on disk; null if it is none.</summary>
    internal static PosixAcl? FromDisk(ReadOnlySpan<byte> value)
    {
        if (value.Length < DiskHeader) return null;
        uint count = BinaryPrimitives.ReadUInt32BigEndian(value);
        if (count > MaxEntries || value.Length != DiskHeader + (int)count * DiskEntry) return null;
        AclEntry[] entries = new AclEntry[count];
        for (int i = 0; i < entries.Length; i++)
        {
            ReadOnlySpan<byte> at = value.Slice(DiskHeader + i * DiskEntry, DiskEntry);
            uint tag = BinaryPrimitives.ReadUInt32BigEndian(at);
            if (tag > ushort.MaxValue) return null;
            uint id = BinaryPrimitives.ReadUInt32BigEndian(at[4..]);
            entries[i] = new AclEntry((AclTag)tag, BinaryPrimitives.ReadUInt16BigEndian(at[8..]), (AclTag)tag is AclTag.User or AclTag.Group ? id : 0);
        }
        return Problem(entries) is null ? new PosixAcl(entries) : null;
    }

    /// <summary>The form on disk.</summary>
    internal byte[] ToDisk()
    {
        byte[] value = new byte[DiskHeader + Entries.Count * DiskEntry];
        BinaryPrimitives.WriteUInt32BigEndian(value, (uint)Entries.Count);
        for (int i = 0; i < Entries.Count; i++)
        {
            Span<byte> at = value.AsSpan(DiskHeader + i * DiskEntry, DiskEntry);
            BinaryPrimitives.WriteUInt32BigEndian(at, (uint)Entries[i].Tag);
            BinaryPrimitives.WriteUInt32BigEndian(at[4..], Entries[i].HasId ? Entries[i].Id : NoId);
            BinaryPrimitives.WriteUInt16BigEndian(at[8..], Entries[i].Permissions);
        }
        return value;
    }

    /// <summary>This list after chmod: the mode's bits go to the owner, to the mask (or else the owning group), and to the others.</summary>
    internal PosixAcl WithMode(ushort mode)
    {
        bool masked = Entries.Any(e => e.Tag == AclTag.Mask);
        return new PosixAcl(Entries.Select(e => e.Tag switch
        {
            AclTag.Owner => e with { Permissions = (ushort)(mode >> 6 & All) },
            AclTag.Mask => e with { Permissions = (ushort)(mode >> 3 & All) },
            AclTag.OwningGroup when !masked => e with { Permissions = (ushort)(mode >> 3 & All) },
            AclTag.Other => e with { Permissions = (ushort)(mode & All) },
            _ => e,
        }));
    }

    /// <summary>What a new file gets from this list, the default of its directory: no more than its creator's mode allows.</summary>
    /// <param name="mode">The creator's mode; the file's afterwards.</param>
    /// <returns>The access list of the file.</returns>
    internal PosixAcl Inherit(ref ushort mode)
    {
        int asked = mode;
        bool masked = Entries.Any(e => e.Tag == AclTag.Mask);
        PosixAcl made = new(Entries.Select(e => e.Tag switch
        {
            AclTag.Owner => e with { Permissions = (ushort)(e.Permissions & asked >> 6) },
            AclTag.Mask => e with { Permissions = (ushort)(e.Permissions & asked >> 3) },
            AclTag.OwningGroup when !masked => e with { Permissions = (ushort)(e.Permissions & asked >> 3) },
            AclTag.Other => e with { Permissions = (ushort)(e.Permissions & asked) },
            _ => e,
        }));
        const int permissions = 0b111_111_111;
        mode = (ushort)(asked & ~permissions | made.Mode);
        return made;
    }
}
