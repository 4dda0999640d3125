using System.Text;
using ImageFs.Format;

namespace ImageFs.Fsck;

/// <summary>Reads all directories once the inodes are known: every name must lead to an inode that exists and is of the type it says.</summary>
internal sealed class NameScan
{
    private readonly Scan _scan;
    private readonly Geometry _g;
    private readonly InodeScan _inodes;
    private readonly DirectoryScan _directories;
    private readonly ParentTable? _parents;
    private readonly ulong[] _hidden;
    private readonly byte[] _inode;
    private int _current;

    /// <param name="parents">Where entries go that must have a parent pointer; null if nobody asks for them.</param>
    public NameScan(Scan scan, InodeScan inodes, ForkScan forks, ParentTable? parents = null)
    {
        _scan = scan;
        _g = scan.Geometry;
        _inodes = inodes;
        _parents = parents;
        _directories = new DirectoryScan(scan, forks, this);
        _inode = new byte[_g.InodeSize];
        Superblock sb = _g.Superblock;
        _hidden = [sb.RealtimeBitmapInode, sb.RealtimeSummaryInode, sb.UserQuotaInode, sb.GroupQuotaInode, sb.ProjectQuotaInode];
    }

    /// <summary>Names met so far, "." and ".." not counted.</summary>
    public long Names { get; private set; }

    /// <summary>Directories that name one which another directory names already.</summary>
    public HashSet<ulong> SecondParents { get; } = [];

    public void Observe(Action<FsckProgress> progress)
    {
        const int step = 1024;
        for (int first = 0; first < _inodes.Directories.Count; first += step)
        {
            progress(new FsckProgress("directories", first, _inodes.Directories.Count));
            Observe(first, step);
        }
        CheckRoot();
    }

    /// <summary>Reads some of the directories.</summary>
    public void Observe(int first, int count)
    {
        PackedList<DirectoryNode> all = _inodes.Directories;
        int end = (int)Math.Min(all.Count, (long)first + count);
        for (_current = first; _current < end; _current++)
        {
            ulong number = all[_current].Inode;
            InodeNumber n = new(number);
            AgNumber ag = _g.AgOf(n);
            AgInode inside = _g.InodeInAg(n);
            Where at = _scan.At(ag, _g.BlockOf(inside), number);
            long offset = _g.ByteOffset(ag, _g.BlockOf(inside)) + (long)(inside.Value & (uint)(_g.InodesPerBlock - 1)) * _g.InodeSize;
            if (_scan.TryRead(offset, _inode, "inode", at)) _directories.Examine(_inode, number, at);
        }
    }

    /// <summary>Takes over what another worker has seen.</summary>
    public void Absorb(NameScan worker)
    {
        Names += worker.Names;
        SecondParents.UnionWith(worker.SecondParents);
    }

    /// <summary>The inodes the superblock names must be what it says.</summary>
    public void CheckRoot()
    {
        ulong root = _g.Superblock.RootInode;
        if (_inodes.FindDirectory(root) < 0)
        {
            int slot = _scan.Inodes.Find(root);
            InodeState state = slot < 0 ? InodeState.None : _scan.Inodes.State(slot);
            string problem = (state & InodeState.Damaged) != 0 ? "the root directory's inode is damaged"
                : (state & InodeState.Used) != 0 ? "the root inode is no directory" : "the root inode is not in use";
            _scan.Report(FindingCodes.RootInode, new Where(Inode: root), problem);
        }
        // Only the two that exist on every file system; they are empty files unless there is a realtime device.
        foreach ((string name, ulong number) in new[] { ("rbmino", _g.Superblock.RealtimeBitmapInode.Value), ("rsumino", _g.Superblock.RealtimeSummaryInode.Value) })
        {
            int slot = _scan.Inodes.Find(number);
            InodeState state = slot < 0 ? InodeState.None : _scan.Inodes.State(slot);
            if ((state & InodeState.Damaged) != 0) continue;
            if ((state & InodeState.TypeMask) != (InodeState)(FileMode16.Regular >> 12))
                _scan.Report(FindingCodes.MetaInode, new Where(Inode: number, Field: name), $"{name} leads to inode {number}, no regular file");
        }
    }

    /// <summary>The directory that is read says where its ".." leads.</summary>
    public void Parent(ulong parent)
    {
        _inodes.Directories[_current].Parent = parent;
        _inodes.Directories[_current].IsRead = true;
    }

    /// <summary>The directory that is read has an entry.</summary>
    public void Name(ReadOnlySpan<byte> name, ulong child, byte type, Where at)
    {
        Names++;
        if (!DirectoryName.IsLegal(name)) _scan.Report(FindingCodes.EntryName, at, Show(name), "not a legal name");
        int slot = _scan.FindInode(child);
        InodeState state = slot < 0 ? InodeState.None : _scan.Inodes.State(slot);
        if ((state & (InodeState.Used | InodeState.Damaged)) == 0)
        {
            if (slot < 0 && _scan.Inodes.MayExist(child)) return; // its group's inobt is damaged, which was reported
            _scan.Report(FindingCodes.EntryInode, at, Show(name), child, slot < 0 ? "which does not exist" : "which is free");
            return;
        }
        if (Array.IndexOf(_hidden, child) >= 0 && child != 0)
        {
            _scan.Report(FindingCodes.EntryInode, at, Show(name), child, "which must have no name");
            return;
        }
        Interlocked.Increment(ref _scan.Inodes.Names(slot));
        if ((state & InodeState.Used) == 0) return;
        _parents?.AddEntry(child, slot, _inodes.Directories[_current].Inode, _inodes.Directories[_current].Generation, name);
        DirectoryFileType actual = DirectoryName.TypeOf((ushort)((byte)(state & InodeState.TypeMask) << 12));
        if (_g.HasFileType && type != (byte)actual)
            _scan.Report(FindingCodes.EntryType, at with { Field = "filetype" }, Show(name), child, type, $"{(byte)actual} ({actual})");
        if (actual != DirectoryFileType.Directory || _inodes.FindDirectory(child) is not (int index and >= 0)) return;

        ref DirectoryNode directory = ref _inodes.Directories[index];
        ref DirectoryNode parent = ref _inodes.Directories[_current];
        if (Interlocked.CompareExchange(ref directory.NamedBy, _current, -1) >= 0)
        {
            _scan.MindOrder();
            _scan.Report(FindingCodes.DirectoryTwoParents, at with { Inode = child }, _inodes.Directories[directory.NamedBy].Inode, parent.Inode);
            SecondParents.Add(parent.Inode);
            return;
        }
        Interlocked.Increment(ref _scan.Inodes.Names(parent.Slot)); // the child's ".."
    }

    /// <summary>A name as text; bytes that are no UTF-8 are shown as such.</summary>
    public static string Show(ReadOnlySpan<byte> name)
    {
        string text = Encoding.UTF8.GetString(name);
        return text.Any(char.IsControl) || text.Contains('\uFFFD') ? string.Concat(name.ToArray().Select(b => b is >= 0x20 and < 0x7f ? ((char)b).ToString() : $"\\x{b:x2}")) : text;
    }
}
