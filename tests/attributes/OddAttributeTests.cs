using System.Buffers.Binary;
using ImageFs.Attributes;
using ImageFs.Devices;
using ImageFs.Format;
using ImageFs.Inodes;
using ImageFs.Metadata;
using ImageFs.Names;
using ImageFs.Tests.Fixtures;
using Directory = ImageFs.Directories.Directory;

namespace ImageFs.Tests.Attributes;

/// <summary>What others left in the attributes of an inode: half-made entries, parent pointers, damage.</summary>
[TestClass]
public sealed class OddAttributeTests
{
    private static AttributeKey Key(string name) => new(AttributeFlags.User, Posix.Bytes(name));

    /// <summary>Marks an attribute in a leaf as half made, as a crash of the kernel does.</summary>
    private static void MakeIncomplete(FileSystem fs, Inode inode, string name)
    {
        fs.Volume.Run(tx =>
        {
            AttributeStorage fork = new(fs.Volume, inode);
            MetadataBuffer buffer = fork.ReadBlock(default, BlockKind.DaBlock)!;
            Span<byte> leaf = tx.Modify(buffer);
            foreach (ref AttributeLeafEntry entry in AttributeLeaf.Entries(leaf))
                if (AttributeLeaf.Name(leaf, entry).SequenceEqual(Posix.Bytes(name))) entry.Flags |= AttributeFlags.Incomplete;
        });
    }

    [TestMethod]
    public void AHalfMadeAttributeIsNotSeenAndGoesWhenItsNameIsSetAgain()
    {
        using World world = new();
        FileSystem fs = world.Fs;
        world.Write("/file", 0, 1);
        Inode inode = fs.Resolve("/file", false);
        foreach (string name in new[] { "small", "large", "other" })
            fs.SetAttribute("/file", "user." + name, World.Repeat(1, name == "large" ? 20_000 : 200));
        ulong blocks = inode.Core.BlockCount;
        MakeIncomplete(fs, inode, "small");
        MakeIncomplete(fs, inode, "large");
        Assert.AreEqual("user.other", fs.ListAttributes("/file").Single().Name);
        Assert.AreEqual(Errno.ENODATA, World.ErrnoOf(() => fs.GetAttribute("/file", "user.large")));
        Assert.AreEqual(Errno.ENODATA, World.ErrnoOf(() => fs.RemoveAttribute("/file", "user.large")));
        Assert.AreEqual(Errno.ENODATA, World.ErrnoOf(() => fs.SetAttribute("/file", "user.small", [1], AttributeMode.Replace)));

        fs.SetAttribute("/file", "user.large", World.Repeat(2, 20_000), AttributeMode.Create);
        Assert.AreEqual(blocks, inode.Core.BlockCount.Value, "the half-made value kept its blocks");
        fs.SetAttribute("/file", "user.small", World.Repeat(2, 200), AttributeMode.Create);
        CollectionAssert.AreEqual(World.Repeat(2, 20_000), fs.GetAttribute("/file", "user.large"));
        Assert.HasCount(3, fs.ListAttributes("/file"));
    }

    [TestMethod]
    public void AHalfRemovedValueDoesNotTakeTheBlocksOfAnotherOneAlong()
    {
        using World world = new();
        FileSystem fs = world.Fs;
        world.Write("/file", 0, 1);
        Inode inode = fs.Resolve("/file", false);
        fs.SetAttribute("/file", "user.gone", World.Repeat(1, 20_000));
        fs.SetAttribute("/file", "user.small", World.Repeat(1, 250));
        MakeIncomplete(fs, inode, "gone");
        // The kernel had freed the first two blocks of the value when the power went.
        fs.Volume.Run(tx =>
        {
            AttributeStorage fork = new(fs.Volume, inode);
            fork.RemoveValue(tx, new RemoteValue(new FileBlock(1), 5000));
        });
        fs.SetAttribute("/file", "user.new", World.Repeat(3, 6000));
        fs.SetAttribute("/file", "user.gone", World.Repeat(4, 4100));
        CollectionAssert.AreEqual(World.Repeat(3, 6000), fs.GetAttribute("/file", "user.new"));
        CollectionAssert.AreEqual(World.Repeat(4, 4100), fs.GetAttribute("/file", "user.gone"));
    }

