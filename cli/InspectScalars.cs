using System.Globalization;
using System.Text;
using ImageFs.Format;
using ImageFs.Inspection;

namespace ImageFs.Cli;

/// <summary>How plain values are written, for people and for programs.</summary>
internal static class InspectScalars
{
    private const int InlineBytes = 32;

    /// <summary>A value for people: in the base its meaning asks for, with what it means.</summary>
    public static string Text(string name, object value) => value switch
    {
        bool flag => flag ? "true" : "false",
        Enum constant => $"{Number(name, Underlying(constant))} ({EnumName(constant) ?? "?"})",
        string text => Quoted(text),
        byte[] bytes => Bytes(name, bytes),
        ulong owner when name == "owner" && (long)owner < 0 => $"{(long)owner} ({RmapOwner.Name(owner)})",
        ulong lsn when IsLsn(name) => lsn == ulong.MaxValue ? "null" : $"{lsn >> 32}:{(uint)lsn}",
        long seconds when name.EndsWith("_sec", StringComparison.Ordinal) => $"{seconds} ({Date(seconds)})",
        uint.MaxValue or ulong.MaxValue when !IsHex(name, value) => "null",
        _ => Number(name, value),
    };

    /// <summary>The name of an enumeration's value in the specification, or null if it has none.</summary>
    public static string? EnumName(Enum value) => Enum.GetName(value.GetType(), value) is string name ? KaitaiFields.SpecificationName(name) : null;

    /// <summary>The number of an enumeration's value as it is on disk.</summary>
    public static object Underlying(Enum value) => unchecked((uint)Convert.ToInt32(value, CultureInfo.InvariantCulture));

    public static bool IsUuid(string name, byte[] bytes) => bytes.Length == 16 && name.EndsWith("uuid", StringComparison.Ordinal);

    public static string Uuid(byte[] bytes) => new Guid(bytes, bigEndian: true).ToString("D");

    public static string Hex(ReadOnlySpan<byte> bytes) => Convert.ToHexStringLower(bytes);

    private static string Number(string name, object value) =>
        name == "mode" && value is ushort mode ? "0" + Convert.ToString(mode, 8)
        : IsHex(name, value) ? "0x" + ((IFormattable)value).ToString("x", CultureInfo.InvariantCulture)
        : Convert.ToString(value, CultureInfo.InvariantCulture) ?? "";

    private static bool IsLsn(string name) => name is "lsn" or "tail_lsn";

    private static bool IsHex(string name, object value) =>
        name is "crc" or "holemask" or "free" or "tid" or "fields" or "magicno" or "hashval" or "atime" or "mtime" or "ctime" or "crtime"
            or "cycle_data" or "data_map" or "flags2"
        || (name == "versionnum" && value is ushort)
        || (name == "id" && value is ulong)
        || name.Contains("magic", StringComparison.Ordinal) || name.EndsWith("flags", StringComparison.Ordinal) || name.Contains("features", StringComparison.Ordinal);

    private static string Date(long seconds) =>
        seconds is < -62135596800 or > 253402300799 ? "out of range"
        : DateTimeOffset.FromUnixTimeSeconds(seconds).ToString("yyyy-MM-dd HH:mm:ss'Z'", CultureInfo.InvariantCulture);

    private static string Bytes(string name, byte[] bytes)
    {
        if (IsUuid(name, bytes)) return Uuid(bytes);
        if (bytes.Length == 0) return "\"\"";
        if (bytes.Length <= 255 && bytes.All(one => one is >= 0x20 and < 0x7F)) return Quoted(Encoding.Latin1.GetString(bytes));
        string hex = Hex(bytes.AsSpan(0, Math.Min(bytes.Length, InlineBytes)));
        return bytes.Length <= InlineBytes ? $"hex {hex}" : $"hex {hex}... ({bytes.Length} bytes)";
    }

    /// <summary>Bytes read as Latin-1, shown as the UTF-8 they mostly are; whatever is neither is escaped.</summary>
    public static string Quoted(string latin1)
    {
        string text = latin1.TrimEnd('\0');
        string utf8;
        try
        {
            utf8 = new UTF8Encoding(false, throwOnInvalidBytes: true).GetString(Encoding.Latin1.GetBytes(text));
        }
        catch (ArgumentException)
        {
            utf8 = text;
        }
        StringBuilder quoted = new("\"");
        foreach (Rune one in utf8.EnumerateRunes())
        {
            if (one.Value is '"' or '\\') quoted.Append('\\').Append(one);
            else if (Rune.IsControl(one) || one.Value is 0x202E or 0x200F or 0xFFFD or 0x2028 or 0x2029) quoted.Append(CultureInfo.InvariantCulture, $"\\u{{{one.Value:x}}}");
            else quoted.Append(one);
        }
        return quoted.Append('"').ToString();
    }
}
