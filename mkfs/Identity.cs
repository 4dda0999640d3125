using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using ImageFs.Format;

namespace ImageFs.Mkfs;

/// <summary>What two file systems of one plan differ in: UUID, times and inode generations.</summary>
internal sealed class Identity
{
    private ulong state;

    /// <param name="plan">The plan; its UUID is used if it has one.</param>
    /// <param name="sourceDate">With a value nothing here is left to time or chance.</param>
    public Identity(MkfsPlan plan, DateTimeOffset? sourceDate)
    {
        Time = sourceDate is { } date ? Timestamp.From(date) with { Nanoseconds = 0 } : Timestamp.Now;
        Uuid = new Uuid(plan.Uuid ?? (sourceDate is null ? Guid.NewGuid() : Derived(plan, Time)));
        // Generations only have to differ between file systems, so that handles of an old one do not fit a new one.
        Span<byte> uuid = stackalloc byte[16];
        Uuid.CopyTo(uuid);
        state = BinaryPrimitives.ReadUInt64BigEndian(SHA256.HashData(uuid));
    }

    public Uuid Uuid { get; }
    public Timestamp Time { get; }

    /// <summary>The next inode generation, a sequence fixed by the UUID (splitmix64).</summary>
    public uint NextGeneration()
    {
        ulong z = state += 0x9E3779B97F4A7C15;
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
        return (uint)((z ^ (z >> 31)) >> 32);
    }

    /// <summary>A UUID of version 8 (made by the application's own rule) out of everything else that enters the image.</summary>
    private static Guid Derived(MkfsPlan plan, Timestamp time)
    {
        byte[] hash = SHA256.HashData(Encoding.UTF8.GetBytes($"{plan.Describe("")}{plan.Label}\n{plan.Root}\n{plan.LogStart}\n{time.Seconds}"));
        hash[6] = (byte)((hash[6] & 0x0F) | 0x80);
        hash[8] = (byte)((hash[8] & 0x3F) | 0x80);
        return new Guid(hash.AsSpan(0, 16), bigEndian: true);
    }
}
