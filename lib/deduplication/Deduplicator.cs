using System.Buffers;
using ImageFs.Dax;
using ImageFs.Format;

namespace ImageFs.Deduplication;

/// <summary>
/// Finds equal blocks of all files and lets them share. Files of equal size come first, so that equal files share from end to
/// end; a table knows the first block of every content; a block that looks like one seen before begins a run, which grows as
/// long as the bytes that follow are equal, and is then compared and shared in one piece.
/// </summary>
/// <remarks>
/// The table only proposes. Whether bytes are equal is decided by comparison under the locks of both files, in the same call
/// that shares them, so files may change while this runs. A file is a target only while it is read itself, and its blocks are in
/// the table only if they stayed: what the table points at is never moved by later sharing.
/// </remarks>
internal sealed class Deduplicator(FileSystem fileSystem, DeduplicationOptions options, IProgress<DeduplicationProgress>? progress, CancellationToken cancellation)
{
    private const int Piece = 1 << 20;

    private readonly record struct Candidate(InodeNumber Inode, long Size, long Blocks, bool Keeps);

    /// <summary>Equal bytes found so far and not shared yet.</summary>
    private struct Run
    {
        public int File;
        public long Source, Target, Length;
        /// <summary>Of the length: bytes that lie elsewhere than the source's, and of these, in blocks with one owner.</summary>
        public long Fresh, Private;

        public void Grow(long bytes, bool fresh, bool isPrivate)
        {
            Length += bytes;
            if (!fresh) return;
            Fresh += bytes;
            if (isPrivate) Private += bytes;
        }
    }

    private readonly int _blockSize = fileSystem.Geometry.BlockSize;
    private List<Candidate> _files = [];
    private BlockTable _table = new(0, 0);
    private XfsFile? _source;
    private XfsFile? _target;
    private IReadOnlyList<FileExtent> _sourceExtents = [];
    private int _sourceIndex = -1;
    private Run _run;
    private long _read, _sharedBefore, _shared, _privateShared;

    public DeduplicationReport Execute()
    {
        if (!fileSystem.Geometry.HasReflink) throw new XfsUnsupportedException("the file system was made without reflink: its files cannot share blocks");
        if (!options.DryRun) fileSystem.Volume.RequireWritable();
        Collect();
        long memory = Math.Max(options.MemoryLimit, 64 << 10), blocks = _files.Sum(f => f.Blocks);
        int passes = options.WholeFiles ? 1 : (int)Math.Max(1, (blocks + BlockTable.Capacity(memory) - 1) / BlockTable.Capacity(memory));
        long free = Free(), total = _files.Sum(f => f.Size);
        Dictionary<(long Size, ulong Hash), int> wholes = [];
        byte[] buffer = ArrayPool<byte>.Shared.Rent(Piece);
        try
        {
            for (int pass = 0; pass < passes; pass++)
            {
                _table = new BlockTable(blocks / passes + 1, memory);
                long done = 0;
                for (int i = 0; i < _files.Count; i++)
                {
                    long before = done;
                    void At(long offset) => progress?.Report(new(pass + 1, passes, before + Math.Min(offset, _files[i].Size), total));
                    At(0);
                    Open(i);
                    if (options.WholeFiles) ScanWhole(i, wholes, buffer.AsSpan(0, Piece), At);
                    else Scan(i, (uint)pass, (uint)passes, buffer.AsSpan(0, Piece), At);
                    done += _files[i].Size;
                }
                progress?.Report(new(pass + 1, passes, total, total));
            }
        }
        finally
        {
            _source?.Dispose();
            _target?.Dispose();
            ArrayPool<byte>.Shared.Return(buffer);
        }
        if (!options.DryRun) fileSystem.Flush();
        return new DeduplicationReport
        {
            Files = _files.Count,
            BytesRead = _read,
            BytesSharedBefore = _sharedBefore,
            BytesShared = _shared,
            BytesFreed = options.DryRun ? _privateShared : Math.Max(0, Free() - free),
            FilesKept = _files.Count(f => f.Keeps),
            Passes = passes,
        };
    }

    private long Free() => (long)fileSystem.Statistics.FreeBlocks * _blockSize;

