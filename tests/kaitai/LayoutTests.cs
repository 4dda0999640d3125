using System.Reflection;
using System.Runtime.CompilerServices;
using ImageFs.Format;

namespace ImageFs.Tests.Kaitai;

/// <summary>Our structs and format/xfs.ksy agree about which bytes are which field.</summary>
[TestClass]
public sealed class LayoutTests
{
    public static IEnumerable<object[]> Structures => StructureMaps.All.Select((map, index) => new object[] { map.Ours.Name, index });

    [TestMethod, DynamicData(nameof(Structures))]
    public void EveryByteBelongsToTheSameFieldForBoth(string name, int index)
    {
        StructureMap map = StructureMaps.All.ElementAt(index);
        byte[] bytes = new byte[map.Size];
        Dictionary<string, byte[]> ours = map.ReadOurs(bytes);
        Dictionary<string, object> theirs = map.ReadTheirs(bytes);
        CollectionAssert.AreEquivalent(ours.Keys, map.Fields.SelectMany(f => f.Ours).ToArray(), "the map names each of our fields once");
        foreach (string field in map.Fields.SelectMany(f => f.Theirs))
            Assert.IsTrue(theirs.Keys.Any(k => IsPartOf(k, field)), $"xfs.ksy has no {field}");
        foreach (string field in theirs.Keys)
            Assert.IsTrue(map.Fields.Any(f => f.Theirs.Any(t => IsPartOf(field, t))) || map.Ours == typeof(AttributeLeafHeader), $"the map does not name {field}");

        for (int at = 0; at < bytes.Length; at++)
            for (int bit = 0; bit < 8; bit++)
            {
                bytes[at] = (byte)(1 << bit);
                string[] changedOurs = [.. map.ReadOurs(bytes).Where(f => !f.Value.AsSpan().SequenceEqual(ours[f.Key])).Select(f => f.Key)];
                string[] changedTheirs = [.. map.ReadTheirs(bytes).Where(f => !Same(f.Value, theirs.GetValueOrDefault(f.Key))).Select(f => f.Key)];
                string place = $"{name}, byte {at}, bit {bit}";
                Assert.HasCount(1, changedOurs, $"{place}: ours {string.Join(", ", changedOurs)}");
                Assert.HasCount(1, changedTheirs, $"{place}: xfs.ksy {string.Join(", ", changedTheirs)}");
                (string[] _, string[] expected) = map.Fields.Single(f => f.Ours.Contains(changedOurs[0]));
                Assert.IsTrue(expected.Any(e => IsPartOf(changedTheirs[0], e)), $"{place}: ours {changedOurs[0]}, xfs.ksy {changedTheirs[0]}, expected {string.Join(" or ", expected)}");
                bytes[at] = 0;
            }
    }

    [TestMethod]
    public void NoStructOfTheFormatIsForgotten()
    {
        Type[] onDisk = [.. typeof(Superblock).Assembly.GetTypes().Where(type =>
            type is { IsValueType: true, IsEnum: false, IsLayoutSequential: true } && type.StructLayoutAttribute!.Pack == 1
            && type.GetFields(BindingFlags.Instance | BindingFlags.Public).Length > 0 && type.GetCustomAttribute<InlineArrayAttribute>() is null)];
        Assert.IsGreaterThan(20, onDisk.Length);
        Type[] forgotten = [.. onDisk.Except(StructureMaps.All.Select(map => map.Ours))];
        Assert.IsEmpty(forgotten, $"not in StructureMaps: {string.Join(", ", forgotten.Select(type => type.Name))}");
    }

    [TestMethod]
    public void ConstantsOfSizesAndOffsetsAreThoseOfTheStructs()
    {
        foreach (StructureMap map in StructureMaps.All)
        {
            if (map.Ours.GetField("Size")?.GetRawConstantValue() is int size)
                Assert.AreEqual(size, map.Size + (map.Ours == typeof(AttributeLeafHeader) ? StructureMaps.AttributeLeafHeaderStart : 0), map.Ours.Name);
            foreach ((string constant, string field) in ((string, string)[])
                [("CrcOffset", "Crc"), ("LsnOffset", "Lsn"), ("UuidOffset", "Uuid"), ("OwnerOffset", "Owner"), ("BlockNumberOffset", "BlockNumber"), ("NumberOffset", "Number"), ("NextUnlinkedOffset", "NextUnlinked")])
            {
                if (map.Ours.GetField(constant)?.GetRawConstantValue() is not int offset) continue;
                byte[] bytes = new byte[map.Size];
                bytes[offset] = 0xFF;
                Assert.AreNotEqual(0, map.ReadOurs(bytes)[field][0], $"{map.Ours.Name}.{constant}: {field} begins elsewhere");
            }
        }
    }

    private static bool IsPartOf(string path, string field) =>
        path == field || (path.StartsWith(field, StringComparison.Ordinal) && path[field.Length] is '.' or '[');

    private static bool Same(object one, object? other) => one is byte[] bytes ? other is byte[] more && bytes.AsSpan().SequenceEqual(more) : one.Equals(other);
}
