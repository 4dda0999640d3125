using ImageFs.Devices;
using ImageFs.Journal;
using ImageFs.Tests.Fixtures;
using ImageFs.Tests.Journal;

namespace ImageFs.Tests.Recovering;

/// <summary>
/// Images of a kernel that was cut off at work. What is in them depends on its timing, so they are made until enough have what is
/// looked for, and one that is judged badly is kept.
/// </summary>
internal static class CutOffImages
{
    /// <summary>Makes images, counts what their logs left unfinished, and has those judged that suit.</summary>
    /// <param name="wanted">Images to judge.</param>
    /// <param name="mostRounds">Images to make at most.</param>
    /// <param name="make">An image and what was done to it, given the round.</param>
    /// <param name="suits">Whether what is unfinished is what is looked for.</param>
    /// <param name="kindOf">What an unfinished intent is counted as.</param>
    /// <param name="judge">Throws if it is not recovered as it should be; gets the number of the image as well, from 1.</param>
    /// <returns>How many intents there were of each kind.</returns>
    public static Dictionary<string, int> Judge(int wanted, int mostRounds, Func<int, (DirtyImage Image, string Story)> make,
        Predicate<IReadOnlyList<PendingIntent>> suits, Func<PendingIntent, string> kindOf, Action<DirtyImage, IReadOnlyList<PendingIntent>, int> judge)
    {
        Dictionary<string, int> kinds = [];
        int found = 0;
        for (int round = 0; found < wanted && round < mostRounds; round++)
        {
            (DirtyImage image, string story) = make(round);
            using (image)
            {
                IReadOnlyList<PendingIntent> pending = Pending(image.Path);
                foreach (PendingIntent intent in pending) kinds[kindOf(intent)] = kinds.GetValueOrDefault(kindOf(intent)) + 1;
                if (!suits(pending)) continue;
                found++;
                KeepIfBad(image.Path, $"round {round}: {story}", () => judge(image, pending, found));
            }
        }
        string summary = $"{found} images, unfinished intents: " + string.Join(", ", kinds.OrderBy(k => k.Key, StringComparer.Ordinal).Select(k => $"{k.Value} {k.Key}"));
        Console.WriteLine(summary);
        // A loaded machine may leave fewer than wanted.
        Assert.IsGreaterThan(wanted / 2, found, summary);
        return kinds;
    }

    /// <summary>What the log of an image promises and does not say was done.</summary>
    public static IReadOnlyList<PendingIntent> Pending(string image)
    {
        MemoryDevice device = MemoryDevice.Load(image);
        return ImageFs.Journal.Recovery.Replay(device, DirtyImage.GeometryOf(device)).PendingIntents;
    }

    private static int s_withoutVerdict;

    private static bool IsLeftDamagedByTheKernel(string path)
    {
        using TempImage copy = TempImage.CopyOf(path);
        using (KernelMount.ReadWrite(copy.Path))
        {
        }
        return !XfsRepair.Check(copy.Path).Succeeded;
    }

    /// <summary>
    /// Our recovery, in memory and for good, and the kernel's of a copy must leave one tree; ours must be clean. An exchange of files of
    /// different sizes is the exception: 6.18 recovers the sizes the files have, not those they were promised, which are asked for here.
    /// </summary>
    /// <param name="mount">Whether the kernel looks at what we left as well.</param>
    /// <returns>Whether there was something to recover.</returns>
    public static bool AssertFinishedAsTheKernelDoes(string path, bool mount)
    {
        ExchangeIntent[] resizing = [.. Pending(path).OfType<ExchangeIntent>().Where(e => (e.Flags & ExchangeIntent.SetsSizes) != 0 && e.Size1 != e.Size2)];
        TreeListing expected;
        try
        {
            expected = resizing.Length == 0 ? DirtyImage.KernelListing(path, mustBeClean: false) : LibraryListing.Of(path);
        }
        catch (IOException why) when (IsLeftDamagedByTheKernel(path))
        {
            // Cut off between the end of the mount and that of its log, a kernel may write home what it has cancelled.
            Console.WriteLine($"no verdict: {why.Message} where the kernel had recovered, and xfs_repair objects as well");
            Assert.AreEqual(1, Interlocked.Increment(ref s_withoutVerdict), "a kernel that stumbles once may be out of luck, but not twice");
            return true;
        }
        const TreeFields fields = LibraryListing.Fields & ~TreeFields.Extents;
        TreeListing.AssertEqual(expected, LibraryListing.Of(path), fields);
        using TempImage ours = TempImage.CopyOf(path);
        bool recovered, parents;
        using (FileSystem fs = FileSystem.Open(ours.Path, write: true))
        {
            recovered = fs.WasRecovered;
            parents = fs.Geometry.HasParentPointers;
            TreeListing.AssertEqual(expected, LibraryListing.Of(fs), fields);
            foreach (ExchangeIntent intent in resizing)
                Assert.AreEqual((intent.Size1, intent.Size2), ((ulong)fs.GetEntry(intent.Inode1).Length, (ulong)fs.GetEntry(intent.Inode2).Length), intent.ToString());
        }
        // Without its pointers, for older tools to look at, a symlink of the kernel's may have room in the inode for a target that has a block.
        if (!parents) XfsRepair.CheckRecovered(ours.Path);
        OurFsck.AssertClean(ours.Path);
        if (mount || parents) TreeListing.AssertEqual(expected, DirtyImage.KernelListing(ours.Path, mustBeClean: !parents));
        return recovered;
    }

    /// <summary>A failure cannot be made again from the seed: keeps the image, and tells what its log left unfinished.</summary>
    public static void KeepIfBad(string image, string story, Action judge)
    {
        try
        {
            judge();
        }
        catch (Exception)
        {
            string kept = Path.Combine(Path.GetTempPath(), $"imagefs-cut-off-{Environment.ProcessId}-{Path.GetFileName(image)}");
            File.Copy(image, kept, overwrite: true);
            Console.WriteLine($"the dirty image is kept as {kept}; {story}");
            foreach (PendingIntent intent in Pending(image))
                Console.WriteLine($"{intent.Name} {intent.Lsn} " + intent switch
                {
                    ExtentFreeIntent free => string.Join(" ", free.Extents),
                    RefcountIntent refcount => string.Join(" ", refcount.Extents),
                    RmapIntent rmap => string.Join(" ", rmap.Mappings),
                    BmapIntent bmap => string.Join(" ", bmap.Mappings),
                    AttrIntent attribute => $"{attribute.Operation} of inode {attribute.Inode}",
                    ExchangeIntent exchange => exchange.ToString(),
                    _ => "",
                });
            throw;
        }
    }
}
