using ImageFs.Devices;

namespace ImageFs.Cli.Demo;

/// <summary>The plug was pulled: the device answers nothing any more.</summary>
/// <remarks>No IOException: it stands for the end of the program, which no error handling in the library gets to see.</remarks>
internal sealed class PowerCutException() : Exception("the power is gone");

/// <summary>A disk with a volatile cache and a plug that can be pulled in the middle of any write or flush.</summary>
/// <remarks>
/// Reads see everything written. What was flushed is on the disk; of what was written since, <see cref="Settle"/> decides by
/// chance what got there before the lights went out: all of a write, some of its sectors, or nothing, in no order.
/// </remarks>
internal sealed class PowerCutDevice(BlockDevice disk) : BlockDevice
{
    private const int Sector = 512;
    private readonly List<(long Offset, byte[] Data)> _cache = [];
    private OverlayDevice _view = new(disk);

    public override long Length => disk.Length;
    public override bool CanWrite => true;

    /// <summary>Writes and flushes so far.</summary>
    public long Steps { get; private set; }

    /// <summary>The step at which the power goes.</summary>
    public long CutAt { get; set; } = long.MaxValue;

    public bool IsDead { get; private set; }

    /// <summary>Writes no flush has covered.</summary>
    public int Unflushed => _cache.Count;

    public override void Read(long offset, Span<byte> destination)
    {
        if (IsDead) throw new PowerCutException();
        _view.Read(offset, destination);
    }

    public override void Write(long offset, ReadOnlySpan<byte> source)
    {
        CheckRange(offset, source.Length);
        if (IsDead) throw new PowerCutException();
        // The write the power fails in may still get there, in part: it joins the cache first.
        _cache.Add((offset, source.ToArray()));
        Step();
        _view.Write(offset, source);
    }

    public override void Flush()
    {
        if (IsDead) throw new PowerCutException();
        Step();
        foreach ((long offset, byte[] data) in _cache) disk.Write(offset, data);
        disk.Flush();
        _cache.Clear();
        _view = new OverlayDevice(disk);
    }

    /// <summary>Pulls the plug now.</summary>
    public void Cut() => IsDead = true;

    /// <summary>Brings to the disk what by chance got there.</summary>
    /// <returns>How many writes got there whole, in part, and not at all.</returns>
    public (int Whole, int Torn, int Lost) Settle(Random random)
    {
        (int whole, int torn, int lost) = (0, 0, 0);
        foreach ((long offset, byte[] data) in _cache)
        {
            int kept = 0, sectors = 0, fate = random.Next(3);
            for (int at = 0; at < data.Length; sectors++)
            {
                // Torn between sectors of the device, wherever in one the write begins.
                int piece = Math.Min(data.Length - at, Sector - (int)((offset + at) % Sector));
                if (fate == 0 || (fate == 1 && random.Next(2) == 0))
                {
                    disk.Write(offset + at, data.AsSpan(at, piece));
                    kept++;
                }
                at += piece;
            }
            if (kept == sectors) whole++;
            else if (kept > 0) torn++;
            else lost++;
        }
        _cache.Clear();
        disk.Flush();
        return (whole, torn, lost);
    }

    private void Step()
    {
        if (++Steps < CutAt) return;
        Cut();
        throw new PowerCutException();
    }
}
