using System.Runtime.InteropServices;
using ImageFs.Format;
using ImageFs.Metadata;
using ImageFs.Transactions;

namespace ImageFs.Directories;

// Block form, one directory block:
//
//   header | entries and free regions ...            | hash index | count, stale
//                                                    ^ grows to the left
//
// A new name needs room for its entry and, unless a stale slot is there, eight bytes just before the hash index.

/// <summary>Operations on directories of one block.</summary>
internal static class BlockForm
{
    private static MetadataBuffer Read(IDirectoryStorage dir, in DirectorySpace space) => DirectoryBlocks.NeedData(dir, space, 0, DirectoryMagic.Block);

    private static ref DirectoryBlockTail Tail(Span<byte> block) => ref MemoryMarshal.AsRef<DirectoryBlockTail>(block[^DirectoryBlockTail.Size..]);

    /// <summary>Where entries end and the hash index begins; the verifier has seen that it is inside the block.</summary>
    private static int IndexStart(ReadOnlySpan<byte> block) =>
        block.Length - DirectoryBlockTail.Size - (int)MemoryMarshal.AsRef<DirectoryBlockTail>(block[^DirectoryBlockTail.Size..]).Count.Value * DirectoryLeafEntry.Size;

    private static ReadOnlySpan<DirectoryLeafEntry> Index(ReadOnlySpan<byte> block) =>
        MemoryMarshal.Cast<byte, DirectoryLeafEntry>(block[IndexStart(block)..^DirectoryBlockTail.Size]);

    private static Span<DirectoryLeafEntry> Index(Span<byte> block) =>
        MemoryMarshal.Cast<byte, DirectoryLeafEntry>(block[IndexStart(block)..^DirectoryBlockTail.Size]);

    /// <summary>Finds a name. False with <paramref name="slot"/> where its hash belongs.</summary>
    private static bool TryFind(IDirectoryStorage dir, in DirectorySpace space, ReadOnlySpan<byte> block, ReadOnlySpan<byte> name, out int slot, out int at)
    {
        uint hash = DirectoryName.Hash(name);
        ReadOnlySpan<DirectoryLeafEntry> index = Index(block);
        int end = IndexStart(block);
        slot = LeafEntries.LowerBound(index, hash);
        for (int i = slot; i < index.Length && index[i].Hash == hash; i++)
        {
            if (index[i].Address == 0) continue;
            at = space.OffsetOf(index[i].Address);
            if (space.DataBlockOf(index[i].Address) != 0 || !DataBlock.IsEntry(block, at, end))
                DirectoryBlocks.Corrupt(dir, space.Data(0), $"hash entry {i} points at 0x{index[i].Address.Value:x}, no entry is there");
            if (!DataBlock.Name(block, at).SequenceEqual(name)) continue;
            slot = i;
            return true;
        }
        at = 0;
        return false;
    }

    public static bool TryLookup(IDirectoryStorage dir, ReadOnlySpan<byte> name, out InodeNumber inode, out DirectoryFileType type)
    {
        DirectorySpace space = new(dir.Geometry);
        ReadOnlySpan<byte> block = Read(dir, space).Data;
        bool found = TryFind(dir, space, block, name, out _, out int at);
        inode = found ? DataBlock.Inode(block, at) : default;
        type = found ? DataBlock.Type(block, at) : default;
        return found;
    }

    public static void List(IDirectoryStorage dir, long fromCookie, DirectoryVisitor visit)
    {
        DirectorySpace space = new(dir.Geometry);
        ReadOnlySpan<byte> block = Read(dir, space).Data;
        int from = (int)Math.Clamp(fromCookie, 0, block.Length) * DataBlock.Unit;
        DataBlock.Visit(block, from, IndexStart(block), space, 0, visit);
    }

    /// <summary>Adds an entry; false if the directory has to become leaf form for it.</summary>
    public static bool TryAdd(Transaction tx, IDirectoryStorage dir, ReadOnlySpan<byte> name, InodeNumber inode, DirectoryFileType type)
    {
        DirectorySpace space = new(dir.Geometry);
        MetadataBuffer buffer = Read(dir, space);
        if (TryFind(dir, space, buffer.Data, name, out _, out _)) throw Directory.Exists(dir, name);
        int size = DirectoryName.EntrySize(name.Length);
        int region = FindRoom(buffer.Data, size);
        if (region == 0)
        {
            // Stale slots but one, which the new name takes, can be given to the region before the index.
            ReadOnlySpan<byte> data = buffer.Data;
            int stale = (int)MemoryMarshal.AsRef<DirectoryBlockTail>(data[^DirectoryBlockTail.Size..]).Stale.Value;
            int last = DataBlock.RegionBefore(data, IndexStart(data));
            int gain = (stale - 1) * DirectoryLeafEntry.Size;
            if (stale < 2 || (last == 0 ? 0 : DataBlock.FreeLength(data, last)) + gain < size) return false;
            Compact(tx.Modify(buffer), keepStale: 1);
            region = FindRoom(buffer.Data, size);
            Invariant.Holds(region != 0, "compacting a directory block's index makes the room that was computed");
        }
        Span<byte> block = tx.Modify(buffer);
        DataBlock.Put(block, region, region, name, inode, type, IndexStart(block));
        Insert(block, DirectoryName.Hash(name), space.Address(0, region));
        return true;
    }

