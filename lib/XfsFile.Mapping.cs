using ImageFs.Dax;
using ImageFs.Format;
using ImageFs.Inodes;

namespace ImageFs;

/// <content>Where the bytes of a file lie.</content>
public sealed partial class XfsFile
{
    /// <summary>
    /// Where the file's bytes lie, in order; holes are left out, parts that are shared are listed apart. Blocks behind the end of
    /// the file are listed too. What FIEMAP and `xfs_io bmap` show.
    /// </summary>
    public IReadOnlyList<FileExtent> GetExtents()
    {
        using IoHold reading = Enter(IoMode.Read);
        lock (Volume.Gate)
        {
            List<FileExtent> extents = [];
            IomapIterator runs = Runs(Checked(), default, new FileBlock(FileBlock.Limit), IomapPurpose.Report);
            while (runs.MoveNext())
                if (runs.Current.Kind != IomapKind.Hole) extents.Add(Describe(runs.Current.Extent, runs.Current.Shared));
            return extents;
        }
    }

    /// <summary>
    /// Blocks reserved for copy-on-write, at the place in the file they are meant for, in order. They are part of
    /// <see cref="StagedBytes"/>, not of the file.
    /// </summary>
    public IReadOnlyList<FileExtent> GetStagedExtents()
    {
        using IoHold reading = Enter(IoMode.Read);
        lock (Volume.Gate) return [.. Checked().Cow.Extents.Select(extent => Describe(extent, shared: false))];
    }

    private FileExtent Describe(in Extent extent, bool shared)
    {
        Geometry g = _fileSystem.Geometry;
        return new FileExtent((long)(extent.Offset.Value << g.BlockLog), (long)extent.Length << g.BlockLog, g.ByteOffset(extent.Start), extent.Unwritten, shared);
    }

    private IomapIterator Runs(OpenInode file, FileBlock from, FileBlock end, IomapPurpose purpose) => new(Volume, file, from, end, purpose);

    /// <summary>The first byte at or behind <paramref name="offset"/> that is data (SEEK_DATA): written, not a hole and not unwritten.</summary>
    /// <returns>-1 where nothing but holes follow (the kernel's ENXIO).</returns>
    public long SeekData(long offset) => Seek(offset, data: true);

    /// <summary>The first byte at or behind <paramref name="offset"/> that is a hole (SEEK_HOLE); the file's end is one.</summary>
    /// <returns>-1 at or behind the end (the kernel's ENXIO).</returns>
    public long SeekHole(long offset) => Seek(offset, data: false);

    private long Seek(long offset, bool data)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        using IoHold reading = Enter(IoMode.Read);
        long size = _inode.Size;
        if (offset >= size) return -1;
        IomapIterator runs = Runs(_inode, Files.BlockOf(offset), Files.BlockUp(size), IomapPurpose.Read);
        while (runs.MoveNext())
            if (runs.Current.ReadsAsZeros != data) return Math.Max(offset, Files.Bytes(runs.Current.Offset));
        return data ? -1 : size;
    }
}
