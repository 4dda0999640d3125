using System.Buffers.Binary;
using System.Runtime.InteropServices;
using ImageFs.Devices;
using ImageFs.Format;
using ImageFs.Tests.Fixtures;

namespace ImageFs.Tests.Fsck;

/// <summary>Changes a value where it lies.</summary>
internal delegate void Edit<T>(ref T value);

/// <summary>Changes bytes where they lie.</summary>
internal delegate void EditBytes(Span<byte> bytes);

/// <summary>
/// A copy of a healthy image in memory, to be damaged on purpose. Every edit stamps the right checksum again, so that what
/// the check finds is the edit and not the checksum, unless <see cref="KeepChecksums"/> is set.
/// </summary>
internal sealed class DamagedImage
{
    /// <summary>Stands for an image with parent pointers, which xfsprogs of the samples cannot make: it is made here.</summary>
    public const string Parents = "parents";

    /// <summary>Stands for an image with user quotas, for which most kernels lack the code.</summary>
    public const string Quotas = "quotas";

    public DamagedImage(string sample) : this(sample == Parents ? WithParents() : sample == Quotas ? WithQuotas() : MemoryDevice.Load(SampleImages.Path(sample))) { }

    private static MemoryDevice WithParents()
    {
        MemoryDevice device = new(64 << 20);
        ImageFs.Mkfs.Mkfs.Format(device, new() { ParentPointers = true, SourceDate = DateTimeOffset.UnixEpoch.AddYears(50) });
        using FileSystem fs = FileSystem.Open(device, write: true, leaveOpen: true);
        fs.CreateDirectory("/folder");
        fs.CreateFile("/folder/file").Dispose();
        fs.CreateFile("/many").Dispose();
        for (int i = 0; i < 20; i++) fs.CreateHardLink($"/many-{i}-{new string('n', 40 + i)}", "/many");
        return device;
    }

    /// <summary>One block of records, as the kernel makes it when the first of them is needed; nothing was counted yet.</summary>
    private static MemoryDevice WithQuotas()
    {
        MemoryDevice device = new(64 << 20);
        ImageFs.Mkfs.Mkfs.Format(device, new() { SourceDate = DateTimeOffset.UnixEpoch.AddYears(50) });
        using (FileSystem fs = FileSystem.Open(device, write: true, leaveOpen: true))
        using (XfsFile file = fs.CreateFile("/q")) file.Write(0, new byte[4096]);
        DamagedImage image = new(device);
        Geometry g = image.Geometry;
        ulong inode = image.FindUsed(c => c.IsRegular && c.FileSize == 4096);
        byte[] block = new byte[g.BlockSize];
        for (uint id = 0; id < g.BlockSize / QuotaRecordSize; id++)
        {
            Span<byte> record = block.AsSpan((int)id * QuotaRecordSize, QuotaRecordSize);
            BinaryPrimitives.WriteUInt16BigEndian(record, 0x4451);
            (record[2], record[3]) = (1, (byte)(id == 0 ? 1 : 0x81));
            BinaryPrimitives.WriteUInt32BigEndian(record[4..], id);
            BinaryPrimitives.WriteUInt64BigEndian(record[8..], 1000 + id);
            MemoryMarshal.Write(record[120..], g.MetaUuid);
            Crc32c.Stamp(record, 108);
        }
        device.Write(image.FileBlock(inode, 0), block);
        // Quota inodes have neither a name nor a size.
        image.Inode(inode, (ref InodeCore c) => c.FileSize = 0);
        image.Fork(g.Superblock.RootInode, b => b[0] = 0);
        image.Inode(g.Superblock.RootInode, (ref InodeCore c) => c.FileSize = 6);
        image.Sb(0, (ref Superblock s) =>
        {
            s.VersionNumber = (ushort)(s.VersionNumber | (ushort)VersionBits.Quota);
            (s.UserQuotaInode, s.GroupQuotaInode, s.ProjectQuotaInode) = (inode, ulong.MaxValue, ulong.MaxValue);
            s.QuotaFlags = 3;
        });
        return device;
    }

    private const int QuotaRecordSize = 136;

    /// <summary>Edits a record of the user quotas; its checksum is made right again.</summary>
    public void QuotaRecord(uint id, EditBytes edit)
    {
        byte[] sector = Read(0, 512);
        ulong inode = Superblock.At((ReadOnlySpan<byte>)sector).UserQuotaInode;
        Bytes(FileBlock(inode, 0) + id * QuotaRecordSize, QuotaRecordSize, 108, edit);
    }

    public DamagedImage(MemoryDevice device)
    {
        Device = device;
        byte[] sector = new byte[512];
        Device.Read(0, sector);
        Geometry = new Geometry(Superblock.At((ReadOnlySpan<byte>)sector));
    }

    public MemoryDevice Device { get; }
    public Geometry Geometry { get; }

