using System.Buffers.Binary;
using System.Security.Cryptography;
using ImageFs.Format;

namespace ImageFs.Fsck;

/// <summary>Repairs one inode: field by field from what its forks, its blocks and the reverse map say; clears it only when nothing does.</summary>
internal sealed class InodeRepair(RepairView view, RmapIndex rmaps, SpacePool pool, OwnedBlocks? owned = null, LostInodes? lost = null)
{
    private const InodeFlags2 KnownFlags2 = InodeFlags2.Dax | InodeFlags2.Reflink | InodeFlags2.CowExtentSize | InodeFlags2.BigTime | InodeFlags2.LargeExtentCounters;
    private const InodeFlags ForDirectories = InodeFlags.RtInherit | InodeFlags.ExtentSizeInherit | InodeFlags.ProjectInherit | InodeFlags.NoSymlinks;
    private const InodeFlags ForFiles = InodeFlags.Realtime | InodeFlags.ExtentSize;
    private readonly InodeGuess _guess = new(view);
    // The reverse map is asked only about forks that are damaged.
    private readonly ForkSalvage _withWitness = new(view, rmaps, owned), _alone = new(view, RmapIndex.None);
    private ForkSalvage _forks = null!;
    private readonly ForkWriter _writer = new(view, pool);

    private Geometry Geometry => view.Geometry;

    /// <param name="damage">What was found.</param>
    /// <param name="isUsed">The inode btree says it is in use.</param>
    /// <returns>True if something was changed.</returns>
    public bool Repair(ulong number, InodeDamage damage, bool isUsed)
    {
        InodeNumber n = new(number);
        byte[] inode = view.Read(view.OffsetOf(n), Geometry.InodeSize), before = (byte[])inode.Clone();
        ref InodeCore core = ref InodeCore.At(inode.AsSpan());
        view.Purpose = Remedy.FixInode;
        _forks = (damage & InodeDamage.Fork) != 0 ? _withWitness : _alone;
        bool isLost = LostInodes.IsLost(inode, number, Geometry);
        bool lostMode = core.Mode == 0 && isUsed && core.LinkCount != 0 && (core.BlockCount != 0 || core.FileSize != 0);
        if (damage == InodeDamage.Mode && !lostMode) return false; // a free inode, whatever the btree says
        if (isLost && lost?.TryRebuild(number) == true) return true;
        if (isLost || core.Mode == 0 && !lostMode)
        {
            Clear(n, isLost ? (uint)RandomNumberGenerator.GetInt32(int.MaxValue) : core.Generation.Value);
            return true;
        }
        core.Magic = InodeCore.MagicNumber;
        core.Version = 3;
        core.Number = number;
        core.Uuid = Geometry.MetaUuid;
        core.OldLinkCount = 0;
        if (core.LinkCount != 0 || !Geometry.IsValid(Geometry.AgOf(n), new AgInode(core.NextUnlinked))) core.NextUnlinked = uint.MaxValue;
        FixCounters(ref core);
        if (core.ForkOffset * 8 >= Geometry.InodeSize - InodeCore.Size) FixAttributePlace(inode, number, Geometry.InodeSize - InodeCore.Size);
        FixType(inode, number);
        if (InodeCore.At(inode.AsSpan()).Mode == 0 || !FixForks(inode, number, damage))
        {
            Clear(n, core.Generation + 1);
            return true;
        }
        FixSize(inode, ref core);
        FixFlags(ref core, number);
        if ((damage & InodeDamage.Shares) != 0 && core.IsRegular && Geometry.HasReflink) core.Flags2 |= InodeFlags2.Reflink;
        FixTimes(ref core);
        if (BlockVerifier.VerifyInodeStructure(inode, Geometry, n) is not null)
        {
            Clear(n, core.Generation + 1);
            return true;
        }
        if (inode.AsSpan().SequenceEqual(before) && Crc32c.IsValid(inode, InodeCore.CrcOffset) && core.Lsn <= view.Head.Value) return false;
        view.WriteInode(n, inode);
        return true;
    }

