using System.Buffers.Binary;
using ImageFs.Devices;
using ImageFs.Format;
using ImageFs.Journal;
using ImageFs.Tests.Fixtures;

namespace ImageFs.Tests.Journal;

/// <summary>Logs written by hand, legal and illegal; what the kernel makes of each was tried out once.</summary>
[TestClass]
public sealed class LogReaderTests
{
    private static HandmadeLog OneChange(uint uid = 7)
    {
        HandmadeLog log = new();
        log.Start().Item(log.SetRootUid(uid)).Commit();
        return log;
    }

    [TestMethod]
    public void ACommittedChangeIsRepeatedAndAnImageReadOnlyStaysAsItWas()
    {
        HandmadeLog log = OneChange();
        log.Write();
        byte[] before = new byte[1 << 20], after = new byte[1 << 20];
        log.Device.Read(0, before);
        RecoveryResult result = log.Replay();
        log.Device.Read(0, after);
        CollectionAssert.AreEqual(before, after);
        Assert.IsFalse(result.WasClean);
        Assert.AreEqual((1, 1), (result.Transactions, result.Inodes));
        Assert.AreEqual(7u, log.RootUid(result.View));
        ref readonly InodeCore core = ref InodeCore.At((ReadOnlySpan<byte>)log.RootInode(result.View));
        Assert.AreEqual(result.Position.LastLsn.Value, core.Lsn.Value);
        Assert.AreEqual(uint.MaxValue, core.NextUnlinked.Value);
    }

    [TestMethod]
    public void WhatIsReplayedHereTheKernelReplaysToo()
    {
        HandmadeLog log = OneChange(4711);
        log.Write();
        log.Start().Item(log.SetLabel("by hand")).Commit();
        log.Write();
        using TempImage image = TempImage.NotYetThere();
        log.Device.Save(image.Path);
        DirtyImage.AssertReplayedAsTheKernelDoes(image.Path);
        RecoveryResult result = log.Replay();
        Assert.AreEqual(4711u, log.RootUid(result.View));
        Assert.AreEqual("by hand", HandmadeLog.Label(result.View));
    }

    [TestMethod]
    public void ATransactionWithoutCommitNeverHappened()
    {
        HandmadeLog log = new();
        log.Start().Item(log.SetRootUid(7));
        log.Write();
        RecoveryResult result = log.Replay();
        Assert.AreEqual((0, 0u), (result.Transactions, log.RootUid(result.View)));
    }

    [TestMethod]
    public void OperationsBeyondTheCountAreNotRead()
    {
        HandmadeLog log = OneChange();
        log.Write(operations: 4); // start, header, two regions; the commit is the fifth
        Assert.AreEqual(0, log.Replay().Transactions);
    }

    [TestMethod]
    public void TwoTransactionsInOneRecordAndATransactionIdUsedAgain()
    {
        HandmadeLog log = new();
        log.Start().Item(log.SetRootUid(7)).Commit().Start().Item(log.SetRootUid(8)).Item(log.SetLabel("x")).Commit();
        log.Write();
        RecoveryResult result = log.Replay();
        Assert.AreEqual((2, 8u, "x"), (result.Transactions, log.RootUid(result.View), HandmadeLog.Label(result.View)));
    }

    [TestMethod]
    public void InterleavedTransactionsHappenInTheOrderOfTheirCommits()
    {
        HandmadeLog log = new();
        byte[][] first = log.SetRootUid(1), second = log.SetRootUid(2);
        log.Start(1).Start(2).Op(0, first[0], 1).Op(0, second[0], 2).Op(0, first[1], 1).Op(0, second[1], 2).Commit(2).Commit(1);
        log.Write();
        LogTransaction[] transactions = [.. new LogReader(log.Log, LogScan.Find(log.Log, log.Geometry), log.Geometry).Transactions()];
        CollectionAssert.AreEqual(new uint[] { 2, 1 }, transactions.Select(t => t.Id).ToArray());
        Assert.AreEqual(1u, log.RootUid(log.Replay().View));
    }

