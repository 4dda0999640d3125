using System.Diagnostics.CodeAnalysis;

namespace ImageFs;

/// <summary>A contradiction in our own reasoning, not in the image: a bug of this library. The volume shuts down.</summary>
public sealed class InvariantException(string message) : InvalidOperationException(message);

/// <summary>Facts that hold whatever the image says; checked always.</summary>
internal static class Invariant
{
    /// <summary>Throws if a fact does not hold.</summary>
    public static void Holds([DoesNotReturnIf(false)] bool fact, string what)
    {
        if (!fact) Fail(what);
    }

    [DoesNotReturn]
    private static void Fail(string what) => throw new InvariantException($"internal error: {what}");
}
