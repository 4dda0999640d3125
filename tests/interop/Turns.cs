using System.Globalization;
using ImageFs.Tests.Fixtures;

namespace ImageFs.Tests.Interop;

/// <summary>What a workload can do to a tree; implemented by the library and by a kernel mount.</summary>
internal interface ITree
{
    void Directory(string path);
    void Write(string path, long offset, byte[] data);
    void Truncate(string path, long length);
    void Clone(string from, string to);
    void Rename(string from, string to);
    void Delete(string path);
    void DeleteDirectory(string path);
    void Symlink(string path, string target);
    void Link(string path, string existing);
    void SetMode(string path, int mode);
}

/// <summary>The library as a tree.</summary>
internal sealed class LibraryTree(FileSystem fs) : ITree
{
    public void Directory(string path) => fs.CreateDirectory(path);

    public void Write(string path, long offset, byte[] data)
    {
        using XfsFile file = fs.Exists(path) ? fs.OpenFile(path, write: true) : fs.CreateFile(path);
        file.Write(offset, data);
    }

    public void Truncate(string path, long length)
    {
        using XfsFile file = fs.OpenFile(path, write: true);
        file.SetLength(length);
    }

    public void Clone(string from, string to) => fs.Clone(from, to);
    public void Rename(string from, string to) => fs.Rename(from, to);
    public void Delete(string path) => fs.DeleteFile(path);
    public void DeleteDirectory(string path) => fs.DeleteDirectory(path);
    public void Symlink(string path, string target) => fs.CreateSymbolicLink(path, target);
    public void Link(string path, string existing) => fs.CreateHardLink(path, existing);
    public void SetMode(string path, int mode) => fs.SetAttributes(path, mode: (ushort)mode);
}

/// <summary>A kernel mount as a tree.</summary>
internal sealed class KernelTree(KernelMount mount) : ITree
{
    public void Directory(string path) => System.IO.Directory.CreateDirectory(mount[path]);

    public void Write(string path, long offset, byte[] data)
    {
        using Microsoft.Win32.SafeHandles.SafeFileHandle file = File.OpenHandle(mount[path], FileMode.OpenOrCreate, FileAccess.Write);
        RandomAccess.Write(file, data, offset);
    }

    public void Truncate(string path, long length)
    {
        using FileStream file = File.OpenWrite(mount[path]);
        file.SetLength(length);
    }

    public void Clone(string from, string to)
    {
        Shell.Run("cp", "--reflink=always", mount[from], mount[to]).MustSucceed();
        // cp applies the umask; a clone of ours keeps the permission bits.
        if (!OperatingSystem.IsWindows()) File.SetUnixFileMode(mount[to], File.GetUnixFileMode(mount[from]));
    }

    public void Rename(string from, string to)
    {
        if (System.IO.Directory.Exists(mount[from])) System.IO.Directory.Move(mount[from], mount[to]);
        else File.Move(mount[from], mount[to], overwrite: true);
    }
    public void Delete(string path) => File.Delete(mount[path]);
    public void DeleteDirectory(string path) => System.IO.Directory.Delete(mount[path]);
    public void Symlink(string path, string target) => File.CreateSymbolicLink(mount[path], target);
    public void Link(string path, string existing) => Shell.Run("ln", mount[existing], mount[path]).MustSucceed();
    public void SetMode(string path, int mode)
    {
        if (!OperatingSystem.IsWindows()) File.SetUnixFileMode(mount[path], (UnixFileMode)mode);
    }
}

/// <summary>Random changes to a tree, the same for the same seed; knows what exists, so that every step is legal.</summary>
internal sealed class RandomTurn
{
    private readonly Random _random;
    private readonly bool _reflink;
    private readonly List<string> _files = [], _directories = [""];
    private readonly HashSet<string> _linked = [];
    private int _next;

    public RandomTurn(int seed, bool reflink)
    {
        _random = new Random(seed);
        _reflink = reflink;
    }

    /// <summary>Fills a directory through several of its forms, and empties most of it again.</summary>
    public void ManyNames(ITree tree, int names)
    {
        string place = $"/many{_next++}";
        tree.Directory(place);
        string[] made = [.. Enumerable.Range(0, names).Select(i => $"{place}/{i}-{new string('m', _random.Next(60))}")];
        foreach (string name in made) tree.Symlink(name, "x");
        _random.Shuffle(made);
        foreach (string name in made.AsSpan(names / 10)) tree.Delete(name);
    }

    /// <summary>Makes that many changes.</summary>
    public void Run(ITree tree, int steps)
    {
        // A directory per turn and group: the allocator puts each into another group.
        for (int i = 0; i < 6; i++) MakeDirectory(tree, "");
        for (int step = 0; step < steps; step++) Step(tree);
    }

    private void Step(ITree tree)
    {
        int what = _random.Next(100);
        if (_files.Count < 5 || what < 25) Write(tree, NewName("f"), isNew: true);
        else if (what < 45) Write(tree, Any(_files), isNew: false);
        else if (what < 52) tree.Truncate(Any(_files), _random.Next(200_000));
        else if (what < 64 && _reflink)
        {
            string copy = NewName("c");
            tree.Clone(Any(_files), copy);
            _files.Add(copy);
        }
        else if (what < 74)
        {
            string from = Any(_files), to = _random.Next(3) == 0 ? Any(_files) : NewName("r");
            if (from == to || Linked(from, to)) return;
            tree.Rename(from, to);
            _files.Remove(to);
            _files[_files.IndexOf(from)] = to;
        }
        else if (what < 90) Delete(tree);
        else if (what < 93) MakeDirectory(tree, Any(_directories));
        else if (what < 96) tree.Symlink(NewName("s"), new string('t', _random.Next(1, 900)));
        else
        {
            string link = NewName("l");
            string existing = Any(_files);
            tree.Link(link, existing);
            _files.Add(link);
            _linked.Add(link);
            _linked.Add(existing);
            if (_random.Next(2) == 0) tree.SetMode(link, _random.Next(512));
        }
    }

    /// <summary>Renaming one name of a file over another name of it does nothing: left out, the bookkeeping here cannot tell.</summary>
    private bool Linked(string from, string to) => _linked.Contains(from) && _linked.Contains(to);

    private void Delete(ITree tree)
    {
        string file = Any(_files);
        tree.Delete(file);
        _files.Remove(file);
    }

    private void MakeDirectory(ITree tree, string parent)
    {
        string path = $"{parent}/d{_next++}";
        tree.Directory(path);
        _directories.Add(path);
    }

    private void Write(ITree tree, string path, bool isNew)
    {
        byte[] data = new byte[_random.Next(4) switch { 0 => _random.Next(1, 300), 1 => 4096, 2 => _random.Next(1, 20_000), _ => _random.Next(1, 150_000) }];
        _random.NextBytes(data);
        tree.Write(path, _random.Next(3) == 0 ? 0 : _random.Next(300_000), data);
        if (isNew) _files.Add(path);
    }

    private string NewName(string kind) => string.Create(CultureInfo.InvariantCulture, $"{Any(_directories)}/{kind}{_next++}-{new string('n', _random.Next(30))}");

    private string Any(List<string> list) => list[_random.Next(list.Count)];
}
