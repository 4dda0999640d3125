using System.Buffers.Binary;
using System.Text;
using ImageFs.Allocation;
using ImageFs.Attributes;
using ImageFs.Dax;
using ImageFs.Directories;
using ImageFs.Extents;
using ImageFs.Format;
using ImageFs.Inodes;
using ImageFs.Transactions;

using Directory = ImageFs.Directories.Directory;

namespace ImageFs.Names;

/// <summary>Create, link, unlink and rename: each is one transaction over directories, link counts and unlinked lists.</summary>
internal sealed class NameOperations(Volume volume)
{
    private Geometry Geometry => volume.Geometry;

    /// <summary>The directory behind an inode.</summary>
    /// <exception cref="XfsException">ENOTDIR.</exception>
    public DirectoryStorage Open(Inode inode) => volume.Directories.Open(inode);

    /// <summary>Makes an inode and names it.</summary>
    /// <param name="target">For symlinks: what it points to, 1..1023 bytes.</param>
    /// <exception cref="XfsException">EEXIST, ENOTDIR, EINVAL, ENAMETOOLONG, EPERM.</exception>
    public InodeNumber Create(Inode parent, byte[] name, NewInode made, byte[]? target = null)
    {
        CheckName(name);
        DirectoryStorage directory = ForNewName(parent, name);
        if (parent.Core.LinkCount == 0) throw new XfsException(Errno.ENOENT, $"the directory of '{Text(name)}' was removed");
        bool isDirectory = (made.Mode & FileMode16.TypeMask) == FileMode16.Directory;
        if (isDirectory) RequireRoomForLink(parent);
        return volume.Run(tx =>
        {
            Timestamp now = volume.Clock();
            Inode inode = Make(tx, parent, made, now);
            if (isDirectory) Directory.Initialize(tx, Open(inode), parent.Number);
            if (target is not null) WriteTarget(tx, inode, target);
            InodeAcls.Inherit(tx, volume, parent, inode);
            Directory.Add(tx, directory, name, inode.Number, DirectoryName.TypeOf(made.Mode));
            ParentPointers.Add(tx, volume, inode, parent, name);
            Touch(tx, parent, now, isDirectory ? 1 : 0);
            return inode.Number;
        });
    }

    /// <summary>A new inode without contents and names.</summary>
    private Inode Make(Transaction tx, Inode parent, in NewInode made, Timestamp now)
    {
        InodeNumber number = volume.InodeAllocator.Allocate(tx, parent.Number, (made.Mode & FileMode16.TypeMask) == FileMode16.Directory);
        Inode inode = volume.Inodes.GetRaw(number);
        if (inode.Core.Mode != 0) throw inode.Corrupt("is in use, but its chunk says it is free");
        InodeFactory.Initialise(tx, inode, parent, made, now);
        ParentPointers.Prepare(tx, volume, inode);
        return inode;
    }

    /// <summary>Another name for an inode.</summary>
    public void Link(Inode parent, byte[] name, Inode inode)
    {
        CheckName(name);
        DirectoryStorage directory = ForNewName(parent, name);
        RequireChangeable(inode, name);
        if (inode.IsDirectory) throw new XfsException(Errno.EPERM, "a directory has one name only");
        RequireRoomForLink(inode);
        RequireSameProject(inode, parent);
        volume.Run(tx =>
        {
            Timestamp now = volume.Clock();
            Directory.Add(tx, directory, name, inode.Number, DirectoryName.TypeOf(inode.Core.Mode));
            ParentPointers.Add(tx, volume, inode, parent, name);
            ChangeLinks(tx, inode, +1, now);
            Touch(tx, parent, now, 0);
        });
    }

