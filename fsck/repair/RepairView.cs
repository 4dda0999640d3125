using System.Buffers.Binary;
using ImageFs.Devices;
using ImageFs.Format;
using ImageFs.Journal;

namespace ImageFs.Fsck;

/// <summary>The image as it will be: every repair is made here, in memory, over an image that nobody touches.</summary>
/// <remarks>
/// Always true: what is written as metadata carries a right checksum and the LSN of the log's last record. Nothing in the log is
/// newer than that, so no replay, not even that of a repair that was interrupted, can undo it.
/// </remarks>
internal sealed class RepairView(BlockDevice image, MemoryBudget budget) : IDisposable
{
    /// <summary>Bounds the memory of all that is kept here.</summary>
    public MemoryBudget Budget { get; } = budget;

    /// <summary>What is repaired.</summary>
    public BlockDevice Image { get; } = image;

    /// <summary>The log begins anew, in a cycle of its own.</summary>
    public bool HasNewLog { get; set; }

    /// <summary>What the repaired image reads as. It leaves half of the room to what is put over it: a replay, or a volume at work.</summary>
    public OverlayDevice Device { get; } = new(image) { MostBytes = budget.ForChanges / 2 };

    /// <summary>Sizes as the repaired superblock has them; set once that is known.</summary>
    public Geometry Geometry { get; set; } = null!;

    /// <summary>Where the log ends: no metadata may carry a later LSN.</summary>
    public LogSequenceNumber Head { get; private set; }

    /// <summary>The LSN of everything that is written: that of the last record of the log.</summary>
    public LogSequenceNumber Lsn { get; private set; }

    /// <summary>Says where the log ends.</summary>
    public void SetLog(LogPosition position) => (Head, Lsn) = (position.HeadLsn, position.LastLsn);

    /// <summary>What somebody should know who uses the image again.</summary>
    public List<string> Notes { get; } = [];

    /// <summary>Why the writes that follow are made.</summary>
    public Remedy Purpose
    {
        set => (_stage ?? Device).Purpose = FindingCode.WordFor(value);
    }

    private const long MostCache = 64L << 20;
    private OverlayDevice? _stage;

    /// <summary>Lets the library work on the view as on any volume, and unmounts it: all of the work is done then, or none.</summary>
    /// <returns>Null, or why it could not be done.</returns>
    public string? TryOnVolume(Action<Volume> work)
    {
        try
        {
            using OverlayDevice stage = _stage = new OverlayDevice(Device) { MostBytes = Budget.ForChanges / 2, Purpose = Device.Purpose };
            using (Volume volume = Volume.Mount(stage, write: true, ownsDevice: false, cacheBytes: Math.Min(Budget.ForCache, MostCache))) work(volume);
            stage.Apply();
        }
        catch (XfsException e) when (e.Errno is not (Errno.EIO or Errno.ENOMEM))
        {
            return e.Message;
        }
        finally
        {
            _stage = null;
        }
        SetLog(LogScan.Find(new LogArea(Device, Geometry), Geometry));
        return null;
    }

    public byte[] Read(long offset, int length)
    {
        byte[] bytes = new byte[length];
        Device.Read(offset, bytes);
        return bytes;
    }

    /// <summary>Stamps LSN and checksum and writes a block.</summary>
    public void Write(BlockKind kind, long offset, Span<byte> block)
    {
        if (kind != BlockKind.AttrRemote) BinaryPrimitives.WriteUInt64BigEndian(block[kind.LsnOffset()..], Lsn.Value);
        Crc32c.Stamp(block, kind.CrcOffset());
        Device.Write(offset, block);
    }

    /// <summary>Byte offset of an inode.</summary>
    public long OffsetOf(InodeNumber number)
    {
        AgInode inside = Geometry.InodeInAg(number);
        return Geometry.ByteOffset(Geometry.AgOf(number), Geometry.BlockOf(inside)) + (long)(inside.Value & (uint)(Geometry.InodesPerBlock - 1)) * Geometry.InodeSize;
    }

    /// <summary>Stamps LSN and checksum and writes an inode.</summary>
    public void WriteInode(InodeNumber number, Span<byte> inode)
    {
        InodeCore.At(inode).Lsn = Lsn.Value;
        Crc32c.Stamp(inode, InodeCore.CrcOffset);
        Device.Write(OffsetOf(number), inode);
    }

    public void Dispose() => Device.Dispose();
}
