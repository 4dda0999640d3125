using System.Text.RegularExpressions;
using ImageFs.Devices;
using ImageFs.Format;
using ImageFs.Mkfs;
using MkfsTool = ImageFs.Mkfs.Mkfs;

namespace ImageFs.Tests.Mkfs;

[TestClass]
public sealed class OptionTests
{
    [TestMethod]
    [DataRow("12345", 12345L)]
    [DataRow("0x10", 16L)]
    [DataRow("0x1b", 27L)]
    [DataRow("010", 8L)]
    [DataRow("3k", 3L << 10)]
    [DataRow("3M", 3L << 20)]
    [DataRow("2g", 2L << 30)]
    [DataRow("2t", 2L << 40)]
    [DataRow("2p", 2L << 50)]
    [DataRow("7e", 7L << 60)]
    [DataRow("100b", 100L * 4096)]
    [DataRow("100s", 100L * 512)]
    public void ASizeMayHaveOneSuffix(string text, long bytes)
    {
        Assert.IsTrue(MkfsSize.TryParse(text, out MkfsSize size));
        Assert.IsTrue(size.TryToBytes(4096, 512, out long found));
        Assert.AreEqual(bytes, found);
    }

    [TestMethod]
    [DataRow("")]
    [DataRow("k")]
    [DataRow("-1")]
    [DataRow("1kk")]
    [DataRow("1.5g")]
    [DataRow("9e")]
    [DataRow("08")]
    [DataRow("0x")]
    [DataRow("99999999999999999999")]
    [DataRow("1 g")]
    public void WhatIsNoSizeIsRefused(string text) => Assert.IsFalse(MkfsSize.TryParse(text, out _), text);

    [TestMethod]
    public void ASizeInBlocksThatOverflowsIsNoNumberOfBytes() =>
        Assert.IsFalse(new MkfsSize(1L << 60, MkfsSizeUnit.Blocks).TryToBytes(4096, 512, out _));

    [TestMethod]
    [DataRow("-x", "no option -x")]
    [DataRow("--foo", "no option --foo")]
    [DataRow("-d", "-d needs a value")]
    [DataRow("-d foo=1", "-d has no option 'foo'; it knows agcount, agsize")]
    [DataRow("-d agcount", "-d agcount needs a value")]
    [DataRow("-d agcount=4,agsize=1g", "-d agcount and -d agsize cannot both be given")]
    [DataRow("-d agsize=1g -d agcount=4", "-d agsize and -d agcount cannot both be given")]
    [DataRow("-d su=64k,sunit=8", "-d su and -d sunit cannot both be given")]
    [DataRow("-l sectsize=512,internal=1", "-l sectsize and -l internal cannot both be given")]
    [DataRow("-b size=4096 -b size=4096", "-b size is given twice")]
    [DataRow("-b size=1b", "the suffixes b and s mean nothing here")]
    [DataRow("-i size=1k", "-i size=1k: expected a whole number without suffix")]
    [DataRow("-d size=1x", "-d size=1x: expected a number with at most one suffix")]
    [DataRow("-m finobt=2", "expected 0 or 1")]
    [DataRow("-m crc=0", "version 4")]
    [DataRow("-m uuid=hello", "expected a UUID")]
    [DataRow("-n parent=2", "-n parent=2: expected 0 or 1")]
    [DataRow("-m metadir=1", "metadata directories (metadir=1) are not supported yet")]
    [DataRow("-n version=ci", "names that ignore case are not supported")]
    [DataRow("-n ftype=0", "directory entries always carry the file type")]
    [DataRow("-l logdev=/dev/sdb", "external journals are not supported")]
    [DataRow("-r rtdev=/dev/sdb", "realtime devices are not supported")]
    [DataRow("-p proto", "-p (prototype file) is not supported")]
    [DataRow("-c options=x", "-c (options from a file) is not supported")]
    [DataRow("a.img b.img", "both 'a.img' and 'b.img'")]
    [DataRow("-d file,size=1g", "-d file needs the name")]
    public void AWrongArgumentIsNamed(string arguments, string part)
    {
        MkfsOptionException e = Assert.ThrowsExactly<MkfsOptionException>(() => MkfsOptions.Parse(arguments.Split(' ')));
        StringAssert.Contains(e.Message, part);
        StringAssert.EndsWith(e.Message, ".");
    }

