using System.Buffers.Binary;
using System.Runtime.InteropServices;
using ImageFs.Format;
using ImageFs.Metadata;
using ImageFs.Transactions;

namespace ImageFs.Directories;

// Leaf form: data blocks, and one leaf:
//
//   header | hash index ->                 <- bests | number of bests
//
// bests[i] is the largest free region of data block i, 0xffff where that block does not exist.

/// <summary>Operations on directories with data blocks and a single leaf.</summary>
internal static class LeafForm
{
    private const int TailSize = 4;

    private static MetadataBuffer Read(IDirectoryStorage dir, in DirectorySpace space)
    {
        if (dir.ReadBlock(space.Leaf, BlockKind.DaBlock) is not MetadataBuffer buffer) throw DirectoryBlocks.Fault(dir, space.Leaf, "no leaf is mapped here");
        ushort magic = DaBlockHeader.At(buffer.Data).Magic;
        if (magic != DirectoryMagic.Leaf1) DirectoryBlocks.Corrupt(dir, space.Leaf, $"magic 0x{magic:x4}, expected a single leaf");
        return buffer;
    }

    private static int BestCount(ReadOnlySpan<byte> leaf) => (int)BinaryPrimitives.ReadUInt32BigEndian(leaf[^TailSize..]);
    private static void SetBestCount(Span<byte> leaf, int count) => BinaryPrimitives.WriteUInt32BigEndian(leaf[^TailSize..], (uint)count);
    private static int BestsStart(ReadOnlySpan<byte> leaf) => leaf.Length - TailSize - 2 * BestCount(leaf);

    /// <summary>The best free length of each data block.</summary>
    public static ReadOnlySpan<BigEndian16> Bests(ReadOnlySpan<byte> leaf) => MemoryMarshal.Cast<byte, BigEndian16>(leaf[BestsStart(leaf)..^TailSize]);
    private static Span<BigEndian16> Bests(Span<byte> leaf) => MemoryMarshal.Cast<byte, BigEndian16>(leaf[BestsStart(leaf)..^TailSize]);

    /// <summary>The hash index of a leaf or leafn block.</summary>
    public static ReadOnlySpan<DirectoryLeafEntry> Index(ReadOnlySpan<byte> leaf) =>
        MemoryMarshal.Cast<byte, DirectoryLeafEntry>(leaf.Slice(DaBlockHeader.Size, DaBlockHeader.At(leaf).Count * DirectoryLeafEntry.Size));

    /// <inheritdoc cref="Index(ReadOnlySpan{byte})"/>
    public static Span<DirectoryLeafEntry> Index(Span<byte> leaf) =>
        MemoryMarshal.Cast<byte, DirectoryLeafEntry>(leaf.Slice(DaBlockHeader.Size, DaBlockHeader.At(leaf).Count * DirectoryLeafEntry.Size));

    /// <summary>Drops all stale entries of a leaf or leafn block.</summary>
    public static void Compact(Span<byte> leaf)
    {
        ref DaBlockHeader header = ref DaBlockHeader.At(leaf);
        header.Count = (ushort)LeafEntries.Compact(Index(leaf));
        header.StaleOrLevel = 0;
    }

    /// <summary>Inserts into a leaf or leafn block that has a stale slot or room for one more.</summary>
    public static void Insert(Span<byte> leaf, int slot, uint hash, uint address)
    {
        ref DaBlockHeader header = ref DaBlockHeader.At(leaf);
        if (header.StaleOrLevel != 0)
        {
            LeafEntries.InsertOverStale(Index(leaf), slot, hash, address);
            header.StaleOrLevel--;
        }
        else
        {
            header.Count++;
            LeafEntries.Insert(Index(leaf), slot, hash, address);
        }
    }