    [TestMethod]
    public void ParentPointersOfOneNameLiveBesideEachOtherInEveryFormAndAreNotListed()
    {
        using World world = new();
        FileSystem fs = world.Fs;
        world.Write("/file", 0, 1);
        Inode inode = fs.Resolve("/file", false);
        byte[][] pointers = [.. Enumerable.Range(0, 300).Select(i =>
        {
            byte[] pointer = new byte[12];
            BinaryPrimitives.WriteUInt64BigEndian(pointer, (ulong)i << 33 | (uint)(100 + i));
            pointer[11] = (byte)i;
            return pointer;
        })];
        foreach (byte[] pointer in pointers)
            fs.Volume.Run(tx => ExtendedAttributes.Set(tx, fs.Volume, inode, new AttributeKey("name"u8, pointer), pointer, AttributeMode.Create));
        fs.SetAttribute("/file", "user.name", "value"u8);
        Assert.AreEqual(ForkFormat.Extents, inode.Core.AttributeFormat);
        Assert.AreEqual("user.name", fs.ListAttributes("/file").Single().Name);
        foreach (byte[] pointer in pointers) Assert.IsTrue(ExtendedAttributes.Exists(fs.Volume, inode, new AttributeKey("name"u8, pointer)));
        for (int i = 0; i < pointers.Length; i++)
        {
            byte[] pointer = pointers[i * 7 % pointers.Length];
            fs.Volume.Run(tx => Assert.IsTrue(ExtendedAttributes.Remove(tx, fs.Volume, inode, new AttributeKey("name"u8, pointer))));
            Assert.IsFalse(ExtendedAttributes.Exists(fs.Volume, inode, new AttributeKey("name"u8, pointer)));
        }
        Assert.AreEqual("value", System.Text.Encoding.UTF8.GetString(fs.GetAttribute("/file", "user.name")));
        Assert.AreEqual(ForkFormat.Local, inode.Core.AttributeFormat);
    }

    [TestMethod]
    public void ACrashWhileALargeForkIsFreedLeavesWhatRecoveryCanFinish()
    {
        using World world = new(300, "-b", "size=1024");
        FileSystem fs = world.Fs;
        world.Write("/file", 0, 1);
        // Two files in turn, so that no two blocks of a fork touch.
        world.Write("/other", 0, 1);
        for (int i = 0; i < 400; i++)
        {
            fs.SetAttribute("/file", $"user.attribute-{i}", World.Repeat(1, 300));
            fs.SetAttribute("/other", $"user.attribute-{i}", World.Repeat(1, 300));
        }
        Inode inode = fs.Resolve("/file", false);
        uint extents = inode.Core.AttrExtentCount;
        Assert.IsGreaterThan(64u, extents);
        fs.Flush();
        // What DeleteFile does, up to a checkpoint in the middle.
        fs.Volume.Run(tx =>
        {
            inode.Modify(tx).LinkCount = 0;
            Directory.Remove(tx, new NameOperations(fs.Volume).Open(fs.Resolve("/", false)), "file"u8, out _);
            fs.Volume.Unlinked.Add(tx, inode);
        });
        AttributeStorage fork = new(fs.Volume, inode);
        fs.Volume.Run(tx => AttributeTree.Forget(tx, fork));
        fs.Volume.Run(tx =>
        {
            for (int i = 0; i < 40; i++)
            {
                fs.Volume.Map.TryFindLast(inode, ForkKind.Attribute, new FileBlock(FileBlock.Limit), out Extent last);
                fs.Volume.Map.TryUnmap(tx, inode, ForkKind.Attribute, last.Offset, last.End, out Extent removed);
                fs.Files.Drop(tx, inode, ForkKind.Attribute, removed);
            }
        });
        fs.Flush();
        MemoryDevice cut = world.Device.Clone();
        world.CrashAndReopen();
        Assert.IsFalse(world.Fs.Exists("/file"));
        if (Judge.HasKernel)
        {
            string path = Scratch.NewPath(".img");
            cut.Save(path);
            using (KernelMount mount = KernelMount.ReadWrite(path)) mount.AssertNoComplaints();
            XfsRepair.CheckClean(path);
            File.Delete(path);
        }
    }

