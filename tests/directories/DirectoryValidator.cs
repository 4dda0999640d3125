using System.Buffers.Binary;
using System.Text;
using ImageFs.Format;
using ImageFs.Metadata;

namespace ImageFs.Tests.Directories;

/// <summary>
/// Reads a whole directory from its bytes, with nothing of the code under test but the block cache, and insists that its
/// parts agree: entries with the hash index, free regions with bests, the tree with its leaves, mapping with form and size.
/// </summary>
internal sealed class DirectoryValidator(DirectoryWorld world)
{
    public sealed record Entry(string Name, ulong Inode, byte Type, long Cookie);

    private readonly Geometry _g = world.Geometry;
    private readonly int _size = world.Geometry.DirectoryBlockSize;
    private readonly ulong _step = (ulong)world.Geometry.DirectoryBlockFsBlocks;
    private readonly ulong _leaf = (1UL << 35) / (ulong)world.Geometry.BlockSize, _free = (1UL << 36) / (ulong)world.Geometry.BlockSize;
    private readonly List<Entry> _entries = [];
    private readonly List<(uint Hash, uint Address)> _index = [];
    private readonly SortedDictionary<ulong, int> _bests = [];
    private readonly HashSet<ulong> _seen = [];

    /// <summary>Short, Block, Leaf or Node.</summary>
    public string Form { get; private set; } = "";
    public int Levels { get; private set; }
    public int Leaves { get; private set; }
    public int FreeBlocks { get; private set; }
    public int DataBlocks => _bests.Count;

    /// <summary>All entries but "." and "..", in order of their cookies.</summary>
    public static (DirectoryValidator Facts, List<Entry> Entries) Check(DirectoryWorld world)
    {
        DirectoryValidator validator = new(world);
        validator.Run();
        return (validator, validator._entries);
    }

    private static ushort U16(ReadOnlySpan<byte> b, int at) => BinaryPrimitives.ReadUInt16BigEndian(b[at..]);
    private static uint U32(ReadOnlySpan<byte> b, int at) => BinaryPrimitives.ReadUInt32BigEndian(b[at..]);
    private static ulong U64(ReadOnlySpan<byte> b, int at) => BinaryPrimitives.ReadUInt64BigEndian(b[at..]);
    private static uint Hash(string name) => name.Aggregate(0u, (h, c) => ((h << 7) | (h >> 25)) ^ c);

    private void Run()
    {
        ulong size = world.Core.FileSize;
        if (world.Core.Format == ForkFormat.Local)
        {
            Form = "Short";
            Assert.AreEqual(0, world.Mapping.Count);
            CheckShort(world.DataFork[..(int)size]);
            return;
        }
        ulong last = world.Mapping.Keys.Last();
        Form = last == 0 ? "Block" : last == _leaf ? "Leaf" : "Node";
        foreach (ulong at in world.Mapping.Keys.Where(k => k < _leaf)) CheckData(at);
        ulong end = world.Mapping.Keys.Last(k => k < _leaf) + _step;
        Assert.AreEqual(end * (ulong)_g.BlockSize, size, "di_size is the end of the last data block");
        if (Form == "Leaf") CheckLeaf();
        if (Form == "Node") CheckNode();

        (string, ulong, byte, long) dot = (".", world.Number.Value, 2, 8);
        Assert.AreEqual(dot, (_entries[0].Name, _entries[0].Inode, _entries[0].Type, _entries[0].Cookie));
        Assert.AreEqual("..", _entries[1].Name);
        Assert.AreEqual(10L, _entries[1].Cookie);
        CollectionAssert.AreEqual(
            _entries.Select(e => (Hash(e.Name), (uint)e.Cookie)).Order().ToArray(),
            _index.Where(e => e.Address != 0).Order().ToArray(), "hash index and entries differ");
        CollectionAssert.AreEqual(world.Mapping.Keys, _seen.Order().ToArray(), "blocks are mapped that nothing points at");
        Assert.AreEqual(_entries.Count, _entries.Select(e => e.Name).Distinct().Count(), "a name stands there twice");
        // It must have shrunk if it fits.
        if (Form == "Block")
        {
            bool wide = _entries.Skip(1).Any(e => e.Inode > uint.MaxValue);
            Assert.IsGreaterThan(world.ForkSize, (wide ? 10 : 6) + _entries.Skip(2).Sum(e => e.Name.Length + (wide ? 12 : 8)), "block form, but it fits the inode");
        }
        _entries.RemoveRange(0, 2);
    }

