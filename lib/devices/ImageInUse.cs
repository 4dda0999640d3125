using System.Globalization;
using Microsoft.Win32.SafeHandles;

namespace ImageFs.Devices;

/// <summary>
/// Who else works on an image: the kernel through a loop device or a mount, or a process that holds a lock.
/// </summary>
/// <remarks>
/// A loop device takes no lock on the file behind it, so locks alone would let two file systems write one image, which
/// is certain corruption. The kernel can still attach the file after we looked; nothing prevents that.
/// </remarks>
internal static class ImageInUse
{
    private const string Deleted = " (deleted)";

    /// <summary>What the kernel does with an image, as the rest of a sentence; null if nothing that can be seen.</summary>
    public static string? ByKernel(string path)
    {
        if (!OperatingSystem.IsLinux() || LinuxCalls.Identify(path) is not LinuxCalls.Identity image)
            return null;
        if (image.IsBlockDevice && MountOf(image.OwnNumber) is string point)
            return $"is mounted at {point}";
        foreach (string loop in Entries("/sys/block", "loop*"))
        {
            if (FirstLine(Path.Combine(loop, "loop/backing_file")) is not string backing || !IsBehind(image, loop, backing))
                continue;
            string mounted = FirstLine(Path.Combine(loop, "dev")) is string number && MountOf(number) is string where
                ? $", mounted at {where}"
                : "";
            return $"is attached to /dev/{Path.GetFileName(loop)}{mounted}";
        }
        return null;
    }

    /// <summary>Who holds a lock on a file, as the subject of a sentence.</summary>
    public static string LockHolder(string path)
    {
        const string somebody = "another process";
        if (!OperatingSystem.IsLinux() || LinuxCalls.Identify(path) is not LinuxCalls.Identity image)
            return somebody;
        try
        {
            // "1: FLOCK  ADVISORY  WRITE 1234 fd:01:5678 0 EOF", the device in hexadecimal.
            foreach (string line in File.ReadLines("/proc/locks"))
            {
                string[] fields = line.Split(' ', StringSplitOptions.RemoveEmptyEntries);
                if (fields.Length < 6 || fields[1] != "FLOCK" || !int.TryParse(fields[4], CultureInfo.InvariantCulture, out int process))
                    continue;
                string[] file = fields[5].Split(':');
                if (file.Length != 3 || !uint.TryParse(file[0], NumberStyles.HexNumber, CultureInfo.InvariantCulture, out uint major)
                    || !uint.TryParse(file[1], NumberStyles.HexNumber, CultureInfo.InvariantCulture, out uint minor)
                    || $"{major}:{minor}" != image.Device || file[2] != image.Inode.ToString(CultureInfo.InvariantCulture))
                    continue;
                if (process == Environment.ProcessId)
                    return "this process";
                string? name = FirstLine($"/proc/{process}/comm");
                return name is null ? $"process {process}" : $"process {process} ({name})";
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // A name is all that is lost.
        }
        return somebody;
    }

    private static bool IsBehind(LinuxCalls.Identity image, string loop, string backing)
    {
        if (LinuxCalls.Identify(backing) is LinuxCalls.Identity found)
            return found.IsSameAs(image);
        // The name is gone, or means nothing in our mount namespace; the file may have other names. Only the driver knows.
        try
        {
            using SafeFileHandle handle = File.OpenHandle("/dev/" + Path.GetFileName(loop), FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
            return LinuxCalls.LoopBacking(handle) is LinuxCalls.Identity behind && behind.IsSameAs(image);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return backing.EndsWith(Deleted, StringComparison.Ordinal)
                && LinuxCalls.Identify(backing[..^Deleted.Length]) is LinuxCalls.Identity namesake && namesake.IsSameAs(image);
        }
    }

    private static string? MountOf(string device)
    {
        // "36 35 98:0 /root /mount/point options ...", blanks in names as \040.
        try
        {
            foreach (string line in File.ReadLines("/proc/self/mountinfo"))
            {
                string[] fields = line.Split(' ');
                if (fields.Length > 4 && fields[2] == device)
                    return fields[4].Replace("\\040", " ", StringComparison.Ordinal);
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // Without /proc nobody can tell; the lock and O_EXCL remain.
        }
        return null;
    }

    private static IEnumerable<string> Entries(string folder, string pattern)
    {
        try
        {
            return Directory.EnumerateFileSystemEntries(folder, pattern).ToArray();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return [];
        }
    }

    private static string? FirstLine(string path)
    {
        // These files vanish between being listed and being read.
        try
        {
            return File.ReadAllText(path).TrimEnd('\n');
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }
}
