using System.Buffers.Binary;

namespace Kaitai;

/// <summary>Reads numbers, bits and bytes from a stream that can be positioned. What generated readers are built on.</summary>
/// <remarks>
/// Always true: nothing is allocated for bytes that are not there, whatever length the data claims; reading beyond the end
/// throws <see cref="EndOfStreamException"/>. Reading anything but bits, and every seek, drops the bits left over.
/// </remarks>
public partial class KaitaiStream : BinaryReader
{
    // Up to 64 bits are asked for at once; what is left of the last byte waits here, in its low bits for big-endian order.
    private ulong _bits;
    private int _bitsLeft;
    // A place beyond the end, which not every stream can be positioned at (memory ends at 2 GiB); otherwise -1.
    private long _beyond = -1;

    /// <summary>Reads a file, which is closed with this stream.</summary>
    public KaitaiStream(string file)
        : base(File.Open(file, FileMode.Open, FileAccess.Read, FileShare.Read)) { }

    /// <summary>Reads a stream that can seek.</summary>
    public KaitaiStream(Stream stream)
        : base(stream) { }

    /// <summary>Reads bytes in memory.</summary>
    public KaitaiStream(byte[] bytes)
        : base(new MemoryStream(bytes, writable: false)) { }

    // ---- position ----

    /// <summary>Nothing is left to read, neither bytes nor bits.</summary>
    public bool IsEof => _bitsLeft == 0 && Pos >= Size;

    /// <summary>Bytes from the start.</summary>
    public long Pos => _beyond >= 0 ? _beyond : BaseStream.Position;

    /// <summary>Bytes altogether.</summary>
    public long Size => BaseStream.Length;

    /// <summary>Goes to a place. Beyond the end is no error until something is read there.</summary>
    /// <exception cref="EndOfStreamException">The position is negative.</exception>
    public void Seek(long position)
    {
        AlignToByte();
        if (position < 0) throw new EndOfStreamException($"position {position} is before the start");
        long size = Size;
        _beyond = position > size ? position : -1;
        BaseStream.Position = Math.Min(position, size);
    }

    // ---- integers ----

    /// <summary>Reads one signed byte.</summary>
    public sbyte ReadS1() => unchecked((sbyte)ReadU1());
    /// <summary>Reads a 16-bit number, most significant byte first.</summary>
    public short ReadS2be() => BinaryPrimitives.ReadInt16BigEndian(Take(stackalloc byte[2]));
    /// <summary>Reads a 32-bit number, most significant byte first.</summary>
    public int ReadS4be() => BinaryPrimitives.ReadInt32BigEndian(Take(stackalloc byte[4]));
    /// <summary>Reads a 64-bit number, most significant byte first.</summary>
    public long ReadS8be() => BinaryPrimitives.ReadInt64BigEndian(Take(stackalloc byte[8]));
    /// <summary>Reads a 16-bit number, least significant byte first.</summary>
    public short ReadS2le() => BinaryPrimitives.ReadInt16LittleEndian(Take(stackalloc byte[2]));
    /// <summary>Reads a 32-bit number, least significant byte first.</summary>
    public int ReadS4le() => BinaryPrimitives.ReadInt32LittleEndian(Take(stackalloc byte[4]));
    /// <summary>Reads a 64-bit number, least significant byte first.</summary>
    public long ReadS8le() => BinaryPrimitives.ReadInt64LittleEndian(Take(stackalloc byte[8]));
    /// <summary>Reads one byte.</summary>
    public byte ReadU1() => Take(stackalloc byte[1])[0];
    /// <inheritdoc cref="ReadS2be"/>
    public ushort ReadU2be() => BinaryPrimitives.ReadUInt16BigEndian(Take(stackalloc byte[2]));
    /// <inheritdoc cref="ReadS4be"/>
    public uint ReadU4be() => BinaryPrimitives.ReadUInt32BigEndian(Take(stackalloc byte[4]));
    /// <inheritdoc cref="ReadS8be"/>
    public ulong ReadU8be() => BinaryPrimitives.ReadUInt64BigEndian(Take(stackalloc byte[8]));
    /// <inheritdoc cref="ReadS2le"/>
    public ushort ReadU2le() => BinaryPrimitives.ReadUInt16LittleEndian(Take(stackalloc byte[2]));
    /// <inheritdoc cref="ReadS4le"/>
    public uint ReadU4le() => BinaryPrimitives.ReadUInt32LittleEndian(Take(stackalloc byte[4]));
    /// <inheritdoc cref="ReadS8le"/>
    public ulong ReadU8le() => BinaryPrimitives.ReadUInt64LittleEndian(Take(stackalloc byte[8]));

    // ---- floating point ----

    /// <summary>Reads a 32-bit IEEE number, most significant byte first.</summary>
    public float ReadF4be() => BinaryPrimitives.ReadSingleBigEndian(Take(stackalloc byte[4]));
    /// <summary>Reads a 64-bit IEEE number, most significant byte first.</summary>
    public double ReadF8be() => BinaryPrimitives.ReadDoubleBigEndian(Take(stackalloc byte[8]));
    /// <summary>Reads a 32-bit IEEE number, least significant byte first.</summary>
    public float ReadF4le() => BinaryPrimitives.ReadSingleLittleEndian(Take(stackalloc byte[4]));
    /// <summary>Reads a 64-bit IEEE number, least significant byte first.</summary>
    public double ReadF8le() => BinaryPrimitives.ReadDoubleLittleEndian(Take(stackalloc byte[8]));