    /// <summary>Every regular file once, however many names it has; those with a twin in size first, the large ones before the small.</summary>
    private void Collect()
    {
        HashSet<InodeNumber> seen = [];
        Stack<InodeNumber> rest = new(options.Paths.Select(path => fileSystem.GetEntry(path).Inode));
        while (rest.TryPop(out InodeNumber inode))
        {
            cancellation.ThrowIfCancellationRequested();
            if (!seen.Add(inode)) continue;
            Entry entry = fileSystem.GetEntry(inode);
            if (entry.IsDirectory)
                foreach (DirectoryItem item in fileSystem.List(inode)) rest.Push(item.Inode);
            else if (entry.IsRegular && entry.Length > 0)
                _files.Add(new(inode, entry.Length, (long)entry.Blocks, (entry.Flags & (InodeFlags.Immutable | InodeFlags.Append)) != 0));
        }
        Dictionary<long, int> sizes = [];
        foreach (Candidate file in _files) sizes[file.Size] = sizes.GetValueOrDefault(file.Size) + 1;
        if (options.WholeFiles) _files.RemoveAll(file => sizes[file.Size] == 1);
        _files = [.. _files.OrderBy(f => sizes[f.Size] == 1).ThenByDescending(f => f.Size).ThenBy(f => f.Keeps ? 0 : 1).ThenBy(f => f.Inode.Value)];
    }

    private void Open(int index)
    {
        _target?.Dispose();
        _target = null;
        _target = fileSystem.OpenFile(_files[index].Inode, write: !options.DryRun && !_files[index].Keeps);
        _run = default;
    }

    /// <summary>One file, as a whole: its twin is the first file of its size and hash.</summary>
    private void ScanWhole(int index, Dictionary<(long, ulong), int> wholes, Span<byte> buffer, Action<long> reached)
    {
        ulong hash = 0;
        for (long at = 0; _target!.Read(at, buffer) is int read and > 0; at += read)
        {
            cancellation.ThrowIfCancellationRequested();
            if (at > 0) reached(at);
            hash = hash * 31 + BlockHash.Compute(buffer[..read]);
            _read += read;
        }
        if (!wholes.TryGetValue((_files[index].Size, hash), out int twin))
        {
            wholes.Add((_files[index].Size, hash), index);
            return;
        }
        if (_files[index].Keeps) return;
        Source(twin);
        _run = new Run { File = twin };
        foreach (FileExtent extent in _target.GetExtents())
        {
            long bytes = Math.Min(extent.Offset + extent.Length, _files[index].Size) - extent.Offset;
            if (bytes <= 0 || extent.Unwritten) continue;
            bool fresh = SourcePhysical(extent.Offset) != extent.Physical;
            if (!fresh) _sharedBefore += bytes;
            _run.Grow(bytes, fresh, !extent.Shared);
        }
        if (_run.Fresh == 0) return;
        _run.Length = _files[index].Size;
        Share();
    }

    /// <summary>One file, block by block.</summary>
    private void Scan(int index, uint part, uint parts, Span<byte> buffer, Action<long> reached)
    {
        long size = _files[index].Size, told = 0;
        foreach (FileExtent extent in _target!.GetExtents())
        {
            if (extent.Unwritten) continue;
            long end = Math.Min(extent.Offset + extent.Length, size);
            for (long at = extent.Offset; at < end;)
            {
                cancellation.ThrowIfCancellationRequested();
                if (at - told >= Piece) reached(told = at);
                int read = _target.Read(at, buffer[..(int)Math.Min(buffer.Length, end - at)]);
                if (read == 0) break; // it has become shorter
                if (part == 0) _read += read;
                for (int begin = 0; begin < read; begin += _blockSize)
                    Look(index, at + begin, buffer[begin..Math.Min(begin + _blockSize, read)], extent.Physical + (at + begin - extent.Offset), extent.Shared, part, parts);
                at += read;
            }
        }
        Share();
    }

    /// <summary>Decides about one block: new, where it should be, the next of the run, or the first of one.</summary>
    private void Look(int index, long offset, ReadOnlySpan<byte> bytes, long physical, bool shared, uint part, uint parts)
    {
        ulong hash = BlockHash.Compute(bytes);
        uint own = parts == 1 ? 0 : (uint)(hash >> 32) % parts;
        BlockTable.Block seen = default;
        bool known = own == part && _table.TryFind(hash, out seen);
        if (own == part && !known)
        {
            Share();
            _table.Add(new(hash, offset, physical, index));
            return;
        }
        bool here = known && seen.Physical == physical;
        if (here) _sharedBefore += bytes.Length;
        if (here || _files[index].Keeps)
        {
            Share();
            return;
        }
        if (own <= part && Continues(index, offset, bytes, seen))
        {
            // What an earlier pass was about only keeps the run together.
            _run.Grow(bytes.Length, own == part && SourcePhysical(_run.Source + _run.Length) != physical, !shared);
            return;
        }
        Share();
        if (!known) return;
        _run = new Run { File = seen.File, Source = seen.Offset, Target = offset };
        _run.Grow(bytes.Length, fresh: true, !shared);
    }

