namespace ImageFs.Fsck;

/// <summary>What is wrong with an inode, by who can help.</summary>
[Flags]
internal enum InodeDamage
{
    None = 0,
    /// <summary>Fields of the core, or the whole inode.</summary>
    Core = 1,
    /// <summary>Extents or bmbt of either fork.</summary>
    Fork = 2,
    Directory = 4,
    Attributes = 8,
    Symlink = 16,
    /// <summary>Link count, or no name at all.</summary>
    Links = 32,
    /// <summary>The inode says it is free, the inode btree that it is in use.</summary>
    Mode = 64,
    /// <summary>It shares blocks and does not say so.</summary>
    Shares = 128,
    /// <summary>A directory that is its own ancestor: the entry that names it has to go.</summary>
    Cycle = 256,
    /// <summary>Records of quotas that it holds.</summary>
    Quota = 512,
    /// <summary>Its parent pointers are not what the directories say.</summary>
    Parents = 1024,
}

/// <summary>What a pass over the image found, sorted by what has to be repaired.</summary>
internal sealed class Damage
{
    /// <summary>Groups whose trees and headers are to be written anew.</summary>
    public SortedSet<uint> Groups { get; } = [];
    /// <summary>Groups whose unlinked lists are in disorder.</summary>
    public SortedSet<uint> UnlinkedGroups { get; } = [];
    public SortedDictionary<ulong, InodeDamage> Inodes { get; } = [];
    /// <summary>Groups whose copy of the superblock is to be written anew.</summary>
    public SortedSet<uint> Copies { get; } = [];
    public bool Superblock { get; private set; }
    public bool RootInode { get; private set; }
    /// <summary>Blocks or inodes with an LSN the log has not reached.</summary>
    public int AheadOfLog { get; private set; }
    public long Count { get; private set; }

    private readonly HashSet<ulong> _mappedElsewhere = [], _unknownToMap = [];
    private bool _freeSpaceDisagrees;

    /// <summary>
    /// Inodes that claim blocks the reverse map does not know them to have, while it knows others of theirs, and the free space
    /// sides with it.
    /// </summary>
    public IReadOnlySet<ulong> Misplaced => _freeSpaceDisagrees ? new HashSet<ulong>(_mappedElsewhere.Intersect(_unknownToMap)) : new HashSet<ulong>();

    /// <summary>Takes a finding in.</summary>
    public void Take(FindingCode code, Where where)
    {
        if (code.Severity == Severity.Info) return;
        Count++;
        if (code.Text.EndsWith("-lsn", StringComparison.Ordinal)) AheadOfLog++;
        if (code == FindingCodes.RmapExtra && where.Inode is ulong elsewhere) _mappedElsewhere.Add(elsewhere);
        else if (code == FindingCodes.RmapMissing && where.Inode is ulong here) _unknownToMap.Add(here);
        else if (code == FindingCodes.FreeClaimed || code == FindingCodes.FreeMissing) _freeSpaceDisagrees = true;
        switch (code.Remedy)
        {
            case Remedy.RestoreSuperblock:
                if (where.Ag is uint copy and not 0) Copies.Add(copy); else Superblock = true;
                break;
            case Remedy.Recount when where.AgBlock == 0 && code.Text.StartsWith("sb-", StringComparison.Ordinal):
                Superblock = true;
                break;
            case Remedy.RebuildGroupHeaders when code == FindingCodes.UnlinkedList:
                UnlinkedGroups.Add(where.Ag!.Value);
                break;
            case Remedy.RebuildInodeBtrees:
                Groups.Add(where.Ag!.Value);
                if (code == FindingCodes.InodeUsed) Add(where.Inode, InodeDamage.Mode);
                break;
            case Remedy.RebuildGroupHeaders or Remedy.RebuildFreeSpace or Remedy.RebuildRmap or Remedy.RebuildRefcount or Remedy.Recount
                or Remedy.RebuildFreeList or Remedy.FreeStaging:
                // Shape of a tree: of a fork, if an inode is named.
                if (where.Inode is ulong owner && code.Text.StartsWith("btree-", StringComparison.Ordinal)) Add(owner, InodeDamage.Fork);
                else if (where.Ag is uint ag) Groups.Add(ag);
                break;
            case Remedy.ResolveClaim:
                Groups.Add(where.Ag!.Value);
                break;
            case Remedy.FixInode when code == FindingCodes.RootInode || code == FindingCodes.MetaInode:
                RootInode = true;
                break;
            case Remedy.FixInode: Add(where.Inode, code == FindingCodes.ReflinkFlag ? InodeDamage.Shares : InodeDamage.Core); break;
            case Remedy.RebuildFork: Add(where.Inode, InodeDamage.Fork); break;
            case Remedy.ClearInode: Add(where.Inode, InodeDamage.Symlink); break;
            case Remedy.RebuildDirectory or Remedy.FixEntry or Remedy.DropEntry: Add(where.Inode, InodeDamage.Directory); break;
            case Remedy.FixQuota: Add(where.Inode, InodeDamage.Quota); break;
            case Remedy.RebuildAttributes: Add(where.Inode, InodeDamage.Attributes); break;
            case Remedy.Reconnect when code == FindingCodes.DirectoryCycle: Add(where.Inode, InodeDamage.Cycle); break;
            case Remedy.FixLinkCount or Remedy.Reconnect or Remedy.FreeInode: Add(where.Inode, InodeDamage.Links); break;
        }
    }

    /// <summary>A directory that has to be written anew although nothing was found in it.</summary>
    public void AddDirectory(ulong number) => Add(number, InodeDamage.Directory);

    private void Add(ulong? inode, InodeDamage damage)
    {
        if (inode is ulong number) Inodes[number] = Inodes.GetValueOrDefault(number) | damage;
    }
}
