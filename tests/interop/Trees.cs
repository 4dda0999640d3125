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
    /// <param name="copied">How far it got.</param>
    int Copy(string from, long fromOffset, string to, long offset, long length, out long copied);
    int Exchange(string first, long firstOffset, string second, long offset, long length, ExchangeOptions options);
    int Fallocate(string path, FallocateMode mode, long offset, long length);
    /// <summary>What was done to this file gets to the disk, and what was done before.</summary>
    int Flush(string path);
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

    /// <summary>A letter for each block of a file, see <see cref="Ranges.Picture"/>.</summary>
    string Picture(string path, int blockSize);
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

    public int Copy(string from, long fromOffset, string to, long offset, long length, out long copied)
    {
        long done = 0;
        int error = Run(() =>
        {
            using XfsFile source = fs.OpenFile(from), target = fs.OpenFile(to, write: true);
            done = target.CopyRange(source, fromOffset, offset, length);
        });
        copied = done;
        return error;
    }

    public int Exchange(string first, long firstOffset, string second, long offset, long length, ExchangeOptions options) => Run(() =>
    {
        using XfsFile one = fs.OpenFile(first, write: true), two = fs.OpenFile(second, write: true);
        two.ExchangeRange(one, firstOffset, offset, length, options);
    });

    public int Fallocate(string path, FallocateMode mode, long offset, long length) => Change(path, file => file.Fallocate(mode, offset, length));

    public int Flush(string path) => Run(() =>
    {
        using XfsFile file = fs.OpenFile(path);
        file.Flush();
    });

    public int SetMode(string path, ushort mode) => Run(() => fs.SetAttributes(path, mode: mode));
    public int SetOwner(string path, uint uid, uint gid) => Run(() => fs.SetAttributes(path, uid: uid, gid: gid, followLink: false));
    public int SetTimes(string path, Timestamp accessed, Timestamp modified) => Run(() => fs.SetAttributes(path, accessed: accessed, modified: modified, followLink: false));
    public int SetAttribute(string path, string name, byte[] value, AttributeMode mode) => Run(() => fs.SetAttribute(path, name, value, mode, followLink: false));
    public int RemoveAttribute(string path, string name) => Run(() => fs.RemoveAttribute(path, name, followLink: false));
    public int SetFlags(string path, InodeFlags set, InodeFlags clear, bool? dax, uint? project) => Run(() => fs.SetFlags(path, set, clear, dax, project));
    public int SetExtentSize(string path, uint bytes) => Run(() => fs.SetExtentSize(path, bytes));
    public int SetCowExtentSize(string path, uint bytes) => Run(() => fs.SetCowExtentSize(path, bytes));

    public KernelCalls.FileFlags Flags(string path)
    {
        Entry entry = fs.GetEntry(path);
        Inodes.Inode inode = fs.Inode(entry.Inode);
        bool sized = (entry.Flags & (InodeFlags.ExtentSize | InodeFlags.ExtentSizeInherit)) != 0, cow = (entry.Flags2 & InodeFlags2.CowExtentSize) != 0;
        uint flags = (uint)entry.Flags | ((entry.Flags2 & InodeFlags2.Dax) != 0 ? KernelCalls.Dax : 0) | (cow ? KernelCalls.CowExtentSize : 0);
        return new(flags, sized ? inode.Core.ExtentSizeHint << fs.Geometry.BlockLog : 0, entry.ProjectId, cow ? inode.Core.CowExtentSizeHint << fs.Geometry.BlockLog : 0);
    }

    public string Picture(string path, int blockSize)
    {
        using XfsFile file = fs.OpenFile(path);
        return Ranges.Picture(file.Length, blockSize, Ranges.Mappings(file));
    }

    /// <summary>As <see cref="KernelCalls.Seeks"/> tells it.</summary>
    public long[] Seeks(string path)
    {
        using XfsFile file = fs.OpenFile(path);
        List<long> places = [];
        for (long at = 0; (at = places.Count % 2 == 0 ? file.SeekData(at) : file.SeekHole(at)) >= 0;) places.Add(at);
        return [.. places];
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
    public int Copy(string from, long fromOffset, string to, long offset, long length, out long copied) =>
        KernelCalls.CopyRange(At(from), fromOffset, At(to), offset, length, out copied);
    public int Exchange(string first, long firstOffset, string second, long offset, long length, ExchangeOptions options) =>
        KernelCalls.Exchange(At(first), firstOffset, At(second), offset, length, (ulong)options);
    public int Fallocate(string path, FallocateMode mode, long offset, long length) => KernelCalls.Allocate(At(path), (int)mode, offset, length);
    public int Flush(string path) => KernelCalls.Flush(At(path));
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

    public string Picture(string path, int blockSize) => Ranges.Picture((long)Posix.Stat(Posix.Bytes(At(path))).Size, blockSize, Posix.Mappings(Posix.Bytes(At(path))));

    private string At(string path) => mount[path];
}