    [TestMethod]
    public void ATransactionHasTheLsnOfTheRecordItStartsIn()
    {
        HandmadeLog log = new();
        log.Start();
        uint start = log.Write();
        log.Item(log.SetRootUid(7));
        log.Write();
        log.Commit();
        uint commit = log.Write();
        LogTransaction transaction = new LogReader(log.Log, LogScan.Find(log.Log, log.Geometry), log.Geometry).Transactions().Single();
        Assert.AreEqual((new LogSequenceNumber(1, start), new LogSequenceNumber(1, commit)), (transaction.Lsn, transaction.CommitLsn));
    }

    [TestMethod]
    [DataRow(32768)]
    [DataRow(262144)]
    public void ARegionIsPutTogetherFromPartsInSeveralRecords(int recordSize)
    {
        const byte first = LogOperationHeader.Continue, middle = LogOperationHeader.Continue | LogOperationHeader.WasContinued,
            last = LogOperationHeader.WasContinued | LogOperationHeader.End;
        HandmadeLog log = new();
        byte[][] item = log.SetRootUid(7);
        log.Op(LogOperationHeader.Start, []).Op(first, [0x4E, 0x41, 0x52, 0x54]);
        log.Write(recordSize: recordSize);
        log.Op(last, new byte[12]).Op(first, item[0].AsSpan(0, 4));
        log.Write(recordSize: recordSize);
        log.Op(middle, item[0].AsSpan(4, 20));
        log.Write(recordSize: recordSize);
        log.Op(last, item[0].AsSpan(24)).Op(first, item[1].AsSpan(0, 100));
        log.Write(recordSize: recordSize);
        log.Op(last, item[1].AsSpan(100)).Commit();
        log.Write(recordSize: recordSize);
        Assert.AreEqual(7u, log.RootUid(log.Replay().View));
    }

    [TestMethod]
    public void ARecordThatGoesAroundTheEndOfTheLog()
    {
        HandmadeLog log = new();
        // Padding records up to a few blocks before the end; only the last is needed.
        while (log.Log.BasicBlocks - log.Position.Head > 60)
        {
            log.Start();
            log.Op(0, new byte[20000], tid: 99);
            log.Tail = log.Position.HeadLsn;
            log.Write();
        }
        log.Tail = log.Position.HeadLsn;
        log.Start();
        for (int i = 0; i < 20; i++)
        {
            log.Start((uint)(500 + i));
            log.Op(0, new byte[1500], tid: 9999);
        }
        log.Item(log.SetRootUid(7)).Commit();
        log.Write();
        RecoveryResult result = log.Replay();
        Assert.AreEqual((7u, 2u), (log.RootUid(result.View), result.Position.HeadCycle));
        Assert.IsLessThan(100u, result.Position.Head);
    }

    [TestMethod]
    public void ARecordWithAWrongChecksumAndAllBehindItNeverHappened()
    {
        HandmadeLog log = OneChange(1);
        log.Write();
        log.Start().Item(log.SetRootUid(2)).Commit();
        uint torn = log.Write(damage: r => r[600] ^= 1);
        log.Start().Item(log.SetRootUid(3)).Commit();
        log.Write();
        RecoveryResult result = log.Replay();
        Assert.AreEqual((1u, torn, (uint?)torn), (log.RootUid(result.View), result.Position.Head, result.Position.TornAt));
    }

    // The kernel believes the last header before it has seen the checksum, and refuses the mount.
    [TestMethod]
    [DataRow(16, DisplayName = "lsn")]
    [DataRow(24, DisplayName = "tail")]
    [DataRow(40, DisplayName = "operations")]
    [DataRow(304, DisplayName = "uuid")]
    [DataRow(320, DisplayName = "record size")]
    public void AHeaderThatWasHalfWrittenIsTorn(int field)
    {
        HandmadeLog log = OneChange(1);
        log.Write();
        log.Start().Item(log.SetRootUid(2)).Commit();
        uint torn = log.Write(damage: r => r.AsSpan(field, 8).Fill(0x7f));
        RecoveryResult result = log.Replay();
        Assert.AreEqual((1u, torn), (log.RootUid(result.View), result.Position.Head));
    }

