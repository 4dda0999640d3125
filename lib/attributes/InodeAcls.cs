using ImageFs.Format;
using ImageFs.Inodes;
using ImageFs.Transactions;

namespace ImageFs.Attributes;

/// <summary>POSIX ACLs of inodes, kept together with their modes.</summary>
internal static class InodeAcls
{
    private static AttributeKey Key(bool isDefault) =>
        new(AttributeFlags.Root, isDefault ? AttributeFormat.DefaultAcl : AttributeFormat.AccessAcl);

    /// <summary>An inode's list; null if it has none.</summary>
    /// <exception cref="XfsException">EINVAL: what is there is no list (the kernel then gives that error too).</exception>
    public static PosixAcl? Get(IAttributeHome home, Inode inode, bool isDefault)
    {
        if (!ExtendedAttributes.TryGet(home, inode, Key(isDefault), out byte[] value)) return null;
        return PosixAcl.FromDisk(value) ?? throw inode.Corrupt($"a {(isDefault ? "default" : "access")} ACL of {value.Length} bytes that is none");
    }

    /// <summary>Sets or removes an inode's list. The mode shows an access list; one that the mode says completely is not stored.</summary>
    /// <exception cref="XfsException">EACCES: a default list belongs to a directory; EOPNOTSUPP: a symlink has none.</exception>
    public static void Set(Transaction tx, IAttributeHome home, Inode inode, bool isDefault, PosixAcl? acl)
    {
        if (inode.Core.IsSymlink) throw new XfsException(Errno.EOPNOTSUPP, $"inode {inode.Number}: a symlink has no ACL");
        if (isDefault && !inode.IsDirectory)
        {
            if (acl is null) return;
            throw new XfsException(Errno.EACCES, $"inode {inode.Number}: only a directory has a default ACL");
        }
        if (!isDefault && acl is not null)
        {
            ref InodeCore core = ref inode.Modify(tx);
            core.Mode = (ushort)(core.Mode & ~0b111_111_111 | acl.Mode);
            if (acl.IsMode) acl = null;
        }
        Store(tx, home, inode, isDefault, acl);
    }

    private static void Store(Transaction tx, IAttributeHome home, Inode inode, bool isDefault, PosixAcl? acl)
    {
        if (acl is null) ExtendedAttributes.Remove(tx, home, inode, Key(isDefault));
        else ExtendedAttributes.Set(tx, home, inode, Key(isDefault), acl.ToDisk());
    }

    /// <summary>The mode was changed: the access list, if there is one, follows.</summary>
    public static void FollowMode(Transaction tx, IAttributeHome home, Inode inode)
    {
        if (inode.Core.IsSymlink || Get(home, inode, isDefault: false) is not PosixAcl acl) return;
        Store(tx, home, inode, isDefault: false, acl.WithMode(inode.Core.Mode));
    }

    /// <summary>A new inode gets its lists from the default list of its directory, and its mode becomes no more than they allow.</summary>
    public static void Inherit(Transaction tx, IAttributeHome home, Inode parent, Inode made)
    {
        if (made.Core.IsSymlink || Get(home, parent, isDefault: true) is not PosixAcl given) return;
        ushort mode = made.Core.Mode;
        PosixAcl access = given.Inherit(ref mode);
        made.Modify(tx).Mode = mode;
        if (!made.IsDirectory && access.IsMode) return;
        if (made.Core.ForkOffset == 0) AttributeFork.Create(tx, new AttributeStorage(home, made), 0);
        if (made.IsDirectory) Store(tx, home, made, isDefault: true, given);
        if (!access.IsMode) Store(tx, home, made, isDefault: false, access);
    }
}
