using System.Buffers.Binary;
using System.Runtime.InteropServices;

namespace ImageFs.Format;

public static partial class BlockVerifier
{
    /// <summary>Bounds of an attribute leaf: entries sorted by hash, every name and value inside the used area, a sane free map.</summary>
    /// <remarks>Whether names overlap is for whoever changes the leaf, and for the check, to find out.</remarks>
    private static Fault? VerifyAttrLeaf(ReadOnlySpan<byte> block)
    {
        ref readonly AttributeLeafHeader header = ref AttributeLeafHeader.At(block);
        int count = header.Count, used = header.UsedBytes, first = header.FirstUsed;
        // 65536 does not fit the field.
        if (first == 0) first = block.Length;
        int entriesEnd = AttributeLeafHeader.Size + count * AttributeLeafEntry.Size;
        if (entriesEnd > block.Length || first > block.Length || first < entriesEnd) return new Fault("firstused", $"{first} with {count} entries in {block.Length} bytes");
        if (used > block.Length - first) return new Fault("usedbytes", $"found {used}, only {block.Length - first} behind firstused");
        Fault? fault = VerifyFreeRegion("freemap[0]", header.Free0, block.Length) ?? VerifyFreeRegion("freemap[1]", header.Free1, block.Length)
            ?? VerifyFreeRegion("freemap[2]", header.Free2, block.Length);
        if (fault is not null) return fault;
        uint last = 0;
        ReadOnlySpan<AttributeLeafEntry> entries = MemoryMarshal.Cast<byte, AttributeLeafEntry>(block[AttributeLeafHeader.Size..entriesEnd]);
        for (int i = 0; i < entries.Length; i++)
        {
            ref readonly AttributeLeafEntry entry = ref entries[i];
            if (entry.Hash < last) return new Fault($"entries[{i}].hashval", $"0x{entry.Hash.Value:x} after 0x{last:x}");
            last = entry.Hash;
            int at = entry.NameIndex;
            if (at < first || at + (entry.IsLocal ? 4 : 10) > block.Length) return new Fault($"entries[{i}].nameidx", $"{at} is outside the names {first}..{block.Length}");
            int name = entry.IsLocal ? block[at + 2] : block[at + 8];
            int size = entry.IsLocal ? AttributeFormat.LocalEntry(name, BinaryPrimitives.ReadUInt16BigEndian(block[at..])) : AttributeFormat.RemoteEntry(name);
            if (name == 0) return new Fault($"entries[{i}].namelen", "found 0");
            if (at + size > block.Length) return new Fault($"entries[{i}]", $"{size} bytes at {at} cross the block's end");
        }
        return null;
    }

    private static Fault? VerifyFreeRegion(string field, in AttributeLeafHeader.FreeRegion region, int length)
    {
        int start = region.Base, bytes = region.Length;
        if (start % 4 != 0 || bytes % 4 != 0) return new Fault(field, $"{bytes} bytes at {start}, expected multiples of 4");
        return start + bytes <= length ? null : (Fault?)new Fault(field, $"{bytes} bytes at {start} cross the block's end");
    }
}
