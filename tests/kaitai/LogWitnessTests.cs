using System.Buffers.Binary;
using System.Globalization;
using System.Text.RegularExpressions;
using ImageFs.Devices;
using ImageFs.Format;
using ImageFs.Journal;
using ImageFs.Tests.Fixtures;
using Kaitai;

namespace ImageFs.Tests.Kaitai;

/// <summary>Log records, their operations and the items in them: our structs, the generated reader and xfs_logprint.</summary>
[TestClass]
public sealed partial class LogWitnessTests
{
    private const int BasicBlock = 512;
    private static int MostRecords => 40 * TestSettings.Sweep;

    public static IEnumerable<object[]> Images => SampleImages.AllRows;

    [TestMethod, DynamicData(nameof(Images))]
    public void ThreeReadersSeeTheSameRecords(string name)
    {
        string path = SampleImages.Path(name);
        MemoryDevice device = MemoryDevice.Load(path);
        Geometry geometry = Volume.ReadSuperblock(device);
        LogArea log = new(device, geometry);
        Dictionary<uint, PrintedRecord> printed = Judge.Find("xfs_logprint") is null ? [] : Parse(XfsLogPrint.Print(path));
        List<uint> blocks = Headers(log);
        int operations = 0, items = 0, records = 0;
        // The first, the last and what lies evenly between: each is read once, whatever the log holds.
        for (int i = 0, wanted = Math.Min(blocks.Count, MostRecords); i < wanted; i++)
        {
            uint block = blocks[wanted == 1 ? 0 : (int)((long)i * (blocks.Count - 1) / (wanted - 1))];
            string where = $"{name}, log block {block}";
            byte[] head = new byte[BasicBlock];
            log.Read(block, head);
            ref readonly LogRecordHeader header = ref LogRecordHeader.At((ReadOnlySpan<byte>)head);
            if (header.Length == 0) continue;
            int headerBlocks = LogRecordFormat.HeaderBlocks((int)header.RecordSize.Value);
            byte[] bytes = new byte[headerBlocks * BasicBlock + (int)header.Length.Value];
            log.Read(block, bytes);
            Xfs.LogRecord record = new(new KaitaiStream(bytes));
            record._read();
            CompareHeader(header, record.Header, where);
            Assert.HasCount(headerBlocks - 1, record.Extensions, where);

            LogRecordFormat.Unseal(bytes, headerBlocks);
            byte[] payload = bytes[(headerBlocks * BasicBlock)..];
            Xfs.LogPayload theirs = new(record.Header.NumLogops, new KaitaiStream(payload));
            theirs._read();
            PrintedRecord? print = printed.GetValueOrDefault(block);
            if (print is not null) print.Compare(record.Header, where);
            operations += CompareOperations(payload, theirs, print, geometry, where, ref items);
            records++;
        }
        Console.WriteLine($"{name}: {records} records, {operations} operations, {items} items of xfs_logprint compared");
        Assert.IsGreaterThan(0, records);
        if (Judge.Find("xfs_logprint") is null) Assert.Inconclusive("needs xfs_logprint, which is not installed (package xfsprogs): our structs and xfs.ksy agree");
        Assert.IsNotEmpty(printed);
        if (SampleImages.IsDirty(name)) Assert.IsGreaterThan(10, items, "xfs_logprint's items were not found");
    }

