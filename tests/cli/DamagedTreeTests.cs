using System.Buffers.Binary;
using ImageFs.Devices;
using ImageFs.Format;
using ImageFs.Fsck;
using ImageFs.Tests.Fixtures;
using ImageFs.Tests.Fsck;
using static ImageFs.Tests.Cli.CliRun;

namespace ImageFs.Tests.Cli;

/// <summary>
/// Trees that are none: a directory in itself, a directory with two parents, names that are no names. What can be read is, every
/// command comes to an end, nothing leaves its folder, and the check says what is wrong.
/// </summary>
[TestClass]
public sealed class DamagedTreeTests
{
    [TestMethod]
    public void ADirectoryInItselfEndsEveryWalkAndIsReported()
    {
        using TempImage image = Damaged(i => i.Directory(i.BlockDirectory, 0, b => BinaryPrimitives.WriteUInt64BigEndian(b[DamagedImage.Entry(b, 2)..], i.BlockDirectory)), asDirectory: true);
        AssertEveryWalkEnds(image, "another place in the tree");
        AssertReported(image);
    }

    [TestMethod]
    public void ADirectoryWithTwoParentsIsReadAndReported()
    {
        using TempImage image = Damaged(i => i.Directory(i.BlockDirectory, 0, b => BinaryPrimitives.WriteUInt64BigEndian(b[DamagedImage.Entry(b, 2)..], i.NodeDirectory)), asDirectory: true);
        AssertEveryWalkEnds(image, "another place in the tree");
        AssertReported(image);
    }

    [TestMethod]
    [DataRow((byte)'/'), DataRow((byte)0)]
    public void ANameThatIsNoneIsShownAndReportedAndStaysInside(byte wrong)
    {
        using TempImage image = Damaged(i => i.Directory(i.BlockDirectory, 0, b =>
        {
            int at = DamagedImage.Entry(b, 2), length = b[at + 8];
            uint old = DirectoryName.Hash(b.Slice(at + 9, length));
            b[at + 10] = wrong;
            uint hash = DirectoryName.Hash(b.Slice(at + 9, length));
            // The hash index agrees with the name, or the block would be damaged in another way.
            ResetHash(b, old, hash, (uint)at / 8);
        }), asDirectory: false);
        CliResult list = Run("ls", "-R", image.Path);
        Assert.AreEqual(0, list.Code, list.Error);
        Assert.AreEqual(0, Run("manifest", image.Path).Code);
        string folder = Scratch.NewFolder();
        CliResult get = Run("get", image.Path, "/", Path.Combine(folder, "out"));
        Assert.AreEqual(1, get.Code);
        StringAssert.Contains(get.Error, "which the host cannot have");
        CollectionAssert.AreEqual(new[] { Path.Combine(folder, "out") }, Directory.GetFileSystemEntries(folder));
        AssertReported(image);
    }

    private static TempImage Damaged(Action<DamagedImage> damage, bool asDirectory)
    {
        DamagedImage damaged = new("dirs-4k");
        damage(damaged);
        if (asDirectory)
            damaged.Directory(damaged.BlockDirectory, 0, b =>
            {
                int at = DamagedImage.Entry(b, 2);
                b[at + 9 + b[at + 8]] = (byte)DirectoryFileType.Directory;
            });
        TempImage image = TempImage.NotYetThere();
        damaged.Device.Save(image.Path);
        return image;
    }

    private static void ResetHash(Span<byte> block, uint old, uint hash, uint address)
    {
        int count = (int)BinaryPrimitives.ReadUInt32BigEndian(block[^8..]), start = block.Length - 8 - 8 * count;
        List<(uint Hash, uint Address)> entries = [];
        for (int i = 0; i < count; i++)
        {
            (uint h, uint a) = (BinaryPrimitives.ReadUInt32BigEndian(block[(start + 8 * i)..]), BinaryPrimitives.ReadUInt32BigEndian(block[(start + 8 * i + 4)..]));
            entries.Add((h == old && a == address ? hash : h, a));
        }
        entries.Sort();
        for (int i = 0; i < count; i++)
        {
            BinaryPrimitives.WriteUInt32BigEndian(block[(start + 8 * i)..], entries[i].Hash);
            BinaryPrimitives.WriteUInt32BigEndian(block[(start + 8 * i + 4)..], entries[i].Address);
        }
    }

    private static void AssertEveryWalkEnds(TempImage image, string said)
    {
        ulong number = new DamagedImage("dirs-4k").BlockDirectory;
        string directory;
        using (FileSystem fs = FileSystem.Open(image.Path))
        {
            directory = "/" + fs.List("/").Single(item => item.Inode.Value == number).Name;
            Assert.IsNotEmpty(fs.List(directory));
        }
        string folder = Scratch.NewFolder();
        foreach (string[] command in (string[][])[["ls", "-R", image.Path], ["manifest", image.Path], ["get", image.Path, "/", Path.Combine(folder, "out")], ["rm", "-r", image.Path, directory]])
        {
            Task<CliResult> work = Task.Run(() => Run(command));
            if (!work.Wait(TimeSpan.FromSeconds(60))) Assert.Fail($"{command[0]} does not come to an end");
            Assert.AreEqual(1, work.Result.Code, $"{command[0]}: {work.Result.Error}");
            Assert.AreEqual(1, work.Result.Error.Count(c => c == '\n'), $"{command[0]}: {work.Result.Error}");
            if (command[0] != "rm") StringAssert.Contains(work.Result.Error, said, command[0]);
        }
    }

    private static void AssertReported(TempImage image)
    {
        using FileDevice device = FileDevice.Open(image.Path, DeviceAccess.Read);
        FsckReport report = Checker.Check(device);
        Assert.AreEqual(FsckExit.ErrorsLeft, report.Exit, report.Problem);
        Assert.IsNotEmpty(report.Findings);
    }
}
