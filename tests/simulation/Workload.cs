namespace ImageFs.Tests.Simulation;

/// <summary>
/// Picks operations by seed: which kinds, how often, how large is drawn anew for every run, so that unusual mixtures turn up.
/// A function of its name, its seed and the model.
/// </summary>
internal sealed class Workload
{
    private const int MostDirectories = 8, MostHandles = 2, LargeFile = 1 << 20;

    /// <summary>How likely each kind is, by workload.</summary>
    private static readonly Dictionary<string, (string Kind, double Weight)[]> s_mixtures = new()
    {
        ["mixed"] = [("create", 4), ("write", 8), ("overwrite", 4), ("length", 3), ("rename", 3), ("clone", 4), ("copy", 2), ("dedupe", 4),
            ("unlink", 3), ("mkdir", 1), ("rmdir", 1), ("symlink", 1), ("link", 1), ("open", 1), ("handle", 2), ("close", 1), ("exchange", 1),
            ("attribute", 2), ("forget", 1), ("node", 0.5), ("mode", 0.5), ("whiteout", 0.3), ("flush", 3), ("tail", 1)],
        ["sharing"] = [("create", 2), ("write", 3), ("overwrite", 8), ("length", 2), ("clone", 8), ("copy", 3), ("dedupe", 6), ("unlink", 2), ("flush", 2),
            ("tail", 0.5)],
        ["ranges"] = [("create", 2), ("write", 6), ("overwrite", 5), ("length", 1), ("clone", 5), ("allocate", 2), ("punch", 4), ("zero", 3), ("unshare", 3),
            ("insert", 3), ("collapse", 3), ("swap", 4), ("unlink", 1), ("flush", 1), ("tail", 0.5)],
        ["names"] = [("create", 8), ("write", 2), ("rename", 8), ("unlink", 6), ("mkdir", 3), ("rmdir", 3), ("symlink", 2), ("link", 3), ("exchange", 2), ("move", 2),
            ("whiteout", 2), ("node", 2), ("mode", 1), ("flush", 2), ("tail", 0.5)],
        // Attributes of every size, on everything that can have some.
        ["attributes"] = [("create", 3), ("mkdir", 1), ("symlink", 1), ("node", 1), ("attribute", 16), ("forget", 5), ("mode", 1), ("write", 2), ("link", 1),
            ("rename", 1), ("unlink", 1), ("rmdir", 0.5), ("flush", 3), ("tail", 1)],
        // Directories that outgrow the inode, then the block.
        ["many"] = [("create", 20), ("unlink", 5), ("rename", 4), ("exchange", 1), ("mkdir", 0.2), ("symlink", 2), ("flush", 1), ("tail", 0.2)],
        // Nothing here shares blocks or writes in pieces, so that a lack of space has a simple outcome.
        ["full"] = [("create", 3), ("write", 8), ("overwrite", 3), ("length", 3), ("unlink", 3), ("rename", 1), ("mkdir", 1), ("rmdir", 1),
            ("symlink", 1), ("attribute", 2), ("forget", 1), ("flush", 2), ("tail", 0.5)],
        // Untorn writes and groups of anything, beside ordinary ones on the same blocks.
        ["atomic"] = [("create", 3), ("write", 5), ("overwrite", 4), ("length", 2), ("rename", 1), ("clone", 4), ("dedupe", 1), ("unlink", 2),
            ("atomic", 10), ("group", 8), ("abandon", 2), ("mkdir", 0.5), ("open", 1), ("handle", 1), ("close", 1), ("flush", 3), ("tail", 0.5)],
        // Groups alone, which need no shared blocks.
        ["groups"] = [("create", 3), ("write", 4), ("overwrite", 4), ("length", 2), ("rename", 2), ("unlink", 2), ("mkdir", 1), ("link", 1),
            ("symlink", 1), ("group", 12), ("abandon", 3), ("flush", 3), ("tail", 0.5)],
        ["data"] = [("create", 2), ("write", 8), ("overwrite", 8), ("length", 6), ("unlink", 1), ("open", 1), ("handle", 3), ("close", 1), ("flush", 3),
            ("tail", 0.5)],
    };

