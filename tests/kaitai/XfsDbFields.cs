using System.Globalization;
using System.Text.RegularExpressions;
using ImageFs.Tests.Fixtures;

namespace ImageFs.Tests.Kaitai;

/// <summary>xfs_db as a witness: many structures printed by one run, each as plain values under its own names.</summary>
internal static partial class XfsDbFields
{
    private const string Marker = "@@";

    /// <summary>Prints structures: commands that go to one and make it the current type, for each of them.</summary>
    public static IReadOnlyList<Dictionary<string, string>> Print(string image, IReadOnlyList<string[]> places)
    {
        List<Dictionary<string, string>> all = [];
        // A command line has its limits.
        foreach (string[][] some in places.Chunk(400))
        {
            List<string> arguments = ["TZ=UTC", Judge.RequireDb(), "-r", "-f"];
            foreach (string[] commands in some)
                foreach (string command in (string[])[$"echo {Marker}", .. commands, "print"])
                {
                    arguments.Add("-c");
                    arguments.Add(command);
                }
            arguments.Add(image);
            string text = Shell.Run("env", arguments).MustSucceed().Output;
            string[] parts = text.Split(Marker + " \n");
            Assert.HasCount(some.Length + 1, parts, text.Length > 4000 ? text[..4000] : text);
            all.AddRange(parts.Skip(1).Select(Parse));
        }
        return all;
    }

    /// <summary>
    /// Reads what xfs_db prints. `name = value` is plain; `name[0-2] = 0:5 2:7` leaves out elements that are null or zero;
    /// `name[0-2] = [a,b]` is followed by `0:[5,6]` for each element.
    /// </summary>
    public static Dictionary<string, string> Parse(string text)
    {
        Dictionary<string, string> values = [];
        string array = "";
        string[] columns = [];
        foreach (string line in text.Split('\n'))
        {
            if (ArrayOfStructures().Match(line) is { Success: true } head)
            {
                array = head.Groups[1].Value;
                columns = head.Groups[2].Value.Split(',');
            }
            else if (columns.Length > 0 && Row().Match(line) is { Success: true } row)
            {
                string[] cells = row.Groups[2].Value.Split(',');
                for (int i = 0; i < Math.Min(cells.Length, columns.Length); i++) values[$"{array}[{row.Groups[1].Value}].{columns[i]}"] = cells[i];
            }
            else if (Array().Match(line) is { Success: true } many)
            {
                columns = [];
                foreach (Match element in Element().Matches(many.Groups[2].Value)) values[$"{many.Groups[1].Value}[{element.Groups[1].Value}]"] = element.Groups[2].Value;
            }
            else if (Plain().Match(line) is { Success: true } plain)
            {
                columns = [];
                values[plain.Groups[1].Value] = plain.Groups[2].Value;
            }
        }
        return values;
    }

    /// <summary>True if xfs_db means that value, however it writes it.</summary>
    /// <param name="name">Its name for it.</param>
    /// <param name="printed">What it printed.</param>
    /// <param name="value">What another reader found.</param>
    public static bool Means(string name, string printed, object value)
    {
        if (value is byte[] bytes) return printed.Replace("-", "", StringComparison.Ordinal).Equals(Convert.ToHexString(bytes), StringComparison.OrdinalIgnoreCase);
        if (printed.StartsWith('"')) return MeansText(printed, (string)value);
        if (name.EndsWith("_sec", StringComparison.Ordinal) || name.EndsWith(".sec", StringComparison.Ordinal))
            return DateTime.ParseExact(Regex.Replace(printed, " +", " "), "ddd MMM d HH:mm:ss yyyy", CultureInfo.InvariantCulture) == DateTime.UnixEpoch.AddSeconds((long)value);
        string number = printed.Split(' ')[0];
        if (number == "null") return KaitaiValues.IsAllOnes(value);
        ulong expected = KaitaiValues.Number(value);
        // A checksum is little-endian on disk, which xfs_db does not know.
        if (name.EndsWith("crc", StringComparison.Ordinal)) expected = System.Buffers.Binary.BinaryPrimitives.ReverseEndianness((uint)expected);
        return Number(number) == expected;
    }

    private static ulong Number(string text) =>
        text.StartsWith("0x", StringComparison.Ordinal) ? Convert.ToUInt64(text[2..], 16)
        : text.StartsWith('-') ? unchecked((ulong)long.Parse(text, CultureInfo.InvariantCulture))
        : text.StartsWith('0') && text.Length > 1 ? Convert.ToUInt64(text, 8)
        : ulong.Parse(text, CultureInfo.InvariantCulture);

    // Octal for what is not ASCII; the escapes for control characters are not to be trusted.
    private static bool MeansText(string printed, string value)
    {
        string inside = printed[1..^1];
        if (value.Any(c => c is < ' ' or '"' or '\\' or (char)0x7F)) return true;
        return Octal().Replace(inside, m => ((char)Convert.ToInt32(m.Groups[1].Value, 8)).ToString()).TrimEnd('\0') == value.TrimEnd('\0');
    }

    [GeneratedRegex(@"^(\S+?)(?:\[\d+(?:-\d+)?\])? = \[([a-z0-9_,]+)\]\s*$")]
    private static partial Regex ArrayOfStructures();

    [GeneratedRegex(@"^(\d+):\[([^\]]*)\]\s*$")]
    private static partial Regex Row();

    [GeneratedRegex(@"^(\S+?)\[\d+(?:-\d+)?\] = (.*)$")]
    private static partial Regex Array();

    [GeneratedRegex(@"(\d+):(\S+)")]
    private static partial Regex Element();

    [GeneratedRegex(@"^(\S+) = (.*?)\s*$")]
    private static partial Regex Plain();

    [GeneratedRegex(@"\\([0-7]{3})")]
    private static partial Regex Octal();
}
