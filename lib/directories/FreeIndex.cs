using System.Numerics;
using System.Runtime.InteropServices;
using ImageFs.Format;
using ImageFs.Metadata;
using ImageFs.Transactions;

namespace ImageFs.Directories;

// Always true of a free index: block f says of the data blocks from f * BestsPerBlock on how long their largest free
// region is, 0xffff where there is no data block; the last valid one is of a block that exists; a block of the index that
// knows no data block is not there.

/// <summary>The blocks that tell which data block of a node-form directory has room.</summary>
internal static class FreeIndex
{
    private static MetadataBuffer? Read(IDirectoryStorage dir, in DirectorySpace space, uint block)
    {
        FileBlock at = space.FreeBlock(block);
        if (dir.ReadBlock(at, BlockKind.DirectoryFree) is not MetadataBuffer buffer) return null;
        uint first = DirectoryFreeHeader.At(buffer.Data).FirstDataBlock;
        if (first != block * space.BestsPerBlock) DirectoryBlocks.Corrupt(dir, at, $"firstdb {first}, expected {block * space.BestsPerBlock}");
        return buffer;
    }

    private static ReadOnlySpan<BigEndian16> Valid(ReadOnlySpan<byte> block) =>
        MemoryMarshal.Cast<byte, BigEndian16>(block[DirectoryFreeHeader.Size..])[..(int)DirectoryFreeHeader.At(block).ValidCount.Value];

    private static Span<BigEndian16> All(Span<byte> block) => MemoryMarshal.Cast<byte, BigEndian16>(block[DirectoryFreeHeader.Size..]);

    /// <summary>Blocks from the first to the last that exist.</summary>
    private static uint Count(IDirectoryStorage dir, in DirectorySpace space)
    {
        FileBlock end = dir.EndOfMapped(new FileBlock(FileBlock.Limit));
        ulong count = end > space.Free ? (end - space.Free + space.FsBlocks - 1) / space.FsBlocks : 0;
        ulong most = ((ulong)space.DataBlockLimit + space.BestsPerBlock - 1) / space.BestsPerBlock;
        if (count > most) DirectoryBlocks.Corrupt(dir, end, $"{count} blocks of the free index, at most {most} can mean something");
        return (uint)count;
    }

    /// <summary>
    /// Finds a data block with so many free bytes together. Failing that, false and the place for a new one: a hole if there is
    /// one. The search goes backwards: where a directory grew last is where it has room.
    /// </summary>
    public static bool TryFindRoom(IDirectoryStorage dir, in DirectorySpace space, int size, out uint index)
    {
        uint count = Count(dir, space);
        uint hole = space.IndexOf(dir.EndOfMapped(space.Leaf));
        for (uint block = count; block-- > 0;)
        {
            uint first = block * space.BestsPerBlock;
            if (Read(dir, space, block) is not MetadataBuffer buffer)
            {
                hole = first;
                continue;
            }
            ReadOnlySpan<BigEndian16> bests = Valid(buffer.Data);
            int found = FirstFit(bests, size);
            if (found >= 0)
            {
                index = first + (uint)found;
                return true;
            }
            if (DirectoryFreeHeader.At(buffer.Data).UsedCount < (uint)bests.Length) hole = first + (uint)FirstNull(bests);
            else if (block + 1 < count && bests.Length < space.BestsPerBlock) hole = first + (uint)bests.Length;
        }
        index = hole;
        return false;
    }

    /// <summary>The first best of at least <paramref name="size"/> that is not null; -1 if there is none.</summary>
    private static int FirstFit(ReadOnlySpan<BigEndian16> bests, int size)
    {
        int at = 0;
        if (BitConverter.IsLittleEndian && Vector.IsHardwareAccelerated)
        {
            // best - size wraps for bests that are too small; null is the greatest of all that are not.
            ReadOnlySpan<ushort> raw = MemoryMarshal.Cast<BigEndian16, ushort>(bests);
            Vector<ushort> wanted = new((ushort)size), tooMuch = new((ushort)(DirectoryFreeHeader.NullBest - size));
            for (; at + Vector<ushort>.Count <= raw.Length; at += Vector<ushort>.Count)
            {
                Vector<ushort> swapped = new(raw[at..]);
                Vector<ushort> best = swapped << 8 | swapped >>> 8;
                if (Vector.LessThanAny(best - wanted, tooMuch)) break;
            }
        }
        for (; at < bests.Length; at++)
            if (bests[at] >= size && bests[at] != DirectoryFreeHeader.NullBest) return at;
        return -1;
    }