    private readonly Random _random;
    private readonly (string Kind, double Weight)[] _weights;
    private readonly int _blockSize;
    private readonly bool _alignedMostly;
    private readonly int _mostFiles;
    private readonly char _prefix;
    private int _nextName, _nextHandle, _parts;
    private bool _inGroup;

    /// <param name="seed">The same seed gives the same choices where the model is the same.</param>
    /// <param name="prefix">Of every new name; runs that follow each other on one disk need different ones.</param>
    /// <param name="name">One of <see cref="Names"/>.</param>
    public Workload(string name, int seed, int blockSize, char prefix = 'a')
    {
        _random = new Random(seed);
        _blockSize = blockSize;
        // A kind is left out now and then, and weights vary fourfold.
        _weights = [.. s_mixtures[name].Select(m =>
            (m.Kind, m.Weight * (m.Kind is not ("create" or "write" or "flush") && _random.Next(8) == 0 ? 0 : Math.Pow(2, _random.NextDouble() * 2 - 1))))];
        _alignedMostly = _random.Next(2) == 0;
        _prefix = prefix;
        _mostFiles = name == "many" ? 400 : 40;
    }

    public static IEnumerable<string> Names => s_mixtures.Keys;

    /// <summary>True if it clones or dedupes.</summary>
    public static bool Shares(string name) => s_mixtures[name].Any(m => m.Kind is "clone" or "dedupe" or "atomic");

    /// <summary>Operations until the mixture has shown what it can do.</summary>
    public static int Length(string name) => name == "many" ? 250 : 60;

    /// <summary>The next operation, one that is possible now.</summary>
    public WorkOperation Next(Model model)
    {
        while (true)
        {
            double point = _random.NextDouble() * _weights.Sum(w => w.Weight);
            string kind = _weights.First(w => (point -= w.Weight) < 0 || w == _weights[^1]).Kind;
            if (Make(kind, model) is WorkOperation operation)
                return operation;
        }
    }

