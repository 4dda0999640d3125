using System.Buffers.Binary;
using ImageFs.Devices;
using ImageFs.Format;

namespace ImageFs.Fsck;

/// <summary>A file with everything a repair overwrites, written before the first block is: it brings the image back bit for bit.</summary>
/// <remarks>
/// <code>
///   "IFSUNDO1"  length of the image before and after the repair, 8 bytes each
///   runs:       offset 8, length 4, CRC32c of the bytes 4, bytes       numbers are big-endian
///   end:        offset -1, length 0, CRC32c of the number of runs
/// </code>
/// </remarks>
public static class UndoLog
{
    private static readonly byte[] s_magic = "IFSUNDO1"u8.ToArray();
    private const int HeaderSize = 24, RunSize = 16;

    internal static void Write(string path, BlockDevice image, RepairPlan plan)
    {
        using FileStream file = new(path, FileMode.CreateNew, FileAccess.Write);
        byte[] header = new byte[HeaderSize];
        s_magic.CopyTo(header, 0);
        BinaryPrimitives.WriteInt64BigEndian(header.AsSpan(8), image.Length);
        BinaryPrimitives.WriteInt64BigEndian(header.AsSpan(16), plan.Length);
        file.Write(header);
        byte[] buffer = new byte[1 << 20];
        ulong runs = 0;
        // The first sector is written even if nothing of it changes.
        Run(0, (int)Math.Min(4096, image.Length));
        foreach (PlannedChange change in plan.Changes)
            for (long done = 0, there = Math.Min(change.Length, image.Length - change.Offset); done < there;)
            {
                int piece = (int)Math.Min(buffer.Length, there - done);
                Run(change.Offset + done, piece);
                done += piece;
            }
        byte[] count = new byte[8];
        BinaryPrimitives.WriteUInt64BigEndian(count, runs);
        WriteRun(-1, 0, ~Crc32c.Append(Crc32c.Seed, count));
        file.Flush(flushToDisk: true);

        void Run(long offset, int length)
        {
            image.Read(offset, buffer.AsSpan(0, length));
            WriteRun(offset, length, ~Crc32c.Append(Crc32c.Seed, buffer.AsSpan(0, length)));
            file.Write(buffer, 0, length);
            runs++;
        }

        void WriteRun(long offset, int length, uint crc)
        {
            Span<byte> run = stackalloc byte[RunSize];
            BinaryPrimitives.WriteInt64BigEndian(run, offset);
            BinaryPrimitives.WriteInt32BigEndian(run[8..], length);
            BinaryPrimitives.WriteUInt32BigEndian(run[12..], crc);
            file.Write(run);
        }
    }

    /// <summary>Brings an image back to what it was before the repair that wrote the file.</summary>
    /// <exception cref="XfsException">EINVAL: the file is not complete, or belongs to an image of another size; nothing was written.</exception>
    public static void Apply(string path, BlockDevice image)
    {
        ArgumentNullException.ThrowIfNull(image);
        using FileStream file = new(path, FileMode.Open, FileAccess.Read);
        // Once to see that all of it is there, once to do it.
        long length = Read(file, image, apply: false);
        if (image.Length != length) image.SetLength(length);
        file.Position = 0;
        Read(file, image, apply: true);
        image.Flush();
    }

    /// <returns>Bytes the image had.</returns>
    private static long Read(FileStream file, BlockDevice image, bool apply)
    {
        byte[] header = new byte[HeaderSize], run = new byte[RunSize], count = new byte[8];
        if (file.ReadAtLeast(header, HeaderSize, throwOnEndOfStream: false) < HeaderSize || !header.AsSpan(0, 8).SequenceEqual(s_magic))
            throw new XfsException(Errno.EINVAL, $"{file.Name}: no undo file");
        long length = BinaryPrimitives.ReadInt64BigEndian(header.AsSpan(8));
        if (image.Length != length && image.Length != BinaryPrimitives.ReadInt64BigEndian(header.AsSpan(16)))
            throw new XfsException(Errno.EINVAL, $"{file.Name}: belongs to an image of {length} bytes, this one has {image.Length}");
        byte[] buffer = new byte[1 << 20];
        for (ulong runs = 0; ; runs++)
        {
            if (file.ReadAtLeast(run, RunSize, throwOnEndOfStream: false) < RunSize) throw Torn();
            long offset = BinaryPrimitives.ReadInt64BigEndian(run);
            int bytes = BinaryPrimitives.ReadInt32BigEndian(run.AsSpan(8));
            uint crc = BinaryPrimitives.ReadUInt32BigEndian(run.AsSpan(12));
            if (offset == -1)
            {
                BinaryPrimitives.WriteUInt64BigEndian(count, runs);
                if (crc != ~Crc32c.Append(Crc32c.Seed, count)) throw Torn();
                return length;
            }
            if (bytes < 0 || bytes > buffer.Length || offset < 0 || offset > length - bytes) throw Torn();
            if (file.ReadAtLeast(buffer.AsSpan(0, bytes), bytes, throwOnEndOfStream: false) < bytes) throw Torn();
            if (crc != ~Crc32c.Append(Crc32c.Seed, buffer.AsSpan(0, bytes))) throw Torn();
            if (apply) image.Write(offset, buffer.AsSpan(0, bytes));
        }

        XfsException Torn() => new(Errno.EINVAL, $"{file.Name}: the undo file is damaged or not complete");
    }
}