    [TestMethod]
    public void AnUnmountRecordOfWhichSomeWordsAreMissingIsTornOrCountsButIsNeverAnError()
    {
        HandmadeLog log = OneChange(7);
        log.Write();
        uint head = log.Position.Head;
        LogTail.WriteUnmountRecord(log.Device, log.Geometry, log.Position);
        byte[] record = new byte[1024], damaged = new byte[1024];
        log.Log.Read(head, record);
        int torn = 0;
        for (int word = 0; word < record.Length / 8; word++)
            for (int count = 1; count <= 3; count++)
                foreach (byte before in new byte[] { 0, 0x7f })
                {
                    record.CopyTo(damaged, 0);
                    damaged.AsSpan(word * 8, Math.Min(8 * count, damaged.Length - word * 8)).Fill(before);
                    log.Log.Write(head, damaged);
                    RecoveryResult result = log.Replay();
                    if (!result.WasClean) Assert.AreEqual((7u, head), (log.RootUid(result.View), result.Position.Head), $"word {word}");
                    torn += result.WasClean ? 0 : 1;
                }
        Assert.IsGreaterThan(100, torn);
    }

    [TestMethod]
    public void ARecordLargerThanTheTailSaysIsTakenForTorn()
    {
        HandmadeLog log = OneChange(1);
        log.Write(recordSize: 16384);
        log.Start().Item(log.SetRootUid(2)).Op(0, new byte[17000], tid: 77).Commit();
        log.Write(recordSize: 32768);
        Assert.AreEqual(1u, log.RootUid(log.Replay().View));
    }

    [TestMethod]
    public void AnUnmountRecordHidesWhatIsBeforeIt()
    {
        HandmadeLog log = OneChange();
        log.Write();
        LogTail.WriteUnmountRecord(log.Device, log.Geometry, log.Position);
        RecoveryResult result = log.Replay();
        Assert.IsTrue(result.WasClean);
        Assert.IsFalse(result.View.IsChanged);
        Assert.AreEqual(result.Position.HeadLsn, result.Position.Tail);
    }

    [TestMethod]
    public void AnUnmountThatIsNotAloneInItsRecordDoesNotMakeTheLogClean()
    {
        HandmadeLog log = new();
        log.Op(LogOperationHeader.Start, []).Op(LogOperationHeader.Unmount, [], client: LogOperationHeader.ClientLog);
        log.Write();
        RecoveryResult result = log.Replay();
        Assert.IsFalse(result.WasClean);
        Assert.AreEqual(0, result.Transactions);
    }