    [TestMethod]
    [DataRow("-b size=512", "block size (-b size) 512 is not possible")]
    [DataRow("-b size=3000", "power of two from 1024 to 65536")]
    [DataRow("-s size=8192", "sector size 8192 (-s size) is larger than the block size 4096")]
    [DataRow("-i size=256", "with blocks of 4096 bytes it may be 512 to 2048")]
    [DataRow("-b size=1024 -i size=1024", "with blocks of 1024 bytes only 512 is")]
    [DataRow("-d size=15m", "the smallest file system has 16 MiB")]
    [DataRow("-d agcount=1000", "Groups of 263 blocks are too small; they need at least 4096 (16 MiB), so there can be at most 64")]
    [DataRow("-d agsize=2g", "larger than the data area")]
    [DataRow("-d agsize=1025g", "it may be 16 MiB to 1 TiB")]
    [DataRow("-d su=64k", "A stripe needs its unit and its width")]
    [DataRow("-d su=6000,sw=2", "not a multiple of the sector size")]
    [DataRow("-d su=1024,sw=2", "not a multiple of the block size 4096")]
    [DataRow("-d sunit=16,swidth=24", "not a multiple of the stripe unit")]
    [DataRow("-d su=1g,sw=2", "below 2 GiB")]
    [DataRow("-l size=2m", "too small; it must be at least")]
    [DataRow("-l size=3g", "it may be 2 MiB to 2038 MiB")]
    [DataRow("-l size=400m", "a group has room for 65524")]
    [DataRow("-l agnum=4", "the groups are 0 to 3")]
    [DataRow("-l su=1k", "not a multiple of the block size")]
    [DataRow("-l su=1m", "it may be 512 bytes to 256 KiB")]
    [DataRow("-l size=65m,su=12k", "not a multiple of the stripe unit of 3 blocks")]
    [DataRow("-n size=1k", "power of two from 4096 to 65536")]
    [DataRow("-b size=16k -n size=8k", "smaller than the block size")]
    [DataRow("-i maxpct=101", "it may be 0 to 100")]
    [DataRow("-m finobt=0,inobtcount=1", "needs the free inode btree")]
    [DataRow("-m reflink=0 -d cowextsize=8", "needs shared blocks")]
    [DataRow("-L thirteen_bytes", "there is room for 12")]
    [DataRow("-m uuid=00000000-0000-0000-0000-000000000000", "must not be all zero")]
    [DataRow("-r extsize=6000", "not a multiple of the block size")]
    public void WhatCannotBeMadeIsExplained(string arguments, string part)
    {
        MkfsOptions options = MkfsOptions.Parse(arguments.Split(' '));
        if (options.Size is null) options = options with { Size = 1 << 30 };
        MkfsOptionException e = Assert.ThrowsExactly<MkfsOptionException>(() => MkfsTool.Plan(options));
        StringAssert.Contains(e.Message, part);
        StringAssert.EndsWith(e.Message, ".");
    }

    [TestMethod]
    public void LettersMayBeJoinedAndTheImageMayStandAnywhere()
    {
        MkfsOptions options = MkfsOptions.Parse("-fqKN", "-bsize=1k", "x.img", "-Lhome", "-d", "size=20g,agcount=7");
        Assert.AreEqual(new MkfsOptions
        {
            Force = true, Quiet = true, KeepBlocks = true, DryRun = true, BlockSize = 1024, ImagePath = "x.img", Label = "home",
            Size = 20L << 30, AgCount = 7,
        }, options);
        Assert.AreEqual("-K", MkfsOptions.Parse("--", "-K").ImagePath);
    }

    [TestMethod]
    public void TheLongOptionsAreThoseOfAnImageTool()
    {
        MkfsOptions options = MkfsOptions.Parse("--size", "1g", "--uuid=11111111-2222-3333-4444-555555555555", "--unsupported", "x.img");
        Assert.AreEqual(new MkfsOptions
        {
            CreateImage = true, Size = 1L << 30, Uuid = Guid.Parse("11111111-2222-3333-4444-555555555555"), ImagePath = "x.img",
        }, options);
    }

    [TestMethod]
    public void WithoutOptionsTheWholeDeviceIsUsed()
    {
        MkfsPlan plan = MkfsTool.Plan(new MkfsOptions(), (1L << 30) + 5000);
        Assert.AreEqual((1L << 30) / 4096 + 1, plan.DataBlocks);
        Assert.AreEqual(128UL, plan.RootChunkBlock * (ulong)plan.InodesPerBlock);
        Assert.IsTrue(plan is { Reflink: true, ReverseMapBtree: true, LargeExtentCounters: true, BigTime: true, SparseInodes: true });
    }

