using System.Buffers;
using System.Text;

namespace ImageFs.Cli;

/// <summary>Writes text to a stream as UTF-8, and names that are no UTF-8 as the bytes they are.</summary>
internal sealed class NameWriter(Stream output) : TextWriter
{
    private const int Room = 8 << 10;
    private readonly char[] _text = new char[Room];
    private readonly ArrayBufferWriter<byte> _bytes = new(3 * Room);
    private int _used;

    public override Encoding Encoding { get; } = new UTF8Encoding(false);

    public override void Write(char value)
    {
        if (_used == Room) Drain();
        _text[_used++] = value;
    }

    public override void Write(ReadOnlySpan<char> text)
    {
        while (!text.IsEmpty)
        {
            if (_used == Room) Drain();
            int piece = Math.Min(text.Length, Room - _used);
            text[..piece].CopyTo(_text.AsSpan(_used));
            _used += piece;
            text = text[piece..];
        }
    }

    public override void Write(string? value) => Write(value.AsSpan());

    public override void Write(char[] buffer, int index, int count) => Write(buffer.AsSpan(index, count));

    public override void Flush()
    {
        Drain();
        output.Flush();
    }

    // The first half of a pair waits for the second.
    private void Drain()
    {
        int whole = _used > 0 && char.IsHighSurrogate(_text[_used - 1]) ? _used - 1 : _used;
        NameText.Write(_text.AsSpan(0, whole), _bytes);
        output.Write(_bytes.WrittenSpan);
        _bytes.ResetWrittenCount();
        _text.AsSpan(whole, _used - whole).CopyTo(_text);
        _used -= whole;
    }
}