    /// <summary>A free region for an entry that leaves room for the index to grow by a slot if it must; 0 if there is none.</summary>
    private static int FindRoom(ReadOnlySpan<byte> block, int size)
    {
        if (MemoryMarshal.AsRef<DirectoryBlockTail>(block[^DirectoryBlockTail.Size..]).Stale != 0) return DataBlock.FindRoom(block, size);
        int last = DataBlock.RegionBefore(block, IndexStart(block));
        if (last == 0) return 0;
        // A region beyond the best three is no larger than they are: if none of them will do, none does.
        ReadOnlySpan<BestFree> best = DirectoryDataHeader.BestFrees(block);
        for (int i = best.Length - 1; i >= 0; i--)
        {
            int needed = best[i].Offset == last ? size + DirectoryLeafEntry.Size : size;
            if (best[i].Length >= needed) return best[i].Offset;
        }
        return 0;
    }

    private static void Insert(Span<byte> block, uint hash, uint address)
    {
        if (Tail(block).Stale != 0)
        {
            LeafEntries.InsertOverStale(Index(block), LeafEntries.LowerBound(Index(block), hash), hash, address);
            Tail(block).Stale--;
            return;
        }
        int slot = LeafEntries.LowerBound(Index(block), hash);
        int end = IndexStart(block);
        DataBlock.TakeEnd(block, DataBlock.RegionBefore(block, end), end - DirectoryLeafEntry.Size, DirectoryLeafEntry.Size);
        Tail(block).Count++;
        Span<DirectoryLeafEntry> index = Index(block);
        index[1..(slot + 1)].CopyTo(index);
        index[slot] = new DirectoryLeafEntry { Hash = hash, Address = address };
    }

    /// <summary>Drops stale slots from the index; their bytes become free.</summary>
    private static void Compact(Span<byte> block, int keepStale)
    {
        Span<DirectoryLeafEntry> index = Index(block);
        int start = IndexStart(block), drop = (int)Tail(block).Stale.Value - keepStale, to = index.Length;
        int dropped = 0;
        for (int from = index.Length - 1; from >= 0; from--)
        {
            if (index[from].Address == 0 && dropped < drop) dropped++;
            else index[--to] = index[from];
        }
        Tail(block).Count -= (uint)dropped;
        Tail(block).Stale -= (uint)dropped;
        DataBlock.Release(block, start, dropped * DirectoryLeafEntry.Size, IndexStart(block));
    }

    public static void Replace(Transaction tx, IDirectoryStorage dir, ReadOnlySpan<byte> name, InodeNumber inode, DirectoryFileType type)
    {
        DirectorySpace space = new(dir.Geometry);
        MetadataBuffer buffer = Read(dir, space);
        if (!TryFind(dir, space, buffer.Data, name, out _, out int at)) throw Directory.Missing(dir, name);
        DataBlock.Retarget(tx.Modify(buffer), at, inode, type);
    }

    /// <summary>Removes an entry; false if there is none of that name.</summary>
    public static bool Remove(Transaction tx, IDirectoryStorage dir, ReadOnlySpan<byte> name, out InodeNumber removed)
    {
        DirectorySpace space = new(dir.Geometry);
        MetadataBuffer buffer = Read(dir, space);
        removed = default;
        if (!TryFind(dir, space, buffer.Data, name, out int slot, out int at)) return false;
        removed = DataBlock.Inode(buffer.Data, at);
        Span<byte> block = tx.Modify(buffer);
        Index(block)[slot].Address = 0;
        Tail(block).Stale++;
        DataBlock.Release(block, at, DataBlock.EntrySize(block, at), IndexStart(block));
        TryShrink(tx, dir);
        return true;
    }

