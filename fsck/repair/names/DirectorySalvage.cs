using System.Buffers.Binary;
using ImageFs.Format;

namespace ImageFs.Fsck;

/// <summary>An entry that was found in a damaged directory.</summary>
internal readonly record struct SalvagedEntry(byte[] Name, InodeNumber Inode);

/// <summary>What is left of a damaged directory.</summary>
/// <param name="Parent">Where its ".." leads, 0 if that is not known.</param>
internal sealed record SalvagedDirectory(ulong Inode, ulong Parent, List<SalvagedEntry> Entries)
{
    /// <summary>Memory it takes.</summary>
    public long Bytes => Entries.Sum(e => 64L + e.Name.Length);
}

/// <summary>Reads the entries of a directory without believing anything but the entries themselves.</summary>
/// <remarks>
/// An entry of a data block ends with its own position, so entries are found again behind bytes that make no sense; index, free
/// lengths and headers are not needed. Names are kept as they are, illegal ones and those that lead nowhere are left out.
/// </remarks>
internal sealed class DirectorySalvage(RepairView view, Scan scan, ForkScan forks)
{
    private readonly Geometry _g = view.Geometry;
    private readonly byte[] _block = new byte[view.Geometry.DirectoryBlockSize];

    /// <param name="belongs">Told each name and where it leads; false leaves the entry out.</param>
    public SalvagedDirectory Collect(ulong number, Func<ulong, bool> belongs)
    {
        byte[] inode = view.Read(view.OffsetOf(new InodeNumber(number)), _g.InodeSize);
        ref readonly InodeCore core = ref InodeCore.At((ReadOnlySpan<byte>)inode);
        List<SalvagedEntry> entries = [];
        HashSet<string> names = [];
        ulong parent = 0;
        long held = 0;
        if (core.Format == ForkFormat.Local) ReadShort(inode.AsSpan(InodeCore.Size, core.DataForkSize(_g.InodeSize)), core.FileSize, Take, ref parent);
        else
        {
            forks.Walk(inode, number, attribute: false, keep: true, claim: false);
            ReadBlocks(number, Take, ref parent);
        }
        return new SalvagedDirectory(number, parent, entries);

        void Take(ReadOnlySpan<byte> name, ulong child)
        {
            if (!DirectoryName.IsLegal(name) || name.SequenceEqual("."u8) || name.SequenceEqual(".."u8)) return;
            if (!_g.IsValid(new InodeNumber(child)) || child == number || !IsUsed(child) || !belongs(child)) return;
            if (!names.Add(System.Text.Encoding.Latin1.GetString(name))) return;
            // Here, in the set of names, and in the cache of the directory that is made.
            scan.Budget.Require(held += 256 + 3 * name.Length);
            entries.Add(new SalvagedEntry(name.ToArray(), new InodeNumber(child)));
        }
    }

    private delegate void EntryTaker(ReadOnlySpan<byte> name, ulong child);

    private bool IsUsed(ulong child)
    {
        int slot = scan.Inodes.Find(child);
        if (slot < 0 || (scan.Inodes.State(slot) & InodeState.Used) == 0) return false;
        Superblock sb = _g.Superblock;
        return child != sb.RealtimeBitmapInode && child != sb.RealtimeSummaryInode && child != sb.UserQuotaInode && child != sb.GroupQuotaInode && child != sb.ProjectQuotaInode;
    }

    /// <summary>The width of inode numbers follows from a count that may be wrong: the one with which the entries end where the size says is right.</summary>
    private void ReadShort(ReadOnlySpan<byte> fork, ulong size, EntryTaker take, ref ulong parent)
    {
        if (fork.Length < 6) return;
        int width = fork[1] > 0 ? 8 : 4, other = 12 - width;
        if (ShortEnd(fork, width) != (long)size && ShortEnd(fork, other) == (long)size) width = other;
        int position = 2 + width, type = _g.HasFileType ? 1 : 0;
        parent = ReadInode(fork[2..], width);
        for (int left = fork[0]; left > 0 && position + 3 <= fork.Length; left--)
        {
            int length = fork[position], entry = 3 + length + type + width;
            if (length == 0 || position + entry > fork.Length) return;
            take(fork.Slice(position + 3, length), ReadInode(fork[(position + 3 + length + type)..], width));
            position += entry;
        }
    }