    // ---- bits ----

    /// <summary>Drops the bits left of the last byte; what is read next begins with a whole byte.</summary>
    public void AlignToByte()
    {
        _bits = 0;
        _bitsLeft = 0;
    }

    /// <summary>Reads bits of which the first is the most significant one.</summary>
    /// <param name="n">0..64.</param>
    public ulong ReadBitsIntBe(int n)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan((uint)n, 64u, nameof(n));
        // Whole bytes are taken from the stream before anything changes, so that a short stream loses no bits.
        Span<byte> bytes = stackalloc byte[8];
        bytes = bytes[..BytesFor(n)];
        TakeBits(bytes);
        ulong result = 0;
        int wanted = n;
        if (_bitsLeft > 0)
        {
            int some = Math.Min(wanted, _bitsLeft);
            result = _bits >> (_bitsLeft - some) & Mask(some);
            _bitsLeft -= some;
            wanted -= some;
        }
        foreach (byte next in bytes)
        {
            int some = Math.Min(wanted, 8);
            result = result << some | (uint)next >> (8 - some);
            wanted -= some;
            _bits = next;
            _bitsLeft = 8 - some;
        }
        _bits &= Mask(_bitsLeft);
        return result;
    }

    /// <summary>Reads bits of which the first is the least significant one.</summary>
    /// <param name="n">0..64.</param>
    public ulong ReadBitsIntLe(int n)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan((uint)n, 64u, nameof(n));
        Span<byte> bytes = stackalloc byte[8];
        bytes = bytes[..BytesFor(n)];
        TakeBits(bytes);
        int have = Math.Min(n, _bitsLeft);
        ulong result = _bits & Mask(have);
        _bits = have == 64 ? 0 : _bits >> have;
        _bitsLeft -= have;
        foreach (byte next in bytes)
        {
            int some = Math.Min(n - have, 8);
            result |= (next & Mask(some)) << have;
            have += some;
            _bits = (uint)next >> some;
            _bitsLeft = 8 - some;
        }
        return result;
    }

    /// <summary>As <see cref="ReadBitsIntBe"/>; the name compilers before 0.9 knew.</summary>
    [Obsolete("Use ReadBitsIntBe.")]
    public ulong ReadBitsInt(int n) => ReadBitsIntBe(n);

    private static ulong Mask(int bits) => bits >= 64 ? ulong.MaxValue : (1UL << bits) - 1;

    private int BytesFor(int bits) => bits <= _bitsLeft ? 0 : (bits - _bitsLeft + 7) / 8;

    // ---- bytes ----

    /// <summary>Reads that many bytes.</summary>
    /// <exception cref="EndOfStreamException">There are fewer. Nothing was allocated.</exception>
    public byte[] ReadBytes(long count)
    {
        AlignToByte();
        Require(count);
        byte[] bytes = new byte[count];
        BaseStream.ReadExactly(bytes);
        return bytes;
    }

    /// <inheritdoc cref="ReadBytes(long)"/>
    public byte[] ReadBytes(ulong count) => ReadBytes(count > long.MaxValue ? long.MaxValue : (long)count);

    /// <summary>Reads all that is left.</summary>
    public byte[] ReadBytesFull() => ReadBytes(Math.Max(0, Size - Pos));

    /// <summary>Reads up to a byte that ends them.</summary>
    /// <param name="terminator">The byte that ends them.</param>
    /// <param name="includeTerminator">It is part of the result.</param>
    /// <param name="consumeTerminator">It is skipped; otherwise it is read next.</param>
    /// <param name="eosError">It must be there; otherwise the end of the stream will do.</param>
    public byte[] ReadBytesTerm(byte terminator, bool includeTerminator, bool consumeTerminator, bool eosError)
    {
        AlignToByte();
        using MemoryStream bytes = new();
        while (true)
        {
            int next = BaseStream.ReadByte();
            if (next < 0)
            {
                if (eosError) throw new EndOfStreamException($"no byte {terminator} before the end");
                return bytes.ToArray();
            }
            if (next == terminator)
            {
                if (includeTerminator) bytes.WriteByte(terminator);
                if (!consumeTerminator) BaseStream.Position--;
                return bytes.ToArray();
            }
            bytes.WriteByte((byte)next);
        }
    }

    /// <summary>Reads bytes that are always the same.</summary>
    /// <exception cref="ValidationNotEqualError">They are others.</exception>
    [Obsolete("What newer compilers make checks fixed contents itself.")]
    public byte[] EnsureFixedContents(byte[] expected)
    {
        ArgumentNullException.ThrowIfNull(expected);
        byte[] actual = ReadBytes((long)expected.Length);
        if (!actual.AsSpan().SequenceEqual(expected)) throw new ValidationNotEqualError(expected, actual, this, "");
        return actual;
    }

    private ReadOnlySpan<byte> Take(Span<byte> into)
    {
        AlignToByte();
        TakeBits(into);
        return into;
    }

    private void TakeBits(Span<byte> into)
    {
        if (into.IsEmpty) return;
        Require(into.Length);
        BaseStream.ReadExactly(into);
    }

    private void Require(long count)
    {
        long left = Math.Max(0, Size - Pos);
        if (count < 0) throw new EndOfStreamException($"{count} bytes are asked for at byte {Pos}");
        if (count > left) throw new EndOfStreamException($"{count} bytes are asked for at byte {Pos}, {left} are left");
    }
}
