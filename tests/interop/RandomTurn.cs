using System.Globalization;
using System.Runtime.InteropServices;
using ImageFs.Attributes;
using ImageFs.Devices;
using ImageFs.Format;

namespace ImageFs.Tests.Interop;

/// <summary>What a random workload may meet.</summary>
/// <param name="Place">The directory it works below; empty for the root.</param>
/// <param name="BlockSize">Of the file system.</param>
/// <param name="Reflink">Whether it can share blocks.</param>
/// <param name="Exchange">Whether it can exchange ranges.</param>
/// <param name="Small">Leave out what takes much room.</param>
/// <param name="Flushes">Flush a file now and then.</param>
internal readonly record struct TurnOptions(string Place, int BlockSize, bool Reflink, bool Exchange, bool Small = false, bool Flushes = false)
{
    /// <summary>For the root of an image.</summary>
    public static TurnOptions Of(string image)
    {
        using FileDevice device = FileDevice.Open(image, DeviceAccess.Read);
        return Of(Volume.ReadSuperblock(device));
    }

    public static TurnOptions Of(Geometry geometry) =>
        new("", geometry.BlockSize, geometry.HasReflink, geometry.Superblock.Has(IncompatFeatures.ExchangeRange));
}

/// <summary>
/// Random changes to a tree, the same for the same seed: names of every kind, contents, ranges, sharing, attributes, ACLs, flags. It
/// keeps track of what exists, so that most calls can succeed; of those that cannot the error number counts.
/// </summary>
internal sealed partial class RandomTurn
{
    private readonly Random _random;
    private readonly TurnOptions _options;
    private readonly IReadOnlyList<(int Error, long Told)>? _expected;
    private readonly List<(int Error, long Told)> _results = [];
    private readonly SortedDictionary<string, (int Done, int Failed)> _counts = new(StringComparer.Ordinal);
    private int _next;

    /// <param name="expected">What each call must return: the results of another run of the same seed.</param>
    public RandomTurn(int seed, TurnOptions options, IReadOnlyList<(int Error, long Told)>? expected = null)
    {
        _random = new Random(seed);
        _options = options;
        _expected = expected;
        _root = new Node { Kind = 'd' };
        _names.Add(options.Place, _root);
    }

    /// <summary>The error number of each call so far, and the number that some return besides.</summary>
    public IReadOnlyList<(int Error, long Told)> Results => _results;

    /// <summary>Calls by kind, and how many of them were refused.</summary>
    public string Summary => $"{_results.Count} operations, {_results.Count(r => r.Error != 0)} of them refused: "
        + string.Join(", ", _counts.Select(c => c.Value.Failed == 0 ? $"{c.Value.Done} {c.Key}" : $"{c.Value.Done}+{c.Value.Failed} {c.Key}"));

    /// <summary>Makes that many changes.</summary>
    public void Run(ITree tree, int steps)
    {
        // A directory per turn and group: the allocator puts each into another group.
        for (int i = 0; i < 6; i++) MakeDirectory(tree, _options.Place);
        for (int step = 0; step < steps; step++) Step(tree);
        foreach (string path in _locked.ToArray()) Unlock(tree, path);
    }

    /// <summary>Makes changes until that is over, or the file system is gone.</summary>
    public void RunUntil(ITree tree, Func<bool> done)
    {
        for (int i = 0; i < 3; i++) MakeDirectory(tree, _options.Place);
        while (!done() && _results[^1].Error != Errno.EIO) Step(tree);
    }

    /// <summary>Fills a directory through several of its forms, and empties most of it again.</summary>
    public void ManyNames(ITree tree, int names)
    {
        string place = $"{_options.Place}/many{_next++}";
        Did("mkdir", tree.CreateDirectory(place, 0b111_101_101), place);
        string[] made = [.. Enumerable.Range(0, names).Select(i => $"{place}/{i}-{new string('m', _random.Next(60))}")];
        foreach (string name in made) Did("symlink", tree.CreateSymlink(name, "x"), name);
        _random.Shuffle(made);
        foreach (string name in made.AsSpan(names / 10)) Did("unlink", tree.Unlink(name), name);
    }

