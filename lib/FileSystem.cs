using System.Diagnostics.CodeAnalysis;
using ImageFs.Attributes;
using ImageFs.Dax;
using ImageFs.Devices;
using ImageFs.Directories;
using ImageFs.Format;
using ImageFs.Inodes;
using ImageFs.Names;

using Directory = ImageFs.Directories.Directory;

namespace ImageFs;

/// <summary>
/// An XFS image, opened in process. Paths are absolute inside the image and separated by '/'; "." and ".." and symlinks on the
/// way are followed. Names are UTF-8, or any other bytes in the form <see cref="NameText"/> gives them. Safe for use by several threads.
/// </summary>
/// <remarks>
/// Every call is atomic against power cuts as far as names and mappings go, and durable after <see cref="Flush"/>,
/// <see cref="XfsFile.Flush"/> or <see cref="Dispose"/>. Errors are <see cref="XfsException"/> with the errno the kernel
/// would give; a contradiction in the image is a <see cref="CorruptionException"/>.
/// </remarks>
public sealed partial class FileSystem : IDisposable
{
    private readonly NameOperations _names;

    private FileSystem(Volume volume)
    {
        Volume = volume;
        _names = new NameOperations(volume);
        Files = new FileData(volume);
        Remapper = new Remapper(volume, Files, DropCapability);
        AtomicWrites = new AtomicWrites(volume, Files);
        Space = new SpaceOperations(volume, Files, DropCapability);
        Exchanger = new Exchanger(volume, Files);
    }

    internal Volume Volume { get; }
    internal FileData Files { get; }
    internal Remapper Remapper { get; }
    internal SpaceOperations Space { get; }
    internal Exchanger Exchanger { get; }

    /// <summary>Opens an image file. A dirty log is replayed: onto the image when opened for writing, into memory otherwise.</summary>
    /// <param name="path">The image.</param>
    /// <param name="write">Open for writing: takes an exclusive lock.</param>
    /// <exception cref="XfsBusyException">Another process, or the kernel, is using the image.</exception>
    /// <exception cref="CorruptionException">Not an XFS image, or damaged.</exception>
    /// <exception cref="XfsUnsupportedException">A feature is refused, by name.</exception>
    public static FileSystem Open(string path, bool write = false) => Open(path, new OpenOptions { Write = write });

    /// <summary>Opens an image file.</summary>
    /// <inheritdoc cref="Open(string, bool)"/>
    public static FileSystem Open(string path, OpenOptions options)
    {
        FileDevice file = FileDevice.Open(path, options.Write ? DeviceAccess.Write : DeviceAccess.Read);
        BlockDevice device = file;
        try
        {
            try
            {
                if (options.DirectAccess != DirectAccess.Never) device = MappedDevice.Map(file);
            }
            catch (XfsUnsupportedException)
            {
                // Copying works everywhere.
            }
            return Open(device, options, leaveOpen: false);
        }
        catch
        {
            device.Dispose();
            throw;
        }
    }

    /// <summary>Opens what lies on a device.</summary>
    /// <param name="leaveOpen">The device stays the caller's to dispose.</param>
    /// <remarks>On a <see cref="MappedDevice"/> all files are accessed directly; ask for something else with <see cref="OpenOptions"/>.</remarks>
    public static FileSystem Open(BlockDevice device, bool write = false, bool leaveOpen = false) =>
        Open(device, new OpenOptions { Write = write, DirectAccess = device is MappedDevice ? DirectAccess.Always : DirectAccess.Never }, leaveOpen);

    /// <summary>Opens what lies on a device.</summary>
    /// <inheritdoc cref="Open(BlockDevice, bool, bool)"/>
    public static FileSystem Open(BlockDevice device, OpenOptions options, bool leaveOpen = false) =>
        new(Volume.Mount(device, options.Write, !leaveOpen, options.DirectAccess, options.CacheBytes));

