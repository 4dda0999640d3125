using ImageFs.Cli.Host;
using ImageFs.Cli.Verbs;
using ImageFs.Deduplication;
using ImageFs.Devices;
using ImageFs.Format;
using ImageFs.Fsck;
using ImageFs.Mkfs;

namespace ImageFs.Cli.Demo;

/// <summary>
/// The demo: one image from mkfs to damage. Every step does one thing the way a user of the library would, and then says
/// what that proves; what it says is checked.
/// </summary>
internal sealed class Story(Narrator narrator, string folder, string image, int seed, bool judges)
{
    private const long ImageBytes = 256L << 20;
    private const int BigFile = 8 << 20, TwinFile = 4 << 20;
    private readonly Random _random = new(seed);

    public void Tell()
    {
        narrator.Say($"seed {seed} (imagefs demo --seed {seed} repeats the random choices)");
        Make();
        using (FileSystem fs = FileSystem.Open(image, write: true))
        {
            Put(fs);
            byte[] original = Clone(fs);
            CopyOnWrite(fs, original);
            Dedupe(fs);
        }
        AskRepair();
        PullThePlug();
        Check();
        AskKernel();
        DoDamage();
    }

    private void Make()
    {
        narrator.Step("mkfs");
        byte[] uuid = new byte[16];
        _random.NextBytes(uuid);
        MkfsPlan plan = Mkfs.Mkfs.FormatFile(image, new MkfsOptions { CreateImage = true, Size = ImageBytes, Uuid = new Guid(uuid), Label = "demo" });
        narrator.Say($"{image}: {Sizes.Human(ImageBytes)}, {plan.AgCount} allocation groups, {plan.BlockSize}-byte blocks, with reflink and reverse map");
        AskRepair();
    }

    private void Put(FileSystem fs)
    {
        narrator.Step("put a tree");
        (string source, string what, Func<string, bool> wanted) = FindTree();
        TreeImport import = new(fs) { Wanted = wanted, Owner = (0, 0) };
        import.Copy(source, "/tree");
        fs.Flush();
        narrator.Say($"{what}: {Sizes.Count(import.Files, "file")} in {Sizes.Count(import.Directories, "directory", "directories")}, {Sizes.Human(import.Bytes)}");
        SortedDictionary<string, string> inside = new(StringComparer.Ordinal);
        foreach ((string path, string print) in Fingerprints.Of(fs))
            if (path.StartsWith("/tree/", StringComparison.Ordinal)) inside[path["/tree".Length..]] = print;
        string? difference = Fingerprints.Difference(Fingerprints.OfHost(source, wanted), inside);
        narrator.Claim(difference is null && import.Files > 0, "every name, mode, symlink and byte is the one on the host", difference ?? "nothing was found to put in");
    }

    private byte[] Clone(FileSystem fs)
    {
        narrator.Step("clone");
        fs.CreateDirectory("/sharing");
        byte[] bytes = Bytes(BigFile);
        Write(fs, "/sharing/original", bytes);
        fs.Flush();
        ulong before = fs.Statistics.FreeBlocks;
        fs.Clone("/sharing/original", "/sharing/clone");
        fs.Flush();
        long taken = (long)(before - fs.Statistics.FreeBlocks) * fs.Geometry.BlockSize;
        narrator.Say($"a file of {Sizes.Human(BigFile)} has a second life as /sharing/clone");
        narrator.Claim(SharedBytes(fs, "/sharing/clone") == BigFile && SharedBytes(fs, "/sharing/original") == BigFile,
            $"all {BigFile / fs.Geometry.BlockSize:N0} blocks belong to both");
        narrator.Claim(taken <= 64 << 10, $"it took {Sizes.Human(taken)} of the image, not {Sizes.Human(BigFile)}");
        return bytes;
    }

    private void CopyOnWrite(FileSystem fs, byte[] original)
    {
        narrator.Step("copy on write");
        byte[] expected = [.. original];
        HashSet<int> blocks = [];
        int block = fs.Geometry.BlockSize, written = 0;
        using (XfsFile clone = fs.OpenFile("/sharing/clone", write: true))
        {
            for (int i = 0; i < 5; i++)
            {
                byte[] change = Bytes(_random.Next(1, 60_000));
                int at = _random.Next(BigFile - change.Length);
                clone.Write(at, change);
                change.CopyTo(expected, at);
                written += change.Length;
                for (int b = at / block; b <= (at + change.Length - 1) / block; b++) blocks.Add(b);
            }
            clone.Flush();
        }
        narrator.Say($"five places of the clone overwritten, {written:N0} bytes at odd offsets");
        narrator.Claim(Fingerprints.Hash(fs, "/sharing/original") == Fingerprints.Hash(original), "the original is what it was, byte for byte");
        narrator.Claim(Fingerprints.Hash(fs, "/sharing/clone") == Fingerprints.Hash(expected), "the clone has exactly the new bytes");
        long shared = SharedBytes(fs, "/sharing/clone") / block, total = BigFile / block;
        narrator.Claim(shared == total - blocks.Count, $"{blocks.Count} blocks were copied, {shared:N0} of {total:N0} are still shared",
            $"{shared:N0} are shared, {total - blocks.Count:N0} should be");
    }