    private static IEnumerable<object[]> Refused()
    {
        static object[] Row(string name, string expected, Action<HandmadeLog> build) => [name, expected, build];
        yield return Row("another byte order", "format 0", l => { l.Start().Commit(); l.Write(damage: r => Reseal(r, h => h.AsSpan(300, 4).Clear())); });
        yield return Row("another file system", "belongs to", l => { l.Start().Commit(); l.Write(uuid: Uuid.Parse("99999999-2222-3333-4444-555555555555")); });
        yield return Row("no transaction header", "does not begin with its header", l => { l.Op(LogOperationHeader.Start, []).Op(0, new byte[16]).Commit(); l.Write(); });
        yield return Row("unknown item", "0x1250", l => { l.Start().Item([[0x50, 0x12, 1, 0]]).Commit(); l.Write(); });
        yield return Row("IRIX item", "0x1238", l => { l.Start().Item([[0x38, 0x12, 1, 0]]).Commit(); l.Write(); });
        yield return Row("no regions", "0 regions", l => { l.Start().Item([[0x3b, 0x12, 0, 0]]).Commit(); l.Write(); });
        yield return Row("too many regions", "regions", l => { l.Start().Item([[0x3b, 0x12, 2, 8]]).Commit(); l.Write(); });
        yield return Row("missing region", "middle of an item", l => { l.Start().Item([l.SetRootUid(1)[0]]).Commit(); l.Write(); });
        yield return Row("strange client", "client", l => { l.Op(LogOperationHeader.Start, [], client: 1); l.Write(); });
        yield return Row("start twice", "flags", l => { l.Start().Start(); l.Write(); });
        yield return Row("operation beyond the record", "beyond the record", l => { l.Start().Op(0, new byte[400], tid: 5); l.Write(damage: r => Mutate(r, 512 + 12 + 12 + 16 + 4, 0x7f)); });
        yield return Row("the tail is the head", "does not fit", l => { l.Tail = new(1, l.Position.Head + 2); l.Start().Commit(); l.Write(); });
        yield return Row("tail in the future", "does not fit", l => { l.Tail = new(3, 0); l.Start().Commit(); l.Write(); });
        yield return Row("tail outside", "the log has", l => { l.Tail = new(1, 0x7fffffff); l.Start().Commit(); l.Write(); });
        yield return Row("inode beyond its cluster", "impossible", l => { l.Start().Item(l.SetRootUid(1, (f, _) => f[53] = 0x7f)).Commit(); l.Write(); });
        yield return Row("inode elsewhere", "its place is", l => { l.Start().Item(l.SetRootUid(1, (f, _) => f[53] ^= 0x02)).Commit(); l.Write(); });
        yield return Row("no such inode", "no inode of this file system", l => { l.Start().Item(l.SetRootUid(1, (f, _) => f[23] = 0x7f)).Commit(); l.Write(); });
        yield return Row("inode with more extents than blocks", "nextents", l => { l.Start().Item(l.SetRootUid(1, (_, c) => { c[5] = 2; c[24] = 9; })).Commit(); l.Write(); });
        yield return Row("fork too long", "a fork of", l => { l.Start().Item(Fork(l, LogInodeItem.DataLocal, new byte[400])).Commit(); l.Write(); });
        yield return Row("btree root that is none", "btree root", l => { l.Start().Item(Fork(l, LogInodeItem.DataBtree, new byte[88])).Commit(); l.Write(); });
        yield return Row("buffer outside the device", "outside the device", l => { l.Start().Item(HandmadeLog.Buffer(1L << 50, 512, HandmadeLog.Flags(LogBufferType.Agf), 0, new byte[128])).Commit(); l.Write(); });
        yield return Row("bitmap beyond the buffer", "beyond the 512 bytes", l => { l.Start().Item(HandmadeLog.Buffer(512, 512, HandmadeLog.Flags(LogBufferType.Agf), 5, new byte[128])).Commit(); l.Write(); });
        yield return Row("AGF without a type", "no Unknown", l => { l.Start().Item(HandmadeLog.Buffer(512, 512, 0, 3, new byte[128])).Commit(); l.Write(); });
        yield return Row("AGF that becomes none", "no Agf", l => { l.Start().Item(HandmadeLog.Buffer(512, 512, HandmadeLog.Flags(LogBufferType.Agf), 0, new byte[128])).Commit(); l.Write(); });
        yield return Row("superblock that shrinks", "sizes other than", l => { byte[][] i = l.SetLabel("x"); i[1][91] = 3; i[1][14] = 0x30; l.Start().Item(i).Commit(); l.Write(); });
        yield return Row("inode chunk of a strange length", "blocks, expected", l => { l.Start().Item([Create(l, 3, 24)]).Commit(); l.Write(); });
        yield return Row("inode chunk of a strange count", "inodes of", l => { l.Start().Item([Create(l, 8, 63)]).Commit(); l.Write(); });
        yield return Row("unlinked pointer 0", "next_unlinked is 0", l => { long c = l.Geometry.ByteOffset(new(0), new(16)); l.Start().Item(HandmadeLog.Buffer(c, 16384, (ushort)(HandmadeLog.Flags(LogBufferType.Inode) | 1), 0, new byte[128])).Commit(); l.Write(); });
    }

    private static byte[][] Fork(HandmadeLog log, uint field, byte[] fork)
    {
        byte[][] item = log.SetRootUid(1, (f, _) => { f[2] = 3; BinaryPrimitives.WriteUInt32LittleEndian(f.AsSpan(4), LogInodeItem.Core | field); });
        return [.. item, fork];
    }

    private static byte[] Create(HandmadeLog log, uint length, uint count)
    {
        byte[] item = new byte[28];
        BinaryPrimitives.WriteUInt16LittleEndian(item, (ushort)LogItemType.InodeCreate);
        item[2] = 1;
        uint[] fields = [0, 64, count, (uint)log.Geometry.InodeSize, length, 1];
        for (int i = 0; i < fields.Length; i++) BinaryPrimitives.WriteUInt32BigEndian(item.AsSpan(4 + i * 4), fields[i]);
        return item;
    }

