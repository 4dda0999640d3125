using ImageFs.Devices;
using ImageFs.Tests.Fixtures;

namespace ImageFs.Tests.Simulation;

/// <summary>
/// An image file with a volatile cache, as <see cref="SimulatedDevice"/> is one in memory, whose pages can be mapped: what was
/// stored through mappings since the last flush is part of what a power cut may lose, page by page.
/// </summary>
internal sealed class LeasedDisk : BlockDevice
{
    private readonly TempImage _image;
    private readonly FileDevice _file;
    private readonly PagedImage _working;
    private readonly List<DeviceStep> _pending = [];
    private PagedImage _durable;

    public LeasedDisk(PagedImage start)
    {
        _image = TempImage.NotYetThere();
        start.Save(_image.Path);
        _file = FileDevice.Open(_image.Path, DeviceAccess.Write);
        _working = start.Copy();
        _durable = start.Copy();
    }

    /// <summary>Flushes that fail from now on.</summary>
    public int FailingFlushes { get; set; }

    public override long Length => _file.Length;
    public override bool CanWrite => true;

    public override void Read(long offset, Span<byte> destination) => _file.Read(offset, destination);

    public override void Write(long offset, ReadOnlySpan<byte> source)
    {
        _file.Write(offset, source);
        Note(offset, source.Length);
    }

    public override void Flush()
    {
        if (FailingFlushes > 0)
        {
            FailingFlushes--;
            throw new XfsException(Errno.EIO, "simulated device: a flush fails as ordered");
        }
        NoteStores();
        _durable = _working.Copy();
        _pending.Clear();
    }

    /// <summary>The disk after a power cut now.</summary>
    public PagedImage Cut(Survival survival, ByteRange log)
    {
        NoteStores();
        return survival.Apply(_durable, _pending, log);
    }

    internal override bool TryGetFile([System.Diagnostics.CodeAnalysis.NotNullWhen(true)] out FileDevice? file, out long offset)
    {
        (file, offset) = (_file, 0);
        return true;
    }

    protected override void Dispose(bool disposing)
    {
        _file.Dispose();
        _image.Dispose();
    }

    // What differs from everything written by calls was stored through a mapping.
    private void NoteStores()
    {
        byte[] piece = new byte[1 << 20], known = new byte[1 << 20];
        for (long at = 0; at < Length; at += piece.Length)
        {
            int bytes = (int)Math.Min(piece.Length, Length - at);
            _file.Read(at, piece.AsSpan(0, bytes));
            _working.Read(at, known.AsSpan(0, bytes));
            if (piece.AsSpan(0, bytes).SequenceEqual(known.AsSpan(0, bytes))) continue;
            for (int page = 0; page < bytes; page += PagedImage.PageSize)
                if (!piece.AsSpan(page, PagedImage.PageSize).SequenceEqual(known.AsSpan(page, PagedImage.PageSize))) Note(at + page, PagedImage.PageSize);
        }
    }

    private void Note(long offset, int length)
    {
        long start = offset & -SimulatedDevice.Sector, end = Math.Min(Length, (offset + length + SimulatedDevice.Sector - 1) & -SimulatedDevice.Sector);
        byte[] data = new byte[end - start];
        _file.Read(start, data);
        _working.Write(start, data);
        _pending.Add(new DeviceStep(start, data));
    }
}
