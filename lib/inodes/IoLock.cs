namespace ImageFs.Inodes;

/// <summary>What somebody does with a file's bytes and layout.</summary>
internal enum IoMode
{
    /// <summary>Reads bytes. Goes along with everything but a change of the layout.</summary>
    Read,
    /// <summary>Writes bytes in place, into blocks that are mapped, written and private. Goes along with reads and its own kind.</summary>
    Overwrite,
    /// <summary>
    /// Shares the blocks of a file with another one, compares them first, or fills blocks that nobody reads yet: what can be read
    /// stays, nobody else may write. Goes along with reads only, and may become <see cref="Exclusive"/>.
    /// </summary>
    Update,
    /// <summary>Changes the layout. Alone.</summary>
    Exclusive,
}

/// <summary>The lock of one inode's bytes and layout. First come, first served, among those who cannot go together.</summary>
/// <remarks>
/// <code>
///              Read  Overwrite  Update  Exclusive
///   Read        yes     yes      yes       -
///   Overwrite   yes     yes       -        -
///   Update      yes      -        -        -
///   Exclusive    -       -        -        -
/// </code>
/// Whoever conflicts with somebody who waits already waits behind him, so that nobody waits for ever. A reader passes all
/// who wait for an Update to end, because not he is in their way; only when the Update is about to become Exclusive, or has
/// ended, they come first. Not recursive. Taken before <c>Volume.Gate</c>, never inside it; of two inodes the
/// one with the lower number first.
/// Always true: the queued bits of the state are the modes in the queue, so whoever leaves knows whether to look there.
/// </remarks>
internal sealed class IoLock
{
    private const int OverwriterShift = 20, QueuedShift = 48;
    private const long Readers = (1L << OverwriterShift) - 1, Overwriters = Readers << OverwriterShift;
    private const long UpdateHeld = 1L << 40, ExclusiveHeld = 1L << 41, UpgradeQueued = 1L << (QueuedShift + 4), QueuedMask = 31L << QueuedShift;

    private sealed class Waiter(IoMode mode, bool isUpgrade)
    {
        public readonly IoMode Mode = mode;
        public readonly bool IsUpgrade = isUpgrade;
        public bool Granted;
    }

    private readonly LinkedList<Waiter> _queue = [];
    private long _state;

    private static long Unit(IoMode mode) => mode switch
    {
        IoMode.Read => 1, IoMode.Overwrite => 1L << OverwriterShift, IoMode.Update => UpdateHeld, _ => ExclusiveHeld,
    };

    private static long Queued(IoMode mode) => 1L << (QueuedShift + (int)mode);

    private static long Queued(Waiter waiter) => waiter.IsUpgrade ? UpgradeQueued : Queued(waiter.Mode);

    /// <summary>True if a mode cannot go along with who is inside, or must wait behind who waits.</summary>
    private static bool MustWait(IoMode mode, long state) =>
        (state & Conflicts(mode)) != 0 && !(mode == IoMode.Read && (state & (UpdateHeld | ExclusiveHeld | UpgradeQueued)) == UpdateHeld);

    /// <summary>Held and queued modes that a mode cannot go along with.</summary>
    private static long Conflicts(IoMode mode) => mode switch
    {
        IoMode.Read => ExclusiveHeld | Queued(IoMode.Exclusive) | UpgradeQueued,
        IoMode.Overwrite => ExclusiveHeld | UpdateHeld | Queued(IoMode.Exclusive) | Queued(IoMode.Update),
        IoMode.Update => ExclusiveHeld | UpdateHeld | Overwriters | Queued(IoMode.Exclusive) | Queued(IoMode.Update) | Queued(IoMode.Overwrite),
        _ => ExclusiveHeld | UpdateHeld | Overwriters | Readers | QueuedMask,
    };

    /// <summary>Waits until the mode can go along with who is there.</summary>
    public void Enter(IoMode mode) => TryEnter(mode, Timeout.InfiniteTimeSpan);

