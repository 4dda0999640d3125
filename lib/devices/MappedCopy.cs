using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace ImageFs.Devices;

/// <summary>Copies between memory and a mapped image.</summary>
/// <remarks>
/// Above two kilobytes the C library copies with the processor's string instruction. Where source and destination lie 1 to 31
/// bytes apart modulo a page, which blocks of files and arrays of .NET do by chance, that takes four times as long on x86: each load
/// looks as if it had to wait for a store that has not arrived. Loads that run 128 bytes ahead of the stores do not, and for
/// blocks of 4 KiB they are a tenth faster anywhere.
/// <para>An ordinary store reads the line it is about to replace. What is longer than the nearer caches is stored past them, which
/// halves the traffic with memory, and memory is what long writes of several threads wait for.</para>
/// </remarks>
internal static class MappedCopy
{
    /// <summary>Up to here <see cref="Span{T}.CopyTo"/> copies with vectors itself.</summary>
    private const int Small = 2048;

    /// <summary>From here on stores to the image go past the caches: shorter pieces may be wanted again before they are displaced.</summary>
    private const int Long = 256 << 10;

    /// <summary>As <see cref="Copy"/>, for bytes that are stored into the image and not looked at soon.</summary>
    public static unsafe void Store(ReadOnlySpan<byte> source, Span<byte> destination)
    {
        if (!Vector256.IsHardwareAccelerated || source.Length < Long || source.Overlaps(destination))
        {
            Copy(source, destination);
            return;
        }
        destination = destination[..source.Length];
        fixed (byte* start = destination)
        {
            int head = (int)(-(nint)start & (Vector256<byte>.Count - 1)), whole = (source.Length - head) & ~127;
            source[..head].CopyTo(destination);
            fixed (byte* from = source[head..])
            {
                byte* to = start + head;
                for (nint at = 0; at < whole; at += 128)
                {
                    Vector256<byte> a = Vector256.Load(from + at), b = Vector256.Load(from + at + 32);
                    Vector256<byte> c = Vector256.Load(from + at + 64), d = Vector256.Load(from + at + 96);
                    a.StoreAlignedNonTemporal(to + at);
                    b.StoreAlignedNonTemporal(to + at + 32);
                    c.StoreAlignedNonTemporal(to + at + 64);
                    d.StoreAlignedNonTemporal(to + at + 96);
                }
            }
            // Such stores may pass later ordinary ones, and whoever is told of these bytes must find them.
            if (Sse.IsSupported) Sse.StoreFence();
            else Thread.MemoryBarrier();
            source[(head + whole)..].CopyTo(destination[(head + whole)..]);
        }
    }

    /// <summary>As <see cref="ReadOnlySpan{T}.CopyTo"/>; the spans may overlap.</summary>
    public static void Copy(ReadOnlySpan<byte> source, Span<byte> destination)
    {
        if (!Vector256.IsHardwareAccelerated || source.Length <= Small || source.Overlaps(destination))
        {
            source.CopyTo(destination);
            return;
        }
        destination = destination[..source.Length];
        ref byte from = ref MemoryMarshal.GetReference(source), to = ref MemoryMarshal.GetReference(destination);
        nuint at = 0, whole = (nuint)source.Length & ~(nuint)127;
        for (; at < whole; at += 128)
        {
            Vector256<byte> a = Vector256.LoadUnsafe(ref from, at), b = Vector256.LoadUnsafe(ref from, at + 32);
            Vector256<byte> c = Vector256.LoadUnsafe(ref from, at + 64), d = Vector256.LoadUnsafe(ref from, at + 96);
            a.StoreUnsafe(ref to, at);
            b.StoreUnsafe(ref to, at + 32);
            c.StoreUnsafe(ref to, at + 64);
            d.StoreUnsafe(ref to, at + 96);
        }
        source[(int)whole..].CopyTo(destination[(int)whole..]);
    }
}
