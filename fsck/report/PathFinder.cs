using System.Buffers.Binary;
using ImageFs.Format;

namespace ImageFs.Fsck;

/// <summary>Finds paths for the inodes of findings, once it is known which inodes those are.</summary>
/// <remarks>
/// Names are not remembered while the image is observed: on a healthy image nobody asks for them. Here the directories are read
/// once more, at most twice: for the names of what was asked for, then for the names of the directories above.
/// </remarks>
internal sealed class PathFinder(Scan scan, InodeScan inodes, ForkScan forks)
{
    private readonly Geometry _g = scan.Geometry;
    private readonly Dictionary<ulong, (string Name, int Directory)?> _wanted = [];
    private readonly byte[] _inode = new byte[scan.Geometry.InodeSize];
    private readonly byte[] _block = new byte[scan.Geometry.DirectoryBlockSize];
    private HashSet<ulong> _read = [];
    private int _missing;

    public void NameFindings(FindingList findings)
    {
        foreach (Finding finding in findings.Stored)
            if (finding.Inode is ulong inode) Want(inode);
        if (_wanted.Count == 0) return;
        ReadDirectories();
        foreach ((string Name, int Directory)? known in _wanted.Values.ToArray())
            if (known is (_, int directory)) WantAncestors(directory);
        foreach (ulong inode in _wanted.Keys.ToArray())
            if (inodes.FindDirectory(inode) is int index and >= 0) WantAncestors(inodes.Directories[index].NamedBy);
        if (_missing > 0) ReadDirectories();
        findings.SetPaths(PathOf);
    }

    private void Want(ulong inode)
    {
        if (inode != _g.Superblock.RootInode && _wanted.TryAdd(inode, null)) _missing++;
    }

    private void WantAncestors(int directory)
    {
        // A cycle ends the walk as soon as it meets what is wanted already.
        for (; directory >= 0; directory = inodes.Directories[directory].NamedBy)
        {
            int before = _wanted.Count;
            Want(inodes.Directories[directory].Inode);
            if (_wanted.Count == before) return;
        }
    }

    private string? PathOf(ulong inode)
    {
        ulong root = _g.Superblock.RootInode;
        List<string> names = [];
        for (int depth = 0; inode != root; depth++)
        {
            if (depth > 1000 || !_wanted.TryGetValue(inode, out (string Name, int Directory)? known) || known is not (string name, int directory)) return null;
            names.Add(name);
            inode = inodes.Directories[directory].Inode;
        }
        names.Reverse();
        return "/" + string.Join('/', names);
    }

    private void ReadDirectories()
    {
        _read = [];
        for (int i = 0; i < inodes.Directories.Count && _missing > 0; i++)
        {
            scan.Cancellation.ThrowIfCancellationRequested();
            InodeNumber number = new(inodes.Directories[i].Inode);
            AgNumber ag = _g.AgOf(number);
            AgInode inside = _g.InodeInAg(number);
            long offset = _g.ByteOffset(ag, _g.BlockOf(inside)) + (long)(inside.Value & (uint)(_g.InodesPerBlock - 1)) * _g.InodeSize;
            if (TryRead(offset, _inode)) ReadDirectory(i);
        }
    }

    private bool TryRead(long offset, Span<byte> into)
    {
        // What cannot be read was reported when it was read for the first time.
        try
        {
            if (offset > scan.Device.Length - into.Length) return false;
            scan.Device.Read(offset, into);
            return true;
        }
        catch (IOException)
        {
            return false;
        }
    }

    private void ReadDirectory(int index)
    {
        ref readonly InodeCore core = ref InodeCore.At((ReadOnlySpan<byte>)_inode);
        if (core.Format == ForkFormat.Local)
        {
            ReadShort(_inode.AsSpan(InodeCore.Size, core.DataForkSize(_g.InodeSize)), index);
            return;
        }
        forks.Walk(_inode, inodes.Directories[index].Inode, attribute: false, keep: true, claim: false);
        ulong end = Geometry.DirectoryLeafOffset >> _g.BlockLog;
        uint unit = (uint)_g.DirectoryBlockFsBlocks;
        for (int e = 0; e < forks.Map.Count; e++)
        {
            Extent extent = forks.Map[e];
            // A block in pieces is left out: no path is better than the wrong one.
            for (uint b = 0; b + unit <= extent.Length && extent.Offset.Value + b < end; b += unit)
            {
                if (!_read.Add((extent.Start + b).Value)) return;
                if (TryRead(_g.ByteOffset(extent.Start + b), _block)) ReadBlock(index);
            }
        }
    }

    private void ReadShort(ReadOnlySpan<byte> fork, int index)
    {
        int width = fork[1] > 0 ? 8 : 4, position = 2 + width, type = _g.HasFileType ? 1 : 0;
        for (int left = fork[0]; left > 0 && position + 3 <= fork.Length; left--)
        {
            int length = fork[position], size = 3 + length + type + width;
            if (position + size > fork.Length) return;
            ReadOnlySpan<byte> at = fork[(position + 3 + length + type)..];
            Take(fork.Slice(position + 3, length), width == 8 ? BinaryPrimitives.ReadUInt64BigEndian(at) : BinaryPrimitives.ReadUInt32BigEndian(at), index);
            position += size;
        }
    }

    private void ReadBlock(int index)
    {
        ReadOnlySpan<byte> block = _block;
        if (DirectoryDataHeader.At(block).Magic.Value is not (DirectoryMagic.Block or DirectoryMagic.Data)) return;
        for (int position = DirectoryDataHeader.Size; position + 16 <= block.Length;)
        {
            if (BinaryPrimitives.ReadUInt16BigEndian(block[position..]) == DirectoryDataHeader.FreeTag)
            {
                int free = BinaryPrimitives.ReadUInt16BigEndian(block[(position + 2)..]);
                if (free < 8) return;
                position += free;
                continue;
            }
            int length = block[position + 8], size = DirectoryName.EntrySize(length);
            if (length == 0 || position + size > block.Length || BinaryPrimitives.ReadUInt16BigEndian(block[(position + size - 2)..]) != position) return;
            Take(block.Slice(position + 9, length), BinaryPrimitives.ReadUInt64BigEndian(block[position..]), index);
            position += size;
        }
    }

    private void Take(ReadOnlySpan<byte> name, ulong child, int index)
    {
        if (!_wanted.TryGetValue(child, out (string Name, int Directory)? known) || known is not null || name.SequenceEqual("."u8) || name.SequenceEqual(".."u8)) return;
        _wanted[child] = (NameScan.Show(name), index);
        _missing--;
    }
}
