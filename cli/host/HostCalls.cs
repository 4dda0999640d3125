using System.Runtime.InteropServices;
using System.Text;
using System.Text.Unicode;
using ImageFs.Format;
using Microsoft.Win32.SafeHandles;

namespace ImageFs.Cli.Host;

/// <summary>What the host says about one of its files.</summary>
/// <param name="Mode">Type and permission bits as XFS has them.</param>
/// <param name="Links">Names; 1 where the host does not tell.</param>
/// <param name="Identity">Equal for two names of one file; null where the host does not tell.</param>
/// <param name="Allocated">Bytes that have room on the host; less than the length means holes.</param>
internal readonly record struct HostFile(
    ushort Mode, uint Links, uint Uid, uint Gid, (ulong Device, ulong Inode)? Identity, long Length, long Allocated,
    Timestamp Accessed, Timestamp Modified, uint DeviceMajor, uint DeviceMinor)
{
    public ushort Type => (ushort)(Mode & FileMode16.TypeMask);
    public bool IsSparse => Allocated < Length;
}

/// <summary>
/// Files of the host with all they have on Linux: hard links, holes, owners, nanoseconds, extended attributes, device
/// nodes, names of any bytes (in the form of <see cref="NameText"/>). Other systems get what .NET knows.
/// </summary>
internal static partial class HostCalls
{
    private const int CurrentFolder = -100, DoNotFollow = 0x100;
    private const int SeekData = 3, SeekHole = 4, NoMoreData = 6;

    /// <summary>What a path is; a symlink is itself.</summary>
    /// <exception cref="FileNotFoundException">It is not there.</exception>
    public static HostFile Stat(string path) => OperatingSystem.IsLinux() ? StatOnLinux(path) : StatAnywhere(path);

    private static HostFile StatOnLinux(string path, int flags = DoNotFollow)
    {
        const uint basic = 0x7FF;
        byte[] s = new byte[256];
        if (statx(CurrentFolder, Bytes(path), flags, basic, s) != 0) throw Failure(path);
        return new HostFile(
            Get<ushort>(28), Get<uint>(16), Get<uint>(20), Get<uint>(24),
            ((ulong)Get<uint>(136) << 32 | Get<uint>(140), Get<ulong>(32)), Get<long>(40), Get<long>(48) * 512,
            new Timestamp(Get<long>(64), Get<uint>(72)), new Timestamp(Get<long>(112), Get<uint>(120)),
            Get<uint>(128), Get<uint>(132));

        T Get<T>(int offset) where T : struct => MemoryMarshal.Read<T>(s.AsSpan(offset));
    }

    private static HostFile StatAnywhere(string path)
    {
        FileInfo file = new(path);
        FileSystemInfo info = Directory.Exists(path) ? new DirectoryInfo(path) : file;
        if (!info.Exists && info.LinkTarget is null) throw new FileNotFoundException($"'{path}' does not exist");
        ushort type = info.LinkTarget is not null ? FileMode16.Symlink : info is DirectoryInfo ? FileMode16.Directory : FileMode16.Regular;
        int permissions = OperatingSystem.IsWindows() ? (type == FileMode16.Regular ? 0b110_100_100 : 0b111_101_101) : (int)info.UnixFileMode;
        long length = type == FileMode16.Regular ? file.Length : 0;
        return new HostFile((ushort)(type | permissions), 1, 0, 0, null, length, length,
            Timestamp.From(info.LastAccessTimeUtc), Timestamp.From(info.LastWriteTimeUtc), 0, 0);
    }

    /// <summary>The parts of a file that are no holes, in order.</summary>
    public static IEnumerable<(long Offset, long End)> DataOf(SafeFileHandle file, HostFile about)
    {
        if (!about.IsSparse || !OperatingSystem.IsLinux())
        {
            yield return (0, long.MaxValue);
            yield break;
        }
        for (long at = 0; ;)
        {
            long data = lseek(file, at, SeekData);
            if (data < 0)
            {
                if (Marshal.GetLastPInvokeError() == NoMoreData) yield break;
                // The host's file system cannot tell: everything is data then.
                yield return (at, long.MaxValue);
                yield break;
            }
            at = lseek(file, data, SeekHole);
            if (at < 0) at = long.MaxValue;
            yield return (data, at);
            if (at == long.MaxValue) yield break;
        }
    }

    /// <summary>Gives an existing file a second name; false if the host cannot.</summary>
    public static bool TryLink(string existing, string path) => OperatingSystem.IsLinux() && link(Bytes(existing), Bytes(path)) == 0;

    /// <summary>Makes a device node, fifo or socket; false if the host cannot or may not.</summary>
    public static bool TryMakeNode(string path, ushort mode, uint major, uint minor)
    {
        if (!OperatingSystem.IsLinux()) return false;
        ulong device = (ulong)(minor & 0xFF) | (ulong)(major & 0xFFF) << 8 | (ulong)(minor & ~0xFFu) << 12 | (ulong)(major & ~0xFFFu) << 32;
        return mknod(Bytes(path), mode, device) == 0;
    }

