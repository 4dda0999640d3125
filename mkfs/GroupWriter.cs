using System.Runtime.InteropServices;
using ImageFs.Devices;
using ImageFs.Format;

namespace ImageFs.Mkfs;

/// <summary>Writes the headers and tree roots of one group after the other; they stand in a row at its start.</summary>
internal sealed class GroupWriter
{
    private readonly BlockDevice device;
    private readonly MkfsPlan plan;
    private readonly SuperblockBuilder superblocks;
    private readonly Uuid uuid;
    private readonly bool isZero;
    private readonly byte[] buffer;

    /// <param name="device">Where to write.</param>
    /// <param name="plan">What to write.</param>
    /// <param name="superblocks">The maker of superblock copies.</param>
    /// <param name="uuid">The UUID of all blocks.</param>
    /// <param name="isZero">The device reads as zeros, so the zeros at the end of a block need not be written.</param>
    public GroupWriter(BlockDevice device, MkfsPlan plan, SuperblockBuilder superblocks, Uuid uuid, bool isZero)
    {
        (this.device, this.plan, this.superblocks, this.uuid, this.isZero) = (device, plan, superblocks, uuid, isZero);
        buffer = new byte[plan.FirstFreeBlock * (uint)plan.BlockSize];
    }

    /// <summary>Writes everything of the group but, in group 0, the superblock.</summary>
    public void Write(uint ag)
    {
        buffer.AsSpan().Clear();
        GroupLayout layout = new(plan, ag);
        if (ag != 0) superblocks.WriteCopy(Sector(0), ag);
        WriteAgf(ag, layout);
        WriteAgi(ag, layout);
        WriteAgfl(ag, layout);
        WriteTrees(ag, layout);
        long offset = (long)ag * plan.AgBlocks * plan.BlockSize;
        if (isZero && plan.BlockSize > 4096) WriteUsedParts(offset);
        else
        {
            int skip = ag == 0 ? plan.SectorSize : 0;
            device.Write(offset + skip, buffer.AsSpan(skip));
        }
    }

    private Span<byte> Sector(int index) => buffer.AsSpan(index * plan.SectorSize, plan.SectorSize);

    // Of a block of 64 KiB mostly the first 4 are used, and a petabyte has many blocks.
    private void WriteUsedParts(long offset)
    {
        for (int at = 0; at < buffer.Length; at += 4096)
        {
            ReadOnlySpan<byte> part = buffer.AsSpan(at, Math.Min(4096, buffer.Length - at));
            if (part.ContainsAnyExcept((byte)0)) device.Write(offset + at, part);
        }
    }

    private void WriteAgf(uint ag, GroupLayout layout)
    {
        Span<byte> sector = Sector(1);
        ref Agf agf = ref Agf.At(sector);
        agf.Magic = Agf.MagicNumber;
        agf.Version = 1;
        agf.SequenceNumber = ag;
        agf.Length = layout.Length;
        agf.BnoRoot = plan.HeaderBlocks;
        agf.CntRoot = plan.HeaderBlocks + 1;
        agf.BnoLevel = agf.CntLevel = 1;
        if (plan.ReverseMapBtree)
        {
            agf.RmapRoot = RmapRoot;
            agf.RmapLevel = agf.RmapBlocks = 1;
        }
        if (plan.Reflink)
        {
            agf.RefcountRoot = RefcountRoot;
            agf.RefcountLevel = agf.RefcountBlocks = 1;
        }
        // Slot 0 of a fresh list is never used.
        agf.FreeListFirst = 1;
        agf.FreeListLast = agf.FreeListCount = (uint)layout.FreeList.Count;
        agf.FreeBlocks = layout.FreeBlocks;
        agf.Longest = layout.Longest;
        agf.Uuid = uuid;
        Crc32c.Stamp(sector, Agf.CrcOffset);
    }

    private void WriteAgi(uint ag, GroupLayout layout)
    {
        Span<byte> sector = Sector(2);
        ref Agi agi = ref Agi.At(sector);
        agi.Magic = Agi.MagicNumber;
        agi.Version = 1;
        agi.SequenceNumber = ag;
        agi.Length = layout.Length;
        agi.Root = InodeRoot;
        agi.Level = 1;
        agi.NewInode = agi.DirectoryInode = AgInode.Null.Value;
        if (ag == 0)
        {
            uint inodes = (uint)Math.Max(64, plan.InodesPerBlock);
            agi.Count = inodes;
            agi.FreeCount = inodes - 3;
            agi.NewInode = (uint)superblocks.RootInode;
        }
        foreach (ref BigEndian32 bucket in agi.Unlinked[..]) bucket = AgInode.Null.Value;
        agi.Uuid = uuid;
        if (plan.FreeInodeBtree)
        {
            agi.FreeRoot = InodeRoot + 1;
            agi.FreeLevel = 1;
        }
        if (plan.InodeBtreeCounters) agi.InodeBtreeBlocks = agi.FreeInodeBtreeBlocks = 1;
        Crc32c.Stamp(sector, Agi.CrcOffset);
    }

