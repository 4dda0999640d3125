using System.Buffers.Binary;
using System.Text.RegularExpressions;
using ImageFs.Devices;
using ImageFs.Format;
using ImageFs.Tests.Fixtures;
using Kaitai;

namespace ImageFs.Tests.Kaitai;

/// <summary>
/// Three readers that do not know each other see the same in the same bytes: our structs, the reader generated from
/// format/xfs.ksy, and xfs_db. Where xfs_db cannot be had the other two are still compared.
/// </summary>
[TestClass]
public sealed partial class WitnessTests
{
    // Of each kind of block in each image, taken from all over it.
    private static int MostOfAKind => 8 * TestSettings.Sweep;
    private static int MostInodes => 60 * TestSettings.Sweep;

    public static IEnumerable<object[]> Images => SampleImages.AllRows;

    private sealed record Place(Witness Witness, long Offset, byte[] Bytes, string[] Commands, string Where);

    [TestMethod, DynamicData(nameof(Images))]
    public void ThreeReadersSeeTheSame(string name)
    {
        MemoryDevice device = MemoryDevice.Load(SampleImages.Path(name));
        Geometry geometry = Volume.ReadSuperblock(device);
        Witness.Surroundings around = new(geometry);
        List<Place> places = [.. Headers(device, geometry), .. Blocks(device, geometry)];
        IReadOnlyList<Dictionary<string, string>>? printed = Judge.Find("xfs_db") is null ? null : XfsDbFields.Print(SampleImages.Path(name), [.. places.Select(p => p.Commands)]);
        int compared = 0, withDb = 0;
        for (int i = 0; i < places.Count; i++)
        {
            Place place = places[i];
            string where = $"{name}, {place.Where}";
            KaitaiStruct structure = place.Witness.Read(place.Bytes, around);
            Dictionary<string, object> theirs = KaitaiValues.Of(structure, computed: true);
            foreach (Witness.Part part in place.Witness.Ours(place.Bytes, around)) compared += CompareOurs(part, place.Bytes, theirs, where);
            if (printed is not null) withDb += ComparePrinted(place.Witness, printed[i], theirs, where);
        }
        Console.WriteLine($"{name}: {places.Count} structures, {compared} fields of ours and {withDb} of xfs_db compared");
        Assert.IsGreaterThan(100, compared);
        if (printed is not null) Assert.IsGreaterThan(100, withDb);
        if (printed is null) Assert.Inconclusive("needs xfs_db, which is not installed (package xfsprogs): our structs and xfs.ksy agree");
    }

    /// <summary>The sample images together have every kind of structure; otherwise the test above would say less than it seems to.</summary>
    [TestMethod]
    public void TheSampleImagesHaveEveryKindOfStructure()
    {
        HashSet<(string, uint)> seen = [];
        HashSet<string> inodes = [];
        foreach (string name in SampleImages.All)
        {
            MemoryDevice device = MemoryDevice.Load(SampleImages.Path(name));
            Geometry geometry = Volume.ReadSuperblock(device);
            foreach (Place place in Blocks(device, geometry, all: true))
            {
                seen.Add((place.Witness.Type, place.Witness.Magic));
                if (place.Witness != Witnesses.Inode) continue;
                InodeCore core = InodeCore.At((ReadOnlySpan<byte>)place.Bytes);
                if (core.Mode == 0) inodes.Add("free");
                else inodes.Add($"{core.Type:x} {core.Format} {(core.ForkOffset == 0 ? "" : core.AttributeFormat)}");
                if (core.Has(InodeFlags2.LargeExtentCounters)) inodes.Add("nrext64");
                inodes.Add(core.Has(InodeFlags2.BigTime) ? "bigtime" : "old times");
            }
        }
        foreach (Witness witness in Witnesses.Blocks) Assert.Contains((witness.Type, witness.Magic), seen, $"{witness.Type} 0x{witness.Magic:x}");
        foreach (string kind in (string[])["free", "nrext64", "bigtime", "old times", "4000 Local ", "4000 Extents ", "8000 Extents ", "8000 Btree Extents",
            "8000 Extents Local", "8000 Extents Extents", "a000 Local ", "a000 Extents ", "2000 Device Extents", "1000 Device Extents", "c000 Device Extents"])
            Assert.Contains(kind, inodes, string.Join("; ", inodes));
    }

