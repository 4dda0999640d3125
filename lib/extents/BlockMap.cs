using System.Buffers.Binary;
using System.Runtime.InteropServices;
using ImageFs.Allocation;
using ImageFs.BTrees;
using ImageFs.Format;
using ImageFs.Inodes;
using ImageFs.Transactions;

namespace ImageFs.Extents;

using Cursor = BtreeCursor<BmbtKind, PackedExtent, BigEndian64>;

/// <summary>
/// The extents of a fork: a sorted list inside the inode, or a bmbt once the list does not fit any more. Knows the rmapbt and
/// the block count of the inode; knows nothing of sharing or of who frees the blocks.
/// </summary>
/// <remarks>
/// Always true: extents do not overlap; neighbours that touch in file and device and have the same state are one, up to
/// <see cref="Extent.MaxLength"/>; a fork is a btree exactly when its extents do not fit as a list.
/// </remarks>
internal sealed partial class BlockMap(AllocationGroups groups)
{
    private Geometry Geometry => groups.Cache.Geometry;

    /// <summary>Bytes of a block, as a power of two.</summary>
    public int BlockLog => Geometry.BlockLog;

    /// <summary>Called before a range of a data fork is mapped otherwise; may refuse it by an exception.</summary>
    public Action<Transaction, Inode, FileBlock, FileBlock>? Changing { get; set; }

    /// <summary>Rises when the mapping of some directory changes: whoever keeps one in memory finds out.</summary>
    public int DirectoryVersion { get; private set; }

    /// <summary>Mappings have become what they were before.</summary>
    public void ForgetDirectories() => DirectoryVersion++;

    private void Change(Transaction tx, Inode inode, ForkKind kind, FileBlock from, FileBlock end)
    {
        if (kind != ForkKind.Data) return;
        Changing?.Invoke(tx, inode, from, end);
        if (inode.IsDirectory) DirectoryVersion++;
    }

    /// <summary>The first extent that ends behind <paramref name="at"/>: the one over it, or the next.</summary>
    public bool TryFind(Inode inode, ForkKind kind, FileBlock at, out Extent extent)
    {
        extent = default;
        switch (inode.Format(kind))
        {
            case ForkFormat.Extents:
                ReadOnlySpan<PackedExtent> list = List(inode, kind);
                foreach (ref readonly PackedExtent packed in list)
                {
                    extent = packed.Unpack();
                    if (extent.End > at) return Checked(inode, extent);
                }
                return false;
            case ForkFormat.Btree:
                Cursor cursor = CursorOf(inode, kind);
                if (cursor.Seek(at.Value, SeekMode.LessOrEqual) && (extent = cursor.Current.Unpack()).End > at) return Checked(inode, extent);
                if (!cursor.Seek(at.Value, SeekMode.GreaterOrEqual)) return false;
                extent = cursor.Current.Unpack();
                return Checked(inode, extent);
            default:
                return false;
        }
    }

    /// <summary>The last extent that begins before <paramref name="limit"/>.</summary>
    public bool TryFindLast(Inode inode, ForkKind kind, FileBlock limit, out Extent extent)
    {
        extent = default;
        bool found = false;
        switch (inode.Format(kind))
        {
            case ForkFormat.Extents:
                foreach (ref readonly PackedExtent packed in List(inode, kind))
                {
                    Extent one = packed.Unpack();
                    if (one.Offset >= limit) break;
                    (extent, found) = (one, true);
                }
                return found && Checked(inode, extent);
            case ForkFormat.Btree:
                if (limit.Value == 0) return false;
                Cursor cursor = CursorOf(inode, kind);
                if (!cursor.Seek(limit.Value - 1, SeekMode.LessOrEqual)) return false;
                extent = cursor.Current.Unpack();
                return Checked(inode, extent);
            default:
                return false;
        }
    }

    /// <summary>Every extent from a file block on, in order; stops when <paramref name="visit"/> returns false.</summary>
    public void Walk(Inode inode, ForkKind kind, FileBlock from, Func<Extent, bool> visit)
    {
        if (inode.Format(kind) == ForkFormat.Btree)
        {
            Cursor cursor = new(new BmbtHome(groups, inode, kind));
            FileBlock behind = default;
            for (bool more = cursor.Seek(from.Value, SeekMode.LessOrEqual) || cursor.Seek(from.Value, SeekMode.GreaterOrEqual); more; more = cursor.Next())
            {
                Extent extent = cursor.Current.Unpack();
                Checked(inode, extent);
                if (extent.Offset < behind) throw inode.Corrupt($"extents overlap at file block {extent.Offset}");
                behind = extent.End;
                if (extent.End > from && !visit(extent)) return;
            }
            return;
        }
        if (inode.Format(kind) != ForkFormat.Extents) return;
        foreach (ref readonly PackedExtent packed in List(inode, kind))
        {
            Extent extent = packed.Unpack();
            Checked(inode, extent);
            if (extent.End > from && !visit(extent)) return;
        }
    }

