using ImageFs.Extents;
using ImageFs.Format;

namespace ImageFs.Dax;

/// <content>Copy-on-write where space is short: a write takes all the blocks it needs before it touches any.</content>
internal sealed partial class FileData
{
    /// <summary>Blocks that are left to everything else when a write is not asked to reserve.</summary>
    private const uint AmpleForOthers = 128;

    /// <summary>
    /// Where so little is free that a write might get blocks for half of what it has to copy: reserves them all, exactly, or
    /// throws with nothing changed. Elsewhere each run gets its own as the write comes to it. Under the gate.
    /// </summary>
    /// <exception cref="XfsNoSpaceException">No room; no reservation of this file is left.</exception>
    private void ReserveIfShort(OpenInode file, FileBlock from, FileBlock end)
    {
        if (end - from < 2 || volume.InGroup || !file.Inode.Core.Has(InodeFlags2.Reflink) || HasFree(end - from + AmpleForOthers)) return;
        try
        {
            // A shortage on the way collects what is reserved anywhere, here as well: once more then, with what that has freed.
            for (int round = 0; round < 2; round++)
            {
                ForEachToCopy(file, from, end, run =>
                {
                    file.Cow.Reserve(run.Offset, run.End, run.Start, exactly: true);
                    file.Cow.TryFind(run.Offset, out Extent reserved);
                    return reserved.End - run.Offset;
                });
                ulong lacking = 0;
                ForEachToCopy(file, from, end, run => lacking += run.Length);
                if (lacking == 0) return;
            }
            throw new XfsNoSpaceException($"{end - from} blocks of {file.Inode} are shared, and there is no room to copy them all");
        }
        catch (XfsNoSpaceException)
        {
            file.Cow.CancelReserved();
            throw;
        }
    }

    /// <summary>Visits shared runs that have no reservation; the visitor says how many blocks it is done with.</summary>
    private void ForEachToCopy(OpenInode file, FileBlock from, FileBlock end, Func<Iomap, ulong> visit)
    {
        IomapIterator runs = new(volume, file, from, end, IomapPurpose.Write);
        while (runs.MoveNext())
            if (runs.Current is { Shared: true, Target.IsNull: true } run) runs.Cut(Math.Min(run.Length, visit(run)));
    }

    private bool HasFree(ulong wanted)
    {
        ulong free = 0;
        for (uint ag = 0; ag < Geometry.AgCount && free < wanted; ag++) free += volume.Groups[new AgNumber(ag)].Available(metadata: false);
        return free >= wanted;
    }
}
