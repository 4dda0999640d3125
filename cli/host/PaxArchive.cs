using System.Globalization;
using System.Text;
using System.Text.Unicode;
using ImageFs.Format;

namespace ImageFs.Cli.Host;

/// <summary>Writes a tar archive in the pax interchange format (POSIX.1-2001), front to back.</summary>
/// <remarks>
/// The runtime's own writer takes names and the values of attributes as text. In XFS both are bytes, and ACLs, file
/// capabilities and labels are no text.
/// <code>
///   'x' header  records "LENGTH KEY=VALUE\n": all that the old header cannot hold
///   header      512 bytes, numbers in octal, checksum
///   contents    filled up to 512 bytes; of a file with holes first the map of what is data (GNU sparse format 1.0)
///   ...
///   two empty headers, filled up to 10 KiB
/// </code>
/// </remarks>
internal sealed class PaxArchive(Stream output)
{
    private const int Block = 512, Record = 20 * Block;
    private const long MaxSize = (1L << 33) - 1;
    private const uint MaxOwner = (1 << 21) - 1;
    private const byte PaxHeader = (byte)'x';

    private readonly byte[] _header = new byte[Block];
    private readonly MemoryStream _records = new();
    private long _written;

    /// <summary>Appends an entry; its contents, if it has any, follow by <see cref="WriteContents"/> and <see cref="EndContents"/>.</summary>
    /// <param name="name">As it is to be in the archive; directories end in a slash.</param>
    /// <param name="link">What a symlink or hard link leads to, empty for anything else.</param>
    /// <param name="isHardLink">The file stands in the archive already, under <paramref name="link"/>.</param>
    /// <param name="attributes">Names and values of extended attributes, under the names of getxattr(2).</param>
    /// <param name="size">Bytes that follow.</param>
    /// <param name="sparseLength">The length of a file of which only the data follows, behind its map; null: all of it follows.</param>
    public void Begin(ReadOnlySpan<byte> name, Entry entry, ReadOnlySpan<byte> link, bool isHardLink,
        IEnumerable<(byte[] Name, byte[] Value)> attributes, long size, long? sparseLength)
    {
        _records.SetLength(0);
        if (!Utf8.IsValid(name) || !Utf8.IsValid(link)) Append("hdrcharset"u8, "BINARY"u8);
        if (name.Length > Field.Name.Length) Append("path"u8, name);
        if (link.Length > Field.Link.Length) Append("linkpath"u8, link);
        if (size > MaxSize) Append("size"u8, size);
        if (entry.Uid > MaxOwner) Append("uid"u8, entry.Uid);
        if (entry.Gid > MaxOwner) Append("gid"u8, entry.Gid);
        Append("mtime"u8, Time(entry.Modified));
        Append("atime"u8, Time(entry.Accessed));
        if (sparseLength is long length)
        {
            Append("GNU.sparse.major"u8, 1);
            Append("GNU.sparse.minor"u8, 0);
            Append("GNU.sparse.name"u8, name);
            Append("GNU.sparse.realsize"u8, length);
        }
        foreach ((byte[] key, byte[] value) in attributes) AppendAttribute(key, value);

        WriteHeader("pax"u8, PaxHeader, 0b110_100_100, entry, [], _records.Length);
        output.Write(_records.GetBuffer(), 0, (int)_records.Length);
        _written += _records.Length;
        EndContents();
        WriteHeader(name, isHardLink ? (byte)'1' : TypeFlag(entry.Type), entry.Mode, entry, link, size);
    }

    /// <summary>Appends bytes of the last entry.</summary>
    public void WriteContents(ReadOnlySpan<byte> bytes)
    {
        output.Write(bytes);
        _written += bytes.Length;
    }

    /// <summary>Ends the contents of the last entry.</summary>
    public void EndContents() => FillUp(Block);

    /// <summary>Ends the archive.</summary>
    public void End()
    {
        Array.Clear(_header);
        WriteContents(_header);
        WriteContents(_header);
        FillUp(Record);
        output.Flush();
    }

    /// <summary>The map in front of the data of a file with holes, filled up to whole blocks.</summary>
    /// <param name="data">Where data is; the last one ends at the end of the file, though it may be empty.</param>
    public static byte[] SparseMap(IReadOnlyList<(long Offset, long Length)> data)
    {
        StringBuilder map = new();
        map.Append(CultureInfo.InvariantCulture, $"{data.Count}\n");
        foreach ((long offset, long length) in data) map.Append(CultureInfo.InvariantCulture, $"{offset}\n{length}\n");
        byte[] bytes = new byte[(map.Length + Block - 1) / Block * Block];
        Encoding.ASCII.GetBytes(map.ToString(), bytes);
        return bytes;
    }

    private void FillUp(int unit)
    {
        Array.Clear(_header);
        for (int missing = (int)((unit - _written % unit) % unit); missing > 0;)
        {
            int now = Math.Min(missing, Block);
            WriteContents(_header.AsSpan(0, now));
            missing -= now;
        }
    }

