using ImageFs.Devices;
using ImageFs.Format;

namespace ImageFs.Fsck;

/// <summary>Observes inodes and names once more, in silence, for a table of parent pointers that keeps links.</summary>
internal static class LinkReader
{
    public static void Observe(BlockDevice device, Geometry geometry, LogSequenceNumber head, MemoryBudget budget, ParentTable parents, Action<FsckProgress> progress, CancellationToken cancellation)
    {
        Scan silent = new(device, geometry, head, new FindingList(0, 0), cancellation, budget);
        TreeWalker walker = new(silent);
        GroupHeaders headers = new(silent);
        ChunkScan chunks = new(silent, walker, headers);
        ForEachGroup("group headers and inode btrees, for parent pointers", ag =>
        {
            if (headers.Load(ag)) chunks.Observe(ag);
            else silent.Inodes.MarkIncomplete(ag);
        });
        InodeScan inodes = new(silent, new ForkScan(silent, walker), parents);
        ForEachGroup("inodes, for parent pointers", inodes.Observe);
        new NameScan(silent, inodes, new ForkScan(silent, walker), parents).Observe(progress);

        void ForEachGroup(string phase, Action<AgNumber> action)
        {
            for (uint ag = 0; ag < geometry.AgCount; ag++)
            {
                cancellation.ThrowIfCancellationRequested();
                progress(new FsckProgress(phase, ag, geometry.AgCount));
                action(new AgNumber(ag));
            }
        }
    }
}
