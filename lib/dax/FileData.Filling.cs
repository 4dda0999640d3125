using ImageFs.Extents;
using ImageFs.Format;
using ImageFs.Inodes;
using ImageFs.Transactions;

namespace ImageFs.Dax;

/// <content>
/// Long writes into holes and unwritten blocks: readers wait for changes of the layout only, and not for the bytes.
/// </content>
/// <remarks>
/// <code>
///   alone          holes are mapped as unwritten blocks, which read as zeros
///   with readers   the blocks are filled; nobody can see that
///   alone          private blocks in between are overwritten; all unwritten ones are converted, together with the size
/// </code>
/// So readers find all of it or nothing. A power cut in the middle leaves unwritten blocks: <see cref="FreeBehindEnd"/>.
/// </remarks>
internal sealed partial class FileData
{
    /// <summary>From so many bytes on a write into a hole takes two transactions, and copies between them, where it holds up nobody.</summary>
    private const int CopiedOutside = 128 << 10;

    /// <summary>Writes the first part of a range, up to the first shared block, if much of it is not written yet.</summary>
    /// <param name="withReaders">Nobody has seen anything of the write yet.</param>
    /// <param name="looked">If nothing was written: there is no need to try again before this block.</param>
    /// <returns>Bytes written; 0 if a shorter way will do, or there is not room for all of it.</returns>
    private int WriteLong(OpenInode file, long offset, ReadOnlySpan<byte> data, bool withReaders, ref FileBlock looked)
    {
        FileBlock from = BlockOf(offset), stop = BlockUp(offset + data.Length);
        if (data.Length < CopiedOutside || volume.InGroup || !IsWorthTwoTransactions(file, from, stop, ref looked)) return 0;
        Inode inode = file.Inode;
        List<Extent> runs = [], added = [];
        int converted = 0;
        try
        {
            if (!TryFindRoom(file, from, stop, runs, added))
            {
                looked = stop;
                return 0;
            }
            // What was known to be private may have got a reservation since, which is used up first.
            if (runs.Count == 0) return 0;
            long end = Math.Min(offset + data.Length, Bytes(runs[^1].End));
            data = data[..(int)(end - offset)];
            // Who has the gate in hand, as a write fault has, keeps everybody out anyway, and must not wait for readers.
            withReaders &= !volume.Gate.IsHeldByCurrentThread;
            using (IoWithReaders readers = withReaders ? IoWithReaders.Let(file) : default) Fill(file, offset, data, runs, unwritten: true);
            Fill(file, offset, data, runs, unwritten: false);
            volume.RunInPieces(0, (Transaction tx, ref int next) =>
            {
                Map.SetUnwritten(tx, inode, runs[next++], unwritten: false);
                return next < runs.Count;
            }, ending: (tx, next, _) =>
            {
                Touch(tx, inode, Math.Min(end, Bytes(runs[next - 1].End)));
                converted = next;
            });
            return data.Length;
        }
        catch (XfsException) when (added.Count > 0 && volume.Journal!.Failure is null)
        {
            FileBlock kept = converted > 0 ? runs[converted - 1].End : default;
            lock (volume.Gate)
                foreach (Extent run in added)
                    if (run.End > kept) FreeRange(inode, ForkKind.Data, run.Offset < kept ? kept : run.Offset, run.End);
            throw;
        }
    }

    private bool IsWorthTwoTransactions(OpenInode file, FileBlock from, FileBlock end, ref FileBlock looked)
    {
        ulong zeros = 0;
        IomapIterator runs = new(volume, file, from, end, IomapPurpose.Write);
        while (MoveNext(ref runs))
        {
            looked = runs.Current.End;
            if (MustMove(runs.Current)) return false;
            if (runs.Current.ReadsAsZeros) zeros += runs.Current.Length;
            if (zeros << Geometry.BlockLog >= CopiedOutside) return true;
        }
        return false;
    }

    private static bool MustMove(in Iomap run) => run is { Kind: IomapKind.Written, IsInPlace: false };

    // Nobody else changes this file, so the gate is held for each run only.
    private bool MoveNext(ref IomapIterator runs)
    {
        lock (volume.Gate) return runs.MoveNext();
    }

    /// <summary>Finds where a range is to be written as far as nothing is shared, and gives its holes unwritten blocks.</summary>
    /// <param name="runs">Gets what is to be written, in the order of the file.</param>
    /// <param name="added">Gets what was mapped for it.</param>
    /// <returns>False if there is no room.</returns>
    private bool TryFindRoom(OpenInode file, FileBlock from, FileBlock end, List<Extent> runs, List<Extent> added)
    {
        TryComplete(file);
        IomapIterator iterator = new(volume, file, from, end, IomapPurpose.Write);
        while (MoveNext(ref iterator) && !MustMove(iterator.Current))
        {
            Iomap run = iterator.Current;
            if (run.Kind == IomapKind.Hole)
            {
                if (TryPreallocate(file.Inode, run.Offset, run.End) is not Extent found) return false;
                added.Add(found);
                runs.Add(BlockMap.Slice(found, run.Offset, run.End));
                iterator.Cut(runs[^1].Length);
            }
            else runs.Add(run.Extent);
        }
        return true;
    }

    private Extent? TryPreallocate(Inode inode, FileBlock from, FileBlock end)
    {
        try
        {
            return volume.Run(tx =>
            {
                Extent found = HoleFiller.Allocate(tx, volume, inode, GoalFor(inode, from), from, end);
                Map.Map(tx, inode, ForkKind.Data, found);
                return found;
            });
        }
        catch (XfsNoSpaceException)
        {
            // What there is room for is written piece by piece.
            return null;
        }
    }

    private void Fill(OpenInode file, long offset, ReadOnlySpan<byte> data, List<Extent> runs, bool unwritten)
    {
        foreach (Extent run in runs)
        {
            if (run.Unwritten != unwritten) continue;
            long from = Math.Max(offset, Bytes(run.Offset)), until = Math.Min(offset + data.Length, Bytes(run.End));
            ReadOnlySpan<byte> piece = data[(int)(from - offset)..(int)(until - offset)];
            if (unwritten) WriteRun(run, from, piece, source: null);
            else WriteBytes(Geometry.ByteOffset(run.Start) + (from - Bytes(run.Offset)), piece, file);
        }
    }
}
