using System.Collections;
using System.Globalization;
using System.Text;

namespace ImageFs.Cli;

/// <summary>Writes what was found as an indented tree of `name = value` lines, small structures on one line each.</summary>
internal sealed class InspectText(TextWriter output, int limit)
{
    private const int LongestLine = 110, DumpRow = 16;

    public void Write(Inspected found, string path)
    {
        output.Write($"# {(path.Length == 0 ? "" : path + ": ")}{found.Structure}");
        if (found.Offset is long offset) output.Write($", {found.Length} bytes at {offset} (daddr {offset >> 9})");
        if (found.Checksum is string checksum) output.Write($", crc {checksum}");
        output.WriteLine();
        WriteValue(path.Length == 0 ? "" : path[(path.LastIndexOf('/') + 1)..], found.Value, 0);
    }

    private void WriteValue(string name, object? value, int depth)
    {
        if (value is InspectDump dump) WriteDump(dump.Bytes, depth);
        else if (InspectValues.Fields(value) is { } fields) WriteFields(fields, depth);
        else if (InspectValues.Elements(value) is { } elements) WriteElements(name, elements, depth);
        else Line(depth, value is null ? "nothing" : InspectScalars.Text(name, value));
    }

    private void WriteFields(IEnumerable<InspectField> fields, int depth)
    {
        foreach (InspectField field in fields)
        {
            if (field.IsHidden) continue;
            if (field.Error is string error) Line(depth, $"{field.Name}: {error}");
            else if (field.Value is null) continue;
            else if (InspectValues.IsScalar(field.Value)) Line(depth, $"{field.Name} = {InspectScalars.Text(field.Name, field.Value)}");
            else if (OneLine(field.Value) is string line) Line(depth, $"{field.Name}: {line}");
            else if (field.Value is ICollection { Count: 0 }) Line(depth, $"{field.Name}: none");
            else
            {
                Line(depth, field.Value is ICollection many ? $"{field.Name}: {many.Count}" : $"{field.Name}:");
                WriteValue(field.Name, field.Value, depth + 1);
            }
        }
    }

    private void WriteElements(string name, IEnumerable elements, int depth)
    {
        StringBuilder row = new();
        int index = 0;
        foreach (object? element in elements)
        {
            if (limit > 0 && index == limit)
            {
                EndRow();
                Line(depth, elements is ICollection all ? $"... and {all.Count - limit} more (--limit)" : "... and more (--limit)");
                return;
            }
            if (element is not null && InspectValues.IsScalar(element))
            {
                string text = InspectScalars.Text(name, element);
                if (row.Length > 0 && row.Length + text.Length + depth * 2 > LongestLine) EndRow();
                if (row.Length == 0) row.Append(CultureInfo.InvariantCulture, $"[{index}]");
                row.Append(' ').Append(text);
            }
            else if (OneLine(element) is string line) Line(depth, $"[{index}] {line}");
            else
            {
                Line(depth, $"[{index}]");
                WriteValue(name, element, depth + 1);
            }
            index++;
        }
        EndRow();
        if (index == 0) Line(depth, "none");

        void EndRow()
        {
            if (row.Length > 0) Line(depth, row.ToString());
            row.Clear();
        }
    }

    /// <summary>A structure of plain values and of such structures, if it fits into one line.</summary>
    private static string? OneLine(object? value)
    {
        if (InspectValues.Fields(value) is not { } fields) return null;
        StringBuilder line = new();
        foreach (InspectField field in fields)
        {
            if (field.IsHidden || field.Value is false) continue;
            string? text = field.Error ?? (field.Value is true ? "" : InspectValues.IsScalar(field.Value) ? InspectScalars.Text(field.Name, field.Value!) : OneLine(field.Value) is string inner ? $"({inner})" : null);
            if (text is null) return null;
            line.Append(line.Length > 0 ? ", " : "").Append(field.Name).Append(text.Length > 0 ? " " : "").Append(text);
            if (line.Length > LongestLine * 2) return null;
        }
        return line.ToString();
    }

    private void WriteDump(byte[] bytes, int depth)
    {
        for (int at = 0; at < bytes.Length; at += DumpRow)
        {
            if (limit > 0 && at / DumpRow == limit)
            {
                Line(depth, $"... and {bytes.Length - at} more bytes (--limit)");
                return;
            }
            ReadOnlySpan<byte> row = bytes.AsSpan(at, Math.Min(DumpRow, bytes.Length - at));
            StringBuilder line = new();
            line.Append(CultureInfo.InvariantCulture, $"{at:x4}  ");
            foreach (byte one in row) line.Append(CultureInfo.InvariantCulture, $"{one:x2} ");
            line.Append(' ', (DumpRow - row.Length) * 3 + 1);
            foreach (byte one in row) line.Append(one is >= 0x20 and < 0x7F ? (char)one : '.');
            Line(depth, line.ToString());
        }
    }

    private void Line(int depth, string text)
    {
        for (int i = 0; i < depth; i++) output.Write("  ");
        output.WriteLine(text);
    }
}