    private static void Reseal(byte[] record, Action<byte[]> change)
    {
        change(record);
        LogRecordHeader.At(record.AsSpan()).Crc = LogRecordFormat.Checksum(record, 1);
    }

    private static void Mutate(byte[] record, int at, byte value) => Reseal(record, r => r[at] = value);

    [TestMethod]
    [DynamicData(nameof(Refused))]
    public void ALogThatMakesNoSenseIsRefusedWithAReason(string what, string expected, object build)
    {
        HandmadeLog log = new();
        ((Action<HandmadeLog>)build)(log);
        CorruptionException refusal = Assert.ThrowsExactly<CorruptionException>(() => log.Replay(), what);
        StringAssert.Contains(refusal.Message, expected, what);
    }

    [TestMethod]
    public void UnknownFeaturesOfTheLogMatterOnlyWhileItIsDirty()
    {
        HandmadeLog log = OneChange();
        Superblock sb = log.Geometry.Superblock;
        sb.FeaturesLogIncompat = 0x2u;
        Assert.IsTrue(Recovery.Replay(log.Device, new Geometry(sb)).WasClean);
        log.Write();
        XfsUnsupportedException refusal = Assert.ThrowsExactly<XfsUnsupportedException>(() => Recovery.Replay(log.Device, new Geometry(sb)));
        StringAssert.Contains(refusal.Message, "0x2");
    }

    // Not that somebody left it out: those eight bytes of the header never arrived.
    [TestMethod]
    public void ARecordWithoutAChecksumIsTorn()
    {
        HandmadeLog log = OneChange(7);
        log.Write();
        log.Start().Item(log.SetRootUid(9)).Commit();
        log.Write(damage: record => record.AsSpan(32, 8).Clear());
        RecoveryResult result = log.Replay();
        Assert.IsNotNull(result.Position.TornAt);
        Assert.AreEqual(7u, log.RootUid(result.View));
    }

    [TestMethod]
    public void ATornBlockIsRepeatedWhateverLsnItClaims()
    {
        HandmadeLog log = new();
        log.Start().Item(log.SetLabel("first")).Commit();
        log.Write();
        byte[] sector = new byte[512];
        log.Device.Read(0, sector);
        // A superblock of the future, half written: its checksum is that of what was to be written.
        ref Superblock sb = ref Superblock.At(sector.AsSpan());
        sb.Lsn = new LogSequenceNumber(1, 1000).Value;
        Crc32c.Stamp(sector, Superblock.CrcOffset);
        log.Device.Write(0, sector);
        Assert.AreEqual("", HandmadeLog.Label(log.Replay().View), "a whole block that is newer was overwritten");
        sector[300] ^= 1;
        log.Device.Write(0, sector);
        Assert.AreEqual("first", HandmadeLog.Label(log.Replay().View));
    }

    [TestMethod]
    public void ATornInodeIsRepeatedWhateverLsnItClaims()
    {
        HandmadeLog log = OneChange(7);
        log.Write();
        byte[] inode = log.RootInode(log.Device);
        InodeCore.At(inode.AsSpan()).Lsn = new LogSequenceNumber(1, 1000).Value;
        Crc32c.Stamp(inode, InodeCore.CrcOffset);
        long place = (long)log.Geometry.Superblock.RootInode.Value * log.Geometry.InodeSize;
        log.Device.Write(place, inode);
        Assert.AreEqual(0u, log.RootUid(log.Replay().View), "an inode that is newer was overwritten");
        inode[^1] ^= 1;
        log.Device.Write(place, inode);
        RecoveryResult result = log.Replay();
        Assert.AreEqual(7u, log.RootUid(result.View));
        Assert.IsTrue(Crc32c.IsValid(log.RootInode(result.View), InodeCore.CrcOffset));
    }

