using ImageFs.Dax;
using ImageFs.Format;
using ImageFs.Inodes;

namespace ImageFs;

/// <summary>An open regular file. It stays usable after its last name is gone; its blocks are freed when it is closed then.</summary>
/// <remarks>
/// Several threads may use it. A call that changes the layout (grows or shrinks the file, allocates or shares blocks) is alone
/// in the file; everybody sees it as a whole. Reads and overwrites in place go on side by side, as direct I/O does in the
/// kernel: two that touch the same bytes at the same time may mix.
/// </remarks>
public sealed partial class XfsFile : IDisposable
{
    private readonly FileSystem _fileSystem;
    private readonly OpenInode _inode;
    private volatile bool _disposed;

    internal XfsFile(FileSystem fileSystem, OpenInode inode, bool canWrite)
    {
        _fileSystem = fileSystem;
        _inode = inode;
        CanWrite = canWrite;
    }

    private Volume Volume => _fileSystem.Volume;
    private FileData Files => _fileSystem.Files;

    /// <summary>Opened for writing.</summary>
    public bool CanWrite { get; }

    /// <summary>Its inode's number.</summary>
    public InodeNumber Inode => _inode.Inode.Number;

    /// <summary>Bytes.</summary>
    public long Length => Checked().Size;

    /// <summary>Blocks the file's data occupies, metadata of its extents included, in bytes.</summary>
    public long AllocatedBytes
    {
        get
        {
            lock (Volume.Gate) return (long)Checked().Inode.Core.BlockCount.Value << _fileSystem.Geometry.BlockLog;
        }
    }

    /// <summary>Blocks reserved for copy-on-write and not part of the file, in bytes.</summary>
    public long StagedBytes
    {
        get
        {
            CowFork cow = Checked().Cow;
            lock (Volume.Gate) return ((long)cow.Blocks - cow.Written) << _fileSystem.Geometry.BlockLog;
        }
    }

    /// <summary>
    /// Bytes that copy-on-write reserves at a time (cowextsize); 0 for the default of 32 blocks. Setting 0 clears the hint.
    /// </summary>
    /// <exception cref="XfsException">EINVAL: no multiple of the block size, more than half a group, or a file system without reflink.</exception>
    public long CowExtentSize
    {
        get
        {
            lock (Volume.Gate) return (long)Checked().Inode.Core.CowExtentSizeHint.Value << _fileSystem.Geometry.BlockLog;
        }
        set
        {
            using IoHold alone = Enter(IoMode.Exclusive);
            lock (Volume.Gate)
            {
                _fileSystem.SetCowExtentSize(Writable().Inode, value);
            }
        }
    }

