using System.Buffers.Binary;
using ImageFs.Format;

namespace ImageFs.Tests.BTrees;

/// <summary>A key as three numbers that sort like the tree.</summary>
internal readonly record struct Sort(ulong A, ulong B = 0, ulong C = 0) : IComparable<Sort>
{
    public int CompareTo(Sort other) => (A, B, C).CompareTo((other.A, other.B, other.C));
}

/// <summary>What the checker must know of a kind, told in bytes: sizes, and how records and keys sort.</summary>
/// <param name="RecordSize">Bytes.</param>
/// <param name="KeySize">Bytes of one key.</param>
/// <param name="Overlapping">Nodes have high keys.</param>
/// <param name="LowOf">The key of a record.</param>
/// <param name="HighOf">The last key of a record.</param>
/// <param name="KeyOf">A key as it stands in a node.</param>
internal sealed record TreeFacts(
    int RecordSize, int KeySize, bool Overlapping, Func<byte[], Sort> LowOf, Func<byte[], Sort> HighOf, Func<byte[], Sort> KeyOf)
{
    private static uint U32(byte[] b, int at) => BinaryPrimitives.ReadUInt32BigEndian(b.AsSpan(at));
    private static ulong U64(byte[] b, int at) => BinaryPrimitives.ReadUInt64BigEndian(b.AsSpan(at));

    public static TreeFacts Of(BlockKind kind) => kind switch
    {
        BlockKind.Bnobt => new(8, 8, false, r => new(U32(r, 0)), r => new(U32(r, 0) + U32(r, 4) - 1), k => new(U32(k, 0))),
        BlockKind.Cntbt => new(8, 8, false, r => new(U32(r, 4), U32(r, 0)), r => new(U32(r, 4), U32(r, 0)), k => new(U32(k, 4), U32(k, 0))),
        BlockKind.Inobt or BlockKind.Finobt => new(16, 4, false, r => new(U32(r, 0)), r => new(U32(r, 0) + 63), k => new(U32(k, 0))),
        BlockKind.Refcountbt => new(12, 4, false, r => new(U32(r, 0)), r => new(U32(r, 0) + U32(r, 4) - 1), k => new(U32(k, 0))),
        BlockKind.Bmbt => new(16, 8, false, r => new(U64(r, 0) << 1 >> 10), r => new((U64(r, 0) << 1 >> 10) + (U64(r, 8) & 0x1FFFFF) - 1), k => new(U64(k, 0))),
        BlockKind.Rmapbt => new(24, 20, true, r => new(U32(r, 0), U64(r, 8), U64(r, 16) & ~(1UL << 61)), RmapHigh,
            k => new(U32(k, 0), U64(k, 4), U64(k, 12))),
        _ => throw new ArgumentException(kind.ToString()),
    };

    private static Sort RmapHigh(byte[] r)
    {
        ulong owner = U64(r, 8), offset = U64(r, 16) & ~(1UL << 61), more = U32(r, 4) - 1;
        bool grows = owner >> 63 == 0 && (offset >> 62 & 1) == 0;
        return new(U32(r, 0) + more, owner, grows ? offset + more : offset);
    }
}

