using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace ImageFs.Format;

/// <summary>Sixteen bytes that identify a file system; printed and parsed in the usual 8-4-4-4-12 form, never byte-swapped.</summary>
[StructLayout(LayoutKind.Sequential, Pack = 1)]
public readonly struct Uuid : IEquatable<Uuid>
{
    private readonly ulong _first;
    private readonly ulong _second;

    /// <summary>Takes the sixteen bytes as they lie on disk.</summary>
    public Uuid(ReadOnlySpan<byte> bytes) => this = MemoryMarshal.Read<Uuid>(bytes);

    /// <summary>Takes a <see cref="Guid"/> in its printed order.</summary>
    public Uuid(Guid guid)
    {
        Span<byte> bytes = stackalloc byte[16];
        guid.TryWriteBytes(bytes, bigEndian: true, out _);
        this = MemoryMarshal.Read<Uuid>(bytes);
    }

    /// <summary>True for the all-zero UUID, which no file system may have.</summary>
    public bool IsNull => (_first | _second) == 0;

    /// <summary>The bytes in disk order.</summary>
    public void CopyTo(Span<byte> destination) => MemoryMarshal.Write(destination, in this);

    /// <summary>The same sixteen bytes as a <see cref="Guid"/> that prints alike.</summary>
    public Guid ToGuid()
    {
        Span<byte> bytes = stackalloc byte[16];
        CopyTo(bytes);
        return new Guid(bytes, bigEndian: true);
    }

    public bool Equals(Uuid other) => _first == other._first && _second == other._second;
    public override bool Equals(object? obj) => obj is Uuid other && Equals(other);
    public override int GetHashCode() => HashCode.Combine(_first, _second);
    public static bool operator ==(Uuid left, Uuid right) => left.Equals(right);
    public static bool operator !=(Uuid left, Uuid right) => !left.Equals(right);
    public override string ToString() => ToGuid().ToString("D");

    /// <summary>Parses 8-4-4-4-12 hexadecimal digits.</summary>
    /// <exception cref="FormatException">The text has another form.</exception>
    public static Uuid Parse(string text) => new(Guid.ParseExact(text, "D"));
}
