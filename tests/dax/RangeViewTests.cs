using ImageFs.Dax;
using ImageFs.Tests.Fixtures;
using static ImageFs.Tests.Fixtures.World;

namespace ImageFs.Tests.Dax;

/// <summary>Operations on ranges and mapped files: views follow them, leases and seals keep them off.</summary>
[TestClass]
public sealed class RangeViewTests
{
    private const int Blocks = 40;

    private static void Letters(World w, string path, byte first)
    {
        byte[] bytes = new byte[Blocks * B];
        for (int i = 0; i < bytes.Length; i++) bytes[i] = (byte)(first + i / B);
        w.Write(path, 0, bytes);
    }

    /// <summary>Every way to change where the bytes of blocks 8..11 of a file lie, or who owns them.</summary>
    private static (string Name, Action<XfsFile, XfsFile> Do)[] Changes =>
    [
        ("punch", (a, _) => a.PunchHole(8 * B, B)),
        ("zero", (a, _) => a.ZeroRange(9 * B, B)),
        ("insert", (a, _) => a.InsertRange(4 * B, B)),
        ("collapse", (a, _) => a.CollapseRange(4 * B, B)),
        ("exchange", (a, other) => a.ExchangeRange(other, 0, 8 * B, 4 * B)),
        ("exchange as the first", (a, other) => other.ExchangeRange(a, 8 * B, 0, 4 * B)),
        ("copy into", (a, other) => a.CopyRange(other, 0, 8 * B, 4 * B)),
        ("copy from", (a, other) => other.CopyRange(a, 8 * B, 0, 4 * B)),
        ("clone into", (a, other) => a.CloneRange(other, 0, 8 * B, 4 * B)),
        ("truncate", (a, _) => a.SetLength(8 * B + 1)),
    ];

    [TestMethod]
    public void ALeaseKeepsEveryChangeOfTheLayoutAwayAndNothingElse()
    {
        foreach ((string name, Action<XfsFile, XfsFile> change) in Changes)
        {
            using World w = OnFile();
            Letters(w, "/a", 1);
            Letters(w, "/b", 101);
            using XfsFile a = w.Fs.OpenFile("/a", write: true), b = w.Fs.OpenFile("/b", write: true);
            a.LeaseTimeout = b.LeaseTimeout = TimeSpan.Zero;
            using DaxView view = a.OpenView();
            byte[] before = a.ReadAll();
            using (WriteLease lease = view.AcquireWritable(8 * B, 4 * B))
            {
                Assert.ThrowsExactly<XfsBusyException>(() => change(a, b), name);
                CollectionAssert.AreEqual(before, a.ReadAll(), name);
                a.PunchHole(20 * B, 2 * B);
                a.InsertRange(30 * B, B);
            }
            change(a, b);
            Assert.IsTrue(view.GetSpan(0, (int)view.Available).SequenceEqual(a.ReadAll().AsSpan(0, (int)view.Available)), name);
        }
    }

    [TestMethod]
    public void S73_NoneOfThemTouchesASealedFile()
    {
        using World w = new();
        Letters(w, "/a", 1);
        Letters(w, "/b", 101);
        using XfsFile a = w.Fs.OpenFile("/a", write: true), b = w.Fs.OpenFile("/b", write: true);
        byte[] before = a.ReadAll(), other = b.ReadAll();
        FileExtent[] places = [.. a.GetExtents()];
        using (a.Seal())
            foreach ((string name, Action<XfsFile, XfsFile> change) in Changes)
            {
                Assert.AreEqual(Errno.ETXTBSY, ErrnoOf(() => change(a, b)), name);
                CollectionAssert.AreEqual(before, a.ReadAll(), name);
                CollectionAssert.AreEqual(other, b.ReadAll(), name);
                CollectionAssert.AreEqual(places, a.GetExtents().ToArray(), name);
            }
    }

    [TestMethod]
    public void ViewsFollowWhateverHappensToTheirFiles()
    {
        Console.WriteLine(TestSettings.Replay(nameof(ViewsFollowWhateverHappensToTheirFiles), TestSettings.Seed));
        Random random = new(TestSettings.Seed);
        using World w = OnFile();
        Letters(w, "/a", 1);
        Letters(w, "/b", 101);
        using XfsFile a = w.Fs.OpenFile("/a", write: true), b = w.Fs.OpenFile("/b", write: true);
        using DaxView ofA = a.OpenView(0, 4 * Blocks * B), ofB = b.OpenView(3 * B, 10 * B);
        for (int i = 0; i < 300 * TestSettings.Sweep; i++)
        {
            (XfsFile file, XfsFile other) = random.Next(2) == 0 ? (a, b) : (b, a);
            long size = file.Length, block = random.Next(Blocks) * (long)B, at = random.NextInt64(Blocks * B), length = random.Next(1, 4 * B);
            string what = "";
            try
            {
                switch (random.Next(12))
                {
                    case 0: what = "punch"; file.PunchHole(at, length); break;
                    case 1: what = "zero"; file.ZeroRange(at, length); break;
                    case 2: what = "insert"; if (size < 3 * Blocks * B) file.InsertRange(block, B); break;
                    case 3: what = "collapse"; file.CollapseRange(block, 2 * B); break;
                    case 4: what = "exchange"; file.ExchangeRange(other, block, random.Next(Blocks) * (long)B, 2 * B); break;
                    case 5: what = "clone"; file.CloneRange(other, block, random.Next(Blocks) * (long)B, 2 * B); break;
                    case 6: what = "copy"; file.CopyRange(other, at, random.Next(Blocks * B), length); break;
                    case 7: what = "unshare"; file.UnshareRange(at, length); break;
                    case 8: what = "truncate"; file.SetLength(random.Next(2) == 0 ? at : size + length); break;
                    case 9: what = "lease"; Store(random, file == a ? ofA : ofB); break;
                    default: what = "write"; file.Write(at, Repeat((byte)random.Next(1, 256), (int)length)); break;
                }
            }
            catch (XfsException why) when (why is { Errno: Errno.EINVAL })
            {
                // The dice asked for a range that does not exist.
            }
            foreach ((XfsFile one, DaxView view) in new[] { (a, ofA), (b, ofB) })
            {
                byte[] bytes = one.ReadAll();
                Assert.AreEqual(Math.Clamp(bytes.Length - view.Offset, 0, view.Length), view.Available, $"step {i}, {what}");
                Assert.IsTrue(view.Span.SequenceEqual(bytes.AsSpan((int)Math.Min(view.Offset, bytes.Length), (int)view.Available)), $"step {i}, {what}");
            }
        }
    }

    private static void Store(Random random, DaxView view)
    {
        if (view.Available == 0) return;
        long at = random.NextInt64(view.Available);
        using WriteLease lease = view.AcquireWritable(at, random.NextInt64(1, Math.Min(view.Available - at, 3 * B) + 1));
        lease.Span.Fill((byte)random.Next(1, 256));
    }
}