    [TestMethod]
    [DataRow(0, DisplayName = "short form")]
    [DataRow(1, DisplayName = "leaf")]
    [DataRow(2, DisplayName = "node")]
    public void DamagedAttributesAreRefusedOrReadButNeverFollowedAstray(int form)
    {
        int seed = TestSettings.Seed;
        Console.WriteLine(TestSettings.Replay(nameof(DamagedAttributesAreRefusedOrReadButNeverFollowedAstray), seed));
        MemoryDevice healthy;
        List<(long Offset, int Length, BlockKind Kind)> targets = [];
        using (World world = new(300))
        {
            world.Write("/file", 0, 1);
            int count = form switch { 0 => 5, 1 => 20, _ => 300 };
            for (int i = 0; i < count; i++) world.Fs.SetAttribute("/file", $"user.{i}", World.Repeat(1, form == 0 ? 10 : i == 3 ? 9000 : 60));
            Inode inode = world.Fs.Resolve("/file", false);
            if (form == 0) targets.Add((inode.Cluster.Offset + inode.Slot * world.Fs.Geometry.InodeSize, world.Fs.Geometry.InodeSize, BlockKind.InodeCluster));
            AttributeStorage fork = new(world.Fs.Volume, inode);
            world.Fs.Volume.Map.Walk(inode, ForkKind.Attribute, default, extent =>
            {
                for (uint i = 0; i < extent.Length; i++) targets.Add((world.Fs.Geometry.ByteOffset(extent.Start + i), world.Fs.Geometry.BlockSize, BlockKind.DaBlock));
                return true;
            });
            world.Fs.Flush();
            world.CheckClean();
            healthy = world.Device.Clone();
        }
        Random random = new(seed);
        int refused = 0;
        for (int round = 0; round < 300 * TestSettings.Sweep; round++)
        {
            MemoryDevice device = healthy.Clone();
            string story = $"round {round}:";
            for (int n = random.Next(1, 4); n > 0; n--)
            {
                (long offset, int length, BlockKind kind) = targets[random.Next(targets.Count)];
                byte[] block = new byte[length];
                device.Read(offset, block);
                int from = kind == BlockKind.InodeCluster ? InodeCore.Size : 0;
                int at = random.Next(2) == 0 ? random.Next(from, Math.Min(length, from + 200)) : random.Next(from, length);
                block[at] = (byte)(random.Next(3) switch { 0 => 0, 1 => 0xFF, _ => block[at] ^ 1 << random.Next(8) });
                bool remote = BinaryPrimitives.ReadUInt32BigEndian(block) == DirectoryMagic.AttrRemote;
                Crc32c.Stamp(block, kind == BlockKind.InodeCluster ? InodeCore.CrcOffset : remote ? RemoteHeader.CrcOffset : DaBlockHeader.CrcOffset);
                device.Write(offset, block);
                story += $" byte {at} of the block at {offset} is 0x{block[at]:x2}";
            }
            try
            {
                using FileSystem fs = FileSystem.Open(device, write: true, leaveOpen: true);
                IReadOnlyList<AttributeItem> items = [];
                Allow(() => items = fs.ListAttributes("/file"));
                foreach (AttributeItem item in items)
                    Allow(() =>
                    {
                        Inode inode = fs.Resolve("/file", false);
                        fs.TryGetAttribute(inode, item.NameBytes, out _);
                    });
                for (int i = 0; i < 12; i++)
                {
                    int n = i;
                    Allow(() => fs.SetAttribute("/file", $"user.{random.Next(300)}", World.Repeat(2, random.Next(400))));
                    Allow(() => fs.RemoveAttribute("/file", $"user.{random.Next(300)}"));
                    Allow(() => fs.SetAttribute("/file", $"user.new{n}", World.Repeat(2, 5000)));
                }
                Allow(() => fs.DeleteFile("/file"));
            }
            catch (XfsException) { }
            catch (Exception why)
            {
                Assert.Fail($"{story}: {why}");
            }
        }
        Assert.IsGreaterThan(20, refused);

        void Allow(Action action)
        {
            try
            {
                action();
            }
            catch (CorruptionException)
            {
                refused++;
            }
            catch (XfsException) { }
        }
    }
}