    /// <summary>Set to leave the old checksum over edited bytes.</summary>
    public bool KeepChecksums { get; set; }

    /// <summary>Edits a structure with a checksum at <paramref name="crc"/>; negative for none.</summary>
    public void Bytes(long offset, int length, int crc, EditBytes edit)
    {
        byte[] bytes = new byte[length];
        Device.Read(offset, bytes);
        edit(bytes);
        if (crc >= 0 && !KeepChecksums) Crc32c.Stamp(bytes, crc);
        Device.Write(offset, bytes);
    }

    public void Sb(uint ag, Edit<Superblock> edit) =>
        Bytes(Geometry.HeaderOffset(new AgNumber(ag), 0), Geometry.SectorSize, Superblock.CrcOffset, b => edit(ref Superblock.At(b)));

    public void Agf(uint ag, Edit<Agf> edit) =>
        Bytes(Geometry.HeaderOffset(new AgNumber(ag), 1), Geometry.SectorSize, Format.Agf.CrcOffset, b => edit(ref Format.Agf.At(b)));

    public void Agi(uint ag, Edit<Agi> edit) =>
        Bytes(Geometry.HeaderOffset(new AgNumber(ag), 2), Geometry.SectorSize, Format.Agi.CrcOffset, b => edit(ref Format.Agi.At(b)));

    public void Agfl(uint ag, EditBytes edit) => Bytes(Geometry.HeaderOffset(new AgNumber(ag), 3), Geometry.SectorSize, AgflHeader.CrcOffset, edit);

    public Agf ReadAgf(uint ag) => Format.Agf.At((ReadOnlySpan<byte>)Read(Geometry.HeaderOffset(new AgNumber(ag), 1), Geometry.SectorSize));
    public Agi ReadAgi(uint ag) => Format.Agi.At((ReadOnlySpan<byte>)Read(Geometry.HeaderOffset(new AgNumber(ag), 2), Geometry.SectorSize));

    public byte[] Read(long offset, int length)
    {
        byte[] bytes = new byte[length];
        Device.Read(offset, bytes);
        return bytes;
    }

    /// <summary>Byte offset of a block of a group's tree: the leftmost of a level, or one of its right siblings.</summary>
    public long TreeBlock(BlockKind kind, uint ag = 0, int level = 0, int right = 0)
    {
        Agf agf = ReadAgf(ag);
        Agi agi = ReadAgi(ag);
        uint block = kind switch
        {
            BlockKind.Bnobt => agf.BnoRoot, BlockKind.Cntbt => agf.CntRoot, BlockKind.Rmapbt => agf.RmapRoot,
            BlockKind.Refcountbt => agf.RefcountRoot, BlockKind.Inobt => agi.Root, _ => agi.FreeRoot,
        };
        int keys = kind switch { BlockKind.Bnobt or BlockKind.Cntbt => 8, BlockKind.Rmapbt => 40, _ => 4 };
        AgNumber group = new(ag);
        while (true)
        {
            long offset = Geometry.ByteOffset(group, new AgBlock(block));
            byte[] bytes = Read(offset, Geometry.BlockSize);
            ref readonly ShortBtreeHeader header = ref ShortBtreeHeader.At((ReadOnlySpan<byte>)bytes);
            if (header.Level < level) throw new AssertFailedException($"the {kind} of group {ag} has no level {level}");
            if (header.Level == level)
            {
                if (right == 0) return offset;
                right--;
                block = header.RightSibling;
                if (block == uint.MaxValue) throw new AssertFailedException($"level {level} of the {kind} ends too early");
                continue;
            }
            block = BinaryPrimitives.ReadUInt32BigEndian(bytes.AsSpan(56 + Geometry.NodeCapacity(56, keys, 4) * keys));
        }
    }

    /// <summary>Edits a block of a group's tree.</summary>
    public void Tree(BlockKind kind, EditBytes edit, uint ag = 0, int level = 0, int right = 0) =>
        Bytes(TreeBlock(kind, ag, level, right), Geometry.BlockSize, ShortBtreeHeader.CrcOffset, edit);

    /// <summary>Records of the leftmost leaf of a tree.</summary>
    public int RecordCount(BlockKind kind, uint ag = 0) => ShortBtreeHeader.At((ReadOnlySpan<byte>)Read(TreeBlock(kind, ag), Geometry.BlockSize)).RecordCount;

