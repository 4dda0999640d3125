using ImageFs.Devices;
using ImageFs.Tests.Fixtures;

namespace ImageFs.Tests.Devices;

[TestClass]
public sealed class MappedDeviceTests
{
    [TestMethod]
    public void TheMappingAndTheFileAreTheSameBytes()
    {
        using TempImage image = TempImage.Empty(1 << 20);
        using MappedDevice device = MappedDevice.Open(image.Path, DeviceAccess.Write);
        Assert.IsTrue(device.TryGetSpan(70_000, 3, out ReadOnlySpan<byte> span));
        device.Write(70_000, [1, 2, 3]);
        CollectionAssert.AreEqual(new byte[] { 1, 2, 3 }, span.ToArray(), "a write shows in a span handed out before");

        device.GetWritableSpan(70_001, 1)[0] = 9;
        byte[] read = new byte[3];
        device.Read(70_000, read);
        CollectionAssert.AreEqual(new byte[] { 1, 9, 3 }, read, "a store shows in a read");

        device.Zero(65_536, 65_536);
        Assert.AreEqual(0, span[1], "zeroing shows too");
    }

    [TestMethod]
    public void StoresArePersistedAtAnyAlignment()
    {
        using TempImage image = TempImage.Empty(100_000);
        using (MappedDevice device = MappedDevice.Open(image.Path, DeviceAccess.Write))
        {
            device.GetWritableSpan(99_990, 10).Fill(5);
            device.Persist(99_990, 10);
            device.Persist(0, 100_000);
            device.Flush();
        }
        Assert.AreEqual(10, File.ReadAllBytes(image.Path).Count(b => b == 5));
    }

    [TestMethod]
    public void WritableSpansHaveHostBlocksBehindThem()
    {
        if (!OperatingSystem.IsLinux())
            Assert.Inconclusive("reservation is observable on Linux only");
        using TempImage image = TempImage.Empty(8 << 20);
        using MappedDevice device = MappedDevice.Open(image.Path, DeviceAccess.Write);
        Assert.AreEqual(0, Posix.Stat(Posix.Bytes(image.Path)).Blocks);
        _ = device.GetWritableSpan(1 << 20, 1 << 20);
        Assert.IsGreaterThanOrEqualTo(1 << 20, Posix.Stat(Posix.Bytes(image.Path)).Blocks * 512);
        Assert.AreEqual(8 << 20, image.Length);
    }

    [TestMethod]
    public void AFullHostIsAnErrorBeforeAnythingIsStored()
    {
        Judge.RequireKernel();
        string host = Scratch.NewFolder(".full");
        Shell.Run("mount", ["-t", "tmpfs", "-o", "size=1m", "none", host]).MustSucceed();
        try
        {
            string file = Path.Combine(host, "image");
            using (FileStream stream = new(file, FileMode.CreateNew))
                stream.SetLength(16 << 20);
            using MappedDevice device = MappedDevice.Open(file, DeviceAccess.Write);
            Assert.ThrowsExactly<XfsNoSpaceException>(() => device.GetWritableSpan(0, 8 << 20));
            Assert.AreEqual(Errno.ENOSPC, Assert.ThrowsExactly<XfsException>(() => device.Write(0, new byte[8 << 20])).Errno);
        }
        finally
        {
            Shell.Run("umount", [host]).MustSucceed();
        }
    }

    [TestMethod]
    public void LocksAreThoseOfAFileDevice()
    {
        using TempImage image = TempImage.Empty(1 << 20);
        using (MappedDevice.Open(image.Path, DeviceAccess.Write))
            Assert.ThrowsExactly<XfsBusyException>(() => FileDevice.Open(image.Path, DeviceAccess.Read));
        using (MappedDevice.Open(image.Path, DeviceAccess.Read))
        {
            Assert.ThrowsExactly<XfsBusyException>(() => MappedDevice.Open(image.Path, DeviceAccess.Write));
            MappedDevice.Open(image.Path, DeviceAccess.Read).Dispose();
        }
        FileDevice.Open(image.Path, DeviceAccess.Write).Dispose();
    }

    [TestMethod]
    public void ReadingOnlyGivesNoWritableBytes()
    {
        using TempImage image = TempImage.Empty(1 << 20);
        using MappedDevice device = MappedDevice.Open(image.Path, DeviceAccess.Read);
        Assert.IsTrue(device.TryGetSpan(0, 4096, out _));
        Assert.AreEqual(Errno.EROFS, Assert.ThrowsExactly<XfsException>(() => device.GetWritableSpan(0, 1)).Errno);
        Assert.AreEqual(Errno.EROFS, Assert.ThrowsExactly<XfsException>(() => device.Write(0, [1])).Errno);
        Assert.AreEqual(Errno.EIO, Assert.ThrowsExactly<XfsException>(() => device.TryGetSpan(1 << 20, 1, out _)).Errno);
    }

    [TestMethod]
    public void WhatCannotBeMappedIsRefusedWithAReason()
    {
        using TempImage empty = TempImage.Empty(0);
        StringAssert.Contains(Assert.ThrowsExactly<XfsUnsupportedException>(() => MappedDevice.Open(empty.Path, DeviceAccess.Read)).Message, "empty");
        using TempImage image = TempImage.Empty(1 << 20);
        MappedDevice closed = MappedDevice.Open(image.Path, DeviceAccess.Read);
        closed.Dispose();
        closed.Dispose();
        Assert.ThrowsExactly<ObjectDisposedException>(() => closed.TryGetSpan(0, 1, out _));
        // The refused attempts above and the closed one hold no lock.
        FileDevice.Open(empty.Path, DeviceAccess.Write).Dispose();
        FileDevice.Open(image.Path, DeviceAccess.Write).Dispose();
    }
}
