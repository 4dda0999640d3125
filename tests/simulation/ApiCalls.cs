using ImageFs.Dax;
using ImageFs.Deduplication;
using ImageFs.Devices;
using ImageFs.Format;
using ImageFs.Fsck;
using ImageFs.Mkfs;
using ImageFs.Tests.Fixtures;

namespace ImageFs.Tests.Simulation;

/// <summary>A file system with a bit of everything, and every kind of call that can be made on it.</summary>
internal sealed class ApiCalls
{
    private const int B = 4096;

    private static readonly Dictionary<string, Action<FileSystem>> s_calls = new()
    {
        ["create a file"] = fs => fs.CreateFile("/many/new").Dispose(),
        ["empty a file"] = fs => fs.CreateFile("/pieces").Dispose(),
        ["make a directory"] = fs => fs.CreateDirectory("/many/new"),
        ["make a symlink"] = fs => fs.CreateSymbolicLink("/many/new", new string('x', 1000)),
        ["make a node"] = fs => fs.CreateNode("/many/new", FileMode16.CharDevice, 0b110_000_000, 3, 4),
        ["link"] = fs => fs.CreateHardLink("/many/new", "/private"),
        ["delete a file in pieces"] = fs => fs.DeleteFile("/pieces"),
        ["delete a file with attributes"] = fs => fs.DeleteFile("/attributes"),
        ["delete a tree"] = fs => fs.DeleteDirectory("/many", recursive: true),
        ["delete an open file"] = fs =>
        {
            using XfsFile file = fs.OpenFile("/pieces", write: true);
            fs.DeleteFile("/pieces");
            file.Write(0, new byte[100]);
        },
        ["rename"] = fs => fs.Rename("/private", "/many/new"),
        ["rename over a file in pieces"] = fs => fs.Rename("/private", "/pieces"),
        ["exchange names"] = fs => fs.Rename("/many/name 17", "/private", RenameMode.Exchange),
        ["leave a whiteout"] = fs => fs.Rename("/private", "/many/new", RenameMode.Whiteout),
        ["look"] = fs =>
        {
            foreach (DirectoryItem item in fs.List("/many").Take(20)) fs.GetEntry("/many/" + item.Name);
            fs.ListAttributes("/attributes");
            fs.GetAttribute("/attributes", "user.large");
            fs.GetAcl("/many", isDefault: true);
            fs.ReadLink("/link");
            fs.TryGetEntry("/many/nothing");
            _ = fs.Statistics;
        },
        ["set attributes"] = fs => fs.SetAttributes("/attributes", 0b111_000_000, 1, 2, modified: new Timestamp(5, 6)),
        ["set flags"] = fs => fs.SetFlags("/private", InodeFlags.NoDump, projectId: 4),
        ["set hints"] = fs =>
        {
            fs.SetExtentSize("/many", 4 * B);
            fs.SetCowExtentSize("/private", 8 * B);
        },
        ["set a large attribute"] = fs => fs.SetAttribute("/attributes", "user.large", new byte[60_000]),
        ["set an attribute"] = fs => fs.SetAttribute("/private", "user.first", new byte[400]),
        ["remove an attribute"] = fs => fs.RemoveAttribute("/attributes", "user.large"),
        ["set an ACL"] = fs => fs.SetAcl("/private", fs.GetAcl("/many", isDefault: true)),
        ["clone"] = fs => fs.Clone("/pieces", "/many/new"),
        ["clone a range"] = fs => Both(fs, (one, other) => other.CloneRange(one, 0, 3 * B, 50 * B)),
        ["dedupe a range"] = fs => Both(fs, (one, other) => other.DedupeRange(one, 0, 0, 10 * B)),
        ["dedupe several"] = fs => Both(fs, (one, other) => one.DedupeRange(0, 2 * B, [new DedupeTarget(other, 0), new DedupeTarget(other, 4 * B)])),
        ["dedupe everything"] = fs => fs.Deduplicate(new DeduplicationOptions { Paths = ["/equal 1", "/equal 2", "/private"] }),
        ["find owners"] = fs =>
        {
            fs.FindOwners(0, fs.Geometry.DeviceBytes);
            fs.FindDamage(0, 4 << 20);
        },
        ["exchange ranges"] = fs => Both(fs, (one, other) => other.ExchangeRange(one, 0, 0, 8 * B)),
        ["exchange files"] = fs => Both(fs, (one, other) => other.ExchangeRange(one, 0, 0, 0, ExchangeOptions.ToEnd)),
        ["copy a range"] = fs => Both(fs, (one, other) => other.CopyAll(one, 100, 700, 20 * B)),
        ["write into a hole"] = fs => On(fs, "/pieces", file => file.Write(B + 10, new byte[B])),
        ["write much into a hole"] = fs => On(fs, "/private", file => file.Write(100 * B, new byte[2 << 20])),
        ["append"] = fs => On(fs, "/private", file => file.Write(file.Length, new byte[5000])),
        ["overwrite"] = fs => On(fs, "/private", file => file.Write(10, new byte[9000])),
        ["write what is shared"] = fs => On(fs, "/shared", file =>
        {
            for (int i = 0; i < 10; i++) file.Write(i * 5 * B + 100, new byte[3000]);
        }),
        ["write what is shared, and look"] = fs => On(fs, "/shared", file =>
        {
            for (int i = 0; i < 10; i++) file.Write(i * 5 * B + 100, new byte[3000]);
            file.GetExtents();
            file.GetStagedExtents();
            file.Write(B, new byte[B]);
        }),
        ["write what is shared, and clone it"] = fs => Both(fs, (one, other) =>
        {
            one.Write(100, new byte[3000]);
            other.Write(40 * B, new byte[3000]);
            other.CloneRange(one, 0, 8 * B, 8 * B);
        }),
        ["write what is shared, and exchange it"] = fs => Both(fs, (one, other) =>
        {
            one.Write(100, new byte[3000]);
            other.Write(40 * B, new byte[3000]);
            other.ExchangeRange(one, 0, 8 * B, 8 * B);
        }),
        ["write what is shared, and begin a group"] = fs => Both(fs, (one, other) =>
        {
            one.Write(100, new byte[3000]);
            other.Write(40 * B, new byte[3000]);
            fs.Atomically(_ => fs.CreateDirectory("/many/new"));
        }),
        ["write atomically"] = fs => On(fs, "/shared", file => file.AtomicWrite(0, new byte[64 << 10])),
        ["write from a stream"] = fs => On(fs, "/shared", file => file.Write(B, new MemoryStream(new byte[300_000]), 300_000)),
        ["do several things at once"] = fs => fs.Atomically(_ =>
        {
            fs.DeleteFile("/pieces");
            using (XfsFile file = fs.CreateFile("/many/new")) file.Write(0, new byte[20_000]);
            fs.Rename("/many/new", "/private");
            On(fs, "/shared", file => file.Write(7, new byte[20_000]));
        }),
        ["cut off"] = fs => On(fs, "/pieces", file => file.SetLength(5 * B + 1)),
        ["grow"] = fs => On(fs, "/private", file => file.SetLength(1 << 24)),
        ["allocate"] = fs => On(fs, "/pieces", file => file.Allocate(0, 300 * B)),
        ["punch"] = fs => On(fs, "/shared", file => file.PunchHole(100, 30 * B)),
        ["zero"] = fs => On(fs, "/shared", file => file.ZeroRange(100, 30 * B)),
        ["insert"] = fs => On(fs, "/pieces", file => file.InsertRange(4 * B, 2 * B)),
        ["collapse"] = fs => On(fs, "/pieces", file => file.CollapseRange(4 * B, 2 * B)),
        ["unshare"] = fs => On(fs, "/shared", file => file.UnshareRange(0, 60 * B)),
        ["unshare only"] = fs => On(fs, "/shared", file => file.UnshareRange(0, 60 * B, onlyShared: true)),
        ["seal"] = fs => On(fs, "/equal 1", file => file.Seal(SealOptions.RelocateOthers).Dispose()),
        ["seal what is shared"] = fs => On(fs, "/shared", file =>
        {
            file.UnshareRange(0, 30 * B);
            file.Seal(SealOptions.RelocateOthers).Dispose();
        }),
        ["read"] = fs =>
        {
            foreach (string path in (string[])["/shared", "/pieces", "/private"])
            {
                using XfsFile file = fs.OpenFile(path);
                file.ReadAll();
                file.SeekData(3 * B);
                file.GetExtents();
            }
        },
    };

