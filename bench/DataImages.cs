using System.Diagnostics;
using ImageFs.Devices;
using Microsoft.Win32.SafeHandles;

namespace ImageFs.Bench;

/// <summary>Two images of the same size and making: one opened by the library through its mapping, one mounted by the kernel.</summary>
internal sealed class DataImages : IDisposable
{
    private readonly string _ours, _theirs;

    public DataImages(Options options, string size)
    {
        _ours = Path.Combine(options.Folder, $"imagefs-bench-{Environment.ProcessId}-a.img");
        _theirs = Path.Combine(options.Folder, $"imagefs-bench-{Environment.ProcessId}-b.img");
        SmallFiles.Make(_ours, size);
        SmallFiles.Make(_theirs, size);
        Device = MappedDevice.Open(_ours, DeviceAccess.Write);
        Fs = FileSystem.Open(Device, write: true);
        Mount = LoopMount.TryMount(_theirs);
    }

    public MappedDevice Device { get; }
    public FileSystem Fs { get; }

    /// <summary>Null where the kernel cannot be asked.</summary>
    public LoopMount? Mount { get; }

    /// <summary>A path below the mount.</summary>
    public string Theirs(string name) => Path.Combine(Mount!.Folder, name);

    /// <summary>Fills a file of both with the same random bytes.</summary>
    public void Fill(string name, long bytes, int seed = 1)
    {
        byte[] piece = new byte[8 << 20];
        Random random = new(seed);
        using XfsFile ours = Fs.CreateFile("/" + name);
        using SafeFileHandle? theirs = Mount is null ? null : File.OpenHandle(Theirs(name), FileMode.Create, FileAccess.Write);
        for (long at = 0; at < bytes; at += piece.Length)
        {
            random.NextBytes(piece);
            ours.Write(at, piece);
            if (theirs is not null) RandomAccess.Write(theirs, piece, at);
        }
        Fs.Flush();
        Mount?.Flush();
    }

    /// <summary>The one run of blocks a file lies in, as mapped memory.</summary>
    public ReadOnlySpan<byte> Raw(XfsFile file)
    {
        IReadOnlyList<FileExtent> extents = file.GetExtents();
        long length = 0;
        foreach (FileExtent extent in extents)
        {
            if (extent.Physical != extents[0].Physical + length) throw new InvalidOperationException("the file lies in pieces");
            length += extent.Length;
        }
        Device.TryGetSpan(extents[0].Physical, (int)length, out ReadOnlySpan<byte> span);
        return span;
    }

    public static double Seconds(Action work)
    {
        GC.Collect();
        Stopwatch watch = Stopwatch.StartNew();
        work();
        return watch.Elapsed.TotalSeconds;
    }

    public void Dispose()
    {
        Mount?.Dispose();
        Fs.Dispose();
        File.Delete(_ours);
        File.Delete(_theirs);
    }
}