    private void CheckShort(ReadOnlySpan<byte> b)
    {
        int count = b[0], wideCount = b[1], inodeSize = wideCount > 0 ? 8 : 4, at = 2 + inodeSize, end = 96, wide = 0;
        if (wideCount > 0 && U64(b, 2) > uint.MaxValue) wide++;
        for (int i = 0; i < count; i++)
        {
            int length = b[at], offset = U16(b, at + 1);
            Assert.IsGreaterThanOrEqualTo(end, offset);
            Assert.AreEqual(0, offset % 8);
            ulong inode = inodeSize == 8 ? U64(b, at + 4 + length) : U32(b, at + 4 + length);
            if (inode > uint.MaxValue) wide++;
            _entries.Add(new Entry(Encoding.Latin1.GetString(b.Slice(at + 3, length)), inode, b[at + 3 + length], offset / 8));
            end = offset + (12 + length + 7) / 8 * 8;
            at += 4 + length + inodeSize;
        }
        Assert.AreEqual(b.Length, at);
        Assert.AreEqual(wide, wideCount);
        Assert.IsLessThanOrEqualTo(_size, end + (count + 2) * 8 + 8);
    }

    private ReadOnlySpan<byte> Block(ulong at, BlockKind kind)
    {
        Assert.IsTrue(_seen.Add(at), $"file block {at} is pointed at twice");
        MetadataBuffer buffer = world.ReadBlock(new FileBlock(at), kind) ?? throw new AssertFailedException($"file block {at} is not mapped");
        Assert.IsNull(BlockVerifier.VerifyForWrite(kind, buffer.Data, _g, buffer.Offset), $"file block {at}: {BlockVerifier.VerifyForWrite(kind, buffer.Data, _g, buffer.Offset)}");
        return buffer.Data;
    }

    private void CheckData(ulong at)
    {
        ReadOnlySpan<byte> b = Block(at, BlockKind.DirectoryData);
        Assert.AreEqual(Form == "Block" ? 0x58444233u : 0x58444433u, U32(b, 0));
        int end = _size, entries = 0;
        if (Form == "Block")
        {
            int count = (int)U32(b, _size - 8);
            end = _size - 8 - 8 * count;
            for (int i = 0; i < count; i++) _index.Add((U32(b, end + 8 * i), U32(b, end + 8 * i + 4)));
            CollectionAssert.AreEqual(_index.Select(e => e.Hash).Order().ToArray(), _index.Select(e => e.Hash).ToArray());
        }
        List<(int Length, int Offset)> free = [];
        for (int p = 64; p < end;)
        {
            bool isFree = U16(b, p) == 0xFFFF;
            int length = isFree ? U16(b, p + 2) : (12 + b[p + 8] + 7) / 8 * 8;
            Assert.AreEqual(p, U16(b, p + length - 2));
            if (isFree) free.Add((length, p));
            else
            {
                entries++;
                _entries.Add(new Entry(Encoding.Latin1.GetString(b.Slice(p + 9, b[p + 8])), U64(b, p), b[p + 9 + b[p + 8]], (long)(at * (ulong)_g.BlockSize + (ulong)p) / 8));
            }
            p += length;
            Assert.IsLessThanOrEqualTo(end, p);
        }
        int[] listed = [U16(b, 50), U16(b, 54), U16(b, 58)];
        int[] largest = [.. free.Select(f => f.Length).OrderDescending().Concat([0, 0, 0]).Take(3)];
        CollectionAssert.AreEqual(largest, listed, "bestfree");
        for (int i = 0; i < 3; i++) Assert.IsTrue(listed[i] == 0 || free.Contains((listed[i], U16(b, 48 + 4 * i))));
        if (at != 0) Assert.AreNotEqual(0, entries, $"data block at {at} is empty and still there");
        _bests[at / _step] = largest[0];
    }

