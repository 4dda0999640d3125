using System.Globalization;
using ImageFs.Attributes;
using ImageFs.Format;
using ImageFs.Tests.Fixtures;

namespace ImageFs.Tests.Attributes;

/// <summary>Something that has files with attributes.</summary>
internal interface IAttributeTree
{
    /// <summary>Error number, 0 for success.</summary>
    int Set(string path, byte[] name, byte[] value, AttributeMode mode);
    int Remove(string path, byte[] name);
}

internal sealed class LibraryAttributes(FileSystem fs) : IAttributeTree
{
    public int Set(string path, byte[] name, byte[] value, AttributeMode mode) => Run(() => fs.SetAttribute(fs.Resolve(path, false), name, value, mode));
    public int Remove(string path, byte[] name) => Run(() => fs.RemoveAttribute(fs.Resolve(path, false), name));

    private static int Run(Action action)
    {
        try
        {
            action();
            return 0;
        }
        catch (XfsException why) when (why is not CorruptionException)
        {
            return why.Errno;
        }
    }
}

internal sealed class KernelAttributes(KernelMount mount) : IAttributeTree
{
    public int Set(string path, byte[] name, byte[] value, AttributeMode mode) => Posix.SetAttribute(Posix.Bytes(mount[path]), name, value, (int)mode);
    public int Remove(string path, byte[] name) => Posix.RemoveAttribute(Posix.Bytes(mount[path]), name);
}

/// <summary>Names that make life hard.</summary>
internal static class HardNames
{
    /// <summary>
    /// Names of one hash, as many as bits allow: five bytes further on a byte is rotated by 35 = 3 bits more, so bit 0 here
    /// and bit 3 there cancel out.
    /// </summary>
    public static byte[] Colliding(string prefix, int number)
    {
        byte[] name = new byte[50];
        Array.Fill(name, (byte)'a');
        for (int bit = 0; bit < 25; bit++)
        {
            if ((number >> bit & 1) == 0) continue;
            int at = bit / 5 * 10 + bit % 5;
            name[at] ^= 1;
            name[at + 5] ^= 8;
        }
        return [.. Posix.Bytes(prefix), .. name];
    }
}

/// <summary>Random changes to the attributes of some files, with a model of what must be there.</summary>
internal sealed class AttributeWorkload(int seed, IReadOnlyList<string> paths)
{
    private static readonly string[] s_prefixes = ["user.", "trusted.", "security."];
    private readonly Random _random = new(seed);
    private readonly Dictionary<string, Dictionary<string, byte[]>> _model = paths.ToDictionary(p => p, _ => new Dictionary<string, byte[]>());

    /// <summary>What each file must have, by escaped full name.</summary>
    public IReadOnlyDictionary<string, Dictionary<string, byte[]>> Model => _model;

    /// <summary>Paths that may not have user.* attributes.</summary>
    public HashSet<string> Special { get; init; } = [];

    /// <summary>Longest value.</summary>
    public int MaxValue { get; set; } = AttributeFormat.MaxValue;

    /// <summary>Leaves out failing calls that do not leave everything as it was in the kernel.</summary>
    public bool LikeTheKernel { get; init; }

    /// <summary>How many of 100 steps remove.</summary>
    public int Removals { get; set; } = 30;

    public void Run(IAttributeTree tree, int steps)
    {
        for (int step = 0; step < steps; step++) Step(tree);
    }

    /// <summary>Removes all attributes of a file in random order.</summary>
    public void Clear(IAttributeTree tree, string path)
    {
        foreach (string name in _model[path].Keys.OrderBy(_ => _random.Next()).ToArray())
        {
            Assert.AreEqual(0, tree.Remove(path, TreeListing.Unescape(name)), $"removing {name} of {path}");
            _model[path].Remove(name);
        }
    }

