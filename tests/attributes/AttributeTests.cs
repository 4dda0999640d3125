using ImageFs.Attributes;
using ImageFs.Format;
using ImageFs.Inodes;
using ImageFs.Tests.Fixtures;

namespace ImageFs.Tests.Attributes;

/// <summary>Attributes in all their forms, judged by a model, our fsck and xfs_repair.</summary>
[TestClass]
public sealed class AttributeTests
{
    private static readonly string[] s_paths = ["/file", "/directory", "/fragments", "/link", "/long-link", "/device", "/fifo"];

    private static AttributeWorkload Prepare(World world, int seed)
    {
        world.Write("/file", 0, World.Repeat(1, 100));
        world.Fs.CreateDirectory("/directory");
        for (int i = 0; i < 9; i++) world.Fs.CreateDirectory($"/directory/with-a-name-of-some-length-{i}");
        // Enough extents for a list that is as long as the inode.
        for (int i = 0; i < 20; i++) world.Write("/fragments", i * 2L * 65536, 1);
        world.Fs.CreateSymbolicLink("/link", "target");
        world.Fs.CreateSymbolicLink("/long-link", new string('t', 300));
        world.Fs.CreateNode("/device", FileMode16.CharDevice, 0b110_000_000, 4, 300);
        world.Fs.CreateNode("/fifo", FileMode16.Fifo, 0b110_000_000);
        return new AttributeWorkload(seed, s_paths) { Special = ["/link", "/long-link", "/device", "/fifo"] };
    }

    [TestMethod]
    [DataRow("", DisplayName = "defaults")]
    [DataRow("-b size=1024", DisplayName = "1 KiB blocks")]
    [DataRow("-b size=2048 -i size=1024", DisplayName = "2 KiB blocks, 1 KiB inodes")]
    [DataRow("-i size=2048", DisplayName = "2 KiB inodes")]
    [DataRow("-b size=65536 -d agcount=2", DisplayName = "64 KiB blocks")]
    [DataRow("-m rmapbt=0,reflink=0 -i nrext64=0", DisplayName = "no rmapbt, small counters")]
    public void RandomChangesMatchAModelAndLeaveACleanImage(string options)
    {
        int seed = TestSettings.Seed;
        Console.WriteLine(TestSettings.Replay(nameof(RandomChangesMatchAModelAndLeaveACleanImage), seed));
        using World world = new(600, options.Split(' ', StringSplitOptions.RemoveEmptyEntries));
        AttributeWorkload work = Prepare(world, seed);
        for (int round = 0; round < 4; round++)
        {
            work.MaxValue = round == 0 ? 60 : AttributeFormat.MaxValue;
            work.Removals = round % 2 == 0 ? 20 : 45;
            work.Run(new LibraryAttributes(world.Fs), 150 * TestSettings.Sweep);
            work.AssertSeen(world.Fs);
            world.CheckClean();
            work.AssertSeen(world.Fs);
        }
        Assert.AreEqual(new string('t', 300), world.Fs.ReadLink("/long-link"));
        Assert.AreEqual("target", world.Fs.ReadLink("/link"));
        foreach (string path in s_paths) work.Clear(new LibraryAttributes(world.Fs), path);
        work.AssertSeen(world.Fs);
        foreach (string path in s_paths)
        {
            InodeCore core = world.Fs.Resolve(path, false).Core;
            Assert.AreEqual(0u, core.AttrExtentCount, path);
            bool outgrown = core.IsSymlink && core.Format == ForkFormat.Extents;
            if (core.Format == ForkFormat.Btree || outgrown) Assert.AreEqual(ForkFormat.Local, core.AttributeFormat, path);
            else Assert.AreEqual(0, core.ForkOffset, path);
        }
    }