    private static readonly Lazy<ApiCalls> s_instance = new(() =>
    {
        MemoryDevice device = new(64 << 20);
        global::ImageFs.Mkfs.Mkfs.Format(device, MkfsOptions.Parse(["-i", "exchange=1", "-m", "rmapbt=1"]));
        return new ApiCalls(PagedImage.Of(device));
    });

    /// <param name="empty">An empty file system with reflink, rmapbt and exchange.</param>
    public ApiCalls(PagedImage empty)
    {
        SimulatedDevice device = new(empty);
        using (FileSystem fs = FileSystem.Open(device, write: true, leaveOpen: true)) Fill(fs);
        Formatted = device.Working;
    }

    public static ApiCalls Instance => s_instance.Value;

    public static IEnumerable<string> Names => s_calls.Keys;

    public PagedImage Formatted { get; }

    private static void Fill(FileSystem fs)
    {
        fs.CreateDirectory("/many");
        fs.SetAcl("/many", PosixAcl.Parse([2, 0, 0, 0, 1, 0, 7, 0, 255, 255, 255, 255, 2, 0, 6, 0, 5, 0, 0, 0, 4, 0, 5, 0, 255, 255, 255, 255, 16, 0, 7, 0, 255, 255, 255, 255, 32, 0, 4, 0, 255, 255, 255, 255]), isDefault: true);
        for (int i = 0; i < 300; i++) fs.CreateFile($"/many/name {i}").Dispose();
        for (int i = 0; i < 3; i++) fs.CreateDirectory($"/many/folder {i}");
        fs.CreateSymbolicLink("/link", new string('t', 1000));
        Write(fs, "/shared", 0, Pattern.Fill(1, 0, 64 * B));
        fs.Clone("/shared", "/clone");
        Write(fs, "/private", 0, Pattern.Fill(2, 0, 30 * B));
        Write(fs, "/equal 1", 0, Pattern.Fill(3, 0, 30 * B));
        Write(fs, "/equal 2", 0, Pattern.Fill(3, 0, 30 * B));
        for (int i = 0; i < 120; i++) Write(fs, "/pieces", 2 * i * B, Pattern.Fill(4, i, B));
        fs.Clone("/pieces", "/pieces too");
        fs.CreateFile("/attributes").Dispose();
        for (int i = 0; i < 40; i++) fs.SetAttribute("/attributes", $"user.attribute {i}", new byte[50 * i]);
        fs.SetAttribute("/attributes", "user.large", new byte[50_000]);
    }