    /// <summary>Decodes the extents around a place: the whole list, or a leaf of the bmbt.</summary>
    /// <param name="from">First file block they speak of.</param>
    /// <param name="to">First file block behind.</param>
    public Extent[] ReadAround(Inode inode, ForkKind kind, FileBlock at, out FileBlock from, out FileBlock to)
    {
        (from, to) = (default, new FileBlock(FileBlock.Limit));
        ReadOnlySpan<PackedExtent> packed = [];
        if (inode.Format(kind) == ForkFormat.Extents) packed = List(inode, kind);
        else if (inode.Format(kind) == ForkFormat.Btree)
        {
            Cursor cursor = new(new BmbtHome(groups, inode, kind));
            bool before = cursor.Seek(at.Value, SeekMode.LessOrEqual);
            if (before || cursor.Seek(at.Value, SeekMode.GreaterOrEqual))
            {
                packed = cursor.Leaf;
                if (before) from = packed[0].Unpack().Offset;
                if (cursor.TryKeyBehindLeaf(out BigEndian64 behind)) to = new FileBlock(behind.Value);
            }
        }
        Extent[] extents = new Extent[packed.Length];
        FileBlock last = from;
        for (int i = 0; i < extents.Length; i++)
        {
            Extent extent = packed[i].Unpack();
            Checked(inode, extent);
            if (extent.Offset < last || extent.End > to) throw inode.Corrupt($"extents overlap at file block {extent.Offset}");
            last = extent.End;
            extents[i] = extent;
        }
        if (at < from || at >= to) throw inode.Corrupt($"file block {at} is looked for in a bmbt leaf of {from} to {to}");
        return extents;
    }

    /// <summary>Maps a run into a hole, joined with its neighbours; counts its blocks and tells the rmapbt.</summary>
    /// <exception cref="XfsException">EFBIG: the fork cannot have another extent.</exception>
    public void Map(Transaction tx, Inode inode, ForkKind kind, in Extent extent)
    {
        Invariant.Holds(extent.Length is > 0 and <= Extent.MaxLength && extent.End.Value <= FileBlock.Limit, "an extent is 1..2^21-1 blocks below 2^54");
        Change(tx, inode, kind, extent.Offset, extent.End);
        (bool left, bool right) = MapWithoutRmap(tx, inode, kind, extent);
        inode.AddBlocks(tx, extent.Length);
        AddRmap(tx, inode, kind, extent, left, right);
    }

    /// <summary>
    /// Unmaps what is mapped at the start of a range: the first extent in it, as far as it lies inside. The blocks stay
    /// allocated: the caller drops their reference.
    /// </summary>
    /// <returns>False if nothing is mapped in the range.</returns>
    public bool TryUnmap(Transaction tx, Inode inode, ForkKind kind, FileBlock from, FileBlock end, out Extent removed, uint most = uint.MaxValue)
    {
        if (!TryFind(inode, kind, from, out removed) || removed.Offset >= end) return false;
        removed = Slice(removed, from, end);
        if (removed.Length > most) removed = removed with { Length = most };
        Change(tx, inode, kind, removed.Offset, removed.End);
        Cut(tx, inode, kind, removed);
        inode.AddBlocks(tx, -(long)removed.Length);
        RemoveRmap(tx, inode, kind, removed);
        return true;
    }

    /// <summary>Gives a mapped range the other state; it must lie inside one extent.</summary>
    public void SetUnwritten(Transaction tx, Inode inode, in Extent part, bool unwritten)
    {
        if (part.Unwritten == unwritten) return;
        Changing?.Invoke(tx, inode, part.Offset, part.End);
        Cut(tx, inode, ForkKind.Data, part);
        RemoveRmap(tx, inode, ForkKind.Data, part);
        Extent now = part with { Unwritten = unwritten };
        (bool left, bool right) = MapWithoutRmap(tx, inode, ForkKind.Data, now);
        AddRmap(tx, inode, ForkKind.Data, now, left, right);
    }