    private void Step(ITree tree)
    {
        if (_locked.Count > 0 && _random.Next(6) == 0)
        {
            Unlock(tree, _locked.ElementAt(_random.Next(_locked.Count)));
            return;
        }
        if (_files < 8)
        {
            Create(tree);
            return;
        }
        if (_options.Flushes && _random.Next(25) == 0)
        {
            string path = Any('f');
            Did("flush", tree.Flush(path), path);
        }
        switch (_random.Next(115))
        {
            case < 11: Create(tree); break;
            case < 22: Write(tree, Any('f')); break;
            case < 26: Truncate(tree); break;
            case < 30: Clone(tree); break;
            case < 33: CloneRange(tree); break;
            case < 36: Dedupe(tree); break;
            case < 44: Rename(tree); break;
            case < 57: Unlink(tree); break;
            case < 59: RemoveDirectory(tree); break;
            case < 62: MakeDirectory(tree, Any('d')); break;
            case < 65: MakeSymlink(tree); break;
            case < 68: MakeNode(tree); break;
            case < 72: Link(tree); break;
            case < 75: SetMode(tree); break;
            case < 77: SetOwner(tree); break;
            case < 80: SetTimes(tree); break;
            case < 91: SetAttribute(tree); break;
            case < 94: RemoveAttribute(tree); break;
            case < 97: SetAcl(tree); break;
            case < 100: SetFlags(tree); break;
            case < 110: Fallocate(tree); break;
            case < 113: Copy(tree); break;
            // The library needs no feature for it, the kernel does.
            default:
                if (_options.Exchange) Exchange(tree);
                else Fallocate(tree);
                break;
        }
    }

    /// <summary>Notes a result and holds it against the expected one.</summary>
    /// <param name="told">What the call returned, if it did.</param>
    /// <returns>True if the call succeeded.</returns>
    private bool Did(string kind, int error, string what, long told = 0)
    {
        if (_expected is not null && _expected[_results.Count] != (error, told))
            Assert.Fail($"call {_results.Count}, {kind} {what}: error {error}, {told}, expected {_expected[_results.Count]}");
        _results.Add((error, told));
        (int done, int failed) = _counts.GetValueOrDefault(kind);
        _counts[kind] = error == 0 ? (done + 1, failed) : (done, failed + 1);
        return error == 0;
    }

    // ---- contents -------------------------------------------------------------------------------------------------

    private void Create(ITree tree)
    {
        string path = NewName("f");
        if (!Did("create", tree.CreateFile(path, CreationMode()), path)) return;
        Add(path, new Node { Kind = 'f' });
        Write(tree, path);
    }

    private void Write(ITree tree, string path)
    {
        byte[] data = new byte[_random.Next(5) switch
        {
            0 => _random.Next(1, 300),
            1 => _options.BlockSize,
            2 or 3 => _random.Next(1, 20_000),
            _ => _random.Next(1, _options.Small ? 30_000 : 150_000),
        }];
        // Cheaper than NextBytes, and different from word to word.
        ulong word = (ulong)_random.NextInt64();
        foreach (ref ulong place in MemoryMarshal.Cast<byte, ulong>(data.AsSpan())) place = word += 0x9E3779B97F4A7C15;
        data[^1] = (byte)word;
        Node node = _names[path];
        long offset = _random.Next(3) switch { 0 => 0, 1 => node.Size, _ => _random.Next(_options.Small ? 40_000 : 300_000) };
        if (!Did("write", tree.Write(path, offset, data), $"{path} {offset}+{data.Length}")) return;
        node.Size = Math.Max(node.Size, offset + data.Length);
        node.TimesSet = false;
    }

    private void Truncate(ITree tree)
    {
        string path = Any('f');
        long size = _names[path].Size;
        long length = _random.Next(4) switch { 0 => 0, 1 => _random.NextInt64(size + 1) / _options.BlockSize * _options.BlockSize, _ => _random.NextInt64(size + 50_000) };
        SetLength(tree, path, length);
    }

    private void Clone(ITree tree)
    {
        string from = Any('f'), to = NewName("c");
        if (!Did("create", tree.CreateFile(to, CreationMode()), to)) return;
        Node copy = new() { Kind = 'f' };
        Add(to, copy);
        if (Did("clone", tree.Clone(from, 0, to, 0, 0), $"{from} {to}")) copy.Size = _names[from].Size;
    }

