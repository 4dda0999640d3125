using System.Buffers;
using ImageFs.Allocation;
using ImageFs.Attributes;
using ImageFs.Devices;
using ImageFs.Extents;
using ImageFs.Format;
using ImageFs.Inodes;
using ImageFs.Transactions;

namespace ImageFs.Dax;

/// <summary>
/// Bytes of files: read, write, truncate. Data first, then one transaction that makes it reachable: new blocks are written
/// before anything points at them, shared blocks are never written at all.
/// </summary>
/// <remarks>
/// What a write does depends on what is under it:
/// <code>
///   hole                allocate, write (edges zeroed), map
///   unwritten           write (edges zeroed), convert exactly the blocks written
///   written, private    write in place
///   written, shared     stage in the CoW fork, copy the edges, write, remap exactly the blocks written
/// </code>
/// In an atomic group written blocks that were there before it go out of place too, private or not.
/// A failed write leaves the mapping of its range as it was.
/// </remarks>
internal sealed partial class FileData(Volume volume)
{
    /// <summary>Extents unmapped in one transaction.</summary>
    private const int ExtentsPerTransaction = 16;

    /// <summary>Bytes written to new blocks in one transaction.</summary>
    internal const int WriteUnit = 8 << 20;

    private Geometry Geometry => volume.Geometry;
    private BlockMap Map => volume.Map;
    private long BlockSize => Geometry.BlockSize;

    internal FileBlock BlockOf(long offset) => new((ulong)offset >> Geometry.BlockLog);
    internal FileBlock BlockUp(long offset) => new(((ulong)offset + (ulong)BlockSize - 1) >> Geometry.BlockLog);
    /// <summary>File offset of a block; blocks that only a lying inode maps lie at the end of all offsets.</summary>
    internal long Bytes(FileBlock block) => block.Value > (ulong)(long.MaxValue >> Geometry.BlockLog) ? long.MaxValue : (long)(block.Value << Geometry.BlockLog);

    /// <summary>Reads up to the end of the file; holes and unwritten blocks are zeros. The caller holds the inode for reading.</summary>
    /// <returns>Bytes read, 0 at or behind the end.</returns>
    public int Read(OpenInode file, long offset, Span<byte> destination)
    {
        long size = file.Size;
        if (offset >= size) return 0;
        if (destination.Length > size - offset) destination = destination[..(int)(size - offset)];
        ReadMapped(file, offset, destination);
        return destination.Length;
    }

    /// <summary>Reads a range whatever the file's size.</summary>
    internal void ReadMapped(OpenInode file, long offset, Span<byte> destination)
    {
        while (!destination.IsEmpty)
        {
            Segment segment = file.SegmentAt(BlockOf(offset), BlockUp(offset + destination.Length));
            long until = Math.Min(Bytes(segment.End), offset + destination.Length);
            Span<byte> piece = destination[..(int)(until - offset)];
            if (segment.IsZero) piece.Clear();
            else ReadBytes(Geometry.ByteOffset(segment.Start) + (offset - Bytes(segment.Offset)), piece, file);
            destination = destination[piece.Length..];
            offset = until;
        }
    }

    /// <summary>
    /// Overwrites a range that is inside the file, mapped, written and private throughout: no transaction, no gate. The
    /// caller holds the inode for overwriting.
    /// </summary>
    /// <returns>False if any of it is something else; nothing has been written then.</returns>
    public bool TryOverwrite(OpenInode file, long offset, ReadOnlySpan<byte> data)
    {
        long end = offset + data.Length;
        if (end > file.Size || volume.OwnsAll) return false;
        for (long at = offset; at < end;)
        {
            FileBlock block = BlockOf(at);
            Segment segment = file.SegmentAt(block, BlockUp(end));
            if (segment.IsZero || !(segment.Private || IsPrivate(file, segment, block, BlockUp(end)))) return false;
            at = Bytes(segment.End);
        }
        while (!data.IsEmpty)
        {
            Segment segment = file.SegmentAt(BlockOf(offset), BlockUp(end));
            int length = (int)Math.Min(data.Length, Bytes(segment.End) - offset);
            WriteBytes(Geometry.ByteOffset(segment.Start) + (offset - Bytes(segment.Offset)), data[..length], file);
            data = data[length..];
            offset += length;
        }
        file.NoteModified(volume.Clock());
        return true;
    }