    /// <summary>Sizes and places of the image.</summary>
    public Geometry Geometry => Volume.Geometry;

    /// <summary>True if nothing can be changed.</summary>
    public bool IsReadOnly => !Volume.IsWritable;

    /// <summary>Why <see cref="IsReadOnly"/>; empty if it was asked for.</summary>
    public string ReadOnlyReason => Volume.ReadOnlyReason;

    /// <summary>True if the log was dirty and has been replayed.</summary>
    public bool WasRecovered => !Volume.Recovery.WasClean;

    /// <summary>Source of times given to changed inodes; the system's clock unless set.</summary>
    public Func<Timestamp> Clock
    {
        get => Volume.Clock;
        set => Volume.Clock = value;
    }

    /// <summary>Owner of what is created from now on; 0 (root) unless set.</summary>
    public (uint Uid, uint Gid) Owner { get; set; }

    /// <summary>Blocks and inodes, used and free.</summary>
    public FileSystemStatistics Statistics
    {
        get
        {
            lock (Volume.Gate)
            {
                Volume.RequireOpen();
                (ulong free, ulong inodes, ulong freeInodes) = Volume.Count();
                ulong hidden = Volume.HiddenFromStatfs();
                ulong available = free > hidden ? free - hidden : 0;
                // Every free block could become inodes, up to the share of the device that inodes may take.
                ulong files = inodes + (available << Geometry.InodesPerBlockLog);
                byte percent = Geometry.Superblock.InodeMaxPercent;
                if (percent > 0) files = Math.Min(files, Geometry.MaxInodes);
                files = Math.Max(files, inodes);
                return new(Geometry.BlockSize, Geometry.DataBlocks - Geometry.LogBlocks, free, inodes, freeInodes,
                    available, files, files - (inodes - freeInodes));
            }
        }
    }

    /// <summary>What is known of a path; symlinks at its end are followed only if asked for.</summary>
    /// <exception cref="XfsException">ENOENT, ENOTDIR, ELOOP.</exception>
    public Entry GetEntry(string path, bool followLink = false)
    {
        lock (Volume.Gate) return Describe(Resolve(path, followLink));
    }

    /// <summary>What is known of a path, or null if it does not exist.</summary>
    public Entry? TryGetEntry(string path, bool followLink = false)
    {
        lock (Volume.Gate) return TryResolve(path, followLink, out Inode? inode, out _) ? Describe(inode) : null;
    }

    /// <summary>True if the path exists; a symlink exists even if its target does not.</summary>
    public bool Exists(string path)
    {
        lock (Volume.Gate) return TryResolve(path, followLink: false, out _, out _);
    }

    /// <summary>The names in a directory, "." and ".." left out.</summary>
    public IReadOnlyList<DirectoryItem> List(string path)
    {
        lock (Volume.Gate) return List(Resolve(path, followLink: true));
    }

    private List<DirectoryItem> List(Inode directory)
    {
        Volume.Cache.Trim();
        List<DirectoryItem> items = [];
        Directory.List(_names.Open(directory), 0, (ReadOnlySpan<byte> name, InodeNumber inode, DirectoryFileType type, long cookie) =>
        {
            if (!IsDots(name)) items.Add(new DirectoryItem(name.ToArray(), inode, type));
            return true;
        });
        // Without types in directories the inodes tell.
        if (!Geometry.HasFileType)
            for (int i = 0; i < items.Count; i++)
                items[i] = new DirectoryItem(items[i].NameBytes, items[i].Inode, DirectoryName.TypeOf(Volume.Inodes.Get(items[i].Inode).Core.Mode));
        return items;
    }

