using ImageFs.Journal;
using ImageFs.Mkfs;
using ImageFs.Tests.Fixtures;
using ImageFs.Tests.Journal;

namespace ImageFs.Tests.Recovering;

/// <summary>Logs of a kernel that had changed an entry and not yet the parent pointer. The judge is its own recovery of a copy.</summary>
[TestClass]
public sealed class NameIntentTests
{
    private static TempImage Base(params string[] options)
    {
        TempImage image = TempImage.NotYetThere();
        StringWriter errors = new();
        Assert.AreEqual(0, MkfsProgram.Run(["-q", "--size", "64m", "-n", "parent=1", .. options, image.Path], TextWriter.Null, errors), errors.ToString());
        using KernelMount mount = KernelMount.ReadWrite(image.Path);
        // One file whose pointers fill a tree, and files that have one in the inode.
        mount.Run("""
            mkdir a b c; touch many
            for i in $(seq 300); do ln many a/many-name-$i-long-enough-to-fill-leaves-quickly; done
            for i in $(seq 200); do echo $i > b/file$i; done
            """);
        return image;
    }

    /// <summary>Makes, moves, links and removes names from all sides, until the plug is pulled.</summary>
    private static void Begin(KernelMount mount, Random random)
    {
        string a = mount["a"], b = mount["b"], c = mount["c"], many = mount["many"];
        string[] links = [.. Directory.GetFiles(a).Select(path => Path.GetFileName(path))];
        Action<int>[] loops =
        [
            i => Move(i, 300, $"{a}/{links[i % 300]}", $"{c}/{links[i % 300]}"),
            i => Move(i, 200, $"{b}/file{1 + i % 200}", $"{b}/a-longer-name-of-file{1 + i % 200}"),
            i => Posix.Link(Posix.Bytes(many), Posix.Bytes($"{c}/more{i}-{new string('x', i % 150)}")),
            i =>
            {
                string folder = Directory.CreateDirectory($"{c}/d{i}/e").FullName;
                File.Create($"{folder}/f").Dispose();
                File.CreateSymbolicLink($"{folder}/link", "target");
                Directory.Move(folder, $"{c}/d{i}/g");
                Directory.Delete($"{c}/d{i}", recursive: true);
            },
            i =>
            {
                File.Create($"{b}/new{i}").Dispose();
                File.Move($"{b}/new{i}", $"{b}/old", overwrite: true);
            },
            i =>
            {
                File.Create($"{a}/short-lived{i}").Dispose();
                File.Delete($"{a}/short-lived{i}");
            },
        ];
        foreach (Action<int> loop in loops)
            new Thread(() =>
            {
                try
                {
                    for (int i = 0; ; i++) loop(i);
                }
                catch (IOException) { }
            }) { IsBackground = true }.Start();
        Thread.Sleep(1 + random.Next(30));

        static void Move(int i, int count, string one, string two)
        {
            bool back = i / count % 2 != 0;
            File.Move(back ? two : one, back ? one : two);
        }
    }

    [TestMethod]
    [DataRow("")]
    [DataRow("-b size=1024")]
    public void WhatAKernelPromisedParentPointersIsDoneAsTheKernelDoesIt(string options)
    {
        Judge.Require("xfs_io");
        Random random = new(TestSettings.Seed);
        Console.WriteLine(TestSettings.Replay(nameof(WhatAKernelPromisedParentPointersIsDoneAsTheKernelDoesIt), TestSettings.Seed));
        using TempImage made = Base(options.Split(' ', StringSplitOptions.RemoveEmptyEntries));
        int wanted = 4 * TestSettings.Sweep;
        CutOffImages.Judge(wanted, 8 * wanted, _ => (DirtyImage.From(made, mount => Begin(mount, random)), options),
            pending => pending.OfType<AttrIntent>().Any(), intent => intent is AttrIntent attribute ? $"ATTRI {attribute.Operation}" : intent.Name, (image, _, _) =>
        {
            CutOffImages.AssertFinishedAsTheKernelDoes(image.Path, mount: true);
            using TempImage ours = TempImage.CopyOf(image.Path);
            FileSystem.Open(ours.Path, write: true).Dispose();
            using KernelMount mount = KernelMount.ReadWrite(ours.Path);
            KernelParents.AssertComplete(mount);
        });
    }
}