    [TestMethod]
    [DataRow("", 3000)]
    [DataRow("-b size=1024", 4000)]
    [DataRow("-b size=65536 -d agcount=2", 3000)]
    public void ThousandsOfAttributesComeAndGo(string options, int count)
    {
        using World world = new(600, options.Split(' ', StringSplitOptions.RemoveEmptyEntries));
        world.Write("/file", 0, 1);
        Inode inode = world.Fs.Resolve("/file", false);
        List<ForkFormat> forms = [];
        for (int i = 0; i < count; i++)
        {
            // Every third one collides with all others of its kind.
            world.Fs.SetAttribute(inode, Name(i), World.Repeat((byte)i, i % 100), AttributeMode.Create);
            if (forms.Count == 0 || forms[^1] != inode.Format(ForkKind.Attribute)) forms.Add(inode.Format(ForkKind.Attribute));
        }
        Assert.AreEqual(ForkFormat.Local, forms[0]);
        Assert.IsGreaterThan(1, forms.Count);
        Assert.HasCount(count, world.Fs.ListAttributes(inode));
        world.CheckClean();
        inode = world.Fs.Resolve("/file", false);
        Random random = new(1);
        int[] order = [.. Enumerable.Range(0, count).OrderBy(_ => random.Next())];
        for (int i = 0; i < count; i++)
        {
            int at = order[i];
            Assert.IsTrue(world.Fs.TryGetAttribute(inode, Name(at), out byte[] value) && value.Length == at % 100);
            world.Fs.RemoveAttribute(inode, Name(at));
            Assert.IsFalse(world.Fs.TryGetAttribute(inode, Name(at), out _));
            if (i == count / 2) world.CheckClean();
            if (i == count / 2) inode = world.Fs.Resolve("/file", false);
        }
        Assert.AreEqual(0, inode.Core.ForkOffset);
        Assert.AreEqual(1ul, inode.Core.BlockCount.Value);
    }

    private static byte[] Name(int i) => i % 3 == 0 ? HardNames.Colliding("user.", i) : Posix.Bytes($"user.attribute-{i}");

    [TestMethod]
    public void TheFirstAttributeForkIsAnnouncedInTheSuperblock()
    {
        using World world = new(300);
        world.Write("/file", 0, 1);
        Assert.IsFalse(IsAnnounced(world));
        world.Fs.SetAttribute("/file", "user.a", "b"u8);
        world.CheckClean();
        Assert.IsTrue(IsAnnounced(world));
    }

    private static bool IsAnnounced(World world)
    {
        world.Fs.Flush();
        byte[] sector = new byte[512];
        world.Device.Read(0, sector);
        return (Volume.ReadSuperblock(world.Device).Superblock.VersionBits & VersionBits.Attributes) != 0;
    }

