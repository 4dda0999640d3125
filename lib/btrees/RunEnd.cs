namespace ImageFs.BTrees;

/// <summary>The last element of a run whose length may be nonsense: it never lies before the start and never wraps around.</summary>
internal static class RunEnd
{
    /// <summary>start + count - 1, at least start, at most 2^32 - 1.</summary>
    public static uint Last(uint start, uint count) => (uint)Math.Min(uint.MaxValue, (ulong)start + (count == 0 ? 0 : count - 1));
}
