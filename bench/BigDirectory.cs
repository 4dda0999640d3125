namespace ImageFs.Bench;

/// <summary>One directory with very many entries: made, asked for in random order, listed, emptied in the order of the listing.</summary>
/// <remarks>Names are asked for twice: for the first time after opening, when nothing is in memory, and once more.</remarks>
internal static class BigDirectory
{
    private sealed class Side(string name)
    {
        public readonly Series Create = new(name), First = new(name), Again = new(name), List = new(name), Delete = new(name);
    }

    public static int Run(Options options)
    {
        string image = Path.Combine(options.Folder, $"imagefs-bench-{Environment.ProcessId}.img");
        string[] names = new string[options.Files];
        for (int i = 0; i < names.Length; i++) names[i] = $"message-{i * 2654435761L % 0xFFFFFFFF:x8}.{i}";
        string[] asked = [.. names];
        new Random(1).Shuffle(asked);
        Side ours = new("ImageFs"), kernel = new("kernel");
        try
        {
            for (int run = 0; run < options.Runs; run++)
            {
                SmallFiles.Make(image, "8g");
                Ours(image, names, asked, ours);
                SmallFiles.Make(image, "8g");
                if (LoopMount.TryMount(image) is LoopMount mount) Kernel(mount, image, names, asked, kernel);
                Console.WriteLine($"run {run + 1} done; memory of this process at most {Environment.WorkingSet >> 20:N0} MiB now, of which the heap {GC.GetTotalMemory(false) >> 20:N0}");
            }
        }
        finally
        {
            File.Delete(image);
        }
        Console.WriteLine($"one directory of {names.Length:N0} entries");
        Print("create, one flush", ours.Create, kernel.Create);
        Print("look up in random order, first time", ours.First, kernel.First);
        Print("look up in random order, again", ours.Again, kernel.Again);
        Print("list", ours.List, kernel.List);
        Print("delete, one flush", ours.Delete, kernel.Delete);
        return 0;
    }

    private static void Print(string what, Series ours, Series kernel) => DataBench.Print(what, "entries/s", ours, (kernel, 0));

    private static void Ours(string image, string[] names, string[] asked, Side side)
    {
        string[] paths = [.. names.Select(name => "/big/" + name)], random = [.. asked.Select(name => "/big/" + name)];
        using (FileSystem fs = FileSystem.Open(image, write: true))
        {
            fs.CreateDirectory("/big");
            side.Create.Add(names.Length / DataImages.Seconds(() =>
            {
                foreach (string path in paths) fs.CreateFile(path, mustBeNew: true).Dispose();
                fs.Flush();
            }));
        }
        using (FileSystem fs = FileSystem.Open(image, write: true))
        {
            foreach (Series series in new[] { side.First, side.Again })
                series.Add(names.Length / DataImages.Seconds(() =>
                {
                    foreach (string path in random)
                        if (fs.TryGetEntry(path) is null) throw new InvalidOperationException($"{path} is not there");
                }));
            int listed = 0;
            side.List.Add(names.Length / DataImages.Seconds(() => listed = fs.List("/big").Count));
            if (listed != names.Length) throw new InvalidOperationException($"{listed} entries were listed");
            string[] order = [.. fs.List("/big").Select(item => "/big/" + item.Name)];
            side.Delete.Add(names.Length / DataImages.Seconds(() =>
            {
                foreach (string path in order) fs.DeleteFile(path);
                fs.Flush();
            }));
        }
    }

    private static void Kernel(LoopMount mount, string image, string[] names, string[] asked, Side side)
    {
        byte[][] paths = In(mount, names), random = In(mount, asked);
        string folder = Path.Combine(mount.Folder, "big");
        Directory.CreateDirectory(folder);
        side.Create.Add(names.Length / DataImages.Seconds(() =>
        {
            foreach (byte[] path in paths) SystemCalls.Create(path);
            mount.Flush();
        }));
        mount.Dispose();
        using LoopMount again = LoopMount.TryMount(image)!;
        random = In(again, asked);
        folder = Path.Combine(again.Folder, "big");
        foreach (Series series in new[] { side.First, side.Again })
            series.Add(names.Length / DataImages.Seconds(() =>
            {
                foreach (byte[] path in random) SystemCalls.Stat(path);
            }));
        List<byte[]> listed = [];
        side.List.Add(names.Length / DataImages.Seconds(() => listed = SystemCalls.List(folder)));
        byte[][] order = [.. listed.Select(name => SystemCalls.Path(folder + "/", name))];
        if (order.Length != names.Length) throw new InvalidOperationException($"{order.Length} entries were listed");
        side.Delete.Add(names.Length / DataImages.Seconds(() =>
        {
            foreach (byte[] path in order) SystemCalls.Unlink(path);
            again.Flush();
        }));
    }

    private static byte[][] In(LoopMount mount, string[] names)
    {
        string folder = Path.Combine(mount.Folder, "big") + "/";
        return [.. names.Select(name => SystemCalls.Path(folder, System.Text.Encoding.UTF8.GetBytes(name)))];
    }
}
