using System.Buffers.Binary;
using System.Runtime.InteropServices;
using ImageFs.Format;
using Microsoft.Win32.SafeHandles;

namespace ImageFs.Cli.Host;

/// <summary>The host's file system takes no name of such bytes.</summary>
internal sealed class HostNameException(string message) : IOException(message);

/// <content>
/// What finds, makes and removes names. On Linux by system calls, because a name is any bytes there and the runtime shows
/// only those that are text.
/// </content>
internal static partial class HostCalls
{
    private const int ReadOnly = 0, WriteOnly = 1, CreateNew = 0xC0, CloseOnStart = 0x80000;
    // O_DIRECTORY differs between architectures.
    private static readonly int s_folder = RuntimeInformation.ProcessArchitecture is Architecture.Arm or Architecture.Arm64 ? 0x4000 : 0x10000;

    /// <summary>True if every name that XFS can have is a name here, as far as this program goes.</summary>
    public static bool HasNamesOfAnyBytes => OperatingSystem.IsLinux();

    /// <summary>The names in a folder, "." and ".." left out, in no order.</summary>
    public static IEnumerable<string> List(string folder) =>
        OperatingSystem.IsLinux() ? ListOnLinux(folder) : Directory.EnumerateFileSystemEntries(folder).Select(path => Path.GetFileName(path));

    private static List<string> ListOnLinux(string folder)
    {
        List<string> names = [];
        using SafeFileHandle handle = Open(folder, ReadOnly | s_folder, 0);
        byte[] entries = new byte[64 << 10];
        for (int bytes; (bytes = (int)getdents64(handle, entries, entries.Length)) != 0;)
        {
            if (bytes < 0) throw Failure(folder);
            // struct linux_dirent64: inode, offset, length of the record, type, name with a zero at its end.
            const int lengthAt = 16, nameAt = 19;
            for (int at = 0; at < bytes; at += BinaryPrimitives.ReadUInt16LittleEndian(entries.AsSpan(at + lengthAt)))
            {
                ReadOnlySpan<byte> name = entries.AsSpan(at + nameAt);
                name = name[..name.IndexOf((byte)0)];
                if (!name.SequenceEqual("."u8) && !name.SequenceEqual(".."u8)) names.Add(NameText.FromBytes(name));
            }
        }
        return names;
    }

    /// <summary>True for a folder, or a symlink that leads to one.</summary>
    public static bool IsFolder(string path)
    {
        if (!OperatingSystem.IsLinux()) return Directory.Exists(path);
        try
        {
            return path.Length > 0 && StatOnLinux(path, flags: 0).Type == FileMode16.Directory;
        }
        catch (IOException)
        {
            return false;
        }
    }

    /// <summary>What a path is, itself and not what it leads to; null if it is not there.</summary>
    public static ushort? TypeOf(string path)
    {
        try
        {
            return Stat(path).Type;
        }
        catch (FileNotFoundException)
        {
            return null;
        }
    }

    public static SafeFileHandle OpenToRead(string path) => OperatingSystem.IsLinux()
        ? Open(path, ReadOnly, 0)
        : File.OpenHandle(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete, FileOptions.SequentialScan);

    /// <summary>Makes a file that is not there yet: never through a link. Others may look once its mode is set.</summary>
    public static SafeFileHandle CreateToWrite(string path)
    {
        const UnixFileMode mine = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        if (OperatingSystem.IsLinux()) return Open(path, WriteOnly | CreateNew, (uint)mine);
        FileStreamOptions options = new() { Mode = FileMode.CreateNew, Access = FileAccess.Write, BufferSize = 0 };
        if (!OperatingSystem.IsWindows()) options.UnixCreateMode = mine;
        using FileStream made = new(path, options);
        return File.OpenHandle(path, FileMode.Open, FileAccess.Write);
    }

    public static void CreateFolder(string path)
    {
        if (!OperatingSystem.IsLinux()) Directory.CreateDirectory(path);
        else if (mkdir(Bytes(path), 0b111_111_111) != 0) throw Failure(path);
    }

    public static void CreateSymbolicLink(string path, string target)
    {
        if (!OperatingSystem.IsLinux()) File.CreateSymbolicLink(path, target);
        else if (symlink(Bytes(target), Bytes(path)) != 0) throw Failure(path);
    }

    public static string ReadLink(string path)
    {
        if (!OperatingSystem.IsLinux()) return new FileInfo(path).LinkTarget ?? throw new IOException($"'{path}': the link cannot be read");
        byte[] target = new byte[4096];
        nint length = readlink(Bytes(path), target, target.Length);
        return length >= 0 ? NameText.FromBytes(target.AsSpan(0, (int)length)) : throw Failure(path);
    }

    /// <summary>Removes a name that is no folder.</summary>
    public static void Delete(string path)
    {
        if (!OperatingSystem.IsLinux()) File.Delete(path);
        else if (unlink(Bytes(path)) != 0) throw Failure(path);
    }

    private static SafeFileHandle Open(string path, int flags, uint mode)
    {
        int file = open(Bytes(path), flags | CloseOnStart, mode);
        return file >= 0 ? new SafeFileHandle(file, ownsHandle: true) : throw Failure(path);
    }

#pragma warning disable SYSLIB1054 // LibraryImport generates unsafe code, which this project does not allow.
#pragma warning disable IDE1006 // The names are the C library's.
    [DllImport("libc", SetLastError = true)]
    private static extern int open(byte[] path, int flags, uint mode);
    [DllImport("libc", SetLastError = true)]
    private static extern nint getdents64(SafeFileHandle file, byte[] entries, nint bytes);
    [DllImport("libc", SetLastError = true)]
    private static extern int mkdir(byte[] path, uint mode);
    [DllImport("libc", SetLastError = true)]
    private static extern int symlink(byte[] target, byte[] path);
    [DllImport("libc", SetLastError = true)]
    private static extern nint readlink(byte[] path, byte[] target, nint bytes);
    [DllImport("libc", SetLastError = true)]
    private static extern int unlink(byte[] path);
#pragma warning restore IDE1006, SYSLIB1054
}