    private void Step(IAttributeTree tree)
    {
        string path = paths[_random.Next(paths.Count)];
        Dictionary<string, byte[]> have = _model[path];
        bool known = have.Count > 0 && _random.Next(100) < 45;
        if (_random.Next(100) < Removals)
        {
            string gone = known ? have.Keys.ElementAt(_random.Next(have.Count)) : TreeListing.Escape(NewName(path));
            int expected = have.Remove(gone) ? 0 : Errno.ENODATA;
            Assert.AreEqual(expected, tree.Remove(path, TreeListing.Unescape(gone)), $"removing {gone} of {path}");
            return;
        }
        byte[] name = known ? TreeListing.Unescape(have.Keys.ElementAt(_random.Next(have.Count))) : NewName(path);
        string text = TreeListing.Escape(name);
        bool exists = have.TryGetValue(text, out byte[]? old);
        AttributeMode mode = (AttributeMode)_random.Next(3);
        // The kernel makes the fork before it finds that there is nothing to replace.
        if (LikeTheKernel && have.Count == 0) mode = AttributeMode.Either;
        byte[] value = new byte[old is not null && _random.Next(4) == 0 ? old.Length : NewLength()];
        _random.NextBytes(value);
        int error = mode == AttributeMode.Create && exists ? Errno.EEXIST : mode == AttributeMode.Replace && !exists ? Errno.ENODATA : 0;
        Assert.AreEqual(error, tree.Set(path, name, value, mode), $"setting {text} of {path} to {value.Length} bytes, {mode}");
        if (error == 0) have[text] = value;
    }

    private int NewLength() => Math.Min(MaxValue, _random.Next(20) switch
    {
        < 8 => _random.Next(40),
        < 12 => _random.Next(256),
        < 16 => _random.Next(900),
        < 18 => _random.Next(4200),
        18 => _random.Next(20_000),
        _ => _random.Next(3) == 0 ? AttributeFormat.MaxValue - _random.Next(3) : _random.Next(AttributeFormat.MaxValue),
    });

    private byte[] NewName(string path)
    {
        string prefix = s_prefixes[Special.Contains(path) ? _random.Next(1, 3) : _random.Next(3)];
        int number = _random.Next(400);
        return _random.Next(10) switch
        {
            < 3 => HardNames.Colliding(prefix, number),
            < 4 => Posix.Bytes(prefix + new string('n', 245 - prefix.Length) + number.ToString("D10", CultureInfo.InvariantCulture)),
            _ => Posix.Bytes(string.Create(CultureInfo.InvariantCulture, $"{prefix}{new string('x', number % 30)}{number}")),
        };
    }

    /// <summary>Fails unless the library sees the model.</summary>
    public void AssertSeen(FileSystem fs)
    {
        foreach (string path in paths)
        {
            Inodes.Inode inode = fs.Resolve(path, false);
            Dictionary<string, byte[]> have = _model[path];
            List<AttributeItem> items = fs.ListAttributes(inode);
            CollectionAssert.AreEquivalent(have.Keys.ToArray(), items.Select(i => TreeListing.Escape(i.NameBytes)).ToArray(), path);
            foreach (AttributeItem item in items)
            {
                byte[] expected = have[TreeListing.Escape(item.NameBytes)];
                Assert.AreEqual(expected.Length, item.Length, $"length of {item} of {path}");
                Assert.IsTrue(fs.TryGetAttribute(inode, item.NameBytes, out byte[] value) && value.AsSpan().SequenceEqual(expected), $"value of {item} of {path}");
            }
        }
    }

    /// <summary>Fails unless the kernel sees the model.</summary>
    public void AssertSeen(KernelMount mount)
    {
        foreach (string path in paths)
        {
            byte[] at = Posix.Bytes(mount[path]);
            Dictionary<string, byte[]> have = _model[path];
            List<byte[]> names = Posix.AttributeNames(at);
            CollectionAssert.AreEquivalent(have.Keys.ToArray(), names.Select(n => TreeListing.Escape(n)).ToArray(), path);
            foreach (byte[] name in names)
                Assert.IsTrue(Posix.AttributeValue(at, name).AsSpan().SequenceEqual(have[TreeListing.Escape(name)]), $"value of {TreeListing.Escape(name)} of {path}");
        }
    }
}