    [TestMethod]
    public void EveryLegalRecordSizeIsInspectedAndReplayed()
    {
        foreach (int size in (int[])[16384, 32768, 65536, 131072, 262144])
        {
            Tests.Journal.HandmadeLog log = new();
            log.Start();
            // Enough of it to fill most of a record of this size.
            for (int i = 0; i < size / 400; i++) log.Item(log.SetRootUid((uint)i));
            log.Item(log.SetRootUid(4711)).Commit();
            log.Write(recordSize: size);
            Assert.AreEqual(4711u, log.RootUid(log.Replay().View), $"{size}");
            using TempImage image = TempImage.NotYetThere();
            log.Device.Save(image.Path);
            Tests.Cli.CliResult all = Tests.Cli.CliRun.Run("inspect", "--json", image.Path, "log");
            Assert.AreEqual(0, all.Code, all.Error);
            Tests.Cli.CliResult one = Tests.Cli.CliRun.Run("inspect", "--json", "--limit", "3", image.Path, "log/1");
            Assert.AreEqual(0, one.Code, $"{size}: {one.Error}");
            using System.Text.Json.JsonDocument json = System.Text.Json.JsonDocument.Parse(one.Output);
            Assert.AreEqual("correct", json.RootElement.GetProperty("crc").GetString());
            Assert.AreEqual((uint)size, json.RootElement.GetProperty("value").GetProperty("header").GetProperty("size").GetUInt32());
            DirtyLogIsReplayedByTheKernel(image);
        }

        static void DirtyLogIsReplayedByTheKernel(TempImage image)
        {
            if (Judge.HasKernel) Tests.Journal.DirtyImage.AssertReplayedAsTheKernelDoes(image.Path);
        }
    }

    private static void CompareHeader(in LogRecordHeader ours, Xfs.LogRecordHeader theirs, string where)
    {
        (string, ulong, ulong)[] fields =
        [
            ("cycle", ours.Cycle, theirs.Cycle), ("version", ours.Version, theirs.Version), ("len", ours.Length, theirs.Len), ("lsn", ours.Lsn, theirs.Lsn),
            ("tail_lsn", ours.TailLsn, theirs.TailLsn), ("crc", ours.Crc, theirs.Crc), ("prev_block", ours.PreviousBlock, theirs.PrevBlock),
            ("num_logops", ours.OperationCount, theirs.NumLogops), ("fmt", ours.Format, theirs.Fmt), ("size", ours.RecordSize, theirs.Size),
        ];
        foreach ((string field, ulong our, ulong their) in fields) Assert.AreEqual(our, their, $"{where}: {field}");
        Assert.AreEqual(ours.Uuid, new Uuid(theirs.FsUuid), where);
        for (int i = 0; i < LogRecordHeader.CycleDataCount; i++)
            Assert.AreEqual(BinaryPrimitives.ReverseEndianness(ours.CycleData[i]), theirs.CycleData[i], $"{where}: cycle_data[{i}]");
    }

    private static int CompareOperations(byte[] payload, Xfs.LogPayload theirs, PrintedRecord? print, Geometry geometry, string where, ref int items)
    {
        int at = 0;
        for (int i = 0; i < theirs.Ops.Count; i++)
        {
            string operation = $"{where}, operation {i}";
            LogOperationHeader ours = LogOperationHeader.At((ReadOnlySpan<byte>)payload.AsSpan(at));
            Xfs.LogOpHeader their = theirs.Ops[i].Header;
            Assert.AreEqual(ours.TransactionId.Value, their.Tid, operation);
            Assert.AreEqual(ours.Length.Value, their.Len, operation);
            Assert.AreEqual(ours.Client, (byte)their.Clientid, operation);
            byte flags = (byte)((their.Start ? 1 : 0) | (their.Commit ? 2 : 0) | (their.Cont ? 4 : 0) | (their.WasCont ? 8 : 0) | (their.End ? 16 : 0) | (their.Unmount ? 32 : 0) | (int)their.Reserved1 << 6);
            Assert.AreEqual(ours.Flags, flags, operation);
            byte[] region = payload.AsSpan(at + LogOperationHeader.Size, (int)ours.Length.Value).ToArray();
            CollectionAssert.AreEqual(region, theirs.Ops[i].Region, operation);
            if (print is not null) items += print.Operations[i].Compare(their, region, geometry, operation);
            at += LogOperationHeader.Size + region.Length;
        }
        return theirs.Ops.Count;
    }

