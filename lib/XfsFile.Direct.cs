using System.Buffers;
using ImageFs.Dax;
using ImageFs.Devices;
using ImageFs.Extents;
using ImageFs.Inodes;

namespace ImageFs;

/// <content>Access to the file's blocks where they lie: views, leases, seals.</content>
public sealed partial class XfsFile
{
    /// <summary>Zeros for holes in read leases, in pieces of this size.</summary>
    private const int ZeroPiece = 16 << 20;

    private static readonly Lazy<AddressWindow> s_zeros = new(() =>
    {
        AddressWindow zeros = AddressWindow.Reserve(ZeroPiece);
        zeros.MapZeros(0, ZeroPiece);
        return zeros;
    });

    /// <summary>
    /// How long calls on this handle that change where the file's bytes lie (truncate, clone, dedupe ...) wait for leases that are
    /// in their way before they fail with <see cref="XfsBusyException"/>. Zero for not at all; 30 seconds unless set.
    /// </summary>
    public TimeSpan LeaseTimeout { get; set; } = TimeSpan.FromSeconds(30);

    /// <summary>A range of the file as one stretch of memory that follows the file.</summary>
    /// <param name="offset">Bytes from the start of the file.</param>
    /// <param name="length">At least 1; may reach behind the file's end, for a file that will grow.</param>
    /// <exception cref="NotSupportedException">The system, the image or the way it was opened does not allow it; says what does.</exception>
    /// <exception cref="XfsException">ENOMEM: the file lies in too many pieces; <see cref="AcquireReadable"/> has no such limit.</exception>
    public DaxView OpenView(long offset, long length)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(length);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(offset, long.MaxValue / 2 - length);
        FileDevice file = RequireMapped(Checked(), out long device);
        DaxView view = new(Volume, _fileSystem.Files, _fileSystem.DropCapability, _inode, file, device, offset, length, CanWrite, LeaseTimeout);
        lock (Volume.Gate) Volume.Hold(Inode);
        try
        {
            using IoHold reading = Enter(IoMode.Read);
            lock (Volume.Gate) Volume.Layouts.Add(view);
            return view;
        }
        catch
        {
            view.Dispose();
            throw;
        }
    }

    /// <summary>The whole file as one stretch of memory that follows the file up to its present length.</summary>
    /// <inheritdoc cref="OpenView(long, long)"/>
    public DaxView OpenView() => OpenView(0, Math.Max(1, Length));

    /// <summary>The bytes of a range where they lie in the mapped image, piece by piece; they stay there while the lease is out.</summary>
    /// <param name="offset">Bytes from the start of the file.</param>
    /// <param name="length">At least 1.</param>
    /// <exception cref="ArgumentOutOfRangeException">The range does not lie inside the file.</exception>
    /// <exception cref="NotSupportedException">The system, the image or the way it was opened does not allow it; says what does.</exception>
    public ReadLease AcquireReadable(long offset, long length)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(length);
        Volume.Layouts.LetWaitersPass(Inode);
        RequireMapped(Checked(), out _);
        MappedDevice image = Volume.Mapped ?? throw new NotSupportedException("the image as a whole is not mapped; XfsFile.Read works without");
        ReadLease lease = new(Volume, _inode, offset, length);
        lock (Volume.Gate) Volume.Hold(Inode);
        try
        {
            using IoHold alone = Enter(IoMode.Exclusive);
            lock (Volume.Gate)
            {
                long size = (long)_inode.Inode.Core.FileSize.Value;
                if (offset > size - length) throw new ArgumentOutOfRangeException(nameof(offset), $"{length} bytes at {offset} are not inside the {size} of the file");
                lease.Fill(Pieces(lease, image));
                Volume.Layouts.Add(lease);
            }
            return lease;
        }
        catch
        {
            lease.Dispose();
            throw;
        }
    }

    /// <summary>
    /// Keeps every block of the file where it is and nobody else's until the seal is disposed. The file must have no holes and no
    /// unwritten blocks.
    /// </summary>
    /// <exception cref="XfsException">EINVAL: holes, unwritten or shared blocks. EBADF: opened for reading only.</exception>
    /// <exception cref="XfsBusyException">The file is sealed already, or shares blocks with one that is.</exception>
    /// <exception cref="XfsNoSpaceException">No room to move the others to; some may have moved, all contents are what they were.</exception>
    /// <exception cref="XfsUnsupportedException">Others are to be moved, but the image has no rmapbt.</exception>
    public FileSeal Seal(SealOptions options = SealOptions.None, CancellationToken cancellation = default)
    {
        Writable();
        lock (Volume.Gate) Volume.Hold(Inode);
        try
        {
            new Sealing(Volume, _fileSystem.Files, _inode, options, LeaseTimeout, cancellation).Run();
            return new FileSeal(Volume, _inode);
        }
        catch
        {
            Volume.Release(_inode);
            throw;
        }
    }

    private ReadOnlySequence<byte> Pieces(ReadLease lease, MappedDevice image)
    {
        List<ReadOnlyMemory<byte>> pieces = [];
        long at = lease.Offset, end = lease.Offset + lease.Length;
        IomapIterator runs = Runs(_inode, lease.From, lease.End, IomapPurpose.Read);
        while (runs.MoveNext())
        {
            Iomap run = runs.Current;
            long start = Files.Bytes(run.Offset), stop = Math.Min(end, Files.Bytes(run.End));
            for (int piece; at < stop; at += piece)
            {
                piece = (int)Math.Min(run.ReadsAsZeros ? ZeroPiece : 1 << 30, stop - at);
                pieces.Add(run.ReadsAsZeros ? s_zeros.Value.GetMemory(lease, 0, piece) : image.GetMemory(lease, _fileSystem.Geometry.ByteOffset(run.Start) + (at - start), piece));
            }
        }
        return MappedSequence.Join(pieces);
    }

    private IoHold EnterAlone(LayoutRange range) => StillOpen(Volume.Layouts.Enter(range, LeaseTimeout, default));

    private IoHold EnterToWrite(LayoutRange range) => StillOpen(Volume.Layouts.EnterToWrite(range, LeaseTimeout, default));

    private T EnterBoth<T>(Func<T> take, LayoutRange source, LayoutRange destination, CancellationToken cancellation = default) where T : struct, IDisposable =>
        StillOpen(Volume.Layouts.EnterBoth(take, source, destination, LeaseTimeout, cancellation));

    /// <summary>Gives a lock back and throws if the file was closed before the lock was granted.</summary>
    private T StillOpen<T>(T hold) where T : struct, IDisposable
    {
        if (!_disposed && !Volume.IsClosed) return hold;
        hold.Dispose();
        throw new ObjectDisposedException(nameof(XfsFile));
    }

    /// <summary>The gate before anybody gets to see the image's pages.</summary>
    private FileDevice RequireMapped(OpenInode inode, out long offset)
    {
        const string instead = "XfsFile.Read and XfsFile.Write work without";
        int page = Environment.SystemPageSize, block = _fileSystem.Geometry.BlockSize;
        if (!OperatingSystem.IsLinux()) throw new PlatformNotSupportedException($"pages of an image can be arranged on Linux only; {instead}");
        if (!Environment.Is64BitProcess) throw new PlatformNotSupportedException($"the address space of a 32-bit process is too small; {instead}");
        if (Volume.DirectAccess == DirectAccess.Never)
            throw new NotSupportedException($"the image was opened without direct access: ask for it with {nameof(OpenOptions)}.{nameof(OpenOptions.DirectAccess)}; {instead}");
        if (!inode.IsDirect)
            throw new NotSupportedException($"inode {Inode} did not carry the DAX flag when it was opened: set it with {nameof(FileSystem)}.{nameof(FileSystem.SetFlags)}, or open the image with {nameof(DirectAccess)}.{nameof(DirectAccess.Always)}; {instead}");
        if (block % page != 0)
            throw new NotSupportedException($"blocks of {block} bytes cannot be mapped one by one where pages have {page}; {instead}");
        if (!Volume.Data.TryGetFile(out FileDevice? file, out offset))
            throw new NotSupportedException($"the image is no file, or its log was replayed in memory only: open an image file for writing; {instead}");
        if (offset % page != 0)
            throw new NotSupportedException($"the file system begins at byte {offset} of the image, inside a page of {page}; {instead}");
        return file;
    }
}
