using Kaitai;

namespace ImageFs.Tests.Kaitai;

/// <summary>The runtime does what generated readers expect of the one whose place it takes.</summary>
[TestClass]
public sealed class RuntimeTests
{
    private static readonly byte[] s_eight = [0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88];

    private static KaitaiStream Of(params byte[] bytes) => new(bytes);

    [TestMethod]
    public void NumbersAreReadInBothByteOrders()
    {
        Assert.AreEqual((byte)0x81, Of(s_eight).ReadU1());
        Assert.AreEqual((sbyte)-127, Of(s_eight).ReadS1());
        Assert.AreEqual((ushort)0x8182, Of(s_eight).ReadU2be());
        Assert.AreEqual((ushort)0x8281, Of(s_eight).ReadU2le());
        Assert.AreEqual(unchecked((short)0x8182), Of(s_eight).ReadS2be());
        Assert.AreEqual(unchecked((short)0x8281), Of(s_eight).ReadS2le());
        Assert.AreEqual(0x81828384u, Of(s_eight).ReadU4be());
        Assert.AreEqual(0x84838281u, Of(s_eight).ReadU4le());
        Assert.AreEqual(unchecked((int)0x81828384), Of(s_eight).ReadS4be());
        Assert.AreEqual(unchecked((int)0x84838281), Of(s_eight).ReadS4le());
        Assert.AreEqual(0x8182838485868788ul, Of(s_eight).ReadU8be());
        Assert.AreEqual(0x8887868584838281ul, Of(s_eight).ReadU8le());
        Assert.AreEqual(unchecked((long)0x8182838485868788), Of(s_eight).ReadS8be());
        Assert.AreEqual(unchecked((long)0x8887868584838281), Of(s_eight).ReadS8le());
        Assert.AreEqual(1.5f, Of(0x3F, 0xC0, 0, 0).ReadF4be());
        Assert.AreEqual(1.5f, Of(0, 0, 0xC0, 0x3F).ReadF4le());
        Assert.AreEqual(1.5, Of(0x3F, 0xF8, 0, 0, 0, 0, 0, 0).ReadF8be());
        Assert.AreEqual(1.5, Of(0, 0, 0, 0, 0, 0, 0xF8, 0x3F).ReadF8le());
    }