    private static List<uint> Headers(LogArea log)
    {
        List<uint> blocks = [];
        byte[] window = new byte[1 << 20];
        for (uint block = 0; block < log.BasicBlocks; block += (uint)window.Length / BasicBlock)
        {
            int count = (int)Math.Min((uint)window.Length / BasicBlock, log.BasicBlocks - block);
            log.Read(block, window.AsSpan(0, count * BasicBlock));
            for (int i = 0; i < count; i++)
                if (BinaryPrimitives.ReadUInt32BigEndian(window.AsSpan(i * BasicBlock)) == LogRecordHeader.MagicNumber
                    && LogRecordHeader.At((ReadOnlySpan<byte>)window.AsSpan(i * BasicBlock)).Length != 0)
                    blocks.Add(block + (uint)i);
        }
        return blocks;
    }

    // ---- xfs_logprint -----------------------------------------------------------------------------------------------

    /// <summary>A record as xfs_logprint shows it.</summary>
    private sealed record PrintedRecord(Match Head, List<PrintedOperation> Operations)
    {
        public void Compare(Xfs.LogRecordHeader header, string where)
        {
            (string Group, ulong Value)[] fields =
            [
                ("cycle", header.Cycle), ("version", header.Version), ("lc", header.Lsn >> 32), ("lb", (uint)header.Lsn), ("tc", header.TailLsn >> 32), ("tb", (uint)header.TailLsn),
                ("len", header.Len), ("ops", header.NumLogops), ("size", header.Size),
            ];
            foreach ((string group, ulong value) in fields) Assert.AreEqual(ulong.Parse(Head.Groups[group].Value, CultureInfo.InvariantCulture), value, $"{where}: {group} of xfs_logprint");
            Assert.AreEqual((long)(int)header.PrevBlock, long.Parse(Head.Groups["prev"].Value, CultureInfo.InvariantCulture), where);
            Assert.AreEqual(Head.Groups["uuid"].Value.Replace("-", "", StringComparison.Ordinal), Convert.ToHexStringLower(header.FsUuid), where);
            Assert.HasCount((int)header.NumLogops, Operations, $"{where}: operations of xfs_logprint");
        }
    }

    /// <summary>An operation as xfs_logprint shows it, with what it says about what is in it.</summary>
    private sealed record PrintedOperation(uint Tid, uint Length, string Client, string[] Flags, string Text)
    {
        /// <returns>1 if it is an item whose fields were compared.</returns>
        public int Compare(Xfs.LogOpHeader header, byte[] region, Geometry geometry, string where)
        {
            Assert.AreEqual(Tid, header.Tid, where);
            Assert.AreEqual(Length, header.Len, where);
            Assert.AreEqual(Client, header.Clientid == Xfs.LogOpHeader.Clients.Log ? "LOG" : "TRANS", where);
            (string Flag, bool IsSet)[] flags = [("START", header.Start), ("COMMIT", header.Commit), ("CONTINUE", header.Cont), ("WAS_CONT", header.WasCont), ("END", header.End), ("UNMOUNT", header.Unmount)];
            foreach ((string flag, bool isSet) in flags) Assert.AreEqual(Flags.Contains(flag), isSet, $"{where}: {flag}");
            if (header.Cont || header.WasCont) return 0; // part of a region
            if (BufferItem().Match(Text) is { Success: true } buffer) return CompareBuffer(buffer, region, geometry, where);
            if (InodeItem().Match(Text) is { Success: true } inode) return CompareInode(inode, region, geometry, where);
            if (CoreItem().Match(Text) is { Success: true } core) return CompareCore(core, region, where);
            if (CreateItem().Match(Text) is { Success: true } create) return CompareCreate(create, region, where);
            if (TransactionHead().Match(Text) is { Success: true } head)
            {
                Xfs.LogTransaction transaction = Read(new Xfs.LogTransaction(new KaitaiStream(region)), t => t._read());
                Assert.AreEqual(Hex(head, "tid"), transaction.Tid, where);
                Assert.AreEqual(Decimal(head, "items"), transaction.NumItems, where);
                return 1;
            }
            return IntentItem().Match(Text) is { Success: true } intent ? CompareIntent(intent, region, where) : 0;
        }
    }