    /// <summary>Each of our fields that has exactly one field of theirs to stand for is the same number.</summary>
    private static int CompareOurs(Witness.Part part, byte[] bytes, Dictionary<string, object> theirs, string where)
    {
        byte[] own = bytes[part.At..(part.At + part.Map.Size)];
        object ours = part.Map.Boxed(own);
        int compared = 0;
        foreach ((string[] names, string[] paths) in part.Map.Fields)
        {
            if (names.Length != 1 || paths.Length != 1 || !theirs.TryGetValue(part.Path + paths[0], out object? their)) continue;
            object value = part.Map.Ours.GetField(names[0])!.GetValue(ours)!;
            string label = $"{where}: {part.Map.Ours.Name}.{names[0]} and {part.Path}{paths[0]}";
            switch (value)
            {
                case BigEndian16 number: Assert.AreEqual(number.Value, KaitaiValues.Number(their), label); break;
                case BigEndian32 number: Assert.AreEqual(number.Value, KaitaiValues.Number(their), label); break;
                case BigEndian64 number: Assert.AreEqual(number.Value, KaitaiValues.Number(their), label); break;
                case LittleEndian32 number: Assert.AreEqual(number.Value, KaitaiValues.Number(their), label); break;
                case byte number: Assert.AreEqual(number, KaitaiValues.Number(their), label); break;
                case Uuid uuid: Assert.AreEqual(uuid, new Uuid((byte[])their), label); break;
                default: continue;
            }
            compared++;
        }
        if (ours is PackedExtent packed)
        {
            Extent extent = packed.Unpack();
            (string, ulong)[] fields = [("startoff", extent.Offset.Value), ("startblock", extent.Start.Value), ("blockcount", extent.Length), ("extentflag", extent.Unwritten ? 1ul : 0)];
            foreach ((string field, ulong value) in fields) Assert.AreEqual(value, KaitaiValues.Number(theirs[part.Path + field]), $"{where}: {part.Path}{field}");
            compared += fields.Length;
        }
        if (ours is InodeCore core)
        {
            // An extent counter may be in one of two places, a time in one of two forms.
            Assert.AreEqual(core.ExtentCount, KaitaiValues.Number(theirs["core.nextents"]), where);
            Assert.AreEqual(core.AttrExtentCount, KaitaiValues.Number(theirs["core.anextents"]), where);
            Assert.AreEqual(core.ProjectId, KaitaiValues.Number(theirs["core.projid"]), where);
            foreach ((string field, ulong raw) in ((string, ulong)[])[("atime", core.AccessTime), ("mtime", core.ModifyTime), ("ctime", core.ChangeTime), ("crtime", core.CreateTime)])
            {
                Timestamp time = Timestamp.Decode(raw, core.Has(InodeFlags2.BigTime));
                Assert.AreEqual(unchecked((ulong)time.Seconds), KaitaiValues.Number(theirs[$"core.{field}_sec"]), where);
                Assert.AreEqual(time.Nanoseconds, KaitaiValues.Number(theirs[$"core.{field}_nsec"]), where);
                compared += 2;
            }
            compared += 3;
        }
        return compared;
    }

    private static readonly Dictionary<string, int> s_flags = new()
    {
        ["realtime"] = 0, ["prealloc"] = 1, ["newrtbm"] = 2, ["immutable"] = 3, ["append"] = 4, ["sync"] = 5, ["noatime"] = 6, ["nodump"] = 7, ["rtinherit"] = 8,
        ["projinherit"] = 9, ["nosymlinks"] = 10, ["extsz"] = 11, ["extszinherit"] = 12, ["nodefrag"] = 13, ["filestream"] = 14,
    };

