using Microsoft.Win32.SafeHandles;

namespace ImageFs.Bench;

/// <summary>Rows that change no layout: reads and overwrites of private blocks, warm.</summary>
internal static class DataInPlace
{
    private const int Block = 4096, Mebibyte = 1 << 20, Operations = 200_000;
    private const long FileBytes = 512L << 20;

    public static void SequentialRead(Options options)
    {
        using DataImages images = Prepare(options);
        using XfsFile file = images.Fs.OpenFile("/big");
        using SafeFileHandle? theirs = OpenTheirs(images, FileAccess.Read);
        byte[] buffer = new byte[Mebibyte];
        Series ours = new("ImageFs"), raw = new("memory copy"), kernel = new("kernel");
        for (int run = -1; run < options.Runs; run++)
        {
            double a = DataImages.Seconds(() =>
            {
                for (long at = 0; at < FileBytes; at += Mebibyte) file.Read(at, buffer);
            });
            double b = DataImages.Seconds(() =>
            {
                ReadOnlySpan<byte> bytes = images.Raw(file);
                for (int at = 0; at < FileBytes; at += Mebibyte) bytes.Slice(at, Mebibyte).CopyTo(buffer);
            });
            double c = theirs is null ? 0 : DataImages.Seconds(() =>
            {
                for (long at = 0; at < FileBytes; at += Mebibyte) RandomAccess.Read(theirs, buffer, at);
            });
            if (run < 0) continue;
            const double megabytes = FileBytes / 1e6;
            ours.Add(megabytes / a);
            raw.Add(megabytes / b);
            if (theirs is not null) kernel.Add(megabytes / c);
        }
        DataBench.Print("sequential read in pieces of 1 MiB", "MB/s", ours, (raw, 0.9), (kernel, 0));
    }

    public static void RandomRead(Options options)
    {
        using DataImages images = Prepare(options);
        using XfsFile file = images.Fs.OpenFile("/big");
        using SafeFileHandle? theirs = OpenTheirs(images, FileAccess.Read);
        byte[] buffer = new byte[Block];
        long[] places = Places();
        Series ours = new("ImageFs"), raw = new("memory copy"), kernel = new("kernel pread");
        for (int run = -1; run < options.Runs; run++)
        {
            double a = DataImages.Seconds(() =>
            {
                foreach (long at in places) file.Read(at, buffer);
            });
            double b = DataImages.Seconds(() =>
            {
                ReadOnlySpan<byte> bytes = images.Raw(file);
                foreach (long at in places) bytes.Slice((int)at, Block).CopyTo(buffer);
            });
            double c = theirs is null ? 0 : DataImages.Seconds(() =>
            {
                foreach (long at in places) RandomAccess.Read(theirs, buffer, at);
            });
            if (run < 0) continue;
            ours.Add(Operations / a);
            raw.Add(Operations / b);
            if (theirs is not null) kernel.Add(Operations / c);
        }
        DataBench.Print("random read of 4 KiB", "operations/s", ours, (raw, 0.7), (kernel, 2));
    }

    public static void Overwrite(Options options)
    {
        using DataImages images = Prepare(options);
        using XfsFile file = images.Fs.OpenFile("/big", write: true);
        using SafeFileHandle? theirs = OpenTheirs(images, FileAccess.ReadWrite);
        byte[] buffer = new byte[Block];
        new Random(3).NextBytes(buffer);
        long[] places = Places();
        Series ours = new("ImageFs"), kernel = new("kernel pwrite");
        for (int run = -1; run < options.Runs; run++)
        {
            double a = DataImages.Seconds(() =>
            {
                foreach (long at in places) file.Write(at, buffer);
            });
            double c = theirs is null ? 0 : DataImages.Seconds(() =>
            {
                foreach (long at in places) RandomAccess.Write(theirs, buffer, at);
            });
            images.Fs.Flush();
            images.Mount?.Flush();
            if (run < 0) continue;
            ours.Add(Operations / a);
            if (theirs is not null) kernel.Add(Operations / c);
        }
        DataBench.Print("random overwrite of 4 KiB of private blocks", "operations/s", ours, (kernel, 2));
    }

