using ImageFs.Format;
using ImageFs.Tests.Fixtures;
using static ImageFs.Tests.Fixtures.World;

namespace ImageFs.Tests.Dax;

/// <summary>Exchange of ranges, copy of ranges, dedupe of many targets: rules, ends of files, what is shared afterwards.</summary>
[TestClass]
public sealed class ExchangeTests
{
    private static void Exchange(World w, string first, long firstOffset, string second, long offset, long length,
        ExchangeOptions options = ExchangeOptions.None, FileFreshness? fresh = null)
    {
        using XfsFile one = w.Fs.OpenFile(first, write: true), other = w.Fs.OpenFile(second, write: true);
        other.ExchangeRange(one, firstOffset, offset, length, options, fresh);
    }

    private static long Copy(World w, string from, long sourceOffset, string to, long offset, long length)
    {
        using XfsFile source = w.Fs.OpenFile(from), target = w.Fs.Exists(to) ? w.Fs.OpenFile(to, write: true) : w.Fs.CreateFile(to);
        return target.CopyRange(source, sourceOffset, offset, length);
    }

    [TestMethod]
    public void S70_WholeFilesChangePlacesAndSharedBlocksStaySafe()
    {
        using World w = WithClone();
        w.Fill("/k", 64, (byte)'k');
        w.Fs.Clock = () => new Timestamp(2_000_000_000, 7);
        Exchange(w, "/b", 0, "/k", 0, 64 * B);
        IsAll((byte)'k', w.Read("/b"));
        IsAll((byte)'a', w.Read("/k"));
        Assert.AreEqual(new string('s', 64), w.Picture("/k"));
        Assert.AreEqual(new string('p', 64), w.Picture("/b"));
        Assert.AreEqual(new Timestamp(2_000_000_000, 7), w.Fs.GetEntry("/b").Modified);
        Assert.AreEqual(new Timestamp(2_000_000_000, 7), w.Fs.GetEntry("/k").Changed);
        w.Write("/k", 0, Repeat((byte)'!', B));
        IsAll((byte)'a', w.Read("/a"));
        Assert.IsTrue(w.Fs.GetEntry("/k").Flags2.HasFlag(InodeFlags2.Reflink));
    }

    [TestMethod]
    public void S71_FilesOfUnequalSizesExchangeToTheirEnds()
    {
        using World w = new();
        w.Write("/small", 0, Repeat((byte)'s', 3 * B + 100));
        w.Fill("/large", 9, (byte)'l');
        Exchange(w, "/small", 0, "/large", 0, 0, ExchangeOptions.ToEnd);
        Assert.AreEqual(9 * B, w.Fs.GetEntry("/small").Length);
        Assert.AreEqual(3 * B + 100, w.Fs.GetEntry("/large").Length);
        IsAll((byte)'l', w.Read("/small"));
        IsAll((byte)'s', w.Read("/large"));
    }

    [TestMethod]
    public void S71_OnlyWhatTheFirstFileHasWrittenMoves()
    {
        using World w = new();
        using (XfsFile f = w.Fs.CreateFile("/temp"))
        {
            f.SetLength(16 * B);
            f.Write(2 * B, Repeat((byte)'t', 2 * B));
            f.Allocate(8 * B, 4 * B);
            f.Write(9 * B, Repeat((byte)'u', B));
        }
        w.Fill("/f", 16, (byte)'f');
        Exchange(w, "/temp", 0, "/f", 0, 16 * B, ExchangeOptions.FirstWritten);
        byte[] f1 = w.Read("/f");
        for (int block = 0; block < 16; block++)
            IsAll(block is 2 or 3 ? (byte)'t' : block is 9 ? (byte)'u' : (byte)'f', f1.AsSpan(block * B, B));
        Assert.AreEqual("..pp....upuu....", w.Picture("/temp"));
        IsAll((byte)'f', w.Read("/temp", 2 * B, 2 * B));
    }

    [TestMethod]
    public void S71_ADryRunChangesNothing()
    {
        using World w = WithClone();
        w.Fill("/k", 64, (byte)'k');
        Exchange(w, "/b", 0, "/k", 0, 64 * B, ExchangeOptions.DryRun);
        IsAll((byte)'k', w.Read("/k"));
        Assert.AreEqual(Errno.EINVAL, ErrnoOf(() => Exchange(w, "/b", 5, "/k", 0, B, ExchangeOptions.DryRun)));
    }

