namespace ImageFs.Tests.Simulation;

/// <summary>The calls a workload makes; paths have no leading slash.</summary>
internal interface IWorkTree : IDisposable
{
    void CreateFile(string path);
    void CreateDirectory(string path);
    void CreateSymlink(string path, string target);
    /// <param name="kind">c, b, p or s.</param>
    void CreateNode(string path, char kind, uint major, uint minor);
    void SetMode(string path, int mode);
    void SetAttribute(string path, string name, byte[] value);
    void RemoveAttribute(string path, string name);
    void Link(string path, string newPath);
    void Write(string path, long offset, ReadOnlySpan<byte> data);
    byte[] Read(string path, long offset, int length);
    byte[] ReadAll(string path);
    void SetLength(string path, long length);
    void Rename(string from, string to, RenameMode mode);
    void Unlink(string path);
    void RemoveDirectory(string path);
    void Clone(string from, long fromOffset, string path, long offset, long length);
    bool Dedupe(string from, long fromOffset, string path, long offset, long length);
    void AtomicWrite(string path, long offset, ReadOnlySpan<byte> data);
    void Atomically(Action work);
    void Fallocate(string path, FallocateMode mode, long offset, long length);
    void ExchangeRange(string one, long oneOffset, string other, long otherOffset, long? length);
    void Open(int handle, string path);
    void Write(int handle, long offset, ReadOnlySpan<byte> data);
    void Close(int handle);
    void Flush();
    void PushTail();

    /// <summary>Every name with what it stands for, contents included.</summary>
    Dictionary<string, ObservedEntry> Observe();
}
