using ImageFs.Format;
using ImageFs.Inodes;

namespace ImageFs.Fsck;

/// <summary>Repairs what names, attributes and link counts say, once inodes and groups are sound: partly through the library, as on any volume.</summary>
internal sealed class NameRepair
{
    private readonly RepairView _view;
    private readonly Scan _scan;
    private readonly InodeScan _inodes;
    private readonly Damage _damage;
    private readonly Attempts _attempts;
    private readonly ForkScan _forks;

    public NameRepair(RepairView view, Scan scan, InodeScan inodes, Damage damage, Attempts attempts, ForkScan forks) =>
        (_view, _scan, _inodes, _damage, _attempts, _forks) = (view, scan, inodes, damage, attempts, forks);

    /// <returns>True if something was repaired.</returns>
    public bool Run()
    {
        bool any = ResetLists();
        any |= new SymlinkRepair(_view, _scan).Repair(With(InodeDamage.Symlink));
        if (any) return true;
        if (RebuildAttributes() | RebuildDirectories()) return true;
        // Counts mean something only when all names do.
        return FixLinks();
    }

    private ulong[] With(InodeDamage which) => [.. _damage.Inodes.Where(i => (i.Value & which) != 0 && _attempts.Begin(which, i.Key)).Select(i => i.Key)];

    /// <summary>
    /// Repairs inodes through the library, all of them at once. Where that fails, half of them and half of those, until it is known
    /// which ones cannot be repaired: they stay as they are.
    /// </summary>
    /// <returns>True if any was repaired.</returns>
    private bool Work<T>(ArraySegment<T> items, Func<T, ulong> inode, InodeDamage kind, Action<Volume, ArraySegment<T>> work)
    {
        if (items.Count == 0) return false;
        if (_view.TryOnVolume(volume => work(volume, items)) is not string problem) return true;
        if (items.Count == 1 || _view.TryOnVolume(_ => { }) is not null)
        {
            foreach (T item in items) _attempts.GiveUp(kind, inode(item), problem);
            return false;
        }
        int half = items.Count / 2;
        return Work(items[..half], inode, kind, work) | Work(items[half..], inode, kind, work);
    }

    /// <summary>Salvages as much as may be remembered at once, and has it written again.</summary>
    private bool InPieces<T>(IEnumerable<T> salvaged, Func<T, long> size, Func<T, ulong> inode, InodeDamage kind, Action<Volume, ArraySegment<T>> work)
    {
        bool any = false;
        List<T> piece = [];
        long bytes = 0;
        foreach (T item in salvaged)
        {
            piece.Add(item);
            bytes += size(item);
            if (bytes < _scan.Budget.ForSalvage) continue;
            any |= Work<T>(piece.ToArray(), inode, kind, work);
            piece.Clear();
            bytes = 0;
        }
        return Work<T>(piece.ToArray(), inode, kind, work) | any;
    }

    /// <summary>Unlinked lists in disorder are given up: what was on them is named again rather than freed.</summary>
    private bool ResetLists()
    {
        _view.Purpose = Remedy.RebuildGroupHeaders;
        Geometry g = _view.Geometry;
        uint[] groups = [.. _damage.UnlinkedGroups.Where(ag => _attempts.Begin(Remedy.FreeInode, ag))];
        foreach (uint ag in groups)
        {
            long offset = g.HeaderOffset(new AgNumber(ag), 2);
            byte[] agi = _view.Read(offset, g.SectorSize);
            foreach (ref BigEndian32 bucket in Agi.At(agi.AsSpan()).Unlinked[..]) bucket = uint.MaxValue;
            _view.Write(BlockKind.Agi, offset, agi);
            foreach (ref readonly UnlinkedInode unlinked in _inodes.Unlinked.Span)
                if (g.AgOf(new InodeNumber(unlinked.Inode)).Value == ag && unlinked.Next != uint.MaxValue) Edit(unlinked.Inode, (ref InodeCore core) => core.NextUnlinked = uint.MaxValue);
        }
        return groups.Length > 0;
    }

    private delegate void CoreEdit(ref InodeCore core);

    private void Edit(ulong number, CoreEdit edit)
    {
        InodeNumber n = new(number);
        byte[] inode = _view.Read(_view.OffsetOf(n), _view.Geometry.InodeSize);
        edit(ref InodeCore.At(inode.AsSpan()));
        _view.WriteInode(n, inode);
    }

    private bool RebuildAttributes()
    {
        ulong[] damaged = With(InodeDamage.Attributes);
        if (damaged.Length == 0) return false;
        _view.Purpose = Remedy.RebuildAttributes;
        AttributeSalvage salvage = new(_view, _forks);
        return InPieces(damaged.Select(salvage.Collect), a => a.Bytes, a => a.Inode, InodeDamage.Attributes, (volume, part) =>
        {
            foreach (SalvagedAttributes attributes in part) new AttributeRebuild(volume).Rebuild(attributes);
        });
    }