    /// <summary>Blocks of a file to another place, now and then where that is not allowed.</summary>
    private void CloneRange(ITree tree)
    {
        string from = Any('f'), to = Any('f');
        long block = _options.BlockSize, blocks = _names[from].Size / block;
        long start = _random.NextInt64(blocks + 1), count = 1 + _random.NextInt64(Math.Max(1, blocks - start)), at = _random.NextInt64(_names[to].Size / block + 3);
        long offset = at * block + (_random.Next(20) == 0 ? 512 : 0);
        if (!Did("clone range", tree.Clone(from, start * block, to, offset, count * block), $"{from} {start * block}+{count * block} to {to} {offset}")) return;
        Node node = _names[to];
        node.Size = Math.Max(node.Size, offset + count * block);
        node.TimesSet = false;
    }

    private void Dedupe(ITree tree)
    {
        string from = Any('f'), to = Any('f');
        long block = _options.BlockSize, blocks = Math.Min(_names[from].Size, _names[to].Size) / block;
        if (_random.Next(2) == 0 && _options.Reflink)
        {
            // Bytes that are equal, in blocks that are not the same.
            string path = NewName("e");
            byte[] data = new byte[_options.BlockSize * _random.Next(1, 4)];
            data.AsSpan().Fill((byte)_random.Next(3));
            if (!Did("create", tree.CreateFile(path, CreationMode()), path)) return;
            Add(path, new Node { Kind = 'f' });
            foreach (string one in (string[])[path, from])
                if (Did("write", tree.Write(one, 0, data), one))
                {
                    _names[one].Size = Math.Max(_names[one].Size, data.Length);
                    _names[one].TimesSet = false;
                }
            (to, blocks) = (path, data.Length / block);
        }
        if (blocks == 0) return;
        long start = _random.NextInt64(blocks), count = 1 + _random.NextInt64(blocks - start);
        int error = tree.Dedupe(from, start * block, to, start * block, count * block, out bool same);
        if (Did("dedupe", error, $"{from} {to} {start * block}+{count * block}")) Did(same ? "dedupe equal" : "dedupe different", same ? 0 : Errno.EBADE, $"{from} {to}");
    }

    // ---- what is known of a file besides --------------------------------------------------------------------------

    private void SetMode(ITree tree)
    {
        string path = Any(node => node.Kind != 'l');
        Did("chmod", tree.SetMode(path, (ushort)(_random.Next(4) == 0 ? _random.Next(0x1000) : _random.Next(0x200))), path);
    }

    private void SetOwner(ITree tree)
    {
        string path = Any(_ => true);
        Did("chown", tree.SetOwner(path, (uint)_random.Next(3000), (uint)_random.Next(3000)), path);
    }

    private void SetTimes(ITree tree)
    {
        string path = Any(_ => true);
        // Within what 32 bits can hold: not every file system has larger times.
        Timestamp accessed = Time(), modified = Time();
        if (Did("utimens", tree.SetTimes(path, accessed, modified), path)) _names[path].TimesSet = true;

        Timestamp Time() => new(_random.Next(int.MinValue, int.MaxValue), (uint)_random.Next(1_000_000_000));
    }

    private void SetAttribute(ITree tree)
    {
        string path = Any(_ => true);
        Node node = _names[path];
        string name = node.Attributes.Count > 0 && _random.Next(3) > 0 ? node.Attributes[_random.Next(node.Attributes.Count)] : NewAttribute(node);
        byte[] value = new byte[_random.Next(24) switch
        {
            < 9 => _random.Next(40),
            < 15 => _random.Next(300),
            < 20 => _random.Next(2000),
            < 23 => _random.Next(8000),
            _ => _options.Small ? 3000 : _random.Next(4) == 0 ? 65536 : _random.Next(65536),
        }];
        value.AsSpan().Fill((byte)_random.Next(256));
        AttributeMode mode = _random.Next(4) == 0 ? (AttributeMode)_random.Next(3) : AttributeMode.Either;
        if (Did(value.Length > 3000 ? "large attribute" : "attribute", tree.SetAttribute(path, name, value, mode), $"{path} {name}, {value.Length} bytes, {mode}") && !node.Attributes.Contains(name))
            node.Attributes.Add(name);
    }

    private string NewAttribute(Node node)
    {
        string space = _random.Next(node.Kind is 'f' or 'd' || _random.Next(10) == 0 ? 3 : 2) switch { 0 => "trusted", 1 => "security", _ => "user" };
        int number = _random.Next(30);
        return string.Create(CultureInfo.InvariantCulture, $"{space}.{new string('x', number % 10 == 0 ? 200 : number)}{number}");
    }

