using System.Buffers;
using System.Globalization;
using ImageFs.Dax;
using ImageFs.Devices;
using ImageFs.Tests.Fixtures;
using static ImageFs.Tests.Fixtures.World;

namespace ImageFs.Tests.Dax;

/// <summary>Files as contiguous memory. Scenario numbers stand in the names.</summary>
[TestClass]
public sealed class DaxViewTests
{
    /// <summary>A file of 14 pieces of three blocks, of which two are holes and no two lie next to each other.</summary>
    private static void Scatter(World w)
    {
        w.Write("/source", 0, [.. Enumerable.Range(0, 28 * 3).SelectMany(i => Repeat((byte)(i + 1), B))]);
        using XfsFile source = w.Fs.OpenFile("/source"), a = w.Fs.CreateFile("/a");
        a.SetLength(14 * 3 * B);
        for (int piece = 0; piece < 14; piece++)
            if (piece is not (4 or 9)) a.CloneRange(source, (27 - 2 * piece) * 3 * B, piece * 3 * B, 3 * B);
    }

    private static int Mappings(DaxView view)
    {
        long start = view.Address, end = start + view.Length;
        return File.ReadLines("/proc/self/maps").Count(line =>
        {
            string[] range = line.Split(' ')[0].Split('-');
            return long.Parse(range[0], NumberStyles.HexNumber, CultureInfo.InvariantCulture) < end && long.Parse(range[1], NumberStyles.HexNumber, CultureInfo.InvariantCulture) > start;
        });
    }

    [TestMethod]
    public void S26_AFragmentedFileIsOneSpanOfAsManyMappingsAsItHasPieces()
    {
        using World w = OnFile();
        Scatter(w);
        using XfsFile a = w.Fs.OpenFile("/a");
        using DaxView view = a.OpenView();
        Assert.IsTrue(view.Span.SequenceEqual(a.ReadAll()));
        IsAll(0, view.GetSpan(4 * 3 * B, 3 * B));
        Assert.AreEqual(14, view.Pieces);
        Assert.IsTrue(Mappings(view) <= 14, $"{Mappings(view)} mappings");
        Assert.AreEqual(view.Length, view.Sequence.Length);
        Assert.IsTrue(view.Sequence.ToArray().AsSpan().SequenceEqual(view.Span));
        using DaxView part = a.OpenView(5 * B + 17, 20 * B);
        Assert.IsTrue(part.Span.SequenceEqual(view.GetSpan(5 * B + 17, 20 * B)), "a view may begin anywhere");
    }

    [TestMethod]
    public void S27_AWriteShowsInSpansHandedOutBeforeAndInNoOtherFile()
    {
        using World w = OnFile().Cloned();
        using XfsFile a = w.Fs.OpenFile("/a"), b = w.Fs.OpenFile("/b", write: true);
        using DaxView one = b.OpenView(), two = b.OpenView(2 * B, 4 * B), other = a.OpenView();
        ReadOnlySpan<byte> inOne = one.GetSpan(2 * B, B), inTwo = two.GetSpan(0, B), inOther = other.GetSpan(2 * B, B);
        b.Write(2 * B + 5, "new"u8);
        Assert.IsTrue(inOne[5..8].SequenceEqual("new"u8));
        Assert.IsTrue(inTwo[5..8].SequenceEqual("new"u8));
        IsAll((byte)'a', inOne[8..]);
        IsAll((byte)'a', inOther);
        w.Fs.Flush();
        w.Fill("/later", 100, (byte)'l'); // takes whatever has become free
        IsAll((byte)'a', inOther);
        Assert.IsTrue(one.Span.SequenceEqual(b.ReadAll()));
    }

    [TestMethod]
    public void S33_AClonedBlockShowsAtOnceAndTheOneBesideItStays()
    {
        using World w = OnFile();
        w.Fill("/x", 2, (byte)'x');
        w.Fill("/d", 2, (byte)'d');
        using XfsFile x = w.Fs.OpenFile("/x", write: true), d = w.Fs.OpenFile("/d");
        using DaxView view = x.OpenView();
        ReadOnlySpan<byte> span = view.Span;
        x.CloneRange(d, 0, 0, B);
        IsAll((byte)'d', span[..B]);
        IsAll((byte)'x', span[B..]);
    }

