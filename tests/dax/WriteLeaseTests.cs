using ImageFs.Dax;
using ImageFs.Devices;
using ImageFs.Extents;
using ImageFs.Format;
using ImageFs.Inodes;
using ImageFs.Tests.Fixtures;
using static ImageFs.Tests.Fixtures.World;

namespace ImageFs.Tests.Dax;

/// <summary>Storing into mapped files, and what waits for it. Scenario numbers stand in the names.</summary>
[TestClass]
public sealed class WriteLeaseTests
{
    /// <summary>Turns the first extent of a file into unwritten blocks whose old bytes are still on the disk.</summary>
    internal static void MarkUnwritten(World w, string path)
    {
        Inode inode = w.Fs.Resolve(path, followLink: false);
        w.Fs.Volume.Map.TryFind(inode, ForkKind.Data, default, out Extent extent);
        w.Fs.Volume.Run(tx => w.Fs.Volume.Map.SetUnwritten(tx, inode, extent, unwritten: true));
    }

    private static void Store(DaxView view, long offset, byte value)
    {
        using WriteLease lease = view.AcquireWritable(offset, 1);
        lease.Span[0] = value;
    }

    [TestMethod]
    public void ALeaseOverALongHoleGetsZerosToStoreInto()
    {
        if (!OperatingSystem.IsLinux()) Assert.Inconclusive("views are for Linux only");
        using World w = World.OnFile();
        w.Fill("/a", 1, (byte)'a');
        using XfsFile a = w.Fs.OpenFile("/a", write: true);
        a.SetLength(1 << 20);
        using (DaxView view = a.OpenView())
        using (WriteLease lease = view.AcquireWritable(0, 1 << 20))
        {
            World.IsAll((byte)'a', lease.Span[..World.B]);
            World.IsAll(0, lease.Span[World.B..]);
            lease.Span[1 << 19] = 5;
        }
        Assert.AreEqual(5, w.Read("/a")[1 << 19]);
    }

    [TestMethod]
    public void S28_AStoreIntoACloneMovesOneBlockAndTheOriginalKeepsItsBytes()
    {
        using World w = OnFile().Cloned();
        using (XfsFile b = w.Fs.OpenFile("/b", write: true))
        using (DaxView view = b.OpenView())
        {
            using (WriteLease lease = view.AcquireWritable(3 * B, B))
            {
                Assert.AreEqual(B, lease.Span.Length);
                IsAll((byte)'a', lease.Span);
                lease.Span[7] = (byte)'Q';
                lease.Flush();
            }
            Assert.AreEqual((byte)'Q', view.Span[3 * B + 7]);
        }
        Assert.AreEqual("sssps", w.Picture("/b")[..5]);
        byte[] block = w.Read("/b", 3 * B, B);
        Assert.AreEqual((byte)'Q', block[7]);
        IsAll((byte)'a', block.AsSpan(8));
        IsAll((byte)'a', w.Read("/a"));
        w.AskTheKernel(mount =>
        {
            byte[] expected = Repeat((byte)'a', 64 * B);
            CollectionAssert.AreEqual(expected, File.ReadAllBytes(mount["a"]));
            expected[3 * B + 7] = (byte)'Q';
            CollectionAssert.AreEqual(expected, File.ReadAllBytes(mount["b"]));
        });
    }

    [TestMethod]
    [DataRow(false)]
    [DataRow(true)]
    public void ALongLeaseOverHolesOrUnwrittenBlocksIsAWriteFaultLikeAnyOther(bool unwritten)
    {
        const int length = 3 << 20;
        using World w = OnFile();
        using XfsFile f = w.Fs.CreateFile("/f");
        f.SetLength(length);
        if (unwritten) f.Allocate(0, length);
        using (DaxView view = f.OpenView())
        {
            using WriteLease lease = view.AcquireWritable(0, length);
            IsAll(0, lease.Span);
            lease.Span.Fill((byte)'L');
            lease.Flush();
        }
        IsAll((byte)'L', f.ReadAll());
        Assert.AreEqual(new string('p', length / B), w.Picture("/f"));
    }

