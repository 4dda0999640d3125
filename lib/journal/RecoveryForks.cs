using System.Buffers.Binary;
using System.Runtime.InteropServices;
using ImageFs.Devices;
using ImageFs.Format;

namespace ImageFs.Journal;

/// <summary>The little that a replay must know about forks: the blocks of a btree and the extents of a file.</summary>
internal static class RecoveryForks
{
    private const int Key = 8;

    /// <summary>The blocks of a fork's btree, each before those below it, from left to right. A block is gone when the next is asked for.</summary>
    public static IEnumerable<(long Offset, byte[] Block)> Blocks(BlockDevice view, Geometry g, ReadOnlySpan<byte> fork, InodeNumber number)
    {
        ref readonly BmbtInodeRoot root = ref MemoryMarshal.AsRef<BmbtInodeRoot>(fork);
        int capacity = BmbtInodeRoot.Capacity(fork.Length), count = root.RecordCount, level = root.Level;
        if (count > capacity || level == 0 || level >= g.Limits.Bmap) throw Corrupt(number, $"its btree root has level {level} and {count} records");
        Stack<(FsBlock Block, int Level)> next = [];
        for (int i = count; i-- > 0;) next.Push((Pointer(fork[BmbtInodeRoot.Size..], capacity, i), level - 1));
        return Blocks(view, g, next, number);
    }

    private static IEnumerable<(long Offset, byte[] Block)> Blocks(BlockDevice view, Geometry g, Stack<(FsBlock Block, int Level)> next, InodeNumber number)
    {
        // A pointer that is met twice is a cycle or a block with two parents.
        HashSet<FsBlock> seen = [];
        byte[] block = new byte[g.BlockSize];
        int room = g.NodeCapacity(LongBtreeHeader.Size, Key, Key);
        while (next.TryPop(out (FsBlock Block, int Level) at))
        {
            if (!g.IsValid(at.Block) || !seen.Add(at.Block)) throw Corrupt(number, $"its btree leads to block {at.Block}, outside the device or twice");
            long offset = g.ByteOffset(at.Block);
            view.Read(offset, block);
            LongBtreeHeader node = LongBtreeHeader.At((ReadOnlySpan<byte>)block);
            // Keys and pointers of a node take as much as a record of a leaf.
            if (node.Magic != BtreeMagic.Bmbt || node.Level != at.Level || node.RecordCount > room)
                throw Corrupt(number, $"its btree leads to block {at.Block} with magic 0x{node.Magic.Value:x8}, level {node.Level.Value}, {node.RecordCount.Value} records");
            for (int i = at.Level > 0 ? node.RecordCount : 0; i-- > 0;)
                next.Push((Pointer(block.AsSpan(LongBtreeHeader.Size), room, i), at.Level - 1));
            yield return (offset, block);
        }
    }

    /// <summary>The extents of an inode's data fork in the order of the file.</summary>
    public static IEnumerable<Extent> Extents(BlockDevice view, Geometry g, byte[] inode, InodeNumber number)
    {
        InodeCore core = InodeCore.At((ReadOnlySpan<byte>)inode);
        int fork = Math.Min(core.DataForkSize(g.InodeSize), g.InodeSize - InodeCore.Size);
        if (core.Format == ForkFormat.Extents)
        {
            int count = (int)Math.Min(core.ExtentCount, (ulong)(fork / PackedExtent.Size));
            for (int i = 0; i < count; i++) yield return Unpack(inode, InodeCore.Size, i, g, number);
        }
        else if (core.Format == ForkFormat.Btree)
        {
            foreach ((long _, byte[] block) in Blocks(view, g, inode.AsSpan(InodeCore.Size, fork), number))
            {
                LongBtreeHeader header = LongBtreeHeader.At((ReadOnlySpan<byte>)block);
                if (header.Level != 0) continue;
                for (int i = 0; i < header.RecordCount; i++) yield return Unpack(block, LongBtreeHeader.Size, i, g, number);
            }
        }
    }

    private static Extent Unpack(byte[] bytes, int records, int index, Geometry g, InodeNumber number)
    {
        Extent extent = MemoryMarshal.Read<PackedExtent>(bytes.AsSpan(records + index * PackedExtent.Size)).Unpack();
        return g.IsValid(extent.Start, extent.Length) ? extent : throw Corrupt(number, $"extent {extent} is outside the device");
    }

    private static FsBlock Pointer(ReadOnlySpan<byte> records, int capacity, int index) =>
        new(BinaryPrimitives.ReadUInt64BigEndian(records[((capacity + index) * Key)..]));

    private static CorruptionException Corrupt(InodeNumber number, string problem) => new("inode", $"inode {number} after replay of the log", problem);
}
