using System.Diagnostics;

namespace ImageFs.Tests.Mkfs;

/// <summary>The mkfs.xfs of this machine, which tells what a plan should look like.</summary>
internal static class MkfsXfs
{
    public static readonly bool IsInstalled = File.Exists("/usr/sbin/mkfs.xfs") || File.Exists("/sbin/mkfs.xfs");

    public static void Need()
    {
        if (!IsInstalled) Assert.Inconclusive("mkfs.xfs is not installed (package xfsprogs)");
    }

    public static (int ExitCode, string Output, string Error) Run(params string[] arguments)
    {
        ProcessStartInfo start = new("mkfs.xfs") { RedirectStandardOutput = true, RedirectStandardError = true };
        foreach (string argument in arguments) start.ArgumentList.Add(argument);
        using Process process = Process.Start(start)!;
        Task<string> error = process.StandardError.ReadToEndAsync();
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return (process.ExitCode, output, error.Result);
    }

    /// <summary>The geometry block out of everything mkfs.xfs prints.</summary>
    public static string Geometry(string output)
    {
        int at = output.IndexOf("meta-data=", StringComparison.Ordinal);
        return at < 0 ? "" : output[at..];
    }
}