    /// <summary>Asks the refcountbt, and remembers if the answer holds for the whole extent.</summary>
    private bool IsPrivate(OpenInode file, in Segment segment, FileBlock from, FileBlock end)
    {
        lock (volume.Gate)
        {
            // What is reserved for copy-on-write near by is used up, even where nobody shares any more.
            if (file.Cow.TryFind(segment.Offset, out _) || file.Cow.NextStart(segment.Offset, segment.End) != segment.End) return false;
            Extent whole = new(segment.Offset, segment.Start, (uint)(segment.End - segment.Offset), Unwritten: false);
            if (!MustCopy(file.Inode, whole))
            {
                file.Extents.MarkPrivate(from);
                return true;
            }
            return !MustCopy(file.Inode, BlockMap.Slice(whole, from, end));
        }
    }

    /// <summary>Reads what a file has on the device: straight from memory where the device lies there.</summary>
    /// <param name="file">Whose bytes they are; null where that is not at hand.</param>
    private void ReadBytes(long at, Span<byte> destination, OpenInode? file = null)
    {
        BlockDevice data = volume.DataOf(file);
        if (data.TryGetSpan(at, destination.Length, out ReadOnlySpan<byte> bytes)) MappedCopy.Copy(bytes, destination);
        else data.Read(at, destination);
    }

    /// <summary>Writes what a file has on the device, and only then says so: a flush that ran in between did not cover it.</summary>
    /// <inheritdoc cref="ReadBytes"/>
    internal void WriteBytes(long at, ReadOnlySpan<byte> source, OpenInode? file = null)
    {
        BlockDevice data = volume.DataOf(file);
        if (data.TryGetWritableSpan(at, source.Length, out Span<byte> bytes)) MappedCopy.Copy(source, bytes);
        else data.Write(at, source);
        volume.Journal!.NoteData();
    }

    /// <summary>
    /// Writes anywhere; the file grows as needed and what lies between its old end and the write reads as zeros. The caller
    /// holds the inode exclusively.
    /// </summary>
    /// <exception cref="XfsNoSpaceException">No room: what was written before the shortage stays, the rest is as it was.</exception>
    public void Write(OpenInode file, long offset, ReadOnlySpan<byte> data)
    {
        volume.RequireWritable();
        if (data.IsEmpty) return;
        if (offset < 0 || offset > Geometry.MaxFileSize - data.Length || BlockUp(offset + data.Length).Value > FileBlock.Limit)
            throw new XfsException(Errno.EFBIG, $"a write of {data.Length} bytes at {offset} ends beyond the largest file");
        long size = (long)file.Inode.Core.FileSize.Value;
        if (offset > size)
        {
            TryComplete(file);
            lock (volume.Gate) ZeroMapped(file, size, offset);
        }
        while (!data.IsEmpty)
        {
            int done = WriteShared(file, offset, data);
            if (done == 0)
            {
                TryComplete(file);
                lock (volume.Gate) done = WritePiece(file, offset, data);
            }
            offset += done;
            data = data[done..];
        }
    }

    /// <summary>Writes as much as one mapping allows.</summary>
    private int WritePiece(OpenInode file, long offset, ReadOnlySpan<byte> data)
    {
        Inode inode = file.Inode;
        FileBlock block = BlockOf(offset), end = BlockUp(offset + data.Length);
        bool mapped = Map.TryFind(inode, ForkKind.Data, block, out Extent extent);
        if (!mapped || extent.Offset > block)
            return WriteHole(inode, offset, data, mapped && extent.Offset < end ? extent.Offset : end);

        extent = BlockMap.Slice(extent, block, end);
        int length = (int)Math.Min(data.Length, Bytes(extent.End) - offset);
        data = data[..length];
        if (extent.Unwritten)
        {
            WriteRun(extent, offset, data, source: null);
            volume.Run(tx =>
            {
                Map.SetUnwritten(tx, inode, extent, unwritten: false);
                Touch(tx, inode, offset + length);
            });
            return length;
        }

        return Overwrite(file, extent, offset, data, sizeAfter: null);
    }

