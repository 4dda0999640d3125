using ImageFs.Format;
using ImageFs.Inodes;
using ImageFs.Transactions;

namespace ImageFs.Attributes;

/// <summary>Looks at one attribute; the name (without prefix) is only good until it returns.</summary>
/// <param name="space">User, Root, Secure or Parent.</param>
/// <param name="length">Bytes of the value.</param>
/// <returns>False to stop.</returns>
internal delegate bool AttributeVisitor(AttributeFlags space, ReadOnlySpan<byte> name, uint length);

/// <summary>
/// Attributes of an inode. This is where the form is chosen: inside the inode, or in blocks; whatever fits inside goes back
/// there when something was removed, as the kernel does it.
/// </summary>
/// <remarks>
/// Every change is part of the caller's transaction, so that a parent pointer or an ACL changes together with what it
/// belongs to. Times are the caller's. A call that throws leaves a transaction that must be aborted.
/// </remarks>
internal static class ExtendedAttributes
{
    /// <summary>True if the attributes lie inside the inode; a fork without anything counts as well.</summary>
    private static bool IsShort(Inode inode) => inode.Format(ForkKind.Attribute) switch
    {
        ForkFormat.Local => true,
        ForkFormat.Extents => inode.ExtentCount(ForkKind.Attribute) == 0,
        ForkFormat.Btree => false,
        ForkFormat other => throw inode.Corrupt($"attribute fork of format {(int)other}"),
    };

    /// <summary>The value of an attribute.</summary>
    public static bool TryGet(IAttributeHome home, Inode inode, in AttributeKey key, out byte[] value)
    {
        value = [];
        if (inode.Core.ForkOffset == 0) return false;
        AttributeStorage fork = new(home, inode);
        return IsShort(inode) ? ShortAttributes.TryGet(fork, key, out value) : new AttributeTree(fork).TryGet(key, out value);
    }

    /// <summary>True if there is such an attribute.</summary>
    public static bool Exists(IAttributeHome home, Inode inode, in AttributeKey key)
    {
        if (inode.Core.ForkOffset == 0) return false;
        AttributeStorage fork = new(home, inode);
        return IsShort(inode) ? new ShortReader(fork).TryFind(key) : new AttributeTree(fork).Exists(key);
    }

    /// <summary>Shows every attribute, parent pointers too.</summary>
    public static void List(IAttributeHome home, Inode inode, AttributeVisitor visit)
    {
        if (inode.Core.ForkOffset == 0) return;
        AttributeStorage fork = new(home, inode);
        if (IsShort(inode)) ShortAttributes.List(fork, visit); else new AttributeTree(fork).List(visit);
    }

    /// <summary>Makes or replaces an attribute.</summary>
    /// <exception cref="XfsException">EEXIST, ENODATA: <paramref name="mode"/> asks for the opposite; E2BIG: the value is too long.</exception>
    /// <exception cref="XfsNoSpaceException">No room.</exception>
    public static void Set(Transaction tx, IAttributeHome home, Inode inode, in AttributeKey key, ReadOnlySpan<byte> value, AttributeMode mode = AttributeMode.Either)
    {
        if (value.Length > AttributeFormat.MaxValue) throw new XfsException(Errno.E2BIG, $"inode {inode.Number}: a value of {value.Length} bytes, at most {AttributeFormat.MaxValue} possible");
        if (mode != AttributeMode.Either && Exists(home, inode, key) != (mode == AttributeMode.Replace))
            throw mode == AttributeMode.Create ? new XfsException(Errno.EEXIST, $"inode {inode.Number} has that attribute already") : Missing(inode);

        AttributeStorage fork = new(home, inode);
        // Of a value too long for the inode the kernel counts the lowest byte of the length, and we put the fork where it does.
        if (inode.Core.ForkOffset == 0) AttributeFork.Create(tx, fork, AttributeFormat.ShortHeader + AttributeFormat.ShortEntry(key.Name.Length, (byte)value.Length));
        if (IsShort(inode))
        {
            if (ShortAttributes.TrySet(tx, fork, key, value)) return;
            ShortAttributes.BecomeTree(tx, fork);
        }
        new AttributeTree(fork).Set(tx, key, value);
        TryShrink(tx, fork);
    }

    /// <summary>Removes an attribute; false if there is none.</summary>
    public static bool Remove(Transaction tx, IAttributeHome home, Inode inode, in AttributeKey key)
    {
        if (inode.Core.ForkOffset == 0) return false;
        AttributeStorage fork = new(home, inode);
        if (!IsShort(inode))
        {
            if (!new AttributeTree(fork).Remove(tx, key)) return false;
            TryShrink(tx, fork);
            return true;
        }
        if (!ShortAttributes.Remove(tx, fork, key)) return false;
        if (new ShortReader(fork).Left == 0) AttributeFork.TryDrop(tx, inode);
        return true;
    }

    /// <summary>Removes an attribute, and what a crash left of it half made or half removed.</summary>
    public static void Erase(Transaction tx, IAttributeHome home, Inode inode, in AttributeKey key)
    {
        Remove(tx, home, inode, key);
        if (inode.Core.ForkOffset == 0 || IsShort(inode)) return;
        AttributeStorage fork = new(home, inode);
        while (new AttributeTree(fork).Remove(tx, key, incomplete: true)) { }
        TryShrink(tx, fork);
    }

    /// <summary>Goes back into the inode if one leaf is left and its entries fit there.</summary>
    private static void TryShrink(Transaction tx, AttributeStorage fork)
    {
        if (!new AttributeTree(fork).TryOnlyLeaf(out ReadOnlySpan<byte> leaf) || !ShortAttributes.TryFromLeaf(tx, fork, leaf)) return;
        if (new ShortReader(fork).Left == 0) AttributeFork.TryDrop(tx, fork.Inode);
    }

    /// <summary>ENODATA.</summary>
    public static XfsException Missing(Inode inode) => new(Errno.ENODATA, $"inode {inode.Number} has no such attribute");
}
