using System.Collections.Concurrent;
using System.Globalization;
using System.Reflection;
using System.Text;
using Kaitai;

namespace ImageFs.Inspection;

/// <summary>One field of a generated type, under its name in xfs.ksy.</summary>
public sealed class KaitaiField
{
    private readonly PropertyInfo _property;

    internal KaitaiField(PropertyInfo property, bool isComputed)
    {
        _property = property;
        IsComputed = isComputed;
        Name = KaitaiFields.SpecificationName(property.Name);
    }

    /// <summary>The name in xfs.ksy.</summary>
    public string Name { get; }

    /// <summary>An instance: computed, or read when it is asked for. Otherwise it was read with the structure.</summary>
    public bool IsComputed { get; }

    /// <summary>The type of the property; numbers that need not be there are nullable.</summary>
    public Type Type => _property.PropertyType;

    /// <summary>The value; null if the structure has no such field, or if reading the structure ended before it.</summary>
    /// <exception cref="KaitaiStructError">The bytes are not what the specification says.</exception>
    /// <exception cref="EndOfStreamException">There are not enough of them.</exception>
    public object? Get(KaitaiStruct structure) =>
        _property.GetValue(structure, BindingFlags.DoNotWrapExceptions, null, null, CultureInfo.InvariantCulture);
}

/// <summary>What fields generated types have.</summary>
public static class KaitaiFields
{
    private static readonly ConcurrentDictionary<Type, KaitaiField[]> s_fields = new();

    /// <summary>The fields of a type: first those that are read, in their order on disk, then the instances. Parameters are left out.</summary>
    public static IReadOnlyList<KaitaiField> Of(Type type) => s_fields.GetOrAdd(type, Find);

    /// <summary>The field of that name, or null.</summary>
    public static KaitaiField? Find(KaitaiStruct structure, string name)
    {
        ArgumentNullException.ThrowIfNull(structure);
        return Of(structure.GetType()).FirstOrDefault(field => field.Name == name);
    }

    /// <summary>The name of a type or enumeration value in xfs.ksy: DirDataBlock was dir_data_block there.</summary>
    public static string SpecificationName(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        StringBuilder text = new(name.Length + 4);
        foreach (char one in name)
        {
            if (char.IsAsciiLetterUpper(one) && text.Length > 0) text.Append('_');
            text.Append(char.ToLowerInvariant(one));
        }
        return text.ToString();
    }

    private static KaitaiField[] Find(Type type)
    {
        // A generated type has for each parameter a parameter p_name of its constructor, for each instance a field f_name
        // that tells whether it was computed, and properties M_... that are no data.
        HashSet<string> parameters = [.. type.GetConstructors().SelectMany(c => c.GetParameters()).Select(p => p.Name ?? "").Where(n => n.StartsWith("p_", StringComparison.Ordinal))];
        HashSet<string> instances =
        [
            .. type.GetFields(BindingFlags.NonPublic | BindingFlags.Instance | BindingFlags.DeclaredOnly)
                .Where(f => f.Name.StartsWith("f_", StringComparison.Ordinal)).Select(f => f.Name),
        ];
        List<KaitaiField> read = [], computed = [];
        foreach (PropertyInfo property in type.GetProperties(BindingFlags.Public | BindingFlags.Instance | BindingFlags.DeclaredOnly))
        {
            if (property.Name.StartsWith("M_", StringComparison.Ordinal)) continue;
            string camel = char.ToLowerInvariant(property.Name[0]) + property.Name[1..];
            if (parameters.Contains("p_" + camel)) continue;
            bool isComputed = instances.Contains("f_" + camel);
            (isComputed ? computed : read).Add(new KaitaiField(property, isComputed));
        }
        return [.. read, .. computed];
    }
}
