using System.Buffers.Binary;
using ImageFs.Format;

namespace ImageFs.Journal;

/// <summary>
/// Directory blocks of several file system blocks that do not lie together are logged piece by piece, and only the first
/// piece says what it is. When all is repeated, the directories that the log changes tell which pieces belong together; then
/// the blocks are whole, and get LSN and checksum.
/// </summary>
/// <remarks>
/// The pieces are always repeated: the LSN is in the first piece only, and the checksum spans all of them. That is safe,
/// because whatever is newer on the device is in the log as well and comes later.
/// </remarks>
internal sealed class RecoverySegments(RecoveryResult result)
{
    private readonly Dictionary<FsBlock, (LogSequenceNumber Lsn, bool IsPiece)> _touched = [];
    private readonly HashSet<InodeNumber> _directories = [];

    /// <summary>Whether a buffer is less than a directory block though it is part of one.</summary>
    public bool IsPiece(LogBufferType type, int length) =>
        type is >= LogBufferType.DirectoryBlock and <= LogBufferType.DirectoryLeafN && length < result.Geometry.DirectoryBlockSize;

    /// <summary>A node of an attribute btree, or the first or a later piece of a directory's: only its owner knows.</summary>
    public bool MayBePiece(LogBufferType type, int length) => type == LogBufferType.DaNode && length < result.Geometry.DirectoryBlockSize;

    /// <summary>A piece was changed.</summary>
    public void Touch(long offset, int length, LogBufferType type, LogSequenceNumber lsn)
    {
        bool piece = IsPiece(type, length);
        for (long at = offset; at < offset + length; at += result.Geometry.BlockSize) _touched[result.Geometry.FsBlockAt(at)] = (lsn, piece);
    }

    /// <summary>A directory was changed.</summary>
    public void AddDirectory(InodeNumber number) => _directories.Add(number);

    /// <summary>The blocks were freed.</summary>
    public void Forget(long offset, int length)
    {
        if (_touched.Count == 0) return;
        for (long at = offset; at < offset + length; at += result.Geometry.BlockSize) _touched.Remove(result.Geometry.FsBlockAt(at));
    }

    /// <summary>Everything is repeated: completes the blocks whose pieces were changed.</summary>
    public void End()
    {
        if (_touched.Count == 0) return;
        Geometry g = result.Geometry;
        byte[] inode = new byte[g.InodeSize];
        foreach (InodeNumber number in _directories)
        {
            AgInode inAg = g.InodeInAg(number);
            result.View.Read(g.ByteOffset(g.AgOf(number), g.BlockOf(inAg)) + ((long)(inAg.Value & (g.InodesPerBlock - 1)) << g.InodeLog), inode);
            if (!InodeCore.At((ReadOnlySpan<byte>)inode).IsDirectory) continue;
            try
            {
                CompleteDirectory(inode, number);
            }
            catch (CorruptionException e) when (result.Tolerates(e))
            {
                // Its other blocks keep their old checksums and are found by whoever looks.
            }
            if (_touched.Count == 0) return;
        }
        foreach ((FsBlock block, (_, bool isPiece)) in _touched)
            if (isPiece && new CorruptionException("directory block", $"fsblock {block}", "a piece of it is in the log, and no directory that the log changes holds it") is var problem
                && !result.Tolerates(problem))
                throw problem;
    }

    private void CompleteDirectory(byte[] inode, InodeNumber number)
    {
        Geometry g = result.Geometry;
        ulong size = (ulong)g.DirectoryBlockFsBlocks, current = ulong.MaxValue;
        List<FsBlock> pieces = [];
        foreach (Extent extent in RecoveryForks.Extents(result.View, g, inode, number))
            for (ulong i = 0; i < extent.Length; i++)
            {
                ulong at = extent.Offset.Value + i;
                if (at / size != current)
                {
                    pieces.Clear();
                    current = at / size;
                }
                pieces.Add(extent.Start + i);
                if ((ulong)pieces.Count == size && at % size == size - 1) CompleteBlock(pieces, number);
            }
    }

    private void CompleteBlock(List<FsBlock> pieces, InodeNumber number)
    {
        LogSequenceNumber lsn = default;
        bool touched = false;
        foreach (FsBlock piece in pieces)
            if (_touched.Remove(piece, out (LogSequenceNumber Lsn, bool) last))
            {
                touched = true;
                if (last.Lsn > lsn) lsn = last.Lsn;
            }
        if (!touched) return;

        Geometry g = result.Geometry;
        byte[] block = new byte[g.DirectoryBlockSize];
        for (int i = 0; i < pieces.Count; i++) result.View.Read(g.ByteOffset(pieces[i]), block.AsSpan(i * g.BlockSize, g.BlockSize));
        long offset = g.ByteOffset(pieces[0]);
        if (RecoveryBuffers.KindByMagic(block) is not BlockKind kind || kind is not (BlockKind.DirectoryData or BlockKind.DirectoryFree or BlockKind.DaBlock))
            throw new CorruptionException("directory block", $"byte {offset} after replay of the log", $"is no block of directory {number}");
        Span<byte> header = block.AsSpan(kind.LsnOffset());
        LogSequenceNumber home = new(BinaryPrimitives.ReadUInt64BigEndian(header));
        if (lsn > home) BinaryPrimitives.WriteUInt64BigEndian(header, lsn.Value);
        if (BlockVerifier.VerifyForWrite(kind, block, g, offset) is Fault fault)
            throw new CorruptionException(kind.Name(), $"byte {offset} after replay of the log", fault.ToString());
        Crc32c.Stamp(block, kind.CrcOffset());
        result.View.Write(offset, block.AsSpan(0, g.BlockSize));
    }
}
