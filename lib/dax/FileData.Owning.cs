using System.Buffers;
using ImageFs.Extents;
using ImageFs.Format;

namespace ImageFs.Dax;

/// <content>
/// Making blocks of a file its own. A write fault and unsharing are a write of the bytes that are there already: where blocks are
/// shared they are copied as a whole, because stores may follow anywhere, and for a fault holes and unwritten blocks get zeros
/// before anything points at them.
/// </content>
internal sealed partial class FileData
{
    /// <summary>Bytes copied at a time.</summary>
    private const int OwnUnit = 1 << 20;

    /// <summary>Makes blocks below the file's end the file's own. The caller holds the inode exclusively, and the gate.</summary>
    /// <param name="purpose">
    /// <see cref="IomapPurpose.Unshare"/>: only those that are shared; <see cref="IomapPurpose.Fault"/>: all that could not be
    /// stored into.
    /// </param>
    /// <exception cref="XfsNoSpaceException">No room; blocks before the shortage have become private.</exception>
    public void MakeOwn(OpenInode file, FileBlock from, FileBlock end, IomapPurpose purpose)
    {
        long size = (long)file.Inode.Core.FileSize.Value;
        byte[]? buffer = null;
        try
        {
            IomapIterator runs = new(volume, file, from, end, purpose);
            while (runs.MoveNext())
            {
                Iomap run = runs.Current;
                buffer ??= ArrayPool<byte>.Shared.Rent(Math.Max(OwnUnit, Geometry.BlockSize));
                // All of it at once, so that the copy lies in one piece where there is room for one.
                if (run.Shared) file.Cow.Reserve(run.Offset, run.End, run.Start);
                ulong done = 0;
                do
                {
                    long at = Bytes(run.Offset + done), until = Math.Min(Bytes(run.End), size);
                    Invariant.Holds(at < until, "a file is made the owner of blocks before its end");
                    Span<byte> bytes = buffer.AsSpan(0, (int)Math.Min(until - at, buffer.Length / BlockSize * BlockSize));
                    ReadMapped(file, at, bytes);
                    // What fills a hole may lie beyond the bytes that went into it: then the rest is looked at anew.
                    int written = run.ReadsAsZeros ? WritePiece(file, at, bytes) : Overwrite(file, run.Behind(done), at, bytes, sizeAfter: size);
                    done = BlockUp(at + written) - run.Offset;
                } while (run.Shared && done < run.Length);
                runs.Cut(done);
            }
        }
        catch (XfsException why) when (why is { Errno: Errno.ENOSPC } and not XfsNoSpaceException)
        {
            throw new XfsNoSpaceException(why.Message); // the host's disk, not the image
        }
        finally
        {
            if (buffer is not null) ArrayPool<byte>.Shared.Return(buffer);
        }
    }
}
