using ImageFs.Devices;
using ImageFs.Format;
using ImageFs.Journal;
using ImageFs.Tests.Fixtures;

namespace ImageFs.Tests.Journal;

[TestClass]
public sealed class LogRecordFormatTests
{
    private static readonly Uuid s_uuid = Uuid.Parse("11112222-3333-4444-5555-666677778888");

    [TestMethod]
    [DataRow(32768, 1, 10u, DisplayName = "one header")]
    [DataRow(262144, 8, 10u, DisplayName = "eight headers")]
    [DataRow(32768, 1, 960u, DisplayName = "the payload wraps")]
    [DataRow(262144, 8, 1020u, DisplayName = "the headers wrap")]
    public void UnsealingGivesBackWhatWasSealed(int recordSize, int headerBlocks, uint block)
    {
        Assert.AreEqual(headerBlocks, LogRecordFormat.HeaderBlocks(recordSize));
        int payload = recordSize == 32768 ? 62 * 512 : 500 * 512;
        byte[] record = new byte[headerBlocks * 512 + payload];
        new Random(7).NextBytes(record);
        byte[] original = [.. record];
        LogRecordFormat.Seal(record, headerBlocks, 5, block, 1024, new(5, 3), 7, 11, s_uuid, recordSize);

        Assert.IsTrue(LogRecordFormat.IsChecksumValid(record, headerBlocks));
        for (int i = 0; i < record.Length / 512; i++)
            Assert.AreEqual(block + i < 1024 ? 5u : 6u, LogRecordFormat.CycleOf(record.AsSpan(i * 512)), $"block {i}");
        Assert.AreEqual(new LogSequenceNumber(5, block).Value, LogRecordHeader.At(record).Lsn.Value);
        record[^1] ^= 1;
        Assert.IsFalse(LogRecordFormat.IsChecksumValid(record, headerBlocks));
        record[^1] ^= 1;

        LogRecordFormat.Unseal(record, headerBlocks);
        CollectionAssert.AreEqual(original[(headerBlocks * 512)..], record[(headerBlocks * 512)..]);
    }

    [TestMethod]
    public void TheCycleThatLooksLikeAHeaderIsLeftOut()
    {
        Assert.AreEqual(0xFEEDBABFu, LogRecordFormat.NextCycle(0xFEEDBABD));
        Assert.AreEqual(0xFEEDBABDu, LogRecordFormat.PreviousCycle(0xFEEDBABF));
        Assert.AreEqual(3u, LogRecordFormat.NextCycle(2));
    }

    [TestMethod]
    [DataRow("32k", 1)]
    [DataRow("256k", 8)]
    public void SealingWhatTheKernelSealedGivesTheSameBytes(string logBuffer, int headerBlocks)
    {
        using TempImage image = TempImage.MadeByMkfs(64 << 20);
        using (KernelMount mount = KernelMount.ReadWrite(image.Path, $"logbsize={logBuffer}"))
            mount.Run("for i in $(seq 300); do mkdir d$i; done; sync -f .; touch d1/x");
        MemoryDevice device = MemoryDevice.Load(image.Path);
        byte[] sector = new byte[512];
        device.Read(0, sector);
        Geometry geometry = new(Superblock.At(sector));
        LogArea log = new(device, geometry);

        int records = 0;
        for (uint block = 2; ;)
        {
            log.Read(block, sector);
            LogRecordHeader header = LogRecordHeader.At(sector);
            if (header.Magic != LogRecordHeader.MagicNumber || header.Cycle != 1) break;
            byte[] record = new byte[headerBlocks * 512 + (int)header.Length.Value];
            log.Read(block, record);
            Assert.IsTrue(LogRecordFormat.IsChecksumValid(record, headerBlocks));
            byte[] again = [.. record];
            LogRecordFormat.Unseal(again, headerBlocks);
            LogRecordFormat.Seal(again, headerBlocks, header.Cycle, block, log.BasicBlocks, new(header.TailLsn), header.PreviousBlock,
                (int)header.OperationCount.Value, geometry.Uuid, (int)header.RecordSize.Value);
            CollectionAssert.AreEqual(record, again);
            block = log.Advance(block, (uint)record.Length / 512);
            records++;
        }
        Assert.IsGreaterThan(2, records);
    }
}
