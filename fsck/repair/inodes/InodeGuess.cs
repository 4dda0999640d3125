using System.Buffers.Binary;
using System.Runtime.InteropServices;
using ImageFs.Format;

namespace ImageFs.Fsck;

/// <summary>Tells from the contents of an inode what its fields should be: the kind of file, the form of its forks, where the second begins.</summary>
internal sealed class InodeGuess(RepairView view)
{
    private Geometry Geometry => view.Geometry;

    /// <summary>What the data fork holds, if it can be told for certain.</summary>
    /// <returns>A file type, or 0.</returns>
    public ushort TypeByContent(ReadOnlySpan<byte> inode, ulong number)
    {
        ref readonly InodeCore core = ref InodeCore.At(inode);
        ReadOnlySpan<byte> fork = inode.Slice(InodeCore.Size, core.DataForkSize(Geometry.InodeSize));
        if (FirstBlock(fork, core.Format, number) is FsBlock first)
        {
            byte[] block = view.Read(Geometry.ByteOffset(first), Geometry.BlockSize);
            uint magic = BinaryPrimitives.ReadUInt32BigEndian(block);
            if (magic is DirectoryMagic.Block or DirectoryMagic.Data && DirectoryDataHeader.At((ReadOnlySpan<byte>)block).Owner == number) return FileMode16.Directory;
            if (magic == DirectoryMagic.Symlink && RemoteHeader.At(block).Owner == number) return FileMode16.Symlink;
            return FileMode16.Regular;
        }
        if (core.Format != ForkFormat.Local) return 0;
        if (IsShortDirectory(fork, core.FileSize)) return FileMode16.Directory;
        return core.FileSize > 0 && core.FileSize <= (ulong)fork.Length && !fork[..(int)core.FileSize.Value].Contains((byte)0) ? FileMode16.Symlink : (ushort)0;
    }

    /// <summary>The block the first extent leads to.</summary>
    private FsBlock? FirstBlock(ReadOnlySpan<byte> fork, ForkFormat format, ulong number)
    {
        if (format == ForkFormat.Extents)
            return MemoryMarshal.Read<PackedExtent>(fork).Unpack() is var extent && extent.Length > 0 && Geometry.IsValid(extent.Start, extent.Length) ? extent.Start : null;
        if (format != ForkFormat.Btree) return null;
        byte[] block = new byte[Geometry.BlockSize];
        ulong pointer = BinaryPrimitives.ReadUInt64BigEndian(fork[(BmbtInodeRoot.Size + 8 * BmbtInodeRoot.Capacity(fork.Length))..]);
        for (int depth = 0; depth < Geometry.Limits.Bmap && Geometry.IsValid(new FsBlock(pointer)); depth++)
        {
            view.Device.Read(Geometry.ByteOffset(new FsBlock(pointer)), block);
            ref readonly LongBtreeHeader header = ref LongBtreeHeader.At((ReadOnlySpan<byte>)block);
            if (header.Magic != BtreeMagic.Bmbt || header.Owner != number) return null;
            if (header.Level == 0) return MemoryMarshal.Read<PackedExtent>(block.AsSpan(LongBtreeHeader.Size)).Unpack() is var extent && Geometry.IsValid(extent.Start, extent.Length) ? extent.Start : null;
            pointer = BinaryPrimitives.ReadUInt64BigEndian(block.AsSpan(LongBtreeHeader.Size + 8 * Geometry.NodeCapacity(LongBtreeHeader.Size, 8, 8)));
        }
        return null;
    }

    /// <summary>True if the fork holds a short-form directory that ends where its size says.</summary>
    public bool IsShortDirectory(ReadOnlySpan<byte> fork, ulong size) => ShortDirectoryEnd(fork) is int end && (ulong)end == size;

    /// <summary>Where a short-form directory ends; null if the fork holds none.</summary>
    public int? ShortDirectoryEnd(ReadOnlySpan<byte> fork)
    {
        if (fork.Length < 6) return null;
        int count = fork[0], width = fork[1] > 0 ? 8 : 4, position = 2 + width, type = Geometry.HasFileType ? 1 : 0;
        if (position > fork.Length || !Geometry.IsValid(new InodeNumber(ReadInode(fork[2..], width)))) return null;
        for (int i = 0; i < count; i++)
        {
            if (position + 3 > fork.Length) return null;
            int length = fork[position], size = 3 + length + type + width;
            if (length == 0 || position + size > fork.Length || !Geometry.IsValid(new InodeNumber(ReadInode(fork[(position + 3 + length + type)..], width)))) return null;
            position += size;
        }
        return position;
    }

