using System.Buffers.Binary;
using System.Diagnostics;
using ImageFs.Devices;
using ImageFs.Format;
using ImageFs.Fsck;

namespace ImageFs.Tests.Fsck;

/// <summary>Images that promise more than there is: check and repair take the time and the memory of what is there.</summary>
[TestClass]
public sealed class HostileCheckTests
{
    private const long MostToCheck = 96L << 20, MostToRepair = 1L << 30;

    public static IEnumerable<object[]> Rows => Lies.Keys.Select(name => new object[] { name });

    private static readonly Dictionary<string, Action<DamagedImage>> Lies = new()
    {
        ["2^32 - 1 groups"] = i => Everywhere(i, (ref Superblock s) => { s.AgCount = uint.MaxValue; s.DataBlocks = (ulong)uint.MaxValue * s.AgBlocks; }),
        ["a million groups"] = i => Everywhere(i, (ref Superblock s) => { s.AgCount = 1_000_000; s.DataBlocks = 1_000_000UL * s.AgBlocks; }),
        ["2^60 inodes"] = i => Everywhere(i, (ref Superblock s) => { s.InodeCount = 1UL << 60; s.FreeInodes = 1UL << 59; s.FreeDataBlocks = 1UL << 60; }),
        ["AGI of 2^32 - 1 inodes"] = i => i.Agi(0, (ref Agi a) => { a.Count = uint.MaxValue; a.FreeCount = uint.MaxValue; a.NewInode = uint.MaxValue - 64; }),
        ["trees of the greatest height"] = i => i.Agf(0, (ref Agf a) => a.BnoLevel = a.CntLevel = a.RmapLevel = a.RefcountLevel = 9),
        ["a free list of everything"] = i => i.Agf(0, (ref Agf a) => { a.FreeListFirst = 0; a.FreeListLast = uint.MaxValue; a.FreeListCount = uint.MaxValue; }),
        ["an rmapbt that leads to itself"] = i => Loop(i, i.ReadAgf(0).RmapRoot),
        ["a bnobt that leads to itself"] = i => Loop(i, i.ReadAgf(0).BnoRoot),
        ["an inobt that leads to itself"] = i => Loop(i, i.ReadAgi(0).Root),
        ["an inobt full of chunks that do not exist"] = FullOfChunks,
        ["files of 2^62 bytes and 2^31 extents"] = i =>
        {
            foreach (ulong inode in i.Inodes())
                if (i.Core(inode).IsRegular) i.Inode(inode, (ref InodeCore c) => { c.FileSize = 1UL << 62; c.ExtentCount = int.MaxValue; c.BlockCount = 1UL << 60; });
        },
        ["directories of 2^40 bytes"] = i =>
        {
            foreach (ulong inode in i.Inodes())
                if (i.Core(inode).IsDirectory) i.Inode(inode, (ref InodeCore c) => c.FileSize = 1UL << 40);
        },
        ["a log of nothing but headers"] = i =>
        {
            byte[] block = new byte[512];
            ref LogRecordHeader header = ref LogRecordHeader.At(block.AsSpan());
            (header.Magic, header.Cycle, header.Version, header.RecordSize, header.Length, header.OperationCount) = (LogRecordHeader.MagicNumber, 7, 2, 262144, 262144, 1000);
            header.Uuid = i.Geometry.Uuid;
            for (uint at = 0; at < i.Geometry.LogBytes / 512; at++)
            {
                header.Lsn = new LogSequenceNumber(7, at).Value;
                header.TailLsn = new LogSequenceNumber(7, 0).Value;
                i.Device.Write(i.Geometry.LogOffset + at * 512L, block);
            }
        },
    };

    private static void Everywhere(DamagedImage image, Edit<Superblock> edit)
    {
        for (uint ag = 0; ag < image.Geometry.AgCount; ag++) image.Sb(ag, edit);
    }

    /// <summary>Turns a root into a node all of whose children are itself.</summary>
    private static void Loop(DamagedImage image, uint root)
    {
        Geometry g = image.Geometry;
        image.Bytes(g.ByteOffset(new AgNumber(0), new AgBlock(root)), g.BlockSize, ShortBtreeHeader.CrcOffset, b =>
        {
            BinaryPrimitives.WriteUInt16BigEndian(b[4..], 1);
            BinaryPrimitives.WriteUInt16BigEndian(b[6..], 60);
            for (int at = g.BlockSize / 2; at < g.BlockSize; at += 4) BinaryPrimitives.WriteUInt32BigEndian(b[at..], root);
        });
    }

    private static void FullOfChunks(DamagedImage image)
    {
        Geometry g = image.Geometry;
        int most = (g.BlockSize - ShortBtreeHeader.Size) / InodeChunkRecord.Size;
        image.Bytes(g.ByteOffset(new AgNumber(0), new AgBlock(image.ReadAgi(0).Root)), g.BlockSize, ShortBtreeHeader.CrcOffset, b =>
        {
            BinaryPrimitives.WriteUInt16BigEndian(b[6..], (ushort)most);
            for (int i = 0; i < most; i++)
            {
                Span<byte> record = b[(ShortBtreeHeader.Size + i * InodeChunkRecord.Size)..];
                BinaryPrimitives.WriteUInt32BigEndian(record, (uint)(64 + i * 64));
                BinaryPrimitives.WriteUInt32BigEndian(record[4..], 0x00004000);
                BinaryPrimitives.WriteUInt64BigEndian(record[8..], 0);
            }
        });
    }

    [TestMethod]
    [DynamicData(nameof(Rows))]
    public void TheTimeAndTheMemoryAreThoseOfWhatIsThere(string name)
    {
        DamagedImage image = new("plain-4k");
        Lies[name](image);
        long before = GC.GetAllocatedBytesForCurrentThread();
        Stopwatch clock = Stopwatch.StartNew();
        FsckReport report = FsckOf.Device(image.Device);
        long toCheck = GC.GetAllocatedBytesForCurrentThread() - before;
        Assert.AreNotEqual(FsckExit.Clean, report.Exit, name);
        FsckReport repaired = Repairer.Repair(image.Device, new RepairOptions { DiscardLog = true });
        long toRepair = GC.GetAllocatedBytesForCurrentThread() - before - toCheck;
        Console.WriteLine($"{name}: {toCheck >> 20} MiB allocated to check, {toRepair >> 20} to repair, {clock.Elapsed.TotalSeconds:0.0} s, {report.Exit}, {repaired.Exit}");
        // All that was ever allocated is more than what there was at any time.
        Assert.IsLessThan(MostToCheck, toCheck, name);
        Assert.IsLessThan(MostToRepair, toRepair, name);
        Assert.IsLessThan(30, clock.Elapsed.TotalSeconds, name);
        if (repaired.Exit == FsckExit.Repaired) FsckOf.Device(image.Device).MustBeSilent(name);
    }
}