    /// <summary>Makes an inode a free one.</summary>
    public void Clear(InodeNumber number, uint generation)
    {
        view.Purpose = Remedy.ClearInode;
        byte[] inode = new byte[Geometry.InodeSize];
        ref InodeCore core = ref InodeCore.At(inode.AsSpan());
        core.Magic = InodeCore.MagicNumber;
        core.Version = 3;
        core.Format = core.AttributeFormat = ForkFormat.Extents;
        core.Generation = generation;
        core.NextUnlinked = uint.MaxValue;
        core.Number = number.Value;
        core.Uuid = Geometry.MetaUuid;
        view.WriteInode(number, inode);
    }

    /// <summary>Where the extent counters stand depends on a flag; the places it leaves empty tell if the flag is wrong.</summary>
    private void FixCounters(ref InodeCore core)
    {
        bool large = core.Has(InodeFlags2.LargeExtentCounters);
        if (large && (!Geometry.HasLargeExtentCounters || core.AttrExtentCount16 != 0 && core.BigExtentCount == 0)) core.Flags2 &= ~InodeFlags2.LargeExtentCounters;
        else if (large) core.AttrExtentCount16 = 0;
        else if (core.BigExtentCount != 0 && core.ExtentCount32 == 0 && Geometry.HasLargeExtentCounters && core.BigExtentCount <= core.BlockCount) core.Flags2 |= InodeFlags2.LargeExtentCounters;
        if (!core.Has(InodeFlags2.LargeExtentCounters)) core.BigExtentCount = 0;
        else core.AttrExtentCount16 = 0;
        if (core.ExtentCount > core.MaxExtents) core.ExtentCount = 0;
        if (core.AttrExtentCount > core.MaxAttrExtents) core.AttrExtentCount = 0;
    }

    private void FixType(byte[] inode, ulong number)
    {
        ref InodeCore core = ref InodeCore.At(inode.AsSpan());
        bool device = core.Type is FileMode16.CharDevice or FileMode16.BlockDevice or FileMode16.Fifo or FileMode16.Socket;
        bool known = device || core.IsRegular || core.IsDirectory || core.IsSymlink;
        ushort content = _guess.TypeByContent(inode, number);
        bool contradicts = device && (core.Format is ForkFormat.Extents && core.BlockCount != 0 || core.Format is ForkFormat.Btree or ForkFormat.Local)
            || content == FileMode16.Directory && !core.IsDirectory || content == FileMode16.Symlink && (core.IsRegular || core.IsDirectory)
            || content == FileMode16.Regular && core.IsSymlink;
        if (known && !contradicts) return;
        if (content == 0) content = core.Format == ForkFormat.Extents ? FileMode16.Regular : (ushort)0;
        ushort permissions = core.Mode == 0 ? (ushort)(content == FileMode16.Directory ? 0x1C0 : content == FileMode16.Symlink ? 0x1FF : 0x180)
            : (ushort)(core.Mode & FileMode16.PermissionMask);
        core.Mode = content == 0 ? (ushort)0 : (ushort)(content | permissions);
    }