    /// <summary>True if a block goes on where the run ends, on both sides.</summary>
    private bool Continues(int index, long offset, ReadOnlySpan<byte> bytes, in BlockTable.Block seen)
    {
        if (_run.Length == 0 || _run.Target + _run.Length != offset) return false;
        long next = _run.Source + _run.Length;
        if (_run.File == index && next + bytes.Length > _run.Target) return false; // it would overlap itself
        XfsFile source = Source(_run.File);
        if (bytes.Length < _blockSize && next + bytes.Length != source.Length) return false; // like the beginning of a block, which is not enough
        if (seen.Physical != 0 && seen.File == _run.File && seen.Offset == next) return true;
        byte[] other = ArrayPool<byte>.Shared.Rent(bytes.Length);
        try
        {
            return source.Read(next, other.AsSpan(0, bytes.Length)) == bytes.Length && bytes.SequenceEqual(other.AsSpan(0, bytes.Length));
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(other);
        }
    }

    private XfsFile Source(int index)
    {
        if (_sourceIndex == index) return _source!;
        _source?.Dispose();
        _source = null;
        _sourceIndex = -1;
        _source = fileSystem.OpenFile(_files[index].Inode);
        _sourceExtents = _source.GetExtents();
        _sourceIndex = index;
        return _source;
    }

    /// <summary>Where a byte of the source lies; -1 in a hole.</summary>
    private long SourcePhysical(long offset)
    {
        int low = 0, high = _sourceExtents.Count;
        while (low < high)
        {
            int middle = (low + high) >>> 1;
            if (_sourceExtents[middle].Offset <= offset) low = middle + 1; else high = middle;
        }
        if (low == 0) return -1;
        FileExtent extent = _sourceExtents[low - 1];
        return offset < extent.Offset + extent.Length ? extent.Physical + (offset - extent.Offset) : -1;
    }

    private void Share()
    {
        Run run = _run;
        _run = default;
        if (run.Fresh == 0) return;
        long done = options.DryRun ? Compare(run) : Share(Source(run.File), run.Source, run.Target, run.Length);
        _shared += Math.Min(run.Fresh, done);
        _privateShared += (Math.Min(run.Private, done) + _blockSize - 1) / _blockSize * _blockSize;
    }

    /// <returns>Bytes that share blocks now.</returns>
    private long Share(XfsFile source, long sourceOffset, long offset, long length)
    {
        long shared = 0;
        while (length > 0)
        {
            cancellation.ThrowIfCancellationRequested();
            long piece = Math.Min(length, Remapper.DedupeLimit);
            // Somebody may have cut a file off since it was read.
            if (sourceOffset + piece > source.Length || offset + piece > _target!.Length) return shared;
            DedupeResult result = _target.DedupeRange(source, sourceOffset, offset, piece);
            if (result.Status == DedupeStatus.Same) shared += result.BytesShared;
            else if (piece > _blockSize)
            {
                // Changed meanwhile, or two contents of one hash: what is equal of it is in a half.
                long half = (piece / 2 + _blockSize - 1) / _blockSize * _blockSize;
                shared += Share(source, sourceOffset, offset, half) + Share(source, sourceOffset + half, offset + half, piece - half);
            }
            sourceOffset += piece;
            offset += piece;
            length -= piece;
        }
        return shared;
    }

    /// <summary>What sharing a run would bring: compared like in earnest, without a change.</summary>
    private long Compare(in Run run)
    {
        long length = run.Length;
        XfsFile source = Source(run.File);
        // A last block that is not full is shared only where it ends both files.
        if (length % _blockSize != 0 && (run.Target + length != _target!.Length || run.Source + length != source.Length)) length -= length % _blockSize;
        return length > 0 && _target!.EqualsRange(source, run.Source, run.Target, length) ? length : 0;
    }
}
