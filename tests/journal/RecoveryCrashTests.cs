using System.Globalization;
using ImageFs.Devices;
using ImageFs.Format;
using ImageFs.Journal;
using ImageFs.Tests.Fixtures;

namespace ImageFs.Tests.Journal;

/// <summary>Logs that are hard to read: wrapped, torn, cut off at work, with large records; and replays that are interrupted.</summary>
[TestClass]
public sealed class RecoveryCrashTests
{
    private const long Size = 128L << 20;

    // Writes about 15 times as many bytes of log as there are files, each round.
    private const string Rounds =
        """
        mkdir -p d; for i in $(seq 1500); do echo $i > d/$i; done; sync -f .
        for k in $(seq ROUNDS); do chmod $((600 + k % 8)) d/*; sync -f .; done; rm d/1*; mv d/2 d/renamed; sync -f .
        """;

    private static string RoundsOf(int count) => Rounds.Replace("ROUNDS", count.ToString(CultureInfo.InvariantCulture), StringComparison.Ordinal);

    [TestMethod]
    [DataRow(30, "32k")]
    [DataRow(45, "256k")]
    [DataRow(70, "64k")]
    public void ALogThatHasGoneAround(int rounds, string logBuffer)
    {
        using DirtyImage image = DirtyImage.Make(Size, ["-m", "rmapbt=0,reflink=0", "-l", "size=5m"], RoundsOf(rounds), mountOptions: $"logbsize={logBuffer}");
        RecoveryResult result = image.AssertReplayedAsTheKernelDoes();
        Assert.IsGreaterThan(1u, result.Position.HeadCycle, "the log has not wrapped");
    }

    [TestMethod]
    public void LargeRecordsWithExtensionHeaders()
    {
        using DirtyImage image = DirtyImage.Make(Size, [], RoundsOf(3), mountOptions: "logbsize=256k");
        RecoveryResult result = image.AssertReplayedAsTheKernelDoes();
        Assert.AreEqual(256 * 1024, result.Position.LastRecordSize);
    }

    [TestMethod]
    public void AFileSystemThatWasGivenAnotherUuid()
    {
        using TempImage made = TempImage.MadeByMkfs(Size);
        XfsDb.Write(made.Path, "uuid generate");
        using DirtyImage image = DirtyImage.From(made, "mkdir d; for i in $(seq 300); do echo $i > d/$i; done; rm d/3*");
        RecoveryResult result = image.AssertReplayedAsTheKernelDoes();
        Assert.AreNotEqual(result.Geometry.Uuid, result.Geometry.MetaUuid);
    }

    [TestMethod]
    public void AFileSystemThatWasGrown()
    {
        Judge.Require("xfs_growfs");
        using TempImage made = TempImage.MadeByMkfs(Size);
        using (FileStream file = File.OpenWrite(made.Path)) file.SetLength(3 * Size);
        Geometry before = DirtyImage.GeometryOf(MemoryDevice.Load(made.Path));
        using DirtyImage image = DirtyImage.From(made, "touch before; xfs_growfs . >/dev/null; for i in $(seq 300); do mkdir $i; echo $i > $i/x; done");
        RecoveryResult result = image.AssertReplayedAsTheKernelDoes();
        Assert.IsGreaterThan(before.AgCount, result.Geometry.AgCount);
    }

    [TestMethod]
    public void SeveralSessionsThatAllEndedInACrash()
    {
        using DirtyImage image = DirtyImage.Make(Size, [], RoundsOf(2));
        image.WorkAgain("for i in $(seq 100); do mkdir again$i; done", flushLog: false);
        image.AssertReplayedAsTheKernelDoes();
        image.WorkAgain("rm -rf again*1; for i in $(seq 100); do echo x >> d/3$i; done; sync -f .; rm d/4*", mountOptions: "logbsize=256k");
        image.AssertReplayedAsTheKernelDoes();
    }

