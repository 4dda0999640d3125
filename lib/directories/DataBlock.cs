using System.Buffers.Binary;
using System.Runtime.InteropServices;
using ImageFs.Format;

namespace ImageFs.Directories;

// Always true of a directory data block (a block-form block up to its hash index): entries and free regions cover it
// without gaps; each ends in a tag, its own offset; no two free regions touch; bestfree lists the three largest regions,
// largest first, zeros behind them.

/// <summary>Entries, free regions and bestfree of one directory block.</summary>
internal static class DataBlock
{
    private const int NameAt = 9, LengthAt = 8;

    /// <summary>Smallest free region.</summary>
    public const int Unit = 8;

    /// <summary>Where "." and ".." stand in the first data block; other entries begin behind them.</summary>
    public const int DotOffset = DirectoryDataHeader.Size, DotDotOffset = DotOffset + 16, FirstOffset = DotDotOffset + 16;

    /// <summary>The header, and everything behind it one free region.</summary>
    public static void Initialize(Span<byte> block, uint magic, IDirectoryStorage dir, long offset)
    {
        ref DirectoryDataHeader header = ref DirectoryDataHeader.At(block);
        header.Magic = magic;
        header.BlockNumber = dir.Geometry.DiskAddress(offset);
        header.Uuid = dir.Geometry.MetaUuid;
        header.Owner = dir.Number.Value;
        Release(block, DirectoryDataHeader.Size, block.Length - DirectoryDataHeader.Size, block.Length);
    }

    /// <summary>Bytes of the largest free region.</summary>
    public static int Best(ReadOnlySpan<byte> block) => DirectoryDataHeader.BestFrees(block)[0].Length;

    /// <summary>True if nothing but free bytes is left.</summary>
    public static bool IsEmpty(ReadOnlySpan<byte> block) => Best(block) == block.Length - DirectoryDataHeader.Size;

    public static bool IsFree(ReadOnlySpan<byte> block, int at) => BinaryPrimitives.ReadUInt16BigEndian(block[at..]) == DirectoryDataHeader.FreeTag;
    public static int FreeLength(ReadOnlySpan<byte> block, int at) => BinaryPrimitives.ReadUInt16BigEndian(block[(at + 2)..]);
    public static InodeNumber Inode(ReadOnlySpan<byte> block, int at) => new(BinaryPrimitives.ReadUInt64BigEndian(block[at..]));
    public static ReadOnlySpan<byte> Name(ReadOnlySpan<byte> block, int at) => block.Slice(at + NameAt, block[at + LengthAt]);
    public static int EntrySize(ReadOnlySpan<byte> block, int at) => DirectoryName.EntrySize(block[at + LengthAt]);

    public static DirectoryFileType Type(ReadOnlySpan<byte> block, int at) => TypeOf(block[at + NameAt + block[at + LengthAt]]);

    /// <summary>Types beyond the known ones read as unknown.</summary>
    public static DirectoryFileType TypeOf(byte raw) => raw > (byte)DirectoryFileType.Whiteout ? DirectoryFileType.Unknown : (DirectoryFileType)raw;

    /// <summary>True if an entry, complete with its tag, stands at an offset taken from a hash index.</summary>
    public static bool IsEntry(ReadOnlySpan<byte> block, int at, int end)
    {
        if (at < DirectoryDataHeader.Size || at + 16 > end || IsFree(block, at) || block[at + LengthAt] == 0) return false;
        int size = EntrySize(block, at);
        return at + size <= end && BinaryPrimitives.ReadUInt16BigEndian(block[(at + size - 2)..]) == at;
    }

    /// <summary>Puts an entry into a free region; what is left of the region stays free on both sides.</summary>
    /// <param name="region">Where the free region begins.</param>
    /// <param name="at">Where in it the entry begins.</param>
    /// <param name="end">Where entries end.</param>
    public static void Put(Span<byte> block, int region, int at, ReadOnlySpan<byte> name, InodeNumber inode, DirectoryFileType type, int end)
    {
        int size = DirectoryName.EntrySize(name.Length), free = CheckTake(block, region, at, size);
        Span<byte> entry = block.Slice(at, size);
        BinaryPrimitives.WriteUInt64BigEndian(entry, inode.Value);
        entry[LengthAt] = (byte)name.Length;
        name.CopyTo(entry[NameAt..]);
        entry[NameAt + name.Length] = (byte)type;
        entry[(NameAt + name.Length + 1)..].Clear();
        BinaryPrimitives.WriteUInt16BigEndian(entry[^2..], (ushort)at);
        Split(block, region, free, at, size, end);
    }

    /// <summary>Points an entry at another inode.</summary>
    public static void Retarget(Span<byte> block, int at, InodeNumber inode, DirectoryFileType type)
    {
        BinaryPrimitives.WriteUInt64BigEndian(block[at..], inode.Value);
        block[at + NameAt + block[at + LengthAt]] = (byte)type;
    }