    private void CheckLeaf()
    {
        ReadOnlySpan<byte> b = Block(_leaf, BlockKind.DaBlock);
        Assert.AreEqual((ushort)0x3DF1, U16(b, 8));
        AddLeaf(b);
        int bests = (int)U32(b, _size - 4);
        Assert.AreEqual((int)_bests.Keys.Last() + 1, bests, "bests");
        for (int i = 0; i < bests; i++) Assert.AreEqual(_bests.GetValueOrDefault((ulong)i, 0xFFFF), U16(b, _size - 4 - 2 * bests + 2 * i), $"bests[{i}]");
        Assert.AreEqual(0uL, U64(b, 0), "siblings of a single leaf");
    }

    private void AddLeaf(ReadOnlySpan<byte> b)
    {
        Leaves++;
        int count = U16(b, 56), stale = 0;
        for (int i = 0; i < count; i++)
        {
            (uint hash, uint address) = (U32(b, 64 + 8 * i), U32(b, 68 + 8 * i));
            if (_index.Count > 0) Assert.IsGreaterThanOrEqualTo(_index[^1].Hash, hash, "order of hashes");
            if (address == 0) stale++;
            _index.Add((hash, address));
        }
        Assert.AreEqual(stale, U16(b, 58));
    }

    private void CheckNode()
    {
        Dictionary<int, ulong> left = [];
        ulong[] lastSeen = new ulong[8];
        Walk(_leaf, -1, left);
        foreach ((int level, ulong at) in left)
            Assert.AreEqual(0u, U32(world.ReadBlock(new FileBlock(at), BlockKind.DaBlock)!.Data, 0), $"the last block of level {level} has a right sibling");

        int perBlock = (_size - 64) / 2;
        Dictionary<ulong, int> listed = [];
        foreach (ulong at in world.Mapping.Keys.Where(k => k >= _free))
        {
            ReadOnlySpan<byte> b = Block(at, BlockKind.DirectoryFree);
            FreeBlocks++;
            ulong first = (at - _free) / _step * (ulong)perBlock;
            Assert.AreEqual(0x58444633u, U32(b, 0));
            Assert.AreEqual(first, U32(b, 48), "firstdb");
            int valid = (int)U32(b, 52), used = 0;
            for (int i = 0; i < perBlock; i++)
            {
                int best = U16(b, 64 + 2 * i);
                if (best == 0xFFFF) continue;
                used++;
                Assert.IsLessThan(valid, i);
                listed[first + (ulong)i] = best;
            }
            Assert.AreEqual(used, (int)U32(b, 56), "nused");
            Assert.IsTrue(valid == 0 || U16(b, 64 + 2 * (valid - 1)) != 0xFFFF, "nvalid");
            Assert.AreNotEqual(0, used, "an empty free block");
        }
        CollectionAssert.AreEqual(_bests.Select(b => (b.Key, b.Value)).ToArray(), listed.Select(b => (b.Key, b.Value)).Order().ToArray(), "free index");
    }

    // Returns the last hash of what is below. `left` holds the block seen last on each level.
    private uint Walk(ulong at, int expected, Dictionary<int, ulong> left)
    {
        ReadOnlySpan<byte> b = Block(at, BlockKind.DaBlock);
        ushort magic = U16(b, 8);
        int count = U16(b, 56), level = magic == 0x3EBE ? U16(b, 58) : 0;
        if (expected >= 0) Assert.AreEqual(expected, level);
        else Levels = level;
        Assert.AreEqual(left.TryGetValue(level, out ulong before) ? (uint)before : 0u, U32(b, 4), "left sibling");
        if (before != 0) Assert.AreEqual((uint)at, U32(world.ReadBlock(new FileBlock(before), BlockKind.DaBlock)!.Data, 0), "right sibling");
        left[level] = at;
        if (magic == 0x3DFF)
        {
            AddLeaf(b);
            Assert.IsTrue(count > U16(b, 58), "an empty leafn block");
            return U32(b, 64 + 8 * (count - 1));
        }
        Assert.AreEqual((ushort)0x3EBE, magic);
        if (expected < 0) Assert.IsGreaterThan(1, count, "a root with one child");
        uint last = 0;
        for (int i = 0; i < count; i++)
        {
            last = Walk(U32(b, 68 + 8 * i), level - 1, left);
            Assert.AreEqual(last, U32(b, 64 + 8 * i), $"hash of child {i} of the node at {at}");
        }
        return last;
    }
}
