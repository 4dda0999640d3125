namespace Kaitai;

/// <summary>What every generated type is: something that was read from a stream.</summary>
public abstract class KaitaiStruct
{
    /// <summary>The stream it is read from. Generated code uses it by this name.</summary>
#pragma warning disable CA1051, IDE1006 // generated code reads this field
    protected KaitaiStream m_io;
#pragma warning restore CA1051, IDE1006

    /// <summary>Remembers the stream.</summary>
    protected KaitaiStruct(KaitaiStream kaitaiStream) => m_io = kaitaiStream;

    /// <summary>The stream it is read from; its size is that of the structure where the specification says so.</summary>
    public KaitaiStream M_Io => m_io;
}

/// <summary>A processing step that a specification names and a program supplies.</summary>
public interface CustomDecoder
{
    /// <summary>Turns what is in the file into what it stands for.</summary>
    byte[] Decode(byte[] src);
}
