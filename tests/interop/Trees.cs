using ImageFs.Attributes;
using ImageFs.Dax;
using ImageFs.Format;
using ImageFs.Tests.Fixtures;

namespace ImageFs.Tests.Interop;

/// <summary>What a workload can do to a tree; implemented by the library and by a kernel mount. Every call gives an error number, 0 for success.</summary>
internal interface ITree
{
    int CreateFile(string path, ushort mode);
    int CreateDirectory(string path, ushort mode);
    /// <param name="mode">With the type: a device, a fifo or a socket.</param>
    int CreateNode(string path, ushort mode, uint major, uint minor);
    int CreateSymlink(string path, string target);
    int Link(string existing, string path);
    int Unlink(string path);
    int RemoveDirectory(string path);
    int Rename(string from, string to, RenameMode mode);
    int Write(string path, long offset, byte[] data);
    int Truncate(string path, long length);
    /// <param name="length">0 for all that follows.</param>
    int Clone(string from, long fromOffset, string to, long offset, long length);
    int Dedupe(string from, long fromOffset, string to, long offset, long length, out bool same);
    int SetMode(string path, ushort mode);
    int SetOwner(string path, uint uid, uint gid);
    int SetTimes(string path, Timestamp accessed, Timestamp modified);
    int SetAttribute(string path, string name, byte[] value, AttributeMode mode);
    int RemoveAttribute(string path, string name);
    int SetFlags(string path, InodeFlags set, InodeFlags clear, bool? dax = null, uint? project = null);
    int SetExtentSize(string path, uint bytes);
    int SetCowExtentSize(string path, uint bytes);

    /// <summary>Flags, project and hints of a file or directory, in the kernel's numbers.</summary>
    KernelCalls.FileFlags Flags(string path);
}

/// <summary>The library as a tree.</summary>
internal sealed class LibraryTree(FileSystem fs) : ITree
{
    public int CreateFile(string path, ushort mode) => Run(() => fs.CreateFile(path, mode, mustBeNew: true).Dispose());
    public int CreateDirectory(string path, ushort mode) => Run(() => fs.CreateDirectory(path, mode));
    public int CreateNode(string path, ushort mode, uint major, uint minor) =>
        Run(() => fs.CreateNode(path, (ushort)(mode & FileMode16.TypeMask), (ushort)(mode & FileMode16.PermissionMask), major, minor));
    public int CreateSymlink(string path, string target) => Run(() => fs.CreateSymbolicLink(path, target));
    public int Link(string existing, string path) => Run(() => fs.CreateHardLink(path, existing));
    public int Unlink(string path) => Run(() => fs.DeleteFile(path));
    public int RemoveDirectory(string path) => Run(() => fs.DeleteDirectory(path));
    public int Rename(string from, string to, RenameMode mode) => Run(() => fs.Rename(from, to, mode));
    public int Write(string path, long offset, byte[] data) => Change(path, file => file.Write(offset, data));
    public int Truncate(string path, long length) => Change(path, file => file.SetLength(length));

    public int Clone(string from, long fromOffset, string to, long offset, long length) => Run(() =>
    {
        using XfsFile source = fs.OpenFile(from), target = fs.OpenFile(to, write: true);
        target.CloneRange(source, fromOffset, offset, length);
    });

    public int Dedupe(string from, long fromOffset, string to, long offset, long length, out bool same)
    {
        bool equal = false;
        int error = Run(() =>
        {
            using XfsFile source = fs.OpenFile(from), target = fs.OpenFile(to, write: true);
            equal = target.DedupeRange(source, fromOffset, offset, length).Status == DedupeStatus.Same;
        });
        same = equal;
        return error;
    }

    public int SetMode(string path, ushort mode) => Run(() => fs.SetAttributes(path, mode: mode));
    public int SetOwner(string path, uint uid, uint gid) => Run(() => fs.SetAttributes(path, uid: uid, gid: gid, followLink: false));
    public int SetTimes(string path, Timestamp accessed, Timestamp modified) => Run(() => fs.SetAttributes(path, accessed: accessed, modified: modified, followLink: false));
    public int SetAttribute(string path, string name, byte[] value, AttributeMode mode) => Run(() => fs.SetAttribute(path, name, value, mode, followLink: false));
    public int RemoveAttribute(string path, string name) => Run(() => fs.RemoveAttribute(path, name, followLink: false));
    public int SetFlags(string path, InodeFlags set, InodeFlags clear, bool? dax, uint? project) => Run(() => fs.SetFlags(path, set, clear, dax, project));
    public int SetExtentSize(string path, uint bytes) => Run(() => fs.SetExtentSize(path, bytes));
    public int SetCowExtentSize(string path, uint bytes) => Change(path, file => file.CowExtentSize = bytes);