    [TestMethod]
    public void TornRecordsAtTheHeadAreDroppedAsTheKernelDropsThem()
    {
        using DirtyImage image = DirtyImage.Make(Size, [], RoundsOf(2) + "\nfor i in $(seq 40); do mkdir n$i; sync -f .; done", flushLog: false);
        MemoryDevice original = image.Load();
        Geometry geometry = DirtyImage.GeometryOf(original);
        LogPosition whole = LogScan.Find(new LogArea(original, geometry), geometry);
        Random random = new(TestSettings.Seed);
        Console.WriteLine(TestSettings.Replay(nameof(TornRecordsAtTheHeadAreDroppedAsTheKernelDropsThem), TestSettings.Seed));
        for (int round = 0; round < 6 * TestSettings.Sweep; round++)
        {
            MemoryDevice torn = original.Clone();
            // Somewhere in the last records: garbage in a payload, or blocks that were never written.
            uint back = (uint)random.Next(1, 60), count = (uint)random.Next(1, 8);
            byte[] blocks = new byte[512];
            for (uint i = 0; i < Math.Min(count, back); i++)
            {
                long at = geometry.LogOffset + (whole.Head - back + i) * 512L;
                torn.Read(at, blocks);
                if (round % 2 == 0) random.NextBytes(blocks.AsSpan(100));
                else blocks.AsSpan().Clear();
                torn.Write(at, blocks);
            }
            using TempImage file = TempImage.NotYetThere();
            torn.Save(file.Path);
            string damage = $"round {round}: {back} blocks before the head {count} are {(round % 2 == 0 ? "garbage" : "zero")}";
            if (!KernelMounts(file.Path, out string reason))
            {
                // Damage that lies too far back for a write under way is damage to both of us. A last header that was half
                // written, with a foreign UUID or a record size in the billions, stops the kernel; we take it for torn.
                Console.WriteLine($"{damage}: {reason}");
                try
                {
                    Assert.IsLessThan(whole.Head, Recovery.Replay(torn, geometry).Position.Head, damage);
                }
                catch (CorruptionException)
                {
                    // As the kernel.
                }
                continue;
            }
            RecoveryResult result = DirtyImage.AssertReplayedAsTheKernelDoes(file.Path);
            Assert.IsLessThanOrEqualTo(whole.Head, result.Position.Head, damage);
        }
    }

    private static bool KernelMounts(string path, out string reason)
    {
        Judge.RequireKernel();
        using TempImage copy = TempImage.CopyOf(path);
        reason = "";
        try
        {
            using KernelMount mount = KernelMount.ReadWrite(copy.Path);
            return true;
        }
        catch (AssertFailedException e)
        {
            reason = e.Message;
            return false;
        }
    }

    // The kernel logs such blocks piece by piece and cannot replay them itself: it takes each piece for a block, finds no magic in
    // the later ones and refuses the mount. So the tree before the crash is the judge.
    [TestMethod]
    public void DirectoryBlocksThatLieInPiecesAreMadeWhole()
    {
        Judge.Require("python3");
        const string fill =
            """
            import os
            os.mkdir("fill"); os.mkdir("big"); open("one", "w").close(); open("hog", "w").close()
            count = 0
            try:
                while True:
                    with open(f"fill/{count}", "wb") as f: f.write(b"x" * 1000)
                    count += 1
            except OSError: pass
            for i in range(0, count, 2): os.unlink(f"fill/{i}")
            os.system("sync -f .")
            # What is left in one piece.
            at = 0
            while int(os.popen("xfs_bmap hog | wc -l").read()) < 20 and os.system(f"fallocate -o {at} -l 256k hog") == 0: at += 1 << 18
            for i in range(1500): os.link("one", f"big/a_rather_long_name_for_a_directory_entry_{i:06d}")
            os.system("sync -f .")
            for i in range(0, 1500, 3): os.unlink(f"big/a_rather_long_name_for_a_directory_entry_{i:06d}")
            for i in range(1, 100, 3): os.rename(f"big/a_rather_long_name_for_a_directory_entry_{i:06d}", f"big/b{i}")
            """;
        using TempImage image = TempImage.MadeByMkfs(28 << 20, "-b", "size=1024", "-n", "size=65536", "-d", "agcount=1", "-m", "rmapbt=0,reflink=0", "-l", "size=9m");
        using TempImage script = TempImage.Of(System.Text.Encoding.UTF8.GetBytes(fill));
        TreeListing expected;
        using (KernelMount mount = KernelMount.ReadWrite(image.Path))
        {
            mount.Run($"python3 {script.Path}", TimeSpan.FromMinutes(3));
            string map = Shell.Run("xfs_bmap", mount["big"]).MustSucceed().Output;
            Assert.IsGreaterThan(70, map.Split('\n').Length, $"the directory is not in pieces:\n{map}");
            expected = mount.List();
            mount.PullThePlug(flushLog: true);
        }
        MemoryDevice device = MemoryDevice.Load(image.Path);
        RecoveryResult result = DirtyImage.ReplayAndApply(device);
        DirtyImage.MarkClean(device, result);
        using TempImage clean = TempImage.NotYetThere();
        device.Save(clean.Path);
        XfsRepair.CheckClean(clean.Path);
        TreeListing.AssertEqual(expected, DirtyImage.KernelListing(clean.Path));
    }

