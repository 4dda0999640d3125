using System.Diagnostics;
using ImageFs.Extents;
using ImageFs.Format;
using ImageFs.Inodes;

namespace ImageFs.Dax;

/// <content>Changes of the layout take the files they need, and wait for leases with none of them in hand.</content>
internal sealed partial class LayoutTable
{
    /// <summary>Milliseconds that a new lease gives way to a change that has been waiting.</summary>
    private const int GiveWay = 5;

    /// <summary>
    /// Takes a file for itself for a change of the layout of a range, after every lease over it has come back. Never waits
    /// while holding the file.
    /// </summary>
    /// <param name="timeout">How long to wait for leases; zero for not at all.</param>
    /// <exception cref="XfsBusyException">A lease did not come back in time.</exception>
    /// <exception cref="XfsException">ETXTBSY: the file is sealed.</exception>
    /// <exception cref="OperationCanceledException">Cancelled while waiting.</exception>
    public IoHold Enter(LayoutRange range, TimeSpan timeout, CancellationToken cancellation) => Enter(range, timeout, cancellation, writing: false);

    /// <summary>
    /// As <see cref="Enter(LayoutRange, TimeSpan, CancellationToken)"/> for a write: only leases for reading are in its way, and
    /// only where blocks would have to move.
    /// </summary>
    public IoHold EnterToWrite(LayoutRange range, TimeSpan timeout, CancellationToken cancellation) => Enter(range, timeout, cancellation, writing: true);

    private IoHold Enter(LayoutRange range, TimeSpan timeout, CancellationToken cancellation, bool writing)
    {
        long started = Stopwatch.GetTimestamp();
        while (true)
        {
            IoHold hold = IoHold.Enter(range.Open, IoMode.Exclusive, mindsWritten: writing);
            LayoutLease? lease;
            try
            {
                lease = Any ? FindObstacle(range, writing) : null;
            }
            catch
            {
                hold.Dispose();
                throw;
            }
            if (lease is null) return hold;
            hold.Dispose();
            Wait(lease, started, timeout, cancellation);
        }
    }

    /// <summary>As <see cref="Enter(LayoutRange, TimeSpan, CancellationToken)"/> for two files whose blocks are to be shared or exchanged.</summary>
    /// <param name="take">Locks both, in the order of their numbers.</param>
    /// <exception cref="XfsException">EINVAL: one of them is leased and only one is accessed directly.</exception>
    public T EnterBoth<T>(Func<T> take, LayoutRange source, LayoutRange destination, TimeSpan timeout, CancellationToken cancellation) where T : IDisposable
    {
        long started = Stopwatch.GetTimestamp();
        while (true)
        {
            T both = take();
            LayoutLease? lease;
            try
            {
                if (Any) RequireSameMode(source.Open, destination.Open);
                lease = Any ? FindObstacle(source, writing: false) ?? FindObstacle(destination, writing: false) : null;
            }
            catch
            {
                both.Dispose();
                throw;
            }
            if (lease is null) return both;
            both.Dispose();
            Wait(lease, started, timeout, cancellation);
        }
    }

    private LayoutLease? FindObstacle(LayoutRange range, bool writing)
    {
        FileBlock from = BlockOf(range.From), end = BlockUp(range.End);
        LayoutLease? lease;
        lock (_lock)
        {
            if (!_inodes.TryGetValue(range.Open.Inode.Number.Value, out InodeLayout? layout)) return null;
            if (!writing) RequireUnsealed(layout);
            lease = layout.Overlapping(from, end, onlyForReading: writing);
        }
        if (lease is null || !writing) return lease;
        lock (volume.Gate) return new IomapIterator(volume, range.Open, from, end, IomapPurpose.Fault).MoveNext() ? lease : null;
    }

    private void RequireSameMode(OpenInode one, OpenInode other)
    {
        if (one.IsDirect == other.IsDirect) return;
        lock (_lock)
            foreach (OpenInode open in (ReadOnlySpan<OpenInode>)[one, other])
                if (_inodes.TryGetValue(open.Inode.Number.Value, out InodeLayout? layout) && layout.Leases.Count > 0)
                    throw new XfsException(Errno.EINVAL, $"{one.Inode} and {other.Inode} are not both accessed directly, and {open.Inode} is leased");
    }

    private void Wait(LayoutLease lease, long started, TimeSpan timeout, CancellationToken cancellation)
    {
        // An atomic group has everything in hand, and would wait with it.
        if (volume.OwnsAll) throw Busy(lease);
        using CancellationTokenRegistration wake = cancellation.Register(Pulse);
        lock (_lock)
        {
            if (!_inodes.TryGetValue(lease.Inode.Value, out InodeLayout? layout)) return;
            layout.Waiting++;
            try
            {
                while (layout.Leases.Contains(lease))
                {
                    cancellation.ThrowIfCancellationRequested();
                    TimeSpan left = timeout == Timeout.InfiniteTimeSpan ? timeout : timeout - Stopwatch.GetElapsedTime(started);
                    if (timeout != Timeout.InfiniteTimeSpan && left <= TimeSpan.Zero) throw Busy(lease);
                    Monitor.Wait(_lock, (int)Math.Min(left.TotalMilliseconds, int.MaxValue));
                }
            }
            finally
            {
                layout.Waiting--;
            }
        }
    }

    private void Pulse()
    {
        lock (_lock) Monitor.PulseAll(_lock);
    }

    /// <summary>Before a lease is taken: changes that have been waiting for the last one get a chance.</summary>
    public void LetWaitersPass(InodeNumber inode)
    {
        if (!Any) return;
        lock (_lock)
            if (_inodes.TryGetValue(inode.Value, out InodeLayout? layout) && layout.Waiting > 0) Monitor.Wait(_lock, GiveWay);
    }
}