    [TestMethod]
    public void AFreedBlockIsNotRepeatedButItsSecondLifeIs()
    {
        HandmadeLog log = new();
        ushort agi = HandmadeLog.Flags(LogBufferType.Agi);
        byte[] first = new byte[512], second = new byte[512];
        log.Device.Read(1024, first);
        log.Device.Read(1024, second);
        Agi.At(first.AsSpan()).NewInode = 1111u;
        Agi.At(second.AsSpan()).NewInode = 2222u;
        log.Start().Item(HandmadeLog.Buffer(1024, 512, agi, 0, first)).Commit();
        log.Write();
        log.Start().Item(HandmadeLog.Buffer(1024, 512, LogBufferItem.Cancel, 0, [])).Commit();
        log.Write();
        RecoveryResult freed = log.Replay();
        log.Start().Item(HandmadeLog.Buffer(1024, 512, agi, 0, second)).Commit();
        log.Write();
        RecoveryResult again = log.Replay();
        Assert.AreEqual((0, 1), (freed.Buffers, freed.Cancelled));
        Assert.AreEqual((1, 1), (again.Buffers, again.Cancelled));
        byte[] sector = new byte[512];
        again.View.Read(1024, sector);
        Assert.AreEqual(2222u, Agi.At((ReadOnlySpan<byte>)sector).NewInode.Value);
    }

    [TestMethod]
    public void IntentsAreParsedAndThoseThatAreDoneAreForgotten()
    {
        static byte[] Item(LogItemType type, int regions, uint count, ulong id, params ulong[] words)
        {
            byte[] item = new byte[16 + words.Length * 8];
            BinaryPrimitives.WriteUInt16LittleEndian(item, (ushort)type);
            item[2] = (byte)regions;
            BinaryPrimitives.WriteUInt32LittleEndian(item.AsSpan(4), count);
            BinaryPrimitives.WriteUInt64LittleEndian(item.AsSpan(8), id);
            for (int i = 0; i < words.Length; i++) BinaryPrimitives.WriteUInt64LittleEndian(item.AsSpan(16 + i * 8), words[i]);
            return item;
        }
        HandmadeLog log = new();
        log.Start()
            .Item(Item(LogItemType.ExtentFreeIntent, 1, 2, 10, 100, 5, 200, 6))
            .Item(Item(LogItemType.RmapIntent, 1, 1, 11, 131, 300, 7, 8 | 3UL << 32))
            .Item(Item(LogItemType.RefcountIntent, 1, 1, 12, 400, 9 | 2UL << 32))
            .Item(Item(LogItemType.BmapIntent, 1, 1, 13, 131, 500, 1, 2 | 1UL << 32))
            .Item(Item(LogItemType.AttrIntent, 3, 77, 14, 131, 1 | 4UL << 32, 3 | 2UL << 32), "user"u8.ToArray(), "abc\0"u8.ToArray())
            .Item(Item(LogItemType.ExchangeIntent, 1, 0, 15, 131, 132, 1 | 2UL << 32, 5, 6, 7, 4, ulong.MaxValue, ulong.MaxValue))
            .Item(Item(LogItemType.RmapIntentRt, 1, 1, 17, 131, 300, 7, 8 | 3UL << 32))
            .Item(Item(LogItemType.ExtentFreeIntent, 1, 1, 16, 700, 1)).Commit();
        log.Write();
        log.Start().Item(Item(LogItemType.ExtentFreeDone, 1, 1, 16, 700, 1)).Item(Item(LogItemType.RmapDone, 1, 0, 999)).Commit();
        log.Write();
        RecoveryResult result = log.Replay();
        CollectionAssert.AreEqual(new[] { "EFI", "RUI", "CUI", "BUI", "ATTRI", "XMI", "RUI_RT" }, result.PendingIntents.Select(i => i.Name).ToArray());
        var efi = (ExtentFreeIntent)result.PendingIntents[0];
        CollectionAssert.AreEqual(new IntentExtent[] { new(new(100), 5, 0), new(new(200), 6, 0) }, efi.Extents.ToArray());
        Assert.AreEqual(new IntentMapping(131, new(300), new(7), 8, 3), ((RmapIntent)result.PendingIntents[1]).Mappings.Single());
        Assert.AreEqual(new IntentExtent(new(400), 9, 2), ((RefcountIntent)result.PendingIntents[2]).Extents.Single());
        Assert.AreEqual(new IntentMapping(131, new(500), new(1), 2, 1), ((BmapIntent)result.PendingIntents[3]).Mappings.Single());
        var attr = (AttrIntent)result.PendingIntents[4];
        Assert.AreEqual((77u, 131ul, 1u, 2u), (attr.Generation, attr.Inode.Value, attr.Operation, attr.Filter));
        CollectionAssert.AreEqual("user"u8.ToArray(), attr.AttributeName);
        CollectionAssert.AreEqual("abc"u8.ToArray(), attr.Value);
        var exchange = (ExchangeIntent)result.PendingIntents[5];
        Assert.AreEqual((131ul, 132ul, 5ul, 6ul, 7ul, 4ul), (exchange.Inode1.Value, exchange.Inode2.Value, exchange.Start1.Value, exchange.Start2.Value, exchange.Blocks, exchange.Flags));
        XfsUnsupportedException refusal = Assert.ThrowsExactly<XfsUnsupportedException>(result.RequireKnownIntents);
        StringAssert.Contains(refusal.Message, "(1 RUI_RT)");
    }

