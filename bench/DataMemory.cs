using System.Diagnostics;

namespace ImageFs.Bench;

/// <summary>Memory of a process that opens, clones and reads a sparse file of 1 TiB with a million extents.</summary>
internal static class DataMemory
{
    private const int Block = 4096, Extents = 1 << 20, First = 4096;
    private const long Spacing = (1L << 40) / Extents;

    public static void Run(Options options)
    {
        string image = Path.Combine(options.Folder, $"imagefs-bench-{Environment.ProcessId}.img");
        Series peak = new("peak");
        try
        {
            SmallFiles.Make(image, "4g");
            Build(image);
            for (int run = 0; run < options.Runs; run++)
            {
                using Process process = Process.Start(new ProcessStartInfo(Environment.ProcessPath!, [.. Self(), "memory-of", image]) 
                {
                    RedirectStandardOutput = true,
                    // What is left of the 256 MiB beside the runtime itself: more than that, and the run fails.
                    Environment = { ["DOTNET_GCHeapHardLimit"] = "0xA000000" },
                })!;
                string said = process.StandardOutput.ReadToEnd();
                process.WaitForExit();
                peak.Add(double.Parse(said, System.Globalization.CultureInfo.InvariantCulture));
            }
        }
        finally
        {
            File.Delete(image);
        }
        Console.WriteLine($"open, clone and read of 1 TiB sparse with {Extents:N0} extents, MiB\n  {peak}, wanted at most 256");
    }

    private static string[] Self() => Path.GetFileNameWithoutExtension(Environment.ProcessPath!) == "dotnet" ? [Path.Combine(AppContext.BaseDirectory, "ImageFs.Bench.dll")] : [];

    /// <summary>One block every mebibyte; the first ones are written, the rest are clones of them, twice as many each time.</summary>
    private static void Build(string image)
    {
        using FileSystem fs = FileSystem.Open(image, write: true);
        using XfsFile file = fs.CreateFile("/sparse");
        byte[] block = new byte[Block];
        for (int i = 0; i < First; i++)
        {
            block.AsSpan().Fill((byte)i);
            file.Write(i * Spacing, block);
        }
        file.SetLength(Extents * Spacing);
        for (long have = First * Spacing; have < Extents * Spacing; have *= 2) file.CloneRange(file, 0, have, have);
    }

    /// <summary>The process that is measured: prints its peak in MiB.</summary>
    public static int Measure(string image)
    {
        using (FileSystem fs = FileSystem.Open(image, write: true))
        {
            fs.Clone("/sparse", "/clone");
            using XfsFile clone = fs.OpenFile("/clone");
            byte[] block = new byte[Block];
            for (int i = 0; i < Extents; i++)
            {
                clone.Read(i * Spacing, block);
                if (block[0] != (byte)(i % First) || block[^1] != block[0]) throw new InvalidOperationException($"wrong bytes in extent {i}");
            }
            fs.Flush();
            clone.Dispose();
            fs.DeleteFile("/clone");
        }
        Console.WriteLine((Peak() / 1048576.0).ToString("F1", System.Globalization.CultureInfo.InvariantCulture));
        return 0;
    }

    private static long Peak()
    {
        if (!OperatingSystem.IsLinux()) return Process.GetCurrentProcess().PeakWorkingSet64;
        string line = File.ReadLines("/proc/self/status").First(l => l.StartsWith("VmHWM:", StringComparison.Ordinal));
        return long.Parse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], System.Globalization.CultureInfo.InvariantCulture) * 1024;
    }
}