    /// <summary>The smallest of the three best regions that holds <paramref name="size"/> bytes; 0 if none does.</summary>
    public static int FindRoom(ReadOnlySpan<byte> block, int size)
    {
        ReadOnlySpan<BestFree> best = DirectoryDataHeader.BestFrees(block);
        for (int i = best.Length - 1; i >= 0; i--)
            if (best[i].Length >= size) return best[i].Offset;
        return 0;
    }

    /// <summary>The free region that ends at <paramref name="end"/>; 0 if an entry does.</summary>
    public static int RegionBefore(ReadOnlySpan<byte> block, int end)
    {
        if (end <= DirectoryDataHeader.Size) return 0;
        int start = BinaryPrimitives.ReadUInt16BigEndian(block[(end - 2)..]);
        return start >= DirectoryDataHeader.Size && start < end && IsFree(block, start) ? start : 0;
    }

    /// <summary>Takes the last bytes before the hash index, or what becomes of it, out of a free region.</summary>
    /// <param name="at">Where they begin: entries end here from now on.</param>
    public static void TakeEnd(Span<byte> block, int region, int at, int length) =>
        Split(block, region, CheckTake(block, region, at, length), at, length, end: at);

    private static int CheckTake(ReadOnlySpan<byte> block, int region, int at, int length)
    {
        int free = FreeLength(block, region);
        Invariant.Holds(IsFree(block, region) && at >= region && length > 0 && at + length <= region + free, "bytes of a directory block are taken from a free region");
        return free;
    }

    // The taken bytes are already what they will be: the search for the best regions may walk over them.
    private static void Split(Span<byte> block, int region, int free, int at, int length, int end)
    {
        BestFreeChange change = new(block);
        change.Remove(region);
        if (at > region) change.Add(region, at - region);
        if (at + length < region + free) change.Add(at + length, region + free - at - length);
        change.Finish(end);
    }

    /// <summary>Makes bytes free and joins them with free neighbours.</summary>
    /// <param name="end">Where entries end.</param>
    public static void Release(Span<byte> block, int at, int length, int end)
    {
        BestFreeChange change = new(block);
        int start = at, stop = at + length;
        if (RegionBefore(block, at) is int before and not 0)
        {
            change.Remove(before);
            start = before;
        }
        if (stop < end && IsFree(block, stop))
        {
            int behind = stop;
            stop += FreeLength(block, behind);
            change.Remove(behind);
        }
        change.Add(start, stop - start);
        change.Finish(end);
    }

    /// <summary>
    /// One change to the free regions. The list is searched again only if a listed region went away and what is left in
    /// the list may be smaller than a region that never made it into the list.
    /// </summary>
    private ref struct BestFreeChange(Span<byte> block)
    {
        private readonly Span<byte> _block = block;
        private readonly Span<BestFree> _best = DirectoryDataHeader.BestFrees(block);
        // No region outside the list is longer than this; 0 if every region is in the list.
        private readonly int _unlisted = DirectoryDataHeader.BestFrees(block)[^1].Length;
        private bool _lost;

        public void Remove(int offset)
        {
            for (int i = 0; i < _best.Length; i++)
                if (_best[i].Length != 0 && _best[i].Offset == offset)
                {
                    _best[(i + 1)..].CopyTo(_best[i..]);
                    _best[^1] = default;
                    _lost = true;
                    return;
                }
        }

        public readonly void Add(int offset, int length)
        {
            BinaryPrimitives.WriteUInt16BigEndian(_block[offset..], DirectoryDataHeader.FreeTag);
            BinaryPrimitives.WriteUInt16BigEndian(_block[(offset + 2)..], (ushort)length);
            BinaryPrimitives.WriteUInt16BigEndian(_block[(offset + length - 2)..], (ushort)offset);
            List(offset, length);
        }

        public readonly void Finish(int end)
        {
            if (!_lost || _best[^1].Length >= _unlisted) return;
            _best.Clear();
            for (int at = DirectoryDataHeader.Size; at < end;)
            {
                if (!IsFree(_block, at))
                {
                    at += EntrySize(_block, at);
                    continue;
                }
                int length = FreeLength(_block, at);
                List(at, length);
                at += length;
            }
        }

        private readonly void List(int offset, int length)
        {
            for (int i = 0; i < _best.Length; i++)
                if (length > _best[i].Length)
                {
                    _best[i..^1].CopyTo(_best[(i + 1)..]);
                    _best[i] = new BestFree { Offset = (ushort)offset, Length = (ushort)length };
                    return;
                }
        }
    }

    /// <summary>Looks at every entry from an offset on. False if the visitor stopped.</summary>
    /// <param name="end">Where entries end.</param>
    public static bool Visit(ReadOnlySpan<byte> block, int from, int end, in DirectorySpace space, uint index, DirectoryVisitor visit)
    {
        for (int at = DirectoryDataHeader.Size; at < end;)
        {
            if (IsFree(block, at))
            {
                at += FreeLength(block, at);
                continue;
            }
            if (at >= from && !visit(Name(block, at), Inode(block, at), Type(block, at), space.Address(index, at))) return false;
            at += EntrySize(block, at);
        }
        return true;
    }
}
