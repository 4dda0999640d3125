using ImageFs.Devices;

namespace ImageFs.Tests.Simulation;

/// <summary>The plug was pulled: from now on the device answers nothing else.</summary>
/// <remarks>No IOException: it stands for the death of the process, which no error handling in the library sees.</remarks>
internal sealed class PowerCutException(long step) : Exception($"the power was cut at step {step}")
{
    public long Step { get; } = step;
}

/// <summary>What can go wrong on a device that lives on.</summary>
internal enum Operation { Read, Write, Flush }

/// <summary>What a device was told: bytes to write, in whole sectors, or (without bytes) to flush.</summary>
internal sealed record DeviceStep(long Offset, byte[]? Data)
{
    public static readonly DeviceStep Flush = new(0, null);

    public bool IsFlush => Data is null;
}

/// <summary>
/// A disk with a volatile cache. Reads see everything written; what survives a power cut is everything before the last
/// flush and of the writes since then whatever <see cref="Survival"/> picks.
/// </summary>
/// <remarks>
/// Writes and flushes are numbered from 1. The same calls get the same numbers, so a cut or a fault can be ordered by number,
/// and the recorded history serves to visit every cut without running the calls again.
/// </remarks>
internal sealed class SimulatedDevice : BlockDevice
{
    public const int Sector = 512;

    private readonly Lock _lock = new();
    private readonly PagedImage _working;
    private PagedImage _durable;
    private readonly List<DeviceStep> _pending = [];
    private readonly List<DeviceStep>? _history;
    private readonly Dictionary<(Operation, long), (bool ForEver, int Errno)> _faults = [];
    private readonly long[] _calls = new long[3];
    private long _cutAt = long.MaxValue;

    /// <summary>Puts a disk around an image; the image itself is not changed.</summary>
    /// <param name="record">Keep every step for <see cref="History"/>.</param>
    public SimulatedDevice(PagedImage image, bool record = false)
    {
        _working = image.Copy();
        _durable = image.Copy();
        _history = record ? [] : null;
    }

    public override long Length => _working.Length;
    public override bool CanWrite => true;

    /// <summary>Writes and flushes so far.</summary>
    public long Steps { get; private set; }

    /// <summary>True once the power is gone.</summary>
    public bool IsDead { get; private set; }

    /// <summary>Every step so far, if recording.</summary>
    public IReadOnlyList<DeviceStep> History => _history ?? throw new InvalidOperationException("not recording");

    /// <summary>The writes the last flush did not cover, oldest first.</summary>
    public IReadOnlyList<DeviceStep> Pending => _pending;

    /// <summary>What has survived for certain.</summary>
    public PagedImage Durable => _durable;

    /// <summary>
    /// Cuts the power in the middle of a step: of a write, which is then one of those that may survive in part, or of a
    /// flush, which then has made nothing durable.
    /// </summary>
    public void CutPowerAt(long step) => _cutAt = step;

    /// <summary>The n-th call of a kind from the beginning fails, or every one from the n-th on.</summary>
    /// <param name="errno">EIO, or ENOSPC as a host says that has no room for the image.</param>
    public void Fail(Operation operation, long n, bool forEver = false, int errno = Errno.EIO) => _faults[(operation, n)] = (forEver, errno);

    /// <summary>True once a call has failed as ordered.</summary>
    public bool HasFailed { get; private set; }

    /// <summary>Calls of a kind so far.</summary>
    public long Calls(Operation operation) => _calls[(int)operation];

    /// <summary>What is on the disk if everything in the cache gets there.</summary>
    public PagedImage Working
    {
        get
        {
            lock (_lock)
                return _working.Copy();
        }
    }

    public override void Read(long offset, Span<byte> destination)
    {
        CheckRange(offset, destination.Length);
        lock (_lock)
        {
            CheckPower();
            CheckFault(Operation.Read);
            _working.Read(offset, destination);
        }
    }

    public override void Write(long offset, ReadOnlySpan<byte> source)
    {
        CheckRange(offset, source.Length);
        lock (_lock)
        {
            CheckPower();
            CheckFault(Operation.Write);
            if (source.IsEmpty)
                return;
            _working.Write(offset, source);
            NoteWrite(offset, source.Length);
        }
    }

    public override void Zero(long offset, long length)
    {
        CheckRange(offset, length);
        lock (_lock)
        {
            CheckPower();
            CheckFault(Operation.Write);
            if (length == 0)
                return;
            _working.Zero(offset, length);
            NoteWrite(offset, length);
        }
    }

    public override void Flush()
    {
        lock (_lock)
        {
            CheckPower();
            CheckFault(Operation.Flush);
            Step(DeviceStep.Flush);
            _durable = _working.Copy();
            _pending.Clear();
        }
    }

    // A disk writes sectors: one that was changed in part goes out as it stands in the cache at this moment.
    private void NoteWrite(long offset, long length)
    {
        long start = offset & -Sector, end = Math.Min(Length, (offset + length + Sector - 1) & -Sector);
        byte[] data = new byte[checked((int)(end - start))];
        _working.Read(start, data);
        DeviceStep write = new(start, data);
        _pending.Add(write);
        Step(write);
    }

    private void Step(DeviceStep step)
    {
        Steps++;
        _history?.Add(step);
        if (Steps < _cutAt)
            return;
        IsDead = true;
        throw new PowerCutException(Steps);
    }

    private void CheckPower()
    {
        if (IsDead)
            throw new PowerCutException(Steps);
    }

    private void CheckFault(Operation operation)
    {
        long n = ++_calls[(int)operation];
        foreach (((Operation kind, long first), (bool forEver, int errno)) in _faults)
            if (kind == operation && (n == first || (forEver && n > first)))
            {
                HasFailed = true;
                throw new XfsException(errno, $"simulated device: {operation.ToString().ToLowerInvariant()} number {n} fails as ordered");
            }
    }
}
