using System.Buffers;
using ImageFs.Allocation;
using ImageFs.Extents;
using ImageFs.Format;
using ImageFs.Inodes;
using ImageFs.Transactions;

namespace ImageFs.Dax;

/// <content>Writing, by what lies under the write.</content>
internal sealed partial class FileData
{
    /// <summary>Bytes written to new blocks in one transaction.</summary>
    internal const int WriteUnit = 8 << 20;

    /// <summary>
    /// Writes anywhere; the file grows as needed and what lies between its old end and the write reads as zeros. The caller
    /// holds the inode exclusively.
    /// </summary>
    /// <exception cref="XfsNoSpaceException">
    /// No room. Where blocks would have to be copied nothing was written; where holes would have to be filled, what lies before the shortage.
    /// </exception>
    public void Write(OpenInode file, long offset, ReadOnlySpan<byte> data)
    {
        CheckWrite(offset, data.Length);
        if (data.IsEmpty) return;
        long size = (long)file.Inode.Core.FileSize.Value;
        if (offset > size)
        {
            TryComplete(file);
            lock (volume.Gate) ZeroMapped(file, size, offset);
        }
        if (data.Length > BlockSize)
            lock (volume.Gate) ReserveIfShort(file, BlockOf(offset), BlockUp(offset + data.Length));
        FileBlock looked = default;
        for (bool first = true; !data.IsEmpty; first = false)
        {
            int done = BlockOf(offset) >= looked ? WriteLong(file, offset, data, withReaders: first, ref looked) : 0;
            if (done == 0) done = WriteShared(file, offset, data);
            if (done == 0)
            {
                TryComplete(file);
                done = WritePiece(file, offset, data);
            }
            offset += done;
            data = data[done..];
        }
    }

    /// <summary>Throws unless bytes can be written to a place at all.</summary>
    /// <exception cref="XfsException">EROFS; EFBIG: beyond the largest file.</exception>
    public void CheckWrite(long offset, int length)
    {
        volume.RequireWritable();
        if (length > 0 && (offset < 0 || offset > Geometry.MaxFileSize - length || BlockUp(offset + length).Value > FileBlock.Limit))
            throw new XfsException(Errno.EFBIG, $"a write of {length} bytes at {offset} ends beyond the largest file");
    }

    /// <summary>Writes as much as one mapping allows.</summary>
    private int WritePiece(OpenInode file, long offset, ReadOnlySpan<byte> data)
    {
        Inode inode = file.Inode;
        Extent extent;
        lock (volume.Gate)
        {
            Iomap run = IomapIterator.First(volume, file, BlockOf(offset), BlockUp(offset + data.Length), IomapPurpose.Write);
            if (run.Kind == IomapKind.Hole) return WriteHole(inode, offset, data, run.End);
            extent = run.Extent;
            if (!extent.Unwritten) return Overwrite(file, run, offset, data, sizeAfter: null);
        }
        // Nobody else is in the file, and what is unwritten nobody reads: the gate is not needed while the bytes move.
        int length = (int)Math.Min(data.Length, Bytes(extent.End) - offset);
        WriteRun(extent, offset, data[..length], source: null);
        volume.Run(tx =>
        {
            Map.SetUnwritten(tx, inode, extent, unwritten: false);
            Touch(tx, inode, offset + length);
        });
        return length;
    }

    /// <summary>
    /// Writes to written blocks: in place if they are private, elsewhere if anybody else could see it, now or after a power cut.
    /// </summary>
    /// <param name="run">What is under the write, looked up for one; it begins with the write's first block.</param>
    /// <param name="sizeAfter">Size the file gets; null to grow it to the write's end.</param>
    /// <returns>Bytes written: as many as lie in blocks that are alike.</returns>
    private int Overwrite(OpenInode file, in Iomap run, long offset, ReadOnlySpan<byte> data, long? sizeAfter)
    {
        if (run.IsInPlace)
        {
            int length = WriteInPlace(file, run, offset, data);
            // Zeros behind the end change nothing anybody could ask for.
            if (sizeAfter is null) volume.Run(tx => Touch(tx, file.Inode, offset + length));
            return length;
        }
        data = data[..(int)Math.Min(data.Length, Bytes(run.End) - offset)];
        bool stages = run.Shared || !run.Target.IsNull;
        return stages ? WriteCow(file, run.Extent, offset, data, sizeAfter) : WriteReplacing(file.Inode, run.Extent, offset, data, sizeAfter);
    }

    /// <summary>In an atomic group: new blocks take the place of private ones, in the group's transaction, so nothing need be staged.</summary>
    private int WriteReplacing(Inode inode, Extent old, long offset, ReadOnlySpan<byte> data, long? sizeAfter)
    {
        int most = (int)Math.Min(data.Length, Bytes(BlockUp(offset + Math.Min(data.Length, WriteUnit))) - offset);
        byte[] bytes = ArrayPool<byte>.Shared.Rent(most);
        data[..most].CopyTo(bytes);
        long size = (long)inode.Core.FileSize.Value;
        try
        {
            return volume.Run(tx =>
            {
                uint wanted = (uint)(BlockUp(offset + most) - old.Offset);
                FsBlock start = SpaceAllocator.Allocate(tx, volume.Groups, old.Start, 1, wanted, metadata: false, out uint length);
                Extent now = old with { Start = start, Length = length };
                int piece = (int)Math.Min(most, Bytes(now.End) - offset);
                WriteRun(now, offset, bytes.AsSpan(0, piece), old, size);
                Unmap(tx, inode, old with { Length = length });
                MapNew(tx, inode, now);
                if (sizeAfter is long given) SetSize(tx, inode, given); else Touch(tx, inode, offset + piece);
                return piece;
            });
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(bytes);
        }
    }