    /// <summary>
    /// Makes a call on a device that may fail once, and closes the file system. Whatever happened, what is left is in order.
    /// </summary>
    /// <param name="opened">Gets the calls that opening took; null if they do not matter.</param>
    /// <returns>What the caller was told, or null.</returns>
    public XfsException? Run(string call, SimulatedDevice device, long[]? opened)
    {
        FileSystem fs = DeviceErrorTests.Open(device);
        if (opened is not null)
            foreach (Operation operation in Enum.GetValues<Operation>()) opened[(int)operation] = device.Calls(operation);
        XfsException? told = null;
        try
        {
            s_calls[call](fs);
            fs.Flush();
        }
        catch (XfsException why) when (device.HasFailed)
        {
            told = why;
        }
        if (fs.Volume.Journal!.Failure is not null)
        {
            DeviceErrorTests.IsShutDown(fs, device);
            RecoverAll(device);
            return told;
        }
        if (told is not null) LivesOn(fs);
        try
        {
            fs.Dispose();
        }
        catch (XfsException why) when (told is null)
        {
            RecoverAll(device);
            return why;
        }
        IReadOnlyList<string> findings = Check(new SimulatedDevice(device.Working));
        Assert.IsEmpty(findings, $"closed after '{told?.Message}': " + string.Join('\n', findings.Take(8)));
        DeviceErrorTests.Recover(device.Working, Check);
        return told;
    }

    /// <summary>Nobody has kept a lock, and everything can be done.</summary>
    private static void LivesOn(FileSystem fs)
    {
        foreach (string path in (string[])["/shared", "/pieces", "/private", "/clone", "/equal 1", "/equal 2"])
        {
            if (!fs.Exists(path)) continue;
            using XfsFile file = fs.OpenFile(path, write: true);
            file.SetLength(file.Length + 1);
            Assert.AreEqual(file.Length, file.ReadAll().Length);
        }
        using (XfsFile probe = fs.CreateFile("/probe"))
        {
            probe.Write(0, new byte[100_000]);
            fs.Clone("/probe", "/probe too");
            probe.Write(5, new byte[100]);
        }
        fs.Atomically(_ => fs.DeleteFile("/probe"));
        fs.Flush();
    }

    private static void RecoverAll(SimulatedDevice device)
    {
        Geometry geometry = Volume.ReadSuperblock(new SimulatedDevice(device.Durable));
        ByteRange log = new(geometry.LogOffset, geometry.LogBytes);
        foreach (Survival survival in (Survival[])[Survival.None, Survival.All])
            DeviceErrorTests.Recover(survival.Apply(device.Durable, device.Pending, log), Check);
    }

    public static IReadOnlyList<string> Check(BlockDevice device)
    {
        FsckReport report = Checker.Check(device);
        List<string> findings = [.. report.Findings.Select(f => f.ToString())];
        if (!report.IsClean && findings.Count == 0) findings.Add($"exit code {report.Exit}: {report.Problem}");
        return findings;
    }

    private static void Write(FileSystem fs, string path, long offset, byte[] data)
    {
        using XfsFile file = fs.Exists(path) ? fs.OpenFile(path, write: true) : fs.CreateFile(path);
        file.Write(offset, data);
    }

    private static void On(FileSystem fs, string path, Action<XfsFile> work)
    {
        using XfsFile file = fs.OpenFile(path, write: true);
        work(file);
    }

    private static void Both(FileSystem fs, Action<XfsFile, XfsFile> work)
    {
        using XfsFile one = fs.OpenFile("/shared", write: true), other = fs.OpenFile("/clone", write: true);
        work(one, other);
    }
}