    /// <summary>Off, because tools before 6.10 refuse images that have them; shown as later ones do.</summary>
    [TestMethod]
    [DataRow("", false, false)]
    [DataRow("-n parent=1", true, true)]
    [DataRow("-n parent -i exchange=0", true, false)]
    [DataRow("-i exchange", false, true)]
    public void ParentPointersBringExchangeUnlessToldOtherwise(string options, bool parent, bool exchange)
    {
        MkfsPlan plan = MkfsTool.Plan(MkfsOptions.Parse(options.Split(' ', StringSplitOptions.RemoveEmptyEntries)), 1L << 30);
        Assert.AreEqual((parent, exchange), (plan.ParentPointers, plan.ExchangeRange));
        string shown = plan.Describe("x.img"), no = options.Length == 0 ? "" : "0";
        Assert.AreEqual(parent ? "1" : no, Regex.Match(shown, "ftype=1(, parent=(\\d))?\n").Groups[2].Value);
        Assert.AreEqual(exchange ? "1" : no, Regex.Match(shown, "\n         =                       (exchange=(\\d)   metadir=0\n)?data ").Groups[2].Value);
    }

    [TestMethod]
    public void WithASourceDateTwoRunsWriteTheSameBytes()
    {
        MkfsOptions options = new() { Size = 100 << 20, Label = "same", SourceDate = DateTimeOffset.FromUnixTimeSeconds(1_700_000_000) };
        byte[] first = Bytes(options), second = Bytes(options);
        Assert.IsTrue(first.AsSpan().SequenceEqual(second));
        Assert.IsFalse(first.AsSpan().SequenceEqual(Bytes(options with { SourceDate = options.SourceDate!.Value.AddSeconds(1) })), "the date does not matter");
        Assert.IsFalse(Bytes(options with { SourceDate = null }).AsSpan().SequenceEqual(Bytes(options with { SourceDate = null })), "two UUIDs are equal");
    }

    private static byte[] Bytes(MkfsOptions options)
    {
        using MemoryDevice device = new(100 << 20);
        MkfsTool.Format(device, options);
        byte[] bytes = new byte[device.Length];
        device.Read(0, bytes);
        return bytes;
    }

    [TestMethod]
    public void WhatIsThereIsNotOverwrittenWithoutForce()
    {
        using MemoryDevice device = new(64 << 20);
        MkfsTool.Format(device, new MkfsOptions { AgCount = 4 });
        XfsException e = Assert.ThrowsExactly<XfsException>(() => MkfsTool.Format(device));
        Assert.AreEqual(Errno.EEXIST, e.Errno);
        StringAssert.Contains(e.Message, "an XFS file system");
        MkfsTool.Format(device, new MkfsOptions { Force = true, AgCount = 1, LogSize = 20 << 20 });
        byte[] oldCopy = new byte[512];
        device.Read(16 << 20, oldCopy);
        Assert.IsFalse(oldCopy.AsSpan().ContainsAnyExcept((byte)0), "the copy of the old superblock is still there");
    }

    [TestMethod]
    [DataRow(1080, new byte[] { 0x53, 0xEF }, "ext4")]
    [DataRow(65600, new byte[] { 0x5F, 0x42, 0x48, 0x52, 0x66, 0x53, 0x5F, 0x4D }, "btrfs")]
    [DataRow(512, new byte[] { 0x45, 0x46, 0x49, 0x20, 0x50, 0x41, 0x52, 0x54 }, "GPT")]
    [DataRow((64 << 20) - 512, new byte[] { 0x45, 0x46, 0x49, 0x20, 0x50, 0x41, 0x52, 0x54 }, "backup of a partition table")]
    [DataRow(446, new byte[] { 0x80, 0, 2, 0, 0x83, 0, 0, 0, 0, 8, 0, 0, 0, 0, 1, 0 }, "MBR")]
    [DataRow(0, new byte[] { 0x51, 0x46, 0x49, 0xFB }, "QCOW")]
    [DataRow((64 << 20) - 65536, new byte[] { 0xFC, 0x4E, 0x2B, 0xA9 }, "RAID")]
    public void OtherOwnersAreRecognised(int offset, byte[] magic, string name)
    {
        using MemoryDevice device = new(64 << 20);
        Assert.IsNull(Signatures.Find(device));
        device.Write(offset, magic);
        if (name == "MBR") device.Write(510, [0x55, 0xAA]);
        StringAssert.Contains(Signatures.Find(device), name);
        Assert.ThrowsExactly<XfsException>(() => MkfsTool.Format(device));
        MkfsTool.Format(device, new MkfsOptions { Force = true });
        Assert.AreEqual("an XFS file system", Signatures.Find(device));
    }