    /// <summary>Sets place, form, counters and, where they are damaged, contents of both forks.</summary>
    /// <returns>False if the data fork cannot be saved.</returns>
    private bool FixForks(byte[] inode, ulong number, InodeDamage damage)
    {
        ref InodeCore core = ref InodeCore.At(inode.AsSpan());
        InodeNumber n = new(number);
        int literal = Geometry.InodeSize - InodeCore.Size;
        FixAttributePlace(inode, number, literal);
        if (core.Format is not (ForkFormat.Local or ForkFormat.Extents or ForkFormat.Btree or ForkFormat.Device) || FormContradicts(core))
            core.Format = _guess.DataFormat(inode, number);
        if (core.Format == ForkFormat.Local && core.IsRegular) core.Format = ForkFormat.Extents;

        ulong attributeBlocks = 0, dataBlocks = 0;
        SalvagedFork? attributes = null, data = null;
        if (core.ForkOffset != 0 && core.AttributeFormat is ForkFormat.Extents or ForkFormat.Btree)
            attributes = _forks.Collect(inode, number, attribute: true, core.Format is ForkFormat.Local or ForkFormat.Device ? core.BlockCount : 0);
        if (core.Format is ForkFormat.Extents or ForkFormat.Btree)
        {
            ulong others = attributes?.Blocks ?? 0;
            data = _forks.Collect(inode, number, attribute: false, core.BlockCount > others ? core.BlockCount - others : 0);
        }
        bool rewrite = (damage & (InodeDamage.Core | InodeDamage.Fork)) != 0;
        if (data is not null && rewrite)
        {
            if (_writer.Write(inode, n, attribute: false, data) is not ulong tree) return false;
            dataBlocks = data.Blocks + tree;
            if (!core.IsRegular && core.Format == ForkFormat.Btree && core.IsSymlink) return false;
        }
        else if (data is null) core.ExtentCount = 0;
        if (attributes is not null && rewrite)
        {
            if (attributes.Extents.Count == 0 && core.AttrExtentCount != 0) DropAttributes(inode);
            else if (_writer.Write(inode, n, attribute: true, attributes) is ulong tree) attributeBlocks = attributes.Blocks + tree;
            else DropAttributes(inode);
        }
        else if (attributes is null && core.AttrExtentCount != 0) core.AttrExtentCount = 0;
        if (rewrite) core.BlockCount = dataBlocks + attributeBlocks;
        return true;
    }

    private static bool FormContradicts(in InodeCore core) => core.Type switch
    {
        FileMode16.Regular => core.Format is not (ForkFormat.Extents or ForkFormat.Btree),
        FileMode16.Directory => core.Format == ForkFormat.Device,
        FileMode16.Symlink => core.Format is not (ForkFormat.Local or ForkFormat.Extents),
        _ => core.Format != ForkFormat.Device,
    };

    /// <summary>The attribute fork begins where it makes sense; if that is nowhere, there is none.</summary>
    private void FixAttributePlace(byte[] inode, ulong number, int literal)
    {
        ref InodeCore core = ref InodeCore.At(inode.AsSpan());
        bool device = !core.IsRegular && !core.IsDirectory && !core.IsSymlink;
        bool possible = core.ForkOffset * 8 < literal && (!device || core.ForkOffset is 0 or 1);
        bool empty = core.ForkOffset != 0 && core.AttributeFormat == ForkFormat.Extents && core.AttrExtentCount == 0;
        if (possible && (empty || core.ForkOffset != 0 && _guess.IsAttributeFork(inode, number, core.ForkOffset, core.AttributeFormat))) return;
        if (possible && core.ForkOffset == 0 && core.AttributeFormat == ForkFormat.Extents && core.AttrExtentCount == 0) return;
        if (_guess.FindAttributeFork(inode, number) is (byte offset, ForkFormat format) && (!device || offset == 1))
        {
            (core.ForkOffset, core.AttributeFormat) = (offset, format);
            if (format == ForkFormat.Local) core.AttrExtentCount = 0;
            return;
        }
        // Its contents may be damaged where it is; that is for the attributes' own repair.
        if (possible && core.ForkOffset != 0 && core.AttributeFormat is ForkFormat.Local or ForkFormat.Extents or ForkFormat.Btree) return;
        DropAttributes(inode);
    }

    private static void DropAttributes(byte[] inode)
    {
        ref InodeCore core = ref InodeCore.At(inode.AsSpan());
        core.AttrExtentCount = 0;
        core.AttributeFormat = ForkFormat.Extents;
        int literal = inode.Length - InodeCore.Size;
        // A root of a bmbt would have to move; the fork stays and is empty.
        if (core.ForkOffset * 8 < literal && core.ForkOffset != 0 && core.Format == ForkFormat.Btree) inode.AsSpan(InodeCore.Size + core.ForkOffset * 8).Clear();
        else core.ForkOffset = 0;
    }

