using System.Diagnostics;
using ImageFs.Mkfs;
using ImageFs.Tests.Fixtures;

using Formatter = ImageFs.Mkfs.Mkfs;

namespace ImageFs.Tests.Cli;

/// <summary>What `imagefs fsck` is to a person at a terminal: a bar, and an ear for Ctrl-C.</summary>
[TestClass]
public sealed class FsckVerbTests
{
    private static string Cli => Path.Combine(AppContext.BaseDirectory, "ImageFs.Cli.dll");

    [TestMethod]
    public void ATerminalSeesABarAndAPipeDoesNot()
    {
        if (Judge.Find("script") is null) Assert.Inconclusive("needs a terminal, and script(1) to make one");
        string image = SampleImages.Path("dirs-4k");
        ShellResult watched = Shell.Run("script", ["-qec", $"TERM=xterm dotnet {Cli} fsck -n {image}", "/dev/null"]).MustSucceed();
        Assert.Contains("\u001b[", watched.Output);
        Assert.Contains("%", watched.Output);
        Assert.Contains("clean", watched.Output);
        ShellResult quiet = Shell.Run("script", ["-qec", $"TERM=xterm dotnet {Cli} fsck -n -q {image}", "/dev/null"]).MustSucceed();
        Assert.DoesNotContain("%", quiet.Output);
        ShellResult piped = Shell.Run("dotnet", [Cli, "fsck", "-n", image]).MustSucceed();
        Assert.DoesNotContain("\u001b", piped.Text);
        Assert.AreEqual($"{image}: clean", piped.Text.Trim());
    }

    [TestMethod]
    public void CtrlCEndsACheckWith32AndARepairBeforeItWrites()
    {
        if (!OperatingSystem.IsLinux()) Assert.Inconclusive("asks /proc when the image is open");
        using TempImage image = TempImage.NotYetThere();
        // Many groups take a while.
        Formatter.FormatFile(image.Path, new MkfsOptions { CreateImage = true, Size = 96L << 30, AgCount = 6000 });
        using (FileStream file = File.OpenWrite(image.Path)) { file.Position = 8; file.Write(new byte[8]); }
        DateTime before = File.GetLastWriteTimeUtc(image.Path);
        foreach (string mode in (ReadOnlySpan<string>)["-n", "-y"])
        {
            ProcessStartInfo start = new("dotnet") { RedirectStandardOutput = true, RedirectStandardError = true };
            // With all processors it may be done before it is stopped.
            start.Environment["DOTNET_PROCESSOR_COUNT"] = "1";
            foreach (string argument in (ReadOnlySpan<string>)[Cli, "fsck", mode, image.Path]) start.ArgumentList.Add(argument);
            using Process fsck = Process.Start(start)!;
            while (!fsck.HasExited && !HasOpen(fsck, image.Path)) Thread.Sleep(1);
            Posix.Interrupt(fsck.Id);
            string said = fsck.StandardOutput.ReadToEnd();
            fsck.WaitForExit();
            Assert.AreEqual(32, fsck.ExitCode, said);
            Assert.Contains("cancelled", said);
        }
        Assert.AreEqual(before, File.GetLastWriteTimeUtc(image.Path));
    }

    private static bool HasOpen(Process process, string path)
    {
        try
        {
            return Directory.EnumerateFiles($"/proc/{process.Id}/fd").Any(f => new FileInfo(f).LinkTarget == path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }
}