    [TestMethod]
    public void AViewFollowsTheFilesEnd()
    {
        using World w = OnFile();
        w.Fill("/a", 4, (byte)'a');
        using XfsFile a = w.Fs.OpenFile("/a", write: true);
        using DaxView view = a.OpenView(0, 100 * B);
        Assert.AreEqual(4 * B, view.Available);
        a.Write(6 * B, Repeat((byte)'z', B));
        Assert.AreEqual(7 * B, view.Available);
        IsAll(0, view.GetSpan(4 * B, 2 * B));
        IsAll((byte)'z', view.GetSpan(6 * B, B));
        a.SetLength(B + 10);
        Assert.AreEqual(B + 10, view.Available);
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => view.GetSpan(B, 11));
        a.SetLength(3 * B);
        IsAll((byte)'a', view.GetSpan(0, B + 10));
        IsAll(0, view.GetSpan(B + 10, 2 * B - 10));
    }

    [TestMethod]
    public void UnwrittenBlocksShowZerosAndNeverWhatTheDiskHeld()
    {
        using World w = OnFile();
        w.Fill("/a", 8, 0xEE);
        WriteLeaseTests.MarkUnwritten(w, "/a");
        using XfsFile a = w.Fs.OpenFile("/a", write: true);
        using DaxView view = a.OpenView();
        IsAll(0, view.Span);
        a.Write(3 * B + 7, [1]);
        Assert.AreEqual(1, view.Span[3 * B + 7]);
        Assert.AreEqual(1, view.Span.ToArray().Count(b => b != 0));
    }

    [TestMethod]
    public void AViewOfMoreThanASpanHoldsIsASequence()
    {
        using World w = OnFile();
        const long far = 5L << 30;
        using XfsFile a = w.Fs.CreateFile("/a");
        a.Write(0, "begin"u8);
        a.Write(far, "end"u8);
        using DaxView view = a.OpenView();
        Assert.AreEqual(3, view.Pieces);
        Assert.ThrowsExactly<InvalidOperationException>(() => view.Span.Length);
        Assert.AreEqual(far + 3, view.Sequence.Length);
        Assert.IsTrue(view.Sequence.Slice(far).ToArray().AsSpan().SequenceEqual("end"u8));
        IsAll(0, view.GetSpan(4L << 30, 1 << 20));
        using WriteLease lease = view.AcquireWritable(far - 2, 3);
        lease.Span[0] = 7;
        Assert.AreEqual(7, view.GetSpan(far - 2, 1)[0]);
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => view.GetSpan(far, 4));
    }

    [TestMethod]
    public void ReadersOfAViewSeeOldBytesOrNewOnesWhileItsPagesAreReplaced()
    {
        Console.WriteLine(TestSettings.Replay(nameof(ReadersOfAViewSeeOldBytesOrNewOnesWhileItsPagesAreReplaced), TestSettings.Seed));
        using World w = OnFile();
        w.Fill("/one", 16, (byte)'1');
        w.Fill("/two", 16, (byte)'2');
        w.Fill("/a", 16, (byte)'1');
        using XfsFile a = w.Fs.OpenFile("/a", write: true), one = w.Fs.OpenFile("/one"), two = w.Fs.OpenFile("/two");
        using DaxView view = a.OpenView();
        bool done = false;
        Task<long>[] readers = [.. Enumerable.Range(0, 3).Select(_ => Task.Factory.StartNew(() =>
        {
            long rounds = 0;
            for (; !Volatile.Read(ref done); rounds++)
            {
                int at = view.Span.IndexOfAnyExcept((byte)'1', (byte)'2');
                Assert.AreEqual(-1, at);
            }
            return rounds;
        }, TaskCreationOptions.LongRunning))];
        Random random = new(TestSettings.Seed);
        try
        {
            for (int i = 0; i < 500 * TestSettings.Sweep; i++)
            {
                long at = random.Next(16) * (long)B;
                switch (random.Next(3))
                {
                    case 0:
                        a.CloneRange(one, at, at, B);
                        break;
                    case 1:
                        a.CloneRange(two, at, at, B);
                        break;
                    default:
                        a.Write(at, Repeat((byte)'2', B));
                        break;
                }
                if (i % 50 == 0) w.Fs.Flush();
            }
        }
        finally
        {
            Volatile.Write(ref done, true);
        }
        Task.WaitAll(readers);
        Assert.IsTrue(readers.Sum(r => r.Result) > 10);
        Assert.IsTrue(view.Span.SequenceEqual(a.ReadAll()));
        Assert.IsTrue(view.Pieces <= 2 * 16 + 100, $"{view.Pieces} pieces are counted");
    }

    [TestMethod]
    public void S39_WhatCannotBeMappedIsRefusedWithWhatToUseInstead()
    {
        using (World w = OnFile("-b", "size=1024"))
        {
            w.Fill("/a", 4, (byte)'a');
            using XfsFile a = w.Fs.OpenFile("/a", write: true);
            StringAssert.Contains(Assert.ThrowsExactly<NotSupportedException>(() => a.OpenView()).Message, "XfsFile.Read");
            a.Write(10, [1]);
            Assert.AreEqual(1, w.Read("/a", 10, 1)[0]);
        }
        using TempImage image = TempImage.Empty((64 << 20) + 512);
        using ShiftedDevice shifted = new(FileDevice.Open(image.Path, DeviceAccess.Write), 512);
        ImageFs.Mkfs.Mkfs.Format(shifted);
        using FileSystem fs = FileSystem.Open(shifted, new OpenOptions { Write = true, DirectAccess = DirectAccess.Always });
        using XfsFile file = fs.CreateFile("/a");
        file.Write(0, "text"u8);
        StringAssert.Contains(Assert.ThrowsExactly<NotSupportedException>(() => file.OpenView()).Message, "byte 512");
        Assert.AreEqual("text", System.Text.Encoding.ASCII.GetString(file.ReadAll()));
    }

    [TestMethod]
    public void DirectAccessIsForWhoAsksForIt()
    {
        using (World w = OnFile(DirectAccess.Never))
        {
            w.Fill("/a", 1, (byte)'a');
            using XfsFile a = w.Fs.OpenFile("/a");
            StringAssert.Contains(Assert.ThrowsExactly<NotSupportedException>(() => a.OpenView()).Message, nameof(OpenOptions));
        }
        using World each = OnFile(DirectAccess.PerInode);
        each.Fill("/a", 1, (byte)'a');
        using (XfsFile before = each.Fs.OpenFile("/a"))
        {
            Assert.ThrowsExactly<NotSupportedException>(() => before.OpenView());
            each.Fs.SetFlags("/a", dax: true);
            Assert.ThrowsExactly<NotSupportedException>(() => before.OpenView(), "the flag waits for the file to be opened anew");
        }
        using XfsFile after = each.Fs.OpenFile("/a");
        using DaxView view = after.OpenView();
        IsAll((byte)'a', view.Span);
        using World memory = new(64);
        memory.Fill("/a", 1, 1);
        using XfsFile inMemory = memory.Fs.OpenFile("/a");
        Assert.ThrowsExactly<NotSupportedException>(() => inMemory.OpenView());
    }

    [TestMethod]
    public void S40_ASpanThatOutlivesItsViewMeetsAFaultAndNoForeignBytes()
    {
        using TempImage image = TempImage.Empty(300L << 20);
        ShellResult child = Child.Run(nameof(TouchAfterDispose), image.Path);
        StringAssert.Contains(child.Output, "disposed");
        Assert.IsFalse(child.Output.Contains("alive", StringComparison.Ordinal), child.Text);
        Assert.IsTrue(child.ExitCode is 134 or 139, $"exit code {child.ExitCode}: {child.Text}");
    }

    /// <summary>The part of S40 nobody survives.</summary>
    internal static int TouchAfterDispose(string image)
    {
        ImageFs.Mkfs.Mkfs.FormatFile(image, new());
        using FileSystem fs = FileSystem.Open(image, new OpenOptions { Write = true, DirectAccess = DirectAccess.Always });
        using XfsFile file = fs.CreateFile("/a");
        file.Write(0, Repeat((byte)'a', 4 * B));
        DaxView view = file.OpenView();
        ReadOnlySpan<byte> span = view.Span;
        if (span[B] != 'a') return 1;
        view.Dispose();
        for (int i = 0; i < 100; i++) file.OpenView().Dispose(); // nobody else gets the addresses
        Console.WriteLine("disposed");
        Console.Out.Flush();
        Console.WriteLine($"alive and reading {span[B]}");
        return 0;
    }

    [TestMethod]
    public void MemoryOfADisposedViewThrowsAndPinningKeepsItsAddresses()
    {
        using World w = OnFile();
        w.Fill("/a", 4, (byte)'a');
        using XfsFile a = w.Fs.OpenFile("/a");
        DaxView view = a.OpenView();
        ReadOnlyMemory<byte> memory = view.GetMemory(B, B);
        using (memory.Pin()) IsAll((byte)'a', memory.Span);
        view.Dispose();
        view.Dispose();
        Assert.ThrowsExactly<ObjectDisposedException>(() => memory.Span.Length);
        Assert.ThrowsExactly<ObjectDisposedException>(() => view.GetSpan(0, 1));
        DaxView left = a.OpenView();
        w.Fs.Dispose();
        Assert.ThrowsExactly<ObjectDisposedException>(() => left.GetSpan(0, 1));
        left.Dispose();
    }

    [TestMethod]
    public void S43_AFileOfAHundredThousandPiecesIsNoViewButReadsPieceByPiece()
    {
        using World w = OnFile(); // more blocks than the device has: nearly all are one
        const int pieces = 100_000;
        using XfsFile a = w.Fs.CreateFile("/a");
        a.Write(0, Repeat((byte)'a', B));
        for (int have = 1; have < pieces;)
        {
            int more = Math.Min(have, pieces - have);
            a.SetLength(2L * (have + more) * B);
            a.CloneRange(a, 0, 2L * have * B, (2L * more - 1) * B);
            have += more;
        }
        XfsException refused = Assert.ThrowsExactly<XfsException>(() => a.OpenView());
        Assert.AreEqual(Errno.ENOMEM, refused.Errno);
        StringAssert.Contains(refused.Message, nameof(XfsFile.AcquireReadable));
        using DaxView few = a.OpenView(0, 1000 * B);
        using ReadLease lease = a.AcquireReadable(0, a.Length);
        Assert.AreEqual(a.Length, lease.Sequence.Length);
        long at = 0;
        foreach (ReadOnlyMemory<byte> piece in lease.Sequence)
        {
            IsAll(at / B % 2 == 0 ? (byte)'a' : (byte)0, piece.Span);
            at += piece.Length;
        }
        Assert.AreEqual(a.Length, at);
    }

    [TestMethod]
    public void ReadLeasesHoldPiecesInPlaceAndWritesWaitForThem()
    {
        using World w = OnFile().Cloned();
        using XfsFile b = w.Fs.OpenFile("/b", write: true);
        b.LeaseTimeout = TimeSpan.Zero;
        ReadLease lease = b.AcquireReadable(2 * B, 2 * B);
        Assert.ThrowsExactly<XfsBusyException>(() => b.Write(3 * B, [1]), "a shared block would have to move");
        b.Write(5 * B, [1]);
        Assert.ThrowsExactly<XfsBusyException>(() => b.SetLength(B));
        ReadOnlySequence<byte> sequence = lease.Sequence;
        IsAll((byte)'a', sequence.ToArray());
        lease.Dispose();
        Assert.ThrowsExactly<ObjectDisposedException>(() => sequence.ToArray());
        b.Write(3 * B, [2]);
        using ReadLease own = b.AcquireReadable(3 * B, B);
        b.Write(3 * B, [3]);
        Assert.AreEqual(3, own.Sequence.FirstSpan[0], "a private block is overwritten where it lies");
    }

    /// <summary>A device that begins somewhere inside a file, as a partition does.</summary>
    private sealed class ShiftedDevice(FileDevice file, long shift) : BlockDevice
    {
        public override long Length => file.Length - shift;
        public override bool CanWrite => true;
        public override void Read(long offset, Span<byte> destination) => file.Read(offset + shift, destination);
        public override void Write(long offset, ReadOnlySpan<byte> source) => file.Write(offset + shift, source);
        public override void Flush() => file.Flush();

        internal override bool TryGetFile([System.Diagnostics.CodeAnalysis.NotNullWhen(true)] out FileDevice? at, out long offset)
        {
            (at, offset) = (file, shift);
            return true;
        }

        protected override void Dispose(bool disposing) => file.Dispose();
    }
}
