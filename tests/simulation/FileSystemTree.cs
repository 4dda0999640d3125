using System.Text;
using ImageFs.Dax;
using ImageFs.Devices;
using ImageFs.Format;
using ImageFs.Tests.Fixtures;

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

    public void CreateNode(string path, char kind, uint major, uint minor) =>
        _fileSystem.CreateNode("/" + path, kind switch { 'c' => FileMode16.CharDevice, 'b' => FileMode16.BlockDevice, 'p' => FileMode16.Fifo, _ => FileMode16.Socket },
            0b110_100_100, major, minor);

    public void SetMode(string path, int mode) => _fileSystem.SetAttributes("/" + path, mode: (ushort)mode, followLink: false);

    public void SetAttribute(string path, string name, byte[] value) => _fileSystem.SetAttribute("/" + path, name, value, followLink: false);

    public void RemoveAttribute(string path, string name) => _fileSystem.RemoveAttribute("/" + path, name, followLink: false);

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

    public void Rename(string from, string to, RenameMode mode) => _fileSystem.Rename("/" + from, "/" + to, mode);

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
                    open.Push(path);
                found.Add(path, new ObservedEntry(KindOf(entry.Type), entry.IsDirectory ? 0 : entry.Length, entry.LinkCount, Content(path, entry))
                {
                    Mode = entry.Mode & FileMode16.PermissionMask,
                    Attributes = _fileSystem.GetAttributes(entry.Inode).ToDictionary(a => Encoding.UTF8.GetString(a.Name), a => TreeListing.Digest(a.Value)),
                });
            }
        return found;
    }

    private byte[] Content(string path, Entry entry) => entry.Type switch
    {
        FileMode16.Directory => [],
        FileMode16.Symlink => Encoding.UTF8.GetBytes(_fileSystem.ReadLink("/" + path)),
        FileMode16.Regular => ReadAll(path),
        _ => Encoding.UTF8.GetBytes($"{entry.DeviceMajor}:{entry.DeviceMinor}"),
    };

    private static char KindOf(ushort type) => type switch
    {
        FileMode16.Regular => 'f', FileMode16.Directory => 'd', FileMode16.Symlink => 'l',
        FileMode16.CharDevice => 'c', FileMode16.BlockDevice => 'b', FileMode16.Fifo => 'p', _ => 's',
    };

    public void Dispose() => _fileSystem.Dispose();
}
