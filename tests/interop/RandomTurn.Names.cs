using System.Globalization;
using ImageFs.Format;

namespace ImageFs.Tests.Interop;

/// <content>Which names there are, and what changes them.</content>
internal sealed partial class RandomTurn
{
    /// <summary>A file as far as the workload must know it.</summary>
    private sealed class Node
    {
        /// <summary>f, d, l, or n for nodes.</summary>
        public required char Kind;
        public long Size;
        /// <summary>Entries of a directory.</summary>
        public int Entries;
        /// <summary>Its modification time is one that was asked for.</summary>
        public bool TimesSet;
        public readonly List<string> Attributes = [];
    }

    private readonly Node _root;
    private readonly Dictionary<string, Node> _names = [];
    private readonly List<string> _paths = [];
    /// <summary>Paths of immutable and append-only files and directories.</summary>
    private readonly SortedSet<string> _locked = new(StringComparer.Ordinal);
    private int _files;

    /// <summary>Paths whose modification time is one that was set.</summary>
    public IEnumerable<string> WithTimes => _names.Where(n => n.Value.TimesSet).Select(n => n.Key);

    /// <summary>Files and directories, which have flags.</summary>
    public IEnumerable<string> WithFlags => _names.Where(n => n.Value.Kind is 'f' or 'd').Select(n => n.Key).Order(StringComparer.Ordinal);

    private void MakeDirectory(ITree tree, string parent)
    {
        string path = $"{parent}/d{_next++}";
        if (Did("mkdir", tree.CreateDirectory(path, CreationMode()), path)) Add(path, new Node { Kind = 'd' });
    }

    private void MakeSymlink(ITree tree)
    {
        string path = NewName("s");
        // None that an inode could hold if it had no attributes: once they are gone, older xfs_repair objects to the block it still has.
        int length = _random.Next(4) == 0 ? _random.Next(850, 1024) : _random.Next(1, 100);
        if (Did("symlink", tree.CreateSymlink(path, new string('t', length)), path)) Add(path, new Node { Kind = 'l' });
    }

    private void MakeNode(ITree tree)
    {
        string path = NewName("n");
        ushort type = _random.Next(4) switch { 0 => FileMode16.CharDevice, 1 => FileMode16.BlockDevice, 2 => FileMode16.Fifo, _ => FileMode16.Socket };
        bool device = type is FileMode16.CharDevice or FileMode16.BlockDevice;
        if (Did("mknod", tree.CreateNode(path, (ushort)(type | CreationMode()), device ? (uint)_random.Next(520) : 0, device ? (uint)_random.Next(1 << 18) : 0), path))
            Add(path, new Node { Kind = 'n' });
    }

    private void Link(ITree tree)
    {
        string existing = Any(node => node.Kind != 'd'), path = NewName("l");
        if (Did("link", tree.Link(existing, path), $"{existing} {path}")) Add(path, _names[existing]);
    }

    private void Unlink(ITree tree)
    {
        string path = Any(node => node.Kind != 'd' || _random.Next(50) == 0);
        if (Did("unlink", tree.Unlink(path), path)) Remove(path);
    }

    private void RemoveDirectory(ITree tree)
    {
        string path = Any(node => node.Kind == 'd' && node != _root && (node.Entries == 0 || _random.Next(30) == 0));
        if (path.Length > 0 && Did("rmdir", tree.RemoveDirectory(path), path)) Remove(path);
    }

    private void Rename(ITree tree)
    {
        string from = Any(node => node != _root && (node.Kind != 'd' || _random.Next(5) == 0));
        Node moved = _names[from];
        RenameMode mode = _random.Next(10) switch { < 6 => RenameMode.Replace, < 7 => RenameMode.NoReplace, < 9 => RenameMode.Exchange, _ => RenameMode.Whiteout };
        bool existing = mode == RenameMode.Exchange || _random.Next(3) == 0;
        string to = existing
            ? Any(node => node != _root && ((node.Kind == 'd') == (moved.Kind == 'd') || _random.Next(20) == 0))
            : NewName("r");
        if (to.Length == 0) return;
        // The kernel's answer to a path below the one that moves depends on which of the two it looks up first.
        if (IsBelow(to, from) || IsBelow(from, to)) return;
        if (!Did("rename " + mode.ToString().ToLowerInvariant(), tree.Rename(from, to, mode), $"{from} {to}")) return;
        Node? victim = _names.GetValueOrDefault(to);
        if (victim == moved) return; // two names of one file: nothing happens
        if (mode == RenameMode.Exchange)
        {
            Move([(from, to), (to, from)]);
            return;
        }
        if (victim is not null) Remove(to);
        Move([(from, to)]);
        if (mode == RenameMode.Whiteout) Add(from, new Node { Kind = 'n' });
    }

    private static bool IsBelow(string path, string directory) => path == directory || path.StartsWith(directory + "/", StringComparison.Ordinal);

    private void Add(string path, Node node)
    {
        _names.Add(path, node);
        _paths.Add(path);
        if (node.Kind == 'f') _files++;
        Change(Parent(path), +1);
    }

    private void Remove(string path)
    {
        if (_names[path].Kind == 'f') _files--;
        _names.Remove(path);
        _paths.Remove(path);
        Change(Parent(path), -1);
    }

    private void Change(Node directory, int entries)
    {
        directory.Entries += entries;
        directory.TimesSet = false;
    }

    private Node Parent(string path) => _names[path[..path.LastIndexOf('/')]];

    /// <summary>Takes paths, and all below them, to new places at the same moment.</summary>
    private void Move((string From, string To)[] moves)
    {
        foreach ((string from, string to) in moves)
        {
            Change(Parent(from), -1);
            Change(Parent(to), +1);
        }
        string New(string path)
        {
            foreach ((string from, string to) in moves)
                if (IsBelow(path, from)) return to + path[from.Length..];
            return path;
        }
        (string Path, Node Node)[] all = [.. _names.Select(n => (New(n.Key), n.Value))];
        _names.Clear();
        foreach ((string path, Node node) in all) _names.Add(path, node);
        for (int i = 0; i < _paths.Count; i++) _paths[i] = New(_paths[i]);
        string[] locked = [.. _locked.Select(New)];
        _locked.Clear();
        foreach (string path in locked) _locked.Add(path);
    }

    private string NewName(string kind)
    {
        string end = _random.Next(12) switch { 0 => "-übung", 1 => " a b", < 7 => "", _ => "-" + new string('n', _random.Next(_random.Next(8) == 0 ? 200 : 30)) };
        return string.Create(CultureInfo.InvariantCulture, $"{Any('d')}/{kind}{_next++}{end}");
    }

    /// <summary>A path of that kind; the place itself is a directory too.</summary>
    private string Any(char kind)
    {
        if (kind == 'd' && _random.Next(8) == 0) return _options.Place;
        return Any(node => node.Kind == kind) is { Length: > 0 } path ? path : _options.Place;
    }

    /// <summary>A path at random whose file suits, or an empty one if none does.</summary>
    private string Any(Func<Node, bool> suits)
    {
        for (int attempt = 0; attempt < 100; attempt++)
        {
            string path = _paths[_random.Next(_paths.Count)];
            if (suits(_names[path])) return path;
        }
        return _paths.FirstOrDefault(path => suits(_names[path])) ?? "";
    }
}