    /// <summary>
    /// Writes to written blocks: in place if they are private, elsewhere if anybody else could see it, now or after a power cut.
    /// </summary>
    /// <param name="extent">What is mapped under the write; it begins with the write's first block.</param>
    /// <param name="sizeAfter">Size the file gets; null to grow it to the write's end.</param>
    /// <returns>Bytes written: as many as lie in blocks that are alike.</returns>
    private int Overwrite(OpenInode file, Extent extent, long offset, ReadOnlySpan<byte> data, long? sizeAfter)
    {
        Inode inode = file.Inode;
        AllocationGroup group = volume.Groups.Of(extent.Start);
        AgBlock start = Geometry.BlockInAg(extent.Start);
        uint alike = extent.Length;
        bool copy = false;
        if (inode.Core.Has(InodeFlags2.Reflink))
        {
            copy = ReferenceCounts.MustCopy(group, start, ref alike);
            // A reservation left over from earlier sharing is used up, even where nobody shares any more.
            bool reserved = file.Cow.TryFind(extent.Offset, out Extent reservation);
            ulong until = Math.Min(extent.Offset.Value + alike, reserved ? reservation.End.Value : file.Cow.NextStart(extent.Offset, extent.End).Value);
            alike = (uint)(until - extent.Offset.Value);
            copy |= reserved;
        }
        // What the running group has allocated itself nobody will miss.
        bool replace = volume.InGroup && !copy && !volume.Fresh.Contains(group.Number, start.Value, ref alike);
        extent = extent with { Length = alike };
        int length = (int)Math.Min(data.Length, Bytes(extent.End) - offset);
        data = data[..length];
        if (copy) return WriteCow(file, extent, offset, data, sizeAfter);
        if (replace) return WriteReplacing(inode, extent, offset, data, sizeAfter);
        WriteBytes(Geometry.ByteOffset(extent.Start) + (offset - Bytes(extent.Offset)), data, file);
        // Zeros behind the end change nothing anybody could ask for.
        if (sizeAfter is null) volume.Run(tx => Touch(tx, inode, offset + length));
        return length;
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

    /// <summary>Before something is mapped behind the file's end: what lies between must read as zeros.</summary>
    internal void Extend(OpenInode file, long offset)
    {
        long size = (long)file.Inode.Core.FileSize.Value;
        if (offset > size) ZeroMapped(file, size, offset);
    }

    /// <summary>Makes written blocks in a range read as zeros; holes and unwritten blocks do already. The size does not change.</summary>
    internal void ZeroMapped(OpenInode file, long from, long to)
    {
        Inode inode = file.Inode;
        while (from < to)
        {
            if (!Map.TryFind(inode, ForkKind.Data, BlockOf(from), out Extent extent) || Bytes(extent.Offset) >= to) return;
            from = Math.Max(from, Bytes(extent.Offset));
            long until = Math.Min(to, Bytes(extent.End));
            if (!extent.Unwritten)
            {
                byte[] zeros = new byte[(int)Math.Min(until - from, 1 << 20)];
                // Bytes beyond the old end: nobody has seen them, so they may be cleared in place, unless they are shared.
                until = from + WriteZeros(file, from, zeros);
            }
            from = until;
        }
    }

    private int WriteZeros(OpenInode file, long offset, byte[] zeros)
    {
        Inode inode = file.Inode;
        Map.TryFind(inode, ForkKind.Data, BlockOf(offset), out Extent extent);
        extent = BlockMap.Slice(extent, BlockOf(offset), BlockUp(offset + zeros.Length));
        return Overwrite(file, extent, offset, zeros, sizeAfter: (long)inode.Core.FileSize.Value);
    }

    /// <summary>Gives a file another size: bytes beyond the old end read as zeros, blocks beyond the new end are freed.</summary>
    public void SetLength(OpenInode file, long length)
    {
        volume.RequireWritable();
        Inode inode = file.Inode;
        long size = (long)inode.Core.FileSize.Value;
        if (length < 0) throw new ArgumentOutOfRangeException(nameof(length));
        if ((inode.Core.Flags & InodeFlags.Append) != 0) throw new XfsException(Errno.EPERM, "the file is append-only");
        if (BlockUp(length).Value > FileBlock.Limit) throw new XfsException(Errno.EFBIG, $"{length} bytes are more than a file can have");
        if (length >= size)
        {
            ZeroMapped(file, size, length);
            volume.Run(tx => SetSize(tx, inode, length));
            // Truncated to what it is, a file gives up the blocks behind its end.
            if (length == size) FreeRange(inode, ForkKind.Data, BlockUp(length), new FileBlock(FileBlock.Limit));
            return;
        }
        file.Cow.Cancel(BlockUp(length), new FileBlock(FileBlock.Limit));
        ShrinkTo(file, length);
        FreeRange(inode, ForkKind.Data, BlockUp(length), new FileBlock(FileBlock.Limit));
        if (length == 0 && inode.Core.Has(InodeFlags2.Reflink))
        {
            file.Cow.CancelAll();
            volume.Run(tx =>
            {
                ref InodeCore core = ref inode.Modify(tx);
                core.Flags2 &= ~InodeFlags2.Reflink;
            });
        }
    }

    /// <summary>
    /// Sets a smaller size. A last block that is kept in part is replaced by one with a zeroed tail in the same transaction:
    /// zeroing it in place would lose bytes if the power went before the size changed.
    /// </summary>
    private void ShrinkTo(OpenInode file, long length)
    {
        Inode inode = file.Inode;
        FileBlock block = BlockOf(length);
        bool partial = length % BlockSize != 0 && Map.TryFind(inode, ForkKind.Data, block, out Extent found) && found.Offset <= block && !found.Unwritten;
        if (!partial)
        {
            volume.Run(tx => SetSize(tx, inode, length));
            return;
        }
        int kept = (int)(length % BlockSize);
        Map.TryFind(inode, ForkKind.Data, block, out Extent extent);
        Extent old = BlockMap.Slice(extent, block, block + 1);
        byte[] bytes = new byte[kept];
        ReadBytes(Geometry.ByteOffset(old.Start), bytes);
        file.Cow.Cancel(block, block + 1);
        try
        {
            volume.Run(tx =>
            {
                FsBlock start = SpaceAllocator.Allocate(tx, volume.Groups, old.Start, 1, 1, metadata: false, out _);
                Extent now = old with { Start = start };
                WriteRun(now, Bytes(block), bytes, source: null);
                Unmap(tx, inode, old);
                Map.Map(tx, inode, ForkKind.Data, now);
                SetSize(tx, inode, length);
            });
        }
        catch (XfsNoSpaceException) when (!volume.InGroup && !MustCopy(inode, old))
        {
            // A full file system can still be truncated: the size first, durable so that no cut brings the bytes back into
            // sight, then the tail in place.
            volume.Run(tx => SetSize(tx, inode, length));
            volume.FlushBeforeWrites();
            WriteBytes(Geometry.ByteOffset(old.Start) + kept, new byte[(int)BlockSize - kept]);
        }
    }

    private bool MustCopy(Inode inode, in Extent extent)
    {
        uint length = extent.Length;
        return inode.Core.Has(InodeFlags2.Reflink)
            && (ReferenceCounts.MustCopy(volume.Groups.Of(extent.Start), Geometry.BlockInAg(extent.Start), ref length) || length < extent.Length);
    }

    /// <summary>Unmaps and drops everything a fork maps in a range, a few extents per transaction.</summary>
    public void FreeRange(Inode inode, ForkKind kind, FileBlock from, FileBlock end)
    {
        if (!Map.TryFind(inode, kind, from, out Extent first) || first.Offset >= end) return;
        volume.RunInPieces(from, (Transaction tx, ref FileBlock at) => UnmapSome(tx, inode, kind, at, end), ExtentsPerTransaction);
    }

    /// <summary>Unmaps and drops whatever a file maps in a range, within one transaction.</summary>
    internal void UnmapAll(Transaction tx, Inode inode, FileBlock from, FileBlock end)
    {
        while (UnmapSome(tx, inode, ForkKind.Data, from, end)) { }
    }

    /// <summary>Unmaps and drops the first of what a fork maps in a range, as much as one change of the reference counts allows.</summary>
    /// <returns>False if nothing was mapped.</returns>
    internal bool UnmapSome(Transaction tx, Inode inode, ForkKind kind, FileBlock from, FileBlock end)
    {
        if (!Map.TryFind(inode, kind, from, out Extent next) || next.Offset >= end) return false;
        next = BlockMap.Slice(next, from, end);
        uint most = ReferenceCounts.Adjustable(volume.Groups.Of(next.Start), Geometry.BlockInAg(next.Start), next.Length);
        Map.TryUnmap(tx, inode, kind, from, end, out Extent removed, most);
        Drop(tx, inode, kind, removed);
        return true;
    }

    /// <summary>Unmaps one run that lies inside one extent and drops its reference.</summary>
    internal void Unmap(Transaction tx, Inode inode, in Extent run)
    {
        bool had = Map.TryUnmap(tx, inode, ForkKind.Data, run.Offset, run.End, out Extent removed);
        if (!had || removed.Offset != run.Offset || removed.Length != run.Length || removed.Start != run.Start)
            throw inode.Corrupt($"{run} is to be replaced, but {removed} is mapped there: the extents are out of order");
        Drop(tx, inode, ForkKind.Data, removed);
    }

    /// <summary>One owner less for blocks that were just unmapped; those without any are freed.</summary>
    internal void Drop(Transaction tx, Inode inode, ForkKind kind, in Extent removed)
    {
        AllocationGroup group = volume.Groups.Of(removed.Start);
        AgBlock start = Geometry.BlockInAg(removed.Start);
        if (kind == ForkKind.Data && inode.IsRegular)
        {
            List<(AgBlock Start, uint Length)> unowned = [];
            FreeList.Fill(tx, group);
            ReferenceCounts.Decrease(tx, group, start, removed.Length, unowned);
            foreach ((AgBlock at, uint length) in unowned) group.FreeSpace.Free(tx, at, length);
            return;
        }
        // Directory, attribute and symlink blocks are metadata: older images of them must not be replayed any more.
        // What begins or ends inside an extent is a piece of a directory block, as the log knows it too.
        ulong unit = kind == ForkKind.Attribute ? 1 : inode.IsDirectory ? (ulong)Geometry.DirectoryBlockFsBlocks : removed.Length;
        ulong phase = inode.IsDirectory ? removed.Offset.Value : 0;
        for (ulong at = 0, next; at < removed.Length; at = next)
        {
            next = Math.Min(removed.Length, at + unit - (phase + at) % unit);
            tx.Invalidate(Geometry.ByteOffset(removed.Start + at), (int)(next - at) * Geometry.BlockSize);
        }
        group.FreeSpace.Free(tx, start, removed.Length);
    }

    /// <summary>Frees an inode that has no name and no holder: its blocks first, a few at a time, then itself.</summary>
    public void Inactivate(Inode inode)
    {
        FreeRange(inode, ForkKind.Data, default, new FileBlock(FileBlock.Limit));
        if (inode.Core.ForkOffset != 0) FreeAttributes(inode);
        volume.Run(tx =>
        {
            volume.Unlinked.Remove(tx, inode);
            InodeFactory.Clear(tx, inode);
            volume.InodeAllocator.Free(tx, inode.Number);
        });
    }

    /// <summary>
    /// Frees the attribute fork from its end, so that its root goes last. What a crash in between leaves is a fork without
    /// attributes and with blocks nobody refers to, which the next recovery, ours or the kernel's, goes on freeing.
    /// </summary>
    private void FreeAttributes(Inode inode)
    {
        const ForkKind kind = ForkKind.Attribute;
        FileBlock end = new(FileBlock.Limit);
        if (inode.ExtentCount(kind) > ExtentsPerTransaction) volume.Run(tx => AttributeTree.Forget(tx, new AttributeStorage(volume, inode)));
        volume.RunInPieces(end, (Transaction tx, ref FileBlock behind) =>
        {
            if (!Map.TryFindLast(inode, kind, behind, out Extent last)) return false;
            Map.TryUnmap(tx, inode, kind, last.Offset, last.End, out Extent removed);
            Drop(tx, inode, kind, removed);
            return true;
        }, ExtentsPerTransaction);
    }

    private FsBlock NearInode(Inode inode) => Geometry.Join(Geometry.AgOf(inode.Number), Geometry.BlockOf(Geometry.InodeInAg(inode.Number)));

    /// <summary>A write ended at <paramref name="end"/>: the size, if it grew, and the times.</summary>
    internal void Touch(Transaction tx, Inode inode, long end)
    {
        ref InodeCore core = ref inode.Modify(tx);
        if ((ulong)end > core.FileSize) core.FileSize = (ulong)end;
        Stamp(inode, ref core);
    }

    internal void SetSize(Transaction tx, Inode inode, long size)
    {
        ref InodeCore core = ref inode.Modify(tx);
        core.FileSize = (ulong)size;
        Stamp(inode, ref core);
    }

    private void Stamp(Inode inode, ref InodeCore core)
    {
        volume.Find(inode.Number)?.ForgetModified();
        ulong now = volume.Clock().Encode(core.Has(InodeFlags2.BigTime));
        core.ModifyTime = now;
        core.ChangeTime = now;
        core.ChangeCount = core.ChangeCount + 1;
    }
}