    /// <summary>Reads up to the end of the file.</summary>
    /// <param name="offset">Bytes from the start.</param>
    /// <returns>Bytes read; fewer than asked for only at the end of the file.</returns>
    public int Read(long offset, Span<byte> destination)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        using IoHold reading = Enter(IoMode.Read, mindsWritten: true);
        return _fileSystem.Files.Read(_inode, offset, destination);
    }

    /// <summary>The whole file.</summary>
    /// <exception cref="XfsException">EFBIG: it does not fit an array.</exception>
    public byte[] ReadAll()
    {
        long length = Length;
        if (length > Array.MaxLength) throw new XfsException(Errno.EFBIG, $"{length} bytes do not fit an array");
        byte[] bytes = new byte[length];
        int read = Read(0, bytes);
        return read == bytes.Length ? bytes : bytes[..read];
    }

    /// <summary>Writes anywhere. The file grows as needed; a gap becomes a hole. Shared blocks are copied first.</summary>
    /// <remarks>
    /// Everybody sees the bytes at once; durable they are after <see cref="Flush"/>. A power cut before that leaves each extent of the
    /// range as it was or as it was written. In a file that stays open, bytes written into shared blocks may be missing although
    /// later operations, on whatever file, have survived; a size that has grown never tells of bytes that are not there.
    /// </remarks>
    /// <exception cref="XfsNoSpaceException">
    /// No room. Shared blocks of the range are copied all or none, and then nothing has been written; of holes, what lies before the
    /// shortage has been, and the rest is as it was.
    /// </exception>
    public void Write(long offset, ReadOnlySpan<byte> data)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        if (TryOverwrite(offset, data)) return;
        long end = offset > long.MaxValue - data.Length ? long.MaxValue : offset + data.Length;
        using IoHold alone = EnterToWrite(new LayoutRange(Writable(), offset, end));
        _fileSystem.Files.CheckWrite(offset, data.Length);
        if (data.Length > 0 && !_fileSystem.HasNoCapability(_inode))
            lock (Volume.Gate) Changed();
        _fileSystem.Files.Write(_inode, offset, data);
    }

    private bool TryOverwrite(long offset, ReadOnlySpan<byte> data)
    {
        if (data.IsEmpty || !CanWrite || offset > _inode.Size - data.Length) return false;
        Volume.RequireWritable();
        using IoHold inPlace = Enter(IoMode.Overwrite, mindsWritten: true);
        return _fileSystem.HasNoCapability(_inode) && _fileSystem.Files.TryOverwrite(_inode, offset, data);
    }

    /// <summary>Grows the file with zeros or cuts it off.</summary>
    public void SetLength(long length)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        // Growing moves nothing.
        using IoHold alone = EnterAlone(LayoutRange.ToTheEnd(Writable(), length < Length ? length : long.MaxValue));
        lock (Volume.Gate)
        {
            _fileSystem.Files.CheckLength(_inode, length);
            _fileSystem.Files.SetLength(Changed(), length);
        }
    }

    /// <summary>Lets a range of this file share the blocks of a range of another one, or of itself (FICLONERANGE).</summary>
    /// <param name="source">A file of the same image.</param>
    /// <param name="sourceOffset">A multiple of the block size.</param>
    /// <param name="offset">A multiple of the block size.</param>
    /// <param name="length">A multiple of the block size, unless it ends the source; 0 means to the end of the source.</param>
    /// <param name="sync">Data: durable on return, as for a file opened with O_SYNC.</param>
    /// <exception cref="XfsException">EINVAL, EPERM, EBADF, EXDEV, EOPNOTSUPP, ENOSPC as FICLONERANGE gives them.</exception>
    /// <exception cref="RangeCanceledException">Cancelled midway; it says how much is cloned.</exception>
    public void CloneRange(XfsFile source, long sourceOffset, long offset, long length, CancellationToken cancellation = default, SyncMode sync = SyncMode.None)
    {
        RequireSameVolume(source);
        using (IoPair both = EnterBoth(() => IoPair.Enter(source.Checked(), Writable()),
            LayoutRange.OfLength(source.Checked(), sourceOffset, length), LayoutRange.OfLength(Writable(), offset, length), cancellation))
            _fileSystem.Remapper.Clone(source.Checked(), sourceOffset, _inode, offset, length, cancellation);
        if (sync == SyncMode.Data) Volume.Flush();
    }

    /// <summary>Compares a range of this file with one of another, byte by byte, and shares the blocks if they are equal.</summary>
    /// <inheritdoc cref="CloneRange"/>
    public DedupeResult DedupeRange(XfsFile source, long sourceOffset, long offset, long length)
    {
        RequireSameVolume(source);
        // Contents and times stay, so a file that was opened for reading will do, as it does for root.
        using IoPair both = EnterBoth(() => IoPair.Enter(source.Checked(), Checked(), comparing: true),
            LayoutRange.OfLength(source.Checked(), sourceOffset, length), LayoutRange.OfLength(Checked(), offset, length));
        return _fileSystem.Remapper.Dedupe(both, source.Checked(), sourceOffset, Checked(), offset, length);
    }

    /// <summary>Compares a range of this file with one of another as <see cref="DedupeRange(XfsFile, long, long, long)"/> does, and changes nothing.</summary>
    /// <param name="sourceOffset">A multiple of the block size.</param>
    /// <param name="offset">A multiple of the block size.</param>
    /// <returns>False also where one of the ranges does not lie inside its file.</returns>
    internal bool EqualsRange(XfsFile source, long sourceOffset, long offset, long length)
    {
        using IoPair both = StillOpen(IoPair.Enter(source.Checked(), Checked(), comparing: true));
        return length <= source.Length - sourceOffset && length <= Length - offset
            && _fileSystem.Remapper.Equal(source._inode, sourceOffset, _inode, offset, length);
    }

    /// <summary>Makes the file, and everything done before, durable: nothing that came earlier can be missing afterwards.</summary>
    public void Flush()
    {
        Checked();
        Volume.Flush();
    }

    /// <summary>
    /// Closes the file; what was written becomes durable with the next flush of the volume. When nobody has the file open any more, no
    /// later operation can become durable before what was written to it.
    /// </summary>
    public void Dispose()
    {
        if (!Interlocked.Exchange(ref _disposed, true)) Volume.Release(_inode);
    }

    /// <summary>Takes the inode's lock for one call; throws if the file was closed before it was granted.</summary>
    private IoHold Enter(IoMode mode, bool mindsWritten = false) => StillOpen(IoHold.Enter(Checked(), mode, mindsWritten));

    internal OpenInode Checked()
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        Volume.RequireOpen();
        if (_inode.IsGone) throw new XfsException(Errno.ESTALE, "the file was made in an atomic group that was rolled back");
        return _inode;
    }

    private OpenInode Writable()
    {
        OpenInode inode = Checked();
        if (!CanWrite) throw new XfsException(Errno.EBADF, "the file was opened for reading only");
        return inode;
    }

    /// <summary>The file, about to get other contents: nobody shall run them with capabilities that were meant for the old ones. Under the gate.</summary>
    private OpenInode Changed()
    {
        _fileSystem.DropCapability(_inode.Inode);
        return _inode;
    }

    private void RequireSameVolume(XfsFile source)
    {
        if (source._fileSystem != _fileSystem) throw new XfsException(Errno.EXDEV, "the files are in different images");
    }
}
