using System.Diagnostics.CodeAnalysis;
using System.Text;
using ImageFs.Format;

namespace ImageFs.Attributes;

/// <summary>A name as programs see it, "user.x", taken apart.</summary>
internal static class AttributeName
{
    private static ReadOnlySpan<byte> UserPrefix => "user."u8;
    private static ReadOnlySpan<byte> TrustedPrefix => "trusted."u8;
    private static ReadOnlySpan<byte> SecurityPrefix => "security."u8;

    public static ReadOnlySpan<byte> AccessAcl => "system.posix_acl_access"u8;
    public static ReadOnlySpan<byte> DefaultAcl => "system.posix_acl_default"u8;

    /// <summary>Namespace and name without prefix.</summary>
    /// <param name="acl">The name is one of the two of POSIX ACLs: the value on disk has another form.</param>
    /// <exception cref="XfsException">ERANGE: too long; EINVAL: nothing behind the prefix; EOPNOTSUPP: no such namespace.</exception>
    public static AttributeKey Parse(ReadOnlySpan<byte> name, out bool acl)
    {
        if (name.Length is 0 or > AttributeFormat.MaxName) throw new XfsException(Errno.ERANGE, $"an attribute's name has 1..{AttributeFormat.MaxName} bytes, not {name.Length}");
        if (name.Contains((byte)0)) throw new XfsException(Errno.EINVAL, "an attribute's name has no zero byte");
        acl = true;
        if (name.SequenceEqual(AccessAcl)) return new AttributeKey(AttributeFlags.Root, AttributeFormat.AccessAcl);
        if (name.SequenceEqual(DefaultAcl)) return new AttributeKey(AttributeFlags.Root, AttributeFormat.DefaultAcl);
        acl = false;
        if (TryStrip(name, UserPrefix, out ReadOnlySpan<byte> rest)) return new AttributeKey(AttributeFlags.User, rest);
        if (TryStrip(name, TrustedPrefix, out rest)) return new AttributeKey(AttributeFlags.Root, rest);
        if (TryStrip(name, SecurityPrefix, out rest)) return new AttributeKey(AttributeFlags.Secure, rest);
        throw new XfsException(Errno.EOPNOTSUPP, $"'{Encoding.UTF8.GetString(name)}': attributes are user.*, trusted.*, security.* and the two of POSIX ACLs");
    }

    private static bool TryStrip(ReadOnlySpan<byte> name, ReadOnlySpan<byte> prefix, out ReadOnlySpan<byte> rest)
    {
        rest = default;
        if (!name.StartsWith(prefix)) return false;
        rest = name[prefix.Length..];
        if (rest.IsEmpty) throw new XfsException(Errno.EINVAL, $"'{Encoding.UTF8.GetString(name)}': nothing stands behind the prefix");
        return true;
    }

    /// <summary>The name programs see; null for what they do not: parent pointers.</summary>
    public static byte[]? Full(AttributeFlags space, ReadOnlySpan<byte> name) => space switch
    {
        AttributeFlags.User => [.. UserPrefix, .. name],
        AttributeFlags.Root => [.. TrustedPrefix, .. name],
        AttributeFlags.Secure => [.. SecurityPrefix, .. name],
        _ => null,
    };
}