    [TestMethod]
    public void S29_ALeaseOfPrivateBlocksAllocatesAndMovesNothing()
    {
        using World w = OnFile();
        w.Fill("/a", 64, (byte)'a');
        using XfsFile a = w.Fs.OpenFile("/a", write: true);
        using DaxView view = a.OpenView();
        ulong free = w.Fs.Statistics.FreeBlocks;
        FileExtent[] before = [.. a.GetExtents()];
        using (WriteLease lease = view.AcquireWritable(5 * B, 20 * B)) lease.Span.Fill((byte)'n');
        CollectionAssert.AreEqual(before, a.GetExtents().ToArray());
        Assert.AreEqual(free, w.Fs.Statistics.FreeBlocks);
        IsAll((byte)'n', w.Read("/a", 5 * B, 20 * B));
        IsAll((byte)'a', w.Read("/a", 25 * B, B));
    }

    [TestMethod]
    public void StoresShowInEveryViewAndThroughReadAtOnce()
    {
        using World w = OnFile().Cloned();
        using XfsFile b = w.Fs.OpenFile("/b", write: true), reader = w.Fs.OpenFile("/b");
        using DaxView one = b.OpenView(), two = reader.OpenView();
        using WriteLease lease = one.AcquireWritable(9 * B + 50, 100);
        lease.Span.Fill((byte)'s');
        IsAll((byte)'s', two.GetSpan(9 * B + 50, 100));
        IsAll((byte)'s', w.Read("/b", 9 * B + 50, 100));
        Assert.AreEqual(Errno.EBADF, ErrnoOf(() => two.AcquireWritable(0, 1)));
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => one.AcquireWritable(64 * B, 1), "behind the end");
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => lease.GetSpan(99, 2));
    }

    [TestMethod]
    public void HolesAndUnwrittenBlocksBecomeZerosThatCanBeStoredInto()
    {
        using World w = OnFile();
        w.Fill("/a", 8, 0xEE);
        MarkUnwritten(w, "/a");
        using XfsFile a = w.Fs.OpenFile("/a", write: true);
        a.SetLength(16 * B + 100);
        using DaxView view = a.OpenView();
        using (WriteLease lease = view.AcquireWritable(2 * B, 14 * B + 100))
        {
            IsAll(0, lease.Span);
            lease.Span[^1] = 9;
        }
        Assert.AreEqual("uuppppppppppppppp", w.Picture("/a"));
        Assert.AreEqual(16 * B + 100, a.Length);
        a.SetLength(17 * B);
        Assert.AreEqual(9, a.ReadAll()[16 * B + 99]);
        IsAll(0, w.Read("/a", 16 * B + 100, B - 100));
    }

    [TestMethod]
    public void S31_WhatIsStoredAfterACloneIsNotInTheClone()
    {
        using World w = OnFile();
        w.Fill("/a", 64, (byte)'a');
        using XfsFile a = w.Fs.OpenFile("/a", write: true);
        using DaxView view = a.OpenView();
        Store(view, 0, (byte)'D');
        long before = a.GetExtents()[0].Physical;
        w.Fs.Clone("/a", "/d");
        Assert.AreEqual((byte)'D', w.Read("/d", 0, 1)[0]);
        Store(view, 0, (byte)'E');
        Assert.AreEqual((byte)'E', view.Span[0]);
        Assert.AreEqual((byte)'D', w.Read("/d", 0, 1)[0]);
        Assert.AreNotEqual(before, a.GetExtents()[0].Physical, "the block of a moved");
        Assert.AreEqual(before, w.Extents("/d")[0].Physical);
        w.Fs.Flush();
        Store(view, 0, (byte)'F');
        w.CrashAndReopen();
        Assert.AreEqual((byte)'D', w.Read("/d", 0, 1)[0]);
    }

    [TestMethod]
    public async Task S32_ACloneWaitsForTheLeaseGivesUpOrIsCancelled()
    {
        using World w = OnFile();
        w.Fill("/a", 64, (byte)'a');
        w.Fill("/d", 1, (byte)'d');
        using XfsFile a = w.Fs.OpenFile("/a", write: true), d = w.Fs.OpenFile("/d", write: true);
        using DaxView view = a.OpenView();
        WriteLease lease = view.AcquireWritable(10 * B, 1);
        d.LeaseTimeout = TimeSpan.Zero;
        Assert.ThrowsExactly<XfsBusyException>(() => d.CloneRange(a, 0, 0, 0));
        d.CloneRange(a, 0, 0, 10 * B); // elsewhere in the file
        d.LeaseTimeout = TimeSpan.FromMilliseconds(50);
        Assert.ThrowsExactly<XfsBusyException>(() => d.CloneRange(a, 0, 0, 0));
        d.LeaseTimeout = Timeout.InfiniteTimeSpan;
        using CancellationTokenSource cancel = new();
        Task cancelled = Task.Run(() => d.CloneRange(a, 0, 0, 0, cancel.Token));
        await Task.Delay(50);
        Assert.IsFalse(cancelled.IsCompleted);
        cancel.Cancel();
        await Assert.ThrowsAsync<OperationCanceledException>(() => cancelled);

        Task clone = Task.Run(() => d.CloneRange(a, 0, 0, 0));
        await Task.Delay(50);
        Assert.IsFalse(clone.IsCompleted, "the clone waits");
        lease.Span[0] = (byte)'L';
        IsAll((byte)'a', w.Read("/a", 0, B)); // who waits keeps nobody from reading
        lease.Dispose();
        await clone.WaitAsync(TimeSpan.FromSeconds(20));
        Assert.AreEqual((byte)'L', w.Read("/d", 10 * B, 1)[0]);
        Assert.AreEqual(64 * B, d.Length);
    }

    [TestMethod]
    public async Task S35_AFileClonedIntoItselfIsLockedOnceAndWaitsForItsLease()
    {
        using World w = OnFile();
        w.Fill("/a", 16, (byte)'a');
        using XfsFile a = w.Fs.OpenFile("/a", write: true);
        using DaxView view = a.OpenView();
        WriteLease lease = view.AcquireWritable(8 * B, B);
        lease.Span.Fill((byte)'x');
        a.LeaseTimeout = TimeSpan.Zero;
        Assert.ThrowsExactly<XfsBusyException>(() => a.CloneRange(a, 0, 8 * B, B));
        a.LeaseTimeout = TimeSpan.FromSeconds(20);
        Task clone = Task.Run(() => a.CloneRange(a, 0, 8 * B, B));
        await Task.Delay(50);
        Assert.IsFalse(clone.IsCompleted);
        lease.Dispose();
        await clone.WaitAsync(TimeSpan.FromSeconds(20));
        Assert.AreEqual("spppppppspppppp", w.Picture("/a")[..15]);
        IsAll((byte)'a', view.Span);
    }

    [TestMethod]
    public void TruncateAndDedupeWaitToo()
    {
        using World w = OnFile();
        w.Fill("/a", 16, (byte)'a');
        w.Fill("/b", 16, (byte)'a');
        using XfsFile a = w.Fs.OpenFile("/a", write: true), b = w.Fs.OpenFile("/b", write: true);
        using DaxView view = a.OpenView();
        using (WriteLease lease = view.AcquireWritable(8 * B, B))
        {
            a.LeaseTimeout = b.LeaseTimeout = TimeSpan.Zero;
            Assert.ThrowsExactly<XfsBusyException>(() => a.SetLength(3));
            Assert.ThrowsExactly<XfsBusyException>(() => a.SetLength(8 * B + 1));
            a.SetLength(9 * B);
            Assert.ThrowsExactly<XfsBusyException>(() => b.DedupeRange(a, 0, 0, 9 * B));
            Assert.ThrowsExactly<XfsBusyException>(() => a.DedupeRange(b, 0, 0, 9 * B));
            Assert.AreEqual(DedupeStatus.Same, b.DedupeRange(a, 0, 0, 8 * B).Status);
            // An ordinary write goes into the leased block, not somewhere else.
            a.Write(8 * B + 1, "w"u8);
            Assert.AreEqual((byte)'w', lease.Span[1]);
        }
        a.SetLength(3);
    }

    [TestMethod]
    public void WhileOneOfThemIsLeasedOnlyFilesOfOneModeShareBlocks()
    {
        using World w = OnFile(DirectAccess.PerInode);
        w.Fill("/a", 16, (byte)'a');
        w.Fill("/b", 16, (byte)'b');
        w.Fs.SetFlags("/a", dax: true);
        using XfsFile a = w.Fs.OpenFile("/a", write: true), b = w.Fs.OpenFile("/b", write: true);
        using DaxView view = a.OpenView();
        using (view.AcquireWritable(8 * B, B))
            Assert.AreEqual(Errno.EINVAL, ErrnoOf(() => b.CloneRange(a, 0, 0, B)));
        b.CloneRange(a, 0, 0, B);
        IsAll((byte)'a', w.Read("/b", 0, B));
    }

    [TestMethod]
    public void AReservationForCopyOnWriteNeverLiesOverALease()
    {
        using World w = OnFile().Cloned();
        using XfsFile b = w.Fs.OpenFile("/b", write: true);
        using DaxView view = b.OpenView();
        using WriteLease lease = view.AcquireWritable(10 * B, B);
        lease.Span.Fill((byte)'L');
        long leased = b.GetExtents().Single(e => !e.Shared).Physical;
        b.Write(8 * B, Repeat((byte)'w', B));
        b.Write(10 * B, "x"u8);
        b.Write(12 * B, Repeat((byte)'w', B));
        FileExtent there = b.GetExtents().Single(e => e.Offset <= 10 * B && e.Offset + e.Length > 10 * B);
        Assert.AreEqual(leased, there.Physical + (10 * B - there.Offset), "the leased block did not move");
        Assert.AreEqual((byte)'x', lease.Span[0]);
        Assert.AreEqual((byte)'L', w.Read("/b", 10 * B + 1, 1)[0]);
    }

    [TestMethod]
    public void S20_ReservationsOfAFileThatIsBeingStoredIntoAreKept()
    {
        using World w = OnFile().Cloned();
        using XfsFile b = w.Fs.OpenFile("/b", write: true);
        using DaxView view = b.OpenView();
        b.Write(20 * B, Repeat((byte)'n', B));
        long staged = b.StagedBytes;
        Assert.IsTrue(staged > 0);
        using (view.AcquireWritable(40 * B, B))
        {
            staged = b.StagedBytes;
            Assert.AreEqual(0, w.Fs.CollectCow());
            Assert.AreEqual(staged, b.StagedBytes);
        }
        Assert.AreEqual(staged, w.Fs.CollectCow());
    }

    [TestMethod]
    public void InsideAnAtomicGroupNobodyWaitsForALease()
    {
        using World w = OnFile().Cloned();
        using XfsFile b = w.Fs.OpenFile("/b", write: true);
        using DaxView view = b.OpenView();
        using (view.AcquireWritable(3 * B, B))
            Assert.ThrowsExactly<XfsBusyException>(() => w.Fs.Atomically(_ => b.SetLength(0)));
        byte[] before = b.ReadAll();
        Assert.ThrowsExactly<InvalidOperationException>(() => w.Fs.Atomically(_ =>
        {
            b.Write(5 * B, Repeat((byte)'x', 2 * B));
            b.SetLength(9 * B);
            throw new InvalidOperationException("roll back");
        }));
        Assert.IsTrue(view.Span.SequenceEqual(before), "a view shows what the file is again");
    }

    [TestMethod]
    public void ALeaseOutlivesItsViewAndEndsWithItsLastPin()
    {
        using World w = OnFile();
        w.Fill("/a", 16, (byte)'a');
        using XfsFile a = w.Fs.OpenFile("/a", write: true);
        a.LeaseTimeout = TimeSpan.Zero;
        DaxView view = a.OpenView();
        WriteLease lease = view.AcquireWritable(0, B);
        view.Dispose();
        lease.Span[0] = 1;
        Memory<byte> memory = lease.Memory;
        System.Buffers.MemoryHandle pin = memory.Pin();
        lease.Dispose();
        Assert.ThrowsExactly<XfsBusyException>(() => a.SetLength(0));
        pin.Dispose();
        Assert.ThrowsExactly<ObjectDisposedException>(() => memory.Span.Length);
        a.SetLength(0);
    }

    [TestMethod]
    public void S40_AStoreThroughAReleasedLeaseIsAFault()
    {
        using TempImage image = TempImage.Empty(300L << 20);
        ShellResult child = Child.Run(nameof(StoreAfterRelease), image.Path);
        StringAssert.Contains(child.Output, "released");
        Assert.IsTrue(child.ExitCode is 134 or 139, $"exit code {child.ExitCode}: {child.Text}");
        using FileSystem fs = FileSystem.Open(image.Path, write: true);
        using XfsFile file = fs.OpenFile("/a");
        Assert.AreEqual(1, file.ReadAll()[0]);
    }

    /// <summary>The part of S40 nobody survives.</summary>
    internal static int StoreAfterRelease(string image)
    {
        ImageFs.Mkfs.Mkfs.FormatFile(image, new());
        using FileSystem fs = FileSystem.Open(image, new OpenOptions { Write = true, DirectAccess = DirectAccess.Always });
        using XfsFile file = fs.CreateFile("/a");
        file.Write(0, Repeat((byte)'a', 4 * B));
        using DaxView view = file.OpenView();
        WriteLease lease = view.AcquireWritable(0, B);
        Span<byte> span = lease.Span;
        span[0] = 1;
        lease.Flush();
        lease.Dispose();
        Console.WriteLine("released");
        Console.Out.Flush();
        span[0] = 2;
        return 0;
    }

    [TestMethod]
    public void S42_AFullHostIsAnErrorBeforeAnyBytesAreHandedOut()
    {
        Judge.RequireKernel();
        string host = Scratch.NewFolder(".full");
        Shell.Run("mount", ["-t", "tmpfs", "-o", "size=48m", "none", host]).MustSucceed();
        try
        {
            string image = Path.Combine(host, "image"), filler = Path.Combine(host, "filler");
            using (FileStream stream = new(image, FileMode.CreateNew)) stream.SetLength(300 << 20);
            ImageFs.Mkfs.Mkfs.FormatFile(image, new());
            FileExtent extent;
            using (FileSystem fs = FileSystem.Open(image, write: true))
            using (XfsFile a = fs.CreateFile("/a"))
            {
                a.Write(0, Repeat((byte)'a', 64 * B));
                extent = a.GetExtents()[0];
            }
            Shell.Run("fallocate", "--punch-hole", "--offset", $"{extent.Physical}", "--length", $"{extent.Length}", image).MustSucceed();
            using (FileSystem fs = FileSystem.Open(image, new OpenOptions { Write = true, DirectAccess = DirectAccess.Always }))
            using (XfsFile a = fs.OpenFile("/a", write: true))
            using (DaxView view = a.OpenView())
            {
                Assert.IsFalse(Shell.Run("dd", "if=/dev/zero", $"of={filler}", "bs=4096").Succeeded, "the host is full");
                Assert.ThrowsExactly<XfsNoSpaceException>(() => view.AcquireWritable(0, 64 * B));
                a.SetLength(64 * B); // nothing is leased
                File.Delete(filler);
                using WriteLease lease = view.AcquireWritable(0, 64 * B);
                lease.Span.Fill((byte)'n');
            }
            OurFsck.AssertClean(image);
            XfsRepair.CheckClean(image);
        }
        finally
        {
            Shell.Run("umount", [host]).MustSucceed();
        }
    }

    [TestMethod]
    [Timeout(120_000, CooperativeCancellation = false)]
    public void S34_LeasesClonesDedupesAndExchangesBothWaysEndAndLeaveLegalContents()
    {
        Console.WriteLine(TestSettings.Replay(nameof(S34_LeasesClonesDedupesAndExchangesBothWaysEndAndLeaveLegalContents), TestSettings.Seed));
        const int blocks = 16;
        using World w = OnFile();
        w.Fill("/low", blocks, (byte)'l');
        w.Fill("/high", blocks, (byte)'h');
        using XfsFile low = w.Fs.OpenFile("/low", write: true), high = w.Fs.OpenFile("/high", write: true);
        Assert.IsTrue(low.Inode.Value < high.Inode.Value);
        using DaxView lowView = low.OpenView(), highView = high.OpenView();
        TimeSpan duration = TimeSpan.FromSeconds(Math.Min(60, 3 * TestSettings.Sweep));
        int done = 0;
        void Work(int thread)
        {
            Random random = new(TestSettings.Seed * 100 + thread);
            long end = Environment.TickCount64 + (long)duration.TotalMilliseconds;
            while (Environment.TickCount64 < end)
            {
                bool up = random.Next(2) == 0;
                (XfsFile from, XfsFile to) = up ? (low, high) : (high, low);
                int length = random.Next(1, 5);
                long at = random.Next(blocks - length) * (long)B, target = random.Next(blocks - length) * (long)B;
                // Who stores into a block while somebody else does gets a mixture: each thread has blocks of its own.
                long own = (random.Next(2) * 8 + thread) * (long)B;
                switch (random.Next(5))
                {
                    case 0:
                        to.CloneRange(from, at, target, length * B);
                        break;
                    case 1:
                        to.DedupeRange(from, at, target, length * B);
                        break;
                    case 2:
                        to.ExchangeRange(from, at, target, length * B);
                        break;
                    case 3:
                        to.Write(own, Repeat((byte)('A' + thread), B));
                        break;
                    default:
                        using (WriteLease lease = (up ? highView : lowView).AcquireWritable(own, B)) lease.Span.Fill((byte)('a' + thread));
                        break;
                }
                Interlocked.Increment(ref done);
            }
        }
        Task[] threads = [.. Enumerable.Range(0, 8).Select(i => Task.Factory.StartNew(() => Work(i), TaskCreationOptions.LongRunning))];
        Assert.IsTrue(Task.WaitAll(threads, duration + TimeSpan.FromSeconds(40)), "somebody waits for ever");
        Console.WriteLine($"{done} operations");
        Assert.IsTrue(done > 100, $"only {done} operations");
        foreach ((XfsFile file, DaxView view) in new[] { (low, lowView), (high, highView) })
        {
            byte[] bytes = file.ReadAll();
            Assert.IsTrue(view.Span.SequenceEqual(bytes));
            for (int block = 0; block < blocks; block++) IsAll(bytes[block * B], bytes.AsSpan(block * B, B));
        }
    }

    /// <summary>The layout is made durable with the file in hand: that must not wait for it, nor for another file.</summary>
    [TestMethod]
    public void ALeaseWhoseLayoutIsDurableWaitsForNoWriteThatIsNotMappedYet()
    {
        using World w = OnFile().Cloned();
        w.Fs.Clone("/a", "/c");
        using XfsFile b = w.Fs.OpenFile("/b", write: true), c = w.Fs.OpenFile("/c", write: true);
        b.Write(0, Repeat((byte)'b', B));
        c.Write(0, Repeat((byte)'c', B));
        using DaxView view = b.OpenView();
        Task<WriteLease> leased = Task.Run(() => view.AcquireWritable(3 * B, B, LeaseOptions.SyncMetadata));
        Assert.IsTrue(leased.Wait(TimeSpan.FromSeconds(20)), "somebody waits for himself");
        using (WriteLease lease = leased.Result) lease.Span.Fill((byte)'L');
        Assert.AreEqual((byte)'L', view.Span[3 * B]);
        IsAll((byte)'c', w.Read("/c", 0, B));
    }
}
