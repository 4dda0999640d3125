using System.Buffers.Binary;
using System.Runtime.InteropServices;
using ImageFs.Format;

namespace ImageFs.Fsck;

/// <summary>What can still be told of a damaged fork.</summary>
/// <param name="Extents">Sorted, none overlaps another, all inside the space of data blocks.</param>
/// <param name="TreeBlocks">Blocks of its bmbt, usable for a new one.</param>
internal sealed record SalvagedFork(List<Extent> Extents, List<FsBlock> TreeBlocks)
{
    public ulong Blocks => (ulong)Extents.Sum(e => e.Length);
}

/// <summary>Collects the extents of a fork from its list, from the blocks of its bmbt that can be read, and from the reverse map.</summary>
/// <param name="owned">Blocks that name the inode, for trees of which a part cannot be reached; null to do without.</param>
internal sealed class ForkSalvage(RepairView view, RmapIndex rmaps, OwnedBlocks? owned = null)
{
    private Geometry Geometry => view.Geometry;

    /// <param name="inode">The whole inode; forkoff and format are believed.</param>
    /// <param name="expected">Blocks the fork should have, its bmbt included, as far as the inode knows; 0 if it does not.</param>
    public SalvagedFork Collect(ReadOnlySpan<byte> inode, ulong number, bool attribute, ulong expected)
    {
        ref readonly InodeCore core = ref InodeCore.At(inode);
        int dataSize = core.DataForkSize(Geometry.InodeSize);
        ReadOnlySpan<byte> fork = attribute ? inode[(InodeCore.Size + dataSize)..] : inode.Slice(InodeCore.Size, dataSize);
        ForkFormat format = attribute ? core.AttributeFormat : core.Format;
        bool unwrittenAllowed = !attribute && core.IsRegular;
        List<FsBlock> treeBlocks = [];
        // A bmbt block does not say of which fork it is.
        bool single = attribute ? core.Format != ForkFormat.Btree : core.AttributeFormat != ForkFormat.Btree;
        List<Extent> found = format == ForkFormat.Btree ? FromTree(fork, number, unwrittenAllowed, treeBlocks, single && !rmaps.IsComplete)
            : format == ForkFormat.Extents ? FromList(fork, attribute ? core.AttrExtentCount : core.ExtentCount, expected, unwrittenAllowed) : [];
        if (format == ForkFormat.Btree || found.Count > 0 || expected > 0)
        {
            List<Extent> witness = rmaps.Extents(Geometry, number, attribute);
            FsBlock[] witnessed = [.. rmaps.BmbtBlocks(Geometry, number, attribute).Where(b => Geometry.IsValid(b)).Distinct()];
            // The whole truth, if it is as large as the inode says it is.
            ulong whole = (ulong)witness.Sum(e => e.Length);
            bool complete = rmaps.IsComplete && witness.Count > 0 && whole + (ulong)witnessed.Length == expected;
            found = complete ? witness : Union(found, witness);
            if (rmaps.IsComplete) treeBlocks.RemoveAll(b => Array.IndexOf(witnessed, b) < 0);
            treeBlocks.AddRange(witnessed);
        }
        found.RemoveAll(e => !Geometry.IsValid(e.Start, e.Length) || e.End.Value > FileBlock.Limit || e.Unwritten && !unwrittenAllowed);
        return new SalvagedFork(found, [.. treeBlocks.Distinct()]);
    }

    /// <summary>The list in the inode: as many as the count says, unless the blocks say it is another number.</summary>
    private List<Extent> FromList(ReadOnlySpan<byte> fork, ulong count, ulong expected, bool unwrittenAllowed)
    {
        ReadOnlySpan<PackedExtent> list = MemoryMarshal.Cast<byte, PackedExtent>(fork[..(fork.Length / PackedExtent.Size * PackedExtent.Size)]);
        List<Extent> counted = [], all = [];
        ulong sum = 0, end = 0;
        for (int i = 0; i < list.Length; i++)
        {
            Extent extent = list[i].Unpack();
            if (!IsSound(extent, unwrittenAllowed)) continue;
            if ((ulong)i < count) counted.Add(extent);
            if (extent.Offset.Value < end || sum >= expected) continue;
            end = extent.End.Value;
            sum += extent.Length;
            all.Add(extent);
        }
        return sum == expected && expected > 0 ? all : InOrder(counted);
    }