    private void AppendAttribute(byte[] name, byte[] value)
    {
        // What reads archives knows ACLs as text; other attributes are what getxattr(2) gives.
        if (name.AsSpan().SequenceEqual("system.posix_acl_access"u8)) Append("SCHILY.acl.access"u8, AclText(value));
        else if (name.AsSpan().SequenceEqual("system.posix_acl_default"u8)) Append("SCHILY.acl.default"u8, AclText(value));
        else
        {
            List<byte> key = [.. "SCHILY.xattr."u8];
            foreach (byte single in name)
                if (single == '=') key.AddRange("%3D"u8);
                else if (single == '%') key.AddRange("%25"u8);
                else key.Add(single);
            Append(key.ToArray(), value);
        }
    }

    private static byte[] AclText(byte[] value)
    {
        StringBuilder text = new();
        foreach (AclEntry entry in PosixAcl.Parse(value)?.Entries ?? [])
        {
            string whom = entry.Tag switch
            {
                AclTag.Owner or AclTag.User => "user", AclTag.OwningGroup or AclTag.Group => "group", AclTag.Mask => "mask", _ => "other",
            };
            text.Append(CultureInfo.InvariantCulture, $"{(text.Length == 0 ? "" : ",")}{whom}:");
            if (entry.HasId) text.Append(CultureInfo.InvariantCulture, $"{entry.Id}");
            text.Append(':');
            for (int bit = 0; bit < 3; bit++) text.Append((entry.Permissions & 4 >> bit) != 0 ? "rwx"[bit] : '-');
        }
        return Encoding.ASCII.GetBytes(text.ToString());
    }

    private static string Time(Timestamp time)
    {
        Int128 nanoseconds = time.UnixNanoseconds, whole = Int128.Abs(nanoseconds);
        (Int128 seconds, Int128 rest) = Int128.DivRem(whole, 1_000_000_000);
        return string.Create(CultureInfo.InvariantCulture, $"{(nanoseconds < 0 ? "-" : "")}{(long)seconds}.{(long)rest:D9}");
    }

    private void Append(ReadOnlySpan<byte> key, long value) => Append(key, value.ToString(CultureInfo.InvariantCulture));

    private void Append(ReadOnlySpan<byte> key, string value) => Append(key, Encoding.ASCII.GetBytes(value));

    // The length in front counts itself.
    private void Append(ReadOnlySpan<byte> key, ReadOnlySpan<byte> value)
    {
        int rest = key.Length + value.Length + 3, length = rest + Digits(rest);
        if (Digits(length) != Digits(rest)) length = rest + Digits(length);
        _records.Write(Encoding.ASCII.GetBytes(length.ToString(CultureInfo.InvariantCulture)));
        _records.WriteByte((byte)' ');
        _records.Write(key);
        _records.WriteByte((byte)'=');
        _records.Write(value);
        _records.WriteByte((byte)'\n');
    }

    private static int Digits(int number) => number < 10 ? 1 : 1 + Digits(number / 10);

    private void WriteHeader(ReadOnlySpan<byte> name, byte type, ushort mode, Entry entry, ReadOnlySpan<byte> link, long size)
    {
        Span<byte> header = _header;
        header.Clear();
        // What does not fit stands in full in the pax header before it.
        name[..Math.Min(name.Length, Field.Name.Length)].CopyTo(header[Field.Name.Start..]);
        link[..Math.Min(link.Length, Field.Link.Length)].CopyTo(header[Field.Link.Start..]);
        Octal(header, Field.Mode, mode & FileMode16.PermissionMask);
        Octal(header, Field.Uid, Math.Min(entry.Uid, MaxOwner));
        Octal(header, Field.Gid, Math.Min(entry.Gid, MaxOwner));
        Octal(header, Field.Size, Math.Min(size, MaxSize));
        Octal(header, Field.Time, Math.Clamp(entry.Modified.Seconds, 0, MaxSize));
        header[Field.Type] = type;
        "ustar\0"u8.CopyTo(header[Field.Magic..]);
        "00"u8.CopyTo(header[(Field.Magic + 6)..]);
        Octal(header, Field.Major, entry.DeviceMajor);
        Octal(header, Field.Minor, entry.DeviceMinor);
        header.Slice(Field.Checksum.Start, Field.Checksum.Length).Fill((byte)' ');
        int sum = 0;
        foreach (byte single in header) sum += single;
        Octal(header, (Field.Checksum.Start, Field.Checksum.Length - 1), sum);
        WriteContents(header);
    }

    private static void Octal(Span<byte> header, (int Start, int Length) field, long value)
    {
        for (int at = field.Start + field.Length - 2; at >= field.Start; at--, value >>= 3) header[at] = (byte)('0' + (value & 7));
        header[field.Start + field.Length - 1] = 0;
    }

    private static byte TypeFlag(ushort type) => (byte)(type switch
    {
        FileMode16.Directory => '5', FileMode16.Symlink => '2', FileMode16.CharDevice => '3', FileMode16.BlockDevice => '4', FileMode16.Fifo => '6', _ => '0',
    });

    /// <summary>The fields of a header (POSIX ustar): first byte and length.</summary>
    private static class Field
    {
        public static readonly (int Start, int Length) Name = (0, 100), Mode = (100, 8), Uid = (108, 8), Gid = (116, 8), Size = (124, 12), Time = (136, 12),
            Checksum = (148, 8), Link = (157, 100), Major = (329, 8), Minor = (337, 8);
        public const int Type = 156, Magic = 257;
    }
}