    /// <summary>Removes a name; the inode goes with its last name, unless somebody has it open.</summary>
    /// <param name="directory">Remove an empty directory; otherwise anything but one.</param>
    /// <exception cref="XfsException">ENOENT, EISDIR, ENOTDIR, ENOTEMPTY, EPERM (immutable, append-only).</exception>
    public void Remove(Inode parent, byte[] name, bool directory)
    {
        DirectoryStorage names = Writable(parent);
        if (!Directory.TryLookup(names, name, out InodeNumber number, out _)) throw NotFound(name);
        if (name is [(byte)'.'] or [(byte)'.', (byte)'.']) throw new XfsException(Errno.EINVAL, "'.' and '..' cannot be removed");
        RequireMutable(parent);
        Inode inode = volume.Inodes.Get(number);
        RequireRemovable(parent, inode, name);
        if (inode.IsDirectory && !directory) throw new XfsException(Errno.EISDIR, $"'{Text(name)}' is a directory");
        if (!inode.IsDirectory && directory) throw new XfsException(Errno.ENOTDIR, $"'{Text(name)}' is no directory");
        if (directory) RequireEmpty(inode, name, Errno.ENOTEMPTY);
        bool waits = false;
        volume.Run(tx =>
        {
            Timestamp now = volume.Clock();
            Directory.Remove(tx, names, name, out _);
            waits = Unname(tx, inode, parent, name, now);
            Touch(tx, parent, now, directory ? -1 : 0);
        });
        if (waits) InactivateUnlessHeld(inode);
    }

    /// <summary>Gives an inode another name, in the same directory or another one.</summary>
    /// <exception cref="XfsException">
    /// In the order in which the kernel looks: ENOENT, EEXIST (NoReplace), EINVAL (into itself), ENOTEMPTY (over a directory on the way
    /// to it), EPERM, EISDIR, ENOTDIR, EMLINK, EXDEV (another project), EEXIST (a directory that is not empty).
    /// </exception>
    public void Rename(Inode from, byte[] name, Inode to, byte[] newName, RenameMode mode = RenameMode.Replace)
    {
        CheckName(newName);
        DirectoryStorage source = Writable(from), target = Writable(to);
        if (name is [(byte)'.'] or [(byte)'.', (byte)'.']) throw new XfsException(Errno.EINVAL, "'.' and '..' cannot be renamed");
        if (!Directory.TryLookup(source, name, out InodeNumber number, out _)) throw NotFound(name);
        Inode moved = volume.Inodes.Get(number);
        bool isDirectory = moved.IsDirectory, across = from.Number != to.Number;
        Inode? victim = null;
        if (Directory.TryLookup(target, newName, out InodeNumber there, out _))
        {
            if (mode == RenameMode.NoReplace) throw new XfsException(Errno.EEXIST, $"'{Text(newName)}' exists already");
            victim = volume.Inodes.Get(there);
        }
        else if (mode == RenameMode.Exchange) throw NotFound(newName);
        if (isDirectory && across) RequireOutside(moved, to, Errno.EINVAL);
        if (victim is { IsDirectory: true } && across) RequireOutside(victim, from, mode == RenameMode.Exchange ? Errno.EINVAL : Errno.ENOTEMPTY);
        if (victim is not null && there == number) return;
        RequireMutable(from);
        RequireRemovable(from, moved, name);
        RequireMutable(to);
        if (victim is not null)
        {
            RequireRemovable(to, victim, newName);
            if (mode != RenameMode.Exchange)
            {
                if (victim.IsDirectory && !isDirectory) throw new XfsException(Errno.EISDIR, $"'{Text(newName)}' is a directory");
                if (!victim.IsDirectory && isDirectory) throw new XfsException(Errno.ENOTDIR, $"'{Text(newName)}' is no directory");
            }
        }
        if (across && isDirectory && victim is not { IsDirectory: true }) RequireRoomForLink(to);
        if (across && mode == RenameMode.Exchange && victim!.IsDirectory && !isDirectory) RequireRoomForLink(from);
        RequireSameProject(moved, to);
        if (mode == RenameMode.Exchange)
        {
            Exchange(from, name, moved, to, newName, victim!);
            return;
        }
        if (victim is not null && isDirectory) RequireEmpty(victim, newName, Errno.EEXIST);
        bool waits = false;
        volume.Run(tx =>
        {
            Timestamp now = volume.Clock();
            DirectoryFileType type = DirectoryName.TypeOf(moved.Core.Mode);
            if (victim is null) Directory.Add(tx, target, newName, number, type);
            else
            {
                Directory.Replace(tx, target, newName, number, type);
                waits = Unname(tx, victim, to, newName, now);
            }
            ParentPointers.Move(tx, volume, moved, from, name, to, newName);
            if (mode == RenameMode.Whiteout)
            {
                // What overlays understand as "deleted here": a character device 0:0 under the old name. The kernel makes it in the
                // target's directory, whose group and project it gets therefore.
                Inode whiteout = Make(tx, to, new NewInode(FileMode16.CharDevice, 0, 0), now);
                Directory.Replace(tx, source, name, whiteout.Number, DirectoryFileType.CharDevice);
                ParentPointers.Add(tx, volume, whiteout, from, name);
            }
            else
                Directory.Remove(tx, source, name, out _);
            if (isDirectory && across) Directory.Replace(tx, Open(moved), ".."u8, to.Number, DirectoryFileType.Directory);
            Changed(tx, moved, now);
            // A directory that moves takes its ".." along; one that is replaced takes its own away.
            if (across)
            {
                Touch(tx, from, now, isDirectory ? -1 : 0);
                Touch(tx, to, now, (isDirectory ? 1 : 0) - (isDirectory && victim is not null ? 1 : 0));
            }
            else
                Touch(tx, from, now, isDirectory && victim is not null ? -1 : 0);
        });
        if (waits) InactivateUnlessHeld(victim!);
    }