    private static readonly Dictionary<string, int> s_flags2 = new() { ["dax"] = 0, ["reflink"] = 1, ["cowextsz"] = 2, ["bigtime"] = 3, ["nrext64"] = 4 };

    /// <summary>Everything xfs_db prints is in xfs.ksy, under its name there, with that value.</summary>
    private static int ComparePrinted(Witness witness, Dictionary<string, string> printed, Dictionary<string, object> theirs, string where)
    {
        Assert.IsGreaterThan(2, printed.Count, $"{where}: xfs_db printed nothing");
        int compared = 0;
        foreach ((string name, string value) in printed)
        {
            // An empty field is one that this file system does not have.
            if (value.Length == 0 || value == "(empty)") continue;
            if (witness == Witnesses.Inode && InodeFlag(name) is (string word, int bit))
            {
                Assert.AreEqual(ulong.Parse(value, System.Globalization.CultureInfo.InvariantCulture), KaitaiValues.Number(theirs[word]) >> bit & 1, $"{where}: {name}");
                compared++;
                continue;
            }
            string path = OneBased(witness, name) ? Numbered().Replace(witness.Translate(name), m => $"[{int.Parse(m.Groups[1].Value, System.Globalization.CultureInfo.InvariantCulture) - 1}]", 1) : witness.Translate(name);
            if (path.Contains(".either.", StringComparison.Ordinal)) path = path.Replace(".either.", theirs.ContainsKey(path.Replace(".either.", ".local.", StringComparison.Ordinal)) ? ".local." : ".remote.", StringComparison.Ordinal);
            if (Ignored(witness, name, path, theirs)) continue;
            if (!theirs.TryGetValue(path, out object? their)) Assert.Fail($"{where}: xfs_db has {name} = {value}, xfs.ksy has no {path}");
            if (their is byte[] bytes && value.StartsWith('"')) their = System.Text.Encoding.Latin1.GetString(bytes);
            if (!XfsDbFields.Means(path, value, their!)) Assert.Fail($"{where}: xfs_db has {name} = {value}, xfs.ksy has {path} = {their}");
            compared++;
        }
        return compared;
    }

    private static (string, int)? InodeFlag(string name) =>
        name.StartsWith("core.", StringComparison.Ordinal) && s_flags.TryGetValue(name[5..], out int bit) ? ("core.flags", bit)
        : name.StartsWith("v3.", StringComparison.Ordinal) && s_flags2.TryGetValue(name[3..], out bit) ? ("core.flags2", bit) : null;

    // xfs_db counts what is in btrees from 1, everything else from 0.
    private static bool OneBased(Witness witness, string name) =>
        witness.Type is "bnobt" or "cntbt" or "inobt" or "finobt" or "rmapbt" or "refcntbt" or "bmapbtd" || name.Contains(".bmbt.", StringComparison.Ordinal);

    private static bool Ignored(Witness witness, string name, string path, Dictionary<string, object> theirs) =>
        // A name of xfs_db's own for bytes that mean something else since version 3.
        name == "core.flushiter"
        // The first eight bytes of an inode without a data fork.
        || (name == "u3.dev" && !theirs.ContainsKey(path))
        // It shows a file type of free regions, too.
        || (path.EndsWith(".ftype", StringComparison.Ordinal) && theirs.ContainsKey(path.Replace(".ftype", ".freetag", StringComparison.Ordinal)))
        // It reads one sector, the value and the checksum reach further.
        || (witness.Type == "symlink" && name == "data") || (witness.Magic == DirectoryMagic.AttrRemote && name == "data");

    [GeneratedRegex(@"\[(\d+)\]")]
    private static partial Regex Numbered();

    // ---- where the structures are -----------------------------------------------------------------------------------