    private void WriteAgfl(uint ag, GroupLayout layout)
    {
        Span<byte> sector = Sector(3);
        ref AgflHeader agfl = ref AgflHeader.At(sector);
        agfl.Magic = AgflHeader.MagicNumber;
        agfl.SequenceNumber = ag;
        agfl.Uuid = uuid;
        Span<BigEndian32> slots = AgflHeader.Slots(sector);
        slots.Fill(AgBlock.Null.Value);
        for (int i = 0; i < layout.FreeList.Count; i++) slots[i + 1] = layout.FreeList[i];
        Crc32c.Stamp(sector, AgflHeader.CrcOffset);
    }

    private uint InodeRoot => plan.HeaderBlocks + 2;
    private uint RmapRoot => InodeRoot + (plan.FreeInodeBtree ? 2u : 1u);
    private uint RefcountRoot => plan.FirstFreeBlock - 1;

    private void WriteTrees(uint ag, GroupLayout layout)
    {
        static FreeSpaceRecord ToRecord(Run r) => new() { Start = r.Start, Count = r.Count };
        WriteRoot<FreeSpaceRecord>(ag, plan.HeaderBlocks, BtreeMagic.Bnobt, [.. layout.FreeByStart.Select(ToRecord)]);
        WriteRoot<FreeSpaceRecord>(ag, plan.HeaderBlocks + 1, BtreeMagic.Cntbt, [.. layout.FreeByLength.Select(ToRecord)]);
        InodeChunkRecord[] chunks = ag == 0 ? RootChunks() : [];
        WriteRoot<InodeChunkRecord>(ag, InodeRoot, BtreeMagic.Inobt, chunks);
        if (plan.FreeInodeBtree) WriteRoot<InodeChunkRecord>(ag, InodeRoot + 1, BtreeMagic.Finobt, chunks);
        if (plan.ReverseMapBtree)
            WriteRoot<RmapRecord>(ag, RmapRoot, BtreeMagic.Rmapbt,
                [.. layout.Owners.Select(o => new RmapRecord { Start = o.Start, Count = o.Count, Owner = o.Owner })]);
        if (plan.Reflink) WriteRoot<RefcountRecord>(ag, RefcountRoot, BtreeMagic.Refcountbt, []);
    }

    /// <summary>The records of the root chunk: two where one block holds 128 inodes.</summary>
    private InodeChunkRecord[] RootChunks()
    {
        var records = new InodeChunkRecord[Math.Max(1, plan.InodesPerBlock / 64)];
        for (int i = 0; i < records.Length; i++)
        {
            uint used = i == 0 ? 3u : 0;
            records[i].Start = (uint)superblocks.RootInode + (uint)i * 64;
            records[i].Free = ulong.MaxValue << (int)used;
            if (plan.SparseInodes) (records[i].Count, records[i].FreeCount) = (64, (byte)(64 - used));
            else records[i].FreeCountFull = 64 - used;
        }
        return records;
    }

    /// <summary>Writes a tree of one block, which is all a fresh group needs.</summary>
    private void WriteRoot<TRecord>(uint ag, uint at, uint magic, ReadOnlySpan<TRecord> records) where TRecord : unmanaged
    {
        Span<byte> block = buffer.AsSpan((int)at * plan.BlockSize, plan.BlockSize);
        ref ShortBtreeHeader header = ref ShortBtreeHeader.At(block);
        header.Magic = magic;
        header.RecordCount = (ushort)records.Length;
        header.LeftSibling = header.RightSibling = AgBlock.Null.Value;
        header.BlockNumber = ((ulong)ag * plan.AgBlocks + at) << (plan.BlockLog - 9);
        header.Uuid = uuid;
        header.Owner = ag;
        MemoryMarshal.AsBytes(records).CopyTo(block[ShortBtreeHeader.Size..]);
        Crc32c.Stamp(block, ShortBtreeHeader.CrcOffset);
    }
}