    private static ulong ReadInode(ReadOnlySpan<byte> at, int width) => width == 8 ? BinaryPrimitives.ReadUInt64BigEndian(at) : BinaryPrimitives.ReadUInt32BigEndian(at);

    /// <summary>The form a data fork must have to make sense; the one it claims if nothing tells otherwise.</summary>
    public ForkFormat DataFormat(ReadOnlySpan<byte> inode, ulong number)
    {
        ref readonly InodeCore core = ref InodeCore.At(inode);
        ReadOnlySpan<byte> fork = inode.Slice(InodeCore.Size, core.DataForkSize(Geometry.InodeSize));
        if (!core.IsRegular && !core.IsDirectory && !core.IsSymlink) return ForkFormat.Device;
        if (IsTreeRoot(fork, number)) return ForkFormat.Btree;
        if (core.IsDirectory && IsShortDirectory(fork, core.FileSize)) return ForkFormat.Local;
        if (core.IsSymlink) return FirstBlock(fork, ForkFormat.Extents, number) is FsBlock first && BinaryPrimitives.ReadUInt32BigEndian(view.Read(Geometry.ByteOffset(first), 4)) == DirectoryMagic.Symlink
            ? ForkFormat.Extents : ForkFormat.Local;
        if (core.IsDirectory && FirstBlock(fork, ForkFormat.Extents, number) is null) return ForkFormat.Local;
        return ForkFormat.Extents;
    }

    private bool IsTreeRoot(ReadOnlySpan<byte> fork, ulong number)
    {
        if (fork.Length < BmbtInodeRoot.Size + 16) return false;
        int capacity = BmbtInodeRoot.Capacity(fork.Length);
        FsBlock child = new(BinaryPrimitives.ReadUInt64BigEndian(fork[(BmbtInodeRoot.Size + 8 * capacity)..]));
        if (!Geometry.IsValid(child)) return false;
        byte[] block = view.Read(Geometry.ByteOffset(child), LongBtreeHeader.Size);
        ref readonly LongBtreeHeader header = ref LongBtreeHeader.At((ReadOnlySpan<byte>)block);
        return header.Magic == BtreeMagic.Bmbt && header.Owner == number;
    }

    /// <summary>True if the attribute fork makes sense where forkoff says it begins.</summary>
    public bool IsAttributeFork(ReadOnlySpan<byte> inode, ulong number, int offset, ForkFormat format)
    {
        int start = InodeCore.Size + offset * 8;
        if (offset == 0 || start + 4 > inode.Length) return false;
        ReadOnlySpan<byte> fork = inode[start..];
        if (format == ForkFormat.Local) return ShortAttributesEnd(fork) is int end && end == BinaryPrimitives.ReadUInt16BigEndian(fork);
        if (format == ForkFormat.Btree) return IsTreeRoot(fork, number);
        if (format != ForkFormat.Extents || fork.Length < PackedExtent.Size || FirstBlock(fork, format, number) is not FsBlock first) return false;
        byte[] block = view.Read(Geometry.ByteOffset(first), Geometry.BlockSize);
        ref readonly DaBlockHeader header = ref DaBlockHeader.At((ReadOnlySpan<byte>)block);
        return header.Magic.Value is DirectoryMagic.AttrLeaf or DirectoryMagic.Node && header.Owner == number;
    }

    /// <summary>Where the entries of inline attributes end; null if they make no sense.</summary>
    public static int? ShortAttributesEnd(ReadOnlySpan<byte> fork)
    {
        if (fork.Length < 4) return null;
        int position = 4;
        for (int i = 0; i < fork[2]; i++)
        {
            if (position + 3 > fork.Length || fork[position] == 0) return null;
            position += 3 + fork[position] + fork[position + 1];
            if (position > fork.Length) return null;
        }
        return position;
    }

    /// <summary>The only place where an attribute fork of some form makes sense.</summary>
    /// <returns>forkoff and form; null if there is none, or more than one.</returns>
    public (byte Offset, ForkFormat Format)? FindAttributeFork(ReadOnlySpan<byte> inode, ulong number)
    {
        (byte, ForkFormat)? found = null;
        for (int offset = 1; InodeCore.Size + offset * 8 < inode.Length; offset++)
            foreach (ForkFormat format in (ReadOnlySpan<ForkFormat>)[ForkFormat.Local, ForkFormat.Extents, ForkFormat.Btree])
            {
                if (!IsAttributeFork(inode, number, offset, format) || format == ForkFormat.Local && inode[InodeCore.Size + offset * 8 + 2] == 0) continue;
                if (found is not null) return null;
                found = ((byte)offset, format);
            }
        return found;
    }
}
