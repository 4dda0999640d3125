using System.Collections;
using System.Globalization;
using ImageFs.Inspection;
using Kaitai;

namespace ImageFs.Tests.Kaitai;

/// <summary>A structure the generated reader read, as plain values under paths such as `header.best_free[1].offset`.</summary>
internal static class KaitaiValues
{
    /// <summary>Every plain value of a structure.</summary>
    /// <param name="computed">Instances as well: what lies elsewhere in the structure, and what follows from it.</param>
    public static Dictionary<string, object> Of(KaitaiStruct structure, bool computed)
    {
        Dictionary<string, object> values = [];
        Add(values, "", structure, computed);
        return values;
    }

    /// <summary>A number modulo 2^64: what two programs that disagree about the sign mean by it.</summary>
    public static ulong Number(object value) => value switch
    {
        bool flag => flag ? 1ul : 0,
        Enum constant => unchecked((uint)Convert.ToInt32(constant, CultureInfo.InvariantCulture)),
        ulong number => number,
        _ => unchecked((ulong)Convert.ToInt64(value, CultureInfo.InvariantCulture)),
    };

    /// <summary>All ones in the width of the value's type.</summary>
    public static bool IsAllOnes(object value) => value is ulong.MaxValue or uint.MaxValue or ushort.MaxValue or byte.MaxValue;

    private static void Add(Dictionary<string, object> values, string path, object? value, bool computed)
    {
        switch (value)
        {
            case null:
                break;
            case KaitaiStruct structure:
                foreach (KaitaiField field in KaitaiFields.Of(structure.GetType()))
                {
                    if (field.IsComputed && !computed) continue;
                    Add(values, path.Length == 0 ? field.Name : $"{path}.{field.Name}", Get(field, structure), computed);
                }
                break;
            case IEnumerable elements and not (string or byte[]):
                int index = 0;
                foreach (object? element in elements) Add(values, $"{path}[{index++}]", element, computed);
                break;
            default:
                values[path] = value;
                break;
        }
    }

    private static object? Get(KaitaiField field, KaitaiStruct structure)
    {
        try
        {
            return field.Get(structure);
        }
        catch (Exception e) when (ImageFs.Cli.InspectValues.IsBadData(e))
        {
            return null; // a value that only some structures of the type have
        }
    }
}