    private void Dedupe(FileSystem fs)
    {
        narrator.Step("dedupe");
        byte[] bytes = Bytes(TwinFile);
        Write(fs, "/sharing/twin-1", bytes);
        Write(fs, "/sharing/twin-2", bytes);
        fs.Flush();
        DeduplicationReport result = fs.Deduplicate(new() { Paths = ["/sharing/twin-1", "/sharing/twin-2"] });
        narrator.Say("two files were written apart and have the same contents");
        narrator.Claim(result is { BytesShared: TwinFile, BytesFreed: > TwinFile * 9L / 10 }, $"compared byte by byte, now one set of blocks: {Sizes.Human(result.BytesFreed)} came free",
            $"{result.BytesShared} bytes are shared, {result.BytesFreed} came free");
        narrator.Claim(Fingerprints.Hash(fs, "/sharing/twin-2") == Fingerprints.Hash(bytes), "both still read as they were written");
    }

    private void PullThePlug()
    {
        narrator.Step("pull the plug");
        SortedDictionary<string, string> before;
        using (FileSystem fs = FileSystem.Open(image)) before = Fingerprints.Of(fs);
        int changes = 300, burstSeed = _random.Next();
        // A rehearsal in memory tells how many writes there are to cut in.
        long first, last;
        using (FileDevice file = FileDevice.Open(image, DeviceAccess.Read))
        {
            PowerCutDevice device = new(new OverlayDevice(file));
            (_, first) = RunBurst(device, burstSeed, changes);
            last = device.Steps;
        }

        Burst burst;
        using (FileDevice file = FileDevice.Open(image, DeviceAccess.Write))
        {
            PowerCutDevice device = new(file) { CutAt = _random.NextInt64(first + 1, last + 1) };
            (burst, _) = RunBurst(device, burstSeed, changes);
            if (!device.IsDead) device.Cut();
            int unflushed = device.Unflushed;
            (int whole, int torn, int lost) = device.Settle(_random);
            narrator.Say($"{burst.Changes} changes and {Sizes.Count(burst.Flushes, "flush", "flushes")} into a burst, the power goes at write {device.Steps:N0}");
            narrator.Say(unflushed == 0 ? "nothing was on its way to the disk"
                : $"of {Sizes.Count(unflushed, "write")} on {(unflushed == 1 ? "its" : "their")} way, {whole} reached the disk, {torn} in part, {lost} not");
        }
        string crashed = image + ".crashed";
        if (judges && Judges.HasKernel) CopySparse(image, crashed);

        using FileSystem after = FileSystem.Open(image, write: true);
        narrator.Claim(after.WasRecovered, $"opened again: {Sizes.Count(after.Volume.Recovery.Transactions, "checkpoint")} replayed from the log", "the log was clean");
        string[] promised = [.. burst.Durable.Keys.Where(path => !burst.Touched.Contains(path)).Order(StringComparer.Ordinal)];
        string? missing = promised.FirstOrDefault(path => !after.Exists(path) || Fingerprints.Hash(after, path) != Fingerprints.Hash(burst.Durable[path]));
        narrator.Claim(missing is null && promised.Length > 0,
            $"nothing that was flushed is lost: {promised.Length} files of the burst are exact, {burst.Touched.Count} names were in the air", $"{missing} is not as it was flushed");
        string? difference = Fingerprints.Difference(before, Fingerprints.Of(after, without: "/burst"));
        narrator.Claim(difference is null, "clones, twins and the tree are untouched", difference);
    }

    /// <returns>What happened, and the step after the first flush.</returns>
    private static (Burst Burst, long FirstFlush) RunBurst(PowerCutDevice device, int seed, int changes)
    {
        long first = 0;
        FileSystem fs = FileSystem.Open(device, write: true, leaveOpen: true);
        Burst burst = new(fs, new Random(seed), "/burst") { Flushed = () => first = first == 0 ? device.Steps : first };
        try
        {
            fs.CreateDirectory("/burst");
            burst.Run(changes);
        }
        catch (Exception why) when (device.IsDead && why is PowerCutException or XfsException)
        {
            // The program is gone; what it had in memory goes with it.
        }
        fs.Volume.Abandon();
        return (burst, first);
    }