/// <summary>
/// Reads a tree's bytes without the engine and holds everything against the format: levels, siblings, counts, keys of
/// parents, order, and that the blocks in use are exactly those of the tree.
/// </summary>
internal static class TreeChecker
{
    /// <summary>Checks the tree and gives its records in order.</summary>
    /// <param name="fill">Records per leaf, on average, as a share of a full leaf.</param>
    public static List<byte[]> Check(FakeHome home, out double fill)
    {
        TreeFacts facts = TreeFacts.Of(home.Kind);
        bool isLong = home.HasInodeRoot;
        int header = isLong ? 72 : 56, pointer = isLong ? 8 : 4, keys = facts.Overlapping ? 2 : 1, size = home.Geometry.BlockSize;
        int leafMax = (size - header) / facts.RecordSize, nodeMax = (size - header) / (facts.KeySize * keys + pointer);
        HashSet<ulong> seen = [];
        List<byte[]> records = [];
        List<(ulong Block, Sort? Low, Sort? High)> level = [];
        int below;

        if (isLong)
        {
            byte[] fork = home.InodeRoot.ToArray();
            int rootLevel = BinaryPrimitives.ReadUInt16BigEndian(fork), count = BinaryPrimitives.ReadUInt16BigEndian(fork.AsSpan(2)), max = (fork.Length - 4) / 16;
            Assert.IsTrue(rootLevel >= 1 && rootLevel < home.MaxLevels, $"root level {rootLevel}");
            Assert.AreEqual(rootLevel + 1, home.Levels);
            Assert.IsTrue(count >= 1 && count <= max, $"root count {count}");
            for (int i = 0; i < count; i++)
                level.Add((BinaryPrimitives.ReadUInt64BigEndian(fork.AsSpan(4 + 8 * max + 8 * i)), facts.KeyOf(fork[(4 + 8 * i)..]), null));
            below = rootLevel - 1;
        }
        else
        {
            level.Add((home.Root, null, null));
            below = home.Levels - 1;
        }

        bool top = true;
        int leaves = 0;
        for (; below >= 0; below--)
        {
            List<(ulong, Sort?, Sort?)> next = [];
            Sort? previous = null;
            for (int b = 0; b < level.Count; b++)
            {
                (ulong number, Sort? low, Sort? high) = level[b];
                string where = $"{home.Kind.Name()} level {below} block {number}";
                Assert.IsTrue(seen.Add(number), $"{where} is reached twice");
                Assert.IsTrue(home.Used.Contains(number), $"{where} was freed");
                long offset = home.OffsetOf(number);
                byte[] block = home.Cache.Read(offset, size, home.Kind).Data.ToArray();
                Assert.AreEqual(below, BinaryPrimitives.ReadUInt16BigEndian(block.AsSpan(4)), where);
                int count = BinaryPrimitives.ReadUInt16BigEndian(block.AsSpan(6)), max = below == 0 ? leafMax : nodeMax;
                Assert.IsTrue(count <= max, where);
                bool single = level.Count == 1 && top;
                if (!single) Assert.IsTrue(count >= max / 2, $"{where} holds {count}, at least {max / 2} expected");
                else if (below > 0) Assert.IsTrue(count >= (isLong ? 1 : 2), $"{where}: the root holds {count}");
                ulong none = isLong ? ulong.MaxValue : uint.MaxValue;
                ulong left = isLong ? BinaryPrimitives.ReadUInt64BigEndian(block.AsSpan(8)) : BinaryPrimitives.ReadUInt32BigEndian(block.AsSpan(8));
                ulong right = isLong ? BinaryPrimitives.ReadUInt64BigEndian(block.AsSpan(16)) : BinaryPrimitives.ReadUInt32BigEndian(block.AsSpan(12));
                Assert.AreEqual(b == 0 ? none : level[b - 1].Block, left, $"{where} leftsib");
                Assert.AreEqual(b == level.Count - 1 ? none : level[b + 1].Block, right, $"{where} rightsib");
                if (count > 0 || !isLong) Assert.IsNull(BlockVerifier.VerifyForWrite(home.Kind, block, home.Geometry, offset), where);

                Sort? greatest = null, first = null;
                for (int i = 0; i < count; i++)
                {
                    Sort mine, mineHigh;
                    if (below == 0)
                    {
                        byte[] record = block[(header + i * facts.RecordSize)..(header + (i + 1) * facts.RecordSize)];
                        records.Add(record);
                        mine = facts.LowOf(record);
                        mineHigh = facts.HighOf(record);
                    }
                    else
                    {
                        int at = header + i * facts.KeySize * keys;
                        mine = facts.KeyOf(block[at..]);
                        mineHigh = facts.Overlapping ? facts.KeyOf(block[(at + facts.KeySize)..]) : mine;
                        int p = header + nodeMax * facts.KeySize * keys + i * pointer;
                        next.Add((isLong ? BinaryPrimitives.ReadUInt64BigEndian(block.AsSpan(p)) : BinaryPrimitives.ReadUInt32BigEndian(block.AsSpan(p)),
                            mine, facts.Overlapping ? mineHigh : null));
                    }
                    Assert.IsTrue(previous is null || previous.Value.CompareTo(mine) < 0, $"{where} entry {i} is out of order");
                    previous = mine;
                    first ??= mine;
                    if (greatest is null || greatest.Value.CompareTo(mineHigh) < 0) greatest = mineHigh;
                }
                if (low is not null && count > 0) Assert.AreEqual(low, first, $"{where}: low key in its parent");
                if (high is not null) Assert.AreEqual(high, greatest, $"{where}: high key in its parent");
                if (below == 0) leaves++;
            }
            top &= level.Count == 1 && !isLong;
            level = next;
        }
        Assert.AreEqual(home.Used.Count, seen.Count, "blocks are in use that the tree does not reach");
        fill = (double)records.Count / Math.Max(1, leaves) / leafMax;
        return records;
    }
}
