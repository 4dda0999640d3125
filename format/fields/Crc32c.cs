using System.Buffers.Binary;
using System.Numerics;
using System.Runtime.InteropServices;

namespace ImageFs.Format;

/// <summary>
/// CRC-32C (Castagnoli) as XFS uses it: seed all ones, final inversion, computed with the four checksum bytes
/// taken as zero, stored least significant byte first in structures that are otherwise big-endian.
/// </summary>
public static class Crc32c
{
    /// <summary>The running state before the first byte.</summary>
    public const uint Seed = 0xFFFFFFFF;

    /// <summary>Feeds bytes into a running (not inverted) state.</summary>
    public static uint Append(uint state, ReadOnlySpan<byte> bytes)
    {
        ReadOnlySpan<ulong> words = MemoryMarshal.Cast<byte, ulong>(bytes);
        foreach (ulong word in words)
            state = BitOperations.Crc32C(state, BitConverter.IsLittleEndian ? word : BinaryPrimitives.ReverseEndianness(word));
        foreach (byte one in bytes[(words.Length * sizeof(ulong))..])
            state = BitOperations.Crc32C(state, one);
        return state;
    }

    /// <summary>The checksum of a whole range without any field to skip.</summary>
    public static uint Compute(ReadOnlySpan<byte> bytes) => ~Append(Seed, bytes);

    /// <summary>The checksum of a structure whose own checksum field stands at <paramref name="field"/>.</summary>
    public static uint Compute(ReadOnlySpan<byte> structure, int field)
    {
        uint state = Append(Seed, structure[..field]);
        state = BitOperations.Crc32C(state, 0u);
        return ~Append(state, structure[(field + 4)..]);
    }

    /// <summary>Whether the stored checksum at <paramref name="field"/> is the right one.</summary>
    public static bool IsValid(ReadOnlySpan<byte> structure, int field) =>
        BinaryPrimitives.ReadUInt32LittleEndian(structure[field..]) == Compute(structure, field);

    /// <summary>Computes the checksum and stores it at <paramref name="field"/>.</summary>
    public static void Stamp(Span<byte> structure, int field) =>
        BinaryPrimitives.WriteUInt32LittleEndian(structure[field..], Compute(structure, field));
}