    /// <summary>Owner (only where this process may), extended attributes, permission bits and times; symlinks are not followed.</summary>
    /// <returns>The first attribute the host would not take, and why; null if there is none. What only root may set is left out in silence.</returns>
    public static string? SetAttributes(string path, Entry entry, IReadOnlyList<(byte[] Name, byte[] Value)> attributes)
    {
        string? refused = null;
        if (OperatingSystem.IsLinux())
        {
            // Owner first: changing it takes the set-uid bit and capabilities away.
            if (Environment.IsPrivilegedProcess && lchown(Bytes(path), entry.Uid, entry.Gid) != 0) throw Failure(path);
            foreach ((byte[] name, byte[] value) in attributes)
            {
                if (lsetxattr(Bytes(path), [.. name, 0], value, value.Length, 0) == 0) continue;
                bool forRoot = name.AsSpan().StartsWith("trusted."u8) || name.AsSpan().StartsWith("security."u8);
                if (Environment.IsPrivilegedProcess || !forRoot)
                    refused ??= $"{Encoding.UTF8.GetString(name)}: {Marshal.GetPInvokeErrorMessage(Marshal.GetLastPInvokeError())}";
            }
            if (!entry.IsSymbolicLink && chmod(Bytes(path), (uint)(entry.Mode & FileMode16.PermissionMask)) != 0) throw Failure(path);
            long[] times = [entry.Accessed.Seconds, entry.Accessed.Nanoseconds, entry.Modified.Seconds, entry.Modified.Nanoseconds];
            if (utimensat(CurrentFolder, Bytes(path), times, DoNotFollow) != 0) throw Failure(path);
            return refused;
        }
        if (attributes.Count > 0) refused = "only Linux has them";
        if (entry.IsSymbolicLink) return refused;
        if (!OperatingSystem.IsWindows()) File.SetUnixFileMode(path, (UnixFileMode)(entry.Mode & FileMode16.PermissionMask));
        FileSystemInfo info = entry.IsDirectory ? new DirectoryInfo(path) : new FileInfo(path);
        info.LastAccessTimeUtc = entry.Accessed.ToDateTimeOffset().UtcDateTime;
        info.LastWriteTimeUtc = entry.Modified.ToDateTimeOffset().UtcDateTime;
        return refused;
    }

    /// <summary>The extended attributes of a file that this process may see; a symlink's are its own.</summary>
    public static IReadOnlyList<(string Name, byte[] Value)> GetAttributes(string path)
    {
        const int longest = 64 << 10;
        if (!OperatingSystem.IsLinux()) return [];
        nint needed = llistxattr(Bytes(path), null, 0);
        // A file system without attributes answers with an error.
        if (needed <= 0) return [];
        byte[] names = new byte[longest], value = new byte[longest];
        nint length = llistxattr(Bytes(path), names, names.Length);
        List<(string, byte[])> all = [];
        for (int at = 0; at < length;)
        {
            int end = at + names.AsSpan(at).IndexOf((byte)0);
            byte[] name = names[at..(end + 1)];
            nint size = lgetxattr(Bytes(path), name, value, value.Length);
            if (size >= 0) all.Add((Encoding.UTF8.GetString(name.AsSpan(0, name.Length - 1)), value[..(int)size]));
            at = end + 1;
        }
        return all;
    }

    private static byte[] Bytes(string path) => [.. NameText.ToBytes(path), 0];

    private static IOException Failure(string path)
    {
        int error = Marshal.GetLastPInvokeError();
        const int notFound = 2, noFolder = 20, invalid = 22, illegalBytes = 84;
        string what = $"'{path}': {Marshal.GetPInvokeErrorMessage(error)}";
        return error switch
        {
            notFound or noFolder => new FileNotFoundException($"'{path}' does not exist"),
            invalid or illegalBytes when !Utf8.IsValid(NameText.ToBytes(Path.GetFileName(path.AsSpan()))) => new HostNameException(what),
            _ => new IOException(what),
        };
    }

#pragma warning disable SYSLIB1054 // LibraryImport generates unsafe code, which this project does not allow.
#pragma warning disable IDE1006 // The names are the C library's.
    [DllImport("libc", SetLastError = true)]
    private static extern int statx(int folder, byte[] path, int flags, uint mask, byte[] buffer);
    [DllImport("libc", SetLastError = true)]
    private static extern long lseek(SafeFileHandle file, long offset, int whence);
    [DllImport("libc", SetLastError = true)]
    private static extern int link(byte[] existing, byte[] path);
    [DllImport("libc", SetLastError = true)]
    private static extern int mknod(byte[] path, uint mode, ulong device);
    [DllImport("libc", SetLastError = true)]
    private static extern int lchown(byte[] path, uint uid, uint gid);
    [DllImport("libc", SetLastError = true)]
    private static extern int chmod(byte[] path, uint mode);
    [DllImport("libc", SetLastError = true)]
    private static extern int utimensat(int folder, byte[] path, long[] times, int flags);
    [DllImport("libc", SetLastError = true)]
    private static extern nint llistxattr(byte[] path, byte[]? names, nint length);
    [DllImport("libc", SetLastError = true)]
    private static extern nint lgetxattr(byte[] path, byte[] name, byte[] value, nint length);
    [DllImport("libc", SetLastError = true)]
    private static extern int lsetxattr(byte[] path, byte[] name, byte[] value, nint length, int flags);
#pragma warning restore IDE1006, SYSLIB1054
}