    /// <summary>
    /// Looks through entries of equal hash for a name. <paramref name="slot"/> is where the search begins and, if it fails,
    /// the first entry with another hash.
    /// </summary>
    public static bool TryFind(IDirectoryStorage dir, in DirectorySpace space, FileBlock leafAt, ReadOnlySpan<DirectoryLeafEntry> index, uint hash, ReadOnlySpan<byte> name,
        ref int slot, out MetadataBuffer data, out int at)
    {
        MetadataBuffer? last = null;
        uint lastIndex = 0;
        for (; slot < index.Length && index[slot].Hash == hash; slot++)
        {
            uint address = index[slot].Address;
            if (address == 0) continue;
            uint block = space.DataBlockOf(address);
            if (last is null || block != lastIndex)
            {
                last = DirectoryBlocks.NeedData(dir, space, block);
                lastIndex = block;
            }
            at = space.OffsetOf(address);
            if (!DataBlock.IsEntry(last.Data, at, last.Length)) DirectoryBlocks.Corrupt(dir, leafAt, $"hash entry {slot} points at 0x{address:x}, no entry is there");
            if (!DataBlock.Name(last.Data, at).SequenceEqual(name)) continue;
            data = last;
            return true;
        }
        data = null!;
        at = 0;
        return false;
    }

    private static bool TryFind(IDirectoryStorage dir, in DirectorySpace space, ReadOnlySpan<byte> leaf, ReadOnlySpan<byte> name, out int slot, out MetadataBuffer data, out int at)
    {
        uint hash = DirectoryName.Hash(name);
        ReadOnlySpan<DirectoryLeafEntry> index = Index(leaf);
        slot = LeafEntries.LowerBound(index, hash);
        return TryFind(dir, space, space.Leaf, index, hash, name, ref slot, out data, out at);
    }

    public static bool TryLookup(IDirectoryStorage dir, ReadOnlySpan<byte> name, out InodeNumber inode, out DirectoryFileType type)
    {
        DirectorySpace space = new(dir.Geometry);
        bool found = TryFind(dir, space, Read(dir, space).Data, name, out _, out MetadataBuffer data, out int at);
        inode = found ? DataBlock.Inode(data.Data, at) : default;
        type = found ? DataBlock.Type(data.Data, at) : default;
        return found;
    }

    /// <summary>Shows the entries of all data blocks, in leaf and node form.</summary>
    public static void List(IDirectoryStorage dir, long fromCookie, DirectoryVisitor visit)
    {
        DirectorySpace space = new(dir.Geometry);
        if (fromCookie > uint.MaxValue) return;
        uint from = (uint)Math.Max(0, fromCookie), first = space.DataBlockOf(from);
        FileBlock next = space.Data(first);
        while (dir.TryNextMapped(next, out FileBlock mapped) && mapped < space.Leaf)
        {
            uint index = space.IndexOf(mapped);
            MetadataBuffer data = DirectoryBlocks.NeedData(dir, space, index);
            if (!DataBlock.Visit(data.Data, index == first ? space.OffsetOf(from) : 0, data.Length, space, index, visit)) return;
            next = space.Data(index + 1);
        }
    }

    /// <summary>Adds an entry; false if the directory has to become node form for it.</summary>
    public static bool TryAdd(Transaction tx, IDirectoryStorage dir, ReadOnlySpan<byte> name, InodeNumber inode, DirectoryFileType type)
    {
        DirectorySpace space = new(dir.Geometry);
        MetadataBuffer buffer = Read(dir, space);
        if (TryFind(dir, space, buffer.Data, name, out int slot, out _, out _)) throw Directory.Exists(dir, name);

        // The first data block with room; else the first hole; else one more at the end, which needs a best of its own.
        int size = DirectoryName.EntrySize(name.Length);
        ReadOnlySpan<BigEndian16> bests = Bests(buffer.Data);
        int at = -1, hole = -1;
        for (int i = 0; i < bests.Length && at < 0; i++)
        {
            int best = bests[i];
            if (best == DirectoryFreeHeader.NullBest) hole = hole < 0 ? i : hole;
            else if (best >= size) at = i;
        }
        bool isNew = at < 0;
        if (isNew) at = hole >= 0 ? hole : bests.Length;
        int newBests = at == bests.Length ? at + 1 : bests.Length;

        ref readonly DaBlockHeader header = ref DaBlockHeader.At(buffer.Data);
        int live = header.Count - header.StaleOrLevel, slots = Math.Max(header.Count, live + 1);
        int room = buffer.Length - TailSize - 2 * newBests - DaBlockHeader.Size;
        if ((live + 1) * DirectoryLeafEntry.Size > room) return false;

        Span<byte> leaf = tx.Modify(buffer);
        uint hash = DirectoryName.Hash(name);
        if (slots * DirectoryLeafEntry.Size > room)
        {
            Compact(leaf);
            slot = LeafEntries.LowerBound(Index(leaf), hash);
        }
        if (newBests != Bests(leaf).Length)
        {
            Span<BigEndian16> old = Bests(leaf);
            SetBestCount(leaf, newBests);
            old.CopyTo(Bests(leaf));
            Bests(leaf)[at] = DirectoryFreeHeader.NullBest;
        }
        MetadataBuffer data = isNew ? DirectoryBlocks.AddData(tx, dir, space, (uint)at) : DirectoryBlocks.NeedData(dir, space, (uint)at);
        int region = Put(tx, dir, space, (uint)at, data, name, inode, type);
        Bests(leaf)[at] = (ushort)DataBlock.Best(data.Data);
        Insert(leaf, slot, hash, space.Address((uint)at, region));
        return true;
    }

