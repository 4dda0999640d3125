using ImageFs.Devices;
using ImageFs.Format;

namespace ImageFs.Fsck;

/// <summary>What distinguishes the repaired view from the image: runs of bytes, each with the reason it changes.</summary>
internal sealed class RepairPlan
{
    private const int LongestRun = 1 << 20;

    public RepairPlan(OverlayDevice view, BlockDevice image)
    {
        List<PlannedChange> changes = [];
        byte[] old = new byte[4096];
        long start = 0, length = 0;
        uint before = Crc32c.Seed, after = Crc32c.Seed;
        string code = "";
        foreach ((long offset, ReadOnlyMemory<byte> bytes, string? purpose) in view.Changes())
        {
            if (length > 0 && (offset != start + length || code != (purpose ?? "") || length >= LongestRun)) End();
            if (length == 0) (start, code) = (offset, purpose ?? "");
            int there = (int)Math.Clamp(image.Length - offset, 0, bytes.Length);
            if (there > 0) image.Read(offset, old.AsSpan(0, there));
            old.AsSpan(there).Clear();
            before = Crc32c.Append(before, old.AsSpan(0, bytes.Length));
            after = Crc32c.Append(after, bytes.Span);
            length += bytes.Length;
        }
        if (length > 0) End();
        (Changes, Length, IsEmpty) = (changes, view.Length, changes.Count == 0 && view.Length == image.Length);

        void End()
        {
            changes.Add(new PlannedChange(start, length, code, ~before, ~after));
            (length, before, after) = (0, Crc32c.Seed, Crc32c.Seed);
        }
    }

    public IReadOnlyList<PlannedChange> Changes { get; }

    /// <summary>True if the image is as it is to be.</summary>
    public bool IsEmpty { get; }

    /// <summary>Bytes the image will have.</summary>
    public long Length { get; }
}
