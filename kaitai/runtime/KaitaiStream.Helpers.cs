using System.IO.Compression;

namespace Kaitai;

// What generated code does with bytes it has read.
public partial class KaitaiStream
{
    /// <summary>Without the padding at the end.</summary>
    public static byte[] BytesStripRight(byte[] src, byte padByte)
    {
        ArgumentNullException.ThrowIfNull(src);
        return src.AsSpan().TrimEnd(padByte).ToArray();
    }

    /// <summary>Up to a byte that ends them, or all of them.</summary>
    public static byte[] BytesTerminate(byte[] src, byte terminator, bool includeTerminator)
    {
        ArgumentNullException.ThrowIfNull(src);
        int end = src.AsSpan().IndexOf(terminator);
        return end < 0 ? src : src[..(includeTerminator ? end + 1 : end)];
    }

    /// <summary>Each byte XOR <paramref name="key"/>.</summary>
    public static byte[] ProcessXor(byte[] value, int key)
    {
        ArgumentNullException.ThrowIfNull(value);
        return Array.ConvertAll(value, one => (byte)(one ^ key));
    }

    /// <summary>Each byte XOR the byte of the key whose turn it is.</summary>
    public static byte[] ProcessXor(byte[] value, byte[] key)
    {
        ArgumentNullException.ThrowIfNull(value);
        ArgumentNullException.ThrowIfNull(key);
        byte[] result = new byte[value.Length];
        for (int i = 0; i < value.Length; i++) result[i] = (byte)(value[i] ^ key[i % key.Length]);
        return result;
    }

    /// <summary>Each byte rotated by some bits; only groups of one byte exist.</summary>
    public static byte[] ProcessRotateLeft(byte[] data, int amount, int groupSize)
    {
        ArgumentNullException.ThrowIfNull(data);
        if (groupSize != 1) throw new NotSupportedException($"rotation of groups of {groupSize} bytes");
        int left = amount & 7;
        return Array.ConvertAll(data, one => (byte)(one << left | one >> (8 - left)));
    }

    /// <summary>What a zlib stream expands to.</summary>
    public static byte[] ProcessZlib(byte[] data)
    {
        ArgumentNullException.ThrowIfNull(data);
        using ZLibStream expanded = new(new MemoryStream(data, writable: false), CompressionMode.Decompress);
        using MemoryStream result = new();
        expanded.CopyTo(result);
        return result.ToArray();
    }

    /// <summary>The remainder that is never negative, for a positive divisor.</summary>
    public static int Mod(int a, int b) => checked((int)Mod((long)a, b));

    /// <inheritdoc cref="Mod(int, int)"/>
    public static long Mod(long a, long b)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(b);
        long rest = a % b;
        return rest < 0 ? rest + b : rest;
    }

    /// <summary>Less than, equal to or greater than 0 as <paramref name="a"/> comes before, with or after <paramref name="b"/>.</summary>
    public static int ByteArrayCompare(byte[] a, byte[] b)
    {
        ArgumentNullException.ThrowIfNull(a);
        ArgumentNullException.ThrowIfNull(b);
        return a == b ? 0 : a.AsSpan().SequenceCompareTo(b);
    }

    /// <summary>The characters in opposite order.</summary>
    public static string StringReverse(string s)
    {
        ArgumentNullException.ThrowIfNull(s);
        char[] characters = s.ToCharArray();
        Array.Reverse(characters);
        return new string(characters);
    }
}