    /// <summary>The part of an extent inside a range of file blocks.</summary>
    public static Extent Slice(in Extent extent, FileBlock from, FileBlock end)
    {
        FileBlock start = extent.Offset < from ? from : extent.Offset, stop = extent.End > end ? end : extent.End;
        return new Extent(start, extent.Start + (start - extent.Offset), (uint)(stop - start), extent.Unwritten);
    }

    /// <returns>Whether blocks of the inode lie right before and right behind, in the file and on the device.</returns>
    private (bool Left, bool Right) MapWithoutRmap(Transaction tx, Inode inode, ForkKind kind, Extent extent)
    {
        bool hasLeft = TryFindLast(inode, kind, extent.Offset, out Extent left);
        bool hasRight = TryFind(inode, kind, extent.Offset, out Extent right);
        if ((hasLeft && left.End > extent.Offset) || (hasRight && right.Offset < extent.End)) throw inode.Corrupt($"{extent} is to be mapped where something is mapped: the extents are out of order");
        bool touchesLeft = hasLeft && left.End == extent.Offset && Touches(left, extent), touchesRight = hasRight && extent.End == right.Offset && Touches(extent, right);
        bool joinLeft = touchesLeft && left.Length + extent.Length <= Extent.MaxLength;
        bool joinRight = touchesRight && extent.Length + right.Length + (joinLeft ? left.Length : 0) <= Extent.MaxLength;
        if (joinRight)
        {
            extent = extent with { Length = extent.Length + right.Length };
            if (!joinLeft)
            {
                Replace(tx, inode, kind, right, extent);
                return (touchesLeft, touchesRight);
            }
            Delete(tx, inode, kind, right);
        }
        if (joinLeft) Replace(tx, inode, kind, left, left with { Length = left.Length + extent.Length });
        else Insert(tx, inode, kind, extent);
        return (touchesLeft, touchesRight);
    }

    /// <summary>Blocks touch within a group and have the same state.</summary>
    private bool Touches(in Extent left, in Extent right) =>
        left.Unwritten == right.Unwritten && left.Start.Value + left.Length == right.Start.Value
        && Geometry.AgOf(left.Start) == Geometry.AgOf(right.Start);

    /// <summary>Cuts a part out of the extent around it.</summary>
    private void Cut(Transaction tx, Inode inode, ForkKind kind, in Extent part)
    {
        bool found = TryFind(inode, kind, part.Offset, out Extent whole);
        if (!found || whole.Offset > part.Offset || whole.End < part.End) throw inode.Corrupt($"{part} is not found again: the extents are out of order");
        Extent rest = Slice(whole, part.End, whole.End);
        if (whole.Offset < part.Offset)
        {
            Replace(tx, inode, kind, whole, Slice(whole, whole.Offset, part.Offset));
            if (rest.Length > 0) Insert(tx, inode, kind, rest);
        }
        else if (rest.Length > 0) Replace(tx, inode, kind, whole, rest);
        else Delete(tx, inode, kind, whole);
    }

    /// <summary>A cursor of one fork that keeps its place within a transaction.</summary>
    private sealed class Place(AllocationGroups groups, Inode inode, ForkKind kind)
    {
        private readonly BmbtHome _home = new(groups, inode, kind);
        private Cursor? _cursor;

        public bool IsOf(Inode other, ForkKind otherKind) => other.Number == inode.Number && otherKind == kind;
        public Cursor For(Transaction tx) => Cursor.Keep(ref _cursor, _home, tx);
    }

    // Two: a remap goes back and forth between its source and its destination.
    private Place? _recent, _older;

    private Cursor CursorOf(Inode inode, ForkKind kind, Transaction? tx = null)
    {
        tx ??= groups.Running;
        if (tx is null) return new(new BmbtHome(groups, inode, kind));
        if (_recent is null || !_recent.IsOf(inode, kind))
            (_recent, _older) = (_older is not null && _older.IsOf(inode, kind) ? _older : new Place(groups, inode, kind), _recent);
        return _recent.For(tx);
    }

    /// <summary>The root of a fork is moved by other hands than a cursor's.</summary>
    private void ForgetPlaces() => _recent = _older = null;

    private ReadOnlySpan<PackedExtent> List(Inode inode, ForkKind kind) =>
        MemoryMarshal.Cast<byte, PackedExtent>(inode.Fork(kind))[..(int)inode.ExtentCount(kind)];

    private static int ListCapacity(Inode inode, ForkKind kind) => inode.Fork(kind).Length / PackedExtent.Size;