    /// <summary>As <see cref="Enter"/>, for at most some time.</summary>
    /// <returns>False if the time was over first.</returns>
    public bool TryEnter(IoMode mode, TimeSpan timeout)
    {
        if (TryEnterNow(mode)) return true;
        // Most holders are gone within microseconds.
        for (SpinWait spin = new(); !spin.NextSpinWillYield;)
        {
            spin.SpinOnce(sleep1Threshold: -1);
            if (TryEnterNow(mode)) return true;
        }
        return Wait(new Waiter(mode, isUpgrade: false), timeout);
    }

    private bool TryEnterNow(IoMode mode)
    {
        long unit = Unit(mode);
        for (long seen = Volatile.Read(ref _state); !MustWait(mode, seen);)
        {
            long found = Interlocked.CompareExchange(ref _state, seen + unit, seen);
            if (found == seen) return true;
            seen = found;
        }
        return false;
    }

    /// <summary>Lets go.</summary>
    public void Exit(IoMode mode)
    {
        if ((Interlocked.Add(ref _state, -Unit(mode)) & QueuedMask) != 0) GrantQueued();
    }

    /// <summary>From <see cref="IoMode.Update"/> to <see cref="IoMode.Exclusive"/>: waits for the readers inside, before anybody who waits.</summary>
    public void Upgrade() => Wait(new Waiter(IoMode.Exclusive, isUpgrade: true), Timeout.InfiniteTimeSpan);

    /// <summary>From <see cref="IoMode.Exclusive"/> to <see cref="IoMode.Update"/>: lets readers in.</summary>
    public void Downgrade()
    {
        if ((Interlocked.Add(ref _state, UpdateHeld - ExclusiveHeld) & QueuedMask) != 0) GrantQueued();
    }

    private bool Wait(Waiter waiter, TimeSpan timeout)
    {
        long deadline = timeout == Timeout.InfiniteTimeSpan ? long.MaxValue : Environment.TickCount64 + (long)timeout.TotalMilliseconds;
        lock (_queue)
        {
            LinkedListNode<Waiter> node = waiter.IsUpgrade ? _queue.AddFirst(waiter) : _queue.AddLast(waiter);
            Interlocked.Or(ref _state, Queued(waiter));
            Grant();
            while (!waiter.Granted)
            {
                int left = deadline == long.MaxValue ? Timeout.Infinite : (int)Math.Clamp(deadline - Environment.TickCount64, 0, int.MaxValue);
                if (left != 0)
                {
                    Monitor.Wait(_queue, left);
                    continue;
                }
                _queue.Remove(node);
                Grant();
                return false;
            }
            return true;
        }
    }

    private void GrantQueued()
    {
        lock (_queue) Grant();
    }

    /// <summary>Lets in, in their order, all who go along with who is inside and with everybody who still waits before them.</summary>
    private void Grant()
    {
        long ahead = 0;
        bool any = false;
        for (LinkedListNode<Waiter>? node = _queue.First; node is not null;)
        {
            LinkedListNode<Waiter> here = node;
            node = node.Next;
            Waiter waiter = here.Value;
            if (TryGrant(waiter, ahead))
            {
                waiter.Granted = any = true;
                _queue.Remove(here);
            }
            else ahead |= Queued(waiter);
        }
        for (long seen = Volatile.Read(ref _state), found; ; seen = found)
        {
            found = Interlocked.CompareExchange(ref _state, (seen & ~QueuedMask) | ahead, seen);
            if (found == seen) break;
        }
        if (any) Monitor.PulseAll(_queue);
    }

    private bool TryGrant(Waiter waiter, long ahead)
    {
        // Of the bits for the queue only those of waiters before this one count.
        long change = waiter.IsUpgrade ? ExclusiveHeld - UpdateHeld : Unit(waiter.Mode);
        for (long seen = Volatile.Read(ref _state); ;)
        {
            long state = (seen & ~QueuedMask) | ahead;
            if (waiter.IsUpgrade ? (state & Readers) != 0 : MustWait(waiter.Mode, state)) return false;
            long found = Interlocked.CompareExchange(ref _state, seen + change, seen);
            if (found == seen) return true;
            seen = found;
        }
    }

    /// <summary>True while somebody holds it for <see cref="IoMode.Update"/>.</summary>
    public bool IsHeldForUpdate => (Volatile.Read(ref _state) & UpdateHeld) != 0;
}
