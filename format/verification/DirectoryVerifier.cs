using System.Buffers.Binary;
using System.Runtime.InteropServices;

namespace ImageFs.Format;

public static partial class BlockVerifier
{
    /// <summary>Walks a data block: entries, free regions, their tags and sizes, bestfree, and in block form the hash index.</summary>
    private static Fault? VerifyDirectoryData(ReadOnlySpan<byte> block, Geometry g, long offset)
    {
        ref readonly DirectoryDataHeader header = ref DirectoryDataHeader.At(block);
        bool blockForm = header.Magic == DirectoryMagic.Block;
        Fault? fault = (blockForm ? null : Expect("magic", header.Magic, DirectoryMagic.Data))
            ?? Expect("blkno", header.BlockNumber, g.DiskAddress(offset))
            ?? ExpectUuid(block[DirectoryDataHeader.UuidOffset..], g)
            ?? (g.IsValid(new InodeNumber(header.Owner)) ? null : (Fault?)new Fault("owner", $"inode {header.Owner.Value} cannot exist"));
        if (fault is not null) return fault;

        int end = block.Length;
        ReadOnlySpan<DirectoryLeafEntry> leaves = default;
        uint stale = 0;
        if (blockForm)
        {
            ref readonly DirectoryBlockTail tail = ref MemoryMarshal.AsRef<DirectoryBlockTail>(block[^DirectoryBlockTail.Size..]);
            int room = (block.Length - DirectoryDataHeader.Size - DirectoryBlockTail.Size) / DirectoryLeafEntry.Size;
            if (tail.Count > (uint)room) return new Fault("btail.count", $"found {tail.Count}, at most {room} possible");
            if (tail.Stale > tail.Count) return new Fault("btail.stale", $"found {tail.Stale} of {tail.Count}");
            end = block.Length - DirectoryBlockTail.Size - (int)tail.Count.Value * DirectoryLeafEntry.Size;
            leaves = MemoryMarshal.Cast<byte, DirectoryLeafEntry>(block[end..^DirectoryBlockTail.Size]);
            stale = tail.Stale;
            fault = VerifyHashOrder(leaves, stale);
            if (fault is not null) return fault;
        }

        ReadOnlySpan<BestFree> best = DirectoryDataHeader.BestFrees(block);
        fault = VerifyBestFreeShape(best);
        if (fault is not null) return fault;
        int bestSeen = 0, entries = 0;
        bool lastFree = false;
        for (int at = DirectoryDataHeader.Size; at < end;)
        {
            if (BinaryPrimitives.ReadUInt16BigEndian(block[at..]) == DirectoryDataHeader.FreeTag)
            {
                int length = BinaryPrimitives.ReadUInt16BigEndian(block[(at + 2)..]);
                if (length < 8 || length % 8 != 0 || at + length > end) return new Fault($"free region at {at}", $"length {length}, {end - at} bytes left");
                if (lastFree) return new Fault($"free region at {at}", "touches the free region before it");
                if (BinaryPrimitives.ReadUInt16BigEndian(block[(at + length - 2)..]) != at) return new Fault($"free region at {at}", "its tag points elsewhere");
                bool listed = false;
                foreach (BestFree one in best)
                    if (one.Offset == at && one.Length != 0)
                    {
                        if (one.Length != length) return new Fault("bestfree", $"says {one.Length} at {at}, the region has {length}");
                        listed = true;
                    }
                if (listed) bestSeen++;
                else if (length > best[2].Length) return new Fault("bestfree", $"misses {length} free bytes at {at}");
                lastFree = true;
                at += length;
                continue;
            }
            lastFree = false;
            if (at + 12 > end) return new Fault($"entry at {at}", "crosses the end of the entries");
            int nameLength = block[at + 8];
            int size = DirectoryName.EntrySize(nameLength);
            if (nameLength == 0 || at + size > end) return new Fault($"entry at {at}", $"name of {nameLength} bytes, {end - at} bytes left");
            if (BinaryPrimitives.ReadUInt16BigEndian(block[(at + size - 2)..]) != at) return new Fault($"entry at {at}", "its tag points elsewhere");
            ulong inode = BinaryPrimitives.ReadUInt64BigEndian(block[at..]);
            if (!g.IsValid(new InodeNumber(inode))) return new Fault($"entry at {at}", $"inode {inode} cannot exist");
            if (blockForm && !HasLeaf(leaves, DirectoryName.Hash(block.Slice(at + 9, nameLength)), (uint)at / 8))
                return new Fault($"entry at {at}", "is not in the hash index");
            entries++;
            at += size;
        }
        int listedCount = 0;
        foreach (BestFree one in best) if (one.Length != 0) listedCount++;
        if (bestSeen != listedCount) return new Fault("bestfree", $"lists {listedCount} regions, {bestSeen} of them exist");
        if (blockForm && entries != leaves.Length - (int)stale) return new Fault("btail.count", $"{leaves.Length} with {stale} stale, {entries} entries");
        return null;
    }

