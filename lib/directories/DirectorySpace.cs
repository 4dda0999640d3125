using System.Diagnostics.CodeAnalysis;
using System.Numerics;
using ImageFs.Format;
using ImageFs.Metadata;
using ImageFs.Transactions;

namespace ImageFs.Directories;

/// <summary>
/// The three parts of a directory's address space: data from 0, hash index from 32 GiB, free index from 64 GiB. An
/// address in the hash index ("dataptr") counts units of 8 bytes from the start of the data.
/// </summary>
internal readonly struct DirectorySpace(Geometry geometry)
{
    /// <summary>Bytes of a directory block.</summary>
    public readonly int BlockSize = geometry.DirectoryBlockSize;
    /// <summary>File system blocks of a directory block.</summary>
    public readonly uint FsBlocks = (uint)geometry.DirectoryBlockFsBlocks;
    /// <summary>Where the hash index begins; data ends here.</summary>
    public readonly FileBlock Leaf = new(Geometry.DirectoryLeafOffset >> geometry.BlockLog);
    /// <summary>Where the free index begins; the hash index ends here.</summary>
    public readonly FileBlock Free = new(Geometry.DirectoryFreeOffset >> geometry.BlockLog);

    private readonly int _blockLog = BitOperations.Log2((uint)geometry.DirectoryBlockSize);

    /// <summary>Data blocks that could be addressed.</summary>
    public uint DataBlockLimit => (uint)(Geometry.DirectoryLeafOffset >> _blockLog);
    /// <summary>Best free lengths a block of the free index holds.</summary>
    public uint BestsPerBlock => (uint)(BlockSize - DirectoryFreeHeader.Size) / 2;

    /// <summary>The file block of a data block.</summary>
    public FileBlock Data(uint index) => new((ulong)index * FsBlocks);
    /// <summary>The file block of a free-index block.</summary>
    public FileBlock FreeBlock(uint index) => Free + (ulong)index * FsBlocks;
    /// <summary>The data block a file block lies in.</summary>
    public uint IndexOf(FileBlock data) => (uint)(data.Value / FsBlocks);

    /// <summary>The dataptr of a byte of a data block.</summary>
    public uint Address(uint index, int offset) => (uint)(((ulong)index << _blockLog) + (uint)offset >> 3);
    /// <summary>The data block a dataptr points into.</summary>
    public uint DataBlockOf(uint address) => (uint)((ulong)address << 3 >> _blockLog);
    /// <summary>The byte inside its data block a dataptr points at.</summary>
    public int OffsetOf(uint address) => (int)((ulong)address << 3 & (ulong)(BlockSize - 1));
}

/// <summary>Blocks of a directory with their headers filled in and their kinds checked.</summary>
internal static class DirectoryBlocks
{
    [DoesNotReturn]
    public static void Corrupt(IDirectoryStorage dir, FileBlock at, string problem) => throw Fault(dir, at, problem);

    public static CorruptionException Fault(IDirectoryStorage dir, FileBlock at, string problem) =>
        new("directory", $"inode {dir.Number} file block {at}", problem);

    /// <summary>A data block: the only one in block form, or one of many.</summary>
    public static MetadataBuffer NeedData(IDirectoryStorage dir, in DirectorySpace space, uint index, uint magic = DirectoryMagic.Data)
    {
        FileBlock at = space.Data(index);
        if (dir.ReadBlock(at, BlockKind.DirectoryData) is not MetadataBuffer buffer) throw Fault(dir, at, "no data block is mapped here");
        uint found = DirectoryDataHeader.At(buffer.Data).Magic;
        if (found != magic) Corrupt(dir, at, $"magic 0x{found:x8}, expected 0x{magic:x8} in this form of directory");
        return buffer;
    }

    /// <summary>A new data block without entries; di_size grows to its end.</summary>
    public static MetadataBuffer AddData(Transaction tx, IDirectoryStorage dir, in DirectorySpace space, uint index, uint magic = DirectoryMagic.Data)
    {
        if (index >= space.DataBlockLimit) throw new XfsNoSpaceException($"directory inode {dir.Number}: its 32 GiB of entries are full");
        FileBlock at = space.Data(index);
        if (dir.TryNextMapped(at, out FileBlock mapped) && mapped < at + space.FsBlocks)
            Corrupt(dir, at, "a data block is mapped where the free index has none");
        MetadataBuffer buffer = dir.AddBlock(tx, at, BlockKind.DirectoryData);
        DataBlock.Initialize(tx.Modify(buffer), magic, dir, buffer.Offset);
        ulong end = ((ulong)index + 1) * (uint)space.BlockSize;
        if (dir.Core.FileSize < end) dir.ModifyCore(tx).FileSize = end;
        return buffer;
    }

    /// <summary>Gives an empty data block back; di_size falls to the end of the last one left.</summary>
    public static void RemoveData(Transaction tx, IDirectoryStorage dir, in DirectorySpace space, uint index)
    {
        dir.RemoveBlock(tx, space.Data(index));
        if (dir.Core.FileSize > ((ulong)index + 1) * (uint)space.BlockSize) return;
        dir.ModifyCore(tx).FileSize = dir.EndOfMapped(space.Leaf).Value << dir.Geometry.BlockLog;
    }

    /// <summary>Fills in the header of a new leaf.</summary>
    public static void InitializeLeaf(Span<byte> block, ushort magic, IDirectoryStorage dir, long offset)
    {
        ref DaBlockHeader header = ref DaBlockHeader.At(block);
        header.Magic = magic;
        header.BlockNumber = dir.Geometry.DiskAddress(offset);
        header.Uuid = dir.Geometry.MetaUuid;
        header.Owner = dir.Number.Value;
    }
}