    /// <summary>Each with what the kernel says; it has the call where the image has the feature.</summary>
    [TestMethod]
    [DataRow("f", 0L, "g", 0L, 4L * B, 0, 0, DisplayName = "two files")]
    [DataRow("f", 0L, "f", 8L * B, 4L * B, 0, 0, DisplayName = "two ranges of one file")]
    [DataRow("f", 0L, "f", 2L * B, 4L * B, 0, Errno.EINVAL, DisplayName = "overlap")]
    [DataRow("f", 0L, "f", 0L, 4L * B, 0, Errno.EINVAL, DisplayName = "the same range")]
    [DataRow("f", 1L, "g", 0L, (long)B, 0, Errno.EINVAL, DisplayName = "unaligned offset")]
    [DataRow("f", 0L, "g", 0L, 100L, 0, Errno.EINVAL, DisplayName = "unaligned length")]
    [DataRow("f", 0L, "g", 0L, 17L * B, 0, Errno.EINVAL, DisplayName = "past the end")]
    [DataRow("f", 17L * B, "g", 0L, 0L, 0, Errno.EINVAL, DisplayName = "begins behind the end")]
    [DataRow("f", 0L, "g", 0L, 0L, 0, 0, DisplayName = "nothing")]
    [DataRow("f", 0L, "g", 0L, -1L, 0, Errno.EINVAL, DisplayName = "negative length")]
    [DataRow("f", 0L, "g", 0L, (long)B, 0x40, Errno.EINVAL, DisplayName = "unknown flag")]
    [DataRow("f", 0L, "odd", 0L, 3L * B + 100, 0, Errno.EINVAL, DisplayName = "partial block into the middle")]
    [DataRow("odd", 3L * B, "odd2", 3L * B, 100L, 0, 0, DisplayName = "partial block at both ends")]
    [DataRow("odd", 0L, "f", 0L, 0L, 1, 0, DisplayName = "to the ends")]
    [DataRow("odd", B, "f", 4L * B, 0L, 1, 0, DisplayName = "to the ends, from different places")]
    [DataRow("f", 4L * B, "odd", B, 0L, 1, 0, DisplayName = "to the ends, the other way around")]
    [DataRow("f", 0L, "g", 0L, 16L * B, 8, 0, DisplayName = "only written")]
    [DataRow("f", 0L, "g", 0L, 16L * B, 4, 0, DisplayName = "dry run")]
    public void S71_TheRulesAreThoseOfTheKernel(string first, long firstOffset, string second, long offset, long length, int flags, int errno)
    {
        using TempImage image = Ranges.NewImage();
        Ranges.Make(image, out TempImage? copy);
        using (copy)
        {
            using (FileSystem fs = FileSystem.Open(image.Path, write: true))
            using (XfsFile one = fs.OpenFile("/" + first, write: true), other = fs.OpenFile("/" + second, write: true))
            {
                void Call() => other.ExchangeRange(one, firstOffset, offset, length, (ExchangeOptions)flags);
                if (errno == 0) Call();
                else Assert.AreEqual(errno, ErrnoOf(Call));
            }
            OurFsck.AssertClean(image.Path);
            if (copy is null) return;
            using (KernelMount mount = KernelMount.ReadWrite(copy.Path, Ranges.MountOptions))
            using (PosixFile one = new(mount[first]), other = new(mount[second]))
                Assert.AreEqual(errno, other.ExchangeRange(one, firstOffset, offset, length, (ulong)flags), "the kernel says otherwise");
            Ranges.AssertEqual(copy, image);
        }
    }

    [TestMethod]
    public void AFileThatHasChangedSinceItWasLookedAtIsNotReplaced()
    {
        using World w = WithClone();
        w.Fill("/k", 64, (byte)'k');
        FileFreshness fresh;
        using (XfsFile f = w.Fs.OpenFile("/b")) fresh = f.SampleFreshness();
        Exchange(w, "/k", 0, "/b", 0, B, fresh: fresh);
        IsAll((byte)'k', w.Read("/b", 0, B));
        Assert.AreEqual(Errno.EBUSY, ErrnoOf(() => Exchange(w, "/k", B, "/b", B, B, fresh: fresh)));
        IsAll((byte)'a', w.Read("/b", B, B));
    }

    [TestMethod]
    public void HandlesAndImagesThatCannotTakePartAreRefused()
    {
        using World w = WithClone(), other = WithClone();
        using XfsFile a = w.Fs.OpenFile("/a", write: true), readOnly = w.Fs.OpenFile("/b"), foreign = other.Fs.OpenFile("/a", write: true);
        Assert.AreEqual(Errno.EBADF, ErrnoOf(() => a.ExchangeRange(readOnly, 0, 0, B)));
        Assert.AreEqual(Errno.EBADF, ErrnoOf(() => readOnly.ExchangeRange(a, 0, 0, B)));
        Assert.AreEqual(Errno.EXDEV, ErrnoOf(() => a.ExchangeRange(foreign, 0, 0, B)));
        Assert.AreEqual(Errno.EXDEV, ErrnoOf(() => a.CopyRange(foreign, 0, 0, B)));
    }

