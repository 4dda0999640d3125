using ImageFs.Devices;
using ImageFs.Format;

namespace ImageFs.Fsck;

/// <summary>Brings a repaired view onto the image.</summary>
/// <remarks>
/// The order makes an interruption harmless. What is overwritten is kept first, if that was asked for. Then the superblock says
/// that a repair was begun: no kernel mounts the image from here on, and the next repair starts over. Everything else follows,
/// the log after what it used to protect; the flag goes last, unless something is left that a mount would make worse.
/// <code>
///   undo, flush | NEEDSREPAIR, flush | length | blocks, flush | log, flush | superblock without NEEDSREPAIR, flush
///                                                            ^ if the log begins anew, the LSN of that joins NEEDSREPAIR first
/// </code>
/// </remarks>
internal sealed class RepairWriter(BlockDevice image, RepairView view, RepairPlan plan)
{
    private const int LongestWrite = 1 << 20;

    public void Apply(string? undoFile)
    {
        if (plan.IsEmpty) return;
        Geometry g = view.Geometry;
        if (undoFile is not null) UndoLog.Write(undoFile, image, plan);
        byte[] before = new byte[g.SectorSize], superblock = view.Read(0, g.SectorSize), marked = (byte[])superblock.Clone();
        image.Read(0, before);
        ref Superblock sb = ref Superblock.At(marked.AsSpan());
        sb.FeaturesIncompat = sb.FeaturesIncompat | (uint)IncompatFeatures.NeedsRepair;
        Crc32c.Stamp(marked, Superblock.CrcOffset);
        image.Write(0, marked);
        image.Flush();
        if (view.Device.Length > image.Length) MakeLonger(before);

        WriteChanges(inLog: false);
        image.Flush();
        if (view.HasNewLog)
        {
            // All that the old log says is in place now, and the new one may be torn: whoever goes on must not ask either.
            Superblock.At(marked.AsSpan()).Lsn = view.Lsn.Value;
            Crc32c.Stamp(marked, Superblock.CrcOffset);
            image.Write(0, marked);
            image.Flush();
        }
        WriteChanges(inLog: true);
        image.Flush();
        image.Write(0, superblock);
        image.Flush();
    }

    /// <summary>An image that was cut off gets the length it had; where that cannot be, it is as before.</summary>
    private void MakeLonger(byte[] before)
    {
        try
        {
            image.SetLength(view.Device.Length);
        }
        catch (XfsException)
        {
            image.Write(0, before);
            image.Flush();
            throw;
        }
    }

    /// <summary>Writes what changed inside or outside the log, neighbours together; the primary superblock goes by itself.</summary>
    private void WriteChanges(bool inLog)
    {
        Geometry g = view.Geometry;
        byte[] run = new byte[LongestWrite];
        long start = 0;
        int filled = 0;
        foreach ((long offset, ReadOnlyMemory<byte> bytes, _) in view.Device.Changes())
        {
            if ((offset >= g.LogOffset && offset < g.LogOffset + g.LogBytes) != inLog) continue;
            int skip = offset == 0 ? Math.Min(g.SectorSize, bytes.Length) : 0;
            if (filled > 0 && (offset != start + filled || filled + bytes.Length > run.Length))
            {
                image.Write(start, run.AsSpan(0, filled));
                filled = 0;
            }
            if (filled == 0) start = offset + skip;
            bytes.Span[skip..].CopyTo(run.AsSpan(filled));
            filled += bytes.Length - skip;
        }
        if (filled > 0) image.Write(start, run.AsSpan(0, filled));
    }
}
