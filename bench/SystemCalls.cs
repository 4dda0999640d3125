using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text;

namespace ImageFs.Bench;

/// <summary>The kernel without anything in between: paths are bytes that end with a zero and are made beforehand.</summary>
internal static class SystemCalls
{
    private const int CurrentFolder = -100, DoNotFollow = 0x100, CreateNew = 0xC1, ReadFolder = 0x10000;
    private const uint BasicStats = 0x7FF;

    private static readonly byte[] s_stat = new byte[256];

    /// <summary>The path of a name below a folder, which ends with a slash.</summary>
    public static byte[] Path(string folder, ReadOnlySpan<byte> name) => [.. Encoding.UTF8.GetBytes(folder), .. name, 0];

    public static void Create(byte[] path) => Check(close(Check(open(path, CreateNew, 0b110_100_100), path)), path);
    public static void Stat(byte[] path) => Check(statx(CurrentFolder, path, DoNotFollow, BasicStats, s_stat), path);
    public static void Unlink(byte[] path) => Check(unlink(path), path);

    /// <summary>All names but "." and "..".</summary>
    public static List<byte[]> List(string folder)
    {
        List<byte[]> names = [];
        byte[] path = Path(folder, []), buffer = new byte[1 << 16];
        int file = Check(open(path, ReadFolder, 0), path);
        // struct linux_dirent64: inode, offset, length of the record, type, name.
        for (int bytes; (bytes = (int)getdents64(file, buffer, buffer.Length)) != 0;)
        {
            Check(bytes, path);
            for (int at = 0; at < bytes; at += BinaryPrimitives.ReadUInt16LittleEndian(buffer.AsSpan(at + 16)))
            {
                ReadOnlySpan<byte> name = buffer.AsSpan(at + 19);
                name = name[..name.IndexOf((byte)0)];
                if (!name.SequenceEqual("."u8) && !name.SequenceEqual(".."u8)) names.Add(name.ToArray());
            }
        }
        Check(close(file), path);
        return names;
    }

    private static int Check(int result, byte[] path) =>
        result >= 0 ? result : throw new IOException($"'{Encoding.UTF8.GetString(path)}': error {Marshal.GetLastPInvokeError()}");

    [DllImport("libc", SetLastError = true)]
    private static extern int open(byte[] path, int flags, int mode);

    [DllImport("libc", SetLastError = true)]
    private static extern int close(int file);

    [DllImport("libc", SetLastError = true)]
    private static extern int unlink(byte[] path);

    [DllImport("libc", SetLastError = true)]
    private static extern int statx(int folder, byte[] path, int flags, uint mask, byte[] result);

    [DllImport("libc", SetLastError = true)]
    private static extern nint getdents64(int file, byte[] buffer, nint bytes);
}