    private static int IndexOf(ReadOnlySpan<PackedExtent> list, FileBlock offset)
    {
        int index = 0;
        while (index < list.Length && list[index].Unpack().Offset < offset) index++;
        return index;
    }

    private void Insert(Transaction tx, Inode inode, ForkKind kind, in Extent extent)
    {
        if (inode.Format(kind) == ForkFormat.Extents)
        {
            int count = (int)inode.ExtentCount(kind);
            if (count < ListCapacity(inode, kind))
            {
                int index = IndexOf(List(inode, kind), extent.Offset);
                Span<PackedExtent> list = MemoryMarshal.Cast<byte, PackedExtent>(inode.ModifyFork(tx, kind));
                list[index..count].CopyTo(list[(index + 1)..]);
                list[index] = new PackedExtent(extent);
                inode.AddExtents(tx, kind, 1);
                return;
            }
            BecomeBtree(tx, inode, kind);
        }
        CursorOf(inode, kind, tx).Insert(new PackedExtent(extent));
        inode.AddExtents(tx, kind, 1);
    }

    private void Delete(Transaction tx, Inode inode, ForkKind kind, in Extent extent)
    {
        if (inode.Format(kind) == ForkFormat.Extents)
        {
            int count = (int)inode.ExtentCount(kind), index = IndexOf(List(inode, kind), extent.Offset);
            Span<PackedExtent> list = MemoryMarshal.Cast<byte, PackedExtent>(inode.ModifyFork(tx, kind));
            list[(index + 1)..count].CopyTo(list[index..]);
            list[count - 1] = default;
            inode.AddExtents(tx, kind, -1);
            return;
        }
        Cursor cursor = CursorOf(inode, kind, tx);
        if (!cursor.Seek(extent.Offset.Value, SeekMode.Equal)) throw inode.Corrupt($"the bmbt lost file block {extent.Offset}");
        cursor.Delete();
        inode.AddExtents(tx, kind, -1);
        if (inode.ExtentCount(kind) <= (ulong)ListCapacity(inode, kind)) BecomeList(tx, inode, kind);
    }

    /// <summary>Replaces an extent by one that sorts at the same place.</summary>
    private void Replace(Transaction tx, Inode inode, ForkKind kind, in Extent old, in Extent now)
    {
        if (inode.Format(kind) == ForkFormat.Extents)
        {
            int index = IndexOf(List(inode, kind), old.Offset);
            MemoryMarshal.Cast<byte, PackedExtent>(inode.ModifyFork(tx, kind))[index] = new PackedExtent(now);
            return;
        }
        Cursor cursor = CursorOf(inode, kind, tx);
        if (!cursor.Seek(old.Offset.Value, SeekMode.Equal)) throw inode.Corrupt($"the bmbt lost file block {old.Offset}");
        cursor.Update(new PackedExtent(now));
    }

    /// <summary>Moves a full list into the first leaf of a bmbt; its root in the inode has one child.</summary>
    private void BecomeBtree(Transaction tx, Inode inode, ForkKind kind)
    {
        ForgetPlaces();
        BmbtHome home = new(groups, inode, kind);
        ulong pointer = home.AllocateBlock(tx, 0);
        ReadOnlySpan<PackedExtent> list = List(inode, kind);
        long offset = home.OffsetOf(pointer);
        Span<byte> block = tx.Modify(tx.Create(offset, Geometry.BlockSize, BlockKind.Bmbt));
        ref LongBtreeHeader header = ref LongBtreeHeader.At(block);
        header.Magic = BtreeMagic.Bmbt;
        header.RecordCount = (ushort)list.Length;
        header.LeftSibling = header.RightSibling = ulong.MaxValue;
        header.BlockNumber = Geometry.DiskAddress(offset);
        header.Uuid = Geometry.MetaUuid;
        header.Owner = inode.Number.Value;
        MemoryMarshal.AsBytes(list).CopyTo(block[LongBtreeHeader.Size..]);
        ulong first = list[0].Unpack().Offset.Value;

        Span<byte> fork = inode.ModifyFork(tx, kind);
        fork.Clear();
        BinaryPrimitives.WriteUInt16BigEndian(fork, 1);
        BinaryPrimitives.WriteUInt16BigEndian(fork[2..], 1);
        BinaryPrimitives.WriteUInt64BigEndian(fork[BmbtInodeRoot.Size..], first);
        BinaryPrimitives.WriteUInt64BigEndian(fork[(BmbtInodeRoot.Size + 8 * BmbtInodeRoot.Capacity(fork.Length))..], pointer);
        inode.SetFormat(tx, kind, ForkFormat.Btree);
    }