    [TestMethod]
    public void WhatWasExchangedIsNotOverwrittenInPlaceBeforeItIsDurable()
    {
        using World w = new();
        w.Fill("/x", 4, (byte)'x');
        w.Fill("/y", 4, (byte)'y');
        w.Fs.Flush();
        Exchange(w, "/x", 0, "/y", 0, 4 * B);
        w.Write("/x", 0, Repeat((byte)'!', 4 * B));
        w.CrashAndReopen();
        // x is old or new, and y never shows what was written to x.
        IsAll((byte)'x', w.Read("/y"));
    }

    [TestMethod]
    public void InsideAnAtomicGroupExchangeAndInsertAreUndoneOrDurableWithIt()
    {
        using World w = WithClone();
        w.Fill("/k", 64, (byte)'k');
        w.Fs.Flush();
        void Work()
        {
            Exchange(w, "/b", 0, "/k", 0, 64 * B);
            using XfsFile k = w.Fs.OpenFile("/k", write: true);
            k.InsertRange(4 * B, 4 * B);
            k.Write(8 * B, Repeat((byte)'!', B));
        }
        Assert.ThrowsExactly<InvalidOperationException>(() => w.Fs.Atomically(_ =>
        {
            Work();
            throw new InvalidOperationException("changed my mind");
        }));
        IsAll((byte)'k', w.Read("/k"));
        IsAll((byte)'a', w.Read("/b"));
        w.Fs.Atomically(_ => Work());
        w.Write("/b", 0, Repeat((byte)'?', 64 * B));
        w.CrashAndReopen();
        Assert.AreEqual(68 * B, w.Fs.GetEntry("/k").Length);
        IsAll((byte)'a', w.Read("/k", 0, 4 * B));
        IsAll(0, w.Read("/k", 4 * B, 4 * B));
        IsAll((byte)'!', w.Read("/k", 8 * B, B));
        IsAll((byte)'a', w.Read("/k", 9 * B, 59 * B));
        IsAll((byte)'a', w.Read("/a"));
    }

    [TestMethod]
    public void S61_ACopySharesWhatItCanAndReturnsHowFarItGot()
    {
        using World w = new();
        w.Write("/a", 0, Repeat((byte)'a', 16 * B + 100));
        w.Fill("/b", 20, (byte)'b');
        Assert.AreEqual(16 * B + 100, Copy(w, "/a", 0, "/new", 0, 1 << 20));
        Assert.AreEqual(new string('s', 17), w.Picture("/new"));
        Assert.AreEqual(16 * B, Copy(w, "/a", 0, "/b", 0, 1 << 20));
        Assert.AreEqual(new string('s', 16) + "pppp", w.Picture("/b"));
        Assert.AreEqual(B, Copy(w, "/a", 0, "/five", 0, 5000));
        w.Fill("/u", 16, (byte)'u');
        Assert.AreEqual(5000, Copy(w, "/a", 10, "/u", 20, 5000));
        Assert.AreEqual(new string('p', 16), w.Picture("/u"));
        IsAll((byte)'a', w.Read("/u", 20, 5000));
        IsAll((byte)'u', w.Read("/u", 0, 20));
        Assert.AreEqual(0, Copy(w, "/a", 1 << 20, "/u", 0, 5000));
        Assert.AreEqual(Errno.EINVAL, ErrnoOf(() => Copy(w, "/a", 0, "/a", B, 2 * B)));
        Assert.AreEqual(Errno.EOVERFLOW, ErrnoOf(() => Copy(w, "/a", -1, "/u", 0, 5000)));
        Assert.AreEqual(Errno.EFBIG, ErrnoOf(() => Copy(w, "/a", 0, "/u", long.MaxValue, 0)), "nothing is copied, but the place is looked at");
        Assert.AreEqual(10, Copy(w, "/a", 0, "/end", long.MaxValue - 10, 5000), "as far as files go");
    }

