using System.Text;
using ImageFs.Directories;
using ImageFs.Format;
using ImageFs.Transactions;
using Directory = ImageFs.Directories.Directory;

namespace ImageFs.Tests.Directories;

/// <summary>A directory and what it should hold, changed side by side.</summary>
internal sealed class DirectoryModel
{
    public sealed class Expected
    {
        public InodeNumber Inode;
        public DirectoryFileType Type;
        /// <summary>-1 until it was seen in a listing; the same ever after.</summary>
        public long Cookie = -1;
    }

    private readonly List<string> _order = [];

    public DirectoryModel(DirectoryWorld world, Random random)
    {
        World = world;
        Random = random;
        Parent = world.SomeInode(random);
        world.Do(tx => Directory.Initialize(tx, world, Parent));
    }

    public DirectoryWorld World { get; }
    public Random Random { get; }
    public InodeNumber Parent { get; set; }
    public Dictionary<string, Expected> Names { get; } = [];
    /// <summary>Share of inode numbers that need 8 bytes.</summary>
    public double Wide { get; set; }

    private static byte[] Bytes(string name) => Encoding.Latin1.GetBytes(name);

    public void Add(string name)
    {
        Expected entry = new() { Inode = World.SomeInode(Random, Random.NextDouble() < Wide), Type = (DirectoryFileType)Random.Next(1, 9) };
        World.Do(tx => Directory.Add(tx, World, Bytes(name), entry.Inode, entry.Type));
        Names.Add(name, entry);
        _order.Add(name);
    }

    public void Remove(string name)
    {
        InodeNumber removed = default;
        bool found = false;
        World.Do(tx => found = Directory.Remove(tx, World, Bytes(name), out removed));
        Assert.IsTrue(found, $"'{name}' is not there");
        Assert.AreEqual(Names[name].Inode, removed);
        Names.Remove(name);
        _order.RemoveAt(_order.LastIndexOf(name));
    }

    public string Any() => _order[Random.Next(_order.Count)];

    public void RemoveAny()
    {
        // Swap with the last: removing from the middle of a long list is slow.
        int at = Random.Next(_order.Count);
        string name = _order[at];
        _order[at] = _order[^1];
        _order[^1] = name;
        Remove(name);
    }

    public void Replace(string name)
    {
        Expected entry = Names[name];
        entry.Inode = World.SomeInode(Random, Random.NextDouble() < Wide);
        entry.Type = (DirectoryFileType)Random.Next(1, 9);
        World.Do(tx => Directory.Replace(tx, World, Bytes(name), entry.Inode, entry.Type));
    }

    public void ReplaceParent()
    {
        Parent = World.SomeInode(Random, Random.NextDouble() < Wide);
        World.Do(tx => Directory.Replace(tx, World, ".."u8, Parent, DirectoryFileType.Directory));
    }

    /// <summary>Adds and aborts: nothing may have happened.</summary>
    public void AddAndAbort(string name)
    {
        using Transaction tx = World.Begin();
        Directory.Add(tx, World, Bytes(name), World.SomeInode(Random), DirectoryFileType.Regular);
    }

    public void RemoveAndAbort(string name)
    {
        using Transaction tx = World.Begin();
        Assert.IsTrue(Directory.Remove(tx, World, Bytes(name), out _));
    }

