using ImageFs.BTrees;
using ImageFs.Format;

namespace ImageFs.Tests.BTrees;

[TestClass]
internal sealed class BnobtTests : BtreeContract<BnobtKind, FreeSpaceRecord, FreeSpaceRecord>
{
    private protected override FreeSpaceRecord Make(Random random) => new() { Start = (uint)random.Next(1 << 20), Count = (uint)random.Next(1, 40) };
    private protected override FreeSpaceRecord Vary(Random random, FreeSpaceRecord record) =>
        new() { Start = (uint)Math.Max(0, (long)record.Start.Value + random.Next(-20, 20)), Count = (uint)random.Next(1, 40) };
    private protected override FreeSpaceRecord Nth(int n) => new() { Start = (uint)(10 + 8 * n), Count = 7 };
}

[TestClass]
internal sealed class CntbtTests : BtreeContract<CntbtKind, FreeSpaceRecord, FreeSpaceRecord>
{
    private protected override FreeSpaceRecord Make(Random random) => new() { Start = (uint)random.Next(1 << 20), Count = (uint)random.Next(1, 40) };
    private protected override FreeSpaceRecord Vary(Random random, FreeSpaceRecord record) =>
        new() { Start = (uint)Math.Max(0, (long)record.Start.Value + random.Next(-20, 20)), Count = Math.Max(1, record.Count + (uint)random.Next(0, 2)) };
    private protected override FreeSpaceRecord Nth(int n) => new() { Start = (uint)(1_000_000 - 100 * (n % 1000)), Count = (uint)(1 + n) };
}

[TestClass]
internal sealed class InobtTests : BtreeContract<InobtKind, InodeChunkRecord, BigEndian32>
{
    private protected override InodeChunkRecord Make(Random random) => Chunk(random, (uint)random.Next(1 << 20) * 64);
    private protected override InodeChunkRecord Vary(Random random, InodeChunkRecord record) => Chunk(random, (uint)Math.Max(0, record.Start.Value + 64L * random.Next(-2, 2)));
    private protected override InodeChunkRecord Nth(int n) => new() { Start = (uint)(64 * n), Count = 64, FreeCount = 64, Free = ulong.MaxValue };

    internal static InodeChunkRecord Chunk(Random random, uint start)
    {
        ulong free = (ulong)random.NextInt64();
        return new() { Start = start, Count = 64, FreeCount = (byte)ulong.PopCount(free), Free = free };
    }
}

[TestClass]
internal sealed class FinobtTests : BtreeContract<FinobtKind, InodeChunkRecord, BigEndian32>
{
    private protected override InodeChunkRecord Make(Random random) => InobtTests.Chunk(random, (uint)random.Next(1 << 20) * 64);
    private protected override InodeChunkRecord Vary(Random random, InodeChunkRecord record) => InobtTests.Chunk(random, record.Start + 64);
    private protected override InodeChunkRecord Nth(int n) => new() { Start = (uint)(128 * n), Count = 64, FreeCount = 1, Free = 1 };
}

[TestClass]
internal sealed class RefcountbtTests : BtreeContract<RefcountbtKind, RefcountRecord, BigEndian32>
{
    private protected override RefcountRecord Make(Random random) => random.Next(4) == 0
        ? new() { Start = (uint)random.Next(1 << 20) | RefcountRecord.CowFlag, Count = (uint)random.Next(1, 32), Refcount = 1 }
        : new() { Start = (uint)random.Next(1 << 20), Count = (uint)random.Next(1, 32), Refcount = (uint)random.Next(2, 1000) };
    private protected override RefcountRecord Vary(Random random, RefcountRecord record) =>
        new() { Start = record.Start + (uint)random.Next(0, 3), Count = (uint)random.Next(1, 32), Refcount = (uint)random.Next(2, 1000) };
    private protected override RefcountRecord Nth(int n) => new() { Start = (uint)(5 * n), Count = 4, Refcount = 2 };
}

[TestClass]
internal sealed class RmapbtTests : BtreeContract<RmapbtKind, RmapRecord, RmapKey>
{
    private protected override RmapRecord Make(Random random)
    {
        uint start = (uint)random.Next(1 << 16);
        // A few run far over their followers: high keys are not those of the last record.
        uint count = random.Next(50) == 0 ? (uint)random.Next(1, 20000) : (uint)random.Next(1, 30);
        return random.Next(10) switch
        {
            0 => new() { Start = start, Count = count, Owner = RmapOwner.AllocationGroup },
            1 => new() { Start = start, Count = count, Owner = RmapOwner.Cow },
            2 => new() { Start = start, Count = count, Owner = Inode(random), Offset = RmapFlags.BmbtBlock },
            3 => new() { Start = start, Count = count, Owner = Inode(random), Offset = RmapFlags.AttributeFork | (uint)random.Next(1000) },
            4 => new() { Start = start, Count = count, Owner = Inode(random), Offset = RmapFlags.Unwritten | (uint)random.Next(1 << 20) },
            _ => new() { Start = start, Count = count, Owner = Inode(random), Offset = (uint)random.Next(1 << 20) },
        };
    }

    private protected override RmapRecord Vary(Random random, RmapRecord record) => random.Next(4) switch
    {
        // Converting to or from unwritten changes the record, not its place.
        0 when record.Owner < 1000 && record.Offset < RmapFlags.BmbtBlock => record with { Offset = record.Offset ^ RmapFlags.Unwritten },
        1 => record with { Count = (uint)random.Next(1, 5000) },
        2 => record with { Start = record.Start + 1 },
        _ => record with { Owner = Inode(random) },
    };

    private protected override RmapRecord Nth(int n) => new() { Start = (uint)(n / 3), Count = 2, Owner = (ulong)(100 + n % 3), Offset = 7 };

    private static ulong Inode(Random random) => (ulong)random.Next(128, 168);
}

[TestClass]
internal sealed class BmbtTests : BtreeContract<BmbtKind, PackedExtent, BigEndian64>
{
    // What an inode of 512 bytes leaves beside an attribute fork: eleven children.
    private protected override int ForkSize => 192;
    private protected override PackedExtent Make(Random random) => Pack((ulong)random.NextInt64(1L << 40), random);
    private protected override PackedExtent Vary(Random random, PackedExtent record) => Pack((ulong)Math.Max(0, (long)record.Unpack().Offset.Value + random.Next(-2, 3)), random);
    private protected override PackedExtent Nth(int n) => new(new Extent(new FileBlock((ulong)(3 * n)), new FsBlock((ulong)(100 + 7 * n)), 2, false));

    private static PackedExtent Pack(ulong offset, Random random) =>
        new(new Extent(new FileBlock(offset), new FsBlock((ulong)random.NextInt64(1L << 40)), (uint)random.Next(1, 100), random.Next(3) == 0));
}

[TestClass]
internal sealed class BmbtOfABigForkTests : BtreeContract<BmbtKind, PackedExtent, BigEndian64>
{
    private protected override int ForkSize => 336;
    private protected override int Many => 5000;
    private protected override PackedExtent Make(Random random) => new(new Extent(new FileBlock((ulong)random.NextInt64(1L << 53)), new FsBlock(5), 1, false));
    private protected override PackedExtent Vary(Random random, PackedExtent record) => record with { Low = record.Low + (1UL << 21) };
    private protected override PackedExtent Nth(int n) => new(new Extent(new FileBlock((ulong)n), new FsBlock((ulong)(100 + 2 * n)), 1, false));
}