    private static int FirstNull(ReadOnlySpan<BigEndian16> bests)
    {
        int at = MemoryMarshal.Cast<BigEndian16, ushort>(bests).IndexOf(DirectoryFreeHeader.NullBest);
        return at >= 0 ? at : bests.Length;
    }

    /// <summary>Notes the best free length of a data block; null if it went away.</summary>
    public static void Set(Transaction tx, IDirectoryStorage dir, in DirectorySpace space, uint index, ushort best)
    {
        uint number = index / space.BestsPerBlock;
        int slot = (int)(index % space.BestsPerBlock);
        FileBlock at = space.FreeBlock(number);
        MetadataBuffer? buffer = Read(dir, space, number);
        if (buffer is null)
        {
            if (best == DirectoryFreeHeader.NullBest) DirectoryBlocks.Corrupt(dir, at, $"no block of the free index is mapped here, but data block {index} exists");
            buffer = Add(tx, dir, space, number);
        }
        int valid = Valid(buffer.Data).Length;
        ushort old = slot < valid ? Valid(buffer.Data)[slot] : DirectoryFreeHeader.NullBest;
        if (old == best) return;

        Span<byte> block = tx.Modify(buffer);
        ref DirectoryFreeHeader header = ref DirectoryFreeHeader.At(block);
        Span<BigEndian16> bests = All(block);
        if (slot >= valid)
        {
            bests[valid..slot].Fill(DirectoryFreeHeader.NullBest);
            header.ValidCount = (uint)slot + 1;
        }
        bests[slot] = best;
        if (old == DirectoryFreeHeader.NullBest)
        {
            header.UsedCount++;
        }
        else if (best == DirectoryFreeHeader.NullBest)
        {
            if (header.UsedCount == 0) DirectoryBlocks.Corrupt(dir, at, "nused is 0, but there are bests");
            header.UsedCount--;
            if (header.UsedCount == 0 && number != 0)
            {
                dir.RemoveBlock(tx, at);
                return;
            }
            valid = (int)header.ValidCount.Value;
            while (valid > 0 && bests[valid - 1] == DirectoryFreeHeader.NullBest) valid--;
            header.ValidCount = (uint)valid;
        }
    }

    private static MetadataBuffer Add(Transaction tx, IDirectoryStorage dir, in DirectorySpace space, uint number)
    {
        MetadataBuffer buffer = dir.AddBlock(tx, space.FreeBlock(number), BlockKind.DirectoryFree);
        Span<byte> block = tx.Modify(buffer);
        ref DirectoryFreeHeader header = ref DirectoryFreeHeader.At(block);
        header.Magic = DirectoryMagic.Free;
        header.BlockNumber = dir.Geometry.DiskAddress(buffer.Offset);
        header.Uuid = dir.Geometry.MetaUuid;
        header.Owner = dir.Number.Value;
        header.FirstDataBlock = number * space.BestsPerBlock;
        All(block).Fill(DirectoryFreeHeader.NullBest);
        return buffer;
    }

    /// <summary>Begins a free index with what a leaf knew.</summary>
    public static void Create(Transaction tx, IDirectoryStorage dir, in DirectorySpace space, ReadOnlySpan<BigEndian16> bests)
    {
        Span<byte> block = tx.Modify(Add(tx, dir, space, 0));
        bests.CopyTo(All(block));
        uint used = 0;
        foreach (BigEndian16 best in bests)
            if (best != DirectoryFreeHeader.NullBest) used++;
        ref DirectoryFreeHeader header = ref DirectoryFreeHeader.At(block);
        header.ValidCount = (uint)bests.Length;
        header.UsedCount = used;
    }

    /// <summary>The bests if one block holds them all; blocks behind it that nobody could free for want of space go first.</summary>
    public static bool TryReadOnly(Transaction tx, IDirectoryStorage dir, in DirectorySpace space, out ReadOnlySpan<BigEndian16> bests)
    {
        bests = default;
        uint count = Count(dir, space);
        for (; count > 1; count--)
        {
            if (Read(dir, space, count - 1) is not MetadataBuffer last) continue;
            if (DirectoryFreeHeader.At(last.Data).UsedCount != 0) return false;
            dir.RemoveBlock(tx, space.FreeBlock(count - 1));
        }
        if (Read(dir, space, 0) is not MetadataBuffer first) throw DirectoryBlocks.Fault(dir, space.Free, "no block of the free index is mapped here");
        bests = Valid(first.Data);
        while (bests.Length > 1 && bests[^1] == DirectoryFreeHeader.NullBest) bests = bests[..^1];
        return bests.Length > 0;
    }
}