    [TestMethod]
    public void AFrozenImageIsRecovered()
    {
        Judge.Require("xfs_freeze");
        using TempImage made = TempImage.MadeByMkfs(Size);
        using TempImage frozen = TempImage.NotYetThere();
        using (KernelMount mount = KernelMount.ReadWrite(made.Path))
        {
            mount.Run("mkdir d; for i in $(seq 300); do echo $i > d/$i; done");
            Shell.Run("xfs_freeze", "-f", mount.Path).MustSucceed();
            try
            {
                File.Copy(made.Path, frozen.Path);
            }
            finally
            {
                Shell.Run("xfs_freeze", "-u", mount.Path).MustSucceed();
            }
        }
        DirtyImage.AssertReplayedAsTheKernelDoes(frozen.Path);
    }

    [TestMethod]
    public void ReplayingTheResultAgainChangesNothing()
    {
        using DirtyImage image = DirtyImage.Make(Size, [], RoundsOf(2) + "\nmkdir e; mv d/3* e; rm e/33*");
        MemoryDevice device = image.Load();
        RecoveryResult first = DirtyImage.ReplayAndApply(device);
        MemoryDevice applied = device.Clone();
        RecoveryResult second = DirtyImage.ReplayAndApply(device);
        // Pointers of unlinked lists have no LSN of their own and are repeated always.
        Assert.IsGreaterThan(second.Buffers, first.Buffers);
        Assert.IsGreaterThan(first.Buffers / 2, second.Newer);
        DirtyImage.AssertSame(applied, device);
    }

    [TestMethod]
    public void AReplayThatIsInterruptedAndRepeatedGivesTheSame()
    {
        using DirtyImage image = DirtyImage.Make(Size, [], RoundsOf(1) + "\nmkdir e; mv d/3* e; rm e/33*; cp --reflink=always d/5 e/clone; for i in $(seq 40); do mkdir f$i; done");
        MemoryDevice original = image.Load(), expected = original.Clone();
        DirtyImage.ReplayAndApply(expected);
        Geometry geometry = DirtyImage.GeometryOf(original);
        RecordingDevice recorder = new(original.Clone());
        Recovery.Replay(recorder, geometry).View.Apply();

        int cuts = 0;
        Random random = new(TestSettings.Seed);
        Console.WriteLine(TestSettings.Replay(nameof(AReplayThatIsInterruptedAndRepeatedGivesTheSame), TestSettings.Seed));
        for (int write = 0; write < recorder.Writes.Count; write++)
            for (int attempt = 0; attempt < 4; attempt++)
            {
                MemoryDevice cut = original.Clone();
                for (int i = 0; i <= write; i++)
                {
                    (long offset, byte[] bytes) = recorder.Writes[i];
                    if (i < write) cut.Write(offset, bytes);
                    else
                        // Of the last write any aligned words may have arrived.
                        for (int word = 0; word < bytes.Length; word += 8)
                            if (attempt == 0 ? word < bytes.Length / 2 : random.Next(2) == 0)
                                cut.Write(offset + word, bytes.AsSpan(word, Math.Min(8, bytes.Length - word)));
                }
                DirtyImage.ReplayAndApply(cut);
                DirtyImage.AssertSame(expected, cut, $"after a cut in write {write}");
                cuts++;
            }
        Console.WriteLine($"{cuts} cuts in {recorder.Writes.Count} writes");
    }

    /// <summary>Keeps what is written, in order.</summary>
    private sealed class RecordingDevice(BlockDevice below) : BlockDevice
    {
        public List<(long Offset, byte[] Bytes)> Writes { get; } = [];
        public override long Length => below.Length;
        public override bool CanWrite => true;
        public override void Read(long offset, Span<byte> destination) => below.Read(offset, destination);
        public override void Flush() => below.Flush();
        public override void Write(long offset, ReadOnlySpan<byte> source)
        {
            Writes.Add((offset, source.ToArray()));
            below.Write(offset, source);
        }
    }
}