    private WorkOperation? Make(string kind, Model model)
    {
        List<(string Path, int Inode, ModelNode Node)> all =
            [.. model.Now.Paths().Select(p => (p.Path, p.Inode, model.Now.Nodes[p.Inode]))];
        List<(string Path, int Inode, ModelFile File)> files =
            [.. all.Where(e => e.Node is ModelFile).Select(e => (e.Path, e.Inode, (ModelFile)e.Node))];
        List<string> directories = [.. all.Where(e => e.Node is ModelDirectory).Select(e => e.Path)];
        // In a group every part needs a pattern of its own.
        int operation = _inGroup ? 1_000_000 + _parts++ : model.Operations + 1;
        // Until there is something to work with, make it.
        if (files.Count == 0 && kind is not ("create" or "mkdir" or "node"))
            kind = "create";
        switch (kind)
        {
            case "create":
                return files.Count >= _mostFiles ? null : new CreateFile(NewPath(directories));
            case "mkdir":
                return directories.Count >= MostDirectories ? null : new MakeDirectory(NewPath(directories));
            case "symlink":
                return all.Count >= 2 * _mostFiles ? null : new MakeSymlink(NewPath(directories), new string('t', _random.Next(1, 200)));
            case "node":
                char node = "cbps"[_random.Next(4)];
                return all.Count >= 2 * _mostFiles ? null
                    : new MakeNode(NewPath(directories), node, node is 'c' or 'b' ? (uint)_random.Next(512) : 0, node is 'c' or 'b' ? (uint)_random.Next(1 << 18) : 0);
            case "link":
                return all.Count >= 2 * _mostFiles ? null : new HardLink(Pick([.. all.Where(e => e.Node is not ModelDirectory)]).Path, NewPath(directories));
            case "mode":
                return new SetMode(Pick([.. all.Where(e => e.Node is not ModelSymlink)]).Path, _random.Next(0x200));
            case "attribute":
            {
                (string path, _, ModelNode target) = Pick(all);
                string name = target.Attributes.Count > 0 && _random.Next(2) == 0 ? Pick([.. target.Attributes.Keys]) : NewAttribute(target);
                return new SetAttribute(path, name, ValueLength(), operation);
            }
            case "forget":
            {
                List<(string Path, int Inode, ModelNode Node)> some = [.. all.Where(e => e.Node.Attributes.Count > 0)];
                if (some.Count == 0)
                    return null;
                (string path, _, ModelNode target) = Pick(some);
                return new RemoveAttribute(path, Pick([.. target.Attributes.Keys]));
            }
            case "move":
                return new MoveToNewName(Pick([.. all.Where(e => e.Node is not ModelDirectory)]).Path, NewPath(directories));
            case "whiteout":
            {
                List<(string Path, int Inode, ModelNode Node)> movable = [.. all.Where(e => e.Node is not ModelDirectory)];
                string from = Pick(movable).Path, to = _random.Next(2) == 0 ? Pick(movable).Path : NewPath(directories);
                return from == to ? null : new RenameLeavingWhiteout(from, to);
            }
            case "write":
            {
                (string path, _, ModelFile file) = Pick(files);
                // Most writes touch or follow what is there; some leave a hole.
                long offset = Place(_random.Next(3) switch { 0 => file.Size, 1 => _random.NextInt64(file.Size + 1), _ => file.Size + _random.Next(100_000) });
                return file.Size > LargeFile ? null : new WriteFile(path, offset, Length(), operation);
            }
            case "overwrite":
            {
                (string path, _, ModelFile file) = Pick(files);
                if (file.Size == 0)
                    return null;
                long offset = Place(_random.NextInt64(file.Size));
                return new WriteFile(path, offset, (int)Math.Clamp(Length(), 1, file.Size - offset), operation);
            }
            case "length":
            {
                (string path, _, ModelFile file) = Pick(files);
                return new SetLength(path, Place(_random.Next(4) switch { 0 => 0, 1 => file.Size + _random.Next(50_000), _ => _random.NextInt64(file.Size + 1) }));
            }
            case "unlink":
            {
                string path = Pick([.. all.Where(e => e.Node is not ModelDirectory)]).Path;
                return new Unlink(path);
            }
            case "rmdir":
            {
                List<string> empty = [.. all.Where(e => e.Node is ModelDirectory { Entries.IsEmpty: true }).Select(e => e.Path)];
                return empty.Count == 0 ? null : new RemoveDirectory(Pick(empty));
            }
            case "rename":
                return MakeRename(all, directories);
            case "exchange":
            {
                string one = Pick(all).Path, other = Pick(all).Path;
                return Inside(one, other) || Inside(other, one) ? null : new ExchangeNames(one, other);
            }
            case "clone":
                return MakeClone(files);
            case "copy":
            {
                (string from, _, ModelFile source) = Pick(files);
                (string to, _, _) = Pick(files);
                long start = _random.NextInt64(source.Size + 1) / _blockSize * _blockSize;
                int length = (int)Math.Min(source.Size - start, 100_000);
                return length == 0 || from == to ? null : new CopyBytes(from, to, start, length);
            }
            case "dedupe":
                return MakeDedupe(files, model);
            case "allocate" or "punch" or "zero" or "unshare" or "insert" or "collapse":
            {
                (string path, _, ModelFile file) = Pick(files);
                return MakeFallocate(kind, path, file.Size);
            }
            case "swap":
                return MakeExchange(files);
            case "open":
                return model.Handles.Count >= MostHandles ? null : new OpenFile(Pick(files).Path, _nextHandle++);
            case "handle":
            {
                if (model.Handles.Count == 0)
                    return null;
                (int handle, int inode) = Pick([.. model.Handles]);
                long offset = Place(_random.NextInt64(((ModelFile)model.Now.Nodes[inode]).Size + 1));
                return new WriteHandle(handle, files.Where(f => f.Inode == inode).Select(f => f.Path).FirstOrDefault(), offset, Length(), operation);
            }
            case "close":
                return model.Handles.Count == 0 ? null : new CloseFile(Pick([.. model.Handles]).Key);
            case "atomic":
            {
                (string path, _, ModelFile file) = Pick(files);
                int length = _blockSize << _random.Next(4);
                long offset = _random.NextInt64(file.Size / length + 2) * length;
                return file.Size > LargeFile ? null : new AtomicWriteFile(path, offset, length, operation);
            }
            case "group" or "abandon" when !_inGroup:
            {
                List<WorkOperation> parts = MakeParts(model);
                return kind == "group" ? new AtomicGroupOf(parts) : new AbandonedGroupOf(parts);
            }
            case "tail":
                return new PushTail();
            default:
                return new FlushAll();
        }
    }