    /// <summary>Moves the few extents that are left back into the inode: a btree that would fit as a list is not legal.</summary>
    private void BecomeList(Transaction tx, Inode inode, ForkKind kind)
    {
        ForgetPlaces();
        int count = (int)inode.ExtentCount(kind);
        PackedExtent[] list = new PackedExtent[count];
        BmbtHome home = new(groups, inode, kind);
        Cursor cursor = new(home);
        int have = 0;
        for (bool more = cursor.First(); more && have < count; more = cursor.Next()) list[have++] = cursor.Current;
        if (have != count) throw inode.Corrupt($"the bmbt holds {have} extents, nextents says {count}");

        ReadOnlySpan<byte> root = inode.Fork(kind);
        int level = BinaryPrimitives.ReadUInt16BigEndian(root), children = BinaryPrimitives.ReadUInt16BigEndian(root[2..]);
        int pointers = BmbtInodeRoot.Size + 8 * BmbtInodeRoot.Capacity(root.Length);
        if (level != 1 || children != 1) throw inode.Corrupt($"{count} extents in a bmbt of {level + 1} levels and {children} children");
        home.FreeBlock(tx, BinaryPrimitives.ReadUInt64BigEndian(root[pointers..]));

        Span<byte> fork = inode.ModifyFork(tx, kind);
        fork.Clear();
        list.CopyTo(MemoryMarshal.Cast<byte, PackedExtent>(fork));
        inode.SetFormat(tx, kind, ForkFormat.Extents);
    }

    /// <summary>
    /// Prepares the data fork for a smaller space in its inode: a list that does not fit becomes a btree, a btree root moves
    /// its pointers, and its children into a block if there are too many. The caller then moves the attribute fork.
    /// </summary>
    /// <param name="bytes">What the data fork will have.</param>
    public void ShrinkDataFork(Transaction tx, Inode inode, int bytes)
    {
        const ForkKind kind = ForkKind.Data;
        if (inode.Format(kind) == ForkFormat.Extents)
        {
            if (inode.ExtentCount(kind) <= (ulong)(bytes / PackedExtent.Size)) return;
            BecomeBtree(tx, inode, kind);
        }
        ForgetPlaces();
        int from = BmbtInodeRoot.Capacity(inode.Fork(kind).Length), to = BmbtInodeRoot.Capacity(bytes);
        int count = BinaryPrimitives.ReadUInt16BigEndian(inode.Fork(kind)[2..]);
        if (count > from) throw inode.Corrupt($"bmbt root with {count} children, at most {from} fit");
        if (count > to)
        {
            new Cursor(new BmbtHome(groups, inode, kind), tx).RaiseInodeRoot();
            count = 1;
        }
        Span<byte> pointers = inode.ModifyFork(tx, kind)[BmbtInodeRoot.Size..];
        pointers.Slice(8 * from, 8 * count).CopyTo(pointers[(8 * to)..]);
        pointers[(8 * (to + count))..].Clear();
        pointers[(8 * count)..(8 * to)].Clear();
    }

    private static ulong RmapOffset(ForkKind kind, in Extent extent) =>
        extent.Offset.Value | (kind == ForkKind.Attribute ? RmapFlags.AttributeFork : 0) | (extent.Unwritten ? RmapFlags.Unwritten : 0);

    // The rmapbt mirrors the fork: only where the fork continues can there be a record to join.
    private void AddRmap(Transaction tx, Inode inode, ForkKind kind, in Extent extent, bool left = true, bool right = true)
    {
        if (!Geometry.HasRmapbt) return;
        AllocationGroup group = groups.Of(extent.Start);
        FreeList.Fill(tx, group);
        ReverseMap.Add(tx, group, Geometry.BlockInAg(extent.Start), extent.Length, inode.Number.Value, RmapOffset(kind, extent), left, right);
    }

    private void RemoveRmap(Transaction tx, Inode inode, ForkKind kind, in Extent extent)
    {
        if (!Geometry.HasRmapbt) return;
        AllocationGroup group = groups.Of(extent.Start);
        FreeList.Fill(tx, group);
        ReverseMap.Remove(tx, group, Geometry.BlockInAg(extent.Start), extent.Length, inode.Number.Value, RmapOffset(kind, extent));
    }

    private bool Checked(Inode inode, in Extent extent)
    {
        if (!Geometry.IsValid(extent.Start, extent.Length) || extent.End.Value > FileBlock.Limit)
            throw inode.Corrupt($"extent {extent} leads outside the device");
        return true;
    }
}
