using ImageFs.Devices;
using ImageFs.Tests.Fixtures;
using static ImageFs.Tests.Fixtures.World;

namespace ImageFs.Tests.Devices;

/// <summary>Reads and writes through a mapping: nobody can tell but by speed.</summary>
[TestClass]
public sealed class MappedIoTests
{
    [TestMethod]
    public void TheSameCallsLeaveTheSameFilesWhicheverWayTheBytesGo()
    {
        Console.WriteLine(TestSettings.Replay(nameof(TheSameCallsLeaveTheSameFilesWhicheverWayTheBytesGo), TestSettings.Seed));
        using World copied = OnFile(DirectAccess.Never), mapped = OnFile();
        Random random = new(TestSettings.Seed);
        string[] paths = ["/a", "/b", "/c"];
        foreach (string path in paths)
            foreach (World w in new[] { copied, mapped }) w.Fill(path, 20, (byte)path[1]);
        for (int i = 0; i < 400 * TestSettings.Sweep; i++)
        {
            string path = paths[random.Next(3)], other = paths[random.Next(3)];
            long at = random.Next(40 * B);
            int length = random.Next(1, 6 * B), kind = random.Next(8);
            byte value = (byte)random.Next(256);
            List<string> seen = [];
            foreach (World w in new[] { copied, mapped })
            {
                using XfsFile file = w.Fs.OpenFile(path, write: true), from = w.Fs.OpenFile(other);
                try
                {
                    switch (kind)
                    {
                        case 0:
                            file.SetLength(at);
                            break;
                        case 1:
                            file.CloneRange(from, at / B * B, (at / 2) / B * B, 4 * B);
                            break;
                        case 2:
                            w.Fs.Flush();
                            break;
                        default:
                            file.Write(at, Repeat(value, length));
                            break;
                    }
                    seen.Add($"{file.Length} {Convert.ToHexString(System.Security.Cryptography.SHA256.HashData(file.ReadAll()))}");
                }
                catch (XfsException why)
                {
                    seen.Add(why.Message);
                }
            }
            Assert.AreEqual(seen[0], seen[1], $"operation {i}");
        }
        using XfsFile direct = mapped.Fs.OpenFile("/a"), copying = copied.Fs.OpenFile("/a");
        Assert.IsInstanceOfType<MappedDevice>(mapped.Fs.Volume.DataOf(direct.Checked()));
        Assert.IsNotInstanceOfType<MappedDevice>(copied.Fs.Volume.DataOf(copying.Checked()));
    }

    [TestMethod]
    public void BlocksSmallerThanAPageAreCopied()
    {
        using World w = OnFile("-b", "size=1024");
        w.Fill("/a", 4, (byte)'a');
        using XfsFile a = w.Fs.OpenFile("/a");
        Assert.IsNotInstanceOfType<MappedDevice>(w.Fs.Volume.DataOf(a.Checked()));
        IsAll((byte)'a', a.ReadAll());
    }

    [TestMethod]
    public void NothingIsWritableBeforeTheHostHasReservedIt()
    {
        if (!OperatingSystem.IsLinux()) Assert.Inconclusive("mappings are looked up on Linux only");
        using TempImage image = TempImage.Empty(8 << 20);
        using MappedDevice device = MappedDevice.Open(image.Path, DeviceAccess.Write);
        Assert.AreEqual(0, Writable());
        Assert.IsTrue(device.TryGetWritableSpan(3 << 20, 3, out Span<byte> some));
        some.Fill(7);
        Assert.AreEqual(64 << 10, Writable());
        Assert.AreEqual(64 << 10, Posix.Stat(Posix.Bytes(image.Path)).Blocks * 512);
        device.Zero(3 << 20, 64 << 10);
        Assert.AreEqual(64 << 10, Posix.Stat(Posix.Bytes(image.Path)).Blocks * 512, "a promise is not punched away");
        Assert.IsTrue(device.TryGetSpan(3 << 20, 3, out ReadOnlySpan<byte> zeros));
        IsAll(0, zeros);

        long Writable() => File.ReadLines("/proc/self/maps").Where(line => line.EndsWith(image.Path, StringComparison.Ordinal) && line.Contains(" rw", StringComparison.Ordinal)).Sum(line =>
        {
            string[] range = line.Split(' ')[0].Split('-');
            return Convert.ToInt64(range[1], 16) - Convert.ToInt64(range[0], 16);
        });
    }

    [TestMethod]
    public void ThreadsThatMakeTheSameRangeWritableBesideZeroingFindEveryBlockReserved()
    {
        if (!OperatingSystem.IsLinux()) Assert.Inconclusive("reservation is observable on Linux only");
        const int length = 1 << 20;
        for (int round = 0; round < 20 * TestSettings.Sweep; round++)
        {
            using TempImage image = TempImage.Empty(length);
            using MappedDevice device = MappedDevice.Open(image.Path, DeviceAccess.Write);
            Parallel.For(0, 8, thread =>
            {
                // Punching, before or after the reservation, takes nothing away that was promised.
                if (thread % 2 == 0) device.Zero(thread * 64 << 10, 128 << 10);
                Assert.IsTrue(device.TryGetWritableSpan(thread * 32 << 10, length / 2, out Span<byte> bytes));
                if (thread % 2 == 0) bytes[0] = 1;
            });
            const int reached = (7 * 32 << 10) + length / 2;
            Assert.IsGreaterThanOrEqualTo(reached, Posix.Stat(Posix.Bytes(image.Path)).Blocks * 512);
        }
    }

    [TestMethod]
    public void LongStoresReachTheImageAtAnyAlignment()
    {
        Random random = new(TestSettings.Seed);
        byte[] source = new byte[600_000];
        random.NextBytes(source);
        using TempImage image = TempImage.Empty(2 << 20);
        using MappedDevice device = MappedDevice.Open(image.Path, DeviceAccess.Write);
        byte[] found = new byte[device.Length];
        for (int round = 0; round < 100; round++)
        {
            int from = random.Next(300), at = random.Next(300), length = (256 << 10) - 200 + random.Next(300_000);
            device.Zero(0, device.Length);
            Assert.IsTrue(device.TryGetWritableSpan(at, length, out Span<byte> bytes));
            MappedCopy.Store(source.AsSpan(from, length), bytes);
            device.Read(0, found);
            World.IsAll(0, found.AsSpan(0, at));
            Assert.IsTrue(found.AsSpan(at, length).SequenceEqual(source.AsSpan(from, length)), $"{length} bytes from {from} to {at}");
            World.IsAll(0, found.AsSpan(at + length));
        }
    }

    [TestMethod]
    public void S41_AnImageThatSomebodyCutOffIsAnErrorToCopyingReadsAndIsNotOpenedAgain()
    {
        using TempImage broken = TempImage.Empty(64 << 20);
        ImageFs.Mkfs.Mkfs.FormatFile(broken.Path);
        using (FileSystem fs = FileSystem.Open(broken.Path, write: true))
        {
            using XfsFile a = fs.CreateFile("/a");
            a.Write(0, Repeat((byte)'a', 64 * B));
            fs.Flush();
            long at = a.GetExtents()[0].Physical;
            Shell.Run("truncate", "--size", $"{at + 10 * B}", broken.Path).MustSucceed();
            XfsException why = Assert.ThrowsExactly<XfsException>(() => a.ReadAll());
            Assert.AreEqual(Errno.EIO, why.Errno);
            fs.Volume.Abandon();
        }
        StringAssert.Contains(Assert.ThrowsExactly<CorruptionException>(() => FileSystem.Open(broken.Path)).Message, "truncated");
    }
}
