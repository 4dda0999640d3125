using System.Buffers.Binary;

namespace ImageFs.Tests.Simulation;

/// <summary>
/// Bytes that tell where they come from: every eight of them hold the number of their pattern and their place in it, so that a
/// stray sector names the write it belongs to.
/// </summary>
internal static class Pattern
{
    private const byte Mark = 0xA5;

    /// <param name="seed">From 1 up, below 2^24.</param>
    /// <param name="start">Place of the first byte in the pattern.</param>
    public static byte[] Fill(int seed, long start, int length)
    {
        byte[] bytes = new byte[length];
        for (int i = 0; i < length; i++)
        {
            long at = start + i;
            bytes[i] = (int)(at & 7) switch
            {
                0 => Mark,
                1 => (byte)(seed >> 16),
                2 => (byte)(seed >> 8),
                3 => (byte)seed,
                int n => (byte)(at >> 3 >> (8 * (7 - n))),
            };
        }
        return bytes;
    }

    /// <summary>What a piece of a pattern is, as far as that can be seen.</summary>
    public static string Describe(ReadOnlySpan<byte> piece)
    {
        for (int i = 0; i + 8 <= piece.Length; i++)
            if (piece[i] == Mark)
                return $"byte {(long)BinaryPrimitives.ReadUInt32BigEndian(piece[(i + 4)..]) * 8 - i} of pattern {BinaryPrimitives.ReadUInt32BigEndian(piece[i..]) & 0xFFFFFF}";
        return Convert.ToHexStringLower(piece[..Math.Min(16, piece.Length)]) + "...";
    }
}
