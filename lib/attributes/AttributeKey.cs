using System.Buffers.Binary;
using ImageFs.Format;

namespace ImageFs.Attributes;

/// <summary>
/// What tells an attribute apart from the others of an inode: namespace and name; for parent pointers the value as well,
/// because an inode may have links of one name in several directories.
/// </summary>
internal readonly ref struct AttributeKey
{
    /// <summary>An attribute of a namespace.</summary>
    public AttributeKey(AttributeFlags space, ReadOnlySpan<byte> name)
    {
        Invariant.Holds(name.Length is > 0 and <= AttributeFormat.MaxName, "an attribute's name has 1..255 bytes");
        Space = space;
        Name = name;
        Hash = DirectoryName.Hash(name);
    }

    /// <summary>A parent pointer.</summary>
    /// <param name="pointer">Inode and generation of the directory, 12 bytes.</param>
    public AttributeKey(ReadOnlySpan<byte> name, ReadOnlySpan<byte> pointer) : this(AttributeFlags.Parent, name)
    {
        Pointer = pointer;
        Hash = HashOf(AttributeFlags.Parent, name, pointer);
    }

    /// <summary>User, Root, Secure or Parent.</summary>
    public AttributeFlags Space { get; }

    /// <summary>Without a prefix.</summary>
    public ReadOnlySpan<byte> Name { get; }

    /// <summary>The value of a parent pointer, else empty.</summary>
    public ReadOnlySpan<byte> Pointer { get; }

    /// <summary>Where it stands in a leaf.</summary>
    public uint Hash { get; }

    /// <summary>True if an attribute on disk is the one meant.</summary>
    public bool Matches(AttributeFlags flags, ReadOnlySpan<byte> name, ReadOnlySpan<byte> value) =>
        (flags & AttributeFlags.Namespaces) == Space && name.SequenceEqual(Name)
        && (Space != AttributeFlags.Parent || value.SequenceEqual(Pointer));

    /// <summary>The hash of an attribute on disk. A parent pointer mixes in the inode number it holds.</summary>
    public static uint HashOf(AttributeFlags flags, ReadOnlySpan<byte> name, ReadOnlySpan<byte> value)
    {
        uint hash = DirectoryName.Hash(name);
        if ((flags & AttributeFlags.Namespaces) != AttributeFlags.Parent || value.Length < 8) return hash;
        ulong inode = BinaryPrimitives.ReadUInt64BigEndian(value);
        return hash ^ (uint)(inode >> 32) ^ (uint)inode;
    }
}

/// <summary>What must be so before an attribute is set.</summary>
public enum AttributeMode
{
    /// <summary>Nothing: it is made or replaced.</summary>
    Either,
    /// <summary>It must not exist (XATTR_CREATE).</summary>
    Create,
    /// <summary>It must exist (XATTR_REPLACE).</summary>
    Replace,
}
