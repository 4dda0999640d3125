using ImageFs.Tests.Fixtures;
using static ImageFs.Tests.Cli.CliRun;

namespace ImageFs.Tests.Cli;

/// <summary>What `imagefs dedupe` shows to a person at a terminal, and to a program.</summary>
[TestClass]
public sealed class DedupeVerbTests
{
    private static string Cli => Path.Combine(AppContext.BaseDirectory, "ImageFs.Cli.dll");

    [TestMethod]
    [DataRow("", DisplayName = "text")]
    [DataRow("--json ", DisplayName = "JSON")]
    public void ATerminalSeesABarAndAPipeDoesNot(string options)
    {
        if (Judge.Find("script") is null) Assert.Inconclusive("needs a terminal, and script(1) to make one");
        using TempImage image = NewImage("/a", Noise(8 << 20));
        Run("put", image.Path, HostFile(Noise(8 << 20)), "/b").Ok();
        ShellResult watched = Shell.Run("script", ["-qec", $"TERM=xterm dotnet {Cli} dedupe -n {options}{image.Path}", "/dev/null"]).MustSucceed();
        Assert.Contains("\u001b[", watched.Output);
        Assert.Contains("reading", watched.Output);
        Assert.Contains("%", watched.Output);
        string answer = options.Length == 0 ? "8388608 bytes would share blocks" : "\"bytes_shared\":8388608";
        Assert.Contains(answer, watched.Output);
        // Where only one stream is a terminal there is no bar, and a program gets the answer and nothing else.
        string answered = Scratch.NewPath(".txt");
        ShellResult half = Shell.Run("script", ["-qec", $"TERM=xterm dotnet {Cli} dedupe -n {options}{image.Path} > {answered}", "/dev/null"]).MustSucceed();
        Assert.DoesNotContain("reading", half.Output);
        Assert.Contains(answer, File.ReadAllText(answered));
        Assert.DoesNotContain("\u001b", File.ReadAllText(answered));
        ShellResult piped = Shell.Run("dotnet", [Cli, "dedupe", .. options.Split(' ', StringSplitOptions.RemoveEmptyEntries), image.Path]).MustSucceed();
        Assert.DoesNotContain("\u001b", piped.Text);
        Assert.DoesNotContain("reading", piped.Text);
    }
}