    // Each part is one that is possible after those before it.
    private List<WorkOperation> MakeParts(Model model)
    {
        Model fork = model.Fork();
        List<WorkOperation> parts = [];
        _inGroup = true;
        for (int count = _random.Next(2, 7); parts.Count < count;)
        {
            (string Kind, double Weight)[] possible = [.. _weights.Where(w => w.Kind is not ("flush" or "tail" or "open" or "close" or "group" or "abandon"))];
            double point = _random.NextDouble() * possible.Sum(w => w.Weight);
            string kind = possible.First(w => (point -= w.Weight) < 0 || w == possible[^1]).Kind;
            if (Make(kind, fork) is not WorkOperation part)
                continue;
            part.Do(fork);
            fork.Commit();
            parts.Add(part);
        }
        _inGroup = false;
        return parts;
    }

    private Fallocate? MakeFallocate(string kind, string path, long size)
    {
        if (kind is "insert" or "collapse")
        {
            long blocks = size / _blockSize, at = blocks == 0 ? 0 : _random.NextInt64(blocks), count = 1 + _random.Next(6);
            return blocks == 0 || size > LargeFile || (kind == "collapse" && (at + count) * _blockSize >= size) ? null
                : new Fallocate(path, kind == "insert" ? FallocateMode.InsertRange : FallocateMode.CollapseRange, at * _blockSize, count * _blockSize);
        }
        FallocateMode keep = _random.Next(2) == 0 ? FallocateMode.KeepSize : 0;
        return new Fallocate(path, kind switch
        {
            "allocate" => keep,
            "punch" => FallocateMode.PunchHole | FallocateMode.KeepSize,
            "zero" => FallocateMode.ZeroRange | keep,
            _ => FallocateMode.UnshareRange | keep,
        }, Place(_random.NextInt64(size + 1)), Math.Max(1, Place(Length())));
    }

    private ExchangeRange? MakeExchange(List<(string Path, int Inode, ModelFile File)> files)
    {
        (string one, int first, ModelFile a) = Pick(files);
        (string other, int second, ModelFile b) = Pick(files);
        if (first != second && _random.Next(2) == 0 && Math.Max(a.Size, b.Size) > 0) return new ExchangeRange(one, 0, other, 0, null);
        long blocks = Math.Min(a.Size, b.Size) / _blockSize;
        if (blocks == 0) return null;
        long count = 1 + _random.NextInt64(Math.Min(blocks, 16));
        long from = _random.NextInt64(a.Size / _blockSize - count + 1), to = _random.NextInt64(b.Size / _blockSize - count + 1);
        if (first == second && from < to + count && to < from + count) return null;
        return new ExchangeRange(one, from * _blockSize, other, to * _blockSize, count * _blockSize);
    }

