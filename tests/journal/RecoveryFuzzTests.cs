using System.Diagnostics;
using ImageFs.Devices;
using ImageFs.Format;
using ImageFs.Journal;
using ImageFs.Tests.Fixtures;

namespace ImageFs.Tests.Journal;

/// <summary>The sample images with dirty logs, as they are and damaged: whatever the bytes, a replay ends, with a result or a reason.</summary>
[TestClass]
public sealed class RecoveryFuzzTests
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(20);

    [TestMethod]
    [DynamicData(nameof(SampleImages.DirtyRows), typeof(SampleImages))]
    public void ASampleIsReplayedAsTheKernelDidIt(string name)
    {
        MemoryDevice device = MemoryDevice.Load(SampleImages.Path(name));
        RecoveryResult result = DirtyImage.ReplayAndApply(device);
        Assert.IsFalse(result.WasClean);
        Assert.IsGreaterThan(0, result.Transactions);
        Assert.AreEqual(name.StartsWith("dirty-intents", StringComparison.Ordinal), result.PendingIntents.Count > 0);
        if (!Judge.HasKernel) return;
        using TempImage applied = TempImage.NotYetThere();
        device.Save(applied.Path);
        TreeListing.AssertEqual(SampleImages.Listing(name), DirtyImage.KernelListing(applied.Path));
    }

    [TestMethod]
    public void RandomBytesInTheLogNeverCrashOrHangAReplay() => Damage(nameof(RandomBytesInTheLogNeverCrashOrHangAReplay), 150, (random, log, position) =>
    {
        byte[] block = new byte[512];
        int count = random.Next(1, 12);
        for (int i = 0; i < count; i++)
        {
            uint at = AnyBlock(random, log, position);
            log.Read(at, block);
            switch (random.Next(4))
            {
                case 0: random.NextBytes(block); break;
                case 1: block.AsSpan().Clear(); break;
                case 2: block[random.Next(512)] ^= (byte)(1 << random.Next(8)); break;
                default:
                    // A cycle number or a header where none was.
                    random.NextBytes(block.AsSpan(0, 4));
                    if (random.Next(2) == 0) System.Buffers.Binary.BinaryPrimitives.WriteUInt32BigEndian(block, LogRecordHeader.MagicNumber);
                    break;
            }
            log.Write(at, block);
        }
    });

    // Behind a right checksum every field is reached.
    [TestMethod]
    public void RandomBytesUnderARightChecksumNeverCrashOrHangAReplay() => Damage(nameof(RandomBytesUnderARightChecksumNeverCrashOrHangAReplay), 400, (random, log, position) =>
    {
        List<uint> records = [];
        byte[] block = new byte[512];
        for (uint i = 0; i < log.Distance(position.Tail.Block, position.Head); i++)
        {
            log.Read(log.Advance(position.Tail.Block, i), block);
            if (LogRecordHeader.At((ReadOnlySpan<byte>)block).Magic == LogRecordHeader.MagicNumber) records.Add(log.Advance(position.Tail.Block, i));
        }
        int count = random.Next(1, 4);
        for (int i = 0; i < count; i++)
        {
            uint at = records[random.Next(records.Count)];
            log.Read(at, block);
            LogRecordHeader header = LogRecordHeader.At((ReadOnlySpan<byte>)block);
            int headers = LogRecordFormat.HeaderBlocks((int)Math.Min(header.RecordSize, 262144));
            // Damaged already, in a way that cannot be sealed.
            if (header.Magic != LogRecordHeader.MagicNumber || header.Length == 0 || header.Length > headers * LogRecordHeader.BytesPerHeader) continue;
            byte[] record = new byte[headers * 512 + header.Length / 512 * 512];
            if (record.Length / 512 > log.BasicBlocks) continue;
            log.Read(at, record);
            LogRecordFormat.Unseal(record, headers);
            int changes = random.Next(1, 5);
            for (int c = 0; c < changes; c++)
            {
                // Near the start of an operation the damage does most.
                int place = random.Next(3) == 0 ? random.Next(headers * 512, record.Length) : AnyOperation(random, record, headers) + random.Next(24 + 40);
                if (place >= record.Length) continue;
                record[place] = random.Next(3) switch { 0 => (byte)random.Next(256), 1 => (byte)(record[place] ^ 1 << random.Next(8)), _ => random.Next(2) == 0 ? (byte)0 : (byte)255 };
            }
            uint operations = random.Next(20) == 0 ? (uint)random.Next() : header.OperationCount;
            LogRecordFormat.Seal(record, headers, header.Cycle, at, log.BasicBlocks, new(header.TailLsn), header.PreviousBlock, (int)operations, header.Uuid, (int)header.RecordSize.Value);
            if (random.Next(6) == 0)
            {
                record[random.Next(44)] = (byte)random.Next(256);
                LogRecordHeader.At(record.AsSpan()).Crc = LogRecordFormat.Checksum(record, headers);
            }
            log.Write(at, record);
        }
    });

    private static int AnyOperation(Random random, byte[] record, int headers)
    {
        List<int> operations = [];
        for (int at = headers * 512; at + LogOperationHeader.Size <= record.Length;)
        {
            operations.Add(at);
            uint length = LogOperationHeader.At((ReadOnlySpan<byte>)record.AsSpan(at)).Length;
            if (length > (uint)(record.Length - at)) break;
            at += LogOperationHeader.Size + (int)length;
        }
        return operations[random.Next(operations.Count)];
    }

    private static uint AnyBlock(Random random, LogArea log, LogPosition position)
    {
        uint inUse = log.Distance(position.Tail.Block, position.Head);
        return random.Next(5) == 0
            ? (uint)random.Next((int)log.BasicBlocks)
            : log.Advance(position.Tail.Block, (uint)random.Next((int)Math.Min(log.BasicBlocks - 1, inUse + 20)));
    }

    private static void Damage(string test, int rounds, Action<Random, LogArea, LogPosition> damage)
    {
        Console.WriteLine(TestSettings.Replay(test, TestSettings.Seed));
        int refused = 0, replayed = 0;
        foreach (string name in SampleImages.Dirty)
        {
            MemoryDevice original = MemoryDevice.Load(SampleImages.Path(name));
            Geometry geometry = DirtyImage.GeometryOf(original);
            LogPosition position = LogScan.Find(new LogArea(original, geometry), geometry);
            for (int round = 0; round < rounds * TestSettings.Sweep; round++)
            {
                Random random = new(TestSettings.Seed * 1_000_003 + round);
                OverlayDevice damaged = new(original);
                damage(random, new LogArea(damaged, geometry), position);
                Stopwatch clock = Stopwatch.StartNew();
                try
                {
                    RecoveryResult result = Recovery.Replay(damaged, geometry);
                    replayed++;
                    // A volume goes on from here. (Damage outside tail..head can still mislead the next search, as it would the kernel's.)
                    LogTail.ClearStale(damaged, geometry, result.Position);
                    LogTail.WriteUnmountRecord(damaged, geometry, result.Position);
                    LogScan.Find(new LogArea(damaged, geometry), geometry);
                }
                catch (XfsException)
                {
                    refused++;
                }
                catch (Exception e) when (e is not AssertFailedException)
                {
                    Assert.Fail($"{name}, round {round}: {e}");
                }
                if (clock.Elapsed > s_patience) Assert.Fail($"{name}, round {round}: took {clock.Elapsed}");
            }
        }
        Console.WriteLine($"{replayed} replayed, {refused} refused");
        Assert.IsGreaterThan(0, refused);
        Assert.IsGreaterThan(0, replayed);
    }
}
