using ImageFs.Dax;
using ImageFs.Inodes;

namespace ImageFs;

/// <content>Writes that happen as a whole, and writes that never wait.</content>
public sealed partial class XfsFile
{
    /// <summary>
    /// Writes a range of which a power cut leaves all or nothing, together with the file's new size. The bytes go to new blocks, so
    /// room for them is needed whatever is there: a hole, unwritten, private or shared blocks.
    /// </summary>
    /// <param name="offset">A multiple of the length.</param>
    /// <param name="data">A power of two of bytes within <see cref="FileSystem.AtomicWriteInfo"/>; none at all is fine and does nothing.</param>
    /// <param name="sync">Data: durable on return. Otherwise untorn, but durable only with the next flush.</param>
    /// <param name="requireInPlace">Refuse where the blocks would have to move, which is everywhere: no image takes untorn writes in place.</param>
    /// <exception cref="XfsException">
    /// EBADF: opened for reading; EINVAL: another length or offset; EOPNOTSUPP: no reflink feature, or in place; ENOSPC; nothing has changed.
    /// </exception>
    /// <exception cref="XfsBusyException">Part of the range is leased, and was not given back in time.</exception>
    public void AtomicWrite(long offset, ReadOnlySpan<byte> data, SyncMode sync = SyncMode.None, bool requireInPlace = false)
    {
        Writable();
        if (data.IsEmpty) return;
        _fileSystem.AtomicWrites.Check(offset, data.Length);
        if (requireInPlace) throw new XfsUnsupportedException("this write cannot be atomic in place: its blocks have to move");
        using (IoHold alone = EnterAlone(LayoutRange.OfLength(Checked(), offset, data.Length)))
        {
            lock (Volume.Gate) _fileSystem.AtomicWrites.Write(Changed(), offset, data);
        }
        if (sync == SyncMode.Data) Volume.Flush();
    }

    /// <summary>Writes atomically behind the last byte, as a handle opened with O_APPEND does.</summary>
    /// <returns>Where the bytes are: the file's length before.</returns>
    /// <exception cref="XfsException">EINVAL: the file's length is no multiple of that of the data; and as <see cref="AtomicWrite"/>.</exception>
    public long AtomicAppend(ReadOnlySpan<byte> data, SyncMode sync = SyncMode.None)
    {
        long end;
        using (IoHold alone = EnterAlone(LayoutRange.ToTheEnd(Writable(), Length)))
        {
            end = _inode.Size;
            if (data.IsEmpty) return end;
            _fileSystem.AtomicWrites.Check(end, data.Length);
            lock (Volume.Gate) _fileSystem.AtomicWrites.Write(Changed(), end, data);
        }
        if (sync == SyncMode.Data) Volume.Flush();
        return end;
    }

    /// <summary>As <see cref="AtomicWrite"/>, but never waits: always false, because blocks must be allocated.</summary>
    /// <exception cref="XfsException">The write could not be done by waiting either.</exception>
    public bool TryAtomicWrite(long offset, ReadOnlySpan<byte> data)
    {
        Writable();
        if (data.IsEmpty) return true;
        _fileSystem.AtomicWrites.Check(offset, data.Length);
        return false;
    }

    /// <summary>
    /// Writes only if that takes neither an allocation nor a wait for another thread or the log (RWF_NOWAIT): to written
    /// private blocks before the file's end.
    /// </summary>
    /// <returns>False if it would have; nothing has been written then.</returns>
    public bool TryWrite(long offset, ReadOnlySpan<byte> data)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        OpenInode file = Writable();
        if (data.IsEmpty) return true;
        Volume.RequireWritable();
        if (!file.Io.TryEnter(IoMode.Overwrite, TimeSpan.Zero)) return false;
        bool gate = false;
        try
        {
            // With the gate in hand nothing below has to wait for it.
            gate = Volume.Gate.TryEnter();
            return gate && _fileSystem.HasNoCapability(file) && _fileSystem.Files.TryOverwrite(file, offset, data);
        }
        finally
        {
            if (gate) Volume.Gate.Exit();
            file.ExitIo(IoMode.Overwrite);
        }
    }

    /// <summary>
    /// Writes what a stream gives. If the stream fails, whole blocks it gave before stay written, everything behind them is as it
    /// was, and its exception comes through.
    /// </summary>
    /// <param name="length">Bytes; fewer if the stream ends before.</param>
    /// <returns>Bytes written.</returns>
    public long Write(long offset, Stream source, long length)
    {
        ArgumentNullException.ThrowIfNull(source);
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        byte[] piece = new byte[(int)Math.Min(length, 1 << 20)];
        long done = 0;
        while (done < length)
        {
            // The stream is read without the lock: it may wait, or be a file of this very image.
            int wanted = (int)Math.Min(piece.Length, length - done), have = 0;
            try
            {
                for (int read = 1; have < wanted && read > 0; have += read) read = source.Read(piece, have, wanted - have);
            }
            catch
            {
                // A block whose last bytes never came must not be written: nobody has said what they are.
                long whole = (offset + done + have) / _fileSystem.Geometry.BlockSize * _fileSystem.Geometry.BlockSize - offset - done;
                if (whole > 0) Write(offset + done, piece.AsSpan(0, (int)whole));
                using (IoHold alone = Enter(IoMode.Exclusive))
                    lock (Volume.Gate) _inode.Cow.CancelReserved();
                throw;
            }
            Write(offset + done, piece.AsSpan(0, have));
            done += have;
            if (have < wanted) break;
        }
        return done;
    }
}

public sealed partial class FileSystem
{
    internal AtomicWrites AtomicWrites { get; }

    /// <summary>Which atomic writes the image takes.</summary>
    public AtomicWriteInfo AtomicWriteInfo => AtomicWrites.Info;
}
