using ImageFs.Format;

namespace ImageFs.Cli;

/// <summary>Paths inside an image: '/' separates, the first one may be left out.</summary>
internal static class ImagePath
{
    public static string Join(string directory, string name) => directory.TrimEnd('/') + "/" + name;

    /// <summary>The last name, empty for the root.</summary>
    public static string Name(string path)
    {
        string trimmed = path.TrimEnd('/');
        return trimmed[(trimmed.LastIndexOf('/') + 1)..];
    }

    /// <summary>The path as it is shown: from the root on, without empty steps.</summary>
    public static string Normal(string path) => "/" + string.Join('/', path.Split('/', StringSplitOptions.RemoveEmptyEntries));

    /// <summary>
    /// Where something called <paramref name="name"/> goes if a person says <paramref name="destination"/>: into it if that
    /// is a directory, otherwise under that very name. The rule of cp and mv.
    /// </summary>
    public static string Target(FileSystem image, string destination, string name, bool several)
    {
        if (image.TryGetEntry(destination, followLink: true) is { IsDirectory: true }) return Join(destination, name);
        if (several) throw new XfsException(Errno.ENOTDIR, $"'{destination}' is no directory in the image, and several things are to go there");
        return destination;
    }
}
