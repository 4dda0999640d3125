using ImageFs.Format;
using ImageFs.Tests.Fixtures;

namespace ImageFs.Tests.Attributes;

/// <summary>POSIX ACLs: their forms, their mode, and what new files get from their directory.</summary>
[TestClass]
public sealed class AclTests
{
    private const string Access = "system.posix_acl_access", Default = "system.posix_acl_default";

    private static readonly AclEntry[] s_entries =
        [new(AclTag.Owner, 7), new(AclTag.User, 6, 1000), new(AclTag.OwningGroup, 5), new(AclTag.Group, 4, 100), new(AclTag.Mask, 6), new(AclTag.Other, 1)];

    [TestMethod]
    public void BothFormsHoldTheSameEntries()
    {
        PosixAcl acl = new(s_entries);
        CollectionAssert.AreEqual(s_entries, PosixAcl.Parse(acl.ToBytes())!.Entries.ToArray());
        CollectionAssert.AreEqual(s_entries, PosixAcl.FromDisk(acl.ToDisk())!.Entries.ToArray());
        // The bytes of getxattr(2): version 2, then tag, permissions, number.
        Assert.AreEqual("02000000" + "01000700ffffffff" + "02000600e8030000" + "04000500ffffffff" + "0800040064000000" + "10000600ffffffff" + "20000100ffffffff",
            Convert.ToHexStringLower(acl.ToBytes()));
        // On disk: count, then tag, number, permissions, padding, most significant byte first.
        StringAssert.StartsWith(Convert.ToHexStringLower(acl.ToDisk()), "00000006" + "00000001ffffffff00070000" + "00000002000003e800060000", StringComparison.Ordinal);
        Assert.AreEqual(Convert.ToUInt16("761", 8), acl.Mode);
        Assert.IsFalse(acl.IsMode);
        Assert.IsTrue(PosixAcl.FromMode(0b110_100_000).IsMode);
    }

    [TestMethod]
    public void ListsWithoutSenseAreRefused()
    {
        AclEntry owner = s_entries[0], user = s_entries[1], group = s_entries[2], mask = s_entries[4], other = s_entries[5];
        AclEntry[][] wrong =
        [
            [], [owner], [owner, group], [group, owner, other], [owner, group, other, other], [owner, owner, group, other],
            [owner, user, group, other], [owner, group, mask, mask, other], [owner, group, other, mask], [user, owner, group, mask, other],
            [owner with { Permissions = 8 }, group, other], [owner, group, new AclEntry((AclTag)3, 1), other],
            [owner, user with { Id = uint.MaxValue }, group, mask, other],
        ];
        foreach (AclEntry[] entries in wrong) Assert.AreEqual(Errno.EINVAL, World.ErrnoOf(() => _ = new PosixAcl(entries)), string.Join(' ', entries));
        byte[] good = new PosixAcl(s_entries).ToBytes();
        Assert.AreEqual(Errno.EINVAL, World.ErrnoOf(() => PosixAcl.Parse(good.AsSpan(0, 11))));
        Assert.AreEqual(Errno.EINVAL, World.ErrnoOf(() => PosixAcl.Parse(good.AsSpan(0, 3))));
        Assert.AreEqual(Errno.EOPNOTSUPP, World.ErrnoOf(() => PosixAcl.Parse([1, .. good[1..]])));
        Assert.IsNull(PosixAcl.Parse(good.AsSpan(0, 4)));
        byte[] disk = new PosixAcl(s_entries).ToDisk();
        Assert.IsNull(PosixAcl.FromDisk(disk.AsSpan(0, disk.Length - 1)));
        Assert.IsNull(PosixAcl.FromDisk([0xFF, .. disk[1..]]));
    }

    [TestMethod]
    public void TheModeShowsTheListAndTheListFollowsTheMode()
    {
        using World world = new();
        FileSystem fs = world.Fs;
        world.Write("/file", 0, 1);
        fs.CreateDirectory("/directory");
        fs.SetAcl("/file", new PosixAcl(s_entries));
        Assert.AreEqual("761", Convert.ToString(fs.GetEntry("/file").Mode & 0x1FF, 8));
        CollectionAssert.AreEqual(s_entries, fs.GetAcl("/file")!.Entries.ToArray());
        CollectionAssert.AreEqual(new PosixAcl(s_entries).ToBytes(), fs.GetAttribute("/file", Access));
        CollectionAssert.AreEqual(new PosixAcl(s_entries).ToDisk(), fs.GetAttribute("/file", "trusted.SGI_ACL_FILE"));
        CollectionAssert.AreEquivalent(new[] { Access, "trusted.SGI_ACL_FILE" }, fs.ListAttributes("/file").Select(i => i.Name).ToArray());
        Assert.AreEqual(fs.GetAttribute("/file", Access).Length, fs.ListAttributes("/file").First(i => i.Name == Access).Length);

        fs.SetAttributes("/file", mode: 0b100_010_000);
        Assert.AreEqual(2, fs.GetAcl("/file")!.Entries.First(e => e.Tag == AclTag.Mask).Permissions);
        Assert.AreEqual(5, fs.GetAcl("/file")!.Entries.First(e => e.Tag == AclTag.OwningGroup).Permissions);

        // A list that the mode says completely is not kept.
        fs.SetAttribute("/file", Access, PosixAcl.FromMode(0b110_110_110).ToBytes());
        Assert.AreEqual("666", Convert.ToString(fs.GetEntry("/file").Mode & 0x1FF, 8));
        Assert.IsNull(fs.GetAcl("/file"));
        Assert.AreEqual(Errno.ENODATA, World.ErrnoOf(() => fs.GetAttribute("/file", Access)));
        Assert.IsEmpty(fs.ListAttributes("/file"));
        fs.RemoveAttribute("/file", Access);

        Assert.AreEqual(Errno.EACCES, World.ErrnoOf(() => fs.SetAcl("/file", new PosixAcl(s_entries), isDefault: true)));
        fs.RemoveAttribute("/file", Default);
        Assert.AreEqual(Errno.EINVAL, World.ErrnoOf(() => fs.SetAttribute("/directory", Default, new byte[9])));
        fs.SetAcl("/directory", new PosixAcl(s_entries), isDefault: true);
        Assert.IsNotNull(fs.GetAcl("/directory", isDefault: true));
        fs.SetAcl("/directory", null, isDefault: true);
        Assert.IsNull(fs.GetAcl("/directory", isDefault: true));
    }