    private void RemoveAttribute(ITree tree)
    {
        string path = Any(node => node.Attributes.Count > 0) is { Length: > 0 } some && _random.Next(10) > 0 ? some : Any(_ => true);
        Node node = _names[path];
        string name = node.Attributes.Count > 0 ? node.Attributes[_random.Next(node.Attributes.Count)] : NewAttribute(node);
        if (Did("remove attribute", tree.RemoveAttribute(path, name), $"{path} {name}")) node.Attributes.Remove(name);
    }

    private void SetAcl(ITree tree)
    {
        string path = Any(node => node.Kind != 'l' || _random.Next(20) == 0);
        bool isDefault = _names[path].Kind == 'd' && _random.Next(2) == 0 || _random.Next(30) == 0;
        string name = isDefault ? "system.posix_acl_default" : "system.posix_acl_access";
        if (_random.Next(4) == 0)
        {
            Did("remove ACL", tree.RemoveAttribute(path, name), $"{path} {name}");
            return;
        }
        List<AclEntry> entries = [new(AclTag.Owner, Permissions())];
        int users = _random.Next(4) == 0 ? 0 : _random.Next(8), groups = _random.Next(3);
        for (int i = 0; i < users; i++) entries.Add(new(AclTag.User, Permissions(), (uint)(i * 100 + _random.Next(100))));
        entries.Add(new(AclTag.OwningGroup, Permissions()));
        for (int i = 0; i < groups; i++) entries.Add(new(AclTag.Group, Permissions(), (uint)(i * 100 + _random.Next(100))));
        if (users + groups > 0) entries.Add(new(AclTag.Mask, Permissions()));
        entries.Add(new(AclTag.Other, Permissions()));
        Did("ACL", tree.SetAttribute(path, name, new PosixAcl(entries).ToBytes(), AttributeMode.Either), $"{path} {name}");

        ushort Permissions() => (ushort)_random.Next(8);
    }

    private void SetFlags(ITree tree)
    {
        const InodeFlags harmless = InodeFlags.NoAtime | InodeFlags.NoDump | InodeFlags.NoDefrag | InodeFlags.Sync;
        string path = Any(node => node.Kind == 'f' || node.Kind == 'd' && node != _root);
        if (path.Length == 0) return;
        Node node = _names[path];
        switch (_random.Next(8))
        {
            case 0:
                InodeFlags hold = _random.Next(2) == 0 ? InodeFlags.Immutable : InodeFlags.Append;
                if (Did("lock", tree.SetFlags(path, hold, InodeFlags.None), $"{path} {hold}")) _locked.Add(path);
                break;
            case 1:
                Did("project", tree.SetFlags(path, InodeFlags.None, InodeFlags.None, project: (uint)_random.Next(3)), path);
                break;
            case 2 when node.Kind == 'd':
                Did("inherit", tree.SetFlags(path, InodeFlags.ProjectInherit, InodeFlags.None, project: (uint)_random.Next(3)), path);
                break;
            case 3:
                uint size = (uint)(_random.Next(5) * _options.BlockSize);
                Did("extsize", tree.SetExtentSize(path, size), $"{path} {size}");
                break;
            case 4 when node.Kind == 'f':
                uint cow = (uint)(_random.Next(5) * _options.BlockSize);
                Did("cowextsize", tree.SetCowExtentSize(path, cow), $"{path} {cow}");
                break;
            case 5:
                Did("DAX flag", tree.SetFlags(path, InodeFlags.None, InodeFlags.None, dax: _random.Next(2) == 0), path);
                break;
            default:
                InodeFlags set = (InodeFlags)_random.Next(0x10000) & harmless;
                // Whoever writes a synchronous file waits for the log.
                if (_random.Next(4) > 0) set &= ~InodeFlags.Sync;
                Did("flags", tree.SetFlags(path, set, harmless & ~set), $"{path} {set}");
                break;
        }
    }

    private void Unlock(ITree tree, string path)
    {
        Did("unlock", tree.SetFlags(path, InodeFlags.None, InodeFlags.Immutable | InodeFlags.Append), path);
        _locked.Remove(path);
    }

    // The umask takes these bits away, and the library has none.
    private ushort CreationMode() => (ushort)(_random.Next(0x200) & 0b111_101_101);
}
