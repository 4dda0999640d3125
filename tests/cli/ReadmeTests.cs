using ImageFs.Format;
using ImageFs.Tests.Fixtures;
using static ImageFs.Tests.Cli.CliRun;

namespace ImageFs.Tests.Cli;

/// <summary>What README promises is so.</summary>
[TestClass]
public sealed class ReadmeTests
{
    private static readonly string s_readme = File.ReadAllText(Path.Combine(Repository.Root, "README.md"));

    [TestMethod]
    public void TheExampleOfTheLibraryRuns()
    {
        string folder = Scratch.NewFolder(), before = Environment.CurrentDirectory;
        string image = Path.Combine(folder, "disk.img");
        Example(image, out string text, out bool shared);
        Assert.AreEqual(("hello", true), (text, shared));
        Assert.AreEqual(before, Environment.CurrentDirectory);
        Assert.AreEqual("copy.txt\nhello.txt\n", Run("ls", image).Ok());
    }

    private static void Example(string image, out string text, out bool shared)
    {
        // README begins
        ImageFs.Mkfs.Mkfs.FormatFile(image, new() { CreateImage = true, Size = 64 << 20 });
        using var fs = ImageFs.FileSystem.Open(image, write: true);
        using (var file = fs.CreateFile("/hello.txt")) file.Write(0, "hello"u8);
        fs.Clone("/hello.txt", "/copy.txt");
        fs.Flush();
        // README ends
        using XfsFile copy = fs.OpenFile("/copy.txt");
        text = System.Text.Encoding.UTF8.GetString(copy.ReadAll());
        shared = copy.GetExtents().All(extent => extent.Shared);
    }

    [TestMethod]
    public void TheExampleOfViewsDoesWhatItSays()
    {
        Judge.Require("mount"); // Linux
        string image = Path.Combine(Scratch.NewFolder(), "disk.img");
        Example(image, out _, out _);
        Views(image, out string seen);
        Assert.AreEqual("HELLO", seen);
        using FileSystem fs = FileSystem.Open(image);
        using XfsFile hello = fs.OpenFile("/hello.txt"), copy = fs.OpenFile("/copy.txt");
        Assert.AreEqual("hello", System.Text.Encoding.UTF8.GetString(hello.ReadAll()));
        Assert.AreEqual("HELLO", System.Text.Encoding.UTF8.GetString(copy.ReadAll()));
    }

    private static void Views(string image, out string seen)
    {
        // README begins
        using var fs = ImageFs.FileSystem.Open(image, new OpenOptions { Write = true, DirectAccess = DirectAccess.Always });
        using var file = fs.OpenFile("/copy.txt", write: true);
        using var view = file.OpenView();
        using (var lease = view.AcquireWritable(0, 5)) "HELLO"u8.CopyTo(lease.Span);
        file.Flush();
        // README ends
        seen = System.Text.Encoding.UTF8.GetString(view.Span);
    }

    [TestMethod]
    public void TheExampleInReadmeIsTheOneThatRuns()
    {
        string[] source = File.ReadAllLines(Path.Combine(Repository.Root, "tests", "cli", "ReadmeTests.cs"));
        string[] shown = s_readme.Split("```csharp\n");
        Assert.HasCount(4, shown);
        for (int i = 1, at = 0; i < shown.Length; i++)
        {
            int begin = Array.FindIndex(source, at, line => line.Trim() == "// README begins");
            at = Array.FindIndex(source, begin, line => line.Trim() == "// README ends");
            string example = string.Join('\n', source[(begin + 1)..at].Select(line => line.Trim()));
            string text = shown[i].Split("```")[0].Replace("\"disk.img\"", "image", StringComparison.Ordinal).TrimEnd();
            Assert.AreEqual(example, string.Join('\n', text.Split('\n').Select(line => line.Trim())));
        }
    }

    [TestMethod]
    public void TheExampleOfAnAtomicGroupIsOne()
    {
        using World w = new();
        w.Write("/config", 0, "old"u8.ToArray());
        FileSystem fs = w.Fs;
        byte[] settings = "new"u8.ToArray();
        fs.Flush();
        // README begins
        fs.Atomically(group =>
        {
            using (var file = fs.CreateFile("/config.new")) file.Write(0, settings);
            fs.Rename("/config", "/config.old");
            fs.Rename("/config.new", "/config");
        });
        // README ends
        Assert.AreEqual("new", System.Text.Encoding.UTF8.GetString(w.Read("/config")));
        w.CrashAndReopen();
        Assert.AreEqual("old", System.Text.Encoding.UTF8.GetString(w.Read("/config")));
        Assert.IsFalse(w.Fs.Exists("/config.old"));
    }

    [TestMethod]
    public void TheFeatureTableIsTheOneInTheCode()
    {
        foreach (Feature feature in FeatureTable.All)
        {
            string word = feature.Support switch { Support.Write => "yes", Support.Read => "read only", _ => "refused" };
            string[] rows = [.. s_readme.Split('\n').Where(line => line.StartsWith($"| `{feature.Name}` |", StringComparison.Ordinal))];
            Assert.HasCount(1, rows, $"README has one row for {feature.Name}");
            Assert.Contains($"| {word} |", rows[0]);
        }
    }

    [TestMethod]
    public void EveryVerbIsInReadme()
    {
        foreach (string line in Run("--help").Ok().Split('\n').Where(line => line.StartsWith("  imagefs ", StringComparison.Ordinal)))
            Assert.Contains($"imagefs {line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1]} ", s_readme);
    }
}