    [TestMethod]
    public void S61_CopyingUntilAllIsCopiedTakesSeveralCalls()
    {
        using World w = new();
        w.Write("/a", 0, Repeat((byte)'a', 16 * B + 100));
        w.Fill("/b", 20, (byte)'b');
        using (XfsFile a = w.Fs.OpenFile("/a"), b = w.Fs.OpenFile("/b", write: true))
            Assert.AreEqual(16 * B + 100, b.CopyAll(a, 0, 0, 1 << 20));
        IsAll((byte)'a', w.Read("/b", 0, 16 * B + 100));
        IsAll((byte)'b', w.Read("/b", 16 * B + 100, 4 * B));
        Assert.AreEqual(new string('s', 16) + "pppp", w.Picture("/b"));
    }

    /// <summary>Bytes that cannot be shared, and more of them than one transaction takes: into holes, unwritten and written blocks.</summary>
    [TestMethod]
    public void S61_LongUnalignedCopiesGoAnywhere()
    {
        const int length = 3 << 20;
        using World w = new();
        byte[] bytes = Ranges.Noise(1, length);
        w.Write("/a", 0, bytes);
        using (XfsFile u = w.Fs.CreateFile("/unwritten")) u.Allocate(0, length + B);
        w.Fill("/written", 10, (byte)'w');
        foreach (string path in new[] { "/hole", "/unwritten", "/written" })
        {
            Assert.AreEqual(length, Copy(w, "/a", 0, path, 100, length), path);
            CollectionAssert.AreEqual(bytes, w.Read(path, 100, length), path);
            Assert.DoesNotContain('s', w.Picture(path));
        }
        // Into itself: the source is the very file that is being written.
        Assert.AreEqual(1 << 20, Copy(w, "/a", 0, "/a", (4 << 20) + 1, 1 << 20));
        CollectionAssert.AreEqual(bytes[..(1 << 20)], w.Read("/a", (4 << 20) + 1, 1 << 20));
    }

    [TestMethod]
    public void S61_WithoutTheFeatureBytesAreCopied()
    {
        using World w = new(300, "-m", "reflink=0");
        w.Fill("/a", 16, (byte)'a');
        Assert.AreEqual(16 * B, Copy(w, "/a", 0, "/new", 0, 1 << 20));
        IsAll((byte)'a', w.Read("/new"));
    }

    [TestMethod]
    public void S55_OneDedupeHasManyTargetsAndWhatFailsStopsNoOther()
    {
        using World w = new();
        foreach (string name in new[] { "/a", "/same", "/differs", "/last" }) w.Fill(name, 4, (byte)'a');
        w.Write("/differs", 10, 1);
        using XfsFile a = w.Fs.OpenFile("/a"), same = w.Fs.OpenFile("/same"), differs = w.Fs.OpenFile("/differs"), last = w.Fs.OpenFile("/last");
        XfsFile closed = w.Fs.OpenFile("/a");
        closed.Dispose();
        IReadOnlyList<ImageFs.Dax.DedupeResult> results = a.DedupeRange(0, B,
            [new(same, 0), new(differs, 0), new(last, 4 * B), new(closed, 0), new(last, 7), new(last, 3 * B)]);
        CollectionAssert.AreEqual(new ImageFs.Dax.DedupeResult[]
        {
            new(ImageFs.Dax.DedupeStatus.Same, B, B),
            new(ImageFs.Dax.DedupeStatus.Differs, 0, 0),
            new(ImageFs.Dax.DedupeStatus.Failed, 0, 0, Errno.EINVAL),
            new(ImageFs.Dax.DedupeStatus.Failed, 0, 0, Errno.EBADF),
            new(ImageFs.Dax.DedupeStatus.Failed, 0, 0, Errno.EINVAL),
            new(ImageFs.Dax.DedupeStatus.Same, B, B),
        }, results.ToArray());
        Assert.AreEqual("sppp", w.Picture("/same"));
        Assert.AreEqual("ppps", w.Picture("/last"));
    }

    [TestMethod]
    public void S56_ADedupeTakesAsManyTargetsAsFitAPage()
    {
        using World w = new();
        w.Fill("/a", 1, (byte)'a');
        w.Fill("/b", 128, (byte)'a');
        using XfsFile a = w.Fs.OpenFile("/a"), b = w.Fs.OpenFile("/b");
        DedupeTarget[] targets = [.. Enumerable.Range(0, 128).Select(i => new DedupeTarget(b, i * B))];
        Assert.AreEqual(Errno.ENOMEM, ErrnoOf(() => a.DedupeRange(0, B, targets)));
        Assert.IsTrue(a.DedupeRange(0, B, targets[..127]).All(r => r.BytesShared == B));
        Assert.AreEqual(new string('s', 127) + "p", w.Picture("/b"));
        Assert.AreEqual(Errno.EINVAL, ErrnoOf(() => a.DedupeRange(B, B, targets[..1])), "behind the end of the source");
    }
}