    /// <summary>Compares everything: bytes, listing, each lookup.</summary>
    public DirectoryValidator Check()
    {
        (DirectoryValidator facts, List<DirectoryValidator.Entry> entries) = DirectoryValidator.Check(World);
        Assert.AreEqual(Names.Count, entries.Count);
        foreach (DirectoryValidator.Entry entry in entries)
        {
            Assert.IsTrue(Names.TryGetValue(entry.Name, out Expected? expected), $"'{entry.Name}' should not be there");
            Assert.AreEqual(expected.Inode.Value, entry.Inode, entry.Name);
            Assert.AreEqual((byte)expected.Type, entry.Type, entry.Name);
            if (expected.Cookie >= 0) Assert.AreEqual(expected.Cookie, entry.Cookie, $"cookie of '{entry.Name}' changed");
            expected.Cookie = entry.Cookie;
        }

        List<DirectoryEntry> listed = List(0);
        CollectionAssert.AreEqual(new[] { ".", ".." }, listed.Take(2).Select(e => Encoding.Latin1.GetString(e.Name)).ToArray());
        Assert.AreEqual((World.Number, 8L), (listed[0].Inode, listed[0].Cookie));
        Assert.AreEqual((Parent, 10L), (listed[1].Inode, listed[1].Cookie));
        CollectionAssert.AreEqual(
            entries.Select(e => (e.Name, e.Inode, e.Type, e.Cookie)).ToArray(),
            listed.Skip(2).Select(e => (Encoding.Latin1.GetString(e.Name), e.Inode.Value, (byte)e.Type, e.Cookie)).ToArray());
        if (entries.Count > 0)
        {
            int from = Random.Next(entries.Count);
            CollectionAssert.AreEqual(listed.Skip(2 + from).Select(e => e.Cookie).ToArray(), List(entries[from].Cookie).Select(e => e.Cookie).ToArray());
            CollectionAssert.AreEqual(listed.Skip(3 + from).Select(e => e.Cookie).ToArray(), List(entries[from].Cookie + 1).Select(e => e.Cookie).ToArray());
        }

        foreach ((string name, Expected expected) in Names)
        {
            Assert.IsTrue(Directory.TryLookup(World, Bytes(name), out InodeNumber inode, out DirectoryFileType type), $"'{name}' is not found");
            Assert.AreEqual((expected.Inode, expected.Type), (inode, type), name);
        }
        Assert.IsFalse(Directory.TryLookup(World, "no such name"u8, out _, out _));
        Assert.IsTrue(Directory.TryLookup(World, "."u8, out InodeNumber self, out _));
        Assert.AreEqual(World.Number, self);
        Assert.IsTrue(Directory.TryLookup(World, ".."u8, out InodeNumber parent, out _));
        Assert.AreEqual(Parent, parent);
        Assert.AreEqual(Parent, Directory.Parent(World));
        Assert.AreEqual(Names.Count == 0, Directory.IsEmpty(World));
        Assert.AreEqual(facts.Form, Directory.FormOf(World).ToString());
        return facts;
    }

    private List<DirectoryEntry> List(long from)
    {
        List<DirectoryEntry> list = [];
        Directory.List(World, from, (name, inode, type, cookie) =>
        {
            list.Add(new DirectoryEntry(inode, type, name.ToArray(), cookie));
            return true;
        });
        return list;
    }
}

/// <summary>Names for tests.</summary>
internal static class Names
{
    /// <summary>A random legal name; short ones are likelier than long ones.</summary>
    public static string Some(Random random, int longest = 255)
    {
        int length = random.Next(8) == 0 ? random.Next(1, longest + 1) : random.Next(1, Math.Min(longest, 24) + 1);
        return string.Create(length, random, static (span, random) =>
        {
            foreach (ref char one in span)
                do one = (char)random.Next(1, 256);
                while (one == '/');
        });
    }

    /// <summary>
    /// Names of equal length and equal hash: the hash turns by seven bits for each byte, so the top bit of a byte lands on the
    /// bottom bit of the one before it, and flipping both changes nothing.
    /// </summary>
    public static IEnumerable<string> Colliding(int count, int length = 32)
    {
        for (int i = 0; i < count; i++)
            yield return string.Create(length, i, static (span, bits) =>
            {
                for (int pair = 0; pair + 1 < span.Length; pair += 2)
                {
                    int flip = pair / 2 < 31 ? bits >> pair / 2 & 1 : 0;
                    span[pair] = (char)('a' ^ flip);
                    span[pair + 1] = (char)('b' ^ flip << 7);
                }
                if (span.Length % 2 != 0) span[^1] = 'z';
            });
    }
}