    [TestMethod]
    public void StaleBlocksAheadOfTheHeadAreOverwrittenAndTheLogIsReadAsBefore()
    {
        HandmadeLog log = OneChange();
        log.Write();
        uint head = log.Position.Head;
        LogPosition before = LogScan.Find(log.Log, log.Geometry);
        // What a write that did not complete left behind: a record of this cycle with a hole before it.
        byte[] stale = new byte[1024];
        LogRecordFormat.Seal(stale, 1, 1, head + 40, log.Log.BasicBlocks, before.Tail, head, 1, log.Geometry.Uuid, 32768);
        log.Log.Write(head + 40, stale);
        Assert.AreEqual(before, LogScan.Find(log.Log, log.Geometry));
        Assert.IsTrue(LogTail.ClearStale(log.Device, log.Geometry, before));
        Assert.IsFalse(LogTail.ClearStale(log.Device, log.Geometry, before), "cleared twice");
        LogPosition after = LogScan.Find(log.Log, log.Geometry);
        Assert.AreEqual(before, after);
        byte[] block = new byte[512];
        log.Log.Read(head + 40, block);
        Assert.AreEqual(0u, LogRecordFormat.CycleOf(block));
        LogPosition clean = LogTail.WriteUnmountRecord(log.Device, log.Geometry, after);
        Assert.AreEqual(clean with { }, LogScan.Find(log.Log, log.Geometry));
    }

    // The first checkpoint after a clean unmount is torn in its first record and complete in its second. The log is clean; but
    // if the next writer left the second record where it is, its own first record would join it to the log again.
    [TestMethod]
    public void TheSecondHalfOfATornCheckpointIsNotBroughtBackByTheNextWriter()
    {
        static (HandmadeLog Log, LogPosition Clean) Torn()
        {
            HandmadeLog log = new();
            LogPosition clean = log.Position;
            log.Start().Item(log.SetLabel("lost")).Commit();
            uint first = log.Write();
            log.Tail = log.Position.HeadLsn;
            log.Start(5).Op(0, new byte[100], tid: 6).Commit(5);
            log.Item(log.SetLabel("x")).Start().Item(log.SetRootUid(666)).Commit();
            log.Write();
            log.Log.Write(first, new byte[512 * 2]);
            return (log, clean);
        }
        (HandmadeLog log, LogPosition clean) = Torn();
        Assert.AreEqual(clean.HeadLsn, LogScan.Find(log.Log, log.Geometry).HeadLsn);
        Assert.IsTrue(LogScan.Find(log.Log, log.Geometry).IsClean);
        Assert.IsTrue(LogTail.ClearStale(log.Device, log.Geometry, clean));
        LogPosition marked = LogTail.WriteUnmountRecord(log.Device, log.Geometry, clean);
        Assert.AreEqual(marked, LogScan.Find(log.Log, log.Geometry));
        Assert.AreEqual(0u, log.RootUid(log.Replay().View));
    }

    [TestMethod]
    public void AnEmptyLogIsCleanAndBeginsAtCycleOne()
    {
        MemoryDevice device = new(1 << 20);
        LogPosition position = LogScan.Find(new LogArea(device, 0, 2048), new HandmadeLog().Geometry);
        Assert.IsTrue(position is { IsEmpty: true, IsClean: true, Head: 0, HeadCycle: 1 });
    }
}
