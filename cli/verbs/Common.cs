using System.CommandLine;
using ImageFs.Devices;
using ImageFs.Fsck;

namespace ImageFs.Cli.Verbs;

/// <summary>What the verbs have in common.</summary>
internal static class Common
{
    /// <summary>Bytes moved at a time: no file is ever held whole.</summary>
    public const int Piece = 1 << 20;

    public static Argument<string> Image() => new("IMAGE") { Description = "the image file" };

    public static Argument<string> One(string name, string description) => new(name) { Description = description };

    public static Argument<string[]> Several(string name, string description) =>
        new(name) { Description = description, Arity = ArgumentArity.OneOrMore };

    public static Option<bool> Flag(string name, string description, params string[] aliases) => new(name, aliases) { Description = description };

    /// <summary>What an option for a number of bytes says; null if it was not given.</summary>
    public static long? Bytes(ParseResult parsed, Option<string?> option) => parsed.GetValue(option) is string text ? Sizes.Parse(text, option.Name) : null;

    /// <summary>Look at the image as a repair would leave it.</summary>
    public static Option<bool> AsRepaired() => Flag("--as-repaired", "look at the image as fsck -y would leave it; nothing is written");

    /// <summary>Opens for reading.</summary>
    /// <param name="asRepaired">As a repair would leave it, in memory.</param>
    public static FileSystem Readable(string image, bool asRepaired)
    {
        if (!asRepaired) return FileSystem.Open(image);
        FileDevice device = FileDevice.Open(image, DeviceAccess.Read);
        try
        {
            return FileSystem.Open(Repairer.View(device), write: false, leaveOpen: false);
        }
        catch
        {
            device.Dispose();
            throw;
        }
    }

    /// <summary>Opens for changing; the image is flushed and clean when the result is disposed.</summary>
    public static FileSystem Writable(string image) => FileSystem.Open(image, write: true);
}