    private void FixSize(byte[] inode, ref InodeCore core)
    {
        ReadOnlySpan<byte> fork = inode.AsSpan(InodeCore.Size, core.DataForkSize(Geometry.InodeSize));
        if (core.Format == ForkFormat.Local)
        {
            if (core.IsDirectory && _guess.ShortDirectoryEnd(fork) is int end) core.FileSize = (ulong)end;
            else if (core.FileSize > (ulong)fork.Length || core.FileSize == 0)
            {
                int zero = fork.IndexOf((byte)0);
                core.FileSize = (ulong)(zero < 0 ? fork.Length : zero);
            }
            return;
        }
        if (core.Format == ForkFormat.Device) core.FileSize = 0;
        if (!core.IsRegular && !core.IsDirectory) return;
        SalvagedFork map = _forks.Collect(inode, core.Number, attribute: false, core.BlockCount);
        if (core.IsDirectory)
        {
            ulong leaf = Geometry.DirectoryLeafOffset >> Geometry.BlockLog;
            Extent last = map.Extents.LastOrDefault(e => e.Offset.Value < leaf);
            if (last.Length > 0) core.FileSize = Math.Min(last.End.Value, leaf) << Geometry.BlockLog;
        }
        else if (core.FileSize.Value >> 63 != 0)
            core.FileSize = map.Extents.Count == 0 ? 0 : map.Extents[^1].End.Value << Geometry.BlockLog;
    }

    private void FixFlags(ref InodeCore core, ulong number)
    {
        InodeFlags flags = core.Flags & ~InodeFlags.Reserved;
        if (!core.IsDirectory) flags &= ~ForDirectories;
        if (!core.IsRegular) flags &= ~ForFiles;
        if (number != Geometry.Superblock.RealtimeBitmapInode) flags &= ~InodeFlags.NewRtBitmap;
        if (Geometry.Superblock.RealtimeBlocks == 0) flags &= ~InodeFlags.Realtime;
        uint most = Math.Min(Extent.MaxLength, Geometry.AgBlocks / 2);
        const InodeFlags hints = InodeFlags.ExtentSize | InodeFlags.ExtentSizeInherit;
        if ((flags & InodeFlags.Realtime) == 0)
        {
            if (core.ExtentSizeHint > most || (flags & hints) == 0) core.ExtentSizeHint = 0;
            if (core.ExtentSizeHint == 0) flags &= ~hints;
        }
        core.Flags = flags;
        InodeFlags2 flags2 = core.Flags2 & KnownFlags2;
        if (!Geometry.HasReflink || !core.IsRegular || (flags & InodeFlags.Realtime) != 0) flags2 &= ~InodeFlags2.Reflink;
        if (!Geometry.HasReflink || !core.IsRegular && !core.IsDirectory) flags2 &= ~InodeFlags2.CowExtentSize;
        if (core.CowExtentSizeHint > most || (flags2 & InodeFlags2.CowExtentSize) == 0) core.CowExtentSizeHint = 0;
        if (core.CowExtentSizeHint == 0) flags2 &= ~InodeFlags2.CowExtentSize;
        if (!Geometry.HasBigTime) flags2 &= ~InodeFlags2.BigTime;
        core.Flags2 = flags2;
    }

    /// <summary>Seconds and nanoseconds, or nanoseconds since long ago: impossible nanoseconds tell that the flag was lost.</summary>
    private void FixTimes(ref InodeCore core)
    {
        if (core.Has(InodeFlags2.BigTime)) return;
        bool Impossible(ulong raw) => (uint)raw >= 1_000_000_000;
        int impossible = (Impossible(core.AccessTime) ? 1 : 0) + (Impossible(core.ModifyTime) ? 1 : 0) + (Impossible(core.ChangeTime) ? 1 : 0) + (Impossible(core.CreateTime) ? 1 : 0);
        if (Geometry.HasBigTime && impossible > 1)
        {
            core.Flags2 |= InodeFlags2.BigTime;
            return;
        }
        if (Impossible(core.AccessTime)) core.AccessTime = core.AccessTime & 0xFFFFFFFF00000000;
        if (Impossible(core.ModifyTime)) core.ModifyTime = core.ModifyTime & 0xFFFFFFFF00000000;
        if (Impossible(core.ChangeTime)) core.ChangeTime = core.ChangeTime & 0xFFFFFFFF00000000;
        if (Impossible(core.CreateTime)) core.CreateTime = core.CreateTime & 0xFFFFFFFF00000000;
    }
}
