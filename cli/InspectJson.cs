using System.Collections;
using System.Globalization;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using ImageFs.Format;

namespace ImageFs.Cli;

/// <summary>
/// Writes what was found as one JSON object. Numbers are what is on disk; an enumeration's value is its name if it has
/// one, names of files are their bytes as Latin-1, other bytes are hexadecimal. A list that was cut short is followed
/// by `NAME_more`: how many elements are missing, or true.
/// </summary>
internal sealed class InspectJson(int limit)
{
    private const int MostBytes = 4096;
    private Exception? _failure;

    /// <returns>What went wrong, be it that a list turned out to be damaged after half of it.</returns>
    public static Exception? Write(TextWriter output, int limit, string image, string path, Inspected? found, Exception? failure)
    {
        using MemoryStream text = new();
        InspectJson json = new(limit) { _failure = failure };
        json.Write(text, image, path, found);
        output.WriteLine(Encoding.UTF8.GetString(text.GetBuffer(), 0, (int)text.Length));
        return json._failure;
    }

    private void Write(Stream output, string image, string path, Inspected? found)
    {
        using (Utf8JsonWriter json = new(output, new JsonWriterOptions { Indented = true, NewLine = "\n", Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping, MaxDepth = 64 }))
        {
            json.WriteStartObject();
            json.WriteString("image", image);
            json.WriteString("path", path);
            if (found is not null)
            {
                json.WriteString("structure", found.Structure);
                if (found.Offset is long offset)
                {
                    json.WriteNumber("offset", offset);
                    json.WriteNumber("length", found.Length);
                }
                if (found.Checksum is string checksum) json.WriteString("crc", checksum);
                Named(json, "value", found.Value);
            }
            if (_failure is not null)
            {
                json.WriteStartObject("error");
                if (_failure is CorruptionException damage)
                {
                    json.WriteString("structure", damage.Structure);
                    json.WriteString("location", damage.Location);
                    json.WriteString("problem", damage.Problem);
                }
                json.WriteString("message", _failure.Message);
                json.WriteEndObject();
            }
            json.WriteEndObject();
        }
    }

    private void Named(Utf8JsonWriter json, string name, object? value)
    {
        json.WritePropertyName(name);
        if (InspectValues.Elements(value) is not { } elements)
        {
            Value(json, name, value);
            return;
        }
        if (Elements(json, name, elements) is not int left) return;
        if (left > 0) json.WriteNumber(name + "_more", left);
        else json.WriteBoolean(name + "_more", true);
    }

    private void Value(Utf8JsonWriter json, string name, object? value)
    {
        if (value is InspectDump dump) Bytes(json, dump.Bytes);
        else if (InspectValues.Fields(value) is { } fields)
        {
            json.WriteStartObject();
            foreach (InspectField field in fields)
            {
                if (field.IsHidden) continue;
                if (field.Error is string error) json.WriteString(field.Name + "_error", error);
                else if (field.Value is not null) Named(json, field.Name, field.Value);
            }
            json.WriteEndObject();
        }
        else if (InspectValues.Elements(value) is { } elements) Elements(json, name, elements);
        else Scalar(json, name, value);
    }

    /// <returns>Null if all of them were written, otherwise how many were not; 0 if that is not known.</returns>
    private int? Elements(Utf8JsonWriter json, string name, IEnumerable elements)
    {
        json.WriteStartArray();
        int index = 0;
        int? left = null;
        IEnumerator each = elements.GetEnumerator();
        while (MoveNext(each))
        {
            if (limit > 0 && index++ == limit)
            {
                left = elements is ICollection all ? all.Count - limit : 0;
                break;
            }
            Value(json, name, each.Current);
        }
        json.WriteEndArray();
        return left;
    }

    private bool MoveNext(IEnumerator elements)
    {
        try
        {
            return elements.MoveNext();
        }
        catch (XfsException e)
        {
            _failure ??= e;
            return false;
        }
    }

    private void Scalar(Utf8JsonWriter json, string name, object? value)
    {
        switch (value)
        {
            case null: json.WriteNullValue(); break;
            case bool flag: json.WriteBooleanValue(flag); break;
            case string text: json.WriteStringValue(text.TrimEnd('\0')); break;
            case byte[] bytes when InspectScalars.IsUuid(name, bytes): json.WriteStringValue(InspectScalars.Uuid(bytes)); break;
            case byte[] bytes: Bytes(json, bytes); break;
            case Enum constant when InspectScalars.EnumName(constant) is string known: json.WriteStringValue(known); break;
            case Enum constant: json.WriteNumberValue((uint)InspectScalars.Underlying(constant)); break;
            case ulong number: json.WriteNumberValue(number); break;
            default: json.WriteNumberValue(Convert.ToInt64(value, CultureInfo.InvariantCulture)); break;
        }
    }

    private void Bytes(Utf8JsonWriter json, byte[] bytes)
    {
        bool cut = limit > 0 && bytes.Length > MostBytes;
        string hex = InspectScalars.Hex(cut ? bytes.AsSpan(0, MostBytes) : bytes);
        json.WriteStringValue(cut ? new StringBuilder(hex).Append("...").ToString() : hex);
    }
}