    [TestMethod]
    public void NewFilesGetWhatTheKernelGivesThem()
    {
        Judge.RequireKernel();
        int seed = TestSettings.Seed;
        Console.WriteLine(TestSettings.Replay(nameof(NewFilesGetWhatTheKernelGivesThem), seed));
        using TempImage theirs = TempImage.MadeByMkfs(512 << 20), ours = TempImage.CopyOf(theirs.Path);
        TreeListing expected;
        using (KernelMount mount = KernelMount.ReadWrite(theirs.Path))
        {
            Run(seed, (path, name, value) => Posix.SetAttribute(Posix.Bytes(mount[path]), Posix.Bytes(name), value),
                (kind, path, mode) => Posix.Make(kind, Posix.Bytes(mount[path]), mode),
                (path, mode) => Posix.ChangeMode(Posix.Bytes(mount[path]), mode));
            expected = mount.List();
        }
        using (FileSystem fs = FileSystem.Open(ours.Path, write: true))
        {
            Run(seed, (path, name, value) =>
                {
                    try
                    {
                        fs.SetAttribute(path, name, value);
                        return 0;
                    }
                    catch (XfsException why)
                    {
                        return why.Errno;
                    }
                },
                (kind, path, mode) =>
                {
                    if (kind == 'd') fs.CreateDirectory(path, mode);
                    else if (kind == 'p') fs.CreateNode(path, FileMode16.Fifo, mode);
                    else fs.CreateFile(path, mode).Dispose();
                },
                (path, mode) => fs.SetAttributes(path, mode: mode));
            TreeListing.AssertEqual(expected, LibraryListing.Of(fs), TreeFields.Modes | TreeFields.Attributes);
        }
        XfsRepair.CheckClean(ours.Path);
        OurFsck.AssertClean(ours.Path);
        using KernelMount seen = KernelMount.ReadOnly(ours.Path);
        TreeListing.AssertEqual(expected, seen.List(), TreeFields.Modes | TreeFields.Attributes);
    }

    private static void Run(int seed, Func<string, string, byte[], int> set, Action<char, string, ushort> make, Action<string, ushort> chmod)
    {
        Random random = new(seed);
        List<int> errors = [];
        for (int i = 0; i < 40 * TestSettings.Sweep; i++)
        {
            string top = $"/top{i}";
            make('d', top, 0b111_101_101);
            Assert.AreEqual(0, set(top, Default, RandomList(random)));
            foreach (string folder in new[] { top, top + "/d" })
            {
                foreach (char kind in "dfp") make(kind, $"{folder}/{kind}", (ushort)random.Next(0, 0x200));
                Assert.AreEqual(0, set($"{folder}/f", Access, RandomList(random)));
                if (random.Next(2) == 0) chmod($"{folder}/f", (ushort)random.Next(0, 0x200));
                chmod($"{folder}/d", (ushort)random.Next(0, 0x200));
                byte[] broken = RandomList(random);
                broken[random.Next(broken.Length)] ^= (byte)(1 << random.Next(8));
                errors.Add(set($"{folder}/p", Access, broken));
            }
        }
        Assert.Contains(Errno.EINVAL, errors);
    }

    private static byte[] RandomList(Random random)
    {
        List<AclEntry> entries = [new(AclTag.Owner, Permissions())];
        int users = random.Next(4), groups = random.Next(3);
        for (int i = 0; i < users; i++) entries.Add(new AclEntry(AclTag.User, Permissions(), (uint)(1000 * (i + 1))));
        entries.Add(new AclEntry(AclTag.OwningGroup, Permissions()));
        for (int i = 0; i < groups; i++) entries.Add(new AclEntry(AclTag.Group, Permissions(), (uint)(100 * (i + 1))));
        if (users + groups > 0 || random.Next(3) == 0) entries.Add(new AclEntry(AclTag.Mask, Permissions()));
        entries.Add(new AclEntry(AclTag.Other, Permissions()));
        return new PosixAcl(entries).ToBytes();

        // Numbers that no single bit turns into one another: the kernel takes one user twice, xfs_repair does not.
        ushort Permissions() => (ushort)random.Next(8);
    }
}