    private static int CompareBuffer(Match print, byte[] region, Geometry geometry, string where)
    {
        Xfs.LogItem item = Read(new Xfs.LogItem(new KaitaiStream(region)), i => i._read());
        Xfs.LogBuf theirs = (Xfs.LogBuf)item.Format;
        BufferFormat ours = BufferFormat.Read(Single(item, region), geometry.DeviceBytes);
        Assert.AreEqual(Decimal(print, "regs"), item.Size, where);
        Assert.AreEqual(Decimal(print, "blkno"), (ulong)theirs.Blkno, where);
        Assert.AreEqual(Decimal(print, "len"), theirs.Len, where);
        Assert.AreEqual(Decimal(print, "map"), theirs.MapSize, where);
        Assert.AreEqual(Hex(print, "flags"), theirs.Flags, where);
        Assert.AreEqual((ours.Address, ours.Blocks, (ulong)ours.Flags, ours.MapWords), ((ulong)theirs.Blkno, (uint)theirs.Len, (ulong)theirs.Flags, (int)theirs.MapSize), where);
        Assert.AreEqual((ours.IsCancel, ours.IsInodeBuffer, (int)ours.Type), (theirs.IsCancel, theirs.IsInodeBuf, (int)theirs.BufType), where);
        return 1;
    }

    private static int CompareInode(Match print, byte[] region, Geometry geometry, string where)
    {
        Xfs.LogItem item = Read(new Xfs.LogItem(new KaitaiStream(region)), i => i._read());
        Xfs.LogInode theirs = (Xfs.LogInode)item.Format;
        Assert.AreEqual(Decimal(print, "regs"), item.Size, where);
        Assert.AreEqual(Hex(print, "ino"), theirs.Ino, where);
        Assert.AreEqual(Hex(print, "fields"), theirs.Fields, where);
        Assert.AreEqual(Decimal(print, "dsize"), theirs.Dsize, where);
        Assert.AreEqual(Decimal(print, "blkno"), (ulong)theirs.Blkno, where);
        Assert.AreEqual(Decimal(print, "len"), (ulong)theirs.Len, where);
        Assert.AreEqual(Decimal(print, "boff"), (ulong)theirs.Boffset, where);
        InodeFormat ours = InodeFormat.Read(Single(item, region), geometry);
        Assert.AreEqual((ours.Fields, ours.Number.Value, ours.Device, ours.Address, ours.Blocks, ours.InCluster),
            (theirs.Fields, theirs.Ino, theirs.Dev, (ulong)theirs.Blkno, (uint)theirs.Len, (uint)theirs.Boffset), where);
        return 1;
    }

    private static int CompareCore(Match print, byte[] region, string where)
    {
        Xfs.DinodeCore theirs = Read(new Xfs.DinodeCore(true, new KaitaiStream(region)), c => c._read());
        // Before the swap the flags are little-endian.
        ulong flags2 = BinaryPrimitives.ReadUInt64LittleEndian(region.AsSpan(120));
        byte[] disk = new byte[InodeCore.Size];
        LogInodeCore.Swap(region, disk, ((InodeFlags2)flags2).HasFlag(InodeFlags2.BigTime), ((InodeFlags2)flags2).HasFlag(InodeFlags2.LargeExtentCounters));
        InodeCore ours = InodeCore.At((ReadOnlySpan<byte>)disk);
        (string Name, ulong Printed, ulong Theirs, ulong Ours)[] fields =
        [
            ("magic", Hex(print, "magic"), (ulong)theirs.Magic, ours.Magic), ("mode", Convert.ToUInt64(print.Groups["mode"].Value, 8), theirs.Mode, ours.Mode),
            ("version", Decimal(print, "version"), theirs.Version, ours.Version), ("format", Decimal(print, "format"), (ulong)theirs.Format, ours.DataFormat),
            ("nlink", Decimal(print, "nlink"), theirs.Nlink, ours.LinkCount), ("uid", Decimal(print, "uid"), theirs.Uid, ours.Uid), ("gid", Decimal(print, "gid"), theirs.Gid, ours.Gid),
            ("size", Hex(print, "size"), theirs.Size, ours.FileSize), ("nblocks", Hex(print, "nblocks"), theirs.Nblocks, ours.BlockCount),
            ("nextents", Hex(print, "nextents"), theirs.Nextents, ours.ExtentCount), ("anextents", Hex(print, "naextents"), theirs.Anextents, ours.AttrExtentCount),
            ("forkoff", Decimal(print, "forkoff"), theirs.Forkoff, ours.ForkOffset), ("gen", Hex(print, "gen"), theirs.Gen, ours.Generation),
            ("flags", Hex(print, "flags"), theirs.Flags, ours.RawFlags), ("flags2", Hex(print, "flags2"), theirs.Flags2, ours.RawFlags2),
        ];
        foreach ((string field, ulong printed, ulong their, ulong our) in fields) Assert.AreEqual((printed, printed), (their, our), $"{where}: {field}");
        Assert.AreEqual(unchecked((ulong)Timestamp.Decode(ours.ModifyTime, ours.Has(InodeFlags2.BigTime)).Seconds), unchecked((ulong)theirs.MtimeSec), where);
        return 1;
    }