    /// <summary>The same reads and overwrites by one thread and by one for each core, all in one file.</summary>
    public static void Threads(Options options)
    {
        using DataImages images = Prepare(options);
        using XfsFile file = images.Fs.OpenFile("/big", write: true);
        foreach (bool write in new[] { false, true })
        {
            Series one = new("one thread"), all = new($"{Environment.ProcessorCount} threads");
            for (int run = -1; run < options.Runs; run++)
            {
                double single = Together(1, file, write), many = Together(Environment.ProcessorCount, file, write);
                if (run < 0) continue;
                one.Add(single);
                all.Add(many);
            }
            DataBench.Print(write ? "random overwrite of 4 KiB in one file" : "random read of 4 KiB in one file", "operations/s", all, (one, 0));
        }
    }

    /// <summary>Long writes into holes, each thread in a file of its own, and beside them what memory takes from as many threads.</summary>
    public static void HoleWrites(Options options)
    {
        using DataImages images = new(options, "4g");
        int threads = Environment.ProcessorCount;
        byte[][] memory = [.. Enumerable.Range(0, threads).Select(_ => new byte[HolePieces * Mebibyte])];
        Series one = new("one thread"), all = new($"{threads} threads"), rawOne = new("memory copy, one thread"), rawAll = new($"memory copy, {threads} threads");
        for (int run = -1; run < options.Runs; run++)
        {
            double single = FillFiles(images.Fs, 1), many = FillFiles(images.Fs, threads), rawSingle = FillMemory(memory, 1), rawMany = FillMemory(memory, threads);
            if (run < 0) continue;
            one.Add(single);
            all.Add(many);
            rawOne.Add(rawSingle);
            rawAll.Add(rawMany);
        }
        DataBench.Print("writes of 1 MiB into holes, a file for each thread", "MB/s", all, (one, 0), (rawAll, 0));
        DataBench.Print("writes of 1 MiB into holes, one thread", "MB/s", one, (rawOne, 0));
    }

    private const int HolePieces = 128;

    private static double FillFiles(FileSystem fs, int count)
    {
        XfsFile[] files = [.. Enumerable.Range(0, count).Select(i => fs.CreateFile($"/hole{i}"))];
        double speed = Fill(count, (thread, i, piece) => files[thread].Write((long)i * Mebibyte, piece));
        foreach (XfsFile file in files) file.Dispose();
        for (int i = 0; i < count; i++) fs.DeleteFile($"/hole{i}");
        fs.Flush();
        return speed;
    }

    private static double FillMemory(byte[][] memory, int count) =>
        Fill(count, (thread, i, piece) => piece.CopyTo(memory[thread].AsSpan(i * Mebibyte)));

    /// <summary>MB/s of so many threads that each store a number of pieces.</summary>
    private static double Fill(int count, Action<int, int, byte[]> store)
    {
        Thread[] threads = [.. Enumerable.Range(0, count).Select(thread => new Thread(() =>
        {
            byte[] piece = new byte[Mebibyte];
            new Random(thread).NextBytes(piece);
            for (int i = 0; i < HolePieces; i++) store(thread, i, piece);
        }))];
        double seconds = DataImages.Seconds(() =>
        {
            foreach (Thread thread in threads) thread.Start();
            foreach (Thread thread in threads) thread.Join();
        });
        return (double)count * HolePieces * Mebibyte / 1e6 / seconds;
    }

    private static double Together(int count, XfsFile file, bool write)
    {
        Thread[] threads = new Thread[count];
        for (int t = 0; t < count; t++)
        {
            long[] places = Places(t);
            threads[t] = new Thread(() =>
            {
                byte[] buffer = new byte[Block];
                foreach (long at in places)
                    if (write) file.Write(at, buffer);
                    else file.Read(at, buffer);
            });
        }
        double seconds = DataImages.Seconds(() =>
        {
            foreach (Thread thread in threads) thread.Start();
            foreach (Thread thread in threads) thread.Join();
        });
        return (double)count * Operations / seconds;
    }

    private static DataImages Prepare(Options options)
    {
        DataImages images = new(options, "4g");
        images.Fill("big", FileBytes);
        return images;
    }

    private static SafeFileHandle? OpenTheirs(DataImages images, FileAccess access) =>
        images.Mount is null ? null : File.OpenHandle(images.Theirs("big"), FileMode.Open, access);

    private static long[] Places(int seed = 2)
    {
        Random random = new(seed);
        long[] places = new long[Operations];
        for (int i = 0; i < places.Length; i++) places[i] = random.NextInt64(FileBytes / Block) * Block;
        return places;
    }
}