    private long ShortEnd(ReadOnlySpan<byte> fork, int width)
    {
        int position = 2 + width;
        for (int i = 0; i < fork[0]; i++)
        {
            if (position + 3 > fork.Length || fork[position] == 0) return -1;
            position += 3 + fork[position] + (_g.HasFileType ? 1 : 0) + width;
        }
        return position;
    }

    private static ulong ReadInode(ReadOnlySpan<byte> at, int width) => width == 8 ? BinaryPrimitives.ReadUInt64BigEndian(at) : BinaryPrimitives.ReadUInt32BigEndian(at);

    private void ReadBlocks(ulong number, EntryTaker take, ref ulong parent)
    {
        ulong leaf = Geometry.DirectoryLeafOffset >> _g.BlockLog;
        uint unit = (uint)_g.DirectoryBlockFsBlocks;
        ulong last = ulong.MaxValue;
        for (int e = 0; e < forks.Map.Count; e++)
        {
            Extent extent = forks.Map[e];
            for (ulong block = extent.Offset.Value / unit * unit; block < Math.Min(extent.End.Value, leaf); block += unit)
            {
                if (block == last) continue;
                last = block;
                if (TryLoad(block, unit)) ReadBlock(number, take, ref parent);
            }
        }
    }

    /// <summary>Loads a directory block; pieces of it that are not mapped read as zeros.</summary>
    private bool TryLoad(ulong block, uint unit)
    {
        Array.Clear(_block);
        bool any = false;
        for (uint piece = 0; piece < unit; piece++)
        {
            if (!forks.TryMap(block + piece, out FsBlock at, out _)) continue;
            try
            {
                view.Device.Read(_g.ByteOffset(at), _block.AsSpan((int)piece * _g.BlockSize, _g.BlockSize));
                any = true;
            }
            catch (IOException)
            {
                // Not readable: what it held is lost.
            }
        }
        return any;
    }

    private void ReadBlock(ulong number, EntryTaker take, ref ulong parent)
    {
        ReadOnlySpan<byte> block = _block;
        ref readonly DirectoryDataHeader header = ref DirectoryDataHeader.At(block);
        bool magic = header.Magic.Value is DirectoryMagic.Block or DirectoryMagic.Data, owner = header.Owner == number, uuid = header.Uuid == _g.MetaUuid;
        // A sound block that names another directory is that one's, if it exists; it may have come here by a wrong extent.
        if (magic && uuid && !owner && Crc32c.IsValid(block, DirectoryDataHeader.CrcOffset) && IsUsed(header.Owner)) return;
        if (!magic && !owner && !uuid) return;
        for (int position = DirectoryDataHeader.Size; position + 16 <= block.Length;)
        {
            ReadOnlySpan<byte> entry = block[position..];
            int length = entry[8], size = DirectoryName.EntrySize(length);
            if (BinaryPrimitives.ReadUInt16BigEndian(entry) == DirectoryDataHeader.FreeTag)
            {
                int free = BinaryPrimitives.ReadUInt16BigEndian(entry[2..]);
                bool whole = free >= 8 && free % 8 == 0 && free <= entry.Length && BinaryPrimitives.ReadUInt16BigEndian(entry[(free - 2)..]) == position;
                position += whole ? free : 8;
                continue;
            }
            if (length == 0 || size > entry.Length || BinaryPrimitives.ReadUInt16BigEndian(entry[(size - 2)..]) != position)
            {
                position += 8;
                continue;
            }
            ReadOnlySpan<byte> name = entry.Slice(9, length);
            ulong child = BinaryPrimitives.ReadUInt64BigEndian(entry);
            if (name.SequenceEqual(".."u8)) parent = child;
            else take(name, child);
            position += size;
        }
    }
}
