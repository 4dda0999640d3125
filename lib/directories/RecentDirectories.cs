using ImageFs.Allocation;
using ImageFs.Extents;
using ImageFs.Format;
using ImageFs.Inodes;

namespace ImageFs.Directories;

/// <summary>Directories that somebody looked into lately, each with what it knows of its mapping. Under the gate.</summary>
/// <remarks>A path goes through the same few directories again and again. One found here costs nothing but the look at its inode.</remarks>
internal sealed class RecentDirectories(AllocationGroups groups, BlockMap map, InodeStore inodes)
{
    private const int Places = 64;

    private readonly DirectoryStorage?[] _recent = new DirectoryStorage?[Places];

    private static int PlaceOf(InodeNumber number) => (int)((uint)(number.Value * 0x9E37_79B9_7F4A_7C15 >> 32) % Places);

    /// <summary>An inode in use, by its number; checked as <see cref="InodeStore.Get"/> does.</summary>
    public Inode Inode(InodeNumber number)
    {
        DirectoryStorage? known = _recent[PlaceOf(number)];
        if (known is null || known.Number != number) return inodes.Get(number);
        inodes.CheckInUse(known.Inode);
        return known.Inode;
    }

    /// <summary>Lets go of the blocks that directories keep at hand.</summary>
    public void ForgetBlocks()
    {
        foreach (DirectoryStorage? known in _recent) known?.ForgetBlocks();
    }

    /// <summary>The directory behind an inode.</summary>
    /// <exception cref="XfsException">ENOTDIR.</exception>
    public DirectoryStorage Open(Inode inode)
    {
        if (!inode.IsDirectory) throw new XfsException(Errno.ENOTDIR, $"inode {inode.Number} is no directory");
        ref DirectoryStorage? known = ref _recent[PlaceOf(inode.Number)];
        if (known is null || known.Number != inode.Number) known = new DirectoryStorage(groups, map, inode);
        return known;
    }
}
