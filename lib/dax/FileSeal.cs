using ImageFs.Format;

namespace ImageFs.Dax;

/// <summary>What the sealing of a file may do to others.</summary>
[Flags]
public enum SealOptions
{
    /// <summary>Nothing: a file that shares blocks cannot be sealed.</summary>
    None = 0,
    /// <summary>Give every other owner of the file's blocks blocks of its own.</summary>
    RelocateOthers = 1,
}

/// <summary>
/// As long as it lives, the blocks of a file stay where they are and nobody else's: it can be overwritten, also through leases, but
/// whatever would change its block map, or share its blocks, fails with ETXTBSY.
/// </summary>
/// <remarks>A seal is a promise of this process. Nothing on disk tells of it; it ends with the volume at the latest.</remarks>
public sealed class FileSeal : IDisposable
{
    private readonly Volume _volume;
    private readonly OpenInode _open;
    private int _disposed;

    internal FileSeal(Volume volume, OpenInode open) => (_volume, _open) = (volume, open);

    /// <summary>The sealed file.</summary>
    public InodeNumber Inode => _open.Inode.Number;

    /// <summary>Breaks the seal.</summary>
    public void Dispose()
    {
        if (Interlocked.Exchange(ref _disposed, 1) != 0) return;
        _volume.Layouts.SetSeal(_open, SealState.None);
        _volume.Release(_open);
    }
}