    [TestMethod]
    public void ErrorsAreThoseOfTheKernel()
    {
        using World world = new(300);
        FileSystem fs = world.Fs;
        world.Write("/file", 0, 1);
        fs.CreateSymbolicLink("/link", "nowhere");
        fs.CreateNode("/fifo", FileMode16.Fifo, 0b110_000_000);
        byte[] value = [1, 2, 3];
        Assert.AreEqual(Errno.ENODATA, World.ErrnoOf(() => fs.GetAttribute("/file", "user.none")));
        Assert.AreEqual(Errno.ENODATA, World.ErrnoOf(() => fs.RemoveAttribute("/file", "user.none")));
        Assert.AreEqual(Errno.ENODATA, World.ErrnoOf(() => fs.SetAttribute("/file", "user.none", value, AttributeMode.Replace)));
        fs.SetAttribute("/file", "user.some", value);
        Assert.AreEqual(Errno.EEXIST, World.ErrnoOf(() => fs.SetAttribute("/file", "user.some", value, AttributeMode.Create)));
        Assert.AreEqual(Errno.EOPNOTSUPP, World.ErrnoOf(() => fs.SetAttribute("/file", "other.some", value)));
        Assert.AreEqual(Errno.EOPNOTSUPP, World.ErrnoOf(() => fs.SetAttribute("/file", "system.some", value)));
        Assert.AreEqual(Errno.EOPNOTSUPP, World.ErrnoOf(() => fs.GetAttribute("/file", "some")));
        Assert.AreEqual(Errno.EINVAL, World.ErrnoOf(() => fs.SetAttribute("/file", "user.", value)));
        Assert.AreEqual(Errno.ERANGE, World.ErrnoOf(() => fs.SetAttribute("/file", "", value)));
        Assert.AreEqual(Errno.ERANGE, World.ErrnoOf(() => fs.SetAttribute("/file", "user." + new string('n', 251), value)));
        fs.SetAttribute("/file", "user." + new string('n', 250), value);
        Assert.AreEqual(Errno.E2BIG, World.ErrnoOf(() => fs.SetAttribute("/file", "user.big", new byte[65537])));
        fs.SetAttribute("/file", "user.big", new byte[65536]);
        Assert.AreEqual(Errno.EPERM, World.ErrnoOf(() => fs.SetAttribute("/link", "user.a", value, followLink: false)));
        Assert.AreEqual(Errno.ENOENT, World.ErrnoOf(() => fs.SetAttribute("/link", "user.a", value)));
        Assert.AreEqual(Errno.EPERM, World.ErrnoOf(() => fs.SetAttribute("/fifo", "user.a", value)));
        Assert.AreEqual(Errno.ENODATA, World.ErrnoOf(() => fs.GetAttribute("/fifo", "user.a")));
        fs.SetAttribute("/link", "trusted.a", value, followLink: false);
        Assert.AreEqual(Errno.EOPNOTSUPP, World.ErrnoOf(() => fs.GetAttribute("/link", "system.posix_acl_access", followLink: false)));
        Inode inode = fs.Resolve("/file", false);
        fs.Volume.Run(tx => { inode.Modify(tx).Flags |= InodeFlags.Immutable; });
        Assert.AreEqual(Errno.EPERM, World.ErrnoOf(() => fs.SetAttribute("/file", "user.a", value)));
        Assert.AreEqual(Errno.EPERM, World.ErrnoOf(() => fs.RemoveAttribute("/file", "user.some")));
        CollectionAssert.AreEqual(value, fs.GetAttribute("/file", "user.some"));
    }

    [TestMethod]
    public void ACrashLeavesAnAttributeAsItWasOrAsItBecame()
    {
        using World world = new(300);
        world.Write("/file", 0, 1);
        byte[] old = World.Repeat(1, 30_000), now = World.Repeat(2, 50_000);
        world.Fs.SetAttribute("/file", "user.value", old);
        world.Fs.Flush();
        world.Fs.SetAttribute("/file", "user.value", now);
        world.CrashAndReopen();
        CollectionAssert.AreEqual(old, world.Fs.GetAttribute("/file", "user.value"));
        world.Fs.SetAttribute("/file", "user.value", now);
        world.Fs.Flush();
        world.CrashAndReopen();
        CollectionAssert.AreEqual(now, world.Fs.GetAttribute("/file", "user.value"));
        world.Fs.DeleteFile("/file");
    }

    [TestMethod]
    public void AFullDiskLeavesTheOldValue()
    {
        using World world = new(16);
        world.Write("/file", 0, 1);
        world.Fs.SetAttribute("/file", "user.value", World.Repeat(1, 20_000));
        int i = 0;
        try
        {
            for (; i < 100_000; i++) world.Write($"/fill-{i}", 0, new byte[4096 * 8]);
        }
        catch (XfsNoSpaceException)
        {
        }
        try
        {
            for (int extra = 0; extra < 100_000; extra++) world.Fs.SetAttribute("/file", $"user.{extra}", World.Repeat(3, 5000));
            Assert.Fail("the disk is full");
        }
        catch (XfsNoSpaceException)
        {
        }
        Assert.AreEqual(Errno.ENOSPC, World.ErrnoOf(() => world.Fs.SetAttribute("/file", "user.value", World.Repeat(2, 60_000))));
        CollectionAssert.AreEqual(World.Repeat(1, 20_000), world.Fs.GetAttribute("/file", "user.value"));
        world.Fs.DeleteFile($"/fill-{i / 2}");
        world.Fs.DeleteFile($"/fill-{i / 3}");
    }
}
