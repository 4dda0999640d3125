using System.Buffers.Binary;
using System.Runtime.InteropServices;

namespace ImageFs.Format;

/// <summary>A 16-bit number as it lies on disk: most significant byte first.</summary>
[StructLayout(LayoutKind.Sequential, Pack = 1)]
public readonly struct BigEndian16(ushort value)
{
    private readonly ushort _raw = BitConverter.IsLittleEndian ? BinaryPrimitives.ReverseEndianness(value) : value;

    /// <summary>The number in the machine's order.</summary>
    public ushort Value => BitConverter.IsLittleEndian ? BinaryPrimitives.ReverseEndianness(_raw) : _raw;

    public static implicit operator ushort(BigEndian16 number) => number.Value;
    public static implicit operator BigEndian16(ushort value) => new(value);
    public override string ToString() => Value.ToString();
}

/// <summary>A 32-bit number as it lies on disk: most significant byte first.</summary>
[StructLayout(LayoutKind.Sequential, Pack = 1)]
public readonly struct BigEndian32(uint value)
{
    private readonly uint _raw = BitConverter.IsLittleEndian ? BinaryPrimitives.ReverseEndianness(value) : value;

    /// <summary>The number in the machine's order.</summary>
    public uint Value => BitConverter.IsLittleEndian ? BinaryPrimitives.ReverseEndianness(_raw) : _raw;

    public static implicit operator uint(BigEndian32 number) => number.Value;
    public static implicit operator BigEndian32(uint value) => new(value);
    public override string ToString() => Value.ToString();
}

/// <summary>A 64-bit number as it lies on disk: most significant byte first.</summary>
[StructLayout(LayoutKind.Sequential, Pack = 1)]
public readonly struct BigEndian64(ulong value)
{
    private readonly ulong _raw = BitConverter.IsLittleEndian ? BinaryPrimitives.ReverseEndianness(value) : value;

    /// <summary>The number in the machine's order.</summary>
    public ulong Value => BitConverter.IsLittleEndian ? BinaryPrimitives.ReverseEndianness(_raw) : _raw;

    public static implicit operator ulong(BigEndian64 number) => number.Value;
    public static implicit operator BigEndian64(ulong value) => new(value);
    public override string ToString() => Value.ToString();
}

/// <summary>A 32-bit number stored least significant byte first: every checksum of the format.</summary>
[StructLayout(LayoutKind.Sequential, Pack = 1)]
public readonly struct LittleEndian32(uint value)
{
    private readonly uint _raw = BitConverter.IsLittleEndian ? value : BinaryPrimitives.ReverseEndianness(value);

    /// <summary>The number in the machine's order.</summary>
    public uint Value => BitConverter.IsLittleEndian ? _raw : BinaryPrimitives.ReverseEndianness(_raw);

    public static implicit operator uint(LittleEndian32 number) => number.Value;
    public static implicit operator LittleEndian32(uint value) => new(value);
    public override string ToString() => Value.ToString();
}
