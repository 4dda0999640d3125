using System.Diagnostics;

namespace ImageFs.Bench;

/// <summary>Our checker against xfs_repair -n on the same image, each as a whole process: seconds and peak memory.</summary>
internal static class FsckRace
{
    private readonly record struct Figures(double Seconds, double Megabytes);

    public static int Run(Options options)
    {
        string image = Path.Combine(options.Folder, $"imagefs-bench-{Environment.ProcessId}.img");
        try
        {
            SmallFiles.Make(image, "8g");
            using (FileSystem fs = FileSystem.Open(image, write: true)) SmallFiles.Fill(fs, options, new byte[options.Bytes]);
            Race($"{options.Files:N0} files of {options.Bytes} bytes", image, options);

            File.Delete(image);
            SmallFiles.Make(image, "4t");
            using (FileSystem fs = FileSystem.Open(image, write: true)) Fragment(fs, files: 100, options.Extents / 100);
            Race($"{options.Extents:N0} extents in 100 files of a sparse 4 TiB image", image, options);
        }
        finally
        {
            File.Delete(image);
        }
        return 0;
    }

    /// <summary>Every second block is written, so no two extents can become one.</summary>
    private static void Fragment(FileSystem fs, int files, int extents)
    {
        byte[] block = new byte[4096];
        for (int i = 0; i < files; i++)
        {
            using XfsFile file = fs.CreateFile($"/f{i}", mustBeNew: true);
            file.SetLength(extents * 8192L);
            for (int e = 0; e < extents; e++) file.Write(e * 8192L, block.AsSpan(0, 1));
        }
    }

    private static void Race(string what, string image, Options options)
    {
        string cli = Path.Combine(AppContext.BaseDirectory, "ImageFs.Cli.dll");
        if (!File.Exists(cli)) throw new FileNotFoundException("the command line is built beside the benchmarks", cli);
        List<Figures> ours = [], theirs = [];
        bool judge = LoopMount.Run("sh", "-c", "command -v xfs_repair") == 0;
        for (int run = 0; run < options.Runs; run++)
        {
            ours.Add(Measure("dotnet", cli, "fsck", "-n", "-q", image));
            if (judge) theirs.Add(Measure("xfs_repair", "-n", image));
        }
        Console.WriteLine(what);
        Console.WriteLine($"  fsck -n        {Describe(ours)}");
        if (!judge) return;
        Console.WriteLine($"  xfs_repair -n  {Describe(theirs)}");
        Console.WriteLine($"  ratio          {Median(ours, f => f.Seconds) / Median(theirs, f => f.Seconds):F2} of the time, {Median(ours, f => f.Megabytes) / Median(theirs, f => f.Megabytes):F2} of the memory");
    }

    private static Figures Measure(string file, params string[] args)
    {
        ProcessStartInfo start = new(file) { RedirectStandardOutput = true, RedirectStandardError = true };
        foreach (string arg in args) start.ArgumentList.Add(arg);
        Stopwatch watch = Stopwatch.StartNew();
        using Process process = Process.Start(start)!;
        process.OutputDataReceived += (_, _) => { };
        process.ErrorDataReceived += (_, _) => { };
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
        long peak = 0;
        while (!process.WaitForExit(5))
        {
            process.Refresh();
            try { peak = Math.Max(peak, process.PeakWorkingSet64); }
            catch (InvalidOperationException) { break; } // it has just ended
        }
        process.WaitForExit();
        double seconds = watch.Elapsed.TotalSeconds;
        if (process.ExitCode != 0) throw new InvalidOperationException($"{file} {string.Join(' ', args)} found something wrong: exit {process.ExitCode}");
        return new Figures(seconds, peak / 1e6);
    }

    private static double Median(List<Figures> figures, Func<Figures, double> pick) => figures.Select(pick).Order().ElementAt(figures.Count / 2);

    private static string Describe(List<Figures> figures) =>
        $"{Median(figures, f => f.Seconds):F2} s (min {figures.Min(f => f.Seconds):F2}, max {figures.Max(f => f.Seconds):F2}), {Median(figures, f => f.Megabytes):N0} MB";
}
