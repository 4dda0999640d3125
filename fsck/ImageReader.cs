using ImageFs.Devices;
using ImageFs.Format;
using Microsoft.Win32.SafeHandles;

namespace ImageFs.Fsck;

/// <summary>An image file that is only read. A check needs no lock: what changes under it shows up as findings.</summary>
internal sealed class ImageReader(string path) : BlockDevice
{
    private readonly SafeFileHandle _file = File.OpenHandle(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);

    public override long Length => RandomAccess.GetLength(_file);
    public override bool CanWrite => false;

    public override void Read(long offset, Span<byte> destination)
    {
        while (!destination.IsEmpty)
        {
            int count = RandomAccess.Read(_file, destination, offset);
            if (count <= 0) throw new XfsException(Errno.EIO, $"the image ends at {offset}");
            destination = destination[count..];
            offset += count;
        }
    }

    public override void Write(long offset, ReadOnlySpan<byte> source) => throw new XfsException(Errno.EROFS, "device: opened for reading only");
    public override void Flush() { }

    protected override void Dispose(bool disposing)
    {
        if (disposing) _file.Dispose();
    }
}