    private bool RebuildDirectories()
    {
        HashSet<ulong> directories = [];
        foreach (ulong number in With(InodeDamage.Directory))
        {
            // Some findings are about a directory that is named wrongly: then those who name it are written anew.
            if (_inodes.FindDirectory(number) is int index and >= 0) directories.Add(number);
        }
        // What is its own ancestor loses its name, and is then one that nobody names.
        HashSet<ulong> cyclic = [.. With(InodeDamage.Cycle)];
        foreach (ulong number in cyclic)
            if (_inodes.FindDirectory(number) is int index and >= 0 && _inodes.Directories[index].NamedBy is int by and >= 0) directories.Add(_inodes.Directories[by].Inode);
        if (directories.Count == 0) return false;
        _view.Purpose = Remedy.RebuildDirectory;
        DirectorySalvage salvage = new(_view, _scan, _forks);
        HashSet<ulong> named = [];
        return InPieces(directories.Order().Select(d => Salvage(salvage, d, named, cyclic)), d => d.Bytes, d => d.Inode, InodeDamage.Directory, (volume, part) =>
        {
            foreach (SalvagedDirectory directory in part) new DirectoryRebuild(volume).Rebuild(directory);
        });
    }

    /// <summary>A directory keeps the one name its ".." agrees with, or else the first one.</summary>
    private SalvagedDirectory Salvage(DirectorySalvage salvage, ulong number, HashSet<ulong> named, HashSet<ulong> nameless)
    {
        ulong root = _view.Geometry.Superblock.RootInode;
        SalvagedDirectory found = salvage.Collect(number, child =>
        {
            if (child == root || nameless.Contains(child)) return false;
            if (_inodes.FindDirectory(child) is not (int index and >= 0)) return true;
            ref DirectoryNode directory = ref _inodes.Directories[index];
            if (directory.NamedBy >= 0 && _inodes.Directories[directory.NamedBy].Inode != number) return false;
            return named.Add(child);
        });
        int own = _inodes.FindDirectory(number);
        ulong parent = number == root ? root
            : own >= 0 && _inodes.Directories[own].NamedBy >= 0 ? _inodes.Directories[_inodes.Directories[own].NamedBy].Inode
            : _inodes.FindDirectory(found.Parent) >= 0 ? found.Parent : root;
        return found with { Parent = parent };
    }

    /// <summary>Makes parent pointers agree with the directories.</summary>
    /// <returns>True if any did not.</returns>
    public bool FixParents(IEnumerable<ParentDifference> differences)
    {
        ParentDifference[] all = [.. differences.Where(d => _attempts.Begin(InodeDamage.Parents, d.Inode))];
        _view.Purpose = Remedy.RebuildAttributes;
        return Work<ParentDifference>(all, d => d.Inode, InodeDamage.Parents, (volume, part) =>
        {
            foreach (ParentDifference difference in part) new ParentRepair(volume).Repair(difference);
        });
    }

    private bool FixLinks()
    {
        // With parent pointers an inode that lacks names may know them itself.
        bool asks = _view.Geometry.HasParentPointers;
        List<ulong> orphans = [], lacking = [], waiting = [];
        bool any = false;
        _view.Purpose = Remedy.FixLinkCount;
        foreach (ulong number in With(InodeDamage.Links))
        {
            int slot = _scan.Inodes.Find(number);
            if (slot < 0) continue;
            uint names = _scan.Inodes.Names(slot);
            int directory = _inodes.FindDirectory(number);
            bool unnamed = directory >= 0 ? _inodes.Directories[directory].NamedBy < 0 && number != _view.Geometry.Superblock.RootInode : names == 0;
            if (!unnamed && asks && directory < 0 && names < _scan.Inodes.Links(slot)) lacking.Add(number);
            else if (!unnamed)
            {
                SetLinks(number, names);
                any = true;
            }
            else if (_inodes.FindUnlinked(number) is int index and >= 0 && _inodes.Unlinked[index].IsListed) waiting.Add(number);
            else orphans.Add(number);
        }
        _view.Purpose = Remedy.FreeInode;
        if (waiting.Count > 0)
        {
            if (_view.TryOnVolume(volume => volume.FreeLeftovers(unlinked: true)) is not string problem) any = true;
            else foreach (ulong number in waiting) _attempts.GiveUp(InodeDamage.Links, number, problem);
        }
        _view.Purpose = Remedy.Reconnect;
        HashSet<ulong> named = [.. lacking], still = [];
        any |= Work<ulong>((ulong[])[.. lacking, .. orphans], n => n, InodeDamage.Links, (volume, part) =>
        {
            NameReturn? names = asks ? new(volume, _inodes, new AttributeSalvage(_view, _forks)) : null;
            List<ulong> unnamed = [];
            foreach (ulong number in part)
            {
                still.Remove(number);
                if (names?.Return(number, Lacking(number)) > 0) continue;
                if (named.Contains(number)) still.Add(number); else unnamed.Add(number);
            }
            new DirectoryRebuild(volume).Adopt(unnamed);
        });
        _view.Purpose = Remedy.FixLinkCount;
        foreach (ulong number in still) SetLinks(number, _scan.Inodes.Names(_scan.Inodes.Find(number)));
        return any;
    }

    private void SetLinks(ulong number, uint names) => Edit(number, (ref InodeCore core) => core.LinkCount = names);

    /// <summary>Names an inode may get back: a directory has one, a file as many as it counts, and one in any case.</summary>
    private uint Lacking(ulong number)
    {
        int slot = _scan.Inodes.Find(number);
        return _inodes.FindDirectory(number) >= 0 ? 1 : Math.Max(1, _scan.Inodes.Links(slot) - Math.Min(_scan.Inodes.Links(slot), _scan.Inodes.Names(slot)));
    }
}
