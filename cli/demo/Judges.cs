using System.Diagnostics;

namespace ImageFs.Cli.Demo;

/// <summary>Programs that are not ours and know XFS: xfs_repair, and the kernel. Each is asked only where it can be.</summary>
internal static class Judges
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(60);

    public static bool HasRepair => Find("xfs_repair") is not null;

    /// <summary>True if mounting can be tried: Linux, root, an XFS driver, loop devices.</summary>
    public static bool HasKernel => OperatingSystem.IsLinux() && Environment.IsPrivilegedProcess && File.Exists("/dev/loop-control")
        && Find("mount") is not null && Find("umount") is not null && File.ReadLines("/proc/filesystems").Any(line => line.EndsWith("\txfs", StringComparison.Ordinal));

    /// <summary>What xfs_repair -n has against an image; null if nothing.</summary>
    public static string? AskRepair(string image)
    {
        (int code, string text) = Run(Find("xfs_repair")!, "-n", "-f", "-o", "force_geometry", image);
        return code == 0 ? null : $"exit code {code}: {text.Trim().Split('\n')[^1]}";
    }

    /// <summary>Lets the kernel mount an image, replaying its log if need be, and read all of it.</summary>
    /// <param name="folder">Where to mount: an empty folder.</param>
    /// <param name="prints">What the kernel sees.</param>
    /// <returns>Why it does not mount; null if it did.</returns>
    public static string? AskKernel(string image, string folder, bool write, out SortedDictionary<string, string> prints)
    {
        prints = [];
        (int code, string text) = Run(Find("mount")!, "-t", "xfs", "-o", write ? "loop,nouuid,rw" : "loop,nouuid,ro", image, folder);
        if (code != 0) return text.Trim().ReplaceLineEndings(" ");
        try
        {
            prints = Fingerprints.OfHost(folder);
        }
        finally
        {
            if (Run(Find("umount")!, folder).Code != 0) Run(Find("umount")!, "--lazy", folder);
            WaitForLoop(image);
        }
        return null;
    }

    // The loop device lets go of the file a moment after umount returns, and our library refuses a file the kernel holds.
    private static void WaitForLoop(string image)
    {
        for (int attempt = 0; attempt < 200 && Devices.ImageInUse.ByKernel(image) is not null; attempt++) Thread.Sleep(10);
    }

    private static string? Find(string program) => OperatingSystem.IsWindows() ? null
        : (Environment.GetEnvironmentVariable("PATH") + ":/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin")
            .Split(':', StringSplitOptions.RemoveEmptyEntries).Select(folder => Path.Combine(folder, program)).FirstOrDefault(File.Exists);

    private static (int Code, string Text) Run(string program, params string[] arguments)
    {
        using Process process = new()
        {
            StartInfo = new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true, RedirectStandardInput = true },
        };
        process.Start();
        process.StandardInput.Close();
        Task<string> output = process.StandardOutput.ReadToEndAsync(), error = process.StandardError.ReadToEndAsync();
        if (!process.WaitForExit(s_patience))
        {
            process.Kill();
            return (-1, $"no answer in {s_patience.TotalSeconds} s");
        }
        return (process.ExitCode, output.Result + error.Result);
    }
}
