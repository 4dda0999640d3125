using ImageFs.Tests.Fixtures;

namespace ImageFs.Tests.Mkfs;

/// <summary>The mkfs.xfs of this machine, which tells what a plan should look like.</summary>
internal static class MkfsXfs
{
    /// <summary>What it would make, or "" if it refuses, and then why.</summary>
    public static (string Geometry, string Refusal) Plan(string image, IEnumerable<string> arguments)
    {
        ShellResult result = Shell.Run(Judge.RequireMkfs(), [.. arguments, "-N", "--unsupported", $"-dfile,name={image}"]);
        return result.Succeeded ? (Geometry(result.Output), "") : ("", result.Error.Split('\n')[0]);
    }

    /// <summary>The geometry block out of everything mkfs.xfs prints.</summary>
    public static string Geometry(string output)
    {
        int at = output.IndexOf("meta-data=", StringComparison.Ordinal);
        return at < 0 ? "" : output[at..];
    }
}
