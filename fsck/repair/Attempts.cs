using ImageFs.Format;

namespace ImageFs.Fsck;

/// <summary>What was tried so far: a repair that does not help is not made for ever, and does not keep others from being made.</summary>
internal sealed class Attempts
{
    /// <summary>A repair may be due again because of another one; more often than this it is in vain.</summary>
    private const int Most = 6;

    private readonly Dictionary<(InodeDamage Kind, ulong Inode), int> _inodes = [];
    private readonly Dictionary<(Remedy Kind, ulong Number), int> _others = [];
    private readonly List<string> _reasons = [];

    /// <summary>Why things were given up, in the order in which that happened.</summary>
    public IReadOnlyList<string> Reasons => _reasons;

    /// <summary>True once the trees of a group cannot be written: nothing may take space from any group then.</summary>
    public bool HasLostGroup { get; private set; }

    /// <summary>True if an inode may be repaired once more.</summary>
    public bool Begin(InodeDamage kind, ulong inode) => (_inodes[(kind, inode)] = _inodes.GetValueOrDefault((kind, inode)) + 1) <= Most;

    /// <summary>True if something else may be repaired once more.</summary>
    public bool Begin(Remedy kind, ulong number = 0) => (_others[(kind, number)] = _others.GetValueOrDefault((kind, number)) + 1) <= Most;

    /// <summary>An inode stays as it is.</summary>
    public void GiveUp(InodeDamage kind, ulong inode, string reason)
    {
        _inodes[(kind, inode)] = Most;
        _reasons.Add($"inode {inode}: {reason}");
    }

    /// <summary>A group stays as it is.</summary>
    public void GiveUp(AgNumber group, string reason)
    {
        _others[(Remedy.RebuildGroupHeaders, group.Value)] = Most;
        _reasons.Add(reason);
        HasLostGroup = true;
    }
}