    public KernelCalls.FileFlags Flags(string path)
    {
        Entry entry = fs.GetEntry(path);
        Inodes.Inode inode = fs.Inode(entry.Inode);
        bool sized = (entry.Flags & (InodeFlags.ExtentSize | InodeFlags.ExtentSizeInherit)) != 0, cow = (entry.Flags2 & InodeFlags2.CowExtentSize) != 0;
        uint flags = (uint)entry.Flags | ((entry.Flags2 & InodeFlags2.Dax) != 0 ? KernelCalls.Dax : 0) | (cow ? KernelCalls.CowExtentSize : 0);
        return new(flags, sized ? inode.Core.ExtentSizeHint << fs.Geometry.BlockLog : 0, entry.ProjectId, cow ? inode.Core.CowExtentSizeHint << fs.Geometry.BlockLog : 0);
    }

    private int Change(string path, Action<XfsFile> work) => Run(() =>
    {
        using XfsFile file = fs.OpenFile(path, write: true);
        work(file);
    });

    private static int Run(Action action)
    {
        try
        {
            action();
            return 0;
        }
        catch (XfsException why) when (why is not (CorruptionException or XfsShutdownException or XfsNoSpaceException))
        {
            return why.Errno;
        }
    }
}

/// <summary>A kernel mount as a tree.</summary>
internal sealed class KernelTree(KernelMount mount) : ITree
{
    public int CreateFile(string path, ushort mode) => KernelCalls.CreateFile(At(path), mode);
    public int CreateDirectory(string path, ushort mode) => KernelCalls.CreateDirectory(At(path), mode);
    public int CreateNode(string path, ushort mode, uint major, uint minor) => KernelCalls.CreateNode(At(path), mode, major, minor);
    public int CreateSymlink(string path, string target) => KernelCalls.CreateSymlink(At(path), target);
    public int Link(string existing, string path) => KernelCalls.Link(At(existing), At(path));
    public int Unlink(string path) => KernelCalls.Unlink(At(path));
    public int RemoveDirectory(string path) => KernelCalls.RemoveDirectory(At(path));

    public int Rename(string from, string to, RenameMode mode) => KernelCalls.Rename(At(from), At(to), mode switch
    {
        RenameMode.NoReplace => 1,
        RenameMode.Exchange => 2,
        RenameMode.Whiteout => 4,
        _ => 0,
    });

    public int Write(string path, long offset, byte[] data) => KernelCalls.Write(At(path), offset, data);
    public int Truncate(string path, long length) => KernelCalls.Truncate(At(path), length);
    public int Clone(string from, long fromOffset, string to, long offset, long length) => KernelCalls.CloneRange(At(from), fromOffset, At(to), offset, length);
    public int Dedupe(string from, long fromOffset, string to, long offset, long length, out bool same) =>
        KernelCalls.Dedupe(At(from), fromOffset, At(to), offset, length, out same);
    public int SetMode(string path, ushort mode) => KernelCalls.SetMode(At(path), mode);
    public int SetOwner(string path, uint uid, uint gid) => KernelCalls.SetOwner(At(path), uid, gid);
    public int SetTimes(string path, Timestamp accessed, Timestamp modified) => KernelCalls.SetTimes(At(path), accessed, modified);
    public int SetAttribute(string path, string name, byte[] value, AttributeMode mode) => Posix.SetAttribute(Posix.Bytes(At(path)), Posix.Bytes(name), value, (int)mode);
    public int RemoveAttribute(string path, string name) => Posix.RemoveAttribute(Posix.Bytes(At(path)), Posix.Bytes(name));

    public int SetFlags(string path, InodeFlags set, InodeFlags clear, bool? dax, uint? project) => KernelCalls.SetFlags(At(path), now => now with
    {
        Flags = (now.Flags & ~((uint)clear | (dax == false ? KernelCalls.Dax : 0))) | (uint)set | (dax == true ? KernelCalls.Dax : 0),
        Project = project ?? now.Project,
    });

    public int SetExtentSize(string path, uint bytes)
    {
        uint flag = Directory.Exists(At(path)) ? KernelCalls.ExtentSizeInherit : KernelCalls.ExtentSize;
        return KernelCalls.SetFlags(At(path), now => now with { Flags = bytes > 0 ? now.Flags | flag : now.Flags & ~flag, ExtentBytes = bytes });
    }

    public int SetCowExtentSize(string path, uint bytes) => KernelCalls.SetFlags(At(path), now => now with
    {
        Flags = bytes > 0 ? now.Flags | KernelCalls.CowExtentSize : now.Flags & ~KernelCalls.CowExtentSize,
        CowExtentBytes = bytes,
    });

    public KernelCalls.FileFlags Flags(string path)
    {
        KernelCalls.FileFlags flags = KernelCalls.Flags(At(path));
        return flags with { Flags = flags.Flags & ~KernelCalls.HasAttributes };
    }

    private string At(string path) => mount[path];
}