    /// <summary>Two names change places; neither inode loses a link.</summary>
    private void Exchange(Inode from, byte[] name, Inode moved, Inode to, byte[] newName, Inode other)
    {
        bool across = from.Number != to.Number;
        volume.Run(tx =>
        {
            Timestamp now = volume.Clock();
            Directory.Replace(tx, Open(to), newName, moved.Number, DirectoryName.TypeOf(moved.Core.Mode));
            Directory.Replace(tx, Open(from), name, other.Number, DirectoryName.TypeOf(other.Core.Mode));
            ParentPointers.Move(tx, volume, moved, from, name, to, newName);
            ParentPointers.Move(tx, volume, other, to, newName, from, name);
            int fromLinks = 0;
            if (across && moved.IsDirectory)
            {
                Directory.Replace(tx, Open(moved), ".."u8, to.Number, DirectoryFileType.Directory);
                fromLinks--;
            }
            if (across && other.IsDirectory)
            {
                Directory.Replace(tx, Open(other), ".."u8, from.Number, DirectoryFileType.Directory);
                fromLinks++;
            }
            Changed(tx, moved, now);
            Changed(tx, other, now);
            Touch(tx, from, now, fromLinks);
            if (across) Touch(tx, to, now, -fromLinks);
        });
    }

    private static void Changed(Transaction tx, Inode inode, Timestamp now)
    {
        ref InodeCore core = ref inode.Modify(tx);
        core.ChangeTime = now.Encode(core.Has(InodeFlags2.BigTime));
        core.ChangeCount = core.ChangeCount + 1;
    }

