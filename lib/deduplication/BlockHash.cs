using System.Numerics;
using System.Runtime.InteropServices;

namespace ImageFs.Deduplication;

/// <summary>A fast 64-bit hash of a block. Not against adversaries: whatever it finds equal is compared byte by byte.</summary>
internal static class BlockHash
{
    private const ulong K0 = 0x9E3779B97F4A7C15, K1 = 0xC2B2AE3D27D4EB4F, K2 = 0x165667B19E3779F9, K3 = 0xD6E8FEB86659FD93;

    public static ulong Compute(ReadOnlySpan<byte> data)
    {
        ulong a = K0 ^ (ulong)data.Length, b = K1, c = K2, d = K3;
        ReadOnlySpan<ulong> words = MemoryMarshal.Cast<byte, ulong>(data);
        int at = 0;
        for (; at + 4 <= words.Length; at += 4)
        {
            a = BitOperations.RotateLeft(a + words[at] * K1, 31) * K0;
            b = BitOperations.RotateLeft(b + words[at + 1] * K1, 31) * K0;
            c = BitOperations.RotateLeft(c + words[at + 2] * K1, 31) * K0;
            d = BitOperations.RotateLeft(d + words[at + 3] * K1, 31) * K0;
        }
        ulong hash = BitOperations.RotateLeft(a, 1) + BitOperations.RotateLeft(b, 7) + BitOperations.RotateLeft(c, 12) + BitOperations.RotateLeft(d, 18);
        for (; at < words.Length; at++) hash = Mix(hash ^ words[at]);
        foreach (byte last in data[(words.Length * 8)..]) hash = (hash ^ last) * K2;
        return Mix(hash);
    }

    private static ulong Mix(ulong value)
    {
        value = (value ^ value >> 32) * K1;
        value = (value ^ value >> 29) * K2;
        return value ^ value >> 32;
    }
}
