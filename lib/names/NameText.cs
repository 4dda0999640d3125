using System.Buffers;
using System.Text;
using System.Text.Unicode;

namespace ImageFs;

/// <summary>
/// Names, symlink targets and names of attributes are bytes on disk and text in the interface. Text is UTF-8; a byte that is part
/// of no UTF-8 becomes a character of its own, U+DC00 plus the byte, which no text can contain by itself. So every name has a
/// text, and every such text leads back to exactly its name.
/// </summary>
/// <remarks>
/// <code>
///   bytes   63 61 66 e9        "caf\xe9", Latin-1
///   text    c  a  f  U+DCE9
/// </code>
/// </remarks>
public static class NameText
{
    private const int Escape = 0xDC00, FirstEscaped = 0xDC80, LastEscaped = 0xDCFF;

    /// <summary>The text of a name.</summary>
    public static string FromBytes(ReadOnlySpan<byte> name)
    {
        if (Utf8.IsValid(name)) return Encoding.UTF8.GetString(name);
        StringBuilder text = new(name.Length);
        while (!name.IsEmpty)
        {
            bool isText = Rune.DecodeFromUtf8(name, out Rune rune, out int length) == OperationStatus.Done;
            if (isText) text.Append(rune);
            else
                foreach (byte single in name[..length]) text.Append((char)(Escape + single));
            name = name[length..];
        }
        return text.ToString();
    }

    /// <summary>The name behind a text.</summary>
    /// <exception cref="XfsException">EINVAL: half of a surrogate pair that stands for no byte.</exception>
    public static byte[] ToBytes(ReadOnlySpan<char> text)
    {
        if (!text.ContainsAnyInRange('\uD800', '\uDFFF'))
        {
            byte[] plain = new byte[Encoding.UTF8.GetByteCount(text)];
            Encoding.UTF8.GetBytes(text, plain);
            return plain;
        }
        ArrayBufferWriter<byte> bytes = new(text.Length * 3);
        Write(text, bytes);
        return bytes.WrittenSpan.ToArray();
    }

    /// <summary>As <see cref="ToBytes(ReadOnlySpan{char})"/>, without memory of its own wherever the name fits.</summary>
    /// <param name="room">Where the name may be put.</param>
    internal static ReadOnlySpan<byte> ToBytes(ReadOnlySpan<char> text, Span<byte> room) =>
        Utf8.FromUtf16(text, room, out _, out int length, replaceInvalidSequences: false) == OperationStatus.Done ? room[..length] : ToBytes(text);

    /// <summary>Appends the bytes of a text.</summary>
    /// <exception cref="XfsException">As <see cref="ToBytes(ReadOnlySpan{char})"/>.</exception>
    public static void Write(ReadOnlySpan<char> text, IBufferWriter<byte> output)
    {
        while (!text.IsEmpty)
        {
            int plain = text.IndexOfAnyInRange('\uD800', '\uDFFF');
            if (plain < 0) plain = text.Length;
            Encoding.UTF8.GetBytes(text[..plain], output);
            text = text[plain..];
            if (text.IsEmpty) return;
            if (Rune.DecodeFromUtf16(text, out Rune rune, out int length) == OperationStatus.Done) output.Advance(rune.EncodeToUtf8(output.GetSpan(4)));
            else if (text[0] is >= (char)FirstEscaped and <= (char)LastEscaped) output.Write([(byte)(text[0] - Escape)]);
            else throw new XfsException(Errno.EINVAL, $"half of a surrogate pair, U+{(int)text[0]:X4}, stands for no name");
            text = text[length..];
        }
    }
}
