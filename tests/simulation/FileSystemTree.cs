using System.Text;
using ImageFs.Dax;
using ImageFs.Devices;
using ImageFs.Format;

namespace ImageFs.Tests.Simulation;

/// <summary>The library, called as its users call it.</summary>
internal sealed class FileSystemTree : IWorkTree
{
    private readonly FileSystem _fileSystem;
    private readonly Dictionary<int, XfsFile> _handles = [];
    private long _clock = 1_700_000_000;

    private FileSystemTree(FileSystem fileSystem)
    {
        _fileSystem = fileSystem;
        // Equal calls must make equal steps, times included.
        fileSystem.Clock = () => new Timestamp(_clock++, 0);
    }

    public static IWorkTree Open(BlockDevice device) => new FileSystemTree(FileSystem.Open(device, write: true, leaveOpen: true));

    /// <summary>With a checkpoint behind every transaction, so that a cut can fall between any two.</summary>
    public static IWorkTree OpenEager(BlockDevice device)
    {
        FileSystem fileSystem = FileSystem.Open(device, write: true, leaveOpen: true);
        fileSystem.Volume.Journal!.SoftLimit = 0;
        return new FileSystemTree(fileSystem);
    }

    /// <summary>To look at a file system that somebody else has opened.</summary>
    public static FileSystemTree Of(FileSystem fileSystem) => new(fileSystem);

    public void CreateFile(string path) => _fileSystem.CreateFile("/" + path, mustBeNew: true).Dispose();

    public void CreateDirectory(string path) => _fileSystem.CreateDirectory("/" + path);

    public void CreateSymlink(string path, string target) => _fileSystem.CreateSymbolicLink("/" + path, target);

    public void Link(string path, string newPath) => _fileSystem.CreateHardLink("/" + newPath, "/" + path);

    public void Write(string path, long offset, ReadOnlySpan<byte> data)
    {
        using XfsFile file = _fileSystem.OpenFile("/" + path, write: true);
        file.Write(offset, data);
    }

    public byte[] Read(string path, long offset, int length)
    {
        using XfsFile file = _fileSystem.OpenFile("/" + path);
        byte[] data = new byte[length];
        Assert.AreEqual(length, file.Read(offset, data), $"bytes of '{path}'");
        return data;
    }

    public byte[] ReadAll(string path)
    {
        using XfsFile file = _fileSystem.OpenFile("/" + path);
        return file.ReadAll();
    }

    public void SetLength(string path, long length)
    {
        using XfsFile file = _fileSystem.OpenFile("/" + path, write: true);
        file.SetLength(length);
    }

    public void Rename(string from, string to) => _fileSystem.Rename("/" + from, "/" + to);

    public void Exchange(string one, string other) => _fileSystem.Rename("/" + one, "/" + other, RenameMode.Exchange);

    public void Unlink(string path) => _fileSystem.DeleteFile("/" + path);

    public void RemoveDirectory(string path) => _fileSystem.DeleteDirectory("/" + path);

    public void Clone(string from, long fromOffset, string path, long offset, long length)
    {
        using XfsFile source = _fileSystem.OpenFile("/" + from), target = _fileSystem.OpenFile("/" + path, write: true);
        target.CloneRange(source, fromOffset, offset, length);
    }

    public bool Dedupe(string from, long fromOffset, string path, long offset, long length)
    {
        using XfsFile source = _fileSystem.OpenFile("/" + from), target = _fileSystem.OpenFile("/" + path, write: true);
        return target.DedupeRange(source, fromOffset, offset, length).Status == DedupeStatus.Same;
    }

    public void AtomicWrite(string path, long offset, ReadOnlySpan<byte> data)
    {
        using XfsFile file = _fileSystem.OpenFile("/" + path, write: true);
        file.AtomicWrite(offset, data);
    }

    public void Atomically(Action work) => _fileSystem.Atomically(_ => work());

    public void Fallocate(string path, FallocateMode mode, long offset, long length)
    {
        using XfsFile file = _fileSystem.OpenFile("/" + path, write: true);
        file.Fallocate(mode, offset, length);
    }

    public void ExchangeRange(string one, long oneOffset, string other, long otherOffset, long? length)
    {
        using XfsFile first = _fileSystem.OpenFile("/" + one, write: true), second = _fileSystem.OpenFile("/" + other, write: true);
        second.ExchangeRange(first, oneOffset, otherOffset, length ?? 0, length is null ? ExchangeOptions.ToEnd : ExchangeOptions.None);
    }

    public void Open(int handle, string path) => _handles.Add(handle, _fileSystem.OpenFile("/" + path, write: true));

    public void Write(int handle, long offset, ReadOnlySpan<byte> data) => _handles[handle].Write(offset, data);

    public void Close(int handle)
    {
        _handles.Remove(handle, out XfsFile? file);
        file!.Dispose();
    }

    public void Flush() => _fileSystem.Flush();

    public void PushTail()
    {
        _fileSystem.Flush();
        lock (_fileSystem.Volume.Gate)
            _fileSystem.Volume.Journal!.WriteBack();
    }

    public Dictionary<string, ObservedEntry> Observe()
    {
        Dictionary<string, ObservedEntry> found = [];
        Stack<string> open = new([""]);
        while (open.TryPop(out string? folder))
            foreach (DirectoryItem item in _fileSystem.List("/" + folder))
            {
                if (item.Name == CrashSubjects.Ballast)
                    continue;
                string path = folder.Length == 0 ? item.Name : $"{folder}/{item.Name}";
                Entry entry = _fileSystem.GetEntry("/" + path);
                if (entry.IsDirectory)
                {
                    found.Add(path, new ObservedEntry('d', 0, entry.LinkCount, []));
                    open.Push(path);
                }
                else if (entry.IsSymbolicLink)
                    found.Add(path, new ObservedEntry('l', entry.Length, entry.LinkCount, Encoding.UTF8.GetBytes(_fileSystem.ReadLink("/" + path))));
                else
                {
                    using XfsFile file = _fileSystem.OpenFile("/" + path);
                    found.Add(path, new ObservedEntry('f', entry.Length, entry.LinkCount, file.ReadAll()));
                }
            }
        return found;
    }

    public void Dispose() => _fileSystem.Dispose();
}
