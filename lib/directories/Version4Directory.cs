using System.Buffers.Binary;
using ImageFs.Format;

namespace ImageFs.Directories;

/// <summary>
/// Reads directories of version 4. A name is found by going through all of them: the hashes, which only make that faster,
/// are not read.
/// </summary>
internal static class Version4Directory
{
    private const int HeaderSize = 16, Unit = DataBlock.Unit, DotOffset = HeaderSize;

    /// <summary>As <see cref="Directory.TryLookup"/>.</summary>
    public static bool TryLookup(IDirectoryStorage dir, ReadOnlySpan<byte> name, out InodeNumber inode, out DirectoryFileType type)
    {
        byte[] wanted = name.ToArray();
        InodeNumber found = default;
        DirectoryFileType foundType = default;
        bool any = false;
        List(dir, 0, (one, number, kind, _) =>
        {
            if (!one.SequenceEqual(wanted)) return true;
            (found, foundType, any) = (number, kind, true);
            return false;
        });
        (inode, type) = (found, foundType);
        return any;
    }

    /// <summary>As <see cref="Directory.List"/>.</summary>
    public static void List(IDirectoryStorage dir, long fromCookie, DirectoryVisitor visit)
    {
        if (dir.Core.Format == ForkFormat.Local) ListShort(dir, fromCookie, visit);
        else ListBlocks(dir, fromCookie, visit);
    }

    private static void ListShort(IDirectoryStorage dir, long fromCookie, DirectoryVisitor visit)
    {
        Geometry g = dir.Geometry;
        ReadOnlySpan<byte> bytes = ShortForm.Contents(dir);
        int typeBytes = g.HasFileType ? 1 : 0;
        if (bytes.Length < ShortForm.HeaderSize(false)) throw Corrupt(dir, $"{bytes.Length} bytes, a header has {ShortForm.HeaderSize(false)}");
        bool wide = bytes[1] != 0;
        int at = ShortForm.HeaderSize(wide), inodeBytes = wide ? 8 : 4, second = DotOffset + EntrySize(1, typeBytes);
        if (bytes.Length < at) throw Corrupt(dir, $"{bytes.Length} bytes, a header with wide inode numbers has {at}");
        InodeNumber parent = Number(dir, bytes, 2, wide);
        if (fromCookie <= DotOffset / Unit && !visit("."u8, dir.Number, DirectoryFileType.Directory, DotOffset / Unit)) return;
        if (fromCookie <= second / Unit && !visit(".."u8, parent, DirectoryFileType.Directory, second / Unit)) return;
        for (int left = bytes[0]; left > 0; left--)
        {
            int length = at < bytes.Length ? bytes[at] : 0;
            if (length == 0 || at + 3 + length + typeBytes + inodeBytes > bytes.Length) throw Corrupt(dir, $"an entry at byte {at} with a name of {length} bytes, the size is {bytes.Length}");
            int cookie = BinaryPrimitives.ReadUInt16BigEndian(bytes[(at + 1)..]) / Unit, behind = at + 3 + length;
            DirectoryFileType type = typeBytes == 0 ? DirectoryFileType.Unknown : DataBlock.TypeOf(bytes[behind]);
            InodeNumber inode = Number(dir, bytes, behind + typeBytes, wide);
            if (cookie >= fromCookie && !visit(bytes.Slice(at + 3, length), inode, type, cookie)) return;
            at = behind + typeBytes + inodeBytes;
        }
    }

    private static InodeNumber Number(IDirectoryStorage dir, ReadOnlySpan<byte> bytes, int at, bool wide) =>
        Checked(dir, wide ? BinaryPrimitives.ReadUInt64BigEndian(bytes[at..]) : BinaryPrimitives.ReadUInt32BigEndian(bytes[at..]));

    private static InodeNumber Checked(IDirectoryStorage dir, ulong number) =>
        dir.Geometry.IsValid(new InodeNumber(number)) ? new InodeNumber(number) : throw Corrupt(dir, $"inode {number} cannot exist");

    private static void ListBlocks(IDirectoryStorage dir, long fromCookie, DirectoryVisitor visit)
    {
        DirectorySpace space = new(dir.Geometry);
        for (FileBlock at = default; dir.TryNextMapped(at, out FileBlock mapped) && mapped < space.Leaf;)
        {
            uint index = (uint)(mapped.Value / space.FsBlocks);
            FileBlock start = space.Data(index);
            at = start + space.FsBlocks;
            long first = (long)index * space.BlockSize / Unit;
            if (first + space.BlockSize / Unit <= fromCookie) continue;
            ReadOnlySpan<byte> block = (dir.ReadBlock(start, BlockKind.DirectoryData) ?? throw Corrupt(dir, $"data block {index} is mapped in part")).Data;
            if (!Visit(dir, block, first, fromCookie, visit)) return;
        }
    }

    private static bool Visit(IDirectoryStorage dir, ReadOnlySpan<byte> block, long firstCookie, long fromCookie, DirectoryVisitor visit)
    {
        int typeBytes = dir.Geometry.HasFileType ? 1 : 0, end = block.Length;
        if (BinaryPrimitives.ReadUInt32BigEndian(block) == Version4.DirectoryBlock)
        {
            // The hash index and its tail.
            long index = 8L * BinaryPrimitives.ReadUInt32BigEndian(block[^8..]) + 8;
            if (index > block.Length - HeaderSize) throw Corrupt(dir, $"a hash index of {index} bytes");
            end -= (int)index;
        }
        for (int at = HeaderSize; at < end;)
        {
            if (at + 12 > end && BinaryPrimitives.ReadUInt16BigEndian(block[at..]) != DirectoryDataHeader.FreeTag) throw Corrupt(dir, $"an entry at byte {at}, the entries end at {end}");
            if (BinaryPrimitives.ReadUInt16BigEndian(block[at..]) == DirectoryDataHeader.FreeTag)
            {
                int free = BinaryPrimitives.ReadUInt16BigEndian(block[(at + 2)..]);
                if (free < Unit || free % Unit != 0 || free > end - at) throw Corrupt(dir, $"a free region of {free} bytes at byte {at}, the entries end at {end}");
                at += free;
                continue;
            }
            int length = block[at + 8], size = EntrySize(length, typeBytes);
            if (length == 0 || size > end - at) throw Corrupt(dir, $"an entry at byte {at} with a name of {length} bytes, the entries end at {end}");
            if (BinaryPrimitives.ReadUInt16BigEndian(block[(at + size - 2)..]) != at) throw Corrupt(dir, $"the entry at byte {at} says that it is elsewhere");
            long cookie = firstCookie + at / Unit;
            DirectoryFileType type = typeBytes == 0 ? DirectoryFileType.Unknown : DataBlock.TypeOf(block[at + 9 + length]);
            InodeNumber inode = Checked(dir, BinaryPrimitives.ReadUInt64BigEndian(block[at..]));
            if (cookie >= fromCookie && !visit(block.Slice(at + 9, length), inode, type, cookie)) return false;
            at += size;
        }
        return true;
    }

    // Inode number, length, name, perhaps a type, and the entry's own place.
    private static int EntrySize(int nameLength, int typeBytes) => (8 + 1 + nameLength + typeBytes + 2 + Unit - 1) / Unit * Unit;

    private static CorruptionException Corrupt(IDirectoryStorage dir, string problem) => new("directory", $"inode {dir.Number}, version 4", problem);
}