    [TestMethod]
    public void BitsGoOnAcrossBytesUntilSomethingElseIsRead()
    {
        KaitaiStream big = Of(0b1010_0110, 0b1100_0011, 0x77, 0x12, 0x34);
        Assert.AreEqual(0b101ul, big.ReadBitsIntBe(3));
        Assert.AreEqual(0b00110_110ul, big.ReadBitsIntBe(8));
        Assert.IsFalse(big.IsEof);
        Assert.AreEqual((byte)0x77, big.ReadU1(), "the five bits left over are dropped");
        Assert.AreEqual(0x1234ul, big.ReadBitsIntBe(16));
        Assert.IsTrue(big.IsEof);

        KaitaiStream little = Of(0b1010_0110, 0b1100_0011, 0x77);
        Assert.AreEqual(0b110ul, little.ReadBitsIntLe(3));
        Assert.AreEqual(0b011_10100ul, little.ReadBitsIntLe(8));
        little.AlignToByte();
        Assert.AreEqual((byte)0x77, little.ReadU1());

        Assert.AreEqual(0x8182838485868788ul, Of(s_eight).ReadBitsIntBe(64));
        Assert.AreEqual(0x8887868584838281ul, Of(s_eight).ReadBitsIntLe(64));
        KaitaiStream shifted = Of([.. s_eight, 0xFF]);
        Assert.AreEqual(1ul, shifted.ReadBitsIntBe(1));
        Assert.AreEqual(0x8182838485868788ul << 1 | 1, shifted.ReadBitsIntBe(64), "64 bits that begin inside a byte");
        Assert.AreEqual(0ul, Of().ReadBitsIntBe(0));
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => Of(s_eight).ReadBitsIntBe(65));
    }

    [TestMethod]
    public void BitsThatAreNotThereChangeNothing()
    {
        KaitaiStream io = Of(0b1010_0110);
        Assert.AreEqual(0b1010ul, io.ReadBitsIntBe(4));
        Assert.ThrowsExactly<EndOfStreamException>(() => io.ReadBitsIntBe(5));
        Assert.AreEqual(0b0110ul, io.ReadBitsIntBe(4));
        Assert.IsTrue(io.IsEof);
    }

    [TestMethod]
    public void BytesEndWhereTheyShould()
    {
        KaitaiStream io = Of(1, 2, 3, 0, 4, 5);
        CollectionAssert.AreEqual(new byte[] { 1, 2 }, io.ReadBytes(2L));
        Assert.AreEqual(2, io.Pos);
        CollectionAssert.AreEqual(new byte[] { 3 }, io.ReadBytesTerm(0, includeTerminator: false, consumeTerminator: true, eosError: true));
        Assert.AreEqual(4, io.Pos);
        CollectionAssert.AreEqual(new byte[] { 4, 5 }, io.ReadBytesFull());
        CollectionAssert.AreEqual(Array.Empty<byte>(), io.ReadBytesFull());

        io.Seek(2);
        CollectionAssert.AreEqual(new byte[] { 3, 0 }, io.ReadBytesTerm(0, includeTerminator: true, consumeTerminator: false, eosError: true));
        Assert.AreEqual(3, io.Pos);
        io.Seek(4);
        CollectionAssert.AreEqual(new byte[] { 4, 5 }, io.ReadBytesTerm(0, includeTerminator: false, consumeTerminator: true, eosError: false));
        io.Seek(4);
        Assert.ThrowsExactly<EndOfStreamException>(() => io.ReadBytesTerm(0, includeTerminator: false, consumeTerminator: true, eosError: true));
    }

    [TestMethod]
    public void WhatIsNotThereIsAnEndOfStreamAndCostsNoMemory()
    {
        foreach (long count in (long[])[9, int.MaxValue, 1L << 40, long.MaxValue, -1])
            Assert.ThrowsExactly<EndOfStreamException>(() => Of(s_eight).ReadBytes(count), $"{count}");
        Assert.ThrowsExactly<EndOfStreamException>(() => Of(s_eight).ReadBytes(ulong.MaxValue));
        KaitaiStream io = Of(s_eight);
        io.Seek(5);
        Assert.ThrowsExactly<EndOfStreamException>(() => io.ReadU4be());
        Assert.AreEqual(5, io.Pos, "a number that is not there takes nothing");
        io.Seek(6);
        Assert.AreEqual((ushort)0x8788, io.ReadU2be());
    }

    [TestMethod]
    public void APlaceBeyondTheEndIsNoErrorUntilSomethingIsReadThere()
    {
        foreach (KaitaiStream io in (KaitaiStream[])[Of(s_eight), new KaitaiStream(new MemoryStream(s_eight))])
            foreach (long place in (long[])[8, 9, int.MaxValue, (long)int.MaxValue + 1, 1L << 40, long.MaxValue])
            {
                io.Seek(place);
                Assert.AreEqual(place, io.Pos);
                Assert.IsTrue(io.IsEof);
                Assert.IsEmpty(io.ReadBytes(0L));
                Assert.IsEmpty(io.ReadBytesFull());
                Assert.ThrowsExactly<EndOfStreamException>(() => io.ReadU1());
                io.Seek(7);
                Assert.AreEqual((byte)0x88, io.ReadU1());
            }
        Assert.ThrowsExactly<EndOfStreamException>(() => Of(s_eight).Seek(-1));
    }

    [TestMethod]
    public void AStreamOverPartOfAnotherEndsWithIt()
    {
        KaitaiStream outer = Of(s_eight);
        outer.Seek(2);
        KaitaiStream inner = new(outer.ReadBytes(3L));
        Assert.AreEqual(3, inner.Size);
        Assert.AreEqual(0x83u << 16 | 0x84 << 8 | 0x85, inner.ReadBitsIntBe(24));
        Assert.ThrowsExactly<EndOfStreamException>(() => inner.ReadU1());
        Assert.AreEqual(5, outer.Pos);
    }

    [TestMethod]
    public void AFileIsReadAsBytesAre()
    {
        string path = Fixtures.Scratch.NewPath(".bin");
        File.WriteAllBytes(path, s_eight);
        using (KaitaiStream io = new(path))
        {
            Assert.AreEqual(8, io.Size);
            Assert.AreEqual(0x8182838485868788ul, io.ReadU8be());
            Assert.IsTrue(io.IsEof);
        }
        File.Delete(path); // it was closed with the stream
    }

    [TestMethod]
    public void BytesAreProcessedAsSpecificationsSay()
    {
        CollectionAssert.AreEqual(new byte[] { 1, 2 }, KaitaiStream.BytesStripRight([1, 2, 0, 0], 0));
        CollectionAssert.AreEqual(Array.Empty<byte>(), KaitaiStream.BytesStripRight([0, 0], 0));
        CollectionAssert.AreEqual(new byte[] { 1 }, KaitaiStream.BytesTerminate([1, 0, 2], 0, includeTerminator: false));
        CollectionAssert.AreEqual(new byte[] { 1, 0 }, KaitaiStream.BytesTerminate([1, 0, 2], 0, includeTerminator: true));
        CollectionAssert.AreEqual(new byte[] { 1, 2 }, KaitaiStream.BytesTerminate([1, 2], 0, includeTerminator: true));
        CollectionAssert.AreEqual(new byte[] { 0xFE, 0xFD }, KaitaiStream.ProcessXor([1, 2], 0xFF));
        CollectionAssert.AreEqual(new byte[] { 0, 3, 2 }, KaitaiStream.ProcessXor([1, 1, 3], [1, 2]));
        CollectionAssert.AreEqual(new byte[] { 0x03, 0x01 }, KaitaiStream.ProcessRotateLeft([0x81, 0x80], 1, 1));
        Assert.AreEqual(2, KaitaiStream.Mod(-1, 3));
        Assert.AreEqual(2L, KaitaiStream.Mod(5L, 3L));
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => KaitaiStream.Mod(1, 0));
        Assert.IsLessThan(0, KaitaiStream.ByteArrayCompare([1, 2], [1, 3]));
        Assert.IsGreaterThan(0, KaitaiStream.ByteArrayCompare([1, 2], [1]));
        Assert.AreEqual("cba", KaitaiStream.StringReverse("abc"));
        using MemoryStream packed = new();
        using (System.IO.Compression.ZLibStream zlib = new(packed, System.IO.Compression.CompressionMode.Compress, leaveOpen: true)) zlib.Write(s_eight);
        CollectionAssert.AreEqual(s_eight, KaitaiStream.ProcessZlib(packed.ToArray()));
    }

    [TestMethod]
    public void AConditionThatDoesNotHoldSaysWhereAndWhat()
    {
        KaitaiStream io = Of(s_eight);
        io.ReadU4be();
        ValidationNotEqualError e = new(1, 2, io, "/types/x/seq/0");
        StringAssert.Contains(e.Message, "/types/x/seq/0");
        StringAssert.Contains(e.Message, "byte 4");
        StringAssert.Contains(e.Message, "found 2, expected 1");
        Assert.AreEqual((1, 2), ((int)e.Expected!, (int)e.Actual!));
        Assert.AreEqual("/types/x/seq/0", e.SrcPath);
        Assert.IsInstanceOfType<KaitaiStructError>(new ValidationExprError(3, io, "/x"));
        Assert.IsInstanceOfType<KaitaiStructError>(new UndecidedEndiannessError("/x"));
    }
}
