using System.Collections;
using ImageFs.Format;
using ImageFs.Inspection;
using Kaitai;

namespace ImageFs.Cli;

/// <summary>Values under names, in the order in which they are shown: what is put together here and lies on no disk.</summary>
internal sealed class InspectGroup : IEnumerable<KeyValuePair<string, object?>>
{
    private readonly List<KeyValuePair<string, object?>> _values = [];

    public void Add(string name, object? value) => _values.Add(new(name, value));

    public IEnumerator<KeyValuePair<string, object?>> GetEnumerator() => _values.GetEnumerator();
    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();
}

/// <summary>Bytes nobody knows the meaning of, shown as a dump.</summary>
internal sealed record InspectDump(byte[] Bytes);

/// <summary>A structure that was found, and what is to be said about it.</summary>
/// <param name="Structure">What it is, by its XFS name.</param>
/// <param name="Value">A generated structure, an <see cref="InspectGroup"/>, a list or a plain value.</param>
internal sealed record Inspected(string Structure, object? Value)
{
    /// <summary>Bytes from the start of the device; null for what was put together from several places.</summary>
    public long? Offset { get; init; }
    public int Length { get; init; }
    /// <summary>Where in it its checksum stands, and whether it is right.</summary>
    public string? Checksum { get; init; }
    /// <summary>Why not all of it could be read, or why it is not what it should be.</summary>
    public CorruptionException? Problem { get; init; }
}

/// <summary>A step of a path leads nowhere; the message says which steps would.</summary>
internal sealed class InspectPathException(string where, string step, IEnumerable<string> possible)
    : Exception($"{(step.Length == 0 ? $"{where} needs one more step" : where.Length == 0 ? $"there is no '{step}'" : $"{where} has no '{step}'")}; possible here: {string.Join(", ", possible)}");

/// <summary>A field as it is shown: its name, and its value or why there is none.</summary>
internal readonly record struct InspectField(string Name, object? Value, string? Error, bool IsHidden);

/// <summary>Looks into values of every kind alike.</summary>
internal static class InspectValues
{
    /// <summary>The fields of a structure or group; null for anything else.</summary>
    public static IEnumerable<InspectField>? Fields(object? value) => value switch
    {
        KaitaiStruct structure => OfStructure(structure),
        InspectGroup group => group.Select(pair => new InspectField(pair.Key, pair.Value, null, false)),
        _ => null,
    };

    /// <summary>The elements of a list; null for anything else.</summary>
    public static IEnumerable? Elements(object? value) => value is string or byte[] or InspectGroup ? null : value as IEnumerable;

    public static bool IsScalar(object? value) => Fields(value) is null && Elements(value) is null && value is not InspectDump;

    /// <summary>Takes one step into a value.</summary>
    /// <exception cref="InspectPathException">There is nothing of that name or number.</exception>
    /// <exception cref="CorruptionException">There is, but it cannot be read.</exception>
    public static object? Step(object? value, string step, string where)
    {
        if (Fields(value) is { } fields)
        {
            List<string> names = [];
            foreach (InspectField field in fields)
            {
                if (field.Name == step)
                    return field.Error is null ? field.Value : throw new CorruptionException(step, where, field.Error);
                names.Add(field.Name);
            }
            throw new InspectPathException(where, step, names);
        }
        if (Elements(value) is { } elements)
        {
            bool isNumber = int.TryParse(step, out int wanted);
            int count = 0;
            foreach (object? element in elements)
                if (count++ == wanted && isNumber) return element;
            throw new InspectPathException(where, step, count == 0 ? ["nothing, it is empty"] : [$"0 to {count - 1}"]);
        }
        throw new InspectPathException(where, step, ["nothing, it is a plain value"]);
    }

    private static IEnumerable<InspectField> OfStructure(KaitaiStruct structure)
    {
        foreach (KaitaiField field in KaitaiFields.Of(structure.GetType()))
        {
            // Places that other instances begin at.
            if (field.IsComputed && (field.Name.EndsWith("_pos", StringComparison.Ordinal) || field.Name == "lead")) continue;
            object? value = null;
            string? error = null;
            try
            {
                value = field.Get(structure);
            }
            catch (Exception e) when (IsBadData(e))
            {
                error = Describe(e);
            }
            if (value is not null || error is not null) yield return new InspectField(field.Name, value, error, IsHidden(field.Name, value));
        }
    }

    /// <summary>What a generated reader throws when the bytes make no sense.</summary>
    public static bool IsBadData(Exception e) =>
        e is KaitaiStructError or EndOfStreamException or OverflowException or ArgumentException or InvalidOperationException or NullReferenceException or XfsException;

    /// <summary>Why a structure could not be read, without the path in the specification where that says nothing to a user.</summary>
    public static string Describe(Exception e) => e switch
    {
        EndOfStreamException => $"ends too early: {e.Message}",
        // What it is computed from could not be read; that was reported where it happened.
        NullReferenceException or InvalidOperationException => "depends on something that could not be read",
        _ => e.Message,
    };

    private static bool IsHidden(string name, object? value) => name switch
    {
        "filler" or "padding" or "header_pad" or "stamped_payload" => true,
        // One or the other, shown as `ino`.
        "narrow" or "wide" => true,
        "pad" or "pad0" or "pad1" or "pad2" or "spare" or "reserved" or "reserved1" or "res2" or "fill" => value switch
        {
            byte[] bytes => !bytes.AsSpan().ContainsAnyExcept((byte)0),
            IConvertible number => number.ToUInt64(null) == 0,
            _ => false,
        },
        _ => false,
    };
}