    /// <summary>What a symlink points to.</summary>
    public byte[] ReadTarget(Inode inode)
    {
        if (!inode.Core.IsSymlink) throw new XfsException(Errno.EINVAL, $"inode {inode.Number} is no symlink");
        int size = (int)Math.Min(inode.Core.FileSize.Value, RemoteHeader.MaxSymlink + 1);
        if (size > RemoteHeader.MaxSymlink) throw inode.Corrupt($"a symlink of {inode.Core.FileSize} bytes");
        if (inode.Core.Format == ForkFormat.Local) return inode.Fork(ForkKind.Data)[..size].ToArray();
        byte[] target = new byte[size];
        int have = 0;
        if (Geometry.IsVersion4)
        {
            // Blocks without a header.
            for (FileBlock at = default; have < size; at += 1)
            {
                if (!volume.Map.TryFind(inode, ForkKind.Data, at, out Extent extent) || extent.Offset > at) throw inode.Corrupt($"its target is not mapped at file block {at}");
                int piece = Math.Min(size - have, Geometry.BlockSize);
                volume.Data.Read(Geometry.ByteOffset(extent.Start + (at - extent.Offset)), target.AsSpan(have, piece));
                have += piece;
            }
            return target;
        }
        for (FileBlock at = default; have < size;)
        {
            if (!volume.Map.TryFind(inode, ForkKind.Data, at, out Extent extent) || extent.Offset != at || extent.Length > 4)
                throw inode.Corrupt($"its target is not mapped at file block {at}");
            ReadOnlySpan<byte> block = volume.Cache.Read(Geometry.ByteOffset(extent.Start), (int)extent.Length * Geometry.BlockSize, BlockKind.Symlink).Data;
            ref readonly RemoteHeader header = ref RemoteHeader.At(block);
            int bytes = (int)header.Bytes.Value;
            if (header.Owner != inode.Number.Value || header.Offset != (uint)have || bytes == 0 || bytes > size - have)
                throw inode.Corrupt($"symlink block with owner {header.Owner}, offset {header.Offset}, {bytes} bytes");
            block.Slice(RemoteHeader.Size, bytes).CopyTo(target.AsSpan(have));
            have += bytes;
            at = extent.End;
        }
        return target;
    }

    private void WriteTarget(Transaction tx, Inode inode, byte[] target)
    {
        if (target.Length is 0 or > RemoteHeader.MaxSymlink) throw new XfsException(Errno.ENAMETOOLONG, $"a symlink target has 1..{RemoteHeader.MaxSymlink} bytes, not {target.Length}");
        inode.Modify(tx).FileSize = (ulong)target.Length;
        SymlinkTarget.Write(tx, volume.Groups, volume.Map, inode, target);
    }

    /// <summary>
    /// One name less; a directory loses its "." as well. Without names the inode goes onto an unlinked list, or at once if
    /// nobody has it open and it has no blocks.
    /// </summary>
    /// <returns>True if it is on an unlinked list now. Of one that went at once there may be nothing left to look at.</returns>
    private bool Unname(Transaction tx, Inode inode, Inode parent, byte[] name, Timestamp now)
    {
        ParentPointers.Remove(tx, volume, inode, parent, name);
        ChangeLinks(tx, inode, inode.IsDirectory ? -2 : -1, now);
        if (inode.Core.LinkCount != 0) return false;
        if (inode.Core.BlockCount == 0 && !volume.IsHeld(inode.Number))
        {
            InodeFactory.Clear(tx, inode);
            volume.InodeAllocator.Free(tx, inode.Number);
            return false;
        }
        volume.Unlinked.Add(tx, inode);
        return true;
    }

    private void InactivateUnlessHeld(Inode inode)
    {
        if (!volume.IsHeld(inode.Number)) volume.Inactivate(inode);
    }

    private static void ChangeLinks(Transaction tx, Inode inode, int change, Timestamp now)
    {
        ref InodeCore core = ref inode.Modify(tx);
        long links = (long)core.LinkCount.Value + change;
        if (links < 0) throw inode.Corrupt($"has {core.LinkCount} links, {-change} are taken away");
        core.LinkCount = (uint)links;
        core.ChangeTime = now.Encode(core.Has(InodeFlags2.BigTime));
        core.ChangeCount = core.ChangeCount + 1;
    }

    /// <summary>A directory's contents changed.</summary>
    private static void Touch(Transaction tx, Inode directory, Timestamp now, int links)
    {
        ref InodeCore core = ref directory.Modify(tx);
        core.ModifyTime = core.ChangeTime = now.Encode(core.Has(InodeFlags2.BigTime));
        core.ChangeCount = core.ChangeCount + 1;
        core.LinkCount = (uint)(core.LinkCount.Value + links);
    }