    /// <summary>Leaves out what does not fit between its neighbours: of two that overlap, the one that disturbs more of the others.</summary>
    private static List<Extent> InOrder(List<Extent> extents)
    {
        List<Extent> kept = [];
        for (int i = 0; i < extents.Count; i++)
        {
            Extent extent = extents[i];
            if (kept.Count == 0 || extent.Offset >= kept[^1].End)
            {
                // One that lies far ahead hides all that follow it.
                if (i + 2 < extents.Count && extents[i + 1].Offset < extent.End && extents[i + 2].Offset < extent.End
                    && (kept.Count == 0 || extents[i + 1].Offset >= kept[^1].End)) continue;
                kept.Add(extent);
            }
        }
        return kept;
    }

    private bool IsSound(in Extent extent, bool unwrittenAllowed) =>
        extent.Length > 0 && extent.Offset.Value + extent.Length <= FileBlock.Limit
        && Geometry.IsValid(extent.Start, extent.Length) && (unwrittenAllowed || !extent.Unwritten);

    /// <summary>All leaves that the root, the nodes and the chains of siblings lead to.</summary>
    private List<Extent> FromTree(ReadOnlySpan<byte> fork, ulong number, bool unwrittenAllowed, List<FsBlock> treeBlocks, bool search)
    {
        List<Extent> found = [];
        HashSet<ulong> seen = [];
        Stack<ulong> todo = [];
        int capacity = BmbtInodeRoot.Capacity(fork.Length), nodeCapacity = Geometry.NodeCapacity(LongBtreeHeader.Size, 8, 8);
        // A count that cannot be must not hide a pointer; behind one that can be there is what used to be there.
        int root = BinaryPrimitives.ReadUInt16BigEndian(fork[2..]);
        if (root < 1 || root > capacity) root = capacity;
        for (int i = 0; i < root; i++) Push(BinaryPrimitives.ReadUInt64BigEndian(fork[(BmbtInodeRoot.Size + 8 * capacity + 8 * i)..]), seen, todo);
        if (search && owned is not null)
            foreach (OwnedBlock stray in owned.Of(number))
                if (stray.Kind == BlockKind.Bmbt) Push(stray.Start.Value, seen, todo);
        byte[] block = new byte[Geometry.BlockSize];
        while (todo.TryPop(out ulong pointer))
        {
            FsBlock at = new(pointer);
            try
            {
                view.Device.Read(Geometry.ByteOffset(at), block);
            }
            catch (IOException)
            {
                continue;
            }
            ref readonly LongBtreeHeader header = ref LongBtreeHeader.At((ReadOnlySpan<byte>)block);
            if (header.Magic != BtreeMagic.Bmbt || header.Owner != number || header.BlockNumber != Geometry.DiskAddress(Geometry.ByteOffset(at))) continue;
            treeBlocks.Add(at);
            Push(header.LeftSibling, seen, todo);
            Push(header.RightSibling, seen, todo);
            ReadOnlySpan<byte> body = block.AsSpan(LongBtreeHeader.Size);
            int most = header.Level == 0 ? body.Length / PackedExtent.Size : nodeCapacity;
            int count = Math.Min(header.RecordCount, most);
            List<Extent> leaf = [];
            for (int i = 0; i < count; i++)
            {
                if (header.Level > 0) Push(BinaryPrimitives.ReadUInt64BigEndian(body[(nodeCapacity * 8 + i * 8)..]), seen, todo);
                else if (MemoryMarshal.Read<PackedExtent>(body[(i * PackedExtent.Size)..]).Unpack() is var extent && IsSound(extent, unwrittenAllowed)) leaf.Add(extent);
            }
            // Within a leaf the order tells which one is wrong.
            found.AddRange(InOrder(leaf));
        }
        found.Sort((a, b) => a.Offset.CompareTo(b.Offset));
        return InOrder(found);
    }

    private void Push(ulong pointer, HashSet<ulong> seen, Stack<ulong> todo)
    {
        if (Geometry.IsValid(new FsBlock(pointer)) && seen.Add(pointer)) todo.Push(pointer);
    }

    /// <summary>What the fork says, and where it is silent what the reverse map says.</summary>
    private static List<Extent> Union(List<Extent> fork, List<Extent> witness)
    {
        List<Extent> all = [.. fork];
        foreach (Extent extent in witness)
        {
            ulong position = extent.Offset.Value;
            foreach (Extent known in fork)
            {
                if (known.End.Value <= position) continue;
                if (known.Offset.Value >= extent.End.Value) break;
                Piece(extent, position, known.Offset.Value);
                position = known.End.Value;
            }
            Piece(extent, position, extent.End.Value);
        }
        all.Sort((a, b) => a.Offset.CompareTo(b.Offset));
        return all;

        void Piece(in Extent from, ulong start, ulong end)
        {
            if (end > start) all.Add(new Extent(new FileBlock(start), from.Start + (start - from.Offset.Value), (uint)(end - start), from.Unwritten));
        }
    }
}
