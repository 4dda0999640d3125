using System.Buffers.Binary;
using ImageFs.Devices;
using ImageFs.Format;
using ImageFs.Tests.Fixtures;
using static ImageFs.Tests.Fixtures.Hostile;

namespace ImageFs.Tests.Interop;

/// <summary>
/// Images whose bytes lie, with checksums made right: whatever they say, the library answers with an error that names the
/// place, or does its work; it never crashes, hangs or forgets to say no.
/// </summary>
[TestClass]
public sealed class HostileImageTests
{
    public static IEnumerable<object[]> Clean => SampleImages.CleanRows;

    [TestMethod, DynamicData(nameof(Clean))]
    public void ALyingImageIsReadAndChangedOrRefused(string name)
    {
        int rounds = 12 * TestSettings.Sweep;
        MemoryDevice healthy = MemoryDevice.Load(SampleImages.Path(name));
        Geometry geometry = Volume.ReadSuperblock(healthy);
        List<(long Offset, BlockKind Kind)> blocks = MetadataOf(healthy, geometry);
        for (int round = 0; round < rounds; round++)
        {
            int seed = TestSettings.Seed * 10_000 + round;
            MemoryDevice device = healthy.Clone();
            string damage = Damage(device, geometry, blocks, new Random(seed));
            string story = $"{name}, round {round}: {damage}. {TestSettings.Replay(nameof(ALyingImageIsReadAndChangedOrRefused), TestSettings.Seed)}";
            Try(() => Use(device), story);
        }
    }

    /// <summary>Reads everything, then changes something in several groups; only errors about the image may come out.</summary>
    private static void Use(MemoryDevice device)
    {
        Allow(() =>
        {
            using FileSystem fs = FileSystem.Open(device, leaveOpen: true);
            Walk(fs);
        });
        Allow(() =>
        {
            using FileSystem fs = FileSystem.Open(device, write: true, leaveOpen: true);
            for (int i = 0; i < 8; i++)
            {
                int n = i;
                Allow(() => fs.CreateDirectory($"/new{n}"));
                Allow(() =>
                {
                    using XfsFile file = fs.CreateFile($"/new{n}/file");
                    file.Write(n * 5000, new byte[9000]);
                });
            }
            foreach (DirectoryItem item in fs.List("/"))
            {
                string path = "/" + item.Name;
                for (int i = 0; i < 3; i++)
                {
                    string name = $"trusted.new{i}";
                    byte[] value = new byte[i * 2500 + 10];
                    Allow(() => fs.SetAttribute(path, name, value, followLink: false));
                }
                Allow(() => fs.RemoveAttribute(path, "trusted.new0", followLink: false));
                Allow(() =>
                {
                    if (item.Type == DirectoryFileType.Directory) fs.DeleteDirectory("/" + item.Name, recursive: true);
                    else fs.DeleteFile("/" + item.Name);
                });
            }
        });
    }

    /// <summary>Headers, every block whose magic says what it is, and inode clusters.</summary>
    private static List<(long, BlockKind)> MetadataOf(MemoryDevice device, Geometry g)
    {
        List<(long, BlockKind)> blocks = [];
        for (uint ag = 0; ag < g.AgCount; ag++)
        {
            blocks.Add((g.HeaderOffset(new AgNumber(ag), 1), BlockKind.Agf));
            blocks.Add((g.HeaderOffset(new AgNumber(ag), 2), BlockKind.Agi));
            blocks.Add((g.HeaderOffset(new AgNumber(ag), 3), BlockKind.Agfl));
        }
        byte[] block = new byte[g.BlockSize];
        LogBufferType[] types = [LogBufferType.Btree, LogBufferType.DirectoryBlock, LogBufferType.DirectoryData, LogBufferType.DirectoryFree,
            LogBufferType.DirectoryLeaf1, LogBufferType.DirectoryLeafN, LogBufferType.DaNode, LogBufferType.AttrLeaf, LogBufferType.Symlink];
        for (long at = 0; at < g.DeviceBytes; at += g.BlockSize)
        {
            if (at >= g.LogOffset && at < g.LogOffset + g.LogBytes) continue;
            device.Read(at, block);
            if (BinaryPrimitives.ReadUInt16BigEndian(block) == InodeCore.MagicNumber) blocks.Add((at, BlockKind.InodeCluster));
            else
                foreach (LogBufferType type in types)
                    if (BlockKinds.FromLog(type, block) is BlockKind kind) blocks.Add((at, kind));
        }
        return blocks;
    }

    private static string Damage(MemoryDevice device, Geometry g, List<(long Offset, BlockKind Kind)> blocks, Random random)
    {
        List<string> story = [];
        for (int i = random.Next(1, 4); i > 0; i--)
        {
            (long offset, BlockKind kind) = blocks[random.Next(blocks.Count)];
            int size = kind is BlockKind.Agf or BlockKind.Agi or BlockKind.Agfl ? g.SectorSize : g.BlockSize;
            if (kind is BlockKind.DirectoryData or BlockKind.DirectoryFree or BlockKind.DaBlock) size = Math.Max(size, (int)Math.Min(g.DirectoryBlockSize, g.DeviceBytes - offset));
            byte[] bytes = new byte[size];
            device.Read(offset, bytes);
            int unit = kind == BlockKind.InodeCluster ? g.InodeSize : size, start = random.Next(size / unit) * unit;
            // Near the front lie the counts and pointers.
            int at = start + (random.Next(2) == 0 ? random.Next(Math.Min(unit, 200)) : random.Next(unit));
            byte value = (byte)(random.Next(3) switch { 0 => 0, 1 => 0xFF, _ => bytes[at] ^ 1 << random.Next(8) });
            story.Add($"{kind.Name()} at {offset}, byte {at}: 0x{bytes[at]:x2} -> 0x{value:x2}");
            bytes[at] = value;
            int crc = kind == BlockKind.InodeCluster ? InodeCore.CrcOffset : kind.CrcOffset();
            Crc32c.Stamp(bytes.AsSpan(start, unit), crc);
            device.Write(offset, bytes);
        }
        return string.Join("; ", story);
    }
}
