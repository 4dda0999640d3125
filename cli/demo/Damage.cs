using System.Buffers.Binary;
using System.Runtime.InteropServices;
using ImageFs.Devices;
using ImageFs.Extents;
using ImageFs.Format;
using ImageFs.Inodes;

namespace ImageFs.Cli.Demo;

/// <summary>One lie in an image.</summary>
/// <param name="What">What was done, as a phrase.</param>
/// <param name="Do">Does it.</param>
internal sealed record Damage(string What, Action<BlockDevice> Do)
{
    /// <summary>Damage in different structures. Where the checksum is made right again, only comparing with what other structures say helps.</summary>
    /// <param name="fs">The image, for finding things; not changed.</param>
    /// <param name="file">A regular file with shared blocks.</param>
    public static IEnumerable<Damage> Of(FileSystem fs, Random random, string file)
    {
        Geometry g = fs.Geometry;
        AgNumber ag = new((uint)random.Next((int)g.AgCount));
        Agf agf = HeaderOf(fs, ag);
        int bit = random.Next(8);
        yield return new($"AGF of group {ag}: bit {bit} of the free-block counter, checksum made right",
            device => Edit(device, g.HeaderOffset(ag, 1), g.SectorSize, Agf.CrcOffset, s => Agf.At(s).FreeBlocks = Agf.At(s).FreeBlocks ^ 1u << bit));

        yield return new($"bnobt of group {ag}: a free extent one block longer, checksum made right",
            device => EditRecord<FreeSpaceRecord>(g, device, ag, new(agf.BnoRoot), agf.BnoLevel, (ref FreeSpaceRecord r) => r.Count = r.Count + 1));

        if (g.HasRmapbt)
            yield return new($"rmapbt of group {ag}: one bit rots, checksum left alone", device =>
            {
                long at = g.ByteOffset(ag, new AgBlock(agf.RmapRoot)) + ShortBtreeHeader.Size + random.Next(64);
                Edit(device, at, 1, null, s => s[0] ^= (byte)(1 << bit));
            });

        AgNumber shared = new(AgOfShared(fs, file));
        Agf sharedAgf = HeaderOf(fs, shared);
        if (g.HasReflink && sharedAgf.RefcountLevel == 1)
            yield return new($"refcountbt of group {shared}: one owner too many, checksum made right",
                device => EditRecord<RefcountRecord>(g, device, shared, new(sharedAgf.RefcountRoot), 1, (ref RefcountRecord r) => r.Refcount = r.Refcount + 1));

        if (FindDirectoryBlock(fs) is (string path, long block))
            yield return new($"directory {path}: a letter of a name, checksum made right", device =>
                Edit(device, block, g.DirectoryBlockSize, DirectoryDataHeader.CrcOffset, s =>
                {
                    ref byte letter = ref FirstNameIn(s);
                    letter = letter == (byte)'x' ? (byte)'y' : (byte)'x';
                }));

        InodeNumber inode = fs.GetEntry(file).Inode;
        yield return new($"inode {inode}: a link more than it has names, checksum made right", device =>
            Edit(device, InodeOffset(g, inode), g.InodeSize, InodeCore.CrcOffset, s => InodeCore.At(s).LinkCount = InodeCore.At(s).LinkCount + 1));
    }

    /// <summary>The first letter of the first name: behind the header, "." and "..", and what was removed since.</summary>
    private static ref byte FirstNameIn(Span<byte> block)
    {
        const int dots = 2 * 16, numberAndLength = 8 + 1;
        int at = DirectoryDataHeader.Size + dots;
        while (BinaryPrimitives.ReadUInt16BigEndian(block[at..]) == DirectoryDataHeader.FreeTag)
            at += BinaryPrimitives.ReadUInt16BigEndian(block[(at + 2)..]);
        return ref block[at + numberAndLength];
    }

    private delegate void RecordEdit<T>(ref T record);
    private delegate void BytesEdit(Span<byte> bytes);

    private static void Edit(BlockDevice device, long offset, int length, int? crc, BytesEdit change)
    {
        byte[] bytes = new byte[length];
        device.Read(offset, bytes);
        change(bytes);
        if (crc is int at) Crc32c.Stamp(bytes, at);
        device.Write(offset, bytes);
    }

    /// <summary>Changes the first record of a btree whose root is its only block.</summary>
    private static void EditRecord<T>(Geometry g, BlockDevice device, AgNumber ag, AgBlock root, uint levels, RecordEdit<T> change) where T : unmanaged
    {
        if (levels != 1) throw new InvalidOperationException("the demo's image is small enough for trees of one level");
        Edit(device, g.ByteOffset(ag, root), g.BlockSize, ShortBtreeHeader.CrcOffset, s => change(ref MemoryMarshal.Cast<byte, T>(s[ShortBtreeHeader.Size..])[0]));
    }

    private static Agf HeaderOf(FileSystem fs, AgNumber ag)
    {
        byte[] sector = new byte[fs.Geometry.SectorSize];
        fs.Volume.Data.Read(fs.Geometry.HeaderOffset(ag, 1), sector);
        return Agf.At(sector);
    }

    private static uint AgOfShared(FileSystem fs, string file)
    {
        using XfsFile opened = fs.OpenFile(file);
        FileExtent extent = opened.GetExtents().First(e => e.Shared);
        return (uint)((extent.Physical >> fs.Geometry.BlockLog) / fs.Geometry.AgBlocks);
    }

    private static long InodeOffset(Geometry g, InodeNumber inode)
    {
        uint inAg = g.InodeInAg(inode).Value;
        return g.ByteOffset(g.AgOf(inode), new AgBlock(inAg >> g.InodesPerBlockLog)) + (long)(inAg & (uint)(g.InodesPerBlock - 1)) * g.InodeSize;
    }

    /// <summary>A directory of one block, and where that block lies.</summary>
    private static (string Path, long Offset)? FindDirectoryBlock(FileSystem fs)
    {
        Stack<string> rest = new(["/"]);
        while (rest.TryPop(out string? path))
        {
            Inode inode = fs.Resolve(path, followLink: false);
            if (inode.Core.Format == ForkFormat.Extents && inode.Core.FileSize == (ulong)fs.Geometry.DirectoryBlockSize
                && fs.Volume.Map.TryFind(inode, ForkKind.Data, default, out Extent extent))
                return (path, fs.Geometry.ByteOffset(extent.Start));
            foreach (DirectoryItem item in fs.List(path))
                if (item.Type == DirectoryFileType.Directory) rest.Push(ImagePath.Join(path, item.Name));
        }
        return null;
    }
}
