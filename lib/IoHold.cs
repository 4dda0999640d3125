using ImageFs.Inodes;

namespace ImageFs;

/// <summary>One inode's <see cref="IoLock"/> while it is held; disposing lets go.</summary>
internal readonly struct IoHold : IDisposable
{
    private readonly OpenInode _inode;
    private readonly IoMode _mode;

    private IoHold(OpenInode inode, IoMode mode)
    {
        _inode = inode;
        _mode = mode;
    }

    /// <summary>Takes the lock of one inode. Not while holding <see cref="Volume.Gate"/>.</summary>
    /// <param name="mindsWritten">
    /// The caller minds what copy-on-write has written and not mapped yet, as <see cref="OpenInode.SegmentAt"/> does. Otherwise
    /// nothing of that kind is left when this returns: what the fork says is how things are.
    /// </param>
    public static IoHold Enter(OpenInode inode, IoMode mode, bool mindsWritten = false)
    {
        inode.EnterIo(mode, mindsWritten);
        return new(inode, mode);
    }

    public void Dispose() => _inode.ExitIo(_mode);

    /// <summary>Takes two locks in the order given; if the second cannot be had, because what is to be mapped first cannot be, neither is kept.</summary>
    internal static void EnterBoth(OpenInode low, IoMode lowMode, OpenInode high, IoMode highMode)
    {
        low.EnterIo(lowMode);
        try
        {
            high.EnterIo(highMode);
        }
        catch
        {
            low.ExitIo(lowMode);
            throw;
        }
    }
}

/// <summary>While this lives readers may be in a file that is held exclusively otherwise; the holder changes nothing that they can see.</summary>
internal readonly struct IoWithReaders : IDisposable
{
    private readonly OpenInode _inode;

    private IoWithReaders(OpenInode inode) => _inode = inode;

    /// <summary>Lets them in.</summary>
    public static IoWithReaders Let(OpenInode inode)
    {
        inode.DowngradeIo();
        return new(inode);
    }

    /// <summary>Waits until they are out; no others come in meanwhile. Not while holding <see cref="Volume.Gate"/>.</summary>
    public void Dispose() => _inode?.UpgradeIo();
}

/// <summary>
/// The locks of a remap: nobody writes to the source, which stays readable, and nobody else is in the destination. By
/// inode number, whoever is which; once if both are one.
/// </summary>
internal readonly struct IoPair : IDisposable
{
    private readonly OpenInode _source, _destination;

    private IoPair(OpenInode source, OpenInode destination)
    {
        _source = source;
        _destination = destination;
    }

    private bool IsOne => _source == _destination;

    /// <summary>Takes both locks. Not while holding <see cref="Volume.Gate"/>.</summary>
    /// <param name="comparing">
    /// The destination is only compared at first, so that it stays readable; <see cref="ChangeDestination"/> follows before it
    /// is changed.
    /// </param>
    public static IoPair Enter(OpenInode source, OpenInode destination, bool comparing = false)
    {
        IoMode into = comparing ? IoMode.Update : IoMode.Exclusive;
        if (source == destination) source.EnterIo(into);
        else if (source.Inode.Number.CompareTo(destination.Inode.Number) < 0) IoHold.EnterBoth(source, IoMode.Update, destination, into);
        else IoHold.EnterBoth(destination, into, source, IoMode.Update);
        return new(source, destination);
    }

    /// <summary>After a comparison: waits for the destination's readers. They never wait for anything of ours, so the order of inodes does not matter.</summary>
    public void ChangeDestination() => _destination.UpgradeIo();

    public void Dispose()
    {
        // Blocks of the source may have got another owner: only the refcountbt knows now which are private.
        _source.Extents.ForgetSharing();
        _destination.ExitIo(_destination.Io.IsHeldForUpdate ? IoMode.Update : IoMode.Exclusive);
        if (!IsOne) _source.ExitIo(IoMode.Update);
    }
}

/// <summary>The locks of an exchange: nobody else is in either file. By inode number; once if both are one.</summary>
internal readonly struct IoBoth : IDisposable
{
    private readonly OpenInode _one, _other;

    private IoBoth(OpenInode one, OpenInode other)
    {
        _one = one;
        _other = other;
    }

    /// <summary>Takes both locks. Not while holding <see cref="Volume.Gate"/>.</summary>
    public static IoBoth Enter(OpenInode one, OpenInode other)
    {
        (OpenInode low, OpenInode high) = one.Inode.Number.CompareTo(other.Inode.Number) <= 0 ? (one, other) : (other, one);
        if (high == low) low.EnterIo(IoMode.Exclusive);
        else IoHold.EnterBoth(low, IoMode.Exclusive, high, IoMode.Exclusive);
        return new(low, high);
    }

    public void Dispose()
    {
        // Shared blocks have changed hands.
        _one.Extents.ForgetSharing();
        _other.Extents.ForgetSharing();
        if (_other != _one) _other.ExitIo(IoMode.Exclusive);
        _one.ExitIo(IoMode.Exclusive);
    }
}
