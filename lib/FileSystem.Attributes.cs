using ImageFs.Attributes;
using ImageFs.Format;
using ImageFs.Inodes;

namespace ImageFs;

/// <summary>One extended attribute of a file.</summary>
public sealed class AttributeItem
{
    internal AttributeItem(byte[] name, long length)
    {
        NameBytes = name;
        Length = length;
    }

    /// <summary>The full name, "user.x", as text, see <see cref="NameText"/>.</summary>
    public string Name => NameText.FromBytes(NameBytes);

    /// <summary>The full name, 1..255 bytes and its prefix.</summary>
    public byte[] NameBytes { get; }

    /// <summary>Bytes of the value.</summary>
    public long Length { get; }

    /// <inheritdoc/>
    public override string ToString() => Name;
}

/// <content>
/// Extended attributes: user.*, trusted.*, security.* and the two POSIX ACLs, system.posix_acl_access and
/// system.posix_acl_default, in the form of getxattr(2).
/// </content>
public sealed partial class FileSystem
{
    /// <summary>The value of an extended attribute.</summary>
    /// <param name="name">With its prefix: "user.x".</param>
    /// <exception cref="XfsException">ENODATA: it does not exist; EOPNOTSUPP: no such namespace; ENOENT, ENOTDIR, ELOOP.</exception>
    public byte[] GetAttribute(string path, string name, bool followLink = true)
    {
        lock (Volume.Gate)
        {
            Inode inode = Resolve(path, followLink);
            return TryGetAttribute(inode, NameText.ToBytes(name), out byte[] value) ? value : throw new XfsException(Errno.ENODATA, $"'{path}' has no attribute {name}");
        }
    }

    /// <summary>The value of an extended attribute, or null if it does not exist.</summary>
    public byte[]? TryGetAttribute(string path, string name, bool followLink = true)
    {
        lock (Volume.Gate) return TryGetAttribute(Resolve(path, followLink), NameText.ToBytes(name), out byte[] value) ? value : null;
    }

    /// <summary>Names of the extended attributes. An ACL has two names, as in the kernel: trusted.SGI_ACL_* and system.posix_acl_*.</summary>
    public IReadOnlyList<AttributeItem> ListAttributes(string path, bool followLink = true)
    {
        lock (Volume.Gate) return ListAttributes(Resolve(path, followLink));
    }

    /// <summary>Makes or replaces an extended attribute, atomically.</summary>
    /// <param name="name">With its prefix, at most 255 bytes.</param>
    /// <param name="value">At most 65536 bytes.</param>
    /// <exception cref="XfsException">
    /// EEXIST, ENODATA: <paramref name="mode"/> asks for the opposite; ERANGE: the name is too long; E2BIG: the value is;
    /// EOPNOTSUPP: no such namespace; EPERM: the file is immutable, or neither file nor directory and the name is user.*;
    /// EINVAL: no valid ACL; EACCES: a default ACL on a file; EROFS.
    /// </exception>
    /// <exception cref="XfsNoSpaceException">No room; nothing has changed.</exception>
    public void SetAttribute(string path, string name, ReadOnlySpan<byte> value, AttributeMode mode = AttributeMode.Either, bool followLink = true)
    {
        lock (Volume.Gate) SetAttribute(Resolve(path, followLink), NameText.ToBytes(name), value.ToArray(), mode);
    }

    /// <summary>Removes an extended attribute.</summary>
    /// <exception cref="XfsException">ENODATA: there is none; otherwise as <see cref="SetAttribute(string, string, ReadOnlySpan{byte}, AttributeMode, bool)"/>.</exception>
    public void RemoveAttribute(string path, string name, bool followLink = true)
    {
        lock (Volume.Gate) RemoveAttribute(Resolve(path, followLink), NameText.ToBytes(name));
    }

    /// <summary>The access ACL of a file or the default ACL of a directory; null if the mode says everything.</summary>
    public PosixAcl? GetAcl(string path, bool isDefault = false)
    {
        lock (Volume.Gate) return InodeAcls.Get(Volume, Resolve(path, followLink: true), isDefault);
    }

    /// <summary>Sets an ACL, or removes it (null). The mode follows an access ACL.</summary>
    public void SetAcl(string path, PosixAcl? acl, bool isDefault = false)
    {
        lock (Volume.Gate) SetAcl(Resolve(path, followLink: true), isDefault, acl);
    }

    internal bool TryGetAttribute(Inode inode, byte[] name, out byte[] value)
    {
        AttributeKey key = AttributeName.Parse(name, out bool isAcl);
        value = [];
        if (isAcl)
        {
            if (inode.Core.IsSymlink) throw new XfsException(Errno.EOPNOTSUPP, $"inode {inode.Number}: a symlink has no ACL");
            PosixAcl? acl = InodeAcls.Get(Volume, inode, IsDefaultAcl(key));
            value = acl?.ToBytes() ?? [];
            return acl is not null;
        }
        return MayHave(inode, key.Space) && ExtendedAttributes.TryGet(Volume, inode, key, out value);
    }

