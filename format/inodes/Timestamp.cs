namespace ImageFs.Format;

/// <summary>Seconds since 1970 and nanoseconds; encodes to both on-disk forms.</summary>
/// <remarks>
/// bigtime: unsigned nanoseconds since 2^31 seconds before 1970. Legacy: signed 32-bit seconds, unsigned 32-bit nanoseconds.
/// </remarks>
/// <param name="Seconds">Seconds since 1970-01-01 UTC; may be negative.</param>
/// <param name="Nanoseconds">0..999,999,999.</param>
public readonly record struct Timestamp(long Seconds, uint Nanoseconds)
{
    /// <summary>Unix seconds of bigtime zero.</summary>
    public const long BigTimeEpoch = int.MinValue;
    /// <summary>Last second bigtime can hold.</summary>
    public const long BigTimeMax = 16299260424;

    /// <summary>The current time, to the 100 ns of the platform clock.</summary>
    public static Timestamp Now => From(DateTimeOffset.UtcNow);

    /// <summary>From a .NET instant.</summary>
    public static Timestamp From(DateTimeOffset time)
    {
        long ticks = time.UtcTicks - DateTime.UnixEpoch.Ticks;
        long seconds = Math.DivRem(ticks, TimeSpan.TicksPerSecond, out long rest);
        if (rest < 0) { seconds--; rest += TimeSpan.TicksPerSecond; }
        return new Timestamp(seconds, (uint)rest * 100);
    }

    /// <summary>Nanoseconds since 1970.</summary>
    public Int128 UnixNanoseconds => (Int128)Seconds * 1_000_000_000 + Nanoseconds;

    /// <summary>As a .NET instant (100 ns steps); clamped to what .NET can hold.</summary>
    public DateTimeOffset ToDateTimeOffset() =>
        DateTimeOffset.UnixEpoch.AddTicks(Math.Clamp(Seconds, -62135596800, 253402300799) * TimeSpan.TicksPerSecond + Nanoseconds / 100);

    /// <summary>Decodes the 64 bits as they stand in an inode.</summary>
    public static Timestamp Decode(ulong raw, bool bigTime)
    {
        if (!bigTime) return new Timestamp((int)(raw >> 32), (uint)raw);
        (ulong seconds, ulong rest) = Math.DivRem(raw, 1_000_000_000UL);
        return new Timestamp((long)seconds + BigTimeEpoch, (uint)rest);
    }

    /// <summary>Encodes for an inode; times outside the form's range are clamped, as the kernel does.</summary>
    public ulong Encode(bool bigTime)
    {
        if (!bigTime)
            return (ulong)(uint)(int)Math.Clamp(Seconds, int.MinValue, int.MaxValue) << 32 | Nanoseconds;
        long clamped = Math.Clamp(Seconds, BigTimeEpoch, BigTimeMax);
        return (ulong)(clamped - BigTimeEpoch) * 1_000_000_000 + (clamped == Seconds ? Nanoseconds : 0);
    }
}
