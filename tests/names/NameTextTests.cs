using System.Text;
using ImageFs.Tests.Fixtures;

namespace ImageFs.Tests.Names;

/// <summary>Names are bytes: those that are no UTF-8 have a text too, and every call takes it.</summary>
[TestClass]
public sealed class NameTextTests
{
    [TestMethod]
    public void EveryNameHasATextThatLeadsBackToIt()
    {
        Random random = new(TestSettings.Seed);
        HashSet<string> texts = new(StringComparer.Ordinal);
        HashSet<string> names = new(StringComparer.Ordinal);
        for (int i = 0; i < 20_000; i++)
        {
            byte[] name = new byte[random.Next(1, 9)];
            // Many bytes that begin or continue a sequence, so that all kinds of halves occur.
            for (int at = 0; at < name.Length; at++) name[at] = (byte)(random.Next(3) == 0 ? random.Next(0x20, 0x7F) : random.Next(0x80, 0x100));
            string text = NameText.FromBytes(name);
            CollectionAssert.AreEqual(name, NameText.ToBytes(text), Convert.ToHexString(name));
            texts.Add(text);
            names.Add(Convert.ToHexString(name));
        }
        Assert.AreEqual(names.Count, texts.Count, "two names have one text");
        Assert.AreEqual("grün 😀", NameText.FromBytes("grün 😀"u8));
        Assert.AreEqual("caf\uDCE9", NameText.FromBytes(Encoding.Latin1.GetBytes("café")));
    }

    [TestMethod]
    public void HalfAPairThatStandsForNoByteIsRefused()
    {
        using World world = new();
        foreach (string path in (string[])["/a\uD800", "/\uDC00", "/x\uDFFFy"])
            Assert.AreEqual(Errno.EINVAL, World.ErrnoOf(() => world.Fs.CreateDirectory(path)), path);
    }

    [TestMethod]
    public void ATreeOfNamesThatAreNoTextIsMadeReadRenamedAndRemoved()
    {
        using World world = new();
        FileSystem fs = world.Fs;
        string directory = "/" + NameText.FromBytes([0xFF, 0x41]), file = directory + "/" + NameText.FromBytes([0xC3]), other = directory + "/" + NameText.FromBytes([0xC3, 0x28]);
        fs.CreateDirectory(directory);
        world.Write(file, 0, 1, 2, 3);
        fs.Rename(file, other);
        fs.CreateHardLink(file, other);
        fs.CreateSymbolicLink("/link", other[1..]);
        fs.SetAttribute(file, "user." + NameText.FromBytes([0x80, 0x81]), [7]);

        Assert.AreEqual(other[1..], fs.ReadLink("/link"));
        CollectionAssert.AreEqual((byte[])[1, 2, 3], world.Read("/link"));
        CollectionAssert.AreEqual((byte[])[7], fs.GetAttribute(other, fs.ListAttributes(file).Single().Name));
        foreach (DirectoryItem item in fs.List(directory)) Assert.AreEqual(2u, fs.GetEntry($"{directory}/{item.Name}").LinkCount);
        CollectionAssert.AreEquivalent((string[])["C3", "C328"], fs.List(directory).Select(i => Convert.ToHexString(i.NameBytes)).ToArray());
        world.CheckClean();
        world.Fs.DeleteDirectory(directory, recursive: true);
        Assert.IsFalse(world.Fs.Exists(directory));
    }
}
