using System.Diagnostics;
using ImageFs.Devices;
using ImageFs.Format;

namespace ImageFs.Bench;

/// <summary>Our checker and our repair against xfs_repair on the same image, each as a whole process: seconds and peak memory.</summary>
internal static class FsckRace
{
    private readonly record struct Figures(double Seconds, double Megabytes);

    public static int Run(Options options)
    {
        LoopMount.Run(Program, "--help"); // builds it
        string image = Path.Combine(options.Folder, $"imagefs-bench-{Environment.ProcessId}.img");
        try
        {
            SmallFiles.Make(image, "8g");
            using (FileSystem fs = FileSystem.Open(image, write: true)) SmallFiles.Fill(fs, options, new byte[options.Bytes]);
            string files = $"{options.Files:N0} files of {options.Bytes} bytes";
            Race(files, image, options);
            LoseTheRoots(image);
            RaceRepairs($"{files}, all btrees of all groups without their roots", image, options);

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

    /// <summary>The roots of all trees of all groups become noise: none of them can be read from then on, and every one must be written anew.</summary>
    private static void LoseTheRoots(string image)
    {
        using FileDevice device = FileDevice.Open(image, DeviceAccess.Write);
        byte[] sector = new byte[512];
        device.Read(0, sector);
        Geometry g = new(Superblock.At((ReadOnlySpan<byte>)sector));
        byte[] header = new byte[g.SectorSize], noise = new byte[g.BlockSize];
        new Random(1).NextBytes(noise);
        for (uint i = 0; i < g.AgCount; i++)
        {
            AgNumber ag = new(i);
            device.Read(g.HeaderOffset(ag, 1), header);
            Agf agf = Agf.At((ReadOnlySpan<byte>)header);
            device.Read(g.HeaderOffset(ag, 2), header);
            Agi agi = Agi.At((ReadOnlySpan<byte>)header);
            foreach (uint root in (ReadOnlySpan<uint>)[agf.BnoRoot, agf.CntRoot, agf.RmapRoot, agf.RefcountRoot, agi.Root, agi.FreeRoot])
                if (root != 0) device.Write(g.ByteOffset(ag, new AgBlock(root)), noise);
        }
        device.Flush();
    }

    /// <summary>Each repairs a copy of the damaged image of its own, and ours is held against xfs_repair -n.</summary>
    private static void RaceRepairs(string what, string image, Options options)
    {
        string copy = image + ".copy";
        List<Figures> ours = [], theirs = [];
        bool judge = LoopMount.Run("sh", "-c", "command -v xfs_repair") == 0;
        try
        {
            for (int run = 0; run < options.Runs; run++)
            {
                Copy(image, copy);
                ours.Add(Measure(1, Program, "fsck", "-y", "-q", copy));
                if (!judge) continue;
                if (run == 0) Measure(0, "xfs_repair", "-n", copy);
                Copy(image, copy);
                theirs.Add(Measure(0, "xfs_repair", copy));
            }
        }
        finally
        {
            File.Delete(copy);
        }
        Show(what, "fsck -y", ours, "xfs_repair", theirs);
    }

    private static void Copy(string from, string to)
    {
        if (LoopMount.Run("cp", "--sparse=always", from, to) != 0) throw new IOException($"{from} cannot be copied to {to}");
    }

    /// <summary>What users start, as they start it.</summary>
    private static string Program
    {
        get
        {
            string name = OperatingSystem.IsWindows() ? "imagefs.cmd" : "imagefs";
            for (DirectoryInfo? folder = new(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
                if (File.Exists(Path.Combine(folder.FullName, name)) && File.Exists(Path.Combine(folder.FullName, "ImageFs.sln"))) return Path.Combine(folder.FullName, name);
            throw new FileNotFoundException($"no {name} above {AppContext.BaseDirectory}");
        }
    }

    private static void Race(string what, string image, Options options)
    {
        List<Figures> ours = [], theirs = [];
        bool judge = LoopMount.Run("sh", "-c", "command -v xfs_repair") == 0;
        for (int run = 0; run < options.Runs; run++)
        {
            ours.Add(Measure(0, Program, "fsck", "-n", "-q", image));
            if (judge) theirs.Add(Measure(0, "xfs_repair", "-n", image));
        }
        Show(what, "fsck -n", ours, "xfs_repair -n", theirs);
    }

    private static void Show(string what, string us, List<Figures> ours, string them, List<Figures> theirs)
    {
        Console.WriteLine(what);
        Console.WriteLine($"  {us,-14} {Describe(ours)}");
        if (theirs.Count == 0) return;
        Console.WriteLine($"  {them,-14} {Describe(theirs)}");
        Console.WriteLine($"  ratio          {Median(ours, f => f.Seconds) / Median(theirs, f => f.Seconds):F2} of the time, {Median(ours, f => f.Megabytes) / Median(theirs, f => f.Megabytes):F2} of the memory");
    }

    private static Figures Measure(int exit, string file, params string[] args)
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
        if (process.ExitCode != exit) throw new InvalidOperationException($"{file} {string.Join(' ', args)}: exit {process.ExitCode}, expected {exit}");
        return new Figures(seconds, peak / 1e6);
    }

    private static double Median(List<Figures> figures, Func<Figures, double> pick) => figures.Select(pick).Order().ElementAt(figures.Count / 2);

    private static string Describe(List<Figures> figures) =>
        $"{Median(figures, f => f.Seconds):F2} s (min {figures.Min(f => f.Seconds):F2}, max {figures.Max(f => f.Seconds):F2}), {Median(figures, f => f.Megabytes):N0} MB";
}