    /// <summary>All inodes of the image that exist, in order.</summary>
    public IEnumerable<ulong> Inodes()
    {
        for (uint ag = 0; ag < Geometry.AgCount; ag++)
        {
            long leaf = TreeBlock(BlockKind.Inobt, ag);
            byte[] bytes = Read(leaf, Geometry.BlockSize);
            int count = ShortBtreeHeader.At((ReadOnlySpan<byte>)bytes).RecordCount;
            for (int i = 0; i < count; i++)
            {
                InodeChunkRecord record = MemoryMarshal.Read<InodeChunkRecord>(bytes.AsSpan(56 + 16 * i));
                for (uint n = 0; n < 64; n++)
                    if (!Geometry.HasSparseInodes || (record.HoleMask.Value >> (int)(n / 4) & 1) == 0)
                        yield return Geometry.Join(new AgNumber(ag), new AgInode(record.Start + n)).Value;
            }
        }
    }

    public byte[] ReadInode(ulong number) => Read(InodeOffset(number), Geometry.InodeSize);

    public InodeCore Core(ulong number) => InodeCore.At((ReadOnlySpan<byte>)ReadInode(number));

    /// <summary>The first inode for which a condition holds.</summary>
    public ulong Find(Func<InodeCore, bool> condition) =>
        Inodes().Cast<ulong?>().FirstOrDefault(n => condition(Core(n!.Value))) ?? throw new AssertFailedException("the sample has no such inode");

    /// <summary>The first inode in use, with at least one link, for which a condition holds.</summary>
    public ulong FindUsed(Func<InodeCore, bool> condition) => Find(c => c.Mode != 0 && c.LinkCount != 0 && condition(c));

    public long InodeOffset(ulong number)
    {
        InodeNumber n = new(number);
        AgInode inside = Geometry.InodeInAg(n);
        return Geometry.ByteOffset(Geometry.AgOf(n), Geometry.BlockOf(inside)) + (inside.Value & (uint)(Geometry.InodesPerBlock - 1)) * Geometry.InodeSize;
    }

    public void Inode(ulong number, Edit<InodeCore> edit) =>
        Bytes(InodeOffset(number), Geometry.InodeSize, InodeCore.CrcOffset, b => edit(ref InodeCore.At(b)));

    /// <summary>Edits the literal area, from the end of the core on.</summary>
    public void Fork(ulong number, EditBytes edit) =>
        Bytes(InodeOffset(number), Geometry.InodeSize, InodeCore.CrcOffset, b => edit(b[InodeCore.Size..]));

    /// <summary>Edits the attribute fork inside the inode.</summary>
    public void AttributeFork(ulong number, EditBytes edit)
    {
        int start = InodeCore.Size + Core(number).ForkOffset * 8;
        Bytes(InodeOffset(number), Geometry.InodeSize, InodeCore.CrcOffset, b => edit(b[start..]));
    }

    /// <summary>The extents of a fork, in the inode or below.</summary>
    public List<Extent> Extents(ulong number, bool attribute = false)
    {
        byte[] inode = ReadInode(number);
        InodeCore core = InodeCore.At((ReadOnlySpan<byte>)inode);
        ReadOnlySpan<byte> fork = attribute ? inode.AsSpan(InodeCore.Size + core.ForkOffset * 8) : inode.AsSpan(InodeCore.Size, core.DataForkSize(Geometry.InodeSize));
        List<Extent> extents = [];
        if ((attribute ? core.AttributeFormat : core.Format) == ForkFormat.Extents)
        {
            int count = attribute ? (int)core.AttrExtentCount : (int)core.ExtentCount;
            for (int i = 0; i < count; i++) extents.Add(MemoryMarshal.Read<PackedExtent>(fork[(16 * i)..]).Unpack());
            return extents;
        }
        for (ulong block = BmbtLeaf(number, attribute); block != ulong.MaxValue;)
        {
            byte[] leaf = Read(Geometry.ByteOffset(new FsBlock(block)), Geometry.BlockSize);
            ref readonly LongBtreeHeader header = ref LongBtreeHeader.At((ReadOnlySpan<byte>)leaf);
            for (int i = 0; i < header.RecordCount; i++) extents.Add(MemoryMarshal.Read<PackedExtent>(leaf.AsSpan(72 + 16 * i)).Unpack());
            block = header.RightSibling;
        }
        return extents;
    }

    /// <summary>The leftmost leaf of a fork's bmbt.</summary>
    public ulong BmbtLeaf(ulong number, bool attribute = false)
    {
        byte[] inode = ReadInode(number);
        InodeCore core = InodeCore.At((ReadOnlySpan<byte>)inode);
        int size = attribute ? core.AttrForkSize(Geometry.InodeSize) : core.DataForkSize(Geometry.InodeSize);
        ReadOnlySpan<byte> fork = inode.AsSpan(attribute ? InodeCore.Size + core.ForkOffset * 8 : InodeCore.Size, size);
        ulong block = BinaryPrimitives.ReadUInt64BigEndian(fork[(4 + 8 * BmbtInodeRoot.Capacity(size))..]);
        while (true)
        {
            byte[] bytes = Read(Geometry.ByteOffset(new FsBlock(block)), Geometry.BlockSize);
            if (LongBtreeHeader.At((ReadOnlySpan<byte>)bytes).Level == 0) return block;
            block = BinaryPrimitives.ReadUInt64BigEndian(bytes.AsSpan(72 + 8 * Geometry.NodeCapacity(72, 8, 8)));
        }
    }

