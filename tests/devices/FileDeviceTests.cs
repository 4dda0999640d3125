using System.Diagnostics;
using ImageFs.Devices;
using ImageFs.Tests.Fixtures;

namespace ImageFs.Tests.Devices;

[TestClass]
public sealed class FileDeviceTests
{
    [TestMethod]
    public void WhatIsWrittenIsReadBackAndNothingElseChanges()
    {
        using TempImage image = TempImage.Of(Enumerable.Repeat((byte)7, 10_000).ToArray());
        using (FileDevice device = FileDevice.Open(image.Path, DeviceAccess.Write))
        {
            Assert.AreEqual(10_000, device.Length);
            device.Write(4_095, [1, 2, 3]);
            byte[] around = new byte[5];
            device.Read(4_094, around);
            CollectionAssert.AreEqual(new byte[] { 7, 1, 2, 3, 7 }, around);
            device.Flush();
        }
        byte[] all = File.ReadAllBytes(image.Path);
        Assert.HasCount(10_000, all);
        Assert.AreEqual(9_997, all.Count(b => b == 7));
    }

    [TestMethod]
    [DataRow(-1L, 1)]
    [DataRow(4_096L, 1)]
    [DataRow(4_000L, 97)]
    [DataRow(long.MaxValue, 2)]
    public void NothingOutsideTheImageIsReadOrWritten(long offset, int length)
    {
        using TempImage image = TempImage.Empty(4_096);
        using FileDevice device = FileDevice.Open(image.Path, DeviceAccess.Write);
        Assert.AreEqual(Errno.EIO, Assert.ThrowsExactly<XfsException>(() => device.Read(offset, new byte[length])).Errno);
        Assert.AreEqual(Errno.EIO, Assert.ThrowsExactly<XfsException>(() => device.Write(offset, new byte[length])).Errno);
        Assert.AreEqual(Errno.EIO, Assert.ThrowsExactly<XfsException>(() => device.Zero(offset, length)).Errno);
        Assert.AreEqual(4_096, image.Length);
    }

    [TestMethod]
    public void AnImageThatShrinksWhileOpenIsAnErrorThatNamesIt()
    {
        using TempImage image = TempImage.Empty(8_192);
        using FileDevice device = FileDevice.Open(image.Path, DeviceAccess.Read);
        // Locks bind only those who ask; truncate(1) does not.
        Shell.Run("truncate", ["-s", "4096", image.Path]).MustSucceed();
        XfsException error = Assert.ThrowsExactly<XfsException>(() => device.Read(0, new byte[8_192]));
        Assert.AreEqual(Errno.EIO, error.Errno);
        StringAssert.Contains(error.Message, image.Path);
    }

    [TestMethod]
    public void ReadingOnlyMeansThatEveryChangeIsRefused()
    {
        using TempImage image = TempImage.Empty(4_096);
        using FileDevice device = FileDevice.Open(image.Path, DeviceAccess.Read);
        Assert.IsFalse(device.CanWrite);
        Assert.AreEqual(Errno.EROFS, Assert.ThrowsExactly<XfsException>(() => device.Write(0, [1])).Errno);
        Assert.AreEqual(Errno.EROFS, Assert.ThrowsExactly<XfsException>(() => device.Zero(0, 1)).Errno);
        device.Flush();
    }

    [TestMethod]
    public void AWriterExcludesEverybodyAndReadersShare()
    {
        using TempImage image = TempImage.Empty(4_096);
        using (FileDevice writer = FileDevice.Open(image.Path, DeviceAccess.Write))
        {
            XfsBusyException error = Assert.ThrowsExactly<XfsBusyException>(() => FileDevice.Open(image.Path, DeviceAccess.Read));
            StringAssert.Contains(error.Message, image.Path);
            if (OperatingSystem.IsLinux())
                StringAssert.Contains(error.Message, "this process");
            Assert.ThrowsExactly<XfsBusyException>(() => FileDevice.Open(image.Path, DeviceAccess.Write));
            Assert.ThrowsExactly<XfsBusyException>(() => FileDevice.Open(image.Path, DeviceAccess.Read, allowInUse: true));
        }
        using FileDevice first = FileDevice.Open(image.Path, DeviceAccess.Read);
        using FileDevice second = FileDevice.Open(image.Path, DeviceAccess.Read);
        Assert.ThrowsExactly<XfsBusyException>(() => FileDevice.Open(image.Path, DeviceAccess.Write));
    }