    /// <summary>Writes an entry into a data block that has room according to whoever keeps its best. Returns its offset.</summary>
    public static int Put(Transaction tx, IDirectoryStorage dir, in DirectorySpace space, uint index, MetadataBuffer data, ReadOnlySpan<byte> name, InodeNumber inode, DirectoryFileType type)
    {
        int size = DirectoryName.EntrySize(name.Length), region = DataBlock.FindRoom(data.Data, size);
        if (region == 0) DirectoryBlocks.Corrupt(dir, space.Data(index), $"at most {DataBlock.Best(data.Data)} bytes are free together, the index says {size} or more");
        Span<byte> block = tx.Modify(data);
        DataBlock.Put(block, region, region, name, inode, type, block.Length);
        return region;
    }

    public static void Replace(Transaction tx, IDirectoryStorage dir, ReadOnlySpan<byte> name, InodeNumber inode, DirectoryFileType type)
    {
        DirectorySpace space = new(dir.Geometry);
        if (!TryFind(dir, space, Read(dir, space).Data, name, out _, out MetadataBuffer data, out int at)) throw Directory.Missing(dir, name);
        DataBlock.Retarget(tx.Modify(data), at, inode, type);
    }

    /// <summary>Removes an entry; false if there is none of that name.</summary>
    public static bool Remove(Transaction tx, IDirectoryStorage dir, ReadOnlySpan<byte> name, out InodeNumber removed)
    {
        DirectorySpace space = new(dir.Geometry);
        MetadataBuffer buffer = Read(dir, space);
        removed = default;
        if (!TryFind(dir, space, buffer.Data, name, out int slot, out MetadataBuffer data, out int at)) return false;
        removed = DataBlock.Inode(data.Data, at);
        Span<byte> leaf = tx.Modify(buffer);
        uint index = space.DataBlockOf(Index(leaf)[slot].Address);
        if (index >= (uint)Bests(leaf).Length) DirectoryBlocks.Corrupt(dir, space.Leaf, $"an entry lies in data block {index}, there are bests for {Bests(leaf).Length}");
        Index(leaf)[slot].Address = 0;
        DaBlockHeader.At(leaf).StaleOrLevel++;
        Span<byte> block = tx.Modify(data);
        DataBlock.Release(block, at, DataBlock.EntrySize(block, at), block.Length);
        if (index != 0 && DataBlock.IsEmpty(block))
        {
            DirectoryBlocks.RemoveData(tx, dir, space, index);
            Bests(leaf)[(int)index] = DirectoryFreeHeader.NullBest;
            TrimBests(leaf);
        }
        else
        {
            Bests(leaf)[(int)index] = (ushort)DataBlock.Best(block);
        }
        TryShrink(tx, dir);
        return true;
    }

    /// <summary>Forgets the bests behind the last data block that exists.</summary>
    private static void TrimBests(Span<byte> leaf)
    {
        Span<BigEndian16> bests = Bests(leaf);
        int count = bests.Length;
        while (count > 1 && bests[count - 1] == DirectoryFreeHeader.NullBest) count--;
        if (count == bests.Length) return;
        SetBestCount(leaf, count);
        bests[..count].CopyTo(Bests(leaf));
    }