    /// <summary>Byte offsets of all blocks of a data fork's bmbt.</summary>
    public IEnumerable<long> BmbtBlocks(ulong number)
    {
        byte[] inode = ReadInode(number);
        int size = InodeCore.At((ReadOnlySpan<byte>)inode).DataForkSize(Geometry.InodeSize);
        ulong level = BinaryPrimitives.ReadUInt64BigEndian(inode.AsSpan(InodeCore.Size + 4 + 8 * BmbtInodeRoot.Capacity(size)));
        while (level != ulong.MaxValue)
        {
            ulong below = ulong.MaxValue;
            for (ulong block = level; block != ulong.MaxValue;)
            {
                long offset = Geometry.ByteOffset(new FsBlock(block));
                yield return offset;
                byte[] bytes = Read(offset, Geometry.BlockSize);
                LongBtreeHeader header = LongBtreeHeader.At((ReadOnlySpan<byte>)bytes);
                if (block == level && header.Level > 0) below = BinaryPrimitives.ReadUInt64BigEndian(bytes.AsSpan(72 + 8 * Geometry.NodeCapacity(72, 8, 8)));
                block = header.RightSibling;
            }
            level = below;
        }
    }

    public void Bmbt(ulong block, EditBytes edit) => Bytes(Geometry.ByteOffset(new FsBlock(block)), Geometry.BlockSize, LongBtreeHeader.CrcOffset, edit);

    /// <summary>Where a file block of a fork lies.</summary>
    public long FileBlock(ulong number, ulong block, bool attribute = false)
    {
        Extent extent = Extents(number, attribute).Find(e => e.Offset.Value <= block && block < e.End.Value);
        if (extent.Length == 0) throw new AssertFailedException($"inode {number} has no file block {block}");
        return Geometry.ByteOffset(extent.Start + (block - extent.Offset.Value));
    }

    /// <summary>Edits a directory block, whatever kind it is; the first of it must be contiguous with the rest.</summary>
    public void Directory(ulong number, ulong block, EditBytes edit) =>
        Bytes(FileBlock(number, block), Geometry.DirectoryBlockSize, block >= LeafStart && block < FreeStart ? DaBlockHeader.CrcOffset : DirectoryDataHeader.CrcOffset, edit);

    /// <summary>Edits a leaf or node of the attribute fork.</summary>
    public void AttributeBlock(ulong number, ulong block, EditBytes edit) =>
        Bytes(FileBlock(number, block, attribute: true), Geometry.BlockSize, DaBlockHeader.CrcOffset, edit);

    public ulong LeafStart => Geometry.DirectoryLeafOffset >> Geometry.BlockLog;
    public ulong FreeStart => Geometry.DirectoryFreeOffset >> Geometry.BlockLog;

    /// <summary>A directory in block form.</summary>
    public ulong BlockDirectory => FindUsed(c => c.IsDirectory && c.Format == ForkFormat.Extents && c.FileSize == (ulong)Geometry.DirectoryBlockSize);

    /// <summary>A directory whose last block is its only leaf.</summary>
    public ulong LeafDirectory => Inodes().First(n => IsForm(n, e => e.Value == LeafStart + (ulong)Geometry.DirectoryBlockFsBlocks));

    /// <summary>A directory with a hash tree and a free index.</summary>
    public ulong NodeDirectory => Inodes().First(n => IsForm(n, e => e.Value > FreeStart));

    public ulong ShortDirectory => FindUsed(c => c.IsDirectory && c.Format == ForkFormat.Local && c.FileSize > 30);

    private bool IsForm(ulong number, Func<FileBlock, bool> end)
    {
        InodeCore core = Core(number);
        return core.Mode != 0 && core.IsDirectory && core.Format is ForkFormat.Extents or ForkFormat.Btree && core.LinkCount != 0 && Extents(number) is { Count: > 0 } map && end(map[^1].End);
    }

    /// <summary>Position of an entry in a data block by its number among the entries.</summary>
    public static int Entry(ReadOnlySpan<byte> block, int index)
    {
        for (int at = DirectoryDataHeader.Size; at < block.Length;)
        {
            if (BinaryPrimitives.ReadUInt16BigEndian(block[at..]) == DirectoryDataHeader.FreeTag)
            {
                at += BinaryPrimitives.ReadUInt16BigEndian(block[(at + 2)..]);
                continue;
            }
            if (index-- == 0) return at;
            at += DirectoryName.EntrySize(block[at + 8]);
        }
        throw new AssertFailedException("the block has too few entries");
    }
}
