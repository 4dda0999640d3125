using System.Diagnostics;

namespace ImageFs.Bench;

/// <summary>Many small files in many directories, one flush at the end: what unpacking a distribution looks like.</summary>
internal static class SmallFiles
{
    public static int Run(Options options)
    {
        byte[] data = new byte[options.Bytes];
        new Random(1).NextBytes(data);
        List<double> ours = [], kernels = [];
        string image = Path.Combine(options.Folder, $"imagefs-bench-{Environment.ProcessId}.img");
        try
        {
            for (int run = 0; run < options.Runs; run++)
            {
                Make(image, "4g");
                ours.Add(options.Files / Seconds(() => Ours(image, options, data)));
                Make(image, "4g");
                using LoopMount? mount = LoopMount.TryMount(image);
                if (mount is not null) kernels.Add(options.Files / Seconds(() => Kernel(mount, options, data)));
                Console.WriteLine($"run {run + 1}: ImageFs {ours[^1]:N0} files/s, kernel {(mount is null ? "not available" : $"{kernels[^1]:N0} files/s")}");
            }
        }
        finally
        {
            File.Delete(image);
        }
        Console.WriteLine($"{options.Files:N0} files of {options.Bytes} bytes in {options.Files / options.PerDirectory:N0} directories, one flush");
        Console.WriteLine($"  ImageFs  {Describe(ours)} files/s");
        if (kernels.Count > 0) Console.WriteLine($"  kernel   {Describe(kernels)} files/s\n  ratio    {Median(ours) / Median(kernels):F2}");
        return 0;
    }

    /// <summary>Makes an empty file system of a size in mkfs's notation.</summary>
    public static void Make(string image, string size)
    {
        File.Delete(image);
        using StringWriter ignored = new();
        int exit = Mkfs.MkfsProgram.Run(["-q", "--size", size, image], ignored, Console.Error);
        if (exit != 0) throw new InvalidOperationException($"mkfs failed with {exit}");
    }

    private static void Ours(string image, Options options, byte[] data)
    {
        using FileSystem fs = FileSystem.Open(image, write: true);
        Fill(fs, options, data);
        fs.Flush();
    }

    /// <summary>Creates the files through the library.</summary>
    public static void Fill(FileSystem fs, Options options, byte[] data)
    {
        for (int i = 0; i < options.Files; i++)
        {
            if (i % options.PerDirectory == 0) fs.CreateDirectory($"/d{i / options.PerDirectory}");
            using XfsFile file = fs.CreateFile($"/d{i / options.PerDirectory}/f{i}", mustBeNew: true);
            file.Write(0, data);
        }
    }

    private static void Kernel(LoopMount mount, Options options, byte[] data)
    {
        for (int i = 0; i < options.Files; i++)
        {
            string directory = $"{mount.Folder}/d{i / options.PerDirectory}";
            if (i % options.PerDirectory == 0) Directory.CreateDirectory(directory);
            using Microsoft.Win32.SafeHandles.SafeFileHandle file = File.OpenHandle($"{directory}/f{i}", FileMode.CreateNew, FileAccess.Write);
            RandomAccess.Write(file, data, 0);
        }
        mount.Flush();
    }

    private static double Seconds(Action work)
    {
        GC.Collect();
        Stopwatch watch = Stopwatch.StartNew();
        work();
        return watch.Elapsed.TotalSeconds;
    }

    private static double Median(List<double> values) => values.Order().ElementAt(values.Count / 2);

    private static string Describe(List<double> values) => $"{Median(values):N0} (min {values.Min():N0}, max {values.Max():N0})";
}
