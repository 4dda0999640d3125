using Microsoft.Win32.SafeHandles;

namespace ImageFs.Bench;

/// <summary>Rows about shared blocks: copy-on-write, clone, and the comparison before a dedupe.</summary>
internal static class DataSharing
{
    private const int Block = 4096;

    public static void CopyOnWrite(Options options)
    {
        const long fileBytes = 1L << 30;
        const int operations = 32_768;
        using DataImages images = new(options, "3g");
        images.Fill("big", fileBytes);
        byte[] buffer = new byte[Block];
        new Random(3).NextBytes(buffer);
        Series ours = new("ImageFs"), kernel = new("kernel pwrite + fsync");
        for (int run = 0; run < options.Runs; run++)
        {
            Random random = new(run);
            long[] places = new long[operations];
            for (int i = 0; i < places.Length; i++) places[i] = random.NextInt64(fileBytes / Block) * Block;

            images.Fs.Clone("/big", "/clone");
            images.Fs.Flush();
            using (XfsFile file = images.Fs.OpenFile("/clone", write: true))
                ours.Add(operations / DataImages.Seconds(() =>
                {
                    foreach (long at in places) file.Write(at, buffer);
                    file.Flush();
                }));
            images.Fs.DeleteFile("/clone");
            images.Fs.Flush();
            if (images.Mount is null) continue;
            Reflink(images, "big");
            using (SafeFileHandle file = File.OpenHandle(images.Theirs("clone"), FileMode.Open, FileAccess.ReadWrite))
                kernel.Add(operations / DataImages.Seconds(() =>
                {
                    foreach (long at in places) RandomAccess.Write(file, buffer, at);
                    RandomAccess.FlushToDisk(file);
                }));
            File.Delete(images.Theirs("clone"));
            images.Mount.Flush();
        }
        DataBench.Print("random copy-on-write of 4 KiB in a clone of 1 GiB, flushed at the end", "operations/s", ours, (kernel, 5));
    }

    public static void Clone(Options options)
    {
        const int extents = 80_000;
        using DataImages images = new(options, "2g");
        byte[] block = new byte[Block];
        new Random(4).NextBytes(block);
        // Every second block, so that no two extents can be one.
        using (XfsFile file = images.Fs.CreateFile("/pieces"))
            for (int i = 0; i < extents; i++) file.Write(2L * i * Block, block);
        images.Fs.Flush();
        if (images.Mount is not null)
        {
            using SafeFileHandle file = File.OpenHandle(images.Theirs("pieces"), FileMode.Create, FileAccess.Write);
            for (int i = 0; i < extents; i++) RandomAccess.Write(file, block, 2L * i * Block);
            images.Mount.Flush();
        }
        Series ours = new("ImageFs"), kernel = new("FICLONE");
        for (int run = 0; run < options.Runs; run++)
        {
            ours.Add(extents / DataImages.Seconds(() => images.Fs.Clone("/pieces", "/clone")));
            images.Fs.DeleteFile("/clone");
            images.Fs.Flush();
            if (images.Mount is null) continue;
            kernel.Add(extents / DataImages.Seconds(() => Reflink(images, "pieces")));
            File.Delete(images.Theirs("clone"));
            images.Mount.Flush();
        }
        DataBench.Print($"clone of a file of {extents:N0} extents", "extents/s", ours, (kernel, 10));
    }

    public static void Compare(Options options)
    {
        const int bytes = 256 << 20;
        using DataImages images = new(options, "4g");
        images.Fill("one", bytes);
        images.Fill("other", bytes);
        using XfsFile one = images.Fs.OpenFile("/one"), other = images.Fs.OpenFile("/other", write: true);
        // The last byte differs: everything is compared and nothing is shared, so that it can be done again.
        byte[] last = new byte[1];
        one.Read(bytes - 1, last);
        last[0] ^= 1;
        other.Write(bytes - 1, last);
        Series ours = new("ImageFs"), raw = new("memory comparison");
        for (int run = -1; run < options.Runs; run++)
        {
            double a = DataImages.Seconds(() => Require(other.DedupeRange(one, 0, 0, bytes).Status == Dax.DedupeStatus.Differs));
            double b = DataImages.Seconds(() => Require(!images.Raw(one).SequenceEqual(images.Raw(other))));
            if (run < 0) continue;
            ours.Add(bytes / 1e6 / a);
            raw.Add(bytes / 1e6 / b);
        }
        DataBench.Print("dedupe: comparison of equal ranges of 256 MiB", "MB/s", ours, (raw, 0.6));
    }

    private static void Reflink(DataImages images, string source)
    {
        if (LoopMount.Run("cp", "--reflink=always", images.Theirs(source), images.Theirs("clone")) != 0)
            throw new InvalidOperationException("the kernel does not clone");
    }

    private static void Require(bool condition)
    {
        if (!condition) throw new InvalidOperationException("the comparison went wrong");
    }
}
