using ImageFs.Devices;
using ImageFs.Extents;
using ImageFs.Format;
using ImageFs.Inodes;

namespace ImageFs.Dax;

/// <content>What lies in the window, and how it is replaced. Under the lock of the <see cref="LayoutTable"/>.</content>
public sealed partial class DaxView
{
    /// <summary>Lays the whole file into the window.</summary>
    internal void ReplaceAll(InodeLayout layout)
    {
        int pieces = 0;
        ForEachPiece(layout, _from, _end, (_, _, _, _) =>
        {
            if (!MapBudget.HasRoomFor(++pieces)) throw TooManyPieces(Open.Inode.Number, MapBudget.Used + pieces);
        });
        ForEachPiece(layout, _from, _end, Lay);
        Count(_counted = pieces);
    }

    /// <summary>Lays a part of the file into the window again, after its layout changed.</summary>
    internal void Replace(InodeLayout layout, FileBlock from, FileBlock end)
    {
        if (from < _from) from = _from;
        if (end > _end) end = _end;
        if (from >= end || _failure is not null) return;
        try
        {
            // What was there in pieces of its own counts on until the next count: too careful, never too late.
            int pieces = 2;
            ForEachPiece(layout, from, end, (at, length, physical, writable) =>
            {
                Lay(at, length, physical, writable);
                pieces++;
            });
            Count(Pieces + pieces);
            if (Pieces > 2 * _counted + 64) Recount(layout);
        }
        catch (XfsException why)
        {
            GiveUp(why);
        }
    }

    /// <summary>Pages that could not be changed must not be seen: better nothing than what another file may own tomorrow.</summary>
    private void GiveUp(XfsException why)
    {
        _failure = why;
        _window.Fence(0, _window.Length);
    }

    /// <summary>Counts the pieces anew.</summary>
    internal void Recount(InodeLayout layout)
    {
        int now = 0;
        ForEachPiece(layout, _from, _end, (_, _, _, _) => now++);
        Count(_counted = now);
    }

    /// <summary>Leases of a range began or ended.</summary>
    internal void Protect(InodeLayout layout, FileBlock from, FileBlock end)
    {
        if (from < _from) from = _from;
        if (end > _end) end = _end;
        while (from < end && _failure is null)
        {
            bool writable = layout.IsWritable(from, end, out FileBlock until);
            try
            {
                _window.Protect(Bytes(from) - Bytes(_from), PageEnd(until) - Bytes(from), writable);
            }
            catch (XfsException why) when (!writable)
            {
                GiveUp(why);
            }
            from = until;
        }
    }

    private delegate void Piece(long at, long length, long physical, bool writable);

    private const long Zeros = -1, Nothing = -2;

    private void Lay(long at, long length, long physical, bool writable)
    {
        if (physical == Nothing) _window.Fence(at, length);
        else if (physical == Zeros) _window.MapZeros(at, length);
        else _window.MapFile(at, length, _file, _device + physical, writable);
    }

    /// <summary>What belongs into a part of the window, run by run.</summary>
    private void ForEachPiece(InodeLayout layout, FileBlock from, FileBlock end, Piece piece)
    {
        long size = (long)Open.Inode.Core.FileSize.Value, origin = Bytes(_from);
        Volatile.Write(ref _available, Math.Clamp(size - Offset, 0, Length));
        long shown = Math.Clamp(AddressWindow.PageUp(Math.Min(size, Bytes(end))), Bytes(from), Bytes(end)), at = Bytes(from);
        // The transaction that changed the fork may still be running.
        IomapIterator runs = new(_volume, Open, from, end, IomapPurpose.Remap);
        while (at < shown && runs.MoveNext())
        {
            Iomap run = runs.Current;
            long stop = Math.Min(shown, Bytes(run.End));
            if (run.ReadsAsZeros) piece(at - origin, stop - at, Zeros, false);
            else
                for (FileBlock block = run.Offset; Bytes(block) < stop;)
                {
                    bool writable = layout.IsWritable(block, run.End, out FileBlock until);
                    long length = Math.Min(stop, Bytes(until)) - Bytes(block);
                    piece(Bytes(block) - origin, length, _volume.Geometry.ByteOffset(run.Start + (block - run.Offset)), writable);
                    block = until;
                }
            at = stop;
        }
        if (shown < Bytes(end)) piece(shown - origin, Bytes(end) - shown, Nothing, false);
    }

    /// <summary>End of the pages of a lease: pages behind the file's end stay as they are.</summary>
    private long PageEnd(FileBlock end) => Math.Min(Bytes(end), AddressWindow.PageUp((long)Open.Inode.Core.FileSize.Value));
}
