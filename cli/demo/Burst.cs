using ImageFs.Format;

namespace ImageFs.Cli.Demo;

/// <summary>Random changes in one directory, and a plain memory of what it held at the last flush.</summary>
/// <remarks>
/// Always true: a path in <see cref="Durable"/> that is not in <see cref="Touched"/> must have exactly these bytes after a
/// power cut, whatever happened to files that share blocks with it.
/// </remarks>
internal sealed class Burst(FileSystem fs, Random random, string directory)
{
    private const int LargestFile = 160 << 10, ChangesPerFlush = 20;
    private readonly List<string> _paths = [];
    private readonly Dictionary<string, byte[]> _now = [];
    private int _names;

    /// <summary>Contents at the last flush that returned.</summary>
    public IReadOnlyDictionary<string, byte[]> Durable { get; private set; } = new Dictionary<string, byte[]>();

    /// <summary>Paths changed since.</summary>
    public HashSet<string> Touched { get; } = [];

    /// <summary>Changes made, and flushes that returned.</summary>
    public int Changes { get; private set; }
    public int Flushes { get; private set; }

    /// <summary>Called after each flush.</summary>
    public Action? Flushed { get; init; }

    public void Run(int changes)
    {
        for (int i = 0; i < changes; i++)
        {
            Change();
            Changes++;
            if (i % ChangesPerFlush == ChangesPerFlush - 1) Flush();
        }
    }

    private void Flush()
    {
        fs.Flush();
        Durable = new Dictionary<string, byte[]>(_now);
        Touched.Clear();
        Flushes++;
        Flushed?.Invoke();
    }

    private void Change()
    {
        int kind = _paths.Count < 8 ? 0 : random.Next(12);
        if (kind < 4)
        {
            Create();
            return;
        }
        string path = _paths[random.Next(_paths.Count)];
        if (kind < 8) Overwrite(path);
        else if (kind < 10) Clone(path);
        else if (kind == 10) Rename(path);
        else Delete(path);
    }

    private void Create()
    {
        string path = NewName();
        byte[] bytes = Bytes(random.Next(1, LargestFile));
        Touched.Add(path);
        using XfsFile file = fs.CreateFile(path, mustBeNew: true);
        file.Write(0, bytes);
        Remember(path, bytes);
    }

    private void Overwrite(string path)
    {
        byte[] old = _now[path];
        int at = random.Next(old.Length);
        byte[] change = Bytes(random.Next(1, 40_000));
        Touched.Add(path);
        using XfsFile file = fs.OpenFile(path, write: true);
        file.Write(at, change);
        byte[] bytes = new byte[Math.Max(old.Length, at + change.Length)];
        old.CopyTo(bytes, 0);
        change.CopyTo(bytes, at);
        _now[path] = bytes;
    }

    private void Clone(string path)
    {
        string clone = NewName();
        Touched.Add(clone);
        fs.Clone(path, clone);
        Remember(clone, _now[path]);
    }

    private void Rename(string path)
    {
        string name = NewName();
        Touched.Add(path);
        Touched.Add(name);
        fs.Rename(path, name);
        Remember(name, _now[path]);
        Forget(path);
    }

    private void Delete(string path)
    {
        Touched.Add(path);
        fs.DeleteFile(path);
        Forget(path);
    }

    private void Remember(string path, byte[] bytes)
    {
        _paths.Add(path);
        _now[path] = bytes;
    }

    private void Forget(string path)
    {
        _paths.Remove(path);
        _now.Remove(path);
    }

    private string NewName() => ImagePath.Join(directory, $"file-{_names++:d4}");

    private byte[] Bytes(int length)
    {
        byte[] bytes = new byte[length];
        random.NextBytes(bytes);
        return bytes;
    }
}