    private static int CompareCreate(Match print, byte[] region, string where)
    {
        Xfs.LogIcreate theirs = (Xfs.LogIcreate)Read(new Xfs.LogItem(new KaitaiStream(region)), i => i._read()).Format;
        Assert.AreEqual((Decimal(print, "ag"), Hex(print, "agbno"), Decimal(print, "len"), Decimal(print, "cnt"), Decimal(print, "isize"), Hex(print, "gen")),
            ((ulong)theirs.Ag, (ulong)theirs.Agbno, (ulong)theirs.Length, (ulong)theirs.Count, (ulong)theirs.Isize, (ulong)theirs.Gen), where);
        return 1;
    }

    private static int CompareIntent(Match print, byte[] region, string where)
    {
        Xfs.LogItem item = Read(new Xfs.LogItem(new KaitaiStream(region)), i => i._read());
        (ulong id, ulong count) = item.Format switch
        {
            Xfs.LogEfi efi => (efi.Id, efi.Nextents),
            Xfs.LogRui rui => (rui.Id, rui.Nextents),
            Xfs.LogCui cui => (cui.Id, cui.Nextents),
            Xfs.LogBui bui => (bui.Id, bui.Nextents),
            Xfs.LogDone done => (done.Id, ulong.MaxValue),
            _ => throw new AssertFailedException($"{where}: xfs_logprint says {print.Value}, xfs.ksy {item.Type}"),
        };
        Assert.AreEqual(print.Groups["kind"].Value.ToUpperInvariant(), item.Type.ToString().ToUpperInvariant(), where);
        Assert.AreEqual(Hex(print, "id"), id, where);
        if (count != ulong.MaxValue && print.Groups["count"].Success) Assert.AreEqual(Decimal(print, "count"), count, where);
        return 1;
    }

    private static LogItem Single(Xfs.LogItem item, byte[] region)
    {
        LogItem ours = new((LogItemType)(ushort)item.Type, item.Size);
        ours.Add(region);
        return ours;
    }

    private static T Read<T>(T structure, Action<T> read)
    {
        read(structure);
        return structure;
    }

    private static ulong Decimal(Match match, string group) => ulong.Parse(match.Groups[group].Value, CultureInfo.InvariantCulture);
    private static ulong Hex(Match match, string group) => Convert.ToUInt64(match.Groups[group].Value, 16);