    /// <summary>Turns a block form into a data block and a leaf.</summary>
    public static void FromBlock(Transaction tx, IDirectoryStorage dir)
    {
        DirectorySpace space = new(dir.Geometry);
        MetadataBuffer data = BlockForm.Block(dir, space);
        MetadataBuffer buffer = dir.AddBlock(tx, space.Leaf, BlockKind.DaBlock);
        Span<byte> leaf = tx.Modify(buffer);
        DirectoryBlocks.InitializeLeaf(leaf, DirectoryMagic.Leaf1, dir, buffer.Offset);
        DaBlockHeader.At(leaf).Count = (ushort)BlockForm.CopyIndex(data.Data, MemoryMarshal.Cast<byte, DirectoryLeafEntry>(leaf[DaBlockHeader.Size..]));
        Span<byte> block = tx.Modify(data);
        BlockForm.ToData(block);
        SetBestCount(leaf, 1);
        Bests(leaf)[0] = (ushort)DataBlock.Best(block);
    }

    /// <summary>Goes back to block form if one data block is left and the hash index fits at its end.</summary>
    public static void TryShrink(Transaction tx, IDirectoryStorage dir)
    {
        DirectorySpace space = new(dir.Geometry);
        MetadataBuffer buffer = Read(dir, space);
        // Empty data blocks at the end, which somebody could not free for want of space.
        while (BestCount(buffer.Data) is int count and > 1 && Bests(buffer.Data)[count - 1] == buffer.Length - DirectoryDataHeader.Size)
        {
            if (!DataBlock.IsEmpty(DirectoryBlocks.NeedData(dir, space, (uint)count - 1).Data)) DirectoryBlocks.Corrupt(dir, space.Leaf, $"bests[{count - 1}] says data block is empty, it is not");
            Span<byte> leaf = tx.Modify(buffer);
            DirectoryBlocks.RemoveData(tx, dir, space, (uint)count - 1);
            Bests(leaf)[count - 1] = DirectoryFreeHeader.NullBest;
            TrimBests(leaf);
        }
        if (BestCount(buffer.Data) != 1 || dir.Core.FileSize != (ulong)space.BlockSize) return;

        ref readonly DaBlockHeader header = ref DaBlockHeader.At(buffer.Data);
        int needed = (header.Count - header.StaleOrLevel) * DirectoryLeafEntry.Size + DirectoryBlockTail.Size;
        MetadataBuffer data = DirectoryBlocks.NeedData(dir, space, 0);
        int region = DataBlock.RegionBefore(data.Data, data.Length);
        if (region == 0 || DataBlock.FreeLength(data.Data, region) < needed) return;

        Span<byte> old = tx.Modify(buffer);
        Compact(old);
        BlockForm.FromData(tx.Modify(data), Index(old));
        dir.RemoveBlock(tx, space.Leaf);
        BlockForm.TryShrink(tx, dir);
    }

    /// <summary>True if hash entries of so many bytes and so many bests fit a leaf.</summary>
    public static bool Fits(int blockSize, int indexBytes, int bests) => DaBlockHeader.Size + indexBytes + 2 * bests + TailSize <= blockSize;

    /// <summary>Makes a leafn block a leaf with bests; the caller has seen that they fit. See <see cref="NodeForm"/>.</summary>
    public static void FromLeafN(Span<byte> leaf, ReadOnlySpan<BigEndian16> bests)
    {
        Compact(leaf);
        DaBlockHeader.At(leaf).Magic = DirectoryMagic.Leaf1;
        leaf[(DaBlockHeader.Size + Index(leaf).Length * DirectoryLeafEntry.Size)..].Clear();
        SetBestCount(leaf, bests.Length);
        bests.CopyTo(Bests(leaf));
    }

    /// <summary>The leaf of a directory in leaf form.</summary>
    public static MetadataBuffer Leaf(IDirectoryStorage dir, in DirectorySpace space) => Read(dir, space);
}