    internal List<AttributeItem> ListAttributes(Inode inode)
    {
        List<AttributeItem> items = [];
        ExtendedAttributes.List(Volume, inode, (space, name, length) =>
        {
            if (AttributeName.Full(space, name) is not byte[] full) return true;
            if (space == AttributeFlags.Root && !inode.Core.IsSymlink)
            {
                bool access = name.SequenceEqual(AttributeFormat.AccessAcl), isDefault = name.SequenceEqual(AttributeFormat.DefaultAcl);
                if (access || isDefault) items.Add(new AttributeItem((access ? AttributeName.AccessAcl : AttributeName.DefaultAcl).ToArray(), PosixAcl.CallLength(length)));
            }
            items.Add(new AttributeItem(full, length));
            return true;
        });
        return items;
    }

    internal void SetAttribute(Inode inode, byte[] name, byte[] value, AttributeMode mode)
    {
        AttributeKey key = AttributeName.Parse(name, out bool isAcl);
        if (value.Length > AttributeFormat.MaxValue) throw new XfsException(Errno.E2BIG, $"a value of {value.Length} bytes, at most {AttributeFormat.MaxValue} possible");
        if (isAcl)
        {
            // The mode does not matter here, and it does not in the kernel.
            SetAcl(inode, IsDefaultAcl(key), PosixAcl.Parse(value));
            return;
        }
        RequireChangeable(inode, key.Space);
        if (Volume.Find(inode.Number) is OpenInode open) open.HasNoCapability = false;
        Volume.Run(tx =>
        {
            ExtendedAttributes.Set(tx, Volume, inode, AttributeName.Parse(name, out _), value, mode);
            StampChange(tx, inode);
        });
    }

    internal void RemoveAttribute(Inode inode, byte[] name)
    {
        AttributeKey key = AttributeName.Parse(name, out bool isAcl);
        if (isAcl)
        {
            SetAcl(inode, IsDefaultAcl(key), null);
            return;
        }
        RequireChangeable(inode, key.Space);
        if (!ExtendedAttributes.Exists(Volume, inode, key)) throw ExtendedAttributes.Missing(inode);
        Volume.Run(tx =>
        {
            ExtendedAttributes.Remove(tx, Volume, inode, AttributeName.Parse(name, out _));
            StampChange(tx, inode);
        });
    }

    private void SetAcl(Inode inode, bool isDefault, PosixAcl? acl)
    {
        RequireChangeable(inode, AttributeFlags.Root);
        Volume.Run(tx =>
        {
            InodeAcls.Set(tx, Volume, inode, isDefault, acl);
            StampChange(tx, inode);
        });
    }

    private static AttributeKey Capability => new(AttributeFlags.Secure, "capability"u8);

    /// <summary>True if a file may be overwritten without taking capabilities away first.</summary>
    internal bool HasNoCapability(OpenInode file)
    {
        if (file.HasNoCapability) return true;
        lock (Volume.Gate)
        {
            if (file.Inode.Core.ForkOffset != 0 && ExtendedAttributes.Exists(Volume, file.Inode, Capability)) return false;
            return file.HasNoCapability = true;
        }
    }

    /// <summary>Takes a file's capabilities away: its contents or its owner change.</summary>
    internal void DropCapability(Inode inode)
    {
        if (inode.Core.ForkOffset == 0 || !ExtendedAttributes.Exists(Volume, inode, Capability)) return;
        Volume.Run(tx =>
        {
            ExtendedAttributes.Remove(tx, Volume, inode, Capability);
            StampChange(tx, inode);
        });
    }

    private static bool IsDefaultAcl(in AttributeKey key) => key.Name.SequenceEqual(AttributeFormat.DefaultAcl);

    /// <summary>Only files and directories have user.* attributes; on others anybody could fill the disk with them.</summary>
    private static bool MayHave(Inode inode, AttributeFlags space) => space != AttributeFlags.User || inode.IsRegular || inode.IsDirectory;

    private void RequireChangeable(Inode inode, AttributeFlags space)
    {
        Volume.RequireWritable();
        if ((inode.Core.Flags & (InodeFlags.Immutable | InodeFlags.Append)) != 0) throw new XfsException(Errno.EPERM, $"inode {inode.Number} is immutable or append-only");
        if (!MayHave(inode, space)) throw new XfsException(Errno.EPERM, $"inode {inode.Number} is neither file nor directory: it has no user.* attributes");
    }

    private void StampChange(Transactions.Transaction tx, Inode inode)
    {
        ref InodeCore core = ref inode.Modify(tx);
        core.ChangeTime = Volume.Clock().Encode(core.Has(InodeFlags2.BigTime));
        core.ChangeCount = core.ChangeCount + 1;
    }
}
