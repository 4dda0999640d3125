using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace ImageFs.Devices;

/// <summary>The few system calls .NET has no word for. All but <see cref="flock"/> and <see cref="msync"/> are Linux only.</summary>
internal static partial class LinuxCalls
{
    public const int LockShared = 1, LockExclusive = 2, LockNonBlocking = 4;
    public const int KeepSize = 1, PunchHole = 2;
    public const int SeekEnd = 2;
    public const int OpenExclusive = 0x80, OpenReadWrite = 2, OpenCloseOnExec = 0x80000;
    public const int SyncNow = 4, SyncNowOnMac = 0x10;
    public const int LoopGetStatus = 0x4C05;
    public const int ProtectNone = 0, ProtectRead = 1, ProtectWrite = 2;
    public const int MapShared = 1, MapPrivate = 2, MapFixed = 0x10, MapAnonymous = 0x20, MapNoReserve = 0x4000;

    [LibraryImport("libc", SetLastError = true)]
    public static partial int flock(SafeFileHandle file, int operation);

    [LibraryImport("libc", SetLastError = true)]
    public static partial int fdatasync(SafeFileHandle file);

    [LibraryImport("libc", SetLastError = true)]
    public static partial int fallocate(SafeFileHandle file, int mode, long offset, long length);

    [LibraryImport("libc", SetLastError = true)]
    public static partial long lseek(SafeFileHandle file, long offset, int whence);

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int open(string path, int flags, uint mode);

    [LibraryImport("libc", SetLastError = true)]
    public static partial int msync(nint address, nuint length, int flags);

    [LibraryImport("libc", SetLastError = true)]
    public static partial nint mmap(nint address, nuint length, int protection, int flags, SafeFileHandle file, long offset);

    [LibraryImport("libc", EntryPoint = "mmap", SetLastError = true)]
    public static partial nint mmapAnonymous(nint address, nuint length, int protection, int flags, int file, long offset);

    [LibraryImport("libc", SetLastError = true)]
    public static partial int mprotect(nint address, nuint length, int protection);

    [LibraryImport("libc", SetLastError = true)]
    public static partial int munmap(nint address, nuint length);

    [LibraryImport("libc", SetLastError = true)]
    private static unsafe partial int ioctl(SafeFileHandle file, nuint request, byte* argument);

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static unsafe partial int statx(int folder, string path, int flags, uint mask, byte* result);

    /// <summary>What a file is, wherever its name or names lie.</summary>
    /// <param name="Device">Of the file system it lies on, as "major:minor".</param>
    /// <param name="Inode">Its number there.</param>
    /// <param name="IsRegular">It is an ordinary file.</param>
    /// <param name="IsBlockDevice">It is a block device itself, and then <paramref name="OwnNumber"/> is its number.</param>
    public readonly record struct Identity(string Device, ulong Inode, bool IsRegular, bool IsBlockDevice, string OwnNumber)
    {
        /// <summary>The same file: for block devices another node for the same device counts.</summary>
        public bool IsSameAs(Identity other) => IsBlockDevice
            ? other.IsBlockDevice && OwnNumber == other.OwnNumber
            : !other.IsBlockDevice && Device == other.Device && Inode == other.Inode;
    }

    /// <summary>statx of a path, links followed; null if it fails.</summary>
    public static unsafe Identity? Identify(string path)
    {
        const int currentFolder = -100;
        const uint basic = 0x7FF;
        const int typeMask = 0xF000, regular = 0x8000, blockDevice = 0x6000;
        Span<byte> s = stackalloc byte[256];
        fixed (byte* p = s)
            if (statx(currentFolder, path, 0, basic, p) != 0)
                return null;
        ReadOnlySpan<byte> r = s;
        int type = MemoryMarshal.Read<ushort>(r[28..]) & typeMask;
        return new Identity(
            $"{MemoryMarshal.Read<uint>(r[136..])}:{MemoryMarshal.Read<uint>(r[140..])}",
            MemoryMarshal.Read<ulong>(r[32..]),
            type == regular,
            type == blockDevice,
            $"{MemoryMarshal.Read<uint>(r[128..])}:{MemoryMarshal.Read<uint>(r[132..])}");
    }

    /// <summary>The identity of the file behind a loop device, by the driver itself; null if it does not say.</summary>
    public static unsafe Identity? LoopBacking(SafeFileHandle loop)
    {
        // struct loop_info64: u64 device, u64 inode, ... 232 bytes in all.
        Span<byte> s = stackalloc byte[256];
        fixed (byte* p = s)
            if (ioctl(loop, LoopGetStatus, p) != 0)
                return null;
        ReadOnlySpan<byte> r = s;
        ulong device = MemoryMarshal.Read<ulong>(r);
        // The kernel packs 12 bits of major and 20 of minor: mmmMMMmm.
        ulong major = (device >> 8) & 0xFFF, minor = (device & 0xFF) | ((device >> 12) & 0xFFF00);
        return new Identity($"{major}:{minor}", MemoryMarshal.Read<ulong>(r[8..]), true, false, "");
    }
}