    private void Check()
    {
        narrator.Step("fsck");
        using (FileDevice device = FileDevice.Open(image, DeviceAccess.Read))
        {
            FsckReport report = Checker.Check(device);
            FsckStatistics s = report.Statistics;
            narrator.Claim(report.IsClean, $"clean: {s.MetadataBlocks:N0} metadata blocks, {s.Inodes:N0} inodes, {s.Names:N0} names agree with one another",
                report.Problem ?? report.Findings.FirstOrDefault(f => f.Severity != Severity.Info)?.ToString());
        }
        AskRepair();
    }

    private void AskKernel()
    {
        string crashed = image + ".crashed";
        if (!File.Exists(crashed)) return;
        narrator.Step("ask the kernel");
        string mount = Directory.CreateDirectory(Path.Combine(folder, "mount")).FullName;
        try
        {
            SortedDictionary<string, string> ours;
            using (FileSystem fs = FileSystem.Open(image)) ours = Fingerprints.Of(fs);
            if (Judges.AskKernel(image, mount, write: false, out SortedDictionary<string, string> seen) is string refusal)
            {
                narrator.Say($"it was not asked: {refusal}");
                return;
            }
            string? difference = Fingerprints.Difference(ours, seen);
            narrator.Claim(difference is null, $"it mounts the image and reads the same {ours.Count:N0} files and directories", difference);
            refusal = Judges.AskKernel(crashed, mount, write: true, out seen)!;
            difference = refusal ?? Fingerprints.Difference(ours, seen);
            narrator.Claim(difference is null, "it replays our log by itself, on a copy of the crashed image, to the same files", difference);
        }
        finally
        {
            Directory.Delete(mount);
            File.Delete(crashed);
        }
    }

    private void DoDamage()
    {
        narrator.Step("damage");
        narrator.Say("one lie at a time, each in a copy in memory");
        using FileDevice device = FileDevice.Open(image, DeviceAccess.Read);
        using FileSystem fs = FileSystem.Open(device, leaveOpen: true);
        foreach (Damage damage in Damage.Of(fs, _random, "/sharing/original"))
        {
            OverlayDevice copy = new(device);
            damage.Do(copy);
            FsckReport report = Checker.Check(copy);
            Finding? finding = report.Findings.FirstOrDefault(f => f.Severity == Severity.Error);
            narrator.Claim(report.Exit == FsckExit.ErrorsLeft && finding is not null, damage.What, "fsck found nothing");
            if (finding is not null) narrator.Say($"  {finding}");
        }
    }

    private void AskRepair()
    {
        if (!judges || !Judges.HasRepair) return;
        string? complaint = Judges.AskRepair(image);
        narrator.Claim(complaint is null, "xfs_repair -n agrees", complaint);
    }

    /// <summary>The repository this program was built in; where there is none, the program's own folder.</summary>
    private static (string Folder, string What, Func<string, bool> Wanted) FindTree()
    {
        foreach (string start in (ReadOnlySpan<string>)[AppContext.BaseDirectory, Environment.CurrentDirectory])
            for (DirectoryInfo? at = new(start); at is not null; at = at.Parent)
                if (File.Exists(Path.Combine(at.FullName, "ImageFs.sln")))
                    return (at.FullName, "this repository", IsSource);
        return (AppContext.BaseDirectory, "the program's own folder", _ => true);

        static bool IsSource(string path) => Path.GetFileName(path) is not (".git" or ".build" or "bin" or "obj" or "TestResults" or "BenchmarkDotNet.Artifacts");
    }

    private static void CopySparse(string from, string to)
    {
        HostFile about = HostCalls.Stat(from);
        using var source = File.OpenHandle(from, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
        using var target = File.OpenHandle(to, FileMode.CreateNew, FileAccess.Write);
        RandomAccess.SetLength(target, about.Length);
        byte[] buffer = new byte[Common.Piece];
        foreach ((long start, long end) in HostCalls.DataOf(source, about))
            for (long at = start; at < end;)
            {
                int read = RandomAccess.Read(source, buffer.AsSpan(0, (int)Math.Min(buffer.Length, end - at)), at);
                if (read == 0) break;
                RandomAccess.Write(target, buffer.AsSpan(0, read), at);
                at += read;
            }
    }

    private static long SharedBytes(FileSystem fs, string path)
    {
        using XfsFile file = fs.OpenFile(path);
        return file.GetExtents().Where(extent => extent.Shared).Sum(extent => extent.Length);
    }

    private static void Write(FileSystem fs, string path, byte[] bytes)
    {
        using XfsFile file = fs.CreateFile(path);
        file.Write(0, bytes);
    }

    private byte[] Bytes(int length)
    {
        byte[] bytes = new byte[length];
        _random.NextBytes(bytes);
        return bytes;
    }
}
