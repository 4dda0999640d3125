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

    private void ChangeTree(ReadOnlySpan<byte> fork, InodeNumber number)
    {
        foreach ((long offset, byte[] block) in RecoveryForks.Blocks(result.View, result.Geometry, fork, number))
        {
            ref LongBtreeHeader header = ref LongBtreeHeader.At(block.AsSpan());
            if (header.Owner == number.Value) continue;
            header.Owner = number.Value;
            buffers.Write(offset, block);
            buffers.CompleteLater(offset, block.Length, LogBufferType.Btree);
        }
    }
}
