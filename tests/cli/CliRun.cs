using System.Text;
using ImageFs.Cli;
using ImageFs.Mkfs;
using ImageFs.Tests.Fixtures;

using Formatter = ImageFs.Mkfs.Mkfs;

namespace ImageFs.Tests.Cli;

/// <summary>What a command printed and returned.</summary>
internal sealed record CliResult(int Code, byte[] Bytes, string Error)
{
    public string Output => Encoding.UTF8.GetString(Bytes);

    /// <summary>What it printed, if it returned 0 and did not complain.</summary>
    public string Ok()
    {
        if (Code != 0 || Error.Length > 0) Assert.Fail($"exit code {Code}, said: {Error}{Output}");
        return Output;
    }
}

/// <summary>Runs the command line in this process, with streams of its own.</summary>
internal static class CliRun
{
    public static CliResult Run(params string[] args) => RunWith([], args);

    public static CliResult RunWith(byte[] input, params string[] args)
    {
        using MemoryStream output = new();
        StringWriter error = new() { NewLine = "\n" };
        int code;
        using (Stdio io = new(() => new MemoryStream(input), output, () => error, isTerminal: false)) code = CommandLine.Run(args, io);
        return new(code, output.ToArray(), error.ToString());
    }

    /// <summary>A fresh image with 4 KiB blocks, reflink and rmapbt.</summary>
    public static TempImage NewImage(long bytes = 64 << 20)
    {
        TempImage image = TempImage.NotYetThere();
        Formatter.FormatFile(image.Path, new MkfsOptions { CreateImage = true, Size = bytes });
        return image;
    }

    /// <summary>An image with one file in it.</summary>
    public static TempImage NewImage(string path, ReadOnlySpan<byte> contents)
    {
        TempImage image = NewImage();
        RunWith(contents.ToArray(), "put", image.Path, "-", path).Ok();
        return image;
    }

    /// <summary>A file of the host.</summary>
    public static string HostFile(ReadOnlySpan<byte> contents)
    {
        string path = Scratch.NewPath(".txt");
        File.WriteAllBytes(path, contents);
        return path;
    }

    public static byte[] Noise(int length, int seed = 1)
    {
        byte[] bytes = new byte[length];
        new Random(seed).NextBytes(bytes);
        return bytes;
    }
}
