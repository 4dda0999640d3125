using System.Globalization;

namespace ImageFs.Mkfs;

/// <summary>What a <see cref="MkfsSize"/> counts.</summary>
public enum MkfsSizeUnit
{
    /// <summary>Bytes, also what the suffixes k, m, g, t, p and e come to.</summary>
    Bytes,
    /// <summary>File system blocks, suffix b.</summary>
    Blocks,
    /// <summary>Sectors, suffix s.</summary>
    Sectors,
}

/// <summary>
/// A size as written on the command line. Blocks and sectors become bytes only when the block and sector sizes are known,
/// and those may stand behind the size on the same command line.
/// </summary>
public readonly record struct MkfsSize(long Value, MkfsSizeUnit Unit)
{
    /// <summary>A size in bytes.</summary>
    public static implicit operator MkfsSize(long bytes) => new(bytes, MkfsSizeUnit.Bytes);

    /// <summary>
    /// Reads a number with at most one suffix: b blocks, s sectors, k, m, g, t, p, e powers of 1024. As for mkfs.xfs, a
    /// leading 0x means hexadecimal and a leading 0 octal.
    /// </summary>
    public static bool TryParse(string text, out MkfsSize size)
    {
        size = default;
        if (text.Length == 0) return false;
        char suffix = char.ToLowerInvariant(text[^1]);
        // In a hexadecimal number b and e are digits.
        bool hexadecimal = text.StartsWith("0x", StringComparison.OrdinalIgnoreCase);
        int shift = suffix switch { 'k' => 10, 'm' => 20, 'g' => 30, 't' => 40, 'p' => 50, 'e' when !hexadecimal => 60, _ => 0 };
        MkfsSizeUnit unit = suffix switch
        {
            'b' when !hexadecimal => MkfsSizeUnit.Blocks,
            's' => MkfsSizeUnit.Sectors,
            _ => MkfsSizeUnit.Bytes,
        };
        bool hasSuffix = shift != 0 || unit != MkfsSizeUnit.Bytes;
        if (!TryParseNumber(hasSuffix ? text[..^1] : text, out long number)) return false;
        if (number < 0 || number > long.MaxValue >> shift) return false;
        size = new MkfsSize(number << shift, unit);
        return true;
    }

    /// <summary>The size in bytes; false when it does not fit into 63 bits.</summary>
    public bool TryToBytes(int blockSize, int sectorSize, out long bytes)
    {
        long each = Unit switch { MkfsSizeUnit.Blocks => blockSize, MkfsSizeUnit.Sectors => sectorSize, _ => 1 };
        bytes = Value >= 0 && Value <= long.MaxValue / each ? Value * each : -1;
        return bytes >= 0;
    }

    /// <summary>As it would be written on the command line.</summary>
    public override string ToString()
    {
        if (Unit != MkfsSizeUnit.Bytes) return Value.ToString(CultureInfo.InvariantCulture) + (Unit == MkfsSizeUnit.Blocks ? "b" : "s");
        int power = 0;
        long left = Value;
        while (left != 0 && left % 1024 == 0 && power < 6) (left, power) = (left / 1024, power + 1);
        return left.ToString(CultureInfo.InvariantCulture) + (power == 0 ? "" : "kmgtpe"[power - 1].ToString());
    }

    /// <summary>A whole number without suffix: decimal, 0x hexadecimal or, with a leading 0, octal.</summary>
    internal static bool TryParseNumber(string text, out long number)
    {
        number = 0;
        bool negative = text.StartsWith('-');
        ReadOnlySpan<char> digits = text.AsSpan(negative ? 1 : 0);
        int radix = 10;
        if (digits.StartsWith("0x", StringComparison.OrdinalIgnoreCase)) radix = 16;
        else if (digits.Length > 1 && digits[0] == '0') radix = 8;
        digits = digits[(radix switch { 16 => 2, 8 => 1, _ => 0 })..];
        if (digits.IsEmpty) return false;
        foreach (char c in digits)
        {
            int digit = char.IsAsciiHexDigit(c) ? Convert.ToInt32(c.ToString(), 16) : 99;
            if (digit >= radix || number > (long.MaxValue - digit) / radix) return false;
            number = number * radix + digit;
        }
        if (negative) number = -number;
        return true;
    }
}
