using System.Globalization;

namespace ImageFs.Cli;

/// <summary>Byte counts for people.</summary>
internal static class Sizes
{
    private static readonly string[] s_units = ["bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];

    /// <summary>"512 bytes", "64.0 MiB".</summary>
    public static string Human(long bytes)
    {
        if (bytes is 1) return "1 byte";
        int unit = 0;
        double value = bytes;
        for (; value >= 1024 && unit < s_units.Length - 1; unit++) value /= 1024;
        return unit == 0
            ? string.Create(CultureInfo.InvariantCulture, $"{bytes} bytes")
            : string.Create(CultureInfo.InvariantCulture, $"{value:0.0} {s_units[unit]}");
    }

    /// <summary>A number with an optional suffix k, m, g or t.</summary>
    public static long Parse(string text, string what)
    {
        int shift = text.Length == 0 ? 0 : char.ToLowerInvariant(text[^1]) switch { 'k' => 10, 'm' => 20, 'g' => 30, 't' => 40, _ => 0 };
        string digits = shift == 0 ? text : text[..^1];
        if (!long.TryParse(digits, NumberStyles.None, CultureInfo.InvariantCulture, out long number) || number > long.MaxValue >> shift)
            throw new UsageException($"{what} '{text}' is no number of bytes (digits, then perhaps k, m, g or t)");
        return number << shift;
    }

    /// <summary>"1 file", "3 files".</summary>
    public static string Count(long number, string one, string? many = null) =>
        string.Create(CultureInfo.InvariantCulture, $"{number:N0} {(number == 1 ? one : many ?? one + "s")}");
}