    /// <summary>Turns a short form into a block.</summary>
    public static void FromShort(Transaction tx, IDirectoryStorage dir)
    {
        DirectorySpace space = new(dir.Geometry);
        ReadOnlySpan<byte> old = ShortForm.Contents(dir);
        Span<byte> copy = stackalloc byte[ShortForm.MaxSize];
        old.CopyTo(copy);
        ReadOnlySpan<byte> contents = copy[..old.Length];
        // All of it is checked before anything changes.
        ShortReader reader = new(dir, contents);
        while (reader.TryNext(out _)) { }

        dir.BecomeExtents(tx);
        MetadataBuffer buffer = DirectoryBlocks.AddData(tx, dir, space, 0, DirectoryMagic.Block);
        Span<byte> block = tx.Modify(buffer);
        int count = reader.Count + 2, end = block.Length - DirectoryBlockTail.Size - count * DirectoryLeafEntry.Size;
        DataBlock.TakeEnd(block, DirectoryDataHeader.Size, end, block.Length - end);
        Tail(block).Count = (uint)count;
        Tail(block).Stale = 0;
        Span<DirectoryLeafEntry> index = Index(block);
        int filled = 0, free = DirectoryDataHeader.Size;

        reader = new ShortReader(dir, contents);
        Put(block, DataBlock.DotOffset, "."u8, dir.Number, DirectoryFileType.Directory, index);
        Put(block, DataBlock.DotDotOffset, ".."u8, reader.Parent, DirectoryFileType.Directory, index);
        while (reader.TryNext(out ShortEntry entry)) Put(block, entry.Offset, entry.Name, entry.Inode, entry.Type, index);
        LeafEntries.Sort(index);

        void Put(Span<byte> block, int at, ReadOnlySpan<byte> name, InodeNumber inode, DirectoryFileType type, Span<DirectoryLeafEntry> index)
        {
            DataBlock.Put(block, free, at, name, inode, type, end);
            index[filled++] = new DirectoryLeafEntry { Hash = DirectoryName.Hash(name), Address = (uint)at / DataBlock.Unit };
            free = at + DirectoryName.EntrySize(name.Length);
        }
    }

    /// <summary>Moves everything into the inode if it fits there.</summary>
    public static void TryShrink(Transaction tx, IDirectoryStorage dir)
    {
        DirectorySpace space = new(dir.Geometry);
        ReadOnlySpan<byte> block = Read(dir, space).Data;
        int end = IndexStart(block), fork = dir.DataFork.Length;
        int count = 0, names = 0;
        bool wide = false;
        InodeNumber parent = InodeNumber.Null;
        for (int at = DirectoryDataHeader.Size; at < end;)
        {
            if (DataBlock.IsFree(block, at))
            {
                at += DataBlock.FreeLength(block, at);
                continue;
            }
            ReadOnlySpan<byte> name = DataBlock.Name(block, at);
            InodeNumber inode = DataBlock.Inode(block, at);
            if (at == DataBlock.DotDotOffset && name.SequenceEqual(".."u8)) parent = inode;
            else if (at != DataBlock.DotOffset)
            {
                count++;
                names += name.Length;
                if (ShortForm.HeaderSize(false) + names + count * ShortForm.EntrySize(0, false) > fork) return;
            }
            wide |= at != DataBlock.DotOffset && ShortForm.IsWide(inode);
            at += DataBlock.EntrySize(block, at);
        }
        if (count > byte.MaxValue || ShortForm.HeaderSize(wide) + names + count * ShortForm.EntrySize(0, wide) > fork) return;
        if (parent.IsNull || !DataBlock.Name(block, DataBlock.DotOffset).SequenceEqual("."u8))
            DirectoryBlocks.Corrupt(dir, space.Data(0), "'.' and '..' are not the first two entries");

        ShortWriter writer = new(stackalloc byte[ShortForm.MaxSize], wide, parent);
        for (int at = DirectoryDataHeader.Size; at < end;)
        {
            if (DataBlock.IsFree(block, at))
            {
                at += DataBlock.FreeLength(block, at);
                continue;
            }
            if (at >= DataBlock.FirstOffset) writer.Append(at, DataBlock.Name(block, at), DataBlock.Inode(block, at), DataBlock.Type(block, at));
            at += DataBlock.EntrySize(block, at);
        }
        dir.RemoveBlock(tx, space.Data(0));
        dir.BecomeLocal(tx);
        ShortForm.Store(tx, dir, writer.Finish());
    }

    /// <summary>
    /// Makes a data block the block form it was before: <paramref name="live"/> are its entries' hashes, in order. The caller
    /// has seen that the region at the end of the block holds them.
    /// </summary>
    public static void FromData(Span<byte> block, ReadOnlySpan<DirectoryLeafEntry> live)
    {
        int end = block.Length - DirectoryBlockTail.Size - live.Length * DirectoryLeafEntry.Size;
        DataBlock.TakeEnd(block, DataBlock.RegionBefore(block, block.Length), end, block.Length - end);
        DirectoryDataHeader.At(block).Magic = DirectoryMagic.Block;
        Tail(block).Count = (uint)live.Length;
        Tail(block).Stale = 0;
        live.CopyTo(Index(block));
    }

    /// <summary>Makes a block-form block a data block; its index was copied elsewhere and becomes free.</summary>
    public static void ToData(Span<byte> block)
    {
        int end = IndexStart(block);
        DirectoryDataHeader.At(block).Magic = DirectoryMagic.Data;
        DataBlock.Release(block, end, block.Length - end, block.Length);
    }

    /// <summary>The hash index of the block, for the leaf that takes it over. Returns how many entries are not stale.</summary>
    public static int CopyIndex(ReadOnlySpan<byte> block, Span<DirectoryLeafEntry> to)
    {
        int live = 0;
        foreach (DirectoryLeafEntry entry in Index(block))
            if (entry.Address != 0) to[live++] = entry;
        return live;
    }

    /// <summary>The directory's only block.</summary>
    public static MetadataBuffer Block(IDirectoryStorage dir, in DirectorySpace space) => Read(dir, space);
}