    /// <summary>Opens a regular file.</summary>
    /// <exception cref="XfsException">ENOENT, EISDIR, EINVAL (a device), EROFS, EPERM (to write: immutable or append-only).</exception>
    public XfsFile OpenFile(string path, bool write = false)
    {
        lock (Volume.Gate)
        {
            Inode inode = Resolve(path, followLink: true);
            if (inode.IsDirectory) throw new XfsException(Errno.EISDIR, $"'{path}' is a directory");
            if (!inode.IsRegular) throw new XfsException(Errno.EINVAL, $"'{path}' is no regular file");
            if (write)
            {
                Volume.RequireWritable();
                if ((inode.Core.Flags & (InodeFlags.Immutable | InodeFlags.Append)) != 0) throw new XfsException(Errno.EPERM, $"'{path}' is immutable or append-only");
            }
            RequireOnDataDevice(inode);
            return new XfsFile(this, Volume.Hold(inode.Number), write);
        }
    }

    /// <summary>What a file on the realtime device maps are blocks of that device.</summary>
    private static void RequireOnDataDevice(Inode inode)
    {
        if ((inode.Core.Flags & InodeFlags.Realtime) != 0) throw new XfsUnsupportedException($"inode {inode.Number} lies on the realtime device, which is not read");
    }

