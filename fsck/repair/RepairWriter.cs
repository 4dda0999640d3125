using ImageFs.Devices;
using ImageFs.Format;

namespace ImageFs.Fsck;

/// <summary>Brings a repaired view onto the image.</summary>
/// <remarks>
/// The order makes an interruption harmless. What is overwritten is kept first, if that was asked for. Then the superblock says
/// that a repair was begun: no kernel mounts the image from here on, and the next repair starts over. Everything else follows,
/// the log after what it used to protect; the flag goes last.
/// <code>
///   undo, flush | NEEDSREPAIR, flush | blocks, flush | log, flush | superblock without NEEDSREPAIR, flush
/// </code>
/// </remarks>
internal sealed class RepairWriter(BlockDevice image, RepairView view, RepairPlan plan)
{
    public void Apply(string? undoFile)
    {
        if (plan.Changes.Count == 0) return;
        Geometry g = view.Geometry;
        if (undoFile is not null) UndoLog.Write(undoFile, image, plan);
        byte[] superblock = view.Read(0, g.SectorSize), marked = (byte[])superblock.Clone();
        ref Superblock sb = ref Superblock.At(marked.AsSpan());
        sb.FeaturesIncompat = sb.FeaturesIncompat | (uint)IncompatFeatures.NeedsRepair;
        Crc32c.Stamp(marked, Superblock.CrcOffset);
        image.Write(0, marked);
        image.Flush();

        long logEnd = g.LogOffset + g.LogBytes;
        foreach ((long offset, ReadOnlyMemory<byte> bytes, _) in view.Device.Changes())
        {
            if (offset >= g.LogOffset && offset < logEnd) continue;
            int skip = offset == 0 ? g.SectorSize : 0;
            if (skip < bytes.Length) image.Write(offset + skip, bytes.Span[skip..]);
        }
        image.Flush();
        foreach ((long offset, ReadOnlyMemory<byte> bytes, _) in view.Device.Changes())
            if (offset >= g.LogOffset && offset < logEnd) image.Write(offset, bytes.Span);
        image.Flush();
        image.Write(0, superblock);
        image.Flush();
    }
}
