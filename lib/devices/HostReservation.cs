using System.Runtime.InteropServices;
using ImageFs.Format;
using Microsoft.Win32.SafeHandles;

namespace ImageFs.Devices;

/// <summary>
/// For which parts of an image the host surely has blocks: a store through a mapping into a hole of the image kills the
/// process when the host is full, so blocks are reserved first, and remembered, because asking costs more than most stores.
/// </summary>
/// <remarks>Always true: a bit is set only while every block of its piece is allocated; who punches holes clears it first.</remarks>
internal sealed class HostReservation(SafeFileHandle file, long length)
{
    private const int PieceLog = 16;
    private readonly ulong[] _known = new ulong[(((length - 1) >> PieceLog) >> 6) + 1];

    /// <summary>Sees to it that the host has blocks for a range.</summary>
    /// <returns>0, or the host's errno: ENOSPC, EOPNOTSUPP and so on.</returns>
    public int Reserve(long offset, int bytes)
    {
        long first = offset >> PieceLog, last = (offset + bytes - 1) >> PieceLog;
        for (long piece = first; piece <= last; piece++)
            if ((Volatile.Read(ref _known[piece >> 6]) >> (int)(piece & 63) & 1) == 0) return Allocate(offset, bytes, piece, last);
        return 0;
    }

    private int Allocate(long offset, int bytes, long first, long last)
    {
        // NTFS files are not sparse unless someone made them so.
        if (OperatingSystem.IsLinux())
        {
            long start = first << PieceLog, end = Math.Min((last + 1) << PieceLog, length);
            if (LinuxCalls.fallocate(file, LinuxCalls.KeepSize, start, end - start) != 0)
                return LinuxCalls.fallocate(file, LinuxCalls.KeepSize, offset, bytes) == 0 ? 0 : Marshal.GetLastPInvokeError();
        }
        for (long piece = first; piece <= last; piece++) Interlocked.Or(ref _known[piece >> 6], 1UL << (int)(piece & 63));
        return 0;
    }

    /// <summary>The host may lose blocks of a range.</summary>
    public void Forget(long offset, long bytes)
    {
        for (long piece = offset >> PieceLog; piece << PieceLog < offset + bytes; piece++)
            Interlocked.And(ref _known[piece >> 6], ~(1UL << (int)(piece & 63)));
    }
}