    [TestMethod]
    public void OldBytesEverywhereDoNotShowThrough()
    {
        MkfsOptions options = new() { SourceDate = DateTimeOffset.UnixEpoch, Force = true, BlockSize = 16384 };
        using MemoryDevice clean = new(256 << 20), dirty = new(256 << 20);
        byte[] old = new byte[1 << 20];
        Array.Fill(old, (byte)0xA5);
        for (long at = 0; at < dirty.Length; at += old.Length) dirty.Write(at, old);
        MkfsPlan plan = MkfsTool.Format(clean, options);
        MkfsTool.Format(dirty, options);
        // Headers, roots and the root chunk of group 0; the log; the last blocks. The rest is free and may keep what it had.
        long log = ((long)plan.LogAg * plan.AgBlocks + plan.LogAgBlock) * plan.BlockSize;
        long chunk = (long)plan.RootChunkBlock * plan.BlockSize;
        foreach ((long start, long end) in ((long, long)[])[(0, plan.FirstFreeBlock * plan.BlockSize), (chunk, chunk + 64 * 512),
            (log, log + plan.LogBlocks * plan.BlockSize), (clean.Length - (128 << 10), clean.Length)])
        {
            byte[] a = new byte[end - start], b = new byte[end - start];
            clean.Read(start, a);
            dirty.Read(start, b);
            Assert.IsTrue(a.AsSpan().SequenceEqual(b), $"bytes {start} to {end}");
        }
    }

    [TestMethod]
    public void EveryBlockPassesTheVerifiers()
    {
        foreach (string arguments in (string[])["-bsize=4096", "-bsize=1024", "-bsize=65536", "-ssize=4096 -mreflink=0"])
        {
            using MemoryDevice device = new(512 << 20);
            MkfsPlan plan = MkfsTool.Format(device, MkfsOptions.Parse(arguments.Split(' ')));
            byte[] sector = new byte[plan.SectorSize], block = new byte[plan.BlockSize];
            device.Read(0, sector);
            Geometry geometry = new(Superblock.At(sector.AsSpan()));
            for (uint ag = 0; ag < plan.AgCount; ag++)
            {
                BlockKind[] headers = [BlockKind.Superblock, BlockKind.Agf, BlockKind.Agi, BlockKind.Agfl];
                for (int i = 0; i < 4; i++)
                {
                    long at = geometry.HeaderOffset(new AgNumber(ag), i);
                    device.Read(at, sector);
                    Assert.AreEqual(null, BlockVerifier.Verify(headers[i], sector, geometry, at), $"{headers[i]} {ag} of {arguments}");
                }
                BlockKind[] roots =
                [
                    BlockKind.Bnobt, BlockKind.Cntbt, BlockKind.Inobt, BlockKind.Finobt, BlockKind.Rmapbt,
                    .. plan.Reflink ? [BlockKind.Refcountbt] : Array.Empty<BlockKind>(),
                ];
                for (uint i = 0; i < roots.Length; i++)
                {
                    long at = geometry.ByteOffset(new AgNumber(ag), new AgBlock(plan.HeaderBlocks + i));
                    device.Read(at, block);
                    Assert.AreEqual(null, BlockVerifier.Verify(roots[i], block, geometry, at), $"{roots[i]} {ag} of {arguments}");
                }
            }
            byte[] cluster = new byte[geometry.InodeClusterBytes];
            device.Read(geometry.ByteOffset(new AgNumber(0), new AgBlock(plan.RootChunkBlock)), cluster);
            Assert.AreEqual(null, BlockVerifier.Verify(BlockKind.InodeCluster, cluster, geometry, 0), $"root cluster of {arguments}");
        }
    }

    [TestMethod]
    public void APetabyteTakesNoTime()
    {
        using MemoryDevice device = new(1L << 50);
        var clock = System.Diagnostics.Stopwatch.StartNew();
        MkfsPlan plan = MkfsTool.Format(device);
        Assert.AreEqual(1024u, plan.AgCount);
        Assert.IsLessThan(5000, clock.ElapsedMilliseconds);
    }
}