    /// <param name="errno">The kernel calls it EEXIST where XFS finds out, ENOTEMPTY elsewhere.</param>
    private void RequireEmpty(Inode inode, byte[] name, int errno)
    {
        if (!Directory.IsEmpty(Open(inode))) throw new XfsException(errno, $"directory '{Text(name)}' is not empty");
    }

    /// <summary>A directory cannot move into itself or below itself, nor be replaced by what is in it.</summary>
    private void RequireOutside(Inode moved, Inode into, int errno)
    {
        HashSet<ulong> seen = [];
        for (Inode at = into; ; at = volume.Inodes.Get(Directory.Parent(Open(at))))
        {
            if (at.Number == moved.Number) throw new XfsException(errno, "a directory cannot be moved into itself or replaced by what is in it");
            if (at.Number == volume.Root) return;
            if (!seen.Add(at.Number.Value)) throw at.Corrupt("its chain of '..' does not reach the root");
        }
    }

    private DirectoryStorage Writable(Inode parent)
    {
        volume.RequireWritable();
        return Open(parent);
    }

    /// <summary>Whether a name is there already is asked before whether it may be made.</summary>
    private DirectoryStorage ForNewName(Inode parent, byte[] name)
    {
        DirectoryStorage directory = Writable(parent);
        if (Directory.TryLookup(directory, name, out _, out _)) throw new XfsException(Errno.EEXIST, $"'{Text(name)}' exists already");
        RequireMutable(parent);
        return directory;
    }

    private static void RequireMutable(Inode directory)
    {
        if ((directory.Core.Flags & InodeFlags.Immutable) != 0) throw new XfsException(Errno.EPERM, $"directory {directory.Number} is immutable");
    }

    /// <remarks>XFS_MAXLINK.</remarks>
    private static void RequireRoomForLink(Inode inode)
    {
        if (inode.Core.LinkCount >= int.MaxValue) throw new XfsException(Errno.EMLINK, $"inode {inode.Number} has {inode.Core.LinkCount} links");
    }

    private static void RequireChangeable(Inode inode, byte[] name)
    {
        if ((inode.Core.Flags & (InodeFlags.Immutable | InodeFlags.Append)) != 0)
            throw new XfsException(Errno.EPERM, $"'{Text(name)}' is immutable or append-only");
    }

    /// <summary>From an append-only directory no name is taken away.</summary>
    private static void RequireRemovable(Inode parent, Inode inode, byte[] name)
    {
        if ((parent.Core.Flags & InodeFlags.Append) != 0) throw new XfsException(Errno.EPERM, $"directory {parent.Number} is append-only");
        RequireChangeable(inode, name);
    }

    /// <summary>
    /// Into a directory that hands down its project only what belongs to that project gets a name, or whoever counts its
    /// blocks would be deceived. Special files without a project, which nobody can give one, are let through.
    /// </summary>
    private static void RequireSameProject(Inode inode, Inode directory)
    {
        if ((directory.Core.Flags & InodeFlags.ProjectInherit) == 0 || directory.Core.ProjectId == inode.Core.ProjectId) return;
        bool special = inode.Core.Type is FileMode16.CharDevice or FileMode16.BlockDevice or FileMode16.Fifo or FileMode16.Socket;
        if (!special || inode.Core.ProjectId != 0)
            throw new XfsException(Errno.EXDEV, $"inode {inode.Number} belongs to project {inode.Core.ProjectId}, directory {directory.Number} to {directory.Core.ProjectId}");
    }

    private static void CheckName(byte[] name)
    {
        if (name.Length > DirectoryName.MaxLength) throw new XfsException(Errno.ENAMETOOLONG, $"a name has at most {DirectoryName.MaxLength} bytes, not {name.Length}");
        if (!DirectoryName.IsLegal(name) || name is [(byte)'.'] or [(byte)'.', (byte)'.'])
            throw new XfsException(Errno.EINVAL, $"'{Text(name)}' cannot be a name");
    }

    private static XfsException NotFound(byte[] name) => new(Errno.ENOENT, $"'{Text(name)}' does not exist");

    private static string Text(byte[] name) => Encoding.UTF8.GetString(name);
}
