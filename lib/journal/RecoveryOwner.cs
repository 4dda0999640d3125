using System.Buffers.Binary;
using System.Runtime.InteropServices;
using ImageFs.Format;

namespace ImageFs.Journal;

/// <summary>
/// Repeats a change of owner: two files have exchanged their forks by exchanging the roots, and every block of the trees
/// below, which carries the number of its inode, must follow.
/// </summary>
/// <remarks>Logged as a promise only (XFS_ILOG_DOWNER, XFS_ILOG_AOWNER): the blocks themselves are not in the log.</remarks>
internal sealed class RecoveryOwner(RecoveryResult result, RecoveryBuffers buffers)
{
    /// <summary>Walks the trees of an inode and puts its number into each block that has another.</summary>
    public void Change(ReadOnlySpan<byte> inode, InodeNumber number, bool dataFork, bool attrFork)
    {
        ref readonly InodeCore core = ref InodeCore.At(inode);
        int data = core.DataForkSize(result.Geometry.InodeSize), attr = core.AttrForkSize(result.Geometry.InodeSize);
        if (dataFork && core.Format == ForkFormat.Btree) ChangeTree(inode.Slice(InodeCore.Size, data), number);
        if (attrFork && core.AttributeFormat == ForkFormat.Btree) ChangeTree(inode.Slice(InodeCore.Size + data, attr), number);
    }

    private void ChangeTree(ReadOnlySpan<byte> root, InodeNumber number)
    {
        const int key = 8;
        int capacity = BmbtInodeRoot.Capacity(root.Length);
        ref readonly BmbtInodeRoot header = ref MemoryMarshal.AsRef<BmbtInodeRoot>(root);
        if (header.RecordCount > capacity || header.Level == 0 || header.Level >= result.Geometry.Limits.Bmap)
            throw Corrupt(number, $"its btree root has level {header.Level} and {header.RecordCount} records");
        Stack<(FsBlock Block, int Level)> next = [];
        for (int i = 0; i < header.RecordCount; i++)
            next.Push((new(BinaryPrimitives.ReadUInt64BigEndian(root[(BmbtInodeRoot.Size + (capacity + i) * key)..])), header.Level - 1));

        // A pointer that is met twice is a cycle or a block with two parents.
        HashSet<FsBlock> seen = [];
        Geometry g = result.Geometry;
        byte[] block = new byte[g.BlockSize];
        int room = g.NodeCapacity(LongBtreeHeader.Size, key, key);
        while (next.TryPop(out (FsBlock Block, int Level) at))
        {
            if (!g.IsValid(at.Block) || !seen.Add(at.Block)) throw Corrupt(number, $"its btree leads to block {at.Block}, outside the device or twice");
            long offset = g.ByteOffset(at.Block);
            result.View.Read(offset, block);
            ref LongBtreeHeader node = ref LongBtreeHeader.At(block.AsSpan());
            if (node.Magic != BtreeMagic.Bmbt || node.Level != at.Level || node.RecordCount > room)
                throw Corrupt(number, $"its btree leads to block {at.Block} with magic 0x{node.Magic.Value:x8}, level {node.Level}, {node.RecordCount} records");
            if (node.Owner != number.Value)
            {
                node.Owner = number.Value;
                buffers.Write(offset, block);
                buffers.CompleteLater(offset, block.Length, LogBufferType.Btree);
            }
            for (int i = 0; at.Level > 0 && i < node.RecordCount; i++)
                next.Push((new(BinaryPrimitives.ReadUInt64BigEndian(block.AsSpan(LongBtreeHeader.Size + (room + i) * key))), at.Level - 1));
        }
    }

    private static CorruptionException Corrupt(InodeNumber number, string problem) => new("log item INODE", $"inode {number}", problem);
}