    /// <summary>Makes a regular file and opens it for writing; an existing one is emptied unless <paramref name="mustBeNew"/>.</summary>
    /// <param name="mode">Permission bits.</param>
    public XfsFile CreateFile(string path, ushort mode = 0b110_100_100, bool mustBeNew = false)
    {
        XfsFile file;
        lock (Volume.Gate)
        {
            Volume.RequireWritable();
            if (mustBeNew || !TryResolve(path, followLink: true, out _, out _))
            {
                InodeNumber number = Create(path, FileMode16.Regular, mode);
                return new XfsFile(this, Volume.Hold(number), canWrite: true);
            }
            file = OpenFile(path, write: true);
        }
        try
        {
            file.SetLength(0);
            return file;
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>Makes a directory; its parent must exist.</summary>
    public void CreateDirectory(string path, ushort mode = 0b111_101_101)
    {
        lock (Volume.Gate) Create(path, FileMode16.Directory, mode);
    }

    /// <summary>Makes a symlink.</summary>
    /// <param name="target">1..1023 bytes in the form of <see cref="NameText"/>; need not exist.</param>
    public void CreateSymbolicLink(string path, string target)
    {
        lock (Volume.Gate) Create(path, FileMode16.Symlink, 0b111_111_111, target: NameText.ToBytes(target));
    }

    /// <summary>Makes a device node, a fifo or a socket.</summary>
    /// <param name="type">One of <see cref="FileMode16"/>'s CharDevice, BlockDevice, Fifo, Socket.</param>
    /// <param name="major">0..511, devices only.</param>
    /// <param name="minor">0..262143, devices only.</param>
    /// <exception cref="XfsException">EINVAL: the numbers are larger.</exception>
    public void CreateNode(string path, ushort type, ushort mode, uint major = 0, uint minor = 0)
    {
        if (type is not (FileMode16.CharDevice or FileMode16.BlockDevice or FileMode16.Fifo or FileMode16.Socket))
            throw new ArgumentException("a node is a device, a fifo or a socket", nameof(type));
        bool device = type is FileMode16.CharDevice or FileMode16.BlockDevice;
        // 14 bits of major number have room in an inode; the kernel makes none with more than 9.
        if (device && (major > 0x1FF || minor > 0x3FFFF)) throw new XfsException(Errno.EINVAL, $"device {major}:{minor}: XFS has room for 511:262143");
        lock (Volume.Gate) Create(path, type, mode, device: device ? major << 18 | minor : 0);
    }

    /// <summary>Gives an existing file another name.</summary>
    public void CreateHardLink(string path, string existing)
    {
        lock (Volume.Gate)
        {
            (Inode parent, byte[] name) = ResolveParent(path);
            _names.Link(parent, name, Resolve(existing, followLink: false));
        }
    }

    /// <summary>Removes a name that is no directory; the file goes with its last name and its last open handle.</summary>
    public void DeleteFile(string path)
    {
        lock (Volume.Gate)
        {
            (Inode parent, byte[] name) = ResolveParent(path);
            _names.Remove(parent, name, directory: false);
        }
    }

    /// <summary>Removes a directory.</summary>
    /// <param name="recursive">With everything in it, name by name; otherwise it must be empty.</param>
    public void DeleteDirectory(string path, bool recursive = false)
    {
        lock (Volume.Gate)
        {
            if (recursive) Empty(Resolve(path, followLink: false));
            (Inode parent, byte[] name) = ResolveParent(path);
            _names.Remove(parent, name, directory: true);
        }
    }

    /// <summary>Removes what is in a directory. By inode and without recursion: a tree is as deep as it likes, and paths are as long as it is deep.</summary>
    private void Empty(Inode top)
    {
        Stack<(InodeNumber Parent, byte[] Name, InodeNumber Directory, bool IsEmpty)> stack = new([(default, [], top.Number, false)]);
        HashSet<InodeNumber> seen = [top.Number];
        while (stack.TryPop(out (InodeNumber Parent, byte[] Name, InodeNumber Directory, bool IsEmpty) at))
        {
            if (at.IsEmpty)
            {
                if (at.Directory != top.Number) _names.Remove(Volume.Inodes.Get(at.Parent), at.Name, directory: true);
                continue;
            }
            stack.Push(at with { IsEmpty = true });
            foreach (DirectoryItem item in List(Volume.Inodes.Get(at.Directory)))
            {
                if (item.Type != DirectoryFileType.Directory) _names.Remove(Volume.Inodes.Get(at.Directory), item.NameBytes, directory: false);
                else if (seen.Add(item.Inode)) stack.Push((at.Directory, item.NameBytes, item.Inode, false));
                else throw new CorruptionException("directory", $"inode {at.Directory}", $"inode {item.Inode} has another place in the tree already");
            }
        }
    }

    /// <summary>Gives a file or directory another name; whatever has that name is replaced, if it may be.</summary>
    /// <param name="mode">What happens to names that are there already.</param>
    public void Rename(string from, string to, RenameMode mode = RenameMode.Replace)
    {
        lock (Volume.Gate)
        {
            (Inode source, byte[] name) = ResolveParent(from);
            (Inode target, byte[] newName) = ResolveParent(to);
            _names.Rename(source, name, target, newName, mode);
        }
    }

    /// <summary>What a symlink points to.</summary>
    public string ReadLink(string path)
    {
        lock (Volume.Gate) return NameText.FromBytes(_names.ReadTarget(Resolve(path, followLink: false)));
    }

    /// <summary>
    /// Changes permission bits, owner or times; null leaves a value as it is. An access ACL follows the permission bits. A new
    /// owner of anything but a directory costs it set-user-id, set-group-id (where the group may execute) and capabilities.
    /// </summary>
    /// <exception cref="XfsException">EPERM: immutable or append-only; EROFS; ENOENT, ENOTDIR, ELOOP.</exception>
    public void SetAttributes(string path, ushort? mode = null, uint? uid = null, uint? gid = null,
        Timestamp? accessed = null, Timestamp? modified = null, bool followLink = true)
    {
        lock (Volume.Gate)
        {
            Volume.RequireWritable();
            Volume.SettleTimes();
            Inode inode = Resolve(path, followLink);
            if ((inode.Core.Flags & (InodeFlags.Immutable | InodeFlags.Append)) != 0) throw new XfsException(Errno.EPERM, $"'{path}' is immutable or append-only");
            Volume.Run(tx =>
            {
                ref InodeCore core = ref inode.Modify(tx);
                bool big = core.Has(InodeFlags2.BigTime);
                if (mode is ushort bits)
                {
                    core.Mode = (ushort)(core.Type | bits & FileMode16.PermissionMask);
                    InodeAcls.FollowMode(tx, Volume, inode);
                }
                if (uid is uint user) core.Uid = user;
                if (gid is uint group) core.Gid = group;
                if ((uid ?? gid) is not null && !core.IsDirectory)
                {
                    const ushort groupExecute = 0b001_000;
                    if (mode is null) core.Mode = (ushort)(core.Mode & ~(FileMode16.SetUid | ((core.Mode & groupExecute) != 0 ? FileMode16.SetGid : 0)));
                    ExtendedAttributes.Remove(tx, Volume, inode, Capability);
                }
                if (accessed is Timestamp a) core.AccessTime = a.Encode(big);
                if (modified is Timestamp m) core.ModifyTime = m.Encode(big);
                core.ChangeTime = Volume.Clock().Encode(big);
                core.ChangeCount = core.ChangeCount + 1;
            });
        }
    }

    /// <summary>Changes the flags that users may set, and the project; null leaves a value as it is.</summary>
    /// <param name="set">Flags to switch on.</param>
    /// <param name="clear">Flags to switch off.</param>
    /// <param name="dax">FS_XFLAG_DAX.</param>
    /// <exception cref="XfsException">EINVAL: a flag that is not for users, or not for this kind of file.</exception>
    public void SetFlags(string path, InodeFlags set = InodeFlags.None, InodeFlags clear = InodeFlags.None, bool? dax = null, uint? projectId = null)
    {
        const InodeFlags any = InodeFlags.Immutable | InodeFlags.Append | InodeFlags.Sync | InodeFlags.NoAtime | InodeFlags.NoDump | InodeFlags.NoDefrag;
        const InodeFlags directories = InodeFlags.ProjectInherit | InodeFlags.NoSymlinks | InodeFlags.FileStream;
        lock (Volume.Gate)
        {
            Volume.RequireWritable();
            Inode inode = Resolve(path, followLink: true);
            InodeFlags allowed = inode.IsDirectory ? any | directories : any;
            if (((set | clear) & ~allowed) != 0 || (set & clear) != 0) throw new XfsException(Errno.EINVAL, $"flags {(set | clear) & ~allowed} cannot be changed on '{path}'");
            if (dax is not null && !inode.IsDirectory && !inode.IsRegular) throw new XfsException(Errno.EINVAL, $"'{path}' cannot have the DAX flag");
            Volume.Run(tx =>
            {
                ref InodeCore core = ref inode.Modify(tx);
                core.Flags = core.Flags & ~clear | set;
                if (dax is bool on) core.Flags2 = on ? core.Flags2 | InodeFlags2.Dax : core.Flags2 & ~InodeFlags2.Dax;
                if (projectId is uint project) core.ProjectId = project;
                core.ChangeTime = Volume.Clock().Encode(core.Has(InodeFlags2.BigTime));
                core.ChangeCount = core.ChangeCount + 1;
            });
        }
    }

    /// <summary>
    /// Sets the extent size hint of a file, or the one a directory hands down (FS_XFLAG_EXTSIZE, EXTSZINHERIT); 0 clears it.
    /// </summary>
    /// <param name="bytes">A multiple of the block size, at most half a group.</param>
    /// <exception cref="XfsException">EINVAL: another size, another kind of file, or a file that has extents already.</exception>
    public void SetExtentSize(string path, long bytes)
    {
        lock (Volume.Gate)
        {
            Volume.RequireWritable();
            Inode inode = Resolve(path, followLink: true);
            long blocks = bytes >> Geometry.BlockLog;
            if (bytes < 0 || bytes % Geometry.BlockSize != 0 || blocks > Math.Min(Extent.MaxLength, Geometry.AgBlocks / 2) || !(inode.IsDirectory || inode.IsRegular))
                throw new XfsException(Errno.EINVAL, $"an extent size of {bytes} bytes on '{path}': expected a multiple of {Geometry.BlockSize}, at most half a group");
            if (inode.IsRegular && inode.Core.ExtentCount > 0 && inode.Core.ExtentSizeHint != (uint)blocks)
                throw new XfsException(Errno.EINVAL, $"'{path}' has extents already");
            InodeFlags flag = inode.IsDirectory ? InodeFlags.ExtentSizeInherit : InodeFlags.ExtentSize;
            Volume.Run(tx =>
            {
                ref InodeCore core = ref inode.Modify(tx);
                core.ExtentSizeHint = (uint)blocks;
                core.Flags = blocks > 0 ? core.Flags | flag : core.Flags & ~flag;
            });
        }
    }

    /// <summary>
    /// Sets the bytes that copy-on-write of a file reserves at a time, or those a directory hands down (FS_XFLAG_COWEXTSIZE); 0 clears it.
    /// </summary>
    /// <param name="bytes">A multiple of the block size, at most half a group.</param>
    /// <exception cref="XfsException">EINVAL: another size, another kind of file, or a file system without reflink.</exception>
    public void SetCowExtentSize(string path, long bytes)
    {
        lock (Volume.Gate)
        {
            Volume.RequireWritable();
            SetCowExtentSize(Resolve(path, followLink: true), bytes);
        }
    }

    /// <summary>The caller holds the gate.</summary>
    internal void SetCowExtentSize(Inode inode, long bytes)
    {
        if (!Geometry.HasReflink && bytes != 0) throw new XfsException(Errno.EINVAL, "the file system was made without reflink");
        long blocks = bytes >> Geometry.BlockLog;
        if (bytes < 0 || bytes % Geometry.BlockSize != 0 || blocks > Math.Min(Extent.MaxLength, Geometry.AgBlocks / 2) || !(inode.IsDirectory || inode.IsRegular))
            throw new XfsException(Errno.EINVAL, $"a cowextsize of {bytes} bytes: expected a multiple of {Geometry.BlockSize}, at most half a group, on a file or directory");
        Volume.Run(tx =>
        {
            ref InodeCore core = ref inode.Modify(tx);
            core.CowExtentSizeHint = (uint)blocks;
            core.Flags2 = blocks > 0 ? core.Flags2 | InodeFlags2.CowExtentSize : core.Flags2 & ~InodeFlags2.CowExtentSize;
        });
    }

    /// <summary>Makes a file that shares every block of another one: no data is copied.</summary>
    /// <param name="to">Must not exist.</param>
    public void Clone(string from, string to)
    {
        using XfsFile source = OpenFile(from);
        Entry entry = GetEntry(from, followLink: true);
        using XfsFile clone = CreateFile(to, (ushort)(entry.Mode & FileMode16.PermissionMask), mustBeNew: true);
        clone.CloneRange(source, 0, 0, 0);
    }

    /// <summary>Makes everything done so far durable.</summary>
    /// <exception cref="XfsShutdownException">The device failed: nothing can be written any more.</exception>
    public void Flush()
    {
        Volume.Flush();
    }

    /// <summary>Writes everything home and marks the image clean.</summary>
    public void Dispose() => Volume.Dispose();

    /// <summary>Opens an inode by its number, whatever its names.</summary>
    internal Inode Inode(InodeNumber number) => Volume.Inodes.Get(number);

    private InodeNumber Create(string path, ushort type, ushort mode, byte[]? target = null, uint device = 0)
    {
        (Inode parent, byte[] name) = ResolveParent(path);
        return _names.Create(parent, name, new NewInode((ushort)(type | mode & FileMode16.PermissionMask), Owner.Uid, Owner.Gid, device), target);
    }

    private Entry Describe(Inode inode)
    {
        Volume.SettleTimes();
        ref readonly InodeCore core = ref inode.Core;
        bool big = core.Has(InodeFlags2.BigTime);
        uint device = 0;
        if (core.Type is FileMode16.CharDevice or FileMode16.BlockDevice)
            device = System.Buffers.Binary.BinaryPrimitives.ReadUInt32BigEndian(inode.Fork(ForkKind.Data));
        return new Entry
        {
            Inode = inode.Number, Mode = core.Mode, Uid = core.Uid, Gid = core.Gid, LinkCount = core.LinkCount,
            Length = (long)core.FileSize.Value, Blocks = core.BlockCount, Generation = core.Generation, ProjectId = core.ProjectId,
            Accessed = Timestamp.Decode(core.AccessTime, big), Modified = Timestamp.Decode(core.ModifyTime, big),
            Changed = Timestamp.Decode(core.ChangeTime, big), Created = Timestamp.Decode(core.CreateTime, big),
            Flags = core.Flags, Flags2 = core.Flags2, DataFormat = core.Format, ExtentCount = core.ExtentCount,
            DeviceMajor = device >> 18, DeviceMinor = device & 0x3FFFF,
        };
    }

    private (Inode Parent, byte[] Name) ResolveParent(string path)
    {
        ReadOnlySpan<char> trimmed = path.AsSpan().TrimEnd('/');
        int slash = trimmed.LastIndexOf('/');
        ReadOnlySpan<char> name = trimmed[(slash + 1)..];
        if (name.Length == 0) throw new XfsException(Errno.EBUSY, "the root directory has no name");
        return (Resolve(trimmed[..Math.Max(slash, 0)], followLink: true), NameText.ToBytes(name));
    }

    /// <summary>Walks a path from the root; at most 40 symlinks are followed.</summary>
    internal Inode Resolve(ReadOnlySpan<char> path, bool followLink) =>
        TryResolve(path, followLink, out Inode? inode, out string missing) ? inode
            : throw (missing.Length == 0 ? new XfsException(Errno.ENOENT, $"'{path}' does not exist")
                : new XfsException(Errno.ENOTDIR, $"'{missing}' in '{path}' is no directory"));

    /// <summary>As <see cref="Resolve"/>; false if the path does not exist or leads through something that is no directory.</summary>
    /// <param name="notADirectory">The step that should be a directory and is not; empty if a name is missing.</param>
    private bool TryResolve(ReadOnlySpan<char> path, bool followLink, [NotNullWhen(true)] out Inode? inode, out string notADirectory)
    {
        Volume.RequireOpen();
        Volume.Cache.Trim();
        inode = null;
        notADirectory = "";
        Span<byte> room = stackalloc byte[DirectoryName.MaxLength];
        Inode at = Volume.Directories.Inode(Volume.Root);
        ReadOnlySpan<char> rest = path, before = "/";
        for (int links = 0; TryNextStep(ref rest, out ReadOnlySpan<char> step);)
        {
            if (step is ".") continue;
            if (!at.IsDirectory)
            {
                notADirectory = before.ToString();
                return false;
            }
            before = step;
            if (!Directory.TryLookup(_names.Open(at), NameText.ToBytes(step, room), out InodeNumber number, out _)) return false;
            Inode next = Volume.Directories.Inode(number);
            if (!next.Core.IsSymlink || (!followLink && rest.Trim('/').IsEmpty))
            {
                at = next;
                continue;
            }
            if (++links > 40) throw new XfsException(Errno.ELOOP, $"'{path}' leads through more than 40 symlinks");
            string target = NameText.FromBytes(_names.ReadTarget(next));
            if (target.StartsWith('/')) at = Volume.Directories.Inode(Volume.Root);
            rest = $"{target}/{rest}";
        }
        inode = at;
        return true;
    }

    /// <summary>Takes the first step off a path; false if there is none.</summary>
    private static bool TryNextStep(scoped ref ReadOnlySpan<char> path, out ReadOnlySpan<char> step)
    {
        path = path.TrimStart('/');
        int slash = path.IndexOf('/');
        step = slash < 0 ? path : path[..slash];
        path = path[step.Length..];
        return !step.IsEmpty;
    }

    private static bool IsDots(ReadOnlySpan<byte> name) => name is [(byte)'.'] or [(byte)'.', (byte)'.'];
}
