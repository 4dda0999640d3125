using System.Diagnostics;

namespace ImageFs.Bench;

/// <summary>An image mounted by the kernel while a benchmark needs it.</summary>
internal sealed class LoopMount : IDisposable
{
    private LoopMount(string folder) => Folder = folder;

    public string Folder { get; }

    /// <summary>Null where there is no root or no loop device.</summary>
    public static LoopMount? TryMount(string image)
    {
        if (!OperatingSystem.IsLinux() || Environment.UserName != "root") return null;
        string folder = Directory.CreateTempSubdirectory("imagefs-bench-").FullName;
        if (Run("mount", "-o", "loop", image, folder) == 0) return new LoopMount(folder);
        Directory.Delete(folder);
        return null;
    }

    /// <summary>What a user calls to be sure: the whole file system is on the image.</summary>
    public void Flush() => Run("sync", "-f", Folder);

    public void Dispose()
    {
        for (int attempt = 0; attempt < 20 && Run("umount", Folder) != 0; attempt++) Thread.Sleep(100);
        Directory.Delete(Folder);
    }

    public static int Run(string file, params string[] args)
    {
        ProcessStartInfo start = new(file) { RedirectStandardOutput = true, RedirectStandardError = true };
        foreach (string arg in args) start.ArgumentList.Add(arg);
        using Process process = Process.Start(start)!;
        process.StandardOutput.ReadToEnd();
        process.StandardError.ReadToEnd();
        process.WaitForExit();
        return process.ExitCode;
    }
}