    private static Dictionary<uint, PrintedRecord> Parse(string text)
    {
        Dictionary<uint, PrintedRecord> records = [];
        foreach (Match head in RecordHead().Matches(text))
        {
            int end = head.NextMatch() is { Success: true } next ? next.Index : text.Length;
            string body = text[(head.Index + head.Length)..end];
            List<PrintedOperation> operations = [];
            foreach (Match operation in OperationHead().Matches(body))
            {
                int stop = operation.NextMatch() is { Success: true } after ? after.Index : body.Length;
                operations.Add(new((uint)Hex(operation, "tid"), (uint)Decimal(operation, "len"), operation.Groups["client"].Value, operation.Groups["flags"].Value.Split(' ', StringSplitOptions.RemoveEmptyEntries), body[(operation.Index + operation.Length)..stop]));
            }
            // The tool stops before a record that it cannot follow.
            if (operations.Count == (int)Decimal(head, "ops")) records[(uint)Decimal(head, "lb")] = new(head, operations);
        }
        return records;
    }

    [GeneratedRegex(@"cycle: (?<cycle>\d+)\s+version: (?<version>\d+)\s+lsn: (?<lc>\d+),(?<lb>\d+)\s+tail_lsn: (?<tc>\d+),(?<tb>\d+)\s+length of Log Record: (?<len>\d+)\s+prev offset: (?<prev>-?\d+)\s+num ops: (?<ops>\d+)\s+uuid: (?<uuid>\S+)\s+format: [^\n]*\n(?:h_size: (?<size>\d+))")]
    private static partial Regex RecordHead();

    [GeneratedRegex(@"Oper \(\d+\): tid: (?<tid>[0-9a-f]+)  len: (?<len>\d+)  clientid: (?<client>\S+)  flags: (?<flags>[A-Z_ ]*|none)\s*\n")]
    private static partial Regex OperationHead();

    [GeneratedRegex(@"^TRAN:\s+tid: (?<tid>[0-9a-f]+)  num_items: (?<items>\d+)")]
    private static partial Regex TransactionHead();

    [GeneratedRegex(@"^BUF:  #regs: (?<regs>\d+)   start blkno: (?<blkno>\d+) \(0x[0-9a-f]+\)  len: (?<len>\d+)  bmap size: (?<map>\d+)  flags: 0x(?<flags>[0-9a-f]+)")]
    private static partial Regex BufferItem();

    [GeneratedRegex(@"^INODE: #regs: (?<regs>\d+)   ino: 0x(?<ino>[0-9a-f]+)  flags: 0x(?<fields>[0-9a-f]+)   dsize: (?<dsize>\d+)\s+blkno: (?<blkno>\d+)  len: (?<len>\d+)  boff: (?<boff>\d+)")]
    private static partial Regex InodeItem();

    [GeneratedRegex(@"^INODE CORE\s+magic 0x(?<magic>[0-9a-f]+) mode 0?(?<mode>[0-7]+) version (?<version>\d+) format (?<format>\d+)\s+nlink (?<nlink>\d+) uid (?<uid>\d+) gid (?<gid>\d+)\s+atime \S+ mtime \S+ ctime \S+\s+size 0x(?<size>[0-9a-f]+) nblocks 0x(?<nblocks>[0-9a-f]+) extsize \S+ nextents 0x(?<nextents>[0-9a-f]+)\s+naextents 0x(?<naextents>[0-9a-f]+) forkoff (?<forkoff>\d+) dmevmask \S+ dmstate \S+\s+flags 0x(?<flags>[0-9a-f]+) gen 0x(?<gen>[0-9a-f]+)\s+flags2 0x(?<flags2>[0-9a-f]+)")]
    private static partial Regex CoreItem();

    [GeneratedRegex(@"^ICR:  #ag: (?<ag>\d+)  agbno: 0x(?<agbno>[0-9a-f]+)  len: (?<len>\d+)\s+cnt: (?<cnt>\d+)  isize: (?<isize>\d+)    gen: 0x(?<gen>[0-9a-f]+)")]
    private static partial Regex CreateItem();

    [GeneratedRegex(@"^(?<kind>EFI|EFD|RUI|RUD|CUI|CUD|BUI|BUD):\s+#regs: \d+\s+(?:num_extents: (?<count>\d+)\s+)?id: 0x(?<id>[0-9a-f]+)")]
    private static partial Regex IntentItem();
}
