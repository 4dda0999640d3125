using System.Buffers.Binary;
using ImageFs.Format;

namespace ImageFs.Journal;

/// <summary>
/// Repeats changes of inodes of version 4: the core is shorter, and a counter of writes takes the place of LSN and checksum. Blocks
/// carry neither, so that what the log says of them is always repeated.
/// </summary>
internal static class RecoveryVersion4
{
    private const int DeviceSize = 4, LongHeader = 24, FlushAt = Version4.FlushIterationOffset;
    private const uint BmbtMagic = 0x424D4150;

    /// <summary>Applies an inode item to the bytes of an inode.</summary>
    /// <returns>False if the inode is newer than the log.</returns>
    public static bool Apply(LogItem item, in InodeFormat format, Span<byte> inode)
    {
        string where = $"inode {format.Number}";
        if (BinaryPrimitives.ReadUInt16BigEndian(inode) != InodeCore.MagicNumber) throw Corrupt(where, $"there is no inode at daddr {format.Address} to be changed");
        if (item[1].Length < Version4.LoggedCoreSize) throw Corrupt(where, $"its core has {item[1].Length} bytes, expected {Version4.LoggedCoreSize}");
        Span<byte> logged = stackalloc byte[InodeCore.Size];
        item[1][..Version4.LoggedCoreSize].CopyTo(logged);
        LogInodeCore.Swap(logged, logged, bigTime: false, largeCounters: false);
        // Where later versions have one number of eight bytes, there is padding and the counter of writes.
        item[1][24..FlushAt].CopyTo(logged[24..]);
        ushort there = BinaryPrimitives.ReadUInt16BigEndian(inode[FlushAt..]), here = item[1].U16(FlushAt);
        // The counter starts again from 0 behind its end.
        bool wrapped = there == ushort.MaxValue && here < ushort.MaxValue / 2;
        if (here < there && !wrapped) return false;
        BinaryPrimitives.WriteUInt16BigEndian(logged[FlushAt..], 0);

        InodeCore core = InodeCore.At((ReadOnlySpan<byte>)logged);
        int literal = inode.Length - Version4.InodeCoreSize;
        if (core.Magic != InodeCore.MagicNumber) throw Corrupt(where, $"magic of the logged core 0x{core.Magic.Value:x4}, expected 0x{InodeCore.MagicNumber:x4}");
        if (core.ForkOffset * 8 >= literal) throw Corrupt(where, $"forkoff {core.ForkOffset} is beyond the inode");
        logged[..Version4.LoggedCoreSize].CopyTo(inode);
        if (format.Has(LogInodeItem.Device)) BinaryPrimitives.WriteUInt32BigEndian(inode.Slice(Version4.InodeCoreSize, DeviceSize), format.Device);
        if (item.RegionCount == 2) return true;
        int region = 2, data = core.ForkOffset != 0 ? core.ForkOffset * 8 : literal;
        if (format.HasDataFork) RecoveryInodes.SetFork(Fork(item, region++, format.Has(LogInodeItem.DataBtree), where), inode.Slice(Version4.InodeCoreSize, data), format.Has(LogInodeItem.DataBtree), where);
        if (format.HasAttrFork) RecoveryInodes.SetFork(Fork(item, region, format.Has(LogInodeItem.AttrBtree), where), inode[(Version4.InodeCoreSize + data)..], format.Has(LogInodeItem.AttrBtree), where);
        return true;
    }

    /// <summary>A logged fork; the root of a btree with the header that later versions have.</summary>
    private static ReadOnlySpan<byte> Fork(LogItem item, int region, bool btree, string where)
    {
        if (region >= item.RegionCount) throw Corrupt(where, "a fork is said to be logged and is not");
        ReadOnlySpan<byte> logged = item[region];
        if (!btree) return logged;
        if (logged.Length < LongHeader || BinaryPrimitives.ReadUInt32BigEndian(logged) != BmbtMagic) throw Corrupt(where, $"a btree root of {logged.Length} bytes is logged");
        byte[] longer = new byte[logged.Length + Version4.HeaderGrowth];
        logged[..LongHeader].CopyTo(longer);
        logged[LongHeader..].CopyTo(longer.AsSpan(LongBtreeHeader.Size));
        LongBtreeHeader.At(longer.AsSpan()).Magic = BtreeMagic.Bmbt;
        return longer;
    }

    private static CorruptionException Corrupt(string where, string problem) => new("log item INODE", where, problem);
}