    private static Fault? VerifyBestFreeShape(ReadOnlySpan<BestFree> best)
    {
        for (int i = 0; i < best.Length; i++)
        {
            if (best[i].Length == 0 && best[i].Offset != 0) return new Fault($"bestfree[{i}]", $"offset {best[i].Offset} without a length");
            if (i > 0 && best[i].Length > best[i - 1].Length) return new Fault($"bestfree[{i}]", "larger than the one before it");
        }
        return null;
    }

    private static Fault? VerifyHashOrder(ReadOnlySpan<DirectoryLeafEntry> leaves, uint expectedStale)
    {
        uint last = 0, stale = 0;
        for (int i = 0; i < leaves.Length; i++)
        {
            if (leaves[i].Hash < last) return new Fault($"leaf[{i}].hashval", $"0x{leaves[i].Hash.Value:x} after 0x{last:x}");
            last = leaves[i].Hash;
            if (leaves[i].Address == 0) stale++;
        }
        return Expect("stale", stale, expectedStale);
    }

    private static bool HasLeaf(ReadOnlySpan<DirectoryLeafEntry> leaves, uint hash, uint address)
    {
        int low = 0, high = leaves.Length;
        while (low < high)
        {
            int middle = (low + high) >>> 1;
            if (leaves[middle].Hash < hash) low = middle + 1; else high = middle;
        }
        for (; low < leaves.Length && leaves[low].Hash == hash; low++)
            if (leaves[low].Address == address) return true;
        return false;
    }

    private static Fault? VerifyDirectoryFree(ReadOnlySpan<byte> block, Geometry g, long offset)
    {
        ref readonly DirectoryFreeHeader header = ref DirectoryFreeHeader.At(block);
        uint capacity = (uint)(block.Length - DirectoryFreeHeader.Size) / 2;
        return Expect("magic", header.Magic, DirectoryMagic.Free)
            ?? Expect("blkno", header.BlockNumber, g.DiskAddress(offset))
            ?? ExpectUuid(block[DirectoryFreeHeader.UuidOffset..], g)
            ?? (g.IsValid(new InodeNumber(header.Owner)) ? null : (Fault?)new Fault("owner", $"inode {header.Owner.Value} cannot exist"))
            ?? (header.FirstDataBlock % capacity == 0 ? null : (Fault?)new Fault("firstdb", $"{header.FirstDataBlock} is no multiple of {capacity}"))
            ?? ExpectAtMost("nvalid", header.ValidCount, capacity)
            ?? ExpectAtMost("nused", header.UsedCount, header.ValidCount);
    }

    private static Fault? VerifyDaBlock(ReadOnlySpan<byte> block, Geometry g, long offset)
    {
        ref readonly DaBlockHeader header = ref DaBlockHeader.At(block);
        Fault? fault = Expect("blkno", header.BlockNumber, g.DiskAddress(offset))
            ?? ExpectUuid(block[DaBlockHeader.UuidOffset..], g)
            ?? (g.IsValid(new InodeNumber(header.Owner)) ? null : (Fault?)new Fault("owner", $"inode {header.Owner.Value} cannot exist"));
        if (fault is not null) return fault;
        int count = header.Count;
        ReadOnlySpan<byte> body = block[DaBlockHeader.Size..];
        switch (header.Magic.Value)
        {
            case DirectoryMagic.Leaf1:
                uint bests = BinaryPrimitives.ReadUInt32BigEndian(block[^4..]);
                if (bests > (uint)(body.Length - 4) / 2) return new Fault("bestcount", $"found {bests}, does not fit the block");
                if (count * DirectoryLeafEntry.Size > body.Length - 4 - 2 * (int)bests) return new Fault("count", $"found {count}, does not fit beside {bests} bests");
                return VerifyHashOrder(MemoryMarshal.Cast<byte, DirectoryLeafEntry>(body)[..count], header.StaleOrLevel);
            case DirectoryMagic.LeafN:
                if (count > body.Length / DirectoryLeafEntry.Size) return new Fault("count", $"found {count}, at most {body.Length / DirectoryLeafEntry.Size} fit");
                return VerifyHashOrder(MemoryMarshal.Cast<byte, DirectoryLeafEntry>(body)[..count], header.StaleOrLevel);
            case DirectoryMagic.Node:
                if (count == 0 || count > body.Length / DaNodeEntry.Size) return new Fault("count", $"found {count}, 1..{body.Length / DaNodeEntry.Size} possible");
                return header.StaleOrLevel.Value is >= 1 and <= DaNodeEntry.MaxLevels ? null : (Fault?)new Fault("level", $"found {header.StaleOrLevel}, 1..5 possible");
            case DirectoryMagic.AttrLeaf:
                return VerifyAttrLeaf(block);
            default:
                return new Fault("magic", $"found 0x{header.Magic.Value:x4}, no directory or attribute block");
        }
    }
}