    [TestMethod]
    public void ALockOfAnotherProcessCountsAndIsNamed()
    {
        string flock = Judge.Require("flock");
        using TempImage image = TempImage.Empty(4_096);
        using (Holding(flock, "--exclusive", image.Path))
        {
            foreach (DeviceAccess access in Enum.GetValues<DeviceAccess>())
            {
                string message = Assert.ThrowsExactly<XfsBusyException>(() => FileDevice.Open(image.Path, access)).Message;
                if (OperatingSystem.IsLinux())
                    StringAssert.Contains(message, "(flock)");
            }
        }
        using (Holding(flock, "--shared", image.Path))
        {
            FileDevice.Open(image.Path, DeviceAccess.Read).Dispose();
            Assert.ThrowsExactly<XfsBusyException>(() => FileDevice.Open(image.Path, DeviceAccess.Write));
        }
        using (FileDevice.Open(image.Path, DeviceAccess.Write))
            Assert.AreEqual(1, Shell.Run(flock, ["--nonblock", "--shared", image.Path, "true"]).ExitCode, "our lock must keep others out");
        Assert.AreEqual(0, Shell.Run(flock, ["--nonblock", image.Path, "true"]).ExitCode, "closing must give the lock back");
    }

    [TestMethod]
    public void ZeroingGivesTheHostItsSpaceBack()
    {
        const int size = 4 << 20;
        using TempImage image = TempImage.Of(Enumerable.Repeat((byte)9, size).ToArray());
        using FileDevice device = FileDevice.Open(image.Path, DeviceAccess.Write);
        device.Zero(100, size - 200);
        byte[] all = new byte[size];
        device.Read(0, all);
        Assert.IsFalse(all.AsSpan(100, size - 200).ContainsAnyExcept((byte)0));
        Assert.AreEqual(200, all.Count(b => b == 9));
        if (OperatingSystem.IsLinux())
            Assert.IsLessThan(1 << 20, Posix.Stat(Posix.Bytes(image.Path)).Blocks * 512);
    }

    [TestMethod]
    public void WhatCannotBeOpenedSaysSoWithItsName()
    {
        string missing = Scratch.NewPath(".img");
        XfsException error = Assert.ThrowsExactly<XfsException>(() => FileDevice.Open(missing, DeviceAccess.Read));
        Assert.AreEqual(Errno.ENOENT, error.Errno);
        StringAssert.Contains(error.Message, missing);
        Assert.AreEqual(Errno.EISDIR, Assert.ThrowsExactly<XfsException>(() => FileDevice.Open(Scratch.Folder, DeviceAccess.Read)).Errno);
        if (!OperatingSystem.IsLinux())
            return;
        string pipe = Scratch.NewPath(".pipe");
        Shell.Run("mkfifo", [pipe]).MustSucceed();
        Assert.AreEqual(Errno.EINVAL, Assert.ThrowsExactly<XfsException>(() => FileDevice.Open(pipe, DeviceAccess.Read)).Errno);
        File.Delete(pipe);
    }