    /// <summary>Maps blocks that were allocated, and filled, a moment ago.</summary>
    internal void MapNew(Transaction tx, Inode inode, Extent run)
    {
        Map.Map(tx, inode, ForkKind.Data, run);
        if (volume.InGroup) tx.WhenCommitted(() => volume.Fresh.Add(Geometry.AgOf(run.Start), Geometry.BlockInAg(run.Start).Value, run.Length), undo: null);
    }

    /// <summary>Where new blocks of a file would best lie: behind those before them.</summary>
    internal FsBlock GoalFor(Inode inode, FileBlock block) =>
        Map.TryFindLast(inode, ForkKind.Data, block, out Extent before) ? before.Start + before.Length : NearInode(inode);

    private int WriteHole(Inode inode, long offset, ReadOnlySpan<byte> data, FileBlock end)
    {
        FileBlock block = BlockOf(offset);
        // The transaction's delegate cannot hold a span; the data is written inside it because only it knows where.
        int most = (int)Math.Min(Math.Min(data.Length, Bytes(end) - offset), WriteUnit);
        byte[] bytes = ArrayPool<byte>.Shared.Rent(most);
        end = BlockUp(offset + most);
        try
        {
            data[..most].CopyTo(bytes);
            return volume.Run(tx =>
            {
                Extent found = HoleFiller.Allocate(tx, volume, inode, GoalFor(inode, block), block, end);
                Extent extent = BlockMap.Slice(found, block, end) with { Unwritten = false };
                int piece = (int)Math.Min(most, Bytes(extent.End) - offset);
                WriteRun(extent, offset, bytes.AsSpan(0, piece), source: null);
                // What the extent size hint added on either side stays unwritten.
                if (found.Offset < extent.Offset) Map.Map(tx, inode, ForkKind.Data, BlockMap.Slice(found, found.Offset, extent.Offset));
                MapNew(tx, inode, extent);
                if (found.End > extent.End) Map.Map(tx, inode, ForkKind.Data, BlockMap.Slice(found, extent.End, found.End));
                Touch(tx, inode, offset + piece);
                return piece;
            });
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(bytes);
        }
    }

    /// <summary>Copy-on-write: stage blocks, fill them (edges from the shared ones), remap what was filled.</summary>
    /// <param name="extent">The shared blocks under the write.</param>
    /// <param name="sizeAfter">Size the file gets in the same transaction; null to grow it to the write's end.</param>
    internal int WriteCow(OpenInode file, in Extent extent, long offset, ReadOnlySpan<byte> data, long? sizeAfter)
    {
        Inode inode = file.Inode;
        Extent filled = file.Cow.Stage(extent.Offset, extent.End, extent.Start);
        int length = (int)Math.Min(data.Length, Bytes(filled.End) - offset);
        Extent old = BlockMap.Slice(extent, filled.Offset, filled.End);
        try
        {
            WriteRun(filled, offset, data[..length], old, (long)inode.Core.FileSize.Value);
            volume.Run(tx =>
            {
                Unmap(tx, inode, old);
                file.Cow.Take(tx, filled);
                MapNew(tx, inode, filled);
                if (sizeAfter is long size) SetSize(tx, inode, size); else Touch(tx, inode, offset + length);
            });
        }
        catch (XfsException) when (volume.Journal!.Failure is null)
        {
            file.Cow.Cancel(filled.Offset, filled.End);
            throw;
        }
        return length;
    }

    /// <summary>
    /// Fills a run of new blocks that nothing points at yet: the data, and at the edges what was there before, or zeros.
    /// </summary>
    /// <param name="source">The blocks the run replaces, read for the edges only; null for zeros.</param>
    /// <param name="sourceEnd">Bytes of the file: beyond it the source is not copied but zeroed.</param>
    private void WriteRun(in Extent run, long offset, ReadOnlySpan<byte> data, Extent? source, long sourceEnd = 0)
    {
        long start = Bytes(run.Offset), end = Bytes(run.End), device = Geometry.ByteOffset(run.Start);
        int head = (int)(offset - start), tail = (int)(end - offset - data.Length);
        if (head == 0 && tail == 0)
        {
            WriteBytes(device, data);
            return;
        }
        // Whole blocks in the middle go straight out; the first and last block are put together.
        byte[] edge = ArrayPool<byte>.Shared.Rent((int)BlockSize);
        try
        {
            void Fill(Span<byte> bytes, long at)
            {
                bytes.Clear();
                if (source is not Extent old) return;
                long count = Math.Min(bytes.Length, sourceEnd - at);
                if (count > 0) ReadBytes(Geometry.ByteOffset(old.Start) + (at - Bytes(old.Offset)), bytes[..(int)count]);
            }
            Span<byte> block = edge.AsSpan(0, (int)BlockSize);
            if (head > 0)
            {
                int inside = (int)Math.Min(BlockSize - head, data.Length);
                Fill(block[..head], start);
                data[..inside].CopyTo(block[head..]);
                if (head + inside < BlockSize) Fill(block[(head + inside)..], start + head + inside);
                WriteBytes(device, block);
                data = data[inside..];
                device += BlockSize;
                start += BlockSize;
                if (start == end) return;
            }
            int whole = data.Length / (int)BlockSize * (int)BlockSize;
            if (whole > 0) WriteBytes(device, data[..whole]);
            data = data[whole..];
            device += whole;
            start += whole;
            if (start == end) return;
            data.CopyTo(block);
            Fill(block[data.Length..], start + data.Length);
            WriteBytes(device, block);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(edge);
        }
    }

    private FsBlock NearInode(Inode inode) => Geometry.Join(Geometry.AgOf(inode.Number), Geometry.BlockOf(Geometry.InodeInAg(inode.Number)));
}
