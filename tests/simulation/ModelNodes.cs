using System.Collections.Immutable;

namespace ImageFs.Tests.Simulation;

/// <summary>A file of the model, of whatever kind.</summary>
internal abstract record ModelNode
{
    /// <summary>The letter of its kind.</summary>
    public abstract char Kind { get; }

    /// <summary>Permission bits.</summary>
    public int Mode { get; init; } = 0b110_100_100;

    /// <summary>Digests of the extended attributes, by full name.</summary>
    public ImmutableSortedDictionary<string, string> Attributes { get; init; } = ImmutableSortedDictionary.Create<string, string>(StringComparer.Ordinal);
}

internal sealed record ModelFile(long Size, ImmutableSortedDictionary<long, ModelBlock> Blocks) : ModelNode
{
    public static readonly ModelFile Empty = new(0, ImmutableSortedDictionary<long, ModelBlock>.Empty);

    public override char Kind => 'f';
}

internal sealed record ModelDirectory(ImmutableSortedDictionary<string, int> Entries) : ModelNode
{
    public static readonly ModelDirectory Empty = new(ImmutableSortedDictionary.Create<string, int>(StringComparer.Ordinal)) { Mode = 0b111_101_101 };

    public override char Kind => 'd';
}

internal sealed record ModelSymlink : ModelNode
{
    public ModelSymlink(string target)
    {
        Target = target;
        Mode = 0b111_111_111;
    }

    public string Target { get; }

    public override char Kind => 'l';
}

/// <summary>A device, a fifo or a socket.</summary>
/// <param name="Letter">c, b, p or s.</param>
/// <param name="Numbers">`major:minor`; 0:0 for what is no device.</param>
internal sealed record ModelDevice(char Letter, string Numbers) : ModelNode
{
    public override char Kind => Letter;
}

/// <summary>What was found under one path of a real image.</summary>
/// <param name="Kind">f, d, l, c, b, p or s.</param>
/// <param name="Links">Names; not compared for directories.</param>
/// <param name="Content">Bytes of a file, target of a symlink, `major:minor` of everything else but directories.</param>
internal sealed record ObservedEntry(char Kind, long Size, uint Links, byte[] Content)
{
    /// <summary>Permission bits.</summary>
    public required int Mode { get; init; }

    /// <summary>Digests of the extended attributes, by full name.</summary>
    public required IReadOnlyDictionary<string, string> Attributes { get; init; }

    /// <summary>The content as text: where a symlink points.</summary>
    public string Target => System.Text.Encoding.UTF8.GetString(Content);

    /// <summary>The first difference between two sets of attributes, or null.</summary>
    public static string? Difference(IReadOnlyDictionary<string, string> expected, IReadOnlyDictionary<string, string> found)
    {
        foreach ((string name, string digest) in expected)
        {
            if (!found.TryGetValue(name, out string? other)) return $"lacks attribute {name}";
            if (other != digest) return $"has another value of attribute {name}";
        }
        return found.Keys.FirstOrDefault(name => !expected.ContainsKey(name)) is string more ? $"has attribute {more} as well" : null;
    }
}