    private Rename? MakeRename(List<(string Path, int Inode, ModelNode Node)> all, List<string> directories)
    {
        (string from, int inode, ModelNode node) = Pick(all);
        List<(string Path, int Inode, ModelNode Node)> targets = node is ModelDirectory
            ? [.. all.Where(e => e.Node is ModelDirectory { Entries.IsEmpty: true })]
            : [.. all.Where(e => e.Node is not ModelDirectory)];
        string to = _random.Next(2) == 0 && targets.Count > 0
            ? Pick(targets).Path
            : NewPath([.. directories.Where(d => !Inside(d, from))]);
        return Inside(to, from) || Inside(from, to) ? null : new Rename(from, to);
    }

    private static bool Inside(string path, string folder) => path == folder || path.StartsWith(folder + "/", StringComparison.Ordinal);

    private CloneRange? MakeClone(List<(string Path, int Inode, ModelFile File)> files)
    {
        (string from, int source, ModelFile a) = Pick(files);
        (string to, int target, ModelFile b) = Pick(files);
        if (a.Size == 0)
            return null;
        bool same = source == target;
        // Whole files, ends included, where the target has nothing behind that end.
        if (!same && a.Size >= b.Size && _random.Next(2) == 0)
            return new CloneRange(from, 0, to, 0, a.Size);
        long blocks = a.Size / _blockSize;
        if (blocks == 0)
            return null;
        long start = _random.NextInt64(blocks), count = 1 + _random.NextInt64(Math.Min(blocks - start, 64));
        long at = _random.NextInt64(b.Size / _blockSize + 4);
        if (same && at < start + count && start < at + count)
            return null;
        return new CloneRange(from, start * _blockSize, to, at * _blockSize, count * _blockSize);
    }

    private Dedupe? MakeDedupe(List<(string Path, int Inode, ModelFile File)> files, Model model)
    {
        // Of a few random pairs the first whose contents are equal, otherwise whatever came last.
        Dedupe? candidate = null;
        for (int attempt = 0; attempt < 6; attempt++)
        {
            (string from, int source, ModelFile a) = Pick(files);
            (string to, int target, ModelFile b) = Pick(files);
            long blocks = Math.Min(a.Size, b.Size) / _blockSize;
            if (blocks == 0 || source == target)
                continue;
            long start = _random.NextInt64(blocks), count = 1 + _random.NextInt64(Math.Min(blocks - start, 32));
            candidate = new Dedupe(from, start * _blockSize, to, start * _blockSize, count * _blockSize);
            if (model.Read(source).AsSpan((int)candidate.Offset, (int)candidate.Length)
                .SequenceEqual(model.Read(target).AsSpan((int)candidate.Offset, (int)candidate.Length)))
                return candidate;
        }
        return candidate;
    }

    /// <summary>Only files and directories have user.* attributes.</summary>
    private string NewAttribute(ModelNode node) =>
        $"{(_random.Next(node is ModelFile or ModelDirectory ? 3 : 2) switch { 0 => "trusted", 1 => "security", _ => "user" })}.{_prefix}{_random.Next(20)}{new string('-', _random.Next(40))}";

    /// <summary>In the inode, in a block, in blocks of its own.</summary>
    private int ValueLength() => _random.Next(10) switch
    {
        < 4 => _random.Next(80),
        < 7 => _random.Next(1500),
        < 9 => _random.Next(10_000),
        _ => _random.Next(65537),
    };

    private string NewPath(List<string> directories)
    {
        string name = $"{_prefix}{_nextName++}" + (_random.Next(4) == 0 ? new string('-', _random.Next(60)) : "");
        int pick = _random.Next(directories.Count + 2);
        return pick >= directories.Count ? name : $"{directories[pick]}/{name}";
    }

    private long Place(long offset) => _random.Next(4) == 0 == _alignedMostly ? offset : offset / _blockSize * _blockSize;

    private int Length() => _random.Next(10) switch
    {
        < 3 => _random.Next(1, 2_000),
        < 6 => _random.Next(1, 9) * _blockSize,
        < 9 => _random.Next(1, 50_000),
        _ => _random.Next(1, 200_000),
    };

    private T Pick<T>(List<T> list) => list[_random.Next(list.Count)];
}