    [TestMethod]
    public void AnImageTheKernelHasMountedIsRefusedUnderAnyOfItsNames()
    {
        Judge.RequireKernel();
        using TempImage image = TempImage.MadeByMkfs(32 << 20);
        string otherName = Scratch.NewPath(".link");
        Shell.Run("ln", [image.Path, otherName]).MustSucceed();
        using (KernelMount mount = KernelMount.ReadWrite(image.Path))
        {
            foreach (string path in new[] { image.Path, otherName })
                foreach (DeviceAccess access in Enum.GetValues<DeviceAccess>())
                {
                    string message = Assert.ThrowsExactly<XfsBusyException>(() => FileDevice.Open(path, access)).Message;
                    StringAssert.Contains(message, $"{mount.Device}, mounted at {mount.Path}");
                }
            Assert.ThrowsExactly<XfsBusyException>(() => FileDevice.Open(image.Path, DeviceAccess.Write, allowInUse: true));
            using (FileDevice device = FileDevice.Open(image.Path, DeviceAccess.Read, allowInUse: true))
            {
                byte[] magic = new byte[4];
                device.Read(0, magic);
                CollectionAssert.AreEqual("XFSB"u8.ToArray(), magic);
            }
            // The name the kernel knows disappears; the file is still there under the other one.
            File.Delete(image.Path);
            Assert.ThrowsExactly<XfsBusyException>(() => FileDevice.Open(otherName, DeviceAccess.Write));
            // The device itself is in use just as much.
            StringAssert.Contains(Assert.ThrowsExactly<XfsBusyException>(() => FileDevice.Open(mount.Device, DeviceAccess.Write)).Message, mount.Path);
            Assert.ThrowsExactly<XfsBusyException>(() => FileDevice.Open(mount.Device, DeviceAccess.Read));
        }
        FileDevice.Open(otherName, DeviceAccess.Write).Dispose();
        File.Delete(otherName);
    }

    [TestMethod]
    public void AFailedFlushIsFinal()
    {
        Judge.RequireKernel();
        string losetup = Judge.Require("losetup");
        // A block device whose host runs out of space: writes land in the page cache, the flush fails.
        string host = Scratch.NewFolder(".full");
        Shell.Run("mount", ["-t", "tmpfs", "-o", "size=1m", "none", host]).MustSucceed();
        string? loop = null;
        try
        {
            string file = Path.Combine(host, "image");
            using (FileStream stream = new(file, FileMode.CreateNew))
                stream.SetLength(16 << 20);
            loop = Shell.Run(losetup, ["--find", "--show", file]).MustSucceed().Output.Trim();
            using (FileDevice device = FileDevice.Open(loop, DeviceAccess.Write))
            {
                Assert.AreEqual(16 << 20, device.Length, "a block device has an end");
                device.Write(0, [1]);
                device.Flush();
                device.Write(0, new byte[8 << 20]);
                XfsShutdownException first = Assert.ThrowsExactly<XfsShutdownException>(device.Flush);
                StringAssert.Contains(first.Message, loop);
                StringAssert.Contains(Assert.ThrowsExactly<XfsShutdownException>(device.Flush).Message, "earlier flush failed");
                Assert.ThrowsExactly<XfsShutdownException>(() => device.Write(0, [1]));
                Assert.ThrowsExactly<XfsShutdownException>(() => device.Zero(0, 1 << 20));
                device.Read(0, new byte[512]);
            }
        }
        finally
        {
            if (loop is not null)
                Shell.Run(losetup, ["--detach", loop]);
            Shell.Run("umount", [host]).MustSucceed();
        }
    }

    private static Holder Holding(string flock, string kind, string path) => new(flock, kind, path);

    /// <summary>Another process with a lock, until disposed.</summary>
    private sealed class Holder : IDisposable
    {
        private readonly Process _process;

        public Holder(string flock, string kind, string path)
        {
            // cat says when the lock is there, and ends with its input.
            _process = Process.Start(new ProcessStartInfo(flock, [kind, path, "sh", "-c", "echo locked; exec cat"])
            {
                RedirectStandardInput = true,
                RedirectStandardOutput = true,
            })!;
            Assert.AreEqual("locked", _process.StandardOutput.ReadLine());
        }

        public void Dispose()
        {
            _process.StandardInput.Close();
            _process.WaitForExit();
            _process.Dispose();
        }
    }
}