    private static IEnumerable<Place> Headers(MemoryDevice device, Geometry g)
    {
        for (uint ag = 0; ag < g.AgCount; ag++)
            foreach ((Witness witness, int sector) in ((Witness, int)[])[(Witnesses.Superblock, 0), (Witnesses.Agf, 1), (Witnesses.Agi, 2), (Witnesses.Agfl, 3)])
            {
                long offset = g.HeaderOffset(new AgNumber(ag), sector);
                yield return new(witness, offset, Bytes(device, offset, g.SectorSize), [$"{witness.Type} {ag}"], $"{witness.Type} {ag}");
            }
    }

    private static List<Place> Blocks(MemoryDevice device, Geometry g, bool all = false)
    {
        Dictionary<Witness, List<long>> found = [];
        List<long> used = [], free = [];
        byte[] block = new byte[g.BlockSize];
        for (long at = 0; at < g.DeviceBytes; at += g.BlockSize)
        {
            if (at >= g.LogOffset && at < g.LogOffset + g.LogBytes) continue;
            device.Read(at, block);
            if (BinaryPrimitives.ReadUInt16BigEndian(block) == InodeCore.MagicNumber)
            {
                for (int i = 0; i < g.InodesPerBlock; i++)
                {
                    InodeCore core = InodeCore.At((ReadOnlySpan<byte>)block.AsSpan(i << g.InodeLog));
                    if (core.Magic == InodeCore.MagicNumber && Crc32c.IsValid(block.AsSpan(i << g.InodeLog, g.InodeSize), InodeCore.CrcOffset))
                        (core.Mode == 0 ? free : used).Add(at + (i << g.InodeLog));
                }
                continue;
            }
            foreach (Witness witness in Witnesses.Blocks)
            {
                uint magic = witness.MagicAt == 0 ? BinaryPrimitives.ReadUInt32BigEndian(block) : BinaryPrimitives.ReadUInt16BigEndian(block.AsSpan(witness.MagicAt));
                if (magic == witness.Magic && IsWhole(witness, device, g, at)) (found.TryGetValue(witness, out List<long>? list) ? list : found[witness] = []).Add(at);
            }
        }
        List<Place> places = [];
        foreach ((Witness witness, List<long> offsets) in found)
            foreach (long offset in Spread(offsets, MostOfAKind))
                places.Add(new(witness, offset, Bytes(device, offset, SizeOf(witness, g)), [$"daddr {offset >> 9}", $"type {witness.Type}"], $"{witness.Type} at daddr {offset >> 9}"));
        foreach (long offset in (long[])[.. Spread(used, all ? int.MaxValue : MostInodes), .. Spread(free, 2)])
        {
            byte[] bytes = Bytes(device, offset, g.InodeSize);
            ulong number = InodeCore.At((ReadOnlySpan<byte>)bytes).Number;
            places.Add(new(Witnesses.Inode, offset, bytes, [$"inode {number}"], $"inode {number}"));
        }
        return places;
    }

    // What is left of a block that was freed, or is being written while the plug is pulled, is no witness of anything.
    private static bool IsWhole(Witness witness, MemoryDevice device, Geometry g, long offset)
    {
        int size = SizeOf(witness, g);
        if (offset > g.DeviceBytes - size) return false;
        byte[] bytes = Bytes(device, offset, size);
        int crc = witness.Type switch { "bmapbtd" => LongBtreeHeader.CrcOffset, "dir3" => witness.MagicAt == 8 ? DaBlockHeader.CrcOffset : DirectoryDataHeader.CrcOffset, "attr3" or "symlink" => DaBlockHeader.CrcOffset, _ => ShortBtreeHeader.CrcOffset };
        return Crc32c.IsValid(bytes, crc);
    }

    private static int SizeOf(Witness witness, Geometry g) => witness.Type == "dir3" ? g.DirectoryBlockSize : g.BlockSize;

    private static IEnumerable<long> Spread(List<long> all, int most) =>
        all.Count <= most ? all : Enumerable.Range(0, most).Select(i => all[(int)((long)i * (all.Count - 1) / (most - 1))]);

    private static byte[] Bytes(MemoryDevice device, long offset, int size)
    {
        byte[] bytes = new byte[size];
        device.Read(offset, bytes);
        return bytes;
    }
}
