using ImageFs.Allocation;
using ImageFs.Extents;
using ImageFs.Format;
using ImageFs.Inodes;
using ImageFs.Transactions;

namespace ImageFs.Dax;

/// <content>
/// Copy-on-write in two halves. A write into shared blocks goes to reserved ones, without the gate, and that is all; mapping
/// what was written comes later, for many writes at once: when the file or the volume is flushed, when the file is closed,
/// when its layout is changed or looked at, or when much has come together. Until then readers find the bytes through
/// <see cref="OpenInode.SegmentAt"/>, and writing to the same blocks again costs nothing.
/// </content>
/// <remarks>
/// 32,768 random writes of a block into a clone touch every leaf of three trees again and again. Sorted by file offset and
/// some hundreds to a transaction, each leaf is read, kept and compared a few times in all.
/// </remarks>
internal sealed partial class FileData
{
    /// <summary>Written blocks of a file that wait to be mapped, at most.</summary>
    private const int MostWritten = 1 << 16;

    /// <summary>
    /// Free blocks that must be left before anything is put off: mapping must not fail for want of space. A group's own trees
    /// grow into what it keeps for them; the bmbt needs ordinary blocks, of any group.
    /// </summary>
    private const uint EnoughForTrees = 128, EnoughForBmbt = 2048;

    private uint _roomyGroup;

    /// <summary>Writes into staged blocks what lies over shared ones, at most to the end of one reservation.</summary>
    /// <returns>Bytes written; 0 if the start of the range is something else, or has to be mapped at once.</returns>
    private int WriteShared(OpenInode file, long offset, ReadOnlySpan<byte> data)
    {
        // A size must not become durable before the bytes it tells of: what grows the file is not put off.
        long size = (long)file.Inode.Core.FileSize.Value;
        if (offset + data.Length > size) return 0;
        FileBlock block = BlockOf(offset), end = BlockUp(offset + data.Length);
        if (file.Cow.Written > 0)
        {
            Iomap run = IomapIterator.First(volume, file, block, end, IomapPurpose.Read);
            if (run.IsInPlace)
            {
                int length = WriteInPlace(file, run, offset, data);
                file.NoteModified(volume.Clock());
                return length;
            }
        }
        if (file.Cow.Written >= MostWritten) TryComplete(file);
        bool first = file.Cow.Written == 0;
        if (!TryStage(file, block, end, out Extent old, out Extent staged)) return 0;
        data = data[..(int)Math.Min(data.Length, Bytes(staged.End) - offset)];
        try
        {
            WriteRun(staged, offset, data, old, size);
        }
        catch (XfsException) when (volume.Journal!.Failure is null)
        {
            lock (volume.Gate) file.Cow.Cancel(staged.Offset, staged.End);
            throw;
        }
        if (first) volume.NoteWritten(file);
        file.NoteModified(volume.Clock());
        return data.Length;
    }

    private bool TryStage(OpenInode file, FileBlock block, FileBlock end, out Extent old, out Extent staged)
    {
        (old, staged) = (default, default);
        lock (volume.Gate)
        {
            // Views show what is mapped, and a group is one transaction: neither can wait.
            if (volume.InGroup || volume.Layouts.Any) return false;
            Iomap run = IomapIterator.First(volume, file, block, end, IomapPurpose.Write);
            if (!run.Shared) return false;
            // Each block may cut an extent in three: the counter must have room, or the write is told at once that it has not.
            if (file.Inode.MostExtents - file.Inode.Core.ExtentCount < 2 * ((ulong)file.Cow.Written + run.Length + 1)) return false;
            if (!CanPutOff(volume.Groups.Of(run.Start))) return false;
            staged = file.Cow.Stage(block, run.End, run.Start);
            old = BlockMap.Slice(run.Extent, block, staged.End);
            if (CanPutOff(volume.Groups.Of(staged.Start))) return true;
            file.Cow.Unstage(staged);
            return false;
        }
    }

    private bool CanPutOff(AllocationGroup group)
    {
        if (group.Available(metadata: true) < EnoughForTrees) return false;
        uint groups = Geometry.AgCount;
        for (uint i = 0; i < groups; i++, _roomyGroup = (_roomyGroup + 1) % groups)
            if (volume.Groups[new AgNumber(_roomyGroup)].Available(metadata: false) >= EnoughForBmbt) return true;
        return false;
    }

    /// <summary>
    /// Maps what copy-on-write has written. The caller holds the inode exclusively, and not the gate. What is not mapped after a
    /// failure is still written, can be read, and is mapped the next time.
    /// </summary>
    /// <returns>False if the volume is shut down.</returns>
    /// <exception cref="XfsNoSpaceException">The trees cannot grow.</exception>
    public bool TryComplete(OpenInode file)
    {
        if (file.Cow.Written == 0) return true;
        if (volume.Journal is not { Failure: null }) return false;
        List<Extent> runs = file.Cow.Extents;
        runs.RemoveAll(run => run.Unwritten);
        volume.RunInPieces(0, (Transaction tx, ref int next) =>
        {
            Complete(tx, file, runs[next++]);
            return next < runs.Count;
        });
        return true;
    }

    private void Complete(Transaction tx, OpenInode file, in Extent run)
    {
        IomapIterator old = new(volume, file, run.Offset, run.End, IomapPurpose.Remap);
        while (old.MoveNext())
        {
            if (old.Current.Kind == IomapKind.Hole) throw file.Inode.Corrupt($"{run} was written over a hole at {old.Current.Offset}");
            old.Cut(Adjustable(old.Current));
            Extent part = BlockMap.Slice(run, old.Current.Offset, old.Current.End);
            Unmap(tx, file.Inode, old.Current.Extent);
            file.Cow.Take(tx, part);
            Map.Map(tx, file.Inode, ForkKind.Data, part);
        }
    }

    /// <summary>Blocks of a run whose owners can be counted anew in one change of the reference counts.</summary>
    internal uint Adjustable(in Iomap run) => ReferenceCounts.Adjustable(volume.Groups.Of(run.Start), Geometry.BlockInAg(run.Start), (uint)run.Length);
}
